"""OKX spot: its messages as the API v5 documentation describes them, and what each becomes here.

A field has our name in the code and the venue's in ``rename``; fields that we don't use are not
listed, the decoder skips them. The venue writes an empty text where a number is none.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from exchanges.checksums import crc32_in_turn
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
    Send,
    UnknownKind,
    UnsignedRequest,
    UserEvent,
    UserFeed,
    public_request,
    signed_request,
)
from exchanges.errors import ErrorTable, of_gateway, refusal_in
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
    TimeInForce,
    TradingRule,
)
from exchanges.rows import Rows, RowsDecoder, bad_row, only
from exchanges.signing import hmac_base64
from exchanges.values import (
    NS_PER_MS,
    batches,
    decimal_or_none,
    decimal_or_zero,
    epoch_ns,
    iso_text,
    number_of,
    unknown_status,
)
from orderbook.messages import BookDiff, BookSnapshot, OrderBookMessage, Side, Trade

API = "/api/v5"
SPOT = {"instType": "SPOT"}
FILLS_A_PAGE = 100
ORDERS_A_PAGE = 100
ARGS_A_FRAME = 500
LEVELS = 400
CHECKED_LEVELS = 25
OrderSide = Literal["buy", "sell"]
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
STATES = {
    "live": OrderState.OPEN,
    "partially_filled": OrderState.PARTIALLY_FILLED,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELLED,
    "mmp_canceled": OrderState.CANCELLED,
}
ORDER_TYPES = {TimeInForce.GTC: "limit", TimeInForce.IOC: "ioc", TimeInForce.FOK: "fok"}
MAKER = "M"
SUCCESS = "0"
BEING_CANCELLED = "51410"
"""The order is being cancelled already: the cancel was taken."""
# fmt: off
REFUSED = (
    "50014", "50015", "50027", "51000", "51001", "51004", "51005", "51006", "51010", "51020",
    "51021", "51022", "51023", "51024", "51116", "51120", "51121", "51136", "51137", "51138",
    "51201", "51202", "51203", "59113", "60012", "60018", "64001", "64002", "64003", "64004",
)
NOT_FOUND = ("51400", "51401", "51402", "51503", "51509", "51510", "51603")
AUTH = (
    "50101", "50103", "50104", "50105", "50106", "50110", "50111", "50113", "60005", "60007",
    "60009", "60011", "60024", "60032",
)
# fmt: on
ERRORS = ErrorTable(
    codes={
        **dict.fromkeys(REFUSED, ErrorKind.REFUSED),
        **dict.fromkeys(("51008", "51119", "51131"), ErrorKind.FUNDS),
        **dict.fromkeys(("51016", "51011"), ErrorKind.DUPLICATE),
        **dict.fromkeys(NOT_FOUND, ErrorKind.NOT_FOUND),
        **dict.fromkeys(("50011", "50061", "60014"), ErrorKind.RATE),
        **dict.fromkeys(("50102", "50112", "60004", "60006"), ErrorKind.CLOCK),
        **dict.fromkeys(AUTH, ErrorKind.AUTH),
    },
    limits={"50061": ("orders",)},
)


# Market data.


class BookRow(Struct, gc=False, rename={"time": "ts", "id": "seqId", "previous_id": "prevSeqId"}):
    """A row of channel books. ``checksum`` is signed; 0 is none."""

    bids: Raw
    asks: Raw
    time: str
    id: int
    previous_id: int
    checksum: int = 0

    def to_message(
        self, symbol: str, action: Literal["snapshot", "update"]
    ) -> BookSnapshot | BookDiff:
        checksum = self.checksum & 0xFFFFFFFF or -1
        if action == "snapshot":
            return BookSnapshot(
                symbol=symbol,
                bids=bytes(self.bids),
                asks=bytes(self.asks),
                update_id=self.id,
                time=epoch_ns(int(self.time)),
                checksum=checksum,
            )
        # An id that falls back still joins the one before it; one that stays is a sign of life.
        return BookDiff(
            symbol=symbol,
            bids=bytes(self.bids),
            asks=bytes(self.asks),
            first_id=self.previous_id + 1,
            update_id=self.id,
            time=epoch_ns(int(self.time)),
            checksum=checksum,
        )


class PublicTrade(
    Struct,
    gc=False,
    rename={"symbol": "instId", "trade_id": "tradeId", "price": "px", "size": "sz", "time": "ts"},
):
    """A row of channel trades; ``side`` is the taker's."""

    symbol: str
    trade_id: str
    price: str
    size: str
    side: OrderSide
    time: str

    def to_trade(self) -> Trade:
        return Trade(
            symbol=self.symbol,
            trade_id=self.trade_id,
            side=SIDES[self.side],
            price=number_of(self.price),
            size=number_of(self.size),
            time=epoch_ns(int(self.time)),
        )


