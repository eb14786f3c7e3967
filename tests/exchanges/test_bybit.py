"""Bybit spot: requests as its documentation wants them, frames and answers as it writes them."""

import json
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchanges.bybit import BYBIT
from exchanges.contract import Answer, ErrorKind, Fault, FillCursor, Ready, Send
from exchanges.orders import Balance, Fill, InFlightOrder, OrderState, OrderType, TimeInForce
from orderbook.errors import NotFound
from orderbook.messages import BookDiff, BookSnapshot, Side, Trade

FRAMES = Path(__file__).parents[1] / "frames" / "bybit"
WEEK = 7 * 86_400 * 10**9
RULE_ROW = {
    "symbol": "BTCUSDT",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "status": "Trading",
    "lotSizeFilter": {
        "basePrecision": "0.000001",
        "quotePrecision": "0.00000001",
        "minOrderQty": "0.000048",
        "maxOrderQty": "71.73956243",
        "minOrderAmt": "1",
    },
    "priceFilter": {"tickSize": "0.01"},
}
ORDER_ROW = {
    "symbol": "BTCUSDT",
    "orderId": "28",
    "orderLinkId": "mine",
    "side": "Sell",
    "orderType": "Limit",
    "price": "30000",
    "qty": "1",
    "timeInForce": "GTC",
    "orderStatus": "PartiallyFilled",
    "cumExecQty": "0.4",
    "cumExecValue": "12000",
    "rejectReason": "EC_NoError",
    "createdTime": "1672364262444",
    "updatedTime": "1672364262457",
}
FILL_ROW = {
    "symbol": "BTCUSDT",
    "orderId": "28",
    "orderLinkId": "mine",
    "side": "Sell",
    "execId": "2100000000007542577",
    "execPrice": "30000",
    "execQty": "0.4",
    "execFee": "12",
    "isMaker": True,
    "execTime": "1672364262450",
}


def answer(result: Any, status: int = 200, **more: Any) -> Answer:
    body = {
        "retCode": 0,
        "retMsg": "OK",
        "result": result,
        "retExtInfo": {},
        "time": 1672364262500,
    } | more
    return Answer(status, {}, json.dumps(body).encode())


def listed(*rows: Any, **more: Any) -> Answer:
    return answer({"category": "spot", "list": list(rows), **more})


def frames(name: str) -> list[bytes]:
    return (FRAMES / f"{name}.jsonl").read_bytes().splitlines()


@pytest.fixture
def feed() -> Any:
    return BYBIT.book({}, "")


@pytest.fixture
def rules(feed: Any) -> dict[str, Any]:
    return {rule.trading_pair: rule for rule in feed.trading_rules().read(listed(RULE_ROW))}


@pytest.fixture
def entry(rules: dict[str, Any]) -> Any:
    return BYBIT.orders(rules)


@pytest.fixture
def user(rules: dict[str, Any]) -> Any:
    by_symbol = {rule.symbol: rule for rule in rules.values()}
    by_symbol["XRPUSDT"] = msgspec.structs.replace(by_symbol["BTCUSDT"], base="XRP")
    return BYBIT.user(
        BYBIT.auth({"api_key": "test_api_key", "api_secret": "test_secret"}), by_symbol
    )


def order(**changes: Any) -> InFlightOrder:
    terms: dict[str, Any] = {
        "client_order_id": "mine",
        "trading_pair": "BTC-USDT",
        "symbol": "BTCUSDT",
    }
    return InFlightOrder(
        **{**terms, "side": Side.BUY, "amount": D(1), "exchange_order_id": "28", **changes}
    )


# Markets and books.


def test_rules_are_read(rules: dict[str, Any]) -> None:
    rule = rules["BTC-USDT"]
    assert (rule.symbol, rule.base, rule.quote, rule.active) == ("BTCUSDT", "BTC", "USDT", True)
    assert (rule.price_tick, rule.size_step, rule.min_size) == (
        D("0.01"),
        D("0.000001"),
        D("0.000048"),
    )
    assert (rule.max_size, rule.min_notional) == (D("71.73956243"), 1)


def test_the_newer_largest_size_goes_first_and_a_halted_pair_is_not_active(feed: Any) -> None:
    lot = RULE_ROW["lotSizeFilter"] | {"maxLimitOrderQty": "50"}  # type: ignore[operator]
    (rule,) = feed.trading_rules().read(
        listed(RULE_ROW | {"lotSizeFilter": lot, "status": "Closed"})
    )
    assert (rule.max_size, rule.active) == (50, False)


