"""The sandbox's pure venue: price-time priority, holds and fees to the last digit, nothing made and
nothing lost."""

from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given, strategies as st

from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.faults import Faults, parse_faults
from trochil.sandbox.market.matching import Order
from trochil.sandbox.market.venue import Rejected, Symbol, Venue

PAIR = "BTC-USDT"


def venue(fee: str = "0") -> Venue:
    found = Venue(
        {PAIR: Symbol("BTC", "USDT", D("0.01"), D("0.001"), D(1))},
        maker_fee=D(fee),
        taker_fee=D(fee),
    )
    for name in ("ann", "bob"):
        account = found.open_account(Account(name))
        account.receive("BTC", D(1000))
        account.receive("USDT", D(1_000_000))
    return found


def place(at: Venue, who: str, side: str, amount: str, price: str | None, **more: Any) -> Order:
    kind = more.pop("type", "market" if price is None else "limit")
    return at.place(
        at.accounts[who],
        PAIR,
        side,
        kind,
        D(amount),
        None if price is None else D(price),
        1,
        **more,
    )


def test_the_best_price_trades_first_and_among_equals_the_oldest() -> None:
    at = venue()
    late = place(at, "ann", "sell", "1", "101")
    early = place(at, "ann", "sell", "1", "101")
    best = place(at, "ann", "sell", "1", "100")
    place(at, "bob", "buy", "1.5", "105")
    assert (best.state, late.state, late.filled, early.filled) == (
        "filled",
        "partially_filled",
        D("0.5"),
        0,
    )


def test_a_taker_pays_the_makers_price_and_gets_the_difference_back() -> None:
    at = venue()
    place(at, "ann", "sell", "1", "100")
    place(at, "bob", "buy", "1", "110")
    assert (at.accounts["bob"].of("USDT").free, at.accounts["bob"].of("USDT").held) == (
        D(999_900),
        0,
    )


def test_open_orders_hold_and_cancelling_releases() -> None:
    at = venue()
    order = place(at, "ann", "buy", "2", "50")
    assert (at.accounts["ann"].of("USDT").free, at.accounts["ann"].of("USDT").held) == (
        D(999_900),
        D(100),
    )
    at.cancel(order, 2)
    assert at.accounts["ann"].of("USDT").held == 0
    with pytest.raises(Rejected, match="unknown_order"):
        at.cancel(order, 3)


def test_times_in_force() -> None:
    at = venue()
    place(at, "ann", "sell", "1", "100")
    assert place(at, "bob", "buy", "2", "100", tif="FOK").state == "expired"
    ioc = place(at, "bob", "buy", "2", "100", tif="IOC")
    assert (ioc.state, ioc.filled) == ("expired", 1)
    place(at, "ann", "sell", "1", "100")
    with pytest.raises(Rejected, match="would_take"):
        place(at, "bob", "buy", "1", "100", type="post_only")


def test_market_orders_by_quantity_and_by_quote() -> None:
    at = venue()
    place(at, "ann", "sell", "5", "100")
    assert place(at, "bob", "buy", "1", None).state == "filled"
    by_quote = place(at, "bob", "buy", "0", None, quote_amount=D(200))
    assert (by_quote.state, by_quote.filled, by_quote.quote_filled) == ("filled", 2, 200)
    assert place(at, "bob", "buy", "9", None).state == "expired"


@pytest.mark.parametrize(
    ("side", "amount", "price", "why"),
    [
        ("buy", "1", "0.001", "price_filter"),
        ("buy", "0.0001", "100", "lot_size"),
        ("buy", "0.001", "1", "notional"),
        ("buy", "9000", "100000", "insufficient_balance"),
        ("sell", "1001", "100", "insufficient_balance"),
    ],
)
def test_orders_outside_rules_or_means_are_refused_and_change_nothing(
    side: str, amount: str, price: str, why: str
) -> None:
    at = venue()
    with pytest.raises(Rejected, match=why):
        place(at, "ann", side, amount, price)
    assert at.orders == {}
    assert at.accounts["ann"].of("USDT").held == 0


