"""Coinbase Exchange from the venue's side. Source: its API documentation (REST, websocket feed)."""

import base64
import hashlib
import hmac
import secrets
from typing import Any
from uuid import UUID

from trochil.sandbox.accounts import ZERO, Account
from trochil.sandbox.dialect import Ask, Levels, Wire, route, rows, socket
from trochil.sandbox.facts import iso, text
from trochil.sandbox.matching import Match, Order
from trochil.sandbox.server import Connection, Server
from trochil.sandbox.venue import Fill, Rejected, Symbol

REFUSALS = {
    "unknown_symbol": (404, "NotFound"),
    "market_closed": (400, "Trading pair not available"),
    "price_filter": (400, "price is too precise"),
    "lot_size": (400, "size is too small. Minimum size is 0.00001"),
    "notional": (400, "size is too small. Minimum notional is 5"),
    "insufficient_balance": (400, "Insufficient funds"),
    "duplicate_client_id": (400, "client_oid is a duplicate"),
    "unknown_order": (404, "order not found"),
    "done": (400, "Order already done"),
    "no_key": (401, "CB-ACCESS-KEY header is required"),
    "bad_key": (401, "Invalid API Key"),
    "bad_signature": (401, "invalid signature"),
    "bad_time": (400, "request timestamp expired"),
    "missing": (400, "{} is required"),
    "illegal": (400, "Invalid {}"),
    "unavailable": (503, "Service unavailable"),
    "timeout": (504, "gateway timeout"),
    "rate_limited": (429, "Private rate limit exceeded"),
    "banned": (429, "Public rate limit exceeded"),
}
PRIVATE = {"full", "level2", "level3", "user"}
NO_LOGIN = "level2, level3, and full channels now require authentication."
DONE = {"filled": "filled"}
FIELDS = ("key", "sign", "timestamp", "passphrase")


def uuid(order: Order) -> str:
    return str(UUID(int=order.id))


