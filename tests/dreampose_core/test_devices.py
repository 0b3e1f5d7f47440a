"""Nothing of the sampling and the finetune computes with tensors of two devices, or of two floating types."""

from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch
import torch.utils.checkpoint as checkpointing

from dreampose_core.finetune import finetune
from dreampose_core.finetune.tuning import FinetuneSettings
from tests.dreampose_core.elsewhere import DEVICE, Autocast, Elsewhere, Watching, send
from tests.dreampose_core.tiny import HEIGHT, WIDTH, tiny_carried, tiny_looks, tiny_photo, tiny_pipeline, tiny_poses

PAPER = {"carried": False, "refiner": False, "velocity": False}
LAYERS = (torch.nn.Conv2d, torch.nn.Linear, torch.nn.GroupNorm, torch.nn.LayerNorm)
SMALL = {"steps": 2, "decoder_steps": 2, "crops": 4, "held_out": 2, "batch": 2, "decoder_batch": 2, "window": 4}
SMALL |= {"preview_steps": 1}
FULL, LORA = {}, {"lora_rank": 2, "gradient_checkpointing": True}


def pipeline_elsewhere(precision=torch.float32, **flags):
    made = tiny_pipeline(**flags).to(precision)
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
        with pytest.raises(RuntimeError, match="two types"):
            there * there.to(torch.bfloat16)
        with Autocast():
            assert (there * there.to(torch.bfloat16)).dtype == torch.float32
            assert torch.nn.functional.linear(there[None], there[None]).dtype == torch.bfloat16


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


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("flags, scheduler", [({}, "ddim"), (PAPER, "unipc"), (PAPER, "pndm"), ({}, "dpm++")])
def test_sampling_in_half_precision_mixes_no_types_and_the_networks_compute_in_it(flags, scheduler, precision):
    pipeline, carried, computed = pipeline_elsewhere(precision, **flags), tiny_carried(3), set()

    def note(module, inputs, output):
        computed.add((type(module).__name__, output.dtype))

    parts = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    for module in (module for part in parts for module in part.modules()):
        if isinstance(module, LAYERS):
            module.register_forward_hook(note)
    for options in ({}, {"start": "carried", "strength": 0.5, "pull": 0.5}):
        with Watching():
            pipeline(
                tiny_photo(), tiny_poses(3), carried, num_inference_steps=2, s1=2.0, s2=3.0, scheduler=scheduler,
                batch_size=2, **options,
            )  # fmt: skip
    assert {kind for _, kind in computed} == {precision}, computed
    assert len(computed) > 3


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("flags", [{}, PAPER], ids=["mini", "paper"])
def test_sampling_with_offload_stays_on_one_device(flags, precision):
    pipeline = tiny_pipeline(**flags).to(precision).offload(DEVICE)
    with Watching():
        clip = pipeline(
            tiny_photo(), tiny_poses(3), tiny_carried(3), num_inference_steps=2, s1=2.0, s2=3.0, batch_size=2
        )
    assert clip.shape == (3, HEIGHT, WIDTH, 3)
    parts = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    assert not any(isinstance(each, Elsewhere) for part in parts for each in part.parameters()), "all wait again"


@pytest.mark.parametrize(
    "flags, tuning, half, offload",
    [({}, FULL, False, False), ({}, FULL, True, False), ({}, LORA, True, True), (PAPER, LORA, False, True),
     (PAPER, LORA, True, False)],
    ids=["full", "full-half", "lora-half-offload", "paper-lora-offload", "paper-lora-half"],
)  # fmt: skip
def test_a_finetune_stays_on_one_device_and_mixes_types_where_that_is_meant(
    flags, tuning, half, offload, tmp_path, monkeypatch
):
    """All of it, with the live samples, the scores and what is kept on disk; half: as a card does it, frozen weights in
    bfloat16 and trained ones in float32."""
    if half:
        monkeypatch.setattr(finetune, "training_math", lambda device: Autocast())
        monkeypatch.setattr(finetune, "frozen_type", lambda device: torch.bfloat16)
        again = partial(checkpointing.checkpoint, context_fn=lambda: (nullcontext(), Autocast()))
        monkeypatch.setattr(checkpointing, "checkpoint", again)  # as it does with torch.autocast
    precision = torch.bfloat16 if half else torch.float32
    if offload:
        pipeline = tiny_pipeline(**flags).to(precision).offload(DEVICE)
    else:
        pipeline = pipeline_elsewhere(precision, **flags)
    events = []
    with Watching():
        settings = FinetuneSettings(**SMALL, **tuning)
        tuned = finetune.finetune_looks(pipeline, tiny_looks(), settings, tmp_path / "tuned", events.append)
        clip = tuned(tiny_photo(), tiny_poses(2), tiny_carried(2), num_inference_steps=1)
    assert clip.shape == (2, HEIGHT, WIDTH, 3)
    samples = [event for event in events if event.preview is not None]
    assert {event.stage for event in samples} == {"finetune", "decoder"}
    assert all(np.isfinite(event.loss) for event in events if event.loss is not None)


def test_a_finetune_that_mixes_types_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(finetune, "frozen_type", lambda device: torch.bfloat16)
    with Watching(), pytest.raises(RuntimeError, match="two types"):
        settings = FinetuneSettings(**SMALL, **LORA)
        finetune.finetune_looks(pipeline_elsewhere(torch.bfloat16), tiny_looks(), settings, tmp_path / "tuned")


def test_indices_of_the_cpu_may_pick_there_and_nothing_else_may_meet():
    there, rows, mask = Elsewhere(torch.ones(3)), torch.tensor([0, 2]), torch.tensor([True, True, False])
    there[mask] = Elsewhere(torch.zeros(2))
    assert there[rows].inner.tolist() == [0.0, 1.0]
    with pytest.raises(RuntimeError, match="two devices"):
        torch.ones(3)[Elsewhere(rows)]
    with pytest.raises(RuntimeError, match="two devices"):
        there[mask] = torch.ones(2)
