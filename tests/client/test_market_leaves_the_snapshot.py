"""Binance's snapshot has 1,000 levels a side; a level beyond it is unknown until it changes.

A market that moves 15 dollars in steps of a cent leaves it (seen in a recorded session 247 s after
the snapshot; bmoscon/cryptofeed #604). Right: the book has the venue's best ten levels, or it is
not LIVE; a new snapshot is asked for in time.
"""

import time
from decimal import Decimal
from pathlib import Path

import pytest

from tests.known_faults.lab import until
from tests.known_faults.lab.deployment import SandboxHere, deployment

PAIR = "BTC-USDT"


@pytest.mark.slow
def test_live_means_the_venues_best_ten_asks(tmp_path: Path) -> None:
    with SandboxHere(
        "binance", tmp_path, "--seed", "1", "--rate", "20", "--pairs", PAIR
    ) as sandbox:
        server = sandbox.server
        theirs = server.venue.books[PAIR]

        def place(side: str, amount: str, price: Decimal, **options: str) -> None:
            server.venue.place(
                server.liquidity_provider,
                PAIR,
                side,
                "limit",
                Decimal(amount),
                price,
                server.now_ns(),
                **options,
            )

        def fill() -> None:
            server.flows.clear()  # nobody trades but this test
            for n in range(3000):
                place("sell", "0.1", Decimal(60200) + Decimal(n) / 100)

        def best_asks() -> list[list[float]]:
            return [[float(price), float(size)] for price, size in theirs.levels("sell")[:10]]

        sandbox.run(fill)
        with deployment(sandbox, PAIR) as client:
            view = client.book("binance", PAIR)
            for top in range(60201, 60216):
                sandbox.run(lambda top=top: place("buy", "1000", Decimal(top), tif="IOC"))
                time.sleep(0.12)

            def wrong() -> str:
                ours = view.snapshot(10, stale_ok=True)
                best = sandbox.run(best_asks)
                if ours.asks.tolist() == best or ours.state.name != "LIVE":
                    return ""
                return f"LIVE with asks from {ours.asks[:1].tolist()} on, not {best[:1]}"

            until(lambda: not wrong(), 8)
            assert not wrong()