class ChannelName(Struct, gc=False, rename={"symbol": "instId"}):
    """What a push belongs to."""

    channel: str = ""
    symbol: str = ""


class ChannelFrame(Struct, gc=False):
    """A frame of either socket: a push, or an event (an acknowledgement, a refusal, a notice)."""

    arg: ChannelName = msgspec.field(default_factory=ChannelName)
    action: Literal["snapshot", "update"] | None = None
    data: Raw = Raw()
    event: str = ""
    code: int | str = ""
    msg: str = ""


class NameOfAnyChannel(Struct, frozen=True):
    """Of a push of any channel."""

    channel: str = ""


class FrameOfAnyKind(Struct):
    """A frame by the names that it has."""

    arg: NameOfAnyChannel = NameOfAnyChannel()
    event: str = ""

    def unknown(self) -> UnknownKind | None:
        """None for what must be readable, and for what has no name."""
        kind = self.event or self.arg.channel
        is_known = kind in PUBLIC_KINDS or kind.endswith("error")
        return UnknownKind(kind) if kind and not is_known else None


PUBLIC_KINDS = {
    "books",
    "trades",
    "login",
    "notice",
    "pong",
    "subscribe",
    "unsubscribe",
    "channel-conn-count",
}
"""Channels and events of the public socket that must be readable."""


class DataAnswer(Struct):
    """Every answer by REST, for its rows."""

    data: Raw


class BookAnswer(Struct, rename={"id": "seqId"}):
    """A row of GET /market/books."""

    bids: Raw
    asks: Raw
    id: int


class Ticker(
    Struct,
    rename={
        "symbol": "instId",
        "last_price": "last",
        "base_volume": "vol24h",
        "quote_volume": "volCcy24h",
    },
):
    """A row of GET /market/tickers. A pair without trades has no price."""

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


class Instrument(
    Struct,
    rename={
        "symbol": "instId",
        "base": "baseCcy",
        "quote": "quoteCcy",
        "price_tick": "tickSz",
        "size_step": "lotSz",
        "min_size": "minSz",
        "max_size": "maxLmtSz",
    },
):
    """A row of GET /public/instruments. One that doesn't trade yet may lack its steps."""

    symbol: str
    base: str
    quote: str
    state: str
    price_tick: str
    size_step: str
    min_size: str
    max_size: str = ""

    def to_rule(self) -> TradingRule:
        return TradingRule(
            trading_pair=f"{self.base}-{self.quote}".upper(),
            symbol=self.symbol,
            base=self.base,
            quote=self.quote,
            price_tick=decimal_or_zero(self.price_tick),
            size_step=decimal_or_zero(self.size_step),
            min_size=decimal_or_zero(self.min_size),
            max_size=decimal_or_none(self.max_size),
            active=self.state == "live",
        )


class ServerTime(Struct, rename={"time": "ts"}):
    """A row of GET /public/time."""

    time: str

    def seconds(self) -> float:
        return int(self.time) / 1000


_channel_frame = msgspec.json.Decoder(ChannelFrame)
_frame_of_any_kind = msgspec.json.Decoder(FrameOfAnyKind)
_book_rows = msgspec.json.Decoder(list[BookRow])
_public_trades = RowsDecoder(PublicTrade, "$.data")
_answer = msgspec.json.Decoder(DataAnswer)
_book_answers = msgspec.json.Decoder(list[BookAnswer])
_tickers = RowsDecoder(Ticker, "$.data")
_instruments = RowsDecoder(Instrument, "$.data")
_server_times = RowsDecoder(ServerTime, "$.data")


