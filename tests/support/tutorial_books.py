"""Checks of the tutorial's rows: data source, trackers, user streams, auth."""

import asyncio
from pathlib import Path
from typing import Any

from actors.channel import Envelope
from exchanges.binance import BINANCE
from orderbook.active_orders import ActiveOrderTracker
from orderbook.messages import BookDiff, BookSnapshot, BookState, Side, Trade
from orderbook.reader import BookReader
from orderbook.shared import book_path
from tests.support.tutorial_world import OTHER, PAIR, World, row


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
    assert all(
        isinstance(message, Trade) for message in await w.received(w.source.listen_for_trades)
    )


@row("OrderBookTrackerDataSource.listen_for_order_book_diffs")
async def _(w: World) -> None:
    assert all(
        isinstance(message, BookDiff)
        for message in await w.received(w.source.listen_for_order_book_diffs, 4)
    )


@row("OrderBookTrackerDataSource.listen_for_order_book_snapshots")
async def _(w: World) -> None:
    found = await w.received(w.source.listen_for_order_book_snapshots)
    assert {message.symbol for message in found} == {"BTCUSDT", "ETHUSDT"}
    assert all(isinstance(message, BookSnapshot) for message in found)


async def followed(w: World) -> tuple[ActiveOrderTracker, BookSnapshot, BookDiff]:
    """A tracker that took a real snapshot and a real diff."""
    tracker = ActiveOrderTracker()
    (diff,) = await w.received(w.source.listen_for_order_book_diffs, 1)
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
    (trade,) = await w.received(w.source.listen_for_trades, 1)
    found = ActiveOrderTracker().convert_trade_message_to_order_book_row(trade)
    assert (found.price, found.amount, str(found.update_id)) == (
        trade.price,
        trade.size,
        trade.trade_id,
    )


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
    (trade,) = await w.received(w.source.listen_for_trades, 1)
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
    return kind(
        BINANCE, peers=peers, data_source="data_source/binance/0", run_dir=folder, name=name
    )


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


def snapshot_of(pair: str) -> Envelope:
    return Envelope(pair, 0, 0, 0, BookSnapshot("BTCUSDT", b'[["1","1"]]', b'[["2","1"]]', 10))


@row("OrderBookTracker._order_book_diff_router")
async def _(w: World) -> None:
    tracker = await fresh_tracker(w, "diffs")
    tracker._refresh_tracking_tasks([PAIR])
    tracker._order_book_snapshot_router(snapshot_of(PAIR))
    tracker._order_book_diff_router(
        [Envelope(PAIR, 0, 0, 0, BookDiff("BTCUSDT", b'[["1.5","3"]]', b"[]", 11, 11))]
    )
    assert tracker.order_books[PAIR].top()[:2] == (1.5, 3.0)
    await tracker.stop()


@row("OrderBookTracker._order_book_snapshot_router")
async def _(w: World) -> None:
    tracker = await fresh_tracker(w, "snapshots")
    tracker._refresh_tracking_tasks([PAIR])
    assert tracker.order_books[PAIR].state is BookState.SYNCING
    tracker._order_book_snapshot_router(snapshot_of(PAIR))
    assert tracker.order_books[PAIR].state is BookState.LIVE
    await tracker.stop()


@row("OrderBookTracker._track_single_book")
async def _(w: World) -> None:
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
    received: list[tuple[str, Trade]] = []

    def listener(pair: str, trade: Trade) -> None:
        received.append((pair, trade))

    w.tracker.add_trade_listener(listener)
    await w.until(lambda: received)
    assert received[0][0] in (PAIR, OTHER)
    assert received[0][1].price > 0
    w.tracker.remove_trade_listener(listener)


@row("UserStreamTrackerDataSource.order_book_class")
async def _(w: World) -> None:
    assert w.user_source.order_book_class is None


@row("UserStreamTrackerDataSource.listen_for_user_stream")
async def _(w: World) -> None:
    listening = asyncio.ensure_future(w.received(w.user_source.listen_for_user_stream, 1))
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
    peers = w.client._async._peers
    source = w.user.data_source
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
    async with (
        aiohttp.ClientSession() as session,
        session.get(ready["url"], headers=ready["headers"]) as answer,
    ):
        assert answer.status == 200
        assert (await answer.json())["balances"]
