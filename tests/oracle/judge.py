"""Judges each look at a LIVE book by the ledger."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from orderbook.errors import NotReady, StaleBook
from orderbook.reader import BookReader, Levels
from tests.oracle.ledger import Floats, Image, Ledger, equal, first_difference, within

TRUSTED = hasattr(Levels, "bounds")
"""Whether a reading says up to which price each side is known; else all that it shows counts."""
LATE_S = 5.0
"""Seconds by which a LIVE book may be behind the venue's: what the venue sent is on its way, or is
older than the numbers that the book has, and not yet proven to be of another sequence."""
LATE_IMAGES_S = 10.0
"""The same of feeds all of whose messages are whole books."""
LATE_DEAD_S = 12.0
"""The same where a channel of a book was silent: until that is proven."""
FRESH_S = 1.0
"""Seconds by which a book is behind that follows its venue."""
FINDINGS_KEPT = 20
IMAGES_COMPARED = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """A look that was LIVE and wrong: no image of the venue's ("wrong"), or one that is long over
    ("late"). ``at``: seconds since the session began; ``fault``: the last one that was drawn."""

    kind: Literal["wrong", "late"]
    pair: str
    at: float
    fault: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:.2f} s, {self.pair}, after {self.fault}: {self.what}"


@dataclass(slots=True)
class _Look:
    """The last look at a pair's book, and the image that explained it."""

    version: int = -1
    image: Image | None = None
    wrong_since: float = 0.0
    live_since: float = 0.0


class Judge:
    """Looks at readers of the books, as a client does."""

    def __init__(
        self,
        ledger: Ledger,
        pairs: dict[str, str],
        reader: Callable[[str], BookReader],
        *,
        most: int | None,
        late_s: float = LATE_S,
        unproven_s: float = 0.0,
        proven: int | None = None,
    ) -> None:
        """``pairs``: our name of a pair -> the venue's. ``most``: levels a side that the feed shows
        at most. ``late_s``: seconds by which its LIVE books may be behind; ``unproven_s``: for
        which they may be wrong, as it declares. ``proven``: the best levels of each side that its
        checksums are of; None: every level is proven."""
        self._ledger = ledger
        self._pairs = pairs
        self._reader_of = reader
        self._most = most
        self.late_s = late_s
        self._unproven_s = unproven_s
        self._proven = proven
        self._readers: dict[str, BookReader] = {}
        self._looks: dict[str, _Look] = {pair: _Look() for pair in pairs}
        self._began = time.monotonic()
        self.fault = "nothing"
        self.looks: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        """Of findings, by kind."""
        self.findings: list[Finding] = []
        """The first of them."""
        self.lag = 0.0
        """Seconds by which a LIVE book was behind the venue's at most."""
        self.unproven = 0.0
        """Seconds for which one was wrong, where its feed declares that."""
        self.deep = 0
        """Looks that were wrong below the levels that are proven."""

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()

    def look(self) -> None:
        """At every book, once."""
        for pair in self._pairs:
            reading = self.read(pair)
            if reading is None:
                self._looks[pair] = _Look()
                continue
            self.judge(pair, reading)

    def all_since(self, moment: float) -> bool:
        """Whether every book was LIVE and right at the last look, and a later one of the venue's
        than that of a moment (monotonic seconds)."""
        images = [look.image for look in self._looks.values()]
        return all(image is not None and image.since > moment for image in images)

    def read(self, pair: str) -> Levels | None:
        """A LIVE book; None for one that is not."""
        try:
            if pair not in self._readers:
                self._readers[pair] = self._reader_of(pair)
            return self._readers[pair].levels()
        except (NotReady, StaleBook) as refusal:
            self.looks[type(refusal).__name__] += 1
            return None

    def judge(self, pair: str, reading: Levels) -> None:
        """One reading of a LIVE book."""
        now = time.monotonic()
        self.looks["LIVE"] += 1
        last = self._looks[pair]
        version = reading.meta["version"]
        if version != last.version or last.image is None:
            last.version = version
            last.image = self._explanation(pair, reading)
        if last.image is None:
            self._note_wrong(pair, reading, last, now)
            return
        last.wrong_since = 0.0
        last.live_since = last.live_since or now
        if now - last.image.until > FRESH_S:  # it may have become the venue's again
            last.image = self._explanation(pair, reading) or last.image
        behind = max(0.0, now - max(last.image.until, last.live_since))
        self.lag = max(self.lag, behind)
        if behind > self.late_s:
            self._note("late", pair, now, f"the venue's book of {now - last.image.until:.1f} s ago")

    def _explanation(self, pair: str, reading: Levels) -> Image | None:
        """The newest image of the venue's that the reading may be of."""
        for image in self._ledger.newest_first(self._pairs[pair]):
            if all(equal(ours, theirs) for ours, theirs in self.sides(reading, image)):
                return image
        if self._proven is not None:
            for image in self._ledger.newest_first(self._pairs[pair]):
                if not self.told(self.proven(self.sides(reading, image))):
                    self.deep += 1
                    return image
        return None

    def proven(self, both: list[tuple[Floats, Floats]]) -> list[tuple[Floats, Floats]]:
        """The levels of both sides that are to be right in any case."""
        return [(ours[: self._proven], theirs[: self._proven]) for ours, theirs in both]

    def sides(self, reading: Levels, image: Image) -> list[tuple[Floats, Floats]]:
        """(ours, what it must be) of bids and asks."""
        bid_bound, ask_bound = reading.bounds if TRUSTED else (float("nan"), float("nan"))
        return [
            (reading.bids, within(image.bids, bid_bound, self._most, True)),
            (reading.asks, within(image.asks, ask_bound, self._most, False)),
        ]

    def _note_wrong(self, pair: str, reading: Levels, last: _Look, now: float) -> None:
        last.wrong_since = last.wrong_since or now
        wrong_for = now - last.wrong_since
        if wrong_for < self._unproven_s:
            self.unproven = max(self.unproven, wrong_for)
            return
        self._note("wrong", pair, now, self.difference(pair, reading))

    def difference(self, pair: str, reading: Levels) -> str:
        """What differs from the image that has most in common with a reading; "" for nothing."""
        images = islice(self._ledger.newest_first(self._pairs[pair]), IMAGES_COMPARED)
        compared = [self.sides(reading, image) for image in images]
        nearest = min(compared, key=rows_that_differ)
        return f"{self.told(nearest)} (epoch {reading.meta['epoch']})"

    @staticmethod
    def told(both: list[tuple[Floats, Floats]]) -> str:
        """The first level of each side that is not the same; "" for none."""
        named = zip(("bid", "ask"), both, strict=True)
        texts = [f"{name} {first_difference(*sides)}" for name, sides in named]
        found = "; ".join(text for text in texts if "level" in text)
        return f"{found} ({rows_that_differ(both)} rows differ)" if found else ""

    def _note(self, kind: Literal["wrong", "late"], pair: str, now: float, what: str) -> None:
        self.counts[kind] += 1
        if len(self.findings) < FINDINGS_KEPT:
            self.findings.append(Finding(kind, pair, now - self._began, self.fault, what))


def rows_that_differ(both: list[tuple[Floats, Floats]]) -> int:
    return sum(
        len({tuple(row) for row in ours.tolist()} ^ {tuple(row) for row in theirs.tolist()})
        for ours, theirs in both
    )
