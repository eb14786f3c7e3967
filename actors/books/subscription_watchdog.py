"""Detects subscriptions that deliver nothing, and decides what to do. Pure: time is an argument."""

from collections.abc import Iterable
from dataclasses import dataclass

SILENT_AFTER = 10.0
"""Seconds after subscribing within which the first message of a symbol must arrive."""
QUIET_AFTER = 120.0
"""Seconds without a message after which a symbol that was active before is subscribed again."""


@dataclass(slots=True)
class Deadline:
    """When a silent symbol is due (monotonic seconds), and how often it was subscribed again."""

    due: float
    tries: int = 0


class SubscriptionWatchdog:
    """``subscribed`` starts a symbol's deadline, ``received`` clears it, ``check`` reports overdue.

    A silent symbol is first subscribed again; then the connection is reopened, once: a market
    without activity must not keep taking the others down. After that it is subscribed again at
    growing intervals.
    """

    def __init__(self) -> None:
        self.waiting: dict[str, Deadline] = {}
        self._reset_for: set[str] = set()
        self._armed_at = 0.0

    def connected(self, now: float) -> None:
        """A new connection: nothing is subscribed yet."""
        self.waiting.clear()
        self._armed_at = now

    def subscribed(self, symbols: Iterable[str], now: float) -> None:
        self.waiting.update({symbol: Deadline(now + SILENT_AFTER) for symbol in symbols})

    def unsubscribed(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            self.waiting.pop(symbol, None)
            self._reset_for.discard(symbol)

    def received(self, symbol: str) -> None:
        self.waiting.pop(symbol, None)
        self._reset_for.discard(symbol)

    def check(self, symbols: Iterable[str], now: float) -> tuple[list[str], bool]:
        """(symbols to subscribe again, whether to reopen the connection instead)."""
        if now - self._armed_at > QUIET_AFTER:
            self._armed_at = now
            for symbol in symbols:
                self.waiting.setdefault(symbol, Deadline(now + QUIET_AFTER, 2))
        silent = {symbol: each for symbol, each in self.waiting.items() if now >= each.due}
        unanswered = [
            symbol
            for symbol, each in silent.items()
            if each.tries == 1 and symbol not in self._reset_for
        ]
        if unanswered:
            self._reset_for.update(unanswered)
            return [], True
        for each in silent.values():
            each.tries += 1
            each.due = now + min(SILENT_AFTER * 2 ** (each.tries - 1), QUIET_AFTER)
        return sorted(silent), False
