"""Kraken spot: its messages as the documentation describes them, and what each becomes here.

Sources: the venue's public documentation of REST v0 and of websocket v2 with level3. Fields have
the venue's names; those that we don't use are not listed, the decoder skips them.
"""

import hashlib
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from exchanges.checksums import crc32_of_levels, crc32_of_orders
from exchanges.contract import (
    CONNECTIONS,
    FORM,
    About,
    Answer,
    Auth,
    AuthDict,
    Body,
    BookFeed,
    BookLook,
    Call,
    Control,
    Endpoints,
    ErrorKind,
    Exchange,
    Fault,
    FillCursor,
    Frame,
    Handshake,
    Moved,
    OrderEntry,
    Page,
    RateLimit,
    Ready,
    Reconnect,
    UnknownKind,
    UnsignedRequest,
    UserEvent,
    UserFeed,
    public_request,
    signed_request,
    subscription,
)
from exchanges.errors import ErrorTable, MessageRule, message_rules, of_gateway, refusal_in
from exchanges.looks import look_of
from exchanges.orders import (
    ZERO,
    Balance,
    Fee,
    Fill,
    InFlightOrder,
    MarketSummary,
    OrderState,
    OrderType,
    OrderUpdate,
    TradingRule,
    symbols_by_alias,
)
from exchanges.queues import one_change, order_event, resting_order
from exchanges.rows import Rows, RowsDecoder, only, with_faults
from exchanges.signing import encode_query, hmac_base64
from exchanges.values import NS_PER_SECOND, iso_ns, seconds_ns, unknown_status
from orderbook.messages import (
    BookDiff,
    BookSnapshot,
    LevelNames,
    OrderAction,
    OrderBookMessage,
    OrderEvent,
    OrdersSnapshot,
    RestingOrder,
    Side,
    Trade,
)

T = TypeVar("T")
CHECKED_LEVELS = 10
"""Levels a side that checksums are made of."""
FILLS_A_PAGE = 50
ORDERS_KEPT = 10_000
"""Orders whose fields are kept, those updated last."""
MODERN_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
"""REST's words for assets, and those of websocket v2."""
EARNING = ".F"
"""Ends the name of a holding that earns rewards and can be traded at once."""
STATES = {
    "pending": OrderState.OPEN,
    "pending_new": OrderState.OPEN,
    "new": OrderState.OPEN,
    "open": OrderState.OPEN,
    "partially_filled": OrderState.PARTIALLY_FILLED,
    "filled": OrderState.FILLED,
    "closed": OrderState.FILLED,
    "canceled": OrderState.CANCELLED,
    "expired": OrderState.EXPIRED,
}
OrderSide = Literal["buy", "sell"]
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
LEVEL_NAMES = LevelNames(price="price", size="qty")
MessageType = Literal["snapshot", "update"]
ORDER_ACTIONS = {
    "add": OrderAction.OPEN,
    "modify": OrderAction.CHANGE,
    "delete": OrderAction.DONE,
}
ERRORS = ErrorTable(
    messages=(
        MessageRule(ErrorKind.DUPLICATE, "duplicate", code="EOrder"),
        MessageRule(ErrorKind.FUNDS, "insufficient", code="EOrder"),
        MessageRule(ErrorKind.NOT_FOUND, "unknown order", code="EOrder"),
        *message_rules(ErrorKind.RATE, "rate limit exceeded", "exceeded msg rate"),
        *message_rules(ErrorKind.RATE, "too many requests", "temporary lockout", code="EGeneral"),
        MessageRule(ErrorKind.RATE, "throttled", code="EService"),
        MessageRule(ErrorKind.CLOCK, "invalid nonce", code="EAPI"),
        *message_rules(ErrorKind.AUTH, "invalid key", "invalid signature", code="EAPI"),
        MessageRule(ErrorKind.AUTH, "", code="EAuth"),
        MessageRule(ErrorKind.AUTH, "invalid permissions", code="EAccount"),
        MessageRule(ErrorKind.AUTH, "permission denied", code="EGeneral"),
        *message_rules(
            ErrorKind.REFUSED,
            "minimum not met",
            "invalid",
            "tick size",
            "post only",
            "margin",
            "orders limit",
            "positions limit",
            code="EOrder",
        ),
        MessageRule(ErrorKind.REFUSED, "invalid arguments", code="EGeneral"),
        MessageRule(ErrorKind.REFUSED, "asset", code="EQuery"),
        *message_rules(ErrorKind.REFUSED, "market in", "deadline elapsed", code="EService"),
        MessageRule(ErrorKind.REFUSED, "user locked", code="ETrade"),
    ),
    limits={"EOrder": ("orders",)},
    bans=frozenset({"EGeneral", "EService"}),
)
THROTTLED_UNTIL = re.compile(r"throttled: *(\d+)", re.IGNORECASE)
"""Unix seconds."""


