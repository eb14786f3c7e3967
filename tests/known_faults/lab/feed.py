"""A data source and a tracker as plain objects on this loop, on a venue that does what a test tells
it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from exchanges.contract import BookFeed
from tests.feed import Feed, LocalPeers
from tests.scripted import ScriptedBook, Venue, scripted, venue

__all__ = ["Feed", "LocalPeers", "ScriptedBook", "death", "feed", "until"]


@asynccontextmanager
async def feed(
    memory: Path, pairs: list[str], book: type[BookFeed] = ScriptedBook, capacity: int = 64
) -> AsyncIterator[tuple[Venue, Feed]]:
    """(what the venue does, both components), on a venue whose wire is the tests' own."""
    async with venue() as (told, hosts), aiohttp.ClientSession() as session:
        both = Feed(str(memory), hosts, pairs, session, LocalPeers(), scripted(book))
        await both.begin_source()
        await both.begin_tracker(capacity=capacity)
        try:
            yield told, both
        finally:
            for name in list(both.peers.components):
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(both.end(name), 5)


def death(both: Feed) -> str:
    """Why one of the components died, or nothing."""
    for part in (both.source, both.tracker):
        if part.failed.done():
            return repr(part.failed.exception())[:200]
    return ""


async def until(condition: Callable[[], Any], within: float) -> Any:
    """What ``condition`` gave as soon as it is true, or its last value."""
    end = time.monotonic() + within
    while not (value := condition()) and time.monotonic() < end:
        await asyncio.sleep(0.01)
    return value
