"""The pipeline with real classes at a tiny size: conditions, guidance, batches, files."""

import numpy as np
import pytest
import torch

from dreampose_core.encoding import clip_pixels, fast_math
from dreampose_core.guidance import FULL, NONE, PHOTO, Guidance, combine, guidance_weights
from dreampose_core.modeling import norm_by_rows
from dreampose_core.pipeline import DreamPosePipeline, drop_conditions
from dreampose_core.progress import Cancelled
from dreampose_core.schedulers import SCHEDULERS
from pose_tools.errors import BadInput
from tests.dreampose_core.tiny import HEIGHT, WIDTH, tiny_carried, tiny_photo, tiny_pipeline, tiny_poses

OPTIONS = {"num_inference_steps": 3, "s1": 2.0, "s2": 1.5, "seed": 7}


@pytest.fixture(scope="module")
def pipeline():
    return tiny_pipeline()


@pytest.fixture(scope="module")
def clip(pipeline):
    return pipeline(tiny_photo(), tiny_poses(), tiny_carried(), **OPTIONS)


def test_a_clip_has_a_frame_for_every_pose(clip):
    assert clip.shape == (5, HEIGHT, WIDTH, 3) and clip.dtype == np.uint8
    assert clip.std() > 1
    assert (clip[0] != clip[1]).any()


