"""A gateway answers in the venue's place: an HTML page of nginx or Cloudflare.

(sammchardy/python-binance #1316 #1413, JKorf/Binance.Net #115, butor/blackbird #41.) Right: such a
page proves nothing about an order: the outcome is unknown (or the answer unreadable), never
"refused", "not found" or "wrong key". Once Coinbase's "403 Forbidden" was taken for a refusal of
the key, which closed the order as REJECTED.
"""

from typing import Any

import pytest

from exchanges.registry import get
from tests.known_faults.lab import load, tried
from tests.known_faults.lab.wire import answer

VENUES = ("binance", "bybit", "coinbase", "htx", "hyperliquid", "kraken", "okx", "bittrex")
PAGES: dict[str, tuple[int, str]] = load(__file__)["pages"]


def combinations() -> list[Any]:
    return [pytest.param(venue, page) for venue in VENUES for page in PAGES]


@pytest.mark.parametrize(("venue", "page"), combinations())
def test_a_page_proves_nothing_of_an_order(venue: str, page: str) -> None:
    status, body = PAGES[page]
    fault, error = tried(lambda: get(venue).error(answer(body.encode(), status)))
    assert not error
    assert fault is None or str(fault.kind) == "unknown"  # None: the answer's own reader fails
