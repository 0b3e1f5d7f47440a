"""Known pictures in the sampling: the arithmetic for each kind of prediction, and what comes out of it."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from dreampose_core.guidance import Guidance
from dreampose_core.modeling import LATENT_STRIDE
from dreampose_core.pull import Pull, known_cells
from dreampose_core.schedulers import SCHEDULERS, make_scheduler
from pose_tools.errors import BadInput
from tests.dreampose_core.tiny import HEIGHT, WIDTH, tiny_carried, tiny_photo, tiny_pipeline, tiny_poses

OPTIONS = {"num_inference_steps": 4, "seed": 7}
INPUTS = tiny_photo(), tiny_poses(), tiny_carried()


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_a_whole_pull_says_what_is_known_and_half_of_it_half(kind):
    torch.manual_seed(0)
    scheduler = DDIMScheduler(beta_schedule="scaled_linear", prediction_type=kind, clip_sample=False)
    scheduler.set_timesteps(10)
    noisy, output, known = torch.randn(3, 2, 4, 6, 6).double()
    timestep = scheduler.timesteps[4]

    def clean(output):
        return scheduler.step(output, timestep, noisy).pred_original_sample

    for share in (0.0, 0.5, 1.0):
        pulled = Pull(known, torch.full((2, 1, 6, 6), share)).apply(output, noisy, timestep, scheduler)
        expected = clean(output) + share * (known - clean(output))
        torch.testing.assert_close(clean(pulled), expected, atol=1e-5, rtol=1e-5)


def test_known_is_what_the_photo_saw_and_the_background_away_from_the_person():
    weight = known_cells(tiny_carried(1))
    assert weight.shape == (1, 1, HEIGHT // LATENT_STRIDE, WIDTH // LATENT_STRIDE)
    assert weight[0, 0, 3, 2] == pytest.approx(0.8)  # visibility on the figure
    assert weight[0, 0, 3, 4] == 0 and weight[0, 0, 3, 5] == 1  # beside it, and beyond


@pytest.mark.parametrize("velocity", [True, False])
def test_every_sampler_ends_at_what_is_known(velocity):
    """The left half is known, the right half is the model's own."""
    model = tiny_pipeline(carried=False, refiner=False, velocity=velocity, start="noise")
    photo, poses, carried = INPUTS
    code = model.encode_photo(photo)
    with torch.no_grad():
        contexts = model.context(code), model.context(model.no_photo(HEIGHT, WIDTH))
    known = model.encode_pictures(np.stack([one.picture for one in carried]))
    weight = torch.zeros(len(poses), 1, *known.shape[-2:])
    weight[..., :3] = 1
    noise = model.noise(range(len(poses)), HEIGHT, WIDTH, 7)
    for name in SCHEDULERS:
        if velocity and name == "pndm":
            continue
        sampler = model.with_parts(scheduler=make_scheduler(name, model.scheduler))
        given = (*contexts, model.pose_channels(poses), None, None, noise, 6, Guidance())
        off = (sampler.denoise(*given) - known).abs()
        left, right = (sampler.denoise(*given, pull=Pull(known, weight)) - known).abs().split(3, dim=-1)
        assert left.mean() < 0.1 * off[..., :3].mean(), name
        assert right.mean() > 0.5 * off[..., 3:].mean(), name


def test_frames_are_pulled_as_far_as_is_asked():
    model = tiny_pipeline(carried=False, refiner=False, velocity=False, start="noise")
    clips = [model(*INPUTS, pull=pull, **OPTIONS).astype(int) for pull in (0.0, 0.5, 1.0)]
    far = [np.abs(clip - clips[0]).mean() for clip in clips]
    assert far[0] == 0 < far[1] < far[2]
    assert (clips[0] == model(*INPUTS, **OPTIONS)).all()


def test_the_papers_model_starts_from_the_carried_picture():
    model = tiny_pipeline(carried=False, refiner=False, velocity=False)
    calls = []
    model.unet.register_forward_pre_hook(lambda *_: calls.append(1))
    carried = model(*INPUTS, start="carried", strength=0.5, num_inference_steps=6, batch_size=5)
    assert len(calls) == 4  # of the seven that PNDM would make
    photo = model(*INPUTS, start="photo", strength=0.5, num_inference_steps=6)
    assert (carried != photo).any()
    configured = tiny_pipeline(carried=False, refiner=False, velocity=False, start="carried", strength=0.5)
    assert (configured(*INPUTS, num_inference_steps=6) == carried).all()


@pytest.mark.parametrize("options", [{"pull": 0.7}, {"start": "carried", "strength": 0.6}])
def test_the_same_frames_whatever_the_batch_and_where_it_goes_on(options):
    model = tiny_pipeline(carried=False, refiner=False, velocity=False)
    whole = model(*INPUTS, batch_size=5, **options, **OPTIONS).astype(int)
    assert np.abs(whole - model(*INPUTS, batch_size=2, **options, **OPTIONS)).max() <= 1
    rest = dict(model.frames(*INPUTS, batch_size=5, only=[3], **options, **OPTIONS))
    assert list(rest) == [3] and (rest[3] == whole[3]).all()


def test_nothing_is_pulled_without_carried_pictures():
    model = tiny_pipeline(carried=False, refiner=False)
    assert (model(*INPUTS[:2], pull=1.0, **OPTIONS) == model(*INPUTS[:2], **OPTIONS)).all()


@pytest.mark.parametrize("options", [{"start": "here"}, {"strength": 0.0}, {"strength": 1.2}, {"pull": 2.0}])
def test_options_that_cannot_be(options):
    with pytest.raises(BadInput):
        tiny_pipeline()(*INPUTS, **options, **OPTIONS)
