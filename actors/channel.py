"""The data plane between the actors of one node: msgpack frames over a Unix socket, authenticated, bounded.

A frame is its length (4 bytes, little-endian) and a msgpack array. The first frame of a subscriber is
``[token, mode, topics]``. Then it receives ``[topic, epoch, sequence, time, message]`` envelopes, where a message is an
array whose first item is its kind; in mode "changes" it receives lists of the topics that changed, each as soon as it
can take one, however many updates a name stands for. A subscriber may send topics back: requests.
"""

import asyncio
import hmac
import os
import secrets
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Literal, cast

import msgspec

from actors.component import Endpoint
from orderbook.errors import ConfigError, Disconnected, NotReady

__all__ = ["Endpoint", "Envelope", "Publisher", "Reset", "Subscriber"]
Mode = Literal["reliable", "stream", "changes"]
HIGH_WATER = 1 << 20
"""Bytes waiting for a reliable subscriber above which ``drain`` holds its caller up."""
LIMIT = 1 << 24
"""Bytes waiting for any other subscriber above which it is cut off, until it caught up and was told what it missed."""
HELLO_TIMEOUT = 5.0
RETRY_AFTER = 0.05
READ_AHEAD = 4096
"""Messages that a reliable subscriber holds before it stops reading its socket."""
LARGEST_HELLO = 1 << 20
_length = struct.Struct("<I")
_encode = msgspec.msgpack.Encoder(decimal_format="string").encode


class Hello(msgspec.Struct, array_like=True, frozen=True):
    token: str
    mode: Mode
    topics: list[str]


