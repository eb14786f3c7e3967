"""Paces snapshot requests per pair: at once, then at growing intervals, again when none came."""

import asyncio
from collections.abc import Callable

from actors.clock import Clock

MIN_INTERVAL = 0.1
"""Seconds between the first two requests for one pair; the interval doubles while it requests."""
MAX_INTERVAL = 5.0
"""Seconds that the interval grows to."""
CALM_AFTER = 10.0
"""Seconds without a request after which the next one is sent at once again."""
EXPECTED_WITHIN = 0.5
"""Seconds within which a snapshot must arrive that the feed sends without a request."""
RETRY_AFTER = 5.0
"""Seconds after which a pair that still needs a snapshot requests it again."""


class SnapshotRequests:
    """``request(pair)`` calls ``send(pair)``, now or later; later only if ``needs(pair)`` holds."""

    def __init__(
        self, clock: Clock, send: Callable[[str], None], needs: Callable[[str], bool]
    ) -> None:
        self._clock = clock
        self._send = send
        self._needs = needs
        # When a snapshot was last requested (monotonic), and the minimum interval to the next.
        self._requested: dict[str, tuple[float, float]] = {}

    def request(self, pair: str) -> None:
        now = self._clock.monotonic()
        last, interval = self._requested.get(pair, (-CALM_AFTER, MIN_INTERVAL))
        if now - last >= CALM_AFTER:
            interval = MIN_INTERVAL
        due = last + interval
        if now >= due:
            self._requested[pair] = (now, min(interval * 2, MAX_INTERVAL))
            self._send(pair)
        elif now >= last:
            self._requested[pair] = (due, min(interval * 2, MAX_INTERVAL))
            asyncio.get_running_loop().call_later(due - now, self._send_if_needed, pair)

    def expect(self, pair: str) -> None:
        """The feed sends a snapshot by itself; request it only if it doesn't arrive soon."""
        self._requested[pair] = (self._clock.monotonic() + EXPECTED_WITHIN, MIN_INTERVAL)
        asyncio.get_running_loop().call_later(EXPECTED_WITHIN, self._send_if_needed, pair)

    def retry_overdue(self, pair: str) -> None:
        """Request again when the snapshot is overdue; call it periodically."""
        now = self._clock.monotonic()
        requested_at, _ = self._requested.get(pair, (now, 0.0))
        if self._needs(pair) and now - requested_at > RETRY_AFTER:
            self.request(pair)

    def forget(self, pair: str) -> None:
        self._requested.pop(pair, None)

    def _send_if_needed(self, pair: str) -> None:
        if self._needs(pair):
            self._send(pair)
