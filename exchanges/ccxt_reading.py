"""From ccxt's unified structures to our records. Numbers are floats there; their shortest form is
the venue's."""

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from exchanges.orders import (
    ZERO,
    Balance,
    Fee,
    Fill,
    MarketSummary,
    OrderState,
    OrderType,
    OrderUpdate,
    TradingRule,
)
from orderbook.messages import BookSnapshot, Layout, Side, Trade

Row = Mapping[str, Any]
DECIMAL_PLACES = 2
SIGNIFICANT_DIGITS = 3
TICK_SIZE = 4
"""ccxt's ways to state a precision."""
STATES = {
    "open": OrderState.OPEN,
    "canceling": OrderState.OPEN,
    "canceled": OrderState.CANCELLED,
    "expired": OrderState.EXPIRED,
    "expired_in_match": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED,
}
LARGEST_ID = 2**63
OURS = re.compile(r"tr[0-9a-z]{16}$")
"""Our client order id, also behind the prefix that some venues want before it."""


def number(value: Any) -> Decimal | None:
    """What ccxt gives as a float, a text or None, exactly as it prints."""
    return None if value is None else Decimal(str(value))


def unified(trading_pair: str) -> str:
    """ "BTC-USDT" as ccxt writes it."""
    return trading_pair.replace("-", "/")


def read_rules(said: Row) -> list[TradingRule]:
    """Of the spot markets of ``load_markets``; markets whose currencies can't be written BASE-QUOTE
    are left out."""
    rules: dict[str, TradingRule] = {}
    for market in said["markets"]:
        rule = _rule(market, said["precision_mode"])
        if rule.trading_pair.count("-") == 1 and not (
            rule.trading_pair in rules and not rule.active
        ):
            rules[rule.trading_pair] = rule
    return list(rules.values())


def _rule(market: Row, mode: int) -> TradingRule:
    precision = market.get("precision") or {}
    limits = market.get("limits") or {}
    amount = limits.get("amount") or {}
    cost = limits.get("cost") or {}
    digits = precision.get("price") if mode == SIGNIFICANT_DIGITS else None
    return TradingRule(
        trading_pair=f"{market['base']}-{market['quote']}".upper(),
        symbol=market["symbol"],
        base=market["base"],
        quote=market["quote"],
        price_tick=_step(precision.get("price"), mode),
        size_step=_step(
            precision.get("amount"), DECIMAL_PLACES if mode == SIGNIFICANT_DIGITS else mode
        ),
        min_size=number(amount.get("min")) or ZERO,
        max_size=number(amount.get("max")) or None,
        min_notional=number(cost.get("min")) or ZERO,
        significant_digits=int(digits or 0),
        active=market.get("active") is not False,
    )


def _step(precision: Any, mode: int) -> Decimal:
    value = number(precision)
    if value is None or mode == SIGNIFICANT_DIGITS:
        return ZERO
    return value if mode == TICK_SIZE else Decimal(1).scaleb(-int(value))


def read_summaries(tickers: Iterable[Row]) -> list[MarketSummary]:
    """Of tickers; without a volume in quote it is the one in base at the last price."""
    return [_summary(ticker) for ticker in tickers]


def _summary(ticker: Row) -> MarketSummary:
    last = number(ticker.get("last")) or ZERO
    base = number(ticker.get("baseVolume")) or ZERO
    return MarketSummary(
        ticker["symbol"], last, base, number(ticker.get("quoteVolume")) or base * last
    )


def read_book(symbol: str, book: Row) -> BookSnapshot:
    """An image of the whole book. ccxt's ``nonce`` is its update id, where it has one."""
    nonce = book.get("nonce")
    update_id = nonce if isinstance(nonce, int) and 0 < nonce < LARGEST_ID else 0
    bids = _pack(book["bids"])
    asks = _pack(book["asks"])
    return BookSnapshot(symbol, bids, asks, update_id, _ns(book.get("timestamp")), Layout.PACKED)


def _pack(levels: Iterable[Any]) -> bytes:
    return np.array([level[:2] for level in levels], "<f8").tobytes()


