"""Bybit spot from the venue's side. Source: its v5 API documentation (unified trading account)."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from trochil.sandbox.book_windows import BookChannel, BookWindow, level_rows
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import (
    RECENT,
    BaseDialect,
    Frame,
    MarketStats,
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
from trochil.sandbox.formats import decimal_text, exact_text, milliseconds
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Fill, Rejected, Symbol
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.requests import Message, Params, Request

DEPTHS = (50, 200, 1000)
"""Levels a side of each book channel."""
ORDER_STATUS = {
    "new": "New",
    "partially_filled": "PartiallyFilled",
    "filled": "Filled",
    "cancelled": "Cancelled",
    "expired": "Cancelled",
}
SIDE = {"buy": "Buy", "sell": "Sell"}
SIDE_OF: dict[str, Side] = {"Buy": "buy", "Sell": "sell"}
ORDER_KIND: dict[str, OrderKind] = {"Limit": "limit", "Market": "market"}
POST_ONLY = "PostOnly"
TIME_IN_FORCE: dict[str, TimeInForce] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK", POST_ONLY: "GTC"}
IS_QUOTE_UNIT = {"baseCoin": False, "quoteCoin": True}
FILLS_SPAN_MS = 7 * 86_400_000
"""That a request for executions covers from its start, where it sets no end."""
RECV_WINDOW_MS = 5000


# Rows.


def instrument_row(name: str, symbol: Symbol) -> Row:
    """GET /v5/market/instruments-info."""
    return {
        "symbol": name,
        "baseCoin": symbol.base,
        "quoteCoin": symbol.quote,
        "status": "Trading" if symbol.trading else "Closed",
        "lotSizeFilter": {
            "basePrecision": decimal_text(symbol.size_step),
            "quotePrecision": decimal_text(symbol.price_tick),
            "minOrderQty": decimal_text(symbol.size_step),
            "maxOrderQty": decimal_text(symbol.max_size),
            "minOrderAmt": decimal_text(symbol.min_notional),
        },
        "priceFilter": {"tickSize": decimal_text(symbol.price_tick)},
    }


def ticker_row(name: str, stats: MarketStats) -> Row:
    """GET /v5/market/tickers."""
    return {
        "symbol": name,
        "lastPrice": decimal_text(stats.last),
        "bid1Price": decimal_text(stats.bid),
        "bid1Size": decimal_text(stats.bid_size),
        "ask1Price": decimal_text(stats.ask),
        "ask1Size": decimal_text(stats.ask_size),
        "volume24h": decimal_text(stats.volume),
        "turnover24h": decimal_text(stats.quote_volume),
    }


def book_row(name: str, window: BookWindow) -> Row:
    """GET /v5/market/orderbook, and the data of ``orderbook``."""
    return {
        "s": name,
        "b": level_rows(window.bids),
        "a": level_rows(window.asks),
        "u": window.last_id,
        "seq": window.last_id,
    }


def recent_trade_row(name: str, match: Match) -> Row:
    """GET /v5/market/recent-trade. The side is the taker's."""
    return {
        "execId": str(match.id),
        "symbol": name,
        "price": decimal_text(match.price),
        "size": decimal_text(match.amount),
        "side": SIDE[match.taker.side],
        "time": str(milliseconds(match.time)),
        "isBlockTrade": False,
    }


def public_trade_row(name: str, match: Match) -> Row:
    """The data of ``publicTrade``. The side is the taker's."""
    return {
        "T": milliseconds(match.time),
        "s": name,
        "S": SIDE[match.taker.side],
        "v": decimal_text(match.amount),
        "p": decimal_text(match.price),
        "i": str(match.id),
        "BT": False,
        "RPI": False,
        "seq": match.id,
    }


