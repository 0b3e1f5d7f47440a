"""What drives a clip: motions, charts that a body can be laid on, and charts that drive alone."""

from dataclasses import replace

import numpy as np
import pytest

from dreampose_core.drive import CHARTS_ALONE, WARNINGS, clip_length, load_drive, make_poses
from dreampose_core.subject import Subject
from pose_tools.align import ALIGNED, HALF_MOTION, align, apply
from pose_tools.body.figure import BONES, bone_transforms, load_figure, rotation_vectors
from pose_tools.body.fit import facing
from pose_tools.body.motion import Motion, find_motion, perform, template_body
from pose_tools.body.raster import draw_iuv
from pose_tools.draw import colour_iuv
from pose_tools.errors import BadInput
from pose_tools.sequence import PoseSequence

WIDTH, HEIGHT, FRAMES, FPS = 128, 160, 10, 6.0
FIGURE = load_figure()
TRUNK_AND_LIMBS = [i for i, name in enumerate(BONES) if name.split(".")[0] not in ("wrist", "foot", "head", "clavicle")]


@pytest.fixture(scope="module")
def subject() -> Subject:
    body = template_body(WIDTH, HEIGHT)
    charts = draw_iuv(FIGURE, body.shape, body.pose, body.camera)
    return Subject(colour_iuv(charts), (charts[..., 0] > 0).astype(np.float32), body, charts)


@pytest.fixture(scope="module")
def danced():
    """Poses of another person in a wider picture, and their charts."""
    shape = 0.6 * FIGURE.mode_sigma * np.resize([1, -1, 0.5], len(FIGURE.modes))
    body = replace(template_body(240, 190), shape=shape)
    poses = perform(find_motion("half_turn"), body, FRAMES)
    charts = PoseSequence(np.stack([draw_iuv(FIGURE, shape, pose, body.camera) for pose in poses]), FPS, {"from": "me"})
    return shape, poses, charts


@pytest.fixture(scope="module")
def driven(subject, danced):
    return make_poses(danced[2], subject, FRAMES, FPS)


def test_charts_become_poses_of_the_subject(subject, danced, driven):
    shape, poses, _ = danced
    charts, own = driven
    assert (len(charts), charts.width, charts.height, charts.fps) == (FRAMES, WIDTH, HEIGHT, FPS)
    assert len(own) == FRAMES and charts.config[WARNINGS] == [] and charts.config["from"] == "me"
    for i in (0, 4, 9):
        np.testing.assert_array_equal(charts.iuv[i], draw_iuv(FIGURE, subject.body.shape, own[i], subject.body.camera))
    for i in range(FRAMES):
        turn = facing(own[i]) - facing(poses[i])
        assert abs((turn + np.pi) % (2 * np.pi) - np.pi) < 0.45, i
    # once the photo's own pose is left, the limbs do what the charts show
    for i in range(4, FRAMES):
        mine, theirs = (bone_transforms(FIGURE, s, p)[TRUNK_AND_LIMBS, :, :3]
                        for s, p in ((subject.body.shape, own[i]), (shape, poses[i])))
        away = np.degrees(np.linalg.norm(rotation_vectors(np.swapaxes(mine, 1, 2) @ theirs), axis=1))
        assert away.mean() < 16, (i, away.round())


def test_a_resumed_clip_is_the_same(subject, danced):
    short = replace(danced[2], iuv=danced[2].iuv[:3])
    first, again = (make_poses(short, subject, 3, FPS) for _ in range(2))
    assert first[0].iuv.tobytes() == again[0].iuv.tobytes() and first[0].config == again[0].config
    np.testing.assert_array_equal(first[1][2].rotations, again[1][2].rotations)


def test_a_short_gap_is_filled(subject, danced):
    iuv = danced[2].iuv[2:6].copy()
    iuv[1] = 0
    charts, own = make_poses(replace(danced[2], iuv=iuv), subject, 4, FPS)
    assert len(own) == 4 and all(frame.any() for frame in charts.iuv)


def test_parts_without_u_and_v_drive_alone(subject, danced):
    flat = danced[2].iuv.copy()
    flat[..., 1:] = np.where(flat[..., :1] > 0, 128, 0)
    charts, own = make_poses(replace(danced[2], iuv=flat), subject, FRAMES, FPS)
    assert own is None and CHARTS_ALONE in charts.config[WARNINGS]
    assert charts.iuv.shape == (FRAMES, HEIGHT, WIDTH, 3)
    mine, photo = charts.iuv[0, ..., 0] > 0, subject.charts[..., 0] > 0
    assert (mine & photo).sum() / (mine | photo).sum() > 0.7, "they stand on the photo's person"


def test_one_frame_drives_alone(subject, danced):
    charts, own = make_poses(danced[2], subject, 1, FPS)
    assert own is None and len(charts) == 1


def test_an_alignment_that_no_hand_touched_changes_nothing(subject, danced):
    short = replace(danced[2], iuv=danced[2].iuv[:2])
    _, own = make_poses(short, subject, 2, FPS, align(short, subject.charts))
    assert own is not None


def test_charts_placed_by_hand_stay_where_they_are(subject, danced):
    moved = align(danced[2], subject.charts).adjusted(scale=0.8, dx=0.1)
    charts, own = make_poses(danced[2], subject, FRAMES, FPS, moved)
    assert own is None
    placed = apply(danced[2], moved, WIDTH, HEIGHT)
    np.testing.assert_array_equal(charts.iuv, placed.iuv)
    again, own = make_poses(placed, subject, FRAMES, FPS)
    assert own is None and again.config[ALIGNED]["by_hand"]
    np.testing.assert_array_equal(again.iuv, placed.iuv)


def test_half_a_body_moves_the_whole_one(subject, danced):
    """Legs that the charts do not show stay under a body that moves above them."""
    iuv = danced[2].iuv[:4].copy()
    iuv[:, 118:] = 0
    bust = replace(danced[2], iuv=iuv)
    assert HALF_MOTION in align(bust, subject.charts).warnings
    charts, own = make_poses(bust, subject, 4, FPS)
    assert own is not None
    assert all(np.isin(frame[..., 0], (5, 6)).any() for frame in charts.iuv)


def test_nobody_in_the_charts(subject):
    with pytest.raises(BadInput, match="no person in any frame"):
        make_poses(PoseSequence(np.zeros((3, 40, 30, 3), np.uint8), FPS), subject, 3, FPS)


def test_a_motion_drives_the_body(subject):
    motion = find_motion("sway")
    charts, own = make_poses(motion, subject, 3, FPS)
    np.testing.assert_array_equal(own[2].rotations, perform(motion, subject.body, 3)[2].rotations)
    assert charts.config["motion"] == "sway" and len(charts) == 3


def test_what_a_file_holds(tmp_path, danced):
    danced[2].save(tmp_path / "charts.npz")
    loaded = load_drive("anything", tmp_path / "charts.npz")
    assert isinstance(loaded, PoseSequence) and clip_length(loaded, 500, 12.0) == 20
    assert clip_length(loaded, 5, 12.0) == 5
    moved = load_drive("anything", find_motion("sway").save(tmp_path))
    assert isinstance(moved, Motion) and clip_length(moved, 500, 12.0) == 500
    assert load_drive("sway", None).name == "sway"
    (tmp_path / "text.npz").write_text("no poses")
    with pytest.raises(BadInput, match="not a readable"):
        load_drive("anything", tmp_path / "text.npz")
