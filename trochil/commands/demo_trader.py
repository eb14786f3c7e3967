"""The demo's trader: orders that rest, fill, take, are rejected or cancelled, and their outcome."""

import contextlib
import random
import time
from collections import Counter
from decimal import Decimal

from exchanges.orders import OrderState
from exchanges.registry import get
from exchanges.rules import quantize, quantize_price
from orderbook.errors import TrochilError
from trochil.client import Client
from trochil.market_handle import DONE, Order
from trochil.sandbox.process import SandboxProcess
from trochil.views import BookView

ACCOUNT = "default"
SETTLE_WITHIN = 90.0
"""Seconds until the final state of every order is known; requests may wait for rate limits."""
OPENS_WITHIN = 60.0
STEP_EVERY = 0.05
"""Seconds between two steps."""
SLOW = 0.5
"""Seconds per request above which a venue's rate limits count as slow."""
HITS = 10
NOTIONAL = {"BTC": Decimal("0.004"), "ETH": Decimal("0.08")}
"""The value of an order of the demo, by quote currency."""
NOTIONAL_IN_DOLLARS = Decimal(240)
"""The same in any other quote currency."""


class Trader:
    """A seeded flow of orders: some rest, some are hit, some take, some are cancelled."""

    def __init__(self, client: Client, sandbox: SandboxProcess, seed: int) -> None:
        self._client = client
        self._sandbox = sandbox
        self._venue = sandbox.exchange
        self._pairs = sandbox.pairs
        self._rules = client.rules(self._venue)
        self._market = client.market(self._venue, account=ACCOUNT)
        # At a venue with low rate limits the trader slows down: a step is about three requests.
        seconds_a_call = max(limit.per / limit.amount for limit in get(self._venue).limits)
        self._pause = STEP_EVERY if seconds_a_call < SLOW else 3 * seconds_a_call
        self._random = random.Random(seed)
        self.orders: list[Order] = []
        self.was_partial: set[str] = set()
        self.errors: list[str] = []

    def wait_ready(self, timeout: float) -> None:
        self._market.wait_ready(timeout)

    def step(self) -> None:
        """One random action of the trader."""
        acts = (self._rest, self._be_hit, self._take, self._cross_post_only, self._cancel)
        act = self._random.choices(acts, weights=(4, 4, 3, 1, 3))[0]
        try:
            act(self._random.choice(self._pairs))
        except (TrochilError, TimeoutError) as error:
            self.errors.append(f"{type(error).__name__}: {error}")

    def _book(self, pair: str) -> BookView:
        return self._client.book(self._venue, pair)

    def _amount(self, pair: str) -> Decimal:
        rule = self._rules[pair]
        notional = NOTIONAL.get(rule.quote, NOTIONAL_IN_DOLLARS)
        return quantize(notional / Decimal(repr(self._book(pair).top().mid)), rule.size_step)

    def _price(self, price: float, pair: str) -> Decimal:
        return quantize_price(Decimal(repr(price)), self._rules[pair])

    def trade_until(self, deadline: float) -> None:
        """Step after step; ``deadline`` on the monotonic clock."""
        while time.monotonic() < deadline:
            self.step()
            time.sleep(self._pause)

    def _rest(self, pair: str) -> None:
        top = self._book(pair).top()
        self.orders.append(
            self._market.buy(
                pair, self._amount(pair), self._price(top.bid * 0.98, pair), tag="demo"
            )
        )

    def _be_hit(self, pair: str) -> None:
        """Rest near the best price; the liquidity provider sells into it, in one or two parts."""
        top = self._book(pair).top()
        amount = self._amount(pair)
        order = self._market.buy(
            pair, amount, self._price((top.bid + top.ask) / 2, pair), tag="demo"
        )
        self.orders.append(order)
        order.wait("open", "partially_filled", "filled", timeout=OPENS_WITHIN)
        part = quantize(order.amount / 4, self._rules[pair].size_step)
        for _ in range(HITS):
            self._sell_to(order, part)
            with contextlib.suppress(TimeoutError):  # others were in front of it
                order.wait("partially_filled", "filled", timeout=1)
                break
        if order.refresh().state == "partially_filled":
            self.was_partial.add(order.client_id)
        if self._random.random() < 0.7:
            self._sell_to(order, order.amount)

    def _sell_to(self, order: Order, amount: Decimal) -> None:
        trade = {
            "pair": order.trading_pair,
            "side": "sell",
            "amount": str(amount),
            "price": str(order.price),
        }
        self._sandbox.admin("POST", "trade", trade)

    def _take(self, pair: str) -> None:
        self.orders.append(self._market.sell(pair, self._amount(pair), type="market", tag="demo"))

    def _cross_post_only(self, pair: str) -> None:
        price = self._price(self._book(pair).top().ask * 1.01, pair)
        self.orders.append(
            self._market.buy(pair, self._amount(pair), price, post_only=True, tag="demo")
        )

    def _cancel(self, pair: str) -> None:
        open_orders = [order for order in self.orders[-40:] if not order.is_done]
        if open_orders:
            self._market.cancel(self._random.choice(open_orders))

    def settle(self) -> None:
        """Cancel open orders and wait until every order is in its final state."""
        self._market.cancel_all()
        deadline = time.monotonic() + SETTLE_WITHIN
        for order in self.orders:
            try:
                order.wait(*DONE, timeout=max(0.1, deadline - time.monotonic()))
            except (TimeoutError, TrochilError) as error:
                self.errors.append(str(error))
            if order.filled and order.state == "cancelled":
                self.was_partial.add(order.client_id)

    def summary(self) -> dict[str, int]:
        states = Counter(order.state for order in self.orders)
        return {
            "placed": len(self.orders),
            "filled": states[OrderState.FILLED],
            "partially_filled": len(self.was_partial),
            "cancelled": states[OrderState.CANCELLED] + states[OrderState.EXPIRED],
            "rejected": states[OrderState.REJECTED],
            "open": sum(not order.is_done for order in self.orders),
            "unknown": sum(order.status_unknown for order in self.orders),
        }

    def fills(self) -> int:
        return int(self._market.fills().num_rows)

    def balances_match(self) -> bool:
        """Whether our balances equal the venue's ledger, once the last events have arrived."""
        deadline = time.monotonic() + SETTLE_WITHIN
        while True:
            ours = {
                asset: [str(balance.total), str(balance.available)]
                for asset, balance in self._market.balances().items()
            }
            verdict = self._sandbox.admin(
                "POST", "balances_match", {"account": ACCOUNT, "balances": ours}
            )
            if verdict["match"] or time.monotonic() > deadline:
                if not verdict["match"]:
                    self.errors.append(f"balances differ: {verdict['differences']}")
                return bool(verdict["match"])
            time.sleep(0.1)
