"""Bybit's words: REST v5 and its two sockets."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from exchanges.bybit import BybitAuth
from tests.sandbox.fuzzing.engine import Fuzz, Kind, Mistake, Terms, Words
from tests.sandbox.fuzzing.rest import Rest
from tests.sandbox.fuzzing.socket import NO_MESSAGES, Socket, text_socket

PAIRS = ("BTC-USDT", "ETH-USDT", "ETH-BTC")
V5 = "/v5"
CREATE = f"POST {V5}/order/create"
CANCEL = f"POST {V5}/order/cancel"
BATCH = f"POST {V5}/order/create-batch"
CANCEL_BATCH = f"POST {V5}/order/cancel-batch"
PUBLIC = "/v5/public/spot"
PRIVATE = "/v5/private"
SIGNED = ["what logs in"]
"""Stands for the arguments of a right login."""
MARKET = "POST of a market order"


def refused(status: int, body: Any) -> bool:
    """A batch is refused where each of its orders is."""
    listed = body["retExtInfo"].get("list")
    if status != 200 or body["retCode"]:
        return True
    return bool(listed) and all(row["code"] for row in listed)


def done_rows(body: Any) -> int:
    return sum(not row["code"] for row in body["retExtInfo"]["list"])


def cancelled_rows(body: Any) -> int:
    return len(body["result"]["list"])


def public(path: str, *params: str, mandatory: tuple[str, ...] = ()) -> Rest:
    return Rest("GET", V5 + path, refused, params=params, mandatory=mandatory)


def signed(
    path: str,
    *params: str,
    mandatory: tuple[str, ...] = (),
    kind: Kind = "query",
    count: Callable[[Any], int] | None = None,
    named: str = "",
) -> Rest:
    """Queries are GET; what places or cancels is POST."""
    method = "GET" if kind == "query" else "POST"
    return Rest(
        method,
        V5 + path,
        refused,
        venue="bybit",
        kind=kind,
        params=params,
        mandatory=mandatory,
        in_body=method == "POST",
        count=count,
        named=named,
    )


# Sockets.


def answer(message: Any, frame: Any) -> str | None:
    """The pong of the private socket does not say that it succeeded."""
    if isinstance(message, dict) and frame.get("req_id") != message["req_id"]:
        return None
    if isinstance(message, str) and "op" not in frame:
        return None
    return "taken" if frame.get("success", frame.get("op") == "pong") else "refused"


def login(fuzz: Fuzz) -> Any:
    return BybitAuth(fuzz.venue.account.keys).login(time.time())


def socket(operation: str, path: str) -> Socket:
    """The topics of one message are taken or refused together."""

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        """A topic is followed once: the next message were refused otherwise."""
        for connection in fuzz.venue.server.connections:
            connection.topics.clear()
        wrong = fuzz.random.choice(("fly", "order.create", "SUBSCRIBE", "", "pong"))
        name = wrong if mistake == "wrong method" else operation
        return {"req_id": str(fuzz.fresh_number()), "op": name, **sent}

    names = () if operation == "ping" else ("args",)
    return Socket(
        f"{operation} at {path}",
        path,
        make,
        answer,
        params=names,
        mandatory=names,
        mistakes=("missing", "wrong value", "unknown parameter", "wrong method", "a name twice"),
        method=operation,
        opening=login if path == PRIVATE else None,
        opened=lambda frame: frame.get("op") == "auth" and frame["success"],
    )


def login_socket() -> Socket:
    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        frame: Any = login(fuzz)
        if mistake == "wrong signature":
            frame["args"][2] = fuzz.random.choice(("x", "", "é", "\ud800", 7, None, ["x"]))
        given = {"args": frame["args"] if sent["args"] is SIGNED else sent["args"]} if sent else {}
        others = {name: value for name, value in sent.items() if name != "args"}
        name = "login" if mistake == "wrong method" else "auth"
        return {"req_id": str(fuzz.fresh_number()), "op": name, **given, **others}

    return Socket(
        "auth",
        PRIVATE,
        make,
        answer,
        params=("args",),
        mandatory=("args",),
        mistakes=(
            *("missing", "wrong value", "unknown parameter", "wrong method", "wrong signature"),
            "a name twice",
        ),
        method="auth",
        done=lambda connection, message, frame: connection.account is not None,
        is_fresh=True,
    )


def before_login(operation: str) -> Socket:
    """Nothing is an account's before its login."""
    made = socket(operation, PRIVATE)
    made.name = f"{operation} before the login"
    made.opening = None
    made.kind = "refused"
    return made


