"""Kraken spot from the venue's side.

Source: its public API documentation (REST v0, websocket v2). Not verified are the texts of the
socket's errors where the documentation gives no example (those for fields that are missing, for
malformed messages and for what is subscribed already), which trades ``consolidate_taker`` makes
one, and the text for a client id that is in use.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import partial
from secrets import token_hex
from time import gmtime, strftime
from typing import Any

import msgspec

from trochil.sandbox.candles import Candle, Candles
from trochil.sandbox.checksum_windows import ChecksumWindow, LevelWindows, OrderWindows
from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import (
    RECENT,
    BaseDialect,
    Frame,
    PublicRoute,
    Route,
    Row,
    SignedRoute,
    SocketHandler,
)
from trochil.sandbox.formats import iso_time
from trochil.sandbox.kraken_requests import (
    ACCOUNT_CHANNELS,
    BATCH_ORDER_PARAMS,
    BOOK_DEPTHS,
    CANDLE_MINUTES,
    CLIENT_ID,
    DEFAULT_MINUTES,
    MOST_NONCE,
    NONCE,
    ORDER_PARAMS,
    SOCKET_BATCH_ORDER_PARAMS,
    SOCKET_ORDER_PARAMS,
    SUBSCRIBED,
    TOKEN_CHANNELS,
    WRONG_DEPTH,
    WRONG_FIELD,
    WRONG_INTERVAL,
    Subscription,
    Ticket,
    batch_of,
    flag,
    listed_ids,
    order_ticket,
    socket_flag,
    socket_integer,
    socket_object,
    socket_text,
    socket_texts,
    socket_ticket,
    subscriptions_of,
    trade_time_ns,
    user_reference,
    wrong_type,
)
from trochil.sandbox.kraken_rows import (
    BOOK_ROWS,
    ORDER_ID,
    alternative_name,
    asset_code,
    asset_pair_row,
    asset_row,
    balance_rows,
    candle_object,
    candle_row,
    depth_row,
    ended_order_row,
    execution_id,
    execution_row,
    extended_balance_row,
    fee_row,
    fill_row,
    instrument_asset_row,
    instrument_pair_row,
    ledger_id_of,
    ledger_rows,
    old_name,
    old_socket_name,
    order_id,
    order_object,
    order_row,
    order_text,
    pair_key,
    public_trade_row,
    quote_row,
    sent_client_id,
    status_row,
    ticker_row,
    trade_row,
)
from trochil.sandbox.market.accounts import ZERO, Account
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Fill, Rejected, Symbol
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.requests import Message, Params, Request
from trochil.sandbox.server import Server

ROWS_PER_PAGE = 50
SNAPSHOT_FILLS = 50
MOST_DEPTH = 500
DEFAULT_DEPTH = 100
MOST_TRADES = 1000
MOST_CANDLES = 720
MOST_ORDERS_QUERIED = 50
MOST_TRADES_QUERIED = 20
LEAST_CANCELLED = 2
"""In a batch on the socket."""
MOST_CANCELLED = 50
MOST_TIMEOUT_S = 86_400
LEAST_DEADLINE_S = 2.0
LEAST_SOCKET_DEADLINE_S = 0.5
MOST_DEADLINE_S = 60.0
HEARTBEAT_S = 1.0
TOKEN_SECONDS = 900
RATE_COUNT = 125
"""Of the middle tier; the sandbox does not count."""
STALE_TOKEN = "stale_token"
LATE = "late"
"""The deadline that a client set has passed."""
UNDER_MINIMUM = "under_minimum"
UNKNOWN_ASSET = "unknown_asset"
CLOSE_TIMES = {"open": "open", "close": "close", "both": "both"}
TRADE_TYPES = {
    "all": True,
    "no position": True,
    "any position": False,
    "closed position": False,
    "closing position": False,
}
"""Whether trades without a position are of that type: there are no others."""
PAIR_INFO = {
    "info": (),
    "leverage": ("leverage_buy", "leverage_sell"),
    "fees": ("fees", "fees_maker", "fee_volume_currency"),
    "margin": ("margin_call", "margin_stop"),
}
"""The fields of a pair that AssetPairs tells; none: all."""
SOCKET_WORDS = {
    Reason.UNKNOWN_SYMBOL: "Currency pair not supported {}",
    Reason.UNKNOWN_METHOD: "Unsupported event",
    Reason.UNKNOWN_TOPIC: "Subscription name invalid",
    WRONG_DEPTH: "Subscription depth not supported",
    WRONG_INTERVAL: "Subscription ohlc interval not supported",
    WRONG_FIELD: "{}",
    SUBSCRIBED: "Already subscribed{}",
}
"""What the socket says where REST has other words, or none."""


class Dialect(BaseDialect):
    """Nothing is numbered but an account's frames. Books carry checksums, and nothing is sent of
    what is pushed out of them."""

    name = "kraken"
    pairs = ("BTC-USD", "ETH-USD", "SOL-USD", "ETH-BTC")
    fee_in_quote = True
    secrets_are_base64 = True
    signing_params = ("nonce",)
    client_id_form = CLIENT_ID
    offered_streams = (
        "book (10, 25, 100, 500, 1000)",
        "level3 (10, 100, 1000)",
        "trade",
        "ticker",
        "ohlc",
        "instrument",
        "executions",
        "balances",
        "status",
        "heartbeat",
    )
    offered_methods = (
        "ping",
        "subscribe",
        "unsubscribe",
        "add_order",
        "batch_add",
        "cancel_order",
        "batch_cancel",
        "cancel_all",
        "cancel_all_orders_after",
    )
    refusals = {
        Reason.UNKNOWN_SYMBOL: Refusal(200, "EQuery", "Unknown asset pair"),
        UNKNOWN_ASSET: Refusal(200, "EQuery", "Unknown asset"),
        Reason.MARKET_CLOSED: Refusal(200, "EService", "Market in cancel_only mode"),
        Reason.PRICE_FILTER: Refusal(200, "EOrder", "Invalid price"),
        Reason.LOT_SIZE: Refusal(200, "EGeneral", "Invalid arguments:volume"),
        UNDER_MINIMUM: Refusal(200, "EGeneral", "Invalid arguments:volume minimum not met"),
        Reason.NOTIONAL: Refusal(200, "EOrder", "Cost minimum not met"),
        Reason.INSUFFICIENT_BALANCE: Refusal(200, "EOrder", "Insufficient funds"),
        Reason.DUPLICATE_CLIENT_ID: Refusal(200, "EOrder", "Duplicate cl_ord_id"),
        Reason.WOULD_TAKE: Refusal(200, "EOrder", "Post only order"),
        Reason.UNKNOWN_ORDER: Refusal(200, "EOrder", "Unknown order"),
        LATE: Refusal(200, "EService", "Deadline elapsed"),
        Reason.ILLEGAL: Refusal(200, "EGeneral", "Invalid arguments:{}"),
        Reason.UNKNOWN_PATH: Refusal(404, "EGeneral", "Unknown method"),
        Reason.BAD_KEY: Refusal(200, "EAPI", "Invalid key"),
        Reason.BAD_SIGNATURE: Refusal(200, "EAPI", "Invalid signature"),
        Reason.BAD_TIME: Refusal(200, "EAPI", "Invalid nonce"),
        STALE_TOKEN: Refusal(200, "ESession", "Invalid session"),
        Reason.TIMEOUT: Refusal(200, "EService", "Timeout"),
        Reason.RATE_LIMITED: Refusal(200, "EAPI", "Rate limit exceeded"),
        Reason.UNAVAILABLE: Refusal(503, "EService", "Unavailable"),
    }

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.windows = {"book": LevelWindows(self.venue), "level3": OrderWindows(self.venue)}
        self.candles: dict[str, Candles] = {}
        """By pair."""
        self.best_prices: dict[str, tuple[Decimal | None, Decimal | None]] = {}
        """Of each pair, as the ticker told them last."""
        self.tokens: dict[str, tuple[Account, float]] = {}
        """For the socket, with the time (s) by which each must be used."""
        self.userrefs: dict[int, int] = {}
        """Of orders, by the venue's own number of theirs."""
        self.placed_userref = 0
        """Of the order that is being placed."""
        self.timers: dict[str, int] = {}
        """By account: the number of the last CancelAllOrdersAfter."""

    def routes(self) -> list[Route]:
        return [*self.public_routes(), *self.order_routes(), *self.account_routes()]

    def public_routes(self) -> list[Route]:
        public = "/0/public"
        return [
            PublicRoute("GET", f"{public}/Time", self.get_time, params=()),
            PublicRoute("GET", f"{public}/SystemStatus", self.get_status, params=()),
            PublicRoute("GET", f"{public}/Assets", self.get_assets, params=("asset", "aclass")),
            PublicRoute(
                "GET",
                f"{public}/AssetPairs",
                self.get_asset_pairs,
                params=("pair", "info", "aclass_base"),
            ),
            PublicRoute("GET", f"{public}/Ticker", self.get_tickers, params=("pair",)),
            PublicRoute("GET", f"{public}/Depth", self.get_depth, params=("pair", "count")),
            PublicRoute(
                "GET", f"{public}/Trades", self.get_trades, params=("pair", "since", "count")
            ),
            PublicRoute(
                "GET", f"{public}/OHLC", self.get_candles, params=("pair", "interval", "since")
            ),
        ]

    def order_routes(self) -> list[Route]:
        private = "/0/private"
        return [
            SignedRoute(
                "POST", f"{private}/AddOrder", self.add_order, kind="place", params=ORDER_PARAMS
            ),
            SignedRoute(
                "POST",
                f"{private}/AddOrderBatch",
                self.add_orders,
                kind="place",
                params=("pair", "orders", "deadline", "validate"),
            ),
            SignedRoute(
                "POST",
                f"{private}/CancelOrder",
                self.post_cancel,
                kind="cancel",
                params=("txid", "cl_ord_id"),
            ),
            SignedRoute(
                "POST",
                f"{private}/CancelOrderBatch",
                self.post_cancel_batch,
                kind="cancel",
                params=("orders", "cl_ord_ids"),
            ),
            SignedRoute(
                "POST", f"{private}/CancelAll", self.post_cancel_all, kind="cancel", params=()
            ),
            SignedRoute(
                "POST",
                f"{private}/CancelAllOrdersAfter",
                self.post_cancel_after,
                params=("timeout",),
            ),
        ]

    def account_routes(self) -> list[Route]:
        private = "/0/private"
        named = ("trades", "userref", "cl_ord_id")
        paged = ("start", "end", "ofs", "without_count", "consolidate_taker")
        return [
            SignedRoute("POST", f"{private}/Balance", self.balance, params=()),
            SignedRoute("POST", f"{private}/BalanceEx", self.extended_balance, params=()),
            SignedRoute(
                "POST",
                f"{private}/QueryOrders",
                self.query_orders,
                params=("txid", "trades", "userref", "consolidate_taker"),
            ),
            SignedRoute("POST", f"{private}/OpenOrders", self.open_orders, params=named),
            SignedRoute(
                "POST",
                f"{private}/ClosedOrders",
                self.closed_orders,
                params=(*named, *paged, "closetime"),
            ),
            SignedRoute(
                "POST",
                f"{private}/TradesHistory",
                self.trades_history,
                params=("type", "trades", "ledgers", *paged),
            ),
            SignedRoute(
                "POST", f"{private}/QueryTrades", self.query_trades, params=("txid", "trades")
            ),
            SignedRoute(
                "POST", f"{private}/TradeVolume", self.trade_volume, params=("pair", "fee-info")
            ),
            SignedRoute("POST", f"{private}/GetWebSocketsToken", self.websockets_token, params=()),
        ]

    def sockets(self) -> Mapping[str, SocketHandler]:
        return {"/v2": self.on_message}

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "/")

    def aliases(self, pair: str) -> tuple[str, ...]:
        return (pair_key(pair), alternative_name(pair), old_socket_name(pair))

    def error_body(self, code: int | str, message: str, request: Request | None) -> Row:
        return {"error": [f"{code}:{message}"]}

    def result(self, body: Any) -> Row:
        return {"error": [], "result": body}

    def encode(self, connection: Connection, frame: Any) -> str | bytes:
        """Numbers keep the zeros that the rows write."""
        return frame if isinstance(frame, str | bytes) else msgspec.json.encode(frame).decode()

    def verify(self, request: Request) -> Account:
        """A key's nonces must grow; nothing else proves when a request was signed."""
        api_key = request.header("API-Key")
        if self.server.account_of_key(api_key) is None:
            raise Rejected(Reason.BAD_KEY)
        nonce = request.string("nonce", "")
        if not NONCE.fullmatch(nonce) or int(nonce) >= MOST_NONCE:
            raise Rejected(Reason.BAD_TIME)
        digest = hashlib.sha256(f"{nonce}{request.text}".encode()).digest()
        account = self.signing_account(
            api_key=api_key,
            signature=request.header("API-Sign"),
            payload=request.target.encode() + digest,
            algorithm="sha512",
            encoding="base64",
        )
        if int(nonce) <= self.numbers[api_key]:
            raise Rejected(Reason.BAD_TIME)
        self.numbers[api_key] = int(nonce)
        return account

    def now_s(self) -> int:
        return self.server.now_ns() // 10**9

    # Public data by REST.

    def get_time(self, request: Request) -> Row:
        now_s = self.now_s()
        rfc1123 = strftime("%a, %d %b %y %H:%M:%S +0000", gmtime(now_s))
        return {"unixtime": now_s, "rfc1123": rfc1123}

    def get_status(self, request: Request) -> Row:
        return {"status": "online", "timestamp": whole_seconds(self.server.now_ns())}

    def named_pairs(self, request: Request) -> dict[str, Symbol]:
        """The pairs that a request lists, or all. Those that it names as the socket does keep that
        name in the answer, others have the venue's own."""
        listed = request.string("pair", "")
        if not listed:
            return {pair_key(symbol.pair): symbol for symbol in self.markets()}
        return {
            self.row_name(name): self.venue.symbols[self.pair_of(name)]
            for name in listed.split(",")
        }

    def row_name(self, name: str) -> str:
        pair = self.pair_of(name)
        return name if "/" in name else pair_key(pair)

    def get_assets(self, request: Request) -> dict[str, Row]:
        if request.string("aclass", "currency") != "currency":
            raise Rejected(Reason.ILLEGAL, "aclass")
        assets = self.assets()
        listed = request.string("asset", "")
        wanted = [self.asset_of(name, assets) for name in listed.split(",")] if listed else assets
        return {asset_code(asset): asset_row(asset) for asset in wanted}

    def assets(self) -> list[str]:
        return sorted({name for symbol in self.markets() for name in (symbol.base, symbol.quote)})

    def asset_of(self, name: str, assets: list[str]) -> str:
        for asset in assets:
            if name in (asset, asset_code(asset), old_name(asset)):
                return asset
        raise Rejected(UNKNOWN_ASSET)

    def get_asset_pairs(self, request: Request) -> dict[str, Row]:
        if request.string("aclass_base", "currency") != "currency":
            raise Rejected(Reason.ILLEGAL, "aclass_base")
        fields = request.choice("info", PAIR_INFO, PAIR_INFO["info"])
        rows = {}
        for name, symbol in self.named_pairs(request).items():
            row = asset_pair_row(symbol, self.venue.maker_fee, self.venue.taker_fee)
            rows[name] = {field: row[field] for field in fields or row}
        return rows

    def get_tickers(self, request: Request) -> dict[str, Row]:
        rows = {}
        for name, symbol in self.named_pairs(request).items():
            last_trades = self.recent_trades(symbol.pair, 1)
            last_amount = last_trades[0].amount if last_trades else ZERO
            stats = self.market_stats(symbol.pair)
            rows[name] = ticker_row(stats, self.day(symbol.pair), last_amount)
        return rows

    def day(self, pair: str) -> Candle:
        """The last 24 hours. Before any trade it has the price of the best bid."""
        day = self.candles[pair].day(self.now_s()) if pair in self.candles else None
        if day is None:
            last = self.market_stats(pair).last
            return Candle(self.now_s(), last, last, last, last)
        return day

    def get_depth(self, request: Request) -> dict[str, Row]:
        name = request.string("pair")
        limit = request.limit("count", DEFAULT_DEPTH, MOST_DEPTH)
        window = self.books.requested(self.pair_of(name), limit=limit)
        second = self.now_s()
        return {
            self.row_name(name): {
                "asks": [depth_row(price, size, second) for price, size in window.asks],
                "bids": [depth_row(price, size, second) for price, size in window.bids],
            }
        }

    def get_trades(self, request: Request) -> Row:
        """Oldest first: those after ``since`` (s, or the id ``last``: ns), else the last."""
        name = request.string("pair")
        pair = self.pair_of(name)
        count = request.limit("count", MOST_TRADES, MOST_TRADES)
        since_ns = trade_time_ns(request, "since")
        trades = self.recent_trades(pair, RECENT)
        times_ns = distinct_times(trades)
        if since_ns is None:
            first = max(0, len(trades) - count)
        else:
            first = bisect_right(times_ns, since_ns)
        trades = trades[first : first + count]
        last_ns = times_ns[first + len(trades) - 1] if trades else since_ns or 0
        rows = [public_trade_row(match) for match in trades]
        return {self.row_name(name): rows, "last": str(last_ns)}

    def get_candles(self, request: Request) -> Row:
        """Oldest first, at most 720, the last one of the interval that has not ended. ``last``:
        when the one before it began."""
        name = request.string("pair")
        pair = self.pair_of(name)
        minutes = request.integer("interval", DEFAULT_MINUTES)
        if minutes not in CANDLE_MINUTES:
            raise Rejected(Reason.ILLEGAL, "interval")
        since_s = request.integer("since", 0)
        known = self.candles.get(pair, Candles())
        candles = known.intervals(minutes * 60, self.now_s())[-MOST_CANDLES:]
        last_s = candles[-2].begin if len(candles) > 1 else 0
        rows = [candle_row(candle) for candle in candles if candle.begin > since_s]
        return {self.row_name(name): rows, "last": last_s}

    # Orders, by REST and on the socket.

    def check_deadline(self, params: Params, least_s: float = LEAST_DEADLINE_S) -> None:
        """Raises Rejected for a deadline that has passed, and for one that is too near or far."""
        if "deadline" not in params:
            return
        if "T" not in params.string("deadline"):
            raise Rejected(Reason.ILLEGAL, "deadline")
        ahead_s = params.time_s("deadline") - self.server.now_ns() / 1e9
        if ahead_s <= 0:
            raise Rejected(LATE)
        if not least_s <= ahead_s <= MOST_DEADLINE_S:
            raise Rejected(Reason.ILLEGAL, "deadline")

    def check_ticket(self, account: Account, pair: str, ticket: Ticket) -> None:
        """Raises Rejected where ``place`` would; nothing is done."""
        if ZERO < ticket.size < self.venue.symbols[pair].size_step:
            raise Rejected(UNDER_MINIMUM)
        self.check_order(account, pair, ticket.terms)

    def place(self, account: Account, pair: str, ticket: Ticket) -> Order:
        """Its events, which come before it is returned, tell the client's number."""
        self.check_ticket(account, pair, ticket)
        self.placed_userref = ticket.userref
        try:
            return self.place_order(account, pair, ticket.terms)
        finally:
            self.placed_userref = 0

    def check_batch(self, account: Account, pair: str, tickets: list[Ticket]) -> None:
        """Raises Rejected for a batch of which any order is wrong. Whether the account can pay for
        each shows when it is placed."""
        for ticket in tickets:
            try:
                self.check_ticket(account, pair, ticket)
            except Rejected as refusal:
                if refusal.reason != Reason.INSUFFICIENT_BALANCE:
                    raise

    def place_batch(self, account: Account, pair: str, tickets: list[Ticket]) -> list[Order | str]:
        """Each order, or why it was refused."""
        placed: list[Order | str] = []
        for ticket in tickets:
            try:
                placed.append(self.place(account, pair, ticket))
            except Rejected as refusal:
                placed.append(self.words(refusal))
        return placed

    def words(self, refusal: Rejected) -> str:
        """EOrder:Insufficient funds."""
        known, text = self.refusal_of(refusal.reason, refusal.detail)
        return f"{known.code}:{text}"

    def description(self, pair: str, ticket: Ticket) -> Row:
        """What an order was understood as."""
        terms = ticket.terms
        symbol = self.venue.symbols[pair]
        return {"order": order_text(terms.side, ticket.size, terms.price, symbol)}

    def userref(self, order: Order) -> int:
        return self.userrefs.get(order.id, 0)

    def orders_named(self, account: Account, name: str) -> list[Order]:
        """The open orders that a cancellation names: by the venue's id, or all that have that
        number of the client's own. Raises Rejected: UNKNOWN_ORDER."""
        if ORDER_ID.fullmatch(name):
            order = self.find_order(
                account, order_id=ledger_id_of(name), otherwise=Reason.UNKNOWN_ORDER
            )
            found = [order] if order.is_open else []
        else:
            open_orders = self.orders_of(account, is_open=True)
            found = [order for order in open_orders if self.has_userref(order, name)]
        if not found:
            raise Rejected(Reason.UNKNOWN_ORDER)
        return found

    def has_userref(self, order: Order, name: str) -> bool:
        return name not in ("", "0") and str(self.userref(order)) == name

    def order_with_client_id(self, account: Account, client_id: str) -> Order:
        """The open one. Raises Rejected: UNKNOWN_ORDER."""
        order = self.find_order(account, client_id=client_id, otherwise=Reason.UNKNOWN_ORDER)
        if not order.is_open:
            raise Rejected(Reason.UNKNOWN_ORDER)
        return order

    def cancel_all_named(
        self, account: Account, names: Iterable[str], client_ids: Iterable[str]
    ) -> list[Order]:
        """Those that were cancelled. Raises Rejected, having cancelled none."""
        found: dict[int, Order] = {}
        for name in names:
            found |= {order.id: order for order in self.orders_named(account, name)}
        for client_id in client_ids:
            order = self.order_with_client_id(account, client_id)
            found[order.id] = order
        for order in found.values():
            self.venue.cancel(order, self.server.now_ns())
        return list(found.values())

    def cancel_after(self, account: Account, timeout_s: int) -> Row:
        """All open orders of the account end in so many seconds, unless this is asked for again; 0:
        never."""
        timer = self.count("cancel_all_orders_after")
        self.timers[account.name] = timer
        now_ns = self.server.now_ns()
        if timeout_s:
            self.server.call_later(timeout_s, self.on_timer, account, timer)
        trigger_time = whole_seconds(now_ns + timeout_s * 10**9) if timeout_s else "0"
        return {"currentTime": whole_seconds(now_ns), "triggerTime": trigger_time}

    def on_timer(self, account: Account, timer: int) -> None:
        if self.timers.get(account.name) == timer:
            self.cancel_orders(account)

    # Orders by REST.

    def add_order(self, request: Request, account: Account) -> Row:
        ticket = order_ticket(request)
        pair = self.pair_of(request.string("pair"))
        self.check_deadline(request)
        if request.flag("validate"):
            self.check_ticket(account, pair, ticket)
            return {"descr": self.description(pair, ticket)}
        order = self.place(account, pair, ticket)
        return {"descr": self.description(pair, ticket), "txid": [order_id(order)]}

    def add_orders(self, request: Request, account: Account) -> Row:
        pair = self.pair_of(request.string("pair"))
        tickets = [order_ticket(order) for order in batch_of(request, BATCH_ORDER_PARAMS)]
        self.check_deadline(request)
        is_check = request.flag("validate")
        self.check_batch(account, pair, tickets)
        descriptions = [self.description(pair, ticket) for ticket in tickets]
        if is_check:
            return {"orders": [{"descr": description} for description in descriptions]}
        rows: list[Row] = []
        for description, placed in zip(
            descriptions, self.place_batch(account, pair, tickets), strict=True
        ):
            if isinstance(placed, Order):
                rows.append({"descr": description, "txid": order_id(placed)})
            else:
                rows.append({"descr": description, "error": placed})
        return {"orders": rows}

    def post_cancel(self, request: Request, account: Account) -> Row:
        """By one id: the venue's, the client's text or, all that have it, the client's number."""
        if ("txid" in request) == ("cl_ord_id" in request):
            raise Rejected(Reason.ILLEGAL, "txid")
        names = [request.string("txid")] if "txid" in request else []
        client_ids = [request.string("cl_ord_id")] if "cl_ord_id" in request else []
        return {"count": len(self.cancel_all_named(account, names, client_ids))}

    def post_cancel_batch(self, request: Request, account: Account) -> Row:
        names = id_list(request, "orders")
        client_ids = id_list(request, "cl_ord_ids")
        if not 1 <= len(names) + len(client_ids) <= MOST_CANCELLED:
            raise Rejected(Reason.ILLEGAL, "orders")
        return {"count": len(self.cancel_all_named(account, names, client_ids))}

    def post_cancel_all(self, request: Request, account: Account) -> Row:
        return {"count": len(self.cancel_orders(account))}

    def post_cancel_after(self, request: Request, account: Account) -> Row:
        if "timeout" not in request:
            raise Rejected(Reason.MISSING, "timeout")
        return self.cancel_after(account, request.limit("timeout", 0, MOST_TIMEOUT_S, least=0))

    # An account by REST.

    def query_orders(self, request: Request, account: Account) -> dict[str, Row]:
        userref = user_reference(request, "userref")
        ids = listed_ids(request, "txid", MOST_ORDERS_QUERIED)
        orders = [self.find_order(account, order_id=ledger_id_of(txid)) for txid in ids]
        shown = [order for order in orders if userref in (None, self.userref(order))]
        return self.order_rows(request, account, shown)

    def open_orders(self, request: Request, account: Account) -> Row:
        orders = self.filtered_orders(request, account, is_open=True)
        return {"open": self.order_rows(request, account, orders)}

    def closed_orders(self, request: Request, account: Account) -> Row:
        """Newest first; a page after the first ``ofs``. ``start`` is outside, ``end`` inside."""
        orders = self.filtered_orders(request, account, is_open=False)
        which = request.choice("closetime", CLOSE_TIMES, "both")
        start_ns = self.order_time(request, "start", account, 0)
        end_ns = self.order_time(request, "end", account, self.server.now_ns() * 2)
        offset = request.integer("ofs", 0)
        has_count = not request.flag("without_count")
        found = [
            order
            for order in orders
            if any(start_ns < time_ns <= end_ns for time_ns in times_of(order, which))
        ]
        page = found[offset : offset + ROWS_PER_PAGE]
        count = {"count": len(found)} if has_count else {}
        return {"closed": self.order_rows(request, account, page), **count}

    def order_time(self, request: Request, name: str, account: Account, default_ns: int) -> int:
        """ns, of a time or of an order that was opened then."""
        text = request.string(name, "")
        if ORDER_ID.fullmatch(text):
            return self.find_order(account, order_id=ledger_id_of(text)).time
        return int(request.time_s(name) * 1e9) if text else default_ns

    def filtered_orders(self, request: Request, account: Account, is_open: bool) -> list[Order]:
        """Newest first, those alone that have the client's text or number that is asked for.

        By a text only what is visible already."""
        client_id = request.client_id("cl_ord_id", self.client_id_form)
        userref = user_reference(request, "userref")
        if client_id and userref is not None:
            raise Rejected(Reason.ILLEGAL, "userref and cl_ord_id are mutually exclusive")
        delay_ns = int(self.server.faults.seconds("delayed_visibility") * 1e9)
        visible_ns = self.server.now_ns() - delay_ns
        return [
            order
            for order in reversed(self.orders_of(account, is_open=is_open))
            if (not client_id or (order.client_id == client_id and order.time <= visible_ns))
            and userref in (None, self.userref(order))
        ]

    def order_rows(self, request: Request, account: Account, orders: list[Order]) -> dict[str, Row]:
        """With the ids of their trades where they are asked for."""
        has_trades = request.flag("trades")
        joins = flag(request, "consolidate_taker", True)
        fills = self.fills_of_account(account) if has_trades else []
        rows = {}
        for order in orders:
            mine = [fill for fill in fills if fill.order is order]
            ids = [execution_id(group[0]) for group in trades_of(mine, joins)]
            symbol = self.venue.symbols[order.symbol]
            userref = self.userref(order)
            rows[order_id(order)] = order_row(order, symbol, userref, ids if has_trades else None)
        return rows

    def fills_of_account(self, account: Account) -> list[Fill]:
        """Oldest first."""
        return self.fills_of(account, limit=len(self.venue.fills))

    def trades_history(self, request: Request, account: Account) -> Row:
        """Newest first; a page after the first ``ofs``. ``start`` is outside, ``end`` inside."""
        has_any = request.choice("type", TRADE_TYPES, True)
        request.flag("trades")  # those of positions, of which there are none
        if request.flag("ledgers"):
            raise Rejected(Reason.ILLEGAL, "ledgers")
        joins = flag(request, "consolidate_taker", True)
        has_count = not request.flag("without_count")
        offset = request.integer("ofs", 0)
        fills = self.fills_between(request, self.fills_of_account(account) if has_any else [])
        found = trades_of(fills, joins)[::-1]
        page = found[offset : offset + ROWS_PER_PAGE]
        count = {"count": len(found)} if has_count else {}
        return {"trades": {execution_id(group[0]): fill_row(group) for group in page}, **count}

    def fills_between(self, request: Request, fills: list[Fill]) -> list[Fill]:
        """After ``start`` up to ``end``, which are times or trades."""
        ids = [execution_id(fill) for fill in fills]
        start = request.string("start", "")
        end = request.string("end", "")
        first, last = 0, len(fills)
        if start in ids:
            first = ids.index(start) + 1
        elif start:
            start_ns = request.time_s("start") * 1e9
            first = sum(fill.time <= start_ns for fill in fills)
        if end in ids:
            last = ids.index(end) + 1
        elif end:
            end_ns = request.time_s("end") * 1e9
            last = sum(fill.time <= end_ns for fill in fills)
        return fills[first:last]

    def query_trades(self, request: Request, account: Account) -> dict[str, Row]:
        request.flag("trades")
        fills = {execution_id(fill): fill for fill in self.fills_of_account(account)}
        ids = listed_ids(request, "txid", MOST_TRADES_QUERIED)
        if not fills.keys() >= set(ids):
            raise Rejected(Reason.ILLEGAL, "txid")
        return {trade_id: fill_row([fills[trade_id]]) for trade_id in ids}

    def balance(self, request: Request, account: Account) -> dict[str, str]:
        rows = self.extended_balance(request, account)
        return {code: row["balance"] for code, row in rows.items()}

    def extended_balance(self, request: Request, account: Account) -> dict[str, Row]:
        return {
            asset_code(balance.asset): extended_balance_row(balance)
            for balance in account.balances()
        }

    def trade_volume(self, request: Request, account: Account) -> Row:
        """Fees in percent, of the pairs that are listed; they are told without ``fee-info`` too."""
        request.flag("fee-info")
        volume = {"currency": "ZUSD", "volume": "0.0000"}
        if "pair" not in request:
            return volume
        names = self.named_pairs(request)
        return {
            **volume,
            "fees": {name: fee_row(self.venue.taker_fee) for name in names},
            "fees_maker": {name: fee_row(self.venue.maker_fee) for name in names},
        }

    def websockets_token(self, request: Request, account: Account) -> Row:
        token = token_hex(16)
        self.tokens[token] = (account, self.now_s() + TOKEN_SECONDS)
        return {"token": token, "expires": TOKEN_SECONDS}

    # The socket.

    def on_connect(self, connection: Connection) -> None:
        """The venue's state first; then something every second, once anything is followed."""
        super().on_connect(connection)
        state = {
            "api_version": "v2",
            "connection_id": self.count("connection"),
            "system": "online",
            "version": "2.0.10",
        }
        self.send(connection, {"channel": "status", "type": "update", "data": [state]})
        self.server.call_later(HEARTBEAT_S, self.beat, connection)

    def beat(self, connection: Connection) -> None:
        if connection not in self.server.connections:
            return
        if connection.topics:
            self.send(connection, {"channel": "heartbeat"})
        if topic_of("instrument") in connection.topics:
            self.send_changed_instruments(connection)
        self.server.call_later(HEARTBEAT_S, self.beat, connection)

    def on_message(self, connection: Connection, message: Message) -> None:
        time_in = iso_time(self.server.now_ns())
        connection.state["time_in"] = time_in
        if not isinstance(message.data, dict):
            raise Rejected(WRONG_FIELD, "Malformed request")
        if "req_id" in message:
            socket_integer(message, "req_id")
        method = socket_text(message, "method", "")
        handlers: dict[str, Callable[[Connection, Message, Params], None]] = {
            "subscribe": self.on_subscribe,
            "unsubscribe": self.on_unsubscribe,
            "add_order": self.on_add_order,
            "batch_add": self.on_batch_add,
            "cancel_order": self.on_cancel_order,
            "batch_cancel": self.on_batch_cancel,
            "cancel_all": self.on_cancel_all,
            "cancel_all_orders_after": self.on_cancel_after,
        }
        if method == "ping":
            message.only("method", "req_id")
            self.answer(connection, message, {"method": "pong"})
        elif method in handlers:
            message.only("method", "params", "req_id")
            handlers[method](connection, message, socket_object(message, "params"))
        else:
            raise Rejected(Reason.UNKNOWN_METHOD, method)

    def answer(self, connection: Connection, message: Message, content: Row) -> None:
        """With the request's number and the times of both."""
        head = {"method": message.get("method"), **content}
        self.send(connection, self.stamped(message, head, connection.state["time_in"]))

    def stamped(self, message: Message, content: Row, time_in: str) -> Frame:
        req_id = {"req_id": message.data["req_id"]} if has_number(message) else {}

        def frame(connection: Connection, now_ns: int) -> Row:
            time_out = iso_time(self.server.now_ns())
            return {**content, **req_id, "time_in": time_in, "time_out": time_out}

        return frame

    def succeed(self, connection: Connection, message: Message, result: Any) -> None:
        self.answer(connection, message, {"result": result, "success": True})

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        return self.refused_frame(message, refusal, {}, iso_time(self.server.now_ns()))

    def refused_frame(
        self, message: Message, refusal: Rejected, details: Row, time_in: str
    ) -> Frame:
        method = message.get("method")
        content = {
            "error": self.socket_words(refusal, method),
            **({"method": method} if method and isinstance(method, str) else {}),
            "success": False,
            **details,
        }
        return self.stamped(message, content, time_in)

    def socket_words(self, refusal: Rejected, method: Any) -> str:
        if refusal.reason == Reason.UNKNOWN_PARAMETER:
            kind = str(method).replace("_", " ")
            return f"Unsupported field: '{refusal.detail}' for the given msg type: {kind}"
        if refusal.reason == Reason.MISSING:
            return f"{refusal.detail.capitalize()}(s) not found"
        if refusal.reason in SOCKET_WORDS:
            return SOCKET_WORDS[refusal.reason].format(refusal.detail)
        return self.words(refusal)

    def account_of_token(self, connection: Connection, params: Params) -> Account:
        """A token must be used in time; a connection that has used it keeps it.

        Raises Rejected: MISSING, STALE_TOKEN."""
        known = self.tokens.get(socket_text(params, "token"))
        if known is None:
            raise Rejected(STALE_TOKEN)
        account, until_s = known
        if connection.account is None and self.now_s() > until_s:
            raise Rejected(STALE_TOKEN)
        if connection.account not in (None, account):
            raise Rejected(STALE_TOKEN)
        return account

    def socket_pair(self, name: str) -> str:
        """The socket knows pairs by no other name than its own. Raises Rejected: UNKNOWN_SYMBOL."""
        for pair in self.venue.symbols:
            if name == self.symbol(pair):
                return pair
        raise Rejected(Reason.UNKNOWN_SYMBOL, name)

    # Subscriptions.

    def on_subscribe(self, connection: Connection, message: Message, params: Params) -> None:
        """One acknowledgement, or refusal, for each symbol."""
        subscriptions = subscriptions_of(params)
        if subscriptions[0].channel in TOKEN_CHANNELS:
            account = self.account_of_token(connection, params)
            if subscriptions[0].channel in ACCOUNT_CHANNELS:
                connection.account = account
                connection.is_private = True
        for subscription in subscriptions:
            try:
                self.check_subscription(connection, subscription)
            except Rejected as refusal:
                self.refuse_symbol(connection, message, subscription, refusal)
            else:
                self.begin(connection, message, subscription)

    def check_subscription(self, connection: Connection, subscription: Subscription) -> None:
        """Raises Rejected: UNKNOWN_SYMBOL, SUBSCRIBED."""
        channel = subscription.channel
        if subscription.symbol:
            self.socket_pair(subscription.symbol)
        prefix = topic_of(channel, subscription.symbol)
        if not any(topic.startswith(prefix) for topic in connection.topics):
            return
        if channel == "ohlc":
            raise Rejected(SUBSCRIBED, " to one ohlc interval on this symbol")
        if channel in BOOK_DEPTHS:
            raise Rejected(SUBSCRIBED, f" to one {channel} depth on this symbol")
        raise Rejected(SUBSCRIBED)

    def refuse_symbol(
        self,
        connection: Connection,
        message: Message,
        subscription: Subscription,
        refusal: Rejected,
    ) -> None:
        details = {"symbol": subscription.symbol} if subscription.symbol else {}
        time_in = connection.state["time_in"]
        self.send(connection, self.refused_frame(message, refusal, details, time_in))

    def begin(self, connection: Connection, message: Message, subscription: Subscription) -> None:
        """The acknowledgement, then what the channel begins with."""
        self.acknowledge(connection, message, subscription)
        topic = topic_of(subscription.channel, subscription.symbol, subscription.variant)
        self.subscribe(connection, [topic])
        if subscription.channel in ACCOUNT_CHANNELS:
            connection.state[subscription.channel] = 0
        if subscription.has_snapshot:
            frame = self.opening_frame(connection, subscription)
            self.send(connection, frame)

    def acknowledge(
        self, connection: Connection, message: Message, subscription: Subscription
    ) -> None:
        shown = {"channel": subscription.channel, **subscription.shown}
        if subscription.symbol:
            shown["symbol"] = subscription.symbol
        if subscription.channel == "executions":
            shown["maxratecount"] = RATE_COUNT
        self.succeed(connection, message, shown)

    def on_unsubscribe(self, connection: Connection, message: Message, params: Params) -> None:
        subscriptions = subscriptions_of(params)
        if subscriptions[0].channel in TOKEN_CHANNELS:
            self.account_of_token(connection, params)
        for subscription in subscriptions:
            topic = topic_of(subscription.channel, subscription.symbol, subscription.variant)
            if topic in connection.topics:
                self.acknowledge(connection, message, subscription)
                self.unsubscribe(connection, [topic])
            else:
                refusal = Rejected(WRONG_FIELD, "Subscription Not Found")
                self.refuse_symbol(connection, message, subscription, refusal)

    def opening_frame(self, connection: Connection, subscription: Subscription) -> Frame:
        channel = subscription.channel
        if channel == "instrument":
            return self.instrument_frame(connection)
        if channel == "balances":
            rows = balance_rows(account_of(connection))
            return numbered_frame(channel, "snapshot", rows, connection)
        if channel == "executions":
            rows = self.known_executions(account_of(connection), subscription.shown)
            return numbered_frame(channel, "snapshot", rows, connection)
        pair = self.socket_pair(subscription.symbol)
        if channel in self.windows:
            window = self.windows[channel].snapshot(pair, int(subscription.variant))
            return self.window_frame(channel, window)
        if channel == "ticker":
            return self.quote_frame(pair, "snapshot")
        if channel == "ohlc":
            return self.candles_frame(pair, int(subscription.variant))
        symbol = self.venue.symbols[pair]
        trades = self.recent_trades(pair, SNAPSHOT_FILLS)
        rows = [trade_row(subscription.symbol, symbol, match) for match in trades]
        return {"channel": "trade", "type": "snapshot", "data": rows}

    # Books, trades, tickers, candles and instruments.

    def on_depth(
        self,
        pair: str,
        first_id: int,
        last_id: int,
        bids: list[tuple[Decimal, Decimal]],
        asks: list[tuple[Decimal, Decimal]],
    ) -> None:
        """What changed in the windows that somebody follows; the base keeps the book of
        ``get_depth``."""
        super().on_depth(pair, first_id, last_id, bids, asks)
        for channel, windows in self.windows.items():
            for depth in BOOK_DEPTHS[channel]:
                topic = topic_of(channel, self.symbol(pair), str(depth))
                if self.anyone_follows(topic):
                    update = windows.update(pair, depth)
                    if update.bids or update.asks:
                        self.publish(topic, self.window_frame(channel, update))
                else:
                    windows.forget(pair, depth)
        self.publish_best_prices(pair)

    def publish_best_prices(self, pair: str) -> None:
        book = self.venue.books[pair]
        best = (book.best("buy"), book.best("sell"))
        topic = topic_of("ticker", self.symbol(pair), "bbo")
        if best != self.best_prices.get(pair) and self.anyone_follows(topic):
            self.publish(topic, self.quote_frame(pair, "update"))
        self.best_prices[pair] = best

    def window_frame(self, channel: str, window: ChecksumWindow) -> Frame:
        is_wrong = not window.is_snapshot and self.server.faults.hits("bad_checksum")
        checksum = window.checksum ^ 1 if is_wrong else window.checksum
        return partial(self.window_row, channel, window, checksum)

    def window_row(
        self,
        channel: str,
        window: ChecksumWindow,
        checksum: int,
        connection: Connection,
        now_ns: int,
    ) -> Row:
        row = BOOK_ROWS[channel]
        return {
            "channel": channel,
            "type": "snapshot" if window.is_snapshot else "update",
            "data": [
                {
                    "symbol": self.symbol(window.pair),
                    "bids": [row(entry) for entry in window.bids],
                    "asks": [row(entry) for entry in window.asks],
                    "checksum": checksum,
                    "timestamp": iso_time(now_ns),
                }
            ],
        }

    def on_trade(self, match: Match) -> None:
        self.candles.setdefault(match.symbol, Candles()).add(match)
        super().on_trade(match)

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        """Of the trade itself; of ticker and candles where somebody follows them."""
        pair = match.symbol
        name = self.symbol(pair)
        row = trade_row(name, self.venue.symbols[pair], match)
        frames: dict[str, Frame] = {
            topic_of("trade", name): {"channel": "trade", "type": "update", "data": [row]}
        }
        topic = topic_of("ticker", name, "trades")
        if self.anyone_follows(topic):
            frames[topic] = self.quote_frame(pair, "update")
        for minutes in CANDLE_MINUTES:
            topic = topic_of("ohlc", name, str(minutes))
            candle = self.candles[pair].last(minutes * 60) if self.anyone_follows(topic) else None
            if candle is not None:
                frames[topic] = self.candle_frame(pair, minutes, "update", [candle])
        return frames

    def quote_frame(self, pair: str, frame_type: str) -> Frame:
        symbol = self.venue.symbols[pair]
        stats = self.market_stats(pair)
        now_ns = self.server.now_ns()
        row = quote_row(self.symbol(pair), symbol, stats, self.day(pair), now_ns)
        return {"channel": "ticker", "type": frame_type, "data": [row]}

    def candles_frame(self, pair: str, minutes: int) -> Frame:
        known = self.candles.get(pair, Candles())
        candles = known.intervals(minutes * 60, self.now_s())[-MOST_CANDLES:]
        return self.candle_frame(pair, minutes, "snapshot", candles)

    def candle_frame(
        self, pair: str, minutes: int, frame_type: str, candles: list[Candle]
    ) -> Frame:
        name = self.symbol(pair)
        symbol = self.venue.symbols[pair]
        return {
            "channel": "ohlc",
            "type": frame_type,
            "timestamp": iso_time(self.server.now_ns()),
            "data": [candle_object(name, symbol, candle, minutes) for candle in candles],
        }

    def instrument_rows(self) -> dict[str, list[Row]]:
        pairs = [instrument_pair_row(self.symbol(symbol.pair), symbol) for symbol in self.markets()]
        return {"assets": [instrument_asset_row(asset) for asset in self.assets()], "pairs": pairs}

    def instrument_frame(self, connection: Connection) -> Frame:
        rows = self.instrument_rows()
        connection.state["instrument"] = rows
        return {"channel": "instrument", "type": "snapshot", "data": rows}

    def send_changed_instruments(self, connection: Connection) -> None:
        """Assets and pairs that are not as this client knows them."""
        rows = self.instrument_rows()
        known = connection.state.get("instrument", rows)
        connection.state["instrument"] = rows
        changed = {
            kind: [row for row in rows[kind] if not has_row(known[kind], row)] for kind in rows
        }
        if any(changed.values()):
            self.send(connection, {"channel": "instrument", "type": "update", "data": changed})

    # An account on the socket.

    def known_executions(self, account: Account, shown: Row) -> list[Row]:
        """The last trades, where they are requested, and open orders, unless they are not."""
        fills = self.fills_of(account, limit=SNAPSHOT_FILLS) if shown["snap_trades"] else []
        orders = self.orders_of(account, is_open=True) if shown["snap_orders"] else []
        trade_rows = [self.execution_row(fill) for fill in fills]
        return trade_rows + [self.order_object(order, "new") for order in orders]

    def execution_row(self, fill: Fill) -> Row:
        pair = fill.order.symbol
        userref = self.userref(fill.order)
        return execution_row(self.symbol(pair), self.venue.symbols[pair], fill, userref)

    def order_object(self, order: Order, exec_type: str) -> Row:
        symbol = self.venue.symbols[order.symbol]
        userref = self.userref(order)
        return order_object(self.symbol(order.symbol), symbol, order, userref, exec_type)

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        """An order is told as pending with its terms, then as new without them; one that a trade
        fills ends in a frame of its own."""
        order = event.order
        if event.kind == "new" and self.placed_userref:
            self.userrefs[order.id] = self.placed_userref
        userref = self.userref(order)
        rows = []
        if event.kind == "new":
            rows.append(self.order_object(order, "pending_new"))
            rows.append(status_row(order, userref, "new", event.time))
        fill = fill_of(event)
        if fill is not None:
            rows.append(self.execution_row(fill))
        if event.kind in ("cancelled", "expired") or (fill and order.state == "filled"):
            rows.append(ended_order_row(order, userref, event.time))
        told: list[tuple[str, Row]] = [("executions", {"data": [row]}) for row in rows]
        if fill is not None:
            symbol = self.venue.symbols[order.symbol]
            told.append(("balances", {"data": ledger_rows(event, symbol, fill)}))
        return told

    def event_topic(self, topic: str) -> str:
        channel, _, _ = topic.partition(":")
        return channel

    def account_frame(self, topic: str, row: Row, connection: Connection) -> Frame:
        return numbered_frame(self.event_topic(topic), "update", row["data"], connection)

    # Orders on the socket.

    def on_add_order(self, connection: Connection, message: Message, params: Params) -> None:
        params.only(*SOCKET_ORDER_PARAMS)
        account = self.account_of_token(connection, params)
        pair = self.socket_pair(socket_text(params, "symbol"))
        ticket = socket_ticket(params)
        self.check_deadline(params, LEAST_SOCKET_DEADLINE_S)
        if socket_flag(params, "validate", False):
            self.check_ticket(account, pair, ticket)
            self.succeed(connection, message, ticket_names(ticket))
            return
        order = self.place(account, pair, ticket)
        result = {"order_id": order_id(order), **ticket_names(ticket)}
        self.succeed(connection, message, result)

    def on_batch_add(self, connection: Connection, message: Message, params: Params) -> None:
        params.only("orders", "symbol", "deadline", "validate", "token")
        account = self.account_of_token(connection, params)
        pair = self.socket_pair(socket_text(params, "symbol"))
        tickets = [socket_ticket(order) for order in batch_of(params, SOCKET_BATCH_ORDER_PARAMS)]
        self.check_deadline(params, LEAST_SOCKET_DEADLINE_S)
        is_check = socket_flag(params, "validate", False)
        self.check_batch(account, pair, tickets)
        if is_check:
            self.succeed(connection, message, [ticket_names(ticket) for ticket in tickets])
            return
        results: list[Row] = []
        for ticket, placed in zip(tickets, self.place_batch(account, pair, tickets), strict=True):
            told = {"error": placed}
            if isinstance(placed, Order):
                told = {"order_id": order_id(placed)}
            results.append({**told, **ticket_names(ticket)})
        self.succeed(connection, message, results)

    def on_cancel_order(self, connection: Connection, message: Message, params: Params) -> None:
        """One answer for each order, and for each id that is unknown."""
        params.only("order_id", "cl_ord_id", "order_userref", "token")
        account = self.account_of_token(connection, params)
        names = socket_texts(params, "order_id") if "order_id" in params else []
        client_ids = socket_texts(params, "cl_ord_id") if "cl_ord_id" in params else []
        names += [str(userref) for userref in socket_integers(params, "order_userref")]
        if not (names or client_ids):
            raise Rejected(Reason.MISSING, "order_id")
        selections: list[tuple[list[str], list[str]]] = [([name], []) for name in names]
        selections += [([], [client_id]) for client_id in client_ids]
        for selection in selections:
            try:
                cancelled = self.cancel_all_named(account, *selection)
            except Rejected as refusal:
                time_in = connection.state["time_in"]
                self.send(connection, self.refused_frame(message, refusal, {}, time_in))
            else:
                for order in cancelled:
                    self.succeed(connection, message, cancelled_names(order))

    def on_batch_cancel(self, connection: Connection, message: Message, params: Params) -> None:
        params.only("orders", "cl_ord_id", "token")
        account = self.account_of_token(connection, params)
        names = id_list(params, "orders")
        client_ids = socket_texts(params, "cl_ord_id") if "cl_ord_id" in params else []
        if not LEAST_CANCELLED <= len(names) + len(client_ids) <= MOST_CANCELLED:
            raise Rejected(Reason.ILLEGAL, "orders")
        count = len(self.cancel_all_named(account, names, client_ids))
        self.succeed(connection, message, {"count": count})

    def on_cancel_all(self, connection: Connection, message: Message, params: Params) -> None:
        params.only("token")
        account = self.account_of_token(connection, params)
        self.succeed(connection, message, {"count": len(self.cancel_orders(account))})

    def on_cancel_after(self, connection: Connection, message: Message, params: Params) -> None:
        params.only("timeout", "token")
        account = self.account_of_token(connection, params)
        timeout_s = socket_integer(params, "timeout")
        if not 0 <= timeout_s <= MOST_TIMEOUT_S:
            raise Rejected(Reason.ILLEGAL, "timeout")
        self.succeed(connection, message, self.cancel_after(account, timeout_s))


