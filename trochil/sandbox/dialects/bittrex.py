"""Bittrex from the venue's side.

Source: the documentation of its API v3, and a recording of its socket (2021).
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from aiohttp import web

from trochil.sandbox.book_windows import BookChannel, BookWindow, Levels
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import (
    RECENT,
    Frame,
    MarketStats,
    OrderKind,
    OrderTerms,
    PublicRoute,
    Route,
    Row,
    Side,
    SignedRoute,
    TimeInForce,
)
from trochil.sandbox.formats import (
    decimal_places,
    decimal_text,
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
    "IMMEDIATE_OR_CANCEL": ("market", "GTC"),
    "FILL_OR_KILL": ("market", "GTC"),
}
"""Market orders can't rest."""
TERMS_OF_TYPE = {"LIMIT": LIMIT_TERMS, "MARKET": MARKET_TERMS}
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
LOGIN_LASTS_S = 600.0
LOGIN_NOTICE_S = 60.0
"""How long before its end a login's end is announced."""
DONE: Row = {"Success": True, "ErrorCode": None}
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


def market_row(symbol: Symbol) -> Row:
    """GET /markets."""
    return {
        "symbol": symbol.pair,
        "baseCurrencySymbol": symbol.base,
        "quoteCurrencySymbol": symbol.quote,
        "minTradeSize": decimal_text(symbol.size_step),
        "precision": decimal_places(symbol.price_tick),
        "status": "ONLINE" if symbol.trading else "OFFLINE",
        "createdAt": "2021-04-16T18:50:47.883Z",
        "prohibitedIn": [],
        "associatedTermsOfService": [],
        "tags": [],
    }


def summary_row(stats: MarketStats, now_ns: int) -> Row:
    """GET /markets/summaries."""
    return {
        "symbol": stats.pair,
        "high": decimal_text(stats.last),
        "low": decimal_text(stats.last),
        "volume": decimal_text(stats.volume),
        "quoteVolume": decimal_text(stats.quote_volume),
        "percentChange": "0",
        "updatedAt": iso_time(now_ns),
    }


def book_rows(levels: Levels) -> list[Row]:
    """A side of a book; quantity 0: the level is gone."""
    return [
        {"quantity": decimal_text(level.size), "rate": decimal_text(level.price)}
        for level in levels
    ]


def order_kind(order: Order) -> str:
    return "MARKET" if order.is_market else "LIMIT"


def time_in_force(order: Order) -> str:
    if order.is_market:
        return "IMMEDIATE_OR_CANCEL"
    if order.is_post_only:
        return "POST_ONLY_GOOD_TIL_CANCELLED"
    return TIME_IN_FORCE[order.tif]


def order_row(order: Order) -> Row:
    """GET /orders/{id}, and whatever else shows an order."""
    limit = {"limit": decimal_text(order.price)} if order.price else {}
    closed = {} if order.is_open else {"closedAt": iso_time(order.updated)}
    return {
        "id": uuid_of(order.id),
        "marketSymbol": order.symbol,
        "direction": SIDE[order.side],
        "type": order_kind(order),
        "quantity": decimal_text(order.amount),
        **limit,
        "timeInForce": time_in_force(order),
        "clientOrderId": order.client_id,
        "fillQuantity": decimal_text(order.filled),
        "commission": decimal_text(order.fees),
        "proceeds": decimal_text(order.quote_filled),
        "status": "OPEN" if order.is_open else "CLOSED",
        "createdAt": iso_time(order.time),
        "updatedAt": iso_time(order.updated),
        **closed,
    }


def fill_row(fill: Fill) -> Row:
    """GET /executions."""
    return {
        "id": str(fill.trade_id),
        "marketSymbol": fill.order.symbol,
        "executedAt": iso_time(fill.time),
        "quantity": decimal_text(fill.amount),
        "rate": decimal_text(fill.price),
        "orderId": uuid_of(fill.order.id),
        "commission": exact_text(fill.fee),
        "isTaker": not fill.is_maker,
    }


def execution_row(event: Event) -> Row:
    """execution: the same of an event."""
    return {
        "id": str(event.trade_id),
        "marketSymbol": event.order.symbol,
        "executedAt": iso_time(event.time),
        "quantity": decimal_text(event.trade_amount),
        "rate": decimal_text(event.trade_price),
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
        "updatedAt": iso_time(now_ns),
    }


