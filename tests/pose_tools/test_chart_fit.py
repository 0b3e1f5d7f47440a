"""Known bodies found again in the charts that they give."""

from dataclasses import replace
from time import process_time

import numpy as np
import pytest

from pose_tools.body.camera import Camera
from pose_tools.body.chart_fit import ChartProblem, _look, fit_charts
from pose_tools.body.chart_track import fit_sequence
from pose_tools.body.figure import Pose, bone_transforms, joint_positions, pose_vertices, rotation_vectors
from pose_tools.body.fit import FittedBody, facing
from pose_tools.body.motion import find_motion, perform, template_body
from pose_tools.body.raster import draw_iuv
from pose_tools.body.surface import find_skin
from pose_tools.errors import BadInput
from pose_tools.sequence import PoseSequence
from tests.pose_tools.bodies import FIGURE, ROW, posed

CAMERA = Camera(130.0, 160.0, 150.0, 320, 300)
MEAN = np.zeros(len(FIGURE.mode_names))
OTHER = 0.6 * FIGURE.mode_sigma * np.resize([1, -1, 0.5], len(MEAN))
POSES = {
    "front": posed(0.1),
    "stepping": posed(-0.2, upperleg01_L=[-0.4, 0, 0], lowerleg01_L=[0.5, 0, 0], upperarm01_R=[0.2, -0.5, 0]),
    "hand on hip": posed(0.0, upperarm01_L=[0, -0.1, 0], lowerarm01_L=[0.2, 0.9, 1.0]),
    "side": posed(1.57, upperleg01_L=[-0.5, 0, 0], upperleg01_R=[0.3, 0, 0], lowerleg01_R=[0.5, 0, 0]),
    "back": posed(2.8, upperleg01_R=[-0.2, 0, 0]),
    "arms up": posed(0.3, upperarm01_L=[0, -1.8, 0], upperarm01_R=[0, 1.6, 0]),
    "on the hands": posed(0.2, root=[0, 3.0, 0], upperarm01_L=[0, -1.8, 0], upperarm01_R=[0, 1.8, 0]),
    "bowing": posed(1.2, root=[0.7, 0, 0], spine02=[0.3, 0, 0], upperleg01_L=[-0.7, 0, 0], upperleg01_R=[-0.7, 0, 0]),
    "knee up": posed(-0.3, upperleg01_L=[-1.4, 0, 0], lowerleg01_L=[1.5, 0, 0], spine02=[0.2, 0, 0.2]),
}


def away_px(fitted: FittedBody, shape: np.ndarray, pose: Pose, camera: Camera = CAMERA) -> np.ndarray:
    """How far each joint (B,) is from where it belongs, in pixels."""
    found = fitted.camera.project(joint_positions(FIGURE, fitted.shape, fitted.pose))
    return np.linalg.norm(found - camera.project(joint_positions(FIGURE, shape, pose)), axis=1)


def away_degrees(fitted: FittedBody, shape: np.ndarray, pose: Pose) -> np.ndarray:
    """By how much each bone (B,) is turned wrongly in the world."""
    found, true = (bone_transforms(FIGURE, s, p)[:, :, :3] for s, p in ((fitted.shape, fitted.pose), (shape, pose)))
    return np.degrees(np.linalg.norm(rotation_vectors(np.swapaxes(found, 1, 2) @ true), axis=1))


def spoilt(iuv: np.ndarray, seed: int = 0, noise: float = 12.0, wrong: float = 0.1) -> np.ndarray:
    """Charts with noise on U and V (levels of 255) and a share of pixels that say anything."""
    rng = np.random.default_rng(seed)
    out, body = iuv.copy(), iuv[..., 0] > 0
    out[body, 1:] = np.clip(out[body, 1:] + rng.normal(0, noise, (body.sum(), 2)), 0, 255)
    bad = body & (rng.random(body.shape) < wrong)
    out[bad] = rng.integers([1, 0, 0], [25, 256, 256], (bad.sum(), 3))
    return out


