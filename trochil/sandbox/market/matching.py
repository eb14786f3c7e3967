"""One symbol's book of the sandbox venue: price-time priority, exact numbers, one update id a
changed level."""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from trochil.sandbox.market.accounts import ZERO, Account

Side = str  # "buy" or "sell"


@dataclass(slots=True, eq=False)
class Order:
    id: int
    client_id: str
    account: Account
    symbol: str
    side: Side
    type: str  # limit, market, post_only
    tif: str  # GTC, IOC, FOK
    amount: Decimal
    price: Decimal | None
    time: int  # ns
    quote_amount: Decimal | None = None
    state: str = "new"  # new, partially_filled, filled, cancelled, expired
    filled: Decimal = ZERO
    quote_filled: Decimal = ZERO
    updated: int = 0
    is_cancelling: bool = False
    fees: Decimal = ZERO
    is_kept_apart: bool = False
    """It was cancelled so as not to trade with an order of its own account."""

    @property
    def left(self) -> Decimal:
        return self.amount - self.filled

    @property
    def own_client_id(self) -> str:
        """The id that its client gave it; empty for none."""
        return "" if self.client_id == f"sandbox{self.id}" else self.client_id

    @property
    def is_open(self) -> bool:
        return self.state in ("new", "partially_filled")

    @property
    def is_buy(self) -> bool:
        return self.side == "buy"

    @property
    def is_market(self) -> bool:
        return self.type == "market"

    @property
    def is_post_only(self) -> bool:
        return self.type == "post_only"

    @property
    def remaining(self) -> Decimal:
        """What is left of its amount; 0 of an order by value."""
        return self.left if self.quote_amount is None else ZERO

    @property
    def size(self) -> Decimal:
        """The amount, or the value in quote of an order by value."""
        return self.amount if self.quote_amount is None else self.quote_amount

    @property
    def average_price(self) -> Decimal:
        """0 before any trade."""
        return self.quote_filled / self.filled if self.filled else ZERO


@dataclass(slots=True, frozen=True)
class Match:
    """One trade: the maker's price, the taker's side."""

    id: int
    maker: Order
    taker: Order
    price: Decimal
    amount: Decimal
    time: int  # ns

    @property
    def symbol(self) -> str:
        """The pair."""
        return self.maker.symbol

    @property
    def value(self) -> Decimal:
        """In quote."""
        return self.price * self.amount


@dataclass(slots=True, frozen=True)
class OwnCrossing:
    """Two orders of one account would trade."""

    maker: Order
    taker: Order
    price: Decimal
    wanted: Decimal
    """In base, what the taker would still get if the maker had enough."""


@dataclass(slots=True)
class Queue:
    """One price level: orders in time priority and their sum."""

    orders: deque[Order] = field(default_factory=deque)
    total: Decimal = ZERO


