"""Coinbase Exchange (successor of Coinbase Pro), as its REST and websocket feed documentation describes it."""

from collections.abc import Iterable
from decimal import Decimal
from functools import partial

from msgspec import Raw, Struct, json

from exchanges import contract as c, orders as o, reading as r
from exchanges.signing import base64_key, hmac_base64, uuid_of
from orderbook import messages as m

STATES = r.states(
    open="received pending active open", filled="filled", cancelled="canceled", rejected="rejected"
)
RULE = "id base_currency quote_currency quote_increment base_increment base_increment base_max_size| min_market_funds"
MARKET, TRADE, ONLINE = (
    "id last| volume|",
    "product_id trade_id price size side time",
    ["online", False],
)
ORDER = """product_id done_reason|status id filled_size| executed_value| side size| price| type client_oid|
    done_at|created_at reject_reason|"""
FILL = "product_id trade_id order_id price size fee quote liquidity side created_at|time"
BATCHED = (
    "level2_batch",
    "matches",
    "heartbeat",
)  # levels every 50 ms; the only book that needs no login
REPEATED = (
    "heartbeat",
    "ticker",
    "last_match",
)  # their sequence is another frame's: they don't count
OTHER = {"buy": m.Side.SELL, "sell": m.Side.BUY}


class CoinbaseAuth(c.Auth):
    fields = ("api_key", "api_secret", "passphrase")

    def sign(self, ask: c.UnsignedRequest, now: float) -> c.AuthDict:
        fields = self.login(now, ask.method + ask.target + ask.data)
        fields["sign"] = fields.pop("signature")
        return ask.signed({f"CB-ACCESS-{name.upper()}": value for name, value in fields.items()})

    def login(self, now: float, payload: str = "GET/users/self/verify") -> dict[str, str]:
        """What a subscription has besides."""
        (secret, passphrase), stamp = self._secrets, str(int(now))
        sign = hmac_base64(base64_key(secret), stamp + payload)
        return {
            "key": self.api_key,
            "signature": sign,
            "timestamp": stamp,
            "passphrase": passphrase,
        }


class CoinbaseBook(c.BookFeed):
    """Order by order: the ``full`` channel on top of a level 3 snapshot; every message counts in one sequence."""

    channels: tuple[str, ...] = ("full", "heartbeat")

    def markets(self) -> c.Call[list[o.MarketSummary]]:
        read = r.keyed(
            lambda symbol, row: r.read_market({"id": symbol, **row.get("stats_24hour", {})}, MARKET)
        )
        return c.get("/products/stats", read, public=1)

    def trading_rules(self) -> c.Call[list[o.TradingRule]]:
        read = r.each(
            lambda row: r.read_rule(
                row, RULE, active=r.pick(row, "status trading_disabled") == ONLINE
            )
        )
        return c.get("/products", read, public=1)

    def snapshot(self, symbol: str) -> c.Call[m.BookSnapshot | m.OrdersSnapshot] | None:
        return c.get(
            f"/products/{symbol}/book",
            r.orders(symbol, "bids asks sequence"),
            {"level": "3"},
            public=1,
        )

    def subscribe(self, symbols: list[str], on: bool = True) -> list[c.Frame]:
        return [
            {
                "type": "subscribe" if on else "unsubscribe",
                "product_ids": symbols,
                "channels": self.channels,
            }
        ]

    def login(self, symbols: list[str], auth: c.Auth, now: float) -> list[c.Frame]:
        return [
            {
                "type": "subscribe",
                "product_ids": symbols,
                "channels": self.channels,
                **auth.login(now),
            }
        ]

    def parse(self, frame: bytes) -> Iterable[m.OrderBookMessage | c.Control]:
        row = json.decode(frame)
        match row["type"]:
            case "open":
                yield event(row, m.OrderAction.OPEN, row["price"], row["remaining_size"])
            case "match":
                yield event(row, m.OrderAction.MATCH, size=row["size"])
                yield r.read_trade(
                    {**row, "side": OTHER[row["side"]]}, TRADE
                )  # the side of a match is the maker's
            case "change" if row.get("new_size"):
                yield event(
                    row, m.OrderAction.CHANGE, row.get("new_price") or "nan", row["new_size"]
                )
            case "done":
                yield event(row, m.OrderAction.DONE)
            case "error":
                yield ERRORS.of("", f"{row['message']}: {r.reason_of(row.get('reason', ''))}")
            case kind if "sequence" in row and kind not in REPEATED:
                yield event(row, m.OrderAction.NOTHING)  # received, and whatever the venue adds


