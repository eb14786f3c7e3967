"""Order-by-order books out of a venue's rows: what checksums are made of is kept."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, structs

from exchanges.checksums import digits
from orderbook.messages import (
    OrderAction,
    OrderBookMessage,
    OrderEvent,
    OrdersSnapshot,
    RestingOrder,
    Side,
)

Row = dict[str, Any]
_rows = msgspec.json.Decoder(list[Row], float_hook=str)


def read_orders(
    symbol: str,
    bids: Raw,
    asks: Raw,
    time: int,
    checksum: int,
    names: str,
    actions: Mapping[str, OrderAction] | None,
) -> list[OrderBookMessage]:
    """What one message says of orders: all that rest, or with ``actions`` what happened to some.

    ``names``: a row's columns for id, price, size and what happened, in the words of ``actions``.
    """
    *named, word = names.split()
    ours, theirs = (
        [(_resting(row, named), row.get(word, "")) for row in _rows.decode(side)]
        for side in (bids, asks)
    )
    if actions is None:
        sides = ([order for order, _ in ours], [order for order, _ in theirs])
        return [OrdersSnapshot(symbol, *sides, time=time, checksum=checksum)]
    events = [_event(symbol, Side.BUY, order, actions[what], time) for order, what in ours]
    events += [_event(symbol, Side.SELL, order, actions[what], time) for order, what in theirs]
    # The checksum is of the book after the last.
    ahead = [structs.replace(event, more=True) for event in events[:-1]]
    return [*ahead, *(structs.replace(event, checksum=checksum) for event in events[-1:])]


def _resting(row: Row, names: list[str]) -> RestingOrder:
    order_id, price, size = (str(row[name]) for name in names)
    return RestingOrder(order_id, float(price), float(size), digits(price, size))


def _event(
    symbol: str, side: Side, order: RestingOrder, action: OrderAction, time: int
) -> OrderEvent:
    return OrderEvent(
        symbol, action, order.order_id, side, order.price, order.size, time=time, text=order.text
    )
