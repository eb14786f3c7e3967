"""A channel of a book that dies on a living connection, and a market in which nothing happens.

On real sockets, at a pace that is faster than the real one.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.books import feed_connection, subscription_watchdog
from orderbook.messages import BookDiff, BookSnapshot, FeedInterrupted
from tests.actors.test_data_source import Recorder, running
from tests.actors.test_streams import both_open, sockets_of
from tests.support.channels import run, until
from tests.support.scripted import ScriptedBook, StreamedBook, Venue, scripted

FASTER = 10
PACE = (
    "SILENT_AFTER",
    "QUIET_AFTER",
    "JOINS_WITHIN",
    "PROVEN_AFTER",
    "ANSWER_WITHIN",
    "QUIET_FOR",
    "CALM_AFTER",
    "REOPEN_EVERY",
    "LOOK_AFTER",
)
SILENT = "its channel is silent while its market moves"


class Looked(ScriptedBook):
    """Snapshots by REST, which books are looked at by, too."""

    look_interval = 0.2
    frames_when_quiet = False


class Split(Looked):
    """Trades come by another connection."""

    streams = ("/ws?books", "/ws?trades")
    trade_streams = ("/ws?trades",)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in PACE:
        monkeypatch.setattr(
            subscription_watchdog, name, getattr(subscription_watchdog, name) / FASTER
        )
    monkeypatch.setattr(feed_connection, "CHECK_EVERY", feed_connection.CHECK_EVERY / FASTER)
    monkeypatch.setattr(feed_connection, "MIN_SEND_INTERVAL", 0.01)
    return iter([None])


def interruptions(recorder: Recorder, pair: str) -> list[str]:
    return [each.reason for each in recorder.messages(FeedInterrupted, pair)]


async def begin(place: Venue, recorder: Recorder, book: str = "diff") -> None:
    """Both books have said something."""
    for number, symbol in enumerate(("AUSD", "BUSD")):
        frame = [symbol, 11, 11, [[1, 2]], []] if book == "diff" else [symbol, 11, [], []]
        await place.send(**{book: frame})
        kind = BookDiff if book == "diff" else BookSnapshot
        await until(lambda count=number, kind=kind: len(recorder.messages(kind)) == count + 1)  # type: ignore[misc]


class Market:
    """Trades of A, and changes of B's book, until the test ends."""

    def __init__(self, place: Venue, books: tuple[str, ...] = ("BUSD",)) -> None:
        self.place = place
        self.books = books
        self.number = 11
        self._task = asyncio.create_task(self._move())

    async def _move(self) -> None:
        while True:
            self.number += 1
            await self.place.send(trade=["AUSD", self.number])
            for symbol in self.books:
                await self.place.send(diff=[symbol, self.number, self.number, [[1, 2]], []])
            await asyncio.sleep(0.05)

    async def __aenter__(self) -> "Market":
        return self

    async def __aexit__(self, *error: object) -> None:
        self._task.cancel()


@pytest.mark.parametrize("book", [Looked, StreamedBook])
def test_a_dead_channel_is_doubted_then_subscribed_again_then_reopened(
    tmp_path: Path, book: type[ScriptedBook]
) -> None:
    async def main() -> None:
        async with running(tmp_path, scripted(book)) as (place, source, recorder):
            await begin(place, recorder, "diff")
            before = len(interruptions(recorder, "B-USD"))
            async with Market(place):
                await until(lambda: SILENT in interruptions(recorder, "A-USD"))
                assert source.status()["connections"][0]["doubted"] == ["AUSD"]
                assert place.connects == 1
                await until(lambda: {"subscribe": ["AUSD"]} in place.received)
                assert len(interruptions(recorder, "B-USD")) == before
                await until(lambda: place.connects == 2)

    run(main)


def test_no_snapshot_is_served_of_a_book_that_is_doubted(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, scripted(Looked)) as (place, _, recorder):
            await begin(place, recorder)
            async with Market(place) as market:
                await until(lambda: SILENT in interruptions(recorder, "A-USD"))
                asked = place.snapshot_requests.count("AUSD")
                for _ in range(60):
                    recorder.request("A-USD")
                    await asyncio.sleep(0.05)
                # Looks by REST are requests too, but they are for books that are believed.
                assert place.snapshot_requests.count("AUSD") == asked
                assert recorder.messages(BookSnapshot, "A-USD") == []
                told = len(recorder.messages(BookDiff, "A-USD"))
                market.books = ("AUSD", "BUSD")
                await until(lambda: recorder.messages(BookSnapshot, "A-USD"))
                assert len(recorder.messages(BookDiff, "A-USD")) > told

    run(main)


