"""A frame with an update id of 2^64 or more: poison, or a venue that numbers with random 128-bit
ids.

Right: that book breaks and is resynchronised; the data source and the other books live. Today an
OverflowError ends the data source; if the frame comes again, for ever.
"""

import asyncio
from pathlib import Path

import pytest

from tests.known_faults.lab import given
from tests.known_faults.lab.feed import death, feed, until

FAULT = pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="OverflowError ends the data source when an update id needs more than 64 bits",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(2**64 - 1, id="the largest of 64 bits"),
        pytest.param(2**64, id="the first beyond", marks=FAULT),
        pytest.param(10**30, id="a random one of 128 bits", marks=FAULT),
    ],
)
def test_one_book_breaks_and_not_the_data_source(memory: Path, number: int) -> None:
    async def main() -> str:
        async with feed(memory, ["A-USD", "B-USD"]) as (venue, both):
            given(await until(lambda: both.source._connections[0].is_open, 5), "it is connected")
            await asyncio.sleep(0.3)
            await venue.send(diff=["AUSD", 11, 11, [[1, 2]], []])
            await venue.send(diff=["BUSD", 11, 11, [[1, 2]], []])
            given(await until(lambda: both.tracker.ready, 10), "both books are LIVE")
            await venue.send(diff=["AUSD", 12, number, [[1, 3]], []])
            await asyncio.sleep(1)
            return death(both)

    died = asyncio.run(main())
    assert not died
