"""Bybit spot from the venue's side. Source: its v5 API documentation (unified trading account)."""

import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from aiohttp import web

from trochil.sandbox.book_windows import BookChannel, BookWindow, level_rows
from trochil.sandbox.candles import Candle, Interval, named_interval
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import (
    RECENT,
    BaseDialect,
    Frame,
    MarketStats,
    OrderKind,
    OrderTerms,
    PublicRoute,
    Route,
    Row,
    Side,
    SignedRoute,
    SocketHandler,
    TimeInForce,
)
from trochil.sandbox.formats import decimal_text, exact_text, milliseconds
from trochil.sandbox.market.accounts import ZERO, Account, Balance
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Fill, Rejected, Symbol
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.requests import Message, Params, Request
from trochil.sandbox.server import Server

Meaning = TypeVar("Meaning")
Listed = TypeVar("Listed")
BEST = 1
"""The channel of one level, whose every frame is the whole of it."""
DEPTHS = (BEST, 50, 200, 1000)
"""Levels a side of each book channel."""
MOST_LEVELS = 1000
ORDER_STATUS = {
    "new": "New",
    "partially_filled": "PartiallyFilled",
    "filled": "Filled",
    "cancelled": "Cancelled",
    "expired": "Cancelled",
}
INSTRUMENT_STATUSES = ("PreLaunch", "Trading", "Settling", "Delivering", "Closed")
MAINTENANCE_STATES = ("scheduled", "ongoing", "completed", "canceled")
EXECUTION_TYPES = (
    "Trade", "AdlTrade", "Funding", "BustTrade", "Delivery", "Settle", "BlockTrade",
    "MovePosition", "FutureSpread",
)  # fmt: skip
STATUSES = (
    "New", "PartiallyFilled", "Untriggered", "Rejected", "PartiallyFilledCanceled", "Filled",
    "Cancelled", "Triggered", "Deactivated",
)  # fmt: skip
SIDE = {"buy": "Buy", "sell": "Sell"}
SIDE_OF: dict[str, Side] = {"Buy": "buy", "Sell": "sell"}
ORDER_KIND: dict[str, OrderKind] = {"Limit": "limit", "Market": "market"}
POST_ONLY = "PostOnly"
TIME_IN_FORCE: dict[str, TimeInForce] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK", POST_ONLY: "GTC"}
IS_QUOTE_UNIT = {"baseCoin": False, "quoteCoin": True}
CATEGORIES = ("spot", "linear", "inverse", "option")
ORDER_FILTERS = ("Order", "StopOrder", "tpslOrder", "OcoOrder", "BidirectionalTpslOrder")
SPAN_MS = 7 * 86_400_000
"""The longest between the two times of a request; also where it sets one of them."""
RECV_WINDOW_MS = 5000
ORDERS_PER_PAGE = 20
MOST_ORDERS = 50
FILLS_PER_PAGE = 50
MOST_FILLS = 100
MOST_TRADES = 60
CANDLES_PER_PAGE = 200
MOST_CANDLES = 1000
INTERVALS = {
    **{str(minutes): Interval(minutes * 60) for minutes in (1, 3, 5, 15, 30, 60)},
    **{str(minutes): Interval(minutes * 60) for minutes in (120, 240, 360, 720)},
    **{unit: named_interval(f"1{unit}") for unit in "DWM"},
}
"""Of candles; numbers are minutes."""
ORDERS_PER_BATCH = 10
TOPICS_A_MESSAGE = 10
LIMITS_A_SECOND = {
    "/v5/order/create": 20,
    "/v5/order/cancel": 20,
    "/v5/order/cancel-all": 20,
    "/v5/order/create-batch": 20,
    "/v5/order/cancel-batch": 20,
}
LIMIT_A_SECOND = 50
"""Of all other signed requests. The limits are told, and strike by a fault alone."""
FIRST_TRADE = 2_100_000_000_000_000_000
"""Trades have ids of their own among all pairs."""
TRADES_A_PAIR = 10**12

# Parameters.

LIST_PARAMS = ("category", "symbol", "baseCoin", "orderId", "orderLinkId", "limit", "cursor")
ORDER_PARAMS = (
    "category", "symbol", "side", "orderType", "qty", "price", "timeInForce", "marketUnit",
    "orderLinkId", "isLeverage", "orderFilter", "positionIdx", "reduceOnly", "closeOnTrigger",
    "mmp", "smpType",
)  # fmt: skip
CANCEL_PARAMS = ("category", "symbol", "orderId", "orderLinkId", "orderFilter")
UNOFFERED = (
    "triggerDirection", "triggerPrice", "triggerBy", "orderIv", "takeProfit", "stopLoss",
    "tpTriggerBy", "slTriggerBy", "tpslMode", "tpLimitPrice", "slLimitPrice", "tpOrderType",
    "slOrderType", "slippageToleranceType", "slippageTolerance", "bboSideType", "bboLevel",
)  # fmt: skip
"""Of stops, options and the like: they may be empty."""

# Reasons of its own.

BAD_CATEGORY = "bad_category"
BAD_SIDE = "bad_side"
BAD_ORDER_TYPE = "bad_order_type"
BAD_TIME_IN_FORCE = "bad_time_in_force"
QUOTE_STEP = "quote_step"
TOO_LARGE = "too_large"
TOO_MANY = "too_many"
TOO_MANY_TOPICS = "too_many_topics"
FOLLOWED = "followed"
NOTHING_SIGNED = "nothing_signed"
EXPIRED = "expired"
UNREADABLE = "unreadable"
PUBLIC = "/v5/public/spot"
PRIVATE = "/v5/private"
PRIVATE_TOPICS = ("order", "order.spot", "execution", "execution.spot", "wallet")
SOCKET_WORDS: dict[str, str] = {
    Reason.UNKNOWN_TOPIC: "error:handler not found,topic:{}",
    Reason.UNKNOWN_SYMBOL: "Invalid symbol :[{}]",
    Reason.UNKNOWN_METHOD: "error:invalid op",
    Reason.MISSING: "error:invalid {}",
    Reason.ILLEGAL: "error:invalid {}",
    Reason.UNKNOWN_PARAMETER: "error:invalid {}",
    Reason.NO_LOGIN: "Request not authorized",
    TOO_MANY_TOPICS: "args size >10",
    FOLLOWED: "error:already subscribed,topic:{}",
    EXPIRED: "Params Error",
    UNREADABLE: "Invalid request",
}
"""What sockets say; for other reasons, what REST says."""


