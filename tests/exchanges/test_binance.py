"""Binance spot: requests as its documentation wants them, frames and answers read as it writes
them."""

import json
from decimal import Decimal as D
from typing import Any

import msgspec
import pytest

from exchanges.binance import BINANCE
from exchanges.contract import ErrorKind, Fault, FillCursor, Ready, Reconnect
from exchanges.orders import (
    Balance,
    Fill,
    InFlightOrder,
    OrderState,
    OrderType,
    OrderUpdate,
    TimeInForce,
)
from orderbook.messages import BookDiff, Side, Trade
from tests.support.answers import answer
from tests.support.recordings import recording

RULE_ROW = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "filters": [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": "0.01",
            "maxPrice": "1000000",
            "tickSize": "0.01",
        },
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
        {"filterType": "NOTIONAL", "minNotional": "5"},
    ],
}
ORDER_ROW = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "clientOrderId": "mine",
    "transactTime": 1507725176595,
    "price": "1.00000000",
    "origQty": "10.00000000",
    "executedQty": "4.00000000",
    "cummulativeQuoteQty": "4.00000000",
    "status": "PARTIALLY_FILLED",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "SELL",
}
# The example of the venue's documentation for user data streams.
REPORT = {
    "e": "executionReport",
    "E": 1499405658658,
    "s": "ETHBTC",
    "c": "mUvoqJxFIILMdfAW5iGSOW",
    "S": "BUY",
    "o": "LIMIT",
    "f": "GTC",
    "q": "1.00000000",
    "p": "0.10264410",
    "C": "",
    "x": "NEW",
    "X": "NEW",
    "r": "NONE",
    "i": 4293153,
    "l": "0.00000000",
    "z": "0.00000000",
    "L": "0.00000000",
    "n": "0",
    "N": None,
    "T": 1499405658657,
    "t": -1,
    "m": False,
    "Z": "0.00000000",
}


@pytest.fixture
def feed() -> Any:
    return BINANCE.book({}, "")


@pytest.fixture
def entry(feed: Any) -> Any:
    rules = feed.trading_rules().read(answer({"symbols": [RULE_ROW]}))
    return BINANCE.orders({rule.trading_pair: rule for rule in rules})


@pytest.fixture
def user() -> Any:
    return BINANCE.user(BINANCE.auth({"api_key": "K", "api_secret": "S"}), {})


def order(**changes: Any) -> InFlightOrder:
    terms: dict[str, Any] = {
        "client_order_id": "mine",
        "trading_pair": "BTC-USDT",
        "symbol": "BTCUSDT",
    }
    return InFlightOrder(
        **{**terms, "side": Side.BUY, "amount": D(1), "exchange_order_id": "28", **changes}
    )


def test_rules_are_read(feed: Any) -> None:
    (rule,) = feed.trading_rules().read(answer({"symbols": [RULE_ROW]}))
    assert (rule.trading_pair, rule.symbol, rule.base, rule.quote) == (
        "BTC-USDT",
        "BTCUSDT",
        "BTC",
        "USDT",
    )
    assert (rule.price_tick, rule.size_step, rule.min_size, rule.max_size) == (
        D("0.01"),
        D("0.00001"),
        D("0.00001"),
        9000,
    )
    assert (rule.min_notional, rule.active) == (5, True)


def test_the_older_notional_filter_and_a_halted_symbol_are_read(feed: Any) -> None:
    filters = [{"filterType": "MIN_NOTIONAL", "minNotional": "0.001"}]
    (rule,) = feed.trading_rules().read(
        answer({"symbols": [RULE_ROW | {"filters": filters, "status": "HALT"}]})
    )
    assert (rule.min_notional, rule.price_tick, rule.max_size, rule.active) == (
        D("0.001"),
        0,
        None,
        False,
    )


def test_volumes_are_read(feed: Any) -> None:
    row = {"symbol": "BTCUSDT", "lastPrice": "2", "volume": "3", "quoteVolume": "6"}
    (found,) = feed.markets().read(answer([row]))
    assert (found.symbol, found.last_price, found.base_volume, found.quote_volume) == (
        "BTCUSDT",
        2,
        3,
        6,
    )


def test_a_snapshot_keeps_its_levels_as_they_were(feed: Any) -> None:
    call = feed.snapshot("BTCUSDT")
    assert (call.request.path, call.request.params) == (
        "/api/v3/depth",
        {"symbol": "BTCUSDT", "limit": "1000"},
    )
    body = (
        b'{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],'
        b'"asks":[["4.00000200","12.00000000"]]}'
    )
    book = call.read(answer(body))
    assert (book.symbol, book.update_id, book.bids) == (
        "BTCUSDT",
        1027024,
        b'[["4.00000000","431.00000000"]]',
    )


