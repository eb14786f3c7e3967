"""Questions that the venue answers out of its own records: how a dialect declares them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from trochil.sandbox.market.venue import Rejected


@dataclass(frozen=True, slots=True)
class Lookup:
    """A question that is answered out of the venue's own records, in its words; see ``lookup``."""

    path: str
    what: str
    words: str
    signed: bool
    wrap: Callable[[Any], Any] | None
    asked: Mapping[str, str]


def lookup(
    path: str, what: str, words: str = "", wrap: Callable[[Any], Any] | None = None, **asked: str
) -> Lookup:
    """``lookup("GET /trades", "trades", TRADE, pair="symbol", limit="size")``: rows worded by ``shape``.

    ``what``: venue (one row), markets (rules), tickers, ticker (one, if asked), trades (public, newest first; oldest
    first: trades_up), book (one), place, order (one), cancel (of one), cancel_all (open), orders, open_orders,
    closed_orders, only_open, only_closed, fills (oldest first), fills_down, holdings, account (one).
    ``asked``: what the venue calls the parameters pair, id and client (of the lists of orders: that one alone, open or
    closed, if there is such; of only_open and only_closed: if it is), order (of fills), first, after and before (trade
    ids, up to a colon), since and until (ms or ISO), limit, window (which of the books, by its depth), status (orders
    are the open ones unless it names done or all); of an order to place, see ``Placing.find_place``.
    ``wrap`` makes the answer of the row or rows.
    """
    return Lookup(path, what, words, False, wrap, asked)


def own(
    path: str, what: str, words: str = "", wrap: Callable[[Any], Any] | None = None, **asked: str
) -> Lookup:
    """The same behind a signature, of the account that asks."""
    return Lookup(path, what, words, True, wrap, asked)


def alone(row: Any) -> list[Any]:
    """For ``wrap``: a list of one."""
    return [row]


def keyed(name: str, under: str = "") -> Callable[[Any], Any]:
    """For ``wrap``: an object of the row or rows, each under what it has in that column; itself under a name."""

    def wrap(rows: Any) -> Any:
        found = {row[name]: row for row in (rows if isinstance(rows, list) else [rows])}
        return {under: found} if under else found

    return wrap


def under(name: str) -> Callable[[Any], Any]:
    """For ``wrap``: an object with the rows under a name."""
    return lambda rows: {name: rows}


def headed(header: str, column: str) -> Callable[[Any], Any]:
    """For ``wrap``: one column's value goes into a header."""

    def wrap(row: Any) -> Any:
        return web.json_response(row, headers={header: row.pop(column)})

    return wrap


class Asked(dict[str, Any]):
    """What was asked, by our names; ``names`` has the venue's."""

    def __init__(self, given: dict[str, Any], names: Mapping[str, str]) -> None:
        super().__init__(given)
        self.names = names

    def need(self, name: str) -> Any:
        """Raises Rejected("missing") with the venue's name."""
        if self.get(name) in (None, ""):
            raise Rejected("missing", self.names.get(name) or name)
        return self[name]
