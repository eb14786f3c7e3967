"""Coinbase Exchange (successor of Coinbase Pro): its messages as the documentation describes them.

Sources: the venue's public documentation of its REST API and of its websocket feed. Fields have the
venue's names; those that we don't use are not listed, the decoder skips them.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from exchanges.contract import (
    CONNECTIONS,
    FRAMES,
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
    GapCheck,
    Moved,
    OrderEntry,
    Page,
    RateLimit,
    Ready,
    Request,
    UnknownKind,
    UnsignedRequest,
    UserEvent,
    UserFeed,
    public_request,
    signed_request,
)
from exchanges.errors import ErrorTable, message_rules, of_gateway, refusal_in
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
)
from exchanges.rows import Rows, RowsDecoder, record_or_fault
from exchanges.signing import base64_key, hmac_base64, uuid_of
from exchanges.values import decimal_or_none, decimal_or_zero, iso_ns, number_of, unknown_status
from orderbook.messages import (
    BookDiff,
    BookSnapshot,
    Layout,
    OrderAction,
    OrderBookMessage,
    OrderEvent,
    OrdersSnapshot,
    RestingOrder,
    Side,
    Trade,
)

FEED = "wss://ws-feed.exchange.coinbase.com"
TEST_FEED = "wss://ws-feed-public.sandbox.exchange.coinbase.com"
STATES = {
    "received": OrderState.OPEN,
    "pending": OrderState.OPEN,
    "active": OrderState.OPEN,
    "open": OrderState.OPEN,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELLED,
    "rejected": OrderState.REJECTED,
}
"""Words of ``status``, and of ``done_reason`` where an order is done."""
OrderSide = Literal["buy", "sell"]
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
TAKER_SIDES = {"buy": Side.SELL, "sell": Side.BUY}
"""The side of a match is the maker's."""
ERRORS = ErrorTable(
    messages=(
        *message_rules(ErrorKind.FUNDS, "insufficient funds"),
        *message_rules(ErrorKind.CLOCK, "timestamp expired", "invalid timestamp"),
        *message_rules(
            ErrorKind.AUTH,
            "api key",
            "cb-access",
            "invalid signature",
            "passphrase",
            "authentication",
            "forbidden",
        ),
        *message_rules(ErrorKind.CLOCK, "timestamp"),
        *message_rules(ErrorKind.DUPLICATE, "duplicate"),
        *message_rules(
            ErrorKind.REFUSED,
            "too small",
            "too large",
            "too accurate",
            "too precise",
            "not allowed",
            "invalid",
            "is required",
            "product not found",
            "not available",
            "only",
        ),
        *message_rules(ErrorKind.NOT_FOUND, "already done", "not found", "notfound"),
    ),
)


def order_type(word: str) -> OrderType:
    return OrderType.MARKET if word == "market" else OrderType.LIMIT


def quote_of(product_id: str) -> str:
    """The asset of prices and fees."""
    return product_id.rpartition("-")[2]


# Refusals, of REST and of the feed.


class Refusal(Struct):
    """{"message": ...}."""

    message: str


class ErrorMessage(Struct, tag_field="type", tag="error"):
    """A request on the feed was refused. ``reason`` may be a refusal in JSON."""

    message: str
    reason: str = ""

    def to_fault(self) -> Fault:
        try:
            reason = _refusal.decode(self.reason).message
        except msgspec.DecodeError:
            reason = self.reason
        return ERRORS.fault("", f"{self.message}: {reason}")

    def to_messages(self) -> Iterable[Fault]:
        return (self.to_fault(),)


class MessageKind(Struct):
    """A message of any kind, by its name alone."""

    type: str


_refusal = msgspec.json.Decoder(Refusal)
_kind = msgspec.json.Decoder(MessageKind)


# The channels of books. Those of the channel ``full`` count in one sequence a product.


