"""What reading has in common for all venues: answers by paths, refusals by codes, questions by spans of time."""

import asyncio
import gzip
from decimal import Decimal as D
from types import SimpleNamespace
from typing import Any, cast

import pytest

from actors.orders.reconciler import read_fills
from exchanges import contract as c, reading as r
from exchanges.orders import Fill, InFlightOrder, OrderState
from orderbook.errors import NotFound
from orderbook.messages import Side, Trade
from tests.support.answers import answer

DAY = 86_400 * 10**9


def test_the_first_of_an_empty_list_is_not_found() -> None:
    read = r.one(lambda row: row["a"], "list", 0)
    assert read(answer({"list": [{"a": 1}]})) == 1
    with pytest.raises(NotFound):
        read(answer({"list": []}))
    with pytest.raises(TypeError):
        read(answer({"list": None}))


def test_an_empty_text_is_no_number() -> None:
    assert (r.number(""), r.number(None), r.number("1.50")) == (0, 0, D("1.50"))


def test_an_accepted_order_has_the_venues_id() -> None:
    order = InFlightOrder(
        client_order_id="mine", trading_pair="A-B", symbol="AB", side=Side.BUY, amount=D(1)
    )
    update = r.accepted(order, "result", "id")(answer({"result": {"id": 28}}))
    assert (update.state, update.client_order_id, update.exchange_order_id) == (
        OrderState.OPEN,
        "mine",
        "28",
    )


def test_a_trade_is_read_by_its_columns() -> None:
    row = {"s": "AB", "i": 7, "p": "0.5", "v": "2"}
    assert r.read_trade(row, "s i p v", "Sell", time=9) == Trade("AB", "7", Side.SELL, 0.5, 2.0, 9)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"code": 0}, 200, None),
        ({"code": "0", "msg": "OK"}, 200, None),
        ({"code": 7, "msg": "no"}, 200, c.ErrorKind.REFUSED),
        ({"code": 8, "msg": "?"}, 200, c.ErrorKind.UNKNOWN),
        ({"code": 0}, 404, c.ErrorKind.UNKNOWN),
        ({"code": 7}, 503, c.ErrorKind.UNKNOWN),
        ({"code": 7}, 429, c.ErrorKind.RATE),
        ({}, 200, c.ErrorKind.UNKNOWN),
        (b"<html>too often</html>", 403, c.ErrorKind.RATE),
        (b"[]", 200, c.ErrorKind.UNKNOWN),
    ],
)
def test_refusals_by_code_are_told_from_answers(
    body: Any, status: int, kind: c.ErrorKind | None
) -> None:
    table = r.errors(refused="7", words={c.ErrorKind.RATE: "too often"})
    fault = table.coded(answer(body, status))
    assert (fault.kind if fault else None) is kind


def test_empty_parameters_of_a_question_are_left_out() -> None:
    request = c.ask("/fills", answer, {"symbol": "AB", "cursor": ""}, query=1).request
    assert (request.method, request.params, request.urgent) == ("GET", {"symbol": "AB"}, True)
    assert c.ask("POST /order", answer, body={"a": ""}, urgent=False).request.body == {"a": ""}


def test_a_feed_of_another_depth_is_the_same_otherwise() -> None:
    deeper = c.BookFeed.variant("1000", depth=1000)
    assert (deeper.depth, c.BookFeed.depth, deeper.__name__) == (1000, 0, "BookFeed1000")


def test_fills_are_asked_for_span_by_span_and_page_by_page() -> None:
    asked: list[tuple[int, str]] = []

    class Entry:
        fills_span = 86_400.0

        def fills(self, trading_pair: str, after: c.FillCursor) -> Any:
            asked.append((after.time, after.page))
            return c.Page(
                [cast(Fill, SimpleNamespace(time=-len(asked)))], "2" if len(asked) == 1 else ""
            )

    async def run(call: Any) -> Any:
        return call

    rest = SimpleNamespace(run=run, now=lambda: 2.5 * 86_400)
    found = asyncio.run(
        read_fills(cast(Any, rest), cast(Any, Entry()), "A-B", c.FillCursor(time=1))
    )
    assert asked == [(1, ""), (1, "2"), (DAY + 1, ""), (2 * DAY + 1, "")]
    assert [fill.time for fill in found] == [
        -4,
        -3,
        -2,
        -1,
    ]  # oldest first, in whatever order they came
    asked.clear()
    assert (
        len(asyncio.run(read_fills(cast(Any, rest), cast(Any, Entry()), "A-B", c.FillCursor())))
        == 2
    )


