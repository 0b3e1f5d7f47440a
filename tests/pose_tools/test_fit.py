"""Fitting known bodies from the landmarks and the mask they would give."""
import json
from dataclasses import replace
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from PIL import Image

from pose_tools.body.camera import Camera
from pose_tools.body.derivatives import ancestors, articulate, rigid_points, skinned_points
from pose_tools.body.evidence import Evidence
from pose_tools.body.figure import Pose, bone_transforms, joint_positions, rotation_matrices, rotation_vectors
from pose_tools.body.fit import FittedBody, Seen, facing, fit_body, fit_joints, fit_picture, follow
from pose_tools.body.raster import draw_iuv
from tests.pose_tools.bodies import FIGURE, ROW, body_inside, perfect_landmarks, posed

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "assets" / "examples").glob("*.jpg"))[:3]
CAMERA = Camera(150.0, 128.0, 138.0, 256, 320)
SHAPE = 0.6 * FIGURE.mode_sigma * np.resize([1, -1, 0.5], len(FIGURE.mode_names))
POSES = {
    "standing": posed(0.1),
    "stepping": posed(-0.2, upperleg01_L=[-0.4, 0, 0], lowerleg01_L=[0.5, 0, 0], upperarm01_R=[0.2, -0.5, 0]),
    "hand on hip": posed(0.0, upperarm01_L=[0, -0.1, 0], lowerarm01_L=[0.2, 0.9, 1.0]),
    "turned": posed(0.9, head=[0, 0, -0.4]),
    "from behind": posed(2.8, upperleg01_R=[-0.2, 0, 0]),
}


def joints_px(body: FittedBody) -> np.ndarray:
    """Joints (B, 2) in the body's picture."""
    return body.camera.project(joint_positions(FIGURE, body.shape, body.pose))


@pytest.mark.parametrize("name", POSES)
def test_finds_a_known_body(name):
    pose = POSES[name]
    fitted = fit_body(perfect_landmarks(SHAPE, pose, CAMERA))
    away = np.linalg.norm(joints_px(fitted) - CAMERA.project(joint_positions(FIGURE, SHAPE, pose)), axis=1)
    assert away.mean() < 3 and away.max() < 8, away.round(1)
    assert fitted.overlap > 0.9 and fitted.error_px < 4
    turn = facing(fitted.pose) - facing(pose)
    assert abs((turn + np.pi) % (2 * np.pi) - np.pi) < 0.25


def test_charts_agree_with_the_truth():
    pose = POSES["hand on hip"]
    landmarks = perfect_landmarks(SHAPE, pose, CAMERA)
    fitted = fit_body(landmarks)
    truth = draw_iuv(FIGURE, SHAPE, pose, CAMERA)
    drawn = draw_iuv(FIGURE, fitted.shape, fitted.pose, fitted.camera)
    both = (truth[..., 0] > 0) & (drawn[..., 0] > 0)
    assert (truth[..., 0] == drawn[..., 0])[both].mean() > 0.85
    assert body_inside(fitted, landmarks.mask) > 0.95


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_picture_size_does_not_matter(factor):
    pose = POSES["stepping"]
    small = fit_body(perfect_landmarks(SHAPE, pose, CAMERA))
    other = fit_body(perfect_landmarks(SHAPE, pose, CAMERA.scaled(factor)))
    assert (other.camera.width, other.camera.height) == (round(256 * factor), round(320 * factor))
    np.testing.assert_allclose(joints_px(other) / factor, joints_px(small), atol=2.5)


def test_survives_landmarks_that_are_wrong():
    pose = POSES["standing"]
    landmarks = perfect_landmarks(SHAPE, pose, CAMERA)
    points = landmarks.points.copy()
    points[[27, 29, 31]] += [45, -10]  # a foot far outside the mask
    fitted = fit_body(replace(landmarks, points=points))
    away = np.linalg.norm(joints_px(fitted) - CAMERA.project(joint_positions(FIGURE, SHAPE, pose)), axis=1)
    assert away[ROW["foot.L"]] < 10 and away.mean() < 4


