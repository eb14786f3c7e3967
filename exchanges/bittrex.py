"""Bittrex, closed in 2023, as the documentation of its API v3 described it (REST v3, SignalR hub c3)."""

from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from typing import Any

from msgspec import Raw, Struct, json

from exchanges import contract as c, orders as o, reading as r, signalr
from exchanges.signing import hmac_hex, sha512_hex, uuid_of
from orderbook.messages import BookDiff, FeedInterrupted, Layout, OrderBookMessage

HUB, PAGE, HOUR = "c3", 200, 3600 * 10**9
UNUSED = ("R", "heartbeat", "ticker", "tickers", "candle", "marketSummary", "marketSummaries")
TIFS = {"GTC": "GOOD_TIL_CANCELLED", "IOC": "IMMEDIATE_OR_CANCEL", "FOK": "FILL_OR_KILL"}
ORDER = """marketSymbol status id fillQuantity proceeds direction quantity|fillQuantity limit| type clientOrderId|
    closedAt|updatedAt|createdAt"""
FILL = "marketSymbol id orderId rate quantity commission quote !isTaker side| executedAt"  # the order says the side
TRADE = "marketSymbol id rate quantity takerSide executedAt"


class BittrexAuth(c.Auth):
    def sign(self, ask: c.UnsignedRequest, now: float) -> c.AuthDict:
        stamp, digest = str(int(now * 1000)), sha512_hex(ask.data)
        headers = {"Api-Key": self.api_key, "Api-Timestamp": stamp, "Api-Content-Hash": digest}
        return ask.signed(
            headers | {"Api-Signature": self.proof(stamp + ask.url + ask.method + digest)}
        )

    def proof(self, text: str) -> str:
        return hmac_hex(self._secrets[0], text, "sha512")

    def login(self, now: float) -> c.Frame:
        """The time, a content that is never used twice, and a proof of both."""
        content = uuid_of(stamp := int(now * 1000))
        return signalr.invoke(
            HUB, "Authenticate", self.api_key, stamp, content, self.proof(f"{stamp}{content}")
        )


class Deltas(Struct, gc=False):
    marketSymbol: str
    sequence: int
    bidDeltas: Raw
    askDeltas: Raw


class BittrexBook(c.BookFeed):
    """The 500 best levels a side: deltas by stream, the snapshot by REST; one sequence joins them."""

    def handshake(self) -> c.Handshake:
        self._last: dict[str, int] = {}
        return signalr.negotiate(HUB, "public")

    def markets(self) -> c.Call[list[o.MarketSummary]]:
        return c.get("/v3/markets/summaries", r.each(summary_of), calls=1)

    def trading_rules(self) -> c.Call[list[o.TradingRule]]:
        return c.get("/v3/markets", r.each(rule_of), calls=1)

    def snapshot(self, symbol: str) -> c.Call[Any]:
        read = r.image(symbol, "bid ask", header="sequence", layout=Layout.SIZE_FIRST)
        # The depth must be that of the stream: each depth has a sequence of its own.
        return c.get(f"/v3/markets/{symbol}/orderbook", read, {"depth": "500"}, calls=1)

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[c.Frame]:
        streams = [
            name for symbol in symbols for name in (f"orderbook_{symbol}_500", f"trade_{symbol}")
        ]
        yield signalr.invoke(HUB, "Subscribe" if on else "Unsubscribe", streams)

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | c.Control]:
        for name, content in signalr.said_in(frame, ERRORS):
            if name == "orderBook":
                yield from self._diff(json.decode(content, type=Deltas))
            elif name == "trade":
                told = json.decode(content)
                yield from (r.read_trade(row | told, TRADE) for row in told["deltas"])
            elif name == "E":
                yield content
            elif name not in UNUSED:
                raise ValueError(f"a frame of no known form: {frame[:120]!r}")

    def _diff(self, told: Deltas) -> Iterable[OrderBookMessage]:
        symbol, number = told.marketSymbol, told.sequence
        if number < self._last.get(symbol, 0):
            yield FeedInterrupted(symbol, "its sequence begins again")
        self._last[symbol] = number
        yield BookDiff(
            symbol,
            bytes(told.bidDeltas),
            bytes(told.askDeltas),
            number,
            number,
            layout=Layout.SIZE_FIRST,
        )


