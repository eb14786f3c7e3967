"""A market that is delisted takes no other market of its shard along, at whatever moment."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import aiohttp
import pytest

from actors.books.data_source import OrderBookTrackerDataSource
from actors.transport.rest import Rest
from exchanges.registry import BUILT_IN, get
from orderbook.messages import BookSnapshot, BookState, Pairs
from tests.actors.test_data_source import running
from tests.support.channels import until
from tests.support.feed import Endpoints, Feed, LocalPeers
from tests.support.scripted import ScriptedBook, scripted
from trochil.sandbox.process import SandboxProcess

NAMES = [f"P{n}-USD" for n in range(8)]
LISTED = [[name] for name in NAMES]


class LookingUpBook(ScriptedBook):
    """Looks up the rule of what it subscribes, one frame at a time."""

    def subscribe(self, symbols: list[str], on: bool = True) -> Iterable[str]:
        for symbol in symbols:
            yield from super().subscribe([self.rules[symbol].symbol], on)


def test_while_its_snapshot_waits_for_a_slot(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, pairs=["A-USD", *NAMES]) as (place, source, recorder):
            place.rules = [["A-USD"], *LISTED]
            place.books |= {name.replace("-", ""): [10, [[1, 1]], [[2, 1]]] for name in NAMES}
            await source.refresh_rules()
            place.gate.clear()
            for name in NAMES:
                recorder.request(name)
            await until(lambda: len(place.snapshot_requests) == 4)
            place.rules = [["A-USD"], *LISTED[:-1]]
            await source.refresh_rules()
            place.gate.set()
            await until(lambda: len(recorder.messages(BookSnapshot)) == 7)
            await until(lambda: not source.status()["snapshots_pending"])
            assert not source.failed.done()

    asyncio.run(main())


def test_while_its_snapshot_is_on_its_way(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (place, source, recorder):
            place.gate.clear()
            recorder.request("B-USD")
            await until(lambda: place.snapshot_requests == ["BUSD"])
            place.rules = [["A-USD"]]
            await source.refresh_rules()
            place.gate.set()
            await until(lambda: not source.status()["snapshots_pending"])
            recorder.request("A-USD")
            await until(lambda: recorder.messages(BookSnapshot, "A-USD"))

    asyncio.run(main())


def test_while_the_connection_is_down_and_its_snapshot_is_wanted(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as (place, source, recorder):
            place.cut()
            await until(lambda: not source._connections[0].is_open)
            recorder.request("B-USD")
            place.rules = [["A-USD"]]
            await source.refresh_rules()
            recorder.request("A-USD")
            await until(lambda: recorder.messages(BookSnapshot, "A-USD"))
            await until(lambda: not source.status()["snapshots_pending"])

    asyncio.run(main())


def test_while_it_is_being_subscribed(tmp_path: Path) -> None:
    async def main() -> None:
        exchange = scripted(LookingUpBook)
        async with running(tmp_path, exchange, ["A-USD", *NAMES]) as (place, source, recorder):
            place.rules = [["A-USD"], *LISTED]
            adding = asyncio.create_task(source.refresh_rules())
            await until(lambda: {"subscribe": ["P0USD"]} in place.received)
            place.rules = [["A-USD"]]
            await asyncio.gather(adding, source.refresh_rules())
            await until(lambda: recorder.messages(Pairs)[-1] == Pairs(["A-USD"]))
            await until(lambda: {"unsubscribe": ["P7USD"]} in place.received)
            recorder.request("A-USD")
            await until(lambda: recorder.messages(BookSnapshot, "A-USD"))

    asyncio.run(main())


def test_two_changes_at_once_end_with_the_later_one(tmp_path: Path) -> None:
    async def main() -> None:
        exchange = scripted(LookingUpBook)
        async with running(tmp_path, exchange, ["A-USD", *NAMES]) as (place, source, _):
            place.rules = [["A-USD"], *LISTED]
            for name in NAMES:
                place.books[name.replace("-", "")] = [10, [[1, 1]], [[2, 1]]]
            await source.refresh_rules()
            removing = asyncio.create_task(source.set_pairs(["A-USD"]))
            await until(lambda: {"unsubscribe": ["P0USD"]} in place.received)
            await source.set_pairs(["A-USD", *NAMES[:4]])
            await removing
            wanted = {name.replace("-", "") for name in ["A-USD", *NAMES[:4]]}
            assert source._connections[0]._subscribed == wanted

    asyncio.run(main())


@pytest.mark.sandbox
@pytest.mark.parametrize("venue", list(BUILT_IN))
def test_right_after_connecting_at_any_venue(venue: str, tmp_path: Path) -> None:
    async def main(sandbox: SandboxProcess) -> None:
        exchange = get(venue)
        hosts = Endpoints(**sandbox.hosts[venue])
        first, second = sandbox.pairs[:2]
        async with aiohttp.ClientSession() as session:
            both = Feed(str(tmp_path), hosts, [first, second], session, LocalPeers(), exchange)
            auth = exchange.auth(sandbox.accounts["default"])
            source = OrderBookTrackerDataSource(
                exchange,
                hosts=hosts,
                pairs=both.pairs,
                run_dir=str(tmp_path),
                name="source",
                rest=Rest(exchange, session, hosts, auth),
                auth=auth,
            )
            both.peers.components["source"] = source
            await source.start()
            await both.begin_tracker()
            try:
                await until(lambda: len(both.tracker.order_books) == 2)
                await asyncio.to_thread(sandbox.admin, "POST", "delist", {"pair": second})
                await source.refresh_rules()
                await until(lambda: list(both.tracker.order_books) == [first])
                book = both.tracker.order_books[first]
                await until(lambda: book.state is BookState.LIVE)
                epoch = book.epoch
                await asyncio.sleep(0.5)
                assert (book.state, book.epoch) == (BookState.LIVE, epoch)
                assert not source.failed.done()
                assert not both.tracker.failed.done()
            finally:
                for name in list(both.peers.components):
                    await both.end(name)

    with SandboxProcess(venue, rate=50, seed=2) as sandbox:
        asyncio.run(main(sandbox))
