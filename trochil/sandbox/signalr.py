"""SignalR as ASP.NET (before Core) speaks it, protocol 1.5, from the server's side: one hub, contents deflated."""

import asyncio
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import Wire, socket
from trochil.sandbox.recordings import Recordings, parse_json
from trochil.sandbox.shape import Made

KEEP_ALIVE_EVERY = 10.0
TOKEN = "c2FuZGJveA/+sandbox=="
"""With all that a client must encode in an address."""
HANDSHAKE = {
    "GET /signalr/negotiate": {
        "Url": "/signalr",
        "ConnectionToken": TOKEN,
        "ProtocolVersion": "1.5",
    },
    "GET /signalr/start": {"Response": "started"},
    "GET /signalr/abort": {},
}


class Hub(Wire):
    """A dialect on one hub. A client's invocation of Subscribe calls ``on_subscribe(connection, *arguments)``, whose
    answer is its result."""

    hub: ClassVar[str]
    fixed: ClassVar[Mapping[str, Any]] = HANDSHAKE

    def on_connect(self, connection: Connection) -> None:
        super().on_connect(connection)
        if connection.query.get("connectionToken") != TOKEN:
            self.server.disconnect([connection])
        self.tell(connection, {"C": "d-1", "S": 1, "M": []})
        self._keep_alive(connection)

    def _keep_alive(self, connection: Connection) -> None:
        if connection in self.server.connections:
            self.tell(connection, {})
            asyncio.get_running_loop().call_later(KEEP_ALIVE_EVERY, self._keep_alive, connection)

    @socket("/signalr/connect")
    def heard(self, connection: Connection, said: Any) -> None:
        method, number = said["M"], str(said["I"])
        answer = getattr(self, f"on_{method.lower()}", None)
        try:
            result = (
                answer(connection, *said["A"])
                if answer is not None and said["H"] == self.hub
                else None
            )
        except TypeError:  # too few arguments, or too many
            result = None
        failed = {"E": f'There was an error invoking Hub method "{self.hub}.{method}".'}
        self.tell(connection, {"I": number} | (failed if result is None else {"R": result}))

    def push(self, name: str, *contents: Any) -> Made:
        """A frame of one message; contents travel as base64 of raw deflate."""
        return {
            "C": "d-1",
            "M": [
                {"H": self.hub.upper(), "M": name, "A": [deflate(content) for content in contents]}
            ],
        }


def deflate(content: Any) -> str:
    packer = zlib.compressobj(wbits=-15)
    return b64encode(packer.compress(json.dumps(content).encode()) + packer.flush()).decode()


class HubFrames(Recordings):
    """Recorded answers, and messages of a hub: each is a frame of its own. The table's fields: those of a message's
    content, and ``name``."""

    def read(self, text: str) -> Iterator[tuple[dict[str, Any], str | bytes]]:
        yield from super().read(text)
        frame = parse_json(text) or {}
        for message in frame.get("M", ()):
            for packed in message["A"]:
                content = json.loads(zlib.decompress(b64decode(packed), -15))
                alone = frame | {"M": [message | {"A": [packed]}]}
                yield content | {"name": message["M"]}, json.dumps(alone)
