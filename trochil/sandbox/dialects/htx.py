"""HTX (Huobi) spot from the venue's side.

Source: its public API documentation, v1.0, and frames that it sent.
"""

import ast
import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from trochil.sandbox.book_windows import BookChannel, BookWindow, Levels
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
from trochil.sandbox.formats import (
    decimal_places,
    decimal_text,
    exact_text,
    json_number,
    milliseconds,
)
from trochil.sandbox.market.accounts import Account, Balance
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Fill, Rejected, Symbol
from trochil.sandbox.recorded import Record, Rows
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.requests import Message, Params, Request

ACCOUNT_ID = 7
"""Of everybody's spot account."""
SIDE_OF: dict[str, Side] = {"buy": "buy", "sell": "sell"}
TERMS_OF_TYPE: dict[str, tuple[OrderKind, TimeInForce]] = {
    "limit": ("limit", "GTC"),
    "ioc": ("limit", "IOC"),
    "limit-fok": ("limit", "FOK"),
    "limit-maker": ("post_only", "GTC"),
    "market": ("market", "GTC"),
}
"""An order's type behind its side, as in "buy-limit-maker"."""
TYPE_OF_TERMS: dict[tuple[str, str], str] = {
    terms: type_name for type_name, terms in TERMS_OF_TYPE.items()
}
OPEN_STATE = {"new": "submitted", "partially_filled": "partial-filled"}
EVENT_TYPE = {
    "new": "creation",
    "trade": "trade",
    "cancelled": "cancellation",
    "expired": "cancellation",
}
CANCEL_RESULT = {"partial-canceled": 5, "filled": 6, "canceled": 7}
"""What a cancel by client id answers of a closed order."""
CANCELING = 10
NOT_FOUND = 0
CHANGES = "mbp.150"
IMAGES = "depth.step0"
TRADES = "trade.detail"
CHANNELS = {"/feed": (CHANGES,), "/ws": (IMAGES, TRADES)}
"""What the sockets of market data offer."""
UNKNOWN_TOPIC = "unknown_topic"
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


# Rows of market data, where numbers are JSON numbers.


def symbol_row(name: str, symbol: Symbol) -> Row:
    """GET /v1/common/symbols."""
    min_size = json_number(symbol.size_step)
    max_size = json_number(symbol.max_size)
    return {
        "symbol": name,
        "base-currency": symbol.base.lower(),
        "quote-currency": symbol.quote.lower(),
        "price-precision": decimal_places(symbol.price_tick),
        "amount-precision": decimal_places(symbol.size_step),
        "value-precision": 8,
        "symbol-partition": "main",
        "state": "online" if symbol.trading else "suspend",
        "api-trading": "enabled",
        "min-order-amt": min_size,
        "max-order-amt": max_size,
        "limit-order-min-order-amt": min_size,
        "limit-order-max-order-amt": max_size,
        "min-order-value": json_number(symbol.min_notional),
    }


def ticker_row(name: str, stats: MarketStats) -> Row:
    """GET /market/tickers."""
    return {
        "symbol": name,
        "close": json_number(stats.last),
        "amount": json_number(stats.volume),
        "vol": json_number(stats.quote_volume),
        "bid": json_number(stats.bid),
        "bidSize": json_number(stats.bid_size),
        "ask": json_number(stats.ask),
        "askSize": json_number(stats.ask_size),
    }


def number_rows(levels: Levels) -> list[list[int | float]]:
    """[[price, size], ...] as numbers."""
    return [[json_number(price), json_number(size)] for price, size in levels]


def image_row(window: BookWindow) -> Row:
    """The tick of a whole book."""
    return {
        "version": window.last_id,
        "bids": number_rows(window.bids),
        "asks": number_rows(window.asks),
    }


def changes_row(window: BookWindow) -> Row:
    """The tick of what changed in a book; without prevSeqNum it is the whole window."""
    previous = {} if window.is_snapshot else {"prevSeqNum": window.previous_id}
    return {
        "seqNum": window.last_id,
        **previous,
        "bids": number_rows(window.bids),
        "asks": number_rows(window.asks),
    }


