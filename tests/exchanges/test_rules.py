"""Pairs, exact numbers, and what a venue's rules refuse before it is asked."""

from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given, strategies as st

from exchanges.orders import InFlightOrder, OrderState, OrderType, TradingRule
from exchanges.registry import get, names
from exchanges.rules import check_order, parse_pair, quantize, to_decimal, unknown_pair
from orderbook.errors import BadPair, ConfigError, InvalidOrder, Lagged, VenueError
from orderbook.messages import Side

RULE = TradingRule(
    trading_pair="BTC-USDT",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    price_tick=D("0.01"),
    size_step=D("0.001"),
    min_size=D("0.001"),
    max_size=D(100),
    min_notional=D(5),
)


def order(**changes: Any) -> InFlightOrder:
    terms: dict[str, Any] = {"client_order_id": "x", "trading_pair": "BTC-USDT", "side": Side.BUY}
    return InFlightOrder(
        **{**terms, "symbol": "BTCUSDT", "amount": D("0.5"), "price": D("100.01"), **changes}
    )


@pytest.mark.parametrize("text", ["BTC/USDT", "BTC-USDT", "btc-usdt"])
def test_both_ways_to_write_a_pair_are_taken(text: str) -> None:
    assert parse_pair(text) == "BTC-USDT"


@pytest.mark.parametrize("text", ["BTCUSDT", "", "BTC-", "-USDT", "A B-C", "A-B-C", 5])
def test_what_is_no_pair_is_refused(text: Any) -> None:
    with pytest.raises(BadPair, match="BASE-QUOTE"):
        parse_pair(text)


def test_an_unknown_pair_names_what_was_meant() -> None:
    assert "did you mean BTC-USDT?" in str(
        unknown_pair("BTC-USTD", "here", ["BTC-USDT", "XRP-EUR"])
    )
    assert str(unknown_pair("QQQ-WWW", "here", ["BTC-USDT"])).endswith("QQQ-WWW")


def test_floats_are_refused_with_the_reason() -> None:
    with pytest.raises(TypeError, match="amount is a float, 0.1"):
        to_decimal(0.1, "amount")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [True, None, b"1", [1]])
def test_other_types_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="must be a Decimal"):
        to_decimal(value, "price")


@pytest.mark.parametrize("value", ["x", "nan", "inf", ""])
def test_what_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(InvalidOrder):
        to_decimal(value, "price")


@given(
    st.decimals(0, 10**9, places=8), st.sampled_from([D(0), D("0.01"), D("0.5"), D("1E-8"), D(3)])
)
def test_quantizing_goes_down_to_a_multiple(value: D, step: D) -> None:
    found = quantize(value, step)
    assert found <= value
    assert not step or (found % step == 0 and value - found < step)


def test_a_valid_order_passes() -> None:
    check_order(order(), RULE)
    check_order(order(type=OrderType.MARKET, price=None), RULE)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"amount": D("0.5005")},
            r"amount 0.5005 is not a multiple of 0.001; the nearest are 0.500 and 0.501",
        ),
        ({"price": D("100.015")}, "price 100.015 is not a multiple of 0.01"),
        ({"amount": D(0)}, "below the minimum"),
        ({"amount": D(-1)}, "below the minimum"),
        ({"amount": D(101)}, "above the maximum"),
        ({"price": None}, "needs a price"),
        ({"price": D(-1)}, "needs a price"),
        ({"amount": D("0.001"), "price": D(1)}, "order value 0.001 is below the minimum notional"),
    ],
)
def test_an_order_outside_the_rules_says_what_is_valid(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidOrder, match=said):
        check_order(order(**changes), RULE)


def test_a_pair_that_does_not_trade_is_refused() -> None:
    rule = TradingRule(
        **{name: getattr(RULE, name) for name in RULE.__struct_fields__} | {"active": False}
    )
    with pytest.raises(InvalidOrder, match="doesn't trade now"):
        check_order(order(), rule)


def test_an_unknown_exchange_lists_the_known_ones() -> None:
    with pytest.raises(
        ConfigError, match=f"unknown exchange 'nowhere'; known are {', '.join(names())}"
    ):
        get("nowhere")


def test_states_have_ranks_that_end() -> None:
    assert [state for state in OrderState if not state.is_done] == [
        OrderState.PENDING,
        OrderState.OPEN,
        OrderState.PARTIALLY_FILLED,
    ]


def test_errors_survive_the_way_between_processes() -> None:
    import pickle

    for error in (Lagged(3), VenueError("no", "-1"), BadPair("x")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))
