"""An order waits at the market's gate (the private stream reconnects); the operator halts the
deployment.

Right: the order is refused, or never sent. Once it passed after halt(): halted, and open at the
venue.
"""

import asyncio
from pathlib import Path

import pytest

from tests.known_faults.lab.running_market import running_market
from trochil.sandbox.process import SandboxProcess


@pytest.mark.slow
def test_nothing_is_open_at_the_venue_after_halt(tmp_path: Path) -> None:
    async def main(sandbox: SandboxProcess) -> int:
        async with running_market(sandbox, tmp_path) as at:
            await at.admin("POST", "disconnect", {"which": "private"})
            async with asyncio.timeout(10):
                while at.market._trading_enabled.is_set():
                    await asyncio.sleep(0.001)
            waiting = asyncio.create_task(at.place("late"))
            await asyncio.sleep(0.02)
            await at.market.halt()
            await asyncio.gather(waiting, return_exceptions=True)
            await asyncio.sleep(4)
            return await at.open_at_the_venue()

    with SandboxProcess("binance", pairs=["BTC-USDT"], rate=5, seed=2) as sandbox:
        still_open = asyncio.run(main(sandbox))
    assert still_open == 0
