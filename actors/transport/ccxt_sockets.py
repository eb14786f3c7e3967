"""ccxt's sockets as one connection: when one of them ends, all are closed and opened again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from actors.transport.ccxt_rest import CcxtRest, answer_of
from actors.transport.proxies import without_credentials
from actors.transport.rest import ERRORS
from exchanges.contract import MALFORMED, Exchange
from orderbook.errors import Disconnected, RateLimited, TrochilError, UnknownOutcome, VenueError


class CcxtSockets:
    """Detects ccxt's silent reconnects and turns each into a Disconnected."""

    def __init__(self, exchange: Exchange, rest: CcxtRest) -> None:
        self._exchange = exchange
        self.api = rest.client.api
        self.connected = asyncio.Event()
        """Set while at least one of the sockets is open."""
        self._ours: set[Any] = set()
        self._broken: asyncio.Future[str] | None = None
        self._spawned: set[asyncio.Task[Any]] = set()
        for hook in ("on_connected", "on_close", "on_error"):
            setattr(self.api, hook, self._hooked(getattr(self.api, hook), hook))
        spawn = self.api.spawn
        self.api.spawn = lambda method, *arguments: spawn(self._tracked(method), *arguments)

    def _hooked(self, theirs: Any, hook: str) -> Any:
        def on_event(socket: Any, detail: Any = None) -> None:
            theirs(socket, detail)
            if hook == "on_connected":
                self._ours.add(socket)
                self.connected.set()
            elif socket in self._ours:
                self.break_off(f"ccxt's socket ended: {detail}")

        return on_event

    def _tracked(self, method: Any) -> Any:
        """Track a background task of ccxt: it must not outlive the connection it belongs to."""

        async def run(*arguments: Any) -> Any:
            task = asyncio.current_task()
            assert task is not None
            self._spawned.add(task)
            try:
                return await method(*arguments)
            finally:
                self._spawned.discard(task)

        return run

    def break_off(self, why: str) -> None:
        """End this connection; ``opened`` raises Disconnected."""
        if self._broken is not None and not self._broken.done():
            self._broken.set_result(why)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[asyncio.TaskGroup]:
        """A group for the watching tasks. Raises Disconnected when a socket ended or a task did."""
        self._broken = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._until_broken(self._broken), name="ccxt sockets")
                yield group
        except* TrochilError as ended:
            raise _first(ended) from None
        finally:
            await self._close()

    async def _until_broken(self, broken: "asyncio.Future[str]") -> None:
        raise Disconnected(await broken)

    async def _close(self) -> None:
        self._broken = None
        self._ours.clear()
        self.connected.clear()
        for task in list(self._spawned):
            task.cancel()
        await self.api.close_ws_clients()
        # Otherwise ccxt would apply the next connection's diffs to its cached books.
        self.api.clean_ws_data()

    async def watch(self, method: str, *arguments: Any) -> Any:
        """The next result of a watch method of ccxt.

        Raises Disconnected when the network failed, VenueError when only this subscription did.
        """
        try:
            return await getattr(self.api, method)(*arguments)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise Disconnected("ccxt closed its socket") from None
        except Exception as error:  # ccxt lets the exceptions of its parsers through, too
            raise self._translated(error) from None

    def _translated(self, error: Exception) -> TrochilError:
        what = f"{type(error).__name__} {without_credentials(str(error))[:300]}"
        if isinstance(error, MALFORMED):
            return UnknownOutcome(what)
        answer = answer_of(error)
        fault = self._exchange.error(answer) if answer is not None else None
        if fault is None or ERRORS[fault.kind] is RateLimited:
            return Disconnected(what)
        return ERRORS[fault.kind](what, fault.code)


def _first(group: BaseExceptionGroup[TrochilError]) -> TrochilError:
    found: Any = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    error: TrochilError = found
    return error if isinstance(error, VenueError) else Disconnected(str(error))
