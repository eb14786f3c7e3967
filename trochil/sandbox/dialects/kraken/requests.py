"""What Kraken's clients ask for, read strictly: orders by REST and on the socket, subscriptions.

Source: its public API documentation (REST v0, websocket v2). What it documents and the sandbox does
not offer (stops, icebergs, margin, self-trade prevention, dates of beginning and end, ...) is
refused, and so is any value of theirs but the one that means "none".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from trochil.sandbox.dialect import OrderKind, OrderTerms, Row, Side, TimeInForce
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Rejected
from trochil.sandbox.requests import Params

SIDE_OF: dict[str, Side] = {"buy": "buy", "sell": "sell"}
ORDER_KIND: dict[str, OrderKind] = {"limit": "limit", "market": "market"}
TIME_IN_FORCE: dict[str, TimeInForce] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK"}
SOCKET_TIME_IN_FORCE: dict[str, TimeInForce] = {
    **TIME_IN_FORCE,
    **{name.lower(): tif for name, tif in TIME_IN_FORCE.items()},
}
CLIENT_ID = re.compile(
    r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}|[\x20-\x7e]{1,18}"
)
"""A UUID with or without hyphens, or a text of at most 18 characters."""
USER_REFERENCE = re.compile(r"-?[0-9]{1,10}")
MOST_REFERENCE = 2**31
NONCE = re.compile(r"[0-9]{1,20}")
MOST_NONCE = 2**64
TRADE_TIME = re.compile(r"([0-9]{1,10}(\.[0-9]{1,9})?)|[0-9]{16,19}")
LEAST_BATCH = 2
MOST_BATCH = 15

WRONG_FIELD = "wrong_field"
"""A field of a socket's message that has another type; the detail says it in the venue's words."""
WRONG_DEPTH = "wrong_depth"
WRONG_INTERVAL = "wrong_interval"
SUBSCRIBED = "subscribed"
"""Already; the detail says to what."""

ORDER_PARAMS = (
    "pair",
    "type",
    "ordertype",
    "price",
    "volume",
    "oflags",
    "timeinforce",
    "userref",
    "cl_ord_id",
    "deadline",
    "validate",
    "leverage",
    "reduce_only",
    "starttm",
    "expiretm",
    "stptype",
)
"""AddOrder."""
BATCH_ORDER_PARAMS = tuple(
    name for name in ORDER_PARAMS if name not in ("pair", "deadline", "validate")
)
"""An order of AddOrderBatch."""
NEUTRAL = {
    "leverage": "none",
    "reduce_only": "false",
    "starttm": "0",
    "expiretm": "0",
    "stptype": "cancel-newest",
}
"""Parameters of AddOrder that must have these values, where they are sent."""
FLAGS: Mapping[OrderKind, frozenset[str]] = {
    "limit": frozenset({"fciq", "post"}),
    "market": frozenset({"fciq", "viqc", "nompp"}),
}
"""nompp: without market price protection, which the sandbox does not have anyway."""

SOCKET_ORDER_PARAMS = (
    "order_type",
    "side",
    "symbol",
    "order_qty",
    "cash_order_qty",
    "limit_price",
    "limit_price_type",
    "time_in_force",
    "post_only",
    "reduce_only",
    "margin",
    "no_mpp",
    "fee_preference",
    "stp_type",
    "cl_ord_id",
    "order_userref",
    "deadline",
    "validate",
    "token",
)
"""add_order."""
SOCKET_BATCH_ORDER_PARAMS = tuple(
    name for name in SOCKET_ORDER_PARAMS if name not in ("symbol", "deadline", "validate", "token")
)
"""An order of batch_add."""
SOCKET_NEUTRAL: Mapping[str, Any] = {
    "limit_price_type": "static",
    "reduce_only": False,
    "margin": False,
    "fee_preference": "quote",
    "stp_type": "cancel_newest",
}


@dataclass(frozen=True, slots=True)
class Ticket:
    """An order that a client wants, with its number of the client's own (0: none)."""

    terms: OrderTerms
    userref: int

    @property
    def size(self) -> Decimal:
        """In base, or in quote for an order by value."""
        amount = self.terms.amount
        return amount if amount is not None else self.terms.quote_amount or Decimal(0)


# Orders by REST.


