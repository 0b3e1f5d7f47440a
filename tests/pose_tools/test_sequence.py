"""PoseSequence: its promises, its files, and files that are not what they say."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest

from pose_tools.errors import BadInput
from pose_tools.sequence import PoseSequence


def some_iuv(frames=5, height=12, width=8, seed=0):
    rng = np.random.default_rng(seed)
    iuv = rng.integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    iuv[..., 0] %= 25
    return iuv


def one_sentence(error):
    text = str(error.value)
    return text.endswith(".") and "\n" not in text and len(text) < 200


def write_npz(path, **members):
    """An .npz of raw members, so that a test can write what NumPy would not."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            if not isinstance(data, bytes):
                buffer = io.BytesIO()
                np.save(buffer, data, allow_pickle=True)
                data = buffer.getvalue()
            archive.writestr(f"{name}.npy", data)
    return path


def header(shape, descr="|u1"):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def test_save_and_load_keep_every_value(tmp_path):
    sequence = PoseSequence(some_iuv(), 12, {"motion": "sway", "frames": 5})
    path = sequence.save(tmp_path / "poses.npz")
    again = PoseSequence.load(path)
    assert np.array_equal(again.iuv, sequence.iuv) and again.fps == 12.0
    assert again.config == {"motion": "sway", "frames": 5}
    assert [p.name for p in tmp_path.iterdir()] == ["poses.npz"]
    with np.load(path, allow_pickle=False) as file:
        assert file["iuv"].dtype == np.uint8 and float(file["fps"]) == 12.0
        assert json.loads(str(file["config"]))["motion"] == "sway"


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = PoseSequence(some_iuv(), 12).save(tmp_path / "poses.npz")
    before = path.read_bytes()
    with pytest.raises(TypeError):
        PoseSequence(some_iuv(), 12, {"bad": object()}).save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "iuv, fps",
    [
        (np.zeros((2, 4, 4, 2), np.uint8), 12),
        (np.zeros((4, 4, 3), np.uint8), 12),
        (np.zeros((0, 4, 4, 3), np.uint8), 12),
        (np.zeros((2, 0, 4, 3), np.uint8), 12),
        (np.zeros((2, 4, 4, 3), np.float32), 12),
        (np.full((2, 4, 4, 3), 25, np.uint8), 12),
        (np.zeros((1, 4, 5000, 3), np.uint8), 12),
        ([[1, 2, 3]], 12),
        (np.zeros((2, 4, 4, 3), np.uint8), 0),
        (np.zeros((2, 4, 4, 3), np.uint8), -3),
        (np.zeros((2, 4, 4, 3), np.uint8), float("nan")),
        (np.zeros((2, 4, 4, 3), np.uint8), "fast"),
    ],
)
def test_wrong_values_are_refused(iuv, fps):
    with pytest.raises(BadInput) as error:
        PoseSequence(iuv, fps)
    assert one_sentence(error)


