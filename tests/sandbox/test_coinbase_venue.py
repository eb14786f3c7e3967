"""Coinbase's sandbox takes, refuses and answers what the venue documents."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from tests.support.served import Served, serve
from trochil.sandbox.dialects import coinbase
from trochil.sandbox.dialects.coinbase.requests import CANCEL_AFTER_S
from trochil.sandbox.formats import decimal_text, uuid_of
from trochil.sandbox.market.matching import Order

PAIR = "BTC-USD"
OTHER = "ETH-USD"
CLIENT_ID = "f6f9a4a2-6d2e-4b8f-9d2c-5a1a3e0f7c11"
UNKNOWN_ID = "d0c5340b-6d6c-49d9-b567-48c4bfca13d2"
RESTING = {
    "product_id": PAIR,
    "side": "buy",
    "type": "limit",
    "price": "3000.00",
    "size": "0.01",
}
TENTH = Decimal("0.1")
MICROSECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@dataclass
class Answer:
    status: int
    body: Any
    headers: Any

    @property
    def refusal(self) -> tuple[int, str]:
        assert set(self.body) == {"message"}
        return self.status, self.body["message"]

    @property
    def cursors(self) -> tuple[str | None, str | None]:
        return self.headers.get("CB-BEFORE"), self.headers.get("CB-AFTER")


class Client:
    """What a client sends, by its own hand."""

    def __init__(self, venue: Served) -> None:
        self.venue = venue
        self.server = venue.server
        self.account = venue.account
        self.session = venue.session

    def signed(self, payload: str, **changes: str) -> dict[str, str]:
        timestamp = changes.pop("timestamp", str(int(time.time())))
        secret = base64.b64decode(self.account.keys["api_secret"])
        digest = hmac.new(secret, (timestamp + payload).encode(), hashlib.sha256).digest()
        fields = {
            "key": self.account.keys["api_key"],
            "signature": base64.b64encode(digest).decode(),
            "timestamp": timestamp,
            "passphrase": self.account.keys["passphrase"],
        }
        return fields | changes

    async def call(
        self, method: str, path: str, body: Any = None, *, without: str = "", **changes: str
    ) -> Answer:
        """A signed request; ``changes``: of what signs it."""
        text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
        signed = self.signed(method + path + text, **changes)
        headers = {
            "CB-ACCESS-KEY": signed["key"],
            "CB-ACCESS-SIGN": signed["signature"],
            "CB-ACCESS-TIMESTAMP": signed["timestamp"],
            "CB-ACCESS-PASSPHRASE": signed["passphrase"],
            "Content-Type": "application/json",
        }
        headers.pop(without, None)
        async with self.session.request(method, path, data=text, headers=headers) as answer:
            return Answer(answer.status, await answer.json(), answer.headers)

    async def get(self, path: str, method: str = "GET") -> Answer:
        """An unsigned request."""
        async with self.session.request(method, path) as answer:
            return Answer(answer.status, await answer.json(), answer.headers)

    async def place(self, **changes: Any) -> Answer:
        """The resting order with some of its fields changed, or left out by None."""
        sent = {name: value for name, value in (RESTING | changes).items() if value is not None}
        return await self.call("POST", "/orders", sent)

    def flow(self, side: str, amount: str, price: str, tif: str = "GTC", pair: str = PAIR) -> Order:
        """An order of somebody else's."""
        return self.server.venue.place(
            self.server.liquidity_provider,
            pair,
            side,
            "limit",
            Decimal(amount),
            Decimal(price),
            self.server.now_ns(),
            tif=tif,
        )

    @property
    def best_ask(self) -> Decimal:
        best = self.server.book(PAIR).best("sell")
        assert best is not None
        return best

    @property
    def orders(self) -> int:
        """That the venue took of this account."""
        return len(self.server.venue.orders)


def use(
    work: Callable[[Client], Awaitable[None]],
    dialect: type[coinbase.Dialect] = coinbase.Dialect,
) -> None:
    serve(dialect, (PAIR, OTHER), lambda venue: work(Client(venue)))


# Orders that are refused.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "stop"}, "Invalid type"),
        ({"stop": "loss", "stop_price": "2900.00"}, "Invalid stop"),
        ({"stop_price": "2900.00"}, "Invalid stop_price"),
        ({"stop_limit_price": "2900.00"}, "Invalid stop_limit_price"),
        ({"max_floor": "0.001"}, "Invalid max_floor"),
        ({"leverage": "3"}, "Invalid leverage"),
        ({"overdraft_enabled": True}, "Invalid overdraft_enabled"),
        ({"funds": "300"}, "funds is not allowed for this order"),
        ({"funds": "300", "size": None}, "funds is not allowed for this order"),
        ({"stp": "co"}, "Invalid stp"),
        ({"stp": "cn"}, "Invalid stp"),
        ({"stp": "cb"}, "Invalid stp"),
        ({"profile_id": UNKNOWN_ID}, "Invalid profile_id"),
        ({"time_in_force": "GTD"}, "Invalid time_in_force"),
        ({"time_in_force": "gtc"}, "Invalid time_in_force"),
        ({"time_in_force": "GTT"}, "cancel_after is required"),
        ({"time_in_force": "GTT", "cancel_after": "1min"}, "Invalid cancel_after"),
        ({"cancel_after": "min"}, "cancel_after is not allowed for this order"),
        ({"post_only": True, "time_in_force": "IOC"}, "Invalid post_only"),
        ({"post_only": True, "time_in_force": "FOK"}, "Invalid post_only"),
        ({"post_only": "maybe"}, "Invalid post_only"),
        ({"client_oid": "x" * 80}, "Invalid client_oid"),
        ({"client_oid": "mine"}, "Invalid client_oid"),
        ({"client_oid": CLIENT_ID.upper()}, "Invalid client_oid"),
        ({"client_oid": CLIENT_ID.replace("-", "")}, "Invalid client_oid"),
        ({"client_oid": "f6f9a4a2-6d2e-1b8f-9d2c-5a1a3e0f7c11"}, "Invalid client_oid"),
        ({"price": None}, "price is required"),
        ({"size": None}, "size is required"),
        ({"side": None}, "side is required"),
        ({"side": "short"}, "Invalid side"),
        ({"product_id": None}, "product_id is required"),
        ({"product_id": "BTC-NOTHING"}, "Product not found"),
        ({"price": "0"}, "price is too small. Minimum size is 0.01000000"),
        ({"price": "-5"}, "price is too small. Minimum size is 0.01000000"),
        ({"price": "3000.001"}, "price is too accurate. Smallest unit is 0.01000000"),
        ({"price": "cheap"}, "Invalid price"),
        ({"size": "0.000001"}, "size is too small. Minimum size is 0.00001000"),
        ({"size": "0.010001"}, "size is too accurate. Smallest unit is 0.00001000"),
        ({"size": "9000.1"}, "size is too large. Maximum size is 9000.00000000"),
        ({"size": "0.0001"}, "notional is too small. Minimum is 5"),
        ({"size": "900"}, "Insufficient funds"),
        ({"type": "market"}, "price is not allowed for this order"),
        ({"type": "market", "price": None, "funds": "300"}, "funds is not allowed for this order"),
        ({"type": "market", "price": None, "size": None}, "size or funds is required"),
        (
            {"type": "market", "price": None, "time_in_force": "IOC"},
            "time_in_force is not allowed for this order",
        ),
        (
            {"type": "market", "price": None, "size": None, "funds": "100.001"},
            "funds is too accurate. Smallest unit is 0.01000000",
        ),
        (
            {"type": "market", "price": None, "size": None, "funds": "4.99"},
            "funds is too small. Minimum size is 5.00000000",
        ),
    ],
)
def test_an_order_that_is_not_offered_is_refused(changes: dict[str, Any], message: str) -> None:
    async def work(client: Client) -> None:
        answer = await client.place(**changes)
        assert answer.refusal == (400, message)
        assert client.orders == 0

    use(work)


