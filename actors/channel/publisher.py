"""The serving end of a channel: a Unix socket, a token, and one write a subscriber and turn of the loop."""

import asyncio
import hmac
import os
import secrets
import socket
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from actors.channel.wire import LARGEST_REQUEST, Envelope, FrameProtocol, Hello, Mode, Reset, framed
from actors.component import ChannelAddress
from orderbook.errors import ConfigError

HIGH_WATER = 1 << 20
"""Bytes waiting for a reliable subscriber above which ``drain`` holds its caller up."""
LIMIT = 1 << 24
"""Bytes waiting above which a subscriber is cut: a stream until it caught up, a reliable one for good."""
CHANGES_BUFFER = 1 << 14
"""Bytes of names that the kernel may hold for a subscriber of changes: what is older was conflated before."""
ACCEPT_TURNS = 3
"""Turns of the loop in which connections that are being accepted settle: asyncio leaks them when its server closes."""
HELLO_TIMEOUT = 5.0
"""Seconds within which a subscriber must have said who it is."""


class Publisher:
    """Serves subscribers on a Unix socket. ``publish`` never waits; ``drain`` does, for reliable subscribers."""

    def __init__(
        self,
        path: str,
        on_request: Callable[[str], None] = lambda topic: None,
        *,
        token: str | None = None,
        high_water: int = HIGH_WATER,
        limit: int = LIMIT,
    ) -> None:
        """``on_request`` gets the topics that subscribers send back. ``high_water`` and ``limit`` in bytes."""
        self._endpoint = ChannelAddress(path, token or secrets.token_hex(16))
        self.on_request, self.high_water, self.limit = on_request, high_water, limit
        self.published = self.cut = 0
        self._opened: set[_Subscription] = set()
        self._subscriptions: set[_Subscription] = set()
        self._readers: dict[str, list[_Subscription]] = {}
        self._watchers: dict[str, list[_Subscription]] = {}
        self._greetings: list[Callable[[], Iterable[tuple[str, Any]]]] = []
        self._server: asyncio.Server | None = None
        self._flush_asked = False

    def endpoint(self) -> ChannelAddress:
        return self._endpoint

    def greet_with(self, messages: Callable[[], Iterable[tuple[str, Any]]]) -> None:
        """What every new subscriber (but those of changes) is sent first: (topic, message) pairs."""
        self._greetings.append(messages)

    async def start(self) -> None:
        """Listen. Raises ConfigError when the path can't be used."""
        if self._server is not None:
            return
        try:
            listener = _private_socket(self._endpoint.path)
        except OSError as error:
            raise ConfigError(
                f"no channel can listen at {self._endpoint.path}: {error.strerror or error}"
            ) from None
        self._server = await asyncio.get_running_loop().create_unix_server(
            lambda: _Subscription(self).frames, sock=listener
        )

    async def close(self) -> None:
        """Stop listening and drop every subscriber; nothing when not started."""
        server, self._server = self._server, None
        if server is None:
            return
        if os.path.exists(self._endpoint.path):
            os.unlink(self._endpoint.path)
        for _ in range(ACCEPT_TURNS):
            await asyncio.sleep(0)
        server.close()
        for subscription in list(self._opened):
            subscription.close()

    @property
    def is_listening(self) -> bool:
        return self._server is not None

    @property
    def subscribers(self) -> int:
        return len(self._subscriptions)

    @property
    def has_readers(self) -> bool:
        """Whether anybody takes messages, not only names of what changed."""
        return any(subscription.mode != "changes" for subscription in self._subscriptions)

    def publish(
        self, topic: str, message: Any, *, epoch: int = 0, sequence: int = 0, time: int = 0
    ) -> None:
        """Send ``message`` to who subscribed to ``topic``; an empty topic goes to all."""
        self.published += 1
        readers = self._readers.get(topic)
        if readers is None:
            readers = self._readers[topic] = self._who(topic, changes=False)
        if not readers:
            return
        frame = framed(Envelope(topic, epoch, sequence, time, message))
        for subscription in readers:
            subscription.pending.append(frame)
        if not self._flush_asked:
            self._ask_flush()

    def mark(self, topic: str) -> None:
        """Say that ``topic`` changed, to subscribers of changes."""
        watchers = self._watchers.get(topic)
        if watchers is None:
            watchers = self._watchers[topic] = self._who(topic, changes=True)
        for subscription in watchers:
            subscription.changed[topic] = None
        if watchers and not self._flush_asked:
            self._ask_flush()

    async def drain(self) -> None:
        """Wait while a reliable subscriber is behind: the one way that reading slows writing down."""
        self._flush()
        for subscription in list(self._subscriptions):
            if subscription.mode == "reliable":
                await subscription.frames.writable.wait()

    def _who(self, topic: str, changes: bool) -> "list[_Subscription]":
        return [
            s for s in self._subscriptions if (s.mode == "changes") is changes and s.wants(topic)
        ]

    def _ask_flush(self) -> None:
        self._flush_asked = True
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_asked = False
        for subscription in list(self._subscriptions):
            subscription.flush()

    def opened(self, subscription: "_Subscription") -> None:
        self._opened.add(subscription)
        if not self.is_listening:
            subscription.close()  # accepted while we closed

    def joined(self, subscription: "_Subscription") -> None:
        self._subscriptions.add(subscription)
        self._forget_who()
        if subscription.mode != "changes":
            said = [entry for greeting in self._greetings for entry in greeting()]
            subscription.pending += [
                framed(Envelope(topic, 0, 0, 0, message)) for topic, message in said
            ]
            subscription.flush()

    def left(self, subscription: "_Subscription") -> None:
        self._opened.discard(subscription)
        self._subscriptions.discard(subscription)
        self._forget_who()

    def _forget_who(self) -> None:
        self._readers.clear()
        self._watchers.clear()


