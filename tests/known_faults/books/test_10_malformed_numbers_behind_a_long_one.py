"""A frame with one number of more than 53 bits goes the slow way through the scanner; malformed
levels stand behind it.

Right: what the fast way refuses, the slow one refuses too. Once all of these made levels; "5"
alone became price and size.
"""

import pytest

from orderbook.book import OrderBook
from orderbook.messages import BookDiff, Layout
from tests.known_faults.lab import tried

SHORT = b'[["1","2"]]'
LONG = b'[["1","123456789.123456789"]]'
MALFORMED = [
    b'[["5"]]',
    b'[["5","-1"]]',
    b'[["-5","7"]]',
    b'[[null,"5"]]',
    b'[["5","nan"]]',
    b'[["5","1_0"]]',
    b'[["05","1"]]',
]


def made_of(bids: bytes, asks: bytes) -> list[list[float]] | None:
    """The asks that come of it; nothing when the frame is refused."""
    book = OrderBook(64)
    _, refused = tried(lambda: book.apply_diff(BookDiff("A", bids, asks, 1, 1, 0, Layout.JSON)))
    return None if refused else book.asks.tolist()


@pytest.mark.parametrize("asks", MALFORMED, ids=bytes.decode)
def test_malformed_levels_are_refused_the_fast_way(asks: bytes) -> None:
    assert made_of(SHORT, asks) is None


@pytest.mark.parametrize("asks", MALFORMED, ids=bytes.decode)
def test_malformed_levels_are_refused_behind_a_long_number(asks: bytes) -> None:
    assert made_of(LONG, asks) is None
