"""Queues that receive a stream of messages by type.

A full queue drops its oldest message: a slow listener never delays the stream.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MAX_QUEUED = 10_000
"""Messages that an unbounded queue may hold before it drops its oldest too."""


class Listeners:
    """Delivers each published message to the queues that listen to its type."""

    def __init__(self) -> None:
        self._queues: dict[type, list[asyncio.Queue[Any]]] = {}
        self.lost = 0

    def __bool__(self) -> bool:
        return bool(self._queues)

    def publish(self, message: Any) -> None:
        for queue in self._queues.get(type(message), ()):
            if queue.full() or queue.qsize() >= MAX_QUEUED:
                queue.get_nowait()
                self.lost += 1
            queue.put_nowait(message)

    @contextmanager
    def listening(self, kinds: tuple[type, ...], output: "asyncio.Queue[Any]") -> Iterator[None]:
        for kind in kinds:
            self._queues.setdefault(kind, []).append(output)
        try:
            yield
        finally:
            for kind in kinds:
                self._queues[kind].remove(output)
                if not self._queues[kind]:
                    del self._queues[kind]