def order_type(word: str) -> OrderType:
    return OrderType.MARKET if word == "market" else OrderType.LIMIT


def modern_name(asset: str) -> str:
    return MODERN_NAMES.get(asset, asset)


def fault_of(text: str, status: int = 200) -> Fault:
    """The fault of "code:message"; of a text without a code, that is the message."""
    code, colon, message = text.partition(":")
    if not colon:
        return ERRORS.fault("", text, status)
    fault = ERRORS.fault(code, message, status)
    end = THROTTLED_UNTIL.search(message)
    return replace(fault, retry_at=float(end[1])) if end else fault


# What every socket says.


class Heartbeat(Struct, tag_field="channel", tag="heartbeat"):
    """Once a second where nothing else is said."""


class Status(Struct, tag_field="channel", tag="status"):
    """The state of the venue, on connecting."""


class ChannelOfAnyKind(Struct):
    """A frame by the name of its channel alone."""

    channel: str = ""


class OtherFrame(Struct):
    """The answer to a request, or a frame of a channel that we don't know."""

    channel: str = ""
    method: str = ""
    success: bool | None = None
    error: str | None = None

    def to_controls(self, frame: bytes) -> Iterable[Control]:
        """Raises ValueError for a form that isn't known."""
        if self.error is not None:
            if self.error.startswith("ESession"):
                # The token is stale; opening fetches another.
                return (Reconnect(self.error),)
            return (fault_of(self.error),)
        if self.channel or self.success:
            return ()
        raise ValueError(f"a frame of no known form: {frame[:120]!r}")


_channel_of_any_kind = msgspec.json.Decoder(ChannelOfAnyKind)
_other_frame = msgspec.json.Decoder(OtherFrame)


# Books and trades.


class Levels(Struct, gc=False):
    """A row of channel ``book``: all levels, or those that changed."""

    symbol: str
    checksum: int
    bids: Raw = Raw(b"[]")
    asks: Raw = Raw(b"[]")
    timestamp: str = ""

    def to_snapshot(self) -> BookSnapshot:
        return BookSnapshot(
            symbol=self.symbol,
            bids=bytes(self.bids),
            asks=bytes(self.asks),
            time=iso_ns(self.timestamp),
            checksum=self.checksum,
            names=LEVEL_NAMES,
        )

    def to_diff(self) -> BookDiff:
        return BookDiff(
            symbol=self.symbol,
            bids=bytes(self.bids),
            asks=bytes(self.asks),
            time=iso_ns(self.timestamp),
            checksum=self.checksum,
            names=LEVEL_NAMES,
        )


class BookFrame(Struct, tag_field="channel", tag="book", gc=False):
    """Channel ``book``."""

    type: MessageType
    data: list[Levels]

    def to_messages(self) -> Iterable[OrderBookMessage]:
        if self.type == "snapshot":
            return [row.to_snapshot() for row in self.data]
        return [row.to_diff() for row in self.data]


class LevelThreeOrder(Struct, gc=False):
    """A resting order, its numbers as they were written."""

    order_id: str
    limit_price: Raw
    order_qty: Raw

    def to_order(self) -> RestingOrder:
        price = bytes(self.limit_price).decode()
        size = bytes(self.order_qty).decode()
        return resting_order(self.order_id, price, size)


class LevelThreeEvent(LevelThreeOrder, gc=False):
    """What happened to an order."""

    event: Literal["add", "modify", "delete"]

    def to_event(self, symbol: str, side: Side, time: int) -> OrderEvent:
        return order_event(symbol, side, ORDER_ACTIONS[self.event], self.to_order(), time)


class LevelThree(Struct, gc=False):
    """A row of channel ``level3``: all orders, or what happened to some."""

    symbol: str
    checksum: int
    bids: Raw = Raw(b"[]")
    asks: Raw = Raw(b"[]")
    timestamp: str = ""

    @property
    def our_checksum(self) -> int:
        """0 is none."""
        return self.checksum or -1

    def to_snapshot(self) -> OrdersSnapshot:
        return OrdersSnapshot(
            symbol=self.symbol,
            bids=[row.to_order() for row in _level_three_orders.decode(self.bids)],
            asks=[row.to_order() for row in _level_three_orders.decode(self.asks)],
            time=iso_ns(self.timestamp),
            checksum=self.our_checksum,
        )

    def to_events(self) -> list[OrderEvent]:
        time = iso_ns(self.timestamp)
        events: list[OrderEvent] = []
        for row in _level_three_events.decode(self.bids):
            events.append(row.to_event(self.symbol, Side.BUY, time))
        for row in _level_three_events.decode(self.asks):
            events.append(row.to_event(self.symbol, Side.SELL, time))
        return one_change(events, self.our_checksum)