def test_a_column_may_be_missing_where_the_table_says_so() -> None:
    assert r.pick({"a": "1", "b": ""}, "a b| c| b|a") == ["1", "", "", "1"]
    with pytest.raises(KeyError):
        r.pick({"a": "1"}, "b")


def test_the_side_may_be_what_a_type_begins_with_and_the_maker_a_word() -> None:
    row = {
        "s": "AB",
        "i": 7,
        "o": 8,
        "p": "2",
        "q": "3",
        "f": "",
        "a": "B",
        "role": "maker",
        "type": "sell-limit",
        "t": 1,
    }
    fill = r.read_fill(row, "s i o p q f a role type t")
    assert (fill.side, fill.is_maker, fill.fee) == (Side.SELL, True, 0)
    row |= {"state": "new", "left": "1"}
    update = r.read_update(row, "s state o q left| type q p type c| t", r.states(open="new"))
    assert (update.side, update.client_order_id, update.time) == (Side.SELL, "", 1_000_000)


def test_a_trade_may_name_its_side_and_time_in_columns() -> None:
    row = {"s": "AB", "i": 7, "p": 0.5, "v": 2, "d": "buy", "t": 1}
    assert r.read_trade(row, "s i p v d t") == Trade("AB", "7", Side.BUY, 0.5, 2.0, 1_000_000)


def test_volumes_may_be_numbers() -> None:
    assert r.read_market({"s": "AB", "c": 0.1, "b": 1e-7, "q": 5}, "s c b q").base_volume == D(
        "1e-7"
    )


def test_codes_may_have_several_names_and_several_of_success() -> None:
    table = r.errors(refused="no 7")

    def fault(body: Any) -> c.Fault | None:
        return table.coded(answer(body), "err|code|status", "text|message", "ok 200")

    assert fault({"status": "ok"}) is None
    assert fault({"code": 200}) is None
    for body in ({"status": "error", "err": "no", "text": "why"}, {"code": 7, "message": "why"}):
        found = fault(body)
        assert found is not None
        assert (found.kind, found.message) == (c.ErrorKind.REFUSED, "why")
    assert cast(c.Fault, fault({})).kind is c.ErrorKind.UNKNOWN


def test_frames_are_unzipped_where_they_are_zipped() -> None:
    assert r.gunzip(gzip.compress(b'{"a":1}')) == b'{"a":1}'
    assert r.gunzip(b'{"a":1}') == b'{"a":1}'


def test_rows_by_their_keys_and_the_first_of_them() -> None:
    read = r.keyed(lambda key, row: f"{key}{row['n']}", "rows")
    assert read(c.Answer(200, {}, b'{"rows":{"a":{"n":1},"b":{"n":2}}}')) == ["a1", "b2"]
    with pytest.raises(NotFound):
        r.first(read)(c.Answer(200, {}, b'{"rows":{}}'))


def test_what_news_leave_out_stays_as_it_was() -> None:
    latest = r.Latest({"fee": 0}, keep=2)
    assert latest.take("a", {"x": 1}) == {"fee": 0, "x": 1}
    assert latest.take("a", {"fee": 2}) == {"fee": 2, "x": 1}
    latest.take("b", {})
    latest.take("c", {})
    assert latest.take("a", {}) == {"fee": 0}


def test_refusals_that_come_as_a_list_of_texts() -> None:
    table = r.worded(funds="E1:poor")
    assert table.listed(c.Answer(200, {}, b'{"error":["W1:poor"]}')) is None
    fault = table.listed(c.Answer(200, {}, b'{"error":["W1:x","E1:too poor"]}'))
    assert fault == c.Fault(c.ErrorKind.FUNDS, "E1", "too poor")
    for answered in (c.Answer(200, {}, b"<html>"), c.Answer(503, {}, b"{}")):
        fault = table.listed(answered)
        assert fault is not None
        assert fault.kind is c.ErrorKind.UNKNOWN
