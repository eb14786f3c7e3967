"""Bybit spot: its messages as the v5 documentation describes them, and what each becomes here.

A unified trading account. A field has our name in the code and the venue's in ``rename``; fields
that we don't use are not listed, the decoder skips them. The venue writes an empty text where a
number is none.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Literal
from urllib.parse import unquote

import msgspec
from msgspec import Raw, Struct

from exchanges.contract import (
    CONNECTIONS,
    MALFORMED,
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
    Send,
    UnknownKind,
    UnsignedRequest,
    UserEvent,
    UserFeed,
    public_request,
    signed_request,
)
from exchanges.errors import ErrorTable, MessageRule, of_gateway, refusal_in
from exchanges.looks import look_of
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
from exchanges.rows import Rows, RowsDecoder, only
from exchanges.signing import hmac_hex
from exchanges.values import (
    NS_PER_MS,
    batches,
    decimal_or_none,
    decimal_or_zero,
    epoch_ns,
    number_of,
    unknown_status,
)
from orderbook.messages import BookDiff, BookSnapshot, OrderBookMessage, Side, Trade

SPOT = {"category": "spot"}
RECEIVE_WINDOW_MS = "5000"
LOGIN_AHEAD = 10
"""Seconds by which a login's expiry must lie ahead when it arrives."""
TOPICS_A_FRAME = 10
ORDERS_A_PAGE = 50
FILLS_A_PAGE = 100
USER_TOPICS = ["order.spot", "execution.spot", "wallet"]
NO_ERROR = "EC_NoError"
SUCCESS = "0"
TOO_FREQUENT = "access too frequent"
"""HTTP 403 in plain text: the address is banned for ten minutes."""
TOO_FREQUENT_PAUSE = 600.0
OrderSide = Literal["Buy", "Sell"]
SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
STATES = {
    "New": OrderState.OPEN,
    "Created": OrderState.OPEN,
    "Untriggered": OrderState.OPEN,
    "Triggered": OrderState.OPEN,
    "Active": OrderState.OPEN,
    "PartiallyFilled": OrderState.PARTIALLY_FILLED,
    "Filled": OrderState.FILLED,
    "Cancelled": OrderState.CANCELLED,
    "PartiallyFilledCanceled": OrderState.CANCELLED,
    "Deactivated": OrderState.CANCELLED,
    "Rejected": OrderState.REJECTED,
}
# fmt: off
REFUSED = (
    "10001", "10024", "10027", "10029", "170005", "170031", "170115", "170116", "170117", "170121",
    "170124", "170132", "170133", "170134", "170135", "170136", "170137", "170140", "170148",
    "170192", "170193", "170194", "170197", "170198", "170201", "170210", "170217", "170218",
)
NOT_FOUND = ("20001", "110001", "170139", "170142", "170143", "170190", "170213")
AUTH = ("10003", "10004", "10005", "10007", "10009", "10010", "10028", "33004")
# fmt: on
ERRORS = ErrorTable(
    messages=(MessageRule(ErrorKind.RATE, TOO_FREQUENT),),
    codes={
        **dict.fromkeys(REFUSED, ErrorKind.REFUSED),
        "170131": ErrorKind.FUNDS,
        **dict.fromkeys(("10014", "110072", "170141"), ErrorKind.DUPLICATE),
        **dict.fromkeys(NOT_FOUND, ErrorKind.NOT_FOUND),
        **dict.fromkeys(("10006", "10018", "10429", "170222"), ErrorKind.RATE),
        "10002": ErrorKind.CLOCK,
        **dict.fromkeys(AUTH, ErrorKind.AUTH),
    },
    bans=frozenset({"10018"}),
)


# Market data.


