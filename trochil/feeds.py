"""What a client is told by the deployment's channels: names of changed books, trades, diffs."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from actors.channel import Reset, Subscriber
from actors.component import Peers
from orderbook.active_orders import sides_of
from orderbook.errors import Lagged
from orderbook.messages import BookDiff, BookSnapshot, DataMessage, Trade
from trochil.views import Diff, EpochChange


class Changes:
    """Wakes whoever waits, when a book that is followed changed. Lives on the client's loop, wakes any thread."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._followed: dict[str, asyncio.Task[None]] = {}
        self._condition = threading.Condition()
        self._events: set[asyncio.Event] = set()
        self.changed: dict[tuple[str, str], None] = {}

    def follow(self, venue: str, tracker: str) -> None:
        """Begin to listen to a tracker, once. On the client's loop."""
        if tracker not in self._followed:
            self._followed[tracker] = asyncio.create_task(self._listen(venue, tracker), name=f"changes {tracker}")

    async def _listen(self, venue: str, tracker: str) -> None:
        subscriber = Subscriber(lambda: self._peers.call(tracker, "endpoint"), DataMessage, mode="changes")
        async for batch in subscriber.batches():
            pairs = [] if isinstance(batch[0], Reset) else [pair for names in batch for pair in names]
            with self._condition:
                self.changed.update(dict.fromkeys((venue, pair) for pair in pairs))
                self._condition.notify_all()
            for event in self._events:
                event.set()

    def wait_until(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        """Block this thread until ``condition`` holds; False on timeout."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not condition():
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            with self._condition:
                if condition():
                    return True
                # A wake-up between the look and the wait can't be lost: both happen under the condition.
                self._condition.wait(0.5 if left is None else min(left, 0.5))
        return True

    async def next_change(self) -> None:
        """Until anything that is followed changed."""
        event = asyncio.Event()
        self._events.add(event)
        try:
            await event.wait()
        finally:
            self._events.discard(event)

    async def close(self) -> None:
        for task in self._followed.values():
            task.cancel()
        await asyncio.gather(*self._followed.values(), return_exceptions=True)


async def read_trades(peers: Peers, tracker: str, pair: str) -> AsyncIterator[Trade]:
    """Every trade from now on. Raises Lagged when some were missed."""
    subscriber = Subscriber(lambda: peers.call(tracker, "endpoint"), DataMessage, topics=[pair], mode="stream")
    async for message in _messages(subscriber):
        if isinstance(message.message, Trade):
            yield message.message


async def read_diffs(peers: Peers, tracker: str, pair: str) -> AsyncIterator[Diff | EpochChange]:
    """Every applied change from now on; an epoch change is an item. Raises Lagged when some were missed."""
    subscriber = Subscriber(lambda: peers.call(tracker, "endpoint"), DataMessage, topics=[pair], mode="stream")
    epoch = -1
    async for envelope in _messages(subscriber):
        said = envelope.message
        if not isinstance(said, BookDiff | BookSnapshot):
            continue
        if envelope.epoch != epoch:
            epoch = envelope.epoch
            yield EpochChange(epoch)
        bids, asks = sides_of(said)
        whole = isinstance(said, BookSnapshot)
        yield Diff(epoch, envelope.sequence, said.update_id, bids, asks, said.time, snapshot=whole)


async def _messages(subscriber: Subscriber) -> AsyncIterator[Any]:
    async for batch in subscriber.batches():
        for item in batch:
            if isinstance(item, Reset):
                continue  # a new connection: the epoch, or the number of the next, tells what it means
            if isinstance(item.message, Reset):
                raise Lagged(item.message.missed)
            yield item
