"""Boxes (N, 4) as x0, y0, x1, y1 in pixels: decoding, clipping, suppression, and features pooled from them.

The conventions are detectron2's: a box's width is x1 - x0, and the centre of a pixel lies at a half.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_GROWTH = math.log(1000 / 16)  # of a box's width or height by decoding, as a logarithm
CHUNK = 128  # boxes pooled at once: bounds the memory


def decode(deltas: Tensor, boxes: Tensor, weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0)) -> Tensor:
    """Boxes moved and scaled by deltas (N, 4), which are dx, dy, log dw, log dh, each times its weight."""
    dx, dy, dw, dh = (deltas / deltas.new_tensor(weights)).unbind(1)
    x0, y0, x1, y1 = boxes.unbind(1)
    width, height = x1 - x0, y1 - y0
    x, y = x0 + 0.5 * width + dx * width, y0 + 0.5 * height + dy * height
    half_width = 0.5 * width * dw.clamp(max=MOST_GROWTH).exp()
    half_height = 0.5 * height * dh.clamp(max=MOST_GROWTH).exp()
    return torch.stack((x - half_width, y - half_height, x + half_width, y + half_height), dim=1)


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes cut to a picture of size (height, width)."""
    height, width = size
    return boxes.clamp(min=0).minimum(boxes.new_tensor((width, height, width, height)))


def areas(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def filled(boxes: Tensor) -> Tensor:
    """Which boxes have an area, bool (N,)."""
    return (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])


def suppress(boxes: Tensor, scores: Tensor, overlap: float) -> Tensor:
    """Indices of the boxes that stay, the best first: each but those that overlap a better one that stays.

    overlap: intersection over union, from above which on a box goes.
    """
    order = scores.sort(descending=True, stable=True).indices
    boxes = boxes[order]
    area = areas(boxes)
    common = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - torch.maximum(
        boxes[:, None, :2], boxes[None, :, :2]
    )
    common = common.clamp_(min=0).prod(dim=2)
    beats = (common / (area[:, None] + area[None] - common) > overlap).cpu().numpy()
    stays = torch.ones(len(boxes), dtype=torch.bool)
    alive = stays.numpy()
    for i in range(len(boxes)):
        if alive[i]:
            alive[i + 1 :] &= ~beats[i, i + 1 :]
    return order[stays.to(order.device)]


def roi_align(feature: Tensor, boxes: Tensor, stride: int, bins: int) -> Tensor:
    """Features (1, C, h, w) at a stride of so many pixels, averaged in bins of boxes: (N, C, bins, bins).

    ROIAlign (arXiv 1703.06870) with two samples a bin and direction: bilinear, the border's values up to one cell
    beyond it, zero farther out. The official networks were trained with its first form, which takes the corner of
    a cell for its centre and reads at least one cell.
    """
    height, width = feature.shape[2:]
    pooled = [feature.new_zeros((0, feature.shape[1], bins, bins))]
    step = (torch.arange(2 * bins, device=boxes.device, dtype=boxes.dtype) + 0.5) / (2 * bins)
    for part in boxes.split(CHUNK) if len(boxes) else ():
        x0, y0, x1, y1 = (part / stride)[:, :, None].unbind(1)
        # (n, 2 bins), in cells
        x, y = x0 + (x1 - x0).clamp(min=1) * step, y0 + (y1 - y0).clamp(min=1) * step
        outside_x, outside_y = (x < -1) | (x > width), (y < -1) | (y > height)
        # grid_sample counts from -1 to 1 between the outer edges of the first and the last cell
        x, y = (2 * x + 1) / width - 1, (2 * y + 1) / height - 1
        grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=-1)
        sampled = F.grid_sample(
            feature, grid.reshape(1, -1, 2 * bins, 2), mode="bilinear", padding_mode="border", align_corners=False
        )
        if outside_x.any() or outside_y.any():
            outside = outside_y[:, :, None] | outside_x[:, None, :]
            sampled = sampled.masked_fill(outside.reshape(-1, 2 * bins), 0)
        averaged = F.avg_pool2d(sampled, 2)[0]
        pooled.append(averaged.unflatten(1, (-1, bins)).transpose(0, 1))
    return torch.cat(pooled)


def pool_levels(levels: Sequence[Tensor], boxes: Tensor, bins: int) -> Tensor:
    """ROIAlign of each box on the level that suits its size: levels (1, C, h, w) at strides 4, 8, 16, ...

    A box of 224 x 224 pixels is read at stride 16 (equation 1 of arXiv 1612.03144).
    """
    level = torch.floor(4 + torch.log2(areas(boxes).sqrt() / 224 + torch.finfo(torch.float64).eps))
    level = level.clamp(2, 1 + len(levels)).long() - 2
    pooled = levels[0].new_zeros((len(boxes), levels[0].shape[1], bins, bins))
    for index, feature in enumerate(levels):
        here = (level == index).nonzero()[:, 0]
        pooled[here] = roi_align(feature, boxes[here], 4 << index, bins)
    return pooled
