"""Endpoints on a venue's sockets: what clients ask for by a message."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.sandbox.fuzzing.engine import Fuzz, Kind, Mistake, Outcome, Sending

ANSWERED_WITHIN_S = 5.0
CLOSED = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)


@dataclass
class Socket:
    """One kind of message.

    * ``make``: (fuzz, parameters, the mistake) -> the message.
    * ``answer``: (the message, a frame) -> "refused" or "taken" where that frame answers it; None
      where it is about something else. A socket that the venue closes instead has refused.
    * ``login``: the message that logs in first. ``logged_in``: whether a frame says that it did.
    """

    name: str
    path: str
    make: Callable[[Fuzz, dict[str, Any], Mistake], Any]
    answer: Callable[[Any, Any], str | None]
    kind: Kind = "query"
    params: tuple[str, ...] = ()
    mandatory: tuple[str, ...] = ()
    mistakes: tuple[Mistake, ...] = ("missing", "wrong value", "unknown parameter", "not offered")
    login: Callable[[Fuzz], Any] | None = None
    logged_in: Callable[[Any], bool] = bool
    decode: Callable[[aiohttp.WSMessage], Any] = field(default=lambda frame: json.loads(frame.data))
    served_at: str = ""
    """The path as the dialect lists it, where that is another one."""
    _sockets: dict[int, aiohttp.ClientWebSocketResponse] = field(default_factory=dict)

    @property
    def route(self) -> tuple[str, str]:
        return "GET", self.served_at or self.path.partition("?")[0]

    async def send(self, fuzz: Fuzz, sending: Sending) -> Outcome:
        socket = await self._open(fuzz)
        message = self.make(fuzz, dict(sending.params), sending.mistake)
        await socket.send_str(message if isinstance(message, str) else json.dumps(message))
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                return await self._answered(socket, message)
        except TimeoutError:
            return Outcome(504, False, f"no answer to {message!r}")

    async def _answered(self, socket: aiohttp.ClientWebSocketResponse, message: Any) -> Outcome:
        while True:
            frame = await socket.receive()
            if frame.type in CLOSED:
                return Outcome(400, True, f"closed: {socket.close_code}")
            said = self.decode(frame)
            found = self.answer(message, said)
            if found is not None:
                return Outcome(200, found == "refused", json.dumps(said))

    async def _open(self, fuzz: Fuzz) -> aiohttp.ClientWebSocketResponse:
        """The socket of this run; another one where the venue closed it."""
        socket = self._sockets.get(id(fuzz))
        if socket is None or socket.closed:
            socket = await fuzz.venue.session.ws_connect(self.path)
            self._sockets[id(fuzz)] = socket
            if self.login is not None:
                await socket.send_str(json.dumps(self.login(fuzz)))
                while not self.logged_in(self.decode(await socket.receive())):
                    pass
        return socket
