"""The two official DensePose networks that are known here, and the settings that they share."""

from __future__ import annotations

from dataclasses import dataclass

OFFICIAL = "https://dl.fbaipublicfiles.com/densepose"


@dataclass(frozen=True)
class DensePoseConfig:
    """A DensePose R-CNN with a feature pyramid (Güler et al., arXiv 1802.00434), as detectron2 configures it.

    blocks: bottlenecks of the four stages; url: where the official pickle lies; sizes in pixels of the network's
    input. The settings have detectron2's values; none of them changes a tensor's shape.
    """

    name: str
    blocks: tuple[int, int, int, int]
    url: str
    short_edge: int = 800
    long_edge: int = 1333
    divisor: int = 32  # the padded input's sides are multiples of this
    pixel_mean: tuple[float, float, float] = (103.53, 116.28, 123.675)  # blue, green, red; not scaled further
    anchor_sizes: tuple[int, ...] = (32, 64, 128, 256, 512)  # one for each level, p2 to p6
    anchor_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)  # height : width
    proposals: int = 1000  # of each level before suppression, and of an image after it
    proposal_overlap: float = 0.7
    least_score: float = 0.05
    overlap: float = 0.5
    detections: int = 100
    box_weights: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0)
    box_bins: int = 7
    chart_bins: int = 28

    @property
    def file(self) -> str:
        """The name of the official pickle."""
        return self.url.rsplit("/", 1)[-1]


CONFIGS = {
    config.name: config
    for config in (
        DensePoseConfig(
            name="R_50_FPN_s1x",
            blocks=(3, 4, 6, 3),
            url=f"{OFFICIAL}/densepose_rcnn_R_50_FPN_s1x/165712039/model_final_162be9.pkl",
        ),
        DensePoseConfig(
            name="R_101_FPN_s1x",
            blocks=(3, 4, 23, 3),
            url=f"{OFFICIAL}/densepose_rcnn_R_101_FPN_s1x/165712084/model_final_c6ab63.pkl",
        ),
    )
}
