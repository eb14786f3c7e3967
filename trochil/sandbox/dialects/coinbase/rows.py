"""Rows of Coinbase Exchange: what its answers and messages look like.

Source: its public API documentation (REST, websocket feed). Amounts are texts: in the answers about
orders, fills and accounts with 8 or 16 digits behind the point, in the feed without trailing zeros.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from trochil.sandbox.book_windows import Levels, level_rows
from trochil.sandbox.candles import Candle
from trochil.sandbox.dialect import MarketStats, Row
from trochil.sandbox.formats import (
    decimal_places,
    decimal_text,
    iso_time,
    json_number,
    uuid_of,
)
from trochil.sandbox.market.accounts import ZERO, Account, Balance
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.venue import Fill, Symbol

UUID_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
DONE_REASON = {"filled": "filled", "cancelled": "canceled", "expired": "canceled"}
BY_TIME_IN_FORCE = "101:Time In Force"
BY_SELF_TRADE_PREVENTION = "102:Self Trade Prevention"
BY_LIQUIDITY = "106:Insufficient Liquidity"
DOLLARS = ("USD", "USDC", "USDT")
MARKET_TYPE = "spot"
LEVEL3_SCHEMA = {
    "change": ["type", "product_id", "sequence", "order_id", "price", "size", "time"],
    "done": ["type", "product_id", "sequence", "order_id", "time"],
    "match": [
        "type",
        "product_id",
        "sequence",
        "maker_order_id",
        "taker_order_id",
        "price",
        "size",
        "time",
    ],
    "noop": ["type", "product_id", "sequence", "time"],
    "open": ["type", "product_id", "sequence", "order_id", "side", "price", "size", "time"],
}
"""What stands where in a message of the channel level3."""


@dataclass(frozen=True, slots=True)
class OrderDetails:
    """What the venue knows of an order besides, by its client's wishes."""

    expires: int = 0
    """ns; 0: good till cancelled."""
    specified_funds: Decimal = ZERO
    """In quote, with the fee."""


NO_DETAILS = OrderDetails()


# Numbers, times and ids.


def eight_digits(value: Decimal | None) -> str:
    return f"{value or ZERO:.8f}"


def sixteen_digits(value: Decimal) -> str:
    return f"{value:.16f}"


def short_time(ns: int) -> str:
    """2024-01-01T00:00:00.000Z."""
    return iso_time(ns)[:-4] + "Z"


def random_looking_uuid(*names: str) -> str:
    """The same for the same names."""
    return str(UUID(bytes=hashlib.sha256("/".join(names).encode()).digest()[:16], version=4))


def user_id(account: Account) -> str:
    return hashlib.sha256(account.name.encode()).hexdigest()[:24]


def profile_id(account: Account) -> str:
    return random_looking_uuid("profile", account.name)


def account_id(account: Account, asset: str) -> str:
    """Of what an account has of one asset: the venue calls that an account."""
    return random_looking_uuid("account", account.name, asset)


# Markets.


def product_row(symbol: Symbol) -> Row:
    """GET /products."""
    return {
        "id": symbol.pair,
        "base_currency": symbol.base,
        "quote_currency": symbol.quote,
        "quote_increment": decimal_text(symbol.price_tick),
        "base_increment": decimal_text(symbol.size_step),
        "display_name": f"{symbol.base}-{symbol.quote}",
        "min_market_funds": decimal_text(symbol.min_notional),
        "margin_enabled": False,
        "post_only": False,
        "limit_only": False,
        "cancel_only": False,
        "status": "online" if symbol.trading else "delisted",
        "status_message": "",
        "trading_disabled": False,
        "fx_stablecoin": False,
        "max_slippage_percentage": "0.02000000",
        "auction_mode": False,
        "high_bid_limit_percentage": "",
    }


def currency_row(asset: str, step: Decimal) -> Row:
    """GET /currencies."""
    is_fiat = asset == "USD"
    return {
        "id": asset,
        "name": asset,
        "min_size": decimal_text(step),
        "status": "online",
        "message": "",
        "max_precision": decimal_text(step),
        "convertible_to": [],
        "details": {
            "type": "fiat" if is_fiat else "crypto",
            "symbol": None,
            "network_confirmations": None,
            "sort_order": 0,
            "crypto_address_link": None,
            "crypto_transaction_link": None,
            "push_payment_methods": [],
            "group_types": ["fiat" if is_fiat else "crypto"],
            "display_name": None,
            "processing_time_seconds": None,
            "min_withdrawal_amount": None,
            "max_withdrawal_amount": None,
        },
        "default_network": "",
        "supported_networks": [],
        "display_name": asset,
    }


