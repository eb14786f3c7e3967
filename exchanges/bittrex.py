"""Bittrex, closed in 2023, as the documentation of its API v3 described it (REST v3, SignalR hub c3)."""

import struct
import zlib
from base64 import b64decode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import Any
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct

from exchanges import contract as c
from exchanges import orders as o
from exchanges.contract import ErrorKind as Kind
from exchanges.reading import ErrorTable, Row, iso_ns, read_fee, read_fill, read_rule, read_update
from exchanges.signing import encode_query, hmac_hex, key_fields, sha512_hex
from orderbook.errors import NotFound
from orderbook.messages import BookDiff, BookSnapshot, Layout, Lost, OrderBookMessage, Side, Trade

PAGE, KEPT, HOUR = 200, 20_000, 3600 * 10**9
UNUSED = ("R", "heartbeat", "ticker", "tickers", "candle", "marketSummary", "marketSummaries")
TIFS = {"GTC": "GOOD_TIL_CANCELLED", "IOC": "IMMEDIATE_OR_CANCEL", "FOK": "FILL_OR_KILL"}
MARKET_TIFS = TIFS | {"GTC": TIFS["IOC"]}
ORDER = "marketSymbol status id fillQuantity proceeds direction quantity limit type"
FILL = "marketSymbol id orderId rate quantity commission quote maker"


class BittrexAuth(c.Auth):
    def __init__(self, keys: Mapping[str, str]) -> None:
        self.api_key, self._secret = key_fields(keys, "api_key", "api_secret")

    def generate_auth_dict(
        self, http_method: str, url: str, params: c.Params, body: c.Body = None, *, now: float
    ) -> c.AuthDict:
        url = f"{url}?{encode_query(params)}" if params else url
        data = b"" if body is None else msgspec.json.encode(body)
        stamp, digest = str(int(now * 1000)), sha512_hex(data)
        headers = {"Api-Key": self.api_key, "Api-Timestamp": stamp, "Api-Content-Hash": digest}
        headers["Api-Signature"] = hmac_hex(self._secret, stamp + url + http_method + digest, "sha512")
        return {"url": url, "headers": headers | {"Content-Type": "application/json"}, "body": data}

    def login(self, stamp: int, content: str) -> list[Any]:
        """The arguments of the hub's Authenticate."""
        return [self.api_key, stamp, content, hmac_hex(self._secret, f"{stamp}{content}", "sha512")]


class Level(Struct, gc=False):
    quantity: float
    rate: float


class Traded(Level, gc=False):
    id: str
    executedAt: str
    takerSide: str


class Deltas(Struct):
    marketSymbol: str
    sequence: int
    bidDeltas: list[Level]
    askDeltas: list[Level]


class Trades(Struct):
    marketSymbol: str
    deltas: list[Traded]


_deltas, _trades = msgspec.json.Decoder(Deltas, strict=False), msgspec.json.Decoder(Trades, strict=False)
_levels = msgspec.json.Decoder(dict[str, list[Level]], strict=False)


def said_in(frame: bytes) -> Iterable[tuple[str, Any]]:
    """Name and content of the hub's messages in a frame; ("R", result) or ("E", fault) of an invocation."""
    match msgspec.json.decode(frame):
        case {"M": pushes}:
            yield from ((push["M"], inflate(packed)) for push in pushes for packed in push["A"] or [""])
        case {"R": result}:
            results = result if isinstance(result, list) else [result]
            codes = [str(row["ErrorCode"]) for row in results if not row["Success"]]
            yield ("E", c.Fault(ERRORS.kind(codes[0], ""), codes[0], "refused")) if codes else ("R", result)
        case {"E": text}:
            yield "E", c.Fault(Kind.UNKNOWN, "", str(text))
        case other if other != {}:  # an empty one keeps the connection alive
            raise ValueError(f"a frame of no known form: {str(other)[:120]}")


def inflate(packed: str) -> bytes:
    try:
        return zlib.decompress(b64decode(packed), -15) if packed else b""
    except zlib.error as error:
        raise ValueError(f"not deflated: {error}") from None


