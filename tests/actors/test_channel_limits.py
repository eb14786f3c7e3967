"""Slow subscribers: back-pressure, reported disconnects, conflation, bounded memory."""

import asyncio
import struct
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgpack

from actors.channel import Publisher, Reset
from actors.channel.subscriber import READ_AHEAD
from tests.support.channels import WITHIN, diff, publisher, run, subscriber, until


def test_a_reliable_subscriber_holds_its_publisher_up_and_loses_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with publisher(tmp_path, high_water=1 << 16) as serving:
            gate = asyncio.Event()
            seen = []

            async def read() -> None:
                async for batch in subscriber(serving).batches():
                    await gate.wait()
                    seen.extend(batch)

            reading = asyncio.create_task(read())
            await until(lambda: serving.subscribers == 1)
            sent = 0

            async def write() -> None:
                nonlocal sent
                for number in range(20_000):
                    serving.publish("A-B", diff(number, 500), sequence=number)
                    sent += 1
                    if number % 50 == 0:
                        await serving.drain()

            writing = asyncio.create_task(write())
            held = await stands_still(lambda: sent)
            # What fits: the subscriber's READ_AHEAD, the kernel's buffers and the high-water mark.
            assert READ_AHEAD < held < 20_000
            gate.set()
            await asyncio.wait_for(writing, WITHIN)
            await until(lambda: len(seen) == 20_001)
            assert [e.sequence for e in seen[1:]] == list(range(20_000))
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    run(main)


async def stands_still(count: Any) -> int:
    """The count once it no longer grows."""
    before = -1
    while before != count() or not count():
        before = count()
        await asyncio.sleep(0.2)
    return int(before)


def test_a_reliable_subscriber_that_nobody_waits_for_is_cut_at_the_limit(tmp_path: Path) -> None:
    async def main() -> None:
        async with publisher(tmp_path, limit=1 << 18) as serving:
            writer = await frozen(serving, "reliable")
            await until(lambda: serving.subscribers == 1)
            for number in range(1000):
                serving.publish("A-B", diff(number, 5000))
                await asyncio.sleep(0)
            await until(lambda: serving.subscribers == 0)
            assert serving.disconnected_slow == 1
            writer.close()

    run(main)


def test_a_slow_stream_is_cut_and_told_exactly_how_many_it_missed(tmp_path: Path) -> None:
    async def main() -> None:
        async with publisher(tmp_path, limit=1 << 18) as serving:
            gate = asyncio.Event()
            seen = []

            async def read() -> None:
                async for batch in subscriber(serving, mode="stream").batches():
                    await gate.wait()
                    seen.extend(batch)

            reading = asyncio.create_task(read())
            await until(lambda: serving.subscribers == 1)
            for number in range(20_000):
                serving.publish("A-B", diff(number, 500), sequence=number)
                if number % 100 == 0:
                    await asyncio.sleep(0)
            gate.set()

            def resets() -> list[Any]:
                return [item for item in seen if is_told(item)]

            # The Reset arrives as soon as it has caught up, also when nothing more is published.
            await until(resets)
            got = [e.sequence for e in seen[1:] if not is_told(e)]
            assert got == list(range(len(got)))
            assert resets()[0].message.missed == 20_000 - len(got) > 0
            serving.publish("A-B", diff(1), sequence=77)
            await until(lambda: seen[-1].sequence == 77)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    run(main)


def is_told(item: Any) -> bool:
    return not isinstance(item, Reset) and isinstance(item.message, Reset)


def test_memory_for_readers_that_stopped_reading_is_bounded(tmp_path: Path) -> None:
    async def main() -> None:
        async with publisher(tmp_path, limit=1 << 18) as serving:
            writers = [await frozen(serving, mode) for mode in ("stream", "notifications")]
            await until(lambda: serving.subscribers == 2)
            for number in range(5_000):
                serving.publish("A-B", diff(number, 2000))
                serving.notify_changed(f"topic{number % 1000}")
                if number % 20 == 0:
                    await asyncio.sleep(0)
            waiting = [
                s.frames.waiting() + sum(map(len, s.pending)) for s in serving._subscriptions
            ]
            assert all(held < 2 * (1 << 18) for held in waiting)
            assert all(len(s.changed) <= 1000 for s in serving._subscriptions)
            for writer in writers:
                writer.close()

    run(main)


async def frozen(serving: Publisher, mode: str) -> asyncio.StreamWriter:
    """A subscriber that sends its first frame and never reads."""
    _, writer = await asyncio.open_unix_connection(serving.endpoint().path, limit=1 << 10)
    hello = msgpack.packb([1, serving.endpoint().token, mode, ["*"], ["book", "trades"]])
    writer.write(struct.pack("<I", len(hello)) + hello)
    return writer


def test_changes_of_a_thousand_topics_come_as_sets_of_names(tmp_path: Path) -> None:
    """One wake-up stands for many updates; the last update of every topic is never missed."""

    async def main() -> None:
        async with publisher(tmp_path) as serving:
            topics = [f"T{number}-USD" for number in range(1000)]
            version = dict.fromkeys(topics, 0)
            known = dict.fromkeys(topics, 0)
            names = 0
            gate = asyncio.Event()

            async def follow() -> None:
                nonlocal names
                async for batch in subscriber(serving, mode="notifications").batches():
                    await gate.wait()
                    if isinstance(batch[0], Reset):
                        continue
                    (changed,) = batch
                    assert len(changed) == len(set(changed))
                    names += len(changed)
                    known.update({topic: version[topic] for topic in changed})

            following = asyncio.create_task(follow())
            await until(lambda: serving.subscribers == 1)
            for _ in range(50):
                for topic in topics:
                    version[topic] += 1
                    serving.notify_changed(topic)
                await asyncio.sleep(0)
            gate.set()
            await until(lambda: known == version)
            assert names <= 10 * len(topics)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    run(main)


def test_changes_wake_at_once_when_quiet(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            publisher(tmp_path) as serving,
            aclosing(subscriber(serving, ["A"], "notifications").batches()) as batches,
        ):
            await anext(batches)
            await until(lambda: serving.subscribers == 1)
            for _ in range(3):
                serving.notify_changed("B")
                serving.notify_changed("A")
                assert await asyncio.wait_for(anext(batches), WITHIN) == [["A"]]

    run(main)
