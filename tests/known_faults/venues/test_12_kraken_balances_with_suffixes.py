"""Kraken pays rewards on spot balances and then names the holding XBT.F or ETH.F; it is tradable at
once.

(hummingbot/hummingbot #7052: "BTC balance is too low".) Right: XBT.F counts as BTC, ETH.F as ETH;
ETH.S (staked, bonded) does not. Once XBT.F and ETH.F stood beside BTC and ETH as assets of their
own.
"""

import contextlib
from decimal import Decimal

import pytest

from exchanges.kraken import KrakenOrders
from tests.known_faults.lab import load
from tests.known_faults.lab.wire import answer

NAMES = [("XXBT", "XBT"), ("XETH", "ETH"), ("ZEUR", "EUR"), ("DASH", "DASH")]


def totals() -> dict[str, Decimal]:
    orders = KrakenOrders({})
    opening = orders.handshake()
    next(opening)
    with contextlib.suppress(StopIteration):
        opening.send(NAMES)
    found: dict[str, Decimal] = {}
    for balance in orders.balances().read(answer(load(__file__))):
        found[balance.asset] = found.get(balance.asset, Decimal(0)) + balance.total
    return found


def test_other_assets_are_as_they_are_named() -> None:
    assert totals()["EUR"] == Decimal(100)
    assert totals()["DASH"] == Decimal(4)


@pytest.mark.parametrize(
    ("asset", "total"),
    [
        pytest.param("BTC", "0.0020", id="XXBT and XBT.F"),
        pytest.param("ETH", "0.03", id="ETH.F without ETH.S"),
    ],
)
def test_a_holding_with_rewards_counts_as_the_asset(asset: str, total: str) -> None:
    assert totals().get(asset) == Decimal(total)
