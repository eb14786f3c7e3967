"""A data source and a tracker in this process, on whatever venue the hosts lead to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from actors.books.data_source import OrderBookTrackerDataSource
from actors.books.order_book_tracker import OrderBookTracker
from actors.transport.rest import Rest
from exchanges.contract import Endpoints, Exchange
from exchanges.registry import get
from orderbook.errors import NotReady
from orderbook.reader import BookReader
from orderbook.shared import book_path

VENUE = get("binance")


class LocalPeers:
    """Calls between components of one process; raises NotReady for one that isn't there."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}

    async def call(self, actor: str, method: str, *args: Any, **kwargs: Any) -> Any:
        if actor not in self.components:
            raise NotReady(f"{actor} doesn't run")
        result = getattr(self.components[actor], method)(*args, **kwargs)
        return await result if asyncio.iscoroutine(result) else result


@dataclass
class Feed:
    """Both components, and how to end and begin each of them."""

    folder: str
    hosts: Endpoints
    pairs: list[str]
    session: aiohttp.ClientSession
    peers: LocalPeers
    exchange: Exchange

    @property
    def source(self) -> OrderBookTrackerDataSource:
        found: OrderBookTrackerDataSource = self.peers.components["source"]
        return found

    @property
    def tracker(self) -> OrderBookTracker:
        found: OrderBookTracker = self.peers.components["tracker"]
        return found

    async def begin_source(self, **options: Any) -> None:
        place = {"run_dir": self.folder, "name": "source", "pairs": self.pairs, "hosts": self.hosts}
        rest = Rest(self.exchange, self.session, self.hosts)
        self.peers.components["source"] = OrderBookTrackerDataSource(
            self.exchange, rest=rest, **place, **options
        )
        await self.source.start()

    async def begin_tracker(self, **options: Any) -> None:
        place = {"run_dir": self.folder, "name": "tracker", "data_source": "source"}
        self.peers.components["tracker"] = OrderBookTracker(
            self.exchange, peers=self.peers, **place, **options
        )
        await self.tracker.start()

    async def end(self, name: str) -> None:
        await self.peers.components.pop(name).stop()

    def reader(self, pair: str) -> BookReader:
        return BookReader(book_path(self.folder, self.exchange.name, pair))


@asynccontextmanager
async def feed(
    folder: Path, hosts: dict[str, str], pairs: list[str], **options: Any
) -> AsyncIterator[Feed]:
    """Both components running; ``options`` go to the data source.

    A failed background task fails the test.
    """
    async with aiohttp.ClientSession() as session:
        both = Feed(str(folder), Endpoints(**hosts), pairs, session, LocalPeers(), VENUE)
        await both.begin_source(**options)
        await both.begin_tracker()
        try:
            yield both
        finally:
            failed = [part.failed for part in both.peers.components.values() if part.failed.done()]
            for name in list(both.peers.components):
                await both.end(name)
            for future in failed:
                future.result()


async def until(condition: Callable[[], Any], within: float = 10.0, what: str = "") -> None:
    """Return as soon as ``condition()`` holds; fail past ``within`` seconds."""
    deadline = asyncio.get_running_loop().time() + within
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, (
            f"not within {within} s: {what or condition}"
        )
        await asyncio.sleep(0.01)
