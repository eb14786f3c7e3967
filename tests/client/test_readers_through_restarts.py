"""Whoever waits for changes, diffs or trades goes on when the tracker is restarted.

A book that is made of diffs is the published one at every number that both were seen at.
"""

import contextlib
import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import trochil
from tests.conftest import deployment
from tests.known_faults.lab.deployment import crash, parts
from tests.support import report
from trochil import NotReady
from trochil.records import Break, Diff, EpochChange, StateChange
from trochil.sandbox.process import SandboxProcess

RESTARTS = int(os.environ.get("TROCHIL_RESTARTS", "25"))
PAIR = "BTC-USDT"
BACK_WITHIN = 60.0
Digests = dict[tuple[int, int], str]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
FEEDS = [
    ("binance", "", {"capacity": 64}),  # a capacity that drops levels
    ("bybit", "50", {}),  # a window
    ("hyperliquid", "", {}),  # images
    ("hyperliquid", "l4Book", {}),  # every order
]


def digest(bids: dict[float, float], asks: dict[float, float]) -> str:
    text = repr((sorted(bids.items()), sorted(asks.items())))
    return hashlib.sha256(text.encode()).hexdigest()


class Readers:
    """Threads that read a book in five ways, and one that looks at it all the time."""

    def __init__(self, client: Any, venue: str, pair: str) -> None:
        self.venue = venue
        self.pair = pair
        self.client = client
        self.view = client.book(venue, pair)
        self.over = threading.Event()
        self.woken = {"changes": 0, "updates": 0, "wait": 0, "diffs": 0, "trades": 0}
        self.breaks = {"diffs": 0, "trades": 0}
        self.copied: Digests = {}
        self.seen: Digests = {}
        self.unjoined: list[str] = []
        ways: list[Callable[[], None]] = [
            lambda: self._count("changes", client.changes(self.view)),
            lambda: self._count("updates", self.view.updates()),
            self._wait,
            self._diffs,
            self._trades,
            self._look,
        ]
        self._threads = [threading.Thread(target=self._quietly, args=(way,)) for way in ways]
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def _quietly(self, way: Callable[[], None]) -> None:
        with contextlib.suppress(trochil.TrochilError):  # the client is closed under it at the end
            way()

    def _count(self, way: str, source: Iterator[Any]) -> None:
        for _ in source:
            self.woken[way] += 1
            if self.over.is_set():
                return

    def _wait(self) -> None:
        version = self.view.reader.version
        while not self.over.is_set():
            now = self.view.wait(version, timeout=1.0)
            self.woken["wait"] += now != version
            version = now

    def _trades(self) -> None:
        for item in self.client.trades(self.venue, self.pair):
            if isinstance(item, Break):
                self.breaks["trades"] += 1
            else:
                self.woken["trades"] += 1
            if self.over.is_set():
                return

    def _diffs(self) -> None:
        bids: dict[float, float] = {}
        asks: dict[float, float] = {}
        last: Any = Break("the beginning")
        number = (0, 0)
        for item in self.view.diffs():
            self.woken["diffs"] += 1
            if isinstance(item, Break):
                self.breaks["diffs"] += 1
            elif isinstance(item, Diff | StateChange):
                before = number
                number = (item.epoch, item.sequence)
                joins = number == (before[0], before[1] + 1) or isinstance(
                    last, Break | EpochChange
                )
                image = isinstance(item, Diff) and item.snapshot
                if not joins and not image:
                    self.unjoined.append(f"{before} then {number}")
                if isinstance(item, Diff):
                    apply(item, bids, asks)
                self.copied[number] = digest(bids, asks)
            last = item
            if self.over.is_set():
                return

    def _look(self) -> None:
        while not self.over.is_set():
            with contextlib.suppress(NotReady):
                book = self.view.snapshot(None, stale_ok=True)
                sides = (dict(book.bids.tolist()), dict(book.asks.tolist()))
                self.seen[book.epoch, book.sequence] = digest(*sides)
            time.sleep(0.003)

    def until_all_woken(self) -> None:
        """Every one of the five hears of something that happens from now on."""
        before = dict(self.woken)
        deadline = time.monotonic() + BACK_WITHIN
        while any(self.woken[way] == before[way] for way in self.woken):
            silent = [way for way in self.woken if self.woken[way] == before[way]]
            if time.monotonic() > deadline:
                status = self.client.status()
                pytest.fail(f"{silent} hear nothing any more\n{status}\n{status.actors}")
            time.sleep(0.02)

    def until_told(self, before: dict[str, int]) -> None:
        """Both that could have missed something were told so since ``before``."""
        deadline = time.monotonic() + BACK_WITHIN
        while any(self.breaks[way] == before[way] for way in self.breaks):
            assert time.monotonic() < deadline, f"no Break: {self.breaks}"
            time.sleep(0.01)

    def judge(self, restarts: int, what: str) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join(10)
        assert self.breaks["diffs"] >= restarts
        assert self.breaks["trades"] >= restarts
        assert not self.unjoined
        both = self.copied.keys() & self.seen.keys()
        different = [number for number in both if self.copied[number] != self.seen[number]]
        assert len(both) > restarts
        assert not different
        report.LINES.append(
            f"{what}: {restarts} restarts, breaks {self.breaks}, wake-ups {self.woken}; "
            f"the copy compared at {len(both)} numbers of {len(self.copied)}, all equal"
        )


