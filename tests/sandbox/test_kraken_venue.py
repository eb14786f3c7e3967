"""Kraken's sandbox as a stranger's client finds it: strict parameters, pages, checks that place
nothing, orders and channels on the socket."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from tests.sandbox.test_dialect import Client, use
from trochil.sandbox.dialects import kraken
from trochil.sandbox.market.matching import Order

PAIR = "BTC-USDT"
NAME = "BTC/USDT"
KEY = "XXBTUSDT"
LIMIT = {"pair": "XBTUSDT", "type": "buy", "ordertype": "limit", "volume": "0.01", "price": "30000"}
MARKET = {"pair": "XBTUSDT", "type": "buy", "ordertype": "market", "volume": "0.01"}
SOCKET_LIMIT = {
    "order_type": "limit",
    "side": "buy",
    "symbol": NAME,
    "order_qty": 0.01,
    "limit_price": 30000,
}
NONCES = itertools.count(1_700_000_000_000_000_000)
"""Nanoseconds have 19 digits."""


def illegal(detail: str) -> list[str]:
    return [f"EGeneral:Invalid arguments:{detail}"]


class Venue:
    """A client's requests and the venue's answers."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.server = client.server
        self.account = client.account
        self.session: aiohttp.ClientSession = client._session

    async def send(
        self, method: str, body: dict[str, Any], *, as_json: bool = False, **wrong: str
    ) -> tuple[int, dict[str, Any]]:
        path = f"/0/private/{method}"
        nonce = wrong.get("nonce", str(next(NONCES)))
        sent = {"nonce": nonce, **body}
        text = json.dumps(sent) if as_json else urlencode(sent)
        digest = hashlib.sha256(f"{nonce}{text}".encode()).digest()
        secret = base64.b64decode(self.account.keys["api_secret"])
        signed = hmac.new(secret, path.encode() + digest, hashlib.sha512).digest()
        headers = {
            "API-Key": wrong.get("key", self.account.keys["api_key"]),
            "API-Sign": wrong.get("signature", base64.b64encode(signed).decode()),
            "Content-Type": "application/json" if as_json else "application/x-www-form-urlencoded",
        }
        async with self.session.post(path, data=text, headers=headers) as answer:
            return answer.status, await answer.json()

    async def ask(self, method: str, as_json: bool = False, **body: Any) -> Any:
        status, answer = await self.send(method, body, as_json=as_json)
        assert (status, answer["error"]) == (200, []), answer
        return answer["result"]

    async def refusal(self, method: str, as_json: bool = False, **body: Any) -> list[str]:
        status, answer = await self.send(method, body, as_json=as_json)
        assert status == 200
        assert "result" not in answer
        return list(answer["error"])

    async def place(self, **changes: Any) -> str:
        placed = await self.ask("AddOrder", **(LIMIT | changes))
        return str(placed["txid"][0])

    async def get(self, path: str) -> Any:
        status, answer = await self.client.get(f"/0/public/{path}")
        assert (status, answer["error"]) == (200, []), answer
        return answer["result"]

    def trade(self, side: str, amount: str, price: str) -> None:
        """The liquidity provider takes."""
        self.server.venue.place(
            self.server.liquidity_provider,
            PAIR,
            side,
            "limit",
            D(amount),
            D(price),
            self.server.now_ns(),
            tif="IOC",
        )

    @contextlib.asynccontextmanager
    async def socket(self) -> "AsyncIterator[Socket]":
        async with self.client.socket("/v2") as ws:
            token = (await self.ask("GetWebSocketsToken"))["token"]
            socket = Socket(ws, token)
            status = await socket.next()
            assert (status["channel"], status["data"][0]["system"]) == ("status", "online")
            yield socket


class Socket:
    def __init__(self, ws: aiohttp.ClientWebSocketResponse, token: str) -> None:
        self.ws = ws
        self.token = token

    async def next(self) -> Any:
        """The next frame that is no heartbeat."""
        while True:
            frame = await self.ws.receive_json(timeout=5)
            if frame.get("channel") != "heartbeat":
                return frame

    async def ask(self, method: str, **params: Any) -> Any:
        await self.ws.send_json({"method": method, "params": params, "req_id": 7})
        answer = await self.next()
        assert (answer["method"], answer["req_id"]) == (method, 7)
        assert answer["time_in"] <= answer["time_out"]
        return answer

    async def order(self, method: str, **params: Any) -> Any:
        return await self.ask(method, **{"token": self.token, **params})

    async def follow(self, channel: str, **params: Any) -> Any:
        """The first frame of the channel, once that was acknowledged."""
        answer = await self.ask("subscribe", channel=channel, **params)
        assert answer["success"], answer
        return await self.next()


def venue(work: Callable[[Venue], Awaitable[None]]) -> None:
    async def run(client: Client) -> None:
        await work(Venue(client))
        assert client.server.own_errors == []

    use(kraken.Dialect, run)


