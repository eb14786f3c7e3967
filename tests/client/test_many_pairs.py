"""200 pairs of one venue in four shards, at a sandbox that counts as the venue documents it."""

import math
import time
from pathlib import Path
from typing import Any

import pytest

import trochil
from actors.books.feed_connection import MIN_SEND_INTERVAL
from actors.transport.rate_limits import PUBLIC_SHARE, STEPS
from exchanges import registry
from exchanges.contract import FRAMES, Exchange
from tests.known_faults.lab import until
from trochil.sandbox.process import SandboxProcess

PAIRS = 200
SHARD = 50
SHARDS = PAIRS // SHARD
QUOTES = {
    "binance": "USDT",
    "coinbase": "USD",
    "htx": "USDT",
    "hyperliquid": "USDC",
    "kraken": "USD",
}
SPARE = 90.0
"""Seconds beyond the bound: processes start, books are built, two cores are shared with others."""


def used_by_all(exchange: Exchange) -> dict[str, int]:
    """What the start of all shards uses of each limit."""
    feed = exchange.book({}, "")
    used: dict[str, int] = {FRAMES: frames_of_shard(exchange) * SHARDS}
    snapshot = feed.snapshot("A0")
    calls = [feed.trading_rules()] * SHARDS
    for call in [*calls, *([snapshot] * PAIRS if snapshot is not None else [])]:
        for name, cost in call.request.cost.items():
            used[name] = used.get(name, 0) + cost
    return used


def frames_of_shard(exchange: Exchange) -> int:
    """That subscribe one shard on its busiest connection, and ask for its snapshots there."""
    symbols = [f"A{number}" for number in range(SHARD)]
    feeds = [exchange.book({}, stream) for stream in exchange.book.streams]
    most = max(len(list(feed.subscribe(symbols))) for feed in feeds)
    asked = [frame for it in symbols for frame in feeds[0].request_snapshot([it])]
    return most + (len(asked) if exchange.book.snapshot_on_request else 0)


def bound_of(exchange: Exchange) -> float:
    """Seconds within which the declared limits let all shards begin."""
    used = used_by_all(exchange)
    bounds = [frames_of_shard(exchange) * MIN_SEND_INTERVAL]
    for limit in exchange.limits:
        if limit.amount and limit.name in used:
            share = 1.0 if limit.name == FRAMES else PUBLIC_SHARE
            windows = math.ceil(used[limit.name] / int(limit.amount * share)) - 1
            bounds.append(windows * limit.per * (1 + 1 / STEPS))
    return max(bounds)


@pytest.mark.sandbox
@pytest.mark.slow
@pytest.mark.parametrize("venue", QUOTES)
def test_all_are_live_as_soon_as_the_limits_allow_and_nothing_is_refused(
    venue: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [f"A{number}-{QUOTES[venue]}" for number in range(PAIRS)]
    bound = bound_of(registry.get(venue))
    with SandboxProcess(venue, limits="documented", rate=0.2, pairs=pairs) as sandbox:
        settings: dict[str, Any] = {"hosts": sandbox.hosts[venue], "capacity": 256}
        settings |= {"pairs": pairs, "pairs_per_shard": SHARD}
        if venue == "coinbase":
            settings["accounts"] = {"default": f"file:{sandbox.keys_file}#default"}
        config = {"state_dir": str(tmp_path), "venues": {venue: settings}}
        began = time.monotonic()
        with trochil.connect(config=config, address="inline") as client:

            def live() -> int:
                return sum(view.state.name == "LIVE" for view in client.books())

            until(lambda: live() == PAIRS, bound + SPARE, every=0.5)
            took = time.monotonic() - began
            all_live = live()
        limits = sandbox.admin("GET", "status")["limits"]
    with capsys.disabled():
        print(f"\n{venue}: {all_live} LIVE after {took:.1f} s, bound {bound:.1f} s; {limits}")
    assert limits["refused"] == {}
    assert all_live == PAIRS
