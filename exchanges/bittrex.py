"""Bittrex, closed in 2023: its messages as the documentation of its API v3 described them.

Sources: the venue's public documentation of REST v3 and of the SignalR hub c3. Fields have the
venue's names; those that we don't use are not listed, the decoder skips them.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Raw, Struct, structs

from exchanges.contract import (
    CONNECTIONS,
    MALFORMED,
    About,
    Answer,
    Auth,
    AuthDict,
    BookFeed,
    Call,
    Control,
    Endpoints,
    ErrorKind,
    Exchange,
    Fault,
    FillCursor,
    Frame,
    Handshake,
    LoginAgain,
    OrderEntry,
    Page,
    RateLimit,
    Ready,
    Reconnect,
    Send,
    UnknownKind,
    UnsignedRequest,
    UserEvent,
    UserFeed,
    public_request,
    signed_request,
)
from exchanges.errors import ErrorTable, of_gateway, refusal_in
from exchanges.orders import (
    Balance,
    Fee,
    Fill,
    InFlightOrder,
    MarketSummary,
    OrderState,
    OrderType,
    OrderUpdate,
    TimeInForce,
    TradingRule,
)
from exchanges.rows import Rows, RowsDecoder, bad_row, only, unreadable
from exchanges.signalr import invoke, negotiate, read_frame
from exchanges.signing import hmac_hex, sha512_hex, uuid_of
from exchanges.values import (
    NS_PER_SECOND,
    decimal_or_none,
    iso_ns,
    iso_text,
    number_of,
    unknown_status,
)
from orderbook.messages import (
    BookDiff,
    BookSnapshot,
    FeedInterrupted,
    LevelNames,
    OrderBookMessage,
    Side,
    Trade,
)

Row = TypeVar("Row")
SOCKET = "wss://socket-v3.bittrex.com"
HUB = "c3"
LEVELS = 500
"""Levels a side of the window that is subscribed."""
ROWS_A_PAGE = 200
HOUR = 3600 * NS_PER_SECOND
SIZE_STEP = Decimal("1E-8")
UNUSED = {
    "heartbeat",
    "ticker",
    "tickers",
    "candle",
    "marketSummary",
    "marketSummaries",
}
"""Messages of the hub that we don't need."""
USER_STREAMS = ["order", "balance", "execution"]
TIFS = {
    TimeInForce.GTC: "GOOD_TIL_CANCELLED",
    TimeInForce.IOC: "IMMEDIATE_OR_CANCEL",
    TimeInForce.FOK: "FILL_OR_KILL",
}
VenueSide = Literal["BUY", "SELL"]
LEVEL_NAMES = LevelNames(price="rate", size="quantity")
SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
ERRORS = ErrorTable(
    codes={
        "BAD_REQUEST": ErrorKind.REFUSED,
        "ORDER_TYPE_INVALID": ErrorKind.REFUSED,
        "INVALID_ORDER_TYPE": ErrorKind.REFUSED,
        "INVALID_MARKET_ORDER": ErrorKind.REFUSED,
        "RATE_PRECISION_NOT_ALLOWED": ErrorKind.REFUSED,
        "DUST_TRADE_DISALLOWED_MIN_VALUE": ErrorKind.REFUSED,
        "MIN_TRADE_REQUIREMENT_NOT_MET": ErrorKind.REFUSED,
        "MAX_ORDERS_ALLOWED": ErrorKind.REFUSED,
        "ORDERBOOK_DEPTH": ErrorKind.REFUSED,
        "SELF_TRADE": ErrorKind.REFUSED,
        "POST_ONLY": ErrorKind.REFUSED,
        "FILL_OR_KILL": ErrorKind.REFUSED,
        "MARKET_OFFLINE": ErrorKind.REFUSED,
        "MARKET_DOES_NOT_EXIST": ErrorKind.REFUSED,
        "MARKET_NAME_REVERSED": ErrorKind.REFUSED,
        "NOT_ALLOWED": ErrorKind.REFUSED,
        "ACCOUNT_DISABLED": ErrorKind.REFUSED,
        "INVALID_RESTRICTED_ACCOUNT": ErrorKind.REFUSED,
        "SOURCE_OF_FUNDS_REQUIRED": ErrorKind.REFUSED,
        "INSUFFICIENT_FUNDS": ErrorKind.FUNDS,
        "CLIENTORDERID_ALREADY_EXISTS": ErrorKind.DUPLICATE,
        "ORDER_DOES_NOT_EXIST": ErrorKind.NOT_FOUND,
        "NOT_FOUND": ErrorKind.NOT_FOUND,
        "UUID_INVALID": ErrorKind.NOT_FOUND,
        "ORDER_NOT_OPEN": ErrorKind.NOT_FOUND,
        "THROTTLED": ErrorKind.RATE,
        "INVALID_TIMESTAMP": ErrorKind.CLOCK,
        "APIKEY_INVALID": ErrorKind.AUTH,
        "INVALID_APIKEY": ErrorKind.AUTH,
        "INVALID_SIGNATURE": ErrorKind.AUTH,
        "INVALID_PERMISSION": ErrorKind.AUTH,
        "WHITELIST_VIOLATION_IP": ErrorKind.AUTH,
        "UNAUTHORIZED_USER": ErrorKind.AUTH,
    },
)


