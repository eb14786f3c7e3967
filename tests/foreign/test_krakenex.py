"""krakenex, unpatched: an older client by REST, whose address is an attribute."""

from typing import Any

import pytest

from tests.foreign.running import assert_books_equal, run_client

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]  # installed first


@pytest.fixture(
    scope="module",
    params=[30.0],
    ids=lambda seconds: f"{seconds:g} s",
)
def report(request: pytest.FixtureRequest) -> dict[str, Any]:
    return run_client(
        "krakenex_account",
        environment="krakenex",
        exchange="kraken",
        seconds=request.param,
        pairs=["BTC-USD"],
        rate=100,
    )


def test_the_book_of_depth_is_the_ledgers(report: dict[str, Any]) -> None:
    assert_books_equal(report["books"])


def test_it_reads_the_markets(report: dict[str, Any]) -> None:
    markets = report["markets"]
    assert markets.pop("trades") > 0
    assert markets.pop("candles") > 0
    assert markets == {
        "time_is_near": True,
        "status": "online",
        "pair": "XBT/USD",
        "asset": "XBT",
        "quotes_in_order": True,
        "unknown_method": 404,
    }


def test_orders_rest_fill_and_are_cancelled_as_the_ledger_says(report: dict[str, Any]) -> None:
    lives = report["lives"]
    assert lives["open"] == ["open", True]
    assert lives["partly"] == ["open", "0.00500000", 1]
    assert lives["filled"] == ["closed", "0.02000000", "filled"]
    assert lives["fee_is_the_ledgers"]
    assert lives["volumes"] == ["0.00500000", "0.01500000"]
    assert (lives["cancel"], lives["cancelled"]) == (1, ["canceled", "cancelled"])


def test_refused_and_checked_orders_are_not_placed(report: dict[str, Any]) -> None:
    lives = report["lives"]
    assert lives["checked"] == ["descr"]
    assert lives["refused"] == [
        "EOrder:Insufficient funds",
        "EOrder:Cost minimum not met",
        "EOrder:Post only order",
        "EGeneral:Invalid arguments:leverage",
        "EGeneral:Invalid arguments:ordertype",
        "EOrder:Unknown order",
    ]
    assert lives["orders_placed_by_these"] == 0


def test_it_pages_through_orders_and_trades(report: dict[str, Any]) -> None:
    pages = report["pages"]
    assert pages == {
        "open": True,
        "ended": 53,
        "closed": True,
        "count": 52,
        "trades": [True, True],
    }
    assert report["balance"]
