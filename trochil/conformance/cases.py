"""The conformance cases, by id. Each raises AssertionError if an adapter doesn't conform."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from orderbook.errors import AuthenticationError, TrochilError
from orderbook.messages import BookState, Side
from trochil.conformance.venue_harness import PATIENCE, VenueHarness
from trochil.market_handle import Order


@dataclass(frozen=True, slots=True)
class Case:
    """One conformance case.

    ``needs``: any of sandbox, keys, trade. Without "sandbox" it may run at a real venue; it trades
    only with "trade".
    """

    id: str
    needs: frozenset[str]
    run: Callable[[VenueHarness], None]


CASES: dict[str, Case] = {}


def case(*needs: str) -> Callable[[Callable[[VenueHarness], None]], Callable[[VenueHarness], None]]:
    def register(run: Callable[[VenueHarness], None]) -> Callable[[VenueHarness], None]:
        name = run.__name__
        CASES[name] = Case(name, frozenset(needs), run)
        return run

    return register


# Public data.


@case()
def markets_and_rules(harness: VenueHarness) -> None:
    table = harness.client.markets(harness.name)
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == ["baseAsset", "quoteAsset", "volume", "USDVolume"]
    assert harness.pair in table.index, f"{harness.pair} is not among {list(table.index)[:10]}"
    rule = harness.rule()
    assert f"{rule.base}-{rule.quote}" == harness.pair
    assert rule.price_tick > 0
    assert rule.size_step > 0
    assert rule.active


@case()
def snapshot_and_diffs(harness: VenueHarness) -> None:
    view = harness.live()
    top = view.top()
    assert 0 < top.bid <= top.ask, f"the book is upside down: {top}"
    before = view.counters["applied"]
    harness.until(lambda: view.counters["applied"] > before + 2, "three more changes", 60.0)
    bids = view.bids
    asks = view.asks
    assert (bids[1:, 0] < bids[:-1, 0]).all()
    assert (asks[1:, 0] > asks[:-1, 0]).all()


@case("sandbox")
def book_equals_the_venue(harness: VenueHarness) -> None:
    harness.must_equal_the_venue()


@case("sandbox")
def gap_resync(harness: VenueHarness) -> None:
    """A lost frame is detected and repaired; if every message is a full snapshot, by the next."""
    view = harness.live()
    epoch = view.epoch
    gaps = view.counters["gaps"]
    applied = view.counters["applied"]
    with harness.quiet():
        # The lost frames change the best level: without update ids, checksums cover the best ones.
        harness.admin("drop", pair=harness.pair, frames=2)
        best = harness.sandbox.admin("GET", f"book?pair={harness.pair}")["asks"][0]
        harness.admin("trade", pair=harness.pair, side="buy", amount=best[1])
    if harness.exchange.book.full_snapshots_only:
        harness.until(lambda: view.counters["applied"] > applied + 2, "books after the lost ones")
    else:
        harness.live(above_epoch=epoch)
        assert view.counters["gaps"] > gaps, "the gap was not noticed"
    harness.must_equal_the_venue()


@case("sandbox")
def replay_is_idempotent(harness: VenueHarness) -> None:
    harness.live()
    harness.admin("faults", duplicate_frame=30)
    harness.until(
        lambda: (
            harness.sandbox.admin("GET", "status")["faults_done"].get("duplicate_frame", 0) >= 30
        ),
        "30 doubles",
    )
    harness.must_equal_the_venue()


@case("sandbox")
def checksum_mismatch(harness: VenueHarness) -> None:
    view = harness.live()
    epoch = view.epoch
    harness.admin("faults", bad_checksum=10)  # whichever pair's frame comes first
    harness.live(above_epoch=epoch)
    harness.admin("faults", bad_checksum=0)
    harness.must_equal_the_venue()


@case()
def trades(harness: VenueHarness) -> None:
    seen = harness.received_trades()
    harness.until(lambda: seen, "a trade", 120.0)
    assert all(
        trade.price > 0 and trade.size > 0 and trade.time > 1e18 and trade.trade_id
        for trade in seen
    )


@case("sandbox")
def trades_have_the_takers_side(harness: VenueHarness) -> None:
    with harness.quiet():
        seen = harness.received_trades()
        step = harness.rule().size_step * 10

        def bought() -> bool:
            harness.admin("trade", pair=harness.pair, side="buy", amount=str(step))
            time.sleep(0.1)
            return bool(seen)

        harness.until(bought, "a trade of the house's purchases")
    assert all(trade.side is Side.BUY for trade in seen), f"only the house bought: {seen}"
    sizes = [Decimal(repr(trade.size)) for trade in seen]
    assert all(size <= step for size in sizes), f"no purchase was of more than {step}: {sizes}"


@case("sandbox")
def unknown_frame(harness: VenueHarness) -> None:
    view = harness.live()
    harness.admin("say", text='{"what_is":"this"}')
    before = view.counters["applied"]
    harness.until(
        lambda: view.state is BookState.LIVE and view.counters["applied"] > before,
        "a LIVE book that goes on",
    )
    harness.must_equal_the_venue()


@case("sandbox")
def reconnect(harness: VenueHarness) -> None:
    view = harness.live()
    epoch = view.epoch
    harness.admin("disconnect", which="public")
    harness.live(above_epoch=epoch)
    harness.must_equal_the_venue()


@case("sandbox")
def listing_and_delisting(harness: VenueHarness) -> None:
    pair = next(pair for pair in harness.sandbox.pairs if pair != harness.pair)
    harness.client.book(harness.name, pair)
    harness.admin("delist", pair=pair)
    harness.until(
        lambda: pair not in [view.trading_pair for view in harness.client.books()], f"{pair} gone"
    )
    harness.admin("list", pair=pair)
    harness.until(
        lambda: pair in [view.trading_pair for view in harness.client.books()], f"{pair} back"
    )
    harness.client.book(harness.name, pair)


# Signing.


@case()
def signature_vectors(harness: VenueHarness) -> None:
    vectors = harness.vectors()
    assert vectors, f"no published vectors beside the adapter, in vectors/{harness.name}.json"
    for vector in vectors:
        auth = harness.exchange.auth(vector["keys"])
        method = vector["http_method"]
        url = vector["url"]
        params = vector.get("params", {})
        signed = auth.generate_auth_dict(method, url, params, vector.get("body"), now=vector["now"])
        whole = f"{signed['url']} {signed['headers']} {signed['body'].decode()}"
        assert vector["expect"] in whole, (
            f"{vector['source']}: {vector['expect']} is not in {whole}"
        )


@case("sandbox")
def refused_login(harness: VenueHarness) -> None:
    keys = {**harness.sandbox.accounts["default"]}
    keys["api_key"] = (
        harness.exchange.client_id(7) if not keys["api_key"].startswith("0x") else "0x" + "12" * 20
    )
    path = harness.sandbox.folder / "wrong.toml"
    path.write_text("[wrong]\n" + "".join(f'{name} = "{value}"\n' for name, value in keys.items()))
    path.chmod(0o600)
    config = harness.sandbox.config | {"deployment": f"wrong-{harness.name}"}
    options = {
        "accounts": {harness.name: f"file:{path}#wrong"},
        "config": config,
        "address": "inline",
    }
    with trochil_connect(harness.name, **options) as client:
        try:
            client.check_keys(harness.name)
        except AuthenticationError:
            return
        except TrochilError as error:
            raise AssertionError(f"a wrong key gives {type(error).__name__}: {error}") from None
    raise AssertionError("a wrong key was taken")


# Orders.


@case("sandbox", "keys")
def partial_fill_then_fill(harness: VenueHarness) -> None:
    with harness.quiet():
        order = harness.first_in_line()
        half = order.amount / 2
        half -= half % harness.rule().size_step
        harness.hit(order, half)
        harness.settled(order, "partially_filled", "filled")
        assert order.filled == half, f"{order.filled} filled, not {half}"
        harness.hit(order, order.amount - half)
        harness.settled(order, "filled")
    assert order.filled == order.amount
    assert order.average == order.price
    assert sum(order.fees.values()) > 0
    must_balance(harness)


@case("sandbox", "keys")
def market_orders(harness: VenueHarness) -> None:
    amount = harness.amount()
    bought = harness.settled(harness.market.buy(harness.pair, amount, type="market"), "filled")
    sold = harness.settled(harness.market.sell(harness.pair, amount, type="market"), "filled")
    assert (bought.filled, sold.filled) == (amount, amount)
    must_balance(harness)


@case("keys", "trade")
def cancel(harness: VenueHarness) -> None:
    order = harness.rest()
    harness.market.cancel(order)
    harness.settled(order, "cancelled")
    assert order.filled == 0


@case("sandbox", "keys")
def cancel_all(harness: VenueHarness) -> None:
    orders = [harness.rest(), harness.rest(), harness.rest("sell")]
    harness.market.cancel_all()
    for order in orders:
        harness.settled(order, "cancelled")
    must_balance(harness)


@case("sandbox", "keys")
def reject(harness: VenueHarness) -> None:
    try:
        order = harness.market.buy(
            harness.pair, harness.amount(Decimal(10) ** 9), harness.far("buy")
        )
    except TrochilError:
        return  # the pair's own rules refuse the size before the venue could
    order.wait("rejected", timeout=PATIENCE)
    assert order.evidence


@case("sandbox", "keys")
def post_only_that_would_take(harness: VenueHarness) -> None:
    order = harness.market.buy(
        harness.pair, harness.amount(), harness.through("buy"), post_only=True
    )
    harness.settled(order, "rejected", "cancelled", "expired")
    assert order.filled == 0


@case("sandbox", "keys")
def immediate_or_cancel(harness: VenueHarness) -> None:
    order = harness.market.sell(harness.pair, harness.amount(), harness.far("sell"), tif="IOC")
    harness.settled(order, "cancelled", "expired", "rejected")
    assert order.filled == 0


@case("sandbox", "keys")
def unknown_order_on_cancel(harness: VenueHarness) -> None:
    order = harness.rest()
    harness.admin("faults", user_stream_drop=1000)
    harness.admin("cancel", order_id=harness.venue_order(order)["order_id"])
    harness.admin("faults", user_stream_drop=0)
    harness.market.cancel(order)
    harness.settled(order, "cancelled")


@case("sandbox", "keys")
def fill_before_ack(harness: VenueHarness) -> None:
    harness.admin("faults", delay_response=0.4)
    order = harness.market.buy(harness.pair, harness.amount(), harness.through("buy"))
    try:
        harness.settled(order, "filled")
    finally:
        harness.admin("faults", delay_response=0)
    time.sleep(0.5)
    assert order.refresh().filled == order.amount
    must_balance(harness)


@case("sandbox", "keys")
def duplicate_fill(harness: VenueHarness) -> None:
    with harness.quiet():
        order = harness.first_in_line()
        harness.admin("faults", user_stream_duplicate=20)
        harness.hit(order, order.amount)
        harness.settled(order, "filled")
    harness.admin("faults", user_stream_duplicate=0)
    assert sum(harness.fill_sizes(order)) == order.amount
    must_balance(harness)


@case("sandbox", "keys")
def answer_lost(harness: VenueHarness) -> None:
    harness.admin("faults", lose_response_after_commit=1)
    order = harness.market.buy(harness.pair, harness.amount(), harness.far("buy"))
    harness.settled(order, "open")
    harness.market.cancel(order)
    harness.settled(order, "cancelled")


@case("sandbox", "keys")
def rate_limit_with_its_deadline(harness: VenueHarness) -> None:
    harness.admin("faults", http_429=1)
    refused = harness.market.buy(harness.pair, harness.amount(), harness.far("buy")).wait(
        "rejected", "open", timeout=PATIENCE
    )
    assert refused.state == "rejected", "a 429 is proof that nothing was done"
    time.sleep(1.2)
    order: Order = harness.until(lambda: _placed(harness), "an order after the deadline")
    harness.market.cancel(order)
    harness.settled(order, "cancelled")


def _placed(harness: VenueHarness) -> Order | None:
    order = harness.market.buy(harness.pair, harness.amount(), harness.far("buy")).wait(
        "rejected", "open", timeout=PATIENCE
    )
    return order if order.state == "open" else None


@case("sandbox", "keys")
def clock_skew(harness: VenueHarness) -> None:
    harness.admin("faults", clock_skew=400)
    try:
        order = harness.rest()
        harness.market.cancel(order)
        harness.settled(order, "cancelled")
    finally:
        harness.admin("faults", clock_skew=0)
        order = harness.rest()
        harness.market.cancel(order)


@case("sandbox", "keys")
def user_stream_resumes(harness: VenueHarness) -> None:
    with harness.quiet():
        filled = harness.first_in_line()
        cancelled = harness.rest("sell")
        harness.admin("disconnect", which="private")
        harness.hit(filled, filled.amount)
        harness.admin("cancel", order_id=harness.venue_order(cancelled)["order_id"])
    harness.settled(filled, "filled")
    harness.settled(cancelled, "cancelled")
    must_balance(harness)


@case("keys")
def balances(harness: VenueHarness) -> None:
    found = harness.market.balances()
    assert all(balance.total >= balance.available >= 0 for balance in found.values())


def must_balance(harness: VenueHarness) -> None:
    """Our balances are the venue's ledger, once everything has settled."""

    def agree() -> bool:
        ours = {
            asset: [str(b.total), str(b.available)]
            for asset, b in harness.market.balances().items()
        }
        return bool(harness.admin("balances_match", account="default", balances=ours)["match"])

    harness.until(agree, "balances equal to the venue's ledger")


def trochil_connect(*venues: str, **options: Any) -> Any:
    import trochil

    return trochil.connect(*venues, **options)