def test_volumes_are_read(feed: Any) -> None:
    call = feed.markets()
    assert (call.request.path, call.request.params) == ("/v5/market/tickers", {"category": "spot"})
    row = {"symbol": "BTCUSDT", "lastPrice": "2", "volume24h": "3", "turnover24h": "6"}
    (found,) = call.read(listed(row))
    assert (found.symbol, found.last_price, found.base_volume, found.quote_volume) == (
        "BTCUSDT",
        2,
        3,
        6,
    )


def test_subscriptions_are_of_ten_topics_at_most(feed: Any) -> None:
    asked = list(feed.subscribe([f"S{n}" for n in range(7)]))
    assert [len(frame["args"]) for frame in asked] == [10, 4]
    assert asked[0]["args"][:2] == ["orderbook.200.S0", "publicTrade.S0"]
    assert [frame["op"] for frame in feed.request_snapshot(["A"])] == ["unsubscribe", "subscribe"]


@pytest.mark.parametrize("name", ["50", "200", "1000"])
def test_other_depths_are_feeds(name: str) -> None:
    feed = BYBIT.with_feed(name).book({}, "")
    assert feed.depth == int(name)
    assert next(iter(feed.subscribe(["A"])))["args"][0] == f"orderbook.{name}.A"


def test_public_frames_of_the_documentation_are_read(feed: Any) -> None:
    done, image, diff, trade, pong = (list(feed.parse(frame)) for frame in frames("public"))
    assert (done, pong) == ([Ready()], [])
    (snapshot,) = image
    assert isinstance(snapshot, BookSnapshot)
    assert (snapshot.symbol, snapshot.bids) == (
        "BTCUSDT",
        b'[["16493.50","0.006"],["16493.00","0.100"]]',
    )
    assert (snapshot.update_id, snapshot.time) == (18521288, 1672304484976_000_000)
    (change,) = diff
    assert isinstance(change, BookDiff)
    assert (change.first_id, change.update_id, change.time) == (
        18521289,
        18521289,
        1687940967464_000_000,
    )
    assert trade == [
        Trade(
            "BTCUSDT",
            "20f43950-d8dd-5b31-9112-a178eb6023af",
            Side.BUY,
            16578.5,
            0.001,
            1672304486865_000_000,
        )
    ]


@pytest.mark.parametrize("kind", ["snapshot", "delta"])
def test_number_one_is_a_whole_book_by_any_name(feed: Any, kind: str) -> None:
    data = {"s": "BTCUSDT", "b": [["1", "2"]], "a": [], "u": 1, "seq": 9}
    (book,) = feed.parse(
        json.dumps(
            {"topic": "orderbook.200.BTCUSDT", "type": kind, "data": data, "cts": 5}
        ).encode()
    )
    assert book == BookSnapshot("BTCUSDT", b'[["1", "2"]]', b"[]", 1, 5_000_000)


def test_several_trades_come_in_one_frame_with_the_takers_side(feed: Any) -> None:
    row = {
        "T": 5,
        "s": "BTCUSDT",
        "S": "Sell",
        "v": "2",
        "p": "3",
        "i": "7",
        "BT": False,
        "RPI": False,
    }
    found = feed.parse(
        json.dumps({"topic": "publicTrade.BTCUSDT", "data": [row, row | {"S": "Buy"}]}).encode()
    )
    assert [(trade.side, trade.price, trade.size) for trade in found] == [
        (Side.SELL, 3, 2),
        (Side.BUY, 3, 2),
    ]


def test_a_refused_subscription_is_a_fault(feed: Any) -> None:
    frame = b'{"success":false,"ret_msg":"Invalid topic: x","op":"subscribe","conn_id":"1"}'
    assert list(feed.parse(frame)) == [Fault(ErrorKind.REFUSED, "subscribe", "Invalid topic: x")]
    assert list(feed.parse(b'{"success":true,"ret_msg":"","op":"unsubscribe"}')) == []


@pytest.mark.parametrize(
    "frame", [b"", b"{", b"[]", b"{}", b'{"data":{"s":"A"}}', b'{"data":[{"s":"A"}]}', b'{"op":7}']
)
def test_a_malformed_public_frame_is_an_error(feed: Any, frame: bytes) -> None:
    with pytest.raises((ValueError, LookupError, msgspec.DecodeError)):
        list(feed.parse(frame))


