"""Binance spot, as its public API documentation describes it (REST v3, market streams, websocket API v3)."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from msgspec import Raw, Struct, json

from exchanges import contract as c, orders as o, reading as r
from exchanges.signing import encode_query, hmac_hex
from orderbook.messages import BookDiff, OrderBookMessage, Side, Trade

API, TESTNET, STREAMS_A_FRAME, FILLS_A_PAGE = "/api/v3", "testnet.binance.vision", 200, 1000
STATES = r.states(
    open="NEW PENDING_NEW PENDING_CANCEL",
    partially_filled="PARTIALLY_FILLED",
    filled="FILLED",
    cancelled="CANCELED",
    rejected="REJECTED",
    expired="EXPIRED EXPIRED_IN_MATCH",
)
ORDER = """symbol status orderId executedQty cummulativeQuoteQty side origQty price type
    origClientOrderId|clientOrderId updateTime|transactTime"""
REPORT = "s X i z Z S q p o C|c T"  # on a cancel "c" is the cancel's own id
FILL = "symbol id orderId price qty commission commissionAsset isMaker isBuyer time"
MARKET, RULE = (
    "symbol lastPrice volume quoteVolume",
    "symbol baseAsset quoteAsset tickSize| stepSize| minQty| maxQty|",
)
FILTERS = {"PRICE_FILTER", "LOT_SIZE", "NOTIONAL", "MIN_NOTIONAL"}


class BinanceAuth(c.Auth):
    def sign(self, ask: c.UnsignedRequest, now: float) -> c.AuthDict:
        query = encode_query({**ask.params, "timestamp": str(int(now * 1000))})
        url = f"{ask.base}?{query}&signature={hmac_hex(self._secrets[0], query)}"
        return ask.signed({"X-MBX-APIKEY": self.api_key}, url)

    def login(self, now: float) -> c.Frame:
        """Parameters of a signed websocket-API request are sorted by name and not percent-encoded."""
        params: dict[str, Any] = {"apiKey": self.api_key, "timestamp": int(now * 1000)}
        params["signature"] = hmac_hex(
            self._secrets[0], "&".join(f"{name}={params[name]}" for name in sorted(params))
        )
        return {"id": "user", "method": "userDataStream.subscribe.signature", "params": params}


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


class Frame(r.Said, gc=False):  # of a combined stream, an acknowledgement, or a refusal
    data: Depth | Traded | Shutdown | None = None
    id: int | str | None = None
    error: r.Said | None = None


_frame = json.Decoder(Frame)


class BinanceBook(c.BookFeed):
    """Diffs by stream, the snapshot by REST; update ids join them."""

    streams = ("/stream?timeUnit=MICROSECOND",)

    def markets(self) -> c.Call[list[o.MarketSummary]]:
        return c.get(f"{API}/ticker/24hr", r.each(partial(r.read_market, names=MARKET)), weight=80)

    def trading_rules(self) -> c.Call[list[o.TradingRule]]:
        return c.get(
            f"{API}/exchangeInfo",
            r.each(rule_of, "symbols"),
            {"showPermissionSets": "false"},
            weight=20,
        )

    def snapshot(self, symbol: str) -> c.Call[Any]:
        read = r.image(symbol, "bids asks lastUpdateId")
        return c.get(f"{API}/depth", read, {"symbol": symbol, "limit": "1000"}, weight=50)

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[c.Frame]:
        streams = [
            f"{symbol.lower()}@{kind}" for symbol in symbols for kind in ("depth@100ms", "trade")
        ]
        for number, params in enumerate(r.parts(streams, STREAMS_A_FRAME), 1):
            yield {"method": "SUBSCRIBE" if on else "UNSUBSCRIBE", "params": params, "id": number}

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | c.Control]:
        said = _frame.decode(frame)
        data = said.data
        if type(data) is Depth:
            return (
                BookDiff(data.s, bytes(data.b), bytes(data.a), data.U, data.u, r.epoch_ns(data.E)),
            )
        if type(data) is Traded:
            # "m": the buyer was the maker, so the taker sold.
            side = Side.SELL if data.m else Side.BUY
            return (
                Trade(data.s, str(data.t), side, float(data.p), float(data.q), r.epoch_ns(data.T)),
            )
        if type(data) is Shutdown:
            return (c.Reconnect("the venue shuts this server down"),)
        if refusal := said.error or (said if said.code else None):
            return (c.Fault(c.ErrorKind.REFUSED, str(refusal.code), refusal.msg),)
        if said.id is None:
            raise ValueError(f"a frame of no known form: {frame[:120]!r}")
        return ()


def rule_of(row: r.Row) -> o.TradingRule:
    limits = [entry for entry in row["filters"] if entry["filterType"] in FILTERS]
    flat = row | {name: value for entry in limits for name, value in entry.items()}
    return r.read_rule(
        flat, RULE, worth=flat.get("minNotional", ""), active=row["status"] == "TRADING"
    )


class BinanceUser(c.UserFeed):
    """The account's events on the websocket API, by a signed subscription."""

    path = "/ws-api/v3?timeUnit=MICROSECOND"

    def parse(self, frame: bytes) -> Iterable[c.UserEvent | c.Control]:
        match json.decode(frame):
            case {"event": {"e": "executionReport"} as event}:
                yield r.read_update(event, REPORT, STATES, reason=event["r"].replace("NONE", ""))
                if event["x"] == "TRADE":
                    yield r.read_fill(event, "s t i L l n N m S T C|c")
            case {"event": {"e": "outboundAccountPosition", "B": rows, "E": stamp}}:
                yield from (r.read_holding(row, "a f l", r.epoch_ns(stamp)) for row in rows)
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
    id_params = ("symbol", "origClientOrderId", "orderId")

    def place(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        kind = (
            "MARKET"
            if order.type is o.OrderType.MARKET
            else "LIMIT_MAKER"
            if order.post_only
            else "LIMIT"
        )
        params = {
            "symbol": order.symbol,
            "side": order.side.name,
            "type": kind,
            "quantity": f"{order.amount:f}",
        }
        params |= {"newClientOrderId": order.client_order_id, "newOrderRespType": "RESULT"}
        if order.price is not None:
            params |= {"price": f"{order.price:f}"} | (
                {"timeInForce": order.tif.name} if kind == "LIMIT" else {}
            )
        return c.ask(f"POST {API}/order", r.one(order_of), params, urgent=False, weight=1, orders=1)

    def cancel(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate | None]:
        return c.ask(f"DELETE {API}/order", r.one(order_of), self.query_by_id(order), weight=1)

    def status(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        return c.ask(f"{API}/order", r.one(order_of), self.query_by_id(order), weight=4)

    def open_orders(self, trading_pair: str | None = None) -> c.Call[list[o.OrderUpdate]]:
        return c.ask(
            f"{API}/openOrders",
            r.each(order_of),
            self.pair(trading_pair),
            weight=6 if trading_pair else 80,
        )

    def fills(self, trading_pair: str, after: c.FillCursor) -> c.Call[c.Page[o.Fill]]:
        query, known = (
            self.pair(trading_pair) | {"limit": str(FILLS_A_PAGE)},
            after.page or after.trade_id,
        )
        query |= (
            {"fromId": str(int(known) + 1)}
            if known
            else {"startTime": str(after.time // 10**6 or "")}
        )
        return c.ask(f"{API}/myTrades", r.pages(fill_of, FILLS_A_PAGE, "id"), query, weight=20)

    def order_fills(self, order: o.InFlightOrder) -> c.Call[list[o.Fill]]:
        query = {"symbol": order.symbol, "orderId": order.exchange_order_id}
        return c.ask(f"{API}/myTrades", r.each(fill_of), query, weight=5)

    def balances(self) -> c.Call[list[o.Balance]]:
        read = r.each(partial(r.read_holding, names="asset free locked"), "balances")
        return c.ask(f"{API}/account", read, {"omitZeroBalances": "true"}, weight=20)

    def fees(self, trading_pair: str) -> c.Call[o.Fee]:
        read = r.one(partial(r.read_fee, names="maker taker"), "commissionRates")
        return c.ask(f"{API}/account", read, {"omitZeroBalances": "true"}, weight=20)


order_of = partial(r.read_update, names=ORDER, states=STATES)
fill_of = partial(r.read_fill, names=FILL)
ERRORS = r.errors(
    {c.ErrorKind.DUPLICATE: "-2010:uplicate", c.ErrorKind.FUNDS: "-2010:insufficient balance"},
    refused="-1013 -11[0-3]? -2010 -2021 -2022 -2039",
    not_found="-2011 -2013 -2026",
    rate="-1003 -1015",
    clock="-1021",
    auth="-1002 -1022 -2014 -2015",
)
BINANCE = c.Exchange(
    name="binance",
    hosts=c.Endpoints(
        "https://api.binance.com", "wss://stream.binance.com:9443", "wss://ws-api.binance.com:443"
    ),
    testnet=c.Endpoints(f"https://{TESTNET}", f"wss://stream.{TESTNET}", f"wss://ws-api.{TESTNET}"),
    limits=(
        c.RateLimit("weight", 6000, 60.0, "x-mbx-used-weight-1m", aligned=True),
        c.RateLimit("orders", 50, 10.0, "x-mbx-order-count-10s", aligned=True),
    ),
    auth=BinanceAuth,
    book=BinanceBook,
    user=BinanceUser,
    orders=BinanceOrders,
    error=ERRORS.fault,
    server_time=c.Call(
        c.Request("GET", "/api/v3/time"), lambda answer: float(answer.json()["serverTime"]) / 1000
    ),
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    about=c.About(
        title="Binance spot",
        books="levels, 100 ms",
        gaps="update ids",
        checked="recorded frames of two sessions, ccxt and ccxt.pro, published signature vectors",
        not_applicable={
            "checksum_mismatch": 'Payload of "Diff. Depth Stream": E, s, U, u, b, a; no checksum'
        },
    ),
)