class Dialect(Wire):
    """One sequence a product for every message; level 3 by REST seeds the full channel."""

    name = "coinbase"
    pairs = ("BTC-USD", "ETH-USD", "SOL-USD", "ETH-BTC")

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.venue.fee_in_quote = True
        self._sequence: dict[str, int] = {}

    def new_keys(self, name: str) -> dict[str, str]:
        secret = base64.b64encode(secrets.token_bytes(32)).decode()
        return super().new_keys(name) | {"api_secret": secret, "passphrase": secrets.token_hex(6)}

    refusals = {why: (status, "", message) for why, (status, message) in REFUSALS.items()}

    def refused(self, code: str, message: str) -> Any:
        return {"message": message}

    def verify(self, ask: Ask) -> Account:
        fields = {name: ask.header.get(f"CB-ACCESS-{name.upper()}", "") for name in FIELDS}
        return self._check(fields, ask.request.method + ask.target + ask.text)

    def _check(self, fields: dict[str, Any], payload: str) -> Account:
        account = self.server.account_of_key(fields["key"])
        if account is None or fields["passphrase"] != account.keys["passphrase"]:
            raise Rejected("bad_key" if fields["key"] else "no_key")
        signed = f"{fields['timestamp']}{payload}".encode()
        digest = hmac.new(base64.b64decode(account.keys["api_secret"]), signed, hashlib.sha256).digest()
        if not hmac.compare_digest(base64.b64encode(digest).decode(), fields.get("sign") or fields["signature"]):
            raise Rejected("bad_signature")
        if abs(float(fields["timestamp"]) - self.server.now_ns() / 1e9) > 30:
            raise Rejected("bad_time")
        return account

    @route("GET /time", signed=False)
    def time(self, ask: Ask) -> Any:
        return {"iso": iso(self.server.now_ns()), "epoch": self.server.now_ns() / 1e9}

    @route("GET /products", signed=False)
    def products(self, ask: Ask) -> Any:
        return [product(symbol) for symbol in self.listed()]

    @route("GET /currencies", signed=False)
    def currencies(self, ask: Ask) -> Any:
        return []

    @route("GET /products/stats", signed=False)
    def all_stats(self, ask: Ask) -> Any:
        return {symbol.pair: {"stats_24hour": self._stats(symbol.pair)} for symbol in self.listed()}

    @route("GET /products/{product_id}/stats", "GET /products/{product_id}/ticker", signed=False)
    def ticker(self, ask: Ask) -> Any:
        pair = self.pair(ask["product_id"])
        bid, ask_price = text(self.best(pair, "buy")), text(self.best(pair, "sell"))
        what = {"bid": bid, "ask": ask_price, "price": text(self.last(pair)), "time": iso(self.server.now_ns())}
        return self._stats(pair) | what

    def _stats(self, pair: str) -> dict[str, str]:
        return dict.fromkeys(("open", "high", "low", "last"), text(self.last(pair))) | {
            "volume": text(self.venue.volume[pair][0])
        }

    @route("GET /products/{product_id}/book", signed=False)
    def book(self, ask: Ask) -> Any:
        pair, level = self.pair(ask["product_id"]), int(ask.get("level", 1))
        whole, found = self.server.book(pair), {"sequence": self._sequence.get(pair, 1)}  # type: Any, dict[str, Any]
        for name, side in (("bids", "buy"), ("asks", "sell")):
            levels = whole.levels(side)[: 1 if level == 1 else None]
            orders = [order for price, _ in levels for order in whole.sides[side][price].orders]
            each = [[text(order.price or ZERO), text(order.left), uuid(order)] for order in orders]
            found[name] = each if level == 3 else [[*row, 1] for row in rows(levels)]
        return found

    @route("GET /products/{product_id}/trades", signed=False)
    def trades(self, ask: Ask) -> Any:
        return [trade(match) for match in reversed(self.recent.get(self.pair(ask["product_id"]), []))]

    @route("POST /orders", kind="place")
    def take_order(self, ask: Ask, account: Account) -> Any:
        kind, pair = ask.get("type", "limit"), self.pair(ask["product_id"])
        type = "post_only" if ask.get("post_only") in (True, "true") else kind
        funds = ask.number("funds") if "funds" in ask.params else None
        size = ask.number("size") if funds is None else ZERO
        price = None if kind == "market" else ask.number("price")
        terms = {"tif": ask.get("time_in_force") or "GTC", "client_id": ask.get("client_oid")}
        try:
            order = self.place(account, pair, ask["side"], type, size, price, quote_amount=funds, **terms)
        except Rejected as refusal:
            if refusal.why != "would_take":
                raise
            now = self.server.now_ns()
            refused = Order(0, terms["client_id"], account, pair, ask["side"], type, "GTC", size, price, now)
            return self._order(refused) | {"status": "rejected", "reject_reason": "post only"}
        return self._order(order)

    @route("DELETE /orders/{order_id}", kind="cancel")
    def cancel_order(self, ask: Ask, account: Account) -> Any:
        order = self._named(ask, account)
        if not order.is_open:
            raise Rejected("done")
        self.cancel(order)
        return uuid(order)

    @route("DELETE /orders", kind="cancel")
    def cancel_all(self, ask: Ask, account: Account) -> Any:
        return [uuid(order) for order in self.cancel_open(account, ask.get("product_id").replace("/", "-") or None)]

    def _named(self, ask: Ask, account: Account) -> Order:
        name = ask["order_id"]
        if name.startswith("client:"):
            return self.find(account, client_id=name.removeprefix("client:"))
        return self.find(account, order_id=UUID(name).int)

    @route("GET /orders/{order_id}")
    def status(self, ask: Ask, account: Account) -> Any:
        return self._order(self._named(ask, account))

    @route("GET /orders")
    def open_orders(self, ask: Ask, account: Account) -> Any:
        is_open = not {"done", "all"} & set(ask.request.query.getall("status", ["open"]))
        orders = self.orders_of(account, ask.get("product_id") or None, is_open=is_open)
        return [self._order(order) for order in orders]

    def _order(self, order: Order) -> dict[str, Any]:
        fees = sum((fill.fee for fill in self.fills_of(order.account, order=order)), ZERO)
        done = (
            {} if order.is_open else {"done_at": iso(order.updated), "done_reason": DONE.get(order.state, "canceled")}
        )
        price = {} if order.price is None else {"price": text(order.price)}
        filled = {
            "filled_size": text(order.filled),
            "executed_value": text(order.quote_filled),
            "fill_fees": text(fees),
        }
        return {"id": uuid(order), "client_oid": order.client_id, "product_id": order.symbol, "side": order.side} | {
            "type": "market" if order.type == "market" else "limit",
            "time_in_force": order.tif,
            "post_only": order.type == "post_only",
            "size": text(order.amount),
            "created_at": iso(order.time),
            "status": "open" if order.is_open else "done",
            "settled": not order.is_open,
            **price,
            **filled,
            **done,
        }

    @route("GET /fills")
    def fills(self, ask: Ask, account: Account) -> Any:
        order = self.find(account, order_id=UUID(ask["order_id"]).int) if ask.get("order_id") else None
        pair = self.pair(ask["product_id"]) if order is None else None
        found = [f for f in self.fills_of(account, pair, order) if f.trade_id > int(ask.get("before") or 0)]
        return [fill_row(fill) for fill in reversed(found[: int(ask.get("limit") or 1000)])]

    @route("GET /accounts")
    def accounts(self, ask: Ask, account: Account) -> Any:
        return [
            {"id": asset, "currency": asset, "balance": str(h.total), "hold": str(h.held), "available": str(h.free)}
            for asset, h in account.holdings.items()
        ]

    @route("GET /fees")
    def fees(self, ask: Ask, account: Account) -> Any:
        return {"maker_fee_rate": str(self.venue.maker_fee), "taker_fee_rate": str(self.venue.taker_fee)}

    @socket("/", "/path")
    def heard(self, connection: Connection, said: Any) -> None:
        wanted = {}
        for channel in said.get("channels", []):
            entry = {"name": channel} if isinstance(channel, str) else channel
            wanted[entry["name"]] = entry.get("product_ids") or said.get("product_ids", [])
        try:
            if said.get("signature"):
                connection.account = self._check(said, "GET/users/self/verify")
        except Rejected as refusal:
            reason = f'{{"message": "{REFUSALS[refusal.why][1]}"}}'
            self.tell(connection, {"type": "error", "message": "Authentication Failed", "reason": reason})
            return
        if connection.account is None and PRIVATE & set(wanted):
            self.tell(connection, {"type": "error", "message": "Failed to subscribe", "reason": NO_LOGIN})
            wanted = {}
        topics = {f"{name}:{product}" for name, products in wanted.items() for product in products}
        fresh = topics - connection.topics
        connection.topics = connection.topics - topics if said["type"] == "unsubscribe" else connection.topics | topics
        listed: dict[str, list[str]] = {}
        for topic in sorted(connection.topics):
            listed.setdefault(topic.partition(":")[0], []).append(topic.partition(":")[2])
        channels = [{"name": name, "product_ids": products, "account_ids": None} for name, products in listed.items()]
        self.tell(connection, {"type": "subscriptions", "channels": channels})
        for channel, _, pair in (topic.partition(":") for topic in sorted(fresh & connection.topics)):
            if channel.startswith("level2") and pair in self.venue.symbols:
                bids, asks = (rows(levels) for levels in self.image(pair))
                self.tell(connection, {"type": "snapshot", "product_id": pair, "bids": bids, "asks": asks})

    def depth_changed(self, pair: str, first: int, last: int, bids: Levels, asks: Levels) -> None:
        bids, asks = self.window_changes(pair)
        changes = [["buy", *row] for row in rows(bids)] + [["sell", *row] for row in rows(asks)]
        for channel, size in (("level2", 1), ("level2_batch", 10**6), ("level2_50", 10**6)):
            for at in range(0, len(changes), size):
                frame = {"type": "l2update", "product_id": pair, "changes": changes[at : at + size]}
                self.publish(f"{channel}:{pair}", stamped(frame))

    def book_event(self, kind: str, order: Order, match: Match | None) -> None:
        """One number of the product's sequence for whatever happens to an order."""
        pair = order.symbol
        number = self._sequence[pair] = self._sequence.get(pair, 1) + 1
        frame = {"type": kind, "product_id": pair, "sequence": number, "side": order.side} | event(kind, order, match)
        self.publish(f"full:{pair}", stamped(frame))
        if match is not None:
            self.publish(f"matches:{pair}", stamped(frame))
        for party in {order, match.taker} if match is not None else {order}:
            own = {"user_id": party.account.name, "profile_id": "default"} | self._own(kind, party, match)
            for connection in self.server.private(party.account):
                if f"user:{pair}" in connection.topics:
                    self.server.put_user(connection, self.build(stamped(frame | own)))

    def _own(self, kind: str, party: Order, match: Match | None) -> dict[str, str]:
        if match is not None:
            role, fee = ("taker", self.venue.taker_fee) if party is match.taker else ("maker", self.venue.maker_fee)
            return {
                f"{role}_user_id": party.account.name,
                f"{role}_profile_id": "default",
                f"{role}_fee_rate": str(fee),
            }
        return {"client_oid": party.client_id} if kind == "received" else {}


