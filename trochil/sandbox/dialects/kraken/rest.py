"""Kraken spot by REST v0."""

from bisect import bisect_right
from secrets import token_hex
from time import gmtime, strftime

from trochil.sandbox.candles import Interval
from trochil.sandbox.dialect import RECENT, PublicRoute, Route, Row, SignedRoute
from trochil.sandbox.dialects.kraken.orders import (
    MOST_CANCELLED,
    MOST_CANDLES,
    MOST_TIMEOUT_S,
    UNKNOWN_ASSET,
    KrakenOrders,
)
from trochil.sandbox.dialects.kraken.requests import (
    BATCH_ORDER_PARAMS,
    CANDLE_MINUTES,
    DEFAULT_MINUTES,
    ORDER_PARAMS,
    batch_of,
    flag,
    id_list,
    listed_ids,
    order_ticket,
    trade_time_ns,
    user_reference,
)
from trochil.sandbox.dialects.kraken.rows import (
    ORDER_ID,
    asset_code,
    asset_pair_row,
    asset_row,
    candle_row,
    depth_row,
    execution_id,
    extended_balance_row,
    fee_row,
    fill_row,
    ledger_id_of,
    old_name,
    order_id,
    order_row,
    pair_key,
    public_trade_row,
    sent_client_id,
    ticker_row,
    whole_seconds,
)
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Fill, Rejected, Symbol
from trochil.sandbox.requests import Request

ROWS_PER_PAGE = 50
MOST_DEPTH = 500
DEFAULT_DEPTH = 100
MOST_TRADES = 1000
MOST_ORDERS_QUERIED = 50
MOST_TRADES_QUERIED = 20
TOKEN_SECONDS = 900
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


class KrakenRest(KrakenOrders):
    """What the venue answers by REST."""

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
            rows[name] = ticker_row(self.market_stats(symbol.pair))
        return rows

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
        interval = Interval(minutes * 60)
        candles = self.candles(pair).latest(MOST_CANDLES, self.now_s(), interval)
        last_s = candles[-2].begin if len(candles) > 1 else 0
        rows = [candle_row(candle) for candle in candles if candle.begin > since_s]
        return {self.row_name(name): rows, "last": last_s}

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
        timeout_s = request.integer("timeout")
        if timeout_s > MOST_TIMEOUT_S:
            raise Rejected(Reason.ILLEGAL, "timeout")
        return self.cancel_after(account, timeout_s)

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
            if (not client_id or (sent_client_id(order) == client_id and order.time <= visible_ns))
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
