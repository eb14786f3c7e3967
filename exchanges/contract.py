"""What an exchange must say about itself: four roles and one declaration.

Adapters never await, log, sleep or retry, and own no clock. ``Call[T]`` is a request with the
function that reads its answer; ``parse`` turns a frame into messages. The drivers in actors/ do all
else.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Generic, Literal, TypeVar

from exchanges.looks import BookLook, look_of
from exchanges.orders import (
    Balance,
    Fee,
    Fill,
    InFlightOrder,
    MarketSummary,
    OrderUpdate,
    TradingRule,
)
from exchanges.requests import (
    FORM,
    MALFORMED,
    Answer,
    Auth,
    AuthDict,
    Body,
    Call,
    Frame,
    Handshake,
    Params,
    Request,
    UnsignedRequest,
    public_request,
    signed_request,
    subscription,
)  # fmt: skip
from exchanges.signing import base36
from orderbook.errors import ConfigError
from orderbook.messages import BookSnapshot, OrderBookMessage, OrdersSnapshot

__all__ = [
    "CONNECTIONS",
    "FORM",
    "FRAMES",
    "MALFORMED",
    "SOCKETS",
    "About",
    "Answer",
    "Auth",
    "AuthDict",
    "Body",
    "BookFeed",
    "BookLook",
    "Call",
    "Control",
    "Endpoints",
    "ErrorKind",
    "Exchange",
    "Fault",
    "FillCursor",
    "Frame",
    "GapCheck",
    "Handshake",
    "LoginAgain",
    "Moved",
    "OrderEntry",
    "Page",
    "Params",
    "RateLimit",
    "Ready",
    "Reconnect",
    "Request",
    "Send",
    "UnknownKind",
    "UnsignedRequest",
    "UserEvent",
    "UserFeed",
    "public_request",
    "signed_request",
    "subscription",
]  # fmt: skip
T = TypeVar("T")


class ErrorKind(StrEnum):
    REFUSED = "refused"
    FUNDS = "funds"
    UNKNOWN = "unknown"
    NOT_FOUND = "not_found"
    DUPLICATE = "duplicate"
    RATE = "rate"
    CLOCK = "clock"
    AUTH = "auth"
    UNREADABLE = "unreadable"
    """Part of what the venue said can't be read; the rest of it counts."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The venue said no. ``symbols`` it concerns, where it says so; ``retry_after``: seconds until
    it listens again, or ``retry_at``: from when on (unix seconds on its clock)."""

    kind: ErrorKind
    code: str
    message: str
    symbols: tuple[str, ...] = ()
    retry_after: float = 0.0
    frame: bytes = b""
    """What could not be read, where that is the fault."""
    retry_at: float = 0.0
    limits: tuple[str, ...] = ()
    """The limits that are reached, by their names; empty: those that the request counts against."""
    ban: bool = False
    """Nothing that comes from this address is answered until then."""


@dataclass(frozen=True, slots=True)
class Send:
    """What must be answered: a pong, a renewal, the next step of a login."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class Ready:
    """The private stream is open: login and subscriptions are confirmed. Again after a renewed
    login: nothing new."""


@dataclass(frozen=True, slots=True)
class LoginAgain:
    """The login runs out: send the login frames again on this connection."""


@dataclass(frozen=True, slots=True)
class Reconnect:
    """The venue announced that this connection ends."""

    reason: str


@dataclass(frozen=True, slots=True)
class Moved:
    """The market of a pair moved, as another channel than its book's says."""

    symbol: str
    number: int = 0
    """Of the book's last change, where that channel counts like the book's; 0: it doesn't."""


@dataclass(frozen=True, slots=True)
class UnknownKind:
    """A message of a kind that the adapter doesn't know; it was left unread."""

    kind: str


Control = Fault | Send | Ready | LoginAgain | Reconnect | Moved | UnknownKind
UserEvent = OrderUpdate | Fill | Balance


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list. ``next``: how the venue names the following part; empty for the last."""

    items: list[T]
    next: str = ""


@dataclass(frozen=True, slots=True)
class FillCursor:
    """Where the last reading of fills stopped. ``page``: what the page before named; else all since
    ``time`` (ns) or, where it is known, after ``trade_id``."""

    trade_id: str = ""
    time: int = 0
    page: str = ""


GapCheck = Literal["numbers", "checksum", "images", "unchecked"]
"""How a lost message of a book shows.

