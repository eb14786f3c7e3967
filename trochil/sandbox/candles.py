"""Candles of a pair's public trades, since the sandbox began."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from trochil.sandbox.market.accounts import ZERO
from trochil.sandbox.market.matching import Match

MINUTE_S = 60
DAY_S = 24 * 3600
MINUTES_KEPT = 7 * 24 * 60
"""Of trades that are remembered."""


@dataclass(slots=True)
class Candle:
    """What was traded in an interval, prices in quote."""

    begin: int
    """Unix seconds."""
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    """In base."""
    value: Decimal = ZERO
    """In quote."""
    trades: int = 0

    @property
    def average_price(self) -> Decimal:
        """Weighted by volume; 0 without a trade."""
        return self.value / self.volume if self.volume else ZERO

    def add(self, later: "Candle") -> None:
        """What was traded after it, within the same interval."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.value += later.value
        self.trades += later.trades


class Candles:
    """The trades of one pair, minute by minute."""

    def __init__(self) -> None:
        self._minutes: list[Candle] = []

    def add(self, match: Match) -> None:
        second = match.time // 10**9
        price = match.price
        candle = Candle(
            begin=second - second % MINUTE_S,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=match.amount,
            value=match.value,
            trades=1,
        )
        if self._minutes and self._minutes[-1].begin >= candle.begin:
            self._minutes[-1].add(candle)
        else:
            self._minutes.append(candle)
            del self._minutes[:-MINUTES_KEPT]

    def last(self, interval_s: int) -> Candle | None:
        """The interval of the last trade."""
        if not self._minutes:
            return None
        begin = _begin(self._minutes[-1].begin, interval_s)
        return _sum(minute for minute in self._minutes if minute.begin >= begin)

    def day(self, now_s: int) -> Candle | None:
        """The last 24 hours; None without a trade."""
        return _sum(minute for minute in self._minutes if minute.begin > now_s - DAY_S)

    def intervals(self, interval_s: int, now_s: int) -> list[Candle]:
        """Every interval from that of the first trade to now, oldest first. One without trades has
        the price before it."""
        if not self._minutes:
            return []
        traded: dict[int, list[Candle]] = {}
        for minute in self._minutes:
            traded.setdefault(_begin(minute.begin, interval_s), []).append(minute)
        candles: list[Candle] = []
        for begin in range(min(traded), now_s + 1, interval_s):
            candle = _sum(traded.get(begin, []))
            if candle is None:
                price = candles[-1].close
                candle = Candle(begin, price, price, price, price)
            candles.append(replace(candle, begin=begin))
        return candles


def _begin(second: int, interval_s: int) -> int:
    return second - second % interval_s


def _sum(minutes: Iterable[Candle]) -> Candle | None:
    total: Candle | None = None
    for minute in minutes:
        if total is None:
            total = replace(minute)
        else:
            total.add(minute)
    return total
