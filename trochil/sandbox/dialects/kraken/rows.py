"""Kraken's names, ids and rows, as its REST v0 and its websocket v2 write them.

Source: its public API documentation. By REST numbers are texts; on the socket they are JSON numbers
with all their digits.
"""

import re
from decimal import Decimal
from typing import Any

from msgspec import Raw

from trochil.sandbox.candles import Candle
from trochil.sandbox.checksum_windows import BookEntry
from trochil.sandbox.dialect import MarketStats, Row
from trochil.sandbox.formats import decimal_places, decimal_text, exact_text, iso_time
from trochil.sandbox.market.accounts import ZERO, Account, Balance
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.venue import Event, Fill, Symbol

ASSET_CODES = {"BTC": "XXBT", "ETH": "XETH", "DOGE": "XXDG", "USD": "ZUSD", "EUR": "ZEUR"}
"""What REST calls an asset, where that is not its usual name."""
ORDER_STATE = {
    "new": "open",
    "partially_filled": "open",
    "filled": "closed",
    "cancelled": "canceled",
    "expired": "expired",
}
"""Of an order by REST."""
ORDER_STATUS = {
    "new": "new",
    "partially_filled": "partially_filled",
    "filled": "filled",
    "cancelled": "canceled",
    "expired": "expired",
}
"""Of an order on the socket."""
END_REASONS = {"filled": None, "cancelled": "User requested", "expired": "Order expired"}
ORDER_ID = re.compile(r"O([0-9]{5})-([0-9]{5})-([0-9]{6,})")
COST_DECIMALS = 5
VOLUME_DECIMALS = 8


# Names, ids and numbers.


def asset_code(asset: str) -> str:
    return ASSET_CODES.get(asset, asset)


def old_name(name: str) -> str:
    """As the venue called the assets before websocket v2."""
    return name.replace("BTC", "XBT").replace("DOGE", "XDG")


def pair_key(pair: str) -> str:
    """XXBTZUSD."""
    return "".join(asset_code(asset) for asset in pair.split("-"))


def alternative_name(pair: str) -> str:
    """XBTUSD."""
    return old_name(pair).replace("-", "")


def old_socket_name(pair: str) -> str:
    """XBT/USD."""
    return old_name(pair).replace("-", "/")


def order_id(order: Order) -> str:
    """O00000-00000-001001: letters and digits grouped as in the venue's ids."""
    digits = f"{order.id:016d}"
    return f"O{digits[:5]}-{digits[5:10]}-{digits[10:]}"


def ledger_id_of(txid: str) -> str:
    """The venue's own number of an order's id; "" for what is no such id."""
    found = ORDER_ID.fullmatch(txid)
    return str(int("".join(found.groups()))) if found else ""


def execution_id(fill: Fill) -> str:
    """T00000-01001-000001, of the order and the trade: both sides of a trade have their own."""
    digits = f"{fill.order.id:010d}{fill.trade_id:06d}"
    return f"T{digits[:5]}-{digits[5:10]}-{digits[10:]}"


def sent_client_id(order: Order) -> str:
    """ "" where the client gave none: the market names such orders itself."""
    return "" if order.client_id == f"sandbox{order.id}" else order.client_id


def padded_text(value: Decimal, places: int) -> str:
    """All digits that the value has, and zeros up to so many places."""
    return f"{value:.{max(places, decimal_places(value.normalize()))}f}"


def rounded_text(value: Decimal, places: int) -> str:
    return f"{value:.{places}f}"


def volume_text(value: Decimal) -> str:
    return padded_text(value, VOLUME_DECIMALS)


def seconds(ns: int) -> float:
    """Unix seconds, exact to 100 ns."""
    return round(ns / 1e9, 7)


def whole_seconds(ns: int) -> str:
    """2023-07-06T18:52:00Z."""
    return f"{iso_time(ns)[:19]}Z"


def number(text: str) -> Raw:
    """A JSON number with all digits that it is written with."""
    return Raw(text.encode())


