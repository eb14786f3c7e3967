"""Binance's words: REST v3, the websocket API, market streams."""

import time
from decimal import Decimal
from typing import Any

from exchanges.signing import hmac_hex
from tests.sandbox.fuzzing.engine import Fuzz, Kind, Mistake, Terms, Words
from tests.sandbox.fuzzing.rest import Rest
from tests.sandbox.fuzzing.socket import Socket

PAIRS = ("BTC-USDT", "ETH-USDT", "ETH-BTC")
API = "/api/v3"


def refused(status: int, body: Any) -> bool:
    """By the venue's words; an unknown path by the page of a gateway."""
    if isinstance(body, str):
        return "404 Not Found" in body or "410 Gone" in body
    return status != 200 and isinstance(body, dict) and {"code", "msg"} == set(body)


def public(path: str, *params: str, mandatory: tuple[str, ...] = ()) -> Rest:
    return Rest("GET", API + path, refused, params=params, mandatory=mandatory)


def signed(
    method: str, path: str, *params: str, mandatory: tuple[str, ...] = (), kind: Any = "query"
) -> Rest:
    return Rest(
        method,
        API + path,
        refused,
        venue="binance",
        kind=kind,
        params=params,
        mandatory=mandatory,
    )


def on_api(
    method: str, *params: str, mandatory: tuple[str, ...] = (), kind: Kind = "query"
) -> Socket:
    """A signed method of the websocket API."""

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        keys = fuzz.venue.account.keys
        signed = sent | {"apiKey": keys["api_key"], "timestamp": int(time.time() * 1000)}
        if mistake == "unknown key":
            signed["apiKey"] = "nobody"
        payload = "&".join(f"{name}={signed[name]}" for name in sorted(signed))
        signature = hmac_hex(keys["api_secret"], payload)
        if mistake == "wrong signature":
            signature = signature[::-1]
        number = fuzz.fresh_number()
        name = f"{method}.x" if mistake == "unknown path" else method
        return {"id": number, "method": name, "params": signed | {"signature": signature}}

    def answer(message: Any, frame: Any) -> str | None:
        if frame.get("id") != message["id"]:
            return None
        return "taken" if frame["status"] == 200 else "refused"

    return Socket(
        f"ws-api {method}",
        "/ws-api/v3",
        make,
        answer,
        kind=kind,
        params=params,
        mandatory=mandatory,
        mistakes=(
            *("missing", "wrong value", "unknown parameter", "not offered"),
            *("wrong signature", "unknown key", "unknown path"),
        ),
    )


def gone(method: str) -> Rest:
    """Refused whatever it says."""
    return Rest(method, f"{API}/userDataStream", refused, kind="check")


def on_streams(method: str, path: str = "/stream") -> Socket:
    """SUBSCRIBE and UNSUBSCRIBE."""

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        name = f"{method}S" if mistake == "unknown path" else method
        unknown = {each: value for each, value in sent.items() if each not in ("id", "stream")}
        params = {"params": [sent["stream"]]} if "stream" in sent else {}
        number = {"id": sent["id"]} if "id" in sent else {}
        return {"method": name, **params, **number, **unknown}

    def answer(message: Any, frame: Any) -> str | None:
        if "error" in frame:
            return "refused"
        return "taken" if "result" in frame else None

    return Socket(
        f"streams {method} at {path}",
        path,
        make,
        answer,
        params=("stream", "id"),
        mandatory=("stream", "id"),
        mistakes=("missing", "wrong value", "unknown parameter", "unknown path"),
        served_at="/ws/{streams:.*}" if path.startswith("/ws/") else path,
    )


def client_id(fuzz: Fuzz) -> str:
    return f"fuzz-{fuzz.fresh_number()}"


def client_id_of_some_order(fuzz: Fuzz) -> str:
    order = fuzz.some_order()
    return "none" if order is None else order.client_id


def terms(params: dict[str, Any]) -> Terms:
    return Terms(
        side=str(params["side"]).lower(),
        amount=Decimal(params["quantity"]),
        price=Decimal(params["price"]),
        client_id=params.get("newClientOrderId"),
    )


def begin_a_minute(fuzz: Fuzz) -> None:
    """No request is refused for the weight of those before it."""
    dialect = fuzz.venue.server.dialect
    dialect.numbers[dialect.minute] = 0