def test_legs_whose_depth_errs_as_a_whole_keep_their_knees():
    landmarks = perfect_landmarks(SHAPE, posed(0.1), CAMERA)
    world = landmarks.world.copy()
    world[[25, 26], 2] -= 0.05  # as mediapipe errs: a leg with all that hangs on it
    world[27:, 2] -= 0.10
    fitted = fit_body(replace(landmarks, world=world))
    joints = joint_positions(FIGURE, fitted.shape, fitted.pose)
    for side in "LR":
        hip, knee, ankle = (joints[ROW[f"{bone}.{side}"]] for bone in ("upperleg01", "lowerleg01", "foot"))
        thigh, shin = knee - hip, ankle - knee
        assert np.degrees(np.arccos(thigh @ shin / np.linalg.norm(thigh) / np.linalg.norm(shin))) < 17


def test_legs_can_be_tried_swapped():
    evidence = Evidence.of(perfect_landmarks(SHAPE, POSES["stepping"], CAMERA))
    swapped = evidence.with_legs_swapped()
    at = {int(i): row for row, i in enumerate(FIGURE.anchor_index)}
    for i, j in ((25, 26), (28, 27), (31, 32), (11, 11), (16, 16), (24, 24)):
        np.testing.assert_array_equal(swapped.points[at[i]], evidence.points[at[j]])
        assert swapped.depth[at[i]] == evidence.depth[at[j]]


def test_follows_a_turning_person():
    body = None
    for yaw in np.linspace(0.0, 2.4, 6):
        landmarks = perfect_landmarks(SHAPE, posed(yaw), CAMERA)
        body = fit_body(landmarks, body)
        assert abs(facing(body.pose) - yaw) < 0.4
        assert body.overlap > 0.85


def test_takes_well_under_a_second():
    landmarks = perfect_landmarks(SHAPE, POSES["stepping"], CAMERA)
    fit_body(landmarks)
    start = process_time()
    fit_body(landmarks)
    assert process_time() - start < 1.0


def test_joints_put_a_body_where_they_are_known():
    target = posed(0.8, upperleg01_R=[-0.5, 0, 0], lowerarm01_L=[0, 0.5, 0.6], head=[0, 0, 0.5])
    target = replace(target, shift=np.array([0.1, 0.3, 0.02]))
    true_camera = Camera(165.0, 120.0, 150.0, 256, 320)
    joints = true_camera.with_depth(joint_positions(FIGURE, SHAPE, target))
    body = FittedBody(SHAPE, posed(0.1), CAMERA, 1.0, 0.0)
    start = process_time()
    moved = fit_joints(body, joints, scale=true_camera.scale, near=target)
    assert process_time() - start < 0.3
    assert moved.camera == CAMERA and np.array_equal(moved.shape, SHAPE)
    # the body is a tenth smaller in its own camera, which no pose can mend
    assert moved.error_px < 7
    same = fit_joints(body, CAMERA.with_depth(joint_positions(FIGURE, SHAPE, target)), near=target)
    assert same.error_px < 0.2
    np.testing.assert_allclose(rotation_matrices(same.pose.rotations), rotation_matrices(target.rotations), atol=0.02)
    np.testing.assert_allclose(same.pose.shift, target.shift, atol=0.01)


def test_derivatives_match_differences():
    rng = np.random.default_rng(0)
    modes = len(SHAPE)
    x = np.concatenate([SHAPE, rng.normal(scale=0.4, size=3 * len(ROW))])
    above, rows = ancestors(FIGURE.parents), slice(0, None, 900)

    def places(x, derive=False):
        state = articulate(FIGURE, x[:modes], x[modes:].reshape(-1, 3), 0.3)
        rigid = rigid_points(state, FIGURE.anchors + np.tensordot(x[:modes], FIGURE.anchor_modes, 1),
                             FIGURE.anchor_modes, FIGURE.anchor_bone, above)
        soft = skinned_points(state, FIGURE.template[rows] + np.tensordot(x[:modes], FIGURE.modes[:, rows], 1),
                              FIGURE.modes[:, rows].astype(float), FIGURE.weights[rows].astype(float), above)
        return [np.concatenate([a, b]) for a, b in zip(rigid, soft, strict=True)]

    _, derivative = places(x)
    step = 1e-5
    numeric = np.stack([(places(x + step * e)[0] - places(x - step * e)[0]) / (2 * step) for e in np.eye(len(x))], -1)
    np.testing.assert_allclose(derivative, numeric, atol=1e-5)