class SequencedMessage(Struct, gc=False):
    """What every message of the channel ``full`` has that counts."""

    product_id: str
    sequence: int
    time: str

    def event(
        self,
        action: OrderAction,
        order_id: str,
        side: str,
        price: float = 0.0,
        size: float = 0.0,
    ) -> OrderEvent:
        return OrderEvent(
            symbol=self.product_id,
            action=action,
            order_id=order_id,
            side=side,
            price=price,
            size=size,
            first_id=self.sequence,
            update_id=self.sequence,
            time=iso_ns(self.time),
        )


class ReceivedMessage(SequencedMessage, tag_field="type", tag="received", gc=False):
    """An order arrived; it doesn't rest yet, so that only its number counts."""

    order_id: str = ""
    side: str = ""

    def to_messages(self) -> Iterable[OrderBookMessage]:
        return (self.event(OrderAction.NOTHING, self.order_id, self.side),)


class OpenMessage(SequencedMessage, tag_field="type", tag="open", gc=False):
    """An order, or what is left of it, rests now."""

    order_id: str
    side: OrderSide
    price: str
    remaining_size: str

    def to_messages(self) -> Iterable[OrderBookMessage]:
        price = number_of(self.price)
        size = number_of(self.remaining_size)
        return (self.event(OrderAction.OPEN, self.order_id, self.side, price, size),)


class MatchMessage(SequencedMessage, tag_field="type", tag="match", gc=False):
    """A trade; ``side`` is that of the maker's order."""

    trade_id: int
    maker_order_id: str
    side: OrderSide
    price: str
    size: str

    def to_trade(self) -> Trade:
        return Trade(
            symbol=self.product_id,
            trade_id=str(self.trade_id),
            side=TAKER_SIDES[self.side],
            price=number_of(self.price),
            size=number_of(self.size),
            time=iso_ns(self.time),
        )

    def to_messages(self) -> Iterable[OrderBookMessage | Fault]:
        size = number_of(self.size)
        event = self.event(OrderAction.MATCH, self.maker_order_id, self.side, size=size)
        return (event, self.trade_or_fault())

    def trade_or_fault(self) -> Trade | Fault:
        return record_or_fault(self.to_trade, msgspec.json.encode(self))


class ChangeMessage(SequencedMessage, tag_field="type", tag="change", gc=False):
    """An order was changed by its owner, or to prevent a trade with oneself.

    One of funds has no new size.
    """

    order_id: str
    side: OrderSide
    new_size: str | None = None
    new_price: str | None = None

    def to_messages(self) -> Iterable[OrderBookMessage]:
        if not self.new_size:
            return (self.event(OrderAction.NOTHING, self.order_id, self.side),)
        price = number_of(self.new_price) if self.new_price else float("nan")
        size = number_of(self.new_size)
        return (self.event(OrderAction.CHANGE, self.order_id, self.side, price, size),)


class DoneMessage(SequencedMessage, tag_field="type", tag="done", gc=False):
    """An order is no more, whether or not it has rested."""

    order_id: str
    side: OrderSide

    def to_messages(self) -> Iterable[OrderBookMessage]:
        return (self.event(OrderAction.DONE, self.order_id, self.side),)


class OtherMessage(Struct):
    """A message of a kind that we don't need, like ``auction``: its number counts if it has one,
    whatever else it lacks."""

    type: str
    product_id: Any = None
    sequence: Any = None
    time: Any = None

    def to_messages(self) -> Iterable[OrderBookMessage | Control]:
        unknown = UnknownKind(self.type)
        if type(self.sequence) is not int or not isinstance(self.product_id, str):
            return (unknown,)
        event = OrderEvent(
            symbol=self.product_id,
            action=OrderAction.NOTHING,
            order_id="",
            first_id=self.sequence,
            update_id=self.sequence,
            time=self._time_ns(),
        )
        return (event, unknown)

    def _time_ns(self) -> int:
        """0 where it has none that can be read."""
        try:
            return iso_ns(self.time) if isinstance(self.time, str) else 0
        except ValueError:
            return 0