def pairs(levels: list[Level]) -> bytes:
    numbers = [number for level in levels for number in (level.rate, level.quantity)]
    if not isfinite(sum(numbers)):
        raise ValueError("a level that is no number")
    return struct.pack(f"<{len(numbers)}d", *numbers)


def invoke(method: str, *arguments: Any) -> str:
    return msgspec.json.encode({"H": "c3", "M": method, "A": arguments, "I": 1}).decode()


def negotiate() -> c.Opening:
    query = {"clientProtocol": "1.5", "connectionData": '[{"name":"c3"}]'}
    token = yield c.Call(c.Request("GET", "/signalr/negotiate", query), lambda a: str(a.json()["ConnectionToken"]))
    return "/signalr/connect?" + encode_query({"transport": "webSockets", "connectionToken": token, **query})


class BittrexBook(c.BookFeed):
    """The 500 best levels a side: deltas by stream, the snapshot by REST; one sequence joins them."""

    def __init__(self, rules: Mapping[str, o.TradingRule], stream: str = "") -> None:
        super().__init__(rules, stream)
        self._last: dict[str, int] = {}

    def opening(self) -> c.Opening:
        return negotiate()

    def markets(self) -> c.Call[list[o.MarketSummary]]:
        return c.Call(asking("/markets/summaries", signed=False), lambda answer: [*map(summary_of, answer.json())])

    def trading_rules(self) -> c.Call[list[o.TradingRule]]:
        return c.Call(asking("/markets", signed=False), lambda answer: [*map(rule_of, answer.json())])

    def snapshot(self, symbol: str) -> c.Call[Any]:
        def read(answer: c.Answer) -> BookSnapshot:
            book, number = _levels.decode(answer.body), int(answer.headers["sequence"])
            return BookSnapshot(symbol, pairs(book["bid"]), pairs(book["ask"]), number, layout=Layout.PACKED)

        return c.Call(asking(f"/markets/{symbol}/orderbook", {"depth": "500"}, signed=False), read)

    def subscribe(self, symbols: list[str], auth: c.Auth | None = None, now: float = 0.0) -> Iterable[str]:
        return (invoke("Subscribe", [f"orderbook_{name}_500", f"trade_{name}"]) for name in symbols)

    def unsubscribe(self, symbols: list[str]) -> Iterable[str]:
        return (invoke("Unsubscribe", [f"orderbook_{name}_500", f"trade_{name}"]) for name in symbols)

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | c.Control]:
        for name, content in said_in(frame):
            if name == "orderBook":
                yield from self._diff(_deltas.decode(content))
            elif name == "trade":
                found = _trades.decode(content)
                yield from (trade_of(found.marketSymbol, row) for row in found.deltas)
            elif name == "E":
                yield content
            elif name not in UNUSED:
                raise ValueError(f"a frame of no known form: {frame[:120]!r}")

    def _diff(self, told: Deltas) -> Iterable[OrderBookMessage]:
        symbol, number = told.marketSymbol, told.sequence
        levels = pairs(told.bidDeltas), pairs(told.askDeltas)
        if number < self._last.get(symbol, 0):
            yield Lost(symbol, "its sequence begins again")
        self._last[symbol] = number
        yield BookDiff(symbol, *levels, number, number, layout=Layout.PACKED)


def trade_of(symbol: str, row: Traded) -> Trade:
    return Trade(symbol, row.id, Side(row.takerSide.lower()), row.rate, row.quantity, iso_ns(row.executedAt))


def summary_of(row: Row) -> o.MarketSummary:
    # The summaries have no last price; the day's average stands for it.
    volume, quote = Decimal(row["volume"]), Decimal(row["quoteVolume"])
    return o.MarketSummary(row["symbol"], quote / volume if volume else Decimal(row["high"]), volume, quote)


def rule_of(row: Row) -> o.TradingRule:
    steps = {"tick": f"1E-{row['precision']}", "step": "1E-8", "least": row["minTradeSize"]}
    return read_rule(row, "symbol baseCurrencySymbol quoteCurrencySymbol", active=row["status"] == "ONLINE", **steps)


