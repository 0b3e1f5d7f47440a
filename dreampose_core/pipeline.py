"""DreamPosePipeline: a photo and a sequence of poses become frames (Karras et al. 2023, arXiv:2304.06025).

One class serves the authors' model and the small one that is shipped; its configuration says what a model
has. Every stage (`encode_photo`, `encode_carried`, `pose_channels`, `denoise`, `decode`, `refine`) can be
called alone, so that the finetune and its caches use the very same code. Knows nothing of bodies, files of
poses, or training.

Three conditions meet in the guidance (see `guidance`). "No photo" is a black picture through both encoders,
"no pose" is zero pose channels, as in the authors' program. The carried picture was drawn for a pose from the
photo, so it is there only where both are: its channels are zero in both other conditions.

With the defaults of its configuration, PNDM and a guidance all the way, it computes what the authors' pipeline
computes. What it does better costs nothing: the photo is encoded once for all frames, frames go through the UNet in
batches that fit the memory, conditions of no weight are not computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from PIL import Image
from torch import Tensor
from transformers import CLIPVisionModel

from dreampose_core.ahead import made_ahead
from dreampose_core.conditions import ConditionPipeline, PhotoCode
from dreampose_core.encoding import fast_math
from dreampose_core.film.colours import match_colours
from dreampose_core.guidance import FULL, NONE, PHOTO, Guidance, combine
from dreampose_core.memory import frames_at_once, need, pictures_at_once
from dreampose_core.modeling import (
    CARRIED_CHANNELS,
    LATENT_CHANNELS,
    LATENT_STRIDE,
    ImageAdapter,
    norm_by_rows,
    picture_tensor,
    tensor_picture,
    unet_channels,
)
from dreampose_core.progress import Progress, Report, silent
from dreampose_core.pull import Pull, known_cells
from dreampose_core.refiner import Refiner, charts_tensor
from dreampose_core.schedulers import STARTS, make_scheduler
from pose_tools.errors import BadInput
from pose_tools.sequence import PoseSequence

if TYPE_CHECKING:  # the pipeline reads a carried picture, it needs nothing that makes one
    from dreampose_core.carry import Carried


class DreamPosePipeline(ConditionPipeline):
    """From a photo and poses to frames.

    Args:
        vae, unet, image_encoder, adapter, scheduler, refiner: the parts; the refiner may be None. The
        scheduler
            must be a deterministic one (PNDM, DDIM, DPM-Solver++, UniPC, Euler, ...).
        start: what the first latents are: "photo" (its latents noised to the first timestep, the authors'
            way), "carried" (the same with the carried picture's latents) or "noise".
        strength: with "photo" or "carried", the last part of the schedule that is run; 1 is all of it.
        raw_photo: whether the adapter's latents are made of raw 0…255 values, as the authors do, or of -1…1.
        whole_photo: whether the vision encoder sees the whole photo squeezed to its square, or, as CLIP does,
            the square in the middle.
        shared_noise: whether all frames start from the same noise, as the authors do.
    """

    model_cpu_offload_seq = "image_encoder->vae->adapter->unet->vae->refiner"
    _optional_components = ["refiner"]

    def __init__(
        self,
        vae: AutoencoderKL,
        unet: UNet2DConditionModel,
        image_encoder: CLIPVisionModel,
        adapter: ImageAdapter,
        scheduler: SchedulerMixin,
        refiner: Refiner | None = None,
        start: str = "photo",
        strength: float = 1.0,
        raw_photo: bool = True,
        whole_photo: bool = False,
        shared_noise: bool = True,
    ):
        super().__init__()
        if unet.config.in_channels not in (unet_channels(False), unet_channels(True)):
            raise ValueError(
                f"The UNet reads {unet.config.in_channels} channels, DreamPose's 14, or 19 with carried."
            )
        check_start(start, strength)
        for part in (vae, unet):
            norm_by_rows(part)
        self.register_modules(
            vae=vae,
            unet=unet,
            image_encoder=image_encoder,
            adapter=adapter,
            scheduler=scheduler,
            refiner=refiner,
        )
        self.register_to_config(
            start=start,
            strength=strength,
            raw_photo=raw_photo,
            whole_photo=whole_photo,
            shared_noise=shared_noise,
        )

    @property
    def carried(self) -> bool:
        """Whether the UNet reads the carried picture too."""
        return self.unet.config.in_channels == unet_channels(True)

    def with_parts(self, **parts: Any) -> DreamPosePipeline:
        """A pipeline of the same configuration that shares every part but those given."""
        flags = {
            name: self.config[name]
            for name in ("start", "strength", "raw_photo", "whole_photo", "shared_noise")
        }
        made = type(self)(**(self.components | parts), **flags)
        made._card, made._stays = self._card, self._stays
        return made

    def batch_for(self, height: int, width: int, guidance: Guidance) -> int:
        """How many frames of this size go through the UNet together. BadInput where the memory has no room for one."""
        needed = need(self.unet, self.vae, height, width, guidance.most_conditions)
        return frames_at_once(needed, self._execution_device, self._card is not None)

    def predict(
        self, latents: Tensor, timesteps: Tensor, context: Tensor, poses: Tensor, carried: Tensor | None
    ) -> Tensor:
        """One call of the UNet; keeps gradients.

        latents (B, 4, h, w), context (B, tokens, width), poses (B, 10, h, w), carried (B, 5, h, w) -> (B, 4,
        h, w).
        """
        planes = [latents, poses] + ([carried] if self.carried else [])
        stacked = torch.cat([plane.to(self.unet.dtype) for plane in planes], dim=1)
        return self.unet(stacked, timesteps, context.to(self.unet.dtype), return_dict=False)[0].float()

    # sampling

    @torch.no_grad()
    def denoise(
        self,
        photo_context: Tensor,
        none_context: Tensor,
        poses: Tensor,
        carried: Tensor | None,
        start: Tensor | None,
        noise: Tensor,
        num_inference_steps: int,
        guidance: Guidance,
        callback=None,
        *,
        strength: float = 1.0,
        pull: Pull | None = None,
    ) -> Tensor:
        """Latents (B, 4, h, w) of a batch of frames.

        Args:
            photo_context, none_context: tokens (1, N, D) of the photo and of no photo.
            poses: (B, 10, h, w); carried: (B, 5, h, w), or None where the model has none.
            start: latents (1 or B, 4, h, w) that are noised to the first timestep, or None for noise alone.
            noise: (B, 4, h, w), standard normal.
            callback: called as callback(step, steps, latents) after every call of the UNet.
            strength: with start, the last part of the schedule that is run.
            pull: known latents that the predicted ones are moved towards.
        """
        timesteps = self._timesteps(num_inference_steps, strength if start is not None else 1.0)
        if start is None:
            latents = noise * self.scheduler.init_noise_sigma
        else:
            latents = self.scheduler.add_noise(
                start.expand_as(noise), noise, timesteps[:1].expand(len(noise))
            )
        inputs = {
            NONE: (
                none_context,
                torch.zeros_like(poses),
                None if carried is None else torch.zeros_like(carried),
            ),
            PHOTO: (
                photo_context,
                torch.zeros_like(poses),
                None if carried is None else torch.zeros_like(carried),
            ),
            FULL: (photo_context, poses, carried),
        }
        with self._at_work("unet"):
            for step, timestep in enumerate(timesteps):
                weights = guidance.weights(step, len(timesteps))
                scaled = self.scheduler.scale_model_input(latents, timestep)
                chosen = [inputs[condition] for condition in weights]
                predicted = self.predict(
                    scaled.repeat(len(chosen), 1, 1, 1),
                    timestep,
                    torch.cat([context.expand(len(latents), -1, -1) for context, _, _ in chosen]),
                    torch.cat([pose for _, pose, _ in chosen]),
                    torch.cat([picture for _, _, picture in chosen]) if carried is not None else None,
                )
                parts = dict(zip(weights, predicted.chunk(len(chosen)), strict=True))
                output = combine(parts, weights)
                if pull is not None:
                    output = pull.apply(output, scaled, timestep, self.scheduler)
                latents = self.scheduler.step(output, timestep, latents, return_dict=False)[0]
                if callback is not None:
                    callback(step, len(timesteps), latents)
        return latents

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Latents (B, 4, h, w) -> pictures (B, 3, H, W) in -1…1."""
        latents = latents.to(self.vae.dtype) / self.vae.config.scaling_factor
        with self._at_work("vae"):
            return self.vae.decode(latents, return_dict=False)[0].float().clamp(-1, 1)

    @torch.no_grad()
    def refine(self, decoded: Tensor, carried: Sequence[Carried]) -> Tensor:
        """Decoded pictures (B, 3, H, W) in -1…1, mended with the carried pictures' own pixels and matched to their
        colours."""
        to = {"device": decoded.device, "dtype": self.refiner.dtype}
        inputs = (
            decoded,
            picture_tensor(np.stack([one.picture for one in carried])),
            torch.from_numpy(np.stack([one.visibility for one in carried]))[:, None],
            torch.from_numpy(np.stack([one.alpha for one in carried]))[:, None],
            charts_tensor(np.stack([one.iuv for one in carried])),
        )
        with self._at_work("refiner"):
            mended = self.refiner(*(plane.to(**to) for plane in inputs)).float().clamp(-1, 1)
        shown = (mended.movedim(1, -1).cpu().numpy() + 1) / 2
        matched = np.stack([match_colours(*pair) for pair in zip(shown, carried, strict=True)])
        return torch.from_numpy(matched * 2 - 1).movedim(-1, 1).to(mended)

    def noise(self, frames: Sequence[int], height: int, width: int, seed: int) -> Tensor:
        """Standard normal noise (B, 4, h, w); depends on the seed and a frame's own index alone."""
        shape = (1, LATENT_CHANNELS, height // LATENT_STRIDE, width // LATENT_STRIDE)
        drawn = []
        for frame in frames:
            mixed = (
                seed
                if self.config.shared_noise
                else int(np.random.SeedSequence([seed, frame]).generate_state(1)[0])
            )
            drawn.append(torch.randn(shape, generator=torch.Generator().manual_seed(mixed)))
        return torch.cat(drawn).to(self._execution_device)

    def frames(
        self,
        photo: np.ndarray,
        poses: PoseSequence,
        carried: Sequence[Carried] | None = None,
        *,
        num_inference_steps: int = 50,
        s1: float = 1.0,
        s2: float = 1.0,
        guidance_interval: tuple[float, float] = (0.0, 1.0),
        scheduler: str | None = None,
        seed: int = 0,
        start: str | None = None,
        strength: float | None = None,
        pull: float = 0.0,
        batch_size: int | None = None,
        only: Sequence[int] | None = None,
        report: Report = silent,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yields (index, frame uint8 (H, W, 3)) in order.

        The same seed gives the same frames, but for rounding (a level of 255 here and there) whatever the
        batch size; with the same batch size they are equal, also where `only` asks for a part of them.

        Args:
            photo: uint8 (H, W, 3), of the size of the poses.
            carried: one a pose (any object with len and []), or None: a model that reads them gets zeros.
            guidance_interval: first and last part of the sampling in which the guidance is on, 0…1.
            scheduler: one of SCHEDULERS by name, or None for the model's own.
            start, strength: as the pipeline's own, which None takes. Without carried pictures "carried" is "photo".
            pull: how far the predicted frames are moved towards the carried pictures where those are known (see
                pull.known_cells), 0…1. With a start from the carried picture it gives a model that reads none of
                them the likeness of the photo.
            batch_size: frames that go through the UNet together; None takes what fits the memory.
            only: the frames to make, for going on where a clip was interrupted; None makes all. The batches
                stay those of the whole clip.
            report: called after every call of the UNet, and with a preview after every frame.

        Raises ValueError where sizes do not fit each other or the model, BadInput where the memory is too small or
        an option is out of its range.
        """
        self._check(photo, poses, carried)
        start = self.config.start if start is None else start
        strength = self.config.strength if strength is None else strength
        check_start(start, strength, pull)
        guidance = Guidance(s1, s2, guidance_interval)
        sampler = self
        if scheduler is not None:
            sampler = self.with_parts(scheduler=make_scheduler(scheduler, self.scheduler))
        batch_size = batch_size or self.batch_for(*photo.shape[:2], guidance)
        with torch.no_grad(), fast_math(self._execution_device):
            code = self.encode_photo(photo)
            contexts = self.context(code), self.context(self.no_photo(*photo.shape[:2]))
        encoded = self.carried or start == "carried" or pull > 0
        if not encoded and self.refiner is None:
            carried = None  # nobody looks at them, and drawing one takes longer than a step
        planes = self.pose_channels(poses).to(code.latents)
        wanted = set(range(len(poses)) if only is None else only)
        done = len(poses) - len(wanted)
        every = [list(range(i, min(i + batch_size, len(poses)))) for i in range(0, len(poses), batch_size)]
        batches = [batch for batch in every if not wanted.isdisjoint(batch)]
        drawn = repeat(None) if carried is None else made_ahead(carried, batches, planes.device.type != "cpu")
        for batch, pictures in zip(batches, drawn):  # noqa: B905  the second may be endless
            now = Progress("render", done, len(poses))
            with fast_math(self._execution_device):
                seen = self.encode_carried(pictures).to(planes) if encoded and pictures is not None else None
                made = sampler.denoise(
                    *contexts,
                    planes[batch],
                    self._carried_planes(seen, planes[batch]),
                    self._start(start, code, seen),
                    self.noise(batch, *photo.shape[:2], seed).to(code.latents),
                    num_inference_steps,
                    guidance,
                    lambda *_, now=now: report(now),
                    strength=strength,
                    pull=self._pull(pull, seen, pictures),
                )
                decoded = torch.cat([self.decode(part) for part in made.split(self._decoded_at_once(made))])
                if self.refiner is not None and pictures is not None:
                    decoded = self.refine(decoded, pictures)
            for index, frame in zip(batch, tensor_picture(decoded), strict=True):
                if index in wanted:
                    done += 1
                    report(Progress("render", done, len(poses), preview=frame))
                    yield index, frame

    def __call__(
        self,
        photo: np.ndarray | Image.Image,
        poses: PoseSequence | np.ndarray,
        carried: Sequence[Carried] | None = None,
        *,
        output_type: str = "np",
        **options: Any,
    ) -> np.ndarray | list[Image.Image]:
        """All frames at once: uint8 (T, H, W, 3), or with output_type "pil" a list of pictures.

        poses: a PoseSequence or its uint8 array (T, H, W, 3); for the options see `frames`.
        """
        if output_type not in ("np", "pil"):
            raise ValueError(f"output_type must be 'np' or 'pil', not {output_type!r}.")
        if isinstance(photo, Image.Image):
            photo = np.array(photo.convert("RGB"))
        if isinstance(poses, np.ndarray):
            poses = PoseSequence(poses, fps=1.0)
        clip = np.stack([frame for _, frame in self.frames(photo, poses, carried, **options)])
        return clip if output_type == "np" else [Image.fromarray(frame) for frame in clip]

    # inside

    def _decoded_at_once(self, latents: Tensor) -> int:
        height, width = (side * LATENT_STRIDE for side in latents.shape[-2:])
        return pictures_at_once(need(self.unet, self.vae, height, width, 1), latents.device)

    def _timesteps(self, count: int, strength: float) -> Tensor:
        """Sets the scheduler (which also forgets its earlier steps) and gives the timesteps to run."""
        self.scheduler.set_timesteps(count, device=self._execution_device)
        timesteps = self.scheduler.timesteps
        skipped = int(len(timesteps) * (1 - strength))
        if hasattr(self.scheduler, "set_begin_index"):
            self.scheduler.set_begin_index(skipped)
        return timesteps[skipped:]

    def _carried_planes(self, seen: Tensor | None, poses: Tensor) -> Tensor | None:
        if not self.carried:
            return None
        return poses.new_zeros(len(poses), CARRIED_CHANNELS, *poses.shape[-2:]) if seen is None else seen

    def _start(self, start: str, code: PhotoCode, seen: Tensor | None) -> Tensor | None:
        if start == "noise":
            return None
        return code.latents if start == "photo" or seen is None else seen[:, :LATENT_CHANNELS]

    def _pull(self, weight: float, seen: Tensor | None, pictures: Sequence[Carried] | None) -> Pull | None:
        if not weight or seen is None:
            return None
        return Pull(seen[:, :LATENT_CHANNELS], weight * known_cells(pictures).to(seen))

    def _check(self, photo: np.ndarray, poses: PoseSequence, carried: Sequence[Carried] | None) -> None:
        height, width = photo.shape[:2]
        if photo.dtype != np.uint8 or photo.shape != (height, width, 3):
            raise ValueError("The photo must be uint8 of shape (height, width, 3).")
        cells = (height // (2 * LATENT_STRIDE)) * (width // (2 * LATENT_STRIDE))
        if height % LATENT_STRIDE or width % LATENT_STRIDE or cells != self.adapter.config.latent_size:
            raise ValueError(f"This model is not made for photos of {width}x{height} pixels.")
        if (poses.height, poses.width) != (height, width):
            raise ValueError(
                f"The poses are {poses.width}x{poses.height} pixels, the photo is {width}x{height}."
            )
        if carried is not None and len(carried) != len(poses):
            raise ValueError(f"There are {len(carried)} carried pictures for {len(poses)} poses.")


def check_start(start: str, strength: float, pull: float = 0.0) -> None:
    """BadInput where these cannot be options of `DreamPosePipeline.frames`."""
    if start not in STARTS:
        raise BadInput(f"Frames cannot start from {start}; they can from {', '.join(STARTS)}.")
    if not 0 < strength <= 1:
        raise BadInput(f"The strength must be above 0 and at most 1, not {strength:g}.")
    if not 0 <= pull <= 1:
        raise BadInput(f"The pull to the carried pictures must be from 0 to 1, not {pull:g}.")


def drop_conditions(
    photo: Tensor,
    none: Tensor,
    poses: Tensor,
    carried: Tensor | None,
    without_photo: Tensor,
    without_pose: Tensor,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Conditions of a training batch with some left out, as `denoise` leaves them out.

    photo, none: tokens (B, N, D) and (1, N, D); poses (B, 10, h, w); carried (B, 5, h, w) or None;
    without_photo
    and without_pose: bool (B,). A row without the photo loses its pose too. Gives context, poses and carried.
    """
    context = torch.where(without_photo[:, None, None], none, photo)
    kept = (~(without_photo | without_pose)).to(poses.dtype)[:, None, None, None]
    return context, poses * kept, None if carried is None else carried * kept
