"""Queries over many books: best prices of a pair, tops of all books, waking on a change."""

import asyncio
import multiprocessing as mp
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from common import show

from actors.channel import Publisher
from orderbook.messages import BookDiff, BookSnapshot, Layout
from orderbook.reader import BookReader
from orderbook.shared import SharedBook, book_path
from orderbook.warm import warm
from trochil.aio import _no_iteration
from trochil.catalogue import Catalogue
from trochil.client import LoopThread
from trochil.feeds import Changes
from trochil.views import BookView

BOOKS = 500
VENUES = 8
WRITES = 2000
GAP = 0.004
"""Seconds between two writes, on the average: 250 changes a second over all books."""


def write(folder: str, names: list[tuple[str, str]], pipe: Any) -> None:
    """Every book as its tracker keeps it: shared files, and a channel with change notifications."""
    warm()
    books = []
    for venue, pair in names:
        book = SharedBook.create(
            book_path(folder, venue, pair), venue=venue, trading_pair=pair, capacity=512
        )
        rows = {
            side: ",".join(f'["{1000 + sign * n}","{n}"]' for n in range(1, 101))
            for side, sign in SIDES.items()
        }
        book.apply_snapshot(
            BookSnapshot(pair, f"[{rows['b']}]".encode(), f"[{rows['a']}]".encode(), 1)
        )
        books.append(book)
    asyncio.run(_serve(folder, names, books, pipe))


SIDES = {"b": -1, "a": 1}


async def _serve(
    folder: str, names: list[tuple[str, str]], books: list[SharedBook], pipe: Any
) -> None:
    publishers = {venue: Publisher(f"{folder}/{venue}.sock") for venue, _ in names}
    for publisher in publishers.values():
        await publisher.start()
    pipe.send({venue: publisher.endpoint() for venue, publisher in publishers.items()})
    loop = asyncio.get_running_loop()
    random = np.random.default_rng(1)

    async def beat() -> None:
        while True:
            for book in books:
                book.heartbeat()
            await asyncio.sleep(0.2)

    beating = asyncio.create_task(beat())
    while (count := await loop.run_in_executor(None, pipe.recv)) is not None:
        for number in range(count):
            await asyncio.sleep(float(random.exponential(GAP)))
            which = int(random.integers(len(books)))
            packed = np.array([[999.0, 1.0 + number]]).tobytes()
            books[which].apply_diff(
                BookDiff("", packed, b"", 2 + number, 2 + number, 0, Layout.PACKED)
            )
            publishers[names[which][0]].notify_changed(names[which][1])
        pipe.send("done")
    beating.cancel()
    for publisher in publishers.values():
        await publisher.close()


class Peer:
    """Where the client finds the channels."""

    def __init__(self, endpoints: Any) -> None:
        self._endpoints = endpoints

    async def call(self, actor: str, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._endpoints[actor]


def timed(work: Any, rounds: int) -> float:
    """Median microseconds of a call."""
    work()
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1e6


class Waker(threading.Thread):
    """A reader like a user's: iterates over the changes of all books, records how old each is."""

    def __init__(self, changes: Iterator[BookView]) -> None:
        super().__init__(daemon=True)
        self._changes = changes
        self.ages: list[float] = []
        self.wakes = 0

    def run(self) -> None:
        for view in self._changes:
            self.ages.append(view.age)
            self.wakes += 1


def main() -> None:
    warm()
    names = [(f"venue{number % VENUES}", f"C{number // VENUES:03}-USD") for number in range(BOOKS)]
    context = mp.get_context("spawn")
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="trochil-bench-") as folder:
        pipe, theirs = context.Pipe()
        writer = context.Process(target=write, args=(folder, names, theirs))
        writer.start()
        endpoints = pipe.recv()
        thread = LoopThread()
        changes = Changes(Peer(endpoints))
        views = [
            BookView(
                venue,
                pair,
                BookReader(book_path(folder, venue, pair)),
                changes,
                None,
                _no_iteration,
            )
            for venue, pair in names
        ]
        measure(views, changes, thread, pipe)
        pipe.send(None)
        writer.join()
        thread.run(changes.close())
        thread.stop()


def measure(views: list[BookView], changes: Changes, thread: LoopThread, pipe: Any) -> None:
    async def list_books() -> list[BookView]:
        return views

    catalogue = Catalogue(list_books)
    thread.run(catalogue.begin())
    best = timed(lambda: catalogue.best("C001-USD"), 20_000)
    tops = timed(catalogue.tops, 2_000)

    async def follow() -> None:
        for number in range(VENUES):
            changes.follow(f"venue{number}", f"venue{number}")

    thread.run(follow())
    waker = Waker(iter(changes.watch(views)))
    waker.start()
    time.sleep(1.0)
    idle_cpu = time.process_time()
    idle_wakes = waker.wakes
    begun = time.perf_counter()
    time.sleep(5.0)
    idle = (time.process_time() - idle_cpu) / (time.perf_counter() - begun) * 100
    idle_wakes = waker.wakes - idle_wakes
    waker.ages = []
    pipe.send(WRITES)
    pipe.recv()
    time.sleep(0.2)
    ages = sorted(waker.ages)
    thread.run(catalogue.close())
    p50, p99 = (ages[int(len(ages) * q)] * 1e3 for q in (0.5, 0.99))
    rows = [
        ["best(pair), us, median", f"{VENUES} venues", best],
        ["tops(), us, median", f"{BOOKS} books", tops],
        ["changes(), ms from publish to awake, p50", f"{BOOKS} books", p50],
        ["changes(), ms from publish to awake, p99", f"{BOOKS} books, {len(ages)} wakes", p99],
        ["changes(), % of a core while nothing happens", f"{idle_wakes} wakes", idle],
    ]
    show(
        "Questions over many books, read in place from another process's files",
        ["what", "over", "value"],
        rows,
    )


if __name__ == "__main__":
    main()
