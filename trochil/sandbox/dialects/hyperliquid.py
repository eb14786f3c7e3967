"""Hyperliquid from the venue's side: spot, and perpetuals of the same assets, which trade as the
spot pairs do.

Source: its API documentation; for l4Book, order_book_server, which runs beside a node.
"""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import msgpack
from aiohttp import web

from trochil.sandbox.book_windows import BookChannel, BookWindow
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import (
    BaseDialect,
    Frame,
    MarketStats,
    OrderTerms,
    PublicRoute,
    RequestKind,
    Route,
    Row,
    Side,
    SignedRoute,
    SocketHandler,
    TimeInForce,
)
from trochil.sandbox.formats import decimal_places, decimal_text, milliseconds
from trochil.sandbox.market.accounts import ZERO, Account, Balance
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Fill, Rejected, Symbol
from trochil.sandbox.order_changes import OrderChange, OrderChanges
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.request_limits import AnyStretch, AtOnce, DocumentedLimits, Use
from trochil.sandbox.requests import Message, Params, Request
from trochil.sandbox.server import Server
from trochil.sandbox.wallets import WalletSignature, keccak256, new_wallet, signer_address

LEVELS = 20
"""A side of l2Book."""
FAST_LEVELS = 5
FAST_EVERY_S = 0.5
"""Between two images of a book that is followed with ``fast``; others come with each change."""
RESTART_BACK_NS = 3600 * 10**9
"""By how much times of books fall back where their numbers begin again."""
SPOT_ASSETS = 10_000
"""The asset id of the first spot pair."""
SIZE_AND_PRICE_PLACES = 8
"""Decimals that sizes and prices of a spot pair have together."""
PRICE_DIGITS = 5
MIN_NOTIONAL = Decimal(10)
NO_HASH = "0x" + "0" * 64
"""Of a trade's transaction: there is no chain here."""
NO_USER = "0x" + "0" * 40
"""Whose a resting order is: here l4Book doesn't show it; and who trades against accounts."""
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
HEX_INTEGER = re.compile(r"0x[0-9a-fA-F]{1,64}")
RECOVERY_IDS = (27, 28)
"""What ``v`` of a signature may be."""
ROWS_AN_ANSWER = 2000
"""Most fills, or closed orders."""
SUBSCRIPTIONS: dict[str, tuple[str, ...]] = {
    "l2Book": ("coin", "nSigFigs", "mantissa", "fast"),
    "l4Book": ("coin",),
    "trades": ("coin",),
    "bbo": ("coin",),
    "activeAssetCtx": ("coin",),
    "allMids": ("dex",),
    "orderUpdates": ("user",),
    "userFills": ("user", "aggregateByTime"),
    "userEvents": ("user",),
    "spotState": ("user",),
}
"""What may be followed, and what such a subscription may say."""
STATUS = {
    "new": "open",
    "partially_filled": "open",
    "filled": "filled",
    "cancelled": "canceled",
    "expired": "iocCancelRejected",
}
SIDE = {"buy": "B", "sell": "A"}
TIME_IN_FORCE = {"GTC": "Gtc", "IOC": "Ioc"}
TIME_IN_FORCE_OF: dict[str, TimeInForce] = {"Gtc": "GTC", "Ioc": "IOC"}
TIMES_IN_FORCE = ("Alo", *TIME_IN_FORCE_OF)
GROUPINGS = ("na", "normalTpsl", "positionTpsl")
KIND_OF_ACTION: dict[str, RequestKind] = {
    "order": "place",
    "cancel": "cancel",
    "cancelByCloid": "cancel",
}
NO_MATCH = "Order could not immediately match against any resting orders."

# Codes of refusals: what form the answer has. Without one it is {"status": "err", "response": ...}.

UNKNOWN_OID = "unknownOid"
PLAIN_TEXT = "text"
EMPTY = "empty"
NULL = "null"

# Reasons of its own.

NO_COIN = "no_coin"
NO_VAULT = "no_vault"
NO_BUILDER = "no_builder"
TRIGGER = "trigger"
NOTHING_TRADED = "nothing_traded"
REDUCE_ONLY = "reduce_only"
USED_NONCE = "used_nonce"
LOW_NONCE = "low_nonce"
TOO_LATE = "too_late"
INVALID_SUBSCRIPTION = "invalid_subscription"
SUBSCRIBED = "subscribed"
UNSUBSCRIBED = "unsubscribed"
SOCKET_WORDS = {
    INVALID_SUBSCRIPTION: "Invalid subscription {}",
    SUBSCRIBED: "Already subscribed: {}",
    UNSUBSCRIBED: "Already unsubscribed: {}",
}

# Signatures.

DOMAIN = {
    "name": "Exchange",
    "version": "1",
    "chainId": 1337,
    "verifyingContract": "0x" + "0" * 40,
}
TYPES = {
    "Agent": [{"name": "source", "type": "string"}, {"name": "connectionId", "type": "bytes32"}]
}
SOURCES = ("a", "b")
"""Of the main network and of the test network; both count here."""
NONCES_KEPT = 100
DAY_MS = 86_400_000


# Rows.


def number(value: Decimal | None) -> str:
    """As the venue writes numbers: "30000.0"."""
    text = decimal_text(value)
    return text if "." in text else f"{text}.0"


def perp_row(symbol: Symbol) -> Row:
    """info meta: the perpetual of a pair's asset."""
    return {
        "name": symbol.base,
        "szDecimals": decimal_places(symbol.size_step),
        "maxLeverage": 10,
        "marginTableId": 10,
    }


def token_row(index: int, name: str, places: int) -> Row:
    """info spotMeta."""
    return {
        "name": name,
        "szDecimals": places,
        "weiDecimals": 8,
        "index": index,
        "tokenId": f"0x{index:032x}",
        "isCanonical": True,
        "evmContract": None,
        "fullName": None,
        "deployerTradingFeeShare": "0.0",
    }


def usdc_row() -> Row:
    """info spotMeta: what every pair is quoted in."""
    return token_row(0, "USDC", 8)


def context_row(stats: MarketStats) -> Row:
    """What the contexts of spot pairs and of perpetuals have in common."""
    return {
        "markPx": number(stats.last),
        "midPx": number(stats.middle),
        "prevDayPx": number(stats.day.open),
        "dayNtlVlm": number(stats.day.quote_volume),
        "dayBaseVlm": number(stats.day.volume),
    }


def perp_context_row(stats: MarketStats) -> Row:
    """info metaAndAssetCtxs. Nobody holds a position here."""
    return {
        **context_row(stats),
        "funding": "0.0",
        "openInterest": "0.0",
        "premium": "0.0",
        "oraclePx": number(stats.middle),
        "impactPxs": [number(stats.bid), number(stats.ask)],
    }


def spot_context_row(coin: str, stats: MarketStats) -> Row:
    """info spotMetaAndAssetCtxs."""
    supply = {"circulatingSupply": "0.0", "totalSupply": "0.0"}
    return {"coin": coin, **context_row(stats), **supply}


def level_row(price: Decimal, size: Decimal) -> Row:
    """``n``: orders, always 1 here."""
    return {"px": number(price), "sz": number(size), "n": 1}


