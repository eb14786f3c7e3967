"""Windows of books whose frames carry a checksum: of price levels, or of every order on them.

A client that follows such a book drops by itself what is pushed out of its window, and proves by
the checksum that it has done so.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal

from trochil.sandbox.formats import decimal_text
from trochil.sandbox.market.accounts import ZERO
from trochil.sandbox.market.matching import Book
from trochil.sandbox.market.venue import Symbol, Venue

CHECKSUM_LEVELS = 10
"""Price levels a side that the checksum is of."""


@dataclass(frozen=True, slots=True)
class BookEntry:
    """A level or an order, its numbers as they are written: the checksum is of their digits."""

    id: str
    """Of a level: its price."""
    price: str
    size: str
    event: str = ""
    """add, modify or delete; empty in a whole window."""
    time: int = field(default=0, compare=False)
    """ns: when an order last changed; 0 of a level."""


@dataclass(frozen=True, slots=True)
class ChecksumWindow:
    """A whole window, or what changed in one; best first, orders of a level as they queue."""

    pair: str
    bids: list[BookEntry]
    asks: list[BookEntry]
    checksum: int
    """Of the whole window, also where this is a change."""
    is_snapshot: bool


Entries = dict[str, BookEntry]
"""By id."""


class LevelWindows:
    """The windows of every pair and depth (price levels a side), each as of its last frame."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._shown: dict[tuple[str, int], tuple[Entries, Entries]] = {}

    def snapshot(self, pair: str, depth: int) -> ChecksumWindow:
        if (pair, depth) not in self._shown:
            self._shown[pair, depth] = self._current(pair, depth)
        bids, asks = self._shown[pair, depth]
        return ChecksumWindow(
            pair=pair,
            bids=list(bids.values()),
            asks=list(asks.values()),
            checksum=checksum_of(bids, asks),
            is_snapshot=True,
        )

    def update(self, pair: str, depth: int) -> ChecksumWindow:
        """What turns the window of the last frame into the one of now."""
        old_bids, old_asks = self._shown.get((pair, depth), ({}, {}))
        bids, asks = self._shown[pair, depth] = self._current(pair, depth)
        standing_bids, standing_asks = self._current(pair, None)
        return ChecksumWindow(
            pair=pair,
            bids=list(self._changes(pair, old_bids, bids, standing_bids)),
            asks=list(self._changes(pair, old_asks, asks, standing_asks)),
            checksum=checksum_of(bids, asks),
            is_snapshot=False,
        )

    def forget(self, pair: str, depth: int) -> None:
        """Nobody follows that channel: its next window is the book of then."""
        self._shown.pop((pair, depth), None)

    def _current(self, pair: str, depth: int | None) -> tuple[Entries, Entries]:
        """``depth`` None: the whole book."""
        book = self._venue.books[pair]
        symbol = self._venue.symbols[pair]
        bids = {entry.id: entry for entry in self._entries(book, symbol, "buy", depth)}
        asks = {entry.id: entry for entry in self._entries(book, symbol, "sell", depth)}
        return bids, asks

    def _changes(
        self, pair: str, before: Entries, now: Entries, standing: Entries
    ) -> Iterator[BookEntry]:
        no_size = self._size_text(self._venue.symbols[pair], ZERO)
        for name, entry in before.items():
            if name not in standing:
                yield replace(entry, size=no_size, event="delete")
        for name, entry in now.items():
            if before.get(name) != entry:
                yield replace(entry, event="modify" if name in before else "add")

    def _entries(
        self, book: Book, symbol: Symbol, side: str, depth: int | None
    ) -> Iterator[BookEntry]:
        for price, total in book.levels(side)[:depth]:
            price_text = str(price.quantize(symbol.price_tick))
            yield BookEntry(price_text, price_text, self._size_text(symbol, total))

    def _size_text(self, symbol: Symbol, size: Decimal) -> str:
        """A level's numbers have as many digits as the pair's steps."""
        return str(size.quantize(symbol.size_step))


class OrderWindows(LevelWindows):
    """The same of every order on these levels."""

    def _entries(
        self, book: Book, symbol: Symbol, side: str, depth: int | None
    ) -> Iterator[BookEntry]:
        for price, _ in book.levels(side)[:depth]:
            price_text = decimal_text(price)
            for order in book.sides[side][price].orders:
                size_text = self._size_text(symbol, order.left)
                yield BookEntry(str(order.id), price_text, size_text, time=order.updated)

    def _size_text(self, symbol: Symbol, size: Decimal) -> str:
        """An order's numbers have as many digits as they need."""
        return decimal_text(size)


def checksum_of(bids: Entries, asks: Entries) -> int:
    """CRC32 of the best levels' prices and sizes, the asks first."""
    numbers = [
        number
        for side in (asks, bids)
        for entry in best_entries(side)
        for number in (entry.price, entry.size)
    ]
    return crc32_of_digits(numbers)


def best_entries(side: Entries) -> list[BookEntry]:
    """What stands on the best levels."""
    prices = list(dict.fromkeys(entry.price for entry in side.values()))
    best = set(prices[:CHECKSUM_LEVELS])
    return [entry for entry in side.values() if entry.price in best]


def crc32_of_digits(numbers: Iterable[str]) -> int:
    """CRC32 of numbers without their points and leading zeros."""
    return zlib.crc32("".join(number.replace(".", "").lstrip("0") for number in numbers).encode())
