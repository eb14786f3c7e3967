"""Hyperliquid's own SDK; its address is an argument."""

import queue
import time
from decimal import Decimal
from typing import Any

from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.error import ClientError, ServerError
from hyperliquid.utils.types import Cloid
from venue_side import Sandbox, finish

PAIR = "BTC-USDC"
COIN = "BTC/USDC"
LEVELS = 20
GTC = {"limit": {"tif": "Gtc"}}
MINE = "0x" + "34" * 16


def follow_books(sandbox: Sandbox, info: Info) -> dict[str, Any]:
    last: dict[str, Any] = {}
    trades: list[Any] = []
    mids: list[Any] = []
    info.subscribe({"type": "l2Book", "coin": COIN}, lambda told: last.update(told["data"]))
    info.subscribe({"type": "trades", "coin": COIN}, lambda told: trades.extend(told["data"]))
    info.subscribe({"type": "allMids"}, mids.append)
    info.subscribe({"type": "bbo", "coin": COIN}, lambda told: last.update(best=told["data"]))

    def read() -> tuple[Any, Any]:
        bids, asks = (
            {Decimal(level["px"]): Decimal(level["sz"]) for level in side}
            for side in last["levels"]
        )
        return bids, asks

    while "levels" not in last:
        time.sleep(0.01)
    books = sandbox.compare_books(PAIR, read, levels=LEVELS)
    return {
        "books": books,
        "trades": len(trades) > 0,
        "users": {len(trade["users"]) for trade in trades} == {2},
        "mids": len(mids) > 0,
        "best": [level["n"] for level in last["best"]["bbo"]],
    }


def status_of(answer: Any) -> Any:
    (status,) = answer["response"]["data"]["statuses"]
    return status


def live_orders(sandbox: Sandbox, info: Info) -> dict[str, Any]:
    """Orders that rest, are filled in parts, and are cancelled, as the socket tells them."""
    address = sandbox.keys["api_key"]
    exchange = Exchange(Account.from_key(sandbox.keys["api_secret"]), sandbox.rest)
    updates: queue.Queue[Any] = queue.Queue()
    fills: list[Any] = []
    info.subscribe({"type": "orderUpdates", "user": address}, updates.put)
    info.subscribe(
        {"type": "userFills", "user": address}, lambda told: fills.extend(told["data"]["fills"])
    )
    time.sleep(0.5)
    sandbox.pause()
    bids, asks = sandbox.ledger_book(PAIR)
    price = float(int(min(asks)) - 1)
    while price <= float(max(bids)):
        sandbox.trade(PAIR, "sell", str(max(bids.values())), str(max(bids)))
        bids, asks = sandbox.ledger_book(PAIR)
    resting = status_of(exchange.order(COIN, True, 0.01, price, GTC))["resting"]["oid"]
    for _ in range(2):
        sandbox.trade(PAIR, "sell", "0.005", str(price))
    low = float(int(max(bids) * Decimal("0.8")))
    cloid = Cloid.from_str(MINE)
    cancelled = status_of(exchange.order(COIN, True, 0.01, low, GTC, cloid=cloid))["resting"]["oid"]
    named = [row.get("cloid") for row in info.open_orders(address)]
    done = status_of(exchange.cancel_by_cloid(COIN, cloid))
    bought = status_of(exchange.market_open(COIN, True, 0.01))["filled"]["oid"]
    sandbox.resume()
    time.sleep(1.0)
    rows = [row for told in list(updates.queue) for row in told["data"]]
    ids = {"filled": resting, "cancelled": cancelled, "bought": bought}
    states = {
        name: [
            f"{row['status']} {float(row['order']['sz']):g}"
            for row in rows
            if row["order"]["oid"] == oid
        ]
        for name, oid in ids.items()
    }
    ledger = sandbox.orders()
    return {
        "states": states,
        "ledger": {name: ledger[str(oid)]["state"] for name, oid in ids.items()},
        "fills": [fill["sz"] for fill in fills if fill["oid"] == resting],
        "cancel": [named, done],
        "history": len(info.historical_orders(address)),
        "perps": info.user_state(address)["assetPositions"],
    }


def refusals(sandbox: Sandbox, info: Info) -> dict[str, Any]:
    exchange = Exchange(Account.from_key(sandbox.keys["api_secret"]), sandbox.rest)
    before = len(sandbox.orders())
    trigger = {"trigger": {"isMarket": True, "triggerPx": 30000.0, "tpsl": "sl"}}
    found = {
        "funds": status_of(exchange.order(COIN, True, 900, 59000.0, GTC))["error"],
        "trigger": status_of(exchange.order(COIN, True, 0.01, 30000.0, trigger))["error"],
        "small": status_of(exchange.order(COIN, True, 0.0001, 30000.0, GTC))["error"],
        "unknown": status_of(exchange.cancel(COIN, 7))["error"],
        "late": exchange.schedule_cancel(int(time.time() * 1000) + 60_000)["response"][:27],
        "placed": len(sandbox.orders()) - before,
    }
    for name, ask in (
        ("leverage", lambda: exchange.update_leverage(5, "BTC")),
        ("candles", lambda: info.candles_snapshot("BTC", "1m", 0, 1)),
    ):
        try:
            ask()
        except (ClientError, ServerError) as error:
            found[name] = error.status_code
    return found


def main() -> None:
    sandbox = Sandbox()
    info = Info(sandbox.rest)
    finish(
        {
            "stream": follow_books(sandbox, info),
            "orders": live_orders(sandbox, info),
            "refused": refusals(sandbox, info),
        }
    )


main()
