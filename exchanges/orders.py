"""Orders as we speak of them: what is wanted, what a venue reports, and one record of an
order's life."""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

import msgspec

from orderbook.messages import Side, require_int64

ZERO = Decimal(0)
TradeType = Side
"""The tutorial's word for a side."""


class OrderType(StrEnum):
    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderState(StrEnum):
    """Knowledge of an order; ``rank`` never falls while quantity stands still."""

    PENDING = "pending"  # intent journalled, no word of the venue yet
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    NOT_PLACED = "not_placed"  # the venue denied it, repeatedly, after it could no longer arrive
    FILLED = "filled"

    @property
    def rank(self) -> int:
        return _RANK[self]

    @property
    def is_done(self) -> bool:
        return _RANK[self] >= 3


_RANK = {
    OrderState.PENDING: 0,
    OrderState.OPEN: 1,
    OrderState.PARTIALLY_FILLED: 2,
    OrderState.NOT_PLACED: 3,
    OrderState.REJECTED: 4,
    OrderState.EXPIRED: 5,
    OrderState.CANCELLED: 5,
    OrderState.FILLED: 6,
}


class TradingRule(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue accepts for one pair; steps of 0 do not bind."""

    trading_pair: str
    symbol: str
    base: str
    quote: str
    price_tick: Decimal
    size_step: Decimal
    min_size: Decimal = ZERO
    max_size: Decimal | None = None
    min_notional: Decimal = ZERO
    significant_digits: int = 0
    """The most significant digits of a price that is not an integer; 0 does not bind."""
    active: bool = True
    aliases: tuple[str, ...] = ()
    """What else the venue calls the symbol; the first is what its REST side takes."""


def symbols_by_alias(rules: Iterable[TradingRule]) -> dict[str, str]:
    return {alias: rule.symbol for rule in rules for alias in rule.aliases}


class MarketSummary(msgspec.Struct, frozen=True):
    """24 hours of one symbol, from the venue's tickers."""

    symbol: str
    last_price: Decimal
    base_volume: Decimal
    quote_volume: Decimal


class OrderUpdate(
    msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag_field="kind", tag=21
):
    """The venue's word on one order. ``filled`` and ``quote_filled`` are cumulative; times are
    ns."""

    symbol: str
    state: OrderState | None
    """None: the venue's word for it is none that we know; then ``reason`` has the word."""
    client_order_id: str = ""
    exchange_order_id: str = ""
    filled: Decimal | None = None
    quote_filled: Decimal | None = None
    time: int = 0
    reason: str = ""
    left: Decimal | None = None
    """What is not filled, where the venue says that instead of ``filled``."""
    # The terms, where the venue repeats them: needed to adopt an order that was placed elsewhere.
    side: Side | None = None
    amount: Decimal | None = None
    price: Decimal | None = None
    type: OrderType | None = None

    def __post_init__(self) -> None:
        for value in (self.filled, self.quote_filled, self.left, self.amount, self.price):
            if value is not None and not value.is_finite():
                raise ValueError(f"order {self.exchange_order_id}: {value} is not a finite number")
        require_int64(self.time)


class Fill(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag_field="kind", tag=22):
    """One trade of ours; (symbol, trade_id) is unique at the venue."""

    symbol: str
    trade_id: str
    exchange_order_id: str
    side: Side | None
    """None: the venue doesn't say, it is the order's."""
    price: Decimal
    amount: Decimal
    fee: Decimal = ZERO
    fee_asset: str = ""
    client_order_id: str = ""
    is_maker: bool | None = None
    time: int = 0

    def __post_init__(self) -> None:
        for value in (self.price, self.amount, self.fee):
            if not value.is_finite():
                raise ValueError(f"trade {self.trade_id}: {value} is not a finite number")
        require_int64(self.time)


class Balance(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag=23):
    """Absolute holdings of one asset; held = total - available."""

    asset: str
    total: Decimal
    available: Decimal
    time: int = 0

    def __post_init__(self) -> None:
        if not (self.total.is_finite() and self.available.is_finite()):
            raise ValueError(f"balance of {self.asset}: {self.total} is not a finite number")
        require_int64(self.time)

    @property
    def held(self) -> Decimal:
        return self.total - self.available


class UserStreamState(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag=24):
    """The private stream opened (connected, with a new epoch) or broke. Between the two, events
    are lost."""

    connected: bool
    epoch: int
    reason: str = ""


class Fee(msgspec.Struct, frozen=True):
    """Rates as fractions: 0.001 is ten basis points."""

    maker: Decimal
    taker: Decimal


UserMessage = OrderUpdate | Fill | Balance | UserStreamState


class InFlightOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The one record of an order's life: terms, the venue's ids, what is known of it. Amounts in
    base currency.

    ``lifecycle.merge`` takes venue evidence monotonically (cumulative quantity, then rank): any
    permutation and any duplication of the same events gives the same final record. Journals store
    it: a field renamed here needs a new schema there, and what is stored under another name is an
    error.
    """

    client_order_id: str
    trading_pair: str
    symbol: str
    side: Side
    amount: Decimal
    price: Decimal | None = None
    type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    tag: str = ""
    exchange_order_id: str = ""
    state: OrderState = OrderState.PENDING
    status_unknown: bool = False
    """The venue has to report first: a time-out, a lost connection or a restart stands between it
    and us."""
    external: bool = False
    cancel_requested: bool = False
    filled: Decimal = ZERO
    quote_filled: Decimal = ZERO
    fills: dict[str, Fill] = msgspec.field(default_factory=dict)
    evidence: str = ""
    """What the venue said that closed it."""
    emitted_events: list[str] = msgspec.field(default_factory=list)
    """The events of its life that were emitted: each is, once."""
    created: int = 0
    updated: int = 0

    @property
    def name(self) -> str:
        """What the venue is queried by: our id, or its own for an order placed elsewhere."""
        return self.exchange_order_id if self.external else self.client_order_id

    @property
    def is_done(self) -> bool:
        return self.state.is_done

    @property
    def fills_filled(self) -> Decimal:
        return sum((fill.amount for fill in self.fills.values()), ZERO)

    @property
    def is_complete(self) -> bool:
        """Closed, and every fill that the closing quantity speaks of was seen."""
        return self.is_done and self.fills_filled >= self.filled

    @property
    def average_price(self) -> Decimal | None:
        return self.quote_filled / self.filled if self.filled else None
