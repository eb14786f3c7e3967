"""Binance's sandbox in the words and forms of the venue's documentation."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from tests.support.served import Served, serve
from trochil.sandbox.dialects import binance
from trochil.sandbox.market.matching import Order

PAIR = "BTC-USDT"
ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "30000.00",
}
BUY_NOW = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.5"}
FIXED = re.compile(r"-?[0-9]+\.[0-9]{8}")
DECIMALS = {
    *("price", "qty", "quoteQty", "origQty", "executedQty", "cummulativeQuoteQty"),
    *("origQuoteOrderQty", "stopPrice", "icebergQty", "commission", "free", "locked"),
    *("lastPrice", "bidPrice", "askPrice", "bidQty", "askQty", "volume", "quoteVolume"),
    *("openPrice", "highPrice", "lowPrice", "lastQty", "weightedAvgPrice", "priceChange"),
    *("tickSize", "minPrice", "maxPrice", "minQty", "maxQty", "stepSize", "minNotional"),
    *("maker", "taker", "buyer", "seller", "f", "l"),
}


def milliseconds() -> int:
    return int(time.time() * 1000)


class Client:
    """Signs by its own hand."""

    def __init__(self, venue: Served) -> None:
        self.server = venue.server
        self.keys = venue.account.keys
        self._account = venue.account
        self._session = venue.session
        self.headers: Any = {}
        """Of the last answer."""

    def signature(self, payload: str) -> str:
        secret = self.keys["api_secret"].encode()
        return hmac.new(secret, payload.encode(), hashlib.sha256).hexdigest()

    async def ask(self, method: str, path: str, **sent: Any) -> tuple[int, Any]:
        """One request as it is, its parameters in the query."""
        headers = {"X-MBX-APIKEY": self.keys["api_key"]} | sent.pop("headers", {})
        url = f"/api/v3/{path}" + (f"?{urlencode(sent)}" if sent else "")
        async with self._session.request(method, url, headers=headers) as answer:
            self.headers = answer.headers
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text())

    async def get(self, path: str, **params: Any) -> Any:
        """What a public request is answered."""
        status, answer = await self.ask("GET", path, **params)
        assert status == 200, answer
        return answer

    async def signed(self, method: str, path: str, **params: Any) -> tuple[int, Any]:
        headers = params.pop("headers", {})
        params = {"timestamp": milliseconds()} | params
        signature = self.signature(urlencode(params))
        return await self.ask(method, path, **params, signature=signature, headers=headers)

    async def ok(self, method: str, path: str, **params: Any) -> Any:
        status, answer = await self.signed(method, path, **params)
        assert status == 200, answer
        return answer

    def socket(self, path: str) -> Any:
        return self._session.ws_connect(path)

    def api_params(self, **params: Any) -> dict[str, Any]:
        """Signed, for the websocket API."""
        params = {"apiKey": self.keys["api_key"], "timestamp": milliseconds()} | params
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        return params | {"signature": self.signature(payload)}

    @property
    def orders(self) -> list[Order]:
        orders = self.server.venue.orders.values()
        return [order for order in orders if order.account is self._account]


def use(work: Callable[[Client], Awaitable[None]], *pairs: str) -> None:
    serve(binance.Dialect, pairs or (PAIR,), lambda venue: work(Client(venue)))


def odd_decimals(answer: Any) -> list[Any]:
    """Prices and amounts of an answer without eight digits behind the point."""
    if isinstance(answer, list):
        return [odd for each in answer for odd in odd_decimals(each)]
    if not isinstance(answer, dict):
        return []
    odd = [
        (name, value)
        for name, value in answer.items()
        if name in DECIMALS and not (isinstance(value, str) and FIXED.fullmatch(value))
    ]
    nested = [each for value in answer.values() for each in odd_decimals(value)]
    return odd + nested


# REST: forms.


def test_every_price_and_amount_has_eight_digits_behind_the_point() -> None:
    async def work(client: Client) -> None:
        await client.ok("POST", "order", **BUY_NOW)
        await client.ok("POST", "order", **ORDER)
        answers = [
            await client.get("exchangeInfo"),
            await client.get("trades", symbol="BTCUSDT"),
            await client.get("avgPrice", symbol="BTCUSDT"),
            await client.get("ticker/24hr"),
            await client.get("ticker/price", symbol="BTCUSDT"),
            await client.get("ticker/bookTicker"),
            await client.ok("GET", "openOrders"),
            await client.ok("GET", "allOrders", symbol="BTCUSDT"),
            await client.ok("GET", "myTrades", symbol="BTCUSDT"),
            await client.ok("GET", "account"),
        ]
        assert odd_decimals(answers) == []
        depth = await client.get("depth", symbol="BTCUSDT")
        texts = [text for level in depth["bids"] + depth["asks"] for text in level]
        assert len(texts) > 200
        assert all(map(FIXED.fullmatch, texts))

    use(work)


def test_what_nearly_every_client_asks_first() -> None:
    async def work(client: Client) -> None:
        assert await client.get("ping") == {}
        assert abs((await client.get("time"))["serverTime"] - milliseconds()) < 5000
        info = await client.get("exchangeInfo")
        assert (info["timezone"], info["exchangeFilters"]) == ("UTC", [])
        assert {limit["rateLimitType"] for limit in info["rateLimits"]} == {
            "REQUEST_WEIGHT",
            "ORDERS",
            "RAW_REQUESTS",
        }
        btc, _ = info["symbols"]
        assert btc["permissionSets"] == [["SPOT"]]
        assert btc["orderTypes"] == ["LIMIT", "LIMIT_MAKER", "MARKET"]
        assert (btc["baseAssetPrecision"], btc["icebergAllowed"]) == (8, False)
        one = await client.get("exchangeInfo", symbol="ETHUSDT", showPermissionSets="false")
        assert [(row["symbol"], row["permissionSets"]) for row in one["symbols"]] == [
            ("ETHUSDT", [])
        ]
        both = await client.get("exchangeInfo", symbols='["BTCUSDT","ETHUSDT"]')
        assert len(both["symbols"]) == 2
        assert (await client.get("exchangeInfo", permissions="MARGIN"))["symbols"] == []
        assert (await client.get("exchangeInfo", symbolStatus="BREAK"))["symbols"] == []

    use(work, PAIR, "ETH-USDT")


def test_tickers_tell_of_what_was_traded() -> None:
    async def work(client: Client) -> None:
        placed = await client.ok("POST", "order", **BUY_NOW)
        prices = [Decimal(fill["price"]) for fill in placed["fills"]]
        ticker = await client.get("ticker/24hr", symbol="BTCUSDT")
        assert Decimal(ticker["openPrice"]) == prices[0]
        assert Decimal(ticker["lastPrice"]) == prices[-1]
        assert Decimal(ticker["highPrice"]) == max(prices)
        assert Decimal(ticker["volume"]) == Decimal("0.5")
        assert Decimal(ticker["quoteVolume"]) == Decimal(placed["cummulativeQuoteQty"])
        assert ticker["count"] == len(prices)
        mini = await client.get("ticker/24hr", symbol="BTCUSDT", type="MINI")
        assert "bidPrice" not in mini
        assert mini.keys() < ticker.keys()
        assert len(await client.get("ticker/price")) == 1
        assert set(await client.get("ticker/price", symbol="BTCUSDT")) == {"symbol", "price"}

    use(work)


def test_trades_of_one_taker_at_one_price_are_one_aggregate() -> None:
    async def work(client: Client) -> None:
        best = client.server.book(PAIR).best("buy")
        assert best is not None
        price = best + Decimal("0.01")
        for _ in range(3):
            client.server.venue.place(
                client.server.liquidity_provider,
                PAIR,
                "buy",
                "limit",
                Decimal("0.1"),
                price,
                client.server.now_ns(),
            )
        sell = BUY_NOW | {"side": "SELL", "quantity": "0.25"}
        placed = await client.ok("POST", "order", **sell)
        assert len(placed["fills"]) == 3
        trades = await client.get("trades", symbol="BTCUSDT")
        last = trades[-3:]
        (aggregate,) = (await client.get("aggTrades", symbol="BTCUSDT"))[-1:]
        assert (aggregate["q"], aggregate["m"]) == ("0.25000000", True)
        assert (aggregate["f"], aggregate["l"]) == (last[0]["id"], last[-1]["id"])
        assert all(trade["isBuyerMaker"] for trade in last)
        since = last[1]["id"]
        found = await client.get("historicalTrades", symbol="BTCUSDT", fromId=since)
        assert [trade["id"] for trade in found] == [last[1]["id"], last[2]["id"]]

    use(work)


def test_candles_sum_up_the_trades() -> None:
    async def work(client: Client) -> None:
        assert await client.get("klines", symbol="BTCUSDT", interval="1m") == []
        placed = await client.ok("POST", "order", **BUY_NOW)
        prices = [fill["price"] for fill in placed["fills"]]
        start = placed["transactTime"] // 86_400_000 * 86_400_000
        (candle,) = await client.get("klines", symbol="BTCUSDT", interval="1d")
        assert candle == [
            start,
            prices[0],
            max(prices, key=Decimal),
            min(prices, key=Decimal),
            prices[-1],
            "0.50000000",
            start + 86_400_000 - 1,
            placed["cummulativeQuoteQty"],
            len(prices),
            "0.50000000",
            placed["cummulativeQuoteQty"],
            "0",
        ]
        await asyncio.sleep(1.1)
        seconds = await client.get("klines", symbol="BTCUSDT", interval="1s")
        assert len(seconds) >= 2
        assert [row[0] for row in seconds] == [
            seconds[0][0] + 1000 * n for n in range(len(seconds))
        ]
        assert (seconds[-1][1], seconds[-1][5], seconds[-1][8]) == (prices[-1], "0.00000000", 0)
        first = {"symbol": "BTCUSDT", "interval": "1s", "startTime": seconds[0][0], "limit": 1}
        assert await client.get("klines", **first) == seconds[:1]
        _, micro = await client.ask(
            "GET", "klines", **first, headers={"X-MBX-TIME-UNIT": "MICROSECOND"}
        )
        assert micro[0][0] == seconds[0][0] * 1000

    use(work)


def test_times_are_in_microseconds_where_the_request_says_so() -> None:
    async def work(client: Client) -> None:
        micro = {"X-MBX-TIME-UNIT": "MICROSECOND"}
        _, answer = await client.ask("GET", "time", headers=micro)
        assert answer["serverTime"] > 10**15
        _, placed = await client.signed("POST", "order", **ORDER, headers=micro)
        assert placed["transactTime"] > 10**15
        status, answer = await client.ask("GET", "time", headers={"X-MBX-TIME-UNIT": "DAY"})
        assert (status, answer["code"]) == (400, -1194)
        status, answer = await client.signed(
            "POST", "order", **ORDER, headers={"X-MBX-TIME-UNIT": "DAY"}
        )
        assert (status, len(client.orders)) == (400, 1)

    use(work)


# REST: orders.


def test_an_order_is_answered_as_it_was_asked_for() -> None:
    async def work(client: Client) -> None:
        full = await client.ok("POST", "order", **BUY_NOW)
        assert full["status"] == "FILLED"
        assert sum(Decimal(fill["qty"]) for fill in full["fills"]) == Decimal("0.5")
        assert {"workingTime", "transactTime", "selfTradePreventionMode"} <= full.keys()
        result = await client.ok("POST", "order", **ORDER, newOrderRespType="RESULT")
        assert "fills" not in result
        assert (result["status"], result["price"]) == ("NEW", "30000.00000000")
        ack = await client.ok("POST", "order", **ORDER, newOrderRespType="ACK")
        assert set(ack) == {
            *("symbol", "orderId", "orderListId", "clientOrderId", "transactTime"),
        }
        maker = ORDER | {"type": "LIMIT_MAKER", "side": "SELL", "price": "90000"}
        del maker["timeInForce"]
        assert set(await client.ok("POST", "order", **maker)) == set(ack)
        status = await client.ok("GET", "order", symbol="BTCUSDT", orderId=ack["orderId"])
        assert {"stopPrice", "icebergQty", "time", "updateTime", "isWorking"} <= status.keys()
        assert not {"transactTime", "fills"} & status.keys()

    use(work)


def test_a_tested_order_is_judged_and_not_placed() -> None:
    async def work(client: Client) -> None:
        assert await client.ok("POST", "order/test", **ORDER) == {}
        rates = await client.ok("POST", "order/test", **ORDER, computeCommissionRates="true")
        assert rates["standardCommissionForOrder"]["taker"] == "0.00100000"
        status, answer = await client.signed("POST", "order/test", **ORDER | {"price": "30000.001"})
        assert (status, answer["msg"]) == (400, "Filter failure: PRICE_FILTER")
        assert client.orders == []

    use(work)


def test_an_order_by_value_ends_filled_by_rest_and_on_the_stream() -> None:
    terms = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "1000"}

    async def work(client: Client) -> None:
        async with client.socket("/ws-api/v3") as socket:
            await subscribe_account(client, socket)
            placed = await client.ok("POST", "order", **terms)
            reports = await executions(socket, "FILLED")
        assert (placed["status"], placed["origQuoteOrderQty"]) == ("FILLED", "1000.00000000")
        assert placed["origQty"] == placed["executedQty"]
        assert {report["i"] for report in reports} == {placed["orderId"]}
        assert [report["X"] for report in reports][-1] == "FILLED"
        assert reports[-1]["Z"] == placed["cummulativeQuoteQty"]
        assert reports[-1]["Q"] == "1000.00000000"
        order = await client.ok("GET", "order", symbol="BTCUSDT", orderId=placed["orderId"])
        assert order["status"] == "FILLED"

    use(work)


def test_the_value_of_a_trade_fits_the_precision_of_its_quote() -> None:
    async def work(client: Client) -> None:
        (symbol,) = (await client.get("exchangeInfo"))["symbols"]
        price, size, _ = symbol["filters"]
        assert (price["tickSize"], size["stepSize"]) == ("0.00001000", "0.00100000")
        sell = BUY_NOW | {"symbol": "ETHBTC", "side": "SELL", "quantity": "1.234"}
        placed = await client.ok("POST", "order", **sell)
        ledger = sum(fill.value for fill in client.server.venue.fills)
        assert Decimal(placed["cummulativeQuoteQty"]) == ledger

    use(work, "ETH-BTC")


def test_commissions_fit_the_precision_of_their_asset() -> None:
    async def work(client: Client) -> None:
        sell = BUY_NOW | {"side": "SELL", "quantity": "0.12347"}
        await client.ok("POST", "order", **sell)
        told = await client.ok("GET", "account")
        for row in told["balances"]:
            holding = client._account.of(row["asset"])
            assert (Decimal(row["free"]), Decimal(row["locked"])) == (holding.free, holding.held)

    use(work)


def test_an_order_is_found_by_its_symbol_and_one_of_its_ids() -> None:
    async def work(client: Client) -> None:
        placed = await client.ok("POST", "order", **ORDER, newClientOrderId="mine")
        number = placed["orderId"]
        for ids, code in [
            ({}, -1102),
            ({"orderId": number, "origClientOrderId": "other"}, -2039),
            ({"orderId": number, "symbol": "ETHUSDT"}, -2013),
            ({"origClientOrderId": "mine", "symbol": "ETHUSDT"}, -2013),
            ({"orderId": 999999}, -2013),
            ({"orderId": "x"}, -1100),
            ({"origClientOrderId": "a b"}, -1100),
        ]:
            status, answer = await client.signed("GET", "order", **{"symbol": "BTCUSDT"} | ids)
            assert (status, answer["code"]) == (400, code), ids
        status, answer = await client.signed("GET", "order", orderId=number)
        assert (status, answer["code"]) == (400, -1102)

    use(work, PAIR, "ETH-USDT")


def test_a_cancel_has_an_id_and_conditions() -> None:
    async def work(client: Client) -> None:
        placed = await client.ok("POST", "order", **ORDER, newClientOrderId="mine")
        ids = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
        refusals = [
            ({"cancelRestrictions": "ONLY_PARTIALLY_FILLED"}, -2011),
            ({"cancelRestrictions": "NEVER"}, -1145),
            ({"newClientOrderId": "a b"}, -1100),
            ({"symbol": "ETHUSDT"}, -2011),
        ]
        for changes, code in refusals:
            status, answer = await client.signed("DELETE", "order", **ids | changes)
            assert (status, answer["code"]) == (400, code), changes
        async with client.socket("/ws-api/v3") as socket:
            await subscribe_account(client, socket)
            terms = {"newClientOrderId": "bye", "cancelRestrictions": "ONLY_NEW"}
            answer = await client.ok("DELETE", "order", **ids, **terms)
            (report,) = await executions(socket, "CANCELED")
        assert (answer["clientOrderId"], answer["origClientOrderId"]) == ("bye", "mine")
        assert (report["c"], report["C"]) == ("bye", "mine")
        status, answer = await client.signed("DELETE", "order", **ids)
        assert (status, answer) == (400, {"code": -2011, "msg": "Unknown order sent."})

    use(work, PAIR, "ETH-USDT")


def test_all_open_orders_of_a_symbol_are_cancelled() -> None:
    async def work(client: Client) -> None:
        await client.ok("POST", "order", **ORDER)
        await client.ok("POST", "order", **ORDER | {"symbol": "ETHUSDT", "price": "1000"})
        status, answer = await client.signed("DELETE", "openOrders")
        assert (status, answer["code"]) == (400, -1102)
        assert all(order.is_open for order in client.orders)
        (cancelled,) = await client.ok("DELETE", "openOrders", symbol="BTCUSDT")
        assert cancelled["status"] == "CANCELED"
        status, answer = await client.signed("DELETE", "openOrders", symbol="BTCUSDT")
        assert (status, answer["code"]) == (400, -2011)
        assert [row["symbol"] for row in await client.ok("GET", "openOrders")] == ["ETHUSDT"]

    use(work, PAIR, "ETH-USDT")


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"newClientOrderId": "x" * 37}, -1100, "'^[a-zA-Z0-9-_]{1,36}$'"),
        ({"newClientOrderId": "a b"}, -1100, "'newClientOrderId'"),
        ({"symbol": "btcusdt"}, -1100, "'^[A-Z0-9-_.]{1,20}$'"),
        ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
        ({"quantity": "0"}, -1013, "Invalid quantity."),
        ({"quantity": "-1"}, -1100, "'quantity'"),
        ({"quantity": "1e-3"}, -1100, "'quantity'"),
        ({"quantity": "0.000000001"}, -1111, "Parameter 'quantity' has too much precision."),
        ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "99999999999999999999"}, -1013, "Filter failure: LOT_SIZE"),
        ({"price": "0"}, -1013, "Invalid price."),
        ({"price": "1000001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "100"}, -1013, "Filter failure: NOTIONAL"),
        ({"type": "STOP_LOSS"}, -2010, "Stop loss orders are not supported for this symbol."),
        ({"icebergQty": "0.001"}, -2010, "Iceberg orders are not supported for this symbol."),
        ({"stopPrice": "100"}, -1106, "Parameter 'stopPrice' sent when not required."),
        ({"quoteOrderQty": "100"}, -1106, "'quoteOrderQty'"),
        ({"selfTradePreventionMode": "EXPIRE_TAKER"}, -1130, "'selfTradePreventionMode'"),
        ({"newOrderRespType": "SHORT"}, -1130, "'newOrderRespType'"),
        ({"type": "MARKET", "timeInForce": None}, -1106, "'price'"),
        (
            {"type": "MARKET", "timeInForce": None, "price": None, "quantity": None},
            -1102,
            "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!",
        ),
        (
            {"pegPriceType": "PRIMARY_PEG"},
            -1104,
            "Not all sent parameters were read; read '8' parameter(s) but was sent '9'.",
        ),
        ({"newClientOrderId": ""}, -1105, "Parameter 'newClientOrderId' was empty."),
        ({"recvWindow": "1e2"}, -1100, "'recvWindow'"),
        ({"recvWindow": "-1"}, -1100, "'recvWindow'"),
        ({"recvWindow": "60001"}, -1131, "recvWindow must be less than 60000."),
        ({"timestamp": 1}, -1021, "Timestamp for this request is outside of the recvWindow."),
        (
            {"timestamp": milliseconds() + 10**7},
            -1021,
            "Timestamp for this request was 1000ms ahead of the server's time.",
        ),
        ({"timestamp": "2026-01-01T00:00:00"}, -1100, "'timestamp'"),
    ],
)
def test_an_order_is_refused_in_the_venues_words(
    changes: dict[str, Any], code: int, words: str
) -> None:
    async def work(client: Client) -> None:
        sent = {name: value for name, value in (ORDER | changes).items() if value is not None}
        status, answer = await client.signed("POST", "order", **sent)
        assert (status, answer["code"]) == (400, code), answer
        assert words in answer["msg"]
        assert client.orders == []

    use(work)


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("time?a=1", -1101, "Too many parameters; expected '0' and received '1'."),
        ("depth?symbol=BTCUSDT&depth=5", -1104, "read '1' parameter(s) but was sent '2'"),
        ("depth?symbol=BTCUSDT&symbol=BTCUSDT", -1101, "Duplicate values for a parameter"),
        ("depth?symbol=BTCUSDT&limit=0", -1130, "'limit'"),
        ("depth?symbol=", -1105, "'symbol'"),
        ("trades?symbol=BTCUSDT&limit=1001", -1130, "'limit'"),
        ("aggTrades?symbol=BTCUSDT&limit=0", -1130, "'limit'"),
        ("aggTrades?symbol=BTCUSDT&startTime=0&endTime=86400001", -1127, "24 hours"),
        ("aggTrades?symbol=BTCUSDT&startTime=0&fromId=1", -1128, "Combination"),
        ("klines?symbol=BTCUSDT", -1102, "'interval'"),
        ("klines?symbol=BTCUSDT&interval=7m", -1120, "Invalid interval."),
        ("klines?symbol=BTCUSDT&interval=1m&timeZone=1", -1104, "read '2' parameter(s)"),
        ("ticker/24hr?type=TINY", -1139, "Invalid ticker type."),
        ("ticker/price?symbols=BTCUSDT", -1100, "'symbols'"),
        ("ticker/price?symbols=[", -1100, "'symbols'"),
        ("ticker/price?symbol=BTCUSDT&symbols=[%22BTCUSDT%22]", -1128, "Combination"),
        ("exchangeInfo?symbols=[%22BTCUSDT%22,%22BTCUSDT%22]", -1151, "multiple times"),
        ("exchangeInfo?symbolStatus=OPEN", -1122, "Invalid symbolStatus."),
        ("exchangeInfo?symbol=BTCUSDT&permissions=SPOT", -1128, "Combination"),
        ("exchangeInfo?showPermissionSets=yes", -1100, "'^(true|false)$'"),
    ],
)
def test_a_public_request_is_refused_in_the_venues_words(path: str, code: int, words: str) -> None:
    async def work(client: Client) -> None:
        status, answer = await client.ask("GET", path)
        assert (status, answer["code"]) == (400, code), answer
        assert words in answer["msg"]

    use(work)


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("allOrders", {}, -1102),
        ("allOrders", {"symbol": "BTCUSDT", "limit": 1001}, -1130),
        ("allOrders", {"symbol": "BTCUSDT", "startTime": 0, "endTime": 86_400_001}, -1127),
        ("myTrades", {}, -1102),
        ("myTrades", {"symbol": "BTCUSDT", "limit": 0}, -1130),
        ("myTrades", {"symbol": "BTCUSDT", "fromId": 1, "startTime": 1}, -1128),
        ("myTrades", {"symbol": "BTCUSDT", "orderId": 1, "endTime": 1}, -1128),
        ("account", {"omitZeroBalances": "yes"}, -1100),
        ("account", {"page": 1}, -1104),
    ],
)
def test_a_request_of_an_account_is_refused_in_the_venues_words(
    path: str, params: dict[str, Any], code: int
) -> None:
    async def work(client: Client) -> None:
        status, answer = await client.signed("GET", path, **params)
        assert (status, answer["code"]) == (400, code), answer

    use(work)


def test_orders_and_fills_come_in_pages() -> None:
    async def work(client: Client) -> None:
        placed = [await client.ok("POST", "order", **BUY_NOW | {"quantity": "0.01"})] + [
            await client.ok("POST", "order", **ORDER) for _ in range(4)
        ]
        ids = [row["orderId"] for row in placed]

        async def orders(**params: Any) -> list[int]:
            rows = await client.ok("GET", "allOrders", symbol="BTCUSDT", **params)
            return [row["orderId"] for row in rows]

        assert await orders() == ids
        assert await orders(limit=2) == ids[-2:]
        assert await orders(orderId=ids[1], limit=2) == ids[1:3]
        assert await orders(startTime=placed[0]["transactTime"], limit=1) == ids[:1]
        assert await orders(endTime=1) == []
        second = await client.ok("POST", "order", **BUY_NOW | {"quantity": "0.01"})
        trades = [[fill["tradeId"] for fill in order["fills"]] for order in (placed[0], second)]

        async def fills(**params: Any) -> list[int]:
            rows = await client.ok("GET", "myTrades", symbol="BTCUSDT", **params)
            return [row["id"] for row in rows]

        assert await fills() == trades[0] + trades[1]
        assert await fills(limit=1) == trades[1][-1:]
        assert await fills(fromId=0, limit=1) == trades[0][:1]
        assert await fills(startTime=0, limit=1) == trades[0][:1]
        assert await fills(orderId=second["orderId"]) == trades[1]
        assert await fills(orderId=1) == []

    use(work)


def test_the_account_has_the_documented_fields() -> None:
    async def work(client: Client) -> None:
        client._account.of("BTC").free = Decimal(0)
        account = await client.ok("GET", "account", omitZeroBalances="true")
        assert [row["asset"] for row in account["balances"]] == ["USDT"]
        assert account.keys() >= {
            *("makerCommission", "commissionRates", "canTrade", "accountType", "permissions"),
            *("uid", "updateTime", "brokered", "requireSelfTradePrevention", "preventSor"),
        }

    use(work)


def test_what_query_and_body_both_have_counts_as_in_the_query() -> None:
    async def work(client: Client) -> None:
        query = urlencode({**ORDER, "timestamp": milliseconds()})
        body = "quantity=0.02&newClientOrderId=body"
        signature = client.signature(query + body)
        url = f"/api/v3/order?{query}"
        headers = {
            "X-MBX-APIKEY": client.keys["api_key"],
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body += f"&signature={signature}"
        async with client._session.post(url, data=body, headers=headers) as answer:
            row = await answer.json()
        assert (row["origQty"], row["clientOrderId"]) == ("0.01000000", "body")

    use(work)


# REST: signatures, paths, limits.


def test_signatures_and_keys_are_refused_in_the_venues_words() -> None:
    async def work(client: Client) -> None:
        stamp = {"timestamp": milliseconds()}
        unsigned = await client.ask("GET", "account", **stamp)
        assert (unsigned[0], unsigned[1]["code"]) == (400, -1102)
        assert "'signature'" in unsigned[1]["msg"]
        wrong = await client.ask("GET", "account", **stamp, signature="0" * 64)
        words = "Signature for this request is not valid."
        assert wrong == (400, {"code": -1022, "msg": words})
        strange = {"X-MBX-APIKEY": "x" * 64}
        status, answer = await client.signed("GET", "account", headers=strange)
        words = "Invalid API-key, IP, or permissions for action."
        assert (status, answer) == (401, {"code": -2015, "msg": words})
        status, answer = await client.signed("GET", "account", headers={"X-MBX-APIKEY": ""})
        assert (status, answer) == (401, {"code": -2014, "msg": "API-key format invalid."})

    use(work)


def test_unknown_paths_are_not_there_and_listen_keys_are_gone() -> None:
    async def work(client: Client) -> None:
        for method, path in [("GET", "nothing"), ("POST", "depth"), ("GET", "order/oco")]:
            status, answer = await client.ask(method, path)
            assert (status, "404 Not Found" in answer) == (404, True)
        for method in ("POST", "PUT", "DELETE"):
            status, answer = await client.ask(method, "userDataStream")
            assert (status, "410 Gone" in answer) == (410, True)

    use(work)


def test_every_answer_tells_the_weight_that_was_used() -> None:
    async def work(client: Client) -> None:
        async def weight(request: Awaitable[Any]) -> int:
            before = client.server.dialect.numbers[client.server.dialect.minute]
            await request
            used = client.headers["X-MBX-USED-WEIGHT-1M"]
            assert client.headers["X-MBX-USED-WEIGHT"] == used
            return int(used) - before

        assert await weight(client.get("ping")) == 1
        for limit, weighs in ((100, 5), (101, 25), (501, 50), (1001, 250), (9000, 250)):
            assert await weight(client.get("depth", symbol="BTCUSDT", limit=limit)) == weighs
        assert await weight(client.get("depth", symbol="BTCUSDT")) == 5
        assert await weight(client.ask("GET", "depth", symbol="NOPE")) == 5
        assert await weight(client.get("exchangeInfo")) == 20
        assert await weight(client.get("ticker/24hr")) == 80
        assert await weight(client.get("ticker/24hr", symbol="BTCUSDT")) == 2
        assert await weight(client.get("ticker/price")) == 4
        assert await weight(client.get("trades", symbol="BTCUSDT")) == 25
        assert await weight(client.ok("GET", "openOrders")) == 80
        assert await weight(client.ok("GET", "openOrders", symbol="BTCUSDT")) == 6
        assert await weight(client.ok("GET", "myTrades", symbol="BTCUSDT")) == 20
        assert await weight(client.ok("GET", "myTrades", symbol="BTCUSDT", orderId=1)) == 5
        assert await weight(client.ok("GET", "account")) == 20
        assert await weight(client.ok("POST", "order", **ORDER)) == 0
        assert await weight(client.signed("POST", "order", **ORDER | {"price": "0"})) == 1

    use(work)


def test_who_uses_too_much_weight_must_wait() -> None:
    async def work(client: Client) -> None:
        client.server.dialect.count_weight(5999)
        assert await client.get("ping") == {}
        status, answer = await client.ask("GET", "ping")
        assert (status, answer["code"]) == (429, -1003)
        assert "6000 request weight per 1 MINUTE" in answer["msg"]
        assert 0 < int(client.headers["Retry-After"]) <= 60
        status, answer = await client.signed("POST", "order", **ORDER)
        assert (status, client.orders) == (429, [])

    use(work)


def test_orders_that_are_not_filled_are_counted_and_bounded() -> None:
    async def work(client: Client) -> None:
        await client.ok("POST", "order", **BUY_NOW)
        assert client.headers["X-MBX-ORDER-COUNT-1D"] == "0"
        small = ORDER | {"quantity": "0.001"}
        until = time.time() + 20
        while time.time() < until:
            status, answer = await client.signed("POST", "order", **small)
            if status != 200:
                break
        assert (status, answer["code"]) == (429, -1015)
        assert "Retry-After" not in client.headers
        assert answer["msg"] == "Too many new orders; current limit is 50 orders per 10 SECOND."
        ten_seconds, _ = await client.ok("GET", "rateLimit/order")
        assert (ten_seconds["limit"], ten_seconds["count"]) == (50, 50)

    use(work)


# Market streams.


async def next_frame(socket: aiohttp.ClientWebSocketResponse) -> Any:
    message = await socket.receive(timeout=5)
    assert message.type is aiohttp.WSMsgType.TEXT, message
    return json.loads(message.data)


async def ask_socket(socket: aiohttp.ClientWebSocketResponse, **message: Any) -> Any:
    """The answer; frames that come before it are left out."""
    await socket.send_json(message)
    while "id" not in (frame := await next_frame(socket)):
        pass
    return frame


async def frame_of(socket: aiohttp.ClientWebSocketResponse, stream: str) -> Any:
    while (frame := await next_frame(socket)).get("stream") != stream:
        pass
    return frame["data"]


@contextlib.asynccontextmanager
async def flowing(client: Client) -> AsyncIterator[None]:
    client.server.rate = 200.0
    try:
        yield
    finally:
        client.server.rate = 0.0


STREAMS = {
    "depth": {"e", "E", "s", "U", "u", "b", "a"},
    "depth@100ms": {"e", "E", "s", "U", "u", "b", "a"},
    "depth5": {"lastUpdateId", "bids", "asks"},
    "depth10@100ms": {"lastUpdateId", "bids", "asks"},
    "depth20@1000ms": {"lastUpdateId", "bids", "asks"},
    "trade": {"e", "E", "s", "t", "p", "q", "T", "m", "M"},
    "aggTrade": {"e", "E", "s", "a", "p", "q", "f", "l", "T", "m", "M"},
    "bookTicker": {"u", "s", "b", "B", "a", "A"},
    "miniTicker": {"e", "E", "s", "c", "o", "h", "l", "v", "q"},
    "ticker": {*"eEspPwxcQbBaAohlvqOCFLn"},
    "avgPrice": {"e", "E", "s", "i", "w", "T"},
    "kline_1m": {"e", "E", "s", "k"},
}


@pytest.mark.parametrize("channel", STREAMS)
@pytest.mark.parametrize("address", ["/ws/{}", "/stream?streams={}"])
def test_each_stream_that_is_accepted_speaks(channel: str, address: str) -> None:
    stream = f"btcusdt@{channel}"

    async def work(client: Client) -> None:
        async with client.socket(address.format(stream)) as socket, flowing(client):
            frame = await next_frame(socket)
            if address.startswith("/stream"):
                assert frame["stream"] == stream
                frame = frame["data"]
        assert set(frame) == STREAMS[channel]
        times = [frame[name] for name in ("E", "T", "O", "C") if name in frame]
        assert all(10**12 < value < 10**13 for value in times)
        prices = [frame[name] for name in ("p", "q", "c", "w", "l", "B") if name in frame]
        texts = [text for text in prices if isinstance(text, str)]
        assert all(map(FIXED.fullmatch, texts))
        if "bids" in frame:
            assert len(frame["bids"]) == int(re.sub("@.*|depth", "", channel))

    use(work)


def test_a_candle_is_closed_before_the_next_begins() -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws/btcusdt@kline_1s") as socket, flowing(client):
            candles = [(await next_frame(socket))["k"] for _ in range(6)]
        starts = [candle["t"] for candle in candles]
        assert starts == sorted(starts)
        for before, candle in pairwise(candles):
            assert before["x"] == (before["t"] < candle["t"])
        closed = [candle for candle in candles if candle["x"]]
        assert len(closed) >= 2
        assert all(candle["T"] == candle["t"] + 999 for candle in candles)
        assert all(Decimal(candle["v"]) > 0 for candle in closed)

    use(work)


@pytest.mark.parametrize("channel", ["depth", "depth@100ms"])
def test_a_book_of_snapshot_and_stream_is_the_venues(channel: str) -> None:
    async def work(client: Client) -> None:
        async with client.socket(f"/ws/btcusdt@{channel}") as socket:
            async with flowing(client):
                events = [await next_frame(socket)]
                snapshot = await client.get("depth", symbol="BTCUSDT", limit=5000)
                sides = {
                    "b": dict(map(tuple, snapshot["bids"])),
                    "a": dict(map(tuple, snapshot["asks"])),
                }
                events += [await next_frame(socket) for _ in range(3)]
            while events[-1]["u"] < client.server.book(PAIR).update_id:
                client.server.send_depth(PAIR)
                events.append(await next_frame(socket))
        last_id = snapshot["lastUpdateId"]
        events = [event for event in events if event["u"] > last_id]
        assert events[0]["U"] <= last_id + 1
        zeros = 0
        for event in events:
            assert event["U"] <= last_id + 1
            last_id = event["u"]
            for name, side in sides.items():
                for price, size in event[name]:
                    side[price] = size
                    if size == "0.00000000":
                        del side[price]
                        zeros += 1
        assert zeros
        truth = client.server.book(PAIR)
        for name, side_name in (("b", "buy"), ("a", "sell")):
            levels = {Decimal(price): Decimal(size) for price, size in sides[name].items()}
            assert levels == dict(truth.levels(side_name))

    use(work)


def test_streams_are_listed_and_enveloped_as_set() -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws") as socket:
            params = ["btcusdt@trade", "btcusdt@depth"]
            answer = await ask_socket(socket, method="SUBSCRIBE", params=params, id="a-1")
            assert answer == {"result": None, "id": "a-1"}
            answer = await ask_socket(socket, method="LIST_SUBSCRIPTIONS", id=2)
            assert sorted(answer["result"]) == sorted(params)
            answer = await ask_socket(socket, method="GET_PROPERTY", params=["combined"], id=3)
            assert answer == {"result": False, "id": 3}
            combined = ["combined", True]
            answer = await ask_socket(socket, method="SET_PROPERTY", params=combined, id=4)
            assert answer == {"result": None, "id": 4}
            await client.ok("POST", "order", **BUY_NOW)
            assert (await frame_of(socket, "btcusdt@trade"))["e"] == "trade"
            away = ["btcusdt@trade"]
            answer = await ask_socket(socket, method="UNSUBSCRIBE", params=away, id=None)
            assert answer == {"result": None, "id": None}
            answer = await ask_socket(socket, method="LIST_SUBSCRIPTIONS", id=5)
            assert answer["result"] == ["btcusdt@depth"]

    use(work)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("no json", 3, "Invalid JSON"),
        ("[]", 2, "Invalid request"),
        ('{"method": "SUBSCRIBE", "params": ["btcusdt@trade"]}', 2, "request ID must be"),
        ('{"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1.5}', 2, "request ID"),
        ('{"method": "SUBSCRIBE", "params": ["a@trade"], "id": 9223372036854775808}', 2, "ID"),
        ('{"id": 1}', 2, "missing field `method`"),
        ('{"method": "LOGIN", "id": 1}', 2, "unknown variant `LOGIN`, expected one of `SUBSCRIBE`"),
        ('{"method": "SUBSCRIBE", "id": 1}', 2, "invalid stream"),
        ('{"method": "SUBSCRIBE", "params": "btcusdt@trade", "id": 1}', 2, "too many parameters"),
        ('{"method": "SUBSCRIBE", "params": ["btcusdt@kline_7m"], "id": 1}', 2, "invalid stream"),
        ('{"method": "SUBSCRIBE", "params": ["nope@trade"], "id": 1}', 2, "invalid stream"),
        ('{"method": "SUBSCRIBE", "params": ["BTCUSDT@trade"], "id": 1}', 2, "invalid stream"),
        (
            '{"method": "SUBSCRIBE", "params": ["btcusdt@trade", "btcusdt@depth6"], "id": 1}',
            2,
            "invalid stream",
        ),
        ('{"method": "LIST_SUBSCRIPTIONS", "params": ["a"], "id": 1}', 2, "too many parameters"),
        ('{"method": "GET_PROPERTY", "params": ["speed"], "id": 1}', 0, "Unknown property"),
        ('{"method": "GET_PROPERTY", "params": [1], "id": 1}', 2, "property name must be a string"),
        ('{"method": "SET_PROPERTY", "params": ["combined", 1], "id": 1}', 1, "expected Boolean"),
    ],
)
def test_a_message_to_the_streams_is_refused_in_the_venues_words(
    text: str, code: int, words: str
) -> None:
    async def work(client: Client) -> None:
        async with client.socket("/stream") as socket:
            await socket.send_str(text)
            answer = await next_frame(socket)
            assert answer["error"]["code"] == code
            assert words in answer["error"]["msg"]
            assert (await ask_socket(socket, method="LIST_SUBSCRIPTIONS", id=9))["result"] == []

    use(work)


def test_an_address_with_a_stream_that_is_not_offered_says_so() -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws/btcusdt@forceOrder") as socket:
            answer = await next_frame(socket)
            assert answer["error"] == {"code": 2, "msg": "Invalid request: invalid stream"}

    use(work)


# The websocket API.


async def subscribe_account(client: Client, socket: aiohttp.ClientWebSocketResponse) -> Any:
    method = "userDataStream.subscribe.signature"
    answer = await ask_socket(socket, id="user", method=method, params=client.api_params())
    assert answer["status"] == 200, answer
    return answer["result"]["subscriptionId"]


async def executions(socket: aiohttp.ClientWebSocketResponse, last: str) -> list[Any]:
    """The execution reports up to one of that status."""
    found: list[Any] = []
    while not found or found[-1]["X"] != last:
        event = (await next_frame(socket))["event"]
        if event["e"] == "executionReport":
            found.append(event)
    return found


def test_the_websocket_api_answers_with_its_limits() -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws-api/v3") as socket:
            answer = await ask_socket(socket, id=1, method="ping")
            (limit,) = answer.pop("rateLimits")
            assert answer == {"id": 1, "status": 200, "result": {}}
            assert (limit["rateLimitType"], limit["limit"]) == ("REQUEST_WEIGHT", 6000)
            hidden = {"returnRateLimits": False}
            answer = await ask_socket(socket, id="x", method="v3/time", params=hidden)
            assert answer.keys() == {"id", "status", "result"}
            more = await ask_socket(
                socket, id=None, method="depth", params={"symbol": "BTCUSDT", "limit": 5}
            )
            assert (more["id"], len(more["result"]["bids"])) == (None, 5)
            assert more["rateLimits"][0]["count"] == limit["count"] + 1 + 5
        async with client.socket("/ws-api/v3?returnRateLimits=false") as socket:
            assert "rateLimits" not in await ask_socket(socket, id=1, method="ping")
            shown = {"returnRateLimits": True}
            assert "rateLimits" in await ask_socket(socket, id=1, method="ping", params=shown)

    use(work)


def test_an_order_lives_on_the_websocket_api() -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws-api/v3") as socket:

            async def ask(method: str, **params: Any) -> Any:
                params = client.api_params(**params)
                return await ask_socket(socket, id=7, method=method, params=params)

            tested = await ask("order.test", **ORDER)
            assert (tested["result"], client.orders) == ({}, [])
            placed = await ask("order.place", **ORDER, newClientOrderId="mine")
            assert (placed["status"], placed["result"]["status"]) == (200, "NEW")
            kinds = [limit["rateLimitType"] for limit in placed["rateLimits"]]
            assert kinds == ["ORDERS", "ORDERS", "REQUEST_WEIGHT"]
            assert placed["rateLimits"][0]["count"] == 1
            (order,) = client.orders
            assert order.id == placed["result"]["orderId"]
            symbol = {"symbol": "BTCUSDT"}
            shown = await ask("order.status", **symbol, orderId=order.id)
            assert shown["result"]["clientOrderId"] == "mine"
            assert len((await ask("openOrders.status"))["result"]) == 1
            cancelled = await ask("order.cancel", **symbol, origClientOrderId="mine")
            assert (cancelled["result"]["status"], order.state) == ("CANCELED", "cancelled")
            await ask("order.place", **ORDER)
            (gone,) = (await ask("openOrders.cancelAll", **symbol))["result"]
            assert gone["status"] == "CANCELED"
            filled = (await ask("order.place", **BUY_NOW))["result"]
            trades = (await ask("myTrades", **symbol))["result"]
            assert [row["id"] for row in trades] == [fill["tradeId"] for fill in filled["fills"]]
            assert len((await ask("allOrders", **symbol))["result"]) == 3
            balances = (await ask("account.status"))["result"]["balances"]
            assert {row["asset"] for row in balances} == {"BTC", "USDT"}

    use(work)


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        ("no json", 400, -1135),
        ("[]", 400, -1135),
        ('{"id": [1], "method": "ping"}', 400, -1135),
        ({"id": 1}, 400, -1135),
        ({"id": None, "method": 7}, 400, -1135),
        ({"id": 1, "method": "ping", "params": []}, 400, -1135),
        ({"id": 1, "method": "order.placed"}, 400, -5000),
        ({"id": 1, "method": "uiKlines", "params": {"symbol": "BTCUSDT"}}, 400, -5000),
        ({"id": 1, "method": "userDataStream.start"}, 400, -5000),
        ({"id": 1, "method": "userDataStream.subscribe"}, 401, -2015),
        ({"id": 1, "method": "userDataStream.unsubscribe"}, 400, -2036),
        ({"id": 1, "method": "time", "params": {"a": 1, "b": 2}}, 400, -1101),
        ({"id": 1, "method": "depth", "params": {"symbol": "NOPE"}}, 400, -1121),
        ({"id": 1, "method": "depth", "params": {"symbol": ["BTCUSDT"]}}, 400, -1100),
        ({"id": 1, "method": "order.place", "params": ORDER}, 400, -1102),
        ({"id": 1, "method": "session.logon"}, 400, -1102),
    ],
)
def test_a_request_to_the_websocket_api_is_refused_in_the_venues_words(
    message: Any, status: int, code: int
) -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws-api/v3") as socket:
            await socket.send_str(message if isinstance(message, str) else json.dumps(message))
            answer = await next_frame(socket)
            assert answer["id"] == (message["id"] if isinstance(message, dict) else None)
            assert (answer["status"], answer["error"]["code"]) == (status, code), answer
            assert answer["rateLimits"]
            assert client.orders == []
            assert (await ask_socket(socket, id=2, method="ping"))["status"] == 200

    use(work)


def test_orders_on_the_websocket_api_must_be_signed() -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws-api/v3") as socket:
            signed = client.api_params(**ORDER)
            for changes, status, code in [
                ({"signature": "0" * 64}, 400, -1022),
                ({"price": "29999"}, 400, -1022),
                ({"apiKey": "x"}, 401, -2015),
                ({"timestamp": "now"}, 400, -1100),
            ]:
                params = signed | changes
                answer = await ask_socket(socket, id=1, method="order.place", params=params)
                assert (answer["status"], answer["error"]["code"]) == (status, code)
            old = client.api_params(**ORDER, timestamp=1)
            answer = await ask_socket(socket, id=1, method="order.place", params=old)
            assert answer["error"]["code"] == -1021
            unread = client.api_params(**ORDER, color="red")
            answer = await ask_socket(socket, id=1, method="order.place", params=unread)
            assert answer["error"]["code"] == -1104
            assert client.orders == []
            login = client.api_params()
            answer = await ask_socket(socket, id=1, method="session.logon", params=login)
            assert answer["error"]["msg"] == "HMAC_SHA256 API key is not supported."

    use(work)


def test_an_accounts_events_are_subscribed_once_and_end() -> None:
    async def work(client: Client) -> None:
        async with client.socket("/ws-api/v3") as socket:
            status = await ask_socket(socket, id=1, method="session.status")
            assert status["result"]["userDataStream"] is False
            number = await subscribe_account(client, socket)
            method = "userDataStream.subscribe.signature"
            again = await ask_socket(socket, id=2, method=method, params=client.api_params())
            assert again["error"]["code"] == -2035
            listed = await ask_socket(socket, id=3, method="session.subscriptions")
            assert listed["result"] == [{"subscriptionId": number}]
            await client.ok("POST", "order", **ORDER)
            frame = await next_frame(socket)
            assert frame["subscriptionId"] == number
            report = frame["event"]
            assert {*"eEscSofqpPFgCxXriIlzLnNTtwmMOZYQWV"} == set(report)
            assert (report["n"], report["N"], report["l"]) == ("0", None, "0.00000000")
            position = (await next_frame(socket))["event"]
            assert odd_decimals(position) == []
            params = {"subscriptionId": number}
            end = await ask_socket(socket, id=4, method="userDataStream.unsubscribe", params=params)
            assert (end["status"], end["result"]) == (200, {})
            await client.ok("POST", "order", **ORDER)
            assert (await ask_socket(socket, id=5, method="ping"))["id"] == 5
            assert await subscribe_account(client, socket) == number + 1

    use(work)


def test_a_market_order_without_enough_to_take_expires() -> None:
    async def work(client: Client) -> None:
        for order in [o for q in client.server.book(PAIR).sides["sell"].values() for o in q.orders]:
            if client.server.book(PAIR).best("sell") != order.price:
                client.server.venue.cancel(order, client.server.now_ns())
        async with client.socket("/ws-api/v3") as socket:
            await subscribe_account(client, socket)
            placed = await client.ok("POST", "order", **BUY_NOW | {"quantity": "5"})
            reports = await executions(socket, "EXPIRED")
        assert placed["status"] == "EXPIRED"
        assert 0 < Decimal(placed["executedQty"]) < 5
        assert (reports[-1]["x"], reports[-1]["eR"]) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")

    use(work)


def test_the_page_names_what_is_served() -> None:
    async def work(client: Client) -> None:
        dialect = client.server.dialect
        streams = {"SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY"}
        refused = {"session.logon", "userDataStream.subscribe"}
        served_methods = {*dialect._by_method, *dialect._session_methods} - refused
        assert set(dialect.offered_methods) - streams == served_methods
        channels = {channel.replace("@1000ms", "") for channel in dialect.channels()}
        channels = {re.sub("depth[0-9]+", "depth<levels>", channel) for channel in channels}
        channels = {re.sub("kline_.*", "kline_<interval>", channel) for channel in channels}
        assert {stream.partition("@")[2] for stream in dialect.offered_streams} == channels

    use(work)
