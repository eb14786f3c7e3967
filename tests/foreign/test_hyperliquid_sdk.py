"""Hyperliquid's own SDK, unpatched; its address is an argument."""

from typing import Any

import pytest

from tests.foreign.running import assert_books_equal, run_client

pytest.importorskip("hyperliquid.exchange")
pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


@pytest.fixture(
    scope="module",
    params=[30.0],
    ids=lambda seconds: f"{seconds:g} s",
)
def report(request: pytest.FixtureRequest) -> dict[str, Any]:
    return run_client(
        "hyperliquid_sdk",
        environment="",
        exchange="hyperliquid",
        seconds=request.param,
        pairs=["BTC-USDC", "ETH-USDC"],
    )


def test_its_book_is_the_ledger(report: dict[str, Any]) -> None:
    stream = report["stream"]
    assert_books_equal(stream.pop("books"))
    assert stream == {"trades": True, "users": True, "mids": True, "best": [1, 1]}


def test_it_hears_orders_and_fills(report: dict[str, Any]) -> None:
    orders = report["orders"]
    assert orders["states"] == {
        "filled": ["open 0.01", "open 0.005", "filled 0"],
        "cancelled": ["open 0.01", "canceled 0.01"],
        "bought": orders["states"]["bought"],
    }
    assert orders["states"]["bought"][-1] == "filled 0"
    assert orders["ledger"] == {"filled": "filled", "cancelled": "cancelled", "bought": "filled"}
    assert orders["fills"] == ["0.005", "0.005"]
    assert orders["cancel"] == [["0x" + "34" * 16], "success"]
    assert (orders["history"], orders["perps"]) == (3, [])


def test_refusals_are_the_venues_and_place_nothing(report: dict[str, Any]) -> None:
    assert report["refused"] == {
        "funds": "Insufficient spot balance asset=10000",
        "trigger": "Invalid TP/SL price. asset=10000",
        "small": "Order must have minimum value of $10. asset=10000",
        "unknown": "Order was never placed, already canceled, or filled. asset=10000",
        "late": "Cannot set scheduled cancel",
        "placed": 0,
        "leverage": 422,
        "candles": 422,
    }
