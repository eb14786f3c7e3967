"""When each pair's snapshot was asked for: at once, but not too often, and again when none came."""

import asyncio
from collections.abc import Callable

from actors.clock import Clock

ASK_GAP = 0.2
"""Least seconds between two requests for one pair's snapshot."""
ASK_AGAIN_AFTER = 5.0
"""Seconds after which a pair that still needs one asks again."""


class Asking:
    """``ask(pair)`` leads to ``request(pair)``, now or a moment later; later only if ``needs(pair)`` still holds."""

    def __init__(self, clock: Clock, request: Callable[[str], None], needs: Callable[[str], bool]) -> None:
        self._clock, self._request, self._needs = clock, request, needs
        self._asked_at: dict[str, float] = {}

    def ask(self, pair: str) -> None:
        now, last = self._clock.monotonic(), self._asked_at.get(pair, -ASK_GAP)
        if now - last >= ASK_GAP:
            self._asked_at[pair] = now
            self._request(pair)
        elif now >= last:
            self._asked_at[pair] = last + ASK_GAP
            asyncio.get_running_loop().call_later(last + ASK_GAP - now, self._ask_if_needed, pair)

    def look(self, pair: str) -> None:
        """From time to time: ask again when the answer is overdue."""
        now = self._clock.monotonic()
        if self._needs(pair) and now - self._asked_at.get(pair, now) > ASK_AGAIN_AFTER:
            self.ask(pair)

    def forget(self, pair: str) -> None:
        self._asked_at.pop(pair, None)

    def _ask_if_needed(self, pair: str) -> None:
        if self._needs(pair):
            self._request(pair)
