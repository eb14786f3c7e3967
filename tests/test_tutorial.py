"""The tutorial's table, walked: each row is called on the running sandbox, and its effect asserted."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

import trochil
from exchanges.binance import BINANCE
from orderbook.active_orders import ActiveOrderTracker
from orderbook.messages import BookDiff, BookSnapshot, BookState, Side, Trade
from orderbook.reader import BookReader
from orderbook.shared import book_path
from tests.conftest import config_for
from trochil.sandbox.process import SandboxProcess

PAIR, OTHER = "BTC-USDT", "ETH-USDT"
TABLE = (Path(__file__).parent.parent / "docs" / "tutorial.md").read_text()
CHECKS: dict[str, Callable[["World"], Awaitable[None]]] = {}
Check = Callable[["World"], Awaitable[None]]


def rows() -> list[str]:
    """Class.function of every row of the document."""
    found, kind = [], ""
    for line in TABLE.splitlines():
        if line.startswith("## "):
            kind = line[3:]
        elif match := re.match(r"\| `(\w+)` \|", line):
            found.append(f"{kind}.{match[1]}")
    return found


def row(name: str) -> Callable[[Check], Check]:
    def keep(check: Check) -> Check:
        CHECKS[name] = check
        return check

    return keep


class World:
    """The plain objects of one inline deployment, and the loop they live on."""

    def __init__(self, client: trochil.Client, sandbox: SandboxProcess) -> None:
        self.client, self.sandbox = client, sandbox
        hosts = client._async._runtime.peers.hosts  # type: ignore[attr-defined]
        self.source, self.tracker, self.user_source, self.user, self.market = (
            hosts[name]._component
            for name in (
                "data_source/binance/0",
                "order_book_tracker/binance/0",
                "user_stream_data_source/binance/default",
                "user_stream_tracker/binance/default",
                "market/binance/default",
            )
        )

    async def admin(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return await asyncio.to_thread(self.sandbox.admin, method, path, body)

    async def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)

    async def resting(self, pair: str = PAIR) -> str:
        """A buy order that nobody takes; its id, once it is open."""
        price = self.market.quantize_order_price(pair, D(str(self.market.get_price(pair, False) * 0.8)))
        client_id: str = await self.market.buy(pair, "0.01" if pair == PAIR else "0.1", "limit", price)
        await self.until(lambda: self.market.get_order(client_id).state == "open")
        return client_id

    async def heard(self, listen: Callable[..., Awaitable[None]], n: int = 2) -> list[Any]:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        task = asyncio.ensure_future(listen(asyncio.get_running_loop(), queue))
        try:
            async with asyncio.timeout(10):
                return [await queue.get() for _ in range(n)]
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with SandboxProcess("binance", pairs=[PAIR, OTHER], seed=9) as sandbox:
        config = config_for(sandbox, tmp_path_factory.mktemp("state"), "tutorial")
        keys = {"binance": f"file:{sandbox.keys_file}#default"}
        with trochil.connect("binance", pairs=[PAIR, OTHER], accounts=keys, config=config, address="inline") as client:
            for pair in (PAIR, OTHER):
                client.book("binance", pair)
            client.market("binance").wait_ready()
            yield World(client, sandbox)


@pytest.mark.parametrize("name", rows())
def test_each_row_does_what_it_says(world: World, name: str) -> None:
    world.client._thread.run(CHECKS[name](world))


def test_no_check_is_without_a_row() -> None:
    assert set(CHECKS) == set(rows())


@row("OrderBookTrackerDataSource.get_active_exchange_markets")
async def _(w: World) -> None:
    table = await w.source.get_active_exchange_markets()
    assert list(table.columns) == ["baseAsset", "quoteAsset", "volume", "USDVolume"]
    assert set(table.index) == {PAIR, OTHER}
    assert table.loc[PAIR, "quoteAsset"] == "USDT"


@row("OrderBookTrackerDataSource.get_trading_pairs")
async def _(w: World) -> None:
    assert w.source.get_trading_pairs() == [PAIR, OTHER]


@row("OrderBookTrackerDataSource.get_snapshot")
async def _(w: World) -> None:
    before = (await w.admin("GET", "status"))["update_ids"][PAIR]
    snapshot = await w.source.get_snapshot(PAIR)
    after = (await w.admin("GET", "status"))["update_ids"][PAIR]
    assert before <= snapshot.update_id <= after


@row("OrderBookTrackerDataSource.get_tracking_pairs")
async def _(w: World) -> None:
    entries = await w.source.get_tracking_pairs()
    assert set(entries) == {PAIR, OTHER}
    assert entries[PAIR].trading_pair == PAIR
    assert entries[PAIR].order_book.top().bid > 0


@row("OrderBookTrackerDataSource.listen_for_trades")
async def _(w: World) -> None:
    assert all(isinstance(message, Trade) for message in await w.heard(w.source.listen_for_trades))


@row("OrderBookTrackerDataSource.listen_for_order_book_diffs")
async def _(w: World) -> None:
    assert all(isinstance(message, BookDiff) for message in await w.heard(w.source.listen_for_order_book_diffs, 4))


@row("OrderBookTrackerDataSource.listen_for_order_book_snapshots")
async def _(w: World) -> None:
    found = await w.heard(w.source.listen_for_order_book_snapshots)
    assert {message.symbol for message in found} == {"BTCUSDT", "ETHUSDT"}
    assert all(isinstance(message, BookSnapshot) for message in found)


async def followed(w: World) -> tuple[ActiveOrderTracker, BookSnapshot, BookDiff]:
    """A tracker that took a real snapshot and a real diff."""
    tracker = ActiveOrderTracker()
    (diff,) = await w.heard(w.source.listen_for_order_book_diffs, 1)
    return tracker, await w.source.get_snapshot(PAIR), diff


@row("ActiveOrderTracker.active_asks")
async def _(w: World) -> None:
    tracker, snapshot, _diff = await followed(w)
    _bids, asks = tracker.convert_snapshot_message_to_order_book_row(snapshot)
    assert set(tracker.active_asks) == {row.price for row in asks}


@row("ActiveOrderTracker.active_bids")
async def _(w: World) -> None:
    tracker, snapshot, _diff = await followed(w)
    bids, _asks = tracker.convert_snapshot_message_to_order_book_row(snapshot)
    assert set(tracker.active_bids) == {row.price for row in bids}


@row("ActiveOrderTracker.convert_snapshot_message_to_order_book_row")
async def _(w: World) -> None:
    tracker, snapshot, _diff = await followed(w)
    bids, asks = tracker.convert_snapshot_message_to_order_book_row(snapshot)
    assert bids[0].price < asks[0].price
    assert {row.update_id for row in bids} == {snapshot.update_id}


@row("ActiveOrderTracker.convert_diff_message_to_order_book_row")
async def _(w: World) -> None:
    tracker, _snapshot, diff = await followed(w)
    bids, asks = tracker.convert_diff_message_to_order_book_row(diff)
    assert bids or asks
    assert set(tracker.active_bids) == {row.price for row in bids if row.amount}


@row("ActiveOrderTracker.convert_trade_message_to_order_book_row")
async def _(w: World) -> None:
    (trade,) = await w.heard(w.source.listen_for_trades, 1)
    found = ActiveOrderTracker().convert_trade_message_to_order_book_row(trade)
    assert (found.price, found.amount, str(found.update_id)) == (trade.price, trade.size, trade.trade_id)


@row("ActiveOrderTracker.convert_snapshot_message_to_np_arrays")
async def _(w: World) -> None:
    tracker, snapshot, _diff = await followed(w)
    bids, asks = tracker.c_convert_snapshot_message_to_np_arrays(snapshot)
    assert bids.shape == (len(tracker.active_bids), 4)
    assert bids[0, 1] < asks[0, 1]


@row("ActiveOrderTracker.convert_diff_message_to_np_arrays")
async def _(w: World) -> None:
    tracker, _snapshot, diff = await followed(w)
    bids, asks = tracker.c_convert_diff_message_to_np_arrays(diff)
    assert len(bids) + len(asks) > 0
    assert {*bids[:, 3], *asks[:, 3]} == {float(diff.update_id)}


@row("ActiveOrderTracker.convert_trade_message_to_np_arrays")
async def _(w: World) -> None:
    (trade,) = await w.heard(w.source.listen_for_trades, 1)
    found = ActiveOrderTracker().convert_trade_message_to_np_arrays(trade)
    assert found.tolist()[1:] == [1.0 if trade.side is Side.BUY else 2.0, trade.price, trade.size]


@row("OrderBookTracker.data_source")
async def _(w: World) -> None:
    assert w.tracker.data_source == "data_source/binance/0"


@row("OrderBookTracker.exchange_name")
async def _(w: World) -> None:
    assert w.tracker.exchange_name == "binance"


@row("OrderBookTracker.order_books")
async def _(w: World) -> None:
    first = w.tracker.order_books[PAIR].sequence
    await w.until(lambda: w.tracker.order_books[PAIR].sequence > first)


@row("OrderBookTracker.ready")
async def _(w: World) -> None:
    await w.until(lambda: w.tracker.ready)
    w.tracker.order_books[PAIR].set_state(BookState.INVALID)
    assert not w.tracker.ready
    w.tracker.order_books[PAIR].set_state(BookState.LIVE)


@row("OrderBookTracker.snapshot")
async def _(w: World) -> None:
    bids, asks = w.tracker.snapshot[PAIR]
    assert bids["price"].iloc[0] < asks["price"].iloc[0]


async def fresh_tracker(w: World, name: str) -> Any:
    """A second tracker on the same data source, with books of its own folder."""
    folder = f"{w.tracker._run_dir}-{name}"
    kind = type(w.tracker)
    Path(folder).mkdir(mode=0o700, exist_ok=True)
    peers = w.client._async._peers
    return kind(BINANCE, peers=peers, data_source="data_source/binance/0", run_dir=folder, name=name)


@row("OrderBookTracker.start")
async def _(w: World) -> None:
    tracker = await fresh_tracker(w, "started")
    assert not tracker.ready
    await tracker.start()
    await w.until(lambda: tracker.ready)
    await tracker.stop()


@row("OrderBookTracker.stop")
async def _(w: World) -> None:
    tracker = await fresh_tracker(w, "stopped")
    await tracker.start()
    await w.until(lambda: tracker.ready)
    reader = BookReader(book_path(tracker._run_dir, "binance", PAIR))
    assert reader.state is BookState.LIVE
    await tracker.stop()
    assert reader.state in (BookState.STALE, BookState.INVALID)
    assert tracker.order_books == {}


@row("OrderBookTracker._refresh_tracking_tasks")
async def _(w: World) -> None:
    tracker = await fresh_tracker(w, "refreshed")
    tracker._refresh_tracking_tasks([PAIR, OTHER])
    assert set(tracker.order_books) == {PAIR, OTHER}
    tracker._refresh_tracking_tasks([OTHER])
    assert set(tracker.order_books) == {OTHER}
    await tracker.stop()


@row("OrderBookTracker._order_book_diff_router")
async def _(w: World) -> None:
    tracker = await fresh_tracker(w, "diffs")
    tracker._refresh_tracking_tasks([PAIR])
    tracker._order_book_snapshot_router(PAIR, BookSnapshot("BTCUSDT", b'[["1","1"]]', b'[["2","1"]]', 10))
    tracker._order_book_diff_router(PAIR, BookDiff("BTCUSDT", b'[["1.5","3"]]', b"[]", 11, 11))
    assert tracker.order_books[PAIR].top()[:2] == (1.5, 3.0)
    await tracker.stop()


@row("OrderBookTracker._order_book_snapshot_router")
async def _(w: World) -> None:
    tracker = await fresh_tracker(w, "snapshots")
    tracker._refresh_tracking_tasks([PAIR])
    assert tracker.order_books[PAIR].state is BookState.SYNCING
    tracker._order_book_snapshot_router(PAIR, BookSnapshot("BTCUSDT", b'[["1","1"]]', b'[["2","1"]]', 10))
    assert tracker.order_books[PAIR].state is BookState.LIVE
    await tracker.stop()


@row("OrderBookTracker._track_single_book")
async def _(w: World) -> None:
    from actors.channel import Envelope

    tracker = await fresh_tracker(w, "single")
    tracker._refresh_tracking_tasks([PAIR])
    messages = [
        BookDiff("BTCUSDT", b'[["1","4"]]', b"[]", 11, 11),
        BookSnapshot("BTCUSDT", b'[["1","1"]]', b'[["2","1"]]', 10),
    ]
    tracker._track_single_book(PAIR, [Envelope(PAIR, 0, 0, 0, message) for message in messages])
    assert tracker.order_books[PAIR].top()[:2] == (1.0, 4.0)
    await tracker.stop()


@row("OrderBookTracker._emit_trade_event_loop")
async def _(w: World) -> None:
    heard: list[Trade] = []
    task = asyncio.ensure_future(w.tracker._emit_trade_event_loop(heard.append))
    await w.until(lambda: heard)
    task.cancel()
    assert heard[0].price > 0


@row("UserStreamTrackerDataSource.order_book_class")
async def _(w: World) -> None:
    assert w.user_source.order_book_class is None


@row("UserStreamTrackerDataSource.listen_for_user_stream")
async def _(w: World) -> None:
    listening = asyncio.ensure_future(w.heard(w.user_source.listen_for_user_stream, 1))
    async with asyncio.timeout(10):
        while (await w.admin("GET", "status"))["connections"]["private"] < 2:
            await asyncio.sleep(0.02)
    client_id = await w.resting()
    (message,) = await listening
    assert message.client_order_id == client_id
    await w.market.cancel(PAIR, client_id)


@row("UserStreamTrackerDataSource.last_recv_time")
async def _(w: World) -> None:
    before = w.user_source.last_recv_time
    await w.market.cancel(PAIR, await w.resting())
    await w.until(lambda: w.user_source.last_recv_time > before)


@row("UserStreamTracker.data_source")
async def _(w: World) -> None:
    assert w.user.data_source == "user_stream_data_source/binance/default"


@row("UserStreamTracker.start")
async def _(w: World) -> None:
    folder = f"{w.tracker._run_dir}-user"
    Path(folder).mkdir(mode=0o700, exist_ok=True)
    peers, source = w.client._async._peers, w.user.data_source
    tracker = type(w.user)(BINANCE, peers=peers, data_source=source, run_dir=folder, name="second")
    assert not tracker.status()["connected"]
    await tracker.start()
    await w.until(lambda: tracker.status()["connected"])
    await tracker.stop()


@row("UserStreamTracker.user_stream")
async def _(w: World) -> None:
    while not w.user.user_stream.empty():
        w.user.user_stream.get_nowait()
    client_id = await w.resting()
    async with asyncio.timeout(10):
        message = await w.user.user_stream.get()
    assert message.client_order_id == client_id
    await w.market.cancel(PAIR, client_id)


@row("Auth.generate_auth_dict")
async def _(w: World) -> None:
    auth = BINANCE.auth(w.sandbox.accounts["default"])
    base = w.sandbox.hosts["binance"]["rest"]
    import time

    import aiohttp

    ready = auth.generate_auth_dict("GET", f"{base}/api/v3/account", {}, None, now=time.time())
    async with aiohttp.ClientSession() as session, session.get(ready["url"], headers=ready["headers"]) as answer:
        assert answer.status == 200
        assert (await answer.json())["balances"]


@row("Market.execute_buy")
async def _(w: World) -> None:
    assert await w.market.execute_buy("my-buy", PAIR, "0.01", "market") == "my-buy"
    await w.until(lambda: w.market.get_order("my-buy").state == "filled")
    assert w.market.get_order("my-buy").side is Side.BUY


@row("Market.execute_sell")
async def _(w: World) -> None:
    assert await w.market.execute_sell("my-sell", PAIR, "0.01", "market") == "my-sell"
    await w.until(lambda: w.market.get_order("my-sell").state == "filled")
    assert w.market.get_order("my-sell").side is Side.SELL


@row("Market.execute_cancel")
async def _(w: World) -> None:
    client_id = await w.resting()
    assert await w.market.execute_cancel(PAIR, client_id) == client_id
    await w.until(lambda: w.market.get_order(client_id).state == "cancelled")


@row("Market.place_order")
async def _(w: World) -> None:
    price = w.market.quantize_order_price(PAIR, D(str(w.market.get_price(PAIR, True) * 1.2)))
    client_id = await w.market.place_order("", PAIR, "0.01", False, "limit", price)
    await w.until(lambda: w.market.get_order(client_id).state == "open")
    assert client_id in {r["client_order_id"] for r in await w.admin("GET", "orders?account=default")}
    await w.market.cancel(PAIR, client_id)


@row("Market.start_tracking_order")
async def _(w: World) -> None:
    client_id = await w.resting()
    order = w.market.ledger.orders.pop(client_id)
    await w.market.start_tracking_order(client_id + "x", order.exchange_order_id, PAIR, True, "0.01", order.price)
    assert client_id + "x" in w.market.in_flight_orders
    assert w.market.in_flight_orders[client_id + "x"].unknown
    del w.market.ledger.orders[client_id + "x"]
    await w.market.cancel(PAIR, client_id)


@row("Market.stop_tracking_order")
async def _(w: World) -> None:
    client_id = await w.resting()
    w.market.stop_tracking_order(client_id)
    assert w.market.get_order(client_id) is not None
    await w.market.cancel(PAIR, client_id)
    await w.until(lambda: w.market.get_order(client_id).is_done)
    w.market.stop_tracking_order(client_id)
    assert w.market.get_order(client_id) is None


@row("Market.name")
async def _(w: World) -> None:
    assert w.market.name == "binance"


@row("Market.order_books")
async def _(w: World) -> None:
    w.market.get_order_book(PAIR)
    assert PAIR in w.market.order_books


@row("Market.get_order_book")
async def _(w: World) -> None:
    assert w.market.get_order_book("BTC/USDT").top().bid == w.tracker.order_books[PAIR].top().bid


@row("Market.trading_rules")
async def _(w: World) -> None:
    assert w.market.trading_rules[PAIR].price_tick == D("0.01")


@row("Market.in_flight_orders")
async def _(w: World) -> None:
    client_id = await w.resting()
    assert client_id in w.market.in_flight_orders
    await w.market.cancel(PAIR, client_id)
    await w.until(lambda: client_id not in w.market.in_flight_orders)


@row("Market.limit_orders")
async def _(w: World) -> None:
    client_id = await w.resting()
    assert client_id in {order.client_order_id for order in w.market.limit_orders}
    await w.market.cancel(PAIR, client_id)


@row("Market.tracking_states")
async def _(w: World) -> None:
    client_id = await w.resting()
    assert w.market.tracking_states[client_id]["state"] == "open"
    await w.market.cancel(PAIR, client_id)


@row("Market.restore_tracking_states")
async def _(w: World) -> None:
    client_id = await w.resting()
    states = w.market.tracking_states
    state = states[client_id] | {"client_order_id": "restored"}
    await w.market.restore_tracking_states({"restored": state})
    assert w.market.in_flight_orders["restored"].exchange_order_id == states[client_id]["exchange_order_id"]
    del w.market.ledger.orders["restored"]
    await w.market.cancel(PAIR, client_id)


@row("Market.status_dict")
async def _(w: World) -> None:
    assert w.market.status_dict == dict.fromkeys(w.market.status_dict, True)
    assert "user_stream_open_and_reconciled" in w.market.status_dict


@row("Market.ready")
async def _(w: World) -> None:
    assert w.market.ready


async def second_market(w: World) -> Any:
    """Another market of the same account with a journal of its own."""
    import aiohttp

    from actors.journal import Journal

    session = aiohttp.ClientSession()
    journal = Journal(
        f"sqlite:///{w.client._async._runtime.settings.folder}/second.db", venue="binance", account="second"
    )
    from actors.rest import Rest
    from exchanges.contract import Hosts

    hosts = Hosts(**w.sandbox.hosts["binance"])
    market = type(w.market)(
        BINANCE,
        account="second",
        rest=Rest(BINANCE, session, hosts, BINANCE.auth(w.sandbox.accounts["default"])),
        peers=w.client._async._peers,
        user_stream_tracker="user_stream_tracker/binance/default",
        run_dir=w.tracker._run_dir,
        name="market/binance/second",
        journal=journal,
        books=w.market._books,
    )
    return market, session


@row("Market.start_network")
async def _(w: World) -> None:
    market, session = await second_market(w)
    assert not market.ready
    await market.start_network()
    await w.until(lambda: market.ready)
    await market.stop_network()
    await session.close()


@row("Market.stop_network")
async def _(w: World) -> None:
    market, session = await second_market(w)
    await market.start_network()
    await w.until(lambda: market.ready)
    await market.stop_network()
    cycles = market.reconciler.cycles
    await w.market.cancel(PAIR, await w.resting())
    assert market.reconciler.cycles == cycles
    await session.close()


@row("Market.check_network")
async def _(w: World) -> None:
    assert await w.market.check_network()
    await w.admin("POST", "faults", {"http_503": 1})
    assert not await w.market.check_network()


@row("Market.buy")
async def _(w: World) -> None:
    client_id = await w.market.buy(PAIR, "0.01", "market")
    await w.until(lambda: w.market.get_order(client_id).state == "filled")


@row("Market.sell")
async def _(w: World) -> None:
    client_id = await w.market.sell(PAIR, "0.01", "market")
    await w.until(lambda: w.market.get_order(client_id).state == "filled")


@row("Market.cancel")
async def _(w: World) -> None:
    client_id = await w.resting()
    await w.market.cancel(PAIR, client_id)
    await w.until(lambda: w.market.get_order(client_id).state == "cancelled")


@row("Market.cancel_all")
async def _(w: World) -> None:
    ids = [await w.resting(), await w.resting(OTHER)]
    results = dict(await w.market.cancel_all())
    assert set(ids) <= set(results)
    await w.until(lambda: not w.market.limit_orders)


@row("Market.get_order")
async def _(w: World) -> None:
    client_id = await w.resting()
    assert w.market.get_order(client_id).trading_pair == PAIR
    assert w.market.get_order("nobody") is None
    await w.market.cancel(PAIR, client_id)


@row("Market.list_orders")
async def _(w: World) -> None:
    client_id = await w.resting()
    assert client_id in {order.client_order_id for order in w.market.list_orders()}
    await w.market.cancel(PAIR, client_id)


@row("Market.get_fee")
async def _(w: World) -> None:
    fee = await w.market.get_fee(PAIR)
    assert (fee.maker, fee.taker) == (D("0.001"), D("0.001"))


@row("Market.get_order_price_quantum")
async def _(w: World) -> None:
    assert w.market.get_order_price_quantum(PAIR, 100) == D("0.01")


@row("Market.get_order_size_quantum")
async def _(w: World) -> None:
    assert w.market.get_order_size_quantum(PAIR, 1) == D("0.00001")


@row("Market.quantize_order_price")
async def _(w: World) -> None:
    assert w.market.quantize_order_price(PAIR, D("100.019")) == D("100.01")


@row("Market.quantize_order_amount")
async def _(w: World) -> None:
    assert w.market.quantize_order_amount(PAIR, D("0.123456789")) == D("0.12345")
    assert w.market.quantize_order_amount(PAIR, D("0.00002"), D(100)) == 0


@row("Market.get_balance")
async def _(w: World) -> None:
    before = w.market.get_balance("BTC")
    client_id = await w.market.buy(PAIR, "0.01", "market")
    await w.until(lambda: w.market.get_order(client_id).state == "filled")
    await w.until(lambda: w.market.get_balance("BTC") == before + D("0.00999"))


@row("Market.get_available_balance")
async def _(w: World) -> None:
    before = w.market.get_available_balance("USDT")
    client_id = await w.resting()
    order = w.market.get_order(client_id)
    await w.until(lambda: w.market.get_available_balance("USDT") == before - order.amount * order.price)
    await w.market.cancel(PAIR, client_id)
    await w.until(lambda: w.market.get_available_balance("USDT") == before)


@row("Market.get_all_balances")
async def _(w: World) -> None:
    assert w.market.get_all_balances()["BTC"] == w.market.get_balance("BTC")


async def paused(w: World) -> Any:
    """The flow stands still, the book with it."""
    await w.admin("POST", "flow", {"paused": True})
    served = await w.admin("GET", f"book?pair={PAIR}")
    await w.until(lambda: w.tracker.order_books[PAIR].update_id == served["update_id"])
    return served


def numbers(levels: list[list[str]]) -> list[tuple[float, float]]:
    return [(float(price), float(size)) for price, size in levels]


@row("Market.get_price")
async def _(w: World) -> None:
    served = await paused(w)
    assert w.market.get_price(PAIR, True) == float(served["asks"][0][0])
    assert w.market.get_price(PAIR, False) == float(served["bids"][0][0])
    await w.admin("POST", "flow", {"paused": False})


@row("Market.get_mid_price")
async def _(w: World) -> None:
    served = await paused(w)
    assert w.market.get_mid_price(PAIR) == (float(served["asks"][0][0]) + float(served["bids"][0][0])) / 2
    await w.admin("POST", "flow", {"paused": False})


def walk(levels: list[tuple[float, float]], volume: float) -> tuple[float, float]:
    """(quote spent, last price) of taking ``volume``."""
    quote = left = 0.0
    left = volume
    for price, size in levels:
        take = min(left, size)
        quote, left = quote + take * price, left - take
        if left <= 0:
            return quote, price
    raise AssertionError("the book is too thin")


@row("Market.get_vwap_for_volume")
async def _(w: World) -> None:
    quote, _ = walk(numbers((await paused(w))["asks"]), 0.5)
    assert w.market.get_vwap_for_volume(PAIR, True, 0.5) == pytest.approx(quote / 0.5)
    await w.admin("POST", "flow", {"paused": False})


@row("Market.get_price_for_volume")
async def _(w: World) -> None:
    _, price = walk(numbers((await paused(w))["bids"]), 0.5)
    assert w.market.get_price_for_volume(PAIR, False, 0.5) == price
    await w.admin("POST", "flow", {"paused": False})


@row("Market.get_volume_for_price")
async def _(w: World) -> None:
    asks = numbers((await paused(w))["asks"])
    assert w.market.get_volume_for_price(PAIR, True, asks[4][0]) == pytest.approx(sum(size for _, size in asks[:5]))
    await w.admin("POST", "flow", {"paused": False})


@row("Market.get_quote_volume_for_base_amount")
async def _(w: World) -> None:
    quote, _ = walk(numbers((await paused(w))["asks"]), 0.3)
    assert w.market.get_quote_volume_for_base_amount(PAIR, True, 0.3) == pytest.approx(quote)
    await w.admin("POST", "flow", {"paused": False})


@row("Market.add_listener")
async def _(w: World) -> None:
    heard: list[Any] = []
    w.market.add_listener("completed", heard.append)
    client_id = await w.market.buy(PAIR, "0.01", "market")
    await w.until(lambda: heard)
    assert (heard[0]["client_order_id"], heard[0]["name"]) == (client_id, "buy_order_completed")
    w.market.remove_listener("completed", heard.append)


@row("Market.remove_listener")
async def _(w: World) -> None:
    heard: list[Any] = []
    listener = heard.append
    w.market.add_listener("completed", listener)
    w.market.remove_listener("completed", listener)
    client_id = await w.market.buy(PAIR, "0.01", "market")
    await w.until(lambda: w.market.get_order(client_id).is_complete)
    assert heard == []
