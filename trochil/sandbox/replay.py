"""Recorded frames served as they were: over a real websocket, at the recorded pace or as fast as
the client reads.

Two formats: lines of ``<local ns> <json>`` (also gzipped), and captures of one session in files
NAME.0 (instruments), NAME.http.0.0 (snapshots) and NAME.ws.N.0 (frames), with receipt times in
seconds.
"""

import asyncio
import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from trochil.sandbox.market.venue import Symbol
from trochil.sandbox.recorded import Record, RecordReader, Rows
from trochil.sandbox.server import Server

WHOLE = ("snapshot", "image")
"""Kinds of records that are a book by themselves."""
CHANGES = ("diff", "image")
"""Kinds that a book follows; they are counted."""


class ReplayError(Exception):
    """A recording that can't be served, and why."""


class Image(NamedTuple):
    """A whole book; levels as the venue wrote their numbers, best first."""

    last_id: int
    bids: Rows
    asks: Rows


def read_lines(path: Path) -> Iterator[tuple[float, str, str]]:
    """(time in s, payload, URL where there is one) of a recording in either format, in order of
    time."""
    if not path.is_file():
        raise ReplayError(f"no recording at {path}")
    if not re.search(r"\.(0|\d+\.0)$", path.name):
        with gzip.open(path, "rt") if path.suffix == ".gz" else open(path) as file:
            for line in file:
                stamp, _, payload = line.strip().partition(" ")
                if payload and not stamp.isdigit():
                    raise ReplayError(
                        f"{path} is no recording: a line begins with {stamp[:20]!r},"
                        " not with a time in ns"
                    )
                if payload:
                    yield int(stamp) / 1e9, payload, ""
        return
    found = []
    for part in sorted(path.parent.glob(path.name.split(".")[0] + ".*.*.0")):
        found += list(_captured(part))
    yield from sorted(found, key=lambda line: line[0])


def _captured(path: Path) -> Iterator[tuple[float, str, str]]:
    for line in path.read_text().splitlines():
        if " -> " in line[:400]:
            url, _, rest = line.partition(" -> ")
            stamp, _, body = rest.partition(": ")
            yield float(stamp), body, url
        elif re.match(r"\d+\.\d+: ", line):
            stamp, _, body = line.partition(": ")
            yield float(stamp), body, ""


@dataclass(slots=True)
class OwnBook:
    """The server's own book of the recording: what a snapshot asked for later is made of."""

    begun: bool = False
    last_id: int = 0
    bids: dict[str, str] = field(default_factory=dict)
    asks: dict[str, str] = field(default_factory=dict)

    def apply(self, record: Record, recordings: RecordReader) -> None:
        for levels, side in zip(recordings.levels(record), (self.bids, self.asks), strict=True):
            if record.kind in WHOLE:
                side.clear()
            for price, size in levels:
                if Decimal(size):
                    side[price] = size
                else:
                    side.pop(price, None)
        self.begun = True
        self.last_id = recordings.last_id(record)

    def image(self) -> Image:
        bids = sorted(self.bids.items(), key=lambda level: -Decimal(level[0]))
        asks = sorted(self.asks.items(), key=lambda level: Decimal(level[0]))
        return Image(self.last_id, [list(b) for b in bids], [list(a) for a in asks])


