"""Which estimator reads a video: the one that was asked for, or the best that is there, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pose_tools.errors import BadInput
from pose_tools.estimators.found import Estimator

LITE, DENSEPOSE, DETECTRON2, AUTO = "lite", "densepose", "detectron2", "auto"
NAMES = (AUTO, LITE, DENSEPOSE, DETECTRON2)


@dataclass(frozen=True)
class Choice:
    """name: of the estimator; estimator: None for lite, which follows a whole clip; why: one sentence."""

    name: str
    estimator: Estimator | None
    why: str


def choose(name: str, device: str = "cpu", report: Callable[[int, int | None], None] | None = None) -> Choice:
    """The estimator of a name. BadInput where the one that is named cannot be had, or cannot use the device.

    "auto": the official packages where they are installed, else the official network where there is a GPU for it
    and its weights are here or can be fetched, else lite. It never fails. report(done, total): bytes of a download.
    """
    if name not in NAMES:
        raise BadInput(f"There is no estimator named {name}; there are {', '.join(NAMES)}.")
    if name == LITE:
        return Choice(LITE, None, "The embedded estimator was asked for.")
    if name != AUTO:
        return Choice(name, _load(name, device, report), f"The estimator {name} was asked for.")
    if not device.startswith("cuda"):
        return Choice(LITE, None, "The embedded estimator was taken: without a GPU DensePose takes minutes.")
    refused: BadInput | None = None
    for best, why in (
        (DETECTRON2, "The official DensePose packages were taken, which are installed here."),
        (DENSEPOSE, "The official DensePose network was taken."),
    ):
        try:
            return Choice(best, _load(best, device, report), why)
        except BadInput as error:
            refused = error
    return Choice(LITE, None, f"The embedded estimator was taken: {refused}")


def _load(name: str, device: str, report: Callable[[int, int | None], None] | None) -> Estimator:
    # imported here, because each brings a network or packages that the others do without
    if name == DETECTRON2:
        from pose_tools.estimators.detectron2 import load_detectron2 as load
    else:
        from pose_tools.estimators.densepose import load_densepose as load
    try:
        return load(device, report=report)
    except (RuntimeError, AssertionError) as error:  # how torch refuses a device that is not there, or is full
        raise BadInput(f"The device {device} cannot be used for the estimator {name}.") from error
