"""Venues that speak over several sockets, and snapshots that only answer a question."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.books.book_pipeline import BookPipeline
from orderbook.messages import BookDiff, BookSnapshot, BookState, FeedInterrupted, Trade
from orderbook.shared import SharedBook
from tests.actors.test_data_source import running
from tests.support.channels import run, until
from tests.support.scripted import ScriptedBook, StreamedBook, levels, scripted


class TwoStreams(ScriptedBook):
    streams = ("/ws?books", "/ws?trades")
    trade_streams = ("/ws?trades",)


def sockets_of(place: Any, query: str) -> list[Any]:
    return [socket for socket in place.sockets if socket._req.query_string == query]


async def both_open(place: Any) -> None:
    await until(
        lambda: (
            sockets_of(place, "books") and sockets_of(place, "trades") and len(place.received) == 2
        )
    )


def test_a_socket_of_trades_that_breaks_breaks_no_book(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, scripted(TwoStreams)) as (place, _, recorder):
            await both_open(place)
            await until(lambda: len(recorder.messages(FeedInterrupted)) == 2)
            sockets_of(place, "trades")[0]._req.transport.abort()
            await until(lambda: place.connects == 3 and len(place.received) == 3)
            await place.send(trade=["AUSD", 7])
            await until(lambda: recorder.messages(Trade, "A-USD"))
            assert len(recorder.messages(FeedInterrupted)) == 2
            sockets_of(place, "books")[0]._req.transport.abort()
            await until(lambda: len(recorder.messages(FeedInterrupted)) > 2)

    run(main)


def test_a_bad_frame_among_trades_breaks_no_book(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, scripted(TwoStreams)) as (place, source, recorder):
            await both_open(place)
            await until(lambda: len(recorder.messages(FeedInterrupted)) == 2)
            await sockets_of(place, "trades")[0].send_str('{"trade":["AUSD"]}')
            await until(lambda: any(one["rejected"] for one in source.status()["connections"]))
            await asyncio.sleep(0.1)
            assert len(recorder.messages(FeedInterrupted)) == 2

    run(main)


def test_trades_may_be_silent_where_books_may_not(tmp_path: Path) -> None:
    async def main() -> None:
        venue = replace(scripted(TwoStreams), stale_after=1.5)
        async with running(tmp_path, venue) as (place, source, _):
            await both_open(place)
            for number in range(11, 46):
                await sockets_of(place, "books")[0].send_str(
                    f'{{"diff":["AUSD",{number},{number},[[1,2]],[]]}}'
                )
                await sockets_of(place, "trades")[0].send_str('{"heartbeat":1}')
                await asyncio.sleep(0.1)
            assert [connection["connects"] for connection in source.status()["connections"]] == [
                1,
                1,
            ]

    run(main)


def test_a_snapshot_waits_for_the_stream_of_books_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, scripted(TwoStreams)) as (place, _, recorder):
            await both_open(place)
            await sockets_of(place, "books")[0].send_str('{"diff":["AUSD",11,11,[[1,2]],[]]}')
            await until(lambda: recorder.messages(BookDiff))
            async with asyncio.timeout(0.9):  # no second's wait for a word about trades
                recorder.request("A-USD")
                await until(lambda: recorder.messages(BookSnapshot))

    run(main)


class Answering(StreamedBook):
    snapshot_on_request = True


class PipelineHarness:
    def __init__(self, path: str) -> None:
        self.snapshot_requests = 0
        self.book = SharedBook.create(path, venue="v", trading_pair="A-B")
        self.pipeline = BookPipeline(
            self.book,
            Answering({}, ""),
            self._request_snapshot,
            lambda *what: None,
            lambda point: None,
        )

    def _request_snapshot(self, snapshot_expected: bool) -> None:
        self.snapshot_requests += 1

    def snapshot(self, number: int, size: float) -> None:
        self.pipeline.take(BookSnapshot("AB", levels((1, size)), levels((2, 1)), number), 0)

    def diff(self, before: int, number: int, size: float) -> None:
        self.pipeline.take(BookDiff("AB", levels((1, size)), b"[]", before + 1, number), 0)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[PipelineHarness]:
    found = PipelineHarness(str(tmp_path / "book.arrow"))
    yield found
    found.book.close(unlink=True)


def test_an_answer_older_than_all_that_waits_is_requested_again(harness: PipelineHarness) -> None:
    harness.diff(14, 18, 5.0)
    harness.snapshot(12, 1.0)
    assert (harness.book.state, harness.snapshot_requests) == (BookState.SYNCING, 1)
    harness.diff(18, 25, 6.0)
    harness.snapshot(18, 5.0)
    assert (harness.book.state, harness.book.update_id, harness.snapshot_requests) == (
        BookState.LIVE,
        25,
        1,
    )
    assert harness.book.bids.tolist() == [[1.0, 6.0]]


def test_an_answer_newer_than_all_that_waits_is_enough(harness: PipelineHarness) -> None:
    harness.diff(14, 18, 5.0)
    harness.snapshot(30, 7.0)
    harness.diff(30, 37, 8.0)
    assert (harness.book.state, harness.book.update_id) == (BookState.LIVE, 37)


def test_a_second_answer_changes_nothing_in_a_book_that_is_in_step(
    harness: PipelineHarness,
) -> None:
    harness.snapshot(10, 1.0)
    harness.diff(10, 15, 2.0)
    harness.snapshot(10, 1.0)
    harness.diff(15, 16, 3.0)
    assert (harness.book.state, harness.book.update_id, harness.snapshot_requests) == (
        BookState.LIVE,
        16,
        0,
    )
    assert harness.book.bids.tolist() == [[1.0, 3.0]]
