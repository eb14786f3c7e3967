"""HTX's rows as its documentation (v1.0) shows them: numbers are JSON numbers in market data, texts
of 18 digits behind the point in those of accounts."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from trochil.sandbox.book_windows import BookLevel, BookWindow, Levels
from trochil.sandbox.candles import Candle
from trochil.sandbox.dialect import MarketStats, OrderKind, Row, TimeInForce
from trochil.sandbox.formats import decimal_places, exact_text, json_number, milliseconds
from trochil.sandbox.market.accounts import ZERO, Balance
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.venue import Event, Fill, Symbol

ACCOUNT_ID = 7
"""Of everybody's spot account."""
USER_ID = 1007
VALUE_PLACES = 8
"""Digits behind the point of what a purchase at the market's price may cost."""
MOST_VALUE = Decimal(10_000_000)
"""Of a purchase at the market's price."""
LISTED_MS = 1_514_779_200_000
"""Since when every market is open."""
MERGED_LEVELS = 20
"""Levels a side of a book whose prices are merged."""
TERMS_OF_TYPE: dict[str, tuple[OrderKind, TimeInForce]] = {
    "limit": ("limit", "GTC"),
    "ioc": ("limit", "IOC"),
    "limit-fok": ("limit", "FOK"),
    "limit-maker": ("post_only", "GTC"),
    "market": ("market", "GTC"),
}
"""An order's type behind its side, as in "buy-limit-maker"."""
TYPE_OF_TERMS: dict[tuple[str, str], str] = {
    terms: type_name for type_name, terms in TERMS_OF_TYPE.items()
}
OPEN_STATE = {"new": "submitted", "partially_filled": "partial-filled"}
STATE_NUMBER = {"partial-canceled": 5, "filled": 6, "canceled": 7, "canceling": 10}
"""How refusals of a cancel write the state of an order."""
EVENT_TYPE = {
    "new": "creation",
    "trade": "trade",
    "cancelled": "cancellation",
    "expired": "cancellation",
}


def long_text(value: Decimal | None) -> str:
    """18 digits behind the point; "0.0" for nothing."""
    return f"{value:.18f}" if value else "0.0"


# Markets and currencies.


def symbol_row(name: str, symbol: Symbol) -> Row:
    """GET /v1/common/symbols."""
    min_size = json_number(symbol.size_step)
    max_size = json_number(symbol.max_size)
    return {
        "symbol": name,
        "base-currency": symbol.base.lower(),
        "quote-currency": symbol.quote.lower(),
        "price-precision": decimal_places(symbol.price_tick),
        "amount-precision": decimal_places(symbol.size_step),
        "value-precision": VALUE_PLACES,
        "symbol-partition": "main",
        "state": "online" if symbol.trading else "suspend",
        "api-trading": "enabled",
        "tags": "",
        "min-order-amt": min_size,
        "max-order-amt": max_size,
        "min-order-value": json_number(symbol.min_notional),
        "limit-order-min-order-amt": min_size,
        "limit-order-max-order-amt": max_size,
        "limit-order-max-buy-amt": max_size,
        "limit-order-max-sell-amt": max_size,
        "sell-market-min-order-amt": min_size,
        "sell-market-max-order-amt": max_size,
        "buy-market-max-order-value": json_number(MOST_VALUE),
    }


def market_symbol_row(name: str, symbol: Symbol) -> Row:
    """GET /v1/settings/common/market-symbols."""
    min_size = json_number(symbol.size_step)
    max_size = json_number(symbol.max_size)
    return {
        "symbol": name,
        "state": "online" if symbol.trading else "suspend",
        "bc": symbol.base.lower(),
        "qc": symbol.quote.lower(),
        "pp": decimal_places(symbol.price_tick),
        "ap": decimal_places(symbol.size_step),
        "vp": VALUE_PLACES,
        "sp": "main",
        "minoa": min_size,
        "maxoa": max_size,
        "minov": json_number(symbol.min_notional),
        "lominoa": min_size,
        "lomaxoa": max_size,
        "lomaxba": max_size,
        "lomaxsa": max_size,
        "smminoa": min_size,
        "smmaxoa": max_size,
        "bmmaxov": json_number(MOST_VALUE),
        "at": "enabled",
        "tags": "",
    }