class LevelsMessage(Struct, tag_field="type", tag="snapshot", gc=False):
    """The whole book of channel ``level2``."""

    product_id: str
    bids: Raw
    asks: Raw

    def to_messages(self) -> Iterable[OrderBookMessage]:
        return (BookSnapshot(self.product_id, bytes(self.bids), bytes(self.asks)),)


class LevelChanges(Struct, tag_field="type", tag="l2update", gc=False):
    """Changed levels of channel ``level2``: rows of side, price and the new size."""

    product_id: str
    time: str
    changes: Raw

    def to_messages(self) -> Iterable[OrderBookMessage]:
        diff = BookDiff(
            symbol=self.product_id,
            bids=bytes(self.changes),
            asks=b"",
            time=iso_ns(self.time),
            layout=Layout.SIDED,
        )
        return (diff,)


class Uncounted(Struct):
    """A message that says nothing of a book, and whose number is another message's."""

    def to_messages(self) -> Iterable[OrderBookMessage | Control]:
        return ()


class Heartbeat(Uncounted, tag_field="type", tag="heartbeat"):
    """Once a second, with the number of the product's last message of the channel ``full``."""

    product_id: str
    sequence: int

    def to_messages(self) -> Iterable[OrderBookMessage | Control]:
        return (Moved(self.product_id, self.sequence),)


class TickerMessage(Uncounted, tag_field="type", tag="ticker"):
    """The best prices after a match."""


class LastMatch(Uncounted, tag_field="type", tag="last_match"):
    """The match before the subscription began."""


class Subscribed(Uncounted, tag_field="type", tag="subscriptions"):
    """The answer to a subscription."""


NotCounted = Heartbeat | TickerMessage | LastMatch | Subscribed
OrderMessage = (
    ReceivedMessage
    | OpenMessage
    | MatchMessage
    | ChangeMessage
    | DoneMessage
    | NotCounted
    | ErrorMessage
)
LevelMessage = LevelsMessage | LevelChanges | MatchMessage | NotCounted | ErrorMessage
ORDER_MESSAGES = {"open", "match", "change", "done", "received", "error"}
"""Kinds of the channel ``full`` that must be readable."""
LEVEL_MESSAGES = {"snapshot", "l2update", "match", "error"}
"""The same of the channels of levels."""


class BestLevels(Struct):
    """GET /products/{id}/book?level=1."""

    bids: Raw
    asks: Raw
    sequence: int


class LevelThreeRow(Struct, array_like=True, gc=False):
    """A resting order in the answer of level 3."""

    price: str
    size: str
    order_id: str

    def to_order(self) -> RestingOrder:
        return RestingOrder(self.order_id, number_of(self.price), number_of(self.size))


class LevelThreeBook(Struct):
    """GET /products/{id}/book?level=3."""

    bids: list[LevelThreeRow]
    asks: list[LevelThreeRow]
    sequence: int

    def to_snapshot(self, symbol: str) -> OrdersSnapshot:
        bids = [row.to_order() for row in self.bids]
        asks = [row.to_order() for row in self.asks]
        return OrdersSnapshot(symbol, bids, asks, self.sequence)


class DayStats(Struct):
    """Of a product without trades it is empty."""

    last: str | None = None
    volume: str | None = None


NO_STATS = DayStats()


class ProductStats(Struct):
    """A row of GET /products/stats, which names its rows by product."""

    stats_24hour: DayStats | None = None

    def to_summary(self, product_id: str) -> MarketSummary:
        stats = self.stats_24hour or NO_STATS
        last = decimal_or_zero(stats.last)
        volume = decimal_or_zero(stats.volume)
        return MarketSummary(product_id, last, volume, last * volume)


class Product(Struct):
    """A row of GET /products. The venue took ``base_max_size`` out in 2022."""

    id: str
    base_currency: str
    quote_currency: str
    quote_increment: Decimal
    base_increment: Decimal
    min_market_funds: Decimal
    status: str
    trading_disabled: bool
    base_max_size: str | None = None

    def to_rule(self) -> TradingRule:
        return TradingRule(
            trading_pair=f"{self.base_currency}-{self.quote_currency}".upper(),
            symbol=self.id,
            base=self.base_currency,
            quote=self.quote_currency,
            price_tick=self.quote_increment,
            size_step=self.base_increment,
            min_size=self.base_increment,
            max_size=decimal_or_none(self.base_max_size),
            min_notional=self.min_market_funds,
            active=self.status == "online" and not self.trading_disabled,
        )


