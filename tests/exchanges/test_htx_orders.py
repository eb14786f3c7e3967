"""HTX: orders placed, cancelled and asked about as its documentation wants; private frames."""

import json
from decimal import Decimal as D
from typing import Any

import pytest

from exchanges.contract import (
    Answer,
    ErrorKind,
    Fault,
    FillCursor,
    Ready,
    Send,
    UnsignedRequest,
)
from exchanges.htx import HTX
from exchanges.orders import (
    Balance,
    Fill,
    InFlightOrder,
    OrderState,
    OrderType,
    OrderUpdate,
    TimeInForce,
)
from orderbook.errors import NotFound
from orderbook.messages import Side
from tests.exchanges.test_htx import SYMBOL, quoted
from tests.support.answers import answer
from trochil.conformance.venue_harness import vectors_of

KEYS = {"api_key": "access", "api_secret": "secret"}
NOW = 1574330400.0  # 2019-11-21T10:00:00
ACCOUNTS = {
    "status": "ok",
    "data": [{"id": 9, "type": "otc"}, {"id": 7, "type": "spot", "state": "working"}],
}
ROW = {
    "id": 59378, "symbol": "btcusdt", "account-id": 7, "client-order-id": "mine",
    "amount": "10.100000000000000000",
    "price": "100.100000000000000000", "created-at": 1494901162595,
    "type": "buy-limit", "field-amount": "4.0",
    "field-cash-amount": "400.4", "field-fees": "0.004", "finished-at": 0, "source": "spot-api",
    "state": "partial-filled", "canceled-at": 0,
}  # fmt: skip
MATCH = {
    "symbol": "btcusdt", "fee-currency": "btc", "fee-deduct-currency": "",
    "fee-deduct-state": "done",
    "source": "spot-api", "order-id": 59378, "price": "9155.62", "created-at": 1590141604009,
    "role": "maker",
    "match-id": 104998984994,
    "filled-amount": "0.2", "filled-fees": "0.0001", "filled-points": "0.0",
    "trade-id": 100050305348,
    "id": 46940231831, "type": "buy-limit",
}  # fmt: skip


def opened(entry: Any) -> Any:
    steps = entry.handshake()
    call = next(steps)
    assert (call.request.path, call.request.signed) == ("/v1/account/accounts", True)
    with pytest.raises(StopIteration):
        steps.send(call.read(answer(ACCOUNTS)))
    return entry


@pytest.fixture
def entry() -> Any:
    rules = HTX.book({}, "").trading_rules().read(answer({"data": [SYMBOL]}))
    return opened(HTX.orders({rule.trading_pair: rule for rule in rules}))


@pytest.fixture
def user() -> Any:
    return opened(HTX.user(HTX.auth(KEYS), {}, "wss://api.huobi.pro"))


def order(**changes: Any) -> InFlightOrder:
    terms: dict[str, Any] = {
        "client_order_id": "mine",
        "trading_pair": "BTC-USDT",
        "symbol": "btcusdt",
    }
    return InFlightOrder(
        **{**terms, "side": Side.BUY, "amount": D("0.00001"), "price": D("1.10"), **changes}
    )


def ok(data: Any) -> Answer:
    return answer({"status": "ok", "data": data})


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "buy-limit"),
        ({"side": Side.SELL}, "sell-limit"),
        ({"post_only": True}, "buy-limit-maker"),
        ({"tif": TimeInForce.IOC}, "buy-ioc"),
        ({"tif": TimeInForce.FOK}, "buy-limit-fok"),
        ({"type": OrderType.MARKET, "side": Side.SELL}, "sell-ioc"),
        ({"type": OrderType.MARKET}, "buy-ioc"),
    ],
)
def test_the_type_holds_side_and_terms_and_amounts_are_in_base(
    entry: Any, changes: dict[str, Any], kind: str
) -> None:
    call = entry.place(order(**changes))
    assert (call.request.method, call.request.path) == ("POST", "/v1/order/orders/place")
    assert (call.request.urgent, call.request.params) == (False, {})
    assert call.request.body == {
        "account-id": "7",
        "symbol": "btcusdt",
        "type": kind,
        "amount": "0.00001",
        "price": "1.10",
        "source": "spot-api",
        "client-order-id": "mine",
    }


