"""The anny body as garments need it: faces, 19 bones' weights, and coordinates that are the same for every build.

All regions (sleeves, necklines, hair line, eyes) are described on one canonical body of medium build, in metres:
x the person's left, y backwards, z up; waist 0.38, crotch 0.06, knee -0.29, ankle -0.74, floor -0.82, chin 0.79,
eyes 0.90, crown 1.02.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.sparse as sparse

BONES = ("root", "spine04", "spine02", "neck01", "head") + tuple(
    f"{name}.{side}"
    for side in "LR"
    for name in ("clavicle", "upperarm01", "lowerarm01", "wrist", "upperleg01", "lowerleg01", "foot")
)
BONE = {name: i for i, name in enumerate(BONES)}
FLOOR = -0.818


def _parent(name: str) -> int:
    chain = {"root": None, "spine04": "root", "spine02": "spine04", "neck01": "spine02", "head": "neck01"}
    limb = {
        "clavicle": "spine02",
        "upperarm01": "clavicle",
        "lowerarm01": "upperarm01",
        "wrist": "lowerarm01",
        "upperleg01": "root",
        "lowerleg01": "upperleg01",
        "foot": "lowerleg01",
    }
    if name in chain:
        return -1 if chain[name] is None else BONE[chain[name]]
    bone, side = name.split(".")
    above = limb[bone]
    return BONE[above if above in chain else f"{above}.{side}"]


PARENTS = tuple(_parent(name) for name in BONES)


@dataclass(frozen=True)
class Anatomy:
    """What all builds share. V vertices, F triangles, B = 19 bones.

    ``arm`` is the distance (m) from the shoulder along the arm, negative on the torso; ``arm_weight`` 0..1 tells
    arm from torso; ``arm_angle`` and ``leg_angle`` (radians, 0 in front, mirrored sides) run around the limbs.
    """

    model: object
    faces: np.ndarray  # (F,3) int32
    weights: np.ndarray  # (V,B) float32
    canon: np.ndarray  # (V,3) float32
    heads: np.ndarray  # (B,3) canonical bone heads
    arm: np.ndarray  # (V,)
    arm_weight: np.ndarray  # (V,)
    arm_angle: np.ndarray  # (V,)
    leg_angle: np.ndarray  # (V,)
    torso_angle: np.ndarray  # (V,)
    head_weight: np.ndarray  # (V,)
    eyeball: np.ndarray  # (V,) bool
    average: sparse.csr_matrix  # (V,V) mean of the neighbours

    def rest(self, sliders: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """Vertices (V,3) and bone heads (B,3) of a build, metres, in anny's A-pose."""
        vertices, heads = _rest(self.model, sliders)
        return vertices.astype(np.float32), heads[_bone_rows(self.model)].astype(np.float32)


def _rest(model, sliders):
    import torch

    pose = torch.eye(4, dtype=model.dtype)[None, None].repeat(1, len(model.bone_labels), 1, 1)
    with torch.no_grad():
        out = model(pose_parameters=pose, phenotype_kwargs=sliders)
    return out["rest_vertices"][0].numpy(), out["rest_bone_heads"][0].numpy()