@pytest.mark.parametrize("body", ["no json", "side=buy", "[]", '{"side": ', "7", ""])
def test_a_body_that_is_no_object_is_a_bad_request(body: str) -> None:
    async def work(client: Client) -> None:
        assert (await client.call("POST", "/orders", body)).refusal == (400, "Bad Request")

    use(work)


def test_a_query_is_no_order() -> None:
    async def work(client: Client) -> None:
        query = "&".join(f"{name}={value}" for name, value in RESTING.items())
        assert (await client.call("POST", f"/orders?{query}")).refusal == (400, "Bad Request")
        answer = await client.call("POST", "/orders?price=1", RESTING)
        assert answer.refusal == (400, "Invalid price")
        answer = await client.call("POST", "/orders?colour=blue", RESTING)
        assert answer.refusal == (400, "Bad Request")
        assert client.orders == 0

    use(work)


def test_a_client_id_is_not_taken_twice_while_its_order_is_open() -> None:
    async def work(client: Client) -> None:
        await client.place(client_oid=CLIENT_ID)
        again = await client.place(client_oid=CLIENT_ID)
        assert again.refusal == (400, "client_oid is a duplicate")

    use(work)


def test_a_post_only_order_that_would_take_is_shown_as_rejected() -> None:
    async def work(client: Client) -> None:
        answer = await client.place(price="90000.00", post_only=True)
        assert (answer.status, answer.body["status"]) == (200, "rejected")
        assert answer.body["reject_reason"] == "post only"
        assert client.orders == 0

    use(work)


# Orders that are taken.


def test_a_new_order_is_pending_and_then_open() -> None:
    async def work(client: Client) -> None:
        placed = (await client.place(client_oid=CLIENT_ID, stp="dc")).body
        assert placed.pop("created_at")
        assert placed.pop("profile_id")
        number = placed.pop("id")
        assert placed == {
            "price": "3000",
            "size": "0.01",
            "product_id": PAIR,
            "side": "buy",
            "stp": "dc",
            "type": "limit",
            "time_in_force": "GTC",
            "post_only": False,
            "client_oid": CLIENT_ID,
            "fill_fees": "0",
            "filled_size": "0",
            "executed_value": "0",
            "market_type": "spot",
            "status": "pending",
            "settled": False,
        }
        shown = (await client.call("GET", f"/orders/{number}")).body
        assert (shown["status"], shown["settled"]) == ("open", False)
        assert (shown["price"], shown["size"]) == ("3000.00000000", "0.01000000")
        assert (shown["filled_size"], shown["executed_value"]) == (
            "0.00000000",
            "0.0000000000000000",
        )
        assert MICROSECONDS.fullmatch(shown["created_at"])
        assert (await client.call("GET", f"/orders/client:{CLIENT_ID}")).body == shown

    use(work)


def test_an_order_without_a_client_id_has_none() -> None:
    async def work(client: Client) -> None:
        placed = (await client.place()).body
        shown = (await client.call("GET", f"/orders/{placed['id']}")).body
        assert "client_oid" not in placed | shown

    use(work)


def test_a_filled_order_is_done_and_settled() -> None:
    async def work(client: Client) -> None:
        price = f"{client.best_ask * 2:.2f}"
        placed = (await client.place(price=price, size="0.001")).body
        assert (placed["status"], placed["filled_size"]) == ("pending", "0")
        shown = (await client.call("GET", f"/orders/{placed['id']}")).body
        assert (shown["status"], shown["done_reason"], shown["settled"]) == ("done", "filled", True)
        assert shown["filled_size"] == "0.00100000"
        assert MICROSECONDS.fullmatch(shown["done_at"])
        assert Decimal(shown["fill_fees"]) == Decimal(shown["executed_value"]) * Decimal("0.001")

    use(work)


def test_funds_pay_the_fee_too() -> None:
    async def work(client: Client) -> None:
        before = client.account.of("USD").free
        terms = {"type": "market", "price": None, "size": None}
        placed = (await client.place(**terms, funds="1000")).body
        assert (placed["specified_funds"], placed["funds"]) == ("1000", "999.000999")
        assert 0 < 1000 - (before - client.account.of("USD").free) < 1
        shown = (await client.call("GET", f"/orders/{placed['id']}")).body
        assert (shown["status"], shown["specified_funds"]) == ("done", "1000.0000000000000000")
        assert "price" not in shown
        assert "time_in_force" not in shown

    use(work)


def test_an_order_good_till_a_time_ends_then() -> None:
    async def work(client: Client) -> None:
        placed = (await client.place(time_in_force="GTT", cancel_after="min")).body
        assert placed["time_in_force"] == "GTT"
        shown = (await client.call("GET", f"/orders/{placed['id']}")).body
        assert shown["time_in_force"] == "GTT"
        begin, end = (
            time.mktime(time.strptime(shown[name][:19], "%Y-%m-%dT%H:%M:%S"))
            for name in ("created_at", "expire_time")
        )
        assert end - begin == 60

    use(work)


