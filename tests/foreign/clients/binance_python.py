"""python-binance: its depth cache, orders by REST and by the websocket API, the account's stream.

Its addresses are attributes of its classes.
"""

import asyncio
from typing import Any

from binance import AsyncClient, BinanceSocketManager, DepthCacheManager
from binance.exceptions import BinanceAPIException
from venue_side import Sandbox, finish

PAIR = "BTC-USDT"
SYMBOL = "BTCUSDT"


def point(sandbox: Sandbox) -> None:
    AsyncClient.API_URL = f"{sandbox.rest}/api"
    AsyncClient.WS_API_URL = f"{sandbox.private}/ws-api/v3"
    BinanceSocketManager.STREAM_URL = f"{sandbox.public}/"


async def book(sandbox: Sandbox, client: AsyncClient, interval: int | None) -> dict[str, Any]:
    """What its depth cache has, beside the ledger."""
    manager = DepthCacheManager(client, SYMBOL, limit=1000, ws_interval=interval)
    async with manager:

        async def keep() -> None:
            while True:
                await manager.recv()

        keeping = asyncio.create_task(keep())

        def sides() -> tuple[dict[float, float], dict[float, float]]:
            cache = manager.get_depth_cache()
            return dict(cache.get_bids()), dict(cache.get_asks())

        report = await sandbox.compare_books_async(PAIR, sides)
        keeping.cancel()
    return report


async def refusal(request: Any) -> int:
    try:
        await request
    except BinanceAPIException as error:
        return int(error.code)
    return 0


async def orders(sandbox: Sandbox, client: AsyncClient) -> dict[str, Any]:
    report: dict[str, Any] = {}
    market = await client.create_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.01")
    report["market"] = market["status"]
    await asyncio.to_thread(sandbox.pause)
    ticker = await client.get_orderbook_ticker(symbol=SYMBOL)
    price = str(float(ticker["bidPrice"]) + 0.01)
    limit = await client.order_limit_buy(symbol=SYMBOL, quantity="0.02", price=price)
    await asyncio.to_thread(sandbox.trade, PAIR, "sell", "0.005", price)
    partly = await client.get_order(symbol=SYMBOL, orderId=limit["orderId"])
    report["partly"] = [partly["status"], partly["executedQty"]]
    cancelled = await client.cancel_order(symbol=SYMBOL, orderId=limit["orderId"])
    report["cancelled"] = [cancelled["status"], cancelled["executedQty"]]
    second = await client.ws_order_limit_buy(symbol=SYMBOL, quantity="0.02", price=price)
    await asyncio.to_thread(sandbox.trade, PAIR, "sell", "0.02", price)
    filled = await client.ws_get_order(symbol=SYMBOL, orderId=second["orderId"])
    report["filled_on_socket"] = filled["status"]
    third = await client.ws_order_limit_buy(symbol=SYMBOL, quantity="0.02", price="30000.00")
    await client.ws_cancel_order(symbol=SYMBOL, orderId=third["orderId"])
    report["rejected"] = await refusal(
        client.order_limit_buy(symbol=SYMBOL, quantity="100", price="50000.00")
    )
    report["rejected_on_socket"] = await refusal(
        client.ws_order_limit_buy(symbol=SYMBOL, quantity="0.0000001", price="50000.00")
    )
    report["unknown"] = await refusal(client.cancel_order(symbol=SYMBOL, orderId=1))
    report["open"] = len(await client.get_open_orders(symbol=SYMBOL))
    trades = await client.get_my_trades(symbol=SYMBOL)
    report["fills"] = [[str(t["id"]), float(t["qty"]), float(t["price"])] for t in trades]
    await asyncio.to_thread(sandbox.resume)
    return report


async def user_stream(client: AsyncClient, sandbox: Sandbox) -> dict[str, Any]:
    """Orders while the account's stream is followed."""
    events: list[Any] = []
    socket = BinanceSocketManager(client).user_socket()
    async with socket:

        async def keep() -> None:
            while True:
                events.append(await socket.recv())

        keeping = asyncio.create_task(keep())
        report = await orders(sandbox, client)
        await asyncio.sleep(1)
        keeping.cancel()
    reports = [event for event in events if event["e"] == "executionReport"]
    trades = [event for event in reports if event["x"] == "TRADE"]
    report["stream"] = {
        "states": sorted({event["X"] for event in reports}),
        "fills": [[str(t["t"]), float(t["l"]), float(t["L"])] for t in trades],
        "positions": sum(event["e"] == "outboundAccountPosition" for event in events),
    }
    return report


async def public(client: AsyncClient) -> dict[str, Any]:
    info = await client.get_exchange_info()
    tickers = await client.get_all_tickers()
    by_socket = await client.ws_get_order_book(symbol=SYMBOL, limit=5)
    return {
        "symbols": len(info["symbols"]),
        "tickers": len(tickers),
        "levels_by_socket": len(by_socket["bids"]),
        "ping": await client.ping(),
    }


async def main() -> dict[str, Any]:
    sandbox = Sandbox()
    point(sandbox)
    keys = sandbox.keys
    client = await AsyncClient.create(keys["api_key"], keys["api_secret"])
    report: dict[str, Any] = {"public": await public(client)}
    report["orders"] = await user_stream(client, sandbox)
    report["ledger_fills"] = sandbox.fills()
    report["books"] = {
        "1000ms": await book(sandbox, client, None),
        "100ms": await book(sandbox, client, 100),
    }
    await client.close_connection()
    return report


finish(asyncio.run(main()))
