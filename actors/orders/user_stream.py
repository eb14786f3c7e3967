"""UserStreamTrackerDataSource: what a venue says of one account, by its private socket, served over a channel."""

import asyncio
import logging
from typing import Any

from actors.channel import ChannelAddress, Publisher
from actors.clock import SYSTEM, Clock
from actors.component import Tasks
from actors.node_paths import socket_path
from actors.transport.rest import ERRORS, Rest, run_handshake
from actors.transport.websocket import ExchangeSocket, keep_connected
from exchanges.contract import (
    MALFORMED,
    Auth,
    Endpoints,
    Exchange,
    Fault,
    LoginAgain,
    Ready,
    Reconnect,
    Send,
    UserFeed,
)
from exchanges.orders import TradingRule, UserStreamState
from orderbook.errors import AuthenticationError, Disconnected

log = logging.getLogger(__name__)
READY_WITHIN = 10.0
"""Seconds within which login and subscription must be confirmed."""
QUIET_FOR = 3600.0
"""An account may have nothing to say for long: only the connection's own pings tell that it lives."""
TOPIC = "user"


class UserStreamTrackerDataSource:
    """One account's private stream. Says when it stands (a new epoch) and when it broke."""

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
        self._exchange, self._hosts, self._rest, self._auth, self._clock = (
            exchange,
            hosts,
            rest,
            auth,
            clock,
        )
        self.tasks = Tasks()
        self.failed = self.tasks.failed
        self._publisher = Publisher(socket_path(run_dir, name))
        self._publisher.greet_with(
            lambda: [(TOPIC, UserStreamState(self._connected, self._epoch, self._reason))]
        )
        self._connected, self._epoch, self._reason = False, clock.time_ns(), "starting"
        self.last_recv_time = 0.0
        self.events = self.rejected = 0

    order_book_class = None
    """The tutorial's attribute: user streams make no books."""

    async def start(self) -> None:
        await self._publisher.start()
        self.tasks.spawn("user stream", self._run())

    async def stop(self) -> None:
        await self.tasks.stop()
        await self._publisher.close()

    def endpoint(self) -> ChannelAddress:
        return self._publisher.endpoint()

    def status(self) -> dict[str, Any]:
        return {
            "connected": self._connected,
            "reason": self._reason,
            "events": self.events,
            "rejected": self.rejected,
            "last_recv_time": self.last_recv_time,
        }

    async def listen_for_user_stream(self, ev_loop: Any, output: "asyncio.Queue[Any]") -> None:
        """Put every message of the account into ``output`` until cancelled, by an own connection."""
        rules = await self._rules()
        await self._once(rules, output.put_nowait)

    async def _run(self) -> None:
        async def once() -> None:
            await self._once(await self._rules(), self._publish)

        await keep_connected(once, self._ended, self._clock)

    def _ended(self, error: Exception) -> None:
        self._say(False, str(error))
        if isinstance(error, AuthenticationError):
            log.error("%s: the user stream's key is refused: %s", self._exchange.name, error)

    async def _rules(self) -> dict[str, TradingRule]:
        found = await self._rest.run(self._exchange.book({}, "").trading_rules())
        return {rule.symbol: rule for rule in found}

    async def _once(self, rules: dict[str, TradingRule], output: Any) -> None:
        venue, feed = self._exchange, self._exchange.user(self._auth, rules, self._hosts.private)
        path = await run_handshake(feed.handshake(), self._rest)
        socket = ExchangeSocket(
            path if "://" in path else self._hosts.private.rstrip("/") + path,
            decode=venue.decode,
            ping=venue.ping,
            ping_every=venue.ping_every,
            stale_after=QUIET_FOR,
        )
        async with socket:
            for frame in feed.login(self._rest.now()):
                await socket.send(frame)
            try:
                async with asyncio.timeout(READY_WITHIN) as limit:
                    await self._read(socket, feed, output, limit)
            except TimeoutError:
                raise Disconnected(
                    f"no confirmation of the login within {READY_WITHIN:g} s"
                ) from None

    async def _read(
        self, socket: ExchangeSocket, feed: UserFeed, output: Any, limit: asyncio.Timeout
    ) -> None:
        async for frame in socket:
            self.last_recv_time = self._clock.time()
            try:
                said = list(feed.parse(frame))
            except MALFORMED as error:
                # It may have been a fill: only asking the venue tells. A new epoch makes the market ask.
                self.rejected += 1
                raise Disconnected(
                    f"a frame that can't be read: {type(error).__name__}: {str(error)[:200]}"
                ) from None
            for message in said:
                match message:
                    case Ready():
                        limit.reschedule(None)
                        if not self._connected:  # else a login was renewed
                            self._say(True, "open")
                    case Send(answer):
                        await socket.send(answer)
                    case LoginAgain():
                        for answer in feed.login(self._rest.now()):
                            await socket.send(answer)
                    case Reconnect(reason):
                        raise Disconnected(reason)
                    case Fault(kind, code, text):
                        raise ERRORS[kind](f"{self._exchange.name}: {text}", code)
                    case _:
                        output(message)

    def _publish(self, message: Any) -> None:
        self.events += 1
        self._publisher.publish(TOPIC, message, epoch=self._epoch, time=self._clock.time_ns())

    def _say(self, connected: bool, reason: str) -> None:
        if connected:
            self._epoch = max(self._epoch + 1, self._clock.time_ns())
        self._connected, self._reason = connected, reason
        log.info(
            "%s: user stream %s: %s", self._exchange.name, "open" if connected else "down", reason
        )
        self._publisher.publish(
            TOPIC, UserStreamState(connected, self._epoch, reason), epoch=self._epoch
        )
