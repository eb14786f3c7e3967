"""What the tickers of some venues say besides the last price: how prices moved."""

from dataclasses import dataclass
from decimal import Decimal

from trochil.sandbox.market.accounts import ZERO
from trochil.sandbox.market.matching import Match


@dataclass(frozen=True, slots=True)
class DayPrices:
    """Prices of a pair's trades that are remembered; they stand for its day."""

    first: Decimal
    high: Decimal
    low: Decimal
    last: Decimal
    last_size: Decimal
    """0 before any trade."""


def day_prices(trades: list[Match], untraded: Decimal) -> DayPrices:
    """``trades``: oldest first. ``untraded``: the price before any of them."""
    if not trades:
        return DayPrices(untraded, untraded, untraded, untraded, ZERO)
    prices = [match.price for match in trades]
    return DayPrices(prices[0], max(prices), min(prices), prices[-1], trades[-1].amount)
