"""What happened to the orders that rest in a book, for venues that publish it order by order."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from trochil.sandbox.market.accounts import ZERO
from trochil.sandbox.market.matching import Match, Order

ChangeKind = Literal["new", "update", "remove"]


@dataclass(frozen=True, slots=True)
class OrderChange:
    """One change of one resting order, which may have changed again since."""

    kind: ChangeKind
    order: Order
    size_before: Decimal
    size: Decimal
    """What was left of the order after the change."""


class OrderChanges:
    """The changes of each book since they were last taken. A dialect's ``on_book_event`` feeds
    it."""

    def __init__(self) -> None:
        self._resting_ids: set[int] = set()
        self._changes: dict[str, list[OrderChange]] = {}

    def on_book_event(self, kind: str, order: Order, match: Match | None) -> None:
        """An order that never rested changes nothing; nor does the match that fills an order, which
        is removed next."""
        size_before = order.left + (match.amount if match is not None else ZERO)
        if kind == "open":
            self._resting_ids.add(order.id)
            self._append("new", order, size_before)
        elif kind == "match" and order.left:
            self._append("update", order, size_before)
        elif kind == "done" and order.id in self._resting_ids:
            self._resting_ids.remove(order.id)
            self._append("remove", order, size_before)

    def _append(self, kind: ChangeKind, order: Order, size_before: Decimal) -> None:
        change = OrderChange(kind, order, size_before, order.left)
        self._changes.setdefault(order.symbol, []).append(change)

    def take(self, pair: str) -> list[OrderChange]:
        """Oldest first; they are forgotten then."""
        return self._changes.pop(pair, [])
