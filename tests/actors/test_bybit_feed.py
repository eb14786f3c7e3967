"""Bybit's book through a restart of the service: its numbers begin again with a whole window."""

import time
from collections.abc import Callable
from typing import Any

import pytest

import trochil
from orderbook.messages import BookState
from trochil.sandbox.process import SandboxProcess

pytestmark = pytest.mark.sandbox
PAIR = "BTC-USDT"


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def equals(sandbox: SandboxProcess, view: Any) -> bool:
    theirs = sandbox.admin("GET", f"book?pair={PAIR}")
    sides = ((view.bids, theirs["bids"]), (view.asks, theirs["asks"]))
    return all(
        ours.tolist() == [[float(p), float(s)] for p, s in levels][: len(ours)]
        for ours, levels in sides
    )


def test_numbers_that_begin_again_bring_the_whole_book_and_no_gap() -> None:
    with (
        SandboxProcess("bybit", pairs=[PAIR], seed=5) as sandbox,
        trochil.connect("bybit", pairs=[PAIR], config=sandbox.config, address="inline") as client,
    ):
        view = client.book("bybit", PAIR)
        until(lambda: view.state is BookState.LIVE and view.update_id > 300)
        gaps = view.counters["gaps"]
        before = view.update_id
        sandbox.admin("POST", "faults", {"sequence_reset": 1})
        until(lambda: view.update_id < before)
        sandbox.admin("POST", "flow", {"paused": True})
        until(lambda: equals(sandbox, view))
        assert (view.state, view.counters["gaps"]) == (BookState.LIVE, gaps)
