"""What clients send: requests by REST and messages on sockets, read by small typed readers.

A reader raises Rejected where the client is wrong: MISSING with the parameter's name, ILLEGAL with
it too. Whatever else is raised while a request is handled is the sandbox's own mistake.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

from aiohttp import web

from trochil.sandbox.formats import unix_seconds
from trochil.sandbox.market.reasons import Reason
from trochil.sandbox.market.venue import Rejected

MOST_DIGITS = 16
"""Digits of a number before and behind its point: the venue's arithmetic is exact within twice
that."""
DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
INTEGER = re.compile(r"[0-9]{1,18}")
Meaning = TypeVar("Meaning")


@dataclass(slots=True)
class Params:
    """Named values that a client sent. None and "" count as not sent."""

    values: Mapping[str, Any]

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) not in (None, "")

    def __getitem__(self, name: str) -> Any:
        """A mandatory value as it was sent."""
        if name not in self:
            raise Rejected(Reason.MISSING, name)
        return self.values[name]

    def get(self, name: str, default: Any = "") -> Any:
        return self.values[name] if name in self else default

    def string(self, name: str, default: str | None = None) -> str:
        """A text, or a number as text; mandatory without a default."""
        value = self[name] if default is None else self.get(name, default)
        if isinstance(value, dict | list | bool):
            raise Rejected(Reason.ILLEGAL, name)
        return str(value)

    def client_id(self, name: str, form: re.Pattern[str]) -> str:
        """An order's id of the client's own, which must match ``form`` wholly; "" where it was not
        sent. Raises Rejected: BAD_CLIENT_ID."""
        value = self.get(name, "")
        if isinstance(value, dict | list | bool) or (value and not form.fullmatch(str(value))):
            raise Rejected(Reason.BAD_CLIENT_ID, name)
        return str(value)

    def decimal(self, name: str) -> Decimal:
        """A mandatory number, of a size that the venue can count with."""
        text = self.string(name)
        if not DECIMAL.fullmatch(text):
            raise Rejected(Reason.ILLEGAL, name)
        value = Decimal(text)
        if not value.is_finite() or value.adjusted() >= MOST_DIGITS:
            raise Rejected(Reason.ILLEGAL, name)
        if int(value.as_tuple().exponent) < -MOST_DIGITS:
            raise Rejected(Reason.ILLEGAL, name)
        return value

    def optional_decimal(self, name: str) -> Decimal | None:
        return self.decimal(name) if name in self else None

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number of 0 or more, of at most 18 digits; mandatory without a default."""
        if default is not None and name not in self:
            return default
        text = self.string(name)
        if not INTEGER.fullmatch(text):
            raise Rejected(Reason.ILLEGAL, name)
        return int(text)

    def optional_integer(self, name: str) -> int | None:
        return self.integer(name) if name in self else None

    def limit(self, name: str, default: int, most: int, *, least: int = 1) -> int:
        """How many rows a client wants; other numbers than ``least`` to ``most`` are illegal."""
        value = self.integer(name, default)
        if not least <= value <= most:
            raise Rejected(Reason.ILLEGAL, name)
        return value

    def flag(self, name: str) -> bool:
        """True or False, or these as texts in any case; False where it was not sent."""
        value = str(self.get(name, False)).lower()
        if value not in ("true", "false"):
            raise Rejected(Reason.ILLEGAL, name)
        return value == "true"

    def only(self, *names: str) -> None:
        """Raises Rejected for a value of another name: UNKNOWN_PARAMETER."""
        for name in self.values:
            if name not in names:
                raise Rejected(Reason.UNKNOWN_PARAMETER, name)

    def choice(
        self, name: str, meanings: Mapping[str, Meaning], default: Meaning | None = None
    ) -> Meaning:
        """What one of a venue's values means; mandatory without a default."""
        if default is not None and name not in self:
            return default
        value = self.string(name)
        if value not in meanings:
            raise Rejected(Reason.ILLEGAL, name)
        return meanings[value]

    def time_s(self, name: str, default: float | None = None) -> float:
        """Unix seconds, of an ISO time or of s, ms or us; mandatory without a default."""
        if default is not None and name not in self:
            return default
        try:
            seconds = unix_seconds(self.string(name))
        except ValueError:
            raise Rejected(Reason.ILLEGAL, name) from None
        if not isfinite(seconds):
            raise Rejected(Reason.ILLEGAL, name)
        return seconds

    def optional_time_ms(self, name: str) -> int | None:
        return round(self.time_s(name) * 1000) if name in self else None

    def client_uuid(self, name: str) -> str:
        """A client's id where those are UUIDs; "" where it was not sent."""
        if name not in self:
            return ""
        try:
            return str(UUID(self.string(name)))
        except ValueError:
            raise Rejected(Reason.ILLEGAL, name) from None

    def strings(self, name: str) -> list[str]:
        """A mandatory list of texts."""
        value = self[name]
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise Rejected(Reason.ILLEGAL, name)
        return value

    def params(self, name: str) -> "Params":
        """A mandatory object."""
        return Params(_object(self[name], name))

    def params_list(self, name: str) -> "list[Params]":
        """A mandatory list of objects."""
        value = self[name]
        if not isinstance(value, list):
            raise Rejected(Reason.ILLEGAL, name)
        return [Params(_object(each, name)) for each in value]