# Markets and books.


class BookDeltas(Struct, rename="camel", gc=False):
    """Message ``orderBook``."""

    market_symbol: str
    sequence: int
    bid_deltas: Raw
    ask_deltas: Raw

    def to_diff(self) -> BookDiff:
        return BookDiff(
            symbol=self.market_symbol,
            bids=bytes(self.bid_deltas),
            asks=bytes(self.ask_deltas),
            first_id=self.sequence,
            update_id=self.sequence,
            names=LEVEL_NAMES,
        )


class TradeDelta(Struct, rename="camel", gc=False):
    """One trade of message ``trade``."""

    id: str
    rate: str
    quantity: str
    taker_side: VenueSide
    executed_at: str

    def to_trade(self, symbol: str) -> Trade:
        return Trade(
            symbol=symbol,
            trade_id=self.id,
            side=SIDES[self.taker_side],
            price=number_of(self.rate),
            size=number_of(self.quantity),
            time=iso_ns(self.executed_at),
        )


class TradeDeltas(Struct, rename="camel"):
    """Message ``trade``."""

    market_symbol: str
    deltas: Raw

    def to_trades(self) -> Iterable[Trade | Fault]:
        def to_trade(row: TradeDelta) -> Trade:
            return row.to_trade(self.market_symbol)

        return _trades.decode_apart(self.deltas, to_trade)


class BookAnswer(Struct):
    """GET /v3/markets/{symbol}/orderbook; a header has its number in the sequence."""

    bid: Raw
    ask: Raw

    def to_snapshot(self, symbol: str, sequence: int) -> BookSnapshot:
        return BookSnapshot(
            symbol=symbol,
            bids=bytes(self.bid),
            asks=bytes(self.ask),
            update_id=sequence,
            names=LEVEL_NAMES,
        )


class DaySummary(Struct, rename="camel"):
    """A row of GET /v3/markets/summaries."""

    symbol: str
    high: Decimal
    volume: Decimal
    quote_volume: Decimal

    def to_summary(self) -> MarketSummary:
        """It has no last price; the day's average stands for it."""
        average = self.quote_volume / self.volume if self.volume else self.high
        return MarketSummary(self.symbol, average, self.volume, self.quote_volume)


class Market(Struct, rename="camel"):
    """A row of GET /v3/markets. ``precision``: digits of a price behind the point."""

    symbol: str
    base_currency_symbol: str
    quote_currency_symbol: str
    min_trade_size: Decimal
    precision: int
    status: str

    def to_rule(self) -> TradingRule:
        return TradingRule(
            trading_pair=f"{self.base_currency_symbol}-{self.quote_currency_symbol}".upper(),
            symbol=self.symbol,
            base=self.base_currency_symbol,
            quote=self.quote_currency_symbol,
            price_tick=Decimal(f"1E-{self.precision}"),
            size_step=SIZE_STEP,
            min_size=self.min_trade_size,
            active=self.status == "ONLINE",
        )


