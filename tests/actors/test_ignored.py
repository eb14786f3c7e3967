"""A book that ignores every message of its stream: the venue's numbering restarted."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.books.book_pipeline import IGNORED_FOR, BookPipeline
from exchanges.binance import BINANCE
from exchanges.bittrex import BittrexBook
from exchanges.contract import BookFeed
from exchanges.htx import HtxImages
from exchanges.hyperliquid import HyperliquidBook
from orderbook.messages import BookDiff, BookSnapshot, BookState
from orderbook.shared import SharedBook


def sides(price: int) -> tuple[bytes, bytes]:
    return json.dumps([[str(price), "1"]]).encode(), json.dumps([[str(price + 1), "1"]]).encode()


class Tracked:
    """A LIVE book at update id 1000 and price 10, and how often a snapshot was requested."""

    def __init__(self, folder: Path, feed: type[BookFeed]) -> None:
        self.book = SharedBook.create(
            str(folder / "A-B.arrow"), venue="venue", trading_pair="A-B", capacity=64
        )
        self.snapshot_requests = 0
        self.pipeline = BookPipeline(
            self.book,
            feed({}, ""),
            self._request_snapshot,
            lambda *what: None,
            lambda point: None,
        )
        self.image(10, 1000)

    def _request_snapshot(self, snapshot_expected: bool) -> None:
        self.snapshot_requests += 1

    def diff(self, number: int) -> None:
        self.pipeline.take(BookDiff("AB", b'[["9","1"]]', b"[]", number, number), 2)

    def diffs(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            self.diff(number)

    def image(self, price: int, number: int) -> None:
        self.pipeline.take(BookSnapshot("AB", *sides(price), number), 2)

    def wrong_for(self, messages: int, every: float, message: Callable[[int], None]) -> float:
        """Seconds that the book stays LIVE at the old price while numbers count from 1."""
        wrong = now = 0.0
        step = every / 4
        for number in range(1, messages + 1):
            message(number)
            for _ in range(4):
                self.pipeline.check_health(now)
                now += step
                wrong += step * (self.book.state is BookState.LIVE and self.book.top().bid == 10)
        return wrong


@pytest.fixture
def track(tmp_path: Path) -> Iterator[Callable[[type[BookFeed]], Tracked]]:
    made: list[Tracked] = []

    def make(feed: type[BookFeed]) -> Tracked:
        made.append(Tracked(tmp_path, feed))
        return made[-1]

    yield make
    for tracked in made:
        tracked.book.close(unlink=True)


@pytest.fixture
def tracked(track: Callable[[type[BookFeed]], Tracked]) -> Tracked:
    return track(BINANCE.book)


@pytest.mark.parametrize("every", [0.1, 1.0, 2.0])
def test_a_stream_whose_numbers_began_again_makes_a_resync(
    track: Callable[[type[BookFeed]], Tracked], every: float
) -> None:
    tracked = track(BittrexBook)
    assert tracked.wrong_for(round(12 / every), every, tracked.diff) <= 5
    assert (tracked.book.state, tracked.snapshot_requests) == (BookState.INVALID, 1)
    assert "older" in tracked.pipeline.why


@pytest.mark.parametrize("feed", [HyperliquidBook, HtxImages])
@pytest.mark.parametrize("every", [0.15, 1.0, 5.0])
def test_images_whose_numbers_began_again_are_taken(
    track: Callable[[type[BookFeed]], Tracked], feed: type[BookFeed], every: float
) -> None:
    tracked = track(feed)
    wrong = tracked.wrong_for(round(30 / every), every, lambda number: tracked.image(5, number))
    assert wrong <= 10
    assert (tracked.book.state, tracked.book.top().bid) == (BookState.LIVE, 5)


def test_an_older_image_among_newer_ones_is_ignored(
    track: Callable[[type[BookFeed]], Tracked],
) -> None:
    tracked = track(HyperliquidBook)
    for number in range(1001, 1100):
        tracked.image(10, number)
        tracked.image(5, number - 50)
        tracked.pipeline.check_health(number * 0.5)
        assert (tracked.book.state, tracked.book.top().bid) == (BookState.LIVE, 10)
    assert tracked.snapshot_requests == 0


def test_repetitions_among_what_applies_are_none(tracked: Tracked) -> None:
    tracked.pipeline.check_health(0.0)
    tracked.diffs(990, 11)
    tracked.diffs(1001, 1)
    tracked.pipeline.check_health(IGNORED_FOR + 0.1)
    tracked.diffs(1001, 3)
    tracked.pipeline.check_health(2 * IGNORED_FOR + 0.2)
    tracked.pipeline.check_health(9 * IGNORED_FOR)
    assert (tracked.book.state, tracked.snapshot_requests) == (BookState.LIVE, 0)


def test_many_repetitions_at_one_moment_are_no_restart(tracked: Tracked) -> None:
    tracked.diffs(1, 500)
    for now in range(100):
        tracked.pipeline.check_health(float(now))
    assert (tracked.book.state, tracked.snapshot_requests) == (BookState.LIVE, 0)
