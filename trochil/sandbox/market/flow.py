"""Seeded synthetic flow: one account keeps every book deep, moves the price, and trades with itself
and others."""

import random
from decimal import Decimal

from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.matching import Order
from trochil.sandbox.market.venue import Rejected, Venue

LEVELS = 60
"""Levels a side that the liquidity provider keeps up, where no other number is set."""
LEAST_STEPS = 3
"""A falling price stops so many times the book's depth above zero."""
FIRST_PRICES = {"BTC": 60000, "ETH": 3000, "SOL": 150, "BNB": 600, "XRP": 1, "USDT": 1, "USDC": 1}


class Flow:
    """One pair's flow. ``step(time)`` is one event: an order placed, cancelled or a trade."""

    def __init__(
        self,
        venue: Venue,
        pair: str,
        liquidity_provider: Account,
        seed: int,
        levels: int = LEVELS,
    ) -> None:
        """``levels``: how many a side the liquidity provider keeps up."""
        self._venue = venue
        self._pair = pair
        self._liquidity_provider = liquidity_provider
        self._levels = levels
        self._random = random.Random(f"{seed}/{pair}")
        self._symbol = venue.symbols[pair]
        base, quote = (Decimal(FIRST_PRICES.get(asset, 10)) for asset in pair.split("-"))
        self._middle = (base / quote).quantize(self._symbol.price_tick)
        self._step = self._level_distance()
        self._own: list[Order] = []
        self._owed_levels = 0.0

    def _level_distance(self) -> Decimal:
        """Half a basis point, as far as the pair's rules allow it."""
        unit = self._symbol.price_tick
        digits = self._symbol.digits
        if digits:
            unit = max(unit, Decimal(1).scaleb(self._middle.adjusted() + 1 - digits))
        return max(unit, (self._middle / 20000).quantize(unit))

    def fill_up(self, time: int) -> None:
        """The first book."""
        for level in range(1, self._levels + 1):
            for side, sign in (("buy", -1), ("sell", 1)):
                self._put(side, self._middle + sign * level * self._step, time)

    def follow_rules(self, time: int) -> None:
        """The pair's steps are others: orders that don't fit are cancelled, and the book is filled
        up."""
        self._middle = self._middle.quantize(self._symbol.price_tick)
        self._step = self._level_distance()
        own = [order for order in self._own if order.is_open]
        self._own = [order for order in own if self._fits(order)]
        for order in own:
            if not self._fits(order):
                self._venue.cancel(order, time)
        self.fill_up(time)

    def _fits(self, order: Order) -> bool:
        assert order.price is not None
        return self._symbol.takes(order.price) and not order.left % self._symbol.size_step

    def trend(self, levels: float, time: int) -> None:
        """The price moves by so many levels, down where that is negative: trades take what stands
        in the way, levels behind the price and at the far end of the book are new, and those at
        the other end leave."""
        self._owed_levels += levels
        while abs(self._owed_levels) >= 1:
            direction = 1 if self._owed_levels > 0 else -1
            self._owed_levels -= direction
            self._move(direction, time)

    def _move(self, direction: int, time: int) -> None:
        middle = self._middle + direction * self._step
        if middle < LEAST_STEPS * self._levels * self._step:
            return
        self._middle = middle
        behind, ahead = ("buy", "sell") if direction > 0 else ("sell", "buy")
        book = self._venue.books[self._pair]
        passed = [
            queue.total
            for price, queue in book.sides[ahead].items()
            if (middle - price) * direction >= 0
        ]
        if passed:
            self._place(behind, "limit", sum(passed, Decimal(0)), middle, time, tif="IOC")
        self._put(behind, middle - direction * self._step, time)
        self._put(ahead, middle + direction * self._levels * self._step, time)
        for order in self._beyond(behind, middle - direction * self._levels * self._step):
            self._venue.cancel(order, time)

    def _beyond(self, side: str, last: Decimal) -> list[Order]:
        """The liquidity provider's orders that are further away than a price."""
        sign = 1 if side == "buy" else -1
        return [
            order
            for price, queue in self._venue.books[self._pair].sides[side].items()
            if (last - price) * sign > 0
            for order in queue.orders
            if order.account is self._liquidity_provider
        ]

    def step(self, time: int) -> None:
        roll = self._random.random()
        if roll < 0.08:
            self._take(time)
        elif roll < 0.45 and len(self._own) > self._levels:
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
        self._put(side, price, time)

    def _put(self, side: str, price: Decimal, time: int) -> None:
        if price <= 0:
            return
        order = self._place(side, "limit", self._amount(), price, time)
        if order is not None and order.is_open:
            self._own.append(order)

    def _pull(self, time: int) -> None:
        index = self._random.randrange(len(self._own))
        self._own[index], self._own[-1] = self._own[-1], self._own[index]
        order = self._own.pop()
        # The levels nearest to the middle stay longer, so that no side runs dry.
        if order.is_open and self._is_deep(order.side):
            self._venue.cancel(order, time)

    def _is_deep(self, side: str) -> bool:
        return len(self._venue.books[self._pair].sides[side]) > self._levels // 2

    def _take(self, time: int) -> None:
        self._place(self._random.choice(("buy", "sell")), "market", self._amount() * 2, None, time)

    def _amount(self) -> Decimal:
        worth = Decimal(self._random.randrange(50, 5000))
        price = self._middle * (1 if self._symbol.quote in ("USDT", "USDC", "USD") else 60000)
        step = self._symbol.size_step
        return max((worth / price / step).to_integral_value() * step, step)

    def _place(
        self,
        side: str,
        type: str,
        amount: Decimal,
        price: Decimal | None,
        time: int,
        tif: str = "GTC",
    ) -> Order | None:
        try:
            return self._venue.place(
                self._liquidity_provider, self._pair, side, type, amount, price, time, tif=tif
            )
        except Rejected:
            return None
