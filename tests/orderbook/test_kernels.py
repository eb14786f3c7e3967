"""The kernels: numbers bit for bit as Python reads them, bad input refused whole, and a book equal
to a plain model."""

import hashlib
import json
import math
import re
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from orderbook import kernels, scanner
from orderbook.book import ROWS_A_MESSAGE, OrderBook
from orderbook.messages import BookDiff, BookSnapshot, BookState, Layout, LevelNames
from orderbook.warm import warm
from tests.support.examples import examples

Model = dict[float, float]
Rows = list[tuple[float, float]]
quick = examples(150)


def snapshot(
    bids: object = (), asks: object = (), layout: Layout = Layout.JSON, update_id: int = 1
) -> BookSnapshot:
    return BookSnapshot("A-B", text(bids), text(asks), update_id, 0, layout)


def text(levels: object) -> bytes:
    return levels if isinstance(levels, bytes) else json.dumps(levels).encode()


def packed(levels: object) -> bytes:
    return np.array(levels, np.float64).tobytes()


def bits(number: float) -> bytes:
    return struct.pack("<d", number)


def filled() -> OrderBook:
    book = OrderBook(64)
    book.apply_snapshot(
        snapshot([["10", "1"], ["9", "2"]], [["11", "3"], ["12", "4"]], update_id=7), 5
    )
    return book


# Numbers.

digits = st.text("0123456789", min_size=1, max_size=30)
whole = st.one_of(st.just("0"), digits.filter(lambda found: found[0] != "0"))
fractions = st.one_of(st.just(""), digits.map(lambda found: "." + found))
trailing = st.integers(0, 12).map(lambda n: "0" * n)
exponents = st.one_of(
    st.just(""),
    st.builds(
        "{}{}{}".format, st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), st.integers(0, 340)
    ),
    st.builds("e{}0{}".format, st.sampled_from(["", "-"]), st.integers(0, 30)),
)
json_numbers = st.builds(
    lambda w, f, z, e: w + (f + z if f else "") + e, whole, fractions, trailing, exponents
)


def assert_reads_as_python(number: str, form: str) -> None:
    book = filled()
    expected = float(number)
    message = snapshot(form.format(1, number).encode())
    if expected == float("inf"):
        with pytest.raises(ValueError, match="finite"):
            book.apply_snapshot(message)
        assert book.digest() == filled().digest()
        return
    book.apply_snapshot(message)
    sizes = book.bids[:, 1].tolist()
    assert [bits(size) for size in sizes] == ([bits(expected)] if expected else []), number
    if expected:
        book.apply_snapshot(snapshot(form.format(number, 1).encode()))
        assert bits(book.bids[0, 0]) == bits(expected), number


@quick
@given(json_numbers, st.sampled_from(['[["{}","{}"]]', "[[{},{}]]"]))
@example("9007199254740993", "[[{},{}]]")
@example("9007199254740992.5", "[[{},{}]]")
@example("90071992547409921e-1", "[[{},{}]]")
@example("5e-324", "[[{},{}]]")
@example("2.4703282292062327e-324", "[[{},{}]]")
@example("1.7976931348623157e308", "[[{},{}]]")
@example("1e999", '[["{}","{}"]]')
@example("1e-999", '[["{}","{}"]]')
@example("0e999", '[["{}","{}"]]')
@example("0." + "0" * 40 + "1", '[["{}","{}"]]')
@example("1" + "0" * 40, '[["{}","{}"]]')
@example("123456789012345678901234567890", '[["{}","{}"]]')
@example("0.1000000000000000055511151231257827021181583404541015625", '[["{}","{}"]]')
@example("1e22", "[[{},{}]]")
@example("1e23", "[[{},{}]]")
def test_every_json_number_is_read_bit_for_bit_as_python_reads_it(number: str, form: str) -> None:
    assert_reads_as_python(number, form)


@quick
@given(st.floats(0, 1e12, exclude_min=True, allow_subnormal=True))
def test_a_float_written_by_python_comes_back_the_same(number: float) -> None:
    assert_reads_as_python(repr(number), "[[{},{}]]")
    assert_reads_as_python(
        format(number, ".8f") if number >= 1e-8 else repr(number), '[["{}","{}"]]'
    )


