"""Binance spot: its messages as the documentation describes them, and what each becomes here.

Sources: the venue's public documentation of REST v3, of its market streams and of its websocket API
v3. A field has our name in the code and the venue's in ``rename``; fields that we don't use are not
listed, the decoder skips them.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from exchanges.contract import (
    CONNECTIONS,
    About,
    Answer,
    Auth,
    AuthDict,
    BookFeed,
    BookLook,
    Call,
    Control,
    Endpoints,
    ErrorKind,
    Exchange,
    Fault,
    FillCursor,
    Frame,
    OrderEntry,
    Page,
    RateLimit,
    Ready,
    Reconnect,
    Request,
    UnknownKind,
    UnsignedRequest,
    UserEvent,
    UserFeed,
    public_request,
    signed_request,
)
from exchanges.errors import (
    TOO_MANY_REQUESTS,
    ErrorTable,
    MessageRule,
    of_gateway,
    refusal_in,
)
from exchanges.orders import (
    Balance,
    Fee,
    Fill,
    InFlightOrder,
    MarketSummary,
    OrderState,
    OrderType,
    OrderUpdate,
    TradingRule,
)
from exchanges.rows import Rows, RowsDecoder, record_or_fault
from exchanges.signing import encode_query, hmac_hex
from exchanges.values import NS_PER_MS, batches, epoch_ns, number_of, unknown_status
from orderbook.messages import BookDiff, BookSnapshot, OrderBookMessage, Side, Trade

API = "/api/v3"
TESTNET = "testnet.binance.vision"
STREAMS_A_FRAME = 200
FILLS_A_PAGE = 1000
SNAPSHOT_LEVELS = 1000
STATES = {
    "NEW": OrderState.OPEN,
    "PENDING_NEW": OrderState.OPEN,
    "PENDING_CANCEL": OrderState.OPEN,
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELLED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
}
OrderSide = Literal["BUY", "SELL"]
SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
ERRORS = ErrorTable(
    messages=(
        MessageRule(ErrorKind.DUPLICATE, "duplicate", code="-2010"),
        MessageRule(ErrorKind.FUNDS, "insufficient balance", code="-2010"),
    ),
    codes={
        **{str(code): ErrorKind.REFUSED for code in range(-1139, -1099)},
        "-1013": ErrorKind.REFUSED,
        "-2010": ErrorKind.REFUSED,
        "-2021": ErrorKind.REFUSED,
        "-2022": ErrorKind.REFUSED,
        "-2039": ErrorKind.REFUSED,
        "-2011": ErrorKind.NOT_FOUND,
        "-2013": ErrorKind.NOT_FOUND,
        "-2026": ErrorKind.NOT_FOUND,
        "-1003": ErrorKind.RATE,
        "-1015": ErrorKind.RATE,
        "-1021": ErrorKind.CLOCK,
        "-1002": ErrorKind.AUTH,
        "-1022": ErrorKind.AUTH,
        "-2014": ErrorKind.AUTH,
        "-2015": ErrorKind.AUTH,
    },
    limits={"-1003": ("weight",), "-1015": ("orders",)},
)
BANNED_UNTIL = re.compile(r"banned until (\d+)")
"""Milliseconds, in a message."""


def fault_of(code: str, message: str, status: int) -> Fault:
    """A refusal, by REST or by the websocket API; the end of a ban stands in its message."""
    fault = ERRORS.fault(code, message, status)
    end = BANNED_UNTIL.search(message)
    return replace(fault, ban=True, retry_at=int(end[1]) / 1000) if end else fault


def order_type(word: str) -> OrderType:
    return OrderType.MARKET if "MARKET" in word else OrderType.LIMIT


# Market streams.


class DepthUpdate(
    Struct,
    tag_field="e",
    tag="depthUpdate",
    gc=False,
    rename={
        "time": "E",
        "symbol": "s",
        "first_update_id": "U",
        "last_update_id": "u",
        "bids": "b",
        "asks": "a",
    },
):
    """Stream ``<symbol>@depth@100ms``."""

    time: int  # microseconds, for the connection wants them
    symbol: str
    first_update_id: int
    last_update_id: int
    bids: Raw
    asks: Raw

    def to_diff(self) -> BookDiff:
        return BookDiff(
            symbol=self.symbol,
            bids=bytes(self.bids),
            asks=bytes(self.asks),
            first_id=self.first_update_id,
            update_id=self.last_update_id,
            time=epoch_ns(self.time),
        )


class PublicTrade(
    Struct,
    tag_field="e",
    tag="trade",
    gc=False,
    rename={
        "symbol": "s",
        "trade_id": "t",
        "price": "p",
        "size": "q",
        "time": "T",
        "buyer_is_maker": "m",
    },
):
    """Stream ``<symbol>@trade``."""

    symbol: str
    trade_id: int
    price: str
    size: str
    time: int
    buyer_is_maker: bool

    def to_trade(self) -> Trade:
        return Trade(
            symbol=self.symbol,
            trade_id=str(self.trade_id),
            side=Side.SELL if self.buyer_is_maker else Side.BUY,
            price=number_of(self.price),
            size=number_of(self.size),
            time=epoch_ns(self.time),
        )


class ServerShutdown(Struct, tag_field="e", tag="serverShutdown"):
    """The venue is about to close this connection."""


class Refusal(Struct):
    """{"code": ..., "msg": ...}, of REST and sockets alike."""

    code: int | str = ""
    msg: str = ""


class StreamFrame(Struct, gc=False):
    """A frame of a combined stream; ``data`` is None in the answer to a request."""

    data: DepthUpdate | PublicTrade | ServerShutdown | None = None


class StreamAnswer(Struct):
    """The answer to a request on a stream: its id alone, or a refusal that says why."""

    id: int | str | None = None
    error: Refusal | None = None
    code: int | str = ""
    msg: str = ""

    def refusal(self) -> Fault | None:
        if self.error is not None:
            return Fault(ErrorKind.REFUSED, str(self.error.code), self.error.msg)
        if self.code:
            return Fault(ErrorKind.REFUSED, str(self.code), self.msg)
        return None


class EventOfAnyKind(Struct, rename={"name": "e"}):
    """An event by its name alone."""

    name: str = ""


class FrameOfAnyKind(Struct, rename={"name": "e"}):
    """A frame of a combined stream, or of one alone, by the names that it has."""

    stream: str = ""
    data: Raw = Raw(b"null")
    name: str = ""

    def kind(self) -> str:
        """The name of its event, else that of its stream behind the symbol; empty for none."""
        is_event = bytes(self.data)[:1] == b"{"
        name = _event_of_any_kind.decode(self.data).name if is_event else self.name
        return name or self.stream.partition("@")[2]


STREAM_KINDS = {"depthUpdate", "trade", "serverShutdown", "depth@100ms"}
"""Kinds that must be readable."""


class DepthAnswer(Struct):
    """GET /api/v3/depth."""

    lastUpdateId: int
    bids: Raw
    asks: Raw


class Ticker(Struct, rename="camel"):
    """A row of GET /api/v3/ticker/24hr."""

    symbol: str
    last_price: Decimal
    volume: Decimal
    quote_volume: Decimal

    def to_summary(self) -> MarketSummary:
        return MarketSummary(self.symbol, self.last_price, self.volume, self.quote_volume)


class SymbolFilter(Struct, rename="camel"):
    """One of a symbol's filters; which fields it has depends on its type."""

    filter_type: str
    tick_size: Decimal = Decimal(0)
    step_size: Decimal = Decimal(0)
    min_qty: Decimal = Decimal(0)
    max_qty: Decimal | None = None
    min_notional: Decimal = Decimal(0)


