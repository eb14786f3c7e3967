"""HTX's sandbox as a stranger's client meets it: strict parameters, its lists and their pages, its
topics and who is sent what by them."""

import base64
import gzip
import hmac
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.support.served import Served, serve
from trochil.sandbox.dialects import htx
from trochil.sandbox.dialects.htx.requests import DEPTHS
from trochil.sandbox.server import Server

PAIRS = ("BTC-USDT", "ETH-USDT")
PATIENCE_S = 10.0
PLACE = "/v1/order/orders/place"
ORDER = {
    "account-id": "7",
    "symbol": "btcusdt",
    "type": "buy-limit",
    "amount": "0.01",
    "price": "30000",
    "source": "spot-api",
}


def use(
    work: Callable[["Client"], Awaitable[None]],
    dialect: Callable[[Server], Any] = htx.Dialect,
) -> None:
    serve(dialect, PAIRS, lambda venue: work(Client(venue)), PATIENCE_S)


class Client:
    """It signs by its own hand."""

    def __init__(self, venue: Served) -> None:
        self.venue = venue
        self.server = venue.server

    def signature(self, method: str, path: str, params: dict[str, str]) -> str:
        query = "&".join(f"{name}={quote(str(params[name]), safe='')}" for name in sorted(params))
        payload = f"{method}\n{self.venue.host}\n{path}\n{query}"
        secret = self.venue.account.keys["api_secret"].encode()
        return base64.b64encode(hmac.new(secret, payload.encode(), "sha256").digest()).decode()

    async def ask(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        """A signed request. In names, _ stands for -; a parameter replaces one of the signing, or
        takes it away by ""."""
        signing = {
            "AccessKeyId": self.venue.account.keys["api_key"],
            "SignatureMethod": "HmacSHA256",
            "SignatureVersion": "2",
            "Timestamp": now_text(),
        }
        named = {name.replace("_", "-"): value for name, value in params.items()}
        sent = {name: value for name, value in (signing | named).items() if value != ""}
        sent["Signature"] = self.signature(method, path, sent)
        return await self._answer(method, path, sent, body)

    async def get(self, path: str, **params: str) -> Any:
        """An unsigned one."""
        return await self._answer("GET", path, params, None)

    async def _answer(self, method: str, path: str, params: Any, body: Any) -> Any:
        session = self.venue.session
        async with session.request(method, path, params=params, json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def place(self, **changes: str | None) -> str:
        """The id of an order, or the code of its refusal."""
        named = {name.replace("_", "-"): value for name, value in changes.items()}
        body = {name: value for name, value in (ORDER | named).items() if value is not None}
        answer = await self.ask("POST", PLACE, body)
        return str(answer.get("err-code") or answer["data"])

    def trade(self, side: str, amount: str) -> None:
        """The liquidity provider takes from the book."""
        server = self.server
        server.venue.place(
            server.liquidity_provider,
            "BTC-USDT",
            side,
            "market",
            Decimal(amount),
            None,
            server.now_ns(),
        )

    async def login(self, socket: aiohttp.ClientWebSocketResponse, **changes: Any) -> Any:
        signed = {
            "accessKey": self.venue.account.keys["api_key"],
            "signatureMethod": "HmacSHA256",
            "signatureVersion": "2.1",
            "timestamp": now_text(),
        } | {name: value for name, value in changes.items() if name != "authType"}
        proof = self.signature("GET", "/ws/v2", signed)
        params = {"authType": "api", **signed, "signature": proof} | changes
        await socket.send_json({"action": "req", "ch": "auth", "params": params})
        return await told(socket)

    def socket(self, path: str) -> Any:
        return self.venue.session.ws_connect(path)


def now_text() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")


async def told(socket: aiohttp.ClientWebSocketResponse) -> Any:
    """The next frame that is no ping."""
    while True:
        message = await socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            frame = json.loads(gzip.decompress(message.data))
        else:
            frame = json.loads(message.data)
        if "ping" not in frame and frame.get("action") != "ping":
            return frame


async def told_until(socket: aiohttp.ClientWebSocketResponse, last: Callable[[Any], bool]) -> Any:
    """All frames until one, and that."""
    frames = [await told(socket)]
    while not last(frames[-1]):
        frames.append(await told(socket))
    return frames


async def subscribed(socket: aiohttp.ClientWebSocketResponse, *topics: str) -> None:
    for topic in topics:
        await socket.send_json({"sub": topic, "id": topic})
        answer = await told_until(socket, lambda frame: "subbed" in frame)
        assert (answer[-1]["subbed"], answer[-1]["id"]) == (topic, topic)


# The pace of images.


class QuickImages(htx.Dialect):
    snapshot_interval_s = 0.3


def test_images_come_once_an_interval_and_refreshed_ones_with_every_change() -> None:
    async def work(client: Client) -> None:
        images = [f"market.btcusdt.depth.step{number}" for number in (0, 3)]
        refreshed = "market.btcusdt.mbp.refresh.5"
        async with client.socket("/ws") as socket:
            await subscribed(socket, *images, refreshed)
            for _ in range(10):
                client.trade("sell", "0.01")
                client.server.send_depth("BTC-USDT")
            frames = await told_until(socket, lambda frame: frame["ch"] == images[1])
            assert [frame["ch"] for frame in frames] == [refreshed] * 10 + images

    use(work, QuickImages)


def test_images_are_as_their_type_says() -> None:
    async def work(client: Client) -> None:
        book = client.server.book("BTC-USDT")
        bids = [[float(price), float(size)] for price, size in book.levels("buy")]
        whole = (await client.get("/market/depth", symbol="btcusdt", type="step0"))["tick"]
        assert (whole["bids"], whole["version"]) == (bids[:150], book.update_id)
        five = await client.get("/market/depth", symbol="btcusdt", type="step0", depth="5")
        assert five["tick"]["bids"] == bids[:5]
        merged = await client.get("/market/depth", symbol="btcusdt", type="step4", depth="20")
        prices = [price for price, _ in merged["tick"]["bids"]]
        assert (prices[0], prices == sorted(prices, reverse=True)) == (bids[0][0] // 100 * 100, 1)
        inside = sum(size for price, size in bids if price >= prices[0])
        assert merged["tick"]["bids"][0][1] == pytest.approx(inside)
        assert all(price % 100 == 0 for price, _ in merged["tick"]["asks"])
        async with client.socket("/ws") as socket:
            topic = "market.btcusdt.depth.step4"
            await socket.send_json({"sub": topic})
            await told(socket)
            assert (await told(socket))["tick"]["bids"] == merged["tick"]["bids"]

    use(work)


@pytest.mark.parametrize("depth", DEPTHS)
def test_changes_of_each_depth_join_what_a_request_gives(depth: int) -> None:
    async def work(client: Client) -> None:
        topic = f"market.btcusdt.mbp.{depth}"
        async with client.socket("/feed") as socket:
            await subscribed(socket, topic)
            await socket.send_json({"req": topic, "id": 7})
            asked = await told(socket)
            assert (asked["rep"], asked["id"], asked["status"]) == (topic, 7, "ok")
            sides = {side: dict(asked["data"][side]) for side in ("bids", "asks")}
            last = asked["data"]["seqNum"]
            for _ in range(3):
                client.trade("sell", "0.5")
                client.server.send_depth("BTC-USDT")
                tick = (await told(socket))["tick"]
                assert tick["prevSeqNum"] == last
                last = tick["seqNum"]
                for side, levels in sides.items():
                    levels |= dict(tick[side])
            book = client.server.book("BTC-USDT")
            for side, name in (("bids", "buy"), ("asks", "sell")):
                wanted = {float(price): float(size) for price, size in book.levels(name)[:depth]}
                assert {p: s for p, s in sides[side].items() if s} == wanted

    use(work)


# Market data.


def test_the_best_bid_and_ask_come_when_they_change_and_not_otherwise() -> None:
    async def work(client: Client) -> None:
        topic = "market.btcusdt.bbo"
        async with client.socket("/ws") as socket:
            await subscribed(socket, topic)
            opening = (await told(socket))["tick"]
            best = client.server.book("BTC-USDT").best("buy")
            assert (opening["bid"], opening["symbol"]) == (float(best), "btcusdt")
            await client.place(price="20000")
            client.trade("sell", "0.001")
            after = (await told(socket))["tick"]
            assert after["bidSize"] == pytest.approx(opening["bidSize"] - 0.001)
            assert after["seqId"] > opening["seqId"]

    use(work)


def test_a_day_is_told_by_rest_and_on_sockets() -> None:
    async def work(client: Client) -> None:
        client.trade("sell", "0.2")
        client.trade("buy", "0.1")
        prices = [float(match.price) for match in client.server.dialect.recent_trades(PAIRS[0])]
        tickers = (await client.get("/market/tickers"))["data"]
        ticker = next(row for row in tickers if row["symbol"] == "btcusdt")
        assert (ticker["open"], ticker["close"]) == (prices[0], prices[-1])
        assert (ticker["low"], ticker["high"]) == (min(prices), max(prices))
        assert (ticker["count"], ticker["bid"] < ticker["ask"]) == (len(prices), True)
        merged = await client.get("/market/detail/merged", symbol="btcusdt")
        assert merged["ch"] == "market.btcusdt.detail.merged"
        assert merged["tick"]["bid"] == [ticker["bid"], ticker["bidSize"]]
        detail = (await client.get("/market/detail", symbol="btcusdt"))["tick"]
        assert (detail["amount"], detail["high"]) == (pytest.approx(0.3), max(prices))
        trade = await client.get("/market/trade", symbol="btcusdt")
        assert trade["tick"]["data"][0]["price"] == prices[-1]
        path = "/market/history/trade"
        assert len((await client.get(path, symbol="btcusdt"))["data"]) == 1
        trades = (await client.get(path, symbol="btcusdt", size="2000"))["data"]
        assert [row["data"][0]["price"] for row in trades] == prices[::-1]
        async with client.socket("/ws") as socket:
            await socket.send_json({"req": "market.btcusdt.detail", "id": "d"})
            assert (await told(socket))["data"]["high"] == max(prices)
            await socket.send_json({"req": "market.btcusdt.trade.detail", "id": "t"})
            assert [row["price"] for row in (await told(socket))["data"]] == prices[::-1]
            await subscribed(socket, "market.btcusdt.detail")
            assert (await told(socket))["tick"]["count"] == len(prices)
            await subscribed(socket, "market.btcusdt.ticker")
            assert (await told(socket))["tick"]["lastPrice"] == prices[-1]

    use(work)


def test_what_clients_ask_for_at_their_start() -> None:
    async def work(client: Client) -> None:
        assert (await client.get("/v1/common/timestamp"))["status"] == "ok"
        symbols = (await client.get("/v1/common/symbols"))["data"]
        assert (symbols[0]["symbol"], symbols[0]["state"]) == ("btcusdt", "online")
        settings = await client.get("/v2/settings/common/symbols")
        assert (settings["data"][0]["sc"], settings["full"]) == ("btcusdt", 1)
        for path in ("/v2/settings/common/currencies", "/v1/settings/common/market-symbols"):
            assert (await client.get(path, ts="1"))["status"] == "ok"
        assert (await client.get("/v1/common/currencys"))["data"] == ["btc", "eth", "usdt"]
        chains = await client.get("/v2/reference/currencies", currency="btc")
        assert [row["currency"] for row in chains["data"]] == ["btc"]
        status = await client.get("/v2/market-status")
        assert (status["code"], status["data"]["marketStatus"]) == (200, 1)
        assert (await client.ask("GET", "/v2/user/uid"))["code"] == 200
        fees = await client.ask("GET", "/v2/reference/transact-fee-rate", symbols="btcusdt,ethusdt")
        assert [row["symbol"] for row in fees["data"]] == ["btcusdt", "ethusdt"]
        async with client.socket("/ws") as socket:
            await socket.send_json({"ping": 18212558000})
            assert await told(socket) == {"pong": 18212558000}

    use(work)


@pytest.mark.parametrize(
    ("path", "params", "wrong"),
    [
        ("depth", {"type": "step0"}, "symbol"),
        ("depth", {"symbol": "BTCUSDT", "type": "step0"}, "symbol"),
        ("depth", {"symbol": "btcusdt"}, "type"),
        ("depth", {"symbol": "btcusdt", "type": "step6"}, "type"),
        ("depth", {"symbol": "btcusdt", "type": "step0", "depth": "7"}, "depth"),
        ("history/trade", {"symbol": "btcusdt", "size": "2001"}, "size"),
        ("history/trade", {"symbol": "btcusdt", "size": "0"}, "size"),
        ("detail", {"symbol": "btcusdt", "colour": "blue"}, "colour"),
        ("tickers", {"symbol": "btcusdt"}, "symbol"),
    ],
)
def test_requests_for_market_data_are_refused_in_their_own_words(
    path: str, params: dict[str, str], wrong: str
) -> None:
    async def work(client: Client) -> None:
        answer = await client.get(f"/market/{path}", **params)
        assert (answer["status"], answer["err-code"]) == ("error", "invalid-parameter")
        assert (answer["err-msg"], answer["ts"] > 0) == (f"invalid {wrong}", True)

    use(work)


@pytest.mark.parametrize("path", ["/market/history/orders", "/v1/query/deposit-withdraw", "/v9"])
def test_what_is_not_served_is_refused_as_the_venue_does(path: str) -> None:
    async def work(client: Client) -> None:
        async with client.venue.session.get(path) as answer:
            body = await answer.json()
            assert (answer.status, body["status"], body["err-code"]) == (
                405,
                "error",
                "method-not-allowed",
            )

    use(work)


# Orders.


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"account_id": None}, "validation-constraints-required"),
        ({"account_id": "8"}, "account-get-balance-account-inexistent-error"),
        ({"symbol": "BTCUSDT"}, "base-symbol-error"),
        ({"type": "buy-stop-limit"}, "order-type-invalid"),
        ({"type": "BUY-LIMIT"}, "order-type-invalid"),
        ({"type": None}, "validation-constraints-required"),
        ({"price": None}, "validation-constraints-required"),
        ({"price": "30000.001"}, "order-orderprice-precision-error"),
        ({"price": "0"}, "order-limitorder-price-min-error"),
        ({"amount": "0.0000001"}, "order-orderamount-precision-error"),
        ({"amount": "0"}, "order-limitorder-amount-min-error"),
        ({"amount": "-0.01"}, "order-limitorder-amount-min-error"),
        ({"amount": "10000"}, "order-limitorder-amount-max-error"),
        ({"amount": "0.00001"}, "order-value-min-error"),
        ({"amount": "much"}, "validation-format-error"),
        ({"amount": "100"}, "account-frozen-balance-insufficient-error"),
        ({"type": "sell-market", "amount": "0"}, "order-marketorder-amount-min-error"),
        ({"type": "buy-market", "amount": "1.123456789"}, "order-ordervalue-precision-error"),
        ({"source": "margin-api"}, "validation-format-error"),
        ({"stop_price": "40000"}, "bad-argument"),
        ({"operator": "gte"}, "bad-argument"),
        ({"self_match_prevent": "1"}, "validation-format-error"),
        ({"client_order_id": "a b"}, "invalid-client-order-id"),
        ({"client_order_id": "x" * 65}, "invalid-client-order-id"),
    ],
)
def test_orders_that_do_not_fit_are_refused_by_their_codes(
    changes: dict[str, str | None], code: str
) -> None:
    async def work(client: Client) -> None:
        assert await client.place(**changes) == code
        assert client.server.venue.orders == {}

    use(work)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"AccessKeyId": ""}, "Incorrect Access key"),
        ({"AccessKeyId": "nobody"}, "Incorrect Access key"),
        ({"SignatureMethod": "HmacMD5"}, "Incorrect SignatureMethod"),
        ({"SignatureVersion": "3"}, "Incorrect SignatureVersion"),
        ({"Timestamp": "2020-01-01T00:00:00"}, "Invalid submission time"),
        ({"Timestamp": "1700000000"}, "Invalid submission time"),
    ],
)
def test_what_is_signed_wrongly_is_refused_with_status_200(
    changes: dict[str, str], said: str
) -> None:
    async def work(client: Client) -> None:
        answer = await client.ask("GET", "/v1/account/accounts", **changes)
        assert (answer["status"], answer["err-code"]) == ("error", "api-signature-not-valid")
        assert said in answer["err-msg"]
        newer = await client.ask("GET", "/v2/user/uid", **changes)
        assert (newer["code"], said in newer["message"]) == (1003, True)

    use(work)


