"""Recorded frames served as they were: over a real websocket, at the recorded pace or as fast as
the client reads.

Two formats: lines of ``<local ns> <json>`` (also gzipped), and captures of one session in files
NAME.0 (instruments), NAME.http.0.0 (snapshots) and NAME.ws.N.0 (frames), with receipt times in
seconds.
"""

import asyncio
import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from trochil.sandbox.connection import Connection
from trochil.sandbox.market.venue import Symbol
from trochil.sandbox.recorded import Record, RecordReader, Rows
from trochil.sandbox.server import Server

FORMATS = (
    "read are lines of `<ns> <frame>`, also gzipped (NAME.gz), and captures of a session (NAME.0, "
    "NAME.http.0.0, NAME.ws.N.0)"
)
UNREADABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    zlib.error,
)
"""What a venue's reader raises for a payload that isn't the venue's."""
WHOLE = ("snapshot", "image")
"""Kinds of records that are a book by themselves."""
CHANGES = ("diff", "image")
"""Kinds that a book follows; they are counted."""
GUIDED = ("start", "delivery", "book")
"""What a guided replay waits for until it is told to go on."""


class ReplayError(Exception):
    """A recording that can't be served, and why."""


class RecordedDialect(Protocol):
    """What a replay needs of a venue's dialect, of its class."""

    recordings: RecordReader
    snapshot_on_subscribe: bool


class Image(NamedTuple):
    """A whole book; levels as the venue wrote their numbers, best first."""

    last_id: int
    bids: Rows
    asks: Rows


def read_lines(path: Path) -> Iterator[tuple[float, str, str]]:
    """(time in s, payload, URL where there is one) of a recording in either format, in order of
    time. Raises ReplayError for a file in neither."""
    if not path.is_file():
        raise ReplayError(f"no recording at {path}")
    try:
        if re.search(r"\.(0|\d+\.0)$", path.name):
            yield from _session(path)
        else:
            yield from _stamped_lines(path)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ReplayError(f"{path} is no recording ({error}); {FORMATS}") from None


def read_records(path: Path, recordings: RecordReader) -> Iterator[Record]:
    """The records of a venue. Raises ReplayError, also for one that lacks what the venue sends."""
    for time, text, url in read_lines(path):
        try:
            for record in recordings.records(time, text, url):
                if record.kind != "trade":
                    recordings.levels(record)
                    recordings.last_id(record)
                yield record
        except UNREADABLE as error:
            raise ReplayError(
                f"{path}: what was received at {time:.3f} s can't be read "
                f"({type(error).__name__}: {error}): {text[:60]!r}"
            ) from None


