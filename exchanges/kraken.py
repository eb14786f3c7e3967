"""Kraken spot, as its public API documentation describes it (REST v0, websocket v2 with level3)."""

import hashlib
from base64 import b64decode
from collections.abc import Callable, Generator, Iterable, Mapping
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
from msgspec import Raw, Struct

from exchanges import contract as c, orders as o, reading as r
from exchanges.checksums import crc32_of_levels, crc32_of_orders
from exchanges.queues import read_orders
from exchanges.signing import encode_query, hmac_base64
from orderbook import messages as m

MODERN = {"XBT": "BTC", "XDG": "DOGE"}  # REST's words for assets, and those of websocket v2
CHECKED, PAGE = 10, 50
STATES = r.states(open="pending pending_new new", filled="closed", cancelled="canceled")
ORDER = "symbol status id vol_exec cost type vol price ordertype cl_ord_id| closetm|opentm reason|"
FILL = "symbol id ordertxid price vol fee asset maker type time"
REPORT = "symbol order_status order_id cum_qty cum_cost side order_qty limit_price order_type cl_ord_id timestamp reason"
EXECUTION = (
    "symbol exec_id order_id last_price last_qty qty asset liquidity_ind side timestamp cl_ord_id"
)
BEFORE = {
    "cum_qty": 0,
    "cum_cost": 0,
    "order_qty": 0,
    "limit_price": 0,
    "cl_ord_id": "",
    "reason": "",
    "fees": (),
}
ACTIONS = {"add": m.OrderAction.OPEN, "modify": m.OrderAction.CHANGE, "delete": m.OrderAction.DONE}


class KrakenAuth(c.Auth):
    """Nonces grow, in microseconds: a key serves one node."""

    _nonce = 0

    def sign(self, ask: c.UnsignedRequest, now: float) -> c.AuthDict:
        self._nonce = max(self._nonce + 1, round(now * 1e6))
        form = encode_query({"nonce": str(self._nonce), **(ask.body or {})})
        payload = ask.path.encode() + hashlib.sha256(f"{self._nonce}{form}".encode()).digest()
        sign = hmac_base64(b64decode(self._secrets[0]), payload, "sha512")
        return ask.signed({"API-Key": self.api_key, "API-Sign": sign}, data=form, kind=c.FORM)


class Levels(Struct, gc=False):
    symbol: str = ""
    checksum: int = -1
    bids: Raw = Raw(b"[]")
    asks: Raw = Raw(b"[]")
    timestamp: str = ""

    def levels(self, type: str) -> m.BookSnapshot | m.BookDiff:
        kind, time = m.BookSnapshot if type == "snapshot" else m.BookDiff, r.iso_ns(self.timestamp)
        return kind(
            self.symbol, bytes(self.bids), bytes(self.asks), time=time, checksum=self.checksum
        )

    def orders(self, type: str) -> list[m.OrderBookMessage]:
        told = (
            self.symbol,
            self.bids,
            self.asks,
            r.iso_ns(self.timestamp),
            self.checksum or -1,
        )  # 0: none
        return read_orders(
            *told, "order_id limit_price order_qty event", None if type == "snapshot" else ACTIONS
        )


class Push(Struct, gc=False):
    channel: str = ""
    type: str = ""
    data: list[Levels] = []


_push = msgspec.json.Decoder(Push)
_texts: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    float_hook=str
)  # checksums and Decimal want every digit


class KrakenBook(c.BookFeed):
    """``book``: 500 levels a side, with every message a checksum of the best ten; nothing is numbered."""

    streams, depth = ("/v2",), 500
    channel: ClassVar[str] = "book"
    _token: Mapping[str, str] = {}

    def markets(self) -> c.Call[list[o.MarketSummary]]:
        symbols = o.symbols_by_alias(self.rules.values())

        def read(name: str, row: r.Row) -> o.MarketSummary:
            last, volume, average = (
                Decimal(row[what][place]) for what, place in (("c", 0), ("v", 1), ("p", 1))
            )
            return o.MarketSummary(symbols.get(name, name), last, volume, volume * average)

        return c.get("/0/public/Ticker", r.keyed(read, "result"), public=1)

    def trading_rules(self) -> c.Call[list[o.TradingRule]]:
        return c.get("/0/public/AssetPairs", r.keyed(rule_of, "result"), public=1)

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[c.Frame]:
        yield from self.subscribe_books(symbols, on)
        yield c.subscription(on, channel="trade", symbol=symbols, snapshot=False)

    def subscribe_books(self, symbols: list[str], on: bool = True) -> Iterable[c.Frame]:
        yield c.subscription(
            on, channel=self.channel, symbol=symbols, depth=self.depth, **self._token
        )

    def parse(self, frame: bytes) -> Iterable[m.OrderBookMessage | c.Control]:
        push = _push.decode(frame)
        if push.channel == "book":
            return [row.levels(push.type) for row in push.data]
        if push.channel == "level3":
            return [message for row in push.data for message in row.orders(push.type)]
        said = _texts.decode(frame)
        if push.channel == "trade":
            return [
                r.read_trade(row, "symbol trade_id price qty side timestamp")
                for row in said["data"]
            ]
        return control_of(said)

    def checksum(self, symbol: str, bids: Any, asks: Any) -> int:
        return crc32_of_levels(self.rules.get(symbol), asks[:CHECKED], bids[:CHECKED])


