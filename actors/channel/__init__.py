"""The data plane between the actors of one node: msgpack frames over a Unix socket.

Channels are authenticated and bounded, and no message is lost silently. Three subscription modes:

* ``reliable``: the publisher's ``drain`` waits for it; past ``limit`` unsent bytes it is
  disconnected.
* ``stream``: never delays the publisher; past ``limit`` it misses messages, and receives a
  ``Reset`` with their number and the images of its topics once it has caught up.
* ``notifications``: the names of topics that changed, each once however often it changed since
  the last batch.

Messages of a topic are of two kinds, "book" and "trades"; a subscriber names the kinds and topics
that it wants, and may change its topics. Where a publisher has images, every topic begins with one.
A heartbeat goes to every subscriber four times a second, behind all that was published before it.

Every new connection and every disconnect is a ``Reset`` among the batches: after it, start again
from a snapshot.
"""

from actors.channel.publisher import HIGH_WATER, LIMIT, Publisher
from actors.channel.subscriber import Subscriber
from actors.channel.wire import Envelope, Heartbeat, Kind, Mode, Reset, SnapshotRequest
from actors.component import ChannelAddress

__all__ = [
    "HIGH_WATER",
    "LIMIT",
    "ChannelAddress",
    "Envelope",
    "Heartbeat",
    "Kind",
    "Mode",
    "Publisher",
    "Reset",
    "SnapshotRequest",
    "Subscriber",
]
