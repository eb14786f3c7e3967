"""HTX spot, formerly Huobi: its messages as the API documentation (v1.0) describes them, and what
each becomes here.

A field has our name in the code and the venue's in ``rename``; fields that we don't use are not
listed, the decoder skips them. Market data are JSON numbers, those of accounts are texts.
"""

from collections.abc import Generator, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar, Literal
from urllib.parse import quote

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
    GapCheck,
    Handshake,
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
from exchanges.errors import ErrorTable, MessageRule, message_rules, of_gateway, refusal_in
from exchanges.looks import look_of
from exchanges.orders import (
    ZERO,
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
from exchanges.rows import BadRow, Rows, RowsDecoder, only
from exchanges.signing import hmac_base64
from exchanges.values import (
    NS_PER_SECOND,
    decimal_or_none,
    decimal_or_zero,
    epoch_ns,
    gunzip,
    iso_text,
    unknown_status,
)
from orderbook.errors import NotFound
from orderbook.messages import BookDiff, BookSnapshot, OrderBookMessage, Side, Trade

ORDERS = "/v1/order/orders"
LEVELS = 150
OPEN_ORDERS_A_PAGE = 500
FILLS_A_PAGE = 500
SUCCESS = 200
CLOSED_ALREADY = ("-1", "0", "5", "6", "7")
"""What the venue says of a cancel by client id when there is no open order of that name."""
USER_TOPICS = ("orders#*", "trade.clearing#*#0", "accounts.update#2")
ORDER_TYPES = {
    TimeInForce.GTC: "limit",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "limit-fok",
}
BUY_BY_VALUE = "buy-market"
"""The type of orders whose size is in quote; never ours."""
STATES = {
    "created": OrderState.OPEN,
    "submitted": OrderState.OPEN,
    "canceling": OrderState.OPEN,
    "partial-filled": OrderState.PARTIALLY_FILLED,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELLED,
    "partial-canceled": OrderState.CANCELLED,
}
ORDER_EVENTS = ("creation", "trade", "cancellation")
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
OrderSide = Literal["buy", "sell"]
LIMITS = [
    f"order-{kind}-{what}-{bound}-error"
    for kind in ("limitorder", "marketorder")
    for what in ("amount", "price")
    for bound in ("min", "max", "buy-min", "buy-max", "sell-min", "sell-max")
]
REFUSED = (
    *LIMITS,
    "order-value-min-error",
    "order-orderprice-precision-error",
    "order-orderamount-precision-error",
    "order-ordervalue-precision-error",
    "invalid-amount",
    "order-invalid-price",
    "order-holding-limit-failed",
    "order-type-invalid",
    "order-disabled",
    "base-symbol-trade-disabled",
    "base-symbol-error",
    "validation-constraints-required",
    "market-orders-not-support-during-limit-price-trading",
)
FUNDS = ("account-frozen-balance-insufficient-error", "order-accountbalance-error")
NOT_FOUND = (
    "base-record-invalid",
    "base-not-found",
    "not-found",
    "order-queryorder-invalid",
    "order-orderstate-error",
    "order-user-cancel-forbidden",
)
DUPLICATE = ("invalid-client-order-id", "invalid.client.order.id")
RATE = ("rate-too-many-requests", "base-request-exceed-frequency-limit", "4000")
AUTH = (
    "api-signature-not-valid",
    "api-signature-check-failed",
    "login-required",
    "1002",
    "1003",
)
ERRORS = ErrorTable(
    messages=(
        *message_rules(ErrorKind.CLOCK, "submission time", "timestamp"),
        MessageRule(ErrorKind.AUTH, "auth", code="2002"),
    ),
    codes={
        **dict.fromkeys(REFUSED, ErrorKind.REFUSED),
        **dict.fromkeys(FUNDS, ErrorKind.FUNDS),
        **dict.fromkeys(NOT_FOUND, ErrorKind.NOT_FOUND),
        **dict.fromkeys(DUPLICATE, ErrorKind.DUPLICATE),
        **dict.fromkeys(RATE, ErrorKind.RATE),
        **dict.fromkeys(AUTH, ErrorKind.AUTH),
    },
)


def side_of(order_type: str) -> Side:
    """Of "buy-limit". Raises ValueError."""
    side, _, _ = order_type.partition("-")
    if side not in SIDES:
        raise ValueError(f"order type {order_type!r} begins with no side")
    return SIDES[side]


def type_of(order_type: str) -> OrderType:
    return OrderType.MARKET if "market" in order_type else OrderType.LIMIT


# Market data.


class PublicFrame(
    Struct, gc=False, rename={"error_code": "err-code", "error_message": "err-msg", "time": "ts"}
):
    """A frame of either public socket: a push (``ch``), the answer to a request (``rep``), an
    acknowledgement, a refusal or a ping."""

    ch: str = ""
    rep: str = ""
    tick: Raw = Raw()
    data: Raw = Raw()
    time: int = 0  # ms
    ping: int | None = None
    subbed: str | None = None
    unsubbed: str | None = None
    error_code: str | None = None
    error_message: str = ""


class FrameOfAnyKind(Struct):
    """A frame by the names of what it pushes or answers."""

    ch: str = ""
    rep: str = ""

    def kind(self) -> str:
        """The channel's name behind the symbol, where there is one: "mbp" of
        "market.btcusdt.mbp.150"."""
        parts = (self.ch or self.rep).split(".")
        return parts[2] if len(parts) > 2 else self.ch or self.rep


PUBLIC_KINDS = {"trade", "mbp", "depth"}
"""Channels that must be readable."""


class NumberedLevels(Struct, gc=False, rename={"id": "seqNum", "previous_id": "prevSeqNum"}):
    """Of channel mbp: changes, or the answer to a request for the whole book. A side that didn't
    change may be left out."""

    id: int
    bids: Raw = Raw(b"[]")
    asks: Raw = Raw(b"[]")
    previous_id: int | None = None

    def to_diff(self, symbol: str, time: int) -> BookDiff:
        if self.previous_id is None:
            raise ValueError("$.tick.prevSeqNum is missing")
        return BookDiff(
            symbol=symbol,
            bids=bytes(self.bids),
            asks=bytes(self.asks),
            first_id=self.previous_id + 1,
            update_id=self.id,
            time=time,
        )

    def to_snapshot(self, symbol: str, time: int) -> BookSnapshot:
        return BookSnapshot(
            symbol=symbol,
            bids=bytes(self.bids),
            asks=bytes(self.asks),
            update_id=self.id,
            time=time,
        )


class WholeBook(Struct, gc=False):
    """Of channel depth: the whole book, unmerged."""

    version: int
    bids: Raw = Raw(b"[]")
    asks: Raw = Raw(b"[]")

    def to_snapshot(self, symbol: str, time: int) -> BookSnapshot:
        return BookSnapshot(
            symbol=symbol,
            bids=bytes(self.bids),
            asks=bytes(self.asks),
            update_id=self.version,
            time=time,
        )


class DepthAnswer(Struct):
    """GET /market/depth."""

    tick: WholeBook


class PublicTrade(
    Struct,
    gc=False,
    rename={"trade_id": "tradeId", "size": "amount", "side": "direction", "time": "ts"},
):
    """A row of channel trade.detail; ``side`` is the taker's."""

    trade_id: int
    price: float
    size: float
    side: OrderSide
    time: int

    def to_trade(self, symbol: str) -> Trade:
        return Trade(
            symbol=symbol,
            trade_id=str(self.trade_id),
            side=SIDES[self.side],
            price=self.price,
            size=self.size,
            time=epoch_ns(self.time),
        )


class Trades(Struct, gc=False):
    """Of channel trade.detail, in one pass."""

    data: list[PublicTrade]


class TradeRows(Struct, gc=False):
    """The same, where a trade can't be read: its rows are read one by one."""

    data: Raw


class DataAnswer(Struct):
    """Every answer by REST."""

    data: Raw


class Ticker(
    Struct, rename={"last_price": "close", "base_volume": "amount", "quote_volume": "vol"}
):
    """A row of GET /market/tickers."""

    symbol: str
    last_price: Decimal
    base_volume: Decimal
    quote_volume: Decimal

    def to_summary(self) -> MarketSummary:
        return MarketSummary(self.symbol, self.last_price, self.base_volume, self.quote_volume)


class SymbolRow(
    Struct,
    rename={
        "base": "base-currency",
        "quote": "quote-currency",
        "price_places": "price-precision",
        "size_places": "amount-precision",
        "min_size": "limit-order-min-order-amt",
        "max_size": "limit-order-max-order-amt",
        "min_notional": "min-order-value",
        "api_trading": "api-trading",
    },
):
    """A row of GET /v1/common/symbols."""

    symbol: str
    base: str
    quote: str
    state: str
    price_places: int
    size_places: int
    min_size: Decimal
    max_size: Decimal
    min_notional: Decimal
    api_trading: str = ""

    def to_rule(self) -> TradingRule:
        base = self.base.upper()
        quote = self.quote.upper()
        return TradingRule(
            trading_pair=f"{base}-{quote}",
            symbol=self.symbol,
            base=base,
            quote=quote,
            price_tick=Decimal(1).scaleb(-self.price_places),
            size_step=Decimal(1).scaleb(-self.size_places),
            min_size=self.min_size,
            max_size=self.max_size or None,
            min_notional=self.min_notional,
            active=self.state == "online" and self.api_trading == "enabled",
        )


class ServerTime(Struct, rename={"milliseconds": "data"}):
    """GET /v1/common/timestamp."""

    milliseconds: int


_public_frame = msgspec.json.Decoder(PublicFrame)
_frame_of_any_kind = msgspec.json.Decoder(FrameOfAnyKind)
_numbered_levels = msgspec.json.Decoder(NumberedLevels)
_whole_book = msgspec.json.Decoder(WholeBook)
_depth_answer = msgspec.json.Decoder(DepthAnswer)
_trades = msgspec.json.Decoder(Trades)
_trade_rows = msgspec.json.Decoder(TradeRows)
_public_trades = RowsDecoder(PublicTrade, "$.tick.data")
_answer = msgspec.json.Decoder(DataAnswer)
_tickers = RowsDecoder(Ticker, "$.data")
_symbols = RowsDecoder(SymbolRow, "$.data")
_server_time = msgspec.json.Decoder(ServerTime)


def data_of(answer: Answer) -> Raw:
    return _answer.decode(answer.body).data


class HtxBook(BookFeed):
    """Changes on one socket, each with the number of the one before, and the snapshot on request;
    trades on another."""

    streams: ClassVar[tuple[str, ...]] = ("/feed", "/ws")
    trade_streams: ClassVar[tuple[str, ...]] = ("/ws",)
    channels: ClassVar[dict[str, tuple[str, ...]]] = {
        "/feed": (f"mbp.{LEVELS}",),
        "/ws": ("trade.detail",),
    }
    depth = LEVELS
    gap_check: ClassVar[GapCheck] = "numbers"
    proof_of_life = (
        "trades; the best levels of a silent book by REST, where they differ between two requests; "
        "the venue's pings"
    )
    snapshot_on_request = True

    def markets(self) -> Call[list[MarketSummary]]:
        return public_request(
            "/market/tickers",
            lambda answer: _tickers.decode(data_of(answer), Ticker.to_summary),
            cost={"public": 1},
        )

    def trading_rules(self) -> Call[list[TradingRule]]:
        return public_request(
            "/v1/common/symbols",
            lambda answer: _symbols.decode(data_of(answer), SymbolRow.to_rule),
            cost={"public": 1},
        )

    def look(self, symbol: str) -> Call[BookLook]:
        def read(answer: Answer) -> BookLook:
            tick = _depth_answer.decode(answer.body).tick
            return look_of(tick.bids, tick.asks)

        params = {"symbol": symbol, "type": "step0", "depth": "5"}
        return public_request("/market/depth", read, params, cost={"public": 1})

    def _topics(self, symbols: list[str]) -> list[str]:
        channels = self.channels[self.stream]
        return [f"market.{symbol}.{channel}" for symbol in symbols for channel in channels]

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[Frame]:
        operation = "sub" if on else "unsub"
        return [{operation: topic, "id": topic} for topic in self._topics(symbols)]

    def request_snapshot(
        self, symbols: list[str], subscribing: Iterable[Frame] | None = None
    ) -> Iterable[Frame]:
        """Answered on the socket that carries the changes: only there do their numbers join."""
        topics = [topic for topic in self._topics(symbols) if "trade" not in topic]
        return [{"req": topic, "id": topic} for topic in topics]

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | Control]:
        try:
            message = _public_frame.decode(frame)
        except msgspec.ValidationError:
            kind = _frame_of_any_kind.decode(frame).kind()
            if not kind or kind in PUBLIC_KINDS:
                raise
            return (UnknownKind(kind),)
        if message.ping is not None:
            return (Send(f'{{"pong":{message.ping}}}'),)
        if message.error_code is not None:
            return (ERRORS.fault(message.error_code, message.error_message),)
        if message.subbed is not None or message.unsubbed is not None:
            return ()
        kind = FrameOfAnyKind(message.ch, message.rep).kind()
        if kind and kind not in PUBLIC_KINDS:
            return (UnknownKind(kind),)
        return self._market_data(message, frame)

    def _market_data(
        self, message: PublicFrame, frame: bytes
    ) -> Iterable[OrderBookMessage | Control]:
        if message.ch and not message.time:
            raise ValueError("$.ts is missing")  # of answers the documentation shows none
        _, symbol, channel, *_ = (message.ch or message.rep).split(".")
        time = epoch_ns(message.time)
        content = message.tick if message.ch else message.data
        match channel:
            case "trade":
                return self._trades(symbol, content)
            case "mbp":
                levels = _numbered_levels.decode(content)
                is_diff = bool(message.ch)
                to_message = levels.to_diff if is_diff else levels.to_snapshot
                return (to_message(symbol, time),)
            case "depth":
                return (_whole_book.decode(content).to_snapshot(symbol, time),)
        raise ValueError(f"a frame of no known form: {frame[:120]!r}")

    def _trades(self, symbol: str, tick: Raw) -> Iterable[OrderBookMessage | Control]:
        try:
            return [trade.to_trade(symbol) for trade in _trades.decode(tick).data]
        except MALFORMED:
            rows = _trade_rows.decode(tick).data
            return _public_trades.decode_apart(rows, lambda row: row.to_trade(symbol))


