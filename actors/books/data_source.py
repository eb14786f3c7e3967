"""OrderBookTrackerDataSource: a venue's market data, served to trackers over a channel."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
import pandas as pd

from actors.books.ccxt_connection import CcxtConnection
from actors.books.feed_connection import FeedConnection
from actors.books.levels_server import LevelsServer
from actors.books.listeners import Listeners
from actors.books.market_table import market_table
from actors.books.snapshot_server import SnapshotServer
from actors.books.stall_watch import StallWatch
from actors.channel import ChannelAddress, Publisher, SnapshotRequest
from actors.clock import SYSTEM, Clock
from actors.component import Tasks
from actors.node_paths import socket_path
from actors.transport.rest import Rest
from actors.transport.websocket import Backoff
from exchanges.contract import Auth, BookFeed, Call, Endpoints, ErrorKind, Exchange, Fault
from exchanges.orders import TradingRule
from exchanges.rules import unknown_pair
from orderbook.active_orders import ActiveOrderTracker
from orderbook.book import OrderBook
from orderbook.errors import BadPair, Disconnected, NotReady, VenueError
from orderbook.messages import (
    BookDiff,
    BookSnapshot,
    DataMessage,
    FeedInterrupted,
    OrderBookMessage,
    OrderEvent,
    OrdersSnapshot,
    Pairs,
    Trade,
)

log = logging.getLogger(__name__)
SNAPSHOT_TIMEOUT = 15.0
"""Seconds that ``get_snapshot`` waits for a stream to send a snapshot."""
UNREACHABLE_AFTER = 4.0
"""Seconds that a question waits for the trading rules of a venue whose first answer failed."""
MAX_FAULTS = 100


class OrderBookTrackerEntry(NamedTuple):
    """The tutorial's entry: a pair, its snapshot's time (unix seconds) and a book built from it."""

    trading_pair: str
    timestamp: float
    order_book: OrderBook


class OrderBookTrackerDataSource:
    """Market data of one shard of a venue's pairs.

    Runs the connections, serves snapshots on request, follows listings and delistings.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        hosts: Endpoints,
        pairs: list[str],
        run_dir: str,
        name: str,
        rest: Rest,
        auth: Auth | None = None,
        clock: Clock = SYSTEM,
        rules_refresh: float = 300.0,
        connection: type[FeedConnection | CcxtConnection] = FeedConnection,
    ) -> None:
        """``rules_refresh``: seconds between two readings of the trading rules.
        ``connection``: the class that runs one stream.
        """
        self._exchange = exchange
        self._rest = rest
        self._clock = clock
        self._rules_refresh = rules_refresh
        self._wanted = list(dict.fromkeys(pairs))
        self._rules: dict[str, TradingRule] = {}  # by trading pair: what the venue lists
        self._by_symbol: dict[str, TradingRule] = {}
        """Never replaced, because feeds hold it. A delisted market stays in it, inactive: what is
        under way still names it."""
        self._pair_of: dict[str, str] = {}
        self._subscribing = asyncio.Lock()
        self._serving: list[str] = []
        self.symbols: list[str] = []
        self.tasks = Tasks()
        self.failed = self.tasks.failed
        self._snapshot_server = SnapshotServer(
            self.tasks, self._serves, self._ready_for_snapshot, self._serve_snapshot
        )
        self._levels_server = LevelsServer(self._serve_levels, self._take_for_levels)
        self._publisher = Publisher(socket_path(run_dir, name), self._on_request)
        self._publisher.greet_with(
            lambda: [("", Pairs(self._serving))] if self._ready.is_set() else []
        )
        self._stall_watch = StallWatch(clock)
        self._publisher.beat_while(self._lives)
        self._listeners = Listeners()
        self.faults: list[Fault] = []
        self._no_rules = "its trading rules are being read"
        self._rules_failed = asyncio.Event()
        self.snapshot_timeout = SNAPSHOT_TIMEOUT
        self._ready = asyncio.Event()
        self._feed = exchange.book(self._by_symbol, exchange.book.streams[0])
        # Where order snapshots make the book, others are only compared with it.
        self._snapshot_kinds: tuple[type, ...] = (
            (OrdersSnapshot,) if self._feed.verify_depth else (BookSnapshot, OrdersSnapshot)
        )
        self._snapshot_numbers: dict[str, int] = {}  # of the last one published, by trading pair
        self._connections = [
            connection(
                exchange, self._maker(stream), self, hosts=hosts, rest=rest, auth=auth, clock=clock
            )
            for stream in exchange.book.streams
        ]
        self._book_connections = [
            connection for connection in self._connections if connection.carries_books
        ]

    def _lives(self) -> bool:
        """Whether everything that the venue sent so far was read, as far as a stall of this process
        could have left something unread."""
        return self._stall_watch.is_over(
            lambda: not any(connection.has_unread for connection in self._book_connections)
        )

    def _maker(self, stream: str) -> Callable[[], BookFeed]:
        return lambda: self._exchange.book(self._by_symbol, stream)

    async def start(self) -> None:
        if not self._publisher.is_listening:
            await self._publisher.start()
            self.tasks.spawn("feed", self._run())

    async def stop(self) -> None:
        await self.tasks.stop()
        await self._publisher.close()

    async def endpoint(self) -> ChannelAddress:
        """The channel with the messages; topics are pairs, a request gets its snapshot."""
        return self._publisher.endpoint()

    def status(self) -> dict[str, Any]:
        """``received``: frames of books, each connection's since it opened. ``published``:
        messages on the channel. ``waits_for``: what keeps it from delivering, in words."""
        return {
            "wanted_pairs": self._wanted,
            "pairs": self._serving,
            "connections": [connection.status() for connection in self._connections],
            "last_recv_time": max(connection.last_recv_time for connection in self._connections),
            "received": sum(connection.received for connection in self._book_connections),
            "published": self._publisher.published,
            "snapshots_pending": sorted(self._snapshot_server.pending),
            "levels_waiting": self._levels_server.waiting,
            "levels_served": self._levels_server.served,
            "faults": [f"{fault.code}: {fault.message}" for fault in self.faults[-5:]],
            "waits_for": self._waits_for(),
            "rest": self._rest.status(),
        }

    def _waits_for(self) -> str:
        if not self._ready.is_set():
            return self._no_rules
        errors = [connection.error for connection in self._connections]
        return next(filter(None, errors), "")

    async def bad_frames(self) -> list[bytes]:
        """The last frames, rows and answers that could not be read, each cut at 4096 bytes."""
        frames = [frame for connection in self._connections for frame in connection.bad_frames]
        return [*frames, *self._rest.bad_frames()]

    async def _run(self) -> None:
        await self._load_rules()
        async with asyncio.TaskGroup() as group:
            for connection in self._connections:
                group.create_task(connection.run(), name="connection")
            group.create_task(self._keep_rules_fresh(), name="rules")
            group.create_task(self._levels_server.run(), name="levels")

    # The venue's trading rules, and the pairs that are served.

    async def _load_rules(self) -> None:
        backoff = Backoff()
        while not self._ready.is_set():
            try:
                await self.refresh_rules()
            except (Disconnected, VenueError) as error:
                self._no_rules = f"its markets can't be read: {error}"
                self._rules_failed.set()
                log.warning("%s: its markets can't be read yet: %s", self._exchange.name, error)
                await backoff.wait()

    async def _keep_rules_fresh(self) -> None:
        while True:
            await asyncio.sleep(self._rules_refresh)
            try:
                await self.refresh_rules()
            except (Disconnected, VenueError) as error:
                log.warning("%s: its markets can't be read: %s", self._exchange.name, error)

    async def refresh_rules(self) -> None:
        """Read the venue's trading rules; add pairs that were listed, remove delisted ones, tell
        trackers of rules that changed.

        Raises Disconnected and VenueError; then the previous rules stay in force.
        """
        rules = await self._rest.run(self._feed.trading_rules())
        if not rules:
            raise Disconnected(f"{self._exchange.name} lists no markets at all: ignored")
        before = self._rules
        self._rules = {rule.trading_pair: rule for rule in rules}
        changed = any(self._rules.get(pair) != before.get(pair) for pair in self._serving)
        gone = [msgspec.structs.replace(rule, active=False) for rule in self._by_symbol.values()]
        self._by_symbol.update({rule.symbol: rule for rule in [*gone, *rules]})
        self._pair_of.update({rule.symbol: rule.trading_pair for rule in rules})
        await self._follow(rules_changed=changed)

    async def _until_ready(self) -> None:
        """Until the trading rules are known. Raises Disconnected if reading them has failed for a
        while."""
        if self._ready.is_set():
            return
        began = self._clock.monotonic()
        ready = asyncio.ensure_future(self._ready.wait())
        failed = asyncio.ensure_future(self._rules_failed.wait())
        try:
            await asyncio.wait((ready, failed), return_when=asyncio.FIRST_COMPLETED)
            waited = self._clock.monotonic() - began
            await asyncio.wait((ready,), timeout=max(0.0, UNREACHABLE_AFTER - waited))
        finally:
            ready.cancel()
            failed.cancel()
        if not self._ready.is_set():
            raise Disconnected(f"{self._exchange.name}: {self._no_rules}")

    async def set_pairs(self, pairs: list[str]) -> None:
        """Serve these pairs from now on.

        Raises BadPair for a pair that the venue doesn't list; the others are served nevertheless.
        """
        await self._until_ready()
        self._wanted = list(dict.fromkeys(pairs))
        await self._follow()
        self._refuse_unknown(pairs, self._rules)

    async def require_pairs(self, pairs: list[str]) -> None:
        """Raise BadPair for a pair that the venue doesn't list or doesn't trade now."""
        await self._until_ready()
        listed = [pair for pair in pairs if pair in self._rules]
        halted = [pair for pair in listed if not self._rules[pair].active]
        if halted:
            raise BadPair(f"{self._exchange.name} lists {halted[0]}, but it doesn't trade now")
        self._refuse_unknown(pairs, [pair for pair, rule in self._rules.items() if rule.active])

    def _refuse_unknown(self, pairs: Iterable[str], known: Iterable[str]) -> None:
        known = set(known)
        for pair in pairs:
            if pair not in known:
                raise unknown_pair(pair, self._exchange.name, known)

    async def _follow(self, rules_changed: bool = False) -> None:
        """Bring subscriptions and subscribers up to date with the served pairs and their rules."""
        serving = self.get_trading_pairs()
        now = [self._rules[pair].symbol for pair in serving]
        added = [symbol for symbol in now if symbol not in self.symbols]
        removed = [symbol for symbol in self.symbols if symbol not in now]
        self._serving = serving
        self.symbols = now
        if not (added or removed or rules_changed) and self._ready.is_set():
            return
        self._ready.set()
        log.info(
            "%s: %d pairs, %d new, %d gone", self._exchange.name, len(now), len(added), len(removed)
        )
        self._publish("", Pairs(serving))
        async with self._subscribing:
            await self._subscribe(added, removed)

    async def _subscribe(self, added: list[str], removed: list[str]) -> None:
        """Subscribe what was added and end what was removed, unless that has changed meanwhile."""
        for connection in self._connections:
            try:
                await connection.unsubscribe([s for s in removed if s not in self.symbols])
                await connection.subscribe([s for s in added if s in self.symbols])
            except Disconnected as error:
                log.info("%s: %s; reconnecting subscribes", self._exchange.name, error)

    async def trading_rules(self) -> list[TradingRule]:
        """The trading rules of every pair that the venue lists."""
        return list(self._rules.values())

    def _publish(self, topic: str, message: DataMessage, received: int = 0) -> None:
        """Every message has its number: how far a tracker is shows in its status."""
        publisher = self._publisher
        publisher.publish(topic, message, sequence=publisher.published + 1, time=received)

    # FeedListener: called by the connections.

    def on_message(self, message: OrderBookMessage, received: int) -> None:
        pair = self._pair_of.get(message.symbol)
        if pair is None:
            return
        try:
            self._publish(pair, message, received)
        except OverflowError:
            what = f"a {type(message).__name__} with a number of more than 64 bits"
            self.on_error(Fault(ErrorKind.UNREADABLE, "", what, (message.symbol,)))
            self._publish(pair, FeedInterrupted(message.symbol, what))
            return
        if type(message) in self._snapshot_kinds:
            self._snapshot_numbers[pair] = self._publisher.published
        if self._listeners:
            self._listeners.publish(message)

    def on_disconnect(self, symbols: Iterable[str], reason: str, subscribed: bool = False) -> None:
        feed = self._feed
        for symbol in symbols:
            pair = self._pair_of.get(symbol)
            if pair is not None:
                snapshot_expected = subscribed and feed.opens_with_snapshot(symbol)
                self._publish(pair, FeedInterrupted(symbol, reason, snapshot_expected))

    def on_moved(self, symbol: str) -> None:
        for connection in self._book_connections:
            connection.note_moved(symbol)

    def on_error(self, fault: Fault) -> None:
        log.warning("%s: error %s: %s", self._exchange.name, fault.code, fault.message)
        self.faults = [*self.faults[1 - MAX_FAULTS :], fault]

    async def drain(self) -> None:
        await self._publisher.drain()

    # Snapshots on request.

    def _on_request(self, request: SnapshotRequest) -> None:
        """A request that crosses a snapshot on its way is answered by that one."""
        pair = request.topic
        if request.after and request.after < self._snapshot_numbers.get(pair, 0):
            return
        if request.levels_left >= 0:
            self._levels_server.request(pair, request.levels_left)
        else:
            self._levels_server.forget(pair)
            self._snapshot_server.request(pair)

    def _serves(self, pair: str) -> bool:
        return pair in self._serving

    async def _ready_for_snapshot(self, pair: str) -> bool:
        """Whether the stream began during this call, with a snapshot."""
        symbol = self._symbol_of(pair)
        began = [
            await connection.wait_for_first_message(symbol) for connection in self._book_connections
        ]
        return all(began) and self._feed.opens_with_snapshot(symbol)

    def _symbol_of(self, pair: str) -> str:
        """Raises Disconnected for a pair that was delisted while its snapshot waited."""
        rule = self._rules.get(pair)
        if rule is None:
            raise Disconnected(f"{pair} isn't listed any more")
        return rule.symbol

    async def _serve_snapshot(self, pair: str) -> None:
        symbol = self._symbol_of(pair)
        call = self._feed.snapshot(symbol)
        if call is None:
            for connection in self._book_connections:
                await connection.request_snapshot(symbol)
            return
        if not all(connection.is_open for connection in self._book_connections):
            raise Disconnected("not connected: a snapshot would grow stale")
        self._refuse_doubted(symbol)
        epochs = [connection.epoch for connection in self._book_connections]
        snapshot = await self._rest.run(call)
        self._refuse_doubted(symbol)
        if epochs != [connection.epoch for connection in self._book_connections]:
            raise Disconnected("reconnected while the snapshot was in flight; discarded")
        self.on_message(snapshot, self._clock.time_ns())

    async def _serve_levels(self, pair: str) -> None:
        """Another snapshot of a book that is in order, for its levels farther out."""
        if self._serves(pair) and pair not in self._snapshot_server.pending:
            await self._serve_snapshot(pair)

    def _take_for_levels(self, pair: str) -> float:
        """Seconds to wait until another snapshot of the pair may be fetched; 0: it is paid for."""
        rule = self._rules.get(pair)
        call = None if rule is None else self._feed.snapshot(rule.symbol)
        return 0.0 if call is None else self._rest.take_for_levels(call.request.cost)

    def _refuse_doubted(self, symbol: str) -> None:
        """Raise Disconnected for a book whose channel would not tell what follows a snapshot."""
        if any(connection.is_doubted(symbol) for connection in self._book_connections):
            raise Disconnected("its channel is silent while its market moves")

    # The tutorial's functions.

    @property
    def order_book_class(self) -> type[OrderBook]:
        return OrderBook

    async def get_active_exchange_markets(self) -> pd.DataFrame:
        """One row per active pair: baseAsset, quoteAsset, volume (base, 24 h), USDVolume."""
        await self._until_ready()
        return market_table(self._by_symbol, await self._rest.run(self._feed.markets()))

    def get_trading_pairs(self) -> list[str]:
        """The configured pairs that trade now."""
        return [pair for pair in self._wanted if pair in self._rules and self._rules[pair].active]

    async def get_snapshot(self, trading_pair: str) -> BookSnapshot | OrdersSnapshot:
        """A fresh snapshot, as a message: by REST, or from the stream of a served pair.

        Raises BadPair, NotReady and Disconnected.
        """
        await self._until_ready()
        self._refuse_unknown([trading_pair], self._rules)
        call: Call[BookSnapshot | OrdersSnapshot] | None = self._feed.snapshot(
            self._rules[trading_pair].symbol
        )
        return await (
            self._rest.run(call) if call is not None else self._snapshot_by_stream(trading_pair)
        )

    async def _snapshot_by_stream(self, pair: str) -> BookSnapshot | OrdersSnapshot:
        symbol = self._rules[pair].symbol
        queue = asyncio.Queue[Any](1000)
        try:
            async with asyncio.timeout(self.snapshot_timeout):
                with self._listeners.listening((BookSnapshot, OrdersSnapshot), queue):
                    self._snapshot_server.request(pair)
                    while True:
                        snapshot: BookSnapshot | OrdersSnapshot = await queue.get()
                        if snapshot.symbol == symbol:
                            return snapshot
        except TimeoutError:
            raise NotReady(f"{self._exchange.name} sent no snapshot of {pair} in time") from None

    async def get_tracking_pairs(self) -> dict[str, OrderBookTrackerEntry]:
        """Each served pair with a book built from a fresh snapshot."""
        entries = {}
        for pair in self.get_trading_pairs():
            try:
                snapshot = await self.get_snapshot(pair)
            except BadPair:
                continue  # delisted since
            book = OrderBook(8192)
            book.apply_snapshot(
                snapshot
                if isinstance(snapshot, BookSnapshot)
                else ActiveOrderTracker().snapshot(snapshot)
            )
            entries[pair] = OrderBookTrackerEntry(pair, self._clock.time(), book)
        return entries

    async def listen_for_trades(self, ev_loop: Any, output: "asyncio.Queue[Any]") -> None:
        """Put every Trade into ``output`` until cancelled; a full queue drops its oldest."""
        with self._listeners.listening((Trade,), output):
            await asyncio.Event().wait()

    async def listen_for_order_book_diffs(self, ev_loop: Any, output: "asyncio.Queue[Any]") -> None:
        """Put every BookDiff (or OrderEvent) into ``output`` until cancelled.

        A full queue drops its oldest.
        """
        with self._listeners.listening((BookDiff, OrderEvent), output):
            await asyncio.Event().wait()

    async def listen_for_order_book_snapshots(
        self, ev_loop: Any, output: "asyncio.Queue[Any]"
    ) -> None:
        """Put every snapshot into ``output`` until cancelled, beginning with a fresh one per pair.

        A full queue drops its oldest.
        """
        await self._ready.wait()
        with self._listeners.listening((BookSnapshot, OrdersSnapshot), output):
            for pair in self._serving:
                self._snapshot_server.request(pair)
            await asyncio.Event().wait()
