"""OKX spot from the venue's side. Source: its API v5 documentation."""

from collections.abc import Mapping
from typing import Any

from trochil.sandbox.book_windows import BookChannel, BookWindow, Levels, level_rows
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import (
    RECENT,
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
    TimeInForce,
)
from trochil.sandbox.formats import decimal_text, exact_text, milliseconds
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Fill, Rejected, Symbol
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.requests import Message, Params, Request

STATE = {
    "new": "live",
    "partially_filled": "partially_filled",
    "filled": "filled",
    "cancelled": "canceled",
    "expired": "canceled",
}
SIDE_OF: dict[str, Side] = {"buy": "buy", "sell": "sell"}
ORDER_TYPE_OF_TIME_IN_FORCE = {"GTC": "limit", "IOC": "ioc", "FOK": "fok"}
TIME_IN_FORCE_OF_ORDER_TYPE: dict[str, TimeInForce] = {"limit": "GTC", "ioc": "IOC", "fok": "FOK"}
IS_QUOTE_UNIT = {"base_ccy": False, "quote_ccy": True}
FILLS_PER_PAGE = 100

# Codes of sockets.

BAD_REQUEST = "60012"
LOGIN_FAILED = "60009"
NOT_LOGGED_IN = "60011"
UNKNOWN_CHANNEL = "60018"


# Rows.


def instrument_row(symbol: Symbol) -> Row:
    """GET /api/v5/public/instruments."""
    return {
        "instId": symbol.pair,
        "baseCcy": symbol.base,
        "quoteCcy": symbol.quote,
        "instType": "SPOT",
        "tickSz": decimal_text(symbol.price_tick),
        "lotSz": decimal_text(symbol.size_step),
        "minSz": decimal_text(symbol.size_step),
        "maxLmtSz": decimal_text(symbol.max_size),
        "state": "live" if symbol.trading else "suspend",
    }


def ticker_row(stats: MarketStats, now_ns: int) -> Row:
    """GET /api/v5/market/tickers."""
    return {
        "instId": stats.pair,
        "instType": "SPOT",
        "last": decimal_text(stats.last),
        "bidPx": decimal_text(stats.bid),
        "askPx": decimal_text(stats.ask),
        "vol24h": decimal_text(stats.volume),
        "volCcy24h": decimal_text(stats.quote_volume),
        "ts": str(milliseconds(now_ns)),
    }


def book_side(levels: Levels) -> list[list[str]]:
    """[price, size, "0" (a field out of use), number of orders]; the last is always 1 here."""
    return [[price, size, "0", "1"] for price, size in level_rows(levels)]


def book_row(window: BookWindow, now_ns: int) -> Row:
    """GET /api/v5/market/books, and what the channel's frames have of it."""
    return {
        "bids": book_side(window.bids),
        "asks": book_side(window.asks),
        "ts": str(milliseconds(now_ns)),
        "seqId": window.last_id,
    }


def trade_row(match: Match) -> Row:
    """GET /api/v5/market/trades, and the channel ``trades``. The side is the taker's."""
    return {
        "instId": match.symbol,
        "tradeId": str(match.id),
        "px": decimal_text(match.price),
        "sz": decimal_text(match.amount),
        "side": match.taker.side,
        "ts": str(milliseconds(match.time)),
    }


def order_row(order: Order) -> Row:
    """GET /api/v5/trade/order, and whatever else shows an order."""
    return {
        "instId": order.symbol,
        "instType": "SPOT",
        "ordId": str(order.id),
        "clOrdId": order.client_id,
        "side": order.side,
        "px": decimal_text(order.price),
        "sz": decimal_text(order.size),
        "tgtCcy": size_unit(order),
        "accFillSz": decimal_text(order.filled),
        "avgPx": decimal_text(order.average_price),
        "cTime": str(milliseconds(order.time)),
        "uTime": str(milliseconds(order.updated)),
        "state": STATE[order.state],
        "ordType": order_type(order),
        "tradeId": "",
    }


