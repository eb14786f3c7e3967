"""What HTX's clients ask for, read strictly; its bounds, and the reasons it has for refusals
besides those of all venues."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from trochil.sandbox.candles import EAST_ASIA_S, named_interval
from trochil.sandbox.dialect import (
    MarketStats,
    OrderTerms,
    Side,
)
from trochil.sandbox.dialects.htx.rows import (
    ACCOUNT_ID,
    MOST_VALUE,
    TERMS_OF_TYPE,
    VALUE_PLACES,
)
from trochil.sandbox.formats import decimal_places, exact_text, milliseconds
from trochil.sandbox.market.accounts import ZERO
from trochil.sandbox.market.matching import Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Rejected, Symbol
from trochil.sandbox.requests import Params, Request

SIDE_OF: dict[str, Side] = {"buy": "buy", "sell": "sell"}
TYPES = [f"{side}-{name}" for side in SIDE_OF for name in TERMS_OF_TYPE]
ORDER_PARAMS = (
    "account-id",
    "symbol",
    "type",
    "amount",
    "price",
    "source",
    "client-order-id",
    "self-match-prevent",
)
SOURCES = {"spot-api": "spot-api", "api": "spot-api"}
"""Where orders come from; the second is an older name. Those of margin accounts are not offered."""
STATES = ("created", "submitted", "partial-filled", "partial-canceled", "filled", "canceled")
CANCELING = 10
LONG_CLOSED = -1
NOT_FOUND = 0
LEVELS = 150
"""A side of a whole book."""
DEPTHS = (5, 20, LEVELS, 400)
"""Levels of the channels of changes."""
STEPS = tuple(f"step{number}" for number in range(6))
"""How far prices are merged: not at all, to ten ticks, to a hundred, ..."""
LEVELS_OF_REQUESTS = {str(levels): levels for levels in (5, 10, 20)}
SIDES = ("buy", "sell")
CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
DIRECTIONS = {"next": "next", "prev": "prev"}
MOST_TRADES = 2000
CANDLES = 150
"""Where the request names no number."""
MOST_CANDLES = 2000
PERIODS = {
    name: named_interval(interval, EAST_ASIA_S)
    for name, interval in (
        *(("1min", "1m"), ("5min", "5m"), ("15min", "15m"), ("30min", "30m"), ("60min", "60m")),
        *(("4hour", "4h"), ("1day", "1d"), ("1week", "1w"), ("1mon", "1M"), ("1year", "12M")),
    )
}
"""Of candles."""
MOST_ORDERS_AT_ONCE = 10
MOST_CANCELS = 50
WINDOW = timedelta(hours=48)
"""The longest time of which past orders and fills are listed at once."""
MARKET_PATH = "/market/"
V2_PATH = "/v2/"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
SIGNATURE_AGE_S = 300.0
SIGNATURE = {"SignatureMethod": "HmacSHA256", "SignatureVersion": "2"}
# Reasons of this venue's own.
INVALID_PARAMETER = "invalid_parameter"
"""Of a request for market data."""
INVALID_TYPE = "invalid_type"
BAD_SCHEME = "bad_signature_scheme"
UNKNOWN_ACCOUNT = "unknown_account"
PRICE_MIN = "price_min"
AMOUNT_MIN = "amount_min"
AMOUNT_MAX = "amount_max"
SALE_MIN = "sale_min"
SALE_MAX = "sale_max"
VALUE_PRECISION = "value_precision"
VALUE_MAX = "value_max"
WRONG_STATE = "wrong_state"
NO_RECORD = "no_record"
BAD_WINDOW = "bad_window"
BAD_DATE = "bad_date"
NOT_FOLLOWED = "not_followed"
NO_JSON = "no_json"
V2_CODES: dict[int | str, int] = {
    "api-signature-not-valid": 1003,
    "validation-constraints-required": 2003,
    "gateway-internal-error": 500,
    "rate-too-many-requests": 429,
}
"""Codes of the newer endpoints; 2002 for all others."""


# Requests.


def order_terms(order: Params) -> OrderTerms:
    """POST /v1/order/orders/place. The amount of a purchase at the market's price is in quote."""
    side_name, _, type_name = order.string("type").partition("-")
    side = SIDE_OF[side_name]
    kind, tif = TERMS_OF_TYPE[type_name]
    price = None if kind == "market" else order.decimal("price")
    size = order.decimal("amount")
    is_by_value = kind == "market" and side == "buy"
    return OrderTerms(
        side=side,
        kind=kind,
        tif=tif,
        amount=None if is_by_value else size,
        quote_amount=size if is_by_value else None,
        price=price,
        client_id=order.client_id("client-order-id", CLIENT_ID),
    )


