"""Numbers, times and texts as venues write them, read the same way by every adapter."""

import re
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TypeVar

from exchanges.orders import ZERO

T = TypeVar("T")
NS_PER_SECOND = 10**9
NS_PER_MS = 10**6
NUMBER = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
SECONDS_LENGTH = len("2024-01-01T00:00:00")


def number_of(text: str) -> float:
    """The float64 of a price or a size as venues write them, without a sign.

    Raises ValueError for what isn't a number of JSON, as the scanner of levels refuses it.
    """
    if NUMBER.fullmatch(text) is None:
        raise ValueError(f"could not convert string to float: {text[:40]!r}")
    return float(text)


def epoch_ns(stamp: int) -> int:
    """Nanoseconds out of milli- or microseconds since 1970: sizes differ until the year 5138."""
    return stamp * 1000 if stamp > 10**14 else stamp * NS_PER_MS


def iso_ns(stamp: str) -> int:
    """Nanoseconds out of 2024-01-01T00:00:00.123456789Z, to the last digit given; 0 for none."""
    if not stamp:
        return 0
    nanoseconds = stamp[SECONDS_LENGTH:].strip(".Z")
    return _whole_seconds(stamp[:SECONDS_LENGTH]) + int((nanoseconds + "000000000")[:9])


@lru_cache(maxsize=64)
def _whole_seconds(stamp: str) -> int:
    """Nanoseconds of a time without a fraction. Most frames come in the second of the last one."""
    return int(datetime.fromisoformat(f"{stamp}+00:00").timestamp()) * NS_PER_SECOND


def iso_text(ns: int) -> str:
    """2024-01-01T00:00:00.123Z out of nanoseconds; empty for no time."""
    if ns <= 0:
        return ""
    moment = datetime.fromtimestamp(ns // NS_PER_SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns // NS_PER_MS % 1000:03}Z"


def seconds_ns(seconds: Decimal) -> int:
    """Nanoseconds out of seconds with digits behind the point."""
    return int(seconds * NS_PER_SECOND)


def decimal_or_zero(text: str | None) -> Decimal:
    """A number that a venue writes as an empty text, or null, where there is none."""
    return Decimal(text) if text else ZERO


def decimal_or_none(text: str | None) -> Decimal | None:
    """The same where none is not the same as 0. A price of 0 is none: venues write it for market
    orders."""
    return (Decimal(text) or None) if text else None


def plain_text(number: Decimal) -> str:
    """Plain digits without zeros at the end."""
    return f"{number.normalize():f}"


def unknown_status(word: str) -> str:
    """The reason of an order whose status is a word that we don't know."""
    return f"the status {word!r} is unknown here"


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """``items`` in order, at most ``size`` at a time."""
    for first in range(0, len(items), size):
        yield items[first : first + size]


def gunzip(frame: bytes) -> bytes:
    """For ``Exchange.decode``. What isn't gzipped stays as it is, for ``parse`` to judge."""
    try:
        return zlib.decompress(frame, wbits=31)
    except zlib.error:
        return frame
