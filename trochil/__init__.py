"""Trochil: exchange connectors as Ray actors, order books as Arrow files in shared memory.

``trochil.connect("venue", pairs=["BTC-USDT"])`` is where to begin.
"""

from typing import TYPE_CHECKING, Any

from trochil.guard import refuse_hidden_packages

refuse_hidden_packages()

if TYPE_CHECKING:
    from orderbook.errors import TrochilError
    from trochil.aio import AsyncClient, connect_async
    from trochil.client import Client, connect
    from trochil.market_handle import MarketHandle, Order
    from trochil.records import Book
    from trochil.views import BookView

_HOMES = {
    "connect": "trochil.client",
    "Client": "trochil.client",
    "connect_async": "trochil.aio",
    "AsyncClient": "trochil.aio",
    "BookView": "trochil.views",
    "Book": "trochil.records",
    "MarketHandle": "trochil.market_handle",
    "Order": "trochil.market_handle",
    "TrochilError": "orderbook.errors",
}
__all__ = [
    "AsyncClient",
    "Book",
    "BookView",
    "Client",
    "MarketHandle",
    "Order",
    "TrochilError",
    "connect",
    "connect_async",
]


def __getattr__(name: str) -> Any:
    """Ray and the kernels are imported when first asked for, so that the command line starts at once."""
    import importlib

    home = _HOMES.get(name, "orderbook.errors")
    try:
        return getattr(importlib.import_module(home), name)
    except AttributeError:
        raise AttributeError(f"module 'trochil' has no attribute {name!r}") from None
