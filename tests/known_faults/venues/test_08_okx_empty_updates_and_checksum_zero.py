"""OKX: empty updates, checksum 0, prevSeqId equal to seqId, a sequence reset in maintenance
(documented).

Right: the book is LIVE all along, without a gap.
"""

from pathlib import Path

from exchanges.okx import OkxBook
from tests.known_faults.lab import raw
from tests.known_faults.lab.wire import track


def test_the_book_is_live_all_along(memory: Path) -> None:
    feed = OkxBook({}, "")
    pipeline, book, _ = track(feed, memory)
    states = []
    for n, line in enumerate(raw(__file__, "jsonl").splitlines()):
        for message in feed.parse(line):
            pipeline.take(message, n + 1)
        states.append(book.state.name)
    assert states == ["LIVE"] * 5
    assert (book.top().bid_size, book.top().ask) == (4.0, 61.0)
    assert book.meta()["gaps"] == 0
