"""A frame cut short that names no product, on a feed without numbers (Coinbase level2): whose
change was it?

Right (docs/architecture.md says so): the books of that connection are not believed until they are
resynchronised. Today the frame is counted as rejected, and the book stays LIVE in the same epoch.
"""

import time

import pytest

from tests.known_faults.lab.deployment import deployment
from trochil.sandbox.process import SandboxProcess

PAIR = "BTC-USD"


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="an unreadable frame that names no symbol breaks no book of a feed without numbers",
)
def test_a_frame_that_names_no_symbol_breaks_the_books_of_its_connection() -> None:
    with (
        SandboxProcess("coinbase", pairs=[PAIR], seed=3, rate=20) as sandbox,
        deployment(sandbox, PAIR, keys=True, venue={"feed": "level2"}) as client,
    ):
        view = client.book("coinbase", PAIR)
        epoch = view.epoch
        sandbox.admin("POST", "say", {"text": '{"type":"l2update","product_i'})
        time.sleep(2)
        assert view.epoch != epoch or view.state.name != "LIVE"
