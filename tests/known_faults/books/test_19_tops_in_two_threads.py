"""Two threads call tops(), which "may be called from any thread".

Right: every row is one version of its book (here ask = bid + 1 and both sizes are equal). Today
13,949 rows of 33,255 tables of 100 books were torn, 4,200 of them crossed (one thread: none).
"""

import asyncio
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from orderbook.messages import BookSnapshot, Layout
from orderbook.reader import BookReader
from orderbook.shared import SharedBook
from tests.known_faults.lab import given
from trochil.catalogue import Catalogue


class View:
    def __init__(self, name: str, reader: BookReader) -> None:
        self.venue = "v"
        self.trading_pair = name
        self.reader = reader


def publish(book: SharedBook, n: int) -> None:
    bids = np.array([[100 + n, n]], float).tobytes()
    asks = np.array([[101 + n, n]], float).tobytes()
    book.apply_snapshot(BookSnapshot("A", bids, asks, n, layout=Layout.PACKED))


def torn_rows(table: object) -> int:
    bid, ask, bids, asks = (
        table.column(name).to_numpy() for name in ("bid", "ask", "bid_size", "ask_size")
    )
    return int(((ask - bid != 1) | (bids != asks)).sum())


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="two threads share the buffers of tops(), and rows are torn",
)
def test_no_row_of_tops_is_torn_between_two_threads(memory: Path) -> None:
    books = [
        SharedBook.create(f"{memory}/P{n}.arrow", venue="v", trading_pair="A-B", capacity=64)
        for n in range(100)
    ]
    for book in books:
        publish(book, 1)
    views = [View(f"P{n}", BookReader(book.path)) for n, book in enumerate(books)]

    async def look() -> list[View]:
        return views

    catalogue = Catalogue(look)
    asyncio.run(catalogue.refresh())
    over = threading.Event()
    torn: list[int] = []

    def read() -> None:
        while not over.is_set():
            torn.append(torn_rows(catalogue.tops()))

    threads = [threading.Thread(target=read, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    n = 1
    end = time.monotonic() + 10
    while time.monotonic() < end:
        n += 1
        for book in books:
            publish(book, n if n % 2 else 1000 - n % 500)
        time.sleep(0.001)
    over.set()
    for thread in threads:
        thread.join(5)
    given(len(torn) > 100, f"{len(torn)} tables")
    assert not any(torn), f"{sum(torn)} rows torn in {len(torn)} tables"
