"""Nothing of the sampling and the finetune computes with tensors of two devices."""

import numpy as np
import pytest
import torch

from dreampose_core.finetune import _decoder, _denoiser
from dreampose_core.subject_cache import build_cache
from dreampose_core.trainable import copy_to_train, unet_to_train, vae_to_train
from dreampose_core.tuning import FinetuneSettings
from tests.dreampose_core.elsewhere import DEVICE, Elsewhere, Watching, send
from tests.dreampose_core.tiny import HEIGHT, WIDTH, tiny_carried, tiny_looks, tiny_photo, tiny_pipeline, tiny_poses

PAPER = {"carried": False, "refiner": False, "velocity": False}
SMALL = {"steps": 2, "decoder_steps": 2, "crops": 4, "held_out": 2, "batch": 2, "decoder_batch": 2, "window": 4}


def pipeline_elsewhere(**flags):
    made = tiny_pipeline(**flags)
    for part in made.components.values():
        if isinstance(part, torch.nn.Module):
            send(part)
    assert made._execution_device == DEVICE
    return made


def test_what_is_left_behind_is_noticed():
    there = Elsewhere(torch.ones(3))
    with Watching():
        assert isinstance(torch.zeros(3, device=DEVICE) + there, Elsewhere)
        assert not isinstance(there.cpu(), Elsewhere)
        assert isinstance(torch.ones(3).to(DEVICE), Elsewhere)
        with pytest.raises(RuntimeError, match="two devices"):
            there + torch.ones(3)


@pytest.mark.parametrize("flags, scheduler", [({}, "ddim"), ({}, "unipc"), (PAPER, "pndm"), (PAPER, "dpm++")])
def test_sampling_stays_on_one_device(flags, scheduler):
    pipeline = pipeline_elsewhere(**flags)
    carried = tiny_carried(3)
    for options in ({}, {"start": "photo"}, {"start": "carried", "strength": 0.5, "pull": 0.5}):
        with Watching():
            clip = pipeline(
                tiny_photo(), tiny_poses(3), carried, num_inference_steps=2, s1=2.0, s2=3.0, scheduler=scheduler,
                batch_size=2, **options,
            )  # fmt: skip
        assert clip.shape == (3, HEIGHT, WIDTH, 3) and clip.dtype == np.uint8


@pytest.mark.parametrize("flags", [{}, PAPER], ids=["mini", "paper"])
@pytest.mark.parametrize("tuning", [{}, {"lora_rank": 2, "gradient_checkpointing": True}], ids=["full", "lora"])
def test_a_finetune_stays_on_one_device(flags, tuning):
    pipeline, settings = pipeline_elsewhere(**flags), FinetuneSettings(**SMALL, **tuning)
    with Watching():
        cache = build_cache(pipeline, tiny_looks(), SMALL["crops"] + SMALL["held_out"], 0, lambda: None).to(DEVICE)
        model = pipeline.with_parts(
            unet=unet_to_train(pipeline.unet, settings, DEVICE, torch.float32),
            adapter=copy_to_train(pipeline.adapter, lambda name: True, DEVICE, torch.float32),
            vae=vae_to_train(pipeline.vae, settings, DEVICE, torch.float32),
        )
        for make in (_denoiser, _decoder):
            stage = make(model, cache, settings, lambda: None)
            parameters = list(stage.parameters.values())
            optimizer = torch.optim.AdamW(parameters, lr=1e-4)
            stage.loss_of_step(0).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            assert np.isfinite(stage.score())
            assert all(isinstance(parameter.grad, Elsewhere) for parameter in parameters)
