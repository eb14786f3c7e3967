"""From an intent to a request on its way: checked, numbered, journalled, sent. Never sent twice."""

import logging
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

from actors.clock import Clock
from actors.orders.order_store import OrderStore
from actors.orders.reconciler import Reconciler
from actors.transport.rest import Rest
from exchanges.contract import Exchange, OrderEntry
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
        self._exchange, self._rest, self._order_store, self._reconciler = (
            exchange,
            rest,
            order_store,
            reconciler,
        )
        self._clock, self._checkpoint = clock, checkpoint
        self.rules: dict[str, TradingRule] = {}
        self.entry: OrderEntry | None = None
        self._counter = 0

    def next_client_id(self) -> str:
        """Unique for ever: the journal's own number, its epoch and a counter, in the venue's alphabet."""
        self._counter += 1
        journal = self._order_store.journal
        return self._exchange.client_id(
            (journal.journal_id << 56) | (journal.epoch << 32) | self._counter
        )

    def order_of(self, terms: dict[str, Any]) -> InFlightOrder:
        """The order that terms ask for. Raises BadPair, InvalidOrder, TypeError."""
        pair = parse_pair(terms["trading_pair"])
        rule = self.rules.get(pair)
        if rule is None:
            raise unknown_pair(pair, self._exchange.name, self.rules)
        price = terms.get("price")
        kind = OrderType(_choice(terms.get("type", "limit"), OrderType, "type"))
        tif = TimeInForce(_choice(terms.get("tif", "GTC"), TimeInForce, "tif"))
        order = InFlightOrder(
            client_order_id=terms.get("client_id") or self.next_client_id(),
            trading_pair=pair,
            symbol=rule.symbol,
            side=Side(terms["side"]),
            amount=to_decimal(terms["amount"], "amount"),
            price=self._price_of(rule, kind, Side(terms["side"]), price),
            type=kind,
            tif=tif,
            post_only=bool(terms.get("post_only", False)),
            tag=str(terms.get("tag", "")),
            created=self._clock.time_ns(),
        )
        if order.post_only and (kind is OrderType.MARKET or tif is not TimeInForce.GTC):
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

    def _price_of(
        self, rule: TradingRule, kind: OrderType, side: Side, price: Any
    ) -> Decimal | None:
        """A limit's own price; for a market order the limit that the venue wants with it, if it wants one."""
        if kind is not OrderType.MARKET:
            return None if price is None else to_decimal(price, "price")
        if self._exchange.slippage is None:
            return None
        worse = 1 + self._exchange.slippage if side is Side.BUY else 1 - self._exchange.slippage
        rounding = ROUND_UP if side is Side.BUY else ROUND_DOWN
        return quantize_price(
            Decimal(repr(self._best_price(rule.trading_pair, side))) * worse, rule, rounding
        )

    async def write(self, order: InFlightOrder, intent: str) -> tuple[InFlightOrder, bool]:
        """Journal the intent: (the order it leads to, whether it is new and must be sent)."""
        self._checkpoint("before_journal")
        written = await self._order_store.intend(order, intent)
        self._checkpoint("journalled")
        return written, written is order

    async def send(self, order: InFlightOrder) -> None:
        """One request. What its answer doesn't prove is asked about, never sent again."""
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
            await self._reconciler.ask(order)
        else:
            await self._order_store.take_update(update)


def _choice(value: Any, kind: Any, what: str) -> str:
    known = [str(item) for item in kind]
    for item in known:
        if str(value).lower() == item.lower():
            return item
    raise InvalidOrder(f"{what} {value!r} is unknown; it may be {', '.join(known)}")