class HtxImages(HtxBook):
    """The whole book, unmerged, 150 levels a side, about once a second; trades beside it."""

    streams = ("/ws",)
    trade_streams = ()
    channels: ClassVar[dict[str, tuple[str, ...]]] = {"/ws": ("depth.step0", "trade.detail")}
    full_snapshots_only = True
    gap_check = "images"
    image_interval = 1.0


# The account.


class AccountRow(Struct):
    """A row of GET /v1/account/accounts."""

    id: int
    type: str


class OrderRow(
    Struct,
    rename={
        "order_id": "id",
        "account_id": "account-id",
        "client_order_id": "client-order-id",
        "field_amount": "field-amount",
        "field_value": "field-cash-amount",
        "filled_amount": "filled-amount",
        "filled_value": "filled-cash-amount",
        "order_type": "type",
        "finished": "finished-at",
        "cancelled": "canceled-at",
        "created": "created-at",
    },
):
    """An order by REST. What is filled has two spellings: a list of open orders has another than
    all else."""

    symbol: str
    state: str
    order_id: int
    order_type: str
    amount: Decimal
    price: Decimal
    created: int
    account_id: int | None = None
    client_order_id: str = ""
    field_amount: str = ""
    field_value: str = ""
    filled_amount: str = ""
    filled_value: str = ""
    finished: int = 0
    cancelled: int = 0

    def to_update(self) -> OrderUpdate:
        """The amount of a purchase by value is in quote: what is filled is all that is known of
        it."""
        filled_text = self.field_amount or self.filled_amount
        value_text = self.field_value or self.filled_value
        if not filled_text or not value_text:
            raise ValueError(f"order {self.order_id} doesn't say what is filled of it")
        state = STATES.get(self.state)
        filled = Decimal(filled_text)
        return OrderUpdate(
            symbol=self.symbol,
            state=state,
            client_order_id=self.client_order_id,
            exchange_order_id=str(self.order_id),
            filled=filled,
            quote_filled=Decimal(value_text),
            time=epoch_ns(self.finished or self.cancelled or self.created),
            reason=unknown_status(self.state) if state is None else "",
            side=side_of(self.order_type),
            amount=filled if self.order_type == BUY_BY_VALUE else self.amount,
            price=self.price or None,
            type=type_of(self.order_type),
        )


