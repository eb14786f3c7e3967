"""A venue's update ids fall back by a little (it restarted from a state some moments old), so that
the new ids soon meet the old ones.

Found by the oracle: ``python -m tests.oracle binance - 2 8 --faults numbers_fall_back``. Right: a
change that overlaps what a stream has told already proves that the numbers are others; the book is
not believed until it has a snapshot. Today it is applied: the book is LIVE with levels of both, for
as long as the ids join.
"""

from pathlib import Path

import pytest

from exchanges.registry import get
from orderbook.messages import BookDiff, BookSnapshot, BookState
from tests.known_faults.lab.wire import encoded, track


def diff(first: int, last: int, price: int, size: int) -> BookDiff:
    return BookDiff("A", encoded([[str(price), str(size)]]), b"[]", first, last)


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a change that overlaps the one before is applied, also long after the snapshot",
)
@pytest.mark.parametrize("venue", ["binance", "htx"])
def test_a_change_that_overlaps_the_one_before_is_not_believed(venue: str, memory: Path) -> None:
    exchange = get(venue)
    pipeline, book, _ = track(exchange.book({}, exchange.book.streams[0]), memory)
    pipeline.take(BookSnapshot("A", b'[["100","1"]]', b'[["101","1"]]', 1000), 0)
    pipeline.take(diff(1001, 1010, 99, 1), 0)
    pipeline.take(diff(1011, 1020, 98, 1), 0)
    for first in (991, 1001, 1008):  # it fell back to 990, with other changes
        pipeline.take(diff(first, first + 9, 100, 0), 0)
    pipeline.take(diff(1018, 1027, 97, 1), 0)
    assert book.state is not BookState.LIVE
