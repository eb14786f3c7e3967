"""Coinbase Exchange from the venue's side.

Source: its public API documentation (REST, websocket feed).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from trochil.sandbox.book_windows import BookWindow, level_rows
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
from trochil.sandbox.formats import decimal_text, exact_text, iso_time, seconds_text, uuid_of
from trochil.sandbox.market.accounts import Account, Balance
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Fill, Rejected, Symbol
from trochil.sandbox.recorded import Record, Rows, parse_json
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.requests import Message, Params, Request

SIDE_OF: dict[str, Side] = {"buy": "buy", "sell": "sell"}
ORDER_KIND: dict[str, OrderKind] = {"limit": "limit", "market": "market"}
TIME_IN_FORCE: dict[str, TimeInForce] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK"}
DONE_REASON = {"filled": "filled", "cancelled": "canceled", "expired": "canceled"}
LOGIN_PAYLOAD = "GET/users/self/verify"
"""What a subscription with a signature signs, behind its timestamp."""
REJECTED = "rejected"
"""The code of a refusal that is answered with HTTP 200 and an order of this status."""


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


# Rows.


def nonzero(**amounts: Decimal | None) -> dict[str, str]:
    """Those that an order has."""
    return {name: decimal_text(amount) for name, amount in amounts.items() if amount}


def product_row(symbol: Symbol) -> Row:
    """GET /products."""
    return {
        "id": symbol.pair,
        "base_currency": symbol.base,
        "quote_currency": symbol.quote,
        "quote_increment": decimal_text(symbol.price_tick),
        "base_increment": decimal_text(symbol.size_step),
        "status": "online" if symbol.trading else "delisted",
        "min_market_funds": decimal_text(symbol.min_notional),
        "trading_disabled": False,
        "margin_enabled": False,
        "post_only": False,
    }


def stats_row(stats: MarketStats) -> Row:
    """GET /products/stats."""
    last = decimal_text(stats.last)
    return {
        "id": stats.pair,
        "stats_24hour": {
            "open": last,
            "high": last,
            "low": last,
            "last": last,
            "volume": decimal_text(stats.volume),
        },
    }


def ticker_row(stats: MarketStats, now_ns: int) -> Row:
    """GET /products/{product}/ticker."""
    return {
        "bid": decimal_text(stats.bid),
        "ask": decimal_text(stats.ask),
        "price": decimal_text(stats.last),
        "volume": decimal_text(stats.volume),
        "time": iso_time(now_ns),
    }


def trade_row(match: Match) -> Row:
    """GET /products/{product}/trades. "side": the maker's."""
    return {
        "trade_id": match.id,
        "price": decimal_text(match.price),
        "size": decimal_text(match.amount),
        "side": match.maker.side,
        "time": iso_time(match.time),
    }


def resting_row(order: Order) -> list[str]:
    """GET /products/{product}/book?level=3."""
    return [decimal_text(order.price), decimal_text(order.remaining), uuid_of(order.id)]


def order_type(order: Order) -> str:
    return "market" if order.is_market else "limit"


def order_row(order: Order) -> Row:
    """GET /orders, and whatever else shows an order."""
    row = {
        "id": uuid_of(order.id),
        "client_oid": order.client_id,
        "product_id": order.symbol,
        "side": order.side,
        "type": order_type(order),
        "time_in_force": order.tif,
        "post_only": order.is_post_only,
        **nonzero(size=order.amount, price=order.price, funds=order.quote_amount),
        "filled_size": decimal_text(order.filled),
        "executed_value": decimal_text(order.quote_filled),
        "fill_fees": decimal_text(order.fees),
        "status": "open" if order.is_open else "done",
        "created_at": iso_time(order.time),
    }
    if not order.is_open:
        row["done_at"] = iso_time(order.updated)
        row["done_reason"] = DONE_REASON[order.state]
    return row


