"""Finding, checking and framing the one person of a photo, on people drawn from the figure."""

import cv2
import numpy as np
import pytest

from dreampose_core.framing import PERSON, Frame, frame_person
from dreampose_core.subject import Subject, prepare_subject
from pose_tools.errors import BadInput
from pose_tools.finding import extent
from tests.dreampose_core.person import WALL, draw_person

WIDTH, HEIGHT = 256, 320


@pytest.fixture(scope="module")
def picture():
    return draw_person()


@pytest.fixture(scope="module")
def subject(picture):
    return prepare_subject(picture, WIDTH, HEIGHT)


def test_the_subject_fills_the_frame_and_the_body_lies_on_it(subject):
    assert subject.photo.shape == (HEIGHT, WIDTH, 3)
    assert subject.photo.dtype == subject.charts.dtype == np.uint8
    assert subject.mask.shape == (HEIGHT, WIDTH)
    assert subject.mask.dtype == np.float32
    top, bottom = extent(subject.mask > 0.5, axis=1)
    assert (bottom - top) / HEIGHT == pytest.approx(PERSON, abs=0.04)
    left, right = extent(subject.mask > 0.5, axis=0)
    assert (left + right) / 2 / WIDTH == pytest.approx(0.5, abs=0.03)
    body = subject.charts[..., 0] > 0
    inside = subject.mask > 0.5
    assert (body & inside).sum() / (body | inside).sum() > 0.85
    assert subject.body.camera.width == WIDTH


def test_what_is_saved_comes_back_bit_by_bit(subject, tmp_path):
    subject.save(tmp_path / "one")
    back = Subject.load(tmp_path / "one")
    for name in ("photo", "mask", "charts"):
        assert np.array_equal(getattr(back, name), getattr(subject, name)), name
    assert back.body.to_dict() == subject.body.to_dict()
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_finer_subject_is_the_same_person_with_more_pixels(subject, tmp_path):
    photo = draw_person(576, 720)
    with_fine = prepare_subject(photo, WIDTH, HEIGHT, finer=2)
    fine = with_fine.fine
    assert fine.photo.shape == (2 * HEIGHT, 2 * WIDTH, 3) and fine.mask.shape == fine.charts.shape[:2] == (640, 512)
    assert fine.body.camera.scale == pytest.approx(2 * with_fine.body.camera.scale)
    shrunk = cv2.resize(fine.photo, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - with_fine.photo).mean() < 1
    large, small = fine.mask > 0.5, cv2.resize(with_fine.mask, (2 * WIDTH, 2 * HEIGHT)) > 0.5
    assert (large & small).sum() / (large | small).sum() > 0.97
    with_fine.save(tmp_path / "one")
    back = Subject.load(tmp_path / "one")
    assert np.array_equal(back.fine.photo, fine.photo) and np.array_equal(back.fine.mask, fine.mask)
    assert subject.fine is None


def test_somebody_small_and_aside_is_framed_like_anybody(picture):
    wide = np.full((700, 1200, 3), WALL, np.uint8)
    wide[200:680, 780:1164] = picture
    subject = prepare_subject(wide, WIDTH, HEIGHT)
    top, bottom = extent(subject.mask > 0.5, axis=1)
    assert (bottom - top) / HEIGHT == pytest.approx(PERSON, abs=0.05)


def test_a_tight_photo_is_filled_up_at_its_sides(picture):
    tight = picture[20:470, 100:284]
    subject = prepare_subject(tight, WIDTH, HEIGHT)
    assert np.abs(subject.photo[40, 5].astype(int) - WALL).max() < 30
    assert np.abs(subject.photo[40, -5].astype(int) - WALL).max() < 30


@pytest.mark.parametrize("light", [(0.2, 0.2, 0.2), (0.4, 0.6, 1.0)], ids=["dim", "blue"])
def test_poor_light_changes_the_photo_and_not_who_is_found(picture, subject, light):
    poor = prepare_subject((picture * light).astype(np.uint8), WIDTH, HEIGHT)
    fair, found = subject.mask > 0.5, poor.mask > 0.5
    assert (fair & found).sum() / (fair | found).sum() > 0.93
    assert poor.photo.mean((0, 1)) == pytest.approx(subject.photo.mean((0, 1)) * light, abs=4)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda p: np.full_like(p, 200), "No person was found"),
        (lambda p: p[:250], "feet are not in the picture"),
        (lambda p: p[90:], "head is not in the picture|No person was found"),
        (lambda p: p[:, 192:], "edge cuts the person|part of the person|feet are not|No person"),
        (lambda p: (p * 0.08).astype(np.uint8), "too dark"),
        (lambda p: cv2.resize(p, (96, 120), interpolation=cv2.INTER_AREA), "pixels high"),
        (lambda p: np.concatenate([p, p[:, ::-1]], axis=1), "two or more people"),
        (lambda p: np.concatenate([p[:, 90:300], p[:, 90:300]], axis=1), "two or more people"),
    ],
    ids=["nobody", "no feet", "no head", "half", "dark", "small", "two", "two close"],
)
def test_what_cannot_be_used_is_said_in_one_sentence(picture, change, sentence):
    with pytest.raises(BadInput, match=sentence) as caught:
        prepare_subject(np.ascontiguousarray(change(picture)), WIDTH, HEIGHT)
    assert str(caught.value).count(".") == 1


def test_the_border_goes_on_without_the_person():
    """Stripes go on sideways, and an arm that the border cuts is not smeared over the new room."""
    photo = np.zeros((100, 60, 3), np.uint8)
    photo[50:] = 200
    photo[20:30, :40] = (250, 0, 0)
    person = (photo == (250, 0, 0)).all(axis=2)
    framed = Frame(-40, -20, 1.0, 140, 160).apply(photo, person)
    assert framed.shape == (160, 140, 3)
    assert np.array_equal(framed[20:120, 40:100], photo)
    assert framed[:62, :38].max() == 0
    assert framed[80:, :38].min() == 200
    assert framed[150, 120].tolist() == [200, 200, 200]


def test_wide_arms_make_the_person_smaller_and_the_ground_stays():
    slim, wide = np.zeros((2, 400, 400), bool)
    slim[50:350, 180:220] = True
    wide[50:350, 180:220] = wide[100:110, 20:380] = True
    frames = [frame_person(mask, 400, WIDTH, HEIGHT) for mask in (slim, wide)]
    assert frames[1].scale < frames[0].scale
    feet = [frame.move(np.array([200.0, 350.0])) for frame in frames]
    assert feet[0] == pytest.approx(feet[1], abs=0.5)