def test_a_signature_holds_however_names_sort_and_values_are_written() -> None:
    async def work(client: Client) -> None:
        names = {"symbol": "btcusdt", "states": "filled,canceled", "start_time": "1"}
        assert (await client.ask("GET", "/v1/order/orders", **names))["status"] == "ok"

    use(work)


def test_orders_show_what_the_venue_documents() -> None:
    async def work(client: Client) -> None:
        bought = await client.place(type="buy-market", amount="300", price=None)
        order = (await client.ask("GET", f"/v1/order/orders/{bought}"))["data"]
        assert (order["type"], order["state"], order["amount"]) == (
            "buy-market",
            "filled",
            "300.000000000000000000",
        )
        assert (order["client-order-id"], order["price"]) == ("", "0.0")
        assert 299 < float(order["field-cash-amount"]) <= 300
        fills = (await client.ask("GET", f"/v1/order/orders/{bought}/matchresults"))["data"]
        fees = sum(float(fill["filled-fees"]) for fill in fills)
        assert float(order["field-fees"]) == pytest.approx(fees)
        assert fees > 0
        named = await client.place(client_order_id="Mine_1-a")
        found = await client.ask("GET", "/v1/order/orders/getClientOrder", clientOrderId="Mine_1-a")
        assert str(found["data"]["id"]) == named
        for name in ("none", f"sandbox{bought}"):
            missing = await client.ask("GET", "/v1/order/orders/getClientOrder", clientOrderId=name)
            assert missing["err-code"] == "base-record-invalid"

    use(work)


