"""Time as an argument."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """``time``: unix seconds; ``monotonic``: seconds that never go back."""

    time: Callable[[], float]
    monotonic: Callable[[], float]

    def time_ns(self) -> int:
        return int(self.time() * 1e9)


SYSTEM = Clock(time.time, time.monotonic)
