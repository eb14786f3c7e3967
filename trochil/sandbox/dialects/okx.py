"""OKX spot from the venue's side. Source: its API v5 documentation."""

import json
import re
import secrets
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from trochil.sandbox.book_windows import BookChannel, BookWindow, Levels, level_rows
from trochil.sandbox.candles import EAST_ASIA_S, Candle, named_interval
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import (
    BaseDialect,
    Frame,
    MarketStats,
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

Listed = TypeVar("Listed")
STATE = {
    "new": "live",
    "partially_filled": "partially_filled",
    "filled": "filled",
    "cancelled": "canceled",
    "expired": "canceled",
}
SIDE_OF: dict[str, Side] = {"buy": "buy", "sell": "sell"}
ORDER_TYPE_OF_TIME_IN_FORCE = {"GTC": "limit", "IOC": "ioc", "FOK": "fok"}
TIME_IN_FORCE_OF_ORDER_TYPE: dict[str, TimeInForce] = {"limit": "GTC", "ioc": "IOC", "fok": "FOK"}
ORDER_TYPES = ("market", "limit", "post_only", "fok", "ioc")
IS_QUOTE_UNIT = {"base_ccy": False, "quote_ccy": True}
INSTRUMENT_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
TRADE_MODES = ("cash", "cross", "isolated", "spot_isolated")
"""The venue's; an account that trades spot has ``cash`` alone."""
OPEN_STATES = ("live", "partially_filled")
CLOSED_STATES = ("canceled", "filled", "mmp_canceled")
TAG = re.compile(r"[a-zA-Z0-9]{0,16}")
ROWS_PER_PAGE = 100
"""Most orders or fills of an answer, and how many where the request sets no limit."""
TRADES_PER_PAGE = 100
MOST_TRADES = 500
CANDLES_PER_PAGE = 100
MOST_CANDLES = 300
LONG_BARS = ("6H", "12H", "1D", "2D", "3D", "1W", "1M", "3M")
BARS = {
    **{
        bar: named_interval(bar, EAST_ASIA_S)
        for bar in ("1s", "1m", "3m", "5m", "15m", "30m", "1H", "2H", "4H", *LONG_BARS)
    },
    **{f"{bar}utc": named_interval(bar) for bar in LONG_BARS},
}
"""Lengths of candles."""
MOST_LEVELS = 400
ORDERS_PER_BATCH = 20
FEW_LEVELS = 5
"""A side of ``books5``."""
NO_BOUND = "1000000000000"
FEE_GROUP = "1"
DOLLARS = ("USDT", "USDC", "USD")

# What the parameters of lists are called.

PAIR_FILTERS = ("instType", "uly", "instFamily", "instId")
ORDER_FILTERS = (*PAIR_FILTERS, "ordType", "state", "category", "after", "before", "limit")
FILL_FILTERS = (*PAIR_FILTERS, "ordId", "subType", "after", "before", "begin", "end", "limit")
DERIVATIVES_ONLY = ("uly", "instFamily")
NOT_OFFERED = ("category", "subType", *DERIVATIVES_ONLY)
"""Filters that the documentation has and the sandbox hasn't: they may be empty."""
ORDER_FIELDS = (
    "instId", "tdMode", "clOrdId", "tag", "side", "posSide", "ordType", "sz", "px", "reduceOnly",
    "tgtCcy", "banAmend", "stpMode",
)  # fmt: skip
ORDER_FIELDS_NOT_OFFERED = (
    "ccy", "pxUsd", "pxVol", "attachAlgoOrds", "quickMgnType", "stpId", "tradeQuoteCcy",
    "pxAmendType", "isElpTakerAccess", "instIdCode",
)  # fmt: skip
"""Of margin, options, stops and the like; some clients send them empty."""
CANCEL_FIELDS = ("instId", "ordId", "clOrdId")

# Reasons of its own.

NO_PASSPHRASE = "no_passphrase"
NO_SIGNATURE = "no_signature"
NO_TIME = "no_time"
MALFORMED_TIME = "malformed_time"
WRONG_MODE = "wrong_mode"
EITHER = "either"
TOO_MANY = "too_many"
TOO_LATE = "too_late"
BAD_JSON = "bad_json"
BAD_ARGUMENTS = "bad_arguments"
LOGGED_IN = "logged_in"
TIER = "tier"

# What sockets refuse.

SOCKET_ERRORS: dict[str, tuple[str, str]] = {
    Reason.NO_LOGIN: ("60011", "Please log in"),
    Reason.UNKNOWN_METHOD: ("60019", "Invalid op: {}"),
    Reason.UNKNOWN_TOPIC: (
        "60018",
        "Wrong URL or {} doesn't exist. Please use the correct URL, channel and parameters "
        "referring to API document.",
    ),
    BAD_ARGUMENTS: ("60013", "Invalid args"),
    TIER: (
        "64003",
        "Your trading fee tier doesn't meet the requirement to access this channel",
    ),
    LOGGED_IN: ("60031", "The WebSocket endpoint does not allow multiple or repeated logins."),
}
LOGIN_ERRORS: dict[str, tuple[str, str]] = {
    LOGGED_IN: SOCKET_ERRORS[LOGGED_IN],
    MALFORMED_TIME: ("60004", "Invalid timestamp"),
    Reason.NO_KEY: ("60005", "Invalid apiKey"),
    Reason.BAD_KEY: ("60032", "API key doesn't exist"),
    Reason.BAD_TIME: ("60006", "Timestamp request expired"),
    Reason.BAD_SIGNATURE: ("60007", "Invalid sign"),
    Reason.BAD_PASSPHRASE: ("60024", "Wrong passphrase"),
}
MALFORMED = ("60012", "Illegal request: {}")
LOGIN_FAILED = ("60009", "Login failed.")
PUBLIC = "/ws/v5/public"
PRIVATE = "/ws/v5/private"
BUSINESS = "/ws/v5/business"
PUBLIC_CHANNELS = ("books", "books5", "bbo-tbt", "trades", "tickers")
TIER_CHANNELS = ("books-l2-tbt", "books50-l2-tbt")
PRIVATE_CHANNELS = ("account", "orders", "balance_and_position")
CHANNEL_FIELDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((*PUBLIC_CHANNELS, *TIER_CHANNELS), ("instId",)),
    "account": ("ccy", "extraParams"),
    "orders": ("instType", "instId"),
    "balance_and_position": (),
}
UPGRADE = {
    "event": "notice",
    "code": "64008",
    "msg": "The connection will soon be closed for a service upgrade. Please reconnect.",
}


# Rows.


