"""OrderBookTrackerDataSource: what a venue says of its markets and books, served to trackers over a channel."""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pandas as pd

from actors.channel import Endpoint, Publisher
from actors.clock import SYSTEM, Clock
from actors.component import Tasks
from actors.connection import FeedConnection
from actors.markets import market_table
from actors.node import socket_path
from actors.rest import Rest
from actors.socket import Backoff
from exchanges.contract import Auth, Exchange, Fault, Hosts
from exchanges.orders import TradingRule
from exchanges.rules import unknown_pair
from orderbook.book import OrderBook
from orderbook.errors import Disconnected, NotReady, VenueError
from orderbook.messages import BookDiff, BookSnapshot, Lost, OrderBookMessage, OrderEvent, OrdersSnapshot, Pairs, Trade

log = logging.getLogger(__name__)
SNAPSHOTS_AT_ONCE = 4
LISTENER_QUEUE = 10_000
"""Messages that a tutorial listener may be behind; the oldest go first then."""


class OrderBookTrackerEntry(NamedTuple):
    """The tutorial's entry: a pair, the time of its snapshot (unix seconds) and a book made of it."""

    trading_pair: str
    timestamp: float
    order_book: OrderBook


class OrderBookTrackerDataSource:
    """One shard's pairs of one venue: connections, snapshots on request, listings and delistings."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        hosts: Hosts,
        pairs: list[str],
        run_dir: str,
        name: str,
        rest: Rest,
        auth: Auth | None = None,
        clock: Clock = SYSTEM,
        rules_refresh: float = 300.0,
    ) -> None:
        self._exchange, self._rest, self._clock, self._name = exchange, rest, clock, name
        self._rules_refresh = rules_refresh
        self._wanted = list(dict.fromkeys(pairs))
        self._rules: dict[str, TradingRule] = {}  # by trading pair
        self._by_symbol: dict[str, TradingRule] = {}
        self._pair_of: dict[str, str] = {}
        self.symbols: list[str] = []
        self.tasks = Tasks()
        self.failed = self.tasks.failed
        self._publisher = Publisher(socket_path(run_dir, name), self._asked)
        self._publisher.greet_with(lambda: [("", Pairs(self.get_trading_pairs()))])
        self._asking: set[str] = set()
        self._snapshot_slots = asyncio.Semaphore(SNAPSHOTS_AT_ONCE)
        self._listeners: dict[type, list[asyncio.Queue[Any]]] = {}
        self.faults: list[Fault] = []
        self._ready = asyncio.Event()
        self._connections = [
            FeedConnection(
                exchange,
                lambda stream=stream: exchange.book(self._by_symbol, stream),  # type: ignore[misc]
                self,
                hosts=hosts,
                rest=rest,
                auth=auth,
                clock=clock,
            )
            for stream in exchange.book.streams
        ]

    async def start(self) -> None:
        await self._publisher.start()
        self.tasks.spawn("feed", self._run())

    async def stop(self) -> None:
        await self.tasks.stop()
        await self._publisher.close()

    def endpoint(self) -> Endpoint:
        return self._publisher.endpoint()

    def status(self) -> dict[str, Any]:
        return {
            "wanted_pairs": self._wanted,
            "pairs": self.get_trading_pairs(),
            "connections": [
                {"connects": c.connects, "frames": c.frames, "rejected": c.rejected} for c in self._connections
            ],
            "last_recv_time": max(c.last_recv_time for c in self._connections),
            "faults": [f"{fault.code}: {fault.message}" for fault in self.faults[-5:]],
            "rest": self._rest.status(),
        }

    def bad_frames(self) -> list[bytes]:
        """The last frames that could not be read."""
        return [frame for connection in self._connections for frame in connection.bad_frames]

    async def _run(self) -> None:
        await self._load_rules()
        async with asyncio.TaskGroup() as group:
            for connection in self._connections:
                group.create_task(connection.run(), name="connection")
            group.create_task(self._refresh_rules_forever(), name="rules")

    async def _load_rules(self) -> None:
        backoff = Backoff()
        while not self._ready.is_set():
            try:
                await self.refresh_rules()
            except (Disconnected, VenueError) as error:
                log.warning("%s: its markets can't be read yet: %s", self._exchange.name, error)
                await backoff.wait()

    async def _refresh_rules_forever(self) -> None:
        while True:
            await asyncio.sleep(self._rules_refresh)
            try:
                await self.refresh_rules()
            except (Disconnected, VenueError) as error:
                log.warning("%s: its markets can't be read: %s", self._exchange.name, error)

    async def refresh_rules(self) -> None:
        """Read the venue's trading rules; pairs that it lists or delists come and go."""
        feed = self._exchange.book({}, "")
        rules = await self._rest.run(feed.trading_rules())
        self._rules = {rule.trading_pair: rule for rule in rules}
        self._by_symbol.clear()
        self._by_symbol.update({rule.symbol: rule for rule in rules})
        self._pair_of = {rule.symbol: rule.trading_pair for rule in rules}
        self._ready.set()
        await self._follow()

    async def set_pairs(self, pairs: list[str]) -> None:
        """Serve these pairs from now on. Raises BadPair for one that the venue never heard of."""
        await self._ready.wait()
        for pair in pairs:
            if pair not in self._rules:
                raise unknown_pair(pair, self._exchange.name, self._rules)
        self._wanted = list(dict.fromkeys(pairs))
        await self._follow()

    async def require_pairs(self, pairs: list[str]) -> None:
        """Raise BadPair for a pair that the venue never heard of, or that doesn't trade now."""
        await self._ready.wait()
        for pair in pairs:
            if pair not in self._rules or not self._rules[pair].active:
                raise unknown_pair(pair, self._exchange.name, [p for p, rule in self._rules.items() if rule.active])

    async def _follow(self) -> None:
        """Make subscriptions and readers follow what is wanted and trades."""
        now = [self._rules[pair].symbol for pair in self.get_trading_pairs()]
        added, removed = [s for s in now if s not in self.symbols], [s for s in self.symbols if s not in now]
        self.symbols = now
        if added or removed:
            self._publisher.publish("", Pairs(self.get_trading_pairs()))
        for connection in self._connections:
            await connection.unsubscribe(removed)
            await connection.subscribe(added)

    def trading_rules(self) -> list[TradingRule]:
        return list(self._rules.values())

    # What a connection says.

    def said(self, message: OrderBookMessage) -> None:
        pair = self._pair_of.get(message.symbol)
        if pair is None:
            return
        self._publisher.publish(pair, message, time=self._clock.time_ns())
        if self._listeners:
            self._tell_listeners(message)

    def broke(self, symbols: Iterable[str], reason: str) -> None:
        for symbol in symbols:
            self._publisher.publish(self._pair_of[symbol], Lost(symbol, reason))

    def refused(self, fault: Fault) -> None:
        log.warning("%s refuses: %s %s", self._exchange.name, fault.code, fault.message)
        self.faults = [*self.faults[-99:], fault]

    async def drain(self) -> None:
        await self._publisher.drain()

    # Snapshots on request.

    def _asked(self, pair: str) -> None:
        if pair in self._rules and pair not in self._asking:
            self._asking.add(pair)
            self.tasks.spawn(f"snapshot {pair}", self._serve_snapshot(pair))

    async def _serve_snapshot(self, pair: str) -> None:
        backoff = Backoff(first=0.2, most=10.0)
        try:
            while pair in self.get_trading_pairs():
                try:
                    async with self._snapshot_slots:
                        await self._fetch_and_publish(pair)
                    return
                except (Disconnected, VenueError) as error:
                    log.warning("%s: no snapshot of %s yet: %s", self._exchange.name, pair, error)
                await backoff.wait()
        finally:
            self._asking.discard(pair)

    async def _fetch_and_publish(self, pair: str) -> None:
        symbol = self._rules[pair].symbol
        connection = self._connections[0]
        feed = self._exchange.book(self._by_symbol, self._exchange.book.streams[0])
        call = feed.snapshot(symbol)
        if call is None:
            await connection.refresh([symbol])
            return
        await connection.hears(symbol)
        epoch = connection.epoch
        snapshot = await self._rest.run(call)
        if epoch != connection.epoch:
            raise Disconnected("the connection is another one now: a snapshot asked for before it proves nothing")
        self._publisher.publish(pair, snapshot, time=self._clock.time_ns())
        if self._listeners:
            self._tell_listeners(snapshot)

    # The tutorial's functions.

    async def get_active_exchange_markets(self) -> pd.DataFrame:
        """One row an active pair: baseAsset, quoteAsset, volume (base, 24 h), USDVolume."""
        await self._ready.wait()
        summaries = await self._rest.run(self._exchange.book(self._by_symbol, "").markets())
        return market_table(self._by_symbol, summaries)

    def get_trading_pairs(self) -> list[str]:
        """The pairs that are wanted and trade now."""
        return [pair for pair in self._wanted if pair in self._rules and self._rules[pair].active]

    async def get_snapshot(self, trading_pair: str) -> BookSnapshot | OrdersSnapshot:
        """A snapshot by REST, as a message. Raises NotReady where the venue has none by REST."""
        await self._ready.wait()
        if trading_pair not in self._rules:
            raise unknown_pair(trading_pair, self._exchange.name, self._rules)
        call = self._exchange.book(self._by_symbol, "").snapshot(self._rules[trading_pair].symbol)
        if call is None:
            raise NotReady(f"{self._exchange.name} sends its snapshots by stream only")
        return await self._rest.run(call)

    async def get_tracking_pairs(self) -> dict[str, OrderBookTrackerEntry]:
        """Each pair with a book made of a fresh snapshot."""
        entries = {}
        for pair in self.get_trading_pairs():
            snapshot, book = await self.get_snapshot(pair), OrderBook(8192)
            if isinstance(snapshot, BookSnapshot):
                book.apply_snapshot(snapshot)
            entries[pair] = OrderBookTrackerEntry(pair, self._clock.time(), book)
        return entries

    async def listen_for_trades(self, ev_loop: Any, output: "asyncio.Queue[Any]") -> None:
        """Put every Trade into ``output`` until cancelled; a full queue loses its oldest."""
        await self._listen((Trade,), output)

    async def listen_for_order_book_diffs(self, ev_loop: Any, output: "asyncio.Queue[Any]") -> None:
        """Put every BookDiff (or OrderEvent) into ``output`` until cancelled; a full queue loses its oldest."""
        await self._listen((BookDiff, OrderEvent), output)

    async def listen_for_order_book_snapshots(self, ev_loop: Any, output: "asyncio.Queue[Any]") -> None:
        """Put every snapshot into ``output`` until cancelled, beginning with a fresh one of each pair."""
        with self._listening((BookSnapshot, OrdersSnapshot), output):
            for pair in self.get_trading_pairs():
                self._asked(pair)
            await asyncio.get_running_loop().create_future()

    async def _listen(self, kinds: tuple[type, ...], output: "asyncio.Queue[Any]") -> None:
        with self._listening(kinds, output):
            await asyncio.get_running_loop().create_future()

    @contextmanager
    def _listening(self, kinds: tuple[type, ...], output: "asyncio.Queue[Any]") -> Iterator[None]:
        for kind in kinds:
            self._listeners.setdefault(kind, []).append(output)
        try:
            yield
        finally:
            for kind in kinds:
                self._listeners[kind].remove(output)

    def _tell_listeners(self, message: Any) -> None:
        for queue in self._listeners.get(type(message), ()):
            if queue.full() or queue.qsize() >= LISTENER_QUEUE:
                queue.get_nowait()
            queue.put_nowait(message)
