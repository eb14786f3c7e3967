"""A folder in shared memory for each test that asks for one."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder of this test in shared memory."""
    made = Path(tempfile.mkdtemp(prefix="trochil-fault-", dir="/dev/shm"))
    yield made
    shutil.rmtree(made, ignore_errors=True)
