"""The venue stops sending one pair's book; the connection lives, the pair's trades go on.

The most repeated complaint about ccxt.pro (ccxt/ccxt #23214 #21731 #13000 #8232 #12279). Right:
within 45 s the book is not LIVE, or it was subscribed again and is the venue's. Today it is LIVE
with old levels; the watch over silence subscribes again after 120 to 240 s, and never connects
again.
"""

import time

import pytest

from tests.known_faults.lab import until
from tests.known_faults.lab.deployment import deployment
from trochil.sandbox.process import SandboxProcess

PAIR = "BTC-USDT"


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a book whose channel is dead on a living connection stays LIVE for minutes",
)
def test_a_book_that_hears_nothing_is_not_live_or_the_venues_within_45_s() -> None:
    with (
        SandboxProcess("binance", pairs=[PAIR, "ETH-USDT"], seed=3, rate=100) as sandbox,
        deployment(sandbox, PAIR, "ETH-USDT") as client,
    ):
        view = client.book("binance", PAIR)
        sandbox.admin("POST", "drop", {"pair": PAIR, "frames": 10**9})
        time.sleep(1)

        def right() -> bool:
            bids = sandbox.admin("GET", f"book?pair={PAIR}")["bids"][:10]
            theirs = [[float(price), float(size)] for price, size in bids]
            return (
                view.state.name != "LIVE"
                or view.snapshot(10, stale_ok=True).bids.tolist() == theirs
            )

        assert until(right, 45, every=0.5), "LIVE with old levels after 45 s"
