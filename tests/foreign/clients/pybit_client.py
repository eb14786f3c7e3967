"""pybit in its own addresses: REST, public and private sockets.

It notes a subscription and its callback after it has sent it: an answer that comes at once can
find neither, and its thread ends. Then the script subscribes with a new client.
"""

import queue
import time
from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from typing import Any

from pybit.exceptions import FailedRequestError, InvalidRequestError
from pybit.unified_trading import HTTP, WebSocket
from venue_side import Sandbox, finish

PAIR = "BTC-USDT"
SPOT = {"category": "spot", "symbol": "BTCUSDT"}
DEPTH = 200
PATIENCE_S = 20.0
TRIES = 5


def begun(start: Callable[[queue.Queue[Any]], Any]) -> tuple[Any, "queue.Queue[Any]"]:
    """A client that has heard something, and what it hears."""
    for _ in range(TRIES):
        heard: queue.Queue[Any] = queue.Queue()
        client = start(heard)
        until = time.monotonic() + 4
        while heard.empty() and time.monotonic() < until:
            time.sleep(0.01)
        if not heard.empty():
            return client, heard
        client.exit()
    raise RuntimeError("nothing is heard")


def follow_books(sandbox: Sandbox) -> dict[str, Any]:
    """What pybit hands on is its own book, to which it applies the changes."""
    last: dict[str, Any] = {}

    def start(heard: "queue.Queue[Any]") -> Any:
        def take(message: Any) -> None:
            last["book"] = deepcopy(message["data"])
            heard.put(message["data"]["u"])

        client = WebSocket(testnet=False, channel_type="spot")
        client.orderbook_stream(DEPTH, "BTCUSDT", take)
        return client

    def read() -> tuple[Any, Any]:
        sides = (last["book"]["b"], last["book"]["a"])
        bids, asks = ({Decimal(price): Decimal(size) for price, size in side} for side in sides)
        return bids, asks

    client, heard = begun(start)
    books = sandbox.compare_books(PAIR, read, levels=DEPTH)
    client.exit()
    numbers = list(heard.queue)
    return {"books": books, "in_turn": numbers == list(range(numbers[0], numbers[-1] + 1))}


def follow_market() -> dict[str, int]:
    found = {}
    for name in ("trade_stream", "ticker_stream"):

        def start(heard: "queue.Queue[Any]", name: str = name) -> Any:
            client = WebSocket(testnet=False, channel_type="spot")
            getattr(client, name)(symbol="BTCUSDT", callback=heard.put)
            return client

        client, heard = begun(start)
        found[name] = heard.qsize()
        client.exit()
    return found


def session_of(sandbox: Sandbox, **changes: str) -> HTTP:
    return HTTP(**{**sandbox.keys, **changes})


