"""HTX (Huobi) spot from the venue's side.

Source: its public API documentation, v1.0, and frames that it sent.
"""

import ast
import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, quote

from trochil.sandbox.book_windows import BookChannel, BookLevel, BookWindow
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import (
    BaseDialect,
    Frame,
    MarketStats,
    OrderTerms,
    PublicRoute,
    Route,
    Row,
    Side,
    SignedRoute,
    SocketHandler,
)
from trochil.sandbox.formats import decimal_places, exact_text, milliseconds
from trochil.sandbox.htx_rows import (
    ACCOUNT_ID,
    MOST_VALUE,
    STATE_NUMBER,
    TERMS_OF_TYPE,
    USER_ID,
    VALUE_PLACES,
    Day,
    best_row,
    changes_row,
    clearing_row,
    currency_settings_row,
    day_of,
    detail_row,
    fill_row,
    held_rows,
    image_row,
    market_symbol_row,
    merged_levels,
    merged_row,
    open_order_row,
    order_event_row,
    order_state,
    order_type,
    single_order_row,
    symbol_row,
    symbol_settings_row,
    ticker_channel_row,
    ticker_row,
    trade_row,
    trades_row,
)
from trochil.sandbox.market.accounts import ZERO, Account, Balance
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Fill, Rejected, Symbol
from trochil.sandbox.recorded import Record, Rows
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.requests import Message, Params, Request
from trochil.sandbox.server import Server

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
CHANGE_TYPE = {
    "new": "order-place",
    "trade": "order-match",
    "cancelled": "order-cancel",
    "expired": "order-cancel",
}
CANCELING = 10
LONG_CLOSED = -1
NOT_FOUND = 0
LEVELS = 150
"""A side of a whole book."""
DEPTHS = (5, 20, LEVELS, 400)
"""Levels of the channels of changes."""
REFRESHED = (5, 10, 20)
"""Levels of the images that are sent with every change."""
STEPS = tuple(f"step{number}" for number in range(6))
"""How far prices are merged: not at all, to ten ticks, to a hundred, ..."""
LEVELS_OF_REQUESTS = {str(levels): levels for levels in (5, 10, 20)}
SIDES = ("buy", "sell")
DIRECTIONS = {"next": "next", "prev": "prev"}
MOST_TRADES = 2000
TRADES_OF_REQUEST = 300
"""Of a request on a socket."""
MOST_ORDERS_AT_ONCE = 10
MOST_CANCELS = 50
WINDOW = timedelta(hours=48)
"""The longest time of which past orders and fills are listed at once."""
MARKET_PATH = "/market/"
V2_PATH = "/v2/"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
SIGNATURE_AGE_S = 300.0
SIGNATURE = {"SignatureMethod": "HmacSHA256", "SignatureVersion": "2"}
SOCKET_SIGNATURE = {
    "authType": "api",
    "signatureMethod": "HmacSHA256",
    "signatureVersion": "2.1",
}

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
INVALID_REQUEST = 2001
NO_AUTHENTICATION = 2002


class Recordings:
    """Gzipped frames, each as Python writes bytes. Its images name the book's version."""

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "").lower()

    def records(self, time: float, text: str, url: str) -> Iterator[Record]:
        if not text.startswith("b"):
            return
        frame = ast.literal_eval(text)
        content = json.loads(gzip.decompress(frame), parse_float=str, parse_int=str)
        topic = content.get("ch", "")
        _, symbol, channel = split_topic(topic)
        if channel.startswith("depth."):
            yield Record(time, "image", symbol, frame, content["tick"], topic)
        elif channel.startswith("trade."):
            yield Record(time, "trade", symbol, frame, content["tick"], topic)

    def levels(self, record: Record) -> tuple[Rows, Rows]:
        return record.data["bids"], record.data["asks"]

    def last_id(self, record: Record) -> int:
        return int(record.data.get("version", 0))


def split_topic(topic: str) -> tuple[str, str, str]:
    """market, btcusdt, depth.step0; empty texts where it has fewer parts."""
    market, _, rest = topic.partition(".")
    symbol, _, channel = rest.partition(".")
    return market, symbol, channel


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
        client_id=order.client_id("client-order-id", Dialect.client_id_form),
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


