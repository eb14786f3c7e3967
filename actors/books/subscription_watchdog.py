"""Tells a channel that died from a quiet market, and decides what to do. Pure: time is an argument.

A channel that has said nothing since it was subscribed is subscribed again, then its connection is
reopened. One that was active before may be silent for as long as its market is: only a sign that
the market moved meanwhile (a trade, a ticker, a heartbeat's number, a look by REST) proves that it
died. Its book is doubted from then on, until the channel says something.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from exchanges.contract import BookLook

SILENT_AFTER = 10.0
"""Seconds after subscribing within which the first message of a symbol must arrive."""
QUIET_AFTER = 120.0
"""Seconds without a trade after which a symbol of a connection that carries trades alone is
subscribed again; also the longest time between two subscriptions of a silent symbol."""
JOINS_WITHIN = 2.0
"""Seconds by which a book's message may come before the trade that it is about."""
PROVEN_AFTER = 3.0
"""Seconds after a sign that a market moved within which its book's channel must say so."""
ANSWER_WITHIN = 5.0
"""Seconds within which a channel must say something that was subscribed again because it died."""
QUIET_FOR = 10.0
"""Seconds without any sign after which a market on a new connection is taken for quiet."""
CALM_AFTER = 120.0
"""Seconds after which an earlier death of a channel doesn't count any more."""
REOPEN_EVERY = 30.0
"""Least seconds between two connections that are reopened because a channel died."""
MANY = 10
"""Channels that died at one moment for which the connection is reopened at once: to subscribe each
again would take long."""
LOOK_AFTER = 10.0
"""Seconds of silence after which a book is looked at by REST."""


@dataclass(slots=True)
class Deadline:
    """When a silent symbol is due (monotonic seconds), and how often it was subscribed again."""

    due: float
    tries: int = 0


@dataclass(slots=True)
class Channel:
    """What is known of a book's channel on this connection; times in monotonic seconds."""

    heard_at: float
    """When it last said something, or was subscribed."""
    number: int = 0
    """Of its last message; 0: none, or without a number."""
    moved_at: float | None = None
    """The first sign that its market moved which the channel has not followed yet."""
    looked_at: float = 0.0
    look: BookLook | None = None
    """The last look of this silence."""


@dataclass(slots=True)
class Doubt:
    """A book that is not believed: what its channel must say first."""

    needed: int
    """Messages; 2 where an answer to the subscription alone proves nothing any more."""
    since: float
    """When the market last moved, or the connection was opened."""


@dataclass(slots=True)
class Deaths:
    """How often a channel died, and when it did last."""

    count: int
    at: float


@dataclass(slots=True)
class Findings:
    """What is to be done now."""

    subscribe_again: list[str] = field(default_factory=list)
    doubted: list[str] = field(default_factory=list)
    """Of these the books are not believed from now on."""
    reopen: str = ""
    """Why the connection is to be reopened; empty: it isn't."""


