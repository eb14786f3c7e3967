"""Bybit's sandbox is the venue to a stranger: its fields, bounds, pages and refusals."""

import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import aiohttp
import pytest

from exchanges.bybit import BYBIT
from exchanges.requests import UnsignedRequest
from tests.sandbox.fuzzing.rest import FormRequest
from tests.support import signed
from tests.support.served import Served, serve
from trochil.sandbox.dialects import bybit
from trochil.sandbox.formats import uuid_of

PAIR = "BTC-USDT"
OTHER = "ETH-USDT"
SPOT = {"category": "spot"}
ORDER = {**SPOT, "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit"}
ORDER |= {"qty": "0.01", "price": "30000"}


class Client:
    """A stranger with keys."""

    def __init__(self, at: Served) -> None:
        self.at = at

    async def get(self, path: str, **params: str) -> Any:
        _, answer = await signed.send(self.at, BYBIT, "GET", f"/v5{path}", params)
        return answer

    async def listed(self, path: str, **params: str) -> list[Any]:
        answer = await self.get(path, **SPOT, **params)
        assert answer["retCode"] == 0, answer
        assert answer["result"]["category"] == "spot"
        return list(answer["result"]["list"])

    async def post(self, path: str, body: Any) -> Any:
        _, answer = await signed.send(self.at, BYBIT, "POST", f"/v5{path}", body=body)
        return answer

    async def place(self, **changes: Any) -> Any:
        sent = {name: value for name, value in (ORDER | changes).items() if value is not None}
        return await self.post("/order/create", sent)

    async def fill(self, symbol: str = "BTCUSDT") -> None:
        terms = {"orderType": "Market", "marketUnit": "baseCoin", "price": None}
        answer = await self.place(symbol=symbol, **terms)
        assert answer["retCode"] == 0, answer

    @property
    def orders(self) -> list[Any]:
        return list(self.at.server.venue.orders.values())


def use(work: Callable[[Client], Awaitable[None]]) -> None:
    serve(bybit.Dialect, (PAIR, OTHER), lambda venue: work(Client(venue)))


# Public data.


def test_public_answers_have_the_fields_that_strict_clients_read() -> None:
    async def work(client: Client) -> None:
        await client.fill()
        (rule, _) = await client.listed("/market/instruments-info")
        assert {"innovation", "marginTrading", "stTag", "riskParameters"} <= set(rule)
        assert {"maxOrderAmt", "maxLimitOrderQty", "maxMarketOrderQty"} <= set(
            rule["lotSizeFilter"]
        )
        (rule,) = await client.listed("/market/instruments-info", baseCoin="ETH")
        assert rule["symbol"] == "ETHUSDT"
        others = await client.get("/market/instruments-info", category="linear", limit="1000")
        assert others["result"] == {"category": "linear", "list": [], "nextPageCursor": ""}
        wrong = await client.get("/market/instruments-info", category="coins")
        assert (wrong["retCode"], wrong["retMsg"]) == (10001, "Illegal category")
        (ticker,) = await client.listed("/market/tickers", symbol="BTCUSDT")
        assert float(ticker["lowPrice24h"]) <= float(ticker["highPrice24h"])
        assert {"prevPrice24h", "price24hPcnt", "usdIndexPrice"} <= set(ticker)
        (trade,) = await client.listed("/market/recent-trade", symbol="BTCUSDT")
        assert trade["isRPITrade"] is False
        book = (await client.get("/market/orderbook", **SPOT, symbol="BTCUSDT"))["result"]
        assert (len(book["b"]), len(book["a"]), "cts" in book) == (1, 1, True)
        now = (await client.get("/market/time"))["result"]
        assert now["timeNano"].startswith(now["timeSecond"])
        assert (await client.get("/system/status"))["result"] == {"list": []}

    use(work)


