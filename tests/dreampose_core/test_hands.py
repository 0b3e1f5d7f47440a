"""Hands that are read off a photo and built, on a drawn person whose arms hang outward."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from dreampose_core.carry import Carried, Sheet, carry, for_film, make_sheet
from dreampose_core.carry.built import SIDES
from dreampose_core.carry.hands.drawing import draw_hand
from dreampose_core.carry.hands.reading import _CUFFS, NO_HAND, Hand, beyond_wrist, read_hand
from dreampose_core.carry.hands.share import Built, arm_end, arm_share, built_share
from dreampose_core.carry.views import ARM_L, ARM_R, LOWER_ARM_PARTS, UPPER_ARM_PARTS, part_groups
from pose_tools.body.figure import BONES, Camera, Pose, bone_transforms, load_figure
from pose_tools.body.fit import FittedBody
from pose_tools.body.raster import draw_iuv

BODY, GLOVE, WALL = (224, 172, 140), (30, 30, 90), (205, 210, 225)
WIDTH, HEIGHT = 192, 240
CAMERA = Camera(165.0 * HEIGHT / 320, WIDTH / 2, 150.0 * HEIGHT / 320, WIDTH, HEIGHT)
SHAPE = np.zeros(len(load_figure().modes))
HANDS = {"L": 4, "R": 3}  # the charts of the hands
ARMS = {"L": ARM_L, "R": ARM_R}


def _photo(gloves: bool = False, pose: Pose | None = None) -> tuple[np.ndarray, np.ndarray, FittedBody]:
    """Photo, charts' parts and body of a person in swimwear."""
    body = FittedBody(SHAPE, pose or Pose.rest(), CAMERA, 1.0, 0.0)
    part = draw_iuv(load_figure(), SHAPE, body.pose, CAMERA)[..., 0]
    photo = np.full((HEIGHT, WIDTH, 3), WALL, np.uint8)
    photo[part > 0] = BODY
    photo[np.isin(part, (1, 2))] = (40, 60, 170)
    if gloves:
        photo[np.isin(part, list(HANDS.values()))] = GLOVE
    return photo, part, body


def _read(photo: np.ndarray, own: np.ndarray, extent: np.ndarray, body: FittedBody, side: str) -> Hand:
    figure = load_figure()
    points = figure.rest_vertices(SHAPE)[figure.weights[:, BONES.index(f"lowerarm01.{side}")] > 0.5]
    bare = np.abs(photo.astype(int) - BODY).max(-1) < 20
    return read_hand(photo, own, extent, bare, (points, points), (body.shape, body.pose, body.camera), side)


def _bent(degrees: float) -> Pose:
    """The left forearm up beside the upper arm."""
    rotations = np.zeros((len(BONES), 3))
    rotations[BONES.index("lowerarm01.L"), 1] = -np.deg2rad(degrees)
    return Pose(rotations, 0.0, np.zeros(3))


def _turned(degrees: float, axis: int, side: str = "L") -> np.ndarray:
    rotations = np.zeros((len(BONES), 3))
    rotations[BONES.index(f"wrist.{side}"), axis] = np.deg2rad(degrees)
    return bone_transforms(load_figure(), SHAPE, Pose(rotations, 0.0, np.zeros(3)))


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    photo, part, body = _photo()
    return make_sheet(photo, cv2.GaussianBlur((part > 0).astype(np.float32), (0, 0), 0.7), body)


@pytest.mark.parametrize("side", SIDES)
def test_a_hand_in_sight_is_read_as_shown(side):
    photo, part, body = _photo()
    own = part_groups()[part] == ARMS[side]
    hand = _read(photo, own, own, body, side)
    assert hand.built and hand.shown and hand.start == 0
    np.testing.assert_allclose(hand.skin, BODY, atol=2)
    again = Hand.from_row(hand.to_row())
    np.testing.assert_allclose(again.to_row(), hand.to_row())


def test_a_hand_behind_something_is_not_shown_and_takes_the_arms_colour():
    photo, part, body = _photo()
    arm = part_groups()[part] == ARM_L
    hand = _read(photo, arm & (part != HANDS["L"]), arm, body, "L")
    assert hand.built and not hand.shown
    np.testing.assert_allclose(hand.skin, BODY, atol=2)


def test_gloves_and_arms_out_of_sight_are_left_alone():
    photo, part, body = _photo(gloves=True)
    own = part_groups()[part] == ARM_R
    assert not _read(photo, own, own, body, "R").built
    assert not _read(_photo()[0], np.zeros_like(own), own, body, "R").built


def test_a_sleeve_moves_where_the_hand_begins():
    photo, part, body = _photo()
    own = part_groups()[part] == ARM_L
    sleeve = own & (part != HANDS["L"])
    photo[sleeve] = GLOVE
    rows = np.flatnonzero((part == HANDS["L"]).any(1))
    photo[own & (np.arange(HEIGHT)[:, None] < rows[0] + 0.2 * len(rows))] = GLOVE
    hand = _read(photo, own, own, body, "L")
    assert hand.built and hand.start > 0.01