def trade_row(match: Match, trade_id_name: str) -> Row:
    """A trade in a list of one. Ids there are above 64 bits. "direction": the taker's side."""
    time_ms = milliseconds(match.time)
    return {
        "id": match.id,
        "ts": time_ms,
        "data": [
            {
                "id": 10**26 + match.id,
                trade_id_name: match.id,
                "price": json_number(match.price),
                "amount": json_number(match.amount),
                "direction": match.taker.side,
                "ts": time_ms,
            }
        ],
    }


# Rows of an account, where numbers are texts.


def order_type(order: Order) -> str:
    return f"{order.side}-{TYPE_OF_TERMS[order.type, order.tif]}"


def order_state(order: Order) -> str:
    if order.state == "filled":
        return "filled"
    if not order.is_open:
        return "partial-canceled" if order.filled else "canceled"
    return "canceling" if order.is_cancelling else OPEN_STATE[order.state]


def order_row(name: str, order: Order) -> Row:
    """What every route shows of an order."""
    state = order_state(order)
    closed_ms = 0 if order.is_open else milliseconds(order.updated)
    return {
        "id": order.id,
        "symbol": name,
        "account-id": ACCOUNT_ID,
        "client-order-id": order.client_id,
        "amount": decimal_text(order.size),
        "price": decimal_text(order.price),
        "type": order_type(order),
        "state": state,
        "source": "spot-api",
        "created-at": milliseconds(order.time),
        "finished-at": closed_ms,
        "canceled-at": 0 if state == "filled" else closed_ms,
    }


def open_order_row(name: str, order: Order) -> Row:
    """GET /v1/order/openOrders."""
    return order_row(name, order) | {
        "filled-amount": decimal_text(order.filled),
        "filled-cash-amount": decimal_text(order.quote_filled),
        "filled-fees": "0",
    }


def single_order_row(name: str, order: Order) -> Row:
    """GET /v1/order/orders/{id}, with other names (the venue's spelling)."""
    return order_row(name, order) | {
        "field-amount": decimal_text(order.filled),
        "field-cash-amount": decimal_text(order.quote_filled),
        "field-fees": "0",
    }


def fill_row(name: str, fill: Fill) -> Row:
    """GET /v1/order/matchresults."""
    return {
        "id": fill.trade_id,
        "trade-id": fill.trade_id,
        "match-id": fill.trade_id,
        "order-id": fill.order.id,
        "symbol": name,
        "type": order_type(fill.order),
        "source": "spot-api",
        "role": "maker" if fill.is_maker else "taker",
        "price": decimal_text(fill.price),
        "filled-amount": decimal_text(fill.amount),
        "filled-fees": exact_text(fill.fee),
        "fee-currency": fill.fee_asset.lower(),
        "filled-points": "0",
        "fee-deduct-currency": "",
        "fee-deduct-state": "done",
        "created-at": milliseconds(fill.time),
    }


def order_event_row(name: str, event: Event) -> Row:
    """orders#SYMBOL: what all events have. Purchases by value have no size, but a value."""
    order = event.order
    is_by_value = order.quote_amount is not None
    return {
        "symbol": name,
        "orderId": order.id,
        "clientOrderId": order.client_id,
        "type": order_type(order),
        "orderStatus": order_state(order),
        "orderSource": "spot-api",
        "orderPrice": decimal_text(order.price),
        "orderValue" if is_by_value else "orderSize": decimal_text(order.size),
        "eventType": EVENT_TYPE[event.kind],
    }


def creation_row(name: str, event: Event) -> Row:
    return order_event_row(name, event) | {
        "accountId": ACCOUNT_ID,
        "orderCreateTime": milliseconds(event.order.time),
    }


def order_trade_row(name: str, event: Event) -> Row:
    return order_event_row(name, event) | deal_row(event) | progress_row(event.order)


def cancellation_row(name: str, event: Event) -> Row:
    last_act = {"lastActTime": milliseconds(event.time)}
    return order_event_row(name, event) | last_act | progress_row(event.order)


def deal_row(event: Event) -> Row:
    """An event's trade."""
    return {
        "tradePrice": decimal_text(event.trade_price),
        "tradeVolume": decimal_text(event.trade_amount),
        "tradeId": event.trade_id,
        "tradeTime": milliseconds(event.time),
        "aggressor": not event.is_maker,
    }


