"""From a driving video to a motion of the library, and onto a photo: whole, refused, and corrected by hand."""

import sqlite3
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from dreampose_core.drive import load_drive, make_poses
from dreampose_core.extraction import expected_to_read
from dreampose_core.fitting import Fitting, fit_motion, keep_time, placed
from dreampose_core.jobs import client
from dreampose_core.jobs.inline import do_job, take_job
from dreampose_core.library.library import Library
from dreampose_core.photo import open_photo
from dreampose_core.settings import AnimateSettings
from dreampose_core.subject import prepare_subject
from pose_tools.align import apply
from pose_tools.body.motion import find_motion
from pose_tools.errors import BadInput
from pose_tools.extract import Request
from pose_tools.sequence import PoseSequence
from pose_tools.video import probe, write_video
from tests.moving import write_moving

FRAMES, FPS = 8, 12


def do(library: Library, job: str) -> client.Status:
    """Do a waiting job here and now, as where a GPU is lent to single calls."""
    assert take_job(library.root, "cpu").id == job
    do_job(library.root, client.Store(library.root).get(job))
    return client.status(library, job)


@pytest.fixture(scope="module")
def library(given, tmp_path_factory):
    """A library with a motion that was read from a video of the drawn person."""
    library = Library(tmp_path_factory.mktemp("library"))
    video = write_moving(given / "photo.jpg", library.root / "my walk.mp4", 16, 16)
    request = Request(video, FPS, start=0.25, end=0.25 + FRAMES / FPS)
    done = do(library, client.submit_extract(library, request, title="my walk"))
    assert (done.state, done.error) == ("done", None)
    assert done.motion == done.id
    return library


@pytest.fixture(scope="module")
def subject(given):
    return prepare_subject(open_photo(given / "photo.jpg"), 96, 128)


def test_a_motion_has_all_its_files_and_the_video_is_gone(library):
    (motion,) = library.motions()
    assert (motion.title, motion.body) == ("my walk", True)
    assert motion.why.endswith(".") and motion.notes == ()
    assert len(PoseSequence.load(motion.poses)) == FRAMES == len(load_drive("", motion.drive))
    assert probe(motion.preview).frames == FRAMES
    assert motion.sound.stat().st_size > 1000
    assert motion.seconds == pytest.approx(FRAMES / FPS)
    assert motion.thumbnail.read_bytes()[8:12] == b"WEBP"
    assert not library.job_folder(motion.id).exists()
    assert not [path for path in library.folder.rglob("*") if path.name.startswith((".", "video"))]


def test_the_progress_is_told_with_pictures_and_the_seconds_left(library):
    (motion,) = library.motions()
    events = client.events(library, motion.id)
    assert [e.stage for e in events] == sorted((e.stage for e in events), key=["read", "body", "draw"].index)
    assert events[-1].stage == "draw" and events[-1].step == events[-1].total == FRAMES
    assert any(e.preview for e in events if e.stage == "read")
    assert all(e.seconds_left is not None for e in events)


def test_a_motion_is_put_on_a_photo_by_a_job_and_each_tab_keeps_its_last_one(library, given):
    (motion,) = library.motions()
    ask = partial(client.submit_align, library, motion.id, photo=given / "photo.jpg", profile="tiny")
    first = ask()
    assert do(library, first).state == "done"
    found = Fitting.load(library.job_folder(first))
    assert found.alignment is None and found.charts.shape == (5, 128, 96, 3)
    assert not (library.job_folder(first) / "photo").exists(), "the photo is not kept a second time"
    other = ask()  # of another tab, which is at it at the same time
    second = ask(before=first)
    assert not library.job_folder(first).exists()
    assert client.status(library, other).state == client.status(library, second).state == "queued"
    assert do(library, other).state == do(library, second).state == "done"
    with sqlite3.connect(library.root / "jobs.sqlite3") as db:  # a tab that was closed long ago
        db.execute("UPDATE jobs SET created = created - ? WHERE id = ?", (client.FITTINGS_LAST + 1, other))
    third = ask(before=second)
    assert not library.job_folder(other).exists() and not library.job_folder(second).exists()
    client.cancel(library, third)


@pytest.mark.parametrize(
    ("estimator", "device", "fits"),
    [("lite", "cuda", False), ("auto", "cpu", False), ("auto", "cuda", True), ("densepose", "cpu", True)],
)
def test_the_time_left_counts_the_body_that_charts_alone_need(library, estimator, device, fits):
    video = library.root / "my walk.mp4"
    seconds = expected_to_read(library, Request(video, FPS, end=0.5, estimator=estimator, device=device))
    assert (seconds["body"] > 0) == fits and seconds["read"] > 0 and seconds["draw"] > 0