class Seen(dict[str, tuple[str, str]]):
    """Direction and client id of the orders seen last: an execution has neither."""

    def order(self, row: Row) -> o.OrderUpdate:
        client, size = row.get("clientOrderId") or "", row.get("quantity") or row["fillQuantity"]
        self[row["id"]] = row["direction"], client
        if len(self) > KEPT:
            del self[next(iter(self))]
        filled = Decimal(row["fillQuantity"])
        open_as = o.OrderState.PARTIALLY_FILLED if filled else o.OrderState.OPEN
        closed_as = o.OrderState.FILLED if filled >= Decimal(size) > 0 else o.OrderState.CANCELLED
        row = row | {"quantity": size, "limit": row.get("limit") or "0"}
        time = iso_ns(row.get("closedAt") or row.get("updatedAt") or row["createdAt"])
        return read_update(row, ORDER, {"OPEN": open_as, "CLOSED": closed_as}, client_id=client, time=time)

    def fills(self, rows: list[Row]) -> list[o.Fill]:
        return [fill_of(row, *self[row["orderId"]]) for row in rows if row["orderId"] in self]


def fill_of(row: Row, side: str, client: str) -> o.Fill:
    named = row | {"quote": row["marketSymbol"].split("-")[1], "maker": not row["isTaker"]}
    return read_fill(named, FILL, side, time=iso_ns(row["executedAt"]), client_id=client)


class BittrexUser(c.UserFeed):
    """Orders, executions and balances, each in a sequence of its own; the login lasts ten minutes."""

    def __init__(self, auth: c.Auth, rules: Mapping[str, o.TradingRule], host: str = "") -> None:
        super().__init__(auth, rules, host)
        self._open, self._seen, self._last, self._early = False, Seen(), dict[str, int](), list[Row]()

    def opening(self) -> c.Opening:
        return negotiate()

    def login(self, now: float) -> Iterable[str]:
        assert isinstance(self.auth, BittrexAuth)
        yield invoke("Authenticate", *self.auth.login(int(now * 1000), str(uuid4())))

    def parse(self, frame: bytes) -> Iterable[c.UserEvent | c.Control]:
        for name, content in said_in(frame):
            if name == "E":
                yield content
            elif name == "authenticationExpiring":
                yield c.LoginAgain()
            elif name == "R" and isinstance(content, list):
                self._open = True
                yield c.Ready()
            elif name == "R" and not self._open:  # a login renewed in time keeps the subscriptions
                yield c.Send(invoke("Subscribe", ["order", "balance", "execution"]))
            elif name not in UNUSED:
                yield from self._event(name, msgspec.json.decode(content))

    def _event(self, name: str, told: Row) -> Iterable[c.UserEvent | c.Control]:
        number = int(told["sequence"])
        last = self._last.setdefault(name, number - 1)
        if number != last:  # else it is said twice
            self._last[name] = number
            yield from self._said(name, told) if number == last + 1 else [c.Reconnect(f"{name}: {number} after {last}")]

    def _said(self, name: str, told: Row) -> Iterable[c.UserEvent]:
        match name, told:
            case "balance", {"delta": row}:
                yield balance_of(row)
            case "order", {"delta": row}:
                yield self._seen.order(row)
            case "execution", {"deltas": rows}:
                self._early += rows  # each waits for its order's message, which says the side
            case _:
                raise ValueError(f"a frame of no known form: {name} {str(told)[:120]}")
        yield from self._seen.fills(self._early)
        self._early = [row for row in self._early if row["orderId"] not in self._seen]


def balance_of(row: Row) -> o.Balance:
    time = iso_ns(row.get("updatedAt") or "")
    return o.Balance(row["currencySymbol"], Decimal(row["total"]), Decimal(row["available"]), time)


