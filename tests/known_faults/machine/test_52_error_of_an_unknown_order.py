"""A program asks for an order that isn't there, and wants to catch that by its type.

Right: one error of the tree in trochil's public names, which says "not found"; not a venue's error,
since no venue was asked. Once OrderNotFound came out of a module inside, and was no name of
trochil.
"""

import pytest

import trochil
from tests.known_faults.lab.deployment import deployment
from trochil.sandbox.process import SandboxProcess


@pytest.fixture(scope="module")
def error() -> Exception | None:
    """What is raised for an order that isn't there."""
    with (
        SandboxProcess("binance", pairs=["BTC-USDT"], rate=5) as sandbox,
        deployment(sandbox, "BTC-USDT", keys=True) as client,
    ):
        market = client.market("binance")
        market.wait_ready(20)
        try:
            market.order("nope")
        except Exception as raised:
            return raised
    return None


@pytest.mark.slow
def test_an_unknown_order_is_an_error_of_ours(error: Exception | None) -> None:
    assert isinstance(error, trochil.TrochilError)


@pytest.mark.slow
def test_its_class_is_a_public_name(error: Exception | None) -> None:
    assert type(error) in vars(trochil).values()


@pytest.mark.slow
def test_its_name_says_not_found(error: Exception | None) -> None:
    assert "notfound" in type(error).__name__.lower()