class Levels(Struct, gc=False):
    type: str
    product_id: str = ""
    time: str = ""
    changes: Raw = Raw()
    bids: Raw = Raw()
    asks: Raw = Raw()


class CoinbaseLevel2(CoinbaseBook):
    """Levels: a snapshot by stream, then every change; no sequence, so only a lost connection shows."""

    channels, snapshot = ("level2", "matches", "heartbeat"), c.BookFeed.snapshot

    def parse(self, frame: bytes) -> Iterable[m.OrderBookMessage | c.Control]:
        said = json.decode(frame, type=Levels)
        if said.type == "l2update":
            return [
                m.BookDiff(
                    said.product_id,
                    bytes(said.changes),
                    b"",
                    0,
                    0,
                    r.iso_ns(said.time),
                    m.Layout.SIDED,
                )
            ]
        if said.type == "snapshot":
            return [m.BookSnapshot(said.product_id, bytes(said.bids), bytes(said.asks))]
        return [word for word in super().parse(frame) if not isinstance(word, m.OrderEvent)]


def event(row: r.Row, action: m.OrderAction, price: str = "0", size: str = "0") -> m.OrderEvent:
    order, number, time = (
        row.get("maker_order_id") or row.get("order_id", ""),
        row["sequence"],
        r.iso_ns(row["time"]),
    )
    what = (row["product_id"], action, order, row.get("side", ""))
    return m.OrderEvent(*what, float(price), float(size), number, number, time)


class CoinbaseUser(c.UserFeed):
    """The ``user`` channel. Loss on it can't be seen: the market asks from time to time."""

    def login(self, now: float) -> list[c.Frame]:
        self._cut: dict[
            str, Decimal
        ] = {}  # what orders lost without a trade: so the venue prevents those with oneself
        products = [rule.symbol for rule in self.rules.values() if rule.active]
        return [
            {
                "type": "subscribe",
                "product_ids": products,
                "channels": ["user"],
                **self.auth.login(now),
            }
        ]

    def parse(self, frame: bytes) -> Iterable[c.UserEvent | c.Control]:
        match json.decode(frame):
            case {"type": "subscriptions", "channels": [*_, "user" | {"name": "user"}]}:
                yield c.Ready()
            case {"type": "match"} as row:
                yield from (
                    fill_of(row, role) for role in ("taker", "maker") if f"{role}_user_id" in row
                )
            case {"type": "change", "order_id": order_id, "old_size": old, "new_size": new}:
                self._cut[order_id] = self._cut.get(order_id, o.ZERO) + Decimal(old) - Decimal(new)
            case {"type": "received" | "open" | "done", "order_id": str()} as row:
                yield self._update(row)
            case {"type": "error"} as row:
                yield ERRORS.of("", f"{row['message']}: {r.reason_of(row.get('reason', ''))}")

    def _update(self, row: r.Row) -> o.OrderUpdate:
        """What the channel says of an order; our own id is in the first message only."""
        symbol, state, theirs, ours, reason = r.pick(
            row, "product_id reason|type order_id client_oid| cancel_reason|"
        )
        left = (
            Decimal(row["remaining_size"]) + self._cut.get(theirs, o.ZERO)
            if row.get("remaining_size")
            else None
        )
        ids = {"symbol": symbol, "exchange_order_id": theirs, "client_order_id": ours}
        return o.OrderUpdate(
            state=STATES[state], left=left, time=r.iso_ns(row["time"]), reason=reason, **ids
        )


def fill_of(row: r.Row, role: str = "") -> o.Fill:
    """A trade of ours; out of a match, whose side is the maker's, with our ``role`` in it."""
    if role:
        fee = Decimal(row["price"]) * Decimal(row["size"]) * Decimal(row[f"{role}_fee_rate"])
        side = row["side"] if role == "maker" else OTHER[row["side"]]
        row = {
            **row,
            "side": side,
            "fee": fee,
            "order_id": row[f"{role}_order_id"],
            "liquidity": role[0].upper(),
        }
    return r.read_fill({"quote": row["product_id"].rpartition("-")[2], **row}, FILL)


