"""One websocket of a client."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from trochil.sandbox.market.accounts import Account

QUEUED_FRAMES = 20_000
AFTER_S = 1e-5
"""Between two frames of a connection that both leave later: they keep their order."""
Build = Callable[["Connection", int], str | bytes | None]
"""Makes a frame at the moment of sending: (connection, wall ns) -> text, or None for nothing."""


@dataclass(eq=False)
class Connection:
    """What a client subscribed to on one socket, and what waits to leave."""

    ws: web.WebSocketResponse
    path: str
    query: dict[str, str]
    topics: set[str] = field(default_factory=set)
    dead_topics: set[str] = field(default_factory=set)
    """Topics of books that are silent, though they are followed."""
    stays_dead: bool = False
    """Whether they are silent for who subscribes again on this connection."""
    account: Account | None = None
    is_private: bool = False
    """It serves an account only; no fault of the market data strikes it."""
    unanswered_pings: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    """What a dialect keeps of a connection besides."""
    queue: "asyncio.Queue[Build]" = field(default_factory=lambda: asyncio.Queue(QUEUED_FRAMES))
    muted: bool = False
    frames_sent: int = 0
    due: float = 0.0
    """When the last of those frames leaves that were put later (loop seconds)."""
    waiting: int = 0
    """Frames that were put later and have not left."""

    @property
    def host(self) -> str:
        """By which name the client reached us, with the port."""
        return self.ws._req.host if self.ws._req is not None else ""

    def put(self, build: Build) -> None:
        """Queue a frame, behind those that leave later; a client that is 20,000 behind is cut."""
        if self.waiting:
            self.put_later(build, 0.0)
        else:
            self._put_now(build)

    def put_later(self, build: Build, delay_s: float) -> None:
        """The same in a while; what is put after it follows it."""
        loop = asyncio.get_running_loop()
        self.due = max(loop.time() + delay_s, self.due + AFTER_S)
        self.waiting += 1
        loop.call_at(self.due, self._put_waiting, build)

    def _put_waiting(self, build: Build) -> None:
        self.waiting -= 1
        self._put_now(build)

    def _put_now(self, build: Build) -> None:
        if self.queue.full():
            self.abort()
            return
        self.queue.put_nowait(build)

    def abort(self) -> None:
        """Cut the connection, without a close frame."""
        transport = self.ws._req.transport if self.ws._req is not None else None
        if transport is not None:
            transport.abort()

    def forget(self) -> None:
        """Nothing waits to leave any more."""
        while not self.queue.empty():
            self.queue.get_nowait()
            self.queue.task_done()

    async def send(self, text: str | bytes) -> None:
        """At once, past the queue."""
        self.frames_sent += 1
        with contextlib.suppress(ConnectionError):
            await (self.ws.send_str(text) if isinstance(text, str) else self.ws.send_bytes(text))
