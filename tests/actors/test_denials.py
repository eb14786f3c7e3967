"""When "order not found" is a proof: not by itself, but repeated and late enough."""

import asyncio
from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from actors.orders.reconciler import NOT_FOUND_COUNT, Reconciler
from exchanges.binance import BINANCE, BinanceOrders
from exchanges.orders import InFlightOrder, OrderState
from orderbook.errors import NotFound
from orderbook.messages import Side

FORGETFUL = replace(BINANCE, visibility=10.0, forgets_cancelled=True)


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return int(self.now * 1e9)


class OrderStore:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.closed: list[OrderState] = []
        self.unknown = 0

    async def close(self, order: InFlightOrder, state: OrderState, evidence: str) -> None:
        assert "not found" in evidence
        self.closed.append(state)

    async def mark_unknown(self, order: InFlightOrder, why: str) -> None:
        self.unknown += 1


class Denying:
    """A REST side that finds nothing."""

    async def run(self, call: Any) -> Any:
        raise NotFound("no such order")


def denied(exchange: Any, every: float, times: int, **known: Any) -> OrderStore:
    """What the order store recorded when an order was queried ``times`` times."""
    terms: dict[str, Any] = {
        "client_order_id": "a",
        "trading_pair": "A-B",
        "symbol": "AB",
        "side": Side.BUY,
    }
    order = InFlightOrder(**terms, amount=D(1), price=D(1), **known)
    clock = Clock()
    order_store = OrderStore()
    rest = Denying()
    asking: Any = Reconciler(exchange, rest, order_store, clock)  # type: ignore[arg-type]
    asking.entry = BinanceOrders({})
    asking.sent(order)

    async def main() -> None:
        for _ in range(times):
            clock.now += every
            await asking.query_order(order)

    asyncio.run(main())
    return order_store


SEEN: dict[str, Any] = {"exchange_order_id": "7", "state": OrderState.OPEN}


def test_an_order_never_seen_and_denied_after_its_visibility_was_not_placed() -> None:
    assert denied(BINANCE, 4.0, 3).closed == [OrderState.NOT_PLACED]


@pytest.mark.parametrize(("every", "times"), [(1.0, 5), (20.0, NOT_FOUND_COUNT - 1)])
def test_a_few_or_early_denials_prove_nothing(every: float, times: int) -> None:
    for known in ({}, SEEN):
        order_store = denied(FORGETFUL, every, times, **known)
        assert (order_store.closed, order_store.unknown) == ([], times)


def test_a_venue_that_forgets_the_cancelled_proves_it_by_denying_for_long_what_it_has_shown() -> (
    None
):
    assert denied(FORGETFUL, 4.0, 4, **SEEN).closed == [OrderState.CANCELLED]


@pytest.mark.parametrize(("exchange", "filled"), [(BINANCE, D(0)), (FORGETFUL, D("0.5"))])
def test_elsewhere_or_with_fills_an_order_that_was_shown_stays_unknown_for_ever(
    exchange: Any, filled: D
) -> None:
    order_store = denied(exchange, 100.0, 10, **SEEN, filled=filled)
    assert (order_store.closed, order_store.unknown) == ([], 10)
