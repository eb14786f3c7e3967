"""Binance spot, as its public API documentation describes it (REST v3, market streams, websocket API v3)."""

from collections.abc import Iterable, Mapping
from decimal import Decimal as D
from typing import Any

import msgspec
from msgspec import Raw, Struct

from exchanges import contract as c
from exchanges import orders as o
from exchanges.contract import ErrorKind as Kind
from exchanges.signing import base36, encode_query, hmac_hex, key_fields
from orderbook.messages import BookDiff, BookSnapshot, OrderBookMessage, Side, Trade

SNAPSHOT_DEPTH, SNAPSHOT_WEIGHT = 1000, 50
STREAMS_A_FRAME = 200
STATES = {
    "NEW": o.OrderState.OPEN,
    "PENDING_NEW": o.OrderState.OPEN,
    "PENDING_CANCEL": o.OrderState.OPEN,
    "PARTIALLY_FILLED": o.OrderState.PARTIALLY_FILLED,
    "FILLED": o.OrderState.FILLED,
    "CANCELED": o.OrderState.CANCELLED,
    "REJECTED": o.OrderState.REJECTED,
    "EXPIRED": o.OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": o.OrderState.EXPIRED,
}
SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}


def ns(stamp: int) -> int:
    """Nanoseconds from the milliseconds or, where we asked for them, microseconds of a frame."""
    return stamp * 1000 if stamp > 10**14 else stamp * 1_000_000


class BinanceAuth(c.Auth):
    def __init__(self, keys: Mapping[str, str]) -> None:
        self.api_key, self._secret = key_fields(keys, "api_key", "api_secret")

    def generate_auth_dict(
        self, http_method: str, url: str, params: c.Params, body: c.Body = None, *, now: float
    ) -> c.AuthDict:
        query = encode_query({**params, "timestamp": str(int(now * 1000))})
        signed = f"{url}?{query}&signature={hmac_hex(self._secret, query)}"
        return {"url": signed, "headers": {"X-MBX-APIKEY": self.api_key}, "body": b""}

    def sign_params(self, now: float) -> dict[str, Any]:
        """Parameters of a signed websocket-API request: sorted by name, not percent-encoded."""
        params: dict[str, Any] = {"apiKey": self.api_key, "timestamp": int(now * 1000)}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        return {**params, "signature": hmac_hex(self._secret, payload)}


class Depth(Struct, tag_field="e", tag="depthUpdate", gc=False):
    E: int
    s: str
    U: int
    u: int
    b: Raw
    a: Raw


class Traded(Struct, tag_field="e", tag="trade", gc=False):
    s: str
    t: int
    p: str
    q: str
    T: int
    m: bool


class Shutdown(Struct, tag_field="e", tag="serverShutdown"):
    pass


class Refusal(Struct):
    code: int
    msg: str


class Frame(Struct, gc=False):
    """A combined-stream frame, an acknowledgement, or a refusal."""

    data: Depth | Traded | Shutdown | None = None
    id: int | str | None = None
    code: int | None = None
    msg: str = ""
    error: Refusal | None = None


class DepthAnswer(Struct):
    lastUpdateId: int
    bids: Raw
    asks: Raw


_frame = msgspec.json.Decoder(Frame)


