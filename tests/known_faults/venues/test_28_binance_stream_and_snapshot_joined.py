"""Binance: how U and u must join a snapshot; duplicates and gaps (sammchardy/python-binance #70
#27).

(Also bitrich-info/xchange-stream #328.) Right: joined by the documented rule; a gap is not believed
and not applied.
"""

from pathlib import Path

import pytest

from exchanges.binance import BinanceBook
from orderbook.messages import BookDiff, BookSnapshot
from tests.known_faults.lab import load
from tests.known_faults.lab.wire import track

TOLD = load(__file__)


def diff(first: int, last: int) -> BookDiff:
    return BookDiff("B", f'[["1","{last}"]]'.encode(), b"[]", first, last)


def snapshot(number: int) -> BookSnapshot:
    return BookSnapshot("B", b'[["1","0.5"]]', b'[["2","1"]]', number)


@pytest.mark.parametrize("number", TOLD["snapshots"])
def test_a_snapshot_joins_the_stream_by_the_documented_rule(memory: Path, number: int) -> None:
    pipeline, book, asked = track(BinanceBook({}, ""), memory)
    for first, last in TOLD["events"]:
        pipeline.take(diff(first, last), 1)
    pipeline.take(snapshot(number), 1)
    if number == 90:  # older than the first event: another one is asked for
        assert book.state.name == "SYNCING"
        assert asked == [False]
        return
    assert book.state.name == "LIVE"
    assert book.update_id == max(number, 120)
    if number < 120:
        assert book.top().bid_size == 120.0


def test_duplicates_are_passed_over_and_a_gap_is_not_applied(memory: Path) -> None:
    pipeline, book, _ = track(BinanceBook({}, ""), memory)
    pipeline.take(snapshot(100), 1)
    for first, last in ((101, 105), (101, 105), (90, 99)):
        pipeline.take(diff(first, last), 1)
    assert (book.state.name, book.update_id) == ("LIVE", 105)
    pipeline.take(diff(107, 109), 1)
    assert (book.state.name, book.update_id) == ("INVALID", 105)
