"""A reader opens a book's file that was cut short by somebody; a book's folder that is a file.

Right: an error of the project's own family. Today pyarrow's ArrowInvalid, and a plain OSError; in a
tracker the latter ends all its books.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orderbook.errors import TrochilError
from orderbook.reader import BookReader
from orderbook.shared import SharedBook, book_path


def raised_by(work: Callable[[], Any]) -> Exception | None:
    try:
        work()
    except Exception as error:
        return error
    return None


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="reading a damaged book raises pyarrow's ArrowInvalid",
)
def test_reading_a_file_that_was_cut_short_raises_an_error_of_ours(memory: Path) -> None:
    path = memory / "short.arrow"
    path.write_bytes(b"ARROW1")
    error = raised_by(lambda: BookReader(str(path)))
    assert isinstance(error, TrochilError), repr(error)


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a book's folder that is a file raises a plain OSError",
)
def test_a_folder_that_is_a_file_raises_an_error_of_ours(memory: Path) -> None:
    (memory / "venue").touch()
    path = book_path(str(memory), "venue", "A-B")
    error = raised_by(lambda: SharedBook.create(path, venue="venue", trading_pair="A-B"))
    assert isinstance(error, TrochilError), repr(error)
