"""Snapshots of more levels than the room for a message had from the start."""

import json
from pathlib import Path

import pytest

from actors.books.book_pipeline import BookPipeline
from exchanges.coinbase import CoinbaseLevel2
from orderbook.messages import BookState
from orderbook.shared import SharedBook


def snapshot_of(rows: int) -> bytes:
    """Coinbase's message with so many levels a side, a cent apart."""
    bids = [[f"{60000 - n / 100:.2f}", "0.5"] for n in range(rows)]
    asks = [[f"{60000.01 + n / 100:.2f}", "0.5"] for n in range(rows)]
    message = {"type": "snapshot", "product_id": "BTC-USD", "bids": bids, "asks": asks}
    return json.dumps(message).encode()


@pytest.mark.parametrize("rows", [5000, 20_000, 20_001, 35_000])
def test_a_snapshot_makes_the_book_live_whatever_its_size(tmp_path: Path, rows: int) -> None:
    feed = CoinbaseLevel2({}, "")
    book = SharedBook.create(
        str(tmp_path / "A-B.arrow"), venue="coinbase", trading_pair="BTC-USD", capacity=65_536
    )
    pipeline = BookPipeline(
        book, feed, lambda snapshot_expected: None, lambda *what: None, lambda point: None
    )
    for message in feed.parse(snapshot_of(rows)):
        pipeline.take(message, 1)  # type: ignore[arg-type]
    assert book.state is BookState.LIVE, pipeline.why
    assert (len(book.bids), len(book.asks)) == (rows, rows)
    assert book.top().bid == 60000
    book.close(unlink=True)