def day_row(day: Candle) -> Row:
    """The last day in GET /products/stats; empty without trades."""
    if not day.count:
        return {}
    return {
        "open": decimal_text(day.open),
        "high": decimal_text(day.high),
        "low": decimal_text(day.low),
        "last": decimal_text(day.close),
        "volume": decimal_text(day.volume),
    }


def stats_row(day: Candle) -> Row:
    """GET /products/{product}/stats. The sandbox has no more than a day."""
    row = day_row(day) or dict.fromkeys(("open", "high", "low", "last", "volume"), "0")
    return row | {"volume_30day": row["volume"]}


def all_stats_row(day: Candle) -> Row:
    """GET /products/stats."""
    return {"stats_30day": {"volume": decimal_text(day.volume)}, "stats_24hour": day_row(day)}


def ticker_row(stats: MarketStats, last: Match | None, now_ns: int) -> Row:
    """GET /products/{product}/ticker."""
    quotes = {
        "ask": decimal_text(stats.ask),
        "bid": decimal_text(stats.bid),
        "volume": decimal_text(stats.volume),
    }
    if last is None:
        return quotes | {"price": decimal_text(stats.last), "time": iso_time(now_ns)}
    return quotes | {
        "trade_id": last.id,
        "price": decimal_text(last.price),
        "size": decimal_text(last.amount),
        "time": iso_time(last.time),
    }


def trade_row(match: Match) -> Row:
    """GET /products/{product}/trades. "side": the maker's."""
    return {
        "trade_id": match.id,
        "side": match.maker.side,
        "size": eight_digits(match.amount),
        "price": eight_digits(match.price),
        "time": iso_time(match.time),
    }


def candle_row(candle: Candle) -> list[int | float]:
    """GET /products/{product}/candles: time, low, high, open, close, volume."""
    numbers = (candle.low, candle.high, candle.open, candle.close, candle.volume)
    return [candle.begin, *map(json_number, numbers)]


def resting_row(order: Order) -> list[str]:
    """GET /products/{product}/book?level=3."""
    return [decimal_text(order.price), decimal_text(order.remaining), uuid_of(order.id)]


# An account.


def order_type(order: Order) -> str:
    return "market" if order.is_market else "limit"


def terms_row(order: Order, details: OrderDetails) -> Row:
    """What an order's client asked for."""
    row: Row = {
        "product_id": order.symbol,
        "profile_id": profile_id(order.account),
        "side": order.side,
        "type": order_type(order),
        "stp": "dc",
        "post_only": order.is_post_only,
    }
    if not order.is_market:
        row["time_in_force"] = "GTT" if details.expires else order.tif
    if details.expires:
        row["expire_time"] = iso_time(details.expires)
    if UUID_FORM.fullmatch(order.client_id):
        row["client_oid"] = order.client_id
    return row


def placed_row(order: Order, details: OrderDetails) -> Row:
    """POST /orders, answered before the matching engine has done anything."""
    sizes = {"size": order.amount, "price": order.price, "funds": order.quote_amount}
    if details.specified_funds:
        sizes["specified_funds"] = details.specified_funds
    return {
        "id": uuid_of(order.id),
        **{name: decimal_text(value) for name, value in sizes.items() if value},
        **terms_row(order, details),
        "created_at": iso_time(order.time),
        "fill_fees": "0",
        "filled_size": "0",
        "executed_value": "0",
        "market_type": MARKET_TYPE,
        "status": "pending",
        "settled": False,
    }


def order_row(order: Order, details: OrderDetails) -> Row:
    """GET /orders and GET /orders/{id}."""
    row: Row = {"id": uuid_of(order.id)}
    if order.price is not None and not order.is_market:
        row["price"] = eight_digits(order.price)
    if order.quote_amount is None:
        row["size"] = eight_digits(order.amount)
    else:
        row["funds"] = sixteen_digits(order.quote_amount)
        row["specified_funds"] = sixteen_digits(details.specified_funds or order.quote_amount)
    row |= terms_row(order, details)
    row |= {
        "created_at": iso_time(order.time),
        "fill_fees": sixteen_digits(order.fees),
        "filled_size": eight_digits(order.filled),
        "executed_value": sixteen_digits(order.quote_filled),
        "market_type": MARKET_TYPE,
        "status": "open" if order.is_open else "done",
        "settled": not order.is_open,
    }
    if not order.is_open:
        row["done_at"] = iso_time(order.updated)
        row["done_reason"] = DONE_REASON[order.state]
    return row


