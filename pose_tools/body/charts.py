"""Lays the 24 DensePose charts (part, U, V) on a body mesh at rest.

Source of the layout: measurements of the published chart layout of DensePose (Guler et al., CVPR 2018): which
way U and V run on each part, and where the charts meet. The mesh stands upright in metres, x to its own
left, y to its back, z up, arms hanging outward. Its triangles 2k and 2k + 1 are the halves of a quad and always
get the same part, so that seams follow the quads' edges. Only the left half is computed: right faces are mirrored
onto it and the layout's mirror rule is applied afterwards (swap the part; torso flips V; hands, feet and head
flip U).

Knows nothing of poses, cameras or files.
"""
from collections.abc import Mapping

import numpy as np
from scipy.sparse import coo_matrix

TORSO, HAND, FOOT, UPPER_LEG, LOWER_LEG, UPPER_ARM, LOWER_ARM, HEAD = range(8)
GROUP_BONES = {
    TORSO: ("root", "spine04", "spine02", "clavicle"), HAND: ("wrist",), FOOT: ("foot",),
    UPPER_LEG: ("upperleg01",), LOWER_LEG: ("lowerleg01",), UPPER_ARM: ("upperarm01",),
    LOWER_ARM: ("lowerarm01",), HEAD: ("neck01", "head"),
}
# (part on the left, part on the right) of the first and second half of each group
HALVES = {
    TORSO: ((2, 2), (1, 1)), HAND: ((4, 3),), FOOT: ((5, 6),), HEAD: ((24, 23),),
    UPPER_LEG: ((8, 7), (10, 9)), LOWER_LEG: ((12, 11), (14, 13)),
    UPPER_ARM: ((15, 16), (17, 18)), LOWER_ARM: ((19, 20), (21, 22)),
}
MIRROR_PART = np.array([0, 1, 2, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 18, 17, 20, 19, 22, 21, 24, 23],
                       np.uint8)


def mirror_iuv(iuv: np.ndarray) -> np.ndarray:
    """The map (H, W, 3) uint8 of the mirrored person: columns reversed, parts swapped, U or V turned."""
    out = iuv[:, ::-1].copy()
    part = out[..., 0]
    torso, turned = (part == 1) | (part == 2), ((part >= 3) & (part <= 6)) | (part >= 23)
    out[..., 1][turned] = 255 - out[..., 1][turned]
    out[..., 2][torso] = 255 - out[..., 2][torso]
    out[..., 0] = MIRROR_PART[part]
    return out


