"""A driving video becomes poses: real detectors on a moving example photo, and videos that cannot be used."""

import subprocess
import tracemalloc

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from pose_tools import extract
from pose_tools.errors import BadInput
from pose_tools.estimators.choose import Choice, choose
from pose_tools.estimators.found import Found
from pose_tools.extract import Extracted, Request, check_video, extract_poses, first_frame, write_preview
from pose_tools.video import cut_sound, probe, read_frames, write_video
from tests.conftest import EXAMPLES

FPS = 6


def moving_photo(frames=8, size=(240, 320)):
    """An example person who glides to the right before their own background."""
    photo = cv2.resize(np.array(Image.open(EXAMPLES / "blue_dress.jpg").convert("RGB")), size)
    for t in range(frames):
        yield np.roll(photo, 3 * t - 8, axis=1)


def ffmpeg(*arguments):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *(str(a) for a in arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    return write_video(moving_photo(), tmp_path_factory.mktemp("videos") / "walk.mp4", FPS)


@pytest.fixture(scope="module")
def extracted(walk):
    reports = []
    made = extract_poses(Request(walk, FPS, estimator="lite"), lambda *told: reports.append(told))
    return made, reports


def test_the_embedded_estimator_gives_charts_and_the_motion(extracted):
    made, reports = extracted
    assert made.estimator == "lite" and made.why.endswith(".")
    assert len(made.poses) == 8 and made.poses.fps == FPS
    assert len(made.motion) == 8
    assert made.frames.tolist() == list(range(8))
    body = made.poses.iuv[..., 0] > 0
    middle = [np.flatnonzero(frame.any(axis=0)).mean() for frame in body]
    assert np.diff(middle).mean() == pytest.approx(3, abs=1), "the person glides by 3 pixels a frame"
    assert reports[-1][0] == reports[-1][1]
    assert any(picture is not None for *_, picture in reports)


def test_what_was_read_comes_back_from_its_files(extracted, tmp_path):
    made, _ = extracted
    made.save(tmp_path)
    back = Extracted.load(tmp_path)
    assert np.array_equal(back.poses.iuv, made.poses.iuv)
    assert np.array_equal(back.motion.rotations, made.motion.rotations)
    assert (back.why, back.notes, back.estimator) == (made.why, made.notes, made.estimator)
    with pytest.raises(BadInput, match="no such poses"):
        Extracted.load(tmp_path / "elsewhere")


def test_the_preview_shows_the_poses_over_the_frames(extracted, walk, tmp_path):
    made, _ = extracted
    path = write_preview(made, Request(walk, FPS), tmp_path / "preview.mp4")
    frames = list(read_frames(path))
    assert len(frames) == 8
    plain = list(read_frames(walk))
    body = made.poses.iuv[4, ..., 0] > 0
    changed = np.abs(frames[4].astype(int) - plain[4]).max(axis=2)
    assert np.median(changed[body]) > 20 and np.median(changed[~body]) < 8


def test_a_part_is_read_and_the_first_frame_shown(walk):
    frame = first_frame(walk, start=0.5)
    assert frame.shape == (320, 240, 3)
    made = extract_poses(Request(walk, FPS, start=0.5, end=1.0, estimator="lite"))
    assert len(made.poses) == 3


class Coloured:
    """Takes every magenta patch for a person: its charts are even, its box the patch."""

    name, batch = "coloured", 3

    def find(self, frames):
        return [self._people(frame) for frame in frames]

    def _people(self, frame):
        magenta = (frame[..., 0] > 150) & (frame[..., 1] < 120) & (frame[..., 2] > 100)
        count, pieces, facts, _ = cv2.connectedComponentsWithStats(magenta.astype(np.uint8))
        people = []
        for k in range(1, count):
            x, y, w, h, size = facts[k]
            if size < 200:
                continue
            iuv = np.zeros(frame.shape, np.uint8)
            iuv[pieces == k] = (2, 100, 100)
            people.append(Found(iuv, 1.0, np.array([x, y, x + w, y + h], float)))
        return sorted(people, key=lambda one: -(one.iuv[..., 0] > 0).sum())


def squares(frames=24, gone=()):
    """Two magenta people, the left one smaller; both walk right. In the frames `gone` the larger one is away."""
    for t in range(frames):
        picture = np.full((120, 240, 3), 235, np.uint8)
        picture[40:100, 10 + t : 30 + t] = (200, 40, 160)
        if t not in gone:
            picture[20:110, 120 + 2 * t : 160 + 2 * t] = (200, 40, 160)
        yield picture


@pytest.fixture
def by_colour(monkeypatch):
    """The estimator above takes the place of the DensePose network, and no person needs to be found by landmarks."""
    monkeypatch.setattr(extract, "choose", lambda *_: Choice("coloured", Coloured(), "It was asked for."))
    monkeypatch.setattr(extract, "inspect_clip", lambda *_: ())


def middles(made):
    return [np.flatnonzero((frame[..., 0] > 0).any(axis=0)).mean() for frame in made.poses.iuv]


def test_one_of_several_is_followed_gaps_filled_and_long_ones_cut(by_colour, tmp_path):
    path = write_video(squares(gone=(5, 6, 12, 13, 14, 15, 16, 17, 18, 19)), tmp_path / "two.mp4", 12)
    made = extract_poses(Request(path, 12))
    assert made.frames.tolist() == [*range(12), *range(20, 24)]
    assert np.allclose(middles(made)[:5], [139.5 + 2 * t for t in range(5)], atol=1.5)
    said = " ".join(made.notes)
    assert "2 frames were filled" in said and "0.7 seconds" in said
    assert made.motion is None

    picked = extract_poses(Request(path, 12, picked=(0.08, 0.6)))
    assert np.allclose(middles(picked), [19.5 + t for t in range(24)], atol=1.5)


def test_memory_does_not_grow_with_the_clip(by_colour, tmp_path):
    def peak(frames):
        path = write_video((frame for _ in range(frames // 24) for frame in squares()), tmp_path / "long.mp4", 12)
        tracemalloc.start()
        extract_poses(Request(path, 12))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(24 * 12) < peak(24) + (4 << 20)


def test_auto_says_which_and_why():
    choice = choose("auto")
    assert choice.name == "lite" and choice.estimator is None and "GPU" in choice.why
    with pytest.raises(BadInput, match="no estimator named openpose"):
        choose("openpose")


def text_named_mp4(folder):
    (folder / "text.mp4").write_text("This is no video at all.")
    return folder / "text.mp4", "not a video"


def empty(folder):
    (folder / "empty.mp4").write_bytes(b"")
    return folder / "empty.mp4", "is empty"


def missing(folder):
    return folder / "none.mp4", "no video named"


def cut_to_its_head(folder):
    whole = write_video(moving_photo(24), folder / "whole.mp4", FPS).read_bytes()
    (folder / "cut.mp4").write_bytes(whole[:4000])
    return folder / "cut.mp4", "not a video|no frame"


def eight_k(folder):
    source = "color=c=gray:s=7680x4320:d=0.2:r=5"
    ffmpeg("-f", "lavfi", "-i", source, "-preset", "ultrafast", folder / "large.mp4")
    return folder / "large.mp4", "7680x4320"


def tiny(folder):
    return write_video((np.full((16, 16, 3), 90, np.uint8) for _ in range(6)), folder / "tiny.mp4", 6), "16x16"


def one_frame(folder):
    return write_video([np.full((128, 96, 3), 90, np.uint8)], folder / "one.mp4", 6), "single frame"


def still(folder):
    Image.new("RGB", (96, 128), "gray").save(folder / "still.png")
    return folder / "still.png", "not a video"


def nobody(folder):
    return write_video((np.full((128, 96, 3), 150, np.uint8) for _ in range(8)), folder / "wall.mp4", 6), "No person"


def dark(folder):
    return write_video((frame // 12 for frame in moving_photo()), folder / "night.mp4", 6), "too dark"


BAD = [text_named_mp4, empty, missing, cut_to_its_head, eight_k, tiny, one_frame, still, nobody, dark]


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_what_cannot_be_used_is_said_in_one_sentence(make, tmp_path):
    path, words = make(tmp_path)
    with pytest.raises(BadInput, match=words) as told:
        extract_poses(Request(path, FPS, estimator="lite"))
    assert str(told.value).endswith(".") and str(told.value).count(". ") == 0


def test_a_video_that_breaks_off_is_read_as_far_as_it_goes(tmp_path):
    whole = write_video(moving_photo(24), tmp_path / "whole.mp4", FPS)
    ffmpeg("-i", whole, "-c:v", "libx264", "-g", 3, "-bf", 0, tmp_path / "whole.mkv")
    data = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    made = extract_poses(Request(tmp_path / "cut.mkv", FPS, estimator="lite"))
    assert 4 <= len(made.poses) <= 16
    assert any("breaks off" in note for note in made.notes)


@pytest.mark.parametrize(("start", "end"), [(5.0, 6.0), (1.0, 0.5), (-1.0, 1.0), (0.5, 0.55)])
def test_a_part_that_is_not_there_is_refused(walk, start, end):
    with pytest.raises(BadInput, match="Choose a start before the end"):
        extract_poses(Request(walk, FPS, start, end, estimator="lite"))


def test_sound_is_cut_along(walk, tmp_path):
    assert cut_sound(walk, tmp_path / "sound.m4a") is None and not list(tmp_path.iterdir())
    ffmpeg("-i", walk, "-f", "lavfi", "-i", "sine=frequency=440:duration=1.3", "-c:v", "copy", tmp_path / "loud.mp4")
    sound = cut_sound(tmp_path / "loud.mp4", tmp_path / "sound.m4a", start=0.3, seconds=0.5)
    film = write_video(moving_photo(3), tmp_path / "film.mp4", FPS, audio=sound)
    assert probe(film).audio and probe(film).seconds == pytest.approx(0.5, abs=0.1)


def test_the_checks_tell_what_a_video_is(walk):
    info = check_video(walk)
    assert (info.width, info.height, info.frames) == (240, 320, 8)


def test_auto_falls_back_where_a_download_is_refused(monkeypatch, tmp_path):
    """A GPU would be worth the official network; a proxy that nobody listens at refuses its weights."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("DREAMPOSE_CACHE", str(tmp_path))
    choice = choose("auto", device="cuda")
    assert choice.name == "lite" and choice.estimator is None
    assert "could not be downloaded" in choice.why and str(tmp_path) in choice.why