def test_open_orders_are_listed_newest_first_and_by_pages() -> None:
    async def work(client: Client) -> None:
        ids = [int(await client.place(price=str(30000 + number))) for number in range(4)]
        await client.place(symbol="ethusdt", price="1000", amount="1", type="sell-limit")
        path = "/v1/order/openOrders"
        both = {"account_id": "7", "symbol": "btcusdt"}

        async def listed(**params: str) -> list[int]:
            answer = await client.ask("GET", path, **(both | params))
            return [row["id"] for row in answer["data"]]

        assert await listed() == ids[::-1]
        assert await listed(size="2") == [ids[3], ids[2]]
        assert await listed(**{"from": str(ids[2])}, direct="next") == [ids[1], ids[0]]
        assert await listed(**{"from": str(ids[1])}, direct="prev") == [ids[2], ids[3]]
        assert await listed(side="sell") == []
        assert await listed(types="buy-limit,sell-limit") == ids[::-1]
        assert len((await client.ask("GET", path))["data"]) == 4
        for wrong in (
            {"size": "501"},
            {"size": "0"},
            {"side": "hold"},
            {"types": "buy-stop"},
            {"direct": "up"},
            {"symbol": ""},
            {"account_id": "8"},
            {"colour": "blue"},
            {"from": "1"},
        ):
            assert (await client.ask("GET", path, **(both | wrong)))["status"] == "error"

    use(work)


