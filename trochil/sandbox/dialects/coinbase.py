"""Coinbase Exchange from the venue's side. Source: its API documentation (REST, websocket feed)."""

import json
from collections.abc import Iterator
from uuid import UUID

from trochil.sandbox import dialect as d
from trochil.sandbox.dialect import Any, lookup, own
from trochil.sandbox.replay import Record, Recordings, parse_json

PRODUCT = """id=pair base_currency=base quote_currency=quote quote_increment=tick base_increment=step status=trading
    min_market_funds=worth trading_disabled:=false margin_enabled:=false post_only:=false"""
TICKER = "bid ask price=last volume time=now_iso"
STATS = "id=pair stats_24hour{open=last high=last low=last last volume}"
TRADE = "trade_id=#trade_id price size=amount side=maker_side time=time_iso"
ORDER = """id=uuid client_oid=client product_id=pair side type=kind time_in_force=tif post_only size=?amount
    price=?price funds=?quote_amount filled_size=filled executed_value=quote_filled fill_fees=fees status=is_open
    created_at=created_iso done_at=?done_iso done_reason=?state"""
REJECTED = "id:0 status:rejected filled_size:0 executed_value:0 created_at=now_iso"
FILL = """trade_id=#trade_id product_id=pair order_id=uuid created_at=time_iso liquidity=role side price=fill_price
    size=fill_amount fee settled:=true"""
EVENTS = {
    "received": "order_id=uuid side order_type=kind size=?amount funds=?quote_amount price=?price",
    "open": "order_id=uuid side price remaining_size=left",
    "match": "trade_id=#trade_id maker_order_id=maker_uuid taker_order_id=taker_uuid side=maker_side size=amount price",
    "done": "order_id=uuid side price=?price remaining_size=?left reason=state",
}
KINDS = {"snapshot": "snapshot", "l2update": "diff", "match": "trade"}
WITH_LOGIN = ("full:", "level2:", "level3:", "user:")
EVERY = 10**6


class Recorded(Recordings):
    def records(self, time: float, text: str, url: str) -> Iterator[Record]:
        data = parse_json(text) or {}
        if kind := KINDS.get(data.get("type", "")):
            yield Record(time, kind, data["product_id"], text, data)

    def levels(self, record: Record) -> tuple[list[list[str]], list[list[str]]]:
        changes = record.data.get("changes", [])
        bids, asks = ([row[1:] for row in changes if row[0] == side] for side in ("buy", "sell"))
        return record.data.get("bids", bids), record.data.get("asks", asks)


