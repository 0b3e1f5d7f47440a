"""`profiles`: the model profiles, with size and settings, one a line, and whether their weights are there."""

from __future__ import annotations

import argparse

from dreampose_core.profiles import PROFILES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(options: argparse.Namespace) -> int:
    for profile in PROFILES.values():
        defaults = (
            f"{profile.finetune_steps}+{profile.decoder_steps} finetune steps, {profile.steps} steps a frame"
        )
        weights = "ready" if profile.here else f"weights missing, see `download` and `import`: {profile.folder}"
        print(f"{profile.name}: {profile.title} ({profile.width}x{profile.height} pixels, {defaults}; {weights})")
    return 0
