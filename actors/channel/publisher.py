"""The publishing end of a channel: a Unix socket with a token.

Messages are batched: one write per subscriber and iteration of the event loop.
"""

import asyncio
import contextlib
import hmac
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from actors.channel.wire import (
    MAX_REQUEST_SIZE,
    Control,
    Envelope,
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
from orderbook.errors import ConfigError
from orderbook.messages import Trade

HIGH_WATER = 1 << 20
"""Unsent bytes of a reliable subscriber above which ``drain`` waits."""
LIMIT = 1 << 24
"""Unsent bytes above which a stream skips messages and a reliable subscriber is disconnected."""
NOTIFICATIONS_BUFFER = 1 << 14
"""Send buffer of a notifications subscriber, in bytes: small, so that names conflate before it."""
ACCEPT_TURNS = 3
"""Loop iterations for pending accepts to settle: asyncio leaks them when its server closes."""
HEARTBEAT_EVERY = 0.25
"""Seconds between two heartbeats."""
LOOK_EVERY = 0.05
"""Seconds between two looks whether heartbeats may be sent again."""
HELLO_TIMEOUT = 5.0
"""Seconds within which a subscriber must send its first frame."""


class Publisher:
    """Serves subscribers on a Unix socket.

    ``publish`` never waits; ``drain`` waits for reliable subscribers.
    """

    def __init__(
        self,
        path: str,
        on_request: Callable[[SnapshotRequest], None] = lambda request: None,
        *,
        token: str | None = None,
        high_water: int = HIGH_WATER,
        limit: int = LIMIT,
    ) -> None:
        """``on_request`` receives what subscribers request of the publisher itself.

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
        self._message_subscribers: dict[tuple[str, Kind], list[_Subscription]] = {}
        self._notification_subscribers: dict[str, list[_Subscription]] = {}  # by topic
        self._greetings: list[Callable[[], Iterable[tuple[str, Any]]]] = []
        self._image_topics: Callable[[], Iterable[str]] = tuple
        self._image_of: Callable[[str], Envelope | None] = lambda topic: None
        self._lives: Callable[[], bool] = lambda: True
        self._server: asyncio.Server | None = None
        self._bound = (0, 0)
        self._beating: asyncio.Task[None] | None = None
        self._flush_scheduled = False

    def endpoint(self) -> ChannelAddress:
        return self._address

    def greet_with(self, messages: Callable[[], Iterable[tuple[str, Any]]]) -> None:
        """Send these (topic, message) pairs first to every new subscriber of messages.

        Their sequence is the number of messages published so far.
        """
        self._greetings.append(messages)

    def serve_images(
        self, topics: Callable[[], Iterable[str]], image_of: Callable[[str], Envelope | None]
    ) -> None:
        """Give every subscriber of messages the image of each of its topics when it joins, when it
        asks, and after it missed messages."""
        self._image_topics = topics
        self._image_of = image_of

    def beat_while(self, lives: Callable[[], bool]) -> None:
        """Send heartbeats only while ``lives`` holds."""
        self._lives = lives

    async def start(self) -> None:
        """Listen. Raises ConfigError when the path can't be used."""
        if self._server is not None:
            return
        try:
            listener, self._bound = _private_socket(self._address.path)
        except OSError as error:
            raise ConfigError(
                f"no channel can listen at {self._address.path}: {error.strerror or error}"
            ) from None
        self._server = await asyncio.get_running_loop().create_unix_server(
            lambda: _Subscription(self).frames, sock=listener
        )
        self._beating = asyncio.create_task(self._beat(), name="channel heartbeat")

    async def close(self) -> None:
        """Stop listening and disconnect every subscriber; a no-op when not started."""
        server = self._server
        self._server = None
        if server is None:
            return
        if self._beating is not None:
            self._beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beating
        self._remove_path()
        for _ in range(ACCEPT_TURNS):
            await asyncio.sleep(0)
        server.close()
        for subscription in list(self._opened):
            subscription.close()

    def _remove_path(self) -> None:
        """Remove our socket's path, unless a successor listens there already."""
        with contextlib.suppress(OSError):
            if _identity(self._address.path) == self._bound:
                os.unlink(self._address.path)

    @property
    def is_listening(self) -> bool:
        return self._server is not None

    @property
    def subscribers(self) -> int:
        return len(self._subscriptions)

    def wants(self, topic: str, kind: Kind) -> bool:
        """Whether anybody receives such messages: what nobody asked for need not be made."""
        return bool(self._receivers(topic, kind))

    def publish(
        self, topic: str, message: Any, *, epoch: int = 0, sequence: int = 0, time: int = 0
    ) -> None:
        """Send ``message`` to the subscribers of ``topic``; an empty topic goes to all.

        Raises OverflowError where an integer has more than 64 bits; then nothing was published.
        """
        subscribers = self._receivers(topic, "trades" if type(message) is Trade else "book")
        frame = framed(Envelope(topic, epoch, sequence, time, message)) if subscribers else b""
        self.published += 1
        if not subscribers:
            return
        for subscription in subscribers:
            subscription.pending.append(frame)
        if not self._flush_scheduled:
            self._schedule_flush()

    def _receivers(self, topic: str, kind: Kind) -> "list[_Subscription]":
        found = self._message_subscribers.get((topic, kind))
        if found is None:
            found = [
                subscription
                for subscription in self._subscriptions
                if subscription.mode != "notifications" and subscription.wants(topic, kind)
            ]
            self._message_subscribers[topic, kind] = found
        return found

    async def _beat(self) -> None:
        while True:
            lives = self._lives()
            if lives:
                self.beat()
            await asyncio.sleep(HEARTBEAT_EVERY if lives else LOOK_EVERY)

    def beat(self) -> None:
        """Send a heartbeat to every subscriber that is not behind."""
        beat = self._heartbeat()
        for subscription in list(self._subscriptions):
            subscription.beat(beat)

    def _heartbeat(self) -> bytes:
        return framed(Envelope("", 0, self.published, 0, Heartbeat(time.monotonic_ns())))

    def images_for(self, subscription: "_Subscription", topics: Iterable[str]) -> list[bytes]:
        """The frames with which a subscriber of these topics begins."""
        wanted = dict.fromkeys(self._image_topics() if "*" in topics else topics)
        images = [self._image_of(topic) for topic in wanted if subscription.wants(topic, "book")]
        return [framed(image) for image in images if image is not None]

    def notify_changed(self, topic: str) -> None:
        """Notify the subscribers of notifications that ``topic`` changed."""
        subscribers = self._notification_subscribers.get(topic)
        if subscribers is None:
            subscribers = [
                subscription
                for subscription in self._subscriptions
                if subscription.mode == "notifications" and subscription.wants(topic, "book")
            ]
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
        self.topics_changed()
        if subscription.mode != "notifications":
            subscription.pending += [
                framed(Envelope(topic, 0, self.published, 0, message))
                for greeting in self._greetings
                for topic, message in greeting()
            ]
            subscription.pending += self.images_for(subscription, subscription.topics)
            subscription.flush()
        if self._lives():
            subscription.beat(self._heartbeat())

    def left(self, subscription: "_Subscription") -> None:
        self._opened.discard(subscription)
        self._subscriptions.discard(subscription)
        self.topics_changed()

    def topics_changed(self) -> None:
        """Who receives what is looked up again."""
        self._message_subscribers.clear()
        self._notification_subscribers.clear()


class _Subscription:
    """One subscriber, as the publisher holds it."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.frames = FrameProtocol(self._received, self._lost, MAX_REQUEST_SIZE)
        self.mode: Mode | None = None
        self.topics: frozenset[str] = frozenset()
        self._kinds: frozenset[Kind] = frozenset()
        self.pending: list[bytes] = []
        self.changed: dict[str, None] = {}
        self._missed = 0
        self._hello = asyncio.get_running_loop().call_later(HELLO_TIMEOUT, self.close)
        publisher.opened(self)

    def wants(self, topic: str, kind: Kind) -> bool:
        return not topic or (kind in self._kinds and ("*" in self.topics or topic in self.topics))

    def _received(self, frames: list[memoryview]) -> None:
        for frame in frames:
            try:
                control = _controls.decode(frame)
            except msgspec.DecodeError:
                self.close()
                return
            if self.mode is not None:
                self._obey(control)
            elif isinstance(control, Hello):
                self._greet(control)
            else:
                self.close()
                return

    def _greet(self, hello: Hello) -> None:
        self._hello.cancel()
        if not hmac.compare_digest(hello.token.encode(), self._publisher.endpoint().token.encode()):
            self.close()
            return
        self.mode = hello.mode
        self.topics = frozenset(hello.topics)
        self._kinds = frozenset(hello.kinds)
        self._limit_buffers()
        self.frames.on_writable = self.flush
        self._publisher.joined(self)

    def _obey(self, control: Control) -> None:
        publisher = self._publisher
        match control:
            case SnapshotRequest():
                publisher.on_request(control)
            case Subscribe(topics):
                self.topics |= frozenset(topics)
                publisher.topics_changed()
                self._send_images(topics)
            case Unsubscribe(topics):
                self.topics -= frozenset(topics)
                publisher.topics_changed()
            case ImageRequest(topic):
                self._send_images([topic])
            case Hello():
                self.close()

    def _send_images(self, topics: list[str]) -> None:
        """A full stream gets them when it has caught up."""
        if self.mode != "notifications" and self.frames.writable.is_set():
            self.pending += self._publisher.images_for(self, topics)
            self.flush()

    def beat(self, frame: bytes) -> None:
        """Whoever has not received what came before gets no heartbeat."""
        if not self.frames.writable.is_set():
            return
        if self.mode == "notifications":
            if not self.changed:
                self.frames.write(framed([]))
            return
        self.pending.append(frame)
        self.flush()

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
            # The messages that wait are in the images already.
            self._missed = 0
            images = self._publisher.images_for(self, self.topics)
            self.pending[:0] = [framed(Envelope("", 0, 0, 0, lagged)), *images]
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


_controls = msgspec.msgpack.Decoder(Control)


def _private_socket(path: str) -> tuple[socket.socket, tuple[int, int]]:
    """A bound socket that only its owner may connect to, and the identity of its path.

    It is put in the place of what a predecessor left, without a moment between the two.
    """
    new = f"{path}.{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        bound.bind(new)
        bound.listen()
        found = _identity(new)
        os.rename(new, path)
    except OSError:
        bound.close()
        raise
    finally:
        os.umask(before)
    return bound, found


def _identity(path: str) -> tuple[int, int]:
    """(device, inode) of what stands at a path."""
    found = os.lstat(path)
    return found.st_dev, found.st_ino