class ServerTime(Struct, rename="camel"):
    """GET /v3/ping."""

    server_time: int

    def seconds(self) -> float:
        return self.server_time / 1000


_book_deltas = msgspec.json.Decoder(BookDeltas)
_trade_deltas = msgspec.json.Decoder(TradeDeltas)
_trades = RowsDecoder(TradeDelta, "$.deltas")
_book = msgspec.json.Decoder(BookAnswer)
_summaries = RowsDecoder(DaySummary)
_markets = RowsDecoder(Market)
_server_time = msgspec.json.Decoder(ServerTime)


class BittrexAuth(Auth):
    """HMAC-SHA512 of time, URL, method and a hash of the body, in hex."""

    def sign(self, request: UnsignedRequest, now: float) -> AuthDict:
        timestamp = str(int(now * 1000))
        digest = sha512_hex(request.data)
        headers = {
            "Api-Key": self.api_key,
            "Api-Timestamp": timestamp,
            "Api-Content-Hash": digest,
            "Api-Signature": self.proof(timestamp + request.url + request.method + digest),
        }
        return request.signed(headers)

    def proof(self, text: str) -> str:
        return hmac_hex(self._secrets[0], text, "sha512")

    def login(self, now: float) -> Frame:
        """The time, a content that is never used twice, and a proof of both."""
        timestamp = int(now * 1000)
        content = uuid_of(timestamp)
        proof = self.proof(f"{timestamp}{content}")
        return invoke(HUB, "Authenticate", self.api_key, timestamp, content, proof)


class BittrexBook(BookFeed):
    """The 500 best levels a side: deltas by stream, the snapshot by REST.

    One sequence joins them. What leaves the window is removed by a delta.
    """

    depth = LEVELS
    gap_check = "numbers"
    proof_of_life = (
        "trades; a silent book's sequence is compared with the one that REST shows; empty frames "
        "of the hub, one in ten seconds"
    )
    look_interval = 20.0
    """A third of the venue's requests a minute would go for looks otherwise."""

    def __init__(self, rules: Mapping[str, TradingRule], stream: str = "") -> None:
        super().__init__(rules, stream)
        self._last: dict[str, int] = {}

    def handshake(self) -> Handshake:
        return negotiate(HUB, "public")

    def markets(self) -> Call[list[MarketSummary]]:
        return public_request(
            "/v3/markets/summaries",
            lambda answer: _summaries.decode(answer.body, DaySummary.to_summary),
            cost={"calls": 1},
        )

    def trading_rules(self) -> Call[list[TradingRule]]:
        return public_request(
            "/v3/markets",
            lambda answer: _markets.decode(answer.body, Market.to_rule),
            cost={"calls": 1},
        )

    def snapshot(self, symbol: str) -> Call[Any]:
        def read(answer: Answer) -> BookSnapshot:
            sequence = int(answer.headers["sequence"])
            return _book.decode(answer.body).to_snapshot(symbol, sequence)

        path = f"/v3/markets/{symbol}/orderbook"
        # The depth must be that of the stream: each depth has a sequence of its own.
        return public_request(path, read, {"depth": str(LEVELS)}, cost={"calls": 1})

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[Frame]:
        streams: list[str] = []
        for symbol in symbols:
            streams.append(f"orderbook_{symbol}_500")
            streams.append(f"trade_{symbol}")
        yield invoke(HUB, "Subscribe" if on else "Unsubscribe", streams)

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | Control]:
        said = read_frame(frame)
        yield from said.faults(ERRORS)
        for name, content in said.pushed(("orderBook", "trade")):
            if name == "orderBook":
                yield from self._diff(_book_deltas.decode(content))
            elif name == "trade":
                yield from _trade_deltas.decode(content).to_trades()
            elif name not in UNUSED:
                yield UnknownKind(name)

    def _diff(self, deltas: BookDeltas) -> Iterable[OrderBookMessage]:
        symbol = deltas.market_symbol
        if deltas.sequence < self._last.get(symbol, 0):
            yield FeedInterrupted(symbol, "its sequence begins again")
        self._last[symbol] = deltas.sequence
        yield deltas.to_diff()