def order_row(name: str, order: Order) -> Row:
    """GET /v5/order/realtime, and whatever else shows an order."""
    return {
        "category": "spot",
        "symbol": name,
        "orderId": str(order.id),
        "orderLinkId": order.client_id,
        "side": SIDE[order.side],
        "orderType": "Market" if order.is_market else "Limit",
        "price": decimal_text(order.price),
        "qty": decimal_text(order.size),
        "marketUnit": size_unit(order),
        "timeInForce": time_in_force(order),
        "orderStatus": order_status(order),
        "rejectReason": "EC_NoError",
        "cumExecQty": decimal_text(order.filled),
        "cumExecValue": decimal_text(order.quote_filled),
        "avgPrice": decimal_text(order.average_price),
        "leavesQty": decimal_text(order.remaining),
        "createdTime": str(milliseconds(order.time)),
        "updatedTime": str(milliseconds(order.updated)),
    }


def size_unit(order: Order) -> str:
    """What a market order's size is in; empty for all others."""
    if not order.is_market:
        return ""
    return "baseCoin" if order.quote_amount is None else "quoteCoin"


def time_in_force(order: Order) -> str:
    """A market order is an IOC."""
    if order.is_market:
        return "IOC"
    return POST_ONLY if order.is_post_only else order.tif


def order_status(order: Order) -> str:
    """What closed before it was full has a status of its own if a part of it was filled."""
    if order.filled and order.state in ("cancelled", "expired"):
        return "PartiallyFilledCanceled"
    return ORDER_STATUS[order.state]


def fill_row(name: str, fill: Fill) -> Row:
    """GET /v5/execution/list."""
    return {
        "category": "spot",
        "symbol": name,
        "orderId": str(fill.order.id),
        "orderLinkId": fill.order.client_id,
        "side": SIDE[fill.order.side],
        "execId": str(fill.trade_id),
        "execPrice": decimal_text(fill.price),
        "execQty": decimal_text(fill.amount),
        "execValue": decimal_text(fill.value),
        "execFee": exact_text(fill.fee),
        "feeCurrency": fill.fee_asset,
        "isMaker": fill.is_maker,
        "execType": "Trade",
        "execTime": str(milliseconds(fill.time)),
        "leavesQty": decimal_text(fill.order.remaining),
    }


def execution_row(name: str, event: Event) -> Row:
    """The topic ``execution``: a trade of ours, as its event has it."""
    return {
        "category": "spot",
        "symbol": name,
        "orderId": str(event.order.id),
        "orderLinkId": event.order.client_id,
        "side": SIDE[event.order.side],
        "execId": str(event.trade_id),
        "execPrice": decimal_text(event.trade_price),
        "execQty": decimal_text(event.trade_amount),
        "execValue": decimal_text(event.trade_value),
        "execFee": exact_text(event.fee),
        "feeCurrency": event.fee_asset,
        "isMaker": event.is_maker,
        "execType": "Trade",
        "execTime": str(milliseconds(event.time)),
        "leavesQty": decimal_text(event.order.remaining),
    }


def wallet_row(account: Account) -> Row:
    """GET /v5/account/wallet-balance, and the topic ``wallet``."""
    return {
        "accountType": "UNIFIED",
        "coin": [
            {
                "coin": balance.asset,
                "walletBalance": exact_text(balance.total),
                "equity": exact_text(balance.total),
                "locked": exact_text(balance.held),
                "availableToWithdraw": "",
            }
            for balance in account.balances()
        ],
    }


def acknowledgement_row(order: Order) -> Row:
    """What placing and cancelling answer: that it was taken, no more."""
    return {"orderId": str(order.id), "orderLinkId": order.client_id}


# Requests.


def order_terms(request: Request) -> OrderTerms:
    """POST /v5/order/create."""
    side = request.choice("side", SIDE_OF)
    kind = request.choice("orderType", ORDER_KIND)
    tif = request.choice("timeInForce", TIME_IN_FORCE, "GTC")
    if kind == "market":
        return market_order_terms(request, side)
    is_post_only = request.string("timeInForce", "") == POST_ONLY
    return OrderTerms(
        side=side,
        kind="post_only" if is_post_only else "limit",
        tif=tif,
        price=request.decimal("price"),
        amount=request.decimal("qty"),
        client_id=request.string("orderLinkId", ""),
    )


