"""The paper's base training: UNet and adapter (the vision encoder too, if wanted) on random pairs of frames.

Karras et al. 2023 (arXiv:2304.06025), section 4: the photo is one frame of a clip, the target another one with its
five poses; each condition is left out at times, so that sampling can be guided. The VAE stays as it is. The same code
trains every model of the family, on one process or, by `accelerate launch`, on many that each hold the whole model.

A step draws everything random from (seed, step, rank), and a checkpoint holds everything else: a killed run goes on
and ends with the loss curve of an undisturbed one.
"""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from diffusers import DDPMScheduler
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from dreampose_core.encoding import clip_pixels
from dreampose_core.modeling import CARRIED_CHANNELS, LATENT_STRIDE
from dreampose_core.pipeline import DreamPosePipeline, PhotoCode, drop_conditions
from dreampose_core.training.base_state import Run, load_average, load_state, save_state, trained
from dreampose_core.training.clips import Clips
from dreampose_core.training.latents import Latents, fill_latents, open_latents, say_size
from dreampose_core.training.pairs import Batch, batches
from dreampose_core.training.samples import sample_grid, write_grid
from dreampose_core.training.snr import NOISE, VELOCITY, min_snr_weights, training_target
from dreampose_core.weights.checkpoints import fingerprint, new_folder
from pose_tools.errors import BadInput

WORKING = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)
MAY_CHANGE = ("steps", "save_every", "keep", "log_every", "samples", "sample_steps", "checkpointing", "processes")
Say = Callable[[str], None]


@dataclass(frozen=True)
class BaseSettings:
    """What may be chosen about a base training.

    steps: updates of the weights; batch: pairs a process and call of the UNet; accumulate: calls an update is summed
    over; rate: AdamW's, after `warmup` steps; decay: weight decay; clip: largest norm of the gradient; ema: decay of
    the averaged weights, reached slowly; drop: share of rows without the photo, and of rows without the pose; min_snr:
    gamma of that weighting, None weighs all noise levels alike; vision: whether the vision encoder is trained too;
    checkpointing: of gradients, less memory for a third more time; eight_bit: Adam's averages in 8 bits (needs
    bitsandbytes); save_every: steps between checkpoints, of which the newest `keep` stay; log_every: steps between
    lines on the screen; samples: rows of the sample grid, of sample_steps steps.
    Batch, accumulate and rate are the paper's.
    """

    steps: int = 20_000
    batch: int = 4
    accumulate: int = 4
    rate: float = 5e-6
    warmup: int = 100
    decay: float = 1e-2
    clip: float = 1.0
    ema: float = 0.9999
    drop: float = 0.05
    min_snr: float | None = None
    vision: bool = False
    checkpointing: bool = False
    eight_bit: bool = False
    save_every: int = 1000
    keep: int = 2
    log_every: int = 10
    samples: int = 4
    sample_steps: int = 20
    seed: int = 0

    def __post_init__(self):
        for name in ("steps", "batch", "accumulate", "save_every", "keep", "log_every", "sample_steps"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name.replace('_', ' ').capitalize()} must be at least 1.")
        for name in ("warmup", "samples", "seed", "decay"):
            if getattr(self, name) < 0:
                raise BadInput(f"{name.capitalize()} must not be below 0.")
        if not (self.rate > 0 and self.clip > 0 and (self.min_snr is None or self.min_snr > 0)):
            raise BadInput("The rate, the largest norm of the gradient and min-SNR's gamma must be above 0.")
        if not (0 <= self.drop < 1 and 0 <= self.ema < 1):
            raise BadInput("The share of left-out conditions and the decay of the average must be from 0 to below 1.")


class EndedElsewhere(BadInput):
    """Another process met what ends this one; it has been said there."""


class Learner(nn.Module):
    """What is trained, as one module, so that processes exchange all gradients together."""

    def __init__(self, pipeline: DreamPosePipeline, vision: bool):
        super().__init__()
        self.unet, self.adapter = pipeline.unet, pipeline.adapter
        self.image_encoder = pipeline.image_encoder if vision else None
        self.pipeline = pipeline
        self.train().requires_grad_(True)
        if vision:  # the tokens do not pass this layer
            self.image_encoder.post_layernorm.requires_grad_(False)

    def forward(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        photo: PhotoCode,
        none: PhotoCode,
        poses: Tensor,
        without_photo: Tensor,
        without_pose: Tensor,
    ) -> Tensor:
        """Noise or velocity (B, 4, h, w). photo, none: codes whose `clip` is pixels where the encoder is trained."""
        carried = None
        if self.pipeline.carried:  # clips have no carried pictures
            carried = poses.new_zeros(len(poses), CARRIED_CHANNELS, *poses.shape[-2:])
        contexts = [self.pipeline.context(self._code(code)) for code in (photo, none)]
        conditions = drop_conditions(*contexts, poses, carried, without_photo, without_pose)
        return self.pipeline.predict(noisy, timesteps, *conditions)

    def _code(self, code: PhotoCode) -> PhotoCode:
        if self.image_encoder is None:
            return code
        return PhotoCode(self.image_encoder(code.clip).last_hidden_state, code.latents, code.adapter_latents)


