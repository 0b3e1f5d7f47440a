"""DensePose R-CNN: the whole network, and how a picture becomes its input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from pose_tools.estimators.densepose.backbone import Pyramid
from pose_tools.estimators.densepose.config import DensePoseConfig
from pose_tools.estimators.densepose.heads import RoiHeads
from pose_tools.estimators.densepose.proposals import Proposer


class DensePoseRCNN(nn.Module):
    """The official network; names and shapes of its `state_dict()` are those of the official checkpoints."""

    def __init__(self, config: DensePoseConfig):
        super().__init__()
        self.config = config
        self.backbone = Pyramid(config.blocks)
        self.proposal_generator = Proposer(config)
        self.roi_heads = RoiHeads(config)

    def batch(self, pictures: Sequence[Tensor]) -> Tensor:
        """BGR pictures (3, h, w) of 0..255 -> the backbone's input (N, 3, H, W), padded at the right and below."""
        mean = pictures[0].new_tensor(self.config.pixel_mean, dtype=torch.float32)[:, None, None]
        height, width = (max(picture.shape[side] for picture in pictures) for side in (1, 2))
        height, width = (-(-side // self.config.divisor) * self.config.divisor for side in (height, width))
        return torch.stack(
            [F.pad(picture - mean, (0, width - picture.shape[2], 0, height - picture.shape[1])) for picture in pictures]
        )

    def people(self, levels: list[Tensor], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """One picture's levels (1, 256, h, w) and its size before padding -> boxes (n, 4), scores (n,), best first."""
        boxes, _ = self.proposal_generator(levels, size)
        return self.roi_heads.detect(levels, boxes, size)


def with_weights(config: DensePoseConfig, weights: Mapping[str, Tensor]) -> DensePoseRCNN:
    """The network with these weights, for inference only."""
    model = empty(config)
    model.load_state_dict(weights, strict=True, assign=True)
    # the channels of a pixel side by side: a fifth faster on a CPU
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def empty(config: DensePoseConfig) -> DensePoseRCNN:
    """The network without memory for its weights: names and shapes only."""
    with torch.device("meta"):
        return DensePoseRCNN(config)


def input_size(config: DensePoseConfig, height: int, width: int) -> tuple[int, int]:
    """Height and width at which a picture is looked at: the short edge decides, unless the long one gets too long."""
    scale = config.short_edge / min(height, width)
    sides = [config.short_edge if side == min(height, width) else scale * side for side in (height, width)]
    if max(sides) > config.long_edge:
        shrink = config.long_edge / max(sides)
        sides = [side * shrink for side in sides]
    return max(1, int(sides[0] + 0.5)), max(1, int(sides[1] + 0.5))


def bgr_input(frame: np.ndarray, size: tuple[int, int]) -> Tensor:
    """An RGB frame uint8 (H, W, 3) at another (height, width), as uint8 (3, h, w) in the order blue, green, red.

    Pillow's bilinear filter, as detectron2 resizes at test time.
    """
    picture = Image.fromarray(frame).resize(size[::-1], Image.Resampling.BILINEAR)
    return torch.from_numpy(np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1)[::-1]))