def test_an_order_whose_time_is_over_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CANCEL_AFTER_S, "min", 1)

    async def work(client: Client) -> None:
        placed = (await client.place(time_in_force="GTT", cancel_after="min")).body
        shown = placed
        while shown["status"] != "done":
            await asyncio.sleep(0.05)
            shown = (await client.call("GET", f"/orders/{placed['id']}")).body
        assert shown["done_reason"] == "canceled"

    use(work)


# Cancelling.


def test_a_cancel_is_answered_by_the_id() -> None:
    async def work(client: Client) -> None:
        number = (await client.place()).body["id"]
        answer = await client.call("DELETE", f"/orders/{number}?product_id={PAIR}")
        assert (answer.status, answer.body) == (200, number)
        again = await client.call("DELETE", f"/orders/{number}")
        assert again.refusal == (400, "Order already done")
        await client.place(client_oid=CLIENT_ID)
        answer = await client.call("DELETE", f"/orders/client:{CLIENT_ID}")
        assert (answer.status, answer.body) == (200, CLIENT_ID)

    use(work)


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        (f"/orders/{UNKNOWN_ID}", (404, "order not found")),
        (f"/orders/client:{UNKNOWN_ID}", (404, "order not found")),
        ("/orders/7", (400, "Invalid order id")),
        ("/orders/client:mine", (400, "Invalid client_oid")),
        ("/orders?product_id=NO-THING", (404, "NotFound")),
        ("/orders?symbol=BTC", (400, "Invalid symbol")),
    ],
)
def test_what_can_not_be_cancelled(path: str, refusal: tuple[int, str]) -> None:
    async def work(client: Client) -> None:
        await client.place()
        assert (await client.call("DELETE", path)).refusal == refusal
        assert len((await client.call("GET", "/orders")).body) == 1

    use(work)


def test_an_order_of_another_product_is_not_found() -> None:
    async def work(client: Client) -> None:
        number = (await client.place()).body["id"]
        answer = await client.call("DELETE", f"/orders/{number}?product_id={OTHER}")
        assert answer.refusal == (404, "order not found")
        assert (await client.call("GET", f"/orders/{number}")).body["status"] == "open"

    use(work)


def test_all_orders_of_a_product_are_cancelled_or_all() -> None:
    async def work(client: Client) -> None:
        first = (await client.place()).body["id"]
        other = (await client.place(product_id=OTHER, price="200", size="0.1")).body["id"]
        answer = await client.call("DELETE", f"/orders?product_id={OTHER}")
        assert (answer.status, answer.body) == (200, [other])
        assert (await client.call("DELETE", "/orders")).body == [first]
        assert (await client.call("DELETE", "/orders")).body == []

    use(work)


def test_what_the_path_names_is_named_by_nothing_else() -> None:
    async def work(client: Client) -> None:
        first, second = [(await client.place()).body["id"] for _ in range(2)]
        answer = await client.call("GET", f"/orders/{first}?id={second}")
        assert answer.refusal == (400, "Invalid id")
        answer = await client.call("DELETE", f"/orders/{first}", {"id": second})
        assert answer.refusal == (400, "Invalid id")
        assert len((await client.call("GET", "/orders")).body) == 2

    use(work)


# Lists of an account.


def test_orders_come_in_pages() -> None:
    async def work(client: Client) -> None:
        ids = [(await client.place(price=f"{3000 + n}")).body["id"] for n in range(5)]
        newest = ids[::-1]
        first = await client.call("GET", "/orders?limit=2")
        assert [row["id"] for row in first.body] == newest[:2]
        before, after = first.cursors
        second = await client.call("GET", f"/orders?limit=2&after={after}")
        assert [row["id"] for row in second.body] == newest[2:4]
        last = await client.call("GET", f"/orders?limit=2&after={second.cursors[1]}")
        assert [row["id"] for row in last.body] == newest[4:]
        assert last.cursors[1] is None
        newer = (await client.place()).body["id"]
        page = await client.call("GET", f"/orders?before={before}")
        assert [row["id"] for row in page.body] == [newer]
        upwards = await client.call("GET", "/orders?sorting=asc&limit=2")
        assert [row["id"] for row in upwards.body] == ids[:2]
        upwards = await client.call("GET", f"/orders?sorting=asc&after={upwards.cursors[1]}")
        assert [row["id"] for row in upwards.body] == [*ids[2:], newer]
        dearest = await client.call("GET", "/orders?sortedBy=price&limit=1")
        assert dearest.body[0]["price"] == "3004.00000000"

    use(work)


def test_orders_are_found_by_status_product_and_time() -> None:
    async def work(client: Client) -> None:
        done = (await client.place(price="90000")).body["id"]
        resting = (await client.place()).body["id"]
        other = (await client.place(product_id=OTHER, price="200", size="0.1")).body["id"]

        async def found(query: str) -> list[str]:
            return [row["id"] for row in (await client.call("GET", f"/orders{query}")).body]

        assert await found("") == [other, resting]
        assert await found("?status=open") == [other, resting]
        assert await found("?status=done") == [done]
        assert await found("?status=pending") == []
        assert await found("?status=all") == [other, resting, done]
        assert await found("?status=done&status=open") == [other, resting, done]
        assert await found(f"?product_id={OTHER.lower()}") == [other]
        assert await found("?start_date=2024-01-01") == [other, resting]
        assert await found("?end_date=2024-01-01T00:00:00.000Z") == []

    use(work)


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("/orders?status=closed", (400, "Invalid status")),
        ("/orders?limit=0", (400, "Invalid limit")),
        ("/orders?limit=1001", (400, "Invalid limit")),
        ("/orders?limit=many", (400, "Invalid limit")),
        ("/orders?after=x", (400, "Invalid after")),
        ("/orders?sortedBy=age", (400, "Invalid sortedBy")),
        ("/orders?sorting=up", (400, "Invalid sorting")),
        ("/orders?sortedBy=price&after=5", (400, "Invalid sortedBy")),
        ("/orders?start_date=yesterday", (400, "Invalid start_date")),
        ("/orders?product_id=NO-THING", (404, "NotFound")),
        ("/orders?symbol=BTC-USD", (400, "Invalid symbol")),
        ("/orders?limit=1&limit=2", (400, "Invalid limit")),
        (f"/orders?profile_id={UNKNOWN_ID}", (400, "Invalid profile_id")),
        ("/orders?market_type=future", (400, "Invalid market_type")),
        (f"/orders/{UNKNOWN_ID}", (404, "NotFound")),
        (f"/orders/client:{UNKNOWN_ID}", (404, "NotFound")),
        ("/orders/1001", (400, "Invalid order id")),
        ("/fills", (400, "order_id or product_id is required")),
        ("/fills?order_id=7", (400, "Invalid order id")),
        (f"/fills?order_id={UNKNOWN_ID}", (404, "NotFound")),
        ("/fills?product_id=BTC-USD&limit=1001", (400, "Invalid limit")),
        (f"/accounts/{UNKNOWN_ID}", (404, "NotFound")),
        ("/accounts?limit=3", (400, "Invalid limit")),
    ],
)
def test_what_can_not_be_listed(path: str, refusal: tuple[int, str]) -> None:
    async def work(client: Client) -> None:
        assert (await client.call("GET", path)).refusal == refusal

    use(work)