def test_json_round_trip():
    body = FittedBody(SHAPE, POSES["turned"], CAMERA, 0.8, 2.5)
    again = FittedBody.from_dict(json.loads(json.dumps(body.to_dict())))
    np.testing.assert_array_equal(draw_iuv(FIGURE, again.shape, again.pose, again.camera),
                                  draw_iuv(FIGURE, SHAPE, POSES["turned"], CAMERA))
    assert again.overlap == 0.8 and again.error_px == 2.5
    assert isinstance(again.pose, Pose)


def test_nobody_to_fit():
    assert fit_picture(np.full((120, 90, 3), 200, np.uint8)) is None


@pytest.mark.skipif(not EXAMPLES, reason="no example photos in assets/examples")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_person(path):
    picture = np.asarray(Image.open(path).convert("RGB"))
    fitted = fit_picture(picture)
    assert fitted.overlap > 0.6
    assert fitted.error_px < 0.03 * picture.shape[0]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_upright_people_stand_upright(path):
    body = fit_picture(np.array(Image.open(path).convert("RGB")))
    turned = bone_transforms(FIGURE, body.shape, replace(body.pose, yaw=0.0))[:, :, :3]
    leaning = np.rad2deg(rotation_vectors(turned)[:, 0])
    for bone in ("root", "spine04", "spine02", "neck01", "head"):
        assert abs(leaning[ROW[bone]]) < 12, bone


def test_a_body_beside_the_true_joints_follows_beside_them():
    pose, later = posed(0.1), posed(0.5, upperarm01_L=[0, -0.3, 0], head=[0.1, 0, 0])
    body = FittedBody(SHAPE, pose, CAMERA, 1.0, 0.0)

    def seen(at: Pose, up: float) -> Seen:
        joints = CAMERA.with_depth(joint_positions(FIGURE, SHAPE, at))
        joints[ROW["head"], 1] -= up
        return Seen(at, joints, CAMERA.scale)

    still = follow(body, seen(pose, 6.0), seen(pose, 6.0))
    assert np.abs(CAMERA.project(joint_positions(FIGURE, SHAPE, still.pose) - joint_positions(FIGURE, SHAPE, pose)) -
                  CAMERA.project(np.zeros(3))).max() < 0.3
    moved = follow(body, seen(pose, 6.0), seen(later, 6.0))
    places = [joint_positions(FIGURE, SHAPE, p)[ROW["head"]] for p in (moved.pose, later)]
    assert np.linalg.norm(CAMERA.project(places[0]) - CAMERA.project(places[1])) < 1.0


def test_a_head_that_was_fitted_too_low_and_aside_follows_so():
    true, later = posed(0.4), posed(0.1, head=[0.1, 0.3, 0], neck01=[0.1, 0, 0])
    body = FittedBody(SHAPE, posed(0.4, head=[0.15, 0.1, 0.12]), CAMERA, 1.0, 0.0)

    def turn(pose: Pose) -> np.ndarray:
        return bone_transforms(FIGURE, SHAPE, pose)[ROW["head"], :, :3]

    def seen(at: Pose) -> Seen:
        return Seen(at, CAMERA.with_depth(joint_positions(FIGURE, SHAPE, at)), CAMERA.scale)

    still = follow(body, seen(true), seen(true))
    assert np.allclose(turn(still.pose), turn(body.pose), atol=1e-6)
    moved = follow(body, seen(true), seen(later))
    assert np.allclose(turn(later).T @ turn(moved.pose), turn(true).T @ turn(body.pose), atol=1e-6)