def test_subscriptions_name_two_streams_a_symbol_and_at_most_two_hundred_a_frame(feed: Any) -> None:
    frames = list(feed.subscribe([f"S{n}" for n in range(150)]))
    assert [len(frame["params"]) for frame in frames] == [200, 100]
    assert frames[0]["params"][:2] == ["s0@depth@100ms", "s0@trade"]
    assert next(iter(feed.subscribe(["A"], on=False)))["method"] == "UNSUBSCRIBE"
    assert [frame["method"] for frame in feed.request_snapshot(["A"])] == [
        "UNSUBSCRIBE",
        "SUBSCRIBE",
    ]


def test_the_stream_is_asked_for_microseconds(feed: Any, user: Any) -> None:
    for role, path in (
        (feed, "/stream?timeUnit=MICROSECOND"),
        (user, "/ws-api/v3?timeUnit=MICROSECOND"),
    ):
        with pytest.raises(StopIteration) as end:
            next(role.handshake())
        assert end.value.value == path


@pytest.mark.parametrize("stamp", [1633998512068, 1633998512068000])
def test_a_diff_is_read_with_its_ids_and_its_time_in_either_unit(feed: Any, stamp: int) -> None:
    data = {
        "e": "depthUpdate",
        "E": stamp,
        "s": "NKNUSDT",
        "U": 5,
        "u": 7,
        "b": [["0.3513", "6195.0"]],
        "a": [],
    }
    (diff,) = feed.parse(json.dumps({"stream": "nknusdt@depth@100ms", "data": data}).encode())
    assert diff == BookDiff(
        "NKNUSDT", b'[["0.3513", "6195.0"]]', b"[]", 5, 7, 1633998512068_000_000
    )


@pytest.mark.parametrize(("maker_bought", "taker"), [(True, Side.SELL), (False, Side.BUY)])
def test_a_trade_carries_the_takers_side(feed: Any, maker_bought: bool, taker: Side) -> None:
    data = {
        "e": "trade",
        "E": 1,
        "s": "BNBBTC",
        "t": 12345,
        "p": "0.001",
        "q": "100",
        "T": 1672515782136,
        "m": maker_bought,
    }
    (trade,) = feed.parse(json.dumps({"stream": "bnbbtc@trade", "data": data}).encode())
    assert trade == Trade("BNBBTC", "12345", taker, 0.001, 100.0, 1672515782136_000_000)


def test_acknowledgements_say_nothing_and_refusals_are_faults(feed: Any) -> None:
    assert list(feed.parse(b'{"result":null,"id":1}')) == []
    (fault,) = feed.parse(b'{"code":2,"msg":"Invalid request: x","id":3}')
    assert fault == Fault(ErrorKind.REFUSED, "2", "Invalid request: x")
    (fault,) = feed.parse(b'{"error":{"code":3,"msg":"Invalid JSON"},"id":3}')
    assert fault.code == "3"


def test_a_shutdown_notice_means_another_connection(feed: Any) -> None:
    (control,) = feed.parse(b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}')
    assert isinstance(control, Reconnect)


@pytest.mark.parametrize("frame", [b"", b"{", b"[]", b'{"data":{"e":"depthUpdate"}}', b"{}"])
def test_a_malformed_frame_is_an_error(feed: Any, frame: bytes) -> None:
    with pytest.raises((ValueError, msgspec.DecodeError)):
        list(feed.parse(frame))


def test_every_frame_of_a_real_session_is_read() -> None:
    feed = BINANCE.book({}, "")
    kinds = set()
    for line in recording("BINANCE.ws.1.0").read_text().splitlines():
        stamp, _, payload = line.partition(": ")
        if stamp.replace(".", "").isdigit() and '"depthUpdate"' in payload:
            kinds |= {type(message) for message in feed.parse(payload.encode())}
    assert kinds == {BookDiff}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"type": "LIMIT", "timeInForce": "GTC", "price": "1.10", "quantity": "0.00001"}),
        ({"tif": TimeInForce.IOC}, {"type": "LIMIT", "timeInForce": "IOC"}),
        ({"post_only": True}, {"type": "LIMIT_MAKER"}),
        ({"type": OrderType.MARKET, "price": None}, {"type": "MARKET"}),
    ],
)
def test_orders_are_placed_as_the_venue_wants_them(
    entry: Any, changes: dict[str, Any], expected: dict[str, str]
) -> None:
    terms = {"client_order_id": "mine", "trading_pair": "BTC-USDT", "side": Side.BUY}
    new = InFlightOrder(
        **{**terms, "symbol": "BTCUSDT", "amount": D("1E-5"), "price": D("1.10"), **changes}
    )
    request = entry.place(new).request
    assert (request.method, request.path, request.signed) == ("POST", "/api/v3/order", True)
    assert request.params.items() >= expected.items()
    assert ("timeInForce" in request.params) == (request.params["type"] == "LIMIT")
    assert ("price" in request.params) == (new.price is not None)


