"""OKX spot, as its API v5 documentation describes it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from exchanges import contract as c
from exchanges import orders as o
from exchanges import reading as r
from exchanges.contract import ErrorKind as Kind
from exchanges.signing import base36, encode_query, hmac_base64, key_fields
from orderbook.messages import BookDiff, BookSnapshot, OrderBookMessage, Side, Trade

STATES = r.states(open="live", partially_filled="partially_filled", filled="filled", cancelled="canceled mmp_canceled")
ORDER = "instId state ordId done quote side size price ordType"
FILL = "instId tradeId ordId fillPx fillSz paid in maker"
SPOT, PAGE, ARGS_A_FRAME = {"instType": "SPOT"}, 100, 500
LIMITS = {"public": 20, "account": 5, "private": 60, "orders": 60, "cancels": 60}


class OkxAuth(c.Auth):
    def __init__(self, keys: Mapping[str, str]) -> None:
        self._key, self._secret, self._passphrase = key_fields(keys, "api_key", "api_secret", "passphrase")

    def generate_auth_dict(
        self, http_method: str, url: str, params: c.Params, body: c.Body = None, *, now: float
    ) -> c.AuthDict:
        whole = f"{url}?{encode_query(params)}" if params else url
        stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        data = b"" if body is None else msgspec.json.encode(body)
        sign = hmac_base64(self._secret, f"{stamp}{http_method}/{whole.split('/', 3)[3]}".encode() + data)
        fields = {"KEY": self._key, "SIGN": sign, "TIMESTAMP": stamp, "PASSPHRASE": self._passphrase}
        headers = {f"OK-ACCESS-{name}": value for name, value in fields.items()}
        return {"url": whole, "headers": headers | {"Content-Type": "application/json"}, "body": data}

    def login(self, now: float) -> dict[str, str]:
        stamp = str(int(now))
        sign = hmac_base64(self._secret, f"{stamp}GET/users/self/verify")
        return {"apiKey": self._key, "passphrase": self._passphrase, "timestamp": stamp, "sign": sign}


class Levels(Struct, gc=False):
    bids: Raw
    asks: Raw
    ts: str
    seqId: int
    prevSeqId: int


class Traded(Struct, gc=False):
    instId: str
    tradeId: str
    px: str
    sz: str
    side: Side
    ts: str


class Frame(r.Said, gc=False):
    """A push, an acknowledgement, or a refusal."""

    arg: dict[str, str] | None = None
    action: Literal["snapshot", "update"] | None = None
    data: Raw = Raw()
    event: str = ""


class Reply(r.Said):
    data: list[r.Row] | None = None


_frame = msgspec.json.Decoder(Frame)
_levels, _trades = msgspec.json.Decoder(list[Levels]), msgspec.json.Decoder(list[Traded])


class OkxBook(c.BookFeed):
    """``books``: each frame names the id of the one before, the first one is a snapshot.

    Checksums aren't read. The field is 0 since June 2026, it was made of texts that may end in zeros (numbers don't),
    and checking would cost a second book of every pair.
    """

    depth, streams = 400, ("/ws/v5/public",)

    def markets(self) -> c.Call[list[o.MarketSummary]]:
        request = c.Request("GET", "/api/v5/market/tickers", SPOT, cost={"public": 1})
        names = "instId last vol24h volCcy24h"  # a pair that never traded has no last price
        return c.Call(request, lambda answer: [r.read_market(row, names) for row in rows(answer) if row["last"]])

    def trading_rules(self) -> c.Call[list[o.TradingRule]]:
        request = c.Request("GET", "/api/v5/public/instruments", SPOT, cost={"public": 1})
        return c.Call(request, lambda answer: [*map(rule_of, rows(answer))])

    def subscribe(self, symbols: list[str], auth: c.Auth | None = None, now: float = 0.0) -> Iterable[str]:
        return frames("subscribe", symbols, "books", "trades")

    def unsubscribe(self, symbols: list[str]) -> Iterable[str]:
        return frames("unsubscribe", symbols, "books", "trades")

    def refresh(self, symbols: list[str]) -> Iterable[str]:
        return [*frames("unsubscribe", symbols, "books"), *frames("subscribe", symbols, "books")]

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | c.Control]:
        if frame == b"pong":
            return ()
        push = _frame.decode(frame)
        if push.event or push.arg is None:
            return control_of(push.event, str(push.code), push.msg)
        if push.action is None:
            return [trade_of(row) for row in _trades.decode(push.data)]
        return [book_of(push.arg["instId"], push.action, levels) for levels in _levels.decode(push.data)]


def frames(op: str, symbols: list[str], *channels: str) -> Iterable[str]:
    args = [{"channel": channel, "instId": symbol} for symbol in symbols for channel in channels]
    for first in range(0, len(args), ARGS_A_FRAME):
        yield msgspec.json.encode({"op": op, "args": args[first : first + ARGS_A_FRAME]}).decode()


def book_of(symbol: str, action: str, levels: Levels) -> BookSnapshot | BookDiff:
    book, time = (symbol, bytes(levels.bids), bytes(levels.asks)), r.epoch_ns(int(levels.ts))
    if action == "snapshot":
        return BookSnapshot(*book, levels.seqId, time)
    return BookDiff(*book, levels.prevSeqId + 1, levels.seqId, time)


def trade_of(row: Traded) -> Trade:
    return Trade(row.instId, row.tradeId, row.side, float(row.px), float(row.sz), r.epoch_ns(int(row.ts)))


def control_of(event: str, code: str, message: str) -> list[c.Control]:
    if event in ("subscribe", "unsubscribe", "channel-conn-count"):
        return []
    if event == "notice":
        return [c.Reconnect(message or event)]
    if event in ("error", "channel-conn-count-error"):
        return [ERRORS.of(code, message or event)]
    raise ValueError(f"a frame of no known form: event {event!r} {message}")


def rows(answer: c.Answer) -> list[r.Row]:
    found: list[r.Row] = answer.json()["data"]
    return found


def rule_of(row: r.Row) -> o.TradingRule:
    # Empty is the venue's word for none: a pair that is only announced may have no steps yet.
    sizes = {"tick": row["tickSz"] or "0", "step": row["lotSz"] or "0", "least": row["minSz"] or "0"}
    most, active = row.get("maxLmtSz") or None, row["state"] == "live"
    return r.read_rule(row, "instId baseCcy quoteCcy", most=most, active=active, **sizes)


class OkxUser(c.UserFeed):
    """Login, then orders (with their fills) and the account."""

    def opening(self) -> c.Opening:
        return "/ws/v5/private"
        yield

    def login(self, now: float) -> Iterable[str]:
        assert isinstance(self.auth, OkxAuth)
        yield msgspec.json.encode({"op": "login", "args": [self.auth.login(now)]}).decode()

    def parse(self, frame: bytes) -> Iterable[c.UserEvent | c.Control]:
        match msgspec.json.decode(frame) if frame != b"pong" else None:
            case None:
                return
            case {"event": "login"}:
                self._missing = {"account", "orders"}
                args = [{"channel": "account"}, {"channel": "orders", "instType": "SPOT"}]
                yield c.Send(msgspec.json.encode({"op": "subscribe", "args": args}).decode())
            case {"event": "subscribe", "arg": {"channel": channel}}:
                self._missing.discard(channel)
                yield from () if self._missing else (c.Ready(),)
            case {"event": str(event), **rest}:
                yield from control_of(event, str(rest.get("code", "")), str(rest.get("msg", "")))
            case {"arg": {"channel": "orders"}, "data": data}:
                for row in data:
                    yield order_of(row)
                    if row.get("tradeId") and Decimal(row["fillSz"] or 0):
                        yield fill_of(row, row["fillFee"], row["fillFeeCcy"])
            case {"arg": {"channel": "account"}, "data": data}:
                yield from (balance_of(detail) for row in data for detail in row["details"])
            case other:
                raise ValueError(f"a frame of no known form: {str(other)[:120]}")


def order_of(row: r.Row) -> o.OrderUpdate:
    done, price = Decimal(row["accFillSz"] or 0), row["px"] or "0"
    # A size in quote (never ours) says no base amount: what is filled is all that is known of it.
    size = done if row.get("tgtCcy") == "quote_ccy" else row["sz"]
    named = row | {"done": done, "quote": done * Decimal(row["avgPx"] or 0), "size": size, "price": price}
    time, reason = r.epoch_ns(int(row["uTime"])), row.get("cancelSourceReason") or row.get("cancelSource") or ""
    return r.read_update(named, ORDER, STATES, client_id=row["clOrdId"], time=time, reason=reason)


def fill_of(row: r.Row, fee: str, asset: str) -> o.Fill:
    # A fee is negative where it is charged.
    named = row | {"paid": -Decimal(fee or 0), "in": asset, "maker": row["execType"] == "M"}
    time = r.epoch_ns(int(row.get("fillTime") or row["ts"]))
    return r.read_fill(named, FILL, row["side"], time=time, client_id=row["clOrdId"])


def balance_of(row: r.Row) -> o.Balance:
    total, available = Decimal(row["cashBal"] or 0), Decimal(row["availBal"] or 0)
    return o.Balance(row["ccy"], total, available, r.epoch_ns(int(row.get("uTime") or 0)))


class OkxOrders(c.OrderEntry):
    def __init__(self, rules: Mapping[str, o.TradingRule]) -> None:
        super().__init__(rules)
        self._older = dict[tuple[str, str], dict[str, str]]()

    def _pair(self, trading_pair: str) -> dict[str, str]:
        return SPOT | {"instId": self.rules[trading_pair].symbol}

    def place(self, order: o.NewOrder) -> c.Call[o.OrderUpdate]:
        symbol, kind = self.rules[order.trading_pair].symbol, order.tif.lower().replace("gtc", "limit")
        body = {"instId": symbol, "tdMode": "cash", "clOrdId": order.client_order_id, "side": order.side.value}
        if order.price is None:
            body |= {"ordType": "market", "tgtCcy": "base_ccy"}
        else:
            body |= {"ordType": "post_only" if order.post_only else kind, "px": f"{order.price:f}"}
        request = private("trade/order", body=body | {"sz": f"{order.amount:f}"}, cost="orders")

        def read(answer: c.Answer) -> o.OrderUpdate:
            ids = {"client_order_id": order.client_order_id, "exchange_order_id": rows(answer)[0]["ordId"]}
            return o.OrderUpdate(symbol=symbol, state=o.OrderState.OPEN, **ids)

        return c.Call(request, read)

    def cancel(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate | None]:
        return c.Call(private("trade/cancel-order", body=named(order), cost="cancels"), lambda answer: None)

    def status(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        return c.Call(private("trade/order", named(order)), lambda answer: order_of(rows(answer)[0]))

    def open_orders(self, trading_pair: str | None = None) -> c.Call[list[o.OrderUpdate]]:
        request = private("trade/orders-pending", self._pair(trading_pair) if trading_pair else SPOT)
        return c.Call(request, lambda answer: [*map(order_of, rows(answer))])

    def fills(self, trading_pair: str, after: c.FillCursor) -> c.Call[c.Page[o.Fill]]:
        """Newest page first; what follows a full page is older, back to where the first one began."""
        since = {"begin": str(after.time // 10**6)} if after.time else {}
        query = self._older.pop((trading_pair, after.trade_id), self._pair(trading_pair) | since)

        def read(answer: c.Answer) -> c.Page[o.Fill]:
            found = read_fills(answer)
            more = len(found) >= PAGE and found[-1].trade_id != after.trade_id
            if more:
                self._older[trading_pair, found[-1].trade_id] = query | {"after": rows(answer)[-1]["billId"]}
            return c.Page(found, more)

        return c.Call(private("trade/fills", query), read)

    def order_fills(self, order: o.InFlightOrder) -> c.Call[list[o.Fill]] | None:
        if not order.exchange_order_id or len(order.fills) >= PAGE:
            return None  # more than a page is read by pair
        query = SPOT | {"instId": order.symbol, "ordId": order.exchange_order_id}
        return c.Call(private("trade/fills", query), read_fills)

    def balances(self) -> c.Call[list[o.Balance]]:
        request = private("account/balance", cost="account")
        return c.Call(request, lambda answer: [*map(balance_of, rows(answer)[0]["details"])])

    def fees(self, trading_pair: str) -> c.Call[o.Fee]:
        return c.Call(private("account/trade-fee", self._pair(trading_pair), cost="account"), fee_of)


def private(path: str, query: c.Params = {}, body: c.Body = None, cost: str = "private") -> c.Request:  # noqa: B006
    method, urgent = "POST" if body else "GET", cost != "orders"
    return c.Request(method, f"/api/v5/{path}", query, body, signed=True, cost={cost: 1}, urgent=urgent)


def named(order: o.InFlightOrder) -> dict[str, str]:
    name = {"ordId": order.exchange_order_id} if order.external else {"clOrdId": order.client_order_id}
    return {"instId": order.symbol, **name}


def read_fills(answer: c.Answer) -> list[o.Fill]:
    """Oldest first."""
    return [fill_of(row, row["fee"], row["feeCcy"]) for row in reversed(rows(answer))]


def fee_of(answer: c.Answer) -> o.Fee:
    # The rates outside of the group are those of USDT pairs, and deprecated.
    (row,) = rows(answer)
    fee = r.read_fee(row["feeGroup"][0] if len(row.get("feeGroup", ())) == 1 else row, "maker taker")
    return o.Fee(-fee.maker, -fee.taker)


ERRORS = r.ErrorTable(
    {
        Kind.REFUSED: "51000 51001 5100[4-6] 51020 51024 51116 5112[01] 5113[6-8] 5120[1-3] 5001[45] 50027 59113"
        " 60012 60018 6400[1-4]",
        Kind.FUNDS: "51008 51119 51131",
        Kind.DUPLICATE: "51016 51011",
        Kind.NOT_FOUND: "5140[0-2] 51503 51509 51510 51603",
        Kind.RATE: "50011 50061 60014",
        Kind.CLOCK: "50102 50112 60004 60006",
        Kind.AUTH: "50101 5010[3-6] 5011[013] 60005 60007 60009 60011 60024 60032",
    },
    {},
)


def error(answer: c.Answer) -> c.Fault | None:
    """The reason of a refused order stands in its row. 51410 is no refusal: the order is being cancelled already."""
    if answer.status >= 400:
        return ERRORS.fault(answer)
    try:
        said = answer.json(Reply)
    except msgspec.DecodeError as unreadable:
        return ERRORS.of("", f"no answer: {unreadable}")
    row: r.Row = next((row for row in said.data or () if row.get("sCode", "0") != "0"), {})
    code, message = str(row.get("sCode", said.code)), row.get("sMsg", said.msg)
    return None if code in ("0", "51410") else ERRORS.of(code, message)


OKX = c.Exchange(
    name="okx",
    hosts=c.Hosts("https://www.okx.com", "wss://ws.okx.com:8443", "wss://ws.okx.com:8443"),
    limits=tuple(c.RateLimit(name, amount, 2.0) for name, amount in LIMITS.items()),
    auth=OkxAuth,
    book=OkxBook,
    user=OkxUser,
    orders=OkxOrders,
    error=error,
    client_id=lambda number: f"t{base36(number)}",
    server_time=c.Call(c.Request("GET", "/api/v5/public/time"), lambda answer: int(rows(answer)[0]["ts"]) / 1000),
    ping="ping",
    stale_after=75.0,  # a book without changes is silent for a minute
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    about=c.About(
        title="OKX spot",
        books="levels (books), 400 a side, 100 ms",
        gaps="seqId and prevSeqId",
        checksum="not read: 0 in every frame since June 2026",
        checked="published signature vectors",
        not_applicable={"checksum_mismatch": 'Notice of 21 May 2026: the checksum field of books "stays, always 0".'},
    ),
)