# What is not offered is refused.


def test_unknown_methods_are_refused_with_the_venues_status() -> None:
    async def work(venue: Venue) -> None:
        unknown = (404, {"error": ["EGeneral:Unknown method"]})
        for path in ("/0/public/Spread", "/0/public/depth", "/1/public/Time", "/", "/v2"):
            assert await venue.client.get(path) == unknown
        for method in ("EditOrder", "AmendOrder", "Ledgers", "Withdraw"):
            assert await venue.send(method, {}) == unknown
        async with venue.session.post("/0/public/Time") as answer:
            assert (answer.status, await answer.json()) == unknown

    venue(work)


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"leverage": "5"}, "leverage"),
        ({"ordertype": "stop-loss"}, "ordertype"),
        ({"ordertype": "trailing-stop"}, "ordertype"),
        ({"ordertype": "iceberg"}, "ordertype"),
        ({"price2": "1"}, "price2"),
        ({"displayvol": "0.001"}, "displayvol"),
        ({"trigger": "last"}, "trigger"),
        ({"oflags": "fcib"}, "oflags"),
        ({"oflags": "post,viqc"}, "oflags"),
        ({"oflags": "post", "timeinforce": "IOC"}, "timeinforce"),
        ({"timeinforce": "GTD"}, "timeinforce"),
        ({"starttm": "+60"}, "starttm"),
        ({"expiretm": "+60"}, "expiretm"),
        ({"close[ordertype]": "limit"}, "close[ordertype]"),
        ({"reduce_only": "true"}, "reduce_only"),
        ({"stptype": "cancel-both"}, "stptype"),
        ({"deadline": "soon"}, "deadline"),
        ({"deadline": "2999-01-01T00:00:00Z"}, "deadline"),
        ({"validate": "maybe"}, "validate"),
        ({"price": "+100"}, "price"),
        ({"price": "-1%"}, "price"),
        ({"price": ""}, "price"),
        ({"volume": "0"}, "volume"),
        ({"volume": "0.000001"}, "volume minimum not met"),
        ({"userref": "x"}, "userref"),
        ({"userref": "2147483648"}, "userref"),
        ({"userref": "5", "cl_ord_id": "a"}, "userref and cl_ord_id are mutually exclusive"),
        ({"cl_ord_id": "a" * 19}, "cl_ord_id"),
        ({"unknown": "1"}, "unknown"),
    ],
)
def test_a_parameter_of_an_order_is_refused_and_nothing_is_placed(
    changes: dict[str, str], detail: str
) -> None:
    async def work(venue: Venue) -> None:
        assert await venue.refusal("AddOrder", **(LIMIT | changes)) == illegal(detail)
        assert venue.client.orders == 0

    venue(work)


def test_parameters_that_mean_none_are_taken() -> None:
    async def work(venue: Venue) -> None:
        neutral = {"leverage": "none", "reduce_only": "False", "starttm": "0", "expiretm": "0"}
        soon = datetime.now(UTC) + timedelta(seconds=5)
        assert await venue.place(**neutral, stptype="cancel-newest", deadline=soon.isoformat())
        past = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
        late = await venue.refusal("AddOrder", **(LIMIT | {"deadline": past}))
        assert late == ["EService:Deadline elapsed"]
        assert venue.client.orders == 1

    venue(work)


