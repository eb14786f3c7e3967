"""Every exchange by name: ours, one line each, those that other packages bring, and "ccxt:<id>" for
any of ccxt."""

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from exchanges.contract import Exchange
from orderbook.errors import ConfigError

BUILT_IN = {
    "binance": "exchanges.binance:BINANCE",
    "bittrex": "exchanges.bittrex:BITTREX",
    "bybit": "exchanges.bybit:BYBIT",
    "coinbase": "exchanges.coinbase:COINBASE",
    "htx": "exchanges.htx:HTX",
    "hyperliquid": "exchanges.hyperliquid:HYPERLIQUID",
    "kraken": "exchanges.kraken:KRAKEN",
    "okx": "exchanges.okx:OKX",
}
"""Name -> module:object; read when first asked for."""
ALIASES = {"huobi": "htx"}
"""Former names."""
DEFAULT_VENUE = "binance"
"""The venue of the demo, where no other is named."""
GROUP = "trochil.exchanges"
BRIDGE = "ccxt:"


@cache
def _outside() -> dict[str, Exchange]:
    found = {}
    for point in entry_points(group=GROUP):
        exchange = point.load()
        if not isinstance(exchange, Exchange):
            raise ConfigError(
                f"entry point {point.name} of {GROUP} is {type(exchange).__name__}, not an Exchange"
            )
        found[exchange.name] = exchange
    return found


def names() -> list[str]:
    return sorted({*BUILT_IN, *_outside()})


def canonical(name: str) -> str:
    """The name that a venue has now."""
    return ALIASES.get(name, name)


@cache
def get(name: str) -> Exchange:
    """The exchange of that name, or former name. Raises ConfigError that lists the known ones."""
    name = canonical(name)
    if name.startswith(BRIDGE):
        bridged: Exchange = import_module("exchanges.ccxt_venue").bridge(name)
        return bridged
    if name in _outside():
        return _outside()[name]
    if name not in BUILT_IN:
        raise ConfigError(
            f"unknown exchange {name!r}; known are {', '.join(names())}, "
            f"and {BRIDGE}<id> for any of ccxt"
        )
    module, _, attribute = BUILT_IN[name].partition(":")
    exchange: Exchange = getattr(import_module(module), attribute)
    return exchange
