"""Fees in a third asset, negative, or none (hummingbot/hummingbot #2084, ccxt/ccxt #27958).

Right: booked as they were charged.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from exchanges.reading import read_fill

from exchanges import bybit, coinbase, htx, hyperliquid, okx
from exchanges.orders import Fill, TradingRule
from tests.known_faults.lab import load

STEP = Decimal("0.1")
RULE = TradingRule(
    trading_pair="BTC-USDT",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    price_tick=STEP,
    size_step=STEP,
)
READ: dict[str, Callable[[Any], Fill]] = {
    "bybit": lambda row: bybit.fill_of(row, RULE),
    "coinbase": coinbase.fill_of,
    "htx": htx.fill_of,
    "hyperliquid": lambda row: read_fill(row, hyperliquid.FILL),
    "okx": okx.fill_of,
}


@pytest.mark.parametrize("venue", READ)
def test_fees_are_booked_as_they_were_charged(venue: str) -> None:
    told = load(__file__)
    fills = [READ[venue](row) for row in told[venue]]
    assert [[str(fill.fee), fill.fee_asset] for fill in fills] == told["want"][venue]