@pytest.mark.parametrize(
    ("method", "body", "detail"),
    [
        ("OpenOrders", {"ofs": "1"}, "ofs"),
        ("OpenOrders", {"trades": "1"}, "trades"),
        ("OpenOrders", {"userref": "1.5"}, "userref"),
        ("ClosedOrders", {"closetime": "never"}, "closetime"),
        ("ClosedOrders", {"ofs": "-1"}, "ofs"),
        ("ClosedOrders", {"start": "soon"}, "start"),
        ("TradesHistory", {"type": "some"}, "type"),
        ("TradesHistory", {"ledgers": "true"}, "ledgers"),
        ("TradesHistory", {"end": "x"}, "end"),
        ("QueryOrders", {}, "txid"),
        ("QueryOrders", {"txid": ",".join(["O"] * 51)}, "txid"),
        ("QueryTrades", {"txid": "T"}, "txid"),
        ("CancelOrder", {}, "txid"),
        ("CancelOrder", {"txid": "1", "cl_ord_id": "a"}, "txid"),
        ("CancelAllOrdersAfter", {}, "timeout"),
        ("CancelAllOrdersAfter", {"timeout": "86401"}, "timeout"),
        ("Balance", {"asset": "XBT"}, "asset"),
        ("BalanceEx", {"a": "b"}, "a"),
        ("CancelAll", {"pair": "XBTUSDT"}, "pair"),
        ("GetWebSocketsToken", {"validity": "1"}, "validity"),
    ],
)
def test_a_parameter_of_a_private_request_is_refused(
    method: str, body: dict[str, str], detail: str
) -> None:
    async def work(venue: Venue) -> None:
        assert await venue.refusal(method, **body) == illegal(detail)

    venue(work)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("Depth?pair=XBTUSDT&count=501", illegal("count")),
        ("Depth?pair=XBTUSDT&count=0", illegal("count")),
        ("Depth?pair=XBTUSDT&depth=5", illegal("depth")),
        ("Depth", illegal("pair")),
        ("Depth?pair=NOPE", ["EQuery:Unknown asset pair"]),
        ("Ticker?pair=XBTUSDT,NOPE", ["EQuery:Unknown asset pair"]),
        ("Trades?pair=XBTUSDT&count=1001", illegal("count")),
        ("OHLC?pair=XBTUSDT&interval=7", illegal("interval")),
        ("Assets?asset=XBT,NOPE", ["EQuery:Unknown asset"]),
        ("AssetPairs?info=all", illegal("info")),
        ("Time?x=1", illegal("x")),
        ("Depth?pair=XBTUSDT&pair=XBTUSDT", illegal("pair")),
    ],
)
def test_a_parameter_of_a_public_request_is_refused(path: str, error: list[str]) -> None:
    async def work(venue: Venue) -> None:
        assert await venue.client.get(f"/0/public/{path}") == (200, {"error": error})

    venue(work)


def test_keys_nonces_and_signatures() -> None:
    async def work(venue: Venue) -> None:
        async def error(**wrong: str) -> Any:
            status, answer = await venue.send("Balance", {}, **wrong)
            assert status == 200
            return answer["error"]

        assert await error() == []
        assert await error(key="nobody") == ["EAPI:Invalid key"]
        assert await error(key="") == ["EAPI:Invalid key"]
        assert await error(signature="AAAA") == ["EAPI:Invalid signature"]
        for nonce in ("1", "", "x", str(2**64)):
            assert await error(nonce=nonce) == ["EAPI:Invalid nonce"]
        assert await error(nonce=str(next(NONCES))) == []

    venue(work)


# Orders.


def test_what_is_to_be_validated_is_checked_and_not_placed() -> None:
    async def work(venue: Venue) -> None:
        checked = await venue.ask("AddOrder", **LIMIT, validate="true")
        assert checked == {"descr": {"order": "buy 0.01000000 XBTUSDT @ limit 30000.00"}}
        checked = await venue.ask("AddOrder", **MARKET, validate=True)
        assert checked == {"descr": {"order": "buy 0.01000000 XBTUSDT @ market"}}
        poor = await venue.refusal("AddOrder", **(LIMIT | {"volume": "8000"}), validate="true")
        assert poor == ["EOrder:Insufficient funds"]
        batch = {"pair": "XBTUSDT", "orders": [batch_row(), batch_row()], "validate": True}
        assert "txid" not in (await venue.ask("AddOrderBatch", as_json=True, **batch))["orders"][0]
        async with venue.socket() as socket:
            answer = await socket.order("add_order", **SOCKET_LIMIT, validate=True)
            assert (answer["success"], answer["result"]) == (True, {})
            answer = await socket.order(
                "add_order", **(SOCKET_LIMIT | {"order_qty": 8000}), validate=True
            )
            assert (answer["success"], answer["error"]) == (False, "EOrder:Insufficient funds")
        assert venue.client.orders == 0
        assert venue.account.of("USDT").held == 0

    venue(work)


def batch_row(**changes: str) -> dict[str, str]:
    return {name: value for name, value in LIMIT.items() if name != "pair"} | changes


def test_orders_are_found_by_the_clients_own_numbers_and_texts() -> None:
    async def work(venue: Venue) -> None:
        seven = [await venue.place(userref="-7"), await venue.place(userref="-7")]
        named = await venue.place(cl_ord_id="mine")
        plain = await venue.place()
        found = (await venue.ask("OpenOrders", userref="-7"))["open"]
        assert list(found) == seven[::-1]
        assert [row["userref"] for row in found.values()] == [-7, -7]
        found = (await venue.ask("OpenOrders", cl_ord_id="mine"))["open"]
        assert {txid: row["cl_ord_id"] for txid, row in found.items()} == {named: "mine"}
        every = (await venue.ask("OpenOrders"))["open"]
        assert list(every) == [plain, named, *seven[::-1]]
        assert "cl_ord_id" not in every[plain]
        number = int(plain[1:].replace("-", ""))
        assert (await venue.ask("OpenOrders", cl_ord_id=f"sandbox{number}"))["open"] == {}
        unnamed = await venue.refusal("CancelOrder", cl_ord_id=f"sandbox{number}")
        assert unnamed == ["EOrder:Unknown order"]
        both = await venue.refusal("OpenOrders", userref="-7", cl_ord_id="mine")
        assert both == illegal("userref and cl_ord_id are mutually exclusive")
        assert await venue.ask("QueryOrders", txid=f"{plain},{named}", userref="-7") == {}
        assert await venue.ask("CancelOrder", txid="-7") == {"count": 2}
        assert list((await venue.ask("ClosedOrders", userref="-7"))["closed"]) == seven[::-1]
        assert await venue.refusal("CancelOrder", txid="-7") == ["EOrder:Unknown order"]
        assert await venue.ask("CancelOrder", cl_ord_id="mine") == {"count": 1}
        assert (await venue.ask("ClosedOrders", cl_ord_id="mine"))["closed"].keys() == {named}
        assert await venue.ask("CancelAll") == {"count": 1}

    venue(work)


