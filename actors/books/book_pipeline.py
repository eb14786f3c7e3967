"""One pair's way from messages to a shared book: sequencing, checks, epochs. No sockets, no waiting."""

from collections.abc import Callable
from typing import Any

import numpy as np

from exchanges.contract import BookFeed
from orderbook.active_orders import ActiveOrderTracker, sides_of
from orderbook.book import OrderBook
from orderbook.messages import (
    BookDiff,
    BookSnapshot,
    BookState,
    FeedInterrupted,
    Layout,
    OrderEvent,
    OrdersSnapshot,
    Side,
)
from orderbook.sequencing import Sequencer, Verdict
from orderbook.shared import SharedBook

CROSSED_FOR = 1.0
"""Seconds that a book may stay crossed before it is not believed any more."""
CHECKED_LEVELS = 100
"""Best levels a side that a checksum may be made of."""
IGNORED_FOR, IGNORED_IN_A_ROW = 3.0, 10
"""Seconds, and messages, after which a book that ignores all of them isn't believed: its numbers began again."""
Ask = Callable[[bool], None]
Emit = Callable[[Any, int], None]


class BookPipeline:
    """Applies messages in order. ``ask(snapshot_expected)`` requests a snapshot, or awaits one that comes unasked;
    ``emit(message, receive time)`` passes on the applied."""

    def __init__(
        self,
        book: SharedBook,
        feed: BookFeed,
        ask: Ask,
        emit: Emit,
        checkpoint: Callable[[str], None],
    ) -> None:
        self.book, self._feed, self._ask, self._emit, self._checkpoint = (
            book,
            feed,
            ask,
            emit,
            checkpoint,
        )
        self._sequencer: Sequencer[BookDiff | OrderEvent] = Sequencer()
        self._orders = ActiveOrderTracker(feed.depth)
        self._checks, self._twin = has_checksum(type(feed)), None  # type: bool, OrderBook | None
        self._crossed_since: float | None = None
        self._ignored_since, self._ignored = 0.0, 0
        self._was_live = False
        self._beside: BookSnapshot | None = None
        self._time = 0
        self.why = "waiting for its first snapshot"

    @property
    def synced(self) -> bool:
        """Whether diffs join what stands in the book."""
        return self._sequencer.synced

    def take(self, message: Any, received: int) -> None:
        """One message of the channel; ``received`` in ns. Malformed levels are counted and break the book, not us."""
        kind = type(message)
        try:
            if kind is BookDiff or kind is OrderEvent:
                self._diff(message, received)
            elif kind is BookSnapshot or kind is OrdersSnapshot:
                self._snapshot(message, received)
            elif kind is FeedInterrupted:
                self.lose(message.reason, message.snapshot_expected)
        except (
            ValueError,
            OverflowError,
        ) as error:  # a number that is none, or larger than 64 bits
            self.book.count("rejected")
            self.lose(f"malformed: {str(error)[:100]}")

    def lose(self, why: str, snapshot_expected: bool = False) -> None:
        """What comes next doesn't join: INVALID first, then a snapshot is asked for, or awaited if it is ``snapshot_expected``."""
        self._invalidate(why)
        self._sequencer.lose()
        self._ask(snapshot_expected)

    def _invalidate(self, why: str) -> None:
        self.why = why
        if self.book.state is BookState.LIVE:
            self.book.set_state(BookState.INVALID)

    def _diff(self, message: BookDiff | OrderEvent, received: int) -> None:
        if self._beside is not None:
            self._compare(message.time)
        verdict = self._sequencer.offer(message)
        if verdict is not Verdict.IGNORE:
            self._ignored = 0
        if verdict is Verdict.APPLY:
            self._apply(message, received)
        elif verdict is Verdict.IGNORE:
            self._ignored += 1
            self.book.count("ignored")
        elif verdict is Verdict.GAP:
            self._invalidate(f"a gap before {message.first_id}")
            self.book.count("gaps")
            self._ask(False)

    def _snapshot(self, message: BookSnapshot | OrdersSnapshot, received: int) -> None:
        if self._feed.verify_depth and type(message) is BookSnapshot:
            self._compare(message.time)
            self._beside = message if self.synced and message.time >= self._time else None
            return
        if self.synced and self._feed.full_snapshots_only:
            self._image(message, received)
            return
        if self.synced and not self._feed.opens_with_snapshot(message.symbol):
            self.book.count(
                "ignored"
            )  # fetched for somebody else, at a moment that the stream may have left behind
            return
        fresh = self._sequencer.snapshot(message.update_id)
        if fresh is None:
            self._ask(False)
            return
        levels = message if isinstance(message, BookSnapshot) else self._orders.snapshot(message)
        if not self._is_right(levels):
            return
        self._checkpoint("mid_snapshot")
        self._begin_epoch()
        self._time, self._beside = message.time, None
        self.book.apply_snapshot(levels, received)
        self._emit(levels, received)
        for diff in fresh:
            if self.synced:
                self._apply(diff, received)

    def _image(self, message: BookSnapshot | OrdersSnapshot, received: int) -> None:
        """A whole book after a whole book; one that is older than what stands there is late."""
        if 0 < message.update_id < self._sequencer.update_id:
            self.book.count("ignored")
            return
        self._sequencer.update_id = message.update_id
        assert isinstance(message, BookSnapshot)
        self.book.apply_snapshot(message, received)
        self.book.count("applied")
        self._emit(message, received)

    def _compare(self, now: int) -> None:
        """Hold our best levels against the venue's image beside the events, once something later than it comes: image
        and events of one moment may arrive in either order. A difference means that an event was lost."""
        image = self._beside
        if image is None or now <= image.time:
            return
        self._beside = None
        for side, theirs in zip((self.book.bids, self.book.asks), sides_of(image), strict=True):
            ours = side[: self._feed.verify_depth]
            # Sums of sizes differ in their last digits.
            if ours.shape != theirs.shape or not np.allclose(ours, theirs, 1e-12, 0):
                self.book.count("gaps")
                self.lose("the best levels differ from the venue's own image of them")
                return

    def _begin_epoch(self) -> None:
        book = self.book
        if self._was_live:
            book.count("resyncs")
        book.new_epoch(BookState.INVALID if self._was_live else BookState.SYNCING)
        book.count("dropped_before_snapshot", self._sequencer.dropped_before_snapshot)
        self._sequencer.dropped_before_snapshot = 0
        self._was_live, self._crossed_since, self.why = True, None, ""

    def _apply(self, message: BookDiff | OrderEvent, received: int) -> None:
        if type(message) is OrderEvent:
            self._time = message.time
            if self._feed.verify_depth and not self._orders.fits(message):
                self.book.count("gaps")
                self.lose(
                    f"an event doesn't fit: {message.action.name} of order {message.order_id}"
                )
                return
            diff = self._orders.event(message)
            if diff is None:
                return
        else:
            diff = message  # type: ignore[assignment]
        assert diff is not None
        if self._is_right(diff):
            self.book.apply_diff(diff, received)
            self._emit(diff, received)

    def _is_right(self, message: BookSnapshot | BookDiff) -> bool:
        """Whether the venue's checksum holds, where it sends one and our reading of it is possible.

        It is made of a private twin of the book: no reader may see levels that turn out wrong. The twin begins with the
        first message that carries a checksum: a venue that sends none any more costs nothing.
        """
        if not self._checks or (self._twin is None and message.checksum < 0):
            return True
        twin = self._twin = self._twin or self._copy()
        if type(message) is BookSnapshot:
            twin.apply_snapshot(message)
        else:
            twin.apply_diff(message)  # type: ignore[arg-type]
        if message.checksum < 0:
            return True
        ours = self._checksum(message.symbol, twin)
        if ours in (-1, message.checksum):
            return True
        self.lose(f"checksum {ours} instead of {message.checksum}")
        self.book.count("gaps")
        return False

    def _copy(self) -> OrderBook:
        """What stands in the book, in private memory."""
        copy, bids, asks = (
            OrderBook(self.book.capacity, self._feed.depth),
            self.book.bids,
            self.book.asks,
        )
        copy.apply_snapshot(BookSnapshot("", bids.tobytes(), asks.tobytes(), layout=Layout.PACKED))
        return copy

    def _checksum(self, symbol: str, book: OrderBook) -> int:
        bids, asks = (side[:CHECKED_LEVELS] for side in (book.bids, book.asks))
        if not self._orders.active_bids and not self._orders.active_asks:
            return self._feed.checksum(symbol, bids, asks)
        texts = self._orders.texts
        return self._feed.orders_checksum(
            symbol, texts(Side.BUY, bids[:, 0]), texts(Side.SELL, asks[:, 0])
        )

    def look(self, now: float) -> None:
        """From time to time (monotonic seconds): a book that stays crossed is wrong (a locked one is not); so is one
        that goes on ignoring what its stream says."""
        if not self._ignored:
            self._ignored_since = now
        elif now - self._ignored_since > IGNORED_FOR and self._ignored >= IGNORED_IN_A_ROW:
            self._ignored = 0
            self.lose("all that came was older than the book")
        if not (self.book.is_crossed and self._is_upside_down()):
            self._crossed_since = None
        elif self._crossed_since is None:
            self._crossed_since = now
        elif now - self._crossed_since > CROSSED_FOR:
            self._crossed_since = None
            self.lose("crossed")

    def _is_upside_down(self) -> bool:
        top = self.book.top()
        return self.book.state is BookState.LIVE and bool(top.bid > top.ask)


def has_checksum(kind: type[BookFeed]) -> bool:
    """Whether a feed's messages carry checksums that we can make too."""
    return (
        kind.checksum is not BookFeed.checksum
        or kind.orders_checksum is not BookFeed.orders_checksum
    )