def test_fills_come_in_pages() -> None:
    async def work(client: Client) -> None:
        bought = [(await client.place(price="90000", size="0.001")).body["id"] for _ in range(3)]
        first = await client.call("GET", f"/fills?product_id={PAIR}&limit=2")
        assert [row["order_id"] for row in first.body] == bought[:0:-1]
        rest = await client.call("GET", f"/fills?product_id={PAIR}&after={first.cursors[1]}")
        assert [row["order_id"] for row in rest.body] == bought[:1]
        assert rest.cursors[1] is None
        one = await client.call("GET", f"/fills?order_id={bought[1]}")
        (fill,) = one.body
        assert (fill["size"], fill["liquidity"], fill["side"]) == ("0.00100000", "T", "buy")
        assert Decimal(fill["usd_volume"]) == Decimal(fill["price"]) * Decimal(fill["size"])
        assert MICROSECONDS.fullmatch(fill["created_at"])
        assert {"user_id", "profile_id", "fee", "settled", "trade_id"} <= set(fill)

    use(work)


def test_accounts_have_ids_and_sixteen_digits() -> None:
    async def work(client: Client) -> None:
        rows = (await client.call("GET", "/accounts")).body
        assert (await client.call("GET", "/accounts/")).body == rows
        (dollars,) = [row for row in rows if row["currency"] == "USD"]
        assert dollars["balance"] == "1000000.0000000000000000"
        assert dollars["trading_enabled"] is True
        assert (await client.call("GET", f"/accounts/{dollars['id']}")).body == dollars
        assert len({row["id"] for row in rows}) == len(rows)

    use(work)


def test_fees_tell_the_volume() -> None:
    async def work(client: Client) -> None:
        fees = (await client.call("GET", "/fees")).body
        assert fees == {
            "maker_fee_rate": "0.001",
            "taker_fee_rate": "0.001",
            "usd_volume": "0.00",
        }

    use(work)


# Who asks.


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"without": "CB-ACCESS-KEY"}, (401, "CB-ACCESS-KEY header is required")),
        ({"without": "CB-ACCESS-SIGN"}, (401, "CB-ACCESS-SIGN header is required")),
        ({"without": "CB-ACCESS-TIMESTAMP"}, (401, "CB-ACCESS-TIMESTAMP header is required")),
        ({"without": "CB-ACCESS-PASSPHRASE"}, (401, "CB-ACCESS-PASSPHRASE header is required")),
        ({"key": "nobody"}, (401, "Invalid API Key")),
        ({"signature": "d3Jvbmc="}, (401, "invalid signature")),
        ({"passphrase": "wrong"}, (401, "Invalid Passphrase")),
        ({"timestamp": "1700000000"}, (400, "request timestamp expired")),
        ({"timestamp": "soon"}, (400, "Invalid timestamp")),
    ],
)
def test_a_signature_that_does_not_fit(changes: dict[str, str], refusal: tuple[int, str]) -> None:
    async def work(client: Client) -> None:
        without = changes.get("without", "")
        signing = {name: value for name, value in changes.items() if name != "without"}
        answer = await client.call("GET", "/accounts", without=without, **signing)
        assert answer.refusal == refusal

    use(work)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("GET", "/"),
        ("GET", "/path"),
        ("POST", "/products"),
        ("PUT", "/orders"),
        ("DELETE", "/accounts"),
        ("GET", "/products/NO-THING"),
        ("GET", "/products/NO-THING/book"),
        ("GET", "/currencies/NOTHING"),
        ("GET", "/reports"),
    ],
)
def test_what_is_not_there_is_not_found(method: str, path: str) -> None:
    async def work(client: Client) -> None:
        assert (await client.get(path, method)).refusal == (404, "NotFound")

    use(work)


# Public data.


def test_products_and_currencies() -> None:
    async def work(client: Client) -> None:
        products = (await client.get("/products")).body
        assert [row["id"] for row in products] == [PAIR, OTHER]
        assert (await client.get("/products/btc-usd")).body == products[0]
        assert products[0]["display_name"] == PAIR
        currencies = (await client.get("/currencies")).body
        assert [row["id"] for row in currencies] == ["BTC", "ETH", "USD"]
        assert (await client.get("/currencies/BTC")).body == currencies[0]
        moment = (await client.get("/time")).body
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", moment["iso"])
        assert abs(moment["epoch"] - time.time()) < 10

    use(work)


def test_a_book_has_three_levels_and_one_sequence() -> None:
    async def work(client: Client) -> None:
        client.flow("buy", "1", "3000")
        client.flow("buy", "2", "3000")
        books = [await client.get(f"/products/{PAIR}/book?level={n}") for n in (1, 2, 3)]
        best, whole, orders = (book.body for book in books)
        assert (await client.get(f"/products/{PAIR}/book")).body["bids"] == best["bids"]
        assert [len(best["bids"]), len(best["asks"])] == [1, 1]
        assert ["3000", "3", 2] in whole["bids"]
        assert [row[:2] for row in orders["bids"][-2:]] == [["3000", "1"], ["3000", "2"]]
        assert best["sequence"] == whole["sequence"] == orders["sequence"]
        assert (best["auction_mode"], best["auction"]) == (False, None)
        assert MICROSECONDS.fullmatch(best["time"])

    use(work)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("book?level=4", "Invalid level"),
        ("book?level=best", "Invalid level"),
        ("book?depth=5", "Invalid depth"),
        ("trades?limit=1001", "Invalid limit"),
        ("ticker?x=1", "Invalid x"),
        ("candles?granularity=61", "Unsupported granularity"),
        ("candles?granularity=60&start=soon", "Invalid start"),
        (
            "candles?granularity=60&start=2024-01-01T00:00:00Z&end=2024-01-02T00:00:00Z",
            "granularity too small for the requested time range. "
            "Count of aggregations requested exceeds 300",
        ),
    ],
)
def test_public_requests_that_are_refused(path: str, message: str) -> None:
    async def work(client: Client) -> None:
        assert (await client.get(f"/products/{PAIR}/{path}")).refusal == (400, message)

    use(work)


