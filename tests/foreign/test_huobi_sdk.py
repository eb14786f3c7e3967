"""HTX's own SDK for Python. On Python 3.9 and later huobi_Python itself reads no answer: it passes
``json.loads`` an argument that is gone. This is the same code as huobi-sdk-hash-7 keeps it
running.

What of it does not run: ``get_market_status`` (its model has no default that exists), and requests
on the account's first socket, which the venue has closed since 2021.
"""

from typing import Any

import pytest

from tests.foreign.running import assert_books_equal, can_make_namespaces, run_client_by_names

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.slow,  # its environment is installed first
    pytest.mark.skipif(not can_make_namespaces(), reason="no network namespace can be made here"),
]
PAIRS = ["btcusdt", "ethusdt", "solusdt", "ethbtc"]


def run(seconds: float) -> dict[str, Any]:
    return run_client_by_names(
        "huobi_sdk",
        environment="huobi-sdk",
        exchange="htx",
        names=["api.huobi.pro"],
        seconds=seconds,
        timeout_s=90 + 4 * seconds,
    )


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return run(4)


def test_it_reads_markets_and_market_data(report: dict[str, Any]) -> None:
    market = report["market"]
    assert (market["symbols"], market["tickers"], market["symbols_v2"]) == (PAIRS, PAIRS, PAIRS)
    assert (market["precisions"], market["currencies"]) == ([2, 5], ["btc", "eth", "sol", "usdt"])
    assert (market["reference"], market["levels"][0]) == (["btc"], 20)
    assert all(0 < levels <= 20 for levels in market["levels"])
    assert (market["day"], market["quotes"], market["last_trades"]) == (True, True, 1)
    assert market["trades"][1]
    assert (any(market["candles"]), market["unknown"]) == (True, "invalid-parameter")


def test_every_market_stream_tells_something(report: dict[str, Any]) -> None:
    streams = report["streams"]
    assert streams.pop("kline") == "bad-request: invalid topic market.btcusdt.kline.1min"
    assert set(streams) == {"trade", "best", "day", "depth", "trades", "detail"}
    assert all(value > 0 for value in streams.values())


def test_its_books_are_the_ledger(report: dict[str, Any]) -> None:
    judge_books(report["books"])


def judge_books(books: dict[str, Any]) -> None:
    for name in ("images", "refreshed", "changes"):
        assert_books_equal(books[name])
    assert books["gaps"] == 0
    images, refreshed, _ = books["frames"]
    assert images < refreshed / 3


def test_orders_rest_fill_and_are_cancelled(report: dict[str, Any]) -> None:
    orders = report["orders"]
    assert orders["found"] == [True, True]
    assert orders["partly"] == ["partial-filled", 0.004]
    assert (orders["filled"], orders["fills"]) == (["filled", 0.01], [0.01, "{'maker'}"])
    assert orders["by_name"][1] == 10
    assert orders["batch"] == [True, "order-limitorder-amount-min-error"]
    assert (orders["many"], orders["rest"]) == ([True, []], [1, 0, -1])
    assert orders["market"] == ["filled", "filled"]
    assert (orders["matches"], orders["fees"]) == (True, ["btcusdt"])
    ledger = orders["ledger"]["partly_and_filled"]
    assert (ledger["state"], float(ledger["filled"])) == ("filled", 0.01)
    assert orders["ledger"]["bought"]["state"] == "filled"


def test_refusals_have_the_venues_codes(report: dict[str, Any]) -> None:
    assert report["orders"]["refused"] == {
        "funds": "account-frozen-balance-insufficient-error",
        "precision": "order-orderprice-precision-error",
        "symbol": "base-symbol-error",
        "stop": "order-type-invalid",
        "closed": "order-orderstate-error",
        "unknown": "base-record-invalid",
        "secret": "api-signature-not-valid",
    }


def test_an_account_is_told_of_its_orders_trades_and_balances(report: dict[str, Any]) -> None:
    pushed = report["orders"]["pushed"]
    assert pushed["at_top"] == [
        ["creation", "submitted"],
        ["trade", "partial-filled"],
        ["trade", "filled"],
    ]
    assert pushed["resting"] == [["creation", "submitted"], ["cancellation", "canceled"]]
    assert (pushed["symbols"], pushed["clearings"], pushed["fees"]) == (["btcusdt"], 2, True)
    assert pushed["balances"] == [[True, False]]
    assert pushed["totals"] == [[False, True], [True, False]]


@pytest.mark.slow
def test_its_books_stay_the_ledger() -> None:
    judge_books(run(30)["books"])