def price_number(symbol: Symbol, price: Decimal) -> Raw:
    """With the digits of the pair's tick."""
    return number(padded_text(price, decimal_places(symbol.price_tick)))


def volume_number(value: Decimal) -> Raw:
    return number(volume_text(value))


def cost_number(value: Decimal) -> Raw:
    return number(padded_text(value, COST_DECIMALS))


def plain_number(value: Decimal) -> Raw:
    return number(decimal_text(value))


# Rows of REST: markets.


def asset_row(asset: str) -> Row:
    """GET /0/public/Assets."""
    return {
        "aclass": "currency",
        "altname": old_name(asset),
        "decimals": 10,
        "display_decimals": 5,
        "status": "enabled",
    }


def asset_pair_row(symbol: Symbol, maker_fee: Decimal, taker_fee: Decimal) -> Row:
    """GET /0/public/AssetPairs. A fee is [volume from which it holds, percent]."""
    return {
        "altname": alternative_name(symbol.pair),
        "wsname": old_socket_name(symbol.pair),
        "aclass_base": "currency",
        "base": asset_code(symbol.base),
        "aclass_quote": "currency",
        "quote": asset_code(symbol.quote),
        "lot": "unit",
        "cost_decimals": COST_DECIMALS,
        "pair_decimals": decimal_places(symbol.price_tick),
        "lot_decimals": decimal_places(symbol.size_step),
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, float(taker_fee * 100)]],
        "fees_maker": [[0, float(maker_fee * 100)]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": decimal_text(symbol.size_step),
        "costmin": decimal_text(symbol.min_notional),
        "tick_size": decimal_text(symbol.price_tick),
        "status": "online" if symbol.trading else "cancel_only",
    }


def ticker_row(stats: MarketStats) -> Row:
    """GET /0/public/Ticker. Pairs of values: of today, and of the last 24 hours."""
    day = stats.day
    volume = volume_text(day.volume)
    average = rounded_text(day.average_price, COST_DECIMALS)
    high = padded_text(day.high, COST_DECIMALS)
    low = padded_text(day.low, COST_DECIMALS)
    return {
        "a": quote_texts(stats.ask, stats.ask_size),
        "b": quote_texts(stats.bid, stats.bid_size),
        "c": [padded_text(stats.last, COST_DECIMALS), volume_text(stats.last_size)],
        "v": [volume, volume],
        "p": [average, average],
        "t": [day.count, day.count],
        "l": [low, low],
        "h": [high, high],
        "o": padded_text(day.open, COST_DECIMALS),
    }


def quote_texts(price: Decimal, size: Decimal) -> list[str]:
    """Price, whole lots, lots."""
    return [padded_text(price, COST_DECIMALS), str(int(size)), padded_text(size, 3)]


def depth_row(price: Decimal, size: Decimal, second: int) -> list[Any]:
    """GET /0/public/Depth: price, volume, time."""
    return [padded_text(price, COST_DECIMALS), padded_text(size, 3), second]


def public_trade_row(match: Match) -> list[Any]:
    """GET /0/public/Trades: price, volume, time, the taker's side, its type, miscellaneous, id."""
    return [
        padded_text(match.price, COST_DECIMALS),
        volume_text(match.amount),
        seconds(match.time),
        "b" if match.taker.is_buy else "s",
        "m" if match.taker.is_market else "l",
        "",
        match.id,
    ]


def candle_row(candle: Candle) -> list[Any]:
    """GET /0/public/OHLC: time, open, high, low, close, average, volume, number of trades."""
    return [
        candle.begin,
        decimal_text(candle.open),
        decimal_text(candle.high),
        decimal_text(candle.low),
        decimal_text(candle.close),
        rounded_text(candle.average_price, COST_DECIMALS),
        volume_text(candle.volume),
        candle.count,
    ]


# Rows of REST: an account.


def order_kind(order: Order) -> str:
    return "market" if order.is_market else "limit"


def limit_text(price: Decimal | None, symbol: Symbol) -> str:
    """ "0" without a limit."""
    return "0" if price is None else padded_text(price, decimal_places(symbol.price_tick))


