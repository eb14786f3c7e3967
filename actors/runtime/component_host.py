"""Hosts one component in one process: builds it, starts it, forwards calls, reports failures."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Any

from actors.component import Component
from orderbook.errors import NotReady, TrochilError

log = logging.getLogger(__name__)
RETRY_AFTER = 2.0
"""Seconds between two tries to build and start a component."""


class ComponentHost:
    """The host of a component inside an actor.

    While the component can't be built, every call raises the reason, and building is retried.
    """

    def __init__(
        self, name: str, build: Callable[[], Component], on_failure: Callable[[BaseException], None]
    ) -> None:
        self.name = name
        self._build = build
        self._on_failure = on_failure
        self._began = time.time_ns()
        self._component: Component | None = None
        self._error: TrochilError | None = None
        self._settled = asyncio.Event()
        self._life = asyncio.create_task(self._live(), name=f"host:{name}")
        self._life.add_done_callback(self._ended)

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Forward one call by name; waits for the start, and raises what building raised."""
        if method == "host_status":
            return await self.host_status()
        await self._settled.wait()
        if self._component is None:
            raise self._error or NotReady(f"{self.name} is starting")
        if method.startswith("_"):
            raise AttributeError(f"{method} is private to {self.name}")
        member = getattr(self._component, method)
        result = member(*args, **kwargs) if callable(member) else member
        return (
            await result
            if asyncio.iscoroutine(result) or isinstance(result, asyncio.Future)
            else result
        )

    async def stop(self) -> None:
        self._life.remove_done_callback(self._ended)
        self._life.cancel()
        await asyncio.gather(self._life, return_exceptions=True)
        if self._component is not None:
            await self._component.stop()

    async def host_status(self) -> dict[str, Any]:
        """{pid, began (ns), state, error or status}, as builtins; waits for the start."""
        await self._settled.wait()
        if self._component is None:
            return {
                "pid": os.getpid(),
                "began": self._began,
                "state": "failed",
                "error": f"{type(self._error).__name__}: {self._error}",
            }
        return {
            "pid": os.getpid(),
            "began": self._began,
            "state": "running",
            "status": self._component.status(),
        }

    async def _live(self) -> None:
        while self._component is None:
            try:
                component = self._build()
                await component.start()
                self._component = component
                self._error = None
            except TrochilError as error:
                log.warning("%s can't start: %s", self.name, error)
                self._error = error
            self._settled.set()
            if self._component is None:
                await asyncio.sleep(RETRY_AFTER)
        log.info("%s runs in process %d", self.name, os.getpid())
        await self._component.failed

    def _ended(self, life: "asyncio.Task[None]") -> None:
        if not life.cancelled():
            self._on_failure(life.exception() or RuntimeError(f"{self.name} ended by itself"))
