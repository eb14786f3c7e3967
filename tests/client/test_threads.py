"""Views, tops and the catalogue in many threads at once: every reading is one version of its book.

The book is written by another process at full speed; its levels say which generation they are of.
"""

import asyncio
import os
import random
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from orderbook.errors import NotReady
from orderbook.reader import BookReader
from orderbook.shared import book_path
from orderbook.warm import warm
from tests.support.written_books import (
    CHANGES,
    DEPTH,
    create,
    forked,
    full_speed,
    generation,
    heard,
    whole,
)
from trochil.catalogue import Catalogue
from trochil.views import BookView

THREADS = 8
BOOKS = 50


@pytest.fixture
def folder() -> Iterator[str]:
    """In shared memory."""
    warm()
    made = tempfile.mkdtemp(prefix="test-threads-", dir="/dev/shm")
    yield made
    shutil.rmtree(made)


def view_of(folder: str, pair: str) -> BookView:
    async def no_diffs() -> Any:
        yield

    reader = BookReader(book_path(folder, "venue", pair))
    return BookView("venue", pair, reader, None, no_diffs, iter)  # type: ignore[arg-type]


def written_in_turn(folder: str) -> Callable[[int], None]:
    """The work of a process that writes many books, one generation of each after another."""

    def work(pipe: int) -> None:
        books = [create(book_path(folder, "venue", f"P{n}-USD")) for n in range(BOOKS)]
        for book in books:
            book.apply_snapshot(whole(0))
        os.write(pipe, b"live")
        while True:
            for change in CHANGES:
                for book in books:
                    book.apply_diff(change)
            for book in books:
                book.apply_snapshot(whole(0))

    return work


def replaced(path: str) -> Callable[[int], None]:
    """The work of a writer that puts a new file of another size in place, again and again."""

    def work(pipe: int) -> None:
        capacity = 64
        book = create(path)
        book.apply_snapshot(whole(0))
        os.write(pipe, b"live")
        while True:
            book.apply_diffs(CHANGES[:300])
            book.close()
            capacity = 192 - capacity
            book = create(path, capacity)
            book.apply_snapshot(whole(0))

    return work