def size_unit(order: Order) -> str:
    """What a market order's size is in; empty for all others."""
    if not order.is_market:
        return ""
    return "base_ccy" if order.quote_amount is None else "quote_ccy"


def order_type(order: Order) -> str:
    """A limit order's type is its time in force."""
    return ORDER_TYPE_OF_TIME_IN_FORCE[order.tif] if order.type == "limit" else order.type


def event_row(event: Event) -> Row:
    """The channel ``orders``: the order as it is now, and the trade if the event is one."""
    return order_row(event.order) | {
        "tradeId": "" if event.trade_id is None else str(event.trade_id),
        "fillPx": decimal_text(event.trade_price),
        "fillSz": decimal_text(event.trade_amount),
        "fillTime": str(milliseconds(event.time)),
        "execType": liquidity(event.is_maker),
        "fillFee": exact_text(-event.fee),
        "fillFeeCcy": event.fee_asset,
    }


def fill_row(fill: Fill) -> Row:
    """GET /api/v5/trade/fills. A fee that is paid is negative."""
    return {
        "instId": fill.order.symbol,
        "ordId": str(fill.order.id),
        "clOrdId": fill.order.client_id,
        "side": fill.order.side,
        "tradeId": str(fill.trade_id),
        "fillPx": decimal_text(fill.price),
        "fillSz": decimal_text(fill.amount),
        "fillTime": str(milliseconds(fill.time)),
        "execType": liquidity(fill.is_maker),
        "ts": str(milliseconds(fill.time)),
        "fee": exact_text(-fill.fee),
        "feeCcy": fill.fee_asset,
        "billId": str(fill.trade_id),
    }


def liquidity(is_maker: bool) -> str:
    return "M" if is_maker else "T"


def balance_row(account: Account) -> Row:
    """GET /api/v5/account/balance."""
    return {
        "details": [
            {
                "ccy": balance.asset,
                "cashBal": exact_text(balance.total),
                "eq": exact_text(balance.total),
                "availBal": exact_text(balance.free),
                "frozenBal": exact_text(balance.held),
                "ordFrozen": exact_text(balance.held),
            }
            for balance in account.balances()
        ]
    }


def account_update(account: Account) -> Row:
    """A frame of the channel ``account``."""
    return {"arg": {"channel": "account"}, "data": [balance_row(account)]}


def acknowledgement_row(order: Order) -> Row:
    """What placing and cancelling answer."""
    return {
        "ordId": str(order.id),
        "clOrdId": order.client_id,
        "tag": "",
        "sCode": "0",
        "sMsg": "",
    }


# Requests.


def order_terms(request: Request) -> OrderTerms:
    """POST /api/v5/trade/order."""
    side = request.choice("side", SIDE_OF)
    match request.string("ordType"):
        case "market":
            return market_order_terms(request, side)
        case "post_only":
            return OrderTerms(
                side=side,
                kind="post_only",
                price=request.decimal("px"),
                amount=request.decimal("sz"),
                client_id=request.string("clOrdId", ""),
            )
        case _:
            return OrderTerms(
                side=side,
                kind="limit",
                tif=request.choice("ordType", TIME_IN_FORCE_OF_ORDER_TYPE),
                price=request.decimal("px"),
                amount=request.decimal("sz"),
                client_id=request.string("clOrdId", ""),
            )


def market_order_terms(request: Request, side: Side) -> OrderTerms:
    """A size without a unit is in quote of a purchase, in base of a sale."""
    size = request.decimal("sz")
    is_in_quote = request.choice("tgtCcy", IS_QUOTE_UNIT, side == "buy")
    return OrderTerms(
        side=side,
        kind="market",
        amount=None if is_in_quote else size,
        quote_amount=size if is_in_quote else None,
        client_id=request.string("clOrdId", ""),
    )


