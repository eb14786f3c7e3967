"""Another process holds the journal's write lock: a backup, VACUUM, a forgotten sqlite3 shell.

Right: three cancels reach the venue within 5 s. Today each waits 10 s for the journal, one after
another: 20, 30 and 40 s (100 orders: a quarter of an hour).
"""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from tests.known_faults.lab.running_market import running_market, until
from trochil.sandbox.process import SandboxProcess


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="cancels wait for a locked journal, 10 s each, one after another",
)
def test_cancels_reach_the_venue_while_the_journal_is_locked(tmp_path: Path) -> None:
    async def main(sandbox: SandboxProcess) -> int:
        async with running_market(sandbox, tmp_path) as at:
            for n in range(3):
                await at.state(await at.place(f"o{n}"), "open")
            lock = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
            lock.execute("BEGIN IMMEDIATE")
            cancel = asyncio.create_task(at.market.cancel_all_orders())

            async def all_gone() -> bool:
                return not await at.open_at_the_venue()

            await until(all_gone, 5)
            left = await at.open_at_the_venue()
            lock.execute("ROLLBACK")
            lock.close()
            await asyncio.wait([cancel], timeout=30)
            return left

    with SandboxProcess("binance", pairs=["BTC-USDT"], rate=5, seed=2) as sandbox:
        left = asyncio.run(main(sandbox))
    assert left == 0, f"{left} of 3 are open after 5 s"
