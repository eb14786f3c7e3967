"""What is no level is refused, whoever reads the text: the kernel, Python where a number has more
than 53 bits, or who unpacks a message."""

import json
import re
import sys
from threading import Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from orderbook.book import OrderBook
from orderbook.level_texts import sides_of
from orderbook.messages import BookDiff, Layout, LevelNames
from tests.support.examples import examples

NAMES = LevelNames("px", "sz")
LONG = "123456789.123456789"
"""A number of more than 53 bits."""
NUMBER = re.compile(r"(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
PLAIN = ["1", "2", "5.25", "1e2", "0.5", "100"]
ODD = [
    *["0", "0.0", "0e5", "-1", "-0", "+1", "05", "00", ".5", "5.", "1e", "1e+", "1e999", "1e-999"],
    *["nan", "NaN", "inf", "Infinity", "1_0", " 1", "1 ", "0x1", "", "null", "true", "1.2.3"],
    *[
        "1,5",
        "\u0661",
        "1e400",
        "9" * 400,
        "1" + "0" * 30,
        LONG,
        "[1]",
        "{}",
        "1e22",
        "1e23",
        '"1"',
    ],
]
number = st.sampled_from(PLAIN) | st.sampled_from(PLAIN) | st.sampled_from(ODD)
quoted = st.tuples(number, st.booleans()).map(
    lambda made: json.dumps(made[0], ensure_ascii=False) if made[1] else made[0]
)
extra = st.sampled_from(["null", "-1", '"word"', "[1,[2]]", "{}", "7", LONG, "true", '"\\""'])


def arrays(sided: bool) -> st.SearchStrategy[str]:
    """Rows by position, most of them levels."""
    columns = st.lists(quoted, min_size=2, max_size=2) | st.lists(quoted, max_size=3)
    sides = st.sampled_from(['"buy"', '"sell"', '"offer"', '"bid"'] + ['"x"', "1", "null"] * sided)
    row = st.tuples(sides, columns, st.lists(extra, max_size=2)).map(
        lambda made: "[" + ",".join([made[0]] * sided + made[1] + made[2]) + "]"
    )
    rows = st.lists(row | row | row | st.sampled_from(["[]", "5", "null", "{}", '"5"']), max_size=4)
    return rows.map(lambda made: "[" + ",".join(made) + "]")


def objects() -> st.SearchStrategy[str]:
    names = st.sampled_from(['"px"', '"sz"', '"px"', '"sz"', '"other"', '"p"'])
    both = st.tuples(quoted, quoted).map(lambda made: [f'"px":{made[0]}', f'"sz":{made[1]}'])
    some = st.lists(st.tuples(names, quoted | extra).map(":".join), max_size=3)
    row = (both | st.tuples(both, some).map(lambda made: made[0] + made[1]) | some).map(
        lambda made: "{" + ",".join(made) + "}"
    )
    return st.lists(row, max_size=4).map(lambda made: "[" + ",".join(made) + "]")


def broken(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Now and then cut, or with a character too much."""

    def cut(made: tuple[str, int, str]) -> str:
        text, at, put = made
        at %= len(text) + 1
        return text[:at] + put + text[at + (put == "") :]

    places = st.tuples(texts, st.integers(0, 200), st.sampled_from(["", ",", "]", "[", " ", '"']))
    return texts | texts | places.map(cut)


def applied(bids: str, asks: str, layout: Layout, names: LevelNames | None) -> Any:
    """The book that comes of it; None when it is refused."""
    book = OrderBook(64)
    diff = BookDiff("A", bids.encode(), asks.encode(), 1, 1, 0, layout, names=names)
    try:
        book.apply_diff(diff)
    except ValueError:
        assert not len(book.bids)
        assert not len(book.asks)
        return None
    return [book.bids.tolist(), book.asks.tolist()]


def unpacked(bids: str, asks: str, layout: Layout, names: LevelNames | None) -> Any:
    """The same by way of ``sides_of``."""
    diff = BookDiff("A", bids.encode(), asks.encode(), 1, 1, 0, layout, names=names)
    try:
        sides = sides_of(diff)
    except ValueError:
        return None
    book = OrderBook(64)
    bids_packed, asks_packed = (np.ascontiguousarray(side).tobytes() for side in sides)
    book.apply_diff(BookDiff("A", bids_packed, asks_packed, 1, 1, 0, Layout.PACKED))
    return [book.bids.tolist(), book.asks.tolist()]


def same_everywhere(text: str, layout: Layout, names: LevelNames | None, long_row: str) -> None:
    """The text alone, unpacked, and behind ``long_row``, which sends the message to Python."""
    is_sided = layout is Layout.SIDED
    alone = (text, "[]") if is_sided else ("[]", text)
    fast = applied(*alone, layout, names)
    assert unpacked(*alone, layout, names) == fast
    if is_sided:
        if not text.lstrip().startswith("[["):
            return
        slow = applied(f"[{long_row}," + text.lstrip()[1:], "[]", layout, names)
    else:
        slow = applied(f"[{long_row}]", text, layout, names)
    if slow is not None:
        slow[0] = [level for level in slow[0] if level[0] != 7777.0]
    assert slow == fast


@examples(600)
@given(broken(arrays(sided=False)))
def test_rows_by_position(text: str) -> None:
    same_everywhere(text, Layout.JSON, None, f'["7777","{LONG}"]')


@examples(600)
@given(broken(arrays(sided=True)))
def test_rows_of_both_sides(text: str) -> None:
    same_everywhere(text, Layout.SIDED, None, f'["buy","7777","{LONG}"]')


@examples(600)
@given(broken(objects()))
def test_rows_by_name(text: str) -> None:
    same_everywhere(text, Layout.JSON, NAMES, f'{{"px":7777,"sz":{LONG}}}')


def told(text: str) -> list[list[float]] | None:
    """What Python's own reader of JSON makes of rows by position; None where one is no level."""
    made = {}
    for row in json.loads(text, parse_int=str, parse_float=str):
        if not isinstance(row, list) or len(row) < 2:
            return None
        for column in row[:2]:
            if not isinstance(column, str) or not NUMBER.fullmatch(column):
                return None
        price, size = float(row[0]), float(row[1])
        if not (0 < price < float("inf") and size < float("inf")):
            return None
        made[price] = size
    return [[price, made[price]] for price in sorted(made) if made[price]]


@examples(600)
@given(arrays(sided=False))
def test_levels_are_those_of_pythons_own_reader(text: str) -> None:
    try:
        expected = told(text)
    except json.JSONDecodeError:
        return  # adapters pass on JSON alone
    found = applied("[]", text, Layout.JSON, None)
    assert found == (None if expected is None else [[], expected])


MALFORMED = [
    *['[["5"]]', '[["5","-1"]]', '[["-5","7"]]', '[[null,"5"]]', '[["5","nan"]]', '[["5","1_0"]]'],
    *['[["05","1"]]', '[["0","1"]]', '[["1e999","1"]]', '[["5","1e999"]]', '[["1e-999","1"]]'],
]


@pytest.mark.parametrize("asks", MALFORMED)
@pytest.mark.parametrize("bids", ['[["1","2"]]', f'[["1","{LONG}"]]'])
def test_malformed_levels_are_refused_behind_whatever_number(bids: str, asks: str) -> None:
    assert applied(bids, asks, Layout.JSON, None) is None
    assert unpacked(bids, asks, Layout.JSON, None) is None


def test_of_rows_of_both_sides_the_others_are_asks() -> None:
    diff = BookDiff("A", b'[["buy",1,2],["sell",3,4]]', b"[[5,6]]", layout=Layout.SIDED)
    assert [side.tolist() for side in sides_of(diff)] == [[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]]


@pytest.mark.parametrize("pair", [[-1.0, 1.0], [1.0, -1.0], [float("nan"), 1.0], [0.0, 1.0]])
def test_packed_levels_are_checked_too(pair: list[float]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        sides_of(BookDiff("A", np.array(pair).tobytes(), b"", layout=Layout.PACKED))


def test_books_in_several_threads_share_no_numbers() -> None:
    """Each thread has a book of its own, and sizes that only Python's float reads."""
    wrong: list[list[float]] = []

    def write(size: str) -> None:
        book = OrderBook(64)
        text = f'[["5",{size}]]'.encode()
        for number in range(3000):
            book.apply_diff(BookDiff("A", text, text, number, number))
            if book.bids.tolist() != [[5.0, float(size)]]:
                wrong.append(book.bids.tolist())

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    threads = [Thread(target=write, args=(f"{n}.{LONG[-9:]}12345678",)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(before)
    assert not wrong
