"""Hyperliquid: its messages as the API documentation describes them, and what each becomes here.

Spot; perpetuals by images, or order by order from the ``order_book_server`` beside a node of one's
own. A field has our name in the code and the venue's in ``rename``; fields that we don't use are
not listed, the decoder skips them.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar, Literal, TypeVar

import msgpack
import msgspec
from msgspec import Raw, Struct

from exchanges.contract import (
    CONNECTIONS,
    FRAMES,
    SOCKETS,
    About,
    Answer,
    Auth,
    AuthDict,
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
    OrderEntry,
    Page,
    RateLimit,
    Ready,
    Request,
    UnknownKind,
    UnsignedRequest,
    UserEvent,
    UserFeed,
    signed_request,
)
from exchanges.errors import ErrorTable, message_rules, of_gateway
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
    TimeInForce,
    TradingRule,
)
from exchanges.rows import Rows, RowsDecoder
from exchanges.signing import eip712
from exchanges.values import NS_PER_MS, number_of, plain_text, unknown_status
from orderbook.messages import (
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
MAINNET = "api.hyperliquid.xyz"
TESTNET = "api.hyperliquid-testnet.xyz"
SPOT_ASSETS = 10_000
"""The asset id of the first spot pair."""
FILLS_AN_ANSWER = 500
"""Rows at which an answer with fills may be cut."""
USER_STREAMS = ("orderUpdates", "userFills")
BLOCK = 1_000_000
"""Changes that a node's block may have: its height times this, and a change's place in it, number
the change."""
MIN_NOTIONAL = Decimal(10)
PRICE_DIGITS = 5
UNPROCESSABLE = 422
"""HTTP status of a request that the venue can't read; it says why in plain text."""
PING = '{"method":"ping"}'
GREETING = b"Websocket connection"
PONG = b'{"channel":"pong"}'
DOMAIN = {"name": "Exchange", "version": "1", "chainId": 1337, "verifyingContract": f"0x{0:040x}"}
AGENT = {
    "Agent": [{"name": "source", "type": "string"}, {"name": "connectionId", "type": "bytes32"}]
}
STATES = {
    "open": OrderState.OPEN,
    "triggered": OrderState.OPEN,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELLED,
    "scheduledCancel": OrderState.CANCELLED,
    "rejected": OrderState.REJECTED,
    # An order that was reported as open may end so.
    "iocCancelRejected": OrderState.EXPIRED,
    "marketOrderNoLiquidityRejected": OrderState.EXPIRED,
}
BookSide = Literal["B", "A"]
LEVEL_NAMES = LevelNames(price="px", size="sz")
SIDES = {"B": Side.BUY, "A": Side.SELL}
ERRORS = ErrorTable(
    messages=(
        *message_rules(ErrorKind.NOT_FOUND, "never placed", "unknownOid"),
        *message_rules(ErrorKind.FUNDS, "insufficient"),
        # A wrong hash looks like an unknown account: another address is recovered from it.
        *message_rules(ErrorKind.AUTH, "does not exist", "must deposit"),
        *message_rules(ErrorKind.CLOCK, "invalid nonce"),
        *message_rules(ErrorKind.DUPLICATE, "duplicate"),
        *message_rules(ErrorKind.RATE, "too many"),
        *message_rules(
            ErrorKind.REFUSED,
            "divisible by tick",
            "minimum value",
            "immediately match",
            "invalid size",
            "zero size",
            "% away",
            "deserialize",
        ),
    )
)


def fault_of(text: str, status: int) -> Fault:
    """A refusal by a sentence. An account that traded too little may still cancel."""
    fault = ERRORS.fault("", text, status)
    if fault.kind is ErrorKind.RATE and "cumulative requests" in text:
        return replace(fault, limits=("orders",))
    return fault


def state_of(status: str) -> OrderState | None:
    """By the whole word, or by its end: "marginCanceled" and "tickRejected" say why too."""
    if status in STATES:
        return STATES[status]
    if status.endswith("Canceled"):
        return OrderState.CANCELLED
    if status.endswith("Rejected"):
        return OrderState.REJECTED
    return None


# Market data.


class ChannelFrame(Struct, gc=False):
    """A frame of any channel."""

    channel: str
    data: Raw = Raw(b"null")