def book_row(coin: str, window: BookWindow, time_ns: int) -> Row:
    """info l2Book, and the channel of that name."""
    sides = (window.bids, window.asks)
    return {
        "coin": coin,
        "time": milliseconds(time_ns),
        "levels": [[level_row(*level) for level in side] for side in sides],
    }


def best_row(coin: str, window: BookWindow, time_ns: int) -> Row:
    """The channel bbo; null for an empty side."""
    sides = (window.bids, window.asks)
    return {
        "coin": coin,
        "time": milliseconds(time_ns),
        "bbo": [level_row(*side[0]) if side else None for side in sides],
    }


def trade_row(coin: str, match: Match) -> Row:
    """The channel trades. The side is the taker's; the users are the buyer and the seller."""
    orders = sorted((match.maker, match.taker), key=lambda order: not order.is_buy)
    return {
        "coin": coin,
        "side": SIDE[match.taker.side],
        "px": number(match.price),
        "sz": number(match.amount),
        "time": milliseconds(match.time),
        "tid": match.id,
        "hash": NO_HASH,
        "users": [order.account.keys.get("api_key", NO_USER) for order in orders],
    }


def basic_order_row(coin: str, order: Order) -> Row:
    """info openOrders, and the channel orderUpdates."""
    named = {} if cloid(order) is None else {"cloid": cloid(order)}
    return {
        "coin": coin,
        "side": SIDE[order.side],
        "limitPx": number(order.price),
        "sz": number(order.remaining),
        "oid": order.id,
        "timestamp": milliseconds(order.time),
        "origSz": number(order.amount),
        **named,
    }


def order_row(coin: str, order: Order) -> Row:
    """info frontendOpenOrders, orderStatus and historicalOrders."""
    return {"coin": coin, **order_fields(order, order.remaining), "children": []}


def resting_order_row(coin: str, order: Order, size: Decimal) -> Row:
    """The channel l4Book: anybody's order, of which ``size`` is or was left."""
    return {"coin": coin, "user": NO_USER, **order_fields(order, size)}


def order_fields(order: Order, size: Decimal) -> Row:
    return {
        "side": SIDE[order.side],
        "limitPx": number(order.price),
        "sz": number(size),
        "oid": order.id,
        "timestamp": milliseconds(order.time),
        "origSz": number(order.amount),
        "cloid": cloid(order),
        "tif": "Alo" if order.is_post_only else TIME_IN_FORCE[order.tif],
        "orderType": "Limit",
        "reduceOnly": False,
        "isTrigger": False,
        "triggerPx": "0.0",
        "triggerCondition": "N/A",
        "isPositionTpsl": False,
    }


def cloid(order: Order) -> str | None:
    """The client's id; None where it sent none."""
    return order.own_client_id or None


def order_status_row(row: Row, order: Order) -> Row:
    """info orderStatus and historicalOrders, and the channel orderUpdates."""
    return {
        "order": row,
        "status": order_status(order),
        "statusTimestamp": milliseconds(order.updated),
    }


def order_status(order: Order) -> str:
    """An order that expires with a part filled is one that was cancelled."""
    if order.state == "expired" and order.filled:
        return STATUS["cancelled"]
    return STATUS[order.state]


def fill_row(coin: str, fill: Fill) -> Row:
    """info userFills, and the channel of that name."""
    named = {} if cloid(fill.order) is None else {"cloid": cloid(fill.order)}
    return {
        "coin": coin,
        "px": number(fill.price),
        "sz": number(fill.amount),
        "side": SIDE[fill.order.side],
        "time": milliseconds(fill.time),
        "startPosition": "0.0",
        "dir": "Buy" if fill.order.is_buy else "Sell",
        "closedPnl": "0.0",
        "hash": NO_HASH,
        "oid": fill.order.id,
        "crossed": not fill.is_maker,
        "fee": number(fill.fee),
        "tid": fill.trade_id,
        "feeToken": fill.fee_asset,
        "twapId": None,
        **named,
    }


def balance_row(balance: Balance, token: int) -> Row:
    """info spotClearinghouseState, and the channel spotState."""
    return {
        "coin": balance.asset,
        "token": token,
        "total": number(balance.total),
        "hold": number(balance.held),
        "entryNtl": "0.0",
    }


def margin_row() -> Row:
    """Of perpetuals, in which no account has anything."""
    names = ("accountValue", "totalNtlPos", "totalRawUsd", "totalMarginUsed")
    return dict.fromkeys(names, "0.0")


def opened_order_row(coin: str, change: OrderChange) -> Row:
    """l4Book: a new order's side and time, which its change doesn't show."""
    return {
        "user": NO_USER,
        "status": "open",
        "order": resting_order_row(coin, change.order, change.size),
    }


def book_diff_row(coin: str, change: OrderChange) -> Row:
    """l4Book: one change of one order."""
    return {
        "user": NO_USER,
        "coin": coin,
        "oid": change.order.id,
        "px": number(change.order.price),
        "raw_book_diff": raw_book_diff(change),
    }


def raw_book_diff(change: OrderChange) -> Row | str:
    match change.kind:
        case "new":
            return {"new": {"sz": number(change.size)}}
        case "update":
            return {"update": {"origSz": number(change.size_before), "newSz": number(change.size)}}
        case "remove":
            return "remove"


def placed_row(order: Order) -> Row:
    """What became of an order that the venue took: what it filled at once, if anything."""
    named = {} if cloid(order) is None else {"cloid": cloid(order)}
    if order.is_open:
        return {"resting": {"oid": order.id, **named}}
    filled = {"totalSz": decimal_text(order.filled), "avgPx": number(order.average_price)}
    return {"filled": filled | {"oid": order.id, **named}}


def error_row(message: str, asset: int) -> Row:
    """Why an order of an action was refused, or its cancel."""
    return {"error": f"{message} asset={asset}"}


# Requests.


@dataclass(frozen=True, slots=True)
class CancelTerms:
    """Which order an action cancels, by one of its ids."""

    asset: int
    order_id: str = ""
    client_id: str = ""


def action_kind(request: Request) -> RequestKind:
    return KIND_OF_ACTION.get(request.params("action").string("type"), "query")


def order_terms(row: Params, form: re.Pattern[str]) -> OrderTerms:
    """A row of the action order; the venue has no market orders."""
    time_in_force = row.params("t").params("limit").string("tif")
    return OrderTerms(
        side="buy" if boolean(row, "b") else "sell",
        kind="post_only" if time_in_force == "Alo" else "limit",
        tif=TIME_IN_FORCE_OF.get(time_in_force, "GTC"),
        amount=row.decimal("s"),
        price=row.decimal("p"),
        client_id=row.client_id("c", form),
    )


def boolean(row: Params, name: str) -> bool:
    value = row[name]
    if not isinstance(value, bool):
        raise Rejected(Reason.ILLEGAL, name)
    return value


def is_set(params: Params, name: str) -> bool:
    """A boolean that need not be sent."""
    return name in params and boolean(params, name)


