"""A venue's markets as the tutorial's table: one row per pair, volumes also in USD."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import pandas as pd

from exchanges.orders import MarketSummary, TradingRule

DOLLARS = ("USD", "USDT", "USDC", "BUSD", "TUSD", "FDUSD", "DAI")
COLUMNS = ["baseAsset", "quoteAsset", "volume", "USDVolume"]
Prices = Mapping[tuple[str, str], Decimal]
"""(base, quote) -> last price."""


def market_table(
    rules: Mapping[str, TradingRule], summaries: Iterable[MarketSummary]
) -> pd.DataFrame:
    """Active pairs, largest USD volume first. ``rules`` by symbol.

    ``volume`` is in base. ``USDVolume`` is nan for a pair whose quote has no price in dollars.
    """
    by_symbol = {summary.symbol: summary for summary in summaries}
    listed = [(rule, by_symbol[rule.symbol]) for rule in rules.values() if rule.symbol in by_symbol]
    prices = {
        (rule.base, rule.quote): summary.last_price
        for rule, summary in listed
        if summary.last_price
    }
    dollars = {quote: dollar_price(quote, prices) for quote in {rule.quote for rule, _ in listed}}
    rows = {
        rule.trading_pair: (
            rule.base,
            rule.quote,
            float(summary.base_volume),
            _dollar_volume(summary, dollars[rule.quote]),
        )
        for rule, summary in listed
        if rule.active
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS)
    return table.sort_values("USDVolume", ascending=False)


def _dollar_volume(summary: MarketSummary, dollars: Decimal | None) -> float:
    return float("nan") if dollars is None else float(summary.quote_volume * dollars)


def dollar_price(asset: str, prices: Prices) -> Decimal | None:
    """The price of one ``asset`` in dollars, through one or two pairs; None if there is none."""
    direct = _direct(asset, prices)
    if direct is not None:
        return direct
    for (base, quote), price in prices.items():
        through = (
            _direct(quote if base == asset else base, prices) if asset in (base, quote) else None
        )
        if through is not None:
            return through * price if base == asset else through / price
    return None


def _direct(asset: str, prices: Prices) -> Decimal | None:
    if asset in DOLLARS:
        return Decimal(1)
    for dollar in DOLLARS:
        if price := prices.get((asset, dollar)):
            return price
        if price := prices.get((dollar, asset)):
            return 1 / price
    return None