class Envelope(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What travels: ``message`` on a topic, with our own epoch and sequence, and the time (ns) it came in."""

    topic: str
    epoch: int
    sequence: int
    time: int
    message: Any


class Reset(msgspec.Struct, array_like=True, frozen=True, tag_field="kind", tag=90):
    """What follows doesn't join what came before: connected anew, or cut for falling behind by ``missed``."""

    reason: str
    missed: int = 0


class _Frames(asyncio.BufferedProtocol):
    """Cuts a byte stream into frames and hands over each read's whole frames at once."""

    def __init__(self, on_frames: Callable[[list[memoryview]], None], on_lost: Callable[[], None]) -> None:
        self._on_frames, self._on_lost = on_frames, on_lost
        self._buffer = bytearray(1 << 18)
        self._filled = 0
        self.transport: asyncio.Transport | None = None
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports are none by class

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._filled == len(self._buffer):
            self._buffer.extend(bytes(len(self._buffer)))
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        view = memoryview(self._buffer)
        frames, at = [], 0
        while self._filled - at >= 4:
            end = at + 4 + _length.unpack_from(self._buffer, at)[0]
            if end > self._filled:
                break
            frames.append(view[at + 4 : end])
            at = end
        if frames:
            self._on_frames(frames)
        rest = bytes(view[at : self._filled])
        frames.clear()
        view.release()
        if at:
            # The handed-out views are gone: decoders copied what they keep.
            self._buffer[: len(rest)] = rest
            self._filled = len(rest)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.writable.set()
        self._on_lost()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()


class _Subscription:
    """The publisher's side of one subscriber."""

    def __init__(self, publisher: "Publisher") -> None:
        self._publisher = publisher
        self.frames = _Frames(self._received, self._lost)
        self.mode: Mode | None = None
        self.topics: frozenset[str] = frozenset()
        self.dirty: dict[str, None] = {}
        self.pending: list[bytes] = []
        self.missed = 0
        self._hello = asyncio.get_running_loop().call_later(HELLO_TIMEOUT, self.close)

    def wants(self, topic: str) -> bool:
        return not topic or "*" in self.topics or topic in self.topics

    def _received(self, frames: list[memoryview]) -> None:
        for frame in frames:
            try:
                if self.mode is None:
                    self._greet(msgspec.msgpack.decode(frame, type=Hello))
                else:
                    self._publisher.on_request(msgspec.msgpack.decode(frame, type=str))
            except msgspec.DecodeError:
                self.close()
                return

    def _greet(self, hello: Hello) -> None:
        self._hello.cancel()
        if not hmac.compare_digest(hello.token, self._publisher.endpoint().token):
            self.close()
            return
        self.mode, self.topics = hello.mode, frozenset(hello.topics)
        if self.frames.transport is not None:
            self.frames.transport.set_write_buffer_limits(high=HIGH_WATER)
        self._publisher._joined(self)

    def flush(self) -> None:
        """Hand what waits to the socket, in one write."""
        transport = self.frames.transport
        if transport is None or transport.is_closing():
            self.pending.clear()
            return
        if self.mode == "changes":
            if self.dirty and self.frames.writable.is_set() and not transport.get_write_buffer_size():
                transport.write(_framed(list(self.dirty)))
                self.dirty.clear()
            return
        waiting = transport.get_write_buffer_size()
        if self.mode == "stream" and waiting > LIMIT:
            self.missed += len(self.pending)
        elif self.missed and waiting <= LIMIT // 2:
            lagged = Reset("fell behind: read again from a snapshot", self.missed + len(self.pending))
            transport.write(_framed(Envelope("", 0, 0, 0, lagged)))
            self.missed = 0
        elif self.missed:
            self.missed += len(self.pending)
        else:
            transport.write(b"".join(self.pending))
        self.pending.clear()

    def close(self) -> None:
        if self.frames.transport is not None:
            self.frames.transport.abort()

    def _lost(self) -> None:
        self._hello.cancel()
        self._publisher._left(self)


def _framed(message: Any) -> bytes:
    body = _encode(message)
    return _length.pack(len(body)) + body


class Publisher:
    """Serves subscribers on a Unix socket. ``publish`` never waits; writes leave once a turn of the loop."""

    def __init__(self, path: str, on_request: Callable[[str], None] = lambda topic: None) -> None:
        self.on_request = on_request
        self._endpoint = Endpoint(path, secrets.token_hex(16))
        self._subscriptions: set[_Subscription] = set()
        self._joined_callbacks: list[Callable[[], Iterable[tuple[str, Any]]]] = []
        self._server: asyncio.Server | None = None
        self._flush_asked = False
        self.published = 0

    def endpoint(self) -> Endpoint:
        return self._endpoint

    def greet_with(self, messages: Callable[[], Iterable[tuple[str, Any]]]) -> None:
        """What every new subscriber (but those of mode "changes") is sent first: (topic, message) pairs."""
        self._joined_callbacks.append(messages)

    async def start(self) -> None:
        path = self._endpoint.path
        if os.path.exists(path):
            os.unlink(path)
        before = os.umask(0o177)
        try:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(lambda: _Subscription(self).frames, path)
        except OSError as error:
            raise ConfigError(f"no channel can listen at {path}: {error.strerror}") from None
        finally:
            os.umask(before)

    async def close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for subscription in list(self._subscriptions):
            subscription.close()
        self._server = None
        if os.path.exists(self._endpoint.path):
            os.unlink(self._endpoint.path)

    @property
    def subscribers(self) -> int:
        return len(self._subscriptions)

    @property
    def has_readers(self) -> bool:
        """Whether anybody takes messages, not only names of what changed."""
        return any(subscription.mode != "changes" for subscription in self._subscriptions)

    def publish(self, topic: str, message: Any, *, epoch: int = 0, sequence: int = 0, time: int = 0) -> None:
        """Send ``message`` to who subscribed to ``topic``; an empty topic goes to all."""
        self.published += 1
        frame = None
        for subscription in self._subscriptions:
            if subscription.mode != "changes" and subscription.wants(topic):
                if frame is None:
                    frame = _framed(Envelope(topic, epoch, sequence, time, message))
                subscription.pending.append(frame)
        if frame is not None:
            self._ask_flush()

    def mark(self, topic: str) -> None:
        """Say that ``topic`` changed, to subscribers of mode "changes"."""
        for subscription in self._subscriptions:
            if subscription.mode == "changes" and subscription.wants(topic):
                subscription.dirty[topic] = None
                self._ask_flush()

    async def drain(self) -> None:
        """Wait while a reliable subscriber is behind: the one way that reading slows writing down."""
        self._flush()
        for subscription in [s for s in self._subscriptions if s.mode == "reliable"]:
            if not subscription.frames.writable.is_set():
                await subscription.frames.writable.wait()

    def _ask_flush(self) -> None:
        if not self._flush_asked:
            self._flush_asked = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_asked = False
        again = False
        for subscription in list(self._subscriptions):
            if subscription.pending or subscription.dirty:
                subscription.flush()
                again = again or bool(subscription.dirty)
        if again and not self._flush_asked:
            self._flush_asked = True
            asyncio.get_running_loop().call_later(0.001, self._flush)

    def _joined(self, subscription: _Subscription) -> None:
        self._subscriptions.add(subscription)
        if subscription.mode == "changes":
            return
        for messages in self._joined_callbacks:
            subscription.pending += [_framed(Envelope(topic, 0, 0, 0, said)) for topic, said in messages()]
        self._ask_flush()

    def _left(self, subscription: _Subscription) -> None:
        self._subscriptions.discard(subscription)


class Subscriber:
    """Reads one publisher for ever: finds it by ``locate``, connects, connects again."""

    def __init__(
        self,
        locate: Callable[[], Awaitable[Endpoint]],
        messages: Any,
        *,
        topics: Iterable[str] = ("*",),
        mode: Mode = "reliable",
    ) -> None:
        """``messages``: the union of message types to decode."""
        self._locate, self._mode, self._topics = locate, mode, list(topics)
        self._decode = _decoder(mode, messages)
        self._frames: _Frames | None = None

    def request(self, topic: str) -> None:
        """Send a topic back to the publisher; nothing when not connected (a Reset comes then)."""
        transport = self._frames.transport if self._frames is not None else None
        if transport is not None and not transport.is_closing():
            transport.write(_framed(topic))

    async def batches(self) -> AsyncIterator[list[Any]]:
        """Lists of Envelopes (mode "changes": of topics). Each new connection begins with ``[Reset]``."""
        reason = "connected"
        while True:
            try:
                endpoint = await self._locate()
                async for batch in self._read(endpoint, reason):
                    yield batch
                reason = "the publisher went away"
            except (Disconnected, NotReady, OSError) as error:
                reason = str(error)
            await asyncio.sleep(RETRY_AFTER)

    async def _read(self, endpoint: Endpoint, reason: str) -> AsyncIterator[list[Any]]:
        arrived: list[Any] = []
        wake, loop = asyncio.Event(), asyncio.get_running_loop()
        lost, paused = False, [False]

        def received(frames: list[memoryview]) -> None:
            arrived.extend(map(self._decode, frames))
            wake.set()
            if self._mode == "reliable" and len(arrived) > READ_AHEAD and own.transport is not None and not paused[0]:
                own.transport.pause_reading()
                paused[0] = True

        def gone() -> None:
            nonlocal lost
            lost = True
            wake.set()

        own = _Frames(received, gone)
        transport, _ = await loop.create_unix_connection(lambda: own, endpoint.path)
        self._frames = own
        try:
            transport.write(_framed(Hello(endpoint.token, self._mode, self._topics)))
            yield [Reset(reason)]
            while not lost or arrived:
                await wake.wait()
                wake.clear()
                batch, arrived[:] = list(arrived), []
                if paused[0] and not lost and not transport.is_closing():
                    transport.resume_reading()
                    paused[0] = False
                if batch:
                    yield batch
        finally:
            self._frames = None
            transport.abort()


def _decoder(mode: Mode, messages: Any) -> Callable[[Any], Any]:
    if mode == "changes":
        return msgspec.msgpack.Decoder(list[str]).decode
    kind = msgspec.defstruct(
        "Envelope",
        [("topic", str), ("epoch", int), ("sequence", int), ("time", int), ("message", messages | Reset)],
        array_like=True,
        frozen=True,
        gc=False,
    )
    return msgspec.msgpack.Decoder(kind).decode
