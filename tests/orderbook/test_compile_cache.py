"""Books where the folder of our code can't be written: a read-only image, no root, no home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orderbook import kernels
from orderbook.compile_cache import VARIABLE
from tests.support.mounts import UNSHARE, need_mounts

ROOT = Path(__file__).parents[2]
USE_A_BOOK = """
from orderbook.book import OrderBook
from orderbook.messages import BookSnapshot
book = OrderBook(64)
book.apply_snapshot(BookSnapshot("A", b'[["1","1"]]', b'[["2","1"]]', 1))
print("top", book.top().bid)
"""


def used_read_only(program: str, **more: str) -> tuple[int, str]:
    """(exit code, what was said) of a program where our code can't be written."""
    need_mounts()
    code = Path(kernels.__file__).parent
    read_only = (
        f'mount --bind "{code}" "{code}" && mount -o remount,ro,bind "{code}"'
        f' && exec {sys.executable} -c "$PROGRAM"'
    )
    environment = {
        "HOME": "/proc/none",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PROGRAM": program,
    }
    done = subprocess.run(
        [*UNSHARE, "sh", "-c", read_only],
        cwd=ROOT,
        env=environment | more,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_books_work_and_what_was_compiled_is_used_again(tmp_path: Path) -> None:
    code, said = used_read_only(USE_A_BOOK, TMPDIR=str(tmp_path))
    assert (code, said) == (0, "top 1.0\n")
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    kept = set(folder.rglob("*.nbc"))
    assert kept
    assert used_read_only(USE_A_BOOK, TMPDIR=str(tmp_path))[0] == 0
    assert set(folder.rglob("*.nbc")) == kept


@pytest.mark.slow
def test_books_work_with_a_cache_elsewhere(tmp_path: Path) -> None:
    code, said = used_read_only(USE_A_BOOK, NUMBA_CACHE_DIR=str(tmp_path))
    assert (code, said) == (0, "top 1.0\n")
    assert set(tmp_path.rglob("*.nbc"))


IMPORT = "import os, orderbook; print(os.environ.get('NUMBA_CACHE_DIR'))"


def test_a_folder_of_others_is_not_used(tmp_path: Path) -> None:
    others = tmp_path / f"trochil-compiled-{os.getuid()}"
    others.mkdir()
    others.chmod(0o777)
    code, said = used_read_only(IMPORT, TMPDIR=str(tmp_path))
    assert code == 0, said
    assert Path(said.strip()).parent == tmp_path
    assert Path(said.strip()) != others


def test_where_nothing_can_be_written_the_error_names_the_remedy() -> None:
    program = (
        "import tempfile; tempfile.tempdir = '/proc/none'\n"
        "try: import orderbook\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    code, said = used_read_only(program)
    assert code == 0, said
    assert said.startswith("ConfigError compiled code can't be kept anywhere")
    assert VARIABLE in said


def test_a_folder_that_can_be_written_is_left_to_numba() -> None:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    command = [sys.executable, "-c", IMPORT]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "None"


def test_the_documentation_names_the_remedy() -> None:
    assert VARIABLE in (ROOT / "docs" / "operating.md").read_text()
