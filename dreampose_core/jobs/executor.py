"""The process that does the jobs, one after another, so that models stay loaded between them.

Its supervisor (worker.py) sends it job ids and may kill it at any moment; it ends by itself when the
supervisor is gone. Run as `python -m dreampose_core.jobs.executor`, which only the supervisor does.
"""

from __future__ import annotations

import importlib
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from dreampose_core.jobs.events import PREVIEW, Event, Job, Outcome
from dreampose_core.jobs.kinds import KINDS, Work
from dreampose_core.jobs.store import Store
from dreampose_core.library.files import write_picture
from dreampose_core.library.library import Library
from dreampose_core.progress import Cancelled, Progress, Report, SecondsLeft
from dreampose_core.trouble import sentence_for
from pose_tools.errors import BadInput


def run_job(root: Path, job: Job, device: str, stop: Callable[[], bool] = lambda: False) -> Outcome:
    """Do a claimed job in this process and say how it ended. stop: asked at each step, True ends the job."""
    library = Library(root, job.visitor)
    folder = library.job_folder(job.id)
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(root)
    try:
        kind = KINDS[job.kind]
        left = SecondsLeft({})
        work = Work(job, library, folder, device, _recorder(store, job.id, folder, left, stop))
        left.expected = kind.expected(work)
        return Outcome("done", result=dict(kind.run(work)))
    except Cancelled:
        return Outcome("cancelled")
    except BadInput as error:
        return Outcome("failed", str(error))
    except Exception as error:  # whatever else happens is the job's failure and not the worker's
        with suppress(OSError):  # the log is on the disk that may be full
            traceback.print_exc()
        return Outcome("failed", _sentence(error))


def _recorder(store: Store, job: str, folder: Path, left: SecondsLeft, stop: Callable[[], bool]) -> Report:
    def report(progress: Progress) -> None:
        if stop():
            raise Cancelled
        preview = None
        if progress.preview is not None:
            preview = PREVIEW
            write_picture(folder / preview, progress.preview)
        seconds = left.update(progress)
        event = Event(
            number=0,
            job=job,
            at=time.time(),
            stage=progress.stage,
            step=progress.step,
            total=progress.total,
            loss=progress.loss,
            seconds_left=seconds,
            preview=preview,
            message=progress.message,
        )
        store.add_event(event)

    return report


def _sentence(error: Exception) -> str:
    words = " ".join(str(error).split())[:200]
    unknown = f"Something went wrong inside the program ({type(error).__name__}: {words}); the log says more."
    return sentence_for(error) or unknown


def _receive(connection: Connection, jobs: queue.SimpleQueue) -> None:
    """Pass job ids on; when the supervisor is gone, so is this process, in the middle of whatever it does."""
    while True:
        try:
            jobs.put(connection.recv())
        except (EOFError, OSError):
            os._exit(1)


def main(root: str, device: str, connection: str, *modules: str) -> None:
    """root: of the library; connection: an inherited file; modules: imported, they add to KINDS."""
    pipe = Connection(int(connection))
    jobs: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(pipe, jobs), daemon=True).start()
    for module in modules:
        importlib.import_module(module)
    store = Store(Path(root))
    while True:
        job = store.get(jobs.get())
        if job is None:  # forgotten with its visitor in the meantime
            pipe.send(Outcome("cancelled"))
        else:
            pipe.send(run_job(Path(root), job, device))


if __name__ == "__main__":
    main(*sys.argv[1:])
