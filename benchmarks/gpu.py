"""The authors' recipe as released against ours, in one run on one device, with random weights.

    python -m benchmarks.gpu [--size small|full] [--steps 20] [--frames N] [--out FILE] [--compile]

Full size is Stable Diffusion 1.4's at 512x640 on a GPU; small is the same kind of networks at 128x160, for a machine
without one. Measured are seconds a frame and a subject after a warm-up, both recipes in turn, round after round, so
that a busy machine is as unkind to the one as to the other: given are medians with quartiles and every repeat, and of
the ratios the least and the most of a round. The most memory is that of each alone. A subject of the released recipe
is its two steps, measured, times their number (500 and 1500); ours is a whole finetune on as many pictures, with its
caches, scores, live samples and states on disk. Sampling is also compared to the device's own rate of a large matrix
product. On a GPU, two caps on memory show what small cards can.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import record
from benchmarks.authors_recipe import DECODER_STEPS, S1, S2, STEPS, UNET_STEPS, Released
from benchmarks.random_models import SIZES, Size, build_model, scene
from benchmarks.spread import ratio, rounds, timing
from dreampose_core.finetune.budget import matrix_rate, seconds_of
from dreampose_core.finetune.finetune import finetune_looks
from dreampose_core.finetune.tuning import TUNINGS, FinetuneSettings
from dreampose_core.modeling import LATENT_STRIDE, unet_channels
from dreampose_core.pipeline import DreamPosePipeline
from dreampose_core.progress import silent
from pose_tools.errors import BadInput

GB = 1e9
SMALL_CARDS = {"finetune": 12 * GB, "sampling": 6 * GB}
EQUAL = "frame_at_equal_steps"
STAGES = ("unet", "decoder")  # of the released finetune
AT_ONCE = 3  # its steps that are timed together
SETTLE = 10**6  # scores to wait: nothing ends early, both recipes see as many pictures


@dataclass(frozen=True)
class Amount:
    """How much is measured: rounds; frames of our clip; sampling steps, ours and the released ones;
    pictures of both stages of a finetune."""

    repeats: int = 3
    frames: int = 8
    steps: int = 20
    released_steps: int = STEPS
    pictures: tuple[int, int] = (UNET_STEPS, DECODER_STEPS)


@contextmanager
def peak_memory(device: torch.device, told: dict):
    """Puts the most gigabytes of the block into told["memory_gb"]: of the card, or of the process on a CPU."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        yield
        told["memory_gb"] = round(torch.cuda.max_memory_allocated(device) / GB, 3)
        return
    process, ended, seen = psutil.Process(), threading.Event(), []

    def watch() -> None:
        while not ended.wait(0.02):
            seen.append(process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
    told["memory_gb"] = round(max([process.memory_info().rss, *seen]) / GB, 3)


def memory_alone(make: Callable[[], Callable[[], object]], device: torch.device) -> float:
    """Most gigabytes of making a work and doing it, with nothing of another recipe on the device; it warms up, too."""
    told: dict = {}
    with peak_memory(device, told):
        make()()
    return told["memory_gb"]


def clip_maker(
    model: DreamPosePipeline, size: Size, amount: Amount, scheduler: str, device: torch.device
) -> Callable[[int], None]:
    """What makes a clip of ours in so many steps; its photo is encoded once."""
    photo, poses, _ = scene(size, amount.frames)

    def make(steps: int) -> None:
        options = {"num_inference_steps": steps, "s1": S1, "s2": S2, "scheduler": scheduler}
        for _ in model.frames(photo, poses, batch_size=amount.frames if device.type == "cpu" else None, **options):
            pass

    return make


def compare_frames(
    size: Size, device: torch.device, precision: torch.dtype, amount: Amount, compiled: bool
) -> tuple[dict, dict]:
    """Figures of a frame: the released one, ours and ours at equal steps; and how many times faster ours are."""
    photo, ours = scene(size, 1)[0], {"frame": ("unipc", amount.steps), EQUAL: ("pndm", amount.released_steps)}

    def make_released() -> Callable[[int], object]:
        return Released(build_model(size, device, torch.float32), photo).for_sampling().frame

    def make_ours(model: DreamPosePipeline, name: str) -> Callable[[int], object]:
        return clip_maker(model, size, amount, ours[name][0], device)

    memory = {"released": memory_alone(lambda: partial(make_released(), 2), device)}
    for name in ours:
        memory[name] = memory_alone(
            lambda name=name: partial(make_ours(build_model(size, device, precision), name), 2), device
        )
    model, released = build_model(size, device, precision), make_released()
    if compiled:
        model.compile()
    works = {"released": (released, amount.released_steps, 1)}
    works |= {name: (make_ours(model, name), steps, amount.frames) for name, (_, steps) in ours.items()}
    took = rounds(
        {
            name: lambda work=work, steps=steps, frames=frames: seconds_of(lambda: work(steps), device) / frames
            for name, (work, steps, frames) in works.items()
        },
        amount.repeats,
    )
    rate = matrix_rate(str(device))
    told = {name: timing(seconds) | {"memory_gb": memory[name]} for name, seconds in took.items()}
    for name, (scheduler, steps) in ours.items():
        calls = steps + (scheduler == "pndm")
        told[name] |= {"steps": steps, "scheduler": scheduler, "frames": amount.frames}
        told[name]["of_matrix_rate"] = frame_flops(model, size, calls) / told[name]["seconds"] / rate
    return told, {name: ratio(took["released"], took[name]) for name in ours}


def compare_subjects(
    size: Size, device: torch.device, precision: torch.dtype, amount: Amount, tunings: Sequence[str]
) -> tuple[dict, dict]:
    """Figures of a subject: the released recipe's with its two steps, ours by tuning; and how many times faster."""
    photo, chosen = scene(size, 1)[0], {name: settings_for(name, amount.pictures, size) for name in tunings}

    def make_released(stage: str) -> Callable[[], object]:
        model = Released(build_model(size, device, torch.float32), photo)
        return partial(released_steps, model, stage, 1, device)

    memory = {stage: memory_alone(lambda stage=stage: make_released(stage), device) for stage in STAGES}
    short = {name: shortened(settings) for name, settings in chosen.items()}
    for name, few in short.items():
        memory[name] = memory_alone(
            lambda few=few: partial(tune, build_model(size, device, precision), size, few), device
        )
    released = Released(build_model(size, device, torch.float32), photo)
    model = build_model(size, device, precision)
    works = {stage: partial(released_steps, released, stage, AT_ONCE, device) for stage in STAGES}
    for name, settings in chosen.items():
        works[name] = lambda settings=settings: seconds_of(lambda: tune(model, size, settings), device)
    took = rounds(works, amount.repeats)
    steps = {stage: timing(took[stage]) | {"memory_gb": memory[stage]} for stage in STAGES}
    parts = zip(*(took[stage] for stage in STAGES), strict=True)
    whole = [sum(second * count for second, count in zip(one, amount.pictures, strict=True)) for one in parts]
    told = {f"{stage}_step": one for stage, one in steps.items()}
    told["released"] = timing(whole) | {
        "memory_gb": max(memory[stage] for stage in STAGES), "steps": list(amount.pictures)
    }  # fmt: skip
    for name, settings in chosen.items():
        counts = {"steps": [settings.steps, settings.decoder_steps], "batch": [settings.batch, settings.decoder_batch]}
        told[name] = timing(took[name]) | {"memory_gb": memory[name]} | counts
    return told, {f"subject_{name}": ratio(whole, took[name]) for name in chosen}


def released_steps(model: Released, stage: str, count: int, device: torch.device) -> float:
    """Seconds of a step, the mean of some, after one that is not counted."""
    step = model.unet_step if stage == "unet" else model.decoder_step
    model.train_on(stage)
    step()
    seconds = seconds_of(lambda: [step() for _ in range(count)], device) / count
    model.train_on("")
    return seconds


def frame_flops(model: DreamPosePipeline, size: Size, calls: int) -> int:
    """Arithmetic of one frame: UNet calls of three rows, and the decoder."""
    device, kind = next(model.unet.parameters()).device, model.unet.dtype
    cells = (size.height // LATENT_STRIDE, size.width // LATENT_STRIDE)
    tokens = torch.zeros(3, model.adapter.config.tokens, model.adapter.config.width, device=device, dtype=kind)
    rows = torch.zeros(3, unet_channels(False), *cells, device=device, dtype=kind)
    with torch.no_grad(), FlopCounterMode(display=False) as unet:
        model.unet(rows, torch.zeros((), device=device), tokens)
    with torch.no_grad(), FlopCounterMode(display=False) as decoder:
        model.vae.decode(rows[:1, :4])
    return calls * unet.get_total_flops() + decoder.get_total_flops()


def settings_for(name: str, pictures: tuple[int, int], size: Size) -> FinetuneSettings:
    """A named tuning over as many pictures as the released recipe's; nothing ends early.

    The decoder's crops are as large a part of the picture as they are at full size.
    """
    chosen = TUNINGS[name]
    chosen = replace(chosen, window=chosen.window * size.height // SIZES["full"].height)
    steps, decoder_steps = (
        max(1, count // batch) for count, batch in zip(pictures, (chosen.batch, chosen.decoder_batch), strict=True)
    )
    return replace(chosen, steps=steps, decoder_steps=decoder_steps, patience=SETTLE)


def shortened(settings: FinetuneSettings) -> FinetuneSettings:
    """A few steps of the same kind, to warm up, and for the memory, which does not depend on their number."""
    return replace(settings, steps=2, decoder_steps=2, crops=4, held_out=1, preview_steps=2)


def tune(model: DreamPosePipeline, size: Size, settings: FinetuneSettings) -> None:
    """A whole finetune of ours, with its caches, scores, live samples and states on disk."""
    with tempfile.TemporaryDirectory() as folder:
        finetune_looks(model, [scene(size, 1)[2]], settings, Path(folder) / "tuned", silent)


def under_cap(work: Callable[[], dict], cap: float, device: torch.device) -> dict | None:
    """What `work` tells while this process may take no more than `cap` bytes of the card; None without a card."""
    if device.type != "cuda":
        return None
    gc.collect()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, cap / total), device)
    try:
        return {"cap_gb": cap / GB, "fits": True} | work()
    except (torch.OutOfMemoryError, BadInput) as error:
        return {"cap_gb": cap / GB, "fits": False, "error": str(error).splitlines()[0]}
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


def small_cards(size: Size, device: torch.device, precision: torch.dtype, amount: Amount) -> dict:
    """A finetune within 12 GB and sampling within 6 GB, with the settings that are meant for such cards."""
    few, little = settings_for("small", (50, 50), size), replace(amount, frames=2)

    def once(make: Callable[[], Callable[[], object]]) -> dict:
        told: dict = {}
        with peak_memory(device, told):
            work = make()
            seconds = seconds_of(work, device)
        return {"seconds": seconds} | told

    def sample() -> dict:
        def make() -> Callable[[], object]:
            model = build_model(size, device, precision)
            return partial(clip_maker(model, size, little, "unipc", device), amount.steps)

        told = once(make)
        counts = {"frames": little.frames, "steps": amount.steps}
        return told | {"seconds": told["seconds"] / little.frames} | counts

    return {
        "finetune": under_cap(
            lambda: once(lambda: partial(tune, build_model(size, device, precision), size, few)),
            SMALL_CARDS["finetune"],
            device,
        ),
        "sampling": under_cap(sample, SMALL_CARDS["sampling"], device),
    }


def compare(
    size: Size, device: torch.device, amount: Amount, tunings: Sequence[str] = tuple(TUNINGS), compiled: bool = False
) -> dict:
    """All figures of one run on one device."""
    precision = torch.bfloat16 if device.type == "cuda" else torch.float32
    rate = matrix_rate(str(device))
    subjects, faster = compare_subjects(size, device, precision, amount, tunings)
    gc.collect()
    frames, ratios = compare_frames(size, device, precision, amount, compiled)
    return {
        "matrix_rate_tflops": rate / 1e12,
        "precision": str(precision).removeprefix("torch."),
        "compiled": compiled,
        "repeats": amount.repeats,
        "released": {
            "frame": frames.pop("released"),
            "unet_step": subjects.pop("unet_step"),
            "decoder_step": subjects.pop("decoder_step"),
            "subject": subjects.pop("released"),
        },
        "ours": frames | {"subject": subjects},
        "small_cards": small_cards(size, device, precision, amount),
        "ratios": ratios | faster,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, help="default full on a GPU, small elsewhere")
    parser.add_argument("--steps", type=int, default=Amount.steps, help="of our sampling; default %(default)s")
    parser.add_argument("--released-steps", type=int, default=STEPS, help="of the released; default %(default)s")
    parser.add_argument("--frames", type=int, help="of our clip; default 36 on a GPU, 4 elsewhere")
    parser.add_argument("--pictures", type=int, nargs=2, default=(UNET_STEPS, DECODER_STEPS), metavar=("N", "M"))
    parser.add_argument("--tunings", choices=TUNINGS, nargs="+", default=tuple(TUNINGS), help="default all")
    parser.add_argument("--repeats", type=int, default=Amount.repeats, help="rounds; default %(default)s")
    parser.add_argument("--compile", action="store_true", help="compile our networks for sampling")
    parser.add_argument("--out", type=Path, help="default benchmarks/results/gpu.json, or gpu_small.json")
    options = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    on_card = device.type == "cuda"
    name = options.size or ("full" if on_card else "small")
    amount = Amount(
        options.repeats,
        options.frames or (36 if on_card else 4),
        options.steps,
        options.released_steps,
        tuple(options.pictures),
    )
    begun, worked = time.monotonic(), time.process_time()
    figures = compare(SIZES[name], device, amount, options.tunings, options.compile)
    seconds, worked = time.monotonic() - begun, time.process_time() - worked
    threads = torch.get_num_threads()
    about = {
        "size": name,
        "pixels": [SIZES[name].width, SIZES[name].height],
        "weights": "random",
        "threads": None if on_card else threads,
        "share_of_threads": None if on_card else worked / seconds / threads,  # less than 1: others had the cores too
        "load_average": [round(load, 1) for load in os.getloadavg()],  # other processes of the machine count in it
        "run_seconds": round(seconds),
    }
    path = record.write("gpu" if name == "full" else f"gpu_{name}", _rounded(about | figures), options.out)
    for what, times in figures["ratios"].items():
        span = f"({times['least']:.1f} to {times['most']:.1f} in {amount.repeats} rounds)"
        print(f"{what}: {times['median']:.1f} times faster than the released recipe {span}")
    part = figures["ours"]["frame"]["of_matrix_rate"]
    print(f"sampling reaches {part:.0%} of this device's matrix product ({figures['matrix_rate_tflops']:.3g} TFLOP/s)")
    print(path)


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