def test_trades_come_in_pages_with_ticker_stats_and_candles() -> None:
    async def work(client: Client) -> None:
        empty = (await client.get("/products/stats")).body[PAIR]
        assert empty == {"stats_30day": {"volume": "0"}, "stats_24hour": {}}
        for _ in range(5):
            client.flow("buy", "0.01", str(client.best_ask), "IOC")
        trades = f"/products/{PAIR}/trades"
        first = await client.get(f"{trades}?limit=3")
        assert [row["trade_id"] for row in first.body] == [5, 4, 3]
        assert first.cursors == ("5", "3")
        rest = await client.get(f"{trades}?after=3")
        assert ([row["trade_id"] for row in rest.body], rest.cursors) == ([2, 1], ("2", None))
        newer = await client.get(f"{trades}?before=4")
        assert [row["trade_id"] for row in newer.body] == [5]
        assert first.body[0]["side"] == "sell"
        assert re.fullmatch(r"\d+\.\d{8}", first.body[0]["price"])
        ticker = (await client.get(f"/products/{PAIR}/ticker")).body
        assert (ticker["trade_id"], Decimal(ticker["volume"])) == (5, Decimal("0.05"))
        stats = (await client.get(f"/products/{PAIR}/stats")).body
        prices = [Decimal(row["price"]) for row in (await client.get(trades)).body]
        assert Decimal(stats["high"]) == max(prices)
        assert Decimal(stats["low"]) == min(prices)
        assert Decimal(stats["open"]) == prices[-1]
        candles = (await client.get(f"/products/{PAIR}/candles?granularity=86400")).body
        assert sum(candle[5] for candle in candles) == pytest.approx(0.05)
        assert candles[-1][3] == float(prices[-1])

    use(work)


# The feed.


async def receive(socket: aiohttp.ClientWebSocketResponse, *kinds: str) -> Any:
    """The next frame, or the next of one of these kinds."""
    while True:
        frame = json.loads((await socket.receive()).data)
        if not kinds or (isinstance(frame, dict) and frame["type"] in kinds):
            return frame


def subscribe(client: Client, *channels: Any, signs: bool = False, **fields: Any) -> dict[str, Any]:
    login = client.signed("GET/users/self/verify") if signs else {}
    return {"type": "subscribe", "channels": list(channels), **fields, **login}


def followed(*channels: tuple[str, list[str]]) -> dict[str, Any]:
    return {
        "type": "subscriptions",
        "channels": [
            {"name": name, "product_ids": products, "account_ids": None}
            for name, products in channels
        ],
    }


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({}, "Type has to be either subscribe or unsubscribe"),
        ({"type": "listen"}, "Type has to be either subscribe or unsubscribe"),
        ({"type": "subscribe", "product_ids": [PAIR]}, "No channels provided"),
        ({"type": "subscribe", "channels": []}, "No channels provided"),
        ({"type": "subscribe", "channels": "matches"}, "Invalid channels"),
        ({"type": "subscribe", "channels": [7]}, "Invalid channels"),
        ({"type": "subscribe", "channels": [{"name": ["matches"]}]}, "Invalid name"),
        (
            {"type": "subscribe", "channels": ["matches"], "product_ids": PAIR},
            "Invalid product_ids",
        ),
        (
            {"type": "subscribe", "channels": ["matches"], "product_ids": [PAIR], "id": 1},
            "Invalid id",
        ),
        (
            {"type": "subscribe", "channels": [{"name": "matches", "depth": 3}]},
            "Invalid depth",
        ),
    ],
)
def test_a_message_that_can_not_be_read_is_refused(message: Any, reason: str) -> None:
    async def work(client: Client) -> None:
        async with client.session.ws_connect("/") as socket:
            await socket.send_json(message)
            frame = await receive(socket)
            expected = {"type": "error", "message": "Failed to subscribe", "reason": reason}
            assert frame == expected
            await socket.send_json(subscribe(client, "matches", product_ids=[PAIR]))
            assert await receive(socket) == followed(("matches", [PAIR]))

    use(work)


def test_a_login_whose_channel_is_refused_is_none() -> None:
    async def work(client: Client) -> None:
        async with client.session.ws_connect("/") as socket:
            await socket.send_json(subscribe(client, "ticker", signs=True, product_ids=["X"]))
            assert (await receive(socket))["reason"] == "X is not a valid product"
            assert await receive(socket) == followed()
            await socket.send_json(subscribe(client, "user", product_ids=[PAIR]))
            assert (await receive(socket))["reason"] == "user channel requires authentication"

    use(work)


@pytest.mark.parametrize("text", ["no json", "[]", "7", '"subscribe"'])
def test_what_is_no_object_is_malformed(text: str) -> None:
    async def work(client: Client) -> None:
        async with client.session.ws_connect("/") as socket:
            await socket.send_str(text)
            assert await receive(socket) == {"type": "error", "message": "Malformed JSON"}

    use(work)


LEVELS_NEED_LOGIN = (
    "level2, level3, and full channels now require authentication. "
    "https://docs.cloud.coinbase.com/exchange/docs/websocket-auth"
)


