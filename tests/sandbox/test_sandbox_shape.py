"""The language in which dialects word facts."""

from base64 import b64decode
from decimal import Decimal
from typing import Any

import pytest

from trochil.sandbox.facts import facts_of, times
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.matching import Order
from trochil.sandbox.shape import shape
from trochil.sandbox.signatures import signature
from trochil.sandbox.windows import Window

FACTS: dict[str, Any] = {
    "side": "buy",
    "price": "1.50",
    "amount": "2",
    "empty": "",
    "zero": "0",
    "flag": True,
}
FACTS["held"] = lambda: [{"asset": "BTC", "size": "1"}]


@pytest.mark.parametrize(
    ("words", "row"),
    [
        ("side", {"side": "buy"}),
        ("px=price sz=#amount n=#price", {"px": "1.50", "sz": 2, "n": 1.5}),
        ("a=?empty b=?zero c=?price d=?#price", {"c": "1.50", "d": 1.5}),
        (
            "type:SPOT none: count:=0 no:=false",
            {"type": "SPOT", "none": "", "count": 0, "no": False},
        ),
        ("list:=[] object:={}", {"list": [], "object": {}}),
        (
            "fee{ccy=side n{p=price}} after=side",
            {"fee": {"ccy": "buy", "n": {"p": "1.50"}}, "after": "buy"},
        ),
        ("fees[ccy=side n:=1] flag", {"fees": [{"ccy": "buy", "n": 1}], "flag": True}),
        (
            "rules[a:x | b:y c=side] flag",
            {"rules": [{"a": "x"}, {"b": "y", "c": "buy"}], "flag": True},
        ),
        (
            "in{rows=held[ccy=asset n=#size]} side",
            {"in": {"rows": [{"ccy": "BTC", "n": 1}]}, "side": "buy"},
        ),
        ('kinds:=["A","B"] side', {"kinds": ["A", "B"], "side": "buy"}),
    ],
)
def test_words_make_rows(words: str, row: dict[str, Any]) -> None:
    assert shape(words, FACTS) == row


def test_a_fact_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError, match="unknown"):
        shape("a=unknown", FACTS)


def test_an_order_is_told_in_texts_and_flags() -> None:
    terms = (
        "BTC-USDT",
        "buy",
        "post_only",
        "GTC",
        Decimal("1.50"),
        Decimal(100),
        1_700_000_000_123_456_789,
    )
    facts = facts_of(Order(7, "mine", Account("a"), *terms))
    assert (facts["id"], facts["amount"], facts["SIDE"], facts["Kind"]) == (
        "7",
        "1.5",
        "BUY",
        "Limit",
    )
    assert (facts["created_ms"], facts["done_ms"], facts["post_only"]) == (
        "1700000000123",
        "",
        True,
    )


def test_times_come_in_every_unit() -> None:
    found = times("at", 1_700_000_000_123_456_789)
    assert (found["at_us"], found["at_iso"]) == ("1700000000123456", "2023-11-14T22:13:20.123456Z")


def test_signatures_are_hex_or_base64() -> None:
    # RFC 4231, test case 2.
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert signature("Jefe", "what do ya want for nothing?") == expected
    assert bytes.fromhex(expected) == b64decode(
        signature(b"Jefe", b"what do ya want for nothing?", "sha256", "base64")
    )


@pytest.mark.parametrize(
    ("type", "quote", "state", "filled", "expected"),
    [
        ("limit", None, "new", 0, ("GTC", "", "1.5", "new")),
        ("post_only", None, "cancelled", 0, ("post_only", "", "1.5", "cancelled")),
        ("market", None, "expired", 1, ("market", "base", "1.5", "cut")),
        ("market", 90, "filled", 1, ("market", "quote", "90", "filled")),
    ],
)
def test_an_orders_terms_size_and_outcome_are_told(
    type: str, quote: int | None, state: str, filled: int, expected: tuple[str, ...]
) -> None:
    order = Order(
        7, "mine", Account("a"), "BTC-USDT", "buy", type, "GTC", Decimal("1.50"), Decimal(100), 1
    )
    order.quote_amount = None if quote is None else Decimal(quote)
    order.state, order.filled = state, Decimal(filled)
    facts = facts_of(order)
    assert (facts["terms"], facts["unit"], facts["size"], facts["outcome"]) == expected


def test_a_window_is_told_in_rows_of_texts() -> None:
    levels = [(Decimal("1.50"), Decimal("2.0"))]
    facts = facts_of(Window("BTC-USDT", levels, [], 6, 7))
    assert (facts["bids"], facts["asks"], facts["last"], facts["type"]) == (
        [["1.5", "2"]],
        [],
        "7",
        "delta",
    )
    assert facts_of(Window("BTC-USDT", levels, [], 0, 7))["type"] == "snapshot"
