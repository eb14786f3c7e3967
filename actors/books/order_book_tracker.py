"""OrderBookTracker: keeps the shared books of one shard true to what its data source says."""

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
BEAT_EVERY = 0.15
"""Seconds between two heartbeats of every book."""
TRY_REFUSED_AFTER = 2.0
"""Seconds after which a book that could not be made is tried again."""
TRADES_WAITING = 1 << 16
"""Trades on their way to listeners; far more than one batch holds. The oldest go first, counted."""
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
        """``data_source``: the actor's name. ``capacity``: levels a side. ``checkpoint`` is told "mid_snapshot"."""
        self._exchange, self._peers, self._clock, self._run_dir = exchange, peers, clock, run_dir
        self._capacity, self._checkpoint = capacity, checkpoint
        self.data_source = data_source
        self._tracks: dict[str, BookPipeline] = {}
        self._refused: dict[str, str] = {}
        self._rules: dict[str, TradingRule] = {}  # by symbol; the feed holds it
        self._feed = exchange.book(self._rules, exchange.book.streams[0])
        self.tasks = Tasks()
        self.failed = self.tasks.failed
        self._subscriber = Subscriber(data_source_actor(peers, data_source).endpoint, DataMessage)
        self._snapshot_requests = SnapshotRequests(
            clock, self._subscriber.request, self._needs_snapshot
        )
        self._publisher = Publisher(socket_path(run_dir, name))
        self._trades: deque[tuple[str, Trade]] = deque(maxlen=TRADES_WAITING)
        self._trades_came = asyncio.Event()
        self._trade_listeners: list[Callable[[str, Trade], None]] = []
        self.trades_lost = 0
        self._pairs: list[str] | None = None

    async def start(self) -> None:
        if self._publisher.is_listening:
            return
        await self._publisher.start()
        self.tasks.spawn("follow", self._follow())
        self.tasks.spawn("trades", self._emit_trade_event_loop())
        self.tasks.spawn("beat", self._beat())

    async def stop(self) -> None:
        """End; the books' files go with their writer."""
        await self.tasks.stop()
        await self._publisher.close()
        for pair in list(self._tracks):
            self._stop_tracking(pair)

    async def endpoint(self) -> ChannelAddress:
        """Where applied snapshots and diffs, trades, and names of changed pairs are served; topics are pairs."""
        return self._publisher.endpoint()

    @property
    def exchange_name(self) -> str:
        return self._exchange.name

    @property
    def order_books(self) -> dict[str, OrderBook]:
        return {pair: track.book for pair, track in self._tracks.items()}

    @property
    def ready(self) -> bool:
        """Whether every pair's book is LIVE."""
        known = self._pairs is not None and not self._refused
        return known and all(track.book.state is BookState.LIVE for track in self._tracks.values())

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
        books = {pair: self._describe(track) for pair, track in self._tracks.items()}
        return {
            "ready": self.ready,
            "books": books,
            "refused": self._refused,
            "trades_lost": self.trades_lost,
        }

    def _describe(self, track: BookPipeline) -> dict[str, Any]:
        meta = track.book.meta()
        state = {"state": track.book.state.name, "why": track.why}
        if self._exchange.bridged:
            state["note"] = self._exchange.about.gaps
        return state | {name: meta[name] for name in COUNTERS}

    # From the channel to the books.

    async def _follow(self) -> None:
        async for batch in self._subscriber.batches():
            if isinstance(batch[0], Reset):
                self._lose_all(batch[0].reason)
            else:
                await self._take(batch)

    async def _take(self, batch: list[Envelope]) -> None:
        """Route a batch, in order: what is rare on its own, runs of diffs and trades together."""
        run: list[Envelope] = []
        for envelope in batch:
            kind = type(envelope.message)
            if kind is BookSnapshot or kind is OrdersSnapshot:
                self._order_book_diff_router(run)
                self._order_book_snapshot_router(envelope)
                run = []
            elif kind is Pairs:
                self._order_book_diff_router(run)
                await self._take_pairs(envelope.message.trading_pairs)
                run = []
            else:
                run.append(envelope)
        self._order_book_diff_router(run)

    def _order_book_diff_router(self, envelopes: list[Envelope]) -> None:
        """Give each pair its diffs, trades and losses of a batch, in their order."""
        by_pair: dict[str, list[Envelope]] = {}
        for envelope in envelopes:
            by_pair.setdefault(envelope.topic, []).append(envelope)
        for pair, own in by_pair.items():
            self._track_single_book(pair, own)

    def _order_book_snapshot_router(self, envelope: Envelope) -> None:
        """Give a snapshot to its pair's book."""
        self._track_single_book(envelope.topic, [envelope])

    def _track_single_book(self, trading_pair: str, envelopes: list[Envelope]) -> None:
        """Apply what came for one pair, in order; a pair that isn't tracked (any more) is ignored."""
        track = self._tracks.get(trading_pair)
        if track is None:
            return
        take = track.take
        for envelope in envelopes:
            message = envelope.message
            if type(message) is Trade:
                self._queue_trade(trading_pair, message)
            else:
                take(message, envelope.time)

    def _lose_all(self, why: str) -> None:
        for track in self._tracks.values():
            track.lose(why)

    # Which books there are.

    async def _take_pairs(self, trading_pairs: list[str]) -> None:
        self._pairs = trading_pairs
        if has_checksum(self._exchange.book):
            await self._read_rules()
        self._refresh_tracking_tasks(trading_pairs)

    async def _read_rules(self) -> None:
        """Checksums are made of numbers as the venue writes them: that takes its rules."""
        try:
            rules = await data_source_actor(self._peers, self.data_source).trading_rules()
        except TrochilError as error:
            log.warning(
                "%s: its rules are not known, books go unchecked: %s", self.exchange_name, error
            )
            return
        self._rules.update({rule.symbol: rule for rule in rules})

    def _refresh_tracking_tasks(self, trading_pairs: list[str]) -> None:
        """Begin to track what is listed, end what is delisted; the rest goes on undisturbed."""
        for pair in [pair for pair in self._tracks if pair not in trading_pairs]:
            self._stop_tracking(pair)
        self._refused = {pair: why for pair, why in self._refused.items() if pair in trading_pairs}
        for pair in trading_pairs:
            if pair not in self._tracks:
                self._start_tracking(pair)

    def _start_tracking(self, pair: str) -> None:
        """A book that can't be made is told in the status and tried again; the others go on."""
        try:
            self._tracks[pair] = self._new_track(pair)
        except ConfigError as error:
            if self._refused.get(pair) != str(error):
                log.error("%s: no book of %s: %s", self.exchange_name, pair, error)
            self._refused[pair] = str(error)
            return
        self._refused.pop(pair, None)
        self._ask(pair, snapshot_expected=self._feed.opens_with_snapshot(pair))

    def _new_track(self, pair: str) -> BookPipeline:
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
                publisher.mark(pair)
                if publisher.has_readers:
                    publisher.publish(
                        pair, message, epoch=book.epoch, sequence=book.sequence, time=received
                    )

        return BookPipeline(
            book,
            self._feed,
            lambda snapshot_expected: self._ask(pair, snapshot_expected),
            emit,
            self._checkpoint,
        )

    def _stop_tracking(self, pair: str) -> None:
        track = self._tracks.pop(pair)
        self._snapshot_requests.forget(pair)
        track.book.set_state(BookState.INVALID)
        track.book.close(unlink=True)
        self._publisher.mark(pair)

    def _ask(self, pair: str, snapshot_expected: bool = False) -> None:
        """Request a snapshot that isn't snapshot_expected; whoever follows the book learns that its state changed."""
        self._publisher.mark(pair)
        (self._snapshot_requests.expect if snapshot_expected else self._snapshot_requests.ask)(pair)

    def _needs_snapshot(self, pair: str) -> bool:
        return pair in self._tracks and not self._tracks[pair].synced

    async def _beat(self) -> None:
        refused_at = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            for pair, track in self._tracks.items():
                track.book.heartbeat()
                track.look(now)
                if not track.synced:
                    self._snapshot_requests.look(pair)
            if self._refused and now - refused_at > TRY_REFUSED_AFTER:
                refused_at = now
                self._refresh_tracking_tasks(self._pairs or [])
            await asyncio.sleep(BEAT_EVERY)

    # Trades.

    def _queue_trade(self, pair: str, trade: Trade) -> None:
        self.trades_lost += len(self._trades) == TRADES_WAITING
        self._trades.append((pair, trade))
        self._trades_came.set()

    def add_trade_listener(self, listener: Callable[[str, Trade], None]) -> None:
        """Call ``listener(trading pair, trade)`` with every trade from now on; it must return at once."""
        self._trade_listeners.append(listener)

    def remove_trade_listener(self, listener: Callable[[str, Trade], None]) -> None:
        self._trade_listeners.remove(listener)

    async def _emit_trade_event_loop(self) -> None:
        """Hand every trade to subscribers and listeners, until cancelled."""
        while True:
            await self._trades_came.wait()
            self._trades_came.clear()
            while self._trades:
                pair, trade = self._trades.popleft()
                self._publisher.publish(pair, trade, time=trade.time)
                for listener in self._trade_listeners:
                    listener(pair, trade)