class ServerTime(Struct):
    """GET /time."""

    epoch: float


_order_message: msgspec.json.Decoder[OrderMessage] = msgspec.json.Decoder(OrderMessage)
_level_message: msgspec.json.Decoder[LevelMessage] = msgspec.json.Decoder(LevelMessage)
_other_message = msgspec.json.Decoder(OtherMessage)
_best_levels = msgspec.json.Decoder(BestLevels)
_level_three = msgspec.json.Decoder(LevelThreeBook)
_stats = RowsDecoder(ProductStats)
_products = RowsDecoder(Product)
_server_time = msgspec.json.Decoder(ServerTime)


class CoinbaseAuth(Auth):
    """HMAC-SHA256 of time, method, target and body, in base64."""

    fields = ("api_key", "api_secret", "passphrase")

    def sign(self, request: UnsignedRequest, now: float) -> AuthDict:
        said = self.login(now, request.method + request.target + request.data)
        headers = {
            "CB-ACCESS-KEY": said["key"],
            "CB-ACCESS-SIGN": said["signature"],
            "CB-ACCESS-TIMESTAMP": said["timestamp"],
            "CB-ACCESS-PASSPHRASE": said["passphrase"],
        }
        return request.signed(headers)

    def login(self, now: float, payload: str = "GET/users/self/verify") -> dict[str, str]:
        """What a subscription has besides."""
        secret, passphrase = self._secrets
        timestamp = str(int(now))
        return {
            "key": self.api_key,
            "signature": hmac_base64(base64_key(secret), timestamp + payload),
            "timestamp": timestamp,
            "passphrase": passphrase,
        }


class CoinbaseBook(BookFeed):
    """Order by order: the ``full`` channel on top of a level 3 snapshot.

    Every message counts in one sequence.
    """

    gap_check: ClassVar[GapCheck] = "numbers"
    proof_of_life = (
        "the numbers of the product's heartbeats, one a second, and of the book by REST: the "
        "channel full must reach them"
    )
    channels: tuple[str, ...] = ("full", "heartbeat")

    def markets(self) -> Call[list[MarketSummary]]:
        def to_summary(product_id: str, row: ProductStats) -> MarketSummary:
            return row.to_summary(product_id)

        def read(answer: Answer) -> Rows[MarketSummary]:
            return _stats.decode_keyed(answer.body, to_summary)

        return public_request("/products/stats", read, cost={"public": 1})

    def trading_rules(self) -> Call[list[TradingRule]]:
        return public_request(
            "/products",
            lambda answer: _products.decode(answer.body, Product.to_rule),
            cost={"public": 1},
        )

    def snapshot(self, symbol: str) -> Call[BookSnapshot | OrdersSnapshot] | None:
        def read(answer: Answer) -> BookSnapshot | OrdersSnapshot:
            return _level_three.decode(answer.body).to_snapshot(symbol)

        path = f"/products/{symbol}/book"
        return public_request(path, read, {"level": "3"}, cost={"public": 1})

    def look(self, symbol: str) -> Call[BookLook]:
        def read(answer: Answer) -> BookLook:
            return self._look_of(_best_levels.decode(answer.body))

        path = f"/products/{symbol}/book"
        return public_request(path, read, {"level": "1"}, cost={"public": 1})

    def _look_of(self, best: BestLevels) -> BookLook:
        return BookLook(best.sequence, "")

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[Frame]:
        kind = "subscribe" if on else "unsubscribe"
        return [{"type": kind, "product_ids": symbols, "channels": self.channels}]

    def login(self, symbols: list[str], auth: Auth, now: float) -> Iterable[Frame]:
        frame: dict[str, Any] = {
            "type": "subscribe",
            "product_ids": symbols,
            "channels": self.channels,
        }
        return [frame | auth.login(now)]

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | Control]:
        try:
            message = _order_message.decode(frame)
        except msgspec.ValidationError:
            if _kind.decode(frame).type in ORDER_MESSAGES:
                raise
            return _other_message.decode(frame).to_messages()
        return message.to_messages()