class LevelThreeFrame(Struct, tag_field="channel", tag="level3", gc=False):
    """Channel ``level3``."""

    type: MessageType
    data: list[LevelThree]

    def to_messages(self) -> Iterable[OrderBookMessage]:
        if self.type == "snapshot":
            return [row.to_snapshot() for row in self.data]
        return [event for row in self.data for event in row.to_events()]


class PublicTrade(Struct, gc=False):
    """A row of channel ``trade``; ``side`` is the taker's."""

    symbol: str
    trade_id: int
    side: OrderSide
    price: float
    qty: float
    timestamp: str

    def to_trade(self) -> Trade:
        return Trade(
            symbol=self.symbol,
            trade_id=str(self.trade_id),
            side=SIDES[self.side],
            price=self.price,
            size=self.qty,
            time=iso_ns(self.timestamp),
        )


class TradeFrame(Struct, tag_field="channel", tag="trade", gc=False):
    """Channel ``trade``."""

    data: Raw

    def to_messages(self) -> Iterable[Trade | Fault]:
        return _trades.decode_apart(self.data, PublicTrade.to_trade)


class Quote(Struct):
    """A row of channel ``ticker``, which is told when the best prices change."""

    symbol: str


class TickerFrame(Struct, tag_field="channel", tag="ticker"):
    """Channel ``ticker``; its snapshot tells of no change."""

    type: MessageType
    data: list[Quote]

    def to_messages(self) -> Iterable[Moved]:
        return [Moved(row.symbol) for row in self.data if self.type == "update"]


PublicFrame = BookFrame | LevelThreeFrame | TradeFrame | TickerFrame | Heartbeat | Status
PUBLIC_CHANNELS = {"book", "level3", "trade"}
"""Channels whose frames must be readable."""


# Answers about markets.


class RestAnswer(Struct, Generic[T]):
    """What every request is answered with, beside its errors."""

    result: T


class LastTrade(Struct, array_like=True):
    """The price and the size of the last trade."""

    price: Decimal


class TodayAndDay(Struct, array_like=True):
    """A value of today, and of the last 24 hours."""

    today: Decimal
    day: Decimal


class Ticker(Struct, rename={"last_trade": "c", "volume": "v", "average_price": "p"}):
    """A row of Ticker, which names its rows by REST's symbols."""

    last_trade: LastTrade
    volume: TodayAndDay
    average_price: TodayAndDay

    def to_summary(self, symbol: str) -> MarketSummary:
        volume = self.volume.day
        quote_volume = volume * self.average_price.day
        return MarketSummary(symbol, self.last_trade.price, volume, quote_volume)


class AssetPair(Struct):
    """A row of AssetPairs, which names its rows by a code that balances and fills use.

    ``wsname`` is not given for pairs that no socket tells of.
    """

    altname: str
    base: str
    quote: str
    status: str
    pair_decimals: int
    lot_decimals: int
    tick_size: Decimal
    ordermin: Decimal
    costmin: Decimal = ZERO
    wsname: str = ""

    def to_rule(self, code: str) -> TradingRule:
        base, quote = (self.wsname or f"{self.base}/{self.quote}").split("/")
        base = modern_name(base)
        quote = modern_name(quote)
        return TradingRule(
            trading_pair=f"{base}-{quote}".upper(),
            symbol=f"{base}/{quote}",
            base=base,
            quote=quote,
            # Checksums are made of numbers with these digits behind the point, also where a tick
            # needs fewer.
            price_tick=Decimal(f"{self.tick_size:.{self.pair_decimals}f}"),
            size_step=Decimal(f"1e-{self.lot_decimals}"),
            min_size=self.ordermin,
            min_notional=self.costmin,
            active=self.status == "online",
            aliases=(self.altname, code),
        )


class Depth(Struct):
    """The one row of Depth, which is named by REST's symbol."""

    bids: Raw
    asks: Raw


class AssetRow(Struct):
    """A row of Assets, which names its rows by the codes of balances."""

    altname: str


class Token(Struct):
    """GetWebSocketsToken."""

    token: str


