"""The person cut out of the photo: alpha, clean foreground colours, and the background as if nobody stood there.

Radii in pixels are meant for a picture of 320 rows and grow with its height.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from dreampose_core.carry.backdrop import plain_backdrop, shade_at_feet
from dreampose_core.carry.fill import bleed, disc, distance, grow, shrink, smooth_fill
from dreampose_core.carry.scenery import complete_scene

DESIGN_ROWS = 320
_PRINTED = 0.02  # of the person: has the background's colour
_PALETTE = 24  # colours told apart
_NEAR = 8  # units about a pixel in which its colour is compared
_TOLD = 0.7  # log of the odds from which a colour is the background's
_CUT_ROWS = 400  # grabCut works on a picture of at most about this many rows


@dataclass(frozen=True)
class Cutout:
    """alpha (H,W) f32 0..1; colours (H,W,3) uint8 without background, continued beyond the outline;
    background (H,W,3) uint8; shade: see backdrop.shade_at_feet."""

    alpha: np.ndarray
    colours: np.ndarray
    background: np.ndarray
    shade: float


def cut_out(photo: np.ndarray, mask: np.ndarray, body: np.ndarray, arms: np.ndarray, head: np.ndarray) -> Cutout:
    """The person of photo (H,W,3) uint8, given a soft mask (H,W) 0..1 and where the fitted body, its arms and its
    head are seen (H,W) bool."""
    unit = photo.shape[0] / DESIGN_ROWS
    outline = _outline(photo, mask, body, unit)
    outline &= ~_gaps(photo, outline, body, arms, head, unit)
    alpha = _alpha(photo, outline, unit)
    background = _complete(photo, alpha > 0.02, unit)
    shade = shade_at_feet(photo, background, alpha)
    return Cutout(alpha, _clean_colours(photo, alpha, unit), background, shade)


def _outline(photo: np.ndarray, mask: np.ndarray, body: np.ndarray, unit: float) -> np.ndarray:
    """The mask (H,W) bool with its border moved to the picture's edges (grabCut, Rother et al. 2004)."""
    height, width = mask.shape
    shrinking = max(1.0, height / _CUT_ROWS)
    size = (round(width / shrinking), round(height / shrinking))
    unit = unit / shrinking
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    soft = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    inner = shrink(cv2.resize(body.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0, 2.5 * unit)
    person = soft > 0.5
    labels = np.full(person.shape, cv2.GC_PR_BGD, np.uint8)
    labels[person | inner] = cv2.GC_PR_FGD
    labels[shrink(soft > 0.6, 2.2 * unit) | (inner & (soft > 0.3))] = cv2.GC_FGD
    labels[~grow((soft > 0.3) | inner, 5 * unit)] = cv2.GC_BGD
    if not ((labels == cv2.GC_FGD).any() and (labels == cv2.GC_BGD).any()):
        return mask > 0.5
    cv2.setRNGSeed(0)
    apart = _told_apart(small, np.maximum(soft, inner), _NEAR * unit)
    undecided = (labels == cv2.GC_PR_FGD) | (labels == cv2.GC_PR_BGD)
    labels[undecided & (apart < -_TOLD)] = cv2.GC_BGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(small[..., ::-1])
    cv2.grabCut(bgr, labels, None, *models, 3, cv2.GC_INIT_WITH_MASK)
    cut = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    square = np.ones((2, 2), np.uint8)
    # opposite anchors: with one anchor an opening by an even square shifts the person by a pixel
    cut = cv2.dilate(cv2.erode(cut.astype(np.uint8), square, anchor=(0, 0)), square, anchor=(1, 1))
    cut = _largest(cut > 0)
    if (cut & person).sum() < 0.8 * person.sum():  # the colours do not tell person from background
        cut = person
    full = cv2.resize(cut.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return full > 0.5


def _told_apart(photo: np.ndarray, mask: np.ndarray, reach: float) -> np.ndarray:
    """(h,w): log of how much likelier the colour of each pixel of photo (h,w,3) uint8 is in the mask (h,w) 0..1 about
    it than beside the mask, by their histograms over that reach in pixels; 0 where nothing is known.

    grabCut's models know no places: a dark window is to them as like the person's dark shorts as those are."""
    half = cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(half, cv2.COLOR_RGB2LAB).astype(np.float32)
    inside = cv2.resize(mask, lab.shape[1::-1], interpolation=cv2.INTER_AREA)
    stop = (cv2.TERM_CRITERIA_MAX_ITER, 8, 0)
    _, _, palette = cv2.kmeans(lab.reshape(-1, 3)[::7], _PALETTE, None, stop, 1, cv2.KMEANS_PP_CENTERS)
    which = ((palette**2).sum(1) - 2 * lab @ palette.T).argmin(-1)

    def about(values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values, (0, 0), reach / 2)

    there = about(inside)
    ratio = np.zeros(inside.shape, np.float32)
    for colour in range(_PALETTE):
        own = which == colour
        everywhere, within = about(own.astype(np.float32)), about(own * inside)
        shares = within / (there + 0.02), (everywhere - within) / (1.02 - there)
        ratio[own] = np.log((shares[0] + 0.01) / (shares[1] + 0.01))[own]
    return cv2.resize(ratio, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _gaps(
    photo: np.ndarray, outline: np.ndarray, body: np.ndarray, arms: np.ndarray, head: np.ndarray, unit: float
) -> np.ndarray:
    """(H,W) bool: background that shows between arm and body, or hair and shoulder, which a coarse person mask closes.

    A gap lies off the body beside an arm, or about the neck at most a little inside the fitted body; it has the
    colour of the background around the person, and the person next to it has another.
    """
    lab = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB).astype(np.float32)
    behind = smooth_fill(lab, ~grow(outline, 3 * unit), 12)
    alike = np.linalg.norm(lab - behind, axis=-1)
    # a slit too narrow to show the background's pure colour is still a ridge of likeness to it
    likeness = np.exp(-((alike / 40) ** 2) / 2).astype(np.float32)
    beside = cv2.morphologyEx(likeness, cv2.MORPH_OPEN, disc(2.5 * unit))
    slit = outline & (likeness - beside > 0.25) & (beside < 0.2) & (distance(arms) < 3 * unit)
    slit &= ~shrink(body, 9 * unit)  # there it is what lies between two fingers
    found = ~body & grow(arms, 8 * unit) & (alike < 14)
    about_neck = ~shrink(body, 4 * unit) & grow(head, 10 * unit) & ~head
    found |= about_neck & (alike < 7)  # a shadowed neck is not far from a grey wall
    found &= outline
    # in a print with the background's colour only what is as long as an arm's gap can be told from it
    core = shrink(outline & body, 3 * unit) & ~grow(arms, 3 * unit)
    printed = core.any() and (alike[core] < 14).mean() > _PRINTED
    if printed:
        upright = np.ones((round(8 * unit), 1), np.uint8)
        found = outline & ~shrink(body, 3 * unit) & grow(arms, 8 * unit) & (alike < 18)
        found = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, upright) > 0
    count, part, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8), connectivity=4)
    gaps = np.zeros_like(outline)
    for i in range(1, count):
        if stats[i, cv2.CC_STAT_AREA] < 3 * unit**2:
            continue
        here = part == i
        beside = body & grow(here, 5 * unit)
        if beside.any() and np.median(alike[beside]) > 30:
            gaps |= here
    return gaps if printed else gaps | slit


