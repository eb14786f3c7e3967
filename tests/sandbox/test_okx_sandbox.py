"""What OKX has announced or once did, which its sandbox does on request."""

import time
from collections.abc import Iterator

import pytest

import trochil
from orderbook.messages import BookState
from trochil.sandbox.process import SandboxProcess

PAIR = "BTC-USDT"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("okx", pairs=[PAIR], seed=3) as process:
        yield process


def test_a_book_lives_also_where_the_stream_begins_without_a_snapshot(
    sandbox: SandboxProcess,
) -> None:
    sandbox.admin("POST", "faults", {"withhold_snapshot": 1000})
    with trochil.connect("okx", pairs=[PAIR], config=sandbox.config, address="inline") as client:
        book = client.book("okx", PAIR)
        deadline = time.monotonic() + 15
        while book.state is not BookState.LIVE and time.monotonic() < deadline:
            time.sleep(0.01)
        assert book.state is BookState.LIVE
        assert sandbox.admin("GET", "status")["faults_done"]["withhold_snapshot"] == 1
