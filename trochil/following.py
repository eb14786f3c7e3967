"""A copy of a tracked book, kept from its tracker's messages: every change as plain levels."""

from typing import Any

import numpy as np

from actors.channel import Envelope
from orderbook.level_texts import sides_of
from orderbook.messages import (
    BookChange,
    BookDiff,
    BookImage,
    BookSnapshot,
    BookStateChange,
    Layout,
)
from trochil.records import Diff, EpochChange, Floats, StateChange

Item = Diff | StateChange | EpochChange
WHOLLY_KNOWN = (0.0, float("inf"))


class CopiedSide:
    """The levels of one side, price -> size, up to the price that it is known to."""

    def __init__(self, best: int) -> None:
        """``best``: -1 for bids, 1 for asks."""
        self._best = best
        self.levels: dict[float, float] = {}

    def replace(self, rows: Floats) -> None:
        self.levels = dict(rows.tolist())

    def change(self, rows: Floats, bound: float) -> Floats:
        """Apply rows, then leave out what lies beyond ``bound``.

        Returns what really changed, (n, 2) float64: the rows inside it, and a size of 0 for every
        level that fell out.
        """
        changed = {}
        for price, size in rows.tolist():
            if self._is_beyond(price, bound):
                continue
            changed[price] = size
            if size:
                self.levels[price] = size
            else:
                self.levels.pop(price, None)
        for price in [price for price in self.levels if self._is_beyond(price, bound)]:
            del self.levels[price]
            changed[price] = 0.0
        return np.array(list(changed.items()), np.float64).reshape(-1, 2)

    def _is_beyond(self, price: float, bound: float) -> bool:
        return price * self._best > bound * self._best


class BookFollower:
    """``take`` every envelope of one pair; it gives the items that a reader of diffs sees."""

    def __init__(self) -> None:
        self._bids = CopiedSide(-1)
        self._asks = CopiedSide(1)
        self._epoch = -1
        self._sequence = -1
        self._is_whole = False

    def lose(self) -> None:
        """Something may be missing: the next item is an image."""
        self._is_whole = False

    def take(self, envelope: Envelope) -> list[Item]:
        message: Any = envelope.message
        number = (envelope.epoch, envelope.sequence)
        is_new = number > (self._epoch, self._sequence)
        if isinstance(message, BookImage):
            if self._is_whole and not is_new:
                return []
            return [*self._advanced(number), self._replaced(envelope, message)]
        if not is_new or not self._is_whole:
            return []  # in the image already, or the image is to come
        if isinstance(message, BookChange):
            return [*self._advanced(number), self._changed(envelope, message)]
        if isinstance(message, BookStateChange):
            changed = StateChange(*number, message.state, message.reason)
            return [*self._advanced(number), changed]
        return []

    def _advanced(self, number: tuple[int, int]) -> list[Item]:
        epoch_before = self._epoch
        self._epoch, self._sequence = number
        return [] if self._epoch == epoch_before else [EpochChange(self._epoch)]

    def _replaced(self, envelope: Envelope, image: BookImage) -> Diff:
        self._is_whole = True
        bids, asks = sides_of(BookSnapshot("", image.bids, image.asks, layout=Layout.PACKED))
        self._bids.replace(bids)
        self._asks.replace(asks)
        return self._diff(envelope, image, bids, asks, snapshot=True)

    def _changed(self, envelope: Envelope, change: BookChange) -> Diff:
        rows = BookDiff("", change.bids, change.asks, layout=change.layout, names=change.names)
        bids, asks = sides_of(rows)
        bids = self._bids.change(bids, change.bid_bound)
        asks = self._asks.change(asks, change.ask_bound)
        return self._diff(envelope, change, bids, asks, snapshot=False)

    def _diff(
        self,
        envelope: Envelope,
        message: BookImage | BookChange,
        bids: Floats,
        asks: Floats,
        snapshot: bool,
    ) -> Diff:
        bid_bound, ask_bound = message.bid_bound, message.ask_bound
        return Diff(
            epoch=envelope.epoch,
            sequence=envelope.sequence,
            update_id=message.update_id,
            bids=bids,
            asks=asks,
            state=message.state,
            venue_time=message.venue_time,
            receive_time=envelope.time,
            bid_bound=bid_bound if bid_bound > 0.0 else float("nan"),
            ask_bound=ask_bound if ask_bound < float("inf") else float("nan"),
            snapshot=snapshot,
        )
