"""Rows of order-by-order books, and the digits that checksums are made of."""

from decimal import Decimal as D

import numpy as np

from exchanges.checksums import crc32_of_levels, crc32_of_orders, digits, fixed_digits, places
from exchanges.orders import TradingRule
from exchanges.queues import one_change, order_event, resting_order
from orderbook.messages import OrderAction, OrderEvent, RestingOrder, Side

RULE = TradingRule(
    trading_pair="A-B", symbol="AB", base="A", quote="B", price_tick=D("0.10"), size_step=D("0.001")
)


def test_digits_without_points_and_leading_zeros() -> None:
    assert digits("0.05005", "0.00100000") == "5005100000"
    assert (places(D("0.10")), places(D("1e-8")), places(D(5))) == (2, 8, 0)


def test_numbers_are_written_with_the_digits_of_the_steps() -> None:
    assert (
        fixed_digits(RULE, np.array([[0.5, 1.25]]), np.array([[10.0, 0.001]])) == "501250" + "10001"
    )
    assert fixed_digits(RULE, np.array([[0.5, 1e13]])) == ""
    assert crc32_of_levels(RULE, np.array([[0.5, 1e13]])) == crc32_of_levels(None) == -1


def test_checksums_of_orders_go_level_by_level() -> None:
    assert crc32_of_orders([["12", "3"], ["4"]], [["56"]]) == crc32_of_orders([["123456"]])


def test_resting_orders_keep_what_was_written() -> None:
    assert resting_order("7", "0.50", "1.250") == RestingOrder("7", 0.5, 1.25, "501250")


def test_events_of_a_message_end_with_its_checksum() -> None:
    order = resting_order("7", "0.50", "1.250")
    told = [order_event("AB", side, OrderAction.OPEN, order, 5) for side in Side]
    bid, ask = one_change(told, 9)
    assert bid == OrderEvent(
        "AB", OrderAction.OPEN, "7", "buy", 0.5, 1.25, time=5, text="501250", more=True
    )
    assert isinstance(ask, OrderEvent)
    assert (ask.side, ask.more, ask.checksum) == ("sell", False, 9)
    assert one_change([], 9) == []
