"""From the network's charts of a box to IUV in the frame, as DensePose's own converter does it.

Labels: the winner of the fine segmentation, where the coarse one says person, both stretched bilinearly to the
box. U and V: the label's own plane, stretched likewise.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

BAND = 1 << 20  # pixels stretched at once: bounds the memory for people in very large frames


def whole_box(box: Tensor) -> tuple[int, int, int, int]:
    """Left, top, width and height of a box (4,) in whole pixels, as the official converter rounds them."""
    x0, y0, x1, y1 = (float(value) for value in box)
    return int(x0), int(y0), max(int(x1 - x0), 1), max(int(y1 - y0), 1)


def charts_in_box(coarse: Tensor, fine: Tensor, u: Tensor, v: Tensor, width: int, height: int) -> tuple[Tensor, Tensor]:
    """One person's planes (2 or 25, h, w), see Charts -> labels uint8 (height, width), uv (2, height, width).

    u and v are as the network gives them, not clamped; zero where the label is.
    """
    wide = _stretched(torch.cat((coarse, fine)), width, dim=2)
    rows = max(1, BAND // width)
    labels = torch.zeros((height, width), dtype=torch.uint8, device=fine.device)
    uv = torch.zeros((2, height, width), device=fine.device)
    planes = torch.stack((u, v))
    for top in range(0, height, rows):
        band = slice(top, min(top + rows, height))
        logits = _stretched(wide, height, dim=1, part=band)
        label = logits[len(coarse) :].argmax(dim=0) * (logits[: len(coarse)].argmax(dim=0) > 0)
        labels[band] = label.to(torch.uint8)
        y, x = label.nonzero(as_tuple=True)
        uv[:, y + top, x] = _sampled(planes, label[y, x], y + top, x, height, width)
    return labels, uv


def frame_iuv(labels: Tensor, uv: Tensor, left: int, top: int, size: tuple[int, int]) -> np.ndarray:
    """A box's labels and uv put into a frame of size (height, width): uint8 (height, width, 3).

    U and V of 0..1 become 0..255, as officially cut off below and not rounded.
    """
    whole = np.zeros((*size, 3), np.uint8)
    bytes_uv = (uv.clamp(0, 1) * 255).to(torch.uint8)
    box = torch.cat((labels[None], bytes_uv)).permute(1, 2, 0).cpu().numpy()
    place = whole[top : top + box.shape[0], left : left + box.shape[1]]
    place[:] = box[: place.shape[0], : place.shape[1]]
    return whole


def _taps(positions: Tensor, outs: int, ins: int) -> tuple[Tensor, Tensor, Tensor]:
    """For places among `outs`: the two of `ins` between which each lies, and how near it is to the second."""
    at = ((positions + 0.5) * (ins / outs) - 0.5).clamp(min=0)
    low = at.long().clamp(max=ins - 1)
    return low, (low + 1).clamp(max=ins - 1), at - low


def _stretched(planes: Tensor, outs: int, dim: int, part: slice = slice(None)) -> Tensor:
    """Planes stretched linearly along a dimension to `outs`, of which only `part` is made."""
    low, high, share = _taps(torch.arange(outs, device=planes.device)[part], outs, planes.shape[dim])
    share = share.reshape([-1 if i == dim else 1 for i in range(planes.ndim)])
    return torch.lerp(planes.index_select(dim, low), planes.index_select(dim, high), share)


def _sampled(planes: Tensor, label: Tensor, y: Tensor, x: Tensor, height: int, width: int) -> Tensor:
    """Values (2, n) of the labels' planes of (2, 25, h, w), at pixels (y, x) of the stretched box."""
    left, right, share_x = _taps(x, width, planes.shape[3])
    top, bottom, share_y = _taps(y, height, planes.shape[2])
    above = torch.lerp(planes[:, label, top, left], planes[:, label, top, right], share_x)
    below = torch.lerp(planes[:, label, bottom, left], planes[:, label, bottom, right], share_x)
    return torch.lerp(above, below, share_y)
