"""Kraken spot from the venue's side.

Source: its public API documentation (REST v0, websocket v2).
"""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from secrets import token_hex
from typing import Any

import msgspec
from msgspec import Raw

from trochil.sandbox.book_windows import level_rows
from trochil.sandbox.checksum_windows import (
    BookEntry,
    ChecksumWindow,
    LevelWindows,
    OrderWindows,
)
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
from trochil.sandbox.formats import (
    decimal_places,
    decimal_text,
    exact_text,
    iso_time,
    json_number,
    seconds_text,
)
from trochil.sandbox.market.accounts import Account, Balance
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Fill, Rejected, Symbol
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.requests import Message, Params, Request
from trochil.sandbox.server import Server

ASSET_CODES = {"BTC": "XXBT", "ETH": "XETH", "DOGE": "XXDG", "USD": "ZUSD", "EUR": "ZEUR"}
"""What REST calls an asset, where that is not its usual name."""
SIDE_OF: dict[str, Side] = {"buy": "buy", "sell": "sell"}
ORDER_KIND: dict[str, OrderKind] = {"limit": "limit", "market": "market"}
TIME_IN_FORCE: dict[str, TimeInForce] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK"}
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
DEPTHS = (10, 25, 100, 500, 1000)
DEFAULT_DEPTH = 10
FILLS_PER_PAGE = 50
TOKEN_SECONDS = 900
STALE_TOKEN = "stale_token"
BOOK_CHANNELS = ("book", "level3")
ACCOUNT_CHANNELS = ("executions", "balances")
TOKEN_CHANNELS = (*ACCOUNT_CHANNELS, "level3")


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


# Rows of REST.


def asset_pair_row(symbol: Symbol, maker_fee: Decimal, taker_fee: Decimal) -> Row:
    """GET /0/public/AssetPairs. A fee is [volume from which it holds, percent]."""
    return {
        "key": pair_key(symbol.pair),
        "altname": alternative_name(symbol.pair),
        "wsname": old_socket_name(symbol.pair),
        "base": asset_code(symbol.base),
        "quote": asset_code(symbol.quote),
        "pair_decimals": decimal_places(symbol.price_tick),
        "lot_decimals": decimal_places(symbol.size_step),
        "cost_decimals": 5,
        "tick_size": decimal_text(symbol.price_tick),
        "ordermin": decimal_text(symbol.size_step),
        "costmin": decimal_text(symbol.min_notional),
        "status": "online" if symbol.trading else "cancel_only",
        "fees": [[0, float(taker_fee * 100)]],
        "fees_maker": [[0, float(maker_fee * 100)]],
    }


def ticker_row(stats: MarketStats) -> Row:
    """GET /0/public/Ticker."""
    last = decimal_text(stats.last)
    volume = decimal_text(stats.volume)
    return {
        "key": pair_key(stats.pair),
        "a": [decimal_text(stats.ask), "1", decimal_text(stats.ask_size)],
        "b": [decimal_text(stats.bid), "1", decimal_text(stats.bid_size)],
        "c": [last, last],
        "v": [volume, volume],
        "p": [last, last],
        "l": [last, last],
        "h": [last, last],
        "o": last,
    }


def public_trade_row(match: Match) -> list[Any]:
    """GET /0/public/Trades: price, volume, time, the taker's side, limit, miscellaneous, id."""
    return [
        decimal_text(match.price),
        decimal_text(match.amount),
        float(seconds_text(match.time)),
        "b" if match.taker.is_buy else "s",
        "l",
        "",
        match.id,
    ]


def order_kind(order: Order) -> str:
    return "market" if order.is_market else "limit"


def order_text(order: Order) -> str:
    """buy 0.01 XBTUSD @ limit 30000."""
    amount = decimal_text(order.amount)
    price = decimal_text(order.price)
    name = alternative_name(order.symbol)
    return f"{order.side} {amount} {name} @ {order_kind(order)} {price}"


