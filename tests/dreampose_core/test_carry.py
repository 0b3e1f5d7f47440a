"""The carried sheet on a drawn person in a dress: the body itself, painted by parts, before a gradient."""

from dataclasses import fields, replace

import cv2
import numpy as np
import pytest

from dreampose_core.carry import Sheet, carry, make_sheet
from dreampose_core.carry.cloth.skirt import Skirt, soft_weights
from dreampose_core.carry.extents import _behind_hands
from dreampose_core.carry.fill import bounds, local_mean, mirror_fill, smooth_fill, touching
from dreampose_core.carry.matte import _gaps
from dreampose_core.carry.relief import round_layer
from dreampose_core.carry.sheet import _to_outline
from dreampose_core.carry.views import ARM_L, ARM_R, NO_GROUP, TRUNK, Tube
from pose_tools.body.figure import BONES, Camera, Pose, load_figure
from pose_tools.body.fit import FittedBody
from pose_tools.body.raster import draw_iuv

SKIN, DRESS, HAIR = (224, 172, 140), (40, 60, 170), (60, 35, 20)
WIDTH, HEIGHT = 192, 240


def _turned(pose: Pose, degrees: float) -> Pose:
    return replace(pose, yaw=pose.yaw + np.deg2rad(degrees))


def _moved(pose: Pose, bone: str, axis: int, degrees: float) -> Pose:
    rotations = pose.rotations.copy()
    rotations[BONES.index(bone), axis] += np.deg2rad(degrees)
    return replace(pose, rotations=rotations)


def _standing(arms: float = 18) -> Pose:
    """Arms hanging by so many degrees, as in a photo."""
    return _moved(_moved(Pose.rest(), "upperarm01.L", 1, arms), "upperarm01.R", 1, -arms)


def _person(scale: float = 1.0, yaw: float = 0.0, arms: float = 18) -> tuple[np.ndarray, np.ndarray, FittedBody]:
    """Photo, mask and body of a person whose skirt goes beyond the body, at `scale` times the usual size, turned by
    yaw degrees, with arms as _standing has them."""
    figure = load_figure()
    camera = Camera(120.0, WIDTH / 2, 118.0, WIDTH, HEIGHT).scaled(scale)
    body = FittedBody(np.zeros(len(figure.modes)), _turned(_standing(arms), yaw), camera, 1.0, 0.0)
    part = draw_iuv(figure, body.shape, body.pose, camera)[..., 0]
    y, x = np.mgrid[: camera.height, : camera.width] / scale
    photo = np.stack([200 + 0.1 * y, 205 + 0 * y, 190 + 0.15 * x], -1)
    photo[np.isin(part, (23, 24)) | np.isin(part, (3, 4)) | (part >= 5)] = SKIN
    photo[np.isin(part, (1, 2))] = DRESS
    head = np.flatnonzero(np.isin(part, (23, 24)).any(1))
    photo[np.isin(part, (23, 24)) & (y * scale < head[0] + 0.3 * (head[-1] - head[0]))] = HAIR
    arms = np.isin(part, (3, 4)) | (part >= 15) & (part <= 22)
    skirt = (y > 112) & (y < 160) & (np.abs(x - WIDTH / 2) < 20 + 0.25 * (y - 112)) & ~arms
    photo[skirt] = DRESS
    mask = ((part > 0) | skirt).astype(np.float32)
    return photo.round().astype(np.uint8), cv2.GaussianBlur(mask, (0, 0), 0.7 * scale), body


@pytest.fixture(scope="module")
def person():
    photo, mask, body = _person()
    return photo, mask, body, make_sheet(photo, mask, body)


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / ((a.astype(float) - b.astype(float)) ** 2).mean())


