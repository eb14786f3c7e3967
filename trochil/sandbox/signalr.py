"""SignalR as ASP.NET (before Core) speaks it, protocol 1.5, from the server's side: one hub, whose
messages have deflated contents."""

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from trochil.sandbox.connection import Connection
from trochil.sandbox.dialect import (
    BaseDialect,
    Frame,
    PublicRoute,
    Route,
    Row,
    SocketHandler,
)
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Rejected
from trochil.sandbox.recorded import parse_json
from trochil.sandbox.requests import Message, Params, Request

KEEP_ALIVE_S = 10.0
CONNECTION_TOKEN = "c2FuZGJveA/+sandbox=="
"""With all that a client must encode in an address."""
CONNECTION_ID = "5a0d3c1e-6f0b-4f7e-9d3a-2b8c7e4f1a60"
CURSOR = "d-1"
INITIALIZED: Row = {"C": CURSOR, "S": 1, "M": []}
"""The first frame on a socket."""
KEEP_ALIVE: Row = {}


@dataclass(frozen=True, slots=True)
class HubMethod:
    """What clients may invoke. ``handler`` gets the connection and the arguments, by the names of
    ``parameters``; what it gives is the result."""

    parameters: tuple[str, ...]
    handler: Callable[[Connection, Params], Any]


class HubDialect(BaseDialect):
    """A dialect whose sockets are connections to one hub."""

    hub: ClassVar[str]

    def hub_methods(self) -> Mapping[str, HubMethod]:
        """By name, in small letters; clients may write it in others."""
        raise NotImplementedError

    def hub_routes(self) -> list[Route]:
        """What surrounds a connection by HTTP."""
        negotiating = ("clientProtocol", "connectionData", "transport", "_", "tid")
        connected = (*negotiating, "connectionToken", "groupsToken", "messageId")
        return [
            PublicRoute("GET", "/signalr/negotiate", self.get_negotiation, params=negotiating),
            PublicRoute("GET", "/signalr/start", self.get_start, params=connected),
            PublicRoute("GET", "/signalr/ping", self.get_ping, params=connected),
            PublicRoute("GET", "/signalr/abort", self.get_abort, params=connected),
            PublicRoute("POST", "/signalr/abort", self.get_abort, params=connected),
        ]

    def sockets(self) -> Mapping[str, SocketHandler]:
        return {"/signalr/connect": self.on_invocation}

    def get_negotiation(self, request: Request) -> Row:
        return {
            "Url": "/signalr",
            "ConnectionToken": CONNECTION_TOKEN,
            "ConnectionId": CONNECTION_ID,
            "KeepAliveTimeout": 20.0,
            "DisconnectTimeout": 30.0,
            "ConnectionTimeout": 110.0,
            "TryWebSockets": True,
            "ProtocolVersion": "1.5",
            "TransportConnectTimeout": 5.0,
            "LongPollDelay": 0.0,
        }

    def get_ping(self, request: Request) -> Row:
        return {"Response": "pong"}

    def get_start(self, request: Request) -> Row:
        return {"Response": "started"}

    def get_abort(self, request: Request) -> Row:
        return {}

    def on_connect(self, connection: Connection) -> None:
        """Without the negotiation's token the connection is cut."""
        super().on_connect(connection)
        if connection.query.get("connectionToken") != CONNECTION_TOKEN:
            self.server.disconnect([connection])
        self.send(connection, INITIALIZED)
        self._keep_alive(connection)

    def _keep_alive(self, connection: Connection) -> None:
        if connection in self.server.connections:
            self.send(connection, KEEP_ALIVE)
            self.server.call_later(KEEP_ALIVE_S, self._keep_alive, connection)

    def on_invocation(self, connection: Connection, message: Message) -> None:
        """The result bears the invocation's number, as text."""
        number = message.string("I")
        method = self.hub_methods().get(message.string("M").lower())
        if method is None or message["H"] != self.hub:
            raise Rejected(Reason.ILLEGAL, "M")
        arguments = message.get("A", [])
        if not isinstance(arguments, list) or len(arguments) != len(method.parameters):
            raise Rejected(Reason.ILLEGAL, "A")
        params = Params(dict(zip(method.parameters, arguments, strict=True)))
        self.send(connection, {"I": number, "R": method.handler(connection, params)})

    def socket_error(self, message: Message, refusal: Rejected) -> Frame:
        name = f"{self.hub}.{message.get('M')}"
        return {
            "I": str(message.get("I")),
            "E": f'There was an error invoking Hub method "{name}".',
        }

    def hub_message(self, name: str, *contents: Any) -> Row:
        """A frame of one message of the hub."""
        packed = [deflate(content) for content in contents]
        return {"C": CURSOR, "M": [{"H": self.hub.upper(), "M": name, "A": packed}]}


def deflate(content: Any) -> str:
    """Base64 of raw deflate of JSON."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = compressor.compress(json.dumps(content).encode()) + compressor.flush()
    return b64encode(packed).decode()


def inflate(packed: str) -> Any:
    return json.loads(zlib.decompress(b64decode(packed), -zlib.MAX_WBITS))


def recorded_messages(text: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Name and content of each message in a recorded frame, with a frame of it alone."""
    frame = parse_json(text) or {}
    for message in frame.get("M", ()):
        for packed in message["A"]:
            alone = frame | {"M": [message | {"A": [packed]}]}
            yield message["M"], inflate(packed), json.dumps(alone)
