"""From a venue's JSON rows to our records: the part of reading that is the same everywhere."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, structs

from exchanges.contract import Answer, Page
from exchanges.orders import (
    ZERO,
    Balance,
    Fee,
    Fill,
    InFlightOrder,
    MarketSummary,
    OrderState,
    OrderType,
    OrderUpdate,
    TradingRule,
)
from exchanges.refusals import ErrorTable, Row, Said, errors, table, worded
from orderbook.errors import NotFound
from orderbook.messages import BookSnapshot, Layout, OrdersSnapshot, RestingOrder, Side, Trade

__all__ = [
    "ErrorTable", "Latest", "Row", "Said", "accepted", "each", "epoch_ns", "errors", "first", "found", "gunzip",
    "image", "iso", "iso_ns", "keyed", "number", "one", "only", "orders", "pages", "parts", "pick", "plain", "pushed",
    "read_balance", "read_fee", "read_fill", "read_held", "read_holding", "read_market", "read_rule", "read_total",
    "read_trade", "read_update", "reason_of", "resting", "side_of", "states", "worded",
]  # fmt: skip
T = TypeVar("T")


class Pushed(msgspec.Struct, gc=False):
    """The commonest form of a frame: {"channel": ..., "data": ...}."""

    channel: str
    data: Raw = Raw(b"null")


pushed = msgspec.json.Decoder(Pushed)
MAKER = {"m", "maker"}
"""What venues call the maker's role."""
BOOK_SIDES = {"B": Side.BUY, "A": Side.SELL}


def states(**words: str) -> dict[str, OrderState]:
    """states(open="NEW", filled="DONE"): a venue's words for our states, beside our own."""
    return {str(state): state for state in OrderState} | table(
        {OrderState(n): text for n, text in words.items()}
    )


def epoch_ns(stamp: int) -> int:
    """Nanoseconds out of milli- or microseconds since 1970; their sizes tell them apart until the year 5138."""
    return stamp * 1000 if stamp > 10**14 else stamp * 1_000_000


def iso_ns(stamp: str) -> int:
    """Nanoseconds out of 2024-01-01T00:00:00.123456789Z, to the last digit given; 0 for none."""
    if not stamp:
        return 0
    seconds, _, fraction = stamp.rstrip("Z").partition(".")
    whole = int(datetime.fromisoformat(f"{seconds}+00:00").timestamp())
    return whole * 10**9 + int((fraction + "000000000")[:9])


def iso(ns: int) -> str:
    """2024-01-01T00:00:00.123Z; empty for no time."""
    return (
        f"{datetime.fromtimestamp(ns // 10**9, UTC):%Y-%m-%dT%H:%M:%S}.{ns // 10**6 % 1000:03}Z"
        if ns > 0
        else ""
    )


def one(read: Callable[[Any], T], *path: str | int) -> Callable[[Answer], T]:
    """Reads an answer that is one row, or has it under ``path``: ``one(order_of, "data", 0)``; of "a|b" the first that
    has something. Raises NotFound where that is the first of an empty list."""
    return lambda answer: read(_inside(answer, path))


def each(
    read: Callable[[Row], T], *path: str | int, where: Callable[[Row], bool] = lambda row: True
) -> Callable[[Answer], list[T]]:
    """Reads an answer that is a list of rows, or has it under ``path``: ``each(order_of, "data")``; only those of which
    ``where`` holds."""
    return lambda answer: [read(row) for row in _inside(answer, path) if where(row)]


def found(
    read: Callable[[Row], T], column: str, value: str, *path: str | int
) -> Callable[[Answer], T]:
    """Reads the row that has ``value`` in a column, of a list or of that under ``path``. Raises NotFound where none
    has."""

    def search(answer: Answer) -> T:
        for row in _inside(answer, path):
            if row.get(column) == value:
                return read(row)
        raise NotFound(f"no row with {column} {value}")

    return search


