"""The publishing end of a channel: a Unix socket with a token.

Messages are batched: one write per subscriber and iteration of the event loop.
"""

import asyncio
import hmac
import os
import secrets
import socket
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from actors.channel.wire import (
    MAX_REQUEST_SIZE,
    Envelope,
    FrameProtocol,
    Hello,
    Mode,
    Request,
    Reset,
    framed,
)
from actors.component import ChannelAddress
from orderbook.errors import ConfigError

HIGH_WATER = 1 << 20
"""Unsent bytes of a reliable subscriber above which ``drain`` waits."""
LIMIT = 1 << 24
"""Unsent bytes above which a stream skips messages and a reliable subscriber is disconnected."""
NOTIFICATIONS_BUFFER = 1 << 14
"""Send buffer of a notifications subscriber, in bytes: small, so that names conflate before it."""
ACCEPT_TURNS = 3
"""Loop iterations for pending accepts to settle: asyncio leaks them when its server closes."""
HELLO_TIMEOUT = 5.0
"""Seconds within which a subscriber must send its first frame."""


class Publisher:
    """Serves subscribers on a Unix socket.

    ``publish`` never waits; ``drain`` waits for reliable subscribers.
    """

    def __init__(
        self,
        path: str,
        on_request: Callable[[str, int], None] = lambda topic, after: None,
        *,
        token: str | None = None,
        high_water: int = HIGH_WATER,
        limit: int = LIMIT,
    ) -> None:
        """``on_request`` receives the topics that subscribers request, and the sequence of the last
        message that each had processed (0: unknown).

        ``high_water`` and ``limit`` in bytes.
        """
        self._address = ChannelAddress(path, token or secrets.token_hex(16))
        self.on_request = on_request
        self.high_water = high_water
        self.limit = limit
        self.published = 0
        self.disconnected_slow = 0
        self._opened: set[_Subscription] = set()
        self._subscriptions: set[_Subscription] = set()
        self._message_subscribers: dict[str, list[_Subscription]] = {}  # by topic
        self._notification_subscribers: dict[str, list[_Subscription]] = {}  # by topic
        self._greetings: list[Callable[[], Iterable[tuple[str, Any]]]] = []
        self._server: asyncio.Server | None = None
        self._flush_scheduled = False

    def endpoint(self) -> ChannelAddress:
        return self._address

    def greet_with(self, messages: Callable[[], Iterable[tuple[str, Any]]]) -> None:
        """Send these (topic, message) pairs first to every new subscriber of messages.

        Their sequence is the number of messages published so far.
        """
        self._greetings.append(messages)

    async def start(self) -> None:
        """Listen. Raises ConfigError when the path can't be used."""
        if self._server is not None:
            return
        try:
            listener = _private_socket(self._address.path)
        except OSError as error:
            raise ConfigError(
                f"no channel can listen at {self._address.path}: {error.strerror or error}"
            ) from None
        self._server = await asyncio.get_running_loop().create_unix_server(
            lambda: _Subscription(self).frames, sock=listener
        )

    async def close(self) -> None:
        """Stop listening and disconnect every subscriber; a no-op when not started."""
        server = self._server
        self._server = None
        if server is None:
            return
        if os.path.exists(self._address.path):
            os.unlink(self._address.path)
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
    def has_message_subscribers(self) -> bool:
        """Whether any subscriber receives messages, not only notifications."""
        return any(subscription.mode != "notifications" for subscription in self._subscriptions)

    def publish(
        self, topic: str, message: Any, *, epoch: int = 0, sequence: int = 0, time: int = 0
    ) -> None:
        """Send ``message`` to the subscribers of ``topic``; an empty topic goes to all."""
        self.published += 1
        subscribers = self._message_subscribers.get(topic)
        if subscribers is None:
            subscribers = self._subscribers_of(topic, notifications=False)
            self._message_subscribers[topic] = subscribers
        if not subscribers:
            return
        frame = framed(Envelope(topic, epoch, sequence, time, message))
        for subscription in subscribers:
            subscription.pending.append(frame)
        if not self._flush_scheduled:
            self._schedule_flush()

    def notify_changed(self, topic: str) -> None:
        """Notify the subscribers of notifications that ``topic`` changed."""
        subscribers = self._notification_subscribers.get(topic)
        if subscribers is None:
            subscribers = self._subscribers_of(topic, notifications=True)
            self._notification_subscribers[topic] = subscribers
        for subscription in subscribers:
            subscription.changed[topic] = None
        if subscribers and not self._flush_scheduled:
            self._schedule_flush()

    async def drain(self) -> None:
        """Wait while a reliable subscriber is behind: the only back-pressure on the publisher."""
        self._flush()
        for subscription in list(self._subscriptions):
            if subscription.mode == "reliable":
                await subscription.frames.writable.wait()

    def _subscribers_of(self, topic: str, notifications: bool) -> "list[_Subscription]":
        return [
            subscription
            for subscription in self._subscriptions
            if (subscription.mode == "notifications") is notifications and subscription.wants(topic)
        ]

    def _schedule_flush(self) -> None:
        self._flush_scheduled = True
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_scheduled = False
        for subscription in list(self._subscriptions):
            subscription.flush()

    def opened(self, subscription: "_Subscription") -> None:
        self._opened.add(subscription)
        if not self.is_listening:
            subscription.close()  # accepted while we closed

    def joined(self, subscription: "_Subscription") -> None:
        self._subscriptions.add(subscription)
        self._clear_caches()
        if subscription.mode != "notifications":
            subscription.pending += [
                framed(Envelope(topic, 0, self.published, 0, message))
                for greeting in self._greetings
                for topic, message in greeting()
            ]
            subscription.flush()

    def left(self, subscription: "_Subscription") -> None:
        self._opened.discard(subscription)
        self._subscriptions.discard(subscription)
        self._clear_caches()

    def _clear_caches(self) -> None:
        self._message_subscribers.clear()
        self._notification_subscribers.clear()