class L2Book(Struct, gc=False):
    """Channel l2Book: the whole book, twenty levels a side."""

    coin: str
    time: int  # ms
    levels: tuple[Raw, Raw]

    def to_snapshot(self) -> BookSnapshot:
        bids, asks = self.levels
        return BookSnapshot(
            symbol=self.coin,
            bids=bytes(bids),
            asks=bytes(asks),
            update_id=self.time,
            time=self.time * NS_PER_MS,
            names=LEVEL_NAMES,
        )


class PublicTrade(Struct, gc=False, rename={"trade_id": "tid", "price": "px", "size": "sz"}):
    """A row of channel trades; ``side`` is the taker's."""

    coin: str
    side: BookSide
    price: str
    size: str
    time: int
    trade_id: int

    def to_trade(self) -> Trade:
        return Trade(
            symbol=self.coin,
            trade_id=str(self.trade_id),
            side=SIDES[self.side],
            price=number_of(self.price),
            size=number_of(self.size),
            time=self.time * NS_PER_MS,
        )


class BookOrder(Struct, gc=False, rename={"order_id": "oid", "price": "limitPx", "size": "sz"}):
    """An order of l4Book."""

    order_id: int
    side: BookSide
    price: str
    size: str

    def to_resting(self) -> RestingOrder:
        return RestingOrder(str(self.order_id), number_of(self.price), number_of(self.size))


class L4Snapshot(Struct):
    """Every order of a book. Blocks up to its height may still wait in the node's queue, and come
    after it."""

    coin: str
    time: int
    height: int
    levels: tuple[list[BookOrder], list[BookOrder]]

    def to_snapshot(self) -> OrdersSnapshot:
        bids, asks = self.levels
        return OrdersSnapshot(
            symbol=self.coin,
            bids=[order.to_resting() for order in bids],
            asks=[order.to_resting() for order in asks],
            update_id=(self.height + 1) * BLOCK - 1,
            time=self.time * NS_PER_MS,
        )


class NewSize(Struct, rename={"size": "sz"}):
    """What a new order has."""

    size: str


class ChangedSize(Struct, rename={"size": "newSz"}):
    """What is left of an order."""

    size: str


class RawBookDiff(Struct):
    """Of a change that is not "remove" one of these."""

    new: NewSize | None = None
    update: ChangedSize | None = None


class BookChange(Struct, rename={"order_id": "oid", "price": "px", "change": "raw_book_diff"}):
    """One change of one order."""

    coin: str
    order_id: int
    price: str
    change: RawBookDiff | Literal["remove"]

    def to_event(self, side_of: Mapping[int, str], number: int, time: int) -> OrderEvent:
        """``side_of``: of the orders that are new in this block; others are known by their id."""
        action = OrderAction.DONE
        side = ""
        price = 0.0
        size = 0.0
        if isinstance(self.change, RawBookDiff):
            if self.change.new is not None:
                action = OrderAction.OPEN
                side = SIDES[side_of[self.order_id]]
                price = number_of(self.price)
                size = number_of(self.change.new.size)
            elif self.change.update is not None:
                action = OrderAction.CHANGE
                size = number_of(self.change.update.size)
            else:
                raise ValueError(f"a change of no known form of order {self.order_id}")
        return OrderEvent(
            symbol=self.coin,
            action=action,
            order_id=str(self.order_id),
            side=side,
            price=price,
            size=size,
            update_id=number,
            time=time,
        )


class BookOrderStatus(Struct):
    """What became of an order in this block."""

    order: BookOrder


class L4Updates(Struct):
    """A block of changes."""

    time: int
    height: int
    order_statuses: list[BookOrderStatus]
    book_diffs: list[BookChange]

    def to_events(self) -> list[OrderEvent]:
        sides: dict[int, str] = {}
        for status in self.order_statuses:
            sides[status.order.order_id] = status.order.side
        first = self.height * BLOCK
        time = self.time * NS_PER_MS
        return [
            change.to_event(sides, number, time)
            for number, change in enumerate(self.book_diffs, first)
        ]


class L4Book(Struct, rename="pascal"):
    """Channel l4Book: a snapshot, or a block."""

    snapshot: L4Snapshot | None = None
    updates: L4Updates | None = None


class Token(Struct, rename={"decimals": "szDecimals"}):
    """A row of the tokens in spotMeta."""

    name: str
    index: int
    decimals: int


class SpotPair(Struct, rename={"is_delisted": "isDelisted"}):
    """A row of the universe in spotMeta; ``tokens``: base and quote by their indices."""

    name: str
    tokens: tuple[int, int]
    index: int
    is_delisted: bool = False


