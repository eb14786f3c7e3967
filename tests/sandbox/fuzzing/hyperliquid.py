"""Hyperliquid's words: questions, signed actions, and the socket."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp

from exchanges.hyperliquid import HyperliquidAuth
from exchanges.requests import UnsignedRequest
from tests.sandbox.fuzzing.engine import Fuzz, Kind, Mistake, Outcome, Sending, Terms, Words
from tests.sandbox.fuzzing.rest import doubled_json
from tests.sandbox.fuzzing.socket import Socket
from trochil.sandbox.requests import Params

PAIRS = ("BTC-USDC", "ETH-USDC")
ASSET = 10_000
NO_MATCH = "Order could not immediately match"
STRANGER = "0x" + "12" * 20
WRONG_TYPES = ("dreams", "Meta", 7, None, ["meta"], {"meta": 1}, "", "\ud800")
OF_QUESTIONS: tuple[Mistake, ...] = (
    "missing",
    "wrong value",
    "unknown parameter",
    "not offered",
    "doubled",
    "wrong method",
    "unknown path",
    "a form",
    "in the query too",
)
OF_ACTIONS: tuple[Mistake, ...] = (*OF_QUESTIONS, "wrong signature", "unknown key")
OF_POSTS: tuple[Mistake, ...] = (
    *("missing", "wrong value", "unknown parameter", "not offered", "wrong method"),
    "a name twice",
)

_signers: WeakKeyDictionary[Fuzz, HyperliquidAuth] = WeakKeyDictionary()


# Answers.


def is_refused(body: Any) -> bool:
    """Of a decoded answer. Unknown coins are null; actions name what was refused of them."""
    if not isinstance(body, dict):
        return False
    if body.get("status") in ("err", "unknownOid"):
        return True
    statuses = statuses_of(body)
    return bool(statuses) and not done(statuses)


def statuses_of(body: Any) -> list[Any]:
    response = body.get("response") if isinstance(body, dict) else None
    data = response.get("data", {}) if isinstance(response, dict) else {}
    return list(data.get("statuses", []))


def done(statuses: list[Any]) -> int:
    """An order that found nothing to match was taken, and has expired."""
    return sum(
        not isinstance(row, dict) or row.get("error", NO_MATCH).startswith(NO_MATCH)
        for row in statuses
    )


def outcome_of(status: int, text: str) -> Outcome:
    """Plain texts and nothing are refusals, and so is the venue's null with a 500."""
    if status == 500 and text == "null":
        return Outcome(400, True, text)
    if status != 200:
        return Outcome(status, True, text)
    body = json.loads(text)
    statuses = statuses_of(body)
    return Outcome(200, is_refused(body), text, done(statuses) if statuses else None)


# What is sent.


def signed(fuzz: Fuzz, action: Any, mistake: Mistake) -> dict[str, Any]:
    """The envelope of an action. What can't be hashed goes with the signature of another."""
    auth = _signers.setdefault(fuzz, HyperliquidAuth(fuzz.venue.account.keys))
    if mistake == "unknown key":
        auth = HyperliquidAuth(fuzz.venue.server.dialect.new_keys("nobody"))
    url = f"http://{fuzz.venue.host}/exchange"
    try:
        ready = auth.sign(UnsignedRequest("POST", url, {}, action), time.time())
    except (OverflowError, UnicodeEncodeError, ValueError, TypeError):
        ready = auth.sign(UnsignedRequest("POST", url, {}, {"type": "noop"}), time.time())
    envelope: dict[str, Any] = json.loads(ready["body"]) | {"action": action}
    if mistake == "wrong signature":
        return envelope | fuzz.random.choice(wrong_envelopes(envelope))
    return envelope


