"""Places a sequence's charts on a photo: scale and shift from the bodies that both show, not from the frames.

For sequences that drive a clip as charts only. Lengths are read from the charts themselves: how many pixels a part
has along its U, and how high a body is from head to feet where both are seen. Knows nothing of fitted bodies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pose_tools.body.surface import find_skin
from pose_tools.errors import BadInput
from pose_tools.sequence import PoseSequence

ALIGNED = "alignment"  # in the config of charts that were placed on a photo
TORSO, FEET, HEAD = (1, 2), (5, 6), (23, 24)
UPPER_LEGS, LOWER_LEGS = (7, 8, 9, 10), (11, 12, 13, 14)
MIDDLE = 128         # of U down the torso and V up the head
LOOKS = 60           # frames of a clip that are measured at most
SIDE = 400           # pixels of a frame's longer side that are measured at most
LEAST = 40           # measured pixels that make a body
PIECE = 0.004        # of the body's pixels that make a part seen
CLEAR = 0.4          # of the largest of like parts: smaller ones may be hidden or mistaken
TALL = 75            # percentile over the clip of a length that bending only shortens
GROUND = 65          # percentile over the clip of the lower foot's height: jumps lie above, outliers below
START = 0.4          # seconds at the beginning that say where the person stands and looks
TURNED, BACK = np.deg2rad([50, 130])
OTHER_BUILD = 1.3    # ratio of two scales that parts of the body ask for
LEFT_OUT = 0.08      # of a body's pixels outside the picture that are worth a word
MOST, FEWEST = 0.5, 0.1  # of a clip's frames

HALF_MOTION = "The motion shows only part of a body and the photo a whole one: what the motion lacks will be missing."
HALF_PHOTO = "The photo shows only part of a body and the motion a whole one: some of the motion has no photo to show."
SIDE_VIEW = "The motion begins in a side view, the photo does not: its first frames have little of the photo to show."
BACK_VIEW = "The motion begins in a back view, the photo does not: its first frames have little of the photo to show."
BUILD = "The person in the motion is built very differently from the one in the photo: their outlines will not agree."
LEAVES = "The motion leaves the picture for a part of the clip."


@dataclass(frozen=True)
class Alignment:
    """Where a sequence's pixels fall in a photo: px = scale * sequence px + (x, y).

    scale: 1 keeps the sequence's pixels; x, y: pixels of the photo; warnings: plain sentences on what cannot fit;
    feet: the point of the photo (pixels) that hand scaling keeps; width, height: of the photo; by_hand: corrected.
    """

    scale: float
    x: float
    y: float
    warnings: tuple[str, ...] = ()
    feet: tuple[float, float] = (0.0, 0.0)
    width: int = 1
    height: int = 1
    by_hand: bool = False

    def adjusted(self, scale: float = 1.0, dx: float = 0.0, dy: float = 0.0) -> Alignment:
        """Corrected by hand: `scale` times as large about the feet's middle, then moved by dx, dy, which are parts
        of the picture's width and height (positive: right, down)."""
        if not (np.isfinite([scale, dx, dy]).all() and scale > 0):
            raise BadInput("The scale must be above 0, and it and the shifts must be numbers.")
        right, down = dx * self.width, dy * self.height
        x, y = (at + scale * (was - at) for at, was in zip(self.feet, (self.x, self.y), strict=True))
        feet = (self.feet[0] + right, self.feet[1] + down)
        moved = {"scale": self.scale * scale, "x": x + right, "y": y + down, "feet": feet}
        return replace(self, **moved, by_hand=self.by_hand or (scale, dx, dy) != (1.0, 0.0, 0.0))


def align(poses: PoseSequence, photo_charts: np.ndarray) -> Alignment:
    """Scale and shift that put the sequence's person on the photo's: as large, standing where they stand.

    photo_charts: uint8 (H, W, 3) IUV. Raises BadInput where either shows no body.
    """
    height, width = photo_charts.shape[:2]
    photo = _measure(photo_charts)
    if photo is None:
        raise BadInput("The photo's charts show no person.")
    picked = np.unique(np.linspace(0, len(poses) - 1, min(len(poses), LOOKS)).round().astype(int))
    seen = {int(i): measured for i in picked if (measured := _measure(poses.iuv[i])) is not None}
    if not seen:
        raise BadInput("The poses show no person in any frame.")
    bodies = list(seen.values())
    first = min(seen)
    opening = [body for i, body in seen.items() if i <= first + START * poses.fps]

    ratios = _ratios(bodies, photo)
    scale = _weighted_median(ratios) if ratios else _extent(photo) / np.percentile([_extent(b) for b in bodies], TALL)
    x = photo.middle - scale * float(np.median([body.middle for body in opening]))
    y = _height_offset(bodies, photo, scale)
    feet = (photo.middle, photo.feet if photo.feet is not None else photo.bottom)
    found = Alignment(scale, x, y, (), feet, width, height)
    warnings = _warn(bodies, opening, photo, ratios) + _leaving(poses, seen, found)
    return replace(found, warnings=warnings)