class FillRow(
    Struct,
    rename={
        "id": "id",
        "trade_id": "trade-id",
        "order_id": "order-id",
        "amount": "filled-amount",
        "fee": "filled-fees",
        "fee_asset": "fee-currency",
        "deducted": "filled-points",
        "deducted_asset": "fee-deduct-currency",
        "order_type": "type",
        "time": "created-at",
    },
):
    """A trade of ours by REST."""

    symbol: str
    id: int
    trade_id: int
    order_id: int
    price: Decimal
    amount: Decimal
    order_type: str
    role: Literal["maker", "taker"]
    time: int
    fee: str = ""
    fee_asset: str = ""
    deducted: str = ""
    deducted_asset: str = ""

    def to_fill(self) -> Fill:
        fee, fee_asset = charged(self.fee, self.fee_asset, self.deducted, self.deducted_asset)
        return Fill(
            symbol=self.symbol,
            trade_id=str(self.trade_id),
            exchange_order_id=str(self.order_id),
            side=side_of(self.order_type),
            price=self.price,
            amount=self.amount,
            fee=fee,
            fee_asset=fee_asset,
            is_maker=self.role == "maker",
            time=epoch_ns(self.time),
        )


def charged(fee: str, asset: str, deducted: str, deducted_asset: str) -> tuple[Decimal, str]:
    """The fee in its currency, or what was deducted in its place from another that the account
    holds for that."""
    amount = decimal_or_zero(fee)
    if deducted and not amount:
        return Decimal(deducted), (deducted_asset or asset).upper()
    return amount, asset.upper()


