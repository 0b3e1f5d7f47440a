"""How far figures lie apart: of subjects that were measured, and of timings that were repeated."""

from collections.abc import Callable, Mapping

import numpy as np
from scipy import stats


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half of the 95 % interval (Student's t), of the values that are numbers; nan for what is not known."""
    known = [value for value in values if np.isfinite(value)]
    if len(known) < 2:
        return (known[0] if known else float("nan")), float("nan")
    return float(np.mean(known)), float(stats.sem(known) * stats.t.ppf(0.975, len(known) - 1))


def rounds(works: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Seconds of every work by its name, measured in turn, so that a busy minute falls on all of them alike.

    Every second round goes backwards: nobody is always measured right after the same neighbour.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for index in range(repeats):
        for name in reversed(works) if index % 2 else works:
            seconds[name].append(works[name]())
    return seconds


def timing(seconds: list[float]) -> dict:
    """Of repeats the median, the lower and the upper quartile, and all."""
    quick, median, slow = np.percentile(seconds, (25, 50, 75))
    kept = {"quartiles": (quick, slow), "all": seconds}
    return {"seconds": float(median)} | {name: [float(f"{each:.4g}") for each in few] for name, few in kept.items()}


def ratio(many: list[float], few: list[float]) -> dict:
    """How many times longer the first of two works took that were measured in turn: the median over the rounds, and the
    least and the most of them."""
    each = np.array(many) / np.array(few)
    return {"median": float(np.median(each)), "least": float(each.min()), "most": float(each.max())}
