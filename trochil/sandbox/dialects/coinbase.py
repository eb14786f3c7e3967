"""Coinbase Exchange from the venue's side. Source: its API documentation (REST, websocket feed)."""

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from trochil.sandbox.accounts import ZERO, Account
from trochil.sandbox.dialect import Ask, Window, Wire, keyed, lookup, own, refusals, route, rows, socket
from trochil.sandbox.facts import iso, text
from trochil.sandbox.matching import Match, Order
from trochil.sandbox.replay import Record, Recordings, parse_json
from trochil.sandbox.server import Connection
from trochil.sandbox.shape import Facts, Made
from trochil.sandbox.signatures import signature
from trochil.sandbox.venue import Rejected

PRODUCT = """id=pair base_currency=base quote_currency=quote quote_increment=tick base_increment=step status=trading
    min_market_funds=worth trading_disabled=halted margin_enabled:=false post_only:=false"""
TICKER = "bid ask price=last volume time=now_iso"
STATS = "stats_24hour{open=last high=last low=last last volume} id=pair"
TRADE = "trade_id=#trade_id price size=amount side=maker_side time=time_iso"
ORDER = """id=uuid client_oid=client product_id=pair side type=kind time_in_force=tif post_only size=?amount
    price=?price funds=?quote_amount filled_size=filled executed_value=quote_filled fill_fees=fees status settled
    created_at=created_iso done_at=?done_iso done_reason=?ended"""
FILL = """trade_id=#trade_id product_id=pair order_id=uuid created_at=time_iso liquidity=role side price=fill_price
    size=fill_amount fee settled:=true"""
EVENTS = {
    "received": "order_id=uuid side order_type=kind size=?amount funds=?quote_amount price=?price",
    "open": "order_id=uuid side price remaining_size=rest",
    "match": "trade_id=#trade_id maker_order_id taker_order_id side=maker_side size=amount price",
    "done": "order_id=uuid side price=?price remaining_size=?rest reason=ended",
}
KINDS = {"snapshot": "snapshot", "l2update": "diff", "match": "trade"}
EVERY = 10**6
"""Levels of the batched book: all, as of the other."""
WITH_LOGIN = ("full:", "level2:", "level3:", "user:")


class Recorded(Recordings):
    def records(self, time: float, text: str, url: str) -> Iterator[Record]:
        data = parse_json(text) or {}
        if kind := KINDS.get(data.get("type", "")):
            yield Record(time, kind, data["product_id"], text, data)

    def levels(self, record: Record) -> tuple[list[list[str]], list[list[str]]]:
        changes = record.data.get("changes", [])
        bids, asks = ([row[1:] for row in changes if row[0] == side] for side in ("buy", "sell"))
        return record.data.get("bids", bids), record.data.get("asks", asks)


def uuid(order: Order) -> str:
    return str(UUID(int=order.id))