def data_of(answer: Answer) -> Raw:
    return _answer.decode(answer.body).data


def control_of(message: ChannelFrame) -> Iterable[Control]:
    """What an event means, on either socket."""
    match message.event:
        case "subscribe" | "unsubscribe" | "channel-conn-count" | "pong":
            return ()
        case "notice":
            return (Reconnect(message.msg or "notice"),)
        case event if event.endswith("error"):
            return (ERRORS.fault(str(message.code), message.msg or event),)
        case event:
            raise ValueError(f"a frame of no known form: event {event!r} {message.msg}")


class OkxBook(BookFeed):
    """``books``: each frame names the id of the one before.

    It opens with a snapshot, which the venue has announced to leave out one day: the one by REST
    has the same ids. Checksums have been 0, none, since June 2026.
    """

    depth = LEVELS
    gap_check = "numbers"
    proof_of_life = (
        "trades; a frame without levels each minute of a book without changes, as documented; the "
        "best levels of a silent book by REST, where they differ between two requests; answers to "
        "our pings"
    )
    streams = ("/ws/v5/public",)

    def markets(self) -> Call[list[MarketSummary]]:
        return public_request(
            f"{API}/market/tickers",
            lambda answer: _tickers.decode(data_of(answer), Ticker.to_summary),
            SPOT,
            cost={"public": 1},
        )

    def trading_rules(self) -> Call[list[TradingRule]]:
        return public_request(
            f"{API}/public/instruments",
            lambda answer: _instruments.decode(data_of(answer), Instrument.to_rule),
            SPOT,
            cost={"public": 1},
        )

    def snapshot(self, symbol: str) -> Call[Any]:
        def read(answer: Answer) -> BookSnapshot:
            (book,) = _book_answers.decode(data_of(answer))
            return BookSnapshot(
                symbol=symbol,
                bids=bytes(book.bids),
                asks=bytes(book.asks),
                update_id=book.id,
            )

        params = {"instId": symbol, "sz": str(self.depth), "source": "0"}
        return public_request(f"{API}/market/books", read, params, cost={"books": 1})

    def look(self, symbol: str) -> Call[BookLook]:
        """By levels: numbers count changes beyond the channel's window, too."""

        def read(answer: Answer) -> BookLook:
            (book,) = _book_answers.decode(data_of(answer))
            return look_of(book.bids, book.asks)

        params = {"instId": symbol, "sz": "5"}
        return public_request(f"{API}/market/books", read, params, cost={"books": 1})

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[Frame]:
        args = [
            {"channel": channel, "instId": symbol}
            for symbol in symbols
            for channel in ("books", "trades")
        ]
        operation = "subscribe" if on else "unsubscribe"
        return [{"op": operation, "args": part} for part in batches(args, ARGS_A_FRAME)]

    def parse(self, frame: bytes) -> Iterable[OrderBookMessage | Control]:
        try:
            message = _channel_frame.decode(frame)
        except msgspec.ValidationError:
            unknown = _frame_of_any_kind.decode(frame).unknown()
            if unknown is None:
                raise
            return (unknown,)
        if message.event:
            return self._answered(message)
        if message.arg.channel == "trades":
            return _public_trades.decode_apart(message.data, PublicTrade.to_trade)
        if message.arg.channel and message.arg.channel != "books":
            return (UnknownKind(message.arg.channel),)
        if message.action is None or not message.arg.symbol:
            raise ValueError(f"a frame of no known form: {frame[:120]!r}")
        rows = _book_rows.decode(message.data)
        return [row.to_message(message.arg.symbol, message.action) for row in rows]

    def _answered(self, message: ChannelFrame) -> Iterable[Control]:
        unknown = FrameOfAnyKind(event=message.event).unknown()
        return control_of(message) if unknown is None else (unknown,)

    def checksum(self, symbol: str, bids: Any, asks: Any) -> int:
        """Made of texts, none of which is known to end in zeros behind the point: float64 has the
        same digits."""
        return crc32_in_turn(bids[:CHECKED_LEVELS], asks[:CHECKED_LEVELS])


