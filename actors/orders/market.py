"""Market: places, cancels and tracks the orders of one account, and never loses one.

The work is done beside it: order_store (what is known), placer (how an order leaves), reconciler
(what the venue is queried about). tutorial_market has the tutorial's functions.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from actors.actor_roles import tracker_actor
from actors.channel import ChannelAddress, Reset, Subscriber
from actors.clock import SYSTEM, Clock
from actors.component import ActorCalls, Tasks
from actors.orders.journal import Journal
from actors.orders.order_store import OrderStore
from actors.orders.placer import Placer
from actors.orders.reconciler import Reconciler
from actors.transport.rest import Rest, run_handshake
from actors.transport.websocket import Backoff
from exchanges.contract import Exchange, OrderEntry
from exchanges.order_views import Event, FillView, OrderTerms, OrderView
from exchanges.orders import (
    Balance,
    Fill,
    InFlightOrder,
    OrderUpdate,
    TradingRule,
    UserMessage,
    UserStreamState,
)
from exchanges.rows import bad_rows
from exchanges.rules import parse_pair
from orderbook.errors import (
    Disconnected,
    Halted,
    JournalError,
    NotReady,
    OrderNotFound,
    TrochilError,
    VenueError,
)
from orderbook.messages import Side
from orderbook.reader import BookReader

log = logging.getLogger(__name__)
ENABLED_WITHIN = 10.0
"""Seconds that a new order waits for trading to be enabled before it is refused with NotReady."""
RULES_EVERY = 300.0
RECONCILE_EVERY = 1.0
"""Least seconds between two reconciliations while trading is enabled."""
Listener = Callable[[Event], None]


class Market:
    """One account at one venue. Trading is enabled while the venue's orders and ours are known
    to agree."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        account: str,
        rest: Rest,
        peers: ActorCalls,
        user_stream_tracker: str,
        run_dir: str,
        name: str,
        journal: Journal,
        books: Callable[[str], BookReader],
        clock: Clock = SYSTEM,
        checkpoint: Callable[[str], None] = lambda point: None,
    ) -> None:
        self.exchange = exchange
        self.account = account
        self.actor_name = name
        self.rest = rest
        self._clock = clock
        self.journal = journal
        self.books = books
        self.readers: dict[str, BookReader] = {}
        self.tasks = Tasks()
        self.failed = self.tasks.failed
        rest.on_sent = lambda: checkpoint("sent")
        self.order_store = OrderStore(journal, clock, checkpoint, self._emit)
        self.reconciler = Reconciler(exchange, rest, self.order_store, clock)
        self.placer = Placer(
            exchange, rest, self.order_store, self.reconciler, clock, checkpoint, self._best_price
        )
        self._subscriber = Subscriber(
            tracker_actor(peers, user_stream_tracker).endpoint, UserMessage
        )
        self._trading_enabled = asyncio.Event()
        self._loaded = asyncio.Event()
        self._stream = UserStreamState(False, 0, "starting")
        self._reconcile_requested = asyncio.Event()
        self._breaks = 0
        """Times that trading was disabled: a reconciliation that began before the last of them
        enables nothing."""
        self._halted = False
        self._listeners: dict[str, list[Listener]] = {}
        self.why_disabled = "starting"

    async def start(self) -> None:
        """Opens the journal. Raises ConfigError when it can't be used."""
        await asyncio.to_thread(self.journal.open)
        await self.order_store.load()
        self._loaded.set()
        self.tasks.spawn("market", self._run())

    async def stop(self) -> None:
        await self.tasks.stop()
        await asyncio.to_thread(self.journal.close)
        for reader in self.readers.values():
            reader.close()

    async def endpoint(self) -> ChannelAddress:
        raise NotReady(
            f"{self.actor_name} serves no channel; its events are read with events_since"
        )

    def status(self) -> dict[str, Any]:
        orders = self.order_store.orders.values()
        return {
            "ready": self._trading_enabled.is_set(),
            "why_disabled": "" if self._trading_enabled.is_set() else self.why_disabled,
            "halted": self._halted,
            "degraded": self.order_store.degraded,
            "epoch": self.journal.epoch,
            "open": sum(not order.is_done for order in orders),
            "unknown": sum(order.status_unknown for order in orders),
            "reconciled": self.reconciler.cycles,
            "faults": self.rest.faults,
            "rest": self.rest.status(),
        }

    # Coming up, and staying in agreement.

    async def _run(self) -> None:
        await self._load_rules()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_user_stream(), name="user stream")
            group.create_task(self._reconcile_forever(), name="reconcile")
            group.create_task(self.reconciler.look_forever(), name="look")
            group.create_task(self._refresh_rules(), name="rules")

    def _best_price(self, trading_pair: str, side: Side) -> float:
        return self.book(trading_pair).get_price(side is Side.BUY)

    def book(self, trading_pair: str) -> BookReader:
        """The pair's book, read in place. Raises BadPair, and NotReady when no tracker keeps it
        here."""
        pair = parse_pair(trading_pair)
        if pair not in self.readers:
            self.readers[pair] = self.books(pair)
        return self.readers[pair]

    async def _load_rules(self) -> None:
        backoff = Backoff()
        while True:
            try:
                await self._read_rules()
                return
            except (Disconnected, VenueError) as error:
                self.why_disabled = f"the venue's rules can't be read: {error}"
                log.warning("%s: %s", self.actor_name, self.why_disabled)
                await backoff.wait()

    async def _refresh_rules(self) -> None:
        while True:
            await asyncio.sleep(RULES_EVERY)
            try:
                await self._read_rules()
            except (Disconnected, VenueError) as error:
                log.warning("%s: rules not refreshed: %s", self.actor_name, error)

    async def _read_rules(self) -> None:
        rules = await self.rest.run(self.exchange.book({}, "").trading_rules())
        by_pair: dict[str, TradingRule] = {rule.trading_pair: rule for rule in rules}
        if bad_rows(rules):  # a pair that isn't there may be one that couldn't be read
            by_pair = self.placer.rules | by_pair
        entry = await self._open_entry(by_pair)
        self.order_store.rules_by_symbol = {rule.symbol: rule for rule in by_pair.values()}
        self.placer.rules = by_pair
        self.placer.entry = entry
        self.reconciler.entry = entry

    async def _open_entry(self, by_pair: dict[str, TradingRule]) -> OrderEntry:
        entry = self.exchange.orders(by_pair)
        await run_handshake(entry.handshake(), self.rest)
        return entry

    async def _follow_user_stream(self) -> None:
        async for batch in self._subscriber.batches():
            if isinstance(batch[0], Reset):
                self._disable_trading("the user stream's actor is being found")
                continue
            for envelope in batch:
                await self._take(envelope.message)

    async def _take(self, message: Any) -> None:
        match message:
            case OrderUpdate():
                await self.order_store.take_update(message)
            case Fill():
                await self.order_store.take_fill(message)
            case Balance():
                self.order_store.take_balance(message)
            case UserStreamState():
                self._stream_changed(message)

    def _stream_changed(self, state: UserStreamState) -> None:
        """Down: events are being lost, trading is disabled. Up: what was lost is read, then trading
        is enabled.

        A new epoch of a stream that stayed up: part of what it said was lost, and is read while
        trading goes on.
        """
        before = self._stream
        self._stream = state
        if not state.connected:
            self._disable_trading(f"the user stream is down: {state.reason}")
        elif not before.connected:
            self._disable_trading("reading from the venue what happened meanwhile")
            self._reconcile_requested.set()
        elif state.epoch != before.epoch or not self._trading_enabled.is_set():
            self._reconcile_requested.set()

    def _disable_trading(self, why: str) -> None:
        self._trading_enabled.clear()
        self._breaks += 1
        self.why_disabled = why

    async def _reconcile_forever(self) -> None:
        ended_at = -RECONCILE_EVERY
        while True:
            await self._reconcile_requested.wait()
            if self._trading_enabled.is_set():
                await asyncio.sleep(ended_at + RECONCILE_EVERY - self._clock.monotonic())
            self._reconcile_requested.clear()
            await self._reconcile()
            ended_at = self._clock.monotonic()

    async def _reconcile(self) -> None:
        """Agree with the venue, however often reading it fails; then enable trading, unless the
        stream broke again."""
        backoff = Backoff(initial=0.2, maximum=5.0)
        while True:
            breaks = self._breaks
            try:
                await self.reconciler.cycle()
                break
            except (Disconnected, VenueError, JournalError) as error:
                if not self._trading_enabled.is_set():
                    self.why_disabled = f"the venue can't be read: {error}"
                log.warning("%s: the venue can't be read: %s", self.actor_name, error)
                await backoff.wait()
        if self._stream.connected and self._breaks == breaks and not self._trading_enabled.is_set():
            self._trading_enabled.set()
            log.info("%s: in agreement with the venue, trading is enabled", self.actor_name)

    # What clients call.

    async def place(self, intent: str, terms: OrderTerms) -> OrderView:
        """Take an intent: the order it leads to, once its intent is in the journal. The same
        intent, the same order.

        Raises Halted, NotReady (trading not enabled for 10 s), BadPair, InvalidOrder, TypeError,
        JournalError.
        """
        await self._loaded.wait()
        try:
            if not self._may_trade:
                known = await self.order_store.find_intent(intent)
                if known is not None:
                    return OrderView.of(known)
                await self._wait_until_enabled()
            order = self.placer.order_of(terms)
        except (TrochilError, TypeError):
            # An intent that was taken before leads to its order, whatever would be said of it now.
            known = await self.order_store.find_intent(intent)
            if known is None:
                raise
            return OrderView.of(known)
        written, is_new = await self.placer.write(order, intent)
        if is_new:
            self.tasks.spawn(f"send {written.client_order_id}", self.placer.send(written))
        return OrderView.of(written)

    @property
    def _may_trade(self) -> bool:
        return self._trading_enabled.is_set() and not (self._halted or self.order_store.degraded)

    async def _wait_until_enabled(self) -> None:
        self._refuse_while_halted()
        try:
            async with asyncio.timeout(ENABLED_WITHIN):
                await self._trading_enabled.wait()
        except TimeoutError:
            raise NotReady(
                f"{self.actor_name} takes no new orders yet: {self.why_disabled}"
            ) from None
        if self.order_store.degraded:
            await self.order_store.write_again()
        self._refuse_while_halted()  # it may have been while this order waited

    def _refuse_while_halted(self) -> None:
        if self._halted:
            raise Halted("trading is halted; resume() lets orders through again")

    async def cancel_order(self, client_order_id: str) -> OrderView:
        """Have the venue cancel it; the order as it is then known. Works while trading is disabled
        too.

        Raises OrderNotFound.
        """
        order = await self._known(client_order_id)
        if not order.is_done:
            await self.reconciler.cancel(order)
        return OrderView.of(order)

    async def cancel_all_orders(
        self, trading_pair: str | None = None, tag: str | None = None
    ) -> list[OrderView]:
        """Cancel every open order (of a pair, of a tag), each verified by itself."""
        orders = [
            order
            for order in self.order_store.open_orders()
            if trading_pair in (None, order.trading_pair) and tag in (None, order.tag)
        ]
        await asyncio.gather(*(self.reconciler.cancel(order) for order in orders))
        return [OrderView.of(order) for order in orders]

    async def _known(self, client_order_id: str) -> InFlightOrder:
        await self._loaded.wait()
        order = await self.order_store.find(client_order_id)
        if order is None:
            raise OrderNotFound(f"{self.actor_name} knows no order {client_order_id!r}")
        return order

    async def order(self, client_order_id: str) -> OrderView:
        """Raises OrderNotFound."""
        return OrderView.of(await self._known(client_order_id))

    async def orders(self, open_only: bool = True) -> list[OrderView]:
        """Open orders, those of unknown status and external ones included; or all of the
        journal."""
        await self._loaded.wait()
        if open_only:
            return [OrderView.of(order) for order in self.order_store.open_orders()]
        kept = {order.client_order_id: order for order in await self.journal.all_orders()}
        return [OrderView.of(order) for order in (kept | self.order_store.orders).values()]

    async def fills_table(self, since: int = 0) -> list[FillView]:
        """Fills from the journal, oldest first; ``since`` in ns."""
        await self._loaded.wait()
        return [self._with_pair(fill) for fill in await self.journal.all_fills(since)]

    def _with_pair(self, fill: FillView) -> FillView:
        rule = self.order_store.rules_by_symbol.get(fill.symbol)
        if rule is None:
            return fill
        return msgspec.structs.replace(fill, trading_pair=rule.trading_pair)

    async def balances_now(self) -> dict[str, tuple[str, str]]:
        """asset -> (total, available), as text."""
        return {
            asset: (str(balance.total), str(balance.available))
            for asset, balance in self.order_store.balances.items()
        }

    async def events_since(self, number: int, wait: float = 0.0) -> list[Event]:
        """Events above ``number``, in order; waits up to ``wait`` seconds for the first."""
        await self._loaded.wait()
        found = await self.journal.events_after(number)
        if not found and wait > 0:
            await self.order_store.wait_for_event(max(number, self.order_store.last_event), wait)
            found = await self.journal.events_after(number)
        return found

    async def wait_ready(self, timeout: float = 30.0) -> None:
        """Until trading is enabled. Raises NotReady that says why it isn't."""
        try:
            async with asyncio.timeout(timeout):
                await self._trading_enabled.wait()
        except TimeoutError:
            raise NotReady(f"{self.actor_name} isn't ready: {self.why_disabled}") from None

    async def check_keys(self) -> dict[str, tuple[str, str]]:
        """One harmless signed request: the balances. Raises AuthenticationError when the venue
        refuses the key."""
        entry = self.placer.entry or await self._open_entry({})
        balances = await self.rest.run(entry.balances())
        return {balance.asset: (str(balance.total), str(balance.available)) for balance in balances}

    async def halt(self, cancel: bool = True) -> None:
        """Refuse new orders; cancel the open ones."""
        self._halted = True
        if cancel:
            await self.cancel_all_orders()

    async def resume(self) -> None:
        """Take new orders again."""
        self._halted = False

    async def bad_frames(self) -> list[bytes]:
        """The last rows and answers of the venue that could not be read, each cut after 4096
        bytes."""
        return self.rest.bad_frames()

    async def features(self) -> list[str]:
        """What the venue can do besides limit orders."""
        return sorted(self.exchange.has)

    # Listeners.

    def add_listener(self, event: str, listener: Listener) -> None:
        """Call ``listener`` with every event of a kind, or of a name of the tutorial's."""
        self._listeners.setdefault(event, []).append(listener)

    def remove_listener(self, event: str, listener: Listener) -> None:
        self._listeners.get(event, []).remove(listener)

    def _emit(self, event: Event) -> None:
        log.info("order %s %s", event.client_order_id, event.kind)
        listeners = self._listeners
        for listener in [*listeners.get(event.kind, ()), *listeners.get(event.name, ())]:
            try:
                listener(event)
            except (
                Exception
            ) as error:  # a listener's fault is its own: it must not stop the order's tracking
                log.error("a listener of %s failed: %r", event.kind, error)
