"""Everything known of one account's orders: in memory for speed, in the journal for good.
Evidence comes in here."""

import asyncio
import logging
from collections.abc import Callable

import msgspec

from actors.clock import Clock
from actors.orders.events import due_events
from actors.orders.journal import Journal
from exchanges.lifecycle import book_fill, merge
from exchanges.order_views import Event
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
from exchanges.rows import bad_rows
from orderbook.errors import JournalError

log = logging.getLogger(__name__)
KEEP_CLOSED = 600.0
"""Seconds that a closed order stays in memory; the journal keeps it, a late event loads it
again."""
ORPHANS = 10_000
UNKNOWN_WORDS = 100
"""Words for a status that are logged."""


def external_id(symbol: str, exchange_order_id: str) -> str:
    """What an order is called here that was placed elsewhere without a client id."""
    return f"external-{symbol}-{exchange_order_id}"


class OrderStore:
    """One account's orders and balances. Every change is journalled before its events are
    emitted."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        checkpoint: Callable[[str], None],
        emit: Callable[[Event], None],
    ) -> None:
        """``emit`` gets every event, once, with its number."""
        self.journal = journal
        self._clock = clock
        self._checkpoint = checkpoint
        self._emit = emit
        self.orders: dict[str, InFlightOrder] = {}
        self.balances: dict[str, Balance] = {}
        self.changed = 0.0
        self.rules_by_symbol: dict[str, TradingRule] = {}
        self.last_seen: dict[str, float] = {}
        """When the venue last reported an order (monotonic)."""
        self.degraded = ""
        """Why the journal can't be written; empty: it can."""
        self._client_id_of: dict[tuple[str, str], str] = {}
        self._orphans: dict[tuple[str, str], list[Fill]] = {}
        self._unwritten: dict[str, list[Fill]] = {}
        self._balance_received: dict[str, float] = {}
        self._news = asyncio.Condition()
        self._unknown_words: set[str] = set()
        self.last_event = 0

    async def load(self) -> None:
        """Take up the open orders of the journal; what became of them is not known yet."""
        for order in await self.journal.open_orders():
            order.status_unknown = True
            self._keep(order)

    def _keep(self, order: InFlightOrder) -> None:
        self.orders[order.client_order_id] = order
        self.last_seen.setdefault(order.client_order_id, self._clock.monotonic())
        if order.exchange_order_id:
            self._client_id_of[order.symbol, order.exchange_order_id] = order.client_order_id

    async def intend(self, order: InFlightOrder, intent: str) -> InFlightOrder:
        """Journal an intent. Gives the order that it led to: this one, or the one that has its
        intent or id already."""
        known = self.orders.get(order.client_order_id)
        if known is not None:
            return known
        try:
            written = await self.journal.intend(order, intent)
        except JournalError as error:
            self.degraded = str(error)
            raise
        self.degraded = ""
        return self._known(written)

    async def find_intent(self, intent: str) -> InFlightOrder | None:
        """The order that an intent led to."""
        found = await self.journal.find_intent(intent)
        return None if found is None else self._known(found)

    def _known(self, stored: InFlightOrder) -> InFlightOrder:
        """An order of the journal, as memory has it."""
        if stored.client_order_id not in self.orders:
            self._keep(stored)
        return self.orders[stored.client_order_id]

    async def find(self, client_order_id: str) -> InFlightOrder | None:
        """From memory, or from the journal back into memory."""
        order = self.orders.get(client_order_id)
        if order is None and client_order_id:
            order = await self.journal.find(client_order_id)
            if order is not None:
                return self._known(order)
        return order

    async def take_update(self, update: OrderUpdate) -> None:
        """What the venue reports of an order: ours, one that had left memory, or one that
        somebody else placed."""
        if update.state is None:
            self._note_unknown_word(update.reason)
        order = await self._order_of(
            update.symbol, update.exchange_order_id, update.client_order_id
        )
        if order is None:
            order = self._adopt(update)
            if order is None:
                return
        self.last_seen[order.client_order_id] = self._clock.monotonic()
        changed = merge(order, update)
        if order.exchange_order_id:
            self._client_id_of[order.symbol, order.exchange_order_id] = order.client_order_id
        fresh = self._take_orphans(order)
        if changed or fresh:
            await self._write(order, fresh)

    def _note_unknown_word(self, word: str) -> None:
        """Log a status that isn't known, once."""
        if word not in self._unknown_words and len(self._unknown_words) < UNKNOWN_WORDS:
            self._unknown_words.add(word)
            log.warning("an order has a status that isn't known: %r", word)

    async def _order_of(
        self, symbol: str, exchange_order_id: str, client_order_id: str
    ) -> InFlightOrder | None:
        known = self._client_id_of.get((symbol, exchange_order_id))
        return await self.find(known or client_order_id)

    def _adopt(self, update: OrderUpdate) -> InFlightOrder | None:
        """An order that was placed elsewhere: tracked, and marked as such."""
        rule = self.rules_by_symbol.get(update.symbol)
        if rule is None or update.side is None or update.amount is None:
            return None
        order = InFlightOrder(
            client_order_id=update.client_order_id
            or external_id(update.symbol, update.exchange_order_id),
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
        self.last_seen[order.client_order_id] = self._clock.monotonic()
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
        """Close an order that the venue never showed, by its refusal or because it repeatedly
        didn't find it."""
        update = OrderUpdate(
            symbol=order.symbol, state=state, time=self._clock.time_ns(), reason=evidence
        )
        if merge(order, update):
            await self._write(order, [])

    async def request_cancel(self, order: InFlightOrder) -> None:
        """Journal that the order shall be cancelled."""
        if not order.cancel_requested:
            order.cancel_requested = True
            await self._write(order, [])

    async def _write(self, order: InFlightOrder, fresh: list[Fill]) -> None:
        """Journal, then emit. What can't be written now is written later; what the venue said
        stays in memory."""
        self.changed = self._clock.monotonic()
        fresh = [*self._unwritten.pop(order.client_order_id, []), *fresh]
        emitted = list(order.emitted_events)
        events = due_events(order, fresh)
        try:
            _, numbers = await self.journal.record(order, fresh, events)
        except JournalError as error:
            order.emitted_events = emitted
            self.degraded = str(error)
            self._unwritten[order.client_order_id] = fresh
            return
        self.degraded = ""
        for event, number in zip(events, numbers, strict=True):
            self._emit(msgspec.structs.replace(event, number=number))
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
        """Until an event above ``after`` was emitted, or the time is over."""
        async with self._news:
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait_for(lambda: self.last_event > after)
            except TimeoutError:
                return

    def take_balance(self, balance: Balance) -> None:
        self.balances[balance.asset] = balance
        self._balance_received[balance.asset] = self._clock.monotonic()

    def take_balances(self, balances: list[Balance], requested_at: float) -> None:
        """A reading requested at ``requested_at`` (monotonic): what the stream reported since
        stands.

        An asset that a complete reading leaves out is zero; one that an incomplete reading leaves
        out stays as it was.
        """
        read = {balance.asset: balance for balance in balances}
        if not bad_rows(balances):
            read = {asset: Balance(asset, ZERO, ZERO) for asset in self.balances} | read
        for asset, balance in read.items():
            if self._balance_received.get(asset, -1.0) < requested_at:
                self.balances[asset] = balance

    def open_orders(self) -> list[InFlightOrder]:
        return [order for order in self.orders.values() if not order.is_done]

    def unfinished(self) -> list[InFlightOrder]:
        """Open ones, and closed ones whose fills aren't all here."""
        return [order for order in self.orders.values() if not order.is_complete]

    def forget_old(self) -> None:
        """Closed orders leave memory after a while; the journal keeps them."""
        now = self._clock.monotonic()
        for client_order_id, order in list(self.orders.items()):
            old = now - self.last_seen.get(client_order_id, now) > KEEP_CLOSED
            if old and order.is_complete and client_order_id not in self._unwritten:
                del self.orders[client_order_id], self.last_seen[client_order_id]
                self._client_id_of.pop((order.symbol, order.exchange_order_id), None)