@pytest.mark.parametrize(
    ("path", "code", "word"),
    [
        ("/market/tickers", 10001, "Illegal category"),
        ("/market/tickers?category=linear", 10001, "Illegal category"),
        ("/market/tickers?category=spot&colour=red", 10001, "colour"),
        ("/market/tickers?category=spot&category=spot", 10001, "category"),
        ("/market/orderbook?category=spot", 10001, "symbol"),
        ("/market/orderbook?category=spot&symbol=NOSUCH", 170121, "symbol"),
        ("/market/orderbook?category=spot&symbol=BTCUSDT&limit=0", 10001, "limit"),
        ("/market/orderbook?category=spot&symbol=BTCUSDT&limit=1001", 10001, "limit"),
        ("/market/recent-trade?category=spot&symbol=BTCUSDT&limit=61", 10001, "limit"),
        ("/account/wallet-balance?accountType=UNIFIED", 10001, "apiKey"),
    ],
)
def test_a_wrong_question_is_refused(path: str, code: int, word: str) -> None:
    async def work(client: Client) -> None:
        async with client.at.session.get(f"/v5{path}") as answer:
            said = await answer.json()
            assert (answer.status, said["retCode"], said["result"]) == (200, code, {})
            assert word in said["retMsg"]

    use(work)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v5/no/such"), ("POST", "/v5/market/time"), ("POST", "/v5/order/amend")],
)
def test_what_is_not_served_is_refused_in_json(method: str, path: str) -> None:
    async def work(client: Client) -> None:
        async with client.at.session.request(method, path) as answer:
            said = await answer.json()
            assert (answer.status, said["retCode"]) == (404, 10017)
            assert set(said) == {"retCode", "retMsg", "result", "retExtInfo", "time"}

    use(work)


# An account.


def test_the_account_has_its_fields() -> None:
    async def work(client: Client) -> None:
        answer = await client.get("/account/wallet-balance", accountType="UNIFIED", coin="BTC,ETH")
        (wallet,) = answer["result"]["list"]
        assert {coin["coin"] for coin in wallet["coin"]} == {"BTC", "ETH"}
        assert float(wallet["totalEquity"]) > 0
        assert {"usdValue", "totalOrderIM", "spotBorrow", "bonus"} <= set(wallet["coin"][0])
        for kind in ("SPOT", ""):
            wrong = await client.get("/account/wallet-balance", accountType=kind)
            assert wrong["retCode"] == 10001
        assert (await client.get("/account/info"))["result"]["unifiedMarginStatus"] == 6
        key = (await client.get("/user/query-api"))["result"]
        assert (key["uta"], key["readOnly"]) == (1, 0)
        coins = (await client.get("/asset/coin/query-info"))["result"]["rows"]
        assert {row["coin"] for row in coins} == {"BTC", "ETH", "USDT"}
        (fee,) = await client.listed("/account/fee-rate", symbol="BTCUSDT")
        assert fee["takerFeeRate"] == "0.001"

    use(work)


def test_signed_answers_tell_the_limits() -> None:
    async def work(client: Client) -> None:
        left = []
        for _ in range(2):
            answer, _ = await signed.send(client.at, BYBIT, "GET", "/v5/account/info")
            assert answer.headers["X-Bapi-Limit"] == "50"
            assert int(answer.headers["X-Bapi-Limit-Reset-Timestamp"]) > 0
            left.append(int(answer.headers["X-Bapi-Limit-Status"]))
        assert left in ([49, 48], [49, 49])  # a second may have passed

    use(work)


def test_a_late_request_is_told_both_times() -> None:
    async def work(client: Client) -> None:
        auth = BYBIT.auth(client.at.account.keys)
        path = "/v5/account/info"
        url = f"http://{client.at.host}{path}"
        ready = auth.generate_auth_dict("GET", url, {}, None, now=time.time() - 60)
        async with client.at.session.get(path, headers=ready["headers"]) as answer:
            said = await answer.json()
            assert said["retCode"] == 10002
            assert "recv_window[5000]" in said["retMsg"]

    use(work)


# Orders.


