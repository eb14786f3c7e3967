"""What refusals mean: by code, by message, by HTTP status; a gateway's word proves nothing."""

from typing import Any

import msgspec
import pytest

from exchanges.contract import ErrorKind
from exchanges.errors import ErrorTable, MessageRule, message_rules, of_gateway, refusal_in
from tests.support.answers import answer

TABLE = ErrorTable(
    messages=(
        MessageRule(ErrorKind.FUNDS, "insufficient", code="7"),
        *message_rules(ErrorKind.RATE, "too often", "slow down"),
    ),
    codes={"7": ErrorKind.REFUSED, "9": ErrorKind.NOT_FOUND},
)


class Refusal(msgspec.Struct):
    code: int
    msg: str = ""


@pytest.mark.parametrize(
    ("code", "message", "status", "kind"),
    [
        ("7", "no", 200, ErrorKind.REFUSED),
        ("7", "Insufficient funds", 400, ErrorKind.FUNDS),
        ("9", "Insufficient funds", 400, ErrorKind.NOT_FOUND),
        ("1", "Too OFTEN", 200, ErrorKind.RATE),
        ("9", "slow down", 200, ErrorKind.RATE),
        ("8", "?", 200, ErrorKind.UNKNOWN),
        ("7", "no", 503, ErrorKind.UNKNOWN),
        ("7", "no", 429, ErrorKind.RATE),
        ("7", "no", 418, ErrorKind.RATE),
        ("", "", 404, ErrorKind.UNKNOWN),
    ],
)
def test_refusals_by_code_are_told_from_answers(
    code: str, message: str, status: int, kind: ErrorKind
) -> None:
    fault = TABLE.fault(code, message, status)
    assert (fault.kind, fault.code, fault.message) == (kind, code, message or f"HTTP {status}")


@pytest.mark.parametrize("body", [b"<html>403</html>", b"", b"null", b"[]", b"{}", {"code": "x"}])
def test_what_is_not_in_the_venues_form_is_no_refusal(body: Any) -> None:
    found = answer(body, 403)
    assert refusal_in(found, Refusal) is None
    assert of_gateway(found).kind is ErrorKind.UNKNOWN
    assert of_gateway(answer(body, 429)).kind is ErrorKind.RATE
    assert of_gateway(found).message


def test_a_refusal_in_the_venues_form_is_read() -> None:
    assert refusal_in(answer({"code": 7, "msg": "no", "more": 1}, 400), Refusal) == Refusal(7, "no")
