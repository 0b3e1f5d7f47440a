"""One of several people is followed, through crossings and short absences."""

import numpy as np

from pose_tools.estimators.found import Found
from pose_tools.follow import Follower, overlap

FRAME = np.zeros((100, 200, 3), np.uint8)


def somebody(x: float, size: float = 40) -> Found:
    return Found(FRAME, 0.9, np.array([x - size / 4, 90 - size, x + size / 4, 90.0]))


def test_boxes_overlap_by_their_share():
    one = np.array([0.0, 0, 10, 10])
    assert overlap(one, one) == 1
    assert overlap(one, np.array([5.0, 0, 15, 10])) == 50 / 150
    assert overlap(one, np.array([20.0, 0, 30, 10])) == 0


def test_the_largest_is_followed_and_not_left_for_a_larger_one():
    follower = Follower(fps=10)
    small, large = somebody(40, 40), somebody(150, 60)
    assert follower.take([small, large]) is large
    near = somebody(146, 60)
    assert follower.take([somebody(40, 80), near]) is near


def test_the_picked_one_is_followed():
    follower = Follower(fps=10, picked=(0.2, 0.7))
    small, large = somebody(40, 40), somebody(150, 60)
    assert follower.take([]) is None, "nobody yet"
    assert follower.take([large, small]) is small
    for step in range(1, 20):
        moved = somebody(40 + 2 * step, 40)
        assert follower.take([large, moved]) is moved


def test_somebody_else_is_not_taken_while_the_followed_one_is_away():
    follower = Follower(fps=10)
    follower.take([somebody(40, 60)])
    for _ in range(5):
        assert follower.take([somebody(190, 40)]) is None
    back = somebody(48, 60)
    assert follower.take([somebody(190, 40), back]) is back
