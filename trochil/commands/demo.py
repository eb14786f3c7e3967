"""The demo: local venues, every actor, live books, orders that rest, fill and get cancelled, and an honest summary."""

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
from trochil.client import Client, connect
from trochil.commands.demo_probe import LatencyProbe
from trochil.commands.demo_trader import ACCOUNT, Trader
from trochil.commands.ladder import ladder
from trochil.sandbox.process import SandboxProcess
from trochil.views import BookView

ALL = "all"
RATE, RATE_OF_MANY = 50.0, 8.0
"""Flow events a second and pair of a venue alone, and of one of many on this machine."""
CPUS_OF_MANY = 0.02
LIVE_WITHIN, LIVE_WITHIN_OF_MANY = 60.0, 240.0
READY_WITHIN = 120.0


def run_demo(exchange: str, seconds: float, as_json: bool, inline: bool, seed: int = 1) -> int:
    """Run it at one venue, or at "all"; 0 when nothing was left unexplained."""
    console, venues = Console(stderr=as_json), names() if exchange == ALL else [exchange]
    started = time.monotonic()
    with _sandboxes(venues, seed) as sandboxes, _client(sandboxes, inline) as client:
        summary = _run(client, sandboxes, seconds, console, started, as_json)
    if exchange != ALL:
        summary = _alone(summary, exchange)
    print(json.dumps(summary)) if as_json else console.print(_explain(summary))
    return (
        1
        if summary["errors"] or not summary["balances_match"] or summary["orders"]["unknown"]
        else 0
    )


@contextlib.contextmanager
def _sandboxes(venues: list[str], seed: int) -> Iterator[list[SandboxProcess]]:
    rate = RATE if len(venues) == 1 else RATE_OF_MANY
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(SandboxProcess(name, seed=seed, rate=rate)) for name in venues]


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
    probe, before, begun = (
        LatencyProbe(every),
        {view: view.sequence for view in every},
        time.monotonic(),
    )
    probe.start()
    _trade(list(traders.values()), begun + seconds, every, console, plain)
    took, latency = time.monotonic() - begun, probe.finish()
    updates = {view: view.sequence - before[view] for view in every}
    settled = {name: _settle(trader, books[name], resyncs) for name, trader in traders.items()}
    for name, found in settled.items():
        found["updates_per_s"] = round(sum(updates[view] for view in books[name]) / took, 1)
    return _together(settled) | {
        "latency_us": latency,
        "actors": {name: actor["pid"] for name, actor in client.status().actors.items()},
    }


def _trade(
    traders: list[Trader], deadline: float, books: list[BookView], console: Console, plain: bool
) -> None:
    """All traders at once, one thread each; a live ladder meanwhile, where there is a terminal."""
    threads = [threading.Thread(target=trader.trade_until, args=(deadline,)) for trader in traders]
    for thread in threads:
        thread.start()
    live = (
        Live(console=console, refresh_per_second=4) if sys.stdout.isatty() and not plain else None
    )
    with live or contextlib.nullcontext():
        while any(thread.is_alive() for thread in threads):
            if live is not None:
                live.update(ladder(books[:8]))
            time.sleep(0.25)


def _settle(trader: Trader, books: list[BookView], resyncs: dict[BookView, int]) -> dict[str, Any]:
    """What became of one venue's orders and books."""
    trader.settle()
    matches = trader.balances_match()
    for view in books:
        again = view.counters["resyncs"] - resyncs[view]
        if again:
            trader.errors.append(
                f"{view.venue} {view.trading_pair}: {again} resyncs that nobody asked for"
            )
    return {
        "pairs": {view.trading_pair: _describe(view) for view in books},
        "orders": trader.summary(),
        "fills": trader.fills(),
        "balances_match": matches,
        "errors": trader.errors,
    }


def _together(settled: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The venues' figures, and their sums."""
    found = list(settled.values())
    return {
        "exchange": ALL,
        "exchanges": settled,
        "pairs": {
            f"{name}/{pair}": told
            for name, one in settled.items()
            for pair, told in one["pairs"].items()
        },
        "updates_per_s": round(sum(one["updates_per_s"] for one in found), 1),
        "orders": {what: sum(one["orders"][what] for one in found) for what in found[0]["orders"]},
        "fills": sum(one["fills"] for one in found),
        "balances_match": all(one["balances_match"] for one in found),
        "errors": [error for one in found for error in one["errors"]],
    }


def _alone(summary: dict[str, Any], exchange: str) -> dict[str, Any]:
    """The summary of a demo at one venue: its pairs by their own names."""
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
        f"orders: {summary['orders']}, {summary['fills']} fills, balances match: {summary['balances_match']}",
        f"actors: {summary['actors']}",
        f"errors: {summary['errors'] or 'none'}",
    ]
    return "\n".join(lines)
