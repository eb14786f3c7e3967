"""Hears everything that passes the border of the adapters in this process: for making goldens."""

import dataclasses
from base64 import b64encode
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from actors.transport.rest import Rest
from exchanges import registry
from exchanges.contract import Answer, BookFeed, Call, Exchange, OrderEntry, Request, UserFeed
from tests.goldens.canonical import canonical, stored

BOOK_CALLS = ("markets", "trading_rules", "snapshot")
ORDER_CALLS = (
    "place",
    "cancel",
    "status",
    "open_orders",
    "fills",
    "balances",
    "fees",
    "order_fills",
)
IDLE_HEADERS = {
    "date",
    "server",
    "content-length",
    "content-type",
    "connection",
    "transfer-encoding",
}
MOST_LINES = 4000
"""Lines that are kept of one session while recording."""


@dataclass
class Session:
    """One object's life: what it was made with, its opening, and what it was given."""

    venue: str
    kind: str
    feed: str = ""
    stream: str = ""
    rules: Any = None
    opening: list[dict[str, Any]] | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)

    def take(self, line: dict[str, Any]) -> None:
        if len(self.lines) < MOST_LINES:
            self.lines.append(line)

    def frozen_rules(self) -> list[dict[str, Any]]:
        """The rules that it was made with, as they are now: live ones are filled later."""
        return [stored(rule) for rule in dict(self.rules or {}).values()]


