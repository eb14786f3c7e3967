"""A public trade whose price is NaN, infinite, negative or beyond float64 (Binance).

Right: refused as the same number in a level is refused; never handed to a program as a trade. Today
all four pass as prices.
"""

import pytest

from exchanges.registry import get
from orderbook.messages import Trade
from tests.known_faults.lab import tried

FRAME = '{"stream":"x","data":{"e":"trade","E":1,"s":"A","t":1,"p":"%s","q":"1","T":1,"m":true}}'


def trades_of(price: str) -> list[float]:
    """The prices of the trades that are read."""
    exchange = get("binance")
    feed = exchange.book({}, exchange.book.streams[0])
    messages, _ = tried(lambda: list(feed.parse((FRAME % price).encode())))
    return [message.price for message in messages or [] if isinstance(message, Trade)]


def test_a_trade_is_read() -> None:
    assert trades_of("60000.01") == [60000.01]


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="the price of a trade is not checked as that of a level is",
)
@pytest.mark.parametrize("price", ["NaN", "Infinity", "-5", "1e999"])
def test_what_is_no_price_makes_no_trade(price: str) -> None:
    assert trades_of(price) == []
