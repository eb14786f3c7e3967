"""What the venue knows, as flat facts, which ``shape`` words as a venue does.

Values are texts, but for flags, which are bools (trading, is_open, is_buy, post_only, maker, taker, maker_buys). Times
come as ``_ms``, ``_us``, ``_ns``, ``_s`` and ``_iso``.
"""

from decimal import Decimal
from functools import singledispatch
from typing import Any, NamedTuple

from trochil.sandbox.formats import (
    decimal_text as text,
    iso_time as iso,
    milliseconds as ms,
    unix_seconds as seconds_of,
    uuid_of as uuid,
)
from trochil.sandbox.market.accounts import ZERO, Account, Holding
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.venue import Event, Fill, Symbol, Venue
from trochil.sandbox.shape import Facts

__all__ = ["Held", "Market", "facts_of", "holdings", "iso", "ms", "seconds_of", "text", "uuid"]


def times(name: str, ns: int) -> Facts:
    """``name``_ms, _us, _ns, _s (with digits behind the point) and _iso; empty for no time."""
    if not ns:
        return dict.fromkeys((f"{name}_{unit}" for unit in ("ms", "us", "ns", "s", "iso")), "")
    units = {
        "ms": str(ms(ns)),
        "us": str(ns // 1000),
        "ns": str(ns),
        "s": f"{ns / 1e9:.4f}",
        "iso": iso(ns),
    }
    return {f"{name}_{unit}": value for unit, value in units.items()}


class Market(NamedTuple):
    """A pair's last day."""

    venue: Venue
    pair: str


class Held(NamedTuple):
    """One asset of an account."""

    asset: str
    holding: Holding


def holdings(account: Account, *assets: str) -> list[Held]:
    """All of them, or those named."""
    return [
        Held(asset, held)
        for asset, held in account.holdings.items()
        if not assets or asset in assets
    ]


@singledispatch
def facts_of(thing: Any) -> Facts:
    """The facts of a Symbol, Market, Match, Order, Fill, Event, Account or Held; of None, none."""
    assert thing is None, f"no facts are known of {thing!r}"
    return {}


@facts_of.register
def _symbol(symbol: Symbol) -> Facts:
    """pair, base, quote, tick, step and their decimals, least (base), worth (quote), most, trading."""
    steps = (("tick", symbol.price_tick), ("step", symbol.size_step))
    places = {
        f"{name}_places": str(max(0, -int(value.as_tuple().exponent))) for name, value in steps
    }
    sizes = {name: text(value) for name, value in (*steps, ("least", symbol.size_step))}
    limits = {
        "worth": text(symbol.min_notional),
        "most": text(symbol.max_size),
        "trading": symbol.trading,
    }
    return {
        "pair": symbol.pair,
        "base": symbol.base,
        "quote": symbol.quote,
        **places,
        **sizes,
        **limits,
    }


@facts_of.register
def _market(market: Market) -> Facts:
    """pair, last, bid, bid_size, ask, ask_size, middle, volume (base), quote_volume."""
    venue, pair = market
    book, (base, quote) = venue.books[pair], venue.volume[pair]
    bid, ask = (book.best(side) or ZERO for side in ("buy", "sell"))
    sizes = {
        "bid_size": text(book.size_at("buy", bid)),
        "ask_size": text(book.size_at("sell", ask)),
    }
    last = {
        "last": text(venue.last_price.get(pair) or bid),
        "volume": text(base),
        "quote_volume": text(quote),
    }
    best = {"bid": text(bid), "ask": text(ask), "middle": text((bid + ask) / 2)}
    return {"pair": pair, **best, **sizes, **last}


@facts_of.register
def _order(order: Order) -> Facts:
    """pair, id, uuid (the id as one), client, cancel_id (a request to cancel it), side, Side, SIDE, kind, Kind, KIND,
    tif, terms (market, post_only, or the tif), price, amount, quote_amount, size (the one of them that was given) and
    its unit (of market orders: base, quote), filled, left, quote_filled, fees, average, state, outcome (the state,
    "cut": closed with a part filled, or "cancelling"), created, updated and done (closed only) times, is_open, is_buy,
    post_only."""
    market = order.type == "market"
    cut = "cut" if order.filled and order.state in ("cancelled", "expired") else ""
    amounts = {
        "price": order.price,
        "amount": order.amount,
        "quote_amount": order.quote_amount,
        "size": order.amount if order.quote_amount is None else order.quote_amount,
        "filled": order.filled,
        "left": order.left if order.quote_amount is None else ZERO,
        "quote_filled": order.quote_filled,
        "fees": order.fees,
        "average": order.quote_filled / order.filled if order.filled else ZERO,
    }
    flags = {"state": order.state, "is_open": order.is_open, "post_only": order.type == "post_only"}
    flags["is_buy"] = order.side == "buy"
    return {
        "pair": order.symbol,
        "id": str(order.id),
        "uuid": uuid(order.id),
        "client": order.client_id,
        "cancel_id": f"cancel{order.id}",
        "tif": order.tif,
        "terms": order.tif if order.type == "limit" else order.type,
        "unit": "" if not market else "base" if order.quote_amount is None else "quote",
        "outcome": cut or ("cancelling" if order.is_open and order.is_cancelling else order.state),
        **cased("side", order.side),
        **cased("kind", "market" if market else "limit"),
        **{name: text(value or ZERO) for name, value in amounts.items()},
        **flags,
        **times("created", order.time),
        **times("updated", order.updated),
        **times("done", 0 if order.is_open else order.updated),
    }


def cased(name: str, value: str) -> Facts:
    """side=buy, Side=Buy, SIDE=BUY."""
    return {name: value, name.capitalize(): value.capitalize(), name.upper(): value.upper()}


@facts_of.register
def _match(match: Match) -> Facts:
    """A public trade: pair, trade_id, maker_uuid and taker_uuid (of the orders), price, amount, value, the taker's
    side, Side, SIDE (and maker_side, maker_buys), its time."""
    ids = {
        "trade_id": str(match.id),
        "maker_uuid": uuid(match.maker.id),
        "taker_uuid": uuid(match.taker.id),
    }
    what = {
        "price": text(match.price),
        "amount": text(match.amount),
        "value": text(match.price * match.amount),
    }
    maker = match.maker.side
    sides = {**cased("side", match.taker.side), "maker_side": maker, "maker_buys": maker == "buy"}
    return {"pair": match.maker.symbol, **ids, **what, **sides, **times("time", match.time)}


@facts_of.register
def _fill(fill: Fill) -> Facts:
    """The order's facts, and of the trade: trade_id, fill_price, fill_amount, fill_value, fee, fee_asset, minus_fee,
    fee_rate, maker, taker, role, time."""
    trade = (
        str(fill.trade_id),
        fill.price,
        fill.amount,
        fill.fee,
        fill.fee_asset,
        fill.is_maker,
        fill.time,
    )
    return facts_of(fill.order) | _trade(*trade)


@facts_of.register
def _event(event: Event) -> Facts:
    """The same of an event, and its kind as ``event``; without a match the trade's facts are empty or 0."""
    match, what = event.match, facts_of(event.order) | {"event": event.kind}
    if match is None:
        return what | _trade("", ZERO, ZERO, ZERO, "", False, event.time)
    trade = (
        str(match.id),
        match.price,
        match.amount,
        event.fee,
        event.fee_asset,
        match.maker is event.order,
    )
    return what | _trade(*trade, event.time)


def _trade(
    trade_id: str, price: Decimal, amount: Decimal, fee: Decimal, asset: str, maker: bool, ns: int
) -> Facts:
    what = {
        "fill_price": text(price),
        "fill_amount": text(amount),
        "fill_value": text(price * amount),
    }
    fees = {"fee": f"{fee:f}", "minus_fee": f"{-fee:f}", "fee_asset": asset}
    role = {
        "trade_id": trade_id,
        "maker": maker,
        "taker": not maker,
        **cased("role", "maker" if maker else "taker"),
    }
    return {**what, **fees, **role, **times("time", ns)}


@facts_of.register
def _account(account: Account) -> Facts:
    return {}


@facts_of.register
def _held(held: Held) -> Facts:
    """asset, total, free, held."""
    what = held.holding
    return {
        "asset": held.asset,
        "total": f"{what.total:f}",
        "free": f"{what.free:f}",
        "held": f"{what.held:f}",
    }
