"""The client for driver scripts and notebooks: sync, also inside a running loop, over a loop of
its own."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, Self, TypeVar

import pandas as pd
import pyarrow as pa

from exchanges.orders import TradingRule
from orderbook.errors import NotReady
from orderbook.messages import Trade
from trochil.aio import AsyncClient, connect_async
from trochil.commands.status import Status
from trochil.market_handle import MarketHandle
from trochil.records import Best, Break
from trochil.views import BookView

T = TypeVar("T")


CLOSED = "the client is closed"
TASKS_END_WITHIN_S = 5.0
"""How long what is cancelled at the client's end may take."""


class LoopThread:
    """An event loop in a thread of its own, so that sync calls work anywhere."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="trochil client", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``; a Ctrl-C while waiting cancels it. Raises NotReady once the
        client is closed, also where it is closed meanwhile."""
        with self._lock:
            if self._is_stopping:
                work.close()
                raise NotReady(CLOSED)
            future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise
        except concurrent.futures.CancelledError:
            if not self._is_stopping:
                raise
            raise NotReady(CLOSED) from None

    def iterate(self, source: AsyncIterator[T]) -> Iterator[T]:
        """An async iterator as a sync one."""

        async def step() -> T:
            return await anext(source)

        try:
            while True:
                try:
                    yield self.run(step())
                except StopAsyncIteration:
                    return
        finally:
            close = getattr(source, "aclose", None)
            if close is not None:
                with contextlib.suppress(NotReady):  # the client's end has closed it
                    self.run(close())

    def stop(self) -> None:
        """End what still runs on the loop, and the thread."""
        with self._lock:
            if self._is_stopping:
                return
            self._is_stopping = True
            ended = asyncio.run_coroutine_threadsafe(self._end_tasks(), self.loop)
        ended.result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks(self.loop) - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=TASKS_END_WITHIN_S)
        await self.loop.shutdown_asyncgens()


def connect(
    *venues: str,
    pairs: Any = (),
    address: str | None = None,
    accounts: dict[str, str] | None = None,
    config: Any = None,
    testnet: bool = False,
) -> "Client":
    """Join a running deployment, else start one on local Ray (``address="inline"``: in this
    process, without Ray).

    pairs: names, or "top:300:USDT" by volume. accounts: {"venue": "env:NAME" or
    "file:PATH#section"}, references, never keys. config: a dict, or a YAML or TOML file. Raises
    ConfigError, BadPair, AuthenticationError, NotReady.
    """
    thread = LoopThread()
    options = {
        "pairs": pairs,
        "address": address,
        "accounts": accounts,
        "config": config,
        "testnet": testnet,
    }
    try:
        inner = thread.run(connect_async(*venues, **options))
    except BaseException:
        thread.stop()
        raise
    return Client(inner, thread)


class Client:
    """A deployment from the outside. ``close`` leaves detached actors running, ``shutdown``
    stops them."""

    def __init__(self, inner: AsyncClient, thread: LoopThread) -> None:
        self._async = inner
        self._thread = thread
        inner._iterate = thread.iterate

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave detached actors running; an inline deployment, or a Ray started here, ends."""
        if not self._thread.loop.is_closed():
            self._thread.run(self._async.close())
            self._thread.stop()

    def shutdown(self) -> None:
        """Stop every actor of the deployment. Orders stay as they are: cancel first what shall
        not live on."""
        if not self._thread.loop.is_closed():
            self._thread.run(self._async.shutdown())
            self._thread.stop()

    def book(self, venue: str, pair: str, *, timeout: float = 30.0) -> BookView:
        """The book, once it is LIVE. Raises ConfigError, BadPair, and NotReady that says what it
        waits for."""
        return self._thread.run(self._async.book(venue, pair, timeout=timeout))

    def books(self, venue: str = "*", pair: str = "*") -> list[BookView]:
        """Every tracked book whose venue and pair match (shell patterns), LIVE or not."""
        return self._thread.run(self._async.books(venue, pair))

    def tops(self) -> pa.Table:
        """One row a book, read in place: venue, pair, state, bid, bid_size, ask, ask_size, mid,
        age (s)."""
        self._begin_catalogue()
        return self._async._catalogue.tops()

    def best(self, pair: str) -> Best:
        """Best bid and offer over all venues whose book of ``pair`` is LIVE. Raises NotReady
        when none is."""
        try:
            return self._async._catalogue.best(pair)
        except NotReady:
            return self._thread.run(self._async.best(pair))

    def _begin_catalogue(self) -> None:
        """From then on questions over many books are answered in the caller's thread, out of
        memory."""
        if not self._async._catalogue.is_known:
            self._thread.run(self._async._catalogue.begin())

    def changes(self, *books: BookView) -> Iterator[BookView]:
        """The book that changed, each time one of ``books`` (none: all) did; latest wins; idles
        without spinning."""
        return iter(self._async._changes.watch(books or self.books()))

    def trades(self, venue: str, pair: str) -> Iterator[Trade | Break]:
        """Every trade from now on; a Break where some may be missing."""
        return self._thread.iterate(self._async.trades(venue, pair))

    def market(self, venue: str, *, account: str = "default") -> MarketHandle:
        """Orders of one account. Raises ConfigError when the deployment has no such account."""
        handle = self._thread.run(self._async.market(venue, account=account))
        return MarketHandle(handle, self._thread.run, self._thread.iterate)

    def check_keys(self, venue: str, *, account: str = "default") -> dict[str, tuple[str, str]]:
        """One harmless signed request on the node that signs: asset -> (total, available)."""
        return self._thread.run(self._async.check_keys(venue, account=account))

    def markets(self, venue: str) -> pd.DataFrame:
        """get_active_exchange_markets: one row a pair, columns baseAsset, quoteAsset, volume,
        USDVolume."""
        return self._thread.run(self._async.markets(venue))

    def rules(self, venue: str) -> dict[str, TradingRule]:
        """What the venue accepts, by pair: steps, minimum and maximum, whether it trades."""
        return self._thread.run(self._async.rules(venue))

    def add_pairs(self, venue: str, *pairs: str) -> None:
        """Track more pairs. Raises BadPair for one that the venue doesn't trade; then none of it
        stays."""
        self._thread.run(self._async.add_pairs(venue, *pairs))

    def remove_pairs(self, venue: str, *pairs: str) -> None:
        self._thread.run(self._async.remove_pairs(venue, *pairs))

    def pair_status(self, venue: str, pair: str) -> dict[str, dict[str, Any]]:
        """What the data source and the tracker of a pair say of themselves, asked in this order."""
        return self._thread.run(self._async.pair_status(venue, pair))

    def status(self) -> Status:
        """Actors, books, gaps, budgets; prints as a table."""
        return self._thread.run(self._async.status())

    def bad_frames(self) -> dict[str, list[bytes]]:
        """What venues sent and adapters could not read, by the name of the actor that got it.

        Of each connection and each REST client the last 16 texts, each cut at 4096 bytes. Actors
        with none, and those that don't run, are left out.
        """
        return self._thread.run(self._async.bad_frames())

    def halt(self, cancel: bool = True) -> None:
        """Refuse new orders on every market; cancel the open ones."""
        self._thread.run(self._async.halt(cancel))

    def resume(self) -> None:
        self._thread.run(self._async.resume())
