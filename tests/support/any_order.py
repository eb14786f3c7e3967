"""One order of each venue, with the wire side that places, cancels and queries it."""

from decimal import Decimal
from typing import Any

from exchanges import registry
from exchanges.contract import OrderEntry
from exchanges.orders import InFlightOrder, TradingRule
from orderbook.messages import Side

PAIR = "A-B"
HANDSHAKES: dict[str, list[Any]] = {
    "htx": ["1"],
    "hyperliquid": [None, {"AB": 0}, {}],
    "kraken": [[]],
}
"""What the venue's questions before the first order are answered with."""


def an_order(**changes: Any) -> InFlightOrder:
    """A limit order that the venue has an id for."""
    terms: dict[str, Any] = {"client_order_id": "1f", "exchange_order_id": "7"}
    terms |= {"trading_pair": PAIR, "symbol": "AB", "side": Side.BUY}
    return InFlightOrder(**(terms | {"amount": Decimal(1), "price": Decimal(2)} | changes))


def entry_of(venue: str) -> OrderEntry:
    rule = TradingRule(
        trading_pair=PAIR,
        symbol="AB",
        base="A",
        quote="B",
        price_tick=Decimal("0.01"),
        size_step=Decimal("0.01"),
    )
    entry = registry.get(venue).orders({PAIR: rule})
    steps = entry.handshake()
    for said in [None, *HANDSHAKES.get(venue, [])]:
        try:
            steps.send(said)
        except StopIteration:
            break
    return entry
