"""Coinbase: status "done" with done_reason "canceled" (ccxt/ccxt #10330: read as filled). Right:
cancelled.
"""

import msgspec

from exchanges.coinbase import OrderRow
from tests.known_faults.lab import load


def test_done_with_the_reason_canceled_is_cancelled() -> None:
    assert str(msgspec.convert(load(__file__), OrderRow).to_update().state) == "cancelled"
