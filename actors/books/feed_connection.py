"""One connection of a book feed: opened, subscribed, read, opened again. What it says goes to its listener."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast

from actors.books.subscription_watchdog import SubscriptionWatchdog
from actors.clock import Clock
from actors.transport.rest import Rest, run_handshake
from actors.transport.websocket import ExchangeSocket, keep_connected
from exchanges.contract import (
    MALFORMED,
    Auth,
    BookFeed,
    Control,
    Endpoints,
    ErrorKind,
    Exchange,
    Fault,
    Frame,
    LoginAgain,
    Ready,
    Reconnect,
    Send,
)
from orderbook.errors import Disconnected, VenueError
from orderbook.messages import OrderBookMessage, Trade

log = logging.getLogger(__name__)
BAD_IN_A_ROW = 20
"""Frames in a row that can't be read after which the connection is opened again."""
SECONDS_A_FRAME = 0.25
"""Least seconds between two frames that we send; venues cut who sends more than five a second."""
HEARD_WITHIN = 1.0
"""Seconds that a snapshot waits for the first message of its symbol."""
LOOK_EVERY = 1.0
"""Seconds between two looks whether something, or a symbol, is silent."""
DRAIN_EVERY = 64
"""Frames after which we look whether the reader of our messages is behind."""
MALFORMEDS_KEPT = 16
CONTROLS = frozenset({Send, Ready, LoginAgain, Reconnect, Fault})


class FeedListener(Protocol):
    """Who a connection works for."""

    symbols: list[str]

    def on_message(self, message: OrderBookMessage, received: int) -> None:
        """A message, received at ``received`` (ns)."""

    def on_disconnect(self, symbols: Iterable[str], reason: str, subscribed: bool = False) -> None:
        """What comes next for these doesn't join what came before; ``subscribed``: they are just being subscribed."""

    def on_error(self, fault: Fault) -> None: ...

    async def drain(self) -> None:
        """Wait while what was said can't leave."""