class Dialect(d.Wire):
    """One sequence a product for every message; level 3 by REST seeds the full channel."""

    name = "coinbase"
    pairs = ("BTC-USD", "ETH-USD", "SOL-USD", "ETH-BTC")
    recordings = Recorded()
    fee_in_quote = opens_with_book = secrets_are_base64 = True
    key_fields = ("passphrase",)
    fixed = {"GET /currencies": []}
    refusals = d.refusals("""
        unknown_symbol 404 - NotFound
        market_closed 400 - Trading pair not available
        price_filter 400 - price is too precise
        lot_size 400 - size is too small. Minimum size is 0.00001
        notional 400 - size is too small. Minimum notional is 5
        insufficient_balance 400 - Insufficient funds
        duplicate_client_id 400 - client_oid is a duplicate
        unknown_order 404 - order not found
        not_open 400 - Order already done
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
    words = {
        "trading": {True: "online", False: "delisted"},
        "role": {"maker": "M", "taker": "T"},
        "is_open": {True: "open", False: "done"},
        "state": {"new": "", "partially_filled": "", "cancelled": "canceled", "expired": "canceled"},
    }
    lookups = (
        lookup("GET /time", "venue", "iso=now_iso epoch=#now_s"),
        lookup("GET /products", "markets", PRODUCT),
        lookup("GET /products/stats", "tickers", STATS, d.keyed("id")),
        lookup("GET /products/{product}/ticker", "ticker", TICKER, pair="product"),
        lookup("GET /products/{product}/trades", "trades", TRADE, pair="product", limit="limit"),
        own("GET /orders/client:{oid}", "order", ORDER, client="oid"),
        own("GET /orders/{id}", "order", ORDER, id="id"),
        own("DELETE /orders/client:{oid}", "cancel", "uuid", lambda row: row["uuid"], client="oid"),
        own("DELETE /orders/{id}", "cancel", "uuid", lambda row: row["uuid"], id="id"),
        own("GET /accounts", "holdings", "id=asset currency=asset balance=total hold=held available=free"),
        own("GET /fees", "venue", "maker_fee_rate=maker_fee taker_fee_rate=taker_fee"),
        own("GET /fills", "fills_down", FILL, pair="product_id", order="order_id", after="before", before="after"),
    )

    def refused(self, code: str, message: str) -> Any:
        return {"message": message}

    def verify(self, ask: d.Ask) -> d.Account:
        given = ask.headers("CB-ACCESS-{}", "KEY SIGN TIMESTAMP PASSPHRASE")
        return self._signed(ask.request.method + ask.target + ask.text, *given)

    def _signed(self, asked: str, key: str, sign: str, stamp: Any, phrase: str) -> d.Account:
        return self.signer(key, sign, f"{stamp}{asked}", float(stamp or 0), phrase=phrase, encoding="base64")

    @d.route("GET /products/{product}/book", signed=False)
    def book(self, ask: d.Ask) -> Any:
        pair, level = self.pair(ask["product"]), ask.get("level", "1")
        found: d.Made = {"sequence": self.numbers[pair]}
        for name, side in (("bids", "buy"), ("asks", "sell")):
            levels = self.server.book(pair).levels(side)[: 1 if level == "1" else None]
            each = [[*row.values()] for row in self.rows("price left uuid", self.resting(pair, side))]
            found[name] = each if level == "3" else [[*row, 1] for row in d.rows(levels)]
        return found

    @d.route("POST /orders", kind="place")
    def take_order(self, ask: d.Ask, account: d.Account) -> Any:
        market, in_quote = ask.get("type") == "market", "funds" in ask.params
        size, price = ask.number("funds" if in_quote else "size"), None if market else ask.number("price")
        tif = "market" if market else "post_only" if ask.get("post_only") is True else ask.get("time_in_force") or "GTC"
        client = str(UUID(ask["client_oid"])) if ask.get("client_oid") else ""
        what = (account, self.pair(ask["product_id"]), ask["side"], size, price)
        try:
            return self.row(ORDER, self.take(*what, tif=tif, client_id=client, in_quote=in_quote))
        except d.Rejected as refusal:
            if refusal.why != "would_take":
                raise
            return ask.body | self.row(REJECTED) | {"reject_reason": "post only"}

    @d.route("GET /orders")
    def orders(self, ask: d.Ask, account: d.Account) -> Any:
        open_only = not {"done", "all"} & set(ask.request.query.getall("status", ["open"]))
        return self.rows(ORDER, self.orders_of(account, ask.get("product_id") or None, is_open=open_only))

    @d.socket("/", "/path")
    def heard(self, connection: d.Connection, said: Any) -> None:
        on, topics, held = said["type"] == "subscribe", topics_of(said), connection.topics
        if "signature" in said:
            given = (said[name] for name in ("key", "signature", "timestamp", "passphrase"))
            connection.account = self._signed("GET/users/self/verify", *given)
        elif on and any(topic.startswith(WITH_LOGIN) for topic in topics):
            raise d.Rejected("no_login")
        now = held | {*topics} if on else held - {*topics}
        self.tell(connection, {"type": "subscriptions", "channels": channels(now)})
        for topic in topics:
            self.follow(connection, topic, on)

    def answer(self, said: Any, refusal: str = "") -> Any:
        return {"type": "error", "message": "Failed to subscribe", "reason": json.dumps({"message": refusal})}

    def book_topics(self, pair: str) -> dict[str, int]:
        return {f"level2:{pair}": 0, f"level2_batch:{pair}": EVERY}

    def book_frame(self, window: d.Window, now: int) -> Any:
        bids, asks, about = d.rows(window.bids), d.rows(window.asks), {"product_id": window.pair}
        if not window.before:
            return about | {"type": "snapshot", "bids": bids, "asks": asks}
        changes = [*(["buy", *row] for row in bids), *(["sell", *row] for row in asks)]
        return about | {"type": "l2update", "changes": changes, "time": d.iso(now)}

    def book_event(self, kind: str, order: d.Order, match: d.Match | None) -> None:
        """One number of the product's sequence for whatever happens to an order."""
        pair = order.symbol
        self.numbers[pair] += 1
        frame = {"type": kind, "product_id": pair, "sequence": self.numbers[pair]}
        frame |= self.row(f"{EVENTS[kind]} time=now_iso", match or order)
        for channel in ("full", "matches") if match else ("full",):
            self.publish(f"{channel}:{pair}", frame)
        for role, party in {"maker": order, "taker": match.taker}.items() if match else {"": order}.items():
            told = self.build(frame | self._own(kind, role, party))
            for connection in self.server.private(party.account):
                if f"user:{pair}" in connection.topics:
                    self.server.put_user(connection, told)

    def _own(self, kind: str, role: str, party: d.Order) -> d.Made:
        who, rates = party.account.name, {"maker": self.venue.maker_fee, "taker": self.venue.taker_fee}
        if role:
            return {"user_id": who, f"{role}_user_id": who, f"{role}_fee_rate": str(rates[role])}
        return {"user_id": who} | ({"client_oid": party.client_id} if kind == "received" else {})


def topics_of(said: Any) -> list[str]:
    """channel:product of a subscription, whose channels may have products of their own."""
    wanted = [{"name": each} if isinstance(each, str) else each for each in said["channels"]]
    products = said.get("product_ids", [])
    return [f"{each['name']}:{product}" for each in wanted for product in each.get("product_ids") or products]


def channels(topics: set[str]) -> list[d.Made]:
    """All that a connection is subscribed to now."""
    parts = [topic.split(":") for topic in sorted(topics)]
    listed = {name: [product for other, product in parts if other == name] for name, _ in parts}
    return [{"name": name, "product_ids": products, "account_ids": None} for name, products in listed.items()]