def apply(poses: PoseSequence, alignment: Alignment, width: int, height: int) -> PoseSequence:
    """The sequence as a photo of width x height pixels sees it: nearest neighbours, zero where it shows nothing.

    Its config says under ALIGNED how it was placed.
    """
    columns, across = _sources(width, alignment.x, alignment.scale, poses.width)
    rows, down = _sources(height, alignment.y, alignment.scale, poses.height)
    iuv = np.zeros((len(poses), height, width, 3), np.uint8)
    if len(columns) and len(rows):
        for out, frame in zip(iuv, poses.iuv, strict=True):
            out[down, across] = frame[rows[:, None], columns]
    facts = {"scale": alignment.scale, "x": alignment.x, "y": alignment.y, "by_hand": alignment.by_hand}
    return replace(poses, iuv=iuv, config={**poses.config, ALIGNED: facts})


def _sources(size: int, offset: float, scale: float, limit: int) -> tuple[np.ndarray, slice]:
    """Which source pixel each target pixel's middle falls on, for the slice of targets that have one."""
    source = np.floor((np.arange(size) + 0.5 - offset) / scale).astype(int)
    inside = np.flatnonzero((source >= 0) & (source < limit))
    if not len(inside):
        return inside, slice(0, 0)
    return source[inside], slice(inside[0], inside[-1] + 1)


@dataclass(frozen=True)
class _Body:
    """What one frame shows, in its pixels. lengths: of torso, legs and width along the charts, where seen enough;
    top, bottom: of all of it; feet: the lower foot's lower edge; anchor: heights of torso and head by their charts;
    middle: of the torso; yaw: where the body looks, 0 toward the camera; parts: those that are seen."""

    lengths: dict[str, float]
    top: float
    bottom: float
    feet: float | None
    anchors: dict[str, float]
    middle: float
    yaw: float
    parts: frozenset[int]

    @property
    def whole(self) -> bool:
        return bool(self.parts & set(HEAD)) and bool(self.parts & set(FEET))