def test_past_orders_are_listed_by_state_time_and_page() -> None:
    async def work(client: Client) -> None:
        ids = [int(await client.place(type="sell-market", price=None)) for _ in range(3)]
        rests = int(await client.place())
        path = "/v1/order/orders"
        asked = {"symbol": "btcusdt", "states": "filled"}

        async def listed(**params: str) -> list[int]:
            answer = await client.ask("GET", path, **(asked | params))
            return [row["id"] for row in answer["data"]]

        assert await listed() == ids[::-1]
        assert await listed(states="submitted,filled", size="2") == [rests, ids[2]]
        assert await listed(**{"from": str(ids[2])}, direct="next") == [ids[1], ids[0]]
        today = now_text()[:10]
        assert await listed(start_date=today, end_date=today) == ids[::-1]
        assert await listed(end_time="1000") == []
        for wrong, code in (
            ({"states": ""}, "validation-constraints-required"),
            ({"states": "open"}, "validation-format-error"),
            ({"symbol": ""}, "validation-constraints-required"),
            ({"size": "101"}, "validation-format-error"),
            ({"start_date": "yesterday"}, "base-date-error"),
            ({"start_time": "1000", "end_time": "1"}, "invalid-interval"),
            ({"start_time": "0", "end_time": "172800001"}, "invalid-interval"),
        ):
            answer = await client.ask("GET", path, **(asked | wrong))
            assert (answer["status"], answer["err-code"]) == ("error", code)
        history = await client.ask("GET", "/v1/order/history", size="10")
        assert [row["id"] for row in history["data"]] == [rests, *ids[::-1]]
        older = await client.ask("GET", "/v1/order/history", direct="prev", symbol="btcusdt")
        assert [row["id"] for row in older["data"]] == [*ids, rests]
        assert (await client.ask("GET", "/v1/order/history", size="9"))["status"] == "error"

    use(work)