def test_an_order_has_the_fields_that_strict_clients_read() -> None:
    async def work(client: Client) -> None:
        placed = (await client.place())["result"]
        assert placed["orderLinkId"] == ""
        (order,) = await client.listed("/order/realtime")
        assert (order["orderId"], order["avgPrice"]) == (placed["orderId"], "")
        assert (order["smpType"], order["createType"]) == ("None", "CreateByUser")
        assert (order["cancelType"], order["rejectReason"]) == ("UNKNOWN", "EC_NoError")
        assert (order["leavesValue"], order["cumFeeDetail"]) == ("300", {})
        await client.place(timeInForce="PostOnly", price="1000000", qty="0.001")
        (order, *_) = await client.listed("/order/history")
        assert order["rejectReason"] == "EC_PostOnlyWillTakeLiquidity"
        await client.fill()
        await client.fill("ETHUSDT")
        (order, *_) = await client.listed("/order/history", orderStatus="Filled")
        assert order["cumFeeDetail"] == {"ETH": order["cumExecFee"]}
        first, *others = await client.listed("/execution/list")
        assert {"feeRate", "orderQty", "orderPrice", "orderType", "seq"} <= set(first)
        ids = [row["execId"] for row in (first, *others)]
        assert len(set(ids)) == len(ids), "of all pairs together"
        (trade,) = await client.listed("/market/recent-trade", symbol="ETHUSDT", limit="1")
        assert trade["execId"] == first["execId"]

    use(work)


async def pages(client: Client, path: str, **params: str) -> list[list[Any]]:
    found = []
    cursor: dict[str, str] = {}
    while True:
        result = (await client.get(path, **SPOT, **params, **cursor))["result"]
        if not result["list"]:
            assert result["nextPageCursor"] == ""
            return found
        found.append(result["list"])
        assert "%3A" in result["nextPageCursor"]
        cursor = {"cursor": unquote(result["nextPageCursor"])}


def test_lists_come_in_pages_newest_first() -> None:
    async def work(client: Client) -> None:
        for number in range(45):
            await client.place(price=str(20_000 + number), qty="0.001")
        ids = [str(order.id) for order in client.orders][::-1]
        found = await pages(client, "/order/realtime")
        assert [len(page) for page in found] == [20, 20, 5]
        assert [row["orderId"] for page in found for row in page] == ids
        found = await pages(client, "/order/realtime", limit="50")
        assert [len(page) for page in found] == [45]
        await client.post("/order/cancel-all", SPOT)
        assert await client.listed("/order/realtime") == []
        found = await pages(client, "/order/history")
        assert [row["orderId"] for page in found for row in page] == ids
        for _ in range(3):
            await client.fill()
            await client.fill("ETHUSDT")
        found = await pages(client, "/execution/list", limit="1")
        assert len({row["execId"] for (row,) in found}) == len(found) >= 6
        for path, most in (
            ("/order/realtime", 50),
            ("/order/history", 50),
            ("/execution/list", 100),
        ):
            for limit in ("0", str(most + 1), "x"):
                assert (await client.get(path, **SPOT, limit=limit))["retCode"] == 10001
            assert (await client.get(path, **SPOT, cursor="x"))["retCode"] == 10001

    use(work)