def summary_of(row: r.Row) -> o.MarketSummary:
    # The summaries have no last price; the day's average stands for it.
    volume, quote = Decimal(row["volume"]), Decimal(row["quoteVolume"])
    return o.MarketSummary(
        row["symbol"], quote / volume if volume else Decimal(row["high"]), volume, quote
    )


def rule_of(row: r.Row) -> o.TradingRule:
    row, active = (
        row | {"tick": f"1E-{row['precision']}", "step": "1E-8", "most": ""},
        row["status"] == "ONLINE",
    )
    return r.read_rule(
        row,
        "symbol baseCurrencySymbol quoteCurrencySymbol tick step minTradeSize most",
        active=active,
    )


class BittrexUser(c.UserFeed):
    """Orders, executions and balances, each in a sequence of its own; the login lasts ten minutes."""

    def handshake(self) -> c.Handshake:
        self._last: dict[str, int] = {}
        return signalr.negotiate(HUB, "private")

    def parse(self, frame: bytes) -> Iterable[c.UserEvent | c.Control]:
        for name, content in signalr.said_in(frame, ERRORS):
            match name, content:
                case "E", fault:
                    yield fault
                case "R", list():
                    yield c.Ready()
                case "R", _:
                    yield c.Send(signalr.invoke(HUB, "Subscribe", [*EVENTS]))
                case "authenticationExpiring", _:
                    yield c.LoginAgain()
                case _ if name not in UNUSED:
                    yield from self._event(name, json.decode(content))

    def _event(self, name: str, told: r.Row) -> Iterable[c.UserEvent | c.Control]:
        number = int(told["sequence"])
        last = self._last.get(name, number)
        self._last[name] = number
        if number not in (last, last + 1):
            yield c.Reconnect(f"{name}: {number} after {last}")
        yield from map(EVENTS[name], told["deltas"] if "deltas" in told else [told["delta"]])


def order_of(row: r.Row) -> o.OrderUpdate:
    filled, whole = (
        Decimal(row["fillQuantity"]),
        Decimal(row.get("quantity") or row["fillQuantity"]),
    )
    open_as = o.OrderState.PARTIALLY_FILLED if filled else o.OrderState.OPEN
    closed_as = o.OrderState.FILLED if filled >= whole > 0 else o.OrderState.CANCELLED
    return r.read_update(row, ORDER, {"OPEN": open_as, "CLOSED": closed_as})


def fill_of(row: r.Row) -> o.Fill:
    return r.read_fill(row | {"quote": row["marketSymbol"].split("-")[1]}, FILL)


balance_of = partial(r.read_total, names="currencySymbol total available updatedAt|")
EVENTS: dict[str, Any] = {
    "order": order_of,
    "balance": balance_of,
    "execution": fill_of,
}  # by stream


