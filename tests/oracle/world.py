"""A venue, a data source and a tracker on one loop, and how faults reach the venue."""

import contextlib
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from actors.books.data_source import OrderBookTrackerDataSource
from actors.transport.rest import Rest
from exchanges.contract import Endpoints, Exchange
from exchanges.registry import get, names
from tests.oracle.judge import LATE_IMAGES_S, LATE_S, Judge
from tests.oracle.ledger import Ledger
from tests.support.feed import Feed, LocalPeers
from tests.support.followed_book import our_pair
from trochil.sandbox.__main__ import arguments, build
from trochil.sandbox.admin import Admin
from trochil.sandbox.server import ADMIN_PATH, Server

PAIRS = 2
RATE = 40
"""Flow events a second and pair."""
IMAGE_LEVELS = 20
"""A side of Hyperliquid's l2Book."""
LOGS_IN = ("coinbase", "kraken")
"""Venues some of whose public feeds need a key."""
MANY_PAIRS = [
    f"{base}-{quote}"
    for quote in ("USDT", "USDC", "EUR", "GBP", "TRY")
    for base in ("BTC", "ETH", "SOL", "BNB")
]
CHECKSUM_LEVELS = 10
"""Best levels a side that Kraken's checksums are of."""
UNNUMBERED = [get("coinbase").feeds[name] for name in ("level2", "level2_batch")]
"""Feeds whose messages carry neither numbers nor checksums."""
FIRST_NUMBER = 10_000_000
"""Books' numbers go on from there: where they begin again, they don't meet the old ones."""
WINDOW = 40
"""Levels a side of a snapshot, where the book has many more."""
UNPROVEN_S = {"hyperliquid:l4Book": 1.0}
"""Seconds for which books of a feed may be wrong after a lost frame, until they are compared with
an image of the venue's."""


def feeds() -> list[str]:
    """Every book of every venue: "bybit", "bybit:50"."""
    return [
        f"{name}:{feed}" if feed else name
        for name in names()
        if not get(name).bridged
        for feed in ("", *get(name).feeds)
    ]


def exchange_of(name: str, window: int = 0) -> Exchange:
    """``window``: levels a side that the venue's snapshots have at most, where they have fewer than
    usual."""
    venue, _, feed = name.partition(":")
    exchange = get(venue).with_feed(feed)
    if not window:
        return exchange
    return replace(exchange, book=exchange.book.variant("Window", snapshot_levels=window))


def window_of(name: str, seed: int) -> int:
    """Half of Binance's sessions have snapshots that the market leaves."""
    return WINDOW if name == "binance" and not seed % 2 else 0


def is_unchecked(exchange: Exchange) -> bool:
    """Whether the feed declares that lost messages can't be seen."""
    declared = getattr(exchange.book, "gap_check", "")
    return declared == "unchecked" or (not declared and exchange.book in UNNUMBERED)


def is_by_checksum(exchange: Exchange) -> bool:
    """Whether a lost message shows by checksums alone, which are of the best levels."""
    return getattr(exchange.book, "gap_check", "") == "checksum"


@dataclass
class World:
    """``pairs``: our name of a pair -> the venue's."""

    name: str
    exchange: Exchange
    server: Server
    pairs: dict[str, str]
    feed: Feed
    judge: Judge
    door: aiohttp.ClientSession
    restarts: int = 0
    """Times that numbers of books began again."""

    async def admin(self, path: str, **body: Any) -> Any:
        """One POST at the venue's admin door."""
        async with self.door.post(f"{ADMIN_PATH}{path}", json=body) as answer:
            found = await answer.json()
            if answer.status != 200:
                raise ValueError(found["error"])
            return found

    async def book(self, pair: str) -> Any:
        """The venue's book of one of our pairs, as its ledger has it now."""
        query = {"pair": self.pairs[pair]}
        async with self.door.get(f"{ADMIN_PATH}book", params=query) as answer:
            return await answer.json()

    @property
    def is_live(self) -> bool:
        return all(self.judge.read(pair) is not None for pair in self.pairs)

    @property
    def deaths(self) -> list[str]:
        """Components that failed, and why."""
        return [
            f"{name}: {part.failed.exception()!r}"
            for name, part in self.feed.peers.components.items()
            if part.failed.done()
        ]


