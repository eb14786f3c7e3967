"""Closings 1000 to 4000, 1006, a half-open socket, text that is no UTF-8 (bmoscon/cryptofeed #308).

(Also LUCIT-Systems-and-Development/unicorn-binance-websocket-api #113 #354 #351.) Right: each ends
in Disconnected with a reason, soon.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from actors.socket import ExchangeSocket
from orderbook.errors import Disconnected
from tests.known_faults.lab import load


def end_of(
    handler: Callable[[ServerConnection], Awaitable[None]], **options: Any
) -> tuple[list[bytes], str, float]:
    """(frames, the reason of Disconnected, seconds)"""

    async def main() -> tuple[list[bytes], str, float]:
        frames: list[bytes] = []
        began = time.monotonic()
        async with serve(handler, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            try:
                async with ExchangeSocket(f"ws://127.0.0.1:{port}/", **options) as socket:
                    async for frame in socket:
                        frames.append(frame)
            except Disconnected as error:
                return frames, str(error), time.monotonic() - began
        return frames, "", time.monotonic() - began

    return asyncio.run(main())


@pytest.mark.parametrize(("code", "reason"), load(__file__)["closings"])
def test_a_closing_is_told_after_the_frames_before_it(code: int, reason: str) -> None:
    async def close(socket: ServerConnection) -> None:
        await socket.send('{"a":1}')
        await socket.close(code, reason)

    frames, why, _ = end_of(close)
    assert why
    assert frames == [b'{"a":1}']


def test_a_cut_without_a_closing_is_told() -> None:
    async def cut(socket: ServerConnection) -> None:
        await socket.send("1")
        socket.transport.abort()

    frames, why, _ = end_of(cut)
    assert why
    assert frames == [b"1"]


@pytest.mark.slow
def test_a_silent_socket_that_answers_pings_is_told() -> None:
    async def say_nothing(socket: ServerConnection) -> None:
        await asyncio.sleep(8)

    _, why, seconds = end_of(say_nothing, stale_after=2.0)
    assert why
    assert seconds < 4


@pytest.mark.slow
def test_text_that_is_no_utf_8_is_told() -> None:
    async def say_bytes(socket: ServerConnection) -> None:
        await socket.send(b"\xff\xfe{}", text=True)
        await asyncio.sleep(0.5)

    _, why, _ = end_of(say_bytes, stale_after=2.0)
    assert why