@pytest.mark.parametrize(
    ("channel", "products", "reason"),
    [
        ("trades", [PAIR], "trades is not a valid channel"),
        ("rfq_matches", [PAIR], "rfq_matches is not a valid channel"),
        ("auctionfeed", [PAIR], "auctionfeed is not a valid channel"),
        ("ticker", ["NO-THING"], "NO-THING is not a valid product"),
        ("ticker", ["btc-usd"], "btc-usd is not a valid product"),
        ("ticker", [PAIR, "NO-THING"], "NO-THING is not a valid product"),
        ("ticker", [], " is not a valid product"),
        ("level2", [PAIR], LEVELS_NEED_LOGIN),
        ("level3", [PAIR], LEVELS_NEED_LOGIN),
        ("full", [PAIR], LEVELS_NEED_LOGIN),
        ("user", [PAIR], "user channel requires authentication"),
        ("balance", [], "balance channel requires authentication"),
    ],
)
def test_a_channel_that_can_not_be_followed_is_refused_alone(
    channel: str, products: list[str], reason: str
) -> None:
    async def work(client: Client) -> None:
        async with client.session.ws_connect("/") as socket:
            wanted = {"name": channel, "product_ids": products}
            good = {"name": "matches", "product_ids": [OTHER]}
            await socket.send_json(subscribe(client, wanted, good))
            expected = {"type": "error", "message": "Failed to subscribe", "reason": reason}
            assert await receive(socket) == expected
            assert await receive(socket) == followed(("matches", [OTHER]))

    use(work)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"key": "nobody"}, "Invalid API Key"),
        ({"signature": "d3Jvbmc="}, "invalid signature"),
        ({"passphrase": "wrong"}, "Invalid Passphrase"),
        ({"timestamp": "1700000000"}, "invalid signature"),
        ({"passphrase": ""}, "passphrase is required"),
    ],
)
def test_a_login_that_fails_says_so(changes: dict[str, str], text: str) -> None:
    async def work(client: Client) -> None:
        async with client.session.ws_connect("/") as socket:
            message = subscribe(client, "user", product_ids=[PAIR], signs=True)
            await socket.send_json(message | changes)
            assert await receive(socket) == {
                "type": "error",
                "message": "Authentication Failed",
                "reason": json.dumps({"message": text}),
            }
            await socket.send_json(subscribe(client, "user", product_ids=[PAIR]))
            assert (await receive(socket))["reason"] == "user channel requires authentication"

    use(work)


def test_channels_are_named_in_all_forms_and_left() -> None:
    async def work(client: Client) -> None:
        async with client.session.ws_connect("/") as socket:
            own = {"name": "ticker", "product_ids": [OTHER]}
            both = [PAIR, OTHER]
            message = subscribe(client, "matches", "level2_batch", own, product_ids=both)
            await socket.send_json(message)
            expected = followed(("level2_batch", [PAIR, OTHER]), ("matches", both))
            expected["channels"] += followed(("ticker", [OTHER]))["channels"]
            assert await receive(socket) == expected
            snapshots = [await receive(socket, "snapshot") for _ in both]
            assert [frame["product_id"] for frame in snapshots] == both
            leave = {"type": "unsubscribe", "product_ids": [PAIR], "channels": ["matches"]}
            await socket.send_json(leave)
            assert ("matches", [OTHER]) in names(await receive(socket, "subscriptions"))
            await socket.send_json({"type": "unsubscribe", "channels": ["level2_batch", "nothing"]})
            error = await receive(socket, "error")
            assert (error["message"], error["reason"]) == (
                "Failed to unsubscribe",
                "nothing is not a valid channel",
            )
            await receive(socket, "subscriptions")
            await socket.send_json(
                {
                    "type": "unsubscribe",
                    "channels": [{"name": "ticker", "product_ids": ["NO-THING"]}],
                }
            )
            error = await receive(socket, "error")
            assert error["reason"] == "NO-THING is not a valid product"
            left = names(await receive(socket, "subscriptions"))
            assert left == [("matches", [OTHER]), ("ticker", [OTHER])]

    use(work)


def names(frame: Any) -> list[tuple[str, list[str]]]:
    return [(channel["name"], channel["product_ids"]) for channel in frame["channels"]]


class Hasty(coinbase.Dialect):
    subscribe_within_s = 0.2


def test_who_does_not_subscribe_is_cut() -> None:
    async def work(client: Client) -> None:
        async with client.session.ws_connect("/") as silent:
            message = await silent.receive()
            assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        async with client.session.ws_connect("/") as socket:
            await socket.send_json(subscribe(client, "heartbeat", product_ids=[PAIR]))
            assert (await receive(socket))["type"] == "subscriptions"
            assert (await receive(socket))["type"] == "heartbeat"

    use(work, Hasty)


def test_the_full_channel_counts_without_gaps_from_the_book_of_level_3() -> None:
    async def work(client: Client) -> None:
        async with client.session.ws_connect("/") as socket:
            await socket.send_json(subscribe(client, "full", product_ids=[PAIR], signs=True))
            assert await receive(socket) == followed(("full", [PAIR]))
            book = (await client.get(f"/products/{PAIR}/book?level=3")).body
            rested = client.flow("sell", "0.3", str(client.best_ask - TENTH))
            taker = (await client.place(price=str(rested.price), size="0.1")).body["id"]
            maker = uuid_of(rested.id)
            kinds = ["received", "open", "received", "match", "done"]
            frames = [await receive(socket) for _ in kinds]
            assert [frame["type"] for frame in frames] == kinds
            numbers = [frame["sequence"] for frame in frames]
            assert numbers == [book["sequence"] + n for n in range(1, 6)]
            assert all(MICROSECONDS.fullmatch(frame["time"]) for frame in frames)
            received, opened, own, match, done = frames
            price = decimal_text(rested.price)
            common = {"product_id": PAIR, "side": "sell"}
            assert without_clock(received) == common | {
                "type": "received",
                "order_id": maker,
                "order_type": "limit",
                "price": price,
                "size": "0.3",
            }
            assert without_clock(opened) == common | {
                "type": "open",
                "order_id": maker,
                "price": price,
                "remaining_size": "0.3",
            }
            assert {"user_id", "profile_id"} <= set(own)
            assert (match["maker_order_id"], match["taker_order_id"]) == (maker, taker)
            assert (match["side"], match["size"], match["price"]) == ("sell", "0.1", price)
            assert match["taker_user_id"] == match["user_id"] == own["user_id"]
            assert "maker_user_id" not in match
            assert (done["reason"], done["remaining_size"]) == ("filled", "0")
            after = (await client.get(f"/products/{PAIR}/book?level=3")).body
            assert after["sequence"] == numbers[-1]
            assert after["asks"][0] == [price, "0.2", maker]

    use(work)


def without_clock(frame: Any) -> Any:
    return {name: frame[name] for name in frame if name not in ("time", "sequence")}


def test_others_are_not_told_whose_an_order_is() -> None:
    async def work(client: Client) -> None:
        stranger = client.server.new_account("stranger", {"USD": "10"})
        async with client.session.ws_connect("/") as socket:
            client.account, owner = stranger, client.account
            await socket.send_json(subscribe(client, "full", product_ids=[PAIR], signs=True))
            client.account = owner
            await receive(socket)
            await client.place(client_oid=CLIENT_ID)
            for kind in ("received", "open"):
                frame = await receive(socket)
                assert frame["type"] == kind
                assert not {"user_id", "profile_id", "client_oid"} & set(frame)

    use(work)


