"""Coinbase Exchange (successor of Coinbase Pro), as its REST and websocket feed documentation describes it."""

import base64
from collections.abc import Iterable, Mapping
from decimal import Decimal
from math import nan
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from exchanges import contract as c
from exchanges import orders as o
from exchanges.contract import ErrorKind as Kind
from exchanges.reading import ErrorTable, iso_ns, read_balance, read_fee, read_fill, read_rule, reason_of
from exchanges.signing import encode_query, hmac_base64, key_fields
from orderbook.messages import (
    BookDiff,
    BookSnapshot,
    Layout,
    OrderAction,
    OrderBookMessage,
    OrderEvent,
    OrdersSnapshot,
    RestingOrder,
    Side,
    Trade,
)

OTHER = {"buy": Side.SELL, "sell": Side.BUY}
ENDS = {"filled": o.OrderState.FILLED, "canceled": o.OrderState.CANCELLED}
PAGE = 1000


class CoinbaseAuth(c.Auth):
    def __init__(self, keys: Mapping[str, str]) -> None:
        self.api_key, secret, self._passphrase = key_fields(keys, "api_key", "api_secret", "passphrase")
        self._secret = base64.b64decode(secret)

    def _fields(self, prehash: str, now: float) -> dict[str, str]:
        stamp = f"{now:.3f}".rstrip("0").rstrip(".")
        signature = hmac_base64(self._secret, stamp + prehash)
        return {"key": self.api_key, "sign": signature, "timestamp": stamp, "passphrase": self._passphrase}

    def generate_auth_dict(
        self, http_method: str, url: str, params: c.Params, body: c.Body = None, *, now: float
    ) -> c.AuthDict:
        url = f"{url}?{encode_query(params)}" if params else url
        data = msgspec.json.encode(body) if body is not None else b""
        path = "/" + url.split("/", 3)[3]
        fields = self._fields(http_method + path + data.decode(), now)
        headers = {f"CB-ACCESS-{name.upper()}": value for name, value in fields.items()}
        return {"url": url, "headers": headers | {"Content-Type": "application/json"}, "body": data}

    def login(self, now: float) -> dict[str, str]:
        """The fields of a subscribe frame."""
        fields = self._fields("GET/users/self/verify", now)
        return fields | {"signature": fields.pop("sign")}


class Word(Struct, gc=False):
    """Every frame of the feed, with what it may have."""

    type: str
    product_id: str = ""
    sequence: int = 0
    order_id: str = ""
    maker_order_id: str = ""
    trade_id: int = 0
    side: str = ""
    price: str | None = None
    size: str = "0"
    remaining_size: str = "0"
    new_size: str = "0"
    new_price: str | None = None
    time: str = ""
    changes: Raw | None = None
    bids: Raw | None = None
    asks: Raw | None = None
    message: str = ""
    reason: str = ""


_word = msgspec.json.Decoder(Word)


class CoinbaseBook(c.BookFeed):
    """Order by order: the ``full`` channel on top of a level 3 snapshot; every message counts in one sequence."""

    channels: ClassVar[tuple[str, ...]] = ("full", "heartbeat")

    def markets(self) -> c.Call[list[o.MarketSummary]]:
        return c.Call(c.Request("GET", "/products/stats", cost={"public": 1}), read_markets)

    def trading_rules(self) -> c.Call[list[o.TradingRule]]:
        request = c.Request("GET", "/products", cost={"public": 1})
        return c.Call(request, lambda answer: [rule_of(row) for row in answer.json()])

    def snapshot(self, symbol: str) -> c.Call[Any] | None:
        request = c.Request("GET", f"/products/{symbol}/book", {"level": "3"}, cost={"public": 1})
        return c.Call(request, lambda answer: orders_of(symbol, answer.json()))

    def subscribe(self, symbols: list[str], auth: c.Auth | None = None, now: float = 0.0) -> Iterable[str]:
        login = auth.login(now) if isinstance(auth, CoinbaseAuth) else {}
        yield self._frame("subscribe", symbols, login)

    def unsubscribe(self, symbols: list[str]) -> Iterable[str]:
        yield self._frame("unsubscribe", symbols, {})

    def _frame(self, kind: str, symbols: list[str], login: dict[str, str]) -> str:
        return msgspec.json.encode({"type": kind, "product_ids": symbols, "channels": self.channels, **login}).decode()

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | c.Control]:
        word = _word.decode(frame)
        match word.type:
            case "open":
                price, size = float(word.price or 0), float(word.remaining_size)
                yield event(word, OrderAction.OPEN, word.order_id, price, size)
            case "match":
                yield event(word, OrderAction.MATCH, word.maker_order_id, 0.0, float(word.size))
                yield trade_of(word)
            case "change":
                price = nan if word.new_price is None else float(word.new_price)
                yield event(word, OrderAction.CHANGE, word.order_id, price, float(word.new_size))
            case "done":
                yield event(word, OrderAction.DONE, word.order_id)
            case "received":
                yield event(word, OrderAction.NOTHING, word.order_id)
            case "activate" if word.sequence:
                yield event(word, OrderAction.NOTHING, word.order_id)
            case "error":
                yield c.Fault(ERRORS.kind("", reason_of(word.reason)), "", f"{word.message}: {word.reason}")
            # All other types the documentation wants ignored.


