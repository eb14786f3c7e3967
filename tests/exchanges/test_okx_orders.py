"""OKX spot: orders asked for as its documentation wants them, answers and refusals read."""

import json
from collections.abc import Callable
from decimal import Decimal as D
from typing import Any

import pytest

from exchanges.contract import Answer, ErrorKind, Fault, FillCursor, Request
from exchanges.okx import OKX
from exchanges.orders import (
    Balance,
    Fee,
    InFlightOrder,
    OrderState,
    OrderType,
    OrderUpdate,
    TimeInForce,
)
from tests.support.okx_rows import FILL, FILL_ROW, RULE, answer, frames, order, replaced


@pytest.fixture
def entry() -> Any:
    return OKX.orders({"BTC-USDT": RULE})


def new(**changes: Any) -> InFlightOrder:
    return order(**{"exchange_order_id": "", "amount": D("1E-5"), "price": D("100.10"), **changes})


def private(path: str, params: dict[str, str] | None = None, cost: str = "private") -> Request:
    return Request("GET", f"/api/v5/{path}", params or {}, signed=True, cost={cost: 1}, urgent=True)


# Orders.


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"ordType": "limit", "px": "100.10"}),
        ({"post_only": True}, {"ordType": "post_only", "px": "100.10"}),
        ({"tif": TimeInForce.IOC}, {"ordType": "ioc", "px": "100.10"}),
        ({"tif": TimeInForce.FOK}, {"ordType": "fok", "px": "100.10"}),
        ({"type": OrderType.MARKET, "price": None}, {"ordType": "market", "tgtCcy": "base_ccy"}),
    ],
)
def test_orders_are_placed_as_the_venue_wants_them(
    entry: Any, changes: dict[str, Any], expected: dict[str, str]
) -> None:
    body = {
        "instId": "BTC-USDT",
        "tdMode": "cash",
        "side": "buy",
        "clOrdId": "mine",
        "sz": "0.00001",
    } | expected
    request = entry.place(new(**changes)).request
    assert request == Request(
        "POST", "/api/v5/trade/order", body=body, signed=True, cost={"orders": 1}, is_mutating=True
    )


def test_a_placed_order_is_open(entry: Any) -> None:
    row = {
        "ordId": "28",
        "clOrdId": "mine",
        "tag": "",
        "ts": "1695190491421",
        "sCode": "0",
        "sMsg": "",
    }
    read = entry.place(new()).read(answer([row]))
    state = OrderState.OPEN
    assert read == OrderUpdate(
        symbol="BTC-USDT", state=state, client_order_id="mine", exchange_order_id="28"
    )


def test_a_cancel_names_our_id_and_waits_for_the_stream(entry: Any) -> None:
    call = entry.cancel(order())
    body = {"instId": "BTC-USDT", "clOrdId": "mine"}
    assert call.request == Request(
        "POST",
        "/api/v5/trade/cancel-order",
        body=body,
        signed=True,
        cost={"cancels": 1},
        urgent=True,
        is_mutating=True,
    )
    assert call.read(answer([{"ordId": "28", "clOrdId": "mine", "sCode": "0", "sMsg": ""}])) is None


def test_an_order_placed_elsewhere_has_the_venues_id_only(entry: Any) -> None:
    names = {"instId": "BTC-USDT", "ordId": "28"}
    assert entry.cancel(order(external=True)).request.body == names
    assert entry.status(order(external=True)).request == private("trade/order", names)


def test_an_orders_state_is_read(entry: Any) -> None:
    (row,) = json.loads(frames("private.jsonl")[7])["data"]
    call = entry.status(order())
    assert call.request == private("trade/order", {"instId": "BTC-USDT", "clOrdId": "mine"})
    found = call.read(answer([row | {"cancelSourceReason": "would take", "state": "mmp_canceled"}]))
    assert (found.state, found.reason, found.exchange_order_id) == (
        OrderState.CANCELLED,
        "would take",
        "312269865356374017",
    )


