"""Binance spot, as its public API documentation describes it (REST v3, market streams, websocket API v3)."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from exchanges import contract as c, orders as o, reading as r
from exchanges.contract import ErrorKind as Kind
from exchanges.signing import base36, encode_query, hmac_hex
from orderbook.messages import BookDiff, BookSnapshot, OrderBookMessage, Side, Trade

STREAMS_A_FRAME = 200
STATES = r.states(
    open="NEW PENDING_NEW PENDING_CANCEL",
    partially_filled="PARTIALLY_FILLED",
    filled="FILLED",
    cancelled="CANCELED",
    rejected="REJECTED",
    expired="EXPIRED EXPIRED_IN_MATCH",
)
ORDER, REPORT = "symbol status orderId executedQty cummulativeQuoteQty side origQty price type", "s X i z Z S q p o"


class BinanceAuth(c.Auth):
    def sign(self, ask: c.Unsigned, now: float) -> c.AuthDict:
        query = encode_query({**ask.params, "timestamp": str(int(now * 1000))})
        url = f"{ask.base}?{query}&signature={hmac_hex(self._secrets[0], query)}"
        return ask.signed({"X-MBX-APIKEY": self.api_key}, url)

    def sign_params(self, now: float) -> dict[str, Any]:
        """Parameters of a signed websocket-API request: sorted by name, not percent-encoded."""
        params: dict[str, Any] = {"apiKey": self.api_key, "timestamp": int(now * 1000)}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        return {**params, "signature": hmac_hex(self._secrets[0], payload)}


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


class Frame(r.Said, gc=False):
    """A combined-stream frame, an acknowledgement, or a refusal."""

    data: Depth | Traded | Shutdown | None = None
    id: int | str | None = None
    error: r.Said | None = None


_frame = msgspec.json.Decoder(Frame)


class BinanceBook(c.BookFeed):
    """Diffs by stream, the snapshot by REST; update ids join them."""

    streams = ("/stream?timeUnit=MICROSECOND",)

    def markets(self) -> c.Call[list[o.MarketSummary]]:
        names = "symbol lastPrice volume quoteVolume"
        return c.get("/api/v3/ticker/24hr", lambda a: [r.read_market(row, names) for row in a.json()], weight=80)

    def trading_rules(self) -> c.Call[list[o.TradingRule]]:
        query = {"showPermissionSets": "false"}
        return c.get("/api/v3/exchangeInfo", lambda a: [*map(rule_of, a.json()["symbols"])], query, weight=20)

    def snapshot(self, symbol: str) -> c.Call[Any]:
        def read(answer: c.Answer) -> BookSnapshot:
            book = answer.json(dict[str, Raw])
            return BookSnapshot(symbol, bytes(book["bids"]), bytes(book["asks"]), int(bytes(book["lastUpdateId"])))

        return c.get("/api/v3/depth", read, {"symbol": symbol, "limit": "1000"}, weight=50)

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[c.Frame]:
        streams = [f"{symbol.lower()}@{kind}" for symbol in symbols for kind in ("depth@100ms", "trade")]
        for first in range(0, len(streams), STREAMS_A_FRAME):
            params, method = streams[first : first + STREAMS_A_FRAME], "SUBSCRIBE" if on else "UNSUBSCRIBE"
            yield {"method": method, "params": params, "id": first + 1}

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | c.Control]:
        said = _frame.decode(frame)
        data = said.data
        if type(data) is Depth:
            return (BookDiff(data.s, bytes(data.b), bytes(data.a), data.U, data.u, r.epoch_ns(data.E)),)
        if type(data) is Traded:
            # "m": the buyer was the maker, so the taker sold.
            side = Side.SELL if data.m else Side.BUY
            return (Trade(data.s, str(data.t), side, float(data.p), float(data.q), r.epoch_ns(data.T)),)
        if type(data) is Shutdown:
            return (c.Reconnect("the venue shuts this server down"),)
        if refusal := said.error or (said if said.code else None):
            return (c.Fault(Kind.REFUSED, str(refusal.code), refusal.msg),)
        if said.id is None:
            raise ValueError(f"a frame of no known form: {frame[:120]!r}")
        return ()


def rule_of(row: dict[str, Any]) -> o.TradingRule:
    filters = {entry["filterType"]: entry for entry in row["filters"]}
    lot, price = filters.get("LOT_SIZE", {}), filters.get("PRICE_FILTER", {})
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    sizes = {"step": lot.get("stepSize", "0"), "least": lot.get("minQty", "0"), "most": lot.get("maxQty")}
    values = {"tick": price.get("tickSize", "0"), "worth": notional.get("minNotional", "0")}
    return r.read_rule(row, "symbol baseAsset quoteAsset", active=row["status"] == "TRADING", **sizes, **values)


class BinanceUser(c.UserFeed):
    """The account's events on the websocket API, by a signed subscription."""

    path = "/ws-api/v3?timeUnit=MICROSECOND"

    def login(self, now: float) -> Iterable[c.Frame]:
        assert isinstance(self.auth, BinanceAuth)
        yield {"id": "user", "method": "userDataStream.subscribe.signature", "params": self.auth.sign_params(now)}

    def parse(self, frame: bytes) -> Iterable[c.UserEvent | c.Control]:
        match msgspec.json.decode(frame):
            case {"event": {"e": "executionReport"} as event}:
                # On a cancel "c" is the cancel's own id.
                client, time, reason = event["C"] or event["c"], r.epoch_ns(event["T"]), event["r"].replace("NONE", "")
                yield r.read_update(event, REPORT, STATES, client_id=client, time=time, reason=reason)
                if event["x"] == "TRADE":
                    yield r.read_fill(event, "s t i L l n N m", event["S"], time=time, client_id=client)
            case {"event": {"e": "outboundAccountPosition", "B": rows, "E": stamp}}:
                yield from (r.read_balance(row["a"], row["f"], row["l"], r.epoch_ns(stamp)) for row in rows)
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
    def place(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        params = {
            "symbol": order.symbol,
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
        if known := after.page or after.trade_id:
            params["fromId"] = str(int(known) + 1)
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
            lambda answer: r.read_fee(answer.json()["commissionRates"], "maker taker"),
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
    return r.read_update(row, ORDER, STATES, client_id=client, time=r.epoch_ns(time))


def read_fills(answer: c.Answer) -> list[o.Fill]:
    names = "symbol id orderId price qty commission commissionAsset isMaker"
    rows = answer.json()
    return [r.read_fill(row, names, "buy" if row["isBuyer"] else "sell", time=r.epoch_ns(row["time"])) for row in rows]


def read_balances(answer: c.Answer) -> list[o.Balance]:
    return [r.read_balance(row["asset"], row["free"], row["locked"]) for row in answer.json()["balances"]]


ERRORS = r.ErrorTable(
    {
        Kind.REFUSED: "-1013 -11[0-3]? -2010 -2021 -2022 -2039",
        Kind.NOT_FOUND: "-2011 -2013 -2026",
        Kind.RATE: "-1003 -1015",
        Kind.CLOCK: "-1021",
        Kind.AUTH: "-1002 -1022 -2014 -2015",
    },
    {Kind.DUPLICATE: "-2010:uplicate", Kind.FUNDS: "-2010:insufficient balance"},
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
