"""DDIM and PNDM as the model's schedule configures them against their formulas, written out in float64.

DDIM: Song et al. 2020 (arXiv:2010.02502), equation 12 with eta 0. PNDM without its Runge-Kutta steps: Liu et al. 2022
(arXiv:2202.09778), equations 11 to 13, begun by one step that is taken twice and by Adams-Bashforth formulas of growing
order, as in the released sampler. Nothing here calls a scheduler for what it is to check.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, PNDMScheduler

from dreampose_core.schedulers import make_scheduler

TRAINED = 1000  # levels of noise
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": TRAINED}
RELEASED = PNDMScheduler(**BETAS, skip_prk_steps=True, steps_offset=1, set_alpha_to_one=False)
SHAPE = (2, 4, 6, 5)
LIMIT = 2e-5  # of the largest value: what float32 does to it


def signal(zero_snr: bool = False) -> np.ndarray:
    """Share of the picture in the variance at every level; zero_snr: the last level is pure noise (Lin et al. 2023)."""
    betas = np.linspace(np.sqrt(0.00085), np.sqrt(0.012), TRAINED) ** 2
    share = np.cumprod(1 - betas)
    if zero_snr:
        root = np.sqrt(share)
        share = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
    return share


def spaced(steps: int, kind: str, offset: int) -> list[int]:
    """Timesteps from noise to picture."""
    if kind == "leading":
        return [k * (TRAINED // steps) + offset for k in range(steps)][::-1]
    return [int(np.round(TRAINED - k * TRAINED / steps)) - 1 for k in range(steps)]


def guess(latents: np.ndarray, timestep: int) -> np.ndarray:
    """A made-up network: smooth in both, and of values as noise has."""
    across = np.arange(latents.size).reshape(latents.shape)
    return 0.7 * np.tanh(latents) + 0.5 * np.sin(0.01 * timestep + across) + 0.1


def parts(latents: np.ndarray, output: np.ndarray, share: float, velocity: bool) -> tuple[np.ndarray, np.ndarray]:
    """(picture, noise) that a network's output means."""
    if velocity:
        root, rest = np.sqrt(share), np.sqrt(1 - share)
        return root * latents - rest * output, root * output + rest * latents
    return (latents - np.sqrt(1 - share) * output) / np.sqrt(share), output


def ddim(latents: np.ndarray, timesteps: list[int], share: np.ndarray, last: float, velocity: bool) -> np.ndarray:
    """last: share of the picture after the last step."""
    stride = TRAINED // len(timesteps)
    for timestep in timesteps:
        after = share[timestep - stride] if timestep >= stride else last
        picture, noise = parts(latents, guess(latents, timestep), share[timestep], velocity)
        latents = np.sqrt(after) * picture + np.sqrt(1 - after) * noise
    return latents


ADAMS = (  # weights of the newest guess, the one before it, ...
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


def pndm(latents: np.ndarray, steps: int, share: np.ndarray, offset: int, last: float) -> tuple[np.ndarray, list[int]]:
    """Latents, and the timesteps at which the network was asked."""

    def moved(start: np.ndarray, noise: np.ndarray, now: int, then: int) -> np.ndarray:
        """Equation 11."""
        here, there = share[now], share[then] if then >= 0 else last
        scale = np.sqrt(there / here)
        below = np.sqrt(here) * (np.sqrt((1 - there) * here) + np.sqrt((1 - here) * there))
        return scale * start - (there - here) / below * noise

    stride = TRAINED // steps
    plan = spaced(steps, "leading", offset)
    asked, guesses = [], []
    # The first step is taken, and taken again with the mean of the guesses at both its ends.
    first, second = plan[0], plan[0] - stride
    guesses.append(guess(latents, first))
    tried = moved(latents, guesses[0], first, second)
    mean = (guesses[0] + guess(tried, second)) / 2
    latents = moved(latents, mean, first, second)
    asked += [first, second]
    for timestep in plan[1:]:
        guesses = [guess(latents, timestep), *guesses][:4]
        weights = ADAMS[len(guesses) - 1]
        combined = sum(weight * one for weight, one in zip(weights, guesses, strict=True))
        latents = moved(latents, combined, timestep, timestep - stride)
        asked.append(timestep)
    return latents, asked


def run(scheduler, steps: int, latents: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """What the scheduler in use makes of the same network."""
    scheduler.set_timesteps(steps)
    now = torch.from_numpy(latents).float()
    for timestep in scheduler.timesteps:
        output = torch.from_numpy(guess(now.double().numpy(), int(timestep))).float()
        now = scheduler.step(output, timestep, now, return_dict=False)[0]
    return now.numpy(), scheduler.timesteps.tolist()


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(SHAPE)


def near(made: np.ndarray, expected: np.ndarray) -> bool:
    return float(np.abs(made - expected).max() / np.abs(expected).max()) < LIMIT


@pytest.mark.parametrize("steps", [4, 20, 50, 100])
def test_ddim_of_the_papers_schedule(noise, steps):
    """Leading timesteps, one later (steps_offset 1); the last step ends at the first level (set_alpha_to_one False)."""
    scheduler = make_scheduler("ddim", RELEASED)
    plan, share = spaced(steps, "leading", 1), signal()
    made, asked = run(scheduler, steps, noise)
    assert asked == plan
    assert near(made, ddim(noise, plan, share, share[0], velocity=False))
    if steps == 4:  # with so few the end is seen
        assert not near(made, ddim(noise, plan, share, 1.0, velocity=False))


@pytest.mark.parametrize("steps", [4, 10, 25])
@pytest.mark.parametrize("to_one", [True, False])
def test_ddim_with_velocity_trailing_timesteps_and_a_last_level_of_pure_noise(noise, steps, to_one):
    """As the small model is configured."""
    own = DDIMScheduler(
        **BETAS,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=to_one,
    )
    plan, share = spaced(steps, "trailing", 0), signal(zero_snr=True)
    made, asked = run(make_scheduler("ddim", own), steps, noise)
    assert asked == plan and plan[0] == TRAINED - 1
    assert near(made, ddim(noise, plan, share, 1.0 if to_one else share[0], velocity=True))


@pytest.mark.parametrize("steps", [5, 20, 50, 100])
def test_pndm_of_the_papers_schedule(noise, steps):
    """One call of the network more than steps."""
    share = signal()
    expected, plan = pndm(noise, steps, share, 1, share[0])
    made, asked = run(make_scheduler("pndm", RELEASED), steps, noise)
    assert asked == plan and len(asked) == steps + 1
    assert near(made, expected)
    other, _ = pndm(noise, steps, share, 0, share[0])
    assert not near(made, other)


@pytest.mark.parametrize("name", ["ddim", "pndm"])
def test_a_network_that_knows_the_noise_gives_the_picture(noise, name):
    """Whatever the formula: what is left at the end is the picture at the first level of noise."""
    share, picture = signal(), np.random.default_rng(1).standard_normal(SHAPE)
    scheduler = make_scheduler(name, RELEASED)
    scheduler.set_timesteps(10)
    first = int(scheduler.timesteps[0])
    now = torch.from_numpy(np.sqrt(share[first]) * picture + np.sqrt(1 - share[first]) * noise).float()
    for timestep in scheduler.timesteps:
        now = scheduler.step(torch.from_numpy(noise).float(), timestep, now, return_dict=False)[0]
    left = share[0]
    np.testing.assert_allclose(now.numpy(), np.sqrt(left) * picture + np.sqrt(1 - left) * noise, atol=2e-4)