def test_a_row_of_an_order_has_the_documented_fields() -> None:
    async def work(venue: Venue) -> None:
        price = D(venue.server.venue.books[PAIR].best("buy") or 0) + D("0.01")
        txid = await venue.place(price=str(price), oflags="post", volume="0.02")
        venue.trade("sell", "0.005", str(price))
        row = (await venue.ask("QueryOrders", txid=txid, trades="true"))[txid]
        assert row.pop("opentm") > 1.6e9
        (trade_id,) = row.pop("trades")
        cost = price * D("0.005")
        assert D(row.pop("cost")) == cost
        assert D(row.pop("fee")) == cost / 1000
        assert D(row.pop("price")) == price
        assert row == {
            "refid": None,
            "userref": 0,
            "status": "open",
            "starttm": 0,
            "expiretm": 0,
            "descr": {
                "pair": "XBTUSDT",
                "type": "buy",
                "ordertype": "limit",
                "price": f"{price:.2f}",
                "price2": "0",
                "leverage": "none",
                "order": f"buy 0.02000000 XBTUSDT @ limit {price:.2f}",
                "close": "",
            },
            "vol": "0.02000000",
            "vol_exec": "0.00500000",
            "stopprice": "0.00000",
            "limitprice": "0.00000",
            "misc": "",
            "oflags": "post,fciq",
        }
        fill = (await venue.ask("QueryTrades", txid=trade_id))[trade_id]
        assert (fill["ordertxid"], fill["vol"], fill["maker"]) == (txid, "0.00500000", True)
        assert await venue.ask("CancelOrder", txid=txid) == {"count": 1}
        closed = (await venue.ask("ClosedOrders"))["closed"][txid]
        assert (closed["status"], closed["reason"]) == ("canceled", "User requested")
        assert closed["closetm"] >= closed["opentm"]

    venue(work)


def test_batches_are_checked_as_a_whole_and_paid_one_by_one() -> None:
    async def work(venue: Venue) -> None:
        async def refused(*orders: dict[str, str]) -> list[str]:
            return await venue.refusal("AddOrderBatch", True, pair="XBTUSDT", orders=[*orders])

        assert await refused(batch_row()) == illegal("orders")
        assert await refused(batch_row(), batch_row(leverage="2")) == illegal("leverage")
        assert await refused(batch_row(), batch_row(pair="XBTUSDT")) == illegal("pair")
        assert await refused(batch_row(), batch_row(price="1")) == ["EOrder:Cost minimum not met"]
        assert venue.client.orders == 0
        orders = [batch_row(userref="3"), batch_row(volume="8000"), batch_row(cl_ord_id="x")]
        rows = (await venue.ask("AddOrderBatch", True, pair="XBTUSDT", orders=orders))["orders"]
        assert [row.get("error") for row in rows] == [None, "EOrder:Insufficient funds", None]
        assert venue.client.orders == 2
        ids = [rows[0]["txid"], rows[2]["txid"]]
        unknown = await venue.refusal("CancelOrderBatch", True, orders=[ids[0], "O1"])
        assert unknown == ["EOrder:Unknown order"]
        assert len((await venue.ask("OpenOrders"))["open"]) == 2
        cancelled = await venue.ask("CancelOrderBatch", True, orders=[3], cl_ord_ids=["x"])
        assert cancelled == {"count": 2}

    venue(work)


def test_orders_end_when_their_timer_runs_out_and_not_when_it_is_taken_back() -> None:
    async def work(venue: Venue) -> None:
        await venue.place()
        armed = await venue.ask("CancelAllOrdersAfter", timeout="1")
        assert armed["currentTime"] < armed["triggerTime"]
        assert (await venue.ask("CancelAllOrdersAfter", timeout="0"))["triggerTime"] == "0"
        await asyncio.sleep(1.3)
        assert len((await venue.ask("OpenOrders"))["open"]) == 1
        await venue.ask("CancelAllOrdersAfter", timeout="1")
        async with asyncio.timeout(5):
            while (await venue.ask("OpenOrders"))["open"]:
                await asyncio.sleep(0.1)

    venue(work)


