"""A drawn person that the finder takes for one: the figure, dressed by its charts, before a plain wall."""

import numpy as np

from pose_tools.body.camera import Camera
from pose_tools.body.figure import BONES, Pose, load_figure, pose_vertices
from pose_tools.body.raster import raster

WALL = (214, 211, 206)
SKIN, HAIR, SHIRT, TROUSERS, SHOES = (224, 178, 152), (60, 42, 32), (36, 92, 150), (70, 62, 66), (30, 26, 28)
CLOTHES = (
    {1: SHIRT, 2: SHIRT, 5: SHOES, 6: SHOES}
    | {i: TROUSERS for i in range(7, 15)}
    | {i: SHIRT for i in range(15, 19)}
)


def draw_person(width: int = 384, height: int = 480, part: float = 0.86, middle: float = 0.5) -> np.ndarray:
    """uint8 (height, width, 3): somebody standing, arms a little off, facing the camera.

    part: of the height that the person takes; middle: where they stand, as a part of the width.
    """
    figure = load_figure()
    rotations = np.zeros((len(BONES), 3))
    rotations[BONES.index("upperarm01.L"), 1] = 0.75
    rotations[BONES.index("upperarm01.R"), 1] = -0.75
    vertices = pose_vertices(figure, np.zeros(len(figure.modes)), Pose(rotations, 0.0, np.zeros(3)))
    low, high = vertices[:, 2].min(), vertices[:, 2].max()
    scale = part * height / (high - low)
    camera = Camera(scale, middle * width, 0.96 * height + scale * low, width, height)
    hits = raster(camera.with_depth(vertices), figure.faces, width, height)
    corners = vertices[figure.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    smooth = np.zeros_like(vertices)
    np.add.at(smooth, figure.faces, normals[:, None])
    normal = hits.take(figure.faces, smooth)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    light = 0.5 + 0.5 * np.abs(normal @ (np.array([0.3, -0.85, 0.42])))
    colour = np.array([CLOTHES.get(int(i), SKIN) for i in figure.part[hits.face]], float)
    place = hits.take(figure.faces, vertices)
    crown = figure.part[hits.face] >= 23
    hairy = crown & ((place[:, 2] > high - 0.07 * (high - low) * 0.7) | (normal[:, 1] > 0.3))
    colour[hairy] = HAIR
    wall = np.array(WALL) * (0.9 + 0.1 * np.linspace(1, 0, height)[:, None, None])
    picture = np.broadcast_to(wall, (height, width, 3)).copy().reshape(-1, 3)
    picture[hits.pixel] = colour * light[:, None]
    return np.clip(picture, 0, 255).astype(np.uint8).reshape(height, width, 3)