@pytest.mark.parametrize(
    "levels",
    [
        b'[{"price":"1.00000000000000000000000000001","size":2}]',
        b' [ {"price":1.00000000000000000000000000001,"size":"2","count":3} ] ',
        b'[["1.00000000000000000000000000001","2",null,-3,"word"]]',
    ],
)
def test_numbers_that_need_pythons_float_are_read_in_every_form_of_row(levels: bytes) -> None:
    names = LevelNames(price="price", size="size") if b"{" in levels else None
    book = OrderBook(64)
    book.apply_snapshot(BookSnapshot("A-B", levels, levels, 1, 0, names=names))
    assert book.bids.tolist() == book.asks.tolist() == [[1.0, 2.0]]


def test_numbers_that_need_pythons_float_keep_their_side() -> None:
    book = OrderBook(64)
    long = "1.00000000000000000000000000001"
    book.apply_snapshot(
        snapshot([["buy", long, "2"], ["sell", "3", long], ["offer", 4, 5]], b"", Layout.SIDED)
    )
    assert book.bids.tolist() == [[1.0, 2.0]]
    assert book.asks.tolist() == [[3.0, 1.0], [4.0, 5.0]]


def test_the_cached_kernels_hold_this_scanner() -> None:
    found = hashlib.sha256(Path(scanner.__file__).read_bytes()).hexdigest()[:12]
    assert found == kernels.SCANNER, f'scanner.py changed: write SCANNER = "{found}" in kernels.py'


# What is malformed.

BAD = """
[["nan","1"]]  [[NaN,1]]  [["1","nan"]]  [["-1","1"]]  [[-1,1]]  [["1","-1"]]  [[1,-1]]  [["0","1"]]
[[0.000,1]]  [["1e999","1"]]  [["1","1e999"]]  [["1e-999","1"]]  [["inf","1"]]  [[Infinity,1]]
[["+1","1"]]
[["1.","1"]]  [[".5","1"]]  [["01","1"]]  [["1e","1"]]  [["1e+","1"]]  [["1 ","1"]]  [["0x10","1"]]
[["1,5","1"]]  [[1.5.5,1]]  [[1,2.5.5]]  [[1,2-3]]  [[1,2nan]]  [["","1"]]  [["1"]]  [[1]]  [[]]
[1]  ["1"]
["word"]  word  "word"  1  null  {}  {"price":1,"size":2}  [["price","size"]]  [[true,1]]
[[null,1]]
[[[1],2]]  [["1","2"]  [["1","2"  [["1","2  ["1","2"]]  [["1","2"]]]  [["1","2"]][["1","2"]]
[["1","2"]] x
[["1","2"}]  [{"price":"1","size":"2"]]  [["1","2"]}  [["1","2"],"word"]  [["1","2"],null]
[{"price":"1"}]
[{"side":"buy","price":"1","size":"2"}]  [  ]
"""


@pytest.mark.parametrize("levels", [" ", *re.split(r"  |\n", BAD.strip())])
@pytest.mark.parametrize("on", ["bids", "asks"])
def test_malformed_levels_are_refused_and_nothing_changes(levels: str, on: str) -> None:
    book = filled()
    before = book.meta()
    digest = book.digest()
    good = b'[["10","5"]]'
    bids, asks = (levels.encode(), good) if on == "bids" else (good, levels.encode())
    with pytest.raises(ValueError):  # noqa: PT011 - the words differ with where it was found out
        book.apply_snapshot(snapshot(bids, asks, update_id=8))
    with pytest.raises(ValueError):  # noqa: PT011
        book.apply_diff(BookDiff("A-B", bids, asks, 8, 8))
    assert (book.meta(), book.digest()) == (before, digest)


@pytest.mark.parametrize(
    "levels",
    [
        '[["x","1","2"]]',
        '[["1","2","3"]]',
        '[["buy","1"]]',
        '[["buy","sell","1"]]',
        '[["buy","1","2"],["","3","4"]]',
        '[["buy",-1,2]]',
        '[["sell","1e999","2"]]',
    ],
)
def test_malformed_sided_rows_are_refused(levels: str) -> None:
    book = filled()
    with pytest.raises(ValueError):  # noqa: PT011
        book.apply_snapshot(snapshot(levels.encode(), b"", Layout.SIDED))
    assert book.digest() == filled().digest()


