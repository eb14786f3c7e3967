"""Recorded frames of a venue: what a replay needs to know of one, and how a dialect tells it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

HEADERS = " header: "
"""Between a recorded answer and its HTTP headers, which are an object too."""
Rows = list[list[str]]
"""[price, size] as the venue wrote them."""


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that was received, ``text`` as it came.

    ``kind``: snapshot (asked for, or sent on subscribing), diff, image (a whole book among the
    others) or trade. ``symbol``: the venue's name of the pair; empty where the record doesn't name
    it. ``topic``: of its subscription, where frames of several are recorded.
    """

    time: float
    kind: str
    symbol: str
    text: str | bytes
    data: dict[str, Any]
    topic: str = ""


class RecordReader(Protocol):
    """How a venue's recordings are read. A dialect has one as ``recordings``."""

    def symbol(self, pair: str) -> str:
        """The venue's name of a pair, as ``Record.symbol`` has it."""

    def records(self, time: float, text: str, url: str) -> Iterator[Record]:
        """What a payload holds: received at ``time`` (s), as the answer of ``url`` where there is
        one."""

    def levels(self, record: Record) -> tuple[Rows, Rows]:
        """Bids and asks of a record that is no trade."""

    def last_id(self, record: Record) -> int:
        """The number of its last change; 0 where the venue numbers nothing."""


def parse_json(text: str) -> dict[str, Any] | None:
    """The object that a payload begins with; None where it doesn't."""
    try:
        found, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def recorded_headers(text: str) -> dict[str, str]:
    """The HTTP headers behind a recorded answer."""
    _, _, headers = text.partition(HEADERS)
    return json.loads(headers) if headers else {}
