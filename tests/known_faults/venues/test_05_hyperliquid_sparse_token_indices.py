"""Hyperliquid's token indices are not positions, and its contexts are not parallel to its pairs.

(hyperliquid-dex/hyperliquid-python-sdk #308.) Right: names and prices are joined by index and coin.
"""

from decimal import Decimal

from exchanges.hyperliquid import HyperliquidBook
from tests.known_faults.lab import load
from tests.known_faults.lab.wire import answer


def test_a_pair_is_named_by_the_indices_of_its_tokens() -> None:
    told = load(__file__)
    body = {"tokens": told["tokens"], "universe": told["universe"]}
    rules = HyperliquidBook({}, "").trading_rules().read(answer(body))
    assert {rule.symbol: rule.trading_pair for rule in rules}["@367"] == "WARS-USDC"


def test_a_price_is_found_by_its_coin_and_not_by_its_place() -> None:
    told = load(__file__)
    body = [{"universe": told["universe"], "tokens": told["tokens"]}, told["ctxs"]]
    markets = HyperliquidBook({}, "").markets().read(answer(body))
    assert {market.symbol: market.last_price for market in markets}["@367"] == Decimal(2)
