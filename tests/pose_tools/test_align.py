"""Charts placed on a photo's charts by the bodies that both show."""

from dataclasses import replace

import numpy as np
import pytest

from pose_tools.align import (
    ALIGNED,
    BACK_VIEW,
    BUILD,
    HALF_MOTION,
    HALF_PHOTO,
    LEAVES,
    SIDE_VIEW,
    Alignment,
    align,
    apply,
)
from pose_tools.body.camera import Camera
from pose_tools.body.figure import Pose, load_figure, pose_vertices
from pose_tools.body.motion import draw_motion, find_motion, template_body
from pose_tools.body.raster import draw_iuv, paint_charts, raster
from pose_tools.errors import BadInput
from pose_tools.sequence import PoseSequence
from tests.pose_tools.bodies import FIGURE, posed

CAMERA = Camera(150.0, 128.0, 154.0, 256, 320)
MEAN = np.zeros(len(FIGURE.mode_names))


def charts(pose: Pose, camera: Camera = CAMERA) -> np.ndarray:
    return draw_iuv(FIGURE, MEAN, pose, camera)


def sequence(*frames: np.ndarray) -> PoseSequence:
    return PoseSequence(np.stack(frames), 12.0)


def parts_agree(first: np.ndarray, second: np.ndarray) -> float:
    """Pixels of the same part in both, over those of either's body."""
    a, b = first[..., 0], second[..., 0]
    return ((a == b) & (a > 0)).sum() / ((a > 0) | (b > 0)).sum()


def lowest(frame: np.ndarray) -> int:
    return int(np.flatnonzero(frame[..., 0].any(1))[-1]) + 1


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return charts(posed(0.1))


@pytest.mark.parametrize(("factor", "right", "down"), [(1.0, 20, -7), (0.45, -30, 12), (2.3, 60, 25)])
def test_a_scaled_and_shifted_copy_returns(photo, factor, right, down):
    camera = CAMERA.scaled(factor)
    wide = replace(camera, cx=camera.cx + right + 80, cy=camera.cy + down, width=camera.width + 160)
    copy = sequence(*[charts(posed(0.1), wide)] * 3)
    found = align(copy, photo)
    assert found.scale == pytest.approx(1 / factor, rel=0.015)
    assert found.warnings == ()
    placed = apply(copy, found, 256, 320)
    assert placed.iuv.shape == (3, 320, 256, 3) and placed.config[ALIGNED]["by_hand"] is False
    # a pixel of the smallest copy is more than two of the photo
    assert parts_agree(placed.iuv[0], photo) > (0.9 if factor >= 1 else 0.8)


def test_half_a_body_returns_to_its_half(photo):
    camera = replace(CAMERA.scaled(1.7), height=300)
    bust = charts(posed(0.1), camera)
    assert not np.isin(bust[..., 0], range(11, 15)).any()
    found = align(sequence(bust), photo)
    assert found.scale == pytest.approx(1 / 1.7, rel=0.04)
    assert HALF_MOTION in found.warnings and HALF_PHOTO not in found.warnings
    placed = apply(sequence(bust), found, 256, 320).iuv[0]
    shown = placed[..., 0] > 0
    assert (placed[..., 0] == photo[..., 0])[shown].mean() > 0.85

    other = align(sequence(photo), bust)
    assert HALF_PHOTO in other.warnings and HALF_MOTION not in other.warnings


def test_feet_stand_on_the_ground_through_a_clip(photo):
    walk = draw_motion(find_motion("catwalk"), template_body(200, 240), 16, 12)
    jump = [np.roll(frame, -14, axis=0) for frame in walk.iuv[:4]]
    stray = walk.iuv[8].copy()
    stray[232:, 40:60] = (5, 128, 128)  # a foot seen where there is none
    clip = sequence(*walk.iuv[:8], stray, *walk.iuv[9:], *jump)
    found = align(clip, photo)
    placed = apply(clip, found, 256, 320).iuv
    ground = lowest(photo)
    heights = [lowest(frame) for i, frame in enumerate(placed[:16]) if i != 8]
    assert abs(np.median(heights) - ground) <= 3
    assert max(heights) - ground <= 6


