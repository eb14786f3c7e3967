"""Kraken marks "fees" of a trade as conditional; some trades come without (askmike/gekko #2336).

Right: a trade that names no fee has paid none as far as we know: 0, not the fee of the trade before
it. Once the fee of the trade before was booked again.
"""

import contextlib
from decimal import Decimal

from exchanges.kraken import KrakenUser
from exchanges.orders import Fill
from tests.known_faults.lab import load
from tests.known_faults.lab.wire import encoded


def fills() -> list[Fill]:
    user = KrakenUser(None, {})
    opening = user.handshake()
    next(opening)
    with contextlib.suppress(StopIteration):
        opening.send("token")
    found = []
    for number, row in enumerate(load(__file__), 1):
        frame = {"channel": "executions", "type": "update", "data": [row], "sequence": number}
        found += [event for event in user.parse(encoded(frame)) if isinstance(event, Fill)]
    return found


def test_the_fee_that_a_trade_names_is_booked() -> None:
    assert fills()[0].fee == Decimal("0.138")


def test_a_trade_that_names_no_fee_has_paid_none() -> None:
    assert fills()[1].fee == 0
