"""HTX spot, formerly Huobi, as its API documentation (v1.0) describes it."""

from collections.abc import Generator, Iterable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from exchanges import contract as c, orders as o, reading as r
from exchanges.signing import hmac_base64
from orderbook.errors import NotFound
from orderbook.messages import BookDiff, BookSnapshot, OrderBookMessage

ORDERS, FILLS_A_PAGE, CLOSED = "/v1/order/orders", 500, ("-1", "0", "5", "6", "7")
TOPICS = ("orders#*", "trade.clearing#*#0", "accounts.update#2")
KINDS = {o.TimeInForce.GTC: "limit", o.TimeInForce.IOC: "ioc", o.TimeInForce.FOK: "limit-fok"}
DONE = "canceled partial-canceled"
STATES = r.states(
    open="created submitted canceling",
    partially_filled="partial-filled",
    filled="filled",
    cancelled=DONE,
)
ORDER = """symbol state id field-amount|filled-amount field-cash-amount|filled-cash-amount type amount price type
    client-order-id| finished-at|canceled-at|created-at"""
EVENT = """symbol orderStatus orderId execAmt| cash| type orderSize| orderPrice| type clientOrderId|
    tradeTime|lastActTime|orderCreateTime|"""
BY_VALUE = EVENT.replace("execAmt| cash|", "cash| execAmt|")
RULE = "symbol base quote price amount limit-order-min-order-amt limit-order-max-order-amt"
FILL = "symbol trade-id order-id price filled-amount fee asset role type created-at"
CLEARED = "symbol tradeId orderId tradePrice tradeVolume fee asset maker orderSide tradeTime clientOrderId|"
FEES = "filled-fees fee-currency filled-points fee-deduct-currency"
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


class HtxAuth(c.Auth):
    def sign(self, ask: c.UnsignedRequest, now: float) -> c.AuthDict:
        own = self._own("AccessKeyId SignatureMethod SignatureVersion Timestamp", "2", now)
        ask = replace(ask, params=dict(sorted({**ask.params, **own}.items())))
        return ask.signed({}, f"{ask.url}&Signature={quote(self._signature(ask), safe='')}")

    def login_to(self, socket: str, now: float) -> c.Frame:
        params = self._own("accessKey signatureMethod signatureVersion timestamp", "2.1", now)
        params["signature"] = self._signature(c.UnsignedRequest("GET", socket, params, None))
        return {"action": "req", "ch": "auth", "params": {"authType": "api"} | params}

    def _own(self, names: str, version: str, now: float) -> dict[str, str]:
        values = (
            self.api_key,
            "HmacSHA256",
            version,
            r.iso(int(now) * 10**9)[:19],
        )  # no fraction, no zone
        return dict(zip(names.split(), values, strict=True))

    def _signature(self, ask: c.UnsignedRequest) -> str:
        return hmac_base64(
            self._secrets[0], "\n".join((ask.method, ask.host.lower(), ask.path, ask.query))
        )


class HtxBook(c.BookFeed):
    """Changes on one socket, each with the number of the one before, and the snapshot on request; trades on another."""

    streams: ClassVar[tuple[str, ...]] = ("/feed", "/ws")
    trade_streams: ClassVar[tuple[str, ...]] = ("/ws",)
    kinds: ClassVar[dict[str, str]] = {"/feed": "mbp.150", "/ws": "trade.detail"}
    depth, snapshot_on_request = 150, True

    def markets(self) -> c.Call[list[o.MarketSummary]]:
        read = partial(r.read_market, names="symbol close amount vol")
        return c.get("/market/tickers", r.each(read, "data"), public=1)

    def trading_rules(self) -> c.Call[list[o.TradingRule]]:
        return c.get("/v1/common/symbols", r.each(rule_of, "data"), public=1)

    def _topics(self, symbols: list[str]) -> list[str]:
        return [
            f"market.{symbol}.{kind}"
            for symbol in symbols
            for kind in self.kinds[self.stream].split()
        ]

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[c.Frame]:
        return ({"sub" if on else "unsub": topic, "id": topic} for topic in self._topics(symbols))

    def request_snapshot(
        self, symbols: list[str], subscribing: Iterable[c.Frame] | None = None
    ) -> Iterable[c.Frame]:
        """Answered on the socket that carries the changes: only there do their numbers join."""
        return (
            {"req": topic, "id": topic} for topic in self._topics(symbols) if "trade" not in topic
        )

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | c.Control]:
        said = _parts.decode(frame)
        if "ping" in said:
            return [c.Send(frame.decode().replace("ping", "pong"))]
        if "err-code" in said:
            return [ERRORS.of(*r.pick(msgspec.json.decode(frame), "err-code err-msg"))]
        if "subbed" in said or "unsubbed" in said:
            return ()
        _, symbol, kind, *_ = bytes(said.get("ch") or said["rep"]).decode().split(".")
        tick, time = (
            _parts.decode(said.get("tick") or said["data"]),
            r.epoch_ns(int(bytes(said["ts"]))),
        )
        if kind == "trade":
            rows = msgspec.json.decode(tick["data"])
            return [
                r.read_trade(row | {"symbol": symbol}, "symbol tradeId price amount direction ts")
                for row in rows
            ]
        bids, asks = (bytes(tick.get(side, b"[]")) for side in ("bids", "asks"))
        last = int(bytes(tick["seqNum" if kind == "mbp" else "version"]))
        if kind == "mbp" and "ch" in said:
            return [BookDiff(symbol, bids, asks, int(bytes(tick["prevSeqNum"])) + 1, last, time)]
        return [BookSnapshot(symbol, bids, asks, last, time)]


