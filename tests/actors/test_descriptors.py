"""More books than files may be open: those that can't be made are named, the others live on."""

import multiprocessing
import os
import resource
from multiprocessing.connection import Connection
from pathlib import Path

import aiohttp

from orderbook.messages import BookState
from orderbook.warm import warm
from tests.support.channels import run, until
from tests.support.feed import Feed, LocalPeers
from tests.support.scripted import scripted, venue

NAMES = [f"P{n}-USD" for n in range(40)]
FEW = 30


def books_process(folder: str, said: Connection) -> None:
    """A data source and a tracker in a process of its own; says what became of their books."""
    warm()

    async def main() -> None:
        async with venue() as (told, hosts), aiohttp.ClientSession() as session:
            told.rules = [["A-USD"]]
            both = Feed(folder, hosts, ["A-USD", *NAMES], session, LocalPeers(), scripted())
            await both.begin_source()
            await both.begin_tracker()
            await until(lambda: both.tracker.status()["ready"])
            told.rules = [["A-USD"], *([name] for name in NAMES)]
            told.books |= {name.replace("-", ""): [10, [[1, 1]], [[2, 1]]] for name in NAMES}
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            few = len(os.listdir("/proc/self/fd")) + FEW
            resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
            await both.source.refresh_rules()
            await until(lambda: both.tracker.status()["failed_books"])
            failed = dict(both.tracker.status()["failed_books"])
            living = both.tracker.order_books["A-USD"].state is BookState.LIVE
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await until(lambda: len(both.tracker.order_books) == len(NAMES) + 1)
            books = both.tracker.order_books
            await until(lambda: all(book.state is BookState.LIVE for book in books.values()), 15)
            died = [part.failed.done() for part in (both.source, both.tracker)]
            said.send((failed, living, died, both.tracker.status()["failed_books"]))
            for name in list(both.peers.components):
                await both.end(name)

    run(main, within=40)


def test_books_that_cannot_be_made_are_named_and_made_once_there_is_room(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=books_process, args=(str(tmp_path), theirs))
    process.start()
    theirs.close()
    try:
        assert ours.poll(60), "the process told what became of it"
        failed, living, died, failed_in_the_end = ours.recv()
    finally:
        process.kill()
        process.join()
    assert failed
    assert set(failed) < set(NAMES)
    assert all("raise the limit of open files" in why for why in failed.values())
    assert living
    assert died == [False, False]
    assert failed_in_the_end == {}
