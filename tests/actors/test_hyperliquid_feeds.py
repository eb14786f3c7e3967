"""Hyperliquid's other books over real sockets: perpetuals by snapshots, and orders from a node."""

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

import trochil
from orderbook.messages import BookState
from trochil.sandbox.process import SandboxProcess
from trochil.views import BookView

pytestmark = pytest.mark.sandbox

WITHIN = 15.0


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("hyperliquid", pairs=["BTC-USDC", "ETH-USDC"], seed=5, rate=50) as process:
        yield process


@pytest.fixture(params=["perps", "l4Book"])
def feed(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def view(sandbox: SandboxProcess, feed: str) -> Iterator[BookView]:
    config = sandbox.config | {"deployment": f"hyperliquid-{feed}"}
    config["venues"]["hyperliquid"]["feed"] = feed
    with trochil.connect(
        "hyperliquid", pairs=["BTC-USD"], config=config, address="inline"
    ) as client:
        found = client.book("hyperliquid", "BTC-USD")
        until(lambda: found.state is BookState.LIVE, "a LIVE book")
        yield found


def until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < deadline, f"not within {WITHIN:g} s: {what}"
        time.sleep(0.01)


def equals_the_venue(sandbox: SandboxProcess, view: BookView) -> bool:
    theirs = sandbox.admin("GET", "book?pair=BTC-USDC")
    for name, ours in (("bids", view.bids), ("asks", view.asks)):
        levels = np.array(theirs[name], np.float64).reshape(-1, 2)[: len(ours)]
        if len(ours) < 5 or levels.shape != ours.shape or not np.allclose(levels, ours, 1e-12, 0):
            return False
    return True


def must_equal_the_venue(sandbox: SandboxProcess, view: BookView) -> None:
    sandbox.admin("POST", "flow", {"paused": True})
    try:
        until(
            lambda: view.state is BookState.LIVE and equals_the_venue(sandbox, view),
            "our book equal to the venue's",
        )
    finally:
        sandbox.admin("POST", "flow", {"paused": False})


def test_a_perpetual_s_book_equals_the_venue_s(
    sandbox: SandboxProcess, view: BookView, feed: str
) -> None:
    before = view.counters["applied"]
    until(lambda: view.counters["applied"] > before + 20, "twenty changes")
    must_equal_the_venue(sandbox, view)
    assert len(view.bids) > 20 if feed == "l4Book" else len(view.bids) == 20
    assert view.counters["gaps"] == view.counters["rejected"] == 0


@pytest.mark.parametrize("feed", ["l4Book"], indirect=True)
def test_a_lost_block_is_noticed_and_mended(
    sandbox: SandboxProcess, view: BookView, feed: str
) -> None:
    def noticed() -> bool:
        sandbox.admin("POST", "drop", {"pair": "BTC-USDC", "frames": 1})
        time.sleep(0.3)
        return view.counters["gaps"] > 0

    until(noticed, "the loss noticed")
    until(lambda: view.state is BookState.LIVE, "a LIVE book again")
    must_equal_the_venue(sandbox, view)


@pytest.mark.parametrize("feed", ["l4Book"], indirect=True)
def test_frames_that_come_twice_change_nothing(
    sandbox: SandboxProcess, view: BookView, feed: str
) -> None:
    sandbox.admin("POST", "faults", {"duplicate_frame": 30})
    until(
        lambda: sandbox.admin("GET", "status")["faults_done"].get("duplicate_frame", 0) >= 30,
        "30 doubles",
    )
    must_equal_the_venue(sandbox, view)
    assert view.counters["gaps"] == view.counters["rejected"] == 0


@pytest.mark.parametrize("feed", ["l4Book"], indirect=True)
def test_a_reconnect_begins_again(sandbox: SandboxProcess, view: BookView, feed: str) -> None:
    epoch = view.epoch
    sandbox.admin("POST", "disconnect", {"which": "public"})
    until(lambda: view.epoch > epoch and view.state is BookState.LIVE, "a new epoch")
    must_equal_the_venue(sandbox, view)


@pytest.mark.parametrize("feed", ["perps"], indirect=True)
def test_a_perpetual_s_rules_have_five_digits(view: BookView, feed: str) -> None:
    top = view.top()
    for price in (top.bid, top.ask):
        assert len(Decimal(repr(price)).normalize().as_tuple().digits) <= 5


# The fast book, of spot pairs.


def test_the_fast_book_has_the_venue_s_five_best_levels(sandbox: SandboxProcess) -> None:
    config = sandbox.config | {"deployment": "hyperliquid-fast"}
    config["venues"]["hyperliquid"]["feed"] = "fast"
    options = {"config": config, "address": "inline"}
    with trochil.connect("hyperliquid", pairs=["BTC-USDC"], **options) as client:
        view = client.book("hyperliquid", "BTC-USDC")
        until(lambda: view.counters["applied"] > 3, "some images")
        must_equal_the_venue(sandbox, view)
        assert (len(view.bids), len(view.asks)) == (5, 5)