@dataclass(slots=True)
class Request(Params):
    """One request by REST. Its values are those of path, query and body.

    Of the query, what is repeated is joined by commas. A body counts that is a form or an object.
    """

    http: web.Request
    text: str
    """The body as it was sent."""
    body: Any
    """The same decoded: JSON, or a form as a dict; None without one."""
    doubled: frozenset[str]
    """Names that query and body have more than once, or besides the path."""

    @property
    def method(self) -> str:
        return self.http.method

    @property
    def path(self) -> str:
        """Without the query, decoded."""
        return self.http.path

    @property
    def target(self) -> str:
        """Path and query as they were sent."""
        return self.http.raw_path

    @property
    def query(self) -> str:
        """As it was sent."""
        return self.target.partition("?")[2]

    @property
    def is_form(self) -> bool:
        """Whether the body is k=v&k=v, or anything else that is no JSON object or list."""
        return bool(self.text) and not _is_json(self.text)

    @property
    def host(self) -> str:
        """By which name the client reached us, with the port."""
        return self.http.host

    def header(self, name: str) -> str:
        """ "" where there is none."""
        return self.http.headers.get(name, "")

    def header_integer(self, name: str, default: int) -> int:
        """A whole number that is not negative."""
        return Params(self.http.headers).integer(name, default)

    def header_time_s(self, name: str, default: float = 0.0) -> float:
        """Unix seconds, of an ISO time or of s, ms or us."""
        return Params(self.http.headers).time_s(name, default)


async def read_request(http: web.Request) -> Request:
    """Raises Rejected for a body that can't be read."""
    try:
        text = await http.text()
        body = _decoded(text)
    except (ValueError, LookupError, RecursionError):  # no text in that character set, or no JSON
        raise Rejected(Reason.ILLEGAL, "body") from None
    content = body if isinstance(body, dict) else {}
    query = {name: ",".join(http.query.getall(name)) for name in http.query}
    values = {**http.match_info, **query, **content}
    form = [name for name, _ in parse_qsl(text, keep_blank_values=True)]
    names = Counter([*http.query, *(content if _is_json(text) else form)])
    doubled = frozenset(name for name, times in names.items() if times > 1)
    doubled |= http.match_info.keys() & names.keys()
    return Request(values, http, text, body, doubled)


def decoded_json(text: str) -> Any:
    """Raises ValueError for what is no JSON, and for an object that has a name twice."""
    return json.loads(text, object_pairs_hook=_object_without_doubles)


def _object_without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a name comes twice")
    return content


def _is_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[")


def _decoded(text: str) -> Any:
    if _is_json(text):
        return decoded_json(text)
    return dict(parse_qsl(text, keep_blank_values=True)) if text else None


@dataclass(slots=True)
class Message(Params):
    """What a client sent on a socket. Its values are those of a JSON object."""

    data: Any
    """Decoded JSON; the text itself where it is none, or a single text."""


def read_message(text: str) -> Message:
    try:
        data = decoded_json(text)
    except (ValueError, RecursionError):
        data = text
    if isinstance(data, str):
        data = text
    return Message(data if isinstance(data, dict) else {}, data)


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Rejected(Reason.ILLEGAL, name)
    return value