class BalanceRow(Struct):
    """A row of GET /v1/account/accounts/{id}/balance: what is free of an asset, or what is held."""

    currency: str
    type: str
    balance: Decimal


class BalanceList(Struct, rename={"rows": "list"}):
    """The data of GET /v1/account/accounts/{id}/balance."""

    rows: Raw


class FeeRow(Struct, rename={"maker": "actualMakerRate", "taker": "actualTakerRate"}):
    """A row of GET /v2/reference/transact-fee-rate."""

    maker: Decimal
    taker: Decimal

    def to_fee(self) -> Fee:
        return Fee(self.maker, self.taker)


class PlacedOrder(Struct, rename={"order_id": "data"}):
    """POST /v1/order/orders/place."""

    order_id: str


class CancelAnswer(Struct, rename={"result": "data"}):
    """The order's id where it was named by that, else a code of its state."""

    result: int | str


class Refusal(Struct, rename={"error_code": "err-code", "error_message": "err-msg"}):
    """What an answer says of its success, in the older form and in the newer one."""

    error_code: str | None = None
    code: int | str | None = None
    status: str | None = None
    error_message: str | None = None
    message: str | None = None


class PrivateFrame(Struct, gc=False):
    """A frame of the private socket."""

    action: str = ""
    ch: str = ""
    code: int | None = None
    message: str | None = None
    data: Raw = Raw()


