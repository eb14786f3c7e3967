"""One account at a venue that does what a test tells it, and a market on it: a real server, real
REST, real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from actors.orders.journal import Journal
from actors.orders.market import Market
from actors.orders.user_stream import UserStreamTrackerDataSource
from actors.orders.user_stream_polling import PollingUserStreamTrackerDataSource
from actors.orders.user_stream_tracker import UserStreamTracker
from actors.transport.rest import Rest
from exchanges.contract import (
    Call,
    Control,
    Endpoints,
    ErrorKind,
    Exchange,
    Fault,
    FillCursor,
    OrderEntry,
    Page,
    Ready,
    Request,
    UserFeed,
)
from exchanges.order_views import OrderView
from exchanges.orders import (
    Balance,
    Fee,
    Fill,
    InFlightOrder,
    OrderState,
    OrderType,
    OrderUpdate,
    TradingRule,
    UserMessage,
)
from exchanges.rows import RowsDecoder, with_faults
from exchanges.rules import terms_of
from orderbook.errors import NotReady
from orderbook.messages import Side
from tests.support.market_harness import ActorCalls
from tests.support.scripted import ScriptedBook, rule, scripted

PAIR = "A-USD"
SYMBOL = "AUSD"
STATES = {
    "open": OrderState.OPEN,
    "filled": OrderState.FILLED,
    "cancelled": OrderState.CANCELLED,
}


class OrderRow(msgspec.Struct):
    id: str
    client_id: str
    status: str
    amount: D
    price: D
    filled: D


class FillRow(msgspec.Struct):
    id: str
    order: str
    price: D
    amount: D


class BalanceRow(msgspec.Struct):
    asset: str
    total: D


def order_row(id: str, status: str = "open", **more: Any) -> dict[str, Any]:
    known = {"client_id": "", "amount": "2", "price": "1", "filled": "0"}
    return {"id": id, "status": status} | known | more


def fill_row(id: str, order: str, amount: str = "1", **more: Any) -> dict[str, Any]:
    return {"id": id, "order": order, "price": "1", "amount": amount} | more


def _order(row: OrderRow) -> OrderUpdate:
    state = STATES.get(row.status)
    return OrderUpdate(
        symbol=SYMBOL,
        state=state,
        client_order_id=row.client_id,
        exchange_order_id=row.id,
        filled=row.filled,
        side=Side.BUY,
        amount=row.amount,
        price=row.price,
        type=OrderType.LIMIT,
        reason=row.status if state is None else "",
    )


def _fill(row: FillRow) -> Fill:
    return Fill(
        symbol=SYMBOL,
        trade_id=row.id,
        exchange_order_id=row.order,
        side=Side.BUY,
        price=row.price,
        amount=row.amount,
    )


def _balance(row: BalanceRow) -> Balance:
    return Balance(row.asset, row.total, row.total)


ORDERS = RowsDecoder(OrderRow, "$.orders")
FILLS = RowsDecoder(FillRow, "$.fills")
RULES: RowsDecoder[list[str]] = RowsDecoder(list[str])
BALANCES = RowsDecoder(BalanceRow, "$.balances")


class Frame(msgspec.Struct):
    """Rows of orders, fills or balances; one with none of them greets."""

    orders: msgspec.Raw = msgspec.Raw(b"[]")
    fills: msgspec.Raw = msgspec.Raw(b"[]")
    balances: msgspec.Raw = msgspec.Raw(b"[]")
    hello: bool = False


def frame_of(body: bytes) -> Frame:
    return msgspec.json.decode(body, type=Frame)


class AccountBook(ScriptedBook):
    def trading_rules(self) -> Call[list[TradingRule]]:
        request = Request("GET", "/rules")
        return Call(request, lambda answer: RULES.decode(answer.body, lambda row: rule(*row)))


class ScriptedOrders(OrderEntry):
    def place(self, order: InFlightOrder) -> Call[OrderUpdate]:
        body = {"client_id": order.client_order_id, "amount": str(order.amount)}
        request = Request("POST", "/order", body=body, is_mutating=True)
        return Call(request, lambda answer: ORDERS.decode(answer.body, _order)[0])

    def cancel(self, order: InFlightOrder) -> Call[OrderUpdate | None]:
        request = Request("DELETE", "/order", {"id": order.name}, is_mutating=True)
        return Call(request, lambda answer: None)

    def status(self, order: InFlightOrder) -> Call[OrderUpdate]:
        def read(answer: Any) -> OrderUpdate:
            return _order(msgspec.json.decode(answer.body, type=OrderRow))

        return Call(Request("GET", "/order", {"id": order.name}), read)

    def open_orders(self, trading_pair: str | None = None) -> Call[list[OrderUpdate]]:
        return Call(
            Request("GET", "/orders"),
            lambda answer: ORDERS.decode(frame_of(answer.body).orders, _order),
        )

    def fills(self, trading_pair: str, after: FillCursor) -> Call[Page[Fill]]:
        return Call(
            Request("GET", "/fills"),
            lambda answer: Page(FILLS.decode(frame_of(answer.body).fills, _fill)),
        )

    def balances(self) -> Call[list[Balance]]:
        return Call(
            Request("GET", "/balances"),
            lambda answer: BALANCES.decode(frame_of(answer.body).balances, _balance),
        )

    def fees(self, trading_pair: str) -> Call[Fee]:
        return Call(Request("GET", "/fees"), lambda answer: Fee(D(0), D(0)))


class ScriptedUser(UserFeed):
    path = "/private"

    def login(self, now: float) -> Iterable[str]:
        yield '{"login": 1}'

    def parse(self, frame: bytes) -> Iterable[UserMessage | Control]:
        said = frame_of(frame)
        if said.hello:
            yield Ready()
        yield from with_faults(ORDERS.decode(said.orders, _order))
        yield from with_faults(FILLS.decode(said.fills, _fill))
        yield from with_faults(BALANCES.decode(said.balances, _balance))


def _refused(answer: Any) -> Fault | None:
    if answer.status == 404:
        return Fault(ErrorKind.NOT_FOUND, "404", "no such order")
    return None if answer.status < 400 else Fault(ErrorKind.UNKNOWN, str(answer.status), "refused")


ACCOUNT_VENUE: Exchange = replace(
    scripted(AccountBook),
    user=ScriptedUser,
    orders=ScriptedOrders,
    error=_refused,
    server_time=None,
    client_id=lambda number: f"t{number:x}",
    visibility=0.2,
)


class Account:
    """The server's side. What it answers is what stands in its attributes: rows, or text as it
    is."""

    def __init__(self) -> None:
        self.rules: list[Any] = [[PAIR], ["B-USD"]]
        self.open_orders: list[Any] | str = []
        self.fills: list[Any] | str = []
        self.balances: list[Any] | str = []
        self.order: dict[str, Any] = {}
        """Id -> the row that a query about one order is answered with, or text; missing: 404."""
        self.listed = 0
        """Queries for open orders that arrived."""
        self.may_list = asyncio.Semaphore(1_000_000)
        """One is taken by each of them, before it is answered."""
        self.placed: list[str] = []
        self.queried: list[str] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.connects = 0

    async def send(self, **rows: Any) -> None:
        await self.send_text(json.dumps(rows))

    async def send_text(self, text: str) -> None:
        for socket in list(self.sockets):
            await socket.send_str(text)

    def cut(self) -> None:
        for socket in self.sockets:
            assert socket._req is not None
            assert socket._req.transport is not None
            socket._req.transport.abort()

    async def rest(self, request: web.Request) -> web.Response:
        match request.method, request.path:
            case "GET", "/rules":
                return web.json_response(self.rules)
            case "POST", "/order":
                terms = await request.json()
                self.placed.append(terms["client_id"])
                row = order_row(f"v{len(self.placed)}", **terms)
                self.order[terms["client_id"]] = row
                return web.json_response([row])
            case "GET", "/order":
                self.queried.append(request.query["id"])
                return _answer(self.order.get(request.query["id"]), "order")
            case "GET", "/orders":
                self.listed += 1
                await self.may_list.acquire()
                return _answer(self.open_orders, "orders")
            case "GET", "/fills":
                return _answer(self.fills, "fills")
            case "GET", "/balances":
                return _answer(self.balances, "balances")
        return web.json_response({})

    async def socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self.connects += 1
        await socket.receive()
        await socket.send_str('{"hello": true}')
        self.sockets.append(socket)
        try:
            async for _ in socket:
                continue
        finally:
            self.sockets.remove(socket)
        return socket


def _answer(rows: Any, name: str) -> web.Response:
    if rows is None:
        return web.Response(status=404)
    if isinstance(rows, str):
        return web.Response(text=rows)
    return web.json_response(rows if name == "order" else {name: rows})


class AccountDesk:
    """What a test touches."""

    def __init__(
        self,
        account: Account,
        market: Market,
        source: UserStreamTrackerDataSource | PollingUserStreamTrackerDataSource,
    ) -> None:
        self.account = account
        self.market = market
        self.source = source

    async def place(self, intent: str) -> OrderView:
        return await self.market.place(intent, terms_of(PAIR, "buy", "2", "1"))

    async def known(self, name: str) -> OrderView:
        """The order that the market knows by an id, ours or the venue's."""
        for order in await self.market.orders(open_only=False):
            if name in (order.client_order_id, order.exchange_order_id):
                return order
        raise AssertionError(f"no order {name}")

    async def reconciled(self) -> None:
        """Wait for the next reconciliation that begins from now on."""
        before = self.market.reconciler.cycles
        self.market._reconcile_requested.set()
        async with asyncio.timeout(10):
            while self.market.reconciler.cycles == before:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def served(account: Account) -> AsyncIterator[Endpoints]:
    app = web.Application()
    app.router.add_get("/private", account.socket)
    app.router.add_route("*", "/{other}", account.rest)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    where = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield Endpoints(f"http://{where}", f"ws://{where}", f"ws://{where}")
    finally:
        account.cut()
        await runner.cleanup()


