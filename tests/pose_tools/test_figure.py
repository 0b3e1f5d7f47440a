"""The body from the array file: skinning, poses, and charts that read like DensePose's."""
import json

import numpy as np
import pytest
from scipy.spatial import cKDTree

from pose_tools.body.camera import Camera
from pose_tools.body.charts import MIRROR_PART, mirror_iuv
from pose_tools.body.figure import (
    BONES,
    FIGURE_FILE,
    Pose,
    bone_transforms,
    joint_positions,
    load_figure,
    pose_vertices,
    rotation_matrices,
    rotation_vectors,
)

FIGURE = load_figure()
STILL = np.zeros(len(FIGURE.mode_names))


def corners_of(part):
    """Positions (N, 3) and uv (N, 2) of the face corners of a part."""
    rows = FIGURE.part == part
    return FIGURE.template[FIGURE.faces[rows]].reshape(-1, 3), FIGURE.uv[rows].reshape(-1, 2)


def slope(values, places):
    """Correlation of a chart coordinate with a place."""
    return np.corrcoef(values, places)[0, 1]


def seam(part, other):
    """Mean U, V of `part` on the vertices that it shares with `other`."""
    rows = FIGURE.part == part
    shared = np.intersect1d(FIGURE.faces[rows], FIGURE.faces[FIGURE.part == other])
    assert len(shared), (part, other)
    return FIGURE.uv[rows][np.isin(FIGURE.faces[rows], shared)].mean(0)


def at_joint(part, name):
    """Mean U, V of the part's corners nearest to a joint."""
    places, uv = corners_of(part)
    return uv[np.argsort(np.linalg.norm(places - FIGURE.joints[FIGURE.bone(name)], axis=1))[:60]].mean(0)


def test_file_is_small_and_whole():
    assert FIGURE_FILE.stat().st_size < 5e6
    assert FIGURE.template.shape == (13718, 3) and FIGURE.faces.shape == (27420, 3)
    assert FIGURE.bone_names == BONES and len(BONES) == 19
    assert set(np.unique(FIGURE.part)) == set(range(1, 25))
    assert FIGURE.uv.min() >= 0 and FIGURE.uv.max() <= 1
    np.testing.assert_allclose(FIGURE.weights.sum(1), 1, atol=1e-5)
    assert all(parent < i for i, parent in enumerate(FIGURE.parents))
    np.testing.assert_allclose(FIGURE.joints[0], 0, atol=1e-6)
    np.testing.assert_allclose(FIGURE.joint_modes[:, 0], 0, atol=1e-6)


def test_rest_body_stands_upright_and_faces_the_camera():
    height = np.ptp(FIGURE.template[:, 2])
    assert 1.5 < height < 2.0
    toe, ankle = FIGURE.anchors[list(FIGURE.anchor_index).index(31)], FIGURE.joints[FIGURE.bone("foot.L")]
    assert toe[1] < ankle[1] and ankle[0] > 0
    assert FIGURE.joints[FIGURE.bone("wrist.R"), 0] < 0


def test_yaw_turns_to_the_own_left_and_shift_moves():
    turned = joint_positions(FIGURE, STILL, Pose(np.zeros((19, 3)), np.pi / 2, np.array([0.1, 0.2, 0.3])))
    still = joint_positions(FIGURE, STILL, Pose.rest())
    np.testing.assert_allclose(turned[:, 0], -still[:, 1] + 0.1, atol=1e-6)
    np.testing.assert_allclose(turned[:, 1], still[:, 0] + 0.2, atol=1e-6)
    np.testing.assert_allclose(turned[:, 2], still[:, 2] + 0.3, atol=1e-6)


def test_elbow_moves_the_forearm_only_and_keeps_lengths():
    rotations = np.zeros((19, 3))
    rotations[FIGURE.bone("lowerarm01.L")] = [0.0, 0.4, 0.9]
    rotations[FIGURE.bone("upperleg01.R")] = [-0.7, 0.1, 0.0]
    shape = np.linspace(-0.5, 0.5, len(STILL))
    bent, still = (joint_positions(FIGURE, shape, p) for p in (Pose(rotations, 0.3, np.zeros(3)), Pose.rest()))
    def lengths(joints):
        return [np.linalg.norm(joints[i] - joints[p]) for i, p in enumerate(FIGURE.parents) if p >= 0]
    np.testing.assert_allclose(lengths(bent), lengths(still), atol=1e-9)
    transforms = bone_transforms(FIGURE, shape, Pose(rotations, 0.0, np.zeros(3)))
    moved = ~np.isclose(transforms[:, :, :3], np.eye(3)).all((1, 2))
    assert {BONES[i] for i in np.flatnonzero(moved)} == {
        "lowerarm01.L", "wrist.L", "upperleg01.R", "lowerleg01.R", "foot.R"}


