"""What clients of Coinbase Exchange ask for, read strictly."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import inf
from typing import Any

from aiohttp import web

from trochil.sandbox.dialect import OrderKind, OrderTerms, Row, Side, TimeInForce
from trochil.sandbox.dialects.coinbase import rows
from trochil.sandbox.formats import decimal_text, uuid_of
from trochil.sandbox.market.accounts import ZERO
from trochil.sandbox.market.matching import Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Rejected, Symbol
from trochil.sandbox.requests import Message, Params, Request

SIDE_OF: dict[str, Side] = {"buy": "buy", "sell": "sell"}
ORDER_KIND: dict[str, OrderKind] = {"limit": "limit", "market": "market"}
TIME_IN_FORCE: dict[str, TimeInForce] = {"GTC": "GTC", "GTT": "GTC", "IOC": "IOC", "FOK": "FOK"}
CANCEL_AFTER_S = {"min": 60, "hour": 3600, "day": 86400}
ORDER_PARAMS = (
    "type",
    "side",
    "product_id",
    "price",
    "size",
    "funds",
    "time_in_force",
    "cancel_after",
    "post_only",
    "client_oid",
    "stp",
    "profile_id",
)
"""Of an order, without those of stop orders and icebergs, which the sandbox has none of."""
LIMIT_ALONE = ("price", "time_in_force", "cancel_after")
"""What a market order can't have."""
STATUSES = ("open", "pending", "rejected", "done", "active", "received", "all")
SORT_KEYS = ("created_at", "price", "size", "order_id", "side", "type")
PAGE = ("before", "after", "limit")
MOST_ROWS = 1000
BAD_REQUEST = "bad_request"
BAD_STEP = "bad_step"
"""A price or size outside of its bounds or steps; the detail is the whole message."""
NOT_SUBSCRIBED = "not_subscribed"
"""The detail is the whole message."""


@dataclass(frozen=True, slots=True)
class NewOrder:
    """POST /orders, read wholly."""

    pair: str
    terms: OrderTerms
    good_for_s: int
    """0: till it is cancelled."""
    specified_funds: Decimal


def sent_body(request: Request) -> Params:
    """The JSON object that a request has as its body."""
    if request.query or not isinstance(request.body, dict) or request.text.lstrip()[:1] != "{":
        raise Rejected(BAD_REQUEST)
    return Params(request.body)


def sent_query(request: Request) -> Params:
    """The query alone: some clients send bodies where the venue reads none."""
    return Params({name: request.http.query[name] for name in request.http.query})


def order_terms(body: Params, client_id: str) -> OrderTerms:
    """Terms as they are sent; what they must be in a product comes later."""
    if body.get("stp", "dc") != "dc":
        raise Rejected(Reason.ILLEGAL, "stp")
    side = body.choice("side", SIDE_OF)
    if body.choice("type", ORDER_KIND, "limit") == "market":
        return market_terms(body, side, client_id)
    if "funds" in body:
        raise Rejected(Reason.NOT_REQUIRED, "funds")
    tif = body.choice("time_in_force", TIME_IN_FORCE, "GTC")
    is_post_only = body.flag("post_only")
    if is_post_only and tif != "GTC":
        raise Rejected(Reason.ILLEGAL, "post_only")
    return OrderTerms(
        side=side,
        kind="post_only" if is_post_only else "limit",
        amount=body.decimal("size"),
        price=body.decimal("price"),
        tif=tif,
        client_id=client_id,
    )


def market_terms(body: Params, side: Side, client_id: str) -> OrderTerms:
    """A size in base, or funds in quote."""
    for name in LIMIT_ALONE:
        if name in body:
            raise Rejected(Reason.NOT_REQUIRED, name)
    if body.flag("post_only"):
        raise Rejected(Reason.NOT_REQUIRED, "post_only")
    size = body.optional_decimal("size")
    funds = body.optional_decimal("funds")
    if size is None and funds is None:
        raise Rejected(Reason.MISSING, "size or funds")
    if size is not None and funds is not None:
        raise Rejected(Reason.NOT_REQUIRED, "funds")
    return OrderTerms(
        side=side,
        kind="market",
        amount=size,
        quote_amount=funds,
        client_id=client_id,
    )


def good_for_s(body: Params) -> int:
    """How long an order may rest; 0 without an end. An end goes with GTT, and GTT with an end."""
    is_timed = body.get("time_in_force") == "GTT"
    if is_timed:
        return body.choice("cancel_after", CANCEL_AFTER_S)
    if "cancel_after" in body:
        raise Rejected(Reason.NOT_REQUIRED, "cancel_after")
    return 0


def check_amount(name: str, value: Decimal, step: Decimal, least: Decimal) -> None:
    """Raises Rejected for a price, a size or funds that no order of the product may have."""
    if value < least:
        text = f"{name} is too small. Minimum size is {rows.unit_text(least)}"
        raise Rejected(BAD_STEP, text)
    if value % step:
        text = f"{name} is too accurate. Smallest unit is {rows.unit_text(step)}"
        raise Rejected(BAD_STEP, text)


