"""Queues that follow a stream of messages by kind. A queue that is full loses its oldest: listening holds nobody up."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LONGEST = 10_000
"""Messages that an unbounded queue may hold before it loses its oldest too."""


class Listeners:
    """``tell`` every message; who is ``listening`` to its kind finds it in the queue."""

    def __init__(self) -> None:
        self._queues: dict[type, list[asyncio.Queue[Any]]] = {}
        self.lost = 0

    def __bool__(self) -> bool:
        return bool(self._queues)

    def tell(self, message: Any) -> None:
        for queue in self._queues.get(type(message), ()):
            if queue.full() or queue.qsize() >= LONGEST:
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