class BookLevels(
    Struct, gc=False, rename={"symbol": "s", "bids": "b", "asks": "a", "update_id": "u"}
):
    """The data of topic orderbook."""

    symbol: str
    bids: Raw
    asks: Raw
    update_id: int

    def to_message(self, kind: str, time: int) -> BookSnapshot | BookDiff:
        """Number 1 follows a restart of the service: a whole book, whatever it is called."""
        if kind == "snapshot" or self.update_id == 1:
            return BookSnapshot(
                symbol=self.symbol,
                bids=bytes(self.bids),
                asks=bytes(self.asks),
                update_id=self.update_id,
                time=epoch_ns(time),
            )
        return BookDiff(
            symbol=self.symbol,
            bids=bytes(self.bids),
            asks=bytes(self.asks),
            first_id=self.update_id,
            update_id=self.update_id,
            time=epoch_ns(time),
        )


class PublicTrade(
    Struct,
    gc=False,
    rename={
        "symbol": "s",
        "trade_id": "i",
        "price": "p",
        "size": "v",
        "side": "S",
        "time": "T",
    },
):
    """A row of topic publicTrade; ``side`` is the taker's."""

    symbol: str
    trade_id: str
    price: str
    size: str
    side: OrderSide
    time: int

    def to_trade(self) -> Trade:
        return Trade(
            symbol=self.symbol,
            trade_id=self.trade_id,
            side=SIDES[self.side],
            price=number_of(self.price),
            size=number_of(self.size),
            time=epoch_ns(self.time),
        )


class PublicFrame(Struct, gc=False):
    """A frame of the public socket, in one pass: where a trade can't be read, its rows are read one
    by one."""

    topic: str = ""
    data: BookLevels | list[PublicTrade] | None = None
    type: str = ""
    cts: int = 0


class TopicFrame(Struct, gc=False, rename={"created": "creationTime"}):
    """A frame of a topic; ``topic`` is empty in the answer to a request."""

    topic: str = ""
    type: str = ""
    data: Raw = Raw()
    cts: int = 0
    created: int = 0


class FrameOfAnyKind(Struct, rename={"operation": "op"}):
    """A frame by the name of its topic, or of the request that it answers."""

    topic: str = ""
    operation: str = ""

    def kind(self) -> str:
        return self.topic.partition(".")[0] or self.operation


PUBLIC_KINDS = {"orderbook", "publicTrade", "auth", "subscribe", "unsubscribe", "ping", "pong"}
"""Topics and answers of the public socket that must be readable."""


class BookResult(Struct, rename={"bids": "b", "asks": "a"}):
    """The result of GET /v5/market/orderbook."""

    bids: Raw
    asks: Raw


class OperationAnswer(Struct, rename={"operation": "op", "message": "ret_msg"}):
    """The answer to a request, on either socket."""

    operation: str = ""
    success: bool | None = None  # a pong of the private socket has none
    message: str = ""

    def to_controls(self) -> tuple[Control, ...]:
        if self.success is False:
            kind = ErrorKind.AUTH if self.operation == "auth" else ErrorKind.REFUSED
            return (Fault(kind, self.operation, self.message),)
        match self.operation:
            case "auth" if self.success:
                return (Send({"op": "subscribe", "args": USER_TOPICS}),)
            case "subscribe" if self.success:
                return (Ready(),)
            case "unsubscribe" | "ping" | "pong":
                return ()
        raise ValueError(f"a frame of no known form: operation {self.operation!r}")


class ResultAnswer(Struct):
    """Every answer by REST."""

    result: Raw


class ListResult(Struct, rename={"rows": "list", "cursor": "nextPageCursor"}):
    """A result that is a list. ``cursor`` is percent-encoded; behind the last page there is one
    too."""

    rows: Raw
    cursor: str = ""


class Ticker(
    Struct,
    rename={
        "last_price": "lastPrice",
        "base_volume": "volume24h",
        "quote_volume": "turnover24h",
    },
):
    """A row of GET /v5/market/tickers."""

    symbol: str
    last_price: str
    base_volume: str
    quote_volume: str

    def to_summary(self) -> MarketSummary:
        return MarketSummary(
            symbol=self.symbol,
            last_price=decimal_or_zero(self.last_price),
            base_volume=decimal_or_zero(self.base_volume),
            quote_volume=decimal_or_zero(self.quote_volume),
        )


