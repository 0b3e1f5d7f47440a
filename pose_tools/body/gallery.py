"""Writes the gallery: a motion file, a moving thumbnail and a still poster for each score, and their order.

    python -m pose_tools.body.gallery [FOLDER]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from pose_tools.body.camera import Camera
from pose_tools.body.figure import load_figure, pose_vertices
from pose_tools.body.fit import FittedBody
from pose_tools.body.motion import MOTIONS, Motion, perform, template_body
from pose_tools.body.moves import MOVES
from pose_tools.body.raster import paint_charts, raster
from pose_tools.body.stage import play
from pose_tools.draw import colour_iuv
from pose_tools.files import replacing

WIDTH, HEIGHT, FPS = 160, 200, 12
SMOOTHING = 2  # pixels drawn per pixel shown, each way
PAPER = (238, 238, 242)
LIGHT = np.array([-0.45, -0.75, 0.5]) / np.linalg.norm([-0.45, -0.75, 0.5])


def picture(pose, body: FittedBody) -> Image.Image:
    """The figure in its part colours, lit from the upper left, with a soft shadow under the feet."""
    figure, camera = load_figure(), body.camera
    vertices = pose_vertices(figure, body.shape, pose)
    hits = raster(camera.with_depth(vertices), figure.faces, camera.width, camera.height)
    colour = colour_iuv(paint_charts(hits, figure.part, figure.uv, camera.width, camera.height), PAPER)
    corners = vertices[figure.faces]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normal, figure.faces[:, k], flat)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12
    light = 0.62 + 0.5 * np.clip(hits.take(figure.faces, (normal @ LIGHT)[:, None])[:, 0], 0, 1)
    lit = colour.reshape(-1, 3).astype(float)
    lit[hits.pixel] *= light[:, None]
    lit = _shadow(lit.reshape(colour.shape), vertices, hits, camera)
    picture = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
    return picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def _shadow(picture: np.ndarray, vertices: np.ndarray, hits, camera: Camera) -> np.ndarray:
    """A soft ellipse on the ground, behind the figure."""
    low = vertices[vertices[:, 2] < vertices[:, 2].min() + 0.12]
    x, y = camera.project(np.array([low[:, 0].mean(), 0, vertices[:, 2].min()]))
    half = camera.scale * (0.12 + np.ptp(low[:, 0]) / 2)
    rows, columns = np.mgrid[: camera.height, : camera.width]
    inside = 1 - ((columns - x) / half) ** 2 - ((rows - y) / (0.16 * half)) ** 2
    shade = 1 - 0.16 * np.clip(inside, 0, 1)
    shade.reshape(-1)[hits.pixel] = 1
    return picture * shade[..., None]


def write(motion: Motion, folder: Path) -> None:
    """One motion's three files."""
    motion.save(folder)
    body = template_body(WIDTH * SMOOTHING, HEIGHT * SMOOTHING)
    poses = perform(motion, body, round(motion.seconds * FPS))
    pictures = [picture(pose, body) for pose in poses]
    with replacing(folder / f"{motion.name}.webp") as path:
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=1000 / FPS, loop=0,
                         quality=82, method=4)
    far = [np.abs(np.asarray(p, int) - np.asarray(pictures[0], int)).mean() for p in pictures]
    with replacing(folder / f"{motion.name}.png") as path:
        pictures[int(np.argmax(far))].quantize(96).save(path, optimize=True)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else MOTIONS
    folder.mkdir(parents=True, exist_ok=True)
    motions = [play(score()) for score in MOVES]
    with replacing(folder / "order.json") as path:
        path.write_text(json.dumps([motion.name for motion in motions], indent=1) + "\n")
    for motion in motions:
        write(motion, folder)
        print(f"{motion.name}: {motion.seconds:.1f} s, {len(motion)} frames", file=sys.stderr)


if __name__ == "__main__":
    main()