class CoinbaseLevel2(CoinbaseBook):
    """Levels: a snapshot by stream, then every change.

    There is no sequence, so only a lost connection shows.
    """

    gap_check = "unchecked"
    proof_of_life = (
        "matches, and the numbers of the product's heartbeats, one a second; the best levels of a "
        "silent book by REST, where they differ between two requests"
    )
    channels = ("level2", "matches", "heartbeat")
    snapshot = BookFeed.snapshot

    def __init__(self, rules: Mapping[str, TradingRule], stream: str = "") -> None:
        super().__init__(rules, stream)
        self._beats: dict[str, int] = {}
        """The number of each product's last heartbeat."""

    def _look_of(self, best: BestLevels) -> BookLook:
        return look_of(best.bids, best.asks)

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | Control]:
        try:
            message = _level_message.decode(frame)
        except msgspec.ValidationError:
            kind = _kind.decode(frame).type
            if kind in LEVEL_MESSAGES:
                raise
            return (UnknownKind(kind),)
        if type(message) is MatchMessage:
            return (message.trade_or_fault(),)
        if type(message) is Heartbeat:
            return self._moved(message)
        return message.to_messages()

    def _moved(self, beat: Heartbeat) -> Iterable[Moved]:
        """Levels have no numbers: what counts is that another number was told before."""
        before = self._beats.get(beat.product_id, beat.sequence)
        self._beats[beat.product_id] = beat.sequence
        return (Moved(beat.product_id),) if beat.sequence > before else ()


# The account: the channel ``user`` and REST.


class UserReceived(Struct, tag_field="type", tag="received"):
    """An order of ours arrived: the one message with our own id."""

    product_id: str
    order_id: str
    time: str
    client_oid: str | None = None

    def to_update(self) -> OrderUpdate:
        return OrderUpdate(
            symbol=self.product_id,
            state=OrderState.OPEN,
            client_order_id=self.client_oid or "",
            exchange_order_id=self.order_id,
            time=iso_ns(self.time),
        )


class UserOpen(Struct, tag_field="type", tag="open"):
    """What is left of an order of ours rests now."""

    product_id: str
    order_id: str
    time: str
    remaining_size: Decimal

    def to_update(self, cut: Decimal) -> OrderUpdate:
        """``cut``: what the order lost without a trade."""
        return OrderUpdate(
            symbol=self.product_id,
            state=OrderState.OPEN,
            exchange_order_id=self.order_id,
            left=self.remaining_size + cut,
            time=iso_ns(self.time),
        )


class UserDone(Struct, tag_field="type", tag="done"):
    """An order of ours is no more. ``remaining_size``: not of market orders."""

    product_id: str
    order_id: str
    time: str
    reason: str
    remaining_size: str | None = None
    cancel_reason: str | None = None

    def to_update(self, cut: Decimal) -> OrderUpdate:
        """``cut``: what the order lost without a trade."""
        state = STATES.get(self.reason)
        reason = self.cancel_reason or ""
        return OrderUpdate(
            symbol=self.product_id,
            state=state,
            exchange_order_id=self.order_id,
            left=Decimal(self.remaining_size) + cut if self.remaining_size else None,
            time=iso_ns(self.time),
            reason=unknown_status(self.reason) if state is None else reason,
        )


class UserChange(Struct, tag_field="type", tag="change"):
    """An order of ours was changed. One of funds has no sizes."""

    order_id: str
    old_size: str | None = None
    new_size: str | None = None

    def cut(self) -> Decimal:
        """What the order lost without a trade."""
        if self.old_size is None or self.new_size is None:
            return ZERO
        return Decimal(self.old_size) - Decimal(self.new_size)