class BittrexOrders(c.OrderEntry):
    id_params = ("marketSymbol", "clientOrderId", "id")

    def place(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        ours = {"clientOrderId": order.client_order_id}
        tif = (
            "IOC"
            if order.type is o.OrderType.MARKET and order.tif is o.TimeInForce.GTC
            else order.tif
        )
        body = {
            "marketSymbol": order.symbol,
            "direction": order.side.name,
            "type": order.type.name,
            **ours,
        }
        body |= {
            "quantity": f"{order.amount:f}",
            "timeInForce": "POST_ONLY_" * order.post_only + TIFS[tif],
        }
        body |= {} if order.price is None else {"limit": f"{order.price:f}"}
        return c.ask(
            "POST /v3/orders",
            r.one(lambda row: order_of(ours | row)),
            body=body,
            urgent=False,
            calls=1,
        )

    def cancel(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate | None]:
        # The venue finds nothing by a client id: an order whose id isn't known yet is NOT_FOUND, and asked about.
        return c.ask(
            f"DELETE /v3/orders/{order.exchange_order_id or order.client_order_id}",
            r.one(order_of),
            calls=1,
        )

    def status(self, order: o.InFlightOrder) -> c.Call[o.OrderUpdate]:
        """By the venue's id; while that isn't known, by ours among the open and then the closed orders."""
        if order.exchange_order_id:
            return c.ask(f"/v3/orders/{order.exchange_order_id}", r.one(order_of), calls=1)
        pair, read = (
            self.pair(order.trading_pair),
            r.found(order_of, "clientOrderId", order.client_order_id),
        )
        closed = pair | {"pageSize": str(PAGE), "startDate": r.iso(order.created - HOUR)}
        then = c.ask("/v3/orders/closed", read, closed, calls=1)
        return c.ask("/v3/orders/open", read, pair, calls=1).or_else(then)

    def open_orders(self, trading_pair: str | None = None) -> c.Call[list[o.OrderUpdate]]:
        return c.ask("/v3/orders/open", r.each(order_of), self.pair(trading_pair), calls=1)

    def fills(self, trading_pair: str, after: c.FillCursor) -> c.Call[c.Page[o.Fill]]:
        """Newest first; what follows a page's last is older."""
        params = {
            "pageSize": str(PAGE),
            "startDate": r.iso(after.time),
            "nextPageToken": after.page,
        }
        return c.ask(
            "/v3/executions",
            r.pages(fill_of, PAGE, "id"),
            self.pair(trading_pair) | params,
            calls=1,
        )

    def order_fills(self, order: o.InFlightOrder) -> c.Call[list[o.Fill]] | None:
        name = order.exchange_order_id
        return c.ask(f"/v3/orders/{name}/executions", r.each(fill_of), calls=1) if name else None

    def balances(self) -> c.Call[list[o.Balance]]:
        return c.ask("/v3/balances", r.each(balance_of), calls=1)

    def fees(self, trading_pair: str) -> c.Call[o.Fee]:
        path, read = (
            self.rules[trading_pair].symbol,
            partial(r.read_fee, names="makerRate takerRate"),
        )
        return c.ask(f"/v3/account/fees/trading/{path}", r.one(read), calls=1)


ERRORS = r.errors(
    refused="BAD_REQUEST ORDER_TYPE_INVALID INVALID_ORDER_TYPE INVALID_MARKET_ORDER RATE_PRECISION_* DUST_TRADE_*"
    " MIN_TRADE_* MAX_ORDERS_ALLOWED ORDERBOOK_DEPTH SELF_TRADE POST_ONLY FILL_OR_KILL MARKET_OFFLINE"
    " MARKET_DOES_NOT_EXIST MARKET_NAME_REVERSED NOT_ALLOWED ACCOUNT_DISABLED INVALID_RESTRICTED_ACCOUNT"
    " SOURCE_OF_FUNDS_REQUIRED",
    funds="INSUFFICIENT_FUNDS",
    duplicate="CLIENTORDERID_ALREADY_EXISTS",
    not_found="ORDER_DOES_NOT_EXIST NOT_FOUND UUID_INVALID ORDER_NOT_OPEN",
    rate="THROTTLED",
    clock="INVALID_TIMESTAMP",
    auth="APIKEY_INVALID INVALID_APIKEY INVALID_SIGNATURE INVALID_PERMISSION WHITELIST_* UNAUTHORIZED_USER",
)
SOCKET = "wss://socket-v3.bittrex.com"
BITTREX = c.Exchange(
    name="bittrex",
    hosts=c.Endpoints("https://api.bittrex.com", SOCKET, SOCKET),
    limits=(c.RateLimit("calls", 60, 60.0, aligned=True),),
    auth=BittrexAuth,
    book=BittrexBook,
    user=BittrexUser,
    orders=BittrexOrders,
    error=partial(ERRORS.fault, message="detail"),
    client_id=uuid_of,
    server_time=c.get("/v3/ping", lambda answer: int(answer.json()["serverTime"]) / 1000, calls=1),
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    forgets_cancelled=True,
    visibility=5.0,
    closed="Bittrex Global stopped trading on 4 December 2023; Bittrex Inc. (US) had on 30 April 2023.",
    about=c.About(
        title="Bittrex (closed in December 2023)",
        books="levels, 500 a side",
        gaps="one sequence a market and depth, +1 a message",
        checked="recorded frames, snapshots and markets of one session; published signature vectors",
        unchecked="trades, and the private stream: ccxt has no class of it any more, so no foreign client checked them",
        not_applicable={
            "checksum_mismatch": "orderBook: marketSymbol, depth, sequence, bidDeltas, askDeltas; no more"
        },
    ),
)
