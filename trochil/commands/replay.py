"""``trochil replay``: recorded frames through real sockets and actors, and the resulting book."""

import contextlib
import json
import tempfile
import time
from typing import Any

from exchanges.contract import BookFeed
from exchanges.registry import get
from orderbook.errors import ConfigError, NotReady
from orderbook.messages import BookState
from trochil.client import Client, connect
from trochil.sandbox.process import SandboxError, SandboxProcess
from trochil.views import BookView

CHECK_EVERY = 0.02
SETTLED_AFTER = 1.0
QUIET_FOR = 60.0
"""Seconds without progress after which a replay is aborted."""


def run_replay(
    file: str, exchange: str, pair: str, speed: str, drop: str, inline: bool, feed: str = ""
) -> dict[str, Any]:
    """Replay a recording and describe the final book.

    ``feed``: another book of the venue than its default one. Raises ConfigError for a recording
    that can't be served, NotReady when the replay gets stuck.
    """
    options = {"replay": file, "pair": pair, "speed": speed, "drop": drop or None}
    with contextlib.ExitStack() as stack:
        try:
            sandbox = stack.enter_context(SandboxProcess(exchange, **options))
        except SandboxError as error:
            raise ConfigError(str(error)) from None
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="trochil-replay-"))
        venue = {"hosts": sandbox.hosts[exchange], "capacity": 16384, "feed": feed}
        config = {"deployment": "replay", "state_dir": folder, "venues": {exchange: venue}}
        accounts = (
            {exchange: f"file:{sandbox.keys_file}#default"} if wants_login(exchange, feed) else None
        )
        address = "inline" if inline else None
        client = connect(exchange, pairs=[pair], address=address, accounts=accounts, config=config)
        try:
            return _follow(client, sandbox, exchange, pair)
        finally:
            client.shutdown()


def wants_login(exchange: str, feed: str) -> bool:
    """Whether a venue's public feed requires a login."""
    return get(exchange).with_feed(feed).book.login is not BookFeed.login


def _follow(client: Client, sandbox: SandboxProcess, exchange: str, pair: str) -> dict[str, Any]:
    view = client.book(exchange, pair, timeout=60)
    progress = -1
    since = time.monotonic()
    while True:
        served = sandbox.admin("GET", "status")
        now = view.sequence + served["diffs_sent"] + served["withheld"]
        if now != progress:
            progress = now
            since = time.monotonic()
        quiet = time.monotonic() - since
        if served["finished"] and view.state is BookState.LIVE and _is_done(view, served, quiet):
            return describe(view)
        if quiet > QUIET_FOR:
            raise NotReady(
                f"the replay got stuck: book {view.state.name} at {view.update_id}, "
                f"server {json.dumps(served)}"
            )
        time.sleep(CHECK_EVERY)


def _is_done(view: BookView, served: dict[str, Any], quiet: float) -> bool:
    """Whether the book has reached the last update id.

    If the venue has no update ids: whether every frame sent was received, or none has arrived for
    a while. Frames sent before the tracker subscribed are part of the snapshot that it requested.
    """
    if served["last_update_id"]:
        return bool(view.update_id == served["last_update_id"])
    counted = view.counters
    received = counted["applied"] + counted["ignored"] + counted["dropped_before_snapshot"]
    return bool(received >= served["diffs_sent"]) or quiet > SETTLED_AFTER


def describe(view: BookView) -> dict[str, Any]:
    """The final book and its counters.

    ``digest``: sha256 over the levels as text (see BookView.digest).
    """
    book = view.snapshot(None)
    counted = view.counters
    names = ("applied", "dropped_before_snapshot", "gaps", "resyncs", "crossed")
    return {name: counted[name] for name in names} | {
        "best_bid": float(book.bids[0, 0]),
        "best_ask": float(book.asks[0, 0]),
        "bid_levels": len(book.bids),
        "ask_levels": len(book.asks),
        "digest": view.digest(),
    }