class Replay:
    """One pair of a recording. Frames after the recorded snapshot wait until that was asked for."""

    def __init__(
        self, file: str, pair: str, speed: str, drop: str, recordings: RecordReader
    ) -> None:
        self.pair = pair
        self._recordings = recordings
        self._speed = 0.0 if speed == "max" else self._positive(speed)
        self._first, self._last = self._range(drop)
        symbol = recordings.symbol(pair)
        read = (record for line in read_lines(Path(file)) for record in recordings.records(*line))
        self._records = [record for record in read if record.symbol in ("", symbol)]
        if not any(record.kind in WHOLE for record in self._records):
            raise ReplayError(
                f"{file} has no snapshot of {pair or 'any pair'}: nothing to begin a book with"
            )
        self._diffs = sum(record.kind in CHANGES for record in self._records)
        self._snapshot = next(record for record in self._records if record.kind in WHOLE)
        self._fetched = asyncio.Event()
        self._followed = asyncio.Event()
        self._own = OwnBook()
        self._early: list[Record] = []
        self._sent = 0
        self._withheld = 0
        self._finished = False

    @staticmethod
    def _positive(speed: str) -> float:
        try:
            value = float(speed)
        except ValueError:
            value = 0.0
        if value <= 0:
            raise ReplayError(f"--speed {speed!r}: write max, or a number above 0")
        return value

    @staticmethod
    def _range(drop: str) -> tuple[int, int]:
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", drop) if drop else None
        if drop and found is None:
            raise ReplayError(f"--drop {drop!r}: write A-B, diff frames counted from 1")
        first = int(found[1]) if found else 0
        return first, int(found[2] or first) if found else 0

    def attach(self, server: Server) -> None:
        """Take the place of the market on a server without symbols of its own."""
        base, _, quote = self.pair.partition("-")
        symbol = Symbol(base, quote, self._step(0), self._step(1))
        server.venue.list_pair(self.pair, symbol)
        server.replay = self
        self._server = server

    def _step(self, column: int) -> Decimal:
        levels = self._recordings.levels(self._snapshot)
        numbers = (Decimal(level[column]).normalize() for side in levels for level in side[:200])
        return Decimal(1).scaleb(min(0, *(int(number.as_tuple().exponent) for number in numbers)))

    def snapshot(self) -> Image:
        """The recorded snapshot on the first request, the server's own book afterwards."""
        if not self._fetched.is_set():
            self._fetched.set()
            return Image(
                self._recordings.last_id(self._snapshot), *self._recordings.levels(self._snapshot)
            )
        return self._own.image()

    def book_followed(self) -> None:
        """Somebody subscribed to the book."""
        self._followed.set()

    def status(self) -> dict[str, Any]:
        return {
            "diffs_total": self._diffs,
            "diffs_sent": self._sent,
            "withheld": self._withheld,
            "finished": self._finished,
            "last_update_id": self._own.last_id,
            "snapshot_fetched": self._fetched.is_set(),
        }

    async def run(self) -> None:
        await self._followed.wait()
        loop = asyncio.get_running_loop()
        number = 0
        begun = first = 0.0
        for record in self._records:
            if record is self._snapshot:
                self._begin_own(record)
                await self._fetched.wait()
            if record.kind == "snapshot":
                continue
            if self._speed:
                begun = begun or loop.time()
                first = first or record.time
                await asyncio.sleep(
                    max(0.0, begun + (record.time - first) / self._speed - loop.time())
                )
            if record.kind in CHANGES:
                number += 1
                self._advance(record)
                if self._first <= number <= self._last:
                    self._withheld += 1
                    continue
                self._sent += 1
            await self._send(record)
        self._finished = True

    def _begin_own(self, snapshot: Record) -> None:
        """The server's own book: the snapshot, and the diffs recorded before it that are newer than
        it."""
        self._own.apply(snapshot, self._recordings)
        for record in self._early:
            if self._own.last_id:
                self._advance(record)

    def _advance(self, record: Record) -> None:
        number = self._recordings.last_id(record)
        if record.kind == "diff" and not self._own.begun:
            self._early.append(record)
        elif number > self._own.last_id or not number:
            self._own.apply(record, self._recordings)

    async def _send(self, record: Record) -> None:
        """As it was, to whoever subscribed; the socket alone sets the pace."""
        for connection in list(self._server.connections):
            text = self._server.dialect.replayed_frame(connection, record)
            if text is not None:
                await connection.queue.join()  # a snapshot that was asked for goes first
                await connection.send(text)