class Dialect(BaseDialect):
    """Changes of the book on one socket, trades and images on another, both gzipped; an account on
    a third, as text."""

    name = "htx"
    recordings = Recordings()
    book_channel = BookChannel(depths=DEPTHS, default_depth=LEVELS)
    snapshot_interval_s = 1.0
    post_only_cancels = True
    cancel_delay_s = 0.03
    private_paths = ("/ws/v2",)
    public_ping_s = 5.0
    private_ping_s = 20.0
    client_id_form = re.compile(r"[A-Za-z0-9_-]{1,64}")
    signing_params = ("AccessKeyId", *SIGNATURE, "Timestamp", "Signature")
    offered_streams = (
        *(f"market.$symbol.mbp.{depth}" for depth in DEPTHS),
        *(f"market.$symbol.mbp.refresh.{levels}" for levels in REFRESHED),
        *(f"market.$symbol.depth.{step}" for step in STEPS),
        "market.$symbol.bbo",
        "market.$symbol.trade.detail",
        "market.$symbol.detail",
        "market.$symbol.ticker",
        "orders#$symbol",
        "trade.clearing#$symbol#0|1",
        "accounts.update#0|1|2",
    )
    offered_methods = (
        "sub",
        "unsub",
        "req market.$symbol.mbp.$levels",
        "req market.$symbol.depth.$type",
        "req market.$symbol.trade.detail",
        "req market.$symbol.detail",
        "req auth",
    )
    refusals = {
        Reason.UNKNOWN_SYMBOL: Refusal(200, "base-symbol-error", "The symbol is invalid"),
        Reason.MARKET_CLOSED: Refusal(200, "base-symbol-trade-disabled"),
        Reason.PRICE_FILTER: Refusal(
            200, "order-orderprice-precision-error", "order price precision error, scale: `{}`"
        ),
        Reason.LOT_SIZE: Refusal(
            200, "order-orderamount-precision-error", "order amount precision error, scale: `{}`"
        ),
        Reason.NOTIONAL: Refusal(200, "order-value-min-error", "Order total is below the minimum"),
        Reason.INSUFFICIENT_BALANCE: Refusal(
            200,
            "account-frozen-balance-insufficient-error",
            "trade account balance is not enough",
        ),
        Reason.DUPLICATE_CLIENT_ID: Refusal(
            200, "invalid-client-order-id", "client-order-id is used already"
        ),
        Reason.BAD_CLIENT_ID: Refusal(200, "invalid-client-order-id", "client-order-id is invalid"),
        Reason.UNKNOWN_ORDER: Refusal(200, "order-orderstate-error", "Incorrect order state"),
        Reason.NO_SUCH_ORDER: Refusal(200, "base-record-invalid", "record invalid"),
        Reason.MISSING: Refusal(200, "validation-constraints-required", "Field is missing: {}."),
        Reason.ILLEGAL: Refusal(200, "validation-format-error", "Format Error: {}."),
        Reason.UNKNOWN_PARAMETER: Refusal(200, "bad-argument", "invalid parameter: {}"),
        Reason.DOUBLED_PARAMETER: Refusal(200, "bad-argument", "parameter sent twice: {}"),
        Reason.UNKNOWN_PATH: Refusal(405, "method-not-allowed", "Request method not supported: {}"),
        Reason.BAD_KEY: Refusal(
            200, "api-signature-not-valid", "Signature not valid: Incorrect Access key"
        ),
        Reason.BAD_SIGNATURE: Refusal(
            200, "api-signature-not-valid", "Signature not valid: Verification failure"
        ),
        Reason.BAD_TIME: Refusal(
            200,
            "api-signature-not-valid",
            "Signature not valid: Invalid submission time or incorrect time format",
        ),
        Reason.TIMEOUT: Refusal(200, "timeout"),
        Reason.UNAVAILABLE: Refusal(503, "gateway-internal-error"),
        Reason.RATE_LIMITED: Refusal(429, "rate-too-many-requests"),
        BAD_SCHEME: Refusal(200, "api-signature-not-valid", "Signature not valid: Incorrect {}"),
        UNKNOWN_ACCOUNT: Refusal(
            200,
            "account-get-balance-account-inexistent-error",
            f"account for id `{{}}` and user id `{USER_ID}` does not exist",
        ),
        INVALID_PARAMETER: Refusal(200, "invalid-parameter", "invalid {}"),
        INVALID_TYPE: Refusal(200, "order-type-invalid", "Invalid order type: {}"),
        PRICE_MIN: Refusal(
            200, "order-limitorder-price-min-error", "limit order price error, min: `{}`"
        ),
        AMOUNT_MIN: Refusal(
            200, "order-limitorder-amount-min-error", "limit order amount error, min: `{}`"
        ),
        AMOUNT_MAX: Refusal(
            200, "order-limitorder-amount-max-error", "limit order amount error, max: `{}`"
        ),
        SALE_MIN: Refusal(
            200, "order-marketorder-amount-min-error", "market order amount error, min: `{}`"
        ),
        SALE_MAX: Refusal(
            200, "order-marketorder-amount-sell-max-error", "market order amount error, max: `{}`"
        ),
        VALUE_PRECISION: Refusal(
            200, "order-ordervalue-precision-error", "order value precision error, scale: `{}`"
        ),
        VALUE_MAX: Refusal(
            200, "order-marketorder-amount-buy-max-error", "market order amount error, max: `{}`"
        ),
        WRONG_STATE: Refusal(200, "order-orderstate-error", "Incorrect order state"),
        NO_RECORD: Refusal(200, "base-not-found", "The record is not found."),
        BAD_WINDOW: Refusal(200, "invalid-interval", "The query window is wrong"),
        BAD_DATE: Refusal(200, "base-date-error", "Incorrect date format: {}"),
        Reason.UNKNOWN_TOPIC: Refusal(200, "bad-request", "invalid topic {}"),
        NOT_FOLLOWED: Refusal(200, "bad-request", "unsub with not subbed topic {}"),
        NO_JSON: Refusal(200, "bad-request", "not json string"),
    }

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._told: dict[tuple[str, str], Balance] = {}
        """What an account's followers know of each asset."""
        self._best: dict[str, tuple[Decimal, ...]] = {}
        """Of each pair, as last sent."""

    def routes(self) -> list[Route]:
        orders = "/v1/order/orders"
        times = ("start-time", "end-time", "start-date", "end-date")
        return [
            PublicRoute("GET", "/v1/common/timestamp", self.get_time, params=()),
            PublicRoute("GET", "/v1/common/symbols", self.get_symbols, params=()),
            PublicRoute("GET", "/v1/common/currencys", self.get_currencies, params=()),
            PublicRoute(
                "GET",
                "/v1/settings/common/market-symbols",
                self.get_market_symbols,
                params=("symbols", "ts"),
            ),
            PublicRoute(
                "GET", "/v2/settings/common/symbols", self.get_symbol_settings, params=("ts",)
            ),
            PublicRoute(
                "GET",
                "/v2/settings/common/currencies",
                self.get_currency_settings,
                params=("ts",),
            ),
            PublicRoute(
                "GET",
                "/v2/reference/currencies",
                self.get_chains,
                params=("currency", "authorizedUser"),
            ),
            PublicRoute("GET", "/v2/market-status", self.get_market_status, params=()),
            self.market_route("tickers", self.get_tickers),
            self.market_route("detail/merged", self.get_ticker, "symbol"),
            self.market_route("detail", self.get_detail, "symbol"),
            self.market_route("depth", self.get_depth, "symbol", "type", "depth"),
            self.market_route("trade", self.get_last_trade, "symbol"),
            self.market_route("history/trade", self.get_trades, "symbol", "size"),
            SignedRoute("GET", "/v2/user/uid", self.get_user, params=()),
            SignedRoute("GET", "/v1/account/accounts", self.get_accounts, params=()),
            SignedRoute(
                "GET",
                "/v1/account/accounts/{id}/balance",
                self.get_balance,
                params=("account-id",),
            ),
            SignedRoute("POST", f"{orders}/place", self.post_order, kind="place"),
            SignedRoute("POST", "/v1/order/batch-orders", self.post_orders, kind="place"),
            SignedRoute(
                "GET",
                "/v1/order/openOrders",
                self.get_open_orders,
                params=("account-id", "symbol", "side", "types", "from", "direct", "size"),
            ),
            SignedRoute(
                "GET",
                orders,
                self.get_orders,
                params=("symbol", "types", "states", *times, "from", "direct", "size"),
            ),
            SignedRoute(
                "GET",
                "/v1/order/history",
                self.get_history,
                params=("symbol", "start-time", "end-time", "direct", "size"),
            ),
            SignedRoute(
                "GET",
                f"{orders}/getClientOrder",
                self.get_order_by_client_id,
                params=("clientOrderId",),
            ),
            SignedRoute("GET", f"{orders}/{{id}}", self.get_order, params=("order_id",)),
            SignedRoute(
                "GET",
                f"{orders}/{{id}}/matchresults",
                self.get_fills_of_order,
                params=("order_id",),
            ),
            SignedRoute(
                "GET",
                "/v1/order/matchresults",
                self.get_fills,
                params=("symbol", "types", *times, "from", "direct", "size"),
            ),
            SignedRoute(
                "POST",
                f"{orders}/{{id}}/submitcancel",
                self.post_cancel,
                kind="cancel",
                params=("symbol", "order_id"),
            ),
            SignedRoute(
                "POST",
                f"{orders}/submitCancelClientOrder",
                self.post_cancel_by_client_id,
                kind="cancel",
                params=("client-order-id",),
            ),
            SignedRoute(
                "POST",
                f"{orders}/batchcancel",
                self.post_cancels,
                kind="cancel",
                params=("order-ids", "client-order-ids"),
            ),
            SignedRoute(
                "POST",
                f"{orders}/batchCancelOpenOrders",
                self.post_cancel_of_open_orders,
                kind="cancel",
                params=("account-id", "symbol", "types", "side", "size"),
            ),
            SignedRoute(
                "GET",
                "/v2/reference/transact-fee-rate",
                self.get_fee_rates,
                params=("symbols",),
            ),
        ]

    def market_route(
        self, path: str, handler: Callable[[Request], Row], *params: str
    ) -> PublicRoute:
        """Market data have words of their own for whatever does not fit."""

        def answer(request: Request) -> Row:
            try:
                request.only(*params)
                return {"status": "ok", "ts": self.now_ms()} | handler(request)
            except Rejected as refusal:
                is_symbol = refusal.reason == Reason.UNKNOWN_SYMBOL
                name = "symbol" if is_symbol else refusal.detail
                raise Rejected(INVALID_PARAMETER, name) from refusal

        return PublicRoute("GET", MARKET_PATH + path, answer)

    def sockets(self) -> Mapping[str, SocketHandler]:
        return {
            "/ws": self.on_market_message,
            "/feed": self.on_market_message,
            "/ws/v2": self.on_account_message,
        }

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "").lower()

    def now_ms(self) -> int:
        return milliseconds(self.server.now_ns())

    def error_body(self, code: int | str, message: str, request: Request | None) -> Row:
        """Newer endpoints have numbers, requests for market data a time."""
        path = request.path if request is not None else ""
        if path.startswith(V2_PATH):
            return {"code": V2_CODES.get(code, 2002), "message": message}
        told = {"status": "error", "err-code": code, "err-msg": message}
        if path.startswith(MARKET_PATH):
            return {"ts": self.now_ms(), **told}
        return {**told, "data": None}

    def retry_headers(self, retry_after_s: int) -> dict[str, str]:
        """Until when (ms) a limit refuses."""
        until_ms = self.now_ms() + retry_after_s * 1000
        return {"X-HB-RateLimit-Requests-Expire": str(until_ms)}

    def verify(self, request: Request) -> Account:
        """The signature is of the query as the venue itself would write it, sorted by names."""
        sent = parse_qsl(request.query, keep_blank_values=True)
        signed = sorted((name, value) for name, value in sent if name != "Signature")
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in signed)
        timestamp = request.string("Timestamp", "")
        utc = Params({"Timestamp": f"{timestamp}Z"})
        is_time = TIMESTAMP.fullmatch(timestamp) is not None
        account = self.signing_account(
            api_key=request.string("AccessKeyId", ""),
            signature=request.string("Signature", ""),
            payload="\n".join((request.method, request.host.lower(), request.path, query)),
            encoding="base64",
            signed_at_s=utc.time_s("Timestamp") if is_time else 0.0,
            max_age_s=SIGNATURE_AGE_S,
            max_ahead_s=SIGNATURE_AGE_S,
        )
        for name, value in SIGNATURE.items():
            if request.string(name, "") != value:
                raise Rejected(BAD_SCHEME, name)
        return account

    def result(self, body: Any) -> Any:
        """What is no envelope already is the data of the older one."""
        is_envelope = isinstance(body, dict) and ("status" in body or "code" in body)
        return body if is_envelope else {"status": "ok", "data": body}

    # Public data by REST.

    def get_time(self, request: Request) -> int:
        return self.now_ms()

    def get_symbols(self, request: Request) -> list[Row]:
        return [symbol_row(self.symbol(symbol.pair), symbol) for symbol in self.markets()]

    def get_market_symbols(self, request: Request) -> Row:
        request.integer("ts", 0)
        wanted = self.pairs_of(request, "symbols")
        rows = [
            market_symbol_row(self.symbol(symbol.pair), symbol)
            for symbol in self.markets()
            if not wanted or symbol.pair in wanted
        ]
        return self.settings(rows)

    def get_symbol_settings(self, request: Request) -> Row:
        request.integer("ts", 0)
        return self.settings(
            [symbol_settings_row(self.symbol(symbol.pair), symbol) for symbol in self.markets()]
        )

    def get_currency_settings(self, request: Request) -> Row:
        request.integer("ts", 0)
        quotes = {symbol.quote for symbol in self.markets()}
        return self.settings(
            [currency_settings_row(asset, asset in quotes) for asset in self.assets()]
        )

    def settings(self, rows: list[Row]) -> Row:
        """All of them, whatever a client knows already."""
        return {"status": "ok", "data": rows, "ts": str(self.now_ms()), "full": 1}

    def assets(self) -> list[str]:
        return sorted({asset for symbol in self.markets() for asset in symbol.pair.split("-")})

    def get_currencies(self, request: Request) -> list[str]:
        return [asset.lower() for asset in self.assets()]

    def get_chains(self, request: Request) -> Row:
        """Nothing moves in or out of the sandbox: no currency has a chain."""
        request.flag("authorizedUser")
        known = self.get_currencies(request)
        wanted = listed(request, "currency", known)
        rows = [
            {"currency": name, "assetType": 1, "instStatus": "normal", "chains": []}
            for name in known
            if name in wanted
        ]
        return {"code": 200, "data": rows}

    def get_market_status(self, request: Request) -> Row:
        is_open = any(symbol.trading for symbol in self.markets())
        return {"code": 200, "message": "success", "data": {"marketStatus": 1 if is_open else 2}}

    def pairs_of(self, params: Params, name: str, most: int = 10) -> list[str]:
        """Of symbols joined by commas. Raises Rejected: UNKNOWN_SYMBOL, ILLEGAL."""
        symbols = params.string(name, "").split(",") if name in params else []
        if len(symbols) > most:
            raise Rejected(Reason.ILLEGAL, name)
        return [self.pair_of(symbol) for symbol in symbols]

    def day(self, pair: str) -> Day:
        return day_of(self.market_stats(pair), self.recent_trades(pair))

    def version(self, pair: str) -> int:
        return self.server.book(pair).update_id

    def get_tickers(self, request: Request) -> Row:
        pairs = [symbol.pair for symbol in self.markets()]
        return {"data": [ticker_row(self.symbol(pair), self.day(pair)) for pair in pairs]}

    def market_pair(self, request: Request) -> tuple[str, str]:
        """The pair, and the symbol that the answer repeats."""
        pair = self.pair_of(request.string("symbol"))
        return pair, self.symbol(pair)

    def get_ticker(self, request: Request) -> Row:
        pair, symbol = self.market_pair(request)
        tick = merged_row(self.day(pair), self.version(pair))
        return {"ch": f"market.{symbol}.detail.merged", "tick": tick}

    def get_detail(self, request: Request) -> Row:
        pair, symbol = self.market_pair(request)
        tick = detail_row(self.day(pair), self.version(pair))
        return {"ch": f"market.{symbol}.detail", "tick": tick}

    def get_depth(self, request: Request) -> Row:
        pair, symbol = self.market_pair(request)
        step = request.string("type")
        if step not in STEPS:
            raise Rejected(Reason.ILLEGAL, "type")
        levels = request.choice("depth", LEVELS_OF_REQUESTS, LEVELS)
        if step == STEPS[0]:
            window = self.books.requested(pair, LEVELS, levels)
        else:
            whole = self.merged_window(pair, step)
            bids, asks = whole.bids[:levels], whole.asks[:levels]
            window = BookWindow(pair, bids, asks, 0, whole.last_id)
        return {"ch": f"market.{symbol}.depth.{step}", "tick": image_row(window, self.now_ms())}

    def get_last_trade(self, request: Request) -> Row:
        """Without any trade there is nothing in it."""
        pair, symbol = self.market_pair(request)
        trades = [trades_row(match, "trade-id") for match in self.recent_trades(pair, 1)]
        tick = trades[0] if trades else {"id": 0, "ts": self.now_ms(), "data": []}
        return {"ch": f"market.{symbol}.trade.detail", "tick": tick}

    def get_trades(self, request: Request) -> Row:
        """Newest first."""
        pair, symbol = self.market_pair(request)
        trades = self.recent_trades(pair, request.limit("size", 1, MOST_TRADES))
        rows = [trades_row(match, "trade-id") for match in reversed(trades)]
        return {"ch": f"market.{symbol}.trade.detail", "data": rows}

    # An account by REST.

    def get_user(self, request: Request, account: Account) -> Row:
        return {"code": 200, "data": USER_ID}

    def get_accounts(self, request: Request, account: Account) -> list[Row]:
        return [{"id": ACCOUNT_ID, "type": "spot", "subtype": "", "state": "working"}]

    def get_balance(self, request: Request, account: Account) -> Row:
        check_account(Params({"account-id": request.string("id")}))
        check_account(request, is_mandatory=False)
        rows = held_rows(account.balances(), self.now_ms())
        data = {"id": ACCOUNT_ID, "type": "spot", "state": "working", "list": rows}
        return {"status": "ok", "data": data}

    def post_order(self, request: Request, account: Account) -> str:
        signing = {name for name in self.signing_params if name not in (request.body or {})}
        sent = {name: value for name, value in request.values.items() if name not in signing}
        return str(self.placed(account, Params(sent)).id)

    def placed(self, account: Account, sent: Params) -> Order:
        """Raises Rejected, having done nothing. A null counts as not sent."""
        order = Params({name: value for name, value in sent.values.items() if value is not None})
        if order.string("type") not in TYPES:
            raise Rejected(INVALID_TYPE, order.string("type"))
        order.only(*ORDER_PARAMS)
        check_account(order)
        order.choice("source", SOURCES, "spot-api")
        order.choice("self-match-prevent", {"0": 0}, 0)
        pair = self.pair_of(order.string("symbol"))
        terms = order_terms(order)
        check_rules(self.venue.symbols[pair], terms)
        return self.place_order(account, pair, terms)

    def post_orders(self, request: Request, account: Account) -> list[Row]:
        """Each is taken or refused by itself."""
        orders = Params({"orders": request.body}).params_list("orders")
        if not 0 < len(orders) <= MOST_ORDERS_AT_ONCE:
            raise Rejected(Reason.ILLEGAL, "orders")
        return [self.place_one_of_many(account, order) for order in orders]

    def place_one_of_many(self, account: Account, order: Params) -> Row:
        sent = {"client-order-id": order.get("client-order-id")}
        named = sent if "client-order-id" in order else {}
        try:
            return {"order-id": self.placed(account, order).id, **named}
        except Rejected as rejected:
            return {**named, **self.refusal_row(rejected)}

    def refusal_row(self, rejected: Rejected) -> Row:
        refusal, message = self.refusal_of(rejected.reason, rejected.detail)
        return {"err-code": refusal.code, "err-msg": message}

    def get_open_orders(self, request: Request, account: Account) -> list[Row]:
        """Newest first. Account and symbol come together, or neither."""
        for name, other in (("account-id", "symbol"), ("symbol", "account-id")):
            if name in request and other not in request:
                raise Rejected(Reason.MISSING, other)
        check_account(request, is_mandatory=False)
        pair = self.optional_pair(request.string("symbol", ""))
        sides = listed(request, "side", SIDES)
        types = listed(request, "types", TYPES)
        size = request.limit("size", 100, 500)
        orders = [
            order
            for order in self.orders_of(account, pair, is_open=True)
            if order.side in sides and order_type(order) in types
        ]
        found = page_of_orders(request, orders, size)
        return [open_order_row(self.symbol(order.symbol), order) for order in found]

    def get_orders(self, request: Request, account: Account) -> list[Row]:
        """Newest first."""
        request["states"]
        states = listed(request, "states", STATES)
        types = listed(request, "types", TYPES)
        window = TimeWindow(request)
        size = request.limit("size", 100, 100)
        pair = self.pair_of(request.string("symbol"))
        orders = [
            order
            for order in self.orders_of(account, pair)
            if order_state(order) in states
            and order_type(order) in types
            and window.has(order.time)
        ]
        found = page_of_orders(request, orders, size)
        return [single_order_row(self.symbol(order.symbol), order) for order in found]

    def get_history(self, request: Request, account: Account) -> Row:
        """Newest first, or by "direct": prev oldest first; where there are more, "next-time" is
        where the next page begins."""
        window = TimeWindow(request)
        size = request.limit("size", 100, 1000, least=10)
        direction = request.choice("direct", DIRECTIONS, "next")
        pair = self.optional_pair(request.string("symbol", ""))
        orders = [order for order in self.orders_of(account, pair) if window.has(order.time)]
        if direction == "next":
            orders.reverse()
        rows = [single_order_row(self.symbol(order.symbol), order) for order in orders[:size]]
        more = {"next-time": milliseconds(orders[size].time)} if len(orders) > size else {}
        return {"status": "ok", "data": rows, **more}

    def get_order(self, request: Request, account: Account) -> Row:
        order = self.find_order(account, order_id=id_in_path(request, "order_id"))
        return {"status": "ok", "data": single_order_row(self.symbol(order.symbol), order)}

    def get_order_by_client_id(self, request: Request, account: Account) -> Row:
        client_id = request.string("clientOrderId")
        order = self.find_order(account, client_id=client_id)
        return {"status": "ok", "data": single_order_row(self.symbol(order.symbol), order)}

    def get_fills_of_order(self, request: Request, account: Account) -> list[Row]:
        """Newest first."""
        order = self.find_order(account, order_id=id_in_path(request, "order_id"))
        fills = self.fills_of(account, order=order)
        return [fill_row(self.symbol(order.symbol), fill) for fill in reversed(fills)]

    def get_fills(self, request: Request, account: Account) -> list[Row]:
        """Newest first; those before the fill "from", or by "direct": prev those after it, oldest
        first."""
        window = TimeWindow(request)
        types = listed(request, "types", TYPES)
        size = request.limit("size", 100, 500)
        start = request.optional_integer("from")
        direction = request.choice("direct", DIRECTIONS, "next")
        pair = self.pair_of(request.string("symbol"))
        known = len(self.venue.fills)
        fills = [
            fill
            for fill in self.fills_of(account, pair, limit=known)
            if order_type(fill.order) in types and window.has(fill.time)
        ]
        found = self.page_of_fills(fills, start, direction)[:size]
        return [fill_row(self.symbol(fill.order.symbol), fill) for fill in found]

    def page_of_fills(self, fills: list[Fill], start: int | None, direction: str) -> list[Fill]:
        if direction == "prev" and start is not None:
            return [fill for fill in fills if fill.trade_id > start]
        return [fill for fill in reversed(fills) if start is None or fill.trade_id < start]

    # Cancels.

    def post_cancel(self, request: Request, account: Account) -> Any:
        """The refusal tells the order's state."""
        self.optional_pair(request.string("symbol", ""))
        order_id = id_in_path(request, "order_id")
        with suppress(Rejected):
            order = self.find_order(account, order_id=order_id)
            if order.is_open and not order.is_cancelling:
                return str(self.cancel_order(account, order_id=order_id).id)
            return self.closed_already(STATE_NUMBER[order_state(order)])
        return self.closed_already(LONG_CLOSED)

    def closed_already(self, state: int) -> Row:
        told = self.refusal_row(Rejected(WRONG_STATE))
        return {"status": "error", **told, "order-state": state}

    def post_cancel_by_client_id(self, request: Request, account: Account) -> int:
        """The state of the newest order with that id."""
        client_id = request.string("client-order-id")
        orders = [order for order in self.orders_of(account) if order.client_id == client_id]
        if not orders:
            return NOT_FOUND
        order = orders[-1]
        if not order.is_open:
            return STATE_NUMBER[order_state(order)]
        self.cancel_order(account, order_id=str(order.id))
        return CANCELING

    def post_cancels(self, request: Request, account: Account) -> Row:
        """By the venue's ids or by the clients' own, not by both."""
        names = [name for name in ("order-ids", "client-order-ids") if name in request]
        if len(names) != 1:
            raise Rejected(Reason.MISSING if not names else Reason.ILLEGAL, "order-ids")
        ids = request.strings(names[0])
        if not 0 < len(ids) <= MOST_CANCELS:
            raise Rejected(Reason.ILLEGAL, names[0])
        success: list[str] = []
        failed: list[Row] = []
        for each in ids:
            refused = self.cancel_one_of_many(account, names[0], each)
            if refused is None:
                success.append(each)
            else:
                failed.append(refused)
        return {"status": "ok", "data": {"success": success, "failed": failed}}

    def cancel_one_of_many(self, account: Account, kind: str, order_id: str) -> Row | None:
        """Why not; None where it is cancelled."""
        by_id = kind == "order-ids"
        try:
            order = self.find_order(
                account,
                order_id=order_id if by_id else "",
                client_id="" if by_id else order_id,
                otherwise=NO_RECORD,
            )
            if not order.is_open or order.is_cancelling:
                raise Rejected(WRONG_STATE, str(STATE_NUMBER[order_state(order)]))
        except Rejected as refusal:
            state = {"order-state": int(refusal.detail)} if refusal.detail else {}
            named = {
                "order-id": order_id if by_id else "",
                "client-order-id": "" if by_id else order_id,
            }
            return {**self.refusal_row(refusal), **state, **named}
        self.cancel_order(account, order_id=str(order.id))
        return None

    def post_cancel_of_open_orders(self, request: Request, account: Account) -> Row:
        """The oldest first, up to "size"; "next-id" is that of the first that is left."""
        check_account(request, is_mandatory=False)
        pairs = self.pairs_of(request, "symbol")
        sides = listed(request, "side", SIDES)
        types = listed(request, "types", TYPES)
        size = request.limit("size", 100, 100)
        orders = [
            order
            for order in self.orders_of(account, is_open=True)
            if (not pairs or order.symbol in pairs)
            and order.side in sides
            and order_type(order) in types
            and not order.is_cancelling
        ]
        for order in orders[:size]:
            self.cancel_order(account, order_id=str(order.id))
        left = orders[size].id if len(orders) > size else -1
        counts = {"success-count": len(orders[:size]), "failed-count": 0, "next-id": left}
        return {"status": "ok", "data": counts}

    def get_fee_rates(self, request: Request, account: Account) -> Row:
        request["symbols"]
        maker_fee = str(self.venue.maker_fee)
        taker_fee = str(self.venue.taker_fee)
        rows = [
            {
                "symbol": self.symbol(pair),
                "makerFeeRate": maker_fee,
                "takerFeeRate": taker_fee,
                "actualMakerRate": maker_fee,
                "actualTakerRate": taker_fee,
            }
            for pair in self.pairs_of(request, "symbols")
        ]
        return {"code": 200, "data": rows, "success": True}

    # Sockets.

    def encode(self, connection: Connection, frame: Any) -> str | bytes:
        text = json.dumps(frame)
        return text if connection.is_private else gzip.compress(text.encode(), 1)

    def ping_frame(self, connection: Connection, now_ms: int) -> Row:
        if connection.is_private:
            return {"action": "ping", "data": {"ts": now_ms}}
        return {"ping": now_ms}

    def is_pong(self, message: Message) -> bool:
        return "pong" in message or message.get("action") == "pong"

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        """Of market data."""
        is_symbol = refusal.reason == Reason.UNKNOWN_SYMBOL
        _, text = self.refusal_of(refusal.reason, refusal.detail)
        return {
            "status": "error",
            "ts": self.now_ms(),
            "err-code": "bad-request",
            "err-msg": f"invalid symbol {refusal.detail}" if is_symbol else text,
            **self.id_of(message),
        }

    def id_of(self, message: Message) -> Row:
        """Repeated in the answer."""
        return {"id": message.values["id"]} if "id" in message else {}

    # Market data.

    def on_market_message(self, connection: Connection, message: Message) -> None:
        """sub, unsub, and req for something at once; clients may send pings too."""
        if not isinstance(message.data, dict):
            raise Rejected(NO_JSON)
        if "ping" in message:
            self.send(connection, {"pong": message.integer("ping")})
            return
        action = next((name for name in ("sub", "unsub", "req") if name in message), "sub")
        message.only(action, "id")
        topic = message.string(action)
        pair, channel = self.channel_of(connection, topic)
        answer = {**self.id_of(message), "status": "ok", "ts": self.now_ms()}
        if action == "req":
            data = self.requested(pair, channel, topic)
            self.send(connection, answer | {"rep": topic, "data": data})
        elif action == "unsub":
            if topic not in connection.topics:
                raise Rejected(NOT_FOLLOWED, topic)
            self.unsubscribe(connection, [topic], answer | {"unsubbed": topic})
        else:
            if topic in self.book_topics(pair):
                # The first change is one of the book as it is now.
                self.books.snapshot(pair, self.book_topics(pair)[topic])
            self.subscribe(connection, [topic], answer | {"subbed": topic})
            for frame in self.opening_frames(pair, channel):
                self.send(connection, frame)

    def channel_of(self, connection: Connection, topic: str) -> tuple[str, str]:
        """The pair and the channel, "depth.step0". Raises Rejected: UNKNOWN_SYMBOL,
        UNKNOWN_TOPIC."""
        market, symbol, channel = split_topic(topic)
        if not channel or market != "market":
            raise Rejected(Reason.UNKNOWN_TOPIC, topic)
        pair = self.pair_of(symbol)
        of_changes = [f"mbp.{depth}" for depth in DEPTHS]
        images = [f"depth.{step}" for step in STEPS]
        refreshed = [f"mbp.refresh.{levels}" for levels in REFRESHED]
        others = ["trade.detail", "detail", "bbo", "ticker"]
        is_feed = connection.path == "/feed"
        if channel not in (of_changes if is_feed else [*images, *refreshed, *others]):
            raise Rejected(Reason.UNKNOWN_TOPIC, topic)
        return pair, channel

    def requested(self, pair: str, channel: str, topic: str) -> Any:
        """The data of a request. Raises Rejected: UNKNOWN_TOPIC."""
        if topic in self.book_topics(pair):
            return changes_row(self.books.requested(pair, self.book_topics(pair)[topic]))
        if channel == f"depth.{STEPS[0]}":
            return image_row(self.books.requested(pair, LEVELS), self.now_ms())
        if topic in self.snapshot_topics(pair):
            return image_row(self.snapshot_window(pair, topic), self.now_ms())
        if channel == "trade.detail":
            trades = self.recent_trades(pair, TRADES_OF_REQUEST)
            return [trade_row(match, "tradeId") for match in reversed(trades)]
        if channel == "detail":
            return detail_row(self.day(pair), self.version(pair))
        raise Rejected(Reason.UNKNOWN_TOPIC, topic)

    def opening_frames(self, pair: str, channel: str) -> list[Frame]:
        """What a new follower is sent at once, besides the images of ``snapshot_topics``."""
        if self.server.replay is not None:
            return []
        if channel == "trade.detail":
            return [self.trade_frame(match) for match in self.recent_trades(pair, limit=1)]
        frames = self.summary_frames(pair) | {self.best_topic(pair): self.best_frame(pair)}
        return [frame for topic, frame in frames.items() if topic.endswith(f".{channel}")]

    def topic(self, pair: str, channel: str) -> str:
        return f"market.{self.symbol(pair)}.{channel}"

    def book_topics(self, pair: str) -> Mapping[str, int]:
        return {self.topic(pair, f"mbp.{depth}"): depth for depth in DEPTHS}

    def snapshot_topics(self, pair: str) -> list[str]:
        return [self.topic(pair, f"depth.{step}") for step in STEPS]

    def snapshot_window(self, pair: str, topic: str) -> BookWindow:
        step = topic.rpartition(".")[2]
        if step == STEPS[0]:
            return self.books.snapshot(pair, LEVELS)
        return self.merged_window(pair, step)

    def merged_window(self, pair: str, step: str) -> BookWindow:
        tick = self.venue.symbols[pair].price_tick
        merging = tick.scaleb(STEPS.index(step))
        bids, asks = (
            [BookLevel(*level) for level in self.server.book(pair).levels(side)]
            for side in ("buy", "sell")
        )
        return BookWindow(
            pair,
            merged_levels(bids, merging, is_bid=True),
            merged_levels(asks, merging, is_bid=False),
            0,
            self.version(pair),
        )

    def book_frame(
        self, topic: str, window: BookWindow, connection: Connection, now_ns: int
    ) -> Row:
        now_ms = milliseconds(now_ns)
        is_changes = topic in self.book_topics(window.pair)
        tick = changes_row(window) if is_changes else image_row(window, now_ms)
        return {"ch": topic, "ts": now_ms, "tick": tick}

    def on_depth(
        self,
        pair: str,
        first_id: int,
        last_id: int,
        bids: list[tuple[Decimal, Decimal]],
        asks: list[tuple[Decimal, Decimal]],
    ) -> None:
        """Besides the books: their refreshed images, and the summaries of the day."""
        super().on_depth(pair, first_id, last_id, bids, asks)
        for topic, frame in self.refreshed_frames(pair).items():
            self.publish(topic, frame)
        followed = [self.topic(pair, channel) for channel in ("detail", "ticker")]
        if any(map(self.anyone_follows, followed)):
            for topic, frame in self.summary_frames(pair).items():
                self.publish(topic, frame)

    def refreshed_frames(self, pair: str) -> dict[str, Frame]:
        """Topic -> a frame of the best levels; of those that somebody follows."""
        frames: dict[str, Frame] = {}
        for levels in REFRESHED:
            topic = self.topic(pair, f"mbp.refresh.{levels}")
            if self.anyone_follows(topic):
                window = self.best_window(pair, levels)
                tick = changes_row(window)
                frames[topic] = {"ch": topic, "ts": self.now_ms(), "tick": tick}
        return frames

    def best_window(self, pair: str, levels: int) -> BookWindow:
        bids, asks = (
            [BookLevel(*level) for level in self.server.book(pair).levels(side)[:levels]]
            for side in ("buy", "sell")
        )
        return BookWindow(pair, bids, asks, 0, self.version(pair))

    def summary_frames(self, pair: str) -> dict[str, Frame]:
        now_ms = self.now_ms()
        day = self.day(pair)
        last = [match.amount for match in self.recent_trades(pair, 1)]
        ticks = {
            self.topic(pair, "detail"): detail_row(day, self.version(pair)),
            self.topic(pair, "ticker"): ticker_channel_row(day, last[0] if last else ZERO),
        }
        return {topic: {"ch": topic, "ts": now_ms, "tick": tick} for topic, tick in ticks.items()}

    def best_topic(self, pair: str) -> str:
        return self.topic(pair, "bbo")

    def best_frame(self, pair: str) -> Frame:
        stats = self.market_stats(pair)
        self._best[pair] = best_of(stats)
        topic = self.best_topic(pair)
        now_ms = self.now_ms()
        tick = best_row(self.symbol(pair), stats, self.version(pair), now_ms)
        return {"ch": topic, "ts": now_ms, "tick": tick}

    def on_book_event(self, kind: str, order: Order, match: Match | None) -> None:
        """The best bid and ask are sent whenever they change."""
        pair = order.symbol
        if kind == "received" or not self.anyone_follows(self.best_topic(pair)):
            return
        if self._best.get(pair) != best_of(self.market_stats(pair)):
            self.publish(self.best_topic(pair), self.best_frame(pair))

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        return {self.topic(match.symbol, "trade.detail"): self.trade_frame(match)}

    def trade_frame(self, match: Match) -> Row:
        return {
            "ch": self.topic(match.symbol, "trade.detail"),
            "ts": milliseconds(match.time),
            "tick": trades_row(match, "tradeId"),
        }

    # An account's socket.

    def on_account_message(self, connection: Connection, message: Message) -> None:
        """The authentication, sub and unsub."""
        try:
            refusal = self.refused_message(connection, message)
        except Rejected:
            refusal = (INVALID_REQUEST, "invalid.param")
        if refusal is not None:
            code, text = refusal
            told = {"code": code, "ch": message.get("ch", ""), "message": text}
            self.send(connection, {"action": message.get("action", ""), **told})

    def refused_message(self, connection: Connection, message: Message) -> tuple[int, str] | None:
        """Code and message of a refusal; None where the message was taken."""
        if not isinstance(message.data, dict):
            return INVALID_REQUEST, "invalid.json"
        action = message.string("action", "")
        topic = message.string("ch", "")
        if action not in ("req", "sub", "unsub"):
            return INVALID_REQUEST, "invalid.action"
        if not topic or (action == "req") != (topic == "auth"):
            return INVALID_REQUEST, "invalid.ch"
        if action == "req":
            return self.refused_login(connection, message)
        message.only("action", "ch")
        if connection.account is None:
            return NO_AUTHENTICATION, "invalid.auth.state"
        wrong = self.wrong_topic(topic)
        if wrong:
            return INVALID_REQUEST, wrong
        answer = {"action": action, "code": 200, "ch": topic, "data": {}}
        if action == "unsub":
            self.unsubscribe(connection, [topic], answer)
            return None
        self.subscribe(connection, [topic], answer)
        for row in self.opening_balances(connection.account, self.event_topic(topic)):
            self.send(connection, self.account_frame(topic, row, connection))
        return None

    def wrong_topic(self, topic: str) -> str:
        """What is wrong with an account's topic; "" for nothing."""
        channel, *rest = topic.split("#")
        modes = {"orders": 0, "trade.clearing": 2, "accounts.update": 3}
        if channel not in modes:
            return "invalid.ch"
        if channel != "accounts.update":
            symbol, *rest = rest or [""]
            known = ["*", *(self.symbol(pair) for pair in self.venue.symbols)]
            if symbol not in known:
                return "invalid.symbol"
        known_modes = [str(mode) for mode in range(modes[channel])]
        return "invalid.ch" if rest and (rest[1:] or rest[0] not in known_modes) else ""

    def refused_login(self, connection: Connection, message: Message) -> tuple[int, str] | None:
        names = (*SOCKET_SIGNATURE, "accessKey", "timestamp", "signature")
        # The venue's own client repeats them beside "params".
        message.only("action", "ch", "params", *names)
        params = message.params("params") if "params" in message else Params({})
        if any(name not in params for name in names):
            return INVALID_REQUEST, "missing.param.auth"
        params.only(*names)
        if connection.account is not None:
            return NO_AUTHENTICATION, "invalid.auth.state"
        self.authenticate(connection, params)
        if connection.account is None:
            return NO_AUTHENTICATION, "auth.fail"
        self.send(connection, {"action": "req", "code": 200, "ch": "auth", "data": {}})
        return None

    def authenticate(self, connection: Connection, params: Params) -> None:
        if any(params.string(name) != value for name, value in SOCKET_SIGNATURE.items()):
            return
        timestamp = params.string("timestamp")
        if not TIMESTAMP.fullmatch(timestamp):
            return
        unsigned = ("authType", "signature")
        query = "&".join(
            f"{name}={quote(params.string(name), safe='')}"
            for name in sorted(params.values)
            if name not in unsigned
        )
        # One client signs the whole address where the path is meant.
        for path in (connection.path, f"ws://{connection.host}{connection.path}"):
            with suppress(Rejected):
                connection.account = self.signing_account(
                    api_key=params.string("accessKey"),
                    signature=params.string("signature"),
                    payload=f"GET\n{connection.host}\n{path}\n{query}",
                    encoding="base64",
                    signed_at_s=Params({"at": f"{timestamp}Z"}).time_s("at"),
                    max_age_s=SIGNATURE_AGE_S,
                    max_ahead_s=SIGNATURE_AGE_S,
                )

    def event_topic(self, topic: str) -> str:
        """With its mode, where that may be left out."""
        channel, _, rest = topic.partition("#")
        if channel == "accounts.update" and not rest:
            return f"{topic}#0"
        if channel == "trade.clearing" and "#" not in rest:
            return f"{topic}#0"
        return topic

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        name = self.symbol(event.order.symbol)
        order_row = order_event_row(name, event)
        rows = [(f"orders#{each}", order_row) for each in (name, "*")]
        clearing = clearing_row(name, event) if event.kind != "new" else {}
        modes = ("0", "1") if event.kind == "trade" else ("1",)
        for mode in modes if clearing else ():
            rows += [(f"trade.clearing#{each}#{mode}", clearing) for each in (name, "*")]
        for balance in event.order.account.balances(*event.order.symbol.split("-")):
            rows += self.balance_rows(event, balance)
        return rows

    def balance_rows(self, event: Event, balance: Balance) -> list[tuple[str, Row]]:
        """accounts.update: by mode 0 the balance where it changed; by 1 what changed, each alone;
        by 2 both together where one did."""
        account = event.order.account
        known = self._told.get((account.name, balance.asset))
        self._told[account.name, balance.asset] = balance
        changed = {
            "balance": known is None or known.total != balance.total,
            "available": known is None or known.free != balance.free,
        }
        if not any(changed.values()):
            return []
        row = self.balance_row(account, balance, CHANGE_TYPE[event.kind], self.now_ms())
        alone = [self.with_one(row, name) for name in changed if changed[name]]
        rows = [("accounts.update#1", each) for each in alone]
        if changed["balance"]:
            rows.append(("accounts.update#0", alone[0]))
        return [*rows, ("accounts.update#2", row)]

    def balance_row(
        self, account: Account, balance: Balance, change_type: str | None, time_ms: int | None
    ) -> Row:
        """Without a change: what the account has when a client subscribes."""
        return {
            "currency": balance.asset.lower(),
            "accountId": ACCOUNT_ID,
            "balance": exact_text(balance.total),
            "available": exact_text(balance.free),
            "changeType": change_type,
            "accountType": "trade",
            "changeTime": time_ms,
            "seqNum": self.count(f"balances of {account.name}"),
        }

    def with_one(self, row: Row, name: str) -> Row:
        """A balance's row with one of its numbers."""
        other = {"balance": "available", "available": "balance"}[name]
        return {key: value for key, value in row.items() if key != other}

    def opening_balances(self, account: Account, topic: str) -> list[Row]:
        """What there is of each currency when a client subscribes."""
        if not topic.startswith("accounts.update"):
            return []
        rows = []
        for balance in account.balances():
            self._told[account.name, balance.asset] = balance
            rows.append(self.balance_row(account, balance, None, None))
        shown = {"accounts.update#0": ("balance",), "accounts.update#1": ("balance", "available")}
        names = shown.get(topic, ())
        return [self.with_one(row, name) for row in rows for name in names] if names else rows

    def account_frame(self, topic: str, row: Row, connection: Connection) -> Frame:
        return {"action": "push", "ch": topic, "data": row}
