"""Data source and tracker on the sandbox: a book is LIVE only while it equals the venue's."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orderbook.errors import BadPair, NotReady
from orderbook.messages import BookState
from tests.support.feed import Feed, feed, until
from trochil.sandbox.process import SandboxProcess

pytestmark = pytest.mark.sandbox

PAIRS = ["BTC-USDT", "ETH-USDT"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("binance", pairs=PAIRS, seed=3, rate=200) as running:
        yield running


async def admin(
    sandbox: SandboxProcess, method: str, path: str, body: dict[str, Any] | None = None
) -> Any:
    return await asyncio.to_thread(sandbox.admin, method, path, body)


async def assert_equal_when_paused(both: Feed, sandbox: SandboxProcess, pairs: list[str]) -> None:
    """Pause the flow, wait for the last frame, and compare with the venue's books by level."""
    await admin(sandbox, "POST", "flow", {"paused": True})
    try:
        for pair in pairs:
            theirs = await admin(sandbox, "GET", f"book?pair={pair}")
            book = both.tracker.order_books[pair]
            await until(
                lambda b=book, t=theirs: b.update_id == t["update_id"],
                what=f"{pair} at {theirs['update_id']}",
            )
            ours = both.reader(pair).levels()
            for side, levels in (("bids", ours.bids), ("asks", ours.asks)):
                assert levels.tolist() == [
                    [float(price), float(size)] for price, size in theirs[side]
                ]
    finally:
        await admin(sandbox, "POST", "flow", {"paused": False})


def states(both: Feed) -> dict[str, str]:
    return {pair: book.state.name for pair, book in both.tracker.order_books.items()}


async def until_live(both: Feed, pairs: list[str], within: float = 10.0) -> None:
    await until(lambda: states(both) == dict.fromkeys(pairs, "LIVE"), within, f"{pairs} LIVE")


async def until_happened(
    sandbox: SandboxProcess, faults: dict[str, float], before: dict[str, int]
) -> None:
    """A fault given as a chance has happened three times, one given as a number that often."""
    wanted = {
        name: before.get(name, 0) + (3 if value < 1 else int(value))
        for name, value in faults.items()
    }
    async with asyncio.timeout(15):
        while True:
            done = (await admin(sandbox, "GET", "status"))["faults_done"]
            if all(done.get(name, 0) >= times for name, times in wanted.items()):
                return
            await asyncio.sleep(0.05)


def test_books_become_live_and_equal_the_venues(sandbox: SandboxProcess, tmp_path: Path) -> None:
    async def main() -> None:
        async with feed(tmp_path, sandbox.hosts["binance"], PAIRS) as both:
            await until(lambda: both.tracker.ready)
            await until(lambda: both.tracker.order_books["BTC-USDT"].meta()["applied"] > 10)
            await assert_equal_when_paused(both, sandbox, PAIRS)
            assert both.tracker.order_books["BTC-USDT"].meta()["gaps"] == 0

    asyncio.run(main())


