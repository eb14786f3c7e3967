"""One websocket to an exchange: frames in, frames out, staleness seen, foreign errors translated."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self

import msgspec
import websockets
from websockets.asyncio.client import ClientConnection, connect

from actors.clock import Clock
from exchanges.contract import Frame
from orderbook.errors import Disconnected, VenueError

CONNECT_TIMEOUT = 10.0
SEND_TIMEOUT = 10.0
LARGEST_FRAME = 64 * 1024 * 1024
QUEUED_FRAMES = 256
"""Frames waiting to be read before the socket itself is not read any more: back-pressure reaches the venue."""


class ExchangeSocket:
    """``async with ExchangeSocket(url) as socket: async for frame in socket`` gives bytes.

    Ends in Disconnected: closed, broken, or no frame for ``stale_after`` seconds (pings of the protocol don't count).
    """

    def __init__(
        self,
        url: str,
        *,
        decode: Callable[[bytes], bytes] | None = None,
        ping: str | None = None,
        ping_every: float = 20.0,
        stale_after: float = 30.0,
    ) -> None:
        self.url, self._decode, self._ping, self._ping_every = url, decode, ping, ping_every
        self._stale_after = stale_after
        self._connection: ClientConnection | None = None
        self._pinger: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        try:
            self._connection = await connect(
                self.url,
                compression=None,
                proxy=None,
                max_size=LARGEST_FRAME,
                max_queue=QUEUED_FRAMES,
                open_timeout=CONNECT_TIMEOUT,
                ping_interval=20,
                ping_timeout=20,
                close_timeout=2,
            )
        except (OSError, websockets.WebSocketException, TimeoutError) as error:
            raise Disconnected(
                f"{self.host}: no websocket: {type(error).__name__} {error}".rstrip()
            ) from None
        if self._ping is not None:
            self._pinger = asyncio.create_task(self._keep_pinging(self._ping))
        return self

    @property
    def host(self) -> str:
        """The address without its query, which may carry a token."""
        return self.url.partition("?")[0]

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pinger is not None:
            self._pinger.cancel()
        if self._connection is not None:
            await self._connection.close()

    async def send(self, frame: Frame) -> None:
        """What is not text or bytes goes as JSON. Raises Disconnected."""
        words = frame if isinstance(frame, str | bytes) else msgspec.json.encode(frame).decode()
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._open().send(words)
        except (websockets.ConnectionClosed, TimeoutError) as error:
            raise Disconnected(f"{self.host}: can't send: {type(error).__name__}") from None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        connection, decode, loop = self._open(), self._decode, asyncio.get_running_loop()
        receive, watch = connection.recv, StaleWatch(connection, loop, self._stale_after)
        try:
            while True:
                watch.waiting = True
                frame = await receive(decode=False)
                watch.waiting, watch.seen = False, loop.time()
                yield frame if decode is None else decode(frame)
        except websockets.ConnectionClosed as error:
            why = (
                f"no frame for {self._stale_after:g} s"
                if watch.fired
                else f"closed: {error.rcvd or 'without a word'}"
            )
            raise Disconnected(f"{self.host}: {why}") from None
        finally:
            watch.stop()

    async def _keep_pinging(self, frame: str) -> None:
        while True:
            await asyncio.sleep(self._ping_every)
            try:
                await self.send(frame)
            except Disconnected:
                return  # the reader of this socket sees it too, and says so

    def _open(self) -> ClientConnection:
        if self._connection is None:
            raise Disconnected(f"{self.host}: not connected")
        return self._connection


class StaleWatch:
    """Cuts a connection on which nothing came for a while, though we read; costs the reader two assignments a frame."""

    def __init__(
        self, connection: ClientConnection, loop: asyncio.AbstractEventLoop, after: float
    ) -> None:
        self._connection, self._loop, self._after = connection, loop, after
        self.seen, self.waiting, self.fired = loop.time(), False, False
        self._timer = loop.call_later(after, self._look)

    def _look(self) -> None:
        due = self.seen + self._after
        if self._loop.time() < due or not self.waiting:
            self._timer = self._loop.call_at(max(due, self._loop.time() + 0.1), self._look)
            return
        self.fired = True
        self._connection.transport.abort()

    def stop(self) -> None:
        self._timer.cancel()


async def keep_connected(
    once: Callable[[], Awaitable[None]], ended: Callable[[Exception], None], clock: Clock
) -> None:
    """Run ``once`` again whenever it ends in what the network or the venue did, told to ``ended``, after a while.

    Never returns; raises what is our own fault.
    """
    backoff = Backoff()
    while True:
        began = clock.monotonic()
        try:
            await once()
        except (Disconnected, VenueError) as error:
            ended(error)
        backoff.lasted(clock.monotonic() - began)
        await backoff.wait()


class Backoff:
    """Waits between tries: doubling with jitter, small again after a connection that lasted."""

    def __init__(self, first: float = 0.1, most: float = 30.0, stable: float = 30.0) -> None:
        self._first, self._most, self._stable = first, most, stable
        self._next = first

    def lasted(self, seconds: float) -> None:
        """Say how long the last connection stood."""
        if seconds >= self._stable:
            self._next = self._first

    async def wait(self) -> None:
        delay = self._next * random.uniform(0.5, 1.0)
        self._next = min(self._next * 2, self._most)
        await asyncio.sleep(delay)
