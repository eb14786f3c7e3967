"""Binance: EXPIRED_IN_MATCH, a fee in BNB, a fee of null, 1E-8, events in any order and twice.

(nautechsystems/nautilus_trader #1437, hummingbot/hummingbot #2084.) Right: any order of events with
repetitions ends the same.
"""

import itertools
from decimal import Decimal
from typing import Any

import msgspec

from exchanges.binance import BinanceUser, OrderRow
from exchanges.lifecycle import book_fill, merge
from exchanges.orders import InFlightOrder, OrderUpdate
from orderbook.messages import Side
from tests.known_faults.lab import load
from tests.known_faults.lab.wire import encoded


def told_events() -> list[Any]:
    told = load(__file__)
    user = BinanceUser(None, {}, "")
    events: list[Any] = []
    for change in told["changes"]:
        events += user.parse(encoded({"subscriptionId": 0, "event": told["report"] | change}))
    return [*events, msgspec.convert(told["rest"], OrderRow).to_update()]


def end_of(events: list[Any]) -> tuple[Any, ...]:
    """What the order is after these: state, filled, fills."""
    order = InFlightOrder(
        client_order_id="mUvoqJxFIILMdfAW5iGSOW",
        trading_pair="ETH-BTC",
        symbol="ETHBTC",
        side=Side.BUY,
        amount=Decimal(1),
        price=Decimal("0.1"),
    )
    for event in events:
        if isinstance(event, OrderUpdate):
            merge(order, event)
        else:
            book_fill(order, event)
    fills = sorted((fill.trade_id, str(fill.fee), fill.fee_asset) for fill in order.fills.values())
    return str(order.state), order.filled, tuple(fills)


def test_any_order_of_events_with_repetitions_ends_the_same() -> None:
    events = told_events()
    ends = {
        end_of([*order, order[0]])
        for order in itertools.islice(itertools.permutations(events), 0, 5040, 7)
    }
    fills = (("77", "0.00012", "BNB"), ("78", "0", ""))
    assert ends == {("expired", Decimal("0.5"), fills)}


def test_a_price_of_1e_8_is_read() -> None:
    assert told_events()[-1].price == Decimal("1E-8")
