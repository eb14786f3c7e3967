"""What a venue's refusals mean: a table of its codes and of what its messages contain."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from exchanges.contract import Answer, ErrorKind, Fault

Refusal = TypeVar("Refusal", bound=msgspec.Struct)
BANNED = 418
TOO_MANY_REQUESTS = (BANNED, 429)
SHOWN = 200
"""Characters of an unreadable answer that are shown."""


@dataclass(frozen=True, slots=True)
class MessageRule:
    """Refusals whose message contains ``fragment`` (in any case), with ``code`` where it is not
    empty."""

    kind: ErrorKind
    fragment: str
    code: str = ""


def message_rules(kind: ErrorKind, *fragments: str, code: str = "") -> tuple[MessageRule, ...]:
    """Several rules of one kind."""
    return tuple(MessageRule(kind, fragment, code) for fragment in fragments)


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """What refusals mean: ``messages`` are tried first, in order, then ``codes``; anything else is
    UNKNOWN.

    What a gateway says in the venue's place (a page of HTML) proves nothing: UNKNOWN, but for HTTP
    418 and 429.
    """

    codes: Mapping[str, ErrorKind] = field(default_factory=dict)
    messages: Iterable[MessageRule] = ()
    limits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Codes that say which limits are reached, with the names of these."""
    bans: frozenset[str] = frozenset()
    """Codes after which nothing from this address is answered for a while."""

    def kind(self, code: str, message: str) -> ErrorKind:
        folded = message.casefold()
        for rule in self.messages:
            if rule.code in ("", code) and rule.fragment.casefold() in folded:
                return rule.kind
        return self.codes.get(code, ErrorKind.UNKNOWN)

    def fault(self, code: str, message: str, status: int = 200) -> Fault:
        """The fault of a refusal in the venue's own form. HTTP 418, 429 and 5xx decide before its
        code does."""
        if status in TOO_MANY_REQUESTS:
            kind = ErrorKind.RATE
        elif status >= 500:
            kind = ErrorKind.UNKNOWN
        else:
            kind = self.kind(code, message)
        is_rate = kind is ErrorKind.RATE
        return Fault(
            kind,
            code,
            message or f"HTTP {status}",
            limits=self.limits.get(code, ()) if is_rate else (),
            ban=is_rate and (status == BANNED or code in self.bans),
        )


def refusal_in(answer: Answer, form: type[Refusal]) -> Refusal | None:
    """The refusal in the venue's own form; None where a gateway answered in its place."""
    try:
        return msgspec.json.decode(answer.body, type=form)
    except msgspec.DecodeError:
        return None


def of_gateway(answer: Answer) -> Fault:
    """The fault of an answer that is not in the venue's own form. It proves nothing about a
    request."""
    is_rate = answer.status in TOO_MANY_REQUESTS
    kind = ErrorKind.RATE if is_rate else ErrorKind.UNKNOWN
    text = answer.body[:SHOWN].decode(errors="replace")
    return Fault(kind, "", text or f"HTTP {answer.status}", ban=is_rate)
