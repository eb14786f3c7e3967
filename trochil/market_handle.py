"""A client's side of a market: typed, idempotent, and nothing it says is lost when an actor
restarts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import uuid4

import pyarrow as pa

from actors.actor_roles import RetryingCalls, market_actor
from actors.component import ActorCalls
from exchanges.order_views import Event, OrderTerms, OrderView
from exchanges.orders import OrderState
from exchanges.rules import Number, parse_pair, terms_of
from orderbook.errors import Disconnected, NotReady
from orderbook.messages import Side

RETRY_FOR = 30.0
"""Seconds that a call is tried again while the market's actor restarts. An intent is never
placed twice."""
DONE = tuple(state for state in OrderState if state.is_done)
FILL_COLUMNS = {
    "trading_pair": pa.string(),
    "trade_id": pa.string(),
    "client_order_id": pa.string(),
    "exchange_order_id": pa.string(),
    "side": pa.string(),
    "price": pa.decimal128(38, 18),
    "amount": pa.decimal128(38, 18),
    "fee": pa.decimal128(38, 18),
    "fee_asset": pa.string(),
    "is_maker": pa.bool_(),
    "time": pa.timestamp("ns", tz="UTC"),
}


class AccountBalance(NamedTuple):
    total: Decimal
    available: Decimal

    @property
    def held(self) -> Decimal:
        return self.total - self.available


class AsyncOrder:
    """An order as last read. ``refresh`` and ``wait`` bring it up to date."""

    def __init__(self, handle: "AsyncMarketHandle", view: OrderView) -> None:
        self._handle = handle
        self._view = view

    def __repr__(self) -> str:
        what = f"{self.side} {self.amount} {self.trading_pair}"
        state = f"{self.state} unknown" if self.status_unknown else str(self.state)
        return f"<Order {self.client_id} {what} {state} filled {self.filled}>"

    @property
    def client_id(self) -> str:
        return self._view.client_order_id

    @property
    def exchange_id(self) -> str:
        """The venue's id; empty until the venue named it."""
        return self._view.exchange_order_id

    @property
    def trading_pair(self) -> str:
        return self._view.trading_pair

    @property
    def side(self) -> Side:
        return self._view.side

    @property
    def state(self) -> OrderState:
        """pending, open, partially_filled, filled, cancelled, expired, rejected or not_placed;
        prints as the word."""
        return self._view.state

    @property
    def status_unknown(self) -> bool:
        """The venue has to tell first: a time-out, a lost connection or a restart stands between
        it and us."""
        return self._view.status_unknown

    @property
    def external(self) -> bool:
        """Placed elsewhere, and tracked since it was seen."""
        return self._view.external

    @property
    def tag(self) -> str:
        return self._view.tag

    @property
    def amount(self) -> Decimal:
        return self._view.amount

    @property
    def price(self) -> Decimal | None:
        return self._view.price

    @property
    def filled(self) -> Decimal:
        return self._view.filled

    @property
    def average(self) -> Decimal | None:
        """Average price of its fills; None without any."""
        return self._view.average_price

    @property
    def fees(self) -> dict[str, Decimal]:
        """Asset -> fees paid in it."""
        return dict(self._view.fees)

    @property
    def evidence(self) -> str:
        """What the venue said that closed it."""
        return self._view.evidence

    @property
    def is_done(self) -> bool:
        return self._view.is_done

    async def refresh(self) -> "AsyncOrder":
        self._view = await self._handle._read(self.client_id)
        return self

    async def wait(self, *states: str, timeout: float | None = None) -> "AsyncOrder":
        """Until its state is one of ``states`` (none: any final one). Raises TimeoutError saying
        where it stands."""
        wanted = states or DONE
        try:
            async with asyncio.timeout(timeout):
                while (await self.refresh()).state not in wanted or (
                    self.is_done and not self._view.is_complete
                ):
                    if self._view.is_complete:
                        raise NotReady(
                            f"{self!r} will not become {' or '.join(wanted)}: {self.evidence}"
                        )
                    await self._handle._await_news()
        except TimeoutError:
            raise TimeoutError(f"{self!r} is not {' or '.join(wanted)} after {timeout} s") from None
        return self


