"""Shoes: which pixels of a foot are one, of which kind it is, and what its sides and its heel look like, which a photo
does not show.

Works on the analysis grid, but for read_footwear, which takes the photo's own pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from dreampose_core.carry.feet.footwear import BARE, CLOSED, PUMP, SANDAL, SOLES, Footwear, foot_surfaces, has_heel
from dreampose_core.carry.fill import grow, shrink
from pose_tools.body.camera import Camera
from pose_tools.body.figure import BONES, Pose, bone_transforms, load_figure, skin
from pose_tools.body.following import HEEL, SEEN_FROM_ABOVE
from pose_tools.body.raster import raster

_UNLIKE = 18.0  # Lab levels between a shoe and the leg above it
_SOLE = 0.28  # of a shoe's height in the picture
_CLOSED = 0.6  # of the foot: from there on a shoe is closed
_LOW = 0.45  # of an open shoe's foot: the part that is bare at the heel
_LEAST = 6  # pixels that tell a shoe
_OFF = 0.04  # metres by which the photo's foot may lie beside the fitted one
_SHOWN = 0.4  # of the fitted foot's pixels: a foot of which less is seen is left as it is
_CLEAR = 0.03  # metres above the ankle from which on a bare leg's outline is no longer that of the foot
_BOOT = 0.3  # of the way from the ankle down: a shoe that begins above it is closed
_STRAP = 0.007  # of the photo's height, to either side of its middle
_INSTEP = 0.12  # of a foot below trousers: bare
_ROUND = 0.07  # of that way: the rows in which a throat is round
_OPEN_TOE = 0.32  # of a shoe's rows below them: bare in one with an open toe


@dataclass(frozen=True)
class Shoe:
    """foot and shod (h,w) bool: pixels of the foot, and those of them that show the shoe; plain (h,w,2) f32: for each
    pixel of the foot where, (x, y) in pixels, the shoe shows its colour at that height without laces or straps."""

    foot: np.ndarray
    shod: np.ndarray
    plain: np.ndarray


def find_shoe(
    colours: np.ndarray, own: np.ndarray, skin: np.ndarray, weights: np.ndarray, side: str
) -> Shoe | None:
    """The shoe of a leg that is seen at `own` (h,w) bool; None on a bare foot, and where none can be told.

    colours (h,w,3) uint8; skin (h,w) bool: of the face's colour; weights (h,w,B); side: "L" or "R".
    """
    share = weights[..., BONES.index(f"foot.{side}")]
    foot = own & (share > 0.5)
    rows = np.flatnonzero(foot.any(1))
    if foot.sum() < 4 * _LEAST:
        return None
    y = np.arange(len(own))[:, None]
    above = own & (share < 0.35) & (y > rows[0] - 1.2 * len(rows)) & (y < rows[0] + len(rows))
    if above.sum() < 2 * _LEAST:
        return None
    lab = cv2.cvtColor(colours, cv2.COLOR_RGB2LAB).astype(np.float32)
    inner = shrink(foot, 1)
    unlike = (np.linalg.norm(lab - np.median(lab[above], 0), axis=-1) > _UNLIKE) & ~skin
    shod = inner & unlike
    if shod.sum() < _LEAST:
        return None
    top, bottom = np.flatnonzero(shod.any(1))[[0, -1]]
    sole = bottom - _SOLE * (bottom - top)
    plain = np.zeros((*own.shape, 2), np.float32)
    for band in (y <= sole, y > sole):
        among = shod & band
        if among.sum() < max(_LEAST, _CLOSED * (inner & band).sum()):  # open there: its colour is that of the rest
            among = shod
        spot = np.argwhere(among)[_most_usual(lab[among])]
        plain[np.broadcast_to(band, own.shape)] = spot[::-1] + 0.5
    if shod.sum() < _CLOSED * inner.sum():  # a low shoe is as high at the heel as at the sides
        foot = foot & (y > rows[0] + _LOW * len(rows))
    return Shoe(foot, grow(shod, 1) & foot & (unlike | ~inner), plain)


def _most_usual(lab: np.ndarray) -> int:
    """The row of the colours (N,3) that has most of the others near it."""
    apart = np.linalg.norm(lab[:, None] - lab, axis=-1)
    return int((apart < _UNLIKE).sum(1).argmax())


def dress_back(back: np.ndarray, front: np.ndarray, shoe: Shoe) -> None:
    """Paints, in place, the back (H,W,4) uint8 of a leg where its foot is: the shoe as its front (H,W,4) shows it."""
    height, width = back.shape[:2]
    cell = height / len(shoe.foot)
    x, y = (np.clip((shoe.plain[..., i] * cell).astype(int), 0, (width, height)[i] - 1) for i in (0, 1))
    colours = front[y, x, :3].astype(np.float32)
    share = cv2.resize(grow(shoe.foot, 2).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    colours = cv2.resize(colours, (width, height), interpolation=cv2.INTER_LINEAR)
    share = cv2.GaussianBlur(share, (0, 0), 0.7 * cell)[..., None]
    back[..., :3] = back[..., :3] * (1 - share) + colours * share + 0.5


def read_footwear(
    colours: np.ndarray, own: np.ndarray, bare: np.ndarray, shape: np.ndarray, pose: Pose, camera: Camera, side: str
) -> Footwear | None:
    """What a foot wears, read off the photo; None where too little of the foot is seen.

    colours (H,W,3) uint8; own (H,W) bool: where that leg is seen; bare (H,W) bool: of the face's colour; body and
    camera are the photo's; side: "L" or "R".
    """
    figure = load_figure()
    bone = figure.bone(f"foot.{side}")
    transforms = bone_transforms(figure, shape, pose)
    points = camera.with_depth(skin(figure.rest_vertices(shape), figure.weights, transforms))
    faces = figure.faces[(figure.weights[figure.faces, bone] > 0.3).all(1)]
    fitted = np.zeros(own.size, bool)
    fitted[raster(points.astype(np.float32), faces, camera.width, camera.height).pixel] = True
    fitted = fitted.reshape(own.shape)
    joint = transforms[bone] @ np.append(figure.rest_joints(np.asarray(shape, np.float64))[bone], 1)
    ankle = camera.project(joint)[1]
    y, x = np.mgrid[: own.shape[0], : own.shape[1]] + 0.5
    reach = _OFF * camera.scale
    below = fitted & (y > ankle)
    if below.sum() < _LEAST:
        return None
    columns, lowest = x[below], y[below].max()
    foot = own & (y > ankle) & (x > columns.min() - reach) & (x < columns.max() + reach) & (y < lowest + reach)
    if foot.sum() < _SHOWN * below.sum():
        return None
    wide = np.flatnonzero(foot.sum(1) > 0.2 * foot.sum(1).max())
    down = np.clip(wide[-1] + 1 - lowest, -reach, reach)
    across = np.clip(np.median(x[foot]) - np.median(columns), -reach, reach)
    turn = transforms[bone, :, :3]
    points_down = np.arcsin(np.clip((turn @ [0, -1, 0])[2] * -1, -1, 1))
    pitch = float(np.clip(points_down - SEEN_FROM_ABOVE, 0, HEEL))
    ankle += down
    tall = lowest + down - ankle
    lab = cv2.cvtColor(colours, cv2.COLOR_RGB2LAB).astype(np.float32)
    near_x = np.abs(x - np.median(x[foot])) < 1.5 * tall
    above = own & (y < ankle - 0.3 * tall) & (y > ankle - 1.6 * tall) & near_x
    if not above.any():
        return None
    inner = shrink(foot, 0.04 * tall)
    inner = inner if inner.sum() > _LEAST else foot
    leg = np.median(lab[above], 0)
    shod = inner & (np.linalg.norm(lab - leg, axis=-1) > _UNLIKE) & ~bare
    naked = bool(bare[above].mean() > 0.5)
    covered = shod if naked else inner & (np.linalg.norm(lab - leg, axis=-1) > _UNLIKE)
    kind, throat_row, row = _kind(covered, inner, ankle, tall, naked)
    paint, sole = _paint(colours, lab, shod if shod.sum() > _LEAST else inner, foot, tall)
    near = above & (y > ankle - 0.8 * tall)
    bright = np.median(colours[near if near.sum() > _LEAST else above], 0)
    if not naked and _one_material(paint, bright):
        paint = bright
    strap = 0.0
    instep = inner & bare
    if not naked and instep.sum() > _INSTEP * inner.sum():  # a low shoe below trousers
        kind, bright, naked = PUMP, np.median(colours[instep], 0), True
    elif naked:
        strap = _strap(own & (np.linalg.norm(lab - leg, axis=-1) > _UNLIKE), own & near_x, ankle, tall)
        row = row - _CLEAR * camera.scale
    if kind == CLOSED and (not naked or throat_row < ankle - 0.2 * tall):
        bright = paint  # it covers the ankle too
    sunk = down / camera.scale - SOLES.get(kind, 0.0)
    lie = turn.T @ np.array([across / camera.scale, 0, -sunk])
    wear = Footwear(kind, pitch, 0.75, row, strap, lie, bright, paint, sole)
    return _throat(wear, throat_row, shape, transforms, camera, side)


def as_pair(
    left: Footwear | None, right: Footwear | None, shape: np.ndarray
) -> tuple[Footwear | None, Footwear | None]:
    """The two of a pair on the body with this shape (S,), which are of one kind and cut: an open toe, or a shoe at all,
    may show at one of them only; and so may a heel, where a foot is lifted or was fitted flatter than the other."""
    if left is None or right is None:
        return left, right
    kind = max(left.kind, right.kind, key=(BARE, CLOSED, PUMP, SANDAL).index)
    of_kind = [wear for wear in (left, right) if wear.kind == kind]
    like, throat = of_kind[0], float(np.mean([wear.throat for wear in of_kind]))
    pair = [
        replace(wear, throat=throat) if wear.kind == kind
        else replace(wear, kind=kind, throat=throat, upper=like.upper, sole=like.sole)
        for wear in (left, right)
    ]
    if has_heel(pair[0], shape, "L") != has_heel(pair[1], shape, "R"):
        pair = [replace(wear, pitch=max(left.pitch, right.pitch)) for wear in pair]
    return pair[0], pair[1]


def _kind(
    shod: np.ndarray, inner: np.ndarray, ankle: float, tall: float, naked: bool
) -> tuple[int, float | None, float]:
    """kind of a shoe, the photo's row at which its upper begins, and the row at which the leg ends above it."""
    count = inner.sum(1)
    share = np.where(count > 0, shod.sum(1) / np.maximum(count, 1), 0)
    rows = np.flatnonzero(count)
    share = share[rows]
    if not naked:
        shoe = share > 0.5
        begins = rows[int(shoe.argmax())] if shoe.mean() > 0.15 else ankle
        return CLOSED, None, float(min(max(begins, ankle), ankle + 0.5 * tall))
    if shod.sum() < 0.06 * inner.sum():
        return BARE, None, ankle
    # the runs of rows in which there is most of the shoe; below the toes of a sandal its sole is another
    edges = np.flatnonzero(np.diff(share >= 0.45, prepend=False, append=False)).reshape(-1, 2)
    if not len(edges):
        return SANDAL, float(ankle + 0.75 * tall), ankle
    totals = np.array([share[start:end].sum() for start, end in edges])
    first = edges[int((totals > 0.5 * totals.max()).argmax()), 0]
    begins = float(rows[first])
    if begins < ankle + _BOOT * tall:
        return CLOSED, begins, ankle
    # not the rows in which a throat is round; a pump's shaded sole may have the colour of skin
    below = share[first + round(_ROUND * tall) :]
    open_toe = len(below) and 1 - below.mean() > _OPEN_TOE
    return (SANDAL if open_toe else PUMP), begins, ankle


