"""cbpro, unpatched: old and widely used; its order book is built order by order."""

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
    report = run_client(
        "cbpro_client",
        environment="cbpro",
        exchange="coinbase",
        seconds=request.param,
        pairs=["BTC-USD", "ETH-USD"],
        rate=100,
    )
    assert report["own_errors"] == []
    return report


def test_the_order_book_is_the_ledgers(report: dict[str, Any]) -> None:
    books = report["books"]
    assert_books_equal(books)
    assert books["same_orders"] == [True, True, True]
    assert (books["gaps"], books["sees_trades"], books["error"]) == (0, True, "None")


def test_it_reads_the_markets(report: dict[str, Any]) -> None:
    assert report["markets"] == {
        "products": ["BTC-USD", "ETH-USD"],
        "currencies": ["BTC", "ETH", "USD"],
        "trades": 20,
        "trades_descend_by_one": True,
        "quotes_in_order": True,
        "last_within_day": True,
        "candles": True,
        "levels": [1, True],
        "time_is_near": True,
        "unknown_product": {"message": "NotFound"},
    }


def test_orders_rest_fill_and_are_cancelled_as_the_ledger_says(report: dict[str, Any]) -> None:
    lives = report["lives"]
    assert lives["placed"] == ["pending", True]
    assert lives["open"] == ["open", None, "0.00000000"]
    assert lives["partly"] == ["open", None, "0.00500000"]
    assert lives["filled"] == ["done", "filled", "0.02000000", ["filled", "0.020"]]
    assert lives["fills"] == [["0.01500000", "M"], ["0.00500000", "M"]]
    assert lives["fees_are_the_orders"]
    assert lives["cancelled"] == [True, "done", "canceled", "0.00000000"]
    assert lives["again"] == {"message": "Order already done"}
    assert lives["bought"] == ["done", "filled"]
    assert lives["sold"] == ["done", "filled", "0.01000000", ["filled", "0.01"]]


def test_the_user_channel_tells_the_lives_of_orders(report: dict[str, Any]) -> None:
    lives = report["lives"]
    assert lives["user"] == {
        "filled": ["received", "open", "match", "match", "done"],
        "sizes": ["0.005", "0.015"],
        "as_maker": True,
        "client_oid": True,
        "cancelled": [["received", None], ["open", None], ["done", "canceled"]],
    }
    assert {"heartbeat", "subscriptions", "ticker"} <= set(lives["channels"])
    assert lives["error"] == "None"


def test_refused_orders_are_not_placed(report: dict[str, Any]) -> None:
    refused = report["refused"]
    assert refused["messages"] == [
        "Insufficient funds",
        "size is too small. Minimum size is 0.00001000",
        "price is too accurate. Smallest unit is 0.01000000",
        "notional is too small. Minimum is 5",
        "Invalid client_oid",
        "Invalid stp",
        "Invalid overdraft_enabled",
        "Invalid type",
        "funds is not allowed for this order",
        "Product not found",
        "NotFound",
        "order not found",
        "Invalid API Key",
        "NotFound",
    ]
    assert refused["post_only"] == ["rejected", "post only"]
    assert refused["placed"] == 0


def test_it_pages_through_orders_and_fills(report: dict[str, Any]) -> None:
    assert report["lists"] == {
        "pages": True,
        "done": True,
        "fills": True,
        "account": True,
        "hold": True,
        "cancelled_all": True,
        "open": [],
    }
