"""The JSON of Binance spot, row by row, from the sandbox venue's own records."""

from decimal import Decimal
from typing import Any

from trochil.sandbox.accounts import ZERO, Account
from trochil.sandbox.matching import Book, Match, Order
from trochil.sandbox.venue import Event, Fill, Symbol, Venue

Levels = list[tuple[Decimal, Decimal]]
PUBLIC = {
    "ping": "ping",
    "time": "time",
    "exchangeInfo": "exchange_info",
    "depth": "depth",
    "trades": "trades",
    "aggTrades": "aggregate_trades",
    "ticker/24hr": "ticker",
    "ticker/price": "ticker",
    "ticker/bookTicker": "ticker",
    "klines": "klines",
}
SIGNED = {
    ("POST", "order"): "place",
    ("POST", "order/test"): "test",
    ("DELETE", "order"): "cancel",
    ("GET", "order"): "status",
    ("GET", "openOrders"): "open_orders",
    ("DELETE", "openOrders"): "cancel_all",
    ("GET", "allOrders"): "all_orders",
    ("GET", "myTrades"): "my_trades",
    ("GET", "account"): "account",
    ("GET", "account/commission"): "commission",
    ("GET", "rateLimit/order"): "order_counts",
}
API = {
    "order.place": "place",
    "order.cancel": "cancel",
    "order.status": "status",
    "openOrders.status": "open_orders",
    "openOrders.cancelAll": "cancel_all",
    "account.status": "account",
    "myTrades": "my_trades",
}
STATES = {
    "new": "NEW",
    "partially_filled": "PARTIALLY_FILLED",
    "filled": "FILLED",
    "cancelled": "CANCELED",
    "expired": "EXPIRED",
}
TYPES = {"limit": "LIMIT", "post_only": "LIMIT_MAKER", "market": "MARKET"}
EXECUTIONS = {"new": "NEW", "trade": "TRADE", "cancelled": "CANCELED", "expired": "EXPIRED"}


def text(value: Decimal) -> str:
    return f"{value:.8f}"


def texts(levels: Levels) -> list[list[str]]:
    return [[text(price), text(size)] for price, size in levels]


def ms(ns: int) -> int:
    return ns // 1_000_000


