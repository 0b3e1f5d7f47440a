"""Weights on disk: whole models, tuned subjects, and states to go on from. Only safetensors, never a pickle.

A tuned subject is a folder that holds what finetuning changed, as half-precision differences to the model it
was made from (or as low-rank factors of them), and `finished.json` with everything else. It appears whole or
not at all. Every file that cannot be used raises BadInput with one sentence.
"""

from __future__ import annotations

import copy
import errno
import hashlib
import json
import os
import secrets
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.utils import logging as transformers_logging

from dreampose_core.pipeline import DreamPosePipeline
from pose_tools.errors import BadInput

FORMAT = "dreampose-tuned-1"
FINISHED = "finished.json"
PARTS = ("unet", "adapter", "vae")  # what a finetune may change
DOWN, UP = ".down", ".up"  # endings of low-rank factors: difference = up @ down
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
SUM = "crc32"  # of the tensors, beside the facts in a file
SAMPLES = 64  # values of a tensor that count in a fingerprint
# What a tuned part is kept in where the model's own is bfloat16, whose steps are as large as what a finetune changes:
# the realised change then has an error of 2 to 7 % in place of 14 to 48 %, and for LoRA at a rate of 1e-5 of 43 % in
# place of 92 % (single layers, on a CPU). The values of bfloat16 are exact in both. The VAE stays, since float16 has no
# range for its encoder's raw values; its decoder changes by more than a step.
FINER = {"unet": torch.float16, "adapter": torch.float32}


@dataclass(frozen=True)
class Tuned:
    """What finetuning changed.

    changes: part -> name of a parameter -> difference to the model's own; info: JSON-like facts (settings,
    steps, losses), and in a folder also `format` and `base`, the fingerprint of the model.
    """

    changes: Mapping[str, Mapping[str, Tensor]]
    info: Mapping