# The account: the hub's private streams and REST.


class OrderRow(Struct, rename="camel"):
    """An order. One by what it may cost has no ``quantity``, one at market no ``limit``."""

    id: str
    market_symbol: str
    status: str
    direction: VenueSide
    type: str
    fill_quantity: Decimal
    proceeds: Decimal
    created_at: str
    quantity: str | None = None
    limit: str | None = None
    client_order_id: str | None = None
    updated_at: str | None = None
    closed_at: str | None = None

    @property
    def amount(self) -> Decimal:
        return Decimal(self.quantity) if self.quantity else self.fill_quantity

    def state(self) -> OrderState | None:
        """Status says no more than OPEN or CLOSED; the rest is in the quantities."""
        if self.status == "OPEN":
            return OrderState.PARTIALLY_FILLED if self.fill_quantity else OrderState.OPEN
        if self.status == "CLOSED":
            is_filled = self.fill_quantity >= self.amount > 0
            return OrderState.FILLED if is_filled else OrderState.CANCELLED
        return None

    def to_update(self) -> OrderUpdate:
        state = self.state()
        return OrderUpdate(
            symbol=self.market_symbol,
            state=state,
            client_order_id=self.client_order_id or "",
            exchange_order_id=self.id,
            filled=self.fill_quantity,
            quote_filled=self.proceeds,
            time=iso_ns(self.closed_at or self.updated_at or self.created_at),
            reason=unknown_status(self.status) if state is None else "",
            side=SIDES[self.direction],
            amount=self.amount,
            price=decimal_or_none(self.limit),
            type=OrderType.MARKET if "MARKET" in self.type else OrderType.LIMIT,
        )


class Execution(Struct, rename="camel"):
    """A trade of ours; the side is its order's."""

    id: str
    market_symbol: str
    order_id: str
    rate: Decimal
    quantity: Decimal
    commission: Decimal
    is_taker: bool
    executed_at: str

    def to_fill(self) -> Fill:
        return Fill(
            symbol=self.market_symbol,
            trade_id=self.id,
            exchange_order_id=self.order_id,
            side=None,
            price=self.rate,
            amount=self.quantity,
            fee=self.commission,
            fee_asset=self.market_symbol.split("-")[1],
            is_maker=not self.is_taker,
            time=iso_ns(self.executed_at),
        )


class BalanceRow(Struct, rename="camel"):
    """What there is of one asset. One that never changed has no time."""

    currency_symbol: str
    total: Decimal
    available: Decimal
    updated_at: str | None = None

    def to_balance(self) -> Balance:
        time = iso_ns(self.updated_at or "")
        return Balance(self.currency_symbol, self.total, self.available, time)


class FeeRates(Struct, rename="camel"):
    """GET /v3/account/fees/trading/{symbol}."""

    maker_rate: Decimal
    taker_rate: Decimal

    def to_fee(self) -> Fee:
        return Fee(self.maker_rate, self.taker_rate)


class OneChange(Struct):
    """Messages ``order`` and ``balance``."""

    sequence: int
    delta: Raw


class Changes(Struct):
    """Message ``execution``."""

    sequence: int
    deltas: Raw


class Refusal(Struct):
    """{"code": ..., "detail": ...}."""

    code: str
    detail: str = ""


_one_change = msgspec.json.Decoder(OneChange)
_changes = msgspec.json.Decoder(Changes)
_order = msgspec.json.Decoder(OrderRow)
_balance = msgspec.json.Decoder(BalanceRow)
_executed = RowsDecoder(Execution, "$.deltas")
_orders = RowsDecoder(OrderRow)
_executions = RowsDecoder(Execution)
_balances = RowsDecoder(BalanceRow)
_fee_rates = msgspec.json.Decoder(FeeRates)


def delta_of(
    row: Raw, decoder: msgspec.json.Decoder[Row], convert: Callable[[Row], UserEvent]
) -> UserEvent | Fault:
    """What the one row of a message tells; a fault where it can't be read."""
    try:
        return convert(decoder.decode(row))
    except MALFORMED as error:
        return unreadable(bad_row("$.delta", error, row))