def test_fills_are_listed_newest_first_and_by_pages() -> None:
    async def work(client: Client) -> None:
        for _ in range(3):
            await client.place(type="sell-market", price=None, amount="2")
        path = "/v1/order/matchresults"

        async def listed(**params: str) -> list[int]:
            answer = await client.ask("GET", path, symbol="btcusdt", **params)
            return [row["id"] for row in answer["data"]]

        whole = await listed()
        assert (len(whole) > 3, whole) == (True, sorted(whole, reverse=True))
        assert await listed(size="2") == whole[:2]
        assert await listed(**{"from": str(whole[1])}) == whole[2:]
        assert await listed(**{"from": str(whole[2])}, direct="prev") == whole[1::-1]
        assert await listed(types="buy-limit") == []
        for wrong in ({"size": "501"}, {"symbol": ""}, {"types": "x"}, {"direct": "x"}):
            named = {"symbol": "btcusdt"} | wrong
            assert (await client.ask("GET", path, **named))["status"] == "error"

    use(work)


# Many at once, and cancels.


def test_many_orders_are_placed_and_cancelled_each_by_itself() -> None:
    async def work(client: Client) -> None:
        first = ORDER | {"client-order-id": "first"}
        wrong = ORDER | {"client-order-id": "wrong", "amount": "0", "stop-price": None}
        path = "/v1/order/batch-orders"
        placed = (await client.ask("POST", path, [first, wrong]))["data"]
        assert placed[0]["client-order-id"] == "first"
        assert (placed[1]["client-order-id"], placed[1]["err-code"]) == (
            "wrong",
            "order-limitorder-amount-min-error",
        )
        assert len((await client.ask("POST", path, [ORDER]))["data"]) == 1
        for body in ([], [ORDER] * 11, ORDER, ["x"]):
            assert (await client.ask("POST", path, body))["status"] == "error"
        assert len(client.server.venue.orders) == 2
        cancel = "/v1/order/orders/batchcancel"
        body = {"client-order-ids": ["first", "second"]}
        done = (await client.ask("POST", cancel, body))["data"]
        assert (done["success"], done["failed"][0]["err-code"]) == (["first"], "base-not-found")
        again = await client.ask("POST", cancel, {"order-ids": [str(placed[0]["order-id"])]})
        assert again["data"]["failed"][0]["err-code"] == "order-orderstate-error"
        assert again["data"]["failed"][0]["order-state"] in (7, 10)
        for body in ({}, {"order-ids": []}, {"order-ids": [str(n) for n in range(51)]}):
            assert (await client.ask("POST", cancel, body))["status"] == "error"

    use(work)


