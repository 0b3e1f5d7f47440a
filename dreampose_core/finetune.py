"""The subject finetune of DreamPose in its two stages: UNet and adapter, then the VAE's decoder
(arXiv:2304.06025).

Everything that does not change is made once: latents of an enumerated set of crops, flips and small turns of
the photo, of the carried pictures, and the vision encoder's tokens, so that a step costs the UNet alone.
Parts of the carried pictures are hidden at random, or the network would learn to copy. Both stages are scored
on held-out crops, end when that no longer pays, and keep the best weights they met, the untuned ones
included.

What a step draws at random depends on the seed and the step's number alone, and every few steps all of the
state is
on disk: a killed run goes on and ends with the very same weights. Knows nothing of jobs or pages.
"""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from torch import Tensor, nn

from dreampose_core.checkpoints import (
    DOWN,
    UP,
    Tuned,
    fingerprint,
    load_tensors,
    load_tuned,
    plain_disk_errors,
    read_tuned,
    save_tensors,
    save_tuned,
)
from dreampose_core.crops import Look, looks_of
from dreampose_core.encoding import fast_math
from dreampose_core.modeling import LATENT_STRIDE
from dreampose_core.pipeline import DreamPosePipeline, drop_conditions
from dreampose_core.progress import Progress, Report, silent
from dreampose_core.stages import Stage, draw_generator, run_stage
from dreampose_core.subject_cache import Cache, build_cache, hide_parts
from pose_tools.errors import BadInput
from pose_tools.sequence import PoseSequence

if TYPE_CHECKING:
    from dreampose_core.carry import Sheet
    from dreampose_core.subject import Subject

SCORE_LEVELS = (0.3, 0.6, 0.9)  # of the training timesteps, at which held-out crops are scored
PERSON_WEIGHT = 2.0  # how much more an error on the person counts than one on the background
LATENT_NOISE = 0.03  # added to what the decoder learns from: it will meet latents that are not exact
WINDOW = 16  # side of the decoder's crops, in cells of the latents
LORA_LAYERS = ["to_q", "to_k", "to_v", "to_out.0"]


@dataclass(frozen=True)
class FinetuneSettings:
    """What may be chosen about a finetune.

    steps, decoder_steps: of the two stages, 0 leaves one out. learning_rate, decoder_rate: AdamW's, at their
    height. batch, decoder_batch: pictures a step. crops, held_out: training pictures, and those that score.
    looks: sets of charts and carried pictures they are made from. drop: share of rows without the photo, and
    of rows without the pose (the paper's 5 %). hide: share of rows with parts of the carried picture hidden.
    evaluate_every: steps between scores; patience: scores without a better one that end a stage.
    checkpoint_every, preview_every: steps between states on disk, and between live samples. lora_rank: None
    tunes every weight of the UNet; a number only factors of that rank on its attention, with the first
    convolution in full (needs peft).
    """

    steps: int = 40
    decoder_steps: int = 20
    learning_rate: float = 1e-4
    decoder_rate: float = 1e-4
    batch: int = 4
    decoder_batch: int = 4
    crops: int = 16
    held_out: int = 4
    looks: int = 4
    drop: float = 0.05
    hide: float = 0.7
    evaluate_every: int = 10
    patience: int = 3
    checkpoint_every: int = 10
    preview_every: int = 20
    preview_steps: int = 3
    lora_rank: int | None = None
    seed: int = 0


def finetune_subject(
    pipeline: DreamPosePipeline,
    subject: Subject,
    sheet: Sheet | None,
    settings: FinetuneSettings,
    folder: str | Path,
    report: Report = silent,
) -> DreamPosePipeline:
    """Tune the pipeline to one subject, write the result to `folder`, and return the tuned pipeline.

    The given pipeline stays as it is. If `folder` holds the finished result of the same subject, model and
    settings it is only loaded; if an interrupted run of them lies beside it (.NAME.work), that run goes on.
    The carried pictures come from the sheet; without one a model that reads them is tuned without. Raises
    what `report` raises (Cancelled), and BadInput where the disk is full.
    """
    report(Progress("finetune", 0, settings.steps, message="Drawing training pictures"))
    looks = looks_of(subject, sheet if pipeline.carried else None, settings.looks, settings.seed)
    return finetune_looks(pipeline, looks, settings, folder, report)


