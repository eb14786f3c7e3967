"""start_tracking_order (the tutorial's function) is called for two orders that were placed
elsewhere, without our id.

Right: both are tracked, or the second call says why not. Once the second was silently not tracked.
"""

import asyncio
from pathlib import Path

import pytest

from actors.orders.tutorial_market import TutorialMarket
from tests.known_faults.lab.running_market import running_market
from trochil.sandbox.process import SandboxProcess


@pytest.mark.slow
def test_two_orders_without_our_id_are_both_tracked_or_refused(tmp_path: Path) -> None:
    async def main(sandbox: SandboxProcess) -> tuple[list[str], str]:
        async with running_market(sandbox, tmp_path) as at:
            market = TutorialMarket(at.market)
            refused = ""
            for number in ("11", "12"):
                try:
                    await market.start_tracking_order("", number, "BTC-USDT", True, "1", "20000")
                except Exception as error:
                    refused = f"{type(error).__name__}: {error}"
            return sorted(order.exchange_order_id for order in await at.market.orders()), refused

    with SandboxProcess("binance", pairs=["BTC-USDT"], rate=5, seed=2) as sandbox:
        tracked, refused = asyncio.run(main(sandbox))
    assert tracked == ["11", "12"] or refused