def test_a_snapshot_by_stream_alone_is_not_passed_on_after_a_second_death(tmp_path: Path) -> None:
    """The channel answers each subscription with the book, and then says nothing."""

    async def main() -> None:
        async with running(tmp_path, scripted(StreamedBook)) as (place, _, recorder):
            await begin(place, recorder, "snapshot")

            async def answer() -> None:
                seen = 0
                while True:
                    subscribed = sum("AUSD" in each.get("subscribe", []) for each in place.received)
                    if subscribed > seen:
                        seen = subscribed
                        await place.send(snapshot=["AUSD", 11, [], []])
                    await asyncio.sleep(0.01)

            answering = asyncio.create_task(answer())
            async with Market(place):
                await until(lambda: place.connects == 2)
                await asyncio.sleep(0.2)
                known = len(recorder.messages(BookSnapshot, "A-USD"))
                await asyncio.sleep(3)
                assert len(recorder.messages(BookSnapshot, "A-USD")) == known
                assert place.connects == 2
            answering.cancel()

    run(main)


def test_trades_of_another_connection_prove_that_a_book_died(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, scripted(Split)) as (place, _, recorder):
            await both_open(place)
            await sockets_of(place, "books")[0].send_str('{"diff":["AUSD",11,11,[[1,2]],[]]}')
            await until(lambda: recorder.messages(BookDiff))
            for number in range(200):
                await sockets_of(place, "trades")[0].send_str(f'{{"trade":["AUSD",{number}]}}')
                await asyncio.sleep(0.05)
                if SILENT in interruptions(recorder, "A-USD"):
                    break
            assert SILENT in interruptions(recorder, "A-USD")

    run(main)


def test_a_heartbeat_that_is_ahead_proves_that_a_book_died(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, scripted(Looked)) as (place, _, recorder):
            await begin(place, recorder)
            for _ in range(20):
                await place.send(moved=["AUSD", 11])
                await asyncio.sleep(0.05)
            assert SILENT not in interruptions(recorder, "A-USD")
            await place.send(moved=["AUSD", 12])
            await until(lambda: SILENT in interruptions(recorder, "A-USD"))

    run(main)


def test_a_quiet_market_is_not_cut(tmp_path: Path) -> None:
    """REST shows the same book again and again, by the number of the last message."""

    async def main() -> None:
        async with running(tmp_path, scripted(Looked, stale_after=0.5)) as (
            place,
            source,
            recorder,
        ):
            place.books = {symbol: [11, [[1, 2]], []] for symbol in place.books}
            await begin(place, recorder)
            before = [interruptions(recorder, pair) for pair in ("A-USD", "B-USD")]
            await asyncio.sleep(6)
            assert [interruptions(recorder, pair) for pair in ("A-USD", "B-USD")] == before
            assert source.status()["connections"][0]["connects"] == 1
            assert len(place.snapshot_requests) > 5
            place.books["AUSD"] = [12, [[1, 3]], []]
            await until(lambda: SILENT in interruptions(recorder, "A-USD"))

    run(main)


def test_a_look_that_fails_or_hangs_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_connection, "LOOK_TIMEOUT", 0.5)

    async def main() -> None:
        async with running(tmp_path, scripted(Looked, stale_after=0.5)) as (
            place,
            source,
            recorder,
        ):
            await begin(place, recorder)
            place.failures = 5
            await until(lambda: place.failures == 0)
            place.gate.clear()
            await asyncio.sleep(2)
            place.gate.set()
            assert source.status()["connections"][0]["connects"] == 1
            assert SILENT not in interruptions(recorder, "A-USD")

    run(main)


def test_messages_of_unknown_kinds_are_counted(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (place, source, _):
            for kind in ("news", "weather", "news"):
                await place.send(kind=kind)

            def counted() -> Any:
                return source.status()["connections"][0]["unknown"]

            await until(lambda: counted() == {"news": 2, "weather": 1})
            assert source.status()["connections"][0]["rejected"] == 0

    run(main)
