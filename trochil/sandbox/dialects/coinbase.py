"""Coinbase Exchange from the venue's side. Source: its API documentation (REST, websocket feed)."""

import json

from trochil.sandbox import dialect as d
from trochil.sandbox.dialect import Any, lookup, own

PRODUCT = """id=pair base_currency=base quote_currency=quote quote_increment=tick base_increment=step status=trading
    min_market_funds=worth trading_disabled:=false margin_enabled:=false post_only:=false"""
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
RECORDED = """snapshot type:snapshot product_id bids asks
    diff type:l2update product_id changes changes
    trade type:match product_id"""
PLACED = {
    "side": "side",
    "kind": "type",
    "size": "size",
    "quote": "funds",
    "price": "price",
    "tif": "time_in_force",
}


class Dialect(d.Wire):
    """One sequence a product for every message; level 3 by REST seeds the full channel."""

    name, pairs, recordings = (
        "coinbase",
        ("BTC-USD", "ETH-USD", "SOL-USD", "ETH-BTC"),
        d.Recordings("{}-{}", RECORDED),
    )
    fee_in_quote = opens_with_book = secrets_are_base64 = client_ids_are_uuids = True
    book_topic, needs_login = "level2:{} level2_batch:{}", ("full:", "level2:", "level3:", "user:")
    needs, key_fields, echoes, fixed = (), ("passphrase",), ("would_take",), {"GET /currencies": []}
    refusals = d.refusals("""
        404: unknown_symbol - NotFound | unknown_order - order not found
        400: market_closed - Trading pair not available | price_filter - price is too precise
        lot_size - size is too small. Minimum size is 0.00001 | notional - size is too small. Minimum notional is 5
        insufficient_balance - Insufficient funds | duplicate_client_id - client_oid is a duplicate
        not_open - Order already done | bad_time - request timestamp expired | missing - {} is required
        illegal - Invalid {} | 401: no_login - level2, level3, and full channels now require authentication
        no_key - CB-ACCESS-KEY header is required | bad_key - Invalid API Key | bad_phrase - Invalid Passphrase
        bad_signature - invalid signature | 200: would_take rejected post only | 503: unavailable - Service unavailable
        429: rate_limited - Private rate limit exceeded""")
    words = {
        "trading": {True: "online", False: "delisted"},
        "role": {"maker": "M", "taker": "T"},
        "is_open": {True: "open", False: "done"},
        "state": {
            "new": "",
            "partially_filled": "",
            "cancelled": "canceled",
            "expired": "canceled",
        },
    }
    lookups = (
        lookup("GET /time", "venue", "iso=now_iso epoch=#now_s"),
        lookup("GET /products", "markets", PRODUCT),
        lookup("GET /products/stats", "tickers", STATS, d.keyed("id")),
        lookup(
            "GET /products/{product}/ticker",
            "ticker",
            "bid ask price=last volume time=now_iso",
            pair="product",
        ),
        lookup("GET /products/{product}/trades", "trades", TRADE, pair="product", limit="limit"),
        own(
            "POST /orders",
            "place",
            ORDER,
            None,
            pair="product_id",
            client="client_oid",
            post="post_only",
            **PLACED,
        ),
        own("GET /orders", "orders", ORDER, pair="product_id", status="status"),
        own("GET /orders/client:{oid}", "order", ORDER, client="oid"),
        own("GET /orders/{id}", "order", ORDER, id="id"),
        own("DELETE /orders/client:{oid}", "cancel", "uuid", lambda row: row["uuid"], client="oid"),
        own("DELETE /orders/{id}", "cancel", "uuid", lambda row: row["uuid"], id="id"),
        own(
            "GET /accounts",
            "holdings",
            "id=asset currency=asset balance=total hold=held available=free",
        ),
        own("GET /fees", "venue", "maker_fee_rate=maker_fee taker_fee_rate=taker_fee"),
        own(
            "GET /fills",
            "fills_down",
            FILL,
            pair="product_id",
            order="order_id",
            after="before",
            before="after",
        ),
    )

    def refused(self, code: str, message: str) -> Any:
        return (
            self.row(REJECTED) | {"reject_reason": message}
            if code == "rejected"
            else {"message": message}
        )

    def verify(self, ask: d.Ask) -> d.Account:
        given = ask.headers("CB-ACCESS-{}", "KEY SIGN TIMESTAMP PASSPHRASE")
        return self._signed(ask.request.method + ask.target + ask.text, *given)

    def _signed(self, asked: str, key: str, sign: str, stamp: Any, phrase: str) -> d.Account:
        return self.signer(
            key, sign, f"{stamp}{asked}", float(stamp or 0), phrase=phrase, encoding="base64"
        )

    @d.route("GET /products/{product}/book", signed=False)
    def book(self, ask: d.Ask) -> Any:
        pair, level = self.pair(ask["product"]), ask.get("level", "1")
        found: d.Made = {"sequence": self.numbers[pair]}
        for name, side in (("bids", "buy"), ("asks", "sell")):
            levels = self.server.book(pair).levels(side)[: 1 if level == "1" else None]
            each = [
                [*row.values()] for row in self.rows("price left uuid", self.resting(pair, side))
            ]
            found[name] = each if level == "3" else [[*row, 1] for row in d.rows(levels)]
        return found

    @d.socket("/", "/path")
    def heard(self, connection: d.Connection, said: Any) -> None:
        """Channels may have products of their own; what is answered is all that the connection follows then."""
        on, wanted = (
            said["type"] == "subscribe",
            ({"name": e} if isinstance(e, str) else e for e in said["channels"]),
        )
        topics = [
            f"{e['name']}:{each}"
            for e in wanted
            for each in e.get("product_ids") or said.get("product_ids", [])
        ]
        if "signature" in said:
            given = (said[name] for name in ("key", "signature", "timestamp", "passphrase"))
            connection.account = self._signed("GET/users/self/verify", *given)
        now = sorted(
            t.split(":")
            for t in (connection.topics | {*topics} if on else connection.topics - {*topics})
        )
        names = {name: [product for other, product in now if other == name] for name, _ in now}
        channels = [
            {"name": name, "product_ids": each, "account_ids": None} for name, each in names.items()
        ]
        self.subscribe(connection, topics, on, {"type": "subscriptions", "channels": channels})

    def answer(self, said: Any, refusal: str = "") -> Any:
        return {
            "type": "error",
            "message": "Failed to subscribe",
            "reason": json.dumps({"message": refusal}),
        }

    def book_frame(self, window: d.Window, now: int) -> Any:
        if not window.before:
            return self.row("type product_id=pair bids asks", window)
        changes = [
            [side, *row]
            for side in ("buy", "sell")
            for row in d.rows(window.bids if side == "buy" else window.asks)
        ]
        return {
            "type": "l2update",
            "product_id": window.pair,
            "changes": changes,
            "time": d.iso(now),
        }

    def on_book_event(self, kind: str, order: d.Order, match: d.Match | None) -> None:
        """One number of the product's sequence for whatever happens to an order."""
        pair = order.symbol
        frame = {"type": kind, "product_id": pair, "sequence": self.count(pair)}
        frame |= self.row(f"{EVENTS[kind]} time=now_iso", match or order)
        for channel in ("full", "matches") if match else ("full",):
            self.publish(f"{channel}:{pair}", frame)
        for role, party in (("maker", order), ("taker", match.taker)) if match else (("", order),):
            own = {"user_id": party.account.name} | (
                {"client_oid": party.client_id} if kind == "received" else {}
            )
            fee = {
                f"{role}_user_id": own["user_id"],
                f"{role}_fee_rate": str(getattr(self.venue, f"{role}_fee", 0)),
            }
            self.tell_user(party.account, f"user:{pair}", frame | own | (fee if role else {}))
