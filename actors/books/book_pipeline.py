"""The pipeline of one pair, from feed messages to a shared book: sequencing, checks, epochs.

No sockets, no waiting.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from actors.books.book_channel import Change
from exchanges.contract import BookFeed
from orderbook.active_orders import ActiveOrderTracker
from orderbook.book import OrderBook
from orderbook.level_texts import sides_of
from orderbook.messages import (
    BookDiff,
    BookSnapshot,
    BookState,
    BookStateChange,
    FeedInterrupted,
    Layout,
    OrderEvent,
    OrdersSnapshot,
    Side,
)
from orderbook.sequencing import BUFFER, Sequencer, Verdict
from orderbook.shared import SharedBook

CROSSED_FOR = 1.0
"""Seconds that a book may stay crossed before it is invalidated."""
CHECKED_LEVELS = 100
"""Best levels on each side that a checksum may cover."""
IGNORED_FOR = 3.0
"""Seconds between the first and the last of the ignored messages after which a book is invalidated
that applied none: its numbering restarted."""
ASK_AGAIN_AFTER = 5.0
"""Seconds after which levels farther out are requested again: the request says how few are left."""
RequestSnapshot = Callable[[bool], None]
RequestLevels = Callable[[int], None]
Emit = Callable[[Change, int], None]


class BookPipeline:
    """Applies the feed messages of one pair to its shared book, in order.

    ``request_snapshot(snapshot_expected)`` requests a snapshot, or awaits one that the feed sends
    by itself. ``request_levels(levels left)`` requests one for a book that is in order, for the
    levels farther out. ``emit(change, receive time)`` is told every change after it was made.
    """

    def __init__(
        self,
        book: SharedBook,
        feed: BookFeed,
        request_snapshot: RequestSnapshot,
        emit: Emit,
        checkpoint: Callable[[str], None],
        *,
        request_levels: RequestLevels = lambda levels_left: None,
        trusted_levels: int = 500,
        full_levels: int | None = None,
    ) -> None:
        """``trusted_levels``: with fewer levels a side than this, more are requested.

        ``full_levels``: a snapshot with as many levels on a side is known up to the worst of them;
        0: it is the whole book. None: as the feed declares it.
        """
        self.book = book
        self._feed = feed
        self._request_snapshot = request_snapshot
        self._request_levels = request_levels
        self._emit = emit
        self._checkpoint = checkpoint
        self._full_levels = feed.snapshot_levels if full_levels is None else full_levels
        comes = 0 if feed.full_snapshots_only else _levels_that_come(self._full_levels, book)
        self._trusted_levels = min(trusted_levels, comes // 2)
        self._since_asked: deque[BookDiff] | None = None
        """Diffs since levels farther out were requested; None: they are not."""
        self._asked_at = 0.0
        self._farther: BookSnapshot | None = None
        """A snapshot with levels farther out, which the stream has not reached yet."""
        self._sequencer: Sequencer[BookDiff | OrderEvent] = Sequencer()
        self._orders = ActiveOrderTracker(feed.depth)
        self._verifies_checksums = has_checksum(type(feed))
        self._shadow_book: OrderBook | None = None
        self._unchecked = feed.gap_check == "unchecked"
        book.mark_unchecked(self._unchecked)
        book.mark_checked_levels(feed.checked_levels)
        self.checksums_failed = 0
        """How many failed in a row."""
        self._crossed_since: float | None = None
        self._ignored = 0
        self._ignored_before = 0
        self._ignored_since = 0.0
        self._was_live = False
        self._reference_snapshot: BookSnapshot | None = None
        self._time = 0
        self._applied_time = 0
        """The venue's time of the last change since the snapshot, in ns."""
        self.why = "waiting for its first snapshot"

    @property
    def synced(self) -> bool:
        """Whether the next diff continues the book's sequence."""
        return self._sequencer.synced

    def take(self, message: Any, received: int) -> None:
        """Process one message of the channel; ``received`` in ns.

        A malformed level is counted as rejected and invalidates the book; it raises nothing.
        """
        kind = type(message)
        try:
            if kind is BookDiff or kind is OrderEvent:
                self._diff(message, received)
            elif kind is BookSnapshot or kind is OrdersSnapshot:
                self._snapshot(message, received)
            elif kind is FeedInterrupted:
                self.lose(message.reason, message.snapshot_expected)
        except (ValueError, OverflowError) as error:  # not a number, or larger than 64 bits
            self.book.count("rejected")
            self.lose(f"malformed: {str(error)[:100]}")

    def lose(self, why: str, snapshot_expected: bool = False) -> None:
        """Mark the book INVALID, then request a snapshot, or await it if ``snapshot_expected``."""
        self._invalidate(why)
        self._sequencer.lose()
        self._request_snapshot(snapshot_expected)

    def believe(self, believed: bool, why: str = "") -> None:
        """Whether the data source lives. Without a sign of life the book is STALE; it is LIVE again
        without a snapshot, if nothing was missed."""
        state = BookState.LIVE if believed else BookState.STALE
        self.book.publish_as(state)
        if self.synced and self.book.state in (BookState.LIVE, BookState.STALE):
            self._set_state(state, why)

    def _set_state(self, state: BookState, why: str) -> None:
        if self.book.state is not state:
            self.book.set_state(state)
            self._emit(BookStateChange(state, why), 0)

    def _invalidate(self, why: str) -> None:
        self.why = why
        self._forget_extension()
        if self.book.state in (BookState.LIVE, BookState.STALE):
            self._set_state(BookState.INVALID, why)

    def _diff(self, message: BookDiff | OrderEvent, received: int) -> None:
        if self._reference_snapshot is not None:
            self._verify(message.time)
        verdict = self._sequencer.offer(message)
        if verdict is not Verdict.IGNORE:
            self._ignored = self._ignored_before = 0
        if verdict is Verdict.APPLY:
            self._apply(message, received)
        elif verdict is Verdict.IGNORE and not self._is_of_another_numbering(message):
            self._ignore()
        elif verdict is Verdict.IGNORE:
            self.book.count("gaps")
            self.lose(f"number {message.update_id} is older than the book, and its time is later")
        elif verdict is Verdict.GAP:
            self._invalidate(f"a gap before {message.first_id}")
            self.book.count("gaps")
            self._request_snapshot(False)

    def _snapshot(self, message: BookSnapshot | OrdersSnapshot, received: int) -> None:
        if self._feed.verify_depth and type(message) is BookSnapshot:
            self._verify(message.time)
            is_current = self.synced and message.time >= self._time
            self._reference_snapshot = message if is_current else None
            return
        if self.synced and self._feed.full_snapshots_only:
            self._replace_book(message, received)
            return
        if self.synced and self._since_asked is not None and isinstance(message, BookSnapshot):
            self._extend(message, received)
            return
        if self.synced and not self._feed.opens_with_snapshot(message.symbol):
            # Requested by another consumer; it may be older than what the stream already applied.
            self.book.count("ignored")
            return
        fresh = self._sequencer.snapshot(message.update_id)
        if fresh is None:
            self._request_snapshot(False)
            return
        levels = message if isinstance(message, BookSnapshot) else self._orders.snapshot(message)
        if not self._is_right(levels):
            return
        self._checkpoint("mid_snapshot")
        self._begin_epoch()
        self._time = message.time
        self._applied_time = 0
        self._reference_snapshot = None
        self._replace(levels, received)
        for diff in fresh:
            if self.synced:
                self._apply(diff, received)

    def _is_of_another_numbering(self, message: BookDiff | OrderEvent) -> bool:
        """Whether a message that is older by its numbers changed something at a later time."""
        changes = 0 < message.first_id <= message.update_id
        return changes and 0 < self._applied_time < message.time

    def _ignore(self) -> None:
        """Count a message that is older than the book."""
        self._ignored += 1
        self.book.count("ignored")

    def _replace_book(self, message: BookSnapshot | OrdersSnapshot, received: int) -> None:
        """Replace the book by a full snapshot, unless the snapshot is older than the book."""
        if 0 < message.update_id < self._sequencer.update_id:
            self._ignore()
            return
        self._ignored = self._ignored_before = 0
        self._sequencer.update_id = message.update_id
        assert isinstance(message, BookSnapshot)
        self._replace(message, received)
        self.book.count("applied")

    def _replace(self, levels: BookSnapshot, received: int) -> None:
        self.book.apply_snapshot(levels, received, self._full_levels)
        self._emit(levels, received)

    def _verify(self, now: int) -> None:
        """Compare our best levels with the venue's reference snapshot; a difference is a gap.

        The snapshot and the events of its moment may arrive in either order: our levels must equal
        it before those events or after them. Only a message later than the snapshot proves that
        they do not.
        """
        reference = self._reference_snapshot
        if reference is None or now < reference.time:
            return
        is_equal = self._equals(reference)
        if not is_equal and now == reference.time:
            return
        self._reference_snapshot = None
        if not is_equal:
            self.book.count("gaps")
            self.lose("the best levels differ from the venue's reference snapshot")

    def _equals(self, reference: BookSnapshot) -> bool:
        both = zip((self.book.bids, self.book.asks), sides_of(reference), strict=True)
        for side, theirs in both:
            ours = side[: self._feed.verify_depth]
            # Sums of sizes differ in their last digits.
            if ours.shape != theirs.shape or not np.allclose(ours, theirs, 1e-12, 0):
                return False
        return True

    def _begin_epoch(self) -> None:
        book = self.book
        if self._was_live:
            book.count("resyncs")
        book.new_epoch(BookState.INVALID if self._was_live else BookState.SYNCING)
        self._emit(BookStateChange(book.state, self.why), 0)
        self._forget_extension()
        book.count("dropped_before_snapshot", self._sequencer.dropped_before_snapshot)
        self._sequencer.dropped_before_snapshot = 0
        self._was_live = True
        self._ignored = self._ignored_before = 0
        self._crossed_since = None
        self.why = ""

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
            self._applied_time = diff.time
            self._emit(diff, received)
            if self._since_asked is not None:
                self._keep_for_extension(diff, received)

    # Levels farther out, for a book that is in order.

    def _ask_for_levels(self, now: float) -> None:
        """Request levels farther out before the market leaves those that are known."""
        if not self.is_thin:
            return
        if self._since_asked is not None and now - self._asked_at < ASK_AGAIN_AFTER:
            return
        if self._orders.active_bids or self._orders.active_asks:
            # A feed of orders has told them all: only our capacity has left them out.
            image = self._orders.image(self.book.update_id, self.book.venue_time)
            self._replace(image, self.book.receive_time)
            return
        if self._since_asked is None:
            self._since_asked = deque(maxlen=BUFFER)
        self._asked_at = now
        self._request_levels(self.levels_left)

    @property
    def is_thin(self) -> bool:
        """Whether it has fewer levels than wanted, of those that could be had."""
        return self.synced and self.levels_left < self._trusted_levels

    @property
    def levels_left(self) -> int:
        """Levels of the shorter side, of those that are not known wholly; else all there can be."""
        bid_bound, ask_bound = self.book.bounds
        bids, asks = self.book.lengths
        left = [bids] if bid_bound > 0.0 else []
        left += [asks] if ask_bound < float("inf") else []
        return min(left, default=self.book.capacity)

    def _forget_extension(self) -> None:
        self._since_asked = None
        self._farther = None

    def _keep_for_extension(self, diff: BookDiff, received: int) -> None:
        assert self._since_asked is not None
        self._since_asked.append(diff)
        farther = self._farther
        if farther is not None and self._sequencer.update_id >= farther.update_id:
            self._extend(farther, received)

    def _extend(self, message: BookSnapshot, received: int) -> None:
        """Take the levels beyond our bounds out of another snapshot; leave the others."""
        if self._feed.opens_with_snapshot(message.symbol):
            # It stands in the stream between the diffs: it is the whole book of that moment.
            self._sequencer.update_id = message.update_id
            self._forget_extension()
            self._replace(message, received)
            return
        if message.update_id > self._sequencer.update_id:
            self._farther = message
            return
        farther = self._rolled_forward(message)
        self._forget_extension()
        if farther is None:
            return  # older than the diffs that were kept: another one is requested
        if not self._agrees(farther):
            self.book.count("gaps")
            self.lose("the levels differ from the venue's snapshot")
            return
        bids, asks = self.book.extend(farther, received)
        self._emit(
            BookDiff(
                message.symbol,
                bids.tobytes(),
                asks.tobytes(),
                update_id=self.book.update_id,
                time=self.book.venue_time,
                layout=Layout.PACKED,
            ),
            received,
        )

    def _rolled_forward(self, snapshot: BookSnapshot) -> OrderBook | None:
        """The snapshot with the diffs since it; None if the first of them is not there any more."""
        sequencer: Sequencer[BookDiff] = Sequencer()
        for diff in self._since_asked or ():
            sequencer.offer(diff)
        fresh = sequencer.snapshot(snapshot.update_id)
        if fresh is None or sequencer.update_id != self._sequencer.update_id:
            return None
        book = OrderBook(self.book.capacity)
        book.apply_snapshot(snapshot, full_levels=self._full_levels)
        book.apply_diffs(fresh)
        return book

    def _agrees(self, other: OrderBook) -> bool:
        """Whether both have the same levels, as far as both are known."""
        bid_bound = max(self.book.bounds[0], other.bounds[0])
        ask_bound = min(self.book.bounds[1], other.bounds[1])
        our_bids, their_bids = (
            book.bids[book.bids[:, 0] >= bid_bound] for book in (self.book, other)
        )
        our_asks, their_asks = (
            book.asks[book.asks[:, 0] <= ask_bound] for book in (self.book, other)
        )
        return np.array_equal(our_bids, their_bids) and np.array_equal(our_asks, their_asks)

    def _is_right(self, message: BookSnapshot | BookDiff) -> bool:
        """Whether the message's checksum matches; True for a message without a checksum.

        The checksum is computed over a private shadow book: no reader may see levels that turn out
        wrong. The shadow book is created at the first message that carries a checksum: a venue
        that stopped sending them costs nothing.
        """
        if not self._verifies_checksums or (self._shadow_book is None and message.checksum < 0):
            return True
        if self._shadow_book is None:
            self._shadow_book = self._copy()
        shadow = self._shadow_book
        if type(message) is BookSnapshot:
            shadow.apply_snapshot(message)
        else:
            shadow.apply_diff(message)  # type: ignore[arg-type]
        if message.checksum < 0:
            return True
        ours = self._checksum(message.symbol, shadow)
        self._mark_unchecked(ours < 0 and self._feed.gap_check == "checksum")
        if ours in (-1, message.checksum):
            self.checksums_failed = 0
            return True
        self.checksums_failed += 1
        self.lose(f"checksum {ours} instead of {message.checksum}")
        self.book.count("gaps")
        return False

    def _mark_unchecked(self, unchecked: bool) -> None:
        """A book without numbers whose checksum can't be made exactly says so."""
        if unchecked is not self._unchecked:
            self._unchecked = unchecked
            self.book.mark_unchecked(unchecked)

    def _copy(self) -> OrderBook:
        """A copy of the book in private memory."""
        copy = OrderBook(self.book.capacity, self._feed.depth)
        bids = self.book.bids
        asks = self.book.asks
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

    def check_health(self, now: float) -> None:
        """Invalidate a book that stays crossed or ignores every message; call it periodically.

        A book that the market has left is invalidated too, one that it is about to leave requests
        levels farther out. ``now`` in monotonic seconds. A locked book is not a crossed one.
        """
        if self.synced and self.book.state is BookState.INVALID:
            self.lose("the market left the levels that are known")
        self._ask_for_levels(now)
        self._check_ignored(now)
        if not (self.book.is_crossed and self._is_upside_down()):
            self._crossed_since = None
        elif self._crossed_since is None:
            self._crossed_since = now
        elif now - self._crossed_since > CROSSED_FOR:
            self._crossed_since = None
            self.lose("crossed")

    def _check_ignored(self, now: float) -> None:
        """Lose a book whose messages have all been older than it for a while.

        Repetitions come at one moment; messages of a numbering that restarted keep coming.
        """
        if self._ignored == self._ignored_before:
            return
        if not self._ignored_before:
            self._ignored_since = now
        self._ignored_before = self._ignored
        if now - self._ignored_since > IGNORED_FOR:
            self._ignored = self._ignored_before = 0
            self.lose("every message received was older than the book")

    def _is_upside_down(self) -> bool:
        top = self.book.top()
        return self.book.state is BookState.LIVE and bool(top.bid > top.ask)


def _levels_that_come(full_levels: int, book: SharedBook) -> int:
    """How many levels a side another snapshot could bring; 0: no more than the window that moves
    with the market."""
    return 0 if book.is_window else min(full_levels or book.capacity, book.capacity)


def has_checksum(kind: type[BookFeed]) -> bool:
    """Whether a feed's messages carry checksums that we can compute too."""
    return (
        kind.checksum is not BookFeed.checksum
        or kind.orders_checksum is not BookFeed.orders_checksum
    )