def test_a_hand_is_the_photos_until_it_turns_out_of_its_view():
    photo = _turned(0, 1)
    shown = replace(NO_HAND, built=True)
    for hand, in_plane in ((shown, 0), (replace(shown, shown=False), 1)):
        assert built_share(hand, "L", photo, photo) == (0, 0)
        assert built_share(hand, "L", photo, _turned(60, 2)) == (1, 0)
        assert built_share(hand, "L", photo, _turned(60, 1)) == (in_plane, 0)
    assert built_share(NO_HAND, "L", photo, _turned(60, 2)) == (0, 0)


def test_a_hand_in_sight_that_swings_a_little_keeps_its_looks_through_a_film(sheet):
    def film(degrees: float) -> list[Pose]:
        return [replace(sheet.body.pose, yaw=np.deg2rad(turn)) for turn in (0, degrees / 2, degrees, 0)]

    with_sight = replace(sheet, hands=np.stack([replace(NO_HAND, built=True).to_row()] * 2))
    hidden = replace(sheet, hands=np.stack([replace(NO_HAND, built=True, shown=False).to_row()] * 2))
    for one, degrees, built in ((with_sight, 40, False), (with_sight, 60, True), (hidden, 40, True)):
        assert [hand.built for _, hand in Hand.each(for_film(one, film(degrees)).hands)] == [built] * 2