def order_text(side: str, size: Decimal, price: Decimal | None, symbol: Symbol) -> str:
    """buy 0.01000000 XBTUSD @ limit 30000.00; @ market without a price."""
    kind = "market" if price is None else f"limit {limit_text(price, symbol)}"
    return f"{side} {volume_text(size)} {alternative_name(symbol.pair)} @ {kind}"


def order_flags(order: Order) -> str:
    flags = ["fciq"]
    if order.is_post_only:
        flags.insert(0, "post")
    if order.quote_amount is not None:
        flags.append("viqc")
    return ",".join(flags)


def order_row(order: Order, symbol: Symbol, userref: int, trades: list[str] | None) -> Row:
    """POST /0/private/QueryOrders, OpenOrders, ClosedOrders. ``trades``: ids, where they are asked
    for."""
    client_id = sent_client_id(order)
    end = {"reason": END_REASONS[order.state]} if not order.is_open else {}
    end_time = {"closetm": seconds(order.updated)} if not order.is_open else {}
    return {
        "refid": None,
        "userref": userref,
        **({"cl_ord_id": client_id} if client_id else {}),
        "status": ORDER_STATE[order.state],
        **end,
        "opentm": seconds(order.time),
        **end_time,
        "starttm": 0,
        "expiretm": 0,
        "descr": {
            "pair": alternative_name(order.symbol),
            "type": order.side,
            "ordertype": order_kind(order),
            "price": limit_text(order.price, symbol),
            "price2": "0",
            "leverage": "none",
            "order": order_text(order.side, order.size, order.price, symbol),
            "close": "",
        },
        "vol": volume_text(order.size),
        "vol_exec": volume_text(order.filled),
        "cost": padded_text(order.quote_filled, COST_DECIMALS),
        "fee": padded_text(order.fees, COST_DECIMALS),
        "price": rounded_text(order.average_price, COST_DECIMALS),
        "stopprice": "0.00000",
        "limitprice": "0.00000",
        "misc": "",
        "oflags": order_flags(order),
        **({"trades": trades} if trades is not None else {}),
    }


def fill_row(fills: list[Fill]) -> Row:
    """POST /0/private/TradesHistory, QueryTrades: one fill, or several that are shown as one."""
    first = fills[0]
    amount = sum((fill.amount for fill in fills), ZERO)
    value = sum((fill.value for fill in fills), ZERO)
    price = first.price if len(fills) == 1 else round(value / amount, VOLUME_DECIMALS)
    return {
        "ordertxid": order_id(first.order),
        "postxid": "",
        "pair": pair_key(first.order.symbol),
        "aclass": "forex",
        "time": seconds(first.time),
        "type": first.order.side,
        "ordertype": order_kind(first.order),
        "price": padded_text(price, COST_DECIMALS),
        "cost": padded_text(value, COST_DECIMALS),
        "fee": padded_text(sum((fill.fee for fill in fills), ZERO), COST_DECIMALS),
        "vol": volume_text(amount),
        "margin": "0.00000",
        "leverage": "0",
        "misc": "",
        "trade_id": first.trade_id,
        "maker": first.is_maker,
    }


def extended_balance_row(balance: Balance) -> Row:
    """POST /0/private/BalanceEx."""
    return {"balance": exact_text(balance.total), "hold_trade": exact_text(balance.held)}


def fee_row(fee: Decimal) -> Row:
    """POST /0/private/TradeVolume, in percent. There is one tier of fees."""
    percent = rounded_text(fee * 100, 4)
    return {
        "fee": percent,
        "minfee": percent,
        "maxfee": percent,
        "nextfee": None,
        "nextvolume": None,
        "tiervolume": "0.0000",
    }


# Rows of the socket: markets.


def level_row(level: BookEntry) -> Row:
    """book."""
    return {"price": number(level.price), "qty": number(level.size)}


