"""The subscribing end of a channel: locates its publisher, reads batches, reports interruptions."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any

import msgspec

from actors.channel.wire import (
    KINDS,
    MAX_FRAME_SIZE,
    Control,
    FrameProtocol,
    Heartbeat,
    Hello,
    ImageRequest,
    Kind,
    Mode,
    Reset,
    SnapshotRequest,
    Subscribe,
    Unsubscribe,
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
        kinds: Iterable[Kind] = KINDS,
        heartbeats: bool = False,
        fatal: tuple[type[TrochilError], ...] = (),
    ) -> None:
        """``locate`` finds the publisher's address. ``messages``: the union of types to decode.

        ``heartbeats``: whether the batches have them too. ``fatal``: errors of ``locate`` that end
        the subscription; after others it is tried again.
        """
        self._fatal = fatal
        self._locate = locate
        self._mode = mode
        self._topics = dict.fromkeys(topics)
        self._kinds = list(kinds)
        self._heartbeats = heartbeats
        self._decode = _decoder(mode, messages)
        self._frames: FrameProtocol | None = None

    def request(self, topic: str, after: int = 0, levels_left: int = -1) -> None:
        """Ask the publisher for a snapshot of the topic; dropped while not connected.

        A Reset before and after marks the time without a connection.
        """
        self._tell(SnapshotRequest(topic, after, levels_left))

    def subscribe(self, topics: Iterable[str]) -> None:
        """These topics too, from now on; each begins with its image, if there is one."""
        added = list(topics)
        self._topics |= dict.fromkeys(added)
        self._tell(Subscribe(added))

    def unsubscribe(self, topics: Iterable[str]) -> None:
        gone = list(topics)
        for topic in gone:
            self._topics.pop(topic, None)
        self._tell(Unsubscribe(gone))

    def request_image(self, topic: str) -> None:
        """The topic's image, again; dropped while not connected: connecting brings it."""
        self._tell(ImageRequest(topic))

    def disconnect(self) -> None:
        """Leave this publisher and locate it again."""
        if self._frames is not None:
            self._frames.abort()

    def _tell(self, control: Control) -> None:
        if self._frames is not None:
            self._frames.write(framed(control))

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
            except self._fatal:
                raise
            except (TrochilError, OSError) as error:
                reason = f"{type(error).__name__}: {error}"
                wait = min(wait * 2, MAX_RETRY)
            await asyncio.sleep(wait)

    async def _read(self, address: ChannelAddress, reason: str) -> AsyncGenerator[list[Any], None]:
        inbox = _Inbox(self._decode, self._mode, self._heartbeats)
        await asyncio.get_running_loop().create_unix_connection(lambda: inbox.frames, address.path)
        self._frames = inbox.frames
        try:
            hello = Hello(address.token, self._mode, list(self._topics), self._kinds)
            inbox.frames.write(framed(hello))
            yield [Reset(reason)]
            while batch := await inbox.take():
                yield batch
        finally:
            self._frames = None
            inbox.frames.abort()


class _Inbox:
    """Messages received on one connection and not taken yet."""

    def __init__(self, decode: Callable[[Any], Any], mode: Mode, heartbeats: bool) -> None:
        self._decode = decode
        self._heartbeats = heartbeats
        on_frames = self._conflate if mode == "notifications" else self._collect
        self.frames = FrameProtocol(on_frames, self._end, MAX_FRAME_SIZE)
        self._arrived: list[Any] = []
        self._names: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._ended = False
        self._paused = False

    def _collect(self, frames: list[memoryview]) -> None:
        arrived = list(map(self._decode, frames))
        if not self._heartbeats:
            arrived = [one for one in arrived if type(one.message) is not Heartbeat]
        if not arrived:
            return
        self._arrived += arrived
        self._wake.set()
        if len(self._arrived) > READ_AHEAD and not self._paused and self.frames.is_open:
            assert self.frames.transport is not None
            self.frames.transport.pause_reading()
            self._paused = True

    def _conflate(self, frames: list[memoryview]) -> None:
        for frame in frames:
            self._names.update(dict.fromkeys(self._decode(frame)))
        if self._names:
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
            ("message", messages | Reset | Heartbeat),
        ],
        array_like=True,
        frozen=True,
        gc=False,
    )
    return msgspec.msgpack.Decoder(kind).decode
