"""One order book: two sorted sides of float64 levels, changed by messages, asked by the tutorial's
questions."""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from orderbook import kernels
from orderbook.level_texts import check, encoded, read_rows, unpack
from orderbook.messages import (
    BookDiff,
    BookSnapshot,
    BookState,
    Layout,
    OrderBookRow,
    Side,
)
from orderbook.queries import BookQueries, Top
from orderbook.scanner import MALFORMED, UNDECIDED

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
ROWS_A_MESSAGE = 20_000
"""Rows a side for which there is room from the start."""
MOST_ROWS = 2_000_000
"""Rows a side for which room is made."""
SHORTEST_ROW = len("[1,1],")
# One message is applied at a time in a process, whatever the number of books.
_scratch: Floats = np.zeros((2, ROWS_A_MESSAGE, 3))


class OrderBook(BookQueries):
    """A book in private memory, or over memory given. Not for several threads.

    ``apply_*`` raise ValueError on malformed levels and then leave the book as it was.
    """

    def __init__(
        self, capacity: int = 4096, max_depth: int = 0, block: Floats | None = None
    ) -> None:
        """``capacity``: levels a side. ``max_depth``: levels of the venue's window, 0 for all.
        ``block``: (7, capacity) float64."""
        self._f: Floats = (
            np.zeros((7, max(capacity, len(kernels.SLOTS)))) if block is None else block
        )
        self._m: Ints = self._f.view(np.int64)
        if block is None:
            kernels.clear(self._f, self._m)
        self._meta = self._m[kernels.META]
        # A side that is smaller than the window never reaches the window's end.
        self._meta[kernels.MAX_DEPTH] = max_depth if max_depth < self.capacity - 1 else 0
        self._live = int(BookState.LIVE)

    def publish_as(self, state: BookState) -> None:
        """What the book is from the next change of its levels on."""
        self._live = int(state)

    def apply_snapshot(
        self, snapshot: BookSnapshot, receive_time: int = 0, full_levels: int = 0
    ) -> None:
        """Replace the book by ``snapshot`` and publish it LIVE. Times in ns.

        ``full_levels``: how many levels a side the venue's snapshot has at most; a side with as
        many is known up to its worst level. 0: the snapshot is the whole book.
        """
        self._ingest(kernels.SNAPSHOT, snapshot, receive_time, full_levels)

    def apply_diff(self, diff: BookDiff, receive_time: int = 0) -> None:
        """Set the changed levels (absolute sizes, 0 removes) and publish.

        A level beyond the bound of its side is left out.
        """
        self._ingest(kernels.DIFF, diff, receive_time)

    def extend(self, farther: "OrderBook", receive_time: int = 0) -> tuple[Floats, Floats]:
        """Take over the levels of ``farther`` beyond our bounds, and its bounds; publish.

        Inside our bounds nothing changes. Returns the levels that are new, (n, 2) float64 a side.
        """
        ids = (kernels.DIFF, self._live, self.update_id, self._meta[kernels.VENUE_TIME])
        bid_bound, ask_bound = self.bounds
        theirs = farther.bounds
        bids = farther.bids
        asks = farther.asks
        new_bids = bids[bids[:, 0] < bid_bound]
        new_asks = asks[asks[:, 0] > ask_bound]
        kernels.extend(self._f, self._m, new_bids, new_asks, theirs, (*ids, receive_time, 0))
        return new_bids, new_asks

    def apply_diffs(self, diffs: Iterable[BookDiff], receive_time: int = 0) -> None:
        for diff in diffs:
            self._ingest(kernels.DIFF, diff, receive_time)

    def note_heard(self, time: int) -> None:
        """The feed said something of this pair, at ``time`` (ns), whatever it was."""
        self._meta[kernels.HEARD_TIME] = time

    def mark_checked_levels(self, levels: int) -> None:
        """Best levels a side that the feed's gap check is of; 0: all."""
        self._meta[kernels.CHECKED_LEVELS] = levels

    def mark_unchecked(self, unchecked: bool) -> None:
        """Whether a lost message could go unnoticed."""
        self._meta[kernels.UNCHECKED] = int(unchecked)

    def _ingest(
        self,
        kind: int,
        message: BookSnapshot | BookDiff,
        receive_time: int,
        full_levels: int = 0,
    ) -> None:
        layout = message.layout
        bids = message.bids
        asks = message.asks
        ids = (kind, self._live, message.update_id, message.time, receive_time, full_levels)
        if layout is Layout.PACKED:
            self._write(unpack(bids), unpack(asks), ids)
            return
        scratch = _scratch_for(bids, asks)
        names = message.names
        if names is not None:
            verdict = kernels.ingest_named(
                self._f, self._m, bids, asks, *encoded(names), scratch, ids
            )
        else:
            verdict = kernels.ingest(self._f, self._m, bids, asks, int(layout), scratch, ids)
        if verdict == MALFORMED:
            raise ValueError(f"malformed levels: {bids[:80]!r} {asks[:80]!r}")
        if verdict == UNDECIDED:
            is_sided = layout is Layout.SIDED
            self._write(
                read_rows(bids, is_sided, names),
                read_rows(asks, False, names),
                ids,
            )

    def _write(self, bids: Floats, asks: Floats, ids: tuple[int, int, int, int, int, int]) -> None:
        check(bids)
        check(asks)
        kernels.write(self._f, self._m, bids, len(bids), asks, len(asks), ids)

    def set_state(self, state: BookState) -> None:
        """Publish a state; readers see it before any level that follows."""
        kernels.set_state(self._m, int(state), 0)

    def new_epoch(self, state: BookState = BookState.SYNCING) -> int:
        """A resync begins: the epoch grows, the state is published. Returns the epoch."""
        epoch = self.epoch + 1
        kernels.set_state(self._m, int(state), epoch)
        return epoch

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter: applied, ignored, gaps, resyncs, crossed, rejected,
        dropped_before_snapshot."""
        self._meta[kernels.SLOTS.index(name)] += n

    @property
    def capacity(self) -> int:
        """Levels a side."""
        return int(self._f.shape[1])

    def beat(self) -> None:
        kernels.beat(self._m)

    @property
    def state(self) -> BookState:
        return BookState(int(self._meta[kernels.STATE]))

    @property
    def epoch(self) -> int:
        return int(self._meta[kernels.EPOCH])

    @property
    def sequence(self) -> int:
        return int(self._meta[kernels.SEQUENCE])

    @property
    def update_id(self) -> int:
        return int(self._meta[kernels.UPDATE_ID])

    @property
    def venue_time(self) -> int:
        """The venue's time of the last change, in ns; 0 where it names none."""
        return int(self._meta[kernels.VENUE_TIME])

    @property
    def receive_time(self) -> int:
        """When the last change was received, in ns."""
        return int(self._meta[kernels.RECEIVE_TIME])

    @property
    def bounds(self) -> tuple[float, float]:
        """(bid, ask): the worst price up to which each side is known; 0.0 and inf: wholly."""
        return float(self._f[kernels.META, kernels.BID_BOUND]), float(
            self._f[kernels.META, kernels.ASK_BOUND]
        )

    @property
    def is_window(self) -> bool:
        """Whether the venue reports a window of the best levels that moves with the market."""
        return bool(self._meta[kernels.MAX_DEPTH])

    @property
    def lengths(self) -> tuple[int, int]:
        """(bids, asks): levels on each side; none stands beyond the side's bound."""
        return int(self._meta[kernels.BID_LENGTH]), int(self._meta[kernels.ASK_LENGTH])

    @property
    def is_crossed(self) -> bool:
        return bool(self._meta[kernels.IS_CROSSED])

    def meta(self) -> dict[str, int]:
        """Every slot by name: version, state, epoch, ids, times (ns), windows, counters."""
        return dict(zip(kernels.SLOTS, self._meta[: len(kernels.SLOTS)].tolist(), strict=True))

    def top(self) -> Top:
        return Top(*kernels.read_top(self._f, self._m)[3:])

    @property
    def bids(self) -> Floats:
        """(n, 2) float64 copy, price and size, best first."""
        return self._side(kernels.BIDS, kernels.BID_START)

    @property
    def asks(self) -> Floats:
        """(n, 2) float64 copy, price and size, best first."""
        return self._side(kernels.ASKS, kernels.ASK_START)

    def _side(self, base: int, where: int) -> Floats:
        start = self._meta[where]
        length = self._meta[where + 1]
        return np.ascontiguousarray(self._f[base : base + 2, start : start + length].T)

    def rows(self, side: Side) -> Iterator[OrderBookRow]:
        """The tutorial's rows, best first."""
        base, where = (
            (kernels.BIDS, kernels.BID_START)
            if side is Side.BUY
            else (kernels.ASKS, kernels.ASK_START)
        )
        for i in range(self._meta[where], self._meta[where] + self._meta[where + 1]):
            yield OrderBookRow(
                float(self._f[base, i]), float(self._f[base + 1, i]), int(self._m[base + 2, i])
            )

    def digest(self) -> str:
        """sha256 over ``b,<price>,<size>`` lines of the bids, then ``a,...`` of the asks, best
        first, repr(float)."""
        return digest_of(self.bids, self.asks)


def digest_of(bids: Floats, asks: Floats) -> str:
    text = hashlib.sha256()
    for name, levels in (("b", bids), ("a", asks)):
        for price, size in levels.tolist():
            text.update(f"{name},{price!r},{size!r}\n".encode())
    return text.hexdigest()


def _scratch_for(bids: bytes, asks: bytes) -> Floats:
    """The scratch; first it grows where a message has more rows than it has room for."""
    global _scratch
    scratch = _scratch
    room = scratch.shape[1]
    if len(bids) > SHORTEST_ROW * room or len(asks) > SHORTEST_ROW * room:
        rows = max(text.count(b"[") + text.count(b"{") for text in (bids, asks))
        if room < rows <= MOST_ROWS:
            _scratch = scratch = np.zeros((2, rows, 3))
    return scratch