class BittrexUser(UserFeed):
    """Orders, executions and balances, each in a sequence of its own; a login lasts ten minutes."""

    def __init__(self, auth: Auth, rules: Mapping[str, TradingRule], host: str = "") -> None:
        super().__init__(auth, rules, host)
        self._last: dict[str, int] = {}

    def handshake(self) -> Handshake:
        return negotiate(HUB, "private")

    def parse(self, frame: bytes) -> Iterable[UserEvent | Control]:
        said = read_frame(frame)
        faults = said.faults(ERRORS)
        if faults:
            yield from faults
        elif isinstance(said.results, list):
            yield Ready()
        elif said.results:
            yield Send(invoke(HUB, "Subscribe", USER_STREAMS))
        for name, content in said.pushed():
            yield from self._event(name, content)

    def _event(self, name: str, content: bytes) -> Iterable[UserEvent | Control]:
        match name:
            case "order":
                order = _one_change.decode(content)
                yield from self._gap(name, order.sequence)
                yield delta_of(order.delta, _order, OrderRow.to_update)
            case "balance":
                balance = _one_change.decode(content)
                yield from self._gap(name, balance.sequence)
                yield delta_of(balance.delta, _balance, BalanceRow.to_balance)
            case "execution":
                executions = _changes.decode(content)
                yield from self._gap(name, executions.sequence)
                yield from _executed.decode_frame(executions.deltas, Execution.to_fill)
            case "authenticationExpiring":
                yield LoginAgain()
            case _ if name not in UNUSED:
                raise ValueError(f"a message of no known form: {name}")

    def _gap(self, name: str, number: int) -> Iterable[Control]:
        """A number may come twice; none may be missing."""
        last = self._last.get(name, number)
        self._last[name] = number
        if number not in (last, last + 1):
            yield Reconnect(f"{name}: {number} after {last}")


def read_order(answer: Answer) -> OrderUpdate:
    return _order.decode(answer.body).to_update()


def read_orders(answer: Answer) -> Rows[OrderUpdate]:
    return _orders.decode(answer.body, OrderRow.to_update)


def read_fills(answer: Answer) -> Rows[Fill]:
    return _executions.decode(answer.body, Execution.to_fill)


def read_fill_page(answer: Answer) -> Page[Fill]:
    """Newest first; what follows a page's last is older."""
    fills = read_fills(answer)
    is_full = len(fills) + len(fills.bad) >= ROWS_A_PAGE
    return Page(fills, fills[-1].trade_id if is_full and fills else "")


def read_balances(answer: Answer) -> Rows[Balance]:
    return _balances.decode(answer.body, BalanceRow.to_balance)


def read_fee(answer: Answer) -> Fee:
    return _fee_rates.decode(answer.body).to_fee()


def read_error(answer: Answer) -> Fault | None:
    """A refusal by HTTP status, in the form {"code": ..., "detail": ...}."""
    if answer.status < 400:
        return None
    refusal = refusal_in(answer, Refusal)
    if refusal is None:
        return of_gateway(answer)
    return ERRORS.fault(refusal.code, refusal.detail, answer.status)