def _largest(mask: np.ndarray) -> np.ndarray:
    """The mask's parts of at least a twentieth of its largest one."""
    count, label, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count < 2:
        return mask
    area = stats[:, cv2.CC_STAT_AREA].copy()
    area[0] = 0
    return (area >= 0.05 * area.max())[label] & mask


def _alpha(photo: np.ndarray, outline: np.ndarray, unit: float) -> np.ndarray:
    """Coverage (H,W) f32 in a band around the outline.

    Where the colours on the two sides differ, alpha is the pixel's place on the line between them (what
    compositing I = aF + (1-a)B says for known F and B); elsewhere a guided filter of the outline (He et al. 2010).
    """
    image = photo.astype(np.float32)
    inside, outside = shrink(outline, 2 * unit), ~grow(outline, 2 * unit)
    guide = image / 255
    soft = cv2.ximgproc.guidedFilter(guide, outline.astype(np.float32), max(2, round(2 * unit)), 2e-4)
    front = cv2.GaussianBlur(bleed(image, inside), (0, 0), unit)
    back = smooth_fill(image, outside, 12)
    line = front - back
    length = (line**2).sum(-1)
    place = ((image - back) * line).sum(-1) / (length + 1e-3)
    place = np.clip(place, 0, 1)
    off = ((image - back - place[..., None] * line) ** 2).sum(-1)
    trust = length / (length + 40.0**2) * np.exp(-off / 30.0**2)
    alpha = trust * place + (1 - trust) * np.clip(soft, 0, 1)
    alpha = np.where(inside, 1.0, np.where(outside, 0.0, alpha))
    # one smooth ramp: a pixel far outside the outline cannot be much covered, one far inside not bare
    reach = distance(outline) - distance(~outline)
    alpha = np.minimum(alpha, np.clip(1 - (reach - 0.5) / (2.5 * unit), 0, 1))
    alpha = np.maximum(alpha, np.clip((-reach - 0.5) / (2.5 * unit), 0, 1))
    alpha = np.clip((alpha - 0.06) / 0.88, 0, 1)
    return alpha.astype(np.float32)