class AsyncMarketHandle:
    """Orders of one account at one venue."""

    def __init__(self, calls: ActorCalls, actor: str) -> None:
        # While the actor restarts, calls are tried again: every one of them may be repeated.
        patient = RetryingCalls(calls, (Disconnected, NotReady), RETRY_FOR)
        self._market = market_actor(patient, actor)
        self._seen = 0

    async def _read(self, client_id: str) -> OrderView:
        return await self._market.order(client_id)

    async def _await_news(self) -> None:
        for event in await self._market.events_since(self._seen, 0.25):
            self._seen = max(self._seen, event.number)

    async def has(self) -> frozenset[str]:
        """What the venue can do besides limit orders: post_only, ioc, fok, market..."""
        return frozenset(await self._market.features())

    async def buy(
        self,
        pair: str,
        amount: Number,
        price: Number | None = None,
        *,
        type: str = "limit",
        tif: str = "GTC",
        post_only: bool = False,
        client_id: str | None = None,
        tag: str = "",
    ) -> AsyncOrder:
        """Returns once the intent is journalled. Raises BadPair, InvalidOrder, Halted, NotReady,
        TypeError (floats)."""
        terms = terms_of(
            pair,
            Side.BUY,
            amount,
            price,
            type=type,
            tif=tif,
            post_only=post_only,
            client_id=client_id,
            tag=tag,
        )
        return await self._place(terms)

    async def sell(
        self,
        pair: str,
        amount: Number,
        price: Number | None = None,
        *,
        type: str = "limit",
        tif: str = "GTC",
        post_only: bool = False,
        client_id: str | None = None,
        tag: str = "",
    ) -> AsyncOrder:
        """Returns once the intent is journalled. Raises BadPair, InvalidOrder, Halted, NotReady,
        TypeError (floats)."""
        terms = terms_of(
            pair,
            Side.SELL,
            amount,
            price,
            type=type,
            tif=tif,
            post_only=post_only,
            client_id=client_id,
            tag=tag,
        )
        return await self._place(terms)

    async def _place(self, terms: OrderTerms) -> AsyncOrder:
        # One intent for all tries of this call: however often it is repeated, it leads to one
        # order.
        intent = terms.client_id or uuid4().hex
        return AsyncOrder(self, await self._market.place(intent, terms))

    async def cancel(self, order: "AsyncOrder | Order | str") -> AsyncOrder:
        """Have the venue cancel it; wait() on the order returns when it is done. Raises
        OrderNotFound."""
        client_id = order if isinstance(order, str) else order.client_id
        return AsyncOrder(self, await self._market.cancel_order(client_id))

    async def cancel_all(self, pair: str | None = None, tag: str | None = None) -> list[AsyncOrder]:
        wanted = None if pair is None else parse_pair(pair)
        return [
            AsyncOrder(self, view) for view in await self._market.cancel_all_orders(wanted, tag)
        ]

    async def orders(self, open: bool = True) -> list[AsyncOrder]:
        """Unknown and external ones included, marked."""
        return [AsyncOrder(self, view) for view in await self._market.orders(open)]

    async def order(self, client_id: str) -> AsyncOrder:
        """Raises OrderNotFound."""
        return AsyncOrder(self, await self._read(client_id))

    async def fills(self, since: int | None = None) -> pa.Table:
        """Every fill once, from the journal, oldest first; ``since`` in ns. Amounts as
        decimal128(38, 18)."""
        rows = await self._market.fills_table(since or 0)
        columns = {
            name: pa.array([_cell(kind, getattr(row, name)) for row in rows], kind)
            for name, kind in FILL_COLUMNS.items()
        }
        return pa.table(columns)

    async def balances(self) -> dict[str, AccountBalance]:
        found = await self._market.balances_now()
        return {
            asset: AccountBalance(Decimal(total), Decimal(free))
            for asset, (total, free) in found.items()
        }

    async def events(self, since: int | None = None) -> AsyncIterator[Event]:
        """Events after number ``since`` (None: from now on), until cancelled."""
        number = since
        if number is None:
            past = await self._market.events_since(0, 0.0)
            number = max((event.number for event in past), default=0)
        while True:
            for event in await self._market.events_since(number, 5.0):
                number = event.number
                yield event

    async def wait_ready(self, timeout: float = 30.0) -> None:
        """Until the market and the venue agree and new orders are taken. Raises NotReady."""
        await self._market.wait_ready(timeout)


