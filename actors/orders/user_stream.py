"""UserStreamTrackerDataSource: what a venue says of one account, by its private socket, served
over a channel."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from actors.channel import ChannelAddress, Publisher
from actors.clock import SYSTEM, Clock
from actors.component import Tasks
from actors.node_paths import socket_path
from actors.transport.rest import (
    BAD_FRAME_BYTES,
    BAD_FRAMES_KEPT,
    ERRORS,
    Rest,
    run_handshake,
)
from actors.transport.websocket import ExchangeSocket, keep_connected
from exchanges.contract import (
    MALFORMED,
    Auth,
    Endpoints,
    ErrorKind,
    Exchange,
    Fault,
    LoginAgain,
    Ready,
    Reconnect,
    Send,
    UserFeed,
)
from exchanges.orders import TradingRule, UserStreamState
from orderbook.errors import AuthenticationError, Disconnected, VenueError

log = logging.getLogger(__name__)
READY_WITHIN = 10.0
"""Seconds within which login and subscription must be confirmed."""
QUIET_FOR = 3600.0
"""An account may have nothing to say for long: only the connection's own pings tell that it
lives."""
TOPIC = "user"
BAD_IN_A_ROW = 20
"""Frames in a row of which something can't be read after which the connection is opened again."""
Output = Callable[[Any], None]


