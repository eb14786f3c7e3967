"""The demo: local venues, every actor, live books, orders that rest, fill or get cancelled."""

import contextlib
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.live import Live

from exchanges.registry import names
from orderbook.errors import ConfigError
from trochil.client import Client, connect
from trochil.commands.demo_probe import LatencyProbe
from trochil.commands.demo_trader import ACCOUNT, Trader
from trochil.commands.ladder import ladder
from trochil.sandbox.process import SandboxError, SandboxProcess
from trochil.views import BookView

ALL = "all"
RATE = 50.0
"""Flow events per second and pair of a single venue."""
RATE_OF_MANY = 8.0
"""The same when many venues run on this machine."""
CPUS_OF_MANY = 0.02
LIVE_WITHIN = 60.0
LIVE_WITHIN_OF_MANY = 240.0
READY_WITHIN = 120.0


def run_demo(exchange: str, seconds: float, as_json: bool, inline: bool, seed: int = 1) -> int:
    """Run the demo at one venue, or at "all"; returns 0 if everything was consistent.

    Raises ConfigError for a local venue that can't start, with its reason.
    """
    console = Console(stderr=as_json)
    venues = names() if exchange == ALL else [exchange]
    started = time.monotonic()
    with _sandboxes(venues, seed) as sandboxes, _client(sandboxes, inline) as client:
        summary = _run(client, sandboxes, seconds, console, started, as_json)
    if exchange != ALL:
        summary = _of_one_venue(summary, exchange)
    if as_json:
        print(json.dumps(summary))
    else:
        console.print(_explain(summary))
    if summary["errors"] or not summary["balances_match"] or summary["orders"]["unknown"]:
        return 1
    return 0


@contextlib.contextmanager
def _sandboxes(venues: list[str], seed: int) -> Iterator[list[SandboxProcess]]:
    rate = RATE if len(venues) == 1 else RATE_OF_MANY
    with contextlib.ExitStack() as stack:
        try:
            started = [
                stack.enter_context(SandboxProcess(name, seed=seed, rate=rate)) for name in venues
            ]
        except SandboxError as error:
            raise ConfigError(str(error)) from None
        yield started


@contextlib.contextmanager
def _client(sandboxes: list[SandboxProcess], inline: bool) -> Iterator[Client]:
    with tempfile.TemporaryDirectory(prefix="trochil-demo-") as folder:
        config: dict[str, Any] = {"deployment": "demo", "state_dir": folder}
        config["venues"] = {
            s.exchange: {"hosts": s.hosts[s.exchange], "pairs": s.pairs} for s in sandboxes
        }
        config |= {"actor_cpus": CPUS_OF_MANY} if len(sandboxes) > 1 else {}
        keys = {s.exchange: f"file:{s.keys_file}#{ACCOUNT}" for s in sandboxes}
        client = connect(*keys, address="inline" if inline else None, accounts=keys, config=config)
        try:
            yield client
        finally:
            client.shutdown()


def _run(
    client: Client,
    sandboxes: list[SandboxProcess],
    seconds: float,
    console: Console,
    started: float,
    plain: bool,
) -> dict[str, Any]:
    first = client.book(sandboxes[0].exchange, sandboxes[0].pairs[0], timeout=LIVE_WITHIN)
    console.print(f"first live book after {time.monotonic() - started:.1f} s: {first!r}")
    within = LIVE_WITHIN if len(sandboxes) == 1 else LIVE_WITHIN_OF_MANY
    books = {
        s.exchange: [client.book(s.exchange, pair, timeout=within) for pair in s.pairs]
        for s in sandboxes
    }
    traders = {s.exchange: Trader(client, s, seed=7) for s in sandboxes}
    for trader in traders.values():
        trader.wait_ready(READY_WITHIN)
    console.print(f"all books live and all markets ready after {time.monotonic() - started:.1f} s")
    every = [view for views in books.values() for view in views]
    resyncs = {view: view.counters["resyncs"] for view in every}
    probe = LatencyProbe(every)
    before = {view: view.sequence for view in every}
    begun = time.monotonic()
    probe.start()
    _trade(list(traders.values()), begun + seconds, every, console, plain)
    took = time.monotonic() - begun
    latency = probe.finish()
    updates = {view: view.sequence - before[view] for view in every}
    settled = {name: _settle(trader, books[name], resyncs) for name, trader in traders.items()}
    for name, found in settled.items():
        found["updates_per_s"] = round(sum(updates[view] for view in books[name]) / took, 1)
    return _summed(settled) | {
        "latency_us": latency,
        "actors": {name: actor["pid"] for name, actor in client.status().actors.items()},
    }


