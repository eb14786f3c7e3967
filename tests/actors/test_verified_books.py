"""An order-by-order book is verified against the venue's reference snapshots and its own events."""

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

BIDS = [RestingOrder("1", 100.0, 1.0), RestingOrder("2", 99.0, 2.0)]
ASKS = [RestingOrder("3", 101.0, 3.0)]


class Verified(BinanceBook):
    """A feed whose images have two levels a side."""

    verify_depth = 2

    def snapshot(self, symbol: str) -> Any:
        return None


class ReferenceHarness:
    def __init__(self, path: str) -> None:
        self.snapshot_requests = 0
        self.number = 10
        self.book = SharedBook.create(path, venue="v", trading_pair="A-B")
        self.pipeline = BookPipeline(
            self.book,
            Verified({}, ""),
            self._request_snapshot,
            lambda *what: None,
            lambda point: None,
        )
        self.begin(10)

    def begin(self, number: int) -> None:
        self.pipeline.take(OrdersSnapshot("AB", BIDS, ASKS, number, number), 0)

    def _request_snapshot(self, snapshot_expected: bool) -> None:
        self.snapshot_requests += 1

    def event(
        self, time: int, action: OrderAction, order: str, price: float = 0.0, size: float = 0.0
    ) -> None:
        self.number += 1
        self.pipeline.take(
            OrderEvent("AB", action, order, "buy", price, size, 0, self.number, time), 0
        )

    def image(self, time: int, bids: bytes, asks: bytes = b'[["101.0","3.0",1]]') -> None:
        self.pipeline.take(BookSnapshot("AB", bids, asks, time, time), 0)

    @property
    def is_live(self) -> bool:
        return self.book.state is BookState.LIVE


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[ReferenceHarness]:
    found = ReferenceHarness(str(tmp_path / "book.arrow"))
    yield found
    found.book.close(unlink=True)


RIGHT = b'[["100","1"],["99","2"]]'
WRONG = b'[["100","1"],["99","1.5"]]'


def test_an_image_changes_no_book_by_itself(harness: ReferenceHarness) -> None:
    harness.image(11, WRONG)
    assert harness.book.bids.tolist() == [[100.0, 1.0], [99.0, 2.0]]
    assert harness.is_live


def test_a_book_that_equals_the_image_goes_on(harness: ReferenceHarness) -> None:
    harness.image(11, RIGHT)
    harness.event(12, OrderAction.CHANGE, "1", size=0.5)
    assert harness.is_live
    assert (harness.snapshot_requests, harness.book.meta()["gaps"]) == (0, 0)


def test_a_book_that_differs_turns_invalid_before_the_next_event_and_asks_for_a_snapshot(
    harness: ReferenceHarness,
) -> None:
    harness.image(11, WRONG)
    harness.event(12, OrderAction.CHANGE, "1", size=0.5)
    assert harness.book.state is BookState.INVALID
    assert (harness.snapshot_requests, harness.book.meta()["gaps"]) == (1, 1)
    assert "reference" in harness.pipeline.why
    epoch = harness.book.epoch
    harness.begin(12)
    assert harness.is_live
    assert harness.book.epoch > epoch
    assert harness.book.bids.tolist() == [[100.0, 1.0], [99.0, 2.0]], (
        "the snapshot holds that event already"
    )


def test_a_level_too_many_is_a_difference(harness: ReferenceHarness) -> None:
    harness.image(11, b'[["100","1"]]')
    harness.image(12, RIGHT)
    assert harness.book.state is BookState.INVALID


def test_in_a_quiet_market_the_next_image_brings_the_comparison(harness: ReferenceHarness) -> None:
    harness.image(11, WRONG)
    harness.image(12, RIGHT)
    assert (harness.book.state, harness.snapshot_requests) == (BookState.INVALID, 1)


def test_an_image_may_come_before_the_events_of_its_moment(harness: ReferenceHarness) -> None:
    harness.image(11, b'[["100","0.5"],["98","4"]]')
    harness.event(11, OrderAction.CHANGE, "1", size=0.5)
    harness.event(11, OrderAction.DONE, "2")
    assert harness.is_live
    harness.event(11, OrderAction.OPEN, "4", 98.0, 4.0)
    harness.event(13, OrderAction.CHANGE, "1", size=0.1)
    assert harness.is_live


def test_an_image_may_come_between_two_blocks_of_its_moment(harness: ReferenceHarness) -> None:
    harness.image(11, RIGHT)
    harness.event(11, OrderAction.CHANGE, "1", size=0.5)
    harness.image(12, b'[["100","0.5"],["99","2"]]')
    assert harness.is_live
    harness.event(13, OrderAction.CHANGE, "1", size=0.1)
    assert (harness.is_live, harness.book.meta()["gaps"]) == (True, 0)


def test_an_image_that_is_right_neither_before_nor_after_its_moment_is_a_difference(
    harness: ReferenceHarness,
) -> None:
    harness.image(11, WRONG)
    harness.event(11, OrderAction.CHANGE, "1", size=0.5)
    assert harness.is_live
    harness.image(12, RIGHT)
    assert (harness.book.state, harness.book.meta()["gaps"]) == (BookState.INVALID, 1)


def test_an_image_of_a_moment_that_the_book_has_left_behind_proves_nothing(
    harness: ReferenceHarness,
) -> None:
    harness.event(12, OrderAction.CHANGE, "1", size=0.5)
    harness.image(11, WRONG)
    harness.event(13, OrderAction.CHANGE, "1", size=0.4)
    assert harness.is_live


def test_images_mean_nothing_while_there_is_no_book(harness: ReferenceHarness) -> None:
    harness.pipeline.lose("a test")
    harness.image(11, WRONG)
    harness.begin(10)
    harness.event(12, OrderAction.CHANGE, "1", size=0.5)
    assert harness.is_live


@pytest.mark.parametrize(
    ("action", "order"),
    [(OrderAction.DONE, "9"), (OrderAction.CHANGE, "9"), (OrderAction.OPEN, "1")],
)
def test_an_event_that_does_not_fit_is_a_loss(
    harness: ReferenceHarness, action: OrderAction, order: str
) -> None:
    harness.event(11, action, order, 98.0, 1.0)
    assert harness.book.state is BookState.INVALID
    assert (harness.snapshot_requests, harness.book.meta()["gaps"]) == (1, 1)
    assert "doesn't fit" in harness.pipeline.why


def test_sums_of_orders_may_differ_in_their_last_digit(harness: ReferenceHarness) -> None:
    harness.event(11, OrderAction.OPEN, "5", 100.0, 0.1)
    harness.event(12, OrderAction.OPEN, "6", 100.0, 0.2)
    harness.image(12, b'[["100","1.3"],["99","2"]]')
    harness.event(13, OrderAction.CHANGE, "1", size=0.5)
    assert harness.is_live
