"""Serves requests for levels farther out, at a set share of the venue's limits, thinnest first."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

from actors.clock import Clock
from exchanges.contract import RateLimit
from orderbook.errors import Disconnected, VenueError

log = logging.getLogger(__name__)
PAUSE = 0.1
"""Seconds between two requests at least."""


class LevelsServer:
    """``request(pair, levels left)`` has ``serve(pair)`` called, when its turn comes.

    In no stretch of a limit's length it takes more than ``share`` of that limit.
    """

    def __init__(
        self,
        serve: Callable[[str], Awaitable[None]],
        cost_of: Callable[[str], Mapping[str, int]],
        limits: tuple[RateLimit, ...],
        share: float,
        clock: Clock,
    ) -> None:
        """``serve`` may raise Disconnected and VenueError. ``cost_of(pair)``: what serving it takes
        of which limits."""
        self._serve = serve
        self._cost_of = cost_of
        self._limits = limits
        self._share = share
        self._clock = clock
        self._taken: dict[str, deque[tuple[float, int]]] = {limit.name: deque() for limit in limits}
        """When (monotonic seconds) how much of each limit was taken."""
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
                cost = self._cost_of(thinnest)
                wait = self._wait_for(cost)
                if wait > 0.0:
                    await asyncio.sleep(min(wait, 1.0))
                    continue  # by then another one may be thinner
                del self._levels_left[thinnest]
                self._take(cost)
                try:
                    await self._serve(thinnest)
                    self.served += 1
                except (Disconnected, VenueError) as error:
                    log.info("no levels farther out of %s yet: %s", thinnest, error)
                await asyncio.sleep(PAUSE)
            await self._wake.wait()

    def _take(self, cost: Mapping[str, int]) -> None:
        now = self._clock.monotonic()
        for limit in self._limits:
            if limit.name in cost:
                self._taken[limit.name].append((now, cost[limit.name]))

    def _wait_for(self, cost: Mapping[str, int]) -> float:
        """Seconds until the share of every limit has room for it."""
        waits = [
            self._wait_for_limit(limit, cost[limit.name])
            for limit in self._limits
            if limit.name in cost
        ]
        return max(waits, default=0.0)

    def _wait_for_limit(self, limit: RateLimit, cost: int) -> float:
        """A request that is larger than the share waits for several lengths of the limit."""
        now = self._clock.monotonic()
        share = limit.amount * self._share
        length = limit.per * max(1.0, cost / share)
        taken = self._taken[limit.name]
        while taken and now - taken[0][0] >= length:
            taken.popleft()
        if not taken or sum(amount for _, amount in taken) + cost <= share:
            return 0.0
        return taken[0][0] + length - now