class LotSizeFilter(
    Struct,
    rename={
        "size_step": "basePrecision",
        "min_size": "minOrderQty",
        "max_size": "maxOrderQty",
        "max_limit_size": "maxLimitOrderQty",
        "min_notional": "minOrderAmt",
    },
):
    """A pair's steps and limits of sizes. The newer largest size goes first."""

    size_step: str
    min_size: str
    min_notional: str
    max_size: str = ""
    max_limit_size: str = ""


class PriceFilter(Struct, rename={"price_tick": "tickSize"}):
    """A pair's step of prices."""

    price_tick: str


class Instrument(
    Struct,
    rename={
        "base": "baseCoin",
        "quote": "quoteCoin",
        "sizes": "lotSizeFilter",
        "prices": "priceFilter",
    },
):
    """A row of GET /v5/market/instruments-info."""

    symbol: str
    base: str
    quote: str
    status: str
    sizes: LotSizeFilter
    prices: PriceFilter

    def to_rule(self) -> TradingRule:
        return TradingRule(
            trading_pair=f"{self.base}-{self.quote}".upper(),
            symbol=self.symbol,
            base=self.base,
            quote=self.quote,
            price_tick=decimal_or_zero(self.prices.price_tick),
            size_step=decimal_or_zero(self.sizes.size_step),
            min_size=decimal_or_zero(self.sizes.min_size),
            max_size=decimal_or_none(self.sizes.max_limit_size or self.sizes.max_size),
            min_notional=decimal_or_zero(self.sizes.min_notional),
            active=self.status == "Trading",
        )


class ServerTime(Struct, rename={"nanoseconds": "timeNano"}):
    """The result of GET /v5/market/time."""

    nanoseconds: str


_topic_frame = msgspec.json.Decoder(TopicFrame)
_public_frame = msgspec.json.Decoder(PublicFrame)
_public_trades = RowsDecoder(PublicTrade, "$.data")
_frame_of_any_kind = msgspec.json.Decoder(FrameOfAnyKind)
_book_result = msgspec.json.Decoder(BookResult)
_operation = msgspec.json.Decoder(OperationAnswer)
_answer = msgspec.json.Decoder(ResultAnswer)
_list = msgspec.json.Decoder(ListResult)
_tickers = RowsDecoder(Ticker, "$.result.list")
_instruments = RowsDecoder(Instrument, "$.result.list")
_server_time = msgspec.json.Decoder(ServerTime)


def list_of(answer: Answer) -> ListResult:
    return _list.decode(_answer.decode(answer.body).result)


def read_server_time(answer: Answer) -> float:
    return int(_server_time.decode(_answer.decode(answer.body).result).nanoseconds) / 1e9


