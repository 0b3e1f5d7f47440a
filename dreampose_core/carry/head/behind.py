"""The side of the trunk that the photo does not show: its front's texture, without what only a front has, with hair
that hangs and a collar that go around; and how far down the head's own texture goes. Works on the analysis grid."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from dreampose_core.carry.colours import skin_like
from dreampose_core.carry.fill import between, bleed, disc, grow, shrink, smooth_fill, touching
from dreampose_core.carry.quilt import quilt
from dreampose_core.carry.views import HEAD_PARTS, TRUNK, BodyView
from pose_tools.body.figure import BONES

_CHEST = ("root", "spine04", "spine02", "clavicle.L", "clavicle.R")
_TUFT = 0.08  # of the head's height: what is thinner than twice this stands out of its outline
_CHEEK = 0.3  # of the skull's width: so far hair that hangs beside it may lie over it
_LOW = 0.55  # of the way down the fitted head and neck: hair beside it there hangs
_HUES = 9  # levels of a and b from which on colours differ in hue
_NEAR = 0.45  # of the head's height: so far below the chin a collar is looked for


@dataclass(frozen=True)
class Seen:
    """What the photo shows about the head. hair (h,w) bool: also where it hangs down; skin (h,w) bool; tufts (h,w)
    bool: hair that stands out by itself; collar (w,) f32: the row from which on the back is cloth, a line between the
    places where the outline becomes cloth; share (2,h,w) f32 0..1: how far front and back take the texture of the
    unrolled head; ragged: pixels by which the hair's outline varies."""

    hair: np.ndarray
    skin: np.ndarray
    tufts: np.ndarray
    collar: np.ndarray
    share: np.ndarray
    ragged: float


def look_at_head(small: np.ndarray, trunk: np.ndarray, view: BodyView) -> Seen:
    """small (h,w,3) uint8 colours; trunk (h,w) bool: where they show head and trunk."""
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
    skin = skin_like(lab, trunk, view)
    tube = view.tubes[TRUNK]
    head = bleed(tube.weights[..., BONES.index("head")], tube.covers) > 0.5
    hair = _hair(lab, trunk & head, skin, view)
    skull = np.flatnonzero(np.isin(view.part, HEAD_PARTS).any(1))
    if hair.any():
        hair = _hanging(lab, hair, trunk & ~skin, skull[-1] + (skull[-1] - skull[0]))
        if skin.any():
            hair = _over_cheeks(lab, hair, skin & ~hair, trunk, np.isin(view.part, HEAD_PARTS))
    if len(skull):  # lit or shaded, what is neither hair nor beyond the skull is the face
        face = np.isin(view.part, HEAD_PARTS) & (np.arange(len(small))[:, None] < skull[0] + 0.75 * len(skull))
        skin |= face & trunk
        core = shrink(face, 1) & trunk & ~hair & (np.arange(len(small))[:, None] > skull[0] + 0.3 * len(skull))
        light = np.quantile(lab[core][:, 0], (0.1, 0.35, 0.6, 0.9)) if core.any() else ()
        for level in light:
            colour = np.median(lab[core & (np.abs(lab[..., 0] - level) < 12)], 0)
            skin |= trunk & (np.abs(lab - colour) < (20, 9, 9)).all(-1)
            # under the chin it is the same in the shade
            skin |= trunk & np.isin(view.part, HEAD_PARTS) & (np.abs(lab - colour) < (90, 11, 11)).all(-1)
    skin &= ~hair
    collar = _collar(trunk, skin | hair, head, skull)
    # what stands out of the outline has no volume
    even = cv2.morphologyEx((trunk & head).astype(np.uint8), cv2.MORPH_OPEN, disc(_TUFT * max(len(skull), 1))) > 0
    tufts = trunk & head & ~even & ~tube.covers
    border = even & ~shrink(even, 1) & grow(hair, 2)
    ragged = float(np.clip(tufts.sum() / max(border.sum(), 1), 0, 2))
    rows = np.arange(len(small))[:, None]
    chin = skull[-1] if len(skull) else 0
    # pixels of the outline are mixed with what lies behind
    cloth = shrink(trunk, 1) & ~skin & ~hair & (rows > chin - 0.25 * (len(skull)))
    front = (1 - cv2.GaussianBlur(grow(cloth, 1).astype(np.float32), (0, 0), 1.0))
    back = np.broadcast_to(np.clip((collar[None] - rows) / 3, 0, 1), trunk.shape)
    return Seen(hair, skin, tufts, collar, np.stack([front, back]).astype(np.float32), ragged)