def order_ticket(params: Params) -> Ticket:
    """AddOrder, or an order of AddOrderBatch. The flag viqc: the volume is in quote."""
    kind = params.choice("ordertype", ORDER_KIND)
    for name, neutral in NEUTRAL.items():
        if name in params and str(params[name]).lower() != neutral:
            raise Rejected(Reason.ILLEGAL, name)
    flags = order_flags_of(params, kind)
    tif = params.choice("timeinforce", TIME_IN_FORCE, "GTC")
    if ("post" in flags and tif != "GTC") or (kind == "market" and tif == "FOK"):
        raise Rejected(Reason.ILLEGAL, "timeinforce")
    volume = params.decimal("volume")
    is_by_value = "viqc" in flags
    if kind == "limit" and params.string("price")[:1] in ("+", "-", "#"):  # relative to the market
        raise Rejected(Reason.ILLEGAL, "price")
    price = params.decimal("price") if kind == "limit" else None
    terms = OrderTerms(
        side=params.choice("type", SIDE_OF),
        kind="post_only" if "post" in flags else kind,
        tif=tif,
        price=price,
        amount=None if is_by_value else volume,
        quote_amount=volume if is_by_value else None,
        client_id=params.client_id("cl_ord_id", CLIENT_ID),
    )
    return Ticket(terms, reference_beside(params, "userref", terms.client_id))


def order_flags_of(params: Params, kind: OrderKind) -> frozenset[str]:
    """Those of an order. Raises Rejected for flags that are not offered for its type."""
    flags = frozenset(params.string("oflags", "").split(",")) - {""}
    if not flags <= FLAGS[kind]:
        raise Rejected(Reason.ILLEGAL, "oflags")
    return flags


def user_reference(params: Params, name: str) -> int | None:
    """A signed number of 32 bits; None where it was not sent."""
    if name not in params:
        return None
    text = params.string(name)
    if not USER_REFERENCE.fullmatch(text) or not -MOST_REFERENCE <= int(text) < MOST_REFERENCE:
        raise Rejected(Reason.ILLEGAL, name)
    return int(text)


def reference_beside(params: Params, name: str, client_id: str) -> int:
    """A client names an order by a number or by a text, not by both."""
    userref = user_reference(params, name)
    if userref is not None and client_id:
        raise Rejected(Reason.ILLEGAL, f"{name} and cl_ord_id are mutually exclusive")
    return userref or 0


def listed_ids(params: Params, name: str, most: int) -> list[str]:
    """Ids that are separated by commas, at most so many."""
    ids = params.string(name).split(",")
    if len(ids) > most:
        raise Rejected(Reason.ILLEGAL, name)
    return ids


def id_list(params: Params, name: str) -> list[str]:
    """The venue's ids, or numbers of the client's own; empty where none were sent."""
    value = params.get(name, [])
    if not isinstance(value, list) or not all(type(each) in (str, int) for each in value):
        raise Rejected(Reason.ILLEGAL, name)
    return [str(each) for each in value]


def trade_time_ns(params: Params, name: str) -> int | None:
    """ns, of seconds or of ns; None where it was not sent."""
    if name not in params:
        return None
    text = params.string(name)
    found = TRADE_TIME.fullmatch(text)
    if not found:
        raise Rejected(Reason.ILLEGAL, name)
    return int(Decimal(text) * 10**9) if found[1] else int(text)


def flag(params: Params, name: str, default: bool) -> bool:
    return params.flag(name) if name in params else default


# The socket's fields, whose types are those of JSON.


def wrong_type(name: str, wanted: str) -> Rejected:
    """ "Depth field must be a number_integer"."""
    return Rejected(WRONG_FIELD, f"{name.capitalize()} field must be a {wanted}")


def socket_flag(params: Params, name: str, default: bool) -> bool:
    value = params.get(name, default)
    if not isinstance(value, bool):
        raise wrong_type(name, "boolean")
    return value


def socket_integer(params: Params, name: str, default: int | None = None) -> int:
    value = params[name] if default is None else params.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_type(name, "number_integer")
    return value


def socket_text(params: Params, name: str, default: str | None = None) -> str:
    value = params[name] if default is None else params.get(name, default)
    if not isinstance(value, str):
        raise wrong_type(name, "string")
    return value


def socket_texts(params: Params, name: str) -> list[str]:
    value = params[name]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise wrong_type(name, "array")
    return value


def socket_object(params: Params, name: str) -> Params:
    value = params[name]
    if not isinstance(value, dict):
        raise wrong_type(name, "object")
    return Params(value)


def socket_decimal(params: Params, name: str) -> Decimal:
    value = params[name]
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong_type(name, "number_float")
    return params.decimal(name)


def socket_ticket(params: Params) -> Ticket:
    """add_order, or an order of batch_add."""
    kind = params.choice("order_type", ORDER_KIND)
    for name, neutral in SOCKET_NEUTRAL.items():
        if name in params and params[name] != neutral:
            raise Rejected(Reason.ILLEGAL, name)
    is_post_only = socket_flag(params, "post_only", False)
    tif = params.choice("time_in_force", SOCKET_TIME_IN_FORCE, "GTC")
    if is_post_only and (kind == "market" or tif != "GTC"):
        raise Rejected(Reason.ILLEGAL, "post_only")
    if kind == "market" and tif == "FOK":
        raise Rejected(Reason.ILLEGAL, "time_in_force")
    is_unprotected = socket_flag(params, "no_mpp", False)
    if kind != "market" and is_unprotected:
        words = "no_mpp order option is only available when ordertype = market"
        raise Rejected(Reason.ILLEGAL, words)
    side = params.choice("side", SIDE_OF)
    is_by_value = "cash_order_qty" in params
    if is_by_value and (kind, side) != ("market", "buy"):
        raise Rejected(Reason.ILLEGAL, "cash_order_qty")
    terms = OrderTerms(
        side=side,
        kind="post_only" if is_post_only else kind,
        tif=tif,
        price=socket_decimal(params, "limit_price") if kind == "limit" else None,
        amount=None if is_by_value else socket_decimal(params, "order_qty"),
        quote_amount=socket_decimal(params, "cash_order_qty") if is_by_value else None,
        client_id=params.client_id("cl_ord_id", CLIENT_ID),
    )
    return Ticket(terms, reference_beside(params, "order_userref", terms.client_id))


