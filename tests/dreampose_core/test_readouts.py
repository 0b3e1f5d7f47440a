"""Readouts of films whose every error is put in by hand: a patterned body that turns its charts aside."""

import time

import numpy as np
import pytest

from dreampose_core.evaluation.readouts import body_flow, likeness_error, read_out, steadiness_error

SIZE, SHIFT = (96, 80), 2  # rows and columns, pixels a frame
BACKGROUND = 240


@pytest.fixture(scope="module")
def scene():
    """Six frames of one patterned part that moves to the right, their charts, and the photo, which is the first."""
    texture = np.random.default_rng(5).integers(30, 200, (16, 10, 3))
    row, column = np.mgrid[:64, :40]
    frames = np.full((6, *SIZE, 3), BACKGROUND, np.uint8)
    charts = np.zeros((6, *SIZE, 3), np.uint8)
    for t in range(6):
        place = slice(16, 80), slice(10 + SHIFT * t, 50 + SHIFT * t)
        frames[t][place] = np.repeat(np.repeat(texture, 4, 0), 4, 1)
        charts[t][place] = np.stack([np.full_like(row, 2), column * 4, row * 3], -1)
    return frames, charts, frames[0], charts[0]


def noisy(frames: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, sigma, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def test_the_body_tells_where_every_point_was(scene):
    flow = body_flow(scene[1])
    assert np.isnan(flow[0]).all(), "nothing was before the first frame"
    known = np.isfinite(flow[3]).all(-1)
    assert known.sum() > 400
    assert np.abs(flow[3][known] - (-SHIFT, 0)).max() < 0.75, "within a pixel that is a mean of several"
    assert np.abs(np.median(flow[3][known], 0) - (-SHIFT, 0)).max() < 0.1
    assert not known[scene[1][3, ..., 0] == 0].any()


def test_a_film_that_looks_as_the_photo_reads_high_and_worse_ones_in_their_order(scene):
    frames, charts, photo, photo_charts = scene

    def value(name: str, film: np.ndarray) -> int:
        return read_out(film, charts, photo, photo_charts)[name]["value"]

    tinted, other = frames * np.array([1.0, 0.8, 0.8]), frames[..., [2, 0, 1]]
    likeness = [value("likeness", film) for film in (frames, tinted.astype(np.uint8), other)]
    assert likeness == sorted(likeness, reverse=True) and likeness[0] == 100 and likeness[2] < 60
    steadiness = [value("steadiness", film) for film in (frames, noisy(frames, 12), noisy(frames, 40))]
    assert steadiness == sorted(steadiness, reverse=True) and steadiness[0] > steadiness[1] + 5
    assert value("likeness", noisy(frames, 12)) > 90, "what flickers may well look like the photo"
    told = read_out(frames, charts, photo, photo_charts)
    assert told["likeness"]["words"] == "colours within 1 % of the photo"
    assert told["steadiness"]["words"].endswith("change from frame to frame")


def test_what_cannot_be_told_is_left_out(scene):
    frames, charts, photo, photo_charts = scene
    behind = np.where(charts > 0, charts * np.array([1, 0, 0]) + np.array([-1, 5, 5]), 0).astype(np.uint8)
    assert np.isnan(likeness_error(frames, behind, photo, photo_charts)), "a side that the photo does not show"
    assert np.isnan(steadiness_error(frames[:1], charts[:1]))
    assert np.isnan(steadiness_error(frames, np.zeros_like(charts)))
    assert set(read_out(frames[:1], charts[:1], photo, photo_charts)) == {"likeness"}
    assert read_out(frames, np.zeros_like(charts), photo, photo_charts) == {}


def test_a_film_of_three_seconds_is_read_in_a_second(scene):
    frames, charts, photo, photo_charts = (np.repeat(np.repeat(one, 3, -3), 3, -2) for one in scene)
    started = time.process_time()
    read_out(np.concatenate([frames] * 6), np.concatenate([charts] * 6), photo, photo_charts)
    assert time.process_time() - started < 5, "a second, but for a busy machine"
