"""HTX's words: REST v1 and v2, its market sockets and the account's."""

import asyncio
import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp

from exchanges.htx import HtxAuth
from tests.sandbox.fuzzing.engine import Fuzz, Kind, Mistake, Outcome, Sending, Terms, Words
from tests.sandbox.fuzzing.rest import Rest
from tests.sandbox.fuzzing.socket import NO_MESSAGES, Socket, text_socket
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialects.htx.rows import client_order_id

PAIRS = ("BTC-USDT", "ETH-USDT", "ETH-BTC")
ORDERS = "/v1/order/orders"
OF_TOPICS: tuple[Mistake, ...] = (
    *("missing", "wrong value", "unknown parameter", "wrong method", "a name twice"),
)
CHANGES = tuple(f"market.btcusdt.mbp.{levels}" for levels in (5, 20, 150, 400))
NO_TOPICS = (
    *("market.BTCUSDT.bbo", "market.btcusdt", "market..bbo", "bbo", "", 7, True, None),
    *(["market.btcusdt.bbo"], {}),
)
SIGNED = "as it is signed"
"""Stands for what a right login has."""


def answer_pings(fuzz: Fuzz) -> None:
    """Of all sockets: else they were cut after a while."""
    for connection in fuzz.venue.server.connections:
        connection.unanswered_pings = 0


@dataclass
class Settled(Rest):
    """Its cancels are done a moment after they are taken: the next request waits for that."""

    async def send(self, fuzz: Fuzz, sending: Sending) -> Outcome:
        outcome = await super().send(fuzz, sending)
        while any(order.is_cancelling and order.is_open for order in fuzz.orders()):
            await asyncio.sleep(0.01)
        return outcome


def refused(status: int, body: Any) -> bool:
    rows = body.get("data")
    if isinstance(rows, list) and rows and all("err-code" in row for row in rows):
        return True  # a batch of which all was refused
    older = body.get("status") == "error" and {"err-code", "err-msg"} < set(body)
    return older or ("status" not in body and body.get("code") != 200 and "message" in body)


def public(path: str, *params: str, mandatory: tuple[str, ...] = ()) -> Rest:
    return Rest("GET", path, refused, params=params, mandatory=mandatory)


def signed(
    method: str, path: str, *params: str, mandatory: tuple[str, ...] = (), kind: Kind = "query"
) -> Rest:
    return Settled(
        method,
        path,
        refused,
        venue="htx",
        kind=kind,
        params=params,
        mandatory=mandatory,
        in_body=method == "POST",
    )


def not_cancelled(status: int, body: Any) -> bool:
    """A cancel by the client's id is answered with the state of the order: 10 while it lasts."""
    return refused(status, body) or body["data"] != 10


def gunzipped(frame: aiohttp.WSMessage) -> Any:
    return json.loads(gzip.decompress(frame.data))


# Sockets.


def market_answer(message: Any, frame: Any) -> str | None:
    """A message that is none, or whose number is wrong, is refused without a number."""
    if "pong" in frame:
        return "taken"
    if "status" not in frame:
        return None
    if isinstance(message, dict) and frame.get("id") not in (message.get("id"), None):
        return None
    return "taken" if frame["status"] == "ok" else "refused"


def market_socket(action: str, path: str, channels: str, method: str = "") -> Socket:
    """Topics are followed and left on one socket, each of ``sub`` afresh."""

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        wrong = fuzz.random.choice(("fly", "SUB", "subscribe", "unsub ", ""))
        name = wrong if mistake == "wrong method" else action
        topics = {name: sent.pop(channels)} if channels in sent else {}
        return {**topics, "id": fuzz.fresh_number(), **sent}

    def done(connection: Connection, message: Any, frame: Any) -> bool:
        return (message[action] in connection.topics) == (action == "sub")

    return Socket(
        f"{action} {channels}",
        path,
        make,
        market_answer,
        params=(channels, "id"),
        mandatory=(channels,),
        mistakes=OF_TOPICS,
        method=method or action,
        done=None if action == "req" else done,
        decode=gunzipped,
        shared=path,
    )


