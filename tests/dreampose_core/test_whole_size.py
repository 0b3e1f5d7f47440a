"""The paper's model at its whole size, on a processor: `python -m pytest -m slow -s` prints seconds and memory."""

import resource
import time

import numpy as np
import pytest
import torch
from diffusers import PNDMScheduler

from dreampose_core.memory import need
from dreampose_core.modeling import ImageAdapter
from dreampose_core.pipeline import DreamPosePipeline
from pose_tools.sequence import PoseSequence
from tests.dreampose_core.whole_size import HEIGHT, WIDTH, whole_clip, whole_unet, whole_vae


def peak() -> float:
    """Most memory that this process has taken so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


@pytest.mark.slow
def test_one_step_of_the_whole_model():
    torch.manual_seed(0)
    before, begun = peak(), time.monotonic()
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    rest = {"skip_prk_steps": True, "steps_offset": 1, "set_alpha_to_one": False}
    parts = {"unet": whole_unet(), "vae": whole_vae(), "image_encoder": whole_clip(), "adapter": ImageAdapter()}
    pipeline = DreamPosePipeline(**parts, scheduler=PNDMScheduler(**betas, **rest))
    for part in parts.values():
        part.eval().requires_grad_(False)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    assert counts["unet"] == 859_549_764  # Stable Diffusion 1.4's 859,520,964 and 10 more input channels
    assert (counts["vae"], counts["image_encoder"]) == (83_653_863, 87_456_000)
    built, loaded = time.monotonic(), peak()
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    poses = PoseSequence(rng.integers(0, 25, (1, HEIGHT, WIDTH, 3), np.uint8), fps=12)
    ((index, frame),) = pipeline.frames(photo, poses, num_inference_steps=1, scheduler="ddim")
    made = time.monotonic()
    estimate = need(parts["unet"], parts["vae"], HEIGHT, WIDTH, 1)
    print(
        f"\nbuilt in {built - begun:.0f} s with {loaded - before:.1f} GB; photo encoded, one step and the decoder in "
        f"{made - built:.0f} s, {peak() - before:.1f} GB at the most; estimated {estimate.weights / 1e9:.1f} GB and "
        f"{max(estimate.frame, estimate.picture) / 1e9:.1f} GB a frame"
    )
    assert index == 0 and frame.shape == (HEIGHT, WIDTH, 3) and frame.std() > 0
    assert peak() - before < 16
