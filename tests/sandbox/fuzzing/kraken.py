"""Kraken's words: REST v0 and the socket's v2."""

import hashlib
import json
import math
import time
from base64 import b64decode
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from exchanges.requests import AuthDict, UnsignedRequest
from exchanges.signing import hmac_base64
from tests.sandbox.fuzzing.engine import Fuzz, Kind, Mistake, Terms, Words
from tests.sandbox.fuzzing.rest import Rest
from tests.sandbox.fuzzing.socket import NO_MESSAGES, Socket, text_socket
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialects.kraken.requests import (
    BOOK_DEPTHS,
    CANDLE_MINUTES,
    CHANNEL_PARAMS,
    SOCKET_NEUTRAL,
    TOKEN_CHANNELS,
)
from trochil.sandbox.dialects.kraken.rows import execution_id, order_id, sent_client_id
from trochil.sandbox.formats import iso_time

PAIRS = ("BTC-USDT", "ETH-USDT", "ETH-BTC")
TOKEN = "a token of the fuzz"
STALE_TOKEN = "a token that was not used in time"
OF_MESSAGES: tuple[Mistake, ...] = (
    *("missing", "wrong value", "unknown parameter", "wrong method", "a name twice"),
)
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


# The socket.


def answer(message: Any, frame: Any) -> str | None:
    """A message that is none, or whose number is wrong, is refused without a number."""
    if isinstance(message, dict) and frame.get("req_id") not in (message.get("req_id"), None):
        return None
    if "success" in frame:
        return "taken" if frame["success"] else "refused"
    return "taken" if frame.get("method") == "pong" else None


def message_of(
    fuzz: Fuzz, method: str, params: dict[str, Any] | None, sent: dict[str, Any], mistake: Mistake
) -> Any:
    """``params``: those besides ``sent``; None where the message has none."""
    number = sent.pop("req_id", fuzz.fresh_number())
    around: dict[str, Any] = {}
    if params is None or (mistake == "unknown parameter" and fuzz.random.random() < 0.3):
        around = {name: sent.pop(name) for name in fuzz.words.unknown if name in sent}
    wrong = fuzz.random.choice(("fly", method.upper(), "edit_order", "", 7, None, [method], {}))
    name = wrong if mistake == "wrong method" else method
    content = {} if params is None else {"params": {**params, **sent}}
    return {"method": name, **content, "req_id": number, **around}


def token_of(fuzz: Fuzz, mistake: Mistake) -> Any:
    dialect: Any = fuzz.venue.server.dialect
    dialect.tokens[TOKEN] = (fuzz.venue.account, math.inf)
    dialect.tokens[STALE_TOKEN] = (fuzz.venue.account, 0)
    if mistake == "wrong signature":
        return fuzz.random.choice((STALE_TOKEN, "no token", "", "\ud800", 7, None, True, [TOKEN]))
    return TOKEN


def socket(
    method: str,
    *params: str,
    mandatory: tuple[str, ...] = (),
    kind: Kind = "query",
    fixed: dict[str, Any] | None = None,
    count: Callable[[Any], int] | None = None,
    what: str = "",
) -> Socket:
    """``fixed``: fields besides the parameters and the token."""

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        content = {"token": token_of(fuzz, mistake), **(fixed or {})}
        return message_of(fuzz, method, content, sent, mistake)

    return Socket(
        f"{method} {what}".rstrip(),
        "/v2",
        make,
        answer,
        kind,
        (*params, "req_id"),
        mandatory,
        mistakes=(*OF_MESSAGES, "not offered", "wrong signature"),
        method=method,
        count=count,
        shared="orders",
    )


def ping() -> Socket:
    return Socket(
        "ping",
        "/v2",
        lambda fuzz, sent, mistake: message_of(fuzz, "ping", None, sent, mistake),
        answer,
        params=("req_id",),
        mistakes=("wrong value", "unknown parameter", "wrong method", "a name twice"),
        method="ping",
    )


