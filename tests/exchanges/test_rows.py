"""Rows stand on their own: one that can't be read is named, and voids no other."""

from typing import Any

import msgspec
import pytest

from exchanges.contract import ErrorKind, Fault, Page
from exchanges.rows import Rows, RowsDecoder, bad_rows, only, with_faults
from orderbook.errors import NotFound


class Row(msgspec.Struct):
    id: str
    size: int

    def double(self) -> int:
        if self.size < 0:
            raise ValueError("negative")
        return self.size * 2


rows = RowsDecoder(Row, "$.data")


def test_all_rows_of_a_list_become_records() -> None:
    found = rows.decode(b'[{"id":"a","size":1},{"id":"b","size":2,"more":[]}]', Row.double)
    assert (found, found.bad, found.is_complete) == ([2, 4], (), True)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b'{"id":null,"size":1}', "$.data[1].id: Expected `str`, got `null`"),
        (b'{"size":1}', "$.data[1]: Object missing required field `id`"),
        (b'{"id":"b","size":"1"}', "$.data[1].size: Expected `int`, got `str`"),
        (b'{"id":"b","size":-1}', "$.data[1]: ValueError: negative"),
        (b"7", "$.data[1]: Expected `object`, got `int`"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_and_the_others_count(row: bytes, reason: str) -> None:
    body = b'[{"id":"a","size":1},%s,{"id":"c","size":3}]' % row
    found = rows.decode(body, Row.double)
    assert (found, found.is_complete) == ([2, 6], False)
    assert [(str(bad), bad.row) for bad in found.bad] == [(reason, row)]
    records = list(with_faults(found))
    assert records == [2, 6, Fault(ErrorKind.UNREADABLE, "", reason, frame=row)]


def test_rows_by_their_keys_and_by_their_places() -> None:
    found = rows.decode_keyed(
        b'{"x":{"id":"a","size":1},"y":{"id":2,"size":1}}', lambda key, row: key + row.id
    )
    assert (found, str(found.bad[0])) == (["xa"], "$.data.y.id: Expected `str`, got `int`")
    found = rows.decode_numbered(
        b'[{"id":1,"size":1},{"id":"b","size":1}]', lambda number, row: f"{number}{row.id}"
    )
    assert (found, len(found.bad)) == (["1b"], 1)


def test_a_row_that_is_not_wanted_is_no_bad_one() -> None:
    found = rows.decode(b'[{"id":"a","size":1}]', lambda row: None)
    assert (found, found.is_complete) == ([], True)


def test_what_is_no_list_is_no_answer() -> None:
    for body in (b"{}", b"null", b"<html>"):
        with pytest.raises(msgspec.DecodeError):
            rows.decode(body, Row.double)


def test_the_first_of_an_empty_list_is_not_found() -> None:
    assert only(Rows([1, 2])) == 1
    with pytest.raises(NotFound):
        only(Rows())


def test_what_may_be_among_the_unreadable_is_not_denied() -> None:
    unreadable = rows.decode(b'[{"id":null,"size":1}]', Row.double)
    with pytest.raises(ValueError, match=r"data\[0\].id"):
        only(unreadable)


def test_a_frame_of_which_nothing_can_be_read_is_malformed() -> None:
    with pytest.raises(ValueError, match=r"data\[0\].id"):
        list(with_faults(rows.decode(b'[{"id":null,"size":1}]', Row.double)))


def test_the_bad_rows_of_an_answer_are_those_of_its_list_or_page() -> None:
    found: Any = rows.decode(b'[{"id":null,"size":1}]', Row.double)
    assert bad_rows(found) == bad_rows(Page(found)) == found.bad
    assert bad_rows([1]) == bad_rows(Page([1])) == bad_rows(None) == ()