def instrument_row(symbol: Symbol, number: int) -> Row:
    """GET /api/v5/public/instruments. ``number``: of the pair, for clients that name it so."""
    step = decimal_text(symbol.size_step)
    most = decimal_text(symbol.max_size)
    return {
        "instType": "SPOT",
        "instId": symbol.pair,
        "instIdCode": number,
        "baseCcy": symbol.base,
        "quoteCcy": symbol.quote,
        "tickSz": decimal_text(symbol.price_tick),
        "lotSz": step,
        "minSz": step,
        "maxLmtSz": most,
        "maxLmtAmt": NO_BOUND,
        "maxMktSz": NO_BOUND,
        "maxMktAmt": NO_BOUND,
        "maxTwapSz": most,
        "maxIcebergSz": most,
        "maxTriggerSz": most,
        "maxStopSz": NO_BOUND,
        "state": "live" if symbol.trading else "suspend",
        "listTime": "1606468572000",
        "category": "1",
        "groupId": FEE_GROUP,
        "ruleType": "normal",
        "tradeQuoteCcyList": [symbol.quote],
        "futureSettlement": False,
        **dict.fromkeys(
            (
                "alias", "auctionEndTime", "contTdSwTime", "ctMult", "ctType", "ctVal",
                "ctValCcy", "expTime", "instFamily", "lever", "openType", "optType",
                "posLmtAmt", "posLmtPct", "preMktSwTime", "settleCcy", "stk", "uly",
            ),
            "",
        ),
    }  # fmt: skip


def ticker_row(stats: MarketStats, now_ns: int) -> Row:
    """GET /api/v5/market/tickers, and the channel ``tickers``."""
    day = stats.day
    return {
        "instType": "SPOT",
        "instId": stats.pair,
        "last": decimal_text(stats.last),
        "lastSz": decimal_text(stats.last_size),
        "askPx": decimal_text(stats.ask),
        "askSz": decimal_text(stats.ask_size),
        "bidPx": decimal_text(stats.bid),
        "bidSz": decimal_text(stats.bid_size),
        "open24h": decimal_text(day.open),
        "high24h": decimal_text(day.high),
        "low24h": decimal_text(day.low),
        "volCcy24h": decimal_text(day.quote_volume),
        "vol24h": decimal_text(day.volume),
        "ts": str(milliseconds(now_ns)),
        "sodUtc0": decimal_text(day.open),
        "sodUtc8": decimal_text(day.open),
    }


def candle_row(candle: Candle, is_over: bool) -> list[str]:
    """GET /api/v5/market/candles."""
    numbers = (candle.open, candle.high, candle.low, candle.close, candle.volume)
    value = decimal_text(candle.quote_volume)
    return [str(candle.begin * 1000), *map(decimal_text, numbers), value, value, str(int(is_over))]


def book_side(levels: Levels) -> list[list[str]]:
    """[price, size, "0" (a field out of use), number of orders]; the last is always 1 here."""
    return [[price, size, "0", "1"] for price, size in level_rows(levels)]


def book_row(window: BookWindow, now_ns: int) -> Row:
    """GET /api/v5/market/books, and what the channels' frames have of it."""
    return {
        "asks": book_side(window.asks),
        "bids": book_side(window.bids),
        "ts": str(milliseconds(now_ns)),
        "seqId": window.last_id,
    }


def trade_row(match: Match) -> Row:
    """GET /api/v5/market/trades. The side is the taker's."""
    return {
        "instId": match.symbol,
        "tradeId": str(match.id),
        "px": decimal_text(match.price),
        "sz": decimal_text(match.amount),
        "side": match.taker.side,
        "source": "0",
        "ts": str(milliseconds(match.time)),
    }


def currency_row(asset: str) -> Row:
    """GET /api/v5/asset/currencies. Nothing is deposited or withdrawn here."""
    return {
        "ccy": asset,
        "name": asset,
        "logoLink": "",
        "chain": f"{asset}-{asset}",
        "ctAddr": "",
        "canDep": False,
        "canWd": False,
        "canInternal": False,
        "minDep": "0",
        "minWd": "0",
        "maxWd": "0",
        "wdTickSz": "8",
        "wdQuota": "0",
        "usedWdQuota": "0",
        "fee": "0",
        "minFee": "0",
        "maxFee": "0",
        "minFeeForCtAddr": "0",
        "maxFeeForCtAddr": "0",
        "burningFeeRate": "",
        "mainNet": True,
        "needTag": False,
        "minDepArrivalConfirm": "1",
        "minWdUnlockConfirm": "1",
        "depQuotaFixed": "",
        "usedDepQuotaFixed": "",
        "depQuoteDailyLayer2": "",
    }


def order_row(order: Order, tag: str, last_fill: Row) -> Row:
    """GET /api/v5/trade/order, and whatever else shows an order. ``last_fill``: of its last trade,
    or of the one that is reported."""
    source, why = cancel_source(order)
    return {
        "instType": "SPOT",
        "instId": order.symbol,
        "ordId": str(order.id),
        "clOrdId": order.own_client_id,
        "tag": tag,
        "side": order.side,
        "posSide": "net",
        "tdMode": "cash",
        "ordType": order_type(order),
        "px": "" if order.price is None else decimal_text(order.price),
        "sz": decimal_text(order.size),
        "tgtCcy": size_unit(order),
        "accFillSz": decimal_text(order.filled),
        "avgPx": decimal_text(order.average_price) if order.filled else "",
        "state": STATE[order.state],
        "cTime": str(milliseconds(order.time)),
        "uTime": str(milliseconds(order.updated)),
        "fee": exact_text(-order.fees),
        "feeCcy": received_asset(order),
        "rebate": "0",
        "rebateCcy": paid_asset(order),
        "pnl": "0",
        "cancelSource": source,
        "cancelSourceReason": why,
        "category": "normal",
        "reduceOnly": "false",
        "isTpLimit": "false",
        "stpMode": "cancel_maker",
        "attachAlgoOrds": [],
        "linkedAlgoOrd": {"algoId": ""},
        "tradeQuoteCcy": order.symbol.partition("-")[2],
        **dict.fromkeys(
            (
                "algoClOrdId", "algoId", "attachAlgoClOrdId", "ccy", "lever", "pxType", "pxUsd",
                "pxVol", "quickMgnType", "slOrdPx", "slTriggerPx", "slTriggerPxType", "source",
                "stpId", "tpOrdPx", "tpTriggerPx", "tpTriggerPxType",
            ),
            "",
        ),
        **last_fill,
    }  # fmt: skip


def received_asset(order: Order) -> str:
    """What an order brings, in which its fee is paid."""
    base, _, quote = order.symbol.partition("-")
    return base if order.is_buy else quote


def paid_asset(order: Order) -> str:
    base, _, quote = order.symbol.partition("-")
    return quote if order.is_buy else base


