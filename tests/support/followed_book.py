"""One socket of a venue's book feed, read by the adapter, with the admin door beside it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

from actors.transport.rest import Rest, run_handshake
from exchanges.contract import BookFeed, Endpoints, Exchange
from exchanges.registry import get
from orderbook.messages import BookDiff, BookSnapshot, OrderEvent, OrdersSnapshot, Trade
from tests.support.served import Served, served
from trochil.sandbox import dialects

BOOK_MESSAGES = (BookDiff, BookSnapshot, OrderEvent, OrdersSnapshot)
QUIET_S = 0.15
"""Seconds within which what was sent has arrived."""
WITHIN_S = 15.0


class FollowedBook:
    """What the feed of one pair says. ``books`` and ``trades`` are messages, newest last."""

    def __init__(self, venue: Served, exchange: Exchange, pair: str, rest: Rest) -> None:
        self.venue = venue
        self.server = venue.server
        self.exchange = exchange
        self.pair = pair
        self.rest = rest
        self.ours = our_pair(exchange, pair)
        self.rules: dict[str, Any] = {}
        self.symbol = ""
        self.feed: BookFeed = exchange.book(self.rules, exchange.book.streams[0])
        self.books: list[Any] = []
        self.trades: list[Any] = []
        self.socket: Any = None

    async def read_rules(self) -> Any:
        """The pair's rule; None where the venue doesn't list it any more."""
        rules = await self.rest.run(self.feed.trading_rules())
        self.rules.update({rule.symbol: rule for rule in rules})
        named = [rule for rule in rules if rule.trading_pair == self.ours]
        if named:
            self.symbol = named[0].symbol
        return named[0] if named else None

    async def connect(self) -> None:
        path = await run_handshake(self.feed.handshake(), self.rest)
        self.socket = await self.venue.session.ws_connect(path)
        auth = self.exchange.auth(self.venue.account.keys)
        await self.send(self.feed.login([self.symbol], auth, time.time()))

    async def send(self, frames: Any) -> None:
        for frame in frames:
            if isinstance(frame, str):
                await self.socket.send_str(frame)
            else:
                await self.socket.send_json(frame)

    async def subscribe_again(self) -> None:
        await self.send(self.feed.subscribe([self.symbol], False))
        await self.send(self.feed.subscribe([self.symbol], True))

    async def read(self) -> None:
        """Everything that arrives until nothing did for a moment."""
        while True:
            try:
                frame = await asyncio.wait_for(self.socket.receive(), QUIET_S)
            except TimeoutError:
                return
            data = frame.data
            if data is None or isinstance(data, int):
                return
            self.take(data if isinstance(data, bytes) else data.encode())

    def take(self, data: bytes) -> None:
        decode = self.exchange.decode
        for message in self.feed.parse(data if decode is None else decode(data)):
            if isinstance(message, BOOK_MESSAGES):
                self.books.append(message)
            elif isinstance(message, Trade):
                self.trades.append(message)

    async def move(self) -> None:
        """The market moves, trades, and everything that follows of it arrives."""
        venue = self.server.venue
        flow = self.server.flows[self.pair]
        self.books.clear()
        self.trades.clear()
        flow.trend(1.0, self.server.now_ns())
        self.server.send_depth(self.pair)
        await self.read()
        assert venue.books[self.pair].trade_id > 0

    async def until_books(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not self.books:
                await self.move()


def our_pair(exchange: Exchange, pair: str) -> str:
    """What we call a pair of the sandbox; perpetuals end in USD."""
    is_perpetual = exchange.book in (exchange.feeds.get(name) for name in ("perps", "l4Book"))
    return f"{pair.partition('-')[0]}-USD" if is_perpetual else pair


@contextlib.asynccontextmanager
async def followed(name: str, *, rate: float = 0.0) -> AsyncIterator[FollowedBook]:
    """``name``: a venue, or venue:feed. Its first pair is followed, and has been told."""
    venue_name, _, feed_name = name.partition(":")
    exchange = get(venue_name).with_feed(feed_name)
    dialect = dialects.load(venue_name)
    pair = dialect.pairs[0]
    async with served(dialect, *dialect.pairs[:2], rate=rate) as venue:
        socket = f"ws://{venue.host}"
        hosts = Endpoints(rest=f"http://{venue.host}", public=socket, private=socket)
        rest = Rest(exchange, venue.session, hosts, exchange.auth(venue.account.keys))
        book = FollowedBook(venue, exchange, pair, rest)
        await book.read_rules()
        await book.connect()
        try:
            async with asyncio.timeout(WITHIN_S):
                await book.until_books()
                yield book
        finally:
            await book.socket.close()
        assert venue.server.own_errors == []
