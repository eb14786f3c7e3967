"""What crosses a market's border: the terms of an order in; orders, fills and events out.

Amounts are Decimals in base currency, prices and fees Decimals in the currency they are named in,
times nanoseconds since 1970 (UTC). All of them are immutable, and travel between actors as they
are.
"""

from decimal import Decimal

import msgspec

from exchanges.orders import ZERO, Fill, InFlightOrder, OrderState, OrderType, TimeInForce
from orderbook.messages import Side


class OrderTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What an order shall be. ``exchanges.rules.terms_of`` makes it out of a user's words, and
    checks them.

    ``price`` None: none is needed (a market order). ``client_id`` empty: the market makes one.
    """

    trading_pair: str
    side: Side
    amount: Decimal
    price: Decimal | None = None
    type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    client_id: str = ""
    tag: str = ""


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it was known when it was read."""

    client_order_id: str
    exchange_order_id: str
    """The venue's id; empty until the venue named it."""
    trading_pair: str
    symbol: str
    side: Side
    amount: Decimal
    price: Decimal | None
    type: OrderType
    tif: TimeInForce
    post_only: bool
    tag: str
    state: OrderState
    status_unknown: bool
    """The venue has to tell first: a time-out, a lost connection or a restart stands between it
    and us."""
    external: bool
    """Placed elsewhere, and tracked since it was seen."""
    cancel_requested: bool
    filled: Decimal
    average_price: Decimal | None
    fees: dict[str, Decimal]
    """Asset -> fees paid in it."""
    fills: tuple[str, ...]
    """The trade ids of its fills."""
    evidence: str
    """What the venue said that closed it."""
    is_complete: bool
    """Closed, and every fill that the closing quantity speaks of was seen."""
    created: int
    updated: int

    @property
    def is_done(self) -> bool:
        return self.state.is_done

    @classmethod
    def of(cls, order: InFlightOrder) -> "OrderView":
        """The order as it is known now."""
        fees: dict[str, Decimal] = {}
        for fill in order.fills.values():
            fees[fill.fee_asset] = fees.get(fill.fee_asset, ZERO) + fill.fee
        return cls(
            client_order_id=order.client_order_id,
            exchange_order_id=order.exchange_order_id,
            trading_pair=order.trading_pair,
            symbol=order.symbol,
            side=order.side,
            amount=order.amount,
            price=order.price,
            type=order.type,
            tif=order.tif,
            post_only=order.post_only,
            tag=order.tag,
            state=order.state,
            status_unknown=order.status_unknown,
            external=order.external,
            cancel_requested=order.cancel_requested,
            filled=order.filled,
            average_price=order.average_price,
            fees=fees,
            fills=tuple(fill.trade_id for fill in order.fills.values()),
            evidence=order.evidence,
            is_complete=order.is_complete,
            created=order.created,
            updated=order.updated,
        )


class FillView(msgspec.Struct, frozen=True, kw_only=True):
    """One trade of an account, with the order that it belongs to. (symbol, trade_id) is unique
    at the venue."""

    trading_pair: str
    symbol: str
    trade_id: str
    client_order_id: str
    exchange_order_id: str
    side: Side | None
    """None: the venue doesn't say, it is the order's."""
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool | None
    time: int

    @classmethod
    def of(cls, fill: Fill, client_order_id: str, trading_pair: str) -> "FillView":
        """``client_order_id``: of the order that it was booked to."""
        return cls(
            trading_pair=trading_pair,
            symbol=fill.symbol,
            trade_id=fill.trade_id,
            client_order_id=client_order_id,
            exchange_order_id=fill.exchange_order_id,
            side=fill.side,
            price=fill.price,
            amount=fill.amount,
            fee=fill.fee,
            fee_asset=fill.fee_asset,
            is_maker=fill.is_maker,
            time=fill.time,
        )


class EventFill(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The trade of a ``filled`` event."""

    trade_id: str
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_asset: str


class Event(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One event of an order's life, numbered in order: replay with ``events(since=number)``."""

    number: int = 0
    """Grows from event to event of an account, with gaps; 0: not journalled yet."""
    kind: str
    """created, filled, completed, cancelled, expired or failure."""
    name: str
    """The tutorial's, like buy_order_completed."""
    client_order_id: str
    exchange_order_id: str
    trading_pair: str
    side: Side
    type: OrderType
    amount: Decimal
    price: Decimal | None
    state: OrderState
    filled: Decimal
    tag: str
    time: int
    fill: EventFill | None = None
    """The trade, of a ``filled`` event."""
    evidence: str = ""
    """What the venue said that closed the order."""
