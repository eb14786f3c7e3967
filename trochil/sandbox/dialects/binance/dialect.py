"""Binance spot from the venue's side: what it offers, an account's answers, and the websocket API.

Source: its public API documentation (REST v3, market streams, websocket API v3, errors). What it
leaves open follows what clients report of the venue: the words of a refused stream, of a session's
login by an HMAC key, of unknown methods and of paths that are gone.
"""

import re
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import (
    Frame,
    OrderTerms,
    PublicRoute,
    Route,
    Row,
    SignedRoute,
    SocketHandler,
)
from trochil.sandbox.dialects.binance.documented_limits import LIMITS
from trochil.sandbox.dialects.binance.market_streams import MarketStreams
from trochil.sandbox.dialects.binance.reading import (
    Endpoint,
    PublicEndpoint,
    SessionEndpoint,
    SignedEndpoint,
    api_request,
    check_names,
    depth_weight,
    fills_weight,
    flag,
    is_within,
    open_orders_weight,
    order_terms,
    recv_window_ms,
    rows_wanted,
    short_ticker_weight,
    signed_text,
    test_order_weight,
    ticker_weight,
    time_unit_ns,
    times_ms,
    unsigned,
    weight_of,
)
from trochil.sandbox.dialects.binance.rows import (
    Recordings,
    cancelled_row,
    execution_row,
    fill_row,
    in_unit,
    order_row,
    order_status,
    placed_row,
    position_row,
)
from trochil.sandbox.dialects.binance.words import (
    CLIENT_ID_RANGE,
    INTEGER_RANGE,
    LEAST,
    MOST_WEIGHT,
    RANGES,
    REFUSALS,
    RESPONSE_TYPES,
    SIGNING,
    STATUS,
    WINDOW_S,
    Wrong,
)
from trochil.sandbox.formats import fixed_text
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.matching import Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Event, Rejected
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.requests import Message, Params, Request
from trochil.sandbox.server import Server

GONE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


