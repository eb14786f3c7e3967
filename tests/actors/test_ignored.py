"""A book that ignores every message of its stream: the venue's numbering restarted."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.books.book_pipeline import IGNORED_FOR, IGNORED_IN_A_ROW, BookPipeline
from exchanges.binance import BINANCE
from orderbook.messages import BookDiff, BookSnapshot, BookState
from orderbook.shared import SharedBook


class Tracked:
    """A LIVE book at update id 1000, and how often a snapshot was requested."""

    def __init__(self, folder: Path) -> None:
        self.book = SharedBook.create(
            str(folder / "A-B.arrow"), venue="binance", trading_pair="A-B", capacity=64
        )
        self.snapshot_requests = 0
        self.pipeline = BookPipeline(
            self.book,
            BINANCE.book({}, ""),
            self._request_snapshot,
            lambda *what: None,
            lambda point: None,
        )
        self.pipeline.take(BookSnapshot("AB", b'[["10","1"]]', b'[["11","1"]]', 1000), 1)

    def _request_snapshot(self, snapshot_expected: bool) -> None:
        self.snapshot_requests += 1

    def diffs(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            self.pipeline.take(
                BookDiff("AB", json.dumps([["9", "1"]]).encode(), b"[]", number, number), 2
            )


@pytest.fixture
def tracked(tmp_path: Path) -> Iterator[Tracked]:
    found = Tracked(tmp_path)
    yield found
    found.book.close(unlink=True)


def test_a_stream_whose_numbers_began_again_makes_a_resync(tracked: Tracked) -> None:
    tracked.pipeline.check_health(0.0)
    tracked.diffs(1, IGNORED_IN_A_ROW)
    tracked.pipeline.check_health(IGNORED_FOR / 2)
    assert (tracked.book.state, tracked.snapshot_requests) == (BookState.LIVE, 0)
    tracked.pipeline.check_health(IGNORED_FOR + 0.1)
    assert (tracked.book.state, tracked.snapshot_requests) == (BookState.INVALID, 1)
    assert "older" in tracked.pipeline.why


def test_repetitions_among_what_applies_are_none(tracked: Tracked) -> None:
    tracked.pipeline.check_health(0.0)
    tracked.diffs(990, 11)
    tracked.diffs(1001, 1)
    tracked.pipeline.check_health(IGNORED_FOR + 0.1)
    tracked.diffs(1001, 3)
    tracked.pipeline.check_health(2 * IGNORED_FOR + 0.2)
    tracked.pipeline.check_health(9 * IGNORED_FOR)
    assert (tracked.book.state, tracked.snapshot_requests) == (BookState.LIVE, 0)
