"""A venue's sequence ids fell from a high number back to 1, on a market with one message in two
seconds.

(Bittrex/bittrex.github.io #240.) Right: a book whose numbers began again is LIVE with old levels
for 5 s at most. Today: 18 s, since ten ignored messages are needed.
"""

from pathlib import Path

import pytest

from exchanges.bittrex import BittrexBook
from orderbook.messages import BookDiff, BookSnapshot
from tests.known_faults.lab import load
from tests.known_faults.lab.wire import track


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="only ten ignored messages tell that a sequence began again, however long they take",
)
def test_wrong_and_live_for_5_s_at_most(memory: Path) -> None:
    told = load(__file__)
    pipeline, book, _ = track(BittrexBook({}, ""), memory)
    pipeline.take(BookSnapshot("B", b'[["1","1"]]', b'[["3","1"]]', told["before"]), 1)
    step = told["seconds_between"] / 4
    now = wrong = 0.0
    for number in told["after"]:
        pipeline.take(BookDiff("B", b'[["2","5"],["1","0"]]', b"[]", number, number), 1)
        for _ in range(4):
            pipeline.check_health(now)
            now += step
            wrong += step * (book.state.name == "LIVE")
    assert wrong <= 5
