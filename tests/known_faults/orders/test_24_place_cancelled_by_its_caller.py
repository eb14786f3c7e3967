"""A caller gives up (its own time-out) between journal and send.

Right: the order is in the list of open orders until the venue has been asked, and ends as not
placed. Today it is in the journal for good, in no list until a restart.
"""

import asyncio
from pathlib import Path

import pytest

from tests.known_faults.lab.running_market import impatient, running_market, until
from trochil.sandbox.process import SandboxProcess


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="an order whose caller gave up between journal and send is listed nowhere",
)
def test_what_the_journal_calls_open_is_listed(tmp_path: Path) -> None:
    async def main(sandbox: SandboxProcess) -> tuple[set[str], set[str]]:
        async with running_market(sandbox, tmp_path, exchange=impatient()) as at:
            market = at.market
            before = market.journal.appends
            task = asyncio.create_task(at.place("gives up"))
            async with asyncio.timeout(10):
                while market.journal.appends == before:
                    await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

            async def both() -> tuple[set[str], set[str]]:
                written = {order.client_order_id for order in await market.journal.open_orders()}
                return written, {order.client_order_id for order in await market.orders()}

            async def settled() -> bool:
                written, listed = await both()
                return written == listed

            await until(settled, 10)
            return await both()

    with SandboxProcess("binance", pairs=["BTC-USDT"], rate=5, seed=2) as sandbox:
        written, listed = asyncio.run(main(sandbox))
    assert written == listed
