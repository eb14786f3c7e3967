"""The wire format of a channel, and the protocol that splits a byte stream into frames.

A frame is its length (4 bytes, little-endian) and plain msgpack. The first frame of a subscriber is
``[token, mode, topics]``; then it receives ``[topic, epoch, sequence, time, message]`` envelopes,
where a message is an array whose first item is its type. In mode "notifications" it receives lists
of the topics that changed instead. A subscriber may send requests to the publisher, as
``[topic, after]``.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import Any, Literal, cast

import msgspec

Mode = Literal["reliable", "stream", "notifications"]
MAX_FRAME_SIZE = 1 << 26
"""Maximum size of a publisher's frame, in bytes; a longer one ends the connection."""
MAX_REQUEST_SIZE = 1 << 20
"""Maximum size of a subscriber's frame, in bytes, its first one included."""
INITIAL_BUFFER = 1 << 18
_length = struct.Struct("<I")
_encode = msgspec.msgpack.Encoder(decimal_format="string").encode


class Hello(msgspec.Struct, array_like=True, frozen=True):
    """A subscriber's first frame."""

    token: str
    mode: Mode
    topics: list[str]


class Request(msgspec.Struct, array_like=True, frozen=True):
    """A subscriber asks for something on a topic.

    ``after``: sequence of the last message that it had processed; 0: unknown.
    """

    topic: str
    after: int = 0


class Envelope(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A ``message`` on a topic, with our own epoch and sequence and its receive time (ns)."""

    topic: str
    epoch: int
    sequence: int
    time: int
    message: Any


class Reset(msgspec.Struct, array_like=True, frozen=True, tag_field="kind", tag=90):
    """The sequence of messages was interrupted: connected, disconnected, or fell behind.

    ``missed``: messages that were skipped. ``connected``: whether messages follow.
    """

    reason: str
    missed: int = 0
    connected: bool = True


def framed(message: Any) -> bytes:
    """One frame, its length first."""
    body = _encode(message)
    return _length.pack(len(body)) + body


class FrameProtocol(asyncio.BufferedProtocol):
    """Splits a byte stream into frames and passes the complete frames of each read at once.

    The frames are views, valid only during the call: decoders must copy what they keep.
    """

    def __init__(
        self,
        on_frames: Callable[[list[memoryview]], None],
        on_lost: Callable[[], None],
        max_size: int,
    ) -> None:
        self._on_frames = on_frames
        self._on_lost = on_lost
        self._max_size = max_size
        self._buffer = bytearray(INITIAL_BUFFER)
        self._filled = 0
        self._aborted = False
        self.transport: asyncio.Transport | None = None
        self.writable = asyncio.Event()
        self.writable.set()
        self.on_writable: Callable[[], None] = lambda: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio.Transport.
        self.transport = cast(asyncio.Transport, transport)
        if self._aborted:
            self.transport.abort()

    @property
    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send; dropped after a disconnect, which the other side notices by itself."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def waiting(self) -> int:
        """Bytes not written to the socket yet."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    def abort(self) -> None:
        """Disconnect at once and drop unsent bytes; also before the connection was made."""
        self._aborted = True
        if self.transport is not None:
            self.transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._filled == len(self._buffer):
            self._buffer.extend(bytes(len(self._buffer)))
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        whole = memoryview(self._buffer)
        frames = []
        at = 0
        filled = self._filled
        unpack = _length.unpack_from
        while filled - at >= 4:
            (size,) = unpack(whole, at)
            if size > self._max_size:
                self.abort()
                return
            if at + 4 + size > filled:
                break
            frames.append(whole[at + 4 : at + 4 + size])
            at += 4 + size
        if frames:
            self._on_frames(frames)
        if at:
            whole[: filled - at] = bytes(whole[at:filled])
            self._filled = filled - at

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.writable.set()
        self._on_lost()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()
        self.on_writable()
