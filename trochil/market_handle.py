"""A client's side of a market: typed, idempotent, and nothing it says is lost when an actor restarts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
import pyarrow as pa

from actors.component import ActorCalls
from exchanges.rules import parse_pair, to_decimal
from orderbook.errors import Disconnected, NotReady

Number = Decimal | str | int
RETRY_FOR = 30.0
"""Seconds that a call is tried again while the market's actor restarts. An intent is never placed twice."""
RETRY_EVERY = 0.1
DONE = ("filled", "cancelled", "expired", "rejected", "not_placed")
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


class Event(msgspec.Struct, frozen=True):
    """One event of an order's life, numbered without holes of meaning: replay with ``events(since=number)``."""

    number: int
    kind: str
    client_order_id: str
    trading_pair: str
    side: str
    details: dict[str, Any]


class AsyncOrder:
    """An order as last heard of. ``refresh`` and ``wait`` bring it up to date."""

    def __init__(self, handle: "AsyncMarketHandle", known: dict[str, Any]) -> None:
        self._handle, self._known = handle, known

    def __repr__(self) -> str:
        what = f"{self.side} {self.amount} {self.trading_pair}"
        return f"<Order {self.client_id} {what} {self.state}{' unknown' if self.unknown else ''} filled {self.filled}>"

    @property
    def client_id(self) -> str:
        return str(self._known["client_order_id"])

    @property
    def exchange_id(self) -> str:
        return str(self._known["exchange_order_id"])

    @property
    def trading_pair(self) -> str:
        return str(self._known["trading_pair"])

    @property
    def side(self) -> str:
        return str(self._known["side"])

    @property
    def state(self) -> str:
        """pending, open, partially_filled, filled, cancelled, expired, rejected or not_placed."""
        return str(self._known["state"])

    @property
    def unknown(self) -> bool:
        """The venue has to tell first: a time-out, a lost connection or a restart stands between it and us."""
        return bool(self._known["status_unknown"])

    @property
    def external(self) -> bool:
        return bool(self._known["external"])

    @property
    def tag(self) -> str:
        return str(self._known["tag"])

    @property
    def amount(self) -> Decimal:
        return Decimal(self._known["amount"])

    @property
    def price(self) -> Decimal | None:
        price = self._known["price"]
        return None if price is None else Decimal(price)

    @property
    def filled(self) -> Decimal:
        return Decimal(self._known["filled"])

    @property
    def average(self) -> Decimal | None:
        average = self._known["average_price"]
        return None if average is None else Decimal(average)

    @property
    def fees(self) -> dict[str, Decimal]:
        return {asset: Decimal(fee) for asset, fee in self._known["fees"].items()}

    @property
    def evidence(self) -> str:
        """What the venue said that closed it."""
        return str(self._known["evidence"])

    @property
    def is_done(self) -> bool:
        return self.state in DONE

    async def refresh(self) -> "AsyncOrder":
        self._known = await self._handle._call("order", self.client_id)
        return self

    async def wait(self, *states: str, timeout: float | None = None) -> "AsyncOrder":
        """Until its state is one of ``states`` (none: any final one). Raises TimeoutError saying where it stands."""
        wanted = states or DONE
        try:
            async with asyncio.timeout(timeout):
                while (await self.refresh()).state not in wanted or (
                    self.is_done and not self._known["complete"]
                ):
                    if self.is_done and self._known["complete"]:
                        raise NotReady(
                            f"{self!r} will not become {' or '.join(wanted)}: {self.evidence}"
                        )
                    await self._handle._await_news()
        except TimeoutError:
            raise TimeoutError(f"{self!r} is not {' or '.join(wanted)} after {timeout} s") from None
        return self


