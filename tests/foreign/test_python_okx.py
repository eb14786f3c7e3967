"""OKX's own SDK, unpatched, with its sockets, which insist on TLS."""

from typing import Any

import pytest

from tests.foreign.running import assert_books_equal, can_make_namespaces, run_client_by_names

pytest.importorskip("okx")
pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.slow,
    pytest.mark.skipif(not can_make_namespaces(), reason="no network namespace can be made here"),
]


def run(seconds: float) -> dict[str, Any]:
    return run_client_by_names(
        "python_okx",
        environment="",
        exchange="okx",
        names=["www.okx.com", "ws.okx.com"],
        ports=[8443],
        seconds=seconds,
        timeout_s=90 + 4 * seconds,
    )


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return run(30)


def test_it_reads_the_markets(report: dict[str, Any]) -> None:
    market = report["market"]
    assert "BTC-USDT" in market["pairs"]
    assert (market["tickers"], market["levels"]) == (len(market["pairs"]), 30)
    assert (market["uly"], market["swaps"], market["status"]) == (True, [], [])
    assert market["config"] == "1"


def test_its_book_is_the_ledger(report: dict[str, Any]) -> None:
    stream = report["stream"]
    assert_books_equal(stream["books"])
    assert (stream["gaps"], stream["events"]) == (0, ["subscribe", "subscribe"])
    assert stream["trades"] > 0


def test_its_socket_tells_orders_and_balances(report: dict[str, Any]) -> None:
    account = report["account"]
    assert account["events"][0] == "login"
    assert account["events"].count("subscribe") == 2
    states = account["states"]
    assert states["filled"] == ["live 0", "partially_filled 0.005", "filled 0.01"]
    assert states["cancelled"] == ["live 0", "canceled 0"]
    assert (states["bought"][0], states["bought"][-1]) == ("live 0", "filled 0.01")
    assert account["ledger"] == {"filled": "filled", "cancelled": "cancelled", "bought": "filled"}
    assert account["balances"] > 1


def test_refusals_have_the_venues_codes_and_place_nothing(report: dict[str, Any]) -> None:
    assert report["refused"] == {
        "funds": "51008",
        "client_id": "51000",
        "mode": "51010",
        "unknown": "51400",
        "secret": "50113",
        "placed": "0",
    }


def test_it_pages_through_open_orders(report: dict[str, Any]) -> None:
    assert report["pages"] == [100, 20, 0]