@dataclass(slots=True)
class Book:
    """Sides as price -> Queue, with heaps over the prices (stale prices are skipped when they
    surface)."""

    symbol: str
    size_step: Decimal
    update_id: int = 1
    trade_id: int = 0
    sides: dict[Side, dict[Decimal, Queue]] = field(default_factory=lambda: {"buy": {}, "sell": {}})
    changed: dict[tuple[Side, Decimal], None] = field(default_factory=dict)
    _heaps: dict[Side, list[Decimal]] = field(default_factory=lambda: {"buy": [], "sell": []})

    def best(self, side: Side) -> Decimal | None:
        heap = self._heaps[side]
        levels = self.sides[side]
        sign = -1 if side == "buy" else 1
        while heap:
            price = heap[0] * sign
            if price in levels:
                return price
            heapq.heappop(heap)
        return None

    def levels(self, side: Side) -> list[tuple[Decimal, Decimal]]:
        """(price, size), best first."""
        return [
            (p, self.sides[side][p].total) for p in sorted(self.sides[side], reverse=side == "buy")
        ]

    def size_at(self, side: Side, price: Decimal) -> Decimal:
        queue = self.sides[side].get(price)
        return queue.total if queue else ZERO

    def rest(self, order: Order) -> None:
        assert order.price is not None
        queue = self.sides[order.side].get(order.price)
        if queue is None:
            queue = self.sides[order.side][order.price] = Queue()
            heapq.heappush(
                self._heaps[order.side], -order.price if order.side == "buy" else order.price
            )
        queue.orders.append(order)
        queue.total += order.left
        self._note(order.side, order.price)

    def remove(self, order: Order) -> None:
        assert order.price is not None
        queue = self.sides[order.side][order.price]
        queue.orders.remove(order)
        self._shrink(order, order.left)

    def decrement(self, order: Order, by: Decimal) -> None:
        """A resting order loses a part of its amount and stays where it is."""
        order.amount -= by
        self._shrink(order, by)

    def _shrink(self, order: Order, by: Decimal) -> None:
        assert order.price is not None
        queue = self.sides[order.side][order.price]
        queue.total -= by
        if not queue.orders:
            del self.sides[order.side][order.price]
        self._note(order.side, order.price)

    def _note(self, side: Side, price: Decimal) -> None:
        self.update_id += 1
        self.changed[side, price] = None

    def take(
        self, order: Order, time: int, keeps_own_orders_apart: bool = False
    ) -> Iterator[Match | OwnCrossing]:
        """Match an incoming order against the other side, one match at a time, as far as its price
        allows.

        ``keeps_own_orders_apart``: orders of one account don't trade with one another. Who gets an
        OwnCrossing ends or decrements both orders before the next."""
        other = "sell" if order.side == "buy" else "buy"
        while (wanted := self._wanted(order)) > 0 and (price := self.best(other)) is not None:
            if order.price is not None and order.type != "market" and self._worse(order, price):
                break
            if order.quote_amount is not None and (wanted := self._affordable(order, price)) <= 0:
                break
            maker = self.sides[other][price].orders[0]
            if keeps_own_orders_apart and self._are_of_one_account(maker, order):
                yield OwnCrossing(maker, order, price, wanted)
                if not order.is_open:
                    break
                continue
            match = self._match(maker, order, price, min(wanted, maker.left), time)
            if order.quote_amount is not None and self._is_spent(order, other):
                order.state = "filled"
            yield match

    def _are_of_one_account(self, maker: Order, taker: Order) -> bool:
        """The liquidity provider's do trade."""
        return maker.account is taker.account and not maker.account.unlimited

    def _is_spent(self, order: Order, other: Side) -> bool:
        """Whether the rest of an order by value buys nothing more at the best price."""
        price = self.best(other)
        return price is not None and self._affordable(order, price) <= 0

    def _wanted(self, order: Order) -> Decimal:
        if order.quote_amount is not None:
            return order.quote_amount - order.quote_filled
        return order.left

    def _affordable(self, order: Order, price: Decimal) -> Decimal:
        assert order.quote_amount is not None
        left = order.quote_amount - order.quote_filled
        return left / price // self.size_step * self.size_step

    def _worse(self, order: Order, price: Decimal) -> bool:
        assert order.price is not None
        return price > order.price if order.side == "buy" else price < order.price

    def _match(
        self, maker: Order, taker: Order, price: Decimal, amount: Decimal, time: int
    ) -> Match:
        self.trade_id += 1
        for order in (maker, taker):
            order.filled += amount
            order.quote_filled += amount * price
            order.updated = time
            order.state = (
                "filled" if order.quote_amount is None and order.left == 0 else "partially_filled"
            )
        if maker.left == 0:
            self.sides[maker.side][price].orders.popleft()
        self._shrink(maker, amount)
        return Match(self.trade_id, maker, taker, price, amount, time)

    def fillable(self, order: Order) -> Decimal:
        """How much of a limit order the other side could fill now."""
        other = "sell" if order.side == "buy" else "buy"
        total = ZERO
        for price, size in self.levels(other):
            if self._worse(order, price):
                break
            total += size
        return total
