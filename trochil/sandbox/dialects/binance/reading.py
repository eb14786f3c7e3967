"""What requests ask for, and what they weigh."""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import (
    OrderTerms,
    RequestKind,
    Side,
    TimeInForce,
)
from trochil.sandbox.dialects.binance.words import (
    DAY_MS,
    DECIMAL_RANGE,
    DIGITS,
    MAX_NOTIONAL,
    MAX_PRICE,
    MOST_RECV_WINDOW_MS,
    MOST_ROWS,
    ORDER_TYPES,
    RECENT_ROWS,
    SIDE_OF,
    STOP_TYPES,
    TIME_IN_FORCE,
    Wrong,
)
from trochil.sandbox.formats import decimal_places
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Rejected
from trochil.sandbox.requests import Message, Params, Request

Weight = int | Callable[[Params], int]
Meaning = TypeVar("Meaning")


def chosen(params: Params, name: str, meanings: Mapping[str, Meaning], otherwise: str) -> Meaning:
    """What a mandatory value means; the reason to refuse where it means nothing."""
    value = params.string(name)
    if value not in meanings:
        raise Rejected(otherwise, name)
    return meanings[value]


def number(params: Params, name: str, otherwise: str) -> Decimal:
    """A mandatory number above 0, of so many digits as the venue counts with."""
    text = params.string(name)
    if not re.fullmatch(DECIMAL_RANGE, text, re.ASCII):
        raise Rejected(Reason.ILLEGAL, name)
    value = Decimal(text)
    if decimal_places(value) > DIGITS and value != round(value, DIGITS):
        raise Rejected(Wrong.PRECISION, name)
    if not value:
        raise Rejected(otherwise)
    return value


def refuse(params: Params, *names: str) -> None:
    """Parameters that don't go with the others."""
    for name in names:
        if name in params:
            raise Rejected(Reason.NOT_REQUIRED, name)


def order_terms(params: Params, client_id: str, max_size: Decimal) -> OrderTerms:
    """POST /api/v3/order."""
    side = chosen(params, "side", SIDE_OF, Wrong.SIDE)
    kind = params.string("type")
    if kind in STOP_TYPES:
        raise Rejected(Wrong.NO_SUCH_TYPE_HERE, STOP_TYPES[kind])
    if kind not in ORDER_TYPES:
        raise Rejected(Wrong.ORDER_TYPE)
    refuse(params, "stopPrice", "trailingDelta")
    if "icebergQty" in params:
        raise Rejected(Wrong.NO_SUCH_TYPE_HERE, "Iceberg")
    if params.string("selfTradePreventionMode", "NONE") != "NONE":
        raise Rejected(Wrong.INVALID, "selfTradePreventionMode")
    if kind == "MARKET":
        return market_terms(params, side, client_id, max_size)
    refuse(params, "quoteOrderQty")
    tif: TimeInForce = "GTC"
    if kind == "LIMIT":
        tif = chosen(params, "timeInForce", TIME_IN_FORCE, Wrong.TIME_IN_FORCE)
    else:
        refuse(params, "timeInForce")
    amount = size(params, max_size)
    price = number(params, "price", Wrong.PRICE)
    if price > MAX_PRICE:
        raise Rejected(Reason.PRICE_FILTER)
    if price * amount > MAX_NOTIONAL:
        raise Rejected(Reason.NOTIONAL)
    return OrderTerms(
        side=side,
        kind="limit" if kind == "LIMIT" else "post_only",
        tif=tif,
        amount=amount,
        price=price,
        client_id=client_id,
    )


def market_terms(params: Params, side: Side, client_id: str, max_size: Decimal) -> OrderTerms:
    refuse(params, "timeInForce", "price")
    if "quantity" in params:
        refuse(params, "quoteOrderQty")
        amount = size(params, max_size)
        return OrderTerms(side=side, kind="market", amount=amount, client_id=client_id)
    if "quoteOrderQty" not in params:
        raise Rejected(Wrong.ONE_OF, "'quantity' or 'quoteOrderQty'")
    value = number(params, "quoteOrderQty", Wrong.QUANTITY)
    if value > MAX_NOTIONAL:
        raise Rejected(Reason.NOTIONAL)
    return OrderTerms(
        side=side, kind="market", amount=None, quote_amount=value, client_id=client_id
    )