class CoinbaseLevel2(CoinbaseBook):
    """Levels: a snapshot by stream, then every change; no sequence, so only a lost connection shows."""

    channels = ("level2", "matches", "heartbeat")

    def snapshot(self, symbol: str) -> c.Call[Any] | None:
        return None

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | c.Control]:
        word = _word.decode(frame)
        if word.type == "l2update" and word.changes is not None:
            return (BookDiff(word.product_id, bytes(word.changes), b"", time=iso_ns(word.time), layout=Layout.SIDED),)
        if word.type == "snapshot" and word.bids is not None and word.asks is not None:
            return (BookSnapshot(word.product_id, bytes(word.bids), bytes(word.asks)),)
        return (trade_of(word),) if word.type == "match" else super().parse(frame) if word.type == "error" else ()


class CoinbaseLevel2Batch(CoinbaseLevel2):
    channels = ("level2_batch", "matches", "heartbeat")


def event(word: Word, action: OrderAction, order_id: str, price: float = 0.0, size: float = 0.0) -> OrderEvent:
    ids = (word.sequence, word.sequence, iso_ns(word.time))
    return OrderEvent(word.product_id, action, order_id, word.side, price, size, *ids)


def trade_of(word: Word) -> Trade:
    # The side of a match is the maker's.
    numbers = (float(word.price or 0), float(word.size), iso_ns(word.time))
    return Trade(word.product_id, str(word.trade_id), OTHER[word.side], *numbers)


def orders_of(symbol: str, book: dict[str, Any]) -> OrdersSnapshot:
    bids, asks = ([RestingOrder(i, float(p), float(s)) for p, s, i in book[side]] for side in ("bids", "asks"))
    return OrdersSnapshot(symbol, bids, asks, book["sequence"])


def read_markets(answer: c.Answer) -> list[o.MarketSummary]:
    found = {symbol: row["stats_24hour"] for symbol, row in answer.json().items()}
    numbers = {symbol: (Decimal(row["last"]), Decimal(row["volume"])) for symbol, row in found.items()}
    return [o.MarketSummary(symbol, last, volume, last * volume) for symbol, (last, volume) in numbers.items()]


def rule_of(row: dict[str, Any]) -> o.TradingRule:
    steps = {"tick": row["quote_increment"], "step": row["base_increment"], "least": row["base_increment"]}
    active = row["status"] == "online" and not row["trading_disabled"]
    return read_rule(row, "id base_currency quote_currency", worth=row["min_market_funds"], active=active, **steps)


