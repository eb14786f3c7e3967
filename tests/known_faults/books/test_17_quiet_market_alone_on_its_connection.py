"""A market in which nothing happens for a minute, alone on its connection; the venue answers pings.

Right: the book stays LIVE in its epoch. Today the connection is cut and made again every 30 s; each
time the book is INVALID until it is resynchronised.
"""

import time

import pytest

from tests.known_faults.lab.deployment import deployment
from trochil.sandbox.process import SandboxProcess

PAIR = "BTC-USDT"


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a connection on which nothing happens for 30 s is cut, and its book breaks",
)
def test_a_book_is_live_in_one_epoch_through_a_minute_of_quiet() -> None:
    with (
        SandboxProcess("binance", pairs=[PAIR], seed=3, rate=50) as sandbox,
        deployment(sandbox, PAIR) as client,
    ):
        view = client.book("binance", PAIR)
        sandbox.admin("POST", "flow", {"paused": True})
        time.sleep(1)
        epoch = view.epoch
        invalid = 0
        end = time.monotonic() + 65
        while time.monotonic() < end:
            invalid += view.state.name != "LIVE"
            time.sleep(0.02)
        assert invalid == 0
        assert view.epoch == epoch
