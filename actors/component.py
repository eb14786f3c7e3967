"""The interfaces between components, the actors that host them, and the supervisor."""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from actors.settings import Settings


class ChannelAddress(msgspec.Struct, frozen=True):
    """A channel's socket path, and the token that the first frame must carry.

    ``repr`` hides the token.
    """

    path: str
    token: str

    def __repr__(self) -> str:
        return f"ChannelAddress({self.path!r}, ***)"


class Component(Protocol):
    """A plain class that does one actor's work."""

    failed: "asyncio.Future[None]"
    """Done, with the exception, when a background task died: its process must end."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def status(self) -> dict[str, Any]:
        """Builtins only: it crosses actor borders and ends in JSON."""


class ActorCalls(Protocol):
    """How components call each other, by actor name."""

    async def call(self, actor: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """The result of the method; raises what it raised.

        Raises NotReady if there is no such actor, Disconnected if it died during the call.
        """


class Runtime(Protocol):
    """A deployment as a client sees it."""

    @property
    def settings(self) -> "Settings": ...

    @property
    def run_dir(self) -> str: ...

    @property
    def peers(self) -> ActorCalls: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def shutdown(self) -> None: ...


class Tasks:
    """The background tasks of one component. The first that fails completes ``failed``."""

    def __init__(self) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if task.cancelled() or self.failed.done():
            return
        error = task.exception()
        if error is not None:
            self.failed.set_exception(error)
            self.failed.exception()  # seen here: whoever awaits it gets it, nobody has to

    async def stop(self) -> None:
        """Cancel all and wait until they ended."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
