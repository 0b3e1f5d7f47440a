"""Plain backdrops without the shadow of who stands there: drawn walls, of which everything is known."""

import cv2
import numpy as np
import pytest

from dreampose_core.carry.backdrop import contact_shadow, plain_backdrop, shade_at_feet

HEIGHT, WIDTH = 320, 256


@pytest.fixture(scope="module")
def studio():
    """Wall and floor (H,W,3) f32 with a lamp's light across, and where a person stands (H,W) bool."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    level = 120 + 0.1 * y + 50 / (1 + np.exp(-(y - 250) / 6)) + 12 * np.cos((x - 90) / 120)
    person = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(person, (128, 160), (26, 130), 0, 0, 360, 1, -1)
    person[270:296, 104:124] = person[270:296, 132:152] = 1  # shoes
    noise = np.random.default_rng(0).normal(0, 1, (HEIGHT, WIDTH, 1))
    return level[..., None] * np.array([1, 0.98, 0.95]) + noise, person > 0


def _shadow(person):
    """(H,W) f32: a soft shadow beside the person."""
    aside = np.roll(person, 25, 1).astype(np.float32)
    return 1 - 0.4 * cv2.GaussianBlur(aside, (0, 0), 6)


def _photo(wall, person):
    return np.clip(np.where(person[..., None], [200, 30, 40], wall), 0, 255).astype(np.uint8)


def test_a_shadow_goes_and_a_picture_on_the_wall_stays(studio):
    wall, person = studio
    hung = wall.copy()
    hung[40:80, 10:50] = [40, 60, 160]
    photo = _photo(hung * _shadow(person)[..., None], person)
    darker = (_shadow(person) < 0.95) & ~person
    made = plain_backdrop(photo, ~person, 1.0)
    assert np.abs(photo - wall)[darker].mean() > 20
    assert np.abs(made - wall)[darker].mean() < 3 and np.abs(made - wall)[person].mean() < 3
    assert (made[45:75, 15:45] == photo[45:75, 15:45]).all()
    assert np.abs(made - photo)[:, 230:].mean() < 0.5, "far from it nothing changes"


def test_a_room_is_not_a_plain_backdrop(studio):
    wall, person = studio
    shelves = wall + 60 * (np.arange(WIDTH) // 12 % 2)[None, :, None]
    assert plain_backdrop(_photo(shelves, person), ~person, 1.0) is None


def test_shade_is_what_the_photo_shows_about_the_feet(studio):
    wall, person = studio
    alpha = person.astype(np.float32)
    wall = np.clip(wall, 0, 255)
    background = wall.astype(np.uint8)
    strengths = []
    for strength in (0.0, 0.4, 0.9):
        dark = 1 - strength * (1 - contact_shadow(alpha))
        strengths.append(shade_at_feet(_photo(wall * dark[..., None], person), background, alpha))
    assert strengths[0] < strengths[1] / 2 and strengths[1] < strengths[2] / 2 and strengths[2] <= 1
    assert shade_at_feet(background, background, np.zeros_like(alpha)) == 0
