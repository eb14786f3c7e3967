"""Makes requests, sends them, and judges by the venue's ledger what was answered.

What must hold for each request:

* No HTTP 500 and no mistake of the sandbox's own.
* What is wrong for certain is refused: an unknown or doubled parameter, a missing mandatory one, a
  value that the venue does not take, a wrong signature, an unknown path, method or topic.
* What was refused has changed nothing in the ledger.
* What succeeded was done: one order with the terms that were sent, one order less open; a query
  changes nothing.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal, Protocol

import aiohttp

from tests.support.served import Served
from trochil.sandbox.formats import uuid_of
from trochil.sandbox.market.matching import Order

Value = Any
"""What is sent: a text or number, or a function of the fuzz to one (an id of an order, say)."""
Kind = Literal[
    "query", "place", "place_many", "check", "cancel", "cancel_many", "cancel_all", "refused"
]
"""What must have happened after a success; "refused": there must be none."""
Mistake = Literal[
    "none",
    "missing",
    "doubled",
    "a name twice",
    "in the query too",
    "a form",
    "wrong value",
    "unknown parameter",
    "not offered",
    "wrong signature",
    "unknown key",
    "wrong method",
    "unknown path",
]
MISTAKES_KEPT = 20
SELDOM = 0.4
MOST_ROUNDS = 200


@dataclass(frozen=True)
class Outcome:
    """What the venue answered."""

    status: int
    refused: bool
    body: str
    count: int | None = None
    """How many orders of a batch it says were placed or cancelled; None where it does not say."""
    undone: str = ""
    """What does not hold at a socket's connection, by what was answered; "" where all holds."""


@dataclass(frozen=True)
class Sending:
    """One request as it is to leave. ``params``: pairs, of which a name may come twice."""

    params: list[tuple[str, Any]]
    mistake: Mistake


class Endpoint(Protocol):
    """Something that clients ask of a venue, by REST or on a socket."""

    name: str
    kind: Kind
    params: tuple[str, ...]
    mandatory: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    """Those that can be made here."""

    @property
    def route(self) -> tuple[str, str]:
        """HTTP method and path, as the dialect lists them."""

    async def send(self, fuzz: "Fuzz", sending: Sending) -> Outcome: ...


@dataclass(frozen=True)
class Terms:
    """What an order that was sent asks for; None: it does not say."""

    side: str | None = None
    amount: Decimal | None = None
    price: Decimal | None = None
    client_id: str | None = None
    shrinks: bool = False
    """Whether the amount may be less once the order was kept from trading with the account's."""

    def match(self, order: Order) -> bool:
        amount = order.amount
        if self.shrinks and self.amount is not None and amount <= self.amount:
            amount = self.amount
        pairs = (
            (self.side, order.side),
            (self.amount, amount),
            (self.price, order.price),
            (self.client_id, order.client_id),
        )
        return all(sent is None or sent == taken for sent, taken in pairs)


@dataclass(frozen=True)
class Words:
    """What a venue's parameters may be.

    ``right`` and ``wrong``: values by the parameter's name; by "ENDPOINT NAME" where that is
    another one at an endpoint. ``unknown``: parameters that the venue does not have.
    ``not_offered``: those that it documents and the sandbox does not offer. ``terms``: what the
    parameters of an order ask for.
    """

    endpoints: Sequence[Endpoint]
    right: Mapping[str, Sequence[Value]]
    wrong: Mapping[str, Sequence[Value]]
    terms: Callable[[dict[str, Any]], Terms]
    unknown: Mapping[str, Value] = field(default_factory=lambda: {"colour": "blue"})
    not_offered: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    """By the endpoint's name."""
    before: Callable[["Fuzz"], None] | None = None
    """Called before each request: to forget what counts against a limit, say."""


@dataclass(frozen=True)
class Ledger:
    """What an account has and had."""

    orders: dict[int, tuple[str, Decimal]]
    holdings: dict[str, tuple[Decimal, Decimal]]
    fills: int

    @property
    def open(self) -> set[int]:
        return {id for id, (state, _) in self.orders.items() if state in OPEN}