class BybitBook(BookFeed):
    """``orderbook.200``: a snapshot first and whenever the venue starts again, then diffs numbered
    one by one."""

    depth = 200
    gap_check = "numbers"
    proof_of_life = (
        "trades; the best levels of a silent book by REST, where they differ between two requests; "
        "answers to our pings"
    )
    streams = ("/v5/public/spot",)

    def markets(self) -> Call[list[MarketSummary]]:
        return public_request(
            "/v5/market/tickers",
            lambda answer: _tickers.decode(list_of(answer).rows, Ticker.to_summary),
            SPOT,
            cost={"public": 1},
        )

    def trading_rules(self) -> Call[list[TradingRule]]:
        return public_request(
            "/v5/market/instruments-info",
            lambda answer: _instruments.decode(list_of(answer).rows, Instrument.to_rule),
            SPOT,
            cost={"public": 1},
        )

    def look(self, symbol: str) -> Call[BookLook]:
        """By levels: the numbers that REST has are those of another depth."""

        def read(answer: Answer) -> BookLook:
            result = _book_result.decode(_answer.decode(answer.body).result)
            return look_of(result.bids, result.asks)

        params = {**SPOT, "symbol": symbol, "limit": "5"}
        return public_request("/v5/market/orderbook", read, params, cost={"public": 1})

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[Frame]:
        topics: list[str] = []
        for symbol in symbols:
            topics.append(f"orderbook.{self.depth}.{symbol}")
            topics.append(f"publicTrade.{symbol}")
        operation = "subscribe" if on else "unsubscribe"
        return [{"op": operation, "args": part} for part in batches(topics, TOPICS_A_FRAME)]

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | Control]:
        try:
            message = _public_frame.decode(frame)
            data = message.data
            if isinstance(data, BookLevels) and message.topic.startswith("orderbook."):
                return (data.to_message(message.type, message.cts),)
            if isinstance(data, list) and message.topic.startswith("publicTrade."):
                return [trade.to_trade() for trade in data]
        except MALFORMED:
            kind = _frame_of_any_kind.decode(frame).kind()
            if kind == "publicTrade":
                rows = _topic_frame.decode(frame).data
                return _public_trades.decode_apart(rows, PublicTrade.to_trade)
            if not kind or kind in PUBLIC_KINDS:
                raise
            return (UnknownKind(kind),)
        return self._answered(frame)

    def _answered(self, frame: bytes) -> Iterable[Control]:
        kind = _frame_of_any_kind.decode(frame).kind()
        answer = _operation.decode(frame)
        if kind and kind not in PUBLIC_KINDS and answer.success is not False:
            return (UnknownKind(kind),)
        return answer.to_controls()


# The account.


class OrderRow(
    Struct,
    gc=False,
    rename={
        "status": "orderStatus",
        "order_id": "orderId",
        "client_order_id": "orderLinkId",
        "filled": "cumExecQty",
        "quote_filled": "cumExecValue",
        "amount": "qty",
        "order_type": "orderType",
        "size_unit": "marketUnit",
        "reject_reason": "rejectReason",
        "time": "updatedTime",
    },
):
    """An order, as REST and topic order show it."""

    symbol: str
    status: str
    order_id: str
    client_order_id: str
    filled: str
    quote_filled: str
    side: OrderSide
    amount: str
    price: str
    order_type: str
    time: str
    size_unit: str = ""
    reject_reason: str = NO_ERROR

    def to_update(self) -> OrderUpdate:
        """A size in quote (never ours) gives no base amount: what is filled is all that is known of
        it."""
        state = STATES.get(self.status)
        reason = "" if self.reject_reason == NO_ERROR else self.reject_reason
        is_market = self.order_type == "Market"
        is_in_quote = is_market and self.size_unit != "baseCoin"
        filled = decimal_or_zero(self.filled)
        return OrderUpdate(
            symbol=self.symbol,
            state=state,
            client_order_id=self.client_order_id,
            exchange_order_id=self.order_id,
            filled=filled,
            quote_filled=decimal_or_zero(self.quote_filled),
            time=epoch_ns(int(self.time)),
            reason=unknown_status(self.status) if state is None else reason,
            side=SIDES[self.side],
            amount=filled if is_in_quote else decimal_or_zero(self.amount),
            price=decimal_or_none(self.price),
            type=OrderType.MARKET if is_market else OrderType.LIMIT,
        )


class ExecutionRow(
    Struct,
    gc=False,
    rename={
        "trade_id": "execId",
        "order_id": "orderId",
        "client_order_id": "orderLinkId",
        "price": "execPrice",
        "amount": "execQty",
        "fee": "execFee",
        "fee_asset": "feeCurrency",
        "is_maker": "isMaker",
        "time": "execTime",
    },
):
    """A trade of ours, as REST and topic execution show it."""

    symbol: str
    trade_id: str
    order_id: str
    client_order_id: str
    price: Decimal
    amount: Decimal
    fee: str
    is_maker: bool
    side: OrderSide
    time: int | str
    fee_asset: str = ""

    def to_fill(self, rule: TradingRule) -> Fill:
        """Where the fee's currency isn't given it is what was received, and a rebate comes in what
        was given."""
        fee = decimal_or_zero(self.fee)
        is_in_base = (self.side == "Buy") == (fee >= 0)
        return Fill(
            symbol=self.symbol,
            trade_id=self.trade_id,
            exchange_order_id=self.order_id,
            client_order_id=self.client_order_id,
            side=SIDES[self.side],
            price=self.price,
            amount=self.amount,
            fee=fee,
            fee_asset=self.fee_asset or (rule.base if is_in_base else rule.quote),
            is_maker=self.is_maker,
            time=epoch_ns(int(self.time)),
        )