# The account.


class OrderRow(
    Struct,
    gc=False,
    rename={
        "symbol": "instId",
        "order_id": "ordId",
        "client_order_id": "clOrdId",
        "filled": "accFillSz",
        "average_price": "avgPx",
        "size": "sz",
        "size_unit": "tgtCcy",
        "price": "px",
        "order_type": "ordType",
        "time": "uTime",
        "cancel_source": "cancelSource",
        "cancel_reason": "cancelSourceReason",
        "trade_id": "tradeId",
        "fill_price": "fillPx",
        "fill_size": "fillSz",
        "fill_fee": "fillFee",
        "fill_fee_asset": "fillFeeCcy",
        "fill_time": "fillTime",
        "liquidity": "execType",
    },
):
    """An order, as REST and channel orders show it; there also the trade that changed it."""

    symbol: str
    state: str
    order_id: str
    client_order_id: str
    filled: str
    average_price: str
    side: OrderSide
    size: str
    price: str
    order_type: str
    time: str
    size_unit: str = ""
    cancel_source: str = ""
    cancel_reason: str = ""
    trade_id: str = ""
    fill_price: str = ""
    fill_size: str = ""
    fill_fee: str = ""
    fill_fee_asset: str = ""
    fill_time: str = ""
    liquidity: str = ""

    def to_update(self) -> OrderUpdate:
        """A size in quote (never ours) gives no base amount: what is filled is all that is known of
        it."""
        state = STATES.get(self.state)
        filled = decimal_or_zero(self.filled)
        reason = self.cancel_reason or self.cancel_source
        return OrderUpdate(
            symbol=self.symbol,
            state=state,
            client_order_id=self.client_order_id,
            exchange_order_id=self.order_id,
            filled=filled,
            quote_filled=decimal_or_zero(self.average_price) * filled,
            time=epoch_ns(int(self.time)),
            reason=unknown_status(self.state) if state is None else reason,
            side=SIDES[self.side],
            amount=filled if self.size_unit == "quote_ccy" else decimal_or_zero(self.size),
            price=decimal_or_none(self.price),
            type=OrderType.MARKET if "market" in self.order_type else OrderType.LIMIT,
        )

    def to_fill(self) -> Fill | None:
        """The trade that the row is about, if there is one. A fee that was charged is negative."""
        if not self.trade_id or not decimal_or_zero(self.fill_size):
            return None
        return Fill(
            symbol=self.symbol,
            trade_id=self.trade_id,
            exchange_order_id=self.order_id,
            client_order_id=self.client_order_id,
            side=SIDES[self.side],
            price=Decimal(self.fill_price),
            amount=Decimal(self.fill_size),
            fee=-decimal_or_zero(self.fill_fee),
            fee_asset=self.fill_fee_asset,
            is_maker=self.liquidity == MAKER,
            time=epoch_ns(int(self.fill_time)),
        )

    def to_events(self) -> tuple[OrderUpdate | Fill, ...]:
        fill = self.to_fill()
        return (self.to_update(),) if fill is None else (self.to_update(), fill)


class FillRow(
    Struct,
    rename={
        "symbol": "instId",
        "trade_id": "tradeId",
        "bill_id": "billId",
        "order_id": "ordId",
        "client_order_id": "clOrdId",
        "price": "fillPx",
        "amount": "fillSz",
        "fee_asset": "feeCcy",
        "liquidity": "execType",
        "fill_time": "fillTime",
        "time": "ts",
    },
):
    """A row of GET /trade/fills. A fee that was charged is negative."""

    symbol: str
    trade_id: str
    bill_id: str
    order_id: str
    client_order_id: str
    price: Decimal
    amount: Decimal
    fee: str
    fee_asset: str
    liquidity: str
    side: OrderSide
    time: str
    fill_time: str = ""

    def to_fill(self) -> Fill:
        return Fill(
            symbol=self.symbol,
            trade_id=self.trade_id,
            exchange_order_id=self.order_id,
            client_order_id=self.client_order_id,
            side=SIDES[self.side],
            price=self.price,
            amount=self.amount,
            fee=-decimal_or_zero(self.fee),
            fee_asset=self.fee_asset,
            is_maker=self.liquidity == MAKER,
            time=epoch_ns(int(self.fill_time or self.time)),
        )


