"""Frame bytes -> published book, against the handlers of cryptofeed and ccxt.pro in the same run.

CPU us per frame, one core.

cryptofeed's release reads another protocol of the same venue: it gets the same changes in that
protocol, JSON included.
"""

import asyncio
import json
import tempfile
from collections.abc import Callable
from typing import Any

import msgspec
from common import binance_diffs, binance_snapshot, coinbase_frames, cpu_us, pin, show

from exchanges.binance import BINANCE
from orderbook.messages import BookDiff, BookSnapshot, Layout
from orderbook.shared import SharedBook
from orderbook.warm import warm


class Change(msgspec.Struct, tag_field="type", tag="l2update", gc=False):
    product_id: str
    changes: msgspec.Raw


class Image(msgspec.Struct, tag_field="type", tag="snapshot"):
    product_id: str
    bids: msgspec.Raw
    asks: msgspec.Raw


def ours_small(frames: list[bytes], folder: str) -> Callable[[], int]:
    decode = msgspec.json.Decoder(Change | Image).decode
    books: dict[str, SharedBook] = {}
    for frame in frames:
        said = decode(frame)
        if isinstance(said, Image):
            book = SharedBook.create(
                f"{folder}/{said.product_id}",
                venue="x",
                trading_pair=said.product_id,
                capacity=16384,
            )
            book.apply_snapshot(BookSnapshot(said.product_id, bytes(said.bids), bytes(said.asks)))
            books[said.product_id] = book
    changes = [frame for frame in frames if b'"l2update"' in frame[:24]]

    def work() -> int:
        for frame in changes:
            said = decode(frame)
            books[said.product_id].apply_diff(
                BookDiff(said.product_id, bytes(said.changes), b"", 0, 0, 0, Layout.SIDED)
            )
        return len(changes)

    return work


def cryptofeed_small(frames: list[bytes]) -> Callable[[], int]:
    from cryptofeed.exchanges import Coinbase

    feed: Any = object.__new__(Coinbase)
    said = [json.loads(frame) for frame in frames]
    feed._l2_book = {}
    feed.max_depth = 0
    feed.exchange_symbol_mapping = {m["product_id"]: m["product_id"] for m in said}

    async def nothing(*args: Any, **kwargs: Any) -> None:
        return

    feed.book_callback = nothing
    images = [reworded(m) for m in said if m["type"] == "snapshot"]
    changes = [reworded(m) for m in said if m["type"] == "l2update"]

    async def feed_all(texts: list[str]) -> None:
        for text in texts:
            await feed.message_handler(text, None, 0.0)

    asyncio.run(feed_all(images))

    def work() -> int:
        asyncio.run(feed_all(changes))
        return len(changes)

    return work


def reworded(m: dict[str, Any]) -> str:
    """The same content as the dialect that cryptofeed's release reads."""
    names = {"buy": "bid", "sell": "offer"}
    if m["type"] == "snapshot":
        rows = [("bid", *row) for row in m["bids"]] + [("offer", *row) for row in m["asks"]]
    else:
        rows = [(names[side], price, size) for side, price, size in m["changes"]]
    updates = [
        {"side": side, "price_level": price, "new_quantity": size} for side, price, size in rows
    ]
    kind = "snapshot" if m["type"] == "snapshot" else "update"
    stamp = "2021-04-17T16:43:37.075687Z"
    event = {"type": kind, "product_id": m["product_id"], "updates": updates}
    return json.dumps({"channel": "l2_data", "timestamp": stamp, "events": [event]})


def ours_large(frames: list[bytes], snapshot: dict[str, Any], folder: str) -> Callable[[], int]:
    parse = BINANCE.book({}, "").parse
    book = SharedBook.create(
        f"{folder}/BTC-USDT", venue="binance", trading_pair="BTC-USDT", capacity=16384
    )
    bids, asks = (json.dumps(snapshot[side]).encode() for side in ("bids", "asks"))

    def work() -> int:
        book.apply_snapshot(BookSnapshot("BTCUSDT", bids, asks, snapshot["lastUpdateId"]))
        apply = book.apply_diff
        for frame in frames:
            for diff in parse(frame):
                apply(diff)
        return len(frames)

    return work


def ccxt_large(frames: list[bytes], snapshot: dict[str, Any]) -> Callable[[], int]:
    import ccxt.pro

    client = ccxt.pro.binance()

    def work() -> int:
        book = client.order_book({})
        book.reset(
            {
                "bids": [[float(p), float(s)] for p, s in snapshot["bids"]],
                "asks": [[float(p), float(s)] for p, s in snapshot["asks"]],
            }
        )
        for frame in frames:
            client.handle_order_book_message(None, json.loads(frame)["data"], book)
        return len(frames)

    return work


def main() -> None:
    pin()
    warm()
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="trochil-bench-") as folder:
        small = coinbase_frames()
        large = binance_diffs()
        snapshot = binance_snapshot()
        us = cpu_us(ours_small(small, folder))
        peer = cpu_us(cryptofeed_small(small))
        rows = [["ours, shared memory", us, 1.0], ["cryptofeed", peer, peer / us]]
        show(
            "Small messages (about 2 levels): frame -> published book",
            ["way", "us a frame", "of ours"],
            rows,
        )
        us = cpu_us(ours_large(large, snapshot, folder))
        peer = cpu_us(ccxt_large(large, snapshot), rounds=3)
        rows = [["ours, shared memory", us, 1.0], ["ccxt.pro handler", peer, peer / us]]
        show(
            "Binance diffs (about 36 levels): frame -> published book",
            ["way", "us a frame", "of ours"],
            rows,
        )


if __name__ == "__main__":
    main()
