"""Bittrex's orders: requests as its documentation wanted them, the private stream and answers read
as it wrote them."""

import json
from decimal import Decimal as D
from typing import Any

import pytest

from exchanges.bittrex import BITTREX
from exchanges.contract import (
    MALFORMED,
    ErrorKind,
    FillCursor,
    LoginAgain,
    Ready,
    Reconnect,
    Send,
)
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
from tests.support.answers import answer
from tests.support.bittrex_wire import (
    BALANCE,
    BTC,
    EXECUTION,
    MARKET,
    ORDER,
    PLACED,
    VLX,
    hub,
    new_book,
    new_user,
)

FILL = Fill(
    symbol="VLX-USDT",
    trade_id="e1",
    exchange_order_id=ORDER["id"],
    side=None,
    price=D("0.05"),
    amount=D(20),
    fee=D("0.0025"),
    fee_asset="USDT",
    is_maker=True,
    time=PLACED,
)


@pytest.fixture
def entry() -> Any:
    rules = new_book().trading_rules().read(answer([MARKET, BTC, MARKET | VLX]))
    return BITTREX.orders({rule.trading_pair: rule for rule in rules})


@pytest.fixture
def user() -> Any:
    return new_user()


def order(**changes: Any) -> InFlightOrder:
    terms: dict[str, Any] = {
        "client_order_id": "mine",
        "trading_pair": "VLX-USDT",
        "symbol": "VLX-USDT",
    }
    terms |= {
        "side": Side.SELL,
        "amount": D(50),
        "exchange_order_id": ORDER["id"],
        "created": PLACED,
    }
    return InFlightOrder(**{**terms, **changes})


# The private stream.


def test_login_then_subscribing_then_ready(user: Any) -> None:
    (frame,) = user.login(1592524115.5)
    assert (frame["M"], frame["A"][:2]) == ("Authenticate", ("K", 1592524115500))
    (answered,) = user.parse(b'{"R":{"Success":true,"ErrorCode":null},"I":"1"}')
    assert answered == Send(
        {"H": "c3", "M": "Subscribe", "A": (["order", "balance", "execution"],), "I": 1}
    )
    assert list(user.parse(b'{"R":[{"Success":true,"ErrorCode":null}],"I":"1"}')) == [Ready()]


def test_a_login_that_runs_out_is_renewed(user: Any) -> None:
    assert list(user.parse(hub(("authenticationExpiring", None), ("heartbeat", None)))) == [
        LoginAgain()
    ]


@pytest.mark.parametrize("code", ["INVALID_APIKEY", "UNAUTHORIZED_USER"])
def test_a_refused_login_is_a_fault(user: Any, code: str) -> None:
    (fault,) = user.parse(json.dumps({"R": {"Success": False, "ErrorCode": code}, "I": 1}).encode())
    assert (fault.kind, fault.code) == (ErrorKind.AUTH, code)
    (fault,) = user.parse(
        b'{"I":"1","E":"There was an error invoking Hub method \\"c3.Authenticate\\"."}'
    )
    assert fault.kind is ErrorKind.UNKNOWN


def test_orders_are_read(user: Any) -> None:
    (update,) = user.parse(
        hub(("order", {"accountId": "17f2b2e3", "sequence": 22606, "delta": ORDER}))
    )
    assert update == OrderUpdate(
        symbol="VLX-USDT",
        state=OrderState.OPEN,
        exchange_order_id=ORDER["id"],
        filled=D(0),
        quote_filled=D(0),
        time=PLACED,
        side=Side.SELL,
        amount=D(50),
        price=D("0.049"),
        type=OrderType.LIMIT,
    )


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"fillQuantity": "20", "proceeds": "1"}, OrderState.PARTIALLY_FILLED),
        (
            {"fillQuantity": "50", "status": "CLOSED", "closedAt": "2022-08-05T15:04:17Z"},
            OrderState.FILLED,
        ),
        ({"fillQuantity": "20", "status": "CLOSED"}, OrderState.CANCELLED),
        ({"status": "CLOSED", "type": "MARKET", "limit": None}, OrderState.CANCELLED),
        (
            {"status": "CLOSED", "type": "CEILING_MARKET", "quantity": None, "fillQuantity": "3"},
            OrderState.FILLED,
        ),
        ({"status": "CLOSED", "type": "CEILING_MARKET", "quantity": None}, OrderState.CANCELLED),
    ],
)
def test_the_state_of_an_order_is_in_its_quantities(
    user: Any, changes: dict[str, Any], state: OrderState
) -> None:
    row = ORDER | {"clientOrderId": "mine"} | changes
    (update,) = user.parse(hub(("order", {"sequence": 1, "delta": row})))
    assert (update.state, update.client_order_id, update.filled) == (
        state,
        "mine",
        D(row["fillQuantity"]),
    )
    assert update.time == (1659711857_000_000_000 if "closedAt" in changes else PLACED)


