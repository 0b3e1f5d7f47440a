"""DensePose R-CNN (arXiv 1802.00434) in plain PyTorch, after detectron2's DensePose project.

config: the networks that are known; backbone, proposals, heads, model: the network; boxes: what is computed with
boxes; convert: a box's charts put into the frame; pickled, download, weights: how official weights come here;
estimator: frames in, people out.
"""

from pose_tools.estimators.densepose.estimator import DensePose, load_densepose

__all__ = ["DensePose", "load_densepose"]
