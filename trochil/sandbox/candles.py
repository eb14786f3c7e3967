"""Candles of a pair's public trades, and what was traded in its last 24 hours.

Trades are added up by the second, the minute and the hour as they come. A candle is the sum of the
longest of these that fit into its interval, so old candles of short intervals are forgotten first.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from trochil.sandbox.market.accounts import ZERO
from trochil.sandbox.market.matching import Match

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 24 * HOUR_S
WEEK_S = 7 * DAY_S
MONDAY_S = 4 * DAY_S
"""The first one of Unix time."""
MONTH_S = 31 * DAY_S
"""The longest one."""
UNITS_S = {"s": 1, "m": MINUTE_S, "h": HOUR_S, "d": DAY_S}
EAST_ASIA_S = 8 * HOUR_S
"""How far Hong Kong's and Singapore's clocks are ahead of UTC."""
KEPT = {1: 2 * HOUR_S, MINUTE_S: 7 * 24 * 60, HOUR_S: 400 * 24}
"""Length in seconds -> how many sums of that length are remembered, of those with trades."""
SUMS_KEPT = 100
"""Sums of many that are remembered while no trade begins another one."""


@dataclass(slots=True)
class Candle:
    """What was traded in an interval, prices in quote. Trade ids are -1 where nothing was."""

    begin: int
    """Unix seconds."""
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    """In base."""
    quote_volume: Decimal = ZERO
    taker_buy_volume: Decimal = ZERO
    taker_buy_quote_volume: Decimal = ZERO
    count: int = 0
    """Of trades."""
    first_trade_id: int = -1
    last_trade_id: int = -1

    @property
    def average_price(self) -> Decimal:
        """Weighted by volume; 0 without a trade."""
        return self.quote_volume / self.volume if self.volume else ZERO

    @property
    def change(self) -> Decimal:
        """Of the price, as a part of the open; 0 where that is 0."""
        return (self.close - self.open) / self.open if self.open else ZERO

    def add(self, later: "Candle") -> None:
        """What was traded after it, within the same interval. Both have trades."""
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.quote_volume += later.quote_volume
        self.taker_buy_volume += later.taker_buy_volume
        self.taker_buy_quote_volume += later.taker_buy_quote_volume
        self.count += later.count
        self.last_trade_id = later.last_trade_id


def flat(begin: int, price: Decimal) -> Candle:
    """Of an interval without trades."""
    return Candle(begin, price, price, price, price)


@dataclass(frozen=True, slots=True)
class Interval:
    """How long candles are: so many seconds, or so many months where ``months`` is not 0."""

    seconds: int = 0
    months: int = 0
    first: int = 0
    """When one begins, Unix seconds; of months: what is 0 o'clock of the first of January 1970."""

    def begin(self, time: int) -> int:
        """When the interval of a moment begins; Unix seconds."""
        if not self.months:
            return (time - self.first) // self.seconds * self.seconds + self.first
        date = datetime.fromtimestamp(time - self.first, UTC)
        month = (date.year * 12 + date.month - 1) // self.months * self.months
        begin = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        return int(begin.timestamp()) + self.first

    def end(self, begin: int) -> int:
        """When the following interval begins."""
        if not self.months:
            return begin + self.seconds
        return self.begin(begin + self.months * MONTH_S)

    @property
    def longest_s(self) -> int:
        return self.seconds or self.months * MONTH_S


def named_interval(name: str, ahead_s: int = 0) -> Interval:
    """As many venues name them: 1s, 15m, 4h, 3d, 1w, 1M, or 4H, 3D, 1W; weeks from Monday on.
    ``ahead_s``: how far the clock by which they begin is ahead of UTC."""
    number = int(name[:-1])
    unit = name[-1] if name[-1] in "mM" else name[-1].lower()
    if unit == "M":
        return Interval(months=number, first=-ahead_s)
    if unit == "w":
        return Interval(number * WEEK_S, first=MONDAY_S - ahead_s)
    return Interval(number * UNITS_S[unit], first=-ahead_s)


