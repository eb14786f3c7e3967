"""Bittrex from the venue's side.

Source: the documentation of its API v3, and a recording of its socket (2021).
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, TypeVar
from uuid import NAMESPACE_DNS, UUID, uuid5

from aiohttp import web

from trochil.sandbox.book_windows import BookChannel, BookWindow, Levels
from trochil.sandbox.candles import Candle, Interval
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import (
    Frame,
    MarketStats,
    OrderKind,
    OrderTerms,
    PublicRoute,
    RequestKind,
    Route,
    Row,
    Side,
    SignedRoute,
    TimeInForce,
)
from trochil.sandbox.formats import (
    decimal_places,
    exact_text,
    iso_time,
    milliseconds,
    uuid_of,
)
from trochil.sandbox.market.accounts import Account, Balance
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Fill, Rejected, Symbol
from trochil.sandbox.recorded import Record, Rows, parse_json, recorded_headers
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.requests import Params, Request
from trochil.sandbox.signalr import HubDialect, HubMethod, recorded_messages

SIDE_OF: dict[str, Side] = {"BUY": "buy", "SELL": "sell"}
SIDE = {"buy": "BUY", "sell": "SELL"}
LIMIT_TERMS: dict[str, tuple[OrderKind, TimeInForce]] = {
    "GOOD_TIL_CANCELLED": ("limit", "GTC"),
    "IMMEDIATE_OR_CANCEL": ("limit", "IOC"),
    "FILL_OR_KILL": ("limit", "FOK"),
    "POST_ONLY_GOOD_TIL_CANCELLED": ("post_only", "GTC"),
}
"""By timeInForce."""
MARKET_TERMS: dict[str, tuple[OrderKind, TimeInForce]] = {
    "IMMEDIATE_OR_CANCEL": ("market", "IOC"),
    "FILL_OR_KILL": ("market", "FOK"),
}
"""Market orders can't rest."""
CEILING_TERMS: dict[str, tuple[OrderKind, TimeInForce]] = {
    "IMMEDIATE_OR_CANCEL": ("market", "IOC"),
}
TERMS_OF_TYPE = {"LIMIT": LIMIT_TERMS, "MARKET": MARKET_TERMS, "CEILING_MARKET": CEILING_TERMS}
"""CEILING_LIMIT is not offered."""
TIME_IN_FORCE = {
    "GTC": "GOOD_TIL_CANCELLED",
    "IOC": "IMMEDIATE_OR_CANCEL",
    "FOK": "FILL_OR_KILL",
}
SIZE_STEP = Decimal("1E-8")
"""Of every market."""
DEPTHS = (1, 25, 500)
DEPTH_OF = {str(depth): depth for depth in DEPTHS}
DEFAULT_DEPTH = 25
ACCOUNT_TOPICS = ("order", "execution", "balance")
ROWS_A_PAGE = 200
TRADES_LISTED = 100
CANDLE_INTERVALS = {
    "MINUTE_1": (Interval(60), 1440),
    "MINUTE_5": (Interval(300), 288),
    "HOUR_1": (Interval(3600), 744),
    "DAY_1": (Interval(86_400), 366),
}
"""Of candles, and how many of them are recent."""
FILLS_OF_ORDER = 1000
BATCH = 20
"""Operations at once."""
UUID_FORM = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
TIME_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z")
ORDER_PARAMS = (
    "marketSymbol",
    "direction",
    "type",
    "timeInForce",
    "clientOrderId",
    "useAwards",
    "quantity",
    "ceiling",
    "limit",
)
PAGE_PARAMS = (
    "marketSymbol",
    "nextPageToken",
    "previousPageToken",
    "pageSize",
    "startDate",
    "endDate",
)
Listed = TypeVar("Listed")

# Reasons of this venue's own.
BAD_ID = "bad_id"
BAD_TYPE = "bad_type"
REVERSED = "reversed"
UNFILLABLE = "unfillable"
NOT_PERMITTED = "not_permitted"
NO_CURRENCY = "no_currency"
DETAILED = ("BAD_REQUEST", "NOT_FOUND", "INVALID_PERMISSION")
"""Codes that don't say all."""
HEARTBEAT = "heartbeat"
LOGIN_LASTS_S = 600.0
LOGIN_NOTICE_S = 60.0
"""How long before its end a login's end is announced."""
DONE: Row = {"Success": True, "ErrorCode": None}
UNKNOWN_STREAM: Row = {"Success": False, "ErrorCode": "INVALID_CHANNEL"}
"""The venue's word for it is not documented."""
DENIED: Row = {"Success": False, "ErrorCode": "UNAUTHORIZED_USER"}
INVALID_KEY: Row = {"Success": False, "ErrorCode": "INVALID_APIKEY"}


