"""One stage of a finetune: steps, scores, the best weights, and a state on disk from which it goes on bit by
bit.

The state is one safetensors file: weights, the optimizer's averages, the best weights so far, and as JSON the
step and scores. Nothing random is in it, since what a step draws comes from `draw_generator`. One that is damaged or
of something else costs the work of its stage, and nothing more. Knows nothing of networks.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from dreampose_core.progress import Progress, Report
from dreampose_core.weights.checkpoints import load_tensors, remove, save_tensors
from pose_tools.errors import BadInput

WARMUP = 5  # steps
LAST_RATE = 0.1  # of the learning rate's height, at the end of a cosine
CLIP = 1.0  # largest norm of the gradient
BETAS = (0.9, 0.99)
STARTS_OVER = "What an interrupted finetune left is damaged or of something else; {} starts over."
AVERAGES = {False: ("exp_avg", "exp_avg_sq"), True: ("state1", "state2")}  # of Adam, and of Adam in 8 bits
TABLES = ("qmap1", "qmap2", "absmax1", "absmax2")  # which Adam in 8 bits has beside them, where a weight is large


class Pace(Protocol):
    """Steps between scores, states and live samples; scores without a better one that end a stage; whether the
    optimizer's averages have 8 bits."""

    evaluate_every: int
    checkpoint_every: int
    preview_every: int
    patience: int
    eight_bit: bool


@dataclass(frozen=True)
class Stage:
    """What is trained, and how.

    parameters: by name; loss_of_step: the loss of step 0, 1, ..., all chance drawn from its number; score:
    lower is better, the same for the same weights; preview: a live sample, uint8 (H, W, 3).
    """

    name: str
    parameters: Mapping[str, nn.Parameter]
    steps: int
    rate: float
    loss_of_step: Callable[[int], Tensor]
    score: Callable[[], float]
    preview: Callable[[], np.ndarray]
    pace: Pace


@dataclass
class Result:
    """best: the best weights by name, on the CPU, empty where nothing beat those at the start; scores: (step,
    score)."""

    name: str
    best: dict[str, Tensor] = field(default_factory=dict)
    best_step: int = 0
    scores: list[tuple[int, float]] = field(default_factory=list)

    @property
    def waited(self) -> int:
        """Scores since the best one."""
        return sum(step > self.best_step for step, _ in self.scores)

    def take(self, step: int, score: float, parameters: Mapping[str, nn.Parameter]) -> None:
        if self.scores and score < min(known for _, known in self.scores):
            self.best_step = step
            self.best = _kept(parameters)
        self.scores.append((step, score))


def draw_generator(seed: int, stage: str, step: int) -> torch.Generator:
    """The source of everything a step draws at random."""
    mixed = np.random.SeedSequence([seed, zlib.crc32(stage.encode()), step]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed) >> 1)


def rate_at(step: int, steps: int) -> float:
    """Share of the learning rate's height at step 0 ≤ step < steps: linear warm-up, then a cosine."""
    cosine = 0.5 + 0.5 * math.cos(math.pi * step / steps)
    return min(1.0, (step + 1) / WARMUP) * (LAST_RATE + (1 - LAST_RATE) * cosine)


def make_optimizer(parameters: list[nn.Parameter], rate: float, eight_bit: bool) -> torch.optim.Optimizer:
    """AdamW without weight decay. BadInput where 8-bit averages are wanted and bitsandbytes is missing."""
    options = {"lr": rate, "betas": BETAS, "weight_decay": 0.0}
    if eight_bit:
        try:
            from bitsandbytes.optim import AdamW8bit
        except ImportError as error:
            raise BadInput("8-bit Adam needs the package bitsandbytes: pip install bitsandbytes.") from error
        return AdamW8bit(parameters, **options)
    on_card = parameters[0].device.type == "cuda"  # there one kernel does it all, and needs no room of its own
    return torch.optim.AdamW(parameters, fused=on_card, **options)