class UserStreamTrackerDataSource:
    """One account's private stream. Publishes when it is up (a new epoch) and when it broke.

    What can't be read may have been a fill: a new epoch without a break makes the market read from
    the venue.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        hosts: Endpoints,
        rest: Rest,
        auth: Auth | None,
        run_dir: str,
        name: str,
        clock: Clock = SYSTEM,
    ) -> None:
        if auth is None:
            raise AuthenticationError(
                f"{exchange.name}: a user stream needs a key; name one in accounts"
            )
        self._exchange = exchange
        self._hosts = hosts
        self._rest = rest
        self._auth = auth
        self._clock = clock
        self.tasks = Tasks()
        self.failed = self.tasks.failed
        self._publisher = Publisher(socket_path(run_dir, name))
        self._publisher.greet_with(
            lambda: [(TOPIC, UserStreamState(self._connected, self._epoch, self._reason))]
        )
        self._connected = False
        self._epoch = clock.time_ns()
        self._reason = "starting"
        self.last_recv_time = 0.0
        self.events = 0
        self.rejected = 0
        """Frames, and rows of frames, that could not be read."""
        self._bad_in_a_row = 0
        self._bad_frames: deque[bytes] = deque(maxlen=BAD_FRAMES_KEPT)

    order_book_class = None
    """The tutorial's attribute: user streams make no books."""

    async def start(self) -> None:
        await self._publisher.start()
        self.tasks.spawn("user stream", self._run())

    async def stop(self) -> None:
        await self.tasks.stop()
        await self._publisher.close()

    async def endpoint(self) -> ChannelAddress:
        return self._publisher.endpoint()

    def status(self) -> dict[str, Any]:
        return {
            "connected": self._connected,
            "reason": self._reason,
            "events": self.events,
            "rejected": self.rejected,
            "faults": self.rejected + self._rest.faults,
            "last_recv_time": self.last_recv_time,
        }

    async def bad_frames(self) -> list[bytes]:
        """The last frames, rows and answers that could not be read, each cut after 4096 bytes."""
        return [*self._bad_frames, *self._rest.bad_frames()]

    async def listen_for_user_stream(self, ev_loop: Any, output: "asyncio.Queue[Any]") -> None:
        """Put every message of the account into ``output`` until cancelled, by an own
        connection."""
        rules = await self._rules()
        await self._once(rules, output.put_nowait)

    async def _run(self) -> None:
        async def once() -> None:
            await self._once(await self._rules(), self._publish)

        await keep_connected(once, self._ended, self._clock)

    def _ended(self, error: Exception) -> None:
        self._publish_state(False, str(error))
        if isinstance(error, VenueError):
            self._rest.doubt_clock()  # few venues say of a login that its time was wrong
        if isinstance(error, AuthenticationError):
            log.error("%s: the user stream's key is refused: %s", self._exchange.name, error)

    async def _rules(self) -> dict[str, TradingRule]:
        found = await self._rest.run(self._exchange.book({}, "").trading_rules())
        return {rule.symbol: rule for rule in found}

    async def _once(self, rules: dict[str, TradingRule], output: Output) -> None:
        venue = self._exchange
        feed = venue.user(self._auth, rules, self._hosts.private)
        path = await run_handshake(feed.handshake(), self._rest)
        socket = ExchangeSocket(
            path if "://" in path else self._hosts.private.rstrip("/") + path,
            decode=venue.decode,
            ping=venue.ping,
            ping_every=venue.ping_every,
            stale_after=QUIET_FOR,
            tls=self._rest.tls,
            proxy=self._rest.proxy,
            rest=self._rest,
        )
        async with socket:
            await self._log_in(socket, feed)
            try:
                async with asyncio.timeout(READY_WITHIN) as limit:
                    await self._read(socket, feed, output, limit)
            except TimeoutError:
                raise Disconnected(
                    f"no confirmation of the login within {READY_WITHIN:g} s"
                ) from None

    async def _log_in(self, socket: ExchangeSocket, feed: UserFeed) -> None:
        await self._rest.keep_clock()
        for frame in feed.login(self._rest.now()):
            await socket.send(frame)

    async def _read(
        self, socket: ExchangeSocket, feed: UserFeed, output: Output, limit: asyncio.Timeout
    ) -> None:
        self._bad_in_a_row = 0
        async for frame in socket:
            self.last_recv_time = self._clock.time()
            faults = []
            for message in self._parse(feed, frame):
                match message:
                    case Ready():
                        limit.reschedule(None)
                        if not self._connected:  # else a login was renewed
                            self._publish_state(True, "open")
                    case Send() | LoginAgain() | Reconnect():
                        await self._obey(message, socket, feed)
                    case Fault(kind=ErrorKind.UNREADABLE):
                        faults.append(message)
                    case Fault(kind, code, text):
                        self._rest.heed(message)
                        raise ERRORS[kind](f"{self._exchange.name}: {text}", code)
                    case _:
                        output(message)
            self._take_faults(faults)

    async def _obey(
        self, control: Send | LoginAgain | Reconnect, socket: ExchangeSocket, feed: UserFeed
    ) -> None:
        match control:
            case Send(answer):
                await socket.send(answer)
            case LoginAgain():
                await self._log_in(socket, feed)
            case Reconnect(reason):
                raise Disconnected(reason)

    def _parse(self, feed: UserFeed, frame: bytes) -> list[Any]:
        """A frame's messages; of one that can't be read, the fault alone."""
        try:
            return list(feed.parse(frame))
        except MALFORMED as error:
            what = f"a frame that can't be read: {type(error).__name__}: {str(error)[:200]}"
            return [Fault(ErrorKind.UNREADABLE, "", what, frame=frame)]

    def _take_faults(self, faults: Iterable[Fault]) -> None:
        """Note what of one frame could not be read. Raises Disconnected after many such frames
        in a row."""
        message = ""
        for fault in faults:
            message = fault.message
            self.rejected += 1
            self._bad_frames.append(fault.frame[:BAD_FRAME_BYTES])
            log.warning("%s: user stream: %s", self._exchange.name, message)
        if not message:
            self._bad_in_a_row = 0
            return
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= BAD_IN_A_ROW:
            raise Disconnected(f"{BAD_IN_A_ROW} frames in a row can't be read; the last: {message}")
        if self._connected:
            self._publish_state(True, message)

    def _publish(self, message: Any) -> None:
        self.events += 1
        self._publisher.publish(TOPIC, message, epoch=self._epoch, time=self._clock.time_ns())

    def _publish_state(self, connected: bool, reason: str) -> None:
        if connected:
            self._epoch = max(self._epoch + 1, self._clock.time_ns())
        self._connected = connected
        self._reason = reason
        log.info(
            "%s: user stream %s: %s", self._exchange.name, "open" if connected else "down", reason
        )
        self._publisher.publish(
            TOPIC, UserStreamState(connected, self._epoch, reason), epoch=self._epoch
        )
