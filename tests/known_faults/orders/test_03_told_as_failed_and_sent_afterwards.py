"""An order waits in our own budget (others have used Binance's weight, as 100 book snapshots do).

Meanwhile the venue is asked about it, and denies it, of course. (A short visibility makes this
short; with the usual 10 s it is the same.) Right: an order that was told as failed is never sent: a
strategy that places it again would hold it twice. Today: "not_placed: the venue denied it 3 times",
event failure; then it is sent, the venue has it open, event created.
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
    reason="an order that waits in our budget is told as failed, and sent afterwards",
)
def test_what_was_told_as_failed_is_never_sent(tmp_path: Path) -> None:
    async def main(sandbox: SandboxProcess) -> tuple[list[str], str]:
        async with running_market(sandbox, tmp_path, exchange=impatient()) as at:
            await use_up(at.market, "weight", 5110, 8, 28)
            order = await at.place("a")

            async def at_the_venue() -> bool:
                return bool(await at.venue_state(order))

            await until(at_the_venue, 33)  # past the end of the window
            await asyncio.sleep(2)
            return await at.kinds(), await at.venue_state(order)

    with SandboxProcess("binance", pairs=["BTC-USDT"], rate=1, seed=2) as sandbox:
        kinds, state = asyncio.run(main(sandbox))
    assert not ("failure" in kinds and state), f"events {kinds}, the venue has it {state}"
