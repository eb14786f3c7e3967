"""OKX's sandbox is the venue to a stranger: its fields, bounds, pages and refusals."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from exchanges.okx import OKX
from exchanges.requests import UnsignedRequest
from tests.sandbox.fuzzing.rest import FormRequest
from tests.support import signed
from tests.support.served import Served, serve
from trochil.sandbox.dialects import okx
from trochil.sandbox.formats import uuid_of

PAIR = "BTC-USDT"
OTHER = "ETH-USDT"
API = "/api/v5"
ORDER = {"instId": PAIR, "tdMode": "cash", "side": "buy", "ordType": "limit", "sz": "0.01"}
ORDER |= {"px": "30000"}


class Client:
    """A stranger with keys."""

    def __init__(self, at: Served) -> None:
        self.at = at

    async def get(self, path: str, **params: str) -> Any:
        _, answer = await signed.send(self.at, OKX, "GET", API + path, params)
        return answer

    async def rows(self, path: str, **params: str) -> list[Any]:
        answer = await self.get(path, **params)
        assert answer["code"] == "0", answer
        return list(answer["data"])

    async def post(self, path: str, body: Any) -> Any:
        _, answer = await signed.send(self.at, OKX, "POST", API + path, body=body)
        return answer

    async def place(self, **changes: Any) -> Any:
        sent = {name: value for name, value in (ORDER | changes).items() if value is not None}
        return await self.post("/trade/order", sent)

    async def fill(self, pair: str = PAIR) -> None:
        answer = await self.place(instId=pair, ordType="market", tgtCcy="base_ccy", px=None)
        assert answer["code"] == "0", answer

    @property
    def orders(self) -> list[Any]:
        return list(self.at.server.venue.orders.values())


def use(work: Callable[[Client], Awaitable[None]]) -> None:
    serve(okx.Dialect, (PAIR, OTHER), lambda venue: work(Client(venue)))


# Public data.


def test_instruments_have_the_fields_that_strict_clients_read() -> None:
    async def work(client: Client) -> None:
        for path in ("/public/instruments", "/account/instruments"):
            first, second = await client.rows(path, instType="SPOT")
            assert {"uly", "instFamily", "category", "listTime", "ruleType"} <= set(first)
            assert {"maxMktSz", "maxMktAmt", "lever", "ctVal", "groupId"} <= set(first)
            assert first["instIdCode"] != second["instIdCode"]
            assert await client.rows(path, instType="SWAP") == []
            assert (await client.get(path, instType="COIN"))["code"] == "51000"
            missing = await client.get(path)
            assert (missing["code"], missing["msg"]) == (
                "50014",
                "Parameter instType can not be empty.",
            )

    use(work)


def test_tickers_books_trades_and_the_status() -> None:
    async def work(client: Client) -> None:
        await client.fill()
        (ticker,) = await client.rows("/market/ticker", instId=PAIR)
        assert float(ticker["lastSz"]) == 0.01
        assert float(ticker["low24h"]) <= float(ticker["open24h"]) <= float(ticker["high24h"])
        assert {"askSz", "bidSz", "sodUtc0", "sodUtc8", "instType"} <= set(ticker)
        assert len(await client.rows("/market/tickers", instType="SPOT")) == 2
        (book,) = await client.rows("/market/books", instId=PAIR)
        assert (len(book["bids"]), len(book["asks"])) == (1, 1)
        for size in ("0", "401"):
            assert (await client.get("/market/books", instId=PAIR, sz=size))["code"] == "51000"
        (trade,) = await client.rows("/market/trades", instId=PAIR, limit="1")
        assert trade["source"] == "0"
        assert (await client.get("/market/trades", instId=PAIR, limit="501"))["code"] == "51000"
        assert await client.rows("/system/status") == []
        unknown = await client.get("/market/ticker", instId="NO-SUCH")
        assert (unknown["code"], unknown["data"]) == ("51001", [])

    use(work)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/no/such"), ("DELETE", "/trade/order"), ("POST", "/public/time")]
)
def test_what_is_not_served_is_refused_in_json(method: str, path: str) -> None:
    async def work(client: Client) -> None:
        async with client.at.session.request(method, API + path) as answer:
            assert answer.status == 404
            assert await answer.json() == {
                "code": "50125",
                "msg": "Invalid Request Access uri",
                "data": [],
            }

    use(work)


def test_unknown_and_doubled_parameters_are_named() -> None:
    async def work(client: Client) -> None:
        for query, name in (("instId=A&colour=1", "colour"), ("instId=A&instId=B", "instId")):
            async with client.at.session.get(f"{API}/market/ticker?{query}") as answer:
                assert await answer.json() == {
                    "code": "51000",
                    "msg": f"Parameter {name} error",
                    "data": [],
                }

    use(work)


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("OK-ACCESS-KEY", None, "50103"),
        ("OK-ACCESS-PASSPHRASE", None, "50104"),
        ("OK-ACCESS-SIGN", None, "50106"),
        ("OK-ACCESS-TIMESTAMP", None, "50107"),
        ("OK-ACCESS-TIMESTAMP", "soon", "50112"),
        ("OK-ACCESS-KEY", "nobody", "50111"),
        ("OK-ACCESS-SIGN", "wrong", "50113"),
    ],
)
def test_what_a_signed_request_lacks_is_said(header: str, value: str | None, code: str) -> None:
    async def work(client: Client) -> None:
        path = f"{API}/account/balance"
        url = f"http://{client.at.host}{path}"
        auth = OKX.auth(client.at.account.keys)
        headers = auth.generate_auth_dict("GET", url, {}, None, now=time.time())["headers"]
        headers.pop(header)
        if value is not None:
            headers[header] = value
        async with client.at.session.get(path, headers=headers) as answer:
            assert (answer.status, (await answer.json())["code"]) == (401, code)

    use(work)


# An account.


def test_the_account_has_its_fields() -> None:
    async def work(client: Client) -> None:
        (balance,) = await client.rows("/account/balance")
        assert {"totalEq", "uTime", "isoEq", "adjEq"} <= set(balance)
        detail = next(row for row in balance["details"] if row["ccy"] == "BTC")
        assert float(detail["eqUsd"]) > 10_000 * float(detail["eq"])
        assert {"availEq", "disEq", "uTime", "liab", "upl"} <= set(detail)
        (balance,) = await client.rows("/account/balance", ccy="BTC,ETH")
        assert {row["ccy"] for row in balance["details"]} == {"BTC", "ETH"}
        (config,) = await client.rows("/account/config")
        assert (config["acctLv"], config["posMode"]) == ("1", "net_mode")
        assert await client.rows("/account/positions") == []
        (fee,) = await client.rows("/account/trade-fee", instType="SPOT", instId=PAIR)
        assert fee["feeGroup"] == [{"groupId": "1", "maker": fee["maker"], "taker": fee["taker"]}]
        assert {row["ccy"] for row in await client.rows("/asset/currencies")} == {
            "BTC",
            "ETH",
            "USDT",
        }

    use(work)


# Orders.


def test_an_order_has_the_fields_that_strict_clients_read() -> None:
    async def work(client: Client) -> None:
        (placed,) = (await client.place(tag="mine", clOrdId="a1"))["data"]
        assert (placed["sCode"], placed["tag"], placed["clOrdId"]) == ("0", "mine", "a1")
        assert int(placed["ts"]) > 0
        (order,) = await client.rows("/trade/order", instId=PAIR, ordId=placed["ordId"])
        empty = {name: order[name] for name in ("avgPx", "fillPx", "fillTime", "tradeId", "lever")}
        assert set(empty.values()) == {""}
        assert (order["tag"], order["tdMode"], order["posSide"]) == ("mine", "cash", "net")
        assert (order["category"], order["feeCcy"], order["rebateCcy"]) == ("normal", "BTC", "USDT")
        await client.fill()
        (order, *_) = await client.rows("/trade/orders-history", instType="SPOT")
        assert (order["state"], order["clOrdId"], float(order["fillSz"]) > 0) == (
            "filled",
            "",
            True,
        )
        assert float(order["fee"]) < 0
        (row, *_) = await client.rows("/trade/fills")
        assert (row["subType"], row["feeRate"], row["posSide"]) == ("1", "-0.001", "net")
        assert row["tradeId"] == order["tradeId"]

    use(work)


def test_open_orders_come_in_pages_newest_first() -> None:
    async def work(client: Client) -> None:
        for number in range(105):
            await client.place(px=str(20_000 + number), sz="0.001")
        ids = [str(order.id) for order in client.orders][::-1]
        first = [row["ordId"] for row in await client.rows("/trade/orders-pending")]
        assert first == ids[:100]
        rest = await client.rows("/trade/orders-pending", after=first[-1])
        assert [row["ordId"] for row in rest] == ids[100:]
        newer = await client.rows("/trade/orders-pending", before=ids[3], limit="2")
        assert [row["ordId"] for row in newer] == ids[:2]
        for limit in ("0", "101", "x"):
            assert (await client.get("/trade/orders-pending", limit=limit))["code"] == "51000"

    use(work)


def test_lists_are_filtered() -> None:
    async def work(client: Client) -> None:
        await client.place()
        await client.place(ordType="post_only", instId=OTHER, px="100", sz="1")
        await client.fill()
        await client.fill(OTHER)
        (order, *_) = await client.rows("/trade/orders-pending", ordType="post_only")
        assert order["instId"] == OTHER
        assert len(await client.rows("/trade/orders-pending", state="partially_filled")) == 0
        assert await client.rows("/trade/orders-pending", instType="SWAP") == []
        assert len(await client.rows("/trade/orders-history", instType="SPOT", instId=PAIR)) == 1
        assert await client.rows("/trade/orders-history", instType="SPOT", state="canceled") == []
        now = int(time.time() * 1000)
        late = {"instType": "SPOT", "begin": str(now + 60_000)}
        assert await client.rows("/trade/orders-history", **late) == []
        fills = await client.rows("/trade/fills")
        bills = [int(row["billId"]) for row in fills]
        assert bills == sorted(set(bills), reverse=True), "of all pairs together"
        found = []
        after: dict[str, str] = {}
        while page := await client.rows("/trade/fills", limit="1", **after):
            found += page
            after = {"after": page[-1]["billId"]}
        assert found == fills
        assert (await client.get("/trade/orders-history"))["code"] == "50014"
        assert (await client.get("/trade/orders-pending", state="open"))["code"] == "51000"
        assert (await client.get("/trade/orders-pending", uly="BTC-USD"))["code"] == "51000"

    use(work)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"clOrdId": "a" * 33}, "51000"),
        ({"clOrdId": "a-1"}, "51000"),
        ({"tdMode": None}, "50014"),
        ({"tdMode": "cross"}, "51010"),
        ({"tdMode": "credit"}, "51000"),
        ({"ordType": "conditional"}, "51000"),
        ({"ordType": "optimal_limit_ioc"}, "51000"),
        ({"tgtCcy": "usd"}, "51000"),
        ({"px": None}, "50014"),
        ({"stpMode": "cancel_both"}, "51000"),
        ({"reduceOnly": True}, "51000"),
        ({"attachAlgoOrds": [{"slTriggerPx": "1"}]}, "51000"),
        ({"triggerPx": "1"}, "51000"),
        ({"tag": "a" * 17}, "51000"),
        ({"instId": "NO-SUCH"}, "51001"),
        ({"sz": "0.000001"}, "51121"),
        ({"px": "1000000", "sz": "100"}, "51008"),
    ],
)
def test_a_wrong_order_is_refused_in_its_row_and_nothing_is_done(
    changes: dict[str, Any], code: str
) -> None:
    async def work(client: Client) -> None:
        answer = await client.place(**changes)
        (row,) = answer["data"]
        assert (answer["code"], answer["msg"]) == ("1", "All operations failed")
        assert (row["sCode"], row["ordId"]) == (code, "")
        assert row["sMsg"]
        assert client.orders == []

    use(work)


def test_empty_fields_of_an_order_count_for_none() -> None:
    async def work(client: Client) -> None:
        empty = dict.fromkeys(("ccy", "pxUsd", "pxVol", "reduceOnly", "stpMode", "banAmend"), "")
        assert (await client.place(**empty, attachAlgoOrds=[]))["code"] == "0"

    use(work)


def test_batches_are_done_row_by_row() -> None:
    async def work(client: Client) -> None:
        rows = [ORDER | {"clOrdId": "a"}, ORDER | {"sz": "x"}, ORDER | {"clOrdId": "b"}]
        answer = await client.post("/trade/batch-orders", rows)
        assert (answer["code"], answer["msg"]) == ("2", "Bulk operation partially succeeded.")
        assert [row["sCode"] for row in answer["data"]] == ["0", "51000", "0"]
        assert len(client.orders) == 2
        cancels = [{"instId": PAIR, "clOrdId": name} for name in ("a", "b", "c")]
        answer = await client.post("/trade/cancel-batch-orders", cancels)
        assert [row["sCode"] for row in answer["data"]] == ["0", "0", "51400"]
        assert not any(order.is_open for order in client.orders)
        for count in (0, 21):
            answer = await client.post("/trade/batch-orders", [ORDER] * count)
            assert (answer["code"], answer["data"]) == ("50025", [])

    use(work)


def test_a_cancel_names_the_pair_and_an_id() -> None:
    async def work(client: Client) -> None:
        order_id = (await client.place())["data"][0]["ordId"]
        for body, code in (
            ({"ordId": order_id}, "50014"),
            ({"instId": PAIR}, "50015"),
            ({"instId": OTHER, "ordId": order_id}, "51400"),
            ({"instId": PAIR, "ordId": order_id, "now": 1}, "51000"),
        ):
            answer = await client.post("/trade/cancel-order", body)
            assert [row["sCode"] for row in answer["data"]] == [code]
        missing = await client.get("/trade/order", instId=OTHER, ordId=order_id)
        assert (missing["code"], missing["data"]) == ("51603", [])
        (order,) = client.orders
        assert order.is_open

    use(work)


# Sockets.


def login(client: Client) -> dict[str, Any]:
    frame = OKX.auth(client.at.account.keys).login(time.time())
    assert isinstance(frame, dict)
    return frame


async def said(socket: aiohttp.ClientWebSocketResponse, message: Any) -> Any:
    await socket.send_json(message)
    return await socket.receive_json(timeout=5)


def subscribing(**argument: str) -> dict[str, Any]:
    return {"op": "subscribe", "args": [argument]}


@pytest.mark.parametrize(
    ("path", "argument", "code"),
    [
        ("public", {"channel": "candle1m", "instId": PAIR}, "60018"),
        ("business", {"channel": "books", "instId": PAIR}, "60018"),
        ("private", {"channel": "books", "instId": PAIR}, "60018"),
        ("public", {"channel": "orders", "instType": "SPOT"}, "60018"),
        ("private", {"channel": "orders", "instType": "SPOT"}, "60011"),
        ("public", {"channel": "books-l2-tbt", "instId": PAIR}, "60011"),
        ("public", {"channel": "books", "instId": PAIR, "depth": "5"}, "60018"),
        ("public", {"channel": "books"}, "60018"),
    ],
)
def test_channels_are_of_their_path(path: str, argument: dict[str, str], code: str) -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect(f"/ws/v5/{path}") as socket:
            refusal = await said(socket, subscribing(**argument) | {"id": "7"})
            assert (refusal["event"], refusal["code"], refusal["id"]) == ("error", code, "7")
            assert len(refusal["connId"]) == 8
        assert not any(connection.topics for connection in client.at.server.connections)

    use(work)


def test_a_wrong_argument_spoils_no_other() -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect("/ws/v5/public") as socket:
            arguments = [
                {"channel": "trades", "instId": "NO-SUCH"},
                {"channel": "trades", "instId": PAIR},
            ]
            refusal = await said(socket, {"op": "subscribe", "args": arguments})
            assert (refusal["code"], "trades" in refusal["msg"]) == ("60018", True)
            assert (await socket.receive_json(timeout=5))["arg"] == arguments[1]

    use(work)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"timestamp": "soon"}, "60004"),
        ({"timestamp": "1500000000"}, "60007"),
        ({"apiKey": ""}, "60005"),
        ({"apiKey": "nobody"}, "60032"),
        ({"passphrase": "wrong"}, "60024"),
        ({"more": "1"}, "60009"),
        ({"sign": "\ud800"}, "60007"),
    ],
)
def test_a_wrong_login_says_why(changes: dict[str, str], code: str) -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect("/ws/v5/private") as socket:
            message = login(client)
            message["args"][0] |= changes
            assert (await said(socket, message))["code"] == code
            assert (await said(socket, login(client)))["event"] == "login"
            assert (await said(socket, login(client)))["code"] == "60031"

    use(work)


def test_small_books_and_tickers_are_whole_frames() -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect("/ws/v5/public") as socket:
            for channel, levels in (("books5", 5), ("bbo-tbt", 1)):
                assert (await said(socket, subscribing(channel=channel, instId=PAIR)))["event"]
                frame = await socket.receive_json(timeout=5)
                (row,) = frame["data"]
                assert (frame["arg"]["channel"], "action" in frame) == (channel, False)
                assert (len(row["bids"]), len(row["asks"])) == (levels, levels)
                assert ("instId" in row, "checksum" in row) == (levels == 5, False)
            assert (await said(socket, subscribing(channel="tickers", instId=PAIR)))["event"]
            (row,) = (await socket.receive_json(timeout=5))["data"]
            assert float(row["bidPx"]) < float(row["askPx"])

    use(work)


def test_orders_are_followed_by_pair_and_balances_by_asset() -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect("/ws/v5/private") as socket:
            await said(socket, login(client))
            argument = {"channel": "orders", "instType": "SPOT", "instId": OTHER}
            assert (await said(socket, subscribing(**argument)))["arg"] == argument
            count = await socket.receive_json(timeout=5)
            assert (count["event"], count["connCount"]) == ("channel-conn-count", "1")
            await said(socket, subscribing(channel="account", ccy="ETH"))
            (row,) = (await socket.receive_json(timeout=5))["data"]
            assert [detail["ccy"] for detail in row["details"]] == ["ETH"]
            await socket.receive_json(timeout=5)
            await client.place()
            await client.place(instId=OTHER, px="100", sz="1")
            frame = await socket.receive_json(timeout=5)
            assert frame["arg"] == argument | {"uid": frame["arg"]["uid"]}
            assert frame["data"][0]["instId"] == OTHER

    use(work)


def test_the_end_of_a_stream_is_announced() -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect("/ws/v5/private") as socket:
            await said(socket, login(client))
            await said(socket, subscribing(channel="orders", instType="SPOT"))
            await socket.receive_json(timeout=5)
            client.at.server.faults.set({"user_stream_terminated": 1})
            await client.place()
            await socket.receive_json(timeout=5)
            notice = await socket.receive_json(timeout=5)
            assert (notice["event"], notice["code"]) == ("notice", "64008")

    use(work)


# What a fuzz found.


def test_ids_of_orders_are_numbers() -> None:
    async def work(client: Client) -> None:
        placed = (await client.place())["data"][0]
        as_uuid = uuid_of(placed["ordId"])
        for order_id in (as_uuid, "none", "9" * 25):
            answer = await client.post("/trade/cancel-order", {"instId": PAIR, "ordId": order_id})
            assert answer["data"][0]["sCode"] == "51000"
            assert (await client.get("/trade/order", instId=PAIR, ordId=order_id))[
                "code"
            ] == "51000"
            assert (await client.get("/trade/fills", ordId=order_id))["code"] == "51000"
        named = {"instId": PAIR, "clOrdId": f"sandbox{placed['ordId']}"}
        answer = await client.post("/trade/cancel-order", named)
        assert answer["data"][0]["sCode"] == "51400"
        assert client.orders[0].is_open

    use(work)


@pytest.mark.parametrize("types", [",", "limit,", "limit,,market"])
def test_a_list_of_values_has_no_empty_ones(types: str) -> None:
    async def work(client: Client) -> None:
        assert (await client.get("/trade/orders-pending", ordType=types))["code"] == "51000"

    use(work)


def test_positions_of_an_unknown_instrument_are_refused() -> None:
    async def work(client: Client) -> None:
        assert (await client.get("/account/positions", instId="NO-SUCH"))["code"] == "51001"

    use(work)


def test_a_text_in_json_is_no_ping() -> None:
    async def work(client: Client) -> None:
        async with client.at.session.ws_connect("/ws/v5/public") as socket:
            await socket.send_str('"ping"')
            assert (await socket.receive_json(timeout=5))["code"] == "60012"
            await socket.send_str("ping")
            assert (await socket.receive(timeout=5)).data == "pong"

    use(work)


def test_what_is_posted_is_json_and_stands_in_the_body_alone() -> None:
    async def work(client: Client) -> None:
        path = f"http://{client.at.host}{API}/trade/order"
        batch = f"http://{client.at.host}{API}/trade/batch-orders"
        for request in (
            FormRequest("POST", path, {}, ORDER),
            UnsignedRequest("POST", path, {"sz": "1"}, ORDER),
            UnsignedRequest("POST", batch, {"colour": "blue"}, [ORDER]),
        ):
            ready = OKX.auth(client.at.account.keys).sign(request, time.time())
            sent = client.at.session.post(
                ready["url"], data=ready["body"], headers=ready["headers"]
            )
            async with sent as answer:
                body = await answer.json()
                assert body["code"] == "51000" or body["data"][0]["sCode"] == "51000"
        assert client.orders == []

    use(work)