def trade_row(match: Match) -> Row:
    """trade: one of its deltas."""
    return {
        "id": str(match.id),
        "executedAt": iso_time(match.time),
        "quantity": decimal_text(match.amount),
        "rate": decimal_text(match.price),
        "takerSide": SIDE[match.taker.side],
    }


# Requests.


def order_terms(request: Request) -> OrderTerms:
    """POST /orders."""
    side = request.choice("direction", SIDE_OF)
    kind, tif = request.choice("timeInForce", request.choice("type", TERMS_OF_TYPE))
    return OrderTerms(
        side=side,
        kind=kind,
        tif=tif,
        price=None if kind == "market" else request.decimal("limit"),
        amount=request.decimal("quantity"),
        client_id=request.client_uuid("clientOrderId"),
    )


class Dialect(HubDialect):
    """Books of 1, 25 or 500 levels, their messages numbered; so are an account's orders, executions
    and balances."""

    name = "bittrex"
    hub = "c3"
    recordings = Recordings()
    book_channel = BookChannel(depths=DEPTHS, numbers_frames=True, default_depth=DEFAULT_DEPTH)
    forgets_cancelled_orders = True
    fee_in_quote = True
    client_ids_last = True
    placed_status = 201
    refusals = {
        Reason.UNKNOWN_SYMBOL: Refusal(404, "MARKET_DOES_NOT_EXIST"),
        Reason.UNKNOWN_ORDER: Refusal(404, "ORDER_DOES_NOT_EXIST"),
        Reason.PRICE_FILTER: Refusal(400, "RATE_PRECISION_NOT_ALLOWED"),
        Reason.ILLEGAL: Refusal(400, "BAD_REQUEST", "Illegal {}"),
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
    }

    def routes(self) -> list[Route]:
        return [
            *self.hub_routes(),
            PublicRoute("GET", "/v3/ping", self.get_time),
            PublicRoute("GET", "/v3/markets", self.get_markets),
            PublicRoute("GET", "/v3/markets/summaries", self.get_summaries),
            PublicRoute("GET", "/v3/markets/{symbol}/orderbook", self.get_book),
            SignedRoute("POST", "/v3/orders", self.post_order, kind="place"),
            SignedRoute("GET", "/v3/orders/open", self.get_open_orders),
            SignedRoute("GET", "/v3/orders/closed", self.get_closed_orders),
            SignedRoute("GET", "/v3/orders/{id}", self.get_order),
            SignedRoute("DELETE", "/v3/orders/{id}", self.delete_order, kind="cancel"),
            SignedRoute("GET", "/v3/orders/{id}/executions", self.get_fills_of_order),
            SignedRoute("GET", "/v3/executions", self.get_fills),
            SignedRoute("GET", "/v3/balances", self.get_balances),
            SignedRoute("GET", "/v3/account/fees/trading/{symbol}", self.get_fees),
        ]

    def hub_methods(self) -> Mapping[str, HubMethod]:
        return {
            "authenticate": HubMethod(
                ("apiKey", "timestamp", "randomContent", "signedContent"), self.on_authenticate
            ),
            "subscribe": HubMethod(("channels",), self.on_subscribe),
            "unsubscribe": HubMethod(("channels",), self.on_unsubscribe),
        }

    def symbol(self, pair: str) -> str:
        return pair

    def set_rules(self, symbol: Symbol) -> None:
        symbol.size_step = SIZE_STEP

    def error_body(self, code: int | str, message: str, request: Request | None) -> Row:
        """Of a client id that is known already the detail is the order's number."""
        order = {"id": uuid_of(message)} if message.isdigit() else {}
        return {"code": code, "detail": message, "data": order}

    def verify(self, request: Request) -> Account:
        timestamp = request.header("Api-Timestamp")
        content_hash = request.header("Api-Content-Hash")
        url = f"{request.http.scheme}://{request.host}{request.target}"
        if content_hash != hashlib.sha512(request.text.encode()).hexdigest():
            raise Rejected(Reason.BAD_SIGNATURE)
        return self.signing_account(
            api_key=request.header("Api-Key"),
            signature=request.header("Api-Signature"),
            payload=f"{timestamp}{url}{request.method}{content_hash}",
            algorithm="sha512",
            signed_at_s=request.header_integer("Api-Timestamp", 0) / 1000,
        )

    # Public data by REST.

    def get_time(self, request: Request) -> Row:
        return {"serverTime": milliseconds(self.server.now_ns())}

    def get_markets(self, request: Request) -> list[Row]:
        return [market_row(symbol) for symbol in self.markets()]

    def get_summaries(self, request: Request) -> list[Row]:
        now_ns = self.server.now_ns()
        return [summary_row(self.market_stats(symbol.pair), now_ns) for symbol in self.markets()]

    def get_book(self, request: Request) -> web.Response:
        """Numbered by a header: the last message of that depth that is in it."""
        pair = self.pair_of(request.string("symbol"))
        depth = request.choice("depth", DEPTH_OF, DEFAULT_DEPTH)
        window = self.books.requested(pair, depth)
        return web.json_response(
            {"bid": book_rows(window.bids), "ask": book_rows(window.asks)},
            headers={"Sequence": str(window.last_id)},
        )

    # An account by REST.

    def post_order(self, request: Request, account: Account) -> Row:
        terms = order_terms(request)
        pair = self.pair_of(request.string("marketSymbol"))
        return order_row(self.place_order(account, pair, terms))

    def get_open_orders(self, request: Request, account: Account) -> list[Row]:
        pair = self.optional_pair(request.string("marketSymbol", ""))
        return [order_row(order) for order in self.orders_of(account, pair, is_open=True)]

    def get_closed_orders(self, request: Request, account: Account) -> list[Row]:
        pair = self.optional_pair(request.string("marketSymbol", ""))
        return [order_row(order) for order in self.orders_of(account, pair, is_open=False)]

    def get_order(self, request: Request, account: Account) -> Row:
        return order_row(self.find_order(account, order_id=request.string("id")))

    def delete_order(self, request: Request, account: Account) -> Row:
        return order_row(self.cancel_order(account, order_id=request.string("id")))

    def get_fills_of_order(self, request: Request, account: Account) -> list[Row]:
        """Oldest first."""
        order = self.find_order(account, order_id=request.string("id"))
        return [fill_row(fill) for fill in self.fills_of(account, order=order)]

    def get_fills(self, request: Request, account: Account) -> list[Row]:
        """Newest first; a page after the trade "nextPageToken"."""
        fills = self.fills_of(
            account,
            self.optional_pair(request.string("marketSymbol", "")),
            before_trade_id=request.integer("nextPageToken", 0) or None,
            since_ms=request.optional_time_ms("startDate"),
            limit=request.integer("pageSize", RECENT),
        )
        return [fill_row(fill) for fill in reversed(fills)]

    def get_balances(self, request: Request, account: Account) -> list[Row]:
        now_ns = self.server.now_ns()
        return [balance_row(balance, now_ns) for balance in account.balances()]

    def get_fees(self, request: Request, account: Account) -> Row:
        """The same of all markets."""
        return {"makerRate": str(self.venue.maker_fee), "takerRate": str(self.venue.taker_fee)}

    # Invocations of the hub.

    def on_subscribe(self, connection: Connection, arguments: Params) -> list[Row]:
        topics = arguments.strings("channels")
        allowed = self.allowed_topics(connection, topics)
        self.subscribe(connection, allowed)
        return [DONE if topic in allowed else DENIED for topic in topics]

    def on_unsubscribe(self, connection: Connection, arguments: Params) -> list[Row]:
        topics = arguments.strings("channels")
        allowed = self.allowed_topics(connection, topics)
        self.unsubscribe(connection, allowed)
        return [DONE if topic in allowed else DENIED for topic in topics]

    def allowed_topics(self, connection: Connection, topics: list[str]) -> list[str]:
        if connection.account is not None:
            return topics
        return [topic for topic in topics if topic not in ACCOUNT_TOPICS]

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

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        content = {
            "marketSymbol": match.symbol,
            "deltas": [trade_row(match)],
            "sequence": self.count(f"trades of {match.symbol}"),
        }
        return {f"trade_{match.symbol}": self.hub_message("trade", content)}

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        """Rows are contents of messages; each topic's are numbered."""
        account = event.order.account
        now_ns = self.server.now_ns()
        contents: list[tuple[str, Row]] = [("order", {"delta": order_row(event.order)})]
        if event.match is not None:
            contents.append(("execution", {"deltas": [execution_row(event)]}))
        for balance in account.balances(*event.order.symbol.split("-")):
            contents.append(("balance", {"delta": balance_row(balance, now_ns)}))
        return [
            (topic, content | {"sequence": self.count(f"{topic} of {account.name}")})
            for topic, content in contents
        ]

    def account_frame(self, topic: str, row: Row, connection: Connection) -> Frame:
        account_id = connection.account.name if connection.account is not None else None
        return self.hub_message(topic, row | {"accountId": account_id})