class SubscriptionWatchdog:
    """``subscribed`` starts a symbol's deadline, ``heard`` and ``moved`` take what its channel and
    others say of it, ``check`` tells what to do.

    A connection is reopened once for a symbol: a market without activity must not keep taking the
    others down. After that the symbol is subscribed again at growing intervals.
    """

    def __init__(
        self, *, carries_books: bool = True, must_answer: bool = True, interval: float = 0.0
    ) -> None:
        """``must_answer``: who subscribes is sent something at once, also of a quiet market.

        ``interval``: seconds between two messages of a channel of images.
        """
        self.waiting: dict[str, Deadline] = {}
        """Symbols that have said nothing since they were subscribed."""
        self.heard: dict[str, int] = {}
        """Symbols that said something since the last ``check``, with their last numbers."""
        self.moved: dict[str, int] = {}
        """Symbols whose market moved since then, as another channel says, with the number that it
        named; 0: none."""
        self.doubted: dict[str, Doubt] = {}
        self._carries_books = carries_books
        self._must_answer = must_answer
        self._interval = interval
        self._channels: dict[str, Channel] = {}
        self._deaths: dict[str, Deaths] = {}
        self._reset_for: set[str] = set()
        self._armed_at = 0.0
        self._reopened_at = float("-inf")

    def connected(self, now: float) -> None:
        """A new connection: nothing is subscribed yet."""
        self.waiting.clear()
        self._forget_signs()
        self._channels.clear()
        self._armed_at = now
        # What was lost with the old connection is mended by the new one, unless it had died before.
        self.doubted = {
            symbol: Doubt(2, now) for symbol, doubt in self.doubted.items() if doubt.needed > 1
        }

    def subscribed(self, symbols: Iterable[str], now: float) -> None:
        for symbol in symbols:
            self.waiting[symbol] = Deadline(now + SILENT_AFTER)
            self._channels[symbol] = Channel(now)

    def unsubscribed(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            self.received(symbol)
            self._channels.pop(symbol, None)
            self._deaths.pop(symbol, None)
            self.doubted.pop(symbol, None)

    def received(self, symbol: str) -> None:
        """The first message since the symbol was subscribed."""
        self.waiting.pop(symbol, None)
        self._reset_for.discard(symbol)

    def still_doubted(self, symbol: str) -> bool:
        """Whether the book is doubted after this message, too."""
        doubt = self.doubted[symbol]
        doubt.needed -= 1
        if doubt.needed <= 0:
            del self.doubted[symbol]
        return doubt.needed > 0

    def hold(self, now: float) -> None:
        """Nothing was read for a while, by our own fault: silence and signs prove nothing."""
        self._forget_signs()
        for channel in self._channels.values():
            channel.heard_at = now
            channel.moved_at = None
        for deadline in self.waiting.values():
            deadline.due = max(deadline.due, now + PROVEN_AFTER)
        for doubt in self.doubted.values():
            doubt.since = now

    def _forget_signs(self) -> None:
        self.heard.clear()
        self.moved.clear()

    def check(self, now: float) -> Findings:
        """What to do now; call it about once a second."""
        self._take_in(now)
        self._end_doubts(now)
        if not self._carries_books:
            self._expect_trades(now)
        findings = Findings()
        self._find_dead(findings, now)
        if len(findings.doubted) >= MANY and not findings.reopen and self._may_reopen(now):
            findings.reopen = f"{len(findings.doubted)} channels died"
        self._find_silent(findings, now)
        return findings

    def _take_in(self, now: float) -> None:
        """Bring what was said since the last check to the channels."""
        for symbol, number in self.heard.items():
            channel = self._channels.get(symbol)
            if channel is not None:
                channel.heard_at = now
                channel.number = number or channel.number
                channel.moved_at = None
                channel.look = None
        for symbol, number in self.moved.items():
            channel = self._channels.get(symbol)
            if channel is None or symbol in self.heard:
                continue
            if not self._is_ahead(channel, number, now):
                continue
            if channel.moved_at is None:
                channel.moved_at = now
            if symbol in self.doubted:
                self.doubted[symbol].since = now
        self._forget_signs()

    def _is_ahead(self, channel: Channel, number: int, now: float) -> bool:
        """Whether a sign tells something that the channel has not told."""
        if not number:
            return now - channel.heard_at > JOINS_WITHIN
        channel.number = channel.number or number
        return number > channel.number

    def _end_doubts(self, now: float) -> None:
        """A market that doesn't move has nothing to say: believe it on its new connection."""
        for symbol, doubt in list(self.doubted.items()):
            if symbol in self._deaths:
                self._deaths[symbol].at = now  # it is calm when it is believed
            deaths = self._deaths_of(symbol, now)
            quiet = min(QUIET_FOR * 2 ** min(max(deaths - 2, 0), 10), QUIET_AFTER)
            if doubt.needed > 1 and now - doubt.since > quiet + self._interval:
                del self.doubted[symbol]

    def _expect_trades(self, now: float) -> None:
        if now - self._armed_at > QUIET_AFTER:
            self._armed_at = now
            for symbol, channel in self._channels.items():
                if now - channel.heard_at >= QUIET_AFTER:
                    self.waiting.setdefault(symbol, Deadline(now, 2))

    def _find_dead(self, findings: Findings, now: float) -> None:
        for symbol, channel in self._channels.items():
            is_asked = symbol in self.doubted and symbol in self.waiting
            if channel.moved_at is None or is_asked:
                continue
            deaths = self._deaths_of(symbol, now)
            patience = PROVEN_AFTER + self._interval
            if symbol in self.doubted:
                # It is not believed anyway.
                patience = min(patience * 2 ** min(deaths, 10), QUIET_AFTER)
            if now - channel.moved_at < patience:
                continue
            channel.moved_at = None
            deaths += 1
            self._deaths[symbol] = Deaths(deaths, now)
            self.doubted[symbol] = Doubt(1 if deaths == 1 else 2, now)
            findings.doubted.append(symbol)
            if deaths == 2 and self._may_reopen(now):
                findings.reopen = f"the channel of {symbol} died, and again after it was subscribed"
            else:
                findings.subscribe_again.append(symbol)
                tries = 1 if deaths == 1 else 2
                self.waiting[symbol] = Deadline(now + ANSWER_WITHIN + self._interval, tries)

    def _deaths_of(self, symbol: str, now: float) -> int:
        deaths = self._deaths.get(symbol)
        if deaths is None or now - deaths.at > CALM_AFTER:
            return 0
        return deaths.count

    def _may_reopen(self, now: float) -> bool:
        if now - self._reopened_at < REOPEN_EVERY:
            return False
        self._reopened_at = now
        return True

    def _find_silent(self, findings: Findings, now: float) -> None:
        """Symbols that have said nothing since they were subscribed."""
        again = set(findings.subscribe_again)
        silent = {s: each for s, each in self.waiting.items() if now >= each.due and s not in again}
        unanswered = [
            symbol
            for symbol, each in silent.items()
            if each.tries == 1
            and symbol not in self._reset_for
            and (self._must_answer or symbol in self.doubted)
        ]
        if unanswered:
            self._reset_for.update(unanswered)
            for symbol in unanswered:
                self._note_unanswered(symbol, now)
            findings.reopen = "a symbol stays silent after it was subscribed twice"
            return
        for each in silent.values():
            each.tries += 1
            each.due = now + min(SILENT_AFTER * 2 ** (each.tries - 1), QUIET_AFTER)
        findings.subscribe_again += sorted(silent)

    def _note_unanswered(self, symbol: str, now: float) -> None:
        """A channel that died doesn't answer its subscription either."""
        if symbol in self.doubted:
            self._deaths[symbol] = Deaths(2, now)
            self.doubted[symbol] = Doubt(2, now)
            self._reopened_at = now

    # Looks by REST.

    def to_look_at(self, now: float) -> str | None:
        """The silent symbol that was not looked at for longest; of several, the last active."""
        silent = [
            (channel.looked_at, -channel.heard_at, symbol)
            for symbol, channel in self._channels.items()
            if now - channel.heard_at >= LOOK_AFTER + self._interval and symbol not in self.doubted
        ]
        return min(silent, default=(0.0, 0.0, None))[2]

    def looked(self, symbol: str, look: BookLook, now: float) -> None:
        """Take what REST showed of a symbol that ``to_look_at`` named."""
        channel = self._channels.get(symbol)
        if channel is None:
            return
        channel.looked_at = now
        if symbol in self.heard or now - channel.heard_at < LOOK_AFTER:
            return
        before = channel.look
        known = channel.number or (before.number if before is not None else 0)
        if look.number and known:
            has_moved = look.number > known
        else:
            has_moved = before is not None and look.best != before.best
        if has_moved and channel.moved_at is None:
            channel.moved_at = now
        if not has_moved:
            channel.look = look
