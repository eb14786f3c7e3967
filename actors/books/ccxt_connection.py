"""Books and trades by ccxt: what FeedConnection is for our own sockets, for those of ccxt."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from actors.books.feed_connection import LOOK_EVERY, FeedListener
from actors.clock import Clock
from actors.transport.ccxt_rest import CcxtRest
from actors.transport.ccxt_sockets import CcxtSockets
from actors.transport.rest import Rest
from actors.transport.websocket import Backoff, keep_connected
from exchanges.ccxt_reading import is_crossed, read_book, read_trade
from exchanges.ccxt_venue import UNCHECKED
from exchanges.contract import MALFORMED, Auth, BookFeed, Endpoints, ErrorKind, Exchange, Fault
from orderbook.errors import Disconnected, VenueError
from orderbook.messages import BookSnapshot

log = logging.getLogger(__name__)
STALE_AFTER = 120.0
"""Seconds without a word of any pair after which ccxt's sockets are not believed any more."""
TRADES_KNOWN = 1000
"""Trades of a pair whose repetition is noticed: some venues tell the last ones again after connecting."""


class CcxtConnection:
    """Watches the listener's symbols for ever. ``epoch`` grows whenever the connection begins or breaks."""

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
        self._exchange, self._listener, self._clock = exchange, listener, clock
        self._sockets = CcxtSockets(exchange, rest)
        self._group: asyncio.TaskGroup | None = None
        self._opened = asyncio.Event()
        self._watching: dict[str, list[asyncio.Task[None]]] = {}
        self._images: dict[str, BookSnapshot] = {}
        self._trades: dict[str, deque[str]] = {}
        self.epoch = self.images = self.trades = self.sideless = self.rejected = self.connects = 0
        self.bad_frames: deque[bytes] = deque(maxlen=16)
        self.last_recv_time = 0.0

    @property
    def is_open(self) -> bool:
        return self._group is not None

    def status(self) -> dict[str, Any]:
        return {
            "note": UNCHECKED,
            "open": self.is_open,
            "connects": self.connects,
            "images": self.images,
            "trades": self.trades,
            "trades_without_side": self.sideless,
            "rejected": self.rejected,
            "silent": sorted(self._watching.keys() - self._images.keys())[:20],
        }

    async def run(self) -> None:
        """Never returns; raises what is our own fault."""
        await keep_connected(self._once, self._ended, self._clock)

    async def _once(self) -> None:
        async with self._sockets.opened() as group:
            self._group, self.epoch, self.connects = group, self.epoch + 1, self.connects + 1
            self._opened.set()
            self._listener.on_disconnect(self._listener.symbols, "a new connection")
            await self.subscribe(list(self._listener.symbols))
            await self._watch_silence()

    def _ended(self, error: Exception) -> None:
        log.info("%s: connection ended: %s", self._exchange.name, error)
        self._group, self.epoch = None, self.epoch + 1
        self._opened.clear()
        self._watching.clear()
        self._images.clear()
        self._listener.on_disconnect(self._listener.symbols, str(error))

    async def _watch_silence(self) -> None:
        heard_at = self._clock.monotonic()
        seen = self.images + self.trades
        while True:
            await asyncio.sleep(LOOK_EVERY)
            now, heard = self._clock.monotonic(), self.images + self.trades
            if heard != seen or not self._watching:
                seen, heard_at = heard, now
            elif now - heard_at > STALE_AFTER:
                raise Disconnected(f"no data for {now - heard_at:.0f} s")

    async def hears(self, symbol: str) -> bool:
        """Wait until ccxt watches; when a symbol begins, it doesn't say."""
        await self._opened.wait()
        return False

    async def subscribe(self, symbols: Iterable[str]) -> None:
        """Nothing while not connected: connecting subscribes all."""
        for symbol in symbols:
            if self._group is not None and symbol not in self._watching:
                jobs = [self._follow(symbol, "watch_order_book", self._take_book, True)]
                if "watchTrades" in self._exchange.bridged:
                    jobs.append(self._follow(symbol, "watch_trades", self._take_trades, False))
                self._watching[symbol] = [
                    self._group.create_task(job, name=f"watch {symbol}") for job in jobs
                ]

    async def unsubscribe(self, symbols: Iterable[str]) -> None:
        """Stop listening; the venue is told at the next connection, for ccxt can't tell most of them."""
        for symbol in symbols:
            for task in self._watching.pop(symbol, ()):
                task.cancel()
            self._images.pop(symbol, None)

    async def refresh(self, symbol: str) -> None:
        """Say the last image of this connection again; a crossed one ends the connection. Else one is on its way."""
        image = self._images.get(symbol)
        if image is not None and is_crossed(image):
            self._sockets.break_off(f"ccxt's book of {symbol} is crossed")
        elif image is not None:
            self._listener.on_message(image, self._clock.time_ns())

    async def _follow(
        self, symbol: str, method: str, take: Callable[[str, Any], None], is_book: bool
    ) -> None:
        """Watch one thing of one symbol. What fails of it alone is told and tried again."""
        backoff, began = Backoff(), self._clock.monotonic()
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
                self._images.pop(symbol, None)
                self._listener.on_disconnect([symbol], fault.message)
            backoff.lasted(self._clock.monotonic() - began)
            await backoff.wait()
            began = self._clock.monotonic()

    def _take_book(self, symbol: str, book: Any) -> None:
        image, before = read_book(symbol, book), self._images.get(symbol)
        if before is not None and image.update_id < before.update_id:
            self._listener.on_disconnect([symbol], "the venue began its numbers again")
        self._images[symbol] = image
        self.images += 1
        self._hear(image)

    def _take_trades(self, symbol: str, rows: list[Any]) -> None:
        known = self._trades.setdefault(symbol, deque(maxlen=TRADES_KNOWN))
        for row in rows:
            trade = read_trade(symbol, row)
            if trade is None:
                self.sideless += 1
            elif not trade.trade_id or trade.trade_id not in known:
                known.append(trade.trade_id)
                self.trades += 1
                self._hear(trade)

    def _hear(self, message: Any) -> None:
        received = self._clock.time_ns()
        self.last_recv_time = received / 1e9
        self._listener.on_message(message, received)