def test_open_orders_are_asked_for_all_or_one_pair(entry: Any) -> None:
    (row,) = json.loads(frames("private.jsonl")[5])["data"]
    assert entry.open_orders().request == private("trade/orders-pending", {"instType": "SPOT"})
    call = entry.open_orders("BTC-USDT")
    assert call.request == private(
        "trade/orders-pending", {"instType": "SPOT", "instId": "BTC-USDT"}
    )
    assert [(found.client_order_id, found.state) for found in call.read(answer([row]))] == [
        ("mine", OrderState.OPEN)
    ]


def test_a_full_page_of_open_orders_is_followed_by_what_is_older(entry: Any) -> None:
    (row,) = json.loads(frames("private.jsonl")[5])["data"]
    call = entry.open_orders("BTC-USDT")
    page = [row | {"ordId": str(number)} for number in range(200, 100, -1)]
    following = call.following(answer(page))
    assert following.request == private(
        "trade/orders-pending", {"instType": "SPOT", "instId": "BTC-USDT", "after": "101"}
    )
    page[0] |= {"ordId": None}
    assert call.following(answer(page)).request.params["after"] == "101", "it counts for the page"
    assert following.following(answer(page[:99])) is None


PAIR = {"instType": "SPOT", "instId": "BTC-USDT"}


def test_fills_are_read_newest_first(entry: Any) -> None:
    later = FILL_ROW | {"tradeId": "8", "fillTime": "1705449606029", "execType": "M", "fee": "0.01"}
    assert entry.fills("BTC-USDT", FillCursor()).request == private("trade/fills", PAIR)
    call = entry.fills("BTC-USDT", FillCursor(time=1705449606022_999_999))
    assert call.request == private("trade/fills", PAIR | {"begin": "1705449606022"})
    page = call.read(answer([later, FILL_ROW]))
    second = replaced(FILL, trade_id="8", is_maker=True, fee=D("-0.01"), time=1705449606029_000_000)
    assert (page.items, page.next) == ([second, FILL], "")


def test_pages_of_fills_go_back_to_where_the_first_began(entry: Any) -> None:
    rows = [FILL_ROW | {"tradeId": str(n), "billId": str(9000 + n)} for n in range(200, 100, -1)]
    page = entry.fills("BTC-USDT", FillCursor(time=10**15)).read(answer(rows))
    assert ([page.items[0].trade_id, page.items[-1].trade_id], page.next) == (
        ["200", "101"],
        "9101",
    )
    call = entry.fills("BTC-USDT", FillCursor(time=10**15, page=page.next))
    assert call.request.params == PAIR | {"begin": "1000000000", "after": "9101"}
    assert call.read(answer(rows[:40])).next == ""


def test_balances_are_read(entry: Any) -> None:
    details = [
        {
            "ccy": "BTC",
            "cashBal": "2",
            "availBal": "1.5",
            "frozenBal": "0.5",
            "uTime": "1705449605015",
        }
    ]
    call = entry.balances()
    assert call.request == private("account/balance", cost="account")
    assert call.read(answer([{"details": details}])) == [
        Balance("BTC", D(2), D("1.5"), 1705449605015_000_000)
    ]


@pytest.mark.parametrize(
    ("groups", "fee"),
    [
        ({}, Fee(D("0.0008"), D("0.001"))),
        (
            {"feeGroup": [{"groupId": "4", "maker": "0", "taker": "-0.0005"}]},
            Fee(D(0), D("0.0005")),
        ),
        ({"feeGroup": [{"groupId": "1"}, {"groupId": "2"}]}, Fee(D("0.0008"), D("0.001"))),
    ],
)
def test_fees_are_those_of_the_pairs_group(entry: Any, groups: dict[str, Any], fee: Fee) -> None:
    call = entry.fees("BTC-USDT")
    assert call.request == private("account/trade-fee", PAIR, cost="account")
    assert call.read(answer([{"maker": "-0.0008", "taker": "-0.001", **groups}])) == fee


