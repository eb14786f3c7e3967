"""What happens to the orders that rest in a book, for venues that tell it in blocks."""

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar, NamedTuple

from trochil.sandbox.dialect import Wire
from trochil.sandbox.facts import facts_of, text
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.server import Server
from trochil.sandbox.shape import Facts, Made


class Change(NamedTuple):
    """``what``: new, update or remove. What was and is left of the order then; it may have changed since."""

    order: Order
    what: str
    before: Decimal
    left: Decimal


@facts_of.register
def _change(change: Change) -> Facts:
    """The order's facts, with before and left (sizes)."""
    return facts_of(change.order) | {"before": text(change.before), "left": text(change.left)}


class Blocks(Wire):
    """A block of a pair is what came since the one before."""

    opened_words: ClassVar[str] = ""
    change_words: ClassVar[Mapping[str, str]] = {}
    """How a new order is told, and each change: {"new": ..., "update": ..., "remove": ...}."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._resting = set[int]()
        self._changes: dict[str, list[Change]] = {}

    def on_book_event(self, kind: str, order: Order, match: Match | None) -> None:
        """What never rested, or is filled and about to be done, changes nothing."""
        before = order.left + (match.amount if match else Decimal(0))
        if kind == "open":
            self._resting.add(order.id)
            self._note("new", order, before)
        elif kind == "match" and order.left:
            self._note("update", order, before)
        elif kind == "done" and order.id in self._resting:
            self._resting.remove(order.id)
            self._note("remove", order, before)

    def _note(self, what: str, order: Order, before: Decimal) -> None:
        self._changes.setdefault(order.symbol, []).append(Change(order, what, before, order.left))

    def block(self, pair: str) -> tuple[list[Made], list[Made]]:
        """Rows of the new orders, and of all changes."""
        changes = self._changes.pop(pair, [])
        opened = self.rows(
            self.opened_words, (change for change in changes if change.what == "new")
        )
        return opened, [self.row(self.change_words[change.what], change) for change in changes]
