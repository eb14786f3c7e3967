"""The channel between two processes: messages per second, latency at a fixed rate, CPU per side."""

import asyncio
import multiprocessing as mp
import tempfile
import time
from typing import Any

import numpy as np
from common import show

from actors.channel import ChannelAddress, Publisher, Reset, Subscriber
from orderbook.messages import BookDiff, DataMessage

MESSAGES = {None: 200_000, 5000: 20_000, 1000: 5000}
LEVELS = (
    b'[["61737.63000000","0.00000000"],["61730.17000000","1.50000000"],'
    b'["56854.58000000","0.12345000"]]'
)


def receive(pipe: Any, n: int) -> None:
    async def main() -> None:
        async def locate() -> ChannelAddress:
            return endpoint

        endpoint = ChannelAddress(*pipe.recv())
        seen = []
        count = 0
        begun = 0.0
        async for batch in Subscriber(locate, DataMessage).batches():
            if isinstance(batch[0], Reset):
                pipe.send("joined")
                continue
            now = time.time_ns()
            begun = begun or time.perf_counter()
            seen += [now - envelope.time for envelope in batch]
            count += len(batch)
            if count >= n:
                break
        took = time.perf_counter() - begun
        pipe.send(
            (count / took, np.percentile(seen, [50, 99]) / 1e3, time.process_time() / n * 1e6)
        )

    asyncio.run(main())


async def send(pipe: Any, n: int, rate: int | None, folder: str) -> float:
    publisher = Publisher(f"{folder}/x.sock")
    await publisher.start()
    pipe.send((publisher.endpoint().path, publisher.endpoint().token))
    await asyncio.to_thread(pipe.recv)
    begun = time.perf_counter()
    cpu = time.process_time()
    for number in range(n):
        diff = BookDiff("BTCUSDT", LEVELS, LEVELS, number, number, 0)
        publisher.publish("BTC-USDT", diff, epoch=1, sequence=number, time=time.time_ns())
        if rate is None:
            if number % 50 == 0:
                await publisher.drain()
                await asyncio.sleep(0)
        elif (early := begun + number / rate - time.perf_counter()) > 0:
            await asyncio.sleep(early)
    used = (time.process_time() - cpu) / n * 1e6
    while not pipe.poll():
        await publisher.drain()
        await asyncio.sleep(0.001)
    await publisher.close()
    return used


def main() -> None:
    context = mp.get_context("spawn")
    rows = []
    for rate, n in MESSAGES.items():
        with tempfile.TemporaryDirectory(prefix="trochil-bench-") as folder:
            here, there = context.Pipe()
            process = context.Process(target=receive, args=(there, n))
            process.start()
            used = asyncio.run(send(here, n, rate, folder))
            held, (p50, p99), theirs = here.recv()
            process.join()
            rows.append(
                [rate or "as fast as it can", round(held), float(p50), float(p99), used, theirs]
            )
    columns = [
        "target messages/s",
        "held",
        "p50 us",
        "p99 us",
        "CPU us to send",
        "CPU us to receive, start included",
    ]
    show("Two processes, one Unix socket, msgpack", columns, rows)


if __name__ == "__main__":
    main()