def run_stage(stage: Stage, work: Path, report: Report, of: str = "") -> Result:
    """Train to the end, or go on from the state in `work`; leaves the parameters at the best weights met.

    of: what the stage belongs to (model, photo, settings), in a word. A state that is damaged or of something else is
    deleted, which is told in a report, and the stage starts over.
    """
    path = work / f"{stage.name}.safetensors"
    parameters = list(stage.parameters.values())
    optimizer = make_optimizer(parameters, stage.rate, stage.pace.eight_bit)
    start = _kept(stage.parameters)
    result, step = Result(stage.name), 0
    if os.path.lexists(path):
        try:
            result, step = _read_state(path, stage, optimizer, of)
        except BadInput:
            remove(path)
            message = STARTS_OVER.format("this part of it")
            report(Progress(stage.name, 0, stage.steps, message=message))
    if not step:
        result.take(0, stage.score(), stage.parameters)
        report(Progress(stage.name, 0, stage.steps))
    while step < stage.steps and result.waited < stage.pace.patience:
        for group in optimizer.param_groups:
            group["lr"] = stage.rate * rate_at(step, stage.steps)
        optimizer.zero_grad(set_to_none=True)
        loss = stage.loss_of_step(step)
        if not torch.isfinite(loss):
            break  # the learning rate was too high: what was best so far is kept
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()
        step += 1
        ended = step == stage.steps
        if ended or step % stage.pace.evaluate_every == 0:
            result.take(step, stage.score(), stage.parameters)
        if ended or step % stage.pace.checkpoint_every == 0:
            _save_state(path, stage, optimizer, result, step, of)
        preview = stage.preview() if ended or step % stage.pace.preview_every == 0 else None
        report(Progress(stage.name, step, stage.steps, loss=loss.item(), preview=preview))
    with torch.no_grad():
        for name, parameter in stage.parameters.items():
            parameter.copy_((result.best or start)[name])
            parameter.grad = None
    return result


def _kept(parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Copies that take no room on a card."""
    return {name: parameter.detach().to("cpu", copy=True) for name, parameter in parameters.items()}


def _save_state(
    path: Path, stage: Stage, optimizer: torch.optim.Optimizer, result: Result, step: int, of: str
) -> None:
    tensors, numbers = {}, {}
    for name, parameter in stage.parameters.items():
        tensors[f"now.{name}"] = parameter
        for key, value in optimizer.state[parameter].items():
            if isinstance(value, Tensor):  # a copy, since 8-bit Adam keeps its tables once for all parameters
                tensors[f"{key}/{name}"] = value.to("cpu", copy=True)
            else:
                numbers[f"{key}/{name}"] = value
    tensors |= {f"best.{name}": tensor for name, tensor in result.best.items()}
    info = {"of": of, "step": step, "best_step": result.best_step, "scores": result.scores, "numbers": numbers}
    save_tensors(path, tensors, info)


def _read_state(path: Path, stage: Stage, optimizer: torch.optim.Optimizer, of: str) -> tuple[Result, int]:
    """Put a state in place. BadInput where it is damaged or of something else; then nothing has changed."""
    tensors, info = load_tensors(path)
    try:
        _check_info(info, stage, of)
        states: dict[str, dict] = {name: {} for name in stage.parameters}
        for whole, value in (tensors | info["numbers"]).items():
            key, slash, name = whole.partition("/")
            if slash:
                states[name][key] = value
        best = {name: tensors[f"best.{name}"] for name in stage.parameters if info["best_step"]}
        for name, parameter in stage.parameters.items():
            _check_like(tensors[f"now.{name}"], parameter)
            _check_averages(states[name], parameter, stage.pace.eight_bit)
            if best:
                _check_like(best[name], parameter)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise BadInput(f"The state {path.name} is damaged or of something else.") from error
    with torch.no_grad():
        for name, parameter in stage.parameters.items():
            parameter.copy_(tensors[f"now.{name}"])
    known = {index: state for index, state in enumerate(states.values()) if state}
    optimizer.load_state_dict({"state": known, "param_groups": optimizer.state_dict()["param_groups"]})
    scores = [(step, float(score)) for step, score in info["scores"]]
    return Result(stage.name, best, info["best_step"], scores), info["step"]


def _check_info(info: Mapping, stage: Stage, of: str) -> None:
    """ValueError, KeyError or TypeError where a state's facts are not those of this stage."""
    step, best_step, steps = info["step"], info["best_step"], [number for number, _ in info["scores"]]
    if info["of"] != of or any(type(number) is not int for number in (step, best_step, *steps)):
        raise ValueError
    if any(type(score) is not float for _, score in info["scores"]):
        raise ValueError
    if not 0 < step <= stage.steps or best_step not in steps or steps[0] != 0 or steps[-1] > step:
        raise ValueError


def _check_like(tensor: Tensor, parameter: nn.Parameter) -> None:
    if tensor.shape != parameter.shape or tensor.dtype != parameter.dtype:
        raise ValueError


def _check_averages(state: Mapping, parameter: nn.Parameter, eight_bit: bool) -> None:
    """ValueError or KeyError where they are not what the optimizer keeps of a parameter; none at all are right too."""
    if not state:
        return
    averages = AVERAGES[eight_bit]
    if not {*averages} <= {*state} <= {"step", *averages, *(TABLES if eight_bit else ())}:
        raise ValueError
    if any(state[name].shape != parameter.shape for name in averages) or float(state["step"]) < 1:
        raise ValueError
    for name in set(state) & {*TABLES}:
        if state[name].ndim != 1 or state[name].dtype != torch.float32:
            raise ValueError
