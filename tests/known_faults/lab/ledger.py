"""A ledger on a journal of its own, and what it is told."""

import contextlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from actors.clock import SYSTEM
from actors.journal import Journal
from actors.ledger import Ledger
from exchanges.orders import Fill, InFlightOrder, TradingRule
from orderbook.messages import Side

STEP = Decimal("0.01")
RULE = TradingRule(
    trading_pair="A-B", symbol="AB", base="A", quote="B", price_tick=STEP, size_step=STEP
)


@contextlib.contextmanager
def journal_at(folder: Path, kind: type[Journal] = Journal) -> Iterator[Any]:
    """A journal, open."""
    journal = kind(f"sqlite:///{folder}/journal.db", venue="v", account="a")
    journal.open()
    try:
        yield journal
    finally:
        journal.close()


def ledger_on(journal: Journal, hear: Callable[[Any], None] = lambda event: None) -> Ledger:
    ledger = Ledger(journal, SYSTEM, lambda point: None, hear)
    ledger.rules_by_symbol = {"AB": RULE}
    return ledger


def order_of(client_id: str = "x", amount: int = 1, **more: Any) -> InFlightOrder:
    """A buy of A for 2 B each."""
    terms = {"client_order_id": client_id, "trading_pair": "A-B", "symbol": "AB", "side": Side.BUY}
    return InFlightOrder(**terms, amount=Decimal(amount), price=Decimal(2), **more)


def fill_of(number: int, exchange_id: str = "9", **more: Any) -> Fill:
    """One A for 2 B."""
    terms = {
        "symbol": "AB",
        "trade_id": str(number),
        "exchange_order_id": exchange_id,
        "side": Side.BUY,
    }
    return Fill(**terms, price=Decimal(2), amount=Decimal(1), time=number, **more)