def keyed(read: Callable[[str, Row], T], *path: str | int) -> Callable[[Answer], list[T]]:
    """Reads an answer that is rows by their keys, or has them under ``path``; ``read`` takes key and row."""
    return lambda answer: [read(key, row) for key, row in _inside(answer, path).items()]


def first(read: Callable[[Answer], Sequence[T]]) -> Callable[[Answer], T]:
    """Reads the one thing that was asked for out of a list. Raises NotFound where that is empty."""
    return lambda answer: only(read(answer))


def _inside(answer: Answer, path: tuple[str | int, ...]) -> Any:
    found = answer.json()
    for step in path:
        found = (
            _first(found, step.split("|"))
            if isinstance(step, str)
            else found[step]
            if step
            else only(found)
        )
    return found


def pages(
    read: Callable[[Row], T],
    full: int,
    by: str,
    *path: str | int,
    until: Callable[[T], bool] = lambda last: False,
) -> Callable[[Answer], Page[T]]:
    """Reads a part of a list of which the venue gives ``full`` rows at a time; the next is named by the last row's
    column ``by``, and not needed where ``until`` holds of that row."""

    def read_page(answer: Answer) -> Page[T]:
        rows = _inside(answer, path)
        items = [read(row) for row in rows]
        return Page(items, str(rows[-1][by]) if len(rows) >= full and not until(items[-1]) else "")

    return read_page


def parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """``items`` in order, at most ``size`` at a time."""
    return (items[first : first + size] for first in range(0, len(items), size))


def plain(number: Decimal) -> str:
    """Plain digits without zeros at the end."""
    return f"{number.normalize():f}"


def number(value: str | float | None) -> Decimal:
    """A text or JSON number as it was written; 0 for none, which many venues write as an empty text."""
    return Decimal(str(value)) if value else ZERO


def accepted(order: InFlightOrder, *path: str | int) -> Callable[[Answer], OrderUpdate]:
    """Reads the answer to a placed order where it says no more than the venue's own id, under ``path``."""
    known = OrderUpdate(
        symbol=order.symbol, state=OrderState.OPEN, client_order_id=order.client_order_id
    )
    return lambda answer: structs.replace(known, exchange_order_id=str(_inside(answer, path)))


def only(found: Sequence[T]) -> T:
    """The one that was asked for. Raises NotFound where there is none."""
    if len(found) == 0:
        raise NotFound("the venue lists none")
    return found[0]


def reason_of(text: str) -> str:
    """The message inside a text that may be JSON of its own."""
    try:
        return str(msgspec.json.decode(text, type=dict[str, Any]).get("message", text))
    except msgspec.DecodeError:
        return text


def read_market(row: Row, names: str) -> MarketSummary:
    """``names``: the columns for the symbol, its last price, and its volumes in base and, where it says that, quote."""
    symbol, *columns = pick(row, names)
    last, volume, *value = map(number, columns)
    return MarketSummary(symbol, last, volume, value[0] if value else last * volume)


def read_fee(row: Row, names: str) -> Fee:
    """``names``: the columns for the maker's and the taker's rate."""
    maker, taker = map(Decimal, pick(row, names))
    return Fee(maker, taker)


def pick(row: Row, names: str) -> list[Any]:
    """The named columns in order. Of "a|b" the first that has something ("a|": else an empty text), of "-a" the number
    with the other sign, of "!a" whether it doesn't hold. Raises KeyError for what is missing."""
    return [_first(row, name.split("|")) for name in names.split()]


def _first(row: Row, names: list[str]) -> Any:
    if names[0].startswith("-"):
        return -number(row[names[0][1:]])
    if names[0].startswith("!"):
        return not row[names[0][1:]]
    return next((row[name] for name in names[:-1] if row.get(name)), None) or (
        row[names[-1]] if names[-1] else ""
    )


def side_of(word: str) -> Side:
    """Out of buy, Buy, BUY or what begins so (buy-limit), or the letter of a book's side: B for bid, A for ask."""
    return BOOK_SIDES.get(word) or Side(word.lower().partition("-")[0])


