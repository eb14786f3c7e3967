"""The demo: a local venue, every actor, live books, orders that rest, fill and get cancelled, and an honest summary."""

import contextlib
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from typing import Any

from rich.console import Console
from rich.live import Live

from orderbook.errors import NotReady, TrochilError
from trochil.client import Client, connect
from trochil.ladder import ladder
from trochil.market_handle import DONE, Order
from trochil.sandbox.process import SandboxProcess
from trochil.views import BookView

ACCOUNT = "default"
SETTLE_WITHIN = 15.0
SAMPLES = 100_000


class LatencyProbe(threading.Thread):
    """Measures, in this process, from the venue's sending to the level being readable in a book of another process."""

    def __init__(self, books: list[BookView]) -> None:
        super().__init__(name="latency", daemon=True)
        self._books, self._stop_asked = books, threading.Event()
        self.samples: list[float] = []

    def run(self) -> None:
        seen = {view: view.sequence for view in self._books}
        while not self._stop_asked.is_set():
            for view in self._books:
                sequence = view.sequence
                if sequence == seen[view]:
                    continue
                with contextlib.suppress(NotReady):
                    book = view.snapshot(1)
                    now = time.time_ns()
                    # Only a reading that is one step on: of a burst only the last was waited for.
                    if book.sequence == seen[view] + 1 and book.venue_time and len(self.samples) < SAMPLES:
                        self.samples.append((now - book.venue_time) / 1000)
                    sequence = book.sequence
                seen[view] = sequence
            self._stop_asked.wait(0.00002)

    def finish(self) -> dict[str, float]:
        self._stop_asked.set()
        self.join()
        ordered = sorted(self.samples)
        if not ordered:
            return {"p50": 0.0, "p99": 0.0, "n": 0}
        at = [ordered[min(int(len(ordered) * q), len(ordered) - 1)] for q in (0.5, 0.99)]
        return {"p50": round(at[0], 1), "p99": round(at[1], 1), "n": len(ordered)}


class Trader:
    """A seeded flow of orders: some rest, some are hit by the house, some take, some are refused or cancelled."""

    def __init__(self, client: Client, sandbox: SandboxProcess, venue: str, pairs: list[str], seed: int) -> None:
        self._client, self._sandbox, self._venue, self._pairs = client, sandbox, venue, pairs
        self._market = client.market(venue, account=ACCOUNT)
        self._random = random.Random(seed)
        self.orders: list[Order] = []
        self.was_partial: set[str] = set()
        self.errors: list[str] = []

    def wait_ready(self) -> None:
        self._market.wait_ready()

    def step(self) -> None:
        """One thing a trader does."""
        acts = (self._rest, self._be_hit, self._take, self._cross_post_only, self._cancel)
        act = self._random.choices(acts, weights=(4, 4, 3, 1, 3))[0]
        try:
            act(self._random.choice(self._pairs))
        except (TrochilError, TimeoutError) as error:
            self.errors.append(f"{type(error).__name__}: {error}")

    def _book(self, pair: str) -> BookView:
        return self._client.book(self._venue, pair)

    def _amount(self, pair: str) -> str:
        return {"BTC": "0.004", "ETH": "0.08", "SOL": "1.2"}.get(pair.split("-")[0], "1")

    def _price(self, price: float, pair: str) -> str:
        return f"{price:.2f}" if pair.endswith(("USDT", "USDC", "USD")) else f"{price:.5f}"

    def _rest(self, pair: str) -> None:
        top = self._book(pair).top()
        self.orders.append(self._market.buy(pair, self._amount(pair), self._price(top.bid * 0.98, pair), tag="demo"))

    def _be_hit(self, pair: str) -> None:
        """Rest at the best price; the house sells into it, first a part, later the rest."""
        top, amount = self._book(pair).top(), self._amount(pair)
        order = self._market.buy(pair, amount, self._price((top.bid + top.ask) / 2, pair), tag="demo")
        self.orders.append(order)
        order.wait("open", "partially_filled", "filled", timeout=10)
        part = str(order.amount / 4)
        self._sandbox.admin("POST", "trade", {"pair": pair, "side": "sell", "amount": part, "price": str(order.price)})
        if order.wait("partially_filled", "filled", timeout=10).state == "partially_filled":
            self.was_partial.add(order.client_id)
        if self._random.random() < 0.7:
            rest = {"pair": pair, "side": "sell", "amount": str(order.amount), "price": str(order.price)}
            self._sandbox.admin("POST", "trade", rest)

    def _take(self, pair: str) -> None:
        self.orders.append(self._market.sell(pair, self._amount(pair), type="market", tag="demo"))

    def _cross_post_only(self, pair: str) -> None:
        price = self._price(self._book(pair).top().ask * 1.01, pair)
        self.orders.append(self._market.buy(pair, self._amount(pair), price, post_only=True, tag="demo"))

    def _cancel(self, pair: str) -> None:
        open_orders = [order for order in self.orders[-40:] if not order.is_done]
        if open_orders:
            self._market.cancel(self._random.choice(open_orders))

    def settle(self) -> None:
        """Cancel what is left and wait until the venue has spoken on every order."""
        self._market.cancel_all()
        deadline = time.monotonic() + SETTLE_WITHIN
        for order in self.orders:
            try:
                order.wait(*DONE, timeout=max(0.1, deadline - time.monotonic()))
            except (TimeoutError, TrochilError) as error:
                self.errors.append(str(error))
            if order.filled and order.state == "cancelled":
                self.was_partial.add(order.client_id)

    def summary(self) -> dict[str, int]:
        states = Counter(order.state for order in self.orders)
        return {
            "placed": len(self.orders),
            "filled": states["filled"],
            "partially_filled": len(self.was_partial),
            "cancelled": states["cancelled"] + states["expired"],
            "rejected": states["rejected"],
            "open": sum(not order.is_done for order in self.orders),
            "unknown": sum(order.unknown for order in self.orders),
        }

    def fills(self) -> int:
        return int(self._market.fills().num_rows)

    def balances_match(self) -> bool:
        """The ledger against our view, compared in the venue's process; the last events may still be on their way."""
        deadline = time.monotonic() + SETTLE_WITHIN
        while True:
            ours = {asset: [str(b.total), str(b.available)] for asset, b in self._market.balances().items()}
            verdict = self._sandbox.admin("POST", "balances_match", {"account": ACCOUNT, "balances": ours})
            if verdict["match"] or time.monotonic() > deadline:
                if not verdict["match"]:
                    self.errors.append(f"balances differ: {verdict['differences']}")
                return bool(verdict["match"])
            time.sleep(0.1)


