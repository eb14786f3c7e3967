"""A program reads one book view in two threads, at Python's usual switch interval.

Right: every reading is one version of the book (here all sizes of version n are n). Today the
reader's buffers are shared: 194 of 71,224 readings were torn (one thread: none).
"""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from orderbook.messages import BookSnapshot, Layout
from orderbook.reader import BookReader
from orderbook.shared import SharedBook
from tests.known_faults.lab import given

STEPS = np.arange(900.0)


def publish(book: SharedBook, version: int) -> None:
    sizes = np.full(900, float(version))
    bids = np.column_stack([1000 - STEPS, sizes]).tobytes()
    asks = np.column_stack([1001 + STEPS, sizes]).tobytes()
    book.apply_snapshot(BookSnapshot("A", bids, asks, version, layout=Layout.PACKED))


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="two threads share the buffers of one reader, and readings are torn",
)
def test_no_reading_is_torn_between_two_threads(memory: Path) -> None:
    book = SharedBook.create(f"{memory}/a.arrow", venue="x", trading_pair="A-B", capacity=2048)
    publish(book, 1)
    reader = BookReader(book.path)
    over = threading.Event()
    torn: list[bool] = []

    def read() -> None:
        while not over.is_set():
            levels = reader.levels()
            sizes = {*levels.bids[:, 1].tolist(), *levels.asks[:, 1].tolist()}
            torn.append(sizes != {levels.meta["update_id"]})

    threads = [threading.Thread(target=read, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    version = 1
    end = time.monotonic() + 20
    while time.monotonic() < end and not (any(torn[-5000:]) and len(torn) > 1000):
        version += 1
        publish(book, version)
        time.sleep(0.0005)
    over.set()
    for thread in threads:
        thread.join(5)
    given(len(torn) > 1000, f"{len(torn)} readings")
    assert not any(torn), f"{sum(torn)} of {len(torn)} torn"
