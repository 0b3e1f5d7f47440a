"""Outlines of the layers where arms hang beside the trunk, and of prints with the background's colour."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from dreampose_core.carry.fragments import _beside, _covered
from dreampose_core.carry.layers import _parted
from dreampose_core.carry.matte import _gaps, _outline
from dreampose_core.carry.sides import _smooth_line, beyond_slits, even_sides
from dreampose_core.carry.textures import _this_side
from dreampose_core.carry.views import ARM_L, LEG_L, LEG_R, NO_GROUP, TRUNK

SIZE = 120, 100


def _standing() -> tuple[np.ndarray, np.ndarray]:
    """Labels of a trunk whose right side runs straight from (60, 20) to (75, 110), with an arm before it from row 50 to
    row 80 and a slit between the two below, and how far that side goes in each row."""
    label = np.full(SIZE, NO_GROUP, np.int8)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    side = np.round(60 + (y[:, 0] - 20) / 6).astype(int)
    label[(y >= 5) & (y < 110) & (x >= 30) & (x <= side[:, None])] = TRUNK
    label[(y >= 50) & (y < 80) & (x >= side[:, None] - 3 - (y % 5)) & (x < 82)] = ARM_L
    label[(y >= 80) & (y < 100) & (x >= side[:, None] + 3) & (x < 86)] = ARM_L
    return label, side


def _plain(label: np.ndarray) -> np.ndarray:
    """Colours of a trunk and a bare arm."""
    return np.where((label == TRUNK)[..., None], 50, 150).astype(np.float32).repeat(3, -1)


def test_behind_an_arm_the_trunk_ends_on_the_line_of_its_side():
    label, side = _standing()
    view = SimpleNamespace(tubes={TRUNK: SimpleNamespace(covers=label == TRUNK)})
    bulge = (label == ARM_L) & (np.arange(SIZE[1]) < 78)  # over the arm, beyond the slit too
    trunk = (label == TRUNK) | bulge
    even_sides(trunk, label, _plain(label), label != NO_GROUP, view, 40, 110)
    ends = SIZE[1] - 1 - trunk[:, ::-1].argmax(1)
    rows = np.arange(45, 108)
    assert np.abs(ends[rows] - side[rows]).max() <= 3 and (ends == side)[80:100].all()
    assert trunk[label == TRUNK].all()
    mirrored = label[:, ::-1].copy()
    other = (mirrored == TRUNK) | bulge[:, ::-1]
    even_sides(other, mirrored, _plain(mirrored), mirrored != NO_GROUP, view, 40, 110)
    assert np.array_equal(other[:, ::-1][rows], trunk[rows])


def test_a_waist_behind_a_hanging_arm_is_no_wider_than_the_body():
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    label = np.full(SIZE, NO_GROUP, np.int8)
    label[(y >= 5) & (y < 110) & (x >= 30) & (x < 64)] = TRUNK
    label[(y >= 80) & (y < 110) & (x >= 64) & (x < 72 - (y - 80) / 5)] = TRUNK  # hips, wider towards the waist
    label[(y >= 25) & (y < 80) & (x >= 64) & (x < 90)] = ARM_L
    body = (y >= 5) & (y < 110) & (x >= 30) & (x < 66)
    trunk = body | (label == TRUNK)
    view = SimpleNamespace(tubes={TRUNK: SimpleNamespace(covers=body)})
    even_sides(trunk, label, _plain(label), label != NO_GROUP, view, 85, 110)
    assert trunk[40:65, :66].sum() == 25 * 36 and trunk[40:65, 68:].sum() == 0


def test_a_sleeve_taken_for_the_waist_is_the_arms():
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    label = np.full(SIZE, NO_GROUP, np.int8)
    label[(y >= 5) & (y < 110) & (x >= 30) & (x < 64)] = TRUNK
    label[(y >= 45) & (y < 80) & (x >= 64) & (x < 90)] = ARM_L
    label[(y >= 60) & (y < 80) & (x >= 64) & (x < 72)] = TRUNK  # of the sleeve, above the background seen from row 80
    body = (y >= 5) & (y < 110) & (x >= 30) & (x < 66)
    view = SimpleNamespace(tubes={TRUNK: SimpleNamespace(covers=body)})
    for colours in (np.zeros((*SIZE, 3), np.float32), _plain(label)):
        trunk, mended = label == TRUNK, label.copy()
        even_sides(trunk, mended, colours, label != NO_GROUP, view, 110, 110)
        sleeve = (slice(63, 79), slice(67, 72))
        if colours.any():  # a waist beside a bare arm
            assert np.array_equal(mended, label) and trunk[sleeve].all()
        else:
            assert (mended[sleeve] == ARM_L).all() and not trunk[sleeve].any()
            assert (mended[:, :64] == label[:, :64]).all()


def test_beyond_a_slit_there_is_no_trunk():
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    label = np.full(SIZE, NO_GROUP, np.int8)
    label[(x >= 30) & (x < 64)] = TRUNK
    label[(x >= 69) & (x < 71)] = TRUNK
    label[(x >= 71) & (x < 85)] = ARM_L
    solid = label != NO_GROUP
    label[(x >= 67) & (x < 69)] = TRUNK  # half transparent
    far = label.copy()
    far[:, :64] = NO_GROUP  # a hip beyond the arm
    for mirrored in (False, True):
        mended = label[:, ::-1].copy() if mirrored else label.copy()
        beyond_slits(mended, solid[:, ::-1] if mirrored else solid)
        mended = mended[:, ::-1] if mirrored else mended
        assert (mended[:, 67:85] == ARM_L).all() and (mended[:, 30:64] == TRUNK).all()
    kept = far.copy()
    beyond_slits(kept, solid & (x >= 64))
    assert np.array_equal(kept, far)


@pytest.mark.parametrize("gap, parted", [(0, False), (3, True)])
def test_background_between_the_legs_tells_shorts_from_a_skirt(gap, parted):
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    legs = [(y >= 50) & (x >= 30) & (x < 48), (y >= 50) & (x >= 52) & (x < 70)]
    tubes = {LEG_L: SimpleNamespace(covers=legs[0]), LEG_R: SimpleNamespace(covers=legs[1])}
    view = SimpleNamespace(tubes=tubes, group=np.full(SIZE, NO_GROUP))
    solid = (x >= 30) & (x < 70) & (np.abs(x - 50) >= gap - 1)
    if not gap:
        solid[:, 30:36] = False  # a skirt that is narrower than the fitted legs
    assert _parted(solid, view, 55, 90) == parted


def test_a_line_is_straight_where_nothing_is_known():
    known = np.ones(40)
    known[10:30] = 0.0
    line = _smooth_line(np.where(known > 0, np.arange(40.0), 99), known)
    assert np.abs(line - np.arange(40)).max() < 0.1


def test_white_flowers_beside_an_arm_are_no_gaps_and_a_long_gap_is_one():
    rng = np.random.default_rng(0)
    photo = np.full((320, 160, 3), 255, np.uint8)
    outline, body, arms, head = (np.zeros((320, 160), bool) for _ in range(4))
    outline[60:260, 40:120] = True
    body[60:260, 40:90] = True
    arms[60:260, 96:120] = body[60:260, 100:120] = True
    photo[outline] = (20, 30, 60)
    flowers = np.zeros(outline.shape, np.uint8)
    for y, x in zip(rng.integers(65, 255, 90), rng.integers(44, 118, 90), strict=True):
        cv2.circle(flowers, (int(x), int(y)), 2, 1, -1)
    photo[(flowers > 0) & outline] = 255
    beside = (flowers > 0) & outline & (np.arange(160) >= 85)
    assert _gaps(photo, outline, body, arms, head, 1.0).sum() < 0.1 * beside.sum()
    gap = np.zeros_like(outline)
    gap[120:160, 91:96] = True
    photo[gap] = 255
    found = _gaps(photo, outline, body, arms, head, 1.0)
    assert found[gap].mean() > 0.8 and found[~gap].sum() < 0.2 * gap.sum()


def test_an_outline_ends_within_a_pixel():
    size = 40, 60
    y, x = np.mgrid[: size[0], : size[1]]
    mask = y > 10 + x / 3.5  # a stair
    pixel = np.flatnonzero(mask)
    cover = np.zeros(size, np.float32)
    cover.ravel()[pixel] = _covered(pixel, pixel, size)
    away = (y - 10 - x / 3.5) * np.cos(np.arctan(1 / 3.5))
    inner = (x > 4) & (x < 56) & (y < 36)
    assert cover[inner & (away > 2)].min() > 0.97
    edge = inner & mask & (away < 1)
    assert np.corrcoef(cover[edge], away[edge])[0, 1] > 0.9 and cover[edge].min() < 0.5


def test_a_fringe_is_only_beside_its_surface():
    y, x = np.mgrid[:30, :40]
    surface = y < 12
    beside = _beside(surface.ravel(), (30, 40), 3.0).reshape(30, 40)
    assert beside[surface].all() and beside[12:15].all() and not beside[16:].any()  # no thread of a far hem below


def _before(wall: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A photo (320,200,3) of a green shirt over dark shorts before that wall; its true outline, a soft mask that
    reaches over it, and the body within it."""
    photo, true = wall.copy(), np.zeros(wall.shape[:2], bool)
    true[60:260, 70:130] = True
    photo[true] = (130, 180, 120)
    photo[160:260, 70:130] = (30, 26, 24)
    rng = np.random.default_rng(0)
    photo = np.clip(photo + rng.normal(0, 2, photo.shape), 0, 255).astype(np.uint8)
    mask = cv2.GaussianBlur(cv2.dilate(true.astype(np.float32), np.ones((5, 5))), (0, 0), 2)
    return photo, true, mask, cv2.erode(true.astype(np.uint8), np.ones((15, 15))) > 0


def test_an_outline_lies_where_the_person_ends_on_every_side():
    photo, true, mask, body = _before(np.full((320, 200, 3), 220, np.uint8))
    assert (_outline(photo, mask, body, 1.0) ^ true).sum() < 8


def test_dark_windows_beside_a_person_in_dark_shorts_are_no_part_of_the_person():
    wall = np.full((320, 200, 3), 170, np.uint8)
    for y in range(8, 320, 20):
        for x in range(10, 200, 14):
            wall[y : y + 9, x : x + 7] = (52, 50, 52)
    photo, true, mask, body = _before(wall)
    assert (_outline(photo, mask, body, 1.0) & ~true).sum() < 100


def test_a_layer_has_nothing_beyond_a_slit_of_background():
    alpha = np.ones((40, 40), np.float32)
    alpha[10:30, 18] = 0.1
    own = np.zeros(alpha.shape, bool)
    own[:, 17:] = True  # with a column of what lies beyond the slit
    clear = _this_side(own, alpha, 2.0)
    assert clear[15:25, 14:18].max() < 0.05 and clear[12:28, 19:].min() == 1
    assert clear[:8].min() == clear[32:].min() == 1, "where no slit is, it goes on under its neighbour"
