"""kill -9 of every actor, at named points and at random, under live orders: nothing lost, nothing
doubled."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import deployment
from tests.support import report
from trochil import Disconnected, NotReady

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]
PAIRS = ["BTC-USDT", "ETH-USDT"]
ROUNDS = int(os.environ.get("TROCHIL_KILLS", "2"))
BACK_WITHIN = 10.0
ACTORS = [
    "data_source/binance/0",
    "order_book_tracker/binance/0",
    "user_stream_data_source/binance/default",
    "user_stream_tracker/binance/default",
    "market/binance/default",
    "supervisor",
]
counts: Counter[str] = Counter()
returns: list[float] = []


@pytest.fixture(scope="module")
def world(ray_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with deployment(
        ray_address, tmp_path_factory.mktemp("state"), name="kills", pairs=PAIRS, seed=7
    ) as both:
        yield both
    report.LINES.append(f"kills survived, per point: {dict(counts)}")
    report.LINES.append(
        f"slowest return to a new process or a live book: {max(returns, default=0.0):.1f} s"
    )


def until(condition: Callable[[], Any], within: float, what: str) -> float:
    """Seconds until ``condition`` held; fails past ``within``."""
    start = time.monotonic()
    while time.monotonic() - start < within:
        try:
            if condition():
                return time.monotonic() - start
        except (Disconnected, NotReady):
            pass
        time.sleep(0.02)
    pytest.fail(f"not within {within} s: {what}")


def pid_of(client: Any, actor: str) -> int:
    return int(client.status().actors[actor]["pid"])


def kill(client: Any, actor: str) -> int:
    """SIGKILL the process that an actor has now; its pid."""
    killed = []

    def try_once() -> bool:
        pid = pid_of(client, actor)
        if pid <= 0:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return (
                False  # a process of an earlier life: the supervisor has not seen the new one yet
            )
        killed.append(pid)
        return True

    until(try_once, BACK_WITHIN, f"{actor} has a process")
    return killed[0]


def resting(client: Any, pair: str, amount: str = "0.01") -> Any:
    """A buy far enough below the market that nobody takes it."""
    price = client.book("binance", pair).top().bid
    return client.market("binance").buy(pair, amount, str(round(price * 0.9, 2)))


def venue_orders(sandbox: Any) -> dict[str, dict[str, Any]]:
    return {row["client_order_id"]: row for row in sandbox.admin("GET", "orders?account=default")}


def assert_agreement(client: Any, sandbox: Any) -> None:
    """Every venue order is known with the venue's state and quantity; every fill is booked exactly
    once."""
    ours = {order.client_id: order for order in client.market("binance").orders(open=False)}
    theirs = venue_orders(sandbox)
    assert set(theirs) <= set(ours), "lost orders"
    for client_id, row in theirs.items():
        assert ours[client_id].state == row["state"], (client_id, row)
        assert ours[client_id].filled == ours[client_id].filled.__class__(row["filled"])
    booked = sorted(client.market("binance").fills().column("trade_id").to_pylist())
    real = sorted(str(row["trade_id"]) for row in sandbox.admin("GET", "fills?account=default"))
    assert booked == real


def agreed(client: Any, sandbox: Any) -> bool:
    try:
        assert_agreement(client, sandbox)
    except AssertionError:
        return False
    return not any(order.status_unknown for order in client.market("binance").orders(open=True))


def settle(client: Any, sandbox: Any, within: float = 25.0) -> None:
    try:
        until(lambda: agreed(client, sandbox), within, "agreement with the venue")
    except pytest.fail.Exception:
        assert_agreement(client, sandbox)
        raise


def test_killed_before_the_journal_the_order_is_placed_once_by_the_retry(
    world: Any, failpoints: Path
) -> None:
    client, sandbox = world
    for _ in range(ROUNDS):
        before = len(venue_orders(sandbox))
        (failpoints / "before_journal").touch()
        order = resting(client, "BTC-USDT")
        order.wait("open", timeout=BACK_WITHIN)
        assert not (failpoints / "before_journal").exists()
        assert len(venue_orders(sandbox)) == before + 1
        counts["before_journal"] += 1
    settle(client, sandbox)


def test_killed_between_append_and_send_the_order_is_found_not_placed(
    world: Any, failpoints: Path
) -> None:
    client, sandbox = world
    for _ in range(ROUNDS):
        before = len(venue_orders(sandbox))
        (failpoints / "journalled").touch()
        order = resting(client, "BTC-USDT")
        order.wait("not_placed", timeout=40)
        assert len(venue_orders(sandbox)) == before
        counts["journalled"] += 1
    settle(client, sandbox)


def test_killed_between_send_and_answer_the_order_is_found_again(
    world: Any, failpoints: Path
) -> None:
    client, sandbox = world
    for _ in range(ROUNDS):
        before = len(venue_orders(sandbox))
        (failpoints / "sent").touch()
        order = resting(client, "BTC-USDT")
        order.wait("open", "not_placed", timeout=40)
        placed = len(venue_orders(sandbox)) - before
        assert placed == (order.state == "open")
        counts["sent"] += 1
    settle(client, sandbox)


def test_killed_mid_fill_the_fill_is_booked_once(world: Any, failpoints: Path) -> None:
    client, sandbox = world
    for _ in range(ROUNDS):
        (failpoints / "mid_fill").touch()
        market = client.market("binance")
        top = client.book("binance", "BTC-USDT").top()
        order = market.buy("BTC-USDT", "0.02", str(round(top.ask * 1.01, 2)))
        order.wait("filled", timeout=25)
        counts["mid_fill"] += 1
    settle(client, sandbox)


def test_killed_mid_snapshot_the_book_comes_back_with_a_new_epoch(
    world: Any, failpoints: Path
) -> None:
    client, sandbox = world
    order = failpoints / "mid_snapshot"
    for _ in range(ROUNDS):
        epoch = client.book("binance", "ETH-USDT").epoch
        order.touch()
        sandbox.admin("POST", "drop", {"pair": "ETH-USDT", "frames": 1})
        until(
            lambda: not order.exists() or lost_another(client, sandbox),
            30,
            "the tracker reached its snapshot",
        )
        took = until(
            lambda epoch=epoch: live_since(client, "ETH-USDT", epoch),
            BACK_WITHIN,
            "the book LIVE with a new epoch",
        )
        counts["mid_snapshot"] += 1
        returns.append(took)


def lost_another(client: Any, sandbox: Any) -> bool:
    """False. A frame that nobody missed made no gap: another is lost while the book is LIVE."""
    time.sleep(1.0)
    if client.book("binance", "ETH-USDT", timeout=1).state.name == "LIVE":
        sandbox.admin("POST", "drop", {"pair": "ETH-USDT", "frames": 1})
    return False


def live_since(client: Any, pair: str, epoch: int) -> bool:
    book = client.book("binance", pair, timeout=1)
    return bool(book.state.name == "LIVE" and book.epoch > epoch)


@pytest.mark.parametrize("actor", ACTORS)
def test_each_actor_killed_comes_back(world: Any, actor: str) -> None:
    client, sandbox = world
    order = resting(client, "ETH-USDT")
    order.wait("open", timeout=BACK_WITHIN)
    epochs = {pair: client.book("binance", pair).epoch for pair in PAIRS}
    pid = kill(client, actor)
    took = until(
        lambda: pid_of(client, actor) not in (0, pid), BACK_WITHIN, f"{actor} in a new process"
    )
    if actor.startswith(("data_source", "order_book_tracker")):
        for pair in PAIRS:
            until(
                lambda pair=pair: live_since(client, pair, epochs[pair]),
                BACK_WITHIN,
                f"{pair} LIVE again",
            )
    second = resting(client, "ETH-USDT")
    second.wait("open", timeout=BACK_WITHIN)
    counts[actor] += 1
    returns.append(took)
    settle(client, sandbox)


def test_random_kills_under_live_orders(world: Any) -> None:
    client, sandbox = world
    rng = random.Random(11)
    for _ in range(ROUNDS + 1):
        actor = rng.choice(ACTORS)
        orders = [resting(client, rng.choice(PAIRS)) for _ in range(3)]
        kill(client, actor)
        counts["random"] += 1
        for order in orders:
            order.wait("open", "filled", timeout=25)
        client.market("binance").cancel(orders[0])
        sandbox.admin("POST", "trade", {"pair": PAIRS[0], "side": "sell", "amount": "1"})
    settle(client, sandbox, within=40)
    client.market("binance").cancel_all()
    until(lambda: not client.market("binance").orders(open=True), 20, "everything cancelled")
    settle(client, sandbox)
