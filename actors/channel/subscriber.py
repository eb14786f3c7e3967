"""The subscribing end of a channel: locates its publisher, reads batches, reports interruptions."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any

import msgspec

from actors.channel.wire import (
    MAX_FRAME_SIZE,
    FrameProtocol,
    Hello,
    Mode,
    Request,
    Reset,
    framed,
)
from actors.component import ChannelAddress
from orderbook.errors import TrochilError

INITIAL_RETRY = 0.05
"""Seconds until the first attempt to reconnect; they double, up to MAX_RETRY."""
MAX_RETRY = 0.5
READ_AHEAD = 4096
"""Messages held before a subscriber stops reading its socket; notifications conflate instead."""


class Subscriber:
    """Reads one publisher until cancelled: locates it, connects, reconnects."""

    def __init__(
        self,
        locate: Callable[[], Awaitable[ChannelAddress]],
        messages: Any,
        *,
        topics: Iterable[str] = ("*",),
        mode: Mode = "reliable",
    ) -> None:
        """``locate`` finds the publisher's address. ``messages``: the union of types to decode."""
        self._locate = locate
        self._mode = mode
        self._topics = list(topics)
        self._decode = _decoder(mode, messages)
        self._frames: FrameProtocol | None = None

    def request(self, topic: str, after: int = 0) -> None:
        """Send a topic to the publisher's ``on_request``; dropped while not connected.

        ``after``: sequence of the last message that was processed; 0: unknown.
        A Reset before and after marks the time without a connection.
        """
        if self._frames is not None:
            self._frames.write(framed(Request(topic, after)))

    async def batches(self) -> AsyncIterator[list[Any]]:
        """Lists of Envelopes; in mode "notifications", one list of topics.

        Each connection begins and ends with ``[Reset]``, whose reason says why there was no
        connection. Runs until cancelled.
        """
        reason = "connected"
        wait = INITIAL_RETRY
        while True:
            try:
                address = await self._locate()
                async with aclosing(self._read(address, reason)) as batches:
                    async for batch in batches:
                        yield batch
                reason = "the publisher went away"
                wait = INITIAL_RETRY
                yield [Reset(reason, connected=False)]
            except (TrochilError, OSError) as error:
                reason = f"{type(error).__name__}: {error}"
                wait = min(wait * 2, MAX_RETRY)
            await asyncio.sleep(wait)

    async def _read(self, address: ChannelAddress, reason: str) -> AsyncGenerator[list[Any], None]:
        inbox = _Inbox(self._decode, self._mode)
        await asyncio.get_running_loop().create_unix_connection(lambda: inbox.frames, address.path)
        self._frames = inbox.frames
        try:
            inbox.frames.write(framed(Hello(address.token, self._mode, self._topics)))
            yield [Reset(reason)]
            while batch := await inbox.take():
                yield batch
        finally:
            self._frames = None
            inbox.frames.abort()


class _Inbox:
    """Messages received on one connection and not taken yet."""

    def __init__(self, decode: Callable[[Any], Any], mode: Mode) -> None:
        self._decode = decode
        on_frames = self._conflate if mode == "notifications" else self._collect
        self.frames = FrameProtocol(on_frames, self._end, MAX_FRAME_SIZE)
        self._arrived: list[Any] = []
        self._names: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._ended = False
        self._paused = False

    def _collect(self, frames: list[memoryview]) -> None:
        self._arrived.extend(map(self._decode, frames))
        self._wake.set()
        if len(self._arrived) > READ_AHEAD and not self._paused and self.frames.is_open:
            assert self.frames.transport is not None
            self.frames.transport.pause_reading()
            self._paused = True

    def _conflate(self, frames: list[memoryview]) -> None:
        for frame in frames:
            self._names.update(dict.fromkeys(self._decode(frame)))
        self._wake.set()

    def _end(self) -> None:
        self._ended = True
        self._wake.set()

    async def take(self) -> list[Any]:
        """Everything received since the last call, once there is any; empty after a disconnect."""
        while not (self._arrived or self._names or self._ended):
            self._wake.clear()
            await self._wake.wait()
        batch = self._arrived
        self._arrived = []
        if self._names:
            batch = [list(self._names)]
            self._names = {}
        if self._paused and self.frames.is_open:
            assert self.frames.transport is not None
            self.frames.transport.resume_reading()
            self._paused = False
        return batch


def _decoder(mode: Mode, messages: Any) -> Callable[[Any], Any]:
    if mode == "notifications":
        return msgspec.msgpack.Decoder(list[str]).decode
    kind = msgspec.defstruct(
        "Envelope",
        [
            ("topic", str),
            ("epoch", int),
            ("sequence", int),
            ("time", int),
            ("message", messages | Reset),
        ],
        array_like=True,
        frozen=True,
        gc=False,
    )
    return msgspec.msgpack.Decoder(kind).decode
