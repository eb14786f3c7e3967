"""A program asks for -1 levels, or for the price of a negative volume.

Right: an error that names the argument (ValueError or one of the project's own). Today a
RecursionError, and an answer of -11.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orderbook.errors import TrochilError
from orderbook.messages import BookSnapshot
from orderbook.reader import BookReader
from orderbook.shared import SharedBook


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(
            lambda reader: reader.levels(-1),
            id="depth",
            marks=pytest.mark.xfail(
                strict=True,
                raises=AssertionError,
                reason="a negative depth ends in a RecursionError",
            ),
        ),
        pytest.param(
            lambda reader: reader.get_quote_volume_for_base_amount(True, -1.0),
            id="volume",
            marks=pytest.mark.xfail(
                strict=True,
                raises=AssertionError,
                reason="a negative volume gets a negative answer",
            ),
        ),
    ],
)
def test_a_negative_argument_is_refused(memory: Path, ask: Callable[[BookReader], Any]) -> None:
    book = SharedBook.create(f"{memory}/a.arrow", venue="x", trading_pair="A-B", capacity=64)
    book.apply_snapshot(BookSnapshot("A", b'[["10","1"],["9","2"]]', b'[["11","1"],["12","2"]]', 1))
    reader = BookReader(book.path)
    book.heartbeat()
    error: Exception | None = None
    try:
        ask(reader)
    except Exception as raised:
        error = raised
    assert isinstance(error, ValueError | TrochilError), repr(error)
