"""Binance's words: REST v3."""

from decimal import Decimal
from typing import Any

from tests.sandbox.fuzzing.engine import Fuzz, Terms, Words
from tests.sandbox.fuzzing.rest import Rest

PAIRS = ("BTC-USDT", "ETH-USDT", "ETH-BTC")
API = "/api/v3"


def refused(status: int, body: Any) -> bool:
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
        signed("POST", "/order", *ORDER, "newClientOrderId", mandatory=ORDER, kind="place"),
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
    ],
    right={
        "symbol": ("BTCUSDT",),
        "limit": ("1", "5", "100", "500"),
        "side": ("BUY", "SELL"),
        "type": ("LIMIT",),
        "timeInForce": ("GTC", "GTC", "IOC", "FOK"),
        "quantity": ("0.001", "0.01", "0.12345"),
        "price": ("30000.00", "59000.5", "61000", "90000"),
        "newClientOrderId": (client_id,),
        "orderId": (Fuzz.order_id,),
        "fromId": ("0", "1", "100"),
    },
    wrong={
        "symbol": ("BTC-USDT", "btcusdt", "NOPE", "", "BTCUSDT,ETHUSDT", "BTCUSDT%00"),
        "limit": ("0", "-1", "ten", "1.5", "99999999999999999999"),
        "side": ("buy", "HOLD", "1", "BUY "),
        "type": ("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "limit", "ICEBERG"),
        "timeInForce": ("GTX", "gtc", "DAY"),
        "quantity": ("0", "-1", "0.000001", "1e9", "NaN", "Infinity", "0x10", "1,5", "many", "１"),
        "price": ("0", "-30000", "30000.001", "NaN", "1e400", "free", "30000."),
        "newClientOrderId": ("x" * 80, "a b", "ünï", "semi;colon"),
        "orderId": ("none", "-5", "1.5", "99999999999999999999999"),
        "fromId": ("none", "-5"),
    },
    terms=terms,
    not_offered={
        f"POST {API}/order": {
            "stopPrice": "50000",
            "icebergQty": "0.001",
            "trailingDelta": "100",
            "pegPriceType": "PRIMARY_PEG",
        },
    },
)
