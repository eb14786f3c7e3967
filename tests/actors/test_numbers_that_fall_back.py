"""A venue's update ids fall back by a little (it restarted from a state some moments old), so that
the new ids soon meet the old ones.

A change that overlaps what a stream has told already, or that is older and repeats none of it,
proves that the numbers are others: the book is not believed until it has a snapshot.
(``python -m tests.oracle binance - 2 8 --faults numbers_fall_back``)
"""

from pathlib import Path

import pytest

from exchanges.registry import get
from orderbook.messages import BookDiff, BookSnapshot, BookState
from tests.known_faults.lab.wire import encoded, track


def diff(first: int, last: int, price: int, size: int, time: int = 0) -> BookDiff:
    return BookDiff("A", encoded([[str(price), str(size)]]), b"[]", first, last, time)


@pytest.mark.parametrize("venue", ["binance", "htx"])
def test_a_change_that_overlaps_the_one_before_is_not_believed(venue: str, tmp_path: Path) -> None:
    exchange = get(venue)
    pipeline, book, _ = track(exchange.book({}, exchange.book.streams[0]), tmp_path)
    pipeline.take(BookSnapshot("A", b'[["100","1"]]', b'[["101","1"]]', 1000), 0)
    pipeline.take(diff(1001, 1010, 99, 1), 0)
    pipeline.take(diff(1011, 1020, 98, 1), 0)
    for first in (991, 1001, 1008):  # it fell back to 990, with other changes
        pipeline.take(diff(first, first + 9, 100, 0), 0)
    pipeline.take(diff(1018, 1027, 97, 1), 0)
    assert book.state is not BookState.LIVE


def test_one_older_change_of_a_later_time_is_enough(tmp_path: Path) -> None:
    """The market may be quiet after the restart: no second one need come."""
    exchange = get("binance")
    pipeline, book, asked = track(exchange.book({}, exchange.book.streams[0]), tmp_path)
    pipeline.take(BookSnapshot("A", b'[["100","1"]]', b'[["101","1"]]', 1000), 0)
    pipeline.take(diff(995, 1000, 100, 7, time=40), 0)
    assert book.state is BookState.LIVE, "it was on its way when the snapshot was taken"
    pipeline.take(diff(1001, 1010, 99, 1, time=50), 0)
    pipeline.take(diff(1001, 1010, 99, 1, time=50), 0)
    pipeline.take(diff(990, 994, 99, 1, time=30), 0)
    assert book.state is BookState.LIVE, "what was told before changes nothing"
    pipeline.take(diff(3, 7, 100, 0, time=51), 0)
    assert book.state is BookState.INVALID
    assert asked == [False]
