"""Reads frames with the adapters that PYTHONPATH leads to: of this checkout, or of an older one.

Standard input: a JSON list of rows, {"venue", "role", "symbol", "pair", "stream", "handshake",
"frames"}. Standard output: a JSON list with a result each: with ``records``, what the frames gave;
else CPU microseconds a frame, the least of many rounds. It imports what revisions have in common.
"""

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from enum import Enum
from importlib import import_module
from typing import Any

KEYS = {"api_key": "key", "api_secret": "c2VjcmV0", "passphrase": "words"}
ADDRESS = {"api_key": "0x" + "12" * 20, "api_secret": "0x" + "11" * 32}
REGISTRIES = ("exchanges.registry",)
RULES = ("exchanges.orders:TradingRule",)
HANDSHAKES = ("handshake", "opening")
"""Names that something has, or had."""
ROUNDS = 9


def first_found(names: Iterable[str]) -> Any:
    """What the first name stands for that exists here."""
    for name in names:
        module, _, attribute = name.partition(":")
        try:
            found = import_module(module)
            return getattr(found, attribute) if attribute else found
        except (ImportError, AttributeError):
            continue
    raise ImportError(f"none of {names} exists here")


registry = first_found(REGISTRIES)
TradingRule = first_found(RULES)

Parse = Callable[[bytes], Iterable[Any]]


def new_parse(row: dict[str, Any]) -> Parse:
    """``parse`` of a new connection that is logged in."""
    exchange = registry.get(row["venue"])
    base, _, quote = row["pair"].partition("-")
    rule = TradingRule(
        trading_pair=row["pair"],
        symbol=row["symbol"],
        base=base,
        quote=quote,
        price_tick=Decimal("0.01"),
        size_step=Decimal("0.00000001"),
    )
    rules = {row["symbol"]: rule}
    if row["role"] == "book":
        parse: Parse = exchange.book(rules, row["stream"]).parse
        return parse
    auth = exchange.auth(ADDRESS if row["venue"] == "hyperliquid" else KEYS)
    feed = exchange.user(auth, rules, "wss://host")
    shake_hands(feed, row["handshake"])
    list(feed.login(0.0))
    parse = feed.parse
    return parse


def shake_hands(feed: Any, given: list[Any]) -> None:
    name = next(name for name in HANDSHAKES if hasattr(feed, name))
    steps = getattr(feed, name)()
    try:
        next(steps)
        for answer in given:
            steps.send(answer)
    except StopIteration:
        return


def cpu_us(row: dict[str, Any]) -> float:
    frames = [frame.encode() for frame in row["frames"]]
    best = float("inf")
    for _ in range(ROUNDS):
        parse = new_parse(row)
        begun = time.process_time()
        for frame in frames:
            for _record in parse(frame):
                pass
        best = min(best, time.process_time() - begun)
    return best / len(frames) * 1e6


def records(row: dict[str, Any]) -> list[Any]:
    parse = new_parse(row)
    return [[plain(record) for record in parse(frame.encode())] for frame in row["frames"]]


def plain(value: Any) -> Any:
    """A record as its type's name and its fields, numbers by value."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "__struct_fields__"):
        names = list(value.__struct_fields__)
    elif dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
    else:
        return value
    fields = {name: plain(getattr(value, name)) for name in names}
    return {"type": type(value).__name__, "fields": fields}


def main() -> None:
    measure = records if sys.argv[1:] == ["records"] else cpu_us
    json.dump([measure(row) for row in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
