"""Hyperliquid, as its API documentation has it: spot; perpetuals order by order, from order_book_server."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from math import nan
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from exchanges import contract as c
from exchanges import orders as o
from exchanges import reading as r
from exchanges.contract import ErrorKind as Kind
from exchanges.signing import key_fields
from orderbook import messages as m
from orderbook.errors import AuthenticationError, ConfigError, InvalidOrder
from orderbook.messages import OrderAction, OrderEvent, Side

SIDES, STREAMS, PAGE = {"B": Side.BUY, "A": Side.SELL}, ("orderUpdates", "userFills"), 2000
SPOT = 10000  # the asset id of the first spot pair
STATES = r.states(open="open triggered", filled="filled", cancelled="canceled scheduledCancel", rejected="rejected")
PING, GREETING = '{"method":"ping"}', b"Websocket connection"
DOMAIN = {"name": "Exchange", "version": "1", "chainId": 1337, "verifyingContract": f"0x{0:040x}"}
AGENT = {"Agent": [{"name": "source", "type": "string"}, {"name": "connectionId", "type": "bytes32"}]}


class HyperliquidAuth(c.Auth):
    """``api_key``: the account's own address; ``api_secret``: the private key of it, or of an agent it approved."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        address, self._secret = key_fields(keys, "api_key", "api_secret")
        for name, digits in (("api_key", 40), ("api_secret", 64)):
            if not re.fullmatch(f"(0x)?[0-9a-fA-F]{{{digits}}}", keys[name]):
                raise AuthenticationError(f"{name} must be 0x and {digits} hexadecimal digits")
        self.address, self._nonce = f"0x{address.lower().removeprefix('0x')}", -1

    def generate_auth_dict(
        self, http_method: str, url: str, params: c.Params, body: c.Body = None, *, now: float
    ) -> c.AuthDict:
        """A question only names the account; an action is signed, with a nonce that never comes again."""
        said = {**(body or {}), "user": self.address}
        if not url.endswith("/info"):
            self._nonce = max(self._nonce + 1, int(now * 1000))
            signature = sign(self._secret, digest(body, self._nonce), "b" if "testnet" in url else "a")
            said = {"action": body, "nonce": self._nonce, "signature": signature, "vaultAddress": None}
        return {"url": url, "headers": {"Content-Type": "application/json"}, "body": msgspec.json.encode(said)}


def digest(action: c.Body, nonce: int) -> bytes:
    """What is signed of an action: its MessagePack, keys in their order, the nonce, and that there is no vault."""
    return msgspec.msgpack.encode(action) + nonce.to_bytes(8, "big") + b"\0"


def sign(secret: str, payload: bytes, source: str) -> dict[str, Any]:
    """EIP-712, over the hash of the payload. The package is slow to import, and only traders need it."""
    try:
        from eth_account import Account
        from eth_account.messages import encode_typed_data
        from eth_utils.crypto import keccak
    except ImportError:
        raise ConfigError("orders at hyperliquid need one package more: pip install eth-account") from None
    message = encode_typed_data(DOMAIN, AGENT, {"source": source, "connectionId": keccak(payload)})
    signed = Account.sign_message(message, secret)
    return {"r": f"0x{signed.r:064x}", "s": f"0x{signed.s:064x}", "v": signed.v}


class Row(Struct, gc=False):
    """A trade, or an order of a node's book."""

    side: Literal["B", "A"]
    sz: str
    coin: str
    px: str = ""
    limitPx: str = ""
    time: int = 0
    tid: int = 0
    oid: int = 0


class Book(Struct, gc=False):
    coin: str
    time: int
    levels: tuple[Raw, Raw]


class Diff(Struct, gc=False):
    coin: str
    oid: int
    px: str
    raw_book_diff: str | dict[str, dict[str, str]]


class Block(Struct, gc=False):
    time: int
    order_statuses: list[dict[str, Any]]
    book_diffs: list[Diff]


class Frame(Struct, gc=False):
    channel: str
    data: Raw = Raw(b"null")


class Orders(Struct, rename="pascal", gc=False):
    snapshot: Book | None = None
    updates: Block | None = None


_frame, _book = msgspec.json.Decoder(Frame), msgspec.json.Decoder(Book)
_rows, _orders = msgspec.json.Decoder(list[Row]), msgspec.json.Decoder(Orders)