def wrong_envelopes(envelope: dict[str, Any]) -> list[dict[str, Any]]:
    signature = envelope["signature"]
    numbers = ("0x0", "x", "", "-0x1", "0x" + "f" * 65, 7, None, ["0x1"], "0x1_0", " 0x1", "１")
    return [
        *({"signature": signature | {name: value}} for name in "rs" for value in numbers),
        *({"signature": signature | {"v": v}} for v in (0, 1, 26, 29, 10**17, "x", None, True)),
        *({"signature": value} for value in (None, "0x", [], {}, signature | {"colour": 1})),
        *({"nonce": value} for value in (0, 1, -1, "1", None, 1.5, True, 2**64, 2**63, 10**30)),
        *({"nonce": envelope["nonce"] + shift} for shift in (-(10**10), 10**10, 1)),
        *({"vaultAddress": value} for value in (STRANGER, "0x12", 7, [STRANGER], True)),
        *({"expiresAfter": value} for value in (1, "1", -1, True, 2**64, envelope["nonce"])),
        {"colour": "blue"},
        {"isFrontend": True},
    ]


@dataclass
class Post:
    """A question or an action by REST. ``make``: (fuzz, parameters, the mistake) -> the body."""

    name: str
    path: str
    make: Callable[[Fuzz, dict[str, Any], Mistake], Any]
    kind: Kind = "query"
    params: tuple[str, ...] = ()
    mandatory: tuple[str, ...] = ()
    mistakes: tuple[Mistake, ...] = OF_QUESTIONS

    @property
    def route(self) -> tuple[str, str]:
        return "POST", self.path

    async def send(self, fuzz: Fuzz, sending: Sending) -> Outcome:
        mistake = sending.mistake
        body = self.make(fuzz, dict(sending.params), mistake)
        text = doubled_json(body) if mistake == "doubled" else json.dumps(body)
        if mistake == "a form":
            forms = (
                f"type=meta&action={text}",
                f"[{text}]",
                f"[{text},{text}]",
                "",
                "{",
                text[:-1],
            )
            text = fuzz.random.choice(forms)
        method = "POST"
        if mistake == "wrong method" and fuzz.random.random() < 0.3:
            method = fuzz.random.choice(("GET", "PUT", "PATCH", "DELETE"))
        path = self.path + ("/nowhere" if mistake == "unknown path" else "")
        query = fuzz.random.choice(({"colour": "blue"}, {"type": "meta"}, {"nonce": "1"}))
        async with fuzz.venue.session.request(
            method,
            path,
            params=query if mistake == "in the query too" else {},
            data=text,
            headers={"Content-Type": "application/json"},
        ) as answer:
            return outcome_of(answer.status, await answer.text())


def question_body(kind: str) -> Callable[[Fuzz, dict[str, Any], Mistake], Any]:
    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        wrong = fuzz.random.choice(WRONG_TYPES)
        return {"type": wrong if mistake == "wrong method" else kind} | sent

    return make


def question(kind: str, *params: str, mandatory: tuple[str, ...] = ()) -> Post:
    return Post(
        f"info {kind}",
        "/info",
        question_body(kind),
        params=params,
        mandatory=mandatory,
    )


def action_body(
    action_of: Callable[[dict[str, Any]], dict[str, Any]],
) -> Callable[[Fuzz, dict[str, Any], Mistake], Any]:
    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        action = action_of(sent)
        if mistake == "wrong method":
            wrong = ("fly", "batchModify", "modify", "updateLeverage", "withdraw3", *WRONG_TYPES)
            action = action | {"type": fuzz.random.choice(wrong)}
        return signed(fuzz, action, mistake)

    return make


def action(
    name: str,
    action_of: Callable[[dict[str, Any]], dict[str, Any]],
    *params: str,
    mandatory: tuple[str, ...] = (),
    kind: Kind = "query",
) -> Post:
    return Post(
        f"action {name}",
        "/exchange",
        action_body(action_of),
        kind,
        params,
        mandatory,
        OF_ACTIONS,
    )


