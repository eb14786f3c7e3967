"""BookReader: a shared book read in place, from any process, without holding up the writer.

Other programs need no code of ours. Without the version lock they may see a book in the middle
of a change; this recipe, for numpy and pyarrow, reads one consistently::

    batch = pyarrow.ipc.open_file(pyarrow.memory_map(path)).get_batch(0)
    column = {name: batch.column(name).to_numpy() for name in batch.schema.names}
    slot = json.loads(batch.schema.metadata[b"meta"])
    meta = column["meta"]
    while True:
        version = meta[slot["version"]]
        if version % 2 == 0:
            start, length = meta[slot["bid_start"]], meta[slot["bid_length"]]
            bids = column["bid_price"][start:start + length].copy()
            if meta[slot["version"]] == version:
                break

On processors that reorder loads (ARM) put a fence before the second look at the version.
``state`` 1 is LIVE; a ``heartbeat`` (CLOCK_MONOTONIC, ns) older than a second means that the writer
is dead, whatever the ``state``.
"""

import fcntl
import os

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from orderbook import kernels
from orderbook.book import digest_of
from orderbook.errors import NotReady, StaleBook
from orderbook.mapping import map_file
from orderbook.messages import BookState
from orderbook.queries import BookQueries, Top
from orderbook.shared import COLUMNS, layout_of, what_failed

Floats = npt.NDArray[np.float64]
STALE_AFTER = 1_000_000_000
"""ns without a heartbeat after which the writer counts as dead."""
LOOK_AT_LOCK_AFTER = 400_000_000
"""ns without a heartbeat after which a reader looks whether the writer still holds its lock."""
YIELDS = 2000
"""Times that a reader yields its core, for one reading, before it calls the book stale."""


class Levels(msgspec.Struct, frozen=True):
    """One consistent reading: (n, 2) float64 sides, best first, and the meta slots by name."""

    bids: Floats
    asks: Floats
    meta: dict[str, int]

    @property
    def bounds(self) -> tuple[float, float]:
        """(bid, ask): the worst price up to which each side is known; nan: wholly."""
        bits = np.array([self.meta["bid_bound"], self.meta["ask_bound"]], np.int64)
        bid, ask = bits.view(np.float64).tolist()
        return bid if bid > 0.0 else float("nan"), ask if ask < float("inf") else float("nan")


