"""Hyperliquid, as its API documentation describes it: spot; perpetuals by images, or order by order from a node."""

from collections.abc import Callable, Generator, Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

import msgpack
import msgspec

from exchanges import contract as c, orders as o, reading as r
from exchanges.signing import eip712
from orderbook import messages as m

MAINNET, TESTNET = "api.hyperliquid.xyz", "api.hyperliquid-testnet.xyz"
SPOT, PAGE, STREAMS = 10_000, 500, ("orderUpdates", "userFills")
"""The asset id of the first spot pair; rows that an answer may be cut at; what a user follows."""
STATES = r.states(
    open="open triggered",
    filled="filled",
    cancelled="canceled scheduledCancel",
    rejected="rejected",
)
STATES |= r.states(
    expired="iocCancelRejected marketOrderNoLiquidityRejected"
)  # what was told as open may end so
ORDER = "coin state oid filled quote side origSz limitPx kind cloid| statusTimestamp|timestamp"
FILL = "coin tid oid px sz fee feeToken !crossed side time cloid|"
BLOCK = 1_000_000
"""Changes that a node's block may have: its height times this, and a change's place in it, number the change."""
PING, GREETING, PONG = '{"method":"ping"}', b"Websocket connection", b'{"channel":"pong"}'
DOMAIN = {"name": "Exchange", "version": "1", "chainId": 1337, "verifyingContract": f"0x{0:040x}"}
AGENT = {
    "Agent": [{"name": "source", "type": "string"}, {"name": "connectionId", "type": "bytes32"}]
}