def symbol_settings_row(name: str, symbol: Symbol) -> Row:
    """GET /v2/settings/common/symbols."""
    return {
        "sc": name,
        "dn": symbol.pair.replace("-", "/"),
        "bc": symbol.base.lower(),
        "bcdn": symbol.base,
        "qc": symbol.quote.lower(),
        "qcdn": symbol.quote,
        "state": "online" if symbol.trading else "suspend",
        "tpp": decimal_places(symbol.price_tick),
        "tap": decimal_places(symbol.size_step),
        "ttp": VALUE_PLACES,
        "fp": VALUE_PLACES,
        "sp": "main",
        "toa": LISTED_MS,
        "w": 999_400_000,
        "whe": False,
        "cd": False,
        "te": symbol.trading,
        "tags": "",
        "p": [],
        "d": None,
        "elr": None,
        "smlr": None,
        "flr": None,
        "lr": None,
        "wr": None,
    }


def currency_settings_row(asset: str, is_quote: bool) -> Row:
    """GET /v2/settings/common/currencies; the sandbox moves nothing in or out."""
    return {
        "name": asset.lower(),
        "dn": asset,
        "fn": asset,
        "at": 1,
        "vat": LISTED_MS,
        "v": True,
        "w": 10_000,
        "wp": VALUE_PLACES,
        "sp": "8",
        "ft": "eth",
        "dma": "1",
        "wma": "1",
        "fc": 12,
        "sc": 12,
        "qc": is_quote,
        "state": "online",
        "de": False,
        "wed": False,
        "cawt": False,
        "whe": False,
        "cd": False,
        "swd": None,
        "sdd": None,
        "svd": None,
        "wd": None,
        "dd": None,
        "sa": None,
        "ss": None,
        "iqc": is_quote,
        "tags": "",
    }


# Market data.


def traded_row(candle: Candle) -> Row:
    """What summaries of a day and candles have: volumes in base and in quote."""
    return {
        "open": json_number(candle.open),
        "high": json_number(candle.high),
        "low": json_number(candle.low),
        "close": json_number(candle.close),
        "amount": json_number(candle.volume),
        "vol": json_number(candle.quote_volume),
        "count": candle.count,
    }


def candle_row(candle: Candle) -> Row:
    """GET /market/history/kline."""
    return {"id": candle.begin, **traded_row(candle)}


def quote_row(stats: MarketStats) -> Row:
    return {
        "bid": json_number(stats.bid),
        "bidSize": json_number(stats.bid_size),
        "ask": json_number(stats.ask),
        "askSize": json_number(stats.ask_size),
    }


def ticker_row(name: str, stats: MarketStats) -> Row:
    """GET /market/tickers."""
    return {"symbol": name, **traded_row(stats.day), **quote_row(stats)}


def ticker_channel_row(stats: MarketStats) -> Row:
    """market.$symbol.ticker."""
    return {
        **traded_row(stats.day),
        **quote_row(stats),
        "lastPrice": json_number(stats.last),
        "lastSize": json_number(stats.last_size),
    }


def merged_row(stats: MarketStats, version: int) -> Row:
    """GET /market/detail/merged."""
    return {
        "id": version,
        "version": version,
        **traded_row(stats.day),
        "bid": [json_number(stats.bid), json_number(stats.bid_size)],
        "ask": [json_number(stats.ask), json_number(stats.ask_size)],
    }


def detail_row(stats: MarketStats, version: int) -> Row:
    """GET /market/detail and market.$symbol.detail."""
    return {"id": version, "version": version, **traded_row(stats.day)}


