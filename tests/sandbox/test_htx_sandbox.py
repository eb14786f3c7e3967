"""HTX in its sandbox: images, snapshots that come too old, cancels that come too late, its old
name."""

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

import trochil
from orderbook.messages import BookState
from trochil.sandbox.process import SandboxProcess

PAIR = "BTC-USDT"
PATIENCE = 15.0


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("htx", pairs=[PAIR], seed=5, rate=20) as process:
        yield process


def until(good: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not good():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def equals(sandbox: SandboxProcess, view: Any) -> bool:
    theirs = sandbox.admin("GET", f"book?pair={PAIR}")
    sides = ((view.bids, theirs["bids"]), (view.asks, theirs["asks"]))
    return all(
        ours.tolist() == [[float(p), float(s)] for p, s in levels][: len(ours)]
        for ours, levels in sides
    )


def connect(sandbox: SandboxProcess, name: str = "htx", **options: Any) -> trochil.Client:
    venue = sandbox.config["venues"]["htx"] | options
    config = sandbox.config | {"deployment": f"htx-{time.time_ns()}", "venues": {name: venue}}
    accounts = {name: f"file:{sandbox.keys_file}#default"}
    return trochil.connect(name, pairs=[PAIR], accounts=accounts, config=config, address="inline")


def test_images_make_the_venues_book_and_trades_come_beside_them(sandbox: SandboxProcess) -> None:
    with connect(sandbox, feed="step0") as client:
        view = client.book("htx", PAIR)
        before = view.counters["applied"]
        until(lambda: view.counters["applied"] > before + 3)
        assert next(client.trades("htx", PAIR)).price > 0
        sandbox.admin("POST", "flow", {"paused": True})
        try:
            until(lambda: equals(sandbox, view))
        finally:
            sandbox.admin("POST", "flow", {"paused": False})
        assert (view.counters["gaps"], view.counters["resyncs"]) == (0, 0)


def test_its_former_name_leads_to_it_everywhere(sandbox: SandboxProcess) -> None:
    with connect(sandbox, "huobi") as client:
        assert client.book("huobi", PAIR).state is BookState.LIVE
        assert client.book("htx", PAIR).state is BookState.LIVE
        assert PAIR in client.markets("huobi").index
        client.market("huobi").wait_ready(PATIENCE)


def test_a_snapshot_older_than_the_changes_is_asked_for_again(sandbox: SandboxProcess) -> None:
    with connect(sandbox) as client:
        view = client.book("htx", PAIR)
        epoch = view.epoch
        time.sleep(1.0)  # the last answer is older than what will be kept of the changes
        sandbox.admin("POST", "faults", {"stale_snapshot": 2})
        sandbox.admin("POST", "drop", {"pair": PAIR, "frames": 2})
        until(lambda: view.state is BookState.LIVE and view.epoch > epoch)
        assert sandbox.admin("GET", "status")["faults_done"]["stale_snapshot"] == 2
        sandbox.admin("POST", "flow", {"paused": True})
        try:
            until(lambda: equals(sandbox, view))
        finally:
            sandbox.admin("POST", "flow", {"paused": False})


def test_a_cancel_that_was_taken_is_none_yet_and_a_fill_may_come_between(
    sandbox: SandboxProcess,
) -> None:
    with connect(sandbox) as client:
        market = client.market("htx")
        market.wait_ready(PATIENCE)
        sandbox.admin("POST", "flow", {"paused": True})
        try:
            top = client.book("htx", PAIR).top()
            price = (Decimal(repr(top.bid)) + Decimal(repr(top.ask))) / 2
            order = market.buy(PAIR, "0.01", price.quantize(Decimal("0.01"))).wait(
                "open", timeout=PATIENCE
            )
            market.cancel(order)
            trade = {"pair": PAIR, "side": "sell", "amount": "0.004", "price": str(order.price)}
            sandbox.admin("POST", "trade", trade)
            order.wait("cancelled", "filled", timeout=PATIENCE)
            until(lambda: not order.refresh().status_unknown)
        finally:
            sandbox.admin("POST", "flow", {"paused": False})
        assert order.state == "cancelled"
        assert order.filled in (Decimal("0.004"), 0)