NO_FILTER = SymbolFilter("")


class SymbolInfo(Struct, rename="camel"):
    """A row of GET /api/v3/exchangeInfo."""

    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    filters: list[SymbolFilter]

    def to_rule(self) -> TradingRule:
        filters = {entry.filter_type: entry for entry in self.filters}
        price = filters.get("PRICE_FILTER", NO_FILTER)
        size = filters.get("LOT_SIZE", NO_FILTER)
        value = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL", NO_FILTER)
        return TradingRule(
            trading_pair=f"{self.base_asset}-{self.quote_asset}".upper(),
            symbol=self.symbol,
            base=self.base_asset,
            quote=self.quote_asset,
            price_tick=price.tick_size,
            size_step=size.step_size,
            min_size=size.min_qty,
            max_size=size.max_qty,
            min_notional=value.min_notional,
            active=self.status == "TRADING",
        )


class ExchangeInfo(Struct):
    """GET /api/v3/exchangeInfo."""

    symbols: Raw


class ServerTime(Struct, rename="camel"):
    """GET /api/v3/time."""

    server_time: int

    def seconds(self) -> float:
        return self.server_time / 1000


_stream_frame = msgspec.json.Decoder(StreamFrame)
_event_of_any_kind = msgspec.json.Decoder(EventOfAnyKind)
_frame_of_any_kind = msgspec.json.Decoder(FrameOfAnyKind)
_stream_answer = msgspec.json.Decoder(StreamAnswer)
_depth = msgspec.json.Decoder(DepthAnswer)
_tickers = RowsDecoder(Ticker)
_exchange_info = msgspec.json.Decoder(ExchangeInfo)
_symbols = RowsDecoder(SymbolInfo, "$.symbols")
_server_time = msgspec.json.Decoder(ServerTime)


