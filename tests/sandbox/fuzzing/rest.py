"""Endpoints by REST, signed as our adapters sign."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from yarl import URL

from exchanges.registry import get
from exchanges.requests import AuthDict, UnsignedRequest
from tests.sandbox.fuzzing.engine import Fuzz, Kind, Mistake, Outcome, Sending

MISTAKES: tuple[Mistake, ...] = (
    "missing",
    "wrong value",
    "unknown parameter",
    "not offered",
    "wrong method",
    "unknown path",
)
OF_FORMS: tuple[Mistake, ...] = ("in the query too",)
OF_BODIES: tuple[Mistake, ...] = ("in the query too", "doubled", "a form")
TAKE_FORMS = ("binance", "kraken")
OF_QUERIES: tuple[Mistake, ...] = ("doubled",)
OF_SIGNED: tuple[Mistake, ...] = ("wrong signature", "unknown key")


class FormRequest(UnsignedRequest):
    """Its body is a form where it should be JSON."""

    __slots__ = ()

    @property
    def data(self) -> str:
        content = self.body if isinstance(self.body, dict) else {"body": self.body}
        return urlencode(content) or "="


class Name(str):
    """A parameter's name that may stand in a mapping twice: each is another key."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


class ListRequest(UnsignedRequest):
    """Its body is a list of what it should be."""

    __slots__ = ()

    @property
    def data(self) -> str:
        return json.dumps([self.body])


class DoubledRequest(UnsignedRequest):
    """The first name in its body comes twice."""

    __slots__ = ()

    @property
    def data(self) -> str:
        return doubled_json(self.body)


def doubled_json(body: Any) -> str:
    """An object as JSON, or the first one of a list, with its first name twice."""
    if isinstance(body, list):
        return f"[{doubled_json(body[0])}]"
    first = json.dumps(dict([*body.items()][:1]))
    return first[:-1] + "," + json.dumps(body)[1:]


@dataclass
class Rest:
    """``Rest("GET", "/orders/{id}", refused, params=("id", "limit"), mandatory=("id",))``.

    ``refused``: whether (status, decoded body) refuses. What the path names in braces is among the
    parameters too. ``venue``: whose keys sign; "" for a public one. ``in_body``: the parameters are
    the JSON body, else the query."""

    method: str
    path: str
    refused: Callable[[int, Any], bool]
    venue: str = ""
    kind: Kind = "query"
    params: tuple[str, ...] = ()
    mandatory: tuple[str, ...] = ()
    in_body: bool = False
    body: Callable[[dict[str, Any]], Any] | None = None
    """What the JSON body is made of, where it is not the parameters themselves."""
    count: Callable[[Any], int] | None = None
    """How many orders of a batch a decoded answer says were placed or cancelled."""
    named: str = ""

    @property
    def name(self) -> str:
        return self.named or f"{self.method} {self.path}"

    @property
    def route(self) -> tuple[str, str]:
        return self.method, self.path

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        found = MISTAKES + OF_BODIES if self.in_body else MISTAKES + OF_QUERIES
        if self.in_body and self.venue in TAKE_FORMS:
            found = MISTAKES + OF_FORMS
        return found + OF_SIGNED if self.venue else found

    async def send(self, fuzz: Fuzz, sending: Sending) -> Outcome:
        path, params = self._placed(sending.params)
        if sending.mistake == "unknown path":
            path += "/nowhere"
        base = f"http://{fuzz.venue.host}{path}"
        request = UnsignedRequest(self.method, base, params, None)
        if self.in_body:
            body = self.body(params) if self.body is not None else params
            query = {"colour": "blue"}
            if params and fuzz.random.random() < 0.5:
                query = {name: str(params[name]) for name in [*params][:1]}
            is_in_query = sending.mistake == "in the query too"
            other_form = fuzz.random.choice((FormRequest, ListRequest))
            kinds = {"a form": other_form, "doubled": DoubledRequest}
            kind = kinds.get(sending.mistake, UnsignedRequest)
            request = kind(self.method, base, query if is_in_query else {}, body)
        mistake = sending.mistake
        sent = self._signed(fuzz, request, mistake) if self.venue else request.signed({})
        method = "PATCH" if mistake == "wrong method" else self.method
        return await self._sent(fuzz, method, sent)

    def _placed(self, params: list[tuple[str, Any]]) -> tuple[str, dict[str, Any]]:
        """The path with its parameters in it, and the others."""
        path = self.path
        others: dict[str, Any] = {}
        for name, value in params:
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
            else:
                its_value = value if self.in_body else str(value)
                others[name if self.in_body else Name(name)] = its_value
        return path.replace("{", "").replace("}", ""), others

    def _signed(self, fuzz: Fuzz, request: UnsignedRequest, mistake: Mistake) -> AuthDict:
        keys = dict(fuzz.venue.account.keys)
        if mistake == "wrong signature":
            keys |= fuzz.venue.server.dialect.new_keys("somebody") | {"api_key": keys["api_key"]}
        if mistake == "unknown key":
            keys = fuzz.venue.server.dialect.new_keys("nobody")
        auth = get(self.venue).auth(keys)
        return auth.sign(request, time.time())

    async def _sent(self, fuzz: Fuzz, method: str, sent: AuthDict) -> Outcome:
        async with fuzz.venue.session.request(
            method,
            URL(sent["url"], encoded=True),
            headers=sent["headers"],
            data=sent["body"] or None,
        ) as answer:
            if method == "HEAD":
                return Outcome(answer.status, answer.status != 200, "")
            text = await answer.text()
            try:
                body = await answer.json(content_type=None)
            except ValueError:
                if answer.status not in (404, 410):
                    return Outcome(500, False, "no JSON: " + text)
                body = text  # a gateway's page
            is_refused = self.refused(answer.status, body)
            count = None if is_refused or self.count is None else self.count(body)
            return Outcome(answer.status, is_refused, text, count)
