"""The process of a data source stops (SIGSTOP: a debugger, a frozen disk, an overloaded machine);
its tracker lives.

Right: within 5 s its books are not LIVE. Today they are LIVE with the levels of the last frame for
as long as nobody probes the process; the tracker beats on, and the channel between the two has no
heartbeat.
"""

import asyncio
import multiprocessing
import os
import signal
import time
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
from orderbook.reader import BookReader
from orderbook.shared import book_path
from tests.known_faults.lab import given
from tests.known_faults.lab.feed import until
from trochil.sandbox.process import SandboxProcess

PAIR = "BTC-USDT"


def source_process(hosts: dict[str, str], folder: str, said: Connection) -> None:
    """A data source in a process of its own; it says where it publishes."""

    async def main() -> None:
        exchange = get("binance")
        async with aiohttp.ClientSession() as session:
            rest = Rest(exchange, session, Endpoints(**hosts))
            source = OrderBookTrackerDataSource(
                exchange,
                hosts=Endpoints(**hosts),
                pairs=[PAIR],
                run_dir=folder,
                name="source",
                rest=rest,
            )
            await source.start()
            endpoint = await source.endpoint()
            said.send((endpoint.path, endpoint.token))
            await source.failed

    asyncio.run(main())


async def tracked(endpoint: ChannelAddress, pid: int, folder: str) -> tuple[str, float]:
    """(the book's state, after how many seconds) once its data source was stopped."""

    class ActorCalls:
        async def call(self, *args: object, **options: object) -> ChannelAddress:
            return endpoint

    tracker = OrderBookTracker(
        get("binance"), peers=ActorCalls(), data_source="source", run_dir=folder, name="tracker"
    )
    await tracker.start()
    try:
        given(await until(lambda: tracker.ready, 20), "the tracker is ready")
        reader = BookReader(book_path(folder, "binance", PAIR))
        given(reader.state.name == "LIVE", "the book is LIVE")
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        await asyncio.sleep(1)
        await until(lambda: reader.state.name != "LIVE", 9)
        return reader.state.name, time.monotonic() - began
    finally:
        await tracker.stop()


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="books stay LIVE while the process of their data source hangs",
)
def test_a_book_is_not_live_5_s_after_its_data_source_stopped(memory: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    with SandboxProcess("binance", pairs=[PAIR], seed=3, rate=200) as sandbox:
        process = spawn.Process(
            target=source_process, args=(sandbox.hosts["binance"], str(memory), theirs)
        )
        process.start()
        try:
            given(ours.poll(30), "the data source began")
            endpoint = ChannelAddress(*ours.recv())
            state, seconds = asyncio.run(tracked(endpoint, process.pid or 0, str(memory)))
        finally:
            process.kill()
            process.join()
    assert state != "LIVE", f"LIVE {seconds:.0f} s after its data source stopped"
    assert seconds < 5.5
