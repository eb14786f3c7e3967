"""SignalR as ASP.NET (before Core) speaks it, protocol 1.5: a negotiation by HTTP; then invocations and pushes in JSON.

Contents of pushes are base64 of raw deflate, as venues pack them.
"""

import zlib
from base64 import b64decode
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from exchanges.contract import Call, ErrorKind, Fault, Frame, Handshake, Request
from exchanges.refusals import ErrorTable
from exchanges.signing import encode_query


def negotiate(hub: str, over: Literal["rest", "public", "private"]) -> Handshake:
    """A token by HTTP from the socket's host, then the path of the socket."""
    query = {"clientProtocol": "1.5", "connectionData": f'[{{"name":"{hub}"}}]'}
    request = Request("GET", "/signalr/negotiate", query, over=over)
    token = yield Call(request, lambda answer: str(answer.json()["ConnectionToken"]))
    return "/signalr/connect?" + encode_query(
        {"transport": "webSockets", "connectionToken": token, **query}
    )


def invoke(hub: str, method: str, *arguments: Any) -> Frame:
    return {"H": hub, "M": method, "A": arguments, "I": 1}


def said_in(frame: bytes, errors: ErrorTable) -> Iterable[tuple[str, Any]]:
    """Of each push its name and content (b"" without one); ("R", result) of an invocation, or ("E", fault) of each that
    went together and has no Success."""
    match msgspec.json.decode(frame):
        case {"M": pushes}:
            yield from (
                (push["M"], inflate(packed)) for push in pushes for packed in push["A"] or [""]
            )
        case {"R": result}:
            rows = result if isinstance(result, list) else [result]
            faults = [
                errors.of(str(row["ErrorCode"]), "refused") for row in rows if not row["Success"]
            ]
            yield from [("E", fault) for fault in faults] or [("R", result)]
        case {"E": text}:
            yield "E", Fault(ErrorKind.UNKNOWN, "", str(text))
        case other if other != {}:  # an empty one keeps the connection alive
            raise ValueError(f"a frame of no known form: {str(other)[:120]}")


def inflate(packed: str) -> bytes:
    try:
        return zlib.decompress(b64decode(packed), -15) if packed else b""
    except zlib.error as error:
        raise ValueError(f"not deflated: {error}") from None
