"""Files that are no books, limits that are reached, arguments without sense: each has a name."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orderbook import kernels
from orderbook.book import OrderBook
from orderbook.errors import ConfigError, NotReady
from orderbook.messages import BookSnapshot, BookState
from orderbook.reader import BookReader
from orderbook.shared import SharedBook, book_path
from trochil.views import BookView

SNAPSHOT = BookSnapshot("A", b'[["10","1"],["9","2"]]', b'[["11","1"],["12","2"]]', 1)


def shared(path: Path | str) -> SharedBook:
    book = SharedBook.create(str(path), venue="x", trading_pair="A-B", capacity=64)
    book.apply_snapshot(SNAPSHOT)
    book.heartbeat()
    return book


def a_book_with_other_slots(folder: Path) -> bytes:
    book = shared(folder / "other.arrow")
    book.close()
    name = kernels.SLOTS[-1].encode()
    return (folder / "other.arrow").read_bytes().replace(name, name[::-1])


DAMAGED: dict[str, Callable[[Path], bytes]] = {
    "empty": lambda folder: b"",
    "cut short": lambda folder: b"ARROW1",
    "cut in its columns": lambda folder: _whole(folder)[: 64 * 8 * 3],
    "something else": lambda folder: os.urandom(100_000),
    "of other slots": a_book_with_other_slots,
}


def _whole(folder: Path) -> bytes:
    shared(folder / "whole.arrow").close()
    return (folder / "whole.arrow").read_bytes()


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_book_is_not_read_and_is_replaced_by_who_takes_it_over(
    damage: str, tmp_path: Path
) -> None:
    path = tmp_path / "x" / "a.arrow"
    path.parent.mkdir()
    path.write_bytes(DAMAGED[damage](tmp_path))
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NotReady, match=r"a.arrow can't be read: .*its tracker replaces it"):
        BookReader(str(path))
    assert len(os.listdir("/proc/self/fd")) == before
    book = shared(path)
    assert BookReader(str(path)).top().bid == 10
    book.close()


@pytest.mark.parametrize("above", [True, False])
def test_a_folder_that_is_no_folder_is_named(above: bool, tmp_path: Path) -> None:
    path = book_path(str(tmp_path), "venue", "A-B")
    if above:
        (tmp_path / "venue").touch()
    else:
        Path(path).mkdir(parents=True)
    with pytest.raises(ConfigError, match="can't be created"):
        SharedBook.create(path, venue="venue", trading_pair="A-B")
    if above:
        with pytest.raises(NotReady, match="can't be read"):
            BookReader(path)


@contextmanager
def descriptors(more: int) -> Iterator[None]:
    """A limit of open files that leaves ``more``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unused = os.open("/dev/null", os.O_RDONLY)
    os.close(unused)
    resource.setrlimit(resource.RLIMIT_NOFILE, (unused + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_book_takes_one_descriptor_on_each_side(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    books = [shared(tmp_path / f"{n}.arrow") for n in range(5)]
    assert len(os.listdir("/proc/self/fd")) == before + 5
    readers = [BookReader(book.path) for book in books]
    assert len(os.listdir("/proc/self/fd")) == before + 10
    tops = [reader.top() for reader in readers]
    for opened in (*books, *readers):
        opened.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert all(top.bid == 10 for top in tops)
    assert books[0].top().bid == 10, "what is mapped can be read after the end"
    assert readers[0].meta()["state"] == BookState.STALE


def test_too_few_descriptors_are_named_and_leave_nothing_behind(tmp_path: Path) -> None:
    shared(tmp_path / "there.arrow").close()
    with descriptors(0):
        with pytest.raises(ConfigError, match="raise the limit of open files"):
            shared(tmp_path / "new.arrow")
        with pytest.raises(ConfigError, match="raise the limit of open files"):
            shared(tmp_path / "there.arrow")
        with pytest.raises(NotReady, match="raise the limit of open files"):
            BookReader(str(tmp_path / "there.arrow"))
    with descriptors(1), pytest.raises(ConfigError, match="raise the limit of open files"):
        shared(tmp_path / "there.arrow")  # the file before takes the one
    assert sorted(file.name for file in tmp_path.iterdir()) == ["there.arrow"]
    shared(tmp_path / "there.arrow").close()


QUERIES: dict[str, Callable[[Any, float], Any]] = {
    "volume is": lambda book, x: book.get_price_for_volume(True, x),
    "volume  is": lambda book, x: book.get_vwap_for_volume(False, x),
    "base_amount is": lambda book, x: book.get_quote_volume_for_base_amount(True, x),
    "price is": lambda book, x: book.get_volume_for_price(False, x),
}


@pytest.mark.parametrize("value", [-1.0, -1e-12, float("-inf"), float("nan")])
@pytest.mark.parametrize("name", QUERIES)
def test_a_negative_number_is_refused_by_its_name(name: str, value: float, tmp_path: Path) -> None:
    book = shared(tmp_path / "a.arrow")
    private = OrderBook(64)
    private.apply_snapshot(SNAPSHOT)
    for each in (book, private, BookReader(book.path)):
        with pytest.raises(ValueError, match=name.replace("  ", " ")):
            QUERIES[name](each, value)
    book.close()


def test_a_negative_depth_is_refused_by_its_name(tmp_path: Path) -> None:
    book = shared(tmp_path / "a.arrow")
    reader = BookReader(book.path)

    def nothing(*arguments: Any) -> Any:
        raise AssertionError

    view = BookView("x", "A-B", reader, nothing, nothing, nothing)  # type: ignore[arg-type]
    asked: list[Callable[[], Any]] = [
        lambda: reader.levels(-1),
        lambda: reader.copy_levels(-1, np.empty((1, 2)), np.empty((1, 2))),
        lambda: reader.arrow(-1),
        lambda: view.snapshot(-1),
        lambda: view.snapshot(-5, stale_ok=True),
        lambda: view.arrow(-1),
        lambda: view.to_pandas(-1),
    ]
    for ask in asked:
        with pytest.raises(ValueError, match="depth is -"):
            ask()
    assert len(reader.levels(0, stale_ok=True).bids) == 0
    book.close()
