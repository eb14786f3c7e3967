"""The REST side of the venue. Source: its public API documentation, REST v3."""

import hashlib
import hmac
import json
import secrets
import time
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from trochil.sandbox.accounts import ZERO, Account
from trochil.sandbox.dialects.binance import rows
from trochil.sandbox.matching import Match, Order
from trochil.sandbox.server import Server
from trochil.sandbox.venue import Rejected

ERRORS = {
    "unknown_symbol": (400, -1121, "Invalid symbol."),
    "market_closed": (400, -2010, "Market is closed."),
    "price_filter": (400, -1013, "Filter failure: PRICE_FILTER"),
    "lot_size": (400, -1013, "Filter failure: LOT_SIZE"),
    "notional": (400, -1013, "Filter failure: NOTIONAL"),
    "would_take": (400, -2010, "Order would immediately match and take."),
    "insufficient_balance": (400, -2010, "Account has insufficient balance for requested action."),
    "duplicate_client_id": (400, -2010, "Duplicate order sent."),
    "unknown_order": (400, -2011, "Unknown order sent."),
    "no_such_order": (400, -2013, "Order does not exist."),
    "bad_key": (401, -2015, "Invalid API-key, IP, or permissions for action."),
    "no_key": (401, -2014, "API-key format invalid."),
    "bad_signature": (400, -1022, "Signature for this request is not valid."),
    "bad_time": (400, -1021, "Timestamp for this request is outside of the recvWindow."),
    "missing": (400, -1102, "Mandatory parameter '{detail}' was not sent, was empty/null, or malformed."),
    "illegal": (400, -1100, "Illegal characters found in parameter '{detail}'."),
    "not_required": (400, -1106, "Parameter '{detail}' sent when not required."),
    "unavailable": (503, -1000, "Service unavailable from a restricted location or overloaded."),
    "timeout": (503, -1007, "Timeout waiting for response from backend server. Send status unknown."),
    "rate_limited": (429, -1003, "Too many requests."),
    "banned": (418, -1003, "Way too many requests; IP banned."),
}
WEIGHTS = {"depth": 5, "exchangeInfo": 20, "ticker/24hr": 80, "account": 20, "myTrades": 20, "openOrders": 6}
WEIGHT_LIMIT = 6000
KINDS = {("POST", "order"): "place", ("DELETE", "order"): "cancel", ("DELETE", "openOrders"): "cancel"}
CLIENT_ID = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
BASE = "/api/v3/"