# Signatures.


def test_the_published_signature_of_a_login_is_made(user: Any) -> None:
    (frame,) = user.login(1700000000.0 - 10.0)
    assert frame["op"] == "auth"
    sign = "bacffe7500499eb829bb58c45d36d1b3e5ac67c14eaeba91df5e99ccee013925"
    assert frame["args"] == ["test_api_key", 1700000000000, sign]


def test_a_body_is_signed_as_it_is_sent(user: Any, entry: Any) -> None:
    request = entry.cancel(order()).request
    signed = user.auth.generate_auth_dict(
        "POST", "https://h/v5/order/cancel", {}, request.body, now=1700000000.0
    )
    assert signed["body"] == b'{"category":"spot","symbol":"BTCUSDT","orderLinkId":"mine"}'
    # Computed with openssl dgst -sha256 -hmac test_secret over 1700000000000test_api_key5000 and
    # the body.
    assert (
        signed["headers"]["X-BAPI-SIGN"]
        == "f4f12529c250a2e32e2d51320a385d104266bb2ebcfe2c615fbeac522a173b86"
    )
    assert signed["headers"]["X-BAPI-TIMESTAMP"] == "1700000000000"
    assert signed["headers"]["X-BAPI-RECV-WINDOW"] == "5000"


# Orders.


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"price": D("1.10")}, {"orderType": "Limit", "timeInForce": "GTC", "price": "1.10"}),
        ({"price": D(1), "tif": TimeInForce.IOC}, {"timeInForce": "IOC"}),
        ({"price": D(1), "tif": TimeInForce.FOK}, {"timeInForce": "FOK"}),
        ({"price": D(1), "post_only": True}, {"timeInForce": "PostOnly"}),
        (
            {"type": OrderType.MARKET, "side": Side.SELL},
            {"orderType": "Market", "marketUnit": "baseCoin", "side": "Sell"},
        ),
    ],
)
def test_orders_are_placed_as_the_venue_wants_them(
    entry: Any, changes: dict[str, Any], expected: dict[str, str]
) -> None:
    request = entry.place(order(**{"amount": D("1E-5"), **changes})).request
    assert (request.method, request.path, request.urgent) == ("POST", "/v5/order/create", False)
    common = {"category": "spot", "symbol": "BTCUSDT", "qty": "0.00001", "orderLinkId": "mine"}
    assert request.body.items() >= (common | expected).items()
    assert ("price" in request.body) == ("price" in changes)
    assert ("marketUnit" in request.body) == ("price" not in changes)


def test_an_accepted_order_is_open_until_the_stream_says_more(entry: Any) -> None:
    update = entry.place(order()).read(answer({"orderId": "28", "orderLinkId": "mine"}))
    assert (update.state, update.exchange_order_id, update.filled) == (OrderState.OPEN, "28", None)
    call = entry.cancel(order())
    assert (call.request.path, call.request.urgent) == ("/v5/order/cancel", True)
    assert call.read(answer({"orderId": "28"})) is None


def test_orders_are_asked_for_among_the_recent_and_then_the_old(entry: Any) -> None:
    call = entry.status(order())
    assert call.request.params == {"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "mine"}
    assert [call.request.path, call.otherwise.request.path] == [
        "/v5/order/realtime",
        "/v5/order/history",
    ]
    assert entry.status(order(external=True)).request.params["orderId"] == "28"
    update = call.read(listed(ORDER_ROW))
    assert (update.state, update.filled, update.quote_filled) == (
        OrderState.PARTIALLY_FILLED,
        D("0.4"),
        12000,
    )
    assert (update.client_order_id, update.side, update.amount, update.price) == (
        "mine",
        Side.SELL,
        1,
        30000,
    )
    assert (update.time, update.type, update.reason) == (1672364262457_000_000, OrderType.LIMIT, "")
    with pytest.raises(NotFound):
        call.read(listed())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"orderStatus": "New"}, {"state": OrderState.OPEN}),
        (
            {"orderStatus": "PartiallyFilledCanceled"},
            {"state": OrderState.CANCELLED, "filled": D("0.4")},
        ),
        ({"orderStatus": "Deactivated"}, {"state": OrderState.CANCELLED}),
        (
            {"orderStatus": "Rejected", "rejectReason": "EC_Others"},
            {"state": OrderState.REJECTED, "reason": "EC_Others"},
        ),
        ({"price": "", "cumExecValue": ""}, {"price": None, "quote_filled": 0}),
        (
            {"orderType": "Market", "marketUnit": "baseCoin"},
            {"type": OrderType.MARKET, "amount": 1},
        ),
        ({"orderType": "Market", "marketUnit": "quoteCoin", "qty": "500"}, {"amount": D("0.4")}),
        (
            {"orderType": "Market", "marketUnit": "", "qty": "500", "cumExecQty": ""},
            {"amount": 0, "filled": 0},
        ),
    ],
)
def test_orders_are_read(entry: Any, changes: dict[str, str], expected: dict[str, Any]) -> None:
    (update,) = entry.open_orders().read(listed(ORDER_ROW | changes))
    assert {name: getattr(update, name) for name in expected} == expected


