"""Hyperliquid's spot listing holds pairs whose tokens it doesn't list: 19 of them on its testnet.

(hyperliquid-dex/hyperliquid-python-sdk #275.) Right: those pairs are left out, the readable ones
are listed. Once a KeyError: no market of the venue could be read, so there was no book and no order
at all.
"""

from exchanges.hyperliquid import HyperliquidBook
from tests.known_faults.lab import load, tried
from tests.known_faults.lab.wire import answer


def test_the_readable_pairs_are_listed() -> None:
    call = HyperliquidBook({}, "").trading_rules()
    rules, error = tried(lambda: call.read(answer(load(__file__))))
    assert not error
    assert sorted(rule.trading_pair for rule in rules) == ["HYPE-USDC", "PURR-USDC"]