def channel_socket(method: str, channel: str) -> Socket:
    """On a socket of its own; who unsubscribes follows it first."""
    needs_token = channel in TOKEN_CHANNELS
    has_symbols = "symbol" in CHANNEL_PARAMS[channel]
    names = tuple(name for name in CHANNEL_PARAMS[channel] if name != "token")

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        token = {"token": token_of(fuzz, mistake)} if needs_token else {}
        return message_of(fuzz, method, {"channel": channel, **token}, sent, mistake)

    def opening(fuzz: Fuzz) -> Any:
        token = {"token": token_of(fuzz, "none")} if needs_token else {}
        symbol = {"symbol": ["BTC/USDT"]} if has_symbols else {}
        return {"method": "subscribe", "params": {"channel": channel, **token, **symbol}}

    def done(connection: Connection, message: Any, frame: Any) -> bool:
        symbols = message["params"].get("symbol", [""])
        followed = [
            any(topic.startswith(f"{channel}:{symbol}:") for topic in connection.topics)
            for symbol in symbols
        ]
        return all(followed) if method == "subscribe" else not any(followed)

    return Socket(
        f"{method} {channel}",
        "/v2",
        make,
        answer,
        params=(*names, "req_id"),
        mandatory=("symbol",) if has_symbols else (),
        mistakes=(*OF_MESSAGES, "wrong signature") if needs_token else OF_MESSAGES,
        method=method,
        opening=opening if method == "unsubscribe" else None,
        opened=lambda frame: answer(None, frame) == "taken",
        done=done,
        is_fresh=True,
    )


def any_channel() -> Socket:
    """Channels that there are not."""
    return Socket(
        "subscribe to anything",
        "/v2",
        lambda fuzz, sent, mistake: message_of(fuzz, "subscribe", {}, sent, mistake),
        answer,
        kind="refused",
        params=("channel", "symbol"),
        mandatory=("channel",),
        mistakes=("missing", "unknown parameter"),
        method="subscribe",
    )


def any_params() -> Socket:
    """What stands for the object of parameters."""
    return Socket(
        "cancel_all with any parameters",
        "/v2",
        lambda fuzz, sent, mistake: {"method": "cancel_all", **sent},
        answer,
        kind="refused",
        params=("params",),
        mistakes=(),
        method="cancel_all",
    )


def added_rows(frame: Any) -> int:
    return sum("order_id" in row for row in frame["result"])


def cancelled_orders(frame: Any) -> int:
    return int(frame["result"]["count"])


# Values.


def txid(fuzz: Fuzz) -> str:
    order = fuzz.some_order()
    return UNKNOWN_ORDER if order is None else order_id(order)


def txids(fuzz: Fuzz) -> list[str]:
    return [txid(fuzz)]


def open_txids(fuzz: Fuzz) -> list[str]:
    """Two, maybe the same one."""
    orders = fuzz.orders(is_open=True)
    return [order_id(order) for order in fuzz.random.choices(orders, k=2)] if orders else []


def client_texts(fuzz: Fuzz) -> list[str]:
    return [fuzz.client_id()]


def userrefs(fuzz: Fuzz) -> list[int]:
    """Those of some open order."""
    dialect: Any = fuzz.venue.server.dialect
    known = dialect.userrefs
    numbers = [known[order.id] for order in fuzz.orders(is_open=True) if order.id in known]
    return [fuzz.random.choice(numbers or [1])]


def in_half_a_minute(fuzz: Fuzz) -> str:
    return iso_time(fuzz.venue.server.now_ns() + 30 * 10**9)


def a_minute_ago(fuzz: Fuzz) -> str:
    return iso_time(fuzz.venue.server.now_ns() - 60 * 10**9)


def in_an_hour(fuzz: Fuzz) -> str:
    return iso_time(fuzz.venue.server.now_ns() + 3600 * 10**9)


def client_text(fuzz: Fuzz) -> str:
    order = fuzz.some_order()
    return (sent_client_id(order) if order is not None else "") or "none"


def trade_id(fuzz: Fuzz) -> str:
    fills = fuzz.venue.server.venue.fills
    return execution_id(fuzz.random.choice(fills)) if fills else "T00000-00000-000000"


def fresh_text(fuzz: Fuzz) -> str:
    return f"fuzz-{fuzz.fresh_number()}"


