"""Rendered people: exact charts, masks and joints, clothes that enclose the legs, files that resume."""

import json

import numpy as np
import pytest

pytest.importorskip("anny", reason="anny draws the rendered people; it is an authors' extra")
pytest.importorskip("warp", reason="warp casts the rendered people's rays; it is an authors' extra")

from pose_tools.body.figure import Pose, bone_transforms, load_figure  # noqa: E402
from pose_tools.people import dataset, stances  # noqa: E402
from pose_tools.people.__main__ import main  # noqa: E402
from pose_tools.people.anatomy import BONES, PARENTS, load_anatomy  # noqa: E402
from pose_tools.people.cloth import Skirt  # noqa: E402
from pose_tools.people.kinds import KINDS, STEPS, UNKNOWN  # noqa: E402
from pose_tools.people.patterns import random_fabric, smooth_noise  # noqa: E402
from pose_tools.people.person import make_person  # noqa: E402

SIZE = (96, 120)


@pytest.fixture(scope="module")
def subject():
    return dataset.render_subject(53, 5, *SIZE)


def find(wanted) -> "object":
    """The first person whose notes satisfy ``wanted``."""
    for seed in range(10, 80):
        person = make_person(seed)
        if wanted(person.notes):
            return person
    raise AssertionError("no such person in 70 seeds")


def test_bones_faces_and_order_are_the_figures():
    figure, anatomy = load_figure(), load_anatomy()
    assert tuple(figure.bone_names) == BONES
    assert tuple(figure.parents) == PARENTS
    np.testing.assert_array_equal(figure.faces, anatomy.faces)


def test_pose_convention_is_the_figures():
    figure = load_figure()
    rng = np.random.default_rng(0)
    turn = rng.normal(0, 0.3, (19, 3)).astype(np.float32)
    shape = np.zeros(len(figure.modes), np.float32)
    ours = stances.bone_transforms(figure.joints, turn, 0.7, (0.1, 0.2, 0.3))
    theirs = bone_transforms(figure, shape, Pose(turn, 0.7, np.array([0.1, 0.2, 0.3])))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_arrays(subject):
    width, height = SIZE
    assert subject["frames"].shape == (5, height, width, 3) and subject["frames"].dtype == np.uint8
    assert subject["mask"].shape == (5, height, width) and subject["mask"].dtype == np.uint8
    assert subject["iuv"].shape == (5, height, width, 3) and subject["iuv"].dtype == np.uint8
    assert subject["joints"].shape == (5, 19, 3) and subject["joints"].dtype == np.float32
    assert subject["rotations"].shape == (5, 19, 3) and subject["yaw"].shape == (5,)
    assert subject["background"].shape == (height, width, 3)
    assert subject["camera"].shape == (3,)
    assert str(subject["motions"][0]).startswith("photo: ")
    assert json.loads(str(subject["person"]))["seed"] == 53


def test_the_photo_shows_the_whole_person_frontally(subject):
    width, height = SIZE
    rows = np.flatnonzero((subject["mask"][0] > 128).any(1))
    assert 0.8 < (rows[-1] - rows[0] + 1) / height < 0.95
    assert rows[0] > 0 and rows[-1] < height - 1
    assert abs(subject["yaw"][0]) <= np.deg2rad(25) + 1e-6


def test_charts_lie_inside_the_person_and_hold_all_parts(subject):
    for mask, iuv in zip(subject["mask"], subject["iuv"], strict=True):
        charts = iuv[..., 0] > 0
        assert iuv[..., 0].max() <= 24
        assert (mask[charts] > 100).mean() > 0.97
    front = np.unique(subject["iuv"][0][..., 0])
    assert {2, 23, 24} <= set(front.tolist())