def _clean_colours(photo: np.ndarray, alpha: np.ndarray, unit: float) -> np.ndarray:
    """The person's own colours (H,W,3) uint8 without what shines in from behind, continued outward.

    Blur-fusion (Forte, Approximate fast foreground colour estimation, ICIP 2021), twice with falling radius.
    """
    image, weight = photo.astype(np.float32), alpha[..., None]
    front, back = image, image
    for radius in (6 * unit, 2 * unit):
        size = 2 * round(radius) + 1

        def mean(values: np.ndarray, size: int = size) -> np.ndarray:
            return cv2.blur(values, (size, size))

        share = mean(alpha)[..., None]
        around = mean(front * weight) / (share + 1e-5)
        back = mean(back * (1 - weight)) / (1 - share + 1e-5)
        front = around + weight * (image - weight * around - (1 - weight) * back)
    front = np.where(weight > 0.98, image, front)
    front = bleed(np.clip(front, 0, 255), alpha > 0.35)
    return (front + 0.5).astype(np.uint8)


def _complete(photo: np.ndarray, person: np.ndarray, unit: float) -> np.ndarray:
    """The photo with the person filled in from around; a plain backdrop also without the person's shadow, and with the
    grain of what is around."""
    hidden = grow(person, 2 * unit)
    if hidden.all():
        return photo.copy()
    filled = plain_backdrop(photo, ~hidden, unit)
    if filled is None:
        return np.clip(complete_scene(photo, ~hidden) + 0.5, 0, 255).astype(np.uint8)
    image = photo.astype(np.float32)
    made = np.abs(filled - image).max(-1, keepdims=True) > 3  # the rest has the photo's own grain
    detail = image - cv2.GaussianBlur(image, (0, 0), 1.2)
    ring = grow(hidden, 12 * unit) & ~grow(hidden, 2 * unit)
    spread = np.median(np.abs(detail[ring])) * 1.48 if ring.any() else 0.0
    grain = np.random.default_rng(0).standard_normal(photo.shape[:2]).astype(np.float32)[..., None]
    filled += min(float(spread), 4.0) * grain * (hidden[..., None] | made)
    return np.clip(filled + 0.5, 0, 255).astype(np.uint8)
