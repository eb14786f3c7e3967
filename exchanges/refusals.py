"""What venues say when they refuse, and what that means: tables of codes and words."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from exchanges.contract import Answer, ErrorKind, Fault

T = TypeVar("T")
Row = dict[str, Any]


def table(words: Mapping[T, str]) -> dict[str, T]:
    """{OPEN: "NEW PENDING"} turned round: {"NEW": OPEN, "PENDING": OPEN}."""
    return {word: key for key, text in words.items() for word in text.split()}


class Said(msgspec.Struct):
    """The commonest form of a refusal: {"code": ..., "msg": ...}."""

    code: int | str = ""
    msg: str = ""


class ErrorTable:
    """What a venue's refusals mean: kind -> codes (shell patterns, apart by spaces).

    ``words`` go first: kind -> parts of messages, apart by "|"; "code:part" is for that code alone.
    What is in neither table is an unknown outcome.
    """

    def __init__(
        self, codes: Mapping[ErrorKind, str], words: Mapping[ErrorKind, str] = MappingProxyType({})
    ) -> None:
        self._codes = table(codes)
        parts = [
            (part.rpartition(":"), kind) for kind, text in words.items() for part in text.split("|")
        ]
        self._words = [(code, part, kind) for (code, _, part), kind in parts]

    def kind(self, code: str, message: str) -> ErrorKind:
        for known, part, kind in self._words:
            if known in ("", code) and part in message:
                return kind
        if code in self._codes:
            return self._codes[code]
        return next(
            (kind for known, kind in self._codes.items() if fnmatchcase(code, known)),
            ErrorKind.UNKNOWN,
        )

    def fault(self, answer: Answer, message: str = "msg") -> Fault | None:
        """A refusal by HTTP status, {"code": ..., ``message``: ...}; the status alone decides limits and 5xx."""
        if answer.status < 400:
            return None
        try:
            said = answer.json(Row)
        except msgspec.DecodeError:
            said = {message: answer.body[:200].decode(errors="replace")}
        return self.of(str(said.get("code", "")), str(said.get(message, "")), answer.status)

    def coded(
        self,
        answer: Answer,
        code: str = "code",
        message: str = "msg",
        ok: str = "0",
        inside: str = "",
    ) -> Fault | None:
        """A refusal by {``code``: ..., ``message``: ...}, also where the HTTP status is 200.

        What is no JSON object, or lacks the code, came from something that stands before the venue. ``ok``: the codes
        that are none. "a|b": the first that is there; ``inside``: also in the first row under that name.
        """
        try:
            said = answer.json(Row)
        except msgspec.DecodeError:
            return self.of("", answer.body[:200].decode(errors="replace"), answer.status)
        match said.get(inside):
            case [{**row}, *_]:
                said = row | said
        found, why = (
            next((str(said[n]) for n in names.split("|") if n in said), "")
            for names in (code, message)
        )
        if found in ok.split() and answer.status < 400:
            return None
        return self.of(found, why, answer.status)

    def of_text(self, text: str, status: int = 200) -> Fault:
        """The fault of "code:message"."""
        code, _, message = text.partition(":")
        return self.of(code, message, status)

    def listed(self, answer: Answer, name: str = "error") -> Fault | None:
        """A refusal by a list under ``name``: the first text that begins with E is "code:message", others only warn."""
        try:
            said = [
                text for text in answer.json(dict[str, Any]).get(name, ()) if text.startswith("E")
            ]
        except msgspec.DecodeError:
            said = [f":{answer.body[:200].decode(errors='replace')}"]
        return (
            self.of_text((said or [""])[0], answer.status) if said or answer.status >= 400 else None
        )

    def of(self, code: str, message: str, status: int = 200, retry_after: float = 0.0) -> Fault:
        """The fault of a code and a message, where the HTTP status (418, 429, 5xx) doesn't decide."""
        kind = self.kind(code, message)
        if status in (418, 429):
            kind = ErrorKind.RATE
        elif status >= 500:
            kind = ErrorKind.UNKNOWN
        return Fault(kind, code, message or f"HTTP {status}", retry_after=retry_after)


def worded(**words: str) -> ErrorTable:
    """worded(funds="EOrder:Insufficient", auth="key|signature"): an ErrorTable by words alone."""
    return ErrorTable({}, {ErrorKind(name): text for name, text in words.items()})


def errors(words: Mapping[ErrorKind, str] = MappingProxyType({}), **codes: str) -> ErrorTable:
    """errors(refused="-1013 -2010", auth="-2015"): an ErrorTable by the names of our kinds."""
    return ErrorTable({ErrorKind(name): text for name, text in codes.items()}, words)
