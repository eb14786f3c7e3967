"""Sessions whose price moves through the levels of a snapshot, as a recorded market did.

``python -m tests.oracle.trending PAIRS SECONDS [LEVELS_A_SECOND]``: Binance, books of 1500 levels a
side, snapshots of 1000. In the recorded session (BTCUSDT, 8 August 2024) the market left the 1000
levels of its snapshot after 247 s: four levels a second.
"""

import asyncio
import logging
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orderbook.reader import Levels
from tests.oracle.judge import TRUSTED, Finding
from tests.oracle.world import World, world

LEVELS = 1500
SNAPSHOT_LEVELS = 1000
RECORDED_PACE = 4.0
"""Levels a second."""
WANTED_LEVELS = 500
"""A side: the set number below which more are requested."""
RATE = 10
"""Flow events a second and pair."""
WEIGHT_A_MINUTE = 6000
LOOK_EVERY_S = 0.01
LIVE_WITHIN_S = 60.0


@dataclass
class PairSeen:
    """What was seen of one pair's book."""

    version: int = -1
    looks: int = 0
    """At different versions of the book."""
    trusted: list[int] = field(default_factory=list)
    """Levels of the thinner side, at each of them."""
    below_s: float = 0.0
    """Seconds with fewer than the set number."""
    not_live_s: float = 0.0
    looked_at: float = 0.0


@dataclass
class TrendReport:
    """What a session found."""

    pairs: int
    seconds: float
    pace: float
    findings: list[Finding]
    wrong: int
    messages: int
    """Changes that the trackers applied."""
    looks: int
    """At different versions of a book."""
    weight: float
    """Weight a minute that was used once every book was LIVE."""
    least: int
    """Trusted levels of the thinnest side of all."""
    median: int
    below_s: float
    """Seconds below the set number, of all pairs together."""
    not_live_s: float
    moved: int
    """Levels by which each price moved."""

    @property
    def line(self) -> str:
        share = self.below_s / (self.pairs * self.seconds)
        return (
            f"{self.pairs} moving pairs, {self.seconds:.0f} s, {self.pace:g} levels/s: "
            f"{self.looks} looks at {self.messages} messages, {self.wrong} wrong; "
            f"weight {self.weight:.0f} a minute ({self.weight / WEIGHT_A_MINUTE:.1%}); trusted "
            f"levels of the thinner side: {self.median} in the middle, {self.least} at least; "
            f"below {WANTED_LEVELS} for {self.below_s:.1f} s ({share:.1%} of the time); "
            f"not LIVE for {self.not_live_s:.1f} s"
        )


def used_weight(live: World) -> int:
    numbers = live.server.dialect.numbers
    return sum(used for name, used in numbers.items() if name.startswith("weight in minute"))


def look(live: World, seen: dict[str, PairSeen]) -> None:
    """At every book, judged where it has changed."""
    for pair, known in seen.items():
        now = time.monotonic()
        passed = now - known.looked_at if known.looked_at else 0.0
        known.looked_at = now
        reading = live.judge.read(pair)
        if reading is None:
            known.not_live_s += passed
            continue
        thinner = min(len(reading.bids), len(reading.asks))
        known.below_s += passed if thinner < WANTED_LEVELS else 0.0
        note(live, pair, known, reading, thinner)


def note(live: World, pair: str, known: PairSeen, reading: Levels, thinner: int) -> None:
    version = reading.meta["version"]
    if version == known.version:
        return
    known.version = version
    known.looks += 1
    known.trusted.append(thinner)
    live.judge.judge(pair, reading)


async def trending(pairs: int, seconds: float, pace: float, seed: int = 1) -> TrendReport:
    """Prices move up and down, pair by pair in turn."""
    options = ["--levels", str(LEVELS), "--rate", str(RATE)]
    more: dict[str, Any] = {"pairs": pairs, "by_frame": True, "rules_refresh": 300.0}
    async with world("binance", seed, *options, **more) as live:
        await live.admin("faults", snapshot_levels=SNAPSHOT_LEVELS)
        async with asyncio.timeout(LIVE_WITHIN_S):
            while not live.is_live:
                await asyncio.sleep(LOOK_EVERY_S)
        for number, pair in enumerate(live.pairs.values()):
            await live.admin("flow", pair=pair, trend=pace * (-1) ** number)
        weight_before = used_weight(live)
        applied_before = applied(live)
        seen = {pair: PairSeen() for pair in live.pairs}
        look_after_each_message(live, seen)
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            look(live, seen)
            await asyncio.sleep(LOOK_EVERY_S)
        passed = time.monotonic() - began
        trusted = [number for known in seen.values() for number in known.trusted]
        return TrendReport(
            pairs=pairs,
            seconds=passed,
            pace=pace,
            findings=live.judge.findings,
            wrong=live.judge.counts["wrong"],
            messages=applied(live) - applied_before,
            looks=sum(known.looks for known in seen.values()),
            weight=(used_weight(live) - weight_before) * 60 / passed,
            least=min(trusted),
            median=int(np.median(trusted)),
            below_s=sum(known.below_s for known in seen.values()),
            not_live_s=sum(known.not_live_s for known in seen.values()),
            moved=int(passed * pace),
        )


def look_after_each_message(live: World, seen: dict[str, PairSeen]) -> None:
    """Also at those that a tracker takes one after the other without waiting."""
    for pipeline in live.feed.tracker._pipelines.values():

        def take(message: Any, received: int, take: Any = pipeline.take) -> None:
            take(message, received)
            look(live, seen)

        pipeline.take = take  # type: ignore[method-assign]


def applied(live: World) -> int:
    return sum(book.meta()["applied"] for book in live.feed.tracker.order_books.values())


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    pace = float(sys.argv[3]) if len(sys.argv) > 3 else RECORDED_PACE
    report = asyncio.run(trending(int(sys.argv[1]), float(sys.argv[2]), pace))
    print(report.line)
    if not TRUSTED:
        print("this book says of no level how far it may be believed: all that it shows is judged")
    for finding in report.findings[:5]:
        print(f"  {finding}")
    sys.exit(bool(report.wrong))