def test_an_order_answer_is_read(entry: Any) -> None:
    update = entry.place(order()).read(answer(ORDER_ROW))
    assert (update.state, update.filled, update.quote_filled) == (OrderState.PARTIALLY_FILLED, 4, 4)
    assert (update.client_order_id, update.exchange_order_id, update.side) == (
        "mine",
        "28",
        Side.SELL,
    )
    assert (update.time, update.amount, update.price) == (1507725176595_000_000, 10, 1)


def test_a_cancel_answer_names_the_order_not_the_request(entry: Any) -> None:
    call = entry.cancel(order())
    assert (call.request.method, call.request.params["origClientOrderId"]) == ("DELETE", "mine")
    row = ORDER_ROW | {
        "clientOrderId": "the cancel's",
        "origClientOrderId": "mine",
        "status": "CANCELED",
    }
    assert call.read(answer(row)).client_order_id == "mine"


def test_external_orders_are_named_by_the_venues_id(entry: Any) -> None:
    assert entry.status(order(external=True)).request.params == {
        "symbol": "BTCUSDT",
        "orderId": "28",
    }


def test_lists_of_orders_are_read(entry: Any) -> None:
    updates = entry.open_orders().read(answer([ORDER_ROW, ORDER_ROW | {"orderId": 30}]))
    assert [update.exchange_order_id for update in updates] == ["28", "30"]
    assert entry.open_orders().request.cost == {"weight": 80}
    assert entry.open_orders("BTC-USDT").request.params == {"symbol": "BTCUSDT"}


def test_fills_continue_after_a_trade_or_from_a_time(entry: Any) -> None:
    assert entry.fills("BTC-USDT", FillCursor("7")).request.params["fromId"] == "8"
    assert entry.fills("BTC-USDT", FillCursor(time=5, page="9")).request.params["fromId"] == "10"
    assert entry.fills("BTC-USDT", FillCursor(time=5_000_000)).request.params["startTime"] == "5"
    row = {
        "symbol": "BTCUSDT",
        "id": 7,
        "orderId": 28,
        "price": "4",
        "qty": "2",
        "commission": "0.1",
        "time": 9,
    }
    row |= {"commissionAsset": "BNB", "isBuyer": False, "isMaker": True}
    page = entry.fills("BTC-USDT", FillCursor()).read(answer([row]))
    assert not page.next
    assert page.items[0] == Fill(
        symbol="BTCUSDT",
        trade_id="7",
        exchange_order_id="28",
        side=Side.SELL,
        price=D(4),
        amount=D(2),
        fee=D("0.1"),
        fee_asset="BNB",
        is_maker=True,
        time=9_000_000,
    )
    assert entry.fills("BTC-USDT", FillCursor()).read(answer([row] * 1000)).next == "7"
    unreadable = row | {"price": None}
    full = entry.fills("BTC-USDT", FillCursor()).read(answer([unreadable] * 500 + [row] * 500))
    assert full.next == "7"
    assert entry.fills("BTC-USDT", FillCursor()).read(answer([row] * 999)).next == ""
    assert entry.order_fills(order()).request.params["orderId"] == "28"
    assert entry.order_fills(order()).read(answer([row])) == page.items


def test_balances_and_fees_are_read(entry: Any) -> None:
    account = {
        "balances": [{"asset": "BTC", "free": "1.5", "locked": "0.5"}],
        "commissionRates": {"maker": "0.001", "taker": "0.002"},
    }
    assert entry.balances().read(answer(account)) == [Balance("BTC", D(2), D("1.5"))]
    assert entry.balances().read(answer(account))[0].held == D("0.5")
    fee = entry.fees("BTC-USDT").read(answer(account))
    assert (fee.maker, fee.taker) == (D("0.001"), D("0.002"))


def test_the_server_time_is_in_seconds() -> None:
    assert BINANCE.server_time is not None
    assert BINANCE.server_time.read(answer({"serverTime": 1499827319559})) == 1499827319.559


def test_a_report_of_the_documentation_is_read(user: Any) -> None:
    (update,) = user.parse(json.dumps({"subscriptionId": 0, "event": REPORT}).encode())
    assert isinstance(update, OrderUpdate)
    assert (update.symbol, update.state, update.client_order_id) == (
        "ETHBTC",
        OrderState.OPEN,
        "mUvoqJxFIILMdfAW5iGSOW",
    )
    assert (update.exchange_order_id, update.reason) == ("4293153", "")


