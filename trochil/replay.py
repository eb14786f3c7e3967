"""Recorded frames through real sockets and real actors, and what became of the book."""

import contextlib
import json
import tempfile
import time
from typing import Any

from orderbook.errors import ConfigError, NotReady
from orderbook.messages import BookState
from trochil.client import Client, connect
from trochil.sandbox.process import SandboxError, SandboxProcess
from trochil.views import BookView

LOOK_EVERY = 0.02
QUIET_FOR = 60.0
"""Seconds without progress after which a replay is given up."""


def run_replay(file: str, exchange: str, pair: str, speed: str, drop: str, inline: bool) -> dict[str, Any]:
    """Replay and describe. Raises ConfigError for a recording that can't be served, NotReady when it gets stuck."""
    options = {"replay": file, "pair": pair, "speed": speed, "drop": drop or None}
    with contextlib.ExitStack() as stack:
        try:
            sandbox = stack.enter_context(SandboxProcess(exchange, **options))
        except SandboxError as error:
            raise ConfigError(str(error)) from None
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="trochil-replay-"))
        hosts = {"hosts": sandbox.hosts[exchange], "capacity": 16384}
        config = {"deployment": "replay", "state_dir": folder, "venues": {exchange: hosts}}
        address = "inline" if inline else None
        client = connect(exchange, pairs=[pair], address=address, config=config)
        try:
            return _follow(client, sandbox, exchange, pair)
        finally:
            client.shutdown()


def _follow(client: Client, sandbox: SandboxProcess, exchange: str, pair: str) -> dict[str, Any]:
    view = client.book(exchange, pair, timeout=60)
    progress, since = -1, time.monotonic()
    while True:
        served = sandbox.admin("GET", "status")
        if served["finished"] and view.state is BookState.LIVE and view.update_id == served["last_update_id"]:
            return describe(view)
        now = view.sequence + served["diffs_sent"] + served["withheld"]
        if now != progress:
            progress, since = now, time.monotonic()
        if time.monotonic() - since > QUIET_FOR:
            raise NotReady(
                f"the replay got stuck: book {view.state.name} at {view.update_id}, server {json.dumps(served)}"
            )
        time.sleep(LOOK_EVERY)


def describe(view: BookView) -> dict[str, Any]:
    """The final book and its counters. ``digest``: sha256 over the levels as text (see BookView.digest)."""
    book, counted = view.snapshot(None), view.counters
    names = ("applied", "dropped_before_snapshot", "gaps", "resyncs", "crossed")
    return {name: counted[name] for name in names} | {
        "best_bid": float(book.bids[0, 0]),
        "best_ask": float(book.asks[0, 0]),
        "bid_levels": len(book.bids),
        "ask_levels": len(book.asks),
        "digest": view.digest(),
    }