class OrderEvent(
    Struct,
    gc=False,
    rename={
        "kind": "eventType",
        "order_id": "orderId",
        "client_order_id": "clientOrderId",
        "account_id": "accountId",
        "status": "orderStatus",
        "order_type": "type",
        "amount": "orderSize",
        "price": "orderPrice",
        "executed": "execAmt",
        "trade_time": "tradeTime",
        "active_time": "lastActTime",
        "created": "orderCreateTime",
    },
):
    """Topic orders: a creation, a trade or a cancellation; which terms it repeats depends on it."""

    kind: str
    symbol: str
    order_id: int | str
    status: str
    order_type: str
    client_order_id: str = ""
    account_id: int | None = None
    amount: str = ""
    price: str = ""
    executed: str = ""
    trade_time: int = 0
    active_time: int = 0
    created: int = 0

    def to_update(self) -> OrderUpdate:
        """What is executed of a purchase by value is in quote."""
        state = STATES.get(self.status)
        executed = decimal_or_zero(self.executed)
        is_by_value = self.order_type == BUY_BY_VALUE
        return OrderUpdate(
            symbol=self.symbol,
            state=state,
            client_order_id=self.client_order_id,
            exchange_order_id=str(self.order_id),
            filled=ZERO if is_by_value else executed,
            quote_filled=executed if is_by_value else ZERO,
            time=epoch_ns(self.trade_time or self.active_time or self.created),
            reason=unknown_status(self.status) if state is None else "",
            side=side_of(self.order_type),
            amount=decimal_or_zero(self.amount),
            price=decimal_or_none(self.price),
            type=type_of(self.order_type),
        )


class ClearedTrade(
    Struct,
    gc=False,
    rename={
        "trade_id": "tradeId",
        "order_id": "orderId",
        "client_order_id": "clientOrderId",
        "account_id": "accountId",
        "side": "orderSide",
        "price": "tradePrice",
        "amount": "tradeVolume",
        "is_taker": "aggressor",
        "fee": "transactFee",
        "fee_asset": "feeCurrency",
        "deducted": "feeDeduct",
        "deducted_asset": "feeDeductType",
        "time": "tradeTime",
    },
):
    """Topic trade.clearing: a trade of ours with its fee."""

    symbol: str
    trade_id: int
    order_id: int | str
    side: OrderSide
    price: Decimal
    amount: Decimal
    is_taker: bool
    time: int
    fee: str
    client_order_id: str = ""
    account_id: int | None = None
    fee_asset: str = ""
    deducted: str = ""
    deducted_asset: str = ""

    def to_fill(self) -> Fill:
        fee, fee_asset = charged(self.fee, self.fee_asset, self.deducted, self.deducted_asset)
        return Fill(
            symbol=self.symbol,
            trade_id=str(self.trade_id),
            exchange_order_id=str(self.order_id),
            client_order_id=self.client_order_id,
            side=SIDES[self.side],
            price=self.price,
            amount=self.amount,
            fee=fee,
            fee_asset=fee_asset,
            is_maker=not self.is_taker,
            time=epoch_ns(self.time),
        )


