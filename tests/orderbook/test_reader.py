"""Readers of a shared book: what they refuse, what they call it, what they hold."""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from orderbook import kernels
from orderbook.errors import NotReady
from orderbook.messages import BookSnapshot, BookState
from orderbook.reader import BookReader
from orderbook.shared import SharedBook, book_path
from orderbook.warm import warm


@pytest.fixture
def book() -> Iterator[SharedBook]:
    warm()
    folder = tempfile.mkdtemp(prefix="test-reader-", dir="/dev/shm")
    path = book_path(folder, "venue", "A-B")
    made = SharedBook.create(path, venue="venue", trading_pair="A-B", capacity=64)
    made.apply_snapshot(BookSnapshot("A", b'[["10","1"],["9","2"]]', b'[["11","1"],["12","2"]]', 1))
    yield made
    made.close()
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "ask",
    [
        lambda reader: reader.levels(-1),
        lambda reader: reader.copy_levels(-1, np.empty((1, 2)), np.empty((1, 2))),
        lambda reader: reader.get_quote_volume_for_base_amount(True, -1.0),
        lambda reader: reader.get_price_for_volume(True, -1.0),
        lambda reader: reader.get_vwap_for_volume(False, float("nan")),
        lambda reader: reader.get_volume_for_price(True, float("nan")),
    ],
    ids=["levels", "copy_levels", "quote volume", "price for volume", "vwap of nan", "nan price"],
)
def test_an_argument_that_means_nothing_is_refused_by_name(
    book: SharedBook, ask: Callable[[BookReader], Any]
) -> None:
    with pytest.raises(ValueError, match="depth|volume|price|base_amount"):
        ask(BookReader(book.path))


def test_a_book_holds_one_descriptor_until_its_last_reader_is_gone(book: SharedBook) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    readers = [BookReader(book.path) for _ in range(10)]
    assert descriptors() == before + 10
    for reader in readers:
        reader.close()
        assert reader.state is BookState.STALE
    assert descriptors() == before
    assert readers[0].levels(stale_ok=True).bids.tolist() == [[10.0, 1.0], [9.0, 2.0]]


def test_levels_say_what_their_own_reading_was(book: SharedBook) -> None:
    reader = BookReader(book.path)
    assert reader.levels().state is BookState.LIVE
    book.set_state(BookState.INVALID)
    assert reader.levels(stale_ok=True).state is BookState.INVALID
    book.close()
    found = reader.levels(stale_ok=True)
    assert found.state is BookState.STALE
    again = SharedBook.create(book.path, venue="venue", trading_pair="A-B", capacity=64)
    assert found.state is BookState.STALE
    assert reader.levels(stale_ok=True).state is BookState.SYNCING
    again.close()


def test_what_was_read_before_a_book_became_live_is_not_given_as_live(book: SharedBook) -> None:
    """A book is INVALID with wrong levels and LIVE with right ones, in turn."""
    reader = BookReader(book.path)
    over = threading.Event()

    def write() -> None:
        number = 1
        while not over.is_set():
            number += 1
            book.set_state(BookState.INVALID)
            book._f[kernels.BIDS + 1, book._meta[kernels.BID_START]] = 666.0
            sides = f'[["10","{number}"]]'.encode(), b'[["11","1"]]'
            book.apply_snapshot(BookSnapshot("A", *sides, number))

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    refused = 0
    for _ in range(20_000):
        try:
            assert reader.top().bid_size != 666.0
            assert reader.levels(1).bids[0, 1] != 666.0
        except NotReady:
            refused += 1
    over.set()
    writer.join()
    assert refused