def test_lists_are_filtered() -> None:
    async def work(client: Client) -> None:
        await client.place(orderLinkId="a-1")
        await client.place(symbol="ETHUSDT", price="100", qty="1")
        await client.fill()
        assert len(await client.listed("/order/realtime", baseCoin="ETH")) == 1
        assert len(await client.listed("/order/realtime", settleCoin="USDT")) == 2
        assert await client.listed("/order/realtime", orderFilter="StopOrder") == []
        assert await client.listed("/order/realtime", symbol="ETHUSDT", orderLinkId="a-1") == []
        assert len(await client.listed("/order/realtime", openOnly="1")) == 1
        assert await client.listed("/execution/list", orderId="77") == []
        assert await client.listed("/execution/list", execType="Funding") == []
        now = int(time.time() * 1000)
        late = {"startTime": str(now + 60_000)}
        assert await client.listed("/order/history", **late) == []
        assert await client.listed("/execution/list", **late) == []
        wide = {"startTime": str(now - 8 * 86_400_000), "endTime": str(now)}
        assert (await client.get("/execution/list", **SPOT, **wide))["retCode"] == 10001

    use(work)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"orderLinkId": "a" * 37}, 10001),
        ({"orderLinkId": "a.1"}, 10001),
        ({"category": "linear"}, 10001),
        ({"category": None}, 10001),
        ({"side": "buy"}, 170117),
        ({"orderType": "Stop"}, 170116),
        ({"timeInForce": "RPI"}, 170115),
        ({"isLeverage": 1}, 10001),
        ({"orderFilter": "tpslOrder"}, 10001),
        ({"triggerPrice": "1"}, 10001),
        ({"takeProfit": "1"}, 10001),
        ({"smpType": "CancelMaker"}, 10001),
        ({"reduceOnly": True}, 10001),
        ({"colour": "red"}, 10001),
        ({"symbol": "NOSUCH"}, 170121),
        ({"qty": "9001"}, 170135),
        ({"orderType": "Market", "marketUnit": "quoteCoin", "qty": "10.001"}, 170148),
        ({"price": None}, 10001),
    ],
)
def test_a_wrong_order_is_refused_and_nothing_is_done(changes: dict[str, Any], code: int) -> None:
    async def work(client: Client) -> None:
        answer = await client.place(**changes)
        assert (answer["retCode"], answer["result"]) == (code, {})
        assert answer["retMsg"]
        assert client.orders == []

    use(work)


def test_usual_values_of_what_is_not_offered_are_taken() -> None:
    async def work(client: Client) -> None:
        usual = {"isLeverage": 0, "orderFilter": "Order", "positionIdx": 0, "reduceOnly": False}
        assert (await client.place(**usual, takeProfit="", smpType="None"))["retCode"] == 0

    use(work)


def test_batches_are_done_row_by_row() -> None:
    async def work(client: Client) -> None:
        row = {name: value for name, value in ORDER.items() if name != "category"}
        rows = [row | {"orderLinkId": "a"}, row | {"qty": "x"}, row | {"orderLinkId": "b"}]
        answer = await client.post("/order/create-batch", SPOT | {"request": rows})
        outcomes = answer["retExtInfo"]["list"]
        assert [outcome["code"] for outcome in outcomes] == [0, 10001, 0]
        found = answer["result"]["list"]
        assert [bool(row["orderId"]) for row in found] == [True, False, True]
        assert [bool(row["createAt"]) for row in found] == [True, False, True]
        names = [{"symbol": "BTCUSDT", "orderLinkId": name} for name in ("a", "c")]
        answer = await client.post("/order/cancel-batch", SPOT | {"request": names})
        assert [outcome["code"] for outcome in answer["retExtInfo"]["list"]] == [0, 170213]
        assert [order.is_open for order in client.orders] == [False, True]
        for count in (0, 11):
            body = SPOT | {"request": [row] * count}
            assert (await client.post("/order/create-batch", body))["retCode"] == 10001

    use(work)


def test_a_cancel_names_the_pair_and_an_id() -> None:
    async def work(client: Client) -> None:
        order_id = (await client.place())["result"]["orderId"]
        for names, code in (
            ({"orderId": order_id}, 10001),
            ({"symbol": "BTCUSDT"}, 10001),
            ({"symbol": "ETHUSDT", "orderId": order_id}, 170213),
            ({"symbol": "BTCUSDT", "orderId": order_id, "now": 1}, 10001),
        ):
            assert (await client.post("/order/cancel", SPOT | names))["retCode"] == code
        (order,) = client.orders
        assert order.is_open

    use(work)


# Sockets.


async def said(socket: aiohttp.ClientWebSocketResponse, message: Any) -> Any:
    await socket.send_json(message)
    return await socket.receive_json(timeout=5)