class BinanceBook(BookFeed):
    """Diffs by stream, the snapshot by REST; update ids join them."""

    streams = ("/stream?timeUnit=MICROSECOND",)
    snapshot_levels = SNAPSHOT_LEVELS
    gap_check = "numbers"
    proof_of_life = (
        "trades; a silent book's last update id is compared with the one that REST shows; "
        "a connection without frames by pings of the websocket"
    )
    frames_when_quiet = False

    def markets(self) -> Call[list[MarketSummary]]:
        return public_request(
            f"{API}/ticker/24hr",
            lambda answer: _tickers.decode(answer.body, Ticker.to_summary),
            cost={"weight": 80},
        )

    def trading_rules(self) -> Call[list[TradingRule]]:
        def read(answer: Answer) -> Rows[TradingRule]:
            symbols = _exchange_info.decode(answer.body).symbols
            return _symbols.decode(symbols, SymbolInfo.to_rule)

        params = {"showPermissionSets": "false"}
        return public_request(f"{API}/exchangeInfo", read, params, cost={"weight": 20})

    def snapshot(self, symbol: str) -> Call[Any]:
        def read(answer: Answer) -> BookSnapshot:
            depth = _depth.decode(answer.body)
            return BookSnapshot(symbol, bytes(depth.bids), bytes(depth.asks), depth.lastUpdateId)

        params = {"symbol": symbol, "limit": str(SNAPSHOT_LEVELS)}
        return public_request(f"{API}/depth", read, params, cost={"weight": 50})

    def look(self, symbol: str) -> Call[BookLook]:
        def read(answer: Answer) -> BookLook:
            return BookLook(_depth.decode(answer.body).lastUpdateId, "")

        params = {"symbol": symbol, "limit": "5"}
        return public_request(f"{API}/depth", read, params, cost={"weight": 5})

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[Frame]:
        streams: list[str] = []
        for symbol in symbols:
            streams.append(f"{symbol.lower()}@depth@100ms")
            streams.append(f"{symbol.lower()}@trade")
        method = "SUBSCRIBE" if on else "UNSUBSCRIBE"
        for number, params in enumerate(batches(streams, STREAMS_A_FRAME), 1):
            yield {"method": method, "params": params, "id": number}

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | Control]:
        try:
            data = _stream_frame.decode(frame).data
        except msgspec.ValidationError:
            kind = _frame_of_any_kind.decode(frame).kind()
            if not kind or kind in STREAM_KINDS:
                raise
            return (UnknownKind(kind),)
        if type(data) is PublicTrade:
            return (record_or_fault(data.to_trade, frame),)
        if type(data) is DepthUpdate:
            return (data.to_diff(),)
        if type(data) is ServerShutdown:
            return (Reconnect("the venue shuts this server down"),)
        return self._answered(frame)

    def _answered(self, frame: bytes) -> Iterable[Control]:
        kind = _frame_of_any_kind.decode(frame).kind()
        if kind and kind not in STREAM_KINDS:
            return (UnknownKind(kind),)
        answer = _stream_answer.decode(frame)
        refusal = answer.refusal()
        if refusal is not None:
            return (refusal,)
        if answer.id is None:
            raise ValueError(f"a frame of no known form: {frame[:120]!r}")
        return ()


