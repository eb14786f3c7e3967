"""Compiling the kernels, once a node, before actors start: no book may wait for a compiler."""

import numpy as np

from orderbook.book import OrderBook
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
    book.apply_diff(BookDiff("A", named, b"", 4, 4, names=LevelNames("price", "size")))
    book.set_state(BookState.LIVE)
    book.beat()
    book.top()
    _ = book.bids
    book.get_price_for_volume(True, 1.0)
    book.get_volume_for_price(True, 2.0)
    Tops([]).read()
