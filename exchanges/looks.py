"""A look at a book by REST, to learn whether its market moved while its channel was silent."""

from typing import Any, NamedTuple

import msgspec

from orderbook.messages import LevelNames

LEVELS = 5
"""Best levels a side that are compared."""


class BookLook(NamedTuple):
    """What REST shows of a book."""

    number: int
    """Of its last change, where REST counts like the stream; else 0."""
    best: str
    """The best levels; two looks are equal where nothing changed in them."""


def look_of(bids: bytes, asks: bytes, names: LevelNames | None = None) -> BookLook:
    """Out of the levels of an answer, best first: rows that begin with price and size, or objects
    with ``names``. Raises msgspec.DecodeError and LookupError."""
    price, size = names or (0, 1)
    sides: list[list[Any]] = [msgspec.json.decode(side) for side in (bids, asks)]
    best = [[(str(row[price]), str(row[size])) for row in side[:LEVELS]] for side in sides]
    return BookLook(0, str(best))
