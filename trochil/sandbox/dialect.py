"""What every venue's wire has in common, seen from the venue: routes, subscriptions, orders looked up, frames sent.

A dialect marks its handlers with ``route`` and ``socket``, and says the rest in its venue's words.
"""

import inspect
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qsl

from aiohttp import web

from trochil.sandbox.accounts import ZERO, Account
from trochil.sandbox.facts import text
from trochil.sandbox.matching import Match, Order
from trochil.sandbox.replay import Record, Recordings
from trochil.sandbox.server import Build, Connection, Server
from trochil.sandbox.venue import Event, Fill, Rejected, Symbol

Levels = list[tuple[Decimal, Decimal]]
Handler = TypeVar("Handler", bound=Callable[..., Any])
RECENT = 500
"""Public trades a pair that are remembered."""


def route(*paths: str, kind: str = "query", signed: bool = True) -> Callable[[Handler], Handler]:
    """``@route("POST /orders", kind="place")`` on a method that takes an Ask and gives what is JSON-able.

    ``kind``: query, place or cancel; the faults of placing and cancelling strike by it.
    """

    def mark(handler: Handler) -> Handler:
        handler.routes = [(path, kind, signed) for path in paths]  # type: ignore[attr-defined]
        return handler

    return mark


def socket(*paths: str) -> Callable[[Handler], Handler]:
    """``@socket("/ws")`` on a method that takes a Connection and what it said, decoded."""

    def mark(handler: Handler) -> Handler:
        handler.sockets = paths  # type: ignore[attr-defined]
        return handler

    return mark


@dataclass(slots=True)
class Ask:
    """One request: its parameters (path, query, and body where that is an object), and the bytes they came in."""

    request: web.Request
    text: str
    body: Any
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """Path and query as they were sent."""
        return self.request.raw_path

    @property
    def header(self) -> Any:
        return self.request.headers

    def __getitem__(self, name: str) -> Any:
        """Raises Rejected("missing") naming it."""
        if self.params.get(name) in (None, ""):
            raise Rejected("missing", name)
        return self.params[name]

    def get(self, name: str, default: Any = "") -> Any:
        return self.params.get(name, default)

    def number(self, name: str) -> Decimal:
        return Decimal(str(self[name]))


