"""Two fills of orders that aren't in memory; the venue has archived the first order and denies it.

Right: the second one is adopted and its fill booked within 50 looks. Today only the first is ever
asked about, at each look, for ever.
"""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from actors.clock import SYSTEM
from actors.orders.reconciler import Reconciler
from exchanges.binance import BINANCE
from exchanges.orders import InFlightOrder, OrderState, OrderUpdate
from orderbook.errors import NotFound
from orderbook.messages import Side
from tests.known_faults.lab.ledger import fill_of, journal_at, ledger_on

ARCHIVED = "100"
KNOWN = "200"


class Rest:
    def now(self) -> float:
        return time.time()

    async def run(self, call: Callable[[], Any]) -> Any:
        return call()


class Entry:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def status(self, order: InFlightOrder) -> Callable[[], OrderUpdate]:
        self.asked.append(order.exchange_order_id)

        def read() -> OrderUpdate:
            if order.exchange_order_id == ARCHIVED:
                raise NotFound("the venue has archived it")
            return OrderUpdate(
                symbol="AB",
                state=OrderState.FILLED,
                exchange_order_id=order.exchange_order_id,
                client_order_id="mine",
                filled=Decimal(1),
                side=Side.BUY,
                amount=Decimal(1),
                price=Decimal(2),
            )

        return read


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a fill whose order the venue denies keeps all later ones from being asked about",
)
def test_a_fill_that_cannot_be_explained_does_not_block_the_others(tmp_path: Path) -> None:
    entry = Entry()

    async def booked() -> list[str]:
        with journal_at(tmp_path) as journal:
            ledger = ledger_on(journal)
            reconciler = Reconciler(BINANCE, Rest(), ledger, SYSTEM)
            reconciler.entry = entry
            await ledger.take_fill(fill_of(1, ARCHIVED))
            await ledger.take_fill(fill_of(2, KNOWN))
            for _ in range(50):
                await reconciler._adopt_orphans()
            return [fill.trade_id for fill in await journal.all_fills()]

    trades = asyncio.run(booked())
    assert "2" in trades, f"asked {len(entry.asked)} times, for {set(entry.asked)}"
