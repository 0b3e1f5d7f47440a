"""Items made in threads, batch by batch."""

import threading

import pytest

from dreampose_core.ahead import made_ahead

BATCHES = [[0, 1], [2, 3], [4]]


class Slow:
    """Items that are made only once all of their batch have been begun."""

    def __init__(self):
        self.begun, self.both, self.third = [], threading.Barrier(2, timeout=20), threading.Event()

    def __getitem__(self, index: int) -> int:
        self.begun.append(index)
        if index == 2:
            self.third.set()
        if index < 4:
            self.both.wait()
        return 10 * index


@pytest.mark.parametrize("ahead", [False, True])
def test_a_batch_is_made_beside_each_other_and_in_order(ahead):
    assert list(made_ahead(Slow(), BATCHES, ahead)) == [[0, 10], [20, 30], [40]]
    assert list(made_ahead(Slow(), [], ahead)) == []


def test_the_next_batch_is_begun_while_this_one_is_in_use():
    items = Slow()
    made = made_ahead(items, BATCHES, ahead=True)
    next(made)
    assert items.third.wait(20)
    made.close()


def test_nothing_is_begun_early_where_it_would_be_in_the_way():
    items = Slow()
    made = made_ahead(items, BATCHES, ahead=False)
    next(made)
    assert sorted(items.begun) == [0, 1]
    made.close()


def test_what_an_item_raises_is_raised_to_the_caller():
    with pytest.raises(IndexError):
        list(made_ahead([1, 2], [[0, 1], [2]], ahead=True))
