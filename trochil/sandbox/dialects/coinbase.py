"""Coinbase Exchange from the venue's side.

Source: its public API documentation (REST, websocket feed). Refusals are in the words that clients
of the venue have reported; where none are known, they name the parameter.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal
from functools import partial
from math import inf
from typing import Any

from aiohttp import web

from trochil.sandbox import coinbase_rows as rows
from trochil.sandbox.book_windows import BookLevel, BookWindow, level_rows
from trochil.sandbox.candles import Candle, Candles
from trochil.sandbox.coinbase_rows import NO_DETAILS, OrderDetails
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import (
    BaseDialect,
    Frame,
    OrderKind,
    OrderTerms,
    PublicRoute,
    Route,
    Row,
    Side,
    SignedRoute,
    SocketHandler,
    TimeInForce,
)
from trochil.sandbox.formats import decimal_text, iso_time, seconds_text, uuid_of
from trochil.sandbox.market.accounts import ZERO, Account
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Fill, Rejected, Symbol
from trochil.sandbox.recorded import Record, Rows, parse_json
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.requests import Message, Params, Request
from trochil.sandbox.server import Server

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
MOST_CANDLES = 300
GRANULARITIES = (60, 300, 900, 3600, 21600, 86400)
SMALLEST_FUNDS = Decimal("0.00000001")

LOGIN_PAYLOAD = "GET/users/self/verify"
"""What a subscription with a signature signs, behind its timestamp."""
LOGIN_FIELDS = ("signature", "key", "passphrase", "timestamp")
ACCESS_HEADERS = {
    "key": "CB-ACCESS-KEY",
    "signature": "CB-ACCESS-SIGN",
    "timestamp": "CB-ACCESS-TIMESTAMP",
    "passphrase": "CB-ACCESS-PASSPHRASE",
}
BATCHES = ("level2_50", "level2_batch")
"""Channels of levels with many changes a message; level2 has a message for each."""
PRODUCT_CHANNELS = (
    "full",
    "heartbeat",
    "level2",
    *BATCHES,
    "level3",
    "matches",
    "ticker",
    "ticker_1000",
    "ticker_batch",
    "user",
)
CHANNELS = (*PRODUCT_CHANNELS, "balance", "status")
RHYTHMS_S = {"heartbeat": 1.0, "status": 5.0, "ticker_batch": 5.0, "ticker_1000": 5.0}
"""Channels that send something from time to time, whatever happens."""
LOGIN_CHANNELS = ("balance", "full", "level2", "level3", "user")
NEEDS_LOGIN = {
    **dict.fromkeys(
        ("full", "level2", "level3"),
        "level2, level3, and full channels now require authentication. "
        "https://docs.cloud.coinbase.com/exchange/docs/websocket-auth",
    ),
    "balance": "balance channel requires authentication",
    "user": "user channel requires authentication",
}

# Reasons of this venue's own.
REJECTED = "rejected"
"""The code of a refusal that is answered with HTTP 200 and an order of this status."""
BAD_REQUEST = "bad_request"
BAD_ORDER_ID = "bad_order_id"
NO_PRODUCT = "no_product"
BAD_STEP = "bad_step"
"""A price or size outside of its bounds or steps; the detail is the whole message."""
BAD_GRANULARITY = "bad_granularity"
TOO_MANY_CANDLES = "too_many_candles"
NOT_SUBSCRIBED = "not_subscribed"
"""The detail is the whole message."""
MALFORMED = "malformed"
LOGIN_REASONS = (
    Reason.NO_KEY,
    Reason.BAD_KEY,
    Reason.BAD_PASSPHRASE,
    Reason.BAD_SIGNATURE,
    Reason.BAD_TIME,
)


class Recordings:
    """Frames of the level2 and matches channels. The snapshot comes on the socket too."""

    kinds: Mapping[str, str] = {"snapshot": "snapshot", "l2update": "diff", "match": "trade"}

    def symbol(self, pair: str) -> str:
        return pair

    def records(self, time: float, text: str, url: str) -> Iterator[Record]:
        frame = parse_json(text) or {}
        kind = self.kinds.get(frame.get("type", ""))
        if kind is not None:
            yield Record(time, kind, frame["product_id"], text, frame)

    def levels(self, record: Record) -> tuple[Rows, Rows]:
        if record.kind == "snapshot":
            return record.data["bids"], record.data["asks"]
        changes = record.data["changes"]
        bids = [level for side, *level in changes if side == "buy"]
        asks = [level for side, *level in changes if side == "sell"]
        return bids, asks

    def last_id(self, record: Record) -> int:
        return 0


# Requests.


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


class Dialect(BaseDialect):
    """One sequence a product for every message of the full channel; level 3 by REST seeds it."""

    name = "coinbase"
    pairs = ("BTC-USD", "ETH-USD", "SOL-USD", "ETH-BTC")
    recordings = Recordings()
    fee_in_quote = True
    keeps_own_orders_apart = True
    extra_key_fields = ("passphrase",)
    secrets_are_base64 = True
    snapshot_on_subscribe = True
    client_id_form = re.compile(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    )
    offered_streams = CHANNELS
    offered_methods = ("subscribe", "unsubscribe")
    subscribe_within_s = 5.0
    """After which a connection is cut that has not subscribed."""
    refusals = {
        Reason.UNKNOWN_PATH: Refusal(404, message="NotFound"),
        Reason.UNKNOWN_SYMBOL: Refusal(404, message="NotFound"),
        Reason.UNKNOWN_ORDER: Refusal(404, message="order not found"),
        Reason.NO_SUCH_ORDER: Refusal(404, message="NotFound"),
        Reason.MARKET_CLOSED: Refusal(400, message="Trading pair not available"),
        Reason.PRICE_FILTER: Refusal(400, message="price is too accurate"),
        Reason.LOT_SIZE: Refusal(400, message="size is too accurate"),
        Reason.NOTIONAL: Refusal(400, message="funds is too small"),
        Reason.INSUFFICIENT_BALANCE: Refusal(400, message="Insufficient funds"),
        Reason.DUPLICATE_CLIENT_ID: Refusal(400, message="client_oid is a duplicate"),
        Reason.BAD_CLIENT_ID: Refusal(400, message="Invalid {}"),
        Reason.WOULD_TAKE: Refusal(200, REJECTED, "post only"),
        Reason.NOT_OPEN: Refusal(400, message="Order already done"),
        Reason.BAD_TIME: Refusal(400, message="request timestamp expired"),
        Reason.MISSING: Refusal(400, message="{} is required"),
        Reason.ILLEGAL: Refusal(400, message="Invalid {}"),
        Reason.NOT_REQUIRED: Refusal(400, message="{} is not allowed for this order"),
        Reason.UNKNOWN_PARAMETER: Refusal(400, message="Invalid {}"),
        Reason.DOUBLED_PARAMETER: Refusal(400, message="Invalid {}"),
        Reason.UNKNOWN_METHOD: Refusal(
            400, message="Type has to be either subscribe or unsubscribe"
        ),
        Reason.UNKNOWN_TOPIC: Refusal(400, message="{} is not a valid channel"),
        Reason.NO_KEY: Refusal(401, message="{} header is required"),
        Reason.BAD_KEY: Refusal(401, message="Invalid API Key"),
        Reason.BAD_PASSPHRASE: Refusal(401, message="Invalid Passphrase"),
        Reason.BAD_SIGNATURE: Refusal(401, message="invalid signature"),
        Reason.UNAVAILABLE: Refusal(503),
        Reason.RATE_LIMITED: Refusal(429, message="Private rate limit exceeded"),
        BAD_REQUEST: Refusal(400, message="Bad Request"),
        BAD_ORDER_ID: Refusal(400, message="Invalid order id"),
        NO_PRODUCT: Refusal(400, message="Product not found"),
        BAD_STEP: Refusal(400, message="{}"),
        BAD_GRANULARITY: Refusal(400, message="Unsupported granularity"),
        TOO_MANY_CANDLES: Refusal(
            400,
            message="granularity too small for the requested time range. "
            "Count of aggregations requested exceeds {}",
        ),
        NOT_SUBSCRIBED: Refusal(400, message="{}"),
        MALFORMED: Refusal(400, message="Malformed JSON"),
    }

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.candles: dict[str, Candles] = {}
        self._details: dict[int, OrderDetails] = {}
        self._last_matches: dict[str, Row] = {}
        """Of each product, as the feed told it."""
        self._resting_ids: set[int] = set()
        self._sending_channels: set[str] = set()
        """Those of ``RHYTHMS_S`` that somebody follows."""

    def routes(self) -> list[Route]:
        return [*self.public_routes(), *self.order_routes(), *self.account_routes()]

    def public_routes(self) -> list[Route]:
        product = "/products/{product}"
        return [
            PublicRoute("GET", "/time", self.get_time, params=()),
            PublicRoute("GET", "/currencies", self.get_currencies, params=()),
            PublicRoute("GET", "/currencies/{currency}", self.get_currency, params=()),
            PublicRoute("GET", "/products", self.get_products, params=("type",)),
            PublicRoute("GET", "/products/stats", self.get_all_stats, params=()),
            PublicRoute("GET", product, self.get_product, params=()),
            PublicRoute("GET", f"{product}/stats", self.get_stats, params=()),
            PublicRoute("GET", f"{product}/ticker", self.get_ticker, params=()),
            PublicRoute("GET", f"{product}/trades", self.get_trades, params=PAGE),
            PublicRoute("GET", f"{product}/book", self.get_book, params=("level",)),
            PublicRoute(
                "GET",
                f"{product}/candles",
                self.get_candles,
                params=("granularity", "start", "end"),
            ),
        ]

    def order_routes(self) -> list[Route]:
        by_client_id = "/orders/client:{client_oid}"
        find = ("market_type",)
        return [
            SignedRoute("POST", "/orders", self.post_order, kind="place"),
            SignedRoute(
                "GET",
                "/orders",
                self.get_orders,
                params=(
                    *PAGE,
                    "product_id",
                    "profile_id",
                    "status",
                    "sortedBy",
                    "sorting",
                    "start_date",
                    "end_date",
                    "market_type",
                ),
                repeated=("status",),
            ),
            SignedRoute("DELETE", "/orders", self.delete_orders, kind="cancel"),
            SignedRoute("GET", by_client_id, self.get_order_by_client_id, params=find),
            SignedRoute("GET", "/orders/{id}", self.get_order, params=find),
            SignedRoute("DELETE", by_client_id, self.delete_order_by_client_id, kind="cancel"),
            SignedRoute("DELETE", "/orders/{id}", self.delete_order, kind="cancel"),
            SignedRoute(
                "GET",
                "/fills",
                self.get_fills,
                params=(
                    *PAGE,
                    "order_id",
                    "product_id",
                    "profile_id",
                    "start_date",
                    "end_date",
                    "market_type",
                ),
            ),
        ]

    def account_routes(self) -> list[Route]:
        return [
            SignedRoute("GET", "/accounts", self.get_accounts, params=()),
            SignedRoute("GET", "/accounts/", self.get_accounts, params=()),
            SignedRoute("GET", "/accounts/{id}", self.get_account, params=()),
            SignedRoute("GET", "/fees", self.get_fees, params=()),
        ]

    def sockets(self) -> Mapping[str, SocketHandler]:
        return {"/": self.on_message}

    def symbol(self, pair: str) -> str:
        return pair

    def pair_of(self, symbol: str) -> str:
        """In upper or lower case."""
        return super().pair_of(symbol.upper())

    def refusal_of(self, reason: str, detail: str = "") -> tuple[Refusal, str]:
        """A body that can't be read is a bad request."""
        if (reason, detail) == (Reason.ILLEGAL, "body"):
            return super().refusal_of(BAD_REQUEST)
        return super().refusal_of(reason, detail)

    def error_body(self, code: int | str, message: str, request: Request | None) -> Any:
        """A rejected order is shown with what its client sent."""
        if code != REJECTED:
            return {"message": message}
        sent = request.body if request is not None and isinstance(request.body, dict) else {}
        return sent | rows.rejected_row(message, self.server.now_ns())

    def verify(self, request: Request) -> Account:
        for header in ACCESS_HEADERS.values():
            if not request.header(header):
                raise Rejected(Reason.NO_KEY, header)
        signed = {field: request.header(ACCESS_HEADERS[field]) for field in ACCESS_HEADERS}
        payload = request.method + request.target + request.text
        return self.signed_account(payload, Params(signed))

    def signed_account(self, payload: str, signed: Params) -> Account:
        """The account that signed the payload behind its timestamp (Unix seconds)."""
        timestamp = signed.string("timestamp")
        return self.signing_account(
            api_key=signed.string("key"),
            signature=signed.string("signature"),
            payload=f"{timestamp}{payload}",
            encoding="base64",
            signed_at_s=float(signed.decimal("timestamp")),
            passphrase=signed.string("passphrase"),
        )

    # Public data by REST.

    def get_time(self, request: Request) -> Row:
        now_ns = self.server.now_ns()
        return {"iso": rows.short_time(now_ns), "epoch": float(seconds_text(now_ns))}

    def get_currencies(self, request: Request) -> list[Row]:
        steps = self.currency_steps()
        return [rows.currency_row(asset, steps[asset]) for asset in sorted(steps)]

    def get_currency(self, request: Request) -> Row:
        asset = request.string("currency")
        steps = self.currency_steps()
        if asset not in steps:
            raise Rejected(Reason.UNKNOWN_PATH)
        return rows.currency_row(asset, steps[asset])

    def currency_steps(self) -> dict[str, Decimal]:
        """Of each asset of a product: the smallest amount of it."""
        steps: dict[str, Decimal] = {}
        for symbol in self.markets():
            steps.setdefault(symbol.quote, symbol.price_tick)
        for symbol in self.markets():
            steps[symbol.base] = symbol.size_step
        return steps

    def get_products(self, request: Request) -> list[Row]:
        if request.get("type", rows.MARKET_TYPE) != rows.MARKET_TYPE:
            raise Rejected(Reason.ILLEGAL, "type")
        return [rows.product_row(symbol) for symbol in self.markets()]

    def get_product(self, request: Request) -> Row:
        pair = self.pair_of(request.string("product"))
        return rows.product_row(self.venue.symbols[pair])

    def get_all_stats(self, request: Request) -> dict[str, Row]:
        pairs = [symbol.pair for symbol in self.markets()]
        return {pair: rows.all_stats_row(self.last_day(pair)) for pair in pairs}

    def get_stats(self, request: Request) -> Row:
        return rows.stats_row(self.last_day(self.pair_of(request.string("product"))))

    def last_day(self, pair: str) -> Candle | None:
        candles = self.candles.get(pair)
        return candles.day(self.now_s()) if candles is not None else None

    def now_s(self) -> int:
        return self.server.now_ns() // 10**9

    def get_ticker(self, request: Request) -> Row:
        pair = self.pair_of(request.string("product"))
        last = self.recent_trades(pair, 1)
        now_ns = self.server.now_ns()
        return rows.ticker_row(self.market_stats(pair), last[0] if last else None, now_ns)

    def get_trades(self, request: Request) -> web.Response:
        """Newest first, as far as the sandbox remembers them."""
        pair = self.pair_of(request.string("product"))
        trades = reversed(self.recent_trades(pair))
        return page_of(request, [(match.id, rows.trade_row(match)) for match in trades])

    def get_candles(self, request: Request) -> list[list[int | float]]:
        """Newest first, without those that have no trades; the last 300 where no time is named."""
        pair = self.pair_of(request.string("product"))
        span_s = request.integer("granularity", GRANULARITIES[0])
        if span_s not in GRANULARITIES:
            raise Rejected(BAD_GRANULARITY)
        last_s = candle_time_s(request, "end", self.server.now_ns() / 1e9)
        first_s = candle_time_s(request, "start", last_s - span_s * MOST_CANDLES)
        if (last_s - first_s) / span_s > MOST_CANDLES:
            raise Rejected(TOO_MANY_CANDLES, str(MOST_CANDLES))
        candles = self.candles.get(pair, Candles()).intervals(span_s, self.now_s())
        shown = [each for each in candles if each.trades and first_s <= each.begin <= last_s]
        return [rows.candle_row(candle) for candle in reversed(shown)]

    def get_book(self, request: Request) -> Row:
        """Level 1: the best of each side; 2: all; 3: every order."""
        pair = self.pair_of(request.string("product"))
        level = request.integer("level", 1)
        if level not in (1, 2, 3):
            raise Rejected(Reason.ILLEGAL, "level")
        return {
            "bids": self.book_side(pair, "buy", level),
            "asks": self.book_side(pair, "sell", level),
            "sequence": self.numbers[pair],
            "auction_mode": False,
            "auction": None,
            "time": iso_time(self.server.now_ns()),
        }

    def book_side(self, pair: str, side: Side, level: int) -> list[list[Any]]:
        if level == 3:
            return [rows.resting_row(order) for order in self.books.resting_orders(pair, side)]
        book = self.server.book(pair)
        levels = book.levels(side)
        shown = levels[:1] if level == 1 else levels
        return [
            [decimal_text(price), decimal_text(size), len(book.sides[side][price].orders)]
            for price, size in shown
        ]

    # An account by REST.

    def post_order(self, request: Request, account: Account) -> Row:
        new = self.new_order(sent_body(request), account)
        order = self.place_order(account, new.pair, new.terms)
        details = OrderDetails(
            expires=order.time + new.good_for_s * 10**9 if new.good_for_s else 0,
            specified_funds=new.specified_funds,
        )
        if details != NO_DETAILS:
            self._details[order.id] = details
        if new.good_for_s:
            self.server.call_later(new.good_for_s, self._expire, order)
        return rows.placed_row(order, details)

    def new_order(self, body: Params, account: Account) -> NewOrder:
        body.only(*ORDER_PARAMS)
        self.check_profile(body, account)
        terms = order_terms(body, body.client_id("client_oid", self.client_id_form))
        seconds = good_for_s(body)
        pair = self.product_of(body.string("product_id"))
        symbol = self.venue.symbols[pair]
        check_terms(symbol, terms, self.venue.last_price.get(pair))
        funds = terms.quote_amount or ZERO
        return NewOrder(pair, self.without_fee(terms), seconds, funds)

    def product_of(self, name: str) -> str:
        """The pair of a product that an order names."""
        try:
            return self.pair_of(name)
        except Rejected:
            raise Rejected(NO_PRODUCT) from None

    def without_fee(self, terms: OrderTerms) -> OrderTerms:
        """The funds of a buyer pay the fee too."""
        if terms.quote_amount is None or terms.side == "sell":
            return terms
        funds = terms.quote_amount / (1 + self.venue.taker_fee)
        return OrderTerms(
            side=terms.side,
            kind=terms.kind,
            amount=None,
            quote_amount=funds.quantize(SMALLEST_FUNDS, ROUND_DOWN),
            client_id=terms.client_id,
        )

    def _expire(self, order: Order) -> None:
        with suppress(Rejected):  # it was done already
            self.venue.cancel(order, self.server.now_ns())

    def check_profile(self, params: Params, account: Account) -> None:
        """A key is of one profile."""
        if params.get("profile_id", rows.profile_id(account)) != rows.profile_id(account):
            raise Rejected(Reason.ILLEGAL, "profile_id")

    def check_market_type(self, params: Params) -> None:
        if params.get("market_type", rows.MARKET_TYPE) != rows.MARKET_TYPE:
            raise Rejected(Reason.ILLEGAL, "market_type")

    def details(self, order: Order) -> OrderDetails:
        return self._details.get(order.id, NO_DETAILS)

    def get_orders(self, request: Request, account: Account) -> web.Response:
        """The open ones, unless "status" names others."""
        pair = self.optional_pair(request.string("product_id", ""))
        self.check_profile(request, account)
        self.check_market_type(request)
        statuses = request.string("status", "open,pending").split(",")
        for status in statuses:
            if status not in STATUSES:
                raise Rejected(Reason.ILLEGAL, "status")
        key = request.choice("sortedBy", dict(zip(SORT_KEYS, SORT_KEYS, strict=True)), "created_at")
        ascending = request.choice("sorting", {"asc": 1, "desc": -1}, -1) == 1
        if key != "created_at" and ("before" in request or "after" in request):
            raise Rejected(Reason.ILLEGAL, "sortedBy")
        shown = {True: {"open", "all"}, False: {"done", "all"}}
        first_ns, last_ns = span_of(request)
        orders = [
            order
            for order in self.orders_of(account, pair)
            if shown[order.is_open].intersection(statuses) and first_ns <= order.time <= last_ns
        ]
        orders.sort(key=lambda order: (sort_value(order, key), order.id), reverse=not ascending)
        found = [(order.id, rows.order_row(order, self.details(order))) for order in orders]
        return page_of(request, found, ascending=ascending)

    def get_order(self, request: Request, account: Account) -> Row:
        self.check_market_type(request)
        order = self.find_order(account, order_id=self.order_id(request))
        return rows.order_row(order, self.details(order))

    def get_order_by_client_id(self, request: Request, account: Account) -> Row:
        self.check_market_type(request)
        order = self.find_order(account, client_id=self.client_oid(request))
        return rows.order_row(order, self.details(order))

    def order_id(self, params: Params, name: str = "id") -> str:
        value = params.string(name)
        if not rows.UUID_FORM.fullmatch(value):
            raise Rejected(BAD_ORDER_ID)
        return value

    def client_oid(self, request: Request) -> str:
        return request.client_id("client_oid", self.client_id_form)

    def delete_order(self, request: Request, account: Account) -> str:
        return self._delete(request, account, order_id=self.order_id(request))

    def delete_order_by_client_id(self, request: Request, account: Account) -> str:
        return self._delete(request, account, client_id=self.client_oid(request))

    def _delete(
        self, request: Request, account: Account, *, order_id: str = "", client_id: str = ""
    ) -> str:
        """The id by which an order was cancelled. A product of another name has no such order."""
        product = self._product_to_cancel(request, account)
        order = self.find_order(
            account, order_id=order_id, client_id=client_id, otherwise=Reason.UNKNOWN_ORDER
        )
        if product not in ("", order.symbol):
            raise Rejected(Reason.UNKNOWN_ORDER)
        self.cancel_order(account, order_id=order_id, client_id=client_id)
        return order_id or client_id

    def _product_to_cancel(self, request: Request, account: Account) -> str:
        """The pair that a DELETE names in its query, or in a body, as some clients do, with a slash
        in its name; "" for none."""
        query = sent_query(request)
        body = Params(request.body) if isinstance(request.body, dict) else Params({})
        for params in (query, body):
            params.only("product_id", "profile_id")
            self.check_profile(params, account)
        product = query.string("product_id", "") or body.string("product_id", "").replace("/", "-")
        return self.optional_pair(product) or ""

    def delete_orders(self, request: Request, account: Account) -> list[str]:
        product = self._product_to_cancel(request, account)
        return [uuid_of(order.id) for order in self.cancel_orders(account, product or None)]

    def get_accounts(self, request: Request, account: Account) -> list[Row]:
        return [rows.account_row(account, balance) for balance in account.balances()]

    def get_account(self, request: Request, account: Account) -> Row:
        for row in self.get_accounts(request, account):
            if row["id"] == request.string("id"):
                return row
        raise Rejected(Reason.UNKNOWN_PATH)

    def get_fees(self, request: Request, account: Account) -> Row:
        fills = [fill for fill in self.venue.fills if fill.order.account is account]
        dollars = [f.value for f in fills if f.order.symbol.endswith(rows.DOLLARS)]
        return rows.fees_row(self.venue.maker_fee, self.venue.taker_fee, sum(dollars, ZERO))

    def get_fills(self, request: Request, account: Account) -> web.Response:
        """Newest first, of an order or of a product."""
        if "order_id" not in request and "product_id" not in request:
            raise Rejected(Reason.MISSING, "order_id or product_id")
        self.check_profile(request, account)
        self.check_market_type(request)
        pair = self.optional_pair(request.string("product_id", ""))
        order = None
        if "order_id" in request:
            order = self.find_order(account, order_id=self.order_id(request, "order_id"))
        first_ns, last_ns = span_of(request)
        found = [
            (fill.trade_id, rows.fill_row(fill))
            for fill in reversed(self.all_fills(account, pair, order))
            if first_ns <= fill.time <= last_ns
        ]
        return page_of(request, found)

    def all_fills(self, account: Account, pair: str | None, order: Order | None) -> list[Fill]:
        return self.fills_of(account, pair, order=order, limit=len(self.venue.fills))

    # The socket.

    def on_connect(self, connection: Connection) -> None:
        super().on_connect(connection)
        self.server.call_later(self.subscribe_within_s, self._cut_if_silent, connection)

    def _cut_if_silent(self, connection: Connection) -> None:
        if connection in self.server.connections and "has_subscribed" not in connection.state:
            self.server.disconnect([connection])

    def on_message(self, connection: Connection, message: Message) -> None:
        """subscribe and unsubscribe, answered by all that the connection follows then. A channel
        that can't be followed is refused, the others are followed."""
        if not isinstance(message.data, dict):
            raise Rejected(MALFORMED)
        kind = message.get("type")
        if kind not in self.offered_methods:
            raise Rejected(Reason.UNKNOWN_METHOD)
        message.only("type", "product_ids", "channels", "account_ids", *LOGIN_FIELDS)
        channels = wanted_channels(message)
        account = connection.account
        if any(field in message for field in LOGIN_FIELDS):
            account = self.signed_account(LOGIN_PAYLOAD, message)
        if kind == "subscribe":
            connection.state["has_subscribed"] = True
            connection.account = account
            self._subscribe_channels(connection, message, channels)
        else:
            self._unsubscribe_channels(connection, message, channels)

    def _subscribe_channels(
        self, connection: Connection, message: Message, channels: list[WantedChannel]
    ) -> None:
        topics: list[str] = []
        for channel in channels:
            try:
                self.check_channel(channel, connection.account)
            except Rejected as refusal:
                self.send(connection, self.socket_error(message, refusal))
            else:
                topics += channel.topics()
        followed = connection.topics.union(topics)
        self.subscribe(connection, dict.fromkeys(topics), rows.subscriptions_row(followed))

    def _unsubscribe_channels(
        self, connection: Connection, message: Message, channels: list[WantedChannel]
    ) -> None:
        """A channel without products is left wholly."""
        topics: set[str] = set()
        for channel in channels:
            try:
                self.check_names(channel)
            except Rejected as refusal:
                self.send(connection, self.socket_error(message, refusal))
                continue
            topics.update(channel.topics())
            if channel.product_ids is None and not channel.account_ids:
                topics.update(t for t in connection.topics if t.startswith(f"{channel.name}:"))
        followed = connection.topics.difference(topics)
        self.unsubscribe(connection, topics, rows.subscriptions_row(followed))

    def check_names(self, channel: WantedChannel) -> None:
        """Raises Rejected for an unknown channel or product."""
        if channel.name not in CHANNELS:
            raise Rejected(Reason.UNKNOWN_TOPIC, channel.name)
        for each in channel.product_ids or ():
            if channel.name in PRODUCT_CHANNELS and each not in self.venue.symbols:
                raise Rejected(NOT_SUBSCRIBED, f"{each} is not a valid product")

    def check_channel(self, channel: WantedChannel, account: Account | None) -> None:
        """Raises Rejected where a connection can't follow it."""
        self.check_names(channel)
        if account is None and channel.name in LOGIN_CHANNELS:
            raise Rejected(NOT_SUBSCRIBED, NEEDS_LOGIN[channel.name])
        if channel.name in PRODUCT_CHANNELS and not channel.product_ids:
            raise Rejected(NOT_SUBSCRIBED, " is not a valid product")
        if channel.name == "balance":
            assert account is not None
            known = [rows.account_id(account, balance.asset) for balance in account.balances()]
            for each in channel.account_ids or ("",):
                if each not in known:
                    raise Rejected(NOT_SUBSCRIBED, f"{each} is not a valid account")

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        _, text = self.refusal_of(refusal.reason, refusal.detail)
        is_missing_login = refusal.reason == Reason.MISSING and refusal.detail in LOGIN_FIELDS
        if refusal.reason in LOGIN_REASONS or is_missing_login:
            reason = json.dumps({"message": text})
            return {"type": "error", "message": "Authentication Failed", "reason": reason}
        if refusal.reason == MALFORMED:
            return {"type": "error", "message": text}
        doing = "unsubscribe" if message.get("type") == "unsubscribe" else "subscribe"
        return {"type": "error", "message": f"Failed to {doing}", "reason": text}

    def needs_login(self, topic: str) -> bool:
        return topic.partition(":")[0] in LOGIN_CHANNELS

    def follow(self, connection: Connection, topic: str) -> None:
        """Some channels open with what was last, or with how they are to be read."""
        channel, _, pair = topic.partition(":")
        is_first = not any(each.startswith(f"{channel}:") for each in connection.topics)
        super().follow(connection, topic)
        opening = self._opening(channel, pair)
        if opening is not None and (is_first or channel != "level3"):
            self.send(connection, opening)
        if channel in RHYTHMS_S and channel not in self._sending_channels:
            self._sending_channels.add(channel)
            self.server.call_later(RHYTHMS_S[channel], self._send_in_rhythm, channel)

    def _opening(self, channel: str, pair: str) -> Row | None:
        if channel == "level3":
            return {"type": "level3", "schema": rows.LEVEL3_SCHEMA}
        if channel == "level2" and self.server.replay is None:
            return self._current_levels(pair)
        if channel == "matches" and pair in self._last_matches:
            return self._last_matches[pair] | {"type": "last_match"}
        if channel.startswith("ticker"):
            return self.ticker(pair)
        return self.status() if channel == "status" else None

    def _current_levels(self, pair: str) -> Row | None:
        if self.server.faults.hits("withhold_snapshot"):
            return None
        book = self.server.book(pair)
        bids, asks = ([BookLevel(*level) for level in book.levels(s)] for s in ("buy", "sell"))
        return rows.snapshot_message(pair, bids, asks)

    def _send_in_rhythm(self, channel: str) -> None:
        """To all that follow the channel, past the faults of market data, until nobody does."""
        followers = [
            (connection, topic)
            for connection in self.server.connections
            for topic in connection.topics
            if topic.startswith(f"{channel}:")
        ]
        if not followers:
            self._sending_channels.discard(channel)
            return
        for connection, topic in followers:
            frame = self._frame_in_rhythm(channel, topic.partition(":")[2])
            if frame is not None:
                self.send(connection, frame)
        self.server.call_later(RHYTHMS_S[channel], self._send_in_rhythm, channel)

    def _frame_in_rhythm(self, channel: str, pair: str) -> Row | None:
        """None where there is nothing to tell: before a trade, or of a recorded market."""
        if channel == "status":
            return self.status()
        if self.server.replay is not None:
            return None
        if channel == "heartbeat":
            last_trade_id = self.server.book(pair).trade_id
            now_ns = self.server.now_ns()
            return rows.heartbeat_row(pair, self.numbers[pair], last_trade_id, now_ns)
        return self.ticker(pair)

    def status(self) -> Row:
        steps = self.currency_steps()
        return {
            "type": "status",
            "products": [rows.product_row(symbol) for symbol in self.markets()],
            "currencies": [rows.currency_row(asset, steps[asset]) for asset in sorted(steps)],
        }

    def ticker(self, pair: str) -> Row | None:
        """The newest trade of a product with its day; None before any."""
        last = self.recent_trades(pair, 1)
        day = self.last_day(pair)
        if not last or day is None:
            return None
        sequence = self._last_matches[pair]["sequence"]
        return rows.ticker_message(last[0], sequence, self.market_stats(pair), day)

    def book_topics(self, pair: str) -> Mapping[str, int]:
        """The batches; of a recorded market all its frames are level2's."""
        channels = BATCHES if self.server.replay is None else (*BATCHES, "level2")
        return {f"{channel}:{pair}": 0 for channel in channels}

    def book_frame(
        self, topic: str, window: BookWindow, connection: Connection, now_ns: int
    ) -> Row:
        if window.is_snapshot:
            return rows.snapshot_message(window.pair, window.bids, window.asks)
        bids = [["buy", price, size] for price, size in level_rows(window.bids)]
        asks = [["sell", price, size] for price, size in level_rows(window.asks)]
        return rows.levels_message(window.pair, bids + asks, iso_time(now_ns))

    def on_trade(self, match: Match) -> None:
        self.candles.setdefault(match.symbol, Candles()).add(match)
        super().on_trade(match)

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        topic = f"ticker:{match.symbol}"
        ticker = self.ticker(match.symbol) if self.anyone_follows(topic) else None
        return {} if ticker is None else {topic: ticker}

    def on_book_event(self, kind: str, order: Order, match: Match | None) -> None:
        """The next message of the product's sequence; who is part of it is told more."""
        pair = order.symbol
        frame = {
            "type": kind,
            **self.event_row(kind, order, match),
            "product_id": pair,
            "sequence": self.count(pair),
            "time": iso_time(self.server.now_ns()),
        }
        parts = self.parts(kind, order, match)
        self.publish(f"full:{pair}", partial(told_to, frame, parts))
        self.publish(f"level3:{pair}", rows.level3_row(kind, frame))
        if kind == "match":
            self._last_matches[pair] = frame
            self.publish(f"matches:{pair}", frame)
        level = self.changed_level(kind, order, match)
        if level is not None:
            self.publish(f"level2:{pair}", rows.levels_message(pair, [level], frame["time"]))
        for name, own in parts.items():
            self.send_to_account(self.venue.accounts[name], f"user:{pair}", frame | own)

    def event_row(self, kind: str, order: Order, match: Match | None) -> Row:
        if match is not None:
            return rows.change_row(order, match) if kind == "change" else rows.match_row(match)
        makers = {"received": rows.received_row, "open": rows.open_row, "done": rows.done_row}
        return makers[kind](order)

    def parts(self, kind: str, order: Order, match: Match | None) -> dict[str, Row]:
        """Name of an account -> what it is told besides of an event that it is part of."""
        own = {order.account.name: rows.own_row(order, kind)}
        if match is not None and kind == "match":
            taker = match.taker
            own[order.account.name] = rows.own_match_row(order, "maker", self.venue.maker_fee)
            own[taker.account.name] = rows.own_match_row(taker, "taker", self.venue.taker_fee)
        own.pop(self.server.liquidity_provider.name, None)
        return own

    def changed_level(self, kind: str, order: Order, match: Match | None) -> list[str] | None:
        """Side, price and new size of the level that an event changed; None for none."""
        has_changed = match.maker is order if match is not None else kind == "open"
        if kind == "open":
            self._resting_ids.add(order.id)
        elif kind == "done" and order.id in self._resting_ids:
            self._resting_ids.remove(order.id)
            has_changed = order.state == "cancelled"
        if not has_changed or order.price is None:
            return None
        size = self.server.book(order.symbol).size_at(order.side, order.price)
        return [order.side, decimal_text(order.price), decimal_text(size)]

    def on_event(self, event: Event) -> None:
        """What an order changes in the balances of its account."""
        super().on_event(event)
        account = event.order.account
        symbol = self.venue.symbols[event.order.symbol]
        now_ns = self.server.now_ns()
        for balance in account.balances(symbol.base, symbol.quote):
            frame = rows.balance_message(account, balance, now_ns)
            self.send_to_account(account, f"balance:{frame['account_id']}", frame)


def told_to(frame: Row, parts: Mapping[str, Row], connection: Connection, now_ns: int) -> Row:
    """A message of the channel full as a connection gets it, with what its account is told."""
    account = connection.account
    return frame if account is None else frame | parts.get(account.name, {})
