"""A process of the way of a frame stands still for five seconds: nothing is believed meanwhile, and
nothing is fetched anew that was not lost."""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import aiohttp
import pytest

from actors.books.data_source import OrderBookTrackerDataSource
from actors.books.order_book_tracker import OrderBookTracker
from actors.component import ChannelAddress
from actors.transport.rest import Rest
from exchanges.contract import Endpoints
from exchanges.registry import get
from orderbook.messages import BookState
from orderbook.reader import BookReader
from orderbook.shared import book_path
from tests.support import report
from trochil.sandbox.process import SandboxProcess

BASES = "AAVE ADA ATOM AVAX BCH BNB BTC DOGE DOT ETC ETH FIL LINK LTC NEAR SOL TRX UNI XLM XRP"
PAIRS = [f"{base}-USDT" for base in BASES.split()]
STOPPED_FOR = 5.0
pytestmark = [pytest.mark.slow, pytest.mark.sandbox]


class Peers:
    def __init__(self, endpoint: ChannelAddress) -> None:
        self._endpoint = endpoint

    async def call(self, *args: object, **options: object) -> ChannelAddress:
        return self._endpoint


def run_source(venue: str, hosts: dict[str, str], folder: str, said: Connection) -> None:
    """A data source in a process of its own; it says where it publishes."""

    async def main() -> None:
        exchange = get(venue)
        async with aiohttp.ClientSession() as session:
            endpoints = Endpoints(**hosts)
            source = OrderBookTrackerDataSource(
                exchange,
                hosts=endpoints,
                pairs=PAIRS,
                run_dir=folder,
                name="source",
                rest=Rest(exchange, session, endpoints),
            )
            await source.start()
            endpoint = await source.endpoint()
            said.send((endpoint.path, endpoint.token))
            await source.failed

    asyncio.run(main())


def run_tracker(venue: str, endpoint: ChannelAddress, folder: str) -> None:
    """A tracker in a process of its own."""

    async def main() -> None:
        tracker = OrderBookTracker(
            get(venue), peers=Peers(endpoint), data_source="source", run_dir=folder, name="tracker"
        )
        await tracker.start()
        await tracker.failed

    asyncio.run(main())


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not come"
        time.sleep(0.01)
    return time.monotonic() - began


@pytest.mark.parametrize("stopped", ["source", "tracker"])
@pytest.mark.parametrize("venue", ["binance", "bybit"])
def test_books_are_stale_while_a_process_stands_still_and_live_again_without_a_snapshot(
    tmp_path: Path, venue: str, stopped: str
) -> None:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    folder = str(tmp_path)
    with SandboxProcess(venue, pairs=PAIRS, seed=3, rate=200) as sandbox:
        hosts = sandbox.hosts[venue]
        source = spawn.Process(target=run_source, args=(venue, hosts, folder, theirs))
        source.start()
        assert ours.poll(30)
        endpoint = ChannelAddress(*ours.recv())
        tracker = spawn.Process(target=run_tracker, args=(venue, endpoint, folder))
        tracker.start()
        processes = {"source": source, "tracker": tracker}
        try:
            paths = [book_path(folder, venue, pair) for pair in PAIRS]
            until(lambda: all(map(os.path.exists, paths)), 60)
            readers = [BookReader(path) for path in paths]

            def are(state: BookState) -> bool:
                return all(reader.state is state for reader in readers)

            until(lambda: are(BookState.LIVE), 60)
            time.sleep(1.0)
            assert are(BookState.LIVE)
            epochs = [reader.epoch for reader in readers]
            pid = processes[stopped].pid or 0
            os.kill(pid, signal.SIGSTOP)
            stale_after = until(lambda: are(BookState.STALE), STOPPED_FOR)
            time.sleep(STOPPED_FOR - stale_after)
            os.kill(pid, signal.SIGCONT)
            live_after = until(lambda: are(BookState.LIVE), 20)
            time.sleep(1.0)
            assert [reader.epoch for reader in readers] == epochs, "snapshots without a loss"
            report.LINES.append(
                f"{venue}, {stopped} stopped for {STOPPED_FOR:g} s, {len(PAIRS)} pairs: "
                f"STALE after {stale_after:.2f} s, LIVE {live_after:.2f} s after it went on"
            )
        finally:
            for process in processes.values():
                process.kill()
                process.join()
