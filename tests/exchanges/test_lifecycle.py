"""One record of an order's life: whatever the order and repetition of the venue's events, the same
end."""

import copy
from decimal import Decimal as D
from typing import Any

from hypothesis import given, strategies as st

from exchanges.lifecycle import book_fill, merge
from exchanges.orders import Fill, InFlightOrder, OrderState, OrderUpdate
from orderbook.messages import Side


def new_order(amount: str = "10") -> InFlightOrder:
    return InFlightOrder(
        client_order_id="x",
        trading_pair="A-B",
        symbol="AB",
        side=Side.BUY,
        amount=D(amount),
        price=D(2),
    )


def update(state: OrderState, filled: str | None = None, **more: Any) -> OrderUpdate:
    quantity = None if filled is None else D(filled)
    quote = None if quantity is None else quantity * 2
    return OrderUpdate(
        symbol="AB", state=state, exchange_order_id="1", filled=quantity, quote_filled=quote, **more
    )


def fill(trade_id: int, amount: str) -> Fill:
    return Fill(
        symbol="AB",
        trade_id=str(trade_id),
        exchange_order_id="1",
        side=Side.BUY,
        price=D(2),
        amount=D(amount),
        fee=D("0.1"),
    )


def apply(order: InFlightOrder, event: OrderUpdate | Fill) -> None:
    if isinstance(event, Fill):
        book_fill(order, event)
    else:
        merge(order, event)


@st.composite
def histories(draw: st.DrawFn) -> list[OrderUpdate | Fill]:
    """A venue's true history of one order of 10: fills, their reports, and perhaps an end."""
    parts = draw(st.lists(st.integers(1, 5), max_size=4).filter(lambda ps: sum(ps) <= 10))
    events: list[OrderUpdate | Fill] = [update(OrderState.OPEN, "0", time=1)]
    total = 0
    for number, part in enumerate(parts):
        total += part
        state = OrderState.FILLED if total == 10 else OrderState.PARTIALLY_FILLED
        events += [update(state, str(total), time=2 + number), fill(number, str(part))]
    if total < 10 and draw(st.booleans()):
        end = draw(st.sampled_from([OrderState.CANCELLED, OrderState.EXPIRED]))
        events.append(update(end, str(total), time=99))
    return events


@given(histories(), st.randoms(use_true_random=False), st.integers(0, 5))
def test_any_order_and_repetition_of_events_ends_the_same(
    events: list[Any], random: Any, repeats: int
) -> None:
    straight = new_order()
    shuffled = new_order()
    for event in events:
        apply(straight, event)
    mixed = events + [random.choice(events) for _ in range(repeats)]
    random.shuffle(mixed)
    for event in mixed:
        apply(shuffled, event)
    assert (shuffled.state, shuffled.filled, shuffled.quote_filled) == (
        straight.state,
        straight.filled,
        straight.quote_filled,
    )
    assert shuffled.fills == straight.fills
    assert shuffled.is_complete == straight.is_complete
    assert shuffled.exchange_order_id == "1"


def test_a_fill_before_the_acknowledgement_makes_the_order_live() -> None:
    order = new_order()
    assert book_fill(order, fill(1, "4"))
    assert (order.state, order.filled, order.average_price) == (OrderState.PARTIALLY_FILLED, 4, 2)
    merge(order, update(OrderState.OPEN, "0"))
    assert order.state is OrderState.PARTIALLY_FILLED


def test_the_same_trade_is_booked_once() -> None:
    order = new_order()
    assert [book_fill(order, fill(1, "4")) for _ in range(3)] == [True, False, False]
    assert order.fills_filled == 4


def test_a_cancelled_order_takes_late_fills() -> None:
    order = new_order()
    merge(order, update(OrderState.CANCELLED, "0"))
    book_fill(order, fill(1, "3"))
    assert (order.state, order.filled) == (OrderState.CANCELLED, 3)
    book_fill(order, fill(2, "7"))
    assert order.state is OrderState.FILLED


def test_an_overfill_is_the_venues_truth() -> None:
    order = new_order("1")
    book_fill(order, fill(1, "2"))
    assert (order.state, order.filled) == (OrderState.FILLED, 2)


def test_an_end_without_its_fills_is_not_complete() -> None:
    order = new_order()
    merge(order, update(OrderState.FILLED, "10"))
    assert order.is_done
    assert not order.is_complete
    book_fill(order, fill(1, "10"))
    assert order.is_complete


def test_an_order_closed_by_absence_opens_again_when_it_appears() -> None:
    for closed in (OrderState.NOT_PLACED, OrderState.REJECTED):
        order = new_order()
        merge(order, OrderUpdate(symbol="AB", state=closed, reason="denied"))
        assert (order.state, order.evidence) == (closed, f"{closed}: denied")
        merge(order, update(OrderState.OPEN, "0"))
        assert (order.state, order.evidence) == (OrderState.OPEN, "")


def test_a_refusal_of_another_try_does_not_close_a_live_order() -> None:
    order = new_order()
    merge(order, update(OrderState.OPEN, "0"))
    merge(order, OrderUpdate(symbol="AB", state=OrderState.REJECTED))
    assert order.state is OrderState.OPEN


def test_merging_the_same_word_twice_changes_nothing() -> None:
    order = new_order()
    assert merge(order, update(OrderState.OPEN, "0"))
    before = copy.deepcopy(order)
    assert not merge(order, update(OrderState.OPEN, "0"))
    assert order == before


def test_a_word_of_the_venue_ends_the_unknown() -> None:
    order = new_order()
    order.status_unknown = True
    merge(order, update(OrderState.OPEN, "0"))
    assert not order.status_unknown


def unknown(filled: str | None = None, word: str = "canceling") -> OrderUpdate:
    """A word for a state that is none of ours."""
    return OrderUpdate(
        symbol="AB",
        state=None,
        exchange_order_id="1",
        filled=None if filled is None else D(filled),
        reason=word,
    )


def test_an_unknown_word_keeps_the_state_takes_the_quantity_and_marks_the_order() -> None:
    order = new_order()
    merge(order, update(OrderState.OPEN, "0"))
    assert merge(order, unknown("4"))
    assert (order.state, order.filled) == (OrderState.PARTIALLY_FILLED, 4)
    assert order.status_unknown
    assert not merge(order, unknown("4")), "the same word again is no news"
    merge(order, update(OrderState.CANCELLED, "4"))
    assert (order.state, order.status_unknown) == (OrderState.CANCELLED, False)


def test_an_unknown_word_with_the_whole_quantity_is_a_fill() -> None:
    order = new_order()
    merge(order, unknown("10", "mostly_harmless"))
    assert (order.state, order.status_unknown) == (OrderState.FILLED, False)
    assert order.evidence == "filled: mostly_harmless"


def test_an_unknown_word_does_not_reopen_what_has_ended() -> None:
    for state in (OrderState.CANCELLED, OrderState.EXPIRED, OrderState.FILLED, OrderState.REJECTED):
        order = new_order()
        merge(order, update(state))
        merge(order, unknown())
        assert (order.state, order.status_unknown) == (state, False)


def test_an_unknown_word_shows_that_an_order_that_was_never_found_exists() -> None:
    order = new_order()
    merge(order, OrderUpdate(symbol="AB", state=OrderState.NOT_PLACED))
    merge(order, unknown())
    assert (order.state, order.status_unknown, order.evidence) == (OrderState.PENDING, True, "")