def test_market_orders_are_given_a_price_to_stop_at() -> None:
    assert HTX.slippage == D("0.05")


def test_a_placed_order_is_known_by_both_names(entry: Any) -> None:
    update = entry.place(order()).read(ok("59378"))
    assert (update.state, update.client_order_id, update.exchange_order_id) == (
        OrderState.OPEN,
        "mine",
        "59378",
    )


def test_an_order_is_cancelled_by_the_venues_id_which_it_keeps_longest(entry: Any) -> None:
    call = entry.cancel(order(exchange_order_id="59378"))
    assert (call.request.path, call.request.body) == ("/v1/order/orders/59378/submitcancel", {})
    assert call.request.method == "POST"
    assert call.read(ok("59378")) is None


def test_or_by_ours_and_what_is_not_being_cancelled_must_be_asked_about(entry: Any) -> None:
    call = entry.cancel(order())
    assert call.request.path == "/v1/order/orders/submitCancelClientOrder"
    assert call.request.body == {"client-order-id": "mine"}
    assert call.read(ok(10)) is None
    for said in (-1, 0, 5, 6, 7, "7"):
        with pytest.raises(NotFound):
            call.read(ok(said))


def test_status_is_asked_by_the_venues_id_or_ours(entry: Any) -> None:
    assert entry.status(order(exchange_order_id="59378")).request.path == "/v1/order/orders/59378"
    call = entry.status(order())
    assert (call.request.path, call.request.params) == (
        "/v1/order/orders/getClientOrder",
        {"clientOrderId": "mine"},
    )
    assert call.read(ok(ROW)) == OrderUpdate(
        symbol="btcusdt",
        state=OrderState.PARTIALLY_FILLED,
        client_order_id="mine",
        exchange_order_id="59378",
        filled=D(4),
        quote_filled=D("400.4"),
        time=1494901162595_000_000,
        side=Side.BUY,
        amount=D("10.1"),
        price=D("100.1"),
        type=OrderType.LIMIT,
    )


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("created", OrderState.OPEN),
        ("submitted", OrderState.OPEN),
        ("canceling", OrderState.OPEN),
        ("filled", OrderState.FILLED),
        ("canceled", OrderState.CANCELLED),
        ("partial-canceled", OrderState.CANCELLED),
    ],
)
def test_states_are_read(entry: Any, said: str, state: OrderState) -> None:
    assert entry.status(order()).read(ok(ROW | {"state": said})).state is state


def test_a_state_of_no_known_name_is_that_of_its_order_alone(entry: Any) -> None:
    update = entry.status(order()).read(ok(ROW | {"state": "new-idea"}))
    assert (update.state, update.reason) == (None, "the status 'new-idea' is unknown here")


def test_rows_stand_on_their_own(entry: Any, user: Any) -> None:
    lacking = {name: value for name, value in ROW.items() if name != "field-amount"}
    rows = entry.open_orders().read(ok([ROW | {"id": None}, ROW | {"more": 1}, lacking]))
    assert [update.exchange_order_id for update in rows] == ["59378"]
    assert [str(bad) for bad in rows.bad] == [
        "$.data[0].id: Expected `int`, got `null`",
        "$.data[2]: ValueError: order 59378 doesn't say what is filled of it",
    ]
    page = entry.fills("BTC-USDT", FillCursor()).read(ok([MATCH | {"price": "x"}, MATCH]))
    assert (len(page.items), str(page.items.bad[0])) == (
        1,
        "$.data[0].price: Invalid decimal string",
    )


