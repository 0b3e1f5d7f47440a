"""Frames of a clip solved together: trembling goes where little is known, fast limbs and standing feet stay."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from pose_tools.body import clip_solve
from pose_tools.body.clip_solve import Chain, solve_clip
from pose_tools.body.figure import BONES, Pose, joint_positions
from tests.pose_tools.bodies import FIGURE, ROW

FPS, SCALE = 12.0, 146.0
PERSON = FIGURE.with_build(np.zeros(len(FIGURE.modes)))
SURE, UNSURE = 0.01, 0.08  # radians


def still(frames: int) -> np.ndarray:
    x = np.zeros((frames, 3 + 3 * len(BONES)))
    x[:, :3] = np.log(SCALE), 128.0, 150.0
    return x


def columns(bone: str) -> slice:
    return slice(3 + 3 * ROW[bone], 6 + 3 * ROW[bone])


def seen_as(x: np.ndarray, spread: np.ndarray, called: list | None = None):
    """Frames that say x (T, D), each unknown as surely as its spread (D,)."""

    def normal(k: int, own: np.ndarray):
        if called is not None:
            called.append(k)
        return np.diag(1 / spread**2), (own - x[k]) / spread**2

    return normal


def begun(x: np.ndarray) -> Chain:
    """Where solving begins: without most of the trembling, but late where limbs are fast."""
    return Chain(gaussian_filter1d(x, 2, axis=0), np.zeros(len(x)), np.arange(len(x)) / FPS)


def solved(x: np.ndarray, spread: np.ndarray, contacts: np.ndarray | None = None):
    return solve_clip(begun(x), seen_as(x, spread), PERSON, contacts)


def jerk(values: np.ndarray) -> float:
    return float(np.abs(np.diff(values, 2, axis=0)).mean())


def test_what_is_seen_badly_is_taken_from_its_neighbours_and_what_is_seen_well_is_followed():
    rng = np.random.default_rng(0)
    truth = still(40)
    truth[:, columns("upperarm01.L")][:, 1] = 0.7 * np.sin(2 * np.pi * np.arange(40) / FPS)  # once a second
    spread = np.full(truth.shape[1], SURE)
    spread[:3] = 0.01, 0.5, 0.5
    spread[columns("lowerarm01.R")] = UNSURE
    seen = truth + spread * rng.normal(size=truth.shape)
    found = solved(seen, spread)
    moving, unsure = columns("upperarm01.L"), columns("lowerarm01.R")
    assert jerk(found[:, unsure] - truth[:, unsure]) < 0.15 * jerk(seen[:, unsure] - truth[:, unsure])
    assert np.abs(found[:, moving] - truth[:, moving]).max() < 4 * SURE  # neither lower nor late
    assert np.abs(found - truth)[:, 3:].mean() < 0.8 * np.abs(seen - truth)[:, 3:].mean()


def test_a_limb_that_turns_past_half_a_circle_is_not_torn():
    turn = np.linspace(2.6, 3.8, 24)
    way = np.zeros((24, 3))
    way[:, 0] = turn
    around = np.where(turn[:, None] > np.pi, way * (1 - 2 * np.pi / turn[:, None]), way)  # the same turns, below pi
    x = still(24)
    x[:, columns("upperarm01.R")] = around
    spread = np.full(x.shape[1], UNSURE)
    chain = Chain(x, np.zeros(24), np.arange(24) / FPS)
    found = solve_clip(chain, seen_as(x, spread), PERSON)[:, columns("upperarm01.R")]
    assert np.abs(found - around).max() < 0.01


def test_a_standing_foot_stays_while_the_body_sways():
    rng = np.random.default_rng(1)
    seen = still(24)
    seen[:, columns("upperleg01.L")] += 0.02 * rng.normal(size=(24, 3))
    seen[:, 1:3] += 1.5 * rng.normal(size=(24, 2))
    spread = np.full(seen.shape[1], 0.03)
    spread[:3] = 0.01, 2.0, 2.0
    contacts = np.zeros((24, 2), bool)
    contacts[:, 0] = True
    slips = []
    for stands in (None, contacts):
        x = solved(seen, spread, stands)
        joints = [joint_positions(PERSON, np.zeros(0), Pose(row[3:].reshape(-1, 3), 0.0, np.zeros(3))) for row in x]
        feet = np.array(joints)[:, [ROW["foot.L"], ROW["foot.R"]]]
        pixels = feet[..., [0, 2]] * [1, -1] * np.exp(x[:, None, :1]) + x[:, None, 1:3]
        slips.append(np.linalg.norm(np.diff(pixels, axis=0), axis=-1).mean(0))
    assert slips[1][0] < 0.5 * slips[0][0] and slips[1][1] > 0.5 * slips[0][1], slips


def test_a_long_clip_is_solved_in_stretches_that_meet(monkeypatch):
    rng = np.random.default_rng(2)
    seen = still(70) + 0.03 * rng.normal(size=(70, 3 + 3 * len(BONES)))
    spread = np.full(seen.shape[1], 0.05)
    whole = solved(seen, spread)
    monkeypatch.setattr(clip_solve, "STRETCH", 16)
    monkeypatch.setattr(clip_solve, "AHEAD", 12)
    called: list[int] = []
    told: list[float] = []
    parts = solve_clip(begun(seen), seen_as(seen, spread, called), PERSON, None, told.append)
    assert np.abs(parts - whole).max() < 0.1 * np.abs(seen - whole).max()
    assert max(called[:100]) < 28  # nothing is asked of a frame before its turn
    assert told == sorted(told) and told[-1] == 1


def test_a_gap_is_no_jerk():
    x = still(6)
    x[:, columns("head")] = 0.1 * np.array([0, 1, 2, 7, 8, 9])[:, None]  # even, though not by frames
    spread = np.full(x.shape[1], UNSURE)
    chain = Chain(x, np.zeros(6), np.array([0, 1, 2, 7, 8, 9]) / FPS)
    assert np.abs(solve_clip(chain, seen_as(x, spread), PERSON) - x).max() < 0.01
