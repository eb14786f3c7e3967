"""The sandbox on the network: REST and websockets of a dialect, the flow and the faults.

What the admin door shows and what a replay serves are composed around it, in ``__main__``.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any, Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from trochil.sandbox.bans import Ban
from trochil.sandbox.connection import Build, Connection
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.faults import Faults
from trochil.sandbox.market.flow import LEVELS, Flow
from trochil.sandbox.market.matching import Book, Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Symbol, Venue
from trochil.sandbox.recorded import Record, Rows
from trochil.sandbox.request_limits import RequestLimits

DEPTH_EVERY = 0.1
PING_EVERY = 20.0
WAKE_FLOW = 0.01
OWN_ERRORS_KEPT = 100
HTTP_ERRORS = 400
TOO_MANY = 429
UNAVAILABLE = 503
ADMIN_PATH = "/_sandbox/"
"""Under which the admin door is."""
HEALED_BY = ("subscription", "connection", "nothing")
"""What makes a dead channel speak again."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = logging.getLogger(__name__)


class VenueDialect(Protocol):
    """What the server needs of a dialect; ``dialect.BaseDialect`` is what they derive from."""

    def add_routes(self, app: web.Application) -> None: ...

    async def request_kind(self, request: web.Request) -> str | None:
        """query, place or cancel; None for what no fault strikes."""

    def error(self, reason: str, detail: str = "", *, retry_after: int = 0) -> web.Response: ...

    def new_keys(self, name: str) -> dict[str, str]: ...

    def on_connect(self, connection: Connection) -> None: ...

    def on_event(self, event: Event) -> None: ...

    def on_trade(self, match: Match) -> None: ...

    def on_book_event(self, kind: str, order: Order, match: Match | None) -> None: ...

    def on_depth(
        self,
        pair: str,
        first_id: int,
        last_id: int,
        bids: list[tuple[Decimal, Decimal]],
        asks: list[tuple[Decimal, Decimal]],
    ) -> None: ...

    def terminate(self, connection: Connection) -> None:
        """The venue ends an account's stream."""

    def replayed_frame(self, connection: Connection, record: Record) -> str | bytes | None:
        """A recorded frame as this client is to see it; None: it doesn't follow that."""

    @property
    def tells_ban_end(self) -> bool:
        """Whether the words of a ban name its end."""

    def is_book_topic(self, topic: str, pair: str) -> bool:
        """Whether a topic shows the pair's book as it changes."""

    def restart_numbers(self, pair: str, first: int) -> None:
        """The numbers of the pair's books go on from ``first``."""

    def set_rules(self, symbol: Symbol) -> None:
        """Set what the venue makes of a pair's steps and limits."""


class RecordedMarket(Protocol):
    """What takes the place of the market where recorded frames are served."""

    pair: str

    def snapshot(self) -> tuple[int, Rows, Rows]:
        """Last id, bids and asks (price, size) as a client gets them that asks for the book now."""

    def opening(self) -> tuple[int, Rows, Rows] | None:
        """The same for who subscribes to a stream that opens with it; None: it comes as a frame."""

    async def answerable(self) -> None:
        """Wait until a request for the book is to be answered."""

    def book_followed(self, connection: Connection) -> None:
        """A client subscribed to a book."""

    def go_on(self, waits_for: str) -> None:
        """Go on from where a guided replay waits. Raises ValueError."""

    def status(self) -> dict[str, Any]: ...

    async def run(self) -> None: ...