class SpotMeta(Struct):
    """info spotMeta."""

    tokens: Raw
    universe: Raw


class Perpetual(Struct, rename={"decimals": "szDecimals", "is_delisted": "isDelisted"}):
    """A row of the universe in meta; its place there is its asset id."""

    name: str
    decimals: int
    is_delisted: bool = False

    def to_rule(self) -> TradingRule:
        return rule_of(self.name, self.name, "USD", self.decimals, 6, not self.is_delisted)


class PerpMeta(Struct):
    """info meta."""

    universe: Raw


class SpotContext(
    Struct,
    rename={
        "mark_price": "markPx",
        "base_volume": "dayBaseVlm",
        "quote_volume": "dayNtlVlm",
    },
):
    """A spot pair's last day; rows name their coin, and stand in an order of their own."""

    coin: str
    mark_price: Decimal
    base_volume: Decimal
    quote_volume: Decimal

    def to_summary(self) -> MarketSummary:
        return MarketSummary(self.coin, self.mark_price, self.base_volume, self.quote_volume)


class PerpContext(Struct, rename={"mark_price": "markPx", "quote_volume": "dayNtlVlm"}):
    """A perpetual's last day; rows stand in the order of the universe."""

    mark_price: Decimal
    quote_volume: Decimal

    def to_summary(self, name: str) -> MarketSummary:
        volume = self.quote_volume / (self.mark_price or 1)
        return MarketSummary(name, self.mark_price, volume, self.quote_volume)


class ServerTime(Struct):
    """info exchangeStatus."""

    time: int


_frame = msgspec.json.Decoder(ChannelFrame)
_book = msgspec.json.Decoder(L2Book)
_public_trades = RowsDecoder(PublicTrade, "$.data")
_l4_book = msgspec.json.Decoder(L4Book)
_text = msgspec.json.Decoder(str)
_spot_meta = msgspec.json.Decoder(SpotMeta)
_tokens = RowsDecoder(Token, "$.tokens")
_spot_pairs = RowsDecoder(SpotPair, "$.universe")
_perp_meta = msgspec.json.Decoder(PerpMeta)
_perpetuals = RowsDecoder(Perpetual, "$.universe")
_spot_markets = msgspec.json.Decoder(tuple[SpotMeta, Raw])
_spot_contexts = RowsDecoder(SpotContext, "$[1]")
_perp_markets = msgspec.json.Decoder(tuple[PerpMeta, Raw])
_perp_contexts = RowsDecoder(PerpContext, "$[1]")
_server_time = msgspec.json.Decoder(ServerTime)


def rule_of(
    symbol: str, base: str, quote: str, size_places: int, places: int, active: bool
) -> TradingRule:
    """Prices have ``places`` digits behind the point, less those that sizes have, and five that
    count."""
    return TradingRule(
        trading_pair=f"{base}-{quote}".upper(),
        symbol=symbol,
        base=base,
        quote=quote,
        price_tick=Decimal(1).scaleb(size_places - places),
        size_step=Decimal(1).scaleb(-size_places),
        min_notional=MIN_NOTIONAL,
        significant_digits=PRICE_DIGITS,
        active=active,
    )


def capitals_last(rules: Rows[TradingRule]) -> Rows[TradingRule]:
    """Of two pairs that differ by capitals alone, the one that is written in capitals has their
    name."""
    return Rows(sorted(rules, key=lambda rule: rule.base.isupper()), rules.bad)


def read_spot_rules(answer: Answer) -> Rows[TradingRule]:
    """A pair whose tokens aren't listed is a row that can't be read; the others count."""
    meta = _spot_meta.decode(answer.body)
    tokens = _tokens.decode(meta.tokens, lambda token: token)
    token_of = {token.index: token for token in tokens}

    def to_rule(pair: SpotPair) -> TradingRule:
        for index in pair.tokens:
            if index not in token_of:
                raise ValueError(f"token {index} of {pair.name} is not listed")
        base, quote = (token_of[index] for index in pair.tokens)
        active = not pair.is_delisted
        return rule_of(pair.name, base.name, quote.name, base.decimals, 8, active)

    rules = _spot_pairs.decode(meta.universe, to_rule)
    return capitals_last(Rows(rules, (*tokens.bad, *rules.bad)))