def is_crossed(image: BookSnapshot) -> bool:
    bids = np.frombuffer(image.bids, "<f8")
    asks = np.frombuffer(image.asks, "<f8")
    return bool(len(bids) and len(asks) and bids[0] > asks[0])


def read_trade(symbol: str, trade: Row) -> Trade | None:
    """None where the venue doesn't say which side took."""
    if trade.get("side") not in ("buy", "sell"):
        return None
    price = float(trade["price"])
    size = float(trade["amount"])
    return Trade(
        symbol,
        str(trade.get("id") or ""),
        Side(trade["side"]),
        price,
        size,
        _ns(trade.get("timestamp")),
    )


def _symbol(row: Row) -> str:
    """ccxt's name of the market. Raises TypeError where it is none."""
    symbol = row["symbol"]
    if not isinstance(symbol, str):
        raise TypeError(f"symbol {symbol!r} is not a text")
    return symbol


def read_order(row: Row, client_order_id: str = "") -> OrderUpdate:
    """An order structure; ``client_order_id`` where it is known which order was asked about."""
    amount = number(row.get("amount")) or None
    filled = number(row.get("filled"))
    cost = number(row.get("cost"))
    side = row.get("side")
    kind = row.get("type")
    return OrderUpdate(
        symbol=_symbol(row),
        state=_state(row.get("status"), amount, filled),
        client_order_id=client_order_id or _client_id(row.get("clientOrderId") or ""),
        exchange_order_id=str(row.get("id") or ""),
        filled=filled,
        quote_filled=cost if filled else None,
        time=_ns(
            row.get("lastUpdateTimestamp") or row.get("lastTradeTimestamp") or row.get("timestamp")
        ),
        side=Side(side) if side in ("buy", "sell") else None,
        amount=amount,
        price=number(row.get("price")) or None,
        type=OrderType(kind) if kind in ("limit", "market") else None,
    )


def _client_id(text: str) -> str:
    found = OURS.search(text)
    return found[0] if found else text


def _state(status: str | None, amount: Decimal | None, filled: Decimal | None) -> OrderState:
    """ "closed" means filled, says ccxt; venues also say it of what was cancelled after a part."""
    if status == "closed":
        whole = amount is None or filled is None or filled >= amount
        return OrderState.FILLED if whole else OrderState.CANCELLED
    state = STATES.get(status or "open", OrderState.OPEN)
    return OrderState.PARTIALLY_FILLED if state is OrderState.OPEN and filled else state


def read_fills(trades: Iterable[Row]) -> list[Fill]:
    """Of our own trades. One without an id can't be told from its repetition and is left to the
    order's status."""
    return [
        _fill(trade)
        for trade in trades
        if trade.get("id") and trade.get("order") and trade.get("side")
    ]


def _fill(trade: Row) -> Fill:
    fee: Row = trade.get("fee") or next(iter(trade.get("fees") or ()), {})
    maker = {"maker": True, "taker": False}.get(trade.get("takerOrMaker") or "")
    return Fill(
        symbol=_symbol(trade),
        trade_id=str(trade["id"]),
        exchange_order_id=str(trade["order"]),
        side=Side(trade["side"]),
        price=Decimal(str(trade["price"])),
        amount=Decimal(str(trade["amount"])),
        fee=number(fee.get("cost")) or ZERO,
        fee_asset=fee.get("currency") or "",
        is_maker=maker,
        time=_ns(trade.get("timestamp")),
    )


def read_balances(said: Row) -> Iterator[Balance]:
    """Of a balance structure: every asset with a total or something free."""
    free = said.get("free") or {}
    totals = said.get("total") or {}
    for asset in {**free, **totals}:
        available = number(free.get(asset))
        total = number(totals.get(asset))
        if total is None and available is None:
            continue
        total = available if total is None else total
        assert total is not None
        yield Balance(
            asset, total, total if available is None else available, _ns(said.get("timestamp"))
        )


def read_fee(said: Row) -> Fee:
    return Fee(number(said.get("maker")) or ZERO, number(said.get("taker")) or ZERO)


def _ns(milliseconds: Any) -> int:
    return int(milliseconds or 0) * 1_000_000
