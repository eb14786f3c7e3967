"""ccxt's sockets as one connection: what ends one of them ends it, and nothing is believed until all stand again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from actors.transport.ccxt_rest import CcxtRest, answer_of
from actors.transport.rest import ERRORS
from exchanges.contract import MALFORMED, Exchange
from orderbook.errors import Disconnected, RateLimited, TrochilError, UnknownOutcome, VenueError


class CcxtSockets:
    """ccxt connects again by itself and in silence; this hears of it and doesn't let it pass."""

    def __init__(self, exchange: Exchange, rest: CcxtRest) -> None:
        self._exchange, self.api = exchange, rest.client.api
        self.connected = asyncio.Event()
        """One of the sockets stands."""
        self._ours: set[Any] = set()
        self._broken: asyncio.Future[str] | None = None
        self._spawned: set[asyncio.Task[Any]] = set()
        for hook in ("on_connected", "on_close", "on_error"):
            setattr(self.api, hook, self._hearing(getattr(self.api, hook), hook))
        spawn = self.api.spawn
        self.api.spawn = lambda method, *arguments: spawn(self._known(method), *arguments)

    def _hearing(self, theirs: Any, hook: str) -> Any:
        def heard(socket: Any, detail: Any = None) -> None:
            theirs(socket, detail)
            if hook == "on_connected":
                self._ours.add(socket)
                self.connected.set()
            elif socket in self._ours:
                self.break_off(f"ccxt's socket ended: {detail}")

        return heard

    def _known(self, method: Any) -> Any:
        """What ccxt does in the background, a snapshot to fetch: it must not outlive the connection it is for."""

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
        """A group for the tasks that watch. Raises Disconnected when a socket ended or a task raised so."""
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
        # What ccxt keeps of books would else be joined to what the next connection says.
        self.api.clean_ws_data()

    async def watch(self, method: str, *arguments: Any) -> Any:
        """The next that a watch method of ccxt says.

        Raises Disconnected when the network failed, and VenueError when this subscription alone did.
        """
        try:
            return await getattr(self.api, method)(*arguments)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise Disconnected("ccxt closed its socket") from None
        except Exception as error:  # ccxt raises what its readers raise, too
            raise self._ours_for(error) from None

    def _ours_for(self, error: Exception) -> TrochilError:
        what = f"{type(error).__name__} {str(error)[:300]}"
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