def test_an_order_of_no_account_is_unreadable_and_not_somebody_elses(entry: Any) -> None:
    lacking = {name: value for name, value in ROW.items() if name != "account-id"}
    found = entry.open_orders().read(ok([lacking, ROW | {"account-id": None}, ROW]))
    assert [update.exchange_order_id for update in found] == ["59378"]
    assert [str(bad) for bad in found.bad] == [
        "$.data[0]: ValueError: order 59378 doesn't say whose it is",
        "$.data[1]: ValueError: order 59378 doesn't say whose it is",
    ]


def test_an_order_of_an_unknown_state_hides_no_other(entry: Any) -> None:
    unknown, known = entry.open_orders().read(ok([ROW | {"state": "pre-submitted"}, ROW]))
    assert (unknown.state, unknown.filled) == (None, 4)
    assert known.state is OrderState.PARTIALLY_FILLED


def test_fills_of_an_order_that_can_not_be_read_hide_no_other(entry: Any) -> None:
    call = entry.order_fills(order(exchange_order_id="59378"))
    found = call.read(ok([MATCH | {"order-id": None}, MATCH, MATCH | {"type": "both-limit"}]))
    assert [fill.trade_id for fill in found] == ["100050305348"]
    assert [str(bad) for bad in found.bad] == [
        "$.data[0].order-id: Expected `int`, got `null`",
        "$.data[2]: ValueError: order type 'both-limit' begins with no side",
    ]


def test_a_page_is_full_with_what_can_not_be_read(entry: Any) -> None:
    rows = [MATCH | {"id": 1000 - n} for n in range(500)]
    rows[-1] |= {"trade-id": None}
    page = entry.fills("BTC-USDT", FillCursor()).read(ok(rows))
    assert (len(page.items), len(page.items.bad), page.next) == (499, 1, "502")


def test_an_asset_of_which_a_part_can_not_be_read_is_left_out(entry: Any) -> None:
    rows = [
        {"currency": "usdt", "type": "trade", "balance": "91.85"},
        {"currency": "usdt", "type": "frozen", "balance": None},
        {"currency": "btc", "type": "trade", "balance": "1"},
    ]
    found = entry.balances().read(ok({"id": 7, "type": "spot", "list": rows}))
    assert found == [Balance("BTC", D(1), D(1))]
    assert str(found.bad[0]) == "$.data.list[1].balance: Expected `decimal`, got `null`"


def test_a_purchase_by_value_is_as_large_as_what_it_bought(entry: Any) -> None:
    row = ROW | {
        "type": "buy-market",
        "amount": "400.4",
        "price": "0.0",
        "state": "filled",
        "finished-at": 1494901162600,
    }
    update = entry.status(order()).read(ok(row))
    assert (update.amount, update.filled, update.price, update.type) == (
        4,
        4,
        None,
        OrderType.MARKET,
    )
    assert update.time == 1494901162600_000_000


def test_open_orders_have_their_own_spelling_and_those_of_other_accounts_stay_out(
    entry: Any,
) -> None:
    row = {
        name.replace("field", "filled"): value
        for name, value in ROW.items()
        if name != "client-order-id"
    }
    call = entry.open_orders()
    assert (call.request.path, call.request.params) == ("/v1/order/openOrders", {"size": "500"})
    (update,) = call.read(ok([row, row | {"account-id": 8}]))
    assert (update.filled, update.quote_filled, update.client_order_id) == (4, D("400.4"), "")
    query = entry.open_orders("BTC-USDT").request.params
    assert query == {"symbol": "btcusdt", "account-id": "7", "size": "500"}


def test_fills_are_read(entry: Any) -> None:
    call = entry.fills("BTC-USDT", FillCursor())
    assert (call.request.path, call.request.params) == (
        "/v1/order/matchresults",
        {"symbol": "btcusdt", "size": "500"},
    )
    page = call.read(ok([MATCH]))
    assert page.next == ""
    assert page.items == [
        Fill(
            symbol="btcusdt",
            trade_id="100050305348",
            exchange_order_id="59378",
            side=Side.BUY,
            price=D("9155.62"),
            amount=D("0.2"),
            fee=D("0.0001"),
            fee_asset="BTC",
            is_maker=True,
            time=1590141604009_000_000,
        )
    ]