class CoinbaseOrders(c.OrderEntry):
    id_params = ("product_id", "client_oid", "id")

    def _path(self, order: o.InFlightOrder) -> str:
        return f"/orders/{order.exchange_order_id or f'client:{order.client_order_id}'}"

    def place(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        body: r.Row = {
            **self.query_by_id(order),
            "side": order.side,
            "type": order.type,
            "size": f"{order.amount:f}",
        }
        body |= (
            {} if order.price is None else {"price": f"{order.price:f}", "time_in_force": order.tif}
        )
        body |= {"post_only": True} if order.post_only else {}
        return c.ask("POST /orders", r.one(order_of), body=body, urgent=False, private=1)

    def cancel(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate | None]:
        return c.ask(
            f"DELETE {self._path(order)}",
            lambda answer: None,
            {"product_id": order.symbol},
            private=1,
        )

    def status(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        return c.ask(self._path(order), r.one(order_of), private=1)

    def open_orders(self, trading_pair: str | None = None) -> c.Call[list[o.OrderUpdate]]:
        return c.ask("/orders", r.each(order_of), self.pair(trading_pair), private=1)

    def fills(self, trading_pair: str, after: c.FillCursor) -> c.Call[c.Page[o.Fill]]:
        query = self.pair(trading_pair) | {"after": after.page}
        read = r.pages(fill_of, 1, "trade_id", until=lambda last: last.time < after.time)
        return c.ask("/fills", read, query, fills=1)

    def order_fills(self, order: o.InFlightOrder) -> c.Call[list[o.Fill]]:
        return c.ask("/fills", r.each(fill_of), {"order_id": order.exchange_order_id}, fills=1)

    def balances(self) -> c.Call[list[o.Balance]]:
        return c.ask(
            "/accounts", r.each(partial(r.read_holding, names="currency available hold")), private=1
        )

    def fees(self, trading_pair: str) -> c.Call[o.Fee]:
        return c.ask(
            "/fees", r.one(partial(r.read_fee, names="maker_fee_rate taker_fee_rate")), private=1
        )


order_of = partial(r.read_update, names=ORDER, states=STATES)
ERRORS = r.worded(
    funds="nsufficient funds",
    auth="API Key|CB-ACCESS|invalid signature|Passphrase|authentication|Forbidden",
    clock="timestamp",
    duplicate="duplicate",
    refused="too small|too large|too precise|Invalid|is required|roduct not found|not available|only",
    not_found="already done|ot found|NotFound",
)
FEED, TEST_FEED = (
    "wss://ws-feed.exchange.coinbase.com",
    "wss://ws-feed-public.sandbox.exchange.coinbase.com",
)
COINBASE = c.Exchange(
    name="coinbase",
    hosts=c.Endpoints("https://api.exchange.coinbase.com", FEED, FEED),
    testnet=c.Endpoints("https://api-public.sandbox.exchange.coinbase.com", TEST_FEED, TEST_FEED),
    limits=(
        c.RateLimit("public", 10, 1.0),
        c.RateLimit("private", 15, 1.0),
        c.RateLimit("fills", 10, 1.0),
    ),
    auth=CoinbaseAuth,
    book=CoinbaseBook,
    feeds={
        "level2": CoinbaseLevel2,
        "level2_batch": CoinbaseLevel2.variant("Batch", channels=BATCHED),
    },
    user=CoinbaseUser,
    orders=CoinbaseOrders,
    error=partial(ERRORS.fault, message="message"),
    client_id=uuid_of,
    server_time=c.get("/time", r.one(lambda row: float(row["epoch"]))),
    streams_balances=False,
    forgets_cancelled=True,
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    about=c.About(
        title="Coinbase Exchange (successor of Coinbase Pro)",
        books="orders (full); by setting: level2, level2_batch",
        gaps="one sequence a product, every message counts (full); none (level2)",
        checked="recorded level2 frames of ten pairs; ccxt and ccxt.pro (level2, orders, user channel)",
        unchecked="the full channel order by order",
        not_applicable={
            "checksum_mismatch": "The feed's messages carry a sequence number; no checksum is among them."
        },
    ),
)
