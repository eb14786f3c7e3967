"""Endpoints on a venue's sockets: what clients ask for by a message."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.sandbox.fuzzing.engine import Fuzz, Kind, Mistake, Outcome, Sending
from trochil.sandbox.connection import Connection

ANSWERED_WITHIN_S = 5.0
CLOSED = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)
NO_MESSAGES = ("{", "}", "no json", '"text"', "[]", "7", "null", "true", "[7]", "[" * 5000, "\x00")
"""Texts that no venue takes for a message."""


@dataclass
class Socket:
    """One kind of message.

    * ``make``: (fuzz, parameters, the mistake) -> the message.
    * ``answer``: (the message, a frame) -> "refused" or "taken" where that frame answers it; None
      where it is about something else. A socket that the venue closes instead has refused. The
      message is a text where it has a name twice.
    * ``method``: what it asks for, as ``offered_methods`` of the dialect write it.
    * ``opening``: what is sent first on a new socket, a login or a subscription. ``opened``:
      whether a frame says that it was taken.
    * ``done``: whether what was taken was done, by (connection, message, frame).
    """

    name: str
    path: str
    make: Callable[[Fuzz, dict[str, Any], Mistake], Any]
    answer: Callable[[Any, Any], str | None]
    kind: Kind = "query"
    params: tuple[str, ...] = ()
    mandatory: tuple[str, ...] = ()
    mistakes: tuple[Mistake, ...] = ("missing", "wrong value", "unknown parameter", "not offered")
    method: str = ""
    opening: Callable[[Fuzz], Any] | None = None
    opened: Callable[[Any], bool] = bool
    done: Callable[[Connection, Any, Any], bool] | None = None
    count: Callable[[Any], int] | None = None
    """How many orders of a batch a frame says were placed or cancelled."""
    decode: Callable[[aiohttp.WSMessage], Any] = field(default=lambda frame: json.loads(frame.data))
    served_at: str = ""
    """The path as the dialect lists it, where that is another one."""
    shared: str = ""
    """Kinds of messages with the same text here share a socket."""
    is_fresh: bool = False
    """Each message has a socket of its own."""

    @property
    def route(self) -> tuple[str, str]:
        return "GET", self.served_at or self.path.partition("?")[0]

    async def send(self, fuzz: Fuzz, sending: Sending) -> Outcome:
        socket = await self._socket(fuzz)
        try:
            return await self._sent(fuzz, sending, socket)
        finally:
            if self.is_fresh:
                await socket.close()

    async def _sent(
        self, fuzz: Fuzz, sending: Sending, socket: aiohttp.ClientWebSocketResponse
    ) -> Outcome:
        connection = await connection_of(fuzz, socket)
        message = self.make(fuzz, dict(sending.params), sending.mistake)
        if sending.mistake == "a name twice":
            message = with_name_twice(message, fuzz.random.choice([*objects(message)]))
        before = state_of(connection)
        await socket.send_str(message if isinstance(message, str) else json.dumps(message))
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                found, frame = await self._answered(socket, message)
        except TimeoutError:
            return Outcome(504, False, f"no answer to {message!r}")
        undone = ""
        if found == "refused" and state_of(connection) != before:
            undone = "refused, and the connection changed"
        if found == "taken" and self.done and not self.done(connection, message, frame):
            undone = "a success, and it was not done"
        count = self.count(frame) if found == "taken" and self.count is not None else None
        return Outcome(200, found == "refused", json.dumps(frame), count, undone)

    async def _answered(
        self, socket: aiohttp.ClientWebSocketResponse, message: Any
    ) -> tuple[str, Any]:
        while True:
            frame = await socket.receive()
            if frame.type in CLOSED:
                return "refused", f"closed: {socket.close_code}"
            said = self.decode(frame)
            found = self.answer(message, said)
            if found is not None:
                return found, said

    async def _socket(self, fuzz: Fuzz) -> aiohttp.ClientWebSocketResponse:
        """The socket of this run; another one where the venue closed it."""
        name = self.shared or self.name
        socket = fuzz.sockets.get(name)
        is_cut = socket is not None and socket.get_extra_info("sockname") is None
        if socket is None or socket.closed or is_cut or self.is_fresh:
            socket = await self._open(fuzz)
            fuzz.sockets[name] = socket
        return socket

    async def _open(self, fuzz: Fuzz) -> aiohttp.ClientWebSocketResponse:
        socket = await fuzz.venue.session.ws_connect(self.path)
        if self.opening is not None:
            await socket.send_str(json.dumps(self.opening(fuzz)))
            while not self.opened(self.decode(await socket.receive())):
                pass
        return socket


def text_socket(
    path: str,
    answer: Callable[[Any, Any], str | None],
    decode: Callable[[aiohttp.WSMessage], Any] | None = None,
) -> Socket:
    """What is no message; the parameter is "text"."""
    made = Socket(
        f"text at {path}",
        path,
        lambda fuzz, sent, mistake: sent["text"],
        answer,
        kind="refused",
        params=("text",),
        mandatory=("text",),
        mistakes=(),
    )
    if decode is not None:
        made.decode = decode
    return made


async def connection_of(fuzz: Fuzz, socket: aiohttp.ClientWebSocketResponse) -> Connection:
    """The venue's end of a socket."""
    _, port, *_ = socket.get_extra_info("sockname")
    while True:
        for connection in fuzz.venue.server.connections:
            if connection.ws.get_extra_info("peername")[1] == port:
                return connection
        await asyncio.sleep(0)


def state_of(connection: Connection) -> tuple[str, frozenset[str]]:
    """Whose it is, and what it follows."""
    account = connection.account
    return account.name if account is not None else "", frozenset(connection.topics)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in a message that have a name."""
    if isinstance(value, dict):
        if value:
            yield value
        for each in value.values():
            yield from objects(each)
    elif isinstance(value, list):
        for each in value:
            yield from objects(each)


def with_name_twice(value: Any, wrong: dict[str, Any]) -> str:
    """A message as JSON, in which one of its objects has its first name twice."""
    if isinstance(value, list):
        return f"[{', '.join(with_name_twice(each, wrong) for each in value)}]"
    if not isinstance(value, dict):
        return json.dumps(value)
    pairs = [f"{json.dumps(name)}: {with_name_twice(value[name], wrong)}" for name in value]
    return f"{{{', '.join([*pairs[:1], *pairs] if value is wrong else pairs)}}}"