def last_fill_fields(fill: Fill | None) -> Row:
    """Of an order's last trade; without one all are empty."""
    if fill is None:
        return {"fillPx": "", "fillSz": "0", "fillTime": "", "tradeId": ""}
    return {
        "fillPx": decimal_text(fill.price),
        "fillSz": decimal_text(fill.amount),
        "fillTime": str(milliseconds(fill.time)),
        "tradeId": str(fill.trade_id),
    }


def cancel_source(order: Order) -> tuple[str, str]:
    """By whom an order was cancelled, and why; empty for any other."""
    if STATE[order.state] != "canceled":
        return "", ""
    if order.state == "expired" and order.tif == "FOK":
        return "13", "Order canceled: FOK order was canceled due to incompletely filled"
    if order.state == "expired":
        return "14", "Order canceled: IOC order was partially canceled due to incompletely filled"
    if order.is_post_only and order.updated == order.time:
        return "31", "The current post-only order will take liquidity in taker orders"
    return "1", "Order canceled by user"


def size_unit(order: Order) -> str:
    """What a market order's size is in; empty for all others."""
    if not order.is_market:
        return ""
    return "base_ccy" if order.quote_amount is None else "quote_ccy"


def order_type(order: Order) -> str:
    """A limit order's type is its time in force."""
    return ORDER_TYPE_OF_TIME_IN_FORCE[order.tif] if order.type == "limit" else order.type


def event_fields(event: Event) -> Row:
    """What the channel ``orders`` has besides the order: the trade, if the event is one."""
    fields = {
        "amendResult": "",
        "amendSource": "",
        "reqId": "",
        "code": "0",
        "msg": "",
        "fillPnl": "0",
        "fillPxVol": "",
        "fillPxUsd": "",
        "fillMarkVol": "",
        "fillFwdPx": "",
        "fillMarkPx": "",
        "fillIdxPx": "",
        "lastPx": decimal_text(event.trade_price) if event.match is not None else "",
    }
    if event.match is None:
        empty = ("fillPx", "fillTime", "tradeId", "execType", "fillFeeCcy", "fillNotionalUsd")
        return fields | dict.fromkeys(empty, "") | {"fillSz": "0", "fillFee": "0"}
    return fields | {
        "fillPx": decimal_text(event.trade_price),
        "fillSz": decimal_text(event.trade_amount),
        "fillTime": str(milliseconds(event.time)),
        "tradeId": str(event.trade_id),
        "execType": liquidity(event.is_maker),
        "fillFee": exact_text(-event.fee),
        "fillFeeCcy": event.fee_asset,
        "fillNotionalUsd": decimal_text(event.trade_value),
    }


def fill_row(fill: Fill, bill_id: int, tag: str, rate: Decimal) -> Row:
    """GET /api/v5/trade/fills. A fee that is paid is negative, and so is its ``rate``."""
    return {
        "instType": "SPOT",
        "instId": fill.order.symbol,
        "tradeId": str(fill.trade_id),
        "ordId": str(fill.order.id),
        "clOrdId": fill.order.own_client_id,
        "billId": str(bill_id),
        "subType": "1" if fill.order.is_buy else "2",
        "tag": tag,
        "fillPx": decimal_text(fill.price),
        "fillSz": decimal_text(fill.amount),
        "fillTime": str(milliseconds(fill.time)),
        "side": fill.order.side,
        "posSide": "net",
        "execType": liquidity(fill.is_maker),
        "fee": exact_text(-fill.fee),
        "feeCcy": fill.fee_asset,
        "feeRate": exact_text(-rate),
        "ts": str(milliseconds(fill.time)),
        "fillPnl": "0",
        "tradeQuoteCcy": fill.order.symbol.partition("-")[2],
        **dict.fromkeys(
            (
                "fillIdxPx", "fillPxVol", "fillPxUsd", "fillMarkVol", "fillFwdPx", "fillMarkPx",
            ),
            "",
        ),
    }  # fmt: skip


def liquidity(is_maker: bool) -> str:
    return "M" if is_maker else "T"


def detail_row(balance: Balance, dollars: Decimal, time_ms: str) -> Row:
    """One asset of GET /api/v5/account/balance. ``dollars``: what all of it is worth."""
    total = exact_text(balance.total)
    free = exact_text(balance.free)
    held = exact_text(balance.held)
    return {
        "ccy": balance.asset,
        "eq": total,
        "cashBal": total,
        "availBal": free,
        "availEq": free,
        "frozenBal": held,
        "ordFrozen": held,
        "eqUsd": decimal_text(dollars),
        "disEq": decimal_text(dollars),
        "uTime": time_ms,
        "spotBal": total,
        "collateralEnabled": False,
        "collateralRestrict": False,
        "colRes": "0",
        "colBorrAutoConversion": "0",
        "autoLendStatus": "off",
        "autoLendMtAmt": "0",
        **dict.fromkeys(
            (
                "fixedBal", "frpType", "isoEq", "isoUpl", "notionalLever", "rewardBal",
                "smtSyncEq", "spotCopyTradingEq", "spotIsoBal", "stgyEq", "upl", "uplLiab",
            ),
            "0",
        ),
        **dict.fromkeys(
            (
                "accAvgPx", "borrowFroz", "clSpotInUseAmt", "crossLiab", "imr", "interest",
                "isoLiab", "liab", "maxLoan", "maxSpotInUse", "mgnRatio", "mmr", "openAvgPx",
                "spotInUseAmt", "spotUpl", "spotUplRatio", "totalPnl", "totalPnlRatio", "twap",
            ),
            "",
        ),
    }  # fmt: skip


def account_row(details: list[Row], dollars: Decimal, time_ms: str) -> Row:
    """GET /api/v5/account/balance, and the channel ``account``."""
    return {
        "uTime": time_ms,
        "totalEq": decimal_text(dollars),
        "availEq": "",
        "details": details,
        "isoEq": "0",
        **dict.fromkeys(
            (
                "adjEq", "borrowFroz", "delta", "deltaLever", "deltaNeutralStatus", "imr",
                "mgnRatio", "mmr", "notionalUsd", "notionalUsdForBorrow",
                "notionalUsdForFutures", "notionalUsdForOption", "notionalUsdForSwap",
                "ordFroz", "upl",
            ),
            "",
        ),
    }  # fmt: skip


def config_row(uid: str) -> Row:
    """GET /api/v5/account/config: an account that trades spot alone."""
    return {
        "uid": uid,
        "mainUid": uid,
        "acctLv": "1",
        "acctStpMode": "cancel_maker",
        "posMode": "net_mode",
        "autoLoan": False,
        "greeksType": "PA",
        "feeType": "0",
        "level": "Lv1",
        "levelTmp": "",
        "ctIsoMode": "automatic",
        "mgnIsoMode": "automatic",
        "spotOffsetType": "",
        "stgyType": "0",
        "roleType": "0",
        "traderInsts": [],
        "spotRoleType": "0",
        "spotTraderInsts": [],
        "opAuth": "0",
        "kycLv": "3",
        "label": "sandbox",
        "ip": "",
        "perm": "read_only,trade",
        "liquidationGear": "",
        "enableSpotBorrow": False,
        "spotBorrowAutoRepay": False,
        "settleCcy": "",
        "settleCcyList": [],
        "type": "0",
    }


