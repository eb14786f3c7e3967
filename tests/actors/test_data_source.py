"""The data source against a scripted venue: what it publishes, requests, and does about silence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from actors.books.data_source import OrderBookTrackerDataSource
from actors.books.feed_connection import MAX_BAD_IN_A_ROW
from actors.channel import Envelope, Reset, Subscriber
from actors.transport.rest import Rest
from exchanges.contract import Exchange
from orderbook.errors import BadPair, Disconnected, NotReady
from orderbook.messages import BookDiff, BookSnapshot, DataMessage, FeedInterrupted, Pairs, Trade
from tests.support.channels import run, until
from tests.support.scripted import StreamedBook, Venue, levels, scripted, venue

PAIRS = ["A-USD", "B-USD"]
STRICT = scripted()
DIFF = ["AUSD", 11, 11, [[1, 2]], []]


class Recorder:
    """A subscriber of the data source: the messages it received, and its way to request."""

    def __init__(self, source: OrderBookTrackerDataSource) -> None:
        self.envelopes: list[Envelope] = []
        self._subscriber = Subscriber(self._locate, DataMessage)
        self._source = source
        self.request = self._subscriber.request

    async def _locate(self) -> Any:
        return await self._source.endpoint()

    async def follow(self) -> None:
        async with aclosing(self._subscriber.batches()) as batches:
            async for batch in batches:
                self.envelopes += [item for item in batch if not isinstance(item, Reset)]

    def messages(self, kind: type, pair: str | None = None) -> list[Any]:
        return [
            e.message for e in self.envelopes if type(e.message) is kind and pair in (None, e.topic)
        ]


@asynccontextmanager
async def running(
    folder: Path, exchange: Exchange = STRICT, pairs: list[str] = PAIRS, **options: Any
) -> AsyncIterator[tuple[Venue, OrderBookTrackerDataSource, Recorder]]:
    """A venue, a data source on it that is connected and subscribed, and a subscriber of that."""
    async with venue() as (place, hosts), aiohttp.ClientSession() as session:
        source = OrderBookTrackerDataSource(
            exchange,
            hosts=hosts,
            pairs=pairs,
            run_dir=str(folder),
            name="source",
            rest=Rest(exchange, session, hosts),
            **options,
        )
        await source.start()
        recorder = Recorder(source)
        following = asyncio.create_task(recorder.follow())
        try:
            await until(lambda: place.received and recorder.messages(Pairs))
            yield place, source, recorder
            assert not source.failed.done()
        finally:
            await source.stop()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def test_messages_leave_on_the_topic_of_their_pair(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (place, _, recorder):
            assert place.received[0] == {"subscribe": ["AUSD", "BUSD"]}
            await place.send(diff=DIFF)
            await place.send(trade=["BUSD", 5])
            await until(lambda: recorder.messages(Trade))
            assert recorder.messages(BookDiff, "A-USD") == [
                BookDiff("AUSD", levels((1, 2)), levels(), 11, 11)
            ]
            assert recorder.messages(Trade, "B-USD")[0].trade_id == "5"
            assert all(e.time > 0 for e in recorder.envelopes if type(e.message) is BookDiff)

    run(main)


def test_messages_are_numbered_and_who_joins_later_is_told_how_many_there_were(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with running(tmp_path) as (place, source, recorder):
            await place.send(diff=DIFF)
            await until(lambda: recorder.messages(BookDiff))
            published = source.status()["published"]
            assert recorder.envelopes[-1].sequence == published
            later = Recorder(source)
            following = asyncio.create_task(later.follow())
            await until(lambda: later.messages(Pairs))
            assert [envelope.sequence for envelope in later.envelopes] == [published]
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    run(main)


def test_frames_are_counted_from_the_beginning_of_a_connection(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (place, source, recorder):
            await place.send(diff=DIFF)
            await place.send(diff=["AUSD", 12, 12, [[1, 3]], []])
            await until(lambda: len(recorder.messages(BookDiff)) == 2)
            assert source.status()["received"] == 2
            place.cut()
            await until(lambda: place.connects == 2 and len(place.received) == 2)
            await place.send(diff=["AUSD", 13, 13, [[1, 3]], []])
            await until(lambda: len(recorder.messages(BookDiff)) == 3)
            assert source.status()["received"] == 1
            assert source.status()["connections"][0]["frames"] == 3

    run(main)


def test_each_connection_begins_by_saying_that_what_was_is_lost(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (place, _, recorder):
            await place.send(diff=DIFF)
            await until(lambda: recorder.messages(BookDiff))
            before = len(recorder.envelopes)
            place.cut()
            await until(lambda: place.connects == 2 and len(place.received) == 2)
            await place.send(diff=["AUSD", 12, 12, [[1, 3]], []])
            await until(lambda: len(recorder.messages(BookDiff)) == 2)
            kinds = [type(e.message) for e in recorder.envelopes[before:] if e.topic == "A-USD"]
            assert kinds == [FeedInterrupted, FeedInterrupted, BookDiff]

    run(main)


def test_a_poisoned_frame_costs_the_symbol_it_names_alone_or_all(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (place, source, recorder):
            await place.send(diff=DIFF)
            await until(lambda: recorder.messages(BookDiff))
            before = {pair: len(recorder.messages(FeedInterrupted, pair)) for pair in PAIRS}
            await place.send_text('{"diff": ["ausd", "not a number"]}')
            await place.send(diff=["BUSD", 11, 11, [[1, 2]], []])
            await until(lambda: recorder.messages(BookDiff, "B-USD"))
            assert len(recorder.messages(FeedInterrupted, "A-USD")) == before["A-USD"] + 1
            assert len(recorder.messages(FeedInterrupted, "B-USD")) == before["B-USD"]
            await place.send_text('{"diff": ["')
            await place.send(diff=["BUSD", 12, 12, [[1, 2]], []])
            await until(lambda: len(recorder.messages(BookDiff, "B-USD")) == 2)
            assert len(recorder.messages(FeedInterrupted, "A-USD")) == before["A-USD"] + 2
            assert len(recorder.messages(FeedInterrupted, "B-USD")) == before["B-USD"] + 1
            assert (await source.bad_frames())[0] == b'{"diff": ["ausd", "not a number"]}'
            assert source.status()["connections"][0]["rejected"] == 2
            assert place.connects == 1

    run(main)


def test_many_poisoned_frames_in_a_row_reset_the_connection(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (place, source, _):
            for number in range(MAX_BAD_IN_A_ROW):
                await place.send(odd=number)
            await until(lambda: place.connects == 2)
            assert len(await source.bad_frames()) < MAX_BAD_IN_A_ROW

    run(main)


def test_pings_are_answered_and_faults_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (place, source, _):
            await place.send(ping=4)
            await place.send(no="such symbol")
            await until(
                lambda: (
                    {"pong": 4} in place.received
                    and source.status()["faults"] == ["1: such symbol"]
                )
            )

    run(main)


def test_an_announced_end_reconnects(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (place, _, __):
            await place.send(bye="maintenance")
            await until(lambda: place.connects == 2)

    run(main)


def test_where_nothing_else_can_tell_heartbeats_are_no_sign_of_life(tmp_path: Path) -> None:
    """A connection that sends only heartbeats is reopened, if REST shows no book."""

    async def main() -> None:
        async with running(tmp_path, scripted(StreamedBook, stale_after=1.0)) as (place, _, __):

            async def beat() -> None:
                while place.connects == 1:
                    await place.send(heartbeat=1)
                    await asyncio.sleep(0.1)

            await asyncio.wait_for(beat(), 6)

    run(main)


def test_a_silent_socket_is_opened_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, scripted(stale_after=0.5)) as (place, _, __):
            await until(lambda: place.connects == 2)

    run(main)


def test_many_requests_for_a_snapshot_are_one_fetch(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (place, _, recorder):
            await place.send(diff=DIFF)
            place.gate.clear()
            for _ in range(10):
                recorder.request("A-USD")
            recorder.request("UNKNOWN-USD")
            await until(lambda: place.snapshot_requests)
            place.gate.set()
            await until(lambda: recorder.messages(BookSnapshot))
            assert place.snapshot_requests == ["AUSD"]
            assert recorder.messages(BookSnapshot, "A-USD")[0].update_id == 10

    run(main)


def test_a_snapshot_is_fetched_again_until_it_works(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (place, _, recorder):
            await place.send(diff=DIFF)
            place.failures = 2
            recorder.request("A-USD")
            await until(lambda: recorder.messages(BookSnapshot, "A-USD"))
            assert place.snapshot_requests == ["AUSD"] * 3

    run(main)


def test_a_snapshot_asked_for_before_a_reconnect_is_thrown_away(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (place, _, recorder):
            await place.send(diff=DIFF)
            place.gate.clear()
            recorder.request("A-USD")
            await until(lambda: place.snapshot_requests)
            place.cut()
            await until(lambda: place.connects == 2)
            place.books["AUSD"] = [99, [[1, 1]], [[2, 1]]]
            place.gate.set()
            await until(lambda: recorder.messages(BookSnapshot))
            assert [snapshot.update_id for snapshot in recorder.messages(BookSnapshot)] == [99]

    run(main)


def test_where_snapshots_come_by_stream_a_request_subscribes_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, scripted(StreamedBook)) as (place, source, recorder):
            recorder.request("A-USD")  # it was just subscribed: its snapshot is on its way
            recorder.request("B-USD")
            await place.send(snapshot=["AUSD", 5, [[1, 1]], [[2, 1]]])
            await until(lambda: recorder.messages(BookSnapshot))
            recorder.request("A-USD")
            await until(lambda: {"subscribe": ["AUSD"]} in place.received)
            assert place.received == [
                {"subscribe": ["AUSD", "BUSD"]},
                {"unsubscribe": ["AUSD"]},
                {"subscribe": ["AUSD"]},
            ]
            fetching = asyncio.create_task(source.get_snapshot("B-USD"))
            await asyncio.sleep(0)
            await place.send(snapshot=["BUSD", 6, [[1, 1]], [[2, 1]]])
            assert (await fetching).update_id == 6

    run(main)


def test_a_request_that_crossed_a_snapshot_on_its_way_is_answered_by_that(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, scripted(StreamedBook)) as (place, _, recorder):
            await place.send(snapshot=["AUSD", 5, [[1, 1]], [[2, 1]]])
            await place.send(snapshot=["BUSD", 6, [[1, 1]], [[2, 1]]])
            await until(lambda: len(recorder.messages(BookSnapshot)) == 2)
            first, second = recorder.envelopes[-2:]
            recorder.request("A-USD", first.sequence - 1)
            recorder.request("B-USD", second.sequence)
            await until(lambda: {"subscribe": ["BUSD"]} in place.received)
            assert {"subscribe": ["AUSD"]} not in place.received
            recorder.request("A-USD", second.sequence)
            await until(lambda: {"subscribe": ["AUSD"]} in place.received)

    run(main)


def test_pairs_are_subscribed_and_unsubscribed_live(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, pairs=["A-USD"]) as (place, source, recorder):
            await source.set_pairs(["B-USD"])
            await until(lambda: len(place.received) == 3)
            assert place.received[1:] == [{"unsubscribe": ["AUSD"]}, {"subscribe": ["BUSD"]}]
            assert recorder.messages(Pairs)[-1] == Pairs(["B-USD"])
            assert place.connects == 1

    run(main)


def test_unknown_pairs_are_refused_and_the_others_served(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, pairs=["A-USD"]) as (_, source, __):
            with pytest.raises(BadPair, match="did you mean B-USD"):
                await source.set_pairs(["A-USD", "BB-USD", "B-USD"])
            assert source.get_trading_pairs() == ["A-USD", "B-USD"]
            with pytest.raises(BadPair):
                await source.require_pairs(["BB-USD"])

    run(main)


def test_listings_and_delistings_are_followed(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, rules_refresh=0.05) as (place, source, recorder):
            place.rules = [["A-USD"], ["B-USD", False]]
            await until(lambda: recorder.messages(Pairs)[-1] == Pairs(["A-USD"]))
            place.rules = []
            with pytest.raises(Disconnected, match="ignored"):
                await source.refresh_rules()
            assert source.get_trading_pairs() == ["A-USD"]
            place.rules = [["A-USD"], ["B-USD"]]
            await until(lambda: recorder.messages(Pairs)[-1] == Pairs(PAIRS))

    run(main)


def test_a_tracker_that_does_not_read_stops_the_reading_of_the_venue(tmp_path: Path) -> None:
    """Back-pressure to the venue's socket; once the tracker reads again nothing is missing."""

    async def main() -> None:
        async with running(tmp_path) as (place, source, recorder):
            for symbol in ("AUSD", "BUSD"):  # one that stays silent would be subscribed again
                await place.send(diff=[symbol, 0, 0, [], []])
            await until(lambda: len(recorder.messages(BookDiff)) == 2)
            where = await source.endpoint()
            numbers = []
            joined = asyncio.Event()
            gate = asyncio.Event()

            async def locate() -> Any:
                return where

            async def slow() -> None:
                async with aclosing(Subscriber(locate, DataMessage).batches()) as batches:
                    assert isinstance((await anext(batches))[0], Reset)
                    assert isinstance((await anext(batches))[0].message, Pairs)
                    joined.set()
                    await gate.wait()
                    async for batch in batches:
                        numbers.extend(
                            e.message.update_id
                            for e in batch
                            if type(e) is not Reset and is_diff(e)
                        )

            reading = asyncio.create_task(slow())
            await joined.wait()
            row = [[1 + n / 1000, 1] for n in range(400)]
            sent = 0

            async def flood() -> None:
                nonlocal sent
                for number in range(6000):
                    await place.send(diff=["AUSD", number, number, row, []])
                    sent += 1

            flooding = asyncio.create_task(flood())
            await stands_still(lambda: source.status()["connections"][0]["frames"])
            assert source.status()["connections"][0]["frames"] < 6000
            gate.set()
            await flooding
            await until(lambda: len(numbers) == 6000, within=60.0)
            assert numbers == list(range(6000))
            assert len(recorder.messages(BookDiff)) == 6002
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    run(main, within=120.0)