def best_row(name: str, stats: MarketStats, number: int, now_ms: int) -> Row:
    """market.$symbol.bbo."""
    return {"seqId": number, "quoteTime": now_ms, "symbol": name, **quote_row(stats)}


def number_rows(levels: Levels) -> list[list[int | float]]:
    """[[price, size], ...] as numbers."""
    return [[json_number(price), json_number(size)] for price, size in levels]


def image_row(window: BookWindow, now_ms: int) -> Row:
    """The tick of a whole book."""
    return {
        "version": window.last_id,
        "ts": now_ms,
        "bids": number_rows(window.bids),
        "asks": number_rows(window.asks),
    }


def changes_row(window: BookWindow) -> Row:
    """The tick of what changed in a book; without prevSeqNum it is the whole window."""
    previous = {} if window.is_snapshot else {"prevSeqNum": window.previous_id}
    return {
        "seqNum": window.last_id,
        **previous,
        "bids": number_rows(window.bids),
        "asks": number_rows(window.asks),
    }


def merged_levels(levels: Levels, step: Decimal, *, is_bid: bool) -> Levels:
    """Best first: the sizes of all prices that one multiple of ``step`` stands for, bids rounded
    down and asks up."""
    rounding = ROUND_FLOOR if is_bid else ROUND_CEILING
    sizes: dict[Decimal, Decimal] = {}
    for price, size in levels:
        merged = (price / step).to_integral_value(rounding) * step
        if merged > 0:
            sizes[merged] = sizes.get(merged, ZERO) + size
    return [BookLevel(price, size) for price, size in sizes.items()][:MERGED_LEVELS]


def trade_row(match: Match, trade_id_name: str) -> Row:
    """One trade. Its id is above 64 bits. "direction": the taker's side."""
    return {
        "id": 10**26 + match.id,
        trade_id_name: match.id,
        "price": json_number(match.price),
        "amount": json_number(match.amount),
        "direction": match.taker.side,
        "ts": milliseconds(match.time),
    }


def trades_row(match: Match, trade_id_name: str) -> Row:
    """The same in a list of one."""
    time_ms = milliseconds(match.time)
    return {"id": match.id, "ts": time_ms, "data": [trade_row(match, trade_id_name)]}


# An account's rows.


def order_type(order: Order) -> str:
    return f"{order.side}-{TYPE_OF_TERMS[order.type, order.tif]}"


def order_state(order: Order) -> str:
    if order.state == "filled":
        return "filled"
    if not order.is_open:
        return "partial-canceled" if order.filled else "canceled"
    return "canceling" if order.is_cancelling else OPEN_STATE[order.state]


def client_order_id(order: Order) -> str:
    """Empty of orders that were placed without one."""
    return "" if order.client_id == f"sandbox{order.id}" else order.client_id


def order_row(name: str, order: Order) -> Row:
    """What every route shows of an order."""
    state = order_state(order)
    closed_ms = 0 if order.is_open else milliseconds(order.updated)
    return {
        "id": order.id,
        "symbol": name,
        "account-id": ACCOUNT_ID,
        "client-order-id": client_order_id(order),
        "amount": long_text(order.size),
        "price": long_text(order.price),
        "type": order_type(order),
        "state": state,
        "source": "spot-api",
        "created-at": milliseconds(order.time),
        "finished-at": closed_ms,
        "canceled-at": 0 if state == "filled" else closed_ms,
    }


def open_order_row(name: str, order: Order) -> Row:
    """GET /v1/order/openOrders."""
    return order_row(name, order) | {
        "filled-amount": long_text(order.filled),
        "filled-cash-amount": long_text(order.quote_filled),
        "filled-fees": long_text(order.fees),
    }


def single_order_row(name: str, order: Order) -> Row:
    """GET /v1/order/orders/{id} and lists of past orders, with other names (the venue's
    spelling)."""
    return order_row(name, order) | {
        "field-amount": long_text(order.filled),
        "field-cash-amount": long_text(order.quote_filled),
        "field-fees": long_text(order.fees),
    }


