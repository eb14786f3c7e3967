"""UserStreamTracker: numbers one account's events, keeps the last, and serves them to its
market."""

import asyncio
from collections import deque
from typing import Any

from actors.actor_roles import user_stream_actor
from actors.channel import ChannelAddress, Publisher, Reset, Subscriber
from actors.component import ActorCalls, Tasks
from actors.node_paths import socket_path
from actors.orders.user_stream import TOPIC
from exchanges.contract import Exchange
from exchanges.orders import UserMessage, UserStreamState

KEPT = 10_000
"""Events kept for whoever looks back; the oldest go first."""


class UserStreamTracker:
    """The tutorial's tracker. ``user_stream``: a queue of everything that came since start
    (bounded, oldest lost)."""

    def __init__(
        self, exchange: Exchange, *, peers: ActorCalls, data_source: str, run_dir: str, name: str
    ) -> None:
        self._exchange = exchange
        self.data_source = data_source
        self.tasks = Tasks()
        self.failed = self.tasks.failed
        self._subscriber = Subscriber(user_stream_actor(peers, data_source).endpoint, UserMessage)
        self._publisher = Publisher(socket_path(run_dir, name))
        self._publisher.greet_with(lambda: [(TOPIC, self._state)])
        self._state = UserStreamState(False, 0, "starting")
        self._kept: deque[tuple[int, Any]] = deque(maxlen=KEPT)
        self._number = 0
        self.user_stream: asyncio.Queue[Any] = asyncio.Queue(KEPT)

    async def start(self) -> None:
        await self._publisher.start()
        self.tasks.spawn("follow", self._follow())

    async def stop(self) -> None:
        await self.tasks.stop()
        await self._publisher.close()

    async def endpoint(self) -> ChannelAddress:
        return self._publisher.endpoint()

    def status(self) -> dict[str, Any]:
        return {
            "connected": self._state.connected,
            "reason": self._state.reason,
            "events": self._number,
        }

    def events_since(self, number: int) -> list[tuple[int, Any]]:
        """Kept events above ``number``, each with its own number."""
        return [(n, message) for n, message in self._kept if n > number]

    async def _follow(self) -> None:
        async for batch in self._subscriber.batches():
            if isinstance(batch[0], Reset):
                self._take(UserStreamState(False, self._state.epoch, batch[0].reason))
                continue
            for envelope in batch:
                self._take(envelope.message)

    def _take(self, message: Any) -> None:
        if isinstance(message, UserStreamState):
            self._state = message
        self._number += 1
        self._kept.append((self._number, message))
        if self.user_stream.full():
            self.user_stream.get_nowait()
        self.user_stream.put_nowait(message)
        self._publisher.publish(TOPIC, message, epoch=self._state.epoch, sequence=self._number)
