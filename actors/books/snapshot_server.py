"""Serves snapshot requests: each pair is fetched once at a time, few in parallel, with retries."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from actors.component import Tasks
from actors.transport.websocket import Backoff
from orderbook.errors import Disconnected, VenueError

log = logging.getLogger(__name__)
MAX_CONCURRENT = 4
"""Snapshots fetched at the same time."""
INITIAL_RETRY = 0.2
"""Seconds between the first two tries for one pair; they double."""
MAX_RETRY = 10.0
"""Seconds that the retry interval grows to."""


class SnapshotServer:
    """``request(pair)`` runs ``serve(pair)`` until it succeeds or ``wanted(pair)`` becomes False.

    ``ready(pair)`` is awaited first, for any number of pairs in parallel; it returns True if the
    stream has sent a snapshot in the meantime. Both may raise Disconnected and VenueError.
    """

    def __init__(
        self,
        tasks: Tasks,
        wanted: Callable[[str], bool],
        ready: Callable[[str], Awaitable[bool]],
        serve: Callable[[str], Awaitable[None]],
    ) -> None:
        self._tasks = tasks
        self._wanted = wanted
        self._ready = ready
        self._serve = serve
        self.pending: set[str] = set()
        """Pairs whose snapshot was requested and has not been served yet."""
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)

    def request(self, pair: str) -> None:
        """Start to serve a pair; a no-op when it is pending already, or isn't wanted."""
        if self._wanted(pair) and pair not in self.pending:
            self.pending.add(pair)
            self._tasks.spawn(f"snapshot {pair}", self._until_served(pair))

    async def _until_served(self, pair: str) -> None:
        backoff = Backoff(initial=INITIAL_RETRY, maximum=MAX_RETRY)
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
            self.pending.discard(pair)
