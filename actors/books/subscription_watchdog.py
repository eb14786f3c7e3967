"""Which symbols of a connection say nothing, and what to do about it. Pure: time is an argument."""

from collections.abc import Iterable
from dataclasses import dataclass

SILENT_AFTER = 10.0
"""Seconds after subscribing within which a symbol must have said something."""
QUIET_AFTER = 120.0
"""Seconds without a word after which a symbol that has spoken before is subscribed again."""


@dataclass(slots=True)
class Wait:
    """Until when (monotonic seconds) a symbol may be silent, and how often it was subscribed again."""

    due: float
    tries: int = 0


class SubscriptionWatchdog:
    """``subscribed`` starts a symbol's deadline, ``heard`` ends it, ``look`` says whose has passed.

    First a silent symbol is subscribed again; then the connection is opened again, once: a market where nothing
    happens must not take the others down for ever. After that it is subscribed again at growing intervals.
    """

    def __init__(self) -> None:
        self.waiting: dict[str, Wait] = {}
        self._reset_for: set[str] = set()
        self._armed_at = 0.0

    def connected(self, now: float) -> None:
        """A new connection: nothing is subscribed yet."""
        self.waiting.clear()
        self._armed_at = now

    def subscribed(self, symbols: Iterable[str], now: float) -> None:
        self.waiting.update({symbol: Wait(now + SILENT_AFTER) for symbol in symbols})

    def unsubscribed(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            self.waiting.pop(symbol, None)
            self._reset_for.discard(symbol)

    def heard(self, symbol: str) -> None:
        self.waiting.pop(symbol, None)
        self._reset_for.discard(symbol)

    def look(self, symbols: Iterable[str], now: float) -> tuple[list[str], bool]:
        """(symbols to subscribe again, whether to open the connection again instead)."""
        if now - self._armed_at > QUIET_AFTER:
            self._armed_at = now
            for symbol in symbols:
                self.waiting.setdefault(symbol, Wait(now + QUIET_AFTER, 2))
        silent = {symbol: wait for symbol, wait in self.waiting.items() if now >= wait.due}
        hopeless = [
            symbol
            for symbol, wait in silent.items()
            if wait.tries == 1 and symbol not in self._reset_for
        ]
        if hopeless:
            self._reset_for.update(hopeless)
            return [], True
        for wait in silent.values():
            wait.tries += 1
            wait.due = now + min(SILENT_AFTER * 2 ** (wait.tries - 1), QUIET_AFTER)
        return sorted(silent), False