def rejected_row(message: str, now_ns: int) -> Row:
    """What a rejected order has besides what its client sent."""
    return {
        "id": "0",
        "status": REJECTED,
        "filled_size": "0",
        "executed_value": "0",
        "created_at": iso_time(now_ns),
        "reject_reason": message,
    }


def account_row(balance: Balance) -> Row:
    """GET /accounts."""
    return {
        "id": balance.asset,
        "currency": balance.asset,
        "balance": exact_text(balance.total),
        "hold": exact_text(balance.held),
        "available": exact_text(balance.free),
    }


def fill_row(fill: Fill) -> Row:
    """GET /fills. "side": the account's."""
    return {
        "trade_id": fill.trade_id,
        "product_id": fill.order.symbol,
        "order_id": uuid_of(fill.order.id),
        "created_at": iso_time(fill.time),
        "liquidity": "M" if fill.is_maker else "T",
        "side": fill.order.side,
        "price": decimal_text(fill.price),
        "size": decimal_text(fill.amount),
        "fee": exact_text(fill.fee),
        "settled": True,
    }


# Messages of the full channel, without what they have in common.


def received_row(order: Order) -> Row:
    return {
        "order_id": uuid_of(order.id),
        "side": order.side,
        "order_type": order_type(order),
        **nonzero(size=order.amount, funds=order.quote_amount, price=order.price),
    }


def open_row(order: Order) -> Row:
    return {
        "order_id": uuid_of(order.id),
        "side": order.side,
        "price": decimal_text(order.price),
        "remaining_size": decimal_text(order.remaining),
    }


def done_row(order: Order) -> Row:
    return {
        "order_id": uuid_of(order.id),
        "side": order.side,
        **nonzero(price=order.price, remaining_size=order.remaining),
        "reason": DONE_REASON[order.state],
    }


def match_row(match: Match) -> Row:
    """ "side": the maker's."""
    return {
        "trade_id": match.id,
        "maker_order_id": uuid_of(match.maker.id),
        "taker_order_id": uuid_of(match.taker.id),
        "side": match.maker.side,
        "size": decimal_text(match.amount),
        "price": decimal_text(match.price),
    }


ORDER_ROWS = {"received": received_row, "open": open_row, "done": done_row}


def subscriptions_row(topics: Iterable[str]) -> Row:
    """All that a connection follows: topics are CHANNEL:PRODUCT."""
    products: dict[str, list[str]] = {}
    for topic in sorted(topics, key=lambda topic: topic.split(":", 1)):
        channel, _, product = topic.partition(":")
        products.setdefault(channel, []).append(product)
    return {
        "type": "subscriptions",
        "channels": [
            {"name": channel, "product_ids": products[channel], "account_ids": None}
            for channel in products
        ],
    }


# Requests.


def order_terms(request: Request) -> OrderTerms:
    """POST /orders. A size in base, or funds in quote."""
    side = SIDE_OF.get(request.string("side").lower())
    if side is None:
        raise Rejected(Reason.ILLEGAL, "side")
    kind = request.choice("type", ORDER_KIND, "limit")
    tif = request.choice("time_in_force", TIME_IN_FORCE, "GTC")
    if kind == "limit" and request.flag("post_only"):
        kind = "post_only"
    price = None if kind == "market" else request.decimal("price")
    funds = request.optional_decimal("funds")
    return OrderTerms(
        side=side,
        kind=kind,
        tif=tif if kind == "limit" else "GTC",
        amount=request.decimal("size") if funds is None else None,
        quote_amount=funds,
        price=price,
        client_id=request.client_uuid("client_oid"),
    )


def topics_of(message: Message) -> list[str]:
    """CHANNEL:PRODUCT of all that a message names. A channel may have products of its own."""
    channels = message["channels"]
    if not isinstance(channels, list):
        raise Rejected(Reason.ILLEGAL, "channels")
    topics = []
    for each in channels:
        if not isinstance(each, str | dict):
            raise Rejected(Reason.ILLEGAL, "channels")
        channel = Params({"name": each} if isinstance(each, str) else each)
        chosen = channel if channel.get("product_ids") else message
        products = chosen.strings("product_ids") if "product_ids" in chosen else []
        topics += [f"{channel.string('name')}:{product}" for product in products]
    return topics


