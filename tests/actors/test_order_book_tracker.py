"""The tracker against a scripted data source: LIVE means right, INVALID comes first."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.books.order_book_tracker import OrderBookTracker
from actors.channel import ChannelAddress, Publisher, Reset, SnapshotRequest, Subscriber
from exchanges.contract import Exchange
from orderbook.messages import (
    BookChange,
    BookDiff,
    BookImage,
    BookMessage,
    BookSnapshot,
    BookState,
    BookStateChange,
    FeedInterrupted,
    OrderAction,
    OrderEvent,
    OrdersSnapshot,
    Pairs,
    RestingOrder,
    Side,
    Trade,
)
from orderbook.reader import BookReader
from orderbook.shared import EPOCH_BITS, SharedBook, book_path
from tests.support.channels import run, until
from tests.support.feed import LocalPeers
from tests.support.scripted import StreamedBook, levels, rule, scripted

PAIR = "A-USD"
OTHER = "B-USD"
SNAPSHOT = BookSnapshot("AUSD", levels((10, 1), (9, 1)), levels((11, 1)), 100)
EMPTY = levels()


def diff(first: int, last: int, bids: bytes = EMPTY, asks: bytes = EMPTY, **more: Any) -> BookDiff:
    return BookDiff("AUSD", bids, asks, first, last, **more)


class ChecksumBook(StreamedBook):
    """The best bid's price and size in the rule's digits."""

    def checksum(self, symbol: str, bids: Any, asks: Any) -> int:
        return zlib.crc32(f"{self.rules[symbol].price_tick} {bids[0].tolist()}".encode())


class Source:
    """A scripted data source: sends ``Pairs`` to new subscribers, and what a test publishes."""

    def __init__(self, path: str) -> None:
        self.pairs = [PAIR, OTHER]
        self.snapshot_requests: list[str] = []
        self.taken_at_requests: list[int] = []
        self._publisher = Publisher(path, self._note_request)
        self._publisher.greet_with(lambda: [("", Pairs(self.pairs))])
        self.start = self._publisher.start
        self.stop = self._publisher.close
        self.endpoint = self._publisher.endpoint

    def trading_rules(self) -> Any:
        return [rule(pair) for pair in self.pairs]

    def _note_request(self, request: SnapshotRequest) -> None:
        self.snapshot_requests.append(request.topic)
        self.taken_at_requests.append(request.after)

    def silence(self) -> None:
        """No heartbeats from now on."""
        self._publisher.beat_while(lambda: False)

    def speak(self) -> None:
        self._publisher.beat_while(lambda: True)

    def lose_one(self) -> None:
        """A message that is numbered and reaches nobody."""
        self._publisher.published += 1

    def publish(self, *messages: Any, pair: str = PAIR, time: int = 5) -> None:
        for message in messages:
            number = self._publisher.published + 1
            self._publisher.publish(pair, message, sequence=number, time=time)


@asynccontextmanager
async def running(
    folder: Path, exchange: Exchange | None = None, **options: Any
) -> AsyncIterator[tuple[Source, OrderBookTracker]]:
    """A source and a tracker on it that knows its pairs and has requested their snapshots."""
    source = Source(f"{folder}/source.sock")
    peers = LocalPeers()
    await source.start()
    peers.components["source"] = source
    tracker = OrderBookTracker(
        exchange or scripted(),
        peers=peers,
        data_source="source",
        run_dir=str(folder),
        name="tracker",
        **options,
    )
    await tracker.start()
    try:
        await until(
            lambda: (
                set(source.snapshot_requests) == {PAIR, OTHER} or tracker.status()["failed_books"]
            )
        )
        yield source, tracker
        assert not tracker.failed.done()
    finally:
        await tracker.stop()
        await source.stop()


def test_the_status_says_how_far_the_tracker_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, tracker):
            assert tracker.status()["taken"] == 0
            source.publish(SNAPSHOT, diff(101, 101), diff(102, 102))
            await until(lambda: tracker.status()["taken"] == 3)
            assert tracker.order_books[PAIR].update_id == 102

    run(main)


def test_a_request_says_what_was_taken_before_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, _):
            source.publish(SNAPSHOT, diff(101, 101), diff(103, 103))
            await until(lambda: len(source.taken_at_requests) == 3)
            assert source.taken_at_requests == [0, 0, 3]

    run(main)


def reader_of(folder: Path, pair: str = PAIR) -> BookReader:
    return BookReader(book_path(str(folder), "scripted", pair))


async def until_live(tracker: OrderBookTracker, pair: str = PAIR) -> Any:
    await until(lambda: tracker.order_books[pair].state is BookState.LIVE)
    return tracker.order_books[pair]


def test_diffs_before_the_snapshot_are_kept_and_applied_on_top(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, tracker):
            source.publish(diff(99, 100, levels((1, 1))), diff(101, 101, levels((10, 5))), SNAPSHOT)
            source.publish(diff(102, 103, EMPTY, levels((11, 0), (12, 2))))
            book = await until_live(tracker)
            await until(lambda: book.update_id == 103)
            assert book.bids.tolist() == [[10, 5], [9, 1]]
            assert book.asks.tolist() == [[12, 2]]
            assert book.meta()["dropped_before_snapshot"] == 1
            assert tracker.order_books[OTHER].state is BookState.SYNCING
            assert not tracker.ready
            source.publish(BookSnapshot("BUSD", EMPTY, EMPTY, 1), pair=OTHER)
            await until(lambda: tracker.ready)
            bids, asks = tracker.snapshot[PAIR]
            assert bids.columns.tolist() == ["price", "amount"]
            assert (bids.price[0], asks.amount[0]) == (10, 2)
            assert tracker.exchange_name == "scripted"

    run(main)


def test_a_gap_is_invalid_first_then_a_new_epoch(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, tracker):
            source.publish(SNAPSHOT)
            book = await until_live(tracker)
            epoch = tracker.order_books[PAIR].epoch
            reader = reader_of(tmp_path)
            source.snapshot_requests.clear()
            source.publish(diff(105, 106, levels((10, 9))))
            await until(lambda: source.snapshot_requests == [PAIR])
            assert reader.state is BookState.INVALID
            assert book.bids[0].tolist() == [10, 1], "a diff past a gap must not be applied"
            source.publish(BookSnapshot("AUSD", levels((8, 1)), EMPTY, 105))
            await until(lambda: reader.state is BookState.LIVE)
            assert (reader.epoch, reader.update_id) == (epoch + 1, 106)
            assert reader.bids.tolist() == [[10, 9], [8, 1]]
            meta = book.meta()
            assert (meta["gaps"], meta["resyncs"]) == (1, 1)

    run(main)


def test_a_snapshot_older_than_what_is_kept_is_requested_again_and_not_shown(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, tracker):
            source.snapshot_requests.clear()
            source.publish(diff(150, 150), SNAPSHOT)
            await until(lambda: PAIR in source.snapshot_requests)
            assert tracker.order_books[PAIR].state is BookState.SYNCING
            assert tracker.order_books[PAIR].lengths == (0, 0)
            source.publish(BookSnapshot("AUSD", EMPTY, EMPTY, 149))
            book = await until_live(tracker)
            assert book.update_id == 150

    run(main)


def test_a_snapshot_that_nobody_needs_does_not_take_a_book_back(tmp_path: Path) -> None:
    """Fetched for a listener, at a moment that the stream has left behind."""

    async def main() -> None:
        async with running(tmp_path) as (source, tracker):
            source.publish(SNAPSHOT, diff(101, 105, levels((10, 7))), SNAPSHOT, diff(106, 106))
            book = await until_live(tracker)
            await until(lambda: book.update_id == 106)
            assert (book.state, resyncs(book), book.bids[0].tolist()) == (
                BookState.LIVE,
                1,
                [10, 7],
            )

    run(main)


def test_a_snapshot_on_the_stream_replaces_whatever_its_number(tmp_path: Path) -> None:
    """A venue that starts its numbers again after maintenance."""

    async def main() -> None:
        async with running(tmp_path, scripted(StreamedBook)) as (source, tracker):
            source.publish(
                SNAPSHOT, BookSnapshot("AUSD", levels((5, 1)), EMPTY, 1), diff(2, 2, levels((6, 1)))
            )
            book = await until_live(tracker)
            await until(lambda: book.update_id == 2)
            assert (book.bids.tolist(), book.meta()["gaps"], resyncs(book)) == (
                [[6, 1], [5, 1]],
                0,
                2,
            )

    run(main)


@pytest.mark.parametrize(
    "poison",
    [
        b'[["nan","1"]]',
        b'[["-1","1"]]',
        b'[["1","-1"]]',
        b'[["1"]]',
        b"[[",
        b'[["1e999","1"]]',
        b'{"a":1}',
    ],
)
def test_malformed_levels_cost_their_own_book_alone(tmp_path: Path, poison: bytes) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, tracker):
            source.publish(SNAPSHOT)
            source.publish(BookSnapshot("BUSD", EMPTY, EMPTY, 1), pair=OTHER)
            book = await until_live(tracker)
            other = await until_live(tracker, OTHER)
            source.snapshot_requests.clear()
            source.publish(diff(101, 101, poison))
            source.publish(BookDiff("BUSD", levels((3, 3)), EMPTY, 2, 2), pair=OTHER)
            await until(lambda: source.snapshot_requests == [PAIR] and other.update_id == 2)
            assert (book.state, book.meta()["rejected"]) == (BookState.INVALID, 1)
            assert book.bids[0].tolist() == [10, 1]
            assert other.state is BookState.LIVE
            assert "malformed" in tracker.status()["books"][PAIR]["why"]

    run(main)


def test_a_checksum_that_does_not_match_is_not_believed(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, scripted(ChecksumBook)) as (source, tracker):
            right = zlib.crc32(b"0.01 [10.0, 1.0]")
            changed = zlib.crc32(b"0.01 [10.0, 2.0]")
            source.publish(BookSnapshot("AUSD", levels((10, 1)), EMPTY, 0, checksum=right))
            source.publish(diff(0, 0, levels((10, 2)), checksum=changed))
            book = await until_live(tracker)
            await until(lambda: book.meta()["applied"] == 1)
            assert book.state is BookState.LIVE
            source.snapshot_requests.clear()
            source.publish(diff(0, 0, levels((10, 3)), checksum=changed))
            await until(lambda: source.snapshot_requests == [PAIR])
            assert book.state is BookState.INVALID
            assert "checksum" in tracker.status()["books"][PAIR]["why"]

    run(main)


def test_a_checksum_after_messages_without_one_is_of_all_that_they_said(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, scripted(ChecksumBook)) as (source, tracker):
            source.publish(BookSnapshot("AUSD", levels((10, 1), (9, 5)), EMPTY, 0))
            source.publish(diff(0, 0, levels((10, 0))))
            source.publish(diff(0, 0, levels((8, 1)), checksum=zlib.crc32(b"0.01 [9.0, 5.0]")))
            book = await until_live(tracker)
            await until(lambda: book.meta()["applied"] == 2)
            assert book.state is BookState.LIVE
            source.snapshot_requests.clear()
            source.publish(diff(0, 0, levels((10, 3)), checksum=zlib.crc32(b"0.01 [9.0, 5.0]")))
            await until(lambda: source.snapshot_requests == [PAIR])
            assert "checksum" in tracker.status()["books"][PAIR]["why"]

    run(main)


def test_a_book_that_stays_crossed_is_not_believed_but_a_locked_one_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, tracker):
            locked = BookSnapshot("BUSD", levels((5, 1)), levels((5, 1)), 1)
            source.publish(SNAPSHOT, diff(101, 101, levels((12, 1))))
            source.publish(locked, pair=OTHER)
            book = await until_live(tracker)
            other = await until_live(tracker, OTHER)
            assert book.state is BookState.LIVE, "crossed for a moment is how diffs come"
            await until(lambda: book.state is BookState.INVALID)
            assert tracker.status()["books"][PAIR]["why"] == "crossed"
            assert other.state is BookState.LIVE

    run(main)


def test_losing_the_data_source_is_invalid_at_once_and_a_new_one_is_found(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, tracker):
            source.publish(SNAPSHOT)
            book = await until_live(tracker)
            reader = reader_of(tmp_path)
            epoch = book.epoch
            await source.stop()
            await until(lambda: reader.state is BookState.INVALID)
            source.snapshot_requests.clear()
            await source.start()
            await until(lambda: PAIR in source.snapshot_requests)
            source.publish(SNAPSHOT)
            await until_live(tracker)
            assert book.epoch == epoch + 1

    run(main)


def test_what_the_source_calls_lost_is_invalid(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, tracker):
            source.publish(SNAPSHOT)
            book = await until_live(tracker)
            source.snapshot_requests.clear()
            source.publish(FeedInterrupted("AUSD", "a new connection"), diff(101, 101))
            await until(lambda: source.snapshot_requests == [PAIR])
            assert (book.state, book.update_id) == (BookState.INVALID, 100)
            assert tracker.status()["books"][PAIR]["why"] == "a new connection"

    run(main)


def test_a_quiet_book_beats_at_least_every_quarter_of_a_second(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, tracker):
            source.publish(SNAPSHOT)
            book = await until_live(tracker)
            beats = {book.meta()["heartbeat"]}
            while len(beats) < 6:
                await asyncio.sleep(0.01)
                beats.add(book.meta()["heartbeat"])
            gaps = [
                later - sooner
                for sooner, later in zip(sorted(beats), sorted(beats)[1:], strict=False)
            ]
            assert sorted(gaps)[len(gaps) // 2] < 250_000_000

    run(main)


def test_orders_become_levels(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, tracker):
            orders = [RestingOrder("1", 10.0, 0.1), RestingOrder("2", 10.0, 0.2)]
            source.publish(OrdersSnapshot("AUSD", orders, [RestingOrder("3", 11.0, 5.0)], 7))
            source.publish(
                OrderEvent("AUSD", OrderAction.OPEN, "4", "buy", 10.0, 0.3, 8, 8),
                OrderEvent("AUSD", OrderAction.DONE, "unknown", "", 0.0, 0.0, 9, 9),
                OrderEvent("AUSD", OrderAction.DONE, "1", "", 0.0, 0.0, 10, 10),
                OrderEvent("AUSD", OrderAction.MATCH, "3", "", 11.0, 2.0, 11, 11),
            )
            book = await until_live(tracker)
            await until(lambda: book.update_id == 11)
            assert book.bids.tolist() == [[10.0, 0.5]]
            assert book.asks.tolist() == [[11.0, 3.0]]

    run(main)


def test_every_change_is_served_under_its_number(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, tracker):

            async def locate() -> ChannelAddress:
                return await tracker.endpoint()

            received: list[Any] = []

            async def follow(mode: Any) -> None:
                async with aclosing(
                    Subscriber(locate, BookMessage, topics=[PAIR], mode=mode).batches()
                ) as batches:
                    async for batch in batches:
                        received.extend(item for item in batch if not isinstance(item, Reset))

            following = [asyncio.create_task(follow(mode)) for mode in ("stream", "notifications")]
            await until(lambda: tracker._publisher.subscribers == 2)
            trades: list[Any] = []
            tracker.add_trade_listener(lambda pair, trade: trades.append((pair, trade.trade_id)))
            source.publish(
                SNAPSHOT,
                diff(101, 101),
                Trade("AUSD", "1", Side.BUY, 10.0, 1.0, 0),
                diff(103, 103),
                SNAPSHOT,
            )
            source.publish(BookSnapshot("AUSD", levels((1, 1)), levels((2, 1)), 103))

            def said(kind: Any) -> list[Any]:
                return [e for e in received if type(e) is not list and isinstance(e.message, kind)]

            await until(lambda: len(said(BookImage)) == 3)
            await until(lambda: bool(said(Trade)))
            assert [PAIR] in received
            book = said(BookImage | BookChange | BookStateChange)
            first = book[0]
            assert [(describe(e.message), e.sequence - first.sequence) for e in book] == [
                ("image of SYNCING", 0),
                ("SYNCING", 1),
                ("replaced", 2),
                ("changed", 3),
                ("INVALID", 4),
                ("INVALID", 5),
                ("replaced", 6),
            ]
            assert [e.epoch - first.epoch for e in book] == [0, 1, 1, 1, 1, 2, 2]
            assert [e.time for e in book if isinstance(e.message, BookChange)] == [5]
            (trade,) = said(Trade)
            assert (trade.sequence, trade.time) == (1, 5)
            assert trades == [(PAIR, "1")]
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)

    run(main)


def describe(message: Any) -> str:
    match message:
        case BookImage(is_change=True):
            return "replaced"
        case BookImage():
            return f"image of {message.state.name}"
        case BookChange():
            return "changed"
        case _:
            return str(message.state.name)


def resyncs(book: Any) -> int:
    """Snapshots that the book began from, since its tracker started."""
    return int(book.epoch & ((1 << EPOCH_BITS) - 1))


def test_a_delisted_pair_ends_invalid_and_leaves_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, tracker):
            source.publish(SNAPSHOT)
            await until_live(tracker)
            reader = reader_of(tmp_path)
            source.publish(Pairs([OTHER]), pair="")
            await until(lambda: PAIR not in tracker.order_books)
            assert reader.state is BookState.STALE
            assert not Path(book_path(str(tmp_path), "scripted", PAIR)).exists()
            source.publish(SNAPSHOT)  # a straggler
            source.publish(Pairs([PAIR, OTHER]), pair="")
            await until(lambda: PAIR in tracker.order_books)

    run(main)


def test_a_book_that_can_not_be_made_is_told_and_tried_again(tmp_path: Path) -> None:
    async def main() -> None:
        held = SharedBook.create(
            book_path(str(tmp_path), "scripted", PAIR), venue="scripted", trading_pair=PAIR
        )
        async with running(tmp_path) as (source, tracker):
            await until(lambda: OTHER in tracker.order_books)
            assert "another process writes" in tracker.status()["failed_books"][PAIR]
            assert not tracker.ready
            held.close()
            await until(lambda: PAIR in tracker.order_books)
            source.publish(SNAPSHOT)
            book = await until_live(tracker)
            assert book.epoch > 1, "it goes on from the epoch of the file that stood there"

    run(main)


def test_an_epoch_never_comes_back_also_of_a_pair_that_was_removed_and_added(
    tmp_path: Path,
) -> None:
    handed = iter(range(50, 60))

    async def generation() -> int:
        return next(handed)

    async def main() -> None:
        async with running(tmp_path, generation=generation) as (source, tracker):
            source.publish(SNAPSHOT)
            epochs = [(await until_live(tracker)).epoch]
            source.pairs = [OTHER]
            source.publish(Pairs(source.pairs), pair="")
            await until(lambda: PAIR not in tracker.order_books)
            assert not Path(book_path(str(tmp_path), "scripted", PAIR)).exists()
            source.pairs = [PAIR, OTHER]
            source.publish(Pairs(source.pairs), pair="")
            await until(lambda: PAIR in tracker.order_books)
            source.publish(SNAPSHOT)
            epochs.append((await until_live(tracker)).epoch)
            assert epochs == [(50 << EPOCH_BITS) + 1, (51 << EPOCH_BITS) + 1]

    run(main)


def test_a_successor_whose_generation_is_lower_goes_on_from_the_file(tmp_path: Path) -> None:
    path = book_path(str(tmp_path), "scripted", PAIR)
    before = SharedBook.create(path, venue="scripted", trading_pair=PAIR, generation=90)
    last = (before.epoch, before.sequence, before.meta()["version"])
    before.close()

    async def low() -> int:
        return 3

    async def main() -> None:
        async with running(tmp_path, generation=low) as (source, tracker):
            source.publish(SNAPSHOT)
            book = await until_live(tracker)
            assert book.epoch > last[0]
            assert book.sequence > last[1]
            assert book.meta()["version"] > last[2]

    run(main)


def test_without_a_heartbeat_books_are_stale_and_live_again_when_the_sequence_joins(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, tracker):
            source.publish(SNAPSHOT)
            book = await until_live(tracker)
            epoch = book.epoch
            source.silence()
            await until(lambda: book.state is BookState.STALE)
            source.publish(diff(101, 101, levels((10, 5))))
            await until(lambda: book.update_id == 101)
            assert book.state is BookState.STALE, "what came is applied, not believed"
            source.speak()
            await until(lambda: book.state is BookState.LIVE)
            assert (book.epoch, book.meta()["resyncs"]) == (epoch, 0)

    run(main)


def test_an_interruption_is_nothing_that_the_venue_said(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, tracker):
            source.publish(SNAPSHOT)
            book = await until_live(tracker)
            assert book.meta()["heard_time"] == 5
            source.publish(FeedInterrupted("AUSD", "gone"), time=0)
            await until(lambda: book.state is BookState.INVALID)
            assert book.meta()["heard_time"] == 5

    run(main)


def test_a_hole_in_the_channels_numbers_costs_every_book(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (source, tracker):
            source.publish(SNAPSHOT)
            source.publish(BookSnapshot("BUSD", EMPTY, levels((1, 1)), 1), pair=OTHER)
            await until(lambda: tracker.ready)
            epochs = {pair: book.epoch for pair, book in tracker.order_books.items()}
            source.lose_one()
            await until(
                lambda: all(b.state is BookState.INVALID for b in tracker.order_books.values())
            )
            source.publish(SNAPSHOT)
            source.publish(BookSnapshot("BUSD", EMPTY, levels((1, 1)), 1), pair=OTHER)
            await until(lambda: tracker.ready)
            assert all(book.epoch > epochs[pair] for pair, book in tracker.order_books.items())

    run(main)