def back_colours(
    colours: np.ndarray, trunk: np.ndarray, weights: np.ndarray, seen: Seen, unit: float
) -> tuple[np.ndarray, np.ndarray]:
    """(H,W,3) uint8 colours of the trunk's back, and (H,W) f32 how much of them is invented.

    colours (H,W,3) uint8 of the trunk's front; trunk (h,w) bool and weights (h,w,B) on the analysis grid; unit: photo
    pixels for one of 320 rows. Hair closes behind the neck, cloth over the skin of the neckline up to the collar.
    """
    chest = sum(weights[..., BONES.index(bone)] for bone in _CHEST) > 0.35
    head = weights[..., BONES.index("head")] > 0.5
    rows = np.arange(len(trunk))[:, None]
    reached = touching(seen.skin & trunk, head)  # flowers of its colour on a dress do not join the head
    neckline = reached & chest
    around = grow(neckline, 2) & trunk
    cloth = trunk & chest & ~grow(seen.skin, 2) & ~grow(seen.hair, 2)
    covered = (around | grow(seen.hair & chest, 2)) & (rows >= seen.collar[None]) & chest
    bare = grow(reached, 2) & trunk & (rows < seen.collar[None]) & (chest | (rows > seen.collar[None] - 12))
    out, invented = colours, np.zeros(trunk.shape, np.float32)
    size = colours.shape[1::-1]

    def full(mask: np.ndarray) -> np.ndarray:
        return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)

    def put(new: np.ndarray, where: np.ndarray) -> None:
        nonlocal out
        share = cv2.GaussianBlur(full(where), (0, 0), 0.7 * unit)[..., None]
        out = (out * (1 - share) + new * share + 0.5).astype(np.uint8)
        invented[where] = 1

    if bare.any() and seen.skin.any():
        plain = shrink(neckline, 1) & (rows > seen.collar[None] - 8)
        plain = plain if plain.sum() > 20 else shrink(reached & (chest | (rows > seen.collar[None] - 12)), 1)
        if plain.any():
            put(cv2.GaussianBlur(smooth_fill(colours.astype(np.float32), full(plain) > 0.9), (0, 0), 2 * unit), bare)
    if cloth.sum() > 40 and covered.any():
        put(_laid(colours, full(cloth) > 0.99, full(grow(covered, 1)) > 0.1, unit), covered)
    hanging = between(seen.hair & ~head) & trunk & ~head
    if hanging.any():
        hair = full(shrink(seen.hair, 1)) > 0.9
        put(_laid(colours, hair, full(grow(hanging, 1)) > 0.1, unit, keep=full(hanging & seen.hair) > 0.9), hanging)
    return out, cv2.resize(invented, size, interpolation=cv2.INTER_LINEAR)


def _laid(
    colours: np.ndarray, source: np.ndarray, target: np.ndarray, unit: float, keep: np.ndarray | None = None
) -> np.ndarray:
    """colours (H,W,3) with the target laid with pieces of the source, masks (H,W) bool."""
    known = source if keep is None else keep
    target = target & ~known
    ys, xs = np.nonzero(target)
    if not len(ys):
        return colours
    near = round(24 * unit)
    y, x = slice(max(0, ys.min() - near), ys.max() + near), slice(max(0, xs.min() - near), xs.max() + near)
    out = colours.copy()
    usable = source[y, x] if source[y, x].sum() > 300 else source
    texture = colours[y, x] if source[y, x].sum() > 300 else colours
    out[y, x] = quilt(colours[y, x], known[y, x], target[y, x], texture, usable)
    return out