def make_accelerator(precision: str | None, tracker: str | None, folder: Path) -> Accelerator:
    """precision: no, fp16, bf16. BadInput where it, the tracker or the way of sharing the work cannot be had."""
    from accelerate.tracking import filter_trackers  # imported late: trackers load their packages

    try:
        if tracker is not None and not filter_trackers([tracker], folder):
            raise BadInput(f"The tracker {tracker} is not installed; install its package, or leave --tracker out.")
        accelerator = Accelerator(mixed_precision=precision, log_with=tracker, project_dir=folder)
    except ValueError as error:
        raise BadInput(f"This cannot be had here: {str(error).strip().splitlines()[0]}") from error
    if accelerator.distributed_type not in WORKING:
        raise BadInput("Every process holds the whole model; choose neither FSDP nor DeepSpeed for accelerate.")
    return accelerator


def train_base(
    pipeline: DreamPosePipeline,
    clips: Clips,
    folder: Path,
    settings: BaseSettings,
    accelerator: Accelerator,
    threads: int = 4,
    say: Say = print,
    latents: Path | None = None,
) -> None:
    """Train to the last step, going on from the newest checkpoint of the folder, and write folder/model.

    The pipeline's own parts are trained in place. latents: a folder in which what the encoders make of every frame is
    kept, so that it is computed once; losses are the same but for rounding. The encoders then leave the device, and
    come back for sample grids. BadInput where clips and model do not fit, where one of the folders holds something of
    other settings, or where the disk is full; finished checkpoints stay.
    """
    try:
        _train(pipeline, clips, folder, settings, accelerator, threads, say, latents)
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)  # or they would hold what must go before the group of processes
        raise
    finally:
        # A gloo group whose last owner is the wrapped module hangs when it is deleted: so the module goes first.
        accelerator.free_memory()
        accelerator.end_training()


def _train(
    pipeline: DreamPosePipeline,
    clips: Clips,
    folder: Path,
    settings: BaseSettings,
    accelerator: Accelerator,
    threads: int,
    say: Say,
    latents: Path | None,
) -> None:
    check_fit(pipeline, clips)
    scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)
    if scheduler.config.prediction_type not in (NOISE, VELOCITY):
        raise BadInput(f"A model that predicts {scheduler.config.prediction_type!r} cannot be trained here.")
    run, rank = Run(folder), accelerator.process_index
    facts = asdict(settings) | {"model": fingerprint(pipeline)[:16], "clips": clips.summary()}
    facts["prediction"] = scheduler.config.prediction_type
    facts |= {"processes": accelerator.num_processes, "precision": accelerator.mixed_precision}
    on_main(accelerator, lambda: run.begin(facts, MAY_CHANGE))
    accelerator.init_trackers("dreampose", config={key: str(value) for key, value in facts.items()})

    pipeline.to(accelerator.device)
    if accelerator.mixed_precision == "bf16":  # not with fp16, in which the photo's raw values would overflow
        pipeline.vae.bfloat16()
    if settings.checkpointing:
        pipeline.unet.enable_gradient_checkpointing()
    learner = Learner(pipeline, settings.vision)
    optimizer = make_optimizer(trained(learner).values(), settings)
    wrapped, prepared = accelerator.prepare(learner, optimizer)
    parameters = list(trained(learner).values())
    average = None
    if accelerator.is_main_process:
        average = EMAModel(parameters, decay=settings.ema, use_ema_warmup=True, inv_gamma=1, power=0.75)
    step = _go_on(run, learner, prepared, average, accelerator)
    on_main(accelerator, lambda: run.forget_after(step))

    cache = None if latents is None else _encode(latents, pipeline, clips, settings, accelerator, say)
    none = _with_pixels(pipeline, pipeline.no_photo(clips.height, clips.width), None, settings.vision)
    if cache is not None:  # from here on only sample grids need them
        pipeline.rest(accelerator.device, "vae", *(() if settings.vision else ("image_encoder",)))
    losses: list[tuple[Tensor, float]] = []
    begun, first = time.monotonic(), step
    reader = batches(
        clips, range(step, settings.steps), settings.accumulate, settings.batch, settings.seed, rank, threads, cache
    )
    for parts in reader if accelerator.is_main_process else _aloud(reader, say):
        rate = settings.rate * min(1.0, (step + 1) / max(1, settings.warmup))
        for group in prepared.param_groups:
            group["lr"] = rate
        draw = _generator(settings.seed, step, rank)
        total = torch.zeros((), device=accelerator.device)
        for number, part in enumerate(parts, 1):
            last = number == len(parts)
            with nullcontext() if last else accelerator.no_sync(wrapped):
                loss = _loss(wrapped, pipeline, scheduler, part, none, settings, draw) / len(parts)
                accelerator.backward(loss)
            total += loss.detach()
        accelerator.clip_grad_norm_(parameters, settings.clip)
        prepared.step()
        prepared.zero_grad(set_to_none=True)
        step += 1
        if average is not None:
            average.step(parameters)
        losses.append((total, rate))
        saves = step % settings.save_every == 0 or step == settings.steps
        if saves or step % settings.log_every == 0:
            mean = accelerator.reduce(torch.stack([loss for loss, _ in losses]), "mean").tolist()
            numbers = range(step - len(mean) + 1, step + 1)
            rows = [
                {"step": number, "loss": loss, "rate": rate}
                for number, loss, (_, rate) in zip(numbers, mean, losses, strict=True)
            ]
            losses.clear()
            on_main(accelerator, lambda rows=rows: _record(run, rows, accelerator))
            if accelerator.is_main_process:
                say(_line(step, settings.steps, mean, (time.monotonic() - begun) / (step - first)))
            if not all(map(math.isfinite, mean)) and accelerator.scaler is None:
                raise BadInput(f"The loss is not a number any more at step {step}; go on with a lower --rate.")
        if saves:
            on_main(accelerator, lambda step=step: _save(run, step, learner, average, prepared, accelerator, settings))
            on_main(accelerator, lambda step=step: _sample(run, step, pipeline, clips, average, parameters, settings))
    on_main(accelerator, lambda: _write_model(run, pipeline, average, parameters))


