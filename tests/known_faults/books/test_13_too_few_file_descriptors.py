"""Sixty books where sixty more files may be opened (a book needs two): 500 books meet the usual
soft limit of 1,024.

Right: the books that can't be made are refused by name; the others are LIVE; the tracker lives.
Today an OSError (EMFILE) ends the tracker and with it all its books.
"""

import asyncio
import logging
import multiprocessing
import os
import resource
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.known_faults.lab import given
from tests.known_faults.lab.feed import death, feed

NAMES = [f"P{n}-USD" for n in range(60)]


def books_process(memory: Path, said: Connection) -> None:
    """A data source and a tracker in a process of its own; it says which of them died, and why."""
    logging.disable(logging.CRITICAL)

    async def main() -> str:
        async with feed(memory, NAMES) as (venue, both):
            venue.rules = [[name] for name in NAMES]
            venue.books = {name.replace("-", ""): [10, [[1, 1]], [[2, 1]]] for name in NAMES}
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            few = len(os.listdir("/proc/self/fd")) + 60
            resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
            await both.source.refresh_rules()
            await asyncio.sleep(2.5)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            return death(both)

    said.send(asyncio.run(main()))


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="too few file descriptors for some books end the tracker of all",
)
def test_the_tracker_lives_where_not_all_its_books_can_be_made(memory: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=books_process, args=(memory, theirs))
    process.start()
    try:
        given(ours.poll(60), "the process told what became of it")
        died = ours.recv()
    finally:
        process.kill()
        process.join()
    assert not died
