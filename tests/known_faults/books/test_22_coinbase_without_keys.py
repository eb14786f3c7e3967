"""Coinbase's usual feed needs keys; a newcomer connects without.

Right: the error names what the venue refused (or that keys are needed). Today, after the time-out:
"data_source is running; tracker is running".
"""

from typing import Any

import pytest

from tests.known_faults.lab import tried
from tests.known_faults.lab.deployment import deployment
from trochil.sandbox.process import SandboxProcess

WORDS = ("key", "auth", "login", "signature", "refus", "credential")


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a feed that needs keys and has none ends in a time-out that says all is running",
)
def test_the_error_names_the_refusal_or_the_keys() -> None:
    with SandboxProcess("coinbase", pairs=["BTC-USD"], rate=5) as sandbox:

        def top() -> Any:
            with deployment(sandbox, "BTC-USD") as client:
                return client.book("coinbase", "BTC-USD", timeout=8).top()

        _, said = tried(top)
    assert any(word in said.lower() for word in WORDS), said