def test_vertices_follow_rigid_bones():
    pose = Pose(np.zeros((19, 3)), 0.7, np.array([0.0, 0.5, -0.1]))
    transform = bone_transforms(FIGURE, STILL, pose)[0]
    expected = FIGURE.template @ transform[:, :3].T + transform[:, 3]
    np.testing.assert_allclose(pose_vertices(FIGURE, STILL, pose), expected, atol=1e-5)


def test_rotation_vectors_invert_matrices():
    vectors = np.random.default_rng(0).normal(size=(50, 3))
    vectors[0] = 0
    np.testing.assert_allclose(rotation_vectors(rotation_matrices(vectors)), vectors, atol=1e-6)


def test_json_round_trip():
    pose = Pose(np.random.default_rng(1).normal(size=(19, 3)), 0.2, np.ones(3))
    again = Pose.from_dict(json.loads(json.dumps(pose.to_dict())))
    np.testing.assert_array_equal(again.rotations, pose.rotations)
    camera = Camera(150.0, 128.0, 100.5, 256, 320)
    assert Camera.from_dict(json.loads(json.dumps(camera.to_dict()))) == camera
    np.testing.assert_allclose(camera.project(np.array([0.1, 5.0, 0.2])), [143.0, 70.5])
    np.testing.assert_allclose(camera.scaled(2).project(np.array([0.1, 5.0, 0.2])), [286.0, 141.0])


@pytest.mark.parametrize("part", [1, 2])
def test_torso_charts(part):
    places, uv = corners_of(part)
    assert slope(uv[:, 0], -places[:, 2]) > 0.98
    assert slope(uv[:, 1], -places[:, 0]) > 0.95
    assert (places[:, 1].mean() > 0) == (part == 1)


def test_torso_seams():
    for part, other, u, v in ((2, 15, .17, .14), (2, 16, .20, .87), (2, 24, .06, .44), (2, 23, .06, .58),
                              (2, 10, .85, .24), (2, 9, .85, .72), (1, 17, .25, .06), (1, 18, .25, .92),
                              (1, 24, .05, .40), (1, 23, .05, .59), (1, 8, 1., .28), (1, 7, 1., .73)):
        np.testing.assert_allclose(seam(part, other), (u, v), atol=0.13, err_msg=f"{part} meets {other}")


@pytest.mark.parametrize(("part", "side", "sign"), [(3, "R", 1), (4, "L", -1)])
def test_hands(part, side, sign):
    places, uv = corners_of(part)
    along = places @ (FIGURE.joints[FIGURE.bone(f"wrist.{side}")] - FIGURE.joints[FIGURE.bone(f"lowerarm01.{side}")])
    assert slope(uv[:, 1], along) > 0.95
    anchor = {int(i): k for k, i in enumerate(FIGURE.anchor_index)}
    little = FIGURE.anchors[anchor[17 if side == "L" else 18]]
    near = uv[np.argsort(np.linalg.norm(places - little, axis=1))[:40], 0]
    assert 0.3 < near.mean() < 0.7
    index = FIGURE.anchors[anchor[19 if side == "L" else 20]]
    thumb = places @ (index - little)
    ends = uv[thumb > np.percentile(thumb, 97), 0]
    assert np.median(ends if sign > 0 else 1 - ends) < 0.25


@pytest.mark.parametrize(("part", "sign"), [(5, 1), (6, -1)])
def test_feet(part, sign):
    places, uv = corners_of(part)
    assert slope(uv[:, 0], -sign * places[:, 1]) > 0.98
    toes = places[:, 1] < np.percentile(places[:, 1], 25)
    inner = np.abs(places[:, 0])
    big = toes & (inner < np.percentile(inner[toes], 5))
    little = toes & (inner > np.percentile(inner[toes], 97))
    assert abs(np.median(uv[big, 1]) - 0.7) < 0.1
    assert np.all((uv[little, 1] < 0.35) | (uv[little, 1] > 0.85))
    sole = places[:, 2] < places[:, 2].min() + 0.004
    assert (uv[sole, 1] > 0.7).mean() > 0.9


