"""What travels on a channel, and how a byte stream is cut into frames.

A frame is its length (4 bytes, little-endian) and plain msgpack. The first frame of a subscriber is
``[token, mode, topics]``; then it receives ``[topic, epoch, sequence, time, message]`` envelopes, where a message is an
array whose first item is its kind. In mode "changes" it receives lists of the topics that changed instead. A
subscriber may send topics back: requests.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import Any, Literal, cast

import msgspec

Mode = Literal["reliable", "stream", "changes"]
LARGEST_FRAME = 1 << 26
"""Bytes that a publisher's frame may have; a longer one ends the connection."""
LARGEST_REQUEST = 1 << 20
"""Bytes that a subscriber's frame may have, its first one included."""
FIRST_BUFFER = 1 << 18
_length = struct.Struct("<I")
_encode = msgspec.msgpack.Encoder(decimal_format="string").encode


class Hello(msgspec.Struct, array_like=True, frozen=True):
    """A subscriber's first frame."""

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
    """What follows doesn't join what came before: connected anew, connection lost, or cut for falling behind.

    ``missed``: messages that did not fit any more. ``connected``: whether messages follow.
    """

    reason: str
    missed: int = 0
    connected: bool = True


def framed(message: Any) -> bytes:
    """One frame, its length first."""
    body = _encode(message)
    return _length.pack(len(body)) + body


class FrameProtocol(asyncio.BufferedProtocol):
    """Cuts a byte stream into frames and hands over each read's whole frames at once.

    The frames are views that end with the call: decoders must copy what they keep.
    """

    def __init__(
        self,
        on_frames: Callable[[list[memoryview]], None],
        on_lost: Callable[[], None],
        largest: int,
    ) -> None:
        self._on_frames, self._on_lost, self._largest = on_frames, on_lost, largest
        self._buffer = bytearray(FIRST_BUFFER)
        self._filled = 0
        self._aborted = False
        self.transport: asyncio.Transport | None = None
        self.writable = asyncio.Event()
        self.writable.set()
        self.on_writable: Callable[[], None] = lambda: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports are none by class
        if self._aborted:
            self.transport.abort()

    @property
    def is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send, or drop what can't be sent any more: the other side learns of it by the lost connection."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def waiting(self) -> int:
        """Bytes that the socket has not taken yet."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    def abort(self) -> None:
        """End at once, what waits to be sent is lost; also before the connection was made."""
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
        frames, at, filled, unpack = [], 0, self._filled, _length.unpack_from
        while filled - at >= 4:
            (size,) = unpack(whole, at)
            if size > self._largest:
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