# Pages.


def test_closed_orders_come_in_pages_of_fifty() -> None:
    async def work(venue: Venue) -> None:
        ids = [await venue.place() for _ in range(53)]
        await venue.ask("CancelAll")
        first = await venue.ask("ClosedOrders")
        assert (list(first["closed"]), first["count"]) == (ids[:2:-1], 53)
        rest = await venue.ask("ClosedOrders", ofs="50", without_count="true")
        assert rest.keys() == {"closed"}
        assert list(rest["closed"]) == ids[2::-1]
        after = await venue.ask("ClosedOrders", start=ids[50], closetime="open")
        assert list(after["closed"]) == [ids[52], ids[51]]
        before = await venue.ask("ClosedOrders", end=ids[1], closetime="open")
        assert list(before["closed"]) == [ids[1], ids[0]]
        assert (await venue.ask("ClosedOrders", end="1000000000"))["count"] == 0
        found = await venue.ask("QueryOrders", txid=",".join(ids[:50]))
        assert list(found) == ids[:50]

    venue(work)


def test_trades_come_in_pages_of_fifty_and_an_orders_can_be_one() -> None:
    async def work(venue: Venue) -> None:
        for _ in range(51):
            await venue.ask("AddOrder", **(MARKET | {"volume": "0.001"}))
        single = {"consolidate_taker": "false"}
        first = await venue.ask("TradesHistory", **single)
        rest = await venue.ask("TradesHistory", **single, ofs="50")
        count = first["count"]
        ids = [*first["trades"], *rest["trades"]]
        assert count == len(ids) == len(set(ids)) >= 51
        times = [row["time"] for row in (*first["trades"].values(), *rest["trades"].values())]
        assert times == sorted(times, reverse=True)
        after = await venue.ask("TradesHistory", **single, start=ids[2])
        assert list(after["trades"]) == ids[:2]
        assert (await venue.ask("TradesHistory", type="closed position"))["trades"] == {}
        big = await venue.ask("AddOrder", **(MARKET | {"volume": "1.5"}))
        (txid,) = big["txid"]
        joined = (await venue.ask("TradesHistory"))["trades"]
        (trade,) = [row for row in joined.values() if row["ordertxid"] == txid]
        assert trade["vol"] == "1.50000000"
        row = (await venue.ask("QueryOrders", txid=txid))[txid]
        assert (trade["cost"], trade["fee"]) == (row["cost"], row["fee"])
        parts = (await venue.ask("TradesHistory", **single))["trades"].values()
        assert len([row for row in parts if row["ordertxid"] == txid]) > 1

    venue(work)


# Public data.


def test_public_answers_have_the_documented_form() -> None:
    async def work(venue: Venue) -> None:
        time = await venue.get("Time")
        assert datetime.strptime(time["rfc1123"], "%a, %d %b %y %H:%M:%S %z").year >= 2024
        assert (await venue.get("SystemStatus"))["status"] == "online"
        assert set(await venue.get("Assets")) == {"XXBT", "USDT"}
        assert set(await venue.get("Assets?asset=XBT")) == {"XXBT"}
        pairs = await venue.get("AssetPairs?pair=XBTUSDT")
        assert pairs[KEY]["wsname"] == "XBT/USDT"
        assert "key" not in pairs[KEY]
        fees = await venue.get("AssetPairs?info=fees")
        assert fees[KEY].keys() == {"fees", "fees_maker", "fee_volume_currency"}
        assert list(await venue.get(f"Ticker?pair={NAME}")) == [NAME]
        await venue.ask("AddOrder", **MARKET)
        ticker = (await venue.get("Ticker?pair=XBTUSDT"))[KEY]
        assert ticker["t"][0] >= 1
        assert D(ticker["v"][1]) == D("0.01")
        assert len(ticker["c"]) == 2
        depth = (await venue.get("Depth?pair=XBTUSDT&count=3"))[KEY]
        assert [len(depth[side]) for side in ("bids", "asks")] == [3, 3]
        price, size, when = depth["bids"][0]
        assert (D(price), type(size), type(when)) == (venue_best(venue), str, int)
        levels = venue.server.venue.books[PAIR].levels("sell")
        asks = (await venue.get("Depth?pair=XBTUSDT"))[KEY]["asks"]
        assert [(D(price), D(size)) for price, size, _ in asks] == levels[:100]

    venue(work)


def venue_best(venue: Venue) -> D:
    best = venue.server.venue.books[PAIR].best("buy")
    assert best is not None
    return best