def _collar(trunk: np.ndarray, bare: np.ndarray, head: np.ndarray, skull: np.ndarray) -> np.ndarray:
    """(w,) f32 rows of a line from where the outline becomes cloth on one side to where it does on the other."""
    width = trunk.shape[1]
    if not len(skull):
        return np.zeros(width, np.float32)
    tall = len(skull)
    ends = []
    for mirrored in (False, True):
        person, skin = (mask[:, ::-1] if mirrored else mask for mask in (trunk, bare))
        found = None
        for row in range(skull[-1] - tall // 6, min(skull[-1] + round(_NEAR * tall) + 1, len(trunk) - 3)):
            columns = [np.flatnonzero(person[r])[:5] for r in (row, row + 1, row + 2)]
            if all(len(c) > 4 and skin[row + i, c].mean() < 0.4 for i, c in enumerate(columns)):
                found = (columns[0][0], row)
                break
        ends.append(found)
    ends = [None if end is None else (width - 1 - end[0], end[1]) if i else end for i, end in enumerate(ends)]
    if not any(ends):
        return np.full(width, skull[-1] + _NEAR * tall, np.float32)
    (x0, y0), (x1, y1) = (end or ends[1 - i] for i, end in enumerate(ends))
    return np.interp(np.arange(width), (x0, max(x1, x0 + 1)), (y0, y1)).astype(np.float32)


def _hair(lab: np.ndarray, head: np.ndarray, skin: np.ndarray, view: BodyView) -> np.ndarray:
    """(h,w) bool: pixels of the head that show hair: around the face or high on it, of the crown's colour rather than
    of the face's; none where the crown is as the face."""
    skull = np.isin(view.part, HEAD_PARTS)
    rows = np.flatnonzero(skull.any(1))
    found = np.zeros_like(head)
    if not len(rows):
        return found
    y, tall = np.arange(len(head))[:, None], len(rows)
    inner = shrink(head, 1)
    crown = inner & (y < rows[0] + 0.12 * tall)
    face = inner & shrink(skull, 2) & (y > rows[0] + 0.35 * tall) & (y < rows[0] + 0.6 * tall)
    if crown.sum() < 6 or face.sum() < 12:
        return found
    face = face & skin if (face & skin).sum() > 12 else face
    above, below = np.median(lab[crown], 0), np.median(lab[face], 0)
    apart = above - below
    if np.hypot(*apart[1:]) < 7 and apart[0] > -14:
        return found
    to_hair = _liker(lab, above, below)
    # neither brows nor a beard
    high, low = y < rows[0] + 0.3 * tall, y > rows[0] + 0.55 * tall
    beside = ~shrink(skull, 2) & ~(low & skull)
    found = inner & (high | beside) & (to_hair < 34)
    even = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, disc(1)) > 0
    return touching(found & (high | even), crown)


def _over_cheeks(
    lab: np.ndarray, hair: np.ndarray, face: np.ndarray, where: np.ndarray, skull: np.ndarray
) -> np.ndarray:
    """(h,w) bool: pixels of head and neck, in the mask, that are liker to the hair (h,w) bool than to the face and go
    on, in their row, from hair that hangs beside the skull (h,w) bool: neither brows nor a beard."""
    alike = hair | where & (_liker(lab, np.median(lab[hair], 0), np.median(lab[face], 0)) < np.inf)
    rows = np.flatnonzero(skull.any(1))
    out = hair.copy()
    for inward in (1, -1):
        reach = np.zeros((len(hair), 1), np.uint8)
        edge = skull[:, ::inward].argmax(1)
        for row in rows:
            line = alike[row, ::inward]
            deep = round(_CHEEK * skull[row].sum())
            if edge[row] >= 3 and line[edge[row] - 3 : edge[row]].all():
                reach[row] = np.argmin(np.append(line[edge[row] : edge[row] + deep], False))
        # a brow, or an eye in its shadow, goes on less far down than a lock does
        reach = cv2.morphologyEx(reach, cv2.MORPH_OPEN, np.ones((len(rows) // 5 | 1, 1), np.uint8))[:, 0]
        if not reach[rows[0] + round(_LOW * len(rows)) :].any():
            continue  # beside tied or short hair there are only shadows
        for row in rows:
            out[:, ::inward][row, edge[row] : edge[row] + reach[row]] = True
    return touching(out, hair)


def _liker(lab: np.ndarray, hair: np.ndarray, face: np.ndarray) -> np.ndarray:
    """(h,w) f32 how far colours are from that of hair, inf where that of the face is nearer. Where the two differ in
    hue, highlights on hair are no face, and shadows on a face no hair."""
    differ = np.hypot(*(hair - face)[1:]) > _HUES
    weight = np.array((0.4 if differ else 1.0, 1.0, 1.0), np.float32)
    to_hair, to_face = ((lab - colour) * weight for colour in (hair, face))
    nearer = np.linalg.norm(to_hair, axis=-1) < np.linalg.norm(to_face, axis=-1)
    if differ:
        nearer &= 1.5 * np.linalg.norm(to_hair[..., 1:], axis=-1) < np.linalg.norm(to_face[..., 1:], axis=-1)
    return np.where(nearer, np.linalg.norm(to_hair, axis=-1), np.inf)


def _hanging(lab: np.ndarray, hair: np.ndarray, where: np.ndarray, last: int) -> np.ndarray:
    """hair (h,w) bool with what goes on from it, alike, down to a row: beside the face and over the shoulders."""
    colour, spread = np.median(lab[hair], 0), lab[hair].std(0).clip(6, 14)
    alike = where & (np.abs(lab - colour) < 2.2 * spread).all(-1) & (np.arange(len(hair))[:, None] < last)
    alike = cv2.morphologyEx((alike | hair).astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0
    longer = touching(alike | hair, hair)
    # a garment of the hair's colour is no hair
    return longer if longer.sum() < 2.5 * hair.sum() else hair