class HyperliquidAuth(c.Auth):
    """``api_key``: the account's own address; ``api_secret``: the private key of it, or of an agent it approved."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        super().__init__(keys)
        self._nonce, self._signature = -1, eip712(self._secrets[0], DOMAIN, AGENT, "connectionId")

    def sign(self, ask: c.UnsignedRequest, now: float) -> c.AuthDict:
        """A question only names the account; an action is signed, with a nonce that never comes again."""
        said: r.Row = {**(ask.body or {}), "user": self.api_key}
        if ask.path != "/info":
            self._nonce = max(self._nonce + 1, int(now * 1000))
            packed = (
                msgpack.packb(ask.body) + self._nonce.to_bytes(8, "big") + b"\0"
            )  # for no vault
            # What is signed for any other host is worth nothing on the main network.
            signature = self._signature({"source": "a" if ask.host == MAINNET else "b"}, packed)
            said = {
                "action": ask.body,
                "nonce": self._nonce,
                "signature": signature,
                "vaultAddress": None,
            }
        return ask.signed({}, data=msgspec.json.encode(said).decode())


class Book(msgspec.Struct, gc=False):
    coin: str
    time: int
    levels: tuple[msgspec.Raw, msgspec.Raw]


_book = msgspec.json.Decoder(Book)


class HyperliquidBook(c.BookFeed):
    """Every message is the whole book, twenty levels a side, numbered by its time."""

    streams, full_snapshots_only = ("/ws",), True
    channels: tuple[str, ...] = ("l2Book", "trades")
    meta = "spotMeta"

    def markets(self) -> c.Call[list[o.MarketSummary]]:
        return info(f"{self.meta}AndAssetCtxs", read_markets)

    def trading_rules(self) -> c.Call[list[o.TradingRule]]:
        return info(self.meta, r.one(read_rules))

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[c.Frame]:
        method, kinds = ("subscribe", self.channels) if on else ("unsubscribe", self.channels[::-1])
        return (
            {"method": method, "subscription": {"type": kind, "coin": coin}}
            for coin in symbols
            for kind in kinds
        )

    def parse(self, frame: bytes) -> Iterable[m.OrderBookMessage | c.Control]:
        said = r.pushed.decode(frame)
        match said.channel:
            case "l2Book":
                book = _book.decode(said.data)
                bids, asks = map(bytes, book.levels)
                yield m.BookSnapshot(book.coin, bids, asks, book.time, r.epoch_ns(book.time))
            case "trades":
                yield from (
                    r.read_trade(row, "coin tid px sz side time")
                    for row in msgspec.json.decode(said.data)
                )
            case "l4Book":
                yield from read_orders(msgspec.json.decode(said.data))
            case "error":
                why = msgspec.json.decode(said.data, type=str)
                yield from (
                    () if PING in why else (ERRORS.of("", why),)
                )  # a node refuses our pings, and needs none
            case "subscriptionResponse" | "pong":
                return
            case other:
                raise ValueError(f"a frame of no known form: {other[:120]}")


class HyperliquidPerps(HyperliquidBook):
    meta = "meta"


class HyperliquidL4(HyperliquidPerps):
    """Perpetuals order by order, from the order_book_server beside a node of one's own. It leaves out blocks that
    change nothing, so that heights don't tell a loss: changes that don't fit do, and its own images of the book."""

    full_snapshots_only, verify_depth = False, 20
    channels = (
        "l4Book",
        "trades",
        "l2Book",
    )  # no image while there are no orders: off first, on last


def read_orders(said: r.Row) -> Iterable[m.OrdersSnapshot | m.OrderEvent]:
    """Blocks up to a snapshot's height may still wait in the node's queue, and come after it."""
    match said:
        case {"Snapshot": {"coin": coin, "time": time, "height": height, "levels": levels}}:
            bids, asks = (r.resting(side, "oid limitPx sz") for side in levels)
            yield m.OrdersSnapshot(coin, bids, asks, (height + 1) * BLOCK - 1, r.epoch_ns(time))
        case {
            "Updates": {
                "time": time,
                "height": height,
                "order_statuses": statuses,
                "book_diffs": diffs,
            }
        }:
            sides = {row["order"]["oid"]: row["order"]["side"] for row in statuses}
            for number, diff in enumerate(diffs, height * BLOCK):
                yield m.OrderEvent(
                    diff["coin"], *change_of(diff, sides), update_id=number, time=r.epoch_ns(time)
                )
        case other:
            raise ValueError(f"a frame of no known form: {str(other)[:120]}")


def change_of(
    diff: r.Row, sides: Mapping[int, str]
) -> tuple[m.OrderAction, str, str, float, float]:
    """Action, id, side, price and size. The side of a new order stands in its status; removals need no price."""
    match diff["raw_book_diff"]:
        case {"new": {"sz": size}}:
            return (
                m.OrderAction.OPEN,
                str(diff["oid"]),
                r.side_of(sides[diff["oid"]]),
                float(diff["px"]),
                float(size),
            )
        case {"update": {"newSz": size}}:
            return m.OrderAction.CHANGE, str(diff["oid"]), "", 0.0, float(size)
        case "remove":
            return m.OrderAction.DONE, str(diff["oid"]), "", 0.0, 0.0
    raise ValueError(f"a change of no known form: {str(diff)[:120]}")


def read_markets(answer: c.Answer) -> list[o.MarketSummary]:
    """Rows of spot name their coin, and stand in an order of their own."""
    meta, rows = answer.json()
    names = dict(enumerate(row["name"] for row in meta["universe"]))
    volumes = (Decimal(row["dayNtlVlm"]) / (Decimal(row["markPx"]) or 1) for row in rows)
    found = [
        {"coin": names.get(at), "dayBaseVlm": next(volumes)} | row for at, row in enumerate(rows)
    ]
    return [r.read_market(row, "coin markPx dayBaseVlm dayNtlVlm") for row in found]


def read_rules(meta: r.Row) -> list[o.TradingRule]:
    tokens, rules = {token["index"]: token for token in meta.get("tokens", ())}, []
    for row in meta["universe"]:
        base, quote = (
            (tokens[index] for index in row["tokens"]) if tokens else (row, {"name": "USD"})
        )
        named, decimals = row | {"base": base["name"], "quote": quote["name"]}, base["szDecimals"]
        tick, step, active = (
            f"1e{decimals - (8 if tokens else 6)}",
            f"1e-{decimals}",
            not row.get("isDelisted"),
        )
        rules.append(
            r.read_rule(
                named, "name base quote", tick=tick, step=step, worth="10", digits=5, active=active
            )
        )
    # Of two pairs that differ by capitals alone, the one that is written in capitals has their name.
    return sorted(rules, key=lambda rule: rule.base.isupper())


class HyperliquidUser(c.UserFeed):
    """Orders and fills of the account's address; no login."""

    path = "/ws"

    def login(self, now: float) -> Iterable[c.Frame]:
        self._missing = set(STREAMS)
        return [
            {"method": "subscribe", "subscription": {"type": kind, "user": self.auth.api_key}}
            for kind in STREAMS
        ]

    def parse(self, frame: bytes) -> Iterable[c.UserEvent | c.Control]:
        match msgspec.json.decode(frame):
            case {"channel": "orderUpdates", "data": rows}:
                yield from (
                    order_of(row["order"] | row)
                    for row in rows
                    if row["order"]["coin"] in self.rules
                )
            case {"channel": "pong"} | {"channel": "userFills", "data": {"isSnapshot": True}}:
                return  # old fills: those that matter are asked for whenever the stream begins
            case {"channel": "userFills", "data": {"fills": rows}}:
                yield from (r.read_fill(row, FILL) for row in rows if row["coin"] in self.rules)
            case {"channel": "subscriptionResponse", "data": {"subscription": {"type": kind}}}:
                self._missing.discard(kind)
                yield from () if self._missing else (c.Ready(),)
            case {"channel": "error", "data": str(said)}:
                yield ERRORS.of("", said)
            case other:
                raise ValueError(f"a frame of no known form: {str(other)[:120]}")