async def logged_in(client: Client, socket: aiohttp.ClientWebSocketResponse) -> None:
    answer = await said(socket, BYBIT.auth(client.at.account.keys).login(time.time()))
    assert (answer["success"], answer["op"], bool(answer["conn_id"])) == (True, "auth", True)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            {"op": "subscribe", "args": ["publicTrade.BTCUSDT", "kline.1.BTCUSDT"]},
            "error:handler not found,topic:kline.1.BTCUSDT",
        ),
        (
            {"op": "subscribe", "args": ["orderbook.7.BTCUSDT"]},
            "error:handler not found,topic:orderbook.7.BTCUSDT",
        ),
        ({"op": "subscribe", "args": ["order"]}, "error:handler not found,topic:order"),
        (
            {"op": "subscribe", "args": ["orderbook.50.NOSUCH"]},
            "Invalid symbol :[orderbook.50.NOSUCH]",
        ),
        ({"op": "subscribe", "args": ["publicTrade.BTCUSDT"] * 11}, "args size >10"),
        ({"op": "auth", "args": []}, "error:invalid op"),
        ({"op": "fly"}, "error:invalid op"),
    ],
)
def test_a_wrong_request_to_the_public_socket_is_refused_as_a_whole(
    message: dict[str, Any], words: str
) -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect("/v5/public/spot") as socket:
            refusal = await said(socket, message | {"req_id": "7"})
            assert (refusal["success"], refusal["ret_msg"]) == (False, words)
            assert (refusal["req_id"], refusal["op"]) == ("7", message["op"])
        assert not any(connection.topics for connection in client.at.server.connections)

    use(work)


def test_a_topic_is_followed_once() -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect("/v5/public/spot") as socket:
            message = {"op": "subscribe", "args": ["publicTrade.BTCUSDT"]}
            assert (await said(socket, message))["ret_msg"] == "subscribe"
            refusal = await said(socket, message)
            assert refusal["ret_msg"] == "error:already subscribed,topic:publicTrade.BTCUSDT"
            assert (await said(socket, message | {"op": "unsubscribe"}))["success"]
            assert (await said(socket, message))["success"]

    use(work)


def test_the_book_of_one_level_and_the_ticker_are_whole_frames() -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect("/v5/public/spot") as socket:
            topics = ["orderbook.1.BTCUSDT", "tickers.BTCUSDT"]
            await said(socket, {"op": "subscribe", "args": topics})
            opening = await socket.receive_json(timeout=5)
            ticker = await socket.receive_json(timeout=5)
            assert (ticker["topic"], ticker["type"]) == (topics[1], "snapshot")
            assert {"symbol", "lastPrice", "price24hPcnt"} <= set(ticker["data"])
            await client.fill()
            client.at.server.send_depth(PAIR)
            frame = await socket.receive_json(timeout=5)
            for book in (opening, frame):
                assert (book["topic"], book["type"]) == (topics[0], "snapshot")
                assert (len(book["data"]["b"]), len(book["data"]["a"])) == (1, 1)
            assert frame["data"]["u"] == opening["data"]["u"] + 1

    use(work)


def test_numbers_begin_again_with_a_whole_window() -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect("/v5/public/spot") as socket:
            await said(socket, {"op": "subscribe", "args": ["orderbook.50.BTCUSDT"]})
            opening = await socket.receive_json(timeout=5)
            client.at.server.faults.set({"sequence_reset": 1})
            kinds = []
            for _ in range(2):
                await client.fill()
                client.at.server.send_depth(PAIR)
                frame = await socket.receive_json(timeout=5)
                kinds.append((frame["type"], frame["data"]["u"], len(frame["data"]["b"])))
            assert opening["data"]["u"] > 2
            assert kinds[0] == ("snapshot", 1, 50)
            assert kinds[1][:2] == ("delta", 2)
            assert kinds[1][2] < 50

    use(work)


