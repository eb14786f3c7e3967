"""OKX's words: REST v5 and its three sockets."""

import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import aiohttp

from exchanges.okx import OkxAuth
from tests.sandbox.fuzzing.engine import Fuzz, Kind, Mistake, Terms, Words
from tests.sandbox.fuzzing.rest import Rest
from tests.sandbox.fuzzing.socket import Socket

PAIRS = ("BTC-USDT", "ETH-USDT", "ETH-BTC")
API = "/api/v5"
TRADE = f"{API}/trade"
PUBLIC = "/ws/v5/public"
PRIVATE = "/ws/v5/private"
BUSINESS = "/ws/v5/business"


def refused(status: int, body: Any) -> bool:
    """A batch of which a part was done has the code 2."""
    return status != 200 or body["code"] not in ("0", "2")


def done_rows(body: Any) -> int:
    return sum(row["sCode"] == "0" for row in body["data"])


CANDLE_PARAMS = ("instId", "bar", "after", "before", "limit")


def public(path: str, *params: str, mandatory: tuple[str, ...] = ()) -> Rest:
    return Rest("GET", API + path, refused, params=params, mandatory=mandatory)


def signed(
    path: str,
    *params: str,
    mandatory: tuple[str, ...] = (),
    kind: Kind = "query",
    body: Callable[[dict[str, Any]], Any] | None = None,
    named: str = "",
) -> Rest:
    """Queries are GET; what places or cancels is POST."""
    method = "GET" if kind == "query" else "POST"
    return Rest(
        method,
        API + path,
        refused,
        venue="okx",
        kind=kind,
        params=params,
        mandatory=mandatory,
        in_body=method == "POST",
        body=body,
        count=done_rows if kind in ("place_many", "cancel_many") else None,
        named=named,
    )


def rows_of(params: dict[str, Any]) -> Any:
    """A batch; what else is sent stands in each of its rows."""
    others = {name: params[name] for name in params if name != "rows"}
    rows = params.get("rows", [])
    if not isinstance(rows, list):
        return rows
    return [{**row, **others} if isinstance(row, dict) else row for row in rows]


# Sockets.


def decoded(frame: aiohttp.WSMessage) -> Any:
    return frame.data if frame.data == "pong" else json.loads(frame.data)


def answer(message: Any, frame: Any) -> str | None:
    if frame == "pong":
        return "taken"
    if isinstance(message, str):
        return "refused" if frame.get("event") == "error" else None
    if frame.get("id") != message["id"]:
        return None
    return {"error": "refused"}.get(frame.get("event"), "taken")


def text_socket(path: str) -> Socket:
    """Pings are texts; other texts are refused."""
    return Socket(
        f"ping at {path}",
        path,
        lambda fuzz, sent, mistake: sent["text"],
        answer,
        params=("text",),
        mandatory=("text",),
        mistakes=("wrong value",),
        method="ping",
        decode=decoded,
    )


OPERATIONS_NOT_OFFERED = ("fly", "order", "batch-orders", "cancel-order", "amend-order", "")


def socket(
    operation: str,
    path: str,
    what: str,
    *params: str,
    mandatory: tuple[str, ...] = ("channel",),
    opening: Callable[[Fuzz], Any] | None = None,
) -> Socket:
    """One argument a message."""

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        wrong = fuzz.random.choice(OPERATIONS_NOT_OFFERED)
        arguments = sent.get("args", [sent])
        return {
            "id": str(fuzz.fresh_number()),
            "op": wrong if mistake == "wrong method" else operation,
            "args": arguments,
        }

    return Socket(
        f"{operation} {what}",
        path,
        make,
        answer,
        params=params,
        mandatory=mandatory,
        mistakes=("missing", "wrong value", "unknown parameter", "wrong method", "a name twice"),
        method=operation,
        opening=opening,
        opened=lambda frame: frame.get("event") == "login",
        decode=decoded,
    )


