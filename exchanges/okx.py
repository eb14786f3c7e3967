"""OKX spot, as its API v5 documentation describes it."""

from collections.abc import Iterable
from functools import partial
from typing import Any, Literal

from msgspec import Raw, Struct, field, json

from exchanges import contract as c, orders as o, reading as r
from exchanges.checksums import crc32_in_turn
from exchanges.signing import hmac_base64
from orderbook.messages import BookDiff, BookSnapshot, OrderBookMessage

API, SPOT, FILLS_A_PAGE, ARGS_A_FRAME = "/api/v5", {"instType": "SPOT"}, 100, 500
LIMITS = {"public": 20, "books": 40, "account": 5, "private": 60, "orders": 60, "cancels": 60}
STATES = r.states(
    open="live",
    partially_filled="partially_filled",
    filled="filled",
    cancelled="canceled mmp_canceled",
)
EVENTS = {"subscribe", "unsubscribe", "channel-conn-count", "notice", "pong"}
RULE, TRADE = "instId baseCcy quoteCcy tickSz lotSz minSz maxLmtSz|", "instId tradeId px sz side ts"
ORDER = "instId state ordId accFillSz *avgPx side {} px ordType clOrdId uTime cancelSourceReason|cancelSource|"
FILL = "instId tradeId ordId fillPx fillSz -{0} {0}Ccy execType side fillTime|ts clOrdId"  # a fee charged is negative
TOTAL = "ccy cashBal availBal uTime|"


class OkxAuth(c.Auth):
    fields = ("api_key", "api_secret", "passphrase")

    def sign(self, ask: c.UnsignedRequest, now: float) -> c.AuthDict:
        stamp = r.iso(int(now * 1000) * 10**6)
        sign = hmac_base64(self._secrets[0], stamp + ask.method + ask.target + ask.data)
        fields = {
            "KEY": self.api_key,
            "SIGN": sign,
            "TIMESTAMP": stamp,
            "PASSPHRASE": self._secrets[1],
        }
        return ask.signed({f"OK-ACCESS-{name}": value for name, value in fields.items()})

    def login(self, now: float) -> c.Frame:
        (secret, passphrase), stamp = self._secrets, str(int(now))
        sign = hmac_base64(secret, f"{stamp}GET/users/self/verify")
        fields = {
            "apiKey": self.api_key,
            "passphrase": passphrase,
            "timestamp": stamp,
            "sign": sign,
        }
        return {"op": "login", "args": [fields]}


class Levels(Struct, gc=False):
    bids: Raw
    asks: Raw
    ts: str
    seqId: int
    prevSeqId: int
    checksum: int = 0


class Frame(r.Said, gc=False):  # a push, an acknowledgement, or a refusal
    arg: dict[str, str] = field(default_factory=dict)
    action: Literal["snapshot", "update"] | None = None
    data: Raw = Raw()
    event: str = ""


_frame = json.Decoder(Frame)
_levels, _trades = json.Decoder(list[Levels]), json.Decoder(list[r.Row])