def rejected_row(message: str, now_ns: int) -> Row:
    """What a rejected order has besides what its client sent."""
    return {
        "id": random_looking_uuid("rejected", str(now_ns)),
        "status": "rejected",
        "fill_fees": "0",
        "filled_size": "0",
        "executed_value": "0",
        "created_at": iso_time(now_ns),
        "reject_reason": message,
        "settled": True,
    }


def account_row(account: Account, balance: Balance) -> Row:
    """GET /accounts."""
    return {
        "id": account_id(account, balance.asset),
        "currency": balance.asset,
        "balance": sixteen_digits(balance.total),
        "hold": sixteen_digits(balance.held),
        "available": sixteen_digits(balance.free),
        "profile_id": profile_id(account),
        "trading_enabled": True,
        "pending_deposit": "0.0000000000000000",
        "display_name": balance.asset,
    }


def fill_row(fill: Fill) -> Row:
    """GET /fills. "side": the account's."""
    account = fill.order.account
    quote = fill.order.symbol.partition("-")[2]
    return {
        "created_at": iso_time(fill.time),
        "trade_id": fill.trade_id,
        "product_id": fill.order.symbol,
        "order_id": uuid_of(fill.order.id),
        "user_id": user_id(account),
        "profile_id": profile_id(account),
        "liquidity": "M" if fill.is_maker else "T",
        "price": eight_digits(fill.price),
        "size": eight_digits(fill.amount),
        "fee": sixteen_digits(fill.fee),
        "side": fill.order.side,
        "settled": True,
        "usd_volume": sixteen_digits(fill.value) if quote in DOLLARS else None,
        "market_type": MARKET_TYPE,
        "funding_currency": quote,
    }


def fees_row(maker: Decimal, taker: Decimal, volume: Decimal) -> Row:
    """GET /fees."""
    return {
        "taker_fee_rate": str(taker),
        "maker_fee_rate": str(maker),
        "usd_volume": f"{volume:.2f}",
    }


# Messages of the feed.


def subscriptions_row(topics: Iterable[str]) -> Row:
    """All that a connection follows: topics are CHANNEL:PRODUCT, or balance:ACCOUNT."""
    found: dict[str, list[str]] = {}
    for topic in sorted(topics, key=lambda topic: topic.split(":", 1)):
        channel, _, name = topic.partition(":")
        found.setdefault(channel, []).extend([name] if name else [])
    return {
        "type": "subscriptions",
        "channels": [
            {
                "name": channel,
                "product_ids": [] if channel == "balance" else names,
                "account_ids": names if channel == "balance" else None,
            }
            for channel, names in found.items()
        ],
    }


def snapshot_message(pair: str, bids: Levels, asks: Levels) -> Row:
    """The whole book of the channels of levels."""
    return {
        "type": "snapshot",
        "product_id": pair,
        "asks": level_rows(asks),
        "bids": level_rows(bids),
    }


def levels_message(pair: str, changes: list[list[str]], time: str) -> Row:
    """Changed levels: side, price and new size of each."""
    return {"type": "l2update", "product_id": pair, "changes": changes, "time": time}


def received_row(order: Order) -> Row:
    sizes = {"size": order.amount, "funds": order.quote_amount}
    if not order.is_market:
        sizes["price"] = order.price
    return {
        "order_id": uuid_of(order.id),
        "order_type": order_type(order),
        **{name: decimal_text(value) for name, value in sizes.items() if value},
        "side": order.side,
    }


def open_row(order: Order) -> Row:
    return {
        "order_id": uuid_of(order.id),
        "price": decimal_text(order.price),
        "remaining_size": decimal_text(order.remaining),
        "side": order.side,
    }


def done_row(order: Order) -> Row:
    """A market order has neither price nor remaining size."""
    row: Row = {"order_id": uuid_of(order.id), "reason": DONE_REASON[order.state]}
    if not order.is_market:
        row["price"] = decimal_text(order.price)
        row["remaining_size"] = decimal_text(order.remaining)
    return row | {"side": order.side}