@pytest.fixture
def two_threads():
    """Which share the sums of a batch."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_row_is_normalised_alike_in_every_batch(two_threads, precision):
    norm = torch.nn.GroupNorm(4, 8).requires_grad_(False)
    torch.nn.init.normal_(norm.weight)
    planes = torch.randn(5, 8, 40, 32).to(precision).to(memory_format=torch.channels_last)
    expected = norm(planes.float())
    norm_by_rows(torch.nn.Sequential(norm))
    with torch.no_grad():
        whole = norm(planes)
        assert whole.dtype == precision and whole.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(whole.float(), expected, rtol=1e-2, atol=1e-2)
        for size in (1, 2, 3):
            assert torch.equal(torch.cat([norm(part) for part in planes.split(size)]), whole)


@pytest.mark.parametrize("shared_noise", [True, False])
def test_the_same_frames_whatever_the_batch_size(pipeline, shared_noise):
    model = tiny_pipeline(shared_noise=shared_noise)
    clips = [
        model(tiny_photo(), tiny_poses(), tiny_carried(), batch_size=size, **OPTIONS).astype(int)
        for size in (1, 2, 5)
    ]
    assert np.abs(clips[0] - clips[1]).max() <= 1
    assert np.abs(clips[0] - clips[2]).max() <= 1


def test_frames_can_be_made_from_the_middle_on(pipeline, clip):
    made = dict(pipeline.frames(tiny_photo(), tiny_poses(), tiny_carried(), only=[3, 4], **OPTIONS))
    assert sorted(made) == [3, 4]
    assert (made[3] == clip[3]).all() and (made[4] == clip[4]).all()


def test_seed_photo_pose_and_carried_all_count(pipeline, clip):
    rest = OPTIONS | {"seed": 8}
    assert (pipeline(tiny_photo(), tiny_poses(), tiny_carried(), **rest) != clip).any()
    assert (pipeline(tiny_photo(1), tiny_poses(), tiny_carried(), **OPTIONS) != clip).any()
    assert (pipeline(tiny_photo(), tiny_poses(), None, **OPTIONS) != clip).any()
    moved = tiny_poses()
    moved.iuv[2] = np.roll(moved.iuv[2], 5, axis=1)
    changed = pipeline(tiny_photo(), moved, tiny_carried(), **OPTIONS)
    assert (changed != clip).any(axis=(1, 2, 3)).all()  # the third pose is one of the five around every frame


def test_weights_are_the_papers_rule():
    parts = {name: torch.randn(2, 4, 3, 3, dtype=torch.float64) for name in (NONE, PHOTO, FULL)}
    for s1, s2 in ((8.0, 3.0), (1.0, 1.5), (2.0, 2.0), (1.0, 1.0), (3.0, 0.0), (0.0, 0.0)):
        rule = parts[NONE] + s1 * (parts[PHOTO] - parts[NONE]) + s2 * (parts[FULL] - parts[PHOTO])
        torch.testing.assert_close(combine(parts, guidance_weights(s1, s2)), rule)
    assert set(guidance_weights(1, 1)) == {FULL}
    assert set(guidance_weights(1, 1.5)) == {PHOTO, FULL}
    assert set(guidance_weights(2, 2)) == {NONE, FULL}


def test_needless_conditions_are_not_computed_and_nothing_changes(pipeline):
    calls = []
    hook = pipeline.unet.register_forward_pre_hook(lambda _, inputs: calls.append(len(inputs[0])))
    poses, carried = tiny_poses(1), tiny_carried(1)
    try:
        alone = pipeline(tiny_photo(), poses, carried, num_inference_steps=2)
        assert calls == [1, 1]
        pipeline(tiny_photo(), poses, carried, num_inference_steps=2, s1=1, s2=1.5)
        assert calls[2:] == [2, 2]
        all_three = pipeline(tiny_photo(), poses, carried, num_inference_steps=2, s1=1 + 1e-9, s2=1 - 1e-9)
        assert calls[4:] == [3, 3]
    finally:
        hook.remove()
    assert np.abs(alone.astype(int) - all_three).max() <= 1


def test_conditions_that_are_left_out_are_left_out(pipeline):
    """Without a pose the carried picture is gone too; without the photo everything is."""
    seen = []
    hook = pipeline.unet.register_forward_pre_hook(lambda _, inputs: seen.append((inputs[0], inputs[2])))
    try:
        pipeline(tiny_photo(), tiny_poses(1), tiny_carried(1), num_inference_steps=1, s1=3, s2=2)
    finally:
        hook.remove()
    planes, context = seen[0]
    assert planes.shape[:2] == (3, 19)
    assert (planes[:2, 4:] == 0).all() and (planes[2, 4:] != 0).any()
    torch.testing.assert_close(context[1], context[2])
    with fast_math(planes.device):
        expected = pipeline.context(pipeline.no_photo(HEIGHT, WIDTH))[0]
    torch.testing.assert_close(context[0], expected.to(context.dtype))
    assert (context[0] != context[1]).any()


def test_training_drops_conditions_as_sampling_does():
    photo, none = torch.ones(3, 2, 4), torch.zeros(1, 2, 4)
    context, poses, carried = drop_conditions(
        photo,
        none,
        torch.ones(3, 10, 2, 2),
        torch.ones(3, 5, 2, 2),
        torch.tensor([False, True, False]),
        torch.tensor([False, False, True]),
    )
    assert context.mean((1, 2)).tolist() == [1, 0, 1]
    assert poses.mean((1, 2, 3)).tolist() == carried.mean((1, 2, 3)).tolist() == [1, 0, 0]


def test_guidance_in_an_interval(pipeline):
    guidance = Guidance(2, 3, (0.25, 0.75))
    assert [len(guidance.weights(step, 5)) for step in range(5)] == [1, 3, 3, 3, 1]
    full = pipeline(tiny_photo(), tiny_poses(1), tiny_carried(1), **OPTIONS)
    part = pipeline(tiny_photo(), tiny_poses(1), tiny_carried(1), guidance_interval=(0.5, 1), **OPTIONS)
    assert (full != part).any()


@pytest.mark.parametrize(
    "flags", [{"start": "noise"}, {"start": "carried", "strength": 0.5}, {"raw_photo": False}]
)
def test_a_folder_gives_the_same_model(tmp_path, flags):
    model = tiny_pipeline(whole_photo=True, **flags)
    model.save_pretrained(tmp_path / "model", max_shard_size="20KB")
    assert len(list((tmp_path / "model" / "unet").glob("*.safetensors"))) > 1
    loaded = DreamPosePipeline.from_pretrained(tmp_path / "model")
    assert loaded.config.start == model.config.start and loaded.config.whole_photo
    inputs = tiny_photo(), tiny_poses(2), tiny_carried(2)
    assert (loaded(*inputs, **OPTIONS) == model(*inputs, **OPTIONS)).all()


def test_the_papers_model_has_neither_carried_nor_refiner(tmp_path):
    model = tiny_pipeline(carried=False, refiner=False, velocity=False)
    model.save_pretrained(tmp_path)
    loaded = DreamPosePipeline.from_pretrained(tmp_path)
    assert loaded.refiner is None and not loaded.carried
    assert (
        loaded(tiny_photo(), tiny_poses(2), **OPTIONS) == model(tiny_photo(), tiny_poses(2), **OPTIONS)
    ).all()


def test_pictures_that_nobody_looks_at_are_not_drawn():
    class Never(list):
        def __getitem__(self, index):
            raise AssertionError("drawn")

    model = tiny_pipeline(carried=False, refiner=False, velocity=False)
    assert model(tiny_photo(), tiny_poses(2), Never(tiny_carried(2)), num_inference_steps=1).shape[0] == 2


def test_strength_runs_the_end_of_the_schedule():
    model = tiny_pipeline(start="carried", strength=0.5)
    calls = []
    model.unet.register_forward_pre_hook(lambda *_: calls.append(1))
    list(model.frames(tiny_photo(), tiny_poses(1), tiny_carried(1), num_inference_steps=6))
    assert len(calls) == 3


@pytest.mark.parametrize("velocity", [True, False])
def test_samplers_by_name_solve_the_same_equation(velocity):
    """With many steps they meet; each makes its own frames with few."""
    model = tiny_pipeline(velocity=velocity, start="noise")
    inputs = tiny_photo(), tiny_poses(1), tiny_carried(1)
    names = [name for name in SCHEDULERS if not (velocity and name == "pndm")]
    few = {name: model(*inputs, scheduler=name, num_inference_steps=4, seed=7) for name in names}
    assert len({clip.tobytes() for clip in few.values()}) == len(names)
    many = [model(*inputs, scheduler=name, num_inference_steps=24, seed=7).astype(int) for name in names]
    for other in many[1:]:
        assert np.abs(other - many[0]).mean() < 2


def test_samplers_that_cannot_be(pipeline):
    with pytest.raises(BadInput, match="There is no scheduler named euler; there are pndm, ddim, "):
        pipeline(tiny_photo(), tiny_poses(1), scheduler="euler")
    with pytest.raises(BadInput, match="which PNDM cannot follow"):
        pipeline(tiny_photo(), tiny_poses(1), scheduler="pndm")


def test_offload_moves_each_part_to_its_work_and_back(clip, monkeypatch):
    """One device stands for both; what counts is who is where when."""
    model = tiny_pipeline()
    moves = []
    for name in ("vae", "image_encoder", "adapter", "unet", "refiner"):
        part = getattr(model, name)

        def to(*where, part=part, name=name, move=part.to):
            moves.append((name, str(where[0])))
            return move("cpu")

        monkeypatch.setattr(part, "to", to)
        part.register_forward_pre_hook(lambda *_, name=name: moves.append((name, "works")))
    model._card = torch.device("cpu", 0)
    made = model(tiny_photo(), tiny_poses(), tiny_carried(), **OPTIONS)
    assert (made == clip).all()
    at_work = None
    for name, what in moves:
        if what == "cpu:0":
            assert at_work is None
            at_work = name
        elif what == "cpu":
            assert at_work == name
            at_work = None
        else:
            assert at_work == name
    assert at_work is None and {name for name, what in moves if what == "cpu"} >= {"vae", "unet", "refiner"}
    assert [move for move in moves if move[0] == "unet"].count(("unet", "cpu:0")) == 2  # once for each batch
    assert tiny_pipeline().offload("cpu").with_parts()._card == torch.device("cpu")


@pytest.mark.slow
def test_compiled_networks_make_the_same_frames():
    """Without the code generator, which would take a minute."""
    model = tiny_pipeline().compile(backend="eager")
    inputs = tiny_photo(), tiny_poses(1), tiny_carried(1)
    assert np.abs(model(*inputs, **OPTIONS).astype(int) - tiny_pipeline()(*inputs, **OPTIONS)).max() <= 1


def test_other_schedulers_work(pipeline):
    from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler, UniPCMultistepScheduler

    for kind in (DPMSolverMultistepScheduler, UniPCMultistepScheduler, EulerDiscreteScheduler):
        for start in ("photo", "noise"):
            base = tiny_pipeline(velocity=False, start=start)
            model = base.with_parts(scheduler=kind.from_config(base.scheduler.config))
            clip = model(tiny_photo(), tiny_poses(3), tiny_carried(3), batch_size=2, **OPTIONS)
            again = model(tiny_photo(), tiny_poses(3), tiny_carried(3), batch_size=3, **OPTIONS)
            assert np.abs(clip.astype(int) - again).max() <= 1


def test_half_precision_is_near_full_precision(clip):
    """For cards: every part in bfloat16, the sampling itself in float32."""
    half = tiny_pipeline().to(torch.bfloat16)
    made = half(tiny_photo(), tiny_poses(), tiny_carried(), **OPTIONS)
    assert np.abs(made.astype(int) - clip).mean() < 4


def test_report_says_every_frame_and_can_cancel(pipeline):
    events = []
    list(
        pipeline.frames(
            tiny_photo(), tiny_poses(3), tiny_carried(3), report=events.append, batch_size=2, **OPTIONS
        )
    )
    finished = [event for event in events if event.preview is not None]
    assert [event.step for event in finished] == [1, 2, 3] and {event.total for event in events} == {3}
    assert len(events) == 3 + 2 * 3  # and after every call of the UNet, so that a cancel comes at once

    def cancel(_):
        raise Cancelled

    with pytest.raises(Cancelled):
        next(pipeline.frames(tiny_photo(), tiny_poses(3), tiny_carried(3), report=cancel, **OPTIONS))


def test_sizes_that_do_not_fit_are_refused(pipeline):
    small = tiny_photo()[:-8]
    for photo, poses, carried in (
        (small, tiny_poses(2), None),
        (tiny_photo(), tiny_poses(2).resize(HEIGHT, WIDTH), None),
        (tiny_photo(), tiny_poses(2), tiny_carried(3)),
        (tiny_photo().astype(float), tiny_poses(2), None),
    ):
        with pytest.raises(ValueError):
            pipeline(photo, poses, carried, **OPTIONS)
    with pytest.raises(ValueError):
        tiny_pipeline(start="elsewhere")


def test_pictures_for_people_who_want_pillow(pipeline):
    from PIL import Image

    clip = pipeline(
        Image.fromarray(tiny_photo()),
        tiny_poses(2).iuv,
        output_type="pil",
        num_inference_steps=1,
        batch_size=1,
    )
    assert [picture.size for picture in clip] == [(WIDTH, HEIGHT)] * 2


def test_preprocessing_is_clips_own():
    from transformers import CLIPImageProcessorPil

    rng = np.random.default_rng(0)
    processor = CLIPImageProcessorPil()
    for shape in ((320, 256, 3), (253, 311, 3), (224, 224, 3)):
        photo = rng.integers(0, 256, shape, dtype=np.uint8)
        expected = processor(photo, return_tensors="pt")["pixel_values"][0]
        torch.testing.assert_close(clip_pixels(photo, 224, whole=False), expected, atol=1e-5, rtol=1e-5)
    assert clip_pixels(photo, 64, whole=True).shape == (3, 64, 64)
