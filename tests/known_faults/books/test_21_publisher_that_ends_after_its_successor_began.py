"""An old process closes its publisher when the new process already listens at the same path.

Right: the successor's path stays. Today it is removed; nobody can join the new publisher.
"""

import asyncio
from pathlib import Path

import pytest

from actors.channel import Publisher


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a publisher that ends removes the path of its successor",
)
def test_the_path_of_a_publishers_successor_stays(memory: Path) -> None:
    path = memory / "b.sock"

    async def main() -> bool:
        old = Publisher(str(path))
        new = Publisher(str(path))
        await old.start()
        await new.start()
        await old.close()
        there = path.exists()
        await new.close()
        return there

    there = asyncio.run(main())
    assert there
