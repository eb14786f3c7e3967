"""Level texts and packed levels as numbers: one reader of each form, whoever asks.

The kernels read most texts by themselves. What they leave to Python is read here, by the same
scanner: no text is refused by one and accepted by the other.
"""

import re
from functools import cache

import numpy as np
import numpy.typing as npt

from orderbook.messages import BookDiff, BookSnapshot, Layout, LevelNames
from orderbook.scanner import BID, scan, scan_named, valid

Floats = npt.NDArray[np.float64]
NUMBER = re.compile(rb"(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def sides_of(message: BookSnapshot | BookDiff) -> tuple[Floats, Floats]:
    """The levels of a message as two (n, 2) float64 arrays, whatever its layout.

    Raises ValueError for levels that a book refuses.
    """
    if message.layout is Layout.PACKED:
        bids, asks = unpack(message.bids), unpack(message.asks)
    else:
        is_sided = message.layout is Layout.SIDED
        bids = read_rows(message.bids, is_sided, message.names)
        asks = read_rows(message.asks, False, message.names)
        is_bid = bids[:, 0] == BID
        asks = np.concatenate([bids[~is_bid], asks])
        bids = bids[is_bid]
    check(bids)
    check(asks)
    return bids[:, 1:].copy(), asks[:, 1:].copy()


def check(rows: Floats) -> None:
    """Raises ValueError for a row (side, price, size) that no book has."""
    if not valid(rows, len(rows)):
        raise ValueError("prices must be positive and finite, sizes finite and not negative")


def unpack(data: bytes) -> Floats:
    """(n, 3): side (BID), price, size. Raises ValueError where pairs are not whole."""
    if len(data) % 16:
        raise ValueError("packed levels must be pairs of float64")
    pairs = np.frombuffer(data, np.float64).reshape(-1, 2)
    rows = np.full((len(pairs), 3), BID)
    rows[:, 1:] = pairs
    return rows


def read_rows(text: bytes, is_sided: bool, names: LevelNames | None) -> Floats:
    """The rows (n, 3: side, price, size) of a text. Numbers are not checked.

    Raises ValueError for a malformed text.
    """
    room = np.empty((text.count(b"[") + text.count(b"{"), 3))
    names_read = () if names is None else encoded(names)
    count = scan_named(text, *names_read, room) if names_read else scan(text, is_sided, room)
    if count < 0:
        raise ValueError(f"malformed levels: {text[:80]!r}")
    rows = room[:count]
    for row, column in np.argwhere(rows[:, 1:] < 0.0).tolist():
        number = NUMBER.match(text, int(-1.0 - rows[row, 1 + column]))
        assert number is not None
        rows[row, 1 + column] = float(number[0])
    return rows


@cache
def encoded(names: LevelNames) -> tuple[bytes, bytes]:
    """As the kernels take them."""
    return names.price.encode(), names.size.encode()
