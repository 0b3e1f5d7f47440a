"""The pipeline against the authors' own program, on the same formula-made weights.

The arrays come from the authors' pipeline class (repository johannakarras/DreamPose, commit 5bf30b7), run in
float32. They are read from the folder in DREAMPOSE_GOLDEN, or else from tests/data/golden; every scheduler
whose arrays are there is checked. The authors call back from the second call of the UNet on, so "first
latents" are those after two calls where the schedule has one call more than steps (PNDM), and after one where
it has not.
"""

import json
import os
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from transformers import CLIPVisionConfig, CLIPVisionModel

from dreampose_core.guidance import Guidance
from dreampose_core.modeling import ImageAdapter, tensor_picture
from dreampose_core.pipeline import DreamPosePipeline
from dreampose_core.schedulers import make_scheduler

GOLDEN = Path(os.environ.get("DREAMPOSE_GOLDEN") or Path(__file__).parents[1] / "data" / "golden")
TOLERANCE = 1e-3  # of the largest value
BETAS = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}
RELEASED = PNDMScheduler(**BETAS, skip_prk_steps=True, steps_offset=1, set_alpha_to_one=False)
ARRAY = re.compile(r"([A-Za-z]+)_(timesteps|first_latents|final_latents|image)")


def arrays() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "dreampose_reference.npz") as data:
        return {name: data[name] for name in data.files}


def formula_weights(module: torch.nn.Module, prefix: str) -> torch.nn.Module:
    """Weights that depend on a tensor's name and shape alone; integer buffers keep their values."""
    state = module.state_dict()
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            continue
        seed = zlib.crc32((prefix + name).encode()) & 0xFFFFFFFF
        values = np.random.RandomState(seed).standard_normal(tuple(tensor.shape)).astype(np.float32)
        if tensor.ndim >= 2:
            values = values / np.sqrt(np.prod(tensor.shape[1:]))
        elif name.endswith("weight"):
            values = 1 + 0.05 * values
        else:
            values = 0.02 * values
        state[name] = torch.from_numpy(values.astype(np.float32))
    module.load_state_dict(state)
    return module.eval()


def nearness(made: torch.Tensor | np.ndarray, golden: np.ndarray) -> float:
    """The largest difference, relative to the largest golden value."""
    golden = golden.astype(np.float64)
    return float(np.abs(np.asarray(made, np.float64) - golden).max() / np.abs(golden).max())


@pytest.fixture(scope="module")
def golden():
    return arrays()


@pytest.fixture(scope="module")
def settings():
    return json.loads((GOLDEN / "dreampose_reference.json").read_text())


@pytest.fixture(scope="module")
def pipeline(settings):
    model = DreamPosePipeline(
        vae=formula_weights(AutoencoderKL(**settings["vae"]), "vae."),
        unet=formula_weights(UNet2DConditionModel(**settings["unet"]), "unet."),
        image_encoder=formula_weights(CLIPVisionModel(CLIPVisionConfig(**settings["clip"])), "clip."),
        adapter=formula_weights(ImageAdapter(), "adapter."),
        scheduler=RELEASED,
    )
    return model


@pytest.fixture(scope="module")
def inputs(settings):
    """The photo, and pose channels at the latents' size."""
    height, width = settings["height"], settings["width"]
    yy, xx = np.mgrid[:height, :width].astype(np.float32)
    planes = [(np.sin(xx / 37) + 1) * 127, (np.cos(yy / 53) + 1) * 127, (np.sin((xx + yy) / 91) + 1) * 127]
    pose = np.stack([np.sin((xx * (k + 1) + yy * (10 - k)) / 211) for k in range(10)])[None]
    small = F.interpolate(torch.from_numpy(pose), (height // 8, width // 8), mode="nearest")
    return np.stack(planes, axis=-1).astype(np.uint8), small


@pytest.fixture(scope="module")
def photo(pipeline, inputs):
    """The photo's code, and both contexts (1, 50, 768)."""
    code = pipeline.encode_photo(inputs[0])
    none = pipeline.no_photo(*inputs[0].shape[:2])
    return code, pipeline.context(code).detach(), pipeline.context(none).detach()


def test_context_tokens(photo, golden):
    _, image, none = photo
    made = torch.cat([none, image, image])
    assert made.shape == golden["embeddings"].shape
    assert nearness(made, golden["embeddings"]) < TOLERANCE


def schedulers_that_are_there() -> list[str]:
    return sorted({found[1] for found in map(ARRAY.fullmatch, arrays()) if found})


def test_there_is_something_to_compare():
    assert schedulers_that_are_there()


@pytest.mark.parametrize("name", schedulers_that_are_there())
def test_sampling(pipeline, inputs, photo, golden, settings, name):
    """Through the samplers that a person may choose by name."""
    code, image, none = photo
    model = pipeline.with_parts(scheduler=make_scheduler(name.lower(), RELEASED))
    kept = []
    final = model.denoise(
        image,
        none,
        inputs[1],
        None,
        code.latents,
        torch.from_numpy(golden["noise"]),
        settings["steps"],
        Guidance(settings["s1"], settings["s2"]),
        lambda step, steps, latents: kept.append(latents),
    )
    schedule, decoded = model.scheduler.timesteps.tolist(), model.decode(final)
    made = {
        "timesteps": schedule,
        "first_latents": kept[len(schedule) - settings["steps"]],
        "final_latents": final,
        "image": (decoded[0].movedim(0, -1).numpy()[::4, ::4] + 1) / 2,
    }
    compared = [what for what in made if f"{name}_{what}" in golden]
    assert compared
    for what in compared:
        assert nearness(made[what], golden[f"{name}_{what}"]) < TOLERANCE, what
    assert tensor_picture(decoded).shape == (1, settings["height"], settings["width"], 3)


def test_noise_that_all_frames_share(pipeline):
    drawn = pipeline.noise([0, 3], 640, 512, seed=1)
    assert drawn.shape == (2, 4, 80, 64) and torch.equal(drawn[0], drawn[1])
