"""The channel l4Book, every order of a perpetual's book, as order_book_server beside a Hyperliquid node writes it."""

from collections.abc import Iterable

import msgspec

from exchanges import reading as r
from orderbook.messages import OrderAction, OrderEvent, OrdersSnapshot, RestingOrder, Side

SIDES = {"B": Side.BUY, "A": Side.SELL}
BLOCK = 1_000_000
"""Changes that a block may have: its height times this, and the change's place in it, number a change."""


def read_orders(data: bytes | msgspec.Raw) -> Iterable[OrdersSnapshot | OrderEvent]:
    """Blocks that change nothing are left out, so that numbers tell order and repetition, but no loss."""
    match msgspec.json.decode(data):
        case {"Snapshot": {"coin": coin, "time": time, "height": height, "levels": [bids, asks]}}:
            # Blocks up to its height may still wait in the server's queue, and come after it.
            last = (height + 1) * BLOCK - 1
            yield OrdersSnapshot(coin, [*map(resting, bids)], [*map(resting, asks)], last, r.epoch_ns(time))
        case {"Updates": {"time": time, "height": height, "order_statuses": statuses, "book_diffs": diffs}}:
            sides = {row["order"]["oid"]: SIDES[row["order"]["side"]] for row in statuses}
            for number, diff in enumerate(diffs, height * BLOCK):
                yield change_of(diff, sides.get(diff["oid"], ""), update_id=number, time=r.epoch_ns(time))
        case other:
            raise ValueError(f"a frame of no known form: {str(other)[:120]}")


def resting(row: r.Row) -> RestingOrder:
    return RestingOrder(str(row["oid"]), float(row["limitPx"]), float(row["sz"]))


def change_of(diff: r.Row, side: str, *, update_id: int, time: int) -> OrderEvent:
    """``side``: the status of a new order tells it, its change doesn't. Removals need no price."""
    price = size = 0.0
    match diff["raw_book_diff"]:
        case {"new": {"sz": text}} if side:
            action, price, size = OrderAction.OPEN, float(diff["px"]), float(text)
        case {"update": {"newSz": text}}:
            action, size = OrderAction.CHANGE, float(text)
        case "remove":
            action = OrderAction.DONE
        case other:
            raise ValueError(f"a change of no known form, or a new order without its status: {str(other)[:120]}")
    return OrderEvent(diff["coin"], action, str(diff["oid"]), side, price, size, update_id=update_id, time=time)
