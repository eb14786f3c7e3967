"""Clients of Binance that nobody here wrote."""

from typing import Any

import pytest

from tests.foreign.running import (
    assert_books_equal,
    can_make_namespaces,
    run_client,
    run_client_by_names,
)

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]  # installed first
SECONDS = [30.0]


@pytest.mark.parametrize("seconds", SECONDS)
def test_python_binance(seconds: float) -> None:
    report = run_client(
        "binance_python", environment="binance", exchange="binance", seconds=seconds
    )
    assert report["public"] == {"symbols": 4, "tickers": 4, "levels_by_socket": 5, "ping": {}}
    orders: dict[str, Any] = report["orders"]
    assert orders["market"] == "FILLED"
    assert orders["partly"] == ["PARTIALLY_FILLED", "0.00500000"]
    assert orders["cancelled"] == ["CANCELED", "0.00500000"]
    assert orders["filled_on_socket"] == "FILLED"
    refused = (orders["rejected"], orders["rejected_on_socket"], orders["unknown"])
    assert refused == (-2010, -1013, -2011)
    assert orders["open"] == 0
    ledger = [
        [str(fill["trade_id"]), float(fill["amount"]), float(fill["price"])]
        for fill in report["ledger_fills"]
    ]
    assert len(ledger) >= 3
    assert orders["fills"] == ledger
    stream = orders["stream"]
    assert stream["fills"] == ledger
    assert stream["states"] == ["CANCELED", "FILLED", "NEW", "PARTIALLY_FILLED"]
    assert stream["positions"] > len(ledger)
    for books in report["books"].values():
        assert_books_equal(books)


@pytest.mark.parametrize("seconds", SECONDS)
def test_the_venues_own_sdk(seconds: float) -> None:
    report = run_client("binance_sdk", environment="binance", exchange="binance", seconds=seconds)
    rest = report["rest"]
    assert (rest["symbols"], rest["market"], rest["trades"]) == (4, "FILLED", rest["fills"])
    assert "-1013" in rest["rejected"]
    api = report["websocket_api"]
    assert (api["limits"], api["levels"], api["is_typed"]) == ([6000], 5, True)
    states = (api["placed"], api["partly"], api["cancelled"], api["filled"])
    assert states == ("NEW", "PARTIALLY_FILLED", "CANCELED", "FILLED")
    assert api["states"] == ["NEW", "PARTIALLY_FILLED", "CANCELED", "NEW", "FILLED"]
    assert api["kinds"] == ["ExecutionReport", "OutboundAccountPosition"]
    assert api["rejected"]["error"]["code"] == -2010
    assert (api["open"], api["trades"]) == (0, report["ledger_fills"])
    streams = report["streams"]
    assert all(count > 0 for count in streams["counts"].values()), streams["counts"]
    assert streams["gaps"] == 0
    assert_books_equal(streams["books"])


@pytest.mark.skipif(not can_make_namespaces(), reason="no network namespaces on this machine")
@pytest.mark.slow
def test_unicorn_binance_local_depth_cache() -> None:
    report = run_client_by_names(
        "binance_ubldc",
        environment="binance",
        exchange="binance",
        names=["api.binance.com", "stream.binance.com", "ws-api.binance.com"],
        ports=[9443],
        seconds=30.0,
    )
    for books in report.values():
        assert_books_equal(books)
