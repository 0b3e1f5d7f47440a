"""`download`: fetch what a profile's weights are made from, and make them, so that later work needs no network."""

from __future__ import annotations

import argparse
import os

from dreampose_core.commands.import_weights import add_base_arguments, check_free, downloads_folder, find_base, say
from dreampose_core.jobs.lock import take
from dreampose_core.profiles import PROFILES, SD1, cache_folder, find_profile
from dreampose_core.weights import hub
from dreampose_core.weights.base import from_base, save_model
from pose_tools.errors import BadInput


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default=SD1, help=f"one of {', '.join(PROFILES)}; default %(default)s")
    add_base_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Raises BadInput."""
    try:
        profile = find_profile(options.profile)
    except KeyError as error:
        raise BadInput(str(error.args[0])) from error
    if profile.here:
        say(f"The weights of {profile.name} are here: {profile.folder}")
        return 0
    if not profile.fetched:
        raise BadInput(f"The weights of {profile.name} come with the project, but {profile.folder} is empty.")
    lock = take(cache_folder() / "downloads.lock")
    if lock is None:
        raise BadInput("Another process downloads already; please wait until it has ended.")
    try:
        check_free(profile.folder)
        base = find_base(options, (hub.VAE, hub.UNET))
        save_model(from_base(base, profile.height, profile.width), profile.folder)
        hub.forget(downloads_folder())
    finally:
        os.close(lock)
    say(
        f"{profile.folder} is written: Stable Diffusion whose pose channels are not trained yet; the authors' trained "
        "weights come by `import`, weights of your own by `train`"
    )
    return 0