class FeedConnection:
    """Runs one stream of a feed for ever. ``epoch`` grows whenever it connects or breaks."""

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
        self._exchange, self._make_feed, self._listener = exchange, make_feed, listener
        self._hosts, self._rest, self._auth, self._clock = hosts, rest, auth, clock
        self.epoch = self.frames = self.messages = self.rejected = self.connects = 0
        self.bad_frames: deque[bytes] = deque(maxlen=MALFORMEDS_KEPT)
        self.last_recv_time = 0.0
        self._socket: ExchangeSocket | None = None
        self._opened = asyncio.Event()
        self._feed = make_feed()
        self._watchdog = SubscriptionWatchdog()
        self._first_words: dict[str, asyncio.Future[None]] = {}
        self._subscribed: set[str] = set()
        self._sending = asyncio.Lock()
        self._may_send_at = 0.0
        self._draining = False

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    @property
    def carries_books(self) -> bool:
        return self._feed.stream not in self._feed.trade_streams

    def _broke(self, symbols: Iterable[str], reason: str, subscribed: bool = False) -> None:
        if self.carries_books:
            self._listener.on_disconnect(symbols, reason, subscribed)

    def status(self) -> dict[str, Any]:
        return {
            "open": self.is_open,
            "connects": self.connects,
            "frames": self.frames,
            "rejected": self.rejected,
            "silent": sorted(self._watchdog.waiting)[:20],
        }

    async def run(self) -> None:
        """Never returns; raises what is our own fault."""
        await keep_connected(self._once, self._ended, self._clock)

    async def _once(self) -> None:
        self._feed = self._make_feed()
        path = await run_handshake(self._feed.handshake(), self._rest)
        venue = self._exchange
        socket = ExchangeSocket(
            path if "://" in path else self._hosts.public.rstrip("/") + path,
            decode=venue.decode,
            ping=venue.ping,
            ping_every=venue.ping_every,
            stale_after=venue.stale_after,
        )
        async with socket:
            self._began(socket)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._subscribe_and_watch(), name="subscribe")
                    await self._read(socket)
            except* (Disconnected, VenueError) as ended:
                raise Disconnected(str(ended.exceptions[0])) from None

    def _began(self, socket: ExchangeSocket) -> None:
        self._socket, self.epoch, self.connects = socket, self.epoch + 1, self.connects + 1
        self._opened.set()
        self._draining = False
        self._subscribed.clear()
        self._watchdog.connected(self._clock.monotonic())
        self._broke(self._listener.symbols, "a new connection", subscribed=True)

    def _ended(self, error: Exception) -> None:
        """Told once: tries to connect that fail break nothing more."""
        log.info("%s: connection ended: %s", self._exchange.name, error)
        if self._socket is not None:
            self._socket, self.epoch = None, self.epoch + 1
            self._opened.clear()
            self._broke(self._listener.symbols, str(error))

    async def _subscribe_and_watch(self) -> None:
        await self.subscribe(list(self._listener.symbols))
        seen, seen_at = self.messages, self._clock.monotonic()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            now = self._clock.monotonic()
            if (
                self.messages != seen
                or self._draining
                or not self._subscribed
                or not self.carries_books
            ):
                seen, seen_at = self.messages, now
            elif now - seen_at > self._exchange.stale_after:
                # Heartbeats and pongs are frames, but no sign that the feed lives.
                raise Disconnected(f"no data for {now - seen_at:.0f} s")
            await self._subscribe_silent_again(now)

    async def _subscribe_silent_again(self, now: float) -> None:
        silent, reset = self._watchdog.look(self._subscribed, now)
        if reset:
            raise Disconnected("a symbol stays silent though it was subscribed twice")
        if silent:
            log.warning(
                "%s: nothing came for %s, subscribing again",
                self._exchange.name,
                ", ".join(silent[:5]),
            )
            await self._send_all(self._feed.request_snapshot(silent, self._subscribing(silent)))

    async def _read(self, socket: ExchangeSocket) -> None:
        parse, time_ns, bad = self._feed.parse, self._clock.time_ns, 0
        async for frame in socket:
            self.frames += 1
            try:
                messages = tuple(parse(frame))
            except MALFORMED as error:
                bad += 1
                self._reject(frame, error, bad)
                continue
            bad = 0
            if messages:
                for control in self._pass_on(messages, time_ns()):
                    await self._obey(control)
            if self.frames % DRAIN_EVERY == 0:
                await self._drain()

    def _pass_on(
        self, messages: tuple[OrderBookMessage | Control, ...], received: int
    ) -> list[Control]:
        """Give a frame's messages to the listener; what is meant for the connection comes back."""
        on_message, silent, controls = self._listener.on_message, self._watchdog.waiting, []
        for message in messages:
            if type(message) in CONTROLS:
                controls.append(cast(Control, message))
                continue
            word = cast(OrderBookMessage, message)
            self.messages += 1
            if silent and (type(word) is not Trade or not self.carries_books):
                self._hear(
                    word.symbol
                )  # a trade doesn't tell that the stream of its book has begun
            on_message(word, received)
        self.last_recv_time = received / 1e9
        return controls

    async def _drain(self) -> None:
        self._draining = True
        await self._listener.drain()
        self._draining = False

    def _reject(self, frame: bytes, error: Exception, in_a_row: int) -> None:
        """Keep a frame that can't be read; the symbols that it names may have lost something.

        Raises Disconnected when there were too many.
        """
        self.rejected += 1
        self.bad_frames.append(frame[:4096])
        log.warning(
            "%s: frame rejected: %s: %s",
            self._exchange.name,
            type(error).__name__,
            str(error)[:200],
        )
        named = [symbol for symbol in self._listener.symbols if symbol.encode() in frame]
        self._broke(named, f"a frame that can't be read: {type(error).__name__}")
        if in_a_row >= BAD_IN_A_ROW:
            raise Disconnected(f"{in_a_row} frames in a row can't be read: {error}")

    async def _obey(self, control: Control) -> None:
        match control:
            case Send(frame):
                if self._socket is not None:
                    await self._socket.send(frame)  # answers don't wait behind subscriptions
            case Reconnect(reason):
                raise Disconnected(reason)
            case Fault():
                self._listener.on_error(control)
                if control.kind is ErrorKind.AUTH:
                    # Nothing comes on a stream that wants another login: a snapshot on top of it would grow old.
                    raise Disconnected(f"refused: {control.message}")
            case LoginAgain():
                self._subscribed.clear()
                await self.subscribe(list(self._listener.symbols))

    def _hear(self, symbol: str) -> None:
        self._watchdog.heard(symbol)
        waiter = self._first_words.pop(symbol, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def hears(self, symbol: str) -> bool:
        """Wait until the stream of ``symbol`` began, or could have: a snapshot asked for earlier is too old. Returns
        whether it has begun only now."""
        await self._opened.wait()
        if symbol in self._subscribed and symbol not in self._watchdog.waiting:
            return False
        waiter = self._first_words.setdefault(symbol, asyncio.get_running_loop().create_future())
        done, _ = await asyncio.wait([waiter], timeout=HEARD_WITHIN)
        return bool(done)

    async def subscribe(self, symbols: list[str]) -> None:
        """Nothing while not connected: connecting subscribes all."""
        fresh = [symbol for symbol in symbols if symbol not in self._subscribed]
        if fresh and self._socket is not None:
            self._subscribed.update(fresh)
            self._watchdog.subscribed(fresh, self._clock.monotonic())
            await self._send_all(self._subscribing(fresh))

    def _subscribing(self, symbols: list[str]) -> Iterable[Frame]:
        feed, auth = self._feed, self._auth
        return (
            feed.subscribe(symbols) if auth is None else feed.login(symbols, auth, self._rest.now())
        )

    async def unsubscribe(self, symbols: list[str]) -> None:
        gone = [symbol for symbol in symbols if symbol in self._subscribed]
        if gone and self._socket is not None:
            self._subscribed.difference_update(gone)
            self._watchdog.unsubscribed(gone)
            await self._send_all(self._feed.subscribe(gone, on=False))

    async def refresh(self, symbol: str) -> None:
        """Make the stream send its snapshot again, where it isn't on its way already."""
        if symbol in self._subscribed and (
            self._feed.snapshot_on_request or symbol not in self._watchdog.waiting
        ):
            await self._send_all(self._feed.request_snapshot([symbol], self._subscribing([symbol])))

    async def _send_all(self, frames: Iterable[Frame]) -> None:
        async with self._sending:
            for frame in frames:
                socket, now = self._socket, self._clock.monotonic()
                if socket is None:
                    return
                if now < self._may_send_at:
                    await asyncio.sleep(self._may_send_at - now)
                self._may_send_at = self._clock.monotonic() + SECONDS_A_FRAME
                await socket.send(frame)