def size(params: Params, max_size: Decimal) -> Decimal:
    amount = number(params, "quantity", Wrong.QUANTITY)
    if amount > max_size:
        raise Rejected(Reason.LOT_SIZE)
    return amount


def rows_wanted(params: Params) -> int:
    limit = params.integer("limit", RECENT_ROWS)
    if not 1 <= limit <= MOST_ROWS:
        raise Rejected(Wrong.INVALID, "limit")
    return limit


def recv_window_ms(params: Params) -> Decimal:
    """How old a signed request may be."""
    text = params.string("recvWindow", "5000")
    if not re.fullmatch(DECIMAL_RANGE, text, re.ASCII):
        raise Rejected(Reason.ILLEGAL, "recvWindow")
    window_ms = Decimal(text)
    if window_ms > MOST_RECV_WINDOW_MS:
        raise Rejected(Wrong.RECV_WINDOW)
    return window_ms


def flag(params: Params, name: str, default: bool = False) -> bool:
    return params.flag(name) if name in params else default


def time_ms(params: Params, name: str) -> int | None:
    """Milliseconds, of those or of microseconds."""
    value = params.optional_integer(name)
    return value // 1000 if value is not None and value > 10**14 else value


def times_ms(params: Params) -> tuple[int | None, int | None]:
    """startTime and endTime, which are a day apart at most."""
    since = time_ms(params, "startTime")
    until = time_ms(params, "endTime")
    if since is not None and until is not None and until - since > DAY_MS:
        raise Rejected(Wrong.TOO_LONG)
    return since, until


def listed(params: Params, name: str) -> list[str] | None:
    """A list of texts: in JSON, as a JSON text, or one text alone. None where it was not sent."""
    value = params.get(name, None)
    if isinstance(value, str) and value.startswith("["):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    elif isinstance(value, str) and name == "permissions":
        value = [value]
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise Rejected(Reason.ILLEGAL, name)
    return value


def unsigned(text: str) -> str:
    """A query or body without its signature."""
    return re.sub(r"(^|&)signature=[^&]*", "", text).removeprefix("&")


@dataclass(frozen=True, slots=True)
class PublicEndpoint:
    """What anybody may ask for, by REST and on the websocket API."""

    handler: Callable[[Params], Any]
    params: tuple[str, ...] = ()
    rest: str = ""
    """HTTP method and path."""
    socket: str = ""
    """Method of the websocket API; empty where it has none."""
    weight: Weight = 1


@dataclass(frozen=True, slots=True)
class SignedEndpoint:
    """What an account may ask for, by REST and on the websocket API."""

    handler: Callable[[Params, Account], Any]
    params: tuple[str, ...] = ()
    rest: str = ""
    socket: str = ""
    weight: Weight = 1
    kind: RequestKind = "query"


Endpoint = PublicEndpoint | SignedEndpoint


@dataclass(frozen=True, slots=True)
class SessionEndpoint:
    """What a connection of the websocket API may ask for."""

    handler: Callable[[Connection, Params], Any]
    params: tuple[str, ...] = ()


# Weights of requests.


def depth_weight(params: Params) -> int:
    """By the number of levels."""
    with suppress(Rejected):
        for most, weight in ((100, 5), (500, 25), (1000, 50)):
            if params.integer("limit", 100) <= most:
                return weight
        return 250
    return 5


def ticker_weight(params: Params) -> int:
    """GET /api/v3/ticker/24hr, by the number of symbols."""
    with suppress(Rejected):
        symbols = listed(params, "symbols")
        if symbols is not None:
            return 2 if len(symbols) <= 20 else 40 if len(symbols) <= 100 else 80
        return 2 if "symbol" in params else 80
    return 2


def short_ticker_weight(params: Params) -> int:
    return 2 if "symbol" in params else 4


def open_orders_weight(params: Params) -> int:
    return 6 if "symbol" in params else 80