def test_files_that_are_something_else(tmp_path):
    good = PoseSequence(some_iuv(), 12).save(tmp_path / "good.npz").read_bytes()
    (tmp_path / "text.npz").write_text("not a zip at all")
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "cut.npz").write_bytes(good[: len(good) // 2])
    flipped = bytearray(good)
    flipped[120:140] = bytes(20)
    (tmp_path / "flipped.npz").write_bytes(bytes(flipped))
    write_npz(tmp_path / "no_iuv.npz", fps=np.float64(12))
    write_npz(tmp_path / "no_fps.npz", iuv=some_iuv())
    write_npz(tmp_path / "floats.npz", iuv=some_iuv().astype(float), fps=np.float64(12))
    write_npz(tmp_path / "two_fps.npz", iuv=some_iuv(), fps=np.array([12.0, 13.0]))
    write_npz(tmp_path / "text_fps.npz", iuv=some_iuv(), fps=np.array("fast"))
    write_npz(tmp_path / "config.npz", iuv=some_iuv(), fps=np.float64(12), config=np.array("{"))
    write_npz(tmp_path / "list.npz", iuv=some_iuv(), fps=np.float64(12), config=np.array("[1]"))
    write_npz(tmp_path / "short.npz", iuv=header((2, 4, 4, 3)) + bytes(10), fps=np.float64(12))
    write_npz(tmp_path / "garbage.npz", iuv=b"\x93NUMPY\x01\x00\x05\x00{[(", fps=np.float64(12))
    names = [p.name for p in tmp_path.iterdir() if p.name != "good.npz"] + ["missing.npz"]
    assert len(names) == 14
    for name in names:
        with pytest.raises(BadInput) as error:
            PoseSequence.load(tmp_path / name)
        assert one_sentence(error), name


def test_a_pickle_is_never_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    write_npz(tmp_path / "a.npz", iuv=np.array([Evil()], dtype=object), fps=np.float64(12))
    write_npz(tmp_path / "b.npz", iuv=pickle.dumps(Evil()), fps=np.float64(12))
    folder = tmp_path / "frames"
    folder.mkdir()
    np.save(folder / "frame_0_densepose.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    for path in (tmp_path / "a.npz", tmp_path / "b.npz", folder):
        with pytest.raises(BadInput):
            PoseSequence.load(path)
    assert not (tmp_path / "ran").exists()


def test_sizes_are_refused_before_anything_is_decompressed(tmp_path):
    # 2 GB of zeros deflate to 2 MB; reading them first would show in the peak of tracemalloc
    import tracemalloc

    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("iuv.npy", "w") as member:
            member.write(header((8000, 512, 512, 3)))
            for _ in range(64):
                member.write(bytes(1 << 20))
        archive.writestr("fps.npy", header((), "<f8") + np.float64(12).tobytes())
    tracemalloc.start()
    with pytest.raises(BadInput) as error:
        PoseSequence.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert one_sentence(error) and "too large" in str(error.value) and peak < 8 << 20


def write_folder(folder, iuv, layout="chw", first=0, dtype=np.uint8):
    folder.mkdir()
    for k, frame in enumerate(iuv):
        frame = frame.transpose(2, 0, 1) if layout == "chw" else frame
        np.save(folder / f"frame_{first + k}_densepose.npy", frame.astype(dtype))
    return folder


@pytest.mark.parametrize(
    "layout, first, dtype", [("chw", 0, np.uint8), ("hwc", 7, np.uint8), ("chw", 1, np.float32)]
)
def test_the_authors_folders_are_read_in_numeric_order(tmp_path, layout, first, dtype):
    iuv = some_iuv(frames=12)
    folder = write_folder(tmp_path / "clip", iuv, layout, first, dtype)
    (folder / "frame_3.png").write_bytes(b"ignored")
    sequence = PoseSequence.load(folder, fps=24)
    assert np.array_equal(sequence.iuv, iuv) and sequence.fps == 24


def test_bad_folders_are_refused(tmp_path):
    iuv = some_iuv(frames=4)
    missing = write_folder(tmp_path / "missing", iuv)
    (missing / "frame_2_densepose.npy").unlink()
    with pytest.raises(BadInput, match="lacks frame_2_densepose.npy"):
        PoseSequence.load(missing)
    sizes = write_folder(tmp_path / "sizes", iuv)
    np.save(sizes / "frame_3_densepose.npy", np.zeros((3, 5, 5), np.uint8))
    parts = write_folder(tmp_path / "parts", iuv)
    np.save(parts / "frame_1_densepose.npy", np.full((3, 12, 8), 99, np.uint8))
    flat = write_folder(tmp_path / "flat", iuv)
    np.save(flat / "frame_0_densepose.npy", np.zeros((12, 8), np.uint8))
    unit = write_folder(tmp_path / "unit", iuv)
    np.save(unit / "frame_0_densepose.npy", np.full((3, 12, 8), 0.5, np.float32))
    nan = write_folder(tmp_path / "nan", iuv)
    np.save(nan / "frame_0_densepose.npy", np.full((3, 12, 8), np.nan, np.float32))
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder in (sizes, parts, flat, unit, nan, empty):
        with pytest.raises(BadInput) as error:
            PoseSequence.load(folder)
        assert one_sentence(error), folder


def test_resize_keeps_values_and_positions():
    iuv = np.zeros((1, 4, 4, 3), np.uint8)
    iuv[0, :2, :2] = (7, 100, 200)
    big = PoseSequence(iuv, 12).resize(12, 8)
    assert (big.width, big.height) == (12, 8)
    assert (big.iuv[0, :4, :6] == (7, 100, 200)).all()
    assert not big.iuv[0, 4:].any() and not big.iuv[0, :, 6:].any()


def test_resample_by_rate_and_by_count():
    sequence = PoseSequence(some_iuv(frames=30), 30)
    half = sequence.resample(fps=15)
    assert len(half) == 15 and half.fps == 15 and np.array_equal(half.iuv, sequence.iuv[1::2])
    assert np.array_equal(sequence.resample(fps=60).iuv, np.repeat(sequence.iuv, 2, 0))
    ten = sequence.resample(frames=10)
    assert len(ten) == 10 and ten.seconds == pytest.approx(sequence.seconds)
    held = sequence.resample(fps=30, frames=35)
    assert np.array_equal(held.iuv[:30], sequence.iuv) and (held.iuv[30:] == sequence.iuv[-1]).all()
    assert sequence.resample() is sequence
    with pytest.raises(BadInput):
        sequence.resample(frames=0)


def test_five_around_replaces_what_lies_outside_by_the_frame_itself():
    sequence = PoseSequence(some_iuv(frames=5), 12)
    assert sequence.five_around(2) == (0, 1, 2, 3, 4)
    assert sequence.five_around(0) == (0, 0, 0, 1, 2)
    assert sequence.five_around(1) == (1, 0, 1, 2, 3)
    assert sequence.five_around(4) == (2, 3, 4, 4, 4)
    with pytest.raises(IndexError):
        sequence.five_around(5)
