"""Requests by REST: what goes to a venue, the function that reads its answer, what signs it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, TypedDict, TypeVar

import msgspec

from exchanges.signing import encode_query, key_fields

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Params = Mapping[str, str]
Body = Mapping[str, Any] | None
MALFORMED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    msgspec.DecodeError,
)
"""What reading a frame or an answer of the wrong form may raise; the drivers count it, anything
else is our own bug."""
Frame = str | bytes | dict[str, Any] | list[Any]
"""What an adapter wants sent; what is not text or bytes is sent as JSON."""
FORM = "application/x-www-form-urlencoded"
"""The kind of a body that is k=v&k=v."""
Handshake = Generator["Call[Any]", Any, str]
"""Calls to make before a socket opens; each answer is sent back in; returns the path (and query) to
open."""


@dataclass(frozen=True, slots=True)
class Request:
    """One REST request. ``cost`` counts against named limits; ``urgent`` may use the reserve."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    signed: bool = False
    cost: Mapping[str, int] = field(default_factory=dict)
    urgent: bool = False
    is_mutating: bool = False
    """Whether sending it twice could do something twice."""
    over: Literal["rest", "public", "private"] = "rest"
    """The host that it goes to; that of a socket is asked over HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers with lower-case names, and the body as it was."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self, type: Any = Any) -> Any:
        """The decoded body; with ``type``, checked against it. Raises msgspec.DecodeError."""
        return msgspec.json.decode(self.body, type=type)

    def said(self) -> Any:
        """The decoded body; None where it is no JSON: it came from something that stands before the
        venue."""
        try:
            return self.json()
        except msgspec.DecodeError:
            return None


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """A request that knows how to read its own (successful) answer."""

    request: Request
    read: Callable[[Answer], T_co]
    otherwise: "Call[T_co] | None" = None
    """Asked next where this one finds nothing (NotFound)."""
    following: "Callable[[Answer], Call[T_co] | None] | None" = None
    """Of a list that comes in parts: the call for the part behind that of an answer; None behind
    the last. All parts are read, and joined."""

    def or_else(self, otherwise: "Call[T_co]") -> "Call[T_co]":
        return replace(self, otherwise=otherwise)

    def in_parts(self, following: "Callable[[Answer], Call[T_co] | None]") -> "Call[T_co]":
        return replace(self, following=following)


def public_request(
    path: str,
    read: Callable[[Answer], T],
    params: Params = MappingProxyType({}),
    *,
    cost: Mapping[str, int] = MappingProxyType({}),
) -> Call[T]:
    """A public GET. ``cost``: what it takes of the venue's limits, by their names."""
    return Call(Request("GET", path, params, cost=cost), read)


def signed_request(
    method: str,
    path: str,
    read: Callable[[Answer], T],
    params: Params = MappingProxyType({}),
    *,
    body: Body = None,
    cost: Mapping[str, int] = MappingProxyType({}),
    urgent: bool = True,
    is_mutating: bool | None = None,
) -> Call[T]:
    """A signed request about the account; parameters that are empty are left out.

    ``cost``: what it takes of the venue's limits, by their names. ``urgent``: it may use the
    reserve of the budget; only placements may not. ``is_mutating``: whether sending it twice could
    do something twice; by default whatever is not a GET.
    """
    if is_mutating is None:
        is_mutating = method != "GET"
    given = {name: value for name, value in params.items() if value}
    request = Request(
        method, path, given, body, signed=True, cost=cost, urgent=urgent, is_mutating=is_mutating
    )
    return Call(request, read)


def subscription(on: bool, **params: Any) -> dict[str, Any]:
    """The frame of venues that take {"method": "subscribe", "params": ...}."""
    return {"method": "subscribe" if on else "unsubscribe", "params": params}


class AuthDict(TypedDict):
    """A request ready to send, byte for byte as it was signed."""

    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class UnsignedRequest:
    """A request before its signature, and what venues make signatures of."""

    method: str
    base: str
    """Scheme, host and path."""
    params: Params
    body: Body

    @property
    def host(self) -> str:
        return self.base.split("/", 3)[2]

    @property
    def path(self) -> str:
        return "/" + self.base.split("/", 3)[3]

    @property
    def query(self) -> str:
        """Percent-encoded, in the order given; empty without parameters."""
        return encode_query(self.params)

    @property
    def url(self) -> str:
        return f"{self.base}?{self.query}" if self.params else self.base

    @property
    def target(self) -> str:
        """Path and query."""
        return "/" + self.url.split("/", 3)[3]

    @property
    def data(self) -> str:
        """The JSON body as it will be sent; empty without one."""
        return "" if self.body is None else msgspec.json.encode(self.body).decode()

    def signed(
        self,
        headers: dict[str, str],
        url: str = "",
        data: str | None = None,
        kind: str = "application/json",
    ) -> AuthDict:
        """Ready to send, as JSON where there is a body; with another URL or body where the
        signature changed it."""
        body = self.data if data is None else data
        content = {"Content-Type": kind} if body else {}
        return {"url": url or self.url, "headers": content | headers, "body": body.encode()}


class Auth(ABC):
    """Signs. Holds the secret; nobody else sees it, and ``repr`` hides it."""

    fields: ClassVar[tuple[str, ...]] = ("api_key", "api_secret")
    """What a key consists of; the first is public, the others stand in ``_secrets``."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        """Raises AuthenticationError naming the fields that are missing."""
        self.api_key, *self._secrets = key_fields(keys, *self.fields)

    @abstractmethod
    def sign(self, request: UnsignedRequest, now: float) -> AuthDict:
        """The request signed at ``now`` (unix seconds on the venue's clock)."""

    def login(self, now: float) -> Any:
        """The frame that logs a socket in, or the fields that a subscription needs for it."""
        raise NotImplementedError

    def generate_auth_dict(
        self,
        http_method: str,
        url: str,
        params: Mapping[str, str],
        body: Mapping[str, Any] | None,
        *,
        now: float,
    ) -> AuthDict:
        """The tutorial's name for ``sign``. ``url`` has scheme, host and path."""
        return self.sign(UnsignedRequest(http_method, url, params, body), now)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"