numbers: the next message doesn't join the one before. checksum: the venue's sum of the best levels
differs from ours. images: whole books come, and each mends the book or shows that it differs.
unchecked: it doesn't show; only a lost connection does.
"""


class BookFeed(ABC):
    """The public half of a venue. One object a connection, made with the trading rules."""

    streams: ClassVar[tuple[str, ...]] = ("",)
    """One connection each, where a venue speaks over several; the paths on the public host, by
    default."""
    host: ClassVar[str] = ""
    """The public host of this feed, where it is another than the venue's."""
    depth: ClassVar[int] = 0
    """Levels a side to keep, where the venue does not delete what leaves its window. 0: all."""
    trade_streams: ClassVar[tuple[str, ...]] = ()
    """Those of ``streams`` that carry no books: they may be silent for long, and no book breaks
    with them."""
    snapshot_levels: ClassVar[int] = 0
    """Levels a side that a snapshot has at most; one with as many may have been cut there. 0: it is
    the whole book."""
    snapshot_on_request: ClassVar[bool] = False
    """Snapshots answer ``request_snapshot`` and may be older than what the stream said before them:
    a book that is in step takes none."""
    full_snapshots_only: ClassVar[bool] = False
    """Every message is a whole book: a BookSnapshot follows the last one, it resynchronises
    nothing."""
    image_interval: ClassVar[float] = 0.0
    """Seconds between two messages where each is a whole book: as old may a book be. 0: changes are
    told when they happen."""
    gap_check: ClassVar[GapCheck] = "unchecked"
    """How a lost message shows."""
    checked_levels: ClassVar[int] = 0
    """Best levels a side that the gap check is of; a lost message of deeper ones would not show. 0:
    of all."""
    proof_of_life: ClassVar[str] = "a silent book is compared with the one that REST shows"
    """In plain words: what tells a channel that died from a market in which nothing happens. Trades
    of the pair always do."""
    frames_when_quiet: ClassVar[bool] = True
    """Whether frames come also while no market moves: heartbeats, or answers to our pings. False:
    only the pings of the websocket show that the connection lives."""
    look_interval: ClassVar[float] = 5.0
    """Least seconds between two of the ``look`` requests of a connection."""
    verify_depth: ClassVar[int] = 0
    """Levels a side of the BookSnapshots that come beside an order-by-order feed: the book is held
    against them, and every event must fit what came before it. 0: there are none, and events may be
    of orders that never rested."""

    def __init__(self, rules: Mapping[str, TradingRule], stream: str = "") -> None:
        """``rules`` by the venue's symbol."""
        self.rules = rules
        self.stream = stream or self.streams[0]

    @classmethod
    def variant(cls, name: str, **attributes: Any) -> "type[BookFeed]":
        """The same feed with other class attributes: ``variant("50", depth=50)``; ``name`` ends the
        class's."""
        return type(f"{cls.__name__}{name}", (cls,), attributes)

    @abstractmethod
    def markets(self) -> Call[list[MarketSummary]]: ...

    @abstractmethod
    def trading_rules(self) -> Call[list[TradingRule]]: ...

    def handshake(self) -> Handshake:
        """Calls before the socket opens, then its path. By default none, and the stream's own."""
        return self.stream
        yield

    @abstractmethod
    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[Frame]:
        """Frames that subscribe, or with ``on`` False end the subscriptions."""

    def login(self, symbols: list[str], auth: Auth, now: float) -> Iterable[Frame]:
        """``subscribe`` where there is a key: for venues whose public feed may need a login."""
        return self.subscribe(symbols)

    def subscribe_books(self, symbols: list[str], on: bool = True) -> Iterable[Frame]:
        """``subscribe`` without what needs no refresh, like trades."""
        return self.subscribe(symbols, on)

    def subscribe_signs(self, symbols: list[str], on: bool = True) -> Iterable[Frame]:
        """Frames that subscribe what tells that a pair moves (``Moved``) beside ``subscribe``."""
        return ()

    def request_snapshot(
        self, symbols: list[str], subscribing: Iterable[Frame] | None = None
    ) -> Iterable[Frame]:
        """Frames that make the stream send snapshots again, where snapshots come by stream.
        ``subscribing``: the frames that subscribe, where it takes more than ``subscribe_books``."""
        yield from self.subscribe_books(symbols, on=False)
        yield from self.subscribe_books(symbols) if subscribing is None else subscribing

    @abstractmethod
    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | Control]:
        """Zero or more messages. Acknowledgements yield nothing, refusals a Fault, a message of a
        kind that isn't known an UnknownKind, whatever it lacks; a malformed frame raises."""

    def opens_with_snapshot(self, symbol: str) -> bool:
        """Whether who subscribes is sent a snapshot unasked."""
        return not self.snapshot_on_request and self.snapshot(symbol) is None

    def snapshot(self, symbol: str) -> Call[BookSnapshot | OrdersSnapshot] | None:
        """None: the stream opens with one, and ``request_snapshot`` asks for another."""
        return None

    def look(self, symbol: str) -> Call[BookLook] | None:
        """A small request for the book as it is now, for a pair whose channel is silent. None: REST
        doesn't show it; then a connection without data for ``Exchange.stale_after`` seconds is
        reopened."""
        call = self.snapshot(symbol)
        if call is None:
            return None
        read = call.read
        return Call(call.request, lambda answer: look_of_snapshot(read(answer)))

    def checksum(self, symbol: str, bids: Any, asks: Any) -> int:
        """The venue's checksum of the best levels ((n, 2) float64, best first); -1 where it has
        none."""
        return -1

    def orders_checksum(self, symbol: str, bids: list[list[str]], asks: list[list[str]]) -> int:
        """The same of an order-by-order book: the ``text`` of each order of the best levels, in
        queue order."""
        return -1


