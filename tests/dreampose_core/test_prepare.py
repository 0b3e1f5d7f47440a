"""A folder of videos becomes clips with charts: a gliding example person, and videos that cannot be used."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from dreampose_core.__main__ import main
from dreampose_core.framing import Frame
from dreampose_core.training import prepare_clips as made
from dreampose_core.training.clips import load_clips, write_clip
from dreampose_core.training.pairs import draw_pairs, read_batch
from pose_tools.errors import BadInput
from pose_tools.sequence import PoseSequence
from pose_tools.video import write_video
from tests.conftest import EXAMPLES

FPS, FRAMES = 6, 6
SIZE = ["--height", "128", "--width", "96", "--fps", str(FPS), "--estimator", "lite"]


def gliding(name: str = "blue_dress"):
    photo = cv2.resize(np.array(Image.open(EXAMPLES / f"{name}.jpg").convert("RGB")), (240, 320))
    for t in range(FRAMES):
        yield np.roll(photo, 3 * t - 6, axis=1)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A good video in a folder of its own, one without a person, and one that is none."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "a b").mkdir()
    write_video(gliding(), folder / "a b" / "walk.mp4", FPS)
    write_video([np.full((96, 96, 3), 128, np.uint8)] * FRAMES, folder / "empty room.mp4", FPS)
    (folder / "broken.mp4").write_text("this is text")
    return folder


@pytest.fixture(scope="module")
def prepared(videos, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared") / "clips"
    assert main(["prepare", str(videos), "--out", str(out), *SIZE]) == 0
    return out


def test_good_videos_become_clips_and_bad_ones_are_named(prepared):
    manifest = json.loads((prepared / "manifest.json").read_text())
    assert set(manifest["failed"]) == {"empty room.mp4", "broken.mp4"}
    assert all(why.endswith(".") and "\n" not in why for why in manifest["failed"].values())
    (clip,) = load_clips(prepared).clips
    assert clip.name.startswith("a_b__walk-") and clip.numbers == tuple(range(FRAMES))
    assert (manifest["height"], manifest["width"], manifest["fps"]) == (128, 96, FPS)
    batch = read_batch(draw_pairs(load_clips(prepared), 2, 0, 0, 0), (128, 96))
    assert batch.poses.shape == (2, 10, 16, 12)


def test_several_processes_write_the_same(videos, prepared, tmp_path, capsys):
    assert main(["prepare", str(videos), "--out", str(tmp_path / "clips"), *SIZE, "--processes", "2"]) == 0
    said = capsys.readouterr().err
    assert "walk.mp4: 6 frames" in said and said.count("left out") == 2
    one, many = (
        {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
        for folder in (prepared, tmp_path / "clips")
    )
    assert one.keys() == many.keys() and len(one) > FRAMES
    assert not [str(path) for path in one if one[path] != many[path] and path.suffix != ".npz"]
    (mine,), (theirs,) = load_clips(prepared).clips, load_clips(tmp_path / "clips").clips
    assert np.array_equal(mine.poses().iuv, theirs.poses().iuv)
    assert main(["prepare", str(videos), "--out", str(tmp_path / "none"), "--processes", "0"]) == 2


def test_charts_lie_on_the_person(prepared):
    """Where there are charts the frame is not the background, which one sees where the person never is."""
    (clip,) = load_clips(prepared).clips
    frames, charts = clip.frames().astype(int), clip.poses().iuv
    body = charts[..., 0] > 0
    height = np.flatnonzero(body[0].any(1))
    assert 0.75 < (height[-1] - height[0]) / 128 < 0.95, "framed as a photo is"
    dress = frames[..., 2] - frames[..., 0] > 12  # blue
    assert dress.any() and (dress & body).sum() > 0.75 * dress[:, 30:90].sum()
    middles = [np.flatnonzero(frame.any(0)).mean() for frame in body]
    assert np.diff(middles).mean() > 0.5, "the window stands still and the person moves through it"


def test_what_is_there_is_kept_and_other_sizes_are_refused(videos, prepared, capsys):
    (clip,) = load_clips(prepared).clips
    before = (clip.folder / "poses.npz").stat().st_mtime_ns
    assert main(["prepare", str(videos), "--out", str(prepared), *SIZE]) == 0
    said = capsys.readouterr().err
    assert "walk.mp4: there already" in said and "2 could not be used: broken.mp4, empty room.mp4" in said
    assert (clip.folder / "poses.npz").stat().st_mtime_ns == before
    assert main(["prepare", str(videos), "--out", str(prepared), *SIZE, "--height", "160"]) == 2
    assert "height 128, not 160" in capsys.readouterr().err


def test_a_half_written_clip_is_made_again(videos, prepared, tmp_path):
    out = tmp_path / "clips"
    shutil.copytree(prepared, out)
    (clip,) = load_clips(out).clips
    (clip.folder / "clip.json").unlink()
    settings = made.PrepareSettings(128, 96, FPS, "lite")
    assert set(made.prepare_clips(videos, out, settings, lambda line: None)) == {"empty room.mp4", "broken.mp4"}
    assert len(load_clips(out).clips) == 1


def test_long_videos_become_several_clips(videos, monkeypatch):
    path = videos / "a b" / "walk.mp4"
    settings = made.PrepareSettings(fps=FPS)
    assert [name for name, _ in made._requests("walk", path, settings)] == ["walk"]
    monkeypatch.setattr(made, "MOST_FRAMES", 4)
    parts = dict(made._requests("walk", path, settings))
    assert list(parts) == ["walk-1", "walk-2"]
    assert [(part.start, part.end) for part in parts.values()] == [(0.0, 0.5), (0.5, 1.0)]


@pytest.mark.parametrize("window", [Frame(-10.0, 4.0, 1.0, 96, 128), Frame(20.0, -8.0, 0.5, 96, 128)])
def test_frames_and_charts_go_through_the_same_window(window):
    """A bright square on dark ground, marked in the charts at half the size."""
    frame, charts = np.zeros((200, 160, 3), np.uint8), np.zeros((100, 80, 3), np.uint8)
    frame[60:120, 40:100], charts[30:60, 20:50] = 255, (1, 9, 9)
    picture = window.apply(frame, np.zeros((100, 80), bool))
    framed = made._framed_charts(charts, window, 160)
    assert framed.shape == picture.shape == (128, 96, 3)
    differ = (picture[..., 0] > 127) != (framed[..., 0] > 0)
    assert differ.sum() <= 0.02 * (framed[..., 0] > 0).sum()


def test_the_whole_frame_is_shown_where_that_is_wanted():
    poses = PoseSequence(np.ones((2, 90, 160, 3), np.uint8), FPS)
    window = made._window(poses, 320, 180, made.PrepareSettings(128, 96, framing="whole"))
    assert window.scale == pytest.approx(0.3)
    framed = made._framed_charts(poses.iuv[0], window, 320)[..., 0]
    rows = np.flatnonzero(framed.any(1))
    assert framed[rows].all() and abs(len(rows) - 54) <= 1 and abs(rows.mean() - 63.5) <= 1


def test_bad_input_is_one_sentence(videos, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    (tmp_path / "nothing").mkdir()
    for arguments, part in (
        ([str(tmp_path / "missing"), *out], "There is no folder"),
        ([str(tmp_path / "nothing"), *out], "There is no video"),
        ([str(videos), *out, "--height", "100"], "multiples of 16"),
    ):
        assert main(["prepare", *arguments]) == 2
        said = capsys.readouterr().err
        assert part in said and said.count("\n") == 1
    only = tmp_path / "only"
    only.mkdir()
    shutil.copy(videos / "broken.mp4", only)
    with pytest.raises(BadInput, match="No video could be prepared.* broken.mp4 is not a video"):
        made.prepare_clips(only, tmp_path / "out", made.PrepareSettings(), lambda line: None)
    with pytest.raises(BadInput, match="framing"):
        replace(made.PrepareSettings(), framing="round")


def test_a_clip_that_cannot_be_written_leaves_nothing(tmp_path):
    poses = PoseSequence(np.zeros((2, 32, 32, 3), np.uint8), FPS)

    def frames():
        yield np.zeros((32, 32, 3), np.uint8)
        raise OSError(28, "No space left on device")

    with pytest.raises(BadInput, match="The disk is full"):
        write_clip(tmp_path / "clip", frames(), poses, [0, 1], "png", {})
    assert not list(tmp_path.iterdir())
