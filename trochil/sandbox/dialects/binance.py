"""Binance spot from the venue's side.

Source: its public API documentation (REST v3, market streams, websocket API v3).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from trochil.sandbox.book_windows import BookChannel, BookWindow, level_rows
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
from trochil.sandbox.recorded import Record, Rows, parse_json
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.requests import Message, Params, Request

STATUS = {
    "new": "NEW",
    "partially_filled": "PARTIALLY_FILLED",
    "filled": "FILLED",
    "cancelled": "CANCELED",
    "expired": "EXPIRED",
}
EXECUTION_TYPE = {"new": "NEW", "trade": "TRADE", "cancelled": "CANCELED", "expired": "EXPIRED"}
ORDER_TYPE = {"limit": "LIMIT", "market": "MARKET", "post_only": "LIMIT_MAKER"}
SIDE = {"buy": "BUY", "sell": "SELL"}
SIDE_OF: dict[str, Side] = {"BUY": "buy", "SELL": "sell"}
TIME_IN_FORCE: dict[str, TimeInForce] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK"}
WEIGHTS = {
    "depth": 5,
    "exchangeInfo": 20,
    "24hr": 80,
    "account": 20,
    "myTrades": 20,
    "openOrders": 6,
}
"""What a request takes of the minute's limit, by its path's end; else 1."""
ORDER_REJECTED = -2010


class Recordings:
    """Payloads of the REST snapshot and of the streams, raw or combined."""

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "")

    def records(self, time: float, text: str, url: str) -> Iterator[Record]:
        frame = parse_json(text) or {}
        data = frame.get("data", frame)
        event = data.get("e")
        if "lastUpdateId" in data:
            (symbol,) = parse_qs(urlsplit(url).query).get("symbol", [""])
            yield Record(time, "snapshot", symbol, text, data)
        elif event == "depthUpdate":
            yield Record(time, "diff", data["s"], text, data)
        elif event == "trade":
            yield Record(time, "trade", data["s"], text, data)

    def levels(self, record: Record) -> tuple[Rows, Rows]:
        if record.kind == "snapshot":
            return record.data["bids"], record.data["asks"]
        return record.data["b"], record.data["a"]

    def last_id(self, record: Record) -> int:
        return int(record.data["lastUpdateId" if record.kind == "snapshot" else "u"])


# Rows.


def symbol_row(name: str, symbol: Symbol) -> Row:
    """GET /api/v3/exchangeInfo."""
    return {
        "symbol": name,
        "status": "TRADING" if symbol.trading else "BREAK",
        "baseAsset": symbol.base,
        "quoteAsset": symbol.quote,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "isSpotTradingAllowed": True,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": decimal_text(symbol.price_tick),
                "maxPrice": "1000000",
                "tickSize": decimal_text(symbol.price_tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": decimal_text(symbol.size_step),
                "maxQty": decimal_text(symbol.max_size),
                "stepSize": decimal_text(symbol.size_step),
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": decimal_text(symbol.min_notional),
                "applyMinToMarket": True,
                "avgPriceMins": 5,
            },
        ],
    }


def ticker_row(name: str, stats: MarketStats, now_ns: int) -> Row:
    """GET /api/v3/ticker/24hr and its shorter kin."""
    return {
        "symbol": name,
        "lastPrice": decimal_text(stats.last),
        "bidPrice": decimal_text(stats.bid),
        "askPrice": decimal_text(stats.ask),
        "volume": decimal_text(stats.volume),
        "quoteVolume": decimal_text(stats.quote_volume),
        "closeTime": milliseconds(now_ns),
    }


def aggregate_trade_row(match: Match) -> Row:
    """GET /api/v3/aggTrades. Every trade is an aggregate of its own."""
    return {
        "a": match.id,
        "p": decimal_text(match.price),
        "q": decimal_text(match.amount),
        "f": match.id,
        "l": match.id,
        "T": milliseconds(match.time),
        "m": match.maker.is_buy,
        "M": True,
    }


def order_row(name: str, order: Order) -> Row:
    """GET /api/v3/order, and whatever else shows an order."""
    return {
        "symbol": name,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": decimal_text(order.price),
        "origQty": decimal_text(order.amount),
        "executedQty": decimal_text(order.filled),
        "origQuoteOrderQty": decimal_text(order.quote_amount),
        "cummulativeQuoteQty": decimal_text(order.quote_filled),
        "status": STATUS[order.state],
        "timeInForce": order.tif,
        "type": ORDER_TYPE[order.type],
        "side": SIDE[order.side],
        "time": milliseconds(order.time),
        "updateTime": milliseconds(order.updated),
        "transactTime": milliseconds(order.updated),
        "isWorking": True,
    }


def cancelled_row(name: str, order: Order) -> Row:
    """DELETE /api/v3/order: the client's id stands behind the cancel's own."""
    return order_row(name, order) | {
        "clientOrderId": cancel_id(order),
        "origClientOrderId": order.client_id,
    }


def cancel_id(order: Order) -> str:
    return f"cancel{order.id}"


def fill_row(name: str, fill: Fill) -> Row:
    """GET /api/v3/myTrades."""
    return {
        "symbol": name,
        "id": fill.trade_id,
        "orderId": fill.order.id,
        "orderListId": -1,
        "price": decimal_text(fill.price),
        "qty": decimal_text(fill.amount),
        "quoteQty": decimal_text(fill.value),
        "commission": exact_text(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": milliseconds(fill.time),
        "isBuyer": fill.order.is_buy,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def execution_row(name: str, event: Event) -> Row:
    """executionReport, its time "T" in ns. A cancel's own id comes first, and the order's behind
    it."""
    order = event.order
    is_cancel = event.kind == "cancelled"
    return {
        "e": "executionReport",
        "s": name,
        "c": cancel_id(order) if is_cancel else order.client_id,
        "C": order.client_id if is_cancel else "",
        "S": SIDE[order.side],
        "o": ORDER_TYPE[order.type],
        "f": order.tif,
        "q": decimal_text(order.amount),
        "p": decimal_text(order.price),
        "x": EXECUTION_TYPE[event.kind],
        "X": STATUS[order.state],
        "r": "NONE",
        "i": order.id,
        "l": decimal_text(event.trade_amount),
        "z": decimal_text(order.filled),
        "L": decimal_text(event.trade_price),
        "n": exact_text(event.fee),
        "N": event.fee_asset,
        "T": event.time,
        "t": -1 if event.trade_id is None else event.trade_id,
        "m": event.is_maker,
        "Z": decimal_text(order.quote_filled),
    }


def position_row(event: Event) -> Row:
    """outboundAccountPosition: what is left of the two assets that the order moved."""
    return {
        "e": "outboundAccountPosition",
        "u": milliseconds(event.time),
        "B": [
            {"a": balance.asset, "f": exact_text(balance.free), "l": exact_text(balance.held)}
            for balance in event.order.account.balances(*event.order.symbol.split("-"))
        ],
    }


# Requests.


def order_terms(request: Request) -> OrderTerms:
    """POST /api/v3/order."""
    side = request.choice("side", SIDE_OF)
    client_id = request.string("newClientOrderId", "")
    match request.string("type"):
        case "LIMIT":
            return OrderTerms(
                side=side,
                kind="limit",
                tif=request.choice("timeInForce", TIME_IN_FORCE),
                amount=request.decimal("quantity"),
                price=request.decimal("price"),
                client_id=client_id,
            )
        case "LIMIT_MAKER":
            refuse_time_in_force(request)
            return OrderTerms(
                side=side,
                kind="post_only",
                amount=request.decimal("quantity"),
                price=request.decimal("price"),
                client_id=client_id,
            )
        case "MARKET":
            refuse_time_in_force(request)
            quote_amount = request.optional_decimal("quoteOrderQty")
            return OrderTerms(
                side=side,
                kind="market",
                amount=request.decimal("quantity") if quote_amount is None else None,
                quote_amount=quote_amount,
                client_id=client_id,
            )
    raise Rejected(Reason.ILLEGAL, "type")


def refuse_time_in_force(request: Request) -> None:
    """Where the type says it all."""
    if "timeInForce" in request:
        raise Rejected(Reason.NOT_REQUIRED, "timeInForce")


class Dialect(BaseDialect):
    """Diffs by stream, the snapshot by REST; times of a socket in the unit that its address
    names."""

    name = "binance"
    recordings = Recordings()
    book_channel = BookChannel(requests_current_book=True)
    private_paths = ("/ws-api/v3",)
    refusals = {
        Reason.UNKNOWN_SYMBOL: Refusal(400, -1121),
        Reason.PRICE_FILTER: Refusal(400, -1013, "Filter failure: PRICE_FILTER"),
        Reason.LOT_SIZE: Refusal(400, -1013, "Filter failure: LOT_SIZE"),
        Reason.NOTIONAL: Refusal(400, -1013, "Filter failure: NOTIONAL"),
        Reason.MARKET_CLOSED: Refusal(400, ORDER_REJECTED, "Market is closed."),
        Reason.WOULD_TAKE: Refusal(400, ORDER_REJECTED, "Order would immediately match and take."),
        Reason.INSUFFICIENT_BALANCE: Refusal(
            400, ORDER_REJECTED, "Account has insufficient balance for requested action."
        ),
        Reason.DUPLICATE_CLIENT_ID: Refusal(400, ORDER_REJECTED, "Duplicate order sent."),
        Reason.UNKNOWN_ORDER: Refusal(400, -2011, "Unknown order sent."),
        Reason.NO_SUCH_ORDER: Refusal(400, -2013),
        Reason.BAD_SIGNATURE: Refusal(400, -1022),
        Reason.BAD_TIME: Refusal(400, -1021),
        Reason.MISSING: Refusal(400, -1102),
        Reason.ILLEGAL: Refusal(400, -1100),
        Reason.NOT_REQUIRED: Refusal(400, -1106),
        Reason.BAD_KEY: Refusal(401, -2015),
        Reason.NO_KEY: Refusal(401, -2014),
        Reason.UNAVAILABLE: Refusal(503, -1000),
        Reason.TIMEOUT: Refusal(503, -1007),
        Reason.RATE_LIMITED: Refusal(429, -1003),
        Reason.BANNED: Refusal(418, -1003),
    }

    def routes(self) -> list[Route]:
        return [
            PublicRoute("GET", "/api/v3/time", self.get_time),
            PublicRoute("GET", "/api/v3/exchangeInfo", self.get_exchange_info),
            PublicRoute("GET", "/api/v3/ticker/24hr", self.get_tickers),
            PublicRoute("GET", "/api/v3/ticker/price", self.get_tickers),
            PublicRoute("GET", "/api/v3/ticker/bookTicker", self.get_tickers),
            PublicRoute("GET", "/api/v3/depth", self.get_depth),
            PublicRoute("GET", "/api/v3/aggTrades", self.get_aggregate_trades),
            SignedRoute("POST", "/api/v3/order", self.post_order, kind="place"),
            SignedRoute("GET", "/api/v3/order", self.get_order),
            SignedRoute("DELETE", "/api/v3/order", self.delete_order, kind="cancel"),
            SignedRoute("GET", "/api/v3/openOrders", self.get_open_orders),
            SignedRoute("DELETE", "/api/v3/openOrders", self.delete_open_orders, kind="cancel"),
            SignedRoute("GET", "/api/v3/allOrders", self.get_all_orders),
            SignedRoute("GET", "/api/v3/myTrades", self.get_fills),
            SignedRoute("GET", "/api/v3/account", self.get_account),
        ]

    def sockets(self) -> Mapping[str, SocketHandler]:
        return {
            "/ws": self.on_stream_message,
            "/ws/{streams:.*}": self.on_stream_message,
            "/stream": self.on_stream_message,
            "/ws-api/v3": self.on_api_message,
        }

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "")

    def error_body(self, code: int | str, message: str, request: Request | None) -> Any:
        return {"code": code, "msg": message}

    def headers(self, request: Request) -> dict[str, str]:
        minute = f"weight in minute {self.server.now_ns() // 60_000_000_000}"
        self.numbers[minute] += WEIGHTS.get(request.path.rpartition("/")[2], 1)
        return {"X-MBX-USED-WEIGHT-1M": str(self.numbers[minute])}

    def verify(self, request: Request) -> Account:
        payload, _, signature = (request.query + request.text).rpartition("&signature=")
        return self.verified(request.header("X-MBX-APIKEY"), signature, payload, request)

    def verified(self, api_key: str, signature: str, payload: str, params: Params) -> Account:
        recv_window_ms = params.optional_decimal("recvWindow")
        return self.signing_account(
            api_key=api_key,
            signature=signature.lower(),
            payload=payload,
            signed_at_s=params.time_s("timestamp"),
            max_age_s=5.0 if recv_window_ms is None else float(recv_window_ms) / 1000,
            max_ahead_s=1.0,
        )

    # Public data by REST.

    def get_time(self, request: Request) -> Row:
        return {"serverTime": milliseconds(self.server.now_ns())}

    def get_exchange_info(self, request: Request) -> Row:
        symbols = self.markets(self.optional_pair(request.string("symbol", "")))
        return {"symbols": [symbol_row(self.symbol(each.pair), each) for each in symbols]}

    def get_tickers(self, request: Request) -> Row | list[Row]:
        pair = self.optional_pair(request.string("symbol", ""))
        if pair is not None:
            return self.ticker(pair)
        return [self.ticker(symbol.pair) for symbol in self.markets()]

    def ticker(self, pair: str) -> Row:
        return ticker_row(self.symbol(pair), self.market_stats(pair), self.server.now_ns())

    def get_depth(self, request: Request) -> Row:
        limit = request.integer("limit", RECENT)
        window = self.books.requested(self.pair_of(request.string("symbol")), limit=limit)
        return {
            "lastUpdateId": window.last_id,
            "bids": level_rows(window.bids),
            "asks": level_rows(window.asks),
        }

    def get_aggregate_trades(self, request: Request) -> list[Row]:
        pair = self.pair_of(request.string("symbol"))
        trades = self.recent_trades(pair, request.integer("limit", RECENT))
        return [aggregate_trade_row(match) for match in trades]

    # An account by REST.

    def post_order(self, request: Request, account: Account) -> Row:
        pair = self.pair_of(request.string("symbol"))
        return self.order(self.place_order(account, pair, order_terms(request)))

    def order(self, order: Order) -> Row:
        return order_row(self.symbol(order.symbol), order)

    def get_order(self, request: Request, account: Account) -> Row:
        order = self.find_order(
            account,
            order_id=request.string("orderId", ""),
            client_id=request.string("origClientOrderId", ""),
        )
        return self.order(order)

    def delete_order(self, request: Request, account: Account) -> Row:
        order = self.cancel_order(
            account,
            order_id=request.string("orderId", ""),
            client_id=request.string("origClientOrderId", ""),
        )
        return cancelled_row(self.symbol(order.symbol), order)

    def delete_open_orders(self, request: Request, account: Account) -> list[Row]:
        pair = self.optional_pair(request.string("symbol", ""))
        orders = self.cancel_orders(account, pair)
        return [cancelled_row(self.symbol(order.symbol), order) for order in orders]

    def get_open_orders(self, request: Request, account: Account) -> list[Row]:
        pair = self.optional_pair(request.string("symbol", ""))
        return [self.order(order) for order in self.orders_of(account, pair, is_open=True)]

    def get_all_orders(self, request: Request, account: Account) -> list[Row]:
        pair = self.optional_pair(request.string("symbol", ""))
        return [self.order(order) for order in self.orders_of(account, pair)]

    def get_fills(self, request: Request, account: Account) -> list[Row]:
        order_id = request.string("orderId", "")
        first_id = request.optional_integer("fromId")
        fills = self.fills_of(
            account,
            self.optional_pair(request.string("symbol", "")),
            order=self.find_order(account, order_id=order_id) if order_id else None,
            after_trade_id=None if first_id is None else first_id - 1,
            since_ms=request.optional_time_ms("startTime"),
            limit=request.integer("limit", RECENT),
        )
        return [fill_row(self.symbol(fill.order.symbol), fill) for fill in fills]

    def get_account(self, request: Request, account: Account) -> Row:
        return {
            "updateTime": milliseconds(self.server.now_ns()),
            "commissionRates": {
                "maker": str(self.venue.maker_fee),
                "taker": str(self.venue.taker_fee),
                "buyer": "0",
                "seller": "0",
            },
            "balances": [
                {
                    "asset": balance.asset,
                    "free": exact_text(balance.free),
                    "locked": exact_text(balance.held),
                }
                for balance in account.balances()
            ],
        }

    # Sockets.

    def on_connect(self, connection: Connection) -> None:
        super().on_connect(connection)
        in_microseconds = connection.query.get("timeUnit", "").upper() == "MICROSECOND"
        connection.state["time_unit_ns"] = 1000 if in_microseconds else 1_000_000
        connection.state["is_combined"] = connection.path == "/stream"
        streams = connection.query.get("streams") or connection.path.removeprefix("/ws")
        self.subscribe(connection, [stream for stream in streams.split("/") if "@" in stream])

    def on_stream_message(self, connection: Connection, message: Message) -> None:
        """SUBSCRIBE and UNSUBSCRIBE."""
        acknowledgement = {"result": None, "id": message.get("id", None)}
        if message["method"] == "SUBSCRIBE":
            self.subscribe(connection, message.strings("params"), acknowledgement)
        else:
            self.unsubscribe(connection, message.strings("params"), acknowledgement)

    def on_api_message(self, connection: Connection, message: Message) -> None:
        """The account's stream, by a signature; of all else only pings."""
        if message["method"] == "userDataStream.subscribe.signature":
            params = message.params("params")
            signed = sorted(name for name in params.values if name != "signature")
            connection.account = self.verified(
                params.string("apiKey"),
                params.string("signature"),
                "&".join(f"{name}={params.values[name]}" for name in signed),
                params,
            )
        answer = {"id": message.get("id", None), "status": 200, "result": {"subscriptionId": 0}}
        self.send(connection, answer)

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        answer, text = self.refusal_of(refusal.reason, refusal.detail)
        return {
            "id": message.get("id", None),
            "status": answer.status,
            "error": self.error_body(answer.code, text, None),
        }

    # Streams.

    def stream_frame(self, stream: str, row: Row, connection: Connection) -> Row:
        """On a socket of raw streams rows come without their envelope."""
        return {"stream": stream, "data": row} if connection.state["is_combined"] else row

    def book_topics(self, pair: str) -> Mapping[str, int]:
        symbol = self.symbol(pair).lower()
        return {f"{symbol}@depth": 0, f"{symbol}@depth@100ms": 0}

    def book_frame(
        self, topic: str, window: BookWindow, connection: Connection, now_ns: int
    ) -> Row:
        row = {
            "e": "depthUpdate",
            "E": now_ns // connection.state["time_unit_ns"],
            "s": self.symbol(window.pair),
            "U": window.first_id,
            "u": window.last_id,
            "b": level_rows(window.bids),
            "a": level_rows(window.asks),
        }
        return self.stream_frame(topic, row, connection)

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        symbol = self.symbol(match.symbol)
        stream = f"{symbol.lower()}@trade"

        def frame(connection: Connection, now_ns: int) -> Row:
            row = {
                "e": "trade",
                "E": now_ns // connection.state["time_unit_ns"],
                "s": symbol,
                "t": match.id,
                "p": decimal_text(match.price),
                "q": decimal_text(match.amount),
                "T": match.time // connection.state["time_unit_ns"],
                "m": match.maker.is_buy,
                "M": True,
            }
            return self.stream_frame(stream, row, connection)

        return {stream: frame}

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        return [
            ("", execution_row(self.symbol(event.order.symbol), event)),
            ("", position_row(event)),
        ]

    def account_frame(self, topic: str, row: Row, connection: Connection) -> Frame:
        unit_ns = connection.state["time_unit_ns"]
        times = {"T": row["T"] // unit_ns} if "T" in row else {}

        def frame(connection: Connection, now_ns: int) -> Row:
            return {"subscriptionId": 0, "event": row | times | {"E": now_ns // unit_ns}}

        return frame

    def terminate(self, connection: Connection) -> None:
        self.send(connection, self.account_frame("", {"e": "eventStreamTerminated"}, connection))
        connection.account = None

    def replayed_frame(self, connection: Connection, record: Record) -> str | bytes | None:
        text = super().replayed_frame(connection, record)
        if text is None or connection.state["is_combined"]:
            return text
        return json.dumps(record.data)