class CoinRow(Struct, rename={"asset": "coin", "total": "walletBalance"}):
    """One asset of a wallet."""

    asset: str
    total: str
    locked: str

    def to_balance(self, time: int = 0) -> Balance:
        """``time`` in ns."""
        total = decimal_or_zero(self.total)
        return Balance(self.asset, total, total - decimal_or_zero(self.locked), time)


class Wallet(Struct):
    """A row of topic wallet, and of GET /v5/account/wallet-balance."""

    coin: Raw


class OrdersFrame(Struct, gc=False, tag_field="topic", tag="order.spot"):
    """Topic order.spot, in one pass."""

    data: list[OrderRow]


class ExecutionsFrame(Struct, gc=False, tag_field="topic", tag="execution.spot"):
    """Topic execution.spot, in one pass."""

    data: list[ExecutionRow]


class PlacedOrder(Struct, rename={"order_id": "orderId"}):
    """The result of POST /v5/order/create."""

    order_id: str


class FeeRates(Struct, rename={"maker": "makerFeeRate", "taker": "takerFeeRate"}):
    """A row of GET /v5/account/fee-rate."""

    maker: Decimal
    taker: Decimal

    def to_fee(self) -> Fee:
        return Fee(self.maker, self.taker)


class Refusal(Struct, rename={"code": "retCode", "message": "retMsg"}):
    """What an answer says of its success."""

    code: int | str = ""
    message: str = ""


_user_frame = msgspec.json.Decoder(OrdersFrame | ExecutionsFrame)
_frame_orders = RowsDecoder(OrderRow, "$.data")
_frame_executions = RowsDecoder(ExecutionRow, "$.data")
_frame_coins = RowsDecoder(CoinRow, "$.data[0].coin")
_wallets = msgspec.json.Decoder(list[Wallet])
_orders = RowsDecoder(OrderRow, "$.result.list")
_executions = RowsDecoder(ExecutionRow, "$.result.list")
_coins = RowsDecoder(CoinRow, "$.result.list[0].coin")
_placed = msgspec.json.Decoder(PlacedOrder)
_fee_rates = RowsDecoder(FeeRates, "$.result.list")


class BybitAuth(Auth):
    """HMAC-SHA256 of time, key, window, query and body, in hex."""

    def sign(self, request: UnsignedRequest, now: float) -> AuthDict:
        time = str(int(now * 1000))
        payload = f"{time}{self.api_key}{RECEIVE_WINDOW_MS}{request.query}{request.data}"
        headers = {
            "X-BAPI-API-KEY": self.api_key,
            "X-BAPI-TIMESTAMP": time,
            "X-BAPI-RECV-WINDOW": RECEIVE_WINDOW_MS,
            "X-BAPI-SIGN": hmac_hex(self._secrets[0], payload),
        }
        return request.signed(headers)

    def login(self, now: float) -> Frame:
        expires = int((now + LOGIN_AHEAD) * 1000)
        signature = hmac_hex(self._secrets[0], f"GET/realtime{expires}")
        return {"op": "auth", "args": [self.api_key, expires, signature]}


