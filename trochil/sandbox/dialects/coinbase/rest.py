"""Coinbase Exchange by REST."""

import re
from collections.abc import Mapping
from contextlib import suppress
from decimal import ROUND_DOWN, Decimal
from math import ceil
from typing import Any, ClassVar

from aiohttp import web

from trochil.sandbox.candles import Interval
from trochil.sandbox.dialect import (
    BaseDialect,
    OrderTerms,
    PublicRoute,
    Route,
    Row,
    Side,
    SignedRoute,
)
from trochil.sandbox.dialects.coinbase import rows
from trochil.sandbox.dialects.coinbase.requests import (
    BAD_REQUEST,
    BAD_STEP,
    NOT_SUBSCRIBED,
    ORDER_PARAMS,
    PAGE,
    SORT_KEYS,
    STATUSES,
    NewOrder,
    candle_time_s,
    check_terms,
    good_for_s,
    order_terms,
    page_of,
    sent_body,
    sent_query,
    sort_value,
    span_of,
)
from trochil.sandbox.dialects.coinbase.rows import NO_DETAILS, OrderDetails
from trochil.sandbox.formats import decimal_text, iso_time, seconds_text, uuid_of
from trochil.sandbox.market.accounts import ZERO, Account
from trochil.sandbox.market.matching import Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Fill, Rejected
from trochil.sandbox.refusals import Refusal
from trochil.sandbox.requests import Params, Request
from trochil.sandbox.server import Server

MOST_CANDLES = 300
GRANULARITIES = (60, 300, 900, 3600, 21600, 86400)
SMALLEST_FUNDS = Decimal("0.00000001")

ACCESS_HEADERS = {
    "key": "CB-ACCESS-KEY",
    "signature": "CB-ACCESS-SIGN",
    "timestamp": "CB-ACCESS-TIMESTAMP",
    "passphrase": "CB-ACCESS-PASSPHRASE",
}
REJECTED = "rejected"
"""The code of a refusal that is answered with HTTP 200 and an order of this status."""
BAD_ORDER_ID = "bad_order_id"
NO_PRODUCT = "no_product"
BAD_GRANULARITY = "bad_granularity"
TOO_MANY_CANDLES = "too_many_candles"
MALFORMED = "malformed"
"""A message on the socket that is no JSON object."""