# The account: websocket API and REST.


class ExecutionReport(
    Struct,
    tag_field="e",
    tag="executionReport",
    gc=False,
    rename={
        "symbol": "s",
        "client_order_id": "c",
        "original_client_order_id": "C",
        "side": "S",
        "order_type": "o",
        "amount": "q",
        "price": "p",
        "execution_type": "x",
        "status": "X",
        "reject_reason": "r",
        "order_id": "i",
        "last_amount": "l",
        "filled": "z",
        "last_price": "L",
        "fee": "n",
        "fee_asset": "N",
        "time": "T",
        "trade_id": "t",
        "is_maker": "m",
        "quote_filled": "Z",
    },
):
    """Event ``executionReport``: one change of one order."""

    symbol: str
    client_order_id: str
    original_client_order_id: str
    side: OrderSide
    order_type: str
    amount: Decimal
    price: Decimal
    execution_type: str
    status: str
    reject_reason: str
    order_id: int
    last_amount: str
    filled: Decimal
    last_price: str
    time: int
    trade_id: int
    is_maker: bool
    quote_filled: Decimal
    fee: str
    fee_asset: str | None = None

    @property
    def our_order_id(self) -> str:
        """On a cancel ``c`` is the cancel's own id and ``C`` the order's."""
        return self.original_client_order_id or self.client_order_id

    def to_update(self) -> OrderUpdate:
        state = STATES.get(self.status)
        reason = "" if self.reject_reason == "NONE" else self.reject_reason
        return OrderUpdate(
            symbol=self.symbol,
            state=state,
            client_order_id=self.our_order_id,
            exchange_order_id=str(self.order_id),
            filled=self.filled,
            quote_filled=self.quote_filled,
            time=epoch_ns(self.time),
            reason=unknown_status(self.status) if state is None else reason,
            side=SIDES[self.side],
            amount=self.amount,
            price=self.price or None,
            type=order_type(self.order_type),
        )

    def to_fill(self) -> Fill:
        """The trade that this report is about; only where ``execution_type`` is TRADE."""
        return Fill(
            symbol=self.symbol,
            trade_id=str(self.trade_id),
            exchange_order_id=str(self.order_id),
            client_order_id=self.our_order_id,
            side=SIDES[self.side],
            price=Decimal(self.last_price),
            amount=Decimal(self.last_amount),
            fee=Decimal(self.fee),
            fee_asset=self.fee_asset or "",
            is_maker=self.is_maker,
            time=epoch_ns(self.time),
        )


class PositionRow(Struct, rename={"asset": "a", "free": "f", "locked": "l"}):
    """One asset of ``outboundAccountPosition``."""

    asset: str
    free: Decimal
    locked: Decimal


class AccountPosition(
    Struct,
    tag_field="e",
    tag="outboundAccountPosition",
    rename={"time": "E", "balances": "B"},
):
    """Event ``outboundAccountPosition``: the assets that a change may have touched."""

    time: int
    balances: Raw

    def to_balances(self) -> list[Balance | Fault]:
        time = epoch_ns(self.time)

        def to_balance(row: PositionRow) -> Balance:
            return Balance(row.asset, row.free + row.locked, row.free, time)

        return _positions.decode_frame(self.balances, to_balance)