class Dialect(BaseDialect):
    """``books`` of 400 levels; each frame names the sequence id of the one before. Checksums
    are 0."""

    name = "okx"
    book_channel = BookChannel(levels=400)
    snapshot_on_subscribe = True
    post_only_cancels = True
    extra_key_fields = ("passphrase",)
    private_paths = ("/ws/v5/private",)
    refusals = {
        Reason.UNKNOWN_SYMBOL: Refusal(200, "51001"),
        Reason.PRICE_FILTER: Refusal(200, "51006"),
        Reason.LOT_SIZE: Refusal(200, "51121"),
        Reason.NOTIONAL: Refusal(200, "51020"),
        Reason.INSUFFICIENT_BALANCE: Refusal(200, "51008"),
        Reason.DUPLICATE_CLIENT_ID: Refusal(200, "51016"),
        Reason.UNKNOWN_ORDER: Refusal(200, "51400"),
        Reason.NO_SUCH_ORDER: Refusal(200, "51603"),
        Reason.ILLEGAL: Refusal(200, "51000", "Parameter {} error"),
        Reason.TIMEOUT: Refusal(200, "50004"),
        Reason.BAD_KEY: Refusal(401, "50111"),
        Reason.BAD_PASSPHRASE: Refusal(401, "50105"),
        Reason.BAD_SIGNATURE: Refusal(401, "50113"),
        Reason.BAD_TIME: Refusal(401, "50102"),
        Reason.UNAVAILABLE: Refusal(503, "50001"),
        Reason.RATE_LIMITED: Refusal(429, "50011"),
    }

    def routes(self) -> list[Route]:
        return [
            PublicRoute("GET", "/api/v5/public/time", self.get_time),
            PublicRoute("GET", "/api/v5/public/instruments", self.get_instruments),
            PublicRoute("GET", "/api/v5/market/ticker", self.get_tickers),
            PublicRoute("GET", "/api/v5/market/tickers", self.get_tickers),
            PublicRoute("GET", "/api/v5/market/trades", self.get_trades),
            PublicRoute("GET", "/api/v5/market/books", self.get_book),
            PublicRoute("GET", "/api/v5/asset/currencies", self.get_currencies),
            SignedRoute("POST", "/api/v5/trade/order", self.post_order, kind="place"),
            SignedRoute("POST", "/api/v5/trade/batch-orders", self.post_order, kind="place"),
            SignedRoute("POST", "/api/v5/trade/cancel-order", self.post_cancel, kind="cancel"),
            SignedRoute(
                "POST", "/api/v5/trade/cancel-batch-orders", self.post_cancel, kind="cancel"
            ),
            SignedRoute("GET", "/api/v5/trade/order", self.get_order),
            SignedRoute("GET", "/api/v5/trade/orders-pending", self.get_open_orders),
            SignedRoute("GET", "/api/v5/trade/orders-history", self.get_closed_orders),
            SignedRoute("GET", "/api/v5/trade/fills", self.get_fills),
            SignedRoute("GET", "/api/v5/trade/fills-history", self.get_fills),
            SignedRoute("GET", "/api/v5/account/trade-fee", self.get_fees),
            SignedRoute("GET", "/api/v5/account/balance", self.get_balance),
        ]

    def sockets(self) -> Mapping[str, SocketHandler]:
        return {
            "/ws/v5/public": self.on_message,
            "/ws/v5/private": self.on_message,
            "/ws/v5/business": self.on_message,
        }

    def symbol(self, pair: str) -> str:
        return pair

    def result(self, body: Any) -> Row:
        return {"code": "0", "msg": "", "data": body}

    def error_body(self, code: int | str, message: str, request: Request | None) -> Row:
        """What is wrong with an order stands in a row of its own."""
        if not str(code).startswith("51"):
            return {"code": code, "msg": message, "data": []}
        order = {"ordId": "", "clOrdId": "", "sCode": code, "sMsg": message}
        return {"code": "1", "msg": message, "data": [order]}

    def verify(self, request: Request) -> Account:
        timestamp = request.header("OK-ACCESS-TIMESTAMP")
        return self.signing_account(
            api_key=request.header("OK-ACCESS-KEY"),
            signature=request.header("OK-ACCESS-SIGN"),
            payload=timestamp + request.method + request.target + request.text,
            encoding="base64",
            signed_at_s=request.header_time_s("OK-ACCESS-TIMESTAMP"),
            passphrase=request.header("OK-ACCESS-PASSPHRASE"),
        )

    # Public data by REST.

    def get_time(self, request: Request) -> list[Row]:
        return [{"ts": str(milliseconds(self.server.now_ns()))}]

    def get_instruments(self, request: Request) -> list[Row]:
        pair = self.optional_pair(request.string("instId", ""))
        return [instrument_row(symbol) for symbol in self.markets(pair)]

    def get_tickers(self, request: Request) -> list[Row]:
        pair = self.optional_pair(request.string("instId", ""))
        now_ns = self.server.now_ns()
        return [ticker_row(self.market_stats(symbol.pair), now_ns) for symbol in self.markets(pair)]

    def get_trades(self, request: Request) -> list[Row]:
        """Newest first."""
        pair = self.pair_of(request.string("instId", ""))
        trades = self.recent_trades(pair, request.integer("limit", RECENT))
        return [trade_row(match) for match in reversed(trades)]

    def get_book(self, request: Request) -> list[Row]:
        pair = self.pair_of(request.string("instId", ""))
        window = self.books.requested(pair, limit=request.integer("sz", RECENT))
        return [book_row(window, self.server.now_ns())]

    def get_currencies(self, request: Request) -> list[Row]:
        """Clients request it for the networks of deposits; there are none here."""
        return []

    # An account by REST.

    def post_order(self, request: Request, account: Account) -> list[Row]:
        """A batch may have one order."""
        terms = order_terms(request)
        pair = self.pair_of(request.string("instId"))
        return [acknowledgement_row(self.place_order(account, pair, terms))]

    def post_cancel(self, request: Request, account: Account) -> list[Row]:
        """A batch may have one order."""
        order = self.cancel_order(
            account,
            order_id=request.string("ordId", ""),
            client_id=request.string("clOrdId", ""),
        )
        return [acknowledgement_row(order)]

    def get_order(self, request: Request, account: Account) -> list[Row]:
        order = self.find_order(
            account,
            order_id=request.string("ordId", ""),
            client_id=request.string("clOrdId", ""),
        )
        return [order_row(order)]

    def get_open_orders(self, request: Request, account: Account) -> list[Row]:
        pair = self.optional_pair(request.string("instId", ""))
        return [order_row(order) for order in self.orders_of(account, pair, is_open=True)]

    def get_closed_orders(self, request: Request, account: Account) -> list[Row]:
        pair = self.optional_pair(request.string("instId", ""))
        return [order_row(order) for order in self.orders_of(account, pair, is_open=False)]

    def get_fills(self, request: Request, account: Account) -> list[Row]:
        """Newest first; ``after`` a trade means older than it."""
        fills = self.fills_of(
            account,
            self.optional_pair(request.string("instId", "")),
            order=self.order_of_fills(request, account),
            before_trade_id=request.optional_integer("after"),
            since_ms=request.optional_integer("begin"),
            limit=request.integer("limit", FILLS_PER_PAGE),
        )
        return [fill_row(fill) for fill in reversed(fills)]

    def order_of_fills(self, request: Request, account: Account) -> Order | None:
        """The order whose fills are requested; None for those of all."""
        order_id = request.string("ordId", "")
        if not order_id:
            return None
        return self.find_order(account, order_id=order_id, otherwise=Reason.UNKNOWN_ORDER)

    def get_fees(self, request: Request, account: Account) -> list[Row]:
        """A rate that is charged is negative."""
        return [{"maker": str(-self.venue.maker_fee), "taker": str(-self.venue.taker_fee)}]

    def get_balance(self, request: Request, account: Account) -> list[Row]:
        return [balance_row(account)]

    # Sockets.

    def on_message(self, connection: Connection, message: Message) -> None:
        """Text pings; login, subscribe and unsubscribe, each for a list of arguments."""
        if message.data == "ping":
            self.send(connection, "pong")
            return
        operation = message.string("op")
        for argument in message.params_list("args"):
            if operation == "login":
                self.log_in(connection, argument)
            elif "instId" not in argument and connection.account is None:
                self.send(connection, error_frame(NOT_LOGGED_IN, "Please log in"))
            elif operation == "subscribe":
                self.on_subscribe(connection, argument)
            elif operation == "unsubscribe":
                self.on_unsubscribe(connection, argument)
            else:
                raise Rejected(Reason.ILLEGAL, "op")

    def log_in(self, connection: Connection, argument: Params) -> None:
        connection.account = self.signing_account(
            api_key=argument.string("apiKey", ""),
            signature=argument.string("sign"),
            payload=argument.string("timestamp") + "GET/users/self/verify",
            encoding="base64",
            signed_at_s=float(argument.decimal("timestamp")),
            passphrase=argument.string("passphrase"),
        )
        self.send(connection, {"event": "login", "code": "0", "msg": ""})

    def on_subscribe(self, connection: Connection, argument: Params) -> None:
        acknowledgement = {"event": "subscribe", "arg": argument.values}
        self.subscribe(connection, [self.topic(argument)], acknowledgement)
        if argument.string("channel") == "account" and connection.account is not None:
            self.send(connection, account_update(connection.account))

    def on_unsubscribe(self, connection: Connection, argument: Params) -> None:
        acknowledgement = {"event": "unsubscribe", "arg": argument.values}
        self.unsubscribe(connection, [self.topic(argument)], acknowledgement)

    def topic(self, argument: Params) -> str:
        """``books:BTC-USDT``; ``orders:`` of all pairs."""
        pair = self.optional_pair(argument.string("instId", ""))
        return f"{argument.string('channel')}:{pair or ''}"

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        _, text = self.refusal_of(refusal.reason, refusal.detail)
        if message.get("op") == "login":
            return error_frame(LOGIN_FAILED, text)
        is_malformed = refusal.reason in (Reason.MISSING, Reason.ILLEGAL)
        return error_frame(BAD_REQUEST if is_malformed else UNKNOWN_CHANNEL, text)

    # Streams.

    def book_topics(self, pair: str) -> Mapping[str, int]:
        return {f"books:{pair}": 0}

    def book_frame(
        self, topic: str, window: BookWindow, connection: Connection, now_ns: int
    ) -> Row:
        is_wrong = not window.is_snapshot and self.server.faults.hits("bad_checksum")
        row = book_row(window, self.server.now_ns()) | {
            "prevSeqId": -1 if window.is_snapshot else window.previous_id,
            "checksum": 1 if is_wrong else 0,
        }
        return {
            "arg": {"channel": "books", "instId": window.pair},
            "action": "snapshot" if window.is_snapshot else "update",
            "data": [row],
        }

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        frame = {"arg": {"channel": "trades", "instId": match.symbol}, "data": [trade_row(match)]}
        return {f"trades:{match.symbol}": frame}

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        """Rows are whole frames already: they name no pair, whichever was subscribed to."""
        orders = {"arg": {"channel": "orders", "instType": "SPOT"}, "data": [event_row(event)]}
        return [("orders", orders), ("account", account_update(event.order.account))]

    def event_topic(self, topic: str) -> str:
        channel, _, _ = topic.partition(":")
        return channel


def error_frame(code: str, message: str) -> Row:
    return {"event": "error", "code": code, "msg": message}
