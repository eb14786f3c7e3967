"""A strategy listens to events() "from now on"; the journal holds 6,000 events of yesterday.

Right: nothing is told before something happens. Today 5,000 old events come as new, the first of
them "filled": a strategy books them again.
"""

import asyncio
import contextlib
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from actors.orders.events import event_of
from actors.orders.journal import Journal
from exchanges.orders import Fill, InFlightOrder, OrderState
from orderbook.messages import Side
from tests.known_faults.lab.deployment import deployment
from trochil.sandbox.process import SandboxProcess

PAIR = "BTC-USDT"
ORDERS = 2000


async def yesterday(address: str) -> None:
    """Orders that were filled, and what was told of them."""
    journal = Journal(address, venue="binance", account="default")
    journal.open()
    terms: dict[str, Any] = {"side": Side.BUY, "amount": Decimal(1), "price": Decimal(2)}
    for n in range(ORDERS):
        client_id = f"old{n}"
        order = InFlightOrder(
            client_order_id=client_id,
            trading_pair=PAIR,
            symbol="BTCUSDT",
            state=OrderState.FILLED,
            filled=Decimal(1),
            **terms,
        )
        order.fills["t"] = Fill(
            symbol="BTCUSDT", trade_id=f"t{n}", exchange_order_id=str(n), **terms
        )
        await journal.intend(order, client_id)
        kinds = ("created", "filled", "completed")
        await journal.record(order, [], [event_of(kind, order) for kind in kinds])
    journal.close()


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="events() from now on begins with thousands of old events",
)
def test_nothing_is_told_before_something_happens(tmp_path: Path) -> None:
    (tmp_path / "listens").mkdir(mode=0o700)
    asyncio.run(yesterday(f"sqlite:///{tmp_path}/listens/journal.db"))
    got: list[Any] = []
    with (
        SandboxProcess("binance", pairs=[PAIR], rate=5, seed=2) as sandbox,
        deployment(sandbox, PAIR, keys=True, state=tmp_path, deployment="listens") as client,
    ):
        market = client.market("binance")
        market.wait_ready(30)
        stream = market.events()

        def listen() -> None:
            with contextlib.suppress(Exception):  # the client is closed under it at the end
                for event in stream:
                    got.append(event)

        threading.Thread(target=listen, daemon=True).start()
        time.sleep(3)
        told = len(got)
    assert told == 0, f"{told} events, first {got[0].number} {got[0].kind} {got[0].client_order_id}"