class Dialect(BaseDialect):
    """One sequence a product for every message of the full channel; level 3 by REST seeds it."""

    name = "coinbase"
    pairs = ("BTC-USD", "ETH-USD", "SOL-USD", "ETH-BTC")
    recordings = Recordings()
    fee_in_quote = True
    extra_key_fields = ("passphrase",)
    secrets_are_base64 = True
    snapshot_on_subscribe = True
    refusals = {
        Reason.UNKNOWN_SYMBOL: Refusal(404, message="NotFound"),
        Reason.UNKNOWN_ORDER: Refusal(404, message="order not found"),
        Reason.MARKET_CLOSED: Refusal(400, message="Trading pair not available"),
        Reason.PRICE_FILTER: Refusal(400, message="price is too precise"),
        Reason.LOT_SIZE: Refusal(400, message="size is too small. Minimum size is 0.00001"),
        Reason.NOTIONAL: Refusal(400, message="size is too small. Minimum notional is 5"),
        Reason.INSUFFICIENT_BALANCE: Refusal(400, message="Insufficient funds"),
        Reason.DUPLICATE_CLIENT_ID: Refusal(400, message="client_oid is a duplicate"),
        Reason.WOULD_TAKE: Refusal(200, REJECTED, "post only"),
        Reason.NOT_OPEN: Refusal(400, message="Order already done"),
        Reason.BAD_TIME: Refusal(400, message="request timestamp expired"),
        Reason.MISSING: Refusal(400, message="{} is required"),
        Reason.ILLEGAL: Refusal(400, message="Invalid {}"),
        Reason.NO_LOGIN: Refusal(
            401, message="level2, level3, and full channels now require authentication"
        ),
        Reason.NO_KEY: Refusal(401, message="CB-ACCESS-KEY header is required"),
        Reason.BAD_KEY: Refusal(401, message="Invalid API Key"),
        Reason.BAD_PASSPHRASE: Refusal(401, message="Invalid Passphrase"),
        Reason.BAD_SIGNATURE: Refusal(401, message="invalid signature"),
        Reason.UNAVAILABLE: Refusal(503),
        Reason.RATE_LIMITED: Refusal(429, message="Private rate limit exceeded"),
    }

    def routes(self) -> list[Route]:
        return [
            PublicRoute("GET", "/time", self.get_time),
            PublicRoute("GET", "/currencies", self.get_currencies),
            PublicRoute("GET", "/products", self.get_products),
            PublicRoute("GET", "/products/stats", self.get_stats),
            PublicRoute("GET", "/products/{product}/ticker", self.get_ticker),
            PublicRoute("GET", "/products/{product}/trades", self.get_trades),
            PublicRoute("GET", "/products/{product}/book", self.get_book),
            SignedRoute("POST", "/orders", self.post_order, kind="place"),
            SignedRoute("GET", "/orders", self.get_orders),
            SignedRoute("GET", "/orders/client:{client_oid}", self.get_order_by_client_id),
            SignedRoute("GET", "/orders/{id}", self.get_order),
            SignedRoute(
                "DELETE",
                "/orders/client:{client_oid}",
                self.delete_order_by_client_id,
                kind="cancel",
            ),
            SignedRoute("DELETE", "/orders/{id}", self.delete_order, kind="cancel"),
            SignedRoute("GET", "/accounts", self.get_accounts),
            SignedRoute("GET", "/fees", self.get_fees),
            SignedRoute("GET", "/fills", self.get_fills),
        ]

    def sockets(self) -> Mapping[str, SocketHandler]:
        return {"/": self.on_message, "/path": self.on_message}

    def symbol(self, pair: str) -> str:
        return pair

    def error_body(self, code: int | str, message: str, request: Request | None) -> Any:
        """A rejected order is shown with what its client sent."""
        if code != REJECTED:
            return {"message": message}
        sent = request.body if request is not None and isinstance(request.body, dict) else {}
        return sent | rejected_row(message, self.server.now_ns())

    def verify(self, request: Request) -> Account:
        signed = Params(
            {
                "key": request.header("CB-ACCESS-KEY"),
                "signature": request.header("CB-ACCESS-SIGN"),
                "timestamp": request.header("CB-ACCESS-TIMESTAMP"),
                "passphrase": request.header("CB-ACCESS-PASSPHRASE"),
            }
        )
        return self.signed_account(request.method + request.target + request.text, signed)

    def signed_account(self, payload: str, signed: Params) -> Account:
        """The account that signed the payload behind its timestamp (Unix seconds)."""
        timestamp = signed.string("timestamp", "")
        return self.signing_account(
            api_key=signed.string("key", ""),
            signature=signed.string("signature", ""),
            payload=f"{timestamp}{payload}",
            encoding="base64",
            signed_at_s=float(signed.decimal("timestamp")) if timestamp else 0.0,
            passphrase=signed.string("passphrase", ""),
        )

    # Public data by REST.

    def get_time(self, request: Request) -> Row:
        now_ns = self.server.now_ns()
        return {"iso": iso_time(now_ns), "epoch": float(seconds_text(now_ns))}

    def get_currencies(self, request: Request) -> list[Row]:
        return []

    def get_products(self, request: Request) -> list[Row]:
        return [product_row(symbol) for symbol in self.markets()]

    def get_stats(self, request: Request) -> dict[str, Row]:
        return {symbol.pair: stats_row(self.market_stats(symbol.pair)) for symbol in self.markets()}

    def get_ticker(self, request: Request) -> Row:
        pair = self.pair_of(request.string("product"))
        return ticker_row(self.market_stats(pair), self.server.now_ns())

    def get_trades(self, request: Request) -> list[Row]:
        """Newest first."""
        pair = self.pair_of(request.string("product"))
        trades = self.recent_trades(pair, request.integer("limit", RECENT))
        return [trade_row(match) for match in reversed(trades)]

    def get_book(self, request: Request) -> Row:
        """Level 1: the best of each side; 2: all; 3: every order."""
        pair = self.pair_of(request.string("product"))
        level = request.string("level", "1")
        return {
            "sequence": self.numbers[pair],
            "bids": self.book_side(pair, "buy", level),
            "asks": self.book_side(pair, "sell", level),
        }

    def book_side(self, pair: str, side: Side, level: str) -> list[list[Any]]:
        if level == "3":
            return [resting_row(order) for order in self.books.resting_orders(pair, side)]
        levels = self.server.book(pair).levels(side)
        shown = levels[:1] if level == "1" else levels
        return [[decimal_text(price), decimal_text(size), 1] for price, size in shown]

    # An account by REST.

    def post_order(self, request: Request, account: Account) -> Row:
        terms = order_terms(request)
        pair = self.pair_of(request.string("product_id"))
        return order_row(self.place_order(account, pair, terms))

    def get_orders(self, request: Request, account: Account) -> list[Row]:
        """The open ones, unless "status" names done or all."""
        pair = self.optional_pair(request.string("product_id", ""))
        statuses = request.string("status", "").split(",")
        has_closed = "done" in statuses or "all" in statuses
        orders = self.orders_of(account, pair, is_open=None if has_closed else True)
        return [order_row(order) for order in orders]

    def get_order(self, request: Request, account: Account) -> Row:
        return order_row(self.find_order(account, order_id=request.string("id")))

    def get_order_by_client_id(self, request: Request, account: Account) -> Row:
        return order_row(self.find_order(account, client_id=request.string("client_oid")))

    def delete_order(self, request: Request, account: Account) -> str:
        return uuid_of(self.cancel_order(account, order_id=request.string("id")).id)

    def delete_order_by_client_id(self, request: Request, account: Account) -> str:
        return uuid_of(self.cancel_order(account, client_id=request.string("client_oid")).id)

    def get_accounts(self, request: Request, account: Account) -> list[Row]:
        return [account_row(balance) for balance in account.balances()]

    def get_fees(self, request: Request, account: Account) -> Row:
        return {
            "maker_fee_rate": str(self.venue.maker_fee),
            "taker_fee_rate": str(self.venue.taker_fee),
        }

    def get_fills(self, request: Request, account: Account) -> list[Row]:
        """Newest first. "before" a trade in the list: newer ones; "after" it: older ones."""
        order_id = request.string("order_id", "")
        fills = self.fills_of(
            account,
            self.optional_pair(request.string("product_id", "")),
            order=self.find_order(account, order_id=order_id) if order_id else None,
            after_trade_id=request.integer("before", 0) or None,
            before_trade_id=request.integer("after", 0) or None,
        )
        return [fill_row(fill) for fill in reversed(fills)]

    # The socket.

    def on_message(self, connection: Connection, message: Message) -> None:
        """subscribe and unsubscribe, answered by all that the connection follows then."""
        is_subscribing = message["type"] == "subscribe"
        topics = topics_of(message)
        if "signature" in message:
            connection.account = self.signed_account(LOGIN_PAYLOAD, message)
        if is_subscribing:
            followed = connection.topics.union(topics)
            self.subscribe(connection, topics, subscriptions_row(followed))
        else:
            followed = connection.topics.difference(topics)
            self.unsubscribe(connection, topics, subscriptions_row(followed))

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        _, text = self.refusal_of(refusal.reason, refusal.detail)
        return {
            "type": "error",
            "message": "Failed to subscribe",
            "reason": json.dumps({"message": text}),
        }

    def needs_login(self, topic: str) -> bool:
        return topic.startswith(("full:", "level2:", "level3:", "user:"))

    def book_topics(self, pair: str) -> Mapping[str, int]:
        return {f"level2:{pair}": 0, f"level2_batch:{pair}": 0}

    def book_frame(
        self, topic: str, window: BookWindow, connection: Connection, now_ns: int
    ) -> Row:
        if window.is_snapshot:
            return {
                "type": "snapshot",
                "product_id": window.pair,
                "bids": level_rows(window.bids),
                "asks": level_rows(window.asks),
            }
        bids = [["buy", price, size] for price, size in level_rows(window.bids)]
        asks = [["sell", price, size] for price, size in level_rows(window.asks)]
        return {
            "type": "l2update",
            "product_id": window.pair,
            "changes": bids + asks,
            "time": iso_time(now_ns),
        }

    def on_book_event(self, kind: str, order: Order, match: Match | None) -> None:
        """The next message of the product's sequence, also sent to the order's account."""
        pair = order.symbol
        frame = {
            "type": kind,
            "product_id": pair,
            "sequence": self.count(pair),
            **(ORDER_ROWS[kind](order) if match is None else match_row(match)),
            "time": iso_time(self.server.now_ns()),
        }
        self.publish(f"full:{pair}", frame)
        if match is not None:
            self.publish(f"matches:{pair}", frame)
            self.send_match(match, frame)
            return
        own = {"user_id": order.account.name}
        if kind == "received":
            own["client_oid"] = order.client_id
        self.send_to_account(order.account, f"user:{pair}", frame | own)

    def send_match(self, match: Match, frame: Row) -> None:
        """To both sides, each with its own fee."""
        topic = f"user:{match.symbol}"
        maker = match.maker.account
        taker = match.taker.account
        maker_fields = {
            "user_id": maker.name,
            "maker_user_id": maker.name,
            "maker_fee_rate": str(self.venue.maker_fee),
        }
        taker_fields = {
            "user_id": taker.name,
            "taker_user_id": taker.name,
            "taker_fee_rate": str(self.venue.taker_fee),
        }
        self.send_to_account(maker, topic, frame | maker_fields)
        self.send_to_account(taker, topic, frame | taker_fields)