def test_withheld_frames_make_a_gap_and_a_resync_of_that_book_alone(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def main() -> None:
        async with feed(tmp_path, sandbox.hosts["binance"], PAIRS) as both:
            await until_live(both, PAIRS)
            book, other = (both.tracker.order_books[pair] for pair in PAIRS)
            epochs = book.epoch, other.epoch
            await admin(sandbox, "POST", "drop", {"pair": PAIRS[0], "frames": 2})
            await until(lambda: book.meta()["gaps"] == 1)
            await until(lambda: book.state is BookState.LIVE and book.epoch > epochs[0])
            assert other.epoch == epochs[1]
            await assert_equal_when_paused(both, sandbox, PAIRS)

    asyncio.run(main())


def test_no_reader_sees_a_live_book_across_a_gap(sandbox: SandboxProcess, tmp_path: Path) -> None:
    """Whatever a reader saw LIVE was the venue's: after a gap, INVALID until the new epoch."""

    async def main() -> None:
        async with feed(tmp_path, sandbox.hosts["binance"], PAIRS) as both:
            await until_live(both, PAIRS)
            reader = both.reader(PAIRS[0])
            seen = []
            first = reader.epoch
            await admin(sandbox, "POST", "faults", {"http_503": 3})
            await admin(sandbox, "POST", "drop", {"pair": PAIRS[0], "frames": 1})
            while reader.epoch == first or seen[-1][1] is not BookState.LIVE:
                seen.append((reader.epoch, reader.state))
                await asyncio.sleep(0.005)
            assert (first, BookState.INVALID) in seen
            after = seen[seen.index((first, BookState.INVALID)) :]
            assert (first, BookState.LIVE) not in after

    asyncio.run(main())


def test_a_disconnect_makes_every_book_invalid_and_live_again_in_a_new_epoch(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def main() -> None:
        async with feed(tmp_path, sandbox.hosts["binance"], PAIRS) as both:
            await until_live(both, PAIRS)
            epochs = {pair: book.epoch for pair, book in both.tracker.order_books.items()}
            await admin(sandbox, "POST", "disconnect", {"which": "public"})
            await until(lambda: any(state == "INVALID" for state in states(both).values()))
            await until_live(both, PAIRS)
            assert all(both.tracker.order_books[pair].epoch > epochs[pair] for pair in PAIRS)
            await assert_equal_when_paused(both, sandbox, PAIRS)

    asyncio.run(main())


@pytest.mark.parametrize(
    "faults",
    [
        {"drop_frame": 0.05},
        {"duplicate_frame": 0.2},
        {"reorder_frame": 0.1},
        {"stale_snapshot": 2, "disconnect_public": 1},
        {"http_503": 2, "disconnect_public": 1},
        {"http_429": 1, "disconnect_public": 1},
    ],
    ids=lambda faults: "+".join(faults),
)
def test_faults_of_the_wire_end_in_the_venues_own_books(
    sandbox: SandboxProcess, tmp_path: Path, faults: dict[str, float]
) -> None:
    async def main() -> None:
        async with feed(tmp_path, sandbox.hosts["binance"], PAIRS) as both:
            await until_live(both, PAIRS)
            before = (await admin(sandbox, "GET", "status"))["faults_done"]
            await admin(sandbox, "POST", "faults", faults)
            await until_happened(sandbox, faults, before)
            await admin(sandbox, "POST", "faults", dict.fromkeys(faults, 0))
            await until_live(both, PAIRS, within=15.0)
            await assert_equal_when_paused(both, sandbox, PAIRS)

    asyncio.run(main())


def test_a_restarted_data_source_is_found_again(sandbox: SandboxProcess, tmp_path: Path) -> None:
    async def main() -> None:
        async with feed(tmp_path, sandbox.hosts["binance"], PAIRS) as both:
            await until_live(both, PAIRS)
            epochs = {pair: book.epoch for pair, book in both.tracker.order_books.items()}
            reader = both.reader(PAIRS[0])
            await both.end("source")
            await until(lambda: reader.state is BookState.INVALID, within=1.0)
            await both.begin_source()
            await until_live(both, PAIRS)
            assert all(both.tracker.order_books[pair].epoch > epochs[pair] for pair in PAIRS)
            await assert_equal_when_paused(both, sandbox, PAIRS)

    asyncio.run(main())


def test_a_pair_is_added_delisted_and_listed_again(sandbox: SandboxProcess, tmp_path: Path) -> None:
    async def main() -> None:
        async with feed(tmp_path, sandbox.hosts["binance"], PAIRS[:1]) as both:
            await until_live(both, PAIRS[:1])
            epoch = both.tracker.order_books[PAIRS[0]].epoch
            await both.source.set_pairs(PAIRS)
            await until_live(both, PAIRS)
            reader = both.reader(PAIRS[1])
            await admin(sandbox, "POST", "delist", {"pair": PAIRS[1]})
            await both.source.refresh_rules()
            await until(lambda: list(both.tracker.order_books) == PAIRS[:1])
            assert both.source.get_trading_pairs() == PAIRS[:1]
            assert reader.state is BookState.STALE
            with pytest.raises(NotReady):
                both.reader(PAIRS[1])
            await admin(sandbox, "POST", "list", {"pair": PAIRS[1]})
            await both.source.refresh_rules()
            await until_live(both, PAIRS)
            assert both.tracker.order_books[PAIRS[0]].epoch == epoch, "the other pair was disturbed"
            await assert_equal_when_paused(both, sandbox, PAIRS)

    asyncio.run(main())


def test_unknown_pairs_are_refused_with_what_was_meant(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def main() -> None:
        async with feed(tmp_path, sandbox.hosts["binance"], PAIRS[:1]) as both:
            with pytest.raises(BadPair, match="ETH-USDT"):
                await both.source.set_pairs([PAIRS[0], "ETH-USDD"])
            await until_live(both, PAIRS[:1])

    asyncio.run(main())


def test_the_tutorials_functions_of_the_data_source(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async def main() -> None:
        async with feed(tmp_path, sandbox.hosts["binance"], PAIRS) as both:
            source = both.source
            loop = asyncio.get_running_loop()
            markets = await source.get_active_exchange_markets()
            assert list(markets.columns) == ["baseAsset", "quoteAsset", "volume", "USDVolume"]
            assert markets.loc["BTC-USDT", "baseAsset"] == "BTC"
            assert (await source.get_snapshot("BTC-USDT")).update_id > 0
            entries = await source.get_tracking_pairs()
            assert list(entries) == PAIRS
            assert entries["BTC-USDT"].order_book.top().bid > 0
            queues = [asyncio.Queue[Any]() for _ in range(3)]
            listening = [
                asyncio.create_task(listen(loop, queue))
                for listen, queue in zip(
                    (
                        source.listen_for_trades,
                        source.listen_for_order_book_diffs,
                        source.listen_for_order_book_snapshots,
                    ),
                    queues,
                    strict=True,
                )
            ]
            first = [await asyncio.wait_for(queue.get(), 10) for queue in queues]
            assert [type(message).__name__ for message in first] == [
                "Trade",
                "BookDiff",
                "BookSnapshot",
            ]
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)
            await until_live(both, PAIRS)

    asyncio.run(main())
