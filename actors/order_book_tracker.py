"""OrderBookTracker: keeps the shared books of one shard true to what its data source says."""

import asyncio
from collections.abc import Callable
from typing import Any

from actors.channel import Endpoint, Envelope, Publisher, Reset, Subscriber
from actors.clock import SYSTEM, Clock
from actors.component import Peers, Tasks
from actors.node import socket_path
from actors.track import Track
from exchanges.contract import Exchange
from orderbook.book import OrderBook
from orderbook.messages import BookState, DataMessage, Pairs, Trade
from orderbook.shared import SharedBook, book_path

BEAT_EVERY = 0.2
"""Seconds between two heartbeats of every book."""
ASK_AGAIN_AFTER = 5.0
"""Seconds after which a book that still isn't live asks for a snapshot again."""
ASK_GAP = 0.2
"""Least seconds between two requests for one pair's snapshot."""
TRADES_KEPT = 1000


class OrderBookTracker:
    """The tutorial's tracker. ``order_books``: trading pair -> the book this process writes."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        peers: Peers,
        data_source: str,
        run_dir: str,
        name: str,
        capacity: int = 8192,
        clock: Clock = SYSTEM,
        checkpoint: Callable[[str], None] = lambda point: None,
    ) -> None:
        self._exchange, self._clock, self._run_dir, self._name = exchange, clock, run_dir, name
        self._capacity, self._checkpoint = capacity, checkpoint
        self.data_source = data_source
        self._tracks: dict[str, Track] = {}
        self._asked_at: dict[str, float] = {}
        self._feed = exchange.book({}, "")
        self.tasks = Tasks()
        self.failed = self.tasks.failed
        self._subscriber = Subscriber(lambda: peers.call(data_source, "endpoint"), DataMessage)
        self._publisher = Publisher(socket_path(run_dir, name))
        self._trades: asyncio.Queue[Trade] = asyncio.Queue(TRADES_KEPT)
        self._trade_listeners: list[Callable[[str, Trade], None]] = []
        self._pairs_known = False

    async def start(self) -> None:
        await self._publisher.start()
        self.tasks.spawn("follow", self._follow())
        self.tasks.spawn("beat", self._beat())

    async def stop(self) -> None:
        await self.tasks.stop()
        await self._publisher.close()
        for pair in list(self._tracks):
            self._stop_tracking(pair)

    def endpoint(self) -> Endpoint:
        """Where applied diffs, and names of changed pairs, are served."""
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
        return self._pairs_known and all(track.book.state is BookState.LIVE for track in self._tracks.values())

    @property
    def snapshot(self) -> dict[str, tuple[Any, Any]]:
        """Every book as (bids, asks) pandas DataFrames with columns price and amount, best first."""
        import pandas as pd

        columns = ["price", "amount"]
        return {
            pair: (pd.DataFrame(book.bids, columns=columns), pd.DataFrame(book.asks, columns=columns))
            for pair, book in self.order_books.items()
        }

    def status(self) -> dict[str, Any]:
        return {"ready": self.ready, "books": {p: self._describe(t) for p, t in self._tracks.items()}}

    def _describe(self, track: Track) -> dict[str, Any]:
        names = ("epoch", "update_id", "sequence", "applied", "gaps", "resyncs", "rejected")
        meta = track.book.meta()
        return {"state": track.book.state.name} | {name: meta[name] for name in names}

    async def _follow(self) -> None:
        async for batch in self._subscriber.batches():
            if isinstance(batch[0], Reset):
                self._lose_all()
                continue
            by_pair: dict[str, list[Envelope]] = {}
            for envelope in batch:
                by_pair.setdefault(envelope.topic, []).append(envelope)
            for topic, envelopes in by_pair.items():
                if topic:
                    self._track_single_book(topic, envelopes)
                else:
                    self._take_pairs(envelopes[-1].message)

    def _take_pairs(self, message: Any) -> None:
        if isinstance(message, Pairs):
            self._pairs_known = True
            self._refresh_tracking_tasks(message.trading_pairs)

    def _refresh_tracking_tasks(self, trading_pairs: list[str]) -> None:
        """Begin to track what is listed, end what is delisted; the rest goes on undisturbed."""
        for pair in [pair for pair in self._tracks if pair not in trading_pairs]:
            self._stop_tracking(pair)
        for pair in trading_pairs:
            if pair not in self._tracks:
                self._tracks[pair] = self._new_track(pair)
                self._ask(pair)

    def _new_track(self, pair: str) -> Track:
        book = SharedBook.create(
            book_path(self._run_dir, self._exchange.name, pair),
            venue=self._exchange.name,
            trading_pair=pair,
            capacity=self._capacity,
            max_depth=self._exchange.book.depth,
        )
        publisher = self._publisher

        def emit(message: Any, received: int) -> None:
            if not publisher.subscribers:
                return
            publisher.mark(pair)
            if publisher.has_readers:
                publisher.publish(pair, message, epoch=book.epoch, sequence=book.sequence, time=received)

        return Track(book, self._feed, lambda: self._ask(pair), emit, self._checkpoint)

    def _stop_tracking(self, pair: str) -> None:
        track = self._tracks.pop(pair)
        track.book.set_state(BookState.INVALID)
        track.book.close(unlink=True)
        self._publisher.mark(pair)

    def _ask(self, pair: str) -> None:
        """Request a snapshot, at once or, where the last request is young, a little later."""
        now, last = self._clock.monotonic(), self._asked_at.get(pair, -ASK_GAP)
        self._publisher.mark(pair)
        if now - last >= ASK_GAP:
            self._asked_at[pair] = now
            self._subscriber.request(pair)
        elif now >= last:
            self._asked_at[pair] = last + ASK_GAP
            asyncio.get_running_loop().call_later(last + ASK_GAP - now, self._ask_later, pair)

    def _ask_later(self, pair: str) -> None:
        if pair in self._tracks and not self._tracks[pair].synced:
            self._subscriber.request(pair)

    def _lose_all(self) -> None:
        for track in self._tracks.values():
            track.lose()

    def _track_single_book(self, trading_pair: str, envelopes: list[Envelope]) -> None:
        """Apply what came for one pair, in order."""
        track = self._tracks.get(trading_pair)
        if track is None:
            return
        take = track.take
        for envelope in envelopes:
            message = envelope.message
            if type(message) is Trade:
                self._emit_trade(trading_pair, message)
            take(message, envelope.time)

    def _order_book_diff_router(self, trading_pair: str, message: Any, received: int = 0) -> None:
        """Give one diff to its pair's track; a pair that isn't tracked is ignored."""
        if trading_pair in self._tracks:
            self._tracks[trading_pair].take(message, received)

    def _order_book_snapshot_router(self, trading_pair: str, message: Any, received: int = 0) -> None:
        """Give one snapshot to its pair's track."""
        if trading_pair in self._tracks:
            self._tracks[trading_pair].take(message, received)

    def _emit_trade(self, pair: str, trade: Trade) -> None:
        self._publisher.publish(pair, trade, time=trade.time)
        if self._trade_listeners:
            if self._trades.full():
                self._trades.get_nowait()
            self._trades.put_nowait(trade)

    async def _emit_trade_event_loop(self, listener: Callable[[Trade], None]) -> None:
        """Call ``listener`` with every trade until cancelled; one that is 1,000 behind loses the oldest."""
        marker = lambda pair, trade: None  # noqa: E731
        self._trade_listeners.append(marker)
        try:
            while True:
                listener(await self._trades.get())
        finally:
            self._trade_listeners.remove(marker)

    async def _beat(self) -> None:
        while True:
            now = self._clock.monotonic()
            for pair, track in self._tracks.items():
                track.book.heartbeat()
                track.look(now)
                if track.book.state is not BookState.LIVE and now - self._asked_at.get(pair, now) > ASK_AGAIN_AFTER:
                    self._ask(pair)
            await asyncio.sleep(BEAT_EVERY)