OPEN = ("new", "partially_filled")


class Fuzz:
    """A run against one venue. ``violations`` says what did not hold; empty is right."""

    def __init__(self, venue: Served, words: Words, seed: int) -> None:
        self.venue = venue
        self.words = words
        self.random = random.Random(seed)
        self.done: Counter[tuple[str, str]] = Counter()
        """(endpoint, "taken" or "refused") -> requests."""
        self.mistakes: Counter[str] = Counter()
        self.violations: list[str] = []
        self.sockets: dict[str, aiohttp.ClientWebSocketResponse] = {}
        """Those of the run, by what they are for."""
        self._client_ids = 0

    async def run(self, requests: int) -> None:
        waiting: list[Endpoint] = []
        for _ in range(requests):
            if not waiting:
                waiting = self._round()
            await self.one(waiting.pop())
            if len(self.violations) >= MISTAKES_KEPT:
                return

    async def take_rest(self) -> None:
        """More requests of what never succeeded, with orders in between, until all of it did."""
        places = [endpoint for endpoint in self.words.endpoints if endpoint.kind == "place"]
        for _ in range(MOST_ROUNDS):
            rest = self.never_taken()
            if not rest or self.violations:
                return
            await self.one(self.random.choice(places))
            for endpoint in rest:
                await self.one(endpoint)

    def never_taken(self) -> list[Endpoint]:
        """Of those that must succeed at some time."""
        return [
            endpoint
            for endpoint in self.words.endpoints
            if endpoint.kind not in ("check", "refused") and not self.done[endpoint.name, "taken"]
        ]

    def _round(self) -> list[Endpoint]:
        """All endpoints, in another order each time; but seldom those that cancel all orders, for
        the others need open ones."""
        chosen = [
            endpoint
            for endpoint in self.words.endpoints
            if endpoint.kind != "cancel_all" or self.random.random() < SELDOM
        ]
        self.random.shuffle(chosen)
        return chosen

    async def one(self, endpoint: Endpoint) -> None:
        """One request, judged."""
        if self.words.before is not None:
            self.words.before(self)
        sending = self._sending(endpoint)
        before = self.ledger()
        errors = self.venue.server.own_error_count
        outcome = await endpoint.send(self, sending)
        after = self.ledger()
        self.done[endpoint.name, "refused" if outcome.refused else "taken"] += 1
        self.mistakes[sending.mistake] += 1
        for wrong in self._judge(endpoint, sending, outcome, before, after):
            self.violations.append(
                f"{endpoint.name} {sending.mistake} {sending.params}: {wrong};"
                f" {outcome.status} {outcome.body[:300]}"
            )
        if self.venue.server.own_error_count > errors:
            self.violations.append(
                f"{endpoint.name} {sending.params}: {self.venue.server.own_errors[-1]}"
            )

    def _judge(
        self,
        endpoint: Endpoint,
        sending: Sending,
        outcome: Outcome,
        before: Ledger,
        after: Ledger,
    ) -> list[str]:
        if outcome.status >= 500:
            return ["a server error"]
        found = [outcome.undone] if outcome.undone else []
        if outcome.refused:
            return [*found, "refused, and the ledger changed"] if before != after else found
        if sending.mistake != "none":
            found.append("taken in spite of the mistake")
        if not self._was_done(endpoint, sending, outcome, before, after):
            found.append("a success, and the ledger says otherwise")
        return found

    def _was_done(
        self,
        endpoint: Endpoint,
        sending: Sending,
        outcome: Outcome,
        before: Ledger,
        after: Ledger,
    ) -> bool:
        new = set(after.orders) - set(before.orders)
        orders = self.venue.server.venue.orders
        ended = {id for id in before.open if id not in after.open or orders[id].is_cancelling}
        match endpoint.kind:
            case "query" | "check":
                return before == after
            case "refused":
                return False
            case "place":
                terms = self.words.terms(dict(sending.params))
                return len(new) == 1 and all(terms.match(orders[id]) for id in new)
            case "place_many":
                return bool(new) and outcome.count in (None, len(new))
            case "cancel":
                return not new and len(ended) >= 1
            case "cancel_many":
                return not new and bool(ended) and outcome.count in (None, len(ended))
            case "cancel_all":
                is_counted = outcome.count in (None, len(ended))
                return not new and after.open <= before.open and is_counted

    # What is sent.

    def _sending(self, endpoint: Endpoint) -> Sending:
        names = [
            name
            for name in endpoint.params
            if name in endpoint.mandatory or self.random.random() < 0.3
        ]
        params = [(name, self._value(endpoint, name)) for name in names]
        mistake = self.random.choice(("none", "none", "none", "none", *endpoint.mistakes))
        return self._mistaken(endpoint, Sending(params, "none"), mistake)

    def _mistaken(self, endpoint: Endpoint, right: Sending, mistake: Mistake) -> Sending:
        """The request with a mistake; the right one where that can't be made of it."""
        params = list(right.params)
        at = self.random.randrange(len(params)) if params else -1
        match mistake:
            case "missing":
                must = [index for index, each in enumerate(params) if each[0] in endpoint.mandatory]
                if not must:
                    return right
                del params[self.random.choice(must)]
            case "doubled":
                if at < 0:
                    return right
                params.append(params[at])
            case "wrong value":
                wrong = [each for each in params if self._wrong_values(endpoint, each[0])]
                if not wrong:
                    return right
                name, value = self.random.choice(wrong)
                value = self._made(self._wrong_values(endpoint, name))
                params = [each if each[0] != name else (name, value) for each in params]
            case "unknown parameter":
                params.append(self.random.choice([*self.words.unknown.items()]))
            case "not offered":
                extra = self.words.not_offered.get(endpoint.name, {})
                if not extra:
                    return right
                params.append(self.random.choice([*extra.items()]))
        return replace(right, params=params, mistake=mistake)

    def _value(self, endpoint: Endpoint, name: str) -> Any:
        values = self.words.right.get(f"{endpoint.name} {name}") or self.words.right[name]
        return self._made(values)

    def _made(self, values: Sequence[Value]) -> Any:
        value = self.random.choice(values)
        return value(self) if callable(value) else value

    def _wrong_values(self, endpoint: Endpoint, name: str) -> Sequence[Any]:
        own = self.words.wrong.get(f"{endpoint.name} {name}")
        return self.words.wrong.get(name, ()) if own is None else own

    # What values may ask for.

    def ledger(self) -> Ledger:
        account = self.venue.account
        venue = self.venue.server.venue
        return Ledger(
            {
                order.id: (order.state, order.filled)
                for order in venue.orders.values()
                if order.account is account
            },
            {name: (holding.free, holding.held) for name, holding in account.holdings.items()},
            len(venue.fills),
        )

    def orders(self, *, is_open: bool | None = None) -> list[Order]:
        """Of the account, oldest first."""
        return [
            order
            for order in self.venue.server.venue.orders.values()
            if order.account is self.venue.account and is_open in (None, order.is_open)
        ]

    def some_order(self) -> Order | None:
        """Mostly an open one; None before there is any."""
        found = self.orders(is_open=True) if self.random.random() < 0.8 else self.orders()
        return self.random.choice(found) if found else None

    def named_order(self) -> Order | None:
        """Some open one that has an id of its client's; None before there is any."""
        found = [order for order in self.orders(is_open=True) if order.own_client_id]
        return self.random.choice(found) if found else None

    def order_id(self) -> str:
        """The venue's id of some order, "1" before there is any."""
        order = self.some_order()
        return "1" if order is None else str(order.id)

    def client_id(self) -> str:
        """The client's own id of some open order, "none" before there is any."""
        order = self.named_order()
        return order.own_client_id if order is not None else "none"

    def made_client_id(self) -> str:
        """As the sandbox itself names orders."""
        return f"sandbox{self.order_id()}"

    def order_uuid(self) -> str:
        """The id of some order in the form of venues whose ids are UUIDs."""
        return uuid_of(self.order_id())

    def fresh_number(self) -> int:
        """Another one each time."""
        self._client_ids += 1
        return self._client_ids