# Values.


def fresh_name(fuzz: Fuzz) -> str:
    return f"fuzz-{fuzz.fresh_number()}"


def new_orders(fuzz: Fuzz) -> list[dict[str, Any]]:
    """Some of which are refused."""
    good = {
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "qty": "0.001",
        "price": "30000.00",
    }
    others = (
        {"price": "30000.001"},
        {"orderLinkId": fresh_name(fuzz)},
        {"side": "up"},
        {"colour": 1},
        {"category": "linear"},
        {},
    )
    return [good, *[good | fuzz.random.choice(others) for _ in range(fuzz.random.randrange(4))]]


def cancels(fuzz: Fuzz) -> list[dict[str, Any]]:
    """Of some orders, maybe the same one twice."""
    return [{"symbol": "BTCUSDT", "orderId": fuzz.order_id()} for _ in range(3)]


def terms(params: dict[str, Any]) -> Terms:
    """The size of a market order that buys is in quote, where it does not say."""
    is_market = params["orderType"] == "Market"
    unit = params.get("marketUnit", "quoteCoin" if params["side"] == "Buy" else "baseCoin")
    return Terms(
        side=params["side"].lower(),
        amount=None if is_market and unit == "quoteCoin" else Decimal(params["qty"]),
        price=None if is_market else Decimal(params["price"]),
        client_id=params.get("orderLinkId"),
    )


