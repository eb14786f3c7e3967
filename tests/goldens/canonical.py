"""Records as plain data, under the names that they had when the goldens were stored."""

import dataclasses
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from exchanges.rows import BadRow, Rows
from orderbook.messages import LevelNames

T = TypeVar("T")
RENAMED: dict[str, str] = {
    "InFlightOrder.unknown": "InFlightOrder.status_unknown",
    "InFlightOrder.cancel_asked": "InFlightOrder.cancel_requested",
    "InFlightOrder.told": "InFlightOrder.emitted_events",
    "Lost": "FeedInterrupted",
    "Lost.coming": "FeedInterrupted.snapshot_expected",
}
"""Old name -> new name, the one place where stored names are translated.

Of a type ("OrderUpdate" -> "Word"), of a member of an enumeration ("OrderState.NOT_PLACED" ->
"OrderState.DENIED"), of a field of one type ("TradingRule.min_size" -> "least"), of a field
wherever it occurs ("min_size" -> "least"), or of a method of the roles ("call.status" ->
"call.state_of").
"""
EXACT_DIGITS = {"TradingRule.price_tick", "TradingRule.size_step"}
"""Decimals whose zeros at the end count: checksums of books are made of numbers with these digits.
All other Decimals are compared by value."""
FIELDS_FILE = Path(__file__).parent / "fields.json"
OLD_NAMES = {new: old for old, new in RENAMED.items()}
FIELDS: dict[str, list[str]] = {}
"""Type -> the fields that are stored; what a type has besides is not compared."""


STORED_LAYOUTS = {
    ("kraken", "Layout.JSON by price, qty"): "Layout.JSON",
    ("hyperliquid", "Layout.JSON by px, sz"): "Layout.JSON",
    ("bittrex", "Layout.JSON by rate, quantity"): "Layout.SIZE_FIRST",
}
"""How levels that are read by names now were read when the goldens were stored, which was by their
places. Other names, or those of another venue, are a difference."""


def load_fields() -> None:
    if FIELDS_FILE.exists():
        FIELDS.update(json.loads(FIELDS_FILE.read_text()))


load_fields()


def new_name(owner: str, name: str) -> str:
    """What ``name`` of the type ``owner`` (both old) is called now."""
    return RENAMED.get(f"{owner}.{name}", RENAMED.get(name, name)).rpartition(".")[2]


def field_names(value: Any) -> list[str]:
    if isinstance(value, msgspec.Struct):
        return list(value.__struct_fields__)
    return [field.name for field in dataclasses.fields(value)]


def canonical(value: Any, exact: bool = False) -> Any:
    """JSON-able, equal for equal records: {"type": ..., "fields": {...}} with Decimals by value,
    floats as they are, members of enumerations by name, bytes as text; rows that could not be read
    after those that could."""
    if isinstance(value, Enum):
        kind = type(value).__name__
        owner = OLD_NAMES.get(kind, kind)
        return OLD_NAMES.get(f"{kind}.{value.name}", f"{owner}.{value.name}")
    if isinstance(value, Decimal):
        return f"Decimal {value if exact else plain(value)}"
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value
    if isinstance(value, bytes | bytearray | memoryview | msgspec.Raw):
        return bytes(value).decode()
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, Rows):
        return [canonical(item) for item in (*value, *value.bad)]
    if isinstance(value, BadRow):
        return {"type": "BadRow", "fields": {"path": value.path, "reason": value.reason}}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if isinstance(value, msgspec.Struct) or dataclasses.is_dataclass(value):
        return record(value)
    return value


def record(value: Any) -> dict[str, Any]:
    kind = OLD_NAMES.get(type(value).__name__, type(value).__name__)
    names = FIELDS.setdefault(kind, field_names(value))
    fields = {}
    for name in names:
        said = getattr(value, new_name(kind, name))
        exact = f"{kind}.{name}" in EXACT_DIGITS
        fields[name] = sent(said) if kind == "Send" else canonical(said, exact)
    level_names = getattr(value, "names", None)
    if isinstance(level_names, LevelNames):
        fields["layout"] = f"{fields['layout']} by {', '.join(level_names)}"
    return {"type": kind, "fields": fields}


def with_stored_layouts(venue: str, outcome: Any) -> Any:
    """An outcome of a venue with the layouts that levels had when the goldens were stored."""
    if isinstance(outcome, list):
        return [with_stored_layouts(venue, item) for item in outcome]
    if not isinstance(outcome, dict):
        return outcome
    found = {name: with_stored_layouts(venue, item) for name, item in outcome.items()}
    layout = found.get("layout")
    if isinstance(layout, str):
        found["layout"] = STORED_LAYOUTS.get((venue, layout), layout)
    return found


def plain(number: Decimal) -> str:
    """Its value: 1.0, 1 and 1E+0 are the same text."""
    text = f"{number:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("", "-0", "-") else text


def sent(frame: Any) -> Any:
    """What goes over the wire, decoded where it is JSON."""
    text = frame if isinstance(frame, str | bytes) else msgspec.json.encode(frame)
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def stored(value: Any) -> Any:
    """A record that goes in, such as an order, with what differs from its defaults alone."""
    fields = {name: getattr(value, name) for name in field_names(value)}
    if isinstance(value, msgspec.Struct):
        names = value.__struct_fields__[::-1]
        values = value.__struct_defaults__[::-1]
        defaults = dict(zip(names, values, strict=False))
        fields = {n: v for n, v in fields.items() if n not in defaults or v != defaults[n]}
        fields = {n: v for n, v in fields.items() if v or n not in ("fills", "told")}
    return {"type": type(value).__name__, "fields": msgspec.to_builtins(fields)}


def revived(said: dict[str, Any], kinds: Mapping[str, type[T]]) -> T:
    """The record of ``stored``."""
    kind = said["type"]
    fields = {new_name(kind, name): value for name, value in said["fields"].items()}
    return msgspec.convert(fields, kinds[kind])
