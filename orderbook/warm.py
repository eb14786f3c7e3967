"""Compiling the kernels, once a node, before actors start: no book may wait for a compiler."""

import numpy as np

from orderbook import kernels
from orderbook.book import OrderBook
from orderbook.level_texts import sides_of
from orderbook.messages import BookDiff, BookSnapshot, BookState, Layout, LevelNames
from orderbook.tops import Tops


def warm() -> None:
    """Every kernel is compiled, or loaded from its cache, when this returns."""
    book = OrderBook(64)
    book.apply_snapshot(BookSnapshot("A", b'[["1","1"]]', b'[["2","1"]]', 1))
    book.apply_diff(BookDiff("A", b'[["buy","1","2"]]', b"", 2, 2, layout=Layout.SIDED))
    packed = np.ones((1, 2)).tobytes()
    book.apply_diff(BookDiff("A", packed, b"", 3, 3, layout=Layout.PACKED))
    named = b'[{"price":1,"size":1}]'
    diff = BookDiff("A", named, b"", 4, 4, names=LevelNames("price", "size"))
    book.apply_diff(diff)
    sides_of(diff)
    sides_of(BookDiff("A", b"[]", b"[]"))
    book.set_state(BookState.LIVE)
    book.beat()
    book.top()
    _ = book.bids
    book.get_price_for_volume(True, 1.0)
    book.get_volume_for_price(True, 2.0)
    Tops([]).read()
    _warm_readers(book)


def _warm_readers(book: OrderBook) -> None:
    """Readers see memory that they can't write: to a kernel that is another type."""
    f = book._f.view()
    f.flags.writeable = False
    m = f.view(np.int64)
    room = np.empty((1, 2))
    kernels.read_top(f, m)
    kernels.read_levels(f, m, 1, room, room, np.zeros(len(kernels.SLOTS), np.int64))
