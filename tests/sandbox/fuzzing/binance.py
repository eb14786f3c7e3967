"""Binance's words: REST v3, the websocket API, market streams."""

import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from exchanges.signing import hmac_hex
from tests.sandbox.fuzzing.engine import Fuzz, Kind, Mistake, Terms, Words
from tests.sandbox.fuzzing.rest import Rest
from tests.sandbox.fuzzing.socket import NO_MESSAGES, Socket, text_socket
from trochil.sandbox.connection import Connection

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


def gone(method: str) -> Rest:
    """Refused whatever it says."""
    return Rest(method, f"{API}/userDataStream", refused, kind="refused")


# The websocket API.


def api_answer(message: Any, frame: Any) -> str | None:
    """A message that is none, or whose number is wrong, is refused without a number."""
    if "status" not in frame:
        return None
    if isinstance(message, dict) and frame["id"] not in (message.get("id"), None):
        return None
    return "taken" if frame["status"] == 200 else "refused"


def signed_value(value: Any) -> str:
    """As it stands in what is signed."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    return json.dumps(value)


def signature_of(fuzz: Fuzz, params: dict[str, Any], mistake: Mistake) -> Any:
    payload = "&".join(f"{name}={signed_value(params[name])}" for name in sorted(params))
    secret = fuzz.venue.account.keys["api_secret"]
    right = hmac_hex(secret, payload.encode(errors="surrogatepass").decode(errors="replace"))
    if mistake == "wrong signature":
        return fuzz.random.choice((right[::-1], "", "é", "\ud800", 7, None, True, [right], {}))
    return right


def on_api(
    method: str,
    *params: str,
    mandatory: tuple[str, ...] = (),
    kind: Kind = "query",
    is_signed: bool = False,
    done: Callable[[Connection, Any, Any], bool] | None = None,
) -> Socket:
    """A method of the websocket API. Those of a session share one socket."""

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        number = sent.pop("id", fuzz.fresh_number())
        around: dict[str, Any] = {}
        if mistake == "unknown parameter" and fuzz.random.random() < 0.3:
            around = {name: sent.pop(name) for name in fuzz.words.unknown if name in sent}
        if is_signed:
            keys = fuzz.venue.account.keys
            sent = {"apiKey": keys["api_key"], "timestamp": now_ms(fuzz)} | sent
            if mistake == "unknown key":
                sent["apiKey"] = fuzz.random.choice(("nobody", "", "\ud800", 7, None, True, [1]))
            sent["signature"] = signature_of(fuzz, sent, mistake)
        wrong = fuzz.random.choice((f"{method}.x", method.upper(), "", "v4/ping", 7, None, [], {}))
        name = wrong if mistake == "unknown path" else method
        return {"id": number, "method": name, "params": sent, **around}

    signing = ("timestamp", "recvWindow") if is_signed else ()
    mistakes: tuple[Mistake, ...] = (
        *("missing", "wrong value", "unknown parameter", "not offered", "unknown path"),
        "a name twice",
    )
    return Socket(
        f"ws-api {method}",
        "/ws-api/v3",
        make,
        api_answer,
        kind=kind,
        params=(*params, *signing, "returnRateLimits", "id"),
        mandatory=mandatory,
        mistakes=(*mistakes, "wrong signature", "unknown key") if is_signed else mistakes,
        method=method,
        done=done,
        shared="session" if method.startswith(("session", "userDataStream")) else "ws-api",
    )


def signed_on_api(
    method: str, *params: str, mandatory: tuple[str, ...] = (), kind: Kind = "query"
) -> Socket:
    return on_api(method, *params, mandatory=mandatory, kind=kind, is_signed=True)


def any_params() -> Socket:
    """What stands for the object of parameters."""
    made = on_api("time")
    made.name = "ws-api with any parameters"
    made.kind = "refused"
    made.params = made.mandatory = ("params",)
    made.mistakes = ()
    made.make = lambda fuzz, sent, mistake: {"id": 1, "method": "time", **sent}
    return made


def is_subscribed(connection: Connection, message: Any, frame: Any) -> bool:
    number = frame["result"]["subscriptionId"]
    return connection.account is not None and number == connection.state["subscription_id"]


def is_not_subscribed(connection: Connection, message: Any, frame: Any) -> bool:
    return connection.account is None


def tells_session(connection: Connection, message: Any, frame: Any) -> bool:
    """Nobody can log in with a key of the sandbox."""
    told = frame["result"]
    has_stream = connection.account is not None
    return told["apiKey"] is None and told["userDataStream"] == has_stream


def tells_subscriptions(connection: Connection, message: Any, frame: Any) -> bool:
    return bool(frame["result"]) == (connection.account is not None)


# Sockets of streams.


def stream_answer(message: Any, frame: Any) -> str | None:
    if "error" in frame:
        return "refused"
    return "taken" if "result" in frame else None


def stream_done(connection: Connection, message: Any, frame: Any) -> bool:
    """The result of what asks nothing is null."""
    params = message.get("params", [])
    is_combined = connection.state["is_combined"]
    match message["method"]:
        case "SUBSCRIBE":
            return frame["result"] is None and connection.topics.issuperset(params)
        case "UNSUBSCRIBE":
            return frame["result"] is None and connection.topics.isdisjoint(params)
        case "LIST_SUBSCRIPTIONS":
            return set(frame["result"]) == connection.topics
        case "SET_PROPERTY":
            return frame["result"] is None and is_combined is params[1]
    return frame["result"] is is_combined


def on_streams(method: str, path: str = "/stream") -> Socket:
    """A message on a socket of streams, which all those of a path share."""
    is_list = method == "LIST_SUBSCRIPTIONS"

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        wrong = fuzz.random.choice((f"{method}S", method.lower(), "", 7, None, [method], {}))
        name = wrong if mistake == "unknown path" else method
        return {"method": name, **sent}

    return Socket(
        f"streams {method} at {path}",
        path,
        make,
        stream_answer,
        params=("params", "id"),
        mandatory=("id",) if is_list else ("params", "id"),
        mistakes=("missing", "wrong value", "unknown parameter", "unknown path", "a name twice"),
        method=method,
        done=stream_done,
        served_at="/ws/{streams:.*}" if path.startswith("/ws/") else path,
        shared=path,
    )


STREAM_METHODS = (
    *("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY"),
)
STREAM_PATHS = ("/stream", "/ws", "/ws/btcusdt@trade")


def now_ms(fuzz: Fuzz) -> int:
    return int(time.time() * 1000)


def an_hour_ago(fuzz: Fuzz) -> int:
    return now_ms(fuzz) - 3_600_000


def soon(fuzz: Fuzz) -> int:
    return now_ms(fuzz) + 60_000


def number_of_order(fuzz: Fuzz) -> int:
    return int(fuzz.order_id())


def subscription(fuzz: Fuzz) -> int:
    """The number of the last one."""
    states = [connection.state for connection in fuzz.venue.server.connections]
    return max([state.get("subscription_id", -1) for state in states], default=-1)


def followed_streams(fuzz: Fuzz) -> list[str]:
    """What some socket follows."""
    topics = {topic for each in fuzz.venue.server.connections for topic in each.topics}
    return fuzz.random.sample(sorted(topics), min(2, len(topics))) or ["btcusdt@trade"]


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


def forget_limits(fuzz: Fuzz) -> None:
    """No request is refused for the weight of those before it, no order for their number: all of
    them are of a while ago."""
    server = fuzz.venue.server
    dialect = server.dialect
    dialect.numbers[dialect.minute] = 0
    window_ns = 10 * 10**9
    begin_ns = server.now_ns() - window_ns
    for order in reversed(server.venue.orders.values()):
        if order.time < begin_ns:
            return
        order.time -= window_ns


KLINES = ("symbol", "interval", "startTime", "endTime", "limit")
ORDER = ("symbol", "side", "type", "timeInForce", "quantity", "price")
OF_ORDER = ("symbol", "orderId")
OF_CLIENT = ("symbol", "origClientOrderId")
STREAMS = (
    *("btcusdt@depth", "ethusdt@depth@100ms", "btcusdt@depth@1000ms", "ethbtc@depth5"),
    *("btcusdt@depth10@100ms", "btcusdt@depth20@1000ms", "btcusdt@trade", "btcusdt@aggTrade"),
    *("btcusdt@bookTicker", "ethusdt@miniTicker", "btcusdt@ticker", "btcusdt@avgPrice"),
    *("btcusdt@kline_1s", "ethbtc@kline_1M"),
)
NO_STREAMS: tuple[Any, ...] = ("", 7, None, True, ["btcusdt@trade"], {})
NO_LISTS: tuple[Any, ...] = ("btcusdt@trade", 7, True, {}, {"0": "btcusdt@trade"})
OF_JSON: tuple[Any, ...] = (True, ["1"], {"a": 1})
"""What no parameter of the websocket API may be, but flags and lists."""
ON_API = [
    on_api("ping"),
    on_api("time"),
    on_api("exchangeInfo", "symbol", "showPermissionSets"),
    on_api("exchangeInfo", "symbols"),
    on_api("exchangeInfo", "permissions", "symbolStatus"),
    on_api("depth", "symbol", "limit", mandatory=("symbol",)),
    on_api("trades.recent", "symbol", "limit", mandatory=("symbol",)),
    on_api("trades.historical", "symbol", "limit", "fromId", mandatory=("symbol",)),
    on_api("trades.aggregate", "symbol", "limit", "fromId", mandatory=("symbol",)),
    on_api("trades.aggregate", "symbol", "startTime", "endTime", mandatory=("symbol",)),
    on_api(
        "klines",
        *("symbol", "interval", "startTime", "limit"),
        mandatory=("symbol", "interval"),
    ),
    on_api("klines", "symbol", "interval", "endTime", mandatory=("symbol", "interval")),
    on_api("avgPrice", "symbol", mandatory=("symbol",)),
    on_api("ticker.24hr", "symbol", "type"),
    on_api("ticker.24hr", "symbols"),
    on_api("ticker.price", "symbol"),
    on_api("ticker.price", "symbols"),
    on_api("ticker.book", "symbol"),
    on_api("ticker.book", "symbols"),
    signed_on_api("order.place", *ORDER, "newClientOrderId", mandatory=ORDER, kind="place"),
    signed_on_api("order.test", *ORDER, "computeCommissionRates", mandatory=ORDER, kind="check"),
    signed_on_api("order.status", *OF_ORDER, mandatory=OF_ORDER),
    signed_on_api("order.status", *OF_CLIENT, mandatory=OF_CLIENT),
    signed_on_api("order.cancel", *OF_ORDER, mandatory=OF_ORDER, kind="cancel"),
    signed_on_api("order.cancel", *OF_CLIENT, mandatory=OF_CLIENT, kind="cancel"),
    signed_on_api("openOrders.status", "symbol"),
    signed_on_api("openOrders.cancelAll", "symbol", mandatory=("symbol",), kind="cancel_all"),
    signed_on_api("allOrders", "symbol", "limit", "orderId", mandatory=("symbol",)),
    signed_on_api("allOrders", "symbol", "startTime", mandatory=("symbol",)),
    signed_on_api("myTrades", "symbol", "fromId", "limit", mandatory=("symbol",)),
    signed_on_api("myTrades", "symbol", "endTime", mandatory=("symbol",)),
    signed_on_api("account.status", "omitZeroBalances"),
    signed_on_api("account.rateLimits.orders"),
    on_api("session.logon", is_signed=True, kind="refused"),
    on_api("session.status", done=tells_session),
    on_api("session.logout", done=tells_session),
    on_api("session.subscriptions", done=tells_subscriptions),
    on_api("userDataStream.subscribe", kind="refused"),
    on_api("userDataStream.subscribe.signature", is_signed=True, done=is_subscribed),
    on_api("userDataStream.unsubscribe", "subscriptionId", done=is_not_subscribed),
    any_params(),
]
FLAGS = ("returnRateLimits", "showPermissionSets", "omitZeroBalances", "computeCommissionRates")
STREAM_PARAMS: dict[str, tuple[Any, ...]] = {
    "SUBSCRIBE": (*([stream] for stream in STREAMS), [*STREAMS[:3]]),
    "UNSUBSCRIBE": (followed_streams, followed_streams, ["btcusdt@ticker"]),
    "LIST_SUBSCRIPTIONS": ([],),
    "SET_PROPERTY": (["combined", True], ["combined", False]),
    "GET_PROPERTY": (["combined"],),
}
WRONG_STREAM_PARAMS: dict[str, tuple[Any, ...]] = {
    "SUBSCRIBE": (
        *([name] for name in ("btcusdt@liquidation", "nope@trade", "BTCUSDT@trade", *NO_STREAMS)),
        *([name] for name in ("btcusdt@depth7", "btcusdt@kline_2m", "btcusdt", "@", "btcusdt@")),
        *(["btcusdt@trade", "nope@trade"], [], *NO_LISTS),
    ),
    "UNSUBSCRIBE": (*([name] for name in NO_STREAMS[1:]), [], *NO_LISTS),
    "LIST_SUBSCRIPTIONS": (["btcusdt@trade"], [7], *NO_LISTS),
    "SET_PROPERTY": (
        *(["combined", value] for value in ("true", 1, None, [True])),
        *(["combined"], ["combined", True, True], ["colour", True], [7, True], [], *NO_LISTS),
    ),
    "GET_PROPERTY": (["colour"], ["combined", True], [7], [None], [], *NO_LISTS),
}
WRONG_ON_API: dict[str, tuple[Any, ...]] = {
    "symbol": ("BTC-USDT", "btcusdt", "NOPE", "", 7, "BTCUSDT\0", "\ud800", *OF_JSON),
    "limit": ("0", 0, -1, "ten", 1.5, 10**20, *OF_JSON),
    "fromId": ("none", -5, 1.5, "", *OF_JSON),
    "orderId": ("none", -5, 1.5, 10**22, "", *OF_JSON),
    "origClientOrderId": ("nobody", "x" * 37, "a b", "ünï", "\ud800", *OF_JSON),
    "newClientOrderId": ("x" * 37, "a b", "ünï", "semi;colon", *OF_JSON),
    "startTime": ("soon", -1, 1.5, *OF_JSON),
    "endTime": ("soon", -1, 1.5, *OF_JSON),
    "interval": ("2m", 1, "minute", "", *OF_JSON),
    "symbols": ([], [7], "BTCUSDT", ["BTCUSDT", "BTCUSDT"], ["NOPE"], "[", 7, True, {}),
    "permissions": ([], [7], 7, True, {}, "[", [["SPOT"]]),
    "symbolStatus": ("trading", "OPEN", 7, *OF_JSON),
    "type": ("limit", "STOP_LOSS", "full", "BOTH", 7, *OF_JSON),
    "side": ("buy", "HOLD", 1, None, *OF_JSON),
    "timeInForce": ("GTX", "gtc", 1, None, *OF_JSON),
    "quantity": ("0", -1, "0.000001", "1e9", "NaN", "0x10", "1,5", "many", "１", None, *OF_JSON),
    "price": ("0", -30000, "30000.001", "NaN", "1e400", "free", "30000.", None, *OF_JSON),
    **dict.fromkeys(FLAGS, ("yes", 1, 0, ["true"], {}, "")),
    "timestamp": (1, an_hour_ago, soon, "now", 1.5, 10**30, None, "", *OF_JSON),
    "recvWindow": (60001, "five", -1, 0x7FFFFFFFFFFFFFFF, "1e2", *OF_JSON),
    "id": (1.5, True, [1], {}),
    "subscriptionId": (99, -5, "none", 1.5, *OF_JSON),
}
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
        *ON_API,
        *[on_streams(method, path) for method in STREAM_METHODS for path in STREAM_PATHS],
        text_socket("/ws-api/v3", api_answer),
        text_socket("/stream", stream_answer),
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
        "id": (1, -1, "a-b", "", None),
        "origClientOrderId": (Fuzz.client_id,),
        "symbols": (["BTCUSDT"], ["BTCUSDT", "ETHBTC"], '["ETHUSDT","BTCUSDT"]'),
        "permissions": (["SPOT"], "SPOT", ["SPOT", "MARGIN"]),
        "symbolStatus": ("TRADING", "HALT", "BREAK"),
        **{f"ws-api ticker.{name} type": ("FULL", "MINI") for name in ("24hr", "price", "book")},
        **dict.fromkeys(FLAGS, (True, False, "true", "false")),
        "timestamp": (now_ms,),
        "recvWindow": (5000, "60000"),
        "subscriptionId": (subscription,),
        "text": NO_MESSAGES,
        "params": ([1], "x", 7, True, [{}]),
        **{
            f"streams {method} at {path} params": values
            for path in STREAM_PATHS
            for method, values in STREAM_PARAMS.items()
        },
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
        "id": (1.5, True, "x" * 37, [1], {}, 2**63, "a b"),
        **{
            f"{endpoint.name} {name}": WRONG_ON_API[name]
            for endpoint in ON_API
            for name in endpoint.params
            if name in WRONG_ON_API
        },
        **{
            f"streams {method} at {path} params": values
            for path in STREAM_PATHS
            for method, values in WRONG_STREAM_PARAMS.items()
        },
    },
    terms=terms,
    before=forget_limits,
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
