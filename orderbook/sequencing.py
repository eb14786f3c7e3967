"""Sequencer: a snapshot and diffs put in order, and gaps found. Pure: no clock, no book."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, Protocol, TypeVar


class Numbered(Protocol):
    """A message with the venue's ids: a diff or an order event."""

    @property
    def first_id(self) -> int: ...

    @property
    def update_id(self) -> int: ...


M = TypeVar("M", bound=Numbered)
BUFFER = 20_000
"""Messages kept while a snapshot is on its way; the oldest go first."""


class Verdict(Enum):
    APPLY = "apply"
    IGNORE = "ignore"
    """Older than what the book holds."""
    BUFFERED = "buffered"
    GAP = "gap"
    """Something is missing: the book is wrong from here on."""


@dataclass(slots=True)
class Sequencer(Generic[M]):
    """The order of one pair's messages.

    ``offer`` every message; while SYNCING they are kept. ``snapshot`` returns those of the
    kept ones that apply on top of it, or None when it is older than they reach back.
    """

    update_id: int = 0
    synced: bool = False
    dropped_before_snapshot: int = 0
    _kept: deque[M] = field(default_factory=lambda: deque(maxlen=BUFFER))

    def offer(self, message: M) -> Verdict:
        if not self.synced:
            self._kept.append(message)
            return Verdict.BUFFERED
        verdict = self.judge(message)
        if verdict is Verdict.APPLY:
            self.update_id = message.update_id
        elif verdict is Verdict.GAP:
            self.lose()
            self._kept.append(message)
        return verdict

    def judge(self, message: M) -> Verdict:
        """Whether it joins what came before. Without ids it applies in the connection's order."""
        last = self.update_id
        first_id = message.first_id
        update_id = message.update_id
        if update_id == 0 or first_id == last + 1:
            # Also when update_id falls back: a venue that starts its numbers again.
            return Verdict.APPLY
        if update_id <= last:
            return Verdict.IGNORE
        return Verdict.APPLY if first_id <= last + 1 else Verdict.GAP

    def snapshot(self, update_id: int) -> list[M] | None:
        """The kept messages to apply after a snapshot of ``update_id``; None: it is too old."""
        self.update_id = update_id
        fresh: list[M] = []
        dropped = 0
        for message in self._kept:
            verdict = self.judge(message)
            if verdict is Verdict.GAP:
                return None
            if verdict is Verdict.IGNORE or message.update_id == 0:
                dropped += 1
                continue
            fresh.append(message)
            self.update_id = message.update_id
        self.dropped_before_snapshot += dropped
        self._kept.clear()
        self.synced = True
        return fresh

    def lose(self) -> None:
        """Wait for a snapshot: what comes next does not join what came before."""
        self.synced = False
        self._kept.clear()
