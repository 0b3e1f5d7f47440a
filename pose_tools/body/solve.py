"""Damped least squares over the unknowns of a body in a picture, with analytic derivatives.

Unknowns x (3 + S + 3B): log of the scale in px/m, the root joint's place px x and px y, the shape, and the
joints' rotation vectors. Knows residuals and steps; nothing of pictures or landmarks.
"""
from collections.abc import Callable

import numpy as np

Evaluate = Callable[[np.ndarray, bool], tuple[np.ndarray, np.ndarray | None]]


def levenberg_marquardt(evaluate: Evaluate, x: np.ndarray, steps: int, free: np.ndarray, stop: float = 1e-4,
                        longest: float = 0.6) -> np.ndarray:
    """The x that makes the residuals small, after at most `steps` steps (Marquardt, 1963).

    evaluate(x, derive) returns residuals (M,) and, where asked, their derivatives (M, D). Only the unknowns
    `free` (D,) bool move. No rotation or shape amount moves by more than `longest` in one step; a step that
    gains less than the share `stop` of the cost is the last.
    """
    damping = 1e-2
    residual, jacobian = evaluate(x, True)
    cost = residual @ residual
    for _ in range(steps):
        jacobian = jacobian[:, free]
        normal, gradient = jacobian.T @ jacobian, jacobian.T @ residual
        for _ in range(6):
            step = -np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-3), gradient)
            full = np.zeros_like(x)
            full[free] = step
            full *= min(1.0, longest / (np.abs(full[3:]).max() + 1e-12))
            trial, _ = evaluate(x + full, False)
            if trial @ trial < cost:
                break
            damping *= 4
        else:
            return x
        x = x + full
        damping = max(damping / 3, 1e-6)
        gain = (cost - trial @ trial) / cost
        if gain < stop:
            return x
        residual, jacobian = evaluate(x, True)
        cost = residual @ residual
    return x


def project_points(x: np.ndarray, places: np.ndarray, derivatives: np.ndarray | None):
    """World places (N, 3) with derivatives (N, 3, D - 3) to pixels (N, 2) and their derivatives (N, 2, D)."""
    scale = np.exp(x[0])
    flat = np.stack([places[:, 0], -places[:, 2]], 1) * scale
    pixels = flat + x[1:3]
    if derivatives is None:
        return pixels, None
    camera = np.zeros((len(places), 2, 3))
    camera[:, :, 0] = flat
    camera[:, 0, 1] = camera[:, 1, 2] = 1
    body = np.stack([derivatives[:, 0], -derivatives[:, 2]], 1) * scale
    return pixels, np.concatenate([camera, body], 2)
