"""Cloth that goes on around the sides: layers laid out flat, and woven there."""

import cv2
import numpy as np
import pytest

from dreampose_core.carry import carry, make_sheet
from dreampose_core.carry.cloth.drape import drape
from dreampose_core.carry.cloth.skirt import lean_aside, level_hem
from dreampose_core.carry.cloth.unroll import unroll
from dreampose_core.carry.cloth.weave import cut_cloth, variation, weave
from dreampose_core.carry.cloth.wrap import bare_skin
from dreampose_core.carry.fragments import _whole
from pose_tools.body.figure import BONES, Camera, Pose, bone_transforms, joint_positions, load_figure, pose_vertices
from pose_tools.body.fit import FittedBody
from pose_tools.body.raster import Hits, draw_iuv

RADIUS = 20.0


def _tube(flare: float = 0.0):
    """Vertices and faces of an upright tube, whose radius grows by `flare` a row: place, front, back, faces, around."""
    y, x = (a.ravel() for a in np.mgrid[:40, :81].astype(float))
    radius = RADIUS + flare * y
    index = np.arange(40 * 81).reshape(40, 81)
    place = np.stack([40 + np.clip((x - 40) / 40, -1, 1) * radius, y], -1)
    depth = np.sqrt(np.maximum(radius**2 - (place[:, 0] - 40) ** 2, 0))
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]))
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([b, d, c], -1)])
    return place, -depth, depth, faces, np.abs(x - 40) > 20


def test_a_tube_is_laid_out_at_its_true_size_around_both_sides():
    place, front, back, faces, around = _tube()
    flat = unroll(place, front, back, faces, around)
    count = len(place)
    row = flat.at[:count].reshape(40, 81, 2)[20]
    width = np.ptp(row[:, 0])
    assert abs(width - np.pi * RADIUS) < 0.05 * np.pi * RADIUS
    assert np.ptp(row[:, 1]) < 1 and (np.diff(row[:, 0]) > 0).all()
    behind = flat.at[count:].reshape(40, 81, 2)[20]
    # 60 degrees of the back beyond the rim, on either side
    assert abs((row[0, 0] - behind[19, 0]) - RADIUS * np.arccos(21 / 40)) < 2.5
    assert abs((behind[61, 0] - row[-1, 0]) - RADIUS * np.arccos(21 / 40)) < 2.5
    facing = flat.facing[:count].reshape(40, 81)[20]
    assert facing[40] > 0.98 and facing[2] < 0.45 and abs(facing[75] - np.sqrt(1 - (35 / 40) ** 2)) < 0.06


def test_level_lines_of_a_flared_skirt_stay_level():
    place, front, back, faces, around = _tube(flare=0.5)
    bent, level = (unroll(place, front, back, faces, around, hangs) for hangs in (False, True))
    sag = [np.ptp(one.at[: len(place)].reshape(40, 81, 2)[30, :, 1]) for one in (bent, level)]
    assert sag[1] < 1.5 and sag[0] > 4 * sag[1]


@pytest.mark.parametrize("lean, levelled", [(0.3, 1.0), (0.1, 0.5), (0.0, 0.0), (-0.3, 0.0)])
def test_a_hem_loses_the_slant_that_a_lean_may_have_made_and_no_other(lean, levelled):
    x, part = (a.ravel() for a in np.meshgrid(np.linspace(-0.2, 0.2, 60), np.linspace(0, 1, 80)))
    bottom = -0.6 - 0.2 * x  # down at the person's left
    rest = np.stack([x, 0 * x, part * bottom], -1)
    moved = rest[:, 2] + level_hem(rest, 100 * part, 1.0, lean)
    hem = moved.reshape(80, 60)[-1]
    assert np.polyfit(x[:60], hem, 1)[0] == pytest.approx(-0.2 * (1 - levelled), abs=0.02)
    assert (hem - bottom[:60]).min() > -1e-6 and np.abs(moved.reshape(80, 60)[0]).max() < 0.001


def test_a_lean_is_the_legs_own_whichever_way_they_face():
    figure, shape = load_figure(), np.zeros(len(load_figure().modes))
    rotations = np.zeros((len(BONES), 3))
    rotations[0, 1] = 0.3
    for yaw in (0.0, 1.2, 3.0):
        leaning = bone_transforms(figure, shape, Pose(rotations, yaw, np.zeros(3)))
        assert lean_aside(figure, shape, leaning) == pytest.approx(np.tan(0.3), abs=0.01)
        upright = bone_transforms(figure, shape, Pose(0 * rotations, yaw, np.zeros(3)))
        assert abs(lean_aside(figure, shape, upright)) < 0.01


