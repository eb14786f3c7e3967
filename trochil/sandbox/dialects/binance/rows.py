"""Rows of answers and frames. Their times are in ns until they leave."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from trochil.sandbox.book_windows import Levels
from trochil.sandbox.candles import Candle
from trochil.sandbox.dialect import (
    Row,
)
from trochil.sandbox.dialects.binance.public_trades import AggregateTrade
from trochil.sandbox.dialects.binance.words import (
    DIGITS,
    EXECUTION_TYPE,
    INTERVALS,
    MAX_NOTIONAL,
    MAX_PRICE,
    ORDER_TYPE,
    ORDER_TYPES,
    SIDE,
    STATUS,
)
from trochil.sandbox.formats import fixed_text
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.venue import Event, Fill, Symbol
from trochil.sandbox.recorded import Record, Rows, parse_json

TIME_FIELDS = frozenset(
    {
        "T",
        "closeTime",
        "connectedSince",
        "openTime",
        "serverTime",
        "time",
        "transactTime",
        "updateTime",
        "workingTime",
    }
)
"""Fields of answers that are ns until they leave."""


class Nanoseconds(int):
    """A time of an answer in a place that ``TIME_FIELDS`` does not name."""


class Recordings:
    """Payloads of the REST snapshot and of the streams, raw or combined."""

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "")

    def records(self, time: float, text: str, url: str) -> Iterator[Record]:
        frame = parse_json(text) or {}
        data = frame.get("data", frame)
        event = data.get("e")
        if "lastUpdateId" in data:
            (symbol,) = parse_qs(urlsplit(url).query).get("symbol", [""])
            yield Record(time, "snapshot", symbol, text, data)
        elif event == "depthUpdate":
            yield Record(time, "diff", data["s"], text, data)
        elif event == "trade":
            yield Record(time, "trade", data["s"], text, data)

    def levels(self, record: Record) -> tuple[Rows, Rows]:
        if record.kind == "snapshot":
            return record.data["bids"], record.data["asks"]
        return record.data["b"], record.data["a"]

    def last_id(self, record: Record) -> int:
        return int(record.data["lastUpdateId" if record.kind == "snapshot" else "u"])


def level_rows(levels: Levels) -> list[list[str]]:
    """[[price, size], ...] as texts."""
    return [[fixed_text(price), fixed_text(size)] for price, size in levels]


def symbol_row(name: str, symbol: Symbol, with_permissions: bool) -> Row:
    """GET /api/v3/exchangeInfo."""
    return {
        "symbol": name,
        "status": "TRADING" if symbol.trading else "BREAK",
        "baseAsset": symbol.base,
        "baseAssetPrecision": DIGITS,
        "quoteAsset": symbol.quote,
        "quotePrecision": DIGITS,
        "quoteAssetPrecision": DIGITS,
        "baseCommissionPrecision": DIGITS,
        "quoteCommissionPrecision": DIGITS,
        "orderTypes": [*ORDER_TYPES],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filter_rows(symbol),
        "permissions": [],
        "permissionSets": [["SPOT"]] if with_permissions else [],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }


def filter_rows(symbol: Symbol) -> list[Row]:
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": fixed_text(symbol.price_tick),
            "maxPrice": fixed_text(MAX_PRICE),
            "tickSize": fixed_text(symbol.price_tick),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": fixed_text(symbol.size_step),
            "maxQty": fixed_text(symbol.max_size),
            "stepSize": fixed_text(symbol.size_step),
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": fixed_text(symbol.min_notional),
            "applyMinToMarket": True,
            "maxNotional": fixed_text(MAX_NOTIONAL),
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
    ]


def trade_row(match: Match) -> Row:
    """GET /api/v3/trades."""
    return {
        "id": match.id,
        "price": fixed_text(match.price),
        "qty": fixed_text(match.amount),
        "quoteQty": fixed_text(match.value),
        "time": match.time,
        "isBuyerMaker": match.maker.is_buy,
        "isBestMatch": True,
    }


def aggregate_trade_row(trade: AggregateTrade) -> Row:
    """GET /api/v3/aggTrades."""
    return {
        "a": trade.id,
        "p": fixed_text(trade.price),
        "q": fixed_text(trade.amount),
        "f": trade.first_trade_id,
        "l": trade.last_trade_id,
        "T": trade.time,
        "m": trade.buyer_is_maker,
        "M": True,
    }


def candle_row(candle: Candle, interval: str) -> list[Any]:
    """GET /api/v3/klines."""
    return [
        Nanoseconds(candle.begin * 10**9),
        fixed_text(candle.open),
        fixed_text(candle.high),
        fixed_text(candle.low),
        fixed_text(candle.close),
        fixed_text(candle.volume),
        Nanoseconds(INTERVALS[interval].end(candle.begin) * 10**9 - 1),
        fixed_text(candle.quote_volume),
        candle.count,
        fixed_text(candle.taker_buy_volume),
        fixed_text(candle.taker_buy_quote_volume),
        "0",
    ]


def candle_event(name: str, candle: Candle, interval: str, is_closed: bool) -> Row:
    """Stream <symbol>@kline_<interval>."""
    row = candle_row(candle, interval)
    start, open_, high, low, close, volume, end, quote, count, taker, taker_quote, ignored = row
    return {
        "e": "kline",
        "s": name,
        "k": {
            "t": start,
            "T": end,
            "s": name,
            "i": interval,
            "f": candle.first_trade_id,
            "L": candle.last_trade_id,
            "o": open_,
            "c": close,
            "h": high,
            "l": low,
            "v": volume,
            "n": count,
            "x": is_closed,
            "q": quote,
            "V": taker,
            "Q": taker_quote,
            "B": ignored,
        },
    }


def order_row(name: str, order: Order) -> Row:
    """What every answer about an order has. The quantity of an order by value is what it traded."""
    return {
        "symbol": name,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": fixed_text(order.price),
        "origQty": fixed_text(order.amount or order.filled),
        "executedQty": fixed_text(order.filled),
        "origQuoteOrderQty": fixed_text(order.quote_amount),
        "cummulativeQuoteQty": fixed_text(order.quote_filled),
        "status": STATUS[order.state],
        "timeInForce": order.tif,
        "type": ORDER_TYPE[order.type],
        "side": SIDE[order.side],
        "workingTime": order.time,
        "selfTradePreventionMode": "NONE",
    }


def order_status(row: Row, order: Order) -> Row:
    """GET /api/v3/order, from ``order_row``."""
    return row | {
        "stopPrice": fixed_text(None),
        "icebergQty": fixed_text(None),
        "time": order.time,
        "updateTime": order.updated,
        "isWorking": True,
    }


def placed_row(row: Row, order: Order, fills: list[Fill], response: str) -> Row:
    """POST /api/v3/order, from ``order_row``."""
    result = row | {"transactTime": order.updated}
    if response == "ACK":
        names = ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")
        return {name: result[name] for name in names}
    if response == "FULL":
        result["fills"] = [
            {
                "price": fixed_text(fill.price),
                "qty": fixed_text(fill.amount),
                "commission": fixed_text(fill.fee),
                "commissionAsset": fill.fee_asset,
                "tradeId": fill.trade_id,
            }
            for fill in fills
        ]
    return result


def cancelled_row(row: Row, order: Order, cancel_id: str) -> Row:
    """DELETE /api/v3/order: the order's id stands behind the cancel's own."""
    result = row | {
        "clientOrderId": cancel_id,
        "origClientOrderId": order.client_id,
        "transactTime": order.updated,
    }
    del result["workingTime"]
    return result


def fill_row(name: str, fill: Fill) -> Row:
    """GET /api/v3/myTrades."""
    return {
        "symbol": name,
        "id": fill.trade_id,
        "orderId": fill.order.id,
        "orderListId": -1,
        "price": fixed_text(fill.price),
        "qty": fixed_text(fill.amount),
        "quoteQty": fixed_text(fill.value),
        "commission": fixed_text(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.time,
        "isBuyer": fill.order.is_buy,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def execution_row(name: str, event: Event) -> Row:
    """executionReport. A cancel's own id comes first, and the order's behind it."""
    order = event.order
    is_cancel = event.kind == "cancelled"
    row = {
        "e": "executionReport",
        "s": name,
        "c": event.request_id or f"cancel{order.id}" if is_cancel else order.client_id,
        "S": SIDE[order.side],
        "o": ORDER_TYPE[order.type],
        "f": order.tif,
        "q": fixed_text(order.amount or order.filled),
        "p": fixed_text(order.price),
        "P": fixed_text(None),
        "F": fixed_text(None),
        "g": -1,
        "C": order.client_id if is_cancel else "",
        "x": EXECUTION_TYPE[event.kind],
        "X": STATUS[order.state],
        "r": "NONE",
        "i": order.id,
        "l": fixed_text(event.trade_amount),
        "z": fixed_text(order.filled),
        "L": fixed_text(event.trade_price),
        "n": fixed_text(event.fee) if event.match else "0",
        "N": event.fee_asset or None,
        "T": event.time,
        "t": -1 if event.trade_id is None else event.trade_id,
        "w": order.is_open and not order.is_market,
        "m": event.is_maker,
        "M": False,
        "O": order.time,
        "Z": fixed_text(order.quote_filled),
        "Y": fixed_text(event.trade_value),
        "Q": fixed_text(order.quote_amount),
        "W": order.time,
        "V": "NONE",
    }
    if event.kind == "expired" and order.is_market:
        row["eR"] = "INSUFFICIENT_LIQUIDITY"
    return row


def position_row(event: Event) -> Row:
    """outboundAccountPosition: what is left of the two assets that the order moved."""
    return {
        "e": "outboundAccountPosition",
        "u": event.time,
        "B": [
            {"a": balance.asset, "f": fixed_text(balance.free), "l": fixed_text(balance.held)}
            for balance in event.order.account.balances(*event.order.symbol.split("-"))
        ],
    }


def in_unit(value: Any, unit_ns: int) -> Any:
    """An answer with its times in a unit of so many ns."""
    if isinstance(value, Nanoseconds):
        return value // unit_ns
    if isinstance(value, list):
        return [in_unit(each, unit_ns) for each in value]
    if isinstance(value, dict):
        return {
            name: each // unit_ns if name in TIME_FIELDS else in_unit(each, unit_ns)
            for name, each in value.items()
        }
    return value