def acknowledgement_row(order: Order, tag: str, now_ns: int) -> Row:
    """What placing and cancelling answer."""
    return {
        "ordId": str(order.id),
        "clOrdId": order.own_client_id,
        "tag": tag,
        "ts": str(milliseconds(now_ns)),
        "sCode": "0",
        "sMsg": "",
    }


# Requests.


def order_terms(row: Params, form: re.Pattern[str]) -> OrderTerms:
    """A row of POST /api/v5/trade/order. Prices of market orders and units of all others mean
    nothing. Raises Rejected."""
    refuse_others(row, ORDER_FIELDS, ORDER_FIELDS_NOT_OFFERED)
    check_mode(row)
    side = row.choice("side", SIDE_OF)
    kind = row.choice("ordType", dict(zip(ORDER_TYPES, ORDER_TYPES, strict=True)))
    is_in_quote = row.choice("tgtCcy", IS_QUOTE_UNIT, side == "buy")
    client_id = row.client_id("clOrdId", form)
    size = row.decimal("sz")
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
        kind="post_only" if kind == "post_only" else "limit",
        tif=TIME_IN_FORCE_OF_ORDER_TYPE.get(kind, "GTC"),
        price=row.decimal("px"),
        amount=size,
        client_id=client_id,
    )


def check_mode(row: Params) -> None:
    """Raises Rejected for what only margin and derivatives have."""
    modes = dict(zip(TRADE_MODES, TRADE_MODES, strict=True))
    if row.choice("tdMode", modes) != "cash":
        raise Rejected(WRONG_MODE)
    row.choice("posSide", {"net": "net"}, "net")
    row.choice("stpMode", {"cancel_maker": "cancel_maker"}, "cancel_maker")
    row.flag("banAmend")
    if row.flag("reduceOnly"):
        raise Rejected(Reason.ILLEGAL, "reduceOnly")
    if not TAG.fullmatch(row.string("tag", "")):
        raise Rejected(Reason.ILLEGAL, "tag")


def refuse_others(params: Params, known: tuple[str, ...], empty: tuple[str, ...]) -> None:
    """Raises Rejected: UNKNOWN_PARAMETER for a name that isn't known, or not empty as it must."""
    params.only(*known, *empty)
    for name in empty:
        if params.get(name, None) not in (None, []):
            raise Rejected(Reason.UNKNOWN_PARAMETER, name)


def order_id_of(row: Params) -> tuple[str, str]:
    """(the venue's id, the client's): one of them; the venue's counts where both are sent."""
    order_id = str(row.integer("ordId")) if "ordId" in row else ""
    client_id = "" if order_id else row.string("clOrdId", "")
    if not order_id and not client_id:
        raise Rejected(EITHER)
    return order_id, client_id


def is_spot(request: Request, *, is_mandatory: bool = False) -> bool:
    """Whether a list is one of spot pairs: there is nothing of any other kind here."""
    if not is_mandatory and "instType" not in request:
        return True
    kinds = dict(zip(INSTRUMENT_TYPES, INSTRUMENT_TYPES, strict=True))
    return request.choice("instType", kinds) == "SPOT"


