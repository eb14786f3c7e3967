"""A recorded session of Binance BTCUSDT (2024-08-08, 346 s), whose market leaves the levels of its
snapshot.

The snapshot reaches 33 basis points, and the market leaves them 247 s after it (by its trades; 260
s by the book). Right: once the best bid or ask lies beyond the worst price of the snapshot, the
book has asked for another snapshot or is not LIVE.
"""

import gzip
import json
from pathlib import Path

from exchanges.registry import get
from orderbook.messages import BookDiff, BookSnapshot
from tests.known_faults.lab.wire import encoded, track
from tests.support.recordings import recording


def test_beyond_the_snapshot_another_one_was_asked_for_or_it_is_not_live(tmp_path: Path) -> None:
    path = recording("binance_spot_btcusdt_20240808.gz")
    exchange = get("binance")
    feed = exchange.book({}, exchange.book.streams[0])
    pipeline, book, asked = track(feed, tmp_path)
    worst_bid = worst_ask = 0.0
    asked_before = changes = beyond = 0
    with gzip.open(path) as lines:
        for line in lines:
            stamp, _, text = line.partition(b" ")
            at = int(stamp)
            frame = json.loads(text)
            if "lastUpdateId" in frame:
                bids = frame["bids"]
                asks = frame["asks"]
                worst_bid = float(bids[-1][0])
                worst_ask = float(asks[-1][0])
                snapshot = BookSnapshot(
                    "BTCUSDT", encoded(bids), encoded(asks), frame["lastUpdateId"]
                )
                pipeline.take(snapshot, at)
                asked_before = len(asked)
            elif "depth" in frame.get("stream", ""):
                for message in feed.parse(text):
                    if isinstance(message, BookDiff):
                        pipeline.take(message, at)
                changes += bool(worst_ask)
                if worst_ask and book.state.name == "LIVE" and len(asked) == asked_before:
                    top = book.top()
                    beyond += top.bid <= worst_bid or top.ask >= worst_ask
    assert changes > 3000
    assert beyond == 0, (
        f"{beyond} of {changes} changes were LIVE beyond the snapshot, none was asked for"
    )
