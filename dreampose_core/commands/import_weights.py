"""`import`: the authors' .pth files into a folder of the kind that this program reads."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dreampose_core.profiles import SD1, cache_folder, find_profile
from dreampose_core.weights import hub
from dreampose_core.weights.base import Base, from_authors, save_model
from pose_tools.errors import BadInput


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--unet", type=Path, required=True, metavar="FILE", help="unet_epoch_N.pth of the authors")
    parser.add_argument("--adapter", type=Path, required=True, metavar="FILE", help="adapter_N.pth")
    parser.add_argument("--vae", type=Path, metavar="FILE", help="vae_N.pth; without it the base's")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"a new folder; without it where {SD1} looks")
    add_base_arguments(parser)


def add_base_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base",
        type=Path,
        metavar="DIR",
        help="a folder of Stable Diffusion 1.x on this machine (diffusers, safetensors), in place of the Hub's 1.4",
    )
    parser.add_argument(
        "--clip", type=Path, metavar="DIR", help="a folder of CLIP ViT-B/32; without it image_encoder of --base"
    )


def run(options: argparse.Namespace) -> int:
    """Raises BadInput."""
    home = find_profile(SD1).folder
    out = options.out or home
    check_free(out)
    for file in filter(None, (options.unet, options.adapter, options.vae)):
        if not file.is_file():
            raise BadInput(f"There is no file of weights named {file}.")
    base = find_base(options, () if options.vae else (hub.VAE,))
    save_model(from_authors(options.unet, options.adapter, options.vae, base), out)
    hub.forget(downloads_folder())
    at_home = out.resolve() == home.resolve()
    say(f"{out} is written; --profile {SD1} reads {'it' if at_home else home}")
    return 0


def find_base(options: argparse.Namespace, weights: tuple[str, ...]) -> Base:
    """The base of --base and --clip, or what is needed of the Hub's.

    weights: of Stable Diffusion, beside its configurations. Raises BadInput.
    """
    for folder in filter(None, (options.base, options.clip)):
        if not folder.is_dir():
            raise BadInput(f"There is no folder {folder}.")
    vision = options.clip
    if vision is None and (options.base is None or not (options.base / "image_encoder").is_dir()):
        vision = hub.fetch(hub.VISION, hub.CLIP, downloads_folder(), say)
    diffusion = options.base or hub.fetch(hub.DIFFUSION, hub.CONFIGS + weights, downloads_folder(), say)
    return Base(diffusion, vision)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def check_free(folder: Path) -> None:
    """BadInput where something lies there already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"There is something at {folder} already; name a new folder, or remove it first.")


def downloads_folder() -> Path:
    return cache_folder() / "downloads"
