"""Every recording, many times, on Ray and inline, at once and paced: one result."""

import os
from functools import cache
from typing import Any

import pytest

from tests.support import report
from tests.support.recordings import RECORDINGS, Recording, recording
from trochil.commands.replay import run_replay

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
RUNS = int(os.environ.get("TROCHIL_REPLAYS", "10"))


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


def check(session: Recording, speed: str, address: str | None) -> None:
    expected = reference(session)
    runs = [replayed(session, speed, address) for _ in range(RUNS)]
    equal = sum(found == expected for found in runs)
    counted = " ".join(
        str(expected[name]) for name in ("applied", "dropped_before_snapshot", "gaps", "resyncs")
    )
    way = "inline" if address is None else "Ray"
    report.LINES.append(
        f"{session.exchange} {session.pair} {session.file} {way} {speed}: {counted} "
        f"{expected['digest'][:8]}, {equal} of {RUNS} runs equal"
    )
    assert runs == [expected] * RUNS


@pytest.mark.parametrize(
    "session", RECORDINGS, ids=lambda session: f"{session.exchange}-{session.pair}"
)
@pytest.mark.parametrize("speed", ["max", "40"])
def test_every_inline_run_counts_the_same(session: Recording, speed: str) -> None:
    check(session, speed, None)


@pytest.mark.ray
@pytest.mark.parametrize(
    "session", RECORDINGS, ids=lambda session: f"{session.exchange}-{session.pair}"
)
@pytest.mark.parametrize("speed", ["max", "40"])
def test_every_run_on_ray_counts_as_inline(
    session: Recording, speed: str, ray_address: str
) -> None:
    check(session, speed, ray_address)
