"""The worker of one device: `python -m dreampose_core.jobs.worker --library DIR --device cpu`.

A light supervisor that takes jobs in order, gives each to an executor process, and watches: it notes that it
lives, kills the executor when somebody cancels, and starts a new one when it dies. A lock makes it the only
one for its device; the executor holds the same lock, so nobody starts a second worker while an old executor
still writes.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import TypeVar

from dreampose_core.jobs.events import Job, Outcome
from dreampose_core.jobs.lock import lock_path, take
from dreampose_core.jobs.store import Store
from dreampose_core.library.library import clear_leftovers

KINDS_MODULES = tuple(f"dreampose_core.jobs.{kind}" for kind in ("animate", "extract", "align"))
T = TypeVar("T")
LOOK_EVERY = 0.2  # seconds between looks at the stop flag and at the executor
WAIT_FOR_LOCK = 3.0  # seconds; a killed worker's executor needs a moment to end
MOST_CRASHES = 3  # at which a job fails, if it came no further between them
MOST_KILLS = 12  # the same for kills from outside, which are no fault of the job
CRASHED = "The worker died {} times at the same place of this job; the machine may have too little memory."
STARVED = (
    "The machine ran out of memory {} times at the same place of this job; close other programs, or ask for fewer "
    "frames or a smaller model."
)


class Executor:
    """The child process, and the connection to it."""

    def __init__(self, root: Path, device: str, modules: tuple[str, ...], lock: int) -> None:
        self.connection, theirs = Pipe()
        files = (theirs.fileno(), lock)
        command = [sys.executable, "-m", "dreampose_core.jobs.executor", str(root), device, str(files[0])]
        self.oom_kills = oom_kills()
        self.process = subprocess.Popen([*command, *modules], stdin=subprocess.DEVNULL, pass_fds=files)
        theirs.close()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def start(self, job: str) -> None:
        try:
            self.connection.send(job)
        except OSError:  # it died while it waited; whoever watches will see
            self.process.wait()

    def outcome(self, seconds: float) -> Outcome | None:
        """What the job came to, None if it is still at work after these seconds or died."""
        try:
            return self.connection.recv() if self.connection.poll(seconds) else None
        except (EOFError, OSError):
            self.process.wait()
            return None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.connection.close()


def supervise(root: Path, device: str, modules: tuple[str, ...], lock: int, idle_exit: float | None) -> None:
    """Do jobs as long as there are any; return when none came for `idle_exit` seconds (None: never)."""
    store = Store(root)
    _patiently(store.requeue_orphans, device)
    clear_leftovers(root)
    executor = Executor(root, device, modules, lock)
    idle_since = time.monotonic()
    try:
        while idle_exit is None or time.monotonic() - idle_since < idle_exit:
            job = _patiently(store.claim, device)
            if job is None:
                time.sleep(LOOK_EVERY)
                continue
            executor.start(job.id)
            _watch(store, executor, job, device)
            if not executor.alive:
                executor.kill()
                executor = Executor(root, device, modules, lock)  # at once, to be ready for the next job
            idle_since = time.monotonic()
    finally:
        executor.kill()


def _watch(store: Store, executor: Executor, job: Job, device: str) -> None:
    """Stay with a running job until it ended, was cancelled, or took its executor down."""
    while True:
        outcome = executor.outcome(LOOK_EVERY)
        if outcome is not None:
            _patiently(store.finish, job.id, outcome.state, outcome.error, outcome.result)
            return
        if not executor.alive:
            deaths, status = _patiently(store.died, job.id), executor.process.returncode
            _log(f"The executor died ({status}) at job {job.id}.")
            starved = status == -signal.SIGKILL and oom_kills() != executor.oom_kills
            killed = status == -signal.SIGKILL and not starved
            if deaths >= (MOST_KILLS if killed else MOST_CRASHES):
                _patiently(store.finish, job.id, "failed", (STARVED if starved else CRASHED).format(deaths))
            else:
                _patiently(store.requeue_orphans, device)
            return
        if _patiently(store.beat, job.id):
            executor.kill()
            _patiently(store.finish, job.id, "cancelled")
            return


def _log(line: str) -> None:
    with suppress(OSError):  # the log is on the disk that may be full
        print(line, file=sys.stderr, flush=True)


def oom_kills() -> int | None:
    """How many processes the kernel has killed for want of memory; None where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text().split("\n")
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def _patiently(call: Callable[..., T], *arguments: object) -> T:
    """Call until the store can be written: a full disk must not cost the knowledge of how a job ended."""
    while True:
        try:
            return call(*arguments)
        except sqlite3.OperationalError as error:
            _log(f"The job store cannot be written ({error}); trying again.")
            time.sleep(2.0)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m dreampose_core.jobs.worker", description=__doc__)
    parser.add_argument("--library", type=Path, required=True, help="the root of the library")
    parser.add_argument("--device", default="cpu", help="a torch device: cpu, cuda, cuda:1")
    parser.add_argument("--idle-exit", type=float, help="end when no job came for so many seconds")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS_MODULES), help="modules that add kinds of jobs")
    options = parser.parse_args(arguments)
    deadline = time.monotonic() + WAIT_FOR_LOCK
    path = lock_path(options.library, options.device)
    while (lock := take(path)) is None:
        if time.monotonic() > deadline:
            print(f"A worker for {options.device} is already there.", file=sys.stderr)
            return 0
        time.sleep(LOOK_EVERY)
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    supervise(options.library.resolve(), options.device, tuple(options.kinds), lock, options.idle_exit)
    return 0


if __name__ == "__main__":
    sys.exit(main())
