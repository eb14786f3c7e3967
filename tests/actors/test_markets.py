"""The table of markets: volumes in dollars."""

from decimal import Decimal

import pytest

from actors.books.market_table import market_table
from exchanges.orders import MarketSummary
from tests.support.scripted import rule


def test_volumes_in_dollars_go_through_the_venues_own_prices() -> None:
    pairs = {
        "BTC-USDT": "50000",
        "ETH-BTC": "0.05",
        "USDT-EUR": "0.8",
        "XRP-EUR": "0.5",
        "FOO-BAR": "2",
    }
    rules = {r.symbol: r for r in map(rule, pairs)}
    summaries = [
        MarketSummary(
            r.symbol,
            Decimal(pairs[r.trading_pair]),
            Decimal(10),
            Decimal(10) * Decimal(pairs[r.trading_pair]),
        )
        for r in rules.values()
    ]
    table = market_table(rules, summaries)
    assert table.index[0] == "BTC-USDT"
    assert table.loc["BTC-USDT", "USDVolume"] == 500_000
    assert table.loc["ETH-BTC", "USDVolume"] == 25_000
    assert table.loc["XRP-EUR", "USDVolume"] == pytest.approx(6.25)
    assert table["USDVolume"].isna()["FOO-BAR"]
    assert list(table.columns) == ["baseAsset", "quoteAsset", "volume", "USDVolume"]
