"""Bybit's own SDK, unpatched, in its own addresses."""

from typing import Any

import pytest

from tests.foreign.running import assert_books_equal, can_make_namespaces, run_client_by_names

pytest.importorskip("pybit")
pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.slow,
    pytest.mark.skipif(not can_make_namespaces(), reason="no network namespace can be made here"),
]


def run(seconds: float) -> dict[str, Any]:
    return run_client_by_names(
        "pybit_client",
        environment="",
        exchange="bybit",
        names=["api.bybit.com", "stream.bybit.com"],
        seconds=seconds,
        timeout_s=90 + 4 * seconds,
    )


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return run(30)


def test_it_reads_the_markets(report: dict[str, Any]) -> None:
    market = report["market"]
    assert "BTCUSDT" in market["symbols"]
    assert (market["tickers"], market["levels"]) == (len(market["symbols"]), 30)
    assert (market["trades"] > 0, market["account"]) == (True, 6)
    assert {"BTC", "USDT"} <= set(market["assets"])


def test_its_book_is_the_ledger(report: dict[str, Any]) -> None:
    assert_books_equal(report["stream"]["books"])
    assert report["stream"]["in_turn"]
    assert all(count > 0 for count in report["streams"].values())


def test_its_private_socket_tells_orders_executions_and_the_wallet(
    report: dict[str, Any],
) -> None:
    orders = report["orders"]
    assert orders["states"] == {
        "filled": ["New", "PartiallyFilled", "Filled"],
        "cancelled": ["New", "Cancelled"],
        "bought": orders["states"]["bought"],
    }
    assert orders["states"]["bought"][-1] in ("Filled", "PartiallyFilledCanceled")
    assert orders["ledger"]["filled"] == "filled"
    assert orders["ledger"]["cancelled"] == "cancelled"
    assert (orders["executions"], orders["wallets"]) == (["0.005", "0.005"], True)


def test_it_pages_through_open_orders(report: dict[str, Any]) -> None:
    assert report["orders"]["paged"] == [20, 10, 0]


def test_refusals_have_the_venues_codes_and_place_nothing(report: dict[str, Any]) -> None:
    assert report["refused"] == {
        "funds": 170131,
        "client_id": 10001,
        "stop": 10001,
        "unknown": 170213,
        "symbol": 170121,
        "category": 10001,
        "secret": 10004,
        "placed": 0,
    }
