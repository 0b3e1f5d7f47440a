"""The gallery's motions on bodies of several builds: start and end, feet, knees, arms, the picture's edge."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from PIL import Image

from pose_tools.body.camera import Camera
from pose_tools.body.clearance import overlap
from pose_tools.body.figure import (
    BONES,
    Pose,
    load_figure,
    pose_vertices,
    rotation_matrices,
    rotation_vectors,
)
from pose_tools.body.fit import FittedBody
from pose_tools.body.footing import Stand, plant, runs, sole_points
from pose_tools.body.kinematics import chain
from pose_tools.body.motion import Motion, draw_motion, find_motion, list_motions, perform, template_body
from pose_tools.body.raster import draw_iuv
from pose_tools.errors import BadInput

NAMES = [motion.name for motion in list_motions()]


def turned(**degrees):
    """Rotation vectors (B, 3) from degrees about x, y, z by bone name, with _ for the dot."""
    rotations = template_body(256, 320).pose.rotations.copy()
    for bone, vector in degrees.items():
        rotations[BONES.index(bone.replace("_", "."))] += np.radians(vector)
    return rotations


@cache
def body(kind):
    """A standing template; "wide": leaning, turned, near the picture's edge; "long": a hand before the body."""
    template = template_body(256, 320)
    figure = load_figure()
    if kind == "template":
        return template
    shape = np.zeros(len(figure.modes))
    if kind == "wide":
        shape[[figure.mode_names.index(n) for n in ("weight", "hip_width")]] = 1.5 * figure.mode_sigma[0], 0.15
        rotations = turned(
            root=(0, 8, 10), spine02=(0, -6, 0), upperleg01_L=(-8, -12, 6), lowerleg01_L=(18, 0, 0),
            foot_L=(22, 0, 9), foot_R=(26, 0, -14), upperarm01_R=(0, 14, 0), head=(4, 0, -12),
        )
        pose = Pose(rotations, 0.5, np.array([0.05, 0.2, -0.02]))
        return FittedBody(shape, pose, Camera(150, 88, 150, 256, 320), 1, 0)
    shape[[figure.mode_names.index(n) for n in ("thigh", "shin", "arm")]] = 0.12, 0.1, 0.08
    rotations = turned(upperarm01_L=(-50, -20, 10), lowerarm01_L=(-70, 0, 0), upperleg01_R=(6, 4, 0))
    return FittedBody(shape, Pose(rotations, -0.3, np.zeros(3)), Camera(140, 128, 140, 256, 320), 1, 0)


@cache
def performed(name, kind, frames=None):
    """The poses of a gallery motion on one of the bodies, at the motion's own rate unless a count is given."""
    motion = find_motion(name)
    return perform(motion, body(kind), frames or len(motion))


def skeleton(person, poses):
    """Local and world rotations and joints over time, and each foot's heel and toe (T, 2 feet, 2, 3)."""
    figure = load_figure()
    rest = figure.rest_joints(person.shape)
    local = rotation_matrices(np.stack([pose.rotations for pose in poses]))
    yaw = np.array([pose.yaw for pose in poses])
    root = np.stack([pose.shift for pose in poses]) + rest[0]
    world, joints = chain(figure.parents, rest, local, yaw, root)
    points = sole_points(figure, person.shape)
    feet = [figure.bone("foot.L"), figure.bone("foot.R")]
    soles = [joints[:, b, None] + np.einsum("tij,kj->tki", world[:, b], points[f]) for f, b in enumerate(feet)]
    return local, world, joints, np.stack(soles, 1)


EVERY = pytest.mark.parametrize("name, kind", [(n, k) for n in NAMES for k in ("template", "wide", "long")])


@EVERY
def test_it_starts_in_the_photos_pose_and_comes_back_to_it(name, kind):
    person, motion = body(kind), find_motion(name)
    figure = load_figure()
    poses = performed(name, kind)
    assert len(poses) == len(motion) and motion.loop
    photo = pose_vertices(figure, person.shape, person.pose)
    first, last = (pose_vertices(figure, person.shape, pose) for pose in (poses[0], poses[-1]))
    assert np.abs(first - photo).max() < 0.004
    assert np.abs(person.camera.project(last) - person.camera.project(photo)).max() < 0.6
    moved = [pose_vertices(figure, person.shape, pose) - photo for pose in poses[::8]]
    assert max(np.abs(vertices).max() for vertices in moved) > 0.05