class Dialect(MarketStreams):
    """Diffs by stream, the snapshot by REST; times of a socket in the unit that its address
    names."""

    documented_limits = LIMITS

    name = "binance"
    foreign_clients = (
        "binance-sdk-spot",
        "ccxt",
        "cryptofeed",
        "python-binance",
        "unicorn-binance-local-depth-cache",
    )
    recordings = Recordings()
    private_paths = ("/ws-api/v3",)
    signing_params = SIGNING
    client_id_form = re.compile(r"[a-zA-Z0-9\-_]{1,36}")
    refusals = REFUSALS
    offered_streams = (
        "<symbol>@depth",
        "<symbol>@depth@100ms",
        "<symbol>@depth<levels>",
        "<symbol>@depth<levels>@100ms",
        "<symbol>@trade",
        "<symbol>@aggTrade",
        "<symbol>@bookTicker",
        "<symbol>@miniTicker",
        "<symbol>@ticker",
        "<symbol>@avgPrice",
        "<symbol>@kline_<interval>",
    )
    offered_methods = (
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "LIST_SUBSCRIPTIONS",
        "SET_PROPERTY",
        "GET_PROPERTY",
        "ping",
        "time",
        "exchangeInfo",
        "depth",
        "trades.recent",
        "trades.historical",
        "trades.aggregate",
        "klines",
        "avgPrice",
        "ticker.24hr",
        "ticker.price",
        "ticker.book",
        "order.place",
        "order.test",
        "order.status",
        "order.cancel",
        "openOrders.status",
        "openOrders.cancelAll",
        "allOrders",
        "myTrades",
        "account.status",
        "account.rateLimits.orders",
        "session.status",
        "session.logout",
        "session.subscriptions",
        "userDataStream.subscribe.signature",
        "userDataStream.unsubscribe",
    )

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.venue.fee_step = LEAST
        endpoints = self.endpoints()
        self._by_path = {endpoint.rest: endpoint for endpoint in endpoints}
        self._by_method = {endpoint.socket: endpoint for endpoint in endpoints if endpoint.socket}
        self._session_methods = self.session_methods()

    def endpoints(self) -> list[Endpoint]:
        order = (
            "symbol",
            "side",
            "type",
            "timeInForce",
            "quantity",
            "quoteOrderQty",
            "price",
            "newClientOrderId",
            "newOrderRespType",
            "selfTradePreventionMode",
            "stopPrice",
            "trailingDelta",
            "icebergQty",
        )
        ids = ("symbol", "orderId", "origClientOrderId")
        window = ("startTime", "endTime", "limit")
        return [
            PublicEndpoint(self.get_ping, (), "GET /api/v3/ping", "ping"),
            PublicEndpoint(self.get_time, (), "GET /api/v3/time", "time"),
            PublicEndpoint(
                self.get_exchange_info,
                ("symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus"),
                "GET /api/v3/exchangeInfo",
                "exchangeInfo",
                20,
            ),
            PublicEndpoint(
                self.get_depth, ("symbol", "limit"), "GET /api/v3/depth", "depth", depth_weight
            ),
            PublicEndpoint(
                self.get_trades, ("symbol", "limit"), "GET /api/v3/trades", "trades.recent", 25
            ),
            PublicEndpoint(
                self.get_historical_trades,
                ("symbol", "limit", "fromId"),
                "GET /api/v3/historicalTrades",
                "trades.historical",
                25,
            ),
            PublicEndpoint(
                self.get_aggregate_trades,
                ("symbol", "fromId", *window),
                "GET /api/v3/aggTrades",
                "trades.aggregate",
                4,
            ),
            PublicEndpoint(
                self.get_candles,
                ("symbol", "interval", *window),
                "GET /api/v3/klines",
                "klines",
                2,
            ),
            PublicEndpoint(
                self.get_average_price, ("symbol",), "GET /api/v3/avgPrice", "avgPrice", 2
            ),
            PublicEndpoint(
                self.get_tickers,
                ("symbol", "symbols", "type"),
                "GET /api/v3/ticker/24hr",
                "ticker.24hr",
                ticker_weight,
            ),
            PublicEndpoint(
                self.get_prices,
                ("symbol", "symbols"),
                "GET /api/v3/ticker/price",
                "ticker.price",
                short_ticker_weight,
            ),
            PublicEndpoint(
                self.get_best_levels,
                ("symbol", "symbols"),
                "GET /api/v3/ticker/bookTicker",
                "ticker.book",
                short_ticker_weight,
            ),
            SignedEndpoint(self.post_order, order, "POST /api/v3/order", "order.place", 1, "place"),
            SignedEndpoint(
                self.test_order,
                (*order, "computeCommissionRates"),
                "POST /api/v3/order/test",
                "order.test",
                test_order_weight,
            ),
            SignedEndpoint(self.get_order, ids, "GET /api/v3/order", "order.status", 4),
            SignedEndpoint(
                self.delete_order,
                (*ids, "newClientOrderId", "cancelRestrictions"),
                "DELETE /api/v3/order",
                "order.cancel",
                1,
                "cancel",
            ),
            SignedEndpoint(
                self.get_open_orders,
                ("symbol",),
                "GET /api/v3/openOrders",
                "openOrders.status",
                open_orders_weight,
            ),
            SignedEndpoint(
                self.delete_open_orders,
                ("symbol",),
                "DELETE /api/v3/openOrders",
                "openOrders.cancelAll",
                1,
                "cancel",
            ),
            SignedEndpoint(
                self.get_all_orders,
                ("symbol", "orderId", *window),
                "GET /api/v3/allOrders",
                "allOrders",
                20,
            ),
            SignedEndpoint(
                self.get_fills,
                ("symbol", "orderId", "fromId", *window),
                "GET /api/v3/myTrades",
                "myTrades",
                fills_weight,
            ),
            SignedEndpoint(
                self.get_account, ("omitZeroBalances",), "GET /api/v3/account", "account.status", 20
            ),
            SignedEndpoint(
                self.get_order_counts,
                (),
                "GET /api/v3/rateLimit/order",
                "account.rateLimits.orders",
                40,
            ),
        ]

    def session_methods(self) -> dict[str, SessionEndpoint]:
        signed = ("apiKey", *SIGNING)
        return {
            "session.logon": SessionEndpoint(self.log_on, signed),
            "session.status": SessionEndpoint(self.session_status),
            "session.logout": SessionEndpoint(self.session_status),
            "session.subscriptions": SessionEndpoint(self.subscriptions),
            "userDataStream.subscribe": SessionEndpoint(self.subscribe_session),
            "userDataStream.subscribe.signature": SessionEndpoint(self.subscribe_account, signed),
            "userDataStream.unsubscribe": SessionEndpoint(
                self.unsubscribe_account, ("subscriptionId",)
            ),
        }

    def routes(self) -> list[Route]:
        """The listen keys of old are gone for good."""
        keys = [
            PublicRoute(method, "/api/v3/userDataStream", self.gone)
            for method in ("POST", "PUT", "DELETE")
        ]
        return [*map(self.route, self._by_path.values()), *keys]

    def route(self, endpoint: Endpoint) -> Route:
        method, _, path = endpoint.rest.partition(" ")
        if isinstance(endpoint, PublicEndpoint):
            asked = endpoint.handler

            def answer(request: Request) -> Any:
                unit_ns = time_unit_ns(request)
                return in_unit(asked(request), unit_ns)

            gives_book = endpoint.handler == self.get_depth
            return PublicRoute(method, path, answer, params=endpoint.params, gives_book=gives_book)
        wanted = endpoint.handler

        def account_answer(request: Request, account: Account) -> Any:
            unit_ns = time_unit_ns(request)
            return in_unit(wanted(request, account), unit_ns)

        return SignedRoute(method, path, account_answer, kind=endpoint.kind, params=endpoint.params)

    def sockets(self) -> Mapping[str, SocketHandler]:
        return {
            "/ws": self.on_stream_message,
            "/ws/{streams:.*}": self.on_stream_message,
            "/stream": self.on_stream_message,
            "/ws-api/v3": self.on_api_message,
        }

    # Refusals.

    def error_body(self, code: int | str, message: str, request: Request | None) -> Any:
        return {"code": code, "msg": message}

    def refusal_of(self, reason: str, detail: str = "") -> tuple[Refusal, str]:
        if reason == Reason.ILLEGAL:
            detail = f"'{detail}'; legal range is '{RANGES.get(detail, INTEGER_RANGE)}'"
        elif reason == Reason.BAD_CLIENT_ID:
            detail = f"'{detail}'; legal range is '{CLIENT_ID_RANGE}'"
        return super().refusal_of(reason, detail)

    def error(
        self,
        reason: str,
        detail: str = "",
        *,
        retry_after: int = 0,
        request: Request | None = None,
    ) -> web.Response:
        if reason == Reason.UNKNOWN_PATH:
            return page(404, "404 Not Found")
        if reason == Reason.RATE_LIMITED:
            retry_after = retry_after or self.minute_left_s()
        response = super().error(reason, detail, retry_after=retry_after, request=request)
        response.headers.update(self.weight_headers())
        return response

    def ban_end(self, retry_after_s: int) -> str:
        return str(self.server.now_ns() // 1_000_000 + retry_after_s * 1000)

    def gone(self, request: Request) -> web.Response:
        return page(410, "410 Gone")

    # Limits.

    def before(self, request: Request) -> None:
        """Of what query and body both have, the query's counts."""
        form = [] if request.text.lstrip()[:1] in ("{", "[") else parse_qsl(request.text, True)
        request.values = dict(form) | dict(request.http.query)
        endpoint = self._by_path.get(f"{request.method} {request.path}")
        self.count_weight(1 if endpoint is None else weight_of(endpoint, request))

    def headers(self, request: Request) -> dict[str, str]:
        endpoint = self._by_path[f"{request.method} {request.path}"]
        self.give_weight_back(endpoint)
        headers = self.weight_headers()
        account = self.server.account_of_key(request.header("X-MBX-APIKEY"))
        if endpoint.socket == "order.place" and account is not None:
            for window in WINDOW_S:
                count = self.unfilled_orders(account, window)
                headers[f"X-MBX-ORDER-COUNT-{window}"] = str(count)
        return headers

    # Requests.

    def check_params(self, route: Route, request: Request, signing: tuple[str, ...] = ()) -> None:
        if route.params is not None:
            form = parse_qsl(request.text, True)
            for names in (request.http.query.keys(), [name for name, _ in form]):
                if any(times > 1 for times in Counter(names).values()):
                    raise Rejected(Reason.DOUBLED_PARAMETER)
            check_names(request, (*route.params, *signing))

    def verify(self, request: Request) -> Account:
        payload = unsigned(request.query) + unsigned(request.text)
        return self.verified(request.header("X-MBX-APIKEY"), payload, request)

    def verified(self, api_key: str, payload: str, params: Params) -> Account:
        window_ms = recv_window_ms(params)
        timestamp = params.integer("timestamp")
        signature = params.string("signature")
        account = self.signing_account(
            api_key=api_key, signature=signature.lower(), payload=payload
        )
        unit_ns = 1000 if timestamp > 10**14 else 1_000_000
        age_ms = Decimal(self.server.now_ns() - timestamp * unit_ns) / 1_000_000
        if age_ms <= -1000:
            raise Rejected(Wrong.AHEAD)
        if age_ms > window_ms:
            raise Rejected(Reason.BAD_TIME)
        return account

    # An account.

    def terms_of(self, params: Params) -> tuple[str, OrderTerms, str]:
        """The pair of an order, its terms, and what answers it."""
        pair = self.asked_pair(params)
        client_id = params.client_id("newClientOrderId", self.client_id_form)
        terms = order_terms(params, client_id, self.venue.symbols[pair].max_size)
        response = params.string("newOrderRespType", "ACK" if terms.kind == "post_only" else "FULL")
        if response not in RESPONSE_TYPES:
            raise Rejected(Wrong.INVALID, "newOrderRespType")
        return pair, terms, response

    def post_order(self, params: Params, account: Account) -> Row:
        pair, terms, response = self.terms_of(params)
        self.check_order_counts(account)
        order = self.place_order(account, pair, terms)
        fills = [fill for fill in self.venue.fills if fill.order is order] if order.filled else []
        return placed_row(self.order(order), order, fills, response)

    def order(self, order: Order) -> Row:
        return order_row(self.symbol(order.symbol), order)

    def test_order(self, params: Params, account: Account) -> Row:
        pair, terms, _ = self.terms_of(params)
        with_rates = flag(params, "computeCommissionRates")
        self.check_order(account, pair, terms)
        if not with_rates:
            return {}
        none = fixed_text(None)
        return {
            "standardCommissionForOrder": {
                "maker": fixed_text(self.venue.maker_fee),
                "taker": fixed_text(self.venue.taker_fee),
            },
            "specialCommissionForOrder": {"maker": none, "taker": none},
            "taxCommissionForOrder": {"maker": none, "taker": none},
            "discount": {
                "enabledForAccount": False,
                "enabledForSymbol": False,
                "discountAsset": "BNB",
                "discount": none,
            },
        }

    def asked_order(self, params: Params, account: Account, otherwise: str) -> Order:
        pair = self.asked_pair(params)
        order_id = params.optional_integer("orderId")
        client_id = params.client_id("origClientOrderId", self.client_id_form)
        if order_id is None and not client_id:
            raise Rejected(Wrong.ONE_OF, "'origClientOrderId' or 'orderId'")
        if order_id is None:
            return self.find_order(account, client_id=client_id, pair=pair, otherwise=otherwise)
        order = self.find_order(account, order_id=str(order_id), pair=pair, otherwise=otherwise)
        if client_id and order.client_id != client_id:
            raise Rejected(Wrong.OTHER_CLIENT_ID)
        return order

    def get_order(self, params: Params, account: Account) -> Row:
        order = self.asked_order(params, account, Reason.NO_SUCH_ORDER)
        return order_status(self.order(order), order)

    def delete_order(self, params: Params, account: Account) -> Row:
        cancel_id = params.client_id("newClientOrderId", self.client_id_form)
        restriction = params.string("cancelRestrictions", "")
        if restriction not in ("", "ONLY_NEW", "ONLY_PARTIALLY_FILLED"):
            raise Rejected(Wrong.CANCEL_RESTRICTIONS)
        order = self.asked_order(params, account, Reason.UNKNOWN_ORDER)
        if not order.is_open:
            raise Rejected(Reason.NOT_OPEN)
        if restriction and restriction != f"ONLY_{STATUS[order.state]}":
            raise Rejected(Wrong.CANCEL_RESTRICTED)
        cancel_id = cancel_id or self.new_cancel_id()
        self.venue.cancel(order, self.server.now_ns(), cancel_id)
        return cancelled_row(self.order(order), order, cancel_id)

    def new_cancel_id(self) -> str:
        return f"cancel{self.count('cancels')}"

    def delete_open_orders(self, params: Params, account: Account) -> list[Row]:
        orders = self.orders_of(account, self.asked_pair(params), is_open=True)
        if not orders:
            raise Rejected(Reason.UNKNOWN_ORDER)
        cancel_id = self.new_cancel_id()
        for order in orders:
            self.venue.cancel(order, self.server.now_ns(), cancel_id)
        return [cancelled_row(self.order(order), order, cancel_id) for order in orders]

    def get_open_orders(self, params: Params, account: Account) -> list[Row]:
        pair = self.asked_pair(params) if "symbol" in params else None
        orders = self.orders_of(account, pair, is_open=True)
        return [order_status(self.order(order), order) for order in orders]

    def get_all_orders(self, params: Params, account: Account) -> list[Row]:
        pair = self.asked_pair(params)
        limit = rows_wanted(params)
        first_id = params.optional_integer("orderId")
        since, until = times_ms(params)
        orders = [
            order
            for order in self.orders_of(account, pair)
            if (first_id is None or order.id >= first_id) and is_within(order.time, since, until)
        ]
        is_from = first_id is not None or since is not None
        orders = orders[:limit] if is_from else orders[-limit:]
        return [order_status(self.order(order), order) for order in orders]

    def get_fills(self, params: Params, account: Account) -> list[Row]:
        pair = self.asked_pair(params)
        limit = rows_wanted(params)
        order_id = params.optional_integer("orderId")
        first_id = params.optional_integer("fromId")
        since, until = times_ms(params)
        has_time = since is not None or until is not None
        if has_time and (order_id is not None or first_id is not None):
            raise Rejected(Wrong.COMBINATION)
        fills = [
            fill
            for fill in self.venue.fills
            if fill.order.account is account
            and fill.order.symbol == pair
            and order_id in (None, fill.order.id)
            and (first_id is None or fill.trade_id >= first_id)
            and is_within(fill.time, since, until)
        ]
        is_from = first_id is not None or since is not None
        fills = fills[:limit] if is_from else fills[-limit:]
        return [fill_row(self.symbol(pair), fill) for fill in fills]

    def get_account(self, params: Params, account: Account) -> Row:
        without_zeros = flag(params, "omitZeroBalances")
        none = fixed_text(None)
        return {
            "makerCommission": int(self.venue.maker_fee * 10_000),
            "takerCommission": int(self.venue.taker_fee * 10_000),
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {
                "maker": fixed_text(self.venue.maker_fee),
                "taker": fixed_text(self.venue.taker_fee),
                "buyer": none,
                "seller": none,
            },
            "canTrade": True,
            "canWithdraw": True,
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": self.server.now_ns(),
            "accountType": "SPOT",
            "balances": [
                {
                    "asset": balance.asset,
                    "free": fixed_text(balance.free),
                    "locked": fixed_text(balance.held),
                }
                for balance in account.balances()
                if balance.total or not without_zeros
            ],
            "permissions": ["SPOT"],
            "uid": 1 + [*self.venue.accounts].index(account.name),
        }

    def get_order_counts(self, params: Params, account: Account) -> list[Row]:
        return self.order_limit_rows(account)

    # Sockets.

    def on_connect(self, connection: Connection) -> None:
        super().on_connect(connection)
        in_microseconds = connection.query.get("timeUnit", "").upper() == "MICROSECOND"
        connection.state["time_unit_ns"] = 1000 if in_microseconds else 1_000_000
        connection.state["is_combined"] = connection.path == "/stream"
        if connection.is_private:
            connection.state["connected_since"] = self.server.now_ns()
            connection.state["shows_limits"] = connection.query.get("returnRateLimits") != "false"
            connection.state["subscription_id"] = -1
            self.numbers[self.minute] += 2
            return
        named = connection.query.get("streams") or connection.path.removeprefix("/ws")
        streams = [stream for stream in named.split("/") if "@" in stream]
        # Other names are those of listen keys and of clients' own connections: nothing comes there.
        try:
            self.check_streams(connection, streams)
        except Rejected as refusal:
            self.send(connection, self.socket_error(Message({}, {}), refusal))
            return
        self.subscribe(connection, streams)

    # The websocket API.

    def on_api_message(self, connection: Connection, message: Message) -> None:
        number = message.values.get("id")
        answer: Row = {"id": number if isinstance(number, int | str) else None}
        shows_limits = connection.state["shows_limits"]
        try:
            self.check_ban()
            method, params = api_request(message)
            shows_limits = flag(params, "returnRateLimits", shows_limits)
            answer |= {"status": 200, "result": self.api_result(connection, method, params)}
        except Rejected as refusal:
            answer |= self.api_error(refusal)
        if shows_limits:
            answer["rateLimits"] = self.api_limits(message)
        self.send(connection, answer)

    def check_ban(self) -> None:
        """Raises Rejected while requests on sockets are refused."""
        left_s = self.server.ban.left_s("messages")
        if left_s:
            raise Rejected(self.server.ban.reason, self.ban_end(left_s))

    def api_result(self, connection: Connection, method: str, params: Params) -> Any:
        unit_ns = connection.state["time_unit_ns"]
        session = self._session_methods.get(method)
        if session is not None:
            self.count_weight(2)
            check_names(params, (*session.params, "returnRateLimits"))
            return in_unit(session.handler(connection, params), unit_ns)
        endpoint = self._by_method.get(method)
        if endpoint is None:
            self.count_weight(1)
            raise Rejected(Reason.UNKNOWN_METHOD, method)
        self.count_weight(weight_of(endpoint, params))
        if isinstance(endpoint, PublicEndpoint):
            check_names(params, (*endpoint.params, "returnRateLimits"))
            return in_unit(endpoint.handler(params), unit_ns)
        account = self.api_account(params)
        check_names(params, (*endpoint.params, "apiKey", *SIGNING, "returnRateLimits"))
        result = in_unit(endpoint.handler(params, account), unit_ns)
        self.give_weight_back(endpoint)
        return result

    def api_account(self, params: Params) -> Account:
        """By the signature of all other parameters, sorted by name."""
        signed = sorted(name for name in params.values if name != "signature")
        payload = "&".join(f"{name}={signed_text(params.values[name])}" for name in signed)
        return self.verified(params.string("apiKey"), payload, params)

    def api_error(self, refusal: Rejected) -> Row:
        known, text = self.refusal_of(refusal.reason, refusal.detail)
        error: Row = {"code": known.code, "msg": text}
        if refusal.reason in (Reason.RATE_LIMITED, Reason.BANNED):
            now_ms = self.server.now_ns() // 1_000_000
            left_s = self.server.ban.left_s("messages") or self.minute_left_s()
            retry_after = now_ms + left_s * 1000
            error["data"] = {"serverTime": now_ms, "retryAfter": retry_after}
        return {"status": known.status, "error": error}

    def api_limits(self, message: Message) -> list[Row]:
        """The limits that a request counts against."""
        weight: Row = {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": MOST_WEIGHT,
            "count": self.numbers[self.minute],
        }
        params = message.values.get("params")
        key = params.get("apiKey") if isinstance(params, dict) else None
        account = self.server.account_of_key(key) if isinstance(key, str) else None
        is_order = str(message.values.get("method")).removeprefix("v3/") == "order.place"
        return [*self.order_limit_rows(account), weight] if is_order and account else [weight]

    def log_on(self, connection: Connection, params: Params) -> Row:
        """Keys of the sandbox sign by HMAC, which is no login."""
        self.api_account(params)
        raise Rejected(Wrong.KEY_TYPE)

    def session_status(self, connection: Connection, params: Params) -> Row:
        return {
            "apiKey": None,
            "authorizedSince": None,
            "connectedSince": connection.state["connected_since"],
            "returnRateLimits": connection.state["shows_limits"],
            "serverTime": self.server.now_ns(),
            "userDataStream": connection.account is not None,
        }

    def subscriptions(self, connection: Connection, params: Params) -> list[Row]:
        if connection.account is None:
            return []
        return [{"subscriptionId": connection.state["subscription_id"]}]

    def subscribe_session(self, connection: Connection, params: Params) -> Row:
        """Only for who logged in."""
        raise Rejected(Reason.BAD_KEY)

    def subscribe_account(self, connection: Connection, params: Params) -> Row:
        account = self.api_account(params)
        if connection.account is not None:
            raise Rejected(Wrong.SUBSCRIBED)
        connection.account = account
        connection.state["subscription_id"] += 1
        return {"subscriptionId": connection.state["subscription_id"]}

    def unsubscribe_account(self, connection: Connection, params: Params) -> Row:
        wanted = params.optional_integer("subscriptionId")
        active = None if connection.account is None else connection.state["subscription_id"]
        if active is None or wanted not in (None, active):
            raise Rejected(Wrong.NOT_SUBSCRIBED)
        connection.account = None
        return {}

    # The account's events.

    def event_rows(self, event: Event) -> list[tuple[str, Row]]:
        execution = execution_row(self.symbol(event.order.symbol), event)
        execution["I"] = self.count("executions")
        return [("", execution), ("", position_row(event))]

    def account_frame(self, topic: str, row: Row, connection: Connection) -> Frame:
        unit_ns = connection.state["time_unit_ns"]
        number = connection.state["subscription_id"]
        times = {name: row[name] // unit_ns for name in ("T", "O", "W", "u") if name in row}

        def frame(connection: Connection, now_ns: int) -> Row:
            return {"subscriptionId": number, "event": row | times | {"E": now_ns // unit_ns}}

        return frame

    def terminate(self, connection: Connection) -> None:
        self.send(connection, self.account_frame("", {"e": "eventStreamTerminated"}, connection))
        connection.account = None


def page(status: int, title: str) -> web.Response:
    """What a gateway answers."""
    return web.Response(status=status, text=GONE.format(title), content_type="text/html")