def test_a_state_that_is_not_known_is_that_of_its_order_alone(entry: Any) -> None:
    unknown, known = entry.open_orders().read(
        listed(ORDER_ROW | {"orderStatus": "New2"}, ORDER_ROW)
    )
    assert (unknown.state, unknown.reason) == (None, "the status 'New2' is unknown here")
    assert known.state is OrderState.PARTIALLY_FILLED


def test_rows_stand_on_their_own(entry: Any, user: Any) -> None:
    lacking = {name: value for name, value in ORDER_ROW.items() if name != "cumExecQty"}
    rows = entry.open_orders().read(
        listed(ORDER_ROW | {"orderId": None}, ORDER_ROW | {"more": 1}, lacking)
    )
    assert [update.exchange_order_id for update in rows] == ["28"]
    assert [str(bad) for bad in rows.bad] == [
        "$.result.list[0].orderId: Expected `str`, got `null`",
        "$.result.list[2]: Object missing required field `cumExecQty`",
    ]
    page = entry.fills("BTC-USDT", FillCursor()).read(
        listed(FILL_ROW, FILL_ROW | {"execPrice": "much"})
    )
    assert (len(page.items), len(page.items.bad)) == (1, 1)
    assert str(page.items.bad[0]) == "$.result.list[1].execPrice: Invalid decimal string"
    coins = [
        {"coin": "BTC", "walletBalance": "1"},
        {"coin": "USDT", "walletBalance": "5", "locked": ""},
    ]
    balances = entry.balances().read(listed({"coin": coins}))
    assert [balance.asset for balance in balances] == ["USDT"]
    assert (
        str(balances.bad[0]) == "$.result.list[0].coin[0]: Object missing required field `locked`"
    )
    frame = {"topic": "order.spot", "data": [ORDER_ROW | {"side": "Sideways"}, ORDER_ROW]}
    update, fault = user.parse(json.dumps(frame).encode())
    assert update.exchange_order_id == "28"
    assert (fault.kind, fault.message) == (
        ErrorKind.UNREADABLE,
        "$.data[0].side: Invalid enum value 'Sideways'",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"execId": None}, "$.data[0].execId: Expected `str`, got `null`"),
        ({"orderId": None}, "$.data[0].orderId: Expected `str`, got `null`"),
        ({"execPrice": []}, "$.data[0].execPrice: Expected `decimal`, got `array`"),
        ({"execFee": "much"}, "$.data[0]: InvalidOperation"),
        ({"symbol": "NEWUSDT"}, "$.data[0]: KeyError: 'NEWUSDT'"),
    ],
)
@pytest.mark.parametrize("topic", ["execution", "execution.spot"])
def test_a_fill_that_can_not_be_read_hides_no_other(
    user: Any, topic: str, change: dict[str, Any], message: str
) -> None:
    frame = {"topic": topic, "data": [FILL_ROW | change, FILL_ROW | {"more": {}}]}
    fill, fault = user.parse(json.dumps(frame).encode())
    assert fill.trade_id == "2100000000007542577"
    assert fault.kind is ErrorKind.UNREADABLE
    assert fault.message.startswith(message)


@pytest.mark.parametrize("topic", ["order", "order.spot"])
def test_an_order_of_an_unknown_state_hides_no_other(user: Any, topic: str) -> None:
    lacking = {name: value for name, value in ORDER_ROW.items() if name != "orderStatus"}
    rows = [ORDER_ROW | {"orderStatus": "PendingCancel"}, ORDER_ROW, lacking]
    unknown, known, fault = user.parse(json.dumps({"topic": topic, "data": rows}).encode())
    assert (unknown.state, unknown.reason) == (None, "the status 'PendingCancel' is unknown here")
    assert (unknown.filled, known.state) == (D("0.4"), OrderState.PARTIALLY_FILLED)
    assert fault.message == "$.data[2]: Object missing required field `orderStatus`"