@asynccontextmanager
async def account_desk(
    folder: Path,
    account: Account | None = None,
    *,
    polling: bool = False,
    journal: Journal | None = None,
) -> AsyncIterator[AccountDesk]:
    """A market that is ready, on an account that a test scripts."""
    account = account or Account()
    calls = ActorCalls()
    address = f"sqlite:///{folder}/journal.db"
    auth = ACCOUNT_VENUE.auth({"api_key": "K", "api_secret": "S"})
    place = {"run_dir": str(folder)}
    kind = PollingUserStreamTrackerDataSource if polling else UserStreamTrackerDataSource
    async with served(account) as hosts, aiohttp.ClientSession() as session:
        source = kind(
            ACCOUNT_VENUE,
            hosts=hosts,
            rest=Rest(ACCOUNT_VENUE, session, hosts, auth),
            auth=auth,
            name="source",
            **place,
        )
        tracker = UserStreamTracker(
            ACCOUNT_VENUE, peers=calls, data_source="source", name="tracker", **place
        )
        market = Market(
            ACCOUNT_VENUE,
            account="default",
            rest=Rest(ACCOUNT_VENUE, session, hosts, auth),
            peers=calls,
            user_stream_tracker="tracker",
            name="market",
            journal=journal or Journal(address, venue="scripted", account="default"),
            books=_no_book,
            **place,
        )
        calls.components = {"source": source, "tracker": tracker, "market": market}
        for component in (source, tracker, market):
            await component.start()
        try:
            await market.wait_ready(15)
            yield AccountDesk(account, market, source)
        finally:
            for component in (market, tracker, source):
                await component.stop()


def _no_book(pair: str) -> Any:
    raise NotReady(pair)
