"""Every look at a LIVE book is held against the venue's own ledger, while faults are drawn."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.oracle.judge import Judge
from tests.oracle.session import session
from tests.oracle.world import feeds, world
from tests.support import report

pytestmark = pytest.mark.oracle
ROOT = Path(__file__).parents[2]
SEEDS = {"binance": (1, 2)}
"""Pinned seeds of the short sessions; 1 for all others. Those of Binance that are even have
snapshots that the market leaves."""
SECONDS = 4
LONG_SEEDS = range(1, 21)
LONG_SECONDS = 20
PROCESSES = 2
TOGETHER = 4
"""Sessions at a time in a process."""


def run_in_processes(jobs: list[tuple[str, int]], seconds: float, *options: str) -> list[Any]:
    """The reports of sessions (feed, seed) that run at the same time, as JSON."""
    groups = [jobs[number::PROCESSES] for number in range(PROCESSES)]
    command = [sys.executable, "-m", "tests.oracle.batch", str(seconds), str(TOGETHER)]
    started = [
        subprocess.Popen(
            [*command, *options, *(f"{feed}={seed}" for feed, seed in group)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for group in groups
    ]
    said = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0] * len(started)
    return [json.loads(line) for each in said for line in each.splitlines()]


def assert_right(found: list[Any], jobs: int) -> None:
    looks = sum(each["live"] for each in found)
    report.LINES.append(
        f"oracle: {len(found)} sessions, {looks} looks at LIVE books, "
        f"{sum(each['findings'] for each in found)} of them wrong"
    )
    wrong = [line for each in found if not each["is_right"] for line in each["lines"]]
    assert not wrong, "\n".join(wrong)
    assert len(found) == jobs
    assert all(each["live"] > 0 for each in found), "a session without a look"


@pytest.mark.sandbox
def test_every_live_look_is_the_venues_book() -> None:
    jobs = [(feed, seed) for feed in feeds() for seed in SEEDS.get(feed, (1,))]
    assert_right(run_in_processes(jobs, SECONDS), len(jobs))


@pytest.mark.sandbox
@pytest.mark.slow
@pytest.mark.parametrize("feed", feeds())
def test_every_live_look_of_long_sessions_is_the_venues_book(feed: str) -> None:
    jobs = [(feed, seed) for seed in LONG_SEEDS]
    assert_right(run_in_processes(jobs, LONG_SECONDS, "--long"), len(jobs))


def test_a_wrong_level_is_found_and_named() -> None:
    """The judge itself: a size that the venue never had, and levels that it has and we don't."""

    async def main() -> None:
        async with world("binance", 1) as live:
            while not live.is_live:
                await asyncio.sleep(0.01)
            judge: Judge = live.judge
            judge.look()
            assert judge.findings == []
            pair = next(iter(live.pairs))
            await live.admin("flow", paused=True)
            book = live.feed.tracker.order_books[pair]
            while book.update_id != (await live.book(pair))["update_id"]:
                await asyncio.sleep(0.01)
            worse = book.bids.copy()
            worse[3, 1] += 0.5
            changed = np.array([worse[3]])
            from orderbook.messages import BookDiff, Layout

            book.apply_diff(BookDiff("", changed.tobytes(), b"", layout=Layout.PACKED), 0)
            judge.fault = "a changed size"
            judge.look()
            (finding,) = judge.findings
            assert (finding.kind, finding.pair) == ("wrong", pair)
            assert finding.what.startswith(f"bid level 4: {worse[3].tolist()}, the ledger has")
            assert "after a changed size" in str(finding)

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_book_that_stays_behind_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.oracle.judge.LATE_S", 1.0)

    async def main() -> None:
        async with world("binance", 1) as live:
            while not live.is_live:
                await asyncio.sleep(0.01)
            await live.admin("dead_channel", pair=live.pairs["BTC-USDT"], healed_by="nothing")
            live.judge.fault = "dead_channel"
            while not live.judge.findings and live.is_live:
                live.judge.look()
                await asyncio.sleep(0.01)
            if live.is_live:  # else it was not believed, which is better
                assert {finding.kind for finding in live.judge.findings} == {"late"}
                assert {finding.pair for finding in live.judge.findings} == {"BTC-USDT"}

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_session_can_be_run_again_with_the_same_faults() -> None:
    first = asyncio.run(session("bybit:50", 5, 1.0))
    assert first.again == "python -m tests.oracle bybit 50 5 1"
    again = asyncio.run(session("bybit:50", 5, 1.0))
    assert list(first.faults) == list(again.faults)
