"""The events of an order's life, as listeners and journals get them."""

from typing import Any

from exchanges.orders import Fill, InFlightOrder, OrderState

CREATED, FILLED, COMPLETED = "created", "filled", "completed"
CANCELLED, EXPIRED, FAILURE = "cancelled", "expired", "failure"
KINDS = (CREATED, FILLED, COMPLETED, CANCELLED, EXPIRED, FAILURE)
UNPLACED = (OrderState.PENDING, OrderState.REJECTED, OrderState.NOT_PLACED)
CLOSING = {
    OrderState.FILLED: COMPLETED,
    OrderState.CANCELLED: CANCELLED,
    OrderState.EXPIRED: EXPIRED,
    OrderState.REJECTED: FAILURE,
    OrderState.NOT_PLACED: FAILURE,
}


def due_events(order: InFlightOrder, fresh: list[Fill]) -> list[dict[str, Any]]:
    """What is to be told of an order now, and marks it as told: created once, each fill, then its end once.

    The end waits for the last fill, so that whoever heard it has seen all of them.
    """
    found = []
    if order.state not in UNPLACED and CREATED not in order.emitted_events:
        found.append(describe(CREATED, order))
        order.emitted_events.append(CREATED)
    found += [describe(FILLED, order, fill) for fill in fresh]
    kind = CLOSING.get(order.state)
    if kind is not None and order.is_complete and kind not in order.emitted_events:
        found.append(describe(kind, order))
        order.emitted_events.append(kind)
    return found


def describe(kind: str, order: InFlightOrder, fill: Fill | None = None) -> dict[str, Any]:
    """An event as builtins; amounts as text. ``name`` is the tutorial's, like buy_order_completed."""
    event: dict[str, Any] = {
        "kind": kind,
        "name": f"order_{kind}"
        if kind in (FILLED, CANCELLED, EXPIRED, FAILURE)
        else f"{order.side}_order_{kind}",
        "client_order_id": order.client_order_id,
        "exchange_order_id": order.exchange_order_id,
        "trading_pair": order.trading_pair,
        "side": str(order.side),
        "type": str(order.type),
        "amount": str(order.amount),
        "price": None if order.price is None else str(order.price),
        "state": str(order.state),
        "filled": str(order.filled),
        "tag": order.tag,
        "time": order.updated,
    }
    if fill is not None:
        event["fill"] = {
            "trade_id": fill.trade_id,
            "price": str(fill.price),
            "amount": str(fill.amount),
            "fee": str(fill.fee),
            "fee_asset": fill.fee_asset,
        }
    elif order.evidence:
        event["evidence"] = order.evidence
    return event