class BalanceRow(
    Struct,
    rename={"asset": "ccy", "total": "cashBal", "available": "availBal", "time": "uTime"},
):
    """One asset of an account."""

    asset: str
    total: str
    available: str
    time: str = ""

    def to_balance(self) -> Balance:
        return Balance(
            asset=self.asset,
            total=decimal_or_zero(self.total),
            available=decimal_or_zero(self.available),
            time=epoch_ns(int(self.time or 0)),
        )


class AccountRow(Struct):
    """A row of channel account, and of GET /account/balance."""

    details: Raw


class PlacedRow(Struct, rename={"order_id": "ordId"}):
    """The answer to an order."""

    order_id: str


class FeeRates(Struct):
    """Rates as fractions; what is charged is negative."""

    maker: str | None = None
    taker: str | None = None

    def to_fee(self) -> Fee:
        if self.maker is None or self.taker is None:
            raise ValueError("the rate of makers or that of takers is missing")
        return Fee(-decimal_or_zero(self.maker), -decimal_or_zero(self.taker))


class FeeRow(FeeRates, rename={"groups": "feeGroup"}):
    """A row of GET /account/trade-fee.

    The rates outside of the group are those of USDT pairs, and deprecated.
    """

    groups: list[FeeRates] = []

    def to_fee(self) -> Fee:
        if len(self.groups) == 1:
            return self.groups[0].to_fee()
        return FeeRates(self.maker, self.taker).to_fee()


class RefusedRow(Struct, rename={"code": "sCode", "message": "sMsg"}):
    """What a row may say: the reason of a refused order stands there."""

    code: str | UnsetType = UNSET
    message: str = ""


class Refusal(Struct):
    """What an answer says of its success."""

    code: int | str = ""
    msg: str = ""
    data: Raw = Raw(b"[]")

    def reason(self) -> tuple[str, str]:
        """Code and message: of the first row, where that has them.

        A code that can't be read is no success: it is empty then. A row that is no object has none,
        and is a row like others that can't be read.
        """
        code = str(self.code)
        try:
            rows = _raw_rows.decode(self.data)
        except msgspec.DecodeError as error:
            return ("", f"unreadable data: {error}") if code == SUCCESS else (code, self.msg)
        if not rows or not bytes(rows[0]).startswith(b"{"):
            return code, self.msg
        try:
            row = _refused_row.decode(rows[0])
        except msgspec.DecodeError as error:
            bad = bad_row("$.data[0]", error, rows[0])
            return ("", f"unreadable data: {bad}") if code == SUCCESS else (code, self.msg)
        if row.code is UNSET:
            return code, self.msg
        return row.code, row.message or self.msg


_orders = RowsDecoder(OrderRow, "$.data")
_fills = RowsDecoder(FillRow, "$.data")
_accounts = msgspec.json.Decoder(list[AccountRow])
_balances = RowsDecoder(BalanceRow, "$.data[0].details")
_placed = RowsDecoder(PlacedRow, "$.data")
_fees = RowsDecoder(FeeRow, "$.data")
_raw_rows = msgspec.json.Decoder(list[Raw] | None)
_refused_row = msgspec.json.Decoder(RefusedRow)