def arguments_socket(path: str) -> Socket:
    """What stands for the list of arguments. No channel is offered for business."""
    made = socket("subscribe", path, f"with any arguments at {path}", "args", mandatory=("args",))
    made.mistakes = ("wrong value",)
    made.kind = "check" if path == BUSINESS else "query"
    return made


def login(fuzz: Fuzz) -> Any:
    return OkxAuth(fuzz.venue.account.keys).login(time.time())


def login_socket() -> Socket:
    """A fresh one for each message: who is logged in may not log in again."""

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        frame: Any = login(fuzz)
        (argument,) = frame["args"]
        if mistake == "wrong signature":
            argument = argument | {"sign": fuzz.random.choice(("x", "", "é", "\ud800", "="))}
        given = {name: argument[name] if value is None else value for name, value in sent.items()}
        if mistake == "wrong signature":
            given["sign"] = argument["sign"]
        return {"id": str(fuzz.fresh_number()), "op": "login", "args": [given]}

    names = ("apiKey", "passphrase", "timestamp", "sign")
    return Socket(
        "login",
        PRIVATE,
        make,
        answer,
        params=names,
        mandatory=names,
        mistakes=("missing", "wrong value", "unknown parameter", "wrong signature", "a name twice"),
        method="login",
        done=lambda connection, message, frame: connection.account is not None,
        decode=decoded,
        is_fresh=True,
    )


# Values.


def fresh_name(fuzz: Fuzz) -> str:
    return f"fuzz{fuzz.fresh_number()}"


def new_orders(fuzz: Fuzz) -> list[dict[str, Any]]:
    """Some of which are refused."""
    good = {
        "instId": "BTC-USDT",
        "tdMode": "cash",
        "side": "buy",
        "ordType": "limit",
        "sz": "0.001",
        "px": "30000.00",
    }
    others = ({"px": "30000.001"}, {"clOrdId": fresh_name(fuzz)}, {"side": "up"}, {"colour": 1}, {})
    return [good, *[good | fuzz.random.choice(others) for _ in range(fuzz.random.randrange(4))]]


def cancels(fuzz: Fuzz) -> list[dict[str, Any]]:
    """Of some orders, maybe the same one twice."""
    pairs = {order.id: order.symbol for order in fuzz.orders()}
    ids = [fuzz.order_id() for _ in range(3)]
    return [{"instId": pairs.get(int(id), "BTC-USDT"), "ordId": id} for id in ids]


def terms(params: dict[str, Any]) -> Terms:
    """The size of a market order that buys is in quote, where it does not say."""
    is_market = params["ordType"] == "market"
    unit = params.get("tgtCcy", "quote_ccy" if params["side"] == "buy" else "base_ccy")
    return Terms(
        side=params["side"],
        amount=None if is_market and unit == "quote_ccy" else Decimal(params["sz"]),
        price=None if is_market else Decimal(params["px"]),
        client_id=params.get("clOrdId"),
    )


