"""What every training run shares: a schedule, averaged weights, a state to go on from, a record of figures.

A run's folder holds `state.pt` (everything to go on), `record.jsonl` (figures as they came) and whatever the
stage writes at its end.  A stage brings its modules and a function that gives the loss of one step.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn


@dataclass(frozen=True)
class Schedule:
    """Steps of a run: linear warm-up, a plateau, a linear decay over the last `decay` share to 2 %."""

    steps: int
    rate: float
    warmup: int = 100
    decay: float = 0.4
    clip: float = 1.0
    ema: float = 0.999
    save_every: int = 500

    def rate_at(self, step: int) -> float:
        left = (self.steps - step) / max(1, self.decay * self.steps)
        return self.rate * min(1.0, (step + 1) / self.warmup, max(0.02, left))


def run(
    name: str,
    modules: dict[str, nn.Module],
    loss_of_step: Callable[[int], tuple[Tensor, dict[str, float]]],
    schedule: Schedule,
    folder: Path,
    every: int = 50,
) -> dict[str, nn.Module]:
    """Train to the schedule's end, or go on from the folder's state, and return modules with averaged weights.

    `loss_of_step(step)` gives the loss of one batch and figures to record; it must draw what it needs at random
    from the step alone, so that a resumed run sees the batches an uninterrupted one would have seen.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parameters = [p for module in modules.values() for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=schedule.rate, betas=(0.9, 0.99), weight_decay=1e-3)
    average = EMAModel(parameters, decay=schedule.ema, use_ema_warmup=True, inv_gamma=1, power=0.75)
    step, seconds = _resume(folder / "state.pt", modules, optimizer, average)
    started = time.monotonic() - seconds
    sums: dict[str, float] = {}
    while step < schedule.steps:
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate_at(step)
        loss, figures = loss_of_step(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, schedule.clip)
        optimizer.step()
        average.step(parameters)
        step += 1
        for key, value in (figures | {"loss": float(loss.detach())}).items():
            sums[key] = sums.get(key, 0.0) + value / every
        if step % every == 0:
            _record(
                folder / "record.jsonl", {"stage": name, "step": step, "seconds": time.monotonic() - started} | sums
            )
            sums = {}
        if step % schedule.save_every == 0 or step == schedule.steps:
            _save(folder / "state.pt", modules, optimizer, average, step, time.monotonic() - started)
    average.copy_to(parameters)
    _record(folder / "record.jsonl", {"stage": name, "finished": step, "schedule": asdict(schedule)})
    return modules


def _record(path: Path, row: dict) -> None:
    rounded = {key: round(value, 5) if isinstance(value, float) else value for key, value in row.items()}
    with path.open("a") as file:
        file.write(json.dumps(rounded) + "\n")


def _save(path: Path, modules, optimizer, average: EMAModel, step: int, seconds: float) -> None:
    state = {
        "modules": {key: module.state_dict() for key, module in modules.items()},
        "optimizer": optimizer.state_dict(),
        "average": average.state_dict(),
        "step": step,
        "seconds": seconds,
    }
    torch.save(state, path.with_suffix(".part"))
    os.replace(path.with_suffix(".part"), path)


def _resume(path: Path, modules, optimizer, average: EMAModel) -> tuple[int, float]:
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, weights_only=True)
    for key, module in modules.items():
        module.load_state_dict(state["modules"][key])
    optimizer.load_state_dict(state["optimizer"])
    average.load_state_dict(state["average"])
    return state["step"], state["seconds"]
