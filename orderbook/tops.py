"""The best levels of many books in one call, read in place by one kernel."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from orderbook import kernels
from orderbook.errors import StaleBook
from orderbook.messages import BookState
from orderbook.reader import LOOK_AT_LOCK_AFTER, BookReader

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
LIVE = int(BookState.LIVE)
STALE = int(BookState.STALE)


class TopRows(NamedTuple):
    """One reading of many books, its reader's own."""

    states: Ints
    """(n,) int64 BookStates."""
    numbers: Floats
    """(n, 5) float64: bid, bid size, ask, ask size, age in seconds; nan where there is none."""


class _Pointers(NamedTuple):
    """Where the kernel finds the books. Holding the blocks keeps their memory mapped."""

    blocks: list[Floats]
    addresses: Ints
    capacities: Ints


class Tops:
    """Best bid and ask of many books, for any number of threads at once."""

    def __init__(self, readers: Sequence[BookReader]) -> None:
        self._readers = list(readers)
        self._pointers = self._point()

    def _point(self) -> _Pointers:
        blocks = [reader.block for reader in self._readers]
        return _Pointers(
            blocks,
            np.array([block.ctypes.data for block in blocks], np.int64),
            np.array([block.shape[1] for block in blocks], np.int64),
        )

    def read(self) -> TopRows:
        """Read all books; those that may not be LIVE once more, one by one."""
        pointers = self._pointers
        n = len(self._readers)
        looks = np.empty((n, 2), np.int64)
        numbers = np.empty((n, 5))
        kernels.read_tops(pointers.addresses, pointers.capacities, looks, numbers)
        states = looks[:, 0]
        ages = looks[:, 1]
        moved = False
        for i in np.flatnonzero((states != LIVE) | (ages > LOOK_AT_LOCK_AFTER)).tolist():
            states[i] = self._look(i, numbers[i])
            moved |= self._readers[i].block is not pointers.blocks[i]
        if moved:  # a new writer put another file in a book's place
            self._pointers = self._point()
        return TopRows(states, numbers)

    def _look(self, i: int, row: Floats) -> int:
        """Read one book into its row by its reader; its state. STALE without numbers: its writer
        died inside a change, or does not finish it."""
        reader = self._readers[i]
        row[4] = reader.age
        try:
            top, state = reader.top_and_state()
        except StaleBook:
            row[:4] = np.nan
            return STALE
        row[:4] = top
        return int(state)
