"""SignalR as ASP.NET (before Core) speaks it, protocol 1.5: what connectors need of it.

A negotiation by HTTP; then invocations and pushes in JSON. Contents of pushes are base64 of raw
deflate, as venues pack them.
"""

import zlib
from base64 import b64decode
from collections.abc import Collection, Iterable
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from exchanges.contract import Answer, Call, ErrorKind, Fault, Frame, Handshake, Request
from exchanges.errors import ErrorTable
from exchanges.signing import encode_query


class Negotiated(Struct, rename="pascal"):
    """The answer to a negotiation."""

    connection_token: str


class Push(Struct, rename={"name": "M", "packed": "A"}):
    """A message of a hub, with the contents that it has."""

    name: str
    packed: Raw = Raw(b"[]")


class Result(Struct, rename="pascal"):
    """How one of the things went that an invocation asked for."""

    success: bool
    error_code: str | None = None


class HubFrame(Struct, rename={"pushes": "M", "results": "R", "error": "E"}):
    """A frame of a hub: pushes, or the result of an invocation."""

    pushes: list[Push] | UnsetType = UNSET
    results: list[Result] | Result | UnsetType = UNSET
    error: str | UnsetType = UNSET

    @property
    def is_empty(self) -> bool:
        return self.pushes is UNSET and self.results is UNSET and self.error is UNSET

    def pushed(self, read: Collection[str] | None = None) -> Iterable[tuple[str, bytes]]:
        """Name and content of each push; b"" for one without any, and for those whose names are
        not among ``read`` (None: all are read). Raises ValueError and msgspec.DecodeError."""
        for push in self.pushes or ():
            if read is not None and push.name not in read:
                yield push.name, b""
                continue
            for packed in _packed.decode(push.packed) or [""]:
                yield push.name, inflate(packed)

    def faults(self, errors: ErrorTable) -> list[Fault]:
        """What was refused."""
        if self.error is not UNSET:
            return [Fault(ErrorKind.UNKNOWN, "", self.error)]
        if self.results is UNSET:
            return []
        results = self.results if isinstance(self.results, list) else [self.results]
        return [
            errors.fault(str(result.error_code), "refused")
            for result in results
            if not result.success
        ]


_packed = msgspec.json.Decoder(list[str])
_negotiated = msgspec.json.Decoder(Negotiated)
_hub_frame = msgspec.json.Decoder(HubFrame)
_fields = msgspec.json.Decoder(dict[str, Raw])


def negotiate(hub: str, over: Literal["rest", "public", "private"]) -> Handshake:
    """A token by HTTP from the socket's host, then the path of the socket."""
    query = {"clientProtocol": "1.5", "connectionData": f'[{{"name":"{hub}"}}]'}
    request = Request("GET", "/signalr/negotiate", query, over=over)

    def read(answer: Answer) -> str:
        return _negotiated.decode(answer.body).connection_token

    token = yield Call(request, read)
    params = {"transport": "webSockets", "connectionToken": token, **query}
    return "/signalr/connect?" + encode_query(params)


def invoke(hub: str, method: str, *arguments: Any) -> Frame:
    return {"H": hub, "M": method, "A": arguments, "I": 1}


def read_frame(frame: bytes) -> HubFrame:
    """Raises msgspec.DecodeError or ValueError for a frame of no known form."""
    said = _hub_frame.decode(frame)
    # One without any fields keeps the connection alive.
    if said.is_empty and _fields.decode(frame):
        raise ValueError(f"a frame of no known form: {frame[:120]!r}")
    return said


def inflate(packed: str) -> bytes:
    try:
        return zlib.decompress(b64decode(packed), -15) if packed else b""
    except zlib.error as error:
        raise ValueError(f"not deflated: {error}") from None
