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
import threading

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from orderbook import kernels
from orderbook.book import digest_of
from orderbook.errors import NotReady, StaleBook
from orderbook.messages import BookState
from orderbook.queries import BookQueries, Top
from orderbook.shared import COLUMNS, layout_of, what_failed

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_Scratch = tuple[Floats, Floats, Ints]
STATE = kernels.STATE
HEARTBEAT = kernels.HEARTBEAT
SLOTS = len(kernels.SLOTS)
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
    state: BookState
    """That of these levels: STALE when their writer was dead, else what it published with them."""

    @property
    def bounds(self) -> tuple[float, float]:
        """(bid, ask): the worst price up to which each side is known; nan: wholly."""
        bits = np.array([self.meta["bid_bound"], self.meta["ask_bound"]], np.int64)
        bid, ask = bits.view(np.float64).tolist()
        return bid if bid > 0.0 else float("nan"), ask if ask < float("inf") else float("nan")


class _BookFile:
    """One writer's file, mapped. It stays mapped as long as any thread holds this object."""

    def __init__(self, path: str) -> None:
        """Raises FileNotFoundError."""
        source = pa.memory_map(path)
        self.source: pa.MemoryMappedFile | None = source
        """Holds the one descriptor, which is closed when nobody holds this any more."""
        self.inode = os.fstat(source.fileno()).st_ino
        self.buffer = source.read_buffer()
        offset, capacity = layout_of(self.buffer)
        f: Floats = np.frombuffer(self.buffer, np.float64, 7 * capacity, offset)
        self.f = f.reshape(7, capacity)
        self.m: Ints = self.f.view(np.int64)
        self.meta: Ints = self.m[kernels.META]
        self._free: list[_Scratch] = []

    def scratch(self) -> _Scratch:
        """Room for one reading, used by nobody else until it is given back."""
        try:
            return self._free.pop()
        except IndexError:
            capacity = self.f.shape[1]
            return np.empty((capacity, 2)), np.empty((capacity, 2)), np.zeros(SLOTS, np.int64)

    def give_back(self, scratch: _Scratch) -> None:
        self._free.append(scratch)

    @property
    def writer_lives(self) -> bool:
        age = kernels.monotonic_ns() - int(self.meta[kernels.HEARTBEAT])
        return bool(age <= STALE_AFTER) and self._is_locked

    @property
    def _is_locked(self) -> bool:
        source = self.source
        if source is None:
            return False
        try:
            fcntl.flock(source.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(source.fileno(), fcntl.LOCK_UN)
        return False

    def settles(self) -> bool:
        """Wait for an even version; False when the writer is slow, or died inside its bracket."""
        for _ in range(YIELDS):
            if not self.meta[kernels.VERSION] & 1:
                return True
            os.sched_yield()
            if not self.writer_lives:
                return False
        return False


class BookReader(BookQueries):
    """A shared book, read in place, by any number of threads at once.

    Reading a book that is not LIVE raises NotReady (syncing) or StaleBook, unless ``stale_ok``.
    """

    def __init__(self, path: str) -> None:
        """Raises NotReady when no book is there (yet), or one that can't be read."""
        self.path = path
        self._reopening = threading.Lock()
        try:
            self._file = _BookFile(path)
        except FileNotFoundError:
            raise NotReady(
                f"no book at {self.path}: its tracker isn't up yet, or the pair isn't tracked"
            ) from None
        except OSError as error:
            raise NotReady(f"the book {path} can't be read: {what_failed(error)}") from None
        except ValueError as error:
            raise NotReady(
                f"the book {path} can't be read: {error}; its tracker replaces it"
            ) from None

    @property
    def block(self) -> Floats:
        """The file's columns, (7, capacity), uncopied; another array after a change of writer."""
        return self._file.f

    def close(self) -> None:
        """Give up the descriptor: from now on the book is STALE."""
        self._file.source = None

    def top(self, stale_ok: bool = False) -> Top:
        """Best bid and ask, float64."""
        file = self._file
        version, state, age, bid, bid_size, ask, ask_size = kernels.read_top(file.f, file.m)
        if (version < 0 or state != 1 or age > LOOK_AT_LOCK_AFTER) and self._judge(
            file, version, state, stale_ok
        ) is None:
            return self.top(stale_ok)
        return Top(bid, bid_size, ask, ask_size)

    def top_and_state(self) -> tuple[Top, BookState]:
        """One reading, LIVE or not. Raises StaleBook when the writer died inside a change."""
        while True:
            file = self._file
            version, state, _, bid, bid_size, ask, ask_size = kernels.read_top(file.f, file.m)
            judged = self._judge(file, version, state, True)
            if judged is not None:
                return Top(bid, bid_size, ask, ask_size), judged

    def levels(self, depth: int | None = None, stale_ok: bool = False) -> Levels:
        """A consistent copy of the ``depth`` best levels a side (None: all).

        Raises ValueError for a negative depth.
        """
        file = self._file
        wanted = file.f.shape[1] if depth is None else depth
        if wanted < 0:
            raise ValueError(f"depth is {depth}: it must be 0 or more")
        scratch = file.scratch()
        bids, asks, seen = scratch
        n_bids, n_asks = kernels.read_levels(file.f, file.m, wanted, bids, asks, seen)
        meta = dict(zip(kernels.SLOTS, seen.tolist(), strict=True))
        state: BookState | None = BookState.LIVE
        quiet = kernels.monotonic_ns() - meta["heartbeat"] > LOOK_AT_LOCK_AFTER
        if n_bids < 0 or meta["state"] != 1 or quiet:
            state = self._judge(file, n_bids, meta["state"], stale_ok)
        if state is None:
            file.give_back(scratch)
            return self.levels(depth, stale_ok)
        found = Levels(bids[:n_bids].copy(), asks[:n_asks].copy(), meta, state)
        file.give_back(scratch)
        return found

    def copy_levels(self, depth: int, bids: Floats, asks: Floats) -> tuple[int, int]:
        """The fast form of ``levels``: fills the caller's arrays and returns (n bids, n asks).

        Raises NotReady or StaleBook for a book that is not LIVE, ValueError for a negative depth.
        """
        if depth < 0:
            raise ValueError(f"depth is {depth}: it must be 0 or more")
        file = self._file
        scratch = file.scratch()
        seen = scratch[2]
        n_bids, n_asks = kernels.read_levels(file.f, file.m, depth, bids, asks, seen)
        state = seen.item(STATE)
        quiet = kernels.monotonic_ns() - seen.item(HEARTBEAT) > LOOK_AT_LOCK_AFTER
        file.give_back(scratch)
        if (n_bids < 0 or state != 1 or quiet) and self._judge(file, n_bids, state, False) is None:
            return self.copy_levels(depth, bids, asks)
        return n_bids, n_asks

    def get_price(self, is_buy: bool) -> float:
        """The best price to buy (ask) or sell (bid) at."""
        top = self.top()
        return top.ask if is_buy else top.bid

    def get_mid_price(self) -> float:
        """Between the best bid and the best ask of one reading."""
        return self.top().mid

    def _judge(self, file: _BookFile, reading: int, seen: int, stale_ok: bool) -> BookState | None:
        """What a doubtful reading of ``file`` is; None: read again.

        ``reading``: negative when the writer was at work all the time. ``seen``: the state in it.
        Raises NotReady or StaleBook when it may not be used.
        """
        state = self.state
        if self._file is not file:
            return None
        if reading < 0:
            if file.settles():
                return None
            raise self._refusal(state)
        if state is not BookState.STALE and seen != state:
            return None
        if state is BookState.LIVE or stale_ok:
            return state
        raise self._refusal(state)

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

    def _reopened(self, before: _BookFile) -> bool:
        """Whether another file than ``before`` is read from now on: a new writer replaced it."""
        with self._reopening:
            if self._file is not before:
                return True
            try:
                if os.stat(self.path).st_ino == before.inode:
                    return False
                self._file = _BookFile(self.path)
            except (OSError, ValueError):
                return False  # none, or not a whole one yet
            return True

    @property
    def state(self) -> BookState:
        """STALE when the writer is dead, else the state that it published."""
        file = self._file
        if not file.writer_lives:
            if self._reopened(file):
                return self.state
            return BookState.STALE
        return BookState(int(file.meta[kernels.STATE]))

    @property
    def epoch(self) -> int:
        return int(self._file.meta[kernels.EPOCH])

    @property
    def sequence(self) -> int:
        return int(self._file.meta[kernels.SEQUENCE])

    @property
    def capacity(self) -> int:
        """Levels a side at most."""
        return int(self._file.f.shape[1])

    def follow(self) -> None:
        """Read the file of a new writer from now on, if there is one."""
        self._reopened(self._file)

    @property
    def version(self) -> int:
        """Grows with every publish, also over a change of writer; odd while one is under way."""
        file = self._file
        age = kernels.monotonic_ns() - int(file.meta[kernels.HEARTBEAT])
        if age > LOOK_AT_LOCK_AFTER and self._reopened(file):
            file = self._file
        return int(file.meta[kernels.VERSION])

    @property
    def update_id(self) -> int:
        return int(self._file.meta[kernels.UPDATE_ID])

    @property
    def age(self) -> float:
        """Seconds since the last publish."""
        return float(kernels.wall_ns() - int(self._file.meta[kernels.PUBLISH_TIME])) / 1e9

    def meta(self) -> dict[str, int]:
        """Every slot by name, without a guarantee of consistency."""
        return dict(zip(kernels.SLOTS, self._file.meta[: len(kernels.SLOTS)].tolist(), strict=True))

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
            return pa.ipc.open_file(pa.BufferReader(self._file.buffer)).get_batch(0)
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
