"""Messages of Bittrex from its documentation, a recording and other clients, and their packing."""

import base64
import json
import zlib
from typing import Any

from exchanges.bittrex import BITTREX

KEYS = {"api_key": "K", "api_secret": "secret"}
MARKET = {
    "symbol": "1INCH-BTC",
    "baseCurrencySymbol": "1INCH",
    "quoteCurrencySymbol": "BTC",
    "precision": 8,
}
MARKET |= {
    "minTradeSize": "0.51194539",
    "status": "ONLINE",
    "createdAt": "2021-04-16T18:50:47.883Z",
    "tags": [],
}
BTC = MARKET | {
    "symbol": "BTC-USD",
    "baseCurrencySymbol": "BTC",
    "quoteCurrencySymbol": "USD",
    "precision": 3,
}
VLX = {"symbol": "VLX-USDT", "baseCurrencySymbol": "VLX", "quoteCurrencySymbol": "USDT"}
DELTA = {"marketSymbol": "BTC-EUR", "depth": 500, "sequence": 3209226, "bidDeltas": []}
DELTA["askDeltas"] = [
    {"quantity": "0", "rate": "32601.419"},
    {"quantity": "0.78077215", "rate": "32664.866"},
]
ORDER = {
    "id": "01fa3794-10cf-4897-bc47-c96f15135f34",
    "marketSymbol": "VLX-USDT",
    "direction": "SELL",
    "type": "LIMIT",
    "quantity": "50.00000000",
    "limit": "0.049000000000",
    "timeInForce": "GOOD_TIL_CANCELLED",
    "fillQuantity": "0.00000000",
    "commission": "0.00000000",
    "proceeds": "0.00000000",
    "status": "OPEN",
    "createdAt": "2022-08-05T15:04:16.02Z",
    "updatedAt": "2022-08-05T15:04:16.02Z",
}
PLACED = 1659711856_020_000_000
EXECUTION = {
    "id": "e1",
    "marketSymbol": "VLX-USDT",
    "executedAt": "2022-08-05T15:04:16.02Z",
    "quantity": "20",
}
EXECUTION |= {"rate": "0.05", "orderId": ORDER["id"], "commission": "0.0025", "isTaker": False}
BALANCE = {"currencySymbol": "VLX", "total": "636.02206857", "available": "0.00000000"}
BALANCE["updatedAt"] = "2022-08-05T13:46:31.73Z"


def deflated(message: Any) -> str:
    packer = zlib.compressobj(wbits=-15)
    return base64.b64encode(packer.compress(json.dumps(message).encode()) + packer.flush()).decode()


def hub(*pushes: tuple[str, Any]) -> bytes:
    entries = [
        {"H": "C3", "M": name, "A": [] if told is None else [deflated(told)]}
        for name, told in pushes
    ]
    return json.dumps({"C": "d-1", "M": entries}).encode()


def opened(role: Any) -> Any:
    """A feed on a new connection."""
    role.handshake()
    return role


def new_book() -> Any:
    return opened(BITTREX.book({}, ""))


def new_user() -> Any:
    return opened(BITTREX.user(BITTREX.auth(KEYS), {}))