ORDER = ("category", "symbol", "side", "orderType", "qty", "price")
MARKET_ORDER = ("category", "symbol", "side", "orderType", "qty")
MORE_OF_ORDER = (
    *("timeInForce", "marketUnit", "orderLinkId", "isLeverage", "orderFilter", "positionIdx"),
    *("reduceOnly", "closeOnTrigger", "mmp", "smpType"),
)
CATEGORY = ("category",)
OF_CANCEL = ("category", "symbol", "orderId")
OF_CLIENT = ("category", "symbol", "orderLinkId")
LISTED = (*CATEGORY, "symbol", "baseCoin", "orderId", "limit", "cursor")
TIMES = ("startTime", "endTime")
NUMBERS = (
    *("0", "-1", "1e400", "NaN", "Infinity", "0x10", "1,5", "many", "１", "0.0000000000000000001"),
    *(True, ["1"], {"a": 1}, None),
)
ENTRY = {
    "triggerPrice": "50000",
    "triggerDirection": 1,
    "triggerBy": "LastPrice",
    "orderIv": "0.1",
    "takeProfit": "90000",
    "stopLoss": "20000",
    "tpslMode": "Full",
    "tpLimitPrice": "90000",
    "slOrderType": "Market",
    "slippageToleranceType": "Percent",
    "slippageTolerance": "1",
    "bboSideType": "Queue",
    "bboLevel": "1",
}
TOPICS = (
    ["orderbook.1.BTCUSDT"],
    ["orderbook.50.BTCUSDT", "tickers.BTCUSDT"],
    ["orderbook.200.ETHBTC", "orderbook.1000.BTCUSDT", "publicTrade.BTCUSDT"],
)
PRIVATE_TOPICS = (["order"], ["order.spot", "execution.spot"], ["execution", "wallet"])
WRONG_LISTS = ([], "x", None, 7, [7], [None], {}, [["x"]], [""], ["x"] * 11, ["\ud800"])
WORDS = Words(
    endpoints=[
        public("/market/time"),
        public("/system/status", "id", "state"),
        public(
            "/market/instruments-info",
            *("category", "symbol", "status", "baseCoin", "limit"),
            mandatory=CATEGORY,
        ),
        public("/market/tickers", "category", "symbol", mandatory=CATEGORY),
        public(
            "/market/orderbook", "category", "symbol", "limit", mandatory=("category", "symbol")
        ),
        public(
            "/market/recent-trade", "category", "symbol", "limit", mandatory=("category", "symbol")
        ),
        public(
            "/market/kline",
            *("category", "symbol", "interval", "start", "end", "limit"),
            mandatory=("category", "symbol", "interval"),
        ),
        *[signed("/order/create", *ORDER, *MORE_OF_ORDER, mandatory=ORDER, kind="place")] * 4,
        signed(
            "/order/create",
            *MARKET_ORDER,
            *MORE_OF_ORDER,
            mandatory=MARKET_ORDER,
            kind="place",
            named=MARKET,
        ),
        signed(
            "/order/create-batch",
            *("category", "request"),
            mandatory=("category", "request"),
            kind="place_many",
            count=done_rows,
        ),
        signed("/order/cancel", *OF_CANCEL, "orderFilter", mandatory=OF_CANCEL, kind="cancel"),
        signed("/order/cancel", *OF_CLIENT, mandatory=OF_CLIENT, kind="cancel"),
        signed(
            "/order/cancel-batch",
            *("category", "request"),
            mandatory=("category", "request"),
            kind="cancel_many",
            count=done_rows,
        ),
        signed(
            "/order/cancel-all",
            *("category", "symbol", "baseCoin", "settleCoin", "orderFilter"),
            mandatory=CATEGORY,
            kind="cancel_all",
            count=cancelled_rows,
        ),
        signed(
            "/order/realtime",
            *(*LISTED, "settleCoin", "orderFilter", "openOnly"),
            mandatory=CATEGORY,
        ),
        signed(
            "/order/history",
            *(*LISTED, *TIMES, "settleCoin", "orderFilter", "orderStatus"),
            mandatory=CATEGORY,
        ),
        signed("/execution/list", *LISTED, *TIMES, "execType", mandatory=CATEGORY),
        signed("/account/fee-rate", "category", "symbol", "baseCoin", mandatory=CATEGORY),
        signed("/account/wallet-balance", "accountType", "coin", mandatory=("accountType",)),
        signed("/account/info"),
        signed("/user/query-api"),
        signed("/asset/coin/query-info", "coin"),
        *[text_socket(path, answer) for path in (PUBLIC, PRIVATE)],
        *[
            socket(operation, path)
            for operation in ("ping", "subscribe", "unsubscribe")
            for path in (PUBLIC, PRIVATE)
        ],
        login_socket(),
        before_login("subscribe"),
    ],
    right={
        "category": ("spot",),
        "symbol": ("BTCUSDT",),
        "baseCoin": ("BTC", "ETH"),
        "settleCoin": ("USDT",),
        "coin": ("BTC", "USDT"),
        "accountType": ("UNIFIED",),
        "id": ("4d95b2a0-587f-11f0-bcc9-56f28c94d6ea",),
        "state": ("scheduled", "ongoing", "completed", "canceled"),
        "status": ("Trading",),
        "limit": ("1", "5", "50"),
        "interval": ("1", "30", "720", "D", "W", "M"),
        "start": ("0", "1700000000000", "99999999999999"),
        "end": ("0", "1700000000000", "99999999999999"),
        "side": ("Buy", "Sell"),
        "orderType": ("Limit",),
        f"{MARKET} orderType": ("Market",),
        "qty": ("0.001", "0.01", "0.12345"),
        f"{MARKET} qty": ("10", "0.01", "0.12"),
        "price": ("30000.00", "59000.5", "61000", "90000"),
        "timeInForce": ("GTC", "IOC", "FOK", "PostOnly"),
        "marketUnit": ("baseCoin", "quoteCoin"),
        "orderLinkId": (fresh_name,),
        f"{CANCEL} orderLinkId": (Fuzz.client_id,),
        "isLeverage": (0, "0"),
        "orderFilter": ("Order",),
        "positionIdx": (0,),
        "reduceOnly": (False, "false"),
        "closeOnTrigger": (False,),
        "mmp": (False,),
        "smpType": ("None",),
        "orderId": (Fuzz.order_id,),
        "request": (new_orders,),
        f"{CANCEL_BATCH} request": (cancels,),
        "cursor": ("1001%3A1%2C1100%3A1",),
        "startTime": ("1700000000000",),
        "endTime": ("1700000001000",),
        "openOnly": ("0", "1", "2"),
        "orderStatus": ("New", "Filled", "Cancelled"),
        "execType": ("Trade", "Funding"),
        "text": ("ping", *NO_MESSAGES),
        "args": TOPICS,
        f"subscribe at {PRIVATE} args": PRIVATE_TOPICS,
        f"unsubscribe at {PRIVATE} args": PRIVATE_TOPICS,
        "subscribe before the login args": PRIVATE_TOPICS,
        "auth args": (SIGNED,),
    },
    wrong={
        "category": ("linears", "SPOT", "spot ", "spot,linear"),
        "symbol": ("BTC-USDT", "btcusdt", "NOPE", "BTCUSDT,ETHUSDT", "BTCUSDT\0"),
        "baseCoin": (),
        "settleCoin": (),
        "coin": (),
        "accountType": ("SPOT", "unified", "CONTRACT", "FUND"),
        "state": ("open", "SCHEDULED"),
        "status": ("trading", "x"),
        "limit": ("0", "-1", "ten", "1.5", "1001", "99999999999999999999"),
        "interval": ("2", "1m", "d", "01", "Y"),
        "start": ("now", "1.5", "1e12"),
        "end": ("now", "1.5", "1e12"),
        "side": ("buy", "BUY", "hold", 1, None, ["Buy"], {"a": 1}),
        "orderType": ("limit", "UNKNOWN", "Stop", 1, None, True),
        f"{MARKET} orderType": ("market", "Limit", "StopMarket"),
        "qty": (*NUMBERS, "0.0000000001", "1e9"),
        "price": (*NUMBERS, "30000.001", "-30000", "free"),
        f"{MARKET} price": (),
        "timeInForce": ("gtc", "GTD", "RPI", 1, ["GTC"]),
        "marketUnit": ("BTC", "basecoin", 1),
        "orderLinkId": ("x" * 37, "a b", "ünï", "a.b", True, ["x"], {"a": 1}),
        f"{CANCEL} orderLinkId": ("nobody's", "x" * 37, Fuzz.made_client_id),
        "isLeverage": (1, "1", "yes", True),
        "orderFilter": ("StopOrders", "order", "tpsl", 1),
        f"{CREATE} orderFilter": ("StopOrder", "tpslOrder", "order", 1),
        f"{MARKET} orderFilter": ("StopOrder", "tpslOrder", "order", 1),
        "positionIdx": (1, 2, "x"),
        "reduceOnly": (True, "true", "yes", 1),
        "closeOnTrigger": (True, "yes"),
        "mmp": (True, 1),
        "smpType": ("CancelMaker", "none", 1),
        "orderId": ("none", "-5", "1.5", "9" * 25, Fuzz.order_uuid),
        **{
            f"GET {V5}/{path} orderId": ()
            for path in ("order/realtime", "order/history", "execution/list")
        },
        "request": (
            [],
            [{}],
            [{"category": "spot"}],
            [{}] * 11,
            [7],
            "x",
            {"symbol": "BTCUSDT"},
            [[{}]],
            None,
            [None],
        ),
        "cursor": ("x", "-1", "1.5:1", "none,none", "%", "99999999999999999999:1"),
        "startTime": ("soon", "-1", "1.5"),
        "endTime": ("soon", "-1", "1.5"),
        "openOnly": ("3", "x", "true"),
        "orderStatus": ("open", "filled", "x"),
        "execType": ("trade", "x"),
        "args": (
            *WRONG_LISTS,
            *(["orderbook.50.NOPE"], ["orderbook.2.BTCUSDT"], ["kline.1.BTCUSDT"], ["order"]),
            *(["orderbook.50.BTCUSDT", "liquidation.BTCUSDT"], ["tickers.btcusdt"], ["tickers"]),
            *(["orderbook.050.BTCUSDT"], ["publicTrade."], ["orderbook.50.BTCUSDT "]),
        ),
        **{
            f"{name} args": (*WRONG_LISTS, ["orders"], ["position"], ["order", "x"], ["greeks"])
            for name in (f"subscribe at {PRIVATE}", f"unsubscribe at {PRIVATE}")
        },
        "auth args": (*WRONG_LISTS[:-2], ["x"], ["a", 1, "b"], [{}, [], None], ["\ud800"] * 3),
    },
    terms=terms,
    unknown={"colour": "blue", "Symbol": "BTCUSDT"},
    not_offered={
        CREATE: ENTRY,
        MARKET: ENTRY,
        f"{CANCEL}": {"triggerPrice": "1"},
    },
)
