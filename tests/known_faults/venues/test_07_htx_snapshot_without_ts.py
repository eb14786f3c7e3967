"""HTX documents the answer to a request for a snapshot without the field "ts"; the market-by-price
feed asks for one.

Right: a snapshot in the documented form makes the book LIVE.
"""

from pathlib import Path

from exchanges.htx import HtxBook
from tests.known_faults.lab import raw, tried
from tests.known_faults.lab.wire import track


def test_a_snapshot_in_the_documented_form_makes_the_book_live(memory: Path) -> None:
    feed = HtxBook({}, "/feed")
    pipeline, book, _ = track(feed, memory)
    errors = []
    for line in raw(__file__, "jsonl").splitlines():
        messages, error = tried(lambda line=line: list(feed.parse(line)))
        errors.append(error)
        for message in messages or []:
            pipeline.take(message, 1)
    assert not any(errors)
    assert book.state.name == "LIVE"