def _bone_rows(model) -> list[int]:
    return [model.bone_labels.index(name) for name in BONES]


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def vertex_averager(faces: np.ndarray, count: int) -> sparse.csr_matrix:
    """(N,N) matrix that replaces every vertex by the mean of its neighbours."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    matrix = sparse.csr_matrix(
        (np.ones(len(edges), np.float32), (edges[:, 0], edges[:, 1])), shape=(count, count)
    )
    matrix.data[:] = 1
    total = np.asarray(matrix.sum(1)).ravel()
    return sparse.diags(1 / np.maximum(total, 1)).dot(matrix).tocsr().astype(np.float32)


def normal_gatherer(faces: np.ndarray, count: int) -> sparse.csr_matrix:
    """(N,F) matrix that sums face normals at the vertices."""
    rows = faces.reshape(-1)
    columns = np.repeat(np.arange(len(faces)), 3)
    return sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(count, len(faces)))


def vertex_normals(points: np.ndarray, faces: np.ndarray, gather: sparse.csr_matrix) -> np.ndarray:
    """Unit normals (N,3), weighted by area."""
    a, b, c = points[faces[:, 0]], points[faces[:, 1]], points[faces[:, 2]]
    return unit(gather @ np.cross(b - a, c - a))


def _limb_angle(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    axis = unit(end - start)
    front = np.array([0.0, -1.0, 0.0])
    front = unit(front - (front @ axis) * axis)
    side = np.cross(axis, front)
    offset = points - start
    return np.arctan2(-(offset @ side), offset @ front)


@lru_cache(1)
def load_anatomy() -> Anatomy:
    """Loads anny (its first use on a machine builds a cache, about two minutes)."""
    import anny
    import torch

    torch.set_num_threads(1)
    model = anny.Anny()
    labels = list(model.bone_labels)
    parents = [int(p) for p in model.bone_parents]
    owner = []
    for i, name in enumerate(labels):
        owner.append(BONE[name] if name in BONE else owner[parents[i]])
    faces = model.faces.numpy().astype(np.int32)
    count = len(model.template_vertices)
    weights = np.zeros((count, len(BONES)), np.float32)
    indices = np.asarray(owner)[model.vertex_bone_indices.numpy()]
    np.add.at(
        weights, (np.arange(count)[:, None], indices), model.vertex_bone_weights.numpy().astype(np.float32)
    )
    weights /= weights.sum(1, keepdims=True)
    canon, heads = _rest(model, {k: 0.5 for k in model.phenotype_labels} | {"age": 0.67})
    heads = heads[_bone_rows(model)]

    mirrored = canon * np.where(canon[:, :1] < 0, [[-1, 1, 1]], 1)
    shoulder, elbow, wrist = (heads[BONE[f"{n}.L"]] for n in ("upperarm01", "lowerarm01", "wrist"))
    hip, knee, ankle = (heads[BONE[f"{n}.L"]] for n in ("upperleg01", "lowerleg01", "foot"))
    of = lambda *names: weights[:, [BONE[f"{n}.{s}"] for n in names for s in "LR"]].sum(1)  # noqa: E731
    arm_weight, lower = of("upperarm01", "lowerarm01", "wrist"), of("lowerarm01", "wrist")
    upper_length = np.linalg.norm(elbow - shoulder)
    along = np.where(
        lower > 0.5,
        upper_length + (mirrored - elbow) @ unit(wrist - elbow),
        (mirrored - shoulder) @ unit(elbow - shoulder),
    )
    arm = np.where(arm_weight > 0.5, along, np.minimum(mirrored[:, 0] - 0.17, -0.002))
    average = vertex_averager(faces, count)
    for _ in range(3):
        arm = 0.5 * arm + 0.5 * (average @ arm)
    arm_angle = np.where(
        lower > 0.5, _limb_angle(mirrored, elbow, wrist), _limb_angle(mirrored, shoulder, elbow)
    )
    calf = of("lowerleg01", "foot") > 0.5
    leg_angle = np.where(calf, _limb_angle(mirrored, knee, ankle), _limb_angle(mirrored, hip, knee))
    # the two eyeballs are the mesh's only parts of 72 vertices
    _, part = sparse.csgraph.connected_components(average)
    eyeball = np.bincount(part)[part] == 72
    return Anatomy(
        model,
        faces,
        weights,
        canon.astype(np.float32),
        heads,
        arm,
        arm_weight,
        arm_angle,
        leg_angle,
        np.arctan2(canon[:, 0], -(canon[:, 1] + 0.03)),
        weights[:, BONE["head"]],
        eyeball,
        average,
    )