class BybitUser(UserFeed):
    """Login, then orders, executions and the wallet."""

    path = "/v5/private"

    def parse(self, frame: bytes) -> Iterable[UserEvent | Control]:
        """Where a row can't be read, and for what comes seldom, rows are read one by one."""
        try:
            message = _user_frame.decode(frame)
            if isinstance(message, OrdersFrame):
                return [row.to_update() for row in message.data]
            return [self._fill(row) for row in message.data]
        except MALFORMED:
            return self._one_by_one(frame)

    def _one_by_one(self, frame: bytes) -> Iterable[UserEvent | Control]:
        message = _topic_frame.decode(frame)
        match message.topic:
            case "order.spot" | "order":
                return _frame_orders.decode_frame(message.data, OrderRow.to_update)
            case "execution.spot" | "execution":
                return _frame_executions.decode_frame(message.data, self._fill)
            case "wallet":
                return self._balances(message)
        return _operation.decode(frame).to_controls()

    def _fill(self, row: ExecutionRow) -> Fill:
        return row.to_fill(self.rules[row.symbol])

    def _balances(self, message: TopicFrame) -> Iterable[UserEvent | Control]:
        if not message.created:
            raise ValueError("$.creationTime is missing")
        time = epoch_ns(message.created)
        for wallet in _wallets.decode(message.data):
            yield from _frame_coins.decode_frame(wallet.coin, lambda coin: coin.to_balance(time))


def read_nothing(answer: Answer) -> None:
    """The stream reports the outcome."""


def read_orders(answer: Answer) -> Rows[OrderUpdate]:
    return _orders.decode(list_of(answer).rows, OrderRow.to_update)


def read_order(answer: Answer) -> OrderUpdate:
    return only(read_orders(answer))


def read_balances(answer: Answer) -> Rows[Balance]:
    (wallet,) = _wallets.decode(list_of(answer).rows)
    return _coins.decode(wallet.coin, CoinRow.to_balance)


def read_fee(answer: Answer) -> Fee:
    return only(_fee_rates.decode(list_of(answer).rows, FeeRates.to_fee))


def read_error(answer: Answer) -> Fault | None:
    """Every answer has a code, 0 for success, also where the HTTP status is 200."""
    refusal = refusal_in(answer, Refusal)
    if refusal is None and TOO_FREQUENT.encode() in answer.body:
        text = answer.body.decode(errors="replace")
        return Fault(ErrorKind.RATE, "", text, ban=True, retry_after=TOO_FREQUENT_PAUSE)
    if refusal is None:
        return of_gateway(answer)
    if str(refusal.code) == SUCCESS and answer.status < 400:
        return None
    return ERRORS.fault(str(refusal.code), refusal.message, answer.status)