def test_open_orders_are_cancelled_by_symbol_side_and_size() -> None:
    async def work(client: Client) -> None:
        ids = [await client.place(price=str(30000 + number)) for number in range(3)]
        path = "/v1/order/orders/batchCancelOpenOrders"
        none = (await client.ask("POST", path, {"account-id": "7", "side": "sell"}))["data"]
        assert none == {"success-count": 0, "failed-count": 0, "next-id": -1}
        some = await client.ask("POST", path, {"account-id": "7", "symbol": "btcusdt", "size": 2})
        assert (some["data"]["success-count"], str(some["data"]["next-id"])) == (2, ids[2])
        rest = await client.ask("POST", path, {"account-id": "7"})
        assert rest["data"]["success-count"] == 1
        for wrong in ({"size": 101}, {"symbol": "nothing"}, {"side": "x"}, {"account-id": "8"}):
            assert (await client.ask("POST", path, wrong))["status"] == "error"

    use(work)


def test_a_refused_cancel_tells_the_orders_state() -> None:
    async def work(client: Client) -> None:
        sold = await client.place(type="sell-market", price=None)
        for order_id, state in ((sold, 6), ("999999", -1)):
            answer = await client.ask("POST", f"/v1/order/orders/{order_id}/submitcancel", {})
            assert (answer["err-code"], answer["order-state"]) == ("order-orderstate-error", state)
        answer = await client.ask("POST", "/v1/order/orders/x/submitcancel", {})
        assert answer["err-code"] == "validation-format-error"
        path = "/v1/order/orders/submitCancelClientOrder"
        await client.place(client_order_id="mine")
        for name, state in (("mine", 10), ("other", 0)):
            answer = await client.ask("POST", path, {"client-order-id": name})
            assert (answer["status"], answer["data"]) == ("ok", state)

    use(work)


