"""Hyperliquid from the venue's side: spot, and perpetuals of the same assets, which trade as the
spot pairs do.

Source: its API documentation; for l4Book, order_book_server, which runs beside a node.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgpack

from trochil.sandbox.book_windows import BookChannel, BookWindow, Levels
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
from trochil.sandbox.formats import decimal_places, decimal_text, exact_text, milliseconds
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Fill, Rejected, Symbol
from trochil.sandbox.order_changes import OrderChange, OrderChanges
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.requests import Message, Params, Request
from trochil.sandbox.server import Server
from trochil.sandbox.wallets import WalletSignature, keccak256, new_wallet, signer_address

LEVELS = 20
"""A side of l2Book."""
SPOT_ASSETS = 10_000
"""The asset id of the first spot pair."""
SIZE_AND_PRICE_PLACES = 8
"""Decimals that sizes and prices of a spot pair have together."""
PRICE_DIGITS = 5
MIN_NOTIONAL = Decimal(10)
NO_HASH = "0x00"
"""Of a trade's transaction: there is no chain here."""
NO_USER = "0x0"
"""Whose a resting order is: here l4Book doesn't show it."""
MARKET_CHANNELS = ("l2Book", "l4Book", "trades")
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
KIND_OF_ACTION: dict[str, RequestKind] = {
    "order": "place",
    "cancel": "cancel",
    "cancelByCloid": "cancel",
}
NO_MATCH = "Order could not immediately match against any resting orders."

# Codes of refusals: what form the answer has. Without one it is {"status": "err", "response": ...}.

UNKNOWN_OID = "unknownOid"
PLAIN_TEXT = "text"

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


def perp_row(symbol: Symbol) -> Row:
    """info meta: the perpetual of a pair's asset."""
    return {
        "name": symbol.base,
        "szDecimals": decimal_places(symbol.size_step),
        "maxLeverage": 10,
    }


def token_row(index: int, symbol: Symbol) -> Row:
    """info spotMeta."""
    return {
        "name": symbol.base,
        "szDecimals": decimal_places(symbol.size_step),
        "weiDecimals": 8,
        "index": index,
    }


def usdc_row() -> Row:
    """info spotMeta: what every pair is quoted in."""
    return {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0}


def context_row(stats: MarketStats) -> Row:
    """info metaAndAssetCtxs and spotMetaAndAssetCtxs."""
    return {
        "markPx": decimal_text(stats.last),
        "midPx": decimal_text(stats.middle),
        "prevDayPx": decimal_text(stats.last),
        "dayNtlVlm": decimal_text(stats.quote_volume),
        "dayBaseVlm": decimal_text(stats.volume),
    }


def book_row(coin: str, window: BookWindow, time_ns: int) -> Row:
    """info l2Book, and the channel of that name. ``n``: orders, always 1 here."""

    def side(levels: Levels) -> list[Row]:
        return [
            {"px": decimal_text(price), "sz": decimal_text(size), "n": 1} for price, size in levels
        ]

    return {
        "coin": coin,
        "time": milliseconds(time_ns),
        "levels": [side(window.bids), side(window.asks)],
    }


def trade_row(coin: str, match: Match) -> Row:
    """The channel trades. The side is the taker's."""
    return {
        "coin": coin,
        "side": SIDE[match.taker.side],
        "px": decimal_text(match.price),
        "sz": decimal_text(match.amount),
        "time": milliseconds(match.time),
        "tid": match.id,
        "hash": NO_HASH,
    }


def order_row(coin: str, order: Order) -> Row:
    """info frontendOpenOrders, and whatever else shows an account's order."""
    return {"coin": coin, **order_fields(order, order.remaining)}


def resting_order_row(coin: str, order: Order, size: Decimal) -> Row:
    """The channel l4Book: anybody's order, of which ``size`` is or was left."""
    return {"coin": coin, "user": NO_USER, **order_fields(order, size)}


