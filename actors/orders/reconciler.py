"""Queries to the venue: after every restart and reconnect, for orders of unknown status, and for
quiet ones."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace

from actors.clock import Clock
from actors.orders.order_store import OrderStore
from actors.transport.rest import Rest
from exchanges.contract import Exchange, FillCursor, OrderEntry
from exchanges.orders import ZERO, Fill, InFlightOrder, OrderState, OrderUpdate
from orderbook.errors import (
    Disconnected,
    NotFound,
    NotListed,
    UnreadableAnswer,
    VenueError,
)
from orderbook.messages import Side

log = logging.getLogger(__name__)
Answer = OrderUpdate | NotFound | UnreadableAnswer
"""What comes of a query about one order."""
LOOK_EVERY = 0.5
QUERY_UNKNOWN_EVERY = 1.5
QUERY_QUIET_AFTER = 10.0
"""Seconds without a report of an open order after which the venue is queried about it."""
QUERY_FILLS_EVERY = 2.0
CANCEL_AGAIN_EVERY = 3.0
QUERIES_A_LOOK = 5
NOT_FOUND_COUNT = 3
"""Times that the venue must not find an order, the last after its visibility has passed, before
it was never placed."""
OVERLAP = 10_000_000_000
"""ns before the last known fill from which fills are read again: what comes twice is booked
once."""


async def read_fills(
    rest: Rest, entry: OrderEntry, trading_pair: str, since: FillCursor
) -> list[Fill]:
    """All parts of a pair's fills since the cursor, oldest first; span by span where the venue
    does."""
    found: list[Fill] = []
    span = int(entry.fills_span * 1e9)
    while True:
        part = await rest.run(entry.fills(trading_pair, since))
        found += part.items
        if part.next:
            since = replace(since, page=part.next)
        elif span and 0 < since.time < rest.now() * 1e9 - span:
            since = FillCursor(time=since.time + span)
        else:
            return sorted(found, key=lambda fill: fill.time)


class Reconciler:
    """One account's queries. A failed query changes nothing; an incomplete answer proves
    presence, never absence."""

    def __init__(
        self, exchange: Exchange, rest: Rest, order_store: OrderStore, clock: Clock
    ) -> None:
        self._exchange = exchange
        self._rest = rest
        self._order_store = order_store
        self._clock = clock
        self.entry: OrderEntry | None = None
        self._queried: dict[str, float] = {}
        self._not_found: dict[str, list[float]] = {}
        self._sent: dict[str, float] = {}
        self._cancelled: dict[str, float] = {}
        self._begun = clock.monotonic()
        self._balances_requested = 0.0
        self.cycles = 0

    def sent(self, order: InFlightOrder) -> None:
        """Note that an order's request may be on its way from now on."""
        self._sent[order.client_order_id] = self._clock.monotonic()

    def _entry(self) -> OrderEntry:
        if self.entry is None:
            raise Disconnected("the venue's rules aren't known yet")
        return self.entry

    async def cycle(self) -> None:
        """Read all that the venue knows, then merge all. Raises, with nothing changed, when a whole
        reading fails.

        A row that can't be read fails nothing: the order that it may have spoken of is queried by
        itself.
        """
        entry = self._entry()
        order_store = self._order_store
        requested_at = self._clock.monotonic()
        found = await self._rest.run(entry.open_orders())
        balances = await self._rest.run(entry.balances())
        listed = {update.exchange_order_id for update in found}
        tracked = [
            order for order in order_store.unfinished() if order.exchange_order_id not in listed
        ]
        answers = [(order, await self._status(order)) for order in tracked]
        fills = await self._fills(
            {update.symbol for update in found}
            | {order.symbol for order in order_store.unfinished()}
        )
        order_store.take_balances(balances, requested_at)
        for update in found:
            await order_store.take_update(update)
        for order, answer in answers:
            await self._take_answer(order, answer)
        for fill in fills:
            await order_store.take_fill(fill)
        self.cycles += 1

    async def _status(self, order: InFlightOrder) -> Answer:
        """What the venue says of an order; also that it knows no such order, or what can't be
        read."""
        try:
            return await self._rest.run(self._entry().status(order))
        except (NotFound, UnreadableAnswer) as answer:
            return answer

    async def _fills(self, symbols: Iterable[str]) -> list[Fill]:
        found: list[Fill] = []
        for symbol in sorted(symbols):
            rule = self._order_store.rules_by_symbol.get(symbol)
            if rule is None:
                continue
            last = await self._order_store.journal.last_fill_time(symbol)
            first = min(
                (
                    order.created
                    for order in self._order_store.unfinished()
                    if order.symbol == symbol
                ),
                default=last,
            )
            cursor = FillCursor(time=max(min(last or first, first) - OVERLAP, 0))
            found += await read_fills(self._rest, self._entry(), rule.trading_pair, cursor)
        return found

    async def _take_answer(self, order: InFlightOrder, answer: Answer) -> None:
        match answer:
            case OrderUpdate():
                self._not_found.pop(order.client_order_id, None)
                await self._order_store.take_update(answer)
            case NotListed() | UnreadableAnswer():
                await self._order_store.mark_unknown(order, str(answer))
            case _:
                await self._take_not_found(order)

    async def _take_not_found(self, order: InFlightOrder) -> None:
        """No proof by itself: the request may still be on its way, or the venue's readers behind
        its engine."""
        name = order.client_order_id
        now = self._clock.monotonic()
        times = self._not_found.setdefault(name, [])
        times.append(now)
        never_seen = order.state is OrderState.PENDING and not order.exchange_order_id
        since = now - (self._sent.get(name, self._begun) if never_seen else times[0])
        if len(times) < NOT_FOUND_COUNT or since <= self._exchange.visibility:
            await self._order_store.mark_unknown(order, "the venue doesn't find it")
        elif never_seen:
            what = f"not found {len(times)} times, the last {since:.0f} s after it could be sent"
            await self._order_store.close(order, OrderState.NOT_PLACED, what)
        elif self._exchange.forgets_cancelled and not order.filled:
            forgets = "by a venue that forgets orders cancelled without fills"
            what = f"not found for {since:.0f} s {forgets}"
            await self._order_store.close(order, OrderState.CANCELLED, what)
        else:
            await self._order_store.mark_unknown(order, "the venue doesn't find it any more")

    async def query_order(self, order: InFlightOrder) -> None:
        """One query about one order; a failed one changes nothing."""
        self._queried[order.client_order_id] = self._clock.monotonic()
        try:
            await self._take_answer(order, await self._status(order))
            if order.is_done and not order.is_complete:
                await self._query_fills(order)
        except (Disconnected, VenueError) as error:
            log.info("querying %s failed: %s", order.client_order_id, error)

    async def _query_fills(self, order: InFlightOrder) -> None:
        call = self._entry().order_fills(order)
        fills = await (self._rest.run(call) if call is not None else self._fills({order.symbol}))
        for fill in fills:
            await self._order_store.take_fill(fill)

    async def cancel(self, order: InFlightOrder) -> None:
        """Have the venue cancel it; whatever comes back, only evidence about the order closes
        it."""
        await self._order_store.request_cancel(order)
        self._cancelled[order.client_order_id] = self._clock.monotonic()
        try:
            update = await self._rest.run(self._entry().cancel(order))
        except NotFound:
            await self.query_order(order)  # closed already, or not there yet: its own status tells
        except (Disconnected, VenueError) as error:
            await self._order_store.mark_unknown(order, f"its cancel has no answer: {error}")
        else:
            if update is not None:
                await self._order_store.take_update(update)

    def _balances_due(self) -> bool:
        requested = self._balances_requested
        is_time = self._clock.monotonic() - requested >= self._exchange.balances_every
        has_changed = self._order_store.changed >= requested
        return is_time and has_changed and not self._exchange.streams_balances

    async def _read_balances(self) -> None:
        """For venues whose private stream has no balances. A failed reading is tried again at
        the next look."""
        requested_at = self._clock.monotonic()
        try:
            balances = await self._rest.run(self._entry().balances())
        except (Disconnected, VenueError) as error:
            log.info("balances can't be read: %s", error)
            return
        self._order_store.take_balances(balances, requested_at)
        self._balances_requested = requested_at

    async def look_forever(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for order in self._due()[:QUERIES_A_LOOK]:
                await self.query_order(order)
            for order in self._cancels_due():
                await self.cancel(order)
            if self._balances_due():
                await self._read_balances()
            await self._adopt_orphans()
            await self._order_store.write_again()
            self._order_store.forget_old()

    def _due(self) -> list[InFlightOrder]:
        """Orders to query now, those waiting longest first."""
        now = self._clock.monotonic()
        due = []
        for order in self._order_store.unfinished():
            name = order.client_order_id
            since_query = now - self._queried.get(name, -1e9)
            since_seen = now - self._order_store.last_seen.get(name, -1e9)
            if order.is_done:
                is_late = since_query > QUERY_FILLS_EVERY and since_seen > LOOK_EVERY
            elif order.status_unknown:
                is_late = since_query > QUERY_UNKNOWN_EVERY
            else:
                is_late = min(since_query, since_seen) > QUERY_QUIET_AFTER
            if is_late:
                due.append(order)
        return sorted(due, key=lambda order: self._queried.get(order.client_order_id, -1e9))

    def _cancels_due(self) -> list[InFlightOrder]:
        now = self._clock.monotonic()
        return [
            order
            for order in self._order_store.open_orders()
            if order.cancel_requested
            and now - self._cancelled.get(order.client_order_id, now) > CANCEL_AGAIN_EVERY
        ][:QUERIES_A_LOOK]

    async def _adopt_orphans(self) -> None:
        """Fills of orders that nobody here knows: query the venue what they are."""
        for symbol, order_id in self._order_store.orphans[:1]:
            rule = self._order_store.rules_by_symbol.get(symbol)
            if rule is None:
                continue
            unknown = InFlightOrder(
                client_order_id="",
                trading_pair=rule.trading_pair,
                symbol=symbol,
                side=Side.BUY,  # a placeholder to query with: the answer brings the terms
                amount=ZERO,
                external=True,
                exchange_order_id=order_id,
            )
            try:
                answer = await self._status(unknown)
            except (Disconnected, VenueError):
                return
            if isinstance(answer, OrderUpdate):
                await self._order_store.take_update(answer)
