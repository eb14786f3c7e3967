"""Lists whose rows stand on their own: one that can't be read never voids the others.

A venue's answer is decoded in one pass into typed rows (``msgspec.Struct``), which become our
records. A row that can't be read, or that makes no record, is kept beside the others with its path
and the reason.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw

from exchanges.contract import MALFORMED, ErrorKind, Fault, Page
from orderbook.errors import NotFound

Row = TypeVar("Row")
Record = TypeVar("Record")
Key = TypeVar("Key", int, str)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read: where it stood (``$.data[3].state``), why, and its bytes."""

    path: str
    reason: str
    row: bytes

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Rows(list[Record]):
    """The records of the rows that could be read, and the rows that could not.

    An incomplete list proves presence, never absence: nothing may be closed, denied or zeroed
    because it isn't in it.
    """

    __slots__ = ("bad",)

    def __init__(self, records: Iterable[Record] = (), bad: Iterable[BadRow] = ()) -> None:
        list.__init__(self, records)
        self.bad = tuple(bad)

    @property
    def is_complete(self) -> bool:
        return not self.bad


def only(rows: Rows[Record]) -> Record:
    """The one record that was asked for.

    Raises NotFound where a complete list has none; ValueError where what was asked for may be among
    the unreadable.
    """
    if rows:
        return rows[0]
    if rows.bad:
        raise ValueError(str(rows.bad[0]))
    raise NotFound("the venue lists none")


def joined(first: Any, rest: Any) -> Any:
    """Two parts of a list as one, with what could not be read of either."""
    return Rows([*first, *rest], [*bad_rows(first), *bad_rows(rest)])


def unreadable(bad: BadRow) -> Fault:
    """The fault that tells of a row that could not be read."""
    return Fault(ErrorKind.UNREADABLE, "", str(bad), frame=bad.row)


def record_or_fault(make: Callable[[], Record], frame: bytes) -> Record | Fault:
    """The record of a frame that has one; a fault where it can't be one."""
    try:
        return make()
    except MALFORMED as error:
        return unreadable(bad_row("$", error, frame))


def with_faults(rows: Rows[Record]) -> list[Record | Fault]:
    """The records of a frame, then a fault for each of its rows that could not be read.

    Raises ValueError where none could be: such a frame is malformed as a whole.
    """
    if rows.bad and not rows:
        raise ValueError(str(rows.bad[0]))
    return [*rows, *map(unreadable, rows.bad)]