class Rest:
    """The venue's REST side, over the shared server; the streams stand on the same methods."""

    def __init__(self, server: Server) -> None:
        self.server, self.venue = server, server.venue
        self._weight: dict[int, int] = {}
        self._subscriptions = 0
        self._stale: dict[str, dict[str, Any]] = {}
        self.recent: dict[str, list[Match]] = {}

    def new_keys(self, name: str) -> dict[str, str]:
        return {"api_key": f"sandbox-{name}-{secrets.token_hex(8)}", "api_secret": secrets.token_hex(32)}

    def add_routes(self, app: web.Application) -> None:
        public = {name: getattr(self, f"get_{method}") for name, method in rows.PUBLIC.items()}
        for path, handler in public.items():
            app.router.add_get(BASE + path, self._answering(handler, signed=False))
        for (method, path), name in rows.SIGNED.items():
            app.router.add_route(method, BASE + path, self._answering(getattr(self, name), signed=True))

    async def kind_of(self, request: web.Request) -> str | None:
        if not request.path.startswith(BASE):
            return None
        return KINDS.get((request.method, request.path[len(BASE) :]), "query")

    def error(self, name: str, detail: str = "", retry_after: int = 0) -> web.Response:
        status, code, message = ERRORS[name]
        headers = {"Retry-After": str(retry_after)} if retry_after else {}
        return web.json_response({"code": code, "msg": message.format(detail=detail)}, status=status, headers=headers)

    def _answering(self, handler: Any, signed: bool) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            minute = int(time.time() // 60)
            used = self._weight.get(minute, 0) + WEIGHTS.get(request.path[len(BASE) :], 1)
            self._weight = {minute: used}
            if used > WEIGHT_LIMIT:
                return self.error("rate_limited", retry_after=60 - int(time.time()) % 60)
            raw = request.raw_path.partition("?")[2] + (await request.text())
            params = dict(parse_qsl(raw.replace("?", "&"), keep_blank_values=True)) if raw else {}
            try:
                account = self._verify(request.headers.get("X-MBX-APIKEY", ""), raw, params) if signed else None
                body = handler(params, account) if signed else handler(params)
            except Rejected as refusal:
                return self.error(refusal.why, refusal.detail)
            except KeyError as missing:
                return self.error("missing", str(missing.args[0]))
            except InvalidOperation:
                return self.error("illegal", "quantity")
            return web.json_response(body, headers={"X-MBX-USED-WEIGHT-1M": str(used)})

        return answer

    def _verify(self, key: str, raw: str, params: dict[str, str]) -> Account:
        """The account of a signed request; the signature covers the bytes as they came."""
        if not key:
            raise Rejected("no_key")
        account = self.server.account_of_key(key)
        if account is None:
            raise Rejected("bad_key")
        payload, _, signature = raw.rpartition("&signature=")
        self._check(account, payload, signature, params)
        return account

    def _check(self, account: Account, payload: str, signature: str, params: dict[str, Any]) -> None:
        expected = hmac.new(account.keys["api_secret"].encode(), payload.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, signature.lower()):
            raise Rejected("bad_signature")
        stamp, now = int(params["timestamp"]), self.server.now_ns() // 1_000_000
        stamp = stamp // 1000 if stamp > 10**14 else stamp
        if not -float(params.get("recvWindow", 5000)) <= stamp - now < 1000:
            raise Rejected("bad_time")

    def pair(self, symbol: str) -> str:
        for pair in self.venue.symbols:
            if pair.replace("-", "") == symbol:
                return pair
        raise Rejected("unknown_symbol")

    # Public REST.

    def get_ping(self, params: dict[str, str]) -> Any:
        return {}

    def get_time(self, params: dict[str, str]) -> Any:
        return {"serverTime": self.server.now_ns() // 1_000_000}

    def get_exchange_info(self, params: dict[str, str]) -> Any:
        wanted = (
            json.loads(params["symbols"]) if "symbols" in params else [params["symbol"]] if "symbol" in params else None
        )
        pairs = list(self.venue.symbols) if wanted is None else [self.pair(symbol) for symbol in wanted]
        return rows.exchange_info([self.venue.symbols[pair] for pair in pairs], self.server.now_ns())

    def get_depth(self, params: dict[str, str]) -> Any:
        pair, limit = self.pair(params["symbol"]), int(params.get("limit", 100))
        if self.server.replay is not None:
            last, bids, asks = self.server.replay.snapshot()
            return {"lastUpdateId": last, "bids": bids, "asks": asks}
        fresh = rows.depth(self.server.book(pair), limit)
        if self.server.faults.hits("stale_snapshot") and pair in self._stale:
            return self._stale[pair]
        self._stale[pair] = fresh
        return fresh

    def get_aggregate_trades(self, params: dict[str, str]) -> Any:
        pair = self.pair(params["symbol"])
        found = [rows.aggregate_trade(match) for match in self.recent.get(pair, [])]
        return found[-int(params.get("limit", 500)) :]

    def get_trades(self, params: dict[str, str]) -> Any:
        return list(self._recent(self.pair(params["symbol"])))[-int(params.get("limit", 500)) :]

    def _recent(self, pair: str) -> list[dict[str, Any]]:
        return [rows.public_trade(match) for match in self.recent.get(pair, [])]

    def get_ticker(self, params: dict[str, str]) -> Any:
        if "symbol" in params:
            return self._ticker(self.pair(params["symbol"]))
        return [self._ticker(pair) for pair in self.venue.symbols]

    def _ticker(self, pair: str) -> dict[str, Any]:
        book = self.server.book(pair)
        return rows.ticker(
            pair, book, self.venue.last_price.get(pair, ZERO), self.venue.volume[pair], self.server.now_ns()
        )

    def get_klines(self, params: dict[str, str]) -> Any:
        return rows.klines(self.recent.get(self.pair(params["symbol"]), []))

    # Signed REST, also behind the websocket API.

    def place(self, params: dict[str, str], account: Account) -> Any:
        order = self._take_order(params, account)
        return rows.order_answer(order, self._fills_of(order))

    def _take_order(self, params: dict[str, str], account: Account) -> Order:
        kind, client = params["type"], params.get("newClientOrderId", "")
        if client and (len(client) > 36 or not set(client) <= CLIENT_ID):
            raise Rejected("illegal", "newClientOrderId")
        if kind != "LIMIT" and "timeInForce" in params:
            raise Rejected("not_required", "timeInForce")
        quote = params.get("quoteOrderQty")
        return self.venue.place(
            account,
            self.pair(params["symbol"]),
            params["side"].lower(),
            {"LIMIT": "limit", "LIMIT_MAKER": "post_only", "MARKET": "market"}[kind],
            ZERO if quote else Decimal(params["quantity"]),
            None if kind == "MARKET" else Decimal(params["price"]),
            self.server.now_ns(),
            tif=params["timeInForce"] if kind == "LIMIT" else "GTC",
            client_id=client,
            quote_amount=Decimal(quote) if quote else None,
        )

    def test(self, params: dict[str, str], account: Account) -> Any:
        return {}

    def _find(self, params: dict[str, str], account: Account, why: str) -> Order:
        pair, client = self.pair(params["symbol"]), params.get("origClientOrderId")
        wanted = int(params["orderId"]) if params.get("orderId") else None
        if wanted is None and client is None:
            raise Rejected("missing", "orderId")
        for order in reversed(self.venue.orders.values()):
            if order.account is account and order.symbol == pair and (order.id == wanted or order.client_id == client):
                return order
        raise Rejected(why)

    def cancel(self, params: dict[str, str], account: Account) -> Any:
        order = self._find(params, account, "unknown_order")
        request_id = params.get("newClientOrderId") or f"cancel{order.id}"
        self.venue.cancel(order, self.server.now_ns(), request_id)
        return rows.order_row(order) | {"clientOrderId": request_id, "origClientOrderId": order.client_id}

    def status(self, params: dict[str, str], account: Account) -> Any:
        order = self._find(params, account, "no_such_order")
        if self.server.now_ns() - order.time < self.server.faults.seconds("delayed_visibility") * 1e9:
            raise Rejected("no_such_order")
        return rows.order_row(order)

    def _of(self, params: dict[str, str], account: Account) -> list[Order]:
        pair = self.pair(params["symbol"]) if "symbol" in params else None
        return [o for o in self.venue.orders.values() if o.account is account and pair in (None, o.symbol)]

    def open_orders(self, params: dict[str, str], account: Account) -> Any:
        return [rows.order_row(order) for order in self._of(params, account) if order.is_open]

    def all_orders(self, params: dict[str, str], account: Account) -> Any:
        return [rows.order_row(order) for order in self._of(params, account)][-int(params.get("limit", 500)) :]

    def cancel_all(self, params: dict[str, str], account: Account) -> Any:
        orders = [order for order in self._of({"symbol": params["symbol"]}, account) if order.is_open]
        if not orders:
            raise Rejected("unknown_order")
        for order in orders:
            self.venue.cancel(order, self.server.now_ns(), f"cancel{order.id}")
        return [
            rows.order_row(o) | {"clientOrderId": f"cancel{o.id}", "origClientOrderId": o.client_id} for o in orders
        ]

    def my_trades(self, params: dict[str, str], account: Account) -> Any:
        pair, order_id = self.pair(params["symbol"]), int(params.get("orderId") or 0)
        first, start = int(params.get("fromId") or 0), int(params.get("startTime") or 0) * 1_000_000
        found = [
            fill
            for fill in self.venue.fills
            if fill.order.account is account
            and fill.order.symbol == pair
            and order_id in (0, fill.order.id)
            and fill.trade_id >= first
            and fill.time >= start
        ]
        return [rows.fill_row(fill) for fill in found[: int(params.get("limit", 500))]]

    def account(self, params: dict[str, str], account: Account) -> Any:
        return rows.account(account, self.venue, self.server.now_ns())

    def commission(self, params: dict[str, str], account: Account) -> Any:
        return {"symbol": params["symbol"], "standardCommission": rows.rates(self.venue)}

    def order_counts(self, params: dict[str, str], account: Account) -> Any:
        return [{"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50, "count": 0}]

    def _fills_of(self, order: Order) -> list[Any]:
        return [fill for fill in self.venue.fills[-200:] if fill.order is order]
