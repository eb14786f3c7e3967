"""Bybit spot, as its v5 documentation describes it (unified trading account)."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from urllib.parse import unquote

import msgspec

from exchanges import contract as c, orders as o, reading as r
from exchanges.signing import hmac_hex
from orderbook.messages import BookDiff, BookSnapshot, OrderBookMessage

STATES = r.states(
    open="New Created Untriggered Triggered Active", filled="Filled", rejected="Rejected"
)
STATES |= r.states(
    partially_filled="PartiallyFilled", cancelled="Cancelled PartiallyFilledCanceled Deactivated"
)
RULE = "symbol baseCoin quoteCoin tickSize basePrecision minOrderQty maxLimitOrderQty|maxOrderQty"
ORDER = "symbol orderStatus orderId cumExecQty cumExecValue side qty price orderType orderLinkId updatedTime"
FILL = (
    "symbol execId orderId execPrice execQty execFee feeCurrency isMaker side execTime orderLinkId"
)
ROWS, SPOT, WINDOW, TOPICS_A_FRAME, FILLS_A_PAGE = (
    ("result", "list"),
    {"category": "spot"},
    "5000",
    10,
    100,
)
HOSTS = [
    c.Endpoints(f"https://api{net}.bybit.com", *[f"wss://stream{net}.bybit.com"] * 2)
    for net in ("", "-testnet")
]


class BybitAuth(c.Auth):
    def sign(self, ask: c.UnsignedRequest, now: float) -> c.AuthDict:
        stamp = str(int(now * 1000))
        sign = hmac_hex(self._secrets[0], f"{stamp}{self.api_key}{WINDOW}{ask.query}{ask.data}")
        fields = {"API-KEY": self.api_key, "TIMESTAMP": stamp, "RECV-WINDOW": WINDOW, "SIGN": sign}
        return ask.signed({f"X-BAPI-{name}": value for name, value in fields.items()})

    def login(self, now: float) -> c.Frame:
        expires = int((now + 10) * 1000)  # must lie ahead when it arrives
        return {
            "op": "auth",
            "args": [self.api_key, expires, hmac_hex(self._secrets[0], f"GET/realtime{expires}")],
        }


class Levels(msgspec.Struct, gc=False):
    s: str
    b: msgspec.Raw
    a: msgspec.Raw
    u: int


class Frame(msgspec.Struct, gc=False):
    data: Levels | list[r.Row] | None = None
    type: str = ""
    cts: int = 0


_frame = msgspec.json.Decoder(Frame)


class BybitBook(c.BookFeed):
    """``orderbook.200``: a snapshot first and whenever the venue starts again, then diffs numbered one by one."""

    depth, streams = 200, ("/v5/public/spot",)

    def markets(self) -> c.Call[list[o.MarketSummary]]:
        read = partial(r.read_market, names="symbol lastPrice volume24h turnover24h")
        return c.get("/v5/market/tickers", r.each(read, *ROWS), SPOT, public=1)

    def trading_rules(self) -> c.Call[list[o.TradingRule]]:
        return c.get("/v5/market/instruments-info", r.each(rule_of, *ROWS), SPOT, public=1)

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[c.Frame]:
        topics = [
            f"{topic}.{symbol}"
            for symbol in symbols
            for topic in (f"orderbook.{self.depth}", "publicTrade")
        ]
        return [
            {"op": "subscribe" if on else "unsubscribe", "args": part}
            for part in r.parts(topics, TOPICS_A_FRAME)
        ]

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | c.Control]:
        said = _frame.decode(frame)
        data = said.data
        if isinstance(data, Levels):
            book, time = (data.s, bytes(data.b), bytes(data.a)), r.epoch_ns(said.cts)
            # Number 1 follows a restart of the service: a whole book, whatever it is called.
            if said.type == "snapshot" or data.u == 1:
                return (BookSnapshot(*book, data.u, time),)
            return (BookDiff(*book, data.u, data.u, time),)
        if data is None:
            return control_of(msgspec.json.decode(frame))
        return [r.read_trade(row, "s i p v S T") for row in data]


def rule_of(row: r.Row) -> o.TradingRule:
    row = row | row["lotSizeFilter"] | row["priceFilter"]
    return r.read_rule(row, RULE, worth=row["minOrderAmt"], active=row["status"] == "Trading")


def control_of(said: r.Row) -> list[c.Control]:
    """Answers to requests, on either socket."""
    match said:
        case {"op": "auth", "success": True}:
            return [c.Send({"op": "subscribe", "args": ["order.spot", "execution.spot", "wallet"]})]
        case {"op": "subscribe", "success": True}:
            return [c.Ready()]
        case {"op": str(op), "success": False, "ret_msg": str(message)}:
            return [c.Fault(c.ErrorKind.AUTH if op == "auth" else c.ErrorKind.REFUSED, op, message)]
        case {"op": "unsubscribe" | "ping" | "pong"}:
            return []
    raise ValueError(f"a frame of no known form: {str(said)[:120]}")


class BybitUser(c.UserFeed):
    """Login, then orders, executions and the wallet."""

    path = "/v5/private"

    def parse(self, frame: bytes) -> Iterable[c.UserEvent | c.Control]:
        match msgspec.json.decode(frame):
            case {"topic": "order.spot" | "order", "data": rows}:
                return map(order_of, rows)
            case {"topic": "execution.spot" | "execution", "data": rows}:
                return [fill_of(row, self.rules[row["symbol"]]) for row in rows]
            case {"topic": "wallet", "data": rows, "creationTime": stamp}:
                return [balance_of(coin, r.epoch_ns(stamp)) for row in rows for coin in row["coin"]]
            case said:
                return control_of(said)


def order_of(row: r.Row) -> o.OrderUpdate:
    # A size in quote (never ours) says no base amount: what is filled is all that is known of it.
    in_quote = row["orderType"] == "Market" and row.get("marketUnit") != "baseCoin"
    named = row | {"qty": row["cumExecQty"]} if in_quote else row
    return r.read_update(
        named, ORDER, STATES, reason=row.get("rejectReason", "").replace("EC_NoError", "")
    )


def fill_of(row: r.Row, rule: o.TradingRule) -> o.Fill:
    # Where the fee's currency isn't said: it is what was received, and a rebate comes in what was given.
    received = (row["side"] == "Buy") == (r.number(row["execFee"]) >= 0)
    return r.read_fill(
        row | {"feeCurrency": row.get("feeCurrency") or (rule.base if received else rule.quote)},
        FILL,
    )


def balance_of(coin: r.Row, time: int = 0) -> o.Balance:
    total, locked = r.number(coin["walletBalance"]), r.number(coin["locked"])
    return o.Balance(coin["coin"], total, total - locked, time)


class BybitOrders(c.OrderEntry):
    """Answers to ``place`` and ``cancel`` say that the venue took the request; what came of it follows by stream."""

    id_params, fills_span = ("symbol", "orderLinkId", "orderId"), 7 * 86_400.0

    def place(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        body = (
            SPOT
            | self.query_by_id(order)
            | {"side": order.side.capitalize(), "qty": f"{order.amount:f}"}
        )
        tif = "PostOnly" if order.post_only else order.tif.name
        limit = {"orderType": "Limit", "price": f"{order.price or 0:f}", "timeInForce": tif}
        body |= {"orderType": "Market", "marketUnit": "baseCoin"} if order.price is None else limit
        return c.ask(
            "POST /v5/order/create",
            r.accepted(order, "result", "orderId"),
            {},
            body,
            urgent=False,
            create=1,
        )

    def cancel(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate | None]:
        return c.ask(
            "POST /v5/order/cancel",
            lambda answer: None,
            {},
            SPOT | self.query_by_id(order),
            cancel=1,
        )

    def status(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        """Among those that are open and the last 500 that were, then among all of them."""
        read, query = r.one(order_of, *ROWS, 0), SPOT | self.query_by_id(order)
        older = c.ask("/v5/order/history", read, query, query=1)
        return replace(c.ask("/v5/order/realtime", read, query, query=1), otherwise=older)

    def open_orders(self, trading_pair: str | None = None) -> c.Call[list[o.OrderUpdate]]:
        """The newest 50; others are asked for one by one."""
        query = SPOT | self.pair(trading_pair) | {"limit": "50"}
        return c.ask("/v5/order/realtime", r.each(order_of, *ROWS), query, query=1)

    def fills(self, trading_pair: str, after: c.FillCursor) -> c.Call[c.Page[o.Fill]]:
        since = {
            "startTime": str(after.time // 10**6 or ""),
            "cursor": after.page,
            "limit": str(FILLS_A_PAGE),
        }
        read_fills = r.each(partial(fill_of, rule=self.rules[trading_pair]), *ROWS)

        def read(answer: c.Answer) -> c.Page[o.Fill]:
            # A cursor comes percent-encoded already; behind the last page there is one too.
            found, cursor = (
                read_fills(answer),
                unquote(answer.json()["result"].get("nextPageCursor", "")),
            )
            return c.Page(found, cursor if len(found) >= FILLS_A_PAGE else "")

        return c.ask("/v5/execution/list", read, SPOT | self.pair(trading_pair) | since, query=1)

    def balances(self) -> c.Call[list[o.Balance]]:
        read = r.each(balance_of, *ROWS, 0, "coin")
        return c.ask("/v5/account/wallet-balance", read, {"accountType": "UNIFIED"}, query=1)

    def fees(self, trading_pair: str) -> c.Call[o.Fee]:
        read = r.one(partial(r.read_fee, names="makerFeeRate takerFeeRate"), *ROWS, 0)
        return c.ask("/v5/account/fee-rate", read, SPOT | self.pair(trading_pair), query=1)


ERRORS = r.errors(
    refused="10001 1002[479] 170005 170031 17011[5-7] 17012[14] 17013[2-7] 17014[08] 17019[23478] 170201 17021[078]",
    funds="170131",
    duplicate="10014 110072 170141",
    not_found="20001 110001 170139 17014[23] 170190 170213",
    rate="10006 10018 10429 170222",
    clock="10002",
    auth="1000[34579] 10010 10028 33004",
    words={c.ErrorKind.RATE: "access too frequent"},
)
BYBIT = c.Exchange(
    name="bybit",
    hosts=HOSTS[0],
    testnet=HOSTS[1],
    limits=(
        c.RateLimit("public", 400, 5.0),
        *(c.RateLimit(what, 10, 1.0) for what in ("create", "cancel", "query")),
    ),
    auth=BybitAuth,
    book=BybitBook,
    feeds={str(depth): BybitBook.variant(str(depth), depth=depth) for depth in (50, 200, 1000)},
    user=BybitUser,
    orders=BybitOrders,
    error=lambda answer: ERRORS.coded(answer, "retCode", "retMsg"),
    server_time=c.get(
        "/v5/market/time", r.one(lambda row: int(row["timeNano"]) / 1e9, "result"), public=1
    ),
    reset_header="x-bapi-limit-reset-timestamp",
    ping='{"op":"ping"}',
    stale_after=60.0,
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    about=c.About(
        title="Bybit spot",
        books="levels, 200 a side (feeds 50, 1000: as many), 200 ms",
        gaps="update ids",
        checked="published signature vectors, ccxt and ccxt.pro, the venue's own SDK",
        not_applicable={
            "checksum_mismatch": 'Orderbook, data: "s, b, a, u, seq"; there is no checksum among them'
        },
    ),
)
