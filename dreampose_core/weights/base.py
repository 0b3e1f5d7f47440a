"""A DreamPose model of the paper's size, put together from its base: Stable Diffusion 1.x and CLIP ViT-B/32.

Either the pose channels of the first convolution start at zero and the adapter lets CLIP's tokens through
(arXiv:2304.06025, sections 4.2 and 4.3: what is then to be trained), or the authors' trained weights are put in.
The parts are read from folders as diffusers and transformers write them, safetensors only, and the whole is
written as one such folder. Knows nothing of where the folders come from.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from safetensors import SafetensorError
from torch import nn
from transformers import CLIPVisionModel

from dreampose_core.modeling import LATENT_CHANNELS, LATENT_STRIDE, ImageAdapter, unet_channels
from dreampose_core.pipeline import DreamPosePipeline
from dreampose_core.weights.authors import put_weights, read_checkpoint
from dreampose_core.weights.checkpoints import new_folder
from pose_tools.errors import BadInput

SHARD = "2GB"  # largest file of weights that is written
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError)


@dataclass(frozen=True)
class Base:
    """Folders with what the authors' files do not hold.

    diffusion: a diffusers folder with `unet`, `vae` and `scheduler` (Stable Diffusion 1.x). vision: a folder
    with CLIP, or its vision model alone; None takes `image_encoder` of the diffusers folder.
    """

    diffusion: Path
    vision: Path | None = None

    def check(self) -> None:
        """BadInput where a folder is missing or not what it must be."""
        for part in ("unet", "vae"):
            if not (self.diffusion / part / "config.json").is_file():
                raise BadInput(
                    f"The folder {self.diffusion} is no diffusers folder of Stable Diffusion: "
                    f"it has no {part}/config.json."
                )
        if not (self.vision_folder / "config.json").is_file():
            raise BadInput(
                f"There is no CLIP in the folder {self.vision_folder}; "
                "give a folder of clip-vit-base-patch32 by --clip."
            )

    @property
    def vision_folder(self) -> Path:
        return self.vision or self.diffusion / "image_encoder"


def from_base(base: Base, height: int, width: int) -> DreamPosePipeline:
    """The model before any training, for pictures of height x width pixels. BadInput where the base is another."""
    base.check()
    unet = _read(UNet2DConditionModel, base.diffusion / "unet")
    widen(unet)
    return _together(unet, _vae(base), _read(CLIPVisionModel, base.vision_folder), base, _adapter_for(height, width))


def from_authors(unet: Path, adapter: Path, vae: Path | None, base: Base) -> DreamPosePipeline:
    """The authors' trained model from their files; without a file for the VAE it has the base's.

    Every tensor is the file's own, bit by bit. BadInput where a file is another model's.
    """
    base.check()
    config = UNet2DConditionModel.load_config(base.diffusion / "unet")
    network = _on_paper(UNet2DConditionModel, dict(config) | {"in_channels": unet_channels(False)})
    put_weights(network, read_checkpoint(unet), unet, "UNet of DreamPose")
    if vae is None:
        autoencoder = _vae(base)
    else:
        autoencoder = _on_paper(AutoencoderKL, AutoencoderKL.load_config(base.diffusion / "vae"))
        put_weights(autoencoder, read_checkpoint(vae), vae, "VAE")
    state = read_checkpoint(adapter)

    def make_adapter(vision: CLIPVisionModel) -> ImageAdapter:
        projection, tokens = state.get("vae2clip.weight"), _tokens(vision)
        cells = projection.shape[1] if projection is not None and projection.ndim >= 2 else 1280
        sizes = {"latent_size": cells, "width": vision.config.hidden_size, "tokens": tokens}
        made = _on_paper(ImageAdapter, sizes)
        put_weights(made, state, adapter, "adapter of DreamPose")
        return made

    return _together(network, autoencoder, _read(CLIPVisionModel, base.vision_folder), base, make_adapter)


def save_model(pipeline: DreamPosePipeline, folder: Path) -> None:
    """Write a model as a diffusers folder, whole or not at all. BadInput where the disk has no room for it."""
    needed = sum(
        tensor.numel() * tensor.element_size()
        for part in pipeline.components.values()
        if isinstance(part, nn.Module)
        for tensor in part.state_dict().values()
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder.parent).free
    if free < needed:
        raise BadInput(
            f"The model takes {needed / 1e9:.1f} GB, and the disk of {folder} has {free / 1e9:.1f} GB left; "
            "make room, or name a folder on another disk."
        )
    with new_folder(folder) as made, _quiet():
        pipeline.save_pretrained(made, max_shard_size=SHARD)


def widen(unet: UNet2DConditionModel) -> None:
    """Let the first convolution read the poses too; they count for nothing until training changes that.

    BadInput where the UNet reads something else than latents.
    """
    old = unet.conv_in
    if old.in_channels != LATENT_CHANNELS:
        raise BadInput(
            f"The base's UNet reads {old.in_channels} channels; a text-to-image model's reads {LATENT_CHANNELS}."
        )
    channels = unet_channels(False)
    new = nn.Conv2d(channels, old.out_channels, old.kernel_size, padding=old.padding).to(old.weight.dtype)
    with torch.no_grad():
        new.weight.zero_()
        new.weight[:, :LATENT_CHANNELS] = old.weight
        new.bias.copy_(old.bias)
    unet.conv_in = new
    unet.register_to_config(in_channels=channels)


def _adapter_for(height: int, width: int) -> Callable[[CLIPVisionModel], ImageAdapter]:
    def make(vision: CLIPVisionModel) -> ImageAdapter:
        cells = (height // (2 * LATENT_STRIDE)) * (width // (2 * LATENT_STRIDE))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            adapter = ImageAdapter(cells, vision.config.hidden_size, _tokens(vision))
        adapter.start_from_clip()
        return adapter

    return make


def _together(
    unet: UNet2DConditionModel,
    vae: AutoencoderKL,
    vision: CLIPVisionModel,
    base: Base,
    make_adapter: Callable[[CLIPVisionModel], ImageAdapter],
) -> DreamPosePipeline:
    """BadInput where the parts do not go together."""
    wanted, has = unet.config.cross_attention_dim, vision.config.hidden_size
    if wanted != has:
        raise BadInput(
            f"The UNet reads tokens of width {wanted} and this CLIP makes {has}; the paper's are "
            "Stable Diffusion 1.x and CLIP ViT-B/32, both of 768."
        )
    adapter = make_adapter(vision)
    return DreamPosePipeline(unet=unet, vae=vae, image_encoder=vision, adapter=adapter, scheduler=_scheduler(base))


def _scheduler(base: Base) -> PNDMScheduler:
    """The base's schedule, or where it has none Stable Diffusion 1.4's (golden/README of the reference arrays)."""
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    known = betas | {"skip_prk_steps": True, "steps_offset": 1, "set_alpha_to_one": False, "clip_sample": False}
    file = base.diffusion / "scheduler" / "scheduler_config.json"
    try:
        return PNDMScheduler.from_config(json.loads(file.read_text()) if file.is_file() else known)
    except (ValueError, TypeError) as error:
        raise BadInput(f"The schedule in {file} cannot be read.") from error


def _vae(base: Base) -> AutoencoderKL:
    vae = _read(AutoencoderKL, base.diffusion / "vae")
    stride = 2 ** (len(vae.config.block_out_channels) - 1)
    if (vae.config.latent_channels, stride) != (LATENT_CHANNELS, LATENT_STRIDE):
        raise BadInput(
            f"The base's VAE has {vae.config.latent_channels} latent channels and shrinks by {stride}; "
            f"Stable Diffusion 1.x has {LATENT_CHANNELS} and shrinks by {LATENT_STRIDE}."
        )
    return vae


def _read(kind: Any, folder: Path) -> Any:
    """A network from its folder, in float32. BadInput where that cannot be."""
    options = {"use_safetensors": True, "dtype": torch.float32, "local_files_only": True}
    try:
        with _quiet():
            return kind.from_pretrained(folder, **options).eval()
    except _UNREADABLE as error:
        raise BadInput(f"The weights in {folder} are damaged, of another model, or no safetensors.") from error


def _on_paper(kind: Any, config: dict) -> Any:
    """A network without weights. BadInput where the configuration is another's."""
    try:
        with torch.device("meta"):
            return kind.from_config(config).eval()
    except _UNREADABLE as error:
        raise BadInput("The base's configuration is not one of Stable Diffusion 1.x.") from error


def _tokens(vision: CLIPVisionModel) -> int:
    return (vision.config.image_size // vision.config.patch_size) ** 2 + 1


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the libraries' remarks back: that text weights are left out is meant so."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    before = [(library, library.get_verbosity()) for library in (diffusers_logging, transformers_logging)]
    try:
        for library, _ in before:
            library.set_verbosity(logging.CRITICAL)
            library.disable_progress_bar()
        yield
    finally:
        for library, level in before:
            library.set_verbosity(level)
