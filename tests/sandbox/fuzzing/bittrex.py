"""Bittrex's words: REST v3 and the hub c3."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.sandbox.fuzzing.engine import Fuzz, Kind, Mistake, Terms, Words
from tests.sandbox.fuzzing.rest import Rest
from tests.sandbox.fuzzing.socket import Socket
from trochil.sandbox.formats import uuid_of
from trochil.sandbox.signalr import CONNECTION_TOKEN

PAIRS = ("BTC-USDT", "ETH-USDT", "ETH-BTC")
API = "/v3"


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


def hub(method: str) -> Socket:
    """One stream an invocation: each is taken or refused by itself."""

    def make(fuzz: Fuzz, sent: dict[str, Any], mistake: Mistake) -> Any:
        name = "Fly" if mistake == "wrong method" else method
        arguments = [[sent["channel"]]] if "channel" in sent else []
        return {"H": "c3", "M": name, "A": arguments, "I": fuzz.fresh_number()}

    def answer(message: Any, frame: Any) -> str | None:
        if frame.get("I") != str(message["I"]):
            return None
        return "taken" if "R" in frame and frame["R"][0]["Success"] else "refused"

    token = CONNECTION_TOKEN.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    return Socket(
        method,
        f"/signalr/connect?connectionToken={token}",
        make,
        answer,
        params=("channel",),
        mandatory=("channel",),
        mistakes=("missing", "wrong value", "wrong method"),
    )


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
        hub("Subscribe"),
        hub("Unsubscribe"),
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
        "channel": (
            *(f"orderbook_BTC-USDT_{depth}" for depth in (1, 25, 500)),
            *(f"{name}_BTC-USDT" for name in ("trade", "ticker", "market_summary")),
            "tickers",
            "market_summaries",
            "heartbeat",
        ),
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
        "channel": (
            "orderbook_BTC-USDT_20",
            "orderbook_btc-usdt_25",
            "candle_BTC-USDT_MINUTE_1",
            "order",
            "deposit",
            7,
            ["tickers"],
        ),
    },
    terms=terms,
    not_offered={f"POST {API}/orders": {"ceiling": "1", "trigger": {"price": "1"}}},
)