def resting_order_row(entry: BookEntry) -> Row:
    """level3. Its ids are the venue's own numbers."""
    event = {"event": entry.event} if entry.event else {}
    digits = f"{int(entry.id):016d}"
    return {
        **event,
        "order_id": f"O{digits[:5]}-{digits[5:10]}-{digits[10:]}",
        "limit_price": number(entry.price),
        "order_qty": number(entry.size),
        "timestamp": f"{iso_time(entry.time)[:-1]}{entry.time % 1000:03d}Z",
    }


BOOK_ROWS = {"book": level_row, "level3": resting_order_row}


def trade_row(name: str, symbol: Symbol, match: Match) -> Row:
    """trade."""
    return {
        "symbol": name,
        "side": match.taker.side,
        "price": price_number(symbol, match.price),
        "qty": volume_number(match.amount),
        "ord_type": order_kind(match.taker),
        "trade_id": match.id,
        "timestamp": iso_time(match.time),
    }


def quote_row(name: str, symbol: Symbol, stats: MarketStats, time_ns: int) -> Row:
    """ticker."""
    day = stats.day
    change = day.close - day.open
    return {
        "symbol": name,
        "bid": price_number(symbol, stats.bid),
        "bid_qty": volume_number(stats.bid_size),
        "ask": price_number(symbol, stats.ask),
        "ask_qty": volume_number(stats.ask_size),
        "last": price_number(symbol, stats.last),
        "volume": volume_number(day.volume),
        "vwap": number(rounded_text(day.average_price, decimal_places(symbol.price_tick))),
        "low": price_number(symbol, day.low),
        "high": price_number(symbol, day.high),
        "change": price_number(symbol, change),
        "change_pct": number(rounded_text(day.change * 100, 2)),
        "timestamp": iso_time(time_ns),
    }


def candle_object(name: str, symbol: Symbol, candle: Candle, minutes: int) -> Row:
    """ohlc. ``timestamp`` is the interval's end."""
    return {
        "symbol": name,
        "open": price_number(symbol, candle.open),
        "high": price_number(symbol, candle.high),
        "low": price_number(symbol, candle.low),
        "close": price_number(symbol, candle.close),
        "vwap": number(rounded_text(candle.average_price, decimal_places(symbol.price_tick))),
        "trades": candle.count,
        "volume": volume_number(candle.volume),
        "interval_begin": f"{iso_time(candle.begin * 10**9)[:-1]}000Z",
        "interval": minutes,
        "timestamp": iso_time((candle.begin + minutes * 60) * 10**9),
    }


def instrument_asset_row(asset: str) -> Row:
    """instrument: an asset."""
    return {
        "id": asset,
        "status": "enabled",
        "precision": 10,
        "precision_display": 5,
        "multiplier": 1,
        "borrowable": False,
        "collateral_value": 0,
        "margin_rate": 0,
    }


def instrument_pair_row(name: str, symbol: Symbol) -> Row:
    """instrument: a pair."""
    return {
        "symbol": name,
        "base": symbol.base,
        "quote": symbol.quote,
        "status": "online" if symbol.trading else "cancel_only",
        "qty_precision": decimal_places(symbol.size_step),
        "qty_increment": plain_number(symbol.size_step),
        "qty_min": plain_number(symbol.size_step),
        "price_precision": decimal_places(symbol.price_tick),
        "price_increment": plain_number(symbol.price_tick),
        "tick_size": plain_number(symbol.price_tick),
        "cost_precision": COST_DECIMALS,
        "cost_min": plain_number(symbol.min_notional),
        "marginable": False,
        "has_index": False,
    }


# Rows of the socket: an account.


