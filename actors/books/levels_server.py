"""Serves requests for levels farther out, at a set share of the venue's limits, thinnest first."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from exchanges.contract import RateLimit
from orderbook.errors import Disconnected, VenueError

log = logging.getLogger(__name__)
IDLE_WAIT = 0.25
"""Seconds after a request that cost nothing, or that failed."""


class LevelsServer:
    """``request(pair, levels left)`` has ``serve(pair)`` called, when its turn comes.

    The next turn comes when ``share`` of the limits has paid for the last one.
    """

    def __init__(
        self,
        serve: Callable[[str], Awaitable[None]],
        cost_of: Callable[[str], Mapping[str, int]],
        limits: tuple[RateLimit, ...],
        share: float,
    ) -> None:
        """``serve`` may raise Disconnected and VenueError. ``cost_of(pair)``: what serving it takes
        of which limits."""
        self._serve = serve
        self._cost_of = cost_of
        self._limits = limits
        self._share = share
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
                del self._levels_left[thinnest]
                try:
                    await self._serve(thinnest)
                    self.served += 1
                except (Disconnected, VenueError) as error:
                    log.info("no levels farther out of %s yet: %s", thinnest, error)
                await asyncio.sleep(max(IDLE_WAIT, self._seconds_paid_by(thinnest)))
            await self._wake.wait()

    def _seconds_paid_by(self, pair: str) -> float:
        """How long the share of the limits takes to pay for one serving of the pair."""
        cost = self._cost_of(pair)
        seconds = [
            cost.get(limit.name, 0) * limit.per / (limit.amount * self._share)
            for limit in self._limits
        ]
        return max(seconds, default=0.0)