def batch_of(params: Params, allowed: tuple[str, ...]) -> list[Params]:
    """The orders of a batch, which have no other fields than these."""
    orders = params.params_list("orders")
    if not LEAST_BATCH <= len(orders) <= MOST_BATCH:
        raise Rejected(Reason.ILLEGAL, "orders")
    for order in orders:
        order.only(*allowed)
    return orders


# Subscriptions.


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a client wants to follow: a channel, of one symbol ("": of none)."""

    channel: str
    symbol: str
    variant: str
    """The depth, interval or trigger, where the channel has one."""
    has_snapshot: bool
    shown: Row
    """What an acknowledgement tells of it besides."""


BOOK_DEPTHS = {"book": (10, 25, 100, 500, 1000), "level3": (10, 100, 1000)}
DEFAULT_DEPTH = 10
CANDLE_MINUTES = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
DEFAULT_MINUTES = 1
TRIGGERS = ("trades", "bbo")
ACCOUNT_CHANNELS = ("executions", "balances")
TOKEN_CHANNELS = (*ACCOUNT_CHANNELS, "level3")
CHANNEL_PARAMS = {
    "book": ("symbol", "depth", "snapshot"),
    "level3": ("symbol", "depth", "snapshot", "token"),
    "trade": ("symbol", "snapshot"),
    "ticker": ("symbol", "event_trigger", "snapshot"),
    "ohlc": ("symbol", "interval", "snapshot"),
    "instrument": ("snapshot",),
    "executions": ("snap_orders", "snap_trades", "order_status", "ratecounter", "token"),
    "balances": ("snapshot", "token"),
}
NO_SNAPSHOT = ("trade",)
"""Channels that begin without one, where the client does not ask for it."""


def subscriptions_of(params: Params) -> list[Subscription]:
    """One for each symbol, which may be unknown. Raises Rejected for anything else that is wrong:
    nothing of the message counts then."""
    channel = socket_text(params, "channel")
    if channel not in CHANNEL_PARAMS:
        raise Rejected(Reason.UNKNOWN_TOPIC, channel)
    params.only("channel", *CHANNEL_PARAMS[channel])
    variant, shown = channel_variant(channel, params)
    if channel == "executions":
        shown = executions_options(params)
        has_snapshot = True
    else:
        has_snapshot = socket_flag(params, "snapshot", channel not in NO_SNAPSHOT)
        shown["snapshot"] = has_snapshot
    symbols = socket_texts(params, "symbol") if "symbol" in CHANNEL_PARAMS[channel] else [""]
    if not symbols:
        raise Rejected(Reason.MISSING, "symbol")
    return [Subscription(channel, symbol, variant, has_snapshot, shown) for symbol in symbols]


def channel_variant(channel: str, params: Params) -> tuple[str, Row]:
    """The depth, interval or trigger of a channel, and how an acknowledgement tells it."""
    if channel in BOOK_DEPTHS:
        depth = socket_integer(params, "depth", DEFAULT_DEPTH)
        if depth not in BOOK_DEPTHS[channel]:
            raise Rejected(WRONG_DEPTH)
        return str(depth), {"depth": depth}
    if channel == "ohlc":
        minutes = socket_integer(params, "interval", DEFAULT_MINUTES)
        if minutes not in CANDLE_MINUTES:
            raise Rejected(WRONG_INTERVAL)
        return str(minutes), {"interval": minutes}
    if channel == "ticker":
        trigger = socket_text(params, "event_trigger", TRIGGERS[0])
        if trigger not in TRIGGERS:
            raise Rejected(Reason.ILLEGAL, "event_trigger")
        return trigger, {"event_trigger": trigger}
    return "", {}


def executions_options(params: Params) -> Row:
    """All changes of status are told, and no counter of limits: other wishes are refused."""
    for name, offered in (("order_status", True), ("ratecounter", False)):
        if socket_flag(params, name, offered) is not offered:
            raise Rejected(Reason.UNKNOWN_PARAMETER, name)
    return {
        "snap_orders": socket_flag(params, "snap_orders", True),
        "snap_trades": socket_flag(params, "snap_trades", False),
    }
