"""Levels farther out: the thinnest book first, and never more than the share of the limits."""

import asyncio
from dataclasses import replace
from pathlib import Path

from actors.books.levels_server import LevelsServer
from actors.clock import Clock
from actors.runtime.component_factory import budget_of
from actors.transport.rest import Rest
from exchanges.contract import Endpoints, RateLimit
from orderbook.errors import Disconnected
from tests.support.channels import run, until
from tests.support.scripted import scripted

MINUTE = RateLimit("weight", 6000, 60.0)


class Served:
    """A server on a clock that a test moves, and what it served when."""

    def __init__(self, cost: int, share: float = 0.1) -> None:
        self.now = 1000.0
        self.pairs: list[str] = []
        self.fails = False
        clock = Clock(lambda: self.now, lambda: self.now)
        venue = replace(scripted(), limits=(MINUTE,))
        nowhere = Endpoints("", "", "")
        rest = Rest(venue, None, nowhere, clock=clock, levels_share=share)
        self.server = LevelsServer(self._serve, lambda pair: rest.take_for_levels({"weight": cost}))

    async def _serve(self, pair: str) -> None:
        self.pairs.append(pair)
        if self.fails:
            raise Disconnected("gone")


def test_the_thinnest_book_comes_first_and_a_later_request_says_how_thin_it_is() -> None:
    async def main() -> None:
        served = Served(50)
        for pair, left in (("A", 400), ("B", 100), ("C", 300), ("A", 50)):
            served.server.request(pair, left)
        running = asyncio.create_task(served.server.run())
        await until(lambda: len(served.pairs) == 3)
        assert served.pairs == ["A", "B", "C"]
        running.cancel()

    run(main)


def test_no_minute_has_more_than_the_share() -> None:
    async def main() -> None:
        served = Served(250)
        running = asyncio.create_task(served.server.run())
        for pair in "ABCDE":
            served.server.request(pair, 10)
        await until(lambda: len(served.pairs) == 2)
        await asyncio.sleep(1.5)
        assert len(served.pairs) == 2, "500 of 600 are taken: another 250 do not fit"
        served.now += 61.0
        await until(lambda: len(served.pairs) == 4)
        assert served.server.waiting == 1
        running.cancel()

    run(main)


def test_what_is_larger_than_the_share_takes_all_of_it() -> None:
    async def main() -> None:
        served = Served(250, share=0.01)
        running = asyncio.create_task(served.server.run())
        served.server.request("A", 10)
        served.server.request("B", 20)
        await until(lambda: served.pairs == ["A"])
        served.now += 30.0
        await asyncio.sleep(1.2)
        assert served.pairs == ["A"], "one a minute"
        served.now += 35.0
        await until(lambda: served.pairs == ["A", "B"])
        running.cancel()

    run(main)


def test_two_shards_of_a_node_share_it(tmp_path: Path) -> None:
    async def main() -> None:
        venue = replace(scripted(), limits=(MINUTE,))
        clients = [
            Rest(
                venue,
                None,
                Endpoints("", "", ""),
                budget=budget_of(venue, "host", None, str(tmp_path)),
            )
            for _ in range(2)
        ]
        taken = [client.take_for_levels({"weight": 250}) for client in clients]
        assert taken == [0.0, 0.0]
        assert all(client.take_for_levels({"weight": 250}) > 1.0 for client in clients)

    run(main)


def test_a_request_that_failed_counts_and_another_one_is_served() -> None:
    async def main() -> None:
        served = Served(50)
        served.fails = True
        running = asyncio.create_task(served.server.run())
        served.server.request("A", 10)
        await until(lambda: served.pairs == ["A"])
        assert served.server.served == 0
        served.fails = False
        served.server.request("A", 10)
        await until(lambda: served.server.served == 1)
        running.cancel()

    run(main)


def test_a_pair_that_is_resynchronised_needs_no_turn() -> None:
    async def main() -> None:
        served = Served(50)
        served.server.request("A", 10)
        served.server.request("B", 20)
        served.server.forget("A")
        running = asyncio.create_task(served.server.run())
        await until(lambda: served.pairs == ["B"])
        running.cancel()

    run(main)