def fills_weight(params: Params) -> int:
    return 5 if "orderId" in params else 20


def test_order_weight(params: Params) -> int:
    return 20 if str(params.get("computeCommissionRates")).lower() == "true" else 1


def weight_of(endpoint: Endpoint, params: Params) -> int:
    return endpoint.weight(params) if callable(endpoint.weight) else endpoint.weight


def time_unit_ns(request: Request) -> int:
    """Of the times in an answer."""
    unit = request.header("X-MBX-TIME-UNIT").upper() or "MILLISECOND"
    if unit not in ("MILLISECOND", "MICROSECOND"):
        raise Rejected(Wrong.TIME_UNIT)
    return 1000 if unit == "MICROSECOND" else 1_000_000


def check_names(params: Params, known: tuple[str, ...]) -> None:
    """That there are no other parameters, and none is empty."""
    sent = len(params.values)
    unread = [name for name in params.values if name not in known]
    for name, value in params.values.items():
        if value == "":
            raise Rejected(Wrong.EMPTY, name)
    if sent > len(known):
        detail = f"expected '{len(known)}' and received '{sent}'"
        raise Rejected(Wrong.TOO_MANY_PARAMETERS, detail)
    if unread:
        detail = f"read '{sent - len(unread)}' parameter(s) but was sent '{sent}'"
        raise Rejected(Wrong.UNREAD_PARAMETERS, detail)


def chosen_type(params: Params) -> str:
    """Of a ticker."""
    kind = params.string("type", "FULL")
    if kind not in ("FULL", "MINI"):
        raise Rejected(Wrong.TICKER_TYPE)
    return kind


def is_within(time_ns: int, since_ms: int | None, until_ms: int | None) -> bool:
    time = time_ns // 1_000_000
    return (since_ms is None or time >= since_ms) and (until_ms is None or time <= until_ms)


def is_request_id(value: Any) -> bool:
    """Of a message on a socket of streams: a whole number of 64 bits, a short text or null."""
    if isinstance(value, str):
        return re.fullmatch(r"[a-zA-Z0-9\-_]{0,36}", value) is not None
    if isinstance(value, int) and not isinstance(value, bool):
        return -(2**63) <= value < 2**63
    return value is None


def stream_names(params: list[Any]) -> list[str]:
    if not params or not all(isinstance(name, str) for name in params):
        raise Rejected(Reason.UNKNOWN_TOPIC)
    return params


def check_property(params: list[Any], length: int) -> None:
    """SET_PROPERTY and GET_PROPERTY."""
    if not params or not isinstance(params[0], str):
        raise Rejected(Wrong.STREAM_REQUEST, "property name must be a string")
    if params[0] != "combined":
        raise Rejected(Wrong.UNKNOWN_PROPERTY)
    if len(params) > length:
        raise Rejected(Wrong.STREAM_REQUEST, "too many parameters")
    if len(params) < length:
        raise Rejected(Wrong.PROPERTY_VALUE)


def api_request(message: Message) -> tuple[str, Params]:
    """Method and parameters of a message on the websocket API."""
    if not isinstance(message.data, dict):
        raise Rejected(Wrong.NOT_JSON, "Invalid JSON Request")
    method = message.values.get("method")
    number = message.values.get("id")
    if isinstance(number, bool) or not isinstance(number, int | str | None):
        raise Rejected(Wrong.NOT_JSON, "Invalid 'id' in JSON request; expected a string.")
    if not isinstance(method, str):
        raise Rejected(Wrong.NOT_JSON, "Invalid 'method' in JSON request; expected a string.")
    if message.values.keys() - {"id", "method", "params"}:
        raise Rejected(Wrong.NOT_JSON, "Invalid JSON Request")
    params = message.values.get("params", {})
    if not isinstance(params, dict):
        raise Rejected(Wrong.NOT_JSON, "Invalid 'params' in JSON request; expected an object.")
    return method.removeprefix("v3/"), Params(params)


def signed_text(value: Any) -> str:
    return (
        str(value)
        if isinstance(value, str | int | float) and not isinstance(value, bool)
        else json.dumps(value)
    )
