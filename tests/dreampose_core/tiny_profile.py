"""The profile "tiny": a model of random weights for pictures of 96x128 pixels, in a folder that a test names.

A worker loads this module by --kinds, with the folder in the environment.
"""

import os
from pathlib import Path

import numpy as np
import torch

from dreampose_core.jobs import align, animate, extract  # noqa: F401 (they add their kinds)
from dreampose_core.modeling import ImageAdapter
from dreampose_core.profiles import PROFILES, Profile
from pose_tools.body.figure import BONES
from pose_tools.body.motion import Motion
from tests.dreampose_core.tiny import TOKEN_WIDTH, TOKENS, tiny_pipeline

FOLDER = "TINY_MODEL"
WIDTH, HEIGHT = 96, 128


def save_tiny_model(folder: Path) -> None:
    torch.manual_seed(1)
    adapter = ImageAdapter((HEIGHT // 16) * (WIDTH // 16), TOKEN_WIDTH, TOKENS)
    tiny_pipeline().with_parts(adapter=adapter).save_pretrained(folder)


def add_tiny_profile(folder: Path) -> None:
    PROFILES["tiny"] = Profile(
        name="tiny",
        title="For tests",
        folder=folder,
        height=HEIGHT,
        width=WIDTH,
        steps=2,
        s1=1.0,
        s2=1.5,
        frames=6,
        fps=12.0,
        finetune_steps=3,
        decoder_steps=2,
    )


def save_wave(folder: Path) -> Path:
    """A motion file: the left arm goes up and comes back."""
    seconds = np.linspace(0, 1, 24)
    rotations = np.zeros((24, len(BONES), 3), np.float32)
    rotations[:, BONES.index("upperarm01.L"), 1] = -0.6 * np.sin(np.pi * seconds)
    planted = np.ones((24, 2), bool)
    return Motion("wave", "Wave", "An arm goes up.", rotations, np.zeros(24), planted, 24.0, True).save(
        folder
    )


if FOLDER in os.environ:
    add_tiny_profile(Path(os.environ[FOLDER]))
