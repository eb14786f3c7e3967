"""The venue's own records, as look-ups find them: markets, trades, books, orders, fills."""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar

from trochil.sandbox.facts import Held, Market, holdings, uuid
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.venue import Fill, Rejected, Symbol
from trochil.sandbox.server import Server
from trochil.sandbox.windows import Window, Windows

Given = dict[str, Any]
RECENT = 500
"""Public trades a pair that are remembered, and rows that a look-up gives where nothing is said."""


class Records(Windows):
    """What a dialect's look-ups find: ``find_X(account, given)`` for each kind X of ``lookup``."""

    forgets: ClassVar[bool] = False
    """Whether orders that were cancelled without fills are not found any more."""
    page: ClassVar[int] = RECENT
    """Fills that a look-up gives where nothing is said."""
    fills_span: ClassVar[int] = 0
    """Milliseconds that a question for fills covers from its start, where it says no end; 0: until now."""
    cancels_after: ClassVar[float] = 0.0
    """Seconds after which the engine hears of a cancel that was taken; until then its outcome is "cancelling"."""
    post_only_cancels: ClassVar[bool] = False
    """Whether a post-only order that would take is accepted and cancelled at once; else it is refused."""
    fee_in_quote: ClassVar[bool] = False
    """Whether both sides pay their fee in quote; else each pays in what it receives."""
    client_ids_last: ClassVar[bool] = False
    """Whether a client id may never come again; else not while its order is open."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.venue.post_only_cancels, self.venue.fee_in_quote = (
            self.post_only_cancels,
            self.fee_in_quote,
        )
        self.venue.client_ids_last = self.client_ids_last
        self.tokens: dict[str, Account] = {}
        """What a dialect gave out to log in with."""
        self.recent: dict[str, list[Match]] = {}

    def orders_of(
        self, account: Account, pair: str | None = None, *, is_open: bool = False
    ) -> list[Order]:
        return [
            order
            for order in self.venue.orders.values()
            if order.account is account
            and pair in (None, order.symbol)
            and (order.is_open or not is_open)
            if order.is_open or order.filled or not self.forgets
        ]

    def find(self, account: Account, *, order_id: Any = None, client_id: Any = None) -> Order:
        """The newest that fits. Raises Rejected("unknown_order"), also before an order becomes visible."""
        hidden = self.server.now_ns() - int(self.server.faults.seconds("delayed_visibility") * 1e9)
        for order in reversed(self.orders_of(account)):
            named = str(order_id) in (str(order.id), uuid(order.id)) or (
                bool(client_id) and order.client_id == client_id
            )
            if named and order.time <= hidden:
                return order
        raise Rejected("unknown_order")

    def fills_of(
        self, account: Account, pair: str | None = None, order: Order | None = None
    ) -> list[Fill]:
        return [
            fill
            for fill in self.venue.fills
            if fill.order.account is account
            and pair in (None, fill.order.symbol)
            and order in (None, fill.order)
        ]

    def cancel(self, order: Order) -> None:
        """Raises Rejected("unknown_order") when it is closed already."""
        self.venue.cancel(order, self.server.now_ns())

    def on_trade(self, match: Match) -> None:
        self.recent.setdefault(match.maker.symbol, []).append(match)
        del self.recent[match.maker.symbol][:-RECENT]

    # What look-ups find.

    def _pair_of(self, given: Given) -> str | None:
        return self.pair(given["pair"]) if given.get("pair") else None

    def find_venue(self, account: Account, given: Given) -> None:
        return None

    def find_markets(self, account: Account, given: Given) -> list[Symbol]:
        return [symbol for symbol in self.listed() if self._pair_of(given) in (None, symbol.pair)]

    def find_tickers(self, account: Account, given: Given) -> list[Market]:
        return [Market(self.venue, symbol.pair) for symbol in self.find_markets(account, given)]

    def find_ticker(self, account: Account, given: Given) -> Market | list[Market]:
        if not given["pair"]:
            return self.find_tickers(account, given)
        return Market(self.venue, self.pair(given["pair"]))

    def find_trades(self, account: Account, given: Given) -> list[Match]:
        return self.find_trades_up(account, given)[::-1]

    def find_trades_up(self, account: Account, given: Given) -> list[Match]:
        return self.recent.get(self.pair(given["pair"]), [])[-int(given.get("limit") or RECENT) :]

    def find_book(self, account: Account, given: Given) -> Window:
        usual = self.depths[-1] if self.asked_depth is None else self.asked_depth
        pair, bids, asks, *ids = self.asked_for(
            self.pair(given["pair"]), int(given.get("window") or usual)
        )
        limit = int(given.get("limit") or RECENT) if self.server.replay is None else None
        return Window(pair, bids[:limit], asks[:limit], *ids)

    def find_cancel(self, account: Account, given: Given) -> Order:
        order = self.find(account, order_id=given.get("id"), client_id=given.get("client"))
        if not order.is_open:
            raise Rejected("not_open")
        if not self.cancels_after:
            self.cancel(order)
        elif not order.is_cancelling:
            order.is_cancelling = True
            asyncio.get_running_loop().call_later(self.cancels_after, self._cancel_late, order)
        return order

    def _cancel_late(self, order: Order) -> None:
        with suppress(Rejected):  # it was filled meanwhile
            self.cancel(order)

    def find_cancel_all(self, account: Account, given: Given) -> list[Order]:
        orders = self.orders_of(account, self._pair_of(given), is_open=True)
        for order in orders:
            self.cancel(order)
        return orders

    def find_order(self, account: Account, given: Given) -> Order:
        try:
            return self.find(account, order_id=given.get("id"), client_id=given.get("client"))
        except Rejected as refusal:
            raise Rejected("no_such_order", refusal.detail) from None

    def find_orders(self, account: Account, given: Given) -> list[Order]:
        if not _is_named(given):
            closed_too = {"done", "all"} & set(str(given.get("status", "all")).split(","))
            return self.orders_of(account, self._pair_of(given), is_open=not closed_too)
        with suppress(Rejected):
            return [self.find_order(account, given)]
        return []

    def find_open_orders(self, account: Account, given: Given) -> list[Order]:
        return [
            order for order in self.find_orders(account, given) if order.is_open or _is_named(given)
        ]

    def find_closed_orders(self, account: Account, given: Given) -> list[Order]:
        return [
            order
            for order in self.find_orders(account, given)
            if not order.is_open or _is_named(given)
        ]

    def find_only_open(self, account: Account, given: Given) -> list[Order]:
        return [order for order in self.find_orders(account, given) if order.is_open]

    def find_only_closed(self, account: Account, given: Given) -> list[Order]:
        return [order for order in self.find_orders(account, given) if not order.is_open]

    def find_fills(self, account: Account, given: Given) -> list[Fill]:
        """The first ``limit`` of those after a trade; the last of all others."""
        order = self.find(account, order_id=given["order"]) if given.get("order") else None
        after, before, since, until = (
            _number(given.get(name)) for name in ("after", "before", "since", "until")
        )
        after = max(after, _number(given.get("first")) - 1)
        until = until or (since + self.fills_span if since and self.fills_span else 0)
        found = [
            fill
            for fill in self.fills_of(account, self._pair_of(given), order)
            if after < fill.trade_id < (before or 10**15)
            and since <= fill.time // 10**6 <= (until or 10**15)
        ]
        limit = int(given.get("limit") or self.page)
        return found[:limit] if after else found[-limit:]

    def find_fills_down(self, account: Account, given: Given) -> list[Fill]:
        return self.find_fills(account, given)[::-1]

    def find_holdings(self, account: Account, given: Given) -> list[Held]:
        return holdings(account)

    def find_account(self, account: Account, given: Given) -> Account:
        return account


def _number(value: Any) -> int:
    """Of an id, up to a colon, or a time; times as text in ms."""
    if "T" in str(value):
        return int(datetime.fromisoformat(value).timestamp() * 1000)
    return int(str(value or 0).partition(":")[0])


def _is_named(given: Given) -> bool:
    return bool(given.get("id") or given.get("client"))
