"""What every venue's wire has in common, seen from the venue: the base class of the dialects.

How a dialect is written: one class ``Dialect(BaseDialect)`` in a module of ``dialects``.

* ``routes()`` and ``sockets()`` list what the venue serves, with bound methods as handlers. A
  handler takes a ``Request`` (on a socket: a Connection and a ``Message``) and, behind a signature,
  the Account; it reads what it needs by the request's typed readers, calls a method of this class
  (``find_order``, ``fills_of``, ``place_order``, ...) and gives what is JSON-able. ``result`` puts
  it into the venue's envelope.
* A row is a function from typed records (Order, Fill, Match, Event, Balance, Symbol, MarketStats,
  BookWindow) to a dict literal that looks like the JSON of the venue's documentation. ``formats``
  has the numbers, times and ids.
* What an order asks for is read by a function of the dialect into ``OrderTerms``.
* What a venue documents and the dialect does not offer is refused in the venue's words, never
  answered by a made-up success: each route lists its ``params``, a socket's handler calls
  ``message.only(...)``, unknown methods and topics are UNKNOWN_METHOD and UNKNOWN_TOPIC. A handler
  reads all that it needs before it acts.
* ``refusals`` is a dict, Reason -> Refusal. Only Rejected is the client's fault and answered by it.
  Any other exception is a mistake of the dialect: HTTP 500, in the sandbox's log, counted in
  ``Server.own_errors``; tests fail by it.
* Public frames: ``book_topics`` and ``book_frame``, ``trade_frames``. An account's: ``event_rows``
  once an event, ``account_frame`` for each connection that follows. A frame is a dict, or a
  function of (connection, wall ns) to one, where something in it depends on when it leaves or by
  which connection.
"""

import asyncio
import hmac
import json
import re
import secrets
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar, Literal

from aiohttp import web

from trochil.sandbox.bans import http_date
from trochil.sandbox.book_windows import BookChannel, BookLevel, BookWindow, BookWindows, Levels
from trochil.sandbox.candles import Candle, Candles, flat
from trochil.sandbox.connection import Build, Connection
from trochil.sandbox.formats import uuid_of
from trochil.sandbox.market.accounts import ZERO, Account
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Fill, Rejected, Symbol
from trochil.sandbox.recorded import Record, RecordReader
from trochil.sandbox.refusals import Refusal, find_refusal
from trochil.sandbox.request_limits import DocumentedLimits
from trochil.sandbox.requests import Message, Params, Request, read_message, read_request
from trochil.sandbox.server import Server
from trochil.sandbox.signatures import signature as hmac_signature

RECENT = 500
"""Public trades of a pair that are remembered, and rows of a list where the request sets no
limit."""
UNANSWERED_PINGS = 2
"""After which a connection is cut."""

Row = dict[str, Any]
FrameMaker = Callable[[Connection, int], Any]
"""(connection, wall ns at which it leaves) -> what is encoded."""
Frame = Row | list[Any] | str | bytes | FrameMaker
RequestKind = Literal["query", "place", "cancel"]
"""The faults of placing and cancelling strike by it."""
Side = Literal["buy", "sell"]
OrderKind = Literal["limit", "market", "post_only"]
TimeInForce = Literal["GTC", "IOC", "FOK"]


@dataclass(frozen=True, slots=True)
class PublicRoute:
    """``PublicRoute("GET", "/time", self.server_time)``: answered to anybody."""

    method: str
    path: str
    handler: Callable[[Request], Any]
    kind: RequestKind = "query"
    params: tuple[str, ...] | None = None
    """What query and body may contain. Other names are refused before the handler is called. None:
    the handler itself checks what it is sent (``Params.only``)."""
    repeated: tuple[str, ...] = ()
    """Those that may be sent more than once; their values are joined by commas."""
    gives_book: bool = False
    """Answers with a book that the stream's changes join: a replay says when."""


@dataclass(frozen=True, slots=True)
class SignedRoute:
    """``SignedRoute("POST", "/orders", self.post_order, kind="place")``: answered to who signs, by
    ``verify``.

    ``kind`` may be a function, where the body says it."""

    method: str
    path: str
    handler: Callable[[Request, Account], Any]
    kind: RequestKind | Callable[[Request], RequestKind] = "query"
    params: tuple[str, ...] | None = None
    """As a PublicRoute's; besides these, ``BaseDialect.signing_params`` are taken."""
    repeated: tuple[str, ...] = ()