class OkxBook(c.BookFeed):
    """``books``: each frame names the id of the one before. It opens with a snapshot, which the venue has announced to
    leave out one day: the one by REST has the same ids. Checksums have been 0, none, since June 2026."""

    depth, streams = 400, ("/ws/v5/public",)

    def markets(self) -> c.Call[list[o.MarketSummary]]:
        read = partial(r.read_market, names="instId last vol24h volCcy24h")
        return c.get(f"{API}/market/tickers", r.each(read, "data"), SPOT, public=1)

    def trading_rules(self) -> c.Call[list[o.TradingRule]]:
        read = r.each(lambda row: r.read_rule(row, RULE, active=row["state"] == "live"), "data")
        return c.get(f"{API}/public/instruments", read, SPOT, public=1)

    def snapshot(self, symbol: str) -> c.Call[Any]:
        query = {"instId": symbol, "sz": str(self.depth), "source": "0"}
        return c.get(
            f"{API}/market/books", r.image(symbol, "bids asks seqId", "data", 0), query, books=1
        )

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[c.Frame]:
        args = [
            {"channel": channel, "instId": symbol}
            for symbol in symbols
            for channel in ("books", "trades")
        ]
        return [
            {"op": "subscribe" if on else "unsubscribe", "args": part}
            for part in r.parts(args, ARGS_A_FRAME)
        ]

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | c.Control]:
        push = _frame.decode(frame)
        if push.event:
            return control_of(push.event, str(push.code), push.msg)
        if push.action is None:
            return [r.read_trade(row, TRADE) for row in _trades.decode(push.data)]
        return [
            book_of(push.arg["instId"], push.action, levels) for levels in _levels.decode(push.data)
        ]

    def checksum(self, symbol: str, bids: Any, asks: Any) -> int:
        """Made of texts, none of which is known to end in zeros behind the point: float64 has the same digits."""
        return crc32_in_turn(bids[:25], asks[:25])


def book_of(symbol: str, action: str, levels: Levels) -> BookSnapshot | BookDiff:
    book, time = (symbol, bytes(levels.bids), bytes(levels.asks)), r.epoch_ns(int(levels.ts))
    checksum = levels.checksum & 0xFFFFFFFF or -1  # signed at the venue; 0 is none
    if action == "snapshot":
        return BookSnapshot(*book, levels.seqId, time, checksum=checksum)
    # An id that falls back still joins the one before it; one that stays is a sign of life.
    return BookDiff(*book, levels.prevSeqId + 1, levels.seqId, time, checksum=checksum)


def control_of(event: str, code: str, message: str) -> list[c.Control]:
    if event.endswith("error"):
        return [ERRORS.of(code, message or event)]
    if event not in EVENTS:
        raise ValueError(f"a frame of no known form: event {event!r} {message}")
    return [c.Reconnect(message or event)] if event == "notice" else []


class OkxUser(c.UserFeed):
    """Login, then the account and the orders, with their fills; the venue confirms in the order asked."""

    path = "/ws/v5/private"

    def parse(self, frame: bytes) -> Iterable[c.UserEvent | c.Control]:
        match json.decode(frame):
            case {"event": "login"}:
                yield c.Send(
                    {
                        "op": "subscribe",
                        "args": [{"channel": "account"}, {"channel": "orders", **SPOT}],
                    }
                )
            case {"event": "subscribe", "arg": {"channel": "orders"}}:
                yield c.Ready()
            case {"event": str(event), **rest}:
                yield from control_of(event, str(rest.get("code", "")), str(rest.get("msg", "")))
            case {"arg": {"channel": "orders"}, "data": data}:
                for row in data:
                    yield order_of(row)
                    if row.get("tradeId") and r.number(row["fillSz"]):
                        yield r.read_fill(row, FILL.format("fillFee"))
            case {"arg": {"channel": "account"}, "data": data}:
                yield from (
                    r.read_total(detail, TOTAL) for row in data for detail in row["details"]
                )
            case other:
                raise ValueError(f"a frame of no known form: {str(other)[:120]}")


def order_of(row: r.Row) -> o.OrderUpdate:
    # A size in quote (never ours) says no base amount: what is filled is all that is known of it.
    return r.read_update(
        row, ORDER.format("accFillSz" if row.get("tgtCcy") == "quote_ccy" else "sz"), STATES
    )


