"""Kraken's words: REST v0 and the socket's v2."""

import hashlib
import json
import math
import time
from base64 import b64decode
from decimal import Decimal
from typing import Any

from exchanges.requests import AuthDict, UnsignedRequest
from exchanges.signing import hmac_base64
from tests.sandbox.fuzzing.engine import Fuzz, Kind, Mistake, Terms, Words
from tests.sandbox.fuzzing.rest import Rest
from tests.sandbox.fuzzing.socket import Socket
from trochil.sandbox.dialects.kraken.rows import execution_id, order_id, sent_client_id

PAIRS = ("BTC-USDT", "ETH-USDT", "ETH-BTC")
TOKEN = "a token of the fuzz"
UNKNOWN_ORDER = "O00000-00000-000001"


def refused(status: int, body: Any) -> bool:
    return isinstance(body, dict) and bool(body["error"]) and "result" not in body


def public(name: str, *params: str, mandatory: tuple[str, ...] = ()) -> Rest:
    return Rest("GET", f"/0/public/{name}", refused, params=params, mandatory=mandatory)


def private(name: str, *params: str, mandatory: tuple[str, ...] = (), kind: Kind = "query") -> Rest:
    return Rest(
        "POST",
        f"/0/private/{name}",
        refused,
        venue="kraken",
        kind=kind,
        params=params,
        mandatory=mandatory,
        in_body=True,
    )


