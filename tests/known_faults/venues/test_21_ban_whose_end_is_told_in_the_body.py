"""Venues name the end of a ban in different places (hummingbot/hummingbot #1291).

Retry-After in seconds or as an HTTP date, "banned until <ms>" in the message, data.retryAfter
(Binance's websocket API), "EService: Throttled: <unix time>" (Kraken). Right: no request before the
time that the venue named, wherever it named it. Today only Retry-After in seconds is read;
otherwise 10 s of 3,492 s, or no pause at all.
"""

from typing import Any

import pytest

from actors.clock import Clock
from actors.rest import Rest
from exchanges.binance import BinanceUser
from exchanges.registry import get
from tests.known_faults.lab import given, load
from tests.known_faults.lab.wire import answer, encoded


def silence(
    venue: str, body: Any, status: int = 200, headers: dict[str, str] | None = None
) -> float:
    """For how many seconds no request leaves after this answer."""
    now: float = load(__file__)["now"]
    exchange = get(venue)
    said = answer(body, status, headers)
    rest = Rest(exchange, None, exchange.hosts, None, Clock(lambda: now, lambda: 0.0))
    fault = exchange.error(said)
    given(fault is not None, "the refusal is read")
    rest._error_of(fault, said)
    return max(0.0, rest._budget.banned_until - now)


def test_retry_after_in_seconds() -> None:
    assert silence(
        "binance", load(__file__)["rest"], 418, {"retry-after": "3493"}
    ) == pytest.approx(3493)


@pytest.mark.xfail(
    strict=True, raises=AssertionError, reason='"banned until" in a message is not read'
)
def test_the_end_of_a_ban_in_the_message_only() -> None:
    assert silence("binance", load(__file__)["rest"], 418) > 3000


@pytest.mark.xfail(
    strict=True, raises=AssertionError, reason="Retry-After as an HTTP date is not read"
)
def test_retry_after_as_a_date() -> None:
    headers = {"retry-after": "Sat, 30 Jul 2022 02:00:00 GMT"}
    assert silence("binance", load(__file__)["rest"], 418, headers) > 3000


@pytest.mark.xfail(
    strict=True, raises=AssertionError, reason="Kraken's Throttled with a time is not read"
)
def test_kraken_throttled_until_a_time() -> None:
    assert silence("kraken", load(__file__)["kraken"]) > 50


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="retryAfter in an error of Binance's websocket API is not read",
)
def test_retry_after_in_the_error_of_a_websocket() -> None:
    (fault,) = BinanceUser(None, {}, "").parse(encoded(load(__file__)["ws_api"]))
    assert fault.retry_after > 3000
