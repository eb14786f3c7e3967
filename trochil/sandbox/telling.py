"""How a venue tells what it knows: facts in its words, and frames of what happens to an account's orders."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from trochil.sandbox.connection import Build, Connection
from trochil.sandbox.facts import facts_of, holdings, text, times
from trochil.sandbox.market.accounts import Account
from trochil.sandbox.market.venue import Event
from trochil.sandbox.placing import Placing
from trochil.sandbox.shape import Facts, Made, shape

CURRENCIES = {"base", "quote", "asset", "fee_asset"}


@dataclass(frozen=True, slots=True)
class Tell:
    """What followers of a topic are told of an event, in ``words``; see ``tell``."""

    topic: str
    words: str
    kinds: frozenset[str]
    each: str = ""


def tell(topic: str, words: str, kinds: str = "", each: str = "") -> Tell:
    """``tell("orders", ORDER)``: to who follows that topic (up to the dialect's ``topic_mark``; "": to everyone).

    ``kinds``: of new, trade, cancelled, expired and filled (the trade that fills it), by spaces; none: of all.
    ``each``: a frame for each thing that this fact lists.
    """
    return Tell(topic, words, frozenset(kinds.split()), each)


class Telling(Placing):
    """Facts in words."""

    tells: ClassVar[tuple[Tell, ...]] = ()
    """What an account's connections are told of each event, in this order."""
    private_number: ClassVar[str] = ""
    """The field in which an account's frames of a topic are numbered, the same on all its connections."""
    topic_mark: ClassVar[str] = ":"
    """What ends the name of a private topic: a "." makes "orders.spot" the topic "orders"."""

    def more(self, facts: Facts, thing: Any) -> Facts:
        """Facts of a thing that this venue makes of the others."""
        return {}

    def facts(self, thing: Any) -> Facts:
        """What is known of a thing, its symbol, the time and the fees; by the venue's words where they differ. Of what
        is somebody's, also its API key, and lists of holdings: purse (all), both (those of the pair)."""
        found = facts_of(thing) | times("now", self.server.now_ns())
        for role, fee in (("maker", self.venue.maker_fee), ("taker", self.venue.taker_fee)):
            found |= {
                f"{role}_fee": str(fee),
                f"minus_{role}_fee": str(-fee),
                f"{role}_percent": text(fee * 100),
            }
        if "pair" in found:
            found["symbol"] = self.symbol(found["pair"])
        account = getattr(getattr(thing, "order", thing), "account", thing)
        if isinstance(account, Account):
            found["key"] = account.keys.get("api_key", "")
            found["purse"] = lambda: map(self.facts, holdings(account))
            if "pair" in found:
                found["both"] = partial(self._held, account, found["pair"])
        for name in CURRENCIES & found.keys() if self.lower_case else ():
            found[name] = found[name].lower()
        found |= self.more(found, thing)
        for name, known in self.words.items():
            if name in found:
                found[name] = known.get(found[name], found[name])
        return found

    def _held(self, account: Account, pair: str) -> Iterator[Facts]:
        return map(self.facts, holdings(account, *pair.split("-")))

    def row(self, words: str, thing: Any = None) -> Made:
        return shape(words, self.facts(thing))

    def rows(self, words: str, things: Any) -> list[Made]:
        return [shape(words, self.facts(thing)) for thing in things]

    def told(self, event: Event) -> list[tuple[str, Made]]:
        """Topic and row of all that an event makes the venue tell, numbered where that is so; asked once an event."""
        kinds = {event.kind, event.order.state if event.match else ""}
        tells = [each for each in self.tells if kinds & each.kinds or not each.kinds]
        facts = self.facts(event) if tells else {}
        told = [
            (each.topic, shape(each.words, found))
            for each in tells
            for found in (facts[each.each]() if each.each else [facts])
        ]
        for topic, row in told if self.private_number else ():
            row[self.private_number] = self.count(f"{event.order.account.name} {topic}")
        return told

    def on_event(self, event: Event) -> None:
        told = self.told(event)
        for connection in self.server.private(event.order.account):
            for build in self.user_frames(event, told, connection):
                self.server.put_user(connection, build)

    def user_frames(
        self, event: Event, told: list[tuple[str, Made]], connection: Connection
    ) -> list[Build]:
        """What one of the account's connections hears of it."""
        followed = [topic for topic in (*connection.topics, "") if self.concerns(topic, event)]
        names = [(topic, topic.partition(self.topic_mark)[0]) for topic in followed]
        frames = ((topic, row) for name, row in told for topic, its in names if its == name)
        return [self.user_frame(topic, row, connection) for topic, row in frames]

    def concerns(self, topic: str, event: Event) -> bool:
        """Whether a private topic is about it."""
        return True

    def user_frame(self, topic: str, row: Made, connection: Connection) -> Build:
        """A frame of a private topic, as it was subscribed to, around a row of ``tells``."""
        return self.build(row)

    def build(self, frame: Any) -> Build:
        """The frame as it leaves; a callable is called with the wall time (ns) at which it does."""
        return lambda connection, now: self.encode(
            connection, frame(now) if callable(frame) else frame
        )

    def encode(self, connection: Connection, frame: Any) -> str | bytes:
        raise NotImplementedError
