"""Likeness and steadiness of a finished film, without any truth: from the photo, the frames, and the charts of both.

Two figures of 0 to 100, and a plain line for each, to compare films of one subject and one motion. On films of rendered
people of 14 kinds (true, carried, tinted, blurred, noisy, mixed up, of weak models) their ranks follow those of the
errors against the true frames: within a person by .72 for likeness (light changes as people turn, which counts against
it here) and by .92 for steadiness.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from scipy.spatial import cKDTree

from dreampose_core.carry.views import HEAD_PARTS
from dreampose_core.evaluation.metrics import unsteadiness

GARMENT_PARTS = (1, 2, 7, 8, 9, 10, 15, 16, 17, 18)  # trunk, thighs and upper arms
MOST_FRAMES = 120  # of a long film, its first ones, that are worth reading
LEVELS = 8  # of a chart's 256: the side of a small place
LEAST_PLACES = 20  # that photo and film must both show
FAR = 6.0  # levels of a chart: a point further from all of the frame before was not seen there
APART = 256 * 4  # between the parts, further than any two places of one
NEAREST = 4  # pixels whose mean place is where a point was
STRIDE = 2  # of the pixels that are followed: a quarter of them tells as much
FLOOR = 0.01  # error that no film is without: places are pixels, and the charts lie a little beside the body
LIKE_FALL, STEADY_FALL = 0.15, 0.06  # errors beyond it at which the figures have fallen to 100 / e


def read_out(
    frames: NDArray[np.uint8], charts: NDArray[np.uint8], photo: NDArray[np.uint8], photo_charts: NDArray[np.uint8]
) -> dict[str, dict]:
    """The readouts of a film as its report keeps them: {name: {"value": 0…100, "error": 0…1, "words": one line}}.

    frames, charts (T, H, W, 3) RGB and IUV; photo, photo_charts (H, W, 3). A readout is left out where it cannot be
    told: a film that shows nothing of what the photo shows has no likeness, one of a single frame no steadiness.
    A value is 100 exp(-max(0, error - FLOOR) / fall), its fall LIKE_FALL or STEADY_FALL. The carried photo itself has
    about 94 and 96, the true film 76 and 80, one in a dress of another colour a likeness of 30, one whose frames are
    mixed up a steadiness of 25.
    """
    told = {}
    for name, error, fall, say in (
        ("likeness", likeness_error(frames, charts, photo, photo_charts), LIKE_FALL, _say_likeness),
        ("steadiness", steadiness_error(frames, charts), STEADY_FALL, _say_steadiness),
    ):
        if np.isfinite(error):
            value = round(100 * float(np.exp(-max(0.0, error - FLOOR) / fall)))
            told[name] = {"value": value, "error": round(error, 5), "words": say(error)}
    return told


def likeness_error(frames: NDArray, charts: NDArray, photo: NDArray, photo_charts: NDArray) -> float:
    """How far garment and head look from the photo's, 0 to 1; nan where fewer than LEAST_PLACES are seen in both.

    Mean absolute difference of the mean looks of the small places of the body's charts (part, U and V in steps of
    LEVELS), each weighted by how often the film shows it.
    """
    film, often = _looks(frames, charts)
    true, seen = _looks(photo[None], photo_charts[None])
    both = (often > 0) & (seen > 0)
    if both.sum() < LEAST_PLACES:
        return float("nan")
    return float(np.average(np.abs(film[both] - true[both]).mean(-1), weights=often[both]))


def steadiness_error(frames: NDArray, charts: NDArray) -> float:
    """Mean absolute difference of the frames and their predecessors carried along the body, 0 to 1; nan where nothing
    can be followed."""
    if len(frames) < 2:
        return float("nan")
    each = unsteadiness(frames, body_flow(charts))
    return float(np.nanmean(each)) if np.isfinite(each).any() else float("nan")


def body_flow(charts: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(T, H, W, 2): from a pixel to where its place on the body was in the frame before, pixels (x, y), as
    metrics.unsteadiness wants it; nan where it was not seen, at edges, and where STRIDE leaves pixels out."""
    inside = np.stack([_inside(one) for one in charts])
    flow = np.full((*charts.shape[:3], 2), np.nan, np.float32)
    before = None
    for t, (chart, known) in enumerate(zip(charts, inside, strict=True)):
        at = np.argwhere(known)
        places = chart[known].astype(np.float32) * (APART, 1, 1)
        if before is not None and len(at):
            followed = (at % STRIDE == 0).all(-1)
            here = at[followed]
            distance, index = before[0].query(places[followed], NEAREST, distance_upper_bound=FAR)
            sure = np.isfinite(distance).all(-1)
            weights = 1 / (distance[sure] + 0.25)
            was = (before[1][index[sure]] * weights[..., None]).sum(1) / weights.sum(1)[:, None]
            flow[t][tuple(here[sure].T)] = (was - here[sure])[:, ::-1]
        before = (cKDTree(places), at) if len(at) >= NEAREST else None
    return flow


def _inside(chart: NDArray) -> NDArray[np.bool_]:
    """Pixels of the body that do not touch its outline, where colours are mixed with the background's."""
    return binary_erosion(chart[..., 0] > 0, np.ones((3, 3)))


def _looks(pictures: NDArray, charts: NDArray) -> tuple[NDArray, NDArray]:
    """Mean colour (N, 3), 0 to 1, and number of pixels (N,) of every small place of garment and head."""
    side = 256 // LEVELS
    shown = np.stack([_inside(one) for one in charts]) & np.isin(charts[..., 0], GARMENT_PARTS + HEAD_PARTS)
    part, u, v = charts[shown].astype(np.int64).T
    place, count = (part * side + u // LEVELS) * side + v // LEVELS, 25 * side * side
    often = np.bincount(place, minlength=count)
    total = np.stack([np.bincount(place, pictures[shown][:, c] / 255.0, count) for c in range(3)], -1)
    return total / np.maximum(often, 1)[:, None], often


def _say_likeness(error: float) -> str:
    return f"colours within {max(1, round(100 * error))} % of the photo"


def _say_steadiness(error: float) -> str:
    return f"{max(0.1, 100 * error):.1f} % change from frame to frame"