def check_fit(pipeline: DreamPosePipeline, clips: Clips) -> None:
    """BadInput where the model is not made for pictures of the clips' size."""
    cells = (clips.height // (2 * LATENT_STRIDE)) * (clips.width // (2 * LATENT_STRIDE))
    if cells != pipeline.adapter.config.latent_size:
        raise BadInput(
            f"The clips are {clips.width}x{clips.height} pixels, and this model is made for pictures of another size; "
            "prepare the videos with its --height and --width."
        )


def on_main(accelerator: Accelerator, work: Callable[[], None]) -> None:
    """Do something on the main process while the others wait; if it fails there, all end."""
    failed: BaseException | None = None
    if accelerator.is_main_process:
        try:
            work()
        except Exception as error:  # told below, once the others know
            failed = error
    end_together(accelerator, failed, "The main process could not go on.")


def end_together(accelerator: Accelerator, failed: BaseException | None, elsewhere: str) -> None:
    """Raise what failed here, or EndedElsewhere with these words where something failed in another process alone."""
    if accelerator.num_processes > 1:
        flag = torch.tensor(float(failed is not None), device=accelerator.device)
        if accelerator.reduce(flag, "sum") > 0 and failed is None:
            raise EndedElsewhere(elsewhere)
    if failed is not None:
        raise failed


def make_optimizer(parameters, settings: BaseSettings) -> torch.optim.Optimizer:
    """AdamW. BadInput where 8-bit averages are wanted and their package is missing."""
    if not settings.eight_bit:
        return torch.optim.AdamW(parameters, lr=settings.rate, weight_decay=settings.decay)
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise BadInput("8-bit Adam needs the package bitsandbytes, which is not installed.") from error
    return AdamW8bit(parameters, lr=settings.rate, weight_decay=settings.decay)


def _encode(
    folder: Path, pipeline: DreamPosePipeline, clips: Clips, settings: BaseSettings, accelerator: Accelerator, say: Say
) -> Latents:
    """The cache with all clips in it; every process encodes its share. BadInput where the disk has no room."""
    on_main(accelerator, lambda: say_size(open_latents(folder, pipeline, clips, settings.vision), clips, say))
    latents, failed = open_latents(folder, pipeline, clips, settings.vision), None
    tell = say if accelerator.is_main_process else _nothing
    try:
        fill_latents(latents, clips, pipeline, accelerator.process_index, accelerator.num_processes, tell)
    except BadInput as error:
        failed = error
        if not accelerator.is_main_process:
            say(str(error))
    end_together(accelerator, failed, "Another process could not go on.")
    return latents


def _nothing(line: str) -> None:
    """Of what all processes do alike the main one speaks."""


def _aloud(reader: Iterator[list[Batch]], say: Say) -> Iterator[list[Batch]]:
    """The same batches; what cannot be read by a process other than the main one is said by that one."""
    try:
        yield from reader
    except BadInput as error:
        say(str(error))
        raise


def _loss(
    wrapped: nn.Module,
    pipeline: DreamPosePipeline,
    scheduler: DDPMScheduler,
    batch: Batch,
    none: PhotoCode,
    settings: BaseSettings,
    draw: torch.Generator,
) -> Tensor:
    """The mean squared error of one batch."""
    device = none.latents.device
    if batch.encoded is None:
        latents, photo = pipeline.encode_pictures(batch.frames).float(), pipeline.encode_photo(batch.photos)
    else:
        latents, photo = batch.encoded.latents.to(device), batch.encoded.photo
        photo = PhotoCode(*(each.to(device) for each in (photo.clip, photo.latents, photo.adapter_latents)))
    photo, rows = _with_pixels(pipeline, photo, batch.photos, settings.vision), len(latents)
    noise = torch.randn(latents.shape, generator=draw).to(device)
    timesteps = torch.randint(0, scheduler.config.num_train_timesteps, (rows,), generator=draw).to(device)
    without_photo, without_pose = (torch.rand(2, rows, generator=draw) < settings.drop).to(device)
    noisy = scheduler.add_noise(latents, noise, timesteps)
    target = training_target(scheduler, latents, noise, timesteps)
    made = wrapped(noisy, timesteps, photo, none, batch.poses.to(device), without_photo, without_pose)
    errors = ((made - target) ** 2).mean((1, 2, 3))
    if settings.min_snr is not None:
        errors = errors * min_snr_weights(scheduler, timesteps, settings.min_snr)
    return errors.mean()


def _with_pixels(pipeline: DreamPosePipeline, code: PhotoCode, photos: np.ndarray | None, vision: bool) -> PhotoCode:
    """The code, with CLIP's pixels in place of its tokens where the encoder is trained. photos None: black."""
    if not vision:
        return code
    size = pipeline.image_encoder.config.image_size
    photos = np.zeros((1, size, size, 3), np.uint8) if photos is None else photos
    pixels = torch.stack([clip_pixels(photo, size, pipeline.config.whole_photo) for photo in photos])
    return PhotoCode(pixels.to(code.latents.device), code.latents, code.adapter_latents)


def _generator(seed: int, step: int, rank: int) -> torch.Generator:
    """For noise, timesteps and left-out conditions; a stream apart from that of the pairs."""
    state = np.random.SeedSequence([seed, step, rank, 1]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> 1))


