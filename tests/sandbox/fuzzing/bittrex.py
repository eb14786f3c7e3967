"""Bittrex's words: REST v3 and the hub c3."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from exchanges.bittrex import BittrexAuth
from tests.sandbox.fuzzing.engine import Fuzz, Kind, Mistake, Terms, Words
from tests.sandbox.fuzzing.rest import Rest
from tests.sandbox.fuzzing.socket import NO_MESSAGES, Socket, text_socket
from trochil.sandbox.connection import Connection
from trochil.sandbox.formats import uuid_of
from trochil.sandbox.signalr import CONNECTION_TOKEN

PAIRS = ("BTC-USDT", "ETH-USDT", "ETH-BTC")
API = "/v3"
TOKEN = CONNECTION_TOKEN.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
CONNECT = f"/signalr/connect?connectionToken={TOKEN}"
OF_INVOCATIONS: tuple[Mistake, ...] = (
    *("missing", "wrong value", "unknown parameter", "wrong method", "a name twice"),
)
WRONG_INVOCATIONS: tuple[tuple[str, Any], ...] = (
    *(("M", name) for name in ("Fly", "QueryExchangeState", "", 7, None, True, ["Subscribe"], {})),
    *(("H", name) for name in ("c2", "", 7, None, True, ["c3"], {})),
)
OWN_STREAMS = ("order", "execution", "balance")
SIGNED = "as it is signed"
"""Stands for what a right login has."""
NO_TEXTS: tuple[Any, ...] = ("x", "", "é", "\ud800", "=", 7, None, True, ["x"], {})


def refused(status: int, body: Any) -> bool:
    return status >= 400 and isinstance(body, dict) and "code" in body


CANDLES = ("symbol", "interval")


def public(path: str, *params: str, mandatory: tuple[str, ...] = ()) -> Rest:
    return Rest("GET", API + path, refused, params=params, mandatory=mandatory)


def signed(
    method: str, path: str, *params: str, mandatory: tuple[str, ...] = (), kind: Kind = "query"
) -> Rest:
    return Rest(
        method,
        API + path,
        refused,
        venue="bittrex",
        kind=kind,
        params=params,
        mandatory=mandatory,
        in_body=method == "POST",
    )


def head(path: str, *params: str, mandatory: tuple[str, ...] = (), venue: str = "") -> Rest:
    return Rest("HEAD", API + path, refused, venue=venue, params=params, mandatory=mandatory)


def around_hub(method: str, name: str) -> Rest:
    return Rest(method, f"/signalr/{name}", refused, params=("clientProtocol", "connectionData"))


def operations(params: dict[str, Any]) -> Any:
    """A batch; what else is sent stands in each of its operations."""
    others = {name: params[name] for name in params if name != "operations"}
    rows = params.get("operations", [])
    if not isinstance(rows, list):
        return rows
    return [{**row, **others} if isinstance(row, dict) else row for row in rows]


def placed_rows(body: Any) -> int:
    return sum(row["status"] == 201 for row in body)


# The hub.


def answer(message: Any, frame: Any) -> str | None:
    """A result that is a list has one row for each stream; any success counts."""
    if "E" in frame:
        return "refused"
    if "R" not in frame or (isinstance(message, dict) and frame["I"] != str(message["I"])):
        return None
    result = frame["R"]
    if isinstance(result, bool):
        return "taken"
    rows = result if isinstance(result, list) else [result]
    return "taken" if any(row["Success"] for row in rows) else "refused"


def login(fuzz: Fuzz) -> Any:
    frame: Any = BittrexAuth(fuzz.venue.account.keys).login(time.time())
    return frame


def follows(connection: Connection, message: Any, frame: Any) -> bool:
    (streams,) = message["A"]
    return connection.topics.issuperset(streams)


def has_left(connection: Connection, message: Any, frame: Any) -> bool:
    (streams,) = message["A"]
    return connection.topics.isdisjoint(streams)


def is_logged_in(connection: Connection, message: Any, frame: Any) -> bool:
    return connection.account is not None


def tells_login(connection: Connection, message: Any, frame: Any) -> bool:
    return bool(frame["R"]) == (connection.account is not None)


def hub(
    method: str,
    what: str = "",
    *names: str,
    kind: Kind = "query",
    is_logged_in: bool = False,
    done: Callable[[Connection, Any, Any], bool] | None = None,
) -> Socket:
    """An invocation, whose arguments are by their place; one too many is an unknown one."""

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        number = sent.pop("I", fuzz.fresh_number())
        right: dict[str, Any] = {"H": "c3", "M": method, "A": [*sent.values()], "I": number}
        if mistake == "wrong method":
            name, value = fuzz.random.choice(WRONG_INVOCATIONS)
            right[name] = value
        return right

    return Socket(
        f"{method} {what}".rstrip(),
        CONNECT,
        make,
        answer,
        kind=kind,
        params=(*names, "I"),
        mandatory=names,
        mistakes=OF_INVOCATIONS,
        method=method,
        opening=login if is_logged_in else None,
        opened=lambda frame: "R" in frame,
        done=done,
        shared="an account's" if is_logged_in else "anybody's",
    )


def any_arguments() -> Socket:
    """What stands for the list of arguments."""
    made = hub("Subscribe", "with any arguments", "arguments", kind="refused")
    made.mistakes = ()
    made.make = lambda fuzz, sent, mistake: {
        "H": "c3",
        "M": "Subscribe",
        "A": sent["arguments"],
        "I": 1,
    }
    return made


def login_socket() -> Socket:
    """It needs a new socket: else it renews a login."""
    names = ("apiKey", "timestamp", "randomContent", "signedContent")

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        frame = login(fuzz)
        right = dict(zip(names, frame["A"], strict=True))
        number = sent.pop("I", fuzz.fresh_number())
        given = {name: right.get(name) if sent[name] == SIGNED else sent[name] for name in sent}
        if mistake == "wrong signature":
            given["signedContent"] = fuzz.random.choice(NO_TEXTS)
        if mistake == "unknown key":
            given["apiKey"] = fuzz.random.choice(NO_TEXTS)
        frame |= {"A": [*given.values()], "I": number}
        if mistake == "wrong method":
            name, value = fuzz.random.choice(WRONG_INVOCATIONS)
            frame[name] = value
        return frame

    return Socket(
        "Authenticate",
        CONNECT,
        make,
        answer,
        params=(*names, "I"),
        mandatory=names,
        mistakes=(*OF_INVOCATIONS, "wrong signature", "unknown key"),
        method="Authenticate",
        done=is_logged_in,
        is_fresh=True,
    )


def hub_text() -> Socket:
    made = text_socket(CONNECT, answer)
    made.name = "text at the hub"
    return made


# Values.


def order_uuid(fuzz: Fuzz) -> str:
    return uuid_of(fuzz.order_id())


def fresh_uuid(fuzz: Fuzz) -> str:
    return str(UUID(int=fuzz.random.getrandbits(128)))


def new_orders(fuzz: Fuzz) -> list[dict[str, Any]]:
    """Some of which are refused."""
    good = {
        "marketSymbol": "BTC-USDT",
        "direction": "BUY",
        "type": "LIMIT",
        "quantity": "0.001",
        "limit": "30000.00",
        "timeInForce": "GOOD_TIL_CANCELLED",
    }
    others = ({"limit": "30000.001"}, {"clientOrderId": fresh_uuid(fuzz)}, {"direction": "UP"}, {})
    orders = [good, *[good | fuzz.random.choice(others) for _ in range(fuzz.random.randrange(4))]]
    return [{"resource": "ORDER", "operation": "POST", "payload": order} for order in orders]


def fill_uuid(fuzz: Fuzz) -> str:
    fills = fuzz.venue.server.venue.fills
    return uuid_of(fuzz.random.choice(fills).trade_id) if fills else uuid_of(1)


def terms(params: dict[str, Any]) -> Terms:
    return Terms(
        side=params["direction"].lower(),
        amount=Decimal(params["quantity"]),
        price=Decimal(params["limit"]),
        client_id=params.get("clientOrderId"),
    )


ORDER = ("marketSymbol", "direction", "type", "quantity", "limit", "timeInForce")
DATES = ("startDate", "endDate")
SYMBOL = ("symbol",)
PLACE = signed(
    "POST", "/orders", *ORDER, "clientOrderId", "useAwards", mandatory=ORDER, kind="place"
)
BATCH = signed("POST", "/batch", "operations", mandatory=("operations",), kind="place_many")
BATCH.body = operations
BATCH.count = placed_rows
STREAMS = (
    *(f"orderbook_BTC-USDT_{depth}" for depth in (1, 25, 500)),
    *(f"{name}_BTC-USDT" for name in ("trade", "ticker", "market_summary")),
    *("tickers", "market_summaries", "heartbeat"),
)
NO_STREAMS: tuple[Any, ...] = (
    *([name] for name in ("orderbook_BTC-USDT_20", "orderbook_btc-usdt_25", "trade_USDT-BTC")),
    *([name] for name in ("candle_BTC-USDT_MINUTE_1", "deposit", "Heartbeat", "", "\ud800")),
    *([name] for name in (7, None, True, ["tickers"], {})),
    *("tickers", 7, True, None, {}, {"0": "tickers"}),
)
ON_HUB = [
    hub("Subscribe", "a market", "channels", done=follows),
    hub("Unsubscribe", "a market", "channels", done=has_left),
    hub("Subscribe", "an account", "channels", is_logged_in=True, done=follows),
    hub("Unsubscribe", "an account", "channels", is_logged_in=True, done=has_left),
    hub("Subscribe", "before the login", "channels", kind="refused"),
    hub("IsAuthenticated", done=tells_login),
    hub("IsAuthenticated", "of an account", is_logged_in=True, done=tells_login),
    login_socket(),
    any_arguments(),
    hub_text(),
]
WORDS = Words(
    endpoints=[
        public("/ping"),
        public("/currencies"),
        public("/currencies/{asset}", "asset", mandatory=("asset",)),
        public("/markets"),
        public("/markets/summaries"),
        public("/markets/tickers"),
        public("/markets/{symbol}", "symbol", mandatory=SYMBOL),
        public("/markets/{symbol}/summary", "symbol", mandatory=SYMBOL),
        public("/markets/{symbol}/ticker", "symbol", mandatory=SYMBOL),
        public("/markets/{symbol}/candles/{interval}/recent", *CANDLES, mandatory=CANDLES),
        public("/markets/{symbol}/trades", "symbol", mandatory=SYMBOL),
        public("/markets/{symbol}/orderbook", "symbol", "depth", mandatory=SYMBOL),
        *[PLACE] * 4,  # the others need orders
        BATCH,
        *[head(path) for path in ("/markets/summaries", "/markets/tickers")],
        head("/markets/{symbol}/trades", "symbol", mandatory=SYMBOL),
        head("/markets/{symbol}/orderbook", "symbol", "depth", mandatory=SYMBOL),
        head("/orders/open", "marketSymbol", venue="bittrex"),
        *[head(path, venue="bittrex") for path in ("/executions/last-id", "/balances")],
        *[around_hub("GET", name) for name in ("negotiate", "start", "ping", "abort")],
        around_hub("POST", "abort"),
        signed("GET", "/orders/open", "marketSymbol"),
        signed("DELETE", "/orders/open", "marketSymbol", kind="cancel_all"),
        signed("GET", "/orders/closed", "marketSymbol", "pageSize", *DATES),
        signed("GET", "/orders/{order}", "order", mandatory=("order",)),
        signed("DELETE", "/orders/{order}", "order", mandatory=("order",), kind="cancel"),
        signed("GET", "/orders/{order}/executions", "order", mandatory=("order",)),
        signed("GET", "/executions", "marketSymbol", "pageSize", *DATES),
        signed("GET", "/executions/last-id"),
        signed("GET", "/executions/{fill}", "fill", mandatory=("fill",)),
        signed("GET", "/balances"),
        signed("GET", "/balances/{asset}", "asset", mandatory=("asset",)),
        signed("GET", "/account"),
        signed("GET", "/account/fees/trading"),
        signed("GET", "/account/fees/trading/{symbol}", "symbol", mandatory=SYMBOL),
        *ON_HUB,
    ],
    right={
        "symbol": ("BTC-USDT",),
        "marketSymbol": ("BTC-USDT",),
        "asset": ("BTC", "USDT"),
        "operations": (new_orders,),
        "clientProtocol": ("1.5",),
        "connectionData": ('[{"name":"c3"}]',),
        "depth": ("1", "25", "500"),
        "interval": ("MINUTE_1", "MINUTE_5", "HOUR_1", "DAY_1"),
        "direction": ("BUY", "SELL"),
        "type": ("LIMIT",),
        "quantity": ("0.001", "0.01", "0.12345678"),
        "limit": ("30000.00", "59000.5", "61000", "90000"),
        "timeInForce": ("GOOD_TIL_CANCELLED", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL"),
        "clientOrderId": (fresh_uuid,),
        "useAwards": (False,),
        "pageSize": ("1", "200"),
        "startDate": ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00.123Z"),
        "endDate": ("2120-01-01T00:00:00Z",),
        "order": (order_uuid,),
        "fill": (fill_uuid,),
        "channels": (*([stream] for stream in STREAMS), [*STREAMS[:3]]),
        **{
            f"{method} an account channels": (*([each] for each in OWN_STREAMS), [*OWN_STREAMS])
            for method in ("Subscribe", "Unsubscribe")
        },
        "Subscribe before the login channels": (*([each] for each in OWN_STREAMS), [*OWN_STREAMS]),
        "I": (0, "7", "a number"),
        "arguments": ("tickers", 7, True, {}, {"0": ["tickers"]}, None, [], [["tickers"]] * 2),
        "text": NO_MESSAGES,
        **dict.fromkeys(("apiKey", "timestamp", "randomContent", "signedContent"), (SIGNED,)),
    },
    wrong={
        "symbol": ("btc-usdt", "BTCUSDT", "USDT-BTC", "NOPE"),
        "marketSymbol": ("btc-usdt", "BTCUSDT", "USDT-BTC"),
        "asset": ("btc", "NONE"),
        "operations": ([], [{}], [7], "x", {"resource": "ORDER"}, [[{}]], [None], [{}] * 26),
        "depth": ("0", "20", "x", "-1"),
        "interval": ("MINUTE_2", "minute_1", "1m", "DAY"),
        "direction": ("buy", "HOLD", 1),
        "type": ("CEILING_LIMIT", "STOP", "limit", "MARKET"),
        "quantity": ("0", "-1", "0.000000001", "1e9", "NaN", "many", "１", True, [1]),
        "limit": ("0", "-1", "30000.001", "free", False),
        "timeInForce": ("GTC", "BUY_NOW", "INSTANT", "good_til_cancelled"),
        "clientOrderId": ("x", "a" * 36, 123, "{00000000-0000-0000-0000-000000000001}"),
        "useAwards": (True, "maybe"),
        "pageSize": ("0", "201", "x", "-1"),
        "startDate": ("1700000000", "yesterday", "2020-01-01", "2020-13-01T00:00:00Z"),
        "endDate": ("1700000000", "soon", "2020-01-01T00:00:00+01:00"),
        "order": ("1001", "none", "00000000-0000-0000-0000-000000000001"),
        "fill": ("1", "none", "00000000-0000-0000-0000-00000fffffff"),
        "channels": NO_STREAMS,
        "I": (True, [1], {}, None, ""),
        "apiKey": NO_TEXTS,
        "timestamp": (1, "soon", True, [1], {}, None, ""),
        "randomContent": NO_TEXTS,
        "signedContent": NO_TEXTS,
    },
    terms=terms,
    not_offered={f"POST {API}/orders": {"ceiling": "1", "trigger": {"price": "1"}}},
)
