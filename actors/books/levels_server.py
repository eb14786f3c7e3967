"""Serves requests for levels farther out, at a set share of the venue's limits, thinnest first."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from orderbook.errors import Disconnected, VenueError

log = logging.getLogger(__name__)
PAUSE = 0.1
"""Seconds between two requests at least."""
LONGEST_WAIT = 1.0
"""Seconds after which it is looked again which book is the thinnest."""


class LevelsServer:
    """``request(pair, levels left)`` has ``serve(pair)`` called, when its turn comes."""

    def __init__(
        self, serve: Callable[[str], Awaitable[None]], take: Callable[[str], float]
    ) -> None:
        """``serve`` may raise Disconnected and VenueError. ``take(pair)``: seconds to wait until
        the share of the limits has room for serving it; 0: it was taken."""
        self._serve = serve
        self._take = take
        self._levels_left: dict[str, int] = {}
        self._wake = asyncio.Event()
        self.served = 0

    @property
    def waiting(self) -> int:
        """Pairs whose turn has not come."""
        return len(self._levels_left)

    def request(self, pair: str, levels_left: int) -> None:
        """A later request of the same pair says how many are left by now."""
        self._levels_left[pair] = levels_left
        self._wake.set()

    def forget(self, pair: str) -> None:
        self._levels_left.pop(pair, None)

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            self._wake.clear()
            while self._levels_left:
                thinnest = min(self._levels_left, key=lambda pair: self._levels_left[pair])
                wait = self._take(thinnest)
                if wait > 0.0:
                    await asyncio.sleep(min(wait, LONGEST_WAIT))
                    continue  # by then another one may be thinner
                del self._levels_left[thinnest]
                try:
                    await self._serve(thinnest)
                    self.served += 1
                except (Disconnected, VenueError) as error:
                    log.info("no levels farther out of %s yet: %s", thinnest, error)
                await asyncio.sleep(PAUSE)
            await self._wake.wait()