def look_of_snapshot(snapshot: BookSnapshot | OrdersSnapshot) -> BookLook:
    """By its number; by its best levels where it has none."""
    if snapshot.update_id or isinstance(snapshot, OrdersSnapshot):
        return BookLook(snapshot.update_id, str(snapshot.bids[:1]) + str(snapshot.asks[:1]))
    return look_of(snapshot.bids, snapshot.asks, snapshot.names)


class UserFeed(ABC):
    """The private stream of a venue. One object a connection."""

    path: ClassVar[str] = ""
    """Of the socket, on the private host."""

    def __init__(self, auth: Auth, rules: Mapping[str, TradingRule], host: str = "") -> None:
        """``rules`` by symbol; ``host``: the private address, for signatures that cover it."""
        self.auth = auth
        self.rules = rules
        self.host = host

    def handshake(self) -> Handshake:
        """Calls before the socket opens, then its path. By default none, and ``path``."""
        return self.path
        yield

    def login(self, now: float) -> Iterable[Frame]:
        """The frames that log in and subscribe; later steps follow as Send out of ``parse``."""
        yield self.auth.login(now)

    @abstractmethod
    def parse(self, frame: bytes) -> Iterable[UserEvent | Control]: ...


class OrderEntry(ABC):
    """The wire side of placing, cancelling and querying orders. ``rules`` by trading pair."""

    id_params: ClassVar[tuple[str, str, str]] = ("symbol", "client_id", "order_id")
    """What the venue's questions call a symbol, our id of an order and the venue's own."""
    fills_span: ClassVar[float] = 0.0
    """Seconds that one question for fills covers from its start; 0: until now."""

    def __init__(self, rules: Mapping[str, TradingRule]) -> None:
        self.rules = rules

    def pair(self, trading_pair: str | None) -> dict[str, str]:
        """{"symbol": ...} of a pair, by its first alias where it has one; empty for none."""
        if not trading_pair:
            return {}
        rule = self.rules[trading_pair]
        return {self.id_params[0]: rule.aliases[0] if rule.aliases else rule.symbol}

    def query_by_id(self, order: InFlightOrder) -> dict[str, str]:
        """{"symbol": ..., "client_id": ...}: what a question about one order names; its own id if
        it isn't ours."""
        symbol, ours, theirs = self.id_params
        return {symbol: order.symbol, theirs if order.external else ours: order.name}

    def id_param(self, order: InFlightOrder) -> dict[str, str]:
        """One name of an order alone: the venue's own where it is known, else ours."""
        _, ours, theirs = self.id_params
        return (
            {theirs: order.exchange_order_id}
            if order.exchange_order_id
            else {ours: order.client_order_id}
        )

    def handshake(self) -> Generator[Call[Any], Any, None]:
        """Calls to make once before all others, where a venue needs an account id first."""
        return
        yield

    @abstractmethod
    def place(self, order: InFlightOrder) -> Call[OrderUpdate]: ...

    @abstractmethod
    def cancel(self, order: InFlightOrder) -> Call[OrderUpdate | None]:
        """None from ``read``: the venue took the request, the outcome follows."""

    @abstractmethod
    def status(self, order: InFlightOrder) -> Call[OrderUpdate]: ...

    @abstractmethod
    def open_orders(self, trading_pair: str | None = None) -> Call[list[OrderUpdate]]: ...

    @abstractmethod
    def fills(self, trading_pair: str, after: FillCursor) -> Call[Page[Fill]]:
        """Fills of a pair since the cursor, or a part of them; the parts may come in any order."""

    @abstractmethod
    def balances(self) -> Call[list[Balance]]: ...

    @abstractmethod
    def fees(self, trading_pair: str) -> Call[Fee]: ...

    def order_fills(self, order: InFlightOrder) -> Call[list[Fill]] | None:
        """The fills of one order, where the venue can be asked by order."""
        return None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """``amount`` of ``name`` in any ``per`` seconds; 0: how much is not known, its refusals count.
    ``per`` 0: so many at the same time. ``used_header``: where the venue says how much is used.
    ``counted_by``: what it holds for."""

    name: str
    amount: int
    per: float
    used_header: str = ""
    aligned: bool = False
    """The venue's window starts on the wall clock's multiples of ``per``."""
    counted_by: Literal["address", "account"] = "address"


