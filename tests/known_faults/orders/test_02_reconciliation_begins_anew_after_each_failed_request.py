"""300 orders to ask about one by one, three requests in a hundred fail.

Right: the reconciliation ends within 2,000 requests (what was answered is evidence by itself and is
kept). Today every failure begins the whole cycle anew; it practically never ends.
"""

import asyncio
import random
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from actors.clock import SYSTEM
from actors.orders.reconciler import Reconciler
from exchanges.binance import BINANCE
from exchanges.contract import Page
from exchanges.orders import InFlightOrder, OrderState, OrderUpdate
from orderbook.errors import Disconnected
from tests.known_faults.lab.ledger import journal_at, ledger_on, order_of

ORDERS = 300
REQUESTS = 2000


class Rest:
    """Answers at once; three requests in a hundred fail."""

    def __init__(self) -> None:
        self.requests = 0
        self._random = random.Random(1)

    def now(self) -> float:
        return time.time()

    async def run(self, answer: Any) -> Any:
        self.requests += 1
        await asyncio.sleep(0)
        if self._random.random() < 0.03:
            raise Disconnected("one request failed")
        return answer


class Entry:
    fills_span = 0.0

    def open_orders(self) -> list[Any]:
        return []

    def balances(self) -> list[Any]:
        return []

    def status(self, order: InFlightOrder) -> OrderUpdate:
        return OrderUpdate(
            symbol="AB",
            state=OrderState.CANCELLED,
            exchange_order_id=order.exchange_order_id,
            client_order_id=order.client_order_id,
            filled=Decimal(0),
        )

    def fills(self, pair: str, cursor: object) -> Page:
        return Page([])

    def order_fills(self, order: InFlightOrder) -> list[Any]:
        return []


async def reconciled(folder: Path) -> tuple[bool, int, int]:
    """(whether it ended, requests, cycles begun)"""
    with journal_at(folder) as journal:
        for n in range(ORDERS):
            more = {
                "state": OrderState.OPEN,
                "exchange_order_id": str(n + 1),
                "created": time.time_ns(),
            }
            await journal.intend(order_of(f"o{n}", **more), f"i{n}")
        ledger = ledger_on(journal)
        await ledger.load()
        rest = Rest()
        reconciler = Reconciler(BINANCE, rest, ledger, SYSTEM)
        reconciler.entry = Entry()
        cycles = 0
        while rest.requests < REQUESTS:
            cycles += 1
            try:
                await reconciler.cycle()
            except Disconnected:
                continue
            return True, rest.requests, cycles
        return False, rest.requests, cycles


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="one failed request begins the whole reconciliation anew",
)
def test_a_reconciliation_keeps_what_was_answered(tmp_path: Path) -> None:
    ended, requests, cycles = asyncio.run(reconciled(tmp_path))
    assert ended, f"{requests} requests in {cycles} cycles, and no end"
