"""The venue's own records, looked up: markets, trades, orders, fills, and windows of books."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar, NamedTuple

from aiohttp import web

from trochil.sandbox.accounts import ZERO, Account
from trochil.sandbox.facts import Held, Market, facts_of, holdings, text, uuid
from trochil.sandbox.matching import Match, Order
from trochil.sandbox.server import Server
from trochil.sandbox.shape import Facts
from trochil.sandbox.venue import Fill, Rejected, Symbol

Levels = list[tuple[Decimal, Decimal]]
Given = dict[str, Any]
RECENT = 500
"""Public trades a pair that are remembered, and rows that a look-up gives where nothing is said."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A question that is answered out of the venue's own records, in its words; see ``lookup``."""

    path: str
    what: str
    words: str
    signed: bool
    wrap: Callable[[Any], Any] | None
    asked: Mapping[str, str]


def lookup(path: str, what: str, words: str = "", wrap: Callable[[Any], Any] | None = None, **asked: str) -> Lookup:
    """``lookup("GET /trades", "trades", TRADE, pair="symbol", limit="size")``: rows worded by ``shape``.

    ``what``: venue (one row), markets (rules), tickers, ticker (one, if asked), trades (public, newest first; oldest
    first: trades_up), book (one), place, order (one), cancel (of one), cancel_all (open), orders, open_orders,
    closed_orders, only_open, only_closed, fills (oldest first), fills_down, holdings, account (one).
    ``asked``: what the venue calls the parameters pair, id and client (of the lists of orders: that one alone, open or
    closed, if there is such; of only_open and only_closed: if it is), order (of fills), first, after and before (trade
    ids, up to a colon), since and until (ms or ISO), limit, window (which of the books, by its depth), status (where it
    says nothing, orders are the open ones); of an order to place, see ``Placing.find_place``.
    ``wrap`` makes the answer of the row or rows.
    """
    return Lookup(path, what, words, False, wrap, asked)


def own(path: str, what: str, words: str = "", wrap: Callable[[Any], Any] | None = None, **asked: str) -> Lookup:
    """The same behind a signature, of the account that asks."""
    return Lookup(path, what, words, True, wrap, asked)


def alone(row: Any) -> list[Any]:
    """For ``wrap``: a list of one."""
    return [row]


def keyed(name: str, under: str = "") -> Callable[[Any], Any]:
    """For ``wrap``: an object of the row or rows, each under what it has in that column; itself under a name."""

    def wrap(rows: Any) -> Any:
        found = {row[name]: row for row in (rows if isinstance(rows, list) else [rows])}
        return {under: found} if under else found

    return wrap


def under(name: str) -> Callable[[Any], Any]:
    """For ``wrap``: an object with the rows under a name."""
    return lambda rows: {name: rows}


def headed(header: str, column: str) -> Callable[[Any], Any]:
    """For ``wrap``: one column's value goes into a header."""

    def wrap(row: Any) -> Any:
        return web.json_response(row, headers={header: row.pop(column)})

    return wrap


class Asked(Given):
    """What was asked, by our names; ``names`` has the venue's."""

    def __init__(self, given: Given, names: Mapping[str, str]) -> None:
        super().__init__(given)
        self.names = names

    def need(self, name: str) -> Any:
        """Raises Rejected("missing") with the venue's name."""
        if self.get(name) in (None, ""):
            raise Rejected("missing", self.names.get(name) or name)
        return self[name]


class Window(NamedTuple):
    """Levels of a book channel, whole or changes. ``before``: id of the frame before, 0 for a whole window."""

    pair: str
    bids: Levels
    asks: Levels
    before: int
    last: int


@facts_of.register
def _window(window: Window) -> Facts:
    """pair, bids and asks (rows of texts; as lists of facts, price and size: bid_levels, ask_levels), before, first
    (the one after it) and last (ids), type (snapshot, delta)."""
    found: Facts = {"pair": window.pair, "before": str(window.before), "last": str(window.last)}
    found["first"] = str(window.before + 1)
    found["type"] = "delta" if window.before else "snapshot"
    for side, levels in (("bid", rows(window.bids)), ("ask", rows(window.asks))):
        found[f"{side}s"] = levels
        found[f"{side}_levels"] = partial(map, _level, levels)
    return found


def _level(row: list[str]) -> Facts:
    return {"price": row[0], "size": row[1]}


