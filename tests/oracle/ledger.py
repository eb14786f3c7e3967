"""What the venue's own books have been, and when."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.server import Server

Floats = npt.NDArray[np.float64]
REMEMBERED_S = 60.0
"""Seconds for which an image is remembered after it was the venue's last."""
SIZE_ERROR = 1e-9
"""Sums of an order-by-order book differ in their last digits."""


@dataclass(slots=True)
class Image:
    """A whole book of the venue: (n, 2) float64 sides, price and size, best first.

    ``since``: when it was first the venue's; ``until``: when the next one took its place (monotonic
    seconds); infinity for the last."""

    bids: Floats
    asks: Floats
    since: float = 0.0
    until: float = float("inf")


class Ledger:
    """Every image of the venue's books, recorded as they change."""

    def __init__(self, server: Server, pairs: list[str], *, by_frame: bool = False) -> None:
        """``by_frame``: only images that frames and snapshots show, for large books."""
        self._server = server
        self.images: dict[str, deque[Image]] = {pair: deque() for pair in pairs}
        self._update_ids: dict[str, int] = {}
        if by_frame:
            self._note_before_sending(server)
        else:
            server.venue.on_book.append(self._on_book)
        for pair in pairs:
            self._note(pair)

    def _note_before_sending(self, server: Server) -> None:
        send_depth = server.send_depth
        snapshot_requested = server.snapshot_requested

        def note_and_send(pair: str) -> None:
            if pair in self.images:
                self._note(pair)
            send_depth(pair)

        def note_and_give(pair: str) -> None:
            if pair in self.images:
                self._note(pair)
            snapshot_requested(pair)

        server.send_depth = note_and_send  # type: ignore[method-assign]
        server.snapshot_requested = note_and_give  # type: ignore[method-assign]

    def _on_book(self, kind: str, order: Order, match: Match | None) -> None:
        if order.symbol in self.images:
            self._note(order.symbol)

    def _note(self, pair: str) -> None:
        update_id = self._server.book(pair).update_id
        if self._update_ids.get(pair) == update_id:
            return
        self._update_ids[pair] = update_id
        now = time.monotonic()
        images = self.images[pair]
        if images:
            images[-1].until = now
        while images and images[0].until < now - REMEMBERED_S:
            images.popleft()
        bids, asks = (self._side(pair, side) for side in ("buy", "sell"))
        images.append(Image(bids, asks, now))

    def _side(self, pair: str, side: str) -> Floats:
        rows: list[Any] = self._server.book(pair).levels(side)
        return np.array(rows, np.float64).reshape(-1, 2)

    def newest_first(self, pair: str) -> Iterator[Image]:
        return reversed(self.images[pair])


def within(side: Floats, bound: float, most: int | None, is_bid: bool) -> Floats:
    """The levels of a side of the ledger that a book must show: up to the price ``bound`` (nan:
    all), and at most so many."""
    if not np.isnan(bound):
        prices = side[:, 0]
        side = side[prices >= bound] if is_bid else side[prices <= bound]
    return side[:most]


def equal(ours: Floats, theirs: Floats) -> bool:
    return (
        ours.shape == theirs.shape
        and bool(np.array_equal(ours[:, 0], theirs[:, 0]))
        and bool(np.all(np.abs(ours[:, 1] - theirs[:, 1]) <= SIZE_ERROR))
    )


def first_difference(ours: Floats, theirs: Floats) -> str:
    """The first level that is not the same; "" for none."""
    for number in range(max(len(ours), len(theirs))):
        mine = ours[number].tolist() if number < len(ours) else "nothing"
        right = theirs[number].tolist() if number < len(theirs) else "nothing"
        if mine != right and not equal(ours[number : number + 1], theirs[number : number + 1]):
            return f"level {number + 1}: {mine}, the ledger has {right}"
    return ""
