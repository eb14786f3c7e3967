"""One book: the tutorial's questions, digest, counters and rows; as a file, how it is made, read
and given back."""

import hashlib
import math
import os
import pickle
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from orderbook import errors, kernels
from orderbook.book import OrderBook
from orderbook.errors import (
    ConfigError,
    Lagged,
    NotReady,
    RateLimited,
    StaleBook,
    TrochilError,
    VenueError,
)
from orderbook.messages import BookDiff, BookSnapshot, BookState, Layout, OrderBookRow, Side
from orderbook.queries import BookQueries
from orderbook.reader import BookReader
from orderbook.shared import SharedBook, book_path
from tests.support.examples import examples

BIDS = [[10.0, 1.0], [9.0, 2.0], [7.0, 4.0]]
ASKS = [[11.0, 3.0], [12.0, 1.0], [15.0, 2.0]]


@pytest.fixture
def path() -> Iterator[str]:
    """Where a book may stand: in shared memory, in a folder that isn't there yet."""
    folder = tempfile.mkdtemp(
        prefix="test-books-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
    )
    yield book_path(folder, "venue", "A-B")
    shutil.rmtree(folder)


def create(path: str, capacity: int = 64) -> SharedBook:
    return SharedBook.create(path, venue="venue", trading_pair="A-B", capacity=capacity)


def whole(update_id: int) -> BookSnapshot:
    """A snapshot whose best bid is 1000 more than its id."""
    bids = np.array(BIDS)
    asks = np.array(ASKS)
    bids[0, 0] = 1000 + update_id
    asks[:, 0] = asks[:, 0] + 2000
    return BookSnapshot("A-B", bids.tobytes(), asks.tobytes(), update_id, 0, Layout.PACKED)


def filled() -> OrderBook:
    book = OrderBook(64)
    packed = np.array(BIDS).tobytes(), np.array(ASKS).tobytes()
    book.apply_snapshot(BookSnapshot("A-B", *packed, 5, 70, Layout.PACKED), 80)
    return book


# Questions.


def test_the_best_prices_and_what_lies_between() -> None:
    book = filled()
    assert book.top() == (10.0, 1.0, 11.0, 3.0)
    assert (book.top().mid, book.top().spread) == (10.5, 1.0)
    assert (book.get_price(True), book.get_price(False), book.get_mid_price()) == (11.0, 10.0, 10.5)


@pytest.mark.parametrize(
    ("is_buy", "volume", "worst", "quote"),
    [
        (True, 0.5, 11.0, 5.5),
        (True, 3.0, 11.0, 33.0),
        (True, 3.5, 12.0, 39.0),
        (True, 6.0, 15.0, 33.0 + 12.0 + 30.0),
        (False, 1.0, 10.0, 10.0),
        (False, 2.0, 9.0, 19.0),
        (False, 7.0, 7.0, 10.0 + 18.0 + 28.0),
    ],
)
def test_taking_a_volume_walks_the_levels(
    is_buy: bool, volume: float, worst: float, quote: float
) -> None:
    book = filled()
    assert book.get_price_for_volume(is_buy, volume) == worst
    assert book.get_quote_volume_for_base_amount(is_buy, volume) == pytest.approx(quote)
    assert book.get_vwap_for_volume(is_buy, volume) == pytest.approx(quote / volume)


@pytest.mark.parametrize(("is_buy", "volume"), [(True, 6.001), (False, 7.001), (True, math.inf)])
def test_more_than_the_book_holds_has_no_price(is_buy: bool, volume: float) -> None:
    book = filled()
    assert math.isnan(book.get_price_for_volume(is_buy, volume))
    assert math.isnan(book.get_vwap_for_volume(is_buy, volume))
    assert math.isnan(book.get_quote_volume_for_base_amount(is_buy, volume))


@pytest.mark.parametrize(
    ("is_buy", "price", "volume"),
    [
        (True, 10.9, 0),
        (True, 11, 3),
        (True, 99, 6),
        (False, 10.1, 0),
        (False, 10, 1),
        (False, 8, 3),
        (False, 1, 7),
    ],
)
def test_the_volume_up_to_a_price_includes_it(is_buy: bool, price: float, volume: float) -> None:
    assert filled().get_volume_for_price(is_buy, price) == volume