def test_public_trades_go_on_from_where_the_last_answer_ended() -> None:
    async def work(venue: Venue) -> None:
        for _ in range(3):
            await venue.ask("AddOrder", **(MARKET | {"volume": "0.001"}))
        every = await venue.get("Trades?pair=XBTUSDT")
        rows = every[KEY]
        assert [row[3:6] for row in rows] == [["b", "m", ""]] * len(rows)
        first = await venue.get("Trades?pair=XBTUSDT&since=0&count=1")
        assert first[KEY] == rows[:1]
        then = await venue.get(f"Trades?pair=XBTUSDT&since={first['last']}")
        assert then[KEY] == rows[1:]
        assert (await venue.get(f"Trades?pair=XBTUSDT&since={every['last']}"))[KEY] == []

    venue(work)


def test_candles_are_made_of_the_trades() -> None:
    async def work(venue: Venue) -> None:
        assert (await venue.get("OHLC?pair=XBTUSDT")) == {KEY: [], "last": 0}
        await venue.ask("AddOrder", **(MARKET | {"volume": "0.001"}))
        await venue.ask("AddOrder", **(MARKET | {"volume": "0.002", "type": "sell"}))
        prices = [D(row[0]) for row in (await venue.get("Trades?pair=XBTUSDT"))[KEY]]
        rows = (await venue.get("OHLC?pair=XBTUSDT&interval=1440"))[KEY]
        begin, *numbers, trades = rows[-1]
        assert begin % 86400 == 0
        opened, high, low, closed = map(D, numbers[:4])
        assert (high, low) == (max(prices), min(prices))
        assert trades == 2 or len(rows) == 2  # unless the day has changed meanwhile
        assert {opened, closed} <= set(prices)

    venue(work)


# The socket.


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"method": "amend_order", "params": {}}, "Unsupported event"),
        ({"method": "edit_order", "params": {}}, "Unsupported event"),
        ({"method": "fly", "params": {}}, "Unsupported event"),
        (
            {"method": "ping", "params": {}},
            "Unsupported field: 'params' for the given msg type: ping",
        ),
        (
            {"method": "subscribe", "params": {"channel": "trade", "symbol": [NAME], "depth": 10}},
            "Unsupported field: 'depth' for the given msg type: subscribe",
        ),
        ({"method": "subscribe", "params": {"channel": "spread"}}, "Subscription name invalid"),
        (
            {"method": "subscribe", "params": {"channel": "book", "symbol": [NAME], "depth": 27}},
            "Subscription depth not supported",
        ),
        (
            {"method": "subscribe", "params": {"channel": "book", "symbol": [NAME], "depth": "10"}},
            "Depth field must be a number_integer",
        ),
        (
            {"method": "subscribe", "params": {"channel": "ohlc", "symbol": [NAME], "interval": 7}},
            "Subscription ohlc interval not supported",
        ),
        (
            {"method": "subscribe", "params": {"channel": "executions"}},
            "Token(s) not found",
        ),
        (
            {"method": "subscribe", "params": {"channel": "executions", "token": "x"}},
            "ESession:Invalid session",
        ),
        ({"method": "add_order", "params": SOCKET_LIMIT}, "Token(s) not found"),
        (
            {"method": "cancel_all", "params": {"token": "x"}},
            "ESession:Invalid session",
        ),
        (
            {"method": "unsubscribe", "params": {"channel": "trade", "symbol": [NAME]}},
            "Subscription Not Found",
        ),
    ],
)
def test_a_message_is_refused_in_the_venues_words(message: Any, error: str) -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket() as socket:
            await socket.ws.send_json({**message, "req_id": 3})
            answer = await socket.next()
            shown = answer["method"], answer["success"], answer["error"], answer["req_id"]
            assert shown == (message["method"], False, error, 3)
            assert {"time_in", "time_out"} <= answer.keys()
            await socket.ws.send_json({"method": "ping"})
            assert (await socket.next()).keys() == {"method", "time_in", "time_out"}

    venue(work)


def test_one_unknown_symbol_does_not_stop_the_others() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket() as socket:
            symbols = ["BTC/XYZ", NAME, "XBT/USDT"]
            answer = await socket.ask("subscribe", channel="trade", symbol=symbols)
            assert answer["error"] == "Currency pair not supported BTC/XYZ"
            assert (answer["success"], answer["symbol"]) == (False, "BTC/XYZ")
            answer = await socket.next()
            expected = {"channel": "trade", "symbol": NAME, "snapshot": False}
            assert (answer["success"], answer["result"]) == (True, expected)
            assert (await socket.next())["error"] == "Currency pair not supported XBT/USDT"
            again = await socket.ask("subscribe", channel="trade", symbol=[NAME])
            assert again["error"] == "Already subscribed"
            left = await socket.ask("unsubscribe", channel="trade", symbol=[NAME])
            assert left["success"]

    venue(work)


