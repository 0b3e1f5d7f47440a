"""A person followed through a clip: known motions come back from their landmarks and masks, and real looks work."""

import weakref
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pose_tools.body.camera import Camera
from pose_tools.body.clip_fit import over_lost_legs
from pose_tools.body.contacts import find_contacts, leg_length
from pose_tools.body.figure import joint_positions, rotation_matrices, rotation_vectors
from pose_tools.body.fit import FittedBody, facing
from pose_tools.body.moments import Moments
from pose_tools.body.motion import Motion, find_motion, perform, template_body
from pose_tools.body.raster import draw_iuv
from pose_tools.body.sides import decide
from pose_tools.body.sighting import Sighting
from pose_tools.body.smoothing import smooth_turns, smooth_values
from pose_tools.body.track import Track, track_person, track_sightings
from pose_tools.errors import BadInput
from pose_tools.estimators.lite import Lite
from pose_tools.landmarks import MIRROR
from tests.pose_tools.bodies import FIGURE, ROW, perfect_landmarks, posed

FPS, FRAMES, SIZE = 12.0, 16, (320, 256)
SHAPE = 0.6 * FIGURE.mode_sigma * np.resize([1, -1, 0.5], len(FIGURE.mode_names))
EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples"


@cache
def clip():
    """Poses, cameras and sightings of somebody who turns to the back while an arm rises, and comes nearer."""
    poses, cameras, sightings = [], [], []
    for t in np.linspace(0, 1, FRAMES):
        pose = posed(2.6 * t, upperarm01_L=[0, 0.4 - 1.2 * t, 0], lowerarm01_R=[-0.8 * t, 0, 0])
        camera = Camera(140 + 12 * t, 110 + 25 * t, 140.0, SIZE[1], SIZE[0])
        poses.append(pose)
        cameras.append(camera)
        sightings.append(Sighting.of([perfect_landmarks(SHAPE, pose, camera)]))
    return poses, cameras, sightings


def turned_about(sighting: Sighting) -> Sighting:
    """The sighting as a finder gives it that takes a back for a front."""
    world = sighting.world[:, MIRROR] * [1, 1, -1]
    return replace(sighting, points=sighting.points[:, MIRROR], world=world.astype(np.float32))


def legs_exchanged(sighting: Sighting) -> Sighting:
    order = np.where(np.arange(33) >= 25, MIRROR, np.arange(33))
    return replace(sighting, points=sighting.points[:, order], world=sighting.world[:, order])


def distances(track: Track) -> np.ndarray:
    """Pixels (T, B) between the joints of a track and the true ones."""
    poses, cameras, _ = clip()
    return np.stack([
        np.linalg.norm(track.cameras[k].project(joint_positions(FIGURE, track.shape, track.poses[k]))
                       - cameras[k].project(joint_positions(FIGURE, SHAPE, poses[k])), axis=1)
        for k in range(FRAMES)
    ])


def facing_errors(track: Track) -> np.ndarray:
    off = np.array([facing(a) - facing(b) for a, b in zip(track.poses, clip()[0], strict=True)])
    return np.abs((off + np.pi) % (2 * np.pi) - np.pi)


@cache
def followed() -> Track:
    return track_sightings(clip()[2], FPS, SIZE)


def test_a_known_motion_comes_back():
    track = followed()
    away = distances(track)
    assert away.mean() < 3 and away.max() < 12, away.max(1).round(1)
    assert facing_errors(track).max() < 0.4
    assert track.seen.all() and track.confidence.min() > 0.5 and len(track) == FRAMES
    assert (track.cameras[0].width, track.cameras[0].height) == (256, 320)
    for k in (0, 8, 15):
        truth, drawn = draw_iuv(FIGURE, SHAPE, clip()[0][k], clip()[1][k]), track.charts(k)
        assert drawn.shape == truth.shape and drawn.dtype == np.uint8
        both = (truth[..., 0] > 0) & (drawn[..., 0] > 0)
        assert both.sum() > 0.88 * ((truth[..., 0] > 0) | (drawn[..., 0] > 0)).sum()
        assert (truth[..., 0] == drawn[..., 0])[both].mean() > 0.75