# An account's socket.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"accessKey": "nobody"}, "auth.fail"),
        ({"signatureVersion": "2"}, "auth.fail"),
        ({"signatureVersion": 2.1}, "auth.fail"),
        ({"signatureMethod": "HmacMD5"}, "auth.fail"),
        ({"timestamp": "2020-01-01T00:00:00"}, "auth.fail"),
        ({"timestamp": "soon"}, "auth.fail"),
        ({"authType": "token"}, "auth.fail"),
        ({"signature": "x"}, "auth.fail"),
    ],
)
def test_a_wrong_login_is_refused(changes: dict[str, Any], message: str) -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws/v2") as socket:
            answer = await client.login(socket, **changes)
            assert (answer["code"], answer["message"]) == (2002, message)
            assert (await client.login(socket))["code"] == 200
            again = await client.login(socket)
            assert (again["code"], again["message"]) == (2002, "invalid.auth.state")

    use(work)


def test_a_key_that_is_no_text_of_utf_8_is_refused() -> None:
    async def work(client: Client) -> None:
        params = {
            "authType": "api",
            "accessKey": "\ud800",
            "signatureMethod": "HmacSHA256",
            "signatureVersion": "2.1",
            "timestamp": now_text(),
            "signature": "x",
        }
        async with client.socket("/ws/v2") as socket:
            await socket.send_json({"action": "req", "ch": "auth", "params": params})
            answer = await told(socket)
            assert (answer["code"], answer["message"]) == (2002, "auth.fail")

    use(work)


@pytest.mark.parametrize(
    ("topic", "message"),
    [
        ("orders", "invalid.symbol"),
        ("orders#", "invalid.symbol"),
        ("orders#BTCUSDT", "invalid.symbol"),
        ("orders#btcusdt#1", "invalid.ch"),
        ("accounts.update#3", "invalid.ch"),
        ("trade.clearing#btcusdt#2", "invalid.ch"),
        ("deposits", "invalid.ch"),
    ],
)
def test_unknown_topics_of_an_account_are_refused(topic: str, message: str) -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws/v2") as socket:
            await client.login(socket)
            for action in ("sub", "unsub"):
                await socket.send_json({"action": action, "ch": topic})
                assert await told(socket) == {
                    "action": action,
                    "code": 2001,
                    "ch": topic,
                    "message": message,
                }

    use(work)


async def follow(client: Client, socket: Any, *topics: str) -> list[Any]:
    """Log in and subscribe; what came besides the acknowledgements."""
    await client.login(socket)
    others = []
    for topic in topics:
        await socket.send_json({"action": "sub", "ch": topic})
        frames = await told_until(socket, lambda frame: frame["action"] == "sub")
        assert frames[-1] == {"action": "sub", "code": 200, "ch": topic, "data": {}}
        others += frames[:-1]
    return others


def test_events_of_orders_go_to_those_who_follow_their_symbol() -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws/v2") as one, client.socket("/ws/v2") as every:
            await follow(client, one, "orders#btcusdt")
            await follow(client, every, "orders#*")
            await client.place(symbol="ethusdt", amount="1", price="1000")
            placed = await client.place()
            pushed = await told(one)
            assert (pushed["ch"], pushed["data"]["symbol"]) == ("orders#btcusdt", "btcusdt")
            assert (str(pushed["data"]["orderId"]), pushed["data"]["eventType"]) == (
                placed,
                "creation",
            )
            symbols = [(await told(every))["data"]["symbol"] for _ in range(2)]
            assert symbols == ["ethusdt", "btcusdt"]
            await one.send_json({"action": "unsub", "ch": "orders#btcusdt"})
            assert await told(one) == {
                "action": "unsub",
                "code": 200,
                "ch": "orders#btcusdt",
                "data": {},
            }

    use(work)