_public_frame: msgspec.json.Decoder[PublicFrame] = msgspec.json.Decoder(PublicFrame)
_level_three_orders = msgspec.json.Decoder(list[LevelThreeOrder])
_level_three_events = msgspec.json.Decoder(list[LevelThreeEvent])
_trades = RowsDecoder(PublicTrade, "$.data")
_answer = msgspec.json.Decoder(RestAnswer[Raw])
_tickers = RowsDecoder(Ticker, "$.result")
_asset_pairs = RowsDecoder(AssetPair, "$.result")
_depths = msgspec.json.Decoder(dict[str, Depth])
_assets = RowsDecoder(AssetRow, "$.result")
_token = msgspec.json.Decoder(RestAnswer[Token])


def query(
    name: str,
    read: Callable[[Answer], T],
    body: Body = None,
    *,
    counter: int = 1,
) -> Call[T]:
    """A question about the account, with what it takes of the counter; it changes nothing."""
    return signed_request(
        "POST",
        f"/0/private/{name}",
        read,
        body=body or {},
        cost={"counter": counter},
        is_mutating=False,
    )


def read_assets(answer: Answer) -> Rows[tuple[str, str]]:
    """Code and name of each asset."""

    def to_names(code: str, row: AssetRow) -> tuple[str, str]:
        return code, row.altname

    return _assets.decode_keyed(_answer.decode(answer.body).result, to_names)


TOKEN = query("GetWebSocketsToken", lambda answer: _token.decode(answer.body).result.token)
ASSETS = public_request("/0/public/Assets", read_assets, cost={"public": 1})


class KrakenAuth(Auth):
    """Nonces grow, in microseconds: a key serves one node."""

    _nonce = 0

    def sign(self, request: UnsignedRequest, now: float) -> AuthDict:
        self._nonce = max(self._nonce + 1, round(now * 1e6))
        form = encode_query({"nonce": str(self._nonce), **(request.body or {})})
        digest = hashlib.sha256(f"{self._nonce}{form}".encode()).digest()
        payload = request.path.encode() + digest
        signature = hmac_base64(b64decode(self._secrets[0]), payload, "sha512")
        headers = {"API-Key": self.api_key, "API-Sign": signature}
        return request.signed(headers, data=form, kind=FORM)


class KrakenBook(BookFeed):
    """``book``: 500 levels a side, with every message a checksum of the best ten.

    Nothing is numbered.
    """

    streams = ("/v2",)
    depth = 500
    gap_check = "checksum"
    checked_levels = CHECKED_LEVELS
    proof_of_life = (
        "trades and the ticker of the best prices; the best levels of a silent book by REST, where "
        "they differ between two requests; heartbeats of the connection, one a second"
    )
    channel: ClassVar[str] = "book"
    _token: Mapping[str, str] = {}

    def markets(self) -> Call[list[MarketSummary]]:
        symbols = symbols_by_alias(self.rules.values())

        def to_summary(name: str, row: Ticker) -> MarketSummary:
            return row.to_summary(symbols.get(name, name))

        def read(answer: Answer) -> Rows[MarketSummary]:
            return _tickers.decode_keyed(_answer.decode(answer.body).result, to_summary)

        return public_request("/0/public/Ticker", read, cost={"public": 1})

    def trading_rules(self) -> Call[list[TradingRule]]:
        def to_rule(code: str, row: AssetPair) -> TradingRule:
            return row.to_rule(code)

        def read(answer: Answer) -> Rows[TradingRule]:
            return _asset_pairs.decode_keyed(_answer.decode(answer.body).result, to_rule)

        return public_request("/0/public/AssetPairs", read, cost={"public": 1})

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[Frame]:
        yield from self.subscribe_books(symbols, on)
        yield subscription(on, channel="trade", symbol=symbols, snapshot=False)

    def subscribe_signs(self, symbols: list[str], on: bool = True) -> Iterable[Frame]:
        yield subscription(on, channel="ticker", symbol=symbols, event_trigger="bbo")

    def look(self, symbol: str) -> Call[BookLook] | None:
        if symbol not in self.rules:
            return None

        def read(answer: Answer) -> BookLook:
            (depth,) = _depths.decode(_answer.decode(answer.body).result).values()
            return look_of(depth.bids, depth.asks)

        params = {"pair": self.rules[symbol].aliases[0], "count": "5"}
        return public_request("/0/public/Depth", read, params, cost={"public": 1})

    def subscribe_books(self, symbols: list[str], on: bool = True) -> Iterable[Frame]:
        yield subscription(
            on, channel=self.channel, symbol=symbols, depth=self.depth, **self._token
        )

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | Control]:
        try:
            message = _public_frame.decode(frame)
        except msgspec.ValidationError:
            channel = _channel_of_any_kind.decode(frame).channel
            if channel in PUBLIC_CHANNELS:
                raise
            if channel:
                return (UnknownKind(channel),)
            return _other_frame.decode(frame).to_controls(frame)
        if isinstance(message, Heartbeat | Status):
            return ()
        return message.to_messages()

    def checksum(self, symbol: str, bids: Any, asks: Any) -> int:
        rule = self.rules.get(symbol)
        return crc32_of_levels(rule, asks[:CHECKED_LEVELS], bids[:CHECKED_LEVELS])


