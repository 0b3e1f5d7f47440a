"""The rasteriser against a triangle-by-triangle reference, and the drawn body."""
import numpy as np

from pose_tools.body.camera import Camera
from pose_tools.body.figure import Pose, joint_positions, load_figure, pose_vertices
from pose_tools.body.raster import draw_iuv, paint_charts, raster

FIGURE = load_figure()
STILL = np.zeros(len(FIGURE.mode_names))
CAMERA = Camera(160.0, 128.0, 150.0, 256, 320)


def reference(points, faces, width, height):
    """Nearest depth at every pixel centre, one triangle after the other."""
    out = np.full((height, width), np.inf)
    for f in faces:
        p = points[f].astype(float)
        edges = np.array([p[1, :2] - p[0, :2], p[2, :2] - p[0, :2]]).T
        if abs(np.linalg.det(edges)) < 1e-9:
            continue
        for y in range(height):
            for x in range(width):
                b, c = np.linalg.solve(edges, [x + 0.5 - p[0, 0], y + 0.5 - p[0, 1]])
                if min(b, c, 1 - b - c) >= 0:
                    out[y, x] = min(out[y, x], (1 - b - c) * p[0, 2] + b * p[1, 2] + c * p[2, 2])
    return out


def test_matches_the_reference():
    rng = np.random.default_rng(0)
    points = rng.uniform([-4, -4, -1], [20, 16, 1], (14, 3))
    faces = rng.integers(0, 14, (12, 3))
    hits = raster(points, faces, 17, 13)
    drawn = np.full(17 * 13, np.inf)
    drawn[hits.pixel] = hits.depth
    expected = reference(points, faces, 17, 13).ravel()
    assert np.isfinite(expected).sum() > 50
    np.testing.assert_array_equal(np.isfinite(drawn), np.isfinite(expected))
    np.testing.assert_allclose(drawn[hits.pixel], expected[hits.pixel], atol=1e-4)
    np.testing.assert_allclose(hits.barycentric.sum(1), 1, atol=1e-5)
    place = hits.take(faces, points)
    np.testing.assert_allclose(place[:, 0], hits.pixel % 17 + 0.5, atol=1e-3)
    np.testing.assert_allclose(place[:, 1], hits.pixel // 17 + 0.5, atol=1e-3)


def test_nothing_in_view():
    points = np.array([[-9.0, 2, 0], [-5, 2, 0], [-7, 9, 0]])
    assert len(raster(points, np.array([[0, 1, 2]]), 10, 10).pixel) == 0


def test_neighbouring_triangles_leave_no_gap():
    grid = np.stack(np.meshgrid(np.linspace(1, 31, 14), np.linspace(1, 31, 14)), -1).reshape(-1, 2)
    points = np.concatenate([grid, np.zeros((len(grid), 1))], 1)
    a = (np.arange(13)[:, None] * 14 + np.arange(13)).ravel()
    faces = np.concatenate([np.stack([a, a + 1, a + 14], 1), np.stack([a + 1, a + 15, a + 14], 1)])
    assert len(raster(points, faces, 32, 32).pixel) == 30 * 30


def test_barycentric_weights_and_depth_are_single_precision():
    points = np.array([[1, 1, 0], [9, 2, 1], [3, 8, 2]])
    hits = raster(points, np.array([[0, 1, 2]]), 12, 10)
    assert len(hits.pixel) > 10 and hits.barycentric.dtype == hits.depth.dtype == np.float32


def test_charts_are_those_of_all_faces_although_only_half_are_drawn():
    turned = Pose(np.random.default_rng(1).normal(0, 0.4, (19, 3)), 0.7, np.zeros(3))
    points = CAMERA.with_depth(pose_vertices(FIGURE, STILL, turned))
    hits = raster(points, FIGURE.faces, CAMERA.width, CAMERA.height)
    everything = paint_charts(hits, FIGURE.part, FIGURE.uv, CAMERA.width, CAMERA.height)
    np.testing.assert_array_equal(draw_iuv(FIGURE, STILL, turned, CAMERA), everything)


def test_body_from_the_front_and_from_behind():
    front = draw_iuv(FIGURE, STILL, Pose.rest(), CAMERA)
    assert front.shape == (320, 256, 3) and front.dtype == np.uint8
    part = front[..., 0]
    middle = part[:, 120:136]
    assert (middle == 2).any() and not (middle == 1).any()
    # the own left lies on the picture's right
    assert np.nonzero(part == 4)[1].min() > 128 > np.nonzero(part == 3)[1].max()
    back = draw_iuv(FIGURE, STILL, Pose(np.zeros((19, 3)), np.pi, np.zeros(3)), CAMERA)[..., 0]
    assert np.nonzero(back == 4)[1].max() < 128 < np.nonzero(back == 3)[1].min()
    assert (back == 1).sum() > 1000 > (back == 2).sum()


def test_joints_fall_on_their_parts():
    part = draw_iuv(FIGURE, STILL, Pose.rest(), CAMERA)[..., 0]
    places = CAMERA.project(joint_positions(FIGURE, STILL, Pose.rest()))
    for name, parts in (("head", (23, 24)), ("wrist.L", (4, 19, 21)), ("lowerleg01.R", (9, 13)), ("spine02", (2,))):
        x, y = places[FIGURE.bone(name)].astype(int)
        assert part[y, x] in parts
