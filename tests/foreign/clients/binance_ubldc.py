"""unicorn-binance-local-depth-cache: a book of the venue's, by its own names.

It may not ask for newer versions of itself; it knows no other setting of its addresses.
"""

import time
from typing import Any

from unicorn_binance_local_depth_cache import BinanceLocalDepthCacheManager, DepthCacheOutOfSync
from venue_side import Sandbox, finish

PAIR = "BTC-USDT"
SYMBOL = "BTCUSDT"
SYNCHRONIZED_WITHIN_S = 30.0


def book(sandbox: Sandbox, interval: int | None) -> dict[str, Any]:
    manager = BinanceLocalDepthCacheManager(
        exchange="binance.com", depth_cache_update_interval=interval, warn_on_update=False
    )
    manager.create_depthcache(markets=SYMBOL)
    until = time.monotonic() + SYNCHRONIZED_WITHIN_S
    while not manager.is_depth_cache_synchronized(SYMBOL) and time.monotonic() < until:
        time.sleep(0.1)

    def sides() -> tuple[dict[float, float], dict[float, float]]:
        try:
            return dict(manager.get_bids(SYMBOL)), dict(manager.get_asks(SYMBOL))
        except DepthCacheOutOfSync:
            return {}, {}

    report = sandbox.compare_books(PAIR, sides)
    manager.stop_manager()
    return report


def main() -> dict[str, Any]:
    sandbox = Sandbox()
    return {"1000ms": book(sandbox, None), "100ms": book(sandbox, 100)}


finish(main())
