"""The reading end of a channel: finds its publisher, reads batches, and says when they don't join."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any

import msgspec

from actors.channel.wire import LARGEST_FRAME, FrameProtocol, Hello, Mode, Reset, framed
from actors.component import ChannelAddress
from orderbook.errors import TrochilError

RETRY_AFTER = 0.05
"""Seconds until the first new try to connect; they double, up to RETRY_AT_MOST."""
RETRY_AT_MOST = 0.5
READ_AHEAD = 4096
"""Messages that a subscriber holds before it stops reading its socket; in mode "changes" names merge instead."""


class Subscriber:
    """Reads one publisher for ever: finds it by ``locate``, connects, connects again."""

    def __init__(
        self,
        locate: Callable[[], Awaitable[ChannelAddress]],
        messages: Any,
        *,
        topics: Iterable[str] = ("*",),
        mode: Mode = "reliable",
    ) -> None:
        """``messages``: the union of message types to decode."""
        self._locate, self._mode, self._topics = locate, mode, list(topics)
        self._decode = _decoder(mode, messages)
        self._frames: FrameProtocol | None = None

    def request(self, topic: str) -> None:
        """Send a topic back to the publisher; nothing when not connected (a Reset tells, then and after)."""
        if self._frames is not None:
            self._frames.write(framed(topic))

    async def batches(self) -> AsyncIterator[list[Any]]:
        """Lists of Envelopes (mode "changes": one list of topics). Each connection begins, and ends, with ``[Reset]``.

        Never ends by itself. Why there is no connection stands in the next Reset's reason.
        """
        reason, wait = "connected", RETRY_AFTER
        while True:
            try:
                endpoint = await self._locate()
                async with aclosing(self._read(endpoint, reason)) as batches:
                    async for batch in batches:
                        yield batch
                reason, wait = "the publisher went away", RETRY_AFTER
                yield [Reset(reason, connected=False)]
            except (TrochilError, OSError) as error:
                reason, wait = f"{type(error).__name__}: {error}", min(wait * 2, RETRY_AT_MOST)
            await asyncio.sleep(wait)

    async def _read(self, endpoint: ChannelAddress, reason: str) -> AsyncGenerator[list[Any], None]:
        inbox = _Inbox(self._decode, self._mode)
        await asyncio.get_running_loop().create_unix_connection(lambda: inbox.frames, endpoint.path)
        self._frames = inbox.frames
        try:
            inbox.frames.write(framed(Hello(endpoint.token, self._mode, self._topics)))
            yield [Reset(reason)]
            while batch := await inbox.take():
                yield batch
        finally:
            self._frames = None
            inbox.frames.abort()


class _Inbox:
    """What arrived on one connection and was not taken yet."""

    def __init__(self, decode: Callable[[Any], Any], mode: Mode) -> None:
        self._decode = decode
        self.frames = FrameProtocol(
            self._conflate if mode == "changes" else self._collect, self._end, LARGEST_FRAME
        )
        self._arrived: list[Any] = []
        self._names: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._ended = self._paused = False

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
        """What arrived since the last time, once there is any; empty when the connection ended."""
        while not (self._arrived or self._names or self._ended):
            self._wake.clear()
            await self._wake.wait()
        batch, self._arrived = self._arrived, []
        if self._names:
            batch, self._names = [list(self._names)], {}
        if self._paused and self.frames.is_open:
            assert self.frames.transport is not None
            self.frames.transport.resume_reading()
            self._paused = False
        return batch


def _decoder(mode: Mode, messages: Any) -> Callable[[Any], Any]:
    if mode == "changes":
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
