"""Charts steadied over time: flickers go, fast limbs and gaps' ends stay."""

import numpy as np

from pose_tools.steady import keep_and_fill, steady, steady_frame


def person(left: int = 20) -> np.ndarray:
    """A body of one part with even charts, uint8 (80, 60, 3)."""
    iuv = np.zeros((80, 60, 3), np.uint8)
    iuv[10:70, left : left + 20] = (2, 100, 150)
    return iuv


def test_a_lone_flicker_takes_what_its_neighbours_show():
    now = person()
    now[30:32, 25:27] = (15, 7, 7)  # four pixels of an arm on the trunk
    now[40, 30] = 0  # a hole
    assert np.array_equal(steady_frame(person(), now, person()), person())


def test_a_limb_that_sweeps_past_is_not_taken_for_a_flicker():
    now = person()
    now[20:60, 45:52] = (19, 60, 60)  # an arm that is there in this frame only
    assert np.array_equal(steady_frame(person(), now, person()), now)


def test_charts_take_the_median_where_they_wobble_and_not_where_they_jump():
    before, now, after = person(), person(), person()
    before[30, 25, 1:], now[30, 25, 1:], after[30, 25, 1:] = (100, 150), (112, 144), (104, 148)
    before[31, 25, 1:], now[31, 25, 1:], after[31, 25, 1:] = (100, 150), (250, 150), (100, 150)
    out = steady_frame(before, now, after)
    assert out[30, 25].tolist() == [2, 104, 148]
    assert out[31, 25].tolist() == [2, 250, 150], "another place of the body, not a wobble"


def test_ends_stay_and_parts_are_never_averaged():
    clip = np.stack([person(left) for left in (10, 16, 22, 28)])
    out = np.stack(list(steady(clip, range(4))))
    assert np.array_equal(out[[0, -1]], clip[[0, -1]])
    assert set(np.unique(out[..., 0])) == {0, 2}


def test_short_gaps_are_filled_from_their_nearer_side_and_long_ones_cut():
    seen = np.array([0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0], bool)
    kept = keep_and_fill(seen, longest=3)
    assert kept.frames.tolist() == [1, 2, 3, 4, 5, 6, 11]
    assert kept.shown.tolist() == [1, 2, 2, 2, 6, 6, 11]
    assert kept.filled == ((3, 3),)
    assert kept.cut == ((0, 1), (7, 4), (12, 1))


def test_nobody_at_all_leaves_nothing():
    kept = keep_and_fill(np.zeros(5, bool), longest=3)
    assert len(kept.frames) == 0 and kept.cut == ((0, 5),)
