"""OrderBookTracker: keeps the shared books of one shard in sync with its data source."""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import pandas as pd

from actors.actor_roles import data_source_actor
from actors.books.book_channel import BookChannel
from actors.books.book_pipeline import BookPipeline, has_checksum
from actors.books.snapshot_requests import SnapshotRequests
from actors.channel import ChannelAddress, Envelope, Heartbeat, Publisher, Reset, Subscriber
from actors.clock import SYSTEM, Clock
from actors.component import ActorCalls, Tasks
from actors.node_paths import socket_path
from exchanges.contract import Exchange
from exchanges.orders import TradingRule
from orderbook.book import OrderBook
from orderbook.errors import ConfigError, TrochilError
from orderbook.messages import BookSnapshot, BookState, DataMessage, OrdersSnapshot, Pairs, Trade
from orderbook.shared import SharedBook, book_path

log = logging.getLogger(__name__)
HEARTBEAT_EVERY = 0.15
"""Seconds between two heartbeats of every book."""
BELIEVED_FOR = 1_000_000_000
"""ns after which books are STALE when no heartbeat of the data source came."""
CHECKSUMS_FAILED = 2
"""Checksums of one book that must fail in a row before the trading rules are doubted."""
RULES_AGAIN_AFTER = 5.0
"""Seconds between the first two readings of doubted rules; they double."""
RULES_AGAIN_AT_LEAST = 60.0
"""Seconds that this interval grows to."""
RETRY_FAILED_AFTER = 2.0
"""Seconds after which a book that could not be created is tried again."""
MAX_QUEUED_TRADES = 1 << 16
"""Trades queued for listeners, far more than one batch; the oldest are dropped and counted."""
COUNTERS = (
    "epoch",
    "update_id",
    "sequence",
    "applied",
    "ignored",
    "gaps",
    "resyncs",
    "crossed",
    "rejected",
    "dropped_before_snapshot",
)