def load_model(folder: str | Path, dtype: torch.dtype = torch.float32) -> DreamPosePipeline:
    """A pipeline from a diffusers folder, ready for use. BadInput where there is none, or a damaged one."""
    for library in (diffusers_logging, transformers_logging):
        library.disable_progress_bar()  # loading takes a second or two, and the caller reports it
    folder = Path(folder)
    if not (folder / "model_index.json").is_file():
        raise BadInput(f"There is no model in the folder {folder}.")
    try:
        pipeline = DreamPosePipeline.from_pretrained(folder, dtype=dtype, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise BadInput(f"The model in the folder {folder} is damaged or of another kind.") from error
    for part in pipeline.components.values():
        if isinstance(part, nn.Module):
            part.eval().requires_grad_(False)
    pipeline.unet.to(memory_format=torch.channels_last)
    pipeline.vae.to(memory_format=torch.channels_last)
    return pipeline


def fingerprint(pipeline: DreamPosePipeline, parts: Sequence[str] = PARTS) -> str:
    """Tells models apart: a hash of names, shapes and some values of what a finetune starts from, or of other parts."""
    digest = hashlib.sha256()
    for part in parts:
        for name, tensor in getattr(pipeline, part).state_dict().items():
            flat = tensor.detach().flatten()
            some = flat[:: max(1, len(flat) // SAMPLES)].to("cpu", torch.bfloat16).float()
            digest.update(f"{part}.{name}{tuple(tensor.shape)}".encode() + some.numpy().tobytes())
    return digest.hexdigest()


def save_tuned(folder: str | Path, pipeline: DreamPosePipeline, tuned: Tuned) -> None:
    """Write a tuned subject; an earlier one in the same folder is replaced in one go.

    pipeline: the model it was tuned from. BadInput where the disk is full; what was there before stays.
    """
    with new_folder(folder) as made:
        for part, tensors in tuned.changes.items():
            half = {name: tensor.detach().to("cpu", torch.float16) for name, tensor in tensors.items()}
            save_tensors(made / f"{part}.safetensors", half)
        info = dict(tuned.info) | {
            "format": FORMAT,
            "base": fingerprint(pipeline),
            "parts": sorted(tuned.changes),
        }
        (made / FINISHED).write_text(json.dumps(info, indent=1, sort_keys=True))


def load_tuned(pipeline: DreamPosePipeline, folder: str | Path) -> DreamPosePipeline:
    """The pipeline of a tuned subject; it shares what was not tuned with the given one, which stays as it is.

    BadInput where the folder holds no finished subject, one of another model, or a damaged one.
    """
    tuned = read_tuned(folder)
    if tuned.info.get("base") != fingerprint(pipeline):
        raise BadInput("This subject was finetuned for another model; it must be finetuned again.")
    parts = {
        part: _changed(getattr(pipeline, part), changes, FINER.get(part)) for part, changes in tuned.changes.items()
    }
    return pipeline.with_parts(**parts)


def tuned_settings(pipeline: DreamPosePipeline, folder: str | Path) -> dict | None:
    """The settings that a subject was finetuned with; None where there is none of this model, or a damaged one."""
    try:
        info = _read_info(Path(folder))
    except BadInput:
        return None
    identity = info.get("identity")
    settings = identity.get("settings") if isinstance(identity, dict) else None
    if not isinstance(settings, dict) or info.get("base") != fingerprint(pipeline):
        return None
    return settings if all(type(settings.get(name)) is int for name in ("steps", "decoder_steps", "seed")) else None


def read_tuned(folder: str | Path) -> Tuned:
    """A tuned subject as it lies on disk. BadInput as in `load_tuned`."""
    folder = Path(folder)
    info = _read_info(folder)
    return Tuned({part: load_tensors(folder / f"{part}.safetensors")[0] for part in info["parts"]}, info)


def _read_info(folder: Path) -> dict:
    if not (folder / FINISHED).is_file():
        raise BadInput(f"There is no finished subject in the folder {folder.name}.")
    try:
        info = json.loads((folder / FINISHED).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(folder / FINISHED) from error
    parts = info.get("parts") if isinstance(info, dict) and info.get("format") == FORMAT else None
    if not isinstance(parts, list) or any(part not in PARTS for part in parts):
        raise BadInput(f"The folder {folder.name} holds something else than a finetuned subject of this program.")
    return info


def save_tensors(path: Path, tensors: Mapping[str, Tensor], info: Mapping | None = None) -> None:
    """Write a safetensors file, with `info` as JSON inside, under a temporary name, then rename.

    BadInput where the disk is full; an earlier file of that name stays.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with plain_disk_errors():
            whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            save_file(whole, temporary, metadata={"info": json.dumps(dict(info or {}) | {SUM: _sum(whole)})})
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict]:
    """Tensors and info of a file of `save_tensors`. BadInput where it is missing or damaged."""
    if not path.is_file():
        raise BadInput(f"The file {path.name} is missing.")
    try:
        with safe_open(path, framework="pt") as file:
            info = json.loads((file.metadata() or {}).get("info", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, ValueError, OSError, RecursionError) as error:
        raise _damaged(path) from error
    numbers = [tensor for tensor in tensors.values() if tensor.is_floating_point()]
    if not isinstance(info, dict) or any(tensor.element_size() == 1 for tensor in numbers):  # none that is written here
        raise _damaged(path)
    if not all(torch.isfinite(tensor).all() for tensor in numbers):
        raise _damaged(path)
    if info.pop(SUM, None) not in (None, _sum(tensors)):  # older files have none
        raise _damaged(path)
    return tensors, info


def _sum(tensors: Mapping[str, Tensor]) -> str:
    """A check sum over names and values. After a loss of power a file may have its length, and zeros in place of its
    values."""
    total = 0
    for name in sorted(tensors):
        total = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy(), zlib.crc32(name.encode(), total))
    return f"{total:08x}"


def remove(path: Path) -> None:
    """Delete a file, a link or a whole folder, or nothing where nothing is."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def new_folder(folder: str | Path) -> Iterator[Path]:
    """A temporary folder; it takes the place of `folder` if the block ends well, and vanishes if not."""
    folder = Path(folder)
    made = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    old = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        with plain_disk_errors():
            made.mkdir(parents=True)
            yield made
            if folder.exists():
                os.replace(folder, old)
            os.replace(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def plain_disk_errors() -> Iterator[None]:
    """Turns a full disk into BadInput."""
    full = BadInput("The disk is full; make room and start again, what was finished before is kept.")
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK:
            raise full from error
        raise
    except SafetensorError as error:  # carries the error of the system in its text only
        if any(f"os error {number})" in str(error) for number in FULL_DISK):
            raise full from error
        raise


def _damaged(path: Path) -> BadInput:
    return BadInput(f"The file {path.name} is damaged, or it is not a file of weights.")


def _changed(module: nn.Module, changes: Mapping[str, Tensor], finer: torch.dtype | None) -> nn.Module:
    """A copy of the module with differences added. BadInput where they do not fit.

    finer: the copy's type where the module's is bfloat16; it is not taken where a weight is beyond its range.
    """
    own = dict(module.named_parameters())
    added, highest = {}, 0.0
    for name in {name.removesuffix(DOWN).removesuffix(UP) for name in changes}:
        if name in changes:
            difference = changes[name].float()
        elif name + DOWN in changes and name + UP in changes:
            difference = _product(changes[name + UP].float(), changes[name + DOWN].float())
        else:
            difference = None
        if difference is None or name not in own or own[name].shape != difference.shape:
            raise BadInput("This subject's weights do not fit the model; it must be finetuned again.")
        added[name] = difference
        highest = max(highest, float(difference.abs().max()))
    made = copy.deepcopy(module)
    if finer is not None and next(iter(own.values())).dtype == torch.bfloat16:
        highest += max(float(tensor.detach().abs().max()) for tensor in own.values())
        if highest < torch.finfo(finer).max:
            nn.Module.to(made, finer)  # diffusers' own would warn, and ask for another way of loading
    with torch.no_grad():
        for name, difference in added.items():
            made.get_parameter(name).copy_(own[name].float() + difference.to(own[name].device))
    return made


def _product(up: Tensor, down: Tensor) -> Tensor | None:
    fits = up.ndim == down.ndim == 2 and up.shape[1] == down.shape[0]
    return up @ down if fits else None
