"""SharedBook: a live Arrow file in shared memory, with one writer and any number of readers.

The writer holds the file's lock as long as it lives.
"""

import errno
import fcntl
import json
import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from orderbook import kernels
from orderbook.book import OrderBook
from orderbook.errors import ConfigError
from orderbook.mapping import map_file
from orderbook.messages import BookState

COLUMNS = (
    "bid_price",
    "bid_size",
    "bid_update_id",
    "ask_price",
    "ask_size",
    "ask_update_id",
    "meta",
)
LOCK_PATIENCE = 200_000_000
"""How long taking over a file tries to lock it, in ns."""
EPOCH_BITS = 20
"""An epoch is the number of its tracker's start, shifted by this, plus its resynchronisations."""
_FLOATS = ("bid_price", "bid_size", "ask_price", "ask_size")


def book_path(run_dir: str, venue: str, trading_pair: str) -> str:
    """Where a pair's book lives on this node."""
    name = re.sub(r"[^A-Za-z0-9._-]", lambda found: f"%{ord(found[0]):02x}", trading_pair)
    return f"{run_dir}/{venue}/{name}.arrow"


class SharedBook(OrderBook):
    """The one writer of a shared book: ``create`` it, or take it over, and ``close`` it."""

    def __init__(self, path: str, file: int, block: np.ndarray, max_depth: int) -> None:
        super().__init__(max_depth=max_depth, block=block)
        self.path = path
        self._file = file

    @classmethod
    def create(
        cls,
        path: str,
        *,
        venue: str,
        trading_pair: str,
        capacity: int = 4096,
        max_depth: int = 0,
        generation: int = 0,
    ) -> "SharedBook":
        """A SYNCING book at ``path``, its epoch above that of any book that stood there.

        ``generation``: number of this start of its tracker; epochs begin at generation << 20. The
        version and the sequence go on from the book that stood there, so that they never go back.

        Raises ConfigError when another writer lives, there is too little shared memory, too many
        files are open, or the folder can't be used.
        """
        capacity = max(64, (capacity + 7) // 8 * 8)
        try:
            return cls._create(path, venue, trading_pair, capacity, max_depth, generation)
        except OSError as error:
            raise _unusable(path, error) from None

    @classmethod
    def _create(
        cls,
        path: str,
        venue: str,
        trading_pair: str,
        capacity: int,
        max_depth: int,
        generation: int,
    ) -> "SharedBook":
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        before = _lock(path)
        file = -1
        try:
            last = _last_numbers(before) if before is not None else LastNumbers(0, 0, 0)
            epoch = max(last.epoch + 1, generation << EPOCH_BITS)
            file, offset = _new_file(path, venue, trading_pair, capacity)
            mapping = map_file(file, writable=True)
            block = np.frombuffer(mapping, np.float64, 7 * capacity, offset).reshape(7, capacity)
            book = cls(path, file, block, max_depth)
            kernels.clear(book._f, book._m)
            begin = max(last.version, generation << EPOCH_BITS)
            book._meta[kernels.VERSION] = begin + begin % 2
            book._meta[kernels.SEQUENCE] = last.sequence
            kernels.set_state(book._m, int(BookState.SYNCING), epoch)
            _put_in_place(path, before is not None)
            return book
        except BaseException:
            if file >= 0:
                Path(_beside(path)).unlink(missing_ok=True)
                os.close(file)
            raise
        finally:
            if before is not None:
                os.close(before)

    def heartbeat(self) -> None:
        """Show that the writer lives; at least every 250 ms, also when the market is quiet."""
        kernels.beat(self._m)

    def close(self, unlink: bool = False) -> None:
        """Stop being the writer: readers see STALE at once."""
        if self._file < 0:
            return
        self.set_state(BookState.STALE)
        if unlink:
            Path(self.path).unlink(missing_ok=True)
        fcntl.flock(self._file, fcntl.LOCK_UN)  # a forked child may hold the descriptor, too
        os.close(self._file)
        self._file = -1

    def _open_bracket(self) -> None:
        kernels.open_bracket(self._m)


def _lock(path: str) -> int | None:
    """The file that stands at ``path``, locked by us; None when there is none."""
    deadline = kernels.monotonic_ns() + LOCK_PATIENCE
    while True:
        try:
            file = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _stands_at(path, file):
                return file
        except BlockingIOError:
            # Readers that look whether the writer lives hold a shared lock for a microsecond.
            if kernels.monotonic_ns() > deadline:
                os.close(file)
                raise _taken(path) from None
        # Locked, or another writer took over in between and put its own file at the path.
        os.close(file)
        os.sched_yield()


def _stands_at(path: str, file: int) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _put_in_place(path: str, replace: bool) -> None:
    """Put our file at ``path``. Without a predecessor, whose lock we would hold, the first wins."""
    new = _beside(path)
    if replace:
        os.rename(new, path)
        return
    try:
        os.link(new, path)
    except FileExistsError:
        raise _taken(path) from None
    finally:
        os.unlink(new)


def _taken(path: str) -> ConfigError:
    return ConfigError(f"another process writes the book {path}; use another deployment name")


class LastNumbers(NamedTuple):
    """How far a book got whose file is taken over."""

    version: int
    epoch: int
    sequence: int


def _last_numbers(file: int) -> LastNumbers:
    try:
        mapping = map_file(file, writable=False)
        offset, capacity = layout_of(pa.py_buffer(mapping))
        meta = np.frombuffer(
            mapping, np.int64, len(kernels.SLOTS), offset + kernels.META * capacity * 8
        ).copy()
    except ValueError:  # damaged, or of another version
        return LastNumbers(0, 0, 0)
    return LastNumbers(
        version=int(meta[kernels.VERSION]),
        epoch=int(meta[kernels.EPOCH]),
        sequence=int(meta[kernels.SEQUENCE]),
    )


def _new_file(path: str, venue: str, trading_pair: str, capacity: int) -> tuple[int, int]:
    """A reserved, locked file beside ``path``: (descriptor, offset of the first column)."""
    image, offset = _image(venue, trading_pair, capacity)
    new = _beside(path)
    file = -1
    try:
        file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.posix_fallocate(file, 0, len(image))
    except OSError as error:
        if file >= 0:
            os.close(file)
            os.unlink(new)
        raise _no_room(path, len(image), error) from None
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    view = memoryview(image)
    while view:
        view = view[os.write(file, view) :]
    return file, offset


def _beside(path: str) -> str:
    return f"{path}.{os.getpid()}.new"


def _no_room(path: str, needed: int, error: OSError) -> ConfigError:
    if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return _unusable(path, error)
    room = os.statvfs(os.path.dirname(path))
    free = room.f_bavail * room.f_frsize
    return ConfigError(
        f"too little shared memory for the book {path}: it needs {needed} bytes, {free} are free; "
        "enlarge it (docker run --shm-size=1g), lower the capacity, or set shared_memory to "
        "another folder"
    )


def _unusable(path: str, error: OSError) -> ConfigError:
    return ConfigError(f"the book {path} can't be created: {what_failed(error)}")


def what_failed(error: OSError) -> str:
    """The system's words, and the remedy where it is a limit."""
    said = error.strerror or str(error)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{said}; raise the limit of open files (ulimit -n): a book takes one"
    return said


def _image(venue: str, trading_pair: str, capacity: int) -> tuple[bytes, int]:
    """(bytes, offset of the first column) of an empty Arrow file, columns at multiples of 64."""
    for pad in range(0, 64, 8):
        image = _arrow_file(venue, trading_pair, capacity, pad)
        offset, _ = layout_of(pa.py_buffer(image))
        if offset % 64 == 0:
            return image, offset
    raise AssertionError("eight paddings of eight bytes reach every alignment")


def _arrow_file(venue: str, trading_pair: str, capacity: int, pad: int) -> bytes:
    slots = json.dumps({name: number for number, name in enumerate(kernels.SLOTS)})
    about = {"meta": slots, "venue": venue, "trading_pair": trading_pair, "pad": " " * pad}
    fields = [
        pa.field(c, pa.float64() if c in _FLOATS else pa.int64(), nullable=False) for c in COLUMNS
    ]
    arrays = [
        pa.array(np.zeros(capacity, np.float64 if c in _FLOATS else np.int64)) for c in COLUMNS
    ]
    batch = pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields, metadata=about))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def layout_of(buffer: pa.Buffer) -> tuple[int, int]:
    """(offset of the first column, capacity) of a book's file; its columns are contiguous.

    Raises ValueError for what is no book of this version.
    """
    try:
        batch = pa.ipc.open_file(pa.BufferReader(buffer)).get_batch(0)
        addresses = [column.buffers()[1].address for column in batch.columns]
        slots = json.loads(batch.schema.metadata[b"meta"])
    except (pa.ArrowException, OSError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"not a book: {error}") from None
    step = batch.num_rows * 8
    offsets = [address - addresses[0] for address in addresses]
    if offsets != [step * number for number in range(len(COLUMNS))]:
        raise ValueError("not a book: its columns don't follow one another")
    if slots != {name: number for number, name in enumerate(kernels.SLOTS)}:
        raise ValueError("a book of another version of Trochil")
    return addresses[0] - buffer.address, batch.num_rows