def rows(levels: Levels) -> list[list[str]]:
    """[[price, size], ...] as texts."""
    return [[text(price), text(size)] for price, size in levels]


class Records:
    """What a dialect's look-ups find: ``find_X(account, given)`` for each kind X of ``lookup``."""

    symbol_form: ClassVar[str] = "{}-{}"
    """The venue's name of a pair, made of base and quote."""
    lower_case: ClassVar[bool] = False
    """Whether pairs and currencies are named so."""
    window: ClassVar[int] = 0
    """Levels a side of the book channel; 0: the whole book."""
    depths: ClassVar[tuple[int, ...]] = (0,)
    """Of the book channels, where there are several; 0: ``window``."""
    tells_leaving: ClassVar[bool] = True
    """Whether a level that leaves the window is sent with size 0."""

    forgets: ClassVar[bool] = False
    """Whether orders that were cancelled without fills are not found any more."""
    counts_frames: ClassVar[bool] = False
    """Whether the ids of the book channel number its frames, one by one; else they are the book's changes."""

    answers_of_now: ClassVar[bool] = False
    """Whether a book asked for is that of now; else that of the channel's last frame."""
    page: ClassVar[int] = RECENT
    """Fills that a look-up gives where nothing is said."""
    fills_span: ClassVar[int] = 0
    """Milliseconds that a question for fills covers from its start, where it says no end; 0: until now."""
    cancels_after: ClassVar[float] = 0.0
    """Seconds after which the engine hears of a cancel that was taken; until then its outcome is "cancelling"."""
    post_only_cancels: ClassVar[bool] = False
    """Whether a post-only order that would take is accepted and cancelled at once; else it is refused."""
    fee_in_quote: ClassVar[bool] = False
    """Whether both sides pay their fee in quote; else each pays in what it receives."""
    client_ids_last: ClassVar[bool] = False
    """Whether a client id may never come again; else not while its order is open."""

    def __init__(self, server: Server) -> None:
        self.server, self.venue = server, server.venue
        for symbol in self.listed():
            self.limit(symbol)
        self.venue.post_only_cancels, self.venue.fee_in_quote = self.post_only_cancels, self.fee_in_quote
        self.venue.client_ids_last = self.client_ids_last
        self.numbers: Counter[str] = Counter()
        """The last number of each sequence that a dialect keeps besides the books' own; see ``count``."""
        self.tokens: dict[str, Account] = {}
        """What a dialect gave out to log in with."""
        self.recent: dict[str, list[Match]] = {}
        self._images: dict[tuple[str, int], tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]] = {}
        self._last: dict[tuple[str, int], int] = {}
        self._answers: dict[tuple[str, int], Window] = {}

    def count(self, sequence: str) -> int:
        """The next number of a sequence, from 1."""
        self.numbers[sequence] += 1
        return self.numbers[sequence]

    def symbol(self, pair: str) -> str:
        """The venue's name of a pair."""
        name = self.symbol_form.format(*pair.split("-"))
        return name.lower() if self.lower_case else name

    def aliases(self, pair: str) -> tuple[str, ...]:
        """What else questions may call it."""
        return ()

    def base(self, pair: str) -> str:
        return self.venue.symbols[pair].base

    def index(self, pair: str) -> int:
        """Its place among the venue's pairs."""
        return list(self.venue.symbols).index(pair)

    def limit(self, symbol: Symbol) -> None:
        """Set what the venue makes of a pair's steps and limits."""

    def listed(self) -> Iterator[Symbol]:
        return iter(self.venue.symbols.values())

    def pair(self, symbol: str) -> str:
        """Raises Rejected("unknown_symbol")."""
        for pair in self.venue.symbols:
            if symbol == self.symbol(pair) or symbol in self.aliases(pair):
                return pair
        raise Rejected("unknown_symbol", symbol)

    def whole(self, pair: str, depth: int = 0) -> "Window":
        """The book channel's window (or that of the channel with another ``depth``) as of its last frame; of a replay,
        the recorded snapshot and what followed it."""
        if self.server.replay is not None:
            last, *sides = self.server.replay.snapshot()
            bids, asks = ([(Decimal(price), Decimal(size)) for price, size in side] for side in sides)
            return Window(pair, bids, asks, 0, last)
        last = self._last.setdefault((pair, depth), self.server.book(pair).update_id)
        return Window(pair, *self.image(pair, depth), 0, last)

    def asked_for(self, pair: str, depth: int = 0) -> "Window":
        """The same for who asks; by the fault stale_snapshot, what it was when somebody asked before."""
        fresh, book = self.whole(pair, depth), self.server.book(pair)
        if self.answers_of_now and self.server.replay is None:
            fresh = Window(pair, book.levels("buy"), book.levels("sell"), 0, book.update_id)
        if not self.server.faults.hits("stale_snapshot"):
            self._answers[pair, depth] = fresh
        return self._answers.get((pair, depth)) or fresh._replace(last=1)

    def change(self, pair: str, last: int, depth: int = 0, touched: tuple[Levels, Levels] | None = None) -> "Window":
        """What has changed in it since, up to the book's change ``last``. ``touched``: levels that changed, also those
        that are again as they were: the channel of a whole book tells them all, for who saw the moment in between."""
        before = self._last.get((pair, depth), 0)
        if self.counts_frames and before:
            last = 1 if self.server.faults.hits("sequence_reset") else before + 1
        self._last[pair, depth] = last
        changes = self.window_changes(pair, depth)
        # What was never told before is told whole.
        return Window(
            pair, *(touched if touched and before and not depth and not self.window else changes), before, last
        )

    def forget(self, pair: str, depth: int = 0) -> None:
        """Nobody follows that channel: its next window is the book of then."""
        self._images.pop((pair, depth), None)
        self._last.pop((pair, depth), None)

    def image(self, pair: str, depth: int = 0) -> tuple[Levels, Levels]:
        """(bids, asks) of the book channel's window, best first, as of its last frame."""
        if (pair, depth) not in self._images:
            self._images[pair, depth] = self._window(pair, depth)
        bids, asks = self._images[pair, depth]
        return list(bids.items()), list(asks.items())

    def _window(self, pair: str, depth: int) -> tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]:
        book, most = self.server.book(pair), depth or self.window or None
        return dict(book.levels("buy")[:most]), dict(book.levels("sell")[:most])

    def window_changes(self, pair: str, depth: int = 0) -> tuple[Levels, Levels]:
        """What turns the last image of the window into the one of now."""
        before, now = self._images.get((pair, depth)) or ({}, {}), self._window(pair, depth)
        self._images[pair, depth] = now
        book = self.server.book(pair)
        found = []
        for side, old, new in zip(("buy", "sell"), before, now, strict=True):
            gone = [price for price in old if price not in new]
            told = gone if self.tells_leaving else [price for price in gone if not book.size_at(side, price)]
            changes = [(price, size) for price, size in new.items() if old.get(price) != size]
            found.append([*changes, *((price, Decimal(0)) for price in told)])
        return found[0], found[1]

    def resting(self, pair: str, side: str, depth: int | None = None) -> list[Order]:
        """Every order of a side's best levels, best price first, in the order of their queues."""
        book = self.server.book(pair)
        return [order for price, _ in book.levels(side)[:depth] for order in book.sides[side][price].orders]

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
            if order.is_open or order.filled or not self.forgets
        ]

    def find(self, account: Account, *, order_id: Any = None, client_id: Any = None) -> Order:
        """The newest that fits. Raises Rejected("unknown_order"), also before an order becomes visible."""
        hidden = self.server.now_ns() - int(self.server.faults.seconds("delayed_visibility") * 1e9)
        for order in reversed(self.orders_of(account)):
            named = str(order_id) in (str(order.id), uuid(order.id)) or (
                bool(client_id) and order.client_id == client_id
            )
            if named and order.time <= hidden:
                return order
        raise Rejected("unknown_order")

    def fills_of(self, account: Account, pair: str | None = None, order: Order | None = None) -> list[Fill]:
        return [
            fill
            for fill in self.venue.fills
            if fill.order.account is account and pair in (None, fill.order.symbol) and order in (None, fill.order)
        ]

    def traded(self, match: Match) -> None:
        self.recent.setdefault(match.maker.symbol, []).append(match)
        del self.recent[match.maker.symbol][:-RECENT]

    # What look-ups find.

    def _pair_of(self, given: Given) -> str | None:
        return self.pair(given["pair"]) if given.get("pair") else None

    def find_venue(self, account: Account, given: Given) -> None:
        return None

    def find_markets(self, account: Account, given: Given) -> list[Symbol]:
        return [symbol for symbol in self.listed() if self._pair_of(given) in (None, symbol.pair)]

    def find_tickers(self, account: Account, given: Given) -> list[Market]:
        return [Market(self.venue, symbol.pair) for symbol in self.find_markets(account, given)]

    def find_ticker(self, account: Account, given: Given) -> Market | list[Market]:
        if not given["pair"]:
            return self.find_tickers(account, given)
        return Market(self.venue, self.pair(given["pair"]))

    def find_trades(self, account: Account, given: Given) -> list[Match]:
        return self.find_trades_up(account, given)[::-1]

    def find_trades_up(self, account: Account, given: Given) -> list[Match]:
        return self.recent.get(self.pair(given["pair"]), [])[-int(given.get("limit") or RECENT) :]

    def find_book(self, account: Account, given: Given) -> Window:
        window = self.asked_for(self.pair(given["pair"]), int(given.get("window") or self.depths[-1]))
        pair, bids, asks, *ids = window
        depth = int(given.get("limit") or RECENT) if self.server.replay is None else None
        return Window(pair, bids[:depth], asks[:depth], *ids)

    def find_cancel(self, account: Account, given: Given) -> Order:
        order = self.find(account, order_id=given.get("id"), client_id=given.get("client"))
        if not order.is_open:
            raise Rejected("not_open")
        if not self.cancels_after:
            self.venue.cancel(order, self.server.now_ns())
        elif not order.is_cancelling:
            order.is_cancelling = True
            asyncio.get_running_loop().call_later(self.cancels_after, self._cancel_late, order)
        return order

    def _cancel_late(self, order: Order) -> None:
        with suppress(Rejected):  # it was filled meanwhile
            self.venue.cancel(order, self.server.now_ns())

    def find_cancel_all(self, account: Account, given: Given) -> list[Order]:
        orders = self.orders_of(account, self._pair_of(given), is_open=True)
        for order in orders:
            self.venue.cancel(order, self.server.now_ns())
        return orders

    def find_order(self, account: Account, given: Given) -> Order:
        try:
            return self.find(account, order_id=given.get("id"), client_id=given.get("client"))
        except Rejected as refusal:
            raise Rejected("no_such_order", refusal.detail) from None

    def find_orders(self, account: Account, given: Given) -> list[Order]:
        if not _is_named(given):
            return self.orders_of(account, self._pair_of(given), is_open=given.get("status", "all") in ("", "open"))
        with suppress(Rejected):
            return [self.find_order(account, given)]
        return []

    def find_open_orders(self, account: Account, given: Given) -> list[Order]:
        return [order for order in self.find_orders(account, given) if order.is_open or _is_named(given)]

    def find_closed_orders(self, account: Account, given: Given) -> list[Order]:
        return [order for order in self.find_orders(account, given) if not order.is_open or _is_named(given)]

    def find_only_open(self, account: Account, given: Given) -> list[Order]:
        return [order for order in self.find_orders(account, given) if order.is_open]

    def find_only_closed(self, account: Account, given: Given) -> list[Order]:
        return [order for order in self.find_orders(account, given) if not order.is_open]

    def find_fills(self, account: Account, given: Given) -> list[Fill]:
        """The first ``limit`` of those after a trade; the last of all others."""
        order = self.find(account, order_id=given["order"]) if given.get("order") else None
        after, before, since, until = (_number(given.get(name)) for name in ("after", "before", "since", "until"))
        after = max(after, _number(given.get("first")) - 1)
        until = until or (since + self.fills_span if since and self.fills_span else 0)
        found = [
            fill
            for fill in self.fills_of(account, self._pair_of(given), order)
            if after < fill.trade_id < (before or 10**15) and since <= fill.time // 10**6 <= (until or 10**15)
        ]
        limit = int(given.get("limit") or self.page)
        return found[:limit] if after else found[-limit:]

    def find_fills_down(self, account: Account, given: Given) -> list[Fill]:
        return self.find_fills(account, given)[::-1]

    def find_holdings(self, account: Account, given: Given) -> list[Held]:
        return holdings(account)

    def find_account(self, account: Account, given: Given) -> Account:
        return account


def _number(value: Any) -> int:
    """Of an id, up to a colon, or a time; times as text in ms."""
    if "T" in str(value):
        return int(datetime.fromisoformat(value).timestamp() * 1000)
    return int(str(value or 0).partition(":")[0])


def _is_named(given: Given) -> bool:
    return bool(given.get("id") or given.get("client"))