class BinanceBook(c.BookFeed):
    """Diffs by stream, the snapshot by REST; update ids join them."""

    def opening(self) -> c.Opening:
        return "/stream?timeUnit=MICROSECOND"
        yield

    def markets(self) -> c.Call[list[o.MarketSummary]]:
        def read(answer: c.Answer) -> list[o.MarketSummary]:
            rows = answer.json(list[dict[str, Any]])
            names = ("lastPrice", "volume", "quoteVolume")
            return [o.MarketSummary(row["symbol"], *(D(row[name]) for name in names)) for row in rows]

        return c.Call(c.Request("GET", "/api/v3/ticker/24hr", cost={"weight": 80}), read)

    def trading_rules(self) -> c.Call[list[o.TradingRule]]:
        return c.Call(
            c.Request("GET", "/api/v3/exchangeInfo", {"showPermissionSets": "false"}, cost={"weight": 20}),
            lambda answer: [read_rule(row) for row in answer.json()["symbols"]],
        )

    def snapshot(self, symbol: str) -> c.Call[Any]:
        def read(answer: c.Answer) -> BookSnapshot:
            book = answer.json(DepthAnswer)
            return BookSnapshot(symbol, bytes(book.bids), bytes(book.asks), book.lastUpdateId)

        query = {"symbol": symbol, "limit": str(SNAPSHOT_DEPTH)}
        return c.Call(c.Request("GET", "/api/v3/depth", query, cost={"weight": SNAPSHOT_WEIGHT}), read)

    def subscribe(self, symbols: list[str], auth: c.Auth | None = None, now: float = 0.0) -> Iterable[str]:
        return self._frames("SUBSCRIBE", symbols)

    def unsubscribe(self, symbols: list[str]) -> Iterable[str]:
        return self._frames("UNSUBSCRIBE", symbols)

    def _frames(self, method: str, symbols: list[str]) -> Iterable[str]:
        streams = [f"{symbol.lower()}@{kind}" for symbol in symbols for kind in ("depth@100ms", "trade")]
        for first in range(0, len(streams), STREAMS_A_FRAME):
            frame = {"method": method, "params": streams[first : first + STREAMS_A_FRAME], "id": first + 1}
            yield msgspec.json.encode(frame).decode()

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | c.Control]:
        said = _frame.decode(frame)
        data = said.data
        if type(data) is Depth:
            return (BookDiff(data.s, bytes(data.b), bytes(data.a), data.U, data.u, ns(data.E)),)
        if type(data) is Traded:
            # "m": the buyer was the maker, so the taker sold.
            side = Side.SELL if data.m else Side.BUY
            return (Trade(data.s, str(data.t), side, float(data.p), float(data.q), ns(data.T)),)
        if type(data) is Shutdown:
            return (c.Reconnect("the venue shuts this server down"),)
        refusal = said.error or (Refusal(said.code, said.msg) if said.code is not None else None)
        if refusal is not None:
            return (c.Fault(Kind.REFUSED, str(refusal.code), refusal.msg),)
        if said.id is None:
            raise ValueError(f"a frame of no known form: {frame[:120]!r}")
        return ()


def read_rule(row: dict[str, Any]) -> o.TradingRule:
    filters = {entry["filterType"]: entry for entry in row["filters"]}
    lot, price = filters.get("LOT_SIZE", {}), filters.get("PRICE_FILTER", {})
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    return o.TradingRule(
        trading_pair=f"{row['baseAsset']}-{row['quoteAsset']}",
        symbol=row["symbol"],
        base=row["baseAsset"],
        quote=row["quoteAsset"],
        price_tick=D(price.get("tickSize", "0")),
        size_step=D(lot.get("stepSize", "0")),
        min_size=D(lot.get("minQty", "0")),
        max_size=D(lot["maxQty"]) if "maxQty" in lot else None,
        min_notional=D(notional.get("minNotional", "0")),
        active=row["status"] == "TRADING",
    )


class BinanceUser(c.UserFeed):
    """The account's events on the websocket API, by a signed subscription."""

    def opening(self) -> c.Opening:
        return "/ws-api/v3?timeUnit=MICROSECOND"
        yield

    def login(self, now: float) -> Iterable[str]:
        assert isinstance(self.auth, BinanceAuth)
        frame = {"id": "user", "method": "userDataStream.subscribe.signature", "params": self.auth.sign_params(now)}
        yield msgspec.json.encode(frame).decode()

    def parse(self, frame: bytes) -> Iterable[c.UserEvent | c.Control]:
        match msgspec.json.decode(frame):
            case {"event": {"e": "executionReport"} as event}:
                client = event["C"] or event["c"]  # on a cancel "c" is the cancel's own id
                yield update(event, "s X i z Z S q p o", client, event["T"], event["r"].replace("NONE", ""))
                if event["x"] == "TRADE":
                    yield fill(event, "s t i L l n N m T", SIDES[event["S"]], client)
            case {"event": {"e": "outboundAccountPosition", "B": rows, "E": stamp}}:
                yield from (balance(row["a"], row["f"], row["l"], ns(stamp)) for row in rows)
            case {"event": {"e": "eventStreamTerminated" | "serverShutdown" as what}}:
                yield c.Reconnect(what)
            case {"status": 200}:
                yield c.Ready()
            case {"status": int(status), "error": {"code": code, "msg": message}}:
                yield c.Fault(kind_of(str(code), message, status), str(code), message)
            case {"event": {"e": str()}}:
                return  # deposits, locks, order lists: balances follow on their own
            case other:
                raise ValueError(f"a frame of no known form: {str(other)[:120]}")


