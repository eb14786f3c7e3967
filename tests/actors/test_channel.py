"""The channel between actors: order, authentication, requests, losing and finding a publisher."""

import asyncio
import os
import socket
import stat
import struct
from contextlib import aclosing
from pathlib import Path

import msgpack
import pytest

from actors.channel import ChannelAddress, Publisher, Reset, SnapshotRequest, Subscriber
from actors.channel.wire import MAX_REQUEST_SIZE, Heartbeat
from orderbook.errors import ConfigError, NotReady
from orderbook.messages import DataMessage, FeedInterrupted, Side, Trade
from tests.support.channels import WITHIN, collect, diff, publisher, run, subscriber, until


def test_messages_arrive_whole_and_in_order_on_their_topics(tmp_path: Path) -> None:
    async def main() -> None:
        async with publisher(tmp_path) as serving:
            both = asyncio.create_task(collect(subscriber(serving), 2001))
            one = asyncio.create_task(collect(subscriber(serving, ["A-B"]), 1001))
            await until(lambda: serving.subscribers == 2)
            for number in range(1000):
                for topic in ("A-B", "C-D"):
                    serving.publish(topic, diff(number, number), epoch=3, sequence=number, time=7)
            first, *everything = await both
            assert first == Reset("connected")
            assert [e.sequence for e in everything if e.topic == "C-D"] == list(range(1000))
            _, *own = await one
            assert [(e.topic, e.epoch, e.time, e.message) for e in own] == [
                ("A-B", 3, 7, diff(number, number)) for number in range(1000)
            ]

    run(main)


def test_a_turn_of_the_loop_is_one_write(tmp_path: Path) -> None:
    """What is published together arrives together, as one batch."""

    async def main() -> None:
        async with (
            publisher(tmp_path) as serving,
            aclosing(subscriber(serving).batches()) as batches,
        ):
            await anext(batches)
            await until(lambda: serving.subscribers == 1)
            for number in range(100):
                serving.publish("A-B", diff(number))
            assert len(await anext(batches)) == 100

    run(main)


def test_frames_are_plain_msgpack(tmp_path: Path) -> None:
    """Any msgpack library reads and writes them: length, then array."""

    async def main() -> None:
        async with publisher(tmp_path) as serving:
            where = serving.endpoint()
            reader, writer = await asyncio.open_unix_connection(where.path)
            hello = msgpack.packb([1, where.token, "stream", ["*"], ["book", "trades"]])
            writer.write(struct.pack("<I", len(hello)) + hello)
            await until(lambda: serving.subscribers == 1)
            trade = Trade("S", "9", Side.BUY, 1.5, 2.0, 11)
            for message in (diff(4), trade, FeedInterrupted("S", "gone")):
                serving.publish("A-B", message, epoch=1, sequence=2, time=3)
            found = []
            while len(found) < 3:
                (size,) = struct.unpack("<I", await reader.readexactly(4))
                frame = msgpack.unpackb(await reader.readexactly(size))
                if frame[4][0] != Heartbeat.__struct_config__.tag:
                    found.append(frame)
            assert found == [
                ["A-B", 1, 2, 3, [2, "S", b"x" * 20, b"", 4, 4, 0, 0, -1, None]],
                ["A-B", 1, 2, 3, [3, "S", "9", "buy", 1.5, 2.0, 11, 0]],
                ["A-B", 1, 2, 3, [6, "S", "gone", False]],
            ]
            writer.close()
            await writer.wait_closed()

    run(main)


