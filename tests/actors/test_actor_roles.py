"""Proxies of actors: calls arrive as they were made, and are repeated where that is wanted."""

import asyncio
import inspect
from typing import Any

import pytest

from actors import actor_roles
from actors.actor_roles import RetryingCalls, market_actor, supervisor_actor
from actors.books.data_source import OrderBookTrackerDataSource
from actors.books.order_book_tracker import OrderBookTracker
from actors.orders.market import Market
from actors.orders.user_stream import UserStreamTrackerDataSource
from actors.orders.user_stream_polling import PollingUserStreamTrackerDataSource
from actors.orders.user_stream_tracker import UserStreamTracker
from actors.runtime.supervisor import Supervisor
from exchanges.rules import terms_of
from orderbook.errors import Disconnected, NotReady

ROLES: dict[type, type] = {
    OrderBookTrackerDataSource: actor_roles.DataSourceActor,
    OrderBookTracker: actor_roles.TrackerActor,
    UserStreamTracker: actor_roles.TrackerActor,
    UserStreamTrackerDataSource: actor_roles.UserStreamActor,
    PollingUserStreamTrackerDataSource: actor_roles.UserStreamActor,
    Market: actor_roles.MarketActor,
    Supervisor: actor_roles.SupervisorActor,
}


class Calls:
    """Remembers each call; fails as often as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.made: list[Any] = []
        self._failures = list(failures)

    async def call(self, actor: str, method: str, *args: Any, **kwargs: Any) -> Any:
        self.made.append((actor, method, args, kwargs))
        if self._failures:
            raise self._failures.pop(0)
        return "done"


def test_a_call_arrives_as_it_was_made() -> None:
    calls = Calls()
    terms = terms_of("A-B", "buy", "1", "2")
    found: Any = asyncio.run(market_actor(calls, "market/v/a").place("i", terms))
    assert found == "done"
    asyncio.run(supervisor_actor(calls).halt(cancel=False))
    assert calls.made == [
        ("market/v/a", "place", ("i", terms), {}),
        ("supervisor", "halt", (), {"cancel": False}),
    ]


def test_what_is_private_cannot_be_called() -> None:
    proxy: Any = market_actor(Calls(), "market/v/a")
    with pytest.raises(AttributeError, match="_emit is private to market/v/a"):
        proxy._emit()


@pytest.mark.parametrize(("kind", "role"), ROLES.items())
def test_every_method_of_a_role_is_a_coroutine_of_its_class(kind: type, role: type) -> None:
    methods = [name for name in vars(role) if not name.startswith("_")]
    assert methods
    for name in methods:
        assert inspect.iscoroutinefunction(getattr(kind, name)), name


def test_calls_are_repeated_for_the_errors_named_and_no_others() -> None:
    calls = Calls(Disconnected("a"), NotReady("b"))
    patient = RetryingCalls(calls, (Disconnected, NotReady), seconds=5, every=0.001)
    assert asyncio.run(patient.call("x", "y")) == "done"
    assert len(calls.made) == 3
    impatient = RetryingCalls(Calls(NotReady("b")), (Disconnected,), seconds=5, every=0.001)
    with pytest.raises(NotReady):
        asyncio.run(impatient.call("x", "y"))


def test_the_last_error_is_raised_after_the_time_is_over() -> None:
    calls = Calls(*(Disconnected(str(number)) for number in range(1000)))
    patient = RetryingCalls(calls, (Disconnected,), seconds=0.05, every=0.01)
    with pytest.raises(Disconnected):
        asyncio.run(patient.call("x", "y"))
    assert 2 <= len(calls.made) <= 10