def _trade(
    traders: list[Trader], deadline: float, books: list[BookView], console: Console, plain: bool
) -> None:
    """Run all traders, one thread each; on a terminal, show a live ladder meanwhile."""
    threads = [threading.Thread(target=trader.trade_until, args=(deadline,)) for trader in traders]
    for thread in threads:
        thread.start()
    shows_ladder = sys.stdout.isatty() and not plain
    live = Live(console=console, refresh_per_second=4) if shows_ladder else None
    with live or contextlib.nullcontext():
        while any(thread.is_alive() for thread in threads):
            if live is not None:
                live.update(ladder(books[:8]))
            time.sleep(0.25)


def _settle(trader: Trader, books: list[BookView], resyncs: dict[BookView, int]) -> dict[str, Any]:
    """The outcome of one venue's orders and books."""
    trader.settle()
    matches = trader.balances_match()
    for view in books:
        unexpected = view.counters["resyncs"] - resyncs[view]
        if unexpected:
            trader.errors.append(
                f"{view.venue} {view.trading_pair}: {unexpected} unexpected resyncs"
            )
    return {
        "pairs": {view.trading_pair: _describe(view) for view in books},
        "orders": trader.summary(),
        "fills": trader.fills(),
        "balances_match": matches,
        "errors": trader.errors,
    }


def _summed(settled: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The figures of every venue, and their sums."""
    found = list(settled.values())
    return {
        "exchange": ALL,
        "exchanges": settled,
        "pairs": {
            f"{name}/{pair}": figures
            for name, one in settled.items()
            for pair, figures in one["pairs"].items()
        },
        "updates_per_s": round(sum(one["updates_per_s"] for one in found), 1),
        "orders": {what: sum(one["orders"][what] for one in found) for what in found[0]["orders"]},
        "fills": sum(one["fills"] for one in found),
        "balances_match": all(one["balances_match"] for one in found),
        "errors": [error for one in found for error in one["errors"]],
    }


def _of_one_venue(summary: dict[str, Any], exchange: str) -> dict[str, Any]:
    """The summary of a demo at one venue, without the venue's name before its pairs."""
    one = summary.pop("exchanges")[exchange]
    return summary | {"exchange": exchange, "pairs": one["pairs"]}


def _describe(view: BookView) -> dict[str, Any]:
    top = view.top(stale_ok=True)
    counted = {"state": view.state.name, "epoch": view.epoch, "updates": view.sequence}
    return counted | {"best_bid": top.bid, "best_ask": top.ask}


def _explain(summary: dict[str, Any]) -> str:
    pairs = ", ".join(
        f"{pair} {found['state']} {found['updates']}" for pair, found in summary["pairs"].items()
    )
    lines = [
        f"books: {pairs}; {summary['updates_per_s']} updates/s",
        f"venue to readable in another process: {summary['latency_us']}",
        *(f"{name}: {one['orders']}" for name, one in summary.get("exchanges", {}).items()),
        f"orders: {summary['orders']}, {summary['fills']} fills, "
        f"balances match: {summary['balances_match']}",
        f"actors: {summary['actors']}",
        f"errors: {summary['errors'] or 'none'}",
    ]
    return "\n".join(lines)
