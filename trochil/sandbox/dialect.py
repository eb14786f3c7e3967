"""What every venue's wire has in common, seen from the venue: routes, look-ups, subscriptions, frames sent.

A dialect says in tables which look-ups it answers and how they are worded, marks the handlers of its sockets with
``socket``, those of what no look-up answers with ``route``, and says the rest in its venue's words.
"""

import asyncio
import hmac
import inspect
import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, ClassVar

from aiohttp import web

from trochil.sandbox.asking import Ask, Kind, read_ask, route, socket
from trochil.sandbox.connection import Build, Connection
from trochil.sandbox.facts import holdings, iso, ms, seconds_of, text, uuid
from trochil.sandbox.lookups import Asked, Lookup, alone, headed, keyed, lookup, own, under
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.matching import Match, Order
from trochil.sandbox.market.venue import Rejected
from trochil.sandbox.recordings import Gzipped, Record, Recordings
from trochil.sandbox.refusing import INSTEAD, refusals
from trochil.sandbox.shape import Facts, Made
from trochil.sandbox.signatures import digest, signature
from trochil.sandbox.telling import Telling, tell
from trochil.sandbox.windows import Levels, Window, rows

__all__ = [
    "Account", "Any", "Ask", "Build", "Connection", "Decimal", "Facts", "Gzipped", "Levels", "Made", "Match",
    "Order", "Record", "Recordings", "Rejected", "Window", "Wire", "alone", "digest", "headed", "holdings", "iso",
    "keyed", "lookup", "ms", "own", "refusals", "route", "rows", "seconds_of", "socket", "tell", "text", "under",
    "uuid",
]  # fmt: skip
"""What a dialect is written with: ``from trochil.sandbox import dialect as d``."""