class KrakenOrderByOrder(KrakenBook):
    """``level3``: every order of 100 levels a side, for accounts only."""

    depth = 100
    host = "wss://ws-l3.kraken.com"
    proof_of_life = (
        "trades, where its host tells them; the best levels of a silent book by REST, where they "
        "differ between two requests; heartbeats of the connection, one a second"
    )
    subscribe_signs = BookFeed.subscribe_signs
    channel = "level3"

    def handshake(self) -> Handshake:
        token = yield TOKEN
        self._token = {"token": token}
        return self.stream

    def orders_checksum(self, symbol: str, bids: list[list[str]], asks: list[list[str]]) -> int:
        return crc32_of_orders(asks[:CHECKED_LEVELS], bids[:CHECKED_LEVELS])


# The account: executions by socket, and REST.


class TradeFee(Struct):
    """What was paid for a trade, in one asset."""

    asset: str
    qty: Decimal


class KnownOrder(Struct):
    """What is known of an order after an event: events leave out what they don't change."""

    symbol: str
    order_status: str
    timestamp: str
    side: OrderSide
    order_type: str
    cl_ord_id: str = ""
    order_qty: Decimal = ZERO
    limit_price: Decimal = ZERO
    cum_qty: Decimal = ZERO
    cum_cost: Decimal = ZERO


KNOWN_FIELDS = KnownOrder.__struct_fields__


class Execution(Struct):
    """A row of channel ``executions``. One of type ``trade`` has an id, an amount and a price."""

    order_id: str
    exec_type: str
    # Kept until the venue sends them again.
    symbol: str | UnsetType = UNSET
    order_status: str | UnsetType = UNSET
    timestamp: str | UnsetType = UNSET
    side: OrderSide | UnsetType = UNSET
    order_type: str | UnsetType = UNSET
    cl_ord_id: str | UnsetType = UNSET
    order_qty: Decimal | UnsetType = UNSET
    limit_price: Decimal | UnsetType = UNSET
    cum_qty: Decimal | UnsetType = UNSET
    cum_cost: Decimal | UnsetType = UNSET
    # Of this event alone.
    reason: str = ""
    exec_id: str | UnsetType = UNSET
    last_qty: Decimal | UnsetType = UNSET
    last_price: Decimal | UnsetType = UNSET
    liquidity_ind: str | UnsetType = UNSET
    fees: list[TradeFee] = []

    def order_after(self, before: KnownOrder | None) -> KnownOrder:
        """Raises ValueError where an unknown order comes without some of its fields."""
        present = [
            (name, value) for name in KNOWN_FIELDS if (value := getattr(self, name)) is not UNSET
        ]
        if before is None:
            try:
                return KnownOrder(**dict(present))
            except TypeError as error:
                raise ValueError(f"order {self.order_id} is not known: {error}") from None
        for name, value in present:
            setattr(before, name, value)
        return before

    def to_update(self, order: KnownOrder) -> OrderUpdate:
        state = STATES.get(order.order_status)
        return OrderUpdate(
            symbol=order.symbol,
            state=state,
            client_order_id=order.cl_ord_id,
            exchange_order_id=self.order_id,
            filled=order.cum_qty,
            quote_filled=order.cum_cost,
            time=iso_ns(order.timestamp),
            reason=unknown_status(order.order_status) if state is None else self.reason,
            side=SIDES[order.side],
            amount=order.order_qty,
            price=order.limit_price or None,
            type=order_type(order.order_type),
        )

    def to_fill(self, order: KnownOrder) -> Fill:
        """The trade that this event is about; one that names no fee has paid none."""
        if self.exec_id is UNSET or self.last_price is UNSET or self.last_qty is UNSET:
            raise ValueError(f"a trade of {self.order_id} without its id, price or amount")
        if self.liquidity_ind is UNSET:
            raise ValueError(f"trade {self.exec_id} without the role that we had")
        fee = self.fees[0] if self.fees else None
        return Fill(
            symbol=order.symbol,
            trade_id=self.exec_id,
            exchange_order_id=self.order_id,
            client_order_id=order.cl_ord_id,
            side=SIDES[order.side],
            price=self.last_price,
            amount=self.last_qty,
            fee=fee.qty if fee is not None else ZERO,
            fee_asset=fee.asset if fee is not None else "",
            is_maker=self.liquidity_ind == "m",
            time=iso_ns(order.timestamp),
        )


