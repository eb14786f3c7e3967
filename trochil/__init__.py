"""Trochil: exchange connectors as Ray actors, order books as Arrow files in shared memory.

``trochil.connect("venue", pairs=["BTC-USDT"])`` is where to begin.
"""

from typing import TYPE_CHECKING, Any

from trochil.guard import refuse_hidden_packages

refuse_hidden_packages()

from orderbook.errors import (  # noqa: E402 -- after it is sure that they are ours
    AuthenticationError,
    BadPair,
    ClockSkew,
    ConfigError,
    Disconnected,
    DuplicateOrder,
    Fenced,
    Halted,
    HiddenPackage,
    InsufficientFunds,
    InvalidOrder,
    JournalError,
    Lagged,
    NotFound,
    NotListed,
    NotReady,
    OrderNotFound,
    RateLimited,
    Refused,
    StaleBook,
    TrochilError,
    UnknownOutcome,
    UnreadableAnswer,
    VenueError,
)

if TYPE_CHECKING:
    from exchanges.order_views import Event
    from exchanges.orders import OrderState
    from orderbook.messages import BookState
    from trochil.aio import AsyncClient, connect_async
    from trochil.client import Client, connect
    from trochil.market_handle import MarketHandle, Order
    from trochil.records import Book
    from trochil.version import __version__
    from trochil.views import BookView

__all__ = [
    "AsyncClient",
    "AuthenticationError",
    "BadPair",
    "Book",
    "BookState",
    "BookView",
    "Client",
    "ClockSkew",
    "ConfigError",
    "Disconnected",
    "DuplicateOrder",
    "Event",
    "Fenced",
    "Halted",
    "HiddenPackage",
    "InsufficientFunds",
    "InvalidOrder",
    "JournalError",
    "Lagged",
    "MarketHandle",
    "NotFound",
    "NotListed",
    "NotReady",
    "Order",
    "OrderNotFound",
    "OrderState",
    "RateLimited",
    "Refused",
    "StaleBook",
    "TrochilError",
    "UnknownOutcome",
    "UnreadableAnswer",
    "VenueError",
    "__version__",
    "connect",
    "connect_async",
]
_HOMES = {
    "connect": "trochil.client",
    "Client": "trochil.client",
    "connect_async": "trochil.aio",
    "AsyncClient": "trochil.aio",
    "BookView": "trochil.views",
    "Book": "trochil.records",
    "BookState": "orderbook.messages",
    "MarketHandle": "trochil.market_handle",
    "Order": "trochil.market_handle",
    "Event": "exchanges.order_views",
    "OrderState": "exchanges.orders",
    "__version__": "trochil.version",
}
"""Where a public name lives that is imported when it is first needed."""


if not TYPE_CHECKING:  # else any misspelt name would pass a type checker

    def __getattr__(name: str) -> Any:
        """Ray and the kernels are imported when first needed, so that the command line starts at
        once."""
        import importlib

        if name not in _HOMES:
            raise AttributeError(f"module 'trochil' has no attribute {name!r}")
        return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