def check_terms(symbol: Symbol, terms: OrderTerms, reference: Decimal | None) -> None:
    """``reference``: the last price, by which a market order is valued."""
    if terms.price is not None:
        check_amount("price", terms.price, symbol.price_tick, symbol.price_tick)
    if terms.quote_amount is not None:
        check_amount("funds", terms.quote_amount, symbol.price_tick, symbol.min_notional)
        return
    size = terms.amount or ZERO
    check_amount("size", size, symbol.size_step, symbol.size_step)
    if size > symbol.max_size:
        text = f"size is too large. Maximum size is {rows.unit_text(symbol.max_size)}"
        raise Rejected(BAD_STEP, text)
    price = terms.price or reference
    if price is not None and price * size < symbol.min_notional:
        least = decimal_text(symbol.min_notional)
        raise Rejected(BAD_STEP, f"notional is too small. Minimum is {least}")


def optional_time_ns(params: Params, name: str) -> int | None:
    """An ISO time, or a day of UTC."""
    if name not in params:
        return None
    try:
        when = datetime.fromisoformat(params.string(name))
    except ValueError:
        raise Rejected(Reason.ILLEGAL, name) from None
    zoned = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return int(zoned.timestamp() * 1e9)


def span_of(params: Params) -> tuple[float, float]:
    """ns of the parameters start_date and end_date, both within."""
    first_ns = optional_time_ns(params, "start_date")
    last_ns = optional_time_ns(params, "end_date")
    return first_ns or 0, inf if last_ns is None else last_ns


def candle_time_s(params: Params, name: str, default: float) -> float:
    """Unix seconds, or an ISO time."""
    if name not in params:
        return default
    if params.string(name).isdecimal():
        return params.integer(name)
    return (optional_time_ns(params, name) or 0) / 1e9


def page_of(
    params: Params, found: Sequence[tuple[int, Row]], *, ascending: bool = False
) -> web.Response:
    """The rows of a page, with the cursors of the pages around it in its headers.

    ``found``: every row with its number, newest first (``ascending``: oldest first)."""
    limit = params.limit("limit", MOST_ROWS, MOST_ROWS)
    before = params.optional_integer("before")
    after = params.optional_integer("after")
    sign = 1 if ascending else -1
    kept = [
        (number, row)
        for number, row in found
        if (after is None or sign * number > sign * after)
        and (before is None or sign * number < sign * before)
    ]
    shown = kept[:limit]
    headers = {}
    if shown:
        headers["CB-BEFORE"] = str(shown[0][0])
    if len(kept) > limit:
        headers["CB-AFTER"] = str(shown[-1][0])
    return web.json_response([row for _, row in shown], headers=headers)


def sort_value(order: Order, key: str) -> Any:
    """By what an order is sorted."""
    values: dict[str, Any] = {
        "created_at": order.id,
        "order_id": uuid_of(order.id),
        "price": order.price or ZERO,
        "side": order.side,
        "size": order.size,
        "type": order.type,
    }
    return values[key]


@dataclass(frozen=True, slots=True)
class WantedChannel:
    """A channel of a message, with the products or accounts that it names."""

    name: str
    product_ids: tuple[str, ...] | None
    """None: none were named."""
    account_ids: tuple[str, ...]

    def topics(self) -> list[str]:
        """CHANNEL:PRODUCT, or balance:ACCOUNT."""
        if self.name == "balance":
            return [f"balance:{each}" for each in self.account_ids]
        if self.name == "status":
            return ["status:"]
        return [f"{self.name}:{each}" for each in self.product_ids or ()]


def wanted_channels(message: Message) -> list[WantedChannel]:
    """A channel by its name alone is of the message's products; one with more has its own."""
    channels = message.get("channels", [])
    if not isinstance(channels, list):
        raise Rejected(Reason.ILLEGAL, "channels")
    if not channels:
        raise Rejected(NOT_SUBSCRIBED, "No channels provided")
    return [wanted_channel(each, message) for each in channels]


def wanted_channel(channel: Any, message: Message) -> WantedChannel:
    if isinstance(channel, str):
        return WantedChannel(channel, product_ids(message), account_ids(message))
    if not isinstance(channel, dict):
        raise Rejected(Reason.ILLEGAL, "channels")
    own = Params(channel)
    own.only("name", "product_ids", "account_ids")
    return WantedChannel(own.string("name"), product_ids(own), account_ids(own))


def product_ids(params: Params) -> tuple[str, ...] | None:
    return tuple(params.strings("product_ids")) if "product_ids" in params else None


def account_ids(params: Params) -> tuple[str, ...]:
    return tuple(params.strings("account_ids")) if "account_ids" in params else ()