def test_a_coin_that_can_not_be_read_hides_no_other(user: Any) -> None:
    coins = [{"coin": "BTC", "walletBalance": 1, "locked": ""}]
    coins += [{"coin": "ETH", "walletBalance": "1", "locked": "", "more": []}]
    frame = {"topic": "wallet", "creationTime": 5, "data": [{"coin": coins}]}
    balance, fault = user.parse(json.dumps(frame).encode())
    assert balance == Balance("ETH", D(1), D(1), 5_000_000)
    assert fault.message == "$.data[0].coin[0].walletBalance: Expected `str`, got `int`"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p": "much"}, "$.data[0]: ValueError: could not convert string to float: 'much'"),
        ({"i": None}, "$.data[0].i: Expected `str`, got `null`"),
        ({"S": "Both"}, "$.data[0].S: Invalid enum value 'Both'"),
    ],
)
def test_a_trade_that_can_not_be_read_hides_no_other(
    feed: Any, change: dict[str, Any], message: str
) -> None:
    row = {"T": 5, "s": "BTCUSDT", "S": "Sell", "v": "2", "p": "3", "i": "7"}
    frame = {"topic": "publicTrade.BTCUSDT", "data": [row | change, row | {"new": 1}]}
    trade, fault = feed.parse(json.dumps(frame).encode())
    assert (trade.trade_id, trade.side) == ("7", Side.SELL)
    assert (fault.kind, fault.message) == (ErrorKind.UNREADABLE, message)


def test_an_order_that_is_asked_for_and_can_not_be_read_is_not_taken_for_none(entry: Any) -> None:
    with pytest.raises(ValueError, match=r"\$\.result\.list\[0\]\.orderId"):
        entry.status(order()).read(listed(ORDER_ROW | {"orderId": None}))


def test_open_orders_may_be_of_one_pair(entry: Any) -> None:
    assert entry.open_orders().request.params == {"category": "spot", "limit": "50"}
    assert entry.open_orders("BTC-USDT").request.params["symbol"] == "BTCUSDT"


def test_a_full_page_of_open_orders_is_followed_by_that_of_its_cursor(entry: Any) -> None:
    call = entry.open_orders("BTC-USDT")
    assert call.request.params["limit"] == "50"
    following = call.following(listed(*[ORDER_ROW] * 50, nextPageCursor="28%3A7%2C28%3A7"))
    assert following.request.params == call.request.params | {"cursor": "28:7,28:7"}
    assert following.following(listed(*[ORDER_ROW] * 49, nextPageCursor="9%3A7")) is None
    assert following.following(listed(*[ORDER_ROW] * 50, nextPageCursor="")) is None


def test_fills_are_read_page_by_page(entry: Any) -> None:
    first = entry.fills("BTC-USDT", FillCursor(time=5_000_000))
    assert first.request.params == {
        "category": "spot",
        "symbol": "BTCUSDT",
        "limit": "100",
        "startTime": "5",
    }
    page = first.read(listed(*[FILL_ROW] * 100, nextPageCursor="132766%3A2%2C132766%3A2"))
    assert (len(page.items), page.next) == (100, "132766:2,132766:2")
    assert entry.fills("BTC-USDT", FillCursor(page=page.next)).request.params["cursor"] == page.next
    assert first.read(listed(FILL_ROW, nextPageCursor="132766%3A2%2C132766%3A2")).next == ""
    assert first.read(listed()).items == []
    assert "startTime" not in entry.fills("BTC-USDT", FillCursor()).request.params
    assert entry.fills_span * 10**9 == WEEK


def test_a_fill_is_read(entry: Any) -> None:
    page = entry.fills("BTC-USDT", FillCursor()).read(listed(FILL_ROW | {"feeCurrency": "MNT"}))
    assert page.items == [
        Fill(
            symbol="BTCUSDT",
            trade_id="2100000000007542577",
            exchange_order_id="28",
            client_order_id="mine",
            side=Side.SELL,
            price=D(30000),
            amount=D("0.4"),
            fee=D(12),
            fee_asset="MNT",
            is_maker=True,
            time=1672364262450_000_000,
        )
    ]


