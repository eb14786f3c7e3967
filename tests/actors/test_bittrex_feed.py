"""Bittrex's book through faults: a sequence that restarts, a snapshot older than the stream."""

import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import trochil
from orderbook.errors import ConfigError
from orderbook.messages import BookState
from trochil.sandbox.process import SandboxProcess

pytestmark = pytest.mark.sandbox

PAIR = "BTC-USDT"


@pytest.fixture
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("bittrex", pairs=[PAIR], seed=5) as process:
        yield process


@pytest.fixture
def client(sandbox: SandboxProcess) -> Iterator[Any]:
    with trochil.connect(
        "bittrex", pairs=[PAIR], config=sandbox.config, address="inline"
    ) as joined:
        yield joined


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_sequence_that_begins_again_is_a_resync(sandbox: SandboxProcess, client: Any) -> None:
    view = client.book("bittrex", PAIR)
    epoch = view.epoch
    before = view.update_id
    sandbox.admin("POST", "faults", {"sequence_reset": 1})
    until(lambda: view.epoch > epoch and view.state is BookState.LIVE)
    assert 0 < view.update_id < before
    top = view.top()
    assert 0 < top.bid < top.ask


def test_a_snapshot_older_than_the_stream_is_requested_again(sandbox: SandboxProcess) -> None:
    sandbox.admin("POST", "faults", {"stale_snapshot": 2})
    with trochil.connect(
        "bittrex", pairs=[PAIR], config=sandbox.config, address="inline"
    ) as client:
        view = client.book("bittrex", PAIR)
        # Before the first change nothing tells that a snapshot is old: then the change itself does.
        until(lambda: sandbox.admin("GET", "status")["faults_done"]["stale_snapshot"] == 2)
        until(lambda: view.state is BookState.LIVE and view.update_id > 1)


def test_who_connects_to_the_closed_venue_itself_is_told_so() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.raises(ConfigError, match="bittrex is closed.*sandbox"),
    ):
        trochil.connect("bittrex", pairs=[PAIR], config={"state_dir": folder}, address="inline")
