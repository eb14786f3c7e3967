"""How evidence changes what is known of an order: monotone, so that order and repetition of
events don't matter."""

from decimal import Decimal

from exchanges.orders import ZERO, Fill, InFlightOrder, OrderState, OrderUpdate

REOPENABLE = (OrderState.NOT_PLACED, OrderState.REJECTED)
"""Closed by the venue's silence or refusal: a sign of life opens them again."""


def merge(order: InFlightOrder, update: OrderUpdate) -> bool:
    """Take what the venue reports of one order. Returns whether anything changed.

    Quantity decides first, then rank: nothing the venue said earlier can undo what it said later. A
    word for its state that we don't know leaves the state as it was and marks the order
    ``status_unknown``.
    """
    before = (
        order.state,
        order.filled,
        order.exchange_order_id,
        order.status_unknown,
        order.quote_filled,
    )
    order.exchange_order_id = order.exchange_order_id or update.exchange_order_id
    filled = max(order.filled, _filled(order, update))
    if update.quote_filled is not None and update.quote_filled > order.quote_filled:
        order.quote_filled = update.quote_filled
    order.filled = filled
    order.state = _later(order, _state_of(order, update))
    if order.state.is_done and not order.evidence:
        word = order.state if update.state is None else update.state
        order.evidence = f"{word}: {update.reason}" if update.reason else str(word)
    if not order.state.is_done:
        order.evidence = ""
    order.updated = max(order.updated, update.time)
    order.status_unknown = update.state is None and not order.is_done
    return before != (
        order.state,
        order.filled,
        order.exchange_order_id,
        order.status_unknown,
        order.quote_filled,
    )


def _state_of(order: InFlightOrder, update: OrderUpdate) -> OrderState:
    """The state that an update speaks of; with an unknown status, that which the order has."""
    if update.state is not None:
        return update.state
    # The venue shows an order that it had denied: it lives, or did.
    return OrderState.PENDING if order.state is OrderState.NOT_PLACED else order.state


def _filled(order: InFlightOrder, update: OrderUpdate) -> Decimal:
    """The cumulative quantity that an update speaks of."""
    if update.filled is not None:
        return update.filled
    if update.left is not None:
        return order.amount - update.left
    return order.amount if update.state is OrderState.FILLED else ZERO


def _later(order: InFlightOrder, state: OrderState) -> OrderState:
    if (
        state in REOPENABLE
        and order.exchange_order_id
        and order.state not in (OrderState.PENDING, *REOPENABLE)
    ):
        return order.state  # the venue has shown the order: a refusal speaks of another try
    if order.state in REOPENABLE and state not in REOPENABLE:
        later = state
    else:
        later = state if state.rank > order.state.rank else order.state
    if order.filled >= order.amount > 0 and later not in REOPENABLE:
        return OrderState.FILLED
    if order.filled > 0 and later in (OrderState.PENDING, OrderState.OPEN):
        return OrderState.PARTIALLY_FILLED
    return later


def book_fill(order: InFlightOrder, fill: Fill) -> bool:
    """Book one trade; False when it is booked already. Late fills and overfills are the venue's
    truth."""
    if fill.trade_id in order.fills:
        return False
    order.fills[fill.trade_id] = fill
    total = order.fills_filled
    quote = sum((booked.price * booked.amount for booked in order.fills.values()), ZERO)
    if total >= order.filled:
        order.filled = total
        order.quote_filled = max(order.quote_filled, quote)
    order.exchange_order_id = order.exchange_order_id or fill.exchange_order_id
    order.state = _later(order, OrderState.PARTIALLY_FILLED)
    order.status_unknown = order.status_unknown and not order.is_done
    order.updated = max(order.updated, fill.time)
    if order.is_done and not order.evidence:
        order.evidence = f"fill {fill.trade_id}"
    if not order.is_done:
        order.evidence = ""
    return True
