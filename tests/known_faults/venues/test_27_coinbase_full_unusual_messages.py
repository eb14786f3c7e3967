"""Coinbase's full channel in its rarer messages: self-trade prevention, modify, funds, rfq_match,
activate, "auction".

The last carries "timestamp" in place of "time". Right: each leaves the book LIVE and as the
documentation says; what isn't needed is passed over. Once "auction" was a KeyError that broke
the book.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from exchanges.coinbase import CoinbaseBook
from orderbook.messages import OrdersSnapshot, RestingOrder
from tests.known_faults.lab import raw, tried
from tests.known_faults.lab.wire import track

LINES = raw(__file__, "jsonl").splitlines()
BEST_ASKS = [
    (200.2, 12.234412),
    (200.2, 5.23512),
    (200.1, 4.0),
    (200.1, 4.0),
    (200.1, 4.0),
    (200.1, 4.0),
    (200.1, 4.0),
    (200.1, 4.0),
    (200.1, 2.5),
    (200.1, 2.5),
    (300.0, 1.0),
]
"""The best ask and its size after each message."""


def messages() -> list[Any]:
    return [pytest.param(n, id=f"{n} {json.loads(line)['type']}") for n, line in enumerate(LINES)]


@pytest.mark.parametrize("last", messages())
def test_the_book_is_live_and_right_after(memory: Path, last: int) -> None:
    feed = CoinbaseBook({}, "")
    pipeline, book, _ = track(feed, memory)
    bids = [RestingOrder("b1", 100.0, 1.0)]
    asks = [RestingOrder("z", 300.0, 1.0)]
    pipeline.take(OrdersSnapshot("BTC-USD", bids, asks, 10), 1)
    for n, line in enumerate(LINES[: last + 1]):
        found, error = tried(lambda line=line: list(feed.parse(line)))
        assert not error
        for message in found:
            pipeline.take(message, n)
    assert book.state.name == "LIVE"
    assert (book.top().ask, book.top().ask_size) == BEST_ASKS[last]