class Capture:
    """``install`` once; what is heard collects in ``sessions``, in the order they began."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self._roles: dict[type[Any], tuple[str, str]] = {}
        self._asked: dict[int, tuple[Session, dict[str, Any], Request]] = {}

    def install(self) -> None:
        for name in registry.BUILT_IN:
            exchange = registry.get(name)
            self._roles[exchange.book] = (name, "")
            for feed, book in exchange.feeds.items():
                self._roles.setdefault(book, (name, feed))
            self._roles[exchange.user] = (name, "")
            self._roles[exchange.orders] = (name, "")
            self._wrap_exchange(exchange)
        self._wrap_init(BookFeed, self._begin_book)
        self._wrap_init(UserFeed, self._begin_user)
        self._wrap_init(OrderEntry, self._begin_orders)
        self._wrap_rest()

    def _wrap_init(self, role: Any, begin: Callable[[Any, str, str], None]) -> None:
        original = role.__init__

        def made(this: Any, *args: Any, **given: Any) -> None:
            original(this, *args, **given)
            if type(this) in self._roles:
                begin(this, *self._roles[type(this)])

        role.__init__ = made

    # Roles.

    def _begin_book(self, feed: Any, venue: str, name: str) -> None:
        session = self._new(Session(venue, "book", name, feed.stream, feed.rules))
        self._follow(feed, session, BOOK_CALLS)
        feed.parse = self._parsing(session, feed.parse)

    def _begin_user(self, feed: Any, venue: str, name: str) -> None:
        session = self._new(Session(venue, "user", rules=feed.rules))
        self._follow(feed, session, ())
        feed.parse = self._parsing(session, feed.parse)

    def _begin_orders(self, entry: Any, venue: str, name: str) -> None:
        session = self._new(Session(venue, "orders", rules=entry.rules))
        self._follow(entry, session, ORDER_CALLS)

    def _new(self, session: Session) -> Session:
        self.sessions.append(session)
        return session

    def _parsing(self, session: Session, parse: Any) -> Callable[[bytes], Iterable[Any]]:
        def parsed(frame: bytes) -> Iterable[Any]:
            said = bytes(frame)
            with suppress(UnicodeDecodeError):  # no text: what it raises is tested where it stands
                session.take({"frame": said.decode()})
            found: Iterable[Any] = parse(frame)
            return found

        return parsed

    def _follow(self, role: Any, session: Session, names: Iterable[str]) -> None:
        for name in names:
            setattr(role, name, self._making(session, name, getattr(role, name)))
        role.opening = self._opening(session, role.opening)

    def _opening(self, session: Session, opening: Any) -> Callable[[], Generator[Any, Any, Any]]:
        def opened() -> Generator[Any, Any, Any]:
            answers: list[dict[str, Any]] = []
            session.opening = answers
            return self._passed_on(opening(), answers)

        return opened

    def _passed_on(
        self,
        steps: Generator[Any, Any, Any],
        answers: list[dict[str, Any]],
    ) -> Generator[Any, Any, Any]:
        try:
            call = next(steps)
            while True:
                heard = len(answers)
                result = yield self._hearing(call, answers.append)
                if len(answers) == heard:  # sent without having been read from an answer
                    answers.append({"given": canonical(result)})
                call = steps.send(result)
        except StopIteration as end:
            return end.value

    def _hearing(self, call: Call[Any], hear: Callable[[dict[str, Any]], None]) -> Call[Any]:
        def read(answer: Answer) -> Any:
            hear(of_answer(answer))
            return call.read(answer)

        return replace(call, read=read)

    # Calls.

    def _making(self, session: Session, name: str, method: Any) -> Callable[..., Any]:
        def make(*args: Any, **given: Any) -> Any:
            arguments = [argument_of(said) for said in (*args, *given.values())]
            call = method(*args, **given)
            return None if call is None else self._followed(call, session, name, arguments, 0)

        return make

    def _followed(
        self,
        call: Call[Any],
        session: Session,
        name: str,
        arguments: list[Any],
        part: int,
    ) -> Call[Any]:
        line = {"call": name, "arguments": arguments} | ({"part": part} if part else {})
        then = call.otherwise
        if then is not None:
            then = self._followed(then, session, name, arguments, part + 1)

        def hear(answer: dict[str, Any]) -> None:
            session.take(line | {"answer": answer})

        heard = self._hearing(replace(call, request=replace(call.request), otherwise=then), hear)
        self._asked[id(heard.request)] = (session, line, heard.request)
        return heard

    def _wrap_rest(self) -> None:
        """Refusals never reach the function that reads an answer."""
        original = Rest._send

        async def send(this: Any, request: Request, timeout: float) -> Answer:
            answer = await original(this, request, timeout)
            asked = self._asked.get(id(request))
            if asked is None or asked[2] is not request:
                return answer
            session, line, _ = asked
            if this._exchange.error(answer) is not None:
                session.take(line | {"answer": of_answer(answer)})
            return answer

        driver: Any = Rest
        driver._send = send

    # Exchanges.

    def _wrap_exchange(self, exchange: Exchange) -> None:
        session = self._new(Session(exchange.name, "venue"))
        judge = exchange.error
        decode = exchange.decode
        clock = exchange.server_time

        def error(answer: Answer) -> Any:
            fault = judge(answer)
            if fault is not None:
                session.take({"refusal": of_answer(answer)})
            return fault

        def decoded(raw: bytes) -> bytes:
            assert decode is not None
            found = decode(raw)
            if found != raw:
                session.take({"raw": b64encode(raw).decode()})
            return found

        object.__setattr__(exchange, "error", error)
        if decode is not None:
            object.__setattr__(exchange, "decode", decoded)
        if clock is not None:
            followed = self._followed(clock, session, "server_time", [], 0)
            object.__setattr__(exchange, "server_time", followed)


def argument_of(said: Any) -> Any:
    is_record = isinstance(said, msgspec.Struct) or dataclasses.is_dataclass(said)
    return stored(said) if is_record else canonical(said)


def of_answer(answer: Answer) -> dict[str, Any]:
    headers = {name: text for name, text in answer.headers.items() if name not in IDLE_HEADERS}
    body = answer.body.decode(errors="replace")
    said: dict[str, Any] = {"status": answer.status, "body": body}
    return said | ({"headers": headers} if headers else {})