class _Subscription:
    """The publisher's side of one subscriber."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.frames = FrameProtocol(self._received, self._lost, LARGEST_REQUEST)
        self.mode: Mode | None = None
        self._topics: frozenset[str] = frozenset()
        self.pending: list[bytes] = []
        self.changed: dict[str, None] = {}
        self._missed = 0
        self._hello = asyncio.get_running_loop().call_later(HELLO_TIMEOUT, self.close)
        publisher.opened(self)

    def wants(self, topic: str) -> bool:
        return not topic or "*" in self._topics or topic in self._topics

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
        if not hmac.compare_digest(hello.token.encode(), self._publisher.endpoint().token.encode()):
            self.close()
            return
        self.mode, self._topics = hello.mode, frozenset(hello.topics)
        self._limit_buffers()
        self.frames.on_writable = self.flush
        self._publisher.joined(self)

    def _limit_buffers(self) -> None:
        transport, publisher = self.frames.transport, self._publisher
        if transport is None:
            return
        if self.mode == "changes":
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, CHANGES_BUFFER
            )
            transport.set_write_buffer_limits(high=0)
        else:
            transport.set_write_buffer_limits(
                high=publisher.high_water if self.mode == "reliable" else publisher.limit
            )

    def flush(self) -> None:
        """Hand what waits to the socket, in one write; count what has no room there."""
        if self.mode == "changes":
            if self.changed and self.frames.writable.is_set():
                names = list(self.changed)
                self.changed.clear()
                self.frames.write(framed(names))
            return
        if self.mode == "stream" and not self.frames.writable.is_set():
            self._missed += len(self.pending)
        elif self._missed:
            lagged = Reset("fell behind: read again from a snapshot", self._missed)
            self.pending.insert(0, framed(Envelope("", 0, 0, 0, lagged)))
            self._missed = 0
            self._write()
        elif self.pending:
            self._write()
        self.pending.clear()

    def _write(self) -> None:
        self.frames.write(b"".join(self.pending))
        if self.mode == "reliable" and self.frames.waiting() > self._publisher.limit:
            self._publisher.cut += 1
            self.close()

    def close(self) -> None:
        self.frames.abort()

    def _lost(self) -> None:
        self._hello.cancel()
        self._publisher.left(self)


def _private_socket(path: str) -> socket.socket:
    """A bound socket that only its owner may connect to, in the place of one that a dead process left."""
    if os.path.exists(path):
        os.unlink(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        bound.bind(path)
    except OSError:
        bound.close()
        raise
    finally:
        os.umask(before)
    return bound