class CoinbaseUser(c.UserFeed):
    """The ``user`` channel. Loss on it can't be seen: the market asks from time to time."""

    def login(self, now: float) -> Iterable[str]:
        assert isinstance(self.auth, CoinbaseAuth)
        products = [rule.symbol for rule in self.rules.values() if rule.active]
        frame = {"type": "subscribe", "product_ids": products, "channels": ["user"], **self.auth.login(now)}
        yield msgspec.json.encode(frame).decode()

    def parse(self, frame: bytes) -> Iterable[c.UserEvent | c.Control]:
        match msgspec.json.decode(frame):
            case {"type": "subscriptions", "channels": channels}:
                if "user" in [entry["name"] if isinstance(entry, dict) else entry for entry in channels]:
                    yield c.Ready()
            case {"type": "match"} as row:
                yield from (fill_of(row, role, self.rules[row["product_id"]].quote) for role in roles(row))
            case {"type": "received" | "open", "product_id": symbol, "order_id": order_id} as row:
                client = row.get("client_oid") or ""
                yield o.OrderUpdate(
                    symbol=symbol, state=o.OrderState.OPEN, client_order_id=client, exchange_order_id=order_id
                )
            case {"type": "done", "product_id": symbol, "order_id": order_id, "reason": reason} as row:
                left = Decimal(row["remaining_size"]) if row.get("remaining_size") else None
                ids = {"symbol": symbol, "exchange_order_id": order_id, "time": iso_ns(row["time"])}
                yield o.OrderUpdate(state=ENDS[reason], left=left, reason=row.get("cancel_reason", ""), **ids)
            case {"type": "error", "message": message, "reason": reason}:
                yield c.Fault(ERRORS.kind("", reason_of(reason)), "", f"{message}: {reason}")


def roles(row: dict[str, Any]) -> list[str]:
    """Which of the two parties of a match we are; both in a trade with ourselves."""
    return [role for role in ("taker", "maker") if f"{role}_user_id" in row or f"{role}_fee_rate" in row]


def fill_of(row: dict[str, Any], role: str, quote: str) -> o.Fill:
    price, size = Decimal(row["price"]), Decimal(row["size"])
    return o.Fill(
        symbol=row["product_id"],
        trade_id=str(row["trade_id"]),
        exchange_order_id=row[f"{role}_order_id"],
        side=Side(row["side"]) if role == "maker" else OTHER[row["side"]],
        price=price,
        amount=size,
        fee=price * size * Decimal(row[f"{role}_fee_rate"]),
        fee_asset=quote,
        is_maker=role == "maker",
        time=iso_ns(row["time"]),
    )


