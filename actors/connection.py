"""One connection of a book feed: opened, subscribed, read, opened again. What it says goes to its owner."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, Protocol

import msgspec

from actors.clock import Clock
from actors.rest import Rest
from actors.socket import Backoff, ExchangeSocket
from exchanges.contract import Auth, BookFeed, Call, Exchange, Fault, Hosts, LoginAgain, Ready, Reconnect, Send
from orderbook.errors import Disconnected, VenueError
from orderbook.messages import OrderBookMessage

log = logging.getLogger(__name__)
BAD_IN_A_ROW = 20
"""Frames in a row that can't be read after which the connection is opened again."""
FRAMES_A_SECOND = 4
"""Frames that we send; venues cut who sends more than five."""
SILENT_AFTER = 10.0
"""Seconds after subscribing within which every symbol must have said something."""
HEARD_WITHIN = 1.0
"""Seconds that a snapshot waits for the first message of its symbol."""
DRAIN_EVERY = 64
"""Frames after which we look whether the reader of our messages is behind."""


class Owner(Protocol):
    """Who a connection works for."""

    symbols: list[str]

    def said(self, message: OrderBookMessage) -> None: ...

    def broke(self, symbols: Iterable[str], reason: str) -> None: ...

    def refused(self, fault: Fault) -> None: ...

    async def drain(self) -> None: ...


async def run_opening(steps: Generator[Call[Any], Any, Any], rest: Rest) -> Any:
    """Run a sequence of Calls, each answer sent back in; returns what the sequence returns."""
    try:
        call = next(steps)
        while True:
            call = steps.send(await rest.run(call))
    except StopIteration as end:
        return end.value


class FeedConnection:
    """Runs one stream of a feed for ever. ``epoch`` grows with each connection."""

    def __init__(
        self,
        exchange: Exchange,
        make_feed: Callable[[], BookFeed],
        owner: Owner,
        *,
        hosts: Hosts,
        rest: Rest,
        auth: Auth | None,
        clock: Clock,
    ) -> None:
        self._exchange, self._make_feed, self._owner = exchange, make_feed, owner
        self._hosts, self._rest, self._auth, self._clock = hosts, rest, auth, clock
        self.epoch = 0
        self.frames = self.rejected = self.connects = 0
        self.bad_frames: deque[bytes] = deque(maxlen=16)
        self.last_recv_time = 0.0
        self._socket: ExchangeSocket | None = None
        self._feed = make_feed()
        self._silent: set[str] = set()
        self._heard = asyncio.Event()
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        backoff = Backoff()
        while True:
            opened = self._clock.monotonic()
            try:
                await self._once()
            except (Disconnected, VenueError) as error:
                log.info("%s: connection ended: %s", self._exchange.name, error)
                self._owner.broke(self._owner.symbols, str(error))
            self._socket = None
            backoff.lasted(self._clock.monotonic() - opened)
            await backoff.wait()

    async def _once(self) -> None:
        self._feed = self._make_feed()
        path = await run_opening(self._feed.opening(), self._rest)
        venue = self._exchange
        socket = ExchangeSocket(
            path if "://" in path else self._hosts.public.rstrip("/") + path,
            decode=venue.decode,
            ping=venue.ping,
            ping_every=venue.ping_every,
            stale_after=venue.stale_after,
        )
        async with socket:
            self._socket, self.epoch, self.connects = socket, self.epoch + 1, self.connects + 1
            self._owner.broke(self._owner.symbols, "a new connection")
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._subscribe_and_watch(), name="subscribe")
                    await self._read(socket)
            except* (Disconnected, VenueError) as ended:
                raise Disconnected(str(ended.exceptions[0])) from None

    async def _subscribe_and_watch(self) -> None:
        await self.subscribe(list(self._owner.symbols))
        while True:
            await asyncio.sleep(SILENT_AFTER)
            silent = sorted(self._silent & set(self._owner.symbols))
            if silent:
                log.warning("%s: nothing came for %s, subscribing again", self._exchange.name, ", ".join(silent[:5]))
                await self._send_all(self._feed.refresh(silent))

    async def _read(self, socket: ExchangeSocket) -> None:
        parse, said, silent, clock = self._feed.parse, self._owner.said, self._silent, self._clock.time
        bad = 0
        async for frame in socket:
            self.frames += 1
            self.last_recv_time = clock()
            try:
                for message in parse(frame):
                    if isinstance(message, Send | Ready | LoginAgain | Reconnect | Fault):
                        await self._obey(message)
                        continue
                    if silent:
                        silent.discard(message.symbol)
                        self._heard.set()
                    said(message)
                bad = 0
            except (ValueError, KeyError, TypeError, msgspec.DecodeError) as error:
                bad += 1
                self._reject(frame, error)
                if bad >= BAD_IN_A_ROW:
                    raise Disconnected(f"{bad} frames in a row can't be read: {error}") from None
            if self.frames % DRAIN_EVERY == 0:
                await self._owner.drain()

    def _reject(self, frame: bytes, error: Exception) -> None:
        """A frame that can't be read may have been any symbol's: all of this connection are in doubt."""
        self.rejected += 1
        self.bad_frames.append(frame[:4096])
        log.warning("%s: frame rejected: %s: %s", self._exchange.name, type(error).__name__, str(error)[:200])
        self._owner.broke(self._owner.symbols, f"a frame that can't be read: {type(error).__name__}")

    async def _obey(self, control: Send | Ready | LoginAgain | Reconnect | Fault) -> None:
        match control:
            case Send(frame):
                await self._send_all([frame])
            case Reconnect(reason):
                raise Disconnected(reason)
            case Fault():
                self._owner.refused(control)
            case LoginAgain():
                await self.subscribe(list(self._owner.symbols))

    async def hears(self, symbol: str) -> None:
        """Wait until the stream of ``symbol`` has begun, or could have: a snapshot asked for earlier is too old."""
        deadline = self._clock.monotonic() + HEARD_WITHIN
        while self._socket is None or (symbol in self._silent and self._clock.monotonic() < deadline):
            self._heard.clear()
            try:
                async with asyncio.timeout(0.1):
                    await self._heard.wait()
            except TimeoutError:
                continue

    async def subscribe(self, symbols: list[str]) -> None:
        """Nothing while not connected: connecting subscribes all."""
        if symbols and self._socket is not None:
            self._silent |= set(symbols)
            await self._send_all(self._feed.subscribe(symbols, self._auth, self._rest.now()))

    async def unsubscribe(self, symbols: list[str]) -> None:
        if symbols and self._socket is not None:
            self._silent -= set(symbols)
            await self._send_all(self._feed.unsubscribe(symbols))

    async def refresh(self, symbols: list[str]) -> None:
        """Make the stream send its snapshot again."""
        await self._send_all(self._feed.refresh(symbols))

    async def _send_all(self, frames: Iterable[str | bytes]) -> None:
        async with self._sending:
            for number, frame in enumerate(frames):
                if self._socket is None:
                    return
                if number:
                    await asyncio.sleep(1 / FRAMES_A_SECOND)
                await self._socket.send(frame)