class HyperliquidBook(c.BookFeed):
    """Spot: every message is the whole book, twenty levels a side, numbered by its time."""

    images = True
    channel, meta = "l2Book", "spotMeta"

    def opening(self) -> c.Opening:
        return "/ws"
        yield

    def markets(self) -> c.Call[list[o.MarketSummary]]:
        return c.Call(info(f"{self.meta}AndAssetCtxs"), read_markets)

    def trading_rules(self) -> c.Call[list[o.TradingRule]]:
        return c.Call(info(self.meta), lambda answer: read_rules(answer.json()))

    def subscribe(self, symbols: list[str], auth: c.Auth | None = None, now: float = 0.0) -> Iterable[str]:
        return (frame_of("subscribe", kind, coin=coin) for coin in symbols for kind in (self.channel, "trades"))

    def unsubscribe(self, symbols: list[str]) -> Iterable[str]:
        return (frame_of("unsubscribe", kind, coin=coin) for coin in symbols for kind in (self.channel, "trades"))

    def parse(self, frame: bytes) -> Iterable[m.OrderBookMessage | c.Control]:
        said = Frame("pong") if frame.startswith(GREETING) else _frame.decode(frame)
        match said.channel:
            case self.channel:
                yield from self.levels(said.data)
            case "trades":
                for row in _rows.decode(said.data):
                    numbers = (float(row.px), float(row.sz), r.epoch_ns(row.time))
                    yield m.Trade(row.coin, str(row.tid), SIDES[row.side], *numbers)
            case "error":
                text = msgspec.json.decode(said.data, type=str)
                if PING not in text:  # a node's server refuses ours, and needs none
                    yield c.Fault(ERRORS.kind("", text), "", text)
            case "subscriptionResponse" | "pong":
                return
            case other:
                raise ValueError(f"a frame of no known form: {other[:120]}")

    def levels(self, data: Raw) -> Iterable[m.OrderBookMessage]:
        book = _book.decode(data)
        bids, asks = map(bytes, book.levels)
        yield m.BookSnapshot(book.coin, bids, asks, book.time, r.epoch_ns(book.time))


class HyperliquidL4(HyperliquidBook):
    """Perpetuals, order by order, from the order_book_server beside a node of one's own. It leaves out blocks that
    change nothing: only what can't be (an unknown order, one without its side) shows a loss."""

    images = False
    channel, meta = "l4Book", "meta"

    def __init__(self, rules: Mapping[str, o.TradingRule], stream: str = "") -> None:
        super().__init__(rules, stream)
        self._known: dict[str, set[int]] = {}

    def levels(self, data: Raw) -> Iterable[m.OrderBookMessage]:
        said = _orders.decode(data)
        if book := said.snapshot:
            bids, asks = (_rows.decode(side) for side in book.levels)
            self._known[book.coin] = {order.oid for order in bids + asks}
            yield m.OrdersSnapshot(book.coin, resting(bids), resting(asks), time=r.epoch_ns(book.time))
        elif block := said.updates:
            sides = {row["order"]["oid"]: SIDES[row["order"]["side"]] for row in block.order_statuses}
            for diff in block.book_diffs:
                if diff.coin in self._known:  # else lost, or not begun: wait for the snapshot
                    yield self._change(diff, sides.get(diff.oid), r.epoch_ns(block.time))
        else:
            raise ValueError(f"a frame of no known form: {bytes(data)[:120]!r}")

    def _change(self, diff: Diff, side: Side | None, time: int) -> OrderEvent | m.Lost:
        coin, name, known = diff.coin, str(diff.oid), self._known[diff.coin]
        match diff.raw_book_diff:
            case {"new": {"sz": size}} if side and diff.oid not in known:
                known.add(diff.oid)
                return OrderEvent(coin, OrderAction.OPEN, name, side, float(diff.px), float(size), time=time)
            case {"update": {"newSz": size}} if diff.oid in known:
                return OrderEvent(coin, OrderAction.CHANGE, name, "", nan, float(size), time=time)
            case "remove" if diff.oid in known:
                known.remove(diff.oid)
                return OrderEvent(coin, OrderAction.DONE, name, time=time)
        del self._known[coin]
        return m.Lost(coin, f"{diff.raw_book_diff} of order {name} doesn't fit what came before")


