"""Every recording, many times, on Ray and inline, at once and paced: one result."""

import os
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from tests.support import report
from tests.support.recordings import RECORDINGS, Recording, recording
from trochil.commands.replay import run_replay

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
RUNS = int(os.environ.get("TROCHIL_REPLAYS", "10"))
SPEEDS = ("max", "40")
WAYS = [(way, speed) for way in ("Ray", "inline") for speed in SPEEDS]
CASES = [
    pytest.param(session, speed, number, id=f"{session.exchange}-{session.pair}-{speed}-{number}")
    for session in RECORDINGS
    for speed in SPEEDS
    for number in range(RUNS)
]
EVERY = pytest.mark.parametrize(("session", "speed", "number"), CASES)


def replayed(session: Recording, speed: str, address: str | None) -> dict[str, Any]:
    """``address``: of a Ray cluster; None: inline."""
    file = str(recording(session.file))
    return run_replay(
        file,
        session.exchange,
        session.pair,
        speed,
        "",
        inline=address is None,
        feed=session.feed,
        address=address,
    )


@cache
def reference(session: Recording) -> dict[str, Any]:
    return replayed(session, "max", None)


equal: Counter[tuple[Recording, str, str]] = Counter()


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """One line for each recording: its counts, and how many runs gave them in each way."""
    yield
    for session in dict.fromkeys(session for session, _, _ in equal):
        found = reference(session)
        counts = [found[name] for name in ("applied", "dropped_before_snapshot", "gaps", "resyncs")]
        ways = [f"{way} {speed}: {equal[session, way, speed]}" for way, speed in WAYS]
        report.LINES.append(
            f"{session.exchange} {session.pair} {session.file}: {counts} {found['digest'][:8]}; "
            f"runs equal, {', '.join(ways)}"
        )


def check(session: Recording, speed: str, address: str | None) -> None:
    assert replayed(session, speed, address) == reference(session)
    equal[session, "inline" if address is None else "Ray", speed] += 1


@EVERY
def test_every_inline_run_counts_the_same(session: Recording, speed: str, number: int) -> None:
    check(session, speed, None)


@pytest.mark.ray
@EVERY
def test_every_run_on_ray_counts_as_inline(
    session: Recording, speed: str, number: int, ray_address: str
) -> None:
    check(session, speed, ray_address)
