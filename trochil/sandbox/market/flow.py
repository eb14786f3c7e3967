"""Seeded synthetic flow: one account keeps every book deep, moves the price, and trades with itself
and others."""

import random
from decimal import Decimal

from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.matching import Order
from trochil.sandbox.market.venue import Rejected, Venue

LEVELS = 60
"""Levels a side that the liquidity provider keeps up."""
FIRST_PRICES = {"BTC": 60000, "ETH": 3000, "SOL": 150, "BNB": 600, "XRP": 1, "USDT": 1, "USDC": 1}


class Flow:
    """One pair's flow. ``step(time)`` is one event: an order placed, cancelled or a trade."""

    def __init__(self, venue: Venue, pair: str, liquidity_provider: Account, seed: int) -> None:
        self._venue = venue
        self._pair = pair
        self._liquidity_provider = liquidity_provider
        self._random = random.Random(f"{seed}/{pair}")
        self._symbol = venue.symbols[pair]
        base, quote = (Decimal(FIRST_PRICES.get(asset, 10)) for asset in pair.split("-"))
        self._middle = (base / quote).quantize(self._symbol.price_tick)
        unit = self._symbol.price_tick
        digits = self._symbol.digits
        if digits:
            unit = max(unit, Decimal(1).scaleb(self._middle.adjusted() + 1 - digits))
        self._step = max(unit, (self._middle / 20000).quantize(unit))
        self._own: list[Order] = []

    def fill_up(self, time: int) -> None:
        """The first book."""
        for level in range(1, LEVELS + 1):
            for side, sign in (("buy", -1), ("sell", 1)):
                self._put(side, self._middle + sign * level * self._step, time)

    def step(self, time: int) -> None:
        roll = self._random.random()
        if roll < 0.08:
            self._take(time)
        elif roll < 0.45 and len(self._own) > LEVELS:
            self._pull(time)
        else:
            self._quote(time)

    def _quote(self, time: int) -> None:
        best_bid, best_ask = (self._venue.books[self._pair].best(side) for side in ("buy", "sell"))
        side = self._random.choice(("buy", "sell"))
        away = int(self._random.expovariate(1 / 12)) * self._step
        if side == "buy":
            price = (best_ask or self._middle) - self._step - away
        else:
            price = (best_bid or self._middle) + self._step + away
        if price > 0:
            self._put(side, price, time)

    def _put(self, side: str, price: Decimal, time: int) -> None:
        order = self._place(side, "limit", self._amount(), price, time)
        if order is not None and order.is_open:
            self._own.append(order)

    def _pull(self, time: int) -> None:
        index = self._random.randrange(len(self._own))
        self._own[index], self._own[-1] = self._own[-1], self._own[index]
        order = self._own.pop()
        # The levels nearest to the middle stay longer, so that no side runs dry.
        if order.is_open and len(self._venue.books[self._pair].sides[order.side]) > LEVELS // 2:
            self._venue.cancel(order, time)

    def _take(self, time: int) -> None:
        self._place(self._random.choice(("buy", "sell")), "market", self._amount() * 2, None, time)

    def _amount(self) -> Decimal:
        worth = Decimal(self._random.randrange(50, 5000))
        price = self._middle * (1 if self._symbol.quote in ("USDT", "USDC", "USD") else 60000)
        step = self._symbol.size_step
        return max((worth / price / step).to_integral_value() * step, step)

    def _place(
        self, side: str, type: str, amount: Decimal, price: Decimal | None, time: int
    ) -> Order | None:
        try:
            return self._venue.place(
                self._liquidity_provider, self._pair, side, type, amount, price, time
            )
        except Rejected:
            return None
