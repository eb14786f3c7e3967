"""The sandbox on the network: REST and websockets of one or more dialects, the flow, the faults, the admin door."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiohttp import WSMsgType, web

from trochil.sandbox.admin import Admin
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.faults import Faults
from trochil.sandbox.market.flow import Flow
from trochil.sandbox.market.matching import Book, Match, Order
from trochil.sandbox.market.venue import Event, Symbol, Venue
from trochil.sandbox.replay import Replay

DEPTH_EVERY = 0.1
QUEUED_FRAMES = 20_000
PING_EVERY = 20.0
HALF_OPEN_FOR = 3600.0
WAKE_FLOW = 0.01
Build = Callable[["Connection", int], str | bytes | None]
"""Makes a frame at the moment of sending: (connection, wall ns) -> text, or None for nothing."""


@dataclass(eq=False)
class Connection:
    """One websocket of a client: what it subscribed to and what waits to leave."""

    ws: web.WebSocketResponse
    path: str
    query: dict[str, str]
    topics: set[str] = field(default_factory=set)
    account: Account | None = None
    state: dict[str, Any] = field(default_factory=dict)
    queue: "asyncio.Queue[Build]" = field(default_factory=lambda: asyncio.Queue(QUEUED_FRAMES))
    muted: bool = False

    @property
    def host(self) -> str:
        """By which name the client reached us, with the port."""
        return self.ws._req.host if self.ws._req is not None else ""

    def put(self, build: Build) -> None:
        """Queue a frame; a client that is 20,000 behind is cut."""
        if self.queue.full():
            transport = self.ws._req.transport if self.ws._req is not None else None
            if transport is not None:
                transport.abort()
            return
        self.queue.put_nowait(build)

    async def send_forever(self) -> None:
        while True:
            build = await self.queue.get()
            try:
                text = None if self.muted else build(self, time.time_ns())
                if text is not None:
                    await self.send(text)
            finally:
                self.queue.task_done()

    def forget(self) -> None:
        """Nothing waits to leave any more."""
        while not self.queue.empty():
            self.queue.get_nowait()
            self.queue.task_done()

    async def send(self, text: str | bytes) -> None:
        """At once, past the queue."""
        with contextlib.suppress(ConnectionError):
            await (self.ws.send_str(text) if isinstance(text, str) else self.ws.send_bytes(text))


class Server:
    """One venue, one dialect. ``start`` listens; ``settle`` is what a dialect calls to be told of what happened."""

    def __init__(
        self,
        dialect: Any,
        symbols: dict[str, Symbol],
        *,
        seed: int = 0,
        rate: float = 50.0,
        faults: Faults,
    ) -> None:
        """``rate``: flow events a second and pair."""
        self.venue = Venue(symbols)
        self.faults, self.seed, self.rate, self.paused = faults, seed, rate, False
        self.house = self.venue.open_account(Account("house", unlimited=True))
        self.flows: dict[str, Flow] = {}
        self.connections: set[Connection] = set()
        self.frames_sent = 0
        self.withheld: dict[str, int] = {}
        self.withholding = self._withheld_now = False
        self.banned_until = 0.0
        self._sent_ids: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.replay: Replay | None = None
        self.dialect = dialect(self)
        self.admin = Admin(self)
        self.venue.on_event.append(self._happened)
        self.venue.on_trade.append(self.dialect.traded)
        if hasattr(self.dialect, "book_event"):
            self.venue.on_book.append(self._book_event)
        for pair in symbols:
            self.begin_flow(pair)

    # Time as the venue sees it.

    def now_ns(self) -> int:
        return time.time_ns() + int(self.faults.seconds("clock_skew") * 1e9)

    def begin_flow(self, pair: str) -> None:
        flow = self.flows[pair] = Flow(self.venue, pair, self.house, self.seed)
        flow.fill_up(self.now_ns())
        self._sent_ids[pair] = self.venue.books[pair].update_id
        self.venue.books[pair].changed.clear()

    def new_account(self, name: str, balances: dict[str, str]) -> Account:
        account = Account(name, self.dialect.new_keys(name))
        for asset, amount in balances.items():
            account.receive(asset, Decimal(amount))
        return self.venue.open_account(account)

    def account_of_key(self, key: str) -> Account | None:
        return next(
            (a for a in self.venue.accounts.values() if key and a.keys.get("api_key") == key), None
        )

    # The network.

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._faulty], client_max_size=1 << 22)
        self.admin.add_routes(app)
        self.dialect.add_routes(app)
        app.on_startup.append(self._begin)
        app.on_cleanup.append(self._end)
        return app

    async def _begin(self, app: web.Application) -> None:
        market = (self._flow_forever(), self._depth_forever())
        for work in market if self.replay is None else (self.replay.run(self),):
            task = asyncio.create_task(work)
            task.add_done_callback(self._must_not_end)
            self._tasks.add(task)

    def _must_not_end(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "the sandbox's own loop failed", "exception": task.exception()}
            )

    async def _end(self, app: web.Application) -> None:
        for task in self._tasks:
            task.cancel()
        for connection in list(self.connections):
            await connection.ws.close()

    @web.middleware
    async def _faulty(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """The faults of REST: before the venue acts, between that and the answer, and instead of it."""
        kind = await self.dialect.kind_of(request)
        if kind is None:
            return await handler(request)  # type: ignore[no-any-return]
        refusal = self._refuse_early(kind)
        if refusal is not None:
            return refusal
        if kind in ("place", "cancel") and self.faults.hits("lose_request_before_commit"):
            return self._cut(request)
        if kind == "place" and (delay := self.faults.seconds("delay_request")):
            await asyncio.sleep(delay)
        response: web.StreamResponse = await handler(request)
        if kind not in ("place", "cancel"):
            return response
        if delay := self.faults.seconds("delay_response"):
            await asyncio.sleep(delay)
        if self.faults.hits("lose_response_after_commit"):
            return self._cut(request)
        if self.faults.hits("http_503_after_commit"):
            return self._error("unavailable")
        if self.faults.hits("code_1007_after_commit"):
            return self._error("timeout")
        return response

    def _refuse_early(self, kind: str) -> web.Response | None:
        now = time.time()
        if now < self.banned_until:
            return self._error("banned", retry_after=int(self.banned_until - now) + 1)
        if self.faults.hits("http_429"):
            self.banned_until = now + 1.0
            return self._error("rate_limited", retry_after=1)
        if self.faults.hits("ban_418"):
            self.banned_until = now + 2.0
            return self._error("banned", retry_after=2)
        if self.faults.hits("http_503") or self.faults.hits("maintenance"):
            return self._error("unavailable")
        return None

    def _error(self, name: str, retry_after: int = 0) -> web.Response:
        answer: web.Response = self.dialect.error(name, retry_after=retry_after)
        return answer

    def _cut(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    async def serve_socket(
        self, request: web.Request, on_text: Callable[[Connection, str], Any]
    ) -> web.StreamResponse:
        """One websocket: a reader that never stops and a sender beside it."""
        ws = web.WebSocketResponse(heartbeat=PING_EVERY, compress=False, writer_limit=1 << 18)
        await ws.prepare(request)
        connection = Connection(ws, request.path, dict(request.query))
        self.connections.add(connection)
        sender = asyncio.create_task(connection.send_forever())
        self.dialect.opened(connection)
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    result = on_text(connection, message.data)
                    if asyncio.iscoroutine(result):
                        await result
        finally:
            sender.cancel()
            self.connections.discard(connection)
            connection.forget()
        return ws

    def public(self) -> list[Connection]:
        return [c for c in self.connections if not c.state.get("private")]

    def private(self, account: Account | None = None) -> list[Connection]:
        return [
            c for c in self.connections if c.account is not None and account in (None, c.account)
        ]

    def broadcast(self, topic: str, build: Build) -> None:
        """To every connection that follows ``topic``; nothing while frames are withheld."""
        for connection in self.connections:
            if topic in connection.topics and self.withholding:
                self._withheld_now = True
            elif topic in connection.topics:
                self._put_market(connection, build)

    def _put_market(self, connection: Connection, build: Build) -> None:
        """A frame to one client, through the faults of the market stream."""
        faults = self.faults
        if faults.hits("drop_frame"):
            return
        if faults.hits("half_open"):
            connection.muted = True
        if faults.hits("disconnect_public"):
            self.disconnect([connection])
            return
        if delay := faults.seconds("delay_frame"):
            asyncio.get_running_loop().call_later(delay, connection.put, build)
            return
        if faults.hits("reorder_frame"):
            asyncio.get_running_loop().call_later(DEPTH_EVERY * 1.5, connection.put, build)
            return
        self.frames_sent += 1
        connection.put(build)
        if faults.hits("duplicate_frame"):
            connection.put(build)

    def disconnect(self, connections: list[Connection]) -> None:
        for connection in connections:
            transport = connection.ws._req.transport if connection.ws._req is not None else None
            if transport is not None:
                transport.abort()

    # What happens at the venue.

    async def _flow_forever(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await asyncio.sleep(WAKE_FLOW)
            if self.paused or self.rate <= 0:
                due = loop.time()
                continue
            events = min(int((loop.time() - due) * self.rate), 1000)
            due += events / self.rate
            for _ in range(events):
                for pair, flow in list(self.flows.items()):
                    if self.venue.symbols[pair].trading:
                        flow.step(self.now_ns())

    async def _depth_forever(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + DEPTH_EVERY, loop.time())
            await asyncio.sleep(due - loop.time())
            for pair in list(self.venue.books):
                self.send_depth(pair)

    def send_depth(self, pair: str) -> None:
        """One frame of what changed since the last; an interval without changes sends nothing."""
        book = self.venue.books[pair]
        if not book.changed or not self.venue.symbols[pair].trading:
            return
        changed = {"buy": [], "sell": []}  # type: dict[str, list[tuple[Decimal, Decimal]]]
        for side, price in book.changed:
            changed[side].append((price, book.size_at(side, price)))
        first, last = self._sent_ids[pair] + 1, book.update_id
        self._sent_ids[pair] = last
        book.changed.clear()
        with self.holding_back(pair):
            self.dialect.depth_changed(pair, first, last, changed["buy"], changed["sell"])

    @contextlib.contextmanager
    def holding_back(self, pair: str) -> Iterator[None]:
        """What is broadcast inside goes nowhere while frames of ``pair`` are to be withheld; it counts if somebody
        would have got it."""
        self.withholding, self._withheld_now = self.withheld.get(pair, 0) > 0, False
        try:
            yield
        finally:
            self.withheld[pair] = self.withheld.get(pair, 0) - self._withheld_now
            self.withholding = False

    def _book_event(self, kind: str, order: Order, match: Match | None) -> None:
        with self.holding_back(order.symbol):
            self.dialect.book_event(kind, order, match)

    def _happened(self, event: Event) -> None:
        told = self.dialect.told(event)
        for connection in self.private(event.order.account):
            for build in self.dialect.user_frames(event, told, connection):
                self.put_user(connection, build)

    def put_user(self, connection: Connection, build: Build) -> None:
        faults = self.faults
        if faults.hits("user_stream_drop"):
            return
        if faults.hits("disconnect_private"):
            self.disconnect([connection])
            return
        connection.put(build)
        if faults.hits("user_stream_duplicate"):
            connection.put(build)
        if faults.hits("user_stream_terminated"):
            self.dialect.terminate(connection)

    def book(self, pair: str) -> Book:
        return self.venue.books[pair]
