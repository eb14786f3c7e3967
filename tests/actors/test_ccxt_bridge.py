"""ccxt:binance against the sandbox: books, trades, orders, faults; in one process and on Ray."""

import asyncio
import time
from collections.abc import Callable, Iterator
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trochil
from exchanges.orders import OrderState
from exchanges.registry import get
from orderbook.errors import BadPair, ConfigError, InvalidOrder
from orderbook.messages import BookState, Side
from tests.support.ccxt_bridge_world import (
    EXCHANGE,
    VENUE,
    bridge_config,
    bridge_harness,
    ccxt_setting,
    run_with_bridge,
)
from tests.support.market_harness import REST_BELOW, MarketHarness
from trochil.sandbox.process import SandboxProcess

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]
PAIR = "BTC-USDT"
UNCHECKED = "bridge: gaps and checksums unchecked"


def until(condition: Callable[[], Any], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


# Books and trades.


@pytest.fixture(scope="module")
def market_sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("binance", pairs=[PAIR, "ETH-USDT"], seed=3) as process:
        yield process


def connect(sandbox: SandboxProcess, folder: Path, **changes: Any) -> trochil.Client:
    options = {
        "pairs": [PAIR],
        "accounts": {VENUE: f"file:{sandbox.keys_file}#default"},
        "config": bridge_config(sandbox, folder, "bridge"),
        "address": "inline",
    }
    return trochil.connect(VENUE, **(options | changes))


@pytest.fixture(scope="module")
def client(
    market_sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[trochil.Client]:
    with connect(market_sandbox, tmp_path_factory.mktemp("state")) as found:
        yield found


def is_the_venues(client: trochil.Client, sandbox: SandboxProcess) -> bool:
    book, theirs = client.book(VENUE, PAIR), sandbox.admin("GET", f"book?pair={PAIR}")
    ours = (book.bids, book.asks)
    real = [np.array([[float(p), float(s)] for p, s in theirs[side]]) for side in ("bids", "asks")]
    return all(
        mine.shape == his.shape and (mine == his).all()
        for mine, his in zip(ours, real, strict=True)
    )


def test_a_book_is_live_and_equals_the_venues(
    client: trochil.Client, market_sandbox: SandboxProcess
) -> None:
    book = client.book(VENUE, PAIR)
    assert book.state is BookState.LIVE
    until(lambda: book.update_id > 0)
    market_sandbox.admin("POST", "flow", {"paused": True})
    until(lambda: is_the_venues(client, market_sandbox))
    market_sandbox.admin("POST", "flow", {"paused": False})


def test_trades_bear_the_takers_side(
    client: trochil.Client, market_sandbox: SandboxProcess
) -> None:
    trades = client.trades(VENUE, PAIR)
    sides = set()
    ids = []
    while sides != {Side.BUY, Side.SELL}:
        trade = next(trades)
        ids.append(trade.trade_id)
        sides.add(trade.side)
        assert trade.price > 0 < trade.size
    assert len(ids) == len(set(ids))


def test_a_house_that_sells_takes_as_a_seller(
    client: trochil.Client, market_sandbox: SandboxProcess
) -> None:
    trades = client.trades(VENUE, PAIR)
    next(trades)
    market_sandbox.admin("POST", "trade", {"pair": PAIR, "side": "sell", "amount": "0.12345"})
    seen: float = 0.0
    while seen < 0.12345 - 1e-9:
        trade = next(trades)
        seen = seen + trade.size if trade.side is Side.SELL else seen


def test_a_broken_connection_makes_the_book_invalid_then_live_in_a_new_epoch(
    client: trochil.Client, market_sandbox: SandboxProcess
) -> None:
    book = client.book(VENUE, PAIR)
    epoch = book.epoch
    market_sandbox.admin("POST", "disconnect", {"which": "public"})
    until(lambda: book.state is BookState.INVALID)
    assert book.epoch == epoch
    until(lambda: book.state is BookState.LIVE)
    assert book.epoch > epoch


def test_pairs_come_and_go(client: trochil.Client) -> None:
    client.add_pairs(VENUE, "ETH-USDT")
    assert client.book(VENUE, "ETH/USDT").state is BookState.LIVE
    client.remove_pairs(VENUE, "ETH-USDT")
    with pytest.raises(BadPair, match="did you mean BTC-USDT"):
        client.add_pairs(VENUE, "BTC-USDX")


def test_it_is_marked_as_a_bridge(client: trochil.Client) -> None:
    status = client.status()
    source = status.actors[f"data_source/{VENUE}/0"]["status"]
    assert source["connections"][0]["note"] == UNCHECKED
    assert source["rest"]["note"] == UNCHECKED
    assert status.books[f"{VENUE} {PAIR}"]["note"] == UNCHECKED
    assert "unchecked" in repr(status)
    assert EXCHANGE.about.gaps == UNCHECKED
    assert {"bridge", "post_only", "ioc", "fok", "market"} == client.market(VENUE).has


def test_markets_and_rules(client: trochil.Client) -> None:
    assert set(client.markets(VENUE).index) == {PAIR, "ETH-USDT"}
    rule = client.rules(VENUE)[PAIR]
    assert (rule.price_tick, rule.size_step, rule.min_notional) == (D("0.01"), D("0.00001"), D("5"))


def test_pairs_are_found_by_volume(market_sandbox: SandboxProcess, tmp_path: Path) -> None:
    with connect(market_sandbox, tmp_path, pairs="top:2:USDT", accounts=None) as found:
        assert len(found.books(VENUE)) == 2


def test_an_unknown_id_is_refused_with_what_sounds_alike(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"streams no venue 'binanc'; did you mean .*ccxt:binance"
    ):
        trochil.connect(
            "ccxt:binanc", pairs=[PAIR], address="inline", config={"state_dir": str(tmp_path)}
        )
    with pytest.raises(ConfigError, match="streams no venue 'nosuch'"):
        get("ccxt:nosuch")
    with pytest.raises(ConfigError, match="can't watch books of spot pairs"):
        get("ccxt:krakenfutures")
    with pytest.raises(ConfigError, match="ccxt:<id>"):
        get("nosuch")


def test_keys_and_hosts_don_t_belong_into_the_setting(
    market_sandbox: SandboxProcess, tmp_path: Path
) -> None:
    setting = ccxt_setting(market_sandbox)
    with pytest.raises(ConfigError, match="secret must not stand in settings"):
        connect(
            market_sandbox,
            tmp_path,
            config={"venues": {VENUE: {"ccxt": setting | {"secret": "x"}}}},
        )
    hosts = {
        "state_dir": str(tmp_path),
        "venues": {VENUE: {"ccxt": setting, "hosts": {"rest": "http://x"}}},
    }
    with pytest.raises(ConfigError, match="replace them with ccxt"):
        connect(market_sandbox, tmp_path, config=hosts, accounts=None)
    ours = {"state_dir": str(tmp_path), "venues": {"binance": {"ccxt": setting}}}
    with pytest.raises(ConfigError, match="goes with venues named ccxt"):
        trochil.connect("binance", pairs=[PAIR], address="inline", config=ours)


# Orders.


@pytest.fixture
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("binance", pairs=[PAIR], rate=5, seed=2) as process:
        yield process


def test_an_order_rests_fills_in_part_and_whole_and_another_is_cancelled(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def work(at: MarketHarness) -> None:
        await at.admin("POST", "flow", {"paused": True})
        best = (await at.admin("GET", f"book?pair={PAIR}"))["bids"][0][0]
        price = str(D(best) + D("0.01"))
        order = await at.state(await at.place("a", price=price, amount="2"), "open")
        assert order.client_order_id.isalnum()
        assert len(order.client_order_id) == 18
        await at.hit("0.5", price)
        part = await at.state(order, "partially_filled")
        assert part.filled == D("0.5")
        await at.hit("1.5", price)
        whole = await at.state(order, "filled")
        assert (whole.filled, len(whole.fills), set(whole.fees)) == (2, 2, {"BTC"})
        resting = await at.state(await at.place("b"), "open")
        await at.market.cancel_order(resting.client_order_id)
        await at.state(resting, "cancelled")
        fok = await at.state(await at.place("c", tif="FOK"), "expired", "cancelled")
        assert fok.filled == 0

    run_with_bridge(sandbox, tmp_path, work)


def test_what_the_venue_refuses_is_rejected_with_its_word(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def work(at: MarketHarness) -> None:
        poor = await at.state(await at.place("poor", amount="900", price="59000.00"), "rejected")
        assert "insufficient balance" in poor.evidence
        maker = await at.state(
            await at.place("maker", price="70000.00", post_only=True), "rejected"
        )
        assert "immediately" in maker.evidence
        with pytest.raises(InvalidOrder, match="not a multiple"):
            await at.place("odd", price="30000.001")

    run_with_bridge(sandbox, tmp_path, work)


def test_a_market_order_fills(sandbox: SandboxProcess, tmp_path: Path) -> None:
    async def work(at: MarketHarness) -> None:
        filled = await at.state(await at.place("a", type="market", price=None), "filled")
        assert filled.average_price is not None

    run_with_bridge(sandbox, tmp_path, work)


def test_a_lost_answer_leaves_one_order_that_is_found_by_its_client_id(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def work(at: MarketHarness) -> None:
        await at.faults(lose_response_after_commit=1, user_stream_drop=1)
        order = await at.state(await at.place("a"), "open")
        assert list(await at.venue_orders()) == [order.client_order_id]
        await at.market.cancel_order(order.client_order_id)
        await at.state(order, "cancelled")

    run_with_bridge(sandbox, tmp_path, work)


def test_a_lost_request_is_not_placed_once_denials_are_proof(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def work(at: MarketHarness) -> None:
        await at.faults(lose_request_before_commit=1)
        lost = await at.place("a")
        async with asyncio.timeout(10):
            while not (await at.market.order(lost.client_order_id)).status_unknown:
                await asyncio.sleep(0.05)
        await asyncio.sleep(4)
        still = await at.market.order(lost.client_order_id)
        assert (still.state, still.status_unknown) == ("pending", True)
        # An order that is there and is found by its client id: from now on a denial counts.
        await at.state(await at.place("b"), "open")
        assert "not found" in (await at.state(lost, "not_placed")).evidence

    run_with_bridge(sandbox, tmp_path, work)


def test_a_lost_cancel_answer_ends_cancelled(sandbox: SandboxProcess, tmp_path: Path) -> None:
    async def work(at: MarketHarness) -> None:
        order = await at.state(await at.place("a"), "open")
        await at.faults(lose_response_after_commit=1, user_stream_drop=2)
        await at.market.cancel_order(order.client_order_id)
        await at.state(order, "cancelled")

    run_with_bridge(sandbox, tmp_path, work)


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
        await at.state(order, "filled", within=20)
        await at.market.wait_ready(20)
        assert at.market.reconciler.cycles >= 2

    run_with_bridge(sandbox, tmp_path, work)


def test_an_account_is_followed_by_polling_too(sandbox: SandboxProcess, tmp_path: Path) -> None:
    async def work(at: MarketHarness) -> None:
        order = await at.state(await at.place("a", price="70000.00"), "filled", within=20)
        assert order.fills
        resting = await at.state(await at.place("b"), "open")
        await at.market.cancel_order(resting.client_order_id)
        await at.state(resting, "cancelled")

    run_with_bridge(sandbox, tmp_path, work, user_stream="polling")


def test_a_skewed_clock_is_read_and_the_order_placed_once(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def work(at: MarketHarness) -> None:
        await at.faults(clock_skew=-20)
        await at.state(await at.place("a"), "open")
        assert len(await at.venue_orders()) == 1
        await at.faults(clock_skew=0)

    run_with_bridge(sandbox, tmp_path, work)


def test_a_restart_takes_up_live_orders_and_what_happened_meanwhile(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    ids: dict[str, str] = {}

    async def before() -> None:
        async with bridge_harness(sandbox, tmp_path) as at:
            await at.admin("POST", "flow", {"paused": True})
            for name, price in (("rests", REST_BELOW), ("fills", "60000.00")):
                order = await at.state(
                    await at.place(name, price=price, amount="2"), "open", "partially_filled"
                )
                ids[name] = order.client_order_id

    asyncio.run(before())
    sandbox.admin(
        "POST", "trade", {"pair": PAIR, "side": "sell", "amount": "100", "price": "60000.00"}
    )

    async def after(at: MarketHarness) -> None:
        for name, state in (("rests", "open"), ("fills", "filled")):
            await at.state(ids[name], state)

    run_with_bridge(sandbox, tmp_path, after)


def test_a_ban_stops_requests(sandbox: SandboxProcess, tmp_path: Path) -> None:
    async def work(at: MarketHarness) -> None:
        await at.faults(http_429=1)
        order = await at.state(await at.place("a"), "rejected")
        assert "RateLimitExceeded" in order.evidence or "429" in order.evidence
        assert at.market.rest.status()["banned_for"] > 0

    run_with_bridge(sandbox, tmp_path, work)


def test_another_venue_too(tmp_path: Path) -> None:
    with SandboxProcess("okx", pairs=[PAIR], seed=2) as venue:
        hosts = venue.hosts["okx"]
        setting = {
            "urls": {"api": {"rest": hosts["rest"], "ws": f"{hosts['public']}/ws/v5"}},
            "has": {"fetchCurrencies": False},
            "options": {
                "createOrder": "privatePostTradeOrder",
                "fetchMarkets": {"types": ["spot"]},
            },
        }
        config = {
            "deployment": "bridge",
            "state_dir": str(tmp_path),
            "venues": {"ccxt:okx": {"ccxt": setting}},
        }
        accounts = {"ccxt:okx": f"file:{venue.keys_file}#default"}
        with trochil.connect(
            "ccxt:okx", pairs=[PAIR], address="inline", accounts=accounts, config=config
        ) as client:
            assert client.book("ccxt:okx", PAIR).top().spread > 0
            assert next(client.trades("ccxt:okx", PAIR)).price > 0
            market = client.market("ccxt:okx")
            market.wait_ready(30)
            order = market.buy(PAIR, "0.01", "30000.00")
            order.wait(OrderState.OPEN, timeout=20)
            market.cancel(order)
            order.wait(OrderState.CANCELLED, timeout=20)


# On Ray.


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_bridge_runs_on_ray(ray_address: str, sandbox: SandboxProcess, tmp_path: Path) -> None:
    config = bridge_config(sandbox, tmp_path, "bridge-ray")
    client = connect(sandbox, tmp_path, address=ray_address, config=config)
    try:
        book = client.book(VENUE, PAIR, timeout=60)
        assert book.state is BookState.LIVE
        assert next(client.trades(VENUE, PAIR)).price > 0
        market = client.market(VENUE)
        market.wait_ready(60)
        order = market.buy(PAIR, "0.01", "30000.00")
        order.wait(OrderState.OPEN, timeout=20)
        market.cancel(order)
        order.wait(OrderState.CANCELLED, timeout=20)
        filled = market.buy(PAIR, "0.01", type="market")
        filled.wait(OrderState.FILLED, timeout=20)
    finally:
        client.shutdown()
