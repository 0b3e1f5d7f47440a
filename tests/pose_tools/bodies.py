"""Known bodies, and the landmarks and mask that a perfect detector would find of them."""
import numpy as np

from pose_tools.body.camera import Camera
from pose_tools.body.derivatives import ancestors, articulate, rigid_points
from pose_tools.body.figure import BONES, Pose, load_figure, pose_vertices
from pose_tools.body.fit import FittedBody
from pose_tools.body.marks import depth_errors, mark_shifts
from pose_tools.body.raster import draw_iuv, raster
from pose_tools.landmarks import Landmarks

FIGURE = load_figure()
ROW = {name: i for i, name in enumerate(BONES)}


def posed(yaw: float = 0.0, **turns) -> Pose:
    """A relaxed standing pose; `turns` gives rotation vectors of bones, "_" for "." in their names."""
    rotations = np.zeros((len(BONES), 3))
    rotations[ROW["upperarm01.L"]], rotations[ROW["upperarm01.R"]] = [0, 0.4, 0], [0, -0.4, 0]
    for name, turn in turns.items():
        rotations[ROW[name.replace("_", ".")]] = turn
    return Pose(rotations, yaw, np.zeros(3))


def perfect_landmarks(shape: np.ndarray, pose: Pose, camera: Camera) -> Landmarks:
    """What mediapipe finds of this body on the mean; landmarks that the figure has no anchor for are not visible."""
    index = FIGURE.anchor_index
    points = FIGURE.anchors + np.tensordot(shape, FIGURE.anchor_modes, 1) + mark_shifts(index)
    state = articulate(FIGURE, shape, pose.rotations, pose.yaw)
    places, _ = rigid_points(state, points, FIGURE.anchor_modes, FIGURE.anchor_bone, ancestors(FIGURE.parents))
    places = places + pose.shift
    pixels, world, visibility = np.zeros((33, 2)), np.zeros((33, 3)), np.zeros(33)
    pixels[index] = camera.project(places)
    hips = places[np.isin(index, (23, 24))].mean(0)
    world[index] = (places - hips)[:, [0, 2, 1]] * [1, -1, 1]
    world[index, 2] += depth_errors(index, pose.yaw)
    visibility[index] = 0.95
    mask = (draw_iuv(FIGURE, shape, pose, camera)[..., 0] > 0).astype(np.float32)
    return Landmarks(pixels, visibility, world, mask)


def body_inside(body: FittedBody, mask: np.ndarray) -> float:
    """Share of the drawn body's pixels that lie in the mask (H, W) 0..1 of the same picture."""
    camera = body.camera
    points = camera.with_depth(pose_vertices(FIGURE, body.shape, body.pose))
    hits = raster(points, FIGURE.faces, camera.width, camera.height)
    return float((mask.ravel()[hits.pixel] > 0.5).mean()) if len(hits.pixel) else 0.0