class KrakenOrderByOrder(KrakenBook):
    """``level3``: every order of 100 levels a side, for accounts only."""

    depth, host, channel = 100, "wss://ws-l3.kraken.com", "level3"

    def handshake(self) -> c.Handshake:
        self._token = {"token": (yield TOKEN)}
        return self.stream

    def orders_checksum(self, symbol: str, bids: list[list[str]], asks: list[list[str]]) -> int:
        return crc32_of_orders(asks[:CHECKED], bids[:CHECKED])


def control_of(said: Any) -> Iterable[c.Control]:
    """What concerns the connection. Raises ValueError for a form that isn't known."""
    match said:
        case {"error": str(text)}:  # of a session: the token is stale, opening fetches another
            return [c.Reconnect(text) if text.startswith("ESession") else ERRORS.of_text(text)]
        case {"channel": "heartbeat" | "status"} | {"success": True}:
            return []
    raise ValueError(f"a frame of no known form: {str(said)[:120]}")


def rule_of(key: str, row: r.Row) -> o.TradingRule:
    base, quote = (
        MODERN.get(leg, leg)
        for leg in row.get("wsname", f"{row['base']}/{row['quote']}").split("/")
    )
    names, aliases = (
        {"symbol": f"{base}/{quote}", "base": base, "quote": quote},
        (row["altname"], key),
    )
    # Checksums are made of numbers with these digits behind the point, also where a tick needs fewer.
    tick, step = (
        f"{Decimal(row['tick_size']):.{row['pair_decimals']}f}",
        f"1e-{row['lot_decimals']}",
    )
    terms = {"tick": tick, "step": step, "least": row["ordermin"], "worth": row.get("costmin", "0")}
    return r.read_rule(
        names, "symbol base quote", **terms, active=row["status"] == "online", aliases=aliases
    )


class KrakenUser(c.UserFeed):
    """``executions``: an event leaves out what it doesn't change, so each order's fields are kept."""

    path = "/v2"

    def handshake(self) -> c.Handshake:
        self._token, self._sequence, self._orders = (yield TOKEN), 0, r.Latest(BEFORE)
        return self.path

    def login(self, now: float) -> Iterable[c.Frame]:
        return [
            c.subscription(
                True, channel="executions", snap_orders=True, snap_trades=False, token=self._token
            )
        ]

    def parse(self, frame: bytes) -> Iterable[c.UserEvent | c.Control]:
        match _texts.decode(frame):
            case {"channel": "executions", "data": rows, "sequence": number}:
                last, self._sequence = self._sequence, max(number, self._sequence)
                if 0 < last < number - 1:
                    yield c.Reconnect(f"executions {last + 1} to {number - 1} are missing")
                elif number > last:
                    yield from (event for row in rows for event in self._events(row))
            case {"method": "subscribe", "success": True}:
                yield c.Ready()
            case said:
                yield from control_of(said)

    def _events(self, news: r.Row) -> Iterable[c.UserEvent]:
        row = self._orders.take(news["order_id"], news)
        yield r.read_update(row, REPORT, STATES)
        if news["exec_type"] == "trade":
            yield r.read_fill({**row, "qty": 0, "asset": "", **dict(*row["fees"][:1])}, EXECUTION)