def progress_row(order: Order) -> Row:
    """In quote where the size is."""
    executed = order.filled if order.quote_amount is None else order.quote_filled
    return {
        "remainAmt": decimal_text(order.size - executed),
        "execAmt": decimal_text(executed),
    }


def clearing_row(name: str, event: Event) -> Row:
    """trade.clearing#SYMBOL: a trade with its fee. Here the order's id is a text."""
    order = event.order
    return {
        "symbol": name,
        "orderId": str(order.id),
        "clientOrderId": order.client_id,
        "orderSide": order.side,
        "orderType": order_type(order),
        "orderStatus": order_state(order),
        "accountId": ACCOUNT_ID,
        "source": "spot-api",
        "orderPrice": decimal_text(order.price),
        "orderCreateTime": milliseconds(order.time),
        "eventType": EVENT_TYPE[event.kind],
        **deal_row(event),
        "transactFee": exact_text(event.fee),
        "feeCurrency": event.fee_asset.lower(),
        "feeDeduct": "0",
        "feeDeductType": "",
    }


def balance_row(balance: Balance, change_type: str | None, change_time_ms: int | None) -> Row:
    """accounts.update; without a change: what the account has when a client subscribes."""
    return {
        "currency": balance.asset.lower(),
        "accountId": ACCOUNT_ID,
        "balance": exact_text(balance.total),
        "available": exact_text(balance.free),
        "accountType": "trade",
        "changeType": change_type,
        "changeTime": change_time_ms,
    }


# Requests.


def order_terms(request: Request) -> OrderTerms:
    """POST /v1/order/orders/place. The amount of a purchase at the market's price is in quote."""
    side_name, _, type_name = request.string("type").lower().partition("-")
    if side_name not in SIDE_OF or type_name not in TERMS_OF_TYPE:
        raise Rejected(Reason.ILLEGAL, "type")
    side = SIDE_OF[side_name]
    kind, tif = TERMS_OF_TYPE[type_name]
    price = None if kind == "market" else request.decimal("price")
    size = request.decimal("amount")
    is_by_value = kind == "market" and side == "buy"
    return OrderTerms(
        side=side,
        kind=kind,
        tif=tif,
        amount=None if is_by_value else size,
        quote_amount=size if is_by_value else None,
        price=price,
        client_id=request.string("client-order-id", ""),
    )