@pytest.mark.parametrize("name", POSES)
def test_finds_a_known_body(name):
    pose = POSES[name]
    fitted = fit_charts(draw_iuv(FIGURE, MEAN, pose, CAMERA))
    assert away_px(fitted, MEAN, pose).mean() < 1
    assert away_degrees(fitted, MEAN, pose).mean() < 7
    assert fitted.overlap > 0.94 and fitted.error_px < 0.5
    assert fitted.camera.scale == pytest.approx(CAMERA.scale, rel=0.03)


@pytest.mark.parametrize("name", ["stepping", "side", "back"])
def test_another_build_in_another_place(name):
    pose, camera = POSES[name], Camera(370.0, 520.0, 400.0, 900, 800)
    fitted = fit_charts(draw_iuv(FIGURE, OTHER, pose, camera))
    assert away_px(fitted, OTHER, pose, camera).mean() < 0.015 * camera.scale
    assert away_degrees(fitted, OTHER, pose).mean() < 8
    assert fitted.overlap > 0.93
    assert (fitted.camera.width, fitted.camera.height) == (900, 800)


@pytest.mark.parametrize("name", ["front", "hand on hip", "side", "back", "on the hands", "knee up"])
def test_survives_noise_and_wrong_pixels(name):
    pose = POSES[name]
    fitted = fit_charts(spoilt(draw_iuv(FIGURE, MEAN, pose, CAMERA)))
    assert away_px(fitted, MEAN, pose).mean() < 2.5
    assert away_degrees(fitted, MEAN, pose).mean() < 12
    turn = facing(fitted.pose) - facing(pose)
    assert abs((turn + np.pi) % (2 * np.pi) - np.pi) < 0.25


