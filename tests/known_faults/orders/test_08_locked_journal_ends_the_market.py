"""The journal is locked for 11 s; meanwhile the stream tells of an order that somebody placed by
hand.

Right: the market lives; the event is taken up once the journal is free. Today a JournalError is
caught nowhere; the market fails after 10 s.
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
    reason="an order placed elsewhere ends the market while its journal is locked",
)
def test_the_market_lives_through_a_locked_journal(tmp_path: Path) -> None:
    async def main(sandbox: SandboxProcess) -> tuple[str, bool]:
        ours = tmp_path / "ours"
        others = tmp_path / "by hand"
        async with running_market(sandbox, ours) as at, running_market(sandbox, others) as by_hand:
            await at.state(await at.place("mine"), "open")
            lock = sqlite3.connect(ours / "journal.db", isolation_level=None)
            lock.execute("BEGIN IMMEDIATE")
            theirs = await by_hand.state(await by_hand.place("theirs"), "open")

            async def failed() -> bool:
                return at.market.failed.done()

            await until(failed, 14)
            lock.execute("ROLLBACK")
            lock.close()
            if await failed():
                return repr(at.market.failed.exception()), False

            async def known() -> bool:
                orders = await at.market.orders(open_only=False)
                return theirs.client_order_id in {order.client_order_id for order in orders}

            return "", await until(known, 15)

    with SandboxProcess("binance", pairs=["BTC-USDT"], rate=5, seed=2) as sandbox:
        died, known = asyncio.run(main(sandbox))
    assert not died
    assert known, "the order that was placed by hand is not known"
