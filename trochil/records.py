"""What a client reads: a book at one moment, a change of it, the best prices over venues."""

import html
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from orderbook.messages import BookState

Floats = npt.NDArray[np.float64]


class Best(NamedTuple):
    """Best bid and offer of one pair over venues, float64; the venue beside each."""

    bid: float
    bid_size: float
    bid_venue: str
    ask: float
    ask_size: float
    ask_venue: str


class DepthTrusted(NamedTuple):
    """How far a book may be believed: the number of levels, and the worst price up to which the
    side is known; nan: wholly."""

    bid_levels: int
    bid_price: float
    ask_levels: int
    ask_price: float


class Book(msgspec.Struct, frozen=True):
    """One immutable reading: (n, 2) float64 sides (price, size), best first. Times in ns since
    1970.

    ``is_short``: a side has fewer levels than were asked for because it isn't known any farther;
    the venue may have more. ``unchecked``: a lost message could have gone unnoticed.
    """

    venue: str
    trading_pair: str
    bids: Floats
    asks: Floats
    state: BookState
    epoch: int
    sequence: int
    update_id: int
    venue_time: int
    receive_time: int
    publish_time: int
    depth_trusted: DepthTrusted
    is_short: bool = False
    unchecked: bool = False

    def to_pandas(self) -> pd.DataFrame:
        """A row a level: bid_price, bid_size, ask_price, ask_size; nan where a side is shorter."""
        n = max(len(self.bids), len(self.asks))
        sides = [
            np.vstack([side, np.full((n - len(side), 2), np.nan)])
            for side in (self.bids, self.asks)
        ]
        return pd.DataFrame(
            np.hstack(sides), columns=["bid_price", "bid_size", "ask_price", "ask_size"]
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='color:#a33'>{price:.10g}</td><td>{size:.10g}</td></tr>"
            for price, size in self.asks[:10][::-1].tolist()
        )
        rows += (
            f"<tr><td colspan='2'><small>{self.state.name}, epoch {self.epoch}</small></td></tr>"
        )
        rows += "".join(
            f"<tr><td style='color:#383'>{price:.10g}</td><td>{size:.10g}</td></tr>"
            for price, size in self.bids[:10].tolist()
        )
        title = html.escape(f"{self.venue} {self.trading_pair}")
        return (
            f"<table><caption>{title}</caption><tr><th>price</th><th>size</th></tr>{rows}</table>"
        )

    def plot(self, axes: Any = None) -> Any:
        """Cumulated depth of both sides, with matplotlib; the axes."""
        import matplotlib.pyplot as plt

        axes = axes if axes is not None else plt.gca()
        for levels, colour, name in (
            (self.bids, "tab:green", "bids"),
            (self.asks, "tab:red", "asks"),
        ):
            axes.fill_between(
                levels[:, 0],
                np.cumsum(levels[:, 1]),
                step="post",
                alpha=0.5,
                color=colour,
                label=name,
            )
        axes.set(title=f"{self.venue} {self.trading_pair}", xlabel="price", ylabel="cumulated size")
        axes.legend()
        return axes


class Diff(msgspec.Struct, frozen=True):
    """One applied change: (n, 2) float64 levels with absolute sizes, 0 removes.

    Whoever sets these levels in a copy has the book as it is at (epoch, sequence); levels that fell
    out of the book's window or capacity are removed here too. ``snapshot``: it replaces the copy.
    ``bid_bound`` and ``ask_bound``: the worst price up to which a side is known; nan: wholly. Times
    in ns since 1970.
    """

    epoch: int
    sequence: int
    update_id: int
    bids: Floats
    asks: Floats
    state: BookState
    venue_time: int
    receive_time: int
    bid_bound: float
    ask_bound: float
    snapshot: bool = False


class StateChange(msgspec.Struct, frozen=True):
    """The book's state became another, its levels did not change. It has a number as a Diff has."""

    epoch: int
    sequence: int
    state: BookState
    reason: str


class EpochChange(msgspec.Struct, frozen=True):
    """The book was resynchronised: diffs of the new epoch don't join those of the old one."""

    epoch: int


class Break(msgspec.Struct, frozen=True):
    """Here something may be missing: a restart, a lost connection, or this reader fell behind.

    In diffs an image follows, a Diff with ``snapshot``. ``missed``: how many messages this reader
    was too slow for; 0 where it isn't known.
    """

    reason: str
    missed: int = 0
