"""The cases, by id. Each says what a user would notice, and raises AssertionError where it doesn't hold."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd

from orderbook.errors import AuthenticationError, TrochilError
from orderbook.messages import BookState, Side
from trochil.conformance.desk import PATIENCE, Desk
from trochil.market_handle import Order


@dataclass(frozen=True, slots=True)
class Case:
    """``needs``: sandbox, keys. Without "sandbox" it may run at a real venue; it trades only with "trade"."""

    id: str
    needs: frozenset[str]
    run: Callable[[Desk], None]


CASES: dict[str, Case] = {}


def case(*needs: str) -> Callable[[Callable[[Desk], None]], Callable[[Desk], None]]:
    def register(run: Callable[[Desk], None]) -> Callable[[Desk], None]:
        name = run.__name__
        CASES[name] = Case(name, frozenset(needs), run)
        return run

    return register


# Public data.


@case()
def markets_and_rules(desk: Desk) -> None:
    table = desk.client.markets(desk.name)
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == ["baseAsset", "quoteAsset", "volume", "USDVolume"]
    assert desk.pair in table.index, f"{desk.pair} is not among {list(table.index)[:10]}"
    rule = desk.rule()
    assert f"{rule.base}-{rule.quote}" == desk.pair
    assert rule.price_tick > 0
    assert rule.size_step > 0
    assert rule.active


@case()
def snapshot_and_diffs(desk: Desk) -> None:
    view = desk.live()
    top = view.top()
    assert 0 < top.bid <= top.ask, f"the book is upside down: {top}"
    before = view.counters["applied"]
    desk.until(lambda: view.counters["applied"] > before + 2, "three more changes", 60.0)
    bids, asks = view.bids, view.asks
    assert (bids[1:, 0] < bids[:-1, 0]).all()
    assert (asks[1:, 0] > asks[:-1, 0]).all()


@case("sandbox")
def book_equals_the_venue(desk: Desk) -> None:
    desk.must_equal_the_venue()


@case("sandbox")
def gap_resync(desk: Desk) -> None:
    """Where every message is a whole book, the next one repairs what is lost, and nothing is to be noticed."""
    view = desk.live()
    epoch, gaps, applied = view.epoch, view.counters["gaps"], view.counters["applied"]
    with desk.quiet():
        # What is lost is of the best level: where nothing is numbered, checksums are made of the best ones.
        desk.admin("drop", pair=desk.pair, frames=2)
        best = desk.sandbox.admin("GET", f"book?pair={desk.pair}")["asks"][0]
        desk.admin("trade", pair=desk.pair, side="buy", amount=best[1])
    if desk.exchange.book.full_snapshots_only:
        desk.until(lambda: view.counters["applied"] > applied + 2, "books after the lost ones")
    else:
        desk.live(above_epoch=epoch)
        assert view.counters["gaps"] > gaps, "the gap was not noticed"
    desk.must_equal_the_venue()


@case("sandbox")
def replay_is_idempotent(desk: Desk) -> None:
    desk.live()
    desk.admin("faults", duplicate_frame=30)
    desk.until(
        lambda: desk.sandbox.admin("GET", "status")["faults_done"].get("duplicate_frame", 0) >= 30,
        "30 doubles",
    )
    desk.must_equal_the_venue()


@case("sandbox")
def checksum_mismatch(desk: Desk) -> None:
    view = desk.live()
    epoch = view.epoch
    desk.admin("faults", bad_checksum=10)  # whichever pair's frame comes first
    desk.live(above_epoch=epoch)
    desk.admin("faults", bad_checksum=0)
    desk.must_equal_the_venue()


@case()
def trades(desk: Desk) -> None:
    seen = desk.trades_heard()
    desk.until(lambda: seen, "a trade", 120.0)
    assert all(
        trade.price > 0 and trade.size > 0 and trade.time > 1e18 and trade.trade_id
        for trade in seen
    )


@case("sandbox")
def trades_have_the_takers_side(desk: Desk) -> None:
    with desk.quiet():
        seen = desk.trades_heard()
        step = desk.rule().size_step * 10

        def bought() -> bool:
            desk.admin("trade", pair=desk.pair, side="buy", amount=str(step))
            time.sleep(0.1)
            return bool(seen)

        desk.until(bought, "a trade of the house's purchases")
    assert all(trade.side is Side.BUY for trade in seen), f"only the house bought: {seen}"
    sizes = [Decimal(repr(trade.size)) for trade in seen]
    assert all(size <= step for size in sizes), f"no purchase was of more than {step}: {sizes}"


@case("sandbox")
def unknown_frame(desk: Desk) -> None:
    view = desk.live()
    desk.admin("say", text='{"what_is":"this"}')
    before = view.counters["applied"]
    desk.until(
        lambda: view.state is BookState.LIVE and view.counters["applied"] > before,
        "a LIVE book that goes on",
    )
    desk.must_equal_the_venue()


@case("sandbox")
def reconnect(desk: Desk) -> None:
    view = desk.live()
    epoch = view.epoch
    desk.admin("disconnect", which="public")
    desk.live(above_epoch=epoch)
    desk.must_equal_the_venue()


@case("sandbox")
def listing_and_delisting(desk: Desk) -> None:
    pair = next(pair for pair in desk.sandbox.pairs if pair != desk.pair)
    desk.client.book(desk.name, pair)
    desk.admin("delist", pair=pair)
    desk.until(
        lambda: pair not in [view.trading_pair for view in desk.client.books()], f"{pair} gone"
    )
    desk.admin("list", pair=pair)
    desk.until(lambda: pair in [view.trading_pair for view in desk.client.books()], f"{pair} back")
    desk.client.book(desk.name, pair)


# Signing.


@case()
def signature_vectors(desk: Desk) -> None:
    vectors = desk.vectors()
    assert vectors, "no signatures.json with published vectors in the folder of frames"
    for vector in vectors:
        auth = desk.exchange.auth(vector["keys"])
        method, url, params = vector["http_method"], vector["url"], vector.get("params", {})
        signed = auth.generate_auth_dict(method, url, params, vector.get("body"), now=vector["now"])
        whole = f"{signed['url']} {signed['headers']} {signed['body'].decode()}"
        assert vector["expect"] in whole, (
            f"{vector['source']}: {vector['expect']} is not in {whole}"
        )


@case("sandbox")
def refused_login(desk: Desk) -> None:
    keys = {**desk.sandbox.accounts["default"]}
    keys["api_key"] = (
        desk.exchange.client_id(7) if not keys["api_key"].startswith("0x") else "0x" + "12" * 20
    )
    path = desk.sandbox.folder / "wrong.toml"
    path.write_text("[wrong]\n" + "".join(f'{name} = "{value}"\n' for name, value in keys.items()))
    path.chmod(0o600)
    config = desk.sandbox.config | {"deployment": f"wrong-{desk.name}"}
    options = {"accounts": {desk.name: f"file:{path}#wrong"}, "config": config, "address": "inline"}
    with trochil_connect(desk.name, **options) as client:
        try:
            client.check_keys(desk.name)
        except AuthenticationError:
            return
        except TrochilError as error:
            raise AssertionError(f"a wrong key gives {type(error).__name__}: {error}") from None
    raise AssertionError("a wrong key was taken")


# Orders.


@case("sandbox", "keys")
def partial_fill_then_fill(desk: Desk) -> None:
    with desk.quiet():
        order = desk.first_in_line()
        half = order.amount / 2
        half -= half % desk.rule().size_step
        desk.hit(order, half)
        desk.settled(order, "partially_filled", "filled")
        assert order.filled == half, f"{order.filled} filled, not {half}"
        desk.hit(order, order.amount - half)
        desk.settled(order, "filled")
    assert order.filled == order.amount
    assert order.average == order.price
    assert sum(order.fees.values()) > 0
    must_balance(desk)


@case("sandbox", "keys")
def market_orders(desk: Desk) -> None:
    amount = desk.amount()
    bought = desk.settled(desk.market.buy(desk.pair, amount, type="market"), "filled")
    sold = desk.settled(desk.market.sell(desk.pair, amount, type="market"), "filled")
    assert (bought.filled, sold.filled) == (amount, amount)
    must_balance(desk)


@case("keys", "trade")
def cancel(desk: Desk) -> None:
    order = desk.rest()
    desk.market.cancel(order)
    desk.settled(order, "cancelled")
    assert order.filled == 0


@case("sandbox", "keys")
def cancel_all(desk: Desk) -> None:
    orders = [desk.rest(), desk.rest(), desk.rest("sell")]
    desk.market.cancel_all()
    for order in orders:
        desk.settled(order, "cancelled")
    must_balance(desk)


@case("sandbox", "keys")
def reject(desk: Desk) -> None:
    try:
        order = desk.market.buy(desk.pair, desk.amount(Decimal(10) ** 9), desk.far("buy"))
    except TrochilError:
        return  # the pair's own rules refuse the size before the venue could
    order.wait("rejected", timeout=PATIENCE)
    assert order.evidence


@case("sandbox", "keys")
def post_only_that_would_take(desk: Desk) -> None:
    order = desk.market.buy(desk.pair, desk.amount(), desk.through("buy"), post_only=True)
    desk.settled(order, "rejected", "cancelled", "expired")
    assert order.filled == 0


@case("sandbox", "keys")
def immediate_or_cancel(desk: Desk) -> None:
    order = desk.market.sell(desk.pair, desk.amount(), desk.far("sell"), tif="IOC")
    desk.settled(order, "cancelled", "expired", "rejected")
    assert order.filled == 0


@case("sandbox", "keys")
def unknown_order_on_cancel(desk: Desk) -> None:
    order = desk.rest()
    desk.admin("faults", user_stream_drop=1000)
    desk.admin("cancel", order_id=desk.venue_order(order)["order_id"])
    desk.admin("faults", user_stream_drop=0)
    desk.market.cancel(order)
    desk.settled(order, "cancelled")


@case("sandbox", "keys")
def fill_before_ack(desk: Desk) -> None:
    desk.admin("faults", delay_response=0.4)
    order = desk.market.buy(desk.pair, desk.amount(), desk.through("buy"))
    try:
        desk.settled(order, "filled")
    finally:
        desk.admin("faults", delay_response=0)
    time.sleep(0.5)
    assert order.refresh().filled == order.amount
    must_balance(desk)


@case("sandbox", "keys")
def duplicate_fill(desk: Desk) -> None:
    with desk.quiet():
        order = desk.first_in_line()
        desk.admin("faults", user_stream_duplicate=20)
        desk.hit(order, order.amount)
        desk.settled(order, "filled")
    desk.admin("faults", user_stream_duplicate=0)
    assert sum(desk.fill_sizes(order)) == order.amount
    must_balance(desk)


@case("sandbox", "keys")
def answer_lost(desk: Desk) -> None:
    desk.admin("faults", lose_response_after_commit=1)
    order = desk.market.buy(desk.pair, desk.amount(), desk.far("buy"))
    desk.settled(order, "open")
    desk.market.cancel(order)
    desk.settled(order, "cancelled")


@case("sandbox", "keys")
def rate_limit_with_its_deadline(desk: Desk) -> None:
    desk.admin("faults", http_429=1)
    refused = desk.market.buy(desk.pair, desk.amount(), desk.far("buy")).wait(
        "rejected", "open", timeout=PATIENCE
    )
    assert refused.state == "rejected", "a 429 is proof that nothing was done"
    time.sleep(1.2)
    order: Order = desk.until(lambda: _placed(desk), "an order after the deadline")
    desk.market.cancel(order)
    desk.settled(order, "cancelled")


def _placed(desk: Desk) -> Order | None:
    order = desk.market.buy(desk.pair, desk.amount(), desk.far("buy")).wait(
        "rejected", "open", timeout=PATIENCE
    )
    return order if order.state == "open" else None


@case("sandbox", "keys")
def clock_skew(desk: Desk) -> None:
    desk.admin("faults", clock_skew=400)
    try:
        order = desk.rest()
        desk.market.cancel(order)
        desk.settled(order, "cancelled")
    finally:
        desk.admin("faults", clock_skew=0)
        order = desk.rest()
        desk.market.cancel(order)


@case("sandbox", "keys")
def user_stream_resumes(desk: Desk) -> None:
    with desk.quiet():
        filled, cancelled = desk.first_in_line(), desk.rest("sell")
        desk.admin("disconnect", which="private")
        desk.hit(filled, filled.amount)
        desk.admin("cancel", order_id=desk.venue_order(cancelled)["order_id"])
    desk.settled(filled, "filled")
    desk.settled(cancelled, "cancelled")
    must_balance(desk)


@case("keys")
def balances(desk: Desk) -> None:
    found = desk.market.balances()
    assert all(balance.total >= balance.available >= 0 for balance in found.values())


def must_balance(desk: Desk) -> None:
    """Our balances are the venue's ledger, once everything has settled."""

    def agree() -> bool:
        ours = {
            asset: [str(b.total), str(b.available)] for asset, b in desk.market.balances().items()
        }
        return bool(desk.admin("balances_match", account="default", balances=ours)["match"])

    desk.until(agree, "balances equal to the venue's ledger")


def trochil_connect(*venues: str, **options: Any) -> Any:
    import trochil

    return trochil.connect(*venues, **options)