def test_full_pages_go_back_until_the_cursor(entry: Any) -> None:
    rows = [MATCH | {"id": 1000 - n, "created-at": MATCH["created-at"] - n} for n in range(500)]  # type: ignore[operator]
    assert entry.fills("BTC-USDT", FillCursor()).read(ok(rows)).next == "501"
    assert entry.fills("BTC-USDT", FillCursor(page="501")).request.params["from"] == "501"
    late = FillCursor(time=1590141604000_000_000)
    assert entry.fills("BTC-USDT", late).read(ok(rows)).next == ""


def test_the_fills_of_one_order_are_asked_by_it(entry: Any) -> None:
    call = entry.order_fills(order(exchange_order_id="59378"))
    assert call.request.path == "/v1/order/orders/59378/matchresults"
    (fill,) = call.read(ok([MATCH | {"role": "taker", "type": "sell-ioc"}]))
    assert (fill.side, fill.is_maker) == (Side.SELL, False)


def test_a_fee_may_be_taken_from_points_or_be_a_rebate(entry: Any) -> None:
    rows = [
        MATCH | {"filled-fees": "0", "filled-points": "0.3", "fee-deduct-currency": "hbpoint"},
        MATCH | {"filled-fees": "-0.00002", "fee-currency": "usdt"},
    ]
    points, rebate = entry.fills("BTC-USDT", FillCursor()).read(ok(rows)).items
    assert (points.fee, points.fee_asset) == (D("0.3"), "HBPOINT")
    assert (rebate.fee, rebate.fee_asset) == (D("-0.00002"), "USDT")


def test_balances_join_what_is_free_and_what_is_held(entry: Any) -> None:
    call = entry.balances()
    assert call.request.path == "/v1/account/accounts/7/balance"
    rows = [
        {"currency": "usdt", "type": "trade", "balance": "91.85"},
        {"currency": "usdt", "type": "frozen", "balance": "5.16"},
        {"currency": "btc", "type": "trade", "balance": "1"},
        {"currency": "btc", "type": "loan", "balance": "-1"},
    ]
    found = call.read(ok({"id": 7, "type": "spot", "list": rows}))
    assert found == [Balance("USDT", D("97.01"), D("91.85")), Balance("BTC", D(1), D(1))]


def test_fees_are_those_in_force(entry: Any) -> None:
    row = {
        "symbol": "btcusdt",
        "makerFeeRate": "0.002",
        "takerFeeRate": "0.002",
        "actualMakerRate": "-0.0001",
    }
    call = entry.fees("BTC-USDT")
    assert (call.request.path, call.request.params) == (
        "/v2/reference/transact-fee-rate",
        {"symbols": "btcusdt"},
    )
    fee = call.read(
        answer({"code": 200, "data": [row | {"actualTakerRate": "0.0018"}], "success": True})
    )
    assert (fee.maker, fee.taker) == (D("-0.0001"), D("0.0018"))


@pytest.mark.parametrize(
    "vector", json.loads(vectors_of(HTX).read_text()), ids=lambda v: v["url"][26:]
)
def test_requests_are_signed_as_by_the_venues_own_tests(vector: dict[str, Any]) -> None:
    ask = UnsignedRequest(
        vector["http_method"], vector["url"], vector.get("params", {}), vector.get("body")
    )
    signed = HTX.auth(KEYS).sign(ask, NOW)
    assert signed["url"].endswith(vector["expect"])
    assert signed["body"] == (b'{"symbol":"btcusdt"}' if "body" in vector else b"")


# The private socket.