def resting(rows: list[Row]) -> list[m.RestingOrder]:
    return [m.RestingOrder(str(row.oid), float(row.limitPx), float(row.sz)) for row in rows]


def read_markets(answer: c.Answer) -> list[o.MarketSummary]:
    meta, rows = answer.json()
    names = [row["name"] for row in meta["universe"]]  # spot rows name their coin, and stand in an order of their own
    found = [row if "coin" in row else row | {"coin": names[place]} for place, row in enumerate(rows)]
    found = [{"dayBaseVlm": Decimal(row["dayNtlVlm"]) / (Decimal(row["markPx"]) or 1)} | row for row in found]
    return [r.read_market(row, "coin markPx dayBaseVlm dayNtlVlm") for row in found]


def read_rules(meta: r.Row) -> list[o.TradingRule]:
    """All of them, in the venue's order: the place of a perpetual is its asset id."""
    tokens, rules = {token["index"]: token for token in meta.get("tokens", ())}, []
    for row in meta["universe"]:
        base, quote = (tokens[index] for index in row["tokens"]) if tokens else (row, {"name": "USD"})
        names, decimals = {"base": base["name"], "quote": quote["name"]}, base["szDecimals"]
        steps = {"tick": f"1e{decimals - (8 if tokens else 6)}", "step": f"1e{-decimals}", "worth": "10"}
        # The asset id of a spot pair is read from its name: one that doesn't tell it can't be traded.
        told = not tokens or row["name"] == (f"@{row['index']}" if row["index"] else "PURR/USDC")
        active = told and not row.get("isDelisted", False)
        rules.append(replace(r.read_rule(row | names, "name base quote", active=active, **steps), significant_digits=5))
    same = Counter(rule.trading_pair.upper() for rule in rules)
    # Pairs are asked for in capitals. Where two differ by nothing else, the one that is written so has the name.
    return [replace(rule, trading_pair=up) if same[up := rule.trading_pair.upper()] == 1 else rule for rule in rules]


class HyperliquidUser(c.UserFeed):
    """Orders and fills of the account's address; no login. The first frame of fills is history."""

    def opening(self) -> c.Opening:
        return "/ws"
        yield

    def login(self, now: float) -> Iterable[str]:
        assert isinstance(self.auth, HyperliquidAuth)
        self._missing = set(STREAMS)
        return [frame_of("subscribe", kind, user=self.auth.address) for kind in STREAMS]

    def parse(self, frame: bytes) -> Iterable[c.UserEvent | c.Control]:
        said: Any = {"channel": "pong"} if frame.startswith(GREETING) else msgspec.json.decode(frame)
        match said:
            case {"channel": "orderUpdates", "data": rows}:
                yield from (order_of(row) for row in rows if row["order"]["coin"] in self.rules)
            case {"channel": "userFills", "data": {"fills": rows}}:
                yield from (fill_of(row) for row in rows if row["coin"] in self.rules)
            case {"channel": "subscriptionResponse", "data": {"subscription": {"type": kind}}}:
                self._missing.discard(kind)
                yield from () if self._missing else (c.Ready(),)
            case {"channel": "error", "data": str(text)}:
                yield c.Fault(ERRORS.kind("", text), "", text)
            case {"channel": "pong"}:
                return
            case other:
                raise ValueError(f"a frame of no known form: {str(other)[:120]}")


