"""A venue that sends whole books begins its numbers again (a restart on its side); the market has
halved.

Here Hyperliquid. Right: within 10 s the book shows the new images or is not LIVE. Today every image
counts as old; after 399 of them (60 s) the book is LIVE at the old price, and nothing was asked
for.
"""

from pathlib import Path

import pytest

from exchanges.registry import get
from orderbook.messages import BookSnapshot
from tests.known_faults.lab.wire import encoded, track

SECONDS_BETWEEN = 0.15


def image(price: int, size: int, number: int) -> BookSnapshot:
    bids = encoded([[str(price), str(size)]])
    asks = encoded([[str(price + 1), str(size)]])
    return BookSnapshot("A", bids, asks, number)


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="images whose numbers began again count as old, and the book stays LIVE without them",
)
def test_wrong_and_live_for_10_s_at_most(memory: Path) -> None:
    exchange = get("hyperliquid")
    pipeline, book, asked = track(exchange.book({}, exchange.book.streams[0]), memory)
    pipeline.take(image(100, 1, 1_000_000), 0)
    wrong = 0.0
    for n in range(1, 400):
        pipeline.take(image(50, n, n), 0)
        pipeline.check_health(n * SECONDS_BETWEEN)
        if book.state.name == "LIVE" and book.top().bid != 50:
            wrong += SECONDS_BETWEEN
    assert wrong <= 10, f"LIVE at the old price for {wrong:.0f} of 60 s, asked {asked}"