def finetune_looks(
    pipeline: DreamPosePipeline,
    looks: Sequence[Look],
    settings: FinetuneSettings,
    folder: str | Path,
    report: Report = silent,
) -> DreamPosePipeline:
    """As `finetune_subject`, on looks made beforehand; the first one is also the live sample."""
    folder = Path(folder)
    identity = {"settings": asdict(settings), "looks": _digest(looks), "base": fingerprint(pipeline)}
    if _is_finished(folder, identity):
        return load_tuned(pipeline, folder)
    work = _work_folder(folder, identity)
    cache = _cache(pipeline, looks, settings, work, report).to(pipeline._execution_device)
    model = pipeline.with_parts(
        **{part: copy.deepcopy(getattr(pipeline, part)) for part in ("unet", "adapter", "vae")}
    )

    def preview() -> np.ndarray:
        poses = PoseSequence(looks[0].charts[2:3], fps=1)
        carried = None if looks[0].carried is None else [looks[0].carried]
        options = {"num_inference_steps": settings.preview_steps, "seed": settings.seed}
        return next(model.frames(looks[0].photo, poses, carried, **options))[1]

    results = []
    for stage in (_denoiser(model, cache, settings, preview), _decoder(model, cache, settings, preview)):
        if stage.steps:
            results.append(run_stage(stage, work, report))
    changes = _changes(pipeline, {name: value for result in results for name, value in result.best.items()})
    stages = {result.name: {"scores": result.scores, "best_step": result.best_step} for result in results}
    save_tuned(folder, pipeline, Tuned(changes, {"identity": identity, "stages": stages}))
    shutil.rmtree(work)
    return load_tuned(pipeline, folder)


def _is_finished(folder: Path, identity: Mapping) -> bool:
    try:
        return read_tuned(folder).info.get("identity") == identity
    except BadInput:  # nothing there, or nothing of use: it will be made anew
        return False


def _cache(
    pipeline: DreamPosePipeline, looks: Sequence[Look], settings: FinetuneSettings, work: Path, report: Report
) -> Cache:
    """What an interrupted run made, or a new one."""
    path = work / "cache.safetensors"
    if not path.is_file():

        def tick() -> None:
            report(Progress("finetune", 0, settings.steps, message="Encoding training pictures"))

        cache = build_cache(pipeline, looks, settings.crops + settings.held_out, settings.seed, tick)
        save_tensors(path, vars(cache))
    return Cache(**load_tensors(path)[0])  # also when just made: the order in memory counts in the last bit


def _work_folder(folder: Path, identity: Mapping) -> Path:
    """Where the interrupted run of this identity lies, or a new one starts."""
    work = folder.with_name(f".{folder.name}.work")
    note, wanted = work / "identity.json", json.dumps(identity, sort_keys=True)
    if not note.is_file() or note.read_text() != wanted:
        shutil.rmtree(work, ignore_errors=True)
        with plain_disk_errors():
            work.mkdir(parents=True)
            note.write_text(wanted)
    return work


def _digest(looks: Sequence[Look]) -> str:
    digest = hashlib.sha256()
    for look in looks:
        digest.update(look.photo.tobytes() + look.charts.tobytes() + str(look.carried is None).encode())
    return digest.hexdigest()


# stage one: UNet and adapter