@pytest.mark.parametrize(
    "first",
    [
        msgpack.packb([1, "0" * 32, "stream", ["*"], ["book"]]),
        msgpack.packb([1, "é" * 16, "stream", ["*"], ["book"]]),
        msgpack.packb("hello"),
        b"\xc1",
        b"",
    ],
    ids=["wrong token", "not ascii", "no array", "no msgpack", "nothing"],
)
def test_who_does_not_know_the_token_is_cut_and_hears_nothing(tmp_path: Path, first: bytes) -> None:
    async def main() -> None:
        async with publisher(tmp_path) as serving:
            serving.greet_with(lambda: [("", FeedInterrupted("S", "a secret"))])
            reader, writer = await asyncio.open_unix_connection(serving.endpoint().path)
            writer.write(struct.pack("<I", len(first)) + first)
            assert await rest_of(reader) == b""
            assert serving.subscribers == 0
            writer.close()

    run(main)


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the other side ends it, in peace or not."""
    async with asyncio.timeout(WITHIN):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


def test_a_frame_too_long_for_a_request_is_not_read(tmp_path: Path) -> None:
    async def main() -> None:
        async with publisher(tmp_path) as serving:
            reader, writer = await asyncio.open_unix_connection(serving.endpoint().path)
            writer.write(struct.pack("<I", MAX_REQUEST_SIZE + 1) + b"x")
            assert await rest_of(reader) == b""
            writer.close()

    run(main)


def test_only_its_owner_may_open_the_socket_and_its_repr_hides_the_token(tmp_path: Path) -> None:
    async def main() -> None:
        async with publisher(tmp_path) as serving:
            where = serving.endpoint()
            assert stat.S_IMODE(os.stat(where.path).st_mode) == 0o600
            assert where.token not in repr(where)
        assert not os.path.exists(where.path)

    run(main)


def test_a_path_that_can_not_be_used_is_a_setting_to_mend(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(ConfigError, match="no channel can listen"):
            await Publisher(f"{tmp_path}/nowhere/c.sock").start()

    run(main)


def test_requests_travel_back(tmp_path: Path) -> None:
    async def main() -> None:
        requested: list[SnapshotRequest] = []
        async with publisher(tmp_path, on_request=requested.append) as serving:
            reading = subscriber(serving)
            reading.request("TOO-EARLY")
            async with aclosing(reading.batches()) as batches:
                await anext(batches)
                reading.request("A-B")
                reading.request("C-D", after=7)
                expected = [SnapshotRequest("A-B"), SnapshotRequest("C-D", after=7)]
                await until(lambda: requested == expected)

    run(main)


def test_who_joins_is_greeted_first(tmp_path: Path) -> None:
    async def main() -> None:
        async with publisher(tmp_path) as serving:
            serving.greet_with(lambda: [("", FeedInterrupted("S", "a greeting"))])
            items = await collect(subscriber(serving, ["A-B"]), 2)
            assert [items[0], items[1].message] == [
                Reset("connected"),
                FeedInterrupted("S", "a greeting"),
            ]

    run(main)


def test_losing_the_publisher_is_told_at_once_and_finding_it_again_too(tmp_path: Path) -> None:
    async def main() -> None:
        first = Publisher(f"{tmp_path}/1.sock")
        await first.start()
        here = [first]

        async def locate() -> ChannelAddress:
            if not here:
                raise NotReady("it is restarting")
            return here[0].endpoint()

        async with (
            asyncio.timeout(WITHIN),
            aclosing(Subscriber(locate, DataMessage).batches()) as batches,
        ):
            assert await anext(batches) == [Reset("connected")]
            here.clear()
            await first.close()
            assert await anext(batches) == [Reset("the publisher went away", connected=False)]
            second = Publisher(f"{tmp_path}/2.sock")
            await second.start()
            here.append(second)
            again = await anext(batches)
            assert [type(again[0]), again[0].connected] == [Reset, True]
            await second.close()

    run(main)


def test_a_publisher_takes_the_place_of_a_dead_one(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "c.sock"
        path.touch()
        async with publisher(tmp_path) as serving:
            items = asyncio.create_task(collect(subscriber(serving), 2))
            await until(lambda: serving.subscribers == 1)
            serving.publish("A-B", diff(1))
            assert (await items)[1].message == diff(1)

    run(main)


def test_a_frame_larger_than_every_buffer_arrives(tmp_path: Path) -> None:
    async def main() -> None:
        async with publisher(tmp_path) as serving:
            items = asyncio.create_task(collect(subscriber(serving), 3))
            await until(lambda: serving.subscribers == 1)
            serving.publish("A-B", diff(1, 5_000_000))
            serving.publish("A-B", diff(2))
            _, large, small = await items
            assert (large.message, small.message) == (diff(1, 5_000_000), diff(2))

    run(main)


def test_a_publisher_that_ends_leaves_the_path_of_its_successor(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"

    async def main() -> None:
        old = Publisher(str(path))
        new = Publisher(str(path))
        await old.start()
        await new.start()
        assert path.stat().st_mode & 0o077 == 0
        await old.close()
        _, writer = await asyncio.open_unix_connection(path)
        writer.close()
        await new.close()
        assert not path.exists()
        assert list(tmp_path.iterdir()) == []

    run(main)


def test_a_socket_that_a_dead_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async def main() -> None:
        async with publisher(tmp_path):
            _, writer = await asyncio.open_unix_connection(path)
            writer.close()

    run(main)
