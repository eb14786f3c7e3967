"""Who asked for a snapshot and has none yet: each pair fetched once at a time, few at once, again until it worked."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from actors.component import Tasks
from actors.transport.websocket import Backoff
from orderbook.errors import Disconnected, VenueError

log = logging.getLogger(__name__)
AT_ONCE = 4
"""Fetches under way at the same time."""
FIRST_RETRY, LAST_RETRY = 0.2, 10.0
"""Seconds between two tries for one pair, doubling."""


class SnapshotServer:
    """``ask(pair)`` makes ``serve(pair)`` run until it succeeds, or ``wanted(pair)`` no longer holds.

    ``ready(pair)`` is awaited first, by any number of pairs at once: True if meanwhile one has come by itself. Both may
    raise Disconnected and VenueError.
    """

    def __init__(
        self,
        tasks: Tasks,
        wanted: Callable[[str], bool],
        ready: Callable[[str], Awaitable[bool]],
        serve: Callable[[str], Awaitable[None]],
    ) -> None:
        self._tasks, self._wanted, self._ready, self._serve = tasks, wanted, ready, serve
        self.asking: set[str] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)

    def ask(self, pair: str) -> None:
        """Nothing when it is being fetched already, or isn't wanted."""
        if self._wanted(pair) and pair not in self.asking:
            self.asking.add(pair)
            self._tasks.spawn(f"snapshot {pair}", self._until_served(pair))

    async def _until_served(self, pair: str) -> None:
        backoff = Backoff(first=FIRST_RETRY, most=LAST_RETRY)
        try:
            while self._wanted(pair):
                try:
                    if await self._ready(pair):
                        return
                    async with self._slots:
                        await self._serve(pair)
                    return
                except (Disconnected, VenueError) as error:
                    log.info("no snapshot of %s yet: %s", pair, error)
                await backoff.wait()
        finally:
            self.asking.discard(pair)