class Dialect(Wire):
    """One sequence a product for every message; level 3 by REST seeds the full channel."""

    name = "coinbase"
    pairs = ("BTC-USD", "ETH-USD", "SOL-USD", "ETH-BTC")
    recordings = Recorded()
    fee_in_quote = opens_with_book = secrets_are_base64 = True
    key_fields = ("passphrase",)
    fixed = {"GET /currencies": []}
    refusals = refusals("""
        unknown_symbol 404 - NotFound
        market_closed 400 - Trading pair not available
        price_filter 400 - price is too precise
        lot_size 400 - size is too small. Minimum size is 0.00001
        notional 400 - size is too small. Minimum notional is 5
        insufficient_balance 400 - Insufficient funds
        duplicate_client_id 400 - client_oid is a duplicate
        unknown_order 404 - order not found
        closed_order 400 - Order already done
        no_login 401 - level2, level3, and full channels now require authentication
        no_key 401 - CB-ACCESS-KEY header is required
        bad_key 401 - Invalid API Key
        bad_phrase 401 - Invalid Passphrase
        bad_signature 401 - invalid signature
        bad_time 400 - request timestamp expired
        missing 400 - {} is required
        illegal 400 - Invalid {}
        unavailable 503 - Service unavailable
        rate_limited 429 - Private rate limit exceeded""")
    words = {"trading": {True: "online", False: "delisted"}, "role": {"maker": "M", "taker": "T"}}
    lookups = (
        lookup("GET /time", "venue", "iso=now_iso epoch=#now_s"),
        lookup("GET /products", "markets", PRODUCT),
        lookup("GET /products/stats", "tickers", STATS, keyed("id")),
        lookup("GET /products/{product_id}/ticker", "ticker", TICKER, pair="product_id"),
        lookup("GET /products/{product_id}/trades", "trades", TRADE, pair="product_id", limit="limit"),
        own("GET /orders/{order_id}", "order", ORDER, id="order_id"),
        own("DELETE /orders/{order_id}", "cancel", "uuid", lambda row: row["uuid"], id="order_id"),
        own("GET /accounts", "holdings", "id=asset currency=asset balance=total hold=held available=free"),
        own("GET /fees", "venue", "maker_fee_rate=maker_fee taker_fee_rate=taker_fee"),
        own("GET /fills", "fills_down", FILL, pair="product_id", order="order_id", after="before", before="after"),
    )

    def more(self, facts: Facts, thing: Any) -> Facts:
        if isinstance(thing, Match):
            return {"maker_order_id": uuid(thing.maker), "taker_order_id": uuid(thing.taker)}
        order = thing if isinstance(thing, Order) else getattr(thing, "order", None)
        if order is None:
            return {"halted": not facts.get("trading", True)}
        fees = sum((fill.fee for fill in self.fills_of(order.account, order=order)), ZERO)
        ended = "" if order.is_open else "filled" if order.state == "filled" else "canceled"
        rest = "" if order.type == "market" else f"{order.left:.8f}"
        status = {"status": "done" if ended else "open", "settled": bool(ended), "ended": ended}
        return {"uuid": uuid(order), "fees": text(fees), "rest": rest, **status}

    def refused(self, code: str, message: str) -> Any:
        return {"message": message}

    def verify(self, ask: Ask) -> Account:
        given = ask.headers("CB-ACCESS-{}", "KEY SIGN TIMESTAMP PASSPHRASE")
        return self._signed(ask.request.method + ask.target + ask.text, *given)

    def _signed(self, asked: str, key: str, sign: str, stamp: Any, phrase: str) -> Account:
        def made(keys: Any) -> str:
            return signature(b64decode(keys["api_secret"]), f"{stamp}{asked}", encoding="base64")

        return self.signer(key, sign, made, float(stamp or 0), phrase=phrase)

    @route("GET /products/{product_id}/book", signed=False)
    def book(self, ask: Ask) -> Any:
        pair, level = self.pair(ask["product_id"]), ask.get("level", "1")
        found: Made = {"sequence": self.numbers[pair]}
        for name, side in (("bids", "buy"), ("asks", "sell")):
            levels = self.server.book(pair).levels(side)[: 1 if level == "1" else None]
            each = [[*row.values()] for row in self.rows("price rest uuid", self.resting(pair, side))]
            found[name] = each if level == "3" else [[*row, 1] for row in rows(levels)]
        return found

    @route("POST /orders", kind="place")
    def take_order(self, ask: Ask, account: Account) -> Any:
        market, in_quote = ask.get("type") == "market", "funds" in ask.params
        size, price = ask.number("funds" if in_quote else "size"), None if market else ask.number("price")
        tif = "market" if market else "post_only" if ask.get("post_only") is True else ask.get("time_in_force") or "GTC"
        client = str(UUID(ask["client_oid"])) if ask.get("client_oid") else ""
        what = (account, self.pair(ask["product_id"]), ask["side"], size, price)
        try:
            return self.row(ORDER, self.take(*what, tif=tif, client_id=client, in_quote=in_quote))
        except Rejected as refusal:
            if refusal.why != "would_take":
                raise
        none = "id:0 filled_size:0 executed_value:0 status:rejected created_at=now_iso"
        return ask.body | self.row(none) | {"reject_reason": "post only"}

    def find(self, account: Account, *, order_id: Any = None, client_id: Any = None) -> Order:
        """By the venue's id or client:OURS."""
        if order_id.startswith("client:"):
            return super().find(account, client_id=order_id.removeprefix("client:"))
        return super().find(account, order_id=UUID(order_id).int)

    @route("DELETE /orders", kind="cancel")
    def cancel_all(self, ask: Ask, account: Account) -> Any:
        return [uuid(order) for order in self.cancel_open(account, ask.get("product_id").replace("/", "-") or None)]

    @route("GET /orders")
    def orders(self, ask: Ask, account: Account) -> Any:
        open_only = not {"done", "all"} & set(ask.request.query.getall("status", ["open"]))
        return self.rows(ORDER, self.orders_of(account, ask.get("product_id") or None, is_open=open_only))

    @socket("/", "/path")
    def heard(self, connection: Connection, said: Any) -> None:
        on, topics, held = said["type"] == "subscribe", topics_of(said), connection.topics
        if "signature" in said:
            given = (said[name] for name in ("key", "signature", "timestamp", "passphrase"))
            connection.account = self._signed("GET/users/self/verify", *given)
        elif on and any(topic.startswith(WITH_LOGIN) for topic in topics):
            raise Rejected("no_login")
        now = held | {*topics} if on else held - {*topics}
        self.tell(connection, {"type": "subscriptions", "channels": channels(now)})
        for topic in topics:
            self.follow(connection, topic, on)

    def answer(self, said: Any, refusal: str = "") -> Any:
        return {"type": "error", "message": "Failed to subscribe", "reason": json.dumps({"message": refusal})}

    def book_topics(self, pair: str) -> dict[str, int]:
        return {f"level2:{pair}": 0, f"level2_batch:{pair}": EVERY}

    def book_frame(self, window: Window, now: int) -> Any:
        bids, asks, about = rows(window.bids), rows(window.asks), {"product_id": window.pair}
        if not window.before:
            return about | {"type": "snapshot", "bids": bids, "asks": asks}
        changes = [*(["buy", *row] for row in bids), *(["sell", *row] for row in asks)]
        return about | {"type": "l2update", "changes": changes, "time": iso(now)}

    def book_event(self, kind: str, order: Order, match: Match | None) -> None:
        """One number of the product's sequence for whatever happens to an order."""
        self.numbers[order.symbol] += 1
        frame = {"type": kind, "product_id": order.symbol, "sequence": self.numbers[order.symbol]}
        frame |= self.row(f"{EVENTS[kind]} time=now_iso", match or order)
        self.publish(f"full:{order.symbol}", frame)
        if match is not None:
            self.publish(f"matches:{order.symbol}", frame)
        for party in {order, match.taker} if match is not None else {order}:
            for connection in self.server.private(party.account):
                if f"user:{order.symbol}" in connection.topics:
                    self.server.put_user(connection, self.build(frame | self._own(kind, party, match)))

    def _own(self, kind: str, party: Order, match: Match | None) -> Made:
        whose = {"user_id": party.account.name, "profile_id": "default"}
        if match is None:
            return whose | ({"client_oid": party.client_id} if kind == "received" else {})
        role, fee = ("taker", self.venue.taker_fee) if party is match.taker else ("maker", self.venue.maker_fee)
        return whose | {f"{role}_{name}": value for name, value in whose.items()} | {f"{role}_fee_rate": str(fee)}


def topics_of(said: Any) -> list[str]:
    """channel:product of a subscription, whose channels may have products of their own."""
    wanted = [{"name": each} if isinstance(each, str) else each for each in said["channels"]]
    products = said.get("product_ids", [])
    return [f"{each['name']}:{product}" for each in wanted for product in each.get("product_ids") or products]


def channels(topics: set[str]) -> list[Made]:
    """All that a connection is subscribed to now."""
    parts = [topic.split(":") for topic in sorted(topics)]
    listed = {name: [product for other, product in parts if other == name] for name, _ in parts}
    return [{"name": name, "product_ids": products, "account_ids": None} for name, products in listed.items()]