def topic_of(channel: str, symbol: str = "", variant: str = "") -> str:
    return f"{channel}:{symbol}:{variant}"


def whole_seconds(ns: int) -> str:
    """2023-07-06T18:52:00Z."""
    return f"{iso_time(ns)[:19]}Z"


def has_number(message: Message) -> bool:
    return "req_id" in message and isinstance(message.data["req_id"], int)


def has_row(rows: list[Row], row: Row) -> bool:
    """Raw numbers are compared as they are written."""
    text = msgspec.json.encode(row)
    return any(msgspec.json.encode(known) == text for known in rows)


def account_of(connection: Connection) -> Account:
    assert connection.account is not None, "an account's channel of nobody's"
    return connection.account


def cancelled_names(order: Order) -> Row:
    client_id = sent_client_id(order)
    named = {"cl_ord_id": client_id} if client_id else {}
    return {"order_id": order_id(order), **named}


def ticket_names(ticket: Ticket) -> Row:
    """What the client itself calls an order."""
    names: Row = {}
    if ticket.terms.client_id:
        names["cl_ord_id"] = ticket.terms.client_id
    if ticket.userref:
        names["order_userref"] = ticket.userref
    return names


def id_list(params: Params, name: str) -> list[str]:
    """The venue's ids, or numbers of the client's own; empty where none were sent."""
    value = params.get(name, [])
    if not isinstance(value, list) or not all(type(each) in (str, int) for each in value):
        raise Rejected(Reason.ILLEGAL, name)
    return [str(each) for each in value]


