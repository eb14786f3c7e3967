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
REMEMBERED = 256
"""Applied messages whose numbers are known again when they are repeated."""
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
    _joined: bool = False
    """Whether a message was applied on top of the snapshot: from then on they join exactly."""
    _snapshot_id: int = 0
    _applied: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def offer(self, message: M) -> Verdict:
        if not self.synced:
            self._kept.append(message)
            return Verdict.BUFFERED
        verdict = self.judge(message)
        if verdict is Verdict.APPLY:
            self._note_applied(message)
        elif verdict is Verdict.IGNORE and self._is_foreign(message):
            verdict = Verdict.GAP
        if verdict is Verdict.GAP:
            self.lose()
            self._kept.append(message)
        return verdict

    def judge(self, message: M) -> Verdict:
        """Whether it joins what came before. Without ids it applies in the connection's order.

        Only the first message after a snapshot may begin before the snapshot's number. A later one
        that overlaps what was told already is of another numbering.
        """
        last = self.update_id
        first_id = message.first_id
        update_id = message.update_id
        if update_id == 0 or first_id == last + 1:
            # Also when update_id falls back: a venue that starts its numbers again.
            return Verdict.APPLY
        if update_id <= last:
            return Verdict.IGNORE
        if first_id > last:
            return Verdict.GAP
        # 0: the venue does not name where it begins, its numbers only grow.
        return Verdict.GAP if self._joined and first_id else Verdict.APPLY

    def _note_applied(self, message: M) -> None:
        self.update_id = message.update_id
        if message.update_id:
            self._joined = True
            self._applied.append((message.first_id, message.update_id))

    def _is_foreign(self, message: M) -> bool:
        """Whether a message with numbers that were told since the snapshot repeats none of those
        applied lately."""
        numbers = (message.first_id, message.update_id)
        changes = 0 < message.first_id <= message.update_id
        was_told = self._joined and message.update_id > self._snapshot_id
        return was_told and changes and numbers not in self._applied

    def snapshot(self, update_id: int) -> list[M] | None:
        """The kept messages to apply after a snapshot of ``update_id``; None: it is too old."""
        self.update_id = update_id
        self._snapshot_id = update_id
        self._joined = False
        self._applied.clear()
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
            self._note_applied(message)
        self.dropped_before_snapshot += dropped
        self._kept.clear()
        self.synced = True
        return fresh

    def lose(self) -> None:
        """Wait for a snapshot: what comes next does not join what came before."""
        self.synced = False
        self._joined = False
        self._kept.clear()