KLINES = ("symbol", "interval", "startTime", "endTime", "limit")
ORDER = ("symbol", "side", "type", "timeInForce", "quantity", "price")
WORDS = Words(
    endpoints=[
        public("/ping"),
        public("/time"),
        public("/exchangeInfo", "symbol"),
        public("/ticker/24hr", "symbol"),
        public("/ticker/price", "symbol"),
        public("/ticker/bookTicker", "symbol"),
        public("/depth", "symbol", "limit", mandatory=("symbol",)),
        public("/aggTrades", "symbol", "limit", mandatory=("symbol",)),
        public("/trades", "symbol", "limit", mandatory=("symbol",)),
        public("/historicalTrades", "symbol", "limit", "fromId", mandatory=("symbol",)),
        public("/avgPrice", "symbol", mandatory=("symbol",)),
        *[signed("POST", "/order", *ORDER, "newClientOrderId", mandatory=ORDER, kind="place")] * 4,
        signed("POST", "/order/test", *ORDER, mandatory=ORDER, kind="check"),
        signed("GET", "/order", "symbol", "orderId", mandatory=("symbol", "orderId")),
        signed(
            "DELETE", "/order", "symbol", "orderId", mandatory=("symbol", "orderId"), kind="cancel"
        ),
        signed("GET", "/openOrders", "symbol"),
        signed("DELETE", "/openOrders", "symbol", mandatory=("symbol",), kind="cancel_all"),
        signed("GET", "/allOrders", "symbol", "limit", "orderId", mandatory=("symbol",)),
        signed("GET", "/myTrades", "symbol", "limit", "fromId", mandatory=("symbol",)),
        signed("GET", "/account"),
        signed("GET", "/rateLimit/order"),
        on_api("order.place", *ORDER, "newClientOrderId", mandatory=ORDER, kind="place"),
        on_api("order.test", *ORDER, mandatory=ORDER, kind="check"),
        on_api("order.status", "symbol", "orderId", mandatory=("symbol", "orderId")),
        on_api("order.cancel", "symbol", "orderId", mandatory=("symbol", "orderId"), kind="cancel"),
        on_api("openOrders.status", "symbol"),
        on_api("openOrders.cancelAll", "symbol", mandatory=("symbol",), kind="cancel_all"),
        on_api("allOrders", "symbol", "limit", mandatory=("symbol",)),
        on_api("myTrades", "symbol", "fromId", mandatory=("symbol",)),
        on_api("account.status"),
        *[on_streams("SUBSCRIBE", path) for path in ("/stream", "/ws", "/ws/btcusdt@trade")],
        *[gone(method) for method in ("POST", "PUT", "DELETE")],
        public("/klines", *KLINES, mandatory=("symbol", "interval")),
    ],
    right={
        "symbol": ("BTCUSDT",),
        "limit": ("1", "5", "100", "500"),
        "interval": ("1s", "1m"),
        "startTime": ("1", "1700000000000"),
        "endTime": ("1700000000000", "4100000000000"),
        "side": ("BUY", "SELL"),
        "type": ("LIMIT",),
        "timeInForce": ("GTC", "GTC", "IOC", "FOK"),
        "quantity": ("0.001", "0.01", "0.12345"),
        "price": ("30000.00", "59000.5", "61000", "90000"),
        "newClientOrderId": (client_id,),
        "orderId": (Fuzz.order_id,),
        "fromId": ("0", "1", "100"),
        "stream": ("btcusdt@trade", "ethusdt@depth@100ms", "ethbtc@depth5"),
        "id": (1, "a-b", None),
    },
    wrong={
        "symbol": ("BTC-USDT", "btcusdt", "NOPE", "", "BTCUSDT,ETHUSDT", "BTCUSDT%00"),
        "limit": ("0", "-1", "ten", "1.5", "99999999999999999999"),
        "interval": ("2m", "1", "minute", ""),
        "startTime": ("soon", "-1", "1.5"),
        "endTime": ("soon", "-1", "1.5"),
        "side": ("buy", "HOLD", "1", "BUY "),
        "type": ("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "limit", "ICEBERG"),
        "timeInForce": ("GTX", "gtc", "DAY"),
        "quantity": ("0", "-1", "0.000001", "1e9", "NaN", "Infinity", "0x10", "1,5", "many", "１"),
        "price": ("0", "-30000", "30000.001", "NaN", "1e400", "free", "30000."),
        "newClientOrderId": ("x" * 80, "a b", "ünï", "semi;colon"),
        "orderId": ("none", "-5", "1.5", "99999999999999999999999"),
        "fromId": ("none", "-5"),
        "stream": ("btcusdt@liquidation", "nope@trade", "BTCUSDT@trade", "", 7),
        "id": (1.5, True, "x" * 37, [1]),
    },
    terms=terms,
    before=begin_a_minute,
    not_offered={
        f"POST {API}/order": {
            "stopPrice": "50000",
            "icebergQty": "0.001",
            "trailingDelta": "100",
            "pegPriceType": "PRIMARY_PEG",
        },
        "ws-api order.place": {"stopPrice": "50000", "icebergQty": "0.001"},
    },
)