def test_a_cancel_report_is_for_the_order_that_C_names(user: Any) -> None:
    event = REPORT | {"x": "CANCELED", "X": "CANCELED", "c": "the request's", "C": "mine"}
    (update,) = user.parse(json.dumps({"subscriptionId": 0, "event": event}).encode())
    assert (update.client_order_id, update.state) == ("mine", OrderState.CANCELLED)


def test_a_trade_report_is_an_update_and_a_fill(user: Any) -> None:
    event = REPORT | {
        "x": "TRADE",
        "X": "FILLED",
        "t": 9,
        "l": "1",
        "L": "0.1",
        "z": "1",
        "Z": "0.1",
        "n": "0.001",
        "N": "ETH",
    }
    update, fill = user.parse(json.dumps({"subscriptionId": 0, "event": event}).encode())
    assert (update.state, update.filled) == (OrderState.FILLED, 1)
    assert (fill.trade_id, fill.price, fill.amount, fill.fee, fill.fee_asset) == (
        "9",
        D("0.1"),
        1,
        D("0.001"),
        "ETH",
    )


def test_positions_are_absolute_balances(user: Any) -> None:
    event = {
        "e": "outboundAccountPosition",
        "E": 1564034571105,
        "B": [{"a": "ETH", "f": "10000.0", "l": "1.0"}],
    }
    assert list(user.parse(json.dumps({"event": event}).encode())) == [
        Balance("ETH", D("10001.0"), D("10000.0"), 1564034571105_000_000)
    ]


@pytest.mark.parametrize("what", ["eventStreamTerminated", "serverShutdown"])
def test_the_end_of_the_stream_means_another_connection(user: Any, what: str) -> None:
    assert list(user.parse(json.dumps({"event": {"e": what, "E": 1}}).encode())) == [
        Reconnect(what)
    ]


def test_subscribing_is_confirmed_or_refused(user: Any) -> None:
    assert list(user.parse(b'{"id":"user","status":200,"result":{"subscriptionId":0}}')) == [
        Ready()
    ]
    (fault,) = user.parse(
        b'{"id":"user","status":401,"error":{"code":-2015,"msg":"Invalid API-key"}}'
    )
    assert fault.kind is ErrorKind.AUTH
    assert list(user.parse(b'{"event":{"e":"balanceUpdate","E":1}}')) == []
    with pytest.raises(ValueError, match="no known form"):
        list(user.parse(b'{"what":1}'))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"code": -1013, "msg": "Filter failure: LOT_SIZE"}, ErrorKind.REFUSED),
        (400, {"code": -1102, "msg": "Mandatory parameter"}, ErrorKind.REFUSED),
        (400, {"code": -2010, "msg": "Order would immediately match and take."}, ErrorKind.REFUSED),
        (
            400,
            {"code": -2010, "msg": "Account has insufficient balance for requested action."},
            ErrorKind.FUNDS,
        ),
        (400, {"code": -2010, "msg": "Duplicate order sent."}, ErrorKind.DUPLICATE),
        (400, {"code": -2011, "msg": "Unknown order sent."}, ErrorKind.NOT_FOUND),
        (400, {"code": -2013, "msg": "Order does not exist."}, ErrorKind.NOT_FOUND),
        (400, {"code": -1021, "msg": "Timestamp"}, ErrorKind.CLOCK),
        (401, {"code": -2015, "msg": "Invalid API-key"}, ErrorKind.AUTH),
        (429, {"code": -1003, "msg": "Too many requests"}, ErrorKind.RATE),
        (418, b"<html>", ErrorKind.RATE),
        (503, {"code": -2010, "msg": "x"}, ErrorKind.UNKNOWN),
        (400, {"code": -1006, "msg": "x"}, ErrorKind.UNKNOWN),
        (400, {"code": -9999, "msg": "new"}, ErrorKind.UNKNOWN),
        (403, b"<html>WAF</html>", ErrorKind.UNKNOWN),
    ],
)
def test_refusals_are_classified(status: int, body: Any, kind: ErrorKind) -> None:
    fault = BINANCE.error(answer(body, status))
    assert fault is not None
    assert fault.kind is kind
    assert fault.message


def test_success_is_no_fault() -> None:
    assert BINANCE.error(answer({})) is None


def test_client_ids_fit_the_venue() -> None:
    longest = BINANCE.client_id(2**80 - 1)
    assert len(longest) <= 36
    assert longest.isalnum()
    assert BINANCE.client_id(0) == "t0"
