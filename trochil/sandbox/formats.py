"""How venues write numbers, times and ids."""

import time
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID


def decimal_text(value: Decimal | None) -> str:
    """Plain decimal digits without trailing zeros behind the point; "0" for None."""
    if value is None:
        return "0"
    plain = f"{value:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def exact_text(value: Decimal) -> str:
    """Plain decimal digits, all that the value has."""
    return f"{value:f}"


def fixed_text(value: Decimal | None, places: int = 8) -> str:
    """Plain decimal digits, always so many behind the point; zeros for None."""
    return f"{value or Decimal(0):.{places}f}"


def json_number(value: Decimal | None) -> int | float:
    """As JSON writes numbers: whole ones without a point; 0 for None."""
    text = decimal_text(value)
    return float(text) if "." in text else int(text)


def decimal_places(step: Decimal) -> int:
    """How many digits behind the point a step of prices or sizes has."""
    return max(0, -int(step.as_tuple().exponent))


def iso_time(ns: int) -> str:
    """2024-01-01T00:00:00.000000Z."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10**9))
    return f"{whole}.{ns % 10**9 // 1000:06d}Z"


def milliseconds(ns: int) -> int:
    return ns // 1_000_000


def seconds_text(ns: int) -> str:
    """Unix seconds with four digits behind the point."""
    return f"{ns / 1e9:.4f}"


def unix_seconds(stamp: Any) -> float:
    """Unix seconds out of 2024-01-01T00:00:00.000Z, of seconds, milliseconds or microseconds; 0 for
    none.

    Raises ValueError for what is no time."""
    if not stamp:
        return 0.0
    if "T" in str(stamp):
        return datetime.fromisoformat(str(stamp)).timestamp()
    value = float(stamp)
    if value > 10**14:
        return value / 10**6
    if value > 10**11:
        return value / 10**3
    return value


def uuid_of(number: int | str) -> str:
    """An id as venues write it whose ids are UUIDs."""
    return str(UUID(int=int(number)))