class BookReader(BookQueries):
    """A shared book, read in place.

    Reading a book that is not LIVE raises NotReady (syncing) or StaleBook, unless ``stale_ok``.
    """

    def __init__(self, path: str) -> None:
        """Raises NotReady when no book is there (yet), or one that can't be read."""
        self.path = path
        self._open()

    def _open(self) -> None:
        try:
            self._file = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            raise NotReady(
                f"no book at {self.path}: its tracker isn't up yet, or the pair isn't tracked"
            ) from None
        except OSError as error:
            raise NotReady(f"the book {self.path} can't be read: {what_failed(error)}") from None
        try:
            self._inode = os.fstat(self._file).st_ino
            mapping = map_file(self._file, writable=False)
            self._buffer = pa.py_buffer(mapping)
            offset, capacity = layout_of(self._buffer)
            self._f: Floats = np.frombuffer(mapping, np.float64, 7 * capacity, offset).reshape(
                7, capacity
            )
        except (OSError, ValueError) as error:
            self.close()
            raise NotReady(
                f"the book {self.path} can't be read: {error}; its tracker replaces it"
            ) from None
        self._m = self._f.view(np.int64)
        self._meta = self._m[kernels.META]
        self._bids = np.empty((capacity, 2))
        self._asks = np.empty((capacity, 2))
        self._seen = np.zeros(len(kernels.SLOTS), np.int64)

    @property
    def block(self) -> Floats:
        """The file's columns, (7, capacity), uncopied; another array after a change of writer."""
        return self._f

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        if getattr(self, "_file", -1) >= 0:
            self.close()

    def top(self, stale_ok: bool = False) -> Top:
        """Best bid and ask, float64."""
        version, state, age, bid, bid_size, ask, ask_size = kernels.read_top(self._f, self._m)
        if (version < 0 or state != 1 or age > LOOK_AT_LOCK_AFTER) and self._must_reread(
            version, stale_ok
        ):
            return self.top(stale_ok)
        return Top(bid, bid_size, ask, ask_size)

    def levels(self, depth: int | None = None, stale_ok: bool = False) -> Levels:
        """A consistent copy of the ``depth`` best levels a side (None: all).

        Raises ValueError for a negative depth.
        """
        if depth is not None and depth < 0:
            raise ValueError(f"depth is {depth}: it must be 0 or more, or None for all levels")
        wanted = len(self._bids) if depth is None else depth
        n_bids, n_asks = kernels.read_levels(
            self._f, self._m, wanted, self._bids, self._asks, self._seen
        )
        seen = self._seen
        quiet = kernels.monotonic_ns() - int(seen[kernels.HEARTBEAT]) > LOOK_AT_LOCK_AFTER
        if (n_bids < 0 or seen[kernels.STATE] != 1 or quiet) and self._must_reread(
            n_bids, stale_ok
        ):
            return self.levels(depth, stale_ok)
        meta = dict(zip(kernels.SLOTS, seen.tolist(), strict=True))
        return Levels(self._bids[:n_bids].copy(), self._asks[:n_asks].copy(), meta)

    def copy_levels(self, depth: int, bids: Floats, asks: Floats) -> tuple[int, int]:
        """The fast form of ``levels``: fills the caller's arrays and returns (n bids, n asks).

        Raises NotReady or StaleBook for a book that is not LIVE, ValueError for a negative depth.
        """
        if depth < 0:
            raise ValueError(f"depth is {depth}: it must be 0 or more")
        n_bids, n_asks = kernels.read_levels(self._f, self._m, depth, bids, asks, self._seen)
        seen = self._seen
        quiet = kernels.monotonic_ns() - seen[kernels.HEARTBEAT] > LOOK_AT_LOCK_AFTER
        if (n_bids < 0 or seen[kernels.STATE] != 1 or quiet) and self._must_reread(n_bids, False):
            return self.copy_levels(depth, bids, asks)
        return n_bids, n_asks

    def _must_reread(self, reading: int, stale_ok: bool) -> bool:
        """The slow path of a reading: False if it may be used, True to read again; else raises."""
        read_from = self._inode
        state = self.state
        if self._inode != read_from:
            return True
        if state is BookState.LIVE and reading >= 0:
            return False
        if reading < 0 and state is not BookState.STALE and self._settles():
            return True
        if stale_ok and reading >= 0:
            return False
        raise self._refusal(state)

    def _settles(self) -> bool:
        """Wait for an even version; False when the writer is slow, or died inside its bracket."""
        for _ in range(YIELDS):
            if not self._meta[kernels.VERSION] & 1:
                return True
            os.sched_yield()
            if not self._writer_lives():
                return False
        return False

    def _refusal(self, state: BookState) -> NotReady:
        if state is BookState.SYNCING:
            return NotReady(
                f"the book {self.path} is syncing; "
                "wait until it is LIVE, or read with stale_ok=True"
            )
        if state is BookState.LIVE:
            why = "its writer did not finish a change in time; read again"
        elif state is BookState.STALE:
            why = "its writer is dead"
        else:
            why = "its feed broke and it waits for a snapshot"
        return StaleBook(
            f"the book {self.path} is {state.name}: {why}; "
            "the last levels can be read with stale_ok=True"
        )

    def _reopened(self) -> bool:
        """Whether a new writer replaced the file; then the new one is read from now on."""
        try:
            if os.stat(self.path).st_ino == self._inode:
                return False
        except FileNotFoundError:
            return False
        self.close()
        self._open()
        return True

    def _writer_lives(self) -> bool:
        age = kernels.monotonic_ns() - int(self._meta[kernels.HEARTBEAT])
        return bool(age <= STALE_AFTER) and self._is_locked()

    def _is_locked(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return False

    @property
    def state(self) -> BookState:
        """STALE when the writer is dead, else the state that it published."""
        if not self._writer_lives():
            if self._reopened():
                return self.state
            return BookState.STALE
        return BookState(int(self._meta[kernels.STATE]))

    @property
    def epoch(self) -> int:
        return int(self._meta[kernels.EPOCH])

    @property
    def sequence(self) -> int:
        return int(self._meta[kernels.SEQUENCE])

    @property
    def capacity(self) -> int:
        """Levels a side at most."""
        return int(self._f.shape[1])

    def follow(self) -> None:
        """Read the file of a new writer from now on, if there is one."""
        self._reopened()

    @property
    def version(self) -> int:
        """Grows with every publish, also over a change of writer; odd while one is under way."""
        age = kernels.monotonic_ns() - int(self._meta[kernels.HEARTBEAT])
        if age > LOOK_AT_LOCK_AFTER:
            self._reopened()
        return int(self._meta[kernels.VERSION])

    @property
    def update_id(self) -> int:
        return int(self._meta[kernels.UPDATE_ID])

    @property
    def age(self) -> float:
        """Seconds since the last publish."""
        return float(kernels.wall_ns() - int(self._meta[kernels.PUBLISH_TIME])) / 1e9

    def meta(self) -> dict[str, int]:
        """Every slot by name, without a guarantee of consistency."""
        return dict(zip(kernels.SLOTS, self._meta[: len(kernels.SLOTS)].tolist(), strict=True))

    @property
    def bids(self) -> Floats:
        """(n, 2) float64, price and size, best first: a consistent copy."""
        return self.levels().bids

    @property
    def asks(self) -> Floats:
        """(n, 2) float64, price and size, best first: a consistent copy."""
        return self.levels().asks

    def digest(self) -> str:
        levels = self.levels()
        return digest_of(levels.bids, levels.asks)

    def arrow(self, depth: int | None = None, live: bool = False) -> pa.RecordBatch:
        """The book as a record batch: a consistent copy of ``depth`` levels a side, best first.

        Its columns are bid_price, bid_size, ask_price and ask_size, with nulls where a side is
        shorter. ``live``: the file's own columns instead, all of them, uncopied and changing.
        """
        if live:
            return pa.ipc.open_file(pa.BufferReader(self._buffer)).get_batch(0)
        found = self.levels(depth)
        length = max(len(found.bids), len(found.asks))
        columns = [found.bids[:, 0], found.bids[:, 1], found.asks[:, 0], found.asks[:, 1]]
        arrays = [
            pa.array(np.concatenate([c, np.full(length - len(c), np.nan)]), from_pandas=True)
            for c in columns
        ]
        return pa.RecordBatch.from_arrays(
            arrays, names=[c for c in COLUMNS if c.endswith(("price", "size"))]
        )