def order_row(order: Order) -> Row:
    """POST /0/private/QueryOrders, OpenOrders, ClosedOrders."""
    close_time = {} if order.is_open else {"closetm": float(seconds_text(order.updated))}
    return {
        "id": str(order.id),
        "cl_ord_id": order.client_id,
        "status": ORDER_STATE[order.state],
        "opentm": float(seconds_text(order.time)),
        **close_time,
        "vol": decimal_text(order.amount),
        "vol_exec": decimal_text(order.filled),
        "oflags": "post,fciq" if order.is_post_only else "fciq",
        "cost": decimal_text(order.quote_filled),
        "fee": decimal_text(order.fees),
        "price": decimal_text(order.average_price),
        "descr": {
            "pair": alternative_name(order.symbol),
            "type": order.side,
            "ordertype": order_kind(order),
            "price": decimal_text(order.price),
            "order": order_text(order),
        },
    }


def order_rows(orders: Iterable[Order]) -> dict[str, Row]:
    return {str(order.id): order_row(order) for order in orders}


def execution_id(fill: Fill) -> str:
    return f"T{fill.trade_id}-{fill.order.id}"


def fill_row(fill: Fill) -> Row:
    """POST /0/private/TradesHistory."""
    return {
        "exec": execution_id(fill),
        "ordertxid": str(fill.order.id),
        "pair": pair_key(fill.order.symbol),
        "time": float(seconds_text(fill.time)),
        "type": fill.order.side,
        "ordertype": order_kind(fill.order),
        "price": decimal_text(fill.price),
        "cost": decimal_text(fill.value),
        "fee": exact_text(fill.fee),
        "vol": decimal_text(fill.amount),
        "trade_id": fill.trade_id,
        "maker": fill.is_maker,
    }


def extended_balance_row(balance: Balance) -> Row:
    """POST /0/private/BalanceEx."""
    return {
        "code": asset_code(balance.asset),
        "balance": exact_text(balance.total),
        "hold_trade": exact_text(balance.held),
    }


# Rows of the socket, where numbers are JSON numbers.


def number(text: str) -> Raw:
    """A JSON number with all digits that it is written with."""
    return Raw(text.encode())


def level_row(level: BookEntry) -> Row:
    """book."""
    return {"price": number(level.price), "qty": number(level.size)}


def resting_order_row(order: BookEntry) -> Row:
    """level3."""
    event = {"event": order.event} if order.event else {}
    return {
        **event,
        "order_id": order.id,
        "limit_price": number(order.price),
        "order_qty": number(order.size),
    }


BOOK_ROWS = {"book": level_row, "level3": resting_order_row}


def trade_row(name: str, match: Match) -> Row:
    """trade."""
    return {
        "symbol": name,
        "side": match.taker.side,
        "price": json_number(match.price),
        "qty": json_number(match.amount),
        "ord_type": "market",
        "trade_id": match.id,
        "timestamp": iso_time(match.time),
    }


def new_order_row(name: str, order: Order) -> Row:
    """executions: an order that was taken, and in the snapshot every open one."""
    limit_price = {"limit_price": json_number(order.price)} if order.price else {}
    return {
        "order_id": str(order.id),
        "cl_ord_id": order.client_id,
        "symbol": name,
        "side": order.side,
        "order_type": order_kind(order),
        "order_qty": json_number(order.amount),
        **limit_price,
        "cum_qty": json_number(order.filled),
        "cum_cost": json_number(order.quote_filled),
        "exec_type": "new",
        "order_status": ORDER_STATUS[order.state],
        "timestamp": iso_time(order.updated),
    }


def execution_row(name: str, fill: Fill) -> Row:
    """executions: a trade."""
    return {
        "order_id": str(fill.order.id),
        "exec_id": execution_id(fill),
        "exec_type": "trade",
        "trade_id": fill.trade_id,
        "symbol": name,
        "side": fill.order.side,
        "order_type": order_kind(fill.order),
        "order_status": ORDER_STATUS[fill.order.state],
        "last_qty": json_number(fill.amount),
        "last_price": json_number(fill.price),
        "cost": json_number(fill.value),
        "liquidity_ind": "m" if fill.is_maker else "t",
        "fees": [{"asset": fill.fee_asset, "qty": json_number(fill.fee)}],
        "cum_qty": json_number(fill.order.filled),
        "cum_cost": json_number(fill.order.quote_filled),
        "timestamp": iso_time(fill.time),
    }


