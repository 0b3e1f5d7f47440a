"""Rays against triangles that may be cut away: first hits of a picture's pixels, shadow and ambient occlusion.

The camera is orthographic and looks along +y. A triangle mesh carries a value per vertex; where it interpolates
to less than 0 the surface is not there and the ray goes on. So hems, necklines and hair lines are smooth curves,
whatever the mesh.
"""

from dataclasses import dataclass

import numpy as np
import warp as wp

wp.config.quiet = True


@wp.func
def _there(keep: wp.array(dtype=float), faces: wp.array(dtype=int), face: int, u: float, v: float):
    return (
        u * keep[faces[3 * face]] + v * keep[faces[3 * face + 1]] + (1.0 - u - v) * keep[faces[3 * face + 2]]
    )


@wp.kernel
def _first_hit(
    mesh: wp.uint64,
    keep: wp.array(dtype=float),
    faces: wp.array(dtype=int),
    width: int,
    scale: float,
    cx: float,
    cy: float,
    out_face: wp.array(dtype=int),
    out_uvt: wp.array(dtype=wp.vec3),
):
    i = wp.tid()
    x = (float(i % width) + 0.5 - cx) / scale
    z = (cy - float(i / width) - 0.5) / scale
    y = float(-5.0)  # noqa: UP018  warp: a variable that the loop changes
    out_face[i] = -1
    for _ in range(32):
        hit = wp.mesh_query_ray(mesh, wp.vec3(x, y, z), wp.vec3(0.0, 1.0, 0.0), 20.0)
        if not hit.result:
            return
        if _there(keep, faces, hit.face, hit.u, hit.v) > 0.0:
            out_face[i] = hit.face
            out_uvt[i] = wp.vec3(hit.u, hit.v, y + hit.t)
            return
        y = y + hit.t + 0.0002


@wp.func
def _distance(
    mesh: wp.uint64,
    keep: wp.array(dtype=float),
    faces: wp.array(dtype=int),
    start: wp.vec3,
    direction: wp.vec3,
    reach: float,
):
    gone = float(0.0)  # noqa: UP018  warp: a variable that the loop changes
    for _ in range(12):
        hit = wp.mesh_query_ray(mesh, start + direction * gone, direction, reach - gone)
        if not hit.result:
            return reach
        if _there(keep, faces, hit.face, hit.u, hit.v) > 0.0:
            return gone + hit.t
        gone = gone + hit.t + 0.0005
        if gone >= reach:
            return reach
    return reach


@wp.kernel
def _occlusion(
    mesh: wp.uint64,
    keep: wp.array(dtype=float),
    faces: wp.array(dtype=int),
    start: wp.array(dtype=wp.vec3),
    normal: wp.array(dtype=wp.vec3),
    light: wp.vec3,
    spread: float,
    reach: float,
    pixel: wp.array(dtype=int),
    width: int,
    out: wp.array(dtype=wp.vec2),
):
    i = wp.tid()
    state = wp.rand_init(17, i)
    # every 4x4 pixels share out the disc and the hemisphere, so that a small blur already averages evenly
    x = pixel[i] % width
    y = pixel[i] / width
    a = (float(x % 4) + wp.randf(state)) * 0.25
    b = (float(y % 4) + wp.randf(state)) * 0.25
    turn = 6.2831853 * a
    n = normal[i]
    origin = start[i] + n * 0.006
    side = wp.normalize(wp.cross(light, wp.vec3(0.13, 0.21, 0.97)))
    r = wp.sqrt(b) * spread
    to_light = wp.normalize(light + (side * wp.cos(turn) + wp.cross(light, side) * wp.sin(turn)) * r)
    lit = float(0.0)  # noqa: UP018  warp: a variable that a branch changes
    if wp.dot(to_light, n) > 0.0:
        if _distance(mesh, keep, faces, start[i] + n * 0.014, to_light, 2.0) >= 2.0:
            lit = 1.0
    h = 1.0 - 2.0 * b
    flat = wp.sqrt(wp.max(0.0, 1.0 - h * h))
    around = wp.normalize(n + wp.vec3(flat * wp.cos(turn), flat * wp.sin(turn), h) * 0.98)
    out[i] = wp.vec2(lit, _distance(mesh, keep, faces, origin, around, reach) / reach)


@dataclass(frozen=True)
class Hits:
    """What a picture's rays met, K of them: flat pixel index, face, barycentric (K,3), depth y (K,) in metres."""

    pixel: np.ndarray
    face: np.ndarray
    barycentric: np.ndarray
    depth: np.ndarray


class Scene:
    """Triangles of one frame. points (N,3) metres, faces (F,3), keep (N,): there where it interpolates above 0."""

    def __init__(self, points: np.ndarray, faces: np.ndarray, keep: np.ndarray):
        self.indices = wp.array(np.ascontiguousarray(faces.reshape(-1), np.int32), dtype=int, device="cpu")
        self.keep = wp.array(np.ascontiguousarray(keep, np.float32), dtype=float, device="cpu")
        points = wp.array(np.ascontiguousarray(points, np.float32), dtype=wp.vec3, device="cpu")
        self.mesh = wp.Mesh(points=points, indices=self.indices, bvh_constructor="sah")

    def look(self, width: int, height: int, scale: float, cx: float, cy: float) -> Hits:
        """First hits; px_x = scale x + cx, px_y = -scale z + cy, pixel centres at +0.5."""
        face = wp.empty(width * height, dtype=int, device="cpu")
        uvt = wp.empty(width * height, dtype=wp.vec3, device="cpu")
        wp.launch(
            _first_hit,
            dim=width * height,
            device="cpu",
            inputs=[
                self.mesh.id,
                self.keep,
                self.indices,
                width,
                float(scale),
                float(cx),
                float(cy),
                face,
                uvt,
            ],
        )
        face = face.numpy()
        pixel = np.flatnonzero(face >= 0)
        uvt = uvt.numpy()[pixel]
        u, v = uvt[:, 0], uvt[:, 1]
        return Hits(pixel, face[pixel], np.stack([u, v, 1 - u - v], 1), uvt[:, 2])

    def occlusion(
        self,
        points: np.ndarray,
        normals: np.ndarray,
        light: np.ndarray,
        spread: float,
        reach: float,
        pixel: np.ndarray,
        width: int,
    ) -> np.ndarray:
        """One random ray each to the light and to the surroundings: (K,2), lit 0/1 and openness 0..1."""
        start = wp.array(np.ascontiguousarray(points, np.float32), dtype=wp.vec3, device="cpu")
        normal = wp.array(np.ascontiguousarray(normals, np.float32), dtype=wp.vec3, device="cpu")
        out = wp.empty(len(points), dtype=wp.vec2, device="cpu")
        wp.launch(
            _occlusion,
            dim=len(points),
            device="cpu",
            inputs=[
                self.mesh.id,
                self.keep,
                self.indices,
                start,
                normal,
                wp.vec3(*[float(c) for c in light]),
                float(spread),
                float(reach),
                wp.array(pixel.astype(np.int32), dtype=int, device="cpu"),
                width,
                out,
            ],
        )
        return out.numpy()
