"""OrderBookTracker: keeps the shared books of one shard in sync with its data source."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import pandas as pd

from actors.actor_roles import data_source_actor
from actors.books.book_pipeline import BookPipeline, has_checksum
from actors.books.snapshot_requests import SnapshotRequests
from actors.channel import ChannelAddress, Envelope, Publisher, Reset, Subscriber
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
        clock: Clock = SYSTEM,
        checkpoint: Callable[[str], None] = lambda point: None,
    ) -> None:
        """``data_source``: the actor's name. ``capacity``: levels on each side of a book.

        ``checkpoint`` is called with "mid_snapshot" while a snapshot is applied.
        """
        self._exchange = exchange
        self._peers = peers
        self._clock = clock
        self._run_dir = run_dir
        self._capacity = capacity
        self._checkpoint = checkpoint
        self.data_source = data_source
        self._pipelines: dict[str, BookPipeline] = {}
        self._failed_books: dict[str, str] = {}  # trading pair -> why there is no book
        self._rules: dict[str, TradingRule] = {}  # by symbol; the feed holds it
        self._feed = exchange.book(self._rules, exchange.book.streams[0])
        self.tasks = Tasks()
        self.failed = self.tasks.failed
        self._subscriber = Subscriber(data_source_actor(peers, data_source).endpoint, DataMessage)
        self._snapshot_requests = SnapshotRequests(
            clock,
            lambda pair: self._subscriber.request(pair, self._taken),
            self._needs_snapshot,
        )
        self._publisher = Publisher(socket_path(run_dir, name))
        self._trades: deque[tuple[str, Trade]] = deque(maxlen=MAX_QUEUED_TRADES)
        self._trades_arrived = asyncio.Event()
        self._trade_listeners: list[Callable[[str, Trade], None]] = []
        self.trades_lost = 0
        self._pairs: list[str] | None = None
        self._taken = 0

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
        state = {"state": pipeline.book.state.name, "why": pipeline.why}
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
                await self._take(batch)

    async def _take(self, batch: list[Envelope]) -> None:
        """Route a batch in order: runs of diffs and trades together, anything else on its own."""
        run: list[Envelope] = []
        for envelope in batch:
            kind = type(envelope.message)
            if kind is BookSnapshot or kind is OrdersSnapshot:
                self._order_book_diff_router(run)
                self._order_book_snapshot_router(envelope)
                run = []
            elif kind is Pairs:
                self._order_book_diff_router(run)
                self._taken = envelope.sequence
                await self._take_pairs(envelope.message.trading_pairs)
                run = []
            else:
                run.append(envelope)
        self._order_book_diff_router(run)

    def _order_book_diff_router(self, envelopes: list[Envelope]) -> None:
        """Pass each pair its diffs, trades and interruptions of a batch, in their order."""
        by_pair: dict[str, list[Envelope]] = {}
        if envelopes:
            self._taken = envelopes[-1].sequence
        for envelope in envelopes:
            by_pair.setdefault(envelope.topic, []).append(envelope)
        for pair, own in by_pair.items():
            self._track_single_book(pair, own)

    def _order_book_snapshot_router(self, envelope: Envelope) -> None:
        """Pass a snapshot to its pair's book."""
        self._taken = envelope.sequence
        self._track_single_book(envelope.topic, [envelope])

    def _track_single_book(self, trading_pair: str, envelopes: list[Envelope]) -> None:
        """Apply the messages of one pair, in order; a pair that isn't tracked is ignored."""
        pipeline = self._pipelines.get(trading_pair)
        if pipeline is None:
            return
        take = pipeline.take
        for envelope in envelopes:
            message = envelope.message
            if type(message) is Trade:
                self._queue_trade(trading_pair, message)
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
        self._refresh_tracking_tasks(trading_pairs)

    async def _read_rules(self) -> None:
        """Read the trading rules: checksums cover numbers as the venue formats them."""
        try:
            rules = await data_source_actor(self._peers, self.data_source).trading_rules()
        except TrochilError as error:
            log.warning(
                "%s: no trading rules, checksums go unverified: %s", self.exchange_name, error
            )
            return
        self._rules.update({rule.symbol: rule for rule in rules})

    def _refresh_tracking_tasks(self, trading_pairs: list[str]) -> None:
        """Start to track listed pairs, stop delisted ones; the others are not touched."""
        for pair in [pair for pair in self._pipelines if pair not in trading_pairs]:
            self._stop_tracking(pair)
        for pair in [pair for pair in self._failed_books if pair not in trading_pairs]:
            del self._failed_books[pair]
        for pair in trading_pairs:
            if pair not in self._pipelines:
                self._start_tracking(pair)

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
        )
        publisher = self._publisher

        def emit(message: Any, received: int) -> None:
            if publisher.subscribers:
                publisher.notify_changed(pair)
                if publisher.has_message_subscribers:
                    publisher.publish(
                        pair, message, epoch=book.epoch, sequence=book.sequence, time=received
                    )

        return BookPipeline(
            book,
            self._feed,
            lambda snapshot_expected: self._request_snapshot(pair, snapshot_expected),
            emit,
            self._checkpoint,
        )

    def _stop_tracking(self, pair: str) -> None:
        pipeline = self._pipelines.pop(pair)
        self._snapshot_requests.forget(pair)
        pipeline.book.set_state(BookState.INVALID)
        pipeline.book.close(unlink=True)
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
            for pair, pipeline in self._pipelines.items():
                pipeline.book.heartbeat()
                pipeline.check_health(now)
                if not pipeline.synced:
                    self._snapshot_requests.retry_overdue(pair)
            if self._failed_books and now - retried_at > RETRY_FAILED_AFTER:
                retried_at = now
                self._refresh_tracking_tasks(self._pairs or [])
            await asyncio.sleep(HEARTBEAT_EVERY)

    # Trades.

    def _queue_trade(self, pair: str, trade: Trade) -> None:
        if len(self._trades) == MAX_QUEUED_TRADES:
            self.trades_lost += 1
        self._trades.append((pair, trade))
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
                pair, trade = self._trades.popleft()
                self._publisher.publish(pair, trade, time=trade.time)
                for listener in self._trade_listeners:
                    listener(pair, trade)