@contextlib.contextmanager
def memory() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="trochil-oracle-", dir="/dev/shm"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@asynccontextmanager
async def world(
    name: str,
    seed: int,
    *options: str,
    pairs: int = PAIRS,
    by_frame: bool = False,
    rules_refresh: float = 2.0,
) -> AsyncIterator[World]:
    """``options``: more of those of ``trochil sandbox``. ``by_frame``: the ledger remembers the
    books as frames and snapshots show them, not each change in between."""
    window = 0 if by_frame else window_of(name, seed)
    exchange = exchange_of(name, window)
    venue = exchange.name
    named = ["--pairs", *MANY_PAIRS[:pairs]] if pairs > PAIRS else []
    server = build(
        venue, arguments([venue, "--seed", str(seed), "--rate", str(RATE), *named, *options])
    )
    theirs = list(server.venue.symbols)[:pairs]
    for pair in [pair for pair in server.flows if pair not in theirs]:
        server.flows.pop(pair)
    ours = {our_pair(exchange, pair): pair for pair in theirs}
    server.faults.set({"snapshot_levels": window})
    for pair in theirs:
        begin_numbers(server, pair)
    app = server.application()
    admin = Admin(server)
    admin.add_routes(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"127.0.0.1:{runner.addresses[0][1]}"
    hosts = Endpoints(f"http://{address}", f"ws://{address}", f"ws://{address}")
    token = {"X-Sandbox-Token": admin.token}
    try:
        with memory() as folder:
            async with (
                aiohttp.ClientSession() as session,
                aiohttp.ClientSession(f"http://{address}", headers=token) as door,
            ):
                both = Feed(str(folder), hosts, list(ours), session, LocalPeers(), exchange)
                ledger = Ledger(server, theirs, by_frame=by_frame)
                judge = Judge(
                    ledger,
                    ours,
                    both.reader,
                    most=shown_levels(exchange),
                    late_s=LATE_IMAGES_S if exchange.book.full_snapshots_only else LATE_S,
                    unproven_s=UNPROVEN_S.get(name, 0.0),
                    proven=CHECKSUM_LEVELS if is_by_checksum(exchange) else None,
                )
                async with components(both, server, rules_refresh):
                    yield World(name, exchange, server, ours, both, judge, door)
                judge.close()
    finally:
        await runner.cleanup()


def begin_numbers(server: Server, pair: str) -> None:
    """With ``FIRST_NUMBER``."""
    venue = server.dialect.name
    if venue == "hyperliquid":
        server.dialect.numbers["height"] = FIRST_NUMBER
    elif venue != "kraken":
        server.restart_numbers(pair, FIRST_NUMBER)


@asynccontextmanager
async def components(both: Feed, server: Server, rules_refresh: float) -> AsyncIterator[None]:
    """Both of them running."""
    exchange = both.exchange
    auth = exchange.auth(server.venue.accounts["default"].keys)
    both.peers.components["source"] = OrderBookTrackerDataSource(
        exchange,
        rest=Rest(exchange, both.session, both.hosts, auth),
        auth=auth if exchange.name in LOGS_IN else None,
        run_dir=both.folder,
        name="source",
        pairs=both.pairs,
        hosts=both.hosts,
        rules_refresh=rules_refresh,
    )
    await both.source.start()
    await both.begin_tracker(capacity=4096)
    try:
        yield
    finally:
        for name in reversed(list(both.peers.components)):
            await both.end(name)


def shown_levels(exchange: Exchange) -> int | None:
    """Levels a side that a feed's book has at most; None: all."""
    if exchange.name == "hyperliquid" and exchange.book.full_snapshots_only:
        return IMAGE_LEVELS
    return exchange.book.depth or None


def seeded(name: str, seed: int) -> random.Random:
    return random.Random(f"oracle/{name}/{seed}")
