"""Another background behind a person: composites of known colours and coverage, where every answer is known."""

import cv2
import numpy as np
import pytest
from PIL import Image

from dreampose_core.carry.backdrop import contact_shadow
from dreampose_core.film.background import choose, cover, matte, parse_colour, replace_background, standing
from pose_tools.errors import BadInput
from tests.dreampose_core.person import draw_person

WIDTH, HEIGHT = 128, 160  # units of the drawing; a picture has `scale` pixels to one
WALL, DRESS, HAIR, SKIN = (236, 234, 230), (178, 30, 40), (30, 24, 22), (196, 150, 128)
DARK = (22, 32, 44)


def coverage(scale: int = 2, sway: float = 0.0, puff: float = 0.0) -> np.ndarray:
    """(H,W) f32: a head, a dress and two legs, drawn large and averaged; puff: pixels by which the hair is wider."""
    fine = 4 * scale
    big = np.zeros((HEIGHT * fine, WIDTH * fine), np.uint8)

    def at(x: float, y: float) -> tuple[int, int]:
        return round((x + sway) * fine), round(y * fine)

    cv2.circle(big, at(64, 26), round((11 + puff) * fine), 255, -1)
    cv2.fillPoly(big, [np.array([at(56, 38), at(72, 38), at(84, 105), at(44, 105)])], 255)
    for x in (56, 72):
        cv2.rectangle(big, at(x - 4, 100), at(x + 4, 148), 255, -1)
    small = cv2.resize(big, (WIDTH * scale, HEIGHT * scale), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return cv2.GaussianBlur(small, (0, 0), 0.35 * scale)


def colours(scale: int = 2) -> np.ndarray:
    rows = np.arange(HEIGHT * scale) / scale
    own = np.where((rows < 38)[:, None], HAIR, np.where((rows < 105)[:, None], DRESS, SKIN))
    return np.broadcast_to(own[:, None], (HEIGHT * scale, WIDTH * scale, 3)).astype(np.float32)


def wall(scale: int = 2) -> np.ndarray:
    slope = np.linspace(1, 0.9, HEIGHT * scale)[:, None, None]
    return np.broadcast_to(WALL * slope, (HEIGHT * scale, WIDTH * scale, 3)).round().astype(np.uint8)


def laid(alpha: np.ndarray, own: np.ndarray, behind: np.ndarray) -> np.ndarray:
    return (alpha[..., None] * own + (1 - alpha[..., None]) * behind).round().astype(np.uint8)


@pytest.mark.parametrize("scale", [2, 4])
def test_the_films_own_outline_is_found_and_nothing_of_the_old_wall_stays(scale):
    true, carried = coverage(scale, puff=1.5), coverage()
    frame = laid(true, colours(scale), wall(scale))
    found = matte(frame, carried, wall())
    band = (true > 0.02) & (true < 0.98) | (np.abs(true - cv2.resize(carried, true.shape[::-1])) > 0.1)
    assert np.abs(found.alpha - true)[band].mean() < 0.09
    assert np.abs(cv2.resize(carried, true.shape[::-1]) - true)[band].mean() > 0.12, "else it was too easy"

    made = replace_background(frame, carried, wall(), np.full_like(frame, DARK)).astype(int)
    wanted = laid(true, colours(scale), np.full_like(frame, DARK)).astype(int)
    upper = np.arange(HEIGHT * scale)[:, None] < 130 * scale  # the shadow at the feet is another matter
    error = (made - wanted)[band & upper]
    assert np.abs(error).mean() < 9
    assert np.percentile(error, 98) < 45, "a pale rim would be 100 levels and more"


def test_a_film_whose_wall_has_drifted_is_not_taken_for_a_person():
    true = coverage()
    drifted = np.clip(wall().astype(int) - (14, 10, 5), 0, 255)
    found = matte(laid(true, colours(), drifted), true, wall())
    assert found.alpha[true < 0.01].max() < 0.02
    assert np.percentile(found.alpha[true > 0.99], 1) > 0.97


def test_where_person_and_wall_are_alike_the_carried_outline_stands():
    true = coverage()
    white = np.broadcast_to(np.float32(WALL) - 2, wall().shape)
    found = matte(laid(true, white, wall()), true, wall())
    assert np.abs(found.alpha - true).mean() < 0.01


def test_edges_move_as_the_person_does_and_do_not_crawl():
    noise = np.random.default_rng(0)
    errors = []
    for step in range(6):
        true = coverage(sway=0.35 * step)
        frame = laid(true, colours(), wall()).astype(float) + noise.normal(0, 2, (*true.shape, 1))
        found = matte(np.clip(frame, 0, 255).round().astype(np.uint8), coverage(sway=0.35 * step + 0.25), wall())
        errors.append((found.alpha - true)[(true > 0.02) & (true < 0.98)].mean())
    assert np.abs(np.diff(errors)).max() < 0.02


def test_far_from_the_feet_a_plain_background_is_exactly_that_colour():
    true = coverage()
    made = replace_background(laid(true, colours(), wall()), true, wall(), np.full((9, 9, 3), DARK, np.uint8))
    assert (made[:200][true[:200] == 0] == DARK).all()
    shadow = contact_shadow(true)
    assert (shadow[:240] > 0.995).all() and shadow.max() <= 1
    assert shadow[297:300, 104:120].mean() < 0.92
    assert shadow[304:, :40].min() > 0.97, "it ends beside the feet"
    assert (contact_shadow(np.zeros((320, 256), np.float32)) == 1).all()


def test_a_person_nobody_carried_is_found_in_the_frame():
    frame = draw_person(256, 320)
    charts = np.zeros((320, 256, 3), np.uint8)
    found = standing(frame, charts)
    assert found.shape == (320, 256) and 0.05 < (found > 0.5).mean() < 0.4
    charts[100:200, 100:150, 0] = 1
    bare = standing(np.full((320, 256, 3), 128, np.uint8), charts)
    assert bare[150, 120] == 1 and bare[0, 0] == 0


@pytest.mark.parametrize(
    ("text", "colour"),
    [("#f2f2f2", (242, 242, 242)), ("16202C", (22, 32, 44)), ("#fa0", (255, 170, 0)), (" #000000 ", (0, 0, 0)),
     ("rgb(22, 32, 44)", (22, 32, 44)), ("rgba(255, 127.6, 0, 1)", (255, 128, 0))],
)  # fmt: skip
def test_colours_are_read(text, colour):
    assert tuple(parse_colour(text)) == colour


@pytest.mark.parametrize("text", ["", "red", "#12345", "#ggg", "rgb(1, 2)", None, 7, "#f2f2f2; url(x)"])
def test_what_is_no_colour_is_refused(text):
    with pytest.raises(BadInput, match="like #f2f2f2"):
        parse_colour(text)


@pytest.mark.parametrize("size", [(300, 100), (100, 300), (64, 80), (640, 800)])
def test_a_picture_fills_the_frame_from_its_middle(size):
    wide, high = size
    picture = np.zeros((high, wide, 3), np.uint8)
    picture[high // 2 - 8 : high // 2 + 8, wide // 2 - 8 : wide // 2 + 8] = 255
    made = cover(picture, 80, 100)
    assert made.shape == (100, 80, 3)
    rows, columns = np.nonzero(made[..., 0] > 128)
    assert rows.mean() == pytest.approx(49.5, abs=1.5) and columns.mean() == pytest.approx(39.5, abs=1.5)
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=1), "nothing is stretched"


def test_what_is_chosen(tmp_path):
    Image.new("RGB", (90, 70), (10, 200, 30)).save(tmp_path / "green.png")
    (tmp_path / "words.png").write_text("words")
    assert choose("keep", "", None, 8, 10) is None
    assert (choose("plain", "#102030", None, 8, 10) == (16, 32, 48)).all()
    assert (choose("picture", "", tmp_path / "green.png", 8, 10) == (10, 200, 30)).all()
    refused = {None: "choose a picture", tmp_path / "words.png": "not a picture", tmp_path / "x.png": "no picture file"}
    for file, words in refused.items():
        with pytest.raises(BadInput, match=words):
            choose("picture", "", file, 8, 10)