@EVERY
def test_planted_feet_stay_where_they_are_and_nobody_sinks(name, kind):
    person, motion = body(kind), find_motion(name)
    soles = skeleton(person, performed(name, kind))[3]
    start = soles[0, :, :, 2].min(1)
    for f in range(2):
        for first, last in runs(motion.contacts[:, f]):
            sole = soles[first : last + 1, f]
            lower = sole[:-1, :, 2] + sole[1:, :, 2]
            carrying = lower.argmin(1)
            step = np.diff(sole, axis=0)[np.arange(last - first), carrying]
            slide = np.ptp(np.concatenate([np.zeros((1, 3)), np.cumsum(step, 0)]), axis=0)
            assert slide.max() < 0.015, (f, first, last)
        assert soles[:, f, :, 2].min() > start.min() - 0.02


@EVERY
def test_it_is_smooth_and_knees_bend_forward(name, kind):
    person, motion = body(kind), find_motion(name)
    local, world, joints, _ = skeleton(person, performed(name, kind))
    figure = load_figure()
    for side in "LR":
        hip, knee, ankle = (figure.bone(f"{b}.{side}") for b in ("upperleg01", "lowerleg01", "foot"))
        thigh, shin = joints[:, knee] - joints[:, hip], joints[:, ankle] - joints[:, knee]
        bend = np.einsum("tij,ti->tj", world[:, hip], np.cross(thigh, shin))[:, 0]  # about the thigh's own x
        rest = figure.rest_joints(person.shape)
        straight = np.cross(rest[knee] - rest[hip], rest[ankle] - rest[knee])[0]
        assert bend.min() > min(0.0, 0.1 * straight) - 0.012
    speed = rotation_vectors(np.swapaxes(world[:-1], -1, -2) @ world[1:]) * motion.fps
    assert np.degrees(np.linalg.norm(speed, axis=-1)).max() < 750
    change = np.degrees(np.linalg.norm(np.diff(speed, axis=0), axis=-1)) * motion.fps
    feet = [i for i, bone in enumerate(BONES) if bone.startswith("foot")]
    assert np.delete(change, feet, axis=1).max() < 6500 and change.max() < 14000
    pace = np.diff(joints[:, 0], 2, axis=0) * motion.fps**2
    assert np.abs(pace).max() < 14  # m/s2 of the root


@EVERY
def test_the_person_stays_in_the_picture_with_arms_off_the_body(name, kind):
    person, figure = body(kind), load_figure()
    poses = performed(name, kind)[::4]
    x = np.stack([person.camera.project(pose_vertices(figure, person.shape, pose))[:, 0] for pose in poses])
    low, high = min(0.0, x[0].min()), max(256.0, x[0].max())
    assert x.min() > low - 4 and x.max() < high + 4
    local = skeleton(person, poses)[0]
    for side, sign in (("L", 1), ("R", -1)):
        depth = overlap(figure, person.shape, local, side, sign)[0]
        assert (depth - depth[0]).max() < 0.035  # the margin that keep_arms_off holds is 0.03


def test_a_walk_is_made_shorter_for_a_person_near_the_edge():
    walk = find_motion("profile_walk")
    middle = template_body(256, 320)
    edge = replace(middle, camera=replace(middle.camera, cx=190.0))
    travelled = [np.ptp([pose.shift[0] for pose in perform(walk, person, 40)]) for person in (middle, edge)]
    assert travelled[1] < 0.6 * travelled[0] and travelled[0] > 0.3


def test_what_a_motion_leaves_alone_stays_as_the_photo_has_it():
    person = body("long")  # its left hand is up before the body
    poses = perform(find_motion("sway"), person, 12)
    elbow = BONES.index("lowerarm01.L")
    photo = rotation_matrices(person.pose.rotations[elbow])
    turns = [rotation_vectors(rotation_matrices(pose.rotations[elbow]).T @ photo) for pose in poses]
    assert np.degrees(np.linalg.norm(turns, axis=-1)).max() < 8


def straight_legs(poses, person):
    """The smaller bend of the two knees in degrees, at each pose."""
    joints, figure = skeleton(person, poses)[2], load_figure()
    bends = []
    for side in "LR":
        hip, knee, ankle = (joints[:, figure.bone(f"{bone}.{side}")] for bone in ("upperleg01", "lowerleg01", "foot"))
        thigh, shin = knee - hip, ankle - knee
        cosine = (thigh * shin).sum(-1) / np.linalg.norm(thigh, axis=-1) / np.linalg.norm(shin, axis=-1)
        bends.append(np.degrees(np.arccos(cosine)))
    return np.min(bends, 0)


