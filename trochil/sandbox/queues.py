"""What book channels tell that carry checksums: the best levels, or every order on them, whole and as changes."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import product
from typing import ClassVar, NamedTuple

from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import Wire
from trochil.sandbox.facts import iso, text
from trochil.sandbox.market.accounts import ZERO
from trochil.sandbox.market.matching import Book, Side
from trochil.sandbox.market.venue import Venue
from trochil.sandbox.server import Server
from trochil.sandbox.windows import Levels

SIDES = ("buy", "sell")


class Told(NamedTuple):
    """A level or an order. ``event``: add, modify or delete; empty in a whole window. ``id`` of a level: its price."""

    event: str
    id: str
    price: Decimal
    size: Decimal


Shown = dict[str, tuple[Decimal, Decimal]]
"""id -> price, size; best price first, orders in queue order."""


class Queues:
    """Windows by pair and depth (price levels a side), each as of its last frame. Sides: bids, asks."""

    def __init__(self, venue: Venue, row: str, by_order: bool = False) -> None:
        """``row``: how one is written, a template of price, size, id and event."""
        self._venue, self._row, self._by_order = venue, row, by_order
        self._shown: dict[tuple[str, int], list[Shown]] = {}

    def whole(self, pair: str, depth: int) -> list[list[Told]]:
        if (pair, depth) not in self._shown:
            self._shown[pair, depth] = self._now(pair, depth)
        return [
            [Told("", name, *shown) for name, shown in side.items()]
            for side in self._shown[pair, depth]
        ]

    def change(self, pair: str, depth: int) -> list[list[Told]]:
        """What a client must do to the last window; it forgets by itself what was pushed out."""
        before, self._shown[pair, depth] = self._shown[pair, depth], self._now(pair, depth)
        standing, sides = self._now(pair, None), (before, self._shown[pair, depth])
        return [[*_changes(*side)] for side in zip(standing, *sides, strict=True)]

    def best(self, pair: str, depth: int, levels: int) -> list[list[Told]]:
        """What stands on the best ``levels`` of a window."""
        sides = self.whole(pair, depth)
        prices = [list(dict.fromkeys(told.price for told in side))[:levels] for side in sides]
        return [
            [told for told in side if told.price in best]
            for side, best in zip(sides, prices, strict=True)
        ]

    def written(self, pair: str, depth: int, checked: int, changes: bool) -> tuple[str, str, int]:
        """Bids and asks as JSON, all or what has changed, and the checksum of the best ``checked`` levels."""
        sides = self.change(pair, depth) if changes else self.whole(pair, depth)
        bids, asks = (
            ",".join(self._row.format(**self._texts(pair, told)) for told in side) for side in sides
        )
        best = [
            self._texts(pair, told)
            for side in self.best(pair, depth, checked)[::-1]
            for told in side
        ]
        return (
            bids,
            asks,
            crc32_of_digits(texts[name] for texts in best for name in ("price", "size")),
        )

    def _texts(self, pair: str, told: Told) -> dict[str, str]:
        """Levels have as many digits as the pair's steps, orders as many as they need."""
        symbol, event = self._venue.symbols[pair], f'"event":"{told.event}",' if told.event else ""
        if self._by_order:
            return {
                "event": event,
                "id": told.id,
                "price": text(told.price),
                "size": text(told.size),
            }
        price, size = told.price.quantize(symbol.price_tick), told.size.quantize(symbol.size_step)
        return {"price": str(price), "size": str(size)}

    def forget(self, pair: str, depth: int) -> None:
        """Nobody follows that channel: its next window is the book of then."""
        self._shown.pop((pair, depth), None)

    def _now(self, pair: str, depth: int | None) -> list[Shown]:
        return [dict(self._standing(self._venue.books[pair], side, depth)) for side in SIDES]

    def _standing(
        self, book: Book, side: Side, depth: int | None
    ) -> Iterator[tuple[str, tuple[Decimal, Decimal]]]:
        for price, total in book.levels(side)[:depth]:
            if self._by_order:
                yield from (
                    (str(order.id), (price, order.left)) for order in book.sides[side][price].orders
                )
            else:
                yield str(price), (price, total)


def _changes(standing: Shown, old: Shown, new: Shown) -> Iterator[Told]:
    for name, (price, _) in old.items():
        if name not in standing:
            yield Told("delete", name, price, ZERO)
    for name, shown in new.items():
        if old.get(name) != shown:
            yield Told("modify" if name in old else "add", name, *shown)


class Checked(Wire):
    """Books of levels and of orders, each frame with the checksum of the best. Topics: ``channel:symbol:depth``."""

    asked_depth = 0
    checked: ClassVar[int] = 10
    """Levels a side that the checksum is of."""
    channels: ClassVar[Mapping[str, tuple[str, bool]]] = {}
    """Channel -> how a row is written (see ``Queues``), and whether rows are orders."""
    frame: ClassVar[str] = ""
    """How a frame is written: a template of channel, type (snapshot, update), symbol, bids, asks, checksum, time."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._books = {channel: Queues(self.venue, *how) for channel, how in self.channels.items()}

    def on_depth(self, pair: str, first: int, last: int, bids: Levels, asks: Levels) -> None:
        self.forget(pair)
        for channel, depth in product(self._books, self.depths):
            topic = f"{channel}:{self.symbol(pair)}:{depth}"
            if self.anyone_follows(topic):
                self.publish(topic, self._written(channel, pair, depth, "update"))
            else:
                self._books[channel].forget(pair, depth)

    def follow(self, connection: Connection, topic: str, on: bool = True) -> None:
        super().follow(connection, topic, on)
        channel, *names = topic.split(":")
        if on and channel in self._books:
            self.tell(connection, self._written(channel, self.pair(names[0]), int(names[1])))

    def _written(
        self, channel: str, pair: str, depth: int, type: str = "snapshot"
    ) -> Callable[[int], str]:
        bids, asks, checksum = self._books[channel].written(
            pair, depth, self.checked, changes=type == "update"
        )
        checksum ^= type == "update" and self.server.faults.hits("bad_checksum")
        facts = {
            "channel": channel,
            "type": type,
            "symbol": self.symbol(pair),
            "checksum": checksum,
        }
        return lambda now: self.frame.format(**facts, bids=bids, asks=asks, time=iso(now))


def crc32_of_digits(numbers: Iterable[str]) -> int:
    """CRC32 of numbers without their points and leading zeros."""
    return zlib.crc32("".join(number.replace(".", "").lstrip("0") for number in numbers).encode())
