"""The venue's books as its channels show them: whole windows, and what changed in them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from trochil.sandbox.formats import decimal_text
from trochil.sandbox.market.accounts import ZERO
from trochil.sandbox.market.matching import Order
from trochil.sandbox.recorded import Rows
from trochil.sandbox.server import Server

MOST_LEVELS = 500
"""Levels a side of a book that is requested, where the request sets no limit."""


class BookLevel(NamedTuple):
    """Size 0: the level is gone."""

    price: Decimal
    size: Decimal


Levels = list[BookLevel]


@dataclass(frozen=True, slots=True)
class BookWindow:
    """Levels of a book channel, best first: the whole window, or what changed in it."""

    pair: str
    bids: Levels
    asks: Levels
    previous_id: int
    """Of the frame before; 0 for a whole window."""
    last_id: int

    @property
    def first_id(self) -> int:
        """The first change that is in it."""
        return self.previous_id + 1

    @property
    def is_snapshot(self) -> bool:
        return not self.previous_id


def level_rows(levels: Levels) -> list[list[str]]:
    """[[price, size], ...] as texts."""
    return [[decimal_text(price), decimal_text(size)] for price, size in levels]


@dataclass(frozen=True, slots=True)
class BookChannel:
    """What a venue's book channels show."""

    levels: int = 0
    """A side; 0: the whole book."""
    depths: tuple[int, ...] = (0,)
    """Levels of each channel, where there are several; 0: ``levels``."""
    reports_leaving_levels: bool = True
    """A level that leaves the window is sent with size 0; else clients forget it themselves."""
    numbers_frames: bool = False
    """Ids number the frames, one by one; else they are those of the book's changes."""
    resets_with_image: bool = False
    """Where the numbers of frames begin again, with 1, the first is a whole window; else it is a
    change like others."""
    tells_restarts: bool = False
    """Where the numbers of changes begin again, the first frame names the last number of before;
    else it names one of the new numbers."""
    default_depth: int | None = None
    """Which of the channels a requested book is of that names none; None: the deepest."""
    requests_current_book: bool = False
    """A requested book is that of now; else that of the channel's last frame."""


@dataclass(slots=True)
class _Shown:
    """A channel's window as of its last frame: price -> size."""

    bids: dict[Decimal, Decimal]
    asks: dict[Decimal, Decimal]

    def apply(self, changes: tuple[Levels, Levels]) -> None:
        for side, levels in zip((self.bids, self.asks), changes, strict=True):
            for price, size in levels:
                if size:
                    side[price] = size
                else:
                    side.pop(price, None)

    def levels(self) -> tuple[Levels, Levels]:
        """Best first."""
        bids = [BookLevel(*each) for each in sorted(self.bids.items(), reverse=True)]
        asks = [BookLevel(*each) for each in sorted(self.asks.items())]
        return bids, asks


