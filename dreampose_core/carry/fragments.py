"""One layer of a sheet in a pose: its surfaces through a z-buffer, and what is seen of them at every sample."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.sparse import csr_array, vstack

from dreampose_core.carry.fill import disc, smooth
from dreampose_core.carry.head.around import Around
from dreampose_core.carry.piece import Piece
from dreampose_core.carry.sheet import Sheet
from dreampose_core.carry.views import TRUNK
from pose_tools.body.raster import Hits, areas, raster

_PACK = 512  # hits are sampled as rows of this many
_FRINGE = 1.5  # cells of a sheet by which its soft fringe goes beyond it
_SLEEVE = 0.05  # metres before the end of an arm whose hand is built where one may see inside
_UNSEEN_DEPTH = 0.09  # metres by which filled places stand back behind seen ones of another layer


@dataclass(frozen=True)
class Fragments:
    """A layer's fragments: pixel (K,) of the fine grid, colour (K,3) and alpha (K,) f32, depth, visibility (K,);
    row (K,) of the photo from which each was taken, beyond (K,) metres past an arm's wrist; None of what is built."""

    pixel: np.ndarray
    colour: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray
    visibility: np.ndarray
    row: np.ndarray | None = None
    beyond: np.ndarray | None = None


def draw_layer(
    sheet: Sheet,
    points: np.ndarray,
    flat: np.ndarray,
    bright: np.ndarray,
    layer: int,
    size: tuple[int, int],
    fine: int,
    end: float,
) -> Fragments | None:
    """One layer's nearest fragments. points (2N,3): front vertices, then back ones, on the fine grid; flat (N,):
    how little each has turned out of the photo's plane, 0..1; bright (2N,1): how bright the light makes them; fine:
    samples a pixel along each axis; end: metres beyond its wrist at which an arm ends."""
    piece = sheet.pieces[layer]
    if piece is None:
        return None
    points = piece.of(points)
    # nothing here looks farther than that, so that all is done in a part of the picture
    window = _window(points, size, 4 + _FRINGE * sheet.cell * fine)
    width, size = size[1], tuple(part.stop - part.start for part in window)
    points = points - np.float32((window[1].start, window[0].start, 0))
    area = areas(points, piece.faces)
    seen = _seen_undistorted(piece, area, (sheet.cell * fine) ** 2)
    dense = _density(piece, area, fine)
    # where the surfaces are closed, what turns away is always behind something
    drawn = (area > 0) | piece.inside
    if end < np.inf:
        beyond = piece.beyond[piece.faces]
        drawn = (drawn | (beyond.max(1) > end - _SLEEVE)) & (beyond.min(1) < end)
    faces = piece.faces[drawn]
    hits = _whole(raster(points, faces, size[1], size[0]), size)
    # the soft fringe only shows where the body of the layer does not
    free = np.ones(size[0] * size[1], bool)
    free[hits.pixel] = False
    soft = raster(points, piece.fringe, size[1], size[0])
    # and only beside it: the fringe of a hem's far side would be a thread below the near one
    keep = (free & _beside(~free, size, _FRINGE * sheet.cell * fine))[soft.pixel]
    soft = Hits(*(part[keep] for part in soft))
    pixel = np.concatenate([hits.pixel, soft.pixel])
    if not len(pixel):
        return None
    fringed = np.arange(len(pixel)) >= len(hits.pixel)

    mixing = vstack([part.mixing(corners, len(points)) for part, corners in ((hits, faces), (soft, piece.fringe))])
    flat = flat[piece.vertices]
    place, laid, printed, beyond = (mixing @ part for part in (piece.place, piece.laid, piece.printed, piece.beyond))
    values = np.stack([*(np.tile(v, 2) for v in (seen, flat)), dense, piece.of(bright)[:, 0]], 1)
    seen, flat, dense, bright = (mixing @ values).T.copy()
    on_back = np.concatenate([faces[hits.face, 0] >= len(points) // 2, np.zeros(len(soft.pixel), bool)])
    own_texture = _sample(sheet.front[layer], place, cv2.INTER_CUBIC)
    shown = _sample(sheet.seen[layer], place, cv2.INTER_LINEAR) / 255
    other = _sample(sheet.flat, laid, cv2.INTER_CUBIC)
    _coarsen(own_texture[:, :3], sheet.front[layer, ..., :3], place, dense, ~on_back & ~fringed)
    _coarsen(other[:, :3], sheet.flat[..., :3], laid, dense, on_back & (printed < 0.5))
    in_plane = own_texture.copy()
    in_plane[on_back] = _sample(sheet.back[layer], place[on_back], cv2.INTER_CUBIC)
    other += (in_plane - other) * printed[:, None]
    other, other_seen = other[:, :3], other[:, 3] / 255
    headed, mixed, withdrawn = np.zeros((3, len(pixel)), np.float32)
    if layer == TRUNK:
        other, headed, mixed, withdrawn = _headed(sheet, piece, mixing, other)
    seen = np.where(on_back, 0, seen)
    # a head's outline is mixed with what the photo has behind it
    seen = seen * (1 - mixed * (1 - smooth(flat, 0.85, 0.97)))
    true = np.where(fringed, 1, smooth(seen * shown, 0.35, 0.7))[:, None]
    colour = other * (1 - true) + own_texture[:, :3] * true
    colour *= bright[:, None]
    # the photo's soft outline holds as long as the outline is still the photo's
    steady = np.where(headed > 0.5, smooth(flat, 0.88, 0.98), smooth(flat, 0.75, 0.95))
    thin = 1 - np.clip(own_texture[:, 3] / 255, 0, 1)
    inside = _inward(pixel, size)
    # hair that comes into sight behind the photo's outline shows through where that was thin
    reach = fine * sheet.cell * np.where(headed > 0.5, 0.5 + 0.5 * smooth(flat, 0.97, 0.995), 1)
    near = 1 - smooth(inside, 2.0 * reach, 4.5 * reach)
    alpha = np.where(fringed, (1 - thin) * steady, 1 - thin * steady * near)
    ends = np.clip(inside - withdrawn * fine - 0.3, 0, 1)
    alpha *= np.where(fringed | (withdrawn == 0), 1, ends + (1 - ends) * steady)
    # elsewhere it ends within a pixel, and not at its steps
    alpha *= np.where(fringed, 1, 1 - (1 - steady) * (1 - _covered(hits.pixel, pixel, size)))
    visibility = np.where(on_back, other_seen, seen * shown)
    depth = np.concatenate([hits.depth, soft.depth]) + _UNSEEN_DEPTH * (1 - shown)
    return Fragments(_in_picture(window, width)[pixel], colour, alpha, depth, visibility, place[:, 1], beyond)


def _headed(
    sheet: Sheet, piece: Piece, mixing: csr_array, colour: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """colour (K,3) f32 of hits that mix the vertices so (K,2M), that of the unrolled head where it is the head's; (K,)
    f32 0..1 how far it is the head's, and how far besides not what the photo shows well; (K,) f32 photo pixels by which
    its outline is withdrawn."""
    share = mixing @ piece.headed
    share[share < 0.01] = 0
    on = np.flatnonzero(share)
    at = Around.from_array(sheet.around).place(mixing[on] @ piece.rest)
    painted = _sample(np.ascontiguousarray(sheet.head[..., :3]), at, cv2.INTER_CUBIC)
    clear, edge = _sample(np.ascontiguousarray(sheet.head[..., 3:]), at, cv2.INTER_LINEAR).T
    out, withdrawn = colour.copy(), np.zeros(len(share), np.float32)
    out[on] += (painted - out[on]) * share[on, None]
    withdrawn[on] = edge / 16 * share[on]
    mixed = share.copy()
    mixed[on] *= 1 - np.clip(clear / 255, 0, 1)
    return out, share, mixed, withdrawn


def _window(points: np.ndarray, size: tuple[int, int], margin: float) -> tuple[slice, slice]:
    """Rows and columns of the picture (h,w) in which points (N,3) lie, with a margin; at least one of each."""
    out = []
    for at, side in zip((points[:, 1], points[:, 0]), size, strict=True):
        first = int(np.clip(at.min() - margin, 0, side - 1))
        out.append(slice(first, int(np.clip(at.max() + margin + 1, first + 1, side))))
    return out[0], out[1]


def _in_picture(window: tuple[slice, slice], width: int) -> np.ndarray:
    """(K,) pixels of a picture of that width for those of its window."""
    rows, columns = (np.arange(part.start, part.stop) for part in window)
    return (rows[:, None] * width + columns).ravel()


def _seen_undistorted(piece: Piece, area: np.ndarray, photo_area: float) -> np.ndarray:
    """(M,) f32 per front vertex: the photo's pixels for one drawn pixel about it, at most 1; 0 where it faces away.
    area (2F,): of the faces as they are drawn; photo_area: of one in the photo."""
    count = len(piece.place) // 2
    faces = piece.faces[: len(piece.faces) // 2]
    area = area[: len(faces)]
    photo, drawn = np.zeros(count), np.zeros(count)
    for i in range(3):
        photo += np.bincount(faces[:, i], area > 0, count) * photo_area
        drawn += np.bincount(faces[:, i], np.where(area > 0, area, photo_area), count)
    return np.minimum(photo / np.maximum(drawn, 1e-3), 1).astype(np.float32)


def _density(piece: Piece, area: np.ndarray, fine: int) -> np.ndarray:
    """(2M,) f32 per vertex: the texture's pixels for one drawn pixel about it; of the back those of `flat`."""
    count = len(piece.place)
    texture, drawn = np.zeros(count), np.zeros(count)
    shown, there = np.maximum(area, 0), np.where(area > 0, piece.texture_area * fine**2, 0)
    for corner in piece.faces.T:
        texture += np.bincount(corner, there, count)
        drawn += np.bincount(corner, shown, count)
    return np.minimum(texture / np.maximum(drawn, 1e-3), 16).astype(np.float32)


def _coarsen(colour: np.ndarray, texture: np.ndarray, at: np.ndarray, dense: np.ndarray, where: np.ndarray) -> None:
    """Takes colours (K,3), in place, from a coarser texture where single samples of it, at (K,2), would leave out most
    of it and flicker."""
    share = smooth(dense, 1.5, 4.0) * where
    on = np.flatnonzero(share > 0.02)
    if len(on):
        height, width = texture.shape[:2]
        left, top = np.clip(at[on].min(0) // 2 * 2 - 4, 0, (width - 1, height - 1)).astype(int)
        right, bottom = np.clip(at[on].max(0) + 5, 1, (width, height)).astype(int)
        small = cv2.pyrDown(np.ascontiguousarray(texture[top:bottom, left:right]))
        coarse = _sample(small, (at[on] - (left, top) - 0.5) / 2 + 0.5, cv2.INTER_LINEAR)
        colour[on] += (coarse - colour[on]) * share[on, None]


def _whole(hits: Hits, size: tuple[int, int]) -> Hits:
    """The hits of a layer without slivers thinner than two samples, and with holes of one sample closed."""
    place = np.full(size[0] * size[1], -1, np.int32)
    place[hits.pixel] = np.arange(len(hits.pixel))
    place = place.reshape(size)
    square = np.ones((2, 2), np.uint8)
    covered = cv2.dilate(cv2.erode((place >= 0).astype(np.uint8), square, anchor=(0, 0)), square, anchor=(1, 1))
    place[covered == 0] = -1
    hole = np.zeros(size, bool)
    hole[:, 1:-1] |= (covered[:, :-2] & covered[:, 2:]) > 0
    hole[1:-1] |= (covered[:-2] & covered[2:]) > 0
    rows, columns = np.nonzero(hole & (covered == 0))
    beside = np.maximum(place[rows, np.maximum(columns - 1, 0)], place[np.maximum(rows - 1, 0), columns])
    place[rows, columns] = beside
    pixel = np.flatnonzero(place.ravel() >= 0)
    return Hits(pixel, *(part[place.ravel()[pixel]] for part in hits[1:]))


def _inward(pixel: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(K,) f32: samples from the outline of the covered pixels (K,) inward."""
    covered = np.zeros(size[0] * size[1], np.uint8)
    covered[pixel] = 1
    return cv2.distanceTransform(covered.reshape(size), cv2.DIST_L2, 3).ravel()[pixel]


def _beside(covered: np.ndarray, size: tuple[int, int], reach: float) -> np.ndarray:
    """(N,) bool: the pixels of a picture (h,w) that are covered (N,) or at most that far from one that is."""
    return cv2.dilate(covered.astype(np.uint8).reshape(size), disc(reach)).ravel() > 0


def _covered(covered: np.ndarray, pixel: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(K,) f32: how much of the pixels (K,) is covered by a surface whose outline runs smoothly through those that it
    covers, (M,)."""
    mask = np.zeros(size[0] * size[1], np.float32)
    mask[covered] = 1
    # a pixel's own place, a straight edge beside it and a corner blur to 1, 0.7 and 0.45
    return smooth(cv2.GaussianBlur(mask.reshape(size), (0, 0), 0.9).ravel()[pixel], 0.42, 0.85)


def _sample(texture: np.ndarray, at: np.ndarray, how: int) -> np.ndarray:
    """texture (H,W[,C]) uint8 at places (K,2) in pixels, centres at +0.5: (K[,C]) f32."""
    count = len(at)
    rows = max(1, -(-count // _PACK))
    packed = np.zeros((2, rows * _PACK), np.float32)
    packed[:, :count] = at.T - 0.5
    x, y = packed.reshape(2, rows, _PACK)
    out = cv2.remap(texture, x, y, how, borderMode=cv2.BORDER_REPLICATE)
    return out.reshape(rows * _PACK, *texture.shape[2:])[:count].astype(np.float32)
