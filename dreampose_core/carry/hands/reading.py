"""What a photo tells of a hand: how well it shows it, where its skin begins, its colour, and how the arm before it lies
beside the fitted one; and of that arm how much of it is bare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreampose_core.carry.built import Extremity
from dreampose_core.carry.fill import bleed, grow, shrink
from pose_tools.body.camera import Camera
from pose_tools.body.figure import BONES, Figure, Pose, bone_transforms, load_figure, skin
from pose_tools.body.raster import raster

_LEAST = 12  # pixels that tell a colour
_STEP = 0.01  # metres of arm that are looked at together
_CUFFS = np.arange(-0.02, 0.07, _STEP)  # beyond the wrist: where a sleeve may end
_OFF = 0.03  # metres by which the photo's hand or wrist may lie beside the fitted one
_BARE = 0.5  # of an arm's pixels
_SHOWN, _WHOLE = 0.35, 0.6  # of the fitted hand's pixels: of a hand of which something is seen, and of one seen whole
_HIDDEN = 0.13  # of its seen pixels: what other things hide at most of a hand that is seen whole
_GIRTH = 0.8, 1.25  # of the fitted wrist
_ARM = 0.3  # of the fitted forearm's pixels: an arm of which less is seen gets no hand
_NEAR = 0.025  # metres to either side of the wrist
WHOLE_ARM = 0.6  # more than there is of an arm before its wrist
SHOULDER, ELBOW = -0.4, -0.23  # metres beyond the wrist, of the figure
_HALF = 0.06  # metres to either side of a place of the arm, where its colour is read
_SHADED = 0.25  # of a bare arm's pixels are of the face's colour, where the most of it lies in its own shadow
_LEAST_BARE = 0.12  # metres of arm that are worth to be built
_IN_SIGHT = 0.4  # of the fitted bare arm's pixels


@dataclass(frozen=True)
class Hand(Extremity):
    """One hand.

    built: whether it is to be built where the photo does not show it; shown: whether the photo shows it whole; start:
    metres beyond the wrist from which on the arm is bare skin; girth: how wide the wrist is, of the fitted one;
    lie (3,): shift in metres at rest that lays the hand onto the photo's arm; wrist and skin (3,): colours there and of
    the hand, 0…255; bare: metres beyond the wrist, less than 0, from which on the whole arm is bare, -WHOLE_ARM where
    it is up to the shoulder, 0 where that is not worth to be built; elbow and upper (3,): colours there and where it
    begins.
    """

    built: bool
    shown: bool
    start: float
    girth: float
    lie: np.ndarray
    wrist: np.ndarray
    skin: np.ndarray
    bare: float
    elbow: np.ndarray
    upper: np.ndarray


NO_HAND = Hand(False, True, 0.0, 1.0, *np.zeros((3, 3)), 0.0, *np.zeros((2, 3)))


def beyond_wrist(points: np.ndarray, figure: Figure, shape: np.ndarray, side: str) -> np.ndarray:
    """(N,) metres by which points (N,3) at rest lie beyond the wrist, along the forearm; less than 0 before it."""
    joints = figure.rest_joints(np.asarray(shape, np.float64))
    elbow, wrist = (joints[figure.bone(f"{bone}.{side}")] for bone in ("lowerarm01", "wrist"))
    return (points - wrist) @ ((wrist - elbow) / np.linalg.norm(wrist - elbow))


def read_hand(
    colours: np.ndarray,
    own: np.ndarray,
    extent: np.ndarray,
    bare: np.ndarray,
    rest: tuple[np.ndarray, np.ndarray],
    body: tuple[np.ndarray, Pose, Camera],
    side: str,
) -> Hand:
    """A hand as the photo shows it; one that is not built where it wears a glove, and where no arm or no skin is seen.

    colours (H,W,3) uint8; own (H,W) bool: where that arm is seen; extent (H,W) bool: and where it is
    hidden; bare (H,W) bool: of the face's colour; rest: front and
    back surface (N,3) of that arm at rest; body: shape, pose and camera of the photo; side: "L" or "R".
    """
    shape, camera = body[0], body[2]
    figure = load_figure()
    points = figure.rest_vertices(shape)
    along, fitted = _along(body, own.shape, ("lowerarm01", "wrist"), side)
    if not fitted.any() or not bare.any():
        return NO_HAND
    whole = own
    near = grow(fitted, _OFF * camera.scale)
    own, extent = own & near, extent & near
    fore = fitted & (along < -_NEAR)
    if (own & fore).sum() < _ARM * fore.sum():
        return NO_HAND

    def bare_share(low: float) -> float:
        there = own & (along >= low) & (along < low + _STEP)
        return float((there & bare).sum() / there.sum()) if there.any() else 0.0

    hand = own & (along > 0.02)
    if (hand & ~bare).sum() > max(_BARE * hand.sum(), _SHOWN * (fitted & (along > 0.02)).sum()):
        return NO_HAND  # a glove, or a sleeve over the hand
    start = next((float(low) for low in _CUFFS if bare_share(low) > _BARE), 0.0)
    seen = float((hand & bare).sum() / max(1, (fitted & (along > 0.02)).sum()))
    hidden = float((extent & ~own & (along > 0.02)).sum() / max(1, hand.sum()))
    near = own & bare & (along > max(start, -_NEAR) - _NEAR) & (along < max(start, -_NEAR) + _NEAR)
    paint = _colour(colours, [hand & bare, near, own & bare, bare])
    wrist = _colour(colours, [near]) if near.sum() >= _LEAST else paint
    shown = seen > _WHOLE and hidden < _HIDDEN
    start = max(start, 0.0)
    upward = _bare_arm(colours, whole, bare, body, side, wrist)
    return Hand(True, shown, start, *_joint(rest, points, figure, shape, side), wrist, paint, *upward)


def _along(
    body: tuple[np.ndarray, Pose, Camera], size: tuple[int, int], of: tuple[str, ...], side: str
) -> tuple[np.ndarray, np.ndarray]:
    """(H,W) f32 metres beyond the wrist at and about, and (H,W) bool where the photo's view shows, what of the fitted
    body moves with these bones of a side."""
    shape, pose, camera = body
    figure = load_figure()
    bones = [figure.bone(f"{bone}.{side}") for bone in of]
    points = figure.rest_vertices(shape)
    space = camera.with_depth(skin(points, figure.weights, bone_transforms(figure, shape, pose)))
    faces = figure.faces[(figure.weights[figure.faces][..., bones].sum(-1) > 0.9).all(1)]
    hits = raster(space.astype(np.float32), faces, camera.width, camera.height)
    along = np.zeros(size[0] * size[1], np.float32)
    fitted = np.zeros(len(along), bool)
    fitted[hits.pixel] = True
    along[hits.pixel] = hits.take(faces, beyond_wrist(points, figure, shape, side)[:, None].astype(np.float32))[:, 0]
    fitted = fitted.reshape(size)
    return (bleed(along.reshape(size), fitted) if fitted.any() else along.reshape(size)), fitted


def _bare_arm(
    colours: np.ndarray,
    own: np.ndarray,
    bare: np.ndarray,
    body: tuple[np.ndarray, Pose, Camera],
    side: str,
    wrist: np.ndarray,
) -> tuple[float, np.ndarray, np.ndarray]:
    """bare, elbow and upper of a hand with that colour (3,) at its wrist; the rest as for read_hand."""
    along, fitted = _along(body, own.shape, ("upperarm01", "lowerarm01", "wrist"), side)
    own = own & grow(fitted, _OFF * body[2].scale)
    begin = 0.0
    for low in np.arange(-_STEP, SHOULDER, -_STEP):
        there = own & (along >= low) & (along < low + _STEP)
        if there.any() and (there & bare).sum() < _SHADED * there.sum():
            break
        begin = float(low)
    else:
        begin = -WHOLE_ARM
    reach = (along >= begin) & (along < 0)
    if begin > -_LEAST_BARE or (own & reach).sum() < _IN_SIGHT * (fitted & reach).sum():
        return 0.0, wrist, wrist
    places = (own & bare & (np.abs(along - max(at, begin)) < _HALF) for at in (ELBOW, SHOULDER))
    elbow, upper = (_colour(colours, [place, own & bare]) for place in places)
    return begin, elbow, upper


def _colour(colours: np.ndarray, places: list[np.ndarray]) -> np.ndarray:
    """(3,): the median colour of the first of the masks (H,W) that shows enough, without its darkest pixels: between
    fingers there is shadow."""
    place = next((mask for mask in places if mask.sum() >= _LEAST), places[-1])
    inner = shrink(place, 1)
    picked = colours[inner if inner.sum() >= _LEAST else place].astype(np.float32)
    bright = picked.sum(1)
    return np.median(picked[bright >= np.quantile(bright, 0.3)], 0)


def _joint(
    rest: tuple[np.ndarray, np.ndarray], points: np.ndarray, figure: Figure, shape: np.ndarray, side: str
) -> tuple[float, np.ndarray]:
    """girth and lie of a hand on an arm with these surfaces (N,3) at rest; points (V,3) of the figure."""
    weights = figure.weights[:, [BONES.index(f"{bone}.{side}") for bone in ("lowerarm01", "wrist")]].sum(1)
    arm = np.concatenate(rest)
    rings = [
        ring[np.abs(beyond_wrist(ring, figure, shape, side) + 0.01) < 0.012] for ring in (arm, points[weights > 0.9])
    ]
    if min(map(len, rings)) < _LEAST:
        return 1.0, np.zeros(3)
    photo, fitted = (np.median(ring, 0) for ring in rings)
    wide = [np.quantile(np.linalg.norm(ring - np.median(ring, 0), axis=1), 0.8) for ring in rings]
    return float(np.clip(wide[0] / wide[1], *_GIRTH)), np.clip(photo - fitted, -_OFF, _OFF)