def update(row: dict[str, Any], names: str, client: str, time: int, reason: str = "") -> o.OrderUpdate:
    symbol, state, order_id, filled, quote, side, amount, price, kind = (row[name] for name in names.split())
    return o.OrderUpdate(
        symbol=symbol,
        state=STATES[state],
        client_order_id=client,
        exchange_order_id=str(order_id),
        filled=D(filled),
        quote_filled=D(quote),
        time=ns(time),
        reason=reason,
        side=SIDES[side],
        amount=D(amount),
        price=D(price) or None,
        type=o.OrderType.MARKET if kind == "MARKET" else o.OrderType.LIMIT,
    )


def fill(row: dict[str, Any], names: str, side: Side, client: str = "") -> o.Fill:
    symbol, trade_id, order_id, price, amount, fee, asset, maker, time = (row[name] for name in names.split())
    ids = {"symbol": symbol, "trade_id": str(trade_id), "exchange_order_id": str(order_id), "client_order_id": client}
    paid = {"fee": D(fee), "fee_asset": asset or "", "is_maker": maker, "time": ns(time)}
    return o.Fill(**ids, side=side, price=D(price), amount=D(amount), **paid)


def balance(asset: str, free: str, locked: str, time: int = 0) -> o.Balance:
    return o.Balance(asset, D(free) + D(locked), D(free), time)