class CoinbaseRest(BaseDialect):
    """Names, keys and refusals, and what the venue answers by REST."""

    name = "coinbase"
    foreign_clients = ("cbpro", "ccxt")
    takes_forms = False
    order_ids_are_uuids = True
    pairs = ("BTC-USD", "ETH-USD", "SOL-USD", "ETH-BTC")
    fee_in_quote = True
    keeps_own_orders_apart = True
    extra_key_fields = ("passphrase",)
    secrets_are_base64 = True
    client_id_form = re.compile(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    )
    refusals: ClassVar[Mapping[str, Refusal]] = {
        Reason.UNKNOWN_PATH: Refusal(404, message="NotFound"),
        Reason.UNKNOWN_SYMBOL: Refusal(404, message="NotFound"),
        Reason.UNKNOWN_ORDER: Refusal(404, message="order not found"),
        Reason.NO_SUCH_ORDER: Refusal(404, message="NotFound"),
        Reason.MARKET_CLOSED: Refusal(400, message="Trading pair not available"),
        Reason.PRICE_FILTER: Refusal(400, message="price is too accurate"),
        Reason.LOT_SIZE: Refusal(400, message="size is too accurate"),
        Reason.NOTIONAL: Refusal(400, message="funds is too small"),
        Reason.INSUFFICIENT_BALANCE: Refusal(400, message="Insufficient funds"),
        Reason.DUPLICATE_CLIENT_ID: Refusal(400, message="client_oid is a duplicate"),
        Reason.BAD_CLIENT_ID: Refusal(400, message="Invalid {}"),
        Reason.WOULD_TAKE: Refusal(200, REJECTED, "post only"),
        Reason.NOT_OPEN: Refusal(400, message="Order already done"),
        Reason.BAD_TIME: Refusal(400, message="request timestamp expired"),
        Reason.MISSING: Refusal(400, message="{} is required"),
        Reason.ILLEGAL: Refusal(400, message="Invalid {}"),
        Reason.NOT_REQUIRED: Refusal(400, message="{} is not allowed for this order"),
        Reason.UNKNOWN_PARAMETER: Refusal(400, message="Invalid {}"),
        Reason.DOUBLED_PARAMETER: Refusal(400, message="Invalid {}"),
        Reason.UNKNOWN_METHOD: Refusal(
            400, message="Type has to be either subscribe or unsubscribe"
        ),
        Reason.UNKNOWN_TOPIC: Refusal(400, message="{} is not a valid channel"),
        Reason.NO_KEY: Refusal(401, message="{} header is required"),
        Reason.BAD_KEY: Refusal(401, message="Invalid API Key"),
        Reason.BAD_PASSPHRASE: Refusal(401, message="Invalid Passphrase"),
        Reason.BAD_SIGNATURE: Refusal(401, message="invalid signature"),
        Reason.UNAVAILABLE: Refusal(503),
        Reason.RATE_LIMITED: Refusal(429, message="Private rate limit exceeded"),
        BAD_REQUEST: Refusal(400, message="Bad Request"),
        BAD_ORDER_ID: Refusal(400, message="Invalid order id"),
        NO_PRODUCT: Refusal(400, message="Product not found"),
        BAD_STEP: Refusal(400, message="{}"),
        BAD_GRANULARITY: Refusal(400, message="Unsupported granularity"),
        TOO_MANY_CANDLES: Refusal(
            400,
            message="granularity too small for the requested time range. "
            "Count of aggregations requested exceeds {}",
        ),
        NOT_SUBSCRIBED: Refusal(400, message="{}"),
        MALFORMED: Refusal(400, message="Malformed JSON"),
    }

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._details: dict[int, OrderDetails] = {}

    def routes(self) -> list[Route]:
        return [*self.public_routes(), *self.order_routes(), *self.account_routes()]

    def public_routes(self) -> list[Route]:
        product = "/products/{product}"
        return [
            PublicRoute("GET", "/time", self.get_time, params=()),
            PublicRoute("GET", "/currencies", self.get_currencies, params=()),
            PublicRoute("GET", "/currencies/{currency}", self.get_currency, params=()),
            PublicRoute("GET", "/products", self.get_products, params=("type",)),
            PublicRoute("GET", "/products/stats", self.get_all_stats, params=()),
            PublicRoute("GET", product, self.get_product, params=()),
            PublicRoute("GET", f"{product}/stats", self.get_stats, params=()),
            PublicRoute("GET", f"{product}/ticker", self.get_ticker, params=()),
            PublicRoute("GET", f"{product}/trades", self.get_trades, params=PAGE),
            PublicRoute(
                "GET",
                f"{product}/book",
                self.get_book,
                params=("level",),
                gives_book=self.server.replay is None,
            ),
            PublicRoute(
                "GET",
                f"{product}/candles",
                self.get_candles,
                params=("granularity", "start", "end"),
            ),
        ]

    def order_routes(self) -> list[Route]:
        by_client_id = "/orders/client:{client_oid}"
        find = ("market_type",)
        return [
            SignedRoute("POST", "/orders", self.post_order, kind="place"),
            SignedRoute(
                "GET",
                "/orders",
                self.get_orders,
                params=(
                    *PAGE,
                    "product_id",
                    "profile_id",
                    "status",
                    "sortedBy",
                    "sorting",
                    "start_date",
                    "end_date",
                    "market_type",
                ),
                repeated=("status",),
            ),
            SignedRoute("DELETE", "/orders", self.delete_orders, kind="cancel"),
            SignedRoute("GET", by_client_id, self.get_order_by_client_id, params=find),
            SignedRoute("GET", "/orders/{id}", self.get_order, params=find),
            SignedRoute("DELETE", by_client_id, self.delete_order_by_client_id, kind="cancel"),
            SignedRoute("DELETE", "/orders/{id}", self.delete_order, kind="cancel"),
            SignedRoute(
                "GET",
                "/fills",
                self.get_fills,
                params=(
                    *PAGE,
                    "order_id",
                    "product_id",
                    "profile_id",
                    "start_date",
                    "end_date",
                    "market_type",
                ),
            ),
        ]

    def account_routes(self) -> list[Route]:
        return [
            SignedRoute("GET", "/accounts", self.get_accounts, params=()),
            SignedRoute("GET", "/accounts/", self.get_accounts, params=()),
            SignedRoute("GET", "/accounts/{id}", self.get_account, params=()),
            SignedRoute("GET", "/fees", self.get_fees, params=()),
        ]

    def symbol(self, pair: str) -> str:
        return pair

    def pair_of(self, symbol: str) -> str:
        """In upper or lower case."""
        return super().pair_of(symbol.upper())

    def refusal_of(self, reason: str, detail: str = "") -> tuple[Refusal, str]:
        """A body that can't be read is a bad request."""
        if (reason, detail) == (Reason.ILLEGAL, "body"):
            return super().refusal_of(BAD_REQUEST)
        return super().refusal_of(reason, detail)

    def error_body(self, code: int | str, message: str, request: Request | None) -> Any:
        """A rejected order is shown with what its client sent."""
        if code != REJECTED:
            return {"message": message}
        sent = request.body if request is not None and isinstance(request.body, dict) else {}
        return sent | rows.rejected_row(message, self.server.now_ns())

    def verify(self, request: Request) -> Account:
        for header in ACCESS_HEADERS.values():
            if not request.header(header):
                raise Rejected(Reason.NO_KEY, header)
        signed = {field: request.header(ACCESS_HEADERS[field]) for field in ACCESS_HEADERS}
        payload = request.method + request.target + request.text
        return self.signed_account(payload, Params(signed))

    def signed_account(self, payload: str, signed: Params) -> Account:
        """The account that signed the payload behind its timestamp (Unix seconds)."""
        timestamp = signed.string("timestamp")
        return self.signing_account(
            api_key=signed.string("key"),
            signature=signed.string("signature"),
            payload=f"{timestamp}{payload}",
            encoding="base64",
            signed_at_s=float(signed.decimal("timestamp")),
            passphrase=signed.string("passphrase"),
        )

    # Public data by REST.

    def get_time(self, request: Request) -> Row:
        now_ns = self.server.now_ns()
        return {"iso": rows.short_time(now_ns), "epoch": float(seconds_text(now_ns))}

    def get_currencies(self, request: Request) -> list[Row]:
        steps = self.currency_steps()
        return [rows.currency_row(asset, steps[asset]) for asset in sorted(steps)]

    def get_currency(self, request: Request) -> Row:
        asset = request.string("currency")
        steps = self.currency_steps()
        if asset not in steps:
            raise Rejected(Reason.UNKNOWN_PATH)
        return rows.currency_row(asset, steps[asset])

    def currency_steps(self) -> dict[str, Decimal]:
        """Of each asset of a product: the smallest amount of it."""
        steps: dict[str, Decimal] = {}
        for symbol in self.markets():
            steps.setdefault(symbol.quote, symbol.price_tick)
        for symbol in self.markets():
            steps[symbol.base] = symbol.size_step
        return steps

    def get_products(self, request: Request) -> list[Row]:
        if request.get("type", rows.MARKET_TYPE) != rows.MARKET_TYPE:
            raise Rejected(Reason.ILLEGAL, "type")
        return [rows.product_row(symbol) for symbol in self.markets()]

    def get_product(self, request: Request) -> Row:
        pair = self.pair_of(request.string("product"))
        return rows.product_row(self.venue.symbols[pair])

    def get_all_stats(self, request: Request) -> dict[str, Row]:
        pairs = [symbol.pair for symbol in self.markets()]
        return {pair: rows.all_stats_row(self.market_stats(pair).day) for pair in pairs}

    def get_stats(self, request: Request) -> Row:
        return rows.stats_row(self.market_stats(self.pair_of(request.string("product"))).day)

    def get_ticker(self, request: Request) -> Row:
        pair = self.pair_of(request.string("product"))
        last = self.recent_trades(pair, 1)
        now_ns = self.server.now_ns()
        return rows.ticker_row(self.market_stats(pair), last[0] if last else None, now_ns)

    def get_trades(self, request: Request) -> web.Response:
        """Newest first, as far as the sandbox remembers them."""
        pair = self.pair_of(request.string("product"))
        trades = reversed(self.recent_trades(pair))
        return page_of(request, [(match.id, rows.trade_row(match)) for match in trades])

    def get_candles(self, request: Request) -> list[list[int | float]]:
        """Newest first, without those that have no trades; the last 300 where no time is named."""
        pair = self.pair_of(request.string("product"))
        span_s = request.integer("granularity", GRANULARITIES[0])
        if span_s not in GRANULARITIES:
            raise Rejected(BAD_GRANULARITY)
        last_s = candle_time_s(request, "end", self.server.now_ns() / 1e9)
        first_s = candle_time_s(request, "start", last_s - span_s * MOST_CANDLES)
        if (last_s - first_s) / span_s > MOST_CANDLES:
            raise Rejected(TOO_MANY_CANDLES, str(MOST_CANDLES))
        until_s = min(int(last_s), self.now_s())
        found = [*self.candles(pair).between(ceil(first_s), until_s, Interval(span_s))]
        return [rows.candle_row(candle) for candle in reversed(found) if candle.count]

    def get_book(self, request: Request) -> Row:
        """Level 1: the best of each side; 2: all; 3: every order."""
        pair = self.pair_of(request.string("product"))
        level = request.integer("level", 1)
        if level not in (1, 2, 3):
            raise Rejected(Reason.ILLEGAL, "level")
        self.server.snapshot_requested(pair)
        return {
            "bids": self.book_side(pair, "buy", level),
            "asks": self.book_side(pair, "sell", level),
            "sequence": self.numbers[pair],
            "auction_mode": False,
            "auction": None,
            "time": iso_time(self.server.now_ns()),
        }

    def book_side(self, pair: str, side: Side, level: int) -> list[list[Any]]:
        if level == 3:
            return [rows.resting_row(order) for order in self.books.resting_orders(pair, side)]
        book = self.server.book(pair)
        levels = book.levels(side)
        shown = levels[:1] if level == 1 else levels
        return [
            [decimal_text(price), decimal_text(size), len(book.sides[side][price].orders)]
            for price, size in shown
        ]

    # An account by REST.

    def post_order(self, request: Request, account: Account) -> Row:
        new = self.new_order(sent_body(request), account)
        order = self.place_order(account, new.pair, new.terms)
        details = OrderDetails(
            expires=order.time + new.good_for_s * 10**9 if new.good_for_s else 0,
            specified_funds=new.specified_funds,
        )
        if details != NO_DETAILS:
            self._details[order.id] = details
        if new.good_for_s:
            self.server.call_later(new.good_for_s, self._expire, order)
        return rows.placed_row(order, details)

    def new_order(self, body: Params, account: Account) -> NewOrder:
        body.only(*ORDER_PARAMS)
        self.check_profile(body, account)
        terms = order_terms(body, body.client_id("client_oid", self.client_id_form))
        seconds = good_for_s(body)
        pair = self.product_of(body.string("product_id"))
        symbol = self.venue.symbols[pair]
        check_terms(symbol, terms, self.venue.last_price.get(pair))
        funds = terms.quote_amount or ZERO
        return NewOrder(pair, self.without_fee(terms), seconds, funds)

    def product_of(self, name: str) -> str:
        """The pair of a product that an order names."""
        try:
            return self.pair_of(name)
        except Rejected:
            raise Rejected(NO_PRODUCT) from None

    def without_fee(self, terms: OrderTerms) -> OrderTerms:
        """The funds of a buyer pay the fee too."""
        if terms.quote_amount is None or terms.side == "sell":
            return terms
        funds = terms.quote_amount / (1 + self.venue.taker_fee)
        return OrderTerms(
            side=terms.side,
            kind=terms.kind,
            amount=None,
            quote_amount=funds.quantize(SMALLEST_FUNDS, ROUND_DOWN),
            client_id=terms.client_id,
        )

    def _expire(self, order: Order) -> None:
        with suppress(Rejected):  # it was done already
            self.venue.cancel(order, self.server.now_ns())

    def check_profile(self, params: Params, account: Account) -> None:
        """A key is of one profile."""
        if params.get("profile_id", rows.profile_id(account)) != rows.profile_id(account):
            raise Rejected(Reason.ILLEGAL, "profile_id")

    def check_market_type(self, params: Params) -> None:
        if params.get("market_type", rows.MARKET_TYPE) != rows.MARKET_TYPE:
            raise Rejected(Reason.ILLEGAL, "market_type")

    def details(self, order: Order) -> OrderDetails:
        return self._details.get(order.id, NO_DETAILS)

    def get_orders(self, request: Request, account: Account) -> web.Response:
        """The open ones, unless "status" names others."""
        pair = self.optional_pair(request.string("product_id", ""))
        self.check_profile(request, account)
        self.check_market_type(request)
        statuses = request.string("status", "open,pending").split(",")
        for status in statuses:
            if status not in STATUSES:
                raise Rejected(Reason.ILLEGAL, "status")
        key = request.choice("sortedBy", dict(zip(SORT_KEYS, SORT_KEYS, strict=True)), "created_at")
        ascending = request.choice("sorting", {"asc": 1, "desc": -1}, -1) == 1
        if key != "created_at" and ("before" in request or "after" in request):
            raise Rejected(Reason.ILLEGAL, "sortedBy")
        shown = {True: {"open", "all"}, False: {"done", "all"}}
        first_ns, last_ns = span_of(request)
        orders = [
            order
            for order in self.orders_of(account, pair)
            if shown[order.is_open].intersection(statuses) and first_ns <= order.time <= last_ns
        ]
        orders.sort(key=lambda order: (sort_value(order, key), order.id), reverse=not ascending)
        found = [(order.id, rows.order_row(order, self.details(order))) for order in orders]
        return page_of(request, found, ascending=ascending)

    def get_order(self, request: Request, account: Account) -> Row:
        self.check_market_type(request)
        order = self.find_order(account, order_id=self.order_id(request))
        return rows.order_row(order, self.details(order))

    def get_order_by_client_id(self, request: Request, account: Account) -> Row:
        self.check_market_type(request)
        order = self.find_order(account, client_id=self.client_oid(request))
        return rows.order_row(order, self.details(order))

    def order_id(self, params: Params, name: str = "id") -> str:
        value = params.string(name)
        if not rows.UUID_FORM.fullmatch(value):
            raise Rejected(BAD_ORDER_ID)
        return value

    def client_oid(self, request: Request) -> str:
        return request.client_id("client_oid", self.client_id_form)

    def delete_order(self, request: Request, account: Account) -> str:
        return self._delete(request, account, order_id=self.order_id(request))

    def delete_order_by_client_id(self, request: Request, account: Account) -> str:
        return self._delete(request, account, client_id=self.client_oid(request))

    def _delete(
        self, request: Request, account: Account, *, order_id: str = "", client_id: str = ""
    ) -> str:
        """The id by which an order was cancelled. A product of another name has no such order."""
        product = self._product_to_cancel(request, account)
        order = self.find_order(
            account, order_id=order_id, client_id=client_id, otherwise=Reason.UNKNOWN_ORDER
        )
        if product not in ("", order.symbol):
            raise Rejected(Reason.UNKNOWN_ORDER)
        self.cancel_order(account, order_id=order_id, client_id=client_id)
        return order_id or client_id

    def _product_to_cancel(self, request: Request, account: Account) -> str:
        """The pair that a DELETE names in its query, or in a body, as some clients do, with a slash
        in its name; "" for none."""
        query = sent_query(request)
        body = Params(request.body) if isinstance(request.body, dict) else Params({})
        for params in (query, body):
            params.only("product_id", "profile_id")
            self.check_profile(params, account)
        product = query.string("product_id", "") or body.string("product_id", "").replace("/", "-")
        return self.optional_pair(product) or ""

    def delete_orders(self, request: Request, account: Account) -> list[str]:
        product = self._product_to_cancel(request, account)
        return [uuid_of(order.id) for order in self.cancel_orders(account, product or None)]

    def get_accounts(self, request: Request, account: Account) -> list[Row]:
        return [rows.account_row(account, balance) for balance in account.balances()]

    def get_account(self, request: Request, account: Account) -> Row:
        for row in self.get_accounts(request, account):
            if row["id"] == request.string("id"):
                return row
        raise Rejected(Reason.UNKNOWN_PATH)

    def get_fees(self, request: Request, account: Account) -> Row:
        fills = [fill for fill in self.venue.fills if fill.order.account is account]
        dollars = [f.value for f in fills if f.order.symbol.endswith(rows.DOLLARS)]
        return rows.fees_row(self.venue.maker_fee, self.venue.taker_fee, sum(dollars, ZERO))

    def get_fills(self, request: Request, account: Account) -> web.Response:
        """Newest first, of an order or of a product."""
        if "order_id" not in request and "product_id" not in request:
            raise Rejected(Reason.MISSING, "order_id or product_id")
        self.check_profile(request, account)
        self.check_market_type(request)
        pair = self.optional_pair(request.string("product_id", ""))
        order = None
        if "order_id" in request:
            order = self.find_order(account, order_id=self.order_id(request, "order_id"))
        first_ns, last_ns = span_of(request)
        found = [
            (fill.trade_id, rows.fill_row(fill))
            for fill in reversed(self.all_fills(account, pair, order))
            if first_ns <= fill.time <= last_ns
        ]
        return page_of(request, found)

    def all_fills(self, account: Account, pair: str | None, order: Order | None) -> list[Fill]:
        return self.fills_of(account, pair, order=order, limit=len(self.venue.fills))