class HyperliquidOrders(c.OrderEntry):
    def handshake(self) -> Generator[c.Call[Any], Any, None]:
        """Whether the address is an account's own, and the numbers by which actions name what is traded."""
        yield mine("userRole", lambda answer: None, 60)
        perps = yield info("meta", r.each(lambda row: row["name"], "universe"))
        spot = yield info(
            "spotMeta", r.each(lambda row: (row["name"], SPOT + row["index"]), "universe")
        )
        self._assets = {name: place for place, name in enumerate(perps)} | dict(spot)

    def place(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        taking = order.type is o.OrderType.MARKET or order.tif is o.TimeInForce.IOC
        kind = {"limit": {"tif": "Alo" if order.post_only else "Ioc" if taking else "Gtc"}}
        price, size = (
            r.plain(order.price or o.ZERO),
            r.plain(order.amount),
        )  # a zero at the end would change the hash
        terms = {
            "a": self._assets[order.symbol],
            "b": order.side is m.Side.BUY,
            "p": price,
            "s": size,
            "r": False,
        }
        terms |= {"t": kind, "c": order.client_order_id}
        read = r.accepted(order, "response", "data", "statuses", 0, "resting|filled", "oid")
        return act("order", read, urgent=False, orders=[terms], grouping="na")

    def cancel(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate | None]:
        asset = self._assets[order.symbol]
        if order.external:
            return act("cancel", lambda answer: None, cancels=[{"a": asset, "o": int(order.name)}])
        return act(
            "cancelByCloid", lambda answer: None, cancels=[{"asset": asset, "cloid": order.name}]
        )

    def status(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        oid = int(order.name) if order.external else order.name
        return mine(
            "orderStatus", r.one(lambda row: order_of(row["order"] | row), "order"), 2, oid=oid
        )

    def open_orders(self, trading_pair: str | None = None) -> c.Call[list[o.OrderUpdate]]:
        symbols = {
            self.rules[pair].symbol for pair in ([trading_pair] if trading_pair else self.rules)
        }
        read = r.each(lambda row: order_of(row | {"status": "open"}))
        return mine(
            "frontendOpenOrders",
            lambda answer: [said for said in read(answer) if said.symbol in symbols],
        )

    def fills(self, trading_pair: str, after: c.FillCursor) -> c.Call[c.Page[o.Fill]]:
        """Of all coins, oldest first: a part begins at the time of the last row of the one before."""
        since, symbol = int(after.page or after.time // 10**6), self.rules[trading_pair].symbol

        def read(answer: c.Answer) -> c.Page[o.Fill]:
            rows = answer.json()
            rest = str(max(since + 1, rows[-1]["time"])) if len(rows) >= PAGE else ""
            return c.Page([r.read_fill(row, FILL) for row in rows if row["coin"] == symbol], rest)

        return mine("userFillsByTime", read, startTime=since)

    def balances(self) -> c.Call[list[o.Balance]]:
        return mine(
            "spotClearinghouseState",
            r.each(partial(r.read_held, names="coin total hold"), "balances"),
            2,
        )

    def fees(self, trading_pair: str) -> c.Call[o.Fee]:
        kind = "Spot" if self._assets[self.rules[trading_pair].symbol] >= SPOT else ""
        return mine(
            "userFees", r.one(partial(r.read_fee, names=f"user{kind}AddRate user{kind}CrossRate"))
        )


def info(kind: str, read: Callable[[c.Answer], r.T], weight: int = 20) -> c.Call[r.T]:
    return c.Call(c.Request("POST", "/info", body={"type": kind}, cost={"weight": weight}), read)


def mine(kind: str, read: Callable[[c.Answer], r.T], weight: int = 20, **more: Any) -> c.Call[r.T]:
    """A question about our account, whose address the signer adds."""
    return c.ask("POST /info", read, body={"type": kind, **more}, changes=False, weight=weight)


def act(
    kind: str, read: Callable[[c.Answer], r.T], urgent: bool = True, **more: Any
) -> c.Call[r.T]:
    return c.ask("POST /exchange", read, body={"type": kind, **more}, urgent=urgent, weight=1)


def order_of(row: r.Row) -> o.OrderUpdate:
    """What takes at once ends as filled, whole or not; words like tickRejected by what they end with."""
    word, left = row["status"], Decimal(row["sz"])
    state = (
        "canceled" if left and word == "filled" else word if word in STATES else word[-8:].lower()
    )
    told = {"state": state, "filled": Decimal(row["origSz"]) - left, "quote": 0, "kind": "LIMIT"}
    reason = word if word.endswith(("Canceled", "Rejected")) else ""
    return r.read_update(row | told, ORDER, STATES, reason=reason)


def error(answer: c.Answer) -> c.Fault | None:
    """Refusals are sentences, most of them in answers of HTTP 200."""
    match answer.said():
        case {"status": "err", "response": str(text)} | {"status": "unknownOid" as text}:
            return ERRORS.of("", text, answer.status)
        case {"status": "ok", "response": {"data": {"statuses": [{"error": str(text)}, *_]}}}:
            return ERRORS.of("", text, answer.status)
        case {"role": role} if role != "user":
            return c.Fault(c.ErrorKind.AUTH, role, f"api_key is no account's own address: {role}")
    return ERRORS.fault(answer)


ERRORS = r.worded(
    not_found="never placed|unknownOid",
    funds="nsufficient",
    auth="does not exist|ust deposit",  # a wrong hash looks the same: it recovers somebody else's address
    clock="nvalid nonce",
    duplicate="uplicate",
    rate="oo many",
    refused="divisible by tick|minimum value|immediately match|nvalid size|zero size|% away|deserialize",
)
HYPERLIQUID = c.Exchange(
    name="hyperliquid",
    hosts=c.Endpoints(f"https://{MAINNET}", f"wss://{MAINNET}", f"wss://{MAINNET}"),
    testnet=c.Endpoints(f"https://{TESTNET}", f"wss://{TESTNET}", f"wss://{TESTNET}"),
    limits=(c.RateLimit("weight", 1200, 60.0),),
    auth=HyperliquidAuth,
    book=HyperliquidBook,
    feeds={"perps": HyperliquidPerps, "l4Book": HyperliquidL4},
    user=HyperliquidUser,
    orders=HyperliquidOrders,
    error=error,
    client_id=lambda number: f"0x{number:032x}",
    server_time=info("exchangeStatus", lambda answer: float(answer.json()["time"]) / 1000),
    decode=lambda frame: PONG if frame.startswith(GREETING) else frame,
    ping=PING,
    has=frozenset({"post_only", "ioc", "market"}),
    streams_balances=False,
    slippage=Decimal("0.05"),
    about=c.About(
        title="Hyperliquid spot; perpetuals by the feeds perps and l4Book",
        books="images of twenty levels, every 5 s; l4Book: orders, from a node of one's own",
        gaps="images: none to lose; l4Book: changes that don't fit, and the node's own images of the book",
        checked="ccxt and ccxt.pro, the official SDK, published signature vectors, frames of the documentation",
        unchecked="l4Book of a running node; balances and positions of perpetuals are not read",
        not_applicable={
            "checksum_mismatch": '"WsBook": coin, levels, time; no checksum among them'
        },
    ),
)