@pytest.mark.parametrize(
    ("side", "fee", "asset"),
    [
        ("Buy", "0.1", "BTC"),
        ("Sell", "0.1", "USDT"),
        ("Buy", "-0.1", "USDT"),
        ("Sell", "-0.1", "BTC"),
        ("Buy", "", "BTC"),
    ],
)
def test_a_fee_whose_currency_is_not_said_is_of_what_was_received_and_a_rebate_of_what_was_given(
    entry: Any, side: str, fee: str, asset: str
) -> None:
    (fill,) = (
        entry.fills("BTC-USDT", FillCursor())
        .read(listed(FILL_ROW | {"side": side, "execFee": fee}))
        .items
    )
    assert (fill.fee_asset, fill.fee) == (asset, D(fee or 0))


def test_balances_and_fees_are_read(entry: Any) -> None:
    coins = [
        {"coin": "BTC", "walletBalance": "2", "locked": "0.5", "availableToWithdraw": ""},
        {"coin": "ETH", "walletBalance": "1", "locked": "", "availableToWithdraw": ""},
    ]
    call = entry.balances()
    assert call.request.params == {"accountType": "UNIFIED"}
    assert call.read(listed({"coin": coins})) == [
        Balance("BTC", D(2), D("1.5")),
        Balance("ETH", D(1), D(1)),
    ]
    call = entry.fees("BTC-USDT")
    assert call.request.params == {"category": "spot", "symbol": "BTCUSDT"}
    fee = call.read(listed({"symbol": "BTCUSDT", "makerFeeRate": "0.001", "takerFeeRate": "0.002"}))
    assert (fee.maker, fee.taker) == (D("0.001"), D("0.002"))


def test_the_server_time_is_in_seconds() -> None:
    assert BYBIT.server_time is not None
    found = BYBIT.server_time.read(
        answer({"timeSecond": "1688639403", "timeNano": "1688639403423213947"})
    )
    assert found == pytest.approx(1688639403.4232139)


# The private stream.


def test_private_frames_of_the_documentation_are_read(user: Any) -> None:
    login, subscribed, updates, fills, balances, pong = (
        list(user.parse(frame)) for frame in frames("private")
    )
    assert login == [Send({"op": "subscribe", "args": ["order.spot", "execution.spot", "wallet"]})]
    assert (subscribed, pong) == ([Ready()], [])
    (update,) = updates
    assert (update.state, update.filled, update.quote_filled, update.price) == (
        OrderState.FILLED,
        1,
        75,
        D("72.5"),
    )
    (fill,) = fills
    assert (fill.amount, fill.fee, fill.fee_asset, fill.is_maker) == (
        25,
        D("0.005061"),
        "USDT",
        False,
    )
    assert balances == [Balance("BTC", D("0.00102964"), D("0.00092964"), 1700034722104_000_000)]


def test_topics_of_spot_alone_are_read_too(user: Any) -> None:
    (update,) = user.parse(json.dumps({"topic": "order.spot", "data": [ORDER_ROW]}).encode())
    (fill,) = user.parse(json.dumps({"topic": "execution.spot", "data": [FILL_ROW]}).encode())
    assert (update.exchange_order_id, fill.exchange_order_id) == ("28", "28")


def test_a_refused_login_is_a_fault_of_the_key(user: Any) -> None:
    (fault,) = user.parse(b'{"success":false,"ret_msg":"Params Error","op":"auth","conn_id":"1"}')
    assert (fault.kind, fault.message) == (ErrorKind.AUTH, "Params Error")
    (fault,) = user.parse(b'{"success":false,"ret_msg":"Invalid topic","op":"subscribe"}')
    assert fault.kind is ErrorKind.REFUSED
    with pytest.raises(ValueError, match="no known form"):
        list(user.parse(b'{"topic":"position","data":[]}'))


@pytest.mark.parametrize("operation", ["auth", "subscribe"])
@pytest.mark.parametrize("success", [{}, {"success": None}])
def test_what_is_not_confirmed_in_words_is_not_confirmed(
    user: Any, operation: str, success: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="no known form"):
        list(user.parse(json.dumps({"op": operation, "ret_msg": "", **success}).encode()))


def test_client_ids_and_addresses_fit_the_venue() -> None:
    assert len(BYBIT.client_id(2**80 - 1)) <= 36
    assert BYBIT.testnet is not None
    assert BYBIT.testnet.rest == "https://api-testnet.bybit.com"
    assert BYBIT.testnet.private == BYBIT.testnet.public == "wss://stream-testnet.bybit.com"
