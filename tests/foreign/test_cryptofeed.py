"""cryptofeed against four venues. Its feeds of Coinbase (Advanced Trade) and Kraken (websocket v1)
speak other protocols than those that the sandbox plays."""

from typing import Any

import pytest

from tests.foreign.running import assert_books_equal, can_make_namespaces, run_client_by_names

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(not can_make_namespaces(), reason="no network namespace can be made here"),
]
NAMES = {
    "binance": ["api.binance.com", "stream.binance.com"],
    "bybit": ["api.bybit.com", "stream.bybit.com"],
    "htx": ["api.huobi.pro"],
    "okx": ["www.okx.com", "ws.okx.com"],
}
PORTS = {"binance": [9443], "okx": [8443]}


def run(exchange: str, seconds: float) -> dict[str, Any]:
    return run_client_by_names(
        "cryptofeed_books",
        environment="",
        exchange=exchange,
        names=NAMES[exchange],
        ports=PORTS.get(exchange),
        seconds=seconds,
    )


@pytest.mark.parametrize("exchange", ["binance", "htx"])
def test_its_book_is_the_ledger(exchange: str) -> None:
    report = run(exchange, 4)
    assert_books_equal(report["books"])
    assert report["trades"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("exchange", NAMES)
def test_its_book_stays_the_ledger(exchange: str) -> None:
    report = run(exchange, 30)
    assert_books_equal(report["books"])
    assert report["trades"] > 0