def test_market_channels_begin_with_a_snapshot_and_go_on() -> None:
    async def work(venue: Venue) -> None:
        await venue.ask("AddOrder", **MARKET)
        async with venue.socket() as socket:
            trades = await socket.follow("trade", symbol=[NAME], snapshot=True)
            assert (trades["type"], trades["data"][0]["ord_type"]) == ("snapshot", "market")
            ticker = await socket.follow("ticker", symbol=[NAME])
            assert ticker["data"][0]["volume"] == 0.01
            candles = await socket.follow("ohlc", symbol=[NAME], interval=5)
            assert candles["data"][-1]["interval"] == 5
            other = await socket.ask("subscribe", channel="ohlc", symbol=[NAME], interval=1)
            assert other["error"] == "Already subscribed to one ohlc interval on this symbol"
            instruments = await socket.follow("instrument")
            (pair,) = instruments["data"]["pairs"]
            assert (pair["symbol"], pair["price_increment"]) == (NAME, 0.01)
            await venue.ask("AddOrder", **(MARKET | {"volume": "0.002"}))
            frames = [await socket.next() for _ in range(3)]
            assert {frame["channel"] for frame in frames} == {"trade", "ticker", "ohlc"}
            assert {frame["type"] for frame in frames} == {"update"}
            venue.server.venue.symbols[PAIR].trading = False
            changed = await socket.next()
            assert (changed["channel"], changed["type"]) == ("instrument", "update")
            assert [row["status"] for row in changed["data"]["pairs"]] == ["cancel_only"]

    venue(work)


@pytest.mark.parametrize("depth", [10, 25, 100, 500, 1000])
def test_a_book_has_the_depth_that_was_asked_for(depth: int) -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket() as socket:
            book = await socket.follow("book", symbol=[NAME], depth=depth)
            (row,) = book["data"]
            whole = venue.server.venue.books[PAIR].levels("buy")
            assert len(row["bids"]) == min(depth, len(whole))
            other = await socket.ask("subscribe", channel="book", symbol=[NAME], depth=depth)
            assert other["error"] == "Already subscribed to one book depth on this symbol"

    venue(work)


def test_level3_is_for_accounts_and_has_ids_and_times() -> None:
    async def work(venue: Venue) -> None:
        best = venue_best(venue)
        async with venue.socket() as socket:
            wrong = await socket.ask("subscribe", channel="level3", symbol=[NAME], depth=25)
            assert wrong["error"] == "Subscription depth not supported"
            txid = await venue.place(price=str(best + D("0.01")))
            book = await socket.follow("level3", symbol=[NAME], token=socket.token)
            order = book["data"][0]["bids"][0]
            assert order["order_id"] == txid
            assert order["timestamp"].endswith("Z")

    venue(work)


def test_orders_on_the_socket() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket() as socket:
            placed = await socket.order("add_order", **SOCKET_LIMIT, cl_ord_id="mine")
            assert placed["success"], placed
            txid = placed["result"]["order_id"]
            assert placed["result"]["cl_ord_id"] == "mine"
            assert txid in (await venue.ask("OpenOrders"))["open"]
            twice = await socket.order("add_order", **SOCKET_LIMIT, cl_ord_id="mine")
            assert twice["error"] == "EOrder:Duplicate cl_ord_id"
            numbered = await socket.order("add_order", **SOCKET_LIMIT, order_userref=4)
            assert numbered["result"]["order_userref"] == 4
            gone = await socket.order("cancel_order", order_id=[txid, "O1"])
            named = {"order_id": txid, "cl_ord_id": "mine"}
            assert (gone["success"], gone["result"]) == (True, named)
            unknown = await socket.next()
            assert (unknown["success"], unknown["error"]) == (False, "EOrder:Unknown order")
            gone = await socket.order("cancel_order", order_userref=[4])
            assert gone["result"]["order_id"] == numbered["result"]["order_id"]
            rows = [{k: v for k, v in SOCKET_LIMIT.items() if k != "symbol"}] * 2
            batch = await socket.order("batch_add", symbol=NAME, orders=rows)
            ids = [row["order_id"] for row in batch["result"]]
            gone = await socket.order("batch_cancel", orders=ids)
            assert gone["result"] == {"count": 2}
            assert (await socket.order("cancel_all"))["result"] == {"count": 0}
            alone = await socket.order("batch_cancel", orders=ids[:1])
            assert alone["error"] == "EGeneral:Invalid arguments:orders"
            timer = await socket.order("cancel_all_orders_after", timeout=60)
            assert timer["result"].keys() == {"currentTime", "triggerTime"}
            value = {"order_type": "market", "side": "buy", "symbol": NAME, "cash_order_qty": 100}
            assert (await socket.order("add_order", **value))["success"]
            assert venue.client.orders == 5

    venue(work)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"order_qty": "0.01"}, "Order_qty field must be a number_float"),
        ({"post_only": "true"}, "Post_only field must be a boolean"),
        (
            {"display_qty": 0.001},
            "Unsupported field: 'display_qty' for the given msg type: add order",
        ),
        (
            {"triggers": {"price": 1}},
            "Unsupported field: 'triggers' for the given msg type: add order",
        ),
        (
            {"conditional": {}},
            "Unsupported field: 'conditional' for the given msg type: add order",
        ),
        ({"order_type": "stop-loss"}, "EGeneral:Invalid arguments:order_type"),
        ({"margin": True}, "EGeneral:Invalid arguments:margin"),
        ({"time_in_force": "gtd"}, "EGeneral:Invalid arguments:time_in_force"),
        ({"fee_preference": "base"}, "EGeneral:Invalid arguments:fee_preference"),
        ({"stp_type": "cancel_both"}, "EGeneral:Invalid arguments:stp_type"),
        ({"cash_order_qty": 100}, "EGeneral:Invalid arguments:cash_order_qty"),
        ({"deadline": "2001-01-01T00:00:00Z"}, "EService:Deadline elapsed"),
        ({"symbol": "XBT/USDT"}, "Currency pair not supported XBT/USDT"),
        (
            {"order_userref": 1, "cl_ord_id": "a"},
            "EGeneral:Invalid arguments:order_userref and cl_ord_id are mutually exclusive",
        ),
        (
            {"order_type": "market", "no_mpp": 1},
            "No_mpp field must be a boolean",
        ),
        (
            {"no_mpp": True},
            "EGeneral:Invalid arguments:no_mpp order option is only available when "
            "ordertype = market",
        ),
    ],
)
def test_a_field_of_an_order_on_the_socket_is_refused(changes: Any, error: str) -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket() as socket:
            answer = await socket.order("add_order", **(SOCKET_LIMIT | changes))
            assert (answer["success"], answer["error"]) == (False, error)
        assert venue.client.orders == 0

    venue(work)


