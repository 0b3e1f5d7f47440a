"""Scenes of real videos: the poses come from the clip as a whole, and do not shake what is carried to them."""

from pathlib import Path

import numpy as np

from benchmarks.scenes import real_scene
from dreampose_core.evaluation import metrics
from tests.moving import write_moving

PHOTO = Path(__file__).resolve().parents[1] / "assets" / "examples" / "blue_dress.jpg"


def test_a_video_enacted_from_its_first_frame_is_steady(tmp_path):
    scene = real_scene(write_moving(PHOTO, tmp_path / "moving.mp4", 9, 12), 8, 256, 320)
    carried, truth = scene.still, scene.truth  # of a picture that is moved as a whole
    assert carried.shape == truth.frames.shape and truth.mask.max() > 0.9
    unsteady = [float(np.nanmean(metrics.unsteadiness(clip, truth.flow))) for clip in (carried, truth.frames)]
    assert unsteady[0] - unsteady[1] < 0.004, unsteady  # 0.007 with each frame's body fitted by itself
    assert metrics.psnr(carried, truth.frames).mean() > 27
