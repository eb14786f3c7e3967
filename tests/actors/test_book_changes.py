"""Books against a model of the venue: what is LIVE is the venue's own book as far
as it says that it is known, and whoever rebuilds it from its changes has the same."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from actors.books.book_channel import BookChannel
from actors.books.book_pipeline import BookPipeline
from actors.channel import Envelope
from exchanges.contract import BookFeed
from orderbook.messages import BookDiff, BookSnapshot, BookState
from orderbook.shared import SharedBook
from tests.support.examples import examples
from tests.support.scripted import ScriptedBook, StreamedBook, levels
from trochil.following import BookFollower
from trochil.records import Diff

Levels = dict[float, float]
SNAPSHOT_LEVELS = 6


class Limited(ScriptedBook):
    """Diffs of the whole book, snapshots of its best levels, as Binance has them."""

    snapshot_levels = SNAPSHOT_LEVELS


class Window(ScriptedBook):
    """A window of the best levels that moves with the market."""

    depth = 3


class Whole(StreamedBook):
    """Snapshots by stream, of everything: only the capacity leaves levels out."""


class Recorder:
    """Where the changes go: a copy is made of them, by somebody who knows nothing but Diffs."""

    def __init__(self) -> None:
        self.follower = BookFollower()
        self.bids: Levels = {}
        self.asks: Levels = {}
        self.numbers: list[tuple[int, int]] = []
        self.state: BookState | None = None
        self.bounds = (math.nan, math.nan)

    def notify_changed(self, topic: str) -> None:
        pass

    def wants(self, topic: str, kind: str) -> bool:
        return True

    def publish(
        self, topic: str, message: Any, *, epoch: int = 0, sequence: int = 0, time: int = 0
    ) -> None:
        self.take(Envelope(topic, epoch, sequence, time, message))

    def take(self, envelope: Envelope) -> None:
        for item in self.follower.take(envelope):
            if isinstance(item, Diff):
                self._apply(item)
            if hasattr(item, "sequence"):
                self.numbers.append((item.epoch, item.sequence))
                self.state = item.state

    def _apply(self, diff: Diff) -> None:
        if diff.snapshot:
            self.bids = {}
            self.asks = {}
        for rows, side in ((diff.bids, self.bids), (diff.asks, self.asks)):
            for price, size in rows.tolist():
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)
        self.bounds = (diff.bid_bound, diff.ask_bound)


class Market:
    """The venue, its stream, and our book of it."""

    def __init__(self, folder: Path, feed: BookFeed, capacity: int, centre: int = 1000) -> None:
        self.feed = feed
        self.bids: Levels = {centre - n: 1.0 for n in range(1, 9)}
        self.asks: Levels = {centre + n: 1.0 for n in range(1, 9)}
        self.update_id = 1
        self.history = {1: (dict(self.bids), dict(self.asks))}
        self.stream: list[BookDiff] = []
        self.requests = 0
        self.now = 100.0
        self.book = SharedBook.create(
            f"{folder}/v/A-B.arrow",
            venue="v",
            trading_pair="A-B",
            capacity=capacity,
            max_depth=feed.depth,
        )
        self.recorder = Recorder()
        channel = BookChannel(self.recorder, "A-B", self.book)  # type: ignore[arg-type]
        self.recorder.take(channel.image())
        self.pipeline = BookPipeline(
            self.book,
            feed,
            lambda expected: self._note_request(),
            channel.emit,
            lambda point: None,
            request_levels=lambda left: self._note_request(),
            trusted_levels=4,
        )

    def _note_request(self) -> None:
        self.requests += 1

    def change(self, is_bid: bool, offset: int, size: float) -> None:
        """One level, ``offset`` ticks from the best of its side, gets another size."""
        side = self.bids if is_bid else self.asks
        best = max(side) if is_bid else min(side)
        price = best - offset if is_bid else best + offset
        if (is_bid and price >= min(self.asks)) or (not is_bid and price <= max(self.bids)):
            return
        before = self._window()
        if size:
            side[price] = size
        elif len(side) > 1:
            side.pop(price, None)
        after = self._window()
        self.update_id += 1
        self.history[self.update_id] = (dict(self.bids), dict(self.asks))
        bids = changed(before[0], after[0], self.bids)
        asks = changed(before[1], after[1], self.asks)
        self.stream.append(
            BookDiff("AB", levels(*bids), levels(*asks), self.update_id, self.update_id, time=5)
        )

    def _window(self) -> tuple[Levels, Levels]:
        """What the venue's messages are about: all levels, or those of the window."""
        depth = self.feed.depth or None
        return best_of(self.bids, -1, depth), best_of(self.asks, 1, depth)

    def deliver(self, count: int) -> None:
        for diff in self.stream[:count]:
            self.pipeline.take(diff, 7)
            self.check()
        del self.stream[:count]

    def answer(self) -> None:
        """The snapshot that was requested, as the venue is now: the stream may be behind it."""
        depth = self.feed.depth or self.feed.snapshot_levels or None
        bids = best_of(self.bids, -1, depth)
        asks = best_of(self.asks, 1, depth)
        if isinstance(self.feed, StreamedBook):
            self.stream.append(
                BookSnapshot("AB", levels(*bids.items()), levels(*asks.items()), self.update_id)  # type: ignore[arg-type]
            )
            return
        self.pipeline.take(
            BookSnapshot("AB", levels(*bids.items()), levels(*asks.items()), self.update_id), 7
        )
        self.check()

    def tick(self) -> None:
        self.now += 6.0
        self.pipeline.check_health(self.now)
        self.check()

    def check(self) -> None:
        book = self.book
        bids = dict(book.bids.tolist())
        asks = dict(book.asks.tolist())
        assert (self.recorder.bids, self.recorder.asks) == (bids, asks)
        assert self.recorder.numbers[-1] == (book.epoch, book.sequence)
        assert self.recorder.state is book.state
        if book.state is not BookState.LIVE:
            return
        bid_bound, ask_bound = book.bounds
        their_bids, their_asks = self.history[book.update_id]
        assert bids == {price: size for price, size in their_bids.items() if price >= bid_bound}
        assert asks == {price: size for price, size in their_asks.items() if price <= ask_bound}
        assert max(bids) == max(their_bids)
        assert min(asks) == min(their_asks)