Route = PublicRoute | SignedRoute
SocketHandler = Callable[[Connection, Message], None]


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """What a client wants: an amount in base, or of a market order a value in quote."""

    side: Side
    kind: OrderKind
    amount: Decimal | None
    price: Decimal | None = None
    quote_amount: Decimal | None = None
    tif: TimeInForce = "GTC"
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class MarketStats:
    """A pair's best bid and ask, last trade and last 24 hours."""

    pair: str
    last: Decimal
    """The best bid before any trade."""
    last_size: Decimal
    """0 before any trade."""
    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal
    day: Candle
    """The last 24 hours; without a trade all its prices are the last."""

    @property
    def volume(self) -> Decimal:
        """Of the last 24 hours, in base."""
        return self.day.volume

    @property
    def quote_volume(self) -> Decimal:
        return self.day.quote_volume

    @property
    def middle(self) -> Decimal:
        return (self.bid + self.ask) / 2


class BaseDialect:
    """Root of the dialects. ``server.now_ns()`` is the venue's clock; times in ns."""

    name: ClassVar[str]
    pairs: ClassVar[tuple[str, ...]] = ("BTC-USDT", "ETH-USDT", "SOL-USDT", "ETH-BTC")
    """The markets that are open where nobody names others."""
    documented_limits: ClassVar[DocumentedLimits | None] = None
    """What ``--limits documented`` counts; None: it can't."""
    recordings: ClassVar[RecordReader | None] = None
    book_channel: ClassVar[BookChannel] = BookChannel()
    refusals: ClassVar[Mapping[str, Refusal]]
    """Of each reason; ILLEGAL answers for all that have neither an answer nor a fallback
    (``FALLBACKS``)."""

    # What differs in how venues trade.

    forgets_cancelled_orders: ClassVar[bool] = False
    """Orders that were cancelled without fills are not found any more."""
    cancel_delay_s: ClassVar[float] = 0.0
    """After which the engine cancels; until then an order that is to be cancelled may fill
    (``is_cancelling``)."""
    post_only_cancels: ClassVar[bool] = False
    """A post-only order that would take is accepted and cancelled at once; else it is refused."""
    fee_in_quote: ClassVar[bool] = False
    """Both sides pay their fee in quote; else each pays in what it receives."""
    keeps_own_orders_apart: ClassVar[bool] = False
    """Two orders of one account don't trade: the smaller one is cancelled, the larger one loses as
    much."""
    order_ids_are_uuids: ClassVar[bool] = False
    """Clients name orders by UUIDs (``uuid_of``); else by plain numbers."""
    shows_made_client_ids: ClassVar[bool] = True
    """An order without an id of its client's gets one of the venue's making, by which it is found;
    else only by what the client sent."""
    client_ids_last: ClassVar[bool] = False
    """A client id may never come again; else not while its order is open."""

    # Keys, HTTP and sockets.

    extra_key_fields: ClassVar[tuple[str, ...]] = ()
    """What a key has besides api_key and api_secret."""
    secrets_are_base64: ClassVar[bool] = False
    signing_params: ClassVar[tuple[str, ...]] = ()
    """What every signed request may have in its query or body."""
    takes_forms: ClassVar[bool] = True
    """Bodies may be forms; else they are JSON alone."""
    client_id_form: ClassVar[re.Pattern[str]] = re.compile(r".{1,36}")
    """Which ids of their own clients may give to orders; read them by ``Params.client_id``."""
    foreign_clients: ClassVar[tuple[str, ...]] = ()
    """Clients that nobody here wrote and that run against this dialect in the tests, unpatched; for
    the page of exchanges."""
    offered_streams: ClassVar[tuple[str, ...]] = ()
    """What clients may follow on sockets, as the venue's documentation writes it; for the page of
    exchanges."""
    offered_methods: ClassVar[tuple[str, ...]] = ()
    """What clients may ask for on sockets; for the page of exchanges."""
    placed_status: ClassVar[int] = 200
    """HTTP status of the answer to an order."""
    private_paths: ClassVar[tuple[str, ...]] = ()
    """Of sockets that serve accounts only."""
    greeting: ClassVar[Frame | None] = None
    """The first frame on every socket."""
    public_ping_s: ClassVar[float] = 0.0
    """Seconds between two ``ping_frame``s on a public socket; a client that leaves two unanswered
    is cut. 0: none."""
    private_ping_s: ClassVar[float] = 0.0
    snapshot_on_subscribe: ClassVar[bool] = False
    """Who begins to follow a book is first sent its whole window."""
    snapshot_interval_s: ClassVar[float] = 0.0
    """Seconds between two frames of ``snapshot_topics``; 0: one with every change of the book."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.venue = server.venue
        self.venue.post_only_cancels = self.post_only_cancels
        self.venue.fee_in_quote = self.fee_in_quote
        self.venue.client_ids_last = self.client_ids_last
        self.venue.keeps_own_orders_apart = self.keeps_own_orders_apart
        for symbol in self.venue.symbols.values():
            self.set_rules(symbol)
        self.books = BookWindows(server, self.book_channel)
        self.numbers: Counter[str] = Counter()
        """The last number of each sequence that a dialect counts besides the books' own; see
        ``count``."""
        self._recent_trades: dict[str, list[Match]] = {}
        self._candles: dict[str, Candles] = {}
        self._snapshots_due: set[str] = set()
        self._routes: dict[Any, Route] = {}

    # What a dialect writes.

    def routes(self) -> list[Route]:
        """What the venue answers by REST."""
        raise NotImplementedError

    def sockets(self) -> Mapping[str, SocketHandler]:
        """Path -> what takes a message of a client."""
        raise NotImplementedError

    def symbol(self, pair: str) -> str:
        """The venue's name of a pair."""
        raise NotImplementedError

    def verify(self, request: Request) -> Account:
        """The account of a signed request, by ``signing_account``. Raises Rejected."""
        raise NotImplementedError

    def error_body(self, code: int | str, message: str, request: Request | None) -> Any:
        """The body of a refusal; ``request``: what is refused, None where nothing was read yet."""
        raise NotImplementedError

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        """The frame that refuses what a client sent on a socket; ``refusal_of`` has the venue's
        words."""
        raise NotImplementedError

    def book_topics(self, pair: str) -> Mapping[str, int]:
        """The topics of a pair's books, with the depth of each (0: the channel's usual one)."""
        return {}

    def snapshot_topics(self, pair: str) -> list[str]:
        """The topics of a pair's book whose every frame is the whole window; published every
        ``snapshot_interval_s`` while the book changes."""
        return []

    def snapshot_window(self, pair: str, topic: str) -> BookWindow:
        """What the next frame of one of the ``snapshot_topics`` shows."""
        return self.books.snapshot(pair)

    def book_frame(
        self, topic: str, window: BookWindow, connection: Connection, now_ns: int
    ) -> Any:
        """A frame of a book's topic. ``now_ns``: wall time at which it leaves."""
        raise NotImplementedError

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        """Topic -> the frame of a public trade; made once a trade."""
        return {}

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        """What an account is sent of an event, as (topic, row), in this order; "" reaches all its
        connections. Made once an event."""
        return []

    def event_topic(self, topic: str) -> str:
        """The topic of ``event_rows`` that a connection gets which follows ``topic``."""
        return topic

    def account_frame(self, topic: str, row: Row, connection: Connection) -> Frame:
        """The frame around a row of ``event_rows`` for one connection; ``topic``: as that follows
        it."""
        return row

    # What a dialect may change.

    def set_rules(self, symbol: Symbol) -> None:
        """Set what the venue makes of a pair's steps and limits."""

    def aliases(self, pair: str) -> tuple[str, ...]:
        """What else requests may call a pair."""
        return ()

    def result(self, body: Any) -> Any:
        """A successful answer in the venue's envelope."""
        return body

    def before(self, request: Request) -> None:
        """Called with every request of a route, first of all: what it counts against limits. Raises
        Rejected."""

    def headers(self, request: Request) -> dict[str, str]:
        """Of a successful answer."""
        return {}

    def retry_headers(self, retry_after_s: int) -> dict[str, str]:
        """Of a refusal by a limit."""
        return {"Retry-After": str(retry_after_s)}

    def limit_headers(self, retry_after_s: int) -> dict[str, str]:
        """The same, where the venue tells the end of a limit in another way."""
        if self.server.ban.told == "words":
            return {}
        if self.server.ban.told == "date":
            return {"Retry-After": http_date(self.now_s() + retry_after_s)}
        return self.retry_headers(retry_after_s)

    def ban_end(self, retry_after_s: int) -> str:
        """The end of a ban as the words of its refusal name it."""
        return ""

    @property
    def tells_ban_end(self) -> bool:
        """Whether the words of a ban name its end."""
        return "{}" in self.refusals.get(Reason.BANNED, Refusal(429)).message

    def is_book_topic(self, topic: str, pair: str) -> bool:
        """Whether a topic shows the pair's book as it changes; a dead channel is one of these."""
        return topic in self.book_topics(pair) or topic in self.snapshot_topics(pair)

    def restart_numbers(self, pair: str, first: int) -> None:
        """The numbers of the pair's books go on from ``first``."""
        self.books.restart_numbers(pair, first)

    def needs_login(self, topic: str) -> bool:
        """Whether only accounts may follow a topic."""
        return False

    def encode(self, connection: Connection, frame: Any) -> str | bytes:
        """A frame as it leaves."""
        return frame if isinstance(frame, str | bytes) else json.dumps(frame)

    def ping_frame(self, connection: Connection, now_ms: int) -> Frame:
        """What a client must answer."""
        return {"ping": now_ms}

    def is_pong(self, message: Message) -> bool:
        """Whether that answers a ping."""
        return "pong" in message

    def terminate(self, connection: Connection) -> None:
        """The venue ends an account's stream."""
        self.server.disconnect([connection])

    def on_book_event(self, kind: str, order: Order, match: Match | None) -> None:
        """Something happened to an order, whoever's: received, open, match (the maker's, once it
        has shrunk), change (it lost the amount of ``match``, so as not to trade with an order of
        its own account), done."""

    def new_keys(self, name: str) -> dict[str, str]:
        """Keys of a new account."""
        if self.secrets_are_base64:
            secret = b64encode(secrets.token_bytes(32)).decode()
        else:
            secret = secrets.token_hex(32)
        keys = {"api_key": f"sandbox-{name}-{secrets.token_hex(8)}", "api_secret": secret}
        return keys | {field: secrets.token_hex(6) for field in self.extra_key_fields}

    def replayed_frame(self, connection: Connection, record: Record) -> str | bytes | None:
        """A recorded frame as this client is to see it; None: it follows neither the topic nor the
        book."""
        topics = {record.topic} if record.topic else {*self.book_topics(self.replayed_pair)}
        return None if connection.topics.isdisjoint(topics) else record.text

    # Names and numbers.

    def pair_of(self, symbol: str) -> str:
        """The pair of the venue's name. Raises Rejected: UNKNOWN_SYMBOL."""
        for pair in self.venue.symbols:
            if symbol == self.symbol(pair) or symbol in self.aliases(pair):
                return pair
        raise Rejected(Reason.UNKNOWN_SYMBOL, symbol)

    def optional_pair(self, symbol: str) -> str | None:
        """The same; None for no name."""
        return self.pair_of(symbol) if symbol else None

    def count(self, sequence: str) -> int:
        """The next number of a sequence, from 1."""
        self.numbers[sequence] += 1
        return self.numbers[sequence]

    @property
    def replayed_pair(self) -> str:
        """Empty where the market is no replay."""
        return self.server.replay.pair if self.server.replay is not None else ""

    def now_s(self) -> int:
        """Unix seconds on the venue's clock."""
        return self.server.now_ns() // 10**9

    # The venue's records.

    def markets(self, pair: str | None = None) -> list[Symbol]:
        """All, or the one of that pair."""
        return [symbol for symbol in self.venue.symbols.values() if pair in (None, symbol.pair)]

    def market_stats(self, pair: str) -> MarketStats:
        book = self.venue.books[pair]
        bid = book.best("buy") or ZERO
        ask = book.best("sell") or ZERO
        last = self.venue.last_price.get(pair) or bid
        last_trade = self.recent_trades(pair, 1)
        now_s = self.now_s()
        return MarketStats(
            pair=pair,
            last=last,
            last_size=last_trade[0].amount if last_trade else ZERO,
            bid=bid,
            bid_size=book.size_at("buy", bid),
            ask=ask,
            ask_size=book.size_at("sell", ask),
            day=self.candles(pair).day(now_s) or flat(now_s, last),
        )

    def candles(self, pair: str) -> Candles:
        """Of all public trades of a pair."""
        return self._candles.setdefault(pair, Candles())

    def recent_trades(self, pair: str, limit: int = RECENT) -> list[Match]:
        """The last public trades, oldest first."""
        return self._recent_trades.get(pair, [])[-limit:] if limit else []

    def orders_of(
        self, account: Account, pair: str | None = None, *, is_open: bool | None = None
    ) -> list[Order]:
        """Oldest first; open or closed ones alone where that is asked for."""
        return [
            order
            for order in self.venue.orders.values()
            if order.account is account
            and pair in (None, order.symbol)
            and is_open in (None, order.is_open)
            and not (self.forgets_cancelled_orders and not order.is_open and not order.filled)
        ]

    def find_order(
        self,
        account: Account,
        *,
        order_id: str = "",
        client_id: str = "",
        pair: str | None = None,
        otherwise: str = Reason.NO_SUCH_ORDER,
    ) -> Order:
        """The newest order with one of these ids, of a pair or of any; the venue's id also as a
        UUID, where those are.

        Raises Rejected with the reason ``otherwise``, also before an order becomes visible."""
        delay_ns = int(self.server.faults.seconds("delayed_visibility") * 1e9)
        visible_ns = self.server.now_ns() - delay_ns
        for order in reversed(self.orders_of(account, pair)):
            has_id = order_id == str(order.id)
            if self.order_ids_are_uuids:
                has_id = has_id or order_id == uuid_of(order.id)
            known = order.client_id if self.shows_made_client_ids else order.own_client_id
            has_client_id = bool(client_id) and known == client_id
            if (has_id or has_client_id) and order.time <= visible_ns:
                return order
        raise Rejected(otherwise)

    def fills_of(
        self,
        account: Account,
        pair: str | None = None,
        *,
        order: Order | None = None,
        after_trade_id: int | None = None,
        before_trade_id: int | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        limit: int = RECENT,
    ) -> list[Fill]:
        """Oldest first: the first ``limit`` of those after a trade, else the last of all others.
        The ids are outside of the range, the times are in it."""
        found = [
            fill
            for fill in self.venue.fills
            if fill.order.account is account
            and pair in (None, fill.order.symbol)
            and order in (None, fill.order)
            and (after_trade_id is None or fill.trade_id > after_trade_id)
            and (before_trade_id is None or fill.trade_id < before_trade_id)
            and (since_ms is None or fill.time // 10**6 >= since_ms)
            and (until_ms is None or fill.time // 10**6 <= until_ms)
        ]
        if after_trade_id is not None:
            return found[:limit]
        return found[-limit:] if limit else []

    # What clients do.

    def place_order(
        self, account: Account, pair: str, terms: OrderTerms, *, validate_only: bool = False
    ) -> Order:
        """``validate_only``: the order is checked, and not taken. Raises Rejected, having done
        nothing."""
        return self.venue.place(
            account,
            pair,
            terms.side,
            terms.kind,
            terms.amount if terms.amount is not None else ZERO,
            terms.price,
            self.server.now_ns(),
            tif=terms.tif,
            client_id=terms.client_id,
            quote_amount=terms.quote_amount,
            validate_only=validate_only,
        )

    def check_order(self, account: Account, pair: str, terms: OrderTerms) -> None:
        """Raises Rejected where ``place_order`` would; nothing is done."""
        self.place_order(account, pair, terms, validate_only=True)

    def cancel_order(self, account: Account, *, order_id: str = "", client_id: str = "") -> Order:
        """The order, cancelled, or about to be after ``cancel_delay_s``. Raises Rejected:
        UNKNOWN_ORDER, NOT_OPEN."""
        order = self.find_order(
            account, order_id=order_id, client_id=client_id, otherwise=Reason.UNKNOWN_ORDER
        )
        if not order.is_open:
            raise Rejected(Reason.NOT_OPEN)
        if not self.cancel_delay_s:
            self.venue.cancel(order, self.server.now_ns())
        elif not order.is_cancelling:
            order.is_cancelling = True
            self.server.call_later(self.cancel_delay_s, self._cancel_late, order)
        return order

    def _cancel_late(self, order: Order) -> None:
        with suppress(Rejected):  # it was filled meanwhile
            self.venue.cancel(order, self.server.now_ns())

    def cancel_orders(self, account: Account, pair: str | None = None) -> list[Order]:
        """All open orders, cancelled."""
        orders = self.orders_of(account, pair, is_open=True)
        for order in orders:
            self.venue.cancel(order, self.server.now_ns())
        return orders

    def signing_account(
        self,
        *,
        api_key: str,
        signature: str,
        payload: str | bytes,
        algorithm: str = "sha256",
        encoding: Literal["hex", "base64"] = "hex",
        signed_at_s: float | None = None,
        max_age_s: float = 30.0,
        max_ahead_s: float = 30.0,
        passphrase: str | None = None,
    ) -> Account:
        """The account of ``api_key``, whose secret makes that signature (HMAC) of the payload.

        ``signed_at_s``: when, for venues that mind; how long ago that may be, and how far ahead of
        the venue's clock. ``passphrase``: for keys that have one.

        Raises Rejected: NO_KEY, BAD_KEY, BAD_SIGNATURE, BAD_PASSPHRASE, BAD_TIME.
        """
        account = self.server.account_of_key(api_key)
        if account is None:
            raise Rejected(Reason.BAD_KEY if api_key else Reason.NO_KEY)
        secret: str | bytes = account.keys["api_secret"]
        if self.secrets_are_base64:
            secret = b64decode(secret)
        expected = hmac_signature(secret, payload, algorithm, encoding)
        if not hmac.compare_digest(expected.encode(), signature.encode(errors="surrogatepass")):
            raise Rejected(Reason.BAD_SIGNATURE)
        if passphrase is not None and account.keys.get("passphrase") != passphrase:
            raise Rejected(Reason.BAD_PASSPHRASE)
        if signed_at_s is not None:
            age_s = self.server.now_ns() / 1e9 - signed_at_s
            if not -max_ahead_s <= age_s <= max_age_s:
                raise Rejected(Reason.BAD_TIME)
        return account

    # REST.

    def add_routes(self, app: web.Application) -> None:
        for route in self.routes():
            endpoint = self._endpoint(route)
            self._routes[endpoint] = route
            app.router.add_route(route.method, route.path, endpoint)
        for path, handler in self.sockets().items():
            app.router.add_get(path, self._socket_endpoint(handler))

    async def request_kind(self, http: web.Request) -> RequestKind | None:
        """None for what no fault strikes."""
        route = self._routes.get(http.match_info.handler)
        if route is None:
            return None
        if not callable(route.kind):
            return route.kind
        try:
            return route.kind(await read_request(http))
        except Rejected:
            return "query"

    def _endpoint(self, route: Route) -> Callable[[web.Request], Any]:
        gives_book = isinstance(route, PublicRoute) and route.gives_book

        async def answer(http: web.Request) -> web.StreamResponse:
            try:
                request = await read_request(http)
            except Rejected as refusal:
                return self.error(refusal.reason, refusal.detail)
            if gives_book and self.server.replay is not None:
                await self.server.replay.answerable()
            response = self._answer(route, request)
            if gives_book and (delay := self.server.faults.seconds("delay_snapshot")):
                await asyncio.sleep(delay)
            return response

        return answer

    def _answer(self, route: Route, request: Request) -> web.StreamResponse:
        """Of an order that was taken nothing is refused, and nothing succeeds in which the sandbox
        itself failed."""
        own_errors = self.server.own_error_count
        orders = len(self.venue.orders)
        try:
            response = self._success(route, request)
        except Rejected as refusal:
            if len(self.venue.orders) > orders:
                raise RuntimeError("an order was taken, then refused") from refusal
            response = self.error(refusal.reason, refusal.detail, request=request)
        if self.server.own_error_count > own_errors:
            return self.server.own_error_response()
        return response

    def _success(self, route: Route, request: Request) -> web.StreamResponse:
        self.before(request)
        if isinstance(route, SignedRoute):
            account = self.verify(request)
            self.check_params(route, request, self.signing_params)
            body = route.handler(request, account)
        else:
            self.check_params(route, request)
            body = route.handler(request)
        if isinstance(body, web.StreamResponse):
            return body
        status = self.placed_status if route.kind == "place" else 200
        return web.json_response(self.result(body), status=status, headers=self.headers(request))

    def check_params(self, route: Route, request: Request, signing: tuple[str, ...] = ()) -> None:
        """That a request has no other parameters than its route's. Raises Rejected: ILLEGAL for a
        form where bodies are JSON, and for a list where a body has names; UNKNOWN_PARAMETER,
        DOUBLED_PARAMETER."""
        is_list = route.params is not None and isinstance(request.body, list)
        if is_list or (request.is_form and not self.takes_forms):
            raise Rejected(Reason.ILLEGAL, "body")
        if isinstance(request.body, list):
            Params(request.http.query).only(*signing)
        if route.params is not None:
            request.only(*route.params, *signing, *request.http.match_info)
        for name in sorted(request.doubled):
            if name not in route.repeated:
                raise Rejected(Reason.DOUBLED_PARAMETER, name)

    def refusal_of(self, reason: str, detail: str = "") -> tuple[Refusal, str]:
        """The venue's answer for a reason, and its message."""
        known, refusal = find_refusal(self.refusals, reason)
        return refusal, refusal.text(known, detail)

    def error(
        self,
        reason: str,
        detail: str = "",
        *,
        retry_after: int = 0,
        request: Request | None = None,
    ) -> web.Response:
        """A refusal by REST. ``retry_after``: seconds for which a limit refuses."""
        if reason == Reason.BANNED:
            detail = self.ban_end(retry_after)
        refusal, message = self.refusal_of(reason, detail)
        return web.json_response(
            self.error_body(refusal.code, message, request),
            status=refusal.status,
            headers=self.limit_headers(retry_after) if retry_after else {},
        )

    # Sockets.

    def _socket_endpoint(self, handler: SocketHandler) -> Callable[[web.Request], Any]:
        async def serve(http: web.Request) -> web.StreamResponse:
            return await self.server.serve_socket(http, partial(self._on_text, handler))

        return serve

    def _on_text(self, handler: SocketHandler, connection: Connection, text: str) -> None:
        message = read_message(text)
        if self._ping_s(connection) and self.is_pong(message):
            connection.unanswered_pings = 0
            return
        try:
            handler(connection, message)
        except Rejected as refusal:
            self.send(connection, self.socket_error(message, refusal))

    def on_connect(self, connection: Connection) -> None:
        """A socket opened."""
        connection.is_private = connection.path in self.private_paths
        if self.greeting is not None:
            self.send(connection, self.greeting)
        if self._ping_s(connection):
            self._keep_pinging(connection)

    def _ping_s(self, connection: Connection) -> float:
        return self.private_ping_s if connection.is_private else self.public_ping_s

    def _keep_pinging(self, connection: Connection) -> None:
        if connection.unanswered_pings == UNANSWERED_PINGS:
            self.server.disconnect([connection])
        elif connection in self.server.connections:
            connection.unanswered_pings += 1
            self.send(connection, self.ping_frame(connection, self.server.now_ns() // 1_000_000))
            self.server.call_later(self._ping_s(connection), self._keep_pinging, connection)

    def subscribe(
        self, connection: Connection, topics: Iterable[str], acknowledgement: Frame | None = None
    ) -> None:
        """Follow topics, once the acknowledgement is sent. Raises Rejected: NO_LOGIN, having done
        nothing."""
        wanted = list(topics)
        if connection.account is None and any(map(self.needs_login, wanted)):
            raise Rejected(Reason.NO_LOGIN)
        if acknowledgement is not None:
            self.send(connection, acknowledgement)
        for topic in wanted:
            self.follow(connection, topic)

    def unsubscribe(
        self, connection: Connection, topics: Iterable[str], acknowledgement: Frame | None = None
    ) -> None:
        """Follow topics no more."""
        if acknowledgement is not None:
            self.send(connection, acknowledgement)
        connection.topics.difference_update(topics)

    def follow(self, connection: Connection, topic: str) -> None:
        """Add a topic to what a connection follows, after the snapshot that it opens with. A replay
        begins with the first subscription to its book."""
        opening = self._opening_window(topic)
        if opening is not None:
            self.server.snapshot_requested(opening.pair)
            if not self.server.faults.hits("withhold_snapshot"):
                self.send(connection, partial(self.book_frame, topic, opening))
        connection.topics.add(topic)
        self.server.followed(connection, topic)
        if self.server.replay is not None:
            self.server.replay.book_followed(connection)

    def _opening_window(self, topic: str) -> BookWindow | None:
        """What a topic opens with; None for nothing."""
        for pair in self.venue.symbols:
            depths = self.book_topics(pair) if self.snapshot_on_subscribe else {}
            if topic in depths:
                return self.books.opening(pair, depths[topic])
            if self.server.replay is None and topic in self.snapshot_topics(pair):
                return self.snapshot_window(pair, topic)
        return None

    def anyone_follows(self, topic: str) -> bool:
        return any(topic in connection.topics for connection in self.server.connections)

    # Frames.

    def build(self, frame: Frame) -> Build:
        """What makes the frame's text as it leaves."""

        def encode(connection: Connection, now_ns: int) -> str | bytes:
            content = frame(connection, now_ns) if callable(frame) else frame
            return self.encode(connection, content)

        return encode

    def send(self, connection: Connection, frame: Frame) -> None:
        """One frame to one connection."""
        connection.put(self.build(frame))

    def publish(self, topic: str, frame: Frame) -> None:
        """One frame to all that follow ``topic``, through the faults of the market stream."""
        self.server.broadcast(topic, self.build(frame))

    def send_to_account(self, account: Account, topic: str, frame: Frame) -> None:
        """One frame to all that follow an account's ``topic``, through the faults of the user
        stream."""
        for connection in self.server.private(account):
            if topic in connection.topics:
                self.server.put_user(connection, self.build(frame))

    def on_depth(
        self,
        pair: str,
        first_id: int,
        last_id: int,
        bids: list[tuple[Decimal, Decimal]],
        asks: list[tuple[Decimal, Decimal]],
    ) -> None:
        """Levels that changed since the last call, with their sizes now; ids of the whole book's
        changes. Publishes ``book_frame`` of what that means for each channel that somebody
        follows."""
        topics = self.book_topics(pair)
        touched = (_book_levels(bids), _book_levels(asks))
        depths = self.books.depths
        for depth in depths:
            followed = [topic for topic in topics if topics[topic] == depth]
            if len(depths) == 1 or any(map(self.anyone_follows, followed)):
                window = self.books.update(pair, last_id, depth, touched)
                for topic in followed:
                    self.publish(topic, partial(self.book_frame, topic, window))
            else:
                self.books.forget(pair, depth)
        if not self.snapshot_interval_s:
            self._publish_snapshots(pair)
        elif pair not in self._snapshots_due:
            self._snapshots_due.add(pair)
            now_s = asyncio.get_running_loop().time()
            wait_s = self.snapshot_interval_s - now_s % self.snapshot_interval_s
            self.server.call_later(wait_s, self._publish_due_snapshots, pair)

    def _publish_due_snapshots(self, pair: str) -> None:
        """A book that did not change since is due no more."""
        self._snapshots_due.discard(pair)
        with self.server.holding_back(pair):
            self._publish_snapshots(pair)

    def _publish_snapshots(self, pair: str) -> None:
        for topic in self.snapshot_topics(pair):
            if self.anyone_follows(topic):
                window = self.snapshot_window(pair, topic)
                self.publish(topic, partial(self.book_frame, topic, window))

    def on_trade(self, match: Match) -> None:
        """A public trade: remembered, added to the candles, and published by ``trade_frames``."""
        trades = self._recent_trades.setdefault(match.symbol, [])
        trades.append(match)
        del trades[:-RECENT]
        self.candles(match.symbol).add(match)
        for topic, frame in self.trade_frames(match).items():
            self.publish(topic, frame)

    def on_event(self, event: Event) -> None:
        """Something happened to an account's order: sent by ``event_rows`` to those connections
        that follow."""
        rows = self.event_rows(event)
        for connection in self.server.private(event.order.account):
            followed = [(topic, self.event_topic(topic)) for topic in connection.topics]
            followed.append(("", ""))
            frames = [
                self.account_frame(topic, row, connection)
                for name, row in rows
                for topic, its_name in followed
                if its_name == name
            ]
            for frame in frames:
                self.server.put_user(connection, self.build(frame))


def _book_levels(levels: list[tuple[Decimal, Decimal]]) -> Levels:
    return [BookLevel(price, size) for price, size in levels]