def test_coarse_charts():
    pose = POSES["stepping"]
    iuv = draw_iuv(FIGURE, MEAN, pose, CAMERA)
    iuv[..., 1:] = np.where(iuv[..., :1] > 0, iuv[..., 1:] // 32 * 32 + 16, 0)
    fitted = fit_charts(iuv)
    assert away_px(fitted, MEAN, pose).mean() < 2
    assert away_degrees(fitted, MEAN, pose).mean() < 8


def test_a_hidden_half_keeps_to_what_is_usual():
    pose = POSES["front"]
    iuv = draw_iuv(FIGURE, MEAN, pose, CAMERA)
    iuv[178:] = 0
    assert not np.isin(iuv[..., 0], (5, 6, 11, 12, 13, 14)).any()
    fitted = fit_charts(iuv)
    away = away_px(fitted, MEAN, pose)
    shown = [ROW[b] for b in ("root", "spine02", "head", "upperarm01.L", "lowerarm01.R")]
    assert away[shown].max() < 3
    # legs that nobody sees hang down somewhere below
    feet = fitted.camera.project(joint_positions(FIGURE, fitted.shape, fitted.pose))[[ROW["foot.L"], ROW["foot.R"]]]
    assert (feet[:, 1] > 235).all()


def test_follows_on_a_known_build():
    body = FittedBody(OTHER, POSES["stepping"], CAMERA, 1.0, 0.0)
    pose = posed(0.05, upperleg01_L=[-0.1, 0, 0], lowerleg01_L=[0.2, 0, 0], upperarm01_R=[0.1, -0.3, 0])
    iuv = spoilt(draw_iuv(FIGURE, OTHER, pose, CAMERA), noise=4)
    start = process_time()
    fitted = fit_charts(iuv, body)
    seconds = process_time() - start
    np.testing.assert_array_equal(fitted.shape, OTHER)
    assert away_px(fitted, OTHER, pose).mean() < 1.5
    assert seconds < 0.3
    # a jump that cannot be followed is looked for anew, on the same build
    jumped = fit_charts(draw_iuv(FIGURE, OTHER, POSES["back"], CAMERA), fitted)
    np.testing.assert_array_equal(jumped.shape, OTHER)
    assert away_px(jumped, OTHER, POSES["back"]).mean() < 1.5


def test_nothing_to_fit():
    assert fit_charts(np.zeros((64, 48, 3), np.uint8)) is None
    few = np.zeros((64, 48, 3), np.uint8)
    few[10:30, 10:30] = (2, 128, 128)
    assert fit_charts(few) is None


def test_a_clip_keeps_one_build_and_knows_its_gaps():
    body = replace(template_body(130, 160), shape=OTHER)
    poses = perform(find_motion("half_turn"), body, 24)[6:18]
    frames = np.stack([draw_iuv(FIGURE, OTHER, pose, body.camera) for pose in poses])
    frames[5] = 0
    clip, told = PoseSequence(frames, 12.0), []
    track = fit_sequence(clip, lambda done, total: told.append((done, total)))
    assert np.flatnonzero(~track.seen).tolist() == [5] and track.confidence[5] == 0
    assert track.confidence[track.seen].min() > 0.85 and (len(track), track.fps) == (12, 12.0)
    assert told == sorted(told) and told[-1] == (12, 12)
    for i, pose in enumerate(poses):
        found = FittedBody(track.shape, track.poses[i], track.cameras[i], 1.0, 0.0)
        away = away_px(found, OTHER, pose, body.camera)
        assert away.mean() < (2 if track.seen[i] else 4), i
        turn = facing(found.pose) - facing(pose)
        assert abs((turn + np.pi) % (2 * np.pi) - np.pi) < 0.35, i
    assert len(track.motion("half", "Half", "A turn.")) == 12

    first, again = (fit_sequence(PoseSequence(frames[:3], 12.0)) for _ in range(2))
    np.testing.assert_array_equal(again.poses[2].rotations, first.poses[2].rotations)


def test_a_clip_of_nobody():
    with pytest.raises(BadInput, match="too little of a person"):
        fit_sequence(PoseSequence(np.zeros((3, 40, 30, 3), np.uint8), 12.0))


def test_a_leg_that_swings_behind_is_followed():
    """Of a straight leg a frontal picture does not say that it begins to bend."""
    straight = FittedBody(MEAN, posed(0.0), CAMERA, 1.0, 0.0)
    swung = posed(0.0, lowerleg01_L=[0.9, 0, 0])
    found = fit_charts(draw_iuv(FIGURE, MEAN, swung, CAMERA), straight)
    assert away_px(found, MEAN, swung)[ROW["foot.L"]] < 3
    assert away_degrees(found, MEAN, swung)[ROW["lowerleg01.L"]] < 15


def test_skin_is_found_where_it_is_seen():
    for yaw in (0.0, 1.4, 3.0):
        pose = posed(yaw)
        iuv = draw_iuv(FIGURE, OTHER, pose, CAMERA)
        row, column = np.nonzero(iuv[..., 0])
        skin = find_skin(iuv[row, column])
        place = CAMERA.project(skin.mix(pose_vertices(FIGURE, OTHER, pose)))
        away = np.linalg.norm(place - np.stack([column, row], 1) - 0.5, axis=1)
        assert np.median(away) < 0.5 and np.percentile(away, 95) < 2.5
        turn = bone_transforms(FIGURE, OTHER, pose)[skin.bone, :, :3]
        assert (np.einsum("nij,nj->ni", turn, skin.normal)[:, 1] < 0.2).mean() > 0.97


@pytest.mark.parametrize("known", [None, OTHER])
def test_derivatives_match_differences(known):
    near = FittedBody(OTHER, POSES["side"], CAMERA, 1.0, 0.0)
    seen = _look(draw_iuv(FIGURE, OTHER, POSES["stepping"], CAMERA))
    problem = ChartProblem(seen, 0.3, CAMERA.scale, known, near)
    x = problem.guess_from(near) + np.random.default_rng(0).normal(scale=0.05, size=len(problem.guess_from(near)))
    _, derivative = problem._residuals(x, True)
    step = 1e-6
    for k in (0, 1, 2, *range(3, len(x), 7)):
        unit = np.zeros(len(x))
        unit[k] = step
        numeric = (problem._residuals(x + unit, False)[0] - problem._residuals(x - unit, False)[0]) / (2 * step)
        np.testing.assert_allclose(derivative[:, k], numeric, atol=2e-3 * max(1, np.abs(numeric).max()))
