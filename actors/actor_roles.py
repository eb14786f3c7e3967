"""What each kind of actor can be asked for by others, and how: ``await market_actor(calls,
name).place(...)``.

Every method travels to another process: arguments and results are immutable structs or builtins.
Each raises what the method there raised, NotReady when no such actor is there, and Disconnected
when it died meanwhile. ``actors.runtime.component_factory`` has mypy check that the classes fit
their roles.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, cast

from actors.component import ActorCalls, ChannelAddress
from exchanges.order_views import Event, FillView, OrderTerms, OrderView
from exchanges.orders import TradingRule

if TYPE_CHECKING:
    import pandas as pd


class HostedActor(Protocol):
    """Any actor: what its host says of it."""

    async def host_status(self) -> dict[str, Any]:
        """{pid, began (ns), state, error or status}, as builtins."""


class ReadingActor(Protocol):
    """Any actor that reads what a venue sends."""

    async def bad_frames(self) -> list[bytes]:
        """The last frames, rows and answers that could not be read, each cut at 4096 bytes."""


class DataSourceActor(ReadingActor, Protocol):
    """Reads the books of some pairs of a venue."""

    async def endpoint(self) -> ChannelAddress: ...

    async def set_pairs(self, pairs: list[str]) -> None: ...

    async def require_pairs(self, pairs: list[str]) -> None: ...

    async def trading_rules(self) -> list[TradingRule]: ...

    async def refresh_rules(self) -> None: ...

    async def get_active_exchange_markets(self) -> "pd.DataFrame": ...


class TrackerActor(Protocol):
    """Keeps books, or numbers an account's events, and serves them over a channel."""

    async def endpoint(self) -> ChannelAddress: ...


class UserStreamActor(ReadingActor, Protocol):
    """Reads what a venue says of one account, and serves it over a channel."""

    async def endpoint(self) -> ChannelAddress: ...


class MarketActor(ReadingActor, Protocol):
    """Places, cancels and tracks the orders of one account."""

    async def place(self, intent: str, terms: OrderTerms) -> OrderView: ...

    async def cancel_order(self, client_order_id: str) -> OrderView: ...

    async def cancel_all_orders(
        self, trading_pair: str | None = None, tag: str | None = None
    ) -> list[OrderView]: ...

    async def order(self, client_order_id: str) -> OrderView: ...

    async def orders(self, open_only: bool = True) -> list[OrderView]: ...

    async def fills_table(self, since: int = 0) -> list[FillView]: ...

    async def balances_now(self) -> dict[str, tuple[str, str]]: ...

    async def events_since(self, number: int, wait: float = 0.0) -> list[Event]: ...

    async def wait_ready(self, timeout: float = 30.0) -> None: ...

    async def check_keys(self) -> dict[str, tuple[str, str]]: ...

    async def halt(self, cancel: bool = True) -> None: ...

    async def resume(self) -> None: ...

    async def features(self) -> list[str]: ...


class SupervisorActor(Protocol):
    """Keeps the desired actors running."""

    async def ensure(self, settings: dict[str, Any]) -> None: ...

    async def add_pairs(self, venue: str, pairs: list[str]) -> None: ...

    async def remove_pairs(self, venue: str, pairs: list[str]) -> None: ...

    async def new_generation(self) -> int: ...

    async def locate_pair(self, venue: str, pair: str) -> dict[str, str]: ...

    async def specs(self) -> list[dict[str, Any]]: ...

    async def describe(self) -> dict[str, Any]: ...

    async def overview(self, fresh: bool = True) -> dict[str, Any]: ...

    async def halt(self, cancel: bool = True) -> None: ...

    async def resume(self) -> None: ...

    async def close_deployment(self) -> None: ...


class ActorProxy:
    """Every public method of one actor, as a coroutine that calls it there."""

    def __init__(self, calls: ActorCalls, actor: str) -> None:
        self._calls = calls
        self._actor = actor

    def __getattr__(self, method: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        if method.startswith("_"):
            raise AttributeError(f"{method} is private to {self._actor}")

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._calls.call(self._actor, method, *args, **kwargs)

        return call


def hosted_actor(calls: ActorCalls, name: str) -> HostedActor:
    return cast(HostedActor, ActorProxy(calls, name))


def reading_actor(calls: ActorCalls, name: str) -> ReadingActor:
    return cast(ReadingActor, ActorProxy(calls, name))


def data_source_actor(calls: ActorCalls, name: str) -> DataSourceActor:
    return cast(DataSourceActor, ActorProxy(calls, name))


def tracker_actor(calls: ActorCalls, name: str) -> TrackerActor:
    return cast(TrackerActor, ActorProxy(calls, name))


def user_stream_actor(calls: ActorCalls, name: str) -> UserStreamActor:
    return cast(UserStreamActor, ActorProxy(calls, name))


def market_actor(calls: ActorCalls, name: str) -> MarketActor:
    return cast(MarketActor, ActorProxy(calls, name))


def supervisor_actor(calls: ActorCalls) -> SupervisorActor:
    return cast(SupervisorActor, ActorProxy(calls, "supervisor"))


class RetryingCalls:
    """Calls that are repeated while they fail as ``errors``: only what may be repeated goes
    through it."""

    def __init__(
        self,
        calls: ActorCalls,
        errors: tuple[type[Exception], ...],
        seconds: float,
        every: float = 0.1,
    ) -> None:
        """``seconds``: after which the last error is raised."""
        self._calls = calls
        self._errors = errors
        self._seconds = seconds
        self._every = every

    async def call(self, actor: str, method: str, *args: Any, **kwargs: Any) -> Any:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._seconds
        while True:
            try:
                return await self._calls.call(actor, method, *args, **kwargs)
            except self._errors:
                if loop.time() > deadline:
                    raise
                await asyncio.sleep(self._every)