def test_an_empty_book_answers_with_nan() -> None:
    book = OrderBook(64)
    assert all(
        math.isnan(number) for number in (*book.top(), book.get_mid_price(), book.get_price(True))
    )
    assert math.isnan(book.get_vwap_for_volume(True, 1.0))
    assert math.isnan(book.get_vwap_for_volume(False, 0.0))
    assert book.get_volume_for_price(True, 1.0) == 0.0


def test_questions_need_a_book() -> None:
    with pytest.raises(NotImplementedError):
        BookQueries().get_price(True)
    with pytest.raises(NotImplementedError):
        BookQueries().get_price(False)


amounts = st.lists(
    st.tuples(st.integers(1, 500), st.integers(1, 500)),
    min_size=1,
    max_size=20,
    unique_by=lambda x: x[0],
)


@examples(100)
@given(amounts, st.integers(1, 10_000), st.booleans())
def test_the_answers_are_those_of_a_walk_in_whole_numbers(
    levels: list[tuple[int, int]], volume: int, is_buy: bool
) -> None:
    book = OrderBook(64)
    data = np.array(levels, np.float64).tobytes()
    book.apply_snapshot(BookSnapshot("A-B", data, data, 1, 0, Layout.PACKED))
    left = volume
    quote = 0
    worst = 0
    for price, size in sorted(levels, reverse=not is_buy):
        taken = min(left, size)
        left = left - taken
        quote = quote + taken * price
        worst = price
        if not left:
            break
    if left:
        assert math.isnan(book.get_price_for_volume(is_buy, volume))
        return
    assert book.get_price_for_volume(is_buy, volume) == worst
    assert book.get_quote_volume_for_base_amount(is_buy, volume) == quote
    assert book.get_volume_for_price(is_buy, worst) >= volume


# What else a book says.


def test_the_digest_is_over_the_levels_as_text_best_first() -> None:
    text = "b,10.0,1.0\nb,9.0,2.0\nb,7.0,4.0\na,11.0,3.0\na,12.0,1.0\na,15.0,2.0\n"
    assert filled().digest() == hashlib.sha256(text.encode()).hexdigest()
    assert OrderBook(64).digest() == hashlib.sha256(b"").hexdigest()


def test_the_digest_depends_on_levels_alone_not_on_the_way_there() -> None:
    book = OrderBook(256, max_depth=50)
    for number, (price, size) in enumerate([*BIDS, [8.0, 1.0]], 1):
        book.apply_diff(BookDiff("A-B", f"[[{price},{size}]]".encode(), b"", number, number))
    book.apply_diffs([BookDiff("A-B", b"[[8,0]]", f"[[{p},{s}]]".encode(), 9, 9) for p, s in ASKS])
    assert book.digest() == filled().digest()


def test_rows_say_which_update_set_them() -> None:
    book = filled()
    book.apply_diff(BookDiff("A-B", b"[[9,5]]", b"[[11,0],[13,1]]", 6, 6))
    assert list(book.rows(Side.BUY)) == [
        OrderBookRow(10.0, 1.0, 5),
        OrderBookRow(9.0, 5.0, 6),
        OrderBookRow(7.0, 4.0, 5),
    ]
    assert [(row.price, row.update_id) for row in book.rows(Side.SELL)] == [
        (12.0, 5),
        (13.0, 6),
        (15.0, 5),
    ]


def test_every_message_is_counted_and_timed() -> None:
    book = filled()
    book.apply_diff(BookDiff("A-B", b"[[9,5]]", b"[[10,1]]", 6, 7, 71), 81)
    meta = book.meta()
    assert (book.sequence, book.update_id, meta["applied"], meta["levels"]) == (2, 7, 1, 8)
    assert (meta["venue_time"], meta["receive_time"]) == (71, 81)
    assert 0 <= kernels.wall_ns() - meta["publish_time"] < 60e9
    assert meta["version"] == 4


def test_a_crossed_book_says_so_until_it_is_not() -> None:
    book = filled()
    assert not book.is_crossed
    book.apply_diff(BookDiff("A-B", b"[[11,1]]", b""))
    assert book.is_crossed
    book.apply_diff(BookDiff("A-B", b"[[11,0]]", b""))
    assert (book.is_crossed, book.meta()["crossed"]) == (False, 1)


