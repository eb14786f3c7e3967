"""A tracker fails and is put up again, while a program waits for changes of its book by changes(),
updates() and wait().

Right: each of the three goes on within 10 s of the new tracker's book being LIVE. Today: 20
wake-ups before, one at the end of the old tracker, then none: the waiting reader looks at the dead
file for ever, unless somebody asks the view for its state.
"""

import contextlib
import threading
import time
from typing import Any

import pytest

from tests.known_faults.lab import given
from tests.known_faults.lab.deployment import crash, deployment
from trochil.sandbox.process import SandboxProcess

PAIR = "BTC-USDT"


def follow(way: str, client: Any, view: Any, woken: list[float], over: threading.Event) -> None:
    with contextlib.suppress(Exception):  # the client is closed under it at the end
        if way == "wait":
            while not over.is_set():
                before = view.reader.version
                if view.wait(before, timeout=5) != before:
                    woken.append(time.monotonic())
        for _ in client.changes(view) if way == "changes" else view.updates():
            woken.append(time.monotonic())
            if over.is_set():
                return


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a reader that waits for changes looks at the dead tracker's file for ever",
)
@pytest.mark.parametrize("way", ["changes", "updates", "wait"])
def test_a_waiting_reader_goes_on_after_its_tracker_began_again(way: str) -> None:
    woken: list[float] = []
    over = threading.Event()
    with (
        SandboxProcess("binance", pairs=[PAIR], seed=3, rate=100) as sandbox,
        deployment(sandbox, PAIR) as client,
    ):
        view = client.book("binance", PAIR)
        threading.Thread(target=follow, args=(way, client, view, woken, over), daemon=True).start()
        time.sleep(1.5)
        before = len(woken)
        crash(client, "order_book_tracker/binance/0")
        time.sleep(9)
        after = sum(at > time.monotonic() - 4 for at in woken)
        over.set()
    given(before, "it was woken before")
    assert after, f"{before} wake-ups before, none in the last 4 s"