class AsyncMarketHandle:
    """Orders of one account at one venue."""

    def __init__(self, peers: ActorCalls, actor: str) -> None:
        self._peers, self._actor = peers, actor
        self._seen = 0
        self._has: frozenset[str] | None = None

    async def _call(self, method: str, *args: Any) -> Any:
        """Call the market; while its actor restarts, again: every call here may be repeated."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + RETRY_FOR
        while True:
            try:
                return await self._peers.call(self._actor, method, *args)
            except (Disconnected, NotReady):
                if loop.time() > deadline:
                    raise
                await asyncio.sleep(RETRY_EVERY)

    async def _await_news(self) -> None:
        for event in await self._call("events_since", self._seen, 0.25):
            self._seen = max(self._seen, event["number"])

    async def has(self) -> frozenset[str]:
        """What the venue can do besides limit orders: post_only, ioc, fok, market..."""
        return frozenset(await self._call("features"))

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
        """Returns once the intent is journalled. Raises BadPair, InvalidOrder, Halted, NotReady, TypeError (floats)."""
        return await self._place("buy", pair, amount, price, type, tif, post_only, client_id, tag)

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
        """Returns once the intent is journalled. Raises BadPair, InvalidOrder, Halted, NotReady, TypeError (floats)."""
        return await self._place("sell", pair, amount, price, type, tif, post_only, client_id, tag)

    async def _place(
        self,
        side: str,
        pair: str,
        amount: Number,
        price: Number | None,
        type: str,
        tif: str,
        post_only: bool,
        client_id: str | None,
        tag: str,
    ) -> AsyncOrder:
        terms = {
            "trading_pair": parse_pair(pair),
            "side": side,
            "amount": str(to_decimal(amount, "amount")),
            "price": None if price is None else str(to_decimal(price, "price")),
            "type": type,
            "tif": tif,
            "post_only": post_only,
            "client_id": client_id or "",
            "tag": tag,
        }
        # One intent for all tries of this call: however often the call is repeated, it leads to one order.
        return AsyncOrder(self, await self._call("place", client_id or uuid4().hex, terms))

    async def cancel(self, order: "AsyncOrder | Order | str") -> AsyncOrder:
        """Ask the venue to cancel; wait() on the order tells when it is done."""
        client_id = order if isinstance(order, str) else order.client_id
        return AsyncOrder(self, await self._call("cancel_order", client_id))

    async def cancel_all(self, pair: str | None = None, tag: str | None = None) -> list[AsyncOrder]:
        wanted = None if pair is None else parse_pair(pair)
        return [
            AsyncOrder(self, known) for known in await self._call("cancel_all_orders", wanted, tag)
        ]

    async def orders(self, open: bool = True) -> list[AsyncOrder]:
        """Unknown and external ones included, marked."""
        return [AsyncOrder(self, known) for known in await self._call("orders", open)]

    async def order(self, client_id: str) -> AsyncOrder:
        return AsyncOrder(self, await self._call("order", client_id))

    async def fills(self, since: int | None = None) -> pa.Table:
        """Every fill once, from the journal, oldest first; ``since`` in ns. Amounts as decimal128(38, 18)."""
        rows = await self._call("fills_table", since or 0)
        columns = {
            name: pa.array([_cell(kind, row[name]) for row in rows], kind)
            for name, kind in FILL_COLUMNS.items()
        }
        return pa.table(columns)

    async def balances(self) -> dict[str, AccountBalance]:
        found = await self._call("balances_now")
        return {
            asset: AccountBalance(Decimal(total), Decimal(free))
            for asset, (total, free) in found.items()
        }

    async def events(self, since: int | None = None) -> AsyncIterator[Event]:
        """Events after number ``since`` (None: from now on), for ever."""
        number = since
        if number is None:
            number = max(
                [event["number"] for event in await self._call("events_since", 0, 0.0)], default=0
            )
        while True:
            for event in await self._call("events_since", number, 5.0):
                number = event["number"]
                yield Event(
                    number,
                    event["kind"],
                    event["client_order_id"],
                    event["trading_pair"],
                    event["side"],
                    event,
                )

    async def wait_ready(self, timeout: float = 30.0) -> None:
        """Until the market and the venue agree and new orders are taken. Raises NotReady."""
        await self._call("wait_ready", timeout)


def _cell(kind: pa.DataType, value: Any) -> Any:
    if pa.types.is_decimal(kind):
        return Decimal(value).quantize(Decimal(1).scaleb(-18))
    return value


Run = Callable[[Coroutine[Any, Any, Any]], Any]


class Order(AsyncOrder):
    """An order in sync code; ``state`` and the like show what was last heard, ``refresh`` and ``wait`` ask."""

    def __init__(self, handle: AsyncMarketHandle, known: dict[str, Any], run: Run) -> None:
        super().__init__(handle, known)
        self._run = run

    def refresh(self) -> "Order":  # type: ignore[override]
        self._run(super().refresh())
        return self

    def wait(self, *states: str, timeout: float | None = None) -> "Order":  # type: ignore[override]
        """Until its state is one of ``states`` (none: any final one). Raises TimeoutError saying where it stands."""
        waiting = AsyncOrder(self._handle, self._known)
        try:
            self._run(waiting.wait(*states, timeout=timeout))
        finally:
            self._known = waiting._known
        return self


class MarketHandle:
    """Orders of one account at one venue, in sync code."""

    def __init__(
        self,
        handle: AsyncMarketHandle,
        run: Run,
        iterate: Callable[[AsyncIterator[Any]], Iterator[Any]],
    ) -> None:
        self._async, self._run, self._iterate = handle, run, iterate

    def _order(self, order: AsyncOrder) -> Order:
        return Order(self._async, order._known, self._run)

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
        """Ask the venue to cancel; wait() on the order tells when it is done."""
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
        """Events after number ``since`` (None: from now on), for ever."""
        return self._iterate(self._async.events(since))

    def wait_ready(self, timeout: float = 30.0) -> None:
        self._run(self._async.wait_ready(timeout))
