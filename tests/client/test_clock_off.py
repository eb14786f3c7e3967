"""A deployment on a machine whose clock differs from the venue's from the start."""

from pathlib import Path

import pytest

import trochil
from tests.conftest import config_for
from trochil.sandbox.process import SandboxProcess


@pytest.mark.sandbox
@pytest.mark.parametrize("skew", [-3.0, 7.0])
def test_an_order_can_be_placed_wherever_the_venues_clock_is(skew: float, tmp_path: Path) -> None:
    with (
        SandboxProcess(
            "binance", pairs=["BTC-USDT"], rate=5, faults=f"clock_skew={skew}"
        ) as sandbox,
        trochil.connect(
            "binance",
            pairs=["BTC-USDT"],
            accounts=sandbox.key_references,
            config=config_for(sandbox, tmp_path, "clock-off"),
            address="inline",
        ) as client,
    ):
        market = client.market("binance")
        market.wait_ready(20)
        assert market.buy("BTC-USDT", "0.01", "30000").wait("open", timeout=5).state == "open"
