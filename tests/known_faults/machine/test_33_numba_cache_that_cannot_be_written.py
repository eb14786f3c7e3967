"""A container without root, or with a read-only image: the folder of the code can't be written,
there is no home.

(numba/numba #4032 #4908 #5566, LMCache/LMCache #4597: "no locator available".) Right: the books
work without a cache, or the error and the documentation name the remedy (NUMBA_CACHE_DIR). Today
importing fails with numba's own error, and no document names the variable.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orderbook import kernels
from orderbook.book import OrderBook
from orderbook.messages import BookSnapshot
from tests.known_faults.lab import given
from tests.known_faults.lab.namespace import UNSHARE, need_mounts

ROOT = Path(__file__).parents[3]
REMEDY = "NUMBA_CACHE_DIR"


def use_a_book() -> None:
    book = OrderBook(64)
    book.apply_snapshot(BookSnapshot("A", b'[["1","1"]]', b'[["2","1"]]', 1))
    print("top", book.top().bid)


def used_read_only(**more: str) -> tuple[int, str]:
    """(exit code, what was said) of a program that uses a book where our code can't be written."""
    need_mounts()
    code = Path(kernels.__file__).parent
    read_only = (
        f'mount --bind "{code}" "{code}" && mount -o remount,ro,bind "{code}"'
        f" && exec {sys.executable} -m {__name__}"
    )
    environment = {"HOME": "/proc/none", "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*UNSHARE, "sh", "-c", read_only],
        cwd=ROOT,
        env=environment | more,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    said = (done.stdout + done.stderr).strip()
    given("mount:" not in said and "unshare:" not in said, said)
    given("No module named" not in said, said)
    return done.returncode, said


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="where numba can write no cache, importing fails with an error that names no remedy",
)
def test_books_work_without_a_cache_or_the_error_names_the_remedy() -> None:
    code, said = used_read_only()
    assert (code == 0 and "top 1.0" in said) or REMEDY in said, said.splitlines()[-1]


@pytest.mark.slow
def test_books_work_with_a_cache_elsewhere(tmp_path: Path) -> None:
    code, said = used_read_only(NUMBA_CACHE_DIR=str(tmp_path))
    assert code == 0, said
    assert "top 1.0" in said


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="no document names the variable that says where numba's cache is",
)
def test_the_documentation_names_the_remedy() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("**/*.md")]
    given(len(documents) > 1, "there are documents")
    assert any(REMEDY in document.read_text() for document in documents)


if __name__ == "__main__":  # the child, which fails at its imports where no cache can be written
    use_a_book()
