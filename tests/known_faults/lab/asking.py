"""What a reconciler needs to ask a venue about one order, and a clock that a test moves."""

from typing import Any

from exchanges.lifecycle import merge
from exchanges.orders import InFlightOrder, OrderState, OrderUpdate
from orderbook.errors import NotFound


class MovedClock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return int(self.now * 1e9)


class OneOrder:
    """What a reconciler needs of a ledger, for one order."""

    def __init__(self) -> None:
        self.closed: list[OrderState] = []

    async def close(self, order: InFlightOrder, state: OrderState, evidence: str) -> None:
        self.closed.append(state)
        merge(order, OrderUpdate(symbol=order.symbol, state=state, reason=evidence))

    async def mark_unknown(self, order: InFlightOrder, why: str) -> None:
        order.status_unknown = True


class Denial:
    """Requests of a venue that denies the order."""

    def __init__(self, message: str) -> None:
        self._message = message

    async def run(self, call: Any) -> Any:
        raise NotFound(self._message)