class Recordings:
    """Snapshots by REST, numbered by a header; on the socket, books of 500 levels and trades."""

    def symbol(self, pair: str) -> str:
        return pair

    def records(self, time: float, text: str, url: str) -> Iterator[Record]:
        answer = parse_json(text) or {}
        if "bid" in answer:
            market = re.search("markets/([^/]+)/", url)
            symbol = market[1] if market is not None else ""
            yield Record(time, "snapshot", symbol, text, answer | recorded_headers(text))
        for name, content, frame in recorded_messages(text):
            symbol = content.get("marketSymbol", "")
            if name == "orderBook":
                yield Record(time, "diff", symbol, frame, content, f"orderbook_{symbol}_500")
            elif name == "trade":
                yield Record(time, "trade", symbol, frame, content, f"trade_{symbol}")

    def levels(self, record: Record) -> tuple[Rows, Rows]:
        if record.kind == "snapshot":
            return recorded_levels(record.data["bid"]), recorded_levels(record.data["ask"])
        return recorded_levels(record.data["bidDeltas"]), recorded_levels(record.data["askDeltas"])

    def last_id(self, record: Record) -> int:
        return int(record.data["Sequence" if record.kind == "snapshot" else "sequence"])


def recorded_levels(rows: list[dict[str, str]]) -> Rows:
    return [[row["rate"], row["quantity"]] for row in rows]


# Rows.


def size_text(value: Decimal) -> str:
    """8 digits behind the point."""
    return f"{value:.8f}"


def time_text(ns: int) -> str:
    """To milliseconds, without zeros at the end."""
    text = iso_time(ns)[: len("2024-01-01T00:00:00.000")]
    return text.rstrip("0").rstrip(".") + "Z"


def market_row(symbol: Symbol) -> Row:
    """GET /markets."""
    return {
        "symbol": symbol.pair,
        "baseCurrencySymbol": symbol.base,
        "quoteCurrencySymbol": symbol.quote,
        "minTradeSize": size_text(SIZE_STEP),
        "precision": decimal_places(symbol.price_tick),
        "status": "ONLINE" if symbol.trading else "OFFLINE",
        "createdAt": "2021-04-16T18:50:47.883Z",
        "prohibitedIn": [],
        "associatedTermsOfService": [],
        "tags": [],
    }


def currency_row(asset: str) -> Row:
    """GET /currencies."""
    return {
        "symbol": asset,
        "name": asset,
        "coinType": asset,
        "status": "ONLINE",
        "minConfirmations": 2,
        "notice": "",
        "txFee": "0.00000000",
        "logoUrl": "",
        "prohibitedIn": [],
        "baseAddress": "",
        "associatedTermsOfService": [],
        "tags": [],
    }


def summary_row(stats: MarketStats, now_ns: int) -> Row:
    """GET /markets/summaries."""
    day = stats.day
    return {
        "symbol": stats.pair,
        "high": size_text(day.high),
        "low": size_text(day.low),
        "volume": size_text(day.volume),
        "quoteVolume": size_text(day.quote_volume),
        "percentChange": f"{day.change * 100:.2f}",
        "updatedAt": time_text(now_ns),
    }


def ticker_row(stats: MarketStats) -> Row:
    """GET /markets/tickers."""
    return {
        "symbol": stats.pair,
        "lastTradeRate": size_text(stats.last),
        "bidRate": size_text(stats.bid),
        "askRate": size_text(stats.ask),
    }


def candle_row(candle: Candle) -> Row:
    """GET /markets/{marketSymbol}/candles/{candleInterval}/recent."""
    return {
        "startsAt": time_text(candle.begin * 10**9),
        "open": size_text(candle.open),
        "high": size_text(candle.high),
        "low": size_text(candle.low),
        "close": size_text(candle.close),
        "volume": size_text(candle.volume),
        "quoteVolume": size_text(candle.quote_volume),
    }


def book_rows(levels: Levels) -> list[Row]:
    """A side of a book; quantity 0: the level is gone."""
    return [
        {
            "quantity": size_text(level.size) if level.size else "0",
            "rate": size_text(level.price),
        }
        for level in levels
    ]


def order_kind(order: Order) -> str:
    if order.quote_amount is not None:
        return "CEILING_MARKET"
    return "MARKET" if order.is_market else "LIMIT"


def time_in_force(order: Order) -> str:
    if order.is_post_only:
        return "POST_ONLY_GOOD_TIL_CANCELLED"
    return TIME_IN_FORCE[order.tif]


def order_row(order: Order) -> Row:
    """GET /orders/{id}, and whatever else shows an order."""
    size = "quantity" if order.quote_amount is None else "ceiling"
    limit = {"limit": size_text(order.price)} if order.price else {}
    is_named = order.client_id != f"sandbox{order.id}"
    named = {"clientOrderId": order.client_id} if is_named else {}
    closed = {} if order.is_open else {"closedAt": time_text(order.updated)}
    return {
        "id": uuid_of(order.id),
        "marketSymbol": order.symbol,
        "direction": SIDE[order.side],
        "type": order_kind(order),
        size: size_text(order.size),
        **limit,
        "timeInForce": time_in_force(order),
        **named,
        "fillQuantity": size_text(order.filled),
        "commission": size_text(order.fees),
        "proceeds": size_text(order.quote_filled),
        "status": "OPEN" if order.is_open else "CLOSED",
        "createdAt": time_text(order.time),
        "updatedAt": time_text(order.updated),
        **closed,
    }


