"""Order-by-order feeds become levels as a plain model makes them; the tutorial's conversions for
every message."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st

from orderbook.active_orders import LEVEL, ActiveOrderTracker
from orderbook.book import OrderBook
from orderbook.level_texts import sides_of
from orderbook.messages import (
    BookDiff,
    BookSnapshot,
    Layout,
    LevelNames,
    OrderAction,
    OrderBookRow,
    OrderEvent,
    OrdersSnapshot,
    RestingOrder,
    Side,
    Trade,
)
from tests.support.examples import examples

NAN = float("nan")
BIDS = [RestingOrder("b1", 10.0, 1.0), RestingOrder("b2", 10.0, 2.0), RestingOrder("b3", 9.0, 4.0)]
ASKS = [RestingOrder("a1", 11.0, 3.0)]


def event(
    action: OrderAction, order_id: str, side: str = "", price: float = 0.0, size: float = 0.0
) -> OrderEvent:
    return OrderEvent("A-B", action, order_id, side, price, size, 6, 6, 2_000_000_000)


def following() -> ActiveOrderTracker:
    tracker = ActiveOrderTracker()
    tracker.snapshot(OrdersSnapshot("A-B", BIDS, ASKS, 5, 1_000_000_000))
    return tracker


# Order by order.


def test_a_snapshot_of_orders_makes_levels() -> None:
    tracker = ActiveOrderTracker()
    made = tracker.snapshot(OrdersSnapshot("A-B", BIDS, ASKS, 5, 70))
    assert (made.symbol, made.update_id, made.time, made.layout) == ("A-B", 5, 70, Layout.PACKED)
    bids, asks = sides_of(made)
    assert (bids.tolist(), asks.tolist()) == ([[10.0, 3.0], [9.0, 4.0]], [[11.0, 3.0]])
    assert tracker.active_bids == {10.0: {"b1": 1.0, "b2": 2.0}, 9.0: {"b3": 4.0}}
    assert tracker.active_asks == {11.0: {"a1": 3.0}}


@pytest.mark.parametrize(
    ("message", "bids", "asks"),
    [
        (event(OrderAction.OPEN, "b4", "buy", 9.0, 1.0), [[9.0, 5.0]], []),
        (event(OrderAction.OPEN, "a2", "sell", 12.0, 1.0), [], [[12.0, 1.0]]),
        (event(OrderAction.MATCH, "b1", "", 10.0, 0.25), [[10.0, 2.75]], []),
        (event(OrderAction.MATCH, "a1", "", 11.0, 3.0), [], [[11.0, 0.0]]),
        (event(OrderAction.MATCH, "a1", "", 11.0, 5.0), [], [[11.0, 0.0]]),
        (event(OrderAction.CHANGE, "b2", "", NAN, 0.5), [[10.0, 1.5]], []),
        (event(OrderAction.CHANGE, "b2", "", 0.0, 0.5), [[10.0, 1.5]], []),
        (event(OrderAction.CHANGE, "b2", "", 10.0, 0.5), [[10.0, 1.5]], []),
        (event(OrderAction.CHANGE, "b2", "", 10.0, 0.0), [[10.0, 1.0]], []),
        (event(OrderAction.CHANGE, "b2", "", 9.0, 0.5), [[10.0, 1.0], [9.0, 4.5]], []),
        (event(OrderAction.CHANGE, "b2", "", 9.0, 0.0), [[10.0, 1.0]], []),
        (event(OrderAction.CHANGE, "b3", "", 8.0, 4.0), [[9.0, 0.0], [8.0, 4.0]], []),
        (event(OrderAction.DONE, "b2"), [[10.0, 1.0]], []),
        (event(OrderAction.DONE, "a1"), [], [[11.0, 0.0]]),
    ],
)
def test_an_event_changes_the_levels_that_it_touches(
    message: OrderEvent, bids: list[list[float]], asks: list[list[float]]
) -> None:
    made = following().event(message)
    assert made is not None
    assert [side.tolist() for side in sides_of(made)] == [bids, asks]
    assert (made.first_id, made.update_id, made.time) == (6, 6, 2_000_000_000)


@pytest.mark.parametrize(
    "message",
    [
        event(OrderAction.MATCH, "unknown", "", 10.0, 1.0),
        event(OrderAction.CHANGE, "unknown", "buy", 10.0, 1.0),
        event(OrderAction.DONE, "unknown"),
        event(OrderAction.NOTHING, "unknown"),
        event(OrderAction.NOTHING, "b1"),
        event(OrderAction.OPEN, "b1", "buy", 9.5, 1.0),
    ],
)
def test_orders_that_never_rested_and_ids_seen_before_change_nothing(message: OrderEvent) -> None:
    tracker = following()
    untouched = following()
    assert tracker.event(message) is None
    assert tracker.convert_diff_message_to_order_book_row(message) == ([], [])
    assert [len(side) for side in tracker.convert_diff_message_to_np_arrays(message)] == [0, 0]
    assert (tracker.active_bids, tracker.active_asks) == (
        untouched.active_bids,
        untouched.active_asks,
    )


def test_an_order_that_left_may_come_back() -> None:
    tracker = following()
    tracker.event(event(OrderAction.DONE, "b1"))
    assert tracker.event(event(OrderAction.DONE, "b1")) is None
    assert tracker.event(event(OrderAction.OPEN, "b1", "sell", 12.0, 1.0)) is not None
    assert tracker.active_asks[12.0] == {"b1": 1.0}


def test_fills_of_decimal_sizes_leave_no_dust() -> None:
    tracker = ActiveOrderTracker()
    tracker.event(event(OrderAction.OPEN, "x", "buy", 10.0, 0.3))
    made = [tracker.event(event(OrderAction.MATCH, "x", "", 10.0, 0.1)) for _ in range(3)]
    assert [sides_of(diff)[0].tolist() for diff in made if diff] == [
        [[10.0, 0.2]],
        [[10.0, 0.1]],
        [[10.0, 0.0]],
    ]
    assert tracker.active_bids == {}


def test_the_sum_of_a_level_does_not_depend_on_the_order_of_its_orders() -> None:
    sizes = [0.1, 0.2, 0.3, 1e16, -0.0, 0.7]
    levels = set()
    for turn in range(len(sizes)):
        orders = [
            RestingOrder(str(n), 10.0, size) for n, size in enumerate(sizes[turn:] + sizes[:turn])
        ]
        levels.add(ActiveOrderTracker().snapshot(OrdersSnapshot("A-B", orders, [])).bids)
    assert len(levels) == 1


# Against a model: order id -> (side, price, size as a fraction of whole cents).

cents = st.integers(1, 500)
prices = st.integers(1, 12).map(float)
steps = st.tuples(
    st.sampled_from(list(OrderAction)),
    st.integers(0, 9).map(str),
    st.sampled_from(list(Side)),
    prices,
    cents,
)
Model = dict[str, tuple[Side, float, Fraction]]


def model_step(
    model: Model, action: OrderAction, order: str, side: Side, price: float, size: Fraction
) -> None:
    if action is OrderAction.OPEN:
        model.setdefault(order, (side, price, size))
    elif order not in model:
        return
    elif action is OrderAction.MATCH:
        model[order] = (*model[order][:2], model[order][2] - size)
    elif action is OrderAction.CHANGE:
        model[order] = (model[order][0], price, size)
    elif action is OrderAction.DONE:
        del model[order]
    if order in model and model[order][2] <= 0:
        del model[order]


def levels_of(model: Model, side: Side) -> list[list[float]]:
    """Best first; a level is the sum of its orders' float64 sizes, rounded once."""
    found: dict[float, list[float]] = {}
    for on, price, size in model.values():
        if on is side:
            found.setdefault(price, []).append(float(size))
    return [[price, math.fsum(found[price])] for price in sorted(found, reverse=side is Side.BUY)]