def read_perp_rules(answer: Answer) -> Rows[TradingRule]:
    meta = _perp_meta.decode(answer.body)
    return capitals_last(_perpetuals.decode(meta.universe, Perpetual.to_rule))


def read_spot_markets(answer: Answer) -> Rows[MarketSummary]:
    _, contexts = _spot_markets.decode(answer.body)
    return _spot_contexts.decode(contexts, SpotContext.to_summary)


def read_perp_markets(answer: Answer) -> Rows[MarketSummary]:
    meta, contexts = _perp_markets.decode(answer.body)
    names = list(read_perp_names(meta))

    def to_summary(place: int, context: PerpContext) -> MarketSummary:
        return context.to_summary(names[place])

    return _perp_contexts.decode_numbered(contexts, to_summary)


def read_perp_names(meta: PerpMeta) -> list[str]:
    """By their places, which are their asset ids: no row may be left out. Raises ValueError."""
    names = _perpetuals.decode(meta.universe, lambda perpetual: perpetual.name)
    if names.bad:
        raise ValueError(str(names.bad[0]))
    return names


class HyperliquidBook(BookFeed):
    """Every message is the whole book, twenty levels a side, numbered by its time."""

    streams = ("/ws",)
    snapshot_levels = 20
    full_snapshots_only = True
    gap_check = "images"
    image_interval = 5.0
    proof_of_life = (
        "trades; the best levels of a silent book by REST, where they differ between two requests; "
        "answers to our pings"
    )
    channels: tuple[str, ...] = ("l2Book", "trades")
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """What the subscriptions of a channel say besides."""

    def markets(self) -> Call[list[MarketSummary]]:
        return info("spotMetaAndAssetCtxs", read_spot_markets)

    def trading_rules(self) -> Call[list[TradingRule]]:
        return info("spotMeta", read_spot_rules)

    def look(self, symbol: str) -> Call[BookLook]:
        def read(answer: Answer) -> BookLook:
            bids, asks = _book.decode(answer.body).levels
            return look_of(bytes(bids), bytes(asks), LEVEL_NAMES)

        body = {"type": "l2Book", "coin": symbol}
        return Call(Request("POST", "/info", body=body, cost={"weight": 2}), read)

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[Frame]:
        method = "subscribe" if on else "unsubscribe"
        channels = self.channels if on else self.channels[::-1]
        for coin in symbols:
            for channel in channels:
                subscription = {"type": channel, "coin": coin, **self.options.get(channel, {})}
                yield {"method": method, "subscription": subscription}

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | Control]:
        message = _frame.decode(frame)
        match message.channel:
            case "l2Book":
                return (_book.decode(message.data).to_snapshot(),)
            case "trades":
                return _public_trades.decode_apart(message.data, PublicTrade.to_trade)
            case "l4Book":
                return self._orders(message.data)
            case "error":
                reason = _text.decode(message.data)
                # A node refuses our pings, and needs none.
                return () if PING in reason else (ERRORS.fault("", reason),)
            case "subscriptionResponse" | "pong":
                return ()
            case other:
                return (UnknownKind(other),)

    def _orders(self, data: Raw) -> Iterable[OrderBookMessage]:
        book = _l4_book.decode(data)
        if book.snapshot is not None:
            return (book.snapshot.to_snapshot(),)
        if book.updates is not None:
            return book.updates.to_events()
        raise ValueError("l4Book: neither Snapshot nor Updates")


class HyperliquidFast(HyperliquidBook):
    """Five levels a side, every half second."""

    snapshot_levels = 5
    image_interval = 0.5
    options: ClassVar[Mapping[str, Mapping[str, Any]]] = {"l2Book": {"fast": True}}


class HyperliquidPerps(HyperliquidBook):
    """The same of perpetuals."""

    def markets(self) -> Call[list[MarketSummary]]:
        return info("metaAndAssetCtxs", read_perp_markets)

    def trading_rules(self) -> Call[list[TradingRule]]:
        return info("meta", read_perp_rules)


class HyperliquidL4(HyperliquidPerps):
    """Perpetuals order by order, from the order_book_server beside a node of one's own.

    It leaves out blocks that change nothing, so that heights don't show a loss: changes that don't
    fit do, and its own images of the book.
    """

    snapshot_levels = 0
    full_snapshots_only = False
    image_interval = 0.0
    proof_of_life = (
        "trades; the node's own images of the book, which the orders must make; the best levels of "
        "a silent book by REST, where they differ between two requests"
    )
    verify_depth = 20
    channels = ("l4Book", "trades", "l2Book")
    """No image while there are no orders: l2Book ends first and begins last."""


