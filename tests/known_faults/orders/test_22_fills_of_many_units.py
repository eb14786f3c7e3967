"""A fill of 12,345,678,901 PEPE (about 120,000 dollars).

Right: fills() gives it. Today a decimal.InvalidOperation from ten thousand million units on.
"""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

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
    row = {
        "trading_pair": "PEPE-USDT",
        "trade_id": "1",
        "client_order_id": "x",
        "exchange_order_id": "1",
        "side": "buy",
        "price": "0.00001",
        "amount": amount,
        "fee": "0",
        "fee_asset": "",
        "is_maker": True,
        "time": 1,
    }

    class Peers:
        async def call(self, *args: object) -> list[dict[str, Any]]:
            return [row]

    table, error = tried(lambda: asyncio.run(AsyncMarketHandle(Peers(), "m").fills()))
    assert not error
    assert table.to_pylist()[0]["amount"] == Decimal(amount)