@pytest.mark.parametrize(("part", "start", "end", "rising"), [
    (7, "upperleg01.R", "lowerleg01.R", 1), (8, "upperleg01.L", "lowerleg01.L", 1),
    (9, "upperleg01.R", "lowerleg01.R", 0), (10, "upperleg01.L", "lowerleg01.L", 0),
    (11, "lowerleg01.R", "foot.R", 0), (12, "lowerleg01.L", "foot.L", 0),
    (13, "lowerleg01.R", "foot.R", 1), (14, "lowerleg01.L", "foot.L", 1),
    (15, "upperarm01.L", "lowerarm01.L", 1), (16, "upperarm01.R", "lowerarm01.R", 1),
    (17, "upperarm01.L", "lowerarm01.L", 1), (18, "upperarm01.R", "lowerarm01.R", 1),
    (19, "lowerarm01.L", "wrist.L", 0), (20, "lowerarm01.R", "wrist.R", 0),
    (21, "lowerarm01.L", "wrist.L", 1), (22, "lowerarm01.R", "wrist.R", 1)])
def test_limbs_run_along_u(part, start, end, rising):
    first, last = at_joint(part, start)[0], at_joint(part, end)[0]
    assert (last - first > 0.6) if rising else (first - last > 0.6)
    places, _ = corners_of(part)
    assert (places[:, 0].mean() > 0) == start.endswith("L")


def test_across_the_legs():
    for part in (7, 8):
        places, uv = corners_of(part)
        inner = np.abs(places[:, 0])
        high = places[:, 2] > np.percentile(places[:, 2], 50)
        assert abs(np.median(uv[high & (inner < np.percentile(inner[high], 10)), 1]) - 0.3) < 0.15
        assert abs(np.median(uv[high & (places[:, 1] > np.percentile(places[high, 1], 90)), 1]) - 0.75) < 0.15
    for part in (11, 12, 13, 14):
        places, uv = corners_of(part)
        assert slope(uv[:, 1], np.abs(places[:, 0])) > 0.5
    for first, second in ((7, 9), (8, 10), (11, 13), (12, 14), (17, 15), (18, 16)):
        assert corners_of(first)[0][:, 1].mean() > corners_of(second)[0][:, 1].mean()


@pytest.mark.parametrize(("part", "sign"), [(23, 1), (24, -1)])
def test_heads(part, sign):
    places, uv = corners_of(part)
    assert slope(uv[:, 1], places[:, 2]) > 0.95
    anchor = {int(i): k for k, i in enumerate(FIGURE.anchor_index)}
    face = np.linalg.norm(places - FIGURE.anchors[anchor[0]], axis=1)
    nose = uv[np.argsort(face)[:20]].mean(0)
    np.testing.assert_allclose(nose, (1 if sign > 0 else 0, 0.48), atol=0.08)
    ear = FIGURE.anchors[anchor[8 if sign > 0 else 7]]
    at = uv[np.argsort(np.linalg.norm(places - ear, axis=1))[:20]].mean(0)
    assert abs(at[0] - (0.45 if sign > 0 else 0.55)) < 0.1
    eye = FIGURE.anchors[anchor[5 if sign > 0 else 2]]
    assert abs(uv[np.argsort(np.linalg.norm(places - eye, axis=1))[:20], 1].mean() - 0.6) < 0.05
    back = (places[:, 1] > np.percentile(places[:, 1], 97)) & (np.abs(places[:, 0]) < 0.02)
    assert abs(uv[back, 0].mean() - (0 if sign > 0 else 1)) < 0.12


def test_left_and_right_charts_mirror_each_other():
    away, twin = cKDTree(FIGURE.template).query(FIGURE.template * [-1, 1, 1])
    assert (away < 1e-3).mean() > 0.95
    part_of = {frozenset(f): p for f, p in zip(FIGURE.faces.tolist(), FIGURE.part, strict=True)}
    pairs = [(p, part_of.get(frozenset(twin[list(f)].tolist()))) for f, p in part_of.items()]
    pairs = np.array([(a, b) for a, b in pairs if b is not None])
    assert len(pairs) > 20000
    assert (MIRROR_PART[pairs[:, 0]] == pairs[:, 1]).mean() > 0.98


def test_mirrored_map_keeps_its_own_inverse():
    iuv = np.random.default_rng(2).integers(0, 25, (8, 6, 3)).astype(np.uint8)
    np.testing.assert_array_equal(mirror_iuv(mirror_iuv(iuv)), iuv)
    assert not np.array_equal(mirror_iuv(iuv)[..., 0], iuv[:, ::-1, 0])
