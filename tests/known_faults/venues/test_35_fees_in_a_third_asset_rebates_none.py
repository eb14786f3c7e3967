"""Fees in a third asset, negative, or none (hummingbot/hummingbot #2084, ccxt/ccxt #27958).

Right: booked as they were charged.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from exchanges import bybit, coinbase, htx, hyperliquid, okx
from exchanges.orders import Fill, TradingRule
from tests.known_faults.lab import load
from tests.known_faults.lab.wire import encoded

STEP = Decimal("0.1")
RULE = TradingRule(
    trading_pair="BTC-USDT",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    price_tick=STEP,
    size_step=STEP,
)


def read(row: Any, form: Any) -> Any:
    """The row out of the venue's JSON."""
    return msgspec.json.decode(encoded(row), type=form)


READ: dict[str, Callable[[Any], Fill]] = {
    "bybit": lambda row: read(row, bybit.ExecutionRow).to_fill(RULE),
    "coinbase": lambda row: read(row, coinbase.FillRow).to_fill(),
    "htx": lambda row: read(row, htx.FillRow).to_fill(),
    "hyperliquid": lambda row: read(row, hyperliquid.FillRow).to_fill(),
    "okx": lambda row: read(row, okx.FillRow).to_fill(),
}


@pytest.mark.parametrize("venue", READ)
def test_fees_are_booked_as_they_were_charged(venue: str) -> None:
    told = load(__file__)
    fills = [READ[venue](row) for row in told[venue]]
    assert [[str(fill.fee), fill.fee_asset] for fill in fills] == told["want"][venue]