# Errors.


def in_row(code: str) -> Answer:
    return answer(
        [{"ordId": "", "clOrdId": "mine", "sCode": code, "sMsg": "why"}],
        "1",
        msg="All operations failed",
    )


def on_top(code: str) -> Answer:
    return answer([], code, msg="why")


@pytest.mark.parametrize("where", [in_row, on_top])
@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        (
            ErrorKind.REFUSED,
            "51000 51001 51004 51006 51020 51024 51116 51120 51121 51137 51201 50014 50027 59113",
        ),
        (ErrorKind.FUNDS, "51008 51119 51131"),
        (ErrorKind.DUPLICATE, "51016 51011"),
        (ErrorKind.NOT_FOUND, "51400 51401 51402 51503 51509 51510 51603"),
        (ErrorKind.RATE, "50011 50061"),
        (ErrorKind.CLOCK, "50102 50112"),
        (ErrorKind.AUTH, "50101 50103 50104 50105 50106 50110 50111 50113"),
        (ErrorKind.UNKNOWN, "50001 50004 50005 50013 50026 63999 99999 1"),
    ],
)
def test_refusals_are_told_apart_wherever_their_code_stands(
    kind: ErrorKind, codes: str, where: Callable[[str], Answer]
) -> None:
    assert {OKX.error(where(code)) for code in codes.split()} == {
        Fault(kind, code, "why", limits=("orders",) if code == "50061" else ())
        for code in codes.split()
    }


def test_success_is_no_fault() -> None:
    assert OKX.error(answer([{"ordId": "28", "sCode": "0", "sMsg": ""}])) is None
    assert OKX.error(answer([])) is None


def test_a_cancel_under_way_already_is_taken() -> None:
    assert OKX.error(in_row("51410")) is None


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (
            429,
            b'{"code":"50011","msg":"Too Many Requests"}',
            Fault(ErrorKind.RATE, "50011", "Too Many Requests"),
        ),
        (429, b"<html>", Fault(ErrorKind.RATE, "", "<html>", ban=True)),
        (
            401,
            b'{"code":"50113","msg":"Invalid Sign"}',
            Fault(ErrorKind.AUTH, "50113", "Invalid Sign"),
        ),
        (400, b"<html>", Fault(ErrorKind.UNKNOWN, "", "<html>")),
        (503, b'{"code":"51008","msg":"x"}', Fault(ErrorKind.UNKNOWN, "51008", "x")),
        (200, b"{}", Fault(ErrorKind.UNKNOWN, "", "HTTP 200")),
    ],
)
def test_the_status_decides_where_the_body_cannot(status: int, body: bytes, fault: Fault) -> None:
    assert OKX.error(Answer(status, {}, body)) == fault


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"data":"no"}', b'{"data":5}'])
def test_an_answer_that_is_none_is_an_unknown_outcome(body: bytes) -> None:
    fault = OKX.error(Answer(200, {}, body))
    assert fault is not None
    assert fault.kind is ErrorKind.UNKNOWN


def test_client_ids_are_short_alphanumeric_and_distinct() -> None:
    numbers = [0, 1, 35, 36, 2**64, 2**80 - 1]
    ids = [OKX.client_id(number) for number in numbers]
    assert len(set(ids)) == len(numbers)
    assert all(name.isascii() and name.isalnum() and 1 <= len(name) <= 32 for name in ids)


# Rows stand on their own.