class Sums:
    """Candles of one length, oldest first, without those that have no trades."""

    def __init__(self, length_s: int, most: int) -> None:
        self.length_s = length_s
        self.most = most
        self.candles: list[Candle] = []
        self._ended: dict[int, Candle | None] = {}
        """Begin -> the sum of those from it to the last but one."""

    def add(self, trade: Candle) -> None:
        begin = trade.begin - trade.begin % self.length_s
        if self.candles and self.candles[-1].begin >= begin:
            self.candles[-1].add(trade)
        else:
            self.candles.append(replace(trade, begin=begin))
            del self.candles[: -self.most]
            self._ended.clear()

    def index(self, begin: int) -> int:
        """Of the first that begins then or later."""
        return bisect_left(self.candles, begin, key=_begin)

    def sum(self, begin: int, end: int) -> Candle | None:
        """Those that begin within [begin, end); None without any."""
        first = self.index(begin)
        last = self.index(end)
        if first == last:
            return None
        if last < len(self.candles):
            return _sum(begin, self.candles[first:last])
        if begin not in self._ended:
            if len(self._ended) == SUMS_KEPT:
                self._ended.clear()
            self._ended[begin] = _sum(begin, self.candles[first:-1])
        ended = self._ended[begin]
        growing = self.candles[-1]
        return _sum(begin, [growing] if ended is None else [ended, growing])


class Candles:
    """Of one pair."""

    def __init__(self) -> None:
        self._sums = [Sums(length_s, most) for length_s, most in KEPT.items()]

    def add(self, match: Match) -> None:
        """One trade more."""
        value = match.value
        buys = not match.maker.is_buy
        trade = Candle(
            begin=match.time // 10**9,
            open=match.price,
            high=match.price,
            low=match.price,
            close=match.price,
            volume=match.amount,
            quote_volume=value,
            taker_buy_volume=match.amount if buys else ZERO,
            taker_buy_quote_volume=value if buys else ZERO,
            count=1,
            first_trade_id=match.id,
            last_trade_id=match.id,
        )
        for sums in self._sums:
            sums.add(trade)

    def day(self, now_s: int) -> Candle | None:
        """The last 24 hours, to the minute; None without a trade."""
        _, minutes, _ = self._sums
        return minutes.sum(now_s // MINUTE_S * MINUTE_S - DAY_S + MINUTE_S, now_s + MINUTE_S)

    def last_minutes(self, now_s: int, count: int) -> Candle | None:
        """So many minutes until now, to the second; None without a trade."""
        seconds = self._sums[0]
        return seconds.sum(now_s - count * MINUTE_S + 1, now_s + 1)

    def at(self, time: int, interval: Interval) -> Candle | None:
        """The candle of a moment (Unix seconds); None before any trade."""
        sums = self._sums_of(interval)
        begin = interval.begin(time)
        end = interval.end(begin)
        candle = sums.sum(begin, end)
        if candle is None and (before := sums.index(begin)):
            return flat(begin, sums.candles[before - 1].close)
        return candle

    def between(self, since: int, until: int, interval: Interval) -> Iterator[Candle]:
        """Oldest first, from the one that begins at ``since`` or later to the one that began at
        ``until`` or before; none from before any trade, but those without trades too."""
        sums = self._sums_of(interval)
        if since > until or not sums.candles:
            return
        begin = interval.begin(max(since, sums.candles[0].begin))
        if begin < since:
            begin = interval.end(begin)
        while begin <= until:
            candle = self.at(begin, interval)
            if candle is not None:
                yield candle
            begin = interval.end(begin)

    def latest(self, count: int, until: int, interval: Interval) -> list[Candle]:
        """The last so many of ``between``, oldest first."""
        since = until - count * interval.longest_s
        return [*self.between(since, until, interval)][-count:]

    def _sums_of(self, interval: Interval) -> Sums:
        """The longest that fit."""
        return next(sums for sums in reversed(self._sums) if not interval.longest_s % sums.length_s)


def _begin(candle: Candle) -> int:
    return candle.begin


def _sum(begin: int, candles: Iterable[Candle]) -> Candle | None:
    total: Candle | None = None
    for candle in candles:
        if total is None:
            total = replace(candle, begin=begin)
        else:
            total.add(candle)
    return total
