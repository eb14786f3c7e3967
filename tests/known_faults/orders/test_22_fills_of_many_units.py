"""A fill of 12,345,678,901 PEPE (about 120,000 dollars).

Right: fills() gives it. Today a decimal.InvalidOperation from ten thousand million units on.
"""

import asyncio
from decimal import Decimal

import pytest

from exchanges.order_views import FillView
from orderbook.messages import Side
from tests.known_faults.lab import tried
from trochil.market_handle import AsyncMarketHandle

FAULT = pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a table of fills can't hold ten thousand million units",
)


@pytest.mark.parametrize(
    "amount",
    [
        pytest.param("9999999999", id="ten digits"),
        pytest.param("12345678901", id="eleven digits", marks=FAULT),
    ],
)
def test_fills_gives_amounts_of_many_units(amount: str) -> None:
    fill = FillView(
        trading_pair="PEPE-USDT",
        symbol="PEPEUSDT",
        trade_id="1",
        client_order_id="x",
        exchange_order_id="1",
        side=Side.BUY,
        price=Decimal("0.00001"),
        amount=Decimal(amount),
        fee=Decimal(0),
        fee_asset="",
        is_maker=True,
        time=1,
    )

    class ActorCalls:
        async def call(self, *args: object) -> list[FillView]:
            return [fill]

    table, error = tried(lambda: asyncio.run(AsyncMarketHandle(ActorCalls(), "m").fills()))
    assert not error
    assert table.to_pylist()[0]["amount"] == Decimal(amount)
