"""Shoes that are read off a photo and built, on a drawn person whose feet are painted."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from dreampose_core.carry import Carried, Sheet, carry, make_sheet
from dreampose_core.carry.cloth.drape import hug
from dreampose_core.carry.feet.drawing import built_share, leg_share, shade_by
from dreampose_core.carry.feet.footwear import (
    BARE,
    CLOSED,
    HEEL,
    NOTHING_KNOWN,
    PUMP,
    SANDAL,
    SKIN,
    UPPER,
    Footwear,
    foot_surfaces,
    worn,
)
from dreampose_core.carry.feet.reading import _kind, as_pair, read_footwear, without_straps
from pose_tools.body.figure import BONES, Camera, Pose, bone_transforms, load_figure, pose_vertices
from pose_tools.body.fit import FittedBody
from pose_tools.body.raster import draw_iuv

BODY, SHOE, WALL = (224, 172, 140), (20, 90, 40), (205, 210, 225)
WIDTH, HEIGHT = 192, 240
LEG = ("upperleg01", "lowerleg01", "foot")
LEG_PARTS = (5, 8, 10, 12, 14)  # of the left leg
SHAPE = np.zeros(len(load_figure().modes))
PAINT = np.array([20.0, 90, 40])


def _pose(yaw: float = 0.0, pitch: float = 0.0) -> Pose:
    """Toes that point down by pitch, degrees, of a body that is turned by yaw."""
    rotations = np.zeros((len(BONES), 3))
    for side in "LR":
        rotations[BONES.index(f"foot.{side}"), 0] = np.deg2rad(pitch)
    return Pose(rotations, np.deg2rad(yaw), np.zeros(3))


def _photo(kind: int, pitch: float = 25) -> tuple[np.ndarray, np.ndarray, FittedBody]:
    """Photo, charts' parts and body of a person in swimwear and in such shoes."""
    figure = load_figure()
    camera = Camera(165.0 * HEIGHT / 320, WIDTH / 2, 150.0 * HEIGHT / 320, WIDTH, HEIGHT)
    body = FittedBody(SHAPE, _pose(0, pitch), camera, 1.0, 0.0)
    part = draw_iuv(figure, SHAPE, body.pose, camera)[..., 0]
    photo = np.full((HEIGHT, WIDTH, 3), WALL, np.uint8)
    photo[part > 0] = BODY
    photo[np.isin(part, (1, 2))] = (40, 60, 170)
    feet = np.isin(part, (5, 6))
    rows = np.flatnonzero(feet.any(1))
    down = ((np.arange(HEIGHT) - rows[0]) / len(rows))[:, None]
    shod = {BARE: down > 2, PUMP: down > 0.7, SANDAL: (down > 0.55) & (down < 0.75), CLOSED: down > 0}[kind]
    photo[feet & shod] = SHOE
    return photo, part, body


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    photo, part, body = _photo(PUMP)
    return make_sheet(photo, cv2.GaussianBlur((part > 0).astype(np.float32), (0, 0), 0.7), body)


def _wear(kind: int, pitch: float) -> Footwear:
    return Footwear(kind, pitch, 0.72, 250.0, 0.0, np.zeros(3), np.array(BODY, float), PAINT, PAINT / 2)


def _like(drawn: Carried, colour: tuple[int, int, int]) -> np.ndarray:
    return (np.abs(drawn.picture.astype(int) - colour).max(-1) < 45) & (drawn.alpha > 0.9)


@pytest.mark.parametrize("kind", [BARE, PUMP, SANDAL, CLOSED])
def test_the_kind_of_shoe_is_read_off_the_photo(kind):
    photo, part, body = _photo(kind)
    for side, parts in (("L", LEG_PARTS), ("R", [p + (1 if p == 5 else -1) for p in LEG_PARTS])):
        bare = (np.abs(photo.astype(int) - BODY).max(-1) < 30) & (part > 0)
        wear = read_footwear(photo, np.isin(part, parts), bare, SHAPE, body.pose, body.camera, side)
        assert wear.kind == kind
        assert kind == BARE or np.abs(wear.upper - SHOE).max() < 25
        assert kind == CLOSED or np.abs(wear.skin - BODY).max() < 25


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        # the shaded sole of a pump has the colour of skin
        (PUMP, [0] * 28 + [50, 100, 100, 100, 100, 90, 80, 40, 40, 90, 100, 100]),
        # below bare toes there is more of the sole than of the strap above them
        (SANDAL, [0] * 26 + [90, 90, 100, 100, 30, 20, 10, 10, 70, 80, 100, 100, 100, 100]),
    ],
)
def test_an_open_toe_is_bare_between_strap_and_sole(kind, rows):
    shod = np.arange(100) < np.array(rows)[:, None]
    found, begins, _ = _kind(shod, np.ones_like(shod), 0.0, len(rows), naked=True)
    assert found == kind and begins == np.flatnonzero(rows)[0]


