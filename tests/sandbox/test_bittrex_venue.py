"""Bittrex's sandbox as a stranger's client meets it: strict parameters, its lists and their pages,
numbers of sequences, what its hub takes and refuses."""

import base64
import hashlib
import hmac
import json
import time
import zlib
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest

from tests.support.served import Served, serve
from trochil.sandbox.dialects import bittrex
from trochil.sandbox.server import Server

PAIRS = ("BTC-USDT", "ETH-USDT")
PAIR = "BTC-USDT"
PATIENCE_S = 10.0
CONNECT = "/signalr/connect?connectionToken=c2FuZGJveA%2F%2Bsandbox%3D%3D"
ORDER = {
    "marketSymbol": PAIR,
    "direction": "BUY",
    "type": "LIMIT",
    "quantity": "0.01",
    "limit": "30000",
    "timeInForce": "GOOD_TIL_CANCELLED",
}
SALE = {"direction": "SELL", "type": "MARKET", "limit": None, "timeInForce": "IMMEDIATE_OR_CANCEL"}
DONE = {"Success": True, "ErrorCode": None}


def use(
    work: Callable[["Client"], Awaitable[None]],
    dialect: Callable[[Server], Any] = bittrex.Dialect,
) -> None:
    serve(dialect, PAIRS, lambda venue: work(Client(venue)), PATIENCE_S)


class Client:
    """It signs by its own hand."""

    def __init__(self, venue: Served) -> None:
        self.venue = venue
        self.server = venue.server
        self.headers: Any = {}
        """Of the last answer."""

    def proof(self, text: str) -> str:
        secret = self.venue.account.keys["api_secret"].encode()
        return hmac.new(secret, text.encode(), "sha512").hexdigest()

    async def ask(
        self, method: str, path: str, body: Any = None, *, subaccount: str = "", **signing: str
    ) -> tuple[int, Any]:
        """Status and answer of a signed request. ``signing``: its headers, with _ for -."""
        text = "" if body is None else json.dumps(body)
        url = f"http://{self.venue.host}{path}"
        digest = hashlib.sha512(text.encode()).hexdigest()
        headers = {
            "Api-Key": self.venue.account.keys["api_key"],
            "Api-Timestamp": str(int(time.time() * 1000)),
            "Api-Content-Hash": digest,
        } | {name.replace("_", "-"): value for name, value in signing.items()}
        signed = headers["Api-Timestamp"] + url + method + headers["Api-Content-Hash"]
        headers.setdefault("Api-Signature", self.proof(signed + subaccount))
        if subaccount:
            headers["Api-Subaccount-Id"] = subaccount
        return await self._answer(method, path, text, headers)

    async def get(self, path: str, method: str = "GET") -> tuple[int, Any]:
        """An unsigned one."""
        return await self._answer(method, path, "", {})

    async def _answer(self, method: str, path: str, text: str, headers: Any) -> tuple[int, Any]:
        session = self.venue.session
        async with session.request(method, path, data=text or None, headers=headers) as answer:
            self.headers = answer.headers
            return answer.status, await answer.json() if method != "HEAD" else await answer.read()

    async def place(self, **terms: Any) -> tuple[int, Any]:
        body = {name: value for name, value in (ORDER | terms).items() if value is not None}
        return await self.ask("POST", "/v3/orders", body)

    @asynccontextmanager
    async def hub(self) -> Any:
        async with self.venue.session.ws_connect(CONNECT) as socket:
            yield Hub(socket)

    async def login(self, hub: "Hub") -> Any:
        stamp = int(time.time() * 1000)
        content = str(uuid4())
        proof = self.proof(f"{stamp}{content}")
        key = self.venue.account.keys["api_key"]
        return await hub.invoke("Authenticate", key, stamp, content, proof)


