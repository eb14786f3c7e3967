"""What Bybit's refusals prove: they come under HTTP 200, by code."""

import json

import pytest

from exchanges.bybit import BYBIT
from exchanges.contract import Answer, ErrorKind


def refusal(code: int, message: str) -> Answer:
    body = {
        "retCode": code,
        "retMsg": message,
        "result": {},
        "retExtInfo": {},
        "time": 1672364262500,
    }
    return Answer(200, {}, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *(
            (code, ErrorKind.REFUSED)
            for code in (10001, 170121, 170124, 170132, 170137, 170140, 170148, 170198, 170218)
        ),
        *((code, ErrorKind.FUNDS) for code in (170131,)),
        *((code, ErrorKind.DUPLICATE) for code in (170141, 10014)),
        *((code, ErrorKind.NOT_FOUND) for code in (170213, 170139, 170142, 170143, 170190, 110001)),
        *((code, ErrorKind.RATE) for code in (10006, 10018, 170222)),
        *((code, ErrorKind.CLOCK) for code in (10002,)),
        *((code, ErrorKind.AUTH) for code in (10003, 10004, 10005, 10010, 33004)),
        *(
            (code, ErrorKind.UNKNOWN)
            for code in (10000, 10016, 170007, 170146, 170147, 170032, 170191, 170001, 999999)
        ),
    ],
)
def test_refusals_are_classified_by_code_under_http_200(code: int, kind: ErrorKind) -> None:
    fault = BYBIT.error(refusal(code, "why"))
    assert fault is not None
    assert (fault.kind, fault.code, fault.message) == (kind, str(code), "why")


def test_what_stands_before_the_venue_answers_in_its_own_words() -> None:
    banned = BYBIT.error(Answer(403, {}, b"access too frequent"))
    blocked = BYBIT.error(
        Answer(403, {}, b"<html>The Amazon CloudFront distribution is configured to block</html>")
    )
    broken = BYBIT.error(Answer(502, {}, b""))
    assert [fault and fault.kind for fault in (banned, blocked, broken)] == [
        ErrorKind.RATE,
        ErrorKind.UNKNOWN,
        ErrorKind.UNKNOWN,
    ]
    assert BYBIT.error(refusal(0, "OK")) is None


def test_a_code_may_be_a_text() -> None:
    assert BYBIT.error(Answer(200, {}, b'{"retCode":"0","retMsg":"OK","result":{}}')) is None
    fault = BYBIT.error(Answer(200, {}, b'{"retCode":"170131","retMsg":"why"}'))
    assert fault is not None
    assert (fault.kind, fault.code) == (ErrorKind.FUNDS, "170131")
