"""A market with its user stream, as plain objects in the test's own loop, on its own sandbox."""

import asyncio
import dataclasses
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import aiohttp

from actors.orders.journal import Journal
from actors.orders.market import Market
from actors.orders.user_stream import UserStreamTrackerDataSource
from actors.orders.user_stream_polling import PollingUserStreamTrackerDataSource
from actors.orders.user_stream_tracker import UserStreamTracker
from actors.transport.rest import Rest
from exchanges.binance import BINANCE
from exchanges.contract import Endpoints
from exchanges.order_views import OrderView
from exchanges.rules import terms_of
from orderbook.errors import NotReady
from trochil.sandbox.process import SandboxProcess

EXCHANGE = dataclasses.replace(BINANCE, visibility=1.0)
"""The venue, with a short time after which an order must be found."""
PAIR = "BTC-USDT"
REST_BELOW = "30000.00"


class ActorCalls:
    def __init__(self) -> None:
        self.components: dict[str, Any] = {}

    async def call(self, actor: str, method: str, *args: Any, **kwargs: Any) -> Any:
        if actor not in self.components:
            raise NotReady(actor)
        found = getattr(self.components[actor], method)(*args, **kwargs)
        return await found if inspect.isawaitable(found) else found


class MarketHarness:
    """The market under test, and the admin API of its sandbox."""

    def __init__(self, market: Market, sandbox: SandboxProcess) -> None:
        self.market = market
        self.sandbox = sandbox

    async def admin(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return await asyncio.to_thread(self.sandbox.admin, method, path, body)

    async def faults(self, **values: float) -> None:
        await self.admin("POST", "faults", values)

    async def place(self, intent: str, **terms: Any) -> OrderView:
        """A resting buy, unless the terms say otherwise."""
        base = {"trading_pair": PAIR, "side": "buy", "amount": "0.01", "price": REST_BELOW}
        return await self.market.place(intent, terms_of(**base | terms))

    async def state(self, order: OrderView | str, *states: str, within: float = 15.0) -> OrderView:
        """The order, once it is in one of ``states``, known, and complete if done."""
        client_id = order if isinstance(order, str) else order.client_order_id
        async with asyncio.timeout(within):
            while True:
                now = await self.market.order(client_id)
                settled = not now.status_unknown and (
                    now.is_complete or now.state in ("open", "partially_filled")
                )
                if now.state in states and settled:
                    return now
                await asyncio.sleep(0.02)

    async def venue_orders(self) -> dict[str, dict[str, Any]]:
        return {
            row["client_order_id"]: row for row in await self.admin("GET", "orders?account=default")
        }

    async def hit(self, amount: str, price: str = "1.00") -> None:
        """The liquidity provider sells down to a price."""
        await self.admin(
            "POST", "trade", {"pair": PAIR, "side": "sell", "amount": amount, "price": price}
        )


@asynccontextmanager
async def market_harness(
    sandbox: SandboxProcess, folder: Path, *, polling: bool = False, checkpoint: Any = None
) -> AsyncIterator[MarketHarness]:
    peers = ActorCalls()
    exchange = EXCHANGE
    hosts = Endpoints(**sandbox.hosts["binance"])
    auth = exchange.auth(sandbox.accounts["default"])
    place = {"run_dir": str(folder)}
    async with aiohttp.ClientSession() as session:
        kind = PollingUserStreamTrackerDataSource if polling else UserStreamTrackerDataSource
        source = kind(
            exchange,
            hosts=hosts,
            rest=Rest(exchange, session, hosts, auth),
            auth=auth,
            name="source",
            **place,
        )
        tracker = UserStreamTracker(
            exchange, peers=peers, data_source="source", name="tracker", **place
        )
        market = Market(
            exchange,
            account="default",
            rest=Rest(exchange, session, hosts, auth),
            peers=peers,
            user_stream_tracker="tracker",
            name="market",
            journal=Journal(f"sqlite:///{folder}/journal.db", venue="binance", account="default"),
            books=lambda pair: (_ for _ in ()).throw(NotReady(pair)),
            checkpoint=checkpoint or (lambda point: None),
            **place,
        )
        peers.components = {"source": source, "tracker": tracker, "market": market}
        for component in (source, tracker, market):
            await component.start()
        try:
            await market.wait_ready(15)
            yield MarketHarness(market, sandbox)
        finally:
            for component in (market, tracker, source):
                await component.stop()


def run_with_market(
    sandbox: SandboxProcess,
    folder: Path,
    work: Callable[[MarketHarness], Awaitable[None]],
    **options: Any,
) -> None:
    """Run ``work`` with a market; afterwards orders and fills must agree with the venue's."""

    async def main() -> None:
        async with market_harness(sandbox, folder, **options) as found:
            await work(found)
            await found.faults(
                **dict.fromkeys(
                    ("delayed_visibility", "clock_skew", "delay_request", "user_stream_drop"), 0
                )
            )
            await agreement(found)

    asyncio.run(main())


async def agreement(found: MarketHarness, within: float = 20.0) -> None:
    """Every venue order known as the venue knows it, every fill booked once, balances equal."""
    async with asyncio.timeout(within):
        while (differences := await _differences(found)) is not None:
            last = differences
            await asyncio.sleep(0.1)
            assert last


async def _differences(found: MarketHarness) -> str | None:
    ours = {order.client_order_id: order for order in await found.market.orders(open_only=False)}
    for client_id, row in (await found.venue_orders()).items():
        order = ours.get(client_id)
        if order is None or (order.state, order.filled) != (
            row["state"],
            D(row["filled"]),
        ):
            return f"{client_id}: {order} against {row}"
    booked = sorted(fill.trade_id for fill in await found.market.fills_table())
    real = sorted(str(row["trade_id"]) for row in await found.admin("GET", "fills?account=default"))
    return None if booked == real else f"fills {booked} against {real}"