class OrderBookTracker:
    """The tutorial's tracker. ``order_books``: trading pair -> the book this process writes."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        peers: ActorCalls,
        data_source: str,
        run_dir: str,
        name: str,
        capacity: int = 8192,
        trusted_levels: int = 500,
        whole_snapshots: bool = False,
        generation: Callable[[], Awaitable[int]] | None = None,
        clock: Clock = SYSTEM,
        checkpoint: Callable[[str], None] = lambda point: None,
    ) -> None:
        """``data_source``: the actor's name. ``capacity``: levels on each side of a book.

        ``whole_snapshots``: no level is missing in a snapshot, however many it has.
        ``trusted_levels``: a book that knows fewer on a side requests more. ``generation``: a
        number that no start of a tracker had before; None: the seconds of the clock.

        ``checkpoint`` is called with "mid_snapshot" while a snapshot is applied.
        """
        self._exchange = exchange
        self._peers = peers
        self._clock = clock
        self._run_dir = run_dir
        self._capacity = capacity
        self._trusted_levels = trusted_levels
        self._full_levels = 0 if whole_snapshots else exchange.book.snapshot_levels
        self._generation = generation or self._clock_generation
        self._last_generation = 0
        self._checkpoint = checkpoint
        self.data_source = data_source
        self._pipelines: dict[str, BookPipeline] = {}
        self._channels: dict[str, BookChannel] = {}
        self._failed_books: dict[str, str] = {}  # trading pair -> why there is no book
        self._rules: dict[str, TradingRule] = {}  # by symbol; the feed holds it
        self._feed = exchange.book(self._rules, exchange.book.streams[0])
        self.tasks = Tasks()
        self.failed = self.tasks.failed
        self._subscriber = Subscriber(
            data_source_actor(peers, data_source).endpoint, DataMessage, heartbeats=True
        )
        self._snapshot_requests = SnapshotRequests(
            clock,
            lambda pair: self._subscriber.request(pair, self._taken),
            self._needs_snapshot,
        )
        self._publisher = Publisher(socket_path(run_dir, name))
        self._publisher.serve_images(lambda: self._pipelines, self._image)
        self._trades: deque[tuple[str, Trade, int]] = deque(maxlen=MAX_QUEUED_TRADES)
        self._trades_arrived = asyncio.Event()
        self._trade_listeners: list[Callable[[str, Trade], None]] = []
        self.trades_lost = 0
        self._pairs: list[str] | None = None
        self._rules_wanted = False
        self._rules_due = 0.0
        self._rules_interval = RULES_AGAIN_AFTER
        self._taken = 0
        self._heard = 0
        self._believed = True

    async def start(self) -> None:
        if self._publisher.is_listening:
            return
        await self._publisher.start()
        self.tasks.spawn("follow", self._follow())
        self.tasks.spawn("trades", self._emit_trade_event_loop())
        self.tasks.spawn("heartbeat", self._heartbeat())

    async def stop(self) -> None:
        """Stop tracking; the files of the books are removed."""
        await self.tasks.stop()
        await self._publisher.close()
        for pair in list(self._pipelines):
            self._stop_tracking(pair)

    async def endpoint(self) -> ChannelAddress:
        """The channel with applied snapshots and diffs, trades and change notifications.

        Topics are trading pairs.
        """
        return self._publisher.endpoint()

    @property
    def exchange_name(self) -> str:
        return self._exchange.name

    @property
    def order_books(self) -> dict[str, OrderBook]:
        return {pair: pipeline.book for pair, pipeline in self._pipelines.items()}

    @property
    def ready(self) -> bool:
        """Whether every pair's book is LIVE."""
        if self._pairs is None or self._failed_books:
            return False
        return all(book.state is BookState.LIVE for book in self.order_books.values())

    @property
    def snapshot(self) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
        """Every book as (bids, asks) with columns price and amount, best first."""
        columns = ["price", "amount"]
        return {
            pair: (
                pd.DataFrame(book.bids, columns=columns),
                pd.DataFrame(book.asks, columns=columns),
            )
            for pair, book in self.order_books.items()
        }

    def status(self) -> dict[str, Any]:
        """``taken``: how many of the messages that the data source published were processed."""
        books = {pair: self._describe(pipeline) for pair, pipeline in self._pipelines.items()}
        return {
            "ready": self.ready,
            "books": books,
            "failed_books": self._failed_books,
            "taken": self._taken,
            "trades_lost": self.trades_lost,
        }

    def _describe(self, pipeline: BookPipeline) -> dict[str, Any]:
        meta = pipeline.book.meta()
        bid_levels, ask_levels = pipeline.book.lengths
        bid_bound, ask_bound = pipeline.book.bounds
        state = {
            "state": pipeline.book.state.name,
            "why": pipeline.why,
            "unchecked": bool(meta["unchecked"]),
            "levels": [bid_levels, ask_levels],
            "known_to": [bid_bound or None, None if math.isinf(ask_bound) else ask_bound],
            "thin": pipeline.is_thin,
        }
        if self._exchange.bridged:
            state["note"] = self._exchange.about.gaps
        return state | {name: meta[name] for name in COUNTERS}

    # From the channel to the books.

    async def _follow(self) -> None:
        async for batch in self._subscriber.batches():
            if isinstance(batch[0], Reset):
                self._taken = 0  # the publisher may be another one, that numbers anew
                self._lose_all(batch[0].reason)
            else:
                self._judge()
                await self._take(batch)

    async def _take(self, batch: list[Envelope]) -> None:
        """Route a batch in order: runs of diffs and trades together, anything else on its own."""
        run: list[Envelope] = []
        for envelope in batch:
            kind = type(envelope.message)
            self._check_sequence(envelope, is_heartbeat=kind is Heartbeat)
            if kind is BookSnapshot or kind is OrdersSnapshot:
                self._order_book_diff_router(run)
                self._order_book_snapshot_router(envelope)
                run = []
            elif kind is Pairs:
                self._order_book_diff_router(run)
                await self._take_pairs(envelope.message.trading_pairs)
                run = []
            elif kind is Heartbeat:
                self._order_book_diff_router(run)
                self._heard = envelope.message.sent_at
                self._judge()
                run = []
            else:
                run.append(envelope)
        self._order_book_diff_router(run)

    def _check_sequence(self, envelope: Envelope, is_heartbeat: bool) -> None:
        """A hole in the channel's own numbers is a loss of unknown messages."""
        expected = self._taken if is_heartbeat else self._taken + 1
        if self._taken and envelope.sequence not in (0, expected):
            self._lose_all(f"messages {expected} to {envelope.sequence} of its channel are missing")
        self._taken = envelope.sequence

    def _judge(self) -> None:
        """Believe the books while the last heartbeat that was processed is young.

        It stood in the channel behind everything that was published before it. So after a stall,
        of the data source or of ours, all that waits is applied before the books are LIVE again.
        """
        believed = time.monotonic_ns() - self._heard <= BELIEVED_FOR
        if believed is self._believed:
            return
        self._believed = believed
        why = "" if believed else "no sign of life of its data source for a second"
        for pipeline in self._pipelines.values():
            pipeline.believe(believed, why)

    def _order_book_diff_router(self, envelopes: list[Envelope]) -> None:
        """Pass each pair its diffs, trades and interruptions of a batch, in their order."""
        by_pair: dict[str, list[Envelope]] = {}
        for envelope in envelopes:
            by_pair.setdefault(envelope.topic, []).append(envelope)
        for pair, own in by_pair.items():
            self._track_single_book(pair, own)

    def _order_book_snapshot_router(self, envelope: Envelope) -> None:
        """Pass a snapshot to its pair's book."""
        self._track_single_book(envelope.topic, [envelope])

    def _track_single_book(self, trading_pair: str, envelopes: list[Envelope]) -> None:
        """Apply the messages of one pair, in order; a pair that isn't tracked is ignored."""
        pipeline = self._pipelines.get(trading_pair)
        if pipeline is None:
            return
        take = pipeline.take
        heard = envelopes[-1].time
        if heard:  # an interruption is our own word
            pipeline.book.note_heard(heard)
        for envelope in envelopes:
            message = envelope.message
            if type(message) is Trade:
                self._queue_trade(trading_pair, message, envelope.time)
            else:
                take(message, envelope.time)

    def _lose_all(self, why: str) -> None:
        for pipeline in self._pipelines.values():
            pipeline.lose(why)

    # The set of books.

    async def _take_pairs(self, trading_pairs: list[str]) -> None:
        self._pairs = trading_pairs
        if has_checksum(self._exchange.book):
            await self._read_rules()
        if any(pair not in self._pipelines for pair in trading_pairs):
            # Also for a pair that was here before: it may have been elsewhere in between.
            self._last_generation = await self._generation()
        self._refresh_tracking_tasks(trading_pairs)

    async def _read_rules(self) -> None:
        """Read the trading rules: checksums cover numbers as the venue formats them."""
        self._rules_wanted = False
        try:
            rules = await data_source_actor(self._peers, self.data_source).trading_rules()
        except TrochilError as error:
            log.warning(
                "%s: no trading rules, checksums go unverified: %s", self.exchange_name, error
            )
            self._rules_wanted = True
            return
        if all(self._rules.get(rule.symbol) == rule for rule in rules):
            return
        self._rules.update({rule.symbol: rule for rule in rules})
        for pair, pipeline in self._pipelines.items():
            if pipeline.checksums_failed and not pipeline.synced:
                self._snapshot_requests.forget(pair)
                self._snapshot_requests.request(pair)

    def _doubt_rules(self, now: float) -> None:
        """Have the rules read again while checksums keep failing: they may have changed."""
        failing = any(
            pipeline.checksums_failed >= CHECKSUMS_FAILED for pipeline in self._pipelines.values()
        )
        if not (failing or self._rules_wanted):
            self._rules_interval = RULES_AGAIN_AFTER
        elif now >= self._rules_due:
            self._rules_due = now + self._rules_interval
            self._rules_interval = min(2 * self._rules_interval, RULES_AGAIN_AT_LEAST)
            self.tasks.spawn("rules", self._renew_rules(failing))

    async def _renew_rules(self, failing: bool) -> None:
        if failing:
            try:
                await data_source_actor(self._peers, self.data_source).refresh_rules()
            except TrochilError as error:
                log.warning("%s: its markets can't be read: %s", self.exchange_name, error)
        await self._read_rules()

    def _refresh_tracking_tasks(self, trading_pairs: list[str]) -> None:
        """Start to track listed pairs, stop delisted ones; the others are not touched."""
        for pair in [pair for pair in self._pipelines if pair not in trading_pairs]:
            self._stop_tracking(pair)
        for pair in [pair for pair in self._failed_books if pair not in trading_pairs]:
            del self._failed_books[pair]
        for pair in trading_pairs:
            if pair not in self._pipelines:
                self._start_tracking(pair)

    async def _clock_generation(self) -> int:
        return max(int(self._clock.time()), self._last_generation + 1)

    def _start_tracking(self, pair: str) -> None:
        """A book that can't be created is reported in the status and retried; the others go on."""
        try:
            self._pipelines[pair] = self._new_pipeline(pair)
        except ConfigError as error:
            if self._failed_books.get(pair) != str(error):
                log.error("%s: no book of %s: %s", self.exchange_name, pair, error)
            self._failed_books[pair] = str(error)
            return
        self._failed_books.pop(pair, None)
        self._request_snapshot(pair, snapshot_expected=self._feed.opens_with_snapshot(pair))

    def _new_pipeline(self, pair: str) -> BookPipeline:
        book = SharedBook.create(
            book_path(self._run_dir, self._exchange.name, pair),
            venue=self._exchange.name,
            trading_pair=pair,
            capacity=self._capacity,
            max_depth=self._exchange.book.depth,
            generation=self._last_generation,
        )
        book.publish_as(BookState.LIVE if self._believed else BookState.STALE)
        self._channels[pair] = BookChannel(self._publisher, pair, book)
        return BookPipeline(
            book,
            self._feed,
            lambda snapshot_expected: self._request_snapshot(pair, snapshot_expected),
            self._channels[pair].emit,
            self._checkpoint,
            request_levels=lambda levels_left: self._request_levels(pair, levels_left),
            trusted_levels=self._trusted_levels,
            full_levels=self._full_levels,
        )

    def _image(self, pair: str) -> Envelope | None:
        channel = self._channels.get(pair)
        return None if channel is None else channel.image()

    def _request_levels(self, pair: str, levels_left: int) -> None:
        self._subscriber.request(pair, self._taken, levels_left)

    def _stop_tracking(self, pair: str) -> None:
        pipeline = self._pipelines.pop(pair)
        self._snapshot_requests.forget(pair)
        pipeline.book.set_state(BookState.INVALID)
        pipeline.book.close(unlink=True)
        self._channels.pop(pair).end()
        self._publisher.notify_changed(pair)

    def _request_snapshot(self, pair: str, snapshot_expected: bool = False) -> None:
        """Request a snapshot, unless the feed sends one; subscribers are notified of the change."""
        self._publisher.notify_changed(pair)
        if snapshot_expected:
            self._snapshot_requests.expect(pair)
        else:
            self._snapshot_requests.request(pair)

    def _needs_snapshot(self, pair: str) -> bool:
        return pair in self._pipelines and not self._pipelines[pair].synced

    async def _heartbeat(self) -> None:
        retried_at = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            self._judge()
            for pair, pipeline in self._pipelines.items():
                pipeline.book.heartbeat()
                pipeline.check_health(now)
                if not pipeline.synced:
                    self._snapshot_requests.retry_overdue(pair)
            self._doubt_rules(now)
            if self._failed_books and now - retried_at > RETRY_FAILED_AFTER:
                retried_at = now
                self._refresh_tracking_tasks(self._pairs or [])
            await asyncio.sleep(HEARTBEAT_EVERY)

    # Trades.

    def _queue_trade(self, pair: str, trade: Trade, received: int) -> None:
        if len(self._trades) == MAX_QUEUED_TRADES:
            self.trades_lost += 1
        self._trades.append((pair, trade, received))
        self._trades_arrived.set()

    def add_trade_listener(self, listener: Callable[[str, Trade], None]) -> None:
        """Call ``listener(pair, trade)`` with every trade from now on; it must not block."""
        self._trade_listeners.append(listener)

    def remove_trade_listener(self, listener: Callable[[str, Trade], None]) -> None:
        self._trade_listeners.remove(listener)

    async def _emit_trade_event_loop(self) -> None:
        """Pass every trade to subscribers and listeners, until cancelled."""
        while True:
            await self._trades_arrived.wait()
            self._trades_arrived.clear()
            while self._trades:
                pair, trade, received = self._trades.popleft()
                channel = self._channels.get(pair)
                if channel is not None:
                    channel.trade(trade, received)
                for listener in self._trade_listeners:
                    listener(pair, trade)