def test_trembling_landmarks_do_not_shake_the_body():
    rng = np.random.default_rng(0)
    shaken = [replace(each, points=(each.points + rng.normal(scale=1.5, size=each.points.shape)).astype(np.float32),
                      world=(each.world + rng.normal(scale=0.02, size=each.world.shape)).astype(np.float32))
              for each in clip()[2]]
    track = track_sightings(shaken, FPS, SIZE)
    poses, cameras, _ = clip()
    off = np.stack([track.cameras[k].project(joint_positions(FIGURE, track.shape, track.poses[k]))
                    - cameras[k].project(joint_positions(FIGURE, SHAPE, poses[k])) for k in range(FRAMES)])
    # each frame by itself, and then smoothed, trembles by 0.62 px here
    assert np.linalg.norm(np.diff(off, 2, axis=0), axis=-1).mean() < 0.45
    assert np.linalg.norm(off, axis=-1).mean() < 1


def test_a_gap_is_filled_and_marked():
    gap = slice(6, 10)
    sightings = list(clip()[2])
    sightings[gap] = [None] * 4
    sightings[-1] = None
    told = []
    track = track_sightings(sightings, FPS, SIZE, lambda done, total: told.append((done, total)))
    assert not track.seen[gap].any() and not track.seen[-1] and track.seen.sum() == FRAMES - 5
    assert (track.confidence[~track.seen] == 0).all() and (track.confidence[track.seen] > 0.4).all()
    assert distances(track)[gap].mean() < 5 and facing_errors(track)[gap].max() < 0.5
    assert np.array_equal(track.poses[-1].rotations, track.poses[-2].rotations)
    assert told[-1] == (FRAMES, FRAMES) and told == sorted(told)
    part = track.part(np.flatnonzero(track.seen))
    assert len(part) == FRAMES - 5 and part.seen.all() and np.array_equal(part.charts(6), track.charts(10))


def test_frames_that_are_found_the_wrong_way_round_do_not_turn_the_person():
    sightings = list(clip()[2])
    for k in (2, 5, 13):
        sightings[k] = turned_about(sightings[k])
    for k in (3, 11):
        sightings[k] = legs_exchanged(sightings[k])
    for read, sighting in zip(decide(sightings, FPS), clip()[2], strict=True):
        np.testing.assert_allclose(read.points, sighting.points[0], atol=1e-3)
        np.testing.assert_allclose(read.world, sighting.world[0], atol=1e-5)


def test_legs_that_are_lost_for_a_moment_are_not_exchanged():
    poses, cameras, sightings = clip()
    poses = [replace(pose, rotations=pose.rotations.copy()) for pose in poses]
    thighs = [ROW["upperleg01.L"], ROW["upperleg01.R"]]
    for k, pose in enumerate(poses):
        pose.rotations[thighs] = [[-0.4 - 0.02 * k, 0, 0], [0.3, 0, 0]]
    truth = rotation_matrices(np.stack([pose.rotations for pose in poses]))
    found, landmarks = truth.copy(), decide(list(sightings), FPS)
    lost, late = range(5, 9), range(13, FRAMES)
    for k in (*lost, *late):
        found[k, thighs] = truth[k, thighs[::-1]]
        visibility = landmarks[k].visibility.copy()
        visibility[25:] = 0.1
        landmarks[k] = replace(landmarks[k], visibility=visibility)
    camera = np.array([[np.log(c.scale), c.cx, c.cy] for c in cameras])
    moments = Moments(found, np.array([pose.yaw for pose in poses]), camera, np.ones(FRAMES))
    bridged = over_lost_legs(moments, landmarks, FIGURE, FPS)
    np.testing.assert_allclose(bridged.turns[:13], truth[:13], atol=1e-4)
    np.testing.assert_array_equal(bridged.turns[13:], found[13:])  # nothing is known of what comes then
    for_long = [replace(each, visibility=each.visibility * 0) if 0 < k < 15 else each
                for k, each in enumerate(landmarks)]
    np.testing.assert_array_equal(over_lost_legs(moments, for_long, FIGURE, FPS).turns, found)


