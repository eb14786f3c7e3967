"""What the venue knows, as flat facts, and ``shape``, which words them as a venue does.

All values are texts unless a shape asks for a number. Times come as ``_ms``, ``_us`` and ``_iso``.
"""

import time
from decimal import Decimal
from typing import Any

from trochil.sandbox.accounts import ZERO, Account
from trochil.sandbox.matching import Match, Order
from trochil.sandbox.venue import Event, Fill, Symbol, Venue

Facts = dict[str, Any]


def shape(words: str, facts: Facts) -> dict[str, Any]:
    """A row out of facts. ``"ordId=id side px=price cTime=#created_ms instType:SPOT"``: the venue's name = ours (# as
    a number), the same name alone, or a name with a constant behind a colon."""
    row: dict[str, Any] = {}
    for word in words.split():
        name, equals, fact = word.partition("=")
        if not equals and ":" in word:
            name, _, constant = word.partition(":")
            row[name] = constant
        elif fact.startswith("#"):
            row[name] = number(facts[fact[1:]])
        else:
            row[name] = facts[fact or name]
    return row


def number(value: str) -> int | float:
    """As JSON writes numbers."""
    return float(value) if "." in value else int(value)


def text(value: Decimal) -> str:
    """Plain decimal digits, without trailing zeros behind the point."""
    plain = f"{value:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def iso(ns: int) -> str:
    """2024-01-01T00:00:00.000000Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10**9)) + f".{ns % 10**9 // 1000:06d}Z"


def ms(ns: int) -> int:
    return ns // 1_000_000


def times(name: str, ns: int) -> Facts:
    return {
        f"{name}_ms": str(ns // 1_000_000),
        f"{name}_us": str(ns // 1000),
        f"{name}_s": f"{ns / 1e9:.4f}",
        f"{name}_iso": iso(ns),
    }


def symbol_facts(symbol: Symbol) -> Facts:
    """pair, base, quote, tick, step and their decimals, least (base), worth (quote), most, trading."""
    places = {f"{n}_places": str(max(0, -int(v.as_tuple().exponent))) for n, v in _steps(symbol)}
    sizes = {"tick": text(symbol.price_tick), "step": text(symbol.size_step), "least": text(symbol.size_step)}
    limits = {"worth": text(symbol.min_notional), "most": text(symbol.max_size), "trading": symbol.trading}
    return {"pair": symbol.pair, "base": symbol.base, "quote": symbol.quote, **places, **sizes, **limits}


def _steps(symbol: Symbol) -> list[tuple[str, Decimal]]:
    return [("tick", symbol.price_tick), ("step", symbol.size_step)]


def market_facts(venue: Venue, pair: str) -> Facts:
    """pair, last, bid, bid_size, ask, ask_size, volume (base), quote_volume."""
    book, (base, quote) = venue.books[pair], venue.volume[pair]
    bid, ask = (book.best(side) or ZERO for side in ("buy", "sell"))
    sizes = {"bid_size": text(book.size_at("buy", bid)), "ask_size": text(book.size_at("sell", ask))}
    last = {"last": text(venue.last_price.get(pair) or bid), "volume": text(base), "quote_volume": text(quote)}
    return {"pair": pair, "bid": text(bid), "ask": text(ask), **sizes, **last}


def order_facts(order: Order) -> Facts:
    """pair, id, client, side, Side, SIDE, kind, tif, price, amount, quote_amount, filled, left, quote_filled, average,
    state, created and updated times, is_open, post_only."""
    return {
        "pair": order.symbol,
        "id": str(order.id),
        "client": order.client_id,
        **_sides(order.side),
        "kind": "market" if order.type == "market" else "limit",
        "post_only": order.type == "post_only",
        "tif": order.tif,
        "price": text(order.price or ZERO),
        "amount": text(order.amount),
        "quote_amount": text(order.quote_amount or ZERO),
        "filled": text(order.filled),
        "left": text(order.left if order.quote_amount is None else ZERO),
        "quote_filled": text(order.quote_filled),
        "average": text(order.quote_filled / order.filled) if order.filled else "0",
        "state": order.state,
        "is_open": order.is_open,
        **times("created", order.time),
        **times("updated", order.updated),
    }


def _sides(side: str) -> Facts:
    return {"side": side, "Side": side.capitalize(), "SIDE": side.upper()}


def match_facts(match: Match) -> Facts:
    """A public trade: pair, trade_id, price, amount, value, the taker's side (and maker_side), its time."""
    what = {"price": text(match.price), "amount": text(match.amount), "value": text(match.price * match.amount)}
    sides = {**_sides(match.taker.side), "maker_side": match.maker.side}
    return {"pair": match.maker.symbol, "trade_id": str(match.id), **what, **sides, **times("time", match.time)}


def fill_facts(fill: Fill) -> Facts:
    """A trade of one order: order facts under their names, and trade_id, fill_price, fill_amount, fill_value, fee,
    fee_asset, minus_fee, maker, role, time."""
    trade = (str(fill.trade_id), fill.price, fill.amount, fill.fee, fill.fee_asset, fill.is_maker, fill.time)
    return order_facts(fill.order) | _trade(*trade)


def event_facts(event: Event) -> Facts:
    """The same of an event; without a match the trade's facts are empty."""
    match = event.match
    if match is None:
        return order_facts(event.order) | _trade("", ZERO, ZERO, ZERO, "", False, event.time)
    trade = (str(match.id), match.price, match.amount, event.fee, event.fee_asset, match.maker is event.order)
    return order_facts(event.order) | _trade(*trade, event.time)


def _trade(trade_id: str, price: Decimal, amount: Decimal, fee: Decimal, asset: str, maker: bool, ns: int) -> Facts:
    what = {"fill_price": text(price), "fill_amount": text(amount), "fill_value": text(price * amount)}
    fees = {"fee": f"{fee:f}", "minus_fee": f"{-fee:f}", "fee_asset": asset}
    return {
        "trade_id": trade_id,
        **what,
        **fees,
        "maker": maker,
        "role": "maker" if maker else "taker",
        **times("time", ns),
    }


def holding_facts(account: Account, assets: Any = None) -> list[Facts]:
    """One row an asset: asset, total, free, held."""
    return [
        {"asset": asset, "total": f"{h.total:f}", "free": f"{h.free:f}", "held": f"{h.held:f}"}
        for asset, h in account.holdings.items()
        if assets is None or asset in assets
    ]