def market_ping(path: str) -> Socket:
    """Clients may ping too."""
    return Socket(
        f"ping at {path}",
        path,
        lambda fuzz, sent, mistake: sent,
        market_answer,
        params=("ping",),
        mandatory=("ping",),
        mistakes=("wrong value", "a name twice"),
        done=lambda connection, message, frame: frame["pong"] == message["ping"],
        decode=gunzipped,
        shared=path,
    )


def login(fuzz: Fuzz) -> Any:
    auth = HtxAuth(fuzz.venue.account.keys)
    return auth.login_to(f"http://{fuzz.venue.host}/ws/v2", time.time())


def account_answer(message: Any, frame: Any) -> str | None:
    if "code" not in frame:
        return None
    return "taken" if frame["code"] == 200 else "refused"


def account_socket(action: str) -> Socket:
    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        wrong = fuzz.random.choice(("fly", "SUB", "push", "req", "ping", "", 7, None, ["sub"]))
        return {"action": wrong if mistake == "wrong method" else action, **sent}

    def done(connection: Connection, message: Any, frame: Any) -> bool:
        return (message["ch"] in connection.topics) == (action == "sub")

    return Socket(
        f"{action} of an account",
        "/ws/v2",
        make,
        account_answer,
        params=("ch",),
        mandatory=("ch",),
        mistakes=OF_TOPICS,
        method=action,
        opening=login,
        opened=lambda frame: frame["action"] == "req",
        done=done,
        shared="an account",
    )


def before_login(action: str) -> Socket:
    """Nothing is an account's before its login."""
    made = account_socket(action)
    made.name = f"{action} before the login"
    made.kind = "refused"
    made.opening = None
    made.shared = "nobody"
    return made


def login_socket() -> Socket:
    """Each of its parameters may be wrong; it needs a new socket."""
    names = (
        *("authType", "accessKey", "signatureMethod", "signatureVersion", "timestamp"),
        "signature",
    )

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        frame = login(fuzz)
        right = frame["params"]
        given = {name: right[name] if sent[name] == SIGNED else sent[name] for name in sent}
        if mistake == "wrong signature":
            given["signature"] = fuzz.random.choice(("x", "", "é", "\ud800", "=", 7, None, ["x"]))
        if mistake == "unknown key":
            given["accessKey"] = fuzz.random.choice(("nobody", "\ud800", 7, True, {}))
        if mistake == "wrong method":
            frame[fuzz.random.choice(("action", "ch"))] = fuzz.random.choice(("fly", "", 7, None))
        return {**frame, "params": given}

    return Socket(
        "req auth",
        "/ws/v2",
        make,
        account_answer,
        params=names,
        mandatory=names,
        mistakes=(*OF_TOPICS, "wrong signature", "unknown key"),
        method="req auth",
        done=lambda connection, message, frame: connection.account is not None,
        is_fresh=True,
    )


# Values.


def fresh_name(fuzz: Fuzz) -> str:
    return f"fuzz-{fuzz.fresh_number()}"


def name_of_some_order(fuzz: Fuzz) -> str:
    order = fuzz.some_order() if fuzz.random.random() < 0.3 else fuzz.named_order()
    return (client_order_id(order) if order is not None else "") or "none"


def followed_at(path: str) -> Callable[[Fuzz], str]:
    """A topic that a socket follows."""

    def topic(fuzz: Fuzz) -> str:
        connections = fuzz.venue.server.connections
        topics = {topic for each in connections if each.path == path for topic in each.topics}
        return fuzz.random.choice(sorted(topics)) if topics else "market.btcusdt.detail"

    return topic


def ids(fuzz: Fuzz) -> list[str]:
    return [fuzz.order_id()]


def rows_of(params: dict[str, Any]) -> Any:
    """A batch; what else is sent stands in each of its rows."""
    others = {name: params[name] for name in params if name != "orders"}
    rows = params.get("orders", [])
    if not isinstance(rows, list):
        return rows
    return [{**row, **others} if isinstance(row, dict) else row for row in rows]


