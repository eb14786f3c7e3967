"""krakenex: the book by Depth, and an account's orders and trades by REST."""

import time
from decimal import Decimal
from typing import Any

import krakenex
import requests
from venue_side import Sandbox, finish

PAIR = "BTC-USD"
NAME = "XBTUSD"
KEY = "XXBTZUSD"
PAGE = 50

sandbox = Sandbox()
api = krakenex.API(sandbox.keys["api_key"], sandbox.keys["api_secret"])
api.uri = sandbox.rest


def ask(method: str, **data: Any) -> Any:
    """The result of a private request. Its nonces are milliseconds: two must not share one."""
    time.sleep(0.002)
    answer = api.query_private(method, data)
    assert answer["error"] == [], answer
    return answer["result"]


def refusal(method: str, **data: Any) -> str:
    time.sleep(0.002)
    answer = api.query_private(method, data)
    assert "result" not in answer, answer
    (error,) = answer["error"]
    return str(error)


def public(method: str, **data: Any) -> Any:
    answer = api.query_public(method, data)
    assert answer["error"] == [], answer
    return answer["result"]


def place(**changes: Any) -> str:
    terms = {"pair": NAME, "type": "buy", "ordertype": "limit", "volume": "0.01", **changes}
    (txid,) = ask("AddOrder", **terms)["txid"]
    return str(txid)


def row(txid: str) -> dict[str, Any]:
    return dict(ask("QueryOrders", txid=txid, trades=True)[txid])


def in_ledger(txid: str) -> dict[str, Any]:
    """The venue's own record of an order; its number is the digits of the id."""
    return sandbox.orders()[str(int(txid[1:].replace("-", "")))]


def read_book() -> tuple[dict[str, str], dict[str, str]]:
    depth = public("Depth", pair=NAME, count=500)[KEY]
    bids, asks = ({p: s for p, s, _ in depth[side]} for side in ("bids", "asks"))
    return bids, asks


def status_of_unknown_method() -> int:
    try:
        api.query_public("Nonsense")
    except requests.HTTPError:
        return int(api.response.status_code)
    return 0


def markets() -> dict[str, Any]:
    ticker = public("Ticker", pair=NAME)[KEY]
    return {
        "time_is_near": abs(public("Time")["unixtime"] - time.time()) < 60,
        "status": public("SystemStatus")["status"],
        "pair": public("AssetPairs", pair=NAME)[KEY]["wsname"],
        "asset": public("Assets", asset="XBT")["XXBT"]["altname"],
        "quotes_in_order": Decimal(ticker["b"][0]) < Decimal(ticker["a"][0]),
        "trades": len(public("Trades", pair=NAME)[KEY]),
        "candles": len(public("OHLC", pair=NAME, interval=1)[KEY]),
        "unknown_method": status_of_unknown_method(),
    }


def best_bid_of_ours(volume: str, **terms: Any) -> tuple[str, str]:
    """An order that alone is the best bid, and its price."""
    depth = public("Depth", pair=NAME, count=1)[KEY]
    price = str((Decimal(depth["bids"][0][0]) + Decimal("0.01")).quantize(Decimal("0.01")))
    assert Decimal(price) < Decimal(depth["asks"][0][0])
    return place(volume=volume, price=price, **terms), price


def lives_of_orders() -> dict[str, Any]:
    """Of a market that stands still."""
    found: dict[str, Any] = {}
    txid, price = best_bid_of_ours("0.02", userref=77)
    found["open"] = [row(txid)["status"], txid in ask("OpenOrders", userref=77)["open"]]
    sandbox.trade(PAIR, "sell", "0.005", price)
    partly = row(txid)
    found["partly"] = [partly["status"], partly["vol_exec"], len(partly["trades"])]
    sandbox.trade(PAIR, "sell", "0.015", price)
    full = row(txid)
    found["filled"] = [full["status"], full["vol_exec"], in_ledger(txid)["state"]]
    fills = [fill for fill in sandbox.fills() if Decimal(fill["price"]) == Decimal(price)]
    paid = sum(Decimal(fill["fee"]) for fill in fills)
    found["fee_is_the_ledgers"] = Decimal(full["fee"]) == paid
    trades = ask("QueryTrades", txid=",".join(full["trades"]))
    found["volumes"] = sorted(trade["vol"] for trade in trades.values())
    far = str(Decimal(price) // 2)
    cancelled = place(price=far, cl_ord_id="a text of our own")
    found["cancel"] = ask("CancelOrder", cl_ord_id="a text of our own")["count"]
    found["cancelled"] = [row(cancelled)["status"], in_ledger(cancelled)["state"]]
    before = len(sandbox.orders())
    terms = {"pair": NAME, "type": "buy", "ordertype": "limit", "volume": "0.01", "price": far}
    found["checked"] = sorted(ask("AddOrder", **terms, validate=True))
    found["refused"] = [
        refusal("AddOrder", **(terms | {"volume": "8000"})),
        refusal("AddOrder", **(terms | {"price": "1"})),
        refusal("AddOrder", **(terms | {"price": str(Decimal(price) * 2), "oflags": "post"})),
        refusal("AddOrder", **(terms | {"leverage": "2"})),
        refusal("AddOrder", **(terms | {"ordertype": "stop-loss"})),
        refusal("CancelOrder", txid=cancelled),
    ]
    found["orders_placed_by_these"] = len(sandbox.orders()) - before
    return found


def pages() -> dict[str, Any]:
    best = public("Depth", pair=NAME, count=1)[KEY]["bids"][0][0]
    ids = [place(price=str(Decimal(best) // 2)) for _ in range(PAGE + 3)]
    listed = list(ask("OpenOrders")["open"])
    ended = ask("CancelAll")["count"]
    first = ask("ClosedOrders", start=ids[0], closetime="open")
    rest = ask("ClosedOrders", start=ids[0], closetime="open", ofs=PAGE)
    for _ in range(PAGE + 1):
        place(ordertype="market", volume="0.002")
    trades: list[str] = []
    while page := ask("TradesHistory", ofs=len(trades), consolidate_taker=False)["trades"]:
        trades.extend(page)
    return {
        "open": listed == ids[::-1],
        "ended": ended,
        "closed": [*first["closed"], *rest["closed"]] == ids[:0:-1],
        "count": first["count"],
        "trades": [len(trades) == len(set(trades)) == len(sandbox.fills()), len(trades) > PAGE],
    }


books = sandbox.compare_books(PAIR, read_book)
about_markets = markets()
sandbox.pause()
lives = lives_of_orders()
about_pages = pages()
balance = Decimal(ask("BalanceEx")["XXBT"]["balance"])
sums = [
    Decimal(fill["amount"]) * (1 if orders["side"] == "buy" else -1)
    for fill in sandbox.fills()
    for orders in sandbox.orders().values()
    if orders["client_order_id"] == fill["client_order_id"]
]
finish(
    {
        "books": books,
        "markets": about_markets,
        "lives": lives,
        "pages": about_pages,
        "balance": balance - sum(sums) == 10,
    }
)