# Rows.


def instrument_row(name: str, symbol: Symbol) -> Row:
    """GET /v5/market/instruments-info."""
    most = decimal_text(symbol.max_size)
    return {
        "symbol": name,
        "baseCoin": symbol.base,
        "quoteCoin": symbol.quote,
        "innovation": "0",
        "symbolType": "",
        "status": "Trading" if symbol.trading else "Closed",
        "marginTrading": "none",
        "stTag": "0",
        "forbidUplWithdrawal": False,
        "lotSizeFilter": {
            "basePrecision": decimal_text(symbol.size_step),
            "quotePrecision": decimal_text(symbol.price_tick),
            "minOrderQty": decimal_text(symbol.size_step),
            "maxOrderQty": most,
            "minOrderAmt": decimal_text(symbol.min_notional),
            "maxOrderAmt": "1000000000000",
            "maxLimitOrderQty": most,
            "maxMarketOrderQty": most,
            "postOnlyMaxLimitOrderSize": most,
        },
        "priceFilter": {"tickSize": decimal_text(symbol.price_tick)},
        "riskParameters": {"priceLimitRatioX": "", "priceLimitRatioY": ""},
    }


def ticker_row(name: str, stats: MarketStats) -> Row:
    """GET /v5/market/tickers."""
    return {
        "symbol": name,
        "bid1Price": decimal_text(stats.bid),
        "bid1Size": decimal_text(stats.bid_size),
        "ask1Price": decimal_text(stats.ask),
        "ask1Size": decimal_text(stats.ask_size),
        **moves(stats),
    }


def moves(stats: MarketStats) -> Row:
    """How a pair's price moved, and what was traded."""
    day = stats.day
    return {
        "lastPrice": decimal_text(stats.last),
        "prevPrice24h": decimal_text(day.open),
        "price24hPcnt": f"{day.change:.4f}",
        "highPrice24h": decimal_text(day.high),
        "lowPrice24h": decimal_text(day.low),
        "turnover24h": decimal_text(day.quote_volume),
        "volume24h": decimal_text(day.volume),
        "usdIndexPrice": "",
    }


def candle_row(candle: Candle) -> list[str]:
    """GET /v5/market/kline."""
    prices = (candle.open, candle.high, candle.low, candle.close)
    numbers = (*prices, candle.volume, candle.quote_volume)
    return [str(candle.begin * 1000), *map(decimal_text, numbers)]


def book_row(name: str, window: BookWindow) -> Row:
    """GET /v5/market/orderbook, and the data of ``orderbook``."""
    return {
        "s": name,
        "b": level_rows(window.bids),
        "a": level_rows(window.asks),
        "u": window.last_id,
        "seq": window.last_id,
    }


def recent_trade_row(name: str, trade_id: str, match: Match) -> Row:
    """GET /v5/market/recent-trade. The side is the taker's."""
    return {
        "execId": trade_id,
        "symbol": name,
        "price": decimal_text(match.price),
        "size": decimal_text(match.amount),
        "side": SIDE[match.taker.side],
        "time": str(milliseconds(match.time)),
        "isBlockTrade": False,
        "isRPITrade": False,
        "seq": str(match.id),
    }


def public_trade_row(name: str, trade_id: str, match: Match) -> Row:
    """The data of ``publicTrade``. The side is the taker's."""
    return {
        "T": milliseconds(match.time),
        "s": name,
        "S": SIDE[match.taker.side],
        "v": decimal_text(match.amount),
        "p": decimal_text(match.price),
        "i": trade_id,
        "BT": False,
        "RPI": False,
        "seq": match.id,
    }


def order_row(name: str, order: Order) -> Row:
    """GET /v5/order/realtime, and whatever else shows an order."""
    fee_asset = name_of_fee(order)
    left = order.remaining * (order.price or ZERO) if order.is_open else ZERO
    return {
        "category": "spot",
        "symbol": name,
        "orderId": str(order.id),
        "orderLinkId": order.own_client_id,
        "blockTradeId": "",
        "side": SIDE[order.side],
        "positionIdx": 0,
        "orderType": "Market" if order.is_market else "Limit",
        "price": decimal_text(order.price),
        "qty": decimal_text(order.size),
        "isLeverage": "0",
        "marketUnit": size_unit(order),
        "timeInForce": time_in_force(order),
        "orderStatus": order_status(order),
        "createType": "CreateByUser",
        "cancelType": cancel_type(order),
        "rejectReason": reject_reason(order),
        "cumExecQty": decimal_text(order.filled),
        "cumExecValue": decimal_text(order.quote_filled),
        "cumExecFee": exact_text(order.fees),
        "cumFeeDetail": {fee_asset: exact_text(order.fees)} if order.filled else {},
        "feeCurrency": fee_asset,
        "avgPrice": decimal_text(order.average_price) if order.filled else "",
        "leavesQty": decimal_text(order.remaining if order.is_open else ZERO),
        "leavesValue": decimal_text(left),
        "createdTime": str(milliseconds(order.time)),
        "updatedTime": str(milliseconds(order.updated)),
        "stopOrderType": "",
        "orderIv": "",
        "slippageToleranceType": "UNKNOWN",
        "slippageTolerance": "",
        "triggerPrice": "",
        "triggerDirection": 0,
        "triggerBy": "",
        "takeProfit": "",
        "stopLoss": "",
        "tpslMode": "",
        "ocoTriggerBy": "",
        "tpLimitPrice": "",
        "slLimitPrice": "",
        "tpTriggerBy": "",
        "slTriggerBy": "",
        "lastPriceOnCreated": "",
        "reduceOnly": False,
        "closeOnTrigger": False,
        "placeType": "",
        "smpType": "None",
        "smpGroup": 0,
        "smpOrderId": "",
    }


def name_of_fee(order: Order) -> str:
    """What an order brings, in which its fee is paid."""
    base, _, quote_asset = order.symbol.partition("-")
    return base if order.is_buy else quote_asset


def size_unit(order: Order) -> str:
    """What a market order's size is in; empty for all others."""
    if not order.is_market:
        return ""
    return "baseCoin" if order.quote_amount is None else "quoteCoin"


def time_in_force(order: Order) -> str:
    """A market order is an IOC."""
    if order.is_market:
        return "IOC"
    return POST_ONLY if order.is_post_only else order.tif


def order_status(order: Order) -> str:
    """What closed before it was full has a status of its own if a part of it was filled."""
    if order.filled and order.state in ("cancelled", "expired"):
        return "PartiallyFilledCanceled"
    return ORDER_STATUS[order.state]