class Server:
    """One venue, one dialect.

    A mistake of the dialect's own is no fault of the client's: it is logged, kept in
    ``own_errors``, and a request in which it happens is answered with HTTP 500.
    """

    def __init__(
        self,
        dialect: Callable[["Server"], Any],
        symbols: dict[str, Symbol],
        *,
        seed: int = 0,
        rate: float = 50.0,
        levels: int = LEVELS,
        trend: float = 0.0,
        faults: Faults,
        limits: RequestLimits | None = None,
    ) -> None:
        """``dialect``: the class of a ``VenueDialect``. ``rate``: flow events a second and pair.
        ``levels``: those a side that are kept up. ``trend``: levels a second by which every price
        moves; negative: down. ``limits``: what the venue documents; None: as much as clients
        like."""
        self.venue = Venue(symbols)
        self.faults = faults
        self.limits = limits
        self.seed = seed
        self.rate = rate
        self.levels = levels
        self.trends: dict[str, float] = {}
        """Levels a second, by pair."""
        self._trend = trend
        self.paused = False
        self.liquidity_provider = self.venue.open_account(
            Account("liquidity_provider", unlimited=True)
        )
        self.flows: dict[str, Flow] = {}
        self.connections: set[Connection] = set()
        self.frames_sent = 0
        self.own_errors: list[str] = []
        """The sandbox's own mistakes, the first hundred: where each was made, and the exception."""
        self.own_error_count = 0
        self.withheld: dict[str, int] = {}
        self.withholding = False
        self._withheld_now = False
        self.ban = Ban()
        self.dead_pairs: set[str] = set()
        """Their books are silent for whoever subscribes."""
        self.delisted_by_snapshot: set[str] = set()
        """They are delisted as soon as a snapshot of their book is requested."""
        self._sent_ids: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.replay: RecordedMarket | None = None
        self.dialect: VenueDialect = dialect(self)
        self.venue.on_event.append(self._on_event)
        self.venue.on_trade.append(self._on_trade)
        self.venue.on_book.append(self._on_book_event)
        for pair in symbols:
            self.begin_flow(pair)

    # The sandbox's own mistakes.

    def note_own_error(self, where: str, error: BaseException) -> None:
        """Log and count a mistake of the sandbox's own."""
        log.error("the sandbox's own mistake: %s", where, exc_info=error)
        self.own_error_count += 1
        if len(self.own_errors) < OWN_ERRORS_KEPT:
            self.own_errors.append(f"{where}: {error!r}")

    @contextlib.contextmanager
    def noting_own_errors(self, where: str) -> Iterator[None]:
        """Whatever fails inside is the sandbox's own mistake; the venue's work goes on."""
        try:
            yield
        except Exception as error:
            self.note_own_error(where, error)

    def call_later(self, seconds: float, callback: Callable[..., Any], *args: Any) -> None:
        """``callback(*args)`` in a while; its failure is the sandbox's own mistake."""

        def call() -> None:
            with self.noting_own_errors(f"in {callback!r}"):
                callback(*args)

        asyncio.get_running_loop().call_later(seconds, call)

    @staticmethod
    def own_error_response() -> web.Response:
        """HTTP 500, in no venue's words."""
        return web.json_response({"error": "the sandbox's own mistake: see its log"}, status=500)

    # Time as the venue sees it.

    def now_ns(self) -> int:
        return time.time_ns() + int(self.faults.seconds("clock_skew") * 1e9)

    def begin_flow(self, pair: str) -> None:
        flow = Flow(self.venue, pair, self.liquidity_provider, self.seed, self.levels)
        self.flows[pair] = flow
        self.trends[pair] = self._trend
        flow.fill_up(self.now_ns())
        self._sent_ids[pair] = self.venue.books[pair].update_id
        self.venue.books[pair].changed.clear()

    def new_account(
        self, name: str, balances: dict[str, str], keys: dict[str, str] | None = None
    ) -> Account:
        """``keys``: those that it had before; None: new ones."""
        account = Account(name, self.dialect.new_keys(name) if keys is None else keys)
        for asset, amount in balances.items():
            account.receive(asset, Decimal(amount))
        return self.venue.open_account(account)

    def account_of_key(self, key: str) -> Account | None:
        for account in self.venue.accounts.values():
            if key and account.keys.get("api_key") == key:
                return account
        return None

    # The network.

    def application(self) -> web.Application:
        app = web.Application(
            middlewares=[self._answering_for_own_errors, self._within_limits, self._with_faults],
            client_max_size=1 << 22,
        )
        self.dialect.add_routes(app)
        app.on_startup.append(self._begin)
        app.on_cleanup.append(self._end)
        return app

    async def _begin(self, app: web.Application) -> None:
        market = (self._flow_forever(), self._depth_forever())
        for work in market if self.replay is None else (self.replay.run(),):
            task = asyncio.create_task(work)
            task.add_done_callback(self._must_not_end)
            self._tasks.add(task)

    def _must_not_end(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.note_own_error("in the loop that moves the market", error)

    async def _end(self, app: web.Application) -> None:
        for task in self._tasks:
            task.cancel()
        for connection in list(self.connections):
            await connection.ws.close()

    @web.middleware
    async def _answering_for_own_errors(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return self._refuse_unserved(request, error)
        except ConnectionError:  # the client left before it was answered
            return self._cut(request)
        except Exception as error:
            self.note_own_error(f"{request.method} {request.path}", error)
            return self.own_error_response()

    def _refuse_unserved(
        self, request: web.Request, error: web.HTTPException
    ) -> web.StreamResponse:
        """The venue's answer where nothing is served by that method, or a socket was asked for
        without an upgrade."""
        if request.path.startswith(ADMIN_PATH):
            raise error
        if isinstance(error, web.HTTPRequestEntityTooLarge):
            return self.dialect.error(Reason.ILLEGAL, "body")
        return self.dialect.error(Reason.UNKNOWN_PATH, request.path)

    @web.middleware
    async def _within_limits(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuses what the venue's limits don't allow."""
        if self.limits is None or request.path.startswith(ADMIN_PATH):
            return await handler(request)
        if not await self.limits.takes_request(request):
            return self._error(Reason.RATE_LIMITED, retry_after=1)
        response = await handler(request)
        self.limits.note_answer(response.status)
        return response

    @web.middleware
    async def _with_faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The faults of REST: before the venue acts, between that and the answer, and instead of
        it."""
        kind = await self.dialect.request_kind(request)
        if kind is None:
            return await handler(request)
        refusal = self._refuse_early(kind)
        if refusal is not None:
            return refusal
        if kind in ("place", "cancel") and self.faults.hits("lose_request_before_commit"):
            return self._cut(request)
        if kind == "place" and (delay := self.faults.seconds("delay_request")):
            await asyncio.sleep(delay)
        response = await handler(request)
        if kind not in ("place", "cancel"):
            return response
        if delay := self.faults.seconds("delay_response"):
            await asyncio.sleep(delay)
        if self.faults.hits("lose_response_after_commit"):
            return self._cut(request)
        if self.faults.hits("http_503_after_commit"):
            return self._error(Reason.UNAVAILABLE)
        if self.faults.hits("code_1007_after_commit"):
            return self._error(Reason.TIMEOUT)
        return response

    def _refuse_early(self, kind: str) -> web.Response | None:
        now = time.time()
        left_s = self.ban.left_s("rest")
        if left_s:
            return self._error(self.ban.reason, retry_after=left_s)
        if self.faults.hits("http_429"):
            self.ban = Ban(now + 1.0)
            return self._error(Reason.RATE_LIMITED, retry_after=1)
        if self.faults.hits("ban_418"):
            self.ban = Ban(now + 2.0)
            return self._error(Reason.BANNED, retry_after=2)
        if self.faults.hits("http_503") or self.faults.hits("maintenance"):
            return self._error(Reason.UNAVAILABLE)
        return None

    def _error(self, reason: Reason, retry_after: int = 0) -> web.Response:
        return self.dialect.error(reason, retry_after=retry_after)

    def _cut(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    async def serve_socket(
        self, request: web.Request, on_text: Callable[[Connection, str], None]
    ) -> web.StreamResponse:
        """One websocket: a reader that never stops and a sender beside it."""
        refusal = self._refused_handshake()
        if refusal is not None:
            return refusal
        ws = web.WebSocketResponse(heartbeat=PING_EVERY, compress=False, writer_limit=1 << 18)
        await ws.prepare(request)
        connection = Connection(ws, request.path, dict(request.query))
        self.connections.add(connection)
        who = str(request.remote)
        held: set[str] = set()
        if self.limits is not None and not self.limits.socket_opened(who):
            await ws.close(code=WSCloseCode.POLICY_VIOLATION)
        sender = asyncio.create_task(self._send_forever(connection))
        try:
            self.dialect.on_connect(connection)
            async for message in ws:
                if message.type is not WSMsgType.TEXT:
                    continue
                if self.limits is not None and not self.limits.takes_frame(message.data, who, held):
                    await ws.close(code=WSCloseCode.POLICY_VIOLATION)
                    break
                on_text(connection, message.data)
        except ConnectionError:
            log.info("a client left its socket at %s", request.path)
        except Exception as error:
            self.note_own_error(f"on a socket at {request.path}", error)
            await ws.close(code=WSCloseCode.INTERNAL_ERROR)
        finally:
            sender.cancel()
            self.connections.discard(connection)
            connection.forget()
            if self.limits is not None:
                self.limits.socket_closed(who, held)
        return ws

    def _refused_handshake(self) -> web.Response | None:
        """Before a socket is open, errors are those of HTTP, whatever the venue's status by
        REST."""
        left_s = self.ban.left_s("handshakes")
        if left_s:
            response = self._error(self.ban.reason, retry_after=left_s)
            is_error = response.status >= HTTP_ERRORS
            response.set_status(response.status if is_error else TOO_MANY)
            return response
        if self.faults.hits("limit_handshake"):
            response = self._error(Reason.RATE_LIMITED, retry_after=1)
            response.set_status(TOO_MANY)
            return response
        if self.faults.hits("refuse_handshake"):
            response = self._error(Reason.UNAVAILABLE)
            response.set_status(UNAVAILABLE)
            return response
        return None

    async def _send_forever(self, connection: Connection) -> None:
        while True:
            build = await connection.queue.get()
            try:
                text = None if connection.muted else build(connection, self.now_ns())
            except Exception as error:
                connection.queue.task_done()
                self.note_own_error(f"in a frame at {connection.path}", error)
                await connection.ws.close(code=WSCloseCode.INTERNAL_ERROR)
                return
            try:
                if text is not None:
                    await connection.send(text)
            finally:
                connection.queue.task_done()

    def public(self) -> list[Connection]:
        return [connection for connection in self.connections if not connection.is_private]

    def private(self, account: Account | None = None) -> list[Connection]:
        return [
            connection
            for connection in self.connections
            if connection.account is not None and account in (None, connection.account)
        ]

    def broadcast(self, topic: str, build: Build) -> None:
        """To every connection that follows ``topic``; nothing while frames are withheld, or where
        the topic is dead."""
        for connection in self.connections:
            if topic not in connection.topics:
                continue
            if self.withholding:
                self._withheld_now = True
            elif topic in connection.dead_topics:
                self.faults.done["dead_channel"] += 1
            else:
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
            connection.put_later(build, delay)
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
            connection.abort()

    # Faults that are told at the admin door.

    def let_books_die(self, pair: str, healed_by: str) -> int:
        """The pair's books are silent where they are followed, while everything else goes on.

        ``healed_by``: "subscription": who subscribes again hears them; "connection": a new
        connection does; "nothing": nobody does, until ``revive_books``. Returns how many
        subscriptions died. Raises ValueError."""
        if healed_by not in HEALED_BY:
            raise ValueError(f"healed_by is one of {', '.join(HEALED_BY)}, not {healed_by!r}")
        died = 0
        for connection in self.connections:
            topics = {each for each in connection.topics if self.dialect.is_book_topic(each, pair)}
            connection.dead_topics |= topics
            connection.stays_dead = healed_by != "subscription"
            died += len(topics)
        if healed_by == "nothing":
            self.dead_pairs.add(pair)
        return died

    def revive_books(self, pair: str) -> None:
        self.dead_pairs.discard(pair)
        for connection in self.connections:
            dead = connection.dead_topics
            alive = {each for each in dead if self.dialect.is_book_topic(each, pair)}
            connection.dead_topics = dead - alive

    def followed(self, connection: Connection, topic: str) -> None:
        """A connection subscribes to a topic, perhaps again."""
        if any(self.dialect.is_book_topic(topic, pair) for pair in self.dead_pairs):
            connection.dead_topics.add(topic)
        elif not connection.stays_dead:
            connection.dead_topics.discard(topic)

    def restart_numbers(self, pair: str, first: int = 1) -> None:
        """The numbers of the pair's books begin again, as after a restart of the venue's engine:
        what has changed so far is sent with the old ones."""
        self.send_depth(pair)
        self.dialect.restart_numbers(pair, first)
        self._sent_ids[pair] = self.venue.books[pair].update_id

    def change_rules(
        self, pair: str, price_tick: Decimal | None, size_step: Decimal | None
    ) -> None:
        """Another tick or lot for a listed pair; the levels' texts have as many digits."""
        symbol = self.venue.symbols[pair]
        symbol.price_tick = price_tick or symbol.price_tick
        symbol.size_step = size_step or symbol.size_step
        self.dialect.set_rules(symbol)
        self.venue.books[pair].size_step = symbol.size_step
        if pair in self.flows:
            self.flows[pair].follow_rules(self.now_ns())

    def snapshot_requested(self, pair: str) -> None:
        """A client is about to be given the pair's book."""
        if pair in self.delisted_by_snapshot:
            self.delisted_by_snapshot.discard(pair)
            self.venue.symbols[pair].trading = False

    # What happens at the venue.

    async def _flow_forever(self) -> None:
        loop = asyncio.get_running_loop()
        due = moved = loop.time()
        while True:
            await asyncio.sleep(WAKE_FLOW)
            now = loop.time()
            if not self.paused:
                self._move_prices(now - moved)
            moved = now
            if self.paused or self.rate <= 0:
                due = now
                continue
            events = min(int((now - due) * self.rate), 1000)
            due += events / self.rate
            for _ in range(events):
                for pair, flow in list(self.flows.items()):
                    if self.venue.symbols[pair].trading:
                        flow.step(self.now_ns())

    def _move_prices(self, seconds: float) -> None:
        for pair, flow in self.flows.items():
            trend = self.trends.get(pair, 0.0)
            if trend and self.venue.symbols[pair].trading:
                flow.trend(trend * seconds, self.now_ns())

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
        changed: dict[str, list[tuple[Decimal, Decimal]]] = {"buy": [], "sell": []}
        for side, price in book.changed:
            changed[side].append((price, book.size_at(side, price)))
        first_id = self._sent_ids[pair] + 1
        last_id = book.update_id
        self._sent_ids[pair] = last_id
        book.changed.clear()
        with self.holding_back(pair), self.noting_own_errors(f"in a book frame of {pair}"):
            self.dialect.on_depth(pair, first_id, last_id, changed["buy"], changed["sell"])

    @contextlib.contextmanager
    def holding_back(self, pair: str) -> Iterator[None]:
        """What is broadcast inside goes nowhere while frames of ``pair`` are to be withheld; it
        counts if somebody would have got it."""
        self.withholding = self.withheld.get(pair, 0) > 0
        self._withheld_now = False
        try:
            yield
        finally:
            self.withheld[pair] = self.withheld.get(pair, 0) - self._withheld_now
            self.withholding = False

    def _on_book_event(self, kind: str, order: Order, match: Match | None) -> None:
        pair = order.symbol
        with self.holding_back(pair), self.noting_own_errors(f"in an order's frame of {pair}"):
            self.dialect.on_book_event(kind, order, match)

    def _on_trade(self, match: Match) -> None:
        with self.noting_own_errors(f"in a trade's frame of {match.symbol}"):
            self.dialect.on_trade(match)

    def _on_event(self, event: Event) -> None:
        with self.noting_own_errors(f"in an account's frame of {event.order.symbol}"):
            self.dialect.on_event(event)

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