def timed(frame: dict[str, Any], now: int, micro: bool) -> dict[str, Any]:
    """A frame with its event time, and all times in the unit that the client asked for."""
    unit = 1000 if micro else 1_000_000
    converted = {name: value // unit if name in ("T", "O", "W") else value for name, value in frame.items()}
    return {"e": converted.pop("e"), "E": now // unit, **converted}


def exchange_info(symbols: list[Symbol], now: int) -> dict[str, Any]:
    limits = [("REQUEST_WEIGHT", "MINUTE", 1, 6000), ("ORDERS", "SECOND", 10, 50), ("ORDERS", "DAY", 1, 160000)]
    names = ("rateLimitType", "interval", "intervalNum", "limit")
    return {
        "timezone": "UTC",
        "serverTime": ms(now),
        "rateLimits": [dict(zip(names, limit, strict=True)) for limit in limits],
        "exchangeFilters": [],
        "symbols": [symbol_row(symbol) for symbol in symbols],
    }


def symbol_row(symbol: Symbol) -> dict[str, Any]:
    lot = {"minQty": text(symbol.size_step), "maxQty": text(symbol.max_size), "stepSize": text(symbol.size_step)}
    price = {"minPrice": text(symbol.price_tick), "maxPrice": "1000000.00000000", "tickSize": text(symbol.price_tick)}
    notional = {"minNotional": text(symbol.min_notional), "applyMinToMarket": True, "avgPriceMins": 5}
    return {
        "symbol": symbol.base + symbol.quote,
        "status": "TRADING" if symbol.trading else "BREAK",
        "baseAsset": symbol.base,
        "quoteAsset": symbol.quote,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": ["SPOT"],
        "permissionSets": [["SPOT"]],
        "filters": [
            {"filterType": "PRICE_FILTER", **price},
            {"filterType": "LOT_SIZE", **lot},
            {"filterType": "NOTIONAL", **notional},
        ],
    }


def depth(book: Book, limit: int) -> dict[str, Any]:
    bids, asks = (texts(book.levels(side)[:limit]) for side in ("buy", "sell"))
    return {"lastUpdateId": book.update_id, "bids": bids, "asks": asks}


def book_ticker(symbol: str, book: Book) -> dict[str, Any]:
    bid, ask = book.best("buy") or ZERO, book.best("sell") or ZERO
    sizes = text(book.size_at("buy", bid)), text(book.size_at("sell", ask))
    return {"u": book.update_id, "s": symbol, "b": text(bid), "B": sizes[0], "a": text(ask), "A": sizes[1]}


def public_trade(match: Match) -> dict[str, Any]:
    return {
        "id": match.id,
        "price": text(match.price),
        "qty": text(match.amount),
        "quoteQty": text(match.price * match.amount),
        "time": ms(match.time),
        "isBuyerMaker": match.maker.side == "buy",
        "isBestMatch": True,
    }


def aggregate_trade(match: Match) -> dict[str, Any]:
    return {
        "a": match.id,
        "p": text(match.price),
        "q": text(match.amount),
        "f": match.id,
        "l": match.id,
        "T": ms(match.time),
        "m": match.maker.side == "buy",
        "M": True,
    }


def ticker(pair: str, book: Book, last: Decimal, volume: list[Decimal], now: int) -> dict[str, Any]:
    top = book_ticker(pair.replace("-", ""), book)
    last = last or Decimal(top["b"])
    return {
        "symbol": top["s"],
        "price": text(last),
        "lastPrice": text(last),
        "openPrice": text(last),
        "highPrice": text(last),
        "lowPrice": text(last),
        "weightedAvgPrice": text(last),
        "prevClosePrice": text(last),
        "priceChange": text(ZERO),
        "priceChangePercent": "0.000",
        "lastQty": text(ZERO),
        "bidPrice": top["b"],
        "bidQty": top["B"],
        "askPrice": top["a"],
        "askQty": top["A"],
        "volume": text(volume[0]),
        "quoteVolume": text(volume[1]),
        "openTime": ms(now) - 86_400_000,
        "closeTime": ms(now),
        "count": book.trade_id,
    }


def klines(matches: list[Match]) -> list[list[Any]]:
    """One candle a minute of the trades still remembered."""
    minutes: dict[int, list[Match]] = {}
    for match in matches:
        minutes.setdefault(match.time // 60_000_000_000, []).append(match)
    candles = []
    for minute, those in minutes.items():
        prices, volume = [m.price for m in those], sum((m.amount for m in those), ZERO)
        quote = text(sum((m.amount * m.price for m in those), ZERO))
        row = [text(prices[0]), text(max(prices)), text(min(prices)), text(prices[-1]), text(volume)]
        candles.append([minute * 60_000, *row, minute * 60_000 + 59_999, quote, len(those), "0", "0", "0"])
    return candles


def trade_event(symbol: str, match: Match) -> dict[str, Any]:
    maker_bought = match.maker.side == "buy"
    what = {"e": "trade", "s": symbol, "t": match.id, "p": text(match.price), "q": text(match.amount)}
    return {**what, "T": match.time, "m": maker_bought, "M": True}


def aggregate_event(symbol: str, match: Match) -> dict[str, Any]:
    ids = {"a": match.id, "f": match.id, "l": match.id}
    return trade_event(symbol, match) | ids | {"e": "aggTrade"}


def order_row(order: Order) -> dict[str, Any]:
    return {
        "symbol": order.symbol.replace("-", ""),
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": text(order.price or ZERO),
        "origQty": text(order.amount),
        "executedQty": text(order.filled),
        "origQuoteOrderQty": text(order.quote_amount or ZERO),
        "cummulativeQuoteQty": text(order.quote_filled),
        "status": STATES[order.state],
        "timeInForce": order.tif,
        "type": TYPES[order.type],
        "side": order.side.upper(),
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": ms(order.time),
        "updateTime": ms(order.updated),
        "transactTime": ms(order.updated),
        "isWorking": True,
        "workingTime": ms(order.time),
        "selfTradePreventionMode": "NONE",
    }


def order_answer(order: Order, fills: list[Fill]) -> dict[str, Any]:
    rows = [
        {
            "price": text(fill.price),
            "qty": text(fill.amount),
            "commission": text(fill.fee),
            "commissionAsset": fill.fee_asset,
            "tradeId": fill.trade_id,
        }
        for fill in fills
    ]
    return order_row(order) | {"fills": rows}


def fill_row(fill: Fill) -> dict[str, Any]:
    return {
        "symbol": fill.order.symbol.replace("-", ""),
        "id": fill.trade_id,
        "orderId": fill.order.id,
        "orderListId": -1,
        "price": text(fill.price),
        "qty": text(fill.amount),
        "quoteQty": text(fill.price * fill.amount),
        "commission": str(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": ms(fill.time),
        "isBuyer": fill.order.side == "buy",
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def rates(venue: Venue) -> dict[str, str]:
    return {"maker": text(venue.maker_fee), "taker": text(venue.taker_fee), "buyer": text(ZERO), "seller": text(ZERO)}


def account(account: Account, venue: Venue, now: int) -> dict[str, Any]:
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "commissionRates": rates(venue),
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "accountType": "SPOT",
        "updateTime": ms(now),
        "permissions": ["SPOT"],
        "uid": 1,
        "balances": [
            {"asset": asset, "free": str(holding.free), "locked": str(holding.held)}
            for asset, holding in account.holdings.items()
        ],
    }


def execution_report(event: Event) -> dict[str, Any]:
    order, match = event.order, event.match
    closed = event.kind == "cancelled"
    return {
        "e": "executionReport",
        "s": order.symbol.replace("-", ""),
        "c": (event.request_id or f"cancel{order.id}") if closed else order.client_id,
        "S": order.side.upper(),
        "o": TYPES[order.type],
        "f": order.tif,
        "q": text(order.amount),
        "p": text(order.price or ZERO),
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": order.client_id if closed else "",
        "x": EXECUTIONS[event.kind],
        "X": STATES[order.state],
        "r": "NONE",
        "i": order.id,
        "l": text(match.amount if match else ZERO),
        "z": text(order.filled),
        "L": text(match.price if match else ZERO),
        "n": str(event.fee),
        "N": event.fee_asset or None,
        "T": event.time,
        "t": match.id if match else -1,
        "I": order.id * 10,
        "w": order.is_open,
        "m": bool(match and match.maker is order),
        "M": False,
        "O": order.time,
        "Z": text(order.quote_filled),
        "Y": text(match.price * match.amount if match else ZERO),
        "Q": text(order.quote_amount or ZERO),
        "W": order.time,
        "V": "NONE",
    }