@examples(300)
@given(st.lists(steps, max_size=60), st.integers(0, 60))
def test_an_order_feed_makes_the_book_that_a_dictionary_of_orders_makes(
    feed: list[tuple[OrderAction, str, Side, float, int]], restart: int
) -> None:
    tracker = ActiveOrderTracker()
    book = OrderBook(64)
    model = Model()
    for number, (action, order, side, price, size) in enumerate(feed, 1):
        made = tracker.event(
            OrderEvent("A-B", action, order, side, price, size / 100, number, number)
        )
        model_step(model, action, order, side, price, Fraction(size, 100))
        if made is not None:
            book.apply_diff(made)
        if number == restart:
            sides = (
                [
                    RestingOrder(order, price, float(size))
                    for order, (on, price, size) in model.items()
                    if on is side
                ]
                for side in Side
            )
            book.apply_snapshot(tracker.snapshot(OrdersSnapshot("A-B", *sides, number)))
        assert book.bids.tolist() == levels_of(model, Side.BUY)
        assert book.asks.tolist() == levels_of(model, Side.SELL)
        for side, active in ((Side.BUY, tracker.active_bids), (Side.SELL, tracker.active_asks)):
            found = {
                order: (price, size)
                for price, orders in active.items()
                for order, size in orders.items()
            }
            assert found == {
                order: (price, float(size))
                for order, (on, price, size) in model.items()
                if on is side
            }