def test_the_socket_is_logged_in_by_the_signature_of_the_venues_own_tests(user: Any) -> None:
    (login,) = user.login(NOW)
    assert login == {
        "action": "req",
        "ch": "auth",
        "params": {
            "authType": "api",
            "accessKey": "access",
            "signatureMethod": "HmacSHA256",
            "signatureVersion": "2.1",
            "timestamp": "2019-11-21T10:00:00",
            "signature": "1/d+cUIEh4tC0aXho86zu5QAxVzJaTe56mUiB275T0E=",
        },
    }


def said(user: Any, frame: Any) -> list[Any]:
    return list(user.parse(frame if isinstance(frame, bytes) else json.dumps(frame).encode()))


def test_subscriptions_follow_the_login_and_all_must_be_confirmed(user: Any) -> None:
    accepted, refused, ping, *_ = quoted("private.jsonl")
    topics = [send.frame["ch"] for send in said(user, accepted)]
    assert topics == ["orders#*", "trade.clearing#*#0", "accounts.update#2"]
    events = [
        said(user, {"action": "sub", "code": 200, "ch": topic, "data": {}}) for topic in topics
    ]
    assert events == [[], [], [Ready()]]
    assert said(user, refused) == [Fault(ErrorKind.AUTH, "2002", "auth.fail")]
    assert said(user, ping) == [Send({"action": "pong", "data": {"ts": 1575537778295}})]


def test_a_trade_of_an_order_tells_its_state_but_is_no_fill_yet(user: Any) -> None:
    (update,) = said(user, quoted("private.jsonl")[3])
    assert (update.exchange_order_id, update.client_order_id, update.symbol) == (
        "27163536",
        "abc123",
        "btcusdt",
    )
    assert (update.state, update.filled, update.side) == (OrderState.FILLED, 2, Side.SELL)
    assert (update.amount, update.price, update.time) == (D("0.01"), 15000, 1583854188883_000_000)


def test_a_creation_opens_an_order_of_our_account_alone(user: Any) -> None:
    frame = json.loads(quoted("private.jsonl")[4])
    assert said(user, frame) == []
    frame["data"]["accountId"] = 7
    (update,) = said(user, frame)
    assert (update.state, update.filled, update.amount) == (OrderState.OPEN, 0, D("0.05"))
    assert (update.client_order_id, update.time) == ("", 1645116048355_000_000)


def test_a_cancellation_may_leave_out_the_terms(user: Any) -> None:
    data = {
        "eventType": "cancellation",
        "symbol": "btcusdt",
        "clientOrderId": "mine",
        "orderStatus": "partial-canceled",
    }
    data |= {
        "type": "buy-limit",
        "orderId": 5,
        "remainAmt": "1",
        "execAmt": "2",
        "lastActTime": 1583853475406,
    }
    (update,) = said(user, {"action": "push", "ch": "orders#*", "data": data})
    assert (update.state, update.filled, update.time) == (
        OrderState.CANCELLED,
        2,
        1583853475406_000_000,
    )


def test_what_a_purchase_by_value_has_executed_is_in_quote(user: Any) -> None:
    data = {
        "eventType": "trade",
        "symbol": "btcusdt",
        "clientOrderId": "",
        "orderStatus": "partial-filled",
        "orderId": 5,
    }
    data |= {
        "type": "buy-market",
        "orderValue": "5.2",
        "remainAmt": "0.2",
        "execAmt": "5",
        "tradeTime": 1583853475406,
    }
    (update,) = said(user, {"action": "push", "ch": "orders#btcusdt", "data": data})
    assert (update.filled, update.quote_filled, update.type) == (0, 5, OrderType.MARKET)


def test_conditional_orders_say_nothing_before_they_are_triggered(user: Any) -> None:
    data = {
        "eventType": "trigger",
        "symbol": "btcusdt",
        "orderStatus": "rejected",
        "errCode": 2002,
        "errMessage": "x",
    }
    assert said(user, {"action": "push", "ch": "orders#btcusdt", "data": data}) == []