def test_a_turn_to_the_back_is_no_mistake():
    for read, sighting in zip(decide(list(clip()[2]), FPS), clip()[2], strict=True):
        np.testing.assert_array_equal(read.points, sighting.points[0])


def test_nobody_found():
    blank = np.full((160, 120, 3), 210, np.uint8)
    for frames in ([], [blank] * 3):
        with pytest.raises(BadInput) as error:
            track_person(iter(frames), FPS)
        assert str(error.value).endswith(".") and "\n" not in str(error.value)
    assert Lite().find([blank]) == [[]]


def photo(name: str) -> np.ndarray:
    with Image.open(EXAMPLES / f"{name}.jpg") as picture:
        picture = picture.convert("RGB")
        return np.asarray(picture.resize((round(picture.width * 400 / picture.height), 400)))


def test_frames_are_taken_one_by_one_and_let_go():
    picture, alive, most = photo("jeans"), [], []

    def frames():
        for shift in range(4):
            frame = np.roll(picture, shift, axis=1)
            alive.append(weakref.ref(frame))
            yield frame
            del frame
            most.append(sum(each() is not None for each in alive))

    track = track_person(frames(), FPS)
    assert len(track) == 4 and track.seen.all()
    assert max(most) <= 1
    found = Lite().find([picture])[0][0]
    both = (found.iuv[..., 0] > 0) & (track.charts(0)[..., 0] > 0)
    assert both.sum() > 0.8 * (found.iuv[..., 0] > 0).sum() and 0.5 < found.confidence <= 1
    assert found.box[2] > found.box[0] and found.box[3] > found.box[1]


def test_a_sighting_is_small():
    landmarks = perfect_landmarks(SHAPE, posed(), Camera(800.0, 700.0, 800.0, 1400, 1800))
    sighting = Sighting.of([landmarks, landmarks])
    arrays = (value for value in vars(sighting).values() if isinstance(value, np.ndarray))
    assert sum(value.nbytes for value in arrays) < 20_000
    whole = landmarks.mask.sum() * sighting.factor**2
    assert abs(sighting.mask.sum() / whole - 1) < 0.03


@pytest.mark.parametrize("x, half", [(0.25, 0), (0.75, 1)])
def test_the_picked_one_of_two_people_is_followed(x, half):
    one, other = photo("blue_dress"), photo("jeans")
    width = min(one.shape[1], other.shape[1])
    frame = np.concatenate([one[:, :width], other[:, :width]], 1)
    track = track_person(iter([frame] * 2), FPS, picked=(x, 0.5))
    assert track.seen.all()
    for k in range(2):
        columns = np.nonzero(track.charts(k)[..., 0])[1]
        assert half * width < np.median(columns) < (half + 1) * width


def walker(frames: int = 24):
    """A track of somebody who stands, lifts the left foot, and shifts to the picture's right meanwhile."""
    poses, cameras = [], []
    for t in np.linspace(0, 1, frames):
        lift = max(0.0, np.sin((t - 0.3) * np.pi / 0.4)) if 0.3 < t < 0.7 else 0.0
        pose = posed(0.3, upperleg01_L=[-0.9 * lift, 0, 0], lowerleg01_L=[1.2 * lift, 0, 0],
                     upperarm01_R=[-1.0 * t, -0.4, 0], head=[0, 0, 0.6 * t])
        poses.append(pose)
        cameras.append(Camera(150.0, 100.0, 150.0, 256, 320))
    return Track(np.zeros(len(FIGURE.modes)), poses, cameras, np.ones(frames, bool), np.ones(frames), 12.0)


def test_feet_that_stand_are_told_from_those_that_step():
    motion = walker().motion("step", "Step", "A step.")
    assert not motion.loop and motion.tracked and motion.path.shape == (24, 2)
    assert motion.contacts[:, 1].all()
    assert motion.contacts[:6, 0].all() and motion.contacts[-6:, 0].all() and not motion.contacts[11:13, 0].any()
    assert np.abs(motion.path[:, 1]).max() < 1e-6


def test_a_single_frame_is_no_motion():
    with pytest.raises(BadInput, match="single frame"):
        followed().part([3]).motion("still", "Still", "A still.")