def apply(diff: Diff, bids: dict[float, float], asks: dict[float, float]) -> None:
    for rows, side in ((diff.bids, bids), (diff.asks, asks)):
        if diff.snapshot:
            side.clear()
        for price, size in rows.tolist():
            if size:
                side[price] = size
            else:
                side.pop(price, None)


@pytest.mark.sandbox
@pytest.mark.parametrize(("venue", "feed", "more"), FEEDS, ids=lambda value: str(value))
def test_readers_go_on_when_the_tracker_is_ended_in_peace(
    tmp_path: Path, venue: str, feed: str, more: dict[str, Any]
) -> None:
    pair = {"hyperliquid": "BTC-USDC", "hyperliquid l4Book": "BTC-USD"}.get(
        f"{venue} {feed}".strip(), PAIR
    )
    with SandboxProcess(venue, pairs=[pair], seed=3, rate=100) as sandbox:
        settings = {"hosts": sandbox.hosts[venue], "feed": feed} | more
        config = {"state_dir": str(tmp_path), "venues": {venue: settings}}
        with trochil.connect(venue, pairs=[pair], config=config, address="inline") as client:
            readers = Readers(client, venue, pair)
            for _ in range(RESTARTS):
                readers.until_all_woken()
                time.sleep(0.5)
                while f"order_book_tracker/{venue}/0" not in parts(client):
                    time.sleep(0.05)  # woken by what was said before the last restart
                before = dict(readers.breaks)
                crash(client, f"order_book_tracker/{venue}/0")
                readers.until_told(before)
            readers.until_all_woken()
            readers.judge(RESTARTS, f"{venue} {feed}, ended in peace")


@pytest.mark.ray
def test_readers_go_on_when_the_trackers_process_is_killed(
    ray_address: str, tmp_path: Path
) -> None:
    with deployment(ray_address, tmp_path, name="restarts", pairs=[PAIR], seed=7) as (client, _):
        readers = Readers(client, "binance", PAIR)
        name = "order_book_tracker/binance/0"
        killed: set[int] = set()
        while len(killed) < RESTARTS:
            readers.until_all_woken()
            pid = int(client.status().actors[name]["pid"])
            if pid in killed or pid <= 0:
                continue
            before = dict(readers.breaks)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
                readers.until_told(before)
        readers.until_all_woken()
        readers.judge(RESTARTS, "binance on Ray, killed")