def test_who_leans_on_something_stands_up_and_leaves_it_to_turn():
    template, figure = template_body(256, 320), load_figure()
    rotations = turned(
        root=(-5, 19, -8), spine04=(-12, 7, 4), spine02=(0, -16, 0), head=(10, -10, 0), upperleg01_L=(-10, 4, -4),
        lowerleg01_L=(27, 0, 0), foot_L=(24, 0, 0), foot_R=(34, 0, 0), upperarm01_L=(0, -65, 0),
        lowerarm01_L=(-60, 0, 0),
    )
    person = replace(template, pose=replace(template.pose, rotations=rotations))
    motion = find_motion("half_turn")
    middle = slice(round(motion.fps), -round(motion.fps))
    poses = perform(motion, person, len(motion))[middle]
    # on level hips and one pair of heels either leg is as straight as the motion's own while it carries
    own = straight_legs(perform(motion, template, len(motion))[middle], template)
    assert (straight_legs(poses, person) - own).max() < 6
    _, world, joints, _ = skeleton(person, poses)
    chest = world[:, figure.bone("spine02"), :, 2]
    assert np.degrees(np.arccos(chest[:, 2])).max() < 8
    wrist, shoulder = (joints[:, figure.bone(f"{bone}.L")] for bone in ("wrist", "upperarm01"))
    assert (shoulder - wrist)[:, 2].min() > 0.35


def test_frames_are_moments_of_one_motion():
    person, motion = body("template"), find_motion("catwalk")
    few, many = perform(motion, person, 13), perform(motion, person, 25)
    for k in range(13):
        assert np.allclose(few[k].rotations, many[2 * k].rotations) and np.allclose(few[k].shift, many[2 * k].shift)
    assert len(perform(motion, person, 1)) == 1
    with pytest.raises(BadInput):
        perform(motion, person, 0)


def test_a_drawn_motion_is_a_pose_sequence_of_the_photos_frame():
    person, motion = body("template"), find_motion("greeting")
    told = []
    sequence = draw_motion(motion, person, 4, 8.0, lambda done, total: told.append((done, total)))
    assert sequence.iuv.shape == (4, 320, 256, 3) and sequence.fps == 8.0
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    photo = draw_iuv(load_figure(), person.shape, person.pose, person.camera)
    assert (sequence.iuv[0, ..., 0] != photo[..., 0]).mean() < 0.002
    assert sequence.config["motion"] == "greeting"


def test_the_gallery_is_whole_and_small():
    motions = list_motions()
    assert len(motions) >= 9 and len({m.title for m in motions}) == len(motions)
    for motion in motions:
        assert 2.5 <= motion.seconds <= 4 and motion.about.endswith(".") and "\n" not in motion.about
        assert (motion.thumbnail.parent / f"{motion.name}.npz").stat().st_size < 60_000
        assert motion.thumbnail.stat().st_size < 150_000
        with Image.open(motion.thumbnail) as moving, Image.open(motion.poster) as still:
            assert moving.n_frames >= 24 and moving.size == still.size == (160, 200)
    with pytest.raises(BadInput, match="catwalk"):
        find_motion("../catwalk")


def test_motion_files_and_what_is_wrong_with_some(tmp_path):
    motion = find_motion("sway")
    again = Motion.load(motion.save(tmp_path))
    assert np.array_equal(again.rotations, motion.rotations) and np.array_equal(again.contacts, motion.contacts)
    assert (again.title, again.fps, again.loop) == (motion.title, motion.fps, motion.loop)
    (tmp_path / "text.npz").write_text("no")
    np.savez(tmp_path / "other.npz", rotations=motion.rotations, yaw=motion.yaw, contacts=motion.contacts,
             fps=24.0, facts=np.str_('{"name": "x"}'))
    for name in ("text.npz", "other.npz", "missing.npz"):
        with pytest.raises(BadInput) as error:
            Motion.load(tmp_path / name)
        assert str(error.value).endswith(".") and "\n" not in str(error.value)
    for wrong in ({"rotations": motion.rotations[:, :5]}, {"yaw": motion.yaw[:3]}, {"fps": 0.0},
                  {"contacts": motion.contacts.astype(float)}, {"rotations": motion.rotations * np.nan}):
        with pytest.raises(BadInput):
            replace(motion, **wrong)


def test_a_foot_in_the_air_carries_the_offset_from_plant_to_plant():
    frames = 40
    contact = np.ones(frames, bool)
    contact[15:25] = False
    ankle = np.zeros((frames, 3))
    ankle[:, 0] = np.linspace(0, 0.2, frames)  # a track that slides all the time
    sole = ankle[:, None] + np.array([[0, 0.06, -0.08], [0, -0.17, -0.08]])
    stand = Stand(np.array([0.3, 0.1, 0.0]), np.array([0.5, 0.1, 0.0]), np.zeros(2), 1.0, 0.0)
    track = ankle + plant(ankle, sole, contact, stand)
    assert np.allclose(track[:15], [0.3, 0.1, 0.0]) and np.allclose(track[25:], [0.5, 0.1, 0.0])
    assert (np.diff(track[14:26, 0]) > -1e-9).all()