def ended_order_row(order: Order, time_ns: int) -> Row:
    """executions: an order that was filled or cancelled, or has expired; its terms are left out."""
    status = ORDER_STATUS[order.state]
    return {
        "order_id": str(order.id),
        "exec_type": status,
        "order_status": status,
        "timestamp": iso_time(time_ns),
    }


def fill_of(event: Event, match: Match) -> Fill:
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
    """balances."""
    return [
        {"asset": balance.asset, "balance": json_number(balance.total)}
        for balance in account.balances()
    ]


def numbered_frame(channel: str, frame_type: str, rows: list[Row], connection: Connection) -> Row:
    """A frame of an account's channel: each connection counts them."""
    connection.state[channel] = connection.state.get(channel, 0) + 1
    return {
        "channel": channel,
        "type": frame_type,
        "data": rows,
        "sequence": connection.state[channel],
    }


# Requests.


def order_terms(request: Request) -> OrderTerms:
    """POST /0/private/AddOrder. The flag viqc: the volume of a market order is in quote."""
    side = request.choice("type", SIDE_OF)
    kind = request.choice("ordertype", ORDER_KIND)
    tif = request.choice("timeinforce", TIME_IN_FORCE, "GTC")
    flags = request.string("oflags", "").split(",")
    client_id = request.string("cl_ord_id", "")
    if kind == "market":
        volume = request.decimal("volume")
        is_in_quote = "viqc" in flags
        return OrderTerms(
            side=side,
            kind="market",
            amount=None if is_in_quote else volume,
            quote_amount=volume if is_in_quote else None,
            client_id=client_id,
        )
    is_post_only = "post" in flags
    return OrderTerms(
        side=side,
        kind="post_only" if is_post_only else "limit",
        tif="GTC" if is_post_only else tif,
        price=request.decimal("price"),
        amount=request.decimal("volume"),
        client_id=client_id,
    )


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a client may follow: a channel, of one symbol ("": of none)."""

    channel: str
    symbol: str
    depth: int

    @property
    def is_book(self) -> bool:
        return self.channel in BOOK_CHANNELS


def subscriptions_of(params: Params) -> list[Subscription]:
    """One for each symbol."""
    channel = params.string("channel")
    depth = params.integer("depth", DEFAULT_DEPTH)
    if channel in BOOK_CHANNELS and depth not in DEPTHS:
        raise Rejected(Reason.ILLEGAL, "depth")
    needs_symbol = channel in BOOK_CHANNELS
    symbols = params.strings("symbol") if needs_symbol or "symbol" in params else [""]
    return [Subscription(channel, symbol, depth) for symbol in symbols]


class Dialect(BaseDialect):
    """Nothing is numbered but an account's frames. Books carry checksums, and nothing is sent of
    what is pushed out of them."""

    name = "kraken"
    pairs = ("BTC-USD", "ETH-USD", "SOL-USD", "ETH-BTC")
    fee_in_quote = True
    secrets_are_base64 = True
    refusals = {
        Reason.UNKNOWN_SYMBOL: Refusal(200, "EQuery", "Unknown asset pair"),
        Reason.MARKET_CLOSED: Refusal(200, "EService", "Market in cancel_only mode"),
        Reason.PRICE_FILTER: Refusal(200, "EOrder", "Invalid price"),
        Reason.LOT_SIZE: Refusal(200, "EGeneral", "Invalid arguments:volume"),
        Reason.NOTIONAL: Refusal(200, "EOrder", "Cost minimum not met"),
        Reason.INSUFFICIENT_BALANCE: Refusal(200, "EOrder", "Insufficient funds"),
        Reason.DUPLICATE_CLIENT_ID: Refusal(200, "EOrder", "Duplicate cl_ord_id"),
        Reason.WOULD_TAKE: Refusal(200, "EOrder", "Post only order"),
        Reason.UNKNOWN_ORDER: Refusal(200, "EOrder", "Unknown order"),
        Reason.ILLEGAL: Refusal(200, "EGeneral", "Invalid arguments:{}"),
        Reason.BAD_KEY: Refusal(200, "EAPI", "Invalid key"),
        Reason.BAD_SIGNATURE: Refusal(200, "EAPI", "Invalid signature"),
        Reason.BAD_TIME: Refusal(200, "EAPI", "Invalid nonce"),
        STALE_TOKEN: Refusal(200, "ESession", "ESession:Invalid session"),
        Reason.TIMEOUT: Refusal(200, "EService", "Timeout"),
        Reason.RATE_LIMITED: Refusal(200, "EAPI", "Rate limit exceeded"),
        Reason.UNAVAILABLE: Refusal(503, "EService", "Unavailable"),
    }

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.windows = {"book": LevelWindows(self.venue), "level3": OrderWindows(self.venue)}
        self.tokens: dict[str, Account] = {}
        """For the socket."""

    def routes(self) -> list[Route]:
        return [
            PublicRoute("GET", "/0/public/AssetPairs", self.get_asset_pairs),
            PublicRoute("GET", "/0/public/Assets", self.get_assets),
            PublicRoute("GET", "/0/public/Ticker", self.get_tickers),
            PublicRoute("GET", "/0/public/Depth", self.get_depth),
            PublicRoute("GET", "/0/public/Trades", self.get_trades),
            SignedRoute("POST", "/0/private/AddOrder", self.add_order, kind="place"),
            SignedRoute("POST", "/0/private/CancelOrder", self.post_cancel, kind="cancel"),
            SignedRoute("POST", "/0/private/QueryOrders", self.query_order),
            SignedRoute("POST", "/0/private/OpenOrders", self.open_orders),
            SignedRoute("POST", "/0/private/ClosedOrders", self.closed_orders),
            SignedRoute("POST", "/0/private/TradesHistory", self.trades_history),
            SignedRoute("POST", "/0/private/BalanceEx", self.extended_balance),
            SignedRoute("POST", "/0/private/TradeVolume", self.trade_volume),
            SignedRoute("POST", "/0/private/GetWebSocketsToken", self.websockets_token),
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

    def verify(self, request: Request) -> Account:
        """A key's nonces must grow; nothing else proves when a request was signed."""
        api_key = request.header("API-Key")
        nonce = request.integer("nonce")
        digest = hashlib.sha256(f"{request.string('nonce')}{request.text}".encode()).digest()
        account = self.signing_account(
            api_key=api_key,
            signature=request.header("API-Sign"),
            payload=request.target.encode() + digest,
            algorithm="sha512",
            encoding="base64",
        )
        if nonce <= self.numbers[api_key]:
            raise Rejected(Reason.BAD_TIME)
        self.numbers[api_key] = nonce
        return account

    # Public data by REST.

    def get_asset_pairs(self, request: Request) -> dict[str, Row]:
        """Under the name that was requested, or the venue's own."""
        name = request.string("pair", "")
        symbols = self.markets(self.optional_pair(name))
        return {
            name or pair_key(symbol.pair): asset_pair_row(
                symbol, self.venue.maker_fee, self.venue.taker_fee
            )
            for symbol in symbols
        }

    def get_assets(self, request: Request) -> dict[str, Row]:
        assets = {asset for symbol in self.markets() for asset in (symbol.base, symbol.quote)}
        return {
            asset_code(asset): {"altname": old_name(asset), "decimals": 10, "status": "enabled"}
            for asset in sorted(assets)
        }

    def get_tickers(self, request: Request) -> dict[str, Row]:
        symbols = self.markets(self.optional_pair(request.string("pair", "")))
        return {
            pair_key(symbol.pair): ticker_row(self.market_stats(symbol.pair)) for symbol in symbols
        }

    def get_depth(self, request: Request) -> dict[str, Row]:
        pair = self.pair_of(request.string("pair", ""))
        window = self.books.requested(pair, limit=request.integer("count", RECENT))
        key = pair_key(pair)
        return {
            key: {
                "key": key,
                "bids": level_rows(window.bids),
                "asks": level_rows(window.asks),
            }
        }

    def get_trades(self, request: Request) -> Row:
        """Oldest first."""
        pair = self.pair_of(request.string("pair"))
        trades = [public_trade_row(match) for match in self.recent_trades(pair)]
        return {pair_key(pair): trades, "last": "0"}

    # An account by REST.

    def add_order(self, request: Request, account: Account) -> Row:
        terms = order_terms(request)
        order = self.place_order(account, self.pair_of(request.string("pair")), terms)
        return {"descr": {"order": order_text(order)}, "txid": [str(order.id)]}

    def post_cancel(self, request: Request, account: Account) -> Row:
        self.cancel_order(
            account,
            order_id=request.string("txid", ""),
            client_id=request.string("cl_ord_id", ""),
        )
        return {"count": 1}

    def query_order(self, request: Request, account: Account) -> dict[str, Row]:
        return order_rows([self.find_order(account, order_id=request.string("txid", ""))])

    def open_orders(self, request: Request, account: Account) -> Row:
        return {"open": order_rows(self.listed_orders(request, account, is_open=True))}

    def closed_orders(self, request: Request, account: Account) -> Row:
        return {"closed": order_rows(self.listed_orders(request, account, is_open=False))}

    def listed_orders(self, request: Request, account: Account, is_open: bool) -> list[Order]:
        """By a client id: the newest with it alone, if that is open, or closed."""
        client_id = request.string("cl_ord_id", "")
        if not client_id:
            return self.orders_of(account, is_open=is_open)
        with suppress(Rejected):
            order = self.find_order(account, client_id=client_id)
            return [order] if order.is_open == is_open else []
        return []

    def trades_history(self, request: Request, account: Account) -> Row:
        """Newest first; a page after the first "ofs"."""
        start_ns = request.time_s("start", 0.0) * 1e9
        offset = request.integer("ofs", 0)
        fills = [
            fill
            for fill in reversed(self.venue.fills)
            if fill.order.account is account and fill.time > start_ns
        ]
        page = fills[offset : offset + FILLS_PER_PAGE]
        return {"trades": {execution_id(fill): fill_row(fill) for fill in page}}

    def extended_balance(self, request: Request, account: Account) -> dict[str, Row]:
        return {
            asset_code(balance.asset): extended_balance_row(balance)
            for balance in account.balances()
        }

    def trade_volume(self, request: Request, account: Account) -> Row:
        """Fees in percent, of all pairs."""
        keys = [pair_key(symbol.pair) for symbol in self.markets()]
        taker_fee = decimal_text(self.venue.taker_fee * 100)
        maker_fee = decimal_text(self.venue.maker_fee * 100)
        return {
            "fees": {key: {"fee": taker_fee} for key in keys},
            "fees_maker": {key: {"fee": maker_fee} for key in keys},
        }

    def websockets_token(self, request: Request, account: Account) -> Row:
        token = token_hex(16)
        self.tokens[token] = account
        return {"token": token, "expires": TOKEN_SECONDS}

    # The socket.

    def on_message(self, connection: Connection, message: Message) -> None:
        """ping, subscribe and unsubscribe, these for one symbol after the other."""
        match message.string("method"):
            case "ping":
                self.acknowledge(connection, message, Subscription("", "", DEFAULT_DEPTH))
            case "subscribe":
                params = message.params("params")
                self.check_token(params)
                for subscription in subscriptions_of(params):
                    self.on_subscribe(connection, message, subscription)
            case "unsubscribe":
                params = message.params("params")
                self.check_token(params)
                for subscription in subscriptions_of(params):
                    topic = self.topic(subscription)
                    self.acknowledge(connection, message, subscription)
                    self.unsubscribe(connection, [topic])
            case _:
                raise Rejected(Reason.ILLEGAL, "method")

    def check_token(self, params: Params) -> None:
        """Raises Rejected: STALE_TOKEN, where the channel needs a token."""
        needs_token = params.get("channel") in TOKEN_CHANNELS
        if needs_token and params.string("token", "") not in self.tokens:
            raise Rejected(STALE_TOKEN)

    def on_subscribe(
        self, connection: Connection, message: Message, subscription: Subscription
    ) -> None:
        """The acknowledgement, then what the channel begins with."""
        topic = self.topic(subscription)
        self.acknowledge(connection, message, subscription)
        self.subscribe(connection, [topic])
        if subscription.is_book:
            pair = self.pair_of(subscription.symbol)
            window = self.windows[subscription.channel].snapshot(pair, subscription.depth)
            self.send(connection, self.window_frame(subscription.channel, window))
        elif subscription.channel in ACCOUNT_CHANNELS:
            self.begin_account_channel(connection, subscription.channel, message.params("params"))

    def topic(self, subscription: Subscription) -> str:
        """Raises Rejected: UNKNOWN_SYMBOL."""
        if subscription.is_book:
            pair = self.pair_of(subscription.symbol)
            return self.book_topic(subscription.channel, pair, subscription.depth)
        symbol = subscription.symbol
        return f"{subscription.channel}:{self.symbol(self.pair_of(symbol)) if symbol else ''}"

    def book_topic(self, channel: str, pair: str, depth: int) -> str:
        return f"{channel}:{self.symbol(pair)}:{depth}"

    def acknowledge(
        self, connection: Connection, message: Message, subscription: Subscription
    ) -> None:
        acknowledgement = {
            "method": answered_method(message),
            "req_id": message.get("req_id", 0),
            "success": True,
            "result": {
                "channel": subscription.channel,
                "symbol": subscription.symbol,
                "depth": subscription.depth,
            },
        }
        self.send(connection, acknowledgement)

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        _, text = self.refusal_of(refusal.reason, refusal.detail)
        return {
            "method": answered_method(message),
            "req_id": message.get("req_id", 0),
            "success": False,
            "error": text,
        }

    # Books and trades.

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
            for depth in DEPTHS:
                topic = self.book_topic(channel, pair, depth)
                if self.anyone_follows(topic):
                    update = windows.update(pair, depth)
                    self.publish(topic, self.window_frame(channel, update))
                else:
                    windows.forget(pair, depth)

    def window_frame(self, channel: str, window: ChecksumWindow) -> Frame:
        is_wrong = not window.is_snapshot and self.server.faults.hits("bad_checksum")
        checksum = window.checksum ^ 1 if is_wrong else window.checksum
        return partial(self.window_text, channel, window, checksum)

    def window_text(
        self,
        channel: str,
        window: ChecksumWindow,
        checksum: int,
        connection: Connection,
        now_ns: int,
    ) -> str:
        """Numbers keep the zeros that the checksum is made of."""
        row = BOOK_ROWS[channel]
        frame = {
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
        return msgspec.json.encode(frame).decode()

    def trade_frames(self, match: Match) -> Mapping[str, Frame]:
        symbol = self.symbol(match.symbol)
        frame = {"channel": "trade", "type": "update", "data": [trade_row(symbol, match)]}
        return {f"trade:{symbol}": frame}

    # An account on the socket.

    def begin_account_channel(self, connection: Connection, channel: str, params: Params) -> None:
        """The connection is the account's from now on; a snapshot comes first."""
        account = self.tokens[params.string("token")]
        connection.account = account
        connection.is_private = True
        if channel == "balances":
            rows = balance_rows(account)
        else:
            rows = self.known_executions(account, params)
        self.send(connection, numbered_frame(channel, "snapshot", rows, connection))

    def known_executions(self, account: Account, params: Params) -> list[Row]:
        """The last trades, where they are requested, and open orders, unless they are not."""
        has_trades = params.flag("snap_trades")
        has_orders = params.get("snap_orders", True) is not False
        fills = self.fills_of(account, limit=FILLS_PER_PAGE) if has_trades else []
        orders = self.orders_of(account, is_open=True) if has_orders else []
        trade_rows = [execution_row(self.symbol(fill.order.symbol), fill) for fill in fills]
        order_rows = [new_order_row(self.symbol(order.symbol), order) for order in orders]
        return trade_rows + order_rows

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        """An order that a trade fills ends in a frame of its own."""
        order = event.order
        name = self.symbol(order.symbol)
        rows = []
        if event.kind == "new":
            rows.append(new_order_row(name, order))
        if event.match is not None:
            rows.append(execution_row(name, fill_of(event, event.match)))
        if event.kind in ("cancelled", "expired") or (event.match and order.state == "filled"):
            rows.append(ended_order_row(order, event.time))
        executions: list[tuple[str, Row]] = [("executions", {"data": [row]}) for row in rows]
        return [*executions, ("balances", {"data": balance_rows(order.account)})]

    def event_topic(self, topic: str) -> str:
        channel, _, _ = topic.partition(":")
        return channel

    def account_frame(self, topic: str, row: Row, connection: Connection) -> Frame:
        return numbered_frame(self.event_topic(topic), "update", row["data"], connection)


def answered_method(message: Message) -> Any:
    """What an answer calls the client's method."""
    method = message.get("method")
    return "pong" if method == "ping" else method
