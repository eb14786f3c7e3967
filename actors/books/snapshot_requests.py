"""When each pair's snapshot was asked for: at once, then at growing intervals, and again when none came."""

import asyncio
from collections.abc import Callable

from actors.clock import Clock

FIRST_GAP, LARGEST_GAP = 0.1, 5.0
"""Least seconds between two requests for one pair; they double while it keeps asking."""
CALM_AFTER = 10.0
"""Seconds without a request after which the next one leaves at once again."""
COMES_WITHIN = 0.5
"""Seconds within which a snapshot must have come that needs no request."""
ASK_AGAIN_AFTER = 5.0
"""Seconds after which a pair that still needs one asks again."""


class SnapshotRequests:
    """``ask(pair)`` leads to ``request(pair)``, now or a moment later; later only if ``needs(pair)`` still holds."""

    def __init__(
        self, clock: Clock, request: Callable[[str], None], needs: Callable[[str], bool]
    ) -> None:
        self._clock, self._request, self._needs = clock, request, needs
        self._asked: dict[
            str, tuple[float, float]
        ] = {}  # when (monotonic), and the least gap to the next

    def ask(self, pair: str) -> None:
        now = self._clock.monotonic()
        last, gap = self._asked.get(pair, (-CALM_AFTER, FIRST_GAP))
        if now - last >= CALM_AFTER:
            gap = FIRST_GAP
        if now >= last + gap:
            self._asked[pair] = (now, min(gap * 2, LARGEST_GAP))
            self._request(pair)
        elif now >= last:
            self._asked[pair] = (last + gap, min(gap * 2, LARGEST_GAP))
            asyncio.get_running_loop().call_later(last + gap - now, self._ask_if_needed, pair)

    def expect(self, pair: str) -> None:
        """One is coming unasked; if it doesn't soon, it is asked for."""
        self._asked[pair] = (self._clock.monotonic() + COMES_WITHIN, FIRST_GAP)
        asyncio.get_running_loop().call_later(COMES_WITHIN, self._ask_if_needed, pair)

    def look(self, pair: str) -> None:
        """From time to time: ask again when the answer is overdue."""
        now = self._clock.monotonic()
        if self._needs(pair) and now - self._asked.get(pair, (now, 0.0))[0] > ASK_AGAIN_AFTER:
            self.ask(pair)

    def forget(self, pair: str) -> None:
        self._asked.pop(pair, None)

    def _ask_if_needed(self, pair: str) -> None:
        if self._needs(pair):
            self._request(pair)