ORDER = ("instId", "tdMode", "side", "ordType", "sz", "px")
MARKET_ORDER = ("instId", "tdMode", "side", "ordType", "sz")
MORE_OF_ORDER = ("clOrdId", "tag", "tgtCcy", "posSide", "stpMode", "banAmend", "reduceOnly")
MARKET = "POST of a market order"
PAGE = ("after", "before", "limit")
TIMES = ("begin", "end")
CANCEL = ("instId", "ordId")
CANCEL_OF_CLIENT = ("instId", "clOrdId")
LISTED = ("instId", "ordType", *PAGE)
NUMBERS = (
    *("0", "-1", "1e400", "NaN", "Infinity", "0x10", "1,5", "many", "１", "0.0000000000000000001"),
    *(True, ["1"], {"a": 1}, None),
)
NO_PAGE = ("-1", "x", "1.5", "99999999999999999999", "１")
NO_TIME = ("soon", "-1", "1.5")
ENTRY = {
    "ccy": "USDT",
    "pxUsd": "1",
    "pxVol": "1",
    "attachAlgoOrds": [{"tpTriggerPx": "90000"}],
    "quickMgnType": "manual",
    "stpId": "1",
    "tradeQuoteCcy": "USDC",
    "pxAmendType": "1",
    "isElpTakerAccess": True,
    "instIdCode": 10001,
}
CHANNELS = ("books", "books5", "bbo-tbt", "trades", "tickers")
WORDS = Words(
    endpoints=[
        public("/public/time"),
        public("/public/instruments", "instType", "instId", mandatory=("instType",)),
        public("/system/status", "state"),
        public("/market/ticker", "instId", mandatory=("instId",)),
        public("/market/tickers", "instType", mandatory=("instType",)),
        public("/market/trades", "instId", "limit", mandatory=("instId",)),
        *(
            public(f"/market/{path}", *CANDLE_PARAMS, mandatory=("instId",))
            for path in ("candles", "history-candles")
        ),
        public("/market/books", "instId", "sz", "source", mandatory=("instId",)),
        signed("/asset/currencies", "ccy"),
        signed("/account/config"),
        signed("/account/balance", "ccy"),
        signed("/account/instruments", "instType", "instId", mandatory=("instType",)),
        signed("/account/positions", "instType", "instId"),
        signed("/account/trade-fee", "instType", "instId", "groupId", mandatory=("instType",)),
        *[signed("/trade/order", *ORDER, *MORE_OF_ORDER, mandatory=ORDER, kind="place")] * 4,
        signed(
            "/trade/order",
            *MARKET_ORDER,
            *MORE_OF_ORDER,
            mandatory=MARKET_ORDER,
            kind="place",
            named=MARKET,
        ),
        signed("/trade/batch-orders", "rows", mandatory=("rows",), kind="place_many", body=rows_of),
        signed("/trade/cancel-order", *CANCEL, mandatory=CANCEL, kind="cancel"),
        signed("/trade/cancel-order", *CANCEL_OF_CLIENT, mandatory=CANCEL_OF_CLIENT, kind="cancel"),
        signed(
            "/trade/cancel-batch-orders",
            "rows",
            mandatory=("rows",),
            kind="cancel_many",
            body=rows_of,
        ),
        signed("/trade/order", *CANCEL, mandatory=CANCEL),
        signed("/trade/order", *CANCEL_OF_CLIENT, mandatory=CANCEL_OF_CLIENT),
        signed("/trade/orders-pending", "instType", "state", *LISTED),
        signed(
            "/trade/orders-history", "instType", "state", *LISTED, *TIMES, mandatory=("instType",)
        ),
        signed(
            "/trade/orders-history-archive",
            *("instType", "state", *LISTED, *TIMES),
            mandatory=("instType",),
        ),
        signed("/trade/fills", "instType", "instId", "ordId", *PAGE, *TIMES),
        signed(
            "/trade/fills-history",
            *("instType", "instId", "ordId", *PAGE, *TIMES),
            mandatory=("instType",),
        ),
        *[text_socket(path) for path in (PUBLIC, PRIVATE, BUSINESS)],
        *[arguments_socket(path) for path in (PUBLIC, BUSINESS)],
        *[
            socket(operation, PUBLIC, "a market", *names, mandatory=names)
            for operation in ("subscribe", "unsubscribe")
            for names in [("channel", "instId")]
        ],
        *[
            socket(operation, PRIVATE, "an account", "channel", "ccy", opening=login)
            for operation in ("subscribe", "unsubscribe")
        ],
        *[
            socket(operation, PRIVATE, "orders", *names, "instId", mandatory=names, opening=login)
            for operation in ("subscribe", "unsubscribe")
            for names in [("channel", "instType")]
        ],
        *[
            socket(operation, PRIVATE, "balances and positions", "channel", opening=login)
            for operation in ("subscribe", "unsubscribe")
        ],
        login_socket(),
    ],
    right={
        "instType": ("SPOT",),
        "instId": ("BTC-USDT",),
        "state": ("scheduled", "ongoing,canceled"),
        f"GET {TRADE}/orders-pending state": ("live", "partially_filled", "live,partially_filled"),
        f"GET {TRADE}/orders-history state": ("canceled", "filled", "mmp_canceled"),
        f"GET {TRADE}/orders-history-archive state": ("canceled", "filled"),
        "limit": ("1", "5", "100"),
        "sz": ("0.001", "0.01", "0.12345"),
        f"{MARKET} sz": ("10", "0.01", "0.12"),
        f"GET {API}/market/books sz": ("1", "5", "400"),
        "source": ("0",),
        "bar": ("1s", "1m", "1H", "6H", "1D", "1W", "3M", "6Hutc", "1Mutc"),
        "ccy": ("BTC", "BTC,USDT"),
        "subscribe an account ccy": ("BTC", "USDT"),
        "unsubscribe an account ccy": ("BTC", "USDT"),
        "groupId": ("1",),
        "tdMode": ("cash",),
        "side": ("buy", "sell"),
        "ordType": ("limit", "limit", "post_only", "fok", "ioc"),
        f"{MARKET} ordType": ("market",),
        f"GET {TRADE}/orders-pending ordType": ("limit", "post_only,limit", "market"),
        "px": ("30000.00", "59000.5", "61000", "90000"),
        "clOrdId": (Fuzz.client_id,),
        f"POST {TRADE}/order clOrdId": (fresh_name,),
        f"{MARKET} clOrdId": (fresh_name,),
        "tag": ("robot1",),
        "tgtCcy": ("base_ccy", "quote_ccy"),
        "posSide": ("net",),
        "stpMode": ("cancel_maker",),
        "banAmend": (True, False, "true"),
        "reduceOnly": (False, "false"),
        "ordId": (Fuzz.order_id,),
        "rows": (new_orders,),
        f"POST {TRADE}/cancel-batch-orders rows": (cancels,),
        "after": ("1", "2000"),
        "before": ("1", "1100"),
        "begin": ("1", "1700000000000"),
        "end": ("1700000000000", "4100000000000"),
        "text": ("ping",),
        "channel": CHANNELS,
        "args": ([{"channel": "books", "instId": "BTC-USDT"}],),
        f"subscribe with any arguments at {BUSINESS} args": ([{"channel": "candle1D"}],),
        **{
            f"{operation} {what} channel": channels
            for operation in ("subscribe", "unsubscribe")
            for what, channels in (
                ("an account", ("account",)),
                ("orders", ("orders",)),
                ("balances and positions", ("balance_and_position",)),
            )
        },
        **dict.fromkeys(("apiKey", "passphrase", "timestamp", "sign"), (lambda fuzz: None,)),
    },
    wrong={
        "instType": ("spot", "STOCK", "SPOT ", "SPOT,SWAP"),
        **{
            f"{operation} orders instType": ("SWAP", "spot", 7, ["SPOT"], None)
            for operation in ("subscribe", "unsubscribe")
        },
        "instId": ("BTCUSDT", "btc-usdt", "NOPE", "BTC-USDT,ETH-USDT", "BTC-USDT\0"),
        **{
            f"{operation} {what} instId": ("BTCUSDT", "btc-usdt", 7, ["BTC-USDT"], {"a": 1})
            for operation in ("subscribe", "unsubscribe")
            for what in ("a market", "orders")
        },
        "state": ("open", "LIVE", "live;canceled", ",", "canceled,"),
        "limit": ("0", "-1", "ten", "1.5", "501", "99999999999999999999"),
        "sz": (*NUMBERS, "0.0000000001", "1e9"),
        f"GET {API}/market/books sz": ("0", "-1", "401", "x", "1.5"),
        "source": ("1", "x"),
        "bar": ("1h", "60", "1Y", "1mutc", "m"),
        "ccy": (),
        "subscribe an account ccy": (["BTC"], {"a": 1}, True),
        "groupId": ("2", "x"),
        "tdMode": ("cross", "isolated", "spot_isolated", "CASH", 1, True, None, ["cash"]),
        "side": ("BUY", "hold", 1, None, ["buy"], {}),
        "ordType": ("conditional", "LIMIT", "trigger", "optimal_limit_ioc", ",", 1, None),
        f"{MARKET} ordType": ("limit", "post_only", "MARKET", "iceberg", 7),
        f"GET {TRADE}/orders-pending ordType": ("conditional", "LIMIT", ",", "limit,"),
        f"GET {TRADE}/orders-history ordType": ("conditional", "LIMIT", ","),
        f"GET {TRADE}/orders-history-archive ordType": ("conditional", "LIMIT"),
        "px": (*NUMBERS, "30000.001", "+", "-30000"),
        "clOrdId": ("nobodys", "x" * 33, Fuzz.made_client_id),
        f"POST {TRADE}/order clOrdId": ("x" * 33, "a-b", "ünï", "a b", True, ["x"], {"a": 1}),
        "tag": ("x" * 17, "a-b", "ünï", True, ["x"]),
        "tgtCcy": ("BTC", "quote", 1, ["base_ccy"]),
        "posSide": ("long", "short", 1),
        "stpMode": ("cancel_taker", "cancel_both", "none", 1),
        "banAmend": ("yes", 1, [True]),
        "reduceOnly": (True, "true", "yes", 0),
        "ordId": ("none", "-5", "1.5", "9" * 25, Fuzz.order_uuid),
        "rows": ([], [{}], [{}] * 21, [7], "x", {"instId": "BTC-USDT"}, [[{}]], None, [None]),
        "after": NO_PAGE,
        "before": NO_PAGE,
        "begin": NO_TIME,
        "end": NO_TIME,
        "text": ("Ping", "ping ", "{", "[]", "7", "null", '"ping"', '{"op":"ping"}', "[" * 5000),
        "channel": (
            *("candle1m", "BOOKS", "mark-price", "books-l2-tbt", "liquidation-orders", "positions"),
            *("account", "", 7, None, ["books"], {"a": 1}, "\ud800"),
        ),
        **{
            f"{operation} {what} channel": ("positions", "books", "ORDERS", 7, None, ["account"])
            for operation in ("subscribe", "unsubscribe")
            for what in ("an account", "orders", "balances and positions")
        },
        "args": ([], {}, "books", None, 7, [7], [[]], ["books"], [None], [{}]),
        "apiKey": ("nobody", 7, ["x"], "\ud800", {"a": 1}),
        "passphrase": ("wrong", 7, ["x"], "\ud800"),
        "timestamp": ("soon", "0", "1e400", "NaN", -1, ["1"], "\ud800", "1" * 15, True),
        "sign": ("x", "\ud800", 7, ["x"], "é"),
    },
    terms=terms,
    unknown={"colour": "blue", "instid": "BTC-USDT"},
    not_offered={
        f"POST {TRADE}/order": ENTRY,
        MARKET: ENTRY,
        f"GET {TRADE}/orders-pending": {"category": "twap", "uly": "BTC-USD", "instFamily": "x"},
        f"GET {TRADE}/orders-history": {"category": "twap", "instFamily": "BTC-USD"},
        f"GET {TRADE}/fills": {"subType": "1", "uly": "BTC-USD"},
        f"GET {API}/public/instruments": {"uly": "BTC-USD", "instFamily": "BTC-USD"},
        f"GET {API}/market/tickers": {"uly": "BTC-USD", "instFamily": "BTC-USD"},
        f"GET {API}/account/trade-fee": {"ruleType": "pre_market", "instFamily": "BTC-USD"},
    },
)