BAD_PAIRS = [(np.nan, 1), (0, 1), (-1, 1), (np.inf, 1), (1, np.inf), (1, np.nan), (1, -1)]


@pytest.mark.parametrize(
    "levels",
    [
        packed([1, 2])[:-1],
        packed([1]),
        *(packed([pair]) for pair in BAD_PAIRS),
        packed([[1, 1], [np.inf, 1]]),
    ],
)
def test_malformed_packed_levels_are_refused(levels: bytes) -> None:
    book = filled()
    for bids, asks in ((levels, b""), (b"", levels)):
        with pytest.raises(ValueError):  # noqa: PT011
            book.apply_snapshot(snapshot(bids, asks, Layout.PACKED))
    assert book.digest() == filled().digest()


def test_a_message_of_more_rows_than_there_was_room_for_is_read() -> None:
    for rows in (ROWS_A_MESSAGE, ROWS_A_MESSAGE + 1, ROWS_A_MESSAGE * 7 // 4):
        book = filled()
        book.apply_snapshot(snapshot([[n + 1, 1] for n in range(rows)]))
        assert book.top().bid == rows


def test_more_rows_than_a_message_may_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderbook.book.MOST_ROWS", 50_000)
    monkeypatch.setattr("orderbook.book._scratch", np.zeros((2, 100, 3)))
    book = filled()
    with pytest.raises(ValueError, match="malformed"):
        book.apply_snapshot(snapshot([[n + 1, 1] for n in range(50_001)]))
    assert book.digest() == filled().digest()


GOOD = '[["100.5","0.25",{"deep":[1]}],["99","3e-1"],[1.5e3,20]]'


@examples(400)
@given(st.integers(0, len(GOOD) - 1), st.sampled_from('[]{}",:.-+0159eEnx \\'), st.booleans())
def test_one_wrong_character_is_refused_or_read_as_json_reads_it(
    at: int, character: str, insert: bool
) -> None:
    """The scanner is lenient in separators and in columns that it doesn't read, never in a number
    that it does."""
    broken = GOOD[:at] + character + GOOD[at + (0 if insert else 1) :]
    book = filled()
    try:
        book.apply_snapshot(snapshot(broken.encode()))
    except ValueError:
        assert book.digest() == filled().digest()
        return
    try:
        rows = json.loads(broken)
    except json.JSONDecodeError:
        words = re.findall(r"(?<![\d.+-])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\d.+-])", broken)
        assert {number for row in book.bids.tolist() for number in row} <= set(map(float, words))
        return
    assert book.bids.tolist() == sorted(
        ([float(p), float(s)] for p, s, *_ in rows if float(s)), reverse=True
    )


# Layouts.


@pytest.mark.parametrize(
    ("bids", "asks", "layout"),
    [
        (b'[["10","1"],["9","2"]]', b'[["11","3"]]', Layout.JSON),
        (b"[[10,1],[9,2.0]]", b"[[11.0,3]]", Layout.JSON),
        (b'[\n ["10" , "1"] ,\t["9","2"] ]\r\n', b' [ [ "11" , "3" ] ] ', Layout.JSON),
        (
            b'[["10","1","0","4"],["9","2",null,-5.5]]',
            b'[["11","3",{"a":[1,"]"]},true]]',
            Layout.JSON,
        ),
        (b'[["10","1","x\\""],["9","2","\\"y"]]', b'[["11","3","]]"]]', Layout.JSON),
        (
            b'[{"price":10.0,"qty":1},{"price":9,"qty":"2"}]',
            b'[{"price":"11","qty":3}]',
            LevelNames(price="price", size="qty"),
        ),
        (
            b'[{"px":"10","sz":"1","n":4},{"px":"9","sz":"2","n":1}]',
            b'[{"px":"11","sz":"3","n":0}]',
            LevelNames(price="px", size="sz"),
        ),
        (b'[["buy","10","1"],["sell","11","3"],["bid","9","2"]]', b"", Layout.SIDED),
        (b'[["b",10,1,"x"],["ask",11,3,null],["buy",9,2,5]]', b"", Layout.SIDED),
        (packed([[10, 1], [9, 2]]), packed([[11, 3]]), Layout.PACKED),
        (
            b'[{"quantity":"1","rate":"10"},{"quantity":2,"rate":9.0}]',
            b'[{"quantity":"3","rate":"11","x":"x"}]',
            LevelNames(price="rate", size="quantity"),
        ),
        (
            b'[{"q":"1.0000000000000000000000000000","r":"10"},{"r":"9","q":"2"}]',
            b'[{"r":"11","q":"3"}]',
            LevelNames(price="r", size="q"),
        ),
    ],
)
def test_every_layout_makes_the_same_book(
    bids: bytes, asks: bytes, layout: Layout | LevelNames
) -> None:
    book = OrderBook(64)
    if isinstance(layout, LevelNames):
        book.apply_snapshot(BookSnapshot("A-B", bids, asks, 1, 0, names=layout))
    else:
        book.apply_snapshot(snapshot(bids, asks, layout))
    assert book.bids.tolist() == [[10, 1], [9, 2]]
    assert book.asks.tolist() == [[11, 3]]
    assert book.state is BookState.LIVE


@pytest.mark.parametrize("nothing", [b"", b"[]", b" [ ] "])
@pytest.mark.parametrize("layout", [Layout.JSON, Layout.SIDED])
def test_no_levels_are_no_levels(nothing: bytes, layout: Layout) -> None:
    book = filled()
    book.apply_snapshot(snapshot(nothing, nothing if layout is Layout.JSON else b"", layout))
    assert len(book.bids) == len(book.asks) == 0


# Against a model.

sizes = st.one_of(st.just(0.0), st.floats(0.001, 1000))
levels = st.lists(st.tuples(st.integers(1, 200).map(lambda n: n / 4), sizes), max_size=25)
kinds = st.sampled_from(["diff", "diff", "diff", "snapshot"])
PRICE_FIRST = LevelNames(price="p", size="q")
SIZE_FIRST = LevelNames(price="r", size="q")


def named(rows: list[tuple[float, float]], names: LevelNames) -> bytes:
    """Rows as objects, their members sorted by name."""
    members = [{names.price: str(price), names.size: size} for price, size in rows]
    return json.dumps(members, sort_keys=True).encode()


class ModelSide(NamedTuple):
    """Levels by price, and the worst price up to which the side is known; None: wholly."""

    levels: Model
    bound: float | None


WHOLE = ModelSide({}, None)


def model_after(
    side: ModelSide, kind: str, rows: Rows, best: int, room: int, depth: int = 0
) -> ModelSide:
    """What a side holds after a message: with ``room`` levels full, one gives up its worst; then
    ``depth`` are kept."""
    model, bound = WHOLE if kind == "snapshot" else side
    model = dict(model)
    for price, size in rows:
        if depth == 0 and bound is not None and price * best > bound * best:
            continue
        if size == 0:
            model.pop(price, None)
        elif price in model or len(model) < room:
            model[price] = size
        else:
            model[price] = size
            del model[farthest(model, best)]
            bound = farthest(model, best)
    if depth:
        model = dict(sorted(model.items(), key=lambda level: level[0] * best)[:depth])
        is_full = len(model) == depth
        if model and (
            is_full or (bound is not None and farthest(model, best) * best > bound * best)
        ):
            bound = farthest(model, best)
    return ModelSide(model, bound)


def farthest(model: Model, best: int) -> float:
    return max(model, key=lambda price: price * best)


def bounds_of(bids: ModelSide, asks: ModelSide) -> tuple[float, float]:
    """As the book says it: 0.0 and inf for a side that is known wholly."""
    bid = 0.0 if bids.bound is None else bids.bound
    ask = math.inf if asks.bound is None else asks.bound
    return bid, ask


def ordered(model: Model, best: int) -> list[list[float]]:
    return [[price, model[price]] for price in sorted(model, key=lambda found: found * best)]


@examples(200)
@given(
    st.lists(
        st.tuples(kinds, levels, levels, st.sampled_from([*Layout, PRICE_FIRST, SIZE_FIRST])),
        max_size=15,
    ),
    st.sampled_from([(24, 0), (64, 0), (24, 5), (64, 30), (256, 0)]),
)
def test_a_book_equals_a_plain_dictionary(
    messages: list[
        tuple[str, list[tuple[float, float]], list[tuple[float, float]], Layout | LevelNames]
    ],
    shape: tuple[int, int],
) -> None:
    capacity, max_depth = shape
    room = capacity - 1
    book = OrderBook(capacity, max_depth)
    bids = WHOLE
    asks = WHOLE
    for number, (kind, some, more, layout) in enumerate(messages, 1):
        names = None
        match layout:
            case Layout.JSON:
                data = text(some), text([[str(p), s] for p, s in more])
            case Layout.PACKED:
                data = packed(some), packed(more)
            case Layout.SIDED:
                data = text([["buy", *row] for row in some] + [["sell", *row] for row in more]), b""
            case LevelNames():
                names = layout
                layout = Layout.JSON
                data = named(some, names), named(more, names)
        if kind == "snapshot":
            book.apply_snapshot(BookSnapshot("A-B", *data, number, 0, layout, names=names))
        else:
            book.apply_diff(BookDiff("A-B", *data, number, number, 0, layout, names=names))
        bids = model_after(bids, kind, some, -1, room, max_depth)
        asks = model_after(asks, kind, more, 1, room, max_depth)
        assert book.bids.tolist() == ordered(bids.levels, -1)
        assert book.asks.tolist() == ordered(asks.levels, 1)
        assert book.bounds == bounds_of(bids, asks)
        assert book.lengths == (len(bids.levels), len(asks.levels))
        assert book.update_id == number
        crossed = bids.levels and asks.levels and max(bids.levels) >= min(asks.levels)
        assert book.is_crossed == bool(crossed)
        assert book.meta()["version"] % 2 == 0


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("width", [1, 20, 60])
def test_a_trend_of_ten_times_the_capacity_stays_exact(step: int, width: int) -> None:
    """The window wanders off both ends of its columns and is moved back."""
    book = OrderBook(64)
    centre = 10_000
    bids = WHOLE
    asks = WHOLE
    for number in range(1, 641):
        centre += step
        new_bids = [
            (float(centre - 1), float(number)),
            (float(centre), 0.0),
            (float(centre - 1 - width), 0.0),
        ]
        new_asks = [
            (float(centre + 1), float(number)),
            (float(centre), 0.0),
            (float(centre + 1 + width), 0.0),
        ]
        if step < 0:
            new_bids.append((float(centre - width), float(number)))
        else:
            new_asks.append((float(centre + width), float(number)))
        book.apply_diff(BookDiff("A-B", text(new_bids), text(new_asks), number, number))
        bids = model_after(bids, "diff", new_bids, -1, 63)
        asks = model_after(asks, "diff", new_asks, 1, 63)
        assert book.bids.tolist() == ordered(bids.levels, -1)
        assert book.asks.tolist() == ordered(asks.levels, 1)
    assert len(bids.levels) >= 1
    assert len(asks.levels) >= 1


@pytest.mark.parametrize("reverse", [False, True])
def test_a_full_side_keeps_its_best_levels_and_is_known_up_to_its_worst(reverse: bool) -> None:
    book = OrderBook(64)
    assert book.bounds == (0.0, math.inf)
    for price in sorted(range(1, 200), reverse=reverse):
        book.apply_diff(BookDiff("A-B", text([[price, 1]]), text([[price + 1000, 1]])))
    assert book.bids[:, 0].tolist() == list(range(199, 136, -1))
    assert book.asks[:, 0].tolist() == list(range(1001, 1064))
    assert book.bounds == (137.0, 1063.0)
    book.apply_snapshot(snapshot([[1, 1]], [[2, 1]]))
    assert book.bounds == (0.0, math.inf)


def test_a_level_beyond_what_is_known_is_left_out_also_when_there_is_room_again() -> None:
    book = OrderBook(64)
    for price in range(1, 200):
        book.apply_diff(BookDiff("A-B", text([[price, 1]]), b""))
    book.apply_diff(BookDiff("A-B", text([[price, 0] for price in range(150, 200)]), b""))
    book.apply_diff(BookDiff("A-B", text([[136, 5], [137, 7], [149.5, 2]]), b""))
    assert book.bids[:, 0].tolist() == [149.5, *range(149, 136, -1)]
    assert book.bids[-1].tolist() == [137, 7]
    assert book.bounds == (137.0, math.inf)


def test_a_window_is_known_up_to_its_worst_level_and_moves_out_with_the_venues() -> None:
    book = OrderBook(64, max_depth=10)
    book.apply_snapshot(snapshot([[n, 1] for n in range(1, 10)]))
    assert book.bounds == (0.0, math.inf)
    book.apply_diff(BookDiff("A-B", b"[[10,1],[11,1]]", b""))
    assert book.bids[:, 0].tolist() == list(range(11, 1, -1))
    assert book.bounds == (2.0, math.inf)
    book.apply_diff(BookDiff("A-B", b"[[2,0]]", b""))
    assert book.bounds == (2.0, math.inf), "the venue's window holds no other level up to there"
    book.apply_diff(BookDiff("A-B", b"[[1,1]]", b""))
    assert book.bounds == (1.0, math.inf)


def test_a_window_as_large_as_the_book_is_bounded_by_the_book() -> None:
    book = OrderBook(64, max_depth=63)
    book.apply_snapshot(snapshot([[n, 1] for n in range(1, 70)]))
    book.apply_diff(BookDiff("A-B", b"[[69,0],[6,1]]", b""))
    assert book.bids[:, 0].tolist() == list(range(68, 6, -1))
    assert book.bounds == (7.0, math.inf)


def test_a_full_snapshot_is_known_up_to_its_worst_level() -> None:
    book = OrderBook(64)
    whole = snapshot([[n, 1] for n in range(1, 6)], [[n, 1] for n in range(10, 14)])
    book.apply_snapshot(whole, full_levels=5)
    assert book.bounds == (1.0, math.inf), "four asks are all that there are"
    book.apply_diff(BookDiff("A-B", b"[[0.5,1],[1,0],[7,1]]", b"[[99,1]]"))
    assert book.bids[:, 0].tolist() == [7, 5, 4, 3, 2]
    assert book.asks[:, 0].tolist() == [10, 11, 12, 13, 99]


def test_another_snapshot_adds_what_lies_beyond_the_bounds_and_nothing_else() -> None:
    book = OrderBook(64)
    book.apply_snapshot(snapshot([[5, 1], [4, 1]], [[6, 1], [7, 1]], update_id=3), full_levels=2)
    farther = OrderBook(64)
    more = snapshot([[5, 9], [3, 1], [2, 1]], [[6, 9], [6.5, 1], [8, 1]], update_id=3)
    farther.apply_snapshot(more, full_levels=3)
    before = book.sequence
    bids, asks = book.extend(farther)
    assert (bids.tolist(), asks.tolist()) == ([[3, 1], [2, 1]], [[8, 1]])
    assert book.bids.tolist() == [[5, 1], [4, 1], [3, 1], [2, 1]]
    assert book.asks.tolist() == [[6, 1], [7, 1], [8, 1]]
    assert book.bounds == (2.0, 8.0)
    assert (book.sequence, book.update_id) == (before + 1, 3)


def test_another_snapshot_that_knows_less_of_a_side_takes_nothing_from_it() -> None:
    book = OrderBook(64)
    book.apply_snapshot(snapshot([[5, 1], [4, 1]], [[6, 1]]), full_levels=2)
    farther = OrderBook(64)
    farther.apply_snapshot(snapshot([[5, 1]], [[6, 1]]), full_levels=1)
    book.extend(farther)
    assert book.bids.tolist() == [[5, 1], [4, 1]]
    assert book.bounds == (4.0, math.inf)


def test_a_level_carries_the_update_that_set_it() -> None:
    book = OrderBook(64)
    book.apply_snapshot(snapshot([[10, 1], [9, 1], [8, 1]], [[11, 1]], update_id=5))
    book.apply_diff(BookDiff("A-B", b"[[9,2],[7,1],[8,0]]", b"[[10.5,1]]", 6, 6))
    found = book._m[:, book.meta()["bid_start"] :]
    assert found[kernels.BIDS + 2, :3].tolist() == [5, 6, 6]
    assert book._m[kernels.ASKS + 2, book.meta()["ask_start"] :][:2].tolist() == [6, 5]


def test_warming_compiles_every_kernel_without_a_book_of_ones_own() -> None:
    warm()
    assert kernels.ingest.signatures
    assert kernels.wall_ns() > 1_700_000_000 * 10**9
    assert kernels.monotonic_ns() <= kernels.monotonic_ns()
