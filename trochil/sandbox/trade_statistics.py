"""What venues tell of public trades besides the trades themselves: statistics of a pair, and trades
of one order at one price as one."""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from trochil.sandbox.market.accounts import ZERO
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.second_candles import Candles

KEPT = 10_000
"""Trades of a pair that are remembered, one by one and aggregated."""


@dataclass(frozen=True, slots=True)
class AggregateTrade:
    """Trades of one taker at one price."""

    id: int
    price: Decimal
    amount: Decimal
    first_trade_id: int
    last_trade_id: int
    time: int
    """Of the first trade, ns."""
    buyer_is_maker: bool


@dataclass(slots=True)
class TradeStatistics:
    """Of one pair, since the venue opened. Prices are 0 before any trade."""

    opened_at: int
    """ns."""
    open: Decimal = ZERO
    high: Decimal = ZERO
    low: Decimal = ZERO
    last: Decimal = ZERO
    last_amount: Decimal = ZERO
    volume: Decimal = ZERO
    """In base."""
    quote_volume: Decimal = ZERO
    count: int = 0
    trades: deque[Match] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Oldest first."""
    aggregates: deque[AggregateTrade] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Oldest first."""
    candles: Candles = field(default_factory=Candles)
    _first_trade_id: int = 0
    _aggregate_id: int = 0
    _taking: list[Match] = field(default_factory=list)
    """Trades that are about to be aggregated."""

    @property
    def first_trade_id(self) -> int:
        """-1 before any trade."""
        return self._first_trade_id if self.count else -1

    @property
    def last_trade_id(self) -> int:
        """-1 before any trade."""
        return self.trades[-1].id if self.count else -1

    @property
    def average_price(self) -> Decimal:
        return self.quote_volume / self.volume if self.volume else self.last

    def average_price_since(self, time: int) -> Decimal:
        """Weighted by size; the last price where nothing was traded since ``time`` (ns)."""
        volume = ZERO
        quote_volume = ZERO
        for match in reversed(self.trades):
            if match.time < time:
                break
            volume += match.amount
            quote_volume += match.value
        return quote_volume / volume if volume else self.last

    def add(self, match: Match) -> AggregateTrade | None:
        """One trade more. The aggregate that it ends, if it does."""
        if not self.count:
            self._first_trade_id = match.id
            self.open = match.price
            self.low = match.price
        self.count += 1
        self.high = max(self.high, match.price)
        self.low = min(self.low, match.price)
        self.last = match.price
        self.last_amount = match.amount
        self.volume += match.amount
        self.quote_volume += match.value
        self.trades.append(match)
        self.candles.add(match)
        ended = None
        if self._taking and not _belong_together(self._taking[-1], match):
            ended = self._aggregate()
        self._taking.append(match)
        return ended

    def taken(self, order: Order) -> AggregateTrade | None:
        """A taker has done with taking. The aggregate that it ends, if it does."""
        if self._taking and self._taking[-1].taker is order:
            return self._aggregate()
        return None

    def _aggregate(self) -> AggregateTrade:
        first, last = self._taking[0], self._taking[-1]
        self._aggregate_id += 1
        aggregate = AggregateTrade(
            id=self._aggregate_id,
            price=first.price,
            amount=sum((match.amount for match in self._taking), ZERO),
            first_trade_id=first.id,
            last_trade_id=last.id,
            time=first.time,
            buyer_is_maker=first.maker.is_buy,
        )
        self._taking.clear()
        self.aggregates.append(aggregate)
        return aggregate


def _belong_together(match: Match, next_match: Match) -> bool:
    return match.taker is next_match.taker and match.price == next_match.price