class HyperliquidOrders(c.OrderEntry):
    def __init__(self, rules: Mapping[str, o.TradingRule]) -> None:
        super().__init__(rules)
        places = {rule.symbol: place for place, rule in enumerate(rules.values())}
        spot = {symbol: SPOT + int(symbol[1:]) for symbol in places if symbol[0] == "@"}
        self._assets = places | spot | {"PURR/USDC": SPOT}

    def place(self, order: o.NewOrder) -> c.Call[o.OrderUpdate]:
        if order.tif is o.TimeInForce.FOK:
            raise InvalidOrder("hyperliquid has no orders that fill or kill")
        symbol, size = self.rules[order.trading_pair].symbol, plain(order.amount)
        taking = order.type is o.OrderType.MARKET or order.tif is o.TimeInForce.IOC
        terms = {"a": self._assets[symbol], "b": order.side is Side.BUY, "p": plain(order.price or o.ZERO), "s": size}
        terms |= {"r": False, "t": {"limit": {"tif": "Alo" if order.post_only else "Ioc" if taking else "Gtc"}}}
        terms |= {"c": order.client_order_id}

        def read(answer: c.Answer) -> o.OrderUpdate:
            said, state, filled = answer.json()["response"]["data"]["statuses"][0], o.OrderState.OPEN, None
            said = next(iter(said.values())) if isinstance(said, dict) else {}  # else only a word: it waits
            if "totalSz" in said:
                filled, rest = Decimal(said["totalSz"]), "cancelled" if taking else "partially_filled"
                state = o.OrderState.FILLED if filled >= order.amount else o.OrderState(rest)
            name, oid = order.client_order_id, str(said.get("oid", ""))
            return o.OrderUpdate(symbol=symbol, state=state, filled=filled, client_order_id=name, exchange_order_id=oid)

        return c.Call(action("order", orders=[terms], grouping="na"), read)

    def cancel(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate | None]:
        asset, kind = self._assets[order.symbol], "cancelByCloid"
        named: r.Row = {"asset": asset, "cloid": order.client_order_id}
        if order.external:
            kind, named = "cancel", {"a": asset, "o": int(order.exchange_order_id)}
        return c.Call(action(kind, urgent=True, cancels=[named]), lambda answer: None)

    def status(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        oid = int(order.exchange_order_id) if order.external else order.client_order_id
        return c.Call(info("orderStatus", 2, mine=True, oid=oid), lambda answer: order_of(answer.json()["order"]))

    def open_orders(self, trading_pair: str | None = None) -> c.Call[list[o.OrderUpdate]]:
        pairs = [trading_pair] if trading_pair else self.rules
        symbols = {self.rules[pair].symbol for pair in pairs}

        def read(answer: c.Answer) -> list[o.OrderUpdate]:
            rows = [row for row in answer.json() if row["coin"] in symbols]
            return [order_of({"order": row, "status": "open", "statusTimestamp": row["timestamp"]}) for row in rows]

        return c.Call(info("frontendOpenOrders", mine=True), read)

    def fills(self, trading_pair: str, after: c.FillCursor) -> c.Call[c.Page[o.Fill]]:
        """Pages are of all coins: the last row of a full one stays in, whose ever; the next page begins there."""
        known, symbol = {rule.symbol for rule in self.rules.values()}, self.rules[trading_pair].symbol

        def read(answer: c.Answer) -> c.Page[o.Fill]:
            rows = sorted(answer.json(), key=lambda row: row["time"])
            more, ids = len(rows) >= PAGE, [str(row["tid"]) for row in rows]
            rows = rows[ids.index(after.trade_id) + 1 if after.trade_id in ids else 0 :]
            last = [row for row in rows if row["coin"] in known][-1:] if more else []
            return c.Page([fill_of(row) for row in rows if row["coin"] == symbol or row in last], more)

        return c.Call(info("userFillsByTime", mine=True, startTime=after.time // 1_000_000), read)

    def balances(self) -> c.Call[list[o.Balance]]:
        def read(answer: c.Answer) -> list[o.Balance]:
            held = [(row["coin"], Decimal(row["total"]), Decimal(row["hold"])) for row in answer.json()["balances"]]
            return [o.Balance(asset, total, total - hold) for asset, total, hold in held]

        return c.Call(info("spotClearinghouseState", 2, mine=True), read)

    def fees(self, trading_pair: str) -> c.Call[o.Fee]:
        kind = "Spot" if self._assets[self.rules[trading_pair].symbol] >= SPOT else ""
        names = f"user{kind}AddRate user{kind}CrossRate"
        return c.Call(info("userFees", mine=True), lambda answer: r.read_fee(answer.json(), names))


def plain(number: Decimal) -> str:
    """Without trailing zeros: they would change the hash."""
    return f"{number.normalize():f}"


def info(kind: str, weight: int = 20, mine: bool = False, **more: Any) -> c.Request:
    """A question; ``mine``: about our account, whose address the signer adds."""
    body = {"type": kind, **more}
    return c.Request("POST", "/info", body=body, signed=mine, cost={"weight": weight}, urgent=mine, asks=True)


def action(kind: str, urgent: bool = False, **more: Any) -> c.Request:
    body = {"type": kind, **more}
    return c.Request("POST", "/exchange", body=body, signed=True, cost={"weight": 1}, urgent=urgent)


def frame_of(method: str, kind: str, **more: str) -> str:
    return msgspec.json.encode({"method": method, "subscription": {"type": kind, **more}}).decode()


def order_of(row: r.Row) -> o.OrderUpdate:
    order, word = row["order"], row["status"]
    return o.OrderUpdate(
        symbol=order["coin"],
        state=STATES.get(word) or STATES[word[-8:].lower()],  # tickRejected, marginCanceled...
        client_order_id=order.get("cloid") or "",
        exchange_order_id=str(order["oid"]),
        left=Decimal(order["sz"]),
        time=r.epoch_ns(row["statusTimestamp"]),
        reason="" if word in STATES else word,
        side=SIDES[order["side"]],
        amount=Decimal(order["origSz"]),
        price=Decimal(order["limitPx"]) or None,
        type=o.OrderType.LIMIT,
    )


def fill_of(row: r.Row) -> o.Fill:
    names, client = "coin tid oid px sz fee feeToken maker", row.get("cloid") or ""
    row = row | {"maker": not row["crossed"]}
    return r.read_fill(row, names, SIDES[row["side"]], time=r.epoch_ns(row["time"]), client_id=client)


WORDS = {
    Kind.NOT_FOUND: "never placed|unknownOid",
    Kind.FUNDS: "nsufficient",
    Kind.AUTH: "does not exist|ust deposit",  # a wrong hash looks the same: it recovers somebody else's address
    Kind.CLOCK: "nvalid nonce",
    Kind.DUPLICATE: "uplicate",
    Kind.RATE: "oo many",
    Kind.REFUSED: "divisible by tick|minimum value|immediately match|nvalid size|zero size|% away|deserialize",
}
ERRORS = r.ErrorTable({}, {("", text): kind for kind, texts in WORDS.items() for text in texts.split("|")})


def error(answer: c.Answer) -> c.Fault | None:
    """Refusals are sentences, most of them in answers of HTTP 200."""
    try:
        said = answer.json()
    except msgspec.DecodeError:
        said = None
    match said:
        case {"status": "err", "response": str(text)} | {"status": "unknownOid" as text}:
            pass
        case {"status": "ok", "response": {"data": {"statuses": [{"error": str(text)}, *_]}}}:
            pass
        case _ if answer.status < 400:
            return None
        case _:
            text = answer.body.decode(errors="replace")[:200]
    return ERRORS.of("", text, answer.status)


HYPERLIQUID = c.Exchange(
    name="hyperliquid",
    hosts=c.Hosts("https://api.hyperliquid.xyz", "wss://api.hyperliquid.xyz", "wss://api.hyperliquid.xyz"),
    testnet=c.Hosts(
        "https://api.hyperliquid-testnet.xyz", "wss://api.hyperliquid-testnet.xyz", "wss://api.hyperliquid-testnet.xyz"
    ),
    limits=(c.RateLimit("weight", 1200, 60.0),),
    auth=HyperliquidAuth,
    book=HyperliquidBook,
    feeds={"l4Book": HyperliquidL4},
    user=HyperliquidUser,
    orders=HyperliquidOrders,
    error=error,
    client_id=lambda number: f"0x{number:032x}",
    ping=PING,
    ping_every=50.0,
    has=frozenset({"post_only", "ioc", "market"}),
    streams_balances=False,
    slippage=Decimal("0.05"),
    about=c.About(
        title="Hyperliquid spot; perpetuals by the feed l4Book",
        books="images of twenty levels, every 5 s; by setting: l4Book (orders, perpetuals, a node of one's own)",
        gaps="images: none to lose; l4Book: changes that don't fit, a loss that fits isn't noticed",
        checked="signature vectors of the official SDK's tests; frames of the documentation",
        unchecked="l4Book against a running node; every answer against the venue itself",
        not_applicable={
            "checksum_mismatch": "WsBook: coin, levels, time; no checksum among them",
            "gap_resync": "l2Book is a snapshot feed: every WsBook is whole, and none has a number",
            "clock_skew": "Nonces must be within (T - 2 days, T + 1 day): no clock is compared closer",
        },
    ),
)
