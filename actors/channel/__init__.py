"""The data plane between the actors of one node: msgpack frames over a Unix socket, authenticated, bounded.

Nothing is lost in silence. Three ways to subscribe:

* ``reliable``: the publisher's ``drain`` waits for it; one that nobody waits for is cut off past ``limit``.
* ``stream``: never holds anybody up; past ``limit`` it misses messages, and is told how many once it caught up.
* ``changes``: names of the topics that changed, each once however often it changed since the last reading.

Every new connection, and every loss of one, is a ``Reset`` among the batches: what follows must be read from a
snapshot.
"""

from actors.channel.publisher import HIGH_WATER, LIMIT, Publisher
from actors.channel.subscriber import Subscriber
from actors.channel.wire import Envelope, Mode, Reset
from actors.component import ChannelAddress

__all__ = [
    "HIGH_WATER",
    "LIMIT",
    "ChannelAddress",
    "Envelope",
    "Mode",
    "Publisher",
    "Reset",
    "Subscriber",
]