class BittrexOrders(OrderEntry):
    id_params = ("marketSymbol", "clientOrderId", "id")

    def place(self, order: InFlightOrder) -> Call[OrderUpdate]:
        body = {
            "marketSymbol": order.symbol,
            "direction": order.side.name,
            "type": order.type.name,
            "clientOrderId": order.client_order_id,
            "quantity": f"{order.amount:f}",
            "timeInForce": self._time_in_force(order),
        }
        if order.price is not None:
            body["limit"] = f"{order.price:f}"

        def read(answer: Answer) -> OrderUpdate:
            update = read_order(answer)
            if update.client_order_id:
                return update
            return structs.replace(update, client_order_id=order.client_order_id)

        cost = {"calls": 1}
        return signed_request("POST", "/v3/orders", read, body=body, cost=cost, urgent=False)

    def _time_in_force(self, order: InFlightOrder) -> str:
        if order.type is OrderType.MARKET and order.tif is TimeInForce.GTC:
            return TIFS[TimeInForce.IOC]
        return f"POST_ONLY_{TIFS[order.tif]}" if order.post_only else TIFS[order.tif]

    def cancel(self, order: InFlightOrder) -> Call[OrderUpdate | None]:
        """The venue finds nothing by a client id.

        An order whose id isn't known yet is NOT_FOUND, and asked about.
        """
        name = order.exchange_order_id or order.client_order_id
        return signed_request("DELETE", f"/v3/orders/{name}", read_order, cost={"calls": 1})

    def status(self, order: InFlightOrder) -> Call[OrderUpdate]:
        """By the venue's id; while that isn't known, by ours among the open, then the closed."""
        cost = {"calls": 1}
        if order.exchange_order_id:
            path = f"/v3/orders/{order.exchange_order_id}"
            return signed_request("GET", path, read_order, cost=cost)

        def read(answer: Answer) -> OrderUpdate:
            orders = read_orders(answer)
            ours = [found for found in orders if found.client_order_id == order.client_order_id]
            return only(Rows(ours, orders.bad))

        params = self.pair(order.trading_pair)
        since = iso_text(order.created - HOUR)
        closed_params = params | {"pageSize": str(ROWS_A_PAGE), "startDate": since}
        closed = signed_request("GET", "/v3/orders/closed", read, closed_params, cost=cost)
        return signed_request("GET", "/v3/orders/open", read, params, cost=cost).or_else(closed)

    def open_orders(self, trading_pair: str | None = None) -> Call[list[OrderUpdate]]:
        params = self.pair(trading_pair)
        return signed_request("GET", "/v3/orders/open", read_orders, params, cost={"calls": 1})

    def fills(self, trading_pair: str, after: FillCursor) -> Call[Page[Fill]]:
        params = self.pair(trading_pair)
        params["pageSize"] = str(ROWS_A_PAGE)
        params["startDate"] = iso_text(after.time)
        params["nextPageToken"] = after.page
        return signed_request("GET", "/v3/executions", read_fill_page, params, cost={"calls": 1})

    def order_fills(self, order: InFlightOrder) -> Call[list[Fill]] | None:
        if not order.exchange_order_id:
            return None
        path = f"/v3/orders/{order.exchange_order_id}/executions"
        return signed_request("GET", path, read_fills, cost={"calls": 1})

    def balances(self) -> Call[list[Balance]]:
        return signed_request("GET", "/v3/balances", read_balances, cost={"calls": 1})

    def fees(self, trading_pair: str) -> Call[Fee]:
        path = f"/v3/account/fees/trading/{self.rules[trading_pair].symbol}"
        return signed_request("GET", path, read_fee, cost={"calls": 1})


BITTREX = Exchange(
    name="bittrex",
    hosts=Endpoints(rest="https://api.bittrex.com", public=SOCKET, private=SOCKET),
    limits=(RateLimit("calls", 60, 60.0, aligned=True), RateLimit(CONNECTIONS, 0, 10.0)),
    auth=BittrexAuth,
    book=BittrexBook,
    user=BittrexUser,
    orders=BittrexOrders,
    error=read_error,
    client_id=uuid_of,
    server_time=public_request(
        "/v3/ping",
        lambda answer: _server_time.decode(answer.body).seconds(),
        cost={"calls": 1},
    ),
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    forgets_cancelled=True,
    visibility=5.0,
    closed="Bittrex Global stopped trading on 4 December 2023; "
    "Bittrex Inc. (US) had on 30 April 2023.",
    about=About(
        title="Bittrex (closed in December 2023)",
        books="levels, 500 a side",
        gaps="one sequence a market and depth, +1 a message",
        checked="recorded frames, snapshots and markets of one session; "
        "published signature vectors",
        unchecked="trades, and the private stream: "
        "ccxt has no class of it any more, so no foreign client checked them",
        not_applicable={
            "checksum_mismatch": "orderBook: marketSymbol, depth, sequence, bidDeltas, askDeltas; "
            "no more"
        },
    ),
)
