"""Ten thousand malformed frames: each is read or rejected, a book becomes INVALID at worst."""

import json
from typing import Any

from hypothesis import given, strategies as st

from actors.books.book_pipeline import BookPipeline
from exchanges.binance import BINANCE
from exchanges.contract import MALFORMED
from orderbook.messages import BookDiff, BookSnapshot, BookState, Trade
from orderbook.shared import SharedBook
from tests.support.examples import examples

DIFF = {
    "e": "depthUpdate",
    "E": 1,
    "s": "BTCUSDT",
    "U": 2,
    "u": 3,
    "b": [["1.0", "2.0"]],
    "a": [["3.0", "0"]],
}
TRADE = {"e": "trade", "E": 1, "s": "BTCUSDT", "t": 1, "p": "1", "q": "1", "T": 1, "m": True}
REPORT = {
    "e": "executionReport",
    "s": "B",
    "c": "x",
    "C": "",
    "S": "BUY",
    "X": "NEW",
    "x": "NEW",
    "r": "NONE",
    "i": 1,
}
REPORT |= {
    "z": "0",
    "Z": "0",
    "q": "1",
    "p": "1",
    "o": "LIMIT",
    "T": 1,
    "t": -1,
    "l": "0",
    "L": "0",
    "n": "0",
    "N": None,
}
REPORT |= {"m": False}
POSITION = {"e": "outboundAccountPosition", "E": 1, "B": [{"a": "BTC", "f": "1", "l": "0"}]}
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["-1", "1e999", "nan"])
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def broken(draw: st.DrawFn, *shapes: dict[str, Any]) -> bytes:
    """A real frame with a field changed or gone, cut, or bytes of no sense at all."""
    kind = draw(st.sampled_from(["field", "gone", "cut", "bytes", "noise"]))
    frame = dict(draw(st.sampled_from(shapes)))
    name = draw(st.sampled_from(sorted(frame)))
    if kind == "field":
        frame[name] = draw(anything)
    elif kind == "gone":
        del frame[name]
    text = json.dumps({"stream": "x", "data": frame, "event": frame}).encode()
    if kind == "cut":
        return text[: draw(st.integers(0, len(text)))]
    if kind == "bytes":
        at = draw(st.integers(0, len(text) - 1))
        return text[:at] + draw(st.binary(min_size=1, max_size=3)) + text[at + 1 :]
    return draw(st.binary(max_size=60)) if kind == "noise" else text


@examples(4000)
@given(broken(DIFF, TRADE))
def test_a_broken_market_frame_is_read_or_refused(frame: bytes) -> None:
    try:
        messages = list(BINANCE.book({}, "").parse(frame))
    except MALFORMED:
        return
    assert all(message is not None for message in messages)


@examples(3000)
@given(broken(REPORT, POSITION))
def test_a_broken_user_frame_is_read_or_refused(frame: bytes) -> None:
    user = BINANCE.user(BINANCE.auth({"api_key": "K", "api_secret": "S"}), {})
    try:
        list(user.parse(frame))
    except MALFORMED:
        return


def test_a_broken_frame_makes_a_book_invalid_at_worst(tmp_path: Any) -> None:
    book = SharedBook.create(
        str(tmp_path / "x" / "a.arrow"), venue="x", trading_pair="A-B", capacity=256
    )
    requested: list[int] = []
    track = BookPipeline(
        book,
        BINANCE.book({}, ""),
        lambda snapshot_expected: requested.append(1),
        lambda *what: None,
        lambda point: None,
    )
    feed = BINANCE.book({}, "")

    @examples(3000)
    @given(broken(DIFF))
    def each(frame: bytes) -> None:
        track.lose("a new example")
        track.take(BookSnapshot("BTCUSDT", b'[["1","1"]]', b'[["5","1"]]', 1), 0)
        assert book.state is BookState.LIVE
        before = book.digest()
        try:
            messages = list(feed.parse(frame))
        except MALFORMED:
            messages = []
        for message in messages:
            if isinstance(message, BookDiff | Trade):
                track.take(message, 0)
        assert book.state in (BookState.LIVE, BookState.INVALID)
        if book.state is BookState.INVALID:
            assert book.digest() == before, "a refused message changed the book"

    each()
    rejected = book.meta()["rejected"]
    track.lose("the last one, made by hand")
    track.take(BookSnapshot("BTCUSDT", b'[["1","1"]]', b'[["5","1"]]', 1), 0)
    track.take(BookDiff("BTCUSDT", b'[["1","-1"]]', b"[]", 2, 2), 0)
    assert (book.state, book.meta()["rejected"]) == (BookState.INVALID, rejected + 1)
    assert requested
    book.close(unlink=True)
