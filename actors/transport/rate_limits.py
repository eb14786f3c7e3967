"""Rate limits of a venue: windows, the venue's own usage headers, an urgent reserve, bans. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from exchanges.contract import RateLimit

RESERVE = 0.2
"""The share of every limit that only urgent requests may use."""


@dataclass(slots=True)
class Window:
    """The usage of one limit.

    Aligned windows start at multiples of their length, others with their first request.
    """

    limit: RateLimit
    started: float = 0.0
    used: int = 0

    def roll(self, now: float) -> None:
        if now - self.started >= self.limit.per or now < self.started:
            self.started = now - now % self.limit.per if self.limit.aligned else now
            self.used = 0

    def wait(self, cost: int, now: float, urgent: bool) -> float:
        """Seconds until ``cost`` more units may be used."""
        self.roll(now)
        allowed = self.limit.amount if urgent else int(self.limit.amount * (1 - RESERVE))
        if self.used + cost <= allowed or (self.used == 0 and cost <= self.limit.amount):
            return 0.0
        return self.started + self.limit.per - now


@dataclass(slots=True)
class Budget:
    """All limits of one venue for one address and account; times are the venue's unix seconds."""

    limits: tuple[RateLimit, ...]
    banned_until: float = 0.0
    _windows: dict[str, Window] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._windows = {limit.name: Window(limit) for limit in self.limits}

    def wait(self, cost: Mapping[str, int], now: float, urgent: bool = False) -> float:
        """Seconds to wait before a request of this cost may be sent; 0: send it now."""
        if now < self.banned_until:
            return self.banned_until - now
        waits = [
            self._windows[name].wait(n, now, urgent)
            for name, n in cost.items()
            if name in self._windows
        ]
        return max(waits, default=0.0)

    def take(self, cost: Mapping[str, int], now: float) -> None:
        for name, n in cost.items():
            if name in self._windows:
                self._windows[name].roll(now)
                self._windows[name].used += n

    def note_headers(self, headers: Mapping[str, str], now: float) -> None:
        """Take over the venue's usage counters: it sees the requests of all our processes."""
        for window in self._windows.values():
            used = headers.get(window.limit.used_header, "") if window.limit.used_header else ""
            if used.isdigit():
                window.roll(now)
                window.used = max(window.used, int(used))

    def ban(self, until: float) -> None:
        self.banned_until = max(self.banned_until, until)

    def status(self, now: float) -> dict[str, object]:
        used = {
            name: f"{window.used}/{window.limit.amount}" for name, window in self._windows.items()
        }
        return {"used": used, "banned_for": max(0.0, round(self.banned_until - now, 3))}
