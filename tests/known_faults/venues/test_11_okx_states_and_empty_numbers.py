"""OKX instruments in unusual states, with empty steps or empty tickers.

(nautechsystems/nautilus_trader #3998 #4005.) Right: only "live" is active; nothing else is hidden.
"""

from typing import Any

import pytest

from exchanges.okx import OkxBook
from exchanges.orders import TradingRule
from tests.known_faults.lab import load
from tests.known_faults.lab.wire import answer

TOLD = load(__file__)
INSTRUMENT: dict[str, Any] = TOLD["instrument"]


def rules_of(*instruments: dict[str, Any]) -> list[TradingRule]:
    body = {"code": "0", "data": instruments}
    return list(OkxBook({}, "").trading_rules().read(answer(body)))


@pytest.mark.parametrize("state", TOLD["states"])
def test_only_what_is_live_is_active(state: str) -> None:
    other = INSTRUMENT | {"instId": "BTC-USDT", "baseCcy": "BTC"}
    odd, usual = rules_of(INSTRUMENT | {"state": state}, other)
    assert odd.active is (state == "live")
    assert usual.active


def test_empty_steps_are_read() -> None:
    empty = {"state": "preopen", "tickSz": "", "lotSz": "", "minSz": "", "maxLmtSz": ""}
    assert rules_of(INSTRUMENT | empty)


def test_an_empty_ticker_is_read() -> None:
    assert OkxBook({}, "").markets().read(answer({"code": "0", "data": [TOLD["ticker"]]}))
