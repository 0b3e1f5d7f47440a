"""Checkpoints of a base training on disk: everything that the next step depends on, and nothing pickled.

    RUN/run.json                        settings, and what the run was begun with
    RUN/log.jsonl                       one line a step
    RUN/checkpoints/step_0001000/       weights, averaged weights, the optimizer's state (safetensors), state.json
    RUN/samples/step_0001000.jpg        photo, pose, truth and what the averaged weights make of it
    RUN/model/                          at the end: a model folder with the averaged weights

A checkpoint appears whole or not at all, and an older one is deleted only after a newer one is there. Nothing random
is in it: every step draws from (seed, step, rank).
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from dreampose_core.weights.checkpoints import load_tensors, new_folder, plain_disk_errors, save_tensors
from pose_tools.errors import BadInput
from pose_tools.files import replacing

STEP = re.compile(r"step_(\d{7})")
WEIGHTS, AVERAGE, OPTIMIZER, STATE = "weights.safetensors", "average.safetensors", "optimizer.safetensors", "state.json"


@dataclass(frozen=True)
class Run:
    """The files of a run."""

    folder: Path

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def log(self) -> Path:
        return self.folder / "log.jsonl"

    @property
    def facts(self) -> Path:
        return self.folder / "run.json"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def checkpoint(self, step: int) -> Path:
        return self.checkpoints / f"step_{step:07d}"

    def sample(self, step: int) -> Path:
        return self.folder / "samples" / f"step_{step:07d}.jpg"

    def steps(self) -> list[int]:
        """The steps of the checkpoints that are there, in order."""
        found = (STEP.fullmatch(path.name) for path in self.checkpoints.glob("step_*"))
        return sorted(int(match[1]) for match in found if match)

    def begin(self, facts: Mapping, may_change: tuple[str, ...]) -> None:
        """Make the folder, or check that it holds a run of the same facts. BadInput where it does not.

        may_change: names of facts that a run that goes on may have otherwise.
        """
        if self.facts.is_file():
            try:
                old = dict(json.loads(self.facts.read_text()))
            except (ValueError, TypeError) as error:
                raise BadInput(f"{self.facts} is damaged.") from error
            for name in sorted((facts.keys() | old.keys()) - set(may_change)):
                if facts.get(name) != old.get(name):
                    raise BadInput(
                        f"The run in {self.folder} was begun with {name.replace('_', ' ')} {old.get(name)}, not "
                        f"{facts.get(name)}; use the same settings, or another folder."
                    )
        elif self.steps():
            raise BadInput(f"The folder {self.folder} holds checkpoints, but not the run.json of their run.")
        with plain_disk_errors():
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            self.sample(0).parent.mkdir(exist_ok=True)
            for half in self.checkpoints.glob(".step_*"):  # of a run that was killed while it wrote
                shutil.rmtree(half, ignore_errors=True)
            with replacing(self.facts) as temporary:
                temporary.write_text(json.dumps(dict(facts), indent=1) + "\n")

    def forget_after(self, step: int) -> None:
        """Leave out of the log what a killed run wrote after its last checkpoint."""
        rows = []
        if self.log.is_file():
            for line in self.log.read_text().splitlines():
                try:
                    rows += [line] if json.loads(line)["step"] <= step else []
                except (ValueError, KeyError, TypeError):
                    continue  # the line in the middle of which the run was killed
        with plain_disk_errors(), replacing(self.log) as temporary:
            temporary.write_text("".join(f"{row}\n" for row in rows))

    def write_log(self, rows: list[dict]) -> None:
        with plain_disk_errors(), self.log.open("a") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))

    def keep_newest(self, count: int) -> None:
        for step in self.steps()[:-count]:
            shutil.rmtree(self.checkpoint(step), ignore_errors=True)


def save_state(
    folder: Path, learner: nn.Module, average: list[Tensor], optimizer: torch.optim.Optimizer, facts: Mapping
) -> None:
    """Write a checkpoint. average: the averaged weights, in order. BadInput where the disk is full."""
    names = trained(learner)
    with new_folder(folder) as made:
        save_tensors(made / WEIGHTS, names)
        save_tensors(made / AVERAGE, dict(zip(names, average, strict=True)))
        tensors, numbers = {}, {}
        for index, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                (tensors if isinstance(value, Tensor) else numbers)[f"{index}.{key}"] = value
        save_tensors(made / OPTIMIZER, tensors, {"numbers": numbers})
        (made / STATE).write_text(json.dumps(dict(facts)))


def load_state(folder: Path, learner: nn.Module, optimizer: torch.optim.Optimizer) -> dict:
    """Put a checkpoint's weights and optimizer state in place; gives the facts that were saved with it.

    BadInput where it is damaged or of another model.
    """
    weights, _ = _read(folder / WEIGHTS)
    fill(trained(learner), weights)
    tensors, info = _read(folder / OPTIMIZER)
    state: dict[int, dict] = {}
    try:
        for name, value in (tensors | info["numbers"]).items():
            index, key = name.split(".", 1)
            state.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        return dict(json.loads((folder / STATE).read_text()))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(folder) from error


def load_average(folder: Path, learner: nn.Module) -> list[Tensor]:
    """The averaged weights of a checkpoint, in the order of the trained ones."""
    weights, _ = _read(folder / AVERAGE)
    names = trained(learner)
    if weights.keys() != names.keys():
        raise _foreign()
    return [weights[name] for name in names]


def trained(learner: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that are trained, by name."""
    return {name: parameter for name, parameter in learner.named_parameters() if parameter.requires_grad}


@torch.no_grad()
def fill(parameters: Mapping[str, nn.Parameter], weights: Mapping[str, Tensor]) -> None:
    """Copy weights into the parameters of their names. BadInput where they are not the same."""
    if parameters.keys() != weights.keys():
        raise _foreign()
    for name, parameter in parameters.items():
        if parameter.shape != weights[name].shape:
            raise _foreign()
        parameter.copy_(weights[name])


def _read(path: Path) -> tuple[dict[str, Tensor], dict]:
    try:
        return load_tensors(path)
    except BadInput as error:
        raise _damaged(path.parent) from error


def _damaged(folder: Path) -> BadInput:
    return BadInput(f"The checkpoint {folder} is damaged; delete it to go on from the one before.")


def _foreign() -> BadInput:
    return BadInput("The checkpoint is of another model than the one that is trained.")
