"""How far figures lie apart: of subjects that were measured, and of one timing that was repeated."""

import numpy as np
from scipy import stats


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half of the 95 % interval (Student's t), of the values that are numbers; nan for what is not known."""
    known = [value for value in values if np.isfinite(value)]
    if len(known) < 2:
        return (known[0] if known else float("nan")), float("nan")
    return float(np.mean(known)), float(stats.sem(known) * stats.t.ppf(0.975, len(known) - 1))