class JsonRest(Rest):
    """Batches have lists, which no form has."""

    def _signed(self, fuzz: Fuzz, request: UnsignedRequest, mistake: Mistake) -> AuthDict:
        """With a nonce above the last one of the key."""
        keys = fuzz.venue.account.keys
        secret = b64decode(keys["api_secret"])
        if mistake == "wrong signature":
            secret = secret[::-1]
        nonce = str(
            max(time.time_ns() // 1000, fuzz.venue.server.dialect.numbers[keys["api_key"]] + 1)
        )
        text = json.dumps({"nonce": nonce, **(request.body or {})})
        digest = hashlib.sha256(f"{nonce}{text}".encode()).digest()
        signature = hmac_base64(secret, request.target.encode() + digest, "sha512")
        api_key = "nobody" if mistake == "unknown key" else keys["api_key"]
        return request.signed({"API-Key": api_key, "API-Sign": signature}, data=text)


def batched(name: str, *params: str, mandatory: tuple[str, ...], kind: Kind) -> Rest:
    return JsonRest(
        "POST",
        f"/0/private/{name}",
        refused,
        venue="kraken",
        kind=kind,
        params=params,
        mandatory=mandatory,
        in_body=True,
        count=done_rows,
    )


def done_rows(body: Any) -> int:
    """Of an answer to orders or to cancels."""
    result = body["result"]
    if "count" in result:
        return int(result["count"])
    return sum("txid" in row for row in result["orders"])


def socket(
    method: str,
    *params: str,
    mandatory: tuple[str, ...] = (),
    kind: Kind = "query",
    fixed: dict[str, Any] | None = None,
) -> Socket:
    """``fixed``: fields besides the parameters."""

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        dialect: Any = fuzz.venue.server.dialect
        dialect.tokens[TOKEN] = (fuzz.venue.account, math.inf)
        token = "no token" if mistake == "wrong signature" else TOKEN
        name = "fly" if mistake == "wrong method" else method
        content = {"token": token, **(fixed or {}), **sent}
        return {"method": name, "params": content, "req_id": fuzz.fresh_number()}

    def answer(message: Any, frame: Any) -> str | None:
        if frame.get("req_id") != message["req_id"]:
            return None
        return "taken" if frame["success"] else "refused"

    return Socket(
        f"{method} {(fixed or {}).get('channel', '')}".rstrip(),
        "/v2",
        make,
        answer,
        kind,
        params,
        mandatory,
        mistakes=(
            "missing",
            "wrong value",
            "unknown parameter",
            "not offered",
            "wrong signature",
            "wrong method",
        ),
    )


def market_channel(channel: str, *params: str) -> Socket:
    """Follows it and leaves it at once, else the next subscription were refused."""
    made = socket("subscribe", "symbol", *params, mandatory=("symbol",), fixed={"channel": channel})
    with_token = made.make

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        for connection in fuzz.venue.server.connections:
            connection.topics.clear()
        message = with_token(fuzz, sent, mistake)
        del message["params"]["token"]
        return message

    made.make = make
    made.mistakes = ("missing", "wrong value", "unknown parameter", "not offered", "wrong method")
    return made


# Values.


def txid(fuzz: Fuzz) -> str:
    order = fuzz.some_order()
    return UNKNOWN_ORDER if order is None else order_id(order)


def txids(fuzz: Fuzz) -> list[str]:
    return [txid(fuzz)]


def client_text(fuzz: Fuzz) -> str:
    order = fuzz.some_order()
    return (sent_client_id(order) if order is not None else "") or "none"


def trade_id(fuzz: Fuzz) -> str:
    fills = fuzz.venue.server.venue.fills
    return execution_id(fuzz.random.choice(fills)) if fills else "T00000-00000-000000"


def fresh_text(fuzz: Fuzz) -> str:
    return f"fuzz-{fuzz.fresh_number()}"


def batch(fuzz: Fuzz) -> list[dict[str, Any]]:
    order = {"order_type": "limit", "side": "buy", "order_qty": 0.01, "limit_price": 30000}
    return [order, order | {"cl_ord_id": fresh_text(fuzz)}]


def rest_batch(fuzz: Fuzz) -> list[dict[str, Any]]:
    order = {"ordertype": "limit", "type": "buy", "volume": "0.01", "price": "30000"}
    return [order, order | {"cl_ord_id": fresh_text(fuzz)}]


def terms(params: dict[str, Any]) -> Terms:
    price = params.get("price", params.get("limit_price"))
    return Terms(
        side=params.get("type", params.get("side")),
        amount=Decimal(str(params.get("volume", params.get("order_qty")))),
        price=None if price is None else Decimal(str(price)),
        client_id=params.get("cl_ord_id"),
    )


ORDER = ("pair", "type", "ordertype", "volume", "price")
SOCKET_ORDER = ("symbol", "side", "order_type", "order_qty", "limit_price")
CHECK = private("AddOrder", *ORDER, "userref", mandatory=ORDER, kind="check")
CHECK.body = lambda params: {**params, "validate": "true"}
NUMBERS = ("0", "-1", "1e400", "NaN", "Infinity", "0x10", "1,5", "many", "１")
JSON_NUMBERS = (0, -1, True, "0.01", [1], {}, 10**30)
WORDS = Words(
    endpoints=[
        public("Time"),
        public("SystemStatus"),
        public("Assets", "asset"),
        public("AssetPairs", "pair", "info"),
        public("Ticker", "pair"),
        public("Depth", "pair", "count", mandatory=("pair",)),
        public("Trades", "pair", "since", "count", mandatory=("pair",)),
        public("OHLC", "pair", "interval", "since", mandatory=("pair",)),
        private("AddOrder", *ORDER, "cl_ord_id", "oflags", mandatory=ORDER, kind="place"),
        CHECK,
        batched(
            "AddOrderBatch",
            *("pair", "orders"),
            mandatory=("pair", "orders"),
            kind="place_many",
        ),
        batched("CancelOrderBatch", "orders", mandatory=("orders",), kind="cancel_many"),
        private("CancelOrder", "txid", mandatory=("txid",), kind="cancel"),
        private("CancelOrder", "cl_ord_id", mandatory=("cl_ord_id",), kind="cancel"),
        private("CancelAll", kind="cancel_all"),
        private("CancelAllOrdersAfter", "timeout", mandatory=("timeout",)),
        private("OpenOrders", "trades", "userref"),
        private("ClosedOrders", "trades", "cl_ord_id", "ofs", "start", "end", "closetime"),
        private("QueryOrders", "txid", "trades", mandatory=("txid",)),
        private("TradesHistory", "type", "ofs", "start", "end", "consolidate_taker"),
        private("QueryTrades", "txid", mandatory=("txid",)),
        private("Balance"),
        private("BalanceEx"),
        private("TradeVolume", "pair"),
        private("GetWebSocketsToken"),
        socket(
            "add_order",
            *SOCKET_ORDER,
            "cl_ord_id",
            "post_only",
            mandatory=SOCKET_ORDER,
            kind="place",
        ),
        socket("batch_add", "symbol", "orders", mandatory=("symbol", "orders"), kind="place_many"),
        socket("cancel_order", "order_id", mandatory=("order_id",), kind="cancel"),
        socket("cancel_all", kind="cancel_all"),
        market_channel("book", "depth", "snapshot"),
        market_channel("trade", "snapshot"),
        market_channel("ticker", "event_trigger"),
        market_channel("ohlc", "interval"),
    ],
    right={
        "pair": ("XBTUSDT", "XXBTUSDT", "BTC/USDT"),
        "asset": ("XBT", "XXBT,USDT"),
        "info": ("info", "fees", "leverage", "margin"),
        "count": ("1", "5", "500"),
        "since": ("0", "1700000000"),
        "interval": ("1", "5", "1440"),
        "subscribe ohlc interval": (1, 5, 1440),
        "type": ("buy", "sell"),
        "POST /0/private/TradesHistory type": ("all", "no position", "closed position"),
        "ordertype": ("limit",),
        "volume": ("0.001", "0.01", "0.12345"),
        "price": ("30000.00", "59000.5", "61000", "90000"),
        "cl_ord_id": (fresh_text,),
        "POST /0/private/CancelOrder cl_ord_id": (client_text,),
        "userref": ("1", "-2147483648"),
        "oflags": ("fciq", "post", "post,fciq"),
        "trades": ("true", "false"),
        "txid": (txid,),
        "POST /0/private/QueryTrades txid": (trade_id,),
        "timeout": ("0", "86400"),
        "ofs": ("0", "10"),
        "start": ("0", "1700000000.5"),
        "end": ("2000000000",),
        "closetime": ("open", "close", "both"),
        "consolidate_taker": ("true", "false"),
        "symbol": ("BTC/USDT", "ETH/USDT"),
        **{f"subscribe {name} symbol": (["BTC/USDT"],) for name in ("book", "trade", "ticker")},
        "subscribe ohlc symbol": (["BTC/USDT"],),
        "side": ("buy", "sell"),
        "order_type": ("limit",),
        "order_qty": (0.001, 0.01, 0.12345),
        "limit_price": (30000, 2900.5, 61000),
        "post_only": (True, False),
        "orders": (batch,),
        "POST /0/private/AddOrderBatch orders": (rest_batch,),
        "POST /0/private/CancelOrderBatch orders": (txids,),
        "order_id": (txids,),
        "depth": (10, 25, 1000),
        "snapshot": (True, False),
        "event_trigger": ("bbo", "trades"),
    },
    wrong={
        "pair": ("BTC-USDT", "xbtusdt", "NOPE", "XBTUSDT,,", "XBTUSDT%00"),
        "asset": ("NOPE", "XBT,"),
        "info": ("all", "1"),
        "count": ("0", "-1", "ten", "1.5", "99999999999999999999"),
        "since": ("-1", "ten", "1e5", "99999999999999999999"),
        "interval": ("0", "2", "day"),
        "subscribe ohlc interval": (0, 2, "1", True, "minute"),
        "type": ("BUY", "hold", "1"),
        "ordertype": ("stop-loss", "iceberg", "LIMIT", "settle-position"),
        "volume": (*NUMBERS, "0.000001", "1e9"),
        "price": (*NUMBERS, "+5", "#5", "5%", "30000.001"),
        "cl_ord_id": ("x" * 19, "ünï", "tab\there"),
        "POST /0/private/CancelOrder cl_ord_id": ("nobody's",),
        "userref": ("1.5", "2147483648", "x"),
        "oflags": ("fcib", "viqc", "POST", "post;fciq"),
        "trades": ("1", "yes"),
        "txid": ("none", "1", "O1-2-3", UNKNOWN_ORDER, "0"),
        "timeout": ("-1", "86401", "soon"),
        "ofs": ("-1", "x"),
        "start": ("soon", "NaN", "Infinity", "T00000-00000-000000"),
        "end": ("soon", "NaN", "O00000-00000-000000"),
        "closetime": ("never",),
        "consolidate_taker": ("1",),
        "symbol": ("BTC-USDT", "XBT/USDT", "btc/usdt", 7, ["BTC/USDT"]),
        **{
            f"subscribe {name} symbol": ("BTC/USDT", [], [7], ["NOPE/USD"], {})
            for name in ("book", "trade", "ticker", "ohlc")
        },
        "side": ("BUY", "hold", 1),
        "order_type": ("stop-loss", "iceberg", 7),
        "order_qty": (*JSON_NUMBERS, 0.000001),
        "limit_price": (*JSON_NUMBERS, 30000.001),
        "post_only": ("true", 1),
        "POST /0/private/CancelOrderBatch orders": ([], "x", [7.5], [UNKNOWN_ORDER], [None], {}),
        "orders": ([], [{}], "x", [{}, {}], [7, 7]),
        "order_id": ([], "O1", [UNKNOWN_ORDER], [7]),
        "depth": (0, 5, "10", 10.5, True),
        "snapshot": ("true", 1),
        "event_trigger": ("bids", 1),
    },
    terms=terms,
    not_offered={
        "POST /0/private/AddOrder": {
            "price2": "1",
            "displayvol": "0.001",
            "leverage": "2",
            "reduce_only": "true",
            "starttm": "+10",
            "expiretm": "+10",
            "close[ordertype]": "limit",
            "trigger": "last",
            "stptype": "cancel-both",
            "timeinforce": "GTD",
            "deadline": "2001-01-01T00:00:00Z",
        },
        "POST /0/private/TradesHistory": {"ledgers": "true"},
        "add_order": {
            "triggers": {"price": 1},
            "conditional": {"order_type": "limit"},
            "display_qty": 0.001,
            "margin": True,
            "reduce_only": True,
            "expire_time": "2999-01-01T00:00:00Z",
            "stp_type": "cancel_both",
            "fee_preference": "base",
            "time_in_force": "gtd",
        },
    },
)
