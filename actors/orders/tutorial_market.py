"""The tutorial's functions of a market, under their own names: ``TutorialMarket(market)``."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec

from actors.orders.journal_schema import order_of_schema_1
from actors.orders.market import Listener, Market
from actors.orders.order_store import external_id
from exchanges.orders import ZERO, Fee, InFlightOrder, OrderType, TradingRule
from exchanges.rules import (
    Number,
    parse_pair,
    quantize,
    quantize_price,
    terms_of,
    unknown_pair,
)
from orderbook.errors import ConfigError, Disconnected, VenueError
from orderbook.messages import Side
from orderbook.reader import BookReader


class TutorialMarket:
    """A market by the tutorial's names. Amounts in base currency, prices in quote; Decimals for
    orders, float64 for books.
    """

    def __init__(self, market: Market) -> None:
        self.market = market

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
        """Place an order under ``order_id`` (empty: a new one); its client order id, once it is
        journalled."""
        side = Side.BUY if is_buy else Side.SELL
        terms = terms_of(trading_pair, side, amount, price, type=order_type, client_id=order_id)
        placed = await self.market.place(order_id or uuid4().hex, terms)
        return placed.client_order_id

    async def execute_cancel(self, trading_pair: str, order_id: str) -> str:
        """Have the venue cancel it; the order's id."""
        await self.market.cancel_order(order_id)
        return order_id

    async def cancel(self, trading_pair: str, order_id: str) -> str:
        return await self.execute_cancel(trading_pair, order_id)

    async def cancel_all(self, timeout_seconds: float = 10.0) -> list[tuple[str, bool]]:
        """Cancel every open order: (client order id, whether the venue has confirmed that it is
        closed)."""
        await self.market.cancel_all_orders()
        return [
            (order.client_order_id, order.is_done)
            for order in self.market.order_store.orders.values()
            if order.cancel_requested
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
        """Track an order that was placed elsewhere; the venue is queried about it."""
        rule = self._rule(trading_pair)
        order = InFlightOrder(
            client_order_id=order_id or external_id(rule.symbol, exchange_order_id),
            trading_pair=rule.trading_pair,
            symbol=rule.symbol,
            side=Side.BUY if is_buy else Side.SELL,
            amount=Decimal(amount),
            price=None if price is None else Decimal(price),
            exchange_order_id=exchange_order_id,
            external=not order_id,
            status_unknown=True,
        )
        await self.market.order_store.intend(order, f"tracked:{order_id or exchange_order_id}")

    def stop_tracking_order(self, order_id: str) -> None:
        """Let go of an order that the venue has closed; one that may live stays tracked."""
        order = self.market.order_store.orders.get(order_id)
        if order is not None and order.is_complete:
            del self.market.order_store.orders[order_id]

    @property
    def in_flight_orders(self) -> dict[str, InFlightOrder]:
        return {order.client_order_id: order for order in self.market.order_store.unfinished()}

    @property
    def limit_orders(self) -> list[InFlightOrder]:
        return [
            order
            for order in self.market.order_store.open_orders()
            if order.type is OrderType.LIMIT
        ]

    def get_order(self, client_order_id: str) -> InFlightOrder | None:
        return self.market.order_store.orders.get(client_order_id)

    def list_orders(self) -> list[InFlightOrder]:
        return list(self.market.order_store.orders.values())

    @property
    def tracking_states(self) -> dict[str, Any]:
        """Every order that isn't finished, as builtins, by client order id."""
        return {name: msgspec.to_builtins(order) for name, order in self.in_flight_orders.items()}

    async def restore_tracking_states(self, saved_states: dict[str, Any]) -> None:
        """Track again what ``tracking_states`` gave; the venue is queried about each.

        Raises ConfigError for a state that can't be read.
        """
        for name, state in saved_states.items():
            order = _restored(name, state)
            order.status_unknown = not order.is_done
            await self.market.order_store.intend(order, f"restored:{name}")

    # State and network.

    @property
    def name(self) -> str:
        return self.market.exchange.name

    @property
    def status_dict(self) -> dict[str, bool]:
        """What must be true before the market is ready, part by part."""
        found = self.market.status()
        return {
            "trading_rules_known": bool(self.market.placer.rules),
            "account_balances_known": self.market.reconciler.cycles > 0,
            "user_stream_open_and_reconciled": found["ready"],
            "journal_writable": not found["degraded"],
        }

    @property
    def ready(self) -> bool:
        return all(self.status_dict.values())

    async def start_network(self) -> None:
        await self.market.start()

    async def stop_network(self) -> None:
        await self.market.stop()

    async def check_network(self) -> bool:
        """Whether the venue's REST side answers now."""
        try:
            await self.market.rest.run(
                self.market.exchange.server_time
                or self.market.exchange.book({}, "").trading_rules()
            )
        except (Disconnected, VenueError):
            return False
        return True

    # Rules, fees, balances.

    @property
    def trading_rules(self) -> dict[str, TradingRule]:
        return self.market.placer.rules

    def _rule(self, trading_pair: str) -> TradingRule:
        pair = parse_pair(trading_pair)
        if pair not in self.market.placer.rules:
            raise unknown_pair(pair, self.market.exchange.name, self.market.placer.rules)
        return self.market.placer.rules[pair]

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
        """The next valid amount towards zero; 0 where it, or its value at ``price``, is below
        the venue's minimum."""
        rule = self._rule(trading_pair)
        quantized = quantize(Decimal(amount), rule.size_step)
        small = quantized < rule.min_size or (
            Decimal(price) and quantized * Decimal(price) < rule.min_notional
        )
        return ZERO if small else quantized

    async def get_fee(self, trading_pair: str) -> Fee:
        """Maker and taker rates as fractions."""
        self._rule(trading_pair)
        assert self.market.placer.entry is not None
        return await self.market.rest.run(self.market.placer.entry.fees(parse_pair(trading_pair)))

    def get_balance(self, currency: str) -> Decimal:
        found = self.market.order_store.balances.get(currency)
        return found.total if found else ZERO

    def get_available_balance(self, currency: str) -> Decimal:
        found = self.market.order_store.balances.get(currency)
        return found.available if found else ZERO

    def get_all_balances(self) -> dict[str, Decimal]:
        return {asset: balance.total for asset, balance in self.market.order_store.balances.items()}

    # Books, read in place.

    def get_order_book(self, trading_pair: str) -> BookReader:
        """Raises NotReady when no tracker keeps this pair here."""
        return self.market.book(trading_pair)

    @property
    def order_books(self) -> dict[str, BookReader]:
        """The books read so far."""
        return dict(self.market.readers)

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

    def add_listener(self, event: str, listener: Listener) -> None:
        """Call ``listener`` with every event of a kind: created, filled, completed, cancelled,
        expired, failure."""
        self.market.add_listener(event, listener)

    def remove_listener(self, event: str, listener: Listener) -> None:
        self.market.remove_listener(event, listener)


def _restored(name: str, state: dict[str, Any]) -> InFlightOrder:
    """An order out of its saved state, of this version or the one before."""
    try:
        return msgspec.convert(order_of_schema_1(state), InFlightOrder)
    except msgspec.ValidationError as error:
        raise ConfigError(f"the saved state of order {name} can't be read: {error}") from None
