"""The tutorial's functions of a market, under their own names."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from exchanges.orders import ZERO, Fee, InFlightOrder, OrderType, TradingRule
from exchanges.rules import parse_pair, quantize, quantize_price, unknown_pair
from orderbook.errors import Disconnected, VenueError
from orderbook.messages import Side
from orderbook.reader import BookReader

if TYPE_CHECKING:
    from actors.orders.order_store import OrderStore
    from actors.orders.placer import Placer
    from actors.orders.reconciler import Reconciler
    from actors.transport.rest import Rest
    from exchanges.contract import Exchange

Number = Decimal | str | int


class TutorialFunctions:
    """Mixed into Market. Amounts in base currency, prices in quote; Decimals for orders, float64 for books."""

    exchange: "Exchange"
    account: str
    order_store: "OrderStore"
    placer: "Placer"
    reconciler: "Reconciler"
    _rest: "Rest"
    _books: Callable[[str], BookReader]
    _readers: dict[str, BookReader]
    _listeners: dict[str, list[Callable[[dict[str, Any]], None]]]
    place: Any
    cancel_order: Any
    cancel_all_orders: Any
    status: Any
    start: Any
    stop: Any

    # Placing and cancelling.

    async def buy(
        self,
        trading_pair: str,
        amount: Number,
        order_type: str = "limit",
        price: Number | None = None,
    ) -> str:
        """Place a buy order; its client order id, once the intent is journalled."""
        return await self.execute_buy("", trading_pair, amount, order_type, price)

    async def sell(
        self,
        trading_pair: str,
        amount: Number,
        order_type: str = "limit",
        price: Number | None = None,
    ) -> str:
        return await self.execute_sell("", trading_pair, amount, order_type, price)

    async def execute_buy(
        self,
        order_id: str,
        trading_pair: str,
        amount: Number,
        order_type: str = "limit",
        price: Number | None = None,
    ) -> str:
        """Place a buy order under ``order_id`` (empty: a new one)."""
        return await self.place_order(order_id, trading_pair, amount, True, order_type, price)

    async def execute_sell(
        self,
        order_id: str,
        trading_pair: str,
        amount: Number,
        order_type: str = "limit",
        price: Number | None = None,
    ) -> str:
        return await self.place_order(order_id, trading_pair, amount, False, order_type, price)

    async def place_order(
        self,
        order_id: str,
        trading_pair: str,
        amount: Number,
        is_buy: bool,
        order_type: str = "limit",
        price: Number | None = None,
    ) -> str:
        side = "buy" if is_buy else "sell"
        terms = {
            "trading_pair": trading_pair,
            "side": side,
            "amount": amount,
            "type": order_type,
            "price": price,
        }
        placed = await self.place(order_id or uuid4().hex, terms | {"client_id": order_id})
        client_order_id: str = placed["client_order_id"]
        return client_order_id

    async def execute_cancel(self, trading_pair: str, order_id: str) -> str:
        """Ask the venue to cancel; the order's id."""
        await self.cancel_order(order_id)
        return order_id

    async def cancel(self, trading_pair: str, order_id: str) -> str:
        return await self.execute_cancel(trading_pair, order_id)

    async def cancel_all(self, timeout_seconds: float = 10.0) -> list[tuple[str, bool]]:
        """Cancel every open order: (client order id, whether the venue has confirmed that it is closed)."""
        await self.cancel_all_orders()
        return [
            (o.client_order_id, o.is_done)
            for o in self.order_store.orders.values()
            if o.cancel_requested
        ]

    # Tracking.

    async def start_tracking_order(
        self,
        order_id: str,
        exchange_order_id: str,
        trading_pair: str,
        is_buy: bool,
        amount: Number,
        price: Number | None,
    ) -> None:
        """Track an order that was placed elsewhere; the venue is asked about it."""
        rule = self._rule(trading_pair)
        order = InFlightOrder(
            client_order_id=order_id,
            trading_pair=rule.trading_pair,
            symbol=rule.symbol,
            side=Side.BUY if is_buy else Side.SELL,
            amount=Decimal(amount),
            price=None if price is None else Decimal(price),
            exchange_order_id=exchange_order_id,
            external=not order_id,
            status_unknown=True,
        )
        await self.order_store.intend(order, f"tracked:{order_id or exchange_order_id}")

    def stop_tracking_order(self, order_id: str) -> None:
        """Let go of an order that the venue has closed; one that may live stays tracked."""
        order = self.order_store.orders.get(order_id)
        if order is not None and order.is_complete:
            del self.order_store.orders[order_id]

    @property
    def in_flight_orders(self) -> dict[str, InFlightOrder]:
        return {order.client_order_id: order for order in self.order_store.unfinished()}

    @property
    def limit_orders(self) -> list[InFlightOrder]:
        return [order for order in self.order_store.open_orders() if order.type is OrderType.LIMIT]

    def get_order(self, client_order_id: str) -> InFlightOrder | None:
        return self.order_store.orders.get(client_order_id)

    def list_orders(self) -> list[InFlightOrder]:
        return list(self.order_store.orders.values())

    @property
    def tracking_states(self) -> dict[str, Any]:
        """Every order that isn't finished, as builtins, by client order id."""
        return {name: msgspec.to_builtins(order) for name, order in self.in_flight_orders.items()}

    async def restore_tracking_states(self, saved_states: dict[str, Any]) -> None:
        """Track again what ``tracking_states`` gave; the venue is asked about each."""
        for name, state in saved_states.items():
            order = msgspec.convert(state, InFlightOrder)
            order.status_unknown = not order.is_done
            await self.order_store.intend(order, f"restored:{name}")

    # State and network.

    @property
    def name(self) -> str:
        return self.exchange.name

    @property
    def status_dict(self) -> dict[str, bool]:
        """What must be true before the market is ready, part by part."""
        found = self.status()
        return {
            "trading_rules_known": bool(self.placer.rules),
            "account_balances_known": self.reconciler.cycles > 0,
            "user_stream_open_and_reconciled": found["ready"],
            "journal_writable": not found["degraded"],
        }

    @property
    def ready(self) -> bool:
        return all(self.status_dict.values())

    async def start_network(self) -> None:
        await self.start()

    async def stop_network(self) -> None:
        await self.stop()

    async def check_network(self) -> bool:
        """Whether the venue's REST side answers now."""
        try:
            await self._rest.run(
                self.exchange.server_time or self.exchange.book({}, "").trading_rules()
            )
        except (Disconnected, VenueError):
            return False
        return True

    # Rules, fees, balances.

    @property
    def trading_rules(self) -> dict[str, TradingRule]:
        return self.placer.rules

    def _rule(self, trading_pair: str) -> TradingRule:
        pair = parse_pair(trading_pair)
        if pair not in self.placer.rules:
            raise unknown_pair(pair, self.exchange.name, self.placer.rules)
        return self.placer.rules[pair]

    def get_order_price_quantum(self, trading_pair: str, price: Number) -> Decimal:
        """The pair's price step."""
        return self._rule(trading_pair).price_tick

    def get_order_size_quantum(self, trading_pair: str, order_size: Number) -> Decimal:
        """The pair's size step, in base currency."""
        return self._rule(trading_pair).size_step

    def quantize_order_price(self, trading_pair: str, price: Number) -> Decimal:
        """The next valid price towards zero."""
        return quantize_price(Decimal(price), self._rule(trading_pair))

    def quantize_order_amount(
        self, trading_pair: str, amount: Number, price: Number = 0
    ) -> Decimal:
        """The next valid amount towards zero; 0 where it, or its value at ``price``, is below the venue's least."""
        rule = self._rule(trading_pair)
        quantized = quantize(Decimal(amount), rule.size_step)
        small = quantized < rule.min_size or (
            Decimal(price) and quantized * Decimal(price) < rule.min_notional
        )
        return ZERO if small else quantized

    async def get_fee(self, trading_pair: str) -> Fee:
        """Maker and taker rates as fractions."""
        self._rule(trading_pair)
        assert self.placer.entry is not None
        return await self._rest.run(self.placer.entry.fees(parse_pair(trading_pair)))

    def get_balance(self, currency: str) -> Decimal:
        found = self.order_store.balances.get(currency)
        return found.total if found else ZERO

    def get_available_balance(self, currency: str) -> Decimal:
        found = self.order_store.balances.get(currency)
        return found.available if found else ZERO

    def get_all_balances(self) -> dict[str, Decimal]:
        return {asset: balance.total for asset, balance in self.order_store.balances.items()}

    # Books, read in place.

    def get_order_book(self, trading_pair: str) -> BookReader:
        """Raises NotReady when no tracker keeps this pair here."""
        pair = parse_pair(trading_pair)
        if pair not in self._readers:
            self._readers[pair] = self._books(pair)
        return self._readers[pair]

    @property
    def order_books(self) -> dict[str, BookReader]:
        """The books read so far."""
        return dict(self._readers)

    def get_price(self, trading_pair: str, is_buy: bool) -> float:
        return self.get_order_book(trading_pair).get_price(is_buy)

    def get_mid_price(self, trading_pair: str) -> float:
        return self.get_order_book(trading_pair).get_mid_price()

    def get_vwap_for_volume(self, trading_pair: str, is_buy: bool, volume: float) -> float:
        return self.get_order_book(trading_pair).get_vwap_for_volume(is_buy, volume)

    def get_price_for_volume(self, trading_pair: str, is_buy: bool, volume: float) -> float:
        return self.get_order_book(trading_pair).get_price_for_volume(is_buy, volume)

    def get_volume_for_price(self, trading_pair: str, is_buy: bool, price: float) -> float:
        return self.get_order_book(trading_pair).get_volume_for_price(is_buy, price)

    def get_quote_volume_for_base_amount(
        self, trading_pair: str, is_buy: bool, base_amount: float
    ) -> float:
        return self.get_order_book(trading_pair).get_quote_volume_for_base_amount(
            is_buy, base_amount
        )

    # Listeners.

    def add_listener(self, event: str, listener: Callable[[dict[str, Any]], None]) -> None:
        """Call ``listener`` with every event of a kind: created, filled, completed, cancelled, expired, failure."""
        self._listeners.setdefault(event, []).append(listener)

    def remove_listener(self, event: str, listener: Callable[[dict[str, Any]], None]) -> None:
        self._listeners.get(event, []).remove(listener)
