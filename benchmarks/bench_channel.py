"""What the channel carries between two processes: envelopes a second at full speed, and latency at 5,000 a second.

Run: python benchmarks/bench_channel.py [--messages N] [--loop asyncio|uvloop]
"""

import argparse
import asyncio
import multiprocessing
import os
import tempfile
import time
from typing import Any

import numpy as np

from actors.channel import Endpoint, Publisher, Reset, Subscriber
from orderbook.messages import BookDiff, DataMessage, Layout

TOPICS = [f"PAIR{number}-USDT" for number in range(50)]
LEVELS = np.arange(20.0).tobytes()
RATE = 5_000
DRAIN_EVERY = 64


def run(main: Any, loop: str) -> None:
    if loop == "uvloop":
        import uvloop

        uvloop.run(main)
    else:
        asyncio.run(main)


def serve(pipe: Any, messages: int, loop: str) -> None:
    """Publish on command: as fast as a reliable subscriber takes it, then at a steady rate."""

    async def main() -> None:
        publisher = Publisher(os.path.join(tempfile.mkdtemp(prefix="trochil-bench-"), "c.sock"))
        joined = asyncio.Event()
        publisher.greet_with(lambda: joined.set() or [])  # type: ignore[func-returns-value]
        await publisher.start()
        pipe.send((publisher.endpoint().path, publisher.endpoint().token))
        await joined.wait()
        spent = time.process_time()
        for number in range(messages):
            publisher.publish(TOPICS[number % 50], diff(number), time=time.time_ns())
            if number % DRAIN_EVERY == 0:
                await publisher.drain()
                await asyncio.sleep(0)
        pipe.send(time.process_time() - spent)
        await asyncio.to_thread(pipe.recv)
        start = time.perf_counter()
        for number in range(RATE * 3):
            while (wait := start + number / RATE - time.perf_counter()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(wait if wait > 0.001 else 0)
            publisher.publish(TOPICS[number % 50], diff(number), time=time.time_ns())
        await asyncio.to_thread(pipe.recv)
        await publisher.close()

    run(main(), loop)


def diff(number: int) -> BookDiff:
    return BookDiff("SYMBOL", LEVELS, LEVELS, number, number, 0, Layout.PACKED)


async def measure(endpoint: Endpoint, messages: int, pipe: Any) -> None:
    async def locate() -> Endpoint:
        return endpoint

    batches = Subscriber(locate, DataMessage).batches()
    await anext(batches)
    spent, start, count = time.process_time(), time.perf_counter(), 0
    while count < messages:
        count += sum(not isinstance(item, Reset) for item in await anext(batches))
    took, spent = time.perf_counter() - start, time.process_time() - spent
    served = pipe.recv()
    print(
        f"full speed: {messages / took:,.0f} envelopes/s; CPU a message: publisher {served / messages * 1e6:.1f} us,"
        f" subscriber {spent / messages * 1e6:.1f} us"
    )
    pipe.send("latency")
    delays: list[int] = []
    while len(delays) < RATE * 3:
        batch, now = await anext(batches), time.time_ns()
        delays += [now - envelope.time for envelope in batch]
    microseconds = np.array(delays[RATE:]) / 1e3
    p50, p99 = np.percentile(microseconds, [50, 99])
    print(f"at {RATE:,}/s: p50 {p50:.0f} us, p99 {p99:.0f} us, max {microseconds.max():.0f} us")
    pipe.send("end")
    await batches.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="uvloop")
    given = parser.parse_args()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, given.messages, given.loop))
    server.start()
    run(measure(Endpoint(*ours.recv()), given.messages, ours), given.loop)
    server.join()


if __name__ == "__main__":
    main()