def test_the_user_channel_tells_the_own_part() -> None:
    async def work(client: Client) -> None:
        async with client.session.ws_connect("/") as socket:
            await socket.send_json(subscribe(client, "user", product_ids=[PAIR], signs=True))
            assert await receive(socket) == followed(("user", [PAIR]))
            price = str(client.best_ask - TENTH)
            number = (await client.place(client_oid=CLIENT_ID, price=price)).body["id"]
            received, opened = [await receive(socket) for _ in range(2)]
            assert (received["client_oid"], "client_oid" in opened) == (CLIENT_ID, False)
            client.flow("sell", "0.004", price, "IOC")
            match = await receive(socket)
            assert (match["type"], match["maker_order_id"]) == ("match", number)
            assert match["maker_user_id"] == match["user_id"]
            assert match["maker_profile_id"] == match["profile_id"]
            assert (match["maker_fee_rate"], "taker_user_id" in match) == ("0.001", False)
            await client.call("DELETE", f"/orders/{number}")
            done = await receive(socket)
            assert (done["reason"], done["remaining_size"]) == ("canceled", "0.006")
            assert "cancel_reason" not in done

    use(work)


def test_a_fill_or_kill_order_that_can_not_fill_is_done_at_once() -> None:
    async def work(client: Client) -> None:
        async with client.session.ws_connect("/") as socket:
            await socket.send_json(subscribe(client, "user", product_ids=[PAIR], signs=True))
            await receive(socket)
            await client.place(price="3000", time_in_force="FOK")
            received, done = [await receive(socket) for _ in range(2)]
            assert (received["type"], done["type"]) == ("received", "done")
            assert (done["reason"], done["cancel_reason"]) == ("canceled", "101:Time In Force")

    use(work)


def test_a_market_order_is_done_without_price_and_size() -> None:
    async def work(client: Client) -> None:
        async with client.session.ws_connect("/") as socket:
            await socket.send_json(subscribe(client, "user", product_ids=[PAIR], signs=True))
            await receive(socket)
            await client.place(type="market", price=None, size=None, funds="100")
            received = await receive(socket)
            assert (received["order_type"], received["funds"]) == ("market", "99.9000999")
            assert not {"price", "size"} & set(received)
            done = await receive(socket, "done")
            assert not {"price", "remaining_size"} & set(done)

    use(work)


def test_level_3_opens_with_its_schema() -> None:
    async def work(client: Client) -> None:
        async with client.session.ws_connect("/") as socket:
            both = [PAIR, OTHER]
            await socket.send_json(subscribe(client, "level3", product_ids=both, signs=True))
            assert (await receive(socket))["type"] == "subscriptions"
            schema = (await receive(socket))["schema"]
            order = client.flow("sell", "0.3", str(client.best_ask - TENTH))
            taker = client.flow("buy", "0.3", str(order.price), "IOC")
            rows = [await receive(socket) for _ in range(6)]
            kinds = ["noop", "open", "noop", "match", "done", "done"]
            assert [row[0] for row in rows] == kinds
            named = [dict(zip(schema[row[0]], row, strict=True)) for row in rows]
            sequence = client.server.dialect.numbers[PAIR]  # type: ignore[attr-defined]
            assert [row["sequence"] for row in named] == [
                str(sequence - n) for n in range(5, -1, -1)
            ]
            assert (named[1]["side"], named[1]["size"]) == ("sell", "0.3")
            assert named[3]["taker_order_id"] == uuid_of(taker.id)

    use(work)


def test_matches_and_tickers_open_with_what_was_last() -> None:
    async def work(client: Client) -> None:
        client.flow("buy", "0.1", str(client.best_ask), "IOC")
        async with client.session.ws_connect("/") as socket:
            await socket.send_json(subscribe(client, "matches", "ticker", product_ids=[PAIR]))
            await receive(socket, "subscriptions")
            last = await receive(socket)
            ticker = await receive(socket)
            assert (last["type"], last["trade_id"], last["side"]) == ("last_match", 1, "sell")
            assert (ticker["type"], ticker["trade_id"], ticker["side"]) == ("ticker", 1, "buy")
            assert ticker["sequence"] == last["sequence"]
            client.flow("buy", "0.2", str(client.best_ask), "IOC")
            match = await receive(socket)
            ticker = await receive(socket)
            assert (match["type"], match["trade_id"]) == ("match", 2)
            assert ticker["sequence"] == match["sequence"]
            assert (ticker["last_size"], ticker["volume_24h"]) == (match["size"], "0.3")
            assert Decimal(ticker["best_bid"]) < Decimal(ticker["best_ask"])
            assert {"open_24h", "low_24h", "high_24h", "volume_30d", "price"} <= set(ticker)

    use(work)


def test_heartbeats_tell_the_sequence_and_the_last_trade(monkeypatch: pytest.MonkeyPatch) -> None:
    for channel in coinbase.dialect.RHYTHMS_S:
        monkeypatch.setitem(coinbase.dialect.RHYTHMS_S, channel, 0.1)

    async def work(client: Client) -> None:
        client.flow("buy", "0.1", str(client.best_ask), "IOC")
        sequence = (await client.get(f"/products/{PAIR}/book")).body["sequence"]
        async with client.session.ws_connect("/") as socket:
            await socket.send_json(subscribe(client, "heartbeat", product_ids=[PAIR]))
            assert await receive(socket) == followed(("heartbeat", [PAIR]))
            for _ in range(2):
                beat = await receive(socket)
                assert MICROSECONDS.fullmatch(beat["time"])
                assert without_clock(beat) == {
                    "type": "heartbeat",
                    "last_trade_id": 1,
                    "product_id": PAIR,
                }
                assert beat["sequence"] == sequence
        async with client.session.ws_connect("/") as socket:
            status = {"name": "status"}
            batch = {"name": "ticker_batch", "product_ids": [PAIR]}
            await socket.send_json(subscribe(client, status, batch))
            assert names(await receive(socket)) == [("status", []), ("ticker_batch", [PAIR])]
            for _ in range(2):
                products = (await receive(socket, "status"))["products"]
                assert [row["id"] for row in products] == [PAIR, OTHER]
                assert (await receive(socket, "ticker"))["trade_id"] == 1

    use(work)


