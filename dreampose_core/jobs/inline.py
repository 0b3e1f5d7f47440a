"""Doing a waiting job inside the caller's process, where an accelerator is lent to single calls only.

Nobody supervises such a job: a call that is cut off leaves its row running, which `give_up` ends.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from dreampose_core.jobs.events import Job
from dreampose_core.jobs.executor import run_job
from dreampose_core.jobs.store import Store
from dreampose_core.jobs.worker import KINDS_MODULES


def take_job(root: Path, device: str) -> Job | None:
    """Claim the first waiting job of a device; whoever claims it has to do it. None if none waits."""
    return Store(root).claim(device)


def do_job(root: Path, job: Job) -> None:
    """Do a claimed job on its device and note how it ended. It stops at the next step once it is cancelled."""
    for module in KINDS_MODULES:
        importlib.import_module(module)
    store = Store(root)
    outcome = run_job(Path(root), job, job.device, stop=lambda: store.beat(job.id))
    store.finish(job.id, outcome.state, outcome.error, outcome.result)


def give_up(root: Path, job: Job, why: str) -> None:
    """End a job that nobody works at any more as failed with one sentence, unless it has ended."""
    Store(root).finish(job.id, "failed", why)