def test_open_orders_that_can_not_be_read_hide_no_other(entry: Any) -> None:
    (row,) = json.loads(frames("private.jsonl")[5])["data"]
    lacking = {name: value for name, value in row.items() if name != "accFillSz"}
    found = entry.open_orders().read(
        answer([row | {"ordId": None}, row | {"more": {}}, lacking, row | {"state": "new"}])
    )
    assert [(update.state, update.reason) for update in found] == [
        (OrderState.OPEN, ""),
        (None, "the status 'new' is unknown here"),
    ]
    assert [str(bad) for bad in found.bad] == [
        "$.data[0].ordId: Expected `str`, got `null`",
        "$.data[2]: Object missing required field `accFillSz`",
    ]


def test_an_order_that_is_asked_for_and_can_not_be_read_is_not_taken_for_none(entry: Any) -> None:
    (row,) = json.loads(frames("private.jsonl")[5])["data"]
    with pytest.raises(ValueError, match=r"\$\.data\[0\]\.ordId"):
        entry.status(order()).read(answer([row | {"ordId": None}]))


def test_an_empty_text_is_no_number(entry: Any) -> None:
    (row,) = json.loads(frames("private.jsonl")[5])["data"]
    empty = row | {"accFillSz": "", "avgPx": "", "px": "", "sz": ""}
    (update,) = entry.open_orders().read(answer([empty]))
    assert (update.filled, update.quote_filled, update.amount, update.price) == (0, 0, 0, None)


def test_fills_that_can_not_be_read_hide_no_other_and_count_for_the_page(entry: Any) -> None:
    call = entry.fills("BTC-USDT", FillCursor())
    page = call.read(answer([FILL_ROW | {"fillPx": "much"}, FILL_ROW | {"more": 1}]))
    assert page.items == [FILL]
    assert [str(bad) for bad in page.items.bad] == ["$.data[0].fillPx: Invalid decimal string"]
    rows = [FILL_ROW | {"billId": str(n)} for n in range(200, 100, -1)]
    rows[-1] |= {"ordId": None}
    page = call.read(answer(rows))
    assert (len(page.items), page.next) == (99, "102")
    assert [str(bad) for bad in page.items.bad] == ["$.data[99].ordId: Expected `str`, got `null`"]


def test_balances_that_can_not_be_read_hide_no_other(entry: Any) -> None:
    detail = {"ccy": "BTC", "cashBal": "2", "availBal": "1.5", "uTime": "1705449605015"}
    details = [detail | {"availBal": 1}, detail]
    found = entry.balances().read(answer([{"details": details}]))
    assert [balance.asset for balance in found] == ["BTC"]
    assert [str(bad) for bad in found.bad] == [
        "$.data[0].details[0].availBal: Expected `str`, got `int`"
    ]


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"maker": "-0.0008"},
        {"maker": "-0.0008", "taker": None},
        {"maker": "-0.0008", "taker": "-0.001", "feeGroup": [{"maker": "0"}]},
    ],
)
def test_a_rate_that_is_missing_is_not_zero(entry: Any, row: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\$\.data\[0\]"):
        entry.fees("BTC-USDT").read(answer([row]))


@pytest.mark.parametrize("code", [None, 7, [], {}])
def test_a_code_in_a_row_that_can_not_be_read_is_no_success(code: Any) -> None:
    found = OKX.error(answer([{"ordId": "28", "sCode": code, "sMsg": "why"}]))
    assert found is not None
    assert (found.kind, found.code) == (ErrorKind.UNKNOWN, "")
    assert "$.data[0].sCode" in found.message


@pytest.mark.parametrize("data", [None, {}, "", [["1", "2"]]])
def test_a_refusal_counts_whatever_its_data_are(data: Any) -> None:
    assert OKX.error(answer(data, "51008", msg="why")) == Fault(ErrorKind.FUNDS, "51008", "why")


def test_a_code_may_be_a_number() -> None:
    assert OKX.error(Answer(200, {}, b'{"code":0,"data":[]}')) is None
    assert OKX.error(Answer(200, {}, b'{"code":51008,"msg":"why"}')) == Fault(
        ErrorKind.FUNDS, "51008", "why"
    )
