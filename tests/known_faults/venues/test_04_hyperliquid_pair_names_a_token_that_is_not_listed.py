"""Hyperliquid's spot listing holds pairs whose tokens it doesn't list: 19 of them on its testnet.

(hyperliquid-dex/hyperliquid-python-sdk #275.) Right: those pairs are left out, the readable ones
are listed. Today a KeyError: no market of the venue can be read, so there is no book and no order
at all.
"""

import pytest

from exchanges.hyperliquid import HyperliquidBook
from tests.known_faults.lab import load, tried
from tests.known_faults.lab.wire import answer


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="one pair that names a token that isn't listed hides all markets of the venue",
)
def test_the_readable_pairs_are_listed() -> None:
    call = HyperliquidBook({}, "").trading_rules()
    rules, error = tried(lambda: call.read(answer(load(__file__))))
    assert not error
    assert sorted(rule.trading_pair for rule in rules) == ["HYPE-USDC", "PURR-USDC"]
