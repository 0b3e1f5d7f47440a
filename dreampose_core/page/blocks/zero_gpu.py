"""The work on a Space that lends a GPU to single calls (ZeroGPU)."""

from __future__ import annotations

from collections.abc import Callable

from dreampose_core.jobs.inline import do_job, give_up, take_job
from dreampose_core.page.house import House

GPU_SECONDS = 120  # asked for one film


def borrow_gpu(house: House) -> Callable[[], None]:
    """Do the next waiting job inside a GPU call, while the page polls as ever."""
    import spaces  # on such a Space alone; app.py has imported it first of all

    work = spaces.GPU(duration=GPU_SECONDS)(lambda job: do_job(house.root, job))

    def do() -> None:
        if job := take_job(house.root, house.device):
            try:
                work(job)
            finally:
                give_up(house.root, job, "The time on the GPU ran out; fewer frames, or a shorter part, take less.")

    return do
