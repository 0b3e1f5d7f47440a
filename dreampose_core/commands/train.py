"""`train`: the paper's base training on prepared clips; the same command goes on with an interrupted run.

    python -m dreampose_core prepare VIDEOS --out CLIPS --height 640 --width 512
    python -m dreampose_core train CLIPS --out RUN --model dreampose-sd1
    accelerate launch --num_processes 8 --mixed_precision bf16 -m dreampose_core train CLIPS --out RUN --model ...

RUN/model is a model folder like the one it began with. The embedded model has a recipe of its own: `train-mini`.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields
from pathlib import Path

from dreampose_core.profiles import PROFILES
from dreampose_core.training.base import BaseSettings, make_accelerator, train_base
from dreampose_core.training.clips import load_clips
from dreampose_core.weights.checkpoints import load_model
from pose_tools.errors import BadInput

ON_CPUS = "for several without GPUs set ACCELERATE_USE_CPU=true and launch with --multi_gpu in place of --cpu."
HELP = {
    "steps": "updates of the weights",
    "batch": "pairs a process and call of the UNet",
    "accumulate": "calls of the UNet that an update is summed over",
    "rate": "learning rate",
    "warmup": "steps until the learning rate is reached",
    "decay": "AdamW's weight decay",
    "clip": "largest norm of the gradient",
    "ema": "decay of the averaged weights",
    "drop": "share of pairs without the photo, and of pairs without the pose",
    "min_snr": "weigh noise levels by min-SNR with this gamma (5 is usual); left out, all count alike",
    "vision": "train the vision encoder too",
    "checkpointing": "less memory for a third more time",
    "eight_bit": "Adam's averages in 8 bits; needs bitsandbytes",
    "save_every": "steps between checkpoints",
    "keep": "checkpoints that stay",
    "log_every": "steps between lines on the screen",
    "samples": "rows of the picture that is made at every checkpoint",
    "sample_steps": "denoising steps of that picture",
    "seed": "of all that is random",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clips", type=Path, metavar="CLIPS", help="a folder of `prepare`")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run's folder, new or interrupted")
    parser.add_argument("--model", required=True, metavar="NAME|FOLDER", help="what to start from")
    parser.add_argument("--precision", choices=("no", "fp16", "bf16"), help="default: accelerate's setting")
    parser.add_argument("--tracker", metavar="NAME", help="tensorboard, wandb, ...: one that accelerate knows")
    parser.add_argument(
        "--latents", type=Path, metavar="DIR", help="encode every frame once and keep it here, for faster steps"
    )
    parser.add_argument("--threads", type=int, default=4, metavar="N", help="that read pictures, default %(default)s")
    for field in fields(BaseSettings):
        name, default = f"--{field.name.replace('_', '-')}", field.default
        if isinstance(default, bool):
            parser.add_argument(name, action="store_true", help=HELP[field.name])
        else:
            kind = int if isinstance(default, int) else float
            said = "" if default is None else ", default %(default)s"
            parser.add_argument(name, type=kind, default=default, metavar="N", help=HELP[field.name] + said)


def run(options: argparse.Namespace) -> int:
    """Raises BadInput; of many processes the first one alone says it."""
    try:
        return _train(options)
    except BadInput:
        if os.environ.get("RANK", "0") == "0":
            raise
        return 2
    except RuntimeError as error:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "by peer" in str(error):
            raise BadInput("Another process of the training has ended; the same command goes on from here.") from error
        raise


def _train(options: argparse.Namespace) -> int:
    settings = BaseSettings(**{field.name: getattr(options, field.name) for field in fields(BaseSettings)})
    if options.threads < 1:
        raise BadInput("At least one thread must read pictures.")
    clips = load_clips(options.clips)
    profile = PROFILES.get(options.model)
    if profile and not profile.here:
        raise BadInput(profile.what_to_do)
    pipeline = load_model(profile.folder if profile else options.model)
    accelerator = make_accelerator(options.precision, options.tracker, options.out)
    if accelerator.num_processes == 1 and {"MASTER_ADDR", "ACCELERATE_USE_CPU"} <= os.environ.keys():
        print(f"accelerate has started one process; {ON_CPUS}", file=sys.stderr)
    if pipeline.carried and accelerator.is_main_process:
        print("This model reads carried pictures too; clips have none, so it is trained without.", file=sys.stderr)
    train_base(pipeline, clips, options.out, settings, accelerator, options.threads, _say, options.latents)
    if accelerator.is_main_process:
        print(f"{options.out / 'model'} is written.", file=sys.stderr)
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
