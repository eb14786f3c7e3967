"""Orders through faults: lost answers, requests and events, bans, restarts; nothing is doubled."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from orderbook.errors import Halted, RateLimited
from tests.support.market_harness import REST_BELOW, MarketHarness, market_harness, run_with_market
from trochil.sandbox.process import SandboxProcess

pytestmark = pytest.mark.sandbox


@pytest.fixture
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("binance", pairs=["BTC-USDT"], rate=5, seed=2) as process:
        yield process


def test_a_lost_answer_leaves_one_order_that_is_found(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def work(at: MarketHarness) -> None:
        await at.faults(lose_response_after_commit=1)
        order = await at.place("a")
        await at.state(order, "open")
        assert list(await at.venue_orders()) == [order.client_order_id]

    run_with_market(sandbox, tmp_path, work)


def test_a_lost_request_is_not_placed_after_the_venue_denied_it_often_enough(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def work(at: MarketHarness) -> None:
        await at.faults(lose_request_before_commit=1)
        order = await at.state(await at.place("a"), "not_placed")
        assert "not found" in order.evidence
        assert await at.venue_orders() == {}
        again = await at.place("a")
        assert again.client_order_id == order.client_order_id
        assert await at.venue_orders() == {}

    run_with_market(sandbox, tmp_path, work)


@pytest.mark.parametrize("fault", ["http_503_after_commit", "code_1007_after_commit"])
def test_an_unknown_outcome_is_asked_about(
    sandbox: SandboxProcess, tmp_path: Path, fault: str
) -> None:
    async def work(at: MarketHarness) -> None:
        await at.faults(**{fault: 1})
        await at.state(await at.place("a"), "open")
        assert len(await at.venue_orders()) == 1

    run_with_market(sandbox, tmp_path, work)


def test_an_order_that_appears_late_is_found(sandbox: SandboxProcess, tmp_path: Path) -> None:
    async def work(at: MarketHarness) -> None:
        await at.faults(lose_response_after_commit=1, user_stream_drop=10, delayed_visibility=0.5)
        await at.state(await at.place("a"), "open")

    run_with_market(sandbox, tmp_path, work)


def test_a_lost_cancel_answer_ends_cancelled(sandbox: SandboxProcess, tmp_path: Path) -> None:
    async def work(at: MarketHarness) -> None:
        order = await at.state(await at.place("a"), "open")
        await at.faults(lose_response_after_commit=1, user_stream_drop=2)
        await at.market.cancel_order(order.client_order_id)
        await at.state(order, "cancelled")

    run_with_market(sandbox, tmp_path, work)


def test_a_cancel_of_a_filled_order_ends_filled(sandbox: SandboxProcess, tmp_path: Path) -> None:
    async def work(at: MarketHarness) -> None:
        order = await at.state(await at.place("a", price="70000.00"), "filled")
        assert (await at.market.cancel_order(order.client_order_id)).state == "filled"

    run_with_market(sandbox, tmp_path, work)


def test_a_fill_that_crosses_the_cancel_is_kept(sandbox: SandboxProcess, tmp_path: Path) -> None:
    async def work(at: MarketHarness) -> None:
        await at.admin("POST", "flow", {"paused": True})
        order = await at.state(
            await at.place("a", price="60000.00", amount="5"), "open", "partially_filled"
        )
        cancelling = asyncio.create_task(at.market.cancel_order(order.client_order_id))
        await at.hit("0.5", "60000.00")
        await cancelling
        ended = await at.state(order, "cancelled", "filled")
        assert float(ended.filled) == float(
            (await at.venue_orders())[order.client_order_id]["filled"]
        )

    run_with_market(sandbox, tmp_path, work)


def test_lost_and_doubled_events_change_nothing_in_the_end(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def work(at: MarketHarness) -> None:
        await at.faults(user_stream_drop=0.5, user_stream_duplicate=0.5)
        orders = [await at.place(f"o{n}", price="70000.00") for n in range(6)]
        for order in orders:
            await at.state(order, "filled", within=20)

    run_with_market(sandbox, tmp_path, work)


def test_fills_while_the_user_stream_is_cut_are_found(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def work(at: MarketHarness) -> None:
        await at.admin("POST", "flow", {"paused": True})
        order = await at.state(
            await at.place("a", price="60000.00", amount="3"), "open", "partially_filled"
        )
        await at.admin("POST", "disconnect", {"which": "private"})
        await at.hit("100", "60000.00")
        await at.state(order, "filled")

    run_with_market(sandbox, tmp_path, work)


def test_a_terminated_stream_is_opened_again(sandbox: SandboxProcess, tmp_path: Path) -> None:
    async def work(at: MarketHarness) -> None:
        await at.faults(user_stream_terminated=1)
        first = await at.place("a")
        await at.state(first, "open")
        await at.state(await at.place("b"), "open")
        assert at.market.reconciler.cycles >= 2

    run_with_market(sandbox, tmp_path, work)


def test_a_ban_stops_requests_until_its_end_and_the_order_is_refused_clearly(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def work(at: MarketHarness) -> None:
        await at.faults(ban_418=1)
        with pytest.raises(RateLimited):
            await at.market.check_keys()
        sent = at.market.rest.requests
        order = await at.state(await at.place("a"), "rejected")
        assert "ban" in order.evidence
        assert at.market.rest.requests == sent
        await asyncio.sleep(2.5)
        await at.state(await at.place("b"), "open")

    run_with_market(sandbox, tmp_path, work)


def test_a_skewed_clock_is_read_again_and_the_order_placed_once(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def work(at: MarketHarness) -> None:
        await at.faults(clock_skew=-20)
        await at.state(await at.place("a"), "open")
        assert len(await at.venue_orders()) == 1
        assert at.market.rest.status()["clock_offset"] < -15

    run_with_market(sandbox, tmp_path, work)


def test_a_restart_takes_up_live_orders_and_what_happened_meanwhile(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    ids: dict[str, str] = {}

    async def before(at: MarketHarness) -> None:
        await at.admin("POST", "flow", {"paused": True})
        for name, price in (
            ("rests", REST_BELOW),
            ("fills", "60000.00"),
            ("cancelled", REST_BELOW),
        ):
            order = await at.state(
                await at.place(name, price=price, amount="2"), "open", "partially_filled"
            )
            ids[name] = order.client_order_id

    async def between() -> None:
        async with market_harness(sandbox, tmp_path) as at:
            await before(at)

    asyncio.run(between())
    rows = {row["client_order_id"]: row for row in sandbox.admin("GET", "orders?account=default")}
    sandbox.admin("POST", "cancel", {"order_id": rows[ids["cancelled"]]["order_id"]})
    sandbox.admin(
        "POST", "trade", {"pair": "BTC-USDT", "side": "sell", "amount": "100", "price": "60000.00"}
    )

    async def after(at: MarketHarness) -> None:
        for name, state in (("rests", "open"), ("fills", "filled"), ("cancelled", "cancelled")):
            await at.state(ids[name], state)
        assert (await at.place("rests")).client_order_id == ids["rests"]
        events = await at.market.events_since(0)
        told = [(event.client_order_id, event.kind) for event in events if event.kind != "filled"]
        assert len(told) == len(set(told))

    run_with_market(sandbox, tmp_path, after)


def test_orders_of_others_are_adopted_and_marked(sandbox: SandboxProcess, tmp_path: Path) -> None:
    async def place_elsewhere() -> None:
        other = tmp_path / "other"
        other.mkdir()
        async with market_harness(sandbox, other) as at:
            await at.state(await at.place("a"), "open")

    asyncio.run(place_elsewhere())

    async def work(at: MarketHarness) -> None:
        (order,) = await at.market.orders()
        assert order.external
        await at.market.cancel_order(order.client_order_id)
        await at.state(order, "cancelled")

    run_with_market(sandbox, tmp_path, work)


def test_halting_refuses_and_resuming_takes_orders_again(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def work(at: MarketHarness) -> None:
        order = await at.state(await at.place("a"), "open")
        await at.market.halt()
        await at.state(order, "cancelled")
        with pytest.raises(Halted):
            await at.place("b")
        await at.market.resume()
        await at.state(await at.place("b"), "open")

    run_with_market(sandbox, tmp_path, work)


def test_an_account_without_a_socket_is_followed_by_polling(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def work(at: MarketHarness) -> None:
        order = await at.state(await at.place("a", price="70000.00"), "filled", within=20)
        assert order.fills
        resting = await at.state(await at.place("b"), "open")
        await at.market.cancel_order(resting.client_order_id)
        await at.state(resting, "cancelled")

    run_with_market(sandbox, tmp_path, work, polling=True)
