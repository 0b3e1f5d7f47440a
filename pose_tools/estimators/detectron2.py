"""The estimator `detectron2`: the official packages detectron2 and detectron2-densepose, where they are installed.

They compute what `densepose` computes in plain PyTorch, with the same weights from the same cache; only the network
is theirs. They need torchvision and a compiler to be installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pose_tools.estimators.densepose.config import CONFIGS, DensePoseConfig
from pose_tools.estimators.densepose.download import Report
from pose_tools.estimators.densepose.estimator import batch_on, people_found, worth_telling
from pose_tools.estimators.densepose.heads import Charts
from pose_tools.estimators.densepose.model import bgr_input, input_size
from pose_tools.estimators.densepose.weights import official_weights
from pose_tools.estimators.found import Estimator, Found, Unavailable, batches


def load_detectron2(device: str = "cpu", cache: Path | None = None, report: Report | None = None) -> Estimator:
    """The official network R_50_FPN_s1x. Unavailable where the packages or the weights are not to be had."""
    try:
        from densepose import add_densepose_config
        from detectron2.config import get_cfg
        from detectron2.modeling import build_model
    except (ImportError, OSError, RuntimeError) as error:  # the latter two: built for another torch
        raise Unavailable(
            "The packages detectron2 and detectron2-densepose are not installed here, or do not fit this PyTorch; "
            "install them as the README says, or take the estimator densepose."
        ) from error
    config = CONFIGS["R_50_FPN_s1x"]
    weights = official_weights(config, cache, report)
    settings = get_cfg()
    add_densepose_config(settings)
    _configure(settings.MODEL, config, device)
    model = build_model(settings)
    model.load_state_dict(weights, strict=True)
    return Detectron2(model.eval().requires_grad_(False), config, torch.device(device))


@dataclass(eq=False)
class Detectron2:
    """An Estimator around detectron2's own GeneralizedRCNN."""

    model: Any
    config: DensePoseConfig
    device: torch.device
    name: str = "detectron2"

    @property
    def batch(self) -> int:
        return batch_on(self.device)

    @torch.inference_mode()
    def find(self, frames: Sequence[np.ndarray]) -> list[list[Found]]:
        """RGB frames uint8 (H, W, 3) -> for each frame its people, the largest first."""
        found = []
        for part in batches(frames, self.batch):
            inputs = [
                {"image": bgr_input(frame, input_size(self.config, *frame.shape[:2])).float()}
                | dict(zip(("height", "width"), frame.shape[:2], strict=True))
                for frame in part
            ]
            for frame, answer in zip(part, self.model(inputs), strict=True):
                people = answer["instances"]
                people = people[worth_telling(people.pred_boxes.tensor, people.scores)]
                if not len(people):
                    found.append([])
                    continue
                planes = people.pred_densepose
                charts = Charts(planes.coarse_segm, planes.fine_segm, planes.u, planes.v)
                size = frame.shape[:2]  # its boxes are in the frame already
                found.append(people_found(people.pred_boxes.tensor, people.scores, charts, size, size))
        return found


def _configure(model: Any, config: DensePoseConfig, device: str) -> None:
    """What the official densepose_rcnn_R_50_FPN_s1x.yaml sets; it does not come with the installed package."""
    levels = ["p2", "p3", "p4", "p5"]
    model.DEVICE = device
    model.WEIGHTS = ""
    model.META_ARCHITECTURE = "GeneralizedRCNN"
    model.DENSEPOSE_ON = True
    model.MASK_ON = model.KEYPOINT_ON = False
    model.BACKBONE.NAME = "build_resnet_fpn_backbone"
    model.RESNETS.DEPTH = 50
    model.RESNETS.OUT_FEATURES = model.FPN.IN_FEATURES = ["res2", "res3", "res4", "res5"]
    model.ANCHOR_GENERATOR.SIZES = [[size] for size in config.anchor_sizes]
    model.ANCHOR_GENERATOR.ASPECT_RATIOS = [list(config.anchor_ratios)]
    model.RPN.IN_FEATURES = [*levels, "p6"]
    model.RPN.PRE_NMS_TOPK_TEST = model.RPN.POST_NMS_TOPK_TEST = config.proposals
    model.RPN.NMS_THRESH = config.proposal_overlap
    model.ROI_HEADS.NAME = "DensePoseROIHeads"
    model.ROI_HEADS.IN_FEATURES = levels
    model.ROI_HEADS.NUM_CLASSES = 1
    model.ROI_HEADS.SCORE_THRESH_TEST = config.least_score
    model.ROI_HEADS.NMS_THRESH_TEST = config.overlap
    model.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
    model.ROI_BOX_HEAD.NUM_FC = 2
    model.ROI_BOX_HEAD.POOLER_RESOLUTION = config.box_bins
    model.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO = 2
    model.ROI_DENSEPOSE_HEAD.NAME = "DensePoseV1ConvXHead"
    for head in (model.ROI_BOX_HEAD, model.ROI_DENSEPOSE_HEAD):
        head.POOLER_TYPE = "ROIAlign"