def resting(rows: Iterable[Row], names: str) -> list[RestingOrder]:
    """One side of a book order by order. ``names``: the rows' columns for id, price and size."""
    found = (pick(row, names) for row in rows)
    return [
        RestingOrder(str(order_id), float(price), float(size)) for order_id, price, size in found
    ]


def _time(stamp: Any) -> int:
    """Nanoseconds out of 2024-01-01T00:00:00Z, seconds with a point, milli- or microseconds; 0 for none."""
    text = str(stamp or 0)
    if "T" in text:
        return iso_ns(text)
    return int(Decimal(text) * 10**9) if "." in text else epoch_ns(int(text))


def read_trade(row: Row, names: str, side: str = "", *, time: int = 0) -> Trade:
    """A public trade. ``names``: its row's columns for symbol, trade id, price and size; then, where they aren't given
    apart, for the taker's side and time (ms, us or ISO)."""
    symbol, trade_id, price, size, *more = pick(row, names)
    side, time = (more[0], _time(more[1])) if more else (side, time)
    return Trade(symbol, str(trade_id), side_of(side), float(price), float(size), time)


def read_update(
    row: Row,
    names: str,
    states: Mapping[str, OrderState],
    *,
    client_id: str = "",
    time: int = 0,
    reason: str = "",
) -> OrderUpdate:
    """An order's state out of a row. ``names``: its columns for symbol, state, order id, filled and quote filled
    (cumulative; or with a *, as in "*avg", the average price), side (or what begins with it: buy-limit), amount, price
    and type, in this order; then, where they aren't given apart, for client id, time (ms, us or ISO) and reason. Raises
    KeyError for what is missing."""
    symbol, state, order_id, filled, quote, side, amount, price, kind, *more = pick(
        row, names.replace(" *", " ")
    )
    if more:
        client_id, time, reason = more[0], _time(more[1]), (more[2] if len(more) > 2 else reason)
    return OrderUpdate(
        symbol=symbol,
        state=states[state],
        client_order_id=client_id,
        exchange_order_id=str(order_id),
        filled=number(filled),
        quote_filled=number(quote) * (number(filled) if " *" in names else 1),
        time=time,
        reason=reason,
        side=side_of(side),
        amount=number(amount),
        price=number(price) or None,
        type=OrderType.MARKET if "MARKET" in kind.upper() else OrderType.LIMIT,
    )


def read_fill(row: Row, names: str, side: str = "", *, time: int = 0, client_id: str = "") -> Fill:
    """A trade of ours out of a row. ``names``: its columns for symbol, trade id, order id, price, amount, fee,
    fee asset and whether we were the maker (or in which role), in this order; then, where they aren't given apart, for
    side (or what begins with it, or whether we bought), time (ms, us or ISO) and client id (may be left out). Without a
    side: the order's."""
    symbol, trade_id, order_id, price, amount, fee, asset, maker, *more = pick(row, names)
    if more:
        side, time = {True: "buy", False: "sell"}.get(more[0], more[0]), _time(more[1])
        client_id = more[2] if len(more) > 2 else client_id
    return Fill(
        symbol=symbol,
        trade_id=str(trade_id),
        exchange_order_id=str(order_id),
        client_order_id=client_id,
        side=side_of(side) if side else None,
        price=Decimal(price),
        amount=Decimal(amount),
        fee=number(fee),
        fee_asset=asset or "",
        is_maker=maker if isinstance(maker, bool) else maker.lower() in MAKER,
        time=time,
    )


def read_balance(asset: str, available: str, held: str, time: int = 0) -> Balance:
    return Balance(asset, Decimal(available) + Decimal(held), Decimal(available), time)


def read_holding(row: Row, names: str, time: int = 0) -> Balance:
    """One asset's balance out of a row. ``names``: its columns for the asset, what is available and what is held."""
    asset, available, held = pick(row, names)
    return read_balance(asset, available, held, time)


