"""The shared book: foreign readers see it live and untorn, a killed writer is noticed at once,
another takes over."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest
from numba import njit

import orderbook.reader
from orderbook import kernels
from orderbook.errors import ConfigError, StaleBook
from orderbook.messages import BookDiff, BookSnapshot, BookState
from orderbook.reader import BookReader
from orderbook.shared import COLUMNS, book_path
from tests.support.written_books import (
    CHANGES,
    DEPTH,
    create,
    forked,
    full_speed,
    generation,
    heard,
    kill,
    whole,
)

READS = int(os.environ.get("TROCHIL_READS", "10_000_000"))
READERS = 8
KILLS = 200


@pytest.fixture
def path() -> Iterator[str]:
    """Where a book may stand: in shared memory, in a folder that isn't there yet."""
    folder = tempfile.mkdtemp(
        prefix="test-books-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
    )
    yield book_path(folder, "venue", "A-B")
    shutil.rmtree(folder)


def alone(code: str, *arguments: str) -> None:
    """Run code in a Python that has none of ours."""
    guard = "import sys\n"
    after = "\nassert not {'orderbook', 'numba', 'trochil'} & set(sys.modules)\n"
    command = [sys.executable, "-I", "-W", "error", "-c", guard + code + after, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


# Foreign readers.

LOOK = """
import json, pyarrow as pa, pyarrow.ipc
batch = pa.ipc.open_file(pa.memory_map(sys.argv[1])).get_batch(0)
def look():
    slot = json.loads(batch.schema.metadata[b"meta"])
    meta = batch.column("meta")
    about = batch.schema.metadata.items()
    found = {
        "names": batch.schema.names,
        "types": [str(t) for t in batch.schema.types],
        "rows": batch.num_rows,
        "about": {key.decode(): value.decode() for key, value in about},
        "off": [c.buffers()[1].address % 64 for c in batch.columns],
        "nulls": batch.column(0).null_count,
    }
    start, length = meta[slot["bid_start"]].as_py(), meta[slot["bid_length"]].as_py()
    for name in batch.schema.names[:3]:
        found[name] = batch.column(name).slice(start, length).to_pylist()
    found |= {"meta": {name: meta[number].as_py() for name, number in slot.items()}}
    print(json.dumps(found), flush=True)
look()
sys.stdin.readline()
look()
"""


def test_a_process_with_pyarrow_alone_sees_the_book_change_in_place(path: str) -> None:
    book = create(path, capacity=1001)
    book.apply_snapshot(BookSnapshot("A-B", b"[[10,1],[9,2]]", b"[[11,3]]", 5, 77), 78)
    command = [sys.executable, "-I", "-W", "error", "-c", "import sys\n" + LOOK, path]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as foreign:
        assert foreign.stdin is not None
        assert foreign.stdout is not None
        first = json.loads(foreign.stdout.readline())
        book.apply_diff(BookDiff("A-B", b"[[9.5,4]]", b"", 6, 6))
        book.count("gaps", 3)
        foreign.stdin.write("\n")
        foreign.stdin.flush()
        second = json.loads(foreign.stdout.readline())
    assert foreign.returncode == 0
    assert first["names"] == list(COLUMNS)
    assert first["types"] == ["double", "double", "int64"] * 2 + ["int64"]
    assert first["rows"] == 1008
    assert (first["off"], first["nulls"]) == ([0] * 7, 0)
    assert (first["about"]["venue"], first["about"]["trading_pair"]) == ("venue", "A-B")
    assert (first["bid_price"], first["bid_size"], first["bid_update_id"]) == (
        [10, 9],
        [1, 2],
        [5, 5],
    )
    assert (
        first["meta"] | {"state": 1, "epoch": 1, "venue_time": 77, "receive_time": 78}
        == first["meta"]
    )
    assert (second["bid_price"], second["bid_size"]) == ([10, 9.5, 9], [1, 4, 2])
    assert second["bid_update_id"] == [5, 6, 5]
    assert second["meta"]["gaps"] == 3
    assert second["meta"] == {**book.meta()}
    book.close()


def recipe() -> str:
    """The reader's docstring, from its first line of code to its break, as a loop that checks what
    it got."""
    found = textwrap.dedent(
        (orderbook.reader.__doc__ or "").split("::\n")[1].split("\nOn processors")[0]
    ).strip()
    copy = 'bids = column["bid_price"][start:start + length].copy()'
    assert copy in found
    sizes = copy.replace("bids =", "sizes =").replace("bid_price", "bid_size")
    return found.replace(copy, f"{copy}; {sizes}; number = int(meta[slot['update_id']])")


def test_the_recipe_in_the_readers_docstring_reads_without_tearing(path: str) -> None:
    setting, loop = recipe().split("while True:", 1)
    code = f"""
import json, numpy, pyarrow, pyarrow.ipc
path = sys.argv[1]
{setting}
seen, readings = set(), 0
while readings < 20_000 or len(seen) < 500:
{textwrap.indent("while True:" + loop, "    ")}
    best = 1000.0 + number % 50
    assert bids.tolist() == [best - i for i in range({DEPTH})], (number, bids)
    right = [(best - i) * 1000 + number for i in range({DEPTH})]
    assert sizes.tolist() == right, (number, bids, sizes)
    seen.add(number)
    readings += 1
"""
    with full_speed(path):
        alone(code, path)


# Our readers.


@njit
def read_many(live, wanted, moving, unlocked, bids, asks, seen):
    """(readings, readings given up because the writer was at work, torn readings, changes of
    generation seen): ``wanted`` readings, and on until ``moving`` changes were seen.

    ``unlocked``: read copies that were made without looking at the version, until one is torn.
    """
    good = torn = gave_up = moves = last = 0
    while good + torn < wanted or moves < moving:
        if gave_up >= 100 * wanted or (unlocked and torn):
            break
        f = live.copy() if unlocked else live
        n_bids, n_asks = kernels.read_levels(f, f.view(np.int64), DEPTH, bids, asks, seen)
        if n_bids < 0:
            gave_up += 1
            continue
        number = seen[kernels.UPDATE_ID]
        right = (
            n_bids == DEPTH
            and n_asks == DEPTH
            and seen[kernels.VERSION] % 2 == 0
            and seen[kernels.STATE] == 1
        )
        for i in range(min(n_bids, n_asks)):
            bid = 1000.0 + number % 50 - i
            ask = 2000.0 + number % 50 + i
            right &= bids[i, 0] == bid and bids[i, 1] == bid * 1000 + number
            right &= asks[i, 0] == ask and asks[i, 1] == ask * 1000 + number
        good += right
        torn += not right
        moves += number != last
        last = number
    return good, gave_up, torn, moves


ROOM = np.empty((DEPTH, 2)), np.empty((DEPTH, 2)), np.zeros(len(kernels.SLOTS), np.int64)


def readings(
    path: str, readers: int, wanted: int, moving: int, unlocked: bool = False
) -> list[int]:
    """What ``read_many`` says, summed over that many processes, under a writer at full speed."""

    def read(pipe: int) -> None:
        found = read_many(BookReader(path).block, wanted, moving, unlocked, *ROOM)
        os.write(pipe, json.dumps([int(n) for n in found]).encode())

    read_many(np.zeros((7, 64)), 0, 0, False, *ROOM)  # compiled before the fork
    with ExitStack() as stack:
        stack.enter_context(full_speed(path))
        pipes = [stack.enter_context(forked(read))[1] for _ in range(readers)]
        return [
            sum(column)
            for column in zip(*(json.loads(heard(pipe, 120)) for pipe in pipes), strict=True)
        ]


def test_readers_never_see_a_torn_book_while_it_is_written_at_full_speed(path: str) -> None:
    moving = min(1000, READS // 100) // READERS + 1
    good, gave_up, torn, moves = readings(path, READERS, READS // READERS, moving)
    print(f"\n{good} readings, {moves} of another generation, {gave_up} tried again, {torn} torn")
    assert torn == 0
    assert good >= READS // READERS * READERS
    assert moves >= moving * READERS


def test_without_the_version_lock_the_same_check_does_find_torn_books(path: str) -> None:
    assert readings(path, 1, 20_000_000, 0, unlocked=True)[2] == 1


def test_a_deep_reading_gets_through_under_a_writer_at_full_speed(path: str) -> None:
    with full_speed(path):
        reader = BookReader(path)
        for _ in range(2000):
            levels = reader.levels()
            assert [levels.bids.tolist(), levels.asks.tolist()] == list(
                generation(levels.meta["update_id"])
            )
            assert reader.top().spread == 1000.0
        assert reader.age < 5.0
        assert reader.version > 0


# Killed writers.


def refused_within(readers: list[BookReader], start: float) -> float:
    """Seconds from ``start`` until every reader refuses, however it is asked."""
    bids = np.empty((DEPTH, 2))
    asks = np.empty((DEPTH, 2))
    ask = [
        BookReader.top,
        BookReader.levels,
        lambda reader: reader.copy_levels(DEPTH, bids, asks),
        BookReader.digest,
    ]
    for number, reader in enumerate(readers):
        while True:
            try:
                ask[number % len(ask)](reader)
            except StaleBook:
                break
            assert time.monotonic() - start < 1.0, "a dead writer's book was still believed"
        assert reader.state is BookState.STALE
    return time.monotonic() - start


def killed_between_writes(path: str, pipe: int, rounds: int) -> None:
    book = create(path)
    book.apply_snapshot(whole(0))
    book.apply_diffs(CHANGES[:rounds])
    os.write(pipe, b"ready")
    signal.pause()


def killed_in_a_bracket(path: str, pipe: int, rounds: int) -> None:
    book = create(path)
    book.apply_snapshot(whole(0))
    book.apply_diffs(CHANGES[:rounds])
    book._open_bracket()
    book._f[kernels.BIDS] = -1.0  # what a change in progress may look like
    os.write(pipe, b"ready")
    signal.pause()


@pytest.mark.parametrize(
    ("how", "kills"),
    [
        (killed_in_a_bracket, 50),
        pytest.param(killed_in_a_bracket, KILLS, marks=pytest.mark.slow),
        (killed_between_writes, 10),
    ],
)
def test_a_killed_writer_is_noticed_within_a_second_and_another_takes_over(
    path: str, how: Callable[[str, int, int], None], kills: int
) -> None:
    first = create(path)
    first.apply_snapshot(whole(0))
    first.apply_diffs(CHANGES[:3])
    readers = [BookReader(path) for _ in range(4)]
    first.close()
    start = time.monotonic()
    slowest = 0.0
    for number in range(kills):
        with forked(lambda pipe, n=number: how(path, pipe, n % 20)) as (pid, pipe):
            assert heard(pipe) == b"ready"
            in_bracket = BookReader(path)
            assert in_bracket.version % 2 == (how is killed_in_a_bracket)
            late = [*readers, in_bracket]
            died = time.monotonic()
            kill(pid)
            slowest = max(slowest, refused_within(late, died))
        if how is killed_in_a_bracket:
            with pytest.raises(StaleBook):
                in_bracket.top(stale_ok=True)
        else:
            assert in_bracket.levels(stale_ok=True).meta["update_id"] == number % 20
        in_bracket.close()
    book = create(path)
    assert (book.epoch, book.state, book.meta()["version"] % 2) == (kills + 2, BookState.SYNCING, 0)
    book.apply_snapshot(whole(5))
    for reader in readers:
        assert reader.state is BookState.LIVE
        assert (reader.epoch, reader.update_id, reader.version % 2) == (kills + 2, 5, 0)
        assert reader.bids.tolist() == generation(5)[0]
    book.close()
    print(
        f"\n{kills} kills in {time.monotonic() - start:.1f} s, "
        f"noticed within {slowest * 1000:.1f} ms"
    )
    assert time.monotonic() - start < 60.0


def test_a_writer_killed_at_any_moment_leaves_a_book_that_is_refused(path: str) -> None:
    for number in range(8):
        with full_speed(path) as pid:
            reader = BookReader(path)
            for _ in range(100 * number):
                reader.top()
            died = time.monotonic()
            kill(pid)
            refused_within([reader], died)
            assert reader.epoch == number + 1


# Making, taking over, giving back.


@pytest.mark.parametrize("left_over", [False, True])
def test_of_writers_that_start_at_once_exactly_one_wins(path: str, left_over: bool) -> None:
    if left_over:
        create(path).close()
    for _ in range(10):
        ready, start = os.pipe()

        def contend(pipe: int, ready: int = ready, start: int = start) -> None:
            os.close(start)
            os.read(ready, 1)
            try:
                book = create(path)
            except ConfigError:
                os.write(pipe, b"refused")
            else:
                os.write(pipe, b"won")
                signal.pause()
                book.close()

        with ExitStack() as stack:
            pipes = [stack.enter_context(forked(contend))[1] for _ in range(4)]
            os.close(start)
            assert sorted(heard(pipe) for pipe in pipes) == [b"refused"] * 3 + [b"won"]
        os.close(ready)
        if not left_over:
            os.unlink(path)