def fill_row(name: str, fill: Fill) -> Row:
    """GET /v1/order/matchresults."""
    return {
        "id": fill.trade_id,
        "trade-id": fill.trade_id,
        "match-id": fill.trade_id,
        "order-id": fill.order.id,
        "symbol": name,
        "type": order_type(fill.order),
        "source": "spot-api",
        "role": "maker" if fill.is_maker else "taker",
        "price": long_text(fill.price),
        "filled-amount": long_text(fill.amount),
        "filled-fees": exact_text(fill.fee),
        "fee-currency": fill.fee_asset.lower(),
        "filled-points": "0.0",
        "fee-deduct-currency": "",
        "fee-deduct-state": "done",
        "created-at": milliseconds(fill.time),
    }


def held_rows(balances: list[Balance], now_ms: int) -> list[Row]:
    """GET /v1/account/accounts/{id}/balance: what is free of each currency and what is frozen."""
    return [
        {
            "currency": balance.asset.lower(),
            "type": kind,
            "balance": exact_text(balance.free if kind == "trade" else balance.held),
            "seq-num": str(now_ms),
        }
        for balance in balances
        for kind in ("trade", "frozen")
    ]


def size_row(order: Order) -> Row:
    """Purchases by value have no size, but a value."""
    name = "orderSize" if order.quote_amount is None else "orderValue"
    return {name: long_text(order.size)}


def order_event_row(name: str, event: Event) -> Row:
    """orders#SYMBOL."""
    order = event.order
    return {
        "symbol": name,
        "orderId": order.id,
        "clientOrderId": client_order_id(order),
        "accountId": ACCOUNT_ID,
        "type": order_type(order),
        "orderStatus": order_state(order),
        "orderSource": "spot-api",
        "orderPrice": long_text(order.price),
        **size_row(order),
        "eventType": EVENT_TYPE[event.kind],
        **_happening(event),
    }


def _happening(event: Event) -> Row:
    """What an order's event has that the others have not."""
    if event.kind == "new":
        return {"orderCreateTime": milliseconds(event.order.time)}
    if event.kind == "trade":
        return deal_row(event) | progress_row(event.order)
    return {"lastActTime": milliseconds(event.time), **progress_row(event.order)}


def deal_row(event: Event) -> Row:
    """An event's trade."""
    return {
        "tradePrice": long_text(event.trade_price),
        "tradeVolume": long_text(event.trade_amount),
        "tradeId": event.trade_id,
        "tradeTime": milliseconds(event.time),
        "aggressor": not event.is_maker,
    }


def progress_row(order: Order) -> Row:
    """In quote where the size is."""
    executed = order.filled if order.quote_amount is None else order.quote_filled
    return {"remainAmt": long_text(order.size - executed), "execAmt": long_text(executed)}


def clearing_row(name: str, event: Event) -> Row:
    """trade.clearing#SYMBOL: a trade with its fee, or a cancellation. Here the order's id is a
    text."""
    order = event.order
    row: dict[str, Any] = {
        "eventType": EVENT_TYPE[event.kind],
        "symbol": name,
        "orderId": str(order.id),
        "clientOrderId": client_order_id(order),
        "orderSide": order.side,
        "orderType": order_type(order),
        "orderStatus": order_state(order),
        "accountId": ACCOUNT_ID,
        "source": "spot-api",
        "orderPrice": long_text(order.price),
        **size_row(order),
        "orderCreateTime": milliseconds(order.time),
    }
    if event.match is None:
        return row | {"remainAmt": progress_row(order)["remainAmt"]}
    return row | {
        **deal_row(event),
        "transactFee": exact_text(event.fee),
        "feeCurrency": event.fee_asset.lower(),
        "feeDeduct": "0",
        "feeDeductType": "",
    }