def check_rules(symbol: Symbol, terms: OrderTerms) -> None:
    """Refuse what the venue has codes of its own for."""
    if terms.quote_amount is not None:
        if terms.quote_amount % Decimal(1).scaleb(-VALUE_PLACES):
            raise Rejected(VALUE_PRECISION, str(VALUE_PLACES))
        if terms.quote_amount > MOST_VALUE:
            raise Rejected(VALUE_MAX, exact_text(MOST_VALUE))
        return
    is_sale = terms.kind == "market"
    amount = terms.amount or ZERO
    if amount % symbol.size_step:
        raise Rejected(Reason.LOT_SIZE, str(decimal_places(symbol.size_step)))
    if amount < symbol.size_step:
        raise Rejected(SALE_MIN if is_sale else AMOUNT_MIN, exact_text(symbol.size_step))
    if amount > symbol.max_size:
        raise Rejected(SALE_MAX if is_sale else AMOUNT_MAX, exact_text(symbol.max_size))
    if terms.price is not None and terms.price <= 0:
        raise Rejected(PRICE_MIN, exact_text(symbol.price_tick))
    if terms.price is not None and not symbol.takes(terms.price):
        raise Rejected(Reason.PRICE_FILTER, str(decimal_places(symbol.price_tick)))


def check_account(params: Params, *, is_mandatory: bool = True) -> None:
    """Raises Rejected: MISSING, UNKNOWN_ACCOUNT."""
    account_id = params.string("account-id", None if is_mandatory else str(ACCOUNT_ID))
    if account_id != str(ACCOUNT_ID):
        raise Rejected(UNKNOWN_ACCOUNT, account_id)


def id_in_path(request: Request, again: str) -> str:
    """A number. The venue's own client repeats it by another name."""
    found = str(request.integer("id"))
    if str(request.integer(again, int(found))) != found:
        raise Rejected(Reason.ILLEGAL, again)
    return found


def listed(request: Params, name: str, known: tuple[str, ...] | list[str]) -> list[str]:
    """Values joined by commas; all that are known where it was not sent."""
    found = request.string(name, "").split(",") if name in request else list(known)
    if not set(found) <= set(known):
        raise Rejected(Reason.ILLEGAL, name)
    return found


def best_of(stats: MarketStats) -> tuple[Decimal, ...]:
    return stats.bid, stats.bid_size, stats.ask, stats.ask_size


class TimeWindow:
    """Of past orders and fills, in ms: by times, or by days as older clients send them."""

    def __init__(self, request: Params) -> None:
        self.since_ms = request.optional_integer("start-time")
        self.until_ms = request.optional_integer("end-time")
        if "start-date" in request:
            self.since_ms = self._day_ms(request, "start-date")
        if "end-date" in request:
            self.until_ms = self._day_ms(request, "end-date") + 86_400_000 - 1
        if self.since_ms is not None and self.until_ms is not None:
            lasts = timedelta(milliseconds=self.until_ms - self.since_ms)
            if not timedelta(0) <= lasts <= WINDOW:
                raise Rejected(BAD_WINDOW)

    def _day_ms(self, request: Params, name: str) -> int:
        try:
            day = datetime.strptime(request.string(name), "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            raise Rejected(BAD_DATE, name) from None
        return int(day.timestamp()) * 1000

    def has(self, time_ns: int) -> bool:
        time_ms = milliseconds(time_ns)
        is_late_enough = self.since_ms is None or time_ms >= self.since_ms
        return is_late_enough and (self.until_ms is None or time_ms <= self.until_ms)


def page_of_orders(request: Params, orders: list[Order], size: int) -> list[Order]:
    """Newest first: all before the order "from"; by "direct": prev, those after it, oldest first.

    What the venue does with the order "from" itself is not documented; it is left out here.
    """
    direction = request.choice("direct", DIRECTIONS, "next")
    start = request.optional_integer("from")
    if start is None:
        return orders[::-1][:size]
    if "direct" not in request:
        raise Rejected(Reason.MISSING, "direct")
    if direction == "prev":
        return [order for order in orders if order.id > start][:size]
    return [order for order in reversed(orders) if order.id < start][:size]