def test_executions_have_the_side_of_their_order_which_they_name(user: Any) -> None:
    rows = [EXECUTION, EXECUTION | {"id": "e2", "isTaker": True}]
    fill, other = user.parse(hub(("execution", {"sequence": 1, "deltas": rows})))
    assert fill == FILL
    assert (other.trade_id, other.is_maker) == ("e2", False)


def test_balances_are_absolute(user: Any) -> None:
    (balance,) = user.parse(
        hub(("balance", {"accountId": "1", "sequence": 33119, "delta": BALANCE}))
    )
    assert balance == Balance("VLX", D("636.02206857"), D(0), 1659707191_730_000_000)


def test_a_hole_in_a_sequence_means_another_connection_and_a_repetition_nothing(user: Any) -> None:
    def said(name: str, number: int) -> list[Any]:
        return list(user.parse(hub((name, {"sequence": number, "delta": BALANCE}))))

    (balance,) = said("balance", 5)
    assert said("balance", 5) == said("balance", 6) == [balance]
    assert said("balance", 8) == [Reconnect("balance: 8 after 6"), balance]
    assert said("balance", 1) == [Reconnect("balance: 1 after 8"), balance]
    assert len(list(user.parse(hub(("order", {"sequence": 1, "delta": ORDER}))))) == 1


BAD_ORDERS = [
    ({"id": None}, ".id: Expected `str`, got `null`"),
    ({"proceeds": []}, ".proceeds: Expected `decimal`, got `array`"),
    ({"direction": "HOLD"}, ".direction: Invalid enum value 'HOLD'"),
    ({"fillQuantity": ...}, ": Object missing required field `fillQuantity`"),
    ({"createdAt": "x", "updatedAt": ...}, ": ValueError: Invalid isoformat string"),
]
BAD_EXECUTIONS = [
    ({"orderId": None}, ".orderId: Expected `str`, got `null`"),
    ({"commission": {}}, ".commission: Expected `decimal`, got `object`"),
    ({"isTaker": ...}, ": Object missing required field `isTaker`"),
    ({"rate": "nan"}, ": ValueError: trade e1: NaN is not a finite number"),
]