@pytest.mark.parametrize(
    "built", [(0, 0), (0.3, 0), (0.5, 0), (0.7, 0), (1, 0), (0.6, 0.3), (1, 0.5), (1, 0.7), (1, 1)]
)
def test_arm_and_hand_never_let_one_see_through_both(built):
    built = Built(*built)
    colours = dict.fromkeys(("skin", "wrist", "elbow", "upper"), np.array(BODY, float))
    hand = replace(NO_HAND, built=True, bare=-0.3, **colours)
    along = np.linspace(-0.4, 0.15, 120)
    share = arm_share(hand, built, along)
    assert (share[along < (-0.32 if built.arm else -0.02)] == 1).all()
    assert (share[along > arm_end(hand, built)] == 0).all()
    drawn, _ = draw_hand(hand, "L", built, SHAPE, _turned(0, 1), CAMERA.scaled(4))
    fingers, forearm = (np.quantile(drawn.alpha[half], 0.9) for half in _halves(drawn.pixel // (4 * WIDTH)))
    assert share[along > 0.1].min() + fingers >= 0.99
    if built.arm:
        assert share[(along > -0.2) & (along < -0.1)].min() + forearm >= 0.99


def _halves(row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest quarter of what lies in these rows (K,)."""
    return row > np.quantile(row, 0.75), row < np.quantile(row, 0.25)


def test_how_far_an_arm_is_bare_is_read():
    photo, part, body = _photo()
    own = part_groups()[part] == ARM_L
    bare = _read(photo, own, own, body, "L")
    assert bare.bare < -0.35
    np.testing.assert_allclose([bare.elbow, bare.upper], [BODY, BODY], atol=2)
    photo[own & np.isin(part, UPPER_ARM_PARTS)] = GLOVE
    half = _read(photo, own, own, body, "L")
    assert -0.3 < half.bare < -0.12
    photo[own & np.isin(part, LOWER_ARM_PARTS)] = GLOVE
    assert _read(photo, own, own, body, "L").bare == 0


def test_a_bare_arm_that_the_photo_shows_bent_is_built_where_it_is_straight():
    photo, part, body = _photo(pose=_bent(130))
    folded = make_sheet(photo, cv2.GaussianBlur((part > 0).astype(np.float32), (0, 0), 0.7), body)
    straight = Pose.rest()
    true = part_groups()[draw_iuv(load_figure(), SHAPE, straight, CAMERA)[..., 0]]
    arm = cv2.erode((true == ARM_L).astype(np.uint8), np.ones((3, 3))) > 0
    beside = cv2.dilate((true >= 0).astype(np.uint8), np.ones((5, 5))) == 0
    beside[:, : WIDTH // 2] = False  # the other arm
    table = [replace(hand, bare=0.0) for _, hand in Hand.each(folded.hands)]
    without = replace(folded, hands=np.stack([hand.to_row() for hand in table]))
    wrong, best = (
        (one.alpha[arm] < 0.9).sum() + (one.alpha[beside] > 0.1).sum()
        for one in (carry(for_film(each, [body.pose, straight]), straight) for each in (without, folded))
    )
    assert best < 0.15 * wrong and best < 0.15 * arm.sum(), (wrong, best, arm.sum())
    # and a little straighter it is the photo's
    nearly = _bent(90)
    np.testing.assert_array_equal(
        *(carry(for_film(each, [body.pose, nearly]), nearly).picture for each in (without, folded))
    )


@pytest.mark.parametrize("start", [start for start in _CUFFS if start >= 0])
def test_a_hand_is_built_below_a_sleeve_of_any_length(start):
    hand = replace(NO_HAND, built=True, girth=0.9, skin=np.array(BODY, float), wrist=np.array(BODY, float))
    whole, drawn = (
        draw_hand(replace(hand, start=begin), "L", Built(1, 0), SHAPE, _turned(0, 1), CAMERA)[0]
        for begin in (0.0, start)
    )
    ends = [one.pixel[one.alpha > 0.5] // WIDTH for one in (whole, drawn)]
    assert ends[1].max() == ends[0].max()  # the fingers' tips
    assert ends[1].min() - ends[0].min() <= start * CAMERA.scale + 1


def test_a_hand_that_cannot_be_built_is_left_the_photos(sheet, monkeypatch):
    pose = replace(sheet.body.pose, yaw=np.pi / 2)
    without = replace(sheet, hands=np.stack([NO_HAND.to_row()] * 2))
    monkeypatch.setattr("dreampose_core.carry.draw.draw_hand", lambda *_: [])
    np.testing.assert_array_equal(carry(sheet, pose).picture, carry(without, pose).picture)


def test_a_built_hand_has_fingers_that_can_be_told():
    hand = replace(NO_HAND, built=True, skin=np.array(BODY, float), wrist=np.array(BODY, float))
    near = CAMERA.scaled(6)
    for turn in (0, 80, 180):
        drawn, _ = draw_hand(hand, "L", Built(1, 0), SHAPE, _turned(turn, 2), near)
        solid = drawn.alpha > 0.99
        bright = drawn.colour[solid].sum(1) / np.sum(BODY)
        assert bright.max() <= 1.01 and np.quantile(bright, 0.5) > 0.8
        assert bright.min() < 0.75  # the shadow between them
        # skin stays skin: red before green before blue
        assert (np.diff(drawn.colour[solid], axis=1) < 0).all()


def test_a_hand_joins_the_arm_that_the_photo_shows():
    hand = replace(NO_HAND, built=True, skin=np.array(BODY, float), wrist=np.array(BODY, float))
    at = [
        draw_hand(replace(hand, lie=np.array([shift, 0, 0])), "L", Built(1, 0), SHAPE, _turned(0, 1), CAMERA)[0].pixel
        % WIDTH
        for shift in (0, 0.03)
    ]
    assert at[1].mean() - at[0].mean() == pytest.approx(0.03 * CAMERA.scale, abs=0.3)


def test_what_lies_beyond_the_wrist_is_the_hand():
    figure = load_figure()
    points = figure.rest_vertices(SHAPE)
    for side in SIDES:
        beyond = beyond_wrist(points, figure, SHAPE, side)
        assert np.quantile(beyond[figure.weights[:, BONES.index(f"wrist.{side}")] > 0.9], 0.05) > 0
        assert (beyond[figure.weights[:, BONES.index(f"lowerarm01.{side}")] > 0.9] < 0.01).all()


def _like_skin(drawn: Carried, where: np.ndarray) -> np.ndarray:
    return where & (np.abs(drawn.picture.astype(int) - BODY).max(-1) < 90) & (drawn.alpha > 0.9)


def test_the_photos_hands_stay_in_its_pose_and_turned_ones_are_built(sheet):
    without = replace(sheet, hands=np.stack([NO_HAND.to_row()] * 2))
    np.testing.assert_array_equal(carry(sheet, sheet.body.pose).picture, carry(without, sheet.body.pose).picture)
    pose = replace(sheet.body.pose, yaw=np.pi / 2)
    part = draw_iuv(load_figure(), SHAPE, pose, CAMERA)[..., 0]
    hand = np.isin(part, list(HANDS.values()))
    flat, built = (_like_skin(carry(one, pose), hand).sum() for one in (without, sheet))
    assert built > 0.7 * hand.sum() and built > flat


@pytest.mark.parametrize(("lifted", "bent"), [(40, (0, 60, 0)), (60, (0, 0, -60))])
def test_no_gap_opens_between_an_arm_and_the_hand_that_bends(sheet, lifted, bent):
    """lifted: the forearm, towards the camera; degrees."""
    rotations = np.zeros((len(BONES), 3))
    rotations[BONES.index("lowerarm01.L"), 0] = -np.deg2rad(lifted)
    rotations[BONES.index("wrist.L")] = np.deg2rad(bent)
    pose = Pose(rotations, 0.0, np.zeros(3))
    part = draw_iuv(load_figure(), SHAPE, pose, CAMERA)[..., 0]
    arm = np.isin(part, (HANDS["L"], *LOWER_ARM_PARTS))
    inner = cv2.erode(arm.astype(np.uint8), np.ones((3, 3))) > 0
    assert (carry(sheet, pose).alpha[inner] < 0.7).sum() < 4


def test_a_kept_sheet_keeps_its_hands(sheet, tmp_path):
    sheet.save(tmp_path / "sheet.npz")
    np.testing.assert_array_equal(Sheet.load(tmp_path / "sheet.npz").hands, sheet.hands)
