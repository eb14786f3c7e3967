"""The venue's books as its channels show them: whole windows, and what changed in them."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import ClassVar, NamedTuple

from trochil.sandbox.facts import facts_of, text
from trochil.sandbox.market.accounts import ZERO
from trochil.sandbox.market.matching import Order
from trochil.sandbox.market.venue import Rejected, Symbol
from trochil.sandbox.server import Server
from trochil.sandbox.shape import Facts

Levels = list[tuple[Decimal, Decimal]]
Image = tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]


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


class Windows:
    """A venue's names for its pairs, and the windows of their books, each as of its last frame."""

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
    counts_frames: ClassVar[bool] = False
    """Whether the ids of the book channel number its frames, one by one; else they are the book's changes."""
    asked_depth: ClassVar[int | None] = None
    """Which of the books a question is answered by that doesn't say; none: the deepest."""
    answers_of_now: ClassVar[bool] = False
    """Whether a book asked for is that of now; else that of the channel's last frame."""

    def __init__(self, server: Server) -> None:
        self.server, self.venue = server, server.venue
        for symbol in self.listed():
            self.limit(symbol)
        self.numbers: Counter[str] = Counter()
        """The last number of each sequence that a dialect keeps besides the books' own; see ``count``."""
        self._images: dict[tuple[str, int], Image] = {}
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

    def whole(self, pair: str, depth: int = 0) -> Window:
        """The book channel's window (or that of the channel with another ``depth``) as of its last frame; of a replay,
        the recorded snapshot and what followed it."""
        if self.server.replay is not None:
            last, *sides = self.server.replay.snapshot()
            bids, asks = (
                [(Decimal(price), Decimal(size)) for price, size in side] for side in sides
            )
            return Window(pair, bids, asks, 0, last)
        last = self._last.setdefault((pair, depth), self.server.book(pair).update_id)
        return Window(pair, *self.image(pair, depth), 0, last)

    def asked_for(self, pair: str, depth: int = 0) -> Window:
        """The same for who asks; by the fault stale_snapshot, what it was when somebody asked before, or numbered 1."""
        fresh, book = self.whole(pair, depth), self.server.book(pair)
        if self.answers_of_now and self.server.replay is None:
            fresh = Window(pair, book.levels("buy"), book.levels("sell"), 0, book.update_id)
        if not self.server.faults.hits("stale_snapshot"):
            self._answers[pair, depth] = fresh
        return self._answers.get((pair, depth)) or fresh._replace(last=1)

    def change(
        self, pair: str, last: int, depth: int = 0, touched: tuple[Levels, Levels] | None = None
    ) -> Window:
        """What has changed in it since, up to the book's change ``last``. ``touched``: levels that changed, also those
        that are again as they were: the channel of a whole book tells them all, for who saw the moment in between."""
        before = self._last.get((pair, depth), 0)
        if self.counts_frames and before:
            last = 1 if self.server.faults.hits("sequence_reset") else before + 1
        self._last[pair, depth] = last
        changes = self.window_changes(pair, depth)
        if (
            touched and before and not depth and not self.window
        ):  # what was never told before is told whole
            changes = touched
        return Window(pair, *changes, before, last)

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

    def _window(self, pair: str, depth: int) -> Image:
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
            told = (
                gone
                if self.tells_leaving
                else [price for price in gone if not book.size_at(side, price)]
            )
            changes = [(price, size) for price, size in new.items() if old.get(price) != size]
            found.append([*changes, *((price, Decimal(0)) for price in told)])
        return found[0], found[1]

    def resting(self, pair: str, side: str, depth: int | None = None) -> list[Order]:
        """Every order of a side's best levels, best price first, in the order of their queues."""
        book = self.server.book(pair)
        return [
            order
            for price, _ in book.levels(side)[:depth]
            for order in book.sides[side][price].orders
        ]

    def best(self, pair: str, side: str) -> Decimal:
        return self.server.book(pair).best(side) or ZERO

    def last(self, pair: str) -> Decimal:
        """The last price, or the best bid before any trade."""
        return self.venue.last_price.get(pair) or self.best(pair, "buy")
