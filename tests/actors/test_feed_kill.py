"""kill -9 of a tracker's process: its books are STALE at once, then LIVE again in a new epoch."""

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from actors.books.order_book_tracker import OrderBookTracker
from actors.component import ChannelAddress
from orderbook.messages import BookState
from tests.support.feed import VENUE, LocalPeers, feed, until
from trochil.sandbox.process import SandboxProcess

pytestmark = pytest.mark.sandbox

PAIRS = ["BTC-USDT", "ETH-USDT"]


class OnlySource:
    """What a tracker's process knows of its data source."""

    def __init__(self, where: ChannelAddress) -> None:
        self._where = where

    def endpoint(self) -> ChannelAddress:
        return self._where


def track(folder: str, where: ChannelAddress, die_at: str) -> None:
    """The body of a tracker's process; it kills itself at a named point."""

    def checkpoint(point: str) -> None:
        if point == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    async def main() -> None:
        peers = LocalPeers()
        peers.components["source"] = OnlySource(where)
        place: dict[str, Any] = {"data_source": "source", "run_dir": folder, "name": "tracker"}
        tracker = OrderBookTracker(VENUE, peers=peers, checkpoint=checkpoint, **place)
        await tracker.start()
        await tracker.failed

    asyncio.run(main())


def start(folder: Path, where: ChannelAddress, die_at: str = "") -> Any:
    process = multiprocessing.get_context("spawn").Process(
        target=track, args=(str(folder), where, die_at), daemon=True
    )
    process.start()
    return process


def test_a_killed_tracker_leaves_stale_books_that_its_successor_makes_live(tmp_path: Path) -> None:
    async def main() -> None:
        with SandboxProcess("binance", pairs=PAIRS, seed=3, rate=200) as sandbox:
            async with feed(tmp_path, sandbox.hosts["binance"], PAIRS) as both:
                await both.end("tracker")
                first = await asyncio.to_thread(start, tmp_path, await both.source.endpoint())
                readers = [await reader_when_live(both, pair) for pair in PAIRS]
                epochs = [reader.epoch for reader in readers]
                first.kill()
                await until(
                    lambda: all(reader.state is BookState.STALE for reader in readers), within=2.0
                )
                dying = await asyncio.to_thread(
                    start, tmp_path, await both.source.endpoint(), "mid_snapshot"
                )
                await until(
                    lambda: dying.exitcode == -signal.SIGKILL, what="it reached its snapshot"
                )
                assert all(reader.state is not BookState.LIVE for reader in readers)
                await both.begin_tracker()
                await until(lambda: all(reader.state is BookState.LIVE for reader in readers))
                assert all(
                    reader.epoch > epoch for reader, epoch in zip(readers, epochs, strict=True)
                )
                first.join()
                dying.join()

    asyncio.run(main())


async def reader_when_live(both: Any, pair: str) -> Any:
    path = Path(both.folder, VENUE.name, f"{pair}.arrow")
    await until(path.exists)
    reader = both.reader(pair)
    await until(lambda: reader.state is BookState.LIVE)
    return reader
