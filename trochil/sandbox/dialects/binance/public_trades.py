"""Public trades as they were, and trades of one order at one price as one."""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from trochil.sandbox.market.accounts import ZERO
from trochil.sandbox.market.matching import Match, Order

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
class PublicTrades:
    """Of one pair, since the venue opened."""

    opened_at: int
    """ns."""
    trades: deque[Match] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Oldest first."""
    aggregates: deque[AggregateTrade] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Oldest first."""
    _aggregate_id: int = 0
    _taking: list[Match] = field(default_factory=list)
    """Trades that are about to be aggregated."""

    @property
    def last_time(self) -> int:
        """Of the last trade, ns; when the venue opened before any."""
        return self.trades[-1].time if self.trades else self.opened_at

    def add(self, match: Match) -> AggregateTrade | None:
        """One trade more. The aggregate that it ends, if it does."""
        self.trades.append(match)
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
