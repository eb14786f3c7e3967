"""A venue's markets as the tutorial's table: one row a pair, volumes also in USD."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import pandas as pd

from exchanges.orders import MarketSummary, TradingRule

DOLLARS = ("USD", "USDT", "USDC", "BUSD", "TUSD", "FDUSD", "DAI")
COLUMNS = ["baseAsset", "quoteAsset", "volume", "USDVolume"]


def market_table(rules: Mapping[str, TradingRule], summaries: Iterable[MarketSummary]) -> pd.DataFrame:
    """Active pairs, largest first. ``rules`` by symbol. volume in base, USDVolume in dollars (nan: no way there)."""
    known = {s.symbol: s for s in summaries}
    prices = {(r.base, r.quote): known[r.symbol].last_price for r in rules.values() if r.symbol in known}
    rows = {}
    for rule in rules.values():
        summary = known.get(rule.symbol)
        if summary is None or not rule.active:
            continue
        dollars = dollar_price(rule.quote, prices)
        usd = float(summary.quote_volume * dollars) if dollars is not None else float("nan")
        rows[rule.trading_pair] = (rule.base, rule.quote, float(summary.base_volume), usd)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS)
    return table.sort_values("USDVolume", ascending=False)


def dollar_price(asset: str, prices: Mapping[tuple[str, str], Decimal]) -> Decimal | None:
    """What one unit of ``asset`` is worth, through one pair of the venue, or two; None when none leads there."""
    if asset in DOLLARS:
        return Decimal(1)
    for (base, quote), price in prices.items():
        if base == asset and quote in DOLLARS and price:
            return price
        if quote == asset and base in DOLLARS and price:
            return 1 / price
    for (base, quote), price in prices.items():
        if base == asset and price:
            through = _direct(quote, prices)
            if through is not None:
                return price * through
    return None


def _direct(asset: str, prices: Mapping[tuple[str, str], Decimal]) -> Decimal | None:
    return next((p for (base, quote), p in prices.items() if base == asset and quote in DOLLARS and p), None)