def run_demo(exchange: str, seconds: float, as_json: bool, inline: bool, seed: int = 1) -> int:
    """Run it; 0 when nothing was left unexplained."""
    console = Console(stderr=as_json)
    with SandboxProcess(exchange, seed=seed) as sandbox, tempfile.TemporaryDirectory(prefix="trochil-demo-") as folder:
        config = {
            "deployment": "demo",
            "state_dir": folder,
            "venues": {exchange: {"hosts": sandbox.hosts[exchange], "pairs": sandbox.pairs}},
        }
        started = time.monotonic()
        client = connect(
            exchange,
            address="inline" if inline else None,
            accounts={exchange: f"file:{sandbox.keys_file}#{ACCOUNT}"},
            config=config,
        )
        try:
            summary = _run(client, sandbox, exchange, seconds, console, started, as_json)
        finally:
            client.shutdown()
    print(json.dumps(summary)) if as_json else console.print(_explain(summary))
    return 1 if summary["errors"] or not summary["balances_match"] or summary["orders"]["unknown"] else 0


def _run(
    client: Client,
    sandbox: SandboxProcess,
    exchange: str,
    seconds: float,
    console: Console,
    started: float,
    plain: bool,
) -> dict[str, Any]:
    first = client.book(exchange, sandbox.pairs[0], timeout=60)
    console.print(f"first live book after {time.monotonic() - started:.1f} s: {first!r}")
    books = [client.book(exchange, pair, timeout=60) for pair in sandbox.pairs]
    trader = Trader(client, sandbox, exchange, sandbox.pairs, seed=7)
    trader.wait_ready()
    resyncs = {view.trading_pair: view.counters["resyncs"] for view in books}
    probe = LatencyProbe(books)
    probe.start()
    before, begun = sum(view.sequence for view in books), time.monotonic()
    live = Live(console=console, refresh_per_second=4) if sys.stdout.isatty() and not plain else None
    with live or contextlib.nullcontext():
        while time.monotonic() - begun < seconds:
            trader.step()
            if live is not None:
                live.update(ladder(books))
            time.sleep(0.05)
    updates = sum(view.sequence for view in books) - before
    took = time.monotonic() - begun
    latency = probe.finish()
    trader.settle()
    matches = trader.balances_match()
    for view in books:
        again = view.counters["resyncs"] - resyncs[view.trading_pair]
        if again:
            trader.errors.append(f"{view.trading_pair}: {again} resyncs that nobody asked for")
    return {
        "exchange": exchange,
        "pairs": {view.trading_pair: _describe(view) for view in books},
        "updates_per_s": round(updates / took, 1),
        "latency_us": latency,
        "orders": trader.summary(),
        "fills": trader.fills(),
        "balances_match": matches,
        "actors": {name: actor["pid"] for name, actor in client.status().actors.items()},
        "errors": trader.errors,
    }


def _describe(view: BookView) -> dict[str, Any]:
    top = view.top(stale_ok=True)
    counted = {"state": view.state.name, "epoch": view.epoch, "updates": view.sequence}
    return counted | {"best_bid": top.bid, "best_ask": top.ask}


def _explain(summary: dict[str, Any]) -> str:
    pairs = ", ".join(f"{pair} {found['state']} {found['updates']}" for pair, found in summary["pairs"].items())
    lines = [
        f"books: {pairs}; {summary['updates_per_s']} updates/s",
        f"venue to readable in another process: {summary['latency_us']}",
        f"orders: {summary['orders']}, {summary['fills']} fills, balances match: {summary['balances_match']}",
        f"actors: {summary['actors']}",
        f"errors: {summary['errors'] or 'none'}",
    ]
    return "\n".join(lines)
