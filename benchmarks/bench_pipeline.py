"""Socket -> data source -> tracker -> shared book, each in its own process, fed by a local server.

The server's frames carry their sending time as event time; a reader process compares it with its
clock when the change is readable. One pair, diffs of three levels.
"""

import asyncio
import json
import multiprocessing as mp
import os
import tempfile
import time
from contextlib import suppress
from typing import Any

import aiohttp
import numpy as np
import uvloop
from aiohttp import web
from common import show

from actors.books.data_source import OrderBookTrackerDataSource
from actors.books.order_book_tracker import OrderBookTracker
from actors.channel import ChannelAddress
from actors.transport.rest import Rest
from exchanges.binance import BINANCE
from exchanges.contract import Endpoints
from orderbook.errors import NotReady
from orderbook.reader import BookReader
from orderbook.shared import book_path
from orderbook.warm import warm

PAIR = "BTC-USDT"
SYMBOL = "BTCUSDT"
RATES = {1000: 5, 5000: 5, 10_000: 5, 20_000: 5, 30_000: 5}
RULE = {
    "symbol": SYMBOL,
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "filters": [],
}


def serve(pipe: Any) -> None:
    """A venue of one symbol that sends diffs at the rate given over the pipe."""

    async def main() -> None:
        app = web.Application()
        sockets = []
        ids = [1]

        async def rules(request: web.Request) -> web.Response:
            return web.json_response({"symbols": [RULE]})

        async def depth(request: web.Request) -> web.Response:
            book = {"lastUpdateId": ids[0], "bids": [["100.00", "1"]], "asks": [["200.00", "1"]]}
            return web.json_response(book)

        async def stream(request: web.Request) -> web.WebSocketResponse:
            ws = web.WebSocketResponse(writer_limit=1 << 22)
            await ws.prepare(request)
            sockets.append(ws)
            async for message in ws:
                await ws.send_str(
                    json.dumps({"result": None, "id": json.loads(message.data)["id"]})
                )
            return ws

        app.router.add_get("/api/v3/exchangeInfo", rules)
        app.router.add_get("/api/v3/depth", depth)
        app.router.add_get("/stream", stream)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        while (order := await asyncio.to_thread(pipe.recv)) is not None:
            rate, seconds = order
            begun = time.perf_counter()
            n = 0
            while n < rate * seconds:
                due = min(int((time.perf_counter() - begun) * rate) + 1, rate * seconds)
                while n < due:
                    n += 1
                    ids[0] += 1
                    await sockets[-1].send_str(frame(ids[0]))
                await asyncio.sleep(0.0002)
            pipe.send((ids[0], time.perf_counter() - begun, time.process_time()))
        os._exit(0)

    uvloop.run(main())


def frame(number: int) -> str:
    price = 120 + number % 50
    levels = f'[["{price}.10","1.5"],["{price - 20}.00","{number % 7}"]]'
    return (
        f'{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate",'
        f'"E":{time.time_ns() // 1000},"s":"{SYMBOL}",'
        f'"U":{number},"u":{number},"b":{levels},"a":[["{price + 60}.10","2.25"]]}}}}'
    )


class Pipes:
    """Peers of two processes that know each other's endpoint by a file."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    async def call(self, actor: str, method: str, *args: Any, **kwargs: Any) -> Any:
        with suppress(FileNotFoundError), open(f"{self._folder}/endpoint") as file:
            return ChannelAddress(*json.load(file))
        raise NotReady("no endpoint yet")


def source(port: int, folder: str, used: Any) -> None:
    async def main() -> None:
        hosts = Endpoints(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}", "")
        async with aiohttp.ClientSession() as session:
            rest = Rest(BINANCE, session, hosts)
            data = OrderBookTrackerDataSource(
                BINANCE, hosts=hosts, pairs=[PAIR], run_dir=folder, name="source", rest=rest
            )
            await data.start()
            with open(f"{folder}/new", "w") as file:
                where = await data.endpoint()
                json.dump([where.path, where.token], file)
            os.rename(f"{folder}/new", f"{folder}/endpoint")
            while True:
                used[0] = time.process_time()
                await asyncio.sleep(0.05)

    uvloop.run(main())


def track(folder: str, used: Any) -> None:
    async def main() -> None:
        warm()
        tracker = OrderBookTracker(
            BINANCE, peers=Pipes(folder), data_source="source", run_dir=folder, name="tracker"
        )
        await tracker.start()
        while True:
            used[1] = time.process_time()
            await asyncio.sleep(0.05)

    uvloop.run(main())


def measure(reader: BookReader, last: int, begun: Any) -> tuple[np.ndarray, float]:
    """Latencies (us) of every reading with a new change until the last id, and the time of that."""
    seen = reader.sequence
    got = []
    limit = time.perf_counter() + 60
    while time.perf_counter() < limit:
        sequence = reader.sequence
        if sequence != seen:
            levels = reader.levels(1, stale_ok=True)
            got.append((time.time_ns() - levels.meta["venue_time"]) / 1000)
            seen = levels.meta["sequence"]
            if levels.meta["update_id"] >= last:
                break
        else:
            time.sleep(0.00005)
    return np.array(got), time.perf_counter()


def main() -> None:
    context = mp.get_context("spawn")
    rows = []
    warm()
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="trochil-bench-") as folder:
        here, there = context.Pipe()
        used = context.Array("d", 2)
        server = context.Process(target=serve, args=(there,), daemon=True)
        server.start()
        port = here.recv()
        actors = [
            context.Process(target=source, args=(port, folder, used)),
            context.Process(target=track, args=(folder, used)),
        ]
        for process in actors:
            process.daemon = True
            process.start()
        reader = live_reader(book_path(folder, BINANCE.name, PAIR))
        last = 1
        server_cpu = 0.0
        for rate, seconds in RATES.items():
            before = list(used)
            begun = time.perf_counter()
            here.send((rate, seconds))
            got, ended = measure(reader, last + rate * seconds, begun)
            last, _, cpu = here.recv()
            time.sleep(0.2)
            meta = reader.meta()
            spent = [now - then for now, then in zip(used, before, strict=True)]
            per = [s / (rate * seconds) * 1e6 for s in [cpu - server_cpu, *spent]]
            server_cpu = cpu
            p50, p99 = np.percentile(got, [50, 99])
            rows.append(
                [
                    rate,
                    round(rate * seconds / (ended - begun)),
                    float(p50),
                    float(p99),
                    len(got),
                    *per,
                    meta["gaps"],
                ]
            )
        here.send(None)
        for process in actors:
            process.kill()
    columns = [
        "target/s",
        "reached/s",
        "p50 us",
        "p99 us",
        "readings",
        "server CPU us",
        "source CPU us",
        "tracker CPU us",
        "gaps",
    ]
    show("Venue's socket -> readable in the shared book of another process", columns, rows)


def live_reader(path: str) -> BookReader:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(NotReady):
            reader = BookReader(path)
            if reader.state.name == "LIVE":
                return reader
        time.sleep(0.05)
    raise SystemExit("the book did not come up")


if __name__ == "__main__":
    main()
