"""Where recorded frames are, if they are here; tests that need them skip when they aren't."""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("TROCHIL_FRAMES", Path(__file__).parents[3] / "shared" / "frames"))


def recording(name: str) -> Path:
    """The path of a recording; skips the test when it is absent."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no recording {path}")
    return path