class RowsDecoder(Generic[Row]):
    """Decodes a JSON list of rows, or an object of rows by their keys."""

    def __init__(self, row_type: type[Row], path: str = "$") -> None:
        """``path``: where the list stands in the answer, for messages, like ``$.data``."""
        self._list = msgspec.json.Decoder(list[row_type])  # type: ignore[valid-type]
        self._object = msgspec.json.Decoder(dict[str, row_type])  # type: ignore[valid-type]
        self._row = msgspec.json.Decoder(row_type)
        self._path = path

    def decode(self, body: bytes | Raw, convert: Callable[[Row], Record | None]) -> Rows[Record]:
        """A record of each row, in order; ``convert`` gives None for a row that is not wanted.

        It is called once for each row that can be decoded, so that it may keep what it is given.
        Raises msgspec.DecodeError where ``body`` is no JSON list.
        """
        try:
            rows = self._list.decode(body)
        except msgspec.ValidationError:
            return self._one_by_one(_numbered(body), lambda number, row: convert(row))
        records: list[Record] = []
        errors: dict[int, Exception] = {}
        for number, row in enumerate(rows):
            try:
                record = convert(row)
            except MALFORMED as error:
                errors[number] = error
            else:
                if record is not None:
                    records.append(record)
        return self._with_bad(records, errors, _numbered(body)) if errors else Rows(records)

    def decode_frame(
        self, body: bytes | Raw, convert: Callable[[Row], Record | None]
    ) -> list[Record | Fault]:
        """The same of a frame: its records, then a fault for each row that could not be read.

        Raises ValueError where no row could be: such a frame is malformed as a whole.
        """
        try:
            rows = self._list.decode(body)
        except msgspec.ValidationError:
            found = self._one_by_one(_numbered(body), lambda number, row: convert(row))
            return with_faults(found)
        records: list[Record | Fault] = []
        errors: dict[int, Exception] = {}
        for number, row in enumerate(rows):
            try:
                record = convert(row)
            except MALFORMED as error:
                errors[number] = error
            else:
                if record is not None:
                    records.append(record)
        if errors:
            return with_faults(self._with_bad(records, errors, _numbered(body)))
        return records

    def decode_apart(
        self, body: bytes | Raw, convert: Callable[[Row], Record | None]
    ) -> list[Record | Fault]:
        """The same where a row that makes no record is a fault even alone: its frame has a known
        form, and nothing else depends on it."""
        try:
            decoded = self._list.decode(body)
        except msgspec.ValidationError:
            return self.decode_frame(body, convert)
        rows = self._all(enumerate(decoded), lambda _, row: convert(row), lambda: _numbered(body))
        return [*rows, *map(unreadable, rows.bad)]

    def decode_numbered(
        self, body: bytes | Raw, convert: Callable[[int, Row], Record | None]
    ) -> Rows[Record]:
        """The same where a row's place in the list means something; ``convert`` takes it too, from
        0."""
        try:
            rows = self._list.decode(body)
        except msgspec.ValidationError:
            return self._one_by_one(_numbered(body), convert)
        return self._all(enumerate(rows), convert, lambda: _numbered(body))

    def decode_keyed(
        self, body: bytes | Raw, convert: Callable[[str, Row], Record | None]
    ) -> Rows[Record]:
        """The same of a JSON object; ``convert`` takes each row's key too."""
        try:
            rows = self._object.decode(body)
        except msgspec.ValidationError:
            return self._one_by_one(_keyed(body), convert)
        return self._all(rows.items(), convert, lambda: _keyed(body))

    def _all(
        self,
        rows: Iterable[tuple[Key, Row]],
        convert: Callable[[Key, Row], Record | None],
        raws: Callable[[], Iterable[tuple[Key, str, Raw]]],
    ) -> Rows[Record]:
        """Of rows that could be decoded. ``raws``: where each stood, and its bytes, for those that
        make no record."""
        records: list[Record] = []
        errors: dict[Key, Exception] = {}
        for key, row in rows:
            try:
                record = convert(key, row)
            except MALFORMED as error:
                errors[key] = error
            else:
                if record is not None:
                    records.append(record)
        return self._with_bad(records, errors, raws()) if errors else Rows(records)

    def _with_bad(
        self,
        records: list[Record],
        errors: Mapping[Key, Exception],
        raws: Iterable[tuple[Key, str, Raw]],
    ) -> Rows[Record]:
        return Rows(
            records,
            [
                bad_row(f"{self._path}{step}", errors[key], raw)
                for key, step, raw in raws
                if key in errors
            ],
        )

    def _one_by_one(
        self,
        raws: Iterable[tuple[Key, str, Raw]],
        convert: Callable[[Key, Row], Record | None],
    ) -> Rows[Record]:
        records: list[Record] = []
        bad: list[BadRow] = []
        for key, step, raw in raws:
            try:
                record = convert(key, self._row.decode(raw))
            except MALFORMED as error:
                bad.append(bad_row(f"{self._path}{step}", error, raw))
            else:
                if record is not None:
                    records.append(record)
        return Rows(records, bad)


def bad_row(path: str, error: Exception, row: bytes | Raw) -> BadRow:
    """A row at ``path`` that could not be read because of ``error``, whose own path is appended."""
    reason = str(error)
    if isinstance(error, msgspec.ValidationError):
        what, _, inner = reason.partition(" - at `$")
        return BadRow(path + inner.rstrip("`"), what, bytes(row))
    return BadRow(path, f"{type(error).__name__}: {reason}", bytes(row))


_raw_list: msgspec.json.Decoder[list[Raw]] = msgspec.json.Decoder(list[Raw])
_raw_object: msgspec.json.Decoder[dict[str, Raw]] = msgspec.json.Decoder(dict[str, Raw])


def _numbered(body: bytes | Raw) -> Iterator[tuple[int, str, Raw]]:
    for number, raw in enumerate(_raw_list.decode(body)):
        yield number, f"[{number}]", raw


def _keyed(body: bytes | Raw) -> Iterator[tuple[str, str, Raw]]:
    for key, raw in _raw_object.decode(body).items():
        yield key, f".{key}", raw


def bad_rows(answer: Any) -> tuple[BadRow, ...]:
    """The rows of a read answer that could not be read; of a page, those of its items."""
    rows = answer.items if isinstance(answer, Page) else answer
    return rows.bad if isinstance(rows, Rows) else ()