def test_clearing_tells_trades_and_by_its_mode_cancels() -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws/v2") as trades, client.socket("/ws/v2") as both:
            await follow(client, trades, "trade.clearing#btcusdt")
            await follow(client, both, "trade.clearing#*#1")
            rests = await client.place()
            await client.ask("POST", f"/v1/order/orders/{rests}/submitcancel", {})
            cancelled = (await told(both))["data"]
            assert (cancelled["eventType"], cancelled["orderId"]) == ("cancellation", rests)
            assert cancelled["orderStatus"] == "canceled"
            sold = await client.place(type="sell-market", price=None)
            for socket in (trades, both):
                trade = (await told(socket))["data"]
                assert (trade["eventType"], trade["orderId"]) == ("trade", sold)

    use(work)


def test_balances_come_as_the_mode_says_and_never_on_unsubscribing() -> None:
    async def work(client: Client) -> None:
        modes = ("", "#0", "#1", "#2")
        async with client.socket("/ws/v2") as marks:
            await follow(client, marks, *[f"accounts.update{mode}" for mode in modes], "orders#*")

            async def pushed(until: str) -> dict[str, list[set[str]]]:
                """By topic: what the rows of each push about USDT have."""
                found: dict[str, list[set[str]]] = {f"accounts.update{mode}": [] for mode in modes}
                for frame in await told_until(marks, lambda frame: frame.get("ch") == until):
                    row = frame["data"]
                    if frame["ch"] != until and row.get("currency") == "usdt":
                        found[frame["ch"]].append({"balance", "available"} & row.keys())
                return found

            rests = await client.place()
            await told_until(marks, lambda frame: frame["ch"] == "orders#*")
            await client.ask("POST", f"/v1/order/orders/{rests}/submitcancel", {})
            # Placing changes what is available, not the balance.
            assert await pushed("orders#*") == {
                "accounts.update": [],
                "accounts.update#0": [],
                "accounts.update#1": [{"available"}],
                "accounts.update#2": [{"balance", "available"}],
            }
            await client.place(type="sell-market", price=None)
            creation = await pushed("orders#*")
            assert creation["accounts.update#1"] == [{"available"}]
            await told_until(marks, lambda frame: frame["ch"] == "orders#*")
            await client.place(symbol="ethusdt", amount="1", price="1000")
            assert await pushed("orders#*") == {
                "accounts.update": [{"balance"}],
                "accounts.update#0": [{"balance"}],
                "accounts.update#1": [{"balance"}, {"available"}],
                "accounts.update#2": [{"balance", "available"}],
            }
            await told_until(marks, lambda frame: "#2" in frame["ch"])
            for mode in modes:
                await marks.send_json({"action": "unsub", "ch": f"accounts.update{mode}"})
            answers = [await told(marks) for _ in modes]
            assert [answer["action"] for answer in answers] == ["unsub"] * 4
            await marks.send_json({"action": "sub", "ch": "orders#btcusdt"})
            assert (await told(marks))["action"] == "sub"

    use(work)


def test_balances_open_with_what_there_is() -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws/v2") as socket:
            await client.login(socket)
            await socket.send_json({"action": "sub", "ch": "accounts.update#2"})
            assert (await told(socket))["code"] == 200
            rows = [(await told(socket))["data"] for _ in range(3)]
            assert sorted(row["currency"] for row in rows) == ["btc", "eth", "usdt"]
            assert all(row["changeType"] is row["changeTime"] is None for row in rows)
            assert all(row["balance"] == row["available"] for row in rows)

    use(work)


# What a fuzz found.


@pytest.mark.parametrize("form", [lambda body: [body], lambda body: [], lambda body: [body, body]])
def test_a_list_is_no_body_that_cancels_orders(form: Callable[[Any], Any]) -> None:
    async def work(client: Client) -> None:
        await client.ask("POST", PLACE, ORDER)
        path = "/v1/order/orders/batchCancelOpenOrders"
        answer = await client.ask("POST", path, form({"account-id": "7", "symbol": "ethusdt"}))
        assert (answer["status"], answer["err-code"]) == ("error", "validation-format-error")
        (order,) = client.server.venue.orders.values()
        assert order.is_open

    use(work)