def market_order_terms(request: Request, side: Side) -> OrderTerms:
    """A size without a unit is in quote of a purchase, in base of a sale."""
    size = request.decimal("qty")
    is_in_quote = request.choice("marketUnit", IS_QUOTE_UNIT, side == "buy")
    return OrderTerms(
        side=side,
        kind="market",
        amount=None if is_in_quote else size,
        quote_amount=size if is_in_quote else None,
        client_id=request.string("orderLinkId", ""),
    )


def trade_id_of_cursor(request: Request) -> int | None:
    """A page's cursor is the trade that it ended with, up to the colon; None for the first page."""
    trade_id, _, _ = request.string("cursor", "").partition(":")
    return Params({"cursor": trade_id}).optional_integer("cursor")


class Dialect(BaseDialect):
    """``orderbook.N`` numbers its frames; the answer to an order says that it was taken, no
    more."""

    name = "bybit"
    book_channel = BookChannel(depths=DEPTHS, numbers_frames=True)
    snapshot_on_subscribe = True
    post_only_cancels = True
    private_paths = ("/v5/private",)
    refusals = {
        Reason.UNKNOWN_SYMBOL: Refusal(200, 170121),
        Reason.PRICE_FILTER: Refusal(200, 170134),
        Reason.LOT_SIZE: Refusal(200, 170137),
        Reason.NOTIONAL: Refusal(200, 170140),
        Reason.INSUFFICIENT_BALANCE: Refusal(200, 170131),
        Reason.DUPLICATE_CLIENT_ID: Refusal(200, 170141),
        Reason.UNKNOWN_ORDER: Refusal(200, 170213),
        Reason.ILLEGAL: Refusal(200, 10001, "Request parameter error: {}"),
        Reason.BAD_KEY: Refusal(200, 10003),
        Reason.BAD_SIGNATURE: Refusal(200, 10004),
        Reason.BAD_TIME: Refusal(200, 10002),
        Reason.TIMEOUT: Refusal(200, 10000),
        Reason.RATE_LIMITED: Refusal(200, 10006),
        Reason.UNAVAILABLE: Refusal(503, 10016),
        Reason.BANNED: Refusal(403, 10018),
    }

    def routes(self) -> list[Route]:
        return [
            PublicRoute("GET", "/v5/market/time", self.get_time),
            PublicRoute("GET", "/v5/market/instruments-info", self.get_instruments),
            PublicRoute("GET", "/v5/market/tickers", self.get_tickers),
            PublicRoute("GET", "/v5/market/orderbook", self.get_book),
            PublicRoute("GET", "/v5/market/recent-trade", self.get_trades),
            SignedRoute("POST", "/v5/order/create", self.post_order, kind="place"),
            SignedRoute("POST", "/v5/order/cancel", self.post_cancel, kind="cancel"),
            SignedRoute("GET", "/v5/order/realtime", self.get_open_orders),
            SignedRoute("GET", "/v5/order/history", self.get_closed_orders),
            SignedRoute("GET", "/v5/execution/list", self.get_fills),
            SignedRoute("GET", "/v5/account/fee-rate", self.get_fees),
            SignedRoute("GET", "/v5/account/wallet-balance", self.get_wallet),
        ]

    def sockets(self) -> Mapping[str, SocketHandler]:
        return {"/v5/public/spot": self.on_public_message, "/v5/private": self.on_private_message}

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "")

    def result(self, body: Any) -> Row:
        return self.envelope(0, "OK", body)

    def error_body(self, code: int | str, message: str, request: Request | None) -> Row:
        return self.envelope(code, message, {})

    def envelope(self, code: int | str, message: str, body: Any) -> Row:
        return {
            "retCode": code,
            "retMsg": message,
            "result": body,
            "retExtInfo": {},
            "time": milliseconds(self.server.now_ns()),
        }

    def retry_headers(self, retry_after_s: int) -> dict[str, str]:
        reset_ms = milliseconds(self.server.now_ns()) + retry_after_s * 1000
        return {"X-Bapi-Limit-Reset-Timestamp": str(reset_ms)}

    def verify(self, request: Request) -> Account:
        timestamp = request.header("X-BAPI-TIMESTAMP")
        api_key = request.header("X-BAPI-API-KEY")
        recv_window = request.header("X-BAPI-RECV-WINDOW")
        return self.signing_account(
            api_key=api_key,
            signature=request.header("X-BAPI-SIGN"),
            payload=timestamp + api_key + recv_window + request.query + request.text,
            signed_at_s=request.header_integer("X-BAPI-TIMESTAMP", 0) / 1000,
            max_age_s=request.header_integer("X-BAPI-RECV-WINDOW", RECV_WINDOW_MS) / 1000,
            max_ahead_s=1.0,
        )

    # Public data by REST.

    def get_time(self, request: Request) -> Row:
        return {"timeNano": str(self.server.now_ns())}

    def get_instruments(self, request: Request) -> Row:
        symbols = self.markets(self.optional_pair(request.string("symbol", "")))
        return {"list": [instrument_row(self.symbol(each.pair), each) for each in symbols]}

    def get_tickers(self, request: Request) -> Row:
        symbols = self.markets(self.optional_pair(request.string("symbol", "")))
        return {
            "list": [
                ticker_row(self.symbol(symbol.pair), self.market_stats(symbol.pair))
                for symbol in symbols
            ]
        }

    def get_book(self, request: Request) -> Row:
        """As the deepest channel shows it, whatever the limit."""
        pair = self.pair_of(request.string("symbol", ""))
        window = self.books.requested(pair, limit=request.integer("limit", RECENT))
        return book_row(self.symbol(pair), window) | {"ts": milliseconds(self.server.now_ns())}

    def get_trades(self, request: Request) -> Row:
        """Newest first."""
        pair = self.pair_of(request.string("symbol", ""))
        trades = self.recent_trades(pair, request.integer("limit", RECENT))
        return {"list": [recent_trade_row(self.symbol(pair), match) for match in reversed(trades)]}

    # An account by REST.

    def post_order(self, request: Request, account: Account) -> Row:
        terms = order_terms(request)
        pair = self.pair_of(request.string("symbol"))
        return acknowledgement_row(self.place_order(account, pair, terms))

    def post_cancel(self, request: Request, account: Account) -> Row:
        order = self.cancel_order(
            account,
            order_id=request.string("orderId", ""),
            client_id=request.string("orderLinkId", ""),
        )
        return acknowledgement_row(order)

    def get_open_orders(self, request: Request, account: Account) -> Row:
        """An order with the id that is requested is listed although it is closed."""
        return self.listed(self.orders(request, account, is_open=True))

    def get_closed_orders(self, request: Request, account: Account) -> Row:
        return self.listed(self.orders(request, account, is_open=False))

    def listed(self, orders: list[Order]) -> Row:
        return {"list": [order_row(self.symbol(order.symbol), order) for order in orders]}

    def orders(self, request: Request, account: Account, is_open: bool) -> list[Order]:
        """The one with the id that is requested, open or closed, if there is such; else all open or
        all closed ones."""
        order_id = request.string("orderId", "")
        client_id = request.string("orderLinkId", "")
        if not order_id and not client_id:
            pair = self.optional_pair(request.string("symbol", ""))
            return self.orders_of(account, pair, is_open=is_open)
        with suppress(Rejected):
            return [self.find_order(account, order_id=order_id, client_id=client_id)]
        return []

    def get_fills(self, request: Request, account: Account) -> Row:
        """Newest first. Also the last page has a cursor, percent-encoded, if it isn't empty."""
        order_id = request.string("orderId", "")
        since_ms = request.optional_integer("startTime")
        until_ms = request.optional_integer("endTime")
        if since_ms is not None and until_ms is None:
            until_ms = since_ms + FILLS_SPAN_MS
        fills = self.fills_of(
            account,
            self.optional_pair(request.string("symbol", "")),
            order=self.find_order(account, order_id=order_id) if order_id else None,
            before_trade_id=trade_id_of_cursor(request),
            since_ms=since_ms,
            until_ms=until_ms,
            limit=request.integer("limit", RECENT),
        )
        return {
            "list": [fill_row(self.symbol(fill.order.symbol), fill) for fill in reversed(fills)],
            "nextPageCursor": f"{fills[0].trade_id}%3A2" if fills else "",
        }

    def get_fees(self, request: Request, account: Account) -> Row:
        symbols = self.markets(self.optional_pair(request.string("symbol", "")))
        return {
            "list": [
                {
                    "symbol": self.symbol(symbol.pair),
                    "takerFeeRate": str(self.venue.taker_fee),
                    "makerFeeRate": str(self.venue.maker_fee),
                }
                for symbol in symbols
            ]
        }

    def get_wallet(self, request: Request, account: Account) -> Row:
        return {"list": [wallet_row(account)]}

    # Sockets.

    def on_public_message(self, connection: Connection, message: Message) -> None:
        """One unknown symbol, and none of the topics is followed."""
        topics = message.strings("args") if "args" in message else []
        for topic in topics:
            _, _, symbol = topic.rpartition(".")
            self.pair_of(symbol)
        self.on_operation(connection, message, topics)

    def on_private_message(self, connection: Connection, message: Message) -> None:
        if message["op"] == "auth":
            self.authenticate(connection, message)
            return
        topics = message.strings("args") if "args" in message else []
        if topics and connection.account is None:
            raise Rejected(Reason.BAD_KEY)
        self.on_operation(connection, message, topics)

    def authenticate(self, connection: Connection, message: Message) -> None:
        """Arguments: the key, until when (ms) the signature holds, and the signature."""
        arguments = message["args"]
        if not isinstance(arguments, list) or len(arguments) != 3:
            raise Rejected(Reason.ILLEGAL, "args")
        api_key, expires_ms, signature = map(str, arguments)
        connection.account = self.signing_account(
            api_key=api_key, signature=signature, payload=f"GET/realtime{expires_ms}"
        )
        self.send(connection, self.operation_answer(message))

    def on_operation(self, connection: Connection, message: Message, topics: list[str]) -> None:
        match message.string("op"):
            case "ping":
                self.send(connection, self.operation_answer(message, "pong"))
            case "subscribe":
                self.subscribe(connection, topics, self.operation_answer(message))
            case "unsubscribe":
                self.unsubscribe(connection, topics, self.operation_answer(message))
            case _:
                raise Rejected(Reason.ILLEGAL, "op")

    def operation_answer(self, message: Message, text: str = "", success: bool = True) -> Row:
        return {
            "success": success,
            "ret_msg": text,
            "conn_id": "1",
            "req_id": message.get("req_id"),
            "op": message.get("op"),
        }

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        _, text = self.refusal_of(refusal.reason, refusal.detail)
        return self.operation_answer(message, text, success=False)

    # Streams.

    def book_topics(self, pair: str) -> Mapping[str, int]:
        return {f"orderbook.{depth}.{self.symbol(pair)}": depth for depth in DEPTHS}

    def book_frame(
        self, topic: str, window: BookWindow, connection: Connection, now_ns: int
    ) -> Row:
        return {
            "topic": topic,
            "ts": milliseconds(now_ns),
            "cts": milliseconds(now_ns),
            "type": "snapshot" if window.is_snapshot else "delta",
            "data": book_row(self.symbol(window.pair), window),
        }

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        symbol = self.symbol(match.symbol)
        topic = f"publicTrade.{symbol}"
        return {
            topic: {
                "topic": topic,
                "type": "snapshot",
                "ts": milliseconds(match.time),
                "data": [public_trade_row(symbol, match)],
            }
        }

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        symbol = self.symbol(event.order.symbol)
        rows = [
            ("order", order_row(symbol, event.order)),
            ("wallet", wallet_row(event.order.account)),
        ]
        if event.match is not None:
            rows.insert(0, ("execution", execution_row(symbol, event)))
        return rows

    def event_topic(self, topic: str) -> str:
        """What a client follows as ``execution.spot`` is sent as ``execution``."""
        name, _, _ = topic.partition(".")
        return name

    def account_frame(self, topic: str, row: Row, connection: Connection) -> Row:
        created_ms = milliseconds(self.server.now_ns())
        return {"topic": topic, "creationTime": created_ms, "data": [row]}