class Hub:
    """One socket; what is pushed meanwhile is kept."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.pushed: list[tuple[str, Any]] = []

    async def frame(self) -> Any:
        frame = await self.socket.receive_json()
        for push in frame.get("M", []):
            packed = [zlib.decompress(base64.b64decode(each), wbits=-15) for each in push["A"]]
            self.pushed += [(push["M"], json.loads(each)) for each in packed or [b"null"]]
        return frame

    async def invoke(self, method: str, *arguments: Any) -> Any:
        await self.socket.send_json({"H": "c3", "M": method, "A": arguments, "I": 7})
        while "I" not in (frame := await self.frame()):
            pass
        return frame.get("R", frame.get("E"))

    async def until(self, name: str) -> Any:
        """The first content of that name."""
        while not (found := [content for said, content in self.pushed if said == name]):
            await self.frame()
        return found[0]


# Public data.


def test_what_clients_ask_for_at_their_start() -> None:
    async def work(client: Client) -> None:
        status, answer = await client.get("/v3/ping")
        assert (status, set(answer)) == (200, {"serverTime"})
        _, currencies = await client.get("/v3/currencies")
        assert [row["symbol"] for row in currencies] == ["BTC", "ETH", "USDT"]
        assert (await client.get("/v3/currencies/BTC"))[1] == currencies[0]
        _, markets = await client.get("/v3/markets")
        assert (await client.get(f"/v3/markets/{PAIR}"))[1] == markets[0]
        _, tickers = await client.get("/v3/markets/tickers")
        assert (await client.get(f"/v3/markets/{PAIR}/ticker"))[1] == tickers[0]
        assert Decimal(tickers[0]["bidRate"]) < Decimal(tickers[0]["askRate"])
        _, summaries = await client.get("/v3/markets/summaries")
        summary = (await client.get(f"/v3/markets/{PAIR}/summary"))[1]
        assert set(summary) == set(summaries[0]) >= {"high", "low", "percentChange", "updatedAt"}

    use(work)


def test_numbers_have_8_digits_and_a_level_that_is_gone_has_0() -> None:
    async def work(client: Client) -> None:
        _, book = await client.get(f"/v3/markets/{PAIR}/orderbook")
        assert len(book["bid"]) == 25
        for level in book["bid"] + book["ask"]:
            assert all(len(text.partition(".")[2]) == 8 for text in level.values())
        async with client.hub() as hub:
            topic = f"orderbook_{PAIR}_1"
            assert await hub.invoke("Subscribe", [topic]) == [DONE]
            await client.place(limit=book["bid"][0]["rate"][:-6], quantity="5")
            client.server.send_depth(PAIR)
            await hub.until("orderBook")
            hub.pushed.clear()
            await client.place(direction="SELL", limit=book["bid"][0]["rate"][:-6], quantity="9")
            client.server.send_depth(PAIR)
            gone = list((await hub.until("orderBook"))["bidDeltas"])
            assert gone[-1]["quantity"] == "0"

    use(work)


def test_lists_are_numbered_by_a_header_which_can_be_asked_for_alone() -> None:
    async def work(client: Client) -> None:
        await client.place(**SALE)
        client.server.send_depth(PAIR)
        for path in ("summaries", "tickers", f"{PAIR}/orderbook?depth=1", f"{PAIR}/trades"):
            await client.get(f"/v3/markets/{path}")
            sequence = client.headers["Sequence"]
            status, body = await client.get(f"/v3/markets/{path}", "HEAD")
            assert (status, body, client.headers["Sequence"]) == (200, b"", sequence)
            assert int(sequence) > 0
        for path in ("orders/open", "balances", "executions/last-id"):
            _, body = await client.ask("GET", f"/v3/{path}")
            sequence = client.headers["Sequence"]
            status, _ = await client.ask("HEAD", f"/v3/{path}")
            assert (status, client.headers["Sequence"], int(sequence) > 0) == (200, sequence, True)
        _, trades = await client.get(f"/v3/markets/{PAIR}/trades")
        _, last = await client.ask("GET", "/v3/executions/last-id")
        _, fills = await client.ask("GET", "/v3/executions")
        assert last["lastId"] == fills[0]["id"] == trades[0]["id"] == str(UUID(trades[0]["id"]))
        assert trades[0]["takerSide"] == "SELL"

    use(work)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v3/nowhere", 404, "NOT_FOUND"),
        ("/v3/conditional-orders/open", 404, "NOT_FOUND"),
        (f"/v3/markets/{PAIR}/candles/TRADE/MINUTE_1/recent", 404, "NOT_FOUND"),
        ("/v3/markets/BTC-NONE/orderbook", 404, "MARKET_DOES_NOT_EXIST"),
        ("/v3/markets/USDT-BTC/orderbook", 400, "MARKET_NAME_REVERSED"),
        (f"/v3/markets/{PAIR}/orderbook?depth=20", 400, "BAD_REQUEST"),
        (f"/v3/markets/{PAIR}/orderbook?depth=1&depth=1", 400, "BAD_REQUEST"),
        (f"/v3/markets/{PAIR}/orderbook?symbol=ETH-USDT", 400, "BAD_REQUEST"),
        (f"/v3/markets/{PAIR}/orderbook?limit=1", 400, "BAD_REQUEST"),
        ("/v3/markets?colour=blue", 400, "BAD_REQUEST"),
        ("/v3/currencies/NONE", 404, "CURRENCY_DOES_NOT_EXIST"),
        ("/signalr/negotiate?colour=blue", 400, "BAD_REQUEST"),
    ],
)
def test_what_is_not_offered_is_refused_by_a_code(path: str, status: int, code: str) -> None:
    async def work(client: Client) -> None:
        found, body = await client.get(path)
        assert (found, body["code"]) == (status, code)
        assert ("detail" in body) == (code in bittrex.DETAILED)

    use(work)


# Signatures.


@pytest.mark.parametrize(
    ("signing", "status", "code"),
    [
        ({"Api_Key": ""}, 401, "APIKEY_INVALID"),
        ({"Api_Key": "nobody"}, 401, "APIKEY_INVALID"),
        ({"Api_Signature": "ab"}, 401, "INVALID_SIGNATURE"),
        ({"Api_Content_Hash": "ab"}, 401, "INVALID_SIGNATURE"),
        ({"Api_Timestamp": "1000"}, 401, "INVALID_TIMESTAMP"),
        ({"Api_Timestamp": "soon"}, 400, "BAD_REQUEST"),
        ({"subaccount": str(uuid4())}, 403, "INVALID_PERMISSION"),
    ],
)
def test_what_is_signed_wrongly_is_refused(signing: dict[str, str], status: int, code: str) -> None:
    async def work(client: Client) -> None:
        found, body = await client.ask("GET", "/v3/balances", **signing)
        assert (found, body["code"]) == (status, code)
        assert (await client.ask("GET", "/v3/balances"))[0] == 200

    use(work)


# Orders.


@pytest.mark.parametrize(
    ("terms", "status", "code"),
    [
        ({"direction": "HOLD"}, 400, "BAD_REQUEST"),
        ({"direction": None}, 400, "BAD_REQUEST"),
        ({"timeInForce": "BUY_NOW"}, 400, "BAD_REQUEST"),
        ({"timeInForce": None}, 400, "BAD_REQUEST"),
        ({"limit": None}, 400, "BAD_REQUEST"),
        ({"ceiling": "100"}, 400, "BAD_REQUEST"),
        ({"quantity": "-1"}, 409, "MIN_TRADE_REQUIREMENT_NOT_MET"),
        ({"quantity": True}, 400, "BAD_REQUEST"),
        ({"useAwards": True}, 400, "BAD_REQUEST"),
        ({"triggerPrice": "1"}, 400, "BAD_REQUEST"),
        ({"clientOrderId": "{" + str(uuid4()) + "}"}, 400, "BAD_REQUEST"),
        ({"type": "STOP"}, 400, "ORDER_TYPE_INVALID"),
        ({"type": "MARKET", "timeInForce": "IMMEDIATE_OR_CANCEL"}, 400, "BAD_REQUEST"),
        (
            SALE | {"timeInForce": "FILL_OR_KILL", "quantity": "9", "marketSymbol": "ETH-USDT"},
            201,
            "",
        ),
        (SALE | {"timeInForce": "POST_ONLY_GOOD_TIL_CANCELLED"}, 400, "BAD_REQUEST"),
        (SALE | {"ceiling": "10"}, 400, "BAD_REQUEST"),
    ],
)
def test_orders_are_read_strictly(terms: dict[str, Any], status: int, code: str) -> None:
    async def work(client: Client) -> None:
        found, body = await client.place(**terms)
        assert (found, body.get("code", "")) == (status, code)
        assert len(client.server.venue.orders) == (status == 201)

    use(work)


def test_a_sale_at_market_that_cannot_be_filled_at_once_is_refused_as_fill_or_kill() -> None:
    async def work(client: Client) -> None:
        client.venue.account.receive("BTC", Decimal(8000))
        terms = SALE | {"timeInForce": "FILL_OR_KILL", "quantity": "8000"}
        status, body = await client.place(**terms)
        assert (status, body["code"]) == (409, "FILL_OR_KILL")

    use(work)


def test_an_order_by_its_ceiling_costs_at_most_that() -> None:
    async def work(client: Client) -> None:
        terms = {"type": "CEILING_MARKET", "quantity": None, "limit": None, "ceiling": "300"}
        status, order = await client.place(**terms, timeInForce="IMMEDIATE_OR_CANCEL")
        assert (status, order["status"], order["ceiling"]) == (201, "CLOSED", "300.00000000")
        assert ("quantity" in order, "clientOrderId" in order) == (False, False)
        assert 299 < Decimal(order["proceeds"]) <= 300

    use(work)


def test_ids_are_uuids_and_nothing_else() -> None:
    async def work(client: Client) -> None:
        _, placed = await client.place()
        for path in ("/v3/orders/1001", "/v3/orders/none", "/v3/executions/7"):
            status, body = await client.ask("GET", path)
            assert (status, body["code"]) == (400, "UUID_INVALID")
        for method in ("GET", "DELETE"):
            status, body = await client.ask(method, f"/v3/orders/{uuid4()}")
            assert (status, body["code"]) == (404, "ORDER_DOES_NOT_EXIST")
        assert (await client.ask("GET", f"/v3/orders/{placed['id'].upper()}"))[1] == placed
        await client.place(**SALE)
        _, fills = await client.ask("GET", "/v3/executions")
        fill = fills[0]
        assert (await client.ask("GET", f"/v3/executions/{fill['id']}"))[1] == fill
        assert (await client.ask("GET", f"/v3/executions/{uuid4()}"))[0] == 404

    use(work)


def test_closed_orders_and_executions_are_listed_newest_first_and_by_pages() -> None:
    async def work(client: Client) -> None:
        for _ in range(4):
            await client.place(**SALE)
        for path in ("/v3/orders/closed", "/v3/executions"):

            async def listed(path: str = path, **params: str) -> list[str]:
                query = "&".join(f"{name}={value}" for name, value in params.items())
                status, rows = await client.ask("GET", f"{path}?{query}")
                assert status == 200, rows
                return [row["id"] for row in rows]

            whole = await listed(pageSize="200")
            assert (len(whole) >= 4, whole) == (True, sorted(whole, reverse=True))
            assert await listed(pageSize="2") == whole[:2]
            assert await listed(pageSize="2", nextPageToken=whole[1]) == whole[2:4]
            assert await listed(pageSize="1", previousPageToken=whole[2]) == whole[1:2]
            assert await listed(marketSymbol="ETH-USDT") == []
            now = datetime.now(UTC)
            day = timedelta(days=1)
            after = (now + day).strftime("%Y-%m-%dT%H:%M:%SZ")
            before = (now - day).strftime("%Y-%m-%dT%H:%M:%S.5Z")
            assert await listed(startDate=before, endDate=after) == whole
            assert await listed(startDate=after) == []
            assert await listed(endDate=before) == []
            for wrong in (
                "pageSize=201",
                "pageSize=0",
                "nextPageToken=7",
                f"nextPageToken={uuid4()}",
                f"nextPageToken={whole[0]}&previousPageToken={whole[1]}",
                "startDate=1700000000",
                "startDate=yesterday",
                "limit=1",
            ):
                assert (await client.ask("GET", f"{path}?{wrong}"))[0] == 400, wrong
        assert (await client.ask("GET", "/v3/orders/open?pageSize=1"))[0] == 400

    use(work)


def test_all_open_orders_of_a_market_are_cancelled_at_once() -> None:
    async def work(client: Client) -> None:
        _, first = await client.place()
        _, other = await client.place(marketSymbol="ETH-USDT", limit="1000", quantity="1")
        status, rows = await client.ask("DELETE", f"/v3/orders/open?marketSymbol={PAIR}")
        assert (status, [row["id"] for row in rows]) == (200, [first["id"]])
        assert rows[0]["result"]["status"] == "CLOSED"
        _, open_orders = await client.ask("GET", "/v3/orders/open")
        assert [row["id"] for row in open_orders] == [other["id"]]

    use(work)


def test_a_batch_takes_and_refuses_each_by_itself() -> None:
    async def work(client: Client) -> None:
        _, placed = await client.place()
        new = {"resource": "ORDER", "operation": "POST", "payload": ORDER}
        wrong = new | {"payload": ORDER | {"quantity": "900"}}
        cancel = {"resource": "ORDER", "operation": "DELETE", "payload": {"id": placed["id"]}}
        status, rows = await client.ask("POST", "/v3/batch", [new, wrong, cancel])
        assert (status, [row["status"] for row in rows]) == (200, [201, 409, 200])
        assert rows[1]["payload"]["code"] == "INSUFFICIENT_FUNDS"
        assert rows[2]["payload"]["status"] == "CLOSED"
        orders = len(client.server.venue.orders)
        for body in (
            [],
            new,
            [new, new | {"resource": "CONDITIONAL_ORDER"}],
            [new, new | {"payload": ORDER | {"colour": "blue"}}],
            [new] * 21,
        ):
            assert (await client.ask("POST", "/v3/batch", body))[0] == 400
        assert len(client.server.venue.orders) == orders

    use(work)


def test_an_account_asks_for_itself() -> None:
    async def work(client: Client) -> None:
        assert UUID((await client.ask("GET", "/v3/account"))[1]["accountId"])
        _, balance = await client.ask("GET", "/v3/balances/BTC")
        assert balance["currencySymbol"] == "BTC"
        assert (await client.ask("GET", "/v3/balances/NONE"))[0] == 404
        _, fees = await client.ask("GET", "/v3/account/fees/trading")
        assert [row["marketSymbol"] for row in fees] == list(PAIRS)
        _, fee = await client.ask("GET", f"/v3/account/fees/trading/{PAIR}")
        assert fee == fees[0]

    use(work)


# The hub.


def test_each_stream_is_taken_or_refused_by_itself() -> None:
    async def work(client: Client) -> None:
        async with client.hub() as hub:
            unknown = {"Success": False, "ErrorCode": "INVALID_CHANNEL"}
            denied = {"Success": False, "ErrorCode": "UNAUTHORIZED_USER"}
            streams = {
                f"orderbook_{PAIR}_25": DONE,
                f"orderbook_{PAIR}_20": unknown,
                "orderbook_BTC-NONE_25": unknown,
                f"candle_{PAIR}_MINUTE_1": unknown,
                "conditional_order": unknown,
                "deposit": unknown,
                "order": denied,
                "tickers": DONE,
            }
            assert await hub.invoke("Subscribe", [*streams]) == [*streams.values()]
            assert await hub.invoke("Unsubscribe", [*streams]) == [*streams.values()]
            assert await hub.invoke("IsAuthenticated") is False
            assert await client.login(hub) == DONE
            assert await hub.invoke("IsAuthenticated") is True
            assert await hub.invoke("Subscribe", ["order"]) == [DONE]
            error = 'There was an error invoking Hub method "c3.Nothing".'
            assert await hub.invoke("Nothing") == error

    use(work)


class QuickHeart(bittrex.Dialect):
    heartbeat_s = 0.05


def test_every_stream_that_is_taken_tells_something() -> None:
    async def work(client: Client) -> None:
        async with client.hub() as hub:
            await client.login(hub)
            names = [
                f"ticker_{PAIR}", "tickers", f"market_summary_{PAIR}", "market_summaries",
                f"trade_{PAIR}", f"orderbook_{PAIR}_500", "heartbeat", "order", "execution",
                "balance",
            ]  # fmt: skip
            assert await hub.invoke("Subscribe", names) == [DONE] * len(names)
            _, sold = await client.place(**SALE)
            client.server.send_depth(PAIR)
            assert (await hub.until("ticker"))["symbol"] == PAIR
            assert (await hub.until("tickers"))["deltas"][0]["symbol"] == PAIR
            assert (await hub.until("marketSummary"))["symbol"] == PAIR
            assert (await hub.until("marketSummaries"))["sequence"] == 1
            trade = (await hub.until("trade"))["deltas"][0]
            execution = (await hub.until("execution"))["deltas"][0]
            assert trade["id"] == execution["id"]
            assert execution["orderId"] == sold["id"]
            assert UUID((await hub.until("order"))["accountId"])
            assert (await hub.until("balance"))["delta"]["currencySymbol"] in ("BTC", "USDT")
            await hub.until("orderBook")
            assert await hub.until("heartbeat") is None

    use(work, QuickHeart)


def test_a_hub_is_negotiated_pinged_and_left() -> None:
    async def work(client: Client) -> None:
        query = "clientProtocol=1.5&connectionData=%5B%7B%22name%22%3A%22c3%22%7D%5D"
        _, found = await client.get(f"/signalr/negotiate?{query}")
        assert (found["TryWebSockets"], found["KeepAliveTimeout"]) == (True, 20)
        assert UUID(found["ConnectionId"])
        assert (await client.get("/signalr/ping"))[1] == {"Response": "pong"}
        status, _ = await client.get("/signalr/abort?transport=webSockets", "POST")
        assert status == 200

    use(work)
