"""Books whose levels say which generation they are of, and processes that write them."""

import json
import os
import select
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orderbook.messages import BookDiff, BookSnapshot
from orderbook.shared import SharedBook

DEPTH = 10


def create(path: str, capacity: int = 64) -> SharedBook:
    return SharedBook.create(path, venue="venue", trading_pair="A-B", capacity=capacity)


def generation(number: int) -> tuple[list[list[float]], list[list[float]]]:
    """Ten levels a side that say in each place which generation they are of: prices move, sizes
    follow from both."""
    bids = [
        [1000.0 + number % 50 - i, (1000.0 + number % 50 - i) * 1000 + number] for i in range(DEPTH)
    ]
    asks = [
        [2000.0 + number % 50 + i, (2000.0 + number % 50 + i) * 1000 + number] for i in range(DEPTH)
    ]
    return bids, asks


def whole(number: int) -> BookSnapshot:
    bids, asks = (json.dumps(side).encode() for side in generation(number))
    return BookSnapshot("A-B", bids, asks, number)


def change(number: int) -> BookDiff:
    """From generation number - 1 to this one."""
    sides = []
    for old, new in zip(generation(number - 1), generation(number), strict=True):
        gone = [[price, 0] for price in {p for p, _ in old} - {p for p, _ in new}]
        sides.append(json.dumps(new + gone).encode())
    return BookDiff("A-B", *sides, number, number)


@contextmanager
def forked(work: Callable[[int], None]) -> Iterator[tuple[int, int]]:
    """(pid, pipe to read from) of a process that does ``work(pipe to write to)``; killed at the
    end."""
    receive, send = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # Python 3.12 and later, where a library has threads
        pid = os.fork()
    if pid == 0:
        try:
            os.close(receive)
            work(send)
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.__stderr__)
        finally:
            os._exit(1)
    os.close(send)
    try:
        yield pid, receive
    finally:
        os.close(receive)
        kill(pid)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def heard(pipe: int, within: float = 30.0) -> bytes:
    """What a forked process says next; empty when it died."""
    ready, _, _ = select.select([pipe], [], [], within)
    assert ready, "nothing was heard"
    return os.read(pipe, 4096)


CHANGES = [change(number) for number in range(1, 2001)]


def written(path: str) -> Callable[[int], None]:
    """The work of a writer at full speed; it says so once the book is live."""

    def work(pipe: int) -> None:
        book = create(path)
        book.apply_snapshot(whole(0))
        os.write(pipe, b"live")
        while True:
            book.apply_diffs(CHANGES)
            book.apply_snapshot(whole(0))

    return work


@contextmanager
def full_speed(path: str) -> Iterator[int]:
    """The pid of a process that writes the book at ``path`` as fast as it can."""
    with forked(written(path)) as (pid, pipe):
        assert heard(pipe) == b"live"
        yield pid
