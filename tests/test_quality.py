"""The quality bench on a drawn person whose true frames and correspondences come from the figure itself."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import quality, recipes, record
from benchmarks.carrying import along_charts, beyond_outline
from benchmarks.scenes import optical_flow, rendered_scene
from dreampose_core.evaluation import metrics
from dreampose_core.finetune.finetune import FinetuneSettings
from dreampose_core.profiles import find_profile
from dreampose_core.training.mini import without_carried
from dreampose_core.weights.checkpoints import load_model
from pose_tools.body.camera import Camera
from pose_tools.body.figure import BONES, Pose, joint_positions, load_figure, pose_vertices
from pose_tools.body.raster import raster
from pose_tools.errors import BadInput
from pose_tools.people.kinds import KINDS, STEPS, UNKNOWN
from tests.dreampose_core.person import CLOTHES, HAIR, SKIN, WALL

WIDTH, HEIGHT, FRAMES = 256, 320, 4
FAST = ["photo standing still", "carried picture", "without finetune"]


def _drawn_people() -> dict[str, np.ndarray]:
    """The arrays of a traced data set: one person who turns a little and lifts an arm, in checked clothes."""
    figure = load_figure()
    shape = np.zeros(len(figure.modes))
    rest = figure.rest_vertices(shape)
    camera = Camera(160.0, WIDTH / 2, 165.0, WIDTH, HEIGHT)
    checks = 0.85 + 0.15 * np.sign(np.sin(60 * rest[:, 0]) * np.sin(60 * rest[:, 2]))
    kind_of = np.array([0, *("cloth" if i in CLOTHES and i > 6 or i < 3 else "skin" for i in range(1, 25))], object)
    kind_of[[23, 24]] = "face"
    out: dict[str, list] = {name: [] for name in ("frames", "mask", "kind", "place", "flow", "joints", "rotations")}
    yaws, before = [], None
    for step in range(FRAMES + 1):
        rotations = np.zeros((len(BONES), 3))
        rotations[BONES.index("upperarm01.L"), 1] = 0.75 - 0.12 * step
        rotations[BONES.index("upperarm01.R"), 1] = -0.75
        pose = Pose(rotations, 0.05 * step, np.zeros(3))
        points = camera.with_depth(pose_vertices(figure, shape, pose))
        hits = raster(points, figure.faces, WIDTH, HEIGHT)
        part = figure.part[hits.face]
        colour = np.array([CLOTHES.get(int(i), SKIN) for i in part], float)
        at_rest = hits.take(figure.faces, rest)
        colour[(part >= 23) & (at_rest[:, 2] > rest[:, 2].max() - 0.05)] = HAIR
        colour *= hits.take(figure.faces, checks[:, None])
        frame = np.empty((HEIGHT * WIDTH, 3))
        frame[:] = WALL
        frame[hits.pixel] = colour
        flow = np.full((HEIGHT * WIDTH, 2), UNKNOWN)
        if step > 1:
            was = hits.take(figure.faces, before)[:, :2]
            now = np.stack([hits.pixel % WIDTH, hits.pixel // WIDTH], 1) + 0.5
            flow[hits.pixel] = np.round((was - now) * STEPS)
        kind, mask = np.zeros((2, HEIGHT * WIDTH), np.uint8)
        kind[hits.pixel] = [KINDS.index(name) for name in kind_of[part]]
        mask[hits.pixel] = 255
        place = np.zeros((HEIGHT * WIDTH, 2), np.int16)
        place[hits.pixel] = np.round(at_rest[:, [0, 2]] * 1000)
        joints = camera.with_depth(joint_positions(figure, shape, pose))
        for name, value in (("frames", frame), ("mask", mask), ("kind", kind), ("place", place), ("flow", flow)):
            out[name].append(value.reshape(HEIGHT, WIDTH, *value.shape[1:]))
        out["joints"].append(joints)
        out["rotations"].append(rotations)
        yaws.append(pose.yaw)
        before = points
    arrays = {name: np.stack(values) for name, values in out.items()}
    arrays["frames"] = arrays["frames"].clip(0, 255).astype(np.uint8)
    arrays |= {"piece": (arrays["kind"] > 0).astype(np.uint8), "yaw": np.array(yaws, np.float32)}
    return arrays | {"camera": np.array([camera.scale, camera.cx, camera.cy], np.float32)}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    np.savez(folder / "subject_00000.npz", **_drawn_people())
    return folder


@pytest.fixture(scope="module")
def scene(people):
    return rendered_scene(people / "subject_00000.npz")


def test_the_truth_measures_as_perfect(scene):
    figures = quality.measure(scene.truth.frames, scene)
    assert figures["l1"] == figures["face"] == figures["colour"] == figures["pattern"] == figures["unsteady"] == 0
    assert figures["pose_px"] == 0 and figures["ssim"] == pytest.approx(1)


def test_true_correspondences_carry_a_frame_to_the_next(scene):
    truth = scene.truth
    still = np.where(np.isfinite(truth.flow), 0, np.nan)
    moved, unmoved = (np.nanmean(metrics.unsteadiness(truth.frames, flow)) for flow in (truth.flow, still))
    assert np.isnan(metrics.unsteadiness(truth.frames, truth.flow)).tolist() == [False] * (FRAMES - 1)
    assert moved < 0.5 * unmoved


def test_flicker_wrong_cloth_and_a_blurred_pattern_are_told_apart(scene):
    truth = scene.truth
    before = quality.measure(truth.frames, scene)
    unsteady = truth.frames.astype(int) + np.where(np.arange(FRAMES) % 2, 12, -12)[:, None, None, None]
    flickering = quality.measure(unsteady.clip(0, 255).astype(np.uint8), scene)
    assert flickering["unsteady"] > before["unsteady"] + 0.05 and flickering["colour"] < 0.01
    cloth = truth.texels >= 0
    assert truth.in_photo.shape == truth.cells.shape and 0.5 < truth.in_photo.mean() < 1
    red = truth.frames.copy()
    red[cloth] = red[cloth] // 2 + np.array([120, 0, 0], np.uint8)
    assert quality.measure(red, scene)["colour"] > 0.1 and quality.measure(red, scene)["face"] == 0
    colour, pattern = metrics.likeness(truth.frames * 0 + 128, truth.frames, truth.texels, truth.cells)
    assert colour > 0.05 and pattern > 0.02
    assert np.isnan(metrics.likeness(red, red, np.full(cloth.shape, -1), truth.cells)).all()


def test_a_network_is_asked_of_the_whole_and_of_the_cloth_alone(scene):
    truth = scene.truth

    def unlike(made, true):
        return np.abs(made.astype(float) - true).mean((1, 2, 3))

    dim = truth.frames // 2
    figures = quality.measure(dim, scene, unlike)
    assert figures["lpips"] == pytest.approx(unlike(dim, truth.frames)[:: quality.LPIPS_EVERY].mean())
    cloth = truth.texels[:: quality.LPIPS_EVERY] >= 0
    lost = (truth.frames - dim)[:: quality.LPIPS_EVERY].mean(-1)
    assert 0 < figures["lpips_cloth"] == pytest.approx((lost * cloth).mean())
    assert np.isnan(quality.measure(dim, scene)["lpips"])


def test_the_bound_is_the_photo_where_it_shows_the_place(scene):
    known = scene.truth.mask > 0.5
    wrong = np.abs(scene.truth.moved.astype(int) - scene.truth.frames).mean(-1)
    assert wrong[~known].max() == 0
    assert 0 < wrong[known].mean() < 6, "this person is lit evenly, so that only sampling is left"


def test_optical_flow_follows_a_shift():
    rng = np.random.default_rng(0)
    wide = np.kron(rng.integers(0, 255, (16, 20, 3)), np.ones((6, 6, 1))).astype(np.uint8)
    frames = np.stack([wide[:, 4:104], wide[:, :100]])
    flow = optical_flow(frames, np.ones(frames.shape[:3], np.float32))
    assert np.isnan(flow[0]).all()
    np.testing.assert_allclose(np.nanmedian(flow[1], (0, 1)), [-4, 0], atol=0.2)


def test_recipes_are_named_also_where_a_name_has_a_comma():
    names = ["carried picture, fine", "paper's, from and towards the carried", recipes.OURS]
    assert quality.named(",".join(names), recipes.RECIPES) == names
    assert quality.named("carried picture,nobody's, ours", recipes.RECIPES) == ["carried picture", "nobody's", " ours"]


def test_recipes_write_a_table_and_a_contact_sheet(people, tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    quality.main([str(people), "--finer", "1", "--recipes", ",".join(FAST), "--name", "fast"])
    told = json.loads((tmp_path / "fast.json").read_text())
    assert set(told["table"]) == set(FAST) and told["subjects"] == 1
    still, carried, mini = (told["each"]["subject_00000"][name] for name in FAST)
    assert carried["pose_px"] < still["pose_px"] and carried["l1_person"] < still["l1_person"]
    assert mini["unsteady"] < still["unsteady"] and mini["seconds_frame"] > carried["seconds_frame"]
    assert told["table"]["without finetune"]["psnr"]["interval"] is None  # one subject has no interval
    assert (tmp_path / "fast.jpg").stat().st_size > 5000


def test_every_recipe_makes_a_whole_clip(scene, monkeypatch):
    profile = find_profile("mini")
    base = load_model(profile.folder)
    paper = base.with_parts(unet=without_carried(base.unet), refiner=None)
    monkeypatch.setattr(recipes, "PAPER_FINETUNE", FinetuneSettings(steps=1, decoder_steps=1, crops=2, held_out=1))
    monkeypatch.setattr(recipes, "PAPER_STEPS", 2)
    maker = recipes.Maker(scene, replace(profile, finetune_steps=1, decoder_steps=1), base, paper)
    for name, recipe in recipes.RECIPES.items():
        assert (recipe.warm_up(maker) > 0) == (recipe.tuned is not None), name
        clip = recipe.make(maker)
        assert clip.shape == scene.truth.frames.shape and clip.dtype == np.uint8, name


def test_other_ways_of_carrying_know_the_body_alone(scene):
    subject, background, truth = scene.subject, scene.sheet.background, scene.truth
    still = [way(subject, background, subject.charts) for way in (along_charts, beyond_outline)]
    body = subject.charts[..., 0] > 0
    for one in still:  # in the photo's own pose the body's pixels are the photo's, but where two have the same U and V
        assert np.abs(one.picture[body].astype(int) - subject.photo[body]).mean() < 4
        assert one.visibility[body].min() == 1
    assert np.array_equal(still[0].picture[~body], background[~body])
    outside = ~body & (subject.mask > 0.9)
    told = [np.abs(one.picture[outside].astype(int) - subject.photo[outside]).mean() for one in still]
    assert told[1] < 0.5 * told[0]  # the flow beyond the outline brings hair and cloth along
    moved = along_charts(subject, background, scene.carried[-1].iuv)
    person = truth.mask[-1] > 0
    wrong = [np.abs(p.astype(int) - truth.frames[-1])[person].mean() for p in (moved.picture, subject.photo)]
    assert wrong[0] < wrong[1]


def test_kept_clips_are_taken_again(scene, tmp_path):
    profile = find_profile("mini")
    maker = recipes.Maker(scene, profile, load_model(profile.folder))
    first = quality.run(maker, ["photo standing still"], tmp_path)
    maker.scene = replace(scene, subject=replace(scene.subject, photo=scene.subject.photo * 0))
    again = quality.run(maker, ["photo standing still"], tmp_path)
    assert again[1]["photo standing still"]["seconds_frame"] == first[1]["photo standing still"]["seconds_frame"]
    assert np.array_equal(*(clips["photo standing still"] for clips, _ in (first, again)))


def test_paired_differences_are_over_the_same_subjects():
    start = {recipes.PAPER: 0.0, "carried picture": 2.0, recipes.OURS: 5.0}
    each = {
        str(i): {name: dict.fromkeys(quality.MEASURES, value + i) for name, value in start.items()} for i in range(4)
    }
    cell = quality.tabulate(each, list(start))["carried picture"]["psnr"]
    assert cell["mean"] == 3.5 and cell["over_paper"] == 2 and cell["over_ours"] == -3
    assert cell["over_paper_interval"] == 0
    assert cell["interval"] == pytest.approx(np.std(range(4), ddof=1) / 2 * 3.1824, rel=1e-3)


def test_data_without_correspondences_is_refused(people, tmp_path):
    with np.load(people / "subject_00000.npz") as data:
        np.savez(tmp_path / "subject_00000.npz", **{key: data[key] for key in data.files if key != "flow"})
    with pytest.raises(BadInput, match="--traced"):
        rendered_scene(tmp_path / "subject_00000.npz")
