"""The goldens' policy lets nothing through that it doesn't name."""

from typing import Any

import pytest

from tests.goldens.policy import Verdict, same_or_stricter, whole_words

Record = dict[str, Any]
BAD = {"type": "BadRow", "fields": {"path": "$[0]", "reason": "empty"}}
UNREADABLE = {"type": "Fault", "fields": {"kind": "ErrorKind.UNREADABLE", "code": ""}}
MALFORMED = {"raises": "malformed"}


def order(number: int, state: str | None = "OrderState.OPEN", reason: str = "") -> Record:
    fields = {"exchange_order_id": str(number), "state": state, "reason": reason}
    return {"type": "OrderUpdate", "fields": fields}


def stateless(number: int, word: str) -> Record:
    return order(number, None, f"the status {word!r} is unknown here")


def fill(number: int) -> Record:
    return {"type": "Fill", "fields": {"trade_id": str(number)}}


def diff(number: int) -> Record:
    return {"type": "BookDiff", "fields": {"update_id": number}}


def fault(kind: str) -> Record:
    return {"type": "Fault", "fields": {"kind": f"ErrorKind.{kind}"}}


def of_frame(place: str, stored: Any, now: Any) -> Verdict:
    return same_or_stricter("venue", place, {"frame": "{}", "gives": stored}, now)


def of_answer(place: str, stored: Any, now: Any) -> Verdict:
    line = {"call": "fills", "arguments": [], "gives": {"request": 1, "reads": stored}}
    return same_or_stricter("venue", place, line, {"request": 1, "reads": now})


@pytest.mark.parametrize(
    ("stored", "now", "verdict"),
    [
        ([order(1), order(2)], [order(1), order(2)], Verdict.SAME),
        ([order(1), order(2)], MALFORMED, Verdict.MALFORMED),
        ([order(1), order(2)], [order(2), BAD], Verdict.WITHOUT_ROWS),
        ([order(1), fill(1), order(2)], [order(2), UNREADABLE], Verdict.WITHOUT_ROWS),
        ([order(1)], [BAD], Verdict.WITHOUT_ROWS),
        ([order(1), order(2)], [stateless(1, "filled"), order(2)], Verdict.WITHOUT_STATE),
        ([order(1), order(2)], [order(2)], Verdict.DIFFERENT),
        ([order(1), order(2)], [BAD], Verdict.DIFFERENT),
        ([order(1), order(2)], [order(3), BAD], Verdict.DIFFERENT),
        ([order(1), order(2)], [order(2), order(1), BAD], Verdict.DIFFERENT),
        ([order(1)], [stateless(1, "NEW")], Verdict.DIFFERENT),
        ([order(1)], [stateless(2, "filled")], Verdict.DIFFERENT),
        ([order(1)], [order(1, None, "")], Verdict.DIFFERENT),
        ([order(1)], [], Verdict.DIFFERENT),
        ([diff(1), diff(2)], [diff(2), UNREADABLE], Verdict.DIFFERENT),
        ([], [order(1)], Verdict.DIFFERENT),
        ([order(1)], {"raises": "RuntimeError"}, Verdict.DIFFERENT),
    ],
)
def test_of_variants_rows_or_states_may_be_missing_where_it_is_told(
    stored: Any, now: Any, verdict: Verdict
) -> None:
    assert of_frame("variants", stored, now) is verdict
    assert of_answer("variants", stored, now) is verdict
    page: dict[str, Any] = {"type": "Page", "fields": {"items": stored, "next": "7"}}
    later: dict[str, Any] = {"type": "Page", "fields": {"items": now, "next": "7"}}
    if isinstance(now, list):
        assert of_answer("variants", page, later) is verdict
        other: dict[str, Any] = {"type": "Page", "fields": {"items": now, "next": ""}}
        assert of_answer("variants", page, other) is Verdict.DIFFERENT


