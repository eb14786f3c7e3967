"""One module a venue's wire, seen from the venue's side. ``load(name)`` gives its ``Dialect``
class."""

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import Any

FIRST = "binance"
"""The venue that is played where no other is named."""
GROUP = "trochil.sandbox"
"""Entry points by which other packages bring the dialects of their venues."""


def names() -> list[str]:
    """The venues that the sandbox can play."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Any:
    """The dialect of a venue. Raises ValueError that lists the known ones."""
    if name in names():
        return importlib.import_module(f"{__name__}.{name}").Dialect
    for point in entry_points(group=GROUP, name=name):
        return point.load()
    raise ValueError(f"the sandbox can't play {name!r}; it plays {', '.join(names())}")


def with_recordings() -> list[str]:
    """The venues whose recordings can be replayed."""
    return [name for name in names() if load(name).recordings is not None]