def lay_charts(vertices: np.ndarray, faces: np.ndarray, weights: np.ndarray, bone_names: tuple[str, ...],
               joints: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Part (F,) uint8 1..24 and per-corner uv (F, 3, 2) float32 0..1 of every face.

    `weights` (V, B) belong to `bone_names`; `joints` gives rest positions (3,) of the left side's bones, among
    them finger2-1.L, finger3-1.L and finger5-1.L, which tell the palm from the back of the hand.
    """
    group = _face_groups(faces, weights, bone_names)
    corners = vertices[faces].copy()
    right = _quad_centres(corners)[:, 0] < 0
    corners[right, :, 0] *= -1
    part = np.zeros(len(faces), np.uint8)
    uv = np.zeros((len(faces), 3, 2))
    lay = {TORSO: _torso, HAND: _hand, FOOT: _foot, HEAD: _head}
    for g in range(8):
        at = np.flatnonzero(group == g)
        second, uv[at] = lay[g](corners[at], joints) if g in lay else _limb(g, corners[at], joints)
        table = np.array(HALVES[g])
        part[at] = table[second.astype(int), right[at].astype(int)]
        axis = 1 if g == TORSO else 0 if g in (HAND, FOOT, HEAD) else None
        if axis is not None:
            turned = at[right[at]]
            uv[turned, :, axis] = 1 - uv[turned, :, axis]
    return part, np.clip(uv, 0, 1).astype(np.float32)


def _quad_centres(corners):
    """Middle of the quad that each triangle (N, 3, D) is half of: (N, D)."""
    return np.repeat(corners.reshape(-1, 6, corners.shape[-1]).mean(1), 2, 0)


def _face_groups(faces, weights, bone_names):
    """Body region 0..7 of each face: strongest region of skinning weights, smoothed so that seams run evenly."""
    names = np.array([name.split(".")[0] for name in bone_names])
    by_group = np.stack([weights[:, np.isin(names, GROUP_BONES[g])].sum(1) for g in range(8)], 1)
    a, b = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).T
    n = len(weights)
    near = coo_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), (n, n)).tocsr()
    count = np.maximum(np.asarray(near.sum(1)), 1)
    for _ in range(4):
        by_group = 0.5 * by_group + 0.5 * (near @ by_group) / count
    return _quad_centres(by_group[faces]).argmax(1)


def _unit(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def _sections(t, values, bins=24):
    """Middle of the extent of `values` (N, K) in slices of t (N,), as a function of t."""
    edges = np.linspace(t.min(), t.max() + 1e-9, bins + 1)
    slot = np.digitize(t, edges) - 1
    used = [i for i in range(bins) if (slot == i).sum() > 3]
    middle = np.stack([(values[slot == i].min(0) + values[slot == i].max(0)) / 2 for i in used])
    half = np.stack([np.ptp(values[slot == i], axis=0) / 2 for i in used])
    at = (edges[:-1] + edges[1:])[used] / 2
    def look(table):
        smooth = np.apply_along_axis(lambda c: np.convolve(np.pad(c, 1, "edge"), [.25, .5, .25], "valid"), 0, table)
        return lambda q: np.stack([np.interp(q, at, smooth[:, k]) for k in range(table.shape[1])], -1)
    return look(middle), look(half)


def _around(corners, t, first, quarter):
    """Angle in degrees of face centres (N,) and corners (N, 3) about the limb's middle line; 0 at `first`,
    90 at `quarter`. Corner angles stay within 180 degrees of their face's."""
    flat, tt = corners.reshape(-1, 3), t.reshape(-1)
    plane = np.stack([flat @ first, flat @ quarter], -1)
    offset = plane - _sections(tt, plane)[0](tt)
    of_corner = np.degrees(np.arctan2(offset[:, 1], offset[:, 0])).reshape(-1, 3)
    middle = _quad_centres(offset.reshape(-1, 3, 2))
    of_face = np.degrees(np.arctan2(middle[:, 1], middle[:, 0]))
    return of_face % 360, of_face[:, None] % 360 + (of_corner - of_face[:, None] + 180) % 360 - 180


def _spread(t, low=0.5, high=99.5):
    a, b = np.percentile(t, [low, high])
    return np.clip((t - a) / (b - a), 0, 1)


# group: bone span, then for first and second half (angle where V = 0, angle where V = 1, does U run upward).
# Legs and upper arms: 0 front, 90 outer, 180 back, 270 inner. Lower arm: 0 thumb, 90 back of the hand, 180
# little finger, 270 palm.
LIMBS = {
    UPPER_LEG: ("upperleg01.L", "lowerleg01.L", (315, 135, False), (135, -45, True)),
    LOWER_LEG: ("lowerleg01.L", "foot.L", (270, 90, True), (-90, 90, False)),
    UPPER_ARM: ("upperarm01.L", "lowerarm01.L", (225, 405, False), (45, 225, False)),
    LOWER_ARM: ("lowerarm01.L", "wrist.L", (360, 180, True), (180, 0, False)),
}


def _limb(g, corners, joints):
    start, end, first, second = LIMBS[g]
    axis = _unit(joints[end] - joints[start])
    zero = _radial(joints) if g == LOWER_ARM else np.array([0.0, -1.0, 0.0])
    zero = _unit(zero - zero @ axis * axis)
    # a quarter turn outward: front x down = left, which is the left limb's outer side
    quarter = np.cross(zero, axis)
    t = (corners - joints[start]) @ axis
    of_face, of_corner = _around(corners, t, zero, quarter)
    low = min(second[:2])
    is_second = (of_face - low) % 360 < 180
    u = _spread(t)
    uv = np.zeros((*t.shape, 2))
    for half, (v0, v1, upward) in ((~is_second, first), (is_second, second)):
        # whole turns are taken off so that the face lies between the half's two edges
        angle = (of_corner - 360 * np.round((of_face - (v0 + v1) / 2) / 360)[:, None])[half]
        uv[half] = np.stack([1 - u[half] if upward else u[half], (angle - v0) / (v1 - v0)], -1)
    return is_second, uv


def _radial(joints):
    """Direction from the little finger to the index finger of the left hand."""
    return joints["finger2-1.L"] - joints["finger5-1.L"]


def _hand(corners, joints):
    axis = _unit(joints["finger3-1.L"] - joints["wrist.L"])
    thumb = _radial(joints)
    thumb = _unit(thumb - thumb @ axis * axis)
    t = (corners - joints["wrist.L"]) @ axis
    of_face, angle = _around(corners, t, thumb, np.cross(thumb, axis))
    # the seam lies 15 degrees behind the thumb, so that the thumb keeps to one end of U
    turn = (angle - 15) - 360 * np.floor((of_face - 15) / 360)[:, None]
    return np.zeros(len(t), bool), np.stack([turn / 360, _spread(t, 0.5, 100)], -1)


def _foot(corners, joints):
    sole = corners[..., 2].min()
    middle = _sections(corners[..., 1].ravel(), corners[..., :1].reshape(-1, 1))[0]
    def angle_of(p):
        x = p[..., 0] - middle(p[..., 1].ravel()).reshape(p.shape[:-1])
        return np.degrees(np.arctan2(p[..., 2] - sole - 0.022, x))
    of_face = angle_of(_quad_centres(corners)) % 360
    angle = of_face[:, None] + (angle_of(corners) - of_face[:, None] + 180) % 360 - 180
    v = np.interp(angle, [0, 180, 360], [0.2, 0.7, 1.0])
    return np.zeros(len(v), bool), np.stack([_spread(-corners[..., 1]), v], -1)


def _torso(corners, joints):
    flat = corners.reshape(-1, 3)
    both = np.concatenate([flat, flat * [-1, 1, 1]])
    middle, half = _sections(both[:, 2], both[:, :2])
    def angle_of(p):
        z = p[..., 2].ravel()
        extent = half(z).reshape(*p.shape[:-1], 2)
        return np.arctan2((p[..., 1] - middle(z)[:, 1].reshape(p.shape[:-1])) / extent[..., 1],
                          p[..., 0] / extent[..., 0])
    back = angle_of(_quad_centres(corners)) > 0
    turn = np.clip(np.where(back[:, None], 1, -1) * angle_of(corners), 0, np.pi)  # 0 side .. pi/2 middle
    # V is a length along the skin: the neck takes less of it than the chest
    z = np.linspace(flat[:, 2].min(), flat[:, 2].max(), 64)
    girth = np.sqrt((half(z) ** 2).sum(1))
    width = np.interp(corners[..., 2], z, girth / girth.max())
    v = 0.5 - (0.5 - turn / np.pi) * width
    neck, hips = np.percentile(flat[:, 2], 99.5), np.percentile(flat[:, 2], 0.5)
    u = 0.04 + 0.96 * (neck - corners[..., 2]) / (neck - hips)
    return back, np.stack([u, v], -1)


def _head(corners, joints):
    flat = corners.reshape(-1, 3)
    y_middle = _sections(flat[:, 2], flat[:, 1:2])[0]
    eye = joints["eye.L"]
    x = corners[..., 0]
    y = corners[..., 1] - y_middle(corners[..., 2].ravel()).reshape(x.shape)
    u = np.arctan2(np.maximum(x, 0), -y) / np.pi
    # below the eyes V follows height, above them the angle up to the crown, so that the crown is one point
    rise = np.arctan2(corners[..., 2] - eye[2], np.hypot(x, y)) / (np.pi / 2)
    nose = eye[2] - 0.035
    low = np.interp(corners[..., 2], [np.percentile(flat[:, 2], 0.5), nose, eye[2]], [0, 0.48, 0.6])
    v = np.where(corners[..., 2] > eye[2], 0.6 + 0.4 * rise, low)
    return np.zeros(len(u), bool), np.stack([u, v], -1)
