"""HTX by REST: its keys, its refusals, market data and orders."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote

from trochil.sandbox.book_windows import BookChannel, BookLevel, BookWindow
from trochil.sandbox.dialect import (
    BaseDialect,
    PublicRoute,
    Route,
    Row,
    SignedRoute,
)
from trochil.sandbox.dialects.htx.requests import (
    AMOUNT_MAX,
    AMOUNT_MIN,
    BAD_DATE,
    BAD_SCHEME,
    BAD_WINDOW,
    CANCELING,
    CANDLES,
    CLIENT_ID,
    DEPTHS,
    DIRECTIONS,
    INVALID_PARAMETER,
    INVALID_TYPE,
    LEVELS,
    LEVELS_OF_REQUESTS,
    LONG_CLOSED,
    MARKET_PATH,
    MOST_CANCELS,
    MOST_CANDLES,
    MOST_ORDERS_AT_ONCE,
    MOST_TRADES,
    NO_JSON,
    NO_RECORD,
    NOT_FOLLOWED,
    NOT_FOUND,
    ORDER_PARAMS,
    PERIODS,
    PRICE_MIN,
    SALE_MAX,
    SALE_MIN,
    SIDES,
    SIGNATURE,
    SIGNATURE_AGE_S,
    SOURCES,
    STATES,
    STEPS,
    TIMESTAMP,
    TYPES,
    UNKNOWN_ACCOUNT,
    V2_CODES,
    V2_PATH,
    VALUE_MAX,
    VALUE_PRECISION,
    WRONG_STATE,
    TimeWindow,
    check_account,
    check_rules,
    id_in_path,
    listed,
    order_terms,
    page_of_orders,
)
from trochil.sandbox.dialects.htx.rows import (
    ACCOUNT_ID,
    STATE_NUMBER,
    USER_ID,
    candle_row,
    client_order_id,
    currency_settings_row,
    detail_row,
    fill_row,
    held_rows,
    image_row,
    market_symbol_row,
    merged_levels,
    merged_row,
    open_order_row,
    order_state,
    order_type,
    single_order_row,
    symbol_row,
    symbol_settings_row,
    ticker_row,
    trades_row,
)
from trochil.sandbox.formats import milliseconds
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.matching import Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Fill, Rejected
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.requests import Params, Request


class HtxRest(BaseDialect):
    """What the venue answers by REST."""

    book_channel = BookChannel(depths=DEPTHS, default_depth=LEVELS)
    post_only_cancels = True
    cancel_delay_s = 0.03
    client_id_form = CLIENT_ID
    signing_params = ("AccessKeyId", *SIGNATURE, "Timestamp", "Signature")
    refusals: ClassVar[Mapping[str, Refusal]] = {
        Reason.UNKNOWN_SYMBOL: Refusal(200, "base-symbol-error", "The symbol is invalid"),
        Reason.MARKET_CLOSED: Refusal(200, "base-symbol-trade-disabled"),
        Reason.PRICE_FILTER: Refusal(
            200, "order-orderprice-precision-error", "order price precision error, scale: `{}`"
        ),
        Reason.LOT_SIZE: Refusal(
            200, "order-orderamount-precision-error", "order amount precision error, scale: `{}`"
        ),
        Reason.NOTIONAL: Refusal(200, "order-value-min-error", "Order total is below the minimum"),
        Reason.INSUFFICIENT_BALANCE: Refusal(
            200,
            "account-frozen-balance-insufficient-error",
            "trade account balance is not enough",
        ),
        Reason.DUPLICATE_CLIENT_ID: Refusal(
            200, "invalid-client-order-id", "client-order-id is used already"
        ),
        Reason.BAD_CLIENT_ID: Refusal(200, "invalid-client-order-id", "client-order-id is invalid"),
        Reason.UNKNOWN_ORDER: Refusal(200, "order-orderstate-error", "Incorrect order state"),
        Reason.NO_SUCH_ORDER: Refusal(200, "base-record-invalid", "record invalid"),
        Reason.MISSING: Refusal(200, "validation-constraints-required", "Field is missing: {}."),
        Reason.ILLEGAL: Refusal(200, "validation-format-error", "Format Error: {}."),
        Reason.UNKNOWN_PARAMETER: Refusal(200, "bad-argument", "invalid parameter: {}"),
        Reason.DOUBLED_PARAMETER: Refusal(200, "bad-argument", "parameter sent twice: {}"),
        Reason.UNKNOWN_PATH: Refusal(405, "method-not-allowed", "Request method not supported: {}"),
        Reason.BAD_KEY: Refusal(
            200, "api-signature-not-valid", "Signature not valid: Incorrect Access key"
        ),
        Reason.BAD_SIGNATURE: Refusal(
            200, "api-signature-not-valid", "Signature not valid: Verification failure"
        ),
        Reason.BAD_TIME: Refusal(
            200,
            "api-signature-not-valid",
            "Signature not valid: Invalid submission time or incorrect time format",
        ),
        Reason.TIMEOUT: Refusal(200, "timeout"),
        Reason.UNAVAILABLE: Refusal(503, "gateway-internal-error"),
        Reason.RATE_LIMITED: Refusal(429, "rate-too-many-requests"),
        BAD_SCHEME: Refusal(200, "api-signature-not-valid", "Signature not valid: Incorrect {}"),
        UNKNOWN_ACCOUNT: Refusal(
            200,
            "account-get-balance-account-inexistent-error",
            f"account for id `{{}}` and user id `{USER_ID}` does not exist",
        ),
        INVALID_PARAMETER: Refusal(200, "invalid-parameter", "invalid {}"),
        INVALID_TYPE: Refusal(200, "order-type-invalid", "Invalid order type: {}"),
        PRICE_MIN: Refusal(
            200, "order-limitorder-price-min-error", "limit order price error, min: `{}`"
        ),
        AMOUNT_MIN: Refusal(
            200, "order-limitorder-amount-min-error", "limit order amount error, min: `{}`"
        ),
        AMOUNT_MAX: Refusal(
            200, "order-limitorder-amount-max-error", "limit order amount error, max: `{}`"
        ),
        SALE_MIN: Refusal(
            200, "order-marketorder-amount-min-error", "market order amount error, min: `{}`"
        ),
        SALE_MAX: Refusal(
            200, "order-marketorder-amount-sell-max-error", "market order amount error, max: `{}`"
        ),
        VALUE_PRECISION: Refusal(
            200, "order-ordervalue-precision-error", "order value precision error, scale: `{}`"
        ),
        VALUE_MAX: Refusal(
            200, "order-marketorder-amount-buy-max-error", "market order amount error, max: `{}`"
        ),
        WRONG_STATE: Refusal(200, "order-orderstate-error", "Incorrect order state"),
        NO_RECORD: Refusal(200, "base-not-found", "The record is not found."),
        BAD_WINDOW: Refusal(200, "invalid-interval", "The query window is wrong"),
        BAD_DATE: Refusal(200, "base-date-error", "Incorrect date format: {}"),
        Reason.UNKNOWN_TOPIC: Refusal(200, "bad-request", "invalid topic {}"),
        NOT_FOLLOWED: Refusal(200, "bad-request", "unsub with not subbed topic {}"),
        NO_JSON: Refusal(200, "bad-request", "not json string"),
    }

    def routes(self) -> list[Route]:
        orders = "/v1/order/orders"
        times = ("start-time", "end-time", "start-date", "end-date")
        return [
            PublicRoute("GET", "/v1/common/timestamp", self.get_time, params=()),
            PublicRoute("GET", "/v1/common/symbols", self.get_symbols, params=()),
            PublicRoute("GET", "/v1/common/currencys", self.get_currencies, params=()),
            PublicRoute(
                "GET",
                "/v1/settings/common/market-symbols",
                self.get_market_symbols,
                params=("symbols", "ts"),
            ),
            PublicRoute(
                "GET", "/v2/settings/common/symbols", self.get_symbol_settings, params=("ts",)
            ),
            PublicRoute(
                "GET",
                "/v2/settings/common/currencies",
                self.get_currency_settings,
                params=("ts",),
            ),
            PublicRoute(
                "GET",
                "/v2/reference/currencies",
                self.get_chains,
                params=("currency", "authorizedUser"),
            ),
            PublicRoute("GET", "/v2/market-status", self.get_market_status, params=()),
            self.market_route("tickers", self.get_tickers),
            self.market_route("detail/merged", self.get_ticker, "symbol"),
            self.market_route("detail", self.get_detail, "symbol"),
            self.market_route("depth", self.get_depth, "symbol", "type", "depth"),
            self.market_route("trade", self.get_last_trade, "symbol"),
            self.market_route("history/trade", self.get_trades, "symbol", "size"),
            self.market_route("history/kline", self.get_candles, "symbol", "period", "size"),
            SignedRoute("GET", "/v2/user/uid", self.get_user, params=()),
            SignedRoute("GET", "/v1/account/accounts", self.get_accounts, params=()),
            SignedRoute(
                "GET",
                "/v1/account/accounts/{id}/balance",
                self.get_balance,
                params=("account-id",),
            ),
            SignedRoute("POST", f"{orders}/place", self.post_order, kind="place"),
            SignedRoute("POST", "/v1/order/batch-orders", self.post_orders, kind="place"),
            SignedRoute(
                "GET",
                "/v1/order/openOrders",
                self.get_open_orders,
                params=("account-id", "symbol", "side", "types", "from", "direct", "size"),
            ),
            SignedRoute(
                "GET",
                orders,
                self.get_orders,
                params=("symbol", "types", "states", *times, "from", "direct", "size"),
            ),
            SignedRoute(
                "GET",
                "/v1/order/history",
                self.get_history,
                params=("symbol", "start-time", "end-time", "direct", "size"),
            ),
            SignedRoute(
                "GET",
                f"{orders}/getClientOrder",
                self.get_order_by_client_id,
                params=("clientOrderId",),
            ),
            SignedRoute("GET", f"{orders}/{{id}}", self.get_order, params=("order_id",)),
            SignedRoute(
                "GET",
                f"{orders}/{{id}}/matchresults",
                self.get_fills_of_order,
                params=("order_id",),
            ),
            SignedRoute(
                "GET",
                "/v1/order/matchresults",
                self.get_fills,
                params=("symbol", "types", *times, "from", "direct", "size"),
            ),
            SignedRoute(
                "POST",
                f"{orders}/{{id}}/submitcancel",
                self.post_cancel,
                kind="cancel",
                params=("symbol", "order_id"),
            ),
            SignedRoute(
                "POST",
                f"{orders}/submitCancelClientOrder",
                self.post_cancel_by_client_id,
                kind="cancel",
                params=("client-order-id",),
            ),
            SignedRoute(
                "POST",
                f"{orders}/batchcancel",
                self.post_cancels,
                kind="cancel",
                params=("order-ids", "client-order-ids"),
            ),
            SignedRoute(
                "POST",
                f"{orders}/batchCancelOpenOrders",
                self.post_cancel_of_open_orders,
                kind="cancel",
                params=("account-id", "symbol", "types", "side", "size"),
            ),
            SignedRoute(
                "GET",
                "/v2/reference/transact-fee-rate",
                self.get_fee_rates,
                params=("symbols",),
            ),
        ]

    def market_route(
        self, path: str, handler: Callable[[Request], Row], *params: str
    ) -> PublicRoute:
        """Market data have words of their own for whatever does not fit."""

        def answer(request: Request) -> Row:
            try:
                request.only(*params)
                return {"status": "ok", "ts": self.now_ms()} | handler(request)
            except Rejected as refusal:
                is_symbol = refusal.reason == Reason.UNKNOWN_SYMBOL
                name = "symbol" if is_symbol else refusal.detail
                raise Rejected(INVALID_PARAMETER, name) from refusal

        return PublicRoute("GET", MARKET_PATH + path, answer)

    def symbol(self, pair: str) -> str:
        return pair.replace("-", "").lower()

    def now_ms(self) -> int:
        return milliseconds(self.server.now_ns())

    def error_body(self, code: int | str, message: str, request: Request | None) -> Row:
        """Newer endpoints have numbers, requests for market data a time."""
        path = request.path if request is not None else ""
        if path.startswith(V2_PATH):
            return {"code": V2_CODES.get(code, 2002), "message": message}
        told = {"status": "error", "err-code": code, "err-msg": message}
        if path.startswith(MARKET_PATH):
            return {"ts": self.now_ms(), **told}
        return {**told, "data": None}

    def retry_headers(self, retry_after_s: int) -> dict[str, str]:
        """Until when (ms) a limit refuses."""
        until_ms = self.now_ms() + retry_after_s * 1000
        return {"X-HB-RateLimit-Requests-Expire": str(until_ms)}

    def verify(self, request: Request) -> Account:
        """The signature is of the query as the venue itself would write it, sorted by names."""
        sent = parse_qsl(request.query, keep_blank_values=True)
        signed = sorted((name, value) for name, value in sent if name != "Signature")
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in signed)
        timestamp = request.string("Timestamp", "")
        utc = Params({"Timestamp": f"{timestamp}Z"})
        is_time = TIMESTAMP.fullmatch(timestamp) is not None
        account = self.signing_account(
            api_key=request.string("AccessKeyId", ""),
            signature=request.string("Signature", ""),
            payload="\n".join((request.method, request.host.lower(), request.path, query)),
            encoding="base64",
            signed_at_s=utc.time_s("Timestamp") if is_time else 0.0,
            max_age_s=SIGNATURE_AGE_S,
            max_ahead_s=SIGNATURE_AGE_S,
        )
        for name, value in SIGNATURE.items():
            if request.string(name, "") != value:
                raise Rejected(BAD_SCHEME, name)
        return account

    def result(self, body: Any) -> Any:
        """What is no envelope already is the data of the older one."""
        is_envelope = isinstance(body, dict) and ("status" in body or "code" in body)
        return body if is_envelope else {"status": "ok", "data": body}

    # Public data by REST.

    def get_time(self, request: Request) -> int:
        return self.now_ms()

    def get_symbols(self, request: Request) -> list[Row]:
        return [symbol_row(self.symbol(symbol.pair), symbol) for symbol in self.markets()]

    def get_market_symbols(self, request: Request) -> Row:
        request.integer("ts", 0)
        wanted = self.pairs_of(request, "symbols")
        rows = [
            market_symbol_row(self.symbol(symbol.pair), symbol)
            for symbol in self.markets()
            if not wanted or symbol.pair in wanted
        ]
        return self.settings(rows)

    def get_symbol_settings(self, request: Request) -> Row:
        request.integer("ts", 0)
        return self.settings(
            [symbol_settings_row(self.symbol(symbol.pair), symbol) for symbol in self.markets()]
        )

    def get_currency_settings(self, request: Request) -> Row:
        request.integer("ts", 0)
        quotes = {symbol.quote for symbol in self.markets()}
        return self.settings(
            [currency_settings_row(asset, asset in quotes) for asset in self.assets()]
        )

    def settings(self, rows: list[Row]) -> Row:
        """All of them, whatever a client knows already."""
        return {"status": "ok", "data": rows, "ts": str(self.now_ms()), "full": 1}

    def assets(self) -> list[str]:
        return sorted({asset for symbol in self.markets() for asset in symbol.pair.split("-")})

    def get_currencies(self, request: Request) -> list[str]:
        return [asset.lower() for asset in self.assets()]

    def get_chains(self, request: Request) -> Row:
        """Nothing moves in or out of the sandbox: no currency has a chain."""
        request.flag("authorizedUser")
        known = self.get_currencies(request)
        wanted = listed(request, "currency", known)
        rows = [
            {"currency": name, "assetType": 1, "instStatus": "normal", "chains": []}
            for name in known
            if name in wanted
        ]
        return {"code": 200, "data": rows}

    def get_market_status(self, request: Request) -> Row:
        is_open = any(symbol.trading for symbol in self.markets())
        return {"code": 200, "message": "success", "data": {"marketStatus": 1 if is_open else 2}}

    def pairs_of(self, params: Params, name: str, most: int = 10) -> list[str]:
        """Of symbols joined by commas. Raises Rejected: UNKNOWN_SYMBOL, ILLEGAL."""
        symbols = params.string(name, "").split(",") if name in params else []
        if len(symbols) > most:
            raise Rejected(Reason.ILLEGAL, name)
        return [self.pair_of(symbol) for symbol in symbols]

    def version(self, pair: str) -> int:
        return self.server.book(pair).update_id

    def get_tickers(self, request: Request) -> Row:
        pairs = [symbol.pair for symbol in self.markets()]
        return {"data": [ticker_row(self.symbol(pair), self.market_stats(pair)) for pair in pairs]}

    def market_pair(self, request: Request) -> tuple[str, str]:
        """The pair, and the symbol that the answer repeats."""
        pair = self.pair_of(request.string("symbol"))
        return pair, self.symbol(pair)

    def get_ticker(self, request: Request) -> Row:
        pair, symbol = self.market_pair(request)
        tick = merged_row(self.market_stats(pair), self.version(pair))
        return {"ch": f"market.{symbol}.detail.merged", "tick": tick}

    def get_detail(self, request: Request) -> Row:
        pair, symbol = self.market_pair(request)
        tick = detail_row(self.market_stats(pair), self.version(pair))
        return {"ch": f"market.{symbol}.detail", "tick": tick}

    def get_depth(self, request: Request) -> Row:
        pair, symbol = self.market_pair(request)
        step = request.string("type")
        if step not in STEPS:
            raise Rejected(Reason.ILLEGAL, "type")
        levels = request.choice("depth", LEVELS_OF_REQUESTS, LEVELS)
        if step == STEPS[0]:
            window = self.books.requested(pair, LEVELS, levels)
        else:
            whole = self.merged_window(pair, step)
            bids, asks = whole.bids[:levels], whole.asks[:levels]
            window = BookWindow(pair, bids, asks, 0, whole.last_id)
        return {"ch": f"market.{symbol}.depth.{step}", "tick": image_row(window, self.now_ms())}

    def get_last_trade(self, request: Request) -> Row:
        """Without any trade there is nothing in it."""
        pair, symbol = self.market_pair(request)
        trades = [trades_row(match, "trade-id") for match in self.recent_trades(pair, 1)]
        tick = trades[0] if trades else {"id": 0, "ts": self.now_ms(), "data": []}
        return {"ch": f"market.{symbol}.trade.detail", "tick": tick}

    def get_trades(self, request: Request) -> Row:
        """Newest first."""
        pair, symbol = self.market_pair(request)
        trades = self.recent_trades(pair, request.limit("size", 1, MOST_TRADES))
        rows = [trades_row(match, "trade-id") for match in reversed(trades)]
        return {"ch": f"market.{symbol}.trade.detail", "data": rows}

    def get_candles(self, request: Request) -> Row:
        """Newest first."""
        pair, symbol = self.market_pair(request)
        period = request.string("period")
        interval = request.choice("period", PERIODS)
        count = request.limit("size", CANDLES, MOST_CANDLES)
        candles = self.candles(pair).latest(count, self.now_s(), interval)
        rows = [candle_row(candle) for candle in reversed(candles)]
        return {"ch": f"market.{symbol}.kline.{period}", "data": rows}

    # An account by REST.

    def get_user(self, request: Request, account: Account) -> Row:
        return {"code": 200, "data": USER_ID}

    def get_accounts(self, request: Request, account: Account) -> list[Row]:
        return [{"id": ACCOUNT_ID, "type": "spot", "subtype": "", "state": "working"}]

    def get_balance(self, request: Request, account: Account) -> Row:
        check_account(Params({"account-id": request.string("id")}))
        check_account(request, is_mandatory=False)
        rows = held_rows(account.balances(), self.now_ms())
        data = {"id": ACCOUNT_ID, "type": "spot", "state": "working", "list": rows}
        return {"status": "ok", "data": data}

    def post_order(self, request: Request, account: Account) -> str:
        signing = {name for name in self.signing_params if name not in (request.body or {})}
        sent = {name: value for name, value in request.values.items() if name not in signing}
        return str(self.placed(account, Params(sent)).id)

    def placed(self, account: Account, sent: Params) -> Order:
        """Raises Rejected, having done nothing. A null counts as not sent."""
        order = Params({name: value for name, value in sent.values.items() if value is not None})
        if order.string("type") not in TYPES:
            raise Rejected(INVALID_TYPE, order.string("type"))
        order.only(*ORDER_PARAMS)
        check_account(order)
        order.choice("source", SOURCES, "spot-api")
        order.choice("self-match-prevent", {"0": 0}, 0)
        pair = self.pair_of(order.string("symbol"))
        terms = order_terms(order)
        check_rules(self.venue.symbols[pair], terms)
        return self.place_order(account, pair, terms)

    def post_orders(self, request: Request, account: Account) -> list[Row]:
        """Each is taken or refused by itself."""
        orders = Params({"orders": request.body}).params_list("orders")
        if not 0 < len(orders) <= MOST_ORDERS_AT_ONCE:
            raise Rejected(Reason.ILLEGAL, "orders")
        return [self.place_one_of_many(account, order) for order in orders]

    def place_one_of_many(self, account: Account, order: Params) -> Row:
        sent = {"client-order-id": order.get("client-order-id")}
        named = sent if "client-order-id" in order else {}
        try:
            return {"order-id": self.placed(account, order).id, **named}
        except Rejected as rejected:
            return {**named, **self.refusal_row(rejected)}

    def refusal_row(self, rejected: Rejected) -> Row:
        refusal, message = self.refusal_of(rejected.reason, rejected.detail)
        return {"err-code": refusal.code, "err-msg": message}

    def get_open_orders(self, request: Request, account: Account) -> list[Row]:
        """Newest first. Account and symbol come together, or neither."""
        for name, other in (("account-id", "symbol"), ("symbol", "account-id")):
            if name in request and other not in request:
                raise Rejected(Reason.MISSING, other)
        check_account(request, is_mandatory=False)
        pair = self.optional_pair(request.string("symbol", ""))
        sides = listed(request, "side", SIDES)
        types = listed(request, "types", TYPES)
        size = request.limit("size", 100, 500)
        orders = [
            order
            for order in self.orders_of(account, pair, is_open=True)
            if order.side in sides and order_type(order) in types
        ]
        found = page_of_orders(request, orders, size)
        return [open_order_row(self.symbol(order.symbol), order) for order in found]

    def get_orders(self, request: Request, account: Account) -> list[Row]:
        """Newest first."""
        request["states"]
        states = listed(request, "states", STATES)
        types = listed(request, "types", TYPES)
        window = TimeWindow(request)
        size = request.limit("size", 100, 100)
        pair = self.pair_of(request.string("symbol"))
        orders = [
            order
            for order in self.orders_of(account, pair)
            if order_state(order) in states
            and order_type(order) in types
            and window.has(order.time)
        ]
        found = page_of_orders(request, orders, size)
        return [single_order_row(self.symbol(order.symbol), order) for order in found]

    def get_history(self, request: Request, account: Account) -> Row:
        """Newest first, or by "direct": prev oldest first; where there are more, "next-time" is
        where the next page begins."""
        window = TimeWindow(request)
        size = request.limit("size", 100, 1000, least=10)
        direction = request.choice("direct", DIRECTIONS, "next")
        pair = self.optional_pair(request.string("symbol", ""))
        orders = [order for order in self.orders_of(account, pair) if window.has(order.time)]
        if direction == "next":
            orders.reverse()
        rows = [single_order_row(self.symbol(order.symbol), order) for order in orders[:size]]
        more = {"next-time": milliseconds(orders[size].time)} if len(orders) > size else {}
        return {"status": "ok", "data": rows, **more}

    def get_order(self, request: Request, account: Account) -> Row:
        order = self.find_order(account, order_id=id_in_path(request, "order_id"))
        return {"status": "ok", "data": single_order_row(self.symbol(order.symbol), order)}

    def get_order_by_client_id(self, request: Request, account: Account) -> Row:
        order = self.order_named(account, request.string("clientOrderId"))
        return {"status": "ok", "data": single_order_row(self.symbol(order.symbol), order)}

    def order_named(
        self, account: Account, client_id: str, otherwise: str = Reason.NO_SUCH_ORDER
    ) -> Order:
        """The newest with that id of its client's. Raises Rejected with the reason
        ``otherwise``."""
        order = self.find_order(account, client_id=client_id, otherwise=otherwise)
        if client_order_id(order) != client_id:
            raise Rejected(otherwise)
        return order

    def get_fills_of_order(self, request: Request, account: Account) -> list[Row]:
        """Newest first."""
        order = self.find_order(account, order_id=id_in_path(request, "order_id"))
        fills = self.fills_of(account, order=order)
        return [fill_row(self.symbol(order.symbol), fill) for fill in reversed(fills)]

    def get_fills(self, request: Request, account: Account) -> list[Row]:
        """Newest first; those before the fill "from", or by "direct": prev those after it, oldest
        first."""
        window = TimeWindow(request)
        types = listed(request, "types", TYPES)
        size = request.limit("size", 100, 500)
        start = request.optional_integer("from")
        direction = request.choice("direct", DIRECTIONS, "next")
        pair = self.pair_of(request.string("symbol"))
        known = len(self.venue.fills)
        fills = [
            fill
            for fill in self.fills_of(account, pair, limit=known)
            if order_type(fill.order) in types and window.has(fill.time)
        ]
        found = self.page_of_fills(fills, start, direction)[:size]
        return [fill_row(self.symbol(fill.order.symbol), fill) for fill in found]

    def page_of_fills(self, fills: list[Fill], start: int | None, direction: str) -> list[Fill]:
        if direction == "prev" and start is not None:
            return [fill for fill in fills if fill.trade_id > start]
        return [fill for fill in reversed(fills) if start is None or fill.trade_id < start]

    # Cancels.

    def post_cancel(self, request: Request, account: Account) -> Any:
        """The refusal tells the order's state."""
        self.optional_pair(request.string("symbol", ""))
        order_id = id_in_path(request, "order_id")
        with suppress(Rejected):
            order = self.find_order(account, order_id=order_id)
            if order.is_open and not order.is_cancelling:
                return str(self.cancel_order(account, order_id=order_id).id)
            return self.closed_already(STATE_NUMBER[order_state(order)])
        return self.closed_already(LONG_CLOSED)

    def closed_already(self, state: int) -> Row:
        told = self.refusal_row(Rejected(WRONG_STATE))
        return {"status": "error", **told, "order-state": state}

    def post_cancel_by_client_id(self, request: Request, account: Account) -> int:
        """The state of the newest order with that id."""
        client_id = request.string("client-order-id")
        orders = [order for order in self.orders_of(account) if client_order_id(order) == client_id]
        if not orders:
            return NOT_FOUND
        order = orders[-1]
        if not order.is_open or order.is_cancelling:
            return STATE_NUMBER[order_state(order)]
        self.cancel_order(account, order_id=str(order.id))
        return CANCELING

    def post_cancels(self, request: Request, account: Account) -> Row:
        """By the venue's ids or by the clients' own, not by both."""
        names = [name for name in ("order-ids", "client-order-ids") if name in request]
        if len(names) != 1:
            raise Rejected(Reason.MISSING if not names else Reason.ILLEGAL, "order-ids")
        ids = request.strings(names[0])
        if not 0 < len(ids) <= MOST_CANCELS:
            raise Rejected(Reason.ILLEGAL, names[0])
        success: list[str] = []
        failed: list[Row] = []
        for each in ids:
            refused = self.cancel_one_of_many(account, names[0], each)
            if refused is None:
                success.append(each)
            else:
                failed.append(refused)
        return {"status": "ok", "data": {"success": success, "failed": failed}}

    def cancel_one_of_many(self, account: Account, kind: str, order_id: str) -> Row | None:
        """Why not; None where it is cancelled."""
        by_id = kind == "order-ids"
        try:
            if by_id:
                order = self.find_order(account, order_id=order_id, otherwise=NO_RECORD)
            else:
                order = self.order_named(account, order_id, NO_RECORD)
            if not order.is_open or order.is_cancelling:
                raise Rejected(WRONG_STATE, str(STATE_NUMBER[order_state(order)]))
        except Rejected as refusal:
            state = {"order-state": int(refusal.detail)} if refusal.detail else {}
            named = {
                "order-id": order_id if by_id else "",
                "client-order-id": "" if by_id else order_id,
            }
            return {**self.refusal_row(refusal), **state, **named}
        self.cancel_order(account, order_id=str(order.id))
        return None

    def post_cancel_of_open_orders(self, request: Request, account: Account) -> Row:
        """The oldest first, up to "size"; "next-id" is that of the first that is left."""
        check_account(request, is_mandatory=False)
        pairs = self.pairs_of(request, "symbol")
        sides = listed(request, "side", SIDES)
        types = listed(request, "types", TYPES)
        size = request.limit("size", 100, 100)
        orders = [
            order
            for order in self.orders_of(account, is_open=True)
            if (not pairs or order.symbol in pairs)
            and order.side in sides
            and order_type(order) in types
            and not order.is_cancelling
        ]
        for order in orders[:size]:
            self.cancel_order(account, order_id=str(order.id))
        left = orders[size].id if len(orders) > size else -1
        counts = {"success-count": len(orders[:size]), "failed-count": 0, "next-id": left}
        return {"status": "ok", "data": counts}

    def get_fee_rates(self, request: Request, account: Account) -> Row:
        request["symbols"]
        maker_fee = str(self.venue.maker_fee)
        taker_fee = str(self.venue.taker_fee)
        rows = [
            {
                "symbol": self.symbol(pair),
                "makerFeeRate": maker_fee,
                "takerFeeRate": taker_fee,
                "actualMakerRate": maker_fee,
                "actualTakerRate": taker_fee,
            }
            for pair in self.pairs_of(request, "symbols")
        ]
        return {"code": 200, "data": rows, "success": True}

    def merged_window(self, pair: str, step: str) -> BookWindow:
        tick = self.venue.symbols[pair].price_tick
        merging = tick.scaleb(STEPS.index(step))
        bids, asks = (
            [BookLevel(*level) for level in self.server.book(pair).levels(side)]
            for side in ("buy", "sell")
        )
        return BookWindow(
            pair,
            merged_levels(bids, merging, is_bid=True),
            merged_levels(asks, merging, is_bid=False),
            0,
            self.version(pair),
        )
