"""What a client is told by the deployment's channels: names of changed books, trades, diffs."""

import asyncio
import contextlib
import threading
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any

import msgspec

from actors.actor_roles import tracker_actor
from actors.channel import ChannelAddress, Kind, Reset, Subscriber
from actors.component import ActorCalls
from orderbook.errors import BadPair, TrochilError
from orderbook.messages import BookMessage, Trade, Untracked
from trochil.following import BookFollower
from trochil.records import Break, Diff, EpochChange, StateChange
from trochil.views import BookView

FIND_TRACKERS_EVERY = 2.0
"""Seconds between two looks which trackers there are, while anybody watches."""
Locate = Callable[[], Awaitable[ChannelAddress]]
ListTrackers = Callable[[], Awaitable[list[tuple[str, str]]]]


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

    def look_for_new_writers(self) -> None:
        """A tracker came or went: its books may be in other files now."""
        for view in self._views.values():
            view.reader.follow()

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

    def __init__(self, peers: ActorCalls, list_trackers: ListTrackers) -> None:
        """``list_trackers``: (venue, actor's name) of every tracker, as of now."""
        self._peers = peers
        self._list_trackers = list_trackers
        self._finding: asyncio.Task[None] | None = None
        self._followed: dict[str, asyncio.Task[None]] = {}
        self._condition = threading.Condition()
        self._watches: weakref.WeakSet[Watch] = weakref.WeakSet()

    def follow(self, venue: str, tracker: str) -> None:
        """Begin to listen to a tracker, once. On the client's loop."""
        if tracker not in self._followed:
            self._followed[tracker] = asyncio.create_task(
                self._listen(venue, tracker), name=f"changes {tracker}"
            )
        if self._finding is None:
            self._finding = asyncio.create_task(self._find_trackers(), name="find trackers")

    async def _find_trackers(self) -> None:
        """A pair that was removed and added may be with another tracker."""
        while True:
            await asyncio.sleep(FIND_TRACKERS_EVERY)
            if not self._watches:
                continue
            # While the supervisor doesn't answer, those that are known stay.
            with contextlib.suppress(TrochilError):
                for venue, tracker in await self._list_trackers():
                    self.follow(venue, tracker)

    def watch(self, views: Iterable[BookView]) -> Watch:
        """An iterable over what changes among ``views`` from now on, in any thread."""
        watch = Watch(views)
        self._watches.add(watch)
        return watch

    async def _listen(self, venue: str, tracker: str) -> None:
        where = tracker_actor(self._peers, tracker).endpoint
        subscriber = Subscriber(where, BookMessage, mode="notifications")
        async for batch in subscriber.batches():
            any_of_them = isinstance(batch[0], Reset)
            names = None if any_of_them else [(venue, pair) for pairs in batch for pair in pairs]
            for watch in list(self._watches):
                if any_of_them:
                    watch.look_for_new_writers()
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
        tasks = list(self._followed.values())
        tasks += [] if self._finding is None else [self._finding]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_trades(
    peers: ActorCalls, tracker: str | Locate, pair: str
) -> AsyncIterator[Trade | Break]:
    """Every trade from now on; a Break where some may be missing.

    ``tracker``: the actor's name, or what finds the tracker's channel, asked again after each loss
    of it. Raises BadPair when the pair is not tracked any more.
    """
    subscriber = _subscriber(peers, tracker, pair, "trades")
    async for item in _items(subscriber):
        if isinstance(item, Break):
            yield item
        elif isinstance(item.message, Untracked):
            subscriber.disconnect()
        elif isinstance(item.message, Trade):
            yield msgspec.structs.replace(item.message, receive_time=item.time)


async def read_diffs(
    peers: ActorCalls, tracker: str | Locate, pair: str
) -> AsyncIterator[Diff | StateChange | EpochChange | Break]:
    """Every change from now on, beginning with an image; a Break where some may be missing, and
    another image after it. As ``read_trades`` otherwise."""
    subscriber = _subscriber(peers, tracker, pair, "book")
    follower = BookFollower()
    async for item in _items(subscriber):
        if isinstance(item, Break):
            follower.lose()
            yield item
        elif isinstance(item.message, Untracked):
            subscriber.disconnect()
        else:
            for change in follower.take(item):
                yield change


def _subscriber(peers: ActorCalls, tracker: str | Locate, pair: str, kind: Kind) -> Subscriber:
    """Of one kind of messages of a pair; it ends when the pair is not tracked any more."""
    locate = tracker_actor(peers, tracker).endpoint if isinstance(tracker, str) else tracker
    return Subscriber(
        locate, BookMessage, topics=[pair], mode="stream", kinds=[kind], fatal=(BadPair,)
    )


async def _items(subscriber: Subscriber) -> AsyncIterator[Any]:
    """Envelopes, and Breaks between them."""
    async for batch in subscriber.batches():
        for item in batch:
            if isinstance(item, Reset):
                if not item.connected:
                    yield Break(item.reason)
            elif isinstance(item.message, Reset):
                yield Break(item.message.reason, item.message.missed)
            else:
                yield item