def _strap(unlike: np.ndarray, leg: np.ndarray, ankle: float, tall: float) -> float:
    """The row of a strap around the ankle: few rows in which the leg has another colour, among others of its own."""
    rows = np.arange(max(0, int(ankle - 0.9 * tall)), min(len(leg), int(ankle + 0.45 * tall)))
    rows = rows[leg[rows].any(1)]
    share = unlike[rows].sum(1) / np.maximum(leg[rows].sum(1), 1)
    dark = np.flatnonzero(share > 0.5)
    if not len(dark) or len(dark) > 0.25 * tall or dark[0] == 0 or dark[-1] == len(rows) - 1:
        return 0.0
    return float(rows[dark].mean() + 0.5)


def _one_material(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two colours (3,) may be those of a boot's foot and of its shaft, in another light."""
    light, *hue = np.abs(np.subtract(*(
        cv2.cvtColor(np.uint8([[colour]]), cv2.COLOR_RGB2LAB)[0, 0].astype(int) for colour in (first, second)
    )))
    return bool(light < 60 and max(hue) < 12)


def without_straps(textures: np.ndarray, rows: dict[int, np.ndarray]) -> np.ndarray:
    """Textures (L,H,W,C) of all layers, in which no strap runs around an ankle; rows: the footwear of legs, as a sheet
    keeps it. Straps are built with the feet, and would leave pieces where a leg's sides are filled from its front."""
    out = textures
    for leg, row in rows.items():
        wear = Footwear.from_row(row)
        if not wear.strap:
            continue
        out = out.copy() if out is textures else out
        reach = max(2.0, _STRAP * out.shape[1])
        top, bottom = (int(np.clip(wear.strap + step * reach, 0, out.shape[1] - 1)) for step in (-1, 1))
        share = np.linspace(0, 1, bottom - top + 1)[:, None, None]
        ends = [textures[leg, y].astype(np.float32) for y in (top, bottom)]
        out[leg, top : bottom + 1] = ends[0] * (1 - share) + ends[1] * share + 0.5
    return out


def _paint(
    colours: np.ndarray, lab: np.ndarray, shod: np.ndarray, foot: np.ndarray, tall: float
) -> tuple[np.ndarray, np.ndarray]:
    """(3,) the colour of a shoe, and of its sole."""
    y = np.nonzero(shod)[0]
    bottom = y.max()
    upper = shod & (np.arange(len(shod))[:, None] <= bottom - 0.15 * tall)
    upper = upper if upper.sum() > _LEAST else shod
    among = np.argwhere(upper)
    among = among[np.linspace(0, len(among) - 1, min(len(among), 400)).astype(int)]
    picked = lab[among[:, 0], among[:, 1]]
    alike = np.linalg.norm(picked - picked[_most_usual(picked)], axis=1) < _UNLIKE
    paint = np.median(colours[among[alike, 0], among[alike, 1]], 0)
    low, rows = np.nonzero(foot)[0].max(), np.arange(len(shod))[:, None]
    edge = foot & (rows > low - 0.14 * tall - 1) & (rows < low - 0.03 * tall)
    sole = np.median(colours[edge], 0) if edge.any() else paint
    return paint, np.where(np.abs(sole - paint).max() > 40, sole, 0.6 * paint)


def _throat(
    wear: Footwear, row: float | None, shape: np.ndarray, transforms: np.ndarray, camera: Camera, side: str
) -> Footwear:
    """With the upper beginning where the photo shows it: at that row along the foot's back."""
    if row is None or wear.kind not in (PUMP, SANDAL):
        return wear
    upper = foot_surfaces(wear, shape, side)[1]
    rows = camera.with_depth(skin(upper.points, upper.weights, transforms))[:, 1]
    # the highest line of each cross-section
    along = np.round(upper.along, 2)
    steps = np.unique(along[(along > 0.45) & (along < 0.95)])
    crest = np.array([rows[along == step].min() for step in steps])
    at = steps[np.argmin(np.abs(crest - row))]
    return replace(wear, throat=float(np.clip(at, 0.64, 0.86) + (0.05 if wear.kind == SANDAL else 0)))
