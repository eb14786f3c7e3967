"""Sixty books where sixty more files may be opened (a book needs two): 500 books meet the usual soft limit of 1,024.

Right: the books that can't be made are refused by name; the others are LIVE; the tracker lives. Today an OSError
(EMFILE) ends the tracker and with it all its books.
"""

import asyncio
import os
import resource
from pathlib import Path

import pytest

from tests.known_faults.lab.feed import death, feed

NAMES = [f"P{n}-USD" for n in range(60)]


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="too few file descriptors for some books end the tracker of all",
)
def test_the_tracker_lives_where_not_all_its_books_can_be_made(memory: Path) -> None:
    async def main() -> str:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        async with feed(memory, NAMES) as (venue, both):
            venue.rules = [[name] for name in NAMES]
            venue.books = {name.replace("-", ""): [10, [[1, 1]], [[2, 1]]] for name in NAMES}
            few = len(os.listdir("/proc/self/fd")) + 60
            resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
            try:
                await both.source.refresh_rules()
                await asyncio.sleep(2.5)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            return death(both)

    died = asyncio.run(main())
    assert not died