class HtxImages(HtxBook):
    """The whole book, unmerged, 150 levels a side, about once a second; trades beside it."""

    streams, trade_streams = ("/ws",), ()
    kinds: ClassVar[dict[str, str]] = {"/ws": "depth.step0 trade.detail"}
    full_snapshots_only = True


def rule_of(row: r.Row) -> o.TradingRule:
    row |= {name: row[f"{name}-currency"].upper() for name in ("base", "quote")}
    row |= {name: f"1e-{row[f'{name}-precision']}" for name in ("price", "amount")}
    active = row["state"] == "online" and row.get("api-trading") == "enabled"
    return r.read_rule(row, RULE, worth=str(row["min-order-value"]), active=active)


class HtxUser(c.UserFeed):
    """Orders as the engine sees them; fills with their fees when cleared, in no order with those; balances."""

    path = "/ws/v2"

    def handshake(self) -> c.Handshake:
        self._account, self._unconfirmed = (yield ACCOUNT), set(TOPICS)
        return self.path

    def login(self, now: float) -> Iterable[c.Frame]:
        assert isinstance(self.auth, HtxAuth)
        yield self.auth.login_to(self.host + self.path, now)

    def parse(self, frame: bytes) -> Iterable[c.UserEvent | c.Control]:
        match msgspec.json.decode(frame):
            case {"action": "ping", "data": stamps}:
                yield c.Send({"action": "pong", "data": stamps})
            case {"action": "req", "ch": "auth", "code": 200}:
                yield from (c.Send({"action": "sub", "ch": topic}) for topic in TOPICS)
            case {"action": "sub", "ch": topic, "code": 200}:
                self._unconfirmed.discard(topic)
                yield from () if self._unconfirmed else (c.Ready(),)
            case {"code": code, "message": message}:
                yield ERRORS.of(str(code), message)
            case {"data": {"accountId": other}} if str(other) != self._account:
                return  # a margin account's
            case {"data": {"transactFee": _, "aggressor": taker} as row}:
                yield fill_of(
                    row | {"maker": not taker},
                    CLEARED,
                    "transactFee feeCurrency feeDeduct feeDeductType",
                )
            case {
                "data": {"eventType": "creation" | "trade" | "cancellation", "type": kind} as row
            }:
                # Of a purchase by value, "execAmt" is in quote.
                yield r.read_update(row, BY_VALUE if kind == "buy-market" else EVENT, STATES)
            case {"data": {"accountType": "trade", "currency": asset} as row}:
                yield r.read_total(
                    row | {"currency": asset.upper()}, "currency balance available changeTime|"
                )
            case {"action": "push", "data": {"eventType": _} | {"accountType": _}}:
                return  # conditional orders before they are placed; loans
            case other:
                raise ValueError(f"a frame of no known form: {str(other)[:120]}")


