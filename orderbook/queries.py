"""Queries of a book, as in the tutorial: prices for volumes and volumes for prices."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]


class Top(NamedTuple):
    """Best bid and ask as float64; nan for an empty side."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float

    @property
    def mid(self) -> float:
        return (self.bid + self.ask) / 2

    @property
    def spread(self) -> float:
        return self.ask - self.bid


class BookQueries:
    """Prices and volumes of what has ``bids`` and ``asks``; nan where the book does not reach.

    ``is_buy`` walks the asks, else the bids. Raises ValueError for a volume or price that is
    negative or nan.
    """

    @property
    def bids(self) -> Floats:
        """(n, 2) float64, price and size, best first."""
        raise NotImplementedError

    @property
    def asks(self) -> Floats:
        """(n, 2) float64, price and size, best first."""
        raise NotImplementedError

    def _levels(self, is_buy: bool) -> Floats:
        return self.asks if is_buy else self.bids

    def get_price(self, is_buy: bool) -> float:
        """The best price to buy (ask) or sell (bid) at."""
        levels = self._levels(is_buy)
        return float(levels[0, 0]) if len(levels) else float("nan")

    def get_mid_price(self) -> float:
        return (self.get_price(True) + self.get_price(False)) / 2

    def get_vwap_for_volume(self, is_buy: bool, volume: float) -> float:
        """Average price of taking ``volume`` in base currency."""
        base, quote, _ = self._spend(is_buy, volume)
        return quote / base if base else float("nan")

    def get_price_for_volume(self, is_buy: bool, volume: float) -> float:
        """The worst price touched by taking ``volume`` in base currency."""
        return self._spend(is_buy, volume)[2]

    def get_quote_volume_for_base_amount(self, is_buy: bool, base_amount: float) -> float:
        """What ``base_amount`` costs, or brings, in quote currency."""
        return self._spend(is_buy, base_amount, "base_amount")[1]

    def get_volume_for_price(self, is_buy: bool, price: float) -> float:
        """Base volume up to and including ``price``."""
        _refuse_negative("price", price)
        levels = self._levels(is_buy)
        return float(volume_to(levels, len(levels), float(price), 1.0 if is_buy else -1.0))

    def _spend(
        self, is_buy: bool, volume: float, name: str = "volume"
    ) -> tuple[float, float, float]:
        _refuse_negative(name, volume)
        levels = self._levels(is_buy)
        base, quote, price = spend(levels, len(levels), float(volume), False)
        return float(base), float(quote), float(price)


def _refuse_negative(name: str, value: float) -> None:
    if not value >= 0:  # nan too
        raise ValueError(f"{name} is {value}: it must be 0 or more")


@njit(cache=True)
def spend(levels: Floats, n: int, volume: float, by_quote: bool) -> tuple[float, float, float]:
    """(base, quote, last price) of taking ``volume`` in base, or quote; nans if levels run out."""
    base = quote = 0.0
    for i in range(n):
        price = levels[i, 0]
        size = levels[i, 1]
        left = (volume - quote) / price if by_quote else volume - base
        take = min(size, left)
        base += take
        quote += take * price
        if take >= left:
            return base, quote, price
    return np.nan, np.nan, np.nan


@njit(cache=True)
def volume_to(levels: Floats, n: int, price: float, sign: float) -> float:
    """Base volume of the levels up to and including ``price``; sign 1 for asks, -1 for bids."""
    total = 0.0
    for i in range(n):
        if levels[i, 0] * sign > price * sign:
            break
        total += levels[i, 1]
    return total