def with_changes(row: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The row with other fields; without those that are ``...``."""
    return {name: value for name, value in (row | changes).items() if value is not ...}


@pytest.mark.parametrize(("changes", "why"), BAD_ORDERS)
def test_an_order_that_cannot_be_read_hides_no_other_push(
    user: Any, changes: dict[str, Any], why: str
) -> None:
    bad = {"sequence": 1, "delta": with_changes(ORDER, changes)}
    good = {"sequence": 2, "delta": ORDER | {"newField": [None]}}
    balance = {"sequence": 1, "delta": BALANCE}
    fault, update, told = user.parse(hub(("order", bad), ("order", good), ("balance", balance)))
    assert fault.kind is ErrorKind.UNREADABLE
    assert fault.message.startswith(f"$.delta{why}")
    assert b'"marketSymbol"' in fault.frame
    assert (type(update), type(told)) == (OrderUpdate, Balance)


@pytest.mark.parametrize(("changes", "why"), BAD_EXECUTIONS)
def test_an_execution_that_cannot_be_read_hides_no_other(
    user: Any, changes: dict[str, Any], why: str
) -> None:
    rows = [EXECUTION | {"newField": 1}, with_changes(EXECUTION, changes), EXECUTION]
    first, second, fault = user.parse(hub(("execution", {"sequence": 1, "deltas": rows})))
    assert (first, second) == (FILL, FILL)
    assert fault.message.startswith(f"$.deltas[1]{why}")


def test_an_unknown_status_is_told_as_such(user: Any, entry: Any) -> None:
    row = ORDER | {"status": "HALTED"}
    (update,) = user.parse(hub(("order", {"sequence": 1, "delta": row})))
    assert (update.state, update.reason) == (None, "the status 'HALTED' is unknown here")
    updates = entry.open_orders().read(answer([row, ORDER]))
    assert [update.state for update in updates] == [None, OrderState.OPEN]
    assert updates.is_complete


# Orders.


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"type": "LIMIT", "timeInForce": "GOOD_TIL_CANCELLED", "limit": "1.10"}),
        (
            {"tif": TimeInForce.IOC},
            {"type": "LIMIT", "timeInForce": "IMMEDIATE_OR_CANCEL", "limit": "1.10"},
        ),
        (
            {"tif": TimeInForce.FOK},
            {"type": "LIMIT", "timeInForce": "FILL_OR_KILL", "limit": "1.10"},
        ),
        (
            {"post_only": True},
            {"type": "LIMIT", "timeInForce": "POST_ONLY_GOOD_TIL_CANCELLED", "limit": "1.10"},
        ),
        (
            {"type": OrderType.MARKET, "price": None},
            {"type": "MARKET", "timeInForce": "IMMEDIATE_OR_CANCEL"},
        ),
        (
            {"type": OrderType.MARKET, "price": None, "tif": TimeInForce.FOK},
            {"type": "MARKET", "timeInForce": "FILL_OR_KILL"},
        ),
    ],
)
def test_orders_are_placed_as_the_venue_wants_them(
    entry: Any, changes: dict[str, Any], expected: dict[str, str]
) -> None:
    terms = {
        "trading_pair": "BTC-USD",
        "symbol": "BTC-USD",
        "side": Side.BUY,
        "amount": D("1E-5"),
        "price": D("1.10"),
    }
    request = entry.place(order(**terms | changes)).request
    assert (request.method, request.path, request.signed, request.urgent) == (
        "POST",
        "/v3/orders",
        True,
        False,
    )
    same = {
        "marketSymbol": "BTC-USD",
        "direction": "BUY",
        "quantity": "0.00001",
        "clientOrderId": "mine",
    }
    assert request.body == same | expected
    assert (request.params, request.cost) == ({}, {"calls": 1})


def test_an_order_answer_is_read_and_ours_by_its_client_id(entry: Any) -> None:
    update = entry.place(order(price=D("0.049"))).read(answer(ORDER, 201))
    assert (update.state, update.client_order_id, update.exchange_order_id) == (
        OrderState.OPEN,
        "mine",
        ORDER["id"],
    )


def test_orders_are_cancelled_by_the_venues_id(entry: Any) -> None:
    call = entry.cancel(order())
    assert (call.request.method, call.request.path) == ("DELETE", f"/v3/orders/{ORDER['id']}")
    assert (call.request.signed, call.request.urgent) == (True, True)
    assert call.read(answer(ORDER | {"status": "CLOSED"})).state is OrderState.CANCELLED
    assert entry.cancel(order(exchange_order_id="")).request.path == "/v3/orders/mine"


def test_an_order_is_asked_about_by_the_venues_id(entry: Any) -> None:
    call = entry.status(order())
    assert (call.request.path, call.request.params, call.otherwise) == (
        f"/v3/orders/{ORDER['id']}",
        {},
        None,
    )
    assert (
        call.read(answer(ORDER | {"status": "CLOSED", "fillQuantity": "50"})).state
        is OrderState.FILLED
    )


def test_an_order_whose_id_is_not_known_is_looked_for_among_the_open_and_then_the_closed(
    entry: Any,
) -> None:
    call = entry.status(order(exchange_order_id=""))
    assert (call.request.path, call.request.params) == (
        "/v3/orders/open",
        {"marketSymbol": "VLX-USDT"},
    )
    then = call.otherwise
    assert then.request.path == "/v3/orders/closed"
    query = {"marketSymbol": "VLX-USDT", "pageSize": "200", "startDate": "2022-08-05T14:04:16.020Z"}
    assert then.request.params == query
    for each in (call, then):
        rows = [ORDER | {"id": "another"}, ORDER | {"clientOrderId": "mine"}]
        assert each.read(answer(rows)).exchange_order_id == ORDER["id"]
        with pytest.raises(NotFound):
            each.read(answer(rows[:1]))


def test_lists_of_open_orders_are_read(entry: Any) -> None:
    call = entry.open_orders()
    assert (call.request.method, call.request.path, call.request.params) == (
        "GET",
        "/v3/orders/open",
        {},
    )
    found = call.read(answer([ORDER, ORDER | {"id": "2"}]))
    assert [update.exchange_order_id for update in found] == [ORDER["id"], "2"]
    assert entry.open_orders("BTC-USD").request.params == {"marketSymbol": "BTC-USD"}


def test_fills_are_paged_from_the_newest_to_the_oldest(entry: Any) -> None:
    first = entry.fills("VLX-USDT", FillCursor(time=PLACED))
    query = {"marketSymbol": "VLX-USDT", "pageSize": "200", "startDate": "2022-08-05T15:04:16.020Z"}
    assert (first.request.path, first.request.params) == ("/v3/executions", query)
    then = entry.fills("VLX-USDT", FillCursor(time=PLACED, page="e1"))
    assert then.request.params == query | {"nextPageToken": "e1"}
    assert "startDate" not in entry.fills("VLX-USDT", FillCursor()).request.params
    page = first.read(answer([EXECUTION]))
    assert (page.items, page.next) == ([FILL], "")
    assert first.read(answer([EXECUTION] * 200)).next == "e1"


def test_fills_of_one_order_are_read(entry: Any) -> None:
    call = entry.order_fills(order())
    assert call.request.path == f"/v3/orders/{ORDER['id']}/executions"
    assert call.read(answer([EXECUTION])) == [FILL]
    assert entry.order_fills(order(exchange_order_id="")) is None


def test_balances_and_fees_are_read(entry: Any) -> None:
    call = entry.balances()
    assert (call.request.path, call.request.signed) == ("/v3/balances", True)
    bare = {"currencySymbol": "BTC", "total": "2", "available": "1.5"}
    assert call.read(answer([BALANCE, bare])) == [
        Balance("VLX", D("636.02206857"), D(0), 1659707191_730_000_000),
        Balance("BTC", D(2), D("1.5")),
    ]
    call = entry.fees("BTC-USD")
    assert call.request.path == "/v3/account/fees/trading/BTC-USD"
    fee = call.read(
        answer({"marketSymbol": "BTC-USD", "makerRate": "0.00750000", "takerRate": "0.00800000"})
    )
    assert (fee.maker, fee.taker) == (D("0.0075"), D("0.008"))


@pytest.mark.parametrize(("changes", "why"), BAD_ORDERS)
def test_an_order_that_cannot_be_read_hides_no_other_row(
    entry: Any, changes: dict[str, Any], why: str
) -> None:
    rows = [ORDER, with_changes(ORDER, changes), ORDER | {"id": "2", "newField": 1}]
    updates = entry.open_orders().read(answer(rows))
    assert [update.exchange_order_id for update in updates] == [ORDER["id"], "2"]
    assert [str(bad)[: 4 + len(why)] for bad in updates.bad] == [f"$[1]{why}"]
    # What was asked for may be the one that can't be read.
    for call in (entry.status(order(exchange_order_id="")), entry.status(order())):
        with pytest.raises(MALFORMED):
            call.read(answer(rows))


@pytest.mark.parametrize(("changes", "why"), BAD_EXECUTIONS)
def test_a_fill_that_cannot_be_read_hides_no_other_row(
    entry: Any, changes: dict[str, Any], why: str
) -> None:
    rows = [with_changes(EXECUTION, changes), EXECUTION]
    page = entry.fills("VLX-USDT", FillCursor()).read(answer(rows))
    assert page.items == [FILL]
    assert [str(bad)[: 4 + len(why)] for bad in page.items.bad] == [f"$[0]{why}"]
    full = entry.fills("VLX-USDT", FillCursor()).read(answer(rows * 100))
    assert full.next == "e1"


def test_a_balance_that_cannot_be_read_hides_no_other_row(entry: Any) -> None:
    balances = entry.balances().read(answer([BALANCE | {"total": None}, BALANCE]))
    assert [balance.asset for balance in balances] == ["VLX"]
    assert [bad.path for bad in balances.bad] == ["$[0].total"]


# Errors, and the rest.


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"code": "BAD_REQUEST", "detail": "x"}, ErrorKind.REFUSED),
        (400, {"code": "INVALID_ORDER_TYPE"}, ErrorKind.REFUSED),
        (400, {"code": "RATE_PRECISION_NOT_ALLOWED"}, ErrorKind.REFUSED),
        (409, {"code": "MIN_TRADE_REQUIREMENT_NOT_MET"}, ErrorKind.REFUSED),
        (409, {"code": "DUST_TRADE_DISALLOWED_MIN_VALUE"}, ErrorKind.REFUSED),
        (409, {"code": "POST_ONLY", "detail": "was cancelled"}, ErrorKind.REFUSED),
        (409, {"code": "INSUFFICIENT_FUNDS"}, ErrorKind.FUNDS),
        (409, {"code": "CLIENTORDERID_ALREADY_EXISTS"}, ErrorKind.DUPLICATE),
        (409, {"code": "CLIENTORDERID_ALREADY_EXISTS", "data": "text"}, ErrorKind.DUPLICATE),
        (404, {"code": "ORDER_DOES_NOT_EXIST"}, ErrorKind.NOT_FOUND),
        (409, {"code": "ORDER_NOT_OPEN", "data": {"id": "1"}}, ErrorKind.NOT_FOUND),
        (429, {"code": "THROTTLED"}, ErrorKind.RATE),
        (429, b"<html>", ErrorKind.RATE),
        (401, {"code": "APIKEY_INVALID"}, ErrorKind.AUTH),
        (401, {"code": "INVALID_SIGNATURE"}, ErrorKind.AUTH),
        (403, {"code": "WHITELIST_VIOLATION_IP"}, ErrorKind.AUTH),
        (401, {"code": "INVALID_TIMESTAMP"}, ErrorKind.CLOCK),
        (503, {"code": "CURRENCY_OFFLINE"}, ErrorKind.UNKNOWN),
        (500, b"", ErrorKind.UNKNOWN),
        (409, {"code": "ORDER_ERROR_CONTACT_SUPPORT"}, ErrorKind.UNKNOWN),
        (400, {"code": "NEVER_HEARD_OF"}, ErrorKind.UNKNOWN),
    ],
)
def test_refusals_are_classified(status: int, body: Any, kind: ErrorKind) -> None:
    fault = BITTREX.error(answer(body, status))
    assert fault is not None
    assert fault.kind is kind
    assert fault.message


def test_success_is_no_fault() -> None:
    assert BITTREX.error(answer([])) is None
    assert BITTREX.error(answer(ORDER, 201)) is None


@pytest.mark.parametrize("body", [b"<title>404</title>", b"", b"null", b"[]", b"{}", b'"x"'])
def test_what_a_gateway_says_proves_nothing(body: bytes) -> None:
    faults = [BITTREX.error(answer(body, status)) for status in (401, 403, 404, 429)]
    assert [fault.kind for fault in faults if fault is not None] == [
        ErrorKind.UNKNOWN,
        ErrorKind.UNKNOWN,
        ErrorKind.UNKNOWN,
        ErrorKind.RATE,
    ]