class AccountEvent(
    Struct,
    rename={
        "account_id": "accountId",
        "account_type": "accountType",
        "total": "balance",
        "time": "changeTime",
    },
):
    """Topic accounts.update: one asset. On subscribing it has no time."""

    currency: str
    account_type: str
    total: str | None = None
    available: str | None = None
    account_id: int | None = None
    time: int | None = None

    def to_balance(self) -> Balance:
        if self.total is None or self.available is None:
            raise ValueError("$.data.balance or $.data.available is missing")
        return Balance(
            asset=self.currency.upper(),
            total=decimal_or_zero(self.total),
            available=decimal_or_zero(self.available),
            time=epoch_ns(self.time or 0),
        )


class EventKind(Struct, rename={"kind": "eventType"}):
    """An event of any kind, by its name alone."""

    kind: str = ""


_accounts = RowsDecoder(AccountRow, "$.data")
_order = msgspec.json.Decoder(OrderRow)
_orders = RowsDecoder(OrderRow, "$.data")
_fills = RowsDecoder(FillRow, "$.data")
_balance_list = msgspec.json.Decoder(BalanceList)
_balances = RowsDecoder(BalanceRow, "$.data.list")
_fees = RowsDecoder(FeeRow, "$.data")
_placed = msgspec.json.Decoder(PlacedOrder)
_cancel_answer = msgspec.json.Decoder(CancelAnswer)
_private_frame = msgspec.json.Decoder(PrivateFrame)
_order_event = msgspec.json.Decoder(OrderEvent)
_event_kind = msgspec.json.Decoder(EventKind)
_cleared_trade = msgspec.json.Decoder(ClearedTrade)
_account_event = msgspec.json.Decoder(AccountEvent)


class HtxAuth(Auth):
    """HMAC-SHA256 of method, host, path and sorted query, in base64."""

    def sign(self, request: UnsignedRequest, now: float) -> AuthDict:
        own = {
            "AccessKeyId": self.api_key,
            "SignatureMethod": "HmacSHA256",
            "SignatureVersion": "2",
            "Timestamp": self._timestamp(now),
        }
        params = dict(sorted({**request.params, **own}.items()))
        signed = replace(request, params=params)
        signature = quote(self._signature(signed), safe="")
        return signed.signed({}, f"{signed.url}&Signature={signature}")

    def login_to(self, socket: str, now: float) -> Frame:
        """``socket``: its address, which is part of what is signed."""
        params = {
            "accessKey": self.api_key,
            "signatureMethod": "HmacSHA256",
            "signatureVersion": "2.1",
            "timestamp": self._timestamp(now),
        }
        params["signature"] = self._signature(UnsignedRequest("GET", socket, params, None))
        return {"action": "req", "ch": "auth", "params": {"authType": "api", **params}}

    def _timestamp(self, now: float) -> str:
        """Without fraction and zone."""
        return iso_text(int(now) * NS_PER_SECOND)[: len("2024-01-01T00:00:00")]

    def _signature(self, request: UnsignedRequest) -> str:
        parts = (request.method, request.host.lower(), request.path, request.query)
        return hmac_base64(self._secrets[0], "\n".join(parts))


def spot_account(answer: Answer) -> str:
    """The number of the account that trades spot."""

    def id_of(row: AccountRow) -> str | None:
        return str(row.id) if row.type == "spot" else None

    return only(_accounts.decode(data_of(answer), id_of))


ACCOUNT = signed_request("GET", "/v1/account/accounts", spot_account, cost={"queries": 1})