def order_fields(order: Order, size: Decimal) -> Row:
    return {
        "side": SIDE[order.side],
        "limitPx": decimal_text(order.price),
        "sz": decimal_text(size),
        "oid": order.id,
        "timestamp": milliseconds(order.time),
        "origSz": decimal_text(order.amount),
        "cloid": cloid(order),
        "tif": TIME_IN_FORCE[order.tif],
        "orderType": "Limit",
        "reduceOnly": False,
        "isTrigger": False,
        "triggerPx": "0.0",
        "triggerCondition": "N/A",
        "isPositionTpsl": False,
    }


def cloid(order: Order) -> str | None:
    """The client's id; None where the client sent none in the venue's form."""
    return order.client_id if order.client_id.startswith("0x") else None


def order_status_row(coin: str, order: Order) -> Row:
    """info orderStatus, and the channel orderUpdates."""
    return {
        "order": order_row(coin, order),
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
    return {
        "coin": coin,
        "px": decimal_text(fill.price),
        "sz": decimal_text(fill.amount),
        "side": SIDE[fill.order.side],
        "time": milliseconds(fill.time),
        "oid": fill.order.id,
        "tid": fill.trade_id,
        "crossed": not fill.is_maker,
        "fee": exact_text(fill.fee),
        "feeToken": fill.fee_asset,
        "cloid": cloid(fill.order),
        "startPosition": "0.0",
        "dir": "Trade",
        "closedPnl": "0.0",
        "hash": NO_HASH,
    }


def fill_of(event: Event, match: Match) -> Fill:
    """The account's side of the trade that an event reports."""
    return Fill(
        trade_id=match.id,
        order=event.order,
        price=match.price,
        amount=match.amount,
        fee=event.fee,
        fee_asset=event.fee_asset,
        is_maker=event.is_maker,
        time=event.time,
    )


def balance_rows(account: Account) -> list[Row]:
    """info spotClearinghouseState, and the channel spotState."""
    return [
        {
            "coin": balance.asset,
            "total": exact_text(balance.total),
            "hold": exact_text(balance.held),
            "entryNtl": "0.0",
            "token": 0,
        }
        for balance in account.balances()
    ]


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
        "px": decimal_text(change.order.price),
        "raw_book_diff": raw_book_diff(change),
    }


def raw_book_diff(change: OrderChange) -> Row | str:
    match change.kind:
        case "new":
            return {"new": {"sz": decimal_text(change.size)}}
        case "update":
            sizes = {
                "origSz": decimal_text(change.size_before),
                "newSz": decimal_text(change.size),
            }
            return {"update": sizes}
        case "remove":
            return "remove"


def placed_row(order: Order) -> Row:
    """What became of an order that the venue took: what it filled at once, if anything."""
    filled: Row = {}
    if order.filled:
        filled = {
            "totalSz": decimal_text(order.filled),
            "avgPx": decimal_text(order.average_price),
        }
    return {"resting" if order.is_open else "filled": filled | {"oid": order.id}}


def error_row(message: str, asset: int) -> Row:
    """Why an order of an action was refused, or its cancel."""
    return {"error": f"{message} asset={asset}"}


# Requests.


@dataclass(frozen=True, slots=True)
class PlacedTerms:
    """An order of an action."""

    asset: int
    pair: str
    terms: OrderTerms


@dataclass(frozen=True, slots=True)
class CancelTerms:
    """Which order an action cancels, by one of its ids."""

    asset: int
    order_id: str = ""
    client_id: str = ""


def action_kind(request: Request) -> RequestKind:
    return KIND_OF_ACTION.get(request.params("action").string("type"), "query")


def order_terms(row: Params) -> OrderTerms:
    """A row of the action order; the venue has no market orders."""
    time_in_force = row.params("t").params("limit").string("tif")
    if time_in_force not in ("Alo", *TIME_IN_FORCE_OF):
        raise Rejected(Reason.ILLEGAL, "tif")
    return OrderTerms(
        side=side_of(row),
        kind="post_only" if time_in_force == "Alo" else "limit",
        tif=TIME_IN_FORCE_OF.get(time_in_force, "GTC"),
        amount=row.decimal("s"),
        price=row.decimal("p"),
        client_id=row.string("c", ""),
    )


