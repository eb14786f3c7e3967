"""The tracked books, refreshed in the background: queries over many books only read memory."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pyarrow as pa

from exchanges.rules import parse_pair
from orderbook.errors import NotReady, StaleBook, TrochilError
from orderbook.messages import BookState
from orderbook.tops import Tops
from trochil.records import Best
from trochil.views import BookView

REFRESH_EVERY = 1.0
"""Seconds between two refreshes, which find books that other clients began to track."""
STATES = pa.array([state.name for state in BookState])
COLUMNS = ("venue", "pair", "state", "bid", "bid_size", "ask", "ask_size", "mid", "age")


class _Books(NamedTuple):
    """The tracked books as of one refresh. It is replaced as a whole: other threads read it."""

    views: list[BookView]
    by_pair: dict[str, list[BookView]]
    venues: pa.Array
    pairs: pa.Array
    tops: Tops


def _books_of(views: list[BookView]) -> _Books:
    by_pair: dict[str, list[BookView]] = {}
    for view in views:
        by_pair.setdefault(view.trading_pair, []).append(view)
    return _Books(
        views,
        by_pair,
        pa.array([view.venue for view in views], pa.string()),
        pa.array([view.trading_pair for view in views], pa.string()),
        Tops([view.reader for view in views]),
    )


class Catalogue:
    """Best prices over all tracked books.

    ``best`` and ``tops`` may be called from any thread, once ``begin`` ran on the client's loop.
    """

    def __init__(self, list_books: Callable[[], Awaitable[list[BookView]]]) -> None:
        """``list_books``: every tracked book, as of now."""
        self._list_books = list_books
        self._books = _books_of([])
        self._beginning = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_known(self) -> bool:
        return self._task is not None

    async def begin(self) -> None:
        """Refresh once, then periodically."""
        async with self._beginning:
            if self._task is None:
                await self.refresh()
                self._task = asyncio.create_task(self._keep_fresh(), name="catalogue")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def refresh(self) -> None:
        views = await self._list_books()
        if views != self._books.views:
            self._books = _books_of(views)

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_EVERY)
            # While the supervisor doesn't answer, the last books stay.
            with contextlib.suppress(TrochilError):
                await self.refresh()

    def best(self, pair: str) -> Best:
        """Best bid and offer over the LIVE books of a pair. Raises NotReady if there is none."""
        bid = 0.0
        ask = float("inf")
        bid_size = 0.0
        ask_size = 0.0
        bid_venue = ""
        ask_venue = ""
        by_pair = self._books.by_pair
        for view in by_pair.get(pair) or by_pair.get(parse_pair(pair)) or ():
            try:
                top = view.top()
            except (NotReady, StaleBook):
                continue
            if top.bid > bid:
                bid = top.bid
                bid_size = top.bid_size
                bid_venue = view.venue
            if top.ask < ask:
                ask = top.ask
                ask_size = top.ask_size
                ask_venue = view.venue
        if not (bid_venue and ask_venue):
            raise NotReady(f"no live book of {pair}")
        return Best(bid, bid_size, bid_venue, ask, ask_size, ask_venue)

    def tops(self) -> pa.Table:
        """One row per book."""
        books = self._books
        rows = books.tops.read()
        bid, bid_size, ask, ask_size, age = rows.numbers.T
        numbers = (bid, bid_size, ask, ask_size, (bid + ask) / 2, age)
        states = pa.DictionaryArray.from_arrays(pa.array(rows.states), STATES)
        return pa.table(
            [books.venues, books.pairs, states, *(pa.array(column) for column in numbers)],
            names=list(COLUMNS),
        )
