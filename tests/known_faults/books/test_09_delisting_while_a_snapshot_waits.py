"""Eight pairs ask for snapshots, four at a time; one that waits for its turn is delisted meanwhile.

Right: that pair is gone, the data source lives. Today a KeyError of the pair ends the data source
and with it every book of the shard.
"""

import asyncio
from pathlib import Path

import pytest

from tests.known_faults.lab import given
from tests.known_faults.lab.feed import death, feed, until

NAMES = [f"P{n}-USD" for n in range(8)]


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a pair that is delisted while its snapshot waits for a slot ends the data source",
)
def test_the_data_source_lives_through_a_delisting(memory: Path) -> None:
    async def main() -> str:
        async with feed(memory, NAMES) as (venue, both):
            venue.rules = [[name] for name in NAMES]
            venue.books = {name.replace("-", ""): [10, [[1, 1]], [[2, 1]]] for name in NAMES}
            venue.gate.clear()  # snapshots hang: four are under way, the others wait for a slot
            await both.source.refresh_rules()
            given(await until(lambda: both.source._connections[0].is_open, 5), "it is connected")
            await asyncio.sleep(2.5)
            venue.rules = [[name] for name in NAMES[:-1]]
            await both.source.refresh_rules()
            venue.gate.set()
            await asyncio.sleep(1.5)
            return death(both)

    died = asyncio.run(main())
    assert not died
