"""Market: places, cancels and tracks the orders of one account, and never loses one.

The work is done beside it: order_store (what is known), placing (how an order leaves), reconciling (what is asked).
"""

import asyncio
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from actors.channel import ChannelAddress, Reset, Subscriber
from actors.clock import SYSTEM, Clock
from actors.component import ActorCalls, Tasks
from actors.orders.journal import Journal, JournalError
from actors.orders.order_store import OrderStore
from actors.orders.placer import Placer
from actors.orders.reconciler import Reconciler
from actors.orders.tutorial_market import TutorialFunctions
from actors.transport.rest import Rest, run_handshake
from actors.transport.websocket import Backoff
from exchanges.contract import Exchange, OrderEntry
from exchanges.orders import (
    Balance,
    Fill,
    InFlightOrder,
    OrderUpdate,
    TradingRule,
    UserMessage,
    UserStreamState,
)
from orderbook.errors import Disconnected, Halted, NotReady, TrochilError, VenueError
from orderbook.messages import Side
from orderbook.reader import BookReader

log = logging.getLogger(__name__)
GATE_PATIENCE = 10.0
"""Seconds that a new order waits for the gate before it is refused with NotReady."""
RULES_EVERY = 300.0


class Market(TutorialFunctions):
    """One account at one venue. The gate is open while the venue's word and ours are known to agree."""

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
        self.exchange, self.account, self._rest, self._clock = exchange, account, rest, clock
        self.actor_name = name
        self.journal = journal
        self._books, self._readers = books, {}
        self.tasks = Tasks()
        self.failed = self.tasks.failed
        rest.on_sent = lambda: checkpoint("sent")
        self.order_store = OrderStore(journal, clock, checkpoint, self._tell)
        self.reconciler = Reconciler(exchange, rest, self.order_store, clock)
        self.placer = Placer(
            exchange, rest, self.order_store, self.reconciler, clock, checkpoint, self._best_price
        )
        self._subscriber = Subscriber(
            lambda: peers.call(user_stream_tracker, "endpoint"), UserMessage
        )
        self._gate, self._loaded = asyncio.Event(), asyncio.Event()
        self._stream = UserStreamState(False, 0, "starting")
        self._reconciling: asyncio.Task[None] | None = None
        self._halted = False
        self._listeners: dict[str, list[Callable[[dict[str, Any]], None]]] = {}
        self.why_closed = "starting"

    async def start(self) -> None:
        """Opens the journal. Raises ConfigError when it can't be used."""
        await asyncio.to_thread(self.journal.open)
        await self.order_store.load()
        self._loaded.set()
        self.tasks.spawn("market", self._run())

    async def stop(self) -> None:
        await self.tasks.stop()
        await asyncio.to_thread(self.journal.close)
        for reader in self._readers.values():
            reader.close()

    def endpoint(self) -> ChannelAddress:
        raise NotReady(
            f"{self.actor_name} serves no channel; its events are read with events_since"
        )

    def status(self) -> dict[str, Any]:
        orders = self.order_store.orders.values()
        return {
            "ready": self._gate.is_set(),
            "why_closed": "" if self._gate.is_set() else self.why_closed,
            "halted": self._halted,
            "degraded": self.order_store.degraded,
            "epoch": self.journal.epoch,
            "open": sum(not order.is_done for order in orders),
            "unknown": sum(order.status_unknown for order in orders),
            "reconciled": self.reconciler.cycles,
            "rest": self._rest.status(),
        }

    # Coming up, and staying in agreement.

    async def _run(self) -> None:
        await self._load_rules()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_user_stream(), name="user stream")
            group.create_task(self.reconciler.look_forever(), name="look")
            group.create_task(self._refresh_rules(), name="rules")

    def _best_price(self, trading_pair: str, side: Side) -> float:
        return self.get_price(trading_pair, side is Side.BUY)

    async def _load_rules(self) -> None:
        backoff = Backoff()
        while True:
            try:
                await self._read_rules()
                return
            except (Disconnected, VenueError) as error:
                self.why_closed = f"the venue's rules can't be read: {error}"
                log.warning("%s: %s", self.actor_name, self.why_closed)
                await backoff.wait()

    async def _refresh_rules(self) -> None:
        while True:
            await asyncio.sleep(RULES_EVERY)
            try:
                await self._read_rules()
            except (Disconnected, VenueError) as error:
                log.warning("%s: rules not refreshed: %s", self.actor_name, error)

    async def _read_rules(self) -> None:
        rules = await self._rest.run(self.exchange.book({}, "").trading_rules())
        by_pair: dict[str, TradingRule] = {rule.trading_pair: rule for rule in rules}
        entry = await self._open_entry(by_pair)
        self.order_store.rules_by_symbol = {rule.symbol: rule for rule in rules}
        self.placer.rules, self.placer.entry, self.reconciler.entry = by_pair, entry, entry

    async def _open_entry(self, by_pair: dict[str, TradingRule]) -> OrderEntry:
        entry = self.exchange.orders(by_pair)
        await run_handshake(entry.handshake(), self._rest)
        return entry

    async def _follow_user_stream(self) -> None:
        async for batch in self._subscriber.batches():
            if isinstance(batch[0], Reset):
                self._shut("the user stream's actor is being found")
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
        """Down: events are being lost, the gate shuts. Up: what was lost is asked for, then the gate opens."""
        before, self._stream = self._stream, state
        if not state.connected:
            self._shut(f"the user stream is down: {state.reason}")
        elif state.epoch != before.epoch or not before.connected or not self._gate.is_set():
            self._shut("asking the venue what happened meanwhile")
            if self._reconciling is not None:
                self._reconciling.cancel()
            self._reconciling = self.tasks.spawn("reconcile", self._reconcile())

    def _shut(self, why: str) -> None:
        self._gate.clear()
        self.why_closed = why

    async def _reconcile(self) -> None:
        backoff = Backoff(initial=0.2, maximum=5.0)
        while True:
            try:
                await self.reconciler.cycle()
                break
            except (Disconnected, VenueError, JournalError) as error:
                self.why_closed = f"the venue can't be asked: {error}"
                log.warning("%s: %s", self.actor_name, self.why_closed)
                await backoff.wait()
        if self._stream.connected:
            self._gate.set()
            log.info("%s: in agreement with the venue, the gate is open", self.actor_name)

    # What clients call.

    async def place(self, intent: str, terms: dict[str, Any]) -> dict[str, Any]:
        """Take an intent: the order it leads to, once its intent is in the journal. The same intent, the same order.

        Raises Halted, NotReady (gate closed for 10 s), BadPair, InvalidOrder, TypeError, JournalError.
        """
        await self._loaded.wait()
        known = await self.journal.find_intent(intent)
        if known is not None:
            found = await self.order_store.find(known.client_order_id)
            return self._describe(found or known)
        await self._pass_gate()
        order = self.placer.order_of(terms)
        written, is_new = await self.placer.write(order, intent)
        if is_new:
            self.tasks.spawn(f"send {written.client_order_id}", self.placer.send(written))
        return self._describe(written)

    async def _pass_gate(self) -> None:
        if self._halted:
            raise Halted("trading is halted; resume() lets orders through again")
        if not self._gate.is_set():
            try:
                async with asyncio.timeout(GATE_PATIENCE):
                    await self._gate.wait()
            except TimeoutError:
                raise NotReady(
                    f"{self.actor_name} takes no new orders yet: {self.why_closed}"
                ) from None
        if self.order_store.degraded:
            await self.order_store.write_again()

    async def cancel_order(self, client_order_id: str) -> dict[str, Any]:
        """Ask the venue to cancel; the order as it is then known. Always possible, also while the gate is closed."""
        order = await self._known(client_order_id)
        if not order.is_done:
            await self.reconciler.cancel(order)
        return self._describe(order)

    async def cancel_all_orders(
        self, trading_pair: str | None = None, tag: str | None = None
    ) -> list[dict[str, Any]]:
        """Cancel every open order (of a pair, of a tag), each verified by itself."""
        orders = [
            order
            for order in self.order_store.open_orders()
            if trading_pair in (None, order.trading_pair) and tag in (None, order.tag)
        ]
        await asyncio.gather(*(self.reconciler.cancel(order) for order in orders))
        return [self._describe(order) for order in orders]

    async def _known(self, client_order_id: str) -> InFlightOrder:
        await self._loaded.wait()
        order = await self.order_store.find(client_order_id)
        if order is None:
            raise OrderNotFound(f"{self.actor_name} knows no order {client_order_id!r}")
        return order

    async def order(self, client_order_id: str) -> dict[str, Any]:
        return self._describe(await self._known(client_order_id))

    async def orders(self, open_only: bool = True) -> list[dict[str, Any]]:
        """Open orders, unknown and external ones included; or all of the journal."""
        await self._loaded.wait()
        if open_only:
            return [self._describe(order) for order in self.order_store.open_orders()]
        kept = {order.client_order_id: order for order in await self.journal.all_orders()}
        return [self._describe(order) for order in (kept | self.order_store.orders).values()]

    async def fills_table(self, since: int = 0) -> list[dict[str, Any]]:
        """Fills from the journal, oldest first; ``since`` in ns."""
        await self._loaded.wait()
        rows = await self.journal.all_fills(since)
        for row in rows:
            rule = self.order_store.rules_by_symbol.get(row["symbol"])
            row["trading_pair"] = rule.trading_pair if rule is not None else row["symbol"]
        return rows

    def balances_now(self) -> dict[str, tuple[str, str]]:
        """asset -> (total, available), as text."""
        return {
            asset: (str(b.total), str(b.available))
            for asset, b in self.order_store.balances.items()
        }

    async def events_since(self, number: int, wait: float = 0.0) -> list[dict[str, Any]]:
        """Events above ``number``, in order; waits up to ``wait`` seconds for the first."""
        await self._loaded.wait()
        found = await self.journal.events_after(number)
        if not found and wait > 0:
            await self.order_store.wait_for_event(max(number, self.order_store.last_event), wait)
            found = await self.journal.events_after(number)
        return found

    async def wait_ready(self, timeout: float = 30.0) -> None:
        """Until the gate is open. Raises NotReady that says why it isn't."""
        try:
            async with asyncio.timeout(timeout):
                await self._gate.wait()
        except TimeoutError:
            raise NotReady(f"{self.actor_name} isn't ready: {self.why_closed}") from None

    async def check_keys(self) -> dict[str, tuple[str, str]]:
        """One harmless signed request: the balances. Raises AuthenticationError when the venue refuses the key."""
        entry = self.placer.entry or await self._open_entry({})
        balances = await self._rest.run(entry.balances())
        return {balance.asset: (str(balance.total), str(balance.available)) for balance in balances}

    async def halt(self, cancel: bool = True) -> None:
        """Refuse new orders; cancel the open ones."""
        self._halted = True
        if cancel:
            await self.cancel_all_orders()

    def resume(self) -> None:
        self._halted = False

    def features(self) -> list[str]:
        """What the venue can do besides limit orders."""
        return sorted(self.exchange.has)

    def _describe(self, order: InFlightOrder) -> dict[str, Any]:
        fields: dict[str, Any] = msgspec.to_builtins(order)
        fills = list(order.fills.values())
        fees: dict[str, Decimal] = {}
        for fill in fills:
            fees[fill.fee_asset] = fees.get(fill.fee_asset, Decimal(0)) + fill.fee
        average = order.average_price
        fields["fills"] = [fill.trade_id for fill in fills]
        fields["fees"] = {asset: str(fee) for asset, fee in fees.items()}
        fields["average_price"] = None if average is None else str(average)
        fields["complete"] = order.is_complete
        return fields

    def _tell(self, event: dict[str, Any]) -> None:
        log.info("order %s %s", event["client_order_id"], event["kind"])
        for listener in [
            *self._listeners.get(event["kind"], ()),
            *self._listeners.get(event["name"], ()),
        ]:
            try:
                listener(event)
            except (
                Exception
            ) as error:  # a listener's fault is its own: it must not stop the order's tracking
                log.error("a listener of %s failed: %r", event["kind"], error)


class OrderNotFound(TrochilError):
    """No such order here."""