def placed_rows(body: Any) -> int:
    return sum("order-id" in row for row in body["data"])


def new_orders(fuzz: Fuzz) -> list[dict[str, Any]]:
    """Some of which are refused."""
    good = {
        "account-id": "7",
        "symbol": "btcusdt",
        "type": "buy-limit",
        "amount": "0.001",
        "price": "30000.00",
    }
    others = ({"price": "30000.001"}, {"client-order-id": fresh_name(fuzz)}, {"type": "up"}, {})
    return [good, *[good | fuzz.random.choice(others) for _ in range(fuzz.random.randrange(4))]]


def terms(params: dict[str, Any]) -> Terms:
    return Terms(
        side=params["type"].partition("-")[0],
        amount=Decimal(params["amount"]),
        price=Decimal(params["price"]),
        client_id=params.get("client-order-id"),
    )


ORDER = ("account-id", "symbol", "type", "amount", "price")
TIMES = ("start-time", "end-time")
PLACE = signed(
    "POST",
    f"{ORDERS}/place",
    *ORDER,
    "client-order-id",
    "source",
    mandatory=ORDER,
    kind="place",
)
MANY = signed("POST", "/v1/order/batch-orders", "orders", mandatory=("orders",), kind="place_many")
MANY.body = rows_of
MANY.count = placed_rows
BY_CLIENT_ID = signed(
    "POST",
    f"{ORDERS}/submitCancelClientOrder",
    "client-order-id",
    mandatory=("client-order-id",),
    kind="cancel",
)
BY_CLIENT_ID.refused = not_cancelled
WORDS = Words(
    endpoints=[
        public("/v1/common/timestamp"),
        public("/v1/common/symbols"),
        public("/v1/common/currencys"),
        public("/v1/settings/common/market-symbols", "symbols", "ts"),
        public("/v2/settings/common/symbols", "ts"),
        public("/v2/settings/common/currencies", "ts"),
        public("/v2/reference/currencies", "currency"),
        public("/v2/market-status"),
        public("/market/tickers"),
        public("/market/detail", "symbol", mandatory=("symbol",)),
        public("/market/detail/merged", "symbol", mandatory=("symbol",)),
        public("/market/trade", "symbol", mandatory=("symbol",)),
        public("/market/history/trade", "symbol", "size", mandatory=("symbol",)),
        public("/market/history/kline", "symbol", "period", "size", mandatory=("symbol", "period")),
        public("/market/depth", "symbol", "type", "depth", mandatory=("symbol", "type")),
        signed("GET", "/v2/user/uid"),
        signed("GET", "/v1/account/accounts"),
        signed("GET", "/v1/account/accounts/{account}/balance", "account", mandatory=("account",)),
        *[PLACE] * 6,  # the others need orders
        signed(
            "GET",
            "/v1/order/openOrders",
            *("account-id", "symbol", "side", "types", "size"),
            mandatory=("account-id", "symbol"),
        ),
        signed(
            "GET",
            ORDERS,
            *("symbol", "states", "types", "size", *TIMES),
            mandatory=("symbol", "states"),
        ),
        signed("GET", "/v1/order/history", "symbol", "size", "direct", *TIMES),
        signed("GET", f"{ORDERS}/{{order}}", "order", mandatory=("order",)),
        signed("GET", f"{ORDERS}/{{order}}/matchresults", "order", mandatory=("order",)),
        signed(
            "GET",
            f"{ORDERS}/getClientOrder",
            "clientOrderId",
            mandatory=("clientOrderId",),
        ),
        signed(
            "GET",
            "/v1/order/matchresults",
            *("symbol", "types", "size", "from", *TIMES),
            mandatory=("symbol",),
        ),
        signed("GET", "/v2/reference/transact-fee-rate", "symbols", mandatory=("symbols",)),
        MANY,
        BY_CLIENT_ID,
        signed(
            "POST", f"{ORDERS}/{{order}}/submitcancel", "order", mandatory=("order",), kind="cancel"
        ),
        signed(
            "POST",
            f"{ORDERS}/batchcancel",
            "order-ids",
            mandatory=("order-ids",),
            kind="cancel_all",
        ),
        signed(
            "POST",
            f"{ORDERS}/batchCancelOpenOrders",
            *("account-id", "symbol", "side", "types", "size"),
            kind="cancel_all",
        ),
        market_socket("sub", "/ws", "channel"),
        market_socket("unsub", "/ws", "followed channel"),
        market_socket("req", "/ws", "image", "req market.$symbol.depth.$type"),
        market_socket("req", "/ws", "trades", "req market.$symbol.trade.detail"),
        market_socket("req", "/ws", "detail", "req market.$symbol.detail"),
        market_socket("sub", "/feed", "changes"),
        market_socket("unsub", "/feed", "followed changes"),
        market_socket("req", "/feed", "levels", "req market.$symbol.mbp.$levels"),
        *[market_ping(path) for path in ("/ws", "/feed")],
        *[text_socket(path, market_answer, gunzipped) for path in ("/ws", "/feed")],
        text_socket("/ws/v2", account_answer),
        login_socket(),
        account_socket("sub"),
        account_socket("unsub"),
        *[before_login(action) for action in ("sub", "unsub")],
    ],
    right={
        "symbol": ("btcusdt",),
        "symbols": ("btcusdt", "btcusdt,ethbtc"),
        "ts": ("1", "1700000000000"),
        "currency": ("btc",),
        "type": ("buy-limit", "sell-limit", "buy-ioc", "sell-limit-fok", "buy-limit-maker"),
        "GET /market/depth type": ("step0", "step1", "step5"),
        "depth": ("5", "10", "20"),
        "size": ("10", "100"),
        "period": ("1min", "60min", "4hour", "1day", "1week", "1mon", "1year"),
        "account": ("7",),
        "account-id": ("7",),
        "amount": ("0.001", "0.01", "0.12345"),
        "price": ("30000.00", "59000.5", "61000", "90000"),
        "client-order-id": (fresh_name,),
        "clientOrderId": (name_of_some_order,),
        "source": ("spot-api",),
        "side": ("buy", "sell"),
        "types": ("buy-limit", "buy-limit,sell-limit"),
        "states": ("filled", "filled,canceled,submitted"),
        "direct": ("next", "prev"),
        "start-time": ("1",),
        "end-time": ("172800001",),
        "order": (Fuzz.order_id,),
        "order-ids": (ids,),
        "orders": (new_orders,),
        f"POST {ORDERS}/submitCancelClientOrder client-order-id": (name_of_some_order,),
        "from": ("1", "100"),
        "channel": (
            *(f"market.btcusdt.depth.step{number}" for number in range(6)),
            *(f"market.btcusdt.mbp.refresh.{levels}" for levels in (5, 10, 20)),
            *(f"market.btcusdt.{name}" for name in ("bbo", "detail", "ticker", "trade.detail")),
        ),
        "followed channel": (followed_at("/ws"),),
        "image": tuple(f"market.btcusdt.depth.step{number}" for number in range(6)),
        "trades": ("market.btcusdt.trade.detail",),
        "detail": ("market.btcusdt.detail",),
        "changes": CHANGES,
        "followed changes": (followed_at("/feed"),),
        "levels": CHANGES,
        "id": ("a", 7, ""),
        "ping": (1, 1700000000000),
        "text": NO_MESSAGES,
        **dict.fromkeys(
            (
                *("authType", "accessKey", "signatureMethod", "signatureVersion", "timestamp"),
                "signature",
            ),
            (SIGNED,),
        ),
        "ch": (
            *("orders#btcusdt", "orders#*", "trade.clearing#*", "trade.clearing#btcusdt"),
            *("trade.clearing#*#0", "trade.clearing#btcusdt#1", "accounts.update"),
            *(f"accounts.update#{mode}" for mode in range(3)),
        ),
    },
    wrong={
        "symbol": ("BTCUSDT", "btc-usdt", "nope", "btcusdt,x", "btcusdt "),
        "symbols": ("nope", "btcusdt,", "BTCUSDT", "btcusdt;ethusdt"),
        "ts": ("soon", "-1"),
        "currency": ("zzz", "BTC"),
        "type": ("buy-stop-limit", "limit", "BUY-LIMIT", "buy-", "sell-limit-iceberg"),
        "GET /market/depth type": ("step6", "0", "STEP0"),
        "depth": ("7", "0", "-1", "150"),
        "size": ("0", "-1", "x", "1.5", "9999"),
        "period": ("1m", "1hour", "1DAY", "1min ", "0"),
        "account": ("8", "x"),
        "account-id": ("8", "x", "-7"),
        "amount": ("0", "-1", "0.0000001", "1e9", "NaN", "Infinity", "0x10", "1,5", "many", True),
        "price": ("0", "-30000", "30000.001", "NaN", "1e400", "free", ["30000"]),
        "client-order-id": ("x" * 65, "a b", "ünï", ";"),
        "clientOrderId": ("sandbox1001", "nobody's"),
        "source": ("margin-api", "web"),
        "side": ("BUY", "hold"),
        "types": ("limit", "buy-limit,,"),
        "states": ("open", "FILLED", ","),
        "direct": ("up",),
        "start-time": ("soon", "-1"),
        "end-time": ("soon", "-1"),
        "order": ("none", "-5", "1.5", "9" * 25),
        "orders": ([], [{}], [7], "x", {"a": 1}, [[{}]], [None], [{}] * 11),
        f"POST {ORDERS}/submitCancelClientOrder client-order-id": ("nobody's", "x" * 65),
        "order-ids": ([], "1", [1], ["1"] * 51),
        "from": ("none", "-5"),
        "channel": ("market.btcusdt.kline.1min", "market.btcusdt.mbp.150", *NO_TOPICS),
        "followed channel": ("market.ethbtc.bbo", "market.nope.bbo", *NO_TOPICS),
        "image": ("market.btcusdt.depth.step6", "market.btcusdt.mbp.150", *NO_TOPICS),
        "trades": ("market.btcusdt.trade", "market.btcusdt.trade.detail ", *NO_TOPICS),
        "detail": ("market.btcusdt.bbo", "market.btcusdt.kline.1min", *NO_TOPICS),
        "changes": ("market.btcusdt.mbp.10", "market.btcusdt.bbo", *NO_TOPICS),
        "followed changes": ("market.ethbtc.mbp.5", "market.btcusdt.mbp.10", *NO_TOPICS),
        "levels": ("market.btcusdt.mbp.10", "market.btcusdt.mbp.refresh.5", *NO_TOPICS),
        "ping": ("soon", -1, 1.5, True, [1], {}),
        "authType": ("API", "", 7, None, ["api"]),
        "signatureMethod": ("HmacSHA512", "hmacsha256", "", 7),
        "signatureVersion": ("2", "2.0", 2.1, ["2.1"]),
        "timestamp": (
            *("2019-11-21T10:00:00", "2119-11-21T10:00:00", "soon", "", 1700000000, None),
            *("2019-13-41T10:00:00", ["x"]),
        ),
        "signature": ("x", "", "é", "\ud800", "=", 7, None, ["x"], {}),
        "accessKey": ("nobody", "", "\ud800", 7, True, {}, None),
        "ch": (
            *("orders", "orders#BTCUSDT", "accounts.update#3", "trade.clearing#*#2", "x", 7),
            *("orders#", "orders#btcusdt#0", "accounts.update#0#0", "auth", "", None, True),
            *(["orders#*"], {}, "trade.clearing", "trade.clearing#nope#0"),
        ),
    },
    terms=terms,
    before=answer_pings,
    not_offered={
        f"POST {ORDERS}/place": {
            "stop-price": "50000",
            "operator": "gte",
            "self-match-prevent": "1",
        },
    },
)