class Wire:
    """Base of the dialects. ``server.now_ns()`` is the venue's clock; times in ns."""

    name: ClassVar[str]
    pairs: ClassVar[tuple[str, ...]] = ("BTC-USDT", "ETH-USDT", "SOL-USDT", "ETH-BTC")
    recordings: ClassVar[Recordings | None] = None
    window: ClassVar[int] = 0
    """Levels a side of the book channel; 0: the whole book."""
    tells_leaving: ClassVar[bool] = True
    """Whether a level that leaves the window is sent with size 0."""

    def __init__(self, server: Server) -> None:
        self.server, self.venue = server, server.venue
        self.recent: dict[str, list[Match]] = {}
        self._images: dict[str, tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]] = {}

    # What a venue says in its own words.

    def symbol(self, pair: str) -> str:
        """The venue's name of a pair."""
        return pair

    def verify(self, ask: Ask) -> Account:
        """The account of a signed request. Raises Rejected: no_key, bad_key, bad_signature, bad_time."""
        raise NotImplementedError

    def refusal(self, why: str, detail: str) -> tuple[int, Any]:
        """HTTP status and body for one of the venue's reasons."""
        raise NotImplementedError

    def result(self, body: Any) -> Any:
        """A successful answer in the venue's envelope."""
        return body

    def new_keys(self, name: str) -> dict[str, str]:
        """Keys of a new account."""
        return {"api_key": f"sandbox-{name}-{secrets.token_hex(8)}", "api_secret": secrets.token_hex(32)}

    def encode(self, connection: Connection, frame: Any) -> str | bytes:
        """A frame as it leaves."""
        return frame if isinstance(frame, str | bytes) else json.dumps(frame)

    def opened(self, connection: Connection) -> None:
        """A socket opened."""

    def depth_changed(self, pair: str, first: int, last: int, bids: Levels, asks: Levels) -> None:
        """Levels that changed since the last call, with their sizes now; ids of the whole book's changes."""

    def traded(self, match: Match) -> None:
        self.recent.setdefault(match.maker.symbol, []).append(match)
        del self.recent[match.maker.symbol][:-RECENT]

    def user_frames(self, event: Event, connection: Connection) -> list[Build]:
        """What an account's connection is told of an event."""
        return []

    def terminate(self, connection: Connection) -> None:
        """The venue ends a private stream."""
        self.server.disconnect([connection])

    # REST.

    def add_routes(self, app: web.Application) -> None:
        for _, handler in inspect.getmembers(self, callable):
            for path, kind, signed in getattr(handler, "routes", ()):
                method, _, path = path.partition(" ")
                app.router.add_route(method, path, self._answering(handler, kind, signed))
            for path in getattr(handler, "sockets", ()):
                app.router.add_get(path, self._serving(handler))

    async def kind_of(self, request: web.Request) -> str | None:
        """query, place or cancel; None for what no fault strikes."""
        kind: str | None = getattr(request.match_info.handler, "kind", None)
        return kind

    def _answering(self, handler: Any, kind: str, signed: bool) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            ask = await read_ask(request)
            try:
                body = handler(ask, self.verify(ask)) if signed else handler(ask)
            except Rejected as refusal:
                return self.error(refusal.why, refusal.detail)
            except (KeyError, InvalidOperation, ValueError) as error:
                return self.error("illegal", str(error))
            return body if isinstance(body, web.Response) else web.json_response(self.result(body))

        answer.kind = kind  # type: ignore[attr-defined]
        return answer

    def error(self, why: str, detail: str = "", retry_after: int = 0) -> web.Response:
        status, body = self.refusal(why, detail)
        headers = {"Retry-After": str(retry_after)} if retry_after else {}
        return web.json_response(body, status=status, headers=headers)

    # Sockets.

    def _serving(self, handler: Any) -> Any:
        def heard(connection: Connection, text: str) -> None:
            try:
                said = json.loads(text)
            except ValueError:
                said = text
            handler(connection, said)

        async def serve(request: web.Request) -> web.StreamResponse:
            return await self.server.serve_socket(request, heard)

        return serve

    def tell(self, connection: Connection, frame: Any) -> None:
        """One frame to one connection; a callable is called with the wall time (ns) at which it leaves."""
        connection.put(self.build(frame))

    def publish(self, topic: str, frame: Any) -> None:
        """One frame to all that follow ``topic``, through the faults of the market stream."""
        self.server.broadcast(topic, self.build(frame))

    def build(self, frame: Any) -> Build:
        return lambda connection, now: self.encode(connection, frame(now) if callable(frame) else frame)

    def anyone_follows(self, topic: str) -> bool:
        return any(topic in connection.topics for connection in self.server.connections)

    def replayed(self, connection: Connection, record: Record) -> str | bytes | None:
        """A recorded frame as this client is to see it; None: it did not ask for it."""
        return record.text

    # The market and the orders, looked up.

    def listed(self) -> Iterator[Symbol]:
        return iter(self.venue.symbols.values())

    def pair(self, symbol: str) -> str:
        """Raises Rejected("unknown_symbol")."""
        for pair in self.venue.symbols:
            if self.symbol(pair) == symbol:
                return pair
        raise Rejected("unknown_symbol", symbol)

    def image(self, pair: str) -> tuple[Levels, Levels]:
        """(bids, asks) of the book channel's window, best first, as of its last frame."""
        if pair not in self._images:
            self._images[pair] = self._window(pair)
        bids, asks = self._images[pair]
        return list(bids.items()), list(asks.items())

    def _window(self, pair: str) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:
        book, most = self.server.book(pair), self.window or None
        return dict(book.levels("buy")[:most]), dict(book.levels("sell")[:most])

    def window_changes(self, pair: str) -> tuple[Levels, Levels]:
        """What turns the last image of the window into the one of now."""
        before, now = self._images.get(pair) or ({}, {}), self._window(pair)
        self._images[pair] = now
        book = self.server.book(pair)
        found = []
        for side, old, new in zip(("buy", "sell"), before, now, strict=True):
            gone = [price for price in old if price not in new]
            told = gone if self.tells_leaving else [price for price in gone if not book.size_at(side, price)]
            changes = [(price, size) for price, size in new.items() if old.get(price) != size]
            found.append([*changes, *((price, Decimal(0)) for price in told)])
        return found[0], found[1]

    def place(
        self, account: Account, pair: str, side: str, type: str, amount: Decimal, price: Decimal | None, **terms: Any
    ) -> Order:
        """``side`` buy or sell; ``type`` limit, market or post_only; ``terms``: tif, client_id, quote_amount."""
        return self.venue.place(account, pair, side, type, amount, price, self.server.now_ns(), **terms)

    def cancel(self, order: Order) -> None:
        self.venue.cancel(order, self.server.now_ns())

    def cancel_open(self, account: Account, pair: str | None = None) -> list[Order]:
        """Every open order, cancelled."""
        orders = self.orders_of(account, pair, is_open=True)
        for order in orders:
            self.cancel(order)
        return orders

    def best(self, pair: str, side: str) -> Decimal:
        return self.server.book(pair).best(side) or ZERO

    def last(self, pair: str) -> Decimal:
        """The last price, or the best bid before any trade."""
        return self.venue.last_price.get(pair) or self.best(pair, "buy")

    def orders_of(self, account: Account, pair: str | None = None, *, is_open: bool = False) -> list[Order]:
        return [
            order
            for order in self.venue.orders.values()
            if order.account is account and pair in (None, order.symbol) and (order.is_open or not is_open)
        ]

    def find(self, account: Account, *, order_id: Any = None, client_id: Any = None) -> Order:
        """The newest that fits. Raises Rejected("unknown_order"), also before an order becomes visible."""
        hidden = self.server.now_ns() - int(self.server.faults.seconds("delayed_visibility") * 1e9)
        for order in reversed(self.orders_of(account)):
            named = str(order.id) == str(order_id) or (bool(client_id) and order.client_id == client_id)
            if named and order.time <= hidden:
                return order
        raise Rejected("unknown_order")

    def fills_of(self, account: Account, pair: str | None = None, order: Order | None = None) -> list[Fill]:
        return [
            fill
            for fill in self.venue.fills
            if fill.order.account is account and pair in (None, fill.order.symbol) and order in (None, fill.order)
        ]


async def read_ask(request: web.Request) -> Ask:
    text = await request.text()
    body: Any = None
    if text[:1] in ("{", "["):
        body = json.loads(text)
    elif text:
        body = dict(parse_qsl(text, keep_blank_values=True))
    params = {**request.match_info, **request.query, **(body if isinstance(body, dict) else {})}
    return Ask(request, text, body, params)


def rows(levels: Levels) -> list[list[str]]:
    """[[price, size], ...] as texts."""
    return [[text(price), text(size)] for price, size in levels]


def refusals(table: str) -> dict[str, tuple[int, str, str]]:
    """``reason status code message`` a line, as a dict: reason -> (status, code, message)."""
    found = {}
    for line in table.strip().splitlines():
        why, status, code, message = line.strip().split(" ", 3)
        found[why] = (int(status), code, message)
    return found