def match_row(match: Match) -> Row:
    """ "side": the maker's."""
    return {
        "trade_id": match.id,
        "maker_order_id": uuid_of(match.maker.id),
        "taker_order_id": uuid_of(match.taker.id),
        "side": match.maker.side,
        "size": decimal_text(match.amount),
        "price": decimal_text(match.price),
    }


def change_row(order: Order, by: Match) -> Row:
    """An order lost a part, so as not to trade with another one of its account; a market order of
    funds lost some of these."""
    row: Row = {"order_id": uuid_of(order.id), "reason": "STP", "side": order.side}
    if order.quote_amount is not None:
        row["old_funds"] = decimal_text(order.quote_amount + by.value)
        row["new_funds"] = decimal_text(order.quote_amount)
    else:
        row["old_size"] = decimal_text(order.left + by.amount)
        row["new_size"] = decimal_text(order.left)
    if not order.is_market:
        row["price"] = decimal_text(order.price)
    return row


def own_row(order: Order, kind: str) -> Row:
    """What the owner of an order is told of it besides."""
    row: Row = {"user_id": user_id(order.account), "profile_id": profile_id(order.account)}
    if kind == "received" and UUID_FORM.fullmatch(order.client_id):
        row["client_oid"] = order.client_id
    if kind == "done" and order.is_kept_apart:
        row["cancel_reason"] = BY_SELF_TRADE_PREVENTION
    elif kind == "done" and order.state == "expired":
        row["cancel_reason"] = BY_LIQUIDITY if order.is_market else BY_TIME_IN_FORCE
    return row


def own_match_row(order: Order, role: str, fee_rate: Decimal) -> Row:
    """What a side of a trade is told of it besides. ``role``: maker or taker."""
    user = user_id(order.account)
    profile = profile_id(order.account)
    return {
        "user_id": user,
        "profile_id": profile,
        f"{role}_user_id": user,
        f"{role}_profile_id": profile,
        f"{role}_fee_rate": str(fee_rate),
    }


def level3_row(kind: str, frame: Row) -> list[str]:
    """A message of the channel full as the channel level3 has it: noop for what has no row there,
    like an order that doesn't rest."""
    sizes = [frame[name] for name in ("size", "remaining_size", "new_size") if name in frame]
    row = frame | {"size": sizes[0] if sizes else ""}
    if kind not in LEVEL3_SCHEMA or (kind == "change" and "price" not in frame):
        row["type"] = kind = "noop"
    return [str(row[name]) for name in LEVEL3_SCHEMA[kind]]


def heartbeat_row(pair: str, sequence: int, last_trade_id: int, now_ns: int) -> Row:
    return {
        "type": "heartbeat",
        "sequence": sequence,
        "last_trade_id": last_trade_id,
        "product_id": pair,
        "time": iso_time(now_ns),
    }


def ticker_message(match: Match, sequence: int, stats: MarketStats) -> Row:
    """ "side": the taker's."""
    day = stats.day
    return {
        "type": "ticker",
        "sequence": sequence,
        "product_id": match.symbol,
        "price": decimal_text(match.price),
        "open_24h": decimal_text(day.open),
        "volume_24h": decimal_text(day.volume),
        "low_24h": decimal_text(day.low),
        "high_24h": decimal_text(day.high),
        "volume_30d": decimal_text(day.volume),
        "best_bid": decimal_text(stats.bid),
        "best_bid_size": decimal_text(stats.bid_size),
        "best_ask": decimal_text(stats.ask),
        "best_ask_size": decimal_text(stats.ask_size),
        "side": match.taker.side,
        "time": iso_time(match.time),
        "trade_id": match.id,
        "last_size": decimal_text(match.amount),
    }


def balance_message(account: Account, balance: Balance, now_ns: int) -> Row:
    return {
        "type": "balance",
        "account_id": account_id(account, balance.asset),
        "currency": balance.asset,
        "holds": decimal_text(balance.held),
        "available": decimal_text(balance.free),
        "updated": short_time(now_ns),
        "timestamp": short_time(now_ns),
    }


def unit_text(step: Decimal) -> str:
    """A step or a limit in the words of a refusal."""
    return f"{step:.{max(8, decimal_places(step))}f}"
