"""How near pictures are to the true ones, and how steady a clip is. Pure functions on numpy arrays.

Pictures are uint8 (0…255) or float (0…1), of shape (..., H, W, 3). Every measure gives one number a picture,
of shape (...), so that a caller can average, or look for the worst frame. A mask (..., H, W), 0…1 or bool,
weights the pixels; where a mask is empty the measure is nan.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5


def l1(pictures: NDArray, truth: NDArray, mask: NDArray | None = None) -> NDArray[np.float64]:
    """Mean absolute difference, 0 (equal) to 1."""
    a, b = _pair(pictures, truth)
    return _mean(np.abs(a - b).mean(-1), mask)


def psnr(pictures: NDArray, truth: NDArray, mask: NDArray | None = None) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio in dB, -10 log10 of the mean squared difference; inf for equal pictures."""
    a, b = _pair(pictures, truth)
    with np.errstate(divide="ignore"):
        return -10 * np.log10(_mean(((a - b) ** 2).mean(-1), mask))


def ssim(pictures: NDArray, truth: NDArray, mask: NDArray | None = None) -> NDArray[np.float64]:
    """Structural similarity, up to 1 (equal), mean over pixels and colours.

    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", IEEE TIP 13 (2004): Gaussian window of 11x11 with sigma 1.5, K1 = 0.01, K2 = 0.03, and only
    windows that lie wholly in the picture, each counted (with a mask: weighted) at its middle pixel.
    Raises ValueError where a side is shorter than the window.
    """
    a, b = _pair(pictures, truth)
    if min(a.shape[-3:-1]) < SSIM_WINDOW:
        raise ValueError(f"SSIM needs pictures of at least {SSIM_WINDOW} pixels a side.")
    mean_a, mean_b = _window(a), _window(b)
    var_a = _window(a * a) - mean_a**2
    var_b = _window(b * b) - mean_b**2
    both = _window(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    structure = ((2 * mean_a * mean_b + c1) * (2 * both + c2)) / (
        (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    )
    edge = SSIM_WINDOW // 2
    inner = (..., slice(edge, -edge), slice(edge, -edge))
    return _mean(structure.mean(-1)[inner], None if mask is None else np.asarray(mask)[inner])


def flicker(clip: NDArray, mask: NDArray | None = None) -> float:
    """How unsteady a clip (T, H, W, 3) is: mean absolute second difference over time, 0 (still, or an even
    change).

    mask (T, H, W) weights the pixels of each middle frame. 0 for fewer than three frames. A moving edge
    counts too, so compare only clips of the same motion.
    """
    if len(clip) < 3:
        return 0.0
    frames = _unit(clip)
    jerk = np.abs(frames[2:] - 2 * frames[1:-1] + frames[:-2]).mean(-1)
    return float(np.nanmean(_mean(jerk, None if mask is None else np.asarray(mask)[1:-1])))


def compare(pictures: NDArray, truth: NDArray, mask: NDArray | None = None) -> dict[str, float]:
    """Means over all pictures: l1, psnr, ssim, and with a mask also l1_masked, psnr_masked, ssim_masked."""
    measures = {"l1": l1, "psnr": psnr, "ssim": ssim}
    means = {name: float(np.mean(measure(pictures, truth))) for name, measure in measures.items()}
    if mask is not None:
        for name, measure in measures.items():
            means[f"{name}_masked"] = float(np.nanmean(measure(pictures, truth, mask)))
    return means


def _unit(pictures: NDArray) -> NDArray[np.float64]:
    pictures = np.asarray(pictures)
    return pictures / 255.0 if pictures.dtype == np.uint8 else pictures.astype(np.float64)


def _pair(pictures: NDArray, truth: NDArray) -> tuple[NDArray, NDArray]:
    a, b = _unit(pictures), _unit(truth)
    if a.shape != b.shape or a.ndim < 3 or a.shape[-1] != 3:
        raise ValueError(f"Two stacks of pictures (..., H, W, 3) are needed, not {a.shape} and {b.shape}.")
    return a, b


def _mean(values: NDArray, mask: NDArray | None) -> NDArray[np.float64]:
    """values (..., H, W) -> (...)"""
    if mask is None:
        return values.mean((-2, -1))
    weights = np.broadcast_to(np.asarray(mask, np.float64), values.shape)
    with np.errstate(invalid="ignore"):
        return (values * weights).sum((-2, -1)) / weights.sum((-2, -1))


def _window(planes: NDArray) -> NDArray:
    """The Gaussian-weighted mean around every pixel of (..., H, W, C)."""
    offsets = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    kernel = np.exp(-(offsets**2) / (2 * SSIM_SIGMA**2))
    kernel /= kernel.sum()
    return correlate1d(correlate1d(planes, kernel, axis=-3), kernel, axis=-2)


def unsteadiness(clip: NDArray, flow: NDArray) -> NDArray[np.float64]:
    """Mean absolute difference of each frame and the one before, carried along the true motion: (T - 1,), 0 to 1.

    clip (T, H, W, 3); flow (T, H, W, 2): from each pixel to where its point was in the frame before, pixels (x, y),
    nan where that is not known (so all of the first frame). nan for a frame of which nothing is known. What is left
    for the true clip itself (its light changes too) is to be taken off by the caller.
    """
    frames = _unit(clip).astype(np.float32)
    height, width = frames.shape[1:3]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    out = []
    for now, before, moved in zip(frames[1:], frames[:-1], flow[1:], strict=True):
        known = np.isfinite(moved).all(-1)
        at = np.where(known[..., None], moved, 0).astype(np.float32)
        carried = cv2.remap(before, x + at[..., 0], y + at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        difference = np.abs(now - carried).mean(-1)[known]
        out.append(difference.mean() if known.any() else np.nan)
    return np.array(out, np.float64)


def likeness(
    clip: NDArray, truth: NDArray, texels: NDArray, cells: NDArray, among: NDArray | None = None
) -> tuple[float, float]:
    """Errors of colour and of pattern on a surface, 0 to 1, both of its mean look over all frames.

    texels (T, H, W) int: which small place of the surface each pixel shows, -1 for none; cells (N,) int: to which
    large place each texel belongs; among (N,) bool: the small places that are looked at, all if None. Colour compares
    the means of the large places, pattern what the small ones have beyond them; both are mean absolute differences,
    weighted by how often a place is seen. nan where none is.
    """
    shown = texels >= 0 if among is None else (texels >= 0) & np.append(among, False)[texels]
    if not shown.any():
        return float("nan"), float("nan")
    place, count = texels[shown], np.bincount(texels[shown], minlength=len(cells))
    many = np.bincount(cells, count)

    def looks(pictures: NDArray) -> tuple[NDArray, NDArray]:
        colours = _unit(pictures)[shown]
        total = np.stack([np.bincount(place, colours[:, c], len(cells)) for c in range(3)], -1)
        large = np.stack([np.bincount(cells, total[:, c]) for c in range(3)], -1) / np.maximum(many, 1)[:, None]
        return large, total / np.maximum(count, 1)[:, None] - large[cells]

    (colour, pattern), (true_colour, true_pattern) = looks(clip), looks(truth)
    return (
        float(np.average(np.abs(colour - true_colour).mean(-1), weights=many)),
        float(np.average(np.abs(pattern - true_pattern).mean(-1), weights=count)),
    )
