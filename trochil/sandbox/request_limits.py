"""The limits that venues document, counted strictly: how many requests, handshakes, sockets,
subscriptions and frames each address or key may use.

They are counted where the sandbox is started with ``--limits documented``; each dialect says which
there are. A count of "so many in a time" holds for every stretch of that time, wherever it begins,
unless the venue documents a bucket that fills again.
"""

import json
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web

REFUSED_STATUS = (418, 429)


class Count(Protocol):
    """How much of a limit is used."""

    most: float
    """The most that was used at any moment, refused or not."""
    amount: int

    def takes(self, cost: int, now: float) -> bool:
        """Count; False: it is too much."""


@dataclass
class AnyStretch:
    """At most ``amount`` in any ``per`` seconds. What is refused counts too."""

    amount: int
    per: float
    most: float = 0.0
    _used: "deque[tuple[float, int]]" = field(default_factory=deque)
    _sum: int = 0

    def takes(self, cost: int, now: float) -> bool:
        while self._used and self._used[0][0] <= now - self.per:
            self._sum -= self._used.popleft()[1]
        self._used.append((now, cost))
        self._sum += cost
        self.most = max(self.most, self._sum)
        return self._sum <= self.amount


@dataclass
class Bucket:
    """Room for ``amount``, of which ``rate`` a second comes back."""

    amount: int
    rate: float
    most: float = 0.0
    _used: float = 0.0
    _at: float = 0.0

    def takes(self, cost: int, now: float) -> bool:
        self._used = max(0.0, self._used - (now - self._at) * self.rate) + cost
        self._at = now
        self.most = max(self.most, self._used)
        return self._used <= self.amount


@dataclass
class AtOnce:
    """At most ``amount`` at the same time; a negative cost gives back."""

    amount: int
    most: float = 0.0
    _used: int = 0

    def takes(self, cost: int, now: float) -> bool:
        self._used += cost
        self.most = max(self.most, self._used)
        return self._used <= self.amount


@dataclass(frozen=True)
class Use:
    """What something uses of a limit; ``who``: the address or the key that it counts for."""

    kind: str
    cost: int
    who: str


Makers = dict[str, Callable[[], Count]]


def nothing(request: web.Request, body: Any) -> list[Use]:
    return []


@dataclass(frozen=True)
class DocumentedLimits:
    """What one venue counts: kinds with a maker of their counts, and what each request uses.

    The kinds ``connections`` (handshakes), ``sockets``, ``subscriptions``, ``subscribing`` (frames
    that subscribe) and ``frames`` are counted for every venue that has them, by address.
    """

    limits: Makers
    uses: Callable[[web.Request, Any], list[Use]] = nothing


class RequestLimits:
    """Counts of one venue, for each address and key."""

    def __init__(self, documented: DocumentedLimits) -> None:
        self._documented = documented
        self._counts: dict[tuple[str, str], Count] = {}
        self.refused: Counter[str] = Counter()

    def takes(self, kind: str, cost: int, who: str) -> bool:
        """Count what is used of a limit, where the venue has it; False: it is to be refused."""
        make = self._documented.limits.get(kind)
        if make is None:
            return True
        count = self._counts.setdefault((kind, who), make())
        fits = count.takes(cost, time.monotonic())
        self.refused[kind] += not fits
        return fits

    async def takes_request(self, request: web.Request) -> bool:
        """The same of a request, or of a handshake."""
        who = str(request.remote)
        if request.headers.get("Upgrade"):
            return self.takes("connections", 1, who)
        try:
            body = json.loads(await request.text() or "null")
        except ValueError:
            body = None
        uses = self._documented.uses(request, body)
        return all(self.takes(use.kind, use.cost, use.who) for use in uses)

    def takes_frame(self, text: str, who: str, held: set[str]) -> bool:
        """The same of a client's frame. ``held``: what that connection is subscribed to."""
        fits = self.takes("frames", 1, who)
        if '"subscribe"' in text or '"unsubscribe"' in text:
            fits = self.takes("subscribing", 1, who) and fits
        try:
            asked = json.loads(text)
        except ValueError:
            return fits
        if not isinstance(asked, dict) or "subscription" not in asked:
            return fits
        topic = json.dumps(asked["subscription"], sort_keys=True)
        if asked.get("method") == "subscribe" and topic not in held:
            held.add(topic)
            fits = self.takes("subscriptions", 1, who) and fits
        elif asked.get("method") == "unsubscribe" and topic in held:
            held.remove(topic)
            self.takes("subscriptions", -1, who)
        return fits

    def socket_opened(self, who: str) -> bool:
        return self.takes("sockets", 1, who)

    def socket_closed(self, who: str, held: set[str]) -> None:
        self.takes("sockets", -1, who)
        self.takes("subscriptions", -len(held), who)

    def note_answer(self, status: int) -> None:
        """A limit that the dialect counts by itself may have refused."""
        if status in REFUSED_STATUS:
            self.refused["by the dialect"] += 1

    def status(self) -> dict[str, Any]:
        """{most: {limit: "most used of amount"}, refused: {limit: times}}."""
        most = {
            f"{kind} of {who}": f"{it.most:g}/{it.amount}"
            for (kind, who), it in self._counts.items()
        }
        return {"most": most, "refused": {kind: n for kind, n in self.refused.items() if n}}
