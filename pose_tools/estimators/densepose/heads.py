"""What is read from boxes: whether a person is in it and where exactly, and the person's charts."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from pose_tools.estimators.densepose.backbone import CHANNELS
from pose_tools.estimators.densepose.boxes import clip, decode, pool_levels, roi_align, suppress
from pose_tools.estimators.densepose.config import DensePoseConfig

PARTS = 25  # the 24 charts, and the background


@dataclass(frozen=True, eq=False)
class Charts:
    """What the network says of n boxes, each stretched to 112 x 112.

    coarse: logits of background and person, (n, 2, 112, 112); fine: of the background and the 24 charts,
    (n, 25, 112, 112); u, v: (n, 25, 112, 112), one plane for each chart, about 0..1.
    """

    coarse: Tensor
    fine: Tensor
    u: Tensor
    v: Tensor


class BoxHead(nn.Module):
    """Pooled features (n, 256, 7, 7) -> (n, 1024)."""

    def __init__(self, bins: int):
        super().__init__()
        self.fc1 = nn.Linear(CHANNELS * bins * bins, 1024)
        self.fc2 = nn.Linear(1024, 1024)

    def forward(self, pooled: Tensor) -> Tensor:
        return self.fc2(self.fc1(pooled.flatten(1)).relu_()).relu_()


class BoxPredictor(nn.Module):
    """(n, 1024) -> logits of person and of background (n, 2), and box deltas (n, 4)."""

    def __init__(self):
        super().__init__()
        self.cls_score = nn.Linear(1024, 2)
        self.bbox_pred = nn.Linear(1024, 4)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        return self.cls_score(hidden), self.bbox_pred(hidden)


class Decoder(nn.Module):
    """Levels p2 to p5 brought to stride 4 and added (panoptic pyramid, arXiv 1901.02446): (N, 256, h, w)."""

    def __init__(self):
        super().__init__()
        for level, convolutions in (("p2", 1), ("p3", 1), ("p4", 2), ("p5", 3)):
            # two places each: in the official numbering every second one is the upsampling
            layers = nn.ModuleDict(
                {str(2 * i): nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for i in range(convolutions)}
            )
            self.add_module(level, layers)
        self.predictor = nn.Conv2d(CHANNELS, CHANNELS, 1)

    def forward(self, levels: list[Tensor]) -> Tensor:
        total = self.p2["0"](levels[0]).relu_()
        for level, layers in zip(levels[1:4], (self.p3, self.p4, self.p5), strict=True):
            for convolution in layers.values():
                level = convolution(level).relu_()
                level = F.interpolate(level, scale_factor=2.0, mode="bilinear", align_corners=False)
            total += level
        return self.predictor(total)


class ChartHead(nn.Module):
    """Pooled features (n, 256, 28, 28) -> (n, 512, 28, 28)."""

    def __init__(self, layers: int = 8):
        super().__init__()
        for i in range(layers):
            convolution = nn.Conv2d(CHANNELS if i == 0 else 512, 512, 3, padding=1)
            self.add_module(f"body_conv_fcn{i + 1}", convolution)

    def forward(self, x: Tensor) -> Tensor:
        for convolution in self.children():
            x = convolution(x).relu_()
        return x


class ChartPredictor(nn.Module):
    """(n, 512, 28, 28) -> Charts."""

    def __init__(self):
        super().__init__()
        self.ann_index_lowres = nn.ConvTranspose2d(512, 2, 4, stride=2, padding=1)
        self.index_uv_lowres = nn.ConvTranspose2d(512, PARTS, 4, stride=2, padding=1)
        self.u_lowres = nn.ConvTranspose2d(512, PARTS, 4, stride=2, padding=1)
        self.v_lowres = nn.ConvTranspose2d(512, PARTS, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Charts:
        layers = (self.ann_index_lowres, self.index_uv_lowres, self.u_lowres, self.v_lowres)
        return Charts(
            *(F.interpolate(layer(x), scale_factor=2.0, mode="bilinear", align_corners=False) for layer in layers)
        )


class RoiHeads(nn.Module):
    """The boxes' heads. `levels` are always one picture's, (1, 256, h, w) at strides 4, 8, 16, 32 (and 64)."""

    def __init__(self, config: DensePoseConfig):
        super().__init__()
        self.config = config
        self.box_head = BoxHead(config.box_bins)
        self.box_predictor = BoxPredictor()
        self.decoder = Decoder()
        self.densepose_head = ChartHead()
        self.densepose_predictor = ChartPredictor()

    def judge(self, levels: list[Tensor], boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, 2) and deltas (n, 4) of boxes (n, 4)."""
        return self.box_predictor(self.box_head(pool_levels(levels[:4], boxes, self.config.box_bins)))

    def detect(self, levels: list[Tensor], proposals: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Proposals (n, 4) -> the people's boxes (m, 4) and scores (m,) in 0..1, the best first."""
        config = self.config
        logits, deltas = self.judge(levels, proposals)
        boxes, scores = decode(deltas, proposals, config.box_weights), logits.softmax(dim=1)[:, 0]
        usable = boxes.isfinite().all(dim=1) & (scores > config.least_score)
        boxes, scores = clip(boxes[usable], size), scores[usable]
        stays = suppress(boxes, scores, config.overlap)[: config.detections]
        return boxes[stays], scores[stays]

    def charts(self, decoded: Tensor, boxes: Tensor) -> Charts:
        """The decoder's output (1, 256, h, w) -> charts of boxes (n, 4)."""
        pooled = roi_align(decoded, boxes, 4, self.config.chart_bins)
        return self.densepose_predictor(self.densepose_head(pooled))