CONNECTIONS = "connections"
"""The limit, of any venue, on handshakes of sockets."""
SOCKETS = "sockets"
"""The limit, of any venue, on sockets that are open at the same time."""
FRAMES = "frames"
"""The limit, of any venue, on frames that are sent over all sockets."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Base addresses; a setting can replace each, which is how a sandbox plugs in."""

    rest: str
    public: str
    private: str


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What docs/exchanges.md says of a venue that its roles can't tell."""

    title: str
    books: str
    """Kind of the default book, and of those in ``feeds``."""
    gaps: str
    """How a lost message is noticed."""
    checksum: str = "none"
    checked: str
    """What checked our reading: recordings, foreign clients, published vectors."""
    unchecked: str = ""
    """Feeds that no recording and no foreign client has checked."""
    not_applicable: Mapping[str, str] = field(default_factory=dict)
    """Conformance case -> the words of the venue's documentation for which it does not apply; three
    at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One row of the registry: everything that the shared machinery needs to run a venue."""

    name: str
    hosts: Endpoints
    limits: tuple[RateLimit, ...]
    auth: Callable[[Mapping[str, str]], Auth]
    """Made from the key's fields (api_key, api_secret...). Raises AuthenticationError naming a
    missing one."""
    book: type[BookFeed]
    feeds: Mapping[str, type[BookFeed]] = field(default_factory=dict)
    """Other books that the venue offers, by the name that the setting ``feed`` takes."""
    user: type[UserFeed]
    orders: type[OrderEntry]
    error: Callable[[Answer], Fault | None]
    """What an answer that refuses means; None: it succeeded. What no table knows is
    ErrorKind.UNKNOWN."""
    client_id: Callable[[int], str] = lambda number: f"t{base36(number)}"
    """Our order number (80 bits, unique for ever) in the venue's length and alphabet."""
    server_time: Call[float] | None = None
    """Unix seconds on the venue's clock."""
    testnet: Endpoints | None = None
    reset_header: str = ""
    """Header of an answer that is refused by a limit: until when (unix ms), where the venue says
    so."""
    decode: Callable[[bytes], bytes] | None = None
    """What every frame goes through first (gunzip); None: nothing."""
    ping: str | None = None
    ping_every: float = 20.0
    stale_after: float = 30.0
    """Seconds without a frame of data after which a connection is not believed any more."""
    visibility: float = 10.0
    """Seconds after which an order that the venue took must be found by a query, or never was."""
    forgets_cancelled: bool = False
    """An order that was cancelled without fills is not found any more: so one that it has named,
    and then denies for ``visibility`` seconds, was cancelled."""
    has: frozenset[str] = frozenset()
    """What else the venue can do: post_only, ioc, fok, amend, batch, dead_man_switch..."""
    streams_balances: bool = True
    """The private stream tells balances; where it doesn't, they are read after every change of an
    order."""
    balances_every: float = 0.0
    """Least seconds between two such readings, where the venue counts them."""
    slippage: Decimal | None = None
    """Where a market order needs a price (``order.price`` of a market order): the part of our
    book's best beyond it."""
    in_turn: bool = False
    """Each signed request waits for the answer of the one before: their nonces must arrive in
    order."""
    closed: str = ""
    """When and how the venue ended, if it did."""
    bridged: frozenset[str] = frozenset()
    """Of a venue that ccxt connects to: what it can do, in ccxt's words. Empty: the sockets are
    ours."""
    about: About

    def with_feed(self, name: str) -> "Exchange":
        """The same venue with another of its books. Raises ConfigError that lists them."""
        if not name:
            return self
        if name not in self.feeds:
            raise ConfigError(
                f"{self.name} has no feed {name!r}; "
                f"it has {', '.join(sorted(self.feeds)) or 'one only'}"
            )
        book = self.feeds[name]
        return replace(
            self, book=book, hosts=replace(self.hosts, public=book.host or self.hosts.public)
        )
