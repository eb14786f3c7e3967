"""Binance spot, as its public API documentation describes it (REST v3, market streams, websocket API v3)."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from exchanges import contract as c
from exchanges import orders as o
from exchanges.contract import ErrorKind as Kind
from exchanges.reading import (
    ErrorTable,
    Said,
    epoch_ns,
    read_balance,
    read_fee,
    read_fill,
    read_market,
    read_rule,
    read_update,
    states,
)
from exchanges.signing import base36, encode_query, hmac_hex, key_fields
from orderbook.messages import BookDiff, BookSnapshot, OrderBookMessage, Side, Trade

SNAPSHOT_DEPTH, SNAPSHOT_WEIGHT, STREAMS_A_FRAME = 1000, 50, 200
STATES = states(
    open="NEW PENDING_NEW PENDING_CANCEL",
    partially_filled="PARTIALLY_FILLED",
    filled="FILLED",
    cancelled="CANCELED",
    rejected="REJECTED",
    expired="EXPIRED EXPIRED_IN_MATCH",
)
ORDER, REPORT = "symbol status orderId executedQty cummulativeQuoteQty side origQty price type", "s X i z Z S q p o"


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


class Frame(Said, gc=False):
    """A combined-stream frame, an acknowledgement, or a refusal."""

    data: Depth | Traded | Shutdown | None = None
    id: int | str | None = None
    error: Said | None = None


_frame = msgspec.json.Decoder(Frame)


class BinanceBook(c.BookFeed):
    """Diffs by stream, the snapshot by REST; update ids join them."""

    def opening(self) -> c.Opening:
        return "/stream?timeUnit=MICROSECOND"
        yield

    def markets(self) -> c.Call[list[o.MarketSummary]]:
        return c.Call(c.Request("GET", "/api/v3/ticker/24hr", cost={"weight": 80}), read_markets)

    def trading_rules(self) -> c.Call[list[o.TradingRule]]:
        return c.Call(
            c.Request("GET", "/api/v3/exchangeInfo", {"showPermissionSets": "false"}, cost={"weight": 20}),
            lambda answer: [rule_of(row) for row in answer.json()["symbols"]],
        )

    def snapshot(self, symbol: str) -> c.Call[Any]:
        def read(answer: c.Answer) -> BookSnapshot:
            book = answer.json(dict[str, Raw])
            return BookSnapshot(symbol, bytes(book["bids"]), bytes(book["asks"]), int(bytes(book["lastUpdateId"])))

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
            return (BookDiff(data.s, bytes(data.b), bytes(data.a), data.U, data.u, epoch_ns(data.E)),)
        if type(data) is Traded:
            # "m": the buyer was the maker, so the taker sold.
            side = Side.SELL if data.m else Side.BUY
            return (Trade(data.s, str(data.t), side, float(data.p), float(data.q), epoch_ns(data.T)),)
        if type(data) is Shutdown:
            return (c.Reconnect("the venue shuts this server down"),)
        if refusal := said.error or (said if said.code else None):
            return (c.Fault(Kind.REFUSED, str(refusal.code), refusal.msg),)
        if said.id is None:
            raise ValueError(f"a frame of no known form: {frame[:120]!r}")
        return ()


def read_markets(answer: c.Answer) -> list[o.MarketSummary]:
    return [read_market(row, "symbol lastPrice volume quoteVolume") for row in answer.json()]


def rule_of(row: dict[str, Any]) -> o.TradingRule:
    filters = {entry["filterType"]: entry for entry in row["filters"]}
    lot, price = filters.get("LOT_SIZE", {}), filters.get("PRICE_FILTER", {})
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    sizes = {"step": lot.get("stepSize", "0"), "least": lot.get("minQty", "0"), "most": lot.get("maxQty")}
    values = {"tick": price.get("tickSize", "0"), "worth": notional.get("minNotional", "0")}
    return read_rule(row, "symbol baseAsset quoteAsset", active=row["status"] == "TRADING", **sizes, **values)


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
                client, time = event["C"] or event["c"], epoch_ns(event["T"])  # on a cancel "c" is the cancel's own id
                yield read_update(
                    event, REPORT, STATES, client_id=client, time=time, reason=event["r"].replace("NONE", "")
                )
                if event["x"] == "TRADE":
                    yield read_fill(event, "s t i L l n N m", event["S"], time=time, client_id=client)
            case {"event": {"e": "outboundAccountPosition", "B": rows, "E": stamp}}:
                yield from (read_balance(row["a"], row["f"], row["l"], epoch_ns(stamp)) for row in rows)
            case {"event": {"e": "eventStreamTerminated" | "serverShutdown" as what}}:
                yield c.Reconnect(what)
            case {"status": 200}:
                yield c.Ready()
            case {"error": {"code": code, "msg": message}}:
                yield c.Fault(ERRORS.kind(str(code), message), str(code), message)
            case {"event": {"e": str()}}:
                return  # deposits, locks, order lists: balances follow on their own
            case other:
                raise ValueError(f"a frame of no known form: {str(other)[:120]}")


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
        params |= {} if order.price is None else {"price": f"{order.price:f}"}
        params |= {"timeInForce": order.tif.name} if params["type"] == "LIMIT" else {}
        request = c.Request("POST", "/api/v3/order", params, signed=True, cost={"weight": 1, "orders": 1})
        return c.Call(request, lambda answer: order_of(answer.json()))

    def cancel(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate | None]:
        return c.Call(urgent("DELETE", "order", named(order), 1), lambda answer: order_of(answer.json()))

    def status(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        return c.Call(urgent("GET", "order", named(order), 4), lambda answer: order_of(answer.json()))

    def open_orders(self, trading_pair: str | None = None) -> c.Call[list[o.OrderUpdate]]:
        params = {"symbol": self.rules[trading_pair].symbol} if trading_pair else {}
        return c.Call(urgent("GET", "openOrders", params, 6 if params else 80), read_orders)

    def fills(self, trading_pair: str, after: c.FillCursor) -> c.Call[c.Page[o.Fill]]:
        params = {"symbol": self.rules[trading_pair].symbol, "limit": "1000"}
        if after.trade_id:
            params["fromId"] = str(int(after.trade_id) + 1)
        elif after.time:
            params["startTime"] = str(after.time // 1_000_000)
        return c.Call(urgent("GET", "myTrades", params, 20), lambda answer: c.page(read_fills(answer), 1000))

    def order_fills(self, order: o.InFlightOrder) -> c.Call[list[o.Fill]]:
        params = {"symbol": order.symbol, "orderId": order.exchange_order_id}
        return c.Call(urgent("GET", "myTrades", params, 5), read_fills)

    def balances(self) -> c.Call[list[o.Balance]]:
        return c.Call(urgent("GET", "account", {"omitZeroBalances": "true"}, 20), read_balances)

    def fees(self, trading_pair: str) -> c.Call[o.Fee]:
        return c.Call(
            urgent("GET", "account", {"omitZeroBalances": "true"}, 20),
            lambda answer: read_fee(answer.json()["commissionRates"], "maker taker"),
        )


def urgent(method: str, path: str, params: dict[str, str], weight: int) -> c.Request:
    return c.Request(method, f"/api/v3/{path}", params, signed=True, cost={"weight": weight}, urgent=True)


def named(order: o.InFlightOrder) -> dict[str, str]:
    name = {"orderId": order.exchange_order_id} if order.external else {"origClientOrderId": order.client_order_id}
    return {"symbol": order.symbol, **name}


def read_orders(answer: c.Answer) -> list[o.OrderUpdate]:
    return [order_of(row) for row in answer.json()]


def order_of(row: dict[str, Any]) -> o.OrderUpdate:
    client = row.get("origClientOrderId") or row["clientOrderId"]
    time = row.get("updateTime") or row.get("transactTime") or 0
    return read_update(row, ORDER, STATES, client_id=client, time=epoch_ns(time))


def read_fills(answer: c.Answer) -> list[o.Fill]:
    names = "symbol id orderId price qty commission commissionAsset isMaker"
    rows = answer.json()
    return [read_fill(row, names, "buy" if row["isBuyer"] else "sell", time=epoch_ns(row["time"])) for row in rows]


def read_balances(answer: c.Answer) -> list[o.Balance]:
    return [read_balance(row["asset"], row["free"], row["locked"]) for row in answer.json()["balances"]]


ERRORS = ErrorTable(
    {
        Kind.REFUSED: "-1013 -11[0-3]? -2010 -2021 -2022 -2039",
        Kind.NOT_FOUND: "-2011 -2013 -2026",
        Kind.RATE: "-1003 -1015",
        Kind.CLOCK: "-1021",
        Kind.AUTH: "-1002 -1022 -2014 -2015",
    },
    {("-2010", "uplicate"): Kind.DUPLICATE, ("-2010", "insufficient balance"): Kind.FUNDS},
)
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
    error=ERRORS.fault,
    client_id=lambda number: f"t{base36(number)}",
    server_time=c.Call(c.Request("GET", "/api/v3/time"), lambda answer: float(answer.json()["serverTime"]) / 1000),
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    about=c.About(
        title="Binance spot",
        books="levels, 100 ms",
        gaps="update ids",
        checked="recorded frames of two sessions, ccxt and ccxt.pro, published signature vectors",
        not_applicable={
            "checksum_mismatch": '"Diff. Depth Stream ... Payload": E, s, U, u, b, a; no checksum among them'
        },
    ),
)
