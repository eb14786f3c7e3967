"""Kraken is slow with two orders (6 s each); a third one, which rests, is to be cancelled now.

Right: the cancel reaches the venue within 3 s. Today signed requests go one at a time, a cancel has
no priority, and the lock covers the whole answer: 12 s.
"""

import time

import pytest

from tests.known_faults.lab import until
from tests.known_faults.lab.deployment import deployment, orders_of
from trochil.sandbox.process import SandboxProcess

PAIR = "BTC-USD"


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a cancel waits for the answers to orders that were sent before it (Kraken)",
)
def test_a_cancel_leaves_within_3_s_though_places_are_slow() -> None:
    with (
        SandboxProcess("kraken", pairs=[PAIR], rate=1, seed=2) as sandbox,
        deployment(sandbox, PAIR, keys=True) as client,
    ):
        market = client.market("kraken")
        market.wait_ready(30)
        price = f"{float(sandbox.admin('GET', f'book?pair={PAIR}')['bids'][0][0]) / 2:.1f}"
        resting = market.buy(PAIR, "0.01", price).wait("open", timeout=15)
        time.sleep(1.5)
        sandbox.admin("POST", "faults", {"delay_request": 6})
        market.buy(PAIR, "0.01", price)
        market.buy(PAIR, "0.01", price)
        time.sleep(0.1)
        began = time.monotonic()
        market.cancel(resting)
        until(lambda: orders_of(sandbox)[resting.client_id]["state"] == "cancelled", 20)
        took = time.monotonic() - began
        assert took < 3, f"cancelled at the venue after {took:.1f} s"
