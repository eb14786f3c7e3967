"""Kraken gives a pair a finer tick while everything runs; its checksums follow. The rules are read
again every 2 s here.

Right: the pair's book is LIVE again within 20 s, without a restart; the other pair is not touched.
Today it is INVALID (checksum) for ever: the data source learns the new tick, the tracker doesn't;
snapshots are asked for all the while.
"""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.known_faults.lab import given, until
from tests.known_faults.lab.deployment import SandboxHere, deployment

PAIR = "BTC-USD"
OTHER = "ETH-USD"


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a tracker keeps the tick that a pair had when it began, so checksums fail for ever",
)
def test_a_book_is_live_again_after_its_tick_changed(tmp_path: Path) -> None:
    with (
        SandboxHere(
            "kraken", tmp_path, "--seed", "1", "--rate", "30", "--pairs", PAIR, OTHER
        ) as sandbox,
        deployment(sandbox, PAIR, OTHER, rules_refresh=2.0) as client,
    ):
        view = client.book("kraken", PAIR)
        other = client.book("kraken", OTHER)
        symbol = sandbox.server.venue.symbols[PAIR]

        def finer() -> None:
            symbol.price_tick = Decimal("0.001")

        sandbox.run(finer)
        given(until(lambda: view.state.name == "INVALID", 10), "the change of tick is felt")
        states: list[str] = []

        def steady() -> bool:
            states.append(view.state.name)
            return states[-20:] == ["LIVE"] * 20

        healed = until(steady, 20, every=0.1)
        assert other.state.name == "LIVE"
        assert healed, f"{view.state.name} 20 s after the change"