def _stamped_lines(path: Path) -> Iterator[tuple[float, str, str]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else open(path) as file:
        for line in file:
            stamp, _, payload = line.strip().partition(" ")
            if payload and not stamp.isdigit():
                raise ReplayError(
                    f"{path} is no recording: a line begins with {stamp[:20]!r},"
                    f" not with a time in ns; {FORMATS}"
                )
            if payload:
                yield int(stamp) / 1e9, payload, ""


def _session(path: Path) -> Iterator[tuple[float, str, str]]:
    """What all files of a session hold."""
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


class Pace:
    """The recorded time against the clock; as fast as it is read where ``speed`` is 0."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._begun: float | None = None
        self._first = 0.0

    def delay(self, time: float) -> float:
        """Seconds until a record of ``time`` (s) is due, 0 at least. The first is due at once."""
        if not self._speed:
            return 0.0
        now = asyncio.get_running_loop().time()
        if self._begun is None:
            self._begun = now
            self._first = time
        due = self._begun + (time - self._first) / self._speed
        return max(0.0, due - now)

    async def stand_still(self, event: asyncio.Event) -> None:
        """Wait for ``event``; recorded time stands still meanwhile."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        await event.wait()
        if self._begun is not None:
            self._begun += loop.time() - since


class Replay:
    """One pair of a recording.

    It begins with the first subscription to what it holds. Where the book begins with an answer to
    a request, all that was recorded before is sent first, then the request is answered, then
    follows the rest.

    With ``guided`` it goes on only when it is told so at the admin door: at the beginning, before
    and after the recorded snapshot, and after the first frame behind those that are withheld. Who
    guides it looks each time whether its client has handled what was sent so far: then every run
    counts the same. ``status()["waits_for"]`` says what it waits for.
    """

    def __init__(
        self,
        file: str,
        pair: str,
        speed: str,
        drop: str,
        dialect: type["RecordedDialect"],
        guided: bool = False,
    ) -> None:
        """Raises ReplayError for what can't be served."""
        self.pair = pair
        self._recordings = dialect.recordings
        self._opens_stream = dialect.snapshot_on_subscribe
        self._guided = guided
        self._pace = Pace(0.0 if speed == "max" else self._positive(speed))
        self._first, self._last = self._range(drop)
        symbol = self._recordings.symbol(pair)
        read = read_records(Path(file), self._recordings)
        self._records = [record for record in read if record.symbol in ("", symbol)]
        if not any(record.kind in WHOLE for record in self._records):
            raise ReplayError(
                f"{file} has no snapshot of {pair or 'any pair'}: nothing to begin a book with"
            )
        self._diffs = sum(record.kind in CHANGES for record in self._records)
        self._snapshot = next(record for record in self._records if record.kind in WHOLE)
        self._sample = next(
            (record for record in self._records if record.kind in CHANGES), self._snapshot
        )
        self._followed = asyncio.Event()
        self._begun = False
        self._fetched = asyncio.Event()
        self._answerable = asyncio.Event()
        self._passed = asyncio.Event()
        self._waits_for = "subscription"
        self._own = OwnBook()
        self._early: list[Record] = []
        self._sent = 0
        self._withheld = 0
        self._unheard = 0
        self._finished = False

    @staticmethod
    def _positive(speed: str) -> float:
        try:
            value = float(speed)
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
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

    # What clients ask for.

    def snapshot(self) -> Image:
        """The recorded snapshot on the first request, the server's own book afterwards."""
        if not self._fetched.is_set():
            self._fetched.set()
            return Image(
                self._recordings.last_id(self._snapshot), *self._recordings.levels(self._snapshot)
            )
        return self._own.image()

    def opening(self) -> Image | None:
        """The book for who subscribes to a stream that opens with it; None before the recorded
        snapshot, which comes as a frame."""
        return self._own.image() if self._own.begun else None

    async def answerable(self) -> None:
        """Wait until a request for the book is to be answered: where the snapshot was recorded, or
        at once where nothing was begun yet."""
        if self._guided or self._begun:
            await self._answerable.wait()

    def book_followed(self, connection: Connection) -> None:
        """Somebody subscribed to a book."""
        if self._is_heard(connection, self._sample):
            self._followed.set()

    def _is_heard(self, connection: Connection, record: Record) -> bool:
        return self._server.dialect.replayed_frame(connection, record) is not None

    def status(self) -> dict[str, Any]:
        """What was sent, and what it ``waits_for``.

        That is a subscription, the start, the delivery of all that was sent, a snapshot request,
        the book (in step, after a snapshot or a gap), or the time of the next record; nothing while
        frames are sent, and at the end. ``followers``: sockets that follow the book.
        ``frames_sent``: all frames on them. ``unheard``: changes that found nobody.
        """
        connections = list(self._server.connections)
        followers = [each for each in connections if self._is_heard(each, self._sample)]
        return {
            "waits_for": self._waits_for,
            "diffs_total": self._diffs,
            "diffs_sent": self._sent,
            "withheld": self._withheld,
            "unheard": self._unheard,
            "followers": len(followers),
            "frames_sent": sum(connection.frames_sent for connection in followers),
            "followed": sorted({topic for each in connections for topic in each.topics}),
            "finished": self._finished,
            "last_update_id": self._own.last_id,
            "snapshot_fetched": self._fetched.is_set(),
        }

    def go_on(self, waits_for: str) -> None:
        """Go on from where it waits. Raises ValueError where it doesn't wait for that."""
        if waits_for != self._waits_for or waits_for not in GUIDED:
            raise ValueError(f"the replay waits for {self._waits_for or 'nothing'}")
        self._waits_for = ""
        self._passed.set()

    # The session.

    async def run(self) -> None:
        await self._wait("subscription", self._followed)
        await self._wait_for_guide("start")
        self._begun = True
        number = 0
        for record in self._records:
            await self._reach(record.time)
            if record is self._snapshot:
                await self._begin_book(record)
            if record.kind == "snapshot" and not self._opens_stream:
                continue
            if record.kind in CHANGES:
                number += 1
                self._advance(record)
                if self._first <= number <= self._last:
                    self._withheld += 1
                    continue
                self._sent += 1
            await self._send(record)
            if record.kind in CHANGES and number == self._last + 1 > 1 and self._own.begun:
                await self._wait_for_guide("book")
        self._finished = True

    async def _reach(self, time: float) -> None:
        delay = self._pace.delay(time)
        if delay:
            self._waits_for = "time"
            await asyncio.sleep(delay)
            self._waits_for = ""

    async def _wait(self, reason: str, event: asyncio.Event) -> None:
        self._waits_for = reason
        await self._pace.stand_still(event)
        self._waits_for = ""

    async def _wait_for_guide(self, reason: str) -> None:
        if self._guided:
            self._passed.clear()
            await self._wait(reason, self._passed)

    async def _begin_book(self, snapshot: Record) -> None:
        """The server's own book begins. The client's does with the answer to its request, or with
        this frame."""
        self._begin_own(snapshot)
        if self._opens_stream:
            self._fetched.set()
            self._answerable.set()
            return
        await self._wait_for_guide("delivery")
        self._answerable.set()
        if self._guided or snapshot.kind == "snapshot":
            await self._wait("snapshot request", self._fetched)
        self._fetched.set()
        await self._wait_for_guide("book")

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
        heard = False
        for connection in list(self._server.connections):
            text = self._server.dialect.replayed_frame(connection, record)
            if text is not None:
                heard = True
                await connection.queue.join()  # a snapshot that was asked for goes first
                await connection.send(text)
        if record.kind in CHANGES and not heard:
            self._unheard += 1