class BybitOrders(OrderEntry):
    """Answers to ``place`` and ``cancel`` say that the venue took the request; what came of it
    follows by stream."""

    id_params = ("symbol", "orderLinkId", "orderId")
    fills_span = 7 * 86_400.0

    def place(self, order: InFlightOrder) -> Call[OrderUpdate]:
        body = {
            **SPOT,
            **self.query_by_id(order),
            "side": order.side.capitalize(),
            "qty": f"{order.amount:f}",
        }
        if order.price is None:
            body["orderType"] = "Market"
            body["marketUnit"] = "baseCoin"
        else:
            body["orderType"] = "Limit"
            body["price"] = f"{order.price:f}"
            body["timeInForce"] = "PostOnly" if order.post_only else order.tif.name

        def read(answer: Answer) -> OrderUpdate:
            placed = _placed.decode(_answer.decode(answer.body).result)
            return OrderUpdate(
                symbol=order.symbol,
                state=OrderState.OPEN,
                client_order_id=order.client_order_id,
                exchange_order_id=placed.order_id,
            )

        path = "/v5/order/create"
        return signed_request("POST", path, read, body=body, cost={"create": 1}, urgent=False)

    def cancel(self, order: InFlightOrder) -> Call[OrderUpdate | None]:
        body = {**SPOT, **self.query_by_id(order)}
        path = "/v5/order/cancel"
        return signed_request("POST", path, read_nothing, body=body, cost={"cancel": 1})

    def status(self, order: InFlightOrder) -> Call[OrderUpdate]:
        """Among those that are open and the last 500 that were, then among all of them."""
        params = {**SPOT, **self.query_by_id(order)}
        cost = {"query": 1}
        older = signed_request("GET", "/v5/order/history", read_order, params, cost=cost)
        recent = signed_request("GET", "/v5/order/realtime", read_order, params, cost=cost)
        return recent.or_else(older)

    def open_orders(self, trading_pair: str | None = None) -> Call[list[OrderUpdate]]:
        """Newest first; behind the last page there is a cursor too."""
        return self._open_orders({**SPOT, **self.pair(trading_pair), "limit": str(ORDERS_A_PAGE)})

    def _open_orders(self, params: dict[str, str]) -> Call[list[OrderUpdate]]:
        def following(answer: Answer) -> Call[list[OrderUpdate]] | None:
            found = read_orders(answer)
            is_full = len(found) + len(found.bad) >= ORDERS_A_PAGE
            cursor = unquote(list_of(answer).cursor)
            if not is_full or not cursor:
                return None
            return self._open_orders({**params, "cursor": cursor})

        path = "/v5/order/realtime"
        call: Call[list[OrderUpdate]] = signed_request(
            "GET", path, read_orders, params, cost={"query": 1}
        )
        return call.in_parts(following)

    def fills(self, trading_pair: str, after: FillCursor) -> Call[Page[Fill]]:
        rule = self.rules[trading_pair]
        params = {
            **SPOT,
            **self.pair(trading_pair),
            "startTime": str(after.time // NS_PER_MS or ""),
            "cursor": after.page,
            "limit": str(FILLS_A_PAGE),
        }

        def read(answer: Answer) -> Page[Fill]:
            found = list_of(answer)
            fills = _executions.decode(found.rows, lambda row: row.to_fill(rule))
            is_full = len(fills) + len(fills.bad) >= FILLS_A_PAGE
            return Page(fills, unquote(found.cursor) if is_full else "")

        return signed_request("GET", "/v5/execution/list", read, params, cost={"query": 1})

    def balances(self) -> Call[list[Balance]]:
        params = {"accountType": "UNIFIED"}
        path = "/v5/account/wallet-balance"
        return signed_request("GET", path, read_balances, params, cost={"query": 1})

    def fees(self, trading_pair: str) -> Call[Fee]:
        params = {**SPOT, **self.pair(trading_pair)}
        return signed_request("GET", "/v5/account/fee-rate", read_fee, params, cost={"query": 1})


def endpoints(network: str) -> Endpoints:
    stream = f"wss://stream{network}.bybit.com"
    return Endpoints(rest=f"https://api{network}.bybit.com", public=stream, private=stream)


def feed_of(depth: int) -> type[BookFeed]:
    return BybitBook.variant(str(depth), depth=depth)


BYBIT = Exchange(
    name="bybit",
    hosts=endpoints(""),
    testnet=endpoints("-testnet"),
    limits=(
        RateLimit("public", 400, 5.0),
        RateLimit("create", 10, 1.0, counted_by="account"),
        RateLimit("cancel", 10, 1.0, counted_by="account"),
        RateLimit("query", 10, 1.0, counted_by="account"),
        RateLimit(CONNECTIONS, 500, 300.0),
    ),
    auth=BybitAuth,
    book=BybitBook,
    feeds={"50": feed_of(50), "200": feed_of(200), "1000": feed_of(1000)},
    user=BybitUser,
    orders=BybitOrders,
    error=read_error,
    server_time=public_request("/v5/market/time", read_server_time, cost={"public": 1}),
    reset_header="x-bapi-limit-reset-timestamp",
    ping='{"op":"ping"}',
    stale_after=60.0,
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    about=About(
        title="Bybit spot",
        books="levels, 200 a side (feeds 50, 1000: as many), 200 ms",
        gaps="update ids",
        checked="published signature vectors, ccxt and ccxt.pro, the venue's own SDK",
        not_applicable={
            "checksum_mismatch": (
                'Orderbook, data: "s, b, a, u, seq"; there is no checksum among them'
            )
        },
    ),
)