def test_wrong_pixels_change_little(photo):
    rng = np.random.default_rng(0)
    frame = charts(posed(0.1), CAMERA.scaled(0.8))
    body = np.argwhere(frame[..., 0] > 0)
    for y, x in body[rng.random(len(body)) < 0.1]:
        frame[y, x] = rng.integers(1, 25), rng.integers(0, 256), rng.integers(0, 256)
    found = align(sequence(frame, frame), photo)
    assert found.scale == pytest.approx(1 / 0.8, rel=0.02) and found.warnings == ()
    assert parts_agree(apply(sequence(frame), found, 256, 320).iuv[0], photo) > 0.75


def test_empty_frames_are_passed_over(photo):
    empty = np.zeros_like(photo)
    found = align(sequence(empty, photo, empty), photo)
    assert (found.scale, found.warnings) == (pytest.approx(1, abs=0.01), ())
    with pytest.raises(BadInput, match="no person in any frame"):
        align(sequence(empty), photo)
    with pytest.raises(BadInput, match="photo's charts show no person"):
        align(sequence(photo), empty)


@pytest.mark.parametrize(("turn", "warning"), [(1.5, SIDE_VIEW), (-1.2, SIDE_VIEW), (3.0, BACK_VIEW), (0.5, None)])
def test_views_at_the_start(photo, turn, warning):
    found = align(sequence(*[charts(posed(turn))] * 6, *[charts(posed(0.0))] * 6), photo)
    views = [w for w in found.warnings if w in (SIDE_VIEW, BACK_VIEW)]
    assert views == ([warning] if warning else [])
    assert found.scale == pytest.approx(1, rel=0.06)


def test_the_same_view_needs_no_warning():
    back = charts(posed(3.0))
    assert align(sequence(back), back).warnings == ()


def test_a_very_different_build_is_told(photo):
    vertices = pose_vertices(load_figure(), MEAN, posed(0.1))
    hips = -0.03
    legs = vertices[:, 2] < hips
    vertices[legs, 2] = hips + 0.55 * (vertices[legs, 2] - hips)
    hits = raster(CAMERA.with_depth(vertices), FIGURE.faces, 256, 320)
    short = paint_charts(hits, FIGURE.part, FIGURE.uv, 256, 320)
    found = align(sequence(short), photo)
    assert found.warnings == (BUILD,)
    assert abs(lowest(apply(sequence(short), found, 256, 320).iuv[0]) - lowest(photo)) <= 3


def test_leaving_the_picture_is_told(photo):
    frames = [charts(posed(0.0), replace(CAMERA, width=600, cx=128 + step)) for step in (0, 80, 160, 240)]
    assert align(sequence(*frames), photo).warnings == (LEAVES,)


def test_corrections_by_hand():
    alignment = Alignment(0.5, 10.0, 20.0, ("told",), (100.0, 300.0), 256, 320)
    foot = np.array([(100 - 10) / 0.5, (300 - 20) / 0.5])
    larger = alignment.adjusted(scale=1.2)
    assert larger.scale == pytest.approx(0.6) and larger.warnings == ("told",) and larger.by_hand
    np.testing.assert_allclose(larger.scale * foot + (larger.x, larger.y), (100, 300))
    moved = larger.adjusted(dx=0.25, dy=-0.1)
    assert (moved.x - larger.x, moved.y - larger.y) == (pytest.approx(64), pytest.approx(-32))
    assert moved.feet == (164.0, 268.0)
    assert alignment.adjusted() == alignment
    for bad in (0.0, -1.0, float("nan")):
        with pytest.raises(BadInput, match="scale must be above 0"):
            alignment.adjusted(scale=bad)


def test_apply_never_mixes_parts():
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 25, (20, 16, 3)).astype(np.uint8)
    placed = apply(sequence(frame), Alignment(2.7, -5.3, 3.1), 40, 50).iuv[0]
    known = {tuple(v) for v in frame.reshape(-1, 3)}
    assert {tuple(v) for v in placed[4:50].reshape(-1, 3)} <= known | {(0, 0, 0)}
    assert not placed[:3].any() and placed[4:].any()
    assert not apply(sequence(frame), Alignment(1.0, 500.0, 0.0), 40, 50).iuv.any()
    np.testing.assert_array_equal(apply(sequence(frame), Alignment(1.0, 0.0, 0.0), 16, 20).iuv[0], frame)
