"""One account's stream by ccxt: what UserStreamTrackerDataSource reads from our own socket, from
those of ccxt."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from actors.orders.user_stream import Output, UserStreamTrackerDataSource
from actors.transport.ccxt_rest import CcxtRest
from actors.transport.ccxt_sockets import CcxtSockets
from exchanges.ccxt_reading import read_balances, read_fills, read_order
from exchanges.contract import MALFORMED, ErrorKind, Fault
from exchanges.orders import Balance, Fill, OrderUpdate, TradingRule
from exchanges.rows import bad_rows, unreadable
from orderbook.errors import AuthenticationError, Disconnected, VenueError

log = logging.getLogger(__name__)
CONNECTS_WITHIN = 30.0
SETTLES_WITHIN = 1.0
"""Seconds after connecting after which the subscriptions are taken for granted: ccxt doesn't
say."""
SETTLED_SURELY = 10.0
"""Seconds after which the venue is read once more for what those first moments may have missed."""


class CcxtUserStream(UserStreamTrackerDataSource):
    """Orders and, where the venue streams them, fills and balances; the market reads what
    isn't streamed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        assert isinstance(self._rest, CcxtRest)
        self._sockets = CcxtSockets(self._exchange, self._rest)

    async def _once(self, rules: dict[str, TradingRule], output: Output) -> None:
        can = self._exchange.bridged
        await self._rest.keep_clock()
        known = _Balances()
        self._bad_in_a_row = 0
        readers: list[tuple[str, str, Callable[[Any], list[Any]]]] = [
            ("watchOrders", "watch_orders", lambda rows: _orders(rows, rules)),
            ("watchMyTrades", "watch_my_trades", lambda rows: _fills(rows, rules)),
            ("watchBalance", "watch_balance", known.changed),
        ]
        async with self._sockets.opened() as group:
            for word, method, read in readers:
                if word in can:
                    group.create_task(self._follow(method, read, output), name=method)
            try:
                async with asyncio.timeout(CONNECTS_WITHIN):
                    await self._sockets.connected.wait()
            except TimeoutError:
                raise Disconnected(f"ccxt didn't connect within {CONNECTS_WITHIN:g} s") from None
            for seconds in (SETTLES_WITHIN, SETTLED_SURELY):
                await asyncio.sleep(seconds)
                self._publish_state(True, "open")

    async def _follow(self, method: str, read: Callable[[Any], list[Any]], output: Output) -> None:
        while True:
            try:
                said = await self._sockets.watch(method)
            except VenueError as error:
                if method != "watch_my_trades" or isinstance(error, AuthenticationError):
                    raise
                log.warning(
                    "%s: fills are read by REST, they can't be watched: %s",
                    self._exchange.name,
                    error,
                )
                return
            self.last_recv_time = self._clock.time()
            try:
                messages = read(said)
            except MALFORMED as error:
                what = f"{method}: can't be read: {type(error).__name__} {error}"
                frame = str(said).encode()
                self._take_faults([Fault(ErrorKind.UNREADABLE, "", what, frame=frame)])
                continue
            for message in messages:
                output(message)
            self._take_faults(unreadable(bad) for bad in bad_rows(messages))


class _Balances:
    """ccxt tells all balances whenever one changed."""

    def __init__(self) -> None:
        self._last: dict[str, Balance] = {}

    def changed(self, said: Any) -> list[Balance]:
        now = {balance.asset: balance for balance in read_balances(said)}
        fresh = [
            balance for asset, balance in now.items() if not _same(self._last.get(asset), balance)
        ]
        self._last |= now
        return fresh


def _same(before: Balance | None, now: Balance) -> bool:
    return before is not None and (before.total, before.available) == (now.total, now.available)


def _orders(rows: list[Any], rules: Mapping[str, TradingRule]) -> list[OrderUpdate]:
    return [read_order(row) for row in rows if row.get("symbol") in rules]


def _fills(rows: list[Any], rules: Mapping[str, TradingRule]) -> list[Fill]:
    return read_fills(row for row in rows if row.get("symbol") in rules)