# The account.


class OrderRow(
    Struct,
    rename={
        "order_id": "oid",
        "remaining": "sz",
        "amount": "origSz",
        "price": "limitPx",
        "client_order_id": "cloid",
        "created": "timestamp",
    },
):
    """An order, as every message repeats it. ``client_order_id`` is null for orders placed without
    one."""

    coin: str
    side: BookSide
    price: Decimal
    remaining: Decimal
    order_id: int
    created: int
    amount: Decimal
    client_order_id: str | None = None

    def to_update(self, status: str, time: int) -> OrderUpdate:
        """What takes at once ends as filled, whole or not. ``time`` in ms."""
        state = state_of(status)
        if state is OrderState.FILLED and self.remaining:
            state = OrderState.CANCELLED
        reason = status if status.endswith(("Canceled", "Rejected")) else ""
        return OrderUpdate(
            symbol=self.coin,
            state=state,
            client_order_id=self.client_order_id or "",
            exchange_order_id=str(self.order_id),
            filled=self.amount - self.remaining,
            quote_filled=ZERO,
            time=time * NS_PER_MS,
            reason=unknown_status(status) if state is None else reason,
            side=SIDES[self.side],
            amount=self.amount,
            price=self.price or None,
            type=OrderType.LIMIT,
        )

    def to_open(self) -> OrderUpdate:
        """Of a list of open orders."""
        return self.to_update("open", self.created)


class OrderStatus(Struct, rename={"time": "statusTimestamp"}):
    """A row of channel orderUpdates, and what info orderStatus answers."""

    order: OrderRow
    status: str
    time: int

    def to_update(self) -> OrderUpdate:
        return self.order.to_update(self.status, self.time)


class OrderStatusAnswer(Struct):
    """info orderStatus."""

    order: OrderStatus


class FillRow(
    Struct,
    rename={
        "trade_id": "tid",
        "order_id": "oid",
        "price": "px",
        "amount": "sz",
        "fee_asset": "feeToken",
        "is_taker": "crossed",
        "client_order_id": "cloid",
    },
):
    """A trade of ours. A negative fee is a rebate."""

    coin: str
    price: Decimal
    amount: Decimal
    side: BookSide
    time: int
    order_id: int
    is_taker: bool
    fee: Decimal
    fee_asset: str
    trade_id: int
    client_order_id: str | None = None

    def to_fill(self) -> Fill:
        return Fill(
            symbol=self.coin,
            trade_id=str(self.trade_id),
            exchange_order_id=str(self.order_id),
            client_order_id=self.client_order_id or "",
            side=SIDES[self.side],
            price=self.price,
            amount=self.amount,
            fee=self.fee,
            fee_asset=self.fee_asset,
            is_maker=not self.is_taker,
            time=self.time * NS_PER_MS,
        )


class UserFills(Struct, rename={"is_snapshot": "isSnapshot"}):
    """Channel userFills."""

    fills: Raw
    is_snapshot: bool = False


class Subscription(Struct):
    """What was subscribed."""

    type: str


class SubscriptionResponse(Struct):
    """Channel subscriptionResponse."""

    subscription: Subscription


class BalanceRow(Struct):
    """A row of info spotClearinghouseState."""

    coin: str
    total: Decimal
    hold: Decimal

    def to_balance(self) -> Balance:
        return Balance(self.coin, self.total, self.total - self.hold)


class SpotState(Struct):
    """info spotClearinghouseState."""

    balances: Raw


class SpotFees(Struct, rename={"maker": "userSpotAddRate", "taker": "userSpotCrossRate"}):
    """info userFees, rates of spot pairs as fractions."""

    maker: Decimal
    taker: Decimal

    def to_fee(self) -> Fee:
        return Fee(self.maker, self.taker)


class PerpFees(Struct, rename={"maker": "userAddRate", "taker": "userCrossRate"}):
    """info userFees, rates of perpetuals as fractions."""

    maker: Decimal
    taker: Decimal

    def to_fee(self) -> Fee:
        return Fee(self.maker, self.taker)


class PlacedOrder(Struct, rename={"order_id": "oid"}):
    """The venue's id of an order that it took."""

    order_id: int