actions = st.tuples(
    st.sampled_from(["ann", "bob"]),
    st.sampled_from(["buy", "sell", "cancel"]),
    st.integers(1, 3000),
    st.integers(9900, 10100),
    st.sampled_from(["GTC", "IOC", "FOK", "market"]),
)


@given(st.lists(actions, max_size=40))
def test_nothing_is_made_and_nothing_is_lost(history: list[tuple[str, str, int, int, str]]) -> None:
    at = venue(fee="0.001")
    for who, what, amount, price, tif in history:
        try:
            if what == "cancel":
                open_orders = [order for order in at.orders.values() if order.is_open]
                if open_orders:
                    at.cancel(open_orders[amount % len(open_orders)], 1)
            elif tif == "market":
                place(at, who, what, str(D(amount) / 1000), None)
            else:
                place(at, who, what, str(D(amount) / 1000), str(D(price) / 100), tif=tif)
        except Rejected:
            continue
    for asset, begun in (("BTC", D(2000)), ("USDT", D(2_000_000))):
        fees = sum((fill.fee for fill in at.fills if fill.fee_asset == asset), D(0))
        assert sum(account.of(asset).total for account in at.accounts.values()) + fees == begun
        assert all(
            account.of(asset).free >= 0 <= account.of(asset).held
            for account in at.accounts.values()
        )
    book = at.books[PAIR]
    bid = book.best("buy")
    ask = book.best("sell")
    assert bid is None or ask is None or bid < ask
    for order in at.orders.values():
        held = [
            o
            for o in at.orders.values()
            if o.is_open and o.account is order.account and o.side == "sell"
        ]
        assert order.account.of("BTC").held == sum((o.left for o in held), D(0))


def test_faults_are_chances_or_counts() -> None:
    faults = Faults(1, {"http_503": 2})
    assert [faults.hits("http_503") for _ in range(4)] == [True, True, False, False]
    faults.set({"drop_frame": 0.5})
    assert 20 < sum(faults.hits("drop_frame") for _ in range(100)) < 80
    assert faults.done["http_503"] == 2
    assert parse_faults("a=1, b=0.5,c") == {"a": 1.0, "b": 0.5, "c": 1.0}
    with pytest.raises(ValueError, match="unknown fault 'gremlins'; known are"):
        faults.set({"gremlins": 1})


def test_an_order_by_value_says_filled_in_its_last_trade() -> None:
    at = venue()
    place(at, "ann", "sell", "1", "100")
    place(at, "ann", "sell", "1", "101")
    states: list[tuple[str, str]] = []
    at.on_event.append(
        lambda event: (
            states.append((event.kind, event.order.state))
            if event.order.account.name == "bob"
            else None
        )
    )
    order = place(at, "bob", "buy", "0", None, quote_amount=D("150.05"))
    assert states == [("new", "new"), ("trade", "partially_filled"), ("trade", "filled")]
    assert (order.filled, order.quote_filled) == (D("1.495"), D("149.995"))


def test_an_order_by_value_that_empties_the_book_expires() -> None:
    at = venue()
    place(at, "ann", "sell", "1", "100")
    order = place(at, "bob", "buy", "0", None, quote_amount=D(500))
    assert (order.state, order.filled) == ("expired", 1)


def test_nobody_sells_by_value_more_than_they_have() -> None:
    at = venue()
    place(at, "bob", "buy", "5", "100")
    at.open_account(Account("eve")).receive("BTC", D(1))
    with pytest.raises(Rejected, match="insufficient_balance"):
        place(at, "eve", "sell", "0", None, quote_amount=D(200))
    place(at, "eve", "sell", "0", None, quote_amount=D(100))
    assert at.accounts["eve"].of("BTC").free == 0


def test_a_checked_order_is_not_taken() -> None:
    at = venue()
    place(at, "ann", "buy", "1", "100", validate_only=True)
    assert (at.orders, at.accounts["ann"].of("USDT").held) == ({}, 0)
    with pytest.raises(Rejected, match="insufficient_balance"):
        place(at, "ann", "buy", "1000", "2000", validate_only=True)
    assert at.accounts["ann"].of("USDT").free == D(1_000_000)
