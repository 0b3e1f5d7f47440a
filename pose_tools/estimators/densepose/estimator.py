"""The estimator `densepose`: frames in, the charts of everybody in them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pose_tools.errors import BadInput
from pose_tools.estimators.densepose.boxes import areas, clip, filled
from pose_tools.estimators.densepose.config import CONFIGS
from pose_tools.estimators.densepose.convert import charts_in_box, frame_iuv, whole_box
from pose_tools.estimators.densepose.download import Report
from pose_tools.estimators.densepose.heads import Charts
from pose_tools.estimators.densepose.model import DensePoseRCNN, bgr_input, input_size, with_weights
from pose_tools.estimators.densepose.weights import official_weights, read_weights
from pose_tools.estimators.found import Estimator, Found, batches

SURE = 0.5  # confidence from which on a person is told of
MOST = 10  # people in a frame; bounds memory in a crowd


def load_densepose(
    device: str = "cpu",
    config: str = "R_50_FPN_s1x",
    weights: Path | None = None,
    cache: Path | None = None,
    report: Report | None = None,
) -> Estimator:
    """The official network in plain PyTorch.

    config: a name in CONFIGS; weights: an official pickle or a safetensors file, else the official ones of the
    cache, which are downloaded where they are missing; cache: another folder than `cache_folder()`;
    report(done, total): bytes of the download. Unavailable where there are no weights to be had, BadInput where the
    file named is none.
    """
    if config not in CONFIGS:
        raise BadInput(f"There is no DensePose network named {config}; there are {', '.join(CONFIGS)}.")
    chosen = CONFIGS[config]
    tensors = official_weights(chosen, cache, report) if weights is None else read_weights(Path(weights), chosen)
    return DensePose(with_weights(chosen, tensors).to(device), torch.device(device))


@dataclass(eq=False)
class DensePose:
    """An Estimator; `model` lies on `device`."""

    model: DensePoseRCNN
    device: torch.device
    name: str = "densepose"

    @property
    def batch(self) -> int:
        return batch_on(self.device)

    @torch.inference_mode()
    def find(self, frames: Sequence[np.ndarray]) -> list[list[Found]]:
        """RGB frames uint8 (H, W, 3) -> for each frame its people, the largest first."""
        return [people for part in batches(frames, self.batch) for people in self._find(part)]

    def _find(self, frames: Sequence[np.ndarray]) -> list[list[Found]]:
        model = self.model
        sizes = [input_size(model.config, *frame.shape[:2]) for frame in frames]
        pictures = [bgr_input(frame, size).to(self.device) for frame, size in zip(frames, sizes, strict=True)]
        levels = model.backbone(model.batch(pictures))
        found = []
        for i, (frame, size) in enumerate(zip(frames, sizes, strict=True)):
            own = [level[i : i + 1] for level in levels]
            boxes, scores = model.people(own, size)
            sure = worth_telling(boxes, scores)
            if not len(sure):
                found.append([])
                continue
            charts = model.roi_heads.charts(model.roi_heads.decoder(own), boxes[sure])
            found.append(people_found(boxes[sure], scores[sure], charts, size, frame.shape[:2]))
        return found


def batch_on(device: torch.device) -> int:
    """Frames that are worth handing to a device at once."""
    return 1 if device.type == "cpu" else 8


def worth_telling(boxes: Tensor, scores: Tensor) -> Tensor:
    """Indices of the people who are sure enough, the largest boxes if they are very many."""
    sure = (scores >= SURE).nonzero()[:, 0]
    return sure[areas(boxes[sure]).argsort(descending=True)[:MOST]]


def people_found(
    boxes: Tensor, scores: Tensor, charts: Charts, size: tuple[int, int], frame: tuple[int, int]
) -> list[Found]:
    """Boxes (n, 4) in a picture of `size`, scores (n,) and charts -> the people in the frame, the largest first.

    size, frame: (height, width) as the network saw the picture, and of the frame. Who shows no charts is left out.
    """
    boxes = in_frame(boxes, size, frame)
    people = []
    for i in filled(boxes).nonzero()[:, 0].tolist():
        left, top, width, height = whole_box(boxes[i])
        planes = (charts.coarse[i], charts.fine[i], charts.u[i], charts.v[i])
        labels, uv = charts_in_box(*(plane.float() for plane in planes), width, height)
        if labels.any():
            iuv = frame_iuv(labels, uv, left, top, frame)
            people.append((int(labels.count_nonzero()), Found(iuv, float(scores[i]), boxes[i].cpu().numpy())))
    people.sort(key=lambda person: -person[0])
    return [person for _, person in people]


def in_frame(boxes: Tensor, size: tuple[int, int], frame: tuple[int, int]) -> Tensor:
    """Boxes (n, 4) in pixels of a picture of size (height, width) -> in those of the frame of another size."""
    scale = boxes.new_tensor((frame[1] / size[1], frame[0] / size[0])).repeat(2)
    return clip(boxes * scale, frame)