def test_charts_alone_follow_the_hand_and_lie_in_the_film_as_they_are_shown(library, subject, tmp_path):
    (motion,) = library.motions()
    charts = PoseSequence.load(motion.poses)
    fit_motion(charts, subject).save(tmp_path)
    found = Fitting.load(tmp_path)
    as_found, larger, aside = (
        apply(charts, placed(charts, subject, hand), 96, 128).iuv
        for hand in ((1.0, 0.0, 0.0), (1.3, 0.0, 0.0), (1.0, 0.25, 0.0))
    )
    person = subject.charts[..., 0] > 0
    seen = as_found[..., 0] > 0
    overlaps = (seen & person).sum((1, 2)) / (seen | person).sum((1, 2))
    assert overlaps.max() > 0.7, "the same person, as they come by, lies on the photo"
    assert (larger[..., 0] > 0).sum() > 1.3 * (as_found[..., 0] > 0).sum()
    columns = [np.nonzero(iuv[0, ..., 0])[1].mean() for iuv in (as_found, aside)]
    assert columns[1] - columns[0] == pytest.approx(0.25 * 96, abs=3)
    film, moves = make_poses(charts, subject, FRAMES, FPS, placed(charts, subject, (1.3, 0.0, 0.0)))
    assert moves is None and (film.iuv == larger).all()
    shown = found.pictures((1.3, 0.0, 0.0))
    assert len(shown) == 5
    changed = (shown[0] != subject.photo).any(-1)
    assert (changed == (larger[0, ..., 0] > 0)).mean() > 0.99


def test_a_film_keeps_the_time_of_its_video(library):
    (motion,) = library.motions()
    drive = load_drive("", motion.drive)
    whole, frames = keep_time(drive, 100, 24)
    assert frames == 2 * FRAMES and len(whole) == FRAMES
    part, frames = keep_time(drive, 3, 12)
    assert frames == 3 and len(part) == 3
    turn = find_motion("full_turn")
    assert len(keep_time(replace(turn, loop=True), 12, 12)[0]) == round(turn.fps)


def test_what_the_library_lacks_drives_no_film(library, given):
    settings = AnimateSettings("my walk", profile="tiny", extraction="0" * 24)
    with pytest.raises(BadInput, match="no such motion"):
        client.submit_animate(library, settings, photo=given / "photo.jpg")
    with pytest.raises(BadInput, match="no such motion"):
        client.submit_align(library, "../../etc", photo=given / "photo.jpg")


def grey(path: Path, frames: int, size: tuple[int, int], fps: float = 12) -> Path:
    return write_video([np.full((size[1], size[0], 3), 128, np.uint8)] * frames, path, fps)


def video_of(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.mp4"
    if kind == "text":
        path.write_text("This is no video at all.")
    elif kind == "empty":
        path.touch()
    elif kind == "truncated":
        whole = grey(folder / "whole.mp4", 24, (128, 160)).read_bytes()
        path.write_bytes(whole[: len(whole) // 3])
    elif kind == "long":
        grey(path, 65, (64, 64), fps=1)
    elif kind == "small":
        grey(path, 12, (16, 16))
    elif kind == "huge":
        grey(path, 2, (7680, 128))
    elif kind == "one frame":
        grey(path, 1, (128, 160))
    return path


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("text", "not a video that can be read"),
        ("empty", "is empty"),
        ("truncated", "can be read"),
        ("long", "Up to 60 seconds"),
        ("small", "16x16 pixels"),
        ("huge", "7680x128 pixels"),
        ("one frame", "single frame"),
        ("missing", "no video named"),
    ],
)
def test_what_is_no_use_as_a_video_is_refused_at_once(tmp_path, kind, sentence):
    library = Library(tmp_path / "library")
    with pytest.raises(BadInput, match=sentence) as caught:
        client.submit_extract(library, Request(video_of(kind, tmp_path)))
    assert str(caught.value).count(". ") == 0 and str(caught.value).endswith(".")
    assert client.jobs(library) == [] and not library.folder.exists()


def test_a_part_that_is_not_there_is_refused(tmp_path):
    library, video = Library(tmp_path / "library"), grey(tmp_path / "grey.mp4", 24, (96, 128))
    for start, end, sentence in ((1.0, 0.5, "before the end"), (-1.0, None, "before the end"), (5.0, None, "behind")):
        with pytest.raises(BadInput, match=sentence):
            client.submit_extract(library, Request(video, start=start, end=end))


def test_a_video_without_a_person_fails_in_one_sentence_and_leaves_nothing(tmp_path):
    library = Library(tmp_path / "library")
    job = client.submit_extract(library, Request(grey(tmp_path / "wall.mp4", 12, (96, 128))))
    failed = do(library, job)
    assert failed.state == "failed" and "No person was found in the video" in failed.error
    assert not library.job_folder(job).exists() and library.motions() == []
    client.retry(library, job)
    assert "choose it again" in do(library, job).error


def test_a_cancelled_video_is_kept_for_a_second_try_until_another_one_comes(tmp_path):
    library, video = Library(tmp_path / "library"), grey(tmp_path / "wall.mp4", 12, (96, 128))
    first = client.submit_extract(library, Request(video))
    client.cancel(library, first)
    kept = library.job_folder(first) / "video"
    assert kept.read_bytes() == video.read_bytes()
    client.submit_extract(library, Request(video))
    assert not kept.exists()
    assert client.status(library, first).state == "cancelled", "whoever asks is still told"
