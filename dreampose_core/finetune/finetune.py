"""The subject finetune of DreamPose in its two stages: UNet and adapter, then the VAE's decoder
(arXiv:2304.06025).

Everything that does not change is made once: latents of an enumerated set of crops, flips and small turns of
the photos, of the carried pictures, and the vision encoder's tokens, so that a step costs the UNet alone.
Parts of the carried pictures are hidden at random, or the network would learn to copy. Both stages are scored
on held-out crops, end when that no longer pays, and keep the best weights they met, the untuned ones
included.

What a step draws at random depends on the seed and the step's number alone, and every few steps all of the state is
on disk: a killed run goes on and ends with the very same weights. What is damaged there, or belongs to something else,
is made anew, with a word about it. Knows nothing of jobs or pages.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from torch import Tensor

from dreampose_core.finetune.budget import room_for_finetune
from dreampose_core.finetune.crops import Look, looks_of
from dreampose_core.finetune.stages import STARTS_OVER, Stage, draw_generator, run_stage
from dreampose_core.finetune.subject_cache import Cache, build_cache, hide_parts, shapes_of
from dreampose_core.finetune.trainable import copy_to_train, frozen_type, training_math, unet_to_train, vae_to_train
from dreampose_core.finetune.tuning import FinetuneSettings
from dreampose_core.modeling import LATENT_STRIDE
from dreampose_core.pipeline import DreamPosePipeline, drop_conditions
from dreampose_core.progress import Progress, Report, silent
from dreampose_core.weights.checkpoints import (
    DOWN,
    UP,
    Tuned,
    fingerprint,
    load_tensors,
    load_tuned,
    plain_disk_errors,
    read_tuned,
    remove,
    save_tensors,
    save_tuned,
)
from pose_tools.errors import BadInput
from pose_tools.files import replacing
from pose_tools.sequence import PoseSequence

if TYPE_CHECKING:
    from dreampose_core.carry import Sheet
    from dreampose_core.subject import Subject

SCORE_LEVELS = (0.3, 0.6, 0.9)  # of the training timesteps, at which held-out crops are scored
PERSON_WEIGHT = 2.0  # how much more an error on the person counts than one on the background
CACHE, IDENTITY = "cache.safetensors", "identity.json"  # of an interrupted run
LATENT_NOISE = 0.03  # added to what the decoder learns from: it will meet latents that are not exact


def finetune_subject(
    pipeline: DreamPosePipeline,
    subject: Subject,
    sheet: Sheet | None,
    settings: FinetuneSettings,
    folder: str | Path,
    report: Report = silent,
    more: Sequence[tuple[Subject, Sheet | None]] = (),
    seconds: float | None = None,
) -> DreamPosePipeline:
    """Tune the pipeline to one subject, write the result to `folder`, and return the tuned pipeline.

    The given pipeline stays as it is. If `folder` holds the finished result of the same subject, model and
    settings it is only loaded; if an interrupted run of them lies beside it (.NAME.work), that run goes on.
    The carried pictures come from the sheet; without one a model that reads them is tuned without. more: further
    photos of the same person, of the same size; the main photo stays the one that clips are made of. seconds:
    what the finetune is expected to take, where earlier ones are known. Raises what `report` raises (Cancelled),
    and BadInput where the memory or the disk is too small.
    """
    report(Progress("finetune", 0, settings.steps, message="Drawing training pictures"))
    looks = []
    for index, (one, its_sheet) in enumerate([(subject, sheet), *more]):
        looks += looks_of(one, its_sheet if pipeline.carried else None, settings.looks, settings.seed, index)
    return finetune_looks(pipeline, looks, settings, folder, report, seconds)


def finetune_looks(
    pipeline: DreamPosePipeline,
    looks: Sequence[Look],
    settings: FinetuneSettings,
    folder: str | Path,
    report: Report = silent,
    seconds: float | None = None,
) -> DreamPosePipeline:
    """As `finetune_subject`, on looks made beforehand; the first one is also the live sample."""
    folder = Path(folder)
    identity = {"settings": asdict(settings), "looks": _digest(looks), "base": fingerprint(pipeline)}
    finished = _finished(pipeline, folder, identity)
    if finished is not None:
        return finished

    def tell(message: str) -> None:
        report(Progress("finetune", 0, settings.steps, message=message))

    device = pipeline._execution_device
    said = room_for_finetune(pipeline, settings, *looks[0].photo.shape[:2], seconds)
    tell(said)
    work, of = _work_folder(folder, identity, tell), _word_for(identity)
    cache = _cache(pipeline, looks, settings, work, of, tell).to(device)
    model = pipeline.with_parts(
        unet=unet_to_train(pipeline.unet, settings, device, frozen_type(device)),
        adapter=copy_to_train(pipeline.adapter, lambda name: True, device, torch.float32),
    )
    model.keep_at_work("unet", "adapter")

    def preview() -> np.ndarray:
        poses = PoseSequence(looks[0].charts[2:3], fps=1)
        carried = None if looks[0].carried is None else [looks[0].carried]
        options = {"num_inference_steps": settings.preview_steps, "seed": settings.seed}
        with training_math(device):
            return next(model.frames(looks[0].photo, poses, carried, **options))[1]

    results = []
    if settings.steps:
        results.append(run_stage(_denoiser(model, cache, settings, preview), work, report, of))
    if settings.decoder_steps:
        model.register_modules(vae=vae_to_train(pipeline.vae, settings, device, frozen_type(device)))
        model.keep_at_work("vae")
        results.append(run_stage(_decoder(model, cache, settings, preview), work, report, of))
    changes = _changes(pipeline, {name: value for result in results for name, value in result.best.items()})
    stages = {result.name: {"scores": result.scores, "best_step": result.best_step} for result in results}
    save_tuned(folder, pipeline, Tuned(changes, {"identity": identity, "stages": stages}))
    remove(work)
    return load_tuned(pipeline, folder)


def _finished(pipeline: DreamPosePipeline, folder: Path, identity: Mapping) -> DreamPosePipeline | None:
    """The tuned pipeline, where the folder holds the result of this very finetune."""
    try:
        return load_tuned(pipeline, folder) if read_tuned(folder).info.get("identity") == identity else None
    except BadInput:  # nothing there, or nothing of use: it will be made anew
        return None


def _word_for(identity: Mapping) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _cache(
    pipeline: DreamPosePipeline,
    looks: Sequence[Look],
    settings: FinetuneSettings,
    work: Path,
    of: str,
    tell: Callable[[str], None],
) -> Cache:
    """What an interrupted run of this word made, or a new one."""
    path, photos = work / CACHE, len({look.of for look in looks})
    count = photos * (settings.crops + settings.held_out)
    wanted = shapes_of(pipeline, *looks[0].photo.shape[:2], count, photos)
    if os.path.lexists(path):
        try:
            return _read_cache(path, wanted, of)
        except BadInput:
            remove(path)
            tell(STARTS_OVER.format("its training pictures are encoded anew, and it"))
    cache = build_cache(pipeline, looks, count, settings.seed, lambda: tell("Encoding training pictures"))
    save_tensors(path, vars(cache), {"of": of})
    return _read_cache(path, wanted, of)  # as it is read later: the order in memory counts in the last bit


def _read_cache(path: Path, wanted: Mapping[str, tuple[int, ...]], of: str) -> Cache:
    """BadInput where it is damaged or of something else."""
    tensors, info = load_tensors(path)
    if info.get("of") != of or {name: tuple(each.shape) for name, each in tensors.items()} != wanted:
        raise BadInput(f"The file {path.name} is of another finetune.")
    return Cache(**tensors)


def _work_folder(folder: Path, identity: Mapping, tell: Callable[[str], None]) -> Path:
    """Where the interrupted run of this identity lies, or a new one starts."""
    work = folder.with_name(f".{folder.name}.work")
    note, wanted = work / IDENTITY, json.dumps(identity, sort_keys=True)
    try:
        known = note.read_text() == wanted
    except (OSError, ValueError):
        known = False
    if not known:
        with plain_disk_errors():
            if os.path.lexists(work):
                remove(work)
                tell(STARTS_OVER.format("it"))
            work.mkdir(parents=True)
            with replacing(note) as temporary:
                temporary.write_text(wanted)
    return work


def _digest(looks: Sequence[Look]) -> str:
    digest = hashlib.sha256()
    for look in looks:
        digest.update(look.photo.tobytes() + look.charts.tobytes() + f"{look.carried is None} {look.of}".encode())
    return digest.hexdigest()


# stage one: UNet and adapter


def _denoiser(model: DreamPosePipeline, cache: Cache, settings: FinetuneSettings, preview) -> Stage:
    parts = {"unet": model.unet, "adapter": model.adapter}
    parameters = {
        f"{part}.{name}": parameter
        for part, module in parts.items()
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }
    schedule = DDPMScheduler.from_config(model.scheduler.config)
    levels = schedule.config.num_train_timesteps
    if model.config.start != "noise":
        levels = int(levels * model.config.strength)
    device, learned = cache.latents.device, settings.crops * cache.photos

    def error(
        rows: Tensor, of: Tensor, timesteps: Tensor, noise: Tensor, planes: Tensor | None, without: Tensor
    ) -> Tensor:
        """The loss of one batch; of (B,): the photo that each row is made from; without (2, B): rows without the
        photo, and without the pose."""
        latents = cache.latents[rows]
        noisy = schedule.add_noise(latents, noise, timesteps)
        with training_math(device):
            photo, none = (
                model.adapter(cache.clip, cache.adapter),
                model.adapter(cache.none_clip, cache.none_adapter),
            )
            seen = cache.flip[rows] * cache.photos + of
            context = photo.index_select(0, seen)  # sums gradients in a fixed order
            conditions = drop_conditions(context, none, cache.poses[rows], planes, *without)
            predicted = model.predict(noisy, timesteps, *conditions)
        weight = 1 + PERSON_WEIGHT * cache.person[rows]
        target = _target(schedule, latents, noise, timesteps)
        return ((predicted - target) ** 2 * weight).mean() / weight.mean()

    def draw_noise(rows: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor | None]:
        noise = torch.randn((len(rows), *cache.latents.shape[1:]), generator=draw).to(device)
        return noise, hide_parts(cache.carried[rows], settings.hide, draw) if model.carried else None

    def loss_of_step(step: int) -> Tensor:
        draw = draw_generator(settings.seed, "finetune", step)
        rows = torch.randint(0, learned, (settings.batch,), generator=draw)
        of = torch.randint(0, cache.photos, (settings.batch,), generator=draw)  # pairs of photos, as in training
        timesteps = torch.randint(0, levels, (settings.batch,), generator=draw)
        noise, planes = draw_noise(rows, draw)
        without = torch.rand((2, settings.batch), generator=draw) < settings.drop
        return error(rows.to(device), of.to(device), timesteps.to(device), noise, planes, without.to(device))

    @torch.no_grad()
    def score() -> float:
        draw = draw_generator(settings.seed, "finetune score", 0)
        total = torch.zeros((), device=device)
        for rows in torch.arange(learned, len(cache.latents)).split(settings.batch):
            main_photo = torch.zeros_like(rows)  # what clips are made of
            none_left_out = torch.zeros((2, len(rows)), dtype=torch.bool)
            for level in SCORE_LEVELS:
                noise, planes = draw_noise(rows, draw)
                timesteps = torch.full((len(rows),), int(level * (levels - 1)))
                where = (each.to(device) for each in (rows, main_photo, timesteps))
                total += error(*where, noise, planes, none_left_out.to(device)) * len(rows)
        return float(total) / (len(SCORE_LEVELS) * (len(cache.latents) - learned))

    return Stage(
        "finetune", parameters, settings.steps, settings.learning_rate, loss_of_step, score, preview, settings
    )


def _target(schedule: DDPMScheduler, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    if schedule.config.prediction_type == "v_prediction":
        return schedule.get_velocity(latents, noise, timesteps)
    return latents if schedule.config.prediction_type == "sample" else noise


# stage two: the decoder


def _decoder(model: DreamPosePipeline, cache: Cache, settings: FinetuneSettings, preview) -> Stage:
    parameters = {
        f"vae.{name}": parameter for name, parameter in model.vae.named_parameters() if parameter.requires_grad
    }
    device, (height, width) = cache.latents.device, cache.latents.shape[-2:]
    learned = settings.crops * cache.photos
    tall, wide = min(settings.window, height), min(settings.window, width)

    def error(latents: Tensor, pictures: Tensor, person: Tensor) -> Tensor:
        """Mean absolute difference of pixels, and of neighbours' differences, which keeps edges sharp."""
        with training_math(device):
            made = model.vae.decode(latents / model.vae.config.scaling_factor, return_dict=False)[0].float()
        weight = 1 + PERSON_WEIGHT * F.interpolate(person, scale_factor=LATENT_STRIDE, mode="nearest")
        wrong = (made - (pictures.movedim(-1, 1).float() / 127.5 - 1)) * weight
        edges = wrong.diff(dim=-1).abs().mean() + wrong.diff(dim=-2).abs().mean()
        return (wrong.abs().mean() + 0.5 * edges) / weight.mean()

    def loss_of_step(step: int) -> Tensor:
        draw = draw_generator(settings.seed, "decoder", step)
        windows = []
        for row in torch.randint(0, learned, (settings.decoder_batch,), generator=draw).tolist():
            top = int(torch.randint(0, height - tall + 1, (), generator=draw))
            left = int(torch.randint(0, width - wide + 1, (), generator=draw))
            cells = (..., slice(top, top + tall), slice(left, left + wide))
            pixels = tuple(slice(one.start * LATENT_STRIDE, one.stop * LATENT_STRIDE) for one in cells[1:])
            windows.append((cache.latents[row][cells], cache.pictures[row][pixels], cache.person[row][cells]))
        latents, pictures, person = (torch.stack(planes) for planes in zip(*windows, strict=True))
        noise = LATENT_NOISE * torch.randn(latents.shape, generator=draw)
        return error(latents + noise.to(device), pictures, person)

    @torch.no_grad()
    def score() -> float:
        parts = []
        for row in range(learned, len(cache.latents)):
            one = slice(row, row + 1)
            parts.append(error(cache.latents[one], cache.pictures[one], cache.person[one]))
        return float(torch.stack(parts).mean())

    return Stage(
        "decoder",
        parameters,
        settings.decoder_steps,
        settings.decoder_rate,
        loss_of_step,
        score,
        preview,
        settings,
    )


def _changes(base: DreamPosePipeline, best: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Differences to the base by part and name; low-rank factors go as they are."""
    changes: dict[str, dict[str, Tensor]] = {}
    for key, value in best.items():
        part, name = key.split(".", 1)
        own = changes.setdefault(part, {})
        if ".lora_" in name:
            layer, factor = name.split(".lora_")
            own[f"{layer}.weight" + (DOWN if factor.startswith("A") else UP)] = value
        else:
            own[name] = value - getattr(base, part).get_parameter(name).detach().float().cpu()
    return changes
