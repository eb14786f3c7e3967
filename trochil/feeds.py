"""What a client is told by the deployment's channels: names of changed books, trades, diffs."""

import asyncio
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from actors.actor_roles import tracker_actor
from actors.channel import Reset, Subscriber
from actors.component import ActorCalls
from orderbook.active_orders import sides_of
from orderbook.errors import Lagged
from orderbook.messages import BookDiff, BookSnapshot, DataMessage, Trade
from trochil.records import Diff, EpochChange
from trochil.views import BookView


class Watch:
    """What changed since it was last asked, for one reader: names merge, nothing waits in a queue.
    Any thread."""

    def __init__(self, views: Iterable[BookView]) -> None:
        self._views = {(view.venue, view.trading_pair): view for view in views}
        self._seen = {view: view.reader.version for view in self._views.values()}
        self._named: dict[tuple[str, str], None] = dict.fromkeys(
            self._views
        )  # look at all of them once
        self._condition = threading.Condition()
        self._waiting: asyncio.Future[None] | None = None

    def tell(self, names: Iterable[tuple[str, str]] | None) -> None:
        """These may have changed; None: any. On the client's loop."""
        with self._condition:
            self._named.update(dict.fromkeys(self._views if names is None else names))
            self._condition.notify_all()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _changed(self) -> list[BookView]:
        with self._condition:
            named = self._named
            self._named = {}
        found = [view for name in named if (view := self._views.get(name)) is not None]
        changed = [view for view in found if view.reader.version != self._seen[view]]
        self._seen.update({view: view.reader.version for view in changed})
        return changed

    def __iter__(self) -> Iterator[BookView]:
        """Each book whenever it changed; blocks this thread in between."""
        while True:
            yield from self._changed()
            with self._condition:
                self._condition.wait_for(lambda: bool(self._named))

    async def __aiter__(self) -> AsyncIterator[BookView]:
        """The same on the client's loop."""
        while True:
            for view in self._changed():
                yield view
            if not self._named:
                self._waiting = asyncio.get_running_loop().create_future()
                await self._waiting


class Changes:
    """Wakes whoever waits, when a book that is followed changed. Lives on the client's loop, wakes
    any thread."""

    def __init__(self, peers: ActorCalls) -> None:
        self._peers = peers
        self._followed: dict[str, asyncio.Task[None]] = {}
        self._condition = threading.Condition()
        self._watches: weakref.WeakSet[Watch] = weakref.WeakSet()

    def follow(self, venue: str, tracker: str) -> None:
        """Begin to listen to a tracker, once. On the client's loop."""
        if tracker not in self._followed:
            self._followed[tracker] = asyncio.create_task(
                self._listen(venue, tracker), name=f"changes {tracker}"
            )

    def watch(self, views: Iterable[BookView]) -> Watch:
        """An iterable over what changes among ``views`` from now on, in any thread."""
        watch = Watch(views)
        self._watches.add(watch)
        return watch

    async def _listen(self, venue: str, tracker: str) -> None:
        where = tracker_actor(self._peers, tracker).endpoint
        subscriber = Subscriber(where, DataMessage, mode="notifications")
        async for batch in subscriber.batches():
            any_of_them = isinstance(batch[0], Reset)
            names = None if any_of_them else [(venue, pair) for pairs in batch for pair in pairs]
            for watch in list(self._watches):
                watch.tell(names)
            with self._condition:
                self._condition.notify_all()

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
                # A wake-up between the look and the wait can't be lost: both happen under the
                # condition.
                self._condition.wait(0.5 if left is None else min(left, 0.5))
        return True

    async def close(self) -> None:
        for task in self._followed.values():
            task.cancel()
        await asyncio.gather(*self._followed.values(), return_exceptions=True)


async def read_trades(peers: ActorCalls, tracker: str, pair: str) -> AsyncIterator[Trade]:
    """Every trade from now on. Raises Lagged when some were missed."""
    where = tracker_actor(peers, tracker).endpoint
    subscriber = Subscriber(where, DataMessage, topics=[pair], mode="stream")
    async for message in _messages(subscriber):
        if isinstance(message.message, Trade):
            yield message.message


async def read_diffs(
    peers: ActorCalls, tracker: str, pair: str
) -> AsyncIterator[Diff | EpochChange]:
    """Every applied change from now on; an epoch change is an item. Raises Lagged when some were
    missed."""
    where = tracker_actor(peers, tracker).endpoint
    subscriber = Subscriber(where, DataMessage, topics=[pair], mode="stream")
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
                # a new connection: the epoch, or the number of the next, tells what it means
                continue
            if isinstance(item.message, Reset):
                raise Lagged(item.message.missed)
            yield item