class OkxOrders(c.OrderEntry):
    id_params = ("instId", "clOrdId", "ordId")

    def place(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        body = self.query_by_id(order) | {
            "tdMode": "cash",
            "side": order.side.value,
            "sz": f"{order.amount:f}",
        }
        if order.price is None:
            body |= {"ordType": "market", "tgtCcy": "base_ccy"}
        else:
            kind = order.tif.lower().replace("gtc", "limit")
            body |= {"ordType": "post_only" if order.post_only else kind, "px": f"{order.price:f}"}
        read = r.accepted(order, "data", 0, "ordId")
        return c.ask(f"POST {API}/trade/order", read, body=body, urgent=False, orders=1)

    def cancel(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate | None]:
        return c.ask(
            f"POST {API}/trade/cancel-order",
            lambda answer: None,
            body=self.query_by_id(order),
            cancels=1,
        )

    def status(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        return c.ask(
            f"{API}/trade/order", r.one(order_of, "data", 0), self.query_by_id(order), private=1
        )

    def open_orders(self, trading_pair: str | None = None) -> c.Call[list[o.OrderUpdate]]:
        return c.ask(
            f"{API}/trade/orders-pending",
            r.each(order_of, "data"),
            SPOT | self.pair(trading_pair),
            private=1,
        )

    def fills(self, trading_pair: str, after: c.FillCursor) -> c.Call[c.Page[o.Fill]]:
        """Of the last three days; newest page first, back to where the cursor begins."""
        query = (
            SPOT
            | self.pair(trading_pair)
            | {"begin": str(after.time // 10**6 or ""), "after": after.page}
        )
        return c.ask(
            f"{API}/trade/fills", r.pages(fill_of, FILLS_A_PAGE, "billId", "data"), query, private=1
        )

    def balances(self) -> c.Call[list[o.Balance]]:
        read = r.each(partial(r.read_total, names=TOTAL), "data", 0, "details")
        return c.ask(f"{API}/account/balance", read, account=1)

    def fees(self, trading_pair: str) -> c.Call[o.Fee]:
        return c.ask(
            f"{API}/account/trade-fee",
            r.one(fee_of, "data", 0),
            SPOT | self.pair(trading_pair),
            account=1,
        )


def fee_of(row: r.Row) -> o.Fee:
    # The rates outside of the group are those of USDT pairs, and deprecated; what is charged is negative.
    return r.read_fee(
        row["feeGroup"][0] if len(row.get("feeGroup", ())) == 1 else row, "-maker -taker"
    )


fill_of = partial(r.read_fill, names=FILL.format("fee"))
ERRORS = r.errors(
    refused="5100[014-6] 5102[04] 51116 5112[01] 5113[6-8] 5120[1-3] 5001[45] 50027 59113 6001[28] 6400[1-4]",
    funds="51008 51119 51131",
    duplicate="51016 51011",
    not_found="5140[0-2] 51503 51509 51510 51603",
    rate="50011 50061 60014",
    clock="50102 50112 60004 60006",
    auth="50101 5010[3-6] 5011[013] 60005 60007 60009 60011 60024 60032",
)
OKX = c.Exchange(
    name="okx",
    hosts=c.Endpoints("https://www.okx.com", "wss://ws.okx.com:8443", "wss://ws.okx.com:8443"),
    limits=tuple(c.RateLimit(name, amount, 2.0) for name, amount in LIMITS.items()),
    auth=OkxAuth,
    book=OkxBook,
    user=OkxUser,
    orders=OkxOrders,
    # The reason of a refused order stands in its row. 51410: the order is being cancelled already.
    error=partial(ERRORS.coded, code="sCode|code", message="sMsg|msg", ok="0 51410", inside="data"),
    server_time=c.Call(
        c.Request("GET", f"{API}/public/time"), r.one(lambda row: int(row["ts"]) / 1000, "data", 0)
    ),
    decode=lambda frame: b'{"event":"pong"}' if frame == b"pong" else frame,
    ping="ping",
    stale_after=75.0,  # a book without changes is silent for a minute
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    about=c.About(
        title="OKX spot",
        books="levels (books), 400 a side, 100 ms",
        gaps="seqId and prevSeqId",
        checksum="CRC32 of 25 levels where it isn't 0: it has been 0 since June 2026",
        checked="published signature vectors, frames of a recording of 2022, ccxt, ccxt.pro and the venue's SDK",
    ),
)
