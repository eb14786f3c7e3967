"""Hyperliquid's 28 status words (JKorf/HyperLiquid.Net #68: unmapped rejections were read as
filled).

Right: each as documented; none as filled that isn't.
"""

import pytest

from exchanges.hyperliquid import order_of
from tests.known_faults.lab import load

TOLD = load(__file__)


@pytest.mark.parametrize(("word", "state"), TOLD["words"].items())
def test_a_status_word_is_read_as_documented(word: str, state: str) -> None:
    assert str(order_of(TOLD["row"] | {"status": word}).state) == state