class StreamTerminated(Struct, tag_field="e", tag="eventStreamTerminated"):
    """The venue ends this account's stream."""


class BanEnd(Struct, frozen=True, rename="camel"):
    """The data of an error of the websocket API: from when on requests are answered again."""

    server_time: int = 0
    retry_after: int = 0

    def seconds(self) -> float:
        """From now on; the stream's times may be microseconds."""
        unit = 1e6 if self.server_time > 10**14 else 1e3
        return max(0.0, (self.retry_after - self.server_time) / unit) if self.server_time else 0.0


class ApiRefusal(Refusal):
    """A refusal by the websocket API."""

    data: BanEnd = BanEnd()


class UserFrame(Struct):
    """What the websocket API sends: an event of the account, or the answer to a request."""

    event: ExecutionReport | AccountPosition | StreamTerminated | ServerShutdown | None = None
    status: int = 0
    error: ApiRefusal | None = None


class EventName(Struct, rename={"name": "e"}):
    """An event of any kind, by its name alone."""

    name: str


class NamedEvent(Struct):
    """A frame with an event of any kind."""

    event: EventName


class OrderRow(Struct, rename="camel"):
    """An order as REST answers it: a row of GET /api/v3/openOrders, or the answer to a request
    about one."""

    symbol: str
    status: str
    order_id: int
    client_order_id: str
    executed_qty: Decimal
    cummulative_quote_qty: Decimal
    side: OrderSide
    orig_qty: Decimal
    price: Decimal
    type: str
    orig_client_order_id: str = ""
    update_time: int = 0
    transact_time: int = 0

    def to_update(self) -> OrderUpdate:
        """On the answer to a cancel ``clientOrderId`` is the cancel's own id."""
        state = STATES.get(self.status)
        return OrderUpdate(
            symbol=self.symbol,
            state=state,
            client_order_id=self.orig_client_order_id or self.client_order_id,
            exchange_order_id=str(self.order_id),
            filled=self.executed_qty,
            quote_filled=self.cummulative_quote_qty,
            time=epoch_ns(self.update_time or self.transact_time),
            reason=unknown_status(self.status) if state is None else "",
            side=SIDES[self.side],
            amount=self.orig_qty,
            price=self.price or None,
            type=order_type(self.type),
        )


class AccountTrade(Struct, rename="camel"):
    """A row of GET /api/v3/myTrades."""

    symbol: str
    id: int
    order_id: int
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool

    def to_fill(self) -> Fill:
        return Fill(
            symbol=self.symbol,
            trade_id=str(self.id),
            exchange_order_id=str(self.order_id),
            side=Side.BUY if self.is_buyer else Side.SELL,
            price=self.price,
            amount=self.qty,
            fee=self.commission,
            fee_asset=self.commission_asset,
            is_maker=self.is_maker,
            time=epoch_ns(self.time),
        )


class BalanceRow(Struct):
    """A row of the balances in GET /api/v3/account."""

    asset: str
    free: Decimal
    locked: Decimal

    def to_balance(self) -> Balance:
        return Balance(self.asset, self.free + self.locked, self.free)


class AccountBalances(Struct):
    """GET /api/v3/account, for its balances."""

    balances: Raw


class CommissionRates(Struct):
    """The account's rates as fractions."""

    maker: Decimal
    taker: Decimal

    def to_fee(self) -> Fee:
        return Fee(self.maker, self.taker)


class AccountFees(Struct, rename="camel"):
    """GET /api/v3/account, for its fees."""

    commission_rates: CommissionRates


