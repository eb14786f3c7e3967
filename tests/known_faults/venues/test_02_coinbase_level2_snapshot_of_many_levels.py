"""Coinbase's level2 channel begins with the whole book. BTC-USD's is larger than many buffers.

(ccxt/ccxt #23597: its snapshot passes 4 MiB.) Right: a snapshot of 20,001 or 35,000 levels a side
makes the book LIVE, as one of 20,000 does. Today from 20,001 levels on it counts as malformed, and
the book stays SYNCING for ever.
"""

from pathlib import Path
from typing import Any

import pytest

from exchanges.coinbase import CoinbaseLevel2
from tests.known_faults.lab import load
from tests.known_faults.lab.wire import encoded, track

FAULT = pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a snapshot of more than 20,000 levels a side counts as malformed",
)


def snapshot_of(rows: int) -> dict[str, Any]:
    """The message with so many levels a side, a cent apart."""
    bids = [[f"{60000 - n / 100:.2f}", "0.5"] for n in range(rows)]
    asks = [[f"{60000.01 + n / 100:.2f}", "0.5"] for n in range(rows)]
    return load(__file__) | {"bids": bids, "asks": asks}


@pytest.mark.parametrize(
    "rows", [5000, 20_000, pytest.param(20_001, marks=FAULT), pytest.param(35_000, marks=FAULT)]
)
def test_a_snapshot_makes_the_book_live_whatever_its_size(memory: Path, rows: int) -> None:
    feed = CoinbaseLevel2({}, "")
    pipeline, book, _ = track(feed, memory)
    for message in feed.parse(encoded(snapshot_of(rows))):
        pipeline.take(message, 1)
    assert book.state.name == "LIVE", pipeline.why[:60]
