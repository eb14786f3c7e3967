"""64 MB of /dev/shm in Docker (ray-project/ray #3149 #14616): here 1 MB, in a mount namespace of
its own.

Right: a named error before any SIGBUS.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from orderbook.errors import ConfigError
from orderbook.shared import SharedBook
from tests.known_faults.lab import given
from tests.known_faults.lab.namespace import UNSHARE, need_mounts

ROOT = Path(__file__).parents[3]


def make_books() -> None:
    """More of them than there is memory for."""
    for n in range(6):
        path = f"/dev/shm/t/x/P{n}-Q.arrow"
        SharedBook.create(path, venue="x", trading_pair=f"P{n}-Q", capacity=8192)


@pytest.mark.slow
def test_too_little_shared_memory_is_a_named_error() -> None:
    need_mounts()
    small = f"mount -t tmpfs -o size=1m tmpfs /dev/shm && exec {sys.executable} -m {__name__}"
    done = subprocess.run(
        [*UNSHARE, "sh", "-c", small],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    said = done.stdout + done.stderr
    given("mount:" not in said and "unshare:" not in said, said)
    assert done.returncode == 0, said
    assert "too little shared memory" in done.stdout


if __name__ == "__main__":  # the child, in a mount namespace of its own
    try:
        make_books()
    except ConfigError as error:
        print(error)
