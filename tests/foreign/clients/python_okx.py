"""python-okx in its own addresses: REST, and its sockets, which insist on TLS."""

import asyncio
import json
from decimal import Decimal
from typing import Any

from okx.Account import AccountAPI
from okx.MarketData import MarketAPI
from okx.PublicData import PublicAPI
from okx.Status import StatusAPI
from okx.Trade import TradeAPI
from okx.websocket.WsPrivateAsync import WsPrivateAsync
from okx.websocket.WsPublicAsync import WsPublicAsync
from venue_side import Sandbox, finish

PAIR = "BTC-USDT"
SOCKETS = "wss://ws.okx.com:8443/ws/v5"
TERMS = {"instId": PAIR, "tdMode": "cash", "side": "buy", "sz": "0.01"}
PATIENCE_S = 20.0


class Book:
    """What the frames of the channel books make."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {"bids": {}, "asks": {}}
        self.last_id = 0
        self.gaps = 0
        self.trades = 0
        self.events: list[str] = []

    def take(self, text: str) -> None:
        frame = json.loads(text)
        if "event" in frame:
            self.events.append(frame["event"])
        elif frame["arg"]["channel"] == "trades":
            self.trades += len(frame["data"])
        else:
            self.take_book(frame["action"], frame["data"][0])

    def take_book(self, action: str, row: dict[str, Any]) -> None:
        if action == "snapshot":
            self.sides = {"bids": {}, "asks": {}}
        elif row["prevSeqId"] != self.last_id:
            self.gaps += 1
        self.last_id = row["seqId"]
        for name, side in self.sides.items():
            for price, size, *_ in row[name]:
                side[Decimal(price)] = Decimal(size)
                if not Decimal(size):
                    del side[Decimal(price)]


async def follow_books(sandbox: Sandbox) -> dict[str, Any]:
    book = Book()
    client = WsPublicAsync(url=f"{SOCKETS}/public")
    consuming = await client.start()
    arguments = [{"channel": channel, "instId": PAIR} for channel in ("books", "trades")]
    await client.subscribe(arguments, book.take)
    async with asyncio.timeout(PATIENCE_S):
        while not book.last_id:
            await asyncio.sleep(0.01)
    books = await sandbox.compare_books_async(
        PAIR, lambda: (book.sides["bids"], book.sides["asks"]), levels=400
    )
    await client.stop()
    await consuming
    return {"books": books, "gaps": book.gaps, "trades": book.trades, "events": book.events}


async def follow_account(sandbox: Sandbox) -> dict[str, Any]:
    """Orders that rest, are filled in parts, and are cancelled, as the socket tells them."""
    keys = sandbox.keys
    told: list[dict[str, Any]] = []
    client = WsPrivateAsync(
        apiKey=keys["api_key"],
        passphrase=keys["passphrase"],
        secretKey=keys["api_secret"],
        url=f"{SOCKETS}/private",
    )
    consuming = await client.start()
    arguments = [{"channel": "orders", "instType": "SPOT"}, {"channel": "account"}]
    await client.subscribe(arguments, lambda text: told.append(json.loads(text)))
    async with asyncio.timeout(PATIENCE_S):
        while not rows_of(told, "account"):
            await asyncio.sleep(0.01)
    ids = await asyncio.to_thread(trade, sandbox)
    await asyncio.sleep(1.0)
    await client.stop()
    await consuming
    return {
        "events": [frame["event"] for frame in told if "event" in frame],
        "states": {name: states_of(told, order_id) for name, order_id in ids.items()},
        "ledger": {name: sandbox.orders()[order_id]["state"] for name, order_id in ids.items()},
        "balances": len(rows_of(told, "account")),
    }


def rows_of(told: list[dict[str, Any]], channel: str) -> list[dict[str, Any]]:
    """What a channel pushed; its confirmation has no data."""
    frames = [frame for frame in told if "data" in frame and frame["arg"]["channel"] == channel]
    return [row for frame in frames for row in frame["data"]]


def states_of(told: list[dict[str, Any]], order_id: str) -> list[str]:
    return [
        f"{row['state']} {float(row['accFillSz']):g}"
        for row in rows_of(told, "orders")
        if row["ordId"] == order_id
    ]


def client_of(sandbox: Sandbox, kind: Any, **changes: str) -> Any:
    keys = sandbox.keys | changes
    return kind(keys["api_key"], keys["api_secret"], keys["passphrase"], flag="0")


def trade(sandbox: Sandbox) -> dict[str, str]:
    """Names of orders, and their ids. At the top of a book that stands still."""
    orders = client_of(sandbox, TradeAPI)
    sandbox.pause()
    bids, asks = sandbox.ledger_book(PAIR)
    price = (max(bids) + min(asks)) / 2 // Decimal("0.01") * Decimal("0.01")
    price = max(price, max(bids) + Decimal("0.01"))
    (resting,) = orders.place_order(**TERMS, ordType="limit", px=str(price))["data"]
    for _ in range(2):
        sandbox.trade(PAIR, "sell", "0.005", str(price))
    low = str(max(bids) * Decimal("0.8") // 1)
    (cancelled,) = orders.place_order(**TERMS, ordType="post_only", px=low)["data"]
    orders.cancel_order(PAIR, ordId=cancelled["ordId"])
    (bought,) = orders.place_order(**TERMS, ordType="market", tgtCcy="base_ccy")["data"]
    sandbox.resume()
    return {
        "filled": resting["ordId"],
        "cancelled": cancelled["ordId"],
        "bought": bought["ordId"],
    }


def read_markets(sandbox: Sandbox) -> dict[str, Any]:
    public = PublicAPI(flag="0")
    market = MarketAPI(flag="0")
    return {
        "pairs": [row["instId"] for row in public.get_instruments("SPOT")["data"]],
        "uly": {row["uly"] for row in public.get_instruments("SPOT")["data"]} == {""},
        "swaps": public.get_instruments("SWAP")["data"],
        "tickers": len(market.get_tickers("SPOT")["data"]),
        "levels": len(market.get_orderbook(PAIR, sz="30")["data"][0]["asks"]),
        "status": StatusAPI(flag="0").status()["data"],
        "config": client_of(sandbox, AccountAPI).get_account_config()["data"][0]["acctLv"],
    }


def refusals(sandbox: Sandbox) -> dict[str, str]:
    """What is asked -> the code."""
    orders = client_of(sandbox, TradeAPI)
    before = len(sandbox.orders())
    rows = {
        "funds": orders.place_order(**TERMS | {"sz": "900"}, ordType="limit", px="59000"),
        "client_id": orders.place_order(**TERMS, ordType="limit", px="30000", clOrdId="a-1"),
        "mode": orders.place_order(**TERMS | {"tdMode": "cross"}, ordType="limit", px="30000"),
        "unknown": orders.cancel_order(PAIR, ordId="7"),
    }
    found = {name: answer["data"][0]["sCode"] for name, answer in rows.items()}
    wrong = client_of(sandbox, AccountAPI, api_secret="wrong")
    found["secret"] = wrong.get_account_balance()["code"]
    return found | {"placed": str(len(sandbox.orders()) - before)}


def page(sandbox: Sandbox) -> list[int]:
    """Rows of each page of more open orders than one page takes."""
    orders = client_of(sandbox, TradeAPI)
    terms = TERMS | {"ordType": "limit", "sz": "0.001"}
    for first in range(0, 120, 20):
        rows = [terms | {"px": str(20_000 + first + number)} for number in range(20)]
        orders.place_multiple_orders(rows)
    first_page = orders.get_order_list("SPOT")["data"]
    second = orders.get_order_list("SPOT", after=first_page[-1]["ordId"])["data"]
    names = [{"instId": PAIR, "ordId": row["ordId"]} for row in [*first_page, *second]]
    for start in range(0, len(names), 20):
        orders.cancel_multiple_orders(names[start : start + 20])
    return [len(first_page), len(second), len(orders.get_order_list("SPOT")["data"])]


async def main() -> None:
    sandbox = Sandbox()
    report = {
        "market": read_markets(sandbox),
        "stream": await follow_books(sandbox),
        "account": await follow_account(sandbox),
        "refused": refusals(sandbox),
        "pages": page(sandbox),
    }
    finish(report)


asyncio.run(main())
