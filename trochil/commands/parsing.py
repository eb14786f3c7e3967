"""``trochil parse``: shows the messages that an adapter parses from recorded frames."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from exchanges.contract import MALFORMED, Answer, Auth, AuthDict, Exchange, UnsignedRequest
from exchanges.orders import TradingRule
from orderbook.errors import ConfigError
from trochil.sandbox.replay import ReplayError, read_lines

SHOWN = 120
"""Characters shown of a level column, or of a malformed frame."""


class Parsed(NamedTuple):
    """One frame: its messages, or why it was rejected."""

    number: int
    messages: list[Any]
    rejected: str


class _NoKey(Auth):
    """Parsing signs nothing."""

    fields = ()

    def __init__(self) -> None:
        self.api_key = ""

    def sign(self, request: UnsignedRequest, now: float) -> AuthDict:
        raise ConfigError("parsing signs nothing")


def parse_file(
    path: Path, exchange: Exchange, *, user: bool = False, rules: Path | None = None
) -> Iterator[Parsed]:
    """Parse each received frame of a recording with a new adapter. Raises ConfigError.

    The formats are those of trochil.sandbox.replay, or one frame per line (.jsonl).
    ``user``: frames of the private stream. ``rules``: the venue's answer with its markets, for
    venues whose frames can't be parsed without them.
    """
    by_symbol = _rules(rules, exchange)
    feed = exchange.user(_NoKey(), by_symbol) if user else exchange.book(by_symbol)
    for number, frame in enumerate(_frames(path, exchange), 1):
        try:
            yield Parsed(number, list(feed.parse(frame)), "")
        except MALFORMED as error:
            yield Parsed(number, [], f"{type(error).__name__}: {error} in {frame[:SHOWN]!r}")


def _frames(path: Path, exchange: Exchange) -> Iterator[bytes]:
    if not path.is_file():
        raise ConfigError(f"no file {path}")
    if path.suffix == ".jsonl":
        yield from (line.encode() for line in path.read_text().splitlines() if line)
        return
    try:
        for _, text, url in read_lines(path):
            if url:
                continue  # a REST answer
            raw = ast.literal_eval(text) if text.startswith(("b'", 'b"')) else text.encode()
            yield (
                exchange.decode(raw)
                if exchange.decode is not None and isinstance(raw, bytes)
                else raw
            )
    except ReplayError as error:
        raise ConfigError(str(error)) from None


def _rules(path: Path | None, exchange: Exchange) -> dict[str, TradingRule]:
    if path is None:
        return {}
    try:
        found = exchange.book({}).trading_rules().read(Answer(200, {}, path.read_bytes()))
    except (OSError, *MALFORMED) as error:
        raise ConfigError(
            f"{path} has no markets of {exchange.name} ({type(error).__name__}: {error})"
        ) from None
    return {rule.symbol: rule for rule in found}


def shown(message: Any) -> str:
    """A message in one line; levels are truncated."""
    fields = (
        msgspec.structs.asdict(message) if isinstance(message, msgspec.Struct) else vars_of(message)
    )
    texts = (
        f"{name}={_cut(value)}"
        for name, value in fields.items()
        if value not in ("", b"", 0, None, -1)
    )
    return f"{type(message).__name__}({', '.join(texts)})"


def vars_of(message: Any) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__dataclass_fields__}


def _cut(value: Any) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"


def count(parsed: Parsed) -> Counter[str]:
    """Frames, rejected ones, and messages by kind."""
    kinds = Counter(type(message).__name__ for message in parsed.messages)
    return Counter({"frames": 1, "rejected": 1 if parsed.rejected else 0}) + kinds
