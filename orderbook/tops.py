"""The best levels of many books in one call, read in place by one kernel."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from orderbook import kernels
from orderbook.errors import NotReady, StaleBook
from orderbook.messages import BookState
from orderbook.reader import LOOK_AT_LOCK_AFTER, BookReader

LIVE = int(BookState.LIVE)
STALE = int(BookState.STALE)


class Tops:
    """Best bid and ask of many books: ``read`` fills ``states`` and ``numbers``.

    ``states``: (n,) int64 BookStates. ``numbers``: (n, 5) float64: bid, bid size, ask, ask size,
    age in seconds; nan where there is none.
    """

    def __init__(self, readers: Sequence[BookReader]) -> None:
        self._readers = list(readers)
        n = len(self._readers)
        self._blocks: list[npt.NDArray[np.float64]] = [reader.block for reader in self._readers]
        self._addresses = np.zeros(n, np.int64)
        self._capacities = np.zeros(n, np.int64)
        self._looks = np.zeros((n, 2), np.int64)
        self.numbers = np.zeros((n, 5))
        self.states = self._looks[:, 0]
        for i in range(n):
            self._point(i)

    def _point(self, i: int) -> None:
        """Holding the block keeps its memory mapped, whatever its reader does."""
        block = self._readers[i].block
        self._blocks[i] = block
        self._addresses[i] = block.ctypes.data
        self._capacities[i] = block.shape[1]

    def read(self) -> None:
        """Read all books; those that may not be LIVE once more, one by one."""
        kernels.read_tops(self._addresses, self._capacities, self._looks, self.numbers)
        for i in self._doubtful():
            self._look(i)

    def _doubtful(self) -> Iterator[int]:
        states = self._looks[:, 0]
        ages = self._looks[:, 1]
        yield from np.flatnonzero((states != LIVE) | (ages > LOOK_AT_LOCK_AFTER)).tolist()

    def _look(self, i: int) -> None:
        reader = self._readers[i]
        self.states[i] = int(reader.state)
        if reader.block is not self._blocks[i]:
            self._point(i)  # a new writer put another file in its place
        try:
            self.numbers[i, :4] = reader.top(stale_ok=True)
        except (NotReady, StaleBook):
            self.numbers[i, :4] = np.nan
        self.numbers[i, 4] = reader.age