def would_take(order: Order) -> bool:
    """Whether it was cancelled at once for that it would have taken."""
    is_at_once = order.state == "cancelled" and order.updated == order.time
    return order.is_post_only and is_at_once


def cancel_type(order: Order) -> str:
    is_by_user = order.state == "cancelled" and not would_take(order)
    return "CancelByUser" if is_by_user else "UNKNOWN"


def reject_reason(order: Order) -> str:
    if would_take(order):
        return "EC_PostOnlyWillTakeLiquidity"
    if order.state == "expired" and not order.filled:
        return "EC_NoImmediateQtyToFill"
    return "EC_NoError"


def execution_row(name: str, fill: Fill, trade_id: str, rate: Decimal) -> Row:
    """GET /v5/execution/list, and the topic ``execution``."""
    order = fill.order
    return {
        "category": "spot",
        "symbol": name,
        "orderId": str(order.id),
        "orderLinkId": order.own_client_id,
        "side": SIDE[order.side],
        "orderPrice": decimal_text(order.price),
        "orderQty": decimal_text(order.size),
        "orderType": "Market" if order.is_market else "Limit",
        "stopOrderType": "UNKNOWN",
        "createType": "CreateByUser",
        "leavesQty": decimal_text(order.remaining),
        "execId": trade_id,
        "execPrice": decimal_text(fill.price),
        "execQty": decimal_text(fill.amount),
        "execValue": decimal_text(fill.value),
        "execFee": exact_text(fill.fee),
        "execType": "Trade",
        "execTime": str(milliseconds(fill.time)),
        "execPnl": "",
        "feeCurrency": fill.fee_asset,
        "feeRate": exact_text(rate),
        "isMaker": fill.is_maker,
        "isLeverage": "0",
        "marketUnit": size_unit(order),
        "seq": fill.trade_id,
        "blockTradeId": "",
        "closedSize": "",
        "extraFees": "",
        "indexPrice": "",
        "markIv": "",
        "markPrice": "",
        "tradeIv": "",
        "underlyingPrice": "",
    }


def coin_row(balance: Balance, dollars: Decimal) -> Row:
    """``dollars``: what all of it is worth."""
    total = exact_text(balance.total)
    return {
        "coin": balance.asset,
        "walletBalance": total,
        "equity": total,
        "locked": exact_text(balance.held),
        "usdValue": decimal_text(dollars),
        "availableToWithdraw": "",
        "availableToBorrow": "",
        "borrowAmount": "0",
        "spotBorrow": "0",
        "accruedInterest": "0",
        "bonus": "0",
        "totalOrderIM": "0",
        "totalPositionIM": "0",
        "totalPositionMM": "0",
        "unrealisedPnl": "0",
        "cumRealisedPnl": "0",
        "spotHedgingQty": "0",
        "collateralSwitch": False,
        "marginCollateral": False,
    }


def wallet_row(coins: list[Row], dollars: Decimal) -> Row:
    """GET /v5/account/wallet-balance, and the topic ``wallet``."""
    total = decimal_text(dollars)
    return {
        "accountType": "UNIFIED",
        "totalEquity": total,
        "totalWalletBalance": total,
        "totalMarginBalance": total,
        "totalAvailableBalance": total,
        "totalPerpUPL": "0",
        "totalInitialMargin": "0",
        "totalMaintenanceMargin": "0",
        "accountIMRate": "0",
        "accountMMRate": "0",
        "accountLTV": "0",
        "coin": coins,
    }


def acknowledgement_row(order: Order) -> Row:
    """What placing and cancelling answer: that it was taken, no more."""
    return {"orderId": str(order.id), "orderLinkId": order.own_client_id}


# Requests.


def check_category(params: Params) -> None:
    """Raises Rejected for all but spot."""
    if params.string("category", "") != "spot":
        raise Rejected(BAD_CATEGORY)


def worded(
    row: Params,
    name: str,
    meanings: Mapping[str, Meaning],
    reason: str,
    default: Meaning | None = None,
) -> Meaning:
    """What a value means. Raises Rejected with a reason of its own for one that isn't known."""
    try:
        return row.choice(name, meanings, default)
    except Rejected as refusal:
        if refusal.reason == Reason.MISSING:
            raise
        raise Rejected(reason, name) from None


def one_of(params: Params, name: str, known: tuple[str, ...]) -> str:
    """A value that is known; "" where none was sent."""
    return params.choice(name, dict(zip(known, known, strict=True)), "")


def order_terms(row: Params, form: re.Pattern[str]) -> OrderTerms:
    """POST /v5/order/create. Prices of market orders mean nothing. Raises Rejected."""
    check_terms(row)
    side = worded(row, "side", SIDE_OF, BAD_SIDE)
    kind = worded(row, "orderType", ORDER_KIND, BAD_ORDER_TYPE)
    tif = worded(row, "timeInForce", TIME_IN_FORCE, BAD_TIME_IN_FORCE, "GTC")
    is_in_quote = row.choice("marketUnit", IS_QUOTE_UNIT, side == "buy")
    client_id = row.client_id("orderLinkId", form)
    size = row.decimal("qty")
    if kind == "market":
        return OrderTerms(
            side=side,
            kind="market",
            amount=None if is_in_quote else size,
            quote_amount=size if is_in_quote else None,
            client_id=client_id,
        )
    return OrderTerms(
        side=side,
        kind="post_only" if row.get("timeInForce") == POST_ONLY else "limit",
        tif=tif,
        price=row.decimal("price"),
        amount=size,
        client_id=client_id,
    )


def check_terms(row: Params) -> None:
    """Raises Rejected for what the documentation has and the sandbox hasn't."""
    row.only(*ORDER_PARAMS, *UNOFFERED)
    for name in UNOFFERED:
        if name in row:
            raise Rejected(Reason.UNKNOWN_PARAMETER, name)
    for name, usual in (
        ("isLeverage", "0"),
        ("orderFilter", "Order"),
        ("positionIdx", "0"),
        ("smpType", "None"),
    ):
        row.choice(name, {usual: True}, True)
    for name in ("reduceOnly", "closeOnTrigger", "mmp"):
        if row.flag(name):
            raise Rejected(Reason.UNKNOWN_PARAMETER, name)


