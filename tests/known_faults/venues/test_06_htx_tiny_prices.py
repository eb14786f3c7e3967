"""HTX writes 9.486E-11, one-sided and empty pushes (ccxt/ccxt #18749). Right: numbers and sequence
hold.
"""

from pathlib import Path

from exchanges.htx import HtxBook
from tests.known_faults.lab import raw
from tests.known_faults.lab.wire import track


def test_tiny_prices_and_empty_pushes_are_read(memory: Path) -> None:
    feed = HtxBook({}, "/feed")
    pipeline, book, _ = track(feed, memory)
    for n, line in enumerate(raw(__file__, "jsonl").splitlines()):
        for message in feed.parse(line):
            pipeline.take(message, n + 1)
    assert (book.top().ask, book.top().ask_size) == (9.486e-11, 5.4329174972728e12)
    assert pipeline.synced
    assert book.meta()["gaps"] == 0
    assert book.update_id == 155247359