class BinanceOrders(c.OrderEntry):
    def place(self, order: o.NewOrder) -> c.Call[o.OrderUpdate]:
        params = {
            "symbol": self.rules[order.trading_pair].symbol,
            "side": order.side.name,
            "type": "MARKET" if order.type is o.OrderType.MARKET else "LIMIT_MAKER" if order.post_only else "LIMIT",
            "quantity": f"{order.amount:f}",
            "newClientOrderId": order.client_order_id,
            "newOrderRespType": "RESULT",
        }
        if order.price is not None:
            params["price"] = f"{order.price:f}"
        if params["type"] == "LIMIT":
            params["timeInForce"] = order.tif.name
        cost = {"weight": 1, "orders": 1}
        return c.Call(c.Request("POST", "/api/v3/order", params, signed=True, cost=cost), read_order)

    def cancel(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate | None]:
        return c.Call(urgent("DELETE", "order", named(order), 1), read_order)

    def cancel_all(self, trading_pair: str) -> c.Call[list[o.OrderUpdate]]:
        return c.Call(urgent("DELETE", "openOrders", {"symbol": self.rules[trading_pair].symbol}, 1), read_orders)

    def status(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        return c.Call(urgent("GET", "order", named(order), 4), read_order)

    def open_orders(self, trading_pair: str | None = None) -> c.Call[list[o.OrderUpdate]]:
        params = {"symbol": self.rules[trading_pair].symbol} if trading_pair else {}
        return c.Call(urgent("GET", "openOrders", params, 6 if params else 80), read_orders)

    def fills(self, trading_pair: str, after: c.FillCursor) -> c.Call[c.Page[o.Fill]]:
        params = {"symbol": self.rules[trading_pair].symbol, "limit": "1000"}
        if after.trade_id:
            params["fromId"] = str(int(after.trade_id) + 1)
        elif after.time:
            params["startTime"] = str(after.time // 1_000_000)
        return c.Call(urgent("GET", "myTrades", params, 20), lambda answer: page(read_fills(answer)))

    def order_fills(self, order: o.InFlightOrder) -> c.Call[list[o.Fill]]:
        params = {"symbol": order.symbol, "orderId": order.exchange_order_id}
        return c.Call(urgent("GET", "myTrades", params, 5), read_fills)

    def balances(self) -> c.Call[list[o.Balance]]:
        return c.Call(urgent("GET", "account", {"omitZeroBalances": "true"}, 20), read_balances)

    def fees(self, trading_pair: str) -> c.Call[o.Fee]:
        return c.Call(urgent("GET", "account", {"omitZeroBalances": "true"}, 20), read_fee)


def urgent(method: str, path: str, params: dict[str, str], weight: int) -> c.Request:
    return c.Request(method, f"/api/v3/{path}", params, signed=True, cost={"weight": weight}, urgent=True)


def named(order: o.InFlightOrder) -> dict[str, str]:
    if order.external:
        return {"symbol": order.symbol, "orderId": order.exchange_order_id}
    return {"symbol": order.symbol, "origClientOrderId": order.client_order_id}


def read_order(answer: c.Answer) -> o.OrderUpdate:
    return order_of(answer.json())


def read_orders(answer: c.Answer) -> list[o.OrderUpdate]:
    return [order_of(row) for entry in answer.json() for row in entry.get("orderReports", [entry])]


def order_of(row: dict[str, Any]) -> o.OrderUpdate:
    client = row.get("origClientOrderId") or row["clientOrderId"]
    time = row.get("updateTime") or row.get("transactTime") or 0
    return update(row, "symbol status orderId executedQty cummulativeQuoteQty side origQty price type", client, time)


def read_fills(answer: c.Answer) -> list[o.Fill]:
    names = "symbol id orderId price qty commission commissionAsset isMaker time"
    return [fill(row, names, Side.BUY if row["isBuyer"] else Side.SELL) for row in answer.json()]


def read_balances(answer: c.Answer) -> list[o.Balance]:
    return [balance(row["asset"], row["free"], row["locked"]) for row in answer.json()["balances"]]


def read_fee(answer: c.Answer) -> o.Fee:
    rates = answer.json()["commissionRates"]
    return o.Fee(D(rates["maker"]), D(rates["taker"]))


def page(fills: list[o.Fill]) -> c.Page[o.Fill]:
    return c.Page(fills, more=len(fills) >= 1000)


KINDS = {
    Kind.REFUSED: "-1013 -1106 -1111 -1112 -1114 -1116 -1117 -1121 -1128 -1130 -2010 -2021 -2022 -2039",
    Kind.NOT_FOUND: "-2011 -2013 -2026",
    Kind.UNKNOWN: "-1000 -1001 -1006 -1007 -1008",
    Kind.RATE: "-1003 -1015",
    Kind.CLOCK: "-1021",
    Kind.AUTH: "-1002 -1022 -2014 -2015",
}
CODES = {code: kind for kind, codes in KINDS.items() for code in codes.split()}


def kind_of(code: str, message: str, status: int) -> Kind:
    if status in (418, 429):
        return Kind.RATE
    if code == "-2010" and "uplicate" in message:
        return Kind.DUPLICATE
    if code == "-2010" and "insufficient balance" in message:
        return Kind.FUNDS
    return CODES.get(code, Kind.REFUSED if -1130 <= int(code or 0) <= -1100 else Kind.UNKNOWN)


def error(answer: c.Answer) -> c.Fault | None:
    if answer.status < 400:
        return None
    try:
        said = answer.json(Refusal)
    except msgspec.DecodeError:
        said = Refusal(0, "")
    code = str(said.code) if said.code else ""
    kind = Kind.UNKNOWN if answer.status >= 500 else kind_of(code, said.msg, answer.status)
    return c.Fault(kind, code, said.msg or f"HTTP {answer.status}")


BINANCE = c.Exchange(
    name="binance",
    hosts=c.Hosts("https://api.binance.com", "wss://stream.binance.com:9443", "wss://ws-api.binance.com:443"),
    testnet=c.Hosts(
        "https://testnet.binance.vision", "wss://stream.testnet.binance.vision", "wss://ws-api.testnet.binance.vision"
    ),
    limits=(
        c.RateLimit("weight", 6000, 60.0, "x-mbx-used-weight-1m", aligned=True),
        c.RateLimit("orders", 50, 10.0, "x-mbx-order-count-10s", aligned=True),
    ),
    auth=BinanceAuth,
    book=BinanceBook,
    user=BinanceUser,
    orders=BinanceOrders,
    error=error,
    client_id=lambda number: f"t{base36(number)}",
    server_time=c.Call(c.Request("GET", "/api/v3/time"), lambda answer: float(answer.json()["serverTime"]) / 1000),
    has=frozenset({"post_only", "ioc", "fok", "market"}),
)