def listed(answer: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = answer["result"]["list"]
    return rows


def placed(session: HTTP, **terms: str) -> str:
    order_id: str = session.place_order(**SPOT, side="Buy", **terms)["result"]["orderId"]
    return order_id


def live_orders(sandbox: Sandbox) -> dict[str, Any]:
    """Orders that rest, are filled in parts, and are cancelled, as the private socket tells
    them."""
    session = session_of(sandbox)
    terms = {"orderType": "Limit", "qty": "0.01"}

    def start(heard: "queue.Queue[Any]") -> Any:
        client = WebSocket(testnet=False, channel_type="private", **sandbox.keys)
        for name in ("order_stream", "execution_stream", "wallet_stream"):
            getattr(client, name)(heard.put)
        time.sleep(0.5)
        probe = placed(session, **terms, price="20000")
        session.cancel_order(**SPOT, orderId=probe)
        return client

    client, heard = begun(start)
    sandbox.pause()
    bids, asks = sandbox.ledger_book(PAIR)
    price = min(max(bids) + Decimal("0.01"), min(asks) - Decimal("0.01"))
    resting = placed(session, **terms, price=str(price))
    for _ in range(2):
        sandbox.trade(PAIR, "sell", "0.005", str(price))
    cancelled = placed(session, **terms, price="30000", timeInForce="PostOnly")
    session.cancel_order(**SPOT, orderId=cancelled)
    bought = placed(session, orderType="Market", qty="500", marketUnit="quoteCoin")
    sandbox.resume()
    time.sleep(1.0)
    client.exit()
    frames = list(heard.queue)
    rows = [row for frame in frames if frame["topic"] == "order" for row in frame["data"]]
    ids = {"filled": resting, "cancelled": cancelled, "bought": bought}
    states = {
        name: [row["orderStatus"] for row in rows if row["orderId"] == order_id]
        for name, order_id in ids.items()
    }
    return {
        "states": states,
        "ledger": {name: sandbox.orders()[order_id]["state"] for name, order_id in ids.items()},
        "executions": [
            row["execQty"]
            for frame in frames
            if frame["topic"] == "execution"
            for row in frame["data"]
            if row["orderId"] == resting
        ],
        "wallets": sum(frame["topic"] == "wallet" for frame in frames) > 0,
        "paged": pages(session),
    }


def pages(session: HTTP) -> list[int]:
    """Rows of each page of more open orders than one page takes."""
    orders = [
        {"symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.001"}
        | {"price": str(20_000 + number)}
        for number in range(30)
    ]
    for first in range(0, 30, 10):
        session.place_batch_order(category="spot", request=orders[first : first + 10])
    found = []
    cursor = {}
    while rows := listed(answer := session.get_open_orders(category="spot", **cursor)):
        found.append(len(rows))
        cursor = {"cursor": answer["result"]["nextPageCursor"]}
    session.cancel_all_orders(category="spot")
    return [*found, len(listed(session.get_open_orders(category="spot")))]


def read_markets(sandbox: Sandbox) -> dict[str, Any]:
    session = session_of(sandbox)
    rules = listed(session.get_instruments_info(category="spot"))
    (wallet,) = listed(session.get_wallet_balance(accountType="UNIFIED"))
    return {
        "symbols": [rule["symbol"] for rule in rules],
        "tickers": len(listed(session.get_tickers(category="spot"))),
        "levels": len(session.get_orderbook(**SPOT, limit=30)["result"]["a"]),
        "trades": len(listed(session.get_public_trade_history(**SPOT, limit=5))),
        "account": session.get_account_info()["result"]["unifiedMarginStatus"],
        "assets": [coin["coin"] for coin in wallet["coin"]],
    }


def refusals(sandbox: Sandbox) -> dict[str, Any]:
    """What is asked -> the code."""
    session = session_of(sandbox)
    before = len(sandbox.orders())
    terms = {"orderType": "Limit", "qty": "0.01", "price": "30000"}
    asked: dict[str, Callable[[], Any]] = {
        "funds": lambda: placed(session, **terms | {"qty": "900", "price": "59000"}),
        "client_id": lambda: placed(session, **terms, orderLinkId="a" * 37),
        "stop": lambda: placed(session, **terms, triggerPrice="1"),
        "unknown": lambda: session.cancel_order(**SPOT, orderId="7"),
        "symbol": lambda: session.get_tickers(category="spot", symbol="NOSUCH"),
        "category": lambda: session.get_tickers(category="linear"),
        "secret": lambda: session_of(sandbox, api_secret="wrong").get_account_info(),
    }
    found: dict[str, Any] = {}
    for name, ask in asked.items():
        try:
            ask()
        except (InvalidRequestError, FailedRequestError) as error:
            found[name] = error.status_code
    return found | {"placed": len(sandbox.orders()) - before}


def main() -> None:
    sandbox = Sandbox()
    finish(
        {
            "market": read_markets(sandbox),
            "stream": follow_books(sandbox),
            "streams": follow_market(),
            "orders": live_orders(sandbox),
            "refused": refusals(sandbox),
        }
    )


main()
