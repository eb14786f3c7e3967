"""A venue adds a word to its order states (Coinbase's "canceling", ccxt/ccxt #4017).

(One row of 979 in nautechsystems/nautilus_trader #1437, also #3922 and #4325.) Right: one open
order with an unknown word does not hide the other open orders of the account. Once none of the
rows was read, at any of the six venues.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from exchanges.binance import BinanceOrders
from exchanges.bybit import BybitOrders
from exchanges.coinbase import CoinbaseOrders
from exchanges.htx import HtxOrders
from exchanges.kraken import KrakenOrders
from exchanges.okx import OkxOrders
from exchanges.orders import TradingRule
from tests.known_faults.lab import load, tried
from tests.known_faults.lab.wire import answer

STEP = Decimal("0.01")


def rules(pair: str, symbol: str, *aliases: str) -> dict[str, TradingRule]:
    base, quote = pair.split("-")
    rule = TradingRule(
        trading_pair=pair,
        symbol=symbol,
        base=base,
        quote=quote,
        price_tick=STEP,
        size_step=STEP,
        aliases=aliases,
    )
    return {pair: rule}


def htx_orders() -> HtxOrders:
    orders = HtxOrders(rules("BTC-USDT", "btcusdt"))
    orders._account = "7"
    return orders


def kraken_orders() -> KrakenOrders:
    orders = KrakenOrders(rules("BTC-USD", "BTC/USD", "XBTUSD"))
    orders._symbols = {"XBTUSD": "BTC/USD"}
    return orders


MAKE: dict[str, Callable[[], Any]] = {
    "binance": lambda: BinanceOrders(rules("LTC-BTC", "LTCBTC")),
    "bybit": lambda: BybitOrders(rules("BTC-USDT", "BTCUSDT")),
    "coinbase": lambda: CoinbaseOrders(rules("BTC-USD", "BTC-USD")),
    "htx": htx_orders,
    "kraken": kraken_orders,
    "okx": lambda: OkxOrders(rules("BTC-USDT", "BTC-USDT")),
}


def body_of(venue: str, rows: list[dict[str, Any]]) -> Any:
    """The answer that holds these open orders."""
    bodies: dict[str, Any] = {
        "bybit": {"retCode": 0, "result": {"list": rows, "nextPageCursor": ""}},
        "htx": {"status": "ok", "data": rows},
        "kraken": {"error": [], "result": {"open": {f"T{n}": row for n, row in enumerate(rows)}}},
        "okx": {"code": "0", "data": rows},
    }
    return bodies.get(venue, rows)


def read(venue: str, rows: list[dict[str, Any]]) -> tuple[Any, str]:
    return tried(lambda: MAKE[venue]().open_orders().read(answer(body_of(venue, rows))))


@pytest.mark.parametrize("venue", MAKE)
def test_an_open_order_is_read(venue: str) -> None:
    found, error = read(venue, [load(__file__)[venue]["good"]])
    assert not error
    assert len(found) == 1


@pytest.mark.parametrize("venue", MAKE)
def test_an_unknown_status_word_hides_no_other_order(venue: str) -> None:
    rows = load(__file__)[venue]
    found, error = read(venue, [rows["good"], rows["good"] | rows["bad"]])
    assert found, error