def stamped(frame: dict[str, Any]) -> Any:
    return lambda now: frame | {"time": iso(now)}


def event(kind: str, order: Order, match: Match | None) -> dict[str, Any]:
    price = {} if order.price is None else {"price": text(order.price)}
    if match is not None:
        ids = {"maker_order_id": uuid(match.maker), "taker_order_id": uuid(match.taker), "trade_id": match.id}
        return ids | {"size": text(match.amount), "price": text(match.price)}
    if kind == "received":
        return price | {
            "order_id": uuid(order),
            "size": text(order.amount),
            "order_type": "limit" if price else "market",
        }
    left = {"remaining_size": text(order.left)} if price else {}
    reason = {"reason": DONE.get(order.state, "canceled")} if kind == "done" else {}
    return {"order_id": uuid(order)} | price | left | reason


def product(symbol: Symbol) -> dict[str, Any]:
    return {
        "id": symbol.pair,
        "base_currency": symbol.base,
        "quote_currency": symbol.quote,
        "quote_increment": text(symbol.price_tick),
        "base_increment": text(symbol.size_step),
        "display_name": f"{symbol.base}/{symbol.quote}",
        "min_market_funds": text(symbol.min_notional),
        "status": "online" if symbol.trading else "delisted",
        "trading_disabled": not symbol.trading,
        **dict.fromkeys(("margin_enabled", "post_only", "limit_only", "cancel_only", "auction_mode"), False),
    }


def trade(match: Match) -> dict[str, Any]:
    what = {"trade_id": match.id, "price": text(match.price), "size": text(match.amount)}
    return what | {"side": match.maker.side, "time": iso(match.time)}


def fill_row(fill: Fill) -> dict[str, Any]:
    what = {"trade_id": fill.trade_id, "product_id": fill.order.symbol, "order_id": uuid(fill.order)}
    what |= {"created_at": iso(fill.time), "liquidity": "M" if fill.is_maker else "T", "side": fill.order.side}
    return what | {"price": text(fill.price), "size": text(fill.amount), "fee": str(fill.fee), "settled": True}
