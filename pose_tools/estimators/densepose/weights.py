"""Official DensePose weights: fetched once, read without running anything in them, kept as safetensors.

The cache is a folder: $DREAMPOSE_CACHE, or `dreampose-studio` in the user's own folder for caches.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save_file
from torch import Tensor

from pose_tools.errors import BadInput
from pose_tools.estimators.densepose.config import DensePoseConfig
from pose_tools.estimators.densepose.download import Refused, Report, download
from pose_tools.estimators.densepose.model import empty
from pose_tools.estimators.found import Unavailable
from pose_tools.files import replacing
from pose_tools.pickled import PickledArray, plain, read_pickle

LIMIT = 1 << 29  # bytes of a weights file; the official ones have 256 and 332 MB
# official files also hold what the configuration says, and counters
SETTINGS = ("pixel_mean", "pixel_std", "proposal_generator.anchor_generator.")
COUNTER = ".num_batches_tracked"


def cache_folder() -> Path:
    """Where downloaded weights are kept; it need not exist yet."""
    if named := os.environ.get("DREAMPOSE_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dreampose-studio"


def official_weights(
    config: DensePoseConfig, cache: Path | None = None, report: Report | None = None
) -> dict[str, Tensor]:
    """The official weights, from the cache or else from the network; report(done, total): bytes of the download.

    Weights in the cache that are damaged are thrown away and made anew. An official pickle that somebody put into
    the cache's folder `densepose` is taken instead of a download. Unavailable where there is no way to them; the
    sentence says where to put the file.
    """
    folder = (cache or cache_folder()) / "densepose"
    kept, fetched = folder / f"{config.name}.safetensors", folder / config.file
    damaged = ""
    try:
        if kept.exists():
            if tensors := read_kept(kept, config):
                return tensors
            damaged = " (those in the cache were damaged)"
            kept.unlink()
        folder.mkdir(parents=True, exist_ok=True)
        if not fetched.exists():
            download(config.url, fetched, LIMIT, report)
        try:
            tensors = read_weights(fetched, config)
        except BadInput as error:
            fetched.unlink()
            raise Unavailable(f"What came as DensePose weights{damaged} was thrown away: {error}") from error
        keep(tensors, kept)
        fetched.unlink()
        return tensors
    except Refused as error:
        raise Unavailable(
            f"The DensePose weights{damaged} could not be downloaded: {error}; "
            f"put {config.url} into the folder {folder}, or take the estimator lite."
        ) from error
    except OSError as error:
        if kept.is_file() and (tensors := read_kept(kept, config)):
            return tensors  # another process was faster, and took its files away
        raise Unavailable(
            f"The DensePose weights{damaged} cannot be kept in {folder}: {error.strerror or error}; "
            "name another folder in DREAMPOSE_CACHE, or take the estimator lite."
        ) from error


def read_weights(path: Path, config: DensePoseConfig) -> dict[str, Tensor]:
    """The network's weights out of an official pickle or a safetensors file; nothing else, and nothing missing.

    BadInput where the file is not there, is not such a file, or is one of another network.
    """
    if not path.is_file():
        raise BadInput(f"There is no file {path}.")
    if path.suffix == ".safetensors":
        if path.stat().st_size > LIMIT:
            raise BadInput(f"{path.name} is too large: more than {LIMIT >> 20} MB.")
        try:
            return _checked(load_safetensors(path.read_bytes()), config, path.name)
        except SafetensorError as error:
            raise BadInput(f"{path.name} is not a readable safetensors file.") from error
    content = read_pickle(path, LIMIT)
    model = content.get("model", content) if isinstance(content, dict) else None
    if not isinstance(model, dict):
        raise BadInput(f"{path.name} holds no weights of a network.")
    return _checked(model, config, path.name)


def keep(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a safetensors file, and its SHA-256 beside it in the form of `sha256sum`."""
    with replacing(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
        digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
        with replacing(_digest_of(path)) as beside:
            beside.write_text(f"{digest}  {path.name}\n")


def read_kept(path: Path, config: DensePoseConfig) -> dict[str, Tensor] | None:
    """The weights of a file of `keep`; None where it is not what was written, or not whole."""
    beside = _digest_of(path)
    if not beside.is_file() or path.stat().st_size > LIMIT:
        return None
    data = path.read_bytes()
    if beside.read_text(errors="replace").split()[:1] != [hashlib.sha256(data).hexdigest()]:
        return None
    try:
        return _checked(load_safetensors(data), config, path.name)
    except (SafetensorError, BadInput):
        return None


def _digest_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _checked(weights: Mapping[str | int, object], config: DensePoseConfig, file: str) -> dict[str, Tensor]:
    """The network's own tensors out of a checkpoint, as float32 and in its order.

    BadInput where one is missing, of another shape or of another network. Nothing is copied before all are known to
    have the right shapes: a pickle can name the same large array very often.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in empty(config).state_dict().items()}
    for name in weights:
        if name not in shapes and not str(name).startswith(SETTINGS) and not str(name).endswith(COUNTER):
            raise BadInput(f"{file} holds weights of another network than {config.name}: it has {plain(str(name))}.")
    own: dict[str, Tensor | np.ndarray] = {}
    for name, shape in shapes.items():
        value = weights.get(name)
        value = value.array if isinstance(value, PickledArray) else value
        if not isinstance(value, Tensor | np.ndarray) or tuple(value.shape) != shape:
            raise BadInput(f"{file} does not hold the weights of {config.name}: {name} is missing or of another shape.")
        own[name] = value
    return {
        name: value.to(torch.float32)
        if isinstance(value, Tensor)
        else torch.from_numpy(value.astype(np.float32, order="C"))
        for name, value in own.items()
    }
