"""Order-by-order books whose checksum is made of the numbers as they were written."""

from collections.abc import Iterable

from msgspec import structs

from exchanges.checksums import digits
from exchanges.values import number_of
from orderbook.messages import OrderAction, OrderEvent, RestingOrder, Side


def resting_order(order_id: str, price: str, size: str) -> RestingOrder:
    """An order out of its numbers as they were written: their digits are what checksums take."""
    return RestingOrder(order_id, number_of(price), number_of(size), digits(price, size))


def order_event(
    symbol: str, side: Side, action: OrderAction, order: RestingOrder, time: int
) -> OrderEvent:
    """What happened to ``order``."""
    return OrderEvent(
        symbol=symbol,
        action=action,
        order_id=order.order_id,
        side=side,
        price=order.price,
        size=order.size,
        time=time,
        text=order.text,
    )


def one_change(events: Iterable[OrderEvent], checksum: int) -> list[OrderEvent]:
    """Events that belong together: the checksum is of the book after the last."""
    change = [structs.replace(event, more=True) for event in events]
    if change:
        change[-1] = structs.replace(change[-1], more=False, checksum=checksum)
    return change
