"""Videos written and read back: what a browser needs, what a person sees, and files that are no video."""

import subprocess
import tracemalloc
import wave
import zipfile

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from pose_tools.errors import BadInput
from pose_tools.video import probe, read_frames, side_by_side, write_frames_zip, write_gif, write_video


def moving_square(frames=12, height=64, width=48):
    for t in range(frames):
        frame = np.full((height, width, 3), (230, 228, 220), np.uint8)
        frame[20:40, 4 + t : 20 + t] = (180, 30, 140)
        yield frame


def described(path):
    """ffmpeg's own lines about a file."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(path)]
    return subprocess.run(command, capture_output=True, text=True).stderr


def tone(path, seconds):
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", "none"))
        wave_ = np.sin(np.arange(int(8000 * seconds)) * 2 * np.pi * 440 / 8000) * 12000
        file.writeframes(wave_.astype("<i2").tobytes())
    return path


def test_a_written_video_is_what_browsers_play_and_keeps_its_colours(tmp_path):
    path = write_video(moving_square(), tmp_path / "clip.mp4", 12)
    text = described(path)
    assert "h264" in text and "yuv420p" in text and "bt709" in text
    data = path.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")
    frames = list(read_frames(path))
    assert len(frames) == 12 and frames[0].shape == (64, 48, 3)
    want = list(moving_square())
    assert np.abs(frames[5][2:18].astype(int) - want[5][2:18]).max() <= 8
    assert np.abs(frames[5][24:36, 12:22].astype(int) - want[5][24:36, 12:22]).max() <= 8
    info = probe(path)
    assert (info.width, info.height, info.fps, info.frames, info.audio) == (48, 64, 12.0, 12, False)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_recording_that_names_no_length_is_counted(tmp_path):
    """As a browser's recorder writes it: Matroska to a pipe, never gone back to."""
    whole = write_video(moving_square(36), tmp_path / "whole.mp4", 12)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(whole), "-c", "copy", "-f", "matroska", "-"]
    (tmp_path / "live.mkv").write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    assert "Duration: N/A" in described(tmp_path / "live.mkv")
    info = probe(tmp_path / "live.mkv")
    assert info.seconds == pytest.approx(3, abs=0.1) and info.frames == 36


def test_pixels_that_are_shown_wider_than_stored_are_made_square(tmp_path):
    whole = write_video(moving_square(6), tmp_path / "whole.mp4", 12)
    wide = tmp_path / "wide.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(whole), "-vf", "setsar=2", str(wide)]
    subprocess.run(command, check=True)
    info = probe(wide)
    assert (info.width, info.height) == (96, 64)
    assert next(read_frames(wide)).shape == (64, 96, 3)
    assert next(read_frames(wide, size=(48, 32))).shape == (32, 48, 3)


def test_odd_sizes_are_padded_by_one(tmp_path):
    path = write_video(moving_square(height=65, width=49), tmp_path / "odd.mp4", 12)
    frames = list(read_frames(path))
    assert frames[0].shape == (66, 50, 3)
    assert np.abs(frames[0][65].astype(int) - frames[0][64]).max() < 12


@pytest.mark.parametrize("seconds", [0.4, 5.0])
def test_sound_lasts_as_long_as_the_frames(tmp_path, seconds):
    sound = tone(tmp_path / "tone.mkv.wav", seconds)
    video = tmp_path / "tone.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(sound), "-c:a", "aac", str(video)]
    subprocess.run(command, check=True)
    path = write_video(moving_square(frames=24), tmp_path / "clip.mp4", 12, audio=video)
    info = probe(path)
    assert info.audio and len(list(read_frames(path))) == 24 and info.seconds == pytest.approx(2, abs=0.15)


def test_a_silent_sound_source_is_silence(tmp_path):
    silent = write_video(moving_square(), tmp_path / "silent.mp4", 12)
    path = write_video(moving_square(), tmp_path / "clip.mp4", 12, audio=silent)
    assert not probe(path).audio and len(list(read_frames(path))) == 12