class ExecutionsFrame(Struct, tag_field="channel", tag="executions"):
    """Channel ``executions``."""

    sequence: int
    data: Raw


AccountFrame = ExecutionsFrame | Heartbeat | Status


class OrderDescription(Struct):
    """The terms of an order."""

    pair: str
    type: OrderSide
    ordertype: str
    price: Decimal


class OrderRow(Struct):
    """A row of OpenOrders, ClosedOrders or QueryOrders, which name their rows by order id."""

    status: str
    descr: OrderDescription
    vol: Decimal
    vol_exec: Decimal
    cost: Decimal
    opentm: Decimal
    closetm: Decimal | None = None
    cl_ord_id: str | None = None
    reason: str | None = None

    def to_update(self, order_id: str, symbol: str) -> OrderUpdate:
        state = STATES.get(self.status)
        reason = self.reason or ""
        return OrderUpdate(
            symbol=symbol,
            state=state,
            client_order_id=self.cl_ord_id or "",
            exchange_order_id=order_id,
            filled=self.vol_exec,
            quote_filled=self.cost,
            time=seconds_ns(self.closetm or self.opentm),
            reason=unknown_status(self.status) if state is None else reason,
            side=SIDES[self.descr.type],
            amount=self.vol,
            price=self.descr.price or None,
            type=order_type(self.descr.ordertype),
        )


class OpenOrders(Struct):
    """OpenOrders."""

    open: Raw


class ClosedOrders(Struct):
    """ClosedOrders."""

    closed: Raw


class Placed(Struct):
    """AddOrder."""

    txid: Annotated[list[str], Meta(min_length=1)]


class TradeRow(Struct):
    """A row of TradesHistory, which names its rows by the trades' ids."""

    ordertxid: str
    pair: str
    time: Decimal
    type: OrderSide
    price: Decimal
    vol: Decimal
    fee: Decimal
    maker: bool

    def to_fill(self, trade_id: str, symbol: str, fee_asset: str) -> Fill:
        return Fill(
            symbol=symbol,
            trade_id=trade_id,
            exchange_order_id=self.ordertxid,
            side=SIDES[self.type],
            price=self.price,
            amount=self.vol,
            fee=self.fee,
            fee_asset=fee_asset,
            is_maker=self.maker,
            time=seconds_ns(self.time),
        )


class TradesHistory(Struct):
    """TradesHistory."""

    trades: Raw


class BalanceRow(Struct):
    """A row of BalanceEx, which names its rows by the codes of assets."""

    balance: Decimal
    hold_trade: Decimal

    def to_balance(self, asset: str) -> Balance:
        return Balance(asset, self.balance, self.balance - self.hold_trade)


class PairFee(Struct):
    """A rate in percent."""

    fee: Decimal


class TradeVolume(Struct):
    """TradeVolume, for the fees of one pair."""

    fees: dict[str, PairFee]
    fees_maker: dict[str, PairFee]

    def to_fee(self) -> Fee:
        maker = [row.fee for row in self.fees_maker.values()]
        taker = [row.fee for row in self.fees.values()]
        return Fee(maker[0] / 100, taker[0] / 100)


class ErrorList(Struct):
    """What every answer begins with. Texts that begin with E refuse, others only warn."""

    error: list[str]

    def refusals(self) -> list[str]:
        return [text for text in self.error if text.startswith("E")]


_account_frame: msgspec.json.Decoder[AccountFrame] = msgspec.json.Decoder(AccountFrame)
_executions = RowsDecoder(Execution, "$.data")
_queried_orders = RowsDecoder(OrderRow, "$.result")
_open_answer = msgspec.json.Decoder(RestAnswer[OpenOrders])
_open_orders = RowsDecoder(OrderRow, "$.result.open")
_closed_answer = msgspec.json.Decoder(RestAnswer[ClosedOrders])
_closed_orders = RowsDecoder(OrderRow, "$.result.closed")
_placed = msgspec.json.Decoder(RestAnswer[Placed])
_history_answer = msgspec.json.Decoder(RestAnswer[TradesHistory])
_history = RowsDecoder(TradeRow, "$.result.trades")
_balances = RowsDecoder(BalanceRow, "$.result")
_codes = msgspec.json.Decoder(dict[str, Raw])
_trade_volume = msgspec.json.Decoder(RestAnswer[TradeVolume])


