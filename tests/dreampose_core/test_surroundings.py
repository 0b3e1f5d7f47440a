"""A film's frames back in the photo that its window was cut out of."""

from dataclasses import replace

import numpy as np
import pytest

from dreampose_core.film.finishing import Finish
from dreampose_core.film.surroundings import MOST_SIDE, Surroundings, surroundings_of
from dreampose_core.framing import Frame
from dreampose_core.subject import Subject, prepare_subject
from pose_tools.sequence import PoseSequence
from tests.dreampose_core.person import WALL, draw_person

WIDTH, HEIGHT = 256, 320


@pytest.fixture(scope="module")
def picture():
    """Somebody to the right in a wide photo whose wall gets brighter from left to right."""
    wide = np.full((560, 1100, 3), WALL, np.uint8)
    wide[60:540, 660:1044] = draw_person()
    slope = np.linspace(-12, 12, 1100)[None, :, None]
    return np.clip(wide + slope, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def subject(picture):
    return prepare_subject(picture, WIDTH, HEIGHT, finer=2)


def test_the_framed_photo_goes_back_to_where_it_was(subject):
    around = subject.around
    assert around.photo.shape[1] / around.photo.shape[0] == pytest.approx(1100 / 560, rel=0.01)
    back = around.put_in(subject.fine.photo)
    assert back.shape == around.photo.shape
    assert np.abs(back.astype(int) - around.photo).mean() < 1.5
    window = around.cut(back)
    assert window.shape == (around.height, around.width, 3)
    assert around.width / around.height == pytest.approx(WIDTH / HEIGHT, abs=0.01)


def test_what_the_window_shows_beyond_the_photo_is_left_away():
    around = Surroundings(np.full((20, 30, 3), 9, np.uint8), left=-4, top=-3, width=16, height=30)
    frame = np.zeros((30, 16, 3), np.uint8)
    frame[3:23, 4:] = 200
    whole = around.put_in(frame)
    assert (whole[:, :10] == 200).all() and (whole[:, 12:] == 9).all()
    assert (whole[:, 10] > whole[:, 11]).all() and (whole[:, 11] > 9).all(), "it fades where the photo goes on"
    assert np.array_equal(around.cut(whole)[:, :14], frame[:, :14])


def test_a_small_person_in_a_huge_photo_keeps_to_the_most_pixels():
    photo = np.zeros((300, 1000, 3), np.uint8)
    around = surroundings_of(photo, Frame(left=400, top=100, scale=4.0, width=256, height=320), 2)
    assert max(around.photo.shape) == MOST_SIDE
    assert (around.left, around.width) == (512, round(64 * 1.28))


def test_it_is_saved_with_the_subject_and_one_of_before_has_none(subject, tmp_path):
    subject.save(tmp_path / "one")
    back = Subject.load(tmp_path / "one").around
    assert np.array_equal(back.photo, subject.around.photo)
    assert (back.left, back.top, back.width) == (subject.around.left, subject.around.top, subject.around.width)
    replace(subject, around=None).save(tmp_path / "two")
    assert Subject.load(tmp_path / "two").around is None


def test_another_background_reaches_beyond_the_window(subject):
    poses = PoseSequence(subject.charts[None], fps=12)
    behind, around = np.full((40, 50, 3), (20, 140, 30), np.uint8), subject.around
    finish = Finish(poses, behind=behind, old=np.full((HEIGHT, WIDTH, 3), WALL, np.uint8), around=around)
    made = finish.put(0, subject.photo)
    assert made.shape == around.photo.shape
    assert np.abs(made[:, :40].astype(int) - (20, 140, 30)).max() < 4, "far from the window too"
    middle = made[around.top + around.height // 2, around.left + around.width // 2]
    assert np.abs(middle.astype(int) - (20, 140, 30)).max() > 40, "the person stays"
