"""Hyperliquid's orderStatus says unknownOid of orders that its openOrders lists.

(hyperliquid-dex/hyperliquid-python-sdk #253.) Right: such an order is never closed by that silence.
"""

import asyncio
from decimal import Decimal

from actors.orders.reconciler import Reconciler
from exchanges.hyperliquid import HYPERLIQUID, HyperliquidOrders
from exchanges.orders import InFlightOrder, OrderState
from orderbook.messages import Side
from tests.known_faults.lab import load
from tests.known_faults.lab.asking import Denial, MovedClock, OneOrder
from tests.known_faults.lab.wire import answer


def test_an_open_order_is_never_closed_by_silence() -> None:
    told = load(__file__)
    assert HYPERLIQUID.error(answer(told["denial"]))
    order = InFlightOrder(
        client_order_id="0x1",
        trading_pair="HYPE-USDC",
        symbol="@107",
        side=Side.BUY,
        amount=Decimal(1),
        price=Decimal(20),
        exchange_order_id="265211960704",
        state=OrderState.OPEN,
    )
    clock = MovedClock()
    ledger = OneOrder()
    reconciler = Reconciler(HYPERLIQUID, Denial("unknownOid"), ledger, clock)
    reconciler.entry = HyperliquidOrders({})

    async def deny() -> None:
        for _ in range(told["times"]):
            clock.now += told["seconds_apart"]
            await reconciler.query_order(order)

    asyncio.run(deny())
    assert not ledger.closed
    assert order.state == OrderState.OPEN
    assert order.status_unknown