class UserMatch(Struct, tag_field="type", tag="match"):
    """A trade of ours; ``side`` is the maker's. Our user's id stands under the role that we had."""

    product_id: str
    trade_id: int
    maker_order_id: str
    taker_order_id: str
    side: OrderSide
    price: Decimal
    size: Decimal
    time: str
    taker_user_id: str | UnsetType = UNSET
    maker_user_id: str | UnsetType = UNSET
    taker_fee_rate: Decimal | None = None
    maker_fee_rate: Decimal | None = None

    def to_fills(self) -> Iterable[Fill]:
        if self.taker_user_id is not UNSET:
            yield self._fill(
                order_id=self.taker_order_id,
                side=TAKER_SIDES[self.side],
                fee_rate=self.taker_fee_rate,
                is_maker=False,
            )
        if self.maker_user_id is not UNSET:
            yield self._fill(
                order_id=self.maker_order_id,
                side=SIDES[self.side],
                fee_rate=self.maker_fee_rate,
                is_maker=True,
            )

    def _fill(self, *, order_id: str, side: Side, fee_rate: Decimal | None, is_maker: bool) -> Fill:
        if fee_rate is None:
            raise ValueError(f"trade {self.trade_id} of ours has no fee rate")
        return Fill(
            symbol=self.product_id,
            trade_id=str(self.trade_id),
            exchange_order_id=order_id,
            side=side,
            price=self.price,
            amount=self.size,
            fee=self.price * self.size * fee_rate,
            fee_asset=quote_of(self.product_id),
            is_maker=is_maker,
            time=iso_ns(self.time),
        )


class Channel(Struct):
    """A subscribed channel."""

    name: str


class UserSubscriptions(Struct, tag_field="type", tag="subscriptions"):
    """All channels that are subscribed now, by name alone or with more."""

    channels: list[str | Channel]

    def has_user(self) -> bool:
        names = [item if isinstance(item, str) else item.name for item in self.channels]
        return "user" in names


class UserMessageKind(Struct):
    """A message of any kind: its name, and in whose name it was sent."""

    type: str = ""
    taker_user_id: Raw | UnsetType = UNSET
    maker_user_id: Raw | UnsetType = UNSET

    def is_needed(self) -> bool:
        """Whether it must be readable. A match of others is none of ours."""
        if self.type == "match":
            return not (self.taker_user_id is UNSET and self.maker_user_id is UNSET)
        return self.type in USER_MESSAGES


class OrderRow(Struct):
    """An order as REST answers it. ``done_reason`` and ``done_at``: only of one that is done."""

    id: str
    product_id: str
    side: OrderSide
    type: str
    status: str
    created_at: str
    filled_size: Decimal
    executed_value: Decimal
    size: str | None = None
    price: str | None = None
    client_oid: str | None = None
    done_at: str | None = None
    done_reason: str | None = None
    reject_reason: str | None = None

    def to_update(self) -> OrderUpdate:
        word = self.done_reason or self.status
        state = STATES.get(word)
        return OrderUpdate(
            symbol=self.product_id,
            state=state,
            client_order_id=self.client_oid or "",
            exchange_order_id=self.id,
            filled=self.filled_size,
            quote_filled=self.executed_value,
            time=iso_ns(self.done_at or self.created_at),
            reason=unknown_status(word) if state is None else self.reject_reason or "",
            side=SIDES[self.side],
            amount=decimal_or_zero(self.size),
            price=decimal_or_none(self.price),
            type=order_type(self.type),
        )


class FillRow(Struct):
    """A row of GET /fills."""

    product_id: str
    trade_id: int
    order_id: str
    side: OrderSide
    price: Decimal
    size: Decimal
    fee: Decimal
    liquidity: str
    created_at: str

    def to_fill(self) -> Fill:
        return Fill(
            symbol=self.product_id,
            trade_id=str(self.trade_id),
            exchange_order_id=self.order_id,
            side=SIDES[self.side],
            price=self.price,
            amount=self.size,
            fee=self.fee,
            fee_asset=quote_of(self.product_id),
            is_maker=self.liquidity == "M",
            time=iso_ns(self.created_at),
        )