@pytest.mark.parametrize(
    ("topics", "words"),
    [
        (["order", "position"], "error:handler not found,topic:position"),
        (["publicTrade.BTCUSDT"], "error:handler not found,topic:publicTrade.BTCUSDT"),
        ([], "error:invalid args"),
    ],
)
def test_private_topics_are_offered_or_refused(topics: list[str], words: str) -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect("/v5/private") as socket:
            early = await said(socket, {"op": "subscribe", "args": ["order"]})
            assert (early["success"], early["ret_msg"]) == (False, "Request not authorized")
            await logged_in(client, socket)
            refusal = await said(socket, {"op": "subscribe", "args": topics})
            assert (refusal["success"], refusal["ret_msg"]) == (False, words)
            answer = await said(socket, {"op": "subscribe", "args": ["order.spot"]})
            assert (answer["success"], answer["ret_msg"]) == (True, "")
            await client.place()
            frame = await socket.receive_json(timeout=5)
            assert (frame["topic"], bool(frame["id"])) == ("order.spot", True)

    use(work)


def test_a_login_ends() -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect("/v5/private") as socket:
            late = BYBIT.auth(client.at.account.keys).login(time.time() - 60)
            refusal = await said(socket, late)
            assert (refusal["success"], refusal["op"]) == (False, "auth")
            await logged_in(client, socket)

    use(work)


# What a fuzz found.


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/market/instruments-info", {"status": "open"}),
        ("/system/status", {"state": "open"}),
        ("/execution/list", {"execType": "trade"}),
        ("/order/history", {"orderId": "1", "orderFilter": "none"}),
    ],
)
def test_values_that_are_not_documented_are_refused(path: str, params: dict[str, str]) -> None:
    async def work(client: Client) -> None:
        named = {} if path == "/system/status" else SPOT
        assert (await client.get(path, **named, **params))["retCode"] == 10001

    use(work)


def test_instruments_of_another_kind_are_not_listed() -> None:
    async def work(client: Client) -> None:
        path = "/market/instruments-info"
        assert await client.listed(path, symbolType="innovation") == []
        assert len(await client.listed(path)) == 2

    use(work)


def test_orders_are_found_by_no_id_that_the_venue_does_not_show() -> None:
    async def work(client: Client) -> None:
        await client.fill()
        order_id = (await client.place())["result"]["orderId"]
        for named in (
            {"orderId": uuid_of(order_id)},
            {"orderLinkId": f"sandbox{order_id}"},
        ):
            cancel = {**SPOT, "symbol": "BTCUSDT", **named}
            assert (await client.post("/order/cancel", cancel))["retCode"] == 170213
            assert await client.listed("/order/realtime", **named) == []
        made = {"orderLinkId": client.orders[0].client_id}
        assert await client.listed("/execution/list", **made) == []
        assert client.orders[1].is_open

    use(work)


def test_a_row_of_a_batch_has_no_other_category() -> None:
    async def work(client: Client) -> None:
        rows = [ORDER | {"category": "linear"}, ORDER]
        answer = await client.post("/order/create-batch", {**SPOT, "request": rows})
        assert [row["code"] for row in answer["retExtInfo"]["list"]] == [10001, 0]
        assert len(client.orders) == 1

    use(work)


def test_a_login_with_half_a_character_is_refused() -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect("/v5/private") as socket:
            key = client.at.account.keys["api_key"]
            for arguments in ([key, 1, "\ud800"], [key, "\ud800", "x"]):
                answer = await said(socket, {"op": "auth", "args": arguments})
                assert (answer["success"], answer["op"]) == (False, "auth")
            await logged_in(client, socket)

    use(work)


def test_what_is_posted_is_json_and_stands_in_the_body_alone() -> None:
    async def work(client: Client) -> None:
        path = f"http://{client.at.host}/v5/order/create"
        for request in (
            FormRequest("POST", path, {}, ORDER),
            UnsignedRequest("POST", path, {"qty": "1"}, ORDER),
        ):
            ready = BYBIT.auth(client.at.account.keys).sign(request, time.time())
            sent = client.at.session.post(
                ready["url"], data=ready["body"], headers=ready["headers"]
            )
            async with sent as answer:
                assert (await answer.json())["retCode"] == 10001
        assert client.orders == []

    use(work)
