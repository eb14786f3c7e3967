"""The events of an order's life, as listeners and journals get them."""

from exchanges.order_views import Event, EventFill
from exchanges.orders import Fill, InFlightOrder, OrderState

CREATED = "created"
FILLED = "filled"
COMPLETED = "completed"
CANCELLED = "cancelled"
EXPIRED = "expired"
FAILURE = "failure"
KINDS = (CREATED, FILLED, COMPLETED, CANCELLED, EXPIRED, FAILURE)
WITHOUT_SIDE = (FILLED, CANCELLED, EXPIRED, FAILURE)
"""Kinds whose name in the tutorial doesn't say whether the order buys or sells."""
UNPLACED = (OrderState.PENDING, OrderState.REJECTED, OrderState.NOT_PLACED)
CLOSING = {
    OrderState.FILLED: COMPLETED,
    OrderState.CANCELLED: CANCELLED,
    OrderState.EXPIRED: EXPIRED,
    OrderState.REJECTED: FAILURE,
    OrderState.NOT_PLACED: FAILURE,
}


def due_events(order: InFlightOrder, fresh: list[Fill]) -> list[Event]:
    """The events to emit now, marked as emitted: created once, each fill, then the order's end
    once.

    The end waits for the last fill, so that whoever received it has seen all of them.
    """
    found = []
    if order.state not in UNPLACED and CREATED not in order.emitted_events:
        found.append(event_of(CREATED, order))
        order.emitted_events.append(CREATED)
    found += [event_of(FILLED, order, fill) for fill in fresh]
    kind = CLOSING.get(order.state)
    if kind is not None and order.is_complete and kind not in order.emitted_events:
        found.append(event_of(kind, order))
        order.emitted_events.append(kind)
    return found


def event_of(kind: str, order: InFlightOrder, fill: Fill | None = None) -> Event:
    """An event of the order as it is now; it has no number yet."""
    return Event(
        kind=kind,
        name=f"order_{kind}" if kind in WITHOUT_SIDE else f"{order.side}_order_{kind}",
        client_order_id=order.client_order_id,
        exchange_order_id=order.exchange_order_id,
        trading_pair=order.trading_pair,
        side=order.side,
        type=order.type,
        amount=order.amount,
        price=order.price,
        state=order.state,
        filled=order.filled,
        tag=order.tag,
        time=order.updated,
        fill=None if fill is None else _fill_of(fill),
        evidence=order.evidence if fill is None else "",
    )


def _fill_of(fill: Fill) -> EventFill:
    return EventFill(
        trade_id=fill.trade_id,
        price=fill.price,
        amount=fill.amount,
        fee=fill.fee,
        fee_asset=fill.fee_asset,
    )