_positions = RowsDecoder(PositionRow, "$.event.B")
_user_frame = msgspec.json.Decoder(UserFrame)
_named_event = msgspec.json.Decoder(NamedEvent)
_order = msgspec.json.Decoder(OrderRow)
_orders = RowsDecoder(OrderRow)
_trades = RowsDecoder(AccountTrade)
_account_balances = msgspec.json.Decoder(AccountBalances)
_balances = RowsDecoder(BalanceRow, "$.balances")
_account_fees = msgspec.json.Decoder(AccountFees)
KNOWN_EVENTS = {"executionReport", "outboundAccountPosition"}


class BinanceAuth(Auth):
    """HMAC-SHA256 of the query, in hex."""

    def sign(self, request: UnsignedRequest, now: float) -> AuthDict:
        query = encode_query({**request.params, "timestamp": str(int(now * 1000))})
        url = f"{request.base}?{query}&signature={hmac_hex(self._secrets[0], query)}"
        return request.signed({"X-MBX-APIKEY": self.api_key}, url)

    def login(self, now: float) -> Frame:
        """A signed websocket-API request sorts its parameters by name and doesn't encode them."""
        params: dict[str, Any] = {"apiKey": self.api_key, "timestamp": int(now * 1000)}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = hmac_hex(self._secrets[0], payload)
        return {"id": "user", "method": "userDataStream.subscribe.signature", "params": params}


class BinanceUser(UserFeed):
    """The account's events on the websocket API, by a signed subscription."""

    path = "/ws-api/v3?timeUnit=MICROSECOND"

    def parse(self, frame: bytes) -> Iterable[UserEvent | Control]:
        try:
            message = _user_frame.decode(frame)
        except msgspec.ValidationError:
            if _named_event.decode(frame).event.name in KNOWN_EVENTS:
                raise
            return  # deposits, locks, order lists: balances follow on their own
        match message.event:
            case ExecutionReport() as report:
                yield report.to_update()
                if report.execution_type == "TRADE":
                    yield report.to_fill()
            case AccountPosition() as position:
                yield from position.to_balances()
            case StreamTerminated():
                yield Reconnect("eventStreamTerminated")
            case ServerShutdown():
                yield Reconnect("serverShutdown")
            case None:
                yield self._answer(message, frame)

    def _answer(self, message: UserFrame, frame: bytes) -> Control:
        if message.error is not None:
            refused = message.error
            fault = fault_of(
                str(refused.code),
                refused.msg,
                message.status if message.status in TOO_MANY_REQUESTS else 0,
            )
            return replace(fault, message=refused.msg, retry_after=refused.data.seconds())
        if message.status == 200:
            return Ready()
        raise ValueError(f"a frame of no known form: {frame[:120]!r}")


def read_order(answer: Answer) -> OrderUpdate:
    return _order.decode(answer.body).to_update()


def read_orders(answer: Answer) -> Rows[OrderUpdate]:
    return _orders.decode(answer.body, OrderRow.to_update)


def read_fills(answer: Answer) -> Rows[Fill]:
    return _trades.decode(answer.body, AccountTrade.to_fill)


def read_fill_page(answer: Answer) -> Page[Fill]:
    """A full page is followed by the trades above its last id."""
    fills = read_fills(answer)
    is_full = len(fills) + len(fills.bad) >= FILLS_A_PAGE
    return Page(fills, fills[-1].trade_id if is_full and fills else "")


def read_balances(answer: Answer) -> Rows[Balance]:
    account = _account_balances.decode(answer.body)
    return _balances.decode(account.balances, BalanceRow.to_balance)


def read_fee(answer: Answer) -> Fee:
    return _account_fees.decode(answer.body).commission_rates.to_fee()


def read_error(answer: Answer) -> Fault | None:
    """A refusal by HTTP status, in the form {"code": ..., "msg": ...}."""
    if answer.status < 400:
        return None
    refusal = refusal_in(answer, Refusal)
    if refusal is None:
        return of_gateway(answer)
    return fault_of(str(refusal.code), refusal.msg, answer.status)