def id_of_cursor(request: Request) -> int | None:
    """A page's cursor names its first row and its last, each by an id before a colon; None for the
    first page."""
    cursor = unquote(request.string("cursor", ""))
    number, _, _ = cursor.rpartition(",")[2].partition(":")
    return Params({"cursor": number}).optional_integer("cursor") if cursor else None


def cursor_of(first: tuple[int, int], last: tuple[int, int]) -> str:
    """Percent-encoded; of rows as (id, what the venue adds)."""
    return quote(f"{first[0]}:{first[1]},{last[0]}:{last[1]}", safe="")


def span_of(request: Request) -> tuple[int, int | None]:
    """The first and the last ms; None for now. Raises Rejected for more than seven days."""
    since_ms = request.optional_integer("startTime")
    until_ms = request.optional_integer("endTime")
    if since_ms is None:
        return 0 if until_ms is None else until_ms - SPAN_MS, until_ms
    if until_ms is None:
        return since_ms, since_ms + SPAN_MS
    if not 0 <= until_ms - since_ms <= SPAN_MS:
        raise Rejected(Reason.ILLEGAL, "endTime")
    return since_ms, until_ms


class Dialect(BaseDialect):
    """``orderbook.N`` numbers its frames; the answer to an order says that it was taken, no
    more."""

    name = "bybit"
    foreign_clients = ("ccxt", "cryptofeed", "pybit")
    takes_forms = False
    shows_made_client_ids = False
    book_channel = BookChannel(depths=DEPTHS, numbers_frames=True, resets_with_image=True)
    snapshot_on_subscribe = True
    post_only_cancels = True
    private_paths = (PRIVATE,)
    client_id_form = re.compile(r"[A-Za-z0-9_-]{1,36}")
    offered_methods = ("auth", "subscribe", "unsubscribe", "ping")
    offered_streams = (
        *(f"orderbook.{depth}.{{symbol}}" for depth in DEPTHS),
        "publicTrade.{symbol}",
        "tickers.{symbol}",
        *PRIVATE_TOPICS,
    )
    refusals = {
        Reason.UNKNOWN_SYMBOL: Refusal(200, 170121, "Invalid symbol."),
        Reason.MARKET_CLOSED: Refusal(200, 170031, "The trading of this symbol is suspended."),
        Reason.PRICE_FILTER: Refusal(200, 170134, "Order price decimal too long."),
        Reason.LOT_SIZE: Refusal(200, 170137, "Order quantity decimal too long."),
        TOO_LARGE: Refusal(200, 170135, "Order quantity exceeded upper limit."),
        QUOTE_STEP: Refusal(200, 170148, "Market order amount decimal too long."),
        Reason.NOTIONAL: Refusal(200, 170140, "Order value exceeded lower limit."),
        Reason.INSUFFICIENT_BALANCE: Refusal(200, 170131, "Insufficient balance."),
        Reason.DUPLICATE_CLIENT_ID: Refusal(200, 170141, "Duplicate clientOrderId"),
        Reason.UNKNOWN_ORDER: Refusal(200, 170213, "Order does not exist."),
        BAD_TIME_IN_FORCE: Refusal(200, 170115, "Invalid timeInForce."),
        BAD_ORDER_TYPE: Refusal(200, 170116, "Invalid orderType."),
        BAD_SIDE: Refusal(200, 170117, "Invalid side."),
        BAD_CATEGORY: Refusal(200, 10001, "Illegal category"),
        TOO_MANY: Refusal(200, 10001, "The number of orders must be between 1 and 10"),
        Reason.ILLEGAL: Refusal(200, 10001, "Request parameter error: {}"),
        NOTHING_SIGNED: Refusal(200, 10001, "empty value: apiTimestamp[] apiKey[] apiSignature[]"),
        Reason.BAD_KEY: Refusal(200, 10003, "API key is invalid."),
        Reason.BAD_SIGNATURE: Refusal(
            200, 10004, "error sign! Please check your signature generation algorithm."
        ),
        Reason.BAD_TIME: Refusal(
            200,
            10002,
            "invalid request, please check your server timestamp or recv_window param. {}",
        ),
        Reason.UNKNOWN_PATH: Refusal(404, 10017, "Route not found."),
        Reason.TIMEOUT: Refusal(200, 10000, "Server Timeout"),
        Reason.RATE_LIMITED: Refusal(200, 10006, "Too many visits. Exceeded the API Rate Limit."),
        Reason.UNAVAILABLE: Refusal(503, 10016, "Server error."),
        Reason.BANNED: Refusal(403, 10018, "Exceeded the IP Rate Limit."),
    }

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._visits: dict[tuple[str, str], tuple[int, int]] = {}

    def routes(self) -> list[Route]:
        pages = (*LIST_PARAMS, "settleCoin", "orderFilter")
        times = ("startTime", "endTime")
        return [
            PublicRoute("GET", "/v5/market/time", self.get_time, params=()),
            PublicRoute("GET", "/v5/system/status", self.get_status, params=("id", "state")),
            PublicRoute(
                "GET",
                "/v5/market/instruments-info",
                self.get_instruments,
                params=(
                    "category",
                    "symbol",
                    "symbolType",
                    "status",
                    "baseCoin",
                    "limit",
                    "cursor",
                ),
            ),
            PublicRoute(
                "GET",
                "/v5/market/tickers",
                self.get_tickers,
                params=("category", "symbol", "baseCoin"),
            ),
            PublicRoute(
                "GET",
                "/v5/market/orderbook",
                self.get_book,
                params=("category", "symbol", "limit"),
            ),
            PublicRoute(
                "GET",
                "/v5/market/recent-trade",
                self.get_trades,
                params=("category", "symbol", "baseCoin", "limit"),
            ),
            PublicRoute(
                "GET",
                "/v5/market/kline",
                self.get_candles,
                params=("category", "symbol", "interval", "start", "end", "limit"),
            ),
            SignedRoute("POST", "/v5/order/create", self.post_order, kind="place"),
            SignedRoute("POST", "/v5/order/create-batch", self.post_orders, kind="place"),
            SignedRoute("POST", "/v5/order/cancel", self.post_cancel, kind="cancel"),
            SignedRoute("POST", "/v5/order/cancel-batch", self.post_cancels, kind="cancel"),
            SignedRoute(
                "POST",
                "/v5/order/cancel-all",
                self.post_cancel_all,
                kind="cancel",
                params=("category", "symbol", "baseCoin", "settleCoin", "orderFilter"),
            ),
            SignedRoute(
                "GET", "/v5/order/realtime", self.get_open_orders, params=(*pages, "openOnly")
            ),
            SignedRoute(
                "GET",
                "/v5/order/history",
                self.get_closed_orders,
                params=(*pages, *times, "orderStatus"),
            ),
            SignedRoute(
                "GET",
                "/v5/execution/list",
                self.get_fills,
                params=(*LIST_PARAMS, *times, "execType"),
            ),
            SignedRoute(
                "GET",
                "/v5/account/fee-rate",
                self.get_fees,
                params=("category", "symbol", "baseCoin"),
            ),
            SignedRoute(
                "GET",
                "/v5/account/wallet-balance",
                self.get_wallet,
                params=("accountType", "coin"),
            ),
            SignedRoute("GET", "/v5/account/info", self.get_account, params=()),
            SignedRoute("GET", "/v5/user/query-api", self.get_key, params=()),
            SignedRoute("GET", "/v5/asset/coin/query-info", self.get_coins, params=("coin",)),
        ]

    def sockets(self) -> Mapping[str, SocketHandler]:
        return {PUBLIC: self.on_public_message, PRIVATE: self.on_private_message}

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "")

    def result(self, body: Any) -> Row:
        return self.envelope(0, "OK", body)

    def error_body(self, code: int | str, message: str, request: Request | None) -> Row:
        return self.envelope(code, message, {})

    def envelope(self, code: int | str, message: str, body: Any, more: Row | None = None) -> Row:
        return {
            "retCode": code,
            "retMsg": message,
            "result": body,
            "retExtInfo": more or {},
            "time": milliseconds(self.server.now_ns()),
        }

    def headers(self, request: Request) -> dict[str, str]:
        """Of a signed answer: how many requests a second the venue takes, and how many are left of
        this one."""
        api_key = request.header("X-BAPI-API-KEY")
        if not api_key:
            return {}
        limit = LIMITS_A_SECOND.get(request.path, LIMIT_A_SECOND)
        now_ms = milliseconds(self.server.now_ns())
        second, visits = self._visits.get((api_key, request.path), (0, 0))
        visits = visits + 1 if second == now_ms // 1000 else 1
        self._visits[api_key, request.path] = now_ms // 1000, visits
        return {
            "X-Bapi-Limit": str(limit),
            "X-Bapi-Limit-Status": str(max(0, limit - visits)),
            "X-Bapi-Limit-Reset-Timestamp": str(now_ms if visits < limit else now_ms + 1000),
        }

    def retry_headers(self, retry_after_s: int) -> dict[str, str]:
        reset_ms = milliseconds(self.server.now_ns()) + retry_after_s * 1000
        return {"X-Bapi-Limit-Reset-Timestamp": str(reset_ms)}

    def verify(self, request: Request) -> Account:
        timestamp = request.header("X-BAPI-TIMESTAMP")
        api_key = request.header("X-BAPI-API-KEY")
        recv_window = request.header("X-BAPI-RECV-WINDOW")
        signature = request.header("X-BAPI-SIGN")
        if not (api_key and timestamp and signature):
            raise Rejected(NOTHING_SIGNED)
        window_ms = request.header_integer("X-BAPI-RECV-WINDOW", RECV_WINDOW_MS)
        sent_ms = request.header_integer("X-BAPI-TIMESTAMP", 0)
        try:
            return self.signing_account(
                api_key=api_key,
                signature=signature,
                payload=timestamp + api_key + recv_window + request.query + request.text,
                signed_at_s=sent_ms / 1000,
                max_age_s=window_ms / 1000,
                max_ahead_s=1.0,
            )
        except Rejected as refusal:
            if refusal.reason != Reason.BAD_TIME:
                raise
            now_ms = milliseconds(self.server.now_ns())
            detail = f"req_timestamp[{sent_ms}],server_timestamp[{now_ms}],recv_window[{window_ms}]"
            raise Rejected(Reason.BAD_TIME, detail) from None

    # Public data by REST.

    def get_time(self, request: Request) -> Row:
        now_ns = self.server.now_ns()
        return {"timeSecond": str(now_ns // 10**9), "timeNano": str(now_ns)}

    def get_status(self, request: Request) -> Row:
        """No maintenance is planned."""
        one_of(request, "state", MAINTENANCE_STATES)
        return {"list": []}

    def get_instruments(self, request: Request) -> Row:
        """Spot has no pages. Clients ask for all categories at once: of the others there are no
        instruments."""
        known = dict(zip(CATEGORIES, CATEGORIES, strict=True))
        category = worded(request, "category", known, BAD_CATEGORY)
        request.limit("limit", 500, 1000)
        if category != "spot":
            return {"category": category, "list": [], "nextPageCursor": ""}
        asset = request.string("baseCoin", "")
        status = one_of(request, "status", INSTRUMENT_STATUSES)
        kind = request.string("symbolType", "")
        rows = [instrument_row(self.symbol(each.pair), each) for each in self.listed(request)]
        return {
            "category": "spot",
            "list": [
                row
                for row in rows
                if asset in ("", row["baseCoin"])
                and status in ("", row["status"])
                and kind in ("", row["symbolType"])
            ],
        }

    def listed(self, request: Request) -> list[Symbol]:
        """All pairs, or the one that is named."""
        return self.markets(self.optional_pair(request.string("symbol", "")))

    def get_tickers(self, request: Request) -> Row:
        check_category(request)
        rows = []
        for symbol in self.listed(request):
            stats = self.market_stats(symbol.pair)
            rows.append(ticker_row(self.symbol(symbol.pair), stats))
        return {"category": "spot", "list": rows}

    def get_book(self, request: Request) -> Row:
        """As the deepest channel shows it, whatever the limit."""
        check_category(request)
        pair = self.pair_of(request.string("symbol"))
        window = self.books.requested(pair, limit=request.limit("limit", 1, MOST_LEVELS))
        now_ms = milliseconds(self.server.now_ns())
        return book_row(self.symbol(pair), window) | {"ts": now_ms, "cts": now_ms}

    def get_trades(self, request: Request) -> Row:
        """Newest first."""
        check_category(request)
        pair = self.pair_of(request.string("symbol"))
        limit = request.limit("limit", MOST_TRADES, MOST_TRADES)
        rows = [
            recent_trade_row(self.symbol(pair), self.trade_id(pair, match.id), match)
            for match in reversed(self.recent_trades(pair, limit))
        ]
        return {"category": "spot", "list": rows}

    def get_candles(self, request: Request) -> Row:
        """Newest first: the last until ``end``, or the first from ``start`` on where that stands
        alone (ms)."""
        check_category(request)
        pair = self.pair_of(request.string("symbol"))
        interval = request.choice("interval", INTERVALS)
        count = request.limit("limit", CANDLES_PER_PAGE, MOST_CANDLES)
        since_s = -(-request.integer("start", 0) // 1000)
        until_s = min(self.now_s(), request.integer("end", self.now_s() * 1000) // 1000)
        if "start" in request and "end" not in request:
            every = self.candles(pair).between(since_s, until_s, interval)
            candles = [*islice(every, count)]
        else:
            latest = self.candles(pair).latest(count, until_s, interval)
            candles = [candle for candle in latest if candle.begin >= since_s]
        rows = [candle_row(candle) for candle in reversed(candles)]
        return {"category": "spot", "symbol": self.symbol(pair), "list": rows}

    def trade_id(self, pair: str, number: int) -> str:
        """Of all pairs no two are alike."""
        place = list(self.venue.symbols).index(pair)
        return str(FIRST_TRADE + place * TRADES_A_PAIR + number)

    # An account by REST.

    def post_order(self, request: Request, account: Account) -> Row:
        return acknowledgement_row(self.place(account, Params(request.values)))

    def place(self, account: Account, row: Params) -> Order:
        """Raises Rejected."""
        check_category(row)
        pair = self.pair_of(row.string("symbol"))
        terms = order_terms(row, self.client_id_form)
        symbol = self.venue.symbols[pair]
        if terms.amount is not None and terms.amount > symbol.max_size:
            raise Rejected(TOO_LARGE)
        if terms.quote_amount is not None and terms.quote_amount % symbol.price_tick:
            raise Rejected(QUOTE_STEP)
        return self.place_order(account, pair, terms)

    def post_orders(self, request: Request, account: Account) -> Any:
        """Each order is taken or refused by itself."""

        def place(row: Params) -> Row:
            order = self.place(account, row)
            created = {"createAt": str(milliseconds(order.time))}
            return acknowledgement_row(order) | created

        return self.batch(request, place, {"createAt": ""})

    def post_cancel(self, request: Request, account: Account) -> Row:
        return acknowledgement_row(self.cancel(account, Params(request.values)))

    def cancel(self, account: Account, row: Params) -> Order:
        """Raises Rejected."""
        check_category(row)
        row.only(*CANCEL_PARAMS)
        pair = self.pair_of(row.string("symbol"))
        row.choice("orderFilter", dict.fromkeys(ORDER_FILTERS, True), True)
        order_id = row.string("orderId", "")
        client_id = "" if order_id else row.string("orderLinkId", "")
        if not order_id and not client_id:
            raise Rejected(Reason.ILLEGAL, "orderId or orderLinkId is required")
        order = self.find_order(
            account, order_id=order_id, client_id=client_id, otherwise=Reason.UNKNOWN_ORDER
        )
        if order.symbol != pair:
            raise Rejected(Reason.UNKNOWN_ORDER)
        return self.cancel_order(account, order_id=str(order.id))

    def post_cancels(self, request: Request, account: Account) -> Any:
        """Each order is cancelled or its cancel refused by itself."""
        return self.batch(request, lambda row: acknowledgement_row(self.cancel(account, row)), {})

    def batch(self, request: Request, do: Any, empty: Row) -> web.Response:
        """What became of each row stands beside the list of them."""
        Params(request.values).only("category", "request")
        check_category(request)
        rows = request.params_list("request")
        if not 0 < len(rows) <= ORDERS_PER_BATCH:
            raise Rejected(TOO_MANY)
        listed = []
        outcomes = []
        for row in rows:
            sent = Params({"category": "spot", **row.values})
            named = {"category": "spot", "symbol": str(row.get("symbol", ""))}
            try:
                listed.append(named | do(sent))
                outcomes.append({"code": 0, "msg": "OK"})
            except Rejected as refusal:
                answer, text = self.refusal_of(refusal.reason, refusal.detail)
                ids = {name: str(row.get(name, "")) for name in ("orderId", "orderLinkId")}
                listed.append(named | ids | empty)
                outcomes.append({"code": int(answer.code), "msg": text})
        body = self.envelope(0, "OK", {"list": listed}, {"list": outcomes})
        return web.json_response(body, headers=self.headers(request))

    def post_cancel_all(self, request: Request, account: Account) -> Row:
        check_category(request)
        pair = self.optional_pair(request.string("symbol", ""))
        orders = self.filtered(request, self.orders_of(account, pair, is_open=True))
        for order in orders:
            self.cancel_order(account, order_id=str(order.id))
        return {"list": [acknowledgement_row(order) for order in orders], "success": "1"}

    def filtered(self, request: Request, orders: list[Order]) -> list[Order]:
        """Of the assets that a request names; of stops there are none."""
        known = dict(zip(ORDER_FILTERS, ORDER_FILTERS, strict=True))
        if request.choice("orderFilter", known, "Order") != "Order":
            return []
        base = request.string("baseCoin", "")
        settled = request.string("settleCoin", "")
        return [
            order
            for order in orders
            if base in ("", order.symbol.partition("-")[0])
            and settled in ("", order.symbol.partition("-")[2])
        ]

    def get_open_orders(self, request: Request, account: Account) -> Row:
        """An order with the id that is requested is listed although it is closed."""
        check_category(request)
        is_open = request.choice("openOnly", {"0": True, "1": False, "2": False}, True)
        orders = self.orders(request, account, is_open=is_open)
        return self.order_page(request, orders[-RECENT:])

    def get_closed_orders(self, request: Request, account: Account) -> Row:
        check_category(request)
        since_ms, until_ms = span_of(request)
        status = one_of(request, "orderStatus", STATUSES)
        orders = [
            order
            for order in self.orders(request, account, is_open=False)
            if since_ms <= milliseconds(order.time)
            and (until_ms is None or milliseconds(order.time) <= until_ms)
            and status in ("", order_status(order))
        ]
        return self.order_page(request, orders)

    def orders(self, request: Request, account: Account, is_open: bool) -> list[Order]:
        """Those with the id that is requested, open or closed; else all open or all closed ones.
        Oldest first."""
        order_id = request.string("orderId", "")
        client_id = request.string("orderLinkId", "")
        pair = self.optional_pair(request.string("symbol", ""))
        if not order_id and not client_id:
            return self.filtered(request, self.orders_of(account, pair, is_open=is_open))
        found = []
        with suppress(Rejected):
            found = [
                self.find_order(account, order_id=order_id, client_id="" if order_id else client_id)
            ]
        return self.filtered(request, [each for each in found if pair in (None, each.symbol)])

    def order_page(self, request: Request, orders: list[Order]) -> Row:
        """Newest first. Also behind the last page there is a cursor."""
        limit = request.limit("limit", ORDERS_PER_PAGE, MOST_ORDERS)
        before = id_of_cursor(request)
        older = [order for order in orders if before is None or order.id < before]
        page = older[::-1][:limit]
        cursor = ""
        if page:
            ids = [(order.id, milliseconds(order.time)) for order in (page[0], page[-1])]
            cursor = cursor_of(*ids)
        return {
            "category": "spot",
            "list": [order_row(self.symbol(order.symbol), order) for order in page],
            "nextPageCursor": cursor,
        }

    def get_fills(self, request: Request, account: Account) -> Row:
        """Newest first. Also the last page has a cursor, if it isn't empty."""
        check_category(request)
        pair = self.optional_pair(request.string("symbol", ""))
        order_id = request.string("orderId", "")
        client_id = request.string("orderLinkId", "")
        base = request.string("baseCoin", "")
        since_ms, until_ms = span_of(request)
        limit = request.limit("limit", FILLS_PER_PAGE, MOST_FILLS)
        before = id_of_cursor(request)
        is_trades = one_of(request, "execType", EXECUTION_TYPES) in ("", "Trade")
        found = [
            (number, fill)
            for number, fill in enumerate(self.fills_between(account, since_ms, until_ms), 1)
            if is_trades
            and pair in (None, fill.order.symbol)
            and base in ("", fill.order.symbol.partition("-")[0])
            and order_id in ("", str(fill.order.id))
            and client_id in ("", fill.order.own_client_id)
        ]
        page = [row for row in found if before is None or row[0] < before][::-1][:limit]
        return {
            "category": "spot",
            "list": [self.execution(fill) for _, fill in page],
            "nextPageCursor": cursor_of((page[0][0], 2), (page[-1][0], 2)) if page else "",
        }

    def fills_between(self, account: Account, since_ms: int, until_ms: int | None) -> list[Fill]:
        return self.fills_of(
            account, since_ms=since_ms, until_ms=until_ms, limit=len(self.venue.fills)
        )

    def execution(self, fill: Fill) -> Row:
        pair = fill.order.symbol
        rate = self.venue.maker_fee if fill.is_maker else self.venue.taker_fee
        return execution_row(self.symbol(pair), fill, self.trade_id(pair, fill.trade_id), rate)

    def get_fees(self, request: Request, account: Account) -> Row:
        check_category(request)
        base = request.string("baseCoin", "")
        return {
            "category": "spot",
            "list": [
                {
                    "symbol": self.symbol(symbol.pair),
                    "baseCoin": "",
                    "takerFeeRate": str(self.venue.taker_fee),
                    "makerFeeRate": str(self.venue.maker_fee),
                }
                for symbol in self.listed(request)
                if base in ("", symbol.base)
            ],
        }

    def get_wallet(self, request: Request, account: Account) -> Row:
        request.choice("accountType", {"UNIFIED": True})
        coins = tuple(filter(None, request.string("coin", "").split(",")))
        return {"list": [self.wallet(account, *coins)]}

    def wallet(self, account: Account, *coins: str) -> Row:
        """Of all assets, or of those named."""
        worth = {
            balance.asset: balance.total * self.dollars(balance.asset)
            for balance in account.balances()
        }
        rows = [coin_row(balance, worth[balance.asset]) for balance in account.balances(*coins)]
        return wallet_row(rows, sum(worth.values(), ZERO))

    def dollars(self, asset: str) -> Decimal:
        """What one of an asset is worth; 0 for one that isn't traded for dollars."""
        if asset in ("USDT", "USDC", "USD"):
            return Decimal(1)
        for symbol in self.markets():
            if symbol.base == asset and symbol.quote in ("USDT", "USDC", "USD"):
                return self.market_stats(symbol.pair).last
        return ZERO

    def get_account(self, request: Request, account: Account) -> Row:
        return {
            "unifiedMarginStatus": 6,
            "marginMode": "REGULAR_MARGIN",
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
            "dcpStatus": "OFF",
            "timeWindow": 10,
            "smpGroup": 0,
            "updatedTime": str(milliseconds(self.server.now_ns())),
        }

    def get_key(self, request: Request, account: Account) -> Row:
        """May read and trade spot, from anywhere."""
        user = 44_000_001 + list(self.venue.accounts).index(account.name)
        return {
            "id": str(user),
            "userID": user,
            "inviterID": 0,
            "parentUid": "0",
            "isMaster": True,
            "note": account.name,
            "apiKey": account.keys["api_key"],
            "secret": "",
            "type": 1,
            "readOnly": 0,
            "permissions": {"Spot": ["SpotTrade"], "Wallet": [], "ContractTrade": []},
            "ips": ["*"],
            "deadlineDay": 90,
            "createdAt": "2026-01-01T00:00:00Z",
            "expiredAt": "2036-01-01T00:00:00Z",
            "unified": 0,
            "uta": 1,
            "vipLevel": "No VIP",
            "mktMakerLevel": "0",
            "affiliateID": 0,
            "rsaPublicKey": "",
            "kycLevel": "LEVEL_DEFAULT",
            "kycRegion": "",
        }

    def get_coins(self, request: Request, account: Account) -> Row:
        """Nothing is deposited or withdrawn here: coins have no chains."""
        assets = {asset: None for symbol in self.markets() for asset in (symbol.base, symbol.quote)}
        wanted = request.string("coin", "")
        return {
            "rows": [
                {"name": asset, "coin": asset, "remainAmount": "0", "chains": []}
                for asset in assets
                if wanted in ("", asset)
            ]
        }

    # Sockets.

    def on_public_message(self, connection: Connection, message: Message) -> None:
        """One wrong topic, and none of them is followed."""
        operation = operation_of(message, ("subscribe", "unsubscribe", "ping"))
        if operation == "ping":
            self.send(connection, self.operation_answer(message, "pong"))
            return
        topics = topics_of(message)
        for topic in topics:
            self.check_topic(topic)
        self.on_operation(connection, message, topics, "subscribe")

    def check_topic(self, topic: str) -> None:
        """Raises Rejected."""
        for pair in self.venue.symbols:
            known = (*self.book_topics(pair), *self.snapshot_topics(pair))
            if topic in (*known, f"publicTrade.{self.symbol(pair)}"):
                return
        channel, _, symbol = topic.rpartition(".")
        offered = {f"orderbook.{depth}" for depth in DEPTHS} | {"publicTrade", "tickers"}
        if channel in offered and symbol:
            raise Rejected(Reason.UNKNOWN_SYMBOL, topic)
        raise Rejected(Reason.UNKNOWN_TOPIC, topic)

    def on_private_message(self, connection: Connection, message: Message) -> None:
        """One wrong topic, and none of them is followed."""
        operation = operation_of(message, ("auth", "subscribe", "unsubscribe", "ping"))
        if operation == "auth":
            self.authenticate(connection, message)
            return
        if operation == "ping":
            self.send(connection, self.pong(message))
            return
        if connection.account is None:
            raise Rejected(Reason.NO_LOGIN)
        topics = topics_of(message)
        for topic in topics:
            if topic not in PRIVATE_TOPICS:
                raise Rejected(Reason.UNKNOWN_TOPIC, topic)
        self.on_operation(connection, message, topics, "")

    def authenticate(self, connection: Connection, message: Message) -> None:
        """Arguments: the key, until when (ms) the signature holds, and the signature."""
        arguments = message["args"]
        if not isinstance(arguments, list) or len(arguments) != 3:
            raise Rejected(Reason.ILLEGAL, "args")
        api_key, expires_ms, signature = map(str, arguments)
        account = self.signing_account(
            api_key=api_key, signature=signature, payload=f"GET/realtime{expires_ms}"
        )
        if Params({"args": expires_ms}).integer("args") <= milliseconds(self.server.now_ns()):
            raise Rejected(EXPIRED)
        connection.account = account
        self.send(connection, self.operation_answer(message))

    def on_operation(
        self, connection: Connection, message: Message, topics: list[str], word: str
    ) -> None:
        """``word``: what the answer to a subscription says."""
        if message["op"] == "unsubscribe":
            self.unsubscribe(connection, topics, self.operation_answer(message))
            return
        for topic in topics:
            if topic in connection.topics:
                raise Rejected(FOLLOWED, topic)
        self.subscribe(connection, topics, self.operation_answer(message, word))

    def operation_answer(self, message: Message, text: str = "", success: bool = True) -> Frame:
        def frame(connection: Connection, now_ns: int) -> Row:
            return {
                "success": success,
                "ret_msg": text,
                "conn_id": connection_id(connection),
                "req_id": message.get("req_id"),
                "op": message.get("op"),
            }

        return frame

    def pong(self, message: Message) -> Frame:
        """Of the private socket."""

        def frame(connection: Connection, now_ns: int) -> Row:
            return {
                "req_id": message.get("req_id"),
                "op": "pong",
                "args": [str(milliseconds(now_ns))],
                "conn_id": connection_id(connection),
            }

        return frame

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        _, text = self.refusal_of(refusal.reason, refusal.detail)
        if refusal.reason in SOCKET_WORDS:
            text = SOCKET_WORDS[refusal.reason].format(refusal.detail)
        return self.operation_answer(message, text, success=False)

    # Streams.

    def book_topics(self, pair: str) -> Mapping[str, int]:
        return {f"orderbook.{depth}.{self.symbol(pair)}": depth for depth in DEPTHS}

    def is_book_topic(self, topic: str, pair: str) -> bool:
        return topic in self.book_topics(pair)

    def snapshot_topics(self, pair: str) -> list[str]:
        return [f"tickers.{self.symbol(pair)}"]

    def book_frame(
        self, topic: str, window: BookWindow, connection: Connection, now_ns: int
    ) -> Row:
        if topic.startswith("tickers."):
            return self.ticker_frame(topic, window, now_ns)
        is_snapshot = window.is_snapshot
        if topic.startswith(f"orderbook.{BEST}."):
            whole = self.books.snapshot(window.pair, BEST)
            window = replace(window, bids=whole.bids, asks=whole.asks)
            is_snapshot = True
        return {
            "topic": topic,
            "ts": milliseconds(now_ns),
            "cts": milliseconds(now_ns),
            "type": "snapshot" if is_snapshot else "delta",
            "data": book_row(self.symbol(window.pair), window),
        }

    def ticker_frame(self, topic: str, window: BookWindow, now_ns: int) -> Row:
        stats = self.market_stats(window.pair)
        symbol = self.symbol(window.pair)
        return {
            "topic": topic,
            "ts": milliseconds(now_ns),
            "type": "snapshot",
            "cs": self.venue.books[window.pair].update_id,
            "data": {"symbol": symbol} | moves(stats),
        }

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        symbol = self.symbol(match.symbol)
        topic = f"publicTrade.{symbol}"
        row = public_trade_row(symbol, self.trade_id(match.symbol, match.id), match)
        time_ms = milliseconds(match.time)
        return {topic: {"topic": topic, "type": "snapshot", "ts": time_ms, "data": [row]}}

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        symbol = self.symbol(event.order.symbol)
        rows = [
            ("order", order_row(symbol, event.order)),
            ("wallet", self.wallet(event.order.account)),
        ]
        if event.fill is not None:
            rows.insert(0, ("execution", self.execution(event.fill)))
        return rows

    def event_topic(self, topic: str) -> str:
        """What a client follows as ``execution.spot`` is sent as ``execution``."""
        name, _, _ = topic.partition(".")
        return name

    def account_frame(self, topic: str, row: Row, connection: Connection) -> Row:
        return {
            "id": f"{connection_id(connection)}-{self.count('frame')}",
            "topic": topic,
            "creationTime": milliseconds(self.server.now_ns()),
            "data": [row],
        }


def operation_of(message: Message, known: tuple[str, ...]) -> str:
    """Raises Rejected."""
    if not isinstance(message.data, dict):
        raise Rejected(UNREADABLE)
    message.only("req_id", "op", "args")
    operation = message.string("op")
    if operation not in known:
        raise Rejected(Reason.UNKNOWN_METHOD, operation)
    return operation


def topics_of(message: Message) -> list[str]:
    """Raises Rejected."""
    topics = message.strings("args")
    if not topics:
        raise Rejected(Reason.MISSING, "args")
    if len(topics) > TOPICS_A_MESSAGE:
        raise Rejected(TOO_MANY_TOPICS)
    return topics


def connection_id(connection: Connection) -> str:
    name: str = connection.state.setdefault("conn_id", secrets.token_hex(10))
    return name