class Reading:
    """What the threads found: readings, torn ones, refused ones and generations seen."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.good = 0
        self.refused = 0
        self.torn: list[object] = []
        self.generations: set[int] = set()
        self.errors: list[BaseException] = []

    def join(self, readers: list[Callable[["Reading"], None]]) -> None:
        """Run each in a thread of its own until they have read enough together."""
        parts = [Reading(self.wanted // len(readers)) for _ in readers]
        threads = [
            threading.Thread(target=self._run, args=(read, part), daemon=True)
            for read, part in zip(readers, parts, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(600)
            assert not thread.is_alive(), "a thread hangs"
        for part in parts:
            self.good += part.good
            self.refused += part.refused
            self.torn += part.torn
            self.errors += part.errors
            self.generations |= part.generations

    @staticmethod
    def _run(read: Callable[["Reading"], None], part: "Reading") -> None:
        try:
            while part.good < part.wanted and len(part.torn) < 10:
                try:
                    read(part)
                except NotReady:  # StaleBook is one: between two writers
                    part.refused += 1
        except BaseException as error:
            part.errors.append(error)

    def saw(self, numbers: Iterable[float], is_whole: bool, what: object) -> None:
        """One reading of one or more books, each of the generation that its levels tell."""
        if is_whole:
            seen = [int(number) for number in numbers]
            self.good += len(seen)
            self.generations.update(seen)
        else:
            self.torn.append(what)


def view_reader(view: BookView) -> Callable[[Reading], None]:
    """Reads a view in each of the ways that it has."""
    bids = np.empty((DEPTH, 2))
    asks = np.empty((DEPTH, 2))
    draw = random.Random(threading.get_ident())

    def levels(reading: Reading) -> None:
        found = view.reader.levels()
        right = [*generation(found.meta["update_id"])]
        reading.saw(
            [found.meta["update_id"]], [found.bids.tolist(), found.asks.tolist()] == right, found
        )

    def copied(reading: Reading) -> None:
        counts = view.reader.copy_levels(DEPTH, bids, asks)
        number = int(bids[0, 1] - bids[0, 0] * 1000)
        right = counts == (DEPTH, DEPTH) and [bids.tolist(), asks.tolist()] == [*generation(number)]
        reading.saw([number], right, (bids.copy(), asks.copy()))

    def book(reading: Reading) -> None:
        found = view.snapshot(DEPTH)
        right = [*generation(found.update_id)]
        reading.saw([found.update_id], [found.bids.tolist(), found.asks.tolist()] == right, found)

    def top(reading: Reading) -> None:
        for _ in range(50):
            bid, bid_size, ask, ask_size = view.top()
            number = bid_size - bid * 1000
            right = ask == bid + 1000 and ask_size - ask * 1000 == number
            reading.saw([number], right, (bid, bid_size, ask, ask_size))

    def middle(reading: Reading) -> None:
        middle = view.get_mid_price()
        reading.saw([0], middle % 1 == 0 and 1500 <= middle < 1550, middle)

    ways = [levels, copied, book, top, middle]
    return lambda reading: draw.choice(ways)(reading)


def tops_reader(catalogue: Catalogue) -> Callable[[Reading], None]:
    def read(reading: Reading) -> None:
        table: pa.Table = catalogue.tops()
        bid, bid_size, ask, ask_size = (
            table.column(name).to_numpy() for name in ("bid", "bid_size", "ask", "ask_size")
        )
        numbers = bid_size - bid * 1000
        right = (ask == bid + 1000) & (ask_size - ask * 1000 == numbers)
        # A writer that was put to sleep inside a change leaves nothing to read.
        none = np.isnan(bid) & np.isnan(ask) & (table.column("state").to_numpy() == "STALE")
        named = table.column("pair").to_pylist() == [f"P{n}-USD" for n in range(BOOKS)]
        reading.refused += int(none.sum())
        reading.saw(numbers[right], bool((right | none).all()) and named, table)

    return read


@contextmanager
def switching_often() -> Iterator[None]:
    """Threads take turns after 20 us in place of 5 ms."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(2e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("wanted", [200_000, pytest.param(10_000_000, marks=pytest.mark.slow)])
def test_no_reading_is_torn_between_threads(folder: str, wanted: int) -> None:
    with ExitStack() as stack:
        stack.enter_context(full_speed(book_path(folder, "venue", "A-B")))
        _, pipe = stack.enter_context(forked(written_in_turn(folder)))
        assert heard(pipe) == b"live"
        views = [view_of(folder, f"P{n}-USD") for n in range(BOOKS)]

        async def list_books() -> list[BookView]:
            return views

        catalogue = Catalogue(list_books)
        asyncio.run(catalogue.refresh())
        view = view_of(folder, "A-B")
        readers = [view_reader(view) for _ in range(THREADS)]
        readers += [tops_reader(catalogue) for _ in range(THREADS)]
        stack.enter_context(switching_often())
        reading = Reading(wanted)
        reading.join(readers)
    print(
        f"\n{reading.good} readings, {len(reading.generations)} generations, "
        f"{reading.refused} refused, {len(reading.torn)} torn"
    )
    assert not reading.errors, reading.errors[0]
    assert not reading.torn, reading.torn[0]
    assert reading.good >= wanted
    assert len(reading.generations) > 20


def test_threads_read_on_while_one_writer_after_another_puts_its_file_in_place(folder: str) -> None:
    path = book_path(folder, "venue", "A-B")
    with forked(replaced(path)) as (_, pipe), switching_often():
        assert heard(pipe) == b"live"
        view = view_of(folder, "A-B")
        epochs = [view.epoch]
        reading = Reading(100_000)
        reading.join([view_reader(view) for _ in range(THREADS)])
        epochs.append(view.epoch)
    assert not reading.errors, reading.errors[0]
    assert not reading.torn, reading.torn[0]
    assert epochs[1] > epochs[0] + 3, "too few changes of writer were seen"
