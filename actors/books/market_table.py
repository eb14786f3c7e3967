"""A venue's markets as the tutorial's table: one row a pair, volumes also in USD."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import pandas as pd

from exchanges.orders import MarketSummary, TradingRule

DOLLARS = ("USD", "USDT", "USDC", "BUSD", "TUSD", "FDUSD", "DAI")
COLUMNS = ["baseAsset", "quoteAsset", "volume", "USDVolume"]
Prices = Mapping[tuple[str, str], Decimal]
"""(base, quote) -> last price, of what traded."""


def market_table(
    rules: Mapping[str, TradingRule], summaries: Iterable[MarketSummary]
) -> pd.DataFrame:
    """Active pairs, largest first. ``rules`` by symbol. volume in base, USDVolume in dollars (nan: no way there)."""
    known = {summary.symbol: summary for summary in summaries}
    listed = [(rule, known[rule.symbol]) for rule in rules.values() if rule.symbol in known]
    prices = {(rule.base, rule.quote): said.last_price for rule, said in listed if said.last_price}
    dollars = {quote: dollar_price(quote, prices) for quote in {rule.quote for rule, _ in listed}}
    rows = {
        rule.trading_pair: (
            rule.base,
            rule.quote,
            float(said.base_volume),
            _worth(said, dollars[rule.quote]),
        )
        for rule, said in listed
        if rule.active
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS)
    return table.sort_values("USDVolume", ascending=False)


def _worth(said: MarketSummary, dollars: Decimal | None) -> float:
    return float("nan") if dollars is None else float(said.quote_volume * dollars)


def dollar_price(asset: str, prices: Prices) -> Decimal | None:
    """What one unit of ``asset`` is worth, through one pair of the venue, or two; None when none leads there."""
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
