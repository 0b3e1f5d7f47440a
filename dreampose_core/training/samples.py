"""A picture of how far a base training has come: photo, pose, truth, and what the model makes of the first two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dreampose_core.pipeline import DreamPosePipeline
from dreampose_core.training.clips import Clips
from dreampose_core.training.pairs import draw_pairs
from dreampose_core.weights.checkpoints import plain_disk_errors
from pose_tools.draw import colour_iuv
from pose_tools.files import replacing
from pose_tools.sequence import PoseSequence

MIDDLE = 2  # of five poses
NEVER = 2**31  # a step that no training has: the rows are those of no batch, and the same at every checkpoint


@torch.no_grad()
def sample_grid(pipeline: DreamPosePipeline, clips: Clips, rows: int, steps: int, seed: int) -> np.ndarray:
    """uint8 (rows * H, 4 * W, 3), without guidance; sampling leaves the chance of the training alone."""
    lines = []
    for clip, photo, frame in draw_pairs(clips, rows, seed, NEVER, 0):
        poses = PoseSequence(clip.poses().iuv[clip.around(frame)], clips.fps)
        seen = clip.frame(photo)
        made = dict(pipeline.frames(seen, poses, num_inference_steps=steps, seed=seed, only=[MIDDLE], batch_size=1))
        lines.append(np.concatenate([seen, colour_iuv(poses.iuv[MIDDLE]), clip.frame(frame), made[MIDDLE]], axis=1))
    return np.concatenate(lines)


def write_grid(path: Path, grid: np.ndarray) -> None:
    with plain_disk_errors(), replacing(path) as temporary:
        Image.fromarray(grid).save(temporary, quality=92)