class CoinbaseOrders(c.OrderEntry):
    def place(self, order: o.NewOrder) -> c.Call[o.OrderUpdate]:
        body = {
            "product_id": self.rules[order.trading_pair].symbol,
            "side": order.side.value,
            "type": order.type.value,
            "size": f"{order.amount:f}",
            "client_oid": order.client_order_id,
        }
        if order.price is not None:
            body |= {"price": f"{order.price:f}", "time_in_force": order.tif.value}
        request = private("POST", "/orders", body=body | ({"post_only": True} if order.post_only else {}))
        return c.Call(request, lambda answer: order_of(answer.json()))

    def cancel(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate | None]:
        return c.Call(private("DELETE", named(order), {"product_id": order.symbol}), lambda answer: None)

    def status(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        return c.Call(private("GET", named(order)), lambda answer: order_of(answer.json()))

    def open_orders(self, trading_pair: str | None = None) -> c.Call[list[o.OrderUpdate]]:
        query = {"product_id": self.rules[trading_pair].symbol} if trading_pair else {}
        return c.Call(private("GET", "/orders", query), lambda answer: [order_of(row) for row in answer.json()])

    def fills(self, trading_pair: str, after: c.FillCursor) -> c.Call[c.Page[o.Fill]]:
        """The newest thousand: what is older is asked for by order."""
        rule = self.rules[trading_pair]
        query = {"product_id": rule.symbol, "limit": str(PAGE)}
        query |= {"before": after.trade_id} if after.trade_id else {}
        return c.Call(private("GET", "/fills", query), lambda answer: c.Page(read_fills(answer, rule.quote)))

    def order_fills(self, order: o.InFlightOrder) -> c.Call[list[o.Fill]]:
        quote = self.rules[order.trading_pair].quote
        request = private("GET", "/fills", {"order_id": order.exchange_order_id})
        return c.Call(request, lambda answer: read_fills(answer, quote))

    def balances(self) -> c.Call[list[o.Balance]]:
        def read(answer: c.Answer) -> list[o.Balance]:
            return [read_balance(row["currency"], row["available"], row["hold"]) for row in answer.json()]

        return c.Call(private("GET", "/accounts"), read)

    def fees(self, trading_pair: str) -> c.Call[o.Fee]:
        return c.Call(private("GET", "/fees"), lambda answer: read_fee(answer.json(), "maker_fee_rate taker_fee_rate"))


def private(method: str, path: str, params: c.Params | None = None, body: c.Body = None) -> c.Request:
    return c.Request(method, path, params or {}, body, signed=True, cost={"private": 1}, urgent=method != "POST")


def named(order: o.InFlightOrder) -> str:
    return f"/orders/{order.exchange_order_id if order.external else f'client:{order.client_order_id}'}"


def order_of(row: dict[str, Any]) -> o.OrderUpdate:
    state = o.OrderState.REJECTED if row["status"] == "rejected" else o.OrderState.OPEN
    if row["status"] == "done":
        state = ENDS[row["done_reason"]]
    return o.OrderUpdate(
        symbol=row["product_id"],
        state=state,
        client_order_id=row.get("client_oid") or "",
        exchange_order_id=row["id"],
        filled=Decimal(row.get("filled_size", "0")),
        quote_filled=Decimal(row.get("executed_value", "0")),
        time=iso_ns(row.get("done_at") or row["created_at"]),
        reason=row.get("reject_reason", ""),
        side=Side(row["side"]),
        amount=Decimal(row["size"]) if row.get("size") else None,
        price=Decimal(row["price"]) if row.get("price") else None,
        type=o.OrderType.MARKET if row["type"] == "market" else o.OrderType.LIMIT,
    )


def read_fills(answer: c.Answer, quote: str) -> list[o.Fill]:
    names = "product_id trade_id order_id price size fee asset maker"
    rows = [row | {"asset": quote, "maker": row["liquidity"] == "M"} for row in reversed(answer.json())]
    return [read_fill(row, names, row["side"], time=iso_ns(row["created_at"])) for row in rows]


ERRORS = ErrorTable(
    {},
    {
        ("", "nsufficient funds"): Kind.FUNDS,
        ("", "already done"): Kind.NOT_FOUND,
        ("", "ot found"): Kind.NOT_FOUND,
        ("", "NotFound"): Kind.NOT_FOUND,
        ("", "duplicate"): Kind.DUPLICATE,
        ("", "timestamp"): Kind.CLOCK,
        ("", "API Key"): Kind.AUTH,
        ("", "CB-ACCESS"): Kind.AUTH,
        ("", "signature"): Kind.AUTH,
        ("", "Passphrase"): Kind.AUTH,
        ("", "authentication"): Kind.AUTH,
    },
)


def error(answer: c.Answer) -> c.Fault | None:
    """Refusals are sentences; a 400 that none of ours fits is a refusal all the same."""
    fault = ERRORS.fault(answer, "message")
    if fault is not None and fault.kind is Kind.UNKNOWN and answer.status in (400, 403):
        return c.Fault(Kind.REFUSED, fault.code, fault.message)
    return fault


COINBASE = c.Exchange(
    name="coinbase",
    hosts=c.Hosts(
        "https://api.exchange.coinbase.com",
        "wss://ws-feed.exchange.coinbase.com",
        "wss://ws-feed.exchange.coinbase.com",
    ),
    testnet=c.Hosts(
        "https://api-public.sandbox.exchange.coinbase.com",
        "wss://ws-feed-public.sandbox.exchange.coinbase.com",
        "wss://ws-feed-public.sandbox.exchange.coinbase.com",
    ),
    limits=(c.RateLimit("public", 10, 1.0), c.RateLimit("private", 15, 1.0)),
    auth=CoinbaseAuth,
    book=CoinbaseBook,
    feeds={"level2": CoinbaseLevel2, "level2_batch": CoinbaseLevel2Batch},
    user=CoinbaseUser,
    orders=CoinbaseOrders,
    error=error,
    client_id=lambda number: str(UUID(int=number)),
    server_time=c.Call(c.Request("GET", "/time"), lambda answer: float(answer.json()["epoch"])),
    streams_balances=False,
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    about=c.About(
        title="Coinbase Exchange (successor of Coinbase Pro)",
        books="orders (full); by setting: level2, level2_batch",
        gaps="one sequence a product, every message counts (full); none (level2)",
        checked="recorded level2 frames; ccxt (level2, orders, user channel)",
        unchecked="the full channel order by order",
        not_applicable={
            "checksum_mismatch": "The full channel's messages carry a sequence number; no checksum is sent."
        },
    ),
)
