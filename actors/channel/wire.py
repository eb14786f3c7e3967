"""The wire format of a channel, and the protocol that splits a byte stream into frames.

A frame is its length (4 bytes, little-endian) and plain msgpack. A subscriber sends controls,
arrays whose first item is their type: ``Hello`` first, then ``Subscribe``, ``Unsubscribe``,
``ImageRequest`` and ``SnapshotRequest``. It receives ``[topic, epoch, sequence, time, message]``
envelopes, where a message is an array whose first item is its type; in mode "notifications" lists
of the topics that changed instead, where an empty list is a heartbeat.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import Any, Literal, cast

import msgspec

Mode = Literal["reliable", "stream", "notifications"]
Kind = Literal["book", "trades"]
"""A topic's messages are of two kinds: who falls behind with one misses nothing of the other."""
KINDS: tuple[Kind, ...] = ("book", "trades")
MAX_FRAME_SIZE = 1 << 26
"""Maximum size of a publisher's frame, in bytes; a longer one ends the connection."""
MAX_REQUEST_SIZE = 1 << 20
"""Maximum size of a subscriber's frame, in bytes, its first one included."""
INITIAL_BUFFER = 1 << 18
_length = struct.Struct("<I")
_encode = msgspec.msgpack.Encoder(decimal_format="string").encode


class Hello(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """A subscriber's first frame. Topic "*" stands for all."""

    token: str
    mode: Mode
    topics: list[str]
    kinds: list[Kind]


class Subscribe(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """These topics too, each beginning with its image where the publisher has one."""

    topics: list[str]


class Unsubscribe(msgspec.Struct, array_like=True, frozen=True, tag=3):
    topics: list[str]


class ImageRequest(msgspec.Struct, array_like=True, frozen=True, tag=4):
    """The topic's image, again."""

    topic: str


class SnapshotRequest(msgspec.Struct, array_like=True, frozen=True, tag=5):
    """A tracker asks its data source for a snapshot of a pair.

    ``after``: sequence of the last message that it had processed; 0: unknown. ``levels_left``: of a
    book that is in order and asks for levels farther out, how many it still has; -1: of one that
    waits for its snapshot.
    """

    topic: str
    after: int = 0
    levels_left: int = -1


Control = Hello | Subscribe | Unsubscribe | ImageRequest | SnapshotRequest


class Envelope(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A ``message`` on a topic, with our own epoch and sequence and its receive time (ns)."""

    topic: str
    epoch: int
    sequence: int
    time: int
    message: Any


class Heartbeat(msgspec.Struct, array_like=True, frozen=True, tag_field="kind", tag=91):
    """The publisher lives, and this subscriber has received all that it published before.

    ``sent_at``: CLOCK_MONOTONIC in ns; publisher and subscriber are on one node. The envelope's
    sequence is the number of messages published so far.
    """

    sent_at: int


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