def _denoiser(model: DreamPosePipeline, cache: Cache, settings: FinetuneSettings, preview) -> Stage:
    parameters = _trainable(model, settings)
    schedule = DDPMScheduler.from_config(model.scheduler.config)
    levels = schedule.config.num_train_timesteps
    if model.config.start != "noise":
        levels = int(levels * model.config.strength)
    device = cache.latents.device

    def error(
        rows: Tensor, timesteps: Tensor, noise: Tensor, planes: Tensor | None, without: Tensor
    ) -> Tensor:
        """The loss of one batch; without (2, B): rows without the photo, and without the pose."""
        latents = cache.latents[rows]
        noisy = schedule.add_noise(latents, noise, timesteps)
        with fast_math(device):
            photo, none = (
                model.adapter(cache.clip, cache.adapter),
                model.adapter(cache.none_clip, cache.none_adapter),
            )
            context = photo.index_select(0, cache.flip[rows])  # sums gradients in a fixed order
            conditions = drop_conditions(context, none, cache.poses[rows], planes, *without)
            predicted = model.predict(noisy, timesteps, *conditions)
        weight = 1 + PERSON_WEIGHT * cache.person[rows]
        target = _target(schedule, latents, noise, timesteps)
        return ((predicted - target) ** 2 * weight).mean() / weight.mean()

    def loss_of_step(step: int) -> Tensor:
        draw = draw_generator(settings.seed, "finetune", step)
        rows = torch.randint(0, settings.crops, (settings.batch,), generator=draw)
        timesteps = torch.randint(0, levels, (settings.batch,), generator=draw)
        noise = torch.randn(cache.latents[rows].shape, generator=draw)
        planes = hide_parts(cache.carried[rows], settings.hide, draw) if model.carried else None
        without = torch.rand((2, settings.batch), generator=draw) < settings.drop
        return error(rows.to(device), timesteps.to(device), noise.to(device), planes, without.to(device))

    @torch.no_grad()
    def score() -> float:
        draw = draw_generator(settings.seed, "finetune score", 0)
        rows = torch.arange(settings.crops, settings.crops + settings.held_out)
        none_left_out = torch.zeros((2, len(rows)), dtype=torch.bool, device=device)
        total = 0.0
        for level in SCORE_LEVELS:
            noise = torch.randn(cache.latents[rows].shape, generator=draw)
            planes = hide_parts(cache.carried[rows], settings.hide, draw) if model.carried else None
            timesteps = torch.full((len(rows),), int(level * (levels - 1)))
            total += float(
                error(rows.to(device), timesteps.to(device), noise.to(device), planes, none_left_out)
            )
        return total / len(SCORE_LEVELS)

    return Stage(
        "finetune", parameters, settings.steps, settings.learning_rate, loss_of_step, score, preview, settings
    )


def _trainable(model: DreamPosePipeline, settings: FinetuneSettings) -> dict[str, nn.Parameter]:
    """Parameters of the first stage as part.name; every other one is frozen."""
    model.unet.requires_grad_(settings.lora_rank is None)
    if settings.lora_rank is not None:
        from peft import LoraConfig

        rank = settings.lora_rank
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            model.unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=LORA_LAYERS))
        model.unet.conv_in.requires_grad_(True)
    model.adapter.requires_grad_(True)
    parts = {"unet": model.unet, "adapter": model.adapter}
    return {
        f"{part}.{name}": parameter
        for part, module in parts.items()
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }


def _target(schedule: DDPMScheduler, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    if schedule.config.prediction_type == "v_prediction":
        return schedule.get_velocity(latents, noise, timesteps)
    return latents if schedule.config.prediction_type == "sample" else noise


# stage two: the decoder


def _decoder(model: DreamPosePipeline, cache: Cache, settings: FinetuneSettings, preview) -> Stage:
    parts = {"decoder": model.vae.decoder, "post_quant_conv": model.vae.post_quant_conv}
    parameters = {
        f"vae.{part}.{name}": parameter
        for part, module in parts.items()
        for name, parameter in module.requires_grad_(True).named_parameters()
    }
    device, (height, width) = cache.latents.device, cache.latents.shape[-2:]
    tall, wide = min(WINDOW, height), min(WINDOW, width)

    def error(latents: Tensor, pictures: Tensor, person: Tensor) -> Tensor:
        """Mean absolute difference of pixels, and of neighbours' differences, which keeps edges sharp."""
        with fast_math(device):
            made = model.vae.decode(latents / model.vae.config.scaling_factor, return_dict=False)[0].float()
        weight = 1 + PERSON_WEIGHT * F.interpolate(person, scale_factor=LATENT_STRIDE, mode="nearest")
        wrong = (made - (pictures.movedim(-1, 1).float() / 127.5 - 1)) * weight
        edges = wrong.diff(dim=-1).abs().mean() + wrong.diff(dim=-2).abs().mean()
        return (wrong.abs().mean() + 0.5 * edges) / weight.mean()

    def loss_of_step(step: int) -> Tensor:
        draw = draw_generator(settings.seed, "decoder", step)
        windows = []
        for row in torch.randint(0, settings.crops, (settings.decoder_batch,), generator=draw).tolist():
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
        for row in range(settings.crops, settings.crops + settings.held_out):
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
            own[name] = value - getattr(base, part).get_parameter(name).detach().float()
    return changes
