"""An order-by-order book is held against the venue's own image of its best levels, and its events must fit."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.books.book_pipeline import BookPipeline
from exchanges.binance import BinanceBook
from orderbook.messages import (
    BookSnapshot,
    BookState,
    OrderAction,
    OrderEvent,
    OrdersSnapshot,
    RestingOrder,
)
from orderbook.shared import SharedBook

BIDS, ASKS = (
    [RestingOrder("1", 100.0, 1.0), RestingOrder("2", 99.0, 2.0)],
    [RestingOrder("3", 101.0, 3.0)],
)


class Compared(BinanceBook):
    """A feed whose images have two levels a side."""

    verify_depth = 2

    def snapshot(self, symbol: str) -> Any:
        return None


class Desk:
    def __init__(self, path: str) -> None:
        self.asked, self.number = 0, 10
        self.book = SharedBook.create(path, venue="v", trading_pair="A-B")
        self.track = BookPipeline(
            self.book, Compared({}, ""), self._ask, lambda *what: None, lambda point: None
        )
        self.begin(10)

    def begin(self, number: int) -> None:
        self.track.take(OrdersSnapshot("AB", BIDS, ASKS, number, number), 0)

    def _ask(self, snapshot_expected: bool) -> None:
        self.asked += 1

    def event(
        self, time: int, action: OrderAction, order: str, price: float = 0.0, size: float = 0.0
    ) -> None:
        self.number += 1
        self.track.take(
            OrderEvent("AB", action, order, "buy", price, size, 0, self.number, time), 0
        )

    def image(
        self, time: int, bids: bytes, asks: bytes = b'[{"px":"101.0","sz":"3.0","n":1}]'
    ) -> None:
        self.track.take(BookSnapshot("AB", bids, asks, time, time), 0)

    @property
    def is_live(self) -> bool:
        return self.book.state is BookState.LIVE


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = Desk(str(tmp_path / "book.arrow"))
    yield found
    found.book.close(unlink=True)


RIGHT, WRONG = b'[["100","1"],["99","2"]]', b'[["100","1"],["99","1.5"]]'


def test_an_image_changes_no_book_by_itself(desk: Desk) -> None:
    desk.image(11, WRONG)
    assert desk.book.bids.tolist() == [[100.0, 1.0], [99.0, 2.0]]
    assert desk.is_live


def test_a_book_that_equals_the_image_goes_on(desk: Desk) -> None:
    desk.image(11, RIGHT)
    desk.event(12, OrderAction.CHANGE, "1", size=0.5)
    assert desk.is_live
    assert (desk.asked, desk.book.meta()["gaps"]) == (0, 0)


def test_a_book_that_differs_turns_invalid_before_the_next_event_and_asks_for_a_snapshot(
    desk: Desk,
) -> None:
    desk.image(11, WRONG)
    desk.event(12, OrderAction.CHANGE, "1", size=0.5)
    assert desk.book.state is BookState.INVALID
    assert (desk.asked, desk.book.meta()["gaps"]) == (1, 1)
    assert "image" in desk.track.why
    epoch = desk.book.epoch
    desk.begin(12)
    assert desk.is_live
    assert desk.book.epoch > epoch
    assert desk.book.bids.tolist() == [[100.0, 1.0], [99.0, 2.0]], (
        "the snapshot holds that event already"
    )


def test_a_level_too_many_is_a_difference(desk: Desk) -> None:
    desk.image(11, b'[["100","1"]]')
    desk.image(12, RIGHT)
    assert desk.book.state is BookState.INVALID


def test_in_a_quiet_market_the_next_image_brings_the_comparison(desk: Desk) -> None:
    desk.image(11, WRONG)
    desk.image(12, RIGHT)
    assert (desk.book.state, desk.asked) == (BookState.INVALID, 1)


def test_an_image_may_come_before_the_events_of_its_moment(desk: Desk) -> None:
    desk.image(11, b'[["100","0.5"],["98","4"]]')
    desk.event(11, OrderAction.CHANGE, "1", size=0.5)
    desk.event(11, OrderAction.DONE, "2")
    assert desk.is_live
    desk.event(11, OrderAction.OPEN, "4", 98.0, 4.0)
    desk.event(13, OrderAction.CHANGE, "1", size=0.1)
    assert desk.is_live


def test_an_image_of_a_moment_that_the_book_has_left_behind_proves_nothing(desk: Desk) -> None:
    desk.event(12, OrderAction.CHANGE, "1", size=0.5)
    desk.image(11, WRONG)
    desk.event(13, OrderAction.CHANGE, "1", size=0.4)
    assert desk.is_live


def test_images_mean_nothing_while_there_is_no_book(desk: Desk) -> None:
    desk.track.lose("a test")
    desk.image(11, WRONG)
    desk.begin(10)
    desk.event(12, OrderAction.CHANGE, "1", size=0.5)
    assert desk.is_live


@pytest.mark.parametrize(
    ("action", "order"),
    [(OrderAction.DONE, "9"), (OrderAction.CHANGE, "9"), (OrderAction.OPEN, "1")],
)
def test_an_event_that_does_not_fit_is_a_loss(desk: Desk, action: OrderAction, order: str) -> None:
    desk.event(11, action, order, 98.0, 1.0)
    assert desk.book.state is BookState.INVALID
    assert (desk.asked, desk.book.meta()["gaps"]) == (1, 1)
    assert "doesn't fit" in desk.track.why


def test_sums_of_orders_may_differ_in_their_last_digit(desk: Desk) -> None:
    desk.event(11, OrderAction.OPEN, "5", 100.0, 0.1)
    desk.event(12, OrderAction.OPEN, "6", 100.0, 0.2)
    desk.image(12, b'[["100","1.3"],["99","2"]]')
    desk.event(13, OrderAction.CHANGE, "1", size=0.5)
    assert desk.is_live