def fill_row(fill: Fill) -> Row:
    """GET /executions."""
    return {
        "id": uuid_of(fill.trade_id),
        "marketSymbol": fill.order.symbol,
        "executedAt": time_text(fill.time),
        "quantity": size_text(fill.amount),
        "rate": size_text(fill.price),
        "orderId": uuid_of(fill.order.id),
        "commission": exact_text(fill.fee),
        "isTaker": not fill.is_maker,
    }


def execution_row(event: Event, match: Match) -> Row:
    """execution: the same of an event."""
    return {
        "id": uuid_of(match.id),
        "marketSymbol": event.order.symbol,
        "executedAt": time_text(event.time),
        "quantity": size_text(match.amount),
        "rate": size_text(match.price),
        "orderId": uuid_of(event.order.id),
        "commission": exact_text(event.fee),
        "isTaker": not event.is_maker,
    }


def balance_row(balance: Balance, now_ns: int) -> Row:
    """GET /balances."""
    return {
        "currencySymbol": balance.asset,
        "total": exact_text(balance.total),
        "available": exact_text(balance.free),
        "updatedAt": time_text(now_ns),
    }


def trade_row(match: Match) -> Row:
    """GET /markets/{symbol}/trades, and trade: one of its deltas."""
    return {
        "id": uuid_of(match.id),
        "executedAt": time_text(match.time),
        "quantity": size_text(match.amount),
        "rate": size_text(match.price),
        "takerSide": SIDE[match.taker.side],
    }


# Requests.


def order_terms(order: Params) -> OrderTerms:
    """POST /orders. Of a ceiling that is what the order may cost."""
    side = order.choice("direction", SIDE_OF)
    type_name = order.string("type")
    if type_name not in TERMS_OF_TYPE:
        raise Rejected(BAD_TYPE)
    kind, tif = order.choice("timeInForce", TERMS_OF_TYPE[type_name])
    wanted = {"LIMIT": ("quantity", "limit"), "CEILING_MARKET": ("ceiling",)}
    names = wanted.get(type_name, ("quantity",))
    for name in ("quantity", "limit", "ceiling"):
        if name in order and name not in names:
            raise Rejected(Reason.ILLEGAL, name)
    numbers = {name: order.decimal(name) for name in names}
    ceiling = numbers.get("ceiling")
    if ceiling is not None and (ceiling <= 0 or ceiling % SIZE_STEP):
        raise Rejected(Reason.ILLEGAL, "ceiling")
    client_id = order.client_id("clientOrderId", Dialect.client_id_form)
    return OrderTerms(
        side=side,
        kind=kind,
        tif=tif,
        price=numbers.get("limit"),
        amount=numbers.get("quantity"),
        quote_amount=ceiling,
        client_id=client_id.lower(),
    )


def id_of(params: Params, name: str) -> str:
    """Raises Rejected: BAD_ID."""
    found = params.string(name)
    if not UUID_FORM.fullmatch(found):
        raise Rejected(BAD_ID)
    return found.lower()


def number_of(params: Params, name: str) -> int | None:
    """Of an id that this sandbox gave; None where it was not sent. Raises Rejected: BAD_ID."""
    return UUID(id_of(params, name)).int if name in params else None


def bound_ms(request: Params, name: str) -> int | None:
    """A time, of which fractions of a second don't count."""
    if name not in request:
        return None
    if not TIME_FORM.fullmatch(request.string(name)):
        raise Rejected(Reason.ILLEGAL, name)
    return int(request.time_s(name)) * 1000


@dataclass(frozen=True, slots=True)
class Page:
    """What a client wants of a list that is sorted newest first."""

    size: int
    after: int | None
    """Rows behind this one's."""
    before: int | None
    """Rows ahead of this one's, those next to it."""
    since_ms: int | None
    until_ms: int | None

    def of(self, rows: Sequence[Listed], id_of_row: Callable[[Listed], int]) -> list[Listed]:
        """Raises Rejected: ILLEGAL for a token of no row."""
        ids = [id_of_row(row) for row in rows]
        for token in (self.after, self.before):
            if token is not None and token not in ids:
                raise Rejected(Reason.ILLEGAL, "page token")
        if self.before is not None:
            end = ids.index(self.before)
            return list(rows[max(0, end - self.size) : end])
        start = 0 if self.after is None else ids.index(self.after) + 1
        return list(rows[start : start + self.size])

    def has(self, time_ns: int) -> bool:
        time_ms = milliseconds(time_ns)
        is_late_enough = self.since_ms is None or time_ms >= self.since_ms
        return is_late_enough and (self.until_ms is None or time_ms <= self.until_ms)


