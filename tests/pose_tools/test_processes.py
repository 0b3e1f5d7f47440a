"""Jobs by several processes: all are done, with their share of the cores; what goes wrong is told."""

import os
import signal

import cv2
import pytest

from pose_tools.errors import BadInput
from pose_tools.processes import in_processes


def square(number: int) -> tuple[int, int, int]:
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    if number > 9:
        raise BadInput("This number is too large.")
    return number * number, os.getpid(), cv2.getNumThreads()


def test_one_process_is_this_one_and_in_order():
    made = in_processes(square, range(10), 1)
    assert next(made)[:2] == (0, os.getpid())
    assert [result for result, *_ in made] == [n * n for n in range(1, 10)]


def test_several_processes_do_all_and_an_error_of_a_job_comes_through():
    made = list(in_processes(square, range(10), 2))
    assert sorted(result for result, *_ in made) == [n * n for n in range(10)]
    share = max(1, (os.cpu_count() or 1) // 2)
    assert all(process != os.getpid() and threads == share for _, process, threads in made)
    with pytest.raises(BadInput, match="too large"):
        list(in_processes(square, [1, 10], 2))


def test_a_process_that_is_ended_from_outside_is_told():
    with pytest.raises(BadInput, match="ended from outside.*fewer --processes"):
        list(in_processes(square, [1, -1, 2], 2))
