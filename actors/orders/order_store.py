"""Everything known of one account's orders: in memory for speed, in the journal for good. Evidence comes in here."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from actors.clock import Clock
from actors.orders.events import due_events
from actors.orders.journal import Journal, JournalError
from exchanges.lifecycle import book_fill, merge
from exchanges.orders import (
    ZERO,
    Balance,
    Fill,
    InFlightOrder,
    OrderState,
    OrderType,
    OrderUpdate,
    TradingRule,
)

log = logging.getLogger(__name__)
KEEP_CLOSED = 600.0
"""Seconds that a closed order stays in memory; the journal keeps it for ever, a late event loads it again."""
ORPHANS = 10_000


class OrderStore:
    """One account's orders and balances. Every change is journalled before it is told."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        checkpoint: Callable[[str], None],
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self.journal, self._clock, self._checkpoint, self._tell = journal, clock, checkpoint, tell
        self.orders: dict[str, InFlightOrder] = {}
        self.balances: dict[str, Balance] = {}
        self.changed = 0.0
        self.rules_by_symbol: dict[str, TradingRule] = {}
        self.heard: dict[str, float] = {}
        """When the venue last spoke of an order (monotonic)."""
        self.degraded = ""
        """Why the journal can't be written; empty: it can."""
        self._client_id_of: dict[tuple[str, str], str] = {}
        self._orphans: dict[tuple[str, str], list[Fill]] = {}
        self._unwritten: dict[str, list[Fill]] = {}
        self._balance_heard: dict[str, float] = {}
        self._news = asyncio.Condition()
        self.last_event = 0

    async def load(self) -> None:
        """Take up the open orders of the journal; what became of them must be asked."""
        for order in await self.journal.open_orders():
            order.status_unknown = True
            self._keep(order)

    def _keep(self, order: InFlightOrder) -> None:
        self.orders[order.client_order_id] = order
        self.heard.setdefault(order.client_order_id, self._clock.monotonic())
        if order.exchange_order_id:
            self._client_id_of[order.symbol, order.exchange_order_id] = order.client_order_id

    async def intend(self, order: InFlightOrder, intent: str) -> InFlightOrder:
        """Journal an intent. Gives the order that it led to: this one, or the one that has its intent or id already."""
        known = await self.find(order.client_order_id)
        if known is not None:
            return known
        try:
            written = await self.journal.intend(order, intent)
        except JournalError as error:
            self.degraded = str(error)
            raise
        self.degraded = ""
        if written.client_order_id not in self.orders:
            self._keep(written)
        return self.orders[written.client_order_id]

    async def find(self, client_order_id: str) -> InFlightOrder | None:
        """From memory, or from the journal back into memory."""
        order = self.orders.get(client_order_id)
        if order is None and client_order_id:
            order = await self.journal.find(client_order_id)
            if order is not None:
                order = self.orders.setdefault(client_order_id, order)
                self._keep(order)
        return order

    async def take_update(self, update: OrderUpdate) -> None:
        """The venue's word on an order: ours, one that we had forgotten, or one that somebody else placed."""
        order = await self._order_of(
            update.symbol, update.exchange_order_id, update.client_order_id
        )
        if order is None:
            order = self._adopt(update)
            if order is None:
                return
        self.heard[order.client_order_id] = self._clock.monotonic()
        changed = merge(order, update)
        if order.exchange_order_id:
            self._client_id_of[order.symbol, order.exchange_order_id] = order.client_order_id
        fresh = self._take_orphans(order)
        if changed or fresh:
            await self._write(order, fresh)

    async def _order_of(
        self, symbol: str, exchange_order_id: str, client_order_id: str
    ) -> InFlightOrder | None:
        known = self._client_id_of.get((symbol, exchange_order_id))
        return await self.find(known or client_order_id)

    def _adopt(self, update: OrderUpdate) -> InFlightOrder | None:
        """An order that isn't ours: tracked, and marked as such."""
        rule = self.rules_by_symbol.get(update.symbol)
        if rule is None or update.side is None or update.amount is None:
            return None
        order = InFlightOrder(
            client_order_id=update.client_order_id
            or f"external-{update.symbol}-{update.exchange_order_id}",
            trading_pair=rule.trading_pair,
            symbol=update.symbol,
            side=update.side,
            amount=update.amount,
            price=update.price,
            type=update.type or OrderType.LIMIT,
            external=True,
            exchange_order_id=update.exchange_order_id,
            created=update.time,
        )
        self._keep(order)
        return order

    async def take_fill(self, fill: Fill) -> None:
        """One trade of ours; before its order is known it waits for it."""
        order = await self._order_of(fill.symbol, fill.exchange_order_id, fill.client_order_id)
        if order is None:
            if sum(map(len, self._orphans.values())) < ORPHANS:
                self._orphans.setdefault((fill.symbol, fill.exchange_order_id), []).append(fill)
            return
        self.heard[order.client_order_id] = self._clock.monotonic()
        fresh = [fill] if book_fill(order, fill) else []
        fresh += self._take_orphans(order)
        if fresh:
            self._checkpoint("mid_fill")
            await self._write(order, fresh)

    def _take_orphans(self, order: InFlightOrder) -> list[Fill]:
        waiting = self._orphans.pop((order.symbol, order.exchange_order_id), [])
        return [fill for fill in waiting if book_fill(order, fill)]

    @property
    def orphans(self) -> list[tuple[str, str]]:
        """(symbol, exchange order id) of fills whose order isn't known."""
        return list(self._orphans)

    async def mark_unknown(self, order: InFlightOrder, why: str) -> None:
        if not order.is_done and not order.status_unknown:
            log.info("order %s is unknown: %s", order.client_order_id, why)
            order.status_unknown = True
            await self._write(order, [])

    async def close(self, order: InFlightOrder, state: OrderState, evidence: str) -> None:
        """The venue's refusal, or its repeated denial, closes an order that it never showed."""
        update = OrderUpdate(
            symbol=order.symbol, state=state, time=self._clock.time_ns(), reason=evidence
        )
        if merge(order, update):
            await self._write(order, [])

    async def ask_cancel(self, order: InFlightOrder) -> None:
        if not order.cancel_requested:
            order.cancel_requested = True
            await self._write(order, [])

    async def _write(self, order: InFlightOrder, fresh: list[Fill]) -> None:
        """Journal, then tell. What can't be written now is written later; the venue's truth stays in memory."""
        self.changed = self._clock.monotonic()
        fresh = [*self._unwritten.pop(order.client_order_id, []), *fresh]
        told = list(order.emitted_events)
        events = due_events(order, fresh)
        try:
            _, numbers = await self.journal.record(order, fresh, events)
        except JournalError as error:
            order.emitted_events = told
            self.degraded = str(error)
            self._unwritten[order.client_order_id] = fresh
            return
        self.degraded = ""
        for event, number in zip(events, numbers, strict=True):
            self._tell(event | {"number": number})
        if numbers:
            await self._wake(numbers[-1])

    async def write_again(self) -> None:
        """What could not be written."""
        for client_order_id in list(self._unwritten):
            await self._write(self.orders[client_order_id], [])

    async def _wake(self, number: int) -> None:
        async with self._news:
            self.last_event = max(self.last_event, number)
            self._news.notify_all()

    async def wait_for_event(self, after: int, seconds: float) -> None:
        """Until an event above ``after`` was told, or the time is over."""
        async with self._news:
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait_for(lambda: self.last_event > after)
            except TimeoutError:
                return

    def take_balance(self, balance: Balance) -> None:
        self.balances[balance.asset] = balance
        self._balance_heard[balance.asset] = self._clock.monotonic()

    def take_balances(self, balances: list[Balance], asked_at: float) -> None:
        """A reading asked for at ``asked_at`` (monotonic): newer words of the stream stand."""
        read = {balance.asset: balance for balance in balances}
        for asset in {*read, *self.balances}:
            if self._balance_heard.get(asset, -1.0) < asked_at:
                self.balances[asset] = read.get(asset, Balance(asset, ZERO, ZERO))

    def open_orders(self) -> list[InFlightOrder]:
        return [order for order in self.orders.values() if not order.is_done]

    def unfinished(self) -> list[InFlightOrder]:
        """Open ones, and closed ones whose fills aren't all here."""
        return [order for order in self.orders.values() if not order.is_complete]

    def forget_old(self) -> None:
        """Closed orders leave memory after a while; the journal keeps them."""
        now = self._clock.monotonic()
        for client_order_id, order in list(self.orders.items()):
            old = now - self.heard.get(client_order_id, now) > KEEP_CLOSED
            if old and order.is_complete and client_order_id not in self._unwritten:
                del self.orders[client_order_id], self.heard[client_order_id]
                self._client_id_of.pop((order.symbol, order.exchange_order_id), None)
