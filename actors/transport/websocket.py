"""One websocket to an exchange: frames in, frames out, stale detection, errors translated."""

import array
import asyncio
import fcntl
import random
import ssl
import termios
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self

import msgspec
import websockets
from websockets.asyncio.client import ClientConnection, connect

from actors.clock import Clock
from actors.transport.proxies import proxy_for, without_credentials
from actors.transport.rate_limits import Lease
from actors.transport.rest import Rest
from exchanges.contract import Answer, Frame
from orderbook.errors import Disconnected, VenueError

CONNECT_TIMEOUT = 10.0
SEND_TIMEOUT = 10.0
MAX_FRAME_SIZE = 64 * 1024 * 1024
MAX_QUEUED_FRAMES = 256
"""Frames queued before the socket is no longer read: back-pressure reaches the venue."""


class ExchangeSocket:
    """``async with ExchangeSocket(url) as socket: async for frame in socket`` yields bytes.

    Iteration ends with Disconnected: the connection closed or failed, or no frame arrived for
    ``stale_after`` seconds (protocol pings don't count).
    """

    def __init__(
        self,
        url: str,
        *,
        decode: Callable[[bytes], bytes] | None = None,
        ping: str | None = None,
        ping_every: float = 20.0,
        stale_after: float = 30.0,
        tls: ssl.SSLContext | None = None,
        proxy: str = "",
        rest: Rest | None = None,
    ) -> None:
        """``tls``: whom a wss address is believed; None: the system's certificates. ``proxy``: as
        in ``proxy_for``; empty: the environment's. ``rest``: the client of the venue, whose limits
        handshakes and frames obey; None: there are none."""
        self.url = url
        self._rest = rest
        self._place: Lease | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._tls = (tls or True) if url.startswith("wss:") else None
        self._proxy = proxy
        self._decode = decode
        self._ping = ping
        self._ping_every = ping_every
        self._stale_after = stale_after
        self._connection: ClientConnection | None = None
        self._pinger: asyncio.Task[None] | None = None
        self._watch: StaleWatch | None = None

    async def __aenter__(self) -> Self:
        """Raises Disconnected, and RateLimited where a limit of the venue refused the handshake."""
        if self._rest is not None:
            await self._take_place(self._rest)
        try:
            return await self._handshake()
        except BaseException:
            self._give_place_back()
            raise

    async def _take_place(self, rest: Rest) -> None:
        """Count as an open socket, where the venue counts them."""
        self._place = await rest.take_socket()
        if self._place is not None:
            self._keeper = asyncio.create_task(rest.keep_socket(self._place))

    def _give_place_back(self) -> None:
        if self._rest is not None and self._place is not None:
            self._rest.give_back(self._place)
            self._place = None
        if self._keeper is not None:
            self._keeper.cancel()
            self._keeper = None

    async def _handshake(self) -> Self:
        lease = None if self._rest is None else await self._rest.before_handshake()
        refusal: Answer | None = None
        limited: VenueError | None = None
        problem = f"{self.host}: no websocket"
        try:
            self._connection = await self._connect()
        except (OSError, websockets.WebSocketException, TimeoutError) as error:
            refusal = refusal_of(error)
            why = without_credentials(f"{type(error).__name__} {error}".rstrip())
            problem = f"{problem}: {why}"
        finally:
            if self._rest is not None and lease is not None:
                limited = self._rest.after_handshake(lease, refusal)
        if self._connection is None:
            raise limited or Disconnected(problem)
        if self._ping is not None:
            self._pinger = asyncio.create_task(self._keep_pinging(self._ping))
        return self

    async def _connect(self) -> ClientConnection:
        return await connect(
            self.url,
            compression=None,
            proxy=proxy_for(self.url, self._proxy),
            ssl=self._tls,
            max_size=MAX_FRAME_SIZE,
            max_queue=MAX_QUEUED_FRAMES,
            open_timeout=CONNECT_TIMEOUT,
            ping_interval=20,
            ping_timeout=20,
            close_timeout=2,
        )

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
        self._give_place_back()

    @property
    def has_unread(self) -> bool:
        """Whether bytes wait in the system's buffer, or frames for our reader."""
        if self._connection is None:
            return False
        socket = self._connection.transport.get_extra_info("socket")
        if socket is None or socket.fileno() < 0:
            return False
        waiting = array.array("i", [0])
        fcntl.ioctl(socket.fileno(), termios.FIONREAD, waiting)
        return waiting[0] > 0 or (self._watch is not None and not self._watch.waiting)

    async def send(self, frame: Frame) -> None:
        """Send text or bytes as they are, anything else as JSON. Raises Disconnected."""
        message = frame if isinstance(frame, str | bytes) else msgspec.json.encode(frame).decode()
        if self._rest is not None:
            await self._rest.before_frame()
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._open().send(message)
        except (websockets.ConnectionClosed, TimeoutError) as error:
            raise Disconnected(f"{self.host}: can't send: {type(error).__name__}") from None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        connection = self._open()
        decode = self._decode
        loop = asyncio.get_running_loop()
        receive = connection.recv
        watch = StaleWatch(connection, loop, self._stale_after)
        self._watch = watch
        try:
            while True:
                watch.waiting = True
                frame = await receive(decode=False)
                watch.waiting = False
                watch.last_seen = loop.time()
                yield frame if decode is None else decode(frame)
        except websockets.ConnectionClosed as error:
            if watch.fired:
                why = f"no frame for {self._stale_after:g} s"
            elif error.rcvd is None:
                why = "closed without a close frame"
            else:
                why = f"closed: {error.rcvd}"
            raise Disconnected(f"{self.host}: {why}") from None
        finally:
            watch.stop()

    async def _keep_pinging(self, frame: str) -> None:
        while True:
            await asyncio.sleep(self._ping_every)
            try:
                await self.send(frame)
            except Disconnected:
                return  # the reader of this socket reports it

    def _open(self) -> ClientConnection:
        if self._connection is None:
            raise Disconnected(f"{self.host}: not connected")
        return self._connection