def page_of(request: Params) -> Page:
    if "nextPageToken" in request and "previousPageToken" in request:
        raise Rejected(Reason.ILLEGAL, "previousPageToken")
    return Page(
        size=request.limit("pageSize", 100, ROWS_A_PAGE),
        after=number_of(request, "nextPageToken"),
        before=number_of(request, "previousPageToken"),
        since_ms=bound_ms(request, "startDate"),
        until_ms=bound_ms(request, "endDate"),
    )


def kind_of_batch(request: Request) -> RequestKind:
    return "place" if "POST" in request.text else "cancel"


def trades_of(pair: str) -> str:
    """The sequence of a market's trades."""
    return f"trades of {pair}"


def account_id(account: Account) -> str:
    return str(uuid5(NAMESPACE_DNS, account.name))


class Dialect(HubDialect):
    """Books of 1, 25 or 500 levels, their messages numbered; so are an account's orders, executions
    and balances."""

    name = "bittrex"
    takes_forms = False
    order_ids_are_uuids = True
    hub = "c3"
    recordings = Recordings()
    book_channel = BookChannel(depths=DEPTHS, numbers_frames=True, default_depth=DEFAULT_DEPTH)
    forgets_cancelled_orders = True
    fee_in_quote = True
    client_ids_last = True
    client_id_form = UUID_FORM
    placed_status = 201
    heartbeat_s: ClassVar[float] = 5.0
    """Between two messages of the stream of that name."""
    offered_streams = (
        *(f"orderbook_{{marketSymbol}}_{depth}" for depth in DEPTHS),
        "trade_{marketSymbol}",
        "ticker_{marketSymbol}",
        "tickers",
        "market_summary_{marketSymbol}",
        "market_summaries",
        "heartbeat",
        *ACCOUNT_TOPICS,
    )
    offered_methods = ("Subscribe", "Unsubscribe", "Authenticate", "IsAuthenticated")
    refusals = {
        Reason.UNKNOWN_SYMBOL: Refusal(404, "MARKET_DOES_NOT_EXIST"),
        Reason.MARKET_CLOSED: Refusal(409, "MARKET_OFFLINE"),
        Reason.UNKNOWN_ORDER: Refusal(404, "ORDER_DOES_NOT_EXIST"),
        Reason.UNKNOWN_PATH: Refusal(404, "NOT_FOUND", "{}"),
        Reason.PRICE_FILTER: Refusal(400, "RATE_PRECISION_NOT_ALLOWED"),
        Reason.ILLEGAL: Refusal(400, "BAD_REQUEST", "Illegal {}"),
        Reason.MISSING: Refusal(400, "BAD_REQUEST", "Missing {}"),
        Reason.BAD_CLIENT_ID: Refusal(400, "BAD_REQUEST", "Illegal {}"),
        Reason.UNKNOWN_PARAMETER: Refusal(400, "BAD_REQUEST", "Unknown parameter {}"),
        Reason.DOUBLED_PARAMETER: Refusal(400, "BAD_REQUEST", "Parameter sent twice: {}"),
        Reason.LOT_SIZE: Refusal(409, "MIN_TRADE_REQUIREMENT_NOT_MET"),
        Reason.NOTIONAL: Refusal(409, "DUST_TRADE_DISALLOWED_MIN_VALUE"),
        Reason.INSUFFICIENT_BALANCE: Refusal(409, "INSUFFICIENT_FUNDS"),
        Reason.DUPLICATE_CLIENT_ID: Refusal(409, "CLIENTORDERID_ALREADY_EXISTS", "{}"),
        Reason.WOULD_TAKE: Refusal(409, "POST_ONLY"),
        Reason.NOT_OPEN: Refusal(409, "ORDER_NOT_OPEN"),
        Reason.BAD_KEY: Refusal(401, "APIKEY_INVALID"),
        Reason.BAD_SIGNATURE: Refusal(401, "INVALID_SIGNATURE"),
        Reason.BAD_TIME: Refusal(401, "INVALID_TIMESTAMP"),
        Reason.UNAVAILABLE: Refusal(503, "SERVICE_UNAVAILABLE"),
        Reason.RATE_LIMITED: Refusal(429, "THROTTLED"),
        BAD_ID: Refusal(400, "UUID_INVALID", "Illegal id"),
        BAD_TYPE: Refusal(400, "ORDER_TYPE_INVALID", "Illegal type"),
        REVERSED: Refusal(400, "MARKET_NAME_REVERSED", "Reversed"),
        UNFILLABLE: Refusal(409, "FILL_OR_KILL", "Not filled at once"),
        NOT_PERMITTED: Refusal(403, "INVALID_PERMISSION", "Not offered: {}"),
        NO_CURRENCY: Refusal(404, "CURRENCY_DOES_NOT_EXIST", "Unknown currency"),
    }

    def routes(self) -> list[Route]:
        return [*self.hub_routes(), *self.public_routes(), *self.signed_routes()]

    def public_routes(self) -> list[Route]:
        """Lists that streams continue can be asked for their number alone."""
        markets = "/v3/markets"
        numbered: dict[str, tuple[Callable[[Request], Any], tuple[str, ...]]] = {
            f"{markets}/summaries": (self.get_summaries, ()),
            f"{markets}/tickers": (self.get_tickers, ()),
            f"{markets}/{{symbol}}/orderbook": (self.get_book, ("depth",)),
            f"{markets}/{{symbol}}/trades": (self.get_trades, ()),
        }
        return [
            PublicRoute("GET", "/v3/ping", self.get_time, params=()),
            PublicRoute("GET", "/v3/currencies", self.get_currencies, params=()),
            PublicRoute("GET", "/v3/currencies/{symbol}", self.get_currency, params=()),
            PublicRoute("GET", markets, self.get_markets, params=()),
            *(
                PublicRoute(
                    method, path, handler, params=params, gives_book=handler == self.get_book
                )
                for path, (handler, params) in numbered.items()
                for method in ("GET", "HEAD")
            ),
            PublicRoute("GET", f"{markets}/{{symbol}}", self.get_market, params=()),
            PublicRoute("GET", f"{markets}/{{symbol}}/summary", self.get_summary, params=()),
            PublicRoute("GET", f"{markets}/{{symbol}}/ticker", self.get_ticker, params=()),
            PublicRoute(
                "GET",
                f"{markets}/{{symbol}}/candles/{{interval}}/recent",
                self.get_candles,
                params=(),
            ),
        ]

    def signed_routes(self) -> list[Route]:
        market = ("marketSymbol",)
        numbered: dict[str, tuple[Callable[[Request, Account], Any], tuple[str, ...]]] = {
            "/v3/orders/open": (self.get_open_orders, market),
            "/v3/executions/last-id": (self.get_last_fill, ()),
            "/v3/balances": (self.get_balances, ()),
        }
        fees = "/v3/account/fees/trading"
        return [
            SignedRoute("POST", "/v3/orders", self.post_order, kind="place", params=ORDER_PARAMS),
            *(
                SignedRoute(method, path, handler, params=params)
                for path, (handler, params) in numbered.items()
                for method in ("GET", "HEAD")
            ),
            SignedRoute(
                "DELETE", "/v3/orders/open", self.delete_orders, kind="cancel", params=market
            ),
            SignedRoute("GET", "/v3/orders/closed", self.get_closed_orders, params=PAGE_PARAMS),
            SignedRoute("GET", "/v3/orders/{id}", self.get_order, params=()),
            SignedRoute("DELETE", "/v3/orders/{id}", self.delete_order, kind="cancel", params=()),
            SignedRoute("GET", "/v3/orders/{id}/executions", self.get_fills_of_order, params=()),
            SignedRoute("POST", "/v3/batch", self.post_batch, kind=kind_of_batch),
            SignedRoute("GET", "/v3/executions", self.get_fills, params=PAGE_PARAMS),
            SignedRoute("GET", "/v3/executions/{id}", self.get_fill, params=()),
            SignedRoute("GET", "/v3/balances/{symbol}", self.get_balance, params=()),
            SignedRoute("GET", "/v3/account", self.get_account, params=()),
            SignedRoute("GET", fees, self.get_all_fees, params=()),
            SignedRoute("GET", f"{fees}/{{symbol}}", self.get_fees, params=()),
        ]

    def hub_methods(self) -> Mapping[str, HubMethod]:
        return {
            "authenticate": HubMethod(
                ("apiKey", "timestamp", "randomContent", "signedContent"), self.on_authenticate
            ),
            "isauthenticated": HubMethod((), self.on_is_authenticated),
            "subscribe": HubMethod(("channels",), self.on_subscribe),
            "unsubscribe": HubMethod(("channels",), self.on_unsubscribe),
        }

    def symbol(self, pair: str) -> str:
        return pair

    def pair_of(self, symbol: str) -> str:
        """Raises Rejected: UNKNOWN_SYMBOL, REVERSED."""
        if "-".join(reversed(symbol.split("-"))) in self.venue.symbols.keys() - {symbol}:
            raise Rejected(REVERSED)
        return super().pair_of(symbol)

    def set_rules(self, symbol: Symbol) -> None:
        symbol.size_step = SIZE_STEP

    def error_body(self, code: int | str, message: str, request: Request | None) -> Row:
        """Of a client id that is known already the data have the order."""
        detail = {"detail": message} if code in DETAILED else {}
        order = {"data": {"id": uuid_of(message)}} if message.isdigit() else {}
        return {"code": code, **detail, **order}

    def verify(self, request: Request) -> Account:
        timestamp = request.header("Api-Timestamp")
        content_hash = request.header("Api-Content-Hash").lower()
        subaccount = request.header("Api-Subaccount-Id")
        url = f"{request.http.scheme}://{request.host}{request.target}"
        if content_hash != hashlib.sha512(request.text.encode()).hexdigest():
            raise Rejected(Reason.BAD_SIGNATURE)
        signed = f"{timestamp}{url}{request.method}{request.header('Api-Content-Hash')}"
        account = self.signing_account(
            api_key=request.header("Api-Key"),
            signature=request.header("Api-Signature").lower(),
            payload=f"{signed}{subaccount}",
            algorithm="sha512",
            signed_at_s=request.header_integer("Api-Timestamp", 0) / 1000,
        )
        if subaccount:
            raise Rejected(NOT_PERMITTED, "subaccounts")
        return account

    def numbered(self, rows: Any, sequence: str | int) -> web.Response:
        """The number of the last message that is in it."""
        last = self.numbers[sequence] if isinstance(sequence, str) else sequence
        return web.json_response(rows, headers={"Sequence": str(last)})

    # Public data by REST.

    def get_time(self, request: Request) -> Row:
        return {"serverTime": milliseconds(self.server.now_ns())}

    def assets(self) -> list[str]:
        return sorted({asset for symbol in self.markets() for asset in symbol.pair.split("-")})

    def get_currencies(self, request: Request) -> list[Row]:
        return [currency_row(asset) for asset in self.assets()]

    def get_currency(self, request: Request) -> Row:
        if request.string("symbol") not in self.assets():
            raise Rejected(NO_CURRENCY)
        return currency_row(request.string("symbol"))

    def get_markets(self, request: Request) -> list[Row]:
        return [market_row(symbol) for symbol in self.markets()]

    def get_market(self, request: Request) -> Row:
        return market_row(self.venue.symbols[self.pair_of(request.string("symbol"))])

    def summary(self, pair: str) -> Row:
        return summary_row(self.market_stats(pair), self.server.now_ns())

    def get_summaries(self, request: Request) -> web.Response:
        rows = [self.summary(symbol.pair) for symbol in self.markets()]
        return self.numbered(rows, "market_summaries")

    def get_summary(self, request: Request) -> Row:
        return self.summary(self.pair_of(request.string("symbol")))

    def get_tickers(self, request: Request) -> web.Response:
        rows = [ticker_row(self.market_stats(symbol.pair)) for symbol in self.markets()]
        return self.numbered(rows, "tickers")

    def get_ticker(self, request: Request) -> Row:
        return ticker_row(self.market_stats(self.pair_of(request.string("symbol"))))

    def get_book(self, request: Request) -> web.Response:
        """Numbered by the last message of that depth that is in it."""
        pair = self.pair_of(request.string("symbol"))
        depth = request.choice("depth", DEPTH_OF, DEFAULT_DEPTH)
        window = self.books.requested(pair, depth)
        rows = {"bid": book_rows(window.bids), "ask": book_rows(window.asks)}
        return self.numbered(rows, window.last_id)

    def get_trades(self, request: Request) -> web.Response:
        """Newest first."""
        pair = self.pair_of(request.string("symbol"))
        trades = self.recent_trades(pair, TRADES_LISTED)
        return self.numbered([trade_row(match) for match in reversed(trades)], trades_of(pair))

    def get_candles(self, request: Request) -> list[Row]:
        """Oldest first."""
        pair = self.pair_of(request.string("symbol"))
        interval, count = request.choice("interval", CANDLE_INTERVALS)
        candles = self.candles(pair).latest(count, self.now_s(), interval)
        return [candle_row(candle) for candle in candles]

    # An account by REST.

    def get_account(self, request: Request, account: Account) -> Row:
        return {"accountId": account_id(account), "actionsNeeded": []}

    def post_order(self, request: Request, account: Account) -> Row:
        return order_row(self.placed(account, request))

    def placed(self, account: Account, order: Params) -> Order:
        """Raises Rejected, having done nothing."""
        if order.flag("useAwards"):
            raise Rejected(Reason.ILLEGAL, "useAwards")
        pair = self.pair_of(order.string("marketSymbol"))
        terms = order_terms(order)
        if terms.kind == "market" and terms.tif == "FOK":
            self.check_order(account, pair, terms)
            side = "sell" if terms.side == "buy" else "buy"
            offered = sum(size for _, size in self.server.book(pair).levels(side))
            if terms.amount is not None and offered < terms.amount:
                raise Rejected(UNFILLABLE)
        return self.place_order(account, pair, terms)

    def post_batch(self, request: Request, account: Account) -> web.Response:
        """Orders and cancels, one after the other, each taken or refused by itself."""
        operations = [
            self.operation(each) for each in Params({"body": request.body}).params_list("body")
        ]
        if not 0 < len(operations) <= BATCH:
            raise Rejected(Reason.ILLEGAL, "body")
        return web.json_response([self.done(account, *each) for each in operations])

    def operation(self, sent: Params) -> tuple[str, Params]:
        """POST or DELETE, and what of. Raises Rejected, also for conditional orders."""
        sent.only("resource", "operation", "payload")
        sent.choice("resource", {"ORDER": "ORDER"})
        name = sent.choice("operation", {"POST": "POST", "DELETE": "DELETE"})
        payload = sent.params("payload")
        payload.only(*(ORDER_PARAMS if name == "POST" else ("id",)))
        return name, payload

    def done(self, account: Account, operation: str, payload: Params) -> Row:
        try:
            if operation == "POST":
                return {"status": 201, "payload": order_row(self.placed(account, payload))}
            order_id = id_of(payload, "id")
            order = self.cancel_order(account, order_id=order_id)
            return {"status": 200, "payload": order_row(order)}
        except Rejected as rejected:
            refusal, message = self.refusal_of(rejected.reason, rejected.detail)
            payload_row = self.error_body(refusal.code, message, None)
            return {"status": refusal.status, "payload": payload_row}

    def get_open_orders(self, request: Request, account: Account) -> web.Response:
        pair = self.optional_pair(request.string("marketSymbol", ""))
        rows = [order_row(order) for order in self.orders_of(account, pair, is_open=True)]
        return self.numbered(rows, f"order of {account.name}")

    def get_closed_orders(self, request: Request, account: Account) -> list[Row]:
        """What was closed last comes first."""
        page = page_of(request)
        pair = self.optional_pair(request.string("marketSymbol", ""))
        closed = self.orders_of(account, pair, is_open=False)
        closed.sort(key=lambda order: (order.updated, order.id), reverse=True)
        orders = [order for order in closed if page.has(order.updated)]
        return [order_row(order) for order in page.of(orders, lambda order: order.id)]

    def get_order(self, request: Request, account: Account) -> Row:
        return order_row(self.find_order(account, order_id=id_of(request, "id")))

    def delete_order(self, request: Request, account: Account) -> Row:
        return order_row(self.cancel_order(account, order_id=id_of(request, "id")))

    def delete_orders(self, request: Request, account: Account) -> list[Row]:
        pair = self.optional_pair(request.string("marketSymbol", ""))
        orders = self.cancel_orders(account, pair)
        return [
            {"id": uuid_of(order.id), "statusCode": "OK", "result": order_row(order)}
            for order in orders
        ]

    def get_fills_of_order(self, request: Request, account: Account) -> list[Row]:
        """Oldest first."""
        order = self.find_order(account, order_id=id_of(request, "id"))
        fills = self.fills_of(account, order=order, limit=FILLS_OF_ORDER)
        return [fill_row(fill) for fill in fills]

    def own_fills(self, account: Account, pair: str | None = None) -> list[Fill]:
        """Newest first."""
        known = len(self.venue.fills)
        return self.fills_of(account, pair, limit=known)[::-1]

    def get_fills(self, request: Request, account: Account) -> list[Row]:
        """Newest first."""
        page = page_of(request)
        pair = self.optional_pair(request.string("marketSymbol", ""))
        fills = [fill for fill in self.own_fills(account, pair) if page.has(fill.time)]
        return [fill_row(fill) for fill in page.of(fills, lambda fill: fill.trade_id)]

    def get_fill(self, request: Request, account: Account) -> Row:
        number = number_of(request, "id")
        for fill in self.own_fills(account):
            if fill.trade_id == number:
                return fill_row(fill)
        raise Rejected(Reason.UNKNOWN_PATH, "execution")

    def get_last_fill(self, request: Request, account: Account) -> web.Response:
        fills = self.own_fills(account)
        row = {"lastId": uuid_of(fills[0].trade_id)} if fills else {}
        return self.numbered(row, f"execution of {account.name}")

    def get_balances(self, request: Request, account: Account) -> web.Response:
        now_ns = self.server.now_ns()
        rows = [balance_row(balance, now_ns) for balance in account.balances()]
        return self.numbered(rows, f"balance of {account.name}")

    def get_balance(self, request: Request, account: Account) -> Row:
        asset = request.string("symbol")
        if asset not in self.assets():
            raise Rejected(NO_CURRENCY)
        holding = account.of(asset)
        balance = Balance(asset, holding.free, holding.held)
        return balance_row(balance, self.server.now_ns())

    def fees_row(self, pair: str) -> Row:
        """The same of all markets."""
        return {
            "marketSymbol": pair,
            "makerRate": str(self.venue.maker_fee),
            "takerRate": str(self.venue.taker_fee),
        }

    def get_all_fees(self, request: Request, account: Account) -> list[Row]:
        return [self.fees_row(symbol.pair) for symbol in self.markets()]

    def get_fees(self, request: Request, account: Account) -> Row:
        return self.fees_row(self.pair_of(request.string("symbol")))

    # Invocations of the hub.

    def on_subscribe(self, connection: Connection, arguments: Params) -> list[Row]:
        """Each stream is taken or refused by itself."""
        topics = arguments.strings("channels")
        results = [self.result_of(connection, topic) for topic in topics]
        allowed = [topic for topic, row in zip(topics, results, strict=True) if row is DONE]
        is_new = HEARTBEAT in allowed and HEARTBEAT not in connection.topics
        self.subscribe(connection, allowed)
        if is_new:
            self.server.call_later(self.heartbeat_s, self.beat, connection)
        return results

    def on_unsubscribe(self, connection: Connection, arguments: Params) -> list[Row]:
        topics = arguments.strings("channels")
        results = [self.result_of(connection, topic) for topic in topics]
        allowed = [topic for topic, row in zip(topics, results, strict=True) if row is DONE]
        self.unsubscribe(connection, allowed)
        return results

    def result_of(self, connection: Connection, topic: str) -> Row:
        if topic in ACCOUNT_TOPICS:
            return DENIED if connection.account is None else DONE
        return DONE if topic in self.public_topics() else UNKNOWN_STREAM

    def public_topics(self) -> set[str]:
        found = {HEARTBEAT, "tickers", "market_summaries"}
        for pair in self.venue.symbols:
            found |= self.book_topics(pair).keys()
            found |= {f"trade_{pair}", f"ticker_{pair}", f"market_summary_{pair}"}
        return found

    def beat(self, connection: Connection) -> None:
        if HEARTBEAT in connection.topics and connection in self.server.connections:
            self.send(connection, self.hub_message("heartbeat"))
            self.server.call_later(self.heartbeat_s, self.beat, connection)

    def on_is_authenticated(self, connection: Connection, arguments: Params) -> bool:
        return connection.account is not None

    def on_authenticate(self, connection: Connection, arguments: Params) -> Row:
        """A login runs out unless it is renewed."""
        login = arguments.string("timestamp") + arguments.string("randomContent")
        api_key = arguments.string("apiKey")
        signature = arguments.string("signedContent").lower()
        try:
            connection.account = self.signing_account(
                api_key=api_key, signature=signature, payload=login, algorithm="sha512"
            )
        except Rejected:
            return INVALID_KEY
        connection.is_private = True
        connection.state["login"] = login
        self.server.call_later(
            LOGIN_LASTS_S - LOGIN_NOTICE_S, self.announce_expiry, connection, login
        )
        return DONE

    def announce_expiry(self, connection: Connection, login: str) -> None:
        if login == connection.state["login"]:
            self.send(connection, self.hub_message("authenticationExpiring"))
            self.server.call_later(LOGIN_NOTICE_S, self.end_login, connection, login)

    def end_login(self, connection: Connection, login: str) -> None:
        if login == connection.state["login"]:
            self.unsubscribe(connection, ACCOUNT_TOPICS)
            connection.account = None

    def terminate(self, connection: Connection) -> None:
        """A login ends a minute after it is announced."""
        self.announce_expiry(connection, connection.state["login"])

    # Messages of the hub.

    def book_topics(self, pair: str) -> Mapping[str, int]:
        return {f"orderbook_{pair}_{depth}": depth for depth in DEPTHS}

    def book_frame(
        self, topic: str, window: BookWindow, connection: Connection, now_ns: int
    ) -> Row:
        content = {
            "marketSymbol": window.pair,
            "sequence": window.last_id,
            "bidDeltas": book_rows(window.bids),
            "askDeltas": book_rows(window.asks),
            "depth": self.book_topics(window.pair)[topic],
        }
        return self.hub_message("orderBook", content)

    def on_depth(
        self,
        pair: str,
        first_id: int,
        last_id: int,
        bids: list[tuple[Decimal, Decimal]],
        asks: list[tuple[Decimal, Decimal]],
    ) -> None:
        """Besides the book: the market's ticker and summary, alone and among all."""
        super().on_depth(pair, first_id, last_id, bids, asks)
        ticker = ticker_row(self.market_stats(pair))
        self.publish(f"ticker_{pair}", self.hub_message("ticker", ticker))
        tickers = {"sequence": self.count("tickers"), "deltas": [ticker]}
        self.publish("tickers", self.hub_message("tickers", tickers))
        summary = self.summary(pair)
        self.publish(f"market_summary_{pair}", self.hub_message("marketSummary", summary))
        summaries = {"sequence": self.count("market_summaries"), "deltas": [summary]}
        self.publish("market_summaries", self.hub_message("marketSummaries", summaries))

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        content = {
            "marketSymbol": match.symbol,
            "deltas": [trade_row(match)],
            "sequence": self.count(trades_of(match.symbol)),
        }
        return {f"trade_{match.symbol}": self.hub_message("trade", content)}

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        """Rows are contents of messages; each topic's are numbered."""
        account = event.order.account
        now_ns = self.server.now_ns()
        contents: list[tuple[str, Row]] = [("order", {"delta": order_row(event.order)})]
        if event.match is not None:
            contents.append(("execution", {"deltas": [execution_row(event, event.match)]}))
        for balance in account.balances(*event.order.symbol.split("-")):
            contents.append(("balance", {"delta": balance_row(balance, now_ns)}))
        return [
            (topic, content | {"sequence": self.count(f"{topic} of {account.name}")})
            for topic, content in contents
        ]

    def account_frame(self, topic: str, row: Row, connection: Connection) -> Frame:
        assert connection.account is not None
        return self.hub_message(topic, {"accountId": account_id(connection.account), **row})
