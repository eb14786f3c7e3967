"""The client, sync and async, in one process on the sandbox: what a user types, and what comes
back."""

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trochil
from exchanges.orders import OrderState
from orderbook.errors import (
    AuthenticationError,
    BadPair,
    ConfigError,
    Halted,
    InvalidOrder,
    NotReady,
    StaleBook,
)
from orderbook.messages import BookState
from tests.conftest import config_for
from trochil.records import Diff, EpochChange
from trochil.sandbox.process import SandboxProcess

PAIRS = ["BTC-USDT", "ETH-USDT"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("binance", pairs=[*PAIRS, "SOL-USDT"], seed=5) as process:
        yield process


@pytest.fixture(scope="module")
def client(
    sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[trochil.Client]:
    accounts = {"binance": f"file:{sandbox.keys_file}#default"}
    config = config_for(sandbox, tmp_path_factory.mktemp("state"), "client-test")
    with trochil.connect(
        "binance",
        pairs=["BTC/USDT", "ETH-USDT"],
        accounts=accounts,
        config=config,
        address="inline",
    ) as c:
        c.market("binance").wait_ready()
        yield c


def connect(sandbox: SandboxProcess, folder: Path, **changes: Any) -> trochil.Client:
    options: dict[str, Any] = {
        "pairs": ["BTC-USDT"],
        "config": config_for(sandbox, folder, "bad"),
        "address": "inline",
    }
    return trochil.connect("binance", **(options | changes))


def test_a_book_is_live_and_reads_alike_in_every_form(client: trochil.Client) -> None:
    book = client.book("binance", "BTC/USDT")
    assert (book.trading_pair, book.state) == ("BTC-USDT", BookState.LIVE)
    top = book.top()
    assert top.bid < top.mid < top.ask
    assert top.spread == top.ask - top.bid
    seen = book.snapshot(5)
    assert seen.bids.shape == (5, 2)
    assert (np.diff(seen.bids[:, 0]) < 0).all()
    assert (np.diff(seen.asks[:, 0]) > 0).all()
    assert len(book.to_pandas(7)) == 7
    assert book.arrow(3).num_rows == 3
    assert book.arrow(live=True).schema.metadata[b"trading_pair"] == b"BTC-USDT"
    assert "BTC-USDT" in seen._repr_html_()
    assert "LIVE" in repr(book)
    assert 0 <= book.age < 5
    assert book.get_vwap_for_volume(True, 0.01) >= book.get_price(True) * (1 - 1e-12)


def test_books_tops_and_best(client: trochil.Client) -> None:
    for pair in PAIRS:
        client.book("binance", pair)
    assert sorted(view.trading_pair for view in client.books()) == PAIRS
    assert [view.trading_pair for view in client.books("bin*", "BTC*")] == ["BTC-USDT"]
    table = client.tops().to_pylist()
    assert {row["pair"]: row["state"] for row in table} == dict.fromkeys(PAIRS, "LIVE")
    best = client.best("ETH-USDT")
    assert (best.bid_venue, best.ask_venue) == ("binance", "binance")
    assert best.bid < best.ask
    with pytest.raises(NotReady, match="no live book of XRP-USDT"):
        client.best("XRP-USDT")


def test_changes_wake_and_updates_follow(client: trochil.Client) -> None:
    books = [client.book("binance", pair) for pair in PAIRS]
    changed = {view.trading_pair for view in itertools.islice(client.changes(*books), 8)}
    assert changed == set(PAIRS)
    sequences = [book.sequence for book in itertools.islice(books[0].updates(), 3)]
    assert sequences == sorted(set(sequences))
    version = books[0].reader.version
    assert books[0].wait(version, timeout=5) != version
    assert books[0].wait(timeout=0.0) >= version


def test_diffs_come_in_order_and_make_the_book(client: trochil.Client) -> None:
    book = client.book("binance", "BTC-USDT")
    items = list(itertools.islice(book.diffs(), 6))
    assert isinstance(items[0], EpochChange)
    numbers = [item.sequence for item in items if isinstance(item, Diff)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_book_says_how_long_nothing_was_heard_and_how_old_it_is(client: trochil.Client) -> None:
    book = client.book("binance", "BTC-USDT")
    assert 0.0 <= book.quiet_for < 60.0
    assert 0.0 <= book.venue_age < 60.0


def test_trades_carry_a_side(client: trochil.Client) -> None:
    trades = list(itertools.islice(client.trades("binance", "BTC-USDT"), 3))
    assert all(trade.price > 0 and trade.side in ("buy", "sell") for trade in trades)


def test_an_order_lives_from_intent_to_fill(
    client: trochil.Client, sandbox: SandboxProcess
) -> None:
    market = client.market("binance")
    top = client.book("binance", "BTC-USDT").top()
    assert {"post_only", "ioc", "fok"} <= market.has
    order = market.buy("BTC/USDT", D("0.01"), str(round(top.ask * 1.01, 2)), tag="mine")
    assert (order.tag, order.trading_pair, order.side, order.amount) == (
        "mine",
        "BTC-USDT",
        "buy",
        D("0.01"),
    )
    order.wait("filled", timeout=10)
    assert order.average is not None
    assert order.fees == {"BTC": D("0.00001")}
    fills = [row for row in market.fills().to_pylist() if row["client_order_id"] == order.client_id]
    assert sum(row["amount"] for row in fills) == D("0.01")
    kinds = [event.kind for event in itertools.islice(market.events(0), 3) if event.client_order_id]
    assert kinds[0] == "created"
    assert market.order(order.client_id).state == "filled"


def test_an_order_rests_and_is_cancelled(client: trochil.Client) -> None:
    market = client.market("binance")
    top = client.book("binance", "BTC-USDT").top()
    order = market.sell("BTC-USDT", "0.01", str(round(top.ask * 1.2, 2)), post_only=True).wait(
        "open", timeout=10
    )
    assert order.client_id in [other.client_id for other in market.orders()]
    assert market.balances()["BTC"].held >= D("0.01")
    assert market.cancel(order).wait("cancelled", timeout=10).filled == 0
    assert order.refresh().state == "cancelled"
    with pytest.raises(NotReady, match="will not become filled"):
        order.wait("filled", timeout=5)


def test_a_post_only_order_that_would_take_is_rejected(client: trochil.Client) -> None:
    market = client.market("binance")
    top = client.book("binance", "BTC-USDT").top()
    order = market.buy("BTC-USDT", "0.01", str(round(top.ask * 1.01, 2)), post_only=True).wait(
        "rejected", timeout=10
    )
    assert "immediately match" in order.evidence


def test_the_same_client_id_is_one_order(client: trochil.Client, sandbox: SandboxProcess) -> None:
    market = client.market("binance")
    top = client.book("binance", "BTC-USDT").top()
    price = str(round(top.bid * 0.8, 2))
    orders = [market.buy("BTC-USDT", "0.01", price, client_id="only-one") for _ in range(3)]
    assert {order.client_id for order in orders} == {"only-one"}
    orders[0].wait("open", timeout=10)
    assert [row["client_order_id"] for row in sandbox.admin("GET", "orders?account=default")].count(
        "only-one"
    ) == 1
    assert [order.state for order in market.cancel_all()]
    orders[0].wait("cancelled", timeout=10)


def test_halting_cancels_and_refuses_until_resumed(client: trochil.Client) -> None:
    market = client.market("binance")
    top = client.book("binance", "BTC-USDT").top()
    price = str(round(top.bid * 0.8, 2))
    order = market.buy("BTC-USDT", "0.01", price).wait("open", timeout=10)
    client.halt()
    order.wait("cancelled", timeout=10)
    with pytest.raises(Halted, match="resume"):
        market.buy("BTC-USDT", "0.01", price)
    client.resume()
    market.buy("BTC-USDT", "0.01", price).wait("open", timeout=10)
    market.cancel_all()


def test_pairs_come_and_go(client: trochil.Client) -> None:
    client.add_pairs("binance", "SOL/USDT")
    assert client.book("binance", "SOL-USDT").state is BookState.LIVE
    view = client.book("binance", "SOL-USDT")
    client.remove_pairs("binance", "SOL-USDT")
    with pytest.raises(BadPair, match="isn't tracked"):
        client.book("binance", "SOL-USDT")
    wait_for(lambda: view.state is not BookState.LIVE)
    with pytest.raises(StaleBook):
        view.top()
    with pytest.raises(BadPair, match="did you mean BTC-USDT"):
        client.add_pairs("binance", "BTC-USDTT")
    assert sorted(v.trading_pair for v in client.books()) == PAIRS


def wait_for(condition: Any) -> None:
    deadline = threading.Event()
    for _ in range(500):
        if condition():
            return
        deadline.wait(0.02)
    raise AssertionError("not within 10 s")


def test_markets_and_status_print_as_tables(client: trochil.Client) -> None:
    table = client.markets("binance")
    assert list(table.columns) == ["baseAsset", "quoteAsset", "volume", "USDVolume"]
    assert table.loc["BTC-USDT", "baseAsset"] == "BTC"
    wait_for(lambda: "LIVE" in repr(client.status()))
    assert "market/binance/default" in repr(client.status())


def test_it_works_inside_a_running_loop(client: trochil.Client) -> None:
    async def cell() -> float:
        return client.book("binance", "BTC-USDT").top().bid

    assert asyncio.run(cell()) > 0


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("BTC-USDT", 0.1, "100"), TypeError, "amount is a float"),
        (("BTC-USDT", "0.1", 100.5), TypeError, "price is a float"),
        (("BTC-USDT", "0.1", "100.001"), InvalidOrder, "not a multiple of 0.01"),
        (("BTC-USDT", "-1", "100"), InvalidOrder, "below the minimum"),
        (("BTC-USDT", "x", "100"), InvalidOrder, "not a number"),
        (("BTC-USTD", "1", "100"), BadPair, "did you mean BTC-USDT"),
        (("BTCUSDT", "1", "100"), BadPair, "BASE-QUOTE"),
        (("BTC-USDT", "1"), InvalidOrder, "needs a price"),
    ],
)
def test_bad_orders_are_refused_before_they_leave(
    client: trochil.Client, arguments: tuple[Any, ...], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        client.market("binance").buy(*arguments)


def test_bad_options_are_named(client: trochil.Client) -> None:
    market = client.market("binance")
    with pytest.raises(InvalidOrder, match="tif 'GTT' is unknown; it may be GTC, IOC, FOK"):
        market.buy("BTC-USDT", "1", "100", tif="GTT")
    with pytest.raises(InvalidOrder, match="post_only goes with"):
        market.buy("BTC-USDT", "1", "100", tif="IOC", post_only=True)
    with pytest.raises(ConfigError, match="no account 'other' in this deployment; it has default"):
        client.market("binance", account="other")
    with pytest.raises(trochil.TrochilError, match="knows no order 'nothing'"):
        market.cancel("nothing")
    assert OrderState.OPEN == "open"


def test_unknown_exchanges_and_pairs_are_named_at_once(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="unknown exchange 'nowhere'; known are binance"):
        trochil.connect("nowhere", address="inline")
    with pytest.raises(BadPair, match="no pair BTC-USDD; did you mean BTC-USDT"):
        connect(sandbox, tmp_path, pairs=["BTC-USDD"])
    with pytest.raises(ConfigError, match="Flight"):
        connect(sandbox, tmp_path, address="grpc+tls://somewhere")


def test_missing_and_wrong_keys_are_named(sandbox: SandboxProcess, tmp_path: Path) -> None:
    with pytest.raises(AuthenticationError, match="NOBODY_API_KEY and NOBODY_API_SECRET not set"):
        connect(sandbox, tmp_path, accounts={"binance": "env:NOBODY"})
    with pytest.raises(ConfigError, match="never a key itself"):
        connect(sandbox, tmp_path, accounts={"binance": "abcdef"})
    keys = tmp_path / "keys.toml"
    keys.write_text('[main]\napi_key = "a"\napi_secret = "b"\n')
    with pytest.raises(ConfigError, match="chmod 600"):
        connect(sandbox, tmp_path, accounts={"binance": f"file:{keys}#main"})
    keys.chmod(0o600)
    refused = pytest.raises(AuthenticationError, match="-2015")
    with connect(sandbox, tmp_path, accounts={"binance": f"file:{keys}#main"}) as client, refused:
        client.check_keys("binance")


def test_an_unknown_key_of_the_config_is_named(sandbox: SandboxProcess, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pears"):
        connect(sandbox, tmp_path, config={"venues": {"binance": {"pears": []}}})


def test_too_little_or_no_shared_memory_is_a_clear_error(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    config = config_for(sandbox, tmp_path, "shm") | {"shared_memory": "/proc/none"}
    with pytest.raises(ConfigError, match="/proc/none can't be used"):
        connect(sandbox, tmp_path, config=config)


def test_the_top_pairs_by_volume_can_be_asked_for(sandbox: SandboxProcess, tmp_path: Path) -> None:
    with connect(sandbox, tmp_path, pairs="top:2:USDT") as client:
        assert len(client.books()) <= 2
        found = client.status().actors["data_source/binance/0"]
        assert found["pid"] >= 0
    with pytest.raises(BadPair, match="top:NUMBER"):
        connect(sandbox, tmp_path, pairs="top:many")


def test_the_async_client_has_the_same_names() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(trochil.Client) == public(trochil.AsyncClient)
    from trochil.market_handle import AsyncMarketHandle

    assert public(trochil.MarketHandle) == public(AsyncMarketHandle)


def test_the_async_client_reads_and_trades(sandbox: SandboxProcess, tmp_path: Path) -> None:
    async def main() -> None:
        config = config_for(sandbox, tmp_path, "async")
        keys = f"file:{sandbox.keys_file}#default"
        options: dict[str, Any] = {
            "accounts": {"binance": keys},
            "config": config,
            "address": "inline",
        }
        async with await trochil.connect_async("binance", pairs=["BTC-USDT"], **options) as client:
            book = await client.book("binance", "BTC-USDT")
            async for view in client.changes(book):
                assert view is book
                break
            market = await client.market("binance")
            order = await market.buy("BTC-USDT", "0.01", type="market")
            assert (await order.wait("filled", timeout=10)).filled == D("0.01")
            async for trade in client.trades("binance", "BTC-USDT"):
                assert trade.price > 0
                break

    asyncio.run(main())


def test_what_could_not_be_read_is_had_from_the_client_by_actor(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    with connect(sandbox, tmp_path) as client:
        client.book("binance", "BTC-USDT")
        assert client.bad_frames() == {}
        sandbox.admin("POST", "say", {"text": '{"e":"depthUpdate","s":"BTCUSDT"}'})
        deadline = time.monotonic() + 15
        while not client.bad_frames() and time.monotonic() < deadline:
            time.sleep(0.05)
        frame = b'{"e":"depthUpdate","s":"BTCUSDT"}'
        assert client.bad_frames() == {"data_source/binance/0": [frame]}


def test_who_waits_while_the_client_closes_is_told_so(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    client = connect(sandbox, tmp_path)
    heard: list[str] = []

    def listen() -> None:
        try:
            for _ in client.trades("binance", "BTC-USDT"):
                heard.append("trade")
        except NotReady as error:
            heard.append(str(error))

    listener = threading.Thread(target=listen)
    listener.start()
    client.close()
    listener.join(10)
    assert not listener.is_alive()
    assert set(heard) <= {"trade", "the client is closed"}
    with pytest.raises(NotReady, match="the client is closed"):
        client.market("binance")