def test_counters_add_up_by_name() -> None:
    book = filled()
    for name in ("ignored", "gaps", "resyncs", "rejected", "dropped_before_snapshot"):
        book.count(name)
        book.count(name, 2)
        assert book.meta()[name] == 3
    with pytest.raises(ValueError, match="tuple"):
        book.count("no such counter")


def test_a_state_is_published_and_an_epoch_only_grows() -> None:
    book = OrderBook(64)
    assert (book.state, book.epoch) == (BookState.SYNCING, 0)
    book.set_state(BookState.INVALID)
    assert (book.state, book.epoch) == (BookState.INVALID, 0)
    assert (book.new_epoch(), book.new_epoch(BookState.STALE)) == (1, 2)
    assert (book.state, book.epoch) == (BookState.STALE, 2)
    before = book.meta()["heartbeat"]
    book.beat()
    assert book.meta()["heartbeat"] > before


def test_levels_are_copies() -> None:
    book = filled()
    book.bids[:] = 0.0
    assert book.bids.tolist() == BIDS


def test_every_error_is_one_of_the_family_and_travels_between_processes() -> None:
    for name, error in vars(errors).items():
        if isinstance(error, type) and issubclass(error, Exception):
            assert issubclass(error, TrochilError), name
            made = (
                error(3)
                if error is Lagged
                else error("no", "17")
                if issubclass(error, VenueError)
                else error("no")
            )
            again = pickle.loads(pickle.dumps(made))
            assert (type(again), str(again), vars(again)) == (error, str(made), vars(made))
    assert str(VenueError("no")) == "no"
    assert str(RateLimited("no", "17", 5.0)) == "no (code 17)"
    assert pickle.loads(pickle.dumps(RateLimited("no", "17", 5.0))).retry_at == 5.0
    assert Lagged(3).missed == 3


# As a file.


def test_only_the_user_may_read_or_write_the_file(path: str) -> None:
    book = create(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(os.path.dirname(path)) == ["A-B.arrow"]
    book.close(unlink=True)
    book.close()
    assert os.listdir(os.path.dirname(path)) == []


def test_a_pairs_name_is_made_fit_for_a_file() -> None:
    assert book_path("/run", "venue", "BTC/USDT:USDT") == "/run/venue/BTC%2fUSDT%3aUSDT.arrow"


def test_a_second_writer_is_refused_while_the_first_lives(path: str) -> None:
    book = create(path)
    book.apply_snapshot(whole(1))
    with pytest.raises(ConfigError, match=f"another process writes the book {path}"):
        create(path)
    assert BookReader(path).top().bid == 1001.0
    book.close()
    assert create(path).epoch == 2


def test_a_file_that_cant_be_made_is_said_with_its_path(path: str) -> None:
    long = os.path.join(os.path.dirname(path), "A" * 250)
    with pytest.raises(ConfigError, match="AAA can't be created: File name too long"):
        create(long)


@pytest.mark.parametrize("content", [b"", b"not a book", b"ARROW1\0\0" * 100])
def test_what_is_no_book_is_taken_over_as_if_nothing_stood_there(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path))
    Path(path).write_bytes(content)
    book = create(path)
    assert book.epoch == 1
    book.close()


def test_copying_into_ones_own_arrays_gives_the_same_levels(path: str) -> None:
    book = create(path)
    bids = np.empty((4, 2))
    asks = np.empty((4, 2))
    book.apply_snapshot(whole(3))
    reader = BookReader(path)
    assert reader.copy_levels(4, bids, asks) == (3, 3)
    assert reader.copy_levels(2, bids, asks) == (2, 2)
    assert (bids[:3].tolist(), asks[:3].tolist()) == (reader.bids.tolist(), reader.asks.tolist())
    book.set_state(BookState.INVALID)
    with pytest.raises(StaleBook, match="feed broke"):
        reader.copy_levels(4, bids, asks)
    book.close()