def _measure(iuv: np.ndarray) -> _Body | None:
    """Measures of a frame (H, W, 3), or None where it shows nobody."""
    step = max(1, max(iuv.shape[:2]) // SIDE)
    small = iuv[step // 2 :: step, step // 2 :: step]
    row, column = np.nonzero(small[..., 0])
    if len(row) < LEAST:
        return None
    charts = small[row, column]
    part = charts[:, 0]
    place = np.stack([column, row], 1) * step + step // 2 + 0.5
    kinds, counts = np.unique(part, return_counts=True)
    parts = frozenset(int(k) for k, n in zip(kinds, counts, strict=True) if n > max(3, PIECE * len(part)))
    # single wrong pixels lie anywhere; the last half percent of the body is not where it ends
    kept = np.isin(part, list(parts))
    top, bottom = np.percentile(place[kept, 1], [0.3, 99.8]) + [-step / 2, step / 2]
    lengths, anchors = {}, {}
    for name, group, axis in (
        ("torso", TORSO, 1), ("upper legs", UPPER_LEGS, 1), ("lower legs", LOWER_LEGS, 1), ("width", TORSO, 2)
    ):
        sizes = {p: np.count_nonzero(part == p) for p in group if p in parts}
        clear = [p for p, size in sizes.items() if size > CLEAR * max(sizes.values())]
        found = [length for p in clear if (length := _length(place, charts, part == p, axis))]
        if found:
            lengths[name] = max(found)
    for name, group, axis in (("torso", TORSO, 1), ("head", HEAD, 2)):
        at = np.isin(part, group)
        if at.sum() > 8:
            near = np.abs(charts[at, axis].astype(int) - MIDDLE) < 36
            if near.sum() > 4:
                anchors[name] = float(np.median(place[at, 1][near]))
    feet = None
    if parts & set(FEET):
        feet = max(float(np.percentile(place[part == p, 1], 97)) for p in parts & set(FEET)) + step / 2
    trunk = np.isin(part, TORSO)
    middle = float(np.median(place[trunk, 0] if trunk.sum() > 8 else place[:, 0]))
    return _Body(lengths, float(top), float(bottom), feet, anchors, middle, _yaw(charts), parts)


def _length(place: np.ndarray, charts: np.ndarray, at: np.ndarray, axis: int) -> float | None:
    """Pixels that a part would have over the whole run of U (axis 1) or V (2), from the run that is seen."""
    value = charts[at, axis].astype(int)
    slot = value // 32
    used = [s for s in range(8) if (slot == s).sum() >= 4]
    if len(used) < 3:
        return None
    points = place[at]
    middle = np.array([np.median(points[slot == s], axis=0) for s in used])
    along = np.array([np.median(value[slot == s]) for s in used]) / 255
    if np.ptp(along) < 0.35:
        return None
    slope = np.polyfit(along, middle, 1)[0]
    return float(np.linalg.norm(slope))


def _yaw(charts: np.ndarray) -> float:
    """Where the trunk, hips and head look by the skin that is seen: 0 toward the camera, in radians."""
    trunk = charts[np.isin(charts[:, 0], TORSO + HEAD + UPPER_LEGS)]
    trunk = trunk if len(trunk) else charts
    out = find_skin(trunk[:: max(1, len(trunk) // 600)]).normal.mean(0)
    return float(-np.arctan2(out[0], -out[1]))


def _extent(body: _Body) -> float:
    return body.bottom - body.top


def _ratios(bodies: list[_Body], photo: _Body) -> dict[str, tuple[float, float]]:
    """For each measure that both show: the scale that it asks for, and its weight."""
    ratios = {}
    whole = [_extent(body) for body in bodies if body.whole]
    if photo.whole and len(whole) >= MOST * len(bodies):
        ratios["height"] = _extent(photo) / float(np.percentile(whole, TALL)), 2.5
    for name in ("torso", "upper legs", "lower legs", "width"):
        lengths = [body.lengths[name] for body in bodies if name in body.lengths]
        if name in photo.lengths and len(lengths) >= FEWEST * len(bodies):
            weight = 0.4 if name == "width" else 1.0
            ratios[name] = photo.lengths[name] / max(float(np.percentile(lengths, TALL)), 1e-3), weight
    return ratios


def _weighted_median(ratios: dict[str, tuple[float, float]]) -> float:
    """The value at the middle of the weights, between the two nearest values."""
    value, weight = (np.array(column) for column in zip(*sorted(ratios.values()), strict=True))
    middle = np.cumsum(weight) - weight / 2
    return float(np.exp(np.interp(weight.sum() / 2, middle, np.log(value))))


def _height_offset(bodies: list[_Body], photo: _Body, scale: float) -> float:
    """The shift down: feet on feet, where both have them, else torso on torso, else head on head."""
    grounds = [body.feet for body in bodies if body.feet is not None]
    if photo.feet is not None and len(grounds) >= MOST * len(bodies):
        return photo.feet - scale * float(np.percentile(grounds, GROUND))
    for name in ("torso", "head"):
        heights = [body.anchors[name] for body in bodies if name in body.anchors]
        if name in photo.anchors and heights:
            return photo.anchors[name] - scale * float(np.median(heights))
    return photo.bottom - scale * float(np.median([body.bottom for body in bodies]))


def _warn(
    bodies: list[_Body], opening: list[_Body], photo: _Body, ratios: dict[str, tuple[float, float]]
) -> tuple[str, ...]:
    warnings = []
    whole = np.mean([body.whole for body in bodies])
    if photo.whole and whole < MOST:
        warnings.append(HALF_MOTION)
    if not photo.whole and whole >= MOST:
        warnings.append(HALF_PHOTO)
    turn = float(np.angle(np.mean([np.exp(1j * (body.yaw - photo.yaw)) for body in opening])))
    if abs(turn) > TURNED:
        warnings.append(BACK_VIEW if abs(turn) > BACK else SIDE_VIEW)
    # widths and lengths of turned bodies do not compare
    names = [n for n in ratios if n != "width" or abs(turn) < TURNED / 2]
    asked = [ratios[n][0] for n in names]
    if len(asked) > 2 and max(asked) / min(asked) > OTHER_BUILD:
        warnings.append(BUILD)
    return tuple(warnings)


def _leaving(poses: PoseSequence, frames: dict[int, _Body], alignment: Alignment) -> tuple[str, ...]:
    """The warning for bodies that lie outside the picture in more than a few of the frames that were measured."""
    outside = []
    for i in frames:
        row, column = np.nonzero(poses.iuv[i, ::2, ::2, 0])
        x, y = (alignment.scale * (2 * v + 1) + at for v, at in ((column, alignment.x), (row, alignment.y)))
        out = (x < 0) | (x > alignment.width) | (y < 0) | (y > alignment.height)
        outside.append(len(out) > 0 and out.mean() > LEFT_OUT)
    return (LEAVES,) if np.mean(outside) > FEWEST else ()