def named_among(request: Request, name: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Values separated by commas; all that are known where none was sent."""
    found = tuple(request.string(name).split(",")) if name in request else ()
    for value in found:
        if value not in known:
            raise Rejected(Reason.ILLEGAL, name)
    return found or known


def page_of(request: Request, listed: Iterable[tuple[int, int, Listed]]) -> list[Listed]:
    """The newest of what is listed as (id, unix ms, what it is), oldest first: of those before the
    id ``after``, behind the id ``before``, and between two times."""
    limit = request.limit("limit", ROWS_PER_PAGE, ROWS_PER_PAGE)
    after = request.optional_integer("after")
    before = request.optional_integer("before")
    begin = request.optional_integer("begin")
    end = request.optional_integer("end")
    found = [
        item
        for number, time_ms, item in listed
        if (after is None or number < after)
        and (before is None or number > before)
        and (begin is None or time_ms >= begin)
        and (end is None or time_ms <= end)
    ]
    return found[::-1][:limit]


def batch_of(request: Request) -> list[Params]:
    """The orders of a batch."""
    if request.body is None:
        raise Rejected(BAD_JSON)
    rows = Params({"body": request.body}).params_list("body")
    if not 0 < len(rows) <= ORDERS_PER_BATCH:
        raise Rejected(TOO_MANY, str(ORDERS_PER_BATCH))
    return rows


class Dialect(BaseDialect):
    """``books`` of 400 levels; each frame names the sequence id of the one before. Checksums
    are 0."""

    name = "okx"
    foreign_clients = ("ccxt", "cryptofeed", "python-okx")
    takes_forms = False
    shows_made_client_ids = False
    book_channel = BookChannel(levels=MOST_LEVELS, tells_restarts=True)
    snapshot_on_subscribe = True
    post_only_cancels = True
    extra_key_fields = ("passphrase",)
    private_paths = (PRIVATE,)
    client_id_form = re.compile(r"[a-zA-Z0-9]{1,32}")
    offered_methods = ("login", "subscribe", "unsubscribe", "ping")
    offered_streams = (*PUBLIC_CHANNELS, *PRIVATE_CHANNELS)
    refusals = {
        Reason.UNKNOWN_SYMBOL: Refusal(
            200, "51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist."
        ),
        Reason.MARKET_CLOSED: Refusal(200, "51022", "Contract suspended"),
        Reason.PRICE_FILTER: Refusal(200, "51006"),
        Reason.LOT_SIZE: Refusal(
            200, "51121", "Order quantity must be a multiple of the lot size."
        ),
        Reason.NOTIONAL: Refusal(
            200, "51020", "Your order should meet or exceed the minimum order amount."
        ),
        Reason.INSUFFICIENT_BALANCE: Refusal(
            200, "51008", "Order failed. Insufficient balance in account"
        ),
        Reason.DUPLICATE_CLIENT_ID: Refusal(200, "51016", "Duplicated client order ID"),
        Reason.UNKNOWN_ORDER: Refusal(
            200,
            "51400",
            "Order cancellation failed as the order has been filled, canceled or does not exist.",
        ),
        Reason.NO_SUCH_ORDER: Refusal(200, "51603", "Order does not exist"),
        Reason.ILLEGAL: Refusal(200, "51000", "Parameter {} error"),
        Reason.UNKNOWN_PARAMETER: Refusal(200, "51000", "Parameter {} error"),
        Reason.DOUBLED_PARAMETER: Refusal(200, "51000", "Parameter {} error"),
        Reason.BAD_CLIENT_ID: Refusal(200, "51000", "Parameter {} error"),
        Reason.MISSING: Refusal(200, "50014", "Parameter {} can not be empty."),
        EITHER: Refusal(200, "50015", "Either parameter ordId or clOrdId is required"),
        TOO_MANY: Refusal(200, "50025", "Parameter args count exceeds the limit {}"),
        WRONG_MODE: Refusal(
            200,
            "51010",
            "You can't complete this request under your current account mode.",
        ),
        TOO_LATE: Refusal(200, "51149", "Order timed out. Please try again later."),
        BAD_JSON: Refusal(400, "50000", "Body for POST request can not be empty."),
        Reason.UNKNOWN_PATH: Refusal(404, "50125", "Invalid Request Access uri"),
        Reason.TIMEOUT: Refusal(200, "50004", "API endpoint request timeout"),
        Reason.NO_KEY: Refusal(401, "50103", 'Request header "OK-ACCESS-KEY" can not be empty.'),
        NO_PASSPHRASE: Refusal(
            401, "50104", 'Request header "OK-ACCESS-PASSPHRASE" can not be empty.'
        ),
        NO_SIGNATURE: Refusal(401, "50106", 'Request header "OK-ACCESS-SIGN" can not be empty.'),
        NO_TIME: Refusal(401, "50107", 'Request header "OK-ACCESS-TIMESTAMP" can not be empty.'),
        MALFORMED_TIME: Refusal(401, "50112", "Invalid OK-ACCESS-TIMESTAMP."),
        Reason.BAD_KEY: Refusal(401, "50111", "Invalid OK-ACCESS-KEY."),
        Reason.BAD_PASSPHRASE: Refusal(
            401, "50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect.'
        ),
        Reason.BAD_SIGNATURE: Refusal(401, "50113", "Invalid signature."),
        Reason.BAD_TIME: Refusal(401, "50102", "Timestamp request expired."),
        Reason.UNAVAILABLE: Refusal(
            503, "50001", "Service temporarily unavailable. Please try again later."
        ),
        Reason.RATE_LIMITED: Refusal(429, "50011", "Too Many Requests"),
    }

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._tags: dict[int, str] = {}
        self._tag_of_new_order = ""

    def routes(self) -> list[Route]:
        trade = "/api/v5/trade"
        history = (*ORDER_FILTERS, "begin", "end")
        return [
            PublicRoute("GET", "/api/v5/public/time", self.get_time, params=()),
            PublicRoute(
                "GET", "/api/v5/public/instruments", self.get_instruments, params=PAIR_FILTERS
            ),
            PublicRoute("GET", "/api/v5/system/status", self.get_status, params=("state",)),
            PublicRoute("GET", "/api/v5/market/ticker", self.get_ticker, params=("instId",)),
            PublicRoute(
                "GET",
                "/api/v5/market/tickers",
                self.get_tickers,
                params=("instType", "uly", "instFamily"),
            ),
            PublicRoute(
                "GET", "/api/v5/market/trades", self.get_trades, params=("instId", "limit")
            ),
            *(
                PublicRoute(
                    "GET",
                    f"/api/v5/market/{path}",
                    self.get_candles,
                    params=("instId", "bar", "after", "before", "limit"),
                )
                for path in ("candles", "history-candles")
            ),
            PublicRoute(
                "GET", "/api/v5/market/books", self.get_book, params=("instId", "sz", "source")
            ),
            SignedRoute("GET", "/api/v5/asset/currencies", self.get_currencies, params=("ccy",)),
            SignedRoute("GET", "/api/v5/account/config", self.get_config, params=()),
            SignedRoute("GET", "/api/v5/account/balance", self.get_balance, params=("ccy",)),
            SignedRoute(
                "GET",
                "/api/v5/account/instruments",
                self.get_account_instruments,
                params=PAIR_FILTERS,
            ),
            SignedRoute(
                "GET",
                "/api/v5/account/positions",
                self.get_positions,
                params=("instType", "instId", "posId"),
            ),
            SignedRoute(
                "GET",
                "/api/v5/account/trade-fee",
                self.get_fees,
                params=(*PAIR_FILTERS, "ruleType", "groupId"),
            ),
            SignedRoute("POST", f"{trade}/order", self.post_order, kind="place"),
            SignedRoute("POST", f"{trade}/batch-orders", self.post_orders, kind="place"),
            SignedRoute("POST", f"{trade}/cancel-order", self.post_cancel, kind="cancel"),
            SignedRoute("POST", f"{trade}/cancel-batch-orders", self.post_cancels, kind="cancel"),
            SignedRoute("GET", f"{trade}/order", self.get_order, params=CANCEL_FIELDS),
            SignedRoute(
                "GET", f"{trade}/orders-pending", self.get_open_orders, params=ORDER_FILTERS
            ),
            SignedRoute("GET", f"{trade}/orders-history", self.get_closed_orders, params=history),
            SignedRoute(
                "GET", f"{trade}/orders-history-archive", self.get_closed_orders, params=history
            ),
            SignedRoute("GET", f"{trade}/fills", self.get_fills, params=FILL_FILTERS),
            SignedRoute(
                "GET", f"{trade}/fills-history", self.get_fills_history, params=FILL_FILTERS
            ),
        ]

    def sockets(self) -> Mapping[str, SocketHandler]:
        return {PUBLIC: self.on_message, PRIVATE: self.on_message, BUSINESS: self.on_message}

    def symbol(self, pair: str) -> str:
        return pair

    def result(self, body: Any) -> Row:
        """Rows; or the whole answer, where some of them were refused."""
        if isinstance(body, dict):
            return body
        return {"code": "0", "msg": "", "data": body}

    def error_body(self, code: int | str, message: str, request: Request | None) -> Row:
        return {"code": code, "msg": message, "data": []}

    def verify(self, request: Request) -> Account:
        """Raises Rejected: what is missing, malformed, late or wrong."""
        for header, reason in (
            ("OK-ACCESS-KEY", Reason.NO_KEY),
            ("OK-ACCESS-PASSPHRASE", NO_PASSPHRASE),
            ("OK-ACCESS-SIGN", NO_SIGNATURE),
            ("OK-ACCESS-TIMESTAMP", NO_TIME),
        ):
            if not request.header(header):
                raise Rejected(reason)
        timestamp = request.header("OK-ACCESS-TIMESTAMP")
        try:
            signed_at_s = request.header_time_s("OK-ACCESS-TIMESTAMP")
        except Rejected:
            raise Rejected(MALFORMED_TIME) from None
        return self.signing_account(
            api_key=request.header("OK-ACCESS-KEY"),
            signature=request.header("OK-ACCESS-SIGN"),
            payload=timestamp + request.method + request.target + request.text,
            encoding="base64",
            signed_at_s=signed_at_s,
            passphrase=request.header("OK-ACCESS-PASSPHRASE"),
        )

    # Public data by REST.

    def get_time(self, request: Request) -> list[Row]:
        return [{"ts": str(milliseconds(self.server.now_ns()))}]

    def get_status(self, request: Request) -> list[Row]:
        """No maintenance is planned."""
        named_among(request, "state", ("scheduled", "ongoing", "pre_open", "completed", "canceled"))
        return []

    def get_instruments(self, request: Request) -> list[Row]:
        refuse_others(request, PAIR_FILTERS, DERIVATIVES_ONLY)
        if not is_spot(request, is_mandatory=True):
            return []
        pair = self.optional_pair(request.string("instId", ""))
        numbers = {known: number for number, known in enumerate(self.venue.symbols, 10_001)}
        return [instrument_row(symbol, numbers[symbol.pair]) for symbol in self.markets(pair)]

    def get_ticker(self, request: Request) -> list[Row]:
        pair = self.pair_of(request.string("instId"))
        return [self.ticker(pair)]

    def get_tickers(self, request: Request) -> list[Row]:
        refuse_others(request, ("instType",), DERIVATIVES_ONLY)
        if not is_spot(request, is_mandatory=True):
            return []
        return [self.ticker(symbol.pair) for symbol in self.markets()]

    def ticker(self, pair: str) -> Row:
        return ticker_row(self.market_stats(pair), self.server.now_ns())

    def get_trades(self, request: Request) -> list[Row]:
        """Newest first."""
        pair = self.pair_of(request.string("instId"))
        limit = request.limit("limit", TRADES_PER_PAGE, MOST_TRADES)
        return [trade_row(match) for match in reversed(self.recent_trades(pair, limit))]

    def get_candles(self, request: Request) -> list[list[str]]:
        """Newest first; those that begin before ``after`` and after ``before`` (ms)."""
        pair = self.pair_of(request.string("instId"))
        interval = request.choice("bar", BARS, BARS["1m"])
        count = request.limit("limit", CANDLES_PER_PAGE, MOST_CANDLES)
        now_s = self.now_s()
        until_s = min(now_s, (request.integer("after", now_s * 1000 + 1) - 1) // 1000)
        since_ms = request.integer("before", 0)
        return [
            candle_row(candle, interval.end(candle.begin) <= now_s)
            for candle in reversed(self.candles(pair).latest(count, until_s, interval))
            if candle.begin * 1000 > since_ms
        ]

    def get_book(self, request: Request) -> list[Row]:
        pair = self.pair_of(request.string("instId"))
        request.choice("source", {"0": "0"}, "0")
        window = self.books.requested(pair, limit=request.limit("sz", 1, MOST_LEVELS))
        return [book_row(window, self.server.now_ns())]

    # An account by REST.

    def get_currencies(self, request: Request, account: Account) -> list[Row]:
        assets = {asset: None for symbol in self.markets() for asset in (symbol.base, symbol.quote)}
        wanted = set(filter(None, request.string("ccy", "").split(",")))
        return [currency_row(asset) for asset in assets if not wanted or asset in wanted]

    def get_config(self, request: Request, account: Account) -> list[Row]:
        return [config_row(self.uid(account))]

    def get_account_instruments(self, request: Request, account: Account) -> list[Row]:
        return self.get_instruments(request)

    def get_positions(self, request: Request, account: Account) -> list[Row]:
        """Spot has none."""
        is_spot(request)
        self.optional_pair(request.string("instId", ""))
        return []

    def get_fees(self, request: Request, account: Account) -> list[Row]:
        """A rate that is charged is negative."""
        refuse_others(request, ("instType", "instId", "groupId"), (*DERIVATIVES_ONLY, "ruleType"))
        self.optional_pair(request.string("instId", ""))
        request.choice("groupId", {FEE_GROUP: FEE_GROUP}, FEE_GROUP)
        if not is_spot(request, is_mandatory=True):
            return []
        rates = {"maker": str(-self.venue.maker_fee), "taker": str(-self.venue.taker_fee)}
        return [
            {
                "instType": "SPOT",
                "level": "Lv1",
                **rates,
                "makerUSDC": rates["maker"],
                "takerUSDC": rates["taker"],
                "feeGroup": [{"groupId": FEE_GROUP, **rates}],
                "fiat": [],
                "ruleType": "normal",
                "ts": str(milliseconds(self.server.now_ns())),
                "category": "1",
                "delivery": "",
                "exercise": "",
                "makerU": "",
                "takerU": "",
            }
        ]

    def get_balance(self, request: Request, account: Account) -> list[Row]:
        assets = tuple(filter(None, request.string("ccy", "").split(",")))
        return [self.balance(account, *assets)]

    def balance(self, account: Account, *assets: str) -> Row:
        """Of all assets, or of those named."""
        time_ms = str(milliseconds(self.server.now_ns()))
        worth = {
            balance.asset: balance.total * self.dollars(balance.asset)
            for balance in account.balances()
        }
        details = [
            detail_row(balance, worth[balance.asset], time_ms)
            for balance in account.balances(*assets)
        ]
        return account_row(details, sum(worth.values(), ZERO), time_ms)

    def dollars(self, asset: str) -> Decimal:
        """What one of an asset is worth; 0 for one that isn't traded for dollars."""
        if asset in DOLLARS:
            return Decimal(1)
        for symbol in self.markets():
            if symbol.base == asset and symbol.quote in DOLLARS:
                return self.market_stats(symbol.pair).last
        return ZERO

    def uid(self, account: Account) -> str:
        return str(44_000_001 + list(self.venue.accounts).index(account.name))

    def post_order(self, request: Request, account: Account) -> Row:
        if request.body is None:
            raise Rejected(BAD_JSON)
        self.check_deadline(request)
        return self.operation([self.place(account, Params(request.values))])

    def post_orders(self, request: Request, account: Account) -> Row:
        rows = batch_of(request)
        self.check_deadline(request)
        return self.operation([self.place(account, row) for row in rows])

    def check_deadline(self, request: Request) -> None:
        """Raises Rejected for a request that came later than it says that it may."""
        deadline_ms = request.header_integer("expTime", 0)
        if deadline_ms and milliseconds(self.server.now_ns()) > deadline_ms:
            raise Rejected(TOO_LATE)

    def post_cancel(self, request: Request, account: Account) -> Row:
        if request.body is None:
            raise Rejected(BAD_JSON)
        return self.operation([self.cancel(account, Params(request.values))])

    def post_cancels(self, request: Request, account: Account) -> Row:
        return self.operation([self.cancel(account, row) for row in batch_of(request)])

    def operation(self, rows: list[Row]) -> Row:
        """An answer to orders or cancels, each of which may be refused by itself."""
        refused = sum(row["sCode"] != "0" for row in rows)
        now_us = str(self.server.now_ns() // 1000)
        code, message = "2", "Bulk operation partially succeeded."
        if not refused:
            code, message = "0", ""
        elif refused == len(rows):
            code, message = "1", "All operations failed"
        return {"code": code, "msg": message, "data": rows, "inTime": now_us, "outTime": now_us}

    def place(self, account: Account, row: Params) -> Row:
        """An order; in the answer's row stands why it is refused."""
        try:
            pair = self.pair_of(row.string("instId"))
            terms = order_terms(row, self.client_id_form)
            self._tag_of_new_order = row.string("tag", "")
            order = self.place_order(account, pair, terms)
        except Rejected as refusal:
            return self.refused_row(row, refusal)
        return acknowledgement_row(order, self.tag(order), self.server.now_ns())

    def cancel(self, account: Account, row: Params) -> Row:
        try:
            refuse_others(row, CANCEL_FIELDS, ())
            order = self.order_named(account, row, Reason.UNKNOWN_ORDER)
            self.cancel_order(account, order_id=str(order.id))
        except Rejected as refusal:
            return self.refused_row(row, refusal)
        return acknowledgement_row(order, self.tag(order), self.server.now_ns())

    def order_named(self, account: Account, row: Params, otherwise: str) -> Order:
        """The order of a pair with one of its ids. Raises Rejected."""
        pair = self.pair_of(row.string("instId"))
        order_id, client_id = order_id_of(row)
        order = self.find_order(
            account, order_id=order_id, client_id=client_id, otherwise=otherwise
        )
        if order.symbol != pair:
            raise Rejected(otherwise)
        return order

    def refused_row(self, row: Params, refusal: Rejected) -> Row:
        answer, message = self.refusal_of(refusal.reason, refusal.detail)
        return {
            "ordId": str(row.get("ordId", "")),
            "clOrdId": str(row.get("clOrdId", "")),
            "tag": str(row.get("tag", "")),
            "ts": str(milliseconds(self.server.now_ns())),
            "sCode": answer.code,
            "sMsg": message,
        }

    def tag(self, order: Order) -> str:
        """What the client wrote on an order."""
        return self._tags.setdefault(order.id, self._tag_of_new_order)

    def get_order(self, request: Request, account: Account) -> list[Row]:
        return self.order_rows([self.order_named(account, request, Reason.NO_SUCH_ORDER)])

    def order_rows(self, orders: list[Order]) -> list[Row]:
        wanted = {order.id for order in orders}
        last = {fill.order.id: fill for fill in self.venue.fills if fill.order.id in wanted}
        return [
            order_row(order, self.tag(order), last_fill_fields(last.get(order.id)))
            for order in orders
        ]

    def get_open_orders(self, request: Request, account: Account) -> list[Row]:
        return self.listed_orders(request, account, OPEN_STATES)

    def get_closed_orders(self, request: Request, account: Account) -> list[Row]:
        is_spot(request, is_mandatory=True)
        return self.listed_orders(request, account, CLOSED_STATES)

    def listed_orders(
        self, request: Request, account: Account, states: tuple[str, ...]
    ) -> list[Row]:
        """Newest first."""
        refuse_others(request, (*ORDER_FILTERS, "begin", "end"), NOT_OFFERED)
        pair = self.optional_pair(request.string("instId", ""))
        types = named_among(request, "ordType", ORDER_TYPES)
        wanted = named_among(request, "state", states)
        orders = [
            (order.id, milliseconds(order.time), order)
            for order in self.orders_of(account, pair)
            if STATE[order.state] in wanted and order_type(order) in types
        ]
        found = page_of(request, orders)
        return self.order_rows(found) if is_spot(request) else []

    def get_fills(self, request: Request, account: Account) -> list[Row]:
        """Newest first. A bill's number is that of the fill among all of the venue."""
        refuse_others(request, FILL_FILTERS, NOT_OFFERED)
        pair = self.optional_pair(request.string("instId", ""))
        order_id = request.optional_integer("ordId")
        fills = [
            (number, milliseconds(fill.time), (number, fill))
            for number, fill in enumerate(self.venue.fills, 1)
            if fill.order.account is account
            and pair in (None, fill.order.symbol)
            and order_id in (None, fill.order.id)
        ]
        found = page_of(request, fills)
        if not is_spot(request):
            return []
        return [
            fill_row(fill, number, self.tag(fill.order), self.rate(fill)) for number, fill in found
        ]

    def get_fills_history(self, request: Request, account: Account) -> list[Row]:
        is_spot(request, is_mandatory=True)
        return self.get_fills(request, account)

    def rate(self, fill: Fill) -> Decimal:
        return self.venue.maker_fee if fill.is_maker else self.venue.taker_fee

    # Sockets.

    def on_message(self, connection: Connection, message: Message) -> None:
        """Text pings; login, subscribe and unsubscribe, each for a list of arguments. Each argument
        is confirmed or refused by itself."""
        if message.data == "ping":
            self.send(connection, "pong")
            return
        message.only("id", "op", "args")
        operation = message.string("op")
        if operation not in ("login", "subscribe", "unsubscribe"):
            raise Rejected(Reason.UNKNOWN_METHOD, operation)
        for argument in arguments_of(message):
            try:
                self.on_argument(connection, message, argument)
            except Rejected as refusal:
                self.send(connection, self.socket_error(message, refusal))

    def on_argument(self, connection: Connection, message: Message, argument: Params) -> None:
        if message["op"] == "login":
            self.log_in(connection, message, argument)
            return
        topic = self.topic(connection, argument)
        acknowledgement = framed(message, {"event": message["op"], "arg": argument.values})
        if message["op"] == "unsubscribe":
            self.unsubscribe(connection, [topic], acknowledgement)
            return
        connection.state.setdefault("args", {})[topic] = argument.values
        self.subscribe(connection, [topic], acknowledgement)
        self.open_channel(connection, topic, argument.string("channel"))

    def open_channel(self, connection: Connection, topic: str, channel: str) -> None:
        """What an account's channels send at once."""
        account = connection.account
        if channel not in PRIVATE_CHANNELS or account is None:
            return
        if channel == "account":
            assets = filter(None, [topic.partition(":")[2]])
            self.send(
                connection, self.account_frame(topic, self.balance(account, *assets), connection)
            )
        if channel == "balance_and_position":
            row = self.balance_and_position(account, "snapshot", [])
            self.send(connection, self.account_frame(topic, row, connection))
        followers = [
            each
            for each in self.server.private(account)
            if any(name.startswith(f"{channel}:") for name in each.topics)
        ]
        count = {
            "event": "channel-conn-count",
            "channel": channel,
            "connCount": str(len(followers)),
        }
        self.send(connection, framed(None, count))

    def log_in(self, connection: Connection, message: Message, argument: Params) -> None:
        """Raises Rejected."""
        argument.only("apiKey", "passphrase", "timestamp", "sign")
        if connection.account is not None:
            raise Rejected(LOGGED_IN)
        try:
            signed_at_s = float(argument.decimal("timestamp"))
        except Rejected:
            raise Rejected(MALFORMED_TIME) from None
        connection.account = self.signing_account(
            api_key=argument.string("apiKey", ""),
            signature=argument.string("sign", ""),
            payload=argument.string("timestamp") + "GET/users/self/verify",
            encoding="base64",
            signed_at_s=signed_at_s,
            passphrase=argument.string("passphrase", ""),
        )
        self.send(connection, framed(message, {"event": "login", "code": "0", "msg": ""}))

    def topic(self, connection: Connection, argument: Params) -> str:
        """``books:BTC-USDT``; ``orders:`` of all pairs. Raises Rejected: NO_LOGIN, UNKNOWN_TOPIC
        for what the path doesn't serve."""
        unknown = Rejected(
            Reason.UNKNOWN_TOPIC,
            ",".join(f"{name}:{value}" for name, value in argument.values.items()),
        )
        channel = argument.get("channel")
        if not isinstance(channel, str) or channel not in CHANNEL_FIELDS:
            raise unknown
        is_private = channel in PRIVATE_CHANNELS
        if connection.path != (PRIVATE if is_private else PUBLIC):
            raise unknown
        if (is_private or channel in TIER_CHANNELS) and connection.account is None:
            raise Rejected(Reason.NO_LOGIN)
        if channel in TIER_CHANNELS:
            raise Rejected(TIER)
        try:
            argument.only("channel", *CHANNEL_FIELDS[channel])
            return f"{channel}:{self.followed(argument, channel)}"
        except Rejected:
            raise unknown from None

    def followed(self, argument: Params, channel: str) -> str:
        """The pair or the asset that a topic is of; empty for all."""
        if channel == "account":
            return argument.string("ccy", "")
        if channel == "orders":
            argument.choice("instType", {"SPOT": True, "ANY": True})
            return self.optional_pair(argument.string("instId", "")) or ""
        return "" if channel in PRIVATE_CHANNELS else self.pair_of(argument.string("instId"))

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        if message.get("op") == "login":
            code, text = LOGIN_ERRORS.get(refusal.reason, LOGIN_FAILED)
            return framed(message, {"event": "error", "code": code, "msg": text})
        code, text = SOCKET_ERRORS.get(refusal.reason, MALFORMED)
        said = message.data if isinstance(message.data, str) else json.dumps(message.data)
        detail = refusal.detail if refusal.reason in SOCKET_ERRORS else said
        return framed(message, {"event": "error", "code": code, "msg": text.format(detail)})

    def terminate(self, connection: Connection) -> None:
        """The venue announces it."""
        self.send(connection, framed(None, UPGRADE))
        self.server.call_later(1.0, self.server.disconnect, [connection])

    # Streams.

    def book_topics(self, pair: str) -> Mapping[str, int]:
        return {f"books:{pair}": 0}

    def is_book_topic(self, topic: str, pair: str) -> bool:
        channel, _, followed = topic.partition(":")
        return followed == pair and channel in ("books", "books5", "bbo-tbt")

    def snapshot_topics(self, pair: str) -> list[str]:
        return [f"books5:{pair}", f"bbo-tbt:{pair}", f"tickers:{pair}"]

    def book_frame(
        self, topic: str, window: BookWindow, connection: Connection, now_ns: int
    ) -> Row:
        channel, _, pair = topic.partition(":")
        argument = {"channel": channel, "instId": pair}
        if channel == "tickers":
            return {"arg": argument, "data": [self.ticker(pair)]}
        row = book_row(window, self.server.now_ns())
        if channel != "books":
            levels = FEW_LEVELS if channel == "books5" else 1
            few = {side: row[side][:levels] for side in ("asks", "bids")}
            named = {"instId": pair} if channel == "books5" else {}
            return {"arg": argument, "data": [row | few | named]}
        is_wrong = not window.is_snapshot and self.server.faults.hits("bad_checksum")
        row |= {
            "prevSeqId": -1 if window.is_snapshot else window.previous_id,
            "checksum": 1 if is_wrong else 0,
        }
        action = "snapshot" if window.is_snapshot else "update"
        return {"arg": argument, "action": action, "data": [row]}

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        row = trade_row(match) | {"count": "1", "seqId": match.id}
        argument = {"channel": "trades", "instId": match.symbol}
        return {f"trades:{match.symbol}": {"arg": argument, "data": [row]}}

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        order = event.order
        row = order_row(order, self.tag(order), event_fields(event)) | {
            "notionalUsd": decimal_text((order.price or order.average_price) * order.amount)
        }
        rows = [("orders", row), (f"orders:{order.symbol}", row)]
        rows.append(("account", self.balance(order.account)))
        for asset in order.symbol.split("-"):
            rows.append((f"account:{asset}", self.balance(order.account, asset)))
        if event.match is not None:
            trades = [{"instId": order.symbol, "tradeId": str(event.trade_id)}]
            told = self.balance_and_position(order.account, "filled", trades)
            rows.append(("balance_and_position", told))
        return rows

    def balance_and_position(self, account: Account, kind: str, trades: list[Row]) -> Row:
        """The channel of that name; spot has no positions."""
        time_ms = str(milliseconds(self.server.now_ns()))
        balances = [
            {"ccy": balance.asset, "cashBal": exact_text(balance.total), "uTime": time_ms}
            for balance in account.balances()
        ]
        return {
            "pTime": time_ms,
            "eventType": kind,
            "balData": balances,
            "posData": [],
            "trades": trades,
        }

    def event_topic(self, topic: str) -> str:
        """``orders:`` of all pairs is sent as ``orders``."""
        return topic.removesuffix(":")

    def account_frame(self, topic: str, row: Row, connection: Connection) -> Row:
        argument = connection.state.get("args", {}).get(topic, {})
        uid = {} if connection.account is None else {"uid": self.uid(connection.account)}
        return {"arg": argument | uid, "data": [row]}


def arguments_of(message: Message) -> list[Params]:
    """Raises Rejected."""
    try:
        arguments = message.params_list("args")
    except Rejected:
        raise Rejected(BAD_ARGUMENTS) from None
    if not arguments:
        raise Rejected(BAD_ARGUMENTS)
    return arguments


def framed(message: Message | None, content: Row) -> Frame:
    """With the id of the message that it answers, and that of the connection."""
    named = {"id": message["id"]} if message is not None and "id" in message else {}

    def frame(connection: Connection, now_ns: int) -> Row:
        connection_id = connection.state.setdefault("connId", secrets.token_hex(4))
        return named | content | {"connId": connection_id}

    return frame
