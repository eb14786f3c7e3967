"""Levels given as objects are read by the names of their price and size."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from orderbook.book import OrderBook
from orderbook.level_texts import sides_of
from orderbook.messages import BookSnapshot, LevelNames
from tests.support.examples import examples

NAMES = LevelNames("px", "sz")
positive = st.floats(min_value=1e-12, max_value=1e12, allow_nan=False)
others: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@st.composite
def rows(draw: st.DrawFn) -> tuple[str, list[tuple[float, float]]]:
    """A side as JSON text, and its levels."""
    prices = draw(st.lists(positive, max_size=5, unique=True))
    levels = [(price, draw(positive)) for price in prices]
    texts = []
    for price, size in levels:
        members = draw(st.dictionaries(st.text(max_size=4), others, max_size=3))
        members.pop("px", None)
        members.pop("sz", None)
        quoted = draw(st.booleans())
        items = [*members.items(), ("px", repr(price) if quoted else price), ("sz", size)]
        texts.append(dict(draw(st.permutations(items))))
    separators = (", ", ": ") if draw(st.booleans()) else (",", ":")
    return json.dumps(texts, separators=separators), levels


def book_of(bids: str, asks: str) -> OrderBook:
    book = OrderBook(64)
    book.apply_snapshot(BookSnapshot("A", bids.encode(), asks.encode(), 1, names=NAMES))
    return book


@examples(400)
@given(rows(), rows())
def test_in_whatever_order_and_with_whatever_beside_them(
    bids: tuple[str, list[tuple[float, float]]], asks: tuple[str, list[tuple[float, float]]]
) -> None:
    book = book_of(bids[0], asks[0])
    assert [tuple(level) for level in book.bids.tolist()] == sorted(bids[1], reverse=True)
    assert [tuple(level) for level in book.asks.tolist()] == sorted(asks[1])
    message = BookSnapshot("A", bids[0].encode(), asks[0].encode(), 1, names=NAMES)
    for text, levels in zip(sides_of(message), (bids[1], asks[1]), strict=True):
        assert [tuple(level) for level in text.tolist()] == levels


@pytest.mark.parametrize(
    "text",
    [
        '[{"px":1}]',
        '[{"sz":1}]',
        '[{"px":1,"sz":2,"px":3}]',
        '[{"px":null,"sz":2}]',
        '[{"px":true,"sz":2}]',
        '[{"px":"","sz":2}]',
        '[{"px":-1,"sz":2}]',
        '[{"px":[1],"sz":2}]',
        '[{"px":1 2,"sz":2}]',
        '[{"px":1,"sz":2]',
        '[{"px":1,"sz":2}',
        '[{"px":1,"sz":2},]',
        '[{"px":1,"sz":2}] 1',
        '[{"px" 1,"sz":2}]',
        '[["1","2"]]',
        '{"px":1,"sz":2}',
        '[{"px":1,"sz":2,"other":"never closed}]',
        '[{"px":0,"sz":2}]',
        '[{"pxx":1,"sz":2}]',
        '[{"p":1,"sz":2}]',
        "null",
    ],
)
def test_what_lacks_one_of_them_is_refused_and_changes_nothing(text: str) -> None:
    book = book_of('[{"px":5,"sz":1}]', "[]")
    with pytest.raises(ValueError, match="malformed|must be positive"):
        book.apply_snapshot(BookSnapshot("A", text.encode(), b"[]", 2, names=NAMES))
    assert book.bids.tolist() == [[5.0, 1.0]]


def test_names_are_neither_values_nor_those_of_objects_inside() -> None:
    text = r'[{"n":"px","deep":{"px":9,"sz":[8]},"\"px":7,"px":"1e2","sz":"2","e":"\\"}]'
    assert book_of(text, " [ ] ").bids.tolist() == [[100.0, 2.0]]


def test_numbers_of_many_digits_are_those_of_python() -> None:
    price = "0.123456789012345678901234567890"
    book = book_of(f'[{{"sz":"1e-30","px":{price}}}]', "[]")
    assert book.bids.tolist() == [[float(price), 1e-30]]


@pytest.mark.parametrize(
    "asks",
    [
        '[{"px":1}]',
        '[{"sz":1}]',
        '[{"px":1,"sz":-2}]',
        '[{"px":"1_0","sz":2}]',
        '[{"px":"05","sz":2}]',
        '[{"px":"nan","sz":2}]',
        '[{"px":null,"sz":2}]',
    ],
)
def test_behind_a_long_number_the_same_is_refused(asks: str) -> None:
    """The long one sends the whole message to Python."""
    book = book_of('[{"px":5,"sz":1}]', "[]")
    bids = b'[{"px":1,"sz":123456789.123456789}]'
    with pytest.raises(ValueError, match="level|malformed|must be positive"):
        book.apply_snapshot(BookSnapshot("A", bids, asks.encode(), 2, names=NAMES))
    assert book.bids.tolist() == [[5.0, 1.0]]
