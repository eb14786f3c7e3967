"""What happens to resting orders, collected between two frames."""

from decimal import Decimal

from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.matching import Order
from trochil.sandbox.market.venue import Symbol, Venue
from trochil.sandbox.order_changes import OrderChanges

PAIR = "BTC-USDT"


class Market:
    """A venue whose orders' changes are collected."""

    def __init__(self) -> None:
        symbol = Symbol("BTC", "USDT", Decimal("0.01"), Decimal("0.001"))
        self.venue = Venue({PAIR: symbol})
        self.account = self.venue.open_account(Account("anybody", unlimited=True))
        self.changes = OrderChanges()
        self.venue.on_book.append(self.changes.on_book_event)

    def place(self, side: str, amount: str, kind: str = "limit") -> Order:
        price = Decimal(100) if kind == "limit" else None
        return self.venue.place(self.account, PAIR, side, kind, Decimal(amount), price, 1)

    def taken(self) -> list[tuple[int, str, str, str]]:
        return [
            (change.order.id, change.kind, str(change.size_before), str(change.size))
            for change in self.changes.take(PAIR)
        ]


def test_an_order_comes_shrinks_and_goes() -> None:
    market = Market()
    order = market.place("buy", "3")
    market.place("sell", "1")
    market.venue.cancel(order, 2)
    assert market.taken() == [
        (order.id, "new", "3", "3"),
        (order.id, "update", "3", "2"),
        (order.id, "remove", "2", "2"),
    ]


def test_a_filled_order_is_removed_without_an_update() -> None:
    market = Market()
    order = market.place("buy", "3")
    market.place("sell", "3")
    assert market.taken() == [(order.id, "new", "3", "3"), (order.id, "remove", "0", "0")]


def test_what_a_taker_leaves_is_new_with_what_is_left() -> None:
    market = Market()
    maker = market.place("sell", "1")
    taker = market.place("buy", "3")
    assert market.taken() == [
        (maker.id, "new", "1", "1"),
        (maker.id, "remove", "0", "0"),
        (taker.id, "new", "2", "2"),
    ]


def test_an_order_that_never_rests_changes_nothing() -> None:
    market = Market()
    market.place("buy", "1", kind="market")
    assert market.taken() == []


def test_changes_are_taken_once() -> None:
    market = Market()
    market.place("buy", "1")
    assert len(market.taken()) == 1
    assert market.taken() == []