@pytest.mark.parametrize("place", ["sandbox", "tests"])
def test_what_venues_sent_is_read_as_it_was(place: str) -> None:
    for now in (MALFORMED, [order(2), BAD], [stateless(1, "filled"), order(2)]):
        assert of_frame(place, [order(1), order(2)], now) is Verdict.DIFFERENT
    assert of_frame(place, MALFORMED, [order(2), UNREADABLE]) is Verdict.IN_PART
    assert of_frame(place, MALFORMED, [stateless(1, "dreaming")]) is Verdict.IN_PART
    assert of_answer(place, MALFORMED, stateless(1, "dreaming")) is Verdict.IN_PART
    assert of_frame(place, MALFORMED, [order(2)]) is Verdict.DIFFERENT
    assert of_frame(place, MALFORMED, []) is Verdict.DIFFERENT


@pytest.mark.parametrize(
    ("status", "body", "stored", "now", "verdict"),
    [
        (502, "<html>Bad gateway</html>", "REFUSED", "UNKNOWN", Verdict.GATEWAY),
        (429, "null", "UNKNOWN", "RATE", Verdict.GATEWAY),
        (404, "", "UNKNOWN", "NOT_FOUND", Verdict.DIFFERENT),
        (400, '{"code":1}', "REFUSED", "UNKNOWN", Verdict.DIFFERENT),
    ],
)
def test_a_gateway_may_prove_less(
    status: int, body: str, stored: str, now: str, verdict: Verdict
) -> None:
    line = {"refusal": {"status": status, "body": body}, "gives": {"fault": fault(stored)}}
    assert same_or_stricter("venue", "refusals", line, {"fault": fault(now)}) is verdict
    assert same_or_stricter("venue", "refusals", line, {"fault": None}) is Verdict.DIFFERENT


def test_another_request_is_another_outcome() -> None:
    line = {"call": "fills", "gives": {"request": 1, "reads": [order(1)]}}
    now = {"request": 2, "reads": [order(1)]}
    assert same_or_stricter("venue", "variants", line, now) is Verdict.DIFFERENT


def test_an_answer_that_lacks_the_form_of_the_venue_is_a_gateways() -> None:
    line = {"call": "fills", "gives": {"request": 1, "reads": [order(1)]}}
    unknown = {"type": "Fault", "fields": {"kind": "ErrorKind.UNKNOWN", "code": ""}}
    absent = {"type": "Fault", "fields": {"kind": "ErrorKind.NOT_FOUND", "code": ""}}
    for fault_now, verdict in ((unknown, Verdict.GATEWAY), (absent, Verdict.DIFFERENT)):
        now = {"request": 1, "fault": fault_now}
        assert same_or_stricter("venue", "variants", line, now) is verdict
        assert same_or_stricter("venue", "sandbox", line, now) is Verdict.DIFFERENT


def test_an_exception_is_of_one_venue_and_one_outcome() -> None:
    told = {"kind": "ErrorKind.UNKNOWN", "code": "no colon", "message": "HTTP 200"}
    line = {"frame": "{}", "gives": [{"type": "Fault", "fields": told}]}
    better = told | {"code": "", "message": "no colon"}
    now = [{"type": "Fault", "fields": better}]
    assert same_or_stricter("kraken", "tests", line, now) is Verdict.EXCEPTION
    assert same_or_stricter("okx", "tests", line, now) is Verdict.DIFFERENT
    now = [{"type": "Fault", "fields": better | {"kind": "ErrorKind.NOT_FOUND"}}]
    assert same_or_stricter("kraken", "tests", line, now) is Verdict.DIFFERENT


def test_cut_words_become_whole_and_whole_words_stay() -> None:
    text = "some nsufficient more, Insufficient, EOrder:uplicate, duplicate, EOrder:s limit"
    whole = "some insufficient more, Insufficient, EOrder:duplicate, duplicate, EOrder:Orders limit"
    assert whole_words(text) == whole
    assert whole_words(whole) == whole