class BookWindows:
    """The windows of every pair and depth, each as of its last frame. Depth 0: the channel's usual
    one."""

    def __init__(self, server: Server, channel: BookChannel) -> None:
        self._server = server
        self._channel = channel
        self._shown: dict[tuple[str, int], _Shown] = {}
        self._last_ids: dict[tuple[str, int], int] = {}
        self._answers: dict[tuple[str, int], BookWindow] = {}
        self._restarting: dict[tuple[str, int], int] = {}
        """Windows whose next frame begins its numbers again, and with which one."""

    @property
    def depths(self) -> tuple[int, ...]:
        return self._channel.depths

    def snapshot(self, pair: str, depth: int = 0) -> BookWindow:
        """The whole window as of its last frame; of a replay, the recorded snapshot and what
        followed it."""
        if self._server.replay is not None:
            return _recorded_window(pair, self._server.replay.snapshot())
        last_id = self._last_ids.setdefault((pair, depth), self._server.book(pair).update_id)
        if (pair, depth) not in self._shown:
            self._shown[pair, depth] = self._current(pair, depth)
        bids, asks = self._shown[pair, depth].levels()
        return BookWindow(pair, bids, asks, 0, last_id)

    def opening(self, pair: str, depth: int = 0) -> BookWindow | None:
        """The same for who begins to follow it; None where a replay sends it as a frame."""
        if self._server.replay is None:
            return self.snapshot(pair, depth)
        recorded = self._server.replay.opening()
        return None if recorded is None else _recorded_window(pair, recorded)

    def requested(
        self, pair: str, depth: int | None = None, limit: int = MOST_LEVELS
    ) -> BookWindow:
        """The book for a client that requests it, of one of the channels. A replay's is never cut.

        By the fault stale_snapshot it is the one of the request before, or has the id 1."""
        window = self._requested(pair, self._default_depth if depth is None else depth)
        if self._server.replay is not None:
            return window
        self._server.snapshot_requested(pair)
        limit = min(limit, self._server.faults.amount("snapshot_levels") or limit)
        return replace(window, bids=window.bids[:limit], asks=window.asks[:limit])

    @property
    def _default_depth(self) -> int:
        default = self._channel.default_depth
        return self._channel.depths[-1] if default is None else default

    def _requested(self, pair: str, depth: int) -> BookWindow:
        fresh = self.snapshot(pair, depth)
        if self._channel.requests_current_book and self._server.replay is None:
            book = self._server.book(pair)
            bids, asks = (
                [BookLevel(*level) for level in book.levels(side)] for side in ("buy", "sell")
            )
            fresh = BookWindow(pair, bids, asks, 0, book.update_id)
        if not self._server.faults.hits("stale_snapshot"):
            self._answers[pair, depth] = fresh
        return self._answers.get((pair, depth)) or replace(fresh, last_id=1)

    def update(
        self, pair: str, last_id: int, depth: int = 0, touched: tuple[Levels, Levels] | None = None
    ) -> BookWindow:
        """What changed in a window since its last frame, up to the book's change ``last_id``.

        ``touched``: levels that changed, also those that are again as they were: the channel of a
        whole book sends them all, for whoever requested the book at the moment in between."""
        previous_id = self._last_ids.get((pair, depth), 0)
        begins_again = False
        if self._channel.numbers_frames and previous_id:
            first = self._restarted(pair, depth)
            begins_again = first is not None
            last_id = previous_id + 1 if first is None else first
        self._last_ids[pair, depth] = last_id
        is_whole_book = not depth and not self._channel.levels
        if touched is not None and is_whole_book and (pair, depth) in self._shown:
            bids, asks = touched
            self._shown[pair, depth].apply(touched)
        else:
            bids, asks = self._changes(pair, depth)
        if begins_again and self._channel.resets_with_image:
            return self.snapshot(pair, depth)
        return BookWindow(pair, bids, asks, previous_id, last_id)

    def _restarted(self, pair: str, depth: int) -> int | None:
        """The number of a frame that begins the numbers again; None: it doesn't."""
        told = self._restarting.pop((pair, depth), None)
        if told is None and self._server.faults.hits("sequence_reset"):
            return 1
        return told

    def restart_numbers(self, pair: str, first: int) -> None:
        """Numbers of a book's changes go on from ``first``, those of frames with the next frame."""
        keys = [key for key in self._last_ids if key[0] == pair]
        self._server.book(pair).update_id = first
        if self._channel.numbers_frames:
            self._restarting.update(dict.fromkeys(keys, first))
            return
        if not self._channel.tells_restarts:
            self._last_ids.update(dict.fromkeys(keys, first))

    def forget(self, pair: str, depth: int = 0) -> None:
        """Nobody follows that channel: its next window is the book of then."""
        self._shown.pop((pair, depth), None)
        self._last_ids.pop((pair, depth), None)

    def resting_orders(self, pair: str, side: str, levels: int | None = None) -> list[Order]:
        """Every order of a side's best levels, best price first, in the order of their queues."""
        book = self._server.book(pair)
        return [
            order
            for price, _ in book.levels(side)[:levels]
            for order in book.sides[side][price].orders
        ]

    def _current(self, pair: str, depth: int) -> _Shown:
        book = self._server.book(pair)
        most = depth or self._channel.levels or None
        return _Shown(dict(book.levels("buy")[:most]), dict(book.levels("sell")[:most]))

    def _changes(self, pair: str, depth: int) -> tuple[Levels, Levels]:
        """What turns the window of the last frame into the one of now."""
        before = self._shown.get((pair, depth)) or _Shown({}, {})
        now = self._shown[pair, depth] = self._current(pair, depth)
        bids = self._side_changes(pair, "buy", before.bids, now.bids)
        asks = self._side_changes(pair, "sell", before.asks, now.asks)
        return list(bids), list(asks)

    def _side_changes(
        self, pair: str, side: str, before: dict[Decimal, Decimal], now: dict[Decimal, Decimal]
    ) -> Iterator[BookLevel]:
        for price, size in now.items():
            if before.get(price) != size:
                yield BookLevel(price, size)
        book = self._server.book(pair)
        for price in before:
            is_empty = not book.size_at(side, price)
            if price not in now and (self._channel.reports_leaving_levels or is_empty):
                yield BookLevel(price, ZERO)


def _recorded_window(pair: str, recorded: tuple[int, Rows, Rows]) -> BookWindow:
    last_id, *sides = recorded
    bids, asks = (
        [BookLevel(Decimal(price), Decimal(size)) for price, size in side] for side in sides
    )
    return BookWindow(pair, bids, asks, 0, last_id)