# The tutorial's conversions.

PACKED = np.array([[10.0, 1.0], [9.0, 2.0]]).tobytes(), np.array([[11.0, 3.0]]).tobytes()
SNAPSHOTS = [
    BookSnapshot("A-B", b'[["10","1"],["9","2"]]', b"[[11,3]]", 5, 1_500_000_000),
    BookSnapshot(
        "A-B",
        b'[{"px":"10","sz":1},{"px":9,"sz":"2","n":4}]',
        b'[{"sz":"3","px":"11","n":0}]',
        5,
        1_500_000_000,
        names=LevelNames(price="px", size="sz"),
    ),
    BookSnapshot(
        "A-B",
        b'[["buy","10","1"],["sell","11","3"],["buy","9","2"]]',
        b"",
        5,
        1_500_000_000,
        Layout.SIDED,
    ),
    BookSnapshot(
        "A-B", b'[["bid",10,1,"x"],["ask",11,3],["b",9,2]]', b"", 5, 1_500_000_000, Layout.SIDED
    ),
    BookSnapshot("A-B", *PACKED, 5, 1_500_000_000, Layout.PACKED),
    BookSnapshot(
        "A-B",
        b'[{"q":"1","r":"10"},{"q":"2","r":"9"}]',
        b'[{"q":3,"r":11}]',
        5,
        1_500_000_000,
        names=LevelNames(price="r", size="q"),
    ),
]


@pytest.mark.parametrize("message", SNAPSHOTS)
def test_a_snapshot_becomes_rows_and_arrays(message: BookSnapshot) -> None:
    tracker = ActiveOrderTracker()
    bids, asks = tracker.convert_snapshot_message_to_order_book_row(message)
    assert bids == [OrderBookRow(10.0, 1.0, 5), OrderBookRow(9.0, 2.0, 5)]
    assert asks == [OrderBookRow(11.0, 3.0, 5)]
    arrays = tracker.convert_snapshot_message_to_np_arrays(message)
    assert arrays[0].tolist() == [[1.5, 10.0, 1.0, 5.0], [1.5, 9.0, 2.0, 5.0]]
    assert arrays[1].tolist() == [[1.5, 11.0, 3.0, 5.0]]
    assert arrays[0].dtype == np.float64
    assert tracker.active_bids == {10.0: {LEVEL: 1.0}, 9.0: {LEVEL: 2.0}}
    book = OrderBook(64)
    book.apply_snapshot(message)
    assert (list(book.rows(Side.BUY)), list(book.rows(Side.SELL))) == (bids, asks)


def test_a_snapshot_of_orders_becomes_rows_and_arrays() -> None:
    message = OrdersSnapshot("A-B", BIDS, ASKS, 5, 1_500_000_000)
    bids, asks = ActiveOrderTracker().convert_snapshot_message_to_order_book_row(message)
    assert (bids, asks) == (
        [OrderBookRow(10.0, 3.0, 5), OrderBookRow(9.0, 4.0, 5)],
        [OrderBookRow(11.0, 3.0, 5)],
    )
    arrays = ActiveOrderTracker().c_convert_snapshot_message_to_np_arrays(message)
    assert arrays[0].tolist() == [[1.5, 10.0, 3.0, 5.0], [1.5, 9.0, 4.0, 5.0]]


def test_a_diff_becomes_the_changed_rows_with_their_new_amounts() -> None:
    tracker = ActiveOrderTracker()
    tracker.convert_snapshot_message_to_order_book_row(SNAPSHOTS[0])
    message = BookDiff(
        "A-B", b'[["10","0"],["9","5"],["1","0"]]', b'[["12","1"]]', 6, 6, 2_500_000_000
    )
    bids, asks = tracker.convert_diff_message_to_order_book_row(message)
    assert bids == [
        OrderBookRow(10.0, 0.0, 6),
        OrderBookRow(9.0, 5.0, 6),
        OrderBookRow(1.0, 0.0, 6),
    ]
    assert asks == [OrderBookRow(12.0, 1.0, 6)]
    assert tracker.active_bids == {9.0: {LEVEL: 5.0}}
    assert tracker.active_asks == {11.0: {LEVEL: 3.0}, 12.0: {LEVEL: 1.0}}
    assert tracker.convert_diff_message_to_np_arrays(message)[1].tolist() == [[2.5, 12.0, 1.0, 6.0]]


def test_an_order_event_becomes_the_changed_rows() -> None:
    tracker = following()
    done = event(OrderAction.DONE, "b2")
    assert tracker.convert_diff_message_to_order_book_row(done) == (
        [OrderBookRow(10.0, 1.0, 6)],
        [],
    )
    bids, asks = tracker.c_convert_diff_message_to_np_arrays(event(OrderAction.DONE, "b1"))
    assert (bids.tolist(), asks.shape) == ([[2.0, 10.0, 0.0, 6.0]], (0, 4))


