"""Waiting for change over many books."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from orderbook.messages import BookDiff, BookSnapshot
from orderbook.reader import BookReader
from orderbook.shared import SharedBook
from trochil.feeds import Watch
from trochil.views import BookView

PATIENCE = 5.0


class WatchHarness:
    """Two books with a view on each, and a watch over both that has looked once."""

    def __init__(self, folder: Path) -> None:
        self.books = [
            SharedBook.create(str(folder / name), venue="x", trading_pair=name, capacity=64)
            for name in ("A-B", "C-D")
        ]
        nobody: Any = None
        self.views = []
        for book, name in zip(self.books, ("A-B", "C-D"), strict=True):
            book.apply_snapshot(BookSnapshot("", b'[["1","1"]]', b'[["2","1"]]', 1))
            self.views.append(BookView("x", name, BookReader(book.path), nobody, nobody, nobody))
        self.watch = Watch(self.views)

    def change(self, which: int) -> None:
        self.books[which].apply_diff(BookDiff("", b'[["1","2"]]', b"", 2, 2))

    def name(self, which: int) -> tuple[str, str]:
        return self.views[which].venue, self.views[which].trading_pair


@pytest.fixture
def harness(tmp_path: Path) -> WatchHarness:
    return WatchHarness(tmp_path)


def test_a_book_that_changed_before_the_first_look_is_not_missed(harness: WatchHarness) -> None:
    harness.change(1)
    assert next(iter(harness.watch)) is harness.views[1]


def test_a_thread_is_woken_by_the_book_that_is_named(harness: WatchHarness) -> None:
    seen: list[BookView] = []
    woken = threading.Event()

    def read() -> None:
        seen.append(next(iter(harness.watch)))
        woken.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert not woken.wait(0.05)
    harness.change(0)
    harness.watch.tell([harness.name(0)])
    reader.join(PATIENCE)
    assert seen == [harness.views[0]]


def test_many_changes_of_a_book_wake_once_and_names_without_change_not_at_all(
    harness: WatchHarness,
) -> None:
    changes = iter(harness.watch)
    for _ in range(3):
        harness.change(0)
        harness.watch.tell([harness.name(0), harness.name(1), ("x", "unwatched")])
    assert next(changes) is harness.views[0]
    harness.change(1)
    harness.watch.tell(None)  # the channel was new: any may have changed
    assert next(changes) is harness.views[1]


def test_a_loop_is_woken_too(harness: WatchHarness) -> None:
    async def read() -> BookView:
        waiting = asyncio.ensure_future(anext(aiter(harness.watch)))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        harness.change(1)
        harness.watch.tell([harness.name(1)])
        return await asyncio.wait_for(waiting, PATIENCE)

    assert asyncio.run(read()) is harness.views[1]