def side_of(row: Params) -> Side:
    is_buy = row["b"]
    if not isinstance(is_buy, bool):
        raise Rejected(Reason.ILLEGAL, "b")
    return "buy" if is_buy else "sell"


def asset_of(row: Params, name: str) -> int:
    """An asset's id; texts are none."""
    asset = row[name]
    if not isinstance(asset, int):
        raise Rejected(Reason.ILLEGAL, name)
    return asset


def cancel_by_oid(row: Params) -> CancelTerms:
    """A row of the action cancel."""
    return CancelTerms(asset=asset_of(row, "a"), order_id=str(row.integer("o")))


def cancel_by_cloid(row: Params) -> CancelTerms:
    """A row of the action cancelByCloid."""
    return CancelTerms(asset=asset_of(row, "asset"), client_id=row.string("cloid"))


def action_payload(request: Request) -> bytes:
    """What is hashed: the action with its fields in the order they came, the nonce, for whose vault
    it is, and until when."""
    action = request.params("action").values
    try:
        packed = bytes(msgpack.packb(action))
    except (ValueError, OverflowError):
        raise Rejected(Reason.ILLEGAL, "action") from None
    nonce = eight_bytes(request, "nonce")
    vault = b"\1" + vault_address(request) if "vaultAddress" in request else b"\0"
    expiry = b"\0" + eight_bytes(request, "expiresAfter") if "expiresAfter" in request else b""
    return packed + nonce + vault + expiry


def eight_bytes(request: Request, name: str) -> bytes:
    try:
        return request.integer(name).to_bytes(8, "big")
    except OverflowError:
        raise Rejected(Reason.ILLEGAL, name) from None


def vault_address(request: Request) -> bytes:
    try:
        return bytes.fromhex(request.string("vaultAddress").removeprefix("0x"))
    except ValueError:
        raise Rejected(Reason.ILLEGAL, "vaultAddress") from None


def signature_of(request: Request) -> WalletSignature:
    signature = request.params("signature")
    return WalletSignature(
        v=signature.integer("v"), r=hex_integer(signature, "r"), s=hex_integer(signature, "s")
    )


def hex_integer(params: Params, name: str) -> int:
    try:
        return int(params.string(name), 16)
    except ValueError:
        raise Rejected(Reason.ILLEGAL, name) from None


class Nonces:
    """The highest nonces that one account used; they are times in ms."""

    def __init__(self) -> None:
        self._used: list[int] = []

    def use(self, nonce: int, now_ms: int) -> None:
        """Raises Rejected(BAD_TIME) for a nonce that was used, is below the lowest of the hundred
        that are kept, or is far from the venue's clock."""
        is_full = len(self._used) == NONCES_KEPT
        is_too_low = is_full and nonce < self._used[0]
        is_near = now_ms - 2 * DAY_MS < nonce < now_ms + DAY_MS
        if nonce in self._used or is_too_low or not is_near:
            raise Rejected(Reason.BAD_TIME, str(nonce))
        self._used = sorted([*self._used, nonce])[-NONCES_KEPT:]