class Account(Struct):
    """A row of GET /accounts."""

    currency: str
    available: Decimal
    hold: Decimal

    def to_balance(self) -> Balance:
        return Balance(self.currency, self.available + self.hold, self.available)


class FeeRates(Struct):
    """GET /fees."""

    maker_fee_rate: Decimal
    taker_fee_rate: Decimal

    def to_fee(self) -> Fee:
        return Fee(self.maker_fee_rate, self.taker_fee_rate)


UserMessage = (
    UserReceived | UserOpen | UserDone | UserChange | UserMatch | UserSubscriptions | ErrorMessage
)
_user_message: msgspec.json.Decoder[UserMessage] = msgspec.json.Decoder(UserMessage)
_user_kind = msgspec.json.Decoder(UserMessageKind)
_order = msgspec.json.Decoder(OrderRow)
_orders = RowsDecoder(OrderRow)
_fills = RowsDecoder(FillRow)
_accounts = RowsDecoder(Account)
_fee_rates = msgspec.json.Decoder(FeeRates)
USER_MESSAGES = {"received", "open", "done", "change", "subscriptions", "error"}


class CoinbaseUser(UserFeed):
    """The ``user`` channel. Loss on it can't be seen: the market asks from time to time."""

    def __init__(self, auth: Auth, rules: Mapping[str, TradingRule], host: str = "") -> None:
        super().__init__(auth, rules, host)
        # What orders lost without a trade: so the venue prevents those with oneself.
        self._cut: dict[str, Decimal] = {}

    def login(self, now: float) -> Iterable[Frame]:
        frame: dict[str, Any] = {
            "type": "subscribe",
            "product_ids": [rule.symbol for rule in self.rules.values() if rule.active],
            "channels": ["user"],
        }
        return [frame | self.auth.login(now)]

    def parse(self, frame: bytes) -> Iterable[UserEvent | Control]:
        try:
            message = _user_message.decode(frame)
        except msgspec.ValidationError:
            if _user_kind.decode(frame).is_needed():
                raise
            return ()  # stops that wait, matches of others, and whatever the venue adds
        if isinstance(message, UserMatch):
            return message.to_fills()
        if isinstance(message, UserReceived | UserOpen | UserDone):
            return (self._update(message),)
        if isinstance(message, ErrorMessage):
            return (message.to_fault(),)
        if isinstance(message, UserSubscriptions):
            return (Ready(),) if message.has_user() else ()
        cut = self._cut.get(message.order_id, ZERO)
        self._cut[message.order_id] = cut + message.cut()
        return ()

    def _update(self, message: UserReceived | UserOpen | UserDone) -> OrderUpdate:
        match message:
            case UserReceived():
                return message.to_update()
            case UserOpen() | UserDone():
                return message.to_update(self._cut.get(message.order_id, ZERO))


def read_order(answer: Answer) -> OrderUpdate:
    return _order.decode(answer.body).to_update()


def read_orders(answer: Answer) -> Rows[OrderUpdate]:
    return _orders.decode(answer.body, OrderRow.to_update)


def read_fills(answer: Answer) -> Rows[Fill]:
    return _fills.decode(answer.body, FillRow.to_fill)


def read_balances(answer: Answer) -> Rows[Balance]:
    return _accounts.decode(answer.body, Account.to_balance)


def read_fee(answer: Answer) -> Fee:
    return _fee_rates.decode(answer.body).to_fee()


def read_error(answer: Answer) -> Fault | None:
    """A refusal by HTTP status, in the form {"message": ...}."""
    if answer.status < 400:
        return None
    refusal = refusal_in(answer, Refusal)
    if refusal is None:
        return of_gateway(answer)
    return ERRORS.fault("", refusal.message, answer.status)