def test_an_empty_diff_becomes_nothing() -> None:
    tracker = ActiveOrderTracker()
    for layout in Layout:
        assert tracker.convert_diff_message_to_order_book_row(
            BookDiff("A-B", b"", b"", layout=layout)
        ) == ([], [])
    assert tracker.convert_diff_message_to_np_arrays(BookDiff("A-B", b"[]", b""))[0].shape == (0, 4)


@pytest.mark.parametrize(("side", "code"), [(Side.BUY, 1.0), (Side.SELL, 2.0)])
@pytest.mark.parametrize(("trade_id", "number"), [("77", 77), ("a-77", 0), ("", 0)])
def test_a_trade_becomes_a_row_and_an_array(
    side: Side, code: float, trade_id: str, number: int
) -> None:
    tracker = ActiveOrderTracker()
    trade = Trade("A-B", trade_id, side, 10.5, 0.25, 1_500_000_000)
    assert tracker.convert_trade_message_to_order_book_row(trade) == OrderBookRow(
        10.5, 0.25, number
    )
    assert tracker.convert_trade_message_to_np_array(trade).tolist() == [1.5, code, 10.5, 0.25]
    assert tracker.c_convert_trade_message_to_np_array(trade).tolist() == [1.5, code, 10.5, 0.25]
    assert tracker.convert_trade_message_to_np_arrays(trade).tolist() == [1.5, code, 10.5, 0.25]


@examples(100)
@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9)), max_size=20),
    st.sampled_from(list(Layout)),
)
def test_a_conversion_reads_levels_as_the_book_does(
    levels: list[tuple[int, int]], layout: Layout
) -> None:
    match layout:
        case Layout.JSON:
            data = json.dumps([[str(p), str(s)] for p, s in levels]).encode()
        case Layout.SIDED:
            data = json.dumps([["buy", str(p), str(s)] for p, s in levels]).encode()
        case Layout.PACKED:
            data = np.array(levels, np.float64).tobytes()
    tracker = ActiveOrderTracker()
    book = OrderBook(64)
    message = BookDiff("A-B", data, b"", 1, 1, 0, layout)
    book.apply_diff(message)
    tracker.convert_diff_message_to_order_book_row(message)
    found = [
        [price, orders[LEVEL]]
        for price, orders in sorted(tracker.active_bids.items(), reverse=True)
    ]
    assert found == book.bids.tolist()


def test_events_that_belong_together_change_the_book_at_once_and_truncate_after_the_last() -> None:
    tracker = ActiveOrderTracker(depth=2)
    resting = [RestingOrder(str(price), float(price), 1.0) for price in (10, 9)]
    tracker.snapshot(OrdersSnapshot("A-B", resting, []))
    better = OrderEvent("A-B", OrderAction.OPEN, "new", "buy", 11.0, 2.0, more=True)
    assert tracker.event(better) is None
    gone = tracker.event(OrderEvent("A-B", OrderAction.DONE, "10", checksum=7))
    assert gone is not None
    assert gone.checksum == 7
    assert np.frombuffer(gone.bids).reshape(-1, 2).tolist() == [[11.0, 2.0], [10.0, 0.0]]
    assert sorted(tracker.active_bids) == [9.0, 11.0]
    tracker.event(better)
    whole = tracker.snapshot(OrdersSnapshot("A-B", resting, []))
    assert np.frombuffer(whole.bids).reshape(-1, 2).tolist() == [[10.0, 1.0], [9.0, 1.0]]


@pytest.mark.parametrize("size", [-1.0, NAN, math.inf])
def test_an_order_that_no_book_has_is_refused_before_it_hides_in_a_sum(size: float) -> None:
    tracker = following()
    for action, order_id in ((OrderAction.OPEN, "b9"), *((a, "b1") for a in CHANGES_OF_SIZE)):
        with pytest.raises(ValueError, match="size"):
            tracker.event(event(action, order_id, "buy", 10.0, size))
    with pytest.raises(ValueError, match="size"):
        tracker.snapshot(OrdersSnapshot("A-B", [RestingOrder("b1", 10.0, size)], ASKS, 5, 1))
    for price in (0.0, -1.0, NAN, math.inf):
        with pytest.raises(ValueError, match="price"):
            tracker.event(event(OrderAction.OPEN, "b9", "buy", price, 1.0))


CHANGES_OF_SIZE = (OrderAction.MATCH, OrderAction.CHANGE)
