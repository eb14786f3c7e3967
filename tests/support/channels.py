"""A publisher and its subscribers, for tests of the channel."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

from actors.channel import ChannelAddress, Publisher, Subscriber
from orderbook.messages import BookDiff, DataMessage

WITHIN = 10.0


def run(main: Callable[[], Coroutine[Any, Any, None]], within: float = 2 * WITHIN) -> None:
    asyncio.run(asyncio.wait_for(main(), within))


def diff(number: int, size: int = 20) -> BookDiff:
    return BookDiff("S", b"x" * size, b"", number, number)


@asynccontextmanager
async def publisher(folder: Path, **options: Any) -> AsyncIterator[Publisher]:
    serving = Publisher(f"{folder}/c.sock", **options)
    await serving.start()
    try:
        yield serving
    finally:
        await serving.close()


def subscriber(
    serving: Publisher, topics: Iterable[str] = ("*",), mode: Any = "reliable"
) -> Subscriber:
    async def locate() -> ChannelAddress:
        return serving.endpoint()

    return Subscriber(locate, DataMessage, topics=topics, mode=mode)


async def until(condition: Any, within: float = WITHIN) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.002)


async def collect(reading: Subscriber, count: int) -> list[Any]:
    """The next ``count`` items, Resets included."""
    items: list[Any] = []
    async with asyncio.timeout(WITHIN), aclosing(reading.batches()) as batches:
        async for batch in batches:
            items += batch
            if len(items) >= count:
                return items
    return items
