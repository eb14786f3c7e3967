"""A market with its user stream as plain objects on this loop, on a sandbox.

For any venue, clock and journal.
"""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from actors.clock import SYSTEM, Clock
from actors.orders.journal import Journal
from actors.orders.market import Market
from actors.orders.user_stream import UserStreamTrackerDataSource
from actors.orders.user_stream_tracker import UserStreamTracker
from actors.transport.rest import Rest
from exchanges.contract import Endpoints, Exchange
from exchanges.order_views import OrderView
from exchanges.registry import get
from exchanges.rules import terms_of
from orderbook.errors import NotReady
from tests.support.market_harness import PAIR, REST_BELOW, ActorCalls


def impatient(venue: str = "binance") -> Exchange:
    """The venue, with a shorter time after which an order must be found: a test is shorter so."""
    return dataclasses.replace(get(venue), visibility=1.0)


class RunningMarket:
    """What a test touches: the market, its source, and the sandbox's admin door."""

    def __init__(self, market: Market, source: UserStreamTrackerDataSource, sandbox: Any) -> None:
        self.market = market
        self.source = source
        self.sandbox = sandbox

    async def admin(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return await asyncio.to_thread(self.sandbox.admin, method, path, body)

    async def faults(self, **values: float) -> None:
        await self.admin("POST", "faults", values)

    async def place(self, intent: str, **terms: Any) -> OrderView:
        """A resting buy, unless the terms say otherwise."""
        base = {"trading_pair": PAIR, "side": "buy", "amount": "0.01", "price": REST_BELOW}
        return await self.market.place(intent, terms_of(**base | terms))

    async def order(self, placed: OrderView) -> OrderView:
        return await self.market.order(placed.client_order_id)

    async def state(self, placed: OrderView, *states: str, within: float = 15.0) -> OrderView:
        """The order, once it is in one of ``states`` and known."""
        async with asyncio.timeout(within):
            while True:
                now = await self.order(placed)
                if now.state in states and not now.status_unknown:
                    return now
                await asyncio.sleep(0.02)

    async def venue_orders(self) -> dict[str, dict[str, Any]]:
        return {
            row["client_order_id"]: row for row in await self.admin("GET", "orders?account=default")
        }

    async def venue_state(self, placed: OrderView) -> str:
        """What the venue says of an order; nothing when it doesn't have it."""
        state: str = (await self.venue_orders()).get(placed.client_order_id, {}).get("state", "")
        return state

    async def open_at_the_venue(self) -> int:
        return sum(row["state"] == "open" for row in (await self.venue_orders()).values())

    async def kinds(self) -> list[str]:
        """What was told of all orders, oldest first."""
        return [event.kind for event in await self.market.events_since(0)]


@asynccontextmanager
async def running_market(
    sandbox: Any,
    folder: Path,
    *,
    exchange: Exchange | None = None,
    clock: Clock = SYSTEM,
    journal: str = "",
    checkpoint: Any = None,
    ready: float = 15.0,
) -> AsyncIterator[RunningMarket]:
    """``ready`` 0: don't wait for the market."""
    folder.mkdir(parents=True, exist_ok=True)
    (name,) = sandbox.hosts
    exchange = exchange or get(name)
    peers = ActorCalls()
    hosts = Endpoints(**sandbox.hosts[name])
    auth = exchange.auth(sandbox.accounts["default"])
    place = {"run_dir": str(folder)}
    async with aiohttp.ClientSession() as session:
        source = UserStreamTrackerDataSource(
            exchange,
            hosts=hosts,
            rest=Rest(exchange, session, hosts, auth, clock),
            auth=auth,
            name="source",
            clock=clock,
            **place,
        )
        tracker = UserStreamTracker(
            exchange, peers=peers, data_source="source", name="tracker", **place
        )
        market = Market(
            exchange,
            account="default",
            rest=Rest(exchange, session, hosts, auth, clock),
            peers=peers,
            user_stream_tracker="tracker",
            name="market",
            journal=Journal(
                journal or f"sqlite:///{folder}/journal.db", venue=name, account="default"
            ),
            books=lambda pair: (_ for _ in ()).throw(NotReady(pair)),
            clock=clock,
            checkpoint=checkpoint or (lambda point: None),
            **place,
        )
        peers.components = {"source": source, "tracker": tracker, "market": market}
        started: list[Any] = []
        try:
            for component in (source, tracker, market):
                await component.start()
                started.insert(0, component)
            if ready:
                await market.wait_ready(ready)
            yield RunningMarket(market, source, sandbox)
        finally:
            for component in started:
                await component.stop()


async def use_up(market: Market, name: str, used: int, first: float, last: float) -> None:
    """Let a limit's window be ``used`` by others.

    At a moment when it ends in ``first`` to ``last`` seconds.
    """
    rest = market.rest
    (limit,) = [limit for limit in rest._exchange.limits if limit.name == name]
    budget = rest._budget
    if limit.aligned:
        while not first <= limit.per - rest.now() % limit.per <= last:
            await asyncio.sleep(0.2)
        budget.note_headers({limit.used_header: str(used)}, rest.now())
        return
    budget.settle(budget.take({name: used}))
    await asyncio.sleep(limit.per - (first + last) / 2)


async def until(condition: Callable[[], Awaitable[Any]], within: float, every: float = 0.1) -> Any:
    """What ``await condition()`` gave as soon as it is true, or its last value."""
    end = time.monotonic() + within
    while not (value := await condition()) and time.monotonic() < end:
        await asyncio.sleep(every)
    return value