def _checks(height: int, width: int, colours) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.array(colours, np.uint8)[(y // 6 + x // 6) % 2]


def test_loose_cloth_stays_as_deep_in_the_fitted_body_as_the_photo_shows_it():
    figure = load_figure()
    shape, pose = np.zeros(len(figure.modes)), Pose(np.zeros((len(BONES), 3)), 0.0, np.zeros(3))
    body, hips = pose_vertices(figure, shape, pose), joint_positions(figure, shape, pose)[0]
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = hips + np.stack([0.05 * np.cos(angle), 0.05 * np.sin(angle), np.full_like(angle, -0.15)], -1)
    cloth, free = np.concatenate([ring, ring - (0, 0, 0.3)]).astype(np.float32), np.ones(80, np.float32)
    pushed, kept = cloth.copy(), cloth.copy()
    deep = drape(pushed, free, body, hips)
    assert deep[:40].min() > 0.02 and np.allclose(np.linalg.norm(pushed - cloth, axis=1), deep, atol=1e-5)
    assert np.array_equal(drape(kept, free, body, hips, deep), deep) and np.array_equal(kept, cloth)


def test_woven_cloth_is_of_the_garments_colours_sharp_and_the_same_again():
    photo = _checks(160, 120, ((20, 30, 200), (240, 240, 90)))
    photo[80:] = _checks(80, 120, ((200, 20, 30), (20, 90, 20)))
    cloth = cut_cloth(photo, [np.ones((160, 120), bool)], 1.0)
    image = photo.copy()
    wanted = np.zeros((160, 120), bool)
    wanted[:, 50:] = True
    image[wanted] = 128
    rows = np.broadcast_to(np.arange(160, dtype=np.float32)[:, None] + 0.5, (160, 120))
    woven = weave(image, ~wanted, wanted, cloth, rows, 1.0)
    again = weave(image, ~wanted, wanted, cloth, rows, 1.0)
    assert np.array_equal(woven, again)
    assert np.array_equal(woven[:, :40], photo[:, :40])
    known, made = (variation(woven, mask, 1.0)[mask].mean() for mask in (~wanted, wanted))
    assert made > 0.8 * known
    upper, lower = (np.abs(woven[part, 60:].astype(int)[:, :, None] - photo[part, :12].reshape(-1, 3)[[0, 6]]).max(-1)
                    for part in (slice(10, 70), slice(92, 150)))  # fmt: skip
    assert (upper.min(-1) < 60).mean() > 0.9 and (lower.min(-1) < 60).mean() > 0.9  # no skirt in the blouse
    # checks go on where they were: neither shifted rows nor a mirror's axis
    assert (np.abs(woven[10:70, 50:62].astype(int) - photo[10:70, 50:62]).max(-1) < 60).mean() > 0.75


def test_shorts_are_no_cloth_for_shoulders_in_a_shadow():
    photo = _checks(160, 120, ((40, 60, 220), (60, 200, 230)))
    photo[110:] = _checks(50, 120, ((80, 80, 80), (110, 110, 110)))  # shorts
    image, wanted = photo.copy(), np.zeros((160, 120), bool)
    image[:30, :60] = (70, 70, 70)  # hair, beside which the shoulder is to be woven
    wanted[:30, 60:] = True
    cloth = cut_cloth(photo, [np.ones((160, 120), bool)], 1.0)
    rows = np.broadcast_to(np.arange(160, dtype=np.float32)[:, None] + 0.5, (160, 120))
    woven = weave(image, ~wanted, wanted, cloth, rows, 1.0)[:24, 70:].astype(int)
    assert (woven[..., 2] - woven[..., 0] > 60).mean() > 0.95


def test_grain_is_laid_over_the_light_that_is_there():
    rng = np.random.default_rng(0)
    light = np.linspace(90, 190, 120)[None, :, None]
    photo = np.clip(light + rng.normal(0, 5, (160, 120, 1)) * np.ones(3), 0, 255).astype(np.uint8)
    known = np.ones((160, 120), bool)
    known[:, 45:75] = False
    cloth = cut_cloth(photo, [known], 1.0)
    rows = np.broadcast_to(np.arange(160, dtype=np.float32)[:, None] + 0.5, (160, 120))
    image = np.where(known[..., None], photo, 0).astype(np.uint8)
    woven = weave(image, known, ~known, cloth, rows, 1.0).astype(float)
    columns = woven[:, 45:75].mean((0, 2))
    assert np.abs(columns - light[0, 45:75, 0]).max() < 9
    assert 0.6 < woven[:, 50:70].std(0).mean() / photo[:, :40].astype(float).std(0).mean() < 1.5


def test_too_little_cloth_gives_no_pieces():
    assert cut_cloth(np.zeros((60, 60, 3), np.uint8), [np.eye(60, dtype=bool)], 1.0) is None


def test_flowers_of_the_skins_colour_are_no_skin():
    own = np.ones((80, 60), bool)
    skin = np.zeros((80, 60), bool)
    skin[60:] = True
    skin[20:29, 20:29] = True
    weights = np.zeros((80, 60, len(BONES)))
    weights[70:, :, BONES.index("wrist.L")] = 1
    bare = bare_skin(skin, own, weights)
    assert bare[62:].all() and not bare[:56].any()


def test_slivers_go_and_holes_of_one_sample_close():
    covered = np.zeros((40, 40), bool)
    covered[5:30, 5:30] = True
    covered[12, 12] = covered[20, 14] = False
    sliver = np.zeros_like(covered)
    sliver[5:30, 34] = True
    pixel = np.flatnonzero(covered | sliver)
    hits = Hits(pixel, np.arange(len(pixel)), np.full((len(pixel), 3), 1 / 3, np.float32), pixel.astype(np.float32))
    whole = _whole(hits, (40, 40))
    drawn = np.zeros(1600, bool)
    drawn[whole.pixel] = True
    drawn = drawn.reshape(40, 40)
    assert drawn[5:30, 5:30].all() and drawn.sum() == 25 * 25
    assert np.isin(whole.depth, pixel).all() and len(whole.face) == drawn.sum()


@pytest.fixture(scope="module")
def checked():
    """Photo of a person in a checked dress, and what is carried from it by the degrees of a turn."""
    figure, camera = load_figure(), Camera(150.0, 96, 148.0, 192, 300)
    pose = Pose.rest()
    rotations = pose.rotations.copy()
    for bone, degrees in (("upperarm01.L", 18), ("upperarm01.R", -18)):
        rotations[BONES.index(bone), 1] += np.deg2rad(degrees)
    pose = Pose(rotations, pose.yaw, pose.shift)
    body = FittedBody(np.zeros(len(figure.modes)), pose, camera, 1.0, 0.0)
    part = draw_iuv(figure, body.shape, pose, camera)[..., 0]
    photo = np.full((300, 192, 3), 235, np.uint8)
    photo[part > 0] = (224, 172, 140)
    dress = np.isin(part, (1, 2))
    photo[dress] = _checks(300, 192, ((20, 30, 160), (240, 220, 60)))[dress]
    mask = cv2.GaussianBlur((part > 0).astype(np.float32), (0, 0), 0.7)
    sheet = make_sheet(photo, mask, body)
    poses = {turn: Pose(pose.rotations, pose.yaw + np.deg2rad(turn), pose.shift) for turn in (0, 90, 180)}
    turned = {turn: carry(sheet, one) for turn, one in poses.items()}
    return photo, turned


def test_from_the_side_and_behind_a_dress_is_as_checked_as_in_front(checked):
    _, turned = checked
    rows = slice(105, 145)
    contrast = {}
    for turn, drawn in turned.items():
        trunk = np.isin(drawn.iuv[..., 0], (1, 2)).astype(np.uint8)
        where = cv2.erode(trunk, np.ones((5, 5)))[rows] > 0
        assert where.sum() > 200
        contrast[turn] = drawn.picture[rows][where].astype(float).std(0).mean()
    assert min(contrast[90], contrast[180]) > 0.75 * contrast[0]


def test_invented_cloth_is_hardly_seen_and_bare_arms_stay_bare(checked):
    front, side, back = checked[1].values()
    trunk = cv2.erode(np.isin(back.iuv[..., 0], (1, 2)).astype(np.uint8), np.ones((5, 5))) > 0
    assert front.visibility[trunk[:, ::-1]].mean() > 0.7 > 0.2 > back.visibility[trunk].mean() > 0
    arms = cv2.erode(np.isin(side.iuv[..., 0], (15, 16, 17, 18, 19, 20, 21, 22)).astype(np.uint8), np.ones((3, 3))) > 0
    skin = np.abs(side.picture.astype(int) - (224, 172, 140)).max(-1) < 40
    assert arms.sum() > 300 and skin[arms].mean() > 0.9


def test_the_photos_own_pose_shows_the_photo(checked):
    photo, turned = checked
    drawn = turned[0].picture.astype(float)
    assert 10 * np.log10(255**2 / ((drawn - photo) ** 2).mean()) > 27