def best_of(side: Levels, best: int, depth: int | None) -> Levels:
    return dict(sorted(side.items(), key=lambda level: level[0] * best)[:depth])


def changed(before: Levels, after: Levels, side: Levels) -> list[tuple[float, float]]:
    """Levels that differ; of those that left the window only what is gone is told."""
    gone = [(price, 0.0) for price in before if price not in side]
    return gone + [(p, size) for p, size in after.items() if before.get(p) != size]


steps = st.one_of(
    st.tuples(
        st.just("change"),
        st.booleans(),
        st.integers(-3, 12),
        st.sampled_from([0.0, 0.0, 1.0, 2.0]),
    ),
    st.tuples(st.just("deliver"), st.integers(1, 5)),
    st.tuples(st.just("answer")),
    st.tuples(st.just("answer")),
    st.tuples(st.just("tick")),
    st.tuples(st.just("believe"), st.booleans()),
    st.tuples(st.just("drop")),
    st.tuples(st.just("sweep"), st.booleans(), st.integers(1, 6)),
)
FEEDS = [(Limited, 64), (Window, 64), (Whole, 64), (Whole, 8)]


@pytest.mark.parametrize(
    ("feed", "capacity"), FEEDS, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_live_book_is_the_venues_and_its_changes_make_the_same(
    tmp_path: Path, feed: type[BookFeed], capacity: int
) -> None:
    number = 0
    lived = 0

    @examples(150)
    @given(st.lists(steps, min_size=5, max_size=60))
    def each(moves: list[tuple[Any, ...]]) -> None:
        nonlocal number, lived
        number += 1
        market = Market(tmp_path / str(number), feed({}, ""), capacity)
        market.answer()
        market.deliver(1)
        for verb, *arguments in moves:
            perform(market, verb, *arguments)
            lived += market.book.state is BookState.LIVE
        market.book.close()

    each()
    assert lived > 30


def perform(market: Market, verb: str, *arguments: Any) -> None:
    match verb:
        case "sweep":
            is_bid, count = arguments
            for _ in range(count):  # the market takes the best levels, one after the other
                market.change(is_bid, 0, 0.0)
        case "believe":
            market.pipeline.believe(*arguments, "no heartbeat")
            market.check()
        case "drop":
            del market.stream[:1]
        case "answer":
            if market.requests:
                market.requests = 0
                market.answer()
        case _:
            getattr(market, verb)(*arguments)


@pytest.mark.parametrize("behind", [0, 2], ids=["in step", "the stream behind the snapshot"])
def test_levels_farther_out_come_before_the_market_leaves_those_that_are_known(
    tmp_path: Path, behind: int
) -> None:
    market = Market(tmp_path, Limited({}, ""), 64)
    market.answer()
    epoch = market.book.epoch
    for _ in range(40):
        market.change(False, 8, 1.0)
        market.change(False, 0, 0.0)
        market.change(True, -1, 1.0)
        market.deliver(len(market.stream) - behind)
        market.tick()
        if market.requests:
            market.requests = 0
            market.answer()
        assert (market.book.state, market.book.epoch) == (BookState.LIVE, epoch)
        assert market.book.lengths[1] >= 1
    assert market.book.meta()["gaps"] == 0


def test_a_book_whose_market_left_what_is_known_is_not_live_and_resynchronises(
    tmp_path: Path,
) -> None:
    market = Market(tmp_path, Limited({}, ""), 64)
    market.answer()
    epoch = market.book.epoch
    for _ in range(SNAPSHOT_LEVELS):
        market.change(False, 0, 0.0)
    market.deliver(SNAPSHOT_LEVELS)
    assert market.book.state is BookState.INVALID
    assert len(market.asks) == 2
    market.tick()
    assert market.requests == 1
    market.answer()
    assert (market.book.state, market.book.epoch) == (BookState.LIVE, epoch + 1)


def test_a_snapshot_that_differs_inside_what_is_known_is_a_gap(tmp_path: Path) -> None:
    market = Market(tmp_path, Limited({}, ""), 64)
    market.answer()
    for _ in range(4):
        market.change(False, 0, 0.0)
    market.deliver(4)
    market.tick()
    assert market.requests == 1
    market.bids[max(market.bids)] = 77.0  # the venue never told it
    bids = levels(*market.bids.items())
    market.pipeline.take(BookSnapshot("AB", bids, levels(*market.asks.items()), 5), 7)
    assert market.book.state is BookState.INVALID
    assert market.book.meta()["gaps"] == 1