def order_object(name: str, symbol: Symbol, order: Order, userref: int, exec_type: str) -> Row:
    """executions: the terms of an order and what has become of it."""
    client_id = sent_client_id(order)
    limit = {"limit_price": price_number(symbol, order.price)} if order.price else {}
    size = "order_qty" if order.quote_amount is None else "cash_order_qty"
    status = "pending_new" if exec_type == "pending_new" else ORDER_STATUS[order.state]
    return {
        "order_id": order_id(order),
        "order_userref": userref,
        **({"cl_ord_id": client_id} if client_id else {}),
        "symbol": name,
        "side": order.side,
        "order_type": order_kind(order),
        size: volume_number(order.size),
        **limit,
        "limit_price_type": "static",
        "time_in_force": order.tif,
        "post_only": order.is_post_only,
        "cum_qty": volume_number(order.filled),
        "cum_cost": cost_number(order.quote_filled),
        "avg_price": number(rounded_text(order.average_price, COST_DECIMALS)),
        "fee_ccy_pref": "fciq",
        "exec_type": exec_type,
        "order_status": status,
        "timestamp": iso_time(order.updated),
    }


def status_row(order: Order, userref: int, status: str, time_ns: int) -> Row:
    """executions: an order's new status; its terms are left out."""
    return {
        "timestamp": iso_time(time_ns),
        "order_status": status,
        "exec_type": status,
        "order_userref": userref,
        "order_id": order_id(order),
    }


def ended_order_row(order: Order, userref: int, time_ns: int) -> Row:
    """executions: an order that was filled or cancelled, or has expired."""
    reason = END_REASONS[order.state]
    return {
        **status_row(order, userref, ORDER_STATUS[order.state], time_ns),
        "cum_qty": volume_number(order.filled),
        "cum_cost": cost_number(order.quote_filled),
        "avg_price": number(rounded_text(order.average_price, COST_DECIMALS)),
        **({"reason": reason, "cancel_reason": reason} if reason else {}),
    }


def execution_row(name: str, symbol: Symbol, fill: Fill, userref: int) -> Row:
    """executions: a trade."""
    order = fill.order
    fee = plain_number(fill.fee)
    client_id = sent_client_id(order)
    return {
        "order_id": order_id(order),
        "order_userref": userref,
        **({"cl_ord_id": client_id} if client_id else {}),
        "exec_id": execution_id(fill),
        "exec_type": "trade",
        "trade_id": fill.trade_id,
        "symbol": name,
        "side": order.side,
        "order_type": order_kind(order),
        "order_status": ORDER_STATUS[order.state],
        "last_qty": volume_number(fill.amount),
        "last_price": price_number(symbol, fill.price),
        "cost": plain_number(fill.value),
        "liquidity_ind": "m" if fill.is_maker else "t",
        "fees": [{"asset": fill.fee_asset, "qty": fee}],
        **({"fee_usd_equiv": fee} if fill.fee_asset == "USD" else {}),
        "cum_qty": volume_number(order.filled),
        "cum_cost": cost_number(order.quote_filled),
        "timestamp": iso_time(fill.time),
    }


def balance_rows(account: Account) -> list[Row]:
    """balances: the snapshot."""
    rows = []
    for balance in account.balances():
        total = plain_number(balance.total)
        wallet = {"type": "spot", "id": "main", "balance": total}
        rows.append(
            {
                "asset": balance.asset,
                "asset_class": "currency",
                "balance": total,
                "wallets": [wallet],
            }
        )
    return rows


def ledger_rows(event: Event, symbol: Symbol, fill: Fill) -> list[Row]:
    """balances: what a trade has changed, in base and in quote. The fee is paid in quote."""
    sign = 1 if fill.order.is_buy else -1
    changes = (
        (symbol.base, sign * fill.amount, ZERO),
        (symbol.quote, -sign * fill.value, fill.fee),
    )
    digits = execution_id(fill)[1:]
    return [
        {
            "asset": asset,
            "asset_class": "currency",
            "amount": plain_number(amount),
            "balance": plain_number(event.order.account.of(asset).total),
            "fee": plain_number(fee),
            "ledger_id": f"L{digits[:-1]}{'BQ'[asset == symbol.quote]}",
            "ref_id": execution_id(fill),
            "timestamp": iso_time(event.time),
            "type": "trade",
            "category": "trade",
            "wallet_type": "spot",
            "wallet_id": "main",
        }
        for asset, amount, fee in changes
    ]