def test_a_pump_is_closed_from_the_side_and_leaves_the_instep_bare(sheet):
    assert [Footwear.from_row(row).kind for row in sheet.footwear] == [PUMP, PUMP]
    side = carry(sheet, _pose(90, 25))
    feet = np.zeros((HEIGHT, WIDTH), bool)
    ground = np.flatnonzero(_like(side, SHOE).any(1))[-1]
    feet[ground - 20 : ground + 1] = True
    shoe, bare = _like(side, SHOE) & feet, _like(side, BODY) & feet
    columns = np.flatnonzero(shoe.any(0))
    assert len(columns) > 26  # as long as a foot, from its heel on
    assert shoe[:, columns[:5]].any(0).all() and bare.sum() > 30
    tip = columns[len(columns) - len(columns) // 4 :] if columns[-1] > WIDTH / 2 else columns[: len(columns) // 4]
    assert not bare[:, tip].any()
    behind = carry(sheet, _pose(180, 25))
    assert _like(behind, SHOE)[feet].sum() > 60


def test_the_photos_own_view_keeps_the_photos_feet(sheet):
    bare = replace(sheet, footwear=NOTHING_KNOWN)
    for pose in (sheet.body.pose, _pose(15, 55)):
        assert np.array_equal(carry(sheet, pose).picture, carry(bare, pose).picture)
    assert not np.array_equal(carry(sheet, _pose(60, 25)).picture, carry(bare, _pose(60, 25)).picture)


def test_the_built_foot_is_there_before_the_photos_goes():
    figure, wear = load_figure(), _wear(PUMP, 0.3)
    photo = bone_transforms(figure, SHAPE, _pose())
    shares = [built_share(wear, "L", photo, bone_transforms(figure, SHAPE, _pose(yaw))) for yaw in range(0, 181, 5)]
    assert shares[0] == 0 and shares[-1] == 1 and (np.diff(shares) >= 0).all()
    rows = np.array([200.0, 280.0])
    assert leg_share(wear, 0.5, rows, 160).tolist() == [1, 1] and leg_share(wear, 1, rows, 160).tolist() == [1, 0]


def test_a_pitched_foot_stands_on_its_ball_and_on_a_heel():
    for pitch in (0.15, 0.35):
        pieces = {surface.piece: surface for surface in foot_surfaces(_wear(PUMP, pitch), SHAPE, "L")}
        down = np.array([0, -np.sin(pitch), -np.cos(pitch)])
        low = {piece: (surface.points @ down).max() for piece, surface in pieces.items()}
        assert abs(low[HEEL] - low[UPPER]) < 0.012 and low[SKIN] < low[UPPER]
        upper = pieces[UPPER]
        ball = np.abs(upper.along - 0.72) < 0.05
        assert low[UPPER] - (upper.points[ball] @ down).max() < 0.012
    flat = [surface.piece for surface in foot_surfaces(_wear(PUMP, 0.0), SHAPE, "L")]
    assert flat == [SKIN, UPPER]
    assert [surface.piece for surface in foot_surfaces(_wear(BARE, 0.3), SHAPE, "R")] == [SKIN]


def test_a_shoe_is_a_closed_surface_and_open_where_its_kind_is():
    for piece in foot_surfaces(_wear(PUMP, 0.3), SHAPE, "R")[1:]:
        edges = np.sort(piece.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1)
        assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    along, height = np.array([0.03, 0.4, 0.4, 0.95, 0.95]), np.array([0.03, 0.002, 0.06, 0.002, 0.03])
    upper = foot_surfaces(_wear(PUMP, 0.3), SHAPE, "R")[1]
    there = {kind: worn(_wear(kind, 0.3), upper, along, height).tolist() for kind in (PUMP, SANDAL, CLOSED)}
    assert there == {
        PUMP: [True, True, False, True, True],
        SANDAL: [True, True, False, True, False],
        CLOSED: [True, True, True, True, True],
    }


def test_a_pair_is_of_one_kind():
    left, right = as_pair(_wear(BARE, 0.1), replace(_wear(PUMP, 0.3), throat=0.8), SHAPE)
    assert (left.kind, left.throat, left.pitch) == (PUMP, 0.8, 0.3) and right.kind == PUMP
    assert as_pair(None, right, SHAPE) == (None, right)
    again = Footwear.from_row(right.to_row())
    assert again.kind == PUMP and again.throat == pytest.approx(0.8) and np.allclose(again.upper, PAINT)


@pytest.mark.parametrize("kind", [PUMP, SANDAL])
def test_both_of_a_pair_have_a_heel_where_one_foot_was_fitted_flat(kind):
    pair = as_pair(_wear(kind, 0.05), _wear(kind, 0.35), SHAPE)
    assert all(foot_surfaces(wear, SHAPE, side)[-1].piece == HEEL for wear, side in zip(pair, "LR", strict=True))
    for other, low, high in ((CLOSED, 0.05, 0.35), (kind, 0.25, 0.35), (kind, 0.02, 0.05)):  # each as it stands
        pair = as_pair(_wear(other, low), _wear(other, high), SHAPE)
        assert [wear.pitch for wear in pair] == [low, high]


def test_a_leg_is_in_the_shade_of_the_one_before_it():
    size = (40, 40)
    y, x = np.mgrid[:40, :40]
    near, far = np.flatnonzero(x < 20), np.flatnonzero(x >= 20)
    alpha = np.ones(len(near), np.float32)
    for step, darkest in ((0.12, 0.75), (0.0, 1.0), (-0.12, 1.0)):
        depth = np.zeros(len(near), np.float32)
        light = shade_by((far, np.full(len(far), step, np.float32)), (near, depth, alpha), size, 2.0)
        assert light.min() == pytest.approx(darkest, abs=0.11) and light.reshape(40, 20)[:, -1].min() > 0.98


def test_a_tight_skirt_spans_both_legs_and_leaves_what_is_no_skirt():
    figure = load_figure()
    rotations = np.zeros((len(BONES), 3))
    rotations[BONES.index("upperleg01.L"), 0] = np.deg2rad(-35)  # a step
    body = pose_vertices(figure, SHAPE, Pose(rotations, 0.0, np.zeros(3)))
    legs = body[(figure.weights[:, [BONES.index(f"{b}.{s}") for b in LEG for s in "LR"]].sum(1) > 0.99)]
    height = -0.45
    near = legs[np.abs(legs[:, 2] - height) < 0.02]
    low, high = near.min(0), near.max(0)
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    ring = np.stack([0.05 * np.cos(angle), (low[1] + high[1]) / 2 + 0.05 * np.sin(angle), 0 * angle + height], 1)
    skirt = np.concatenate([ring, ring + [0, 0, 0.2]]).astype(np.float32)
    kept = skirt.copy()
    hug(kept, np.zeros(len(kept), np.float32), body)
    assert np.array_equal(kept, skirt)
    hug(skirt, np.ones(len(skirt), np.float32), body)
    around = skirt[: len(ring)]
    assert (around.min(0)[:2] < low[:2] + 0.005).all() and (around.max(0)[:2] > high[:2] - 0.005).all()
    assert np.array_equal(skirt[:, 2], kept[:, 2])


def test_straps_leave_the_legs_textures():
    textures = np.full((3, 400, 20, 4), 200, np.uint8)
    textures[:, 249:252] = 30
    rows = {1: replace(_wear(SANDAL, 0.3), strap=250.5).to_row(), 2: _wear(PUMP, 0.3).to_row()}
    bare = without_straps(textures, rows)
    assert (bare[1] > 195).all() and np.array_equal(bare[[0, 2]], textures[[0, 2]])
    assert without_straps(textures, {1: NOTHING_KNOWN[0]}) is textures
