"""One session: a feed, a seed, so many seconds of faults, and the quiet after them."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tests.oracle import drawn
from tests.oracle.judge import Finding
from tests.oracle.ledger import Image
from tests.oracle.world import World, seeded, world

FAULT_EVERY_S = 0.5
LOOK_EVERY_S = 0.01
FIRST_LIVE_WITHIN_S = 60.0
LIVE_WITHIN_S = 60.0
EQUAL_WITHIN_S = 8.0


@dataclass
class Report:
    """What one session found."""

    feed: str
    seed: int
    seconds: float
    looks: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    lag: float = 0.0
    unproven: float = 0.0
    deep: int = 0
    """Looks that were wrong below the levels that the feed's checksums are of."""
    live_after: float | None = None
    """Seconds from the end of the faults until every book was LIVE and one of the venue's
    of after that; None: never."""
    at_rest: dict[str, str] = field(default_factory=dict)
    """What differs where the venue rests, by pair."""
    deaths: list[str] = field(default_factory=list)
    own_errors: list[str] = field(default_factory=list)
    """Of the sandbox."""
    faults: dict[str, int] = field(default_factory=dict)

    @property
    def is_right(self) -> bool:
        wrong = self.findings or self.at_rest or self.deaths or self.own_errors
        return self.live_after is not None and not wrong

    @property
    def again(self) -> str:
        venue, _, feed = self.feed.partition(":")
        return f"python -m tests.oracle {venue} {feed or '-'} {self.seed} {self.seconds:g}"

    def lines(self) -> list[str]:
        """For a person."""
        live = "never" if self.live_after is None else f"{self.live_after:.1f} s"
        told = [
            f"{self.feed} seed {self.seed}: {self.looks.get('LIVE', 0)} looks LIVE of "
            f"{sum(self.looks.values())}, wrong {self.counts.get('wrong', 0)}, late "
            f"{self.counts.get('late', 0)}; behind by {self.lag:.2f} s at most; all LIVE {live} "
            f"after the faults; at rest {self.at_rest or 'equal'}; faults {self.faults}"
        ]
        told += [f"  {finding}" for finding in self.findings[:5]]
        told += [f"  died: {death}" for death in self.deaths]
        told += [f"  the sandbox's own: {error}" for error in self.own_errors[:3]]
        if self.unproven:
            told.append(f"  wrong for {self.unproven:.2f} s at most, as the feed declares")
        if self.deep:
            told.append(f"  {self.deep} changes left it wrong below what its checksums are of")
        if not self.is_right:
            told.append(f"  again: {self.again}")
        return told


async def until(live: World, condition: Callable[[], bool], within_s: float) -> float | None:
    """Seconds until the condition was true, looking all the while; None: it never was."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > within_s:
            return None
        live.judge.look()
        await asyncio.sleep(LOOK_EVERY_S)
    return time.monotonic() - began


async def session(
    name: str, seed: int, seconds: float, kinds: list[str] | None = None, *, long: bool = False
) -> Report:
    """``kinds``: the faults that may be drawn; None: all of the feed's, of those that take long
    only with ``long``."""
    report = Report(name, seed, seconds)
    async with world(name, seed) as live:
        judge = live.judge
        if await until(live, lambda: live.is_live, FIRST_LIVE_WITHIN_S) is None:
            books = live.feed.tracker.status()["books"]
            why = {pair: f"{each['state']} {each['why']}" for pair, each in books.items()}
            report.looks = dict(judge.looks)
            report.deaths = [*live.deaths, f"not LIVE before any fault: {why}"]
            return report
        allowed = kinds or drawn.kinds(live, long=long)
        report.faults = await under_faults(live, seed, seconds, allowed)
        await drawn.end(live)
        judge.fault = f"{judge.fault}, faults over"
        ended = time.monotonic()
        report.live_after = await until(live, lambda: judge.all_since(ended), LIVE_WITHIN_S)
        report.at_rest = await at_rest(live)
        report.looks = dict(judge.looks)
        report.counts = dict(judge.counts)
        report.findings = judge.findings
        report.lag = judge.lag
        report.unproven = judge.unproven
        report.deep = judge.deep
        report.deaths = live.deaths
        report.own_errors = live.server.own_errors
    return report


async def under_faults(live: World, seed: int, seconds: float, kinds: list[str]) -> dict[str, int]:
    """Draw one twice a second, and look all the while. How often each was drawn."""
    rng = seeded(live.name, seed)
    counted: Counter[str] = Counter()
    end = time.monotonic() + seconds
    due = time.monotonic()
    while time.monotonic() < end:
        if time.monotonic() >= due:
            due += FAULT_EVERY_S
            kind = rng.choice(kinds)
            counted[kind] += 1
            live.judge.fault = kind
            await drawn.draw(live, kind, rng)
        live.judge.look()
        await asyncio.sleep(LOOK_EVERY_S)
    return dict(counted)


async def at_rest(live: World) -> dict[str, str]:
    """What differs from the ledger, as the admin door shows it, where nothing happens any more."""
    await live.admin("flow", paused=True)
    theirs = {}
    for pair in live.pairs:
        book = await live.book(pair)
        sides = (np.array(book[side], np.float64).reshape(-1, 2) for side in ("bids", "asks"))
        theirs[pair] = Image(*sides)
    different: dict[str, str] = {}

    def are_equal() -> bool:
        different.clear()
        for pair, image in theirs.items():
            reading = live.judge.read(pair)
            if reading is None:
                different[pair] = "not LIVE"
                continue
            both = live.judge.sides(reading, image)
            if told := live.judge.told(live.judge.proven(both)):
                different[pair] = told
        return not different

    await until(live, are_equal, EQUAL_WITHIN_S)
    return different
