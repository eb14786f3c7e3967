"""Candles of a pair's trades, by intervals as venues name them: 1s, 15m, 4h, 3d, 1w, 1M."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from trochil.sandbox.market.accounts import ZERO
from trochil.sandbox.market.matching import Match

SECONDS_KEPT = 100_000
"""Seconds with trades that are remembered."""
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
WEEK_S = 7 * 86_400
MONDAY_S = 4 * 86_400
"""The first one of Unix time."""


@dataclass(slots=True)
class Candle:
    """What was traded from ``start`` on, Unix seconds. Trade ids are -1 where nothing was."""

    start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO
    quote_volume: Decimal = ZERO
    taker_buy_volume: Decimal = ZERO
    taker_buy_quote_volume: Decimal = ZERO
    count: int = 0
    first_trade_id: int = -1
    last_trade_id: int = -1

    def add(self, later: "Candle") -> None:
        """What was traded afterwards, still within this candle's interval."""
        if self.first_trade_id < 0:
            self.first_trade_id = later.first_trade_id
            self.open = later.open
            self.high = later.high
            self.low = later.low
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.quote_volume += later.quote_volume
        self.taker_buy_volume += later.taker_buy_volume
        self.taker_buy_quote_volume += later.taker_buy_quote_volume
        self.count += later.count
        self.last_trade_id = later.last_trade_id


def flat(start: int, price: Decimal) -> Candle:
    """Of an interval without trades."""
    return Candle(start, price, price, price, price)


def start_of(time: int, interval: str) -> int:
    """When the interval of a moment begins; Unix seconds, UTC."""
    if interval == "1M":
        month = datetime.fromtimestamp(time, UTC).replace(day=1, hour=0, minute=0, second=0)
        return int(month.timestamp())
    if interval == "1w":
        return (time - MONDAY_S) // WEEK_S * WEEK_S + MONDAY_S
    length = int(interval[:-1]) * UNITS_S[interval[-1]]
    return time // length * length


def next_start(start: int, interval: str) -> int:
    """When the following interval begins."""
    if interval == "1M":
        return start_of(start + 31 * 86_400, interval)
    if interval == "1w":
        return start + WEEK_S
    return start + int(interval[:-1]) * UNITS_S[interval[-1]]


class Candles:
    """Of one pair; kept by the second."""

    def __init__(self) -> None:
        self._seconds: list[Candle] = []

    def add(self, match: Match) -> None:
        """One trade more."""
        buys = not match.maker.is_buy
        candle = replace(
            flat(match.time // 10**9, match.price),
            volume=match.amount,
            quote_volume=match.value,
            taker_buy_volume=match.amount if buys else ZERO,
            taker_buy_quote_volume=match.value if buys else ZERO,
            count=1,
            first_trade_id=match.id,
            last_trade_id=match.id,
        )
        if self._seconds and self._seconds[-1].start == candle.start:
            self._seconds[-1].add(candle)
        else:
            self._seconds.append(candle)
            del self._seconds[:-SECONDS_KEPT]

    def at(self, time: int, interval: str) -> Candle | None:
        """The candle of a moment (Unix seconds); None before any trade."""
        start = start_of(time, interval)
        end = next_start(start, interval)
        first = bisect_left(self._seconds, start, key=lambda candle: candle.start)
        last = bisect_left(self._seconds, end, key=lambda candle: candle.start)
        if not last:
            return None
        if first == last:
            return flat(start, self._seconds[last - 1].close)
        found = replace(self._seconds[first], start=start)
        for candle in self._seconds[first + 1 : last]:
            found.add(candle)
        return found

    def between(self, since: int, until: int, interval: str) -> Iterator[Candle]:
        """Oldest first, from the one that begins at ``since`` or later to the one that began at
        ``until`` or before; none from before any trade, but those without trades too."""
        if not self._seconds:
            return
        start = max(start_of(since, interval), start_of(self._seconds[0].start, interval))
        if start < since:
            start = next_start(start, interval)
        while start <= until:
            candle = self.at(start, interval)
            if candle is not None:
                yield candle
            start = next_start(start, interval)