class OkxAuth(Auth):
    """HMAC-SHA256, in base64; a key has a passphrase."""

    fields = ("api_key", "api_secret", "passphrase")

    def sign(self, request: UnsignedRequest, now: float) -> AuthDict:
        time = iso_text(int(now * 1000) * NS_PER_MS)
        payload = time + request.method + request.target + request.data
        headers = {
            "OK-ACCESS-KEY": self.api_key,
            "OK-ACCESS-SIGN": hmac_base64(self._secrets[0], payload),
            "OK-ACCESS-TIMESTAMP": time,
            "OK-ACCESS-PASSPHRASE": self._secrets[1],
        }
        return request.signed(headers)

    def login(self, now: float) -> Frame:
        secret, passphrase = self._secrets
        time = str(int(now))
        arguments = {
            "apiKey": self.api_key,
            "passphrase": passphrase,
            "timestamp": time,
            "sign": hmac_base64(secret, f"{time}GET/users/self/verify"),
        }
        return {"op": "login", "args": [arguments]}


class OkxUser(UserFeed):
    """Login, then the account and the orders, with their fills; the venue confirms in order."""

    path = "/ws/v5/private"

    def parse(self, frame: bytes) -> Iterable[UserEvent | Control]:
        message = _channel_frame.decode(frame)
        if message.event:
            return self._control(message)
        if message.arg.channel == "orders":
            return self._orders(message.data)
        if message.arg.channel == "account":
            return self._balances(message.data)
        raise ValueError(f"a frame of no known form: {frame[:120]!r}")

    def _control(self, message: ChannelFrame) -> Iterable[Control]:
        if message.event == "login":
            channels = [{"channel": "account"}, {"channel": "orders", **SPOT}]
            return (Send({"op": "subscribe", "args": channels}),)
        if message.event == "subscribe" and message.arg.channel == "orders":
            return (Ready(),)
        return control_of(message)

    def _orders(self, data: Raw) -> Iterable[UserEvent | Control]:
        for found in _orders.decode_frame(data, OrderRow.to_events):
            if isinstance(found, Fault):
                yield found
            else:
                yield from found

    def _balances(self, data: Raw) -> Iterable[UserEvent | Control]:
        for account in _accounts.decode(data):
            yield from _balances.decode_frame(account.details, BalanceRow.to_balance)


def read_nothing(answer: Answer) -> None:
    """The stream reports the outcome."""


def read_orders(answer: Answer) -> Rows[OrderUpdate]:
    return _orders.decode(data_of(answer), OrderRow.to_update)


def read_fills(answer: Answer) -> Page[Fill]:
    """Newest first; a full page is followed by what is older than its last bill."""
    found = _fills.decode(data_of(answer), lambda row: (row.to_fill(), row.bill_id))
    fills = Rows((fill for fill, _ in found), found.bad)
    is_full = len(found) + len(found.bad) >= FILLS_A_PAGE
    return Page(fills, found[-1][1] if is_full and found else "")


def read_balances(answer: Answer) -> Rows[Balance]:
    (account,) = _accounts.decode(data_of(answer))
    return _balances.decode(account.details, BalanceRow.to_balance)


def read_fee(answer: Answer) -> Fee:
    return only(_fees.decode(data_of(answer), FeeRow.to_fee))


def read_server_time(answer: Answer) -> float:
    return only(_server_times.decode(data_of(answer), ServerTime.seconds))


def read_error(answer: Answer) -> Fault | None:
    """A refusal has a code, also where the HTTP status is 200; that of an order stands in its
    row."""
    refusal = refusal_in(answer, Refusal)
    if refusal is None:
        return of_gateway(answer)
    code, message = refusal.reason()
    if code in (SUCCESS, BEING_CANCELLED) and answer.status < 400:
        return None
    return ERRORS.fault(code, message, answer.status)