class BittrexOrders(c.OrderEntry):
    def __init__(self, rules: Mapping[str, o.TradingRule]) -> None:
        super().__init__(rules)
        self._seen, self._not_open, self._since = Seen(), set[str](), dict[str, dict[str, str]]()

    def place(self, order: o.NewOrder | o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        client, symbol = order.client_order_id, self.rules[order.trading_pair].symbol
        body = {"marketSymbol": symbol, "direction": order.side.name, "type": order.type.name}
        tif = (
            "POST_ONLY_" * order.post_only + (TIFS if order.type is o.OrderType.LIMIT else MARKET_TIFS)[order.tif.value]
        )
        body |= {"quantity": f"{order.amount:f}", "timeInForce": tif, "clientOrderId": client}
        body |= {} if order.price is None else {"limit": f"{order.price:f}"}

        def read(answer: c.Answer) -> o.OrderUpdate:
            if known := first_of(answer):
                return update(symbol, o.OrderState.OPEN, client, known)
            return self._seen.order({"clientOrderId": client} | answer.json())

        return c.Call(c.Request("POST", "/v3/orders", body=body, signed=True, cost={"calls": 1}), read)

    def resend(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        return self.place(order)

    def cancel(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate | None]:
        # The venue finds nothing by a client id: an order whose id isn't known yet is NOT_FOUND.
        request = asking(f"/orders/{order.exchange_order_id or order.client_order_id}", method="DELETE")
        return c.Call(request, lambda answer: self._seen.order(answer.json()))

    def status(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        """By lists, as the venue finds neither client ids nor what was cancelled without fills: first the open orders;
        the next time those closed since it was made. In neither, an order that was there is cancelled."""
        ours, theirs, params = order.client_order_id, order.exchange_order_id, {"marketSymbol": order.symbol}
        closed = (name := theirs or ours) in self._not_open
        params |= {"pageSize": str(PAGE)} | since(order.created - HOUR) if closed else {}

        def read(answer: c.Answer) -> o.OrderUpdate:
            rows = answer.json()
            for row in rows:
                if name in (row["id"], row.get("clientOrderId")):
                    self._not_open.discard(name)
                    return self._seen.order(row)
            self._not_open ^= {name}
            if not closed or not theirs or order.filled or len(rows) >= PAGE:
                raise NotFound(f"{name} is not among the {'closed' if closed else 'open'} orders")
            return update(order.symbol, o.OrderState.CANCELLED, ours, theirs)

        return c.Call(asking("/orders/closed" if closed else "/orders/open", params), read)

    def open_orders(self, trading_pair: str | None = None) -> c.Call[list[o.OrderUpdate]]:
        params = {"marketSymbol": self.rules[trading_pair].symbol} if trading_pair else {}
        return c.Call(asking("/orders/open", params), lambda answer: [*map(self._seen.order, answer.json())])

    def fills(self, trading_pair: str, after: c.FillCursor) -> c.Call[c.Page[o.Fill]]:
        """Newest first; what follows a page's last is older. Those of orders never seen here are left out, as their
        side is not said; ``order_fills`` has them."""
        symbol = self.rules[trading_pair].symbol
        if not after.trade_id:
            self._since[symbol] = since(after.time)
        params = {"marketSymbol": symbol, "pageSize": str(PAGE), **self._since.get(symbol, {})}
        params |= {"nextPageToken": after.trade_id} if after.trade_id else {}
        request = asking("/executions", params)
        return c.Call(request, lambda answer: c.Page(self._seen.fills(rows := answer.json()), len(rows) >= PAGE))

    def order_fills(self, order: o.InFlightOrder) -> c.Call[list[o.Fill]] | None:
        name, seen = order.exchange_order_id, Seen({order.exchange_order_id: (order.side.value, order.client_order_id)})
        request = asking(f"/orders/{name}/executions")
        return c.Call(request, lambda answer: seen.fills(answer.json())) if name else None

    def balances(self) -> c.Call[list[o.Balance]]:
        return c.Call(asking("/balances"), lambda answer: [*map(balance_of, answer.json())])

    def fees(self, trading_pair: str) -> c.Call[o.Fee]:
        path = f"/account/fees/trading/{self.rules[trading_pair].symbol}"
        return c.Call(asking(path), lambda answer: read_fee(answer.json(), "makerRate takerRate"))


def asking(path: str, params: c.Params | None = None, method: str = "GET", signed: bool = True) -> c.Request:
    return c.Request(method, f"/v3{path}", params or {}, signed=signed, cost={"calls": 1}, urgent=signed)


def update(symbol: str, state: o.OrderState, ours: str, theirs: str) -> o.OrderUpdate:
    return o.OrderUpdate(symbol=symbol, state=state, client_order_id=ours, exchange_order_id=theirs)


def since(time: int) -> dict[str, str]:
    return {"startDate": f"{datetime.fromtimestamp(time // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"} if time > 0 else {}


def first_of(answer: c.Answer) -> str:
    """The venue's id of the order that already has a client id, out of the refusal of another try."""
    data = answer.json(Row).get("data") if answer.status == 409 else None
    return str(data.get("id") or "") if isinstance(data, dict) else ""


ERRORS = ErrorTable(
    {
        Kind.REFUSED: "BAD_REQUEST ORDER_TYPE_INVALID INVALID_ORDER_TYPE INVALID_MARKET_ORDER RATE_PRECISION_*"
        " DUST_TRADE_* MIN_TRADE_* MAX_ORDERS_ALLOWED ORDERBOOK_DEPTH SELF_TRADE POST_ONLY FILL_OR_KILL MARKET_OFFLINE"
        " MARKET_DOES_NOT_EXIST MARKET_NAME_REVERSED NOT_ALLOWED ACCOUNT_DISABLED INVALID_RESTRICTED_ACCOUNT"
        " SOURCE_OF_FUNDS_REQUIRED",
        Kind.FUNDS: "INSUFFICIENT_FUNDS",
        Kind.DUPLICATE: "CLIENTORDERID_ALREADY_EXISTS",
        Kind.NOT_FOUND: "ORDER_DOES_NOT_EXIST NOT_FOUND UUID_INVALID ORDER_NOT_OPEN",
        Kind.RATE: "THROTTLED",
        Kind.CLOCK: "INVALID_TIMESTAMP",
        Kind.AUTH: "APIKEY_INVALID INVALID_APIKEY INVALID_SIGNATURE INVALID_PERMISSION WHITELIST_* UNAUTHORIZED_USER",
    },
    {},
)


def error(answer: c.Answer) -> c.Fault | None:
    """A second try whose refusal names the first one's order has an answer: the first did arrive."""
    fault = ERRORS.fault(answer, "detail")
    return None if fault is not None and fault.kind is Kind.DUPLICATE and first_of(answer) else fault


BITTREX = c.Exchange(
    name="bittrex",
    hosts=c.Hosts("https://api.bittrex.com", "wss://socket-v3.bittrex.com", "wss://socket-v3.bittrex.com"),
    limits=(c.RateLimit("calls", 60, 60.0, aligned=True),),
    auth=BittrexAuth,
    book=BittrexBook,
    user=BittrexUser,
    orders=BittrexOrders,
    error=error,
    # A version 4 UUID: 80 of its free bits, away from the fixed ones.
    client_id=lambda number: str(UUID(int=number >> 48 << 80 | number & (1 << 48) - 1, version=4)),
    server_time=c.Call(asking("/ping", signed=False), lambda answer: int(answer.json()["serverTime"]) / 1000),
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    closed="Bittrex Global stopped trading on 4 December 2023; Bittrex Inc. (US) had on 30 April 2023.",
    about=c.About(
        title="Bittrex (closed in December 2023)",
        books="levels, 500 a side",
        gaps="one sequence a market and depth, +1 a message",
        checked="recorded frames, snapshots and markets of one session; published signature vectors",
        unchecked="trades, and the private stream",
        not_applicable={"checksum_mismatch": "orderBook: marketSymbol, depth, sequence, bidDeltas, askDeltas; no more"},
    ),
)