def _cell(kind: pa.DataType, value: Any) -> Any:
    if pa.types.is_decimal(kind):
        return value.quantize(Decimal(1).scaleb(-18))
    return value


Run = Callable[[Coroutine[Any, Any, Any]], Any]


class Order(AsyncOrder):
    """An order in sync code; ``state`` and the like are as last read, ``refresh`` and ``wait``
    read again."""

    def __init__(self, handle: AsyncMarketHandle, view: OrderView, run: Run) -> None:
        super().__init__(handle, view)
        self._run = run

    def refresh(self) -> "Order":  # type: ignore[override]
        self._run(super().refresh())
        return self

    def wait(self, *states: str, timeout: float | None = None) -> "Order":  # type: ignore[override]
        """Until its state is one of ``states`` (none: any final one). Raises TimeoutError saying
        where it stands."""
        waiting = AsyncOrder(self._handle, self._view)
        try:
            self._run(waiting.wait(*states, timeout=timeout))
        finally:
            self._view = waiting._view
        return self


class MarketHandle:
    """Orders of one account at one venue, in sync code."""

    def __init__(
        self,
        handle: AsyncMarketHandle,
        run: Run,
        iterate: Callable[[AsyncIterator[Any]], Iterator[Any]],
    ) -> None:
        self._async = handle
        self._run = run
        self._iterate = iterate

    def _order(self, order: AsyncOrder) -> Order:
        return Order(self._async, order._view, self._run)

    @property
    def has(self) -> frozenset[str]:
        """What the venue can do besides limit orders: post_only, ioc, fok, market..."""
        found: frozenset[str] = self._run(self._async.has())
        return found

    def buy(self, pair: str, amount: Number, price: Number | None = None, **options: Any) -> Order:
        """Options: type, tif, post_only, client_id, tag. Returns once the intent is journalled.

        Raises BadPair, InvalidOrder, Halted, NotReady; TypeError for floats.
        """
        return self._order(self._run(self._async.buy(pair, amount, price, **options)))

    def sell(self, pair: str, amount: Number, price: Number | None = None, **options: Any) -> Order:
        """As ``buy``."""
        return self._order(self._run(self._async.sell(pair, amount, price, **options)))

    def cancel(self, order: AsyncOrder | str) -> Order:
        """Have the venue cancel it; wait() on the order returns when it is done. Raises
        OrderNotFound."""
        return self._order(self._run(self._async.cancel(order)))

    def cancel_all(self, pair: str | None = None, tag: str | None = None) -> list[Order]:
        return [self._order(order) for order in self._run(self._async.cancel_all(pair, tag))]

    def orders(self, open: bool = True) -> list[Order]:
        """Unknown and external ones included, marked."""
        return [self._order(order) for order in self._run(self._async.orders(open))]

    def order(self, client_id: str) -> Order:
        return self._order(self._run(self._async.order(client_id)))

    def fills(self, since: int | None = None) -> pa.Table:
        """Every fill once, from the journal, oldest first; ``since`` in ns."""
        return self._run(self._async.fills(since))

    def balances(self) -> dict[str, AccountBalance]:
        found: dict[str, AccountBalance] = self._run(self._async.balances())
        return found

    def events(self, since: int | None = None) -> Iterator[Event]:
        """Events after number ``since`` (None: from now on), until cancelled."""
        return self._iterate(self._async.events(since))

    def wait_ready(self, timeout: float = 30.0) -> None:
        self._run(self._async.wait_ready(timeout))
