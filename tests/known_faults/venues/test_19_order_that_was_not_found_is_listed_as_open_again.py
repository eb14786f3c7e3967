"""A venue said "not found" of orders that stood open, and the bot forgot them
(hummingbot/hummingbot #3571, Coinbase).

Right: an order that was closed by such denials is open again once the venue lists it as open. Today
after four denials it is CANCELLED and stays so although the venue lists it; cancel_all passes it
by. The same holds for the venues that forget cancelled orders (Bittrex, Coinbase, HTX).
"""

import asyncio
from decimal import Decimal

import msgspec
import pytest

from actors.orders.reconciler import Reconciler
from exchanges.coinbase import COINBASE, CoinbaseOrders, OrderRow
from exchanges.lifecycle import merge
from exchanges.orders import InFlightOrder
from orderbook.messages import Side
from tests.known_faults.lab import given, load
from tests.known_faults.lab.asking import Denial, MovedClock, OneOrder
from tests.known_faults.lab.wire import answer


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="an order that was closed by denials stays closed though the venue lists it as open",
)
def test_an_order_that_the_venue_lists_again_is_open_again() -> None:
    told = load(__file__)
    fault = COINBASE.error(answer(told["denial"]["body"], told["denial"]["status"]))
    given(fault is not None and str(fault.kind) == "not_found", f"the denial is read: {fault}")
    order = InFlightOrder(
        client_order_id="c1",
        trading_pair="LINK-ETH",
        symbol="LINK-ETH",
        side=Side.BUY,
        amount=Decimal(1),
        price=Decimal("0.01"),
    )
    clock = MovedClock()
    reconciler = Reconciler(COINBASE, Denial("NotFound"), OneOrder(), clock)
    reconciler.entry = CoinbaseOrders({})
    merge(order, msgspec.convert(told["placed"], OrderRow).to_update())

    async def deny() -> None:
        for _ in range(told["denials"]):
            clock.now += told["seconds_apart"]
            await reconciler.query_order(order)

    asyncio.run(deny())
    merge(order, msgspec.convert(told["listed_again"], OrderRow).to_update())
    assert str(order.state) == "open", order.evidence
