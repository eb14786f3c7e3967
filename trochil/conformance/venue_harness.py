"""The fixture of the conformance cases: a venue, a client, and the sandbox's admin API."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from pathlib import Path
from typing import Any

import numpy as np

import trochil
from exchanges.contract import Exchange
from exchanges.orders import TradingRule
from exchanges.rules import quantize, quantize_price
from orderbook.errors import TrochilError
from orderbook.messages import BookState, Trade
from trochil.market_handle import MarketHandle, Order
from trochil.sandbox.process import SandboxProcess
from trochil.views import BookView

PATIENCE = 15.0
READY_WITHIN = 60.0
RULES_REFRESH = 1.0
LIMITS_SCALE = 20.0
"""The cases ask more often than a venue allows; the sandbox counts nothing."""
MAX_TRADES = 100
"""Maximum number of trades that a case collects."""
VALUE = Decimal(600)
"""The approximate value of a case's orders, in US dollars."""


def vectors_of(exchange: Exchange) -> Path:
    """The file of a venue's published test vectors: ``vectors/NAME.json`` beside its adapter."""
    adapter = Path(str(sys.modules[exchange.book.__module__].__file__))
    return adapter.parent / "vectors" / f"{exchange.name}.json"


class VenueHarness:
    """A venue under test. ``sandbox`` is None at a real venue; ``market`` needs keys."""

    def __init__(
        self, exchange: Exchange, client: trochil.Client, pair: str, sandbox: SandboxProcess | None
    ) -> None:
        self.exchange = exchange
        self.client = client
        self.pair = pair
        self._sandbox = sandbox
        self.value = VALUE
        self.rules: dict[str, TradingRule] = {}

    def prepare(self, has_key: bool) -> None:
        """Read the trading rules; with a key, wait until the market is ready."""
        self.rules = self.client.rules(self.name)
        if has_key:
            self.market.wait_ready(READY_WITHIN)

    @property
    def name(self) -> str:
        return self.exchange.name

    @property
    def sandbox(self) -> SandboxProcess:
        assert self._sandbox is not None, "a case that needs the sandbox ran without one"
        return self._sandbox

    @property
    def book(self) -> BookView:
        return self.client.book(self.name, self.pair)

    @property
    def market(self) -> MarketHandle:
        return self.client.market(self.name)

    def admin(self, path: str, **given: Any) -> Any:
        return self.sandbox.admin("POST", path, given)

    def until(self, condition: Callable[[], Any], what: str, within: float = PATIENCE) -> Any:
        """The first true result of ``condition``. Raises AssertionError with ``what``."""
        deadline = time.monotonic() + within
        while True:
            found = condition()
            if found:
                return found
            assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
            time.sleep(0.01)

    def live(self, above_epoch: int = 0) -> BookView:
        """The book, LIVE, with an epoch above the one given."""
        view = self.book
        self.until(
            lambda: view.state is BookState.LIVE and view.epoch > above_epoch,
            "a LIVE book of a new epoch",
        )
        return view

    def received_trades(self) -> list[Trade]:
        """A list that fills with the pair's next trades, in the background."""
        received: list[Trade] = []
        source = self.client.trades(self.name, self.pair)

        def listen() -> None:
            with suppress(TrochilError):  # the client closes: the case is over
                for item in source:
                    if isinstance(item, Trade):
                        received.append(item)
                    if len(received) >= MAX_TRADES:
                        return

        threading.Thread(target=listen, daemon=True).start()
        return received

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Pause the venue's market flow."""
        self.admin("flow", paused=True)
        try:
            yield
        finally:
            self.admin("flow", paused=False)

    def must_equal_the_venue(self) -> None:
        """Assert that our book equals the venue's, level by level, to the depth of the feed."""
        with self.quiet():
            view = self.live()
            self.until(lambda: self._difference(view) == "", "our book equal to the venue's", 5.0)

    def _difference(self, view: BookView) -> str:
        theirs = self.sandbox.admin("GET", f"book?pair={self.pair}")
        for name, ours in (("bids", view.bids), ("asks", view.asks)):
            levels = np.array(theirs[name], np.float64).reshape(-1, 2)[: len(ours)]
            # Float64 sums of orders may differ from the venue's decimal sums in the last digit.
            if (
                len(ours) < min(5, len(levels))
                or len(levels) != len(ours)
                or not np.allclose(levels, ours, 1e-14, 0)
            ):
                return name
        return ""

    # Orders priced relative to the current book.

    def rule(self) -> TradingRule:
        return self.rules[self.pair]

    def amount(self, value: Decimal | None = None) -> Decimal:
        return quantize(
            (value or self.value) / Decimal(repr(self.live().top().mid)), self.rule().size_step
        )

    def far(self, side: str) -> Decimal:
        """A price far from the market, at which an order rests."""
        middle = Decimal(repr(self.live().top().mid))
        if side == "buy":
            return quantize_price(middle * Decimal("0.8"), self.rule(), ROUND_DOWN)
        return quantize_price(middle * Decimal("1.2"), self.rule(), ROUND_UP)

    def through(self, side: str) -> Decimal:
        """A price through the market, at which an order takes."""
        top = self.live().top()
        best = Decimal(repr(top.ask if side == "buy" else top.bid))
        return quantize_price(best * Decimal("1.02" if side == "buy" else "0.98"), self.rule())

    def rest(self, side: str = "buy", **options: Any) -> Order:
        """A resting order, open at the venue."""
        place = self.market.buy if side == "buy" else self.market.sell
        order = place(self.pair, self.amount(), self.far(side), **options)
        return order.wait("open", timeout=PATIENCE)

    def first_in_line(self) -> Order:
        """An open buy that alone is the best bid; the market must be quiet."""
        # The venue's own book: ours may be behind.
        book = self.sandbox.admin("GET", f"book?pair={self.pair}")
        bid, ask = (Decimal(book[side][0][0]) for side in ("bids", "asks"))
        price = quantize_price((bid + ask) / 2, self.rule())
        assert bid < price < ask, (
            f"no room between {bid} and {ask} by steps of {self.rule().price_tick}"
        )
        return self.market.buy(self.pair, self.amount(), price).wait("open", timeout=PATIENCE)

    def hit(self, order: Order, amount: Decimal) -> None:
        """The liquidity provider sells into the order that is first in line."""
        self.admin("trade", pair=self.pair, side="sell", amount=str(amount), price=str(order.price))

    def settled(self, order: Order, *states: str) -> Order:
        """The order, once it is in one of ``states``, known and with all its fills."""
        order.wait(*states, timeout=PATIENCE)
        self.until(lambda: self._is_settled(order.refresh()), f"{order} settled")
        return order

    def _is_settled(self, order: Order) -> bool:
        return not order.status_unknown and sum(self.fill_sizes(order), Decimal(0)) == order.filled

    def fill_sizes(self, order: Order) -> list[Decimal]:
        rows = self.market.fills().to_pylist()
        return [Decimal(row["amount"]) for row in rows if row["client_order_id"] == order.client_id]

    def venue_order(self, order: Order) -> dict[str, Any]:
        """The order in the venue's own ledger."""
        rows = self.sandbox.admin("GET", "orders?account=default")
        return next(row for row in rows if row["client_order_id"] == order.client_id)

    def vectors(self) -> list[dict[str, Any]]:
        """The published test vectors of signatures; empty where the adapter brings none."""
        path = vectors_of(self.exchange)
        return json.loads(path.read_text()) if path.is_file() else []


@contextmanager
def sandbox_harness(exchange: Exchange, feed: str = "") -> Iterator[VenueHarness]:
    """A sandbox of the venue, with a client on two of its pairs and a ready market.

    ``feed``: another book of the venue.
    """
    name = exchange.name
    with SandboxProcess(name, seed=11, rate=20) as sandbox:
        settings = {"hosts": sandbox.hosts[name], "feed": feed, "limits_scale": LIMITS_SCALE}
        venues = {name: settings}
        deployment = f"conformance-{name}-{feed}".rstrip("-")
        config = sandbox.config | {
            "deployment": deployment,
            "rules_refresh": RULES_REFRESH,
            "venues": venues,
        }
        accounts = {name: f"file:{sandbox.keys_file}#default"}
        pairs = sandbox.pairs[:2]
        with trochil.connect(
            name, pairs=pairs, accounts=accounts, config=config, address="inline"
        ) as client:
            harness = VenueHarness(exchange, client, pairs[0], sandbox)
            harness.prepare(has_key=True)
            yield harness