class KrakenUser(UserFeed):
    """``executions``: events leave out what they don't change, so each order's fields are kept."""

    path = "/v2"
    _token = ""

    def __init__(self, auth: Auth, rules: Mapping[str, TradingRule], host: str = "") -> None:
        super().__init__(auth, rules, host)
        self._sequence = 0
        self._orders: dict[str, KnownOrder] = {}

    def handshake(self) -> Handshake:
        self._token = yield TOKEN
        return self.path

    def login(self, now: float) -> Iterable[Frame]:
        yield subscription(
            True, channel="executions", snap_orders=True, snap_trades=False, token=self._token
        )

    def parse(self, frame: bytes) -> Iterable[UserEvent | Control]:
        try:
            message = _account_frame.decode(frame)
        except msgspec.ValidationError:
            other = _other_frame.decode(frame)
            if other.channel == "executions":
                raise
            if other.method == "subscribe" and other.success:
                return (Ready(),)
            return other.to_controls(frame)
        if isinstance(message, ExecutionsFrame):
            return self._executed(message)
        return ()

    def _executed(self, message: ExecutionsFrame) -> Iterable[UserEvent | Control]:
        number = message.sequence
        last = self._sequence
        self._sequence = max(number, last)
        if 0 < last < number - 1:
            yield Reconnect(f"executions {last + 1} to {number - 1} are missing")
        elif number > last:
            rows = _executions.decode(message.data, self._events)
            for found in with_faults(rows):
                if isinstance(found, Fault):
                    yield found
                else:
                    yield from found

    def _events(self, row: Execution) -> list[UserEvent]:
        order = row.order_after(self._orders.pop(row.order_id, None))
        self._orders[row.order_id] = order
        if len(self._orders) > ORDERS_KEPT:
            del self._orders[next(iter(self._orders))]
        if row.exec_type == "trade":
            return [row.to_update(order), row.to_fill(order)]
        return [row.to_update(order)]


def read_error(answer: Answer) -> Fault | None:
    """A refusal by a list of texts, of which the first that refuses is "code:message"."""
    refusal = refusal_in(answer, ErrorList)
    if refusal is None:
        return of_gateway(answer)
    refusals = refusal.refusals()
    if refusals:
        return fault_of(refusals[0], answer.status)
    if answer.status >= 400:
        return ERRORS.fault("", "", answer.status)
    return None


def read_fee(answer: Answer) -> Fee:
    return _trade_volume.decode(answer.body).result.to_fee()