def test_a_cleared_trade_is_a_fill_with_its_fee(user: Any) -> None:
    frame = json.loads(quoted("private.jsonl")[5])
    frame["data"]["accountId"] = 7
    (fill,) = said(user, frame)
    assert (fill.trade_id, fill.exchange_order_id, fill.symbol) == (
        "101539740584",
        "478862728954426",
        "ltcusdt",
    )
    assert (fill.price, fill.amount, fill.side) == (
        D("118.89"),
        D("0.042200701236437042"),
        Side.BUY,
    )
    assert (fill.fee, fill.fee_asset, fill.is_maker) == (D("0.000041778694224073"), "LTC", False)
    frame["data"] |= {
        "transactFee": "0",
        "feeDeduct": "1.5",
        "feeDeductType": "ht",
        "aggressor": False,
    }
    (fill,) = said(user, frame)
    assert (fill.fee, fill.fee_asset, fill.is_maker) == (D("1.5"), "HT", True)


def test_balances_come_whole_and_of_our_account_alone(user: Any) -> None:
    frame = json.loads(quoted("private.jsonl")[6])
    assert said(user, frame) == []
    frame["data"]["accountId"] = 7
    (balance,) = said(user, frame)
    assert balance == Balance("BTC", D("23.111"), D("22.699426619837209087"), 1568601800000_000_000)
    frame["data"] |= {"changeTime": None, "changeType": None}
    assert said(user, frame)[0].time == 0
    frame["data"]["accountType"] = "loan"
    assert said(user, frame) == []


@pytest.mark.parametrize("code", [{}, {"code": None}])
@pytest.mark.parametrize(
    "frame", [{"action": "req", "ch": "auth"}, {"action": "sub", "ch": "orders#*"}]
)
def test_what_is_not_confirmed_in_words_is_not_confirmed(
    user: Any, frame: dict[str, Any], code: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="no known form"):
        said(user, frame | code)


@pytest.mark.parametrize("lacking", ["balance", "available"])
def test_a_balance_that_is_missing_is_not_zero(user: Any, lacking: str) -> None:
    frame = json.loads(quoted("private.jsonl")[6])
    frame["data"]["accountId"] = 7
    del frame["data"][lacking]
    with pytest.raises(ValueError, match="is missing"):
        said(user, frame)


@pytest.mark.parametrize(
    ("line", "change", "path"),
    [
        (3, {"orderId": None}, r"\$\.orderId"),
        (3, {"clientOrderId": None}, r"\$\.clientOrderId"),
        (5, {"tradeId": None}, r"\$\.tradeId"),
        (5, {"tradePrice": "much"}, r"\$\.tradePrice"),
        (6, {"currency": None}, r"\$\.currency"),
    ],
)
def test_what_can_not_be_read_of_an_event_is_named(
    user: Any, line: int, change: dict[str, Any], path: str
) -> None:
    frame = json.loads(quoted("private.jsonl")[line])
    frame["data"] |= {"accountId": 7, "more": {}}
    assert len(said(user, frame)) == 1
    frame["data"] |= change
    with pytest.raises(ValueError, match=path):
        said(user, frame)


def test_an_event_of_an_unknown_state_has_none(user: Any) -> None:
    frame = json.loads(quoted("private.jsonl")[3])
    frame["data"]["orderStatus"] = "pre-submitted"
    (update,) = said(user, frame)
    assert (update.state, update.reason) == (None, "the status 'pre-submitted' is unknown here")


def test_a_topic_that_the_venue_adds_says_nothing(user: Any) -> None:
    assert said(user, {"action": "push", "ch": "loans#*", "data": {"currency": "btc"}}) == []


@pytest.mark.parametrize(
    "frame", [{"action": "what"}, {}, {"action": "push", "ch": "orders#*", "data": 1}]
)
def test_a_malformed_private_frame_is_an_error(user: Any, frame: Any) -> None:
    with pytest.raises((ValueError, AttributeError)):
        said(user, frame)