class HtxOrders(c.OrderEntry):
    """Market purchases are of an amount in quote here: all our market orders are IOC limits, exact in base."""

    _account = ""

    def handshake(self) -> Generator[c.Call[Any], Any, None]:
        self._account = yield ACCOUNT

    def place(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        kind = (
            "ioc"
            if order.type is o.OrderType.MARKET
            else "limit-maker"
            if order.post_only
            else KINDS[order.tif]
        )
        body = {"account-id": self._account, "symbol": order.symbol, "type": f"{order.side}-{kind}"}
        body |= {"amount": f"{order.amount:f}", "price": f"{order.price or 0:f}"}
        body |= {"source": "spot-api", "client-order-id": order.client_order_id}
        return c.ask(
            f"POST {ORDERS}/place", r.accepted(order, "data"), body=body, urgent=False, orders=1
        )

    def cancel(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate | None]:
        path, body = "submitCancelClientOrder", {"client-order-id": order.client_order_id}
        if order.exchange_order_id:
            path, body = f"{order.exchange_order_id}/submitcancel", {}
        return c.ask(f"POST {ORDERS}/{path}", r.one(read_cancelling, "data"), body=body, orders=1)

    def status(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        known = order.exchange_order_id
        query = {"clientOrderId": "" if known else order.client_order_id}
        return c.ask(
            f"{ORDERS}/{known or 'getClientOrder'}", r.one(order_of, "data"), query, queries=1
        )

    def open_orders(self, trading_pair: str | None = None) -> c.Call[list[o.OrderUpdate]]:
        query = self.pair(trading_pair) | {
            "account-id": self._account if trading_pair else "",
            "size": "500",
        }
        read = r.each(order_of, "data", where=lambda row: str(row["account-id"]) == self._account)
        return c.ask("/v1/order/openOrders", read, query, queries=1)

    def fills(self, trading_pair: str, after: c.FillCursor) -> c.Call[c.Page[o.Fill]]:
        """Of two days, newest first; older ones are asked for by their order."""
        read = r.pages(
            fill_of, FILLS_A_PAGE, "id", "data", until=lambda fill: fill.time < after.time
        )
        query = self.pair(trading_pair) | {"from": after.page, "size": str(FILLS_A_PAGE)}
        return c.ask("/v1/order/matchresults", read, query, queries=1)

    def order_fills(self, order: o.InFlightOrder) -> c.Call[list[o.Fill]]:
        return c.ask(
            f"{ORDERS}/{order.exchange_order_id}/matchresults", r.each(fill_of, "data"), queries=1
        )

    def balances(self) -> c.Call[list[o.Balance]]:
        read = r.one(read_balances, "data", "list")
        return c.ask(f"/v1/account/accounts/{self._account}/balance", read, queries=1)

    def fees(self, trading_pair: str) -> c.Call[o.Fee]:
        read = r.one(partial(r.read_fee, names="actualMakerRate actualTakerRate"), "data", 0)
        return c.ask(
            "/v2/reference/transact-fee-rate",
            read,
            {"symbols": self.rules[trading_pair].symbol},
            queries=1,
        )


def read_cancelling(said: Any) -> None:
    """Taken is not cancelled. Raises NotFound for an order that is closed, or not there: it must be asked about."""
    if str(said) in CLOSED:
        raise NotFound("no open order has that id")


def read_balances(rows: Any) -> list[o.Balance]:
    found = {(row["currency"], row["type"]): row["balance"] for row in rows}
    assets = [asset for asset, kind in found if kind == "trade"]
    return [
        r.read_balance(a.upper(), found[a, "trade"], found.get((a, "frozen"), "0")) for a in assets
    ]


def order_of(row: r.Row) -> o.OrderUpdate:
    """Of a purchase by value, ``amount`` is in quote."""
    amount = row["field-amount" if row["type"] == "buy-market" else "amount"]
    return r.read_update(row | {"amount": amount}, ORDER, STATES)


def fill_of(row: r.Row, names: str = FILL, fees: str = FEES) -> o.Fill:
    """The fee in its currency, or what was deducted in its place from another that the account holds for that."""
    fee, asset, deducted, other = (row.get(name) or "" for name in fees.split())
    if deducted and not r.number(fee):
        fee, asset = deducted, other or asset
    return r.read_fill(row | {"fee": fee, "asset": asset.upper()}, names)


ACCOUNT = c.ask(
    "/v1/account/accounts", r.found(lambda row: str(row["id"]), "type", "spot", "data"), queries=1
)
ERRORS = r.errors(
    {c.ErrorKind.CLOCK: "submission time|imestamp", c.ErrorKind.AUTH: "2002:auth"},
    refused="""order-value-min-error order-*-amount-*-error order-*-precision-error order-*-price-*-error invalid-amount
        order-invalid-price order-holding-limit-failed order-type-invalid order-disabled base-symbol-trade-disabled
        base-symbol-error validation-constraints-required market-orders-not-support-during-limit-price-trading""",
    funds="account-frozen-balance-insufficient-error order-accountbalance-error",
    not_found="""base-record-invalid base-not-found not-found order-queryorder-invalid order-orderstate-error
        order-user-cancel-forbidden""",
    duplicate="invalid-client-order-id invalid.client.order.id",
    rate="rate-too-many-requests base-request-exceed-frequency-limit 4000",
    auth="api-signature-not-valid api-signature-check-failed login-required 1002 1003",
)
HTX = c.Exchange(
    name="htx",
    hosts=c.Endpoints("https://api.huobi.pro", "wss://api.huobi.pro", "wss://api.huobi.pro"),
    limits=(
        c.RateLimit("public", 10, 1.0),
        c.RateLimit("orders", 100, 2.0),
        c.RateLimit("queries", 20, 2.0),
    ),
    auth=HtxAuth,
    book=HtxBook,
    feeds={"step0": HtxImages},
    user=HtxUser,
    orders=HtxOrders,
    error=partial(
        ERRORS.coded, code="err-code|code|status", message="err-msg|message", ok="ok 200"
    ),
    server_time=c.get(
        "/v1/common/timestamp", lambda answer: float(answer.json()["data"]) / 1000, public=1
    ),
    decode=r.gunzip,
    reset_header="x-hb-ratelimit-requests-expire",
    slippage=Decimal("0.05"),
    forgets_cancelled=True,
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    about=c.About(
        title="HTX (Huobi) spot",
        books="levels, 150 a side, 100 ms; by setting: step0 (images of 150 levels, 1 s)",
        gaps="each change names the number of the one before",
        checked="recorded frames of step0 and trades, ccxt and ccxt.pro, signature vectors of the venue's own SDKs",
        not_applicable={
            "checksum_mismatch": '"market.$symbol.mbp.$levels ... tick": seqNum, prevSeqNum, bids, asks; no checksum'
        },
    ),
)
