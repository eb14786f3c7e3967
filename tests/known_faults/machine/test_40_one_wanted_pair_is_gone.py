"""One pair of the configuration is not listed any more (ccxt/ccxt #20131).

Right: the listed pair works; the missing one is named to whoever asks for it. Today connect raises
BadPair for the whole list. (A judgement: it is named, and may be meant.)
"""

from typing import Any

import pytest

from tests.known_faults.lab import tried
from tests.known_faults.lab.deployment import deployment
from trochil.sandbox.process import SandboxProcess


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="one pair that isn't listed any more keeps the whole deployment from coming up",
)
def test_the_listed_pair_works_and_the_missing_one_is_named() -> None:
    with SandboxProcess("binance", pairs=["BTC-USDT"], rate=5) as sandbox:

        def both() -> tuple[Any, str]:
            with deployment(sandbox, "BTC-USDT", "LUNA-USDT") as client:
                top = client.book("binance", "BTC-USDT", timeout=15).top()
                _, error = tried(lambda: client.book("binance", "LUNA-USDT", timeout=5).top())
                return top, error

        found, error = tried(both)
    assert not error
    top, missing = found
    assert top is not None
    assert "LUNA" in missing