def test_nothing_half_written_stays(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"the old one")

    def broken():
        yield from moving_square(frames=3)
        raise KeyError("rendering failed")

    with pytest.raises(KeyError):
        write_video(broken(), path, 12)
    with pytest.raises(ValueError):
        write_video([], path, 12)
    with pytest.raises(ValueError):
        write_video([np.zeros((4, 4, 3), np.uint8), np.zeros((6, 4, 3), np.uint8)], path, 12)
    with pytest.raises(OSError, match="clip.mp4"):
        write_video(moving_square(), path, 12, audio=tmp_path / "no_such_sound.mp4")
    assert path.read_bytes() == b"the old one" and len(list(tmp_path.iterdir())) == 1


def test_a_gif_loops_for_ever_at_its_rate(tmp_path):
    path = write_gif(moving_square(), tmp_path / "clip.gif", 12)
    with Image.open(path) as gif:
        durations = []
        for k in range(gif.n_frames):
            gif.seek(k)
            durations.append(gif.info["duration"])
        assert gif.n_frames == 12 and gif.info["loop"] == 0
    assert sum(durations) == pytest.approx(1000, abs=30)


def test_frames_zip_holds_the_frames_exactly(tmp_path):
    files = [tmp_path / f"{number}.png" for number in range(12)]
    for file, frame in zip(files, moving_square(), strict=True):
        Image.fromarray(frame).save(file)
    path = write_frames_zip(files, tmp_path / "frames.zip")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        with archive.open(names[-1]) as file:
            last = np.asarray(Image.open(file))
    assert names[0] == "frame_0001.png" and names[-1] == "frame_0012.png"
    assert np.array_equal(last, list(moving_square())[-1])


def test_reading_at_another_rate_and_size(tmp_path):
    path = write_video(moving_square(frames=30), tmp_path / "clip.mp4", 30)
    frames = list(read_frames(path, fps=10, size=(24, 32)))
    assert len(frames) == 10 and frames[0].shape == (32, 24, 3)


def test_reading_takes_the_same_memory_for_any_length(tmp_path):
    def peak(frames):
        path = write_video(moving_square(frames, 240, 320), tmp_path / f"{frames}.mp4", 30)
        tracemalloc.start()
        assert sum(1 for _ in read_frames(path)) == frames
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    assert peak(90) < peak(10) + (1 << 20)


def test_rotation_is_applied(tmp_path):
    path = write_video(moving_square(), tmp_path / "clip.mp4", 12)
    turned = tmp_path / "turned.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-display_rotation", "90", "-i", str(path)]
    subprocess.run([*command, "-c", "copy", str(turned)], check=True)
    info = probe(turned)
    assert (info.width, info.height) == (64, 48) and next(read_frames(turned)).shape == (48, 64, 3)


def test_files_that_are_no_video(tmp_path):
    good = write_video(moving_square(), tmp_path / "good.mp4", 12)
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (tmp_path / "text.mp4").write_text("this is text")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "cut.mp4").write_bytes(good.read_bytes()[:400])
    (tmp_path / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{good}\n#EXT-X-ENDLIST\n")
    (tmp_path / "sound.mp4").write_bytes(tone(tmp_path / "tone.wav", 0.2).read_bytes())
    for name in ("text.mp4", "empty.mp4", "cut.mp4", "list.mp4", "sound.mp4", "missing.mp4", "."):
        for read in (probe, lambda p: list(read_frames(p))):
            with pytest.raises(BadInput) as error:
                read(tmp_path / name)
            assert str(error.value).endswith(".") and "\n" not in str(error.value)


def test_side_by_side_holds_photo_pose_and_result_at_one_height():
    photo = np.full((400, 300, 3), (200, 10, 10), np.uint8)
    poses = [np.full((80, 65, 3), (10, 200, 10), np.uint8)] * 2
    results = [np.full((161, 121, 3), (10, 10, 200), np.uint8)] * 2
    frames = list(side_by_side(photo, poses, results))
    assert len(frames) == 2
    frame = frames[0]
    assert frame.shape[0] % 2 == 0 and frame.shape[1] % 2 == 0 and frame.shape[0] < 230
    for colour, width in (((200, 10, 10), 121), ((10, 200, 10), 131), ((10, 10, 200), 121)):
        rows, columns = np.nonzero((frame == colour).all(-1))
        assert np.ptp(rows) + 1 == 161 and np.ptp(columns) + 1 == width
    top = frame[: np.nonzero((frame == (10, 10, 200)).all(-1))[0].min()]
    assert (top < 120).all(-1).sum() > 30  # the captions' ink
    with pytest.raises(ValueError):
        list(side_by_side(photo, poses[:1], results))