def refusal_of(error: BaseException) -> Answer | None:
    """The venue's answer to a handshake that it refused; None: there was none."""
    if not isinstance(error, websockets.InvalidStatus):
        return None
    response = error.response
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    return Answer(response.status_code, headers, bytes(response.body or b""))


class StaleWatch:
    """Aborts a connection that delivers nothing while we wait for a frame.

    Costs the reader three assignments per frame.
    """

    def __init__(
        self, connection: ClientConnection, loop: asyncio.AbstractEventLoop, after: float
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._after = after
        self.last_seen = loop.time()
        self.waiting = False
        self.fired = False
        self._timer = loop.call_later(after, self._check)

    def _check(self) -> None:
        due = self.last_seen + self._after
        if self._loop.time() < due or not self.waiting:
            self._timer = self._loop.call_at(max(due, self._loop.time() + 0.1), self._check)
            return
        self.fired = True
        self._connection.transport.abort()

    def stop(self) -> None:
        self._timer.cancel()


async def keep_connected(
    run_once: Callable[[], Awaitable[None]], on_ended: Callable[[Exception], None], clock: Clock
) -> None:
    """Run ``run_once`` again, with backoff, whenever it raises Disconnected or VenueError.

    Each of these errors is passed to ``on_ended``. Runs until cancelled; other errors are raised.
    """
    backoff = Backoff()
    while True:
        began = clock.monotonic()
        try:
            await run_once()
        except (Disconnected, VenueError) as error:
            on_ended(error)
        backoff.lasted(clock.monotonic() - began)
        await backoff.wait()


class Backoff:
    """Exponential backoff with jitter; starts over after a connection that was stable."""

    def __init__(self, initial: float = 0.1, maximum: float = 30.0, stable: float = 30.0) -> None:
        self._initial = initial
        self._maximum = maximum
        self._stable = stable
        self._next = initial

    def lasted(self, seconds: float) -> None:
        """Report how long the last connection stood."""
        if seconds >= self._stable:
            self._next = self._initial

    async def wait(self) -> None:
        delay = self._next * random.uniform(0.5, 1.0)
        self._next = min(self._next * 2, self._maximum)
        await asyncio.sleep(delay)