class Dialect(BaseDialect):
    """Whole books of twenty levels; of perpetuals also every order, where a block is what happened
    between two books."""

    name = "hyperliquid"
    pairs = ("BTC-USDC", "ETH-USDC", "HYPE-USDC")
    book_channel = BookChannel(levels=LEVELS)
    greeting = "Websocket connection established."
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

    def routes(self) -> list[Route]:
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
        if code == PLAIN_TEXT:
            return message
        return {"status": "err", "response": message}

    # Who signs.

    def new_keys(self, name: str) -> dict[str, str]:
        return new_wallet()

    def verify(self, request: Request) -> Account:
        """A signature of anything else is a stranger's. Raises Rejected: BAD_KEY with an address,
        BAD_TIME with the nonce, ILLEGAL."""
        payload = action_payload(request)
        signature = signature_of(request)
        signers = [self.signer(source, payload, signature) for source in SOURCES]
        for address in signers:
            account = self.server.account_of_key(address)
            if account is not None:
                nonces = self.nonces.setdefault(account.name, Nonces())
                nonces.use(request.integer("nonce"), milliseconds(self.server.now_ns()))
                return account
        raise Rejected(Reason.BAD_KEY, signers[0])

    def signer(self, source: str, payload: bytes, signature: WalletSignature) -> str:
        message = {"source": source, "connectionId": keccak256(payload)}
        try:
            return signer_address(DOMAIN, TYPES, message, signature)
        except ValueError:
            raise Rejected(Reason.ILLEGAL, "signature") from None

    # POST /info.

    def post_info(self, request: Request) -> Any:
        handler = request.choice("type", self.info_types())
        return handler(request)

    def info_types(self) -> Mapping[str, Callable[[Request], Any]]:
        return {
            "meta": self.get_meta,
            "metaAndAssetCtxs": self.get_meta_and_contexts,
            "spotMeta": self.get_spot_meta,
            "spotMetaAndAssetCtxs": self.get_spot_meta_and_contexts,
            "perpDexs": self.get_perp_dexs,
            "allMids": self.get_all_mids,
            "l2Book": self.get_l2_book,
            "exchangeStatus": self.get_exchange_status,
            "userRole": self.get_user_role,
            "userAbstraction": self.get_user_abstraction,
            "userFees": self.get_user_fees,
            "userFills": self.get_user_fills,
            "userFillsByTime": self.get_user_fills_by_time,
            "openOrders": self.get_open_orders,
            "frontendOpenOrders": self.get_open_orders,
            "orderStatus": self.get_order_status,
            "spotClearinghouseState": self.get_spot_state,
        }

    def get_meta(self, request: Request) -> Row:
        return {"universe": [perp_row(symbol) for symbol in self.markets()]}

    def get_meta_and_contexts(self, request: Request) -> list[Any]:
        contexts = [context_row(self.market_stats(symbol.pair)) for symbol in self.markets()]
        return [self.get_meta(request), contexts]

    def get_spot_meta(self, request: Request) -> Row:
        tokens = [token_row(self.token(symbol.pair), symbol) for symbol in self.markets()]
        universe = [self.spot_pair_row(symbol.pair) for symbol in self.markets() if symbol.trading]
        return {"tokens": [usdc_row(), *tokens], "universe": universe}

    def token(self, pair: str) -> int:
        """The number of a pair's asset; USDC is 0."""
        return self.index(pair) + 1

    def spot_pair_row(self, pair: str) -> Row:
        return {
            "name": self.symbol(pair),
            "tokens": [self.token(pair), 0],
            "index": self.index(pair),
        }

    def get_spot_meta_and_contexts(self, request: Request) -> list[Any]:
        contexts = [
            {"coin": self.symbol(symbol.pair), **context_row(self.market_stats(symbol.pair))}
            for symbol in self.markets()
        ]
        return [self.get_spot_meta(request), contexts]

    def get_perp_dexs(self, request: Request) -> list[None]:
        """The venue's own is null; others don't exist here."""
        return [None]

    def get_all_mids(self, request: Request) -> Row:
        return {
            self.symbol(symbol.pair): decimal_text(self.market_stats(symbol.pair).middle)
            for symbol in self.markets()
        }

    def get_l2_book(self, request: Request) -> Row:
        return self.l2_book(request.string("coin"))

    def get_exchange_status(self, request: Request) -> Row:
        return {"time": milliseconds(self.server.now_ns()), "specialStatuses": None}

    def get_user_role(self, request: Request) -> Row:
        is_known = self.account_of(request.string("user", "")) is not None
        return {"role": "user" if is_known else "missing"}

    def get_user_abstraction(self, request: Request) -> str:
        """Balances of spot and perpetuals are apart."""
        return "disabled"

    def get_user_fees(self, request: Request) -> Row:
        maker_fee = str(self.venue.maker_fee)
        taker_fee = str(self.venue.taker_fee)
        return {
            "userAddRate": maker_fee,
            "userCrossRate": taker_fee,
            "userSpotAddRate": maker_fee,
            "userSpotCrossRate": taker_fee,
        }

    def get_user_fills(self, request: Request) -> list[Row]:
        """Newest first."""
        return self.fill_rows(self.fills_of(self.user(request)))[::-1]

    def get_user_fills_by_time(self, request: Request) -> list[Row]:
        """Oldest first."""
        fills = self.fills_of(
            self.user(request),
            since_ms=request.optional_integer("startTime"),
            until_ms=request.optional_integer("endTime"),
        )
        return self.fill_rows(fills)

    def fill_rows(self, fills: list[Fill]) -> list[Row]:
        return [fill_row(self.symbol(fill.order.symbol), fill) for fill in fills]

    def get_open_orders(self, request: Request) -> list[Row]:
        orders = self.orders_of(self.user(request), is_open=True)
        return [order_row(self.symbol(order.symbol), order) for order in orders]

    def get_order_status(self, request: Request) -> Row:
        """``oid`` is either of an order's ids."""
        order_id = request.string("oid")
        order = self.find_order(self.user(request), order_id=order_id, client_id=order_id)
        return {"status": "order", "order": order_status_row(self.symbol(order.symbol), order)}

    def get_spot_state(self, request: Request) -> Row:
        return {"balances": balance_rows(self.user(request))}

    def user(self, request: Request) -> Account:
        """Whose state is requested; unknown addresses have nothing."""
        return self.account_of(request.string("user", "")) or Account("nobody")

    def account_of(self, address: str) -> Account | None:
        return self.server.account_of_key(address.lower())

    # POST /exchange.

    def post_exchange(self, request: Request, account: Account) -> Row:
        """All of an action is read before any of it is done."""
        action = request.params("action")
        kind = action.string("type")
        match kind:
            case "order":
                orders = [self.placed_terms(row) for row in action.params_list("orders")]
                statuses = [self.place(account, order) for order in orders]
            case "cancel":
                cancels = [cancel_by_oid(row) for row in action.params_list("cancels")]
                statuses = [self.cancel(account, cancel) for cancel in cancels]
            case "cancelByCloid":
                cancels = [cancel_by_cloid(row) for row in action.params_list("cancels")]
                statuses = [self.cancel(account, cancel) for cancel in cancels]
            case _:
                return {"status": "ok", "response": {"type": "default"}}
        return {"status": "ok", "response": {"type": kind, "data": {"statuses": statuses}}}

    def placed_terms(self, row: Params) -> PlacedTerms:
        asset = asset_of(row, "a")
        return PlacedTerms(asset, self.pair_of_asset(asset), order_terms(row))

    def pair_of_asset(self, asset: int) -> str:
        for pair in self.venue.symbols:
            if asset == SPOT_ASSETS + self.index(pair):
                return pair
        raise Rejected(Reason.ILLEGAL, str(asset))

    def place(self, account: Account, placed: PlacedTerms) -> Row | str:
        """The status of an order in the answer to its action."""
        try:
            order = self.place_order(account, placed.pair, placed.terms)
        except Rejected as refusal:
            return self.refused_row(refusal, placed.asset)
        if not order.is_open and not order.filled:
            return error_row(NO_MATCH, placed.asset)
        return placed_row(order)

    def cancel(self, account: Account, cancel: CancelTerms) -> Row | str:
        """The status of a cancel in the answer to its action."""
        try:
            self.cancel_order(account, order_id=cancel.order_id, client_id=cancel.client_id)
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
                self.send(connection, {"channel": "pong"})
            case "subscribe":
                self.on_subscribe(connection, message)
            case "unsubscribe":
                topic = self.topic(message.params("subscription"))
                self.unsubscribe(connection, [topic], acknowledgement(message))
            case _:
                raise Rejected(Reason.ILLEGAL, "method")

    def on_subscribe(self, connection: Connection, message: Message) -> None:
        """What is an account's needs no login: its address is enough."""
        subscription = message.params("subscription")
        self.subscribe(connection, [self.topic(subscription)], acknowledgement(message))
        if "user" in subscription:
            connection.account = self.account_of(subscription.string("user"))
            connection.is_private = True
        self.send_snapshot(connection, subscription)

    def topic(self, subscription: Params) -> str:
        """``l2Book:@1``, ``orderUpdates:0x...``. Channels that the venue has and the sandbox hasn't
        can be followed too. Raises Rejected: UNKNOWN_SYMBOL."""
        channel = subscription.string("type")
        if channel in MARKET_CHANNELS:
            coin = subscription.string("coin")
            self.pair_of(coin)
            return f"{channel}:{coin}"
        followed = subscription.string("coin", "") or subscription.string("user").lower()
        return f"{channel}:{followed}"

    def send_snapshot(self, connection: Connection, subscription: Params) -> None:
        """What some subscriptions open with."""
        match subscription["type"]:
            case "l2Book":
                data = self.l2_book(subscription.string("coin"))
                self.send(connection, {"channel": "l2Book", "data": data})
            case "l4Book":
                data = {"Snapshot": self.l4_snapshot(subscription.string("coin"))}
                self.send(connection, {"channel": "l4Book", "data": data})
            case "userFills" if connection.account is not None:
                fills = self.fill_rows(self.fills_of(connection.account))
                data = {
                    "isSnapshot": True,
                    "user": connection.account.keys["api_key"],
                    "fills": fills,
                }
                self.send(connection, {"channel": "userFills", "data": data})

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        _, text = self.refusal_of(refusal.reason, refusal.detail)
        return {"channel": "error", "data": text}

    # Books. A frame has the time at which it was made: what leaves late is old.

    def l2_book(self, coin: str) -> Row:
        return book_row(coin, self.books.snapshot(self.pair_of(coin)), time.time_ns())

    def l4_snapshot(self, coin: str) -> Row:
        """Every order of a book. The block under way is published first: its changes are in the
        book already."""
        pair = self.pair_of(coin)
        self.server.send_depth(pair)
        return {
            "coin": coin,
            "time": milliseconds(time.time_ns()),
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
            "time": milliseconds(time.time_ns()),
            "height": self.count("height"),
            "order_statuses": [
                opened_order_row(coin, change) for change in changes if change.kind == "new"
            ],
            "book_diffs": [book_diff_row(coin, change) for change in changes],
        }
        self.publish(f"l4Book:{coin}", {"channel": "l4Book", "data": {"Updates": block}})
        for name in (self.symbol(pair), coin):
            self.publish(f"l2Book:{name}", {"channel": "l2Book", "data": self.l2_book(name)})

    # Streams.

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        coins = (self.symbol(match.symbol), self.perp(match.symbol))
        return {
            f"trades:{coin}": {"channel": "trades", "data": [trade_row(coin, match)]}
            for coin in coins
        }

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        """Whole frames already; topics name the account."""
        account = event.order.account
        address = account.keys["api_key"]
        coin = self.symbol(event.order.symbol)
        frames: dict[str, Any] = {"orderUpdates": [order_status_row(coin, event.order)]}
        if event.match is not None:
            fills = [fill_row(coin, fill_of(event, event.match))]
            frames["userFills"] = {"user": address, "fills": fills}
        frames["spotState"] = {
            "user": address,
            "spotState": {"balances": balance_rows(account)},
        }
        return [
            (f"{channel}:{address}", {"channel": channel, "data": data})
            for channel, data in frames.items()
        ]


def acknowledgement(message: Message) -> Row:
    """The message is repeated."""
    return {"channel": "subscriptionResponse", "data": message.data}
