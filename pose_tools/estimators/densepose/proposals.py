"""The region proposal network (arXiv 1506.01497): boxes in which something may be."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pose_tools.estimators.densepose.backbone import CHANNELS
from pose_tools.estimators.densepose.boxes import clip, decode, filled, suppress
from pose_tools.estimators.densepose.config import DensePoseConfig


class ProposalHead(nn.Module):
    """A level (N, 256, h, w) -> logits (N, anchors, h, w) and box deltas (N, 4 anchors, h, w)."""

    def __init__(self, anchors: int):
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.objectness_logits = nn.Conv2d(CHANNELS, anchors, 1)
        self.anchor_deltas = nn.Conv2d(CHANNELS, 4 * anchors, 1)

    def forward(self, level: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.conv(level).relu_()
        return self.objectness_logits(hidden), self.anchor_deltas(hidden)


class Proposer(nn.Module):
    """A picture's five levels (1, 256, h, w) and its size (height, width) -> boxes (n, 4), logits (n,), best first."""

    def __init__(self, config: DensePoseConfig):
        super().__init__()
        self.config = config
        self.rpn_head = ProposalHead(len(config.anchor_ratios))

    def forward(self, levels: list[Tensor], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        config = self.config
        found_boxes, found_logits = [], []
        for index, level in enumerate(levels):
            logits, deltas = self.rpn_head(level)
            logits = logits[0].permute(1, 2, 0).flatten()
            deltas = deltas[0].unflatten(0, (-1, 4)).permute(2, 3, 0, 1).reshape(-1, 4)
            logits, best = logits.topk(min(config.proposals, len(logits)))
            anchors = anchor_boxes(
                level.shape[2:], 4 << index, config.anchor_sizes[index], config.anchor_ratios, level.device
            )
            boxes = clip(decode(deltas[best], anchors[best]), size)
            usable = boxes.isfinite().all(dim=1) & logits.isfinite() & filled(boxes)
            boxes, logits = boxes[usable], logits[usable]
            stays = suppress(boxes, logits, config.proposal_overlap)  # levels do not suppress one another
            found_boxes.append(boxes[stays])
            found_logits.append(logits[stays])
        boxes, logits = torch.cat(found_boxes), torch.cat(found_logits)
        best = logits.sort(descending=True, stable=True).indices[: config.proposals]
        return boxes[best], logits[best]


def anchor_boxes(
    cells: tuple[int, int], stride: int, size: int, ratios: tuple[float, ...], device: torch.device | str = "cpu"
) -> Tensor:
    """Anchors around the corner of each cell, row by row and ratio by ratio within a cell: (h * w * ratios, 4).

    size: square root of an anchor's area; a ratio is height : width.
    """
    ratio = torch.tensor(ratios, device=device)
    half = 0.5 * size * torch.stack((ratio.rsqrt(), ratio.sqrt()), dim=1)
    around = torch.cat((-half, half), dim=1)
    y, x = (torch.arange(count, device=device) * float(stride) for count in cells)
    corners = torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), dim=-1)
    return (corners.repeat(1, 1, 2)[:, :, None] + around).reshape(-1, 4)
