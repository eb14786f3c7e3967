"""A scripted venue: its own small protocol, and a server that sends the frames it is given."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from aiohttp import WSMsgType, web

from exchanges.contract import (
    BookFeed,
    Call,
    Control,
    Endpoints,
    ErrorKind as Kind,
    Exchange,
    Fault,
    Moved,
    Reconnect,
    Request,
    Send,
    UnknownKind,
)
from exchanges.orders import MarketSummary, TradingRule
from exchanges.registry import get
from orderbook.messages import BookDiff, BookSnapshot, Layout, OrderBookMessage, Side, Trade


def levels(*rows: tuple[float, float]) -> bytes:
    return json.dumps([[str(price), str(size)] for price, size in rows]).encode()


def rule(pair: str, active: bool = True) -> TradingRule:
    base, quote = pair.split("-")
    step = Decimal("0.01")
    return TradingRule(
        trading_pair=pair,
        symbol=base + quote,
        base=base,
        quote=quote,
        price_tick=step,
        size_step=step,
        active=active,
    )


class ScriptedBook(BookFeed):
    """Frames are JSON objects with one key, their type; snapshots come by REST."""

    def __init__(self, rules: Mapping[str, TradingRule], stream: str = "") -> None:
        super().__init__(rules, stream or "/ws")

    def markets(self) -> Call[list[MarketSummary]]:
        return Call(
            Request("GET", "/markets"),
            lambda answer: [MarketSummary(*row) for row in answer.json()],
        )

    def trading_rules(self) -> Call[list[TradingRule]]:
        return Call(Request("GET", "/rules"), lambda answer: [rule(*row) for row in answer.json()])

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[str]:
        yield json.dumps({"subscribe" if on else "unsubscribe": symbols})

    def snapshot(self, symbol: str) -> Call[Any] | None:
        def read(answer: Any) -> BookSnapshot:
            update_id, bids, asks = answer.json()
            return BookSnapshot(symbol, levels(*bids), levels(*asks), update_id)

        return Call(Request("GET", "/book", {"symbol": symbol}), read)

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | Control]:
        match json.loads(frame):
            case {"diff": [symbol, first, last, bids, asks]}:
                yield BookDiff(
                    symbol, levels(*bids), levels(*asks), first, last, layout=Layout.JSON
                )
            case {"snapshot": [symbol, update_id, bids, asks]}:
                yield BookSnapshot(symbol, levels(*bids), levels(*asks), update_id)
            case {"trade": [symbol, number]}:
                yield Trade(symbol, str(number), Side.BUY, 1.0, 1.0, 0)
            case {"ping": number}:
                yield Send(json.dumps({"pong": number}))
            case {"bye": reason}:
                yield Reconnect(reason)
            case {"no": message}:
                yield Fault(Kind.REFUSED, "1", message)
            case {"heartbeat": _}:
                return
            case {"moved": [symbol, number]}:
                yield Moved(symbol, number)
            case {"kind": name}:
                yield UnknownKind(name)
            case other:
                raise ValueError(f"a frame of no known form: {other}")


class StreamedBook(ScriptedBook):
    """The same, with snapshots on the stream."""

    def snapshot(self, symbol: str) -> Call[Any] | None:
        return None


def scripted(book: type[BookFeed] = ScriptedBook, **changes: Any) -> Exchange:
    return replace(get("binance"), name="scripted", book=book, limits=(), error=refuse, **changes)


def refuse(answer: Any) -> Fault | None:
    return None if answer.status < 400 else Fault(Kind.UNKNOWN, str(answer.status), "refused")


class Venue:
    """The server: ``send`` frames, see what it ``received``, set what REST answers."""

    def __init__(self) -> None:
        self.rules: list[Any] = [["A-USD"], ["B-USD"]]
        self.markets: list[Any] = []
        self.books: dict[str, Any] = {
            "AUSD": [10, [[1, 1]], [[2, 1]]],
            "BUSD": [10, [[1, 1]], [[2, 1]]],
        }
        self.failures = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.snapshot_requests: list[str] = []
        self.received: list[Any] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.connects = 0

    async def send(self, **frame: Any) -> None:
        await self.send_text(json.dumps(frame))

    async def send_text(self, text: str) -> None:
        for socket in self.sockets:
            await socket.send_str(text)

    def cut(self) -> None:
        for socket in self.sockets:
            assert socket._req is not None
            assert socket._req.transport is not None
            socket._req.transport.abort()

    async def _rest(self, request: web.Request) -> web.Response:
        match request.path:
            case "/rules":
                return web.json_response(self.rules)
            case "/markets":
                return web.json_response(self.markets)
        symbol = request.query["symbol"]
        self.snapshot_requests.append(symbol)
        answer = self.books[symbol]
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            return web.Response(status=503)
        return web.json_response(answer)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self.connects += 1
        self.sockets.append(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self.received.append(json.loads(message.data))
        finally:
            self.sockets.remove(socket)
        return socket


@asynccontextmanager
async def venue() -> AsyncIterator[tuple[Venue, Endpoints]]:
    """A venue on a free port, and where it is."""
    serving = Venue()
    app = web.Application()
    app.router.add_get("/ws", serving._socket)
    app.router.add_get("/{other}", serving._rest)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield (
            serving,
            Endpoints(
                f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
            ),
        )
    finally:
        serving.gate.set()
        serving.cut()
        await runner.cleanup()
