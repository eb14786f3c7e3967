"""One pair's way from messages to a shared book: sequencing, checks, epochs. No sockets, no waiting."""

from collections.abc import Callable
from typing import Any

from exchanges.contract import BookFeed
from orderbook.active_orders import ActiveOrderTracker
from orderbook.messages import BookDiff, BookSnapshot, BookState, Lost, OrderEvent, OrdersSnapshot, Trade
from orderbook.sequencing import Sequencer, Verdict
from orderbook.shared import SharedBook

CROSSED_FOR = 1.0
"""Seconds that a book may stay crossed before it is not believed any more."""
Ask = Callable[[], None]
Emit = Callable[[Any, int], None]


class Track:
    """Applies messages in order. ``ask`` requests a snapshot; ``emit(message, receive time)`` passes on the applied."""

    def __init__(
        self, book: SharedBook, feed: BookFeed, ask: Ask, emit: Emit, checkpoint: Callable[[str], None]
    ) -> None:
        self.book, self._feed, self._ask, self._emit, self._checkpoint = book, feed, ask, emit, checkpoint
        self._sequencer: Sequencer[BookDiff | OrderEvent] = Sequencer()
        self._orders = ActiveOrderTracker()
        self._crossed_since: float | None = None
        self.last_trade: Trade | None = None
        self.was_live = False

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
            elif kind is Lost:
                self.lose()
            elif kind is Trade:
                self.last_trade = message
        except ValueError:
            self.book.count("rejected")
            self.lose()

    def lose(self) -> None:
        """What comes next doesn't join: INVALID first, then a snapshot is asked for."""
        book = self.book
        if book.state is BookState.LIVE:
            book.set_state(BookState.INVALID)
        self._sequencer.lose()
        self._ask()

    def _diff(self, message: BookDiff | OrderEvent, received: int) -> None:
        verdict = self._sequencer.offer(message)
        if verdict is Verdict.APPLY:
            self._apply(message, received)
        elif verdict is Verdict.IGNORE:
            self.book.count("ignored")
        elif verdict is Verdict.GAP:
            self.book.set_state(BookState.INVALID)
            self.book.count("gaps")
            self._ask()

    def _snapshot(self, message: BookSnapshot | OrdersSnapshot, received: int) -> None:
        fresh = self._sequencer.snapshot(message.update_id)
        if fresh is None:
            self._ask()
            return
        self._checkpoint("mid_snapshot")
        book = self.book
        if self.was_live:
            book.count("resyncs")
        book.new_epoch(BookState.INVALID if self.was_live else BookState.SYNCING)
        book.count("dropped_before_snapshot", self._sequencer.dropped_before_snapshot)
        self._sequencer.dropped_before_snapshot = 0
        levels = message if isinstance(message, BookSnapshot) else self._orders.snapshot(message)
        # The levels are the snapshot's, but the book turns LIVE only with the last diff that belongs on top.
        book.apply_snapshot(levels, received)
        self.was_live, self._crossed_since = True, None
        self._emit(levels, received)
        for diff in fresh:
            self._apply(diff, received)
        self._check(levels.checksum)

    def _apply(self, message: BookDiff | OrderEvent, received: int) -> None:
        book = self.book
        if isinstance(message, OrderEvent):
            diff = self._orders.event(message)
            if diff is None:
                return
        else:
            diff = message
        book.apply_diff(diff, received)
        self._emit(diff, received)
        if diff.checksum >= 0:
            self._check(diff.checksum)

    def _check(self, checksum: int) -> None:
        if checksum < 0:
            return
        book = self.book
        if self._feed.checksum("", book.bids[:10], book.asks[:10]) != checksum:
            book.count("gaps")
            self.lose()

    def look(self, now: float) -> None:
        """From time to time: a book that stays crossed is wrong."""
        if not self.book.is_crossed or self.book.state is not BookState.LIVE:
            self._crossed_since = None
        elif self._crossed_since is None:
            self._crossed_since = now
        elif now - self._crossed_since > CROSSED_FOR:
            self.lose()
