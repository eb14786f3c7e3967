"""The venue's own SDK, binance-sdk-spot: REST, market streams and the websocket API.

Its addresses are settings.
"""

import asyncio
from decimal import Decimal
from typing import Any

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_common.errors import BadRequestError
from binance_sdk_spot.spot import Spot
from binance_sdk_spot.websocket_api.models import (
    DepthResponse,
    OrderPlaceSideEnum,
    OrderPlaceTimeInForceEnum,
    OrderPlaceTypeEnum,
)
from venue_side import Sandbox, finish

PAIR = "BTC-USDT"
SYMBOL = "BTCUSDT"
LIMIT = {
    "symbol": SYMBOL,
    "side": OrderPlaceSideEnum["BUY"],
    "type": OrderPlaceTypeEnum["LIMIT"],
    "time_in_force": OrderPlaceTimeInForceEnum["GTC"],
}


class Book:
    """A book of snapshot and diffs, as the documentation says."""

    def __init__(self) -> None:
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.last_id = 0
        self.gaps = 0
        self._early: list[Any] = []

    def on_diff(self, diff: Any) -> None:
        if not self.last_id:
            self._early.append(diff)
        elif diff.u > self.last_id:
            self.gaps += self.last_id + 1 < diff.U
            self._apply(diff.b, diff.a)
            self.last_id = diff.u

    def on_snapshot(self, snapshot: Any) -> None:
        self._apply(snapshot.bids, snapshot.asks)
        self.last_id = snapshot.last_update_id
        for diff in self._early:
            self.on_diff(diff)

    def _apply(self, bids: Any, asks: Any) -> None:
        for side, levels in ((self.bids, bids), (self.asks, asks)):
            for price, size in levels:
                side[price] = size
                if size == "0.00000000":
                    del side[price]

    def sides(self) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:
        bids, asks = (
            {Decimal(price): Decimal(size) for price, size in side.items()}
            for side in (self.bids, self.asks)
        )
        return bids, asks


def spot(sandbox: Sandbox) -> Spot:
    keys = {"api_key": sandbox.keys["api_key"], "api_secret": sandbox.keys["api_secret"]}
    return Spot(
        config_rest_api=ConfigurationRestAPI(**keys, base_path=sandbox.rest),
        config_ws_api=ConfigurationWebSocketAPI(**keys, stream_url=f"{sandbox.private}/ws-api/v3"),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=sandbox.public),
    )


def by_rest(client: Spot) -> dict[str, Any]:
    api = client.rest_api
    info = api.exchange_info().data()
    account = api.get_account(omit_zero_balances=True).data()
    order = api.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01).data()
    try:
        api.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0)
        rejected = ""
    except BadRequestError as error:
        rejected = str(error)
    return {
        "symbols": len(info.symbols),
        "balances": len(account.balances),
        "market": order.status,
        "fills": len(order.fills),
        "trades": len(api.my_trades(symbol=SYMBOL).data()),
        "rejected": rejected,
    }


async def by_streams(client: Spot, sandbox: Sandbox) -> dict[str, Any]:
    connection = await client.websocket_streams.create_connection()
    counts: dict[str, int] = {}

    async def follow(name: str, stream: Any) -> None:
        counts[name] = 0

        def note(frame: Any) -> None:
            counts[name] += 1

        stream.on("message", note)

    symbol = SYMBOL.lower()
    await follow("aggTrade", await connection.agg_trade(symbol=symbol))
    await follow("trade", await connection.trade(symbol=symbol))
    await follow("bookTicker", await connection.book_ticker(symbol=symbol))
    await follow("miniTicker", await connection.mini_ticker(symbol=symbol))
    await follow("ticker", await connection.ticker(symbol=symbol))
    await follow("avgPrice", await connection.avg_price(symbol=symbol))
    partial = await connection.partial_book_depth(symbol=symbol, levels=5)
    await follow("depth5", partial)
    book = Book()
    diffs = await connection.diff_book_depth(symbol=symbol, update_speed="100ms")
    diffs.on("message", book.on_diff)
    snapshot = await asyncio.to_thread(client.rest_api.depth, symbol=SYMBOL, limit=5000)
    book.on_snapshot(snapshot.data())
    books = await sandbox.compare_books_async(PAIR, book.sides)
    await connection.close_connection(close_session=True)
    return {"counts": counts, "books": books, "gaps": book.gaps}


async def on_websocket_api(client: Spot, sandbox: Sandbox) -> dict[str, Any]:
    connection = await client.websocket_api.create_connection()
    events: list[Any] = []
    subscribed = await connection.user_data_stream_subscribe_signature()
    subscribed.stream.on("message", events.append)
    ping = await connection.ping()
    depth = await connection.depth(symbol=SYMBOL, limit=5)
    await asyncio.to_thread(sandbox.pause)
    ledger_bids, _ = await asyncio.to_thread(sandbox.ledger_book, PAIR)
    price = float(max(ledger_bids)) + 0.01
    placed = await connection.order_place(**LIMIT, quantity=0.02, price=price)
    order_id = placed.data().result.order_id
    await asyncio.to_thread(sandbox.trade, PAIR, "sell", "0.005", str(price))
    partly = await connection.order_status(symbol=SYMBOL, order_id=order_id)
    cancelled = await connection.order_cancel(symbol=SYMBOL, order_id=order_id)
    second = await connection.order_place(**LIMIT, quantity=0.02, price=price)
    second_id = second.data().result.order_id
    await asyncio.to_thread(sandbox.trade, PAIR, "sell", "0.02", str(price))
    filled = await connection.order_status(symbol=SYMBOL, order_id=second_id)
    rejected = await connection.order_place(**LIMIT, quantity=100, price=50000)
    open_orders = await connection.open_orders_status(symbol=SYMBOL)
    trades = await connection.my_trades(symbol=SYMBOL)
    await asyncio.sleep(1)
    await asyncio.to_thread(sandbox.resume)
    await connection.close_connection(close_session=True)
    reports = [event.actual_instance for event in events]
    states = [report.X for report in reports if type(report).__name__ == "ExecutionReport"]
    return {
        "limits": [limit.limit for limit in ping.rate_limits],
        "levels": len(depth.data().result.bids),
        "is_typed": isinstance(depth.data(), DepthResponse),
        "placed": placed.data().result.status,
        "partly": partly.data().result.status,
        "cancelled": cancelled.data().result.status,
        "filled": filled.data().result.status,
        "rejected": rejected.data(),
        "open": len(open_orders.data().result),
        "trades": len(trades.data().result),
        "kinds": sorted({type(report).__name__ for report in reports}),
        "states": states,
    }


async def main() -> dict[str, Any]:
    sandbox = Sandbox()
    client = spot(sandbox)
    report = {"rest": await asyncio.to_thread(by_rest, client)}
    report["websocket_api"] = await on_websocket_api(client, sandbox)
    report["streams"] = await by_streams(client, sandbox)
    report["ledger_fills"] = len(sandbox.fills())
    return report


finish(asyncio.run(main()))