def is_diff(envelope: Any) -> bool:
    return type(envelope.message) is BookDiff


async def stands_still(count: Any) -> None:
    before = -1
    while before != count() or not count():
        before = count()
        await asyncio.sleep(0.3)


def test_a_first_look_at_the_markets_that_fails_is_repeated(tmp_path: Path) -> None:
    async def main() -> None:
        async with venue() as (place, hosts), aiohttp.ClientSession() as session:
            rules = place.rules
            place.rules = []
            rest = Rest(STRICT, session, hosts)
            source = OrderBookTrackerDataSource(
                STRICT, hosts=hosts, pairs=PAIRS, run_dir=str(tmp_path), name="s", rest=rest
            )
            await source.start()
            recorder = Recorder(source)
            following = asyncio.create_task(recorder.follow())
            await until(lambda: rest.requests >= 2)
            assert recorder.messages(Pairs) == [], (
                "a data source that knows nothing yet must not end any book"
            )
            place.rules = rules
            await until(lambda: recorder.messages(Pairs) == [Pairs(PAIRS)])
            await source.stop()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    run(main)


def test_a_stream_without_a_snapshot_in_time_is_not_ready(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, scripted(StreamedBook)) as (_, source, __):
            source.snapshot_timeout = 0.2
            with pytest.raises(NotReady, match="no snapshot of A-USD"):
                await source.get_snapshot("A-USD")

    run(main)
