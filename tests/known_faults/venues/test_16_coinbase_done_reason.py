"""Coinbase: status "done" with done_reason "canceled" (ccxt/ccxt #10330: read as filled). Right:
cancelled.
"""

from exchanges.coinbase import order_of
from tests.known_faults.lab import load


def test_done_with_the_reason_canceled_is_cancelled() -> None:
    assert str(order_of(load(__file__)).state) == "cancelled"
