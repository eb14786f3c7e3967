"""Books and trades over ccxt.pro: the counterpart of FeedConnection for ccxt's own sockets."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from actors.books.feed_connection import CHECK_EVERY, FeedListener
from actors.clock import Clock
from actors.transport.ccxt_rest import CcxtRest
from actors.transport.ccxt_sockets import CcxtSockets
from actors.transport.rest import Rest
from actors.transport.websocket import Backoff, keep_connected
from exchanges.ccxt_reading import is_crossed, read_book, read_trade
from exchanges.ccxt_venue import UNCHECKED
from exchanges.contract import MALFORMED, Auth, BookFeed, Endpoints, ErrorKind, Exchange, Fault
from exchanges.rows import bad_row, unreadable
from orderbook.errors import Disconnected, VenueError
from orderbook.messages import BookSnapshot

log = logging.getLogger(__name__)
STALE_AFTER = 120.0
"""Seconds without a message for any pair after which the connection is considered stale."""
MAX_RECENT_TRADES = 1000
"""Trade ids kept per pair for deduplication: some venues resend the last trades on connecting."""


class CcxtConnection:
    """Watches the listener's symbols until cancelled.

    ``epoch`` grows whenever the connection opens or ends.
    """

    carries_books = True

    def __init__(
        self,
        exchange: Exchange,
        make_feed: Callable[[], BookFeed],
        listener: FeedListener,
        *,
        hosts: Endpoints,
        rest: Rest,
        auth: Auth | None,
        clock: Clock,
    ) -> None:
        assert isinstance(rest, CcxtRest)
        self._exchange = exchange
        self._listener = listener
        self._clock = clock
        self._sockets = CcxtSockets(exchange, rest)
        self._group: asyncio.TaskGroup | None = None
        self._opened = asyncio.Event()
        self._watching: dict[str, list[asyncio.Task[None]]] = {}
        self._last_snapshots: dict[str, BookSnapshot] = {}
        self._recent_trades: dict[str, deque[str]] = {}
        self.epoch = 0
        self.snapshots = 0
        self.trades = 0
        self.trades_without_side = 0
        self.rejected = 0
        self.connects = 0
        self.bad_frames: deque[bytes] = deque(maxlen=16)
        self.last_recv_time = 0.0
        self._ended_for = ""

    @property
    def is_open(self) -> bool:
        return self._group is not None

    @property
    def has_unread(self) -> bool:
        """ccxt doesn't show its sockets."""
        return False

    @property
    def received(self) -> int:
        """Snapshots and trades; ccxt doesn't show its frames."""
        return self.snapshots + self.trades

    def status(self) -> dict[str, Any]:
        return {
            "note": UNCHECKED,
            "open": self.is_open,
            "connects": self.connects,
            "snapshots": self.snapshots,
            "trades": self.trades,
            "trades_without_side": self.trades_without_side,
            "rejected": self.rejected,
            "silent": sorted(self._watching.keys() - self._last_snapshots.keys())[:20],
            "error": self.error,
        }

    @property
    def error(self) -> str:
        """Why the connection ended last, until a snapshot arrives on a new one."""
        return "" if self._last_snapshots else self._ended_for

    async def run(self) -> None:
        """Keep the connection open until cancelled; raises only errors of our own code."""
        await keep_connected(self._run_once, self._on_ended, self._clock)

    async def _run_once(self) -> None:
        async with self._sockets.opened() as group:
            self._group = group
            self.epoch += 1
            self.connects += 1
            self._opened.set()
            self._listener.on_disconnect(self._listener.symbols, "a new connection")
            await self.subscribe(list(self._listener.symbols))
            await self._watch_staleness()

    def _on_ended(self, error: Exception) -> None:
        log.info("%s: connection ended: %s", self._exchange.name, error)
        self._ended_for = str(error)
        self._group = None
        self.epoch += 1
        self._opened.clear()
        self._watching.clear()
        self._last_snapshots.clear()
        self._listener.on_disconnect(self._listener.symbols, str(error))

    async def _watch_staleness(self) -> None:
        last_seen = self._clock.monotonic()
        counted = self.snapshots + self.trades
        while True:
            await asyncio.sleep(CHECK_EVERY)
            now = self._clock.monotonic()
            received = self.snapshots + self.trades
            if received != counted or not self._watching:
                counted = received
                last_seen = now
            elif now - last_seen > STALE_AFTER:
                raise Disconnected(f"no data for {now - last_seen:.0f} s")

    def note_moved(self, symbol: str) -> None:
        """Nothing: books and trades of a pair come by the same connection."""

    def is_doubted(self, symbol: str) -> bool:
        """Whether a snapshot would be of no use; ccxt's books are never doubted."""
        return False

    async def wait_for_first_message(self, symbol: str) -> bool:
        """Wait until ccxt watches; always False: ccxt doesn't report a symbol's first message."""
        await self._opened.wait()
        return False

    async def subscribe(self, symbols: Iterable[str]) -> None:
        """Watch symbols; a no-op while not connected, because connecting subscribes all."""
        for symbol in symbols:
            if self._group is not None and symbol not in self._watching:
                jobs = [self._follow(symbol, "watch_order_book", self._take_book, True)]
                if "watchTrades" in self._exchange.bridged:
                    jobs.append(self._follow(symbol, "watch_trades", self._take_trades, False))
                self._watching[symbol] = [
                    self._group.create_task(job, name=f"watch {symbol}") for job in jobs
                ]

    async def unsubscribe(self, symbols: Iterable[str]) -> None:
        """Stop watching. Most venues learn of it at the next connection: ccxt can't unsubscribe."""
        for symbol in symbols:
            for task in self._watching.pop(symbol, ()):
                task.cancel()
            self._last_snapshots.pop(symbol, None)

    async def request_snapshot(self, symbol: str) -> None:
        """Emit the last snapshot again; a crossed one ends the connection.

        Before the first snapshot it does nothing: one is on its way.
        """
        snapshot = self._last_snapshots.get(symbol)
        if snapshot is not None and is_crossed(snapshot):
            self._sockets.break_off(f"ccxt's book of {symbol} is crossed")
        elif snapshot is not None:
            self._listener.on_message(snapshot, self._clock.time_ns())

    async def _follow(
        self, symbol: str, method: str, take: Callable[[str, Any], None], is_book: bool
    ) -> None:
        """Watch one channel of one symbol. Its own errors are reported, then it is retried."""
        backoff = Backoff()
        began = self._clock.monotonic()
        while True:
            try:
                take(symbol, await self._sockets.watch(method, symbol))
                await self._listener.drain()
                continue
            except VenueError as error:
                fault = Fault(
                    ErrorKind.UNKNOWN, error.code, f"{method} {symbol}: {error.message}", (symbol,)
                )
            except MALFORMED as error:
                self.rejected += 1
                fault = Fault(
                    ErrorKind.UNKNOWN,
                    type(error).__name__,
                    f"{method} {symbol}: {error}",
                    (symbol,),
                )
            self._listener.on_error(fault)
            if is_book:
                self._last_snapshots.pop(symbol, None)
                self._listener.on_disconnect([symbol], fault.message)
            backoff.lasted(self._clock.monotonic() - began)
            await backoff.wait()
            began = self._clock.monotonic()

    def _take_book(self, symbol: str, book: Any) -> None:
        snapshot = read_book(symbol, book)
        before = self._last_snapshots.get(symbol)
        if before is not None and snapshot.update_id < before.update_id:
            self._listener.on_disconnect([symbol], "the venue restarted its numbering")
        self._last_snapshots[symbol] = snapshot
        self.snapshots += 1
        self._emit(snapshot)

    def _take_trades(self, symbol: str, rows: list[Any]) -> None:
        recent = self._recent_trades.setdefault(symbol, deque(maxlen=MAX_RECENT_TRADES))
        for row in rows:
            try:
                trade = read_trade(symbol, row)
            except MALFORMED as error:
                self.rejected += 1
                bad = bad_row(f"watch_trades {symbol}", error, repr(row).encode())
                self.bad_frames.append(bad.row[:4096])
                self._listener.on_error(unreadable(bad))
                continue
            if trade is None:
                self.trades_without_side += 1
            elif not trade.trade_id or trade.trade_id not in recent:
                recent.append(trade.trade_id)
                self.trades += 1
                self._emit(trade)

    def _emit(self, message: Any) -> None:
        received = self._clock.time_ns()
        self.last_recv_time = received / 1e9
        self._listener.on_message(message, received)