def batch(fuzz: Fuzz) -> list[dict[str, Any]]:
    return [ROW, ROW | {"cl_ord_id": fresh_text(fuzz)}]


def rest_batch(fuzz: Fuzz) -> list[dict[str, Any]]:
    order = {"ordertype": "limit", "type": "buy", "volume": "0.01", "price": "30000"}
    return [order, order | {"cl_ord_id": fresh_text(fuzz)}]


def terms(params: dict[str, Any]) -> Terms:
    price = params.get("price", params.get("limit_price"))
    size = params.get("volume", params.get("order_qty"))
    return Terms(
        side=params.get("type", params.get("side")),
        amount=None if size is None else Decimal(str(size)),
        price=None if price is None else Decimal(str(price)),
        client_id=params.get("cl_ord_id"),
    )


ORDER = ("pair", "type", "ordertype", "volume", "price")
SOCKET_ORDER = ("symbol", "side", "order_type", "order_qty", "limit_price")
SOCKET_MARKET_ORDER = ("symbol", "side", "order_type")
OPTIONS = ("cl_ord_id", "order_userref", "post_only", "time_in_force", "deadline", *SOCKET_NEUTRAL)
ON_SOCKET = [
    *[socket("add_order", *SOCKET_ORDER, *OPTIONS, mandatory=SOCKET_ORDER, kind="place")] * 2,
    *[
        socket(
            "add_order",
            *(*SOCKET_ORDER, "order_userref"),
            mandatory=SOCKET_ORDER,
            kind="place",
            what="with a number",
        ),
    ]
    * 3,
    socket(
        "add_order",
        *(*SOCKET_MARKET_ORDER, "order_qty", "no_mpp", "cl_ord_id"),
        mandatory=(*SOCKET_MARKET_ORDER, "order_qty"),
        kind="place",
        what="at the market",
    ),
    socket(
        "add_order",
        *(*SOCKET_MARKET_ORDER, "cash_order_qty"),
        mandatory=(*SOCKET_MARKET_ORDER, "cash_order_qty"),
        kind="place",
        what="by value",
    ),
    socket(
        "add_order",
        *SOCKET_ORDER,
        *OPTIONS,
        mandatory=SOCKET_ORDER,
        kind="check",
        fixed={"validate": True},
        what="to validate",
    ),
    socket(
        "batch_add",
        *("symbol", "orders", "deadline"),
        mandatory=("symbol", "orders"),
        kind="place_many",
        count=added_rows,
    ),
    socket(
        "batch_add",
        *("symbol", "orders"),
        mandatory=("symbol", "orders"),
        kind="check",
        fixed={"validate": True},
        what="to validate",
    ),
    socket("cancel_order", "order_id", mandatory=("order_id",), kind="cancel"),
    socket(
        "cancel_order",
        "cl_ord_id",
        mandatory=("cl_ord_id",),
        kind="cancel",
        what="of a client",
    ),
    *[
        socket(
            "cancel_order",
            "order_userref",
            mandatory=("order_userref",),
            kind="cancel",
            what="with a number",
        ),
    ]
    * 2,
    socket(
        "batch_cancel",
        "orders",
        mandatory=("orders",),
        kind="cancel_many",
        count=cancelled_orders,
    ),
    socket(
        "batch_cancel",
        *("orders", "cl_ord_id"),
        mandatory=("orders", "cl_ord_id"),
        kind="cancel_many",
        count=cancelled_orders,
        what="of a client",
    ),
    socket("cancel_all", kind="cancel_all", count=cancelled_orders),
    socket("cancel_all_orders_after", "timeout", mandatory=("timeout",)),
    ping(),
    *[
        channel_socket(method, channel)
        for method in ("subscribe", "unsubscribe")
        for channel in CHANNEL_PARAMS
    ],
    any_channel(),
    any_params(),
    text_socket("/v2", answer),
]
CHECK = private("AddOrder", *ORDER, "userref", mandatory=ORDER, kind="check")
CHECK.body = lambda params: {**params, "validate": "true"}
NUMBERS = ("0", "-1", "1e400", "NaN", "Infinity", "0x10", "1,5", "many", "１")
JSON_NUMBERS = (0, -1, True, "0.01", [1], {}, 10**30)
SOCKET_NOT_OFFERED: dict[str, Any] = {
    "triggers": {"price": 1},
    "conditional": {"order_type": "limit"},
    "display_qty": 0.001,
    "effective_time": "2999-01-01T00:00:00Z",
    "expire_time": "2999-01-01T00:00:00Z",
    "sender_sub_id": "desk",
}
SYMBOL_CHANNELS = [name for name, fields in CHANNEL_PARAMS.items() if "symbol" in fields]
NO_DEPTHS: tuple[Any, ...] = (0, 5, "10", 10.5, True, 10.0, [10])
NO_CHANNELS: tuple[Any, ...] = (
    *("status", "heartbeat", "BOOK", "orders", "openOrders", "", 7, None, True, ["book"], {}),
)
WRONG_IDS: tuple[Any, ...] = (
    *([], "x", [7.5], [UNKNOWN_ORDER] * 2, [None], {}, [UNKNOWN_ORDER] * 51, [True, True], [[]]),
)
ROW: dict[str, Any] = {
    "order_type": "limit",
    "side": "buy",
    "order_qty": 0.01,
    "limit_price": 30000,
}
WRONG_ROWS: tuple[dict[str, Any], ...] = (
    *({"colour": "blue"}, {"symbol": "BTC/USDT"}, {"limit_price": 30000.001}, {"order_qty": 0}),
    *({"side": "up"}, {"order_type": 7}, {"limit_price": "30000"}, {"validate": True}),
    *({"token": TOKEN}, {"deadline": "2999-01-01T00:00:00Z"}, {"margin": True}),
)
"""Each makes an order of a batch a wrong one."""
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
        *ON_SOCKET,
    ],
    right={
        "pair": ("XBTUSDT", "XXBTUSDT", "BTC/USDT"),
        "asset": ("XBT", "XXBT,USDT"),
        "info": ("info", "fees", "leverage", "margin"),
        "count": ("1", "5", "500"),
        "since": ("0", "1700000000"),
        "interval": ("1", "5", "1440"),
        "subscribe ohlc interval": CANDLE_MINUTES,
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
        **{
            f"subscribe {channel} symbol": (["BTC/USDT"], ["ETH/USDT", "BTC/USDT"])
            for channel in SYMBOL_CHANNELS
        },
        **{f"unsubscribe {channel} symbol": (["BTC/USDT"],) for channel in SYMBOL_CHANNELS},
        "unsubscribe book depth": (10,),
        "unsubscribe level3 depth": (10,),
        "subscribe level3 depth": (10, 100, 1000),
        "unsubscribe ohlc interval": (1,),
        "unsubscribe ticker event_trigger": ("trades",),
        "snap_orders": (True, False),
        "snap_trades": (True, False),
        "order_status": (True,),
        "ratecounter": (False,),
        "channel": NO_CHANNELS,
        "params": ([], "x", 7, True, [{"token": TOKEN}], None, {}),
        "req_id": (1, 2**40),
        "text": NO_MESSAGES,
        "add_order at the market order_type": ("market",),
        "add_order by value order_type": ("market",),
        "add_order by value side": ("buy",),
        "cash_order_qty": (100, 1000.5),
        "no_mpp": (True, False),
        "time_in_force": ("gtc", "GTC", "ioc", "fok"),
        "deadline": (in_half_a_minute,),
        "limit_price_type": ("static",),
        "reduce_only": (False,),
        "margin": (False,),
        "fee_preference": ("quote",),
        "stp_type": ("cancel_newest",),
        "order_userref": (1, -(2**31), 7),
        "cancel_order with a number order_userref": (userrefs,),
        "cancel_order of a client cl_ord_id": (client_texts,),
        "batch_cancel orders": (open_txids,),
        "batch_cancel of a client orders": (txids,),
        "batch_cancel of a client cl_ord_id": (client_texts,),
        "cancel_all_orders_after timeout": (0, 3600, 86400),
        "side": ("buy", "sell"),
        "order_type": ("limit",),
        "order_qty": (0.001, 0.01, 0.12345),
        "limit_price": (30000, 2900.5, 61000),
        "post_only": (True, False),
        "orders": (batch,),
        "POST /0/private/AddOrderBatch orders": (rest_batch,),
        "POST /0/private/CancelOrderBatch orders": (txids,),
        "order_id": (txids,),
        "depth": BOOK_DEPTHS["book"],
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
        "subscribe ohlc interval": (0, 2, "1", True, "minute", 1.0, [1]),
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
            f"{method} {channel} symbol": (
                *("BTC/USDT", [], [7], ["NOPE/USD"], {}, ["BTC-USDT"], ["btc/usdt"], [None], ""),
                *([["BTC/USDT"]], True, {"0": "BTC/USDT"}, ["XBT/USDT"], [""]),
            )
            for channel in SYMBOL_CHANNELS
            for method in ("subscribe", "unsubscribe")
        },
        "unsubscribe ohlc interval": (5, 0, "1", True, 1.0, [1]),
        "unsubscribe book depth": (25, *NO_DEPTHS),
        "unsubscribe level3 depth": (100, *NO_DEPTHS),
        "subscribe level3 depth": (25, 500, *NO_DEPTHS),
        "unsubscribe ticker event_trigger": ("bbo", "bids", 1, ["trades"]),
        **dict.fromkeys(("snap_orders", "snap_trades"), ("true", 1, 0, [True], {})),
        "order_status": (False, "true", 1, {}),
        "ratecounter": (True, "false", 0, {}),
        "req_id": ("1", 1.5, True, [1], {}),
        "add_order at the market order_type": ("MARKET", "stop-loss", 7, None),
        "add_order by value order_type": ("MARKET", "take-profit", 7, None, "limit"),
        "add_order by value side": ("sell", "BUY", 1, None),
        "cash_order_qty": (*JSON_NUMBERS, None),
        "no_mpp": ("true", 1, [True]),
        "time_in_force": ("gtd", "Gtc", "DAY", 1, True, ["gtc"]),
        "deadline": (a_minute_ago, in_an_hour, "soon", 7, True, "2999-01-01", ["x"]),
        "limit_price_type": ("pct", "quote", 1, ["static"]),
        "reduce_only": (True, "false", "x", [False]),
        "margin": (True, "false", "x", [False]),
        "fee_preference": ("base", 1, ["quote"]),
        "stp_type": ("cancel_both", "cancel_oldest", 1, ["cancel_newest"]),
        "order_userref": (1.5, "x", 2**31, True, [1], {}),
        "cancel_order with a number order_userref": (1, "1", [1.5], ["x"], [99], [True], {}, [0]),
        "cancel_order of a client cl_ord_id": ("x", ["nobody's"], [7], [""], [], {}, [None]),
        "batch_cancel orders": WRONG_IDS,
        "batch_cancel of a client orders": WRONG_IDS,
        "batch_cancel of a client cl_ord_id": ("x", ["nobody's"], [7], [""], {}, [None]),
        "cancel_all_orders_after timeout": (-1, 86401, "soon", "60", 1.5, True, [1], None),
        "add_order cl_ord_id": ("x" * 19, "ünï", "tab\there", True, ["x"], {}, "\ud800"),
        "side": ("BUY", "hold", 1, None, ["buy"], True),
        "order_type": ("stop-loss", "iceberg", 7, None, ["limit"], True),
        "order_qty": (*JSON_NUMBERS, 0.000001),
        "limit_price": (*JSON_NUMBERS, 30000.001),
        "post_only": ("true", 1),
        "POST /0/private/CancelOrderBatch orders": ([], "x", [7.5], [UNKNOWN_ORDER], [None], {}),
        "orders": (
            *([], [{}], "x", [{}, {}], [7, 7], [ROW], [ROW] * 16, [ROW, {}], [ROW, None], {}, True),
            *([ROW, ROW | wrong] for wrong in WRONG_ROWS),
        ),
        "order_id": ([], "O1", [UNKNOWN_ORDER], [7], [""], [None], {}, [["x"]], ["\ud800"]),
        "depth": NO_DEPTHS,
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
        "add_order": SOCKET_NOT_OFFERED,
        "add_order to validate": SOCKET_NOT_OFFERED,
        "add_order at the market": SOCKET_NOT_OFFERED,
    },
)