class ActionStatus(Struct):
    """What became of one row of an action: of an order that it rests or was filled, or why it was
    refused."""

    resting: PlacedOrder | None = None
    filled: PlacedOrder | None = None
    error: str | None = None


class ActionData(Struct):
    """Of an action about orders: a status each. Some are words, like "success"."""

    statuses: list[ActionStatus | str] = []


class ActionResponse(Struct):
    """Some actions answer without data."""

    data: ActionData = msgspec.field(default_factory=ActionData)


class ActionAnswer(Struct):
    """POST /exchange, when it says "ok"."""

    response: ActionResponse


class AnyAnswer(Struct):
    """What of an answer may say that it refuses."""

    status: str | None = None
    response: ActionResponse | str | None = None
    role: str | None = None


_statuses = RowsDecoder(OrderStatus, "$.data")
_order_status = msgspec.json.Decoder(OrderStatusAnswer)
_open_orders = RowsDecoder(OrderRow)
_user_fills = msgspec.json.Decoder(UserFills)
_frame_fills = RowsDecoder(FillRow, "$.data.fills")
_fills = RowsDecoder(FillRow)
_subscription_response = msgspec.json.Decoder(SubscriptionResponse)
_spot_state = msgspec.json.Decoder(SpotState)
_balances = RowsDecoder(BalanceRow, "$.balances")
_spot_fees = msgspec.json.Decoder(SpotFees)
_perp_fees = msgspec.json.Decoder(PerpFees)
_action_answer = msgspec.json.Decoder(ActionAnswer)
_any_answer = msgspec.json.Decoder(AnyAnswer)


class HyperliquidAuth(Auth):
    """``api_key``: the account's own address; ``api_secret``: the private key of it, or of an agent
    it approved."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        super().__init__(keys)
        self._nonce = -1
        self._signature = eip712(self._secrets[0], DOMAIN, AGENT, "connectionId")

    def sign(self, request: UnsignedRequest, now: float) -> AuthDict:
        """A question only names the account; an action is signed, with a nonce that never comes
        again."""
        if request.path == "/info":
            question = {**(request.body or {}), "user": self.api_key}
            return request.signed({}, data=msgspec.json.encode(question).decode())
        self._nonce = max(self._nonce + 1, int(now * 1000))
        no_vault = b"\0"
        packed = msgpack.packb(request.body) + self._nonce.to_bytes(8, "big") + no_vault
        # What is signed for any other host is worth nothing on the main network.
        source = "a" if request.host == MAINNET else "b"
        action = {
            "action": request.body,
            "nonce": self._nonce,
            "signature": self._signature({"source": source}, packed),
            "vaultAddress": None,
        }
        return request.signed({}, data=msgspec.json.encode(action).decode())


class HyperliquidUser(UserFeed):
    """Orders and fills of the account's address; no login."""

    path = "/ws"

    def login(self, now: float) -> Iterable[Frame]:
        self._unconfirmed = set(USER_STREAMS)
        return [
            {"method": "subscribe", "subscription": {"type": stream, "user": self.auth.api_key}}
            for stream in USER_STREAMS
        ]

    def parse(self, frame: bytes) -> Iterable[UserEvent | Control]:
        message = _frame.decode(frame)
        match message.channel:
            case "orderUpdates":
                return _statuses.decode_frame(message.data, self._update)
            case "userFills":
                fills = _user_fills.decode(message.data)
                if fills.is_snapshot:
                    return ()  # old fills: those that matter are queried whenever the stream begins
                return _frame_fills.decode_frame(fills.fills, self._fill)
            case "subscriptionResponse":
                stream = _subscription_response.decode(message.data).subscription.type
                self._unconfirmed.discard(stream)
                return () if self._unconfirmed else (Ready(),)
            case "error":
                return (ERRORS.fault("", _text.decode(message.data)),)
            case "pong":
                return ()
            case other:
                raise ValueError(f"a frame of no known form: channel {other[:120]}")

    def _update(self, status: OrderStatus) -> OrderUpdate | None:
        """None for other markets: the account may trade perpetuals beside spot."""
        return status.to_update() if status.order.coin in self.rules else None

    def _fill(self, row: FillRow) -> Fill | None:
        return row.to_fill() if row.coin in self.rules else None


def read_nothing(answer: Answer) -> None:
    """The stream reports the outcome."""


def read_balances(answer: Answer) -> Rows[Balance]:
    return _balances.decode(_spot_state.decode(answer.body).balances, BalanceRow.to_balance)