def read_held(row: Row, names: str) -> Balance:
    """The same where ``names`` are the columns for the asset, what there is in all and what of it is held."""
    asset, total, held = pick(row, names)
    return Balance(asset, number(total), number(total) - number(held))


def read_total(row: Row, names: str) -> Balance:
    """One asset's balance out of a row. ``names``: its columns for the asset, what there is in all, what is available
    of it, and time (ms, us or ISO)."""
    asset, total, available, stamp = pick(row, names)
    return Balance(asset, number(total), number(available), _time(stamp))


def image(
    symbol: str, names: str, *path: str | int, header: str = "", layout: Layout = Layout.JSON
) -> Callable[[Answer], BookSnapshot]:
    """Reads a whole book. ``names``: the columns for bids, asks and, where no ``header`` of the answer has it, update
    id of what stands under ``path``."""

    def read(answer: Answer) -> BookSnapshot:
        raw: bytes | Raw = answer.body
        for step in path:
            raw = (
                msgspec.json.decode(raw, type=dict[str, Raw])[step]
                if isinstance(step, str)
                else _nth(raw, step)
            )
        row = msgspec.json.decode(raw, type=dict[str, Raw])
        bids, asks, *number = (bytes(row[name]) for name in names.split())
        update_id = int(answer.headers[header] if header else number[0].strip(b'"'))
        return BookSnapshot(symbol, bids, asks, update_id, layout=layout)

    return read


def orders(symbol: str, names: str) -> Callable[[Answer], OrdersSnapshot]:
    """Reads a whole book order by order. ``names``: the columns for bids and asks, both rows of price, size and order
    id, and for the update id."""

    def read(answer: Answer) -> OrdersSnapshot:
        *sides, number = pick(answer.json(), names)
        bids, asks = (
            [RestingOrder(row[2], float(row[0]), float(row[1])) for row in side] for side in sides
        )
        return OrdersSnapshot(symbol, bids, asks, int(number))

    return read


def _nth(raw: bytes | Raw, number: int) -> Raw:
    return msgspec.json.decode(raw, type=list[Raw])[number]


def read_rule(
    row: Row,
    names: str,
    *,
    tick: str = "",
    step: str = "",
    least: str = "",
    most: str | None = None,
    worth: str = "",
    digits: int = 0,
    active: bool,
    aliases: tuple[str, ...] = (),
) -> TradingRule:
    """A pair's rules. ``names``: the row's columns for symbol, base and quote; then, where they aren't given apart, for
    the steps of price and size, the least and the largest size, and the least worth (may be left out). Steps and limits
    as text, empty for none; ``digits``: the most significant ones of a price."""
    symbol, base, quote, *sizes = map(str, pick(row, names))
    if sizes:
        tick, step, least, most, worth = [*sizes, worth][:5]
    return TradingRule(
        trading_pair=f"{base}-{quote}".upper(),
        symbol=symbol,
        base=base,
        quote=quote,
        price_tick=number(tick),
        size_step=number(step),
        min_size=number(least),
        max_size=Decimal(most) if most else None,
        min_notional=number(worth),
        significant_digits=digits,
        active=active,
        aliases=aliases,
    )


def gunzip(frame: bytes) -> bytes:
    """For ``Exchange.decode``. What isn't gzipped stays as it is, for ``parse`` to judge."""
    try:
        return zlib.decompress(frame, wbits=31)
    except zlib.error:
        return frame


class Latest:
    """What is known of each thing, for venues whose news leave out what they don't change."""

    def __init__(self, before: Row, keep: int = 10_000) -> None:
        """``before``: what holds of a thing until it is told; ``keep``: things, those told last."""
        self._before, self._keep = before, keep
        self._rows: dict[str, Row] = {}

    def take(self, name: str, news: Row) -> Row:
        """The whole row."""
        row = self._rows[name] = self._rows.pop(name, self._before) | news
        if len(self._rows) > self._keep:
            del self._rows[next(iter(self._rows))]
        return row