def _like(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(picture.astype(int) - colour).max(-1) < 40


@pytest.mark.parametrize("threads", [1, 2])
def test_a_sheet_is_the_same_with_any_number_of_threads(person, threads):
    photo, mask, body, sheet = person
    before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    again = make_sheet(photo, mask, body)
    cv2.setNumThreads(before)
    for field in fields(Sheet):
        if field.name != "body":
            assert np.array_equal(getattr(again, field.name), getattr(sheet, field.name)), field.name


def test_own_pose_gives_the_photo_back(person):
    photo, mask, body, sheet = person
    drawn = carry(sheet, body.pose)
    assert _psnr(drawn.picture, photo) > 28
    assert np.abs(drawn.alpha - (mask > 0.5)).mean() < 0.02
    assert drawn.visibility[100, WIDTH // 2] > 0.9
    assert drawn.iuv.shape == photo.shape and drawn.iuv[100, WIDTH // 2, 0] == 2


def test_visibility_is_zero_off_the_person_and_low_behind(person):
    _, _, body, sheet = person
    for degrees in (0, 60, 180):
        drawn = carry(sheet, _turned(body.pose, degrees))
        assert drawn.visibility.min() >= 0 and (drawn.visibility <= drawn.alpha + 1e-6).all()
    core = cv2.erode(drawn.alpha, np.ones((9, 9))) > 0.9
    assert drawn.visibility[core].mean() < 0.3


def test_background_shows_nobody(person):
    photo, mask, _, sheet = person
    assert not (_like(sheet.background, DRESS) | _like(sheet.background, HAIR)).any()
    outside = cv2.dilate(mask, np.ones((11, 11))) < 0.01
    assert np.array_equal(sheet.background[outside], photo[outside])


def test_no_face_on_the_back_of_the_head(person):
    photo, _, body, sheet = person
    front, behind = carry(sheet, body.pose), carry(sheet, _turned(body.pose, 180))
    head = np.isin(front.iuv[..., 0], (23, 24)) & (np.arange(HEIGHT)[:, None] < 60)
    rows = np.flatnonzero(head.any(1))
    face = slice(rows[0] + 8, rows[0] + round(0.6 * (rows[-1] - rows[0])))
    middle = slice(WIDTH // 2 - 3, WIDTH // 2 + 3)
    assert _like(front.picture[face, middle], SKIN).mean() > 0.5
    assert _like(behind.picture[face, middle], SKIN).mean() < 0.1


def test_a_quarter_turn_has_thickness_and_no_holes(person):
    _, _, body, sheet = person
    side = carry(sheet, _turned(body.pose, 90))
    width = (side.alpha > 0.5).sum(1)
    assert width[90] > 0.1 * 120 and width[150] > 0.12 * 120
    covered = cv2.erode((side.iuv[..., 0] > 0).astype(np.uint8), np.ones((5, 5))) > 0
    assert (side.alpha[covered] > 0.9).mean() > 0.98


def test_no_spike_at_a_shoulder_that_turns():
    photo, mask, body = _person(yaw=25)
    sheet = make_sheet(photo, mask, body)
    for degrees in (90, -60):
        drawn = carry(sheet, replace(body.pose, yaw=np.deg2rad(degrees)))
        beyond = cv2.distanceTransform((drawn.iuv[..., 0] == 0).astype(np.uint8), cv2.DIST_L2, 5)
        assert beyond[55:100][drawn.alpha[55:100] > 0.5].max() < 3


def test_hair_is_as_full_from_the_side_as_from_the_front():
    photo, mask, body = _person()
    part = draw_iuv(load_figure(), body.shape, body.pose, body.camera)[..., 0]
    rows, columns = np.nonzero(np.isin(part, (23, 24)))
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    middle, radius = 0.65 * rows.min() + 0.35 * rows.max(), 0.85 * (columns.max() - columns.min())
    ball = np.hypot(y - middle, x - columns.mean()) < radius
    photo[ball & ((part == 0) | (y < middle - 0.2 * radius))] = HAIR
    sheet = make_sheet(photo, np.maximum(mask, cv2.GaussianBlur(ball.astype(np.float32), (0, 0), 0.7)), body)
    front, side = (carry(sheet, _turned(body.pose, degrees)).alpha > 0.5 for degrees in (0, 90))
    at = slice(round(middle - 0.5 * radius), round(middle) + 1)
    assert (side[at].sum(1) > 0.8 * front[at].sum(1)).all()
    top = round(middle - 0.85 * radius)  # and round above: no tip
    assert side[top].sum() > 0.7 * front[top].sum()
    assert _like(carry(sheet, _turned(body.pose, 90)).picture[at][side[at]], HAIR).mean() > 0.6


def test_a_shoe_has_no_laces_at_its_heel_and_a_low_one_goes_around_it():
    shoe, lace = (20, 90, 40), (245, 245, 245)
    for low in (False, True):
        photo, mask, body = _person()
        part = draw_iuv(load_figure(), body.shape, body.pose, body.camera)[..., 0]
        foot = np.isin(part, (5, 6))
        y = np.arange(HEIGHT)[:, None]
        top = np.flatnonzero(foot.any(1))[0]
        bare = top + 0.6 * foot.any(1).sum() * low
        photo[foot & (y > bare)] = shoe
        photo[foot & (y % 4 < 2) & (y < top + 10) & (not low)] = lace
        behind = carry(make_sheet(photo, mask, body), _turned(body.pose, 180))
        heel = np.isin(behind.iuv[..., 0], (5, 6)) & (behind.alpha > 0.9) & (y > top + 9)
        heel = cv2.erode(heel.astype(np.uint8), np.ones((1, 3))) > 0
        assert heel.sum() > 20 and _like(behind.picture, shoe)[heel].mean() > 0.9


def test_the_chins_shadow_does_not_go_round_the_neck(person):
    shadow = (120, 70, 150)
    photo, mask, body, sheet = person
    neck, head = (sheet.weights[:, BONES.index(bone)] for bone in ("neck01", "head"))
    top = int(sheet.place[(neck > 0.4) & (head < 0.5), 1].min())
    photo = photo.copy()
    photo[top : top + 3][mask[top : top + 3] > 0.5] = shadow
    shaded = make_sheet(photo, mask, body)
    front, side = (carry(shaded, _turned(body.pose, degrees)).picture[top - 3 : top + 6] for degrees in (0, 90))
    assert _like(front, shadow).sum() > 20 and _like(side, shadow).sum() < 0.85 * _like(front, shadow).sum()


def test_what_an_arm_hid_is_filled_with_the_dress(person):
    _, _, body, sheet = person
    lifted = _moved(_moved(body.pose, "upperarm01.L", 1, -70), "upperarm01.R", 1, 70)
    drawn = carry(sheet, lifted)
    trunk = np.isin(drawn.iuv[..., 0], (1, 2)) & (np.abs(np.arange(HEIGHT) - 98)[:, None] < 10)
    trunk = cv2.erode(trunk.astype(np.uint8), np.ones((3, 3))) > 0
    assert trunk.sum() > 300
    assert _like(drawn.picture, DRESS)[trunk].mean() > 0.95


def test_a_skirt_stays_whole_in_a_step(person):
    _, _, body, sheet = person
    step = _moved(_moved(body.pose, "upperleg01.L", 0, -25), "upperleg01.R", 0, 20)
    drawn = carry(sheet, step)
    between = drawn.picture[140:150, WIDTH // 2 - 3 : WIDTH // 2 + 3]
    assert _like(between, DRESS).all()
    legs = carry(sheet, body.pose).picture[175:190]
    assert _like(legs, SKIN).any() and not _like(legs[:, WIDTH // 2 - 1 : WIDTH // 2 + 1], DRESS).any()


def _skirt_rows(drawn) -> np.ndarray:
    """(rows,) pixels of the dress in each row of the lower skirt."""
    return _like(drawn.picture[135:156], DRESS).sum(1)


def test_a_wide_skirt_stays_wide_from_the_side(person):
    _, _, body, sheet = person
    front, side = (_skirt_rows(carry(sheet, _turned(body.pose, degrees))) for degrees in (0, 90))
    assert (side > 0.65 * front).all() and (side < 1.1 * front).all()


def test_a_wide_skirt_hangs_from_the_hips_and_lies_outside_of_the_legs(person):
    _, _, body, sheet = person
    assert sheet.hang.max() > 0.9

    def middle(pose: Pose) -> float:
        return float(np.nonzero(_like(carry(sheet, pose).picture[145:156], DRESS))[1].mean())

    side = _turned(body.pose, 90)
    leaning = side
    for bone in ("upperleg01.L", "upperleg01.R"):
        leaning = _moved(leaning, bone, 0, 14)
    feet = [np.nonzero(carry(sheet, pose).iuv[190:215, :, 0])[1].mean() for pose in (side, leaning)]
    assert abs(feet[1] - feet[0]) > 14 and abs(middle(leaning) - middle(side)) < 3
    kicking = carry(sheet, _moved(side, "upperleg01.L", 0, -35))
    thigh = (kicking.iuv[..., 0] > 0) & (np.abs(np.arange(HEIGHT) - 140)[:, None] < 8)
    assert _like(kicking.picture, DRESS)[thigh].mean() > 0.9


def test_a_sheet_of_an_earlier_form_is_to_be_laid_anew(person, tmp_path):
    *_, sheet = person
    sheet.save(tmp_path / "sheet.npz")
    with np.load(tmp_path / "sheet.npz") as data:
        arrays = dict(data)
    for lacks in ("laid", "form"):
        np.savez(tmp_path / f"{lacks}.npz", **{name: value for name, value in arrays.items() if name != lacks})
    np.savez(tmp_path / "old.npz", **arrays | {"form": arrays["form"] - 1})
    kept = [Sheet.is_whole(tmp_path / f"{name}.npz") for name in ("sheet", "laid", "form", "old", "none")]
    assert kept == [True, False, False, False, False]


def test_a_mask_without_legs_makes_a_sheet():
    photo, mask, body = _person(scale=2 / 3, yaw=30, arms=40)
    part = draw_iuv(load_figure(), body.shape, body.pose, body.camera)[..., 0]
    upper = ~((part >= 5) & (part <= 14)) & (part > 0)
    photo[cv2.dilate(upper.astype(np.uint8), np.ones((3, 3))) == 0] = photo[0, 0]
    sheet = make_sheet(photo, mask * upper, body)
    assert np.abs(sheet.weights.sum(1) + sheet.hang - 1).max() < 1e-3
    drawn = carry(sheet, _turned(body.pose, 30))
    assert _like(drawn.picture, DRESS).sum() > 300


def test_a_layer_whose_limb_lies_beyond_the_picture_has_no_weights():
    nothing = np.zeros((24, 16), bool)
    depth, weights = np.zeros((24, 16), np.float32), np.zeros((24, 16, len(BONES)), np.float32)
    relief = round_layer(nothing, nothing, Tube(nothing, nothing, depth, depth, weights), 50.0, 1.0)
    assert not relief.weights.any() and np.isfinite(relief.front).all() and np.isfinite(relief.back).all()


def test_a_bent_limb_does_not_tear_where_it_hides_a_part_of_itself():
    where = np.zeros((60, 40), bool)
    where[10:50, 10:30] = True
    depth = np.where(where, 0.1, 0).astype(np.float32)
    bend = np.repeat(np.clip((np.arange(60) - 12) / 14, 0, 1)[:, None], 40, 1)  # as of one surface
    bend[30:] = 0  # of another part of the limb, which begins below
    weights = np.stack([bend, 1 - bend], -1).astype(np.float32) * where[..., None]
    tube = Tube(where, where, -depth, depth, weights)
    got = round_layer(where, np.zeros_like(where), tube, 50.0, 1.0).weights[..., 0]
    middle = slice(14, 26)
    assert np.abs(np.diff(got[10:50, middle], axis=0)).max() < 0.2
    assert np.abs(got - bend)[12:22, middle].max() < 0.01


def test_weights_far_from_a_skirt_are_weights():
    rows = np.arange(60, dtype=np.float32)
    skirt = Skirt(20, 40, 0 * rows + 20, 0 * rows + 5, 0 * rows + 3, 0.5)
    where = np.zeros((60, 80), bool)
    where[10:40, 15:25] = True
    weights = np.zeros((60, 80, len(BONES)), np.float32)
    weights[..., BONES.index("upperleg01.L")] = 1
    mixed, hang = soft_weights(weights, where, skirt)
    assert np.abs(mixed.sum(-1) + hang - 1).max() < 1e-3


def test_a_slanted_hem_and_a_floor_length_one_are_cloth_to_their_last_row():
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for hem in (165 + 0.5 * (x - WIDTH / 2), 228 + 0 * x):
        photo, mask, body = _person()
        cloth = (y > 112) & (y < hem) & (np.abs(x - WIDTH / 2) < 20 + 0.2 * (y - 112)) & ~_like(photo, SKIN)
        cloth |= (y > 112) & (y < hem) & (np.abs(x - WIDTH / 2) < 30)
        photo[(y >= 112) & (mask > 0.5) & (np.abs(x - WIDTH / 2) < 34)] = SKIN
        photo[cloth] = DRESS
        mask = np.where((y > 112) & (y < 160) & ~cloth & (draw_iuv(load_figure(), body.shape, body.pose, body.camera)[
            ..., 0] == 0), 0, np.maximum(mask, cloth)).astype(np.float32)
        sheet = make_sheet(photo, mask, body)
        legs = sheet.seen[3:].max(0) > 200
        trunk = sheet.seen[TRUNK] > 200
        inner = cv2.erode(cloth.astype(np.uint8), np.ones((5, 5))) > 0
        low = inner & (y > 140)
        assert trunk[low].mean() > 0.98 and legs[low].mean() < 0.02


def test_a_hand_takes_no_cloth_along_that_its_fingers_were_fitted_onto():
    photo, mask, body = _person(arms=32)
    hands = np.isin(draw_iuv(load_figure(), body.shape, body.pose, body.camera)[..., 0], (3, 4))
    rows = np.flatnonzero(hands.any(1))
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    cloth = (y > rows.mean()) & (y < 165) & (np.abs(x - WIDTH / 2) < 58)
    photo[cloth] = DRESS
    sheet = make_sheet(photo, np.maximum(mask, cloth).astype(np.float32), body)
    over = hands & (y > rows.mean() + 3) & cv2.erode(cloth.astype(np.uint8), np.ones((5, 5))).astype(bool)
    assert over.sum() > 40 and (sheet.seen[[ARM_L, ARM_R]].max(0) > 200)[over].mean() < 0.15


def test_same_input_same_picture_also_from_disk(person, tmp_path):
    photo, mask, body, sheet = person
    sheet.save(tmp_path / "sheet.npz")
    pose = _turned(body.pose, 30)
    first = carry(sheet, pose)
    for other in (make_sheet(photo, mask, body), Sheet.load(tmp_path / "sheet.npz")):
        again = carry(other, pose)
        assert np.array_equal(first.picture, again.picture)
        assert np.array_equal(first.visibility, again.visibility)


def test_a_person_who_leaves_the_picture_is_cut_off_at_its_border_and_then_gone(person):
    sheet = person[3]
    pixels = 90  # the person's middle lies just inside
    there, half, gone = (
        carry(sheet, replace(sheet.body.pose, shift=sheet.body.pose.shift - (metres, 0, 0)))
        for metres in (0, pixels / sheet.body.camera.scale, 9)
    )
    assert half.alpha[:, 0].max() > 0.9
    np.testing.assert_allclose(half.alpha[:, 8:-pixels], there.alpha[:, 8 + pixels :], atol=0.02)
    np.testing.assert_array_equal(half.iuv[:, 8:-pixels, 0] > 0, there.iuv[:, 8 + pixels :, 0] > 0)
    np.testing.assert_array_equal(gone.picture, sheet.background)
    assert not gone.alpha.any() and not gone.visibility.any() and not gone.iuv.any()


def test_a_large_photo_gives_the_same_picture_in_large(person):
    _, _, body, sheet = person
    photo, mask, large = _person(2.0)
    drawn = carry(make_sheet(photo, mask, large), _turned(large.pose, 30)).picture
    assert drawn.shape == (2 * HEIGHT, 2 * WIDTH, 3)
    small = cv2.resize(drawn, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    assert _psnr(small, carry(sheet, _turned(body.pose, 30)).picture) > 22


def test_fills_keep_what_is_known():
    image = np.linspace(0, 200, 40 * 30 * 3).reshape(40, 30, 3).astype(np.float32)
    known = np.ones((40, 30), bool)
    known[10:25, 8:20] = False
    filled = smooth_fill(image, known)
    assert np.array_equal(filled[known], image[known])
    assert np.abs(filled - image)[~known].max() < 40
    stripes = np.tile((np.arange(30) // 2 % 2 * 200).astype(np.uint8)[None, :, None], (40, 1, 3))
    mirrored = mirror_fill(stripes, np.broadcast_to(np.arange(30) < 20, (40, 30)), 9)
    assert mirrored[:, 20:27].std() > 60


def test_bounds_hold_what_is_there_and_its_margin_as_far_as_there_is_room():
    mask = np.zeros((20, 30), bool)
    assert mask[bounds(mask, 3)].size == 1  # cv2 takes no empty picture
    mask[1, 12] = mask[9, 15] = True
    assert bounds(mask) == (slice(1, 10), slice(12, 16))
    assert bounds(mask, 2.9) == (slice(0, 12), slice(10, 18))


def test_parts_that_touch_and_means_among_a_mask():
    mask = np.zeros((20, 30), bool)
    mask[2:6, 2:6] = mask[6:9, 6:9] = mask[12:18, 20:28] = True  # the first two meet at a corner
    start = np.zeros_like(mask)
    start[3, 3] = start[10, 15] = True
    corner, two = touching(mask, start), touching(mask, start, neighbours=8)
    assert corner.sum() == 16 and two.sum() == 25 and not two[12:].any() and not touching(mask, ~mask).any()
    values = np.where(mask[..., None], (10.0, 20.0, 30.0), 255).astype(np.float32)
    mean = local_mean(values, mask, 1.0)
    assert np.allclose(mean[mask], (10, 20, 30), atol=1e-3) and not mean[19, 0].any()


def test_outermost_vertices_lie_on_a_smooth_outline():
    y, x = np.mgrid[:60, :60] + 0.5
    away = np.hypot(x - 30, y - 30)
    covered = np.clip(20.3 - away + 0.5, 0, 1).astype(np.float32)
    solid = covered > 0.5
    shift = _to_outline(solid, covered)
    moved = (shift != 0).any(-1)
    assert moved.sum() > 80 and solid[moved].all()
    before = np.abs(away[moved] - 20.3)
    after = np.abs(np.hypot(x + shift[..., 0] - 30, y + shift[..., 1] - 30)[moved] - 20.3)
    assert after.mean() < 0.4 * before.mean() and np.abs(shift).max() <= 0.8


def test_a_skirt_goes_on_straight_behind_a_hand():
    label = np.full((80, 60), NO_GROUP, np.int8)
    for row in range(20, 80):
        label[row, 10 : 30 + row // 4] = TRUNK  # its right edge runs outward
    whole = label == TRUNK
    label[40:52, 33:48] = ARM_L
    label[40:52, 9:12] = ARM_R
    hidden = _behind_hands(label == TRUNK, label, 30, 80)
    truth = whole & (label != TRUNK)
    assert truth.sum() > 60 and (hidden & ~truth).sum() <= 12 and (truth & ~hidden).sum() <= 24
    assert not _behind_hands(label == TRUNK, label, 42, 50).any()  # no edge is seen above or below


def test_the_wall_beside_the_neck_is_no_part_of_the_person():
    photo = np.full((320, 256, 3), 245, np.uint8)
    person, body, head = (np.zeros((320, 256), bool) for _ in range(3))
    head[20:60, 108:148] = True
    person[20:60, 108:148] = person[60:68, 120:136] = person[68:300, 78:178] = True
    body |= person
    body[63:68, 115:120] = True  # the fitted body's shoulder lies a little higher than the person's
    photo[person] = DRESS
    photo[20:68][person[20:68]] = SKIN
    gaps = _gaps(photo, body, body, np.zeros_like(body), head, 1.0)
    assert gaps[64:67, 115:119].all() and not gaps[person].any()