class BinanceOrders(OrderEntry):
    id_params = ("symbol", "origClientOrderId", "orderId")

    def place(self, order: InFlightOrder) -> Call[OrderUpdate]:
        params = {
            "symbol": order.symbol,
            "side": order.side.name,
            "type": self._type(order),
            "quantity": f"{order.amount:f}",
            "newClientOrderId": order.client_order_id,
            "newOrderRespType": "RESULT",
        }
        if order.price is not None:
            params["price"] = f"{order.price:f}"
            if params["type"] == "LIMIT":
                params["timeInForce"] = order.tif.name
        cost = {"weight": 1, "orders": 1}
        return signed_request("POST", f"{API}/order", read_order, params, cost=cost, urgent=False)

    def _type(self, order: InFlightOrder) -> str:
        if order.type is OrderType.MARKET:
            return "MARKET"
        return "LIMIT_MAKER" if order.post_only else "LIMIT"

    def cancel(self, order: InFlightOrder) -> Call[OrderUpdate | None]:
        params = self.query_by_id(order)
        return signed_request("DELETE", f"{API}/order", read_order, params, cost={"weight": 1})

    def status(self, order: InFlightOrder) -> Call[OrderUpdate]:
        params = self.query_by_id(order)
        return signed_request("GET", f"{API}/order", read_order, params, cost={"weight": 4})

    def open_orders(self, trading_pair: str | None = None) -> Call[list[OrderUpdate]]:
        params = self.pair(trading_pair)
        cost = {"weight": 6 if trading_pair else 80}
        return signed_request("GET", f"{API}/openOrders", read_orders, params, cost=cost)

    def fills(self, trading_pair: str, after: FillCursor) -> Call[Page[Fill]]:
        params = self.pair(trading_pair)
        params["limit"] = str(FILLS_A_PAGE)
        last_trade_id = after.page or after.trade_id
        if last_trade_id:
            params["fromId"] = str(int(last_trade_id) + 1)
        elif after.time:
            params["startTime"] = str(after.time // NS_PER_MS)
        path = f"{API}/myTrades"
        return signed_request("GET", path, read_fill_page, params, cost={"weight": 20})

    def order_fills(self, order: InFlightOrder) -> Call[list[Fill]]:
        params = {"symbol": order.symbol, "orderId": order.exchange_order_id}
        return signed_request("GET", f"{API}/myTrades", read_fills, params, cost={"weight": 5})

    def balances(self) -> Call[list[Balance]]:
        params = {"omitZeroBalances": "true"}
        return signed_request("GET", f"{API}/account", read_balances, params, cost={"weight": 20})

    def fees(self, trading_pair: str) -> Call[Fee]:
        params = {"omitZeroBalances": "true"}
        return signed_request("GET", f"{API}/account", read_fee, params, cost={"weight": 20})


BINANCE = Exchange(
    name="binance",
    hosts=Endpoints(
        rest="https://api.binance.com",
        public="wss://stream.binance.com:9443",
        private="wss://ws-api.binance.com:443",
    ),
    testnet=Endpoints(
        rest=f"https://{TESTNET}",
        public=f"wss://stream.{TESTNET}",
        private=f"wss://ws-api.{TESTNET}",
    ),
    limits=(
        RateLimit("weight", 6000, 60.0, "x-mbx-used-weight-1m", aligned=True),
        RateLimit("orders", 50, 10.0, "x-mbx-order-count-10s", aligned=True, counted_by="account"),
        RateLimit(CONNECTIONS, 300, 300.0),
    ),
    auth=BinanceAuth,
    book=BinanceBook,
    user=BinanceUser,
    orders=BinanceOrders,
    error=read_error,
    server_time=Call(
        Request("GET", f"{API}/time", cost={"weight": 1}),
        lambda answer: _server_time.decode(answer.body).seconds(),
    ),
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    about=About(
        title="Binance spot",
        books="levels, 100 ms",
        gaps="update ids",
        checked="recorded frames of two sessions, ccxt and ccxt.pro, published signature vectors",
        not_applicable={
            "checksum_mismatch": 'Payload of "Diff. Depth Stream": E, s, U, u, b, a; no checksum'
        },
    ),
)
