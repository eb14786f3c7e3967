"""Notices that this process stood still, and when it has caught up."""

from collections.abc import Callable

from actors.clock import Clock

STALLED_AFTER = 0.75
"""Seconds between two looks, which come at least four times a second, after which this process
stood still: it was stopped, starved, or busy with something else."""
LOOKS = 2
"""Looks in a row that must find nothing unread: what waits with the venue comes a moment later."""


class StallWatch:
    """``is_over`` is asked at least four times a second; False from a stall on until nothing is
    unread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looked = clock.monotonic()
        self._looks_needed = 0

    def is_over(self, nothing_unread: Callable[[], bool]) -> bool:
        now = self._clock.monotonic()
        if now - self._looked > STALLED_AFTER:
            self._looks_needed = LOOKS
        self._looked = now
        if self._looks_needed:
            self._looks_needed = self._looks_needed - 1 if nothing_unread() else LOOKS
        return not self._looks_needed
