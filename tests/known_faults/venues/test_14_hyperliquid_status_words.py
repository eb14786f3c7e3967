"""Hyperliquid's 28 status words (JKorf/HyperLiquid.Net #68: unmapped rejections were read as
filled).

Right: each as documented; none as filled that isn't.
"""

import msgspec
import pytest

from exchanges.hyperliquid import OrderStatus
from tests.known_faults.lab import load

TOLD = load(__file__)


@pytest.mark.parametrize(("word", "state"), TOLD["words"].items())
def test_a_status_word_is_read_as_documented(word: str, state: str) -> None:
    row = TOLD["row"]
    told = {"order": row, "status": word, "statusTimestamp": row["statusTimestamp"]}
    assert str(msgspec.convert(told, OrderStatus).to_update().state) == state