class OkxOrders(OrderEntry):
    id_params = ("instId", "clOrdId", "ordId")

    def place(self, order: InFlightOrder) -> Call[OrderUpdate]:
        body = {
            **self.query_by_id(order),
            "tdMode": "cash",
            "side": order.side.value,
            "sz": f"{order.amount:f}",
        }
        if order.price is None:
            body["ordType"] = "market"
            body["tgtCcy"] = "base_ccy"
        else:
            body["ordType"] = "post_only" if order.post_only else ORDER_TYPES[order.tif]
            body["px"] = f"{order.price:f}"

        def read(answer: Answer) -> OrderUpdate:
            placed = only(_placed.decode(data_of(answer), lambda row: row))
            return OrderUpdate(
                symbol=order.symbol,
                state=OrderState.OPEN,
                client_order_id=order.client_order_id,
                exchange_order_id=placed.order_id,
            )

        path = f"{API}/trade/order"
        return signed_request("POST", path, read, body=body, cost={"orders": 1}, urgent=False)

    def cancel(self, order: InFlightOrder) -> Call[OrderUpdate | None]:
        path = f"{API}/trade/cancel-order"
        body = self.query_by_id(order)
        return signed_request("POST", path, read_nothing, body=body, cost={"cancels": 1})

    def status(self, order: InFlightOrder) -> Call[OrderUpdate]:
        return signed_request(
            "GET",
            f"{API}/trade/order",
            lambda answer: only(read_orders(answer)),
            self.query_by_id(order),
            cost={"private": 1},
        )

    def open_orders(self, trading_pair: str | None = None) -> Call[list[OrderUpdate]]:
        """Newest first; a full page is followed by what is older than its last order."""
        return self._open_orders({**SPOT, **self.pair(trading_pair)})

    def _open_orders(self, params: dict[str, str]) -> Call[list[OrderUpdate]]:
        def following(answer: Answer) -> Call[list[OrderUpdate]] | None:
            found = read_orders(answer)
            is_full = len(found) + len(found.bad) >= ORDERS_A_PAGE
            if not is_full or not found:
                return None
            return self._open_orders({**params, "after": found[-1].exchange_order_id})

        path = f"{API}/trade/orders-pending"
        call: Call[list[OrderUpdate]] = signed_request(
            "GET", path, read_orders, params, cost={"private": 1}
        )
        return call.in_parts(following)

    def fills(self, trading_pair: str, after: FillCursor) -> Call[Page[Fill]]:
        """Of the last three days; newest page first, back to where the cursor begins."""
        params = {
            **SPOT,
            **self.pair(trading_pair),
            "begin": str(after.time // NS_PER_MS or ""),
            "after": after.page,
        }
        return signed_request("GET", f"{API}/trade/fills", read_fills, params, cost={"private": 1})

    def balances(self) -> Call[list[Balance]]:
        path = f"{API}/account/balance"
        return signed_request("GET", path, read_balances, cost={"account": 1})

    def fees(self, trading_pair: str) -> Call[Fee]:
        params = {**SPOT, **self.pair(trading_pair)}
        path = f"{API}/account/trade-fee"
        return signed_request("GET", path, read_fee, params, cost={"account": 1})


OKX = Exchange(
    name="okx",
    hosts=Endpoints(
        rest="https://www.okx.com",
        public="wss://ws.okx.com:8443",
        private="wss://ws.okx.com:8443",
    ),
    limits=(
        RateLimit("public", 20, 2.0),
        RateLimit("books", 40, 2.0),
        RateLimit("account", 5, 2.0, counted_by="account"),
        RateLimit("private", 60, 2.0, counted_by="account"),
        RateLimit("orders", 60, 2.0, counted_by="account"),
        RateLimit("cancels", 60, 2.0, counted_by="account"),
        RateLimit(CONNECTIONS, 3, 1.0),
    ),
    auth=OkxAuth,
    book=OkxBook,
    user=OkxUser,
    orders=OkxOrders,
    error=read_error,
    server_time=Call(Request("GET", f"{API}/public/time", cost={"public": 1}), read_server_time),
    decode=lambda frame: b'{"event":"pong"}' if frame == b"pong" else frame,
    ping="ping",
    stale_after=75.0,  # a book without changes is silent for a minute
    has=frozenset({"post_only", "ioc", "fok", "market"}),
    about=About(
        title="OKX spot",
        books="levels (books), 400 a side, 100 ms",
        gaps="seqId and prevSeqId",
        checksum="CRC32 of 25 levels where it isn't 0: it has been 0 since June 2026",
        checked=(
            "published signature vectors, frames of a recording of 2022, ccxt, ccxt.pro and the "
            "venue's SDK"
        ),
    ),
)