class _Subscription:
    """One subscriber, as the publisher holds it."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.frames = FrameProtocol(self._received, self._lost, MAX_REQUEST_SIZE)
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
                    request = msgspec.msgpack.decode(frame, type=Request)
                    self._publisher.on_request(request.topic, request.after)
            except msgspec.DecodeError:
                self.close()
                return

    def _greet(self, hello: Hello) -> None:
        self._hello.cancel()
        if not hmac.compare_digest(hello.token.encode(), self._publisher.endpoint().token.encode()):
            self.close()
            return
        self.mode = hello.mode
        self._topics = frozenset(hello.topics)
        self._limit_buffers()
        self.frames.on_writable = self.flush
        self._publisher.joined(self)

    def _limit_buffers(self) -> None:
        transport = self.frames.transport
        publisher = self._publisher
        if transport is None:
            return
        if self.mode == "notifications":
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, NOTIFICATIONS_BUFFER
            )
            transport.set_write_buffer_limits(high=0)
        else:
            transport.set_write_buffer_limits(
                high=publisher.high_water if self.mode == "reliable" else publisher.limit
            )

    def flush(self) -> None:
        """Write pending messages to the socket at once; count those that a full stream misses."""
        if self.mode == "notifications":
            if self.changed and self.frames.writable.is_set():
                names = list(self.changed)
                self.changed.clear()
                self.frames.write(framed(names))
            return
        if self.mode == "stream" and not self.frames.writable.is_set():
            self._missed += len(self.pending)
        elif self._missed:
            lagged = Reset("fell behind: start again from a snapshot", self._missed)
            self.pending.insert(0, framed(Envelope("", 0, 0, 0, lagged)))
            self._missed = 0
            self._write()
        elif self.pending:
            self._write()
        self.pending.clear()

    def _write(self) -> None:
        self.frames.write(b"".join(self.pending))
        if self.mode == "reliable" and self.frames.waiting() > self._publisher.limit:
            self._publisher.disconnected_slow += 1
            self.close()

    def close(self) -> None:
        self.frames.abort()

    def _lost(self) -> None:
        self._hello.cancel()
        self._publisher.left(self)


def _private_socket(path: str) -> socket.socket:
    """A bound socket that only its owner may connect to; replaces one that a dead process left."""
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