class KrakenOrders(OrderEntry):
    id_params = ("pair", "cl_ord_id", "txid")
    _assets: Mapping[str, str] = {}
    _symbols: Mapping[str, str] = {}

    def handshake(self) -> Generator[Call[Any], Any, None]:
        assets = yield ASSETS
        self._assets = dict(assets)
        self._symbols = symbols_by_alias(self.rules.values())

    def place(self, order: InFlightOrder) -> Call[OrderUpdate]:
        body = self.pair(order.trading_pair)
        body["type"] = str(order.side)
        body["ordertype"] = str(order.type)
        body["volume"] = f"{order.amount:f}"
        body["cl_ord_id"] = order.client_order_id
        # TradesHistory tells fees in quote: that is where they are asked for.
        body["oflags"] = "post,fciq" if order.post_only else "fciq"
        if order.type is OrderType.LIMIT:
            body["price"] = f"{order.price:f}"
            body["timeinforce"] = str(order.tif)

        def read(answer: Answer) -> OrderUpdate:
            placed = _placed.decode(answer.body).result
            return OrderUpdate(
                symbol=order.symbol,
                state=OrderState.OPEN,
                client_order_id=order.client_order_id,
                exchange_order_id=placed.txid[0],
            )

        path = "/0/private/AddOrder"
        return signed_request("POST", path, read, body=body, cost={"orders": 1}, urgent=False)

    def cancel(self, order: InFlightOrder) -> Call[OrderUpdate | None]:
        body = self.id_param(order)
        return signed_request("POST", "/0/private/CancelOrder", lambda answer: None, body=body)

    def status(self, order: InFlightOrder) -> Call[OrderUpdate]:
        body = self.id_param(order)
        if order.exchange_order_id:
            return query("QueryOrders", self._read_queried, body)
        # By our own name: what isn't in the first list any more is in the second.
        closed = query("ClosedOrders", self._read_closed, body)
        return query("OpenOrders", lambda answer: only(self._read_open(answer)), body).or_else(
            closed
        )

    def _read_queried(self, answer: Answer) -> OrderUpdate:
        orders = _answer.decode(answer.body).result
        return only(_queried_orders.decode_keyed(orders, self._to_update))

    def _read_closed(self, answer: Answer) -> OrderUpdate:
        orders = _closed_answer.decode(answer.body).result.closed
        return only(_closed_orders.decode_keyed(orders, self._to_update))

    def _read_open(self, answer: Answer) -> Rows[OrderUpdate]:
        orders = _open_answer.decode(answer.body).result.open
        return _open_orders.decode_keyed(orders, self._to_update)

    def _to_update(self, order_id: str, row: OrderRow) -> OrderUpdate:
        name = row.descr.pair
        return row.to_update(order_id, self._symbols.get(name, name))

    def open_orders(self, trading_pair: str | None = None) -> Call[list[OrderUpdate]]:
        return query("OpenOrders", self._read_open)

    def fills(self, trading_pair: str, after: FillCursor) -> Call[Page[Fill]]:
        """Of all pairs, newest first, in pages counted from the newest.

        What happens meanwhile repeats some.
        """
        rule = self.rules[trading_pair]
        seen = int(after.page or 0)

        def to_fill(trade_id: str, row: TradeRow) -> tuple[str, Fill]:
            return row.pair, row.to_fill(trade_id, rule.symbol, rule.quote)

        def read(answer: Answer) -> Page[Fill]:
            trades = _history_answer.decode(answer.body).result.trades
            trades_found = _history.decode_keyed(trades, to_fill)
            fills = [fill for pair, fill in trades_found if pair in rule.aliases]
            rows = len(trades_found) + len(trades_found.bad)
            is_full = rows >= FILLS_A_PAGE
            return Page(Rows(fills, trades_found.bad), str(seen + rows) if is_full else "")

        body = {
            "start": after.trade_id or str(after.time // NS_PER_SECOND),
            "ofs": str(seen),
            # Consolidated trades have other ids and amounts than those that the stream tells.
            "consolidate_taker": "false",
        }
        return query("TradesHistory", read, body, counter=2)

    def balances(self) -> Call[list[Balance]]:
        """An asset is held under several codes; one with a part that is unreadable is left out."""

        def to_balance(code: str, row: BalanceRow) -> Balance:
            return row.to_balance(self._asset(code))

        def read(answer: Answer) -> Rows[Balance]:
            result = _answer.decode(answer.body).result
            parts = _balances.decode_keyed(result, to_balance)
            needed = Counter(map(self._asset, _codes.decode(result)))
            found = Counter(part.asset for part in parts)
            sums: dict[str, Balance] = {}
            for part in parts:
                if found[part.asset] == needed[part.asset]:
                    sums[part.asset] = with_part(sums.get(part.asset), part)
            return Rows(sums.values(), parts.bad)

        return query("BalanceEx", read)

    def _asset(self, code: str) -> str:
        """The asset that a code of balances stands for."""
        name = self._assets.get(code, code)
        return modern_name(name.removesuffix(EARNING))

    def fees(self, trading_pair: str) -> Call[Fee]:
        return query("TradeVolume", read_fee, self.pair(trading_pair))


def with_part(balance: Balance | None, part: Balance) -> Balance:
    """What is held of an asset in all."""
    if balance is None:
        return part
    return Balance(
        asset=part.asset,
        total=balance.total + part.total,
        available=balance.available + part.available,
    )


KRAKEN = Exchange(
    name="kraken",
    hosts=Endpoints(
        rest="https://api.kraken.com",
        public="wss://ws.kraken.com",
        private="wss://ws-auth.kraken.com",
    ),
    limits=(
        RateLimit("counter", 20, 40.0, counted_by="account"),  # of the middle tier
        RateLimit("public", 20, 20.0),
        RateLimit("orders", 0, 2.0, counted_by="account"),  # by pair and age of what is cancelled
        RateLimit(CONNECTIONS, 150, 600.0),
    ),
    auth=KrakenAuth,
    book=KrakenBook,
    feeds={"level3": KrakenOrderByOrder},
    user=KrakenUser,
    orders=KrakenOrders,
    error=read_error,
    stale_after=60.0,
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    streams_balances=False,
    balances_every=4.0,
    in_turn=True,
    about=About(
        title="Kraken spot",
        books="levels (500 a side), or orders by the feed level3 (100 levels a side, for accounts)",
        gaps="checksums",
        checksum="CRC32 of the best ten levels with every message; of level3 order by order",
        checked="published vectors of checksums and signatures; "
        "ccxt and ccxt.pro, python-kraken-sdk",
        unchecked="level3 beyond its published vector, and whether its host tells trades",
    ),
)
