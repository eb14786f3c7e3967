"""What an adapter makes of recorded frames: for whoever writes one, and whoever doubts one."""

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
"""Characters of a level column, or of a frame that can't be read, that are shown."""


class Parsed(NamedTuple):
    """One frame: what came of it, or why it was rejected."""

    number: int
    messages: list[Any]
    rejected: str


class _NoKey(Auth):
    """Parsing signs nothing."""

    fields = ()

    def __init__(self) -> None:
        self.api_key = ""

    def sign(self, ask: UnsignedRequest, now: float) -> AuthDict:
        raise ConfigError("parsing signs nothing")


def parse_file(
    path: Path, exchange: Exchange, *, user: bool = False, rules: Path | None = None
) -> Iterator[Parsed]:
    """Each received frame of a recording (its formats: trochil.sandbox.replay; or a frame a line) through a fresh
    adapter. ``user``: frames of the private stream. ``rules``: the venue's answer with its markets, where frames can't
    be read without. Raises ConfigError."""
    known = _rules(rules, exchange)
    feed = exchange.user(_NoKey(), known) if user else exchange.book(known)
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
                continue  # an answer by REST
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
    """A message in a line; levels cut."""
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
    return Counter({"frames": 1, "rejected": int(bool(parsed.rejected))}) + kinds