def test_the_background_stays(subject):
    away = subject["mask"].max(0) == 0
    away[-SIZE[1] // 5 :] = False  # the shadow moves with the feet
    for frame in subject["frames"]:
        difference = np.abs(frame[away].astype(int) - subject["background"][away])
        assert difference.max() <= 2


def test_frames_move_and_the_seed_decides(subject):
    again = dataset.render_subject(53, 5, *SIZE)
    np.testing.assert_array_equal(again["frames"], subject["frames"])
    assert (subject["mask"][1:] != subject["mask"][:1]).any((1, 2)).all()
    other = dataset.render_subject(54, 1, *SIZE)
    assert (other["frames"][0] != subject["frames"][0]).any()


def test_joints_lie_on_the_charts(subject):
    """Neck and hips project into the body's charts."""
    for joints, iuv in zip(subject["joints"], subject["iuv"], strict=True):
        for bone in ("neck01", "root", "spine02"):
            x, y, _ = joints[BONES.index(bone)]
            assert iuv[int(y), int(x), 0] > 0


def test_skirts_enclose_the_striding_legs():
    person = find(lambda notes: notes.get("skirt", {}).get("length", 0) > 0.6)
    skirt = next(drape for _, _, drape in person.drapes if isinstance(drape, Skirt))
    first, count, _ = next(d for d in person.drapes if d[2] is skirt)
    rng = np.random.default_rng(0)
    _, photo = stances.photo_stance(rng)
    for stance in stances.motion("walk", photo, rng, np.array([0.0, 0.25, 0.6])):
        body, points, _, _ = person.pose(person.rotations(stance), np.deg2rad(stance["yaw"]))
        grid = points[first : first + count].reshape(skirt.rows, skirt.columns + 1, 3)
        for row in grid[3:-2:4]:
            middle = row[:-1, :2].mean(0)
            legs = body[skirt.picks]
            legs = legs[np.abs(legs[:, 2] - row[0, 2]) < 0.01, :2] - middle
            ring = row[:, :2] - middle
            angle = np.arctan2(ring[:-1, 1], ring[:-1, 0])
            order = np.argsort(angle)
            radius = np.interp(
                np.arctan2(legs[:, 1], legs[:, 0]),
                angle[order],
                np.linalg.norm(ring[:-1], axis=1)[order],
                period=2 * np.pi,
            )
            assert (np.linalg.norm(legs, axis=1) < radius + 0.002).all()


def test_soles_stand_on_the_floor():
    person = make_person(53)
    rng = np.random.default_rng(1)
    _, photo = stances.photo_stance(rng)
    for stance in stances.motion("walk", photo, rng, np.linspace(0, 1, 4)):
        _, points, _, _ = person.pose(person.rotations(stance), 0.0)
        assert abs(points[person.soles, 2].min()) < 1e-4


def test_motions_are_smooth():
    rng = np.random.default_rng(2)
    _, photo = stances.photo_stance(rng)
    heads = load_anatomy().heads
    for name in stances.MOTIONS:
        frames = stances.motion(name, photo, rng, np.arange(25) / 24)
        joints = []
        for stance in frames:
            moves = stances.bone_transforms(
                heads, stances.rotations(stance, heads), np.deg2rad(stance["yaw"])
            )
            joints.append(np.einsum("bij,bj->bi", moves[:, :, :3], heads) + moves[:, :, 3])
        step = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max()
        assert step < 0.35, name


def test_patterns_repeat_without_a_seam():
    for seed in range(12):
        fabric = random_fabric(np.random.default_rng(seed), patterned=1.0)
        u = np.full((1, 1), 0.37 * fabric.size, np.float32)
        assert np.abs(fabric.sample(u, u) - fabric.sample(u + fabric.size, u - fabric.size)).max() < 0.02
    noise = smooth_noise(np.random.default_rng(0), (60, 80), 12, 2)
    assert noise.shape == (60, 80) and abs(noise.std() - 1) < 1e-3


def test_command_writes_and_resumes(tmp_path):
    arguments = ["--out", str(tmp_path), "--subjects", "2", "--frames", "2", "--seed", "53"]
    arguments += ["--width", "48", "--height", "60"]
    assert main(arguments) == 0
    first = tmp_path / "subject_00000.npz"
    before = first.stat().st_mtime_ns
    (tmp_path / "subject_00001.npz").unlink()
    assert main(arguments) == 0
    assert first.stat().st_mtime_ns == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["subject_00000.npz", "subject_00001.npz"]


def test_sequences_are_consecutive():
    stances_planned = dataset.plan(np.random.default_rng(0), 25, 12)
    names = [name for name, _ in stances_planned]
    assert names[0].startswith("photo: ") and len(set(names[1:13])) == 1 and len(set(names[13:])) == 1
    assert names[1] != names[13]


def test_traced_frames_say_where_each_point_was_before():
    arrays = dataset.render_subject(53, 5, *SIZE, sequence=4, traced=True)
    assert all(arrays[name].shape[:3] == (5, SIZE[1], SIZE[0]) for name in ("kind", "piece", "place", "flow"))
    assert set(np.unique(arrays["kind"])) <= set(range(len(KINDS))) and KINDS.index("face") in arrays["kind"]
    assert (arrays["flow"][:2] == UNKNOWN).all()  # neither the photo nor a motion's first frame follows another
    flow = arrays["flow"][2:]
    known = (flow != UNKNOWN).all(-1)
    on_person = arrays["kind"][2:] > 0
    assert (known <= on_person).all() and known.sum() > 0.8 * on_person.sum()
    # the same piece of the same cloth lies where the flow points
    t, y, x = np.nonzero(known & (arrays["kind"][2:] == KINDS.index("cloth")))
    moved = flow[t, y, x] / STEPS
    was = np.floor(np.stack([x, y], -1) + 0.5 + moved).astype(int)
    before = arrays["place"][t + 1, was[:, 1], was[:, 0]].astype(float)
    apart = np.linalg.norm(arrays["place"][t + 2, y, x] - before, axis=-1)
    assert np.median(apart) < 15  # millimetres, at 16 a pixel
