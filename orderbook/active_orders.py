"""ActiveOrderTracker: levels of order-by-order feeds, and the tutorial's conversions."""

import math
from collections.abc import Iterable
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from orderbook.level_texts import sides_of
from orderbook.messages import (
    BookDiff,
    BookSnapshot,
    Layout,
    OrderAction,
    OrderBookRow,
    OrderEvent,
    OrdersSnapshot,
    RestingOrder,
    Side,
    Trade,
)

Floats = npt.NDArray[np.float64]
Message = BookSnapshot | BookDiff | OrdersSnapshot | OrderEvent
Rows = tuple[list[OrderBookRow], list[OrderBookRow]]
Orders = dict[float, dict[str, float]]
"""price -> order id -> size, as the venue sent them; sums are exact (fsum)."""
LEVEL = "level"
"""The id under which a level feed's total stands in ``active_bids`` and ``active_asks``."""


class ActiveOrderTracker:
    """The resting orders (of level feeds: the levels) of each side, and what each message changes.

    ``active_bids`` and ``active_asks``: price -> {order id: size}. ``convert_*`` return the changed
    levels, bids first, as rows (price, amount, update id) or as (n, 4) float64 arrays (time in s,
    price, amount, update id). Orders without a price or size that can be raise ValueError.
    """

    def __init__(self, depth: int = 0) -> None:
        """``depth``: price levels a side to keep, where the venue does not report what leaves its
        window; 0: all."""
        self.active_bids: Orders = {}
        self.active_asks: Orders = {}
        self._depth = depth
        self._where: dict[str, tuple[Side, float]] = {}
        self._texts: dict[str, str] = {}
        self._touched: list[tuple[Side, float]] = []

    # Order-by-order feeds.

    def snapshot(self, message: OrdersSnapshot) -> BookSnapshot:
        """The levels of every resting order; the tracker starts again from them."""
        self.active_bids = {}
        self.active_asks = {}
        self._where = {}
        self._texts = {}
        self._touched = []
        for side, orders in ((Side.BUY, message.bids), (Side.SELL, message.asks)):
            for order in orders:
                self._put(side, order)
        bids, asks = (self._packed(side, self._side(side)) for side in (Side.BUY, Side.SELL))
        ids = (message.update_id, message.time, Layout.PACKED, message.checksum)
        return BookSnapshot(message.symbol, bids, asks, *ids)

    def event(self, message: OrderEvent) -> BookDiff | None:
        """The levels that one event, or the last of several that belong together, changes.

        None when more events are to come, or nothing changes (an order that never rested).
        """
        self._touched += self._touch(message)
        if message.text and message.order_id in self._where:
            self._texts[message.order_id] = message.text
        if message.more or (not self._touched and message.checksum < 0):
            return None
        touched = self._touched
        self._touched = []
        touched += self._truncate() if self._depth else []
        bids = self._packed(Side.BUY, [price for side, price in touched if side is Side.BUY])
        asks = self._packed(Side.SELL, [price for side, price in touched if side is Side.SELL])
        ids = (message.first_id, message.update_id, message.time)
        return BookDiff(message.symbol, bids, asks, *ids, Layout.PACKED, message.checksum)

    def image(self, update_id: int, time: int) -> BookSnapshot:
        """The levels of every resting order as they are now."""
        bids, asks = (self._packed(side, self._side(side)) for side in (Side.BUY, Side.SELL))
        return BookSnapshot("", bids, asks, update_id, time, Layout.PACKED)

    def fits(self, message: OrderEvent) -> bool:
        """Whether it can follow what came before: it opens a new order, or changes a known one."""
        return (message.order_id in self._where) is not (message.action is OrderAction.OPEN)

    def texts(self, side: Side, prices: Iterable[float]) -> list[list[str]]:
        """The texts that checksums are made of: those of each level's orders, in queue order."""
        levels = self._side(side)
        return [
            [self._texts.get(order_id, "") for order_id in levels.get(price, ())]
            for price in prices
        ]

    def _truncate(self) -> list[tuple[Side, float]]:
        """Forget the levels beyond the depth, with their orders."""
        gone = []
        for side, worst in ((Side.BUY, min), (Side.SELL, max)):
            levels = self._side(side)
            while len(levels) > self._depth:
                price = worst(levels)
                for order_id in levels.pop(price):
                    self._forget(order_id)
                gone.append((side, price))
        return gone

    def _forget(self, order_id: str) -> None:
        del self._where[order_id]
        self._texts.pop(order_id, None)

    def _touch(self, message: OrderEvent) -> list[tuple[Side, float]]:
        _check_size(message.size)
        known = self._where.get(message.order_id)
        match message.action:
            case OrderAction.OPEN if known is None:
                self._put(
                    Side(message.side), RestingOrder(message.order_id, message.price, message.size)
                )
                return [self._where[message.order_id]]
            case OrderAction.MATCH if known is not None:
                left = float(
                    Decimal(repr(self._size(message.order_id))) - Decimal(repr(message.size))
                )
                return self._resize(message.order_id, left)
            case OrderAction.CHANGE if known is not None:
                if (
                    math.isnan(message.price)
                    or message.price in (0.0, known[1])
                    or not message.size
                ):
                    return self._resize(message.order_id, message.size)
                touched = self._resize(message.order_id, 0.0)
                self._put(known[0], RestingOrder(message.order_id, message.price, message.size))
                return [*touched, self._where[message.order_id]]
            case OrderAction.DONE if known is not None:
                return self._resize(message.order_id, 0.0)
        return []

    def _side(self, side: Side) -> Orders:
        return self.active_bids if side is Side.BUY else self.active_asks

    def _put(self, side: Side, order: RestingOrder) -> None:
        _check_size(order.size)
        if not 0.0 < order.price < math.inf:
            raise ValueError(f"an order has the price {order.price}")
        self._side(side).setdefault(order.price, {})[order.order_id] = order.size
        self._where[order.order_id] = (side, order.price)
        if order.text:
            self._texts[order.order_id] = order.text

    def _size(self, order_id: str) -> float:
        side, price = self._where[order_id]
        return self._side(side)[price][order_id]

    def _resize(self, order_id: str, size: float) -> list[tuple[Side, float]]:
        side, price = where = self._where[order_id]
        level = self._side(side)[price]
        if size > 0.0:
            level[order_id] = size
        else:
            del level[order_id]
            self._forget(order_id)
            if not level:
                del self._side(side)[price]
        return [where]

    def _packed(self, side: Side, prices: Iterable[float]) -> bytes:
        levels = self._side(side)
        pairs = [
            (price, math.fsum(levels[price].values()) if price in levels else 0.0)
            for price in prices
        ]
        return np.array(pairs, np.float64).tobytes()

    # The tutorial's conversions; they also keep the levels of level feeds.

    def convert_snapshot_message_to_order_book_row(
        self, message: BookSnapshot | OrdersSnapshot
    ) -> Rows:
        """Every bid, then every ask, best first; the tracker starts again from them."""
        if isinstance(message, OrdersSnapshot):
            bids, asks = sides_of(self.snapshot(message))
        else:
            bids, asks = sides_of(message)
            self.active_bids = {}
            self.active_asks = {}
            self._remember(bids, asks)
        return _rows(bids, message.update_id), _rows(asks, message.update_id)

    def convert_diff_message_to_order_book_row(self, message: BookDiff | OrderEvent) -> Rows:
        """The levels that a message changes, with their new amounts; 0 for one that is gone."""
        if isinstance(message, OrderEvent):
            diff = self.event(message)
            if diff is None:
                return [], []
            bids, asks = sides_of(diff)
        else:
            bids, asks = sides_of(message)
            self._remember(bids, asks)
        return _rows(bids, message.update_id), _rows(asks, message.update_id)

    def convert_trade_message_to_order_book_row(self, message: Trade) -> OrderBookRow:
        """A trade as (price, amount, trade id; 0 for an id that is not a number)."""
        number = int(message.trade_id) if message.trade_id.isdigit() else 0
        return OrderBookRow(message.price, message.size, number)

    def convert_snapshot_message_to_np_arrays(
        self, message: BookSnapshot | OrdersSnapshot
    ) -> tuple[Floats, Floats]:
        return _arrays(self.convert_snapshot_message_to_order_book_row(message), message.time)

    def convert_diff_message_to_np_arrays(
        self, message: BookDiff | OrderEvent
    ) -> tuple[Floats, Floats]:
        return _arrays(self.convert_diff_message_to_order_book_row(message), message.time)

    def convert_trade_message_to_np_array(self, message: Trade) -> Floats:
        """(time in s, taker's side: 1 bought, 2 sold, price, amount)."""
        return np.array(
            [
                message.time / 1e9,
                1.0 if message.side is Side.BUY else 2.0,
                message.price,
                message.size,
            ]
        )

    convert_trade_message_to_np_arrays = convert_trade_message_to_np_array
    c_convert_snapshot_message_to_np_arrays = convert_snapshot_message_to_np_arrays
    c_convert_diff_message_to_np_arrays = convert_diff_message_to_np_arrays
    c_convert_trade_message_to_np_array = convert_trade_message_to_np_array

    def _remember(self, bids: Floats, asks: Floats) -> None:
        for levels, side in ((bids, self.active_bids), (asks, self.active_asks)):
            for price, size in levels.tolist():
                if size:
                    side[price] = {LEVEL: size}
                else:
                    side.pop(price, None)


def _check_size(size: float) -> None:
    """In a sum with others a negative size would look like a level."""
    if not 0.0 <= size < math.inf:
        raise ValueError(f"an order has the size {size}")


def _rows(levels: Floats, update_id: int) -> list[OrderBookRow]:
    return [OrderBookRow(price, size, update_id) for price, size in levels.tolist()]


def _arrays(rows: Rows, time: int) -> tuple[Floats, Floats]:
    bids, asks = (
        np.array(
            [(time / 1e9, row.price, row.amount, row.update_id) for row in side], np.float64
        ).reshape(-1, 4)
        for side in rows
    )
    return bids, asks