class Dialect(BaseDialect):
    """Changes of the book on one socket, trades and images on another, both gzipped; an account on
    a third, as text."""

    name = "htx"
    recordings = Recordings()
    book_channel = BookChannel(levels=150)
    post_only_cancels = True
    cancel_delay_s = 0.03
    private_paths = ("/ws/v2",)
    public_ping_s = 5.0
    private_ping_s = 20.0
    refusals = {
        Reason.UNKNOWN_SYMBOL: Refusal(200, "base-symbol-error"),
        Reason.MARKET_CLOSED: Refusal(200, "base-symbol-trade-disabled"),
        Reason.PRICE_FILTER: Refusal(200, "order-orderprice-precision-error"),
        Reason.LOT_SIZE: Refusal(200, "order-orderamount-precision-error"),
        Reason.NOTIONAL: Refusal(200, "order-value-min-error"),
        Reason.INSUFFICIENT_BALANCE: Refusal(200, "account-frozen-balance-insufficient-error"),
        Reason.DUPLICATE_CLIENT_ID: Refusal(200, "invalid-client-order-id"),
        Reason.UNKNOWN_ORDER: Refusal(200, "order-orderstate-error"),
        Reason.NO_SUCH_ORDER: Refusal(200, "base-record-invalid"),
        Reason.MISSING: Refusal(200, "validation-constraints-required", "Field is missing: {}."),
        Reason.ILLEGAL: Refusal(200, "validation-format-error", "Format Error: {}."),
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
        UNKNOWN_TOPIC: Refusal(200, "bad-request", "invalid topic {}"),
        Reason.UNAVAILABLE: Refusal(503, "gateway-internal-error"),
        Reason.RATE_LIMITED: Refusal(429, "rate-too-many-requests"),
    }

    def routes(self) -> list[Route]:
        orders = "/v1/order/orders"
        return [
            PublicRoute("GET", "/v1/common/timestamp", self.get_time),
            PublicRoute("GET", "/v1/common/symbols", self.get_symbols),
            PublicRoute("GET", "/market/tickers", self.get_tickers),
            PublicRoute("GET", "/market/detail/merged", self.get_ticker),
            PublicRoute("GET", "/market/depth", self.get_depth),
            PublicRoute("GET", "/market/history/trade", self.get_trades),
            SignedRoute("GET", "/v1/account/accounts", self.get_accounts),
            SignedRoute("GET", "/v1/account/accounts/{id}/balance", self.get_balance),
            SignedRoute("POST", f"{orders}/place", self.post_order, kind="place"),
            SignedRoute("GET", "/v1/order/openOrders", self.get_open_orders),
            SignedRoute("GET", f"{orders}/getClientOrder", self.get_order_by_client_id),
            SignedRoute("GET", f"{orders}/{{id}}", self.get_order),
            SignedRoute("GET", f"{orders}/{{id}}/matchresults", self.get_fills_of_order),
            SignedRoute("GET", "/v1/order/matchresults", self.get_fills),
            SignedRoute("POST", f"{orders}/{{id}}/submitcancel", self.post_cancel, kind="cancel"),
            SignedRoute(
                "POST",
                f"{orders}/submitCancelClientOrder",
                self.post_cancel_by_client_id,
                kind="cancel",
            ),
            SignedRoute("GET", "/v2/reference/transact-fee-rate", self.get_fee_rates),
        ]

    def sockets(self) -> Mapping[str, SocketHandler]:
        return {
            "/ws": self.on_market_message,
            "/feed": self.on_market_message,
            "/ws/v2": self.on_account_message,
        }

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "").lower()

    def error_body(self, code: int | str, message: str, request: Request | None) -> Any:
        return {"status": "error", "err-code": code, "err-msg": message, "data": None}

    def result(self, body: Any) -> Row:
        """Ticks stand in the envelope themselves."""
        has_tick = isinstance(body, dict) and "tick" in body
        return {"status": "ok", "code": 200} | (body if has_tick else {"data": body})

    def retry_headers(self, retry_after_s: int) -> dict[str, str]:
        """Until when (ms) a limit refuses."""
        until_ms = milliseconds(self.server.now_ns()) + retry_after_s * 1000
        return {"X-HB-RateLimit-Requests-Expire": str(until_ms)}

    def verify(self, request: Request) -> Account:
        signed = [each for each in request.query.split("&") if not each.startswith("Signature=")]
        lines = [request.method, request.host, request.path, "&".join(sorted(signed))]
        timestamp = request.string("Timestamp", "")
        utc = Params({"Timestamp": f"{timestamp}Z"})
        return self.signing_account(
            api_key=request.string("AccessKeyId", ""),
            signature=request.string("Signature", ""),
            payload="\n".join(lines),
            encoding="base64",
            signed_at_s=utc.time_s("Timestamp") if timestamp else 0.0,
            max_age_s=300.0,
            max_ahead_s=300.0,
        )

    # Public data by REST.

    def get_time(self, request: Request) -> int:
        return milliseconds(self.server.now_ns())

    def get_symbols(self, request: Request) -> list[Row]:
        return [symbol_row(self.symbol(symbol.pair), symbol) for symbol in self.markets()]

    def get_tickers(self, request: Request) -> list[Row]:
        return [self.ticker(symbol.pair) for symbol in self.markets()]

    def ticker(self, pair: str) -> Row:
        return ticker_row(self.symbol(pair), self.market_stats(pair))

    def get_ticker(self, request: Request) -> Row:
        return {"tick": self.ticker(self.pair_of(request.string("symbol", "")))}

    def get_depth(self, request: Request) -> Row:
        pair = self.pair_of(request.string("symbol", ""))
        window = self.books.requested(pair, limit=request.integer("depth", RECENT))
        return {"tick": image_row(window)}

    def get_trades(self, request: Request) -> list[Row]:
        """Newest first."""
        pair = self.pair_of(request.string("symbol", ""))
        trades = self.recent_trades(pair, request.integer("size", RECENT))
        return [trade_row(match, "trade-id") for match in reversed(trades)]

    # An account by REST.

    def get_accounts(self, request: Request, account: Account) -> list[Row]:
        return [{"id": ACCOUNT_ID, "type": "spot", "subtype": "", "state": "working"}]

    def get_balance(self, request: Request, account: Account) -> Row:
        free = [
            {
                "currency": balance.asset.lower(),
                "type": "trade",
                "balance": exact_text(balance.free),
            }
            for balance in account.balances()
        ]
        held = [
            {
                "currency": balance.asset.lower(),
                "type": "frozen",
                "balance": exact_text(balance.held),
            }
            for balance in account.balances()
        ]
        return {"id": ACCOUNT_ID, "list": free + held}

    def post_order(self, request: Request, account: Account) -> str:
        terms = order_terms(request)
        pair = self.pair_of(request.string("symbol"))
        return str(self.place_order(account, pair, terms).id)

    def get_open_orders(self, request: Request, account: Account) -> list[Row]:
        pair = self.optional_pair(request.string("symbol", ""))
        orders = self.orders_of(account, pair, is_open=True)
        return [open_order_row(self.symbol(order.symbol), order) for order in orders]

    def get_order(self, request: Request, account: Account) -> Row:
        order = self.find_order(account, order_id=request.string("id"))
        return single_order_row(self.symbol(order.symbol), order)

    def get_order_by_client_id(self, request: Request, account: Account) -> Row:
        order = self.find_order(account, client_id=request.string("clientOrderId", ""))
        return single_order_row(self.symbol(order.symbol), order)

    def get_fills_of_order(self, request: Request, account: Account) -> list[Row]:
        """Newest first."""
        order = self.find_order(
            account, order_id=request.string("id"), otherwise=Reason.UNKNOWN_ORDER
        )
        fills = self.fills_of(account, order=order)
        return [fill_row(self.symbol(order.symbol), fill) for fill in reversed(fills)]

    def get_fills(self, request: Request, account: Account) -> list[Row]:
        """Newest first; those before the trade "from"."""
        fills = self.fills_of(
            account,
            self.optional_pair(request.string("symbol", "")),
            before_trade_id=request.integer("from", 0) or None,
            limit=request.integer("size", RECENT),
        )
        return [fill_row(self.symbol(fill.order.symbol), fill) for fill in reversed(fills)]

    def post_cancel(self, request: Request, account: Account) -> str:
        return str(self.cancel_order(account, order_id=request.string("id")).id)

    def post_cancel_by_client_id(self, request: Request, account: Account) -> int:
        """The state of the newest order with that id."""
        client_id = request.string("client-order-id")
        orders = [order for order in self.orders_of(account) if order.client_id == client_id]
        if not orders:
            return NOT_FOUND
        order = orders[-1]
        if not order.is_open:
            return CANCEL_RESULT[order_state(order)]
        self.cancel_order(account, order_id=str(order.id))
        return CANCELING

    def get_fee_rates(self, request: Request, account: Account) -> list[Row]:
        maker_fee = str(self.venue.maker_fee)
        taker_fee = str(self.venue.taker_fee)
        return [
            {
                "symbol": self.symbol(symbol.pair),
                "makerFeeRate": maker_fee,
                "takerFeeRate": taker_fee,
                "actualMakerRate": maker_fee,
                "actualTakerRate": taker_fee,
            }
            for symbol in self.markets(self.optional_pair(request.string("symbols", "")))
        ]

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
        """An account's messages have an action and a channel."""
        _, text = self.refusal_of(refusal.reason, refusal.detail)
        if "action" in message or "ch" in message:
            return {
                "action": message.get("action", None),
                "ch": message.get("ch", None),
                "code": INVALID_REQUEST,
                "message": text,
            }
        return {
            "status": "error",
            "err-code": "bad-request",
            "err-msg": text,
            "id": message.get("id", None),
        }

    # Market data.

    def on_market_message(self, connection: Connection, message: Message) -> None:
        """sub, unsub, and req for a book at once."""
        action = next((name for name in ("sub", "unsub", "req") if name in message), "sub")
        topic = message.string(action)
        pair = self.pair_of_topic(connection, topic)
        answer = {
            "id": message.get("id", None),
            "status": "ok",
            "ts": milliseconds(self.server.now_ns()),
        }
        if action == "req":
            tick = self.tick(topic, self.books.requested(pair))
            self.send(connection, answer | {"rep": topic, "data": tick})
        elif action == "unsub":
            self.unsubscribe(connection, [topic], answer | {"unsubbed": topic})
        else:
            self.subscribe(connection, [topic], answer | {"subbed": topic})
            if topic == self.trade_topic(pair):
                for match in self.recent_trades(pair, limit=1):
                    self.send(connection, self.trade_frame(match))

    def pair_of_topic(self, connection: Connection, topic: str) -> str:
        """Raises Rejected: UNKNOWN_SYMBOL, UNKNOWN_TOPIC."""
        _, symbol, channel = split_topic(topic)
        if not channel:
            raise Rejected(UNKNOWN_TOPIC, topic)
        pair = self.pair_of(symbol)
        if channel not in CHANNELS[connection.path]:
            raise Rejected(UNKNOWN_TOPIC, topic)
        return pair

    def book_topics(self, pair: str) -> Mapping[str, int]:
        return {f"market.{self.symbol(pair)}.{CHANGES}": 0}

    def snapshot_topics(self, pair: str) -> list[str]:
        return [f"market.{self.symbol(pair)}.{IMAGES}"]

    def trade_topic(self, pair: str) -> str:
        return f"market.{self.symbol(pair)}.{TRADES}"

    def tick(self, topic: str, window: BookWindow) -> Row:
        return changes_row(window) if topic.endswith(CHANGES) else image_row(window)

    def book_frame(
        self, topic: str, window: BookWindow, connection: Connection, now_ns: int
    ) -> Row:
        return {"ch": topic, "ts": milliseconds(now_ns), "tick": self.tick(topic, window)}

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        return {self.trade_topic(match.symbol): self.trade_frame(match)}

    def trade_frame(self, match: Match) -> Row:
        return {
            "ch": self.trade_topic(match.symbol),
            "ts": milliseconds(match.time),
            "tick": trade_row(match, "tradeId"),
        }

    # An account's socket.

    def on_account_message(self, connection: Connection, message: Message) -> None:
        """The authentication, sub and unsub."""
        action = message.string("action")
        topic = message.string("ch")
        answer = {"action": action, "ch": topic, "code": 200, "data": {}}
        if topic == "auth":
            self.authenticate(connection, message.params("params"))
        if connection.account is None:
            error = "auth.fail" if topic == "auth" else "invalid.auth.state"
            self.send(connection, answer | {"code": NO_AUTHENTICATION, "message": error})
            return
        if action == "sub":
            self.subscribe(connection, [topic], answer)
        else:
            self.unsubscribe(connection, [topic], answer)
        if topic.startswith("accounts"):
            for balance in connection.account.balances():
                row = balance_row(balance, change_type=None, change_time_ms=None)
                self.send(connection, self.account_frame(topic, row, connection))

    def authenticate(self, connection: Connection, params: Params) -> None:
        api_key = params.string("accessKey")
        signature = params.string("signature")
        signed = {
            name: params.values[name]
            for name in sorted(params.values)
            if name not in ("authType", "signature")
        }
        # One client signs the whole address where the path is meant.
        for path in (connection.path, f"ws://{connection.host}{connection.path}"):
            with suppress(Rejected):
                connection.account = self.signing_account(
                    api_key=api_key,
                    signature=signature,
                    payload=f"GET\n{connection.host}\n{path}\n{urlencode(signed)}",
                    encoding="base64",
                )

    def event_topic(self, topic: str) -> str:
        """Up to its mark: orders of orders#btcusdt."""
        return topic.partition("#")[0]

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        name = self.symbol(event.order.symbol)
        rows: list[tuple[str, Row]] = []
        if event.kind == "new":
            rows.append(("orders", creation_row(name, event)))
        elif event.kind == "trade":
            rows.append(("orders", order_trade_row(name, event)))
            rows.append(("trade.clearing", clearing_row(name, event)))
        else:
            rows.append(("orders", cancellation_row(name, event)))
        now_ms = milliseconds(self.server.now_ns())
        for balance in event.order.account.balances(*event.order.symbol.split("-")):
            rows.append(("accounts.update", balance_row(balance, "order-match", now_ms)))
        return rows

    def account_frame(self, topic: str, row: Row, connection: Connection) -> Frame:
        return {"action": "push", "ch": topic, "data": row}
