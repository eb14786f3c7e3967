"""The exchange socket against real websocket servers: frames, silence, ends, slow readers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from actors.transport.websocket import Backoff, ExchangeSocket
from orderbook.errors import Disconnected


def at_server(
    handler: Callable[[ServerConnection], Awaitable[None]], work: Callable[[str], Awaitable[None]]
) -> None:
    async def main() -> None:
        async with serve(handler, "127.0.0.1", 0, compression=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            await work(f"ws://127.0.0.1:{port}/x?token=hidden")

    asyncio.run(main())


def test_frames_arrive_as_bytes_through_the_decoder() -> None:
    async def handler(ws: ServerConnection) -> None:
        await ws.send("text")
        await ws.send(b"binary")
        assert await ws.recv() == "hello"
        await ws.send("done")

    async def work(url: str) -> None:
        async with ExchangeSocket(url, decode=bytes.upper) as socket:
            await socket.send("hello")
            found = [frame async for frame in take(socket, 3)]
        assert found == [b"TEXT", b"BINARY", b"DONE"]

    at_server(handler, work)


async def take(socket: ExchangeSocket, n: int) -> Any:
    async for frame in socket:
        yield frame
        n -= 1
        if not n:
            return


def test_the_end_of_a_connection_is_disconnected_without_its_query() -> None:
    async def handler(ws: ServerConnection) -> None:
        await ws.close(1012, "restart")

    async def work(url: str) -> None:
        async with ExchangeSocket(url) as socket:
            with pytest.raises(Disconnected, match="1012") as caught:
                async for _ in socket:
                    pass
        assert "hidden" not in str(caught.value)

    at_server(handler, work)


def test_silence_is_an_end_although_pings_are_answered() -> None:
    async def handler(ws: ServerConnection) -> None:
        await ws.send("one")
        for _ in range(20):
            await (await ws.ping())
            await asyncio.sleep(0.1)

    async def work(url: str) -> None:
        async with ExchangeSocket(url, stale_after=0.4) as socket:
            begun = asyncio.get_running_loop().time()
            with pytest.raises(Disconnected, match=r"no frame for 0\.4 s"):
                async for _ in socket:
                    pass
            assert 0.3 < asyncio.get_running_loop().time() - begun < 1.5

    at_server(handler, work)


def test_a_reader_that_waits_is_not_silence_and_slows_the_venue_down() -> None:
    sent = 0

    async def handler(ws: ServerConnection) -> None:
        nonlocal sent
        for _ in range(3000):
            await ws.send("x" * 10_000)
            sent += 1

    async def work(url: str) -> None:
        async with ExchangeSocket(url, stale_after=0.3) as socket:
            count = 0
            async for _ in socket:
                count += 1
                if count == 1:
                    await asyncio.sleep(1.0)
                    assert sent < 3000, "not reading must hold the venue up"
                if count == 3000:
                    break

    at_server(handler, work)


def test_application_pings_are_sent() -> None:
    received: list[Any] = []

    async def handler(ws: ServerConnection) -> None:
        received.append(await ws.recv())
        await ws.send("seen")

    async def work(url: str) -> None:
        async with ExchangeSocket(url, ping='{"op":"ping"}', ping_every=0.05) as socket:
            assert [frame async for frame in take(socket, 1)] == [b"seen"]
        assert received == ['{"op":"ping"}']

    at_server(handler, work)


def test_no_server_is_disconnected() -> None:
    async def main() -> None:
        with pytest.raises(Disconnected, match="no websocket"):
            async with ExchangeSocket("ws://127.0.0.1:1/x"):
                pass

    asyncio.run(main())


def test_waits_grow_until_a_connection_lasted() -> None:
    async def main() -> None:
        backoff = Backoff(initial=0.02, maximum=0.08, stable=1.0)
        loop = asyncio.get_running_loop()
        waits = []
        for _ in range(5):
            begun = loop.time()
            await backoff.wait()
            waits.append(loop.time() - begun)
        assert waits[0] < 0.06
        assert 0.03 < waits[-1] < 0.2
        backoff.lasted(2.0)
        begun = loop.time()
        await backoff.wait()
        assert loop.time() - begun < 0.06

    asyncio.run(main())
