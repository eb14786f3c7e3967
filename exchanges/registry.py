"""Every exchange by name: ours, one line each, and those that other packages bring by an entry point."""

from functools import cache
from importlib.metadata import entry_points

from exchanges.binance import BINANCE
from exchanges.coinbase import COINBASE
from exchanges.contract import Exchange
from exchanges.okx import OKX
from orderbook.errors import ConfigError

BUILT_IN = {exchange.name: exchange for exchange in (BINANCE, COINBASE, OKX)}
GROUP = "trochil.exchanges"


@cache
def _all() -> dict[str, Exchange]:
    found = dict(BUILT_IN)
    for point in entry_points(group=GROUP):
        exchange = point.load()
        if not isinstance(exchange, Exchange):
            raise ConfigError(f"entry point {point.name} of {GROUP} is {type(exchange).__name__}, not an Exchange")
        found[exchange.name] = exchange
    return found


def names() -> list[str]:
    return sorted(_all())


def get(name: str) -> Exchange:
    """The exchange of that name. Raises ConfigError that lists the known ones."""
    found = _all().get(name)
    if found is None:
        raise ConfigError(f"unknown exchange {name!r}; known are {', '.join(names())}")
    return found
