"""The whole way of a book message over four processes: venue's socket, data source, tracker, reader.

A bare websocket server sends premade frames in Binance's form; their event time is the moment of sending, in
microseconds. Printed: messages a second that the way holds, latency at 1,000/s (into the shared book, and until a
reader in another process was woken and has read the top), CPU seconds of each process.

Run: python benchmarks/bench_pipeline.py [--messages N] [--pairs N] [--levels N] [--loop asyncio|uvloop]
"""

import argparse
import asyncio
import base64
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

RATE = 1_000
SECONDS_AT_RATE = 6
CHUNK = 32
"""Frames in one write at full speed."""
VENUE = "binance"
FIRST_ID = 10**11
"""Ids have twelve digits: JSON knows no leading zeros."""


# The venue: REST for two answers, and a websocket that only sends.


class Rest(BaseHTTPRequestHandler):
    symbols: tuple[str, ...] = ()
    update_id: Callable[[str], int]

    def do_GET(self) -> None:
        body = json.dumps(self.rules() if "exchangeInfo" in self.path else self.book()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def rules(self) -> Any:
        rows = [{"symbol": s, "baseAsset": s[:-4], "quoteAsset": s[-4:], "status": "TRADING"} for s in self.symbols]
        return {"symbols": [row | {"filters": []} for row in rows]}

    def book(self) -> Any:
        sides = {
            "bids": [[str(30000 - n), "1"] for n in range(500)],
            "asks": [[str(30001 + n), "1"] for n in range(500)],
        }
        return {"lastUpdateId": Rest.update_id(self.path.split("symbol=")[1].split("&")[0]), **sides}

    def log_message(self, *args: Any) -> None:
        """Requests go unlogged."""


class Frames:
    """One frame a pair, its time and ids of fixed width, to be written over before each sending."""

    def __init__(self, symbols: list[str], levels: int) -> None:
        rng = random.Random(1)
        self._frames = [self._frame(symbol, levels, rng) for symbol in symbols]
        self._symbols, self._ids = symbols, [FIRST_ID] * len(symbols)

    def _frame(self, symbol: str, levels: int, rng: random.Random) -> tuple[bytearray, int, int, int]:
        def side(sign: int) -> str:
            rows = (
                f'["{30000.5 + sign * (0.5 + int(rng.random() ** 2 * 300))}","{rng.random():.5f}"]'
                for _ in range(levels)
            )
            return ",".join(rows)

        ids = f'"U":{FIRST_ID},"u":{FIRST_ID}'
        data = f'{{"e":"depthUpdate","E":{10**15},"s":"{symbol}",{ids},"b":[{side(-1)}],"a":[{side(1)}]}}'
        text = f'{{"stream":"{symbol.lower()}@depth@100ms","data":{data}}}'
        frame = bytearray(header(len(text)) + text.encode())
        return frame, frame.index(b'"E":') + 4, frame.index(b'"U":') + 4, frame.index(b'"u":') + 4

    def update_id(self, symbol: str) -> int:
        return self._ids[self._symbols.index(symbol)]

    def next(self, number: int) -> bytes:
        """The frame to send as the ``number``th, stamped with the time now."""
        which = number % len(self._frames)
        frame, event_time, first, last = self._frames[which]
        self._ids[which] += 1
        update = b"%d" % self._ids[which]
        frame[event_time : event_time + 16] = b"%016d" % (time.time_ns() // 1000)
        frame[first : first + 12] = frame[last : last + 12] = update
        return bytes(frame)


def header(length: int) -> bytes:
    """The head of an unmasked text frame."""
    return struct.pack(">BBH", 0x81, 126, length) if length > 125 else struct.pack(">BB", 0x81, length)


def venue(pipe: Any, symbols: list[str], levels: int, messages: int) -> None:
    """Serve REST and one websocket; send when told to: at full speed, then at RATE."""
    frames = Frames(symbols, levels)
    Rest.symbols, Rest.update_id = tuple(symbols), frames.update_id
    rest = ThreadingHTTPServer(("127.0.0.1", 0), Rest)
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    listener = socket.create_server(("127.0.0.1", 0))
    pipe.send((rest.server_port, listener.getsockname()[1]))
    connection, _ = listener.accept()
    shake_hands(connection)
    threading.Thread(target=discard, args=(connection,), daemon=True).start()
    for number in range(len(symbols)):  # the first words of every pair: they let its snapshot be fetched
        connection.sendall(frames.next(number))
    pipe.recv()
    spent = time.process_time()
    for number in range(0, messages, CHUNK):
        connection.sendall(b"".join([frames.next(n) for n in range(number, number + CHUNK)]))
    pipe.send(time.process_time() - spent)
    pipe.recv()
    start = time.perf_counter()
    for number in range(RATE * SECONDS_AT_RATE):
        if (wait := start + number / RATE - time.perf_counter()) > 0:
            time.sleep(wait)
        connection.sendall(frames.next(number))
    pipe.recv()


def shake_hands(connection: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")).split(b": ")[1]
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    connection.sendall(upgrade + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")


def discard(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


# Our side: each component in a process of its own.


class PipePeers:
    """The one peer that a tracker calls, known beforehand."""

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint

    async def call(self, actor: str, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._endpoint


def component(pipe: Any, loop: str, make: Callable[..., Any], *args: Any) -> None:
    """Run one component until told to end; says its endpoint first and its CPU seconds whenever asked."""

    async def main() -> None:
        async with make(*args) as (part, status):
            pipe.send(part.endpoint())
            while (question := await asyncio.to_thread(pipe.recv)) != "end":
                pipe.send(time.process_time() if question == "cpu" else status())

    if loop == "uvloop":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())


def data_source(run_dir: str, ports: tuple[int, int], pairs: list[str]) -> Any:
    from contextlib import asynccontextmanager

    import aiohttp

    from actors.data_source import OrderBookTrackerDataSource
    from actors.rest import Rest as RestDriver
    from exchanges.contract import Hosts
    from exchanges.registry import get

    @asynccontextmanager
    async def running() -> Any:
        hosts = Hosts(f"http://127.0.0.1:{ports[0]}", f"ws://127.0.0.1:{ports[1]}", "")
        async with aiohttp.ClientSession() as session:
            rest = RestDriver(get(VENUE), session, hosts)
            part = OrderBookTrackerDataSource(
                get(VENUE), hosts=hosts, pairs=pairs, run_dir=run_dir, name="source", rest=rest
            )
            await part.start()
            yield part, part.status
            await part.stop()

    return running()


def tracker(run_dir: str, endpoint: Any) -> Any:
    from contextlib import asynccontextmanager

    from actors.order_book_tracker import OrderBookTracker
    from exchanges.registry import get

    @asynccontextmanager
    async def running() -> Any:
        part = OrderBookTracker(
            get(VENUE), peers=PipePeers(endpoint), data_source="source", run_dir=run_dir, name="tracker", capacity=4096
        )
        await part.start()
        yield part, part.status
        await part.stop()

    return running()


def reader(pipe: Any, run_dir: str, pairs: list[str], endpoint: Any, loop: str) -> None:
    """Woken by names of changed books, reads their tops; says the delays in ns: (published, woken and read)."""
    from actors.channel import Endpoint, Reset, Subscriber
    from orderbook.messages import DataMessage
    from orderbook.reader import BookReader
    from orderbook.shared import book_path

    books = {pair: BookReader(book_path(run_dir, VENUE, pair)) for pair in pairs}

    async def locate() -> Endpoint:
        found: Endpoint = endpoint
        return found

    async def main() -> None:
        published, woken = [], []
        asked = asyncio.create_task(asyncio.to_thread(pipe.recv))
        async for batch in Subscriber(locate, DataMessage, mode="changes").batches():
            for pair in () if isinstance(batch[0], Reset) else batch[0]:
                books[pair].top()
                now, meta = time.time_ns(), books[pair].meta()
                published.append(meta["publish_time"] - meta["venue_time"])
                woken.append(now - meta["venue_time"])
            if asked.done():
                if asked.result() == "end":
                    pipe.send((time.process_time(), published, woken))
                    return
                published.clear()
                woken.clear()
                asked = asyncio.create_task(asyncio.to_thread(pipe.recv))

    if loop == "uvloop":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())


def wait_until_live(pipe: Any, count: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        pipe.send("status")
        books = pipe.recv()["books"].values()
        if len(books) == count and all(book["state"] == "LIVE" for book in books):
            return
        time.sleep(0.05)
    raise TimeoutError("the books did not become LIVE")


def applied(run_dir: str, pairs: list[str]) -> Callable[[], int]:
    from orderbook.reader import BookReader
    from orderbook.shared import book_path

    books = [BookReader(book_path(run_dir, VENUE, pair)) for pair in pairs]
    return lambda: sum(book.meta()["applied"] for book in books)


def measure(given: argparse.Namespace, run_dir: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    symbols = [f"P{number:03d}USDT" for number in range(given.pairs)]
    pairs = [f"{symbol[:-4]}-USDT" for symbol in symbols]
    running = []

    def start(target: Callable[..., None], *args: Any) -> Any:
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=target, args=(theirs, *args), daemon=True)
        process.start()
        running.append(process)
        return ours

    try:
        server = start(venue, symbols, given.levels, given.messages)
        source = start(component, given.loop, data_source, run_dir, server.recv(), pairs)
        track = start(component, given.loop, tracker, run_dir, source.recv())
        endpoint = track.recv()
        wait_until_live(track, given.pairs)
        reading = start(reader, run_dir, pairs, endpoint, given.loop)
        full_speed(given, applied(run_dir, pairs), server, source, track)
        time.sleep(1.0)
        at_rate(server, source, track, reading)
        track.send("status")
        gaps = sum(book["gaps"] + book["rejected"] for book in track.recv()["books"].values())
        print(f"gaps and rejected messages: {gaps}")
    finally:
        for process in running:
            process.kill()
            process.join()


def cpu(*pipes: Any) -> list[float]:
    for pipe in pipes:
        pipe.send("cpu")
    return [pipe.recv() for pipe in pipes]


def full_speed(given: argparse.Namespace, count: Callable[[], int], server: Any, source: Any, track: Any) -> None:
    before, had = cpu(source, track), count()
    start = time.perf_counter()
    server.send("go")
    while count() - had < given.messages:
        time.sleep(0.01)
        if time.perf_counter() - start > 120:
            raise TimeoutError(f"{count() - had} of {given.messages} messages arrived")
    took, sent = time.perf_counter() - start, server.recv()
    spent = [after - first for first, after in zip(before, cpu(source, track), strict=True)]
    print(f"held: {given.messages / took:,.0f} messages/s ({given.levels} levels a side, {given.pairs} pairs)")
    print(f"CPU seconds of {took:.1f}: venue {sent:.2f}, data source {spent[0]:.2f}, tracker {spent[1]:.2f}")


def at_rate(server: Any, source: Any, track: Any, reading: Any) -> None:
    before = cpu(source, track)
    reading.send("begin")
    server.send("go")
    time.sleep(SECONDS_AT_RATE - 0.5)
    spent = [after - first for first, after in zip(before, cpu(source, track), strict=True)]
    reading.send("end")
    _, published, woken = reading.recv()
    for name, delays in (("into the shared book", published), ("until a reader has read it", woken)):
        microseconds = np.array(delays[RATE:]) / 1e3
        p50, p99 = np.percentile(microseconds, [50, 99])
        print(f"at {RATE:,}/s, {name}: p50 {p50:.0f} us, p99 {p99:.0f} us ({len(microseconds)} readings)")
    print(f"CPU seconds of {SECONDS_AT_RATE - 0.5}: data source {spent[0]:.2f}, tracker {spent[1]:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=96_000)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--levels", type=int, default=5)
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="uvloop")
    shared = "/dev/shm" if os.path.isdir("/dev/shm") else None
    run_dir = tempfile.mkdtemp(prefix="trochil-bench-", dir=shared)
    try:
        measure(parser.parse_args(), run_dir)
    finally:
        shutil.rmtree(run_dir)


if __name__ == "__main__":
    main()
