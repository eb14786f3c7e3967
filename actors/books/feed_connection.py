"""One websocket of a book feed: connects, subscribes, reads and reconnects for a FeedListener."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast

from actors.books.subscription_watchdog import Findings, SubscriptionWatchdog
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
    Moved,
    Ready,
    Reconnect,
    Send,
    UnknownKind,
)
from orderbook.errors import Disconnected, VenueError
from orderbook.messages import BookSnapshot, FeedInterrupted, OrderBookMessage, Trade

log = logging.getLogger(__name__)
MAX_BAD_IN_A_ROW = 20
"""Malformed frames in a row after which the connection is reopened."""
MIN_SEND_INTERVAL = 0.25
"""Seconds between two frames that we send; venues cut clients that send more than five a second."""
FIRST_MESSAGE_TIMEOUT = 1.0
"""Seconds that a snapshot request waits for the first message of its symbol."""
CHECK_EVERY = 1.0
"""Seconds between two checks for a stale connection or a silent symbol."""
DRAIN_EVERY = 64
"""Frames after which we wait until the consumers of our messages have caught up."""
LOOK_TIMEOUT = 10.0
"""Seconds that a look at a book by REST may take."""
MAX_BAD_FRAMES = 16
MAX_UNKNOWN_KINDS = 100
CONTROLS = frozenset({Send, Ready, LoginAgain, Reconnect, Fault, UnknownKind})


class FeedListener(Protocol):
    """The owner of a connection: receives its messages, interruptions and errors."""

    symbols: list[str]

    def on_message(self, message: OrderBookMessage, received: int) -> None:
        """A message arrived, at ``received`` (ns)."""

    def on_disconnect(self, symbols: Iterable[str], reason: str, subscribed: bool = False) -> None:
        """The feed of these symbols was interrupted; ``subscribed``: they are subscribed again."""

    def on_moved(self, symbol: str) -> None:
        """A connection that carries trades alone told one."""

    def on_error(self, fault: Fault) -> None:
        """The venue reported an error."""

    async def drain(self) -> None:
        """Wait while consumers are behind."""


class FeedConnection:
    """Runs one stream of a feed until cancelled.

    ``epoch`` grows whenever the connection opens or ends.
    """

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
        self._exchange = exchange
        self._make_feed = make_feed
        self._listener = listener
        self._hosts = hosts
        self._rest = rest
        self._auth = auth
        self._clock = clock
        self.epoch = 0
        self.frames = 0
        self._frames_before = 0
        self.messages = 0
        self.rejected = 0
        self.connects = 0
        self.bad_frames: deque[bytes] = deque(maxlen=MAX_BAD_FRAMES)
        self.unknown: dict[str, int] = {}
        """Messages of kinds that the adapter doesn't know, by kind."""
        self.last_recv_time = 0.0
        self._socket: ExchangeSocket | None = None
        self._opened = asyncio.Event()
        self._feed = make_feed()
        self.carries_books = self._feed.stream not in self._feed.trade_streams
        self._watchdog = SubscriptionWatchdog(
            carries_books=self.carries_books,
            must_answer=self.carries_books and self._feed.opens_with_snapshot(""),
            interval=self._feed.image_interval,
        )
        self._first_messages: dict[str, asyncio.Future[None]] = {}
        self._believed: dict[str, asyncio.Future[None]] = {}
        """Of doubted books for which a snapshot was requested: done when they are so no more."""
        self._subscribed: set[str] = set()
        self._sending = asyncio.Lock()
        self._may_send_at = 0.0
        self._draining = False
        self._ended_for = ""
        self._messages_at_end = 0

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    @property
    def has_unread(self) -> bool:
        """Whether the venue sent something that has not been read yet."""
        return self._socket is not None and self._socket.has_unread

    @property
    def received(self) -> int:
        """Frames since the connection opened; the messages of each were passed on."""
        return self.frames - self._frames_before

    def _interrupt(self, symbols: Iterable[str], reason: str, subscribed: bool = False) -> None:
        if self.carries_books:
            self._listener.on_disconnect(symbols, reason, subscribed)

    def status(self) -> dict[str, Any]:
        return {
            "open": self.is_open,
            "connects": self.connects,
            "frames": self.frames,
            "rejected": self.rejected,
            "unknown": dict(self.unknown),
            "silent": sorted(self._watchdog.waiting)[:20],
            "error": self.error,
            "doubted": sorted(self._watchdog.doubted)[:20],
        }

    @property
    def error(self) -> str:
        """Why the connection ended last, until a message arrives on a new one."""
        return self._ended_for if self.messages == self._messages_at_end else ""

    async def run(self) -> None:
        """Keep the stream connected until cancelled; raises only errors of our own code."""
        await keep_connected(self._run_once, self._on_ended, self._clock)

    async def _run_once(self) -> None:
        self._feed = self._make_feed()
        path = await run_handshake(self._feed.handshake(), self._rest)
        venue = self._exchange
        socket = ExchangeSocket(
            path if "://" in path else self._hosts.public.rstrip("/") + path,
            decode=venue.decode,
            ping=venue.ping,
            ping_every=venue.ping_every,
            stale_after=venue.stale_after if self._feed.frames_when_quiet else math.inf,
            tls=self._rest.tls,
            proxy=self._rest.proxy,
            rest=self._rest,
        )
        async with socket:
            self._on_connected(socket)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._subscribe_and_watch(), name="subscribe")
                    both.create_task(self._look_at_silent_books(), name="look")
                    await self._read(socket)
            except* (Disconnected, VenueError) as ended:
                raise Disconnected(str(ended.exceptions[0])) from None

    def _on_connected(self, socket: ExchangeSocket) -> None:
        self._socket = socket
        self.epoch += 1
        self.connects += 1
        self._frames_before = self.frames
        self._opened.set()
        self._draining = False
        self._subscribed.clear()
        self._watchdog.connected(self._clock.monotonic())
        self._end_waits_for_belief()
        self._interrupt(self._listener.symbols, "a new connection", subscribed=True)

    def _on_ended(self, error: Exception) -> None:
        """Report the interruption once: failed attempts to reconnect interrupt nothing more."""
        log.info("%s: connection ended: %s", self._exchange.name, error)
        self._ended_for = str(error)
        self._messages_at_end = self.messages
        if self._socket is not None:
            self._socket = None
            self.epoch += 1
            self._opened.clear()
            self._interrupt(self._listener.symbols, str(error))

    async def _subscribe_and_watch(self) -> None:
        await self.subscribe(list(self._listener.symbols))
        counted_at = self._clock.monotonic()
        counted = self.messages
        while True:
            before = self._clock.monotonic()
            await asyncio.sleep(CHECK_EVERY)
            now = self._clock.monotonic()
            if self._draining or now - before > 3 * CHECK_EVERY:
                # What was sent meanwhile has not been read yet.
                self._watchdog.hold(now)
                counted_at = now
            if self.messages != counted or not self._is_cut_when_silent:
                counted = self.messages
                counted_at = now
            elif now - counted_at > self._exchange.stale_after:
                # Heartbeats and pongs are frames too, but they don't prove that the feed is alive.
                raise Disconnected(f"no data for {now - counted_at:.0f} s")
            found = self._watchdog.check(now)
            self._end_waits_for_belief()
            await self._act(found)

    @property
    def _is_cut_when_silent(self) -> bool:
        """Whether nothing but silence can tell that the channels of books died."""
        subscribed = next(iter(self._subscribed), None)
        return self.carries_books and subscribed is not None and self._feed.look(subscribed) is None

    async def _act(self, found: Findings) -> None:
        if found.doubted:
            self._interrupt(found.doubted, "its channel is silent while its market moves")
        if found.reopen:
            raise Disconnected(found.reopen)
        again = [symbol for symbol in found.subscribe_again if symbol in self._subscribed]
        if again:
            log.warning(
                "%s: no message received for %s, subscribing again",
                self._exchange.name,
                ", ".join(again[:5]),
            )
            subscribing = await self._subscribing(again)
            await self._send_all(self._feed.request_snapshot(again, subscribing))

    async def _look_at_silent_books(self) -> None:
        """Ask REST now and then for a book whose channel is silent."""
        feed = self._feed
        while self.carries_books:
            await asyncio.sleep(feed.look_interval)
            symbol = self._watchdog.to_look_at(self._clock.monotonic())
            call = None if symbol is None else feed.look(symbol)
            if symbol is None or call is None:
                continue
            try:
                look = await self._rest.run(call, LOOK_TIMEOUT)
            except (Disconnected, VenueError) as error:
                log.info("%s: no look at %s: %s", self._exchange.name, symbol, error)
            else:
                self._watchdog.looked(symbol, look, self._clock.monotonic())

    async def _read(self, socket: ExchangeSocket) -> None:
        parse = self._feed.parse
        time_ns = self._clock.time_ns
        bad = 0
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
                for control in self._dispatch(messages, time_ns()):
                    await self._handle_control(control)
            if self.frames % DRAIN_EVERY == 0:
                await self._drain()

    def _dispatch(
        self, parsed: tuple[OrderBookMessage | Control, ...], received: int
    ) -> list[Control]:
        """Pass a frame's messages to the listener; returns its controls, for the connection."""
        on_message = self._listener.on_message
        controls = []
        for item in parsed:
            kind = type(item)
            if kind in CONTROLS:
                controls.append(cast(Control, item))
            elif kind is Moved:
                sign = cast(Moved, item)
                self._watchdog.moved[sign.symbol] = sign.number
            else:
                message = cast(OrderBookMessage, item)
                self.messages += 1
                if self._is_believed(message):
                    on_message(message, received)
        self.last_recv_time = received / 1e9
        return controls

    def _is_believed(self, message: OrderBookMessage) -> bool:
        """Note what a message says of its channel's life; False: nobody may build on it."""
        kind = type(message)
        symbol = message.symbol
        watchdog = self._watchdog
        if kind is Trade and self.carries_books:
            # A trade doesn't prove that the stream of its book has begun, or goes on.
            watchdog.moved.setdefault(symbol, 0)
            return True
        if kind is FeedInterrupted or (kind is BookSnapshot and self._feed.verify_depth):
            return True
        watchdog.heard[symbol] = getattr(message, "update_id", 0)
        if watchdog.waiting:
            self._note_first_message(symbol)
        if kind is Trade:
            self._listener.on_moved(symbol)
        if symbol not in watchdog.doubted:
            return True
        is_doubted = watchdog.still_doubted(symbol)
        self._end_waits_for_belief()
        return not is_doubted

    def _end_waits_for_belief(self) -> None:
        for symbol in list(self._believed):
            if not self.is_doubted(symbol):
                waiter = self._believed.pop(symbol)
                if not waiter.done():
                    waiter.set_result(None)

    def note_moved(self, symbol: str) -> None:
        """The market of a symbol moved, as another connection says."""
        self._watchdog.moved.setdefault(symbol, 0)

    def is_doubted(self, symbol: str) -> bool:
        """Whether a snapshot would be of no use: its channel doesn't say what follows it."""
        return symbol in self._watchdog.doubted

    async def _drain(self) -> None:
        self._draining = True
        await self._listener.drain()
        self._draining = False

    def _reject(self, frame: bytes, error: Exception, in_a_row: int) -> None:
        """Keep a malformed frame; the feeds of the symbols in it count as interrupted.

        One that names none may be of any. Raises Disconnected after too many in a row.
        """
        self.rejected += 1
        self.bad_frames.append(frame[:4096])
        log.warning(
            "%s: frame rejected: %s: %s",
            self._exchange.name,
            type(error).__name__,
            str(error)[:200],
        )
        symbols = self._listener.symbols
        text = frame.lower()
        named = [symbol for symbol in symbols if symbol.lower().encode() in text]
        self._interrupt(named or symbols, f"malformed frame: {type(error).__name__}")
        if in_a_row >= MAX_BAD_IN_A_ROW:
            raise Disconnected(f"{in_a_row} malformed frames in a row: {error}")

    async def _handle_control(self, control: Control) -> None:
        match control:
            case Send(frame):
                if self._socket is not None:
                    await self._socket.send(frame)  # replies don't wait behind subscriptions
            case Reconnect(reason):
                raise Disconnected(reason)
            case Fault():
                if control.kind is ErrorKind.UNREADABLE:
                    self.rejected += 1
                    self.bad_frames.append(control.frame[:4096])
                self._listener.on_error(control)
                self._rest.heed(control)
                if control.kind in (ErrorKind.AUTH, ErrorKind.CLOCK):
                    # The stream delivers nothing before another login: a snapshot would grow stale.
                    self._rest.doubt_clock()
                    keys = "" if self._auth else "; it may need a key: name one in accounts"
                    raise Disconnected(f"refused: {control.message}{keys}")
            case UnknownKind(kind):
                if kind in self.unknown or len(self.unknown) < MAX_UNKNOWN_KINDS:
                    self.unknown[kind] = self.unknown.get(kind, 0) + 1
            case LoginAgain():
                self._subscribed.clear()
                await self.subscribe(list(self._listener.symbols))

    def _note_first_message(self, symbol: str) -> None:
        self._watchdog.received(symbol)
        waiter = self._first_messages.pop(symbol, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def wait_for_first_message(self, symbol: str) -> bool:
        """Wait for the first message of ``symbol``; True if it arrived during this call.

        It gives up after ``FIRST_MESSAGE_TIMEOUT``. A snapshot requested earlier would be too old.
        """
        await self._opened.wait()
        doubt = self._watchdog.doubted.get(symbol)
        if doubt is not None:
            # A snapshot that came by stream was held back where more was needed than an answer.
            is_enough = doubt.needed == 1
            epoch = self.epoch
            future = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._believed.setdefault(symbol, future)])
            if epoch == self.epoch:
                return is_enough
            await self._opened.wait()
        if symbol in self._subscribed and symbol not in self._watchdog.waiting:
            return False
        waiter = self._first_messages.setdefault(symbol, asyncio.get_running_loop().create_future())
        done, _ = await asyncio.wait([waiter], timeout=FIRST_MESSAGE_TIMEOUT)
        return bool(done)

    async def subscribe(self, symbols: list[str]) -> None:
        """Subscribe symbols; a no-op while not connected, because connecting subscribes all."""
        fresh = [symbol for symbol in symbols if symbol not in self._subscribed]
        if fresh and self._socket is not None:
            self._subscribed.update(fresh)
            self._watchdog.subscribed(fresh, self._clock.monotonic())
            await self._send_all(await self._subscribing_first(fresh))

    async def _subscribing(self, symbols: list[str]) -> Iterable[Frame]:
        feed = self._feed
        auth = self._auth
        if auth is None or type(feed).login is BookFeed.login:
            return feed.subscribe(symbols)
        await self._rest.keep_clock()
        return feed.login(symbols, auth, self._rest.now())

    async def _subscribing_first(self, symbols: list[str]) -> Iterable[Frame]:
        """Of symbols that this connection has not subscribed yet: all channels."""
        return [*await self._subscribing(symbols), *self._feed.subscribe_signs(symbols)]

    async def unsubscribe(self, symbols: list[str]) -> None:
        gone = [symbol for symbol in symbols if symbol in self._subscribed]
        if gone and self._socket is not None:
            self._subscribed.difference_update(gone)
            self._watchdog.unsubscribed(gone)
            await self._send_all(self._feed.subscribe(gone, on=False))
            await self._send_all(self._feed.subscribe_signs(gone, on=False))

    async def request_snapshot(self, symbol: str) -> None:
        """Make the stream send its snapshot again, unless one is on its way already."""
        if self.is_doubted(symbol):
            return  # the watch subscribes it again
        if symbol in self._subscribed and (
            self._feed.snapshot_on_request or symbol not in self._watchdog.waiting
        ):
            subscribing = await self._subscribing([symbol])
            await self._send_all(self._feed.request_snapshot([symbol], subscribing))

    async def _send_all(self, frames: Iterable[Frame]) -> None:
        async with self._sending:
            for frame in frames:
                socket = self._socket
                now = self._clock.monotonic()
                if socket is None:
                    return
                if now < self._may_send_at:
                    await asyncio.sleep(self._may_send_at - now)
                self._may_send_at = self._clock.monotonic() + MIN_SEND_INTERVAL
                await socket.send(frame)
