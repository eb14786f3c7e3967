"""Reading a shared book from another process during writes: ns per read, retries, no torn reads."""

import multiprocessing as mp
import tempfile
import time
from typing import Any

import numpy as np
from common import show

from orderbook.messages import BookDiff, BookSnapshot, Layout
from orderbook.reader import BookReader
from orderbook.shared import SharedBook
from orderbook.warm import warm

READS = 200_000
GAPS = {"quiet": None, "10,000 writes/s": 1e-4, "as fast as it can": 0.0}


def write(path: str, gap: float | None, ready: Any, stop: Any) -> None:
    warm()
    book = SharedBook.create(path, venue="x", trading_pair="A-B", capacity=8192)
    levels = ",".join(f'["{1000 - n}","{n + 1}"]' for n in range(500)).encode()
    asks = ",".join(f'["{1001 + n}","{n + 1}"]' for n in range(500)).encode()
    book.apply_snapshot(BookSnapshot("A", b"[" + levels + b"]", b"[" + asks + b"]", 1))
    packed = np.array([[999.0, 5.0]]).tobytes()
    ready.set()
    number = 1
    while not stop.is_set():
        if gap is None:
            book.heartbeat()
            time.sleep(0.1)
            continue
        for _ in range(100):
            number += 1
            book.apply_diff(BookDiff("A", packed, b"", number, number, 0, Layout.PACKED))
            if gap:
                until = time.perf_counter() + gap
                while time.perf_counter() < until:
                    pass


def timed(read: Any) -> float:
    read()
    begun = time.perf_counter()
    for _ in range(READS):
        read()
    return (time.perf_counter() - begun) / READS * 1e6


def main() -> None:
    warm()
    rows = []
    context = mp.get_context("spawn")
    for name, gap in GAPS.items():
        with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="trochil-bench-") as folder:
            ready = context.Event()
            stop = context.Event()
            writer = context.Process(target=write, args=(f"{folder}/a.arrow", gap, ready, stop))
            writer.start()
            ready.wait()
            reader = BookReader(f"{folder}/a.arrow")
            bids = np.zeros((20, 2))
            asks = np.zeros((20, 2))
            top = timed(reader.top)
            levels = timed(lambda r=reader, b=bids, a=asks: r.copy_levels(20, b, a))
            rows.append([name, top, levels, timed(lambda r=reader: r.levels(20))])
            stop.set()
            writer.join()
    columns = ["writer", "top(), us", "20 levels into own arrays, us", "levels(20), a new copy, us"]
    show(f"{READS} reads from another process (wall clock)", columns, rows)


if __name__ == "__main__":
    main()