@pytest.mark.parametrize("capacity", [64, 72, 1000, 4096])
@pytest.mark.parametrize("trading_pair", ["A-B", "A" * 30 + "-B"])
def test_every_column_starts_at_a_multiple_of_64_bytes(
    path: str, capacity: int, trading_pair: str
) -> None:
    book = SharedBook.create(path, venue="venue", trading_pair=trading_pair, capacity=capacity)
    live = BookReader(path).arrow(live=True)
    assert [column.buffers()[1].address % 64 for column in live.columns] == [0] * 7
    assert live.num_rows == capacity
    book.close()


@contextmanager
def small_memory(folder: str) -> Iterator[None]:
    """A megabyte of shared memory at ``folder``."""
    os.makedirs(folder)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_too_little_shared_memory_is_said_with_path_and_bytes_and_leaves_the_old_book_to_take_over(
    path: str,
) -> None:
    with small_memory(os.path.dirname(path)):
        create(path).close()
        with pytest.raises(
            ConfigError,
            match=rf"too little shared memory for the book {path}.* \d{{7}} bytes, \d+ are",
        ):
            create(path, capacity=32768)
        assert os.listdir(os.path.dirname(path)) == ["A-B.arrow"]
        book = create(path)
        assert book.epoch == 2
        book.close()


# What a reader says.


def test_a_reader_before_the_book_is_told_that_it_is_not_ready(path: str) -> None:
    with pytest.raises(NotReady, match=f"no book at {path}"):
        BookReader(path)


def test_a_reader_of_a_syncing_book_is_told_so_unless_it_takes_what_is_there(path: str) -> None:
    book = create(path)
    reader = BookReader(path)
    with pytest.raises(NotReady, match="is syncing") as caught:
        reader.top()
    assert not isinstance(caught.value, StaleBook)
    assert np.isnan(reader.top(stale_ok=True)).all()
    book.apply_snapshot(whole(2))
    assert (reader.state, reader.sequence, reader.meta()) == (BookState.LIVE, 2, book.meta())
    assert reader.digest() == book.digest()
    assert book.new_epoch() == reader.epoch == 2
    assert reader.levels(1, stale_ok=True).bids.tolist() == [[1002.0, 1.0]]
    book.close()


def test_a_book_without_a_heartbeat_for_a_second_is_stale_though_its_lock_is_held(
    path: str,
) -> None:
    book = create(path)
    book.apply_snapshot(whole(2))
    reader = BookReader(path)
    book._meta[kernels.HEARTBEAT] = kernels.monotonic_ns() - 500_000_000
    assert reader.top().bid == 1002.0
    book._meta[kernels.HEARTBEAT] = kernels.monotonic_ns() - 1_100_000_000
    with pytest.raises(StaleBook, match="writer is dead"):
        reader.top()
    book.heartbeat()
    assert reader.top().bid == 1002.0
    book._open_bracket()
    book._meta[kernels.HEARTBEAT] = kernels.monotonic_ns() - 900_000_000
    with pytest.raises(StaleBook):
        reader.top()
    book.close()


def test_a_reader_follows_a_replaced_file_and_refuses_a_removed_one(path: str) -> None:
    book = create(path)
    book.apply_snapshot(whole(1))
    readers = [BookReader(path) for _ in range(3)]
    book.close()
    book = create(path, capacity=128)
    book.apply_snapshot(whole(2))
    assert readers[0].state is BookState.LIVE
    assert readers[1].top().bid == 1002.0
    assert readers[2].bids.tolist() == [[1002.0, 1.0], *BIDS[1:]]
    book.close(unlink=True)
    for reader in readers:
        assert reader.state is BookState.STALE
        with pytest.raises(StaleBook, match="its writer is dead"):
            reader.levels()
        reader.close()
        reader.close()


def test_a_copy_as_a_record_batch_has_nulls_where_a_side_is_shorter(path: str) -> None:
    book = create(path)
    book.apply_snapshot(BookSnapshot("A-B", b"[[10,1],[9,2]]", b"[[11,3]]"))
    found = BookReader(path).arrow()
    assert found.to_pydict() == {
        "bid_price": [10, 9],
        "bid_size": [1, 2],
        "ask_price": [11, None],
        "ask_size": [3, None],
    }
    assert BookReader(path).arrow(1).num_rows == 1
    book.close()
