"""The tops of many books in one call: what a reader of one book would say of each."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from orderbook import kernels
from orderbook.messages import BookSnapshot, BookState
from orderbook.reader import BookReader
from orderbook.shared import SharedBook
from orderbook.tops import Tops
from orderbook.warm import warm


def book(folder: Path, name: str, bid: float = 1.0) -> SharedBook:
    made = SharedBook.create(str(folder / name), venue="x", trading_pair=name, capacity=64)
    made.apply_snapshot(BookSnapshot(name, f'[["{bid}","3"]]'.encode(), b'[["9","4"]]', 1))
    return made


@pytest.fixture
def books(tmp_path: Path) -> Iterator[list[SharedBook]]:
    warm()  # compiling takes longer than a writer may be silent
    made = [book(tmp_path, f"B{number}", 1.0 + number) for number in range(3)]
    yield made
    for one in made:
        one.close()


def test_each_row_is_what_its_reader_reads(books: list[SharedBook]) -> None:
    readers = [BookReader(one.path) for one in books]
    tops = Tops(readers)
    rows = tops.read()
    assert rows.numbers[:, :4].tolist() == [list(reader.top()) for reader in readers]
    assert rows.states.tolist() == [BookState.LIVE] * 3
    assert ((rows.numbers[:, 4] >= 0) & (rows.numbers[:, 4] < 60)).all()


def test_a_change_shows_at_the_next_reading(books: list[SharedBook]) -> None:
    tops = Tops([BookReader(one.path) for one in books])
    books[1].apply_snapshot(BookSnapshot("B1", b'[["5","6"]]', b"[]", 2))
    rows = tops.read()
    assert rows.numbers[1, :2].tolist() == [5.0, 6.0]
    assert np.isnan(rows.numbers[1, 2])


def test_states_that_are_not_live_are_told_with_the_last_levels(books: list[SharedBook]) -> None:
    tops = Tops([BookReader(one.path) for one in books])
    books[0].set_state(BookState.INVALID)
    books[2].close()
    rows = tops.read()
    assert rows.states.tolist() == [BookState.INVALID, BookState.LIVE, BookState.STALE]
    assert rows.numbers[:, 0].tolist() == [1.0, 2.0, 3.0]


def test_a_book_that_a_new_writer_took_over_is_followed(
    books: list[SharedBook], tmp_path: Path
) -> None:
    tops = Tops([BookReader(one.path) for one in books])
    books[0].close()
    books[0] = book(tmp_path, "B0", bid=7.0)
    for _ in range(2):
        rows = tops.read()
        assert rows.numbers[0, 0] == 7.0
        assert rows.states[0] == BookState.LIVE


def test_a_writer_that_died_inside_its_bracket_leaves_no_numbers(books: list[SharedBook]) -> None:
    tops = Tops([BookReader(one.path) for one in books])
    kernels.open_bracket(books[1]._m)
    books[1]._m[kernels.META, kernels.HEARTBEAT] -= 2_000_000_000
    rows = tops.read()
    assert rows.states[1] == BookState.STALE
    assert np.isnan(rows.numbers[1, :4]).all()
    kernels.close_bracket(books[1]._m)


def test_no_books_are_no_rows() -> None:
    tops = Tops([])
    rows = tops.read()
    assert rows.numbers.shape == (0, 5)
