"""Prepared clips of the figure in two shirts, waving, 48x64 pixels, with its true charts."""

from pathlib import Path

import numpy as np

from dreampose_core.training.clips import PNG, write_clip, write_manifest
from pose_tools.body.camera import Camera
from pose_tools.body.figure import BONES, Pose, load_figure, pose_vertices
from pose_tools.body.raster import paint_charts, raster
from pose_tools.sequence import PoseSequence
from tests.dreampose_core.person import CLOTHES, SKIN

SHIRTS = ((170, 40, 40), (40, 80, 170))


def wave(angle: float, shirt: tuple, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Picture and charts, uint8 (height, width, 3) both, of the figure with its arms `angle` radians down."""
    figure = load_figure()
    rotations = np.zeros((len(BONES), 3))
    rotations[BONES.index("upperarm01.L"), 1] = angle
    rotations[BONES.index("upperarm01.R"), 1] = -angle
    vertices = pose_vertices(figure, np.zeros(len(figure.modes)), Pose(rotations, 0.0, np.zeros(3)))
    low, high = vertices[:, 2].min(), vertices[:, 2].max()
    scale = 0.86 * height / (high - low)
    camera = Camera(scale, 0.5 * width, 0.96 * height + scale * low, width, height)
    hits = raster(camera.with_depth(vertices), figure.faces, width, height)
    clothes = {part: shirt if part in (1, 2, 15, 16, 17, 18) else colour for part, colour in CLOTHES.items()}
    picture = np.full((height * width, 3), 210, np.uint8)
    picture[hits.pixel] = [clothes.get(int(part), SKIN) for part in figure.part[hits.face]]
    return picture.reshape(height, width, 3), paint_charts(hits, figure.part, figure.uv, width, height)


def save_clips(folder: Path, frames: int = 6, height: int = 64, width: int = 48, kind: str = PNG) -> Path:
    """A folder as `prepare` writes it, of a clip for every shirt; returns it."""
    for number, shirt in enumerate(SHIRTS):
        drawn = [wave(angle, shirt, height, width) for angle in np.linspace(0.2, 0.9, frames)]
        poses = PoseSequence(np.stack([charts for _, charts in drawn]), 12.0)
        pictures = (picture for picture, _ in drawn)
        write_clip(folder / "clips" / f"shirt_{number}", pictures, poses, range(frames), kind, {"source": "drawn"})
    about = {"height": height, "width": width, "fps": 12.0}
    write_manifest(folder, about, [f"shirt_{number}" for number in range(len(SHIRTS))], {})
    return folder
