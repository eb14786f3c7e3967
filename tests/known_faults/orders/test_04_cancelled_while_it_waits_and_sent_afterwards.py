"""An order waits in our own budget; the strategy cancels it meanwhile.

Right: what was cancelled before it left is never sent. Today it is told as failed, then sent all
the same, and only then cancelled at the venue.
"""

import asyncio
from pathlib import Path

import pytest

from tests.known_faults.lab.running_market import impatient, running_market, until, use_up
from trochil.sandbox.process import SandboxProcess


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="an order that was cancelled while it waited in our budget is sent all the same",
)
def test_what_was_cancelled_before_it_left_is_never_sent(tmp_path: Path) -> None:
    async def main(sandbox: SandboxProcess) -> tuple[list[str], str]:
        async with running_market(sandbox, tmp_path, exchange=impatient()) as at:
            await use_up(at.market, "weight", 5110, 8, 28)
            order = await at.place("a")
            await asyncio.sleep(1)
            await at.market.cancel_order(order.client_order_id)

            async def at_the_venue() -> bool:
                return bool(await at.venue_state(order))

            await until(at_the_venue, 33)
            await asyncio.sleep(2)
            return await at.kinds(), await at.venue_state(order)

    with SandboxProcess("binance", pairs=["BTC-USDT"], rate=1, seed=2) as sandbox:
        kinds, state = asyncio.run(main(sandbox))
    assert not state, f"the venue has it {state}, events {kinds}"
