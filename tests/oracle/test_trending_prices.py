"""Prices that leave the levels of a snapshot: inside the bound, every message's book is the
venue's."""

import asyncio

import pytest

from tests.oracle.trending import RECORDED_PACE, WEIGHT_A_MINUTE, TrendReport, trending
from tests.support import report

pytestmark = pytest.mark.oracle
SHARE = 0.1
"""Of the venue's weight, that requests for more levels may take."""
MOST_WEIGHT = SHARE * WEIGHT_A_MINUTE + 50
"""And a snapshot that was on its way."""


def assert_right(found: TrendReport) -> None:
    report.LINES.append(found.line)
    assert found.findings == [], "\n".join(map(str, found.findings[:5]))
    assert found.looks > found.pairs * found.seconds, "hardly a look"
    assert found.weight <= MOST_WEIGHT


def test_a_price_that_leaves_its_snapshot() -> None:
    found = asyncio.run(trending(1, 20.0, 60.0))
    assert_right(found)
    assert found.moved > 1000, "the price did not leave the snapshot's levels"
    assert found.least > 0
    assert found.weight > 0, "nothing was requested"


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [1, 5, 20])
def test_prices_that_leave_their_snapshots_as_a_recorded_one_did(pairs: int) -> None:
    found = asyncio.run(trending(pairs, 300.0, RECORDED_PACE))
    assert_right(found)
    assert found.moved > 1000, "the prices did not leave the snapshots' levels"
