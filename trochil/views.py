"""What a client holds of a book: read in place, in this process, without asking anybody."""

import math
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd
import pyarrow as pa

from orderbook import kernels
from orderbook.errors import ConfigError
from orderbook.messages import BookState
from orderbook.queries import Top
from orderbook.reader import BookReader, Levels
from trochil.records import (
    Book,
    Break,
    DepthTrusted,
    Diff,
    EpochChange,
    Floats,
    StateChange,
)

Change = Diff | StateChange | EpochChange | Break


class ChangeWaiter(Protocol):
    """Blocks a thread until something changed."""

    def wait_until(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        """Until ``condition`` holds; False on timeout."""


class BookView:
    """A live book, for any number of threads at once.

    What isn't LIVE raises NotReady or StaleBook, unless ``stale_ok=True``.
    """

    def __init__(
        self,
        venue: str,
        trading_pair: str,
        reader: BookReader,
        changes: ChangeWaiter,
        diffs: "Callable[[], AsyncIterator[Change]]",
        iterate: "Callable[[AsyncIterator[Any]], Iterator[Any]]",
    ) -> None:
        self.venue = venue
        self.trading_pair = trading_pair
        self.reader = reader
        """The shared file in place: the fast forms of what this object does."""
        self._changes = changes
        self._diffs = diffs
        self._iterate = iterate
        setattr(self, "top", reader.top)  # noqa: B010 - bound at once: a call less on the hottest path
        self.get_price = reader.get_price
        self.get_mid_price = reader.get_mid_price
        self.get_vwap_for_volume = reader.get_vwap_for_volume
        self.get_price_for_volume = reader.get_price_for_volume
        self.get_volume_for_price = reader.get_volume_for_price
        self.get_quote_volume_for_base_amount = reader.get_quote_volume_for_base_amount

    def __repr__(self) -> str:
        state = f"{self.state.name} unchecked" if self.unchecked else self.state.name
        return f"<BookView {self.venue} {self.trading_pair} {state} epoch {self.epoch}>"

    def _repr_html_(self) -> str:
        return self.snapshot(10, stale_ok=True)._repr_html_()

    if TYPE_CHECKING:

        def top(self, stale_ok: bool = False) -> Top:
            """Best bid and ask, float64, in under a microsecond."""

    @property
    def state(self) -> BookState:
        return self.reader.state

    @property
    def epoch(self) -> int:
        return self.reader.epoch

    @property
    def sequence(self) -> int:
        """Our own number of the last publish within all epochs."""
        return self.reader.sequence

    @property
    def age(self) -> float:
        """Seconds since the last publish."""
        return self.reader.age

    @property
    def quiet_for(self) -> float:
        """Seconds since the venue last said anything of this pair: levels, a trade; nan: never."""
        return self._seconds_since("heard_time")

    @property
    def venue_age(self) -> float:
        """Seconds since the venue's own time of the last change; nan where it names none.

        Image feeds may be seconds old when they come. It needs clocks that agree.
        """
        return self._seconds_since("venue_time")

    def _seconds_since(self, slot: str) -> float:
        """Since a time of the book in ns; nan where there is none."""
        at = self.reader.meta()[slot]
        return float(kernels.wall_ns() - at) / 1e9 if at else float("nan")

    @property
    def unchecked(self) -> bool:
        """Whether a lost message could go unnoticed: the feed has no numbers and no checksum."""
        return bool(self.reader.meta()["unchecked"])

    @property
    def checked_levels(self) -> int:
        """Best levels a side that the feed's gap check is of, like a checksum; 0: all.

        Deeper ones are as the messages said; one that was lost would not show there.
        """
        return self.reader.meta()["checked_levels"]

    @property
    def depth_trusted(self) -> DepthTrusted:
        """How many levels each side has, and up to which price it is known."""
        return depth_of(self.reader.levels(0, stale_ok=True))

    @property
    def update_id(self) -> int:
        """The venue's id of the last change; 0 where it numbers nothing."""
        return self.reader.update_id

    @property
    def counters(self) -> dict[str, int]:
        """applied, ignored, gaps, resyncs, crossed, rejected, dropped_before_snapshot and the other
        slots."""
        return self.reader.meta()

    @property
    def bids(self) -> Floats:
        """(n, 2) float64, price and size, best first: a consistent copy."""
        return self.reader.bids

    @property
    def asks(self) -> Floats:
        """(n, 2) float64, price and size, best first: a consistent copy."""
        return self.reader.asks

    def snapshot(self, depth: int | None = 20, stale_ok: bool = False) -> Book:
        """An immutable copy of the ``depth`` best levels a side.

        ``is_short`` says that it has fewer because the book isn't known any farther.
        """
        levels = self.reader.levels(depth, stale_ok)
        names = ("epoch", "sequence", "update_id", "venue_time", "receive_time", "publish_time")
        known = {name: levels.meta[name] for name in names}
        trusted = depth_of(levels)
        wanted = self.reader.capacity if depth is None else depth
        return Book(
            self.venue,
            self.trading_pair,
            levels.bids,
            levels.asks,
            levels.state,
            **known,
            depth_trusted=trusted,
            is_short=(
                (trusted.bid_levels < wanted and not math.isnan(trusted.bid_price))
                or (trusted.ask_levels < wanted and not math.isnan(trusted.ask_price))
            ),
            unchecked=bool(levels.meta["unchecked"]),
        )

    def arrow(self, depth: int | None = None, *, live: bool = False) -> pa.RecordBatch:
        """The book as a record batch; ``live``: the shared file's own columns, uncopied and
        changing."""
        return self.reader.arrow(depth, live)

    def to_pandas(self, depth: int | None = 20) -> pd.DataFrame:
        return self.snapshot(depth).to_pandas()

    def to_polars(self, depth: int | None = 20) -> Any:
        """Raises ConfigError when polars isn't installed."""
        try:
            import polars
        except ImportError:
            raise ConfigError("to_polars needs polars: pip install polars") from None
        return polars.from_arrow(self.arrow(depth))

    def digest(self) -> str:
        """sha256 over the levels as text: ``b,<price>,<size>`` lines, then ``a,...``, best first,
        as repr(float)."""
        return self.reader.digest()

    def wait(self, version: int | None = None, timeout: float | None = None) -> int:
        """Block until the version is another than ``version`` (default: now); the new one, or on
        timeout the old."""
        seen = self.reader.version if version is None else version
        self._changes.wait_until(lambda: self.reader.version != seen, timeout)
        return self.reader.version

    def updates(self) -> Iterator[Book]:
        """A snapshot after each change, conflated: the latest wins. Ends never; idles without
        spinning."""
        seen = -1
        while True:
            seen = self.wait(seen)
            yield self.snapshot(20, stale_ok=True)

    def diffs(self) -> "Iterator[Change]":
        """Every change, in order, beginning with an image (a Diff with ``snapshot``).

        Changes of state and epoch are items. Where something may be missing there is a Break, and
        an image after it. Raises BadPair when the pair is not tracked any more.
        """
        return self._iterate(self._diffs())


def depth_of(levels: Levels) -> DepthTrusted:
    """How far one reading may be believed."""
    bid_price, ask_price = levels.bounds
    return DepthTrusted(levels.meta["bid_length"], bid_price, levels.meta["ask_length"], ask_price)