def number_text(row: Params, name: str) -> str:
    """A number that is sent as a text, as the venue itself writes it when it hashes."""
    if not isinstance(row[name], str):
        raise Rejected(Reason.ILLEGAL, name)
    return decimal_text(row.decimal(name))


def whole(row: Params, name: str) -> int:
    """A whole number of 64 bits; texts are none."""
    value = row[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
        raise Rejected(Reason.ILLEGAL, name)
    return value


def asset_of(row: Params, name: str) -> int:
    """An asset's id."""
    return whole(row, name)


def cancel_by_oid(row: Params) -> CancelTerms:
    """A row of the action cancel."""
    return CancelTerms(asset=asset_of(row, "a"), order_id=str(whole(row, "o")))


def cancel_by_cloid(row: Params, form: re.Pattern[str]) -> CancelTerms:
    """A row of the action cancelByCloid."""
    asset = asset_of(row, "asset")
    if "cloid" not in row:
        raise Rejected(Reason.MISSING, "cloid")
    return CancelTerms(asset=asset, client_id=row.client_id("cloid", form))


def address_of(params: Params, name: str) -> str:
    """In lower case."""
    address = params.string(name)
    if not ADDRESS.fullmatch(address):
        raise Rejected(Reason.ILLEGAL, name)
    return address.lower()


def times_of(params: Params) -> tuple[int, int | None]:
    """The first ms and the last; None for now."""
    until_ms = whole(params, "endTime") if "endTime" in params else None
    return whole(params, "startTime"), until_ms


def read_action(action: Params, form: re.Pattern[str]) -> Row:
    """An action as the venue reads it, which is what it hashes: with its fields in the venue's
    order, and numbers without zeros at their end. Whoever hashed it otherwise seems to be somebody
    else. Raises Rejected: ILLEGAL for what it doesn't offer."""
    kind = action.string("type")
    if kind not in ACTIONS:
        raise Rejected(Reason.ILLEGAL, "type")
    return {"type": kind} | ACTIONS[kind](action, form)


def read_cancels(action: Params, form: re.Pattern[str]) -> Row:
    action.only("type", "cancels")
    return {"cancels": [read_cancel(row) for row in action.params_list("cancels")]}


def read_cancels_by_cloid(action: Params, form: re.Pattern[str]) -> Row:
    action.only("type", "cancels")
    return {"cancels": [read_cancel_by_cloid(row, form) for row in action.params_list("cancels")]}


def read_schedule(action: Params, form: re.Pattern[str]) -> Row:
    action.only("type", "time")
    return {"time": whole(action, "time")} if "time" in action else {}


def read_noop(action: Params, form: re.Pattern[str]) -> Row:
    action.only("type")
    return {}


def read_orders(action: Params, form: re.Pattern[str]) -> Row:
    action.only("type", "orders", "grouping", "builder")
    orders = [read_order(row, form) for row in action.params_list("orders")]
    grouping = action.choice("grouping", dict(zip(GROUPINGS, GROUPINGS, strict=True)))
    read: Row = {"orders": orders, "grouping": grouping}
    if "builder" not in action:
        return read
    builder = action.params("builder")
    builder.only("b", "f")
    return read | {"builder": {"b": address_of(builder, "b"), "f": whole(builder, "f")}}


def read_order(row: Params, form: re.Pattern[str]) -> Row:
    row.only("a", "b", "p", "s", "r", "t", "c")
    read = {
        "a": asset_of(row, "a"),
        "b": boolean(row, "b"),
        "p": number_text(row, "p"),
        "s": number_text(row, "s"),
        "r": boolean(row, "r"),
        "t": read_order_type(row.params("t")),
    }
    client_id = row.client_id("c", form)
    return read | ({"c": client_id} if client_id else {})


def read_order_type(kind: Params) -> Row:
    """A limit order's time in force, or a trigger."""
    kind.only("limit", "trigger")
    if "trigger" in kind:
        trigger = kind.params("trigger")
        trigger.only("isMarket", "triggerPx", "tpsl")
        terms = {
            "isMarket": boolean(trigger, "isMarket"),
            "triggerPx": number_text(trigger, "triggerPx"),
            "tpsl": trigger.choice("tpsl", {"tp": "tp", "sl": "sl"}),
        }
        return {"trigger": terms}
    limit = kind.params("limit")
    limit.only("tif")
    known = dict(zip(TIMES_IN_FORCE, TIMES_IN_FORCE, strict=True))
    return {"limit": {"tif": limit.choice("tif", known)}}


def read_cancel(row: Params) -> Row:
    row.only("a", "o")
    return {"a": asset_of(row, "a"), "o": whole(row, "o")}


def read_cancel_by_cloid(row: Params, form: re.Pattern[str]) -> Row:
    row.only("asset", "cloid")
    terms = cancel_by_cloid(row, form)
    return {"asset": terms.asset, "cloid": terms.client_id}


ACTIONS: dict[str, Callable[[Params, re.Pattern[str]], Row]] = {
    "order": read_orders,
    "cancel": read_cancels,
    "cancelByCloid": read_cancels_by_cloid,
    "scheduleCancel": read_schedule,
    "noop": read_noop,
}
"""What /exchange takes: type -> what reads all else of it."""


def action_payload(request: Params, form: re.Pattern[str]) -> bytes:
    """What is hashed: the action, the nonce, for whose vault it is, and until when."""
    request.only("action", "nonce", "signature", "vaultAddress", "expiresAfter")
    packed = bytes(msgpack.packb(read_action(request.params("action"), form)))
    nonce = eight_bytes(request, "nonce")
    vault = b"\0"
    if "vaultAddress" in request:
        vault = b"\1" + bytes.fromhex(address_of(request, "vaultAddress")[2:])
    expiry = b"\0" + eight_bytes(request, "expiresAfter") if "expiresAfter" in request else b""
    return packed + nonce + vault + expiry


def eight_bytes(request: Params, name: str) -> bytes:
    return whole(request, name).to_bytes(8, "big")


def signature_of(request: Params) -> WalletSignature:
    signature = request.params("signature")
    signature.only("r", "s", "v")
    v = whole(signature, "v")
    if v not in RECOVERY_IDS:
        raise Rejected(Reason.ILLEGAL, "v")
    return WalletSignature(v=v, r=hex_integer(signature, "r"), s=hex_integer(signature, "s"))


def hex_integer(params: Params, name: str) -> int:
    text = params.string(name)
    if not HEX_INTEGER.fullmatch(text):
        raise Rejected(Reason.ILLEGAL, name)
    return int(text, 16)


@dataclass(frozen=True, slots=True)
class Question:
    """A type of POST /info: what answers it, and what it may say besides its type."""

    answer: Callable[[Params], Any]
    params: tuple[str, ...] = ()


class Nonces:
    """The highest nonces that one account used; they are times in ms."""

    def __init__(self) -> None:
        self._used: list[int] = []

    def use(self, nonce: int, now_ms: int) -> None:
        """Raises Rejected for a nonce that was used, is below the lowest of the hundred that are
        kept, or is far from the venue's clock."""
        if nonce in self._used:
            raise Rejected(USED_NONCE, str(nonce))
        if len(self._used) == NONCES_KEPT and nonce < self._used[0]:
            raise Rejected(LOW_NONCE, f"{nonce} < {self._used[0]}")
        if not now_ms - 2 * DAY_MS < nonce < now_ms + DAY_MS:
            raise Rejected(Reason.BAD_TIME, str(nonce))
        self._used = sorted([*self._used, nonce])[-NONCES_KEPT:]


INFO_WEIGHTS = {
    "l2Book": 2,
    "allMids": 2,
    "clearinghouseState": 2,
    "orderStatus": 2,
    "spotClearinghouseState": 2,
    "exchangeStatus": 2,
    "userRole": 60,
}


def uses_of(request: web.Request, body: Any) -> list[Use]:
    asked = body if isinstance(body, dict) else {}
    if request.path != "/exchange":
        weight = INFO_WEIGHTS.get(str(asked.get("type")), 20)
        return [Use("weight", weight, str(request.remote))]
    action = asked.get("action", {})
    rows = action.get("orders") or action.get("cancels") or [] if isinstance(action, dict) else []
    return [Use("weight", 1 + len(rows) // 40, str(request.remote))]


LIMITS = DocumentedLimits(
    {
        "weight": lambda: AnyStretch(1200, 60.0),
        "connections": lambda: AnyStretch(30, 60.0),
        "sockets": lambda: AtOnce(10),
        "subscriptions": lambda: AtOnce(1000),
        "frames": lambda: AnyStretch(2000, 60.0),
    },
    uses_of,
)


class Dialect(BaseDialect):
    """Whole books of twenty levels; of perpetuals also every order, where a block is what happened
    between two books."""

    name = "hyperliquid"
    foreign_clients = ("ccxt", "hyperliquid-python-sdk")
    takes_forms = False
    shows_made_client_ids = False
    pairs = ("BTC-USDC", "ETH-USDC", "HYPE-USDC")
    documented_limits = LIMITS
    book_channel = BookChannel(levels=LEVELS)
    greeting = "Websocket connection established."
    client_id_form = re.compile(r"0x[0-9a-fA-F]{32}")
    offered_methods = (
        "ping",
        "subscribe",
        "unsubscribe",
        "post",
    )
    offered_streams = tuple(SUBSCRIPTIONS)
    refusals = {
        Reason.UNKNOWN_SYMBOL: Refusal(200, "", "Invalid asset"),
        Reason.PRICE_FILTER: Refusal(200, "", "Price must be divisible by tick size."),
        Reason.LOT_SIZE: Refusal(200, "", "Order has invalid size."),
        Reason.NOTIONAL: Refusal(200, "", "Order must have minimum value of $10."),
        Reason.INSUFFICIENT_BALANCE: Refusal(200, "", "Insufficient spot balance"),
        Reason.DUPLICATE_CLIENT_ID: Refusal(200, "", "Duplicate cloid"),
        Reason.WOULD_TAKE: Refusal(
            200, "", "Post only order would have immediately matched, bbo was 1@2."
        ),
        Reason.UNKNOWN_ORDER: Refusal(
            200, UNKNOWN_OID, "Order was never placed, already canceled, or filled."
        ),
        Reason.BAD_KEY: Refusal(200, "", "User or API Wallet {} does not exist."),
        Reason.BAD_TIME: Refusal(200, "", "Invalid nonce: {}"),
        USED_NONCE: Refusal(200, "", "Invalid nonce: duplicate nonce {}"),
        LOW_NONCE: Refusal(200, "", "Invalid nonce: nonce too low {}"),
        # The words of a late action are not documented.
        TOO_LATE: Refusal(200, "", "Action expired: {}"),
        NO_VAULT: Refusal(200, "", "Vault not registered: {}"),
        NO_BUILDER: Refusal(200, "", "Builder fee has not been approved."),
        TRIGGER: Refusal(200, "", "Invalid TP/SL price."),
        REDUCE_ONLY: Refusal(200, "", "Reduce only order would increase position."),
        NOTHING_TRADED: Refusal(
            200,
            "",
            "Cannot set scheduled cancel time until enough volume traded. "
            "Required: $1000000. Traded: ${}.",
        ),
        NO_COIN: Refusal(500, NULL, "null"),
        Reason.UNKNOWN_PATH: Refusal(404, EMPTY),
        Reason.ILLEGAL: Refusal(
            422, PLAIN_TEXT, "Failed to deserialize the JSON body into the target type: {}"
        ),
        Reason.UNAVAILABLE: Refusal(503, PLAIN_TEXT, "Service unavailable"),
        Reason.RATE_LIMITED: Refusal(429, PLAIN_TEXT, "Too many requests"),
    }

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.order_changes = OrderChanges()
        self.nonces: dict[str, Nonces] = {}
        self._fast_sent: dict[str, float] = {}
        """When the last image of five levels was sent, by coin (s, of the loop)."""
        self._fast_due: set[str] = set()
        """Coins with a change that waits for the next of these images."""
        self.times_back_ns: dict[str, int] = {}
        """By how much the times of a pair's books fell back."""

    def routes(self) -> list[Route]:
        """Bodies are by their types."""
        return [
            PublicRoute("POST", "/info", self.post_info),
            SignedRoute("POST", "/exchange", self.post_exchange, kind=action_kind),
        ]

    def sockets(self) -> Mapping[str, SocketHandler]:
        return {"/ws": self.on_message}

    def set_rules(self, symbol: Symbol) -> None:
        size_places = decimal_places(symbol.size_step)
        symbol.price_tick = Decimal(1).scaleb(size_places - SIZE_AND_PRICE_PLACES)
        symbol.min_notional = MIN_NOTIONAL
        symbol.digits = PRICE_DIGITS

    def symbol(self, pair: str) -> str:
        """The first pair goes by its name, as the venue's first does; others by their number."""
        index = self.index(pair)
        return f"@{index}" if index else pair.replace("-", "/")

    def index(self, pair: str) -> int:
        """A pair's place among all."""
        return list(self.venue.symbols).index(pair)

    def aliases(self, pair: str) -> tuple[str, ...]:
        return (self.perp(pair),)

    def perp(self, pair: str) -> str:
        """A perpetual is called after its asset."""
        return self.venue.symbols[pair].base

    def error_body(self, code: int | str, message: str, request: Request | None) -> Any:
        if code == UNKNOWN_OID:
            return {"status": code}
        if code == NULL:
            return None
        return {"status": "err", "response": message}

    def error(
        self,
        reason: str,
        detail: str = "",
        *,
        retry_after: int = 0,
        request: Request | None = None,
    ) -> web.Response:
        """Some refusals are plain texts."""
        refusal, message = self.refusal_of(reason, detail)
        if refusal.code == EMPTY:
            return web.Response(status=refusal.status)
        if refusal.code == PLAIN_TEXT:
            headers = self.limit_headers(retry_after) if retry_after else {}
            text = message.encode(
                errors="replace"
            ).decode()  # what was sent may be half a character
            return web.Response(text=text, status=refusal.status, headers=headers)
        return super().error(reason, detail, retry_after=retry_after, request=request)

    # Who signs.

    def new_keys(self, name: str) -> dict[str, str]:
        return new_wallet()

    def verify(self, request: Params) -> Account:
        """A signature of anything else is a stranger's. Raises Rejected: BAD_KEY with an address,
        BAD_TIME with the nonce, ILLEGAL."""
        payload = action_payload(request, self.client_id_form)
        signature = signature_of(request)
        signers = [self.signer(source, payload, signature) for source in SOURCES]
        for address in signers:
            account = self.server.account_of_key(address)
            if account is not None:
                nonces = self.nonces.setdefault(account.name, Nonces())
                nonces.use(whole(request, "nonce"), milliseconds(self.server.now_ns()))
                self.check_terms(request)
                return account
        raise Rejected(Reason.BAD_KEY, signers[0])

    def check_terms(self, request: Params) -> None:
        """Raises Rejected for an action that comes too late, and for one for a vault: there are
        none here."""
        if "vaultAddress" in request:
            raise Rejected(NO_VAULT, address_of(request, "vaultAddress"))
        now_ms = milliseconds(self.server.now_ns())
        if "expiresAfter" in request and now_ms > whole(request, "expiresAfter"):
            raise Rejected(TOO_LATE, f"{request['expiresAfter']} < {now_ms}")

    def signer(self, source: str, payload: bytes, signature: WalletSignature) -> str:
        message = {"source": source, "connectionId": keccak256(payload)}
        try:
            return signer_address(DOMAIN, TYPES, message, signature)
        except ValueError:
            raise Rejected(Reason.ILLEGAL, "signature") from None

    # POST /info.

    def post_info(self, request: Params) -> Any:
        kinds = self.questions()
        question = kinds[request.choice("type", dict(zip(kinds, kinds, strict=True)))]
        request.only("type", *question.params)
        return question.answer(request)

    def questions(self) -> Mapping[str, Question]:
        """The types that are offered. Lists of what no account has here are empty."""
        user = ("user",)
        times = ("user", "startTime", "endTime")
        return {
            "meta": Question(self.get_meta, ("dex",)),
            "metaAndAssetCtxs": Question(self.get_meta_and_contexts, ("dex",)),
            "spotMeta": Question(self.get_spot_meta),
            "spotMetaAndAssetCtxs": Question(self.get_spot_meta_and_contexts),
            "perpDexs": Question(self.get_perp_dexs),
            "allMids": Question(self.get_all_mids, ("dex",)),
            "l2Book": Question(self.get_l2_book, ("coin", "nSigFigs", "mantissa")),
            "recentTrades": Question(self.get_recent_trades, ("coin",)),
            "exchangeStatus": Question(self.get_exchange_status),
            "userRole": Question(self.get_user_role, user),
            "userAbstraction": Question(self.get_user_abstraction, user),
            "userFees": Question(self.get_user_fees, user),
            "userRateLimit": Question(self.get_user_rate_limit, user),
            "userFills": Question(self.get_user_fills, ("user", "aggregateByTime")),
            "userFillsByTime": Question(
                self.get_user_fills_by_time, (*times, "aggregateByTime", "reversed")
            ),
            "openOrders": Question(self.get_open_orders, ("user", "dex")),
            "frontendOpenOrders": Question(self.get_frontend_open_orders, ("user", "dex")),
            "historicalOrders": Question(self.get_historical_orders, user),
            "orderStatus": Question(self.get_order_status, ("user", "oid")),
            "spotClearinghouseState": Question(self.get_spot_state, user),
            "clearinghouseState": Question(self.get_perp_state, ("user", "dex")),
            "userFunding": Question(self.get_nothing_between, times),
            "userNonFundingLedgerUpdates": Question(self.get_nothing_between, times),
            "userTwapSliceFills": Question(self.get_nothing, user),
            "userVaultEquities": Question(self.get_nothing, user),
            "extraAgents": Question(self.get_nothing, user),
            "subAccounts": Question(self.get_null, user),
            "maxBuilderFee": Question(self.get_max_builder_fee, ("user", "builder")),
        }

    def get_meta(self, request: Params) -> Row:
        check_dex(request)
        return {
            "universe": [perp_row(symbol) for symbol in self.markets()],
            "marginTables": [],
            "collateralToken": 0,
        }

    def get_meta_and_contexts(self, request: Params) -> list[Any]:
        contexts = [perp_context_row(self.market_stats(symbol.pair)) for symbol in self.markets()]
        return [self.get_meta(request), contexts]

    def get_spot_meta(self, request: Params) -> Row:
        tokens = [
            token_row(self.token(symbol.pair), symbol.base, decimal_places(symbol.size_step))
            for symbol in self.markets()
        ]
        universe = [self.spot_pair_row(symbol.pair) for symbol in self.markets() if symbol.trading]
        return {"tokens": [usdc_row(), *tokens], "universe": universe}

    def token(self, pair: str) -> int:
        """The number of a pair's asset; USDC is 0."""
        return self.index(pair) + 1

    def token_of(self, asset: str) -> int:
        """The number of an asset."""
        numbers = {symbol.base: self.token(symbol.pair) for symbol in self.markets()}
        return numbers.get(asset, 0)

    def spot_pair_row(self, pair: str) -> Row:
        return {
            "name": self.symbol(pair),
            "tokens": [self.token(pair), 0],
            "index": self.index(pair),
            "isCanonical": not self.index(pair),
        }

    def get_spot_meta_and_contexts(self, request: Params) -> list[Any]:
        contexts = [
            spot_context_row(self.symbol(symbol.pair), self.market_stats(symbol.pair))
            for symbol in self.markets()
        ]
        return [self.get_spot_meta(request), contexts]

    def get_perp_dexs(self, request: Params) -> list[None]:
        """The venue's own is null; others don't exist here."""
        return [None]

    def get_all_mids(self, request: Params) -> Row:
        check_dex(request)
        return self.all_mids()

    def all_mids(self) -> Row:
        """Of spot pairs and of perpetuals."""
        mids: Row = {}
        for symbol in self.markets():
            middle = number(self.market_stats(symbol.pair).middle)
            mids |= dict.fromkeys((self.symbol(symbol.pair), self.perp(symbol.pair)), middle)
        return mids

    def get_l2_book(self, request: Params) -> Row:
        check_aggregation(request)
        return self.l2_book(self.coin(request))

    def coin(self, request: Params) -> str:
        """Raises Rejected: NO_COIN."""
        coin = request.string("coin")
        try:
            self.pair_of(coin)
        except Rejected:
            raise Rejected(NO_COIN) from None
        return coin

    def get_recent_trades(self, request: Params) -> list[Row]:
        """Newest first."""
        coin = self.coin(request)
        trades = self.recent_trades(self.pair_of(coin), 10)
        return [trade_row(coin, match) for match in reversed(trades)]

    def get_exchange_status(self, request: Params) -> Row:
        return {"time": milliseconds(self.server.now_ns()), "specialStatuses": None}

    def get_user_role(self, request: Params) -> Row:
        is_known = self.account_of(address_of(request, "user")) is not None
        return {"role": "user" if is_known else "missing"}

    def get_user_abstraction(self, request: Params) -> str:
        """Balances of spot and perpetuals are apart."""
        address_of(request, "user")
        return "disabled"

    def get_user_fees(self, request: Params) -> Row:
        address_of(request, "user")
        maker_fee = str(self.venue.maker_fee)
        taker_fee = str(self.venue.taker_fee)
        rates = {
            "cross": taker_fee,
            "add": maker_fee,
            "spotCross": taker_fee,
            "spotAdd": maker_fee,
        }
        return {
            "dailyUserVlm": [],
            "feeSchedule": {
                **rates,
                "tiers": {"vip": [], "mm": []},
                "referralDiscount": "0.0",
                "stakingDiscountTiers": [],
            },
            "userCrossRate": taker_fee,
            "userAddRate": maker_fee,
            "userSpotCrossRate": taker_fee,
            "userSpotAddRate": maker_fee,
            "activeReferralDiscount": "0.0",
            "trial": None,
            "feeTrialReward": "0.0",
            "feeTrialEscrow": "0.0",
            "nextTrialAvailableTimestamp": None,
            "stakingLink": None,
            "activeStakingDiscount": {"bpsOfMaxSupply": "0.0", "discount": "0.0"},
        }

    def get_user_rate_limit(self, request: Params) -> Row:
        account = self.user(request)
        return {
            "cumVlm": number(self.traded(account)),
            "nRequestsUsed": len(self.orders_of(account)),
            "nRequestsCap": 10_000 + int(self.traded(account)),
            "nRequestsSurplus": 0,
        }

    def traded(self, account: Account) -> Decimal:
        """In USDC."""
        fills = self.all_fills(account)
        return sum((fill.value for fill in fills), ZERO)

    def all_fills(
        self, account: Account, since_ms: int | None = None, until_ms: int | None = None
    ) -> list[Fill]:
        """Oldest first."""
        return self.fills_of(
            account, since_ms=since_ms, until_ms=until_ms, limit=len(self.venue.fills)
        )

    def get_user_fills(self, request: Params) -> list[Row]:
        """Newest first."""
        check_aggregated_fills(request)
        return self.fill_rows(self.all_fills(self.user(request))[-ROWS_AN_ANSWER:])[::-1]

    def get_user_fills_by_time(self, request: Params) -> list[Row]:
        """The oldest of that time, oldest first."""
        check_aggregated_fills(request)
        if is_set(request, "reversed"):
            raise Rejected(Reason.ILLEGAL, "reversed")
        since_ms, until_ms = times_of(request)
        fills = self.all_fills(self.user(request), since_ms=since_ms, until_ms=until_ms)
        return self.fill_rows(fills[:ROWS_AN_ANSWER])

    def fill_rows(self, fills: list[Fill]) -> list[Row]:
        return [fill_row(self.symbol(fill.order.symbol), fill) for fill in fills]

    def get_open_orders(self, request: Params) -> list[Row]:
        check_dex(request)
        orders = self.orders_of(self.user(request), is_open=True)
        return [basic_order_row(self.symbol(order.symbol), order) for order in orders]

    def get_frontend_open_orders(self, request: Params) -> list[Row]:
        check_dex(request)
        orders = self.orders_of(self.user(request), is_open=True)
        return [order_row(self.symbol(order.symbol), order) for order in orders]

    def get_historical_orders(self, request: Params) -> list[Row]:
        """Newest first."""
        orders = self.orders_of(self.user(request))[-ROWS_AN_ANSWER:]
        return [self.status_row(order) for order in reversed(orders)]

    def status_row(self, order: Order) -> Row:
        return order_status_row(order_row(self.symbol(order.symbol), order), order)

    def get_order_status(self, request: Params) -> Row:
        """``oid`` is either of an order's ids."""
        oid = request["oid"]
        if isinstance(oid, str):
            client_id = request.client_id("oid", self.client_id_form)
            order = self.find_order(self.user(request), client_id=client_id)
        else:
            order = self.find_order(self.user(request), order_id=str(whole(request, "oid")))
        return {"status": "order", "order": self.status_row(order)}

    def get_spot_state(self, request: Params) -> Row:
        return {"balances": self.balances(self.user(request))}

    def balances(self, account: Account) -> list[Row]:
        return [
            balance_row(balance, self.token_of(balance.asset)) for balance in account.balances()
        ]

    def get_perp_state(self, request: Params) -> Row:
        """All that accounts have is in spot."""
        check_dex(request)
        address_of(request, "user")
        return {
            "marginSummary": margin_row(),
            "crossMarginSummary": margin_row(),
            "crossMaintenanceMarginUsed": "0.0",
            "withdrawable": "0.0",
            "assetPositions": [],
            "time": milliseconds(self.server.now_ns()),
        }

    def get_nothing(self, request: Params) -> list[Row]:
        address_of(request, "user")
        return []

    def get_nothing_between(self, request: Params) -> list[Row]:
        times_of(request)
        return self.get_nothing(request)

    def get_null(self, request: Params) -> None:
        address_of(request, "user")

    def get_max_builder_fee(self, request: Params) -> int:
        """Nobody has approved any."""
        address_of(request, "user")
        address_of(request, "builder")
        return 0

    def user(self, request: Params) -> Account:
        """Whose state is requested; unknown addresses have nothing."""
        return self.account_of(address_of(request, "user")) or Account("nobody")

    def account_of(self, address: str) -> Account | None:
        return self.server.account_of_key(address.lower())

    # POST /exchange.

    def post_exchange(self, request: Params, account: Account) -> Row:
        """All of an action is read before any of it is done."""
        action = request.params("action")
        kind = action.string("type")
        match kind:
            case "order":
                statuses: list[Row | str] = [*self.place_orders(account, action)]
            case "cancel":
                cancels = [cancel_by_oid(row) for row in action.params_list("cancels")]
                statuses = [self.cancel(account, cancel) for cancel in cancels]
            case "cancelByCloid":
                rows = action.params_list("cancels")
                cancels = [cancel_by_cloid(row, self.client_id_form) for row in rows]
                statuses = [self.cancel(account, cancel) for cancel in cancels]
            case "scheduleCancel" if "time" in action:
                raise Rejected(NOTHING_TRADED, f"{self.traded(account):.2f}")
            case _:
                return {"status": "ok", "response": {"type": "default"}}
        answered = "order" if kind == "order" else "cancel"
        return {"status": "ok", "response": {"type": answered, "data": {"statuses": statuses}}}

    def place_orders(self, account: Account, action: Params) -> list[Row]:
        """Raises Rejected."""
        if "builder" in action:
            raise Rejected(NO_BUILDER)
        if action.string("grouping") != "na":
            raise Rejected(TRIGGER)
        rows = action.params_list("orders")
        assets = [asset_of(row, "a") for row in rows]
        pairs = [self.pair_of_asset(asset) for asset in assets]
        return [self.place(account, pair, row) for pair, row in zip(pairs, rows, strict=True)]

    def pair_of_asset(self, asset: int) -> str:
        for pair in self.venue.symbols:
            if asset == SPOT_ASSETS + self.index(pair):
                return pair
        raise Rejected(Reason.ILLEGAL, str(asset))

    def place(self, account: Account, pair: str, row: Params) -> Row:
        """The status of an order in the answer to its action."""
        asset = asset_of(row, "a")
        try:
            if "trigger" in row.params("t"):
                raise Rejected(TRIGGER)
            if boolean(row, "r"):
                raise Rejected(REDUCE_ONLY)
            order = self.place_order(account, pair, order_terms(row, self.client_id_form))
        except Rejected as refusal:
            return self.refused_row(refusal, asset)
        if not order.is_open and not order.filled:
            return error_row(NO_MATCH, asset)
        return placed_row(order)

    def cancel(self, account: Account, cancel: CancelTerms) -> Row | str:
        """The status of a cancel in the answer to its action."""
        try:
            order = self.find_order(
                account,
                order_id=cancel.order_id,
                client_id=cancel.client_id,
                otherwise=Reason.UNKNOWN_ORDER,
            )
            if cancel.asset != SPOT_ASSETS + self.index(order.symbol):
                raise Rejected(Reason.UNKNOWN_ORDER)
            self.cancel_order(account, order_id=str(order.id))
        except Rejected as refusal:
            return self.refused_row(refusal, cancel.asset)
        return "success"

    def refused_row(self, refusal: Rejected, asset: int) -> Row:
        _, message = self.refusal_of(refusal.reason, refusal.detail)
        return error_row(message, asset)

    # Sockets.

    def on_message(self, connection: Connection, message: Message) -> None:
        match message["method"]:
            case "ping":
                message.only("method")
                self.send(connection, {"channel": "pong"})
            case "subscribe":
                self.on_subscribe(connection, message)
            case "unsubscribe":
                self.on_unsubscribe(connection, message)
            case "post":
                self.on_post(connection, message)
            case _:
                raise Rejected(Reason.UNKNOWN_METHOD)

    def on_subscribe(self, connection: Connection, message: Message) -> None:
        """What is an account's needs no login: its address is enough."""
        message.only("method", "subscription")
        subscription = message.params("subscription")
        topic = self.topic(subscription)
        if topic in connection.topics:
            raise Rejected(SUBSCRIBED, as_text(subscription))
        self.subscribe(connection, [topic], acknowledgement(message))
        if "user" in subscription:
            connection.account = self.account_of(subscription.string("user"))
            connection.is_private = True
        self.send_snapshot(connection, subscription)

    def on_unsubscribe(self, connection: Connection, message: Message) -> None:
        message.only("method", "subscription")
        subscription = message.params("subscription")
        topic = self.topic(subscription)
        if topic not in connection.topics:
            raise Rejected(UNSUBSCRIBED, as_text(subscription))
        self.unsubscribe(connection, [topic], acknowledgement(message))

    def on_post(self, connection: Connection, message: Message) -> None:
        """A question or an action as by REST, answered with its number."""
        message.only("method", "id", "request")
        number_of_post = whole(message, "id")
        request = message.params("request")
        request.only("type", "payload")
        kind = request.choice("type", {"info": "info", "action": "action"})
        payload = request.params("payload")
        response = self.posted(kind, payload)
        data = {"id": number_of_post, "response": response}
        self.send(connection, {"channel": "post", "data": data})

    def posted(self, kind: str, payload: Params) -> Row:
        try:
            if kind == "info":
                body = self.post_info(payload)
            else:
                body = self.post_exchange(payload, self.verify(payload))
        except Rejected as refusal:
            answer, text = self.refusal_of(refusal.reason, refusal.detail)
            if answer.code in (PLAIN_TEXT, NULL):
                return {"type": "error", "payload": f"{answer.status} {text}"}
            body = self.error_body(answer.code, text, None)
        if kind == "info":
            return {"type": "info", "payload": {"type": payload.string("type"), "data": body}}
        return {"type": "action", "payload": body}

    def topic(self, subscription: Params) -> str:
        """``l2Book:@1``, ``orderUpdates:0x...``. Raises Rejected: ILLEGAL for what is not offered,
        INVALID_SUBSCRIPTION for what doesn't exist."""
        known = dict(zip(SUBSCRIPTIONS, SUBSCRIPTIONS, strict=True))
        channel = subscription.choice("type", known)
        names = SUBSCRIPTIONS[channel]
        subscription.only("type", *names)
        check_aggregation(subscription)
        check_aggregated_fills(subscription)
        if "coin" in names:
            coin = self.followed_coin(channel, subscription)
            return f"{channel}:fast:{coin}" if is_set(subscription, "fast") else f"{channel}:{coin}"
        if "user" in names:
            return f"{channel}:{address_of(subscription, 'user')}"
        if "dex" in subscription:
            raise Rejected(INVALID_SUBSCRIPTION, as_text(subscription))
        return channel

    def followed_coin(self, channel: str, subscription: Params) -> str:
        """Only perpetuals are shown order by order."""
        coin = subscription.string("coin")
        try:
            pair = self.pair_of(coin)
        except Rejected:
            raise Rejected(INVALID_SUBSCRIPTION, as_text(subscription)) from None
        if channel == "l4Book" and coin != self.perp(pair):
            raise Rejected(INVALID_SUBSCRIPTION, as_text(subscription))
        return coin

    def send_snapshot(self, connection: Connection, subscription: Params) -> None:
        """What some subscriptions open with."""
        match subscription["type"]:
            case "l4Book":
                data = {"Snapshot": self.l4_snapshot(subscription.string("coin"))}
                self.send(connection, {"channel": "l4Book", "data": data})
            case "allMids":
                self.send(connection, self.mids_frame())
            case "userFills" | "spotState":
                self.send(connection, self.opening_frame(subscription))
            case "l2Book" if is_set(subscription, "fast"):
                self.send(connection, self.fast_frame(subscription.string("coin")))
            case "l2Book" | "bbo" | "activeAssetCtx" as channel:
                coin = subscription.string("coin")
                if channel == "l2Book":
                    self.server.snapshot_requested(self.pair_of(coin))
                self.send(connection, self.market_frames(coin)[f"{channel}:{coin}"]())

    def opening_frame(self, subscription: Params) -> Row:
        """What an account has, or had filled."""
        address = address_of(subscription, "user")
        account = self.user(subscription)
        if subscription["type"] == "spotState":
            return self.spot_state_frame(address, account)
        fills = self.fill_rows(self.all_fills(account)[-ROWS_AN_ANSWER:])[::-1]
        data = {"isSnapshot": True, "user": address, "fills": fills}
        return {"channel": "userFills", "data": data}

    def spot_state_frame(self, address: str, account: Account) -> Row:
        state = {"balances": self.balances(account)}
        return {"channel": "spotState", "data": {"user": address, "spotState": state}}

    def mids_frame(self) -> Row:
        return {"channel": "allMids", "data": {"mids": self.all_mids()}}

    def market_frames(self, coin: str) -> Mapping[str, Callable[[], Row]]:
        """Topic -> what makes its frame as the market is now."""
        pair = self.pair_of(coin)

        def book() -> Row:
            return {"channel": "l2Book", "data": self.l2_book(coin)}

        def best() -> Row:
            window = self.books.snapshot(pair)
            return {"channel": "bbo", "data": best_row(coin, window, self.book_time_ns(pair))}

        def context() -> Row:
            is_perp = coin == self.perp(pair)
            if is_perp:
                row = perp_context_row(self.market_stats(pair))
            else:
                row = spot_context_row(coin, self.market_stats(pair))
            channel = "activeAssetCtx" if is_perp else "activeSpotAssetCtx"
            return {"channel": channel, "data": {"coin": coin, "ctx": row}}

        return {f"l2Book:{coin}": book, f"bbo:{coin}": best, f"activeAssetCtx:{coin}": context}

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        if refusal.reason in SOCKET_WORDS:
            text = SOCKET_WORDS[refusal.reason].format(refusal.detail)
        else:
            said = message.data if isinstance(message.data, str) else compact(message.data)
            text = f"Error parsing JSON into valid websocket request: {said}"
        return {"channel": "error", "data": text}

    # Books. A frame has the time at which it was made: what leaves late is old.

    def l2_book(self, coin: str) -> Row:
        pair = self.pair_of(coin)
        return book_row(coin, self.books.snapshot(pair), self.book_time_ns(pair))

    def book_time_ns(self, pair: str) -> int:
        """What numbers a pair's books: the venue's time, or one that fell back."""
        return self.server.now_ns() - self.times_back_ns.get(pair, 0)

    def is_book_topic(self, topic: str, pair: str) -> bool:
        coins = (self.symbol(pair), self.perp(pair))
        return topic in {
            f"{channel}:{coin}" for channel in ("l2Book", "l2Book:fast", "l4Book") for coin in coins
        }

    def restart_numbers(self, pair: str, first: int) -> None:
        """Times fall back by an hour, heights to ``first``."""
        self.times_back_ns[pair] = self.times_back_ns.get(pair, 0) + RESTART_BACK_NS
        self.numbers["height"] = first - 1

    def fast_frame(self, coin: str) -> Row:
        pair = self.pair_of(coin)
        window = self.books.snapshot(pair)
        best = replace(window, bids=window.bids[:FAST_LEVELS], asks=window.asks[:FAST_LEVELS])
        return {"channel": "l2Book", "data": book_row(coin, best, self.book_time_ns(pair))}

    def publish_fast(self, pair: str, coin: str) -> None:
        """An image of five levels, at once or half a second after the last one."""
        topic = f"l2Book:fast:{coin}"
        if coin in self._fast_due or not self.anyone_follows(topic):
            return
        now_s = asyncio.get_running_loop().time()
        wait_s = self._fast_sent.get(coin, 0.0) + FAST_EVERY_S - now_s
        if wait_s <= 0:
            self._fast_sent[coin] = now_s
            self.publish(topic, self.fast_frame(coin))
            return
        self._fast_due.add(coin)
        self.server.call_later(wait_s, self._publish_due, pair, coin)

    def _publish_due(self, pair: str, coin: str) -> None:
        self._fast_due.discard(coin)
        self._fast_sent.pop(coin, None)
        with self.server.holding_back(pair):
            self.publish_fast(pair, coin)

    def l4_snapshot(self, coin: str) -> Row:
        """Every order of a book. The block under way is published first: its changes are in the
        book already."""
        pair = self.pair_of(coin)
        self.server.snapshot_requested(pair)
        self.server.send_depth(pair)
        return {
            "coin": coin,
            "time": milliseconds(self.book_time_ns(pair)),
            "height": self.numbers["height"],
            "levels": [self.resting_order_rows(pair, side) for side in ("buy", "sell")],
        }

    def resting_order_rows(self, pair: str, side: Side) -> list[Row]:
        orders = self.books.resting_orders(pair, side)
        return [resting_order_row(self.perp(pair), order, order.left) for order in orders]

    def on_book_event(self, kind: str, order: Order, match: Match | None) -> None:
        self.order_changes.on_book_event(kind, order, match)

    def on_depth(
        self,
        pair: str,
        first_id: int,
        last_id: int,
        bids: list[tuple[Decimal, Decimal]],
        asks: list[tuple[Decimal, Decimal]],
    ) -> None:
        """A block, and the books after it."""
        super().on_depth(pair, first_id, last_id, bids, asks)
        coin = self.perp(pair)
        changes = self.order_changes.take(pair)
        block = {
            "time": milliseconds(self.book_time_ns(pair)),
            "height": self.count("height"),
            "order_statuses": [
                opened_order_row(coin, change) for change in changes if change.kind == "new"
            ],
            "book_diffs": [book_diff_row(coin, change) for change in changes],
        }
        self.publish(f"l4Book:{coin}", {"channel": "l4Book", "data": {"Updates": block}})
        for name in (self.symbol(pair), coin):
            for topic, make in self.market_frames(name).items():
                if self.anyone_follows(topic):
                    self.publish(topic, make())
            self.publish_fast(pair, name)
        if self.anyone_follows("allMids"):
            self.publish("allMids", self.mids_frame())

    # Streams.

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        coins = (self.symbol(match.symbol), self.perp(match.symbol))
        return {
            f"trades:{coin}": {"channel": "trades", "data": [trade_row(coin, match)]}
            for coin in coins
        }

    def on_event(self, event: Event) -> None:
        """To whoever follows the account's address; a connection may follow several."""
        for topic, frame in self.event_rows(event):
            for connection in list(self.server.connections):
                if topic in connection.topics:
                    self.server.put_user(connection, self.build(frame))

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        """Whole frames already; topics name the account."""
        account = event.order.account
        address = account.keys["api_key"]
        coin = self.symbol(event.order.symbol)
        status = order_status_row(basic_order_row(coin, event.order), event.order)
        updates: Row = {"channel": "orderUpdates", "data": [status]}
        frames = [(f"orderUpdates:{address}", updates)]
        if event.fill is not None:
            fills = [fill_row(coin, event.fill)]
            told = {"user": address, "fills": fills}
            frames.append((f"userFills:{address}", {"channel": "userFills", "data": told}))
            happened = {"channel": "user", "data": {"fills": fills}}
            frames.append((f"userEvents:{address}", happened))
        frames.append((f"spotState:{address}", self.spot_state_frame(address, account)))
        return frames


def check_dex(request: Params) -> None:
    """There is but the venue's own."""
    if request.string("dex", ""):
        raise Rejected(NO_COIN)


def check_aggregation(request: Params) -> None:
    """Books are told level by level."""
    for name in ("nSigFigs", "mantissa"):
        if name in request:
            raise Rejected(Reason.ILLEGAL, name)


def check_aggregated_fills(request: Params) -> None:
    """Fills are told one by one."""
    if is_set(request, "aggregateByTime"):
        raise Rejected(Reason.ILLEGAL, "aggregateByTime")


def compact(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"))


def as_text(params: Params) -> str:
    return compact(params.values)


def acknowledgement(message: Message) -> Row:
    """The message is repeated, with what it left out."""
    subscription = message.params("subscription").values
    if subscription["type"] == "l2Book":
        subscription = {**subscription, "nSigFigs": None, "mantissa": None}
    data = {"method": message["method"], "subscription": subscription}
    return {"channel": "subscriptionResponse", "data": data}
