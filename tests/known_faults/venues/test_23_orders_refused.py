"""Twenty-six refusals as venues word them (freqtrade/freqtrade #2889 #3208, ccxt/ccxt #3998 #3611).

(Also knowm/XChange #4369.) Right: each has its kind.
"""

from typing import Any

import pytest

from exchanges.registry import get
from tests.known_faults.lab import load
from tests.known_faults.lab.wire import answer

REFUSALS = [(venue, *row) for venue, rows in load(__file__).items() for row in rows]


@pytest.mark.parametrize(("venue", "status", "body", "kind"), REFUSALS)
def test_a_refusal_has_its_kind(venue: str, status: int, body: Any, kind: str | None) -> None:
    fault = get(venue).error(answer(body, status))
    assert (None if fault is None else str(fault.kind)) == kind