def _go_on(run: Run, learner: Learner, optimizer, average: EMAModel | None, accelerator: Accelerator) -> int:
    """Load the newest checkpoint, if there is one; gives its step."""
    steps = run.steps()
    if not steps:
        return 0
    folder = run.checkpoint(steps[-1])
    facts = load_state(folder, learner, optimizer)
    if average is not None:
        average.optimization_step = steps[-1]
        shadows = load_average(folder, learner)
        average.shadow_params = [s.to(old) for s, old in zip(shadows, average.shadow_params, strict=True)]
    if accelerator.scaler is not None and "scaler" in facts:
        accelerator.scaler.load_state_dict(facts["scaler"])
    return steps[-1]


def _save(run: Run, step: int, learner, average: EMAModel, optimizer, accelerator, settings: BaseSettings) -> None:
    scaler = {} if accelerator.scaler is None else {"scaler": accelerator.scaler.state_dict()}
    save_state(run.checkpoint(step), learner, average.shadow_params, optimizer, {"step": step} | scaler)
    run.keep_newest(settings.keep)


def _sample(run: Run, step: int, pipeline, clips: Clips, average: EMAModel, parameters, settings: BaseSettings) -> None:
    if not settings.samples:
        return
    average.store(parameters)
    average.copy_to(parameters)
    try:
        grid = sample_grid(pipeline, clips, settings.samples, settings.sample_steps, settings.seed)
        write_grid(run.sample(step), grid)
    finally:
        average.restore(parameters)


def _write_model(run: Run, pipeline: DreamPosePipeline, average: EMAModel, parameters) -> None:
    """The averaged weights as a model folder, float32."""
    average.copy_to(parameters)
    pipeline.vae.float()
    with new_folder(run.model) as made:
        pipeline.save_pretrained(made)


def _record(run: Run, rows: list[dict], accelerator: Accelerator) -> None:
    run.write_log(rows)
    for row in rows:
        accelerator.log({"loss": row["loss"], "rate": row["rate"]}, step=row["step"])


def _line(step: int, steps: int, losses: list[float], seconds: float) -> str:
    minutes = round((steps - step) * seconds / 60)
    left = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    return f"step {step}/{steps}, loss {np.mean(losses):.4f}, {seconds:.2f} s a step, {left} left"