class KrakenOrders(c.OrderEntry):
    id_params = ("pair", "cl_ord_id", "txid")
    _assets: Mapping[str, str] = {}
    _symbols: Mapping[str, str] = {}

    def handshake(self) -> Generator[c.Call[Any], Any, None]:
        self._assets, self._symbols = dict((yield ASSETS)), o.symbols_by_alias(self.rules.values())

    def place(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        terms = self.pair(order.trading_pair) | {
            "type": str(order.side),
            "ordertype": str(order.type),
        }
        terms |= {"volume": f"{order.amount:f}", "cl_ord_id": order.client_order_id}
        # TradesHistory tells fees in quote: that is where they are asked for.
        terms["oflags"] = "post,fciq" if order.post_only else "fciq"
        if order.type is o.OrderType.LIMIT:
            terms |= {"price": f"{order.price:f}", "timeinforce": str(order.tif)}
        return c.ask(
            "POST /0/private/AddOrder",
            r.accepted(order, "result", "txid", 0),
            body=terms,
            urgent=False,
        )

    def cancel(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate | None]:
        return c.ask("POST /0/private/CancelOrder", lambda answer: None, body=self.id_param(order))

    def status(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        if order.exchange_order_id:
            return self._find(order, "QueryOrders")
        # By our own name: what isn't in the first list any more is in the second.
        return self._find(order, "OpenOrders", "open").or_else(
            self._find(order, "ClosedOrders", "closed")
        )

    def _find(self, order: o.InFlightOrder, what: str, *path: str) -> c.Call[o.OrderUpdate]:
        return query(what, r.first(r.keyed(self._order, "result", *path)), self.id_param(order))

    def open_orders(self, trading_pair: str | None = None) -> c.Call[list[o.OrderUpdate]]:
        return query("OpenOrders", r.keyed(self._order, "result", "open"))

    def _order(self, txid: str, row: r.Row) -> o.OrderUpdate:
        terms = row["descr"]
        whole = {
            **row,
            **terms,
            "id": txid,
            "symbol": self._symbols.get(terms["pair"], terms["pair"]),
        }
        return r.read_update(whole, ORDER, STATES)

    def fills(self, trading_pair: str, after: c.FillCursor) -> c.Call[c.Page[o.Fill]]:
        """Of all pairs, newest first, in pages counted from the newest: what happens meanwhile repeats some."""
        rule, seen = self.rules[trading_pair], int(after.page or 0)

        def read(rows: r.Row) -> c.Page[o.Fill]:
            same = {"symbol": rule.symbol, "asset": rule.quote}
            ours = [
                {**row, **same, "id": txid}
                for txid, row in rows.items()
                if row["pair"] in rule.aliases
            ]
            return c.Page(
                [r.read_fill(row, FILL) for row in ours],
                str(seen + len(rows)) if len(rows) >= PAGE else "",
            )

        # Consolidated trades have other ids and amounts than those that the stream tells.
        terms = {
            "start": after.trade_id or str(after.time // 10**9),
            "ofs": str(seen),
            "consolidate_taker": "false",
        }
        return query("TradesHistory", r.one(read, "result", "trades"), terms, counter=2)

    def balances(self) -> c.Call[list[o.Balance]]:
        def read(code: str, row: r.Row) -> o.Balance:
            asset, total = self._assets.get(code, code), Decimal(row["balance"])
            return o.Balance(MODERN.get(asset, asset), total, total - Decimal(row["hold_trade"]))

        return query("BalanceEx", r.keyed(read, "result"))

    def fees(self, trading_pair: str) -> c.Call[o.Fee]:
        def read(result: r.Row) -> o.Fee:
            maker, taker = (
                next(iter(result[name].values()))["fee"] for name in ("fees_maker", "fees")
            )
            return o.Fee(Decimal(maker) / 100, Decimal(taker) / 100)

        return query("TradeVolume", r.one(read, "result"), self.pair(trading_pair))


def query(
    what: str, read: Callable[[c.Answer], c.T], terms: c.Body = None, counter: int = 1
) -> c.Call[c.T]:
    return c.ask(f"POST /0/private/{what}", read, body=terms or {}, changes=False, counter=counter)


ERRORS = r.worded(
    duplicate="EOrder:uplicate",
    funds="EOrder:Insufficient",
    not_found="EOrder:Unknown order",
    rate="ate limit exceeded|EGeneral:Too many requests|EGeneral:Temporary lockout|Exceeded msg rate",
    clock="EAPI:Invalid nonce",
    auth="EAPI:Invalid key|EAPI:Invalid signature|EAuth:|EAccount:Invalid permissions|EGeneral:Permission denied",
    refused="EOrder:minimum not met|EOrder:Invalid|EOrder:Tick size|EOrder:Post only|EOrder:Margin|EOrder:s limit"
    "|EGeneral:Invalid arguments|EQuery:asset|EService:Market in|EService:Deadline elapsed|ETrade:User Locked",
)
TOKEN = query("GetWebSocketsToken", r.one(str, "result", "token"))
ASSETS = c.get(
    "/0/public/Assets", r.keyed(lambda code, row: (code, row["altname"]), "result"), public=1
)
KRAKEN = c.Exchange(
    name="kraken",
    hosts=c.Endpoints("https://api.kraken.com", "wss://ws.kraken.com", "wss://ws-auth.kraken.com"),
    limits=(
        c.RateLimit("counter", 20, 40.0),
        c.RateLimit("public", 20, 20.0),
    ),  # the counter of the middle tier
    auth=KrakenAuth,
    book=KrakenBook,
    feeds={"level3": KrakenOrderByOrder},
    user=KrakenUser,
    orders=KrakenOrders,
    error=ERRORS.listed,
    stale_after=60.0,
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    streams_balances=False,
    balances_every=4.0,
    in_turn=True,
    about=c.About(
        title="Kraken spot",
        books="levels (500 a side), or orders by the feed level3 (100 levels a side, for accounts)",
        gaps="checksums",
        checksum="CRC32 of the best ten levels with every message; of level3 order by order",
        checked="published vectors of checksums and signatures; ccxt and ccxt.pro, python-kraken-sdk",
        unchecked="level3 beyond its published vector, and whether its host tells trades",
    ),
)
