"""`evaluate`: the paper's table of generated clips against real ones.

    python -m dreampose_core evaluate --generated DIR --real DIR      # clips of the same names: videos, or pictures
    python -m dreampose_core evaluate --profile NAME --clips CLIPS    # first frame and poses of a prepared test set

LPIPS, FID, FVD and AED need networks that are not in the project (see perceptual.py); what is missing is said.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

import torch

from dreampose_core.evaluation.evaluation import compare_folders, evaluate, table_lines
from dreampose_core.evaluation.perceptual import find_networks
from dreampose_core.evaluation.reenactment import reenact
from dreampose_core.profiles import DEFAULT_PROFILE, PROFILES
from dreampose_core.training.clips import load_clips
from dreampose_core.weights.checkpoints import load_model
from pose_tools.errors import BadInput
from pose_tools.files import replacing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--generated", type=Path, metavar="DIR", help="clips to judge")
    parser.add_argument("--real", type=Path, metavar="DIR", help="the true clips, of the same names")
    parser.add_argument("--size", metavar="WIDTHxHEIGHT", help="pixels both are brought to")
    parser.add_argument("--clips", type=Path, metavar="CLIPS", help="in place of those: a test set of `prepare`")
    parser.add_argument(
        "--profile", default=DEFAULT_PROFILE, metavar="NAME|FOLDER", help="the model, default %(default)s"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="keeps the clips that the model makes")
    parser.add_argument("--most", type=int, metavar="N", help="only the first clips of the test set")
    parser.add_argument("--frames", type=int, metavar="N", help="only the first frames of each clip")
    parser.add_argument("--steps", type=int, metavar="N", help="denoising steps a frame")
    parser.add_argument("--s1", type=float, metavar="X", help="strength of the guidance by the photo")
    parser.add_argument("--s2", type=float, metavar="X", help="strength of the guidance by the pose")
    parser.add_argument("--batch", type=int, default=4, metavar="N", help="frames made together, default %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise")
    parser.add_argument("--networks", type=Path, metavar="DIR", help="files of the judging networks")
    parser.add_argument("--device", help="a torch device; default cuda where there is one, else cpu")
    parser.add_argument("--report", type=Path, metavar="FILE", help="all figures as JSON")


def run(options: argparse.Namespace) -> int:
    """Print the table. Raises BadInput."""
    folders = options.generated is not None or options.real is not None
    if folders == (options.clips is not None) or (folders and None in (options.generated, options.real)):
        raise BadInput("Please give either --generated and --real, or --clips.")
    for name in ("frames", "most", "steps", "batch"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise BadInput(f"--{name} must be at least 1.")
    if options.report and not options.report.resolve().parent.is_dir():
        raise BadInput(f"There is no folder {options.report.parent} to write {options.report.name} into.")
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    networks = find_networks(options.networks, device)
    about: dict = {"generated": str(options.generated), "real": str(options.real)}
    if folders:
        clips = compare_folders(options.generated, options.real, _size(options.size), options.frames)
    else:
        about = {"clips": str(options.clips), "profile": options.profile}
        clips, settings = _reenacted(options, device)
        about |= settings
    result = about | evaluate(clips, networks, _say)
    if options.report:
        with replacing(options.report) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n")
    print("\n".join(table_lines(result)))
    return 0


def _reenacted(options: argparse.Namespace, device: str):
    """The clips that a model makes, one by one, and the settings it makes them with."""
    clips = load_clips(options.clips)
    profile = PROFILES.get(options.profile)
    if profile and not profile.here:
        raise BadInput(profile.what_to_do)
    pipeline = load_model(profile.folder, profile.dtype_on(device)) if profile else load_model(options.profile)
    pipeline.to(device)
    settings = {"num_inference_steps": options.steps, "s1": options.s1, "s2": options.s2}
    default = (profile.steps, profile.s1, profile.s2) if profile else (20, 1.0, 1.0)
    settings = {
        name: given if given is not None else usual
        for (name, given), usual in zip(settings.items(), default, strict=True)
    }
    settings |= {"seed": options.seed, "batch_size": options.batch}
    if profile:
        settings |= {"scheduler": profile.scheduler, "guidance_interval": profile.guidance_interval}
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    return reenact(pipeline, clips, settings, options.frames, options.most, options.out, _say), settings


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None or not all(16 <= int(side) <= 4096 for side in match.groups()):
        raise BadInput("--size is like 256x320: width and height from 16 to 4096 pixels.")
    return int(match[1]), int(match[2])