class CoinbaseOrders(OrderEntry):
    id_params = ("product_id", "client_oid", "id")

    def _path(self, order: InFlightOrder) -> str:
        return f"/orders/{order.exchange_order_id or f'client:{order.client_order_id}'}"

    def place(self, order: InFlightOrder) -> Call[OrderUpdate]:
        body: dict[str, Any] = {
            **self.query_by_id(order),
            "side": order.side,
            "type": order.type,
            "size": f"{order.amount:f}",
        }
        if order.price is not None:
            body["price"] = f"{order.price:f}"
            body["time_in_force"] = order.tif
        if order.post_only:
            body["post_only"] = True
        cost = {"private": 1}
        return signed_request("POST", "/orders", read_order, body=body, cost=cost, urgent=False)

    def cancel(self, order: InFlightOrder) -> Call[OrderUpdate | None]:
        return signed_request(
            "DELETE",
            self._path(order),
            lambda answer: None,
            {"product_id": order.symbol},
            cost={"private": 1},
        )

    def status(self, order: InFlightOrder) -> Call[OrderUpdate]:
        return signed_request("GET", self._path(order), read_order, cost={"private": 1})

    def open_orders(self, trading_pair: str | None = None) -> Call[list[OrderUpdate]]:
        params = self.pair(trading_pair)
        return signed_request("GET", "/orders", read_orders, params, cost={"private": 1})

    def fills(self, trading_pair: str, after: FillCursor) -> Call[Page[Fill]]:
        """Newest first; what follows a page's last is older."""

        def read(answer: Answer) -> Page[Fill]:
            fills = read_fills(answer)
            is_last = not fills or fills[-1].time < after.time
            return Page(fills, "" if is_last else fills[-1].trade_id)

        params = self.pair(trading_pair) | {"after": after.page}
        return signed_request("GET", "/fills", read, params, cost={"fills": 1})

    def order_fills(self, order: InFlightOrder) -> Call[list[Fill]]:
        params = {"order_id": order.exchange_order_id}
        return signed_request("GET", "/fills", read_fills, params, cost={"fills": 1})

    def balances(self) -> Call[list[Balance]]:
        return signed_request("GET", "/accounts", read_balances, cost={"private": 1})

    def fees(self, trading_pair: str) -> Call[Fee]:
        return signed_request("GET", "/fees", read_fee, cost={"private": 1})


COINBASE = Exchange(
    name="coinbase",
    hosts=Endpoints(
        rest="https://api.exchange.coinbase.com",
        public=FEED,
        private=FEED,
    ),
    testnet=Endpoints(
        rest="https://api-public.sandbox.exchange.coinbase.com",
        public=TEST_FEED,
        private=TEST_FEED,
    ),
    limits=(
        RateLimit("public", 10, 1.0),
        RateLimit("private", 15, 1.0, counted_by="account"),
        RateLimit("fills", 10, 1.0, counted_by="account"),
        RateLimit(CONNECTIONS, 8, 1.0),
        RateLimit(FRAMES, 8, 1.0),
    ),
    auth=CoinbaseAuth,
    book=CoinbaseBook,
    feeds={
        "level2": CoinbaseLevel2,
        # Levels every 50 ms; the only book that needs no login.
        "level2_batch": CoinbaseLevel2.variant(
            "Batch", channels=("level2_batch", "matches", "heartbeat")
        ),
    },
    user=CoinbaseUser,
    orders=CoinbaseOrders,
    error=read_error,
    client_id=uuid_of,
    server_time=Call(
        Request("GET", "/time", cost={"public": 1}),
        lambda answer: _server_time.decode(answer.body).epoch,
    ),
    streams_balances=False,
    forgets_cancelled=True,
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    about=About(
        title="Coinbase Exchange (successor of Coinbase Pro)",
        books="orders (full); by setting: level2, level2_batch",
        gaps="one sequence a product, every message counts (full); none (level2)",
        checked="recorded level2 frames of ten pairs; "
        "ccxt and ccxt.pro (level2, orders, user channel); "
        "cbpro (full channel order by order, orders, user channel)",
        not_applicable={
            "checksum_mismatch": "The feed's messages carry a sequence number; "
            "no checksum is among them."
        },
    ),
)