class Wire(Telling):
    """Root of the dialects. ``server.now_ns()`` is the venue's clock; times in ns."""

    name: ClassVar[str]
    pairs: ClassVar[tuple[str, ...]] = ("BTC-USDT", "ETH-USDT", "SOL-USDT", "ETH-BTC")
    recordings: ClassVar[Recordings | None] = None
    refusals: ClassVar[Mapping[str, tuple[int, str, str]]] = {}
    """Reason -> HTTP status, code and message ({} is its detail); made by ``refusals``. "illegal" stands for others."""
    codes_are_numbers: ClassVar[bool] = False
    echoes: ClassVar[tuple[str, ...]] = ()
    """Reasons for which the body also repeats what was asked."""
    lookups: ClassVar[tuple[Lookup, ...]] = ()
    placed_status: ClassVar[int] = 200
    """HTTP status of the answer to an order."""
    key_fields: ClassVar[tuple[str, ...]] = ()
    """What a key has besides api_key and api_secret."""
    secrets_are_base64: ClassVar[bool] = False
    book_topic: ClassVar[str] = "book:{}"
    """Several names of one book apart by spaces."""
    image_topic: ClassVar[str] = ""
    """The same where the whole window is sent every time, and to who begins to follow it."""
    trade_topic: ClassVar[str] = "trade:{}"
    """What connections follow, by the venue's symbol ({lower}: in small letters; {1} of a book: its depth)."""
    opens_with_book: ClassVar[bool] = False
    """Whether who begins to follow a book is sent its whole window."""
    trade_words: ClassVar[str] = ""
    private_paths: ClassVar[tuple[str, ...]] = ()
    """Of sockets that serve accounts only."""
    needs_login: ClassVar[tuple[str, ...]] = ()
    """How the topics begin that only accounts may follow."""
    greeting: ClassVar[Any] = None
    """The first frame on every socket."""
    pings_every: ClassVar[tuple[float, float]] = (0.0, 0.0)
    """Seconds between two ``ping`` frames on public and on private sockets; a client that leaves two
    unanswered is cut. 0: none."""
    reset_header: ClassVar[str] = ""
    """Header that says until when (ms) a limit refuses; else Retry-After does, in seconds."""
    weight_header: ClassVar[str] = ""
    weights: ClassVar[Mapping[str, int]] = {}
    """Header that says what was used of the minute's limit; what a question takes of it, by its path's end, else 1."""
    fixed: ClassVar[Mapping[str, Any]] = {}
    """What foreign clients ask for and whose answer never changes: {"GET /assets": []}."""

    # What a venue says in its own words.

    def verify(self, ask: "Ask") -> Account:
        """The account of a signed request, by ``signer``. Raises Rejected."""
        raise NotImplementedError

    def refused(self, code: str, message: str) -> Any:
        """The body of a refusal."""
        return {"code": int(code) if self.codes_are_numbers else code, "msg": message}

    def answer(self, said: Any, refusal: str = "") -> Any:
        """The frame that answers what a client said on a socket; ``refusal``: why its handler raised Rejected."""
        return {"error": refusal}

    def denied(self, said: Any, refusal: Rejected) -> Any:
        """The same with the whole refusal."""
        return self.answer(said, self._worded(refusal.reason)[2].format(refusal.detail))

    def result(self, body: Any) -> Any:
        """A successful answer in the venue's envelope."""
        return body

    def headers(self, ask: Ask) -> dict[str, str]:
        """Of a successful answer."""
        if not self.weight_header:
            return {}
        minute = f"weight in minute {self.server.now_ns() // 60_000_000_000}"
        self.numbers[minute] += self.weights.get(ask.request.path.rpartition("/")[2], 1)
        return {self.weight_header: str(self.numbers[minute])}

    def new_keys(self, name: str) -> dict[str, str]:
        """Keys of a new account."""
        secret = (
            b64encode(secrets.token_bytes(32)).decode()
            if self.secrets_are_base64
            else secrets.token_hex(32)
        )
        keys = {"api_key": f"sandbox-{name}-{secrets.token_hex(8)}", "api_secret": secret}
        return keys | {field: secrets.token_hex(6) for field in self.key_fields}

    def encode(self, connection: Connection, frame: Any) -> str | bytes:
        """A frame as it leaves."""
        return frame if isinstance(frame, str | bytes) else json.dumps(frame)

    def on_connect(self, connection: Connection) -> None:
        """A socket opened."""
        connection.is_private = connection.path in self.private_paths
        self.answered(connection)
        if self.greeting is not None:
            self.tell(connection, self.greeting)
        if any(self.pings_every):
            self._keep_pinging(connection)

    def ping(self, connection: Connection, now: int) -> Any:
        """A frame that a client must answer; ``now`` in ms."""
        return {"ping": now}

    def is_pong(self, said: Any) -> bool:
        """Whether that answers a ``ping``: by default what has a pong among its names or values."""
        return isinstance(said, dict) and ("pong" in said or "pong" in said.values())

    def answered(self, connection: Connection) -> None:
        connection.unanswered_pings = 0

    def _keep_pinging(self, connection: Connection) -> None:
        if connection.unanswered_pings == 2:
            self.server.disconnect([connection])
        elif connection in self.server.connections:
            connection.unanswered_pings += 1
            self.tell(connection, self.ping(connection, self.server.now_ns() // 1_000_000))
            every = self.pings_every[connection.is_private]
            asyncio.get_running_loop().call_later(every, self._keep_pinging, connection)

    def on_depth(self, pair: str, first: int, last: int, bids: Levels, asks: Levels) -> None:
        """Levels that changed since the last call, with their sizes now; ids of the whole book's changes. By default
        ``book_frame`` of what that means for a channel's window, to ``book_topic``."""
        topics = self.book_topics(pair)
        for depth in self.depths:
            followed = [topic for topic in topics if topics[topic] == depth]
            if len(self.depths) == 1 or any(map(self.anyone_follows, followed)):
                window = self.change(pair, last, depth, (bids, asks))
                for topic in followed:
                    self.publish(topic, partial(self.topic_frame, topic, window))
            else:
                self.forget(pair, depth)
        for topic in self.image_topics(pair):
            self.publish(topic, partial(self.topic_frame, topic, self.whole(pair)))

    def book_topics(self, pair: str) -> dict[str, int]:
        """The topics of a pair's books, with their depths; a book may have several."""
        return {
            topic: depth
            for depth in self.depths
            for topic in self._topics(self.book_topic, pair, depth)
        }

    def image_topics(self, pair: str) -> list[str]:
        """The topics of a pair's whole windows."""
        return self._topics(self.image_topic, pair)

    def _topics(self, forms: str, pair: str, depth: int = 0) -> list[str]:
        symbol = self.symbol(pair)
        return [form.format(symbol, depth, lower=symbol.lower()) for form in forms.split()]

    def book_frame(self, window: Window, now: int) -> Any:
        """A frame of the book channel; ``now``: wall time (ns) at which it leaves."""
        raise NotImplementedError

    def topic_frame(self, topic: str, window: Window, now: int) -> Any:
        """The same where there are several such channels."""
        return self.book_frame(window, now)

    def on_trade(self, match: Match) -> None:
        super().on_trade(match)
        for topic, words in self.trade_topics(match.maker.symbol).items():
            self.publish(topic, self.trade_frame(self.row(words, match)))

    def trade_topics(self, pair: str) -> dict[str, str]:
        """The topics of a pair's trades, with their words."""
        return dict.fromkeys(self._topics(self.trade_topic, pair), self.trade_words)

    def trade_frame(self, row: Made) -> Any:
        """A frame of the trade channel around a row of ``trade_words``."""
        return row

    def terminate(self, connection: Connection) -> None:
        """The venue ends a private stream."""
        self.server.disconnect([connection])

    # Who asks.

    def signer(
        self,
        key: str,
        given: str,
        payload: str | bytes,
        seconds: float = 0.0,
        within: float = 30.0,
        ahead: float = 30.0,
        phrase: str | None = None,
        encoding: str = "hex",
        algorithm: str = "sha256",
    ) -> Account:
        """The account of ``key``, whose signature of the payload (HMAC by its secret, in hex or base64), must be the
        one given; signed at ``seconds`` (0 where the venue doesn't mind), at most ``within``
        seconds ago or ``ahead`` of now; with the pass ``phrase``, where keys have one.

        Raises Rejected: no_key, bad_key, bad_signature, bad_phrase, bad_time.
        """
        account = self.server.account_of_key(key)
        if account is None:
            raise Rejected("bad_key" if key else "no_key")
        secret: str | bytes = account.keys["api_secret"]
        secret = b64decode(secret) if self.secrets_are_base64 else secret
        due = signature(secret, payload, algorithm, encoding)
        if not hmac.compare_digest(due.encode(), given.encode()):
            raise Rejected("bad_signature")
        if phrase is not None and account.keys.get("passphrase") != phrase:
            raise Rejected("bad_phrase")
        if seconds and not -within <= seconds - self.server.now_ns() / 1e9 <= ahead:
            raise Rejected("bad_time")
        return account

    # REST.

    def on_book_event(self, kind: str, order: Order, match: Match | None) -> None:
        """Something happened to an order of a book."""

    def add_routes(self, app: web.Application) -> None:
        for question in self.lookups:
            method, _, path = question.path.partition(" ")
            kind = {"place": "place", "cancel": "cancel", "cancel_all": "cancel"}.get(
                question.what, "query"
            )
            app.router.add_route(
                method, path, self._answering(self._looking(question), kind, question.signed)
            )
        for path, answer in self.fixed.items():
            method, _, path = path.partition(" ")
            app.router.add_route(
                method, path, self._answering(lambda ask, answer=answer: answer, "query", False)
            )
        for _, handler in inspect.getmembers(self, callable):
            for path, kind, signed in getattr(handler, "routes", ()):
                method, _, path = path.partition(" ")
                app.router.add_route(method, path, self._answering(handler, kind, signed))
            for path in getattr(handler, "sockets", ()):
                app.router.add_get(path, self._serving(handler))

    async def request_kind(self, request: web.Request) -> str | None:
        """query, place or cancel; None for what no fault strikes."""
        kind: Kind | None = getattr(request.match_info.handler, "kind", None)
        return kind(await request.json()) if callable(kind) else kind

    def _answering(self, handler: Any, kind: Kind, signed: bool) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            ask = await read_ask(request)
            try:
                body = handler(ask, self.verify(ask)) if signed else handler(ask)
            except Rejected as refusal:
                echo = ask.body if refusal.reason in self.echoes else {}
                return self.error(refusal.reason, refusal.detail, echo=echo)
            except (KeyError, InvalidOperation, ValueError) as error:
                return self.error("illegal", str(error))
            if isinstance(body, web.Response):
                return body
            status = self.placed_status if kind == "place" else 200
            return web.json_response(self.result(body), status=status, headers=self.headers(ask))

        answer.kind = kind  # type: ignore[attr-defined]
        return answer

    def error(
        self, reason: str, detail: str = "", retry_after: int = 0, echo: Any = None
    ) -> web.Response:
        status, code, message = self._worded(reason)
        until = (
            str(self.server.now_ns() // 1_000_000 + retry_after * 1000)
            if self.reset_header
            else str(retry_after)
        )
        headers = {self.reset_header or "Retry-After": until} if retry_after else {}
        body = self.refused(code, message.format(detail))
        return web.json_response({**echo, **body} if echo else body, status=status, headers=headers)

    def _worded(self, why: str) -> tuple[int, str, str]:
        known = self.refusals
        return known.get(why) or known.get(INSTEAD.get(why, "illegal")) or known["illegal"]

    def _looking(self, question: Lookup) -> Callable[..., Any]:
        find = getattr(self, f"find_{question.what}")

        def answer(ask: Ask, account: Account | None = None) -> Any:
            said = {ours: ask.get(theirs) for ours, theirs in question.asked.items()}
            given = {ours: "" if value is None else value for ours, value in said.items()}
            found = find(account, Asked(given, question.asked))
            rows = (
                self.rows(question.words, found)
                if isinstance(found, list)
                else self.row(question.words, found)
            )
            return rows if question.wrap is None else question.wrap(rows)

        return answer

    # Sockets.

    def _serving(self, handler: Any) -> Any:
        def heard(connection: Connection, text: str) -> None:
            try:
                said = json.loads(text)
            except ValueError:
                said = text
            if any(self.pings_every) and self.is_pong(said):
                self.answered(connection)
                return
            try:
                handler(connection, said)
            except Rejected as refusal:
                self.tell(connection, self.denied(said, refusal))

        async def serve(request: web.Request) -> web.StreamResponse:
            return await self.server.serve_socket(request, heard)

        return serve

    def subscribe(
        self, connection: Connection, topics: list[str], on: bool = True, ack: Any = None
    ) -> None:
        """Follow topics, or end that, once ``ack`` is told. Raises Rejected("no_login"), having done nothing."""
        if (
            on
            and connection.account is None
            and any(topic.startswith(self.needs_login) for topic in topics)
        ):
            raise Rejected("no_login")
        if ack is not None:
            self.tell(connection, ack)
        for topic in topics:
            self.follow(connection, topic, on)

    def follow(self, connection: Connection, topic: str, on: bool = True) -> None:
        """Subscribe a connection to a topic, or end that. A replay begins with the first subscription of its book."""
        replay = self.server.replay
        if (
            on
            and replay is not None
            and topic in (*self.book_topics(replay.pair), *self.image_topics(replay.pair))
        ):
            replay.book_followed()
        for pair in self.venue.symbols if on else ():
            opening = self.book_topics(pair) if self.opens_with_book else {}
            opening |= dict.fromkeys(self.image_topics(pair) if replay is None else (), 0)
            if topic in opening and not self.server.faults.hits("withhold_snapshot"):
                self.tell(
                    connection, partial(self.topic_frame, topic, self.whole(pair, opening[topic]))
                )
        (connection.topics.add if on else connection.topics.discard)(topic)

    def tell(self, connection: Connection, frame: Any) -> None:
        """One frame to one connection; a callable is called with the wall time (ns) at which it leaves."""
        connection.put(self.build(frame))

    def tell_user(self, account: Account, topic: str, frame: Any) -> None:
        """One frame to all that follow an account's ``topic``, through the faults of the user stream."""
        for connection in self.server.private(account):
            if topic in connection.topics:
                self.server.put_user(connection, self.build(frame))

    def publish(self, topic: str, frame: Any) -> None:
        """One frame to all that follow ``topic``, through the faults of the market stream."""
        self.server.broadcast(topic, self.build(frame))

    def anyone_follows(self, topic: str) -> bool:
        return any(topic in connection.topics for connection in self.server.connections)

    def replayed_frame(self, connection: Connection, record: Record) -> str | bytes | None:
        """A recorded frame as this client is to see it; None: it did not ask for the topic, or for the book."""
        pair = self.server.replay.pair if self.server.replay is not None else ""
        asked = {record.topic} if record.topic else self.book_topics(pair).keys()
        return None if connection.topics.isdisjoint(asked) else record.text
