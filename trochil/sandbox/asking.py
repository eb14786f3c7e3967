"""What a client asks by REST, and which handler of a dialect answers."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from aiohttp import web

from trochil.sandbox.market.venue import Rejected

Handler = TypeVar("Handler", bound=Callable[..., Any])
Kind = str | Callable[[Any], str]


def route(*paths: str, kind: Kind = "query", signed: bool = True) -> Callable[[Handler], Handler]:
    """``@route("POST /orders", kind="place")`` on a method that takes an Ask (and, signed, an Account) and gives what
    is JSON-able.

    ``kind``: query, place or cancel, or what tells it by the body; the faults of placing and cancelling strike by it.
    """

    def mark(handler: Handler) -> Handler:
        handler.routes = [(path, kind, signed) for path in paths]  # type: ignore[attr-defined]
        return handler

    return mark


def socket(*paths: str) -> Callable[[Handler], Handler]:
    """``@socket("/ws")`` on a method that takes a Connection and what it said, decoded."""

    def mark(handler: Handler) -> Handler:
        handler.sockets = paths  # type: ignore[attr-defined]
        return handler

    return mark


@dataclass(slots=True)
class Ask:
    """One request: its parameters (path, query, and body where that is an object or a list of one; of the query, what
    is repeated, by commas), and its bytes."""

    request: web.Request
    text: str
    body: Any
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """Path and query as they were sent."""
        return self.request.raw_path

    @property
    def query(self) -> str:
        """As it was sent."""
        return self.target.partition("?")[2]

    @property
    def header(self) -> Any:
        return self.request.headers

    def headers(self, form: str, names: str) -> list[str]:
        """Several, empty where there is none: ``headers("X-{}", "KEY SIGN")``."""
        return [self.request.headers.get(form.format(name), "") for name in names.split()]

    def __getitem__(self, name: str) -> Any:
        """Raises Rejected("missing") naming it."""
        if self.params.get(name) in (None, ""):
            raise Rejected("missing", name)
        return self.params[name]

    def get(self, name: str, default: Any = "") -> Any:
        return self.params.get(name, default)


async def read_ask(request: web.Request) -> Ask:
    text = await request.text()
    body: Any = None
    if text[:1] in ("{", "["):
        body = json.loads(text)
    elif text:
        body = dict(parse_qsl(text, keep_blank_values=True))
    told = body[0] if isinstance(body, list) and len(body) == 1 else body
    query = {name: ",".join(request.query.getall(name)) for name in request.query}
    params = {**request.match_info, **query, **(told if isinstance(told, dict) else {})}
    return Ask(request, text, body, params)