def socket_integers(params: Params, name: str) -> list[int]:
    value = params.get(name, [])
    if not isinstance(value, list) or not all(type(each) is int for each in value):
        raise wrong_type(name, "array")
    return value


def distinct_times(trades: list[Match]) -> list[int]:
    """ns: trades of one moment are told apart, so that each has an id to go on from."""
    times_ns: list[int] = []
    for match in trades:
        previous_ns = times_ns[-1] if times_ns else 0
        times_ns.append(max(match.time, previous_ns + 1))
    return times_ns


def times_of(order: Order, which: str) -> list[int]:
    """ns, of its opening and end."""
    times = {"open": [order.time], "close": [order.updated]}
    return times.get(which, [order.time, order.updated])


def trades_of(fills: list[Fill], joins: bool) -> list[list[Fill]]:
    """Each fill alone, oldest first; ``joins``: all that an order took at once are one trade."""
    groups: dict[str, list[Fill]] = {}
    for fill in fills:
        is_joined = joins and not fill.is_maker
        key = f"{fill.order.id}@{fill.time}" if is_joined else execution_id(fill)
        groups.setdefault(key, []).append(fill)
    return list(groups.values())


def fill_of(event: Event) -> Fill | None:
    """None for what is no trade."""
    match = event.match
    if match is None:
        return None
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


def numbered_frame(channel: str, frame_type: str, rows: list[Row], connection: Connection) -> Row:
    """A frame of an account's channel: each connection counts them."""
    connection.state[channel] = connection.state.get(channel, 0) + 1
    return {
        "channel": channel,
        "type": frame_type,
        "data": rows,
        "sequence": connection.state[channel],
    }