class HtxUser(UserFeed):
    """Orders as the engine sees them; fills with their fees when cleared, in no order with those;
    balances."""

    path = "/ws/v2"

    def handshake(self) -> Handshake:
        self._account: str = yield ACCOUNT
        self._unconfirmed = set(USER_TOPICS)
        return self.path

    def login(self, now: float) -> Iterable[Frame]:
        assert isinstance(self.auth, HtxAuth)
        yield self.auth.login_to(self.host + self.path, now)

    def parse(self, frame: bytes) -> Iterable[UserEvent | Control]:
        message = _private_frame.decode(frame)
        if message.code is not None and message.code != SUCCESS:
            return (ERRORS.fault(str(message.code), message.message or ""),)
        match message.action:
            case "ping":
                return (Send({"action": "pong", "data": msgspec.json.decode(message.data)}),)
            case "req" if message.ch == "auth" and message.code == SUCCESS:
                return [Send({"action": "sub", "ch": topic}) for topic in USER_TOPICS]
            case "sub" if message.code == SUCCESS:
                self._unconfirmed.discard(message.ch)
                return () if self._unconfirmed else (Ready(),)
            case "push":
                return self._push(message)
        raise ValueError(f"a frame of no known form: {frame[:120]!r}")

    def _push(self, message: PrivateFrame) -> Iterable[UserEvent]:
        match message.ch.partition("#")[0]:
            case "orders":
                return self._orders(message.data)
            case "trade.clearing":
                trade = _cleared_trade.decode(message.data)
                return (trade.to_fill(),) if self._is_ours(trade.account_id) else ()
            case "accounts.update":
                event = _account_event.decode(message.data)
                # Loans have an account type of their own.
                is_ours = self._is_ours(event.account_id) and event.account_type == "trade"
                return (event.to_balance(),) if is_ours else ()
        if not message.ch:
            raise ValueError("a push without a topic")
        return ()

    def _orders(self, data: Raw) -> Iterable[UserEvent]:
        """Conditional orders have other events before they are placed."""
        try:
            event = _order_event.decode(data)
        except msgspec.ValidationError:
            if _event_kind.decode(data).kind in (*ORDER_EVENTS, ""):
                raise
            return ()
        if event.kind not in ORDER_EVENTS or not self._is_ours(event.account_id):
            return ()
        return (event.to_update(),)

    def _is_ours(self, account_id: int | None) -> bool:
        """Other accounts of the same key are margin accounts."""
        return account_id is None or str(account_id) == self._account


def read_order(answer: Answer) -> OrderUpdate:
    return _order.decode(data_of(answer)).to_update()


def read_cancelling(answer: Answer) -> None:
    """Taken is not cancelled.

    Raises NotFound for an order that is closed, or not there: it must be queried.
    """
    if str(_cancel_answer.decode(answer.body).result) in CLOSED_ALREADY:
        raise NotFound("no open order has that id")


def read_order_fills(answer: Answer) -> Rows[Fill]:
    return _fills.decode(data_of(answer), FillRow.to_fill)


def read_balances(answer: Answer) -> Rows[Balance]:
    """An asset of which a row can't be read is left out: half of it would be wrong."""
    found = _balance_list.decode(data_of(answer))
    rows = _balances.decode(found.rows, lambda row: row)
    unreadable = {currency_of(bad) for bad in rows.bad}
    held = {row.currency: row.balance for row in rows if row.type == "frozen"}
    balances: list[Balance] = []
    for row in rows:
        if row.type == "trade" and row.currency not in unreadable:
            total = row.balance + held.get(row.currency, ZERO)
            balances.append(Balance(row.currency.upper(), total, row.balance))
    return Rows(balances, rows.bad)


def currency_of(bad: BadRow) -> str:
    """Of a row that can't be read whole; empty where it says none."""
    try:
        found = msgspec.json.decode(bad.row)
    except msgspec.DecodeError:
        return ""
    return str(found.get("currency", "")) if isinstance(found, dict) else ""


def read_fee(answer: Answer) -> Fee:
    return only(_fees.decode(data_of(answer), FeeRow.to_fee))


def read_error(answer: Answer) -> Fault | None:
    """Refusals have HTTP status 200, a code and a message in one of two forms."""
    refusal = refusal_in(answer, Refusal)
    if refusal is None:
        return of_gateway(answer)
    codes = (refusal.error_code, refusal.code, refusal.status)
    code = next((str(code) for code in codes if code is not None), "")
    if code in ("ok", str(SUCCESS)) and answer.status < 400:
        return None
    message = refusal.error_message if refusal.error_message is not None else refusal.message
    return ERRORS.fault(code, message or "", answer.status)


