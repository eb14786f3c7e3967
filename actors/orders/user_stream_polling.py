"""The tutorial's other way: an account's events read by REST, where a venue has no private
socket or none is wanted."""

import asyncio
import logging
from typing import Any

from actors.channel import ChannelAddress, Publisher
from actors.clock import SYSTEM, Clock
from actors.component import Tasks
from actors.node_paths import socket_path
from actors.orders.reconciler import read_fills
from actors.orders.user_stream import TOPIC, Output
from actors.transport.rest import Rest, run_handshake
from exchanges.contract import Auth, Endpoints, Exchange, FillCursor, OrderEntry
from exchanges.orders import Balance, OrderUpdate, UserStreamState
from exchanges.rows import bad_rows
from orderbook.errors import AuthenticationError, Disconnected, NotReady, VenueError

log = logging.getLogger(__name__)
POLL_EVERY = 1.0


class PollingUserStreamTrackerDataSource:
    """Reads open orders, fills and balances every second, and publishes what is new. What
    vanished from the open orders is queried by whoever tracks it: absence is no evidence, least
    of all in an answer that could be read in part only."""

    order_book_class = None

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
        self._rest = rest
        self._clock = clock
        self.tasks = Tasks()
        self.failed = self.tasks.failed
        self._publisher = Publisher(socket_path(run_dir, name))
        self._publisher.greet_with(
            lambda: [(TOPIC, UserStreamState(self._connected, self._epoch, "polling"))]
        )
        self._connected = False
        self._epoch = clock.time_ns()
        self._fills_since = 0  # ns on the venue's clock
        self._orders: dict[str, OrderUpdate] = {}
        self._balances: dict[str, Balance] = {}
        self._cursors: dict[str, FillCursor] = {}
        self._pair_of: dict[str, str] = {}
        self.last_recv_time = 0.0
        self.polls = 0

    async def start(self) -> None:
        await self._publisher.start()
        self.tasks.spawn("poll", self._run(self._publish))

    async def stop(self) -> None:
        await self.tasks.stop()
        await self._publisher.close()

    async def endpoint(self) -> ChannelAddress:
        return self._publisher.endpoint()

    def status(self) -> dict[str, Any]:
        return {
            "connected": self._connected,
            "polls": self.polls,
            "faults": self._rest.faults,
            "last_recv_time": self.last_recv_time,
        }

    async def bad_frames(self) -> list[bytes]:
        """The last rows and answers that could not be read, each cut after 4096 bytes."""
        return self._rest.bad_frames()

    async def listen_for_user_stream(self, ev_loop: Any, output: "asyncio.Queue[Any]") -> None:
        """Put every message of the account into ``output`` until cancelled."""
        await self._run(output.put_nowait)

    async def _run(self, output: Output) -> None:
        entry: OrderEntry | None = None
        while True:
            try:
                entry = entry or await self._entry()
                await self._poll(entry, output)
                if not self._connected:
                    self._publish_state(True)
            except (Disconnected, NotReady, VenueError) as error:
                log.warning(
                    "%s: polling failed, nothing is concluded from it: %s",
                    self._exchange.name,
                    error,
                )
                if self._connected:
                    self._publish_state(False)
            await asyncio.sleep(POLL_EVERY)

    async def _entry(self) -> OrderEntry:
        rules = await self._rest.run(self._exchange.book({}, "").trading_rules())
        self._pair_of = {rule.symbol: rule.trading_pair for rule in rules}
        entry = self._exchange.orders({rule.trading_pair: rule for rule in rules})
        await run_handshake(entry.handshake(), self._rest)
        await self._rest.keep_clock()
        self._fills_since = int(self._rest.now() * 1e9)
        return entry

    async def _poll(self, entry: OrderEntry, output: Output) -> None:
        updates = await self._rest.run(entry.open_orders())
        found = {update.exchange_order_id: update for update in updates}
        touched = {update.symbol for update in [*found.values(), *self._orders.values()]}
        for order_id, update in found.items():
            if self._orders.get(order_id) != update:
                output(update)
        self._orders = self._orders | found if bad_rows(updates) else found
        holdings = await self._rest.run(entry.balances())
        balances = {balance.asset: balance for balance in holdings}
        for asset, balance in balances.items():
            if self._balances.get(asset) != balance:
                output(balance)
        self._balances = self._balances | balances if bad_rows(holdings) else balances
        for symbol in touched & self._pair_of.keys():
            await self._poll_fills(entry, symbol, output)
        self.polls += 1
        self.last_recv_time = self._clock.time()

    async def _poll_fills(self, entry: OrderEntry, symbol: str, output: Output) -> None:
        cursor = self._cursors.get(symbol, FillCursor(time=self._fills_since))
        fills = await read_fills(self._rest, entry, self._pair_of[symbol], cursor)
        for fill in fills:
            output(fill)
        newest = max(fills, key=lambda fill: fill.time, default=None)
        self._cursors[symbol] = (
            cursor if newest is None else FillCursor(newest.trade_id, newest.time)
        )

    def _publish(self, message: Any) -> None:
        self._publisher.publish(TOPIC, message, epoch=self._epoch, time=self._clock.time_ns())

    def _publish_state(self, connected: bool) -> None:
        if connected:
            self._epoch = max(self._epoch + 1, self._clock.time_ns())
        self._connected = connected
        self._publisher.publish(
            TOPIC, UserStreamState(connected, self._epoch, "polling"), epoch=self._epoch
        )