def order_row(sent: dict[str, Any]) -> dict[str, Any]:
    """A limit order's time in force has a place of its own; in the order that is hashed."""
    row = {name: sent[name] for name in ("a", "b", "p", "s", "r") if name in sent}
    if "trigger" in sent:
        row["t"] = {"trigger": sent["trigger"]}
    elif "t" in sent:
        row["t"] = sent["t"]
    elif "tif" in sent:
        row["t"] = {"limit": {"tif": sent["tif"]}}
    known = (*row, "tif", "trigger", "grouping", "builder", "orders")
    others = {name: value for name, value in sent.items() if name not in known}
    return row | others


def order_action(sent: dict[str, Any]) -> dict[str, Any]:
    orders = sent["orders"] if "orders" in sent else [order_row(sent)]
    if "orders" in sent and isinstance(orders, list):
        others = order_row(sent)
        orders = [row | others if isinstance(row, dict) else row for row in orders]
    built = {"type": "order", "orders": orders, "grouping": sent.get("grouping", "na")}
    return built | ({"builder": sent["builder"]} if "builder" in sent else {})


def cancel_action(kind: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def build(sent: dict[str, Any]) -> dict[str, Any]:
        if "cancels" not in sent:
            return {"type": kind, "cancels": [sent]}
        others = {name: value for name, value in sent.items() if name != "cancels"}
        return {"type": kind, "cancels": sent["cancels"]} | others

    return build


def plain_action(kind: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda sent: {"type": kind} | sent


# The socket.


def answer(message: Any, frame: Any) -> str | None:
    channel = frame["channel"]
    if channel == "error":
        return "refused"
    if channel == "pong":
        return "taken"
    if channel == "subscriptionResponse":
        return "taken"
    if channel != "post" or frame["data"]["id"] != message["id"]:
        return None
    response = frame["data"]["response"]
    body = response["payload"]
    return "refused" if response["type"] == "error" or is_refused(body) else "taken"


class FreshSocket(Socket):
    """One for each message: what it says stands alone."""

    async def _open(self, fuzz: Fuzz) -> aiohttp.ClientWebSocketResponse:
        socket = await fuzz.venue.session.ws_connect(self.path)
        await socket.receive()  # the greeting
        return socket


def message_socket(
    name: str,
    make: Callable[[Fuzz, dict[str, Any], Mistake], Any],
    *params: str,
    mandatory: tuple[str, ...] = (),
    kind: Kind = "query",
    mistakes: tuple[Mistake, ...] = OF_POSTS,
    method: str = "",
) -> Socket:
    made = FreshSocket(name, "/ws", make, answer, kind, params, mandatory, mistakes)
    made.method = method
    made.is_fresh = True
    return made


def ping(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
    wrong = fuzz.random.choice(("fly", "Ping", 7, None, ["ping"], {"ping": 1}, "\ud800"))
    return {"method": wrong if mistake == "wrong method" else "ping"} | sent


def subscription(method: str, kind: str) -> Callable[[Fuzz, dict[str, Any], Mistake], Any]:
    """Whoever unsubscribes follows it first."""

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        wrong = fuzz.random.choice(("candle", "webData2", "L2Book", "", 7, None, ["l2Book"], {}))
        described = {"type": wrong if mistake == "wrong method" else kind} | sent
        if method == "unsubscribe" and mistake == "none":
            topics = fuzz.venue.server.dialect
            for connection in fuzz.venue.server.connections:
                connection.topics.add(topics.topic(Params(described)))
        return {"method": method, "subscription": described}

    return make


def any_subscription(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
    return {"method": "subscribe"} | sent


def posted(
    kind: str, body: Callable[[Fuzz, dict[str, Any], Mistake], Any]
) -> Callable[[Fuzz, dict[str, Any], Mistake], Any]:
    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        given = {name: value for name, value in sent.items() if name != "id"}
        payload = body(fuzz, given, mistake)
        number = sent.get("id", fuzz.fresh_number())
        return {"method": "post", "id": number, "request": {"type": kind, "payload": payload}}

    return make


def post_socket(
    name: str,
    kind: str,
    body: Callable[[Fuzz, dict[str, Any], Mistake], Any],
    *params: str,
    mandatory: tuple[str, ...] = (),
    of: Kind = "query",
) -> Socket:
    mistakes = OF_POSTS if kind == "info" else (*OF_POSTS, "wrong signature", "unknown key")
    return message_socket(
        f"post {name}",
        posted(kind, body),
        *params,
        "id",
        mandatory=mandatory,
        kind=of,
        mistakes=mistakes,
        method="post",
    )


# Values.


def own_address(fuzz: Fuzz) -> str:
    return fuzz.venue.account.keys["api_key"]


def capital_address(fuzz: Fuzz) -> str:
    return "0x" + own_address(fuzz)[2:].upper()


def fresh_cloid(fuzz: Fuzz) -> str:
    return f"0x{fuzz.fresh_number():032x}"


def cloid_of_some_order(fuzz: Fuzz) -> str:
    order = fuzz.named_order()
    return order.own_client_id if order is not None else "0x" + "f" * 32


def oid(fuzz: Fuzz) -> int:
    return int(fuzz.order_id())


def oid_text(fuzz: Fuzz) -> str:
    return fuzz.order_id()


def new_orders(fuzz: Fuzz) -> list[dict[str, Any]]:
    """Some of which are refused."""
    good = {
        "a": ASSET,
        "b": True,
        "p": "30000",
        "s": "0.001",
        "r": False,
        "t": {"limit": {"tif": "Gtc"}},
    }
    others = ({"p": "30000.001"}, {"c": fresh_cloid(fuzz)}, {"s": "0"}, {"r": True}, {})
    return [good, *[good | fuzz.random.choice(others) for _ in range(fuzz.random.randrange(4))]]


def cancels(fuzz: Fuzz) -> list[dict[str, Any]]:
    """Of some orders, maybe the same one twice."""
    return [{"a": ASSET, "o": int(fuzz.order_id())} for _ in range(3)]


def cancels_by_cloid(fuzz: Fuzz) -> list[dict[str, Any]]:
    return [{"asset": ASSET, "cloid": cloid_of_some_order(fuzz)} for _ in range(3)]


def terms(params: dict[str, Any]) -> Terms:
    return Terms(
        side="buy" if params["b"] else "sell",
        amount=Decimal(params["s"]),
        price=Decimal(params["p"]),
        client_id=params.get("c"),
    )


USER = ("user",)
TIMES = ("user", "startTime", "endTime")
FIRST_TIME = ("user", "startTime")
ORDER = ("a", "b", "p", "s", "r", "tif")
OF_OID = ("a", "o")
OF_CLOID = ("asset", "cloid")
TRIGGER = {"isMarket": True, "triggerPx": "50000", "tpsl": "sl"}
PLACE = action("order", order_action, *ORDER, "c", mandatory=ORDER, kind="place")
SUBSCRIPTIONS: dict[str, tuple[str, ...]] = {
    "l2Book": ("coin", "nSigFigs"),
    "l4Book": ("coin",),
    "trades": ("coin",),
    "bbo": ("coin",),
    "activeAssetCtx": ("coin",),
    "allMids": (),
    "orderUpdates": USER,
    "userFills": ("user", "aggregateByTime"),
    "userEvents": USER,
    "spotState": USER,
}
QUESTIONS = [
    question("meta", "dex"),
    question("metaAndAssetCtxs", "dex"),
    question("spotMeta"),
    question("spotMetaAndAssetCtxs"),
    question("perpDexs"),
    question("allMids", "dex"),
    question("l2Book", "coin", "nSigFigs", mandatory=("coin",)),
    question("recentTrades", "coin", mandatory=("coin",)),
    question("exchangeStatus"),
    *[
        question(kind, "user", mandatory=USER)
        for kind in (
            "userRole",
            "userAbstraction",
            "userFees",
            "userRateLimit",
            "historicalOrders",
            "spotClearinghouseState",
            "userTwapSliceFills",
            "userVaultEquities",
            "extraAgents",
            "subAccounts",
        )
    ],
    question("userFills", "user", "aggregateByTime", mandatory=USER),
    question("userFillsByTime", *TIMES, "aggregateByTime", "reversed", mandatory=FIRST_TIME),
    *[
        question(kind, "user", "dex", mandatory=USER)
        for kind in ("openOrders", "frontendOpenOrders", "clearinghouseState")
    ],
    question("orderStatus", "user", "oid", mandatory=("user", "oid")),
    *[question(kind, *TIMES, mandatory=FIRST_TIME) for kind in ("userFunding",)],
    question("userNonFundingLedgerUpdates", *TIMES, mandatory=FIRST_TIME),
    question("maxBuilderFee", "user", "builder", mandatory=("user", "builder")),
]
ACTIONS = [
    *[PLACE] * 6,  # the others need orders
    action("order of many", order_action, "orders", mandatory=("orders",), kind="place_many"),
    *[
        action("cancel", cancel_action("cancel"), *OF_OID, mandatory=OF_OID, kind="cancel"),
        action(
            "cancelByCloid",
            cancel_action("cancelByCloid"),
            *OF_CLOID,
            mandatory=OF_CLOID,
            kind="cancel",
        ),
    ]
    * 2,
    *[
        action(
            f"{kind} of many",
            cancel_action(kind),
            "cancels",
            mandatory=("cancels",),
            kind="cancel_many",
        )
        for kind in ("cancel", "cancelByCloid", "cancelByCloid")
    ],
    action("scheduleCancel", plain_action("scheduleCancel")),
    action("noop", plain_action("noop")),
]
WORDS = Words(
    endpoints=[
        *QUESTIONS,
        *ACTIONS,
        message_socket("ping", ping, mistakes=("unknown parameter", "wrong method"), method="ping"),
        message_socket(
            "subscribe to anything",
            any_subscription,
            "subscription",
            mandatory=("subscription",),
            mistakes=("missing", "wrong value", "unknown parameter"),
        ),
        *[
            message_socket(
                f"{method} {kind}",
                subscription(method, kind),
                *names,
                mandatory=tuple(name for name in names if name in ("coin", "user")),
                method=method,
            )
            for method in ("subscribe", "unsubscribe")
            for kind, names in SUBSCRIPTIONS.items()
        ],
        post_socket("info meta", "info", question_body("meta"), "dex"),
        post_socket("info l2Book", "info", question_body("l2Book"), "coin", mandatory=("coin",)),
        post_socket("info openOrders", "info", question_body("openOrders"), "user", mandatory=USER),
        post_socket(
            "action order",
            "action",
            action_body(order_action),
            *ORDER,
            "c",
            mandatory=ORDER,
            of="place",
        ),
        post_socket(
            "action cancel",
            "action",
            action_body(cancel_action("cancel")),
            *OF_OID,
            mandatory=OF_OID,
            of="cancel",
        ),
    ],
    right={
        "user": (own_address, own_address, capital_address, STRANGER),
        "builder": (STRANGER,),
        "coin": ("BTC/USDC", "@1", "BTC", "ETH"),
        "subscribe l4Book coin": ("BTC", "ETH"),
        "unsubscribe l4Book coin": ("BTC", "ETH"),
        "dex": ("", None),
        "nSigFigs": (None,),
        "aggregateByTime": (False, None),
        "reversed": (False,),
        "startTime": (0, 1_700_000_000_000),
        "endTime": (None, 4_100_000_000_000),
        "oid": (oid, cloid_of_some_order),
        "a": (ASSET,),
        "asset": (ASSET,),
        "b": (True, False),
        "p": ("30000", "59000", "61000", "90000.0"),
        "s": ("0.001", "0.010", "0.12345"),
        "r": (False,),
        "tif": ("Gtc", "Gtc", "Ioc", "Alo"),
        "c": (fresh_cloid,),
        "o": (oid,),
        "cloid": (cloid_of_some_order,),
        "orders": (new_orders,),
        "cancels": (cancels,),
        "action cancelByCloid of many cancels": (cancels_by_cloid,),
        "id": (Fuzz.fresh_number,),
        "subscription": ({"type": "allMids"},),
    },
    wrong={
        "user": ("0x12", "nobody", 7, None, "0x" + "g" * 40, ["x"], {"a": 1}, True, "\ud800"),
        "builder": ("0x12", 7, None, ["x"]),
        "coin": ("NOPE", "btc", "BTC-USDC", "@0", "@99", 7, None, ["BTC"], {"a": 1}, "\ud800"),
        "subscribe l4Book coin": ("BTC/USDC", "@1", "NOPE", 7, ["BTC"]),
        "dex": ("other", 7, True, ["x"], {"a": 1}),
        "nSigFigs": (5, "5", 2, True, [5]),
        "aggregateByTime": (True, "false", "true", 0, 1, ["x"], {"a": 1}),
        "reversed": (True, "false", 0),
        "startTime": ("1", -1, 1.5, True, 2**64, None, [1], {"a": 1}),
        "endTime": ("1", -1, 1.5, True, 2**64, [1]),
        "oid": (-1, 1.5, True, None, [1], {"a": 1}, "0x12", "", "\ud800", oid_text, 10**30),
        "a": (0, 10, 9999, 10_003, "10000", -1, True, 1.5, None, [ASSET], 2**64, 10**30),
        "asset": (0, 9999, 10_001, "10000", -1, True, 1.5, None, [ASSET], 10**30),
        "b": ("true", 1, None, "buy", [True]),
        "p": (
            *("0", "-1", "1e400", "NaN", "0x10", "1,5", "many", "１", "30000.1", "31234.56"),
            *(30000, 30000.5, True, None, ["30000"], {"a": 1}, "\ud800", ""),
        ),
        "s": (
            *("0", "-1", "1e400", "NaN", "Infinity", "0.0000001", "1e9", "many", "１", "0x1"),
            *(0.01, 1, True, None, ["1"], {"a": 1}, "\ud800", ""),
        ),
        "r": (True, "false", 0, None),
        "tif": ("GTC", "gtc", "Fok", "FrontendMarket", 7, None, ["Gtc"], {"a": 1}),
        "c": ("0x12", "mine", "0x" + "g" * 32, 7, True, ["x"], {"a": 1}, "0x" + "1" * 33, "\ud800"),
        "o": (0, -1, 1.5, True, None, oid_text, [1], 2**64, 10**30, 2**63),
        "cloid": ("0x12", "mine", 7, None, True, ["x"], {"a": 1}, "0x" + "e" * 32, "sandbox1001"),
        "orders": ([{}], [7], "x", None, 7, {"a": 1}, [[{}]], [None]),
        "cancels": ([{}], [7], "x", None, 7, {"a": 1}, [[{}]], [None]),
        "id": ("1", -1, 1.5, True, [1], {"a": 1}, 2**64),
        "subscription": (
            *(None, "allMids", 7, [], {}, {"type": "allMids", "dex": "other"}, [{"type": "bbo"}]),
            *({"type": "candle", "coin": "BTC", "interval": "1m"}, {"type": "\ud800"}),
        ),
    },
    terms=terms,
    unknown={"colour": "blue", "\ud800": 1, "Coin": "BTC"},
    not_offered={
        "info l2Book": {"mantissa": 2},
        "subscribe l2Book": {"mantissa": 2},
        "subscribe allMids": {"dex": "other"},
        "action order": {
            "builder": {"b": STRANGER, "f": 10},
            "grouping": "normalTpsl",
            "trigger": TRIGGER,
        },
        "action order of many": {"builder": {"b": STRANGER, "f": 10}, "grouping": "positionTpsl"},
        "action scheduleCancel": {"time": 4_100_000_000_000},
        "post action order": {"grouping": "positionTpsl", "trigger": TRIGGER},
    },
)