class HtxOrders(OrderEntry):
    """Market purchases are of an amount in quote here: all our market orders are IOC limits, exact
    in base."""

    _account = ""

    def handshake(self) -> Generator[Call[Any], Any, None]:
        self._account = yield ACCOUNT

    def place(self, order: InFlightOrder) -> Call[OrderUpdate]:
        body = {
            "account-id": self._account,
            "symbol": order.symbol,
            "type": f"{order.side}-{self._kind(order)}",
            "amount": f"{order.amount:f}",
            "price": f"{order.price or 0:f}",
            "source": "spot-api",
            "client-order-id": order.client_order_id,
        }

        def read(answer: Answer) -> OrderUpdate:
            return OrderUpdate(
                symbol=order.symbol,
                state=OrderState.OPEN,
                client_order_id=order.client_order_id,
                exchange_order_id=_placed.decode(answer.body).order_id,
            )

        path = f"{ORDERS}/place"
        return signed_request("POST", path, read, body=body, cost={"orders": 1}, urgent=False)

    def _kind(self, order: InFlightOrder) -> str:
        if order.type is OrderType.MARKET:
            return "ioc"
        return "limit-maker" if order.post_only else ORDER_TYPES[order.tif]

    def cancel(self, order: InFlightOrder) -> Call[OrderUpdate | None]:
        if order.exchange_order_id:
            path = f"{ORDERS}/{order.exchange_order_id}/submitcancel"
            body = {}
        else:
            path = f"{ORDERS}/submitCancelClientOrder"
            body = {"client-order-id": order.client_order_id}
        return signed_request("POST", path, read_cancelling, body=body, cost={"cancels": 1})

    def status(self, order: InFlightOrder) -> Call[OrderUpdate]:
        if order.exchange_order_id:
            path = f"{ORDERS}/{order.exchange_order_id}"
            return signed_request("GET", path, read_order, cost={"queries": 1})
        params = {"clientOrderId": order.client_order_id}
        path = f"{ORDERS}/getClientOrder"
        return signed_request("GET", path, read_order, params, cost={"queries": 1})

    def open_orders(self, trading_pair: str | None = None) -> Call[list[OrderUpdate]]:
        params = {
            **self.pair(trading_pair),
            "account-id": self._account if trading_pair else "",
            "size": str(OPEN_ORDERS_A_PAGE),
        }

        def to_update(row: OrderRow) -> OrderUpdate | None:
            if row.account_id is None:
                raise ValueError(f"order {row.order_id} doesn't say whose it is")
            return row.to_update() if str(row.account_id) == self._account else None

        return signed_request(
            "GET",
            "/v1/order/openOrders",
            lambda answer: _orders.decode(data_of(answer), to_update),
            params,
            cost={"queries": 1},
        )

    def fills(self, trading_pair: str, after: FillCursor) -> Call[Page[Fill]]:
        """Of two days, newest first; older ones are queried by their order."""

        def read(answer: Answer) -> Page[Fill]:
            found = _fills.decode(data_of(answer), lambda row: (row.to_fill(), row.id))
            fills = Rows((fill for fill, _ in found), found.bad)
            is_full = len(found) + len(found.bad) >= FILLS_A_PAGE
            if not is_full or not found or fills[-1].time < after.time:
                return Page(fills)
            return Page(fills, str(found[-1][1]))

        params = {**self.pair(trading_pair), "from": after.page, "size": str(FILLS_A_PAGE)}
        path = "/v1/order/matchresults"
        return signed_request("GET", path, read, params, cost={"queries": 1})

    def order_fills(self, order: InFlightOrder) -> Call[list[Fill]]:
        path = f"{ORDERS}/{order.exchange_order_id}/matchresults"
        return signed_request("GET", path, read_order_fills, cost={"queries": 1})

    def balances(self) -> Call[list[Balance]]:
        path = f"/v1/account/accounts/{self._account}/balance"
        return signed_request("GET", path, read_balances, cost={"queries": 1})

    def fees(self, trading_pair: str) -> Call[Fee]:
        params = {"symbols": self.rules[trading_pair].symbol}
        path = "/v2/reference/transact-fee-rate"
        return signed_request("GET", path, read_fee, params, cost={"queries": 1})


HTX = Exchange(
    name="htx",
    hosts=Endpoints(
        rest="https://api.huobi.pro",
        public="wss://api.huobi.pro",
        private="wss://api.huobi.pro",
    ),
    limits=(
        RateLimit("public", 10, 1.0),
        RateLimit("orders", 100, 2.0, counted_by="account"),
        RateLimit("cancels", 100, 2.0, counted_by="account"),
        RateLimit("queries", 20, 2.0, counted_by="account"),
        RateLimit(CONNECTIONS, 0, 10.0),
    ),
    auth=HtxAuth,
    book=HtxBook,
    feeds={"step0": HtxImages},
    user=HtxUser,
    orders=HtxOrders,
    error=read_error,
    server_time=public_request(
        "/v1/common/timestamp",
        lambda answer: _server_time.decode(answer.body).milliseconds / 1000,
        cost={"public": 1},
    ),
    decode=gunzip,
    reset_header="x-hb-ratelimit-requests-expire",
    slippage=Decimal("0.05"),
    forgets_cancelled=True,
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    about=About(
        title="HTX (Huobi) spot",
        books="levels, 150 a side, 100 ms; by setting: step0 (images of 150 levels, 1 s)",
        gaps="each change names the number of the one before",
        checked=(
            "recorded frames of step0 and trades, ccxt and ccxt.pro, signature vectors of the "
            "venue's own SDKs"
        ),
        not_applicable={
            "checksum_mismatch": (
                '"market.$symbol.mbp.$levels ... tick": seqNum, prevSeqNum, bids, asks; no checksum'
            )
        },
    ),
)
