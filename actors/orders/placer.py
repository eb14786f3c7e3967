"""From an intent to a request on its way: checked, numbered, journalled, sent. Never sent twice."""

import logging
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_UP, Decimal

from actors.clock import Clock
from actors.orders.order_store import OrderStore
from actors.orders.reconciler import Reconciler
from actors.transport.rest import Rest
from exchanges.contract import Exchange, OrderEntry
from exchanges.order_views import OrderTerms
from exchanges.orders import InFlightOrder, OrderState, OrderType, TimeInForce, TradingRule
from exchanges.rules import check_order, parse_pair, quantize_price, to_decimal, unknown_pair
from orderbook.errors import (
    AuthenticationError,
    ClockSkew,
    Disconnected,
    InvalidOrder,
    RateLimited,
    Refused,
    TrochilError,
)
from orderbook.messages import Side

log = logging.getLogger(__name__)
PROOF_OF_REFUSAL = (Refused, AuthenticationError, ClockSkew, RateLimited)


class Placer:
    """Places orders of one account."""

    def __init__(
        self,
        exchange: Exchange,
        rest: Rest,
        order_store: OrderStore,
        reconciler: Reconciler,
        clock: Clock,
        checkpoint: Callable[[str], None],
        best_price: Callable[[str, Side], float],
    ) -> None:
        """``best_price(trading pair, side of the taker)``: of our book; raises NotReady."""
        self._best_price = best_price
        self._exchange = exchange
        self._rest = rest
        self._order_store = order_store
        self._reconciler = reconciler
        self._clock = clock
        self._checkpoint = checkpoint
        self.rules: dict[str, TradingRule] = {}
        self.entry: OrderEntry | None = None
        self._counter = 0

    def next_client_id(self) -> str:
        """Never used again: the journal's own number, its epoch and a counter, in the venue's
        alphabet."""
        self._counter += 1
        journal = self._order_store.journal
        return self._exchange.client_id(
            (journal.journal_id << 56) | (journal.epoch << 32) | self._counter
        )

    def order_of(self, terms: OrderTerms) -> InFlightOrder:
        """The order that terms ask for. Raises BadPair, InvalidOrder, TypeError, and NotReady
        without a book."""
        pair = parse_pair(terms.trading_pair)
        rule = self.rules.get(pair)
        if rule is None:
            raise unknown_pair(pair, self._exchange.name, self.rules)
        order = InFlightOrder(
            client_order_id=terms.client_id or self.next_client_id(),
            trading_pair=pair,
            symbol=rule.symbol,
            side=terms.side,
            amount=to_decimal(terms.amount, "amount"),
            price=self._price_of(rule, terms),
            type=terms.type,
            tif=terms.tif,
            post_only=terms.post_only,
            tag=terms.tag,
            created=self._clock.time_ns(),
        )
        is_resting = order.type is OrderType.LIMIT and order.tif is TimeInForce.GTC
        if order.post_only and not is_resting:
            raise InvalidOrder("post_only goes with limit orders good till cancelled only")
        self._must_be_offered(order)
        check_order(order, rule)
        return order

    def _must_be_offered(self, order: InFlightOrder) -> None:
        """Raise InvalidOrder for what the venue has no word for."""
        has = self._exchange.has
        for word, is_wanted in (
            ("post_only", order.post_only),
            ("market", order.type is OrderType.MARKET),
            ("ioc", order.tif is TimeInForce.IOC),
            ("fok", order.tif is TimeInForce.FOK),
        ):
            if is_wanted and word not in has:
                raise InvalidOrder(
                    f"{self._exchange.name} has no {word} orders; it has {', '.join(sorted(has))}"
                )

    def _price_of(self, rule: TradingRule, terms: OrderTerms) -> Decimal | None:
        """A limit's own price; for a market order the limit that the venue wants with it, if it
        wants one."""
        if terms.type is not OrderType.MARKET:
            return None if terms.price is None else to_decimal(terms.price, "price")
        slippage = self._exchange.slippage
        if slippage is None:
            return None
        best = Decimal(repr(self._best_price(rule.trading_pair, terms.side)))
        if terms.side is Side.BUY:
            return quantize_price(best * (1 + slippage), rule, ROUND_UP)
        return quantize_price(best * (1 - slippage), rule, ROUND_DOWN)

    async def write(self, order: InFlightOrder, intent: str) -> tuple[InFlightOrder, bool]:
        """Journal the intent: (the order it leads to, whether it is new and must be sent)."""
        self._checkpoint("before_journal")
        written = await self._order_store.intend(order, intent)
        self._checkpoint("journalled")
        return written, written is order

    async def send(self, order: InFlightOrder) -> None:
        """One request. What its answer doesn't prove the venue is queried about; it is never
        sent again."""
        if self.entry is None:
            raise Disconnected("the venue's rules aren't known yet")
        self._reconciler.sent(order)
        try:
            update = await self._rest.run(self.entry.place(order))
        except PROOF_OF_REFUSAL as error:
            await self._order_store.close(order, OrderState.REJECTED, str(error))
        except Disconnected as error:
            await self._order_store.close(order, OrderState.NOT_PLACED, str(error))
        except TrochilError as error:
            # Unknown outcome, a duplicate id (the first try arrived), or what no table knows.
            await self._order_store.mark_unknown(order, str(error))
            await self._reconciler.query_order(order)
        else:
            await self._order_store.take_update(update)
