"""Windows of books with checksums: what a client must do to keep its own, and what it drops by
itself."""

from decimal import Decimal as D

import pytest

from trochil.sandbox.checksum_windows import (
    BookEntry,
    LevelWindows,
    OrderWindows,
    checksum_of,
)
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.matching import Order
from trochil.sandbox.market.venue import Symbol, Venue

PAIR = "BTC-USD"


class Market:
    """One pair's book, filled by hand."""

    def __init__(self) -> None:
        self.venue = Venue({PAIR: Symbol("BTC", "USD", D("0.01"), D("0.00001"))})
        self._provider = self.venue.open_account(Account("provider", unlimited=True))

    def bid(self, price: str, size: str = "1") -> Order:
        return self.venue.place(self._provider, PAIR, "buy", "limit", D(size), D(price), 1)

    def cancel(self, order: Order) -> None:
        self.venue.cancel(order, 1)


@pytest.fixture
def market() -> Market:
    return Market()


def test_levels_are_written_with_the_digits_of_the_pairs_steps(market: Market) -> None:
    market.bid("100", "0.5")
    market.bid("99.5")
    window = LevelWindows(market.venue).snapshot(PAIR, 10)
    assert window.bids == [
        BookEntry("100.00", "100.00", "0.50000"),
        BookEntry("99.50", "99.50", "1.00000"),
    ]
    assert (window.asks, window.is_snapshot) == ([], True)


def test_a_level_that_is_pushed_out_is_not_sent_and_comes_back_as_a_new_one(
    market: Market,
) -> None:
    market.bid("100")
    market.bid("99")
    windows = LevelWindows(market.venue)
    windows.snapshot(PAIR, 2)
    best = market.bid("101")
    (entry,) = windows.update(PAIR, 2).bids
    assert (entry.price, entry.event) == ("101.00", "add")
    market.cancel(best)
    gone, again = windows.update(PAIR, 2).bids
    assert (gone.price, gone.size, gone.event) == ("101.00", "0.00000", "delete")
    assert (again.price, again.size, again.event) == ("99.00", "1.00000", "add")


def test_a_size_that_changes_is_a_modification_and_nothing_else_is_sent(market: Market) -> None:
    market.bid("100")
    market.bid("99")
    windows = LevelWindows(market.venue)
    before = windows.snapshot(PAIR, 10)
    market.bid("99", "0.25")
    update = windows.update(PAIR, 10)
    assert update.bids == [BookEntry("99.00", "99.00", "1.25000", "modify")]
    assert update.checksum == windows.snapshot(PAIR, 10).checksum != before.checksum


def test_orders_stand_in_the_order_of_their_queues_by_their_own_digits(market: Market) -> None:
    first = market.bid("100", "0.50000")
    second = market.bid("100", "2")
    windows = OrderWindows(market.venue)
    window = windows.snapshot(PAIR, 10)
    assert window.bids == [
        BookEntry(str(first.id), "100", "0.5"),
        BookEntry(str(second.id), "100", "2"),
    ]
    market.cancel(first)
    assert windows.update(PAIR, 10).bids == [BookEntry(str(first.id), "100", "0", "delete")]


def test_a_window_that_is_forgotten_begins_with_the_book_of_then(market: Market) -> None:
    market.bid("100")
    windows = LevelWindows(market.venue)
    windows.snapshot(PAIR, 10)
    market.bid("101")
    assert [entry.price for entry in windows.snapshot(PAIR, 10).bids] == ["100.00"]
    windows.forget(PAIR, 10)
    assert [entry.price for entry in windows.snapshot(PAIR, 10).bids] == ["101.00", "100.00"]


def test_the_checksum_is_the_one_of_the_venues_documentation() -> None:
    """Its example, of asks and bids of ten levels; levels beneath do not count."""
    asks = """45285.2/0.00100000 45286.4/1.54571953 45286.6/1.54571109 45289.6/1.54560911
        45290.2/0.15890660 45291.8/1.54553491 45294.7/0.04454749 45296.1/0.35380000
        45297.5/0.09945542 45299.5/0.18772827 45300.0/1.00000000"""
    bids = """45283.5/0.10000000 45283.4/1.54582015 45282.1/0.10000000 45281.0/0.10000000
        45280.3/1.54592586 45279.0/0.07990000 45277.6/0.03310103 45277.5/0.30000000
        45277.3/1.54602737 45276.6/0.15445238"""
    sides = []
    for side in (bids, asks):
        levels = [level.split("/") for level in side.split()]
        sides.append({price: BookEntry(price, price, size) for price, size in levels})
    assert checksum_of(*sides) == 3310070434