def test_executions_and_balances_tell_what_becomes_of_an_order() -> None:
    async def work(venue: Venue) -> None:
        await venue.place(userref="9")
        bought = (await venue.ask("AddOrder", **MARKET))["txid"][0]
        async with venue.socket() as socket:
            first = await socket.follow("executions", token=socket.token, snap_trades=True)
            rows = [(row["exec_type"], row["order_userref"]) for row in first["data"]]
            assert (first["sequence"], rows) == (1, [("trade", 0), ("new", 9)])
            assert first["data"][0]["order_id"] == bought
            balances = await socket.follow("balances", token=socket.token)
            wallets = {row["asset"]: row["wallets"][0]["balance"] for row in balances["data"]}
            assert wallets["BTC"] == 10.01
            limit = LIMIT | {"price": str(venue_best(venue) + D("0.01")), "userref": "5"}
            txid = (await venue.ask("AddOrder", **limit))["txid"][0]
            venue.trade("sell", "0.01", limit["price"])
            frames = [await socket.next() for _ in range(5)]
            rows = [frame["data"][0] for frame in frames if frame["channel"] == "executions"]
            told = [(row["exec_type"], row["order_status"]) for row in rows]
            assert told == [
                ("pending_new", "pending_new"),
                ("new", "new"),
                ("trade", "filled"),
                ("filled", "filled"),
            ]
            assert {(row["order_id"], row["order_userref"]) for row in rows} == {(txid, 5)}
            (ledger,) = [frame for frame in frames if frame["channel"] == "balances"]
            amounts = {row["asset"]: (row["amount"], row["balance"]) for row in ledger["data"]}
            assert amounts["BTC"] == (0.01, 10.02)
            assert amounts["USDT"][1] == pytest.approx(float(venue.account.of("USDT").total))

    venue(work)


def test_a_token_must_be_used_in_time() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket() as used, venue.socket() as late:
            await used.follow("executions", token=used.token)
            venue.server.faults.set({"clock_skew": 901})
            assert (await used.order("cancel_all"))["success"]
            assert (await late.order("cancel_all"))["error"] == "ESession:Invalid session"
            other = await used.order("cancel_all", token=late.token)
            assert other["error"] == "ESession:Invalid session"

    venue(work)


def test_something_is_said_every_second_once_anything_is_followed() -> None:
    async def work(venue: Venue) -> None:
        async with venue.socket() as socket:
            await socket.ask("subscribe", channel="trade", symbol=[NAME])
            assert await socket.ws.receive_json(timeout=5) == {"channel": "heartbeat"}

    venue(work)


def test_an_order_has_the_form_of_the_venues_ids() -> None:
    async def work(venue: Venue) -> None:
        txid = await venue.place()
        assert [len(part) for part in txid.split("-")] == [6, 5, 6]
        mine: list[Order] = list(venue.server.venue.orders.values())
        assert await venue.refusal("QueryOrders", txid=str(mine[0].id)) == ["EOrder:Unknown order"]

    venue(work)