def test_balances_are_told_by_account() -> None:
    async def work(client: Client) -> None:
        rows = (await client.call("GET", "/accounts")).body
        (dollars,) = [row["id"] for row in rows if row["currency"] == "USD"]
        async with client.session.ws_connect("/") as socket:
            wanted = {"name": "balance", "account_ids": [dollars]}
            await socket.send_json(subscribe(client, wanted, signs=True))
            (channel,) = (await receive(socket))["channels"]
            assert (channel["name"], channel["account_ids"]) == ("balance", [dollars])
            await client.place()
            balance = await receive(socket)
            assert (balance["type"], balance["account_id"]) == ("balance", dollars)
            assert (balance["currency"], balance["holds"]) == ("USD", "30.03")
            other = {"name": "balance", "account_ids": [UNKNOWN_ID]}
            await socket.send_json(subscribe(client, other))
            error = await receive(socket, "error")
            assert error["reason"] == f"{UNKNOWN_ID} is not a valid account"

    use(work)


@pytest.mark.parametrize("channel", ["level2", "level2_batch", "level2_50"])
def test_the_channels_of_levels_send_a_book_and_its_changes(channel: str) -> None:
    async def work(client: Client) -> None:
        async with client.session.ws_connect("/") as socket:
            await socket.send_json(subscribe(client, channel, product_ids=[PAIR], signs=True))
            assert await receive(socket) == followed((channel, [PAIR]))
            snapshot = await receive(socket)
            assert set(snapshot) == {"type", "product_id", "bids", "asks"}
            client.flow("buy", "1.5", "3000")
            update = await receive(socket, "l2update")
            assert ["buy", "3000", "1.5"] in update["changes"]
            assert MICROSECONDS.fullmatch(update["time"])

    use(work)


def test_level2_tells_each_change_in_its_order() -> None:
    async def work(client: Client) -> None:
        async with client.session.ws_connect("/") as socket:
            await socket.send_json(subscribe(client, "level2", product_ids=[PAIR], signs=True))
            await receive(socket, "subscriptions")
            await receive(socket, "snapshot")
            price = client.best_ask - TENTH
            text = decimal_text(price)
            client.flow("sell", "0.3", str(price))
            client.flow("sell", "0.2", str(price))
            client.flow("buy", "0.4", str(price), "IOC")
            number = (await client.place(price="3000")).body["id"]
            await client.call("DELETE", f"/orders/{number}")
            changes = [(await receive(socket))["changes"] for _ in range(6)]
            assert changes == [
                [["sell", text, "0.3"]],
                [["sell", text, "0.5"]],
                [["sell", text, "0.2"]],
                [["sell", text, "0.1"]],
                [["buy", "3000", "0.01"]],
                [["buy", "3000", "0"]],
            ]

    use(work)


# Two orders of one account.


@pytest.mark.parametrize(
    ("resting", "taking", "kinds"),
    [
        ("0.01", "0.004", ["received", "change", "done"]),
        ("0.004", "0.01", ["received", "done", "change", "open"]),
        ("0.01", "0.01", ["received", "done", "done"]),
    ],
)
def test_orders_of_one_account_do_not_trade(resting: str, taking: str, kinds: list[str]) -> None:
    async def work(client: Client) -> None:
        venue = client.server.venue
        price = str(client.best_ask - TENTH)
        maker = (await client.place(price=price, size=resting)).body["id"]
        async with client.session.ws_connect("/") as socket:
            message = subscribe(client, "user", "level2", product_ids=[PAIR], signs=True)
            await socket.send_json(message)
            await receive(socket, "snapshot")
            taker = (await client.place(side="sell", price=price, size=taking)).body["id"]
            frames = [await receive(socket, *kinds, "match") for _ in kinds]
            assert [frame["type"] for frame in frames] == kinds
            smaller = maker if Decimal(resting) <= Decimal(taking) else taker
            done = next(frame for frame in frames if frame["type"] == "done")
            assert (done["order_id"], done["reason"]) == (smaller, "canceled")
            assert done["cancel_reason"] == "102:Self Trade Prevention"
            for change in (frame for frame in frames if frame["type"] == "change"):
                assert change["reason"] == "STP"
                assert (change["old_size"], change["new_size"]) == ("0.01", "0.006")
        assert venue.fills == []
        larger = maker if smaller == taker else taker
        left = (await client.call("GET", f"/orders/{larger}")).body
        equal = resting == taking
        assert (left["status"], left["size"]) == (
            ("done", "0.01000000") if equal else ("open", "0.00600000")
        )
        await client.call("DELETE", "/orders")
        holdings = {balance.asset: balance.held for balance in client.account.balances()}
        assert set(holdings.values()) == {0}
        book = client.server.book(PAIR)
        assert book.size_at("buy", Decimal(price)) == book.size_at("sell", Decimal(price)) == 0

    use(work)


def test_a_market_order_passes_over_own_orders() -> None:
    async def work(client: Client) -> None:
        price = str(client.best_ask - TENTH)
        own = (await client.place(side="sell", price=price, size="0.01")).body["id"]
        terms = {"type": "market", "price": None}
        by_size = (await client.place(**terms, size="0.03")).body["id"]
        shown = (await client.call("GET", f"/orders/{by_size}")).body
        assert (shown["done_reason"], shown["filled_size"]) == ("filled", "0.02000000")
        assert (await client.call("GET", f"/orders/{own}")).body["done_reason"] == "canceled"
        await client.place(side="sell", price=price, size="0.01")
        by_funds = (await client.place(**terms, size=None, funds="200")).body["id"]
        shown = (await client.call("GET", f"/orders/{by_funds}")).body
        assert shown["done_reason"] == "filled"
        spent = Decimal(shown["executed_value"]) + Decimal(shown["fill_fees"])
        kept = Decimal("0.01") * Decimal(price) * Decimal("1.001")
        assert 199 < spent + kept <= 200

    use(work)


def test_an_order_that_never_rested_changes_no_level() -> None:
    async def work(client: Client) -> None:
        price = str(client.best_ask - TENTH)
        await client.place(price=price, size="0.01")
        async with client.session.ws_connect("/") as socket:
            await socket.send_json(subscribe(client, "level2", product_ids=[PAIR], signs=True))
            await receive(socket, "snapshot")
            await client.place(side="sell", price=price, size="0.004")
            await client.place(price="3000", time_in_force="IOC")
            await client.call("DELETE", "/orders")
            changes = [(await receive(socket))["changes"] for _ in range(2)]
            text = decimal_text(Decimal(price))
            assert changes == [[["buy", text, "0.006"]], [["buy", text, "0"]]]

    use(work)
