"""A kind of job for tests: it counts, keeps a hash of its steps on disk, and can misbehave."""

import errno
import hashlib
import json
import os
import time

import numpy as np

from dreampose_core.jobs.kinds import KINDS, Kind, Work
from dreampose_core.library.files import write_json
from dreampose_core.progress import Progress
from pose_tools.errors import BadInput


def count(work: Work) -> dict:
    """settings: steps, seconds (of one step), keep_every (steps between two checkpoints), and one misdeed."""
    settings = work.job.settings
    path = work.folder / "state.json"
    state = json.loads(path.read_text()) if path.exists() else {"step": 0, "hash": ""}
    for step in range(state["step"] + 1, settings["steps"] + 1):
        if settings.get("long_step") == step:
            _busy(settings["long_seconds"])
        time.sleep(settings.get("seconds", 0.0))
        if settings.get("crash_at") == step:
            os.abort()
        if settings.get("fail_at") == step:
            raise BadInput("There is no person in the picture.")
        if settings.get("wrong_at") == step:
            raise ZeroDivisionError("three by none")
        if settings.get("full_at") == step and not (work.folder / "room").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        text = f"{state['hash']}{step}{settings.get('seed', 0)}"
        state = {"step": step, "hash": hashlib.sha256(text.encode()).hexdigest()}
        if step % settings.get("keep_every", 1) == 0 or step == settings["steps"]:
            write_json(path, state)
        picture = np.full((8, 8, 3), step % 256, np.uint8)
        work.report(Progress("finetune", step, settings["steps"], 1.0 / step, picture, f"step {step}"))
    return {"hash": state["hash"], "clip": None}


def _busy(seconds: float) -> None:
    """Keep a core busy, deaf to everything, as a long step of a network does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))


KINDS["count"] = Kind(count, lambda work: {"finetune": work.job.settings["steps"] * 0.01, "render": 1.0})