def test_a_jump_leaves_the_ground():
    frames, track = 24, walker()
    high = np.sin(np.clip((np.arange(frames) - 8) / 6, 0, 1) * np.pi) * 0.3
    cameras = [replace(camera, cy=camera.cy - 150 * h) for camera, h in zip(track.cameras, high, strict=True)]
    still = [posed()] * frames
    camera = np.array([[np.log(150), c.cx, c.cy] for c in cameras])
    turns = rotation_matrices(np.stack([pose.rotations for pose in still]))
    contacts, lift = find_contacts(FIGURE, track.shape, turns, np.zeros(frames), camera, 12.0)
    assert not contacts[10:13].any() and contacts[:6].all() and contacts[-6:].all()
    assert abs(lift.max() - 0.3) < 0.06


def test_a_tracked_motion_is_followed_to_the_letter_on_another_body():
    track = walker()
    wandering = [replace(camera, cx=camera.cx + 1.5 * k) for k, camera in enumerate(track.cameras)]
    motion = replace(track, cameras=wandering).motion("step", "Step", "A step.")
    person = template_body(256, 320)
    person = FittedBody(0.5 * FIGURE.mode_sigma, replace(person.pose, yaw=-0.4), person.camera, 1.0, 0.0)
    poses = perform(motion, person, len(motion))
    assert np.abs(joint_positions(FIGURE, person.shape, poses[0])
                  - joint_positions(FIGURE, person.shape, person.pose)).max() < 0.01
    arms = [ROW[name] for name in ("upperarm01.R", "lowerarm01.R", "spine02", "head", "upperarm01.L")]
    for k in range(9, len(motion)):
        between = rotation_matrices(poses[k].rotations[arms]).swapaxes(-1, -2) @ rotation_matrices(
            motion.rotations[k][arms])
        assert np.degrees(np.linalg.norm(rotation_vectors(between), axis=-1)).max() < 6
        assert abs(poses[k].yaw - motion.yaw[k]) < 1e-6
    went = (poses[-1].shift[0] - poses[9].shift[0]) / leg_length(person.shape)
    assert 0.4 * (motion.path[-1, 0] - motion.path[9, 0]) < went <= 1.02 * (motion.path[-1, 0] - motion.path[9, 0])
    columns = [np.nonzero(draw_iuv(FIGURE, person.shape, pose, person.camera)[..., 0])[1] for pose in poses[::6]]
    assert min(c.min() for c in columns) >= 1 and max(c.max() for c in columns) <= 254


def test_a_tracked_motion_is_a_file_and_old_files_have_no_path(tmp_path):
    motion = walker().motion("step", "Step", "A step.")
    again = Motion.load(motion.save(tmp_path))
    assert again.tracked and np.array_equal(again.path, motion.path)
    assert np.array_equal(again.contacts, motion.contacts) and again.fps == 12.0
    assert not find_motion("sway").tracked
    for wrong in (motion.path[:5], motion.path * np.nan, motion.path.astype(int)):
        with pytest.raises(BadInput):
            replace(motion, path=wrong)


def test_trembling_goes_and_fast_limbs_stay():
    rng = np.random.default_rng(0)
    time = np.arange(60) / 24
    angle = np.where(time < 1.2, 0.0, 1.2 * np.sin(2 * np.pi * 1.5 * (time - 1.2)))  # still, then a fast swing
    noisy = angle + rng.normal(scale=0.03, size=60)
    noisy[10] += 0.9  # a spike
    vectors = np.zeros((60, 1, 3))
    vectors[:, 0, 1] = noisy
    smooth = rotation_vectors(smooth_turns(rotation_matrices(vectors), np.ones(60), 24.0, 0.06))[:, 0, 1]
    assert np.abs(np.diff(smooth[:25])).mean() < 0.4 * np.abs(np.diff((noisy - [0.9 * (k == 10) for k in range(60)])
                                                                      [:25])).mean()
    assert np.ptp(smooth[35:]) > 0.9 * np.ptp(angle[35:])
    assert np.abs(smooth - angle).max() < 0.3
    values = smooth_values(noisy[:, None], np.ones(60), 24.0, 0.06)[:, 0]
    assert np.abs(values - angle).max() < 0.3