def read_spot_fee(answer: Answer) -> Fee:
    return _spot_fees.decode(answer.body).to_fee()


def read_perp_fee(answer: Answer) -> Fee:
    return _perp_fees.decode(answer.body).to_fee()


def read_order_status(answer: Answer) -> OrderUpdate:
    return _order_status.decode(answer.body).order.to_update()


class HyperliquidOrders(OrderEntry):
    def handshake(self) -> Generator[Call[Any], Any, None]:
        """Whether the address is an account's own, and the numbers by which actions name what is
        traded."""
        yield account_info("userRole", read_nothing, 60)
        perpetuals = yield info("meta", read_perp_assets)
        spot = yield info("spotMeta", read_spot_assets)
        self._assets: dict[str, int] = {**perpetuals, **spot}

    def place(self, order: InFlightOrder) -> Call[OrderUpdate]:
        terms = {
            "a": self._assets[order.symbol],
            "b": order.side is Side.BUY,
            # A zero at the end would change the hash.
            "p": plain_text(order.price or ZERO),
            "s": plain_text(order.amount),
            "r": False,
            "t": {"limit": {"tif": self._time_in_force(order)}},
            "c": order.client_order_id,
        }

        def read(answer: Answer) -> OrderUpdate:
            (status,) = _action_answer.decode(answer.body).response.data.statuses
            placed = status.resting or status.filled if isinstance(status, ActionStatus) else None
            if placed is None:
                raise ValueError(
                    f"$.response.data.statuses[0]: neither resting nor filled: {status}"
                )
            return OrderUpdate(
                symbol=order.symbol,
                state=OrderState.OPEN,
                client_order_id=order.client_order_id,
                exchange_order_id=str(placed.order_id),
            )

        return action({"type": "order", "orders": [terms], "grouping": "na"}, read, urgent=False)

    def _time_in_force(self, order: InFlightOrder) -> str:
        if order.post_only:
            return "Alo"
        if order.type is OrderType.MARKET or order.tif is TimeInForce.IOC:
            return "Ioc"
        return "Gtc"

    def cancel(self, order: InFlightOrder) -> Call[OrderUpdate | None]:
        asset = self._assets[order.symbol]
        if order.external:
            cancels: list[dict[str, Any]] = [{"a": asset, "o": int(order.name)}]
            return action({"type": "cancel", "cancels": cancels}, read_nothing)
        cancels = [{"asset": asset, "cloid": order.name}]
        return action({"type": "cancelByCloid", "cancels": cancels}, read_nothing)

    def status(self, order: InFlightOrder) -> Call[OrderUpdate]:
        order_id = int(order.name) if order.external else order.name
        return account_info("orderStatus", read_order_status, 2, oid=order_id)

    def open_orders(self, trading_pair: str | None = None) -> Call[list[OrderUpdate]]:
        pairs = [trading_pair] if trading_pair else list(self.rules)
        symbols = {self.rules[pair].symbol for pair in pairs}

        def to_update(row: OrderRow) -> OrderUpdate | None:
            return row.to_open() if row.coin in symbols else None

        return account_info(
            "frontendOpenOrders", lambda answer: _open_orders.decode(answer.body, to_update)
        )

    def fills(self, trading_pair: str, after: FillCursor) -> Call[Page[Fill]]:
        """Of all coins, oldest first: a part begins at the time of the last row before it."""
        since = int(after.page or after.time // NS_PER_MS)
        symbol = self.rules[trading_pair].symbol

        def read(answer: Answer) -> Page[Fill]:
            rows = _fills.decode(answer.body, lambda row: row)
            ours = Rows((row.to_fill() for row in rows if row.coin == symbol), rows.bad)
            if len(rows) + len(rows.bad) < FILLS_AN_ANSWER:
                return Page(ours)
            last = rows[-1].time if rows else since
            return Page(ours, str(max(since + 1, last)))

        return account_info("userFillsByTime", read, startTime=since)

    def balances(self) -> Call[list[Balance]]:
        return account_info("spotClearinghouseState", read_balances, 2)

    def fees(self, trading_pair: str) -> Call[Fee]:
        is_spot = self._assets[self.rules[trading_pair].symbol] >= SPOT_ASSETS
        return account_info("userFees", read_spot_fee if is_spot else read_perp_fee)


def read_perp_assets(answer: Answer) -> dict[str, int]:
    names = read_perp_names(_perp_meta.decode(answer.body))
    return {name: place for place, name in enumerate(names)}


def read_spot_assets(answer: Answer) -> dict[str, int]:
    pairs = _spot_pairs.decode(_spot_meta.decode(answer.body).universe, lambda row: row)
    return {pair.name: SPOT_ASSETS + pair.index for pair in pairs}


def info(kind: str, read: Callable[[Answer], T]) -> Call[T]:
    """A public question."""
    return Call(Request("POST", "/info", body={"type": kind}, cost={"weight": 20}), read)


def account_info(kind: str, read: Callable[[Answer], T], weight: int = 20, **more: Any) -> Call[T]:
    """A question about our account, whose address the signer adds."""
    body = {"type": kind, **more}
    cost = {"weight": weight}
    return signed_request("POST", "/info", read, body=body, cost=cost, is_mutating=False)


def action(body: Mapping[str, Any], read: Callable[[Answer], T], urgent: bool = True) -> Call[T]:
    """Something to be done; the order of its fields is part of what is signed."""
    cost = {"weight": 1} if urgent else {"weight": 1, "orders": 1}
    return signed_request("POST", "/exchange", read, body=body, cost=cost, urgent=urgent)


def read_error(answer: Answer) -> Fault | None:
    """Refusals are sentences, most of them in answers of HTTP 200."""
    try:
        found = _any_answer.decode(answer.body)
    except msgspec.DecodeError:
        if answer.status == UNPROCESSABLE:
            return ERRORS.fault("", answer.body.decode(errors="replace"), answer.status)
        # Lists, and objects whose words mean something else, are no refusals.
        return None if answer.status < 400 else of_gateway(answer)
    if found.status == "err" and isinstance(found.response, str):
        return fault_of(found.response, answer.status)
    if found.status == "unknownOid":
        return ERRORS.fault("", found.status, answer.status)
    if found.role is not None and found.role != "user":
        message = f"api_key is no account's own address: {found.role}"
        return Fault(ErrorKind.AUTH, found.role, message)
    if isinstance(found.response, ActionResponse):
        for status in found.response.data.statuses[:1]:
            if isinstance(status, ActionStatus) and status.error is not None:
                return fault_of(status.error, answer.status)
    return None if answer.status < 400 else of_gateway(answer)


HYPERLIQUID = Exchange(
    name="hyperliquid",
    hosts=Endpoints(
        rest=f"https://{MAINNET}", public=f"wss://{MAINNET}", private=f"wss://{MAINNET}"
    ),
    testnet=Endpoints(
        rest=f"https://{TESTNET}", public=f"wss://{TESTNET}", private=f"wss://{TESTNET}"
    ),
    limits=(
        RateLimit("weight", 1200, 60.0),
        RateLimit("orders", 0, 10.0, counted_by="account"),  # as many as were traded for
        RateLimit(CONNECTIONS, 30, 60.0),
        RateLimit(SOCKETS, 10, 0.0),
        RateLimit(FRAMES, 2000, 60.0),
    ),
    auth=HyperliquidAuth,
    book=HyperliquidBook,
    feeds={"fast": HyperliquidFast, "perps": HyperliquidPerps, "l4Book": HyperliquidL4},
    user=HyperliquidUser,
    orders=HyperliquidOrders,
    error=read_error,
    client_id=lambda number: f"0x{number:032x}",
    server_time=info("exchangeStatus", lambda answer: _server_time.decode(answer.body).time / 1000),
    decode=lambda frame: PONG if frame.startswith(GREETING) else frame,
    ping=PING,
    has=frozenset({"post_only", "ioc", "market"}),
    streams_balances=False,
    slippage=Decimal("0.05"),
    about=About(
        title="Hyperliquid spot; perpetuals by the feeds perps and l4Book",
        books=(
            "images of twenty levels, every 5 s; by setting: fast (images of five levels, every "
            "0.5 s), l4Book (orders, from a node of one's own)"
        ),
        gaps=(
            "images: none to lose; l4Book: changes that don't fit, "
            "and the node's own images of the book"
        ),
        checked=(
            "ccxt and ccxt.pro, the official SDK, published signature vectors, "
            "frames of the documentation"
        ),
        unchecked="l4Book of a running node; balances and positions of perpetuals are not read",
        not_applicable={
            "checksum_mismatch": '"WsBook": coin, levels, time; no checksum among them'
        },
    ),
)
